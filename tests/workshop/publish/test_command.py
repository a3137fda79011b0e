"""The command as a whole, on small notebooks in a folder of their own."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lecturelib.__main__ import parse
from lecturelib.workshop.publish import command
from lecturelib.workshop.publish.execute import KernelLost, execute
from lecturelib.workshop.publish.form import is_sealed, problems

NAME = "01_small"
PROJECT = '[project]\nname = "x"\n[project.urls]\nRepository = "https://github.com/{}"\n'


def project(folder: Path) -> Path:
    """Return a small project whose one notebook was never executed."""
    (folder / "notebooks").mkdir()
    (folder / "pyproject.toml").write_text(PROJECT.format("me/mine"), encoding="utf-8")
    (folder / "README.md").write_text("<!-- badges -->\n<!-- /badges -->\n", encoding="utf-8")
    write(folder, "import os\nos.getcwd().endswith('notebooks')", "os.environ['OMP_NUM_THREADS'], hash('a')")
    return folder


@pytest.fixture
def root(tmp_path):
    return project(tmp_path)


def main(arguments: list[str], root: Path) -> int:
    """Run the command on a project."""
    given = parse("publish", arguments)
    return command.write(given.names, given.text_only, root)


def path_in(root: Path) -> Path:
    return root / "notebooks" / f"{NAME}.ipynb"


def write(root: Path, *sources: str) -> bytes:
    """Write a notebook of these code cells, as an editor would; return the file's bytes."""
    code = [new_code_cell(source) for source in sources]
    nb = new_notebook(cells=[new_markdown_cell("# Title"), *code, new_markdown_cell("The end."), new_code_cell("")])
    nbformat.write(nb, path_in(root))
    return path_in(root).read_bytes()


def read(root: Path) -> nbformat.NotebookNode:
    return nbformat.read(path_in(root), as_version=4)


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """The small notebook as the command writes it: executed once, for the tests that change it by hand."""
    root = project(tmp_path_factory.mktemp("committed"))
    assert main([NAME], root) == 0
    return path_in(root).read_bytes()


def test_a_notebook_is_executed_and_written_twice_to_the_same_bytes(root):
    assert main([NAME], root) == 0
    nb, once = read(root), path_in(root).read_bytes()
    assert is_sealed(nb) and problems(nb) == []
    assert [cell.execution_count for cell in nb.cells if cell.cell_type == "code"] == [1, 2, 3]
    assert nb.cells[3].outputs[0].data["text/plain"] == "True"  # the folder of the kernel
    assert nb.cells[4].outputs[0].data["text/plain"].startswith("('1', ")
    assert b"\r" not in once
    assert main([], root) == 0
    assert path_in(root).read_bytes() == once
    assert [file.name for file in path_in(root).parent.iterdir()] == [f"{NAME}.ipynb"]
    assert "me/mine" in (root / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        (["x = 1", "def half():\n    raise RuntimeError('no half')\n\n\nhalf()"], [f"{NAME}, cell 'half'", "no half"]),
        (["import warnings\nwarnings.warn('careful')"], ["stderr"]),
    ],
)
def test_an_error_or_an_output_that_must_not_be_committed_leaves_the_file(root, capsys, sources, words):
    before = write(root, *sources)
    assert main([NAME], root) == 1
    said = capsys.readouterr().err
    assert not [each for each in words if each not in said]
    assert path_in(root).read_bytes() == before


WRITTEN = nbformat.writes(new_notebook(cells=[new_markdown_cell("# Good"), new_code_cell("1")]))
UNREADABLE = {
    "a merge conflict": (
        WRITTEN.replace(' "cells"', '<<<<<<< HEAD\n "cells"', 1),
        "01_bad.ipynb: a merge conflict begins in line 2",
    ),
    "an empty file": ("", "01_bad.ipynb is empty"),
    "no cells": ('{"cells": 3, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', "01_bad.ipynb holds no notebook"),
    "no text": ("\udcff", "01_bad.ipynb holds no notebook"),
}


