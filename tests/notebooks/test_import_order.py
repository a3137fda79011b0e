"""A notebook imports from the taught files only what was taught by then: the library is the model answer."""

import ast
import re
from typing import NamedTuple

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tests.notebooks.test_hygiene import NOTEBOOKS, ROOT, code_of

TAUGHT_FILES = sorted(path for path in (ROOT / "lecturelib").glob("*.py") if path.stem != "__init__")
TAUGHT = re.compile(r"^\s*Taught: notebook (\d\d), section (\d+)\.", re.MULTILINE)
TOOL = re.compile(r"^\s*Tool: from notebook (\d\d) on\.", re.MULTILINE)
HEADING = re.compile(r"^## (\d+)\. ", re.MULTILINE)

Names = dict[str, dict[str, "Place | None"]]  # module -> name -> where it is taught; None for a constant


class Place(NamedTuple):
    """From where on a name may be imported; a tool has no section."""

    notebook: int
    section: int


def names_of(source: str) -> dict[str, Place | None]:
    """Read from a taught file its public names and from where on each may be imported.

    Raises: ValueError for a function or class whose docstring does not say it.
    """
    found: dict[str, Place | None] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            docstring = ast.get_docstring(node) or ""
            if taught := TAUGHT.search(docstring):
                found[node.name] = Place(int(taught[1]), int(taught[2]))
            elif tool := TOOL.search(docstring):
                found[node.name] = Place(int(tool[1]), 0)
            else:
                raise ValueError(
                    f"the docstring of {node.name} does not say where it is taught: expected a line "
                    "'Taught: notebook NN, section K.' or 'Tool: from notebook NN on.'"
                )
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {t.id: None for t in targets if isinstance(t, ast.Name) and not t.id.startswith("_")}
    return found


def faults(nb: NotebookNode, number: int, taught: Names) -> list[str]:
    """Say which imports of notebook `number` come before the lesson."""
    found = []
    section = 0
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            headings = HEADING.findall(re.sub(r"(?s)```.*?```", "", cell.source))
            section = int(headings[-1]) if headings else section
            continue
        for node in ast.walk(code_of(cell)):
            where = f"cell {cell.id!r} in section {section}"
            for module, name in _imports(node):
                if module in taught:
                    found += _judge(where, module, name, Place(number, section), taught[module])
    return found


def _imports(node: ast.AST) -> list[tuple[str, str | None]]:
    """Return (file, name) for what a statement imports from lecturelib; None for the name of a whole file."""
    if isinstance(node, ast.Import):
        parts = [alias.name.split(".") for alias in node.names]
        return [(p[1], None) for p in parts if p[0] == "lecturelib" and len(p) > 1]
    if isinstance(node, ast.ImportFrom) and node.module == "lecturelib":
        return [(alias.name, None) for alias in node.names]
    if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lecturelib."):
        return [(str(node.module).split(".")[1], alias.name) for alias in node.names]
    return []


def _judge(where: str, module: str, name: str | None, here: Place, names: dict[str, Place | None]) -> list[str]:
    """Say what is wrong with importing the name at this place."""
    if name is None or name == "*":
        return [f"{where} imports all of lecturelib.{module}: from lecturelib.{module} import what it uses"]
    if name not in names:
        return [f"{where} imports {name}, not in lecturelib.{module}: expected one of {sorted(names)}"]
    place = names[name]
    if place is not None and here < place:
        lesson = f"section {place.section} of notebook {place.notebook:02}"
        return [f"{where} imports lecturelib.{module}.{name} before {lesson} has taught it: write it out first"]
    return []


@pytest.mark.parametrize("path", TAUGHT_FILES, ids=lambda path: path.stem)
def test_each_public_name_says_where_it_is_taught(path):
    assert names_of(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_imports_what_it_has_taught(path):
    taught = {file.stem: names_of(file.read_text(encoding="utf-8")) for file in TAUGHT_FILES}
    found = faults(nbformat.read(path, as_version=4), int(path.stem[:2]), taught)
    assert not found, "\n".join([path.name, *found])


# What follows shows that the test bites.

EXAMPLE = '''
"""An example of a taught file."""

RATE = 0.1


def seed(): """Start the dice. Tool below.

    Tool: from notebook 01 on."""


def step(): """Take one step.

    Taught: notebook 02, section 3."""


def _private(): """Nobody's business."""
'''
EXAMPLE_NAMES: Names = {"recurrent": names_of(EXAMPLE)}


def judged(number: int, section: int, line: str) -> list[str]:
    """Return the faults of a notebook whose given section holds the line."""
    headings = [
        new_markdown_cell(f"# {number:02}. Title"),
        new_markdown_cell(f"## {section}. Section\n\nText."),
    ]
    cells = [*headings, new_code_cell(line), new_markdown_cell("## 9. Later")]
    return faults(new_notebook(cells=cells), number, EXAMPLE_NAMES)


def test_the_lines_of_a_taught_file_are_read():
    assert EXAMPLE_NAMES["recurrent"] == {"RATE": None, "seed": Place(1, 0), "step": Place(2, 3)}


@pytest.mark.parametrize("source", ["def f(): pass", 'class C:\n    """Do. Taught: somewhere."""'])
def test_a_name_that_does_not_say_where_it_is_taught_is_refused(source):
    with pytest.raises(ValueError, match="does not say where it is taught"):
        names_of(source)


@pytest.mark.parametrize(
    ("number", "section", "line"),
    [
        (1, 9, "from lecturelib.recurrent import step"),  # a notebook too early
        (2, 2, "from lecturelib.recurrent import step"),  # a section too early
        (2, 2, "if True:\n    from lecturelib.recurrent import seed, step as s"),
        (0, 5, "from lecturelib.recurrent import seed"),  # a tool too early
        (9, 9, "import lecturelib.recurrent"),
        (9, 9, "from lecturelib import recurrent"),
        (9, 9, "from lecturelib.recurrent import *"),
        (9, 9, "from lecturelib.recurrent import _private"),
        (9, 9, "from lecturelib.recurrent import leap"),
    ],
)
def test_a_wrong_import_is_refused(number, section, line):
    assert len(judged(number, section, line)) == 1


@pytest.mark.parametrize(
    ("number", "section", "line"),
    [
        (2, 3, "from lecturelib.recurrent import step"),
        (2, 4, "%time 1\nfrom lecturelib.recurrent import seed, step"),
        (3, 1, "from lecturelib.recurrent import step"),
        (1, 1, "from lecturelib.recurrent import seed"),
        (0, 1, "from lecturelib.recurrent import RATE"),
        (0, 1, "from lecturelib.figures.automata import draw"),
    ],
)
def test_a_right_import_is_accepted(number, section, line):
    assert judged(number, section, line) == []


def test_a_heading_inside_a_code_block_is_no_section():
    cells = [
        new_markdown_cell("## 2. Two\n```\n## 3. Not a heading\n```"),
        new_code_cell("from lecturelib.recurrent import step"),
    ]
    assert len(faults(new_notebook(cells=cells), 2, EXAMPLE_NAMES)) == 1
