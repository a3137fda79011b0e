"""Which notebook a name means."""

import shutil

import pytest

from lecturelib.workshop.notebooks import NOTEBOOKS, ROOT, find

ATTENTION = NOTEBOOKS / "03_attention.ipynb"


@pytest.mark.parametrize(
    "name", ["03", "attention", "03_attention", "03_attention.ipynb", "notebooks/03_attention.ipynb", str(ATTENTION)]
)
def test_a_number_a_word_and_a_path_mean_the_notebook(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert find(name) == ATTENTION


@pytest.mark.parametrize("name", ["copies/03_attention.ipynb", "03_attention.ipynb", "nowhere/03_attention.ipynb"])
def test_a_path_never_means_a_file_of_another_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "copies").mkdir()
    for copy in ("copies/03_attention.ipynb", "03_attention.ipynb"):
        shutil.copy(ATTENTION, copy)
    with pytest.raises(ValueError, match=rf"^{name} lies outside of .*notebooks: expected a notebook in there"):
        find(name)