@pytest.mark.parametrize(("text", "words"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_holds_no_notebook_is_named_in_one_line_and_the_others_are_written(root, capsys, text, words):
    path_in(root).unlink()
    bad, good = (root / "notebooks" / f"{name}.ipynb" for name in ("01_bad", "02_good"))
    bad.write_bytes(text.encode(errors="surrogateescape"))
    good.write_text(WRITTEN, encoding="utf-8")
    assert main([], root) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if "ipynb" in line]
    assert len(said) == 1 and words in said[0], said
    assert is_sealed(nbformat.read(good, as_version=4)) and bad.read_bytes() == text.encode(errors="surrogateescape")


def test_a_mark_of_byte_order_is_left_out_and_a_space_does_not_break_the_badges(root):
    path = root / "notebooks" / "02 with a space.ipynb"
    path.write_text("\ufeff" + WRITTEN, encoding="utf-8")
    assert main(["02 with"], root) == 0
    assert path.read_bytes().startswith(b"{") and is_sealed(nbformat.read(path, as_version=4))
    assert path.read_text().count("notebooks/02%20with%20a%20space.ipynb") == 2


def test_texts_slide_types_and_a_new_address_are_taken_over_without_executing(root, committed, monkeypatch):
    path_in(root).write_bytes(committed)
    nb = read(root)
    outputs = [cell.outputs for cell in nb.cells if cell.cell_type == "code"]
    nb.cells[0].source = "# Another title"
    nb.cells[3].metadata.slideshow = {"slide_type": "subslide"}
    nb.cells.insert(4, new_markdown_cell("A text between, saved by an editor."))
    nbformat.write(nb, path_in(root))
    (root / "pyproject.toml").write_text(PROJECT.format("you/yours"), encoding="utf-8")
    monkeypatch.setattr(command, "execute", None)  # calling it would fail
    assert main(["--text-only"], root) == 0
    nb, written = read(root), path_in(root).read_bytes()
    assert is_sealed(nb) and [cell.outputs for cell in nb.cells if cell.cell_type == "code"] == outputs
    assert (nb.cells[0].id, nb.cells[4].id) == ("another-title", "a-text-between-saved-by-an-editor")
    assert nb.cells[3].metadata.slideshow.slide_type == "subslide"
    assert "you/yours" in nb.cells[1].source and "you/yours" in nb.cells[2].source and b"me/mine" not in written
    assert main([NAME, "--text-only"], root) == 0 and path_in(root).read_bytes() == written


CHANGES = {
    "code": lambda nb: nb.cells[3].update(source="import sys"),
    "never executed": None,
    "no digest": lambda nb: (nb.metadata.pop("lecturelib"), nb.cells[0].update(source="# Other")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_code_or_outputs_must_be_executed(root, committed, capsys, change):
    if change:
        path_in(root).write_bytes(committed)
        nb = read(root)
        change(nb)
        nbformat.write(nb, path_in(root))
    before = path_in(root).read_bytes()
    assert main([NAME, "--text-only"], root) == 1
    assert "run without --text-only" in capsys.readouterr().err
    assert path_in(root).read_bytes() == before


def test_an_address_that_cannot_be_stamped_leaves_every_file(root, committed):
    path_in(root).write_bytes(committed)
    readme = (root / "README.md").read_bytes()
    (root / "pyproject.toml").write_text(PROJECT.format("me"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"'https://github.com/me': expected"):
        main([], root)
    assert path_in(root).read_bytes() == committed and (root / "README.md").read_bytes() == readme


@pytest.mark.parametrize(
    ("trouble", "words", "timeout"),
    [
        ("import time; time.sleep(60)", "no answer within 2 s", 2),
        ("import os; os._exit(1)", "Kernel died", 30),
    ],
)
def test_a_kernel_that_hangs_or_dies_is_a_failure_of_one_line(tmp_path, trouble, words, timeout):
    with pytest.raises(KernelLost, match=f"^{NAME}, cell .*{words}"):
        execute(new_notebook(cells=[new_code_cell(trouble)]), tmp_path, NAME, timeout)
