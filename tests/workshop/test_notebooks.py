"""Which notebook a name means."""

import shutil

import pytest

from lecturelib.workshop.notebooks import NOTEBOOKS, ROOT, find, folder

ATTENTION = NOTEBOOKS / "03_attention.ipynb"


@pytest.mark.parametrize(
    "name", ["03", "3", "attention", "atten", "03_attention", "03_attention.ipynb", "notebooks/03", str(ATTENTION)]
)
def test_a_number_a_word_and_a_path_mean_the_notebook(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert find(name) == ATTENTION


@pytest.mark.parametrize("name", ["", "nothing", "smal"])
def test_a_name_that_means_none_or_two_is_refused_with_those_that_there_are(name, tmp_path):
    for each in ("03_small", "04_smaller"):
        (tmp_path / f"{each}.ipynb").touch()
    assert find("small", tmp_path).stem == "03_small"
    with pytest.raises(ValueError, match=f"is meant by {name!r}: expected one of 03_small, 04_smaller, in "):
        find(name, tmp_path)


@pytest.mark.parametrize("name", ["03_attention.ipynb", "nowhere/03_attention.ipynb"])
def test_a_path_never_means_a_file_of_another_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ATTENTION, "03_attention.ipynb")
    with pytest.raises(ValueError, match=rf"^{name} is not in .*notebooks: expected a notebook in there"):
        find(name)


def test_the_notebooks_where_one_stands_come_before_those_of_the_clone(tmp_path, monkeypatch):
    """On a hub the library lies in somebody else's clone, and each student's copies in the own home."""
    monkeypatch.chdir(tmp_path)
    assert folder() == NOTEBOOKS
    (tmp_path / "notebooks").mkdir()
    shutil.copy(ATTENTION, "notebooks")
    assert folder() == tmp_path / "notebooks"
    monkeypatch.chdir(tmp_path / "notebooks")
    assert folder() == tmp_path / "notebooks"
