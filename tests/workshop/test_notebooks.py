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


@pytest.mark.parametrize("name", ["", "nothing", "33"])
def test_another_name_is_refused_with_those_that_there_are(name):
    with pytest.raises(ValueError, match=f"is meant by {name!r}: expected one of 00_.*, in {NOTEBOOKS}"):
        find(name)


def test_a_name_that_means_two_is_refused(tmp_path):
    for name in ("03_small", "04_smaller"):
        (tmp_path / f"{name}.ipynb").touch()
    assert find("small", tmp_path).stem == "03_small"
    with pytest.raises(ValueError, match="expected one of 03_small, 04_smaller"):
        find("smal", tmp_path)


@pytest.mark.parametrize("name", ["copies/03_attention.ipynb", "03_attention.ipynb", "nowhere/03_attention.ipynb"])
def test_a_path_never_means_a_file_of_another_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "copies").mkdir()
    for copy in ("copies/03_attention.ipynb", "03_attention.ipynb"):
        shutil.copy(ATTENTION, copy)
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
