"""On Colab: the first cell brings the library and changes nothing else, every cell runs, every widget has a picture.

Colab itself is out of reach: `machine` makes one like it. What its page draws is not seen here, only what it is sent.
The notebooks that do not run here run in JupyterLab; each kind of widget is shown here.
"""

import re
import sys
import tomllib
from typing import NamedTuple

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lecturelib.workshop.publish.form import WIDGET_VIEW, clean, problems
from lecturelib.workshop.publish.stamp import COLAB_LACKS, INSTALL_TAG, install, repository
from tests.browser.test_widgets import CELLS
from tests.colab import machine
from tests.colab.preinstalled.google.colab.output import MANAGER
from tests.stand_ins import FULL, ON_COLAB, STEPS
from tests.tools import require
from tests.working_tree import ROOT

NAMED = set(COLAB_LACKS.split())
FIGURE, QUESTION = "Interactive figure: ", "Predict: "  # how the text of such an output begins
pytestmark = [pytest.mark.platform, pytest.mark.skipif(sys.platform != "linux", reason="a machine of Colab runs Linux")]


class Colab(NamedTuple):
    """A machine on which the first cell has been run, and what was installed before and after, and where."""

    machine: machine.Machine
    before: dict[str, tuple[str, str]]
    after: dict[str, tuple[str, str]]
    said: str


@pytest.fixture(scope="module")
def colab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("colab")
    made, trouble = machine.build(folder)
    require(not trouble, f"{machine.HOW}\n{trouble}")
    before = made.packages()
    # as stamped, but for the archive: GitHub's cannot hold this working tree
    source, replaced = re.subn(
        r"https://github\.com/\S+\.zip", machine.archive(folder / "main.zip").as_uri(), install(repository(ROOT))
    )
    assert replaced == 1
    nb = new_notebook(cells=[new_code_cell(source)])
    made.run(nb, folder, steps=None)
    return Colab(made, before, made.packages(), str(nb.cells[0].outputs))


def test_the_first_cell_installs_the_library_and_leaves_what_was_there(colab):
    assert not (NAMED | {"lecturelib"}) & set(colab.before)
    assert set(colab.after) == set(colab.before) | NAMED | {"lecturelib"}, colab.said
    assert {name: colab.after[name] for name in colab.before} == colab.before


def test_nothing_that_a_notebook_needs_is_missing_afterwards(colab):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {canonicalize_name(Requirement(each).name) for each in project["dependencies"]}
    # the page is Colab's own, and no notebook runs another one
    assert needed - set(colab.after) <= {"jupyterlab", "nbclient", "nbformat"}


@pytest.mark.parametrize("name", ON_COLAB)
def test_every_cell_runs_leaves_something_to_see_and_says_the_same_again(colab, name, tmp_path):
    saved, ran = (nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4) for _ in range(2))
    for cell in ran.cells:
        if INSTALL_TAG in cell.metadata.get("tags", []):  # a second time it finds everything, and fetches nothing
            cell.source = re.sub(r'-q (.*) "lecturelib @ \S+"', r"-q --no-index \1 lecturelib", cell.source)
            assert "--no-index" in cell.source
    assert colab.machine.run(ran, tmp_path, steps=FULL.get(name, STEPS)) == []
    look(ran)
    for before, after in zip(saved.cells, ran.cells, strict=True):
        for kind in (FIGURE, QUESTION):
            assert texts(after, kind, WIDGET_VIEW) == texts(before, kind), after.id


def test_every_kind_of_widget_leaves_something_to_see(colab, tmp_path):
    ran = new_notebook(cells=[new_code_cell(cell) for cell in CELLS])
    colab.machine.run(ran, tmp_path, steps=STEPS)
    look(ran)
    figures = [text for cell in ran.cells for text in texts(cell, FIGURE, WIDGET_VIEW)]
    assert len(set(figures)) >= 8, figures


def look(ran: NotebookNode) -> None:
    """Assert that no cell raised, and that what it shows can be seen on Colab."""
    outputs = [(cell.id, output) for cell in ran.cells for output in cell.get("outputs", [])]
    raised = [f"{name}: {output.ename}: {output.evalue}" for name, output in outputs if output.output_type == "error"]
    assert not raised, "\n".join(raised)
    bare = [problem for problem in problems(clean(ran)) if "a widget without" in problem]
    assert not bare, "\n".join(bare)
    for cell in ran.cells:
        # the picture is an output of its own: it is seen where the page does not draw the widget
        assert texts(cell, FIGURE, "image/png") == texts(cell, FIGURE, WIDGET_VIEW), cell.id
    managers = [o.metadata.get(WIDGET_VIEW) for _, o in outputs if WIDGET_VIEW in o.get("data", {})]
    assert ({"colab": {"custom_widget_manager": MANAGER}} in managers) == has_page_code(ran)


def texts(cell: NotebookNode, start: str, kind: str = "text/plain") -> list[str]:
    """Return the texts that begin so, of a cell's outputs that hold one kind of data."""
    data = [output.data for output in cell.get("outputs", []) if kind in output.get("data", {})]
    return [each["text/plain"] for each in data if each.get("text/plain", "").startswith(start)]


def has_page_code(nb: NotebookNode) -> bool:
    """Whether a file of ours draws a figure, or words it: Colab's page loads one only if it is told to."""
    folder, imported = ROOT / "lecturelib" / "widgets", re.compile(r"lecturelib\.widgets\.(\w+)")
    modules = set(imported.findall("\n".join(cell.source for cell in nb.cells)))
    while (
        more := {name for each in modules for name in imported.findall((folder / f"{each}.py").read_text())} - modules
    ):
        modules |= more
    return any("_esm = " in (folder / f"{module}.py").read_text() for module in modules)
