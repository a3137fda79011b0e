"""What a docstring says of the course is so: a name stands where it is taught, and is not imported before that.

The library is the model answer: a notebook that imports what it has not taught yet gives it away.
"""

import ast
import re
from typing import NamedTuple

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tests.notebooks.test_hygiene import NOTEBOOKS, ROOT, code_of

TAUGHT_FILES = sorted(path for path in (ROOT / "lecturelib").glob("*.py") if not path.stem.startswith("__"))
TAUGHT = re.compile(r"^\s*Taught: notebook (\d\d), section (\d+)\.", re.MULTILINE)
HEADING = re.compile(r"^## (\d+)\. ", re.MULTILINE)
FENCE = re.compile(r"(?s)```.*?```")


class Place(NamedTuple):
    """A section of a notebook; section 0 lies before the first heading."""

    notebook: int
    section: int

    def __str__(self) -> str:
        return f"section {self.section} of notebook {self.notebook:02}"


class Course(NamedTuple):
    """What the notebooks name in each section, in code or as `code` in the text, and what they import where first."""

    named: dict[Place, set[str]]
    imported: dict[tuple[str, str], Place]  # (file of lecturelib, name)


def read(notebooks: dict[int, NotebookNode]) -> Course:
    """Read the course from its notebooks, given by their numbers in order."""
    course = Course({}, {})
    for number, nb in notebooks.items():
        place = Place(number, 0)
        for cell in nb.cells:
            if cell.cell_type == "markdown":
                if headings := HEADING.findall(FENCE.sub("", cell.source)):
                    place = Place(number, int(headings[-1]))
                spans = FENCE.findall(cell.source) + re.findall(r"`[^`\n]+`", cell.source)
                course.named.setdefault(place, set()).update(re.findall(r"\w+", " ".join(spans)))
                continue
            for node in ast.walk(code_of(cell)):
                named = {getattr(node, field, None) for field in ("id", "attr", "name")} - {None}
                course.named.setdefault(place, set()).update(named)
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lecturelib."):
                    for alias in node.names:
                        course.imported.setdefault((str(node.module).partition(".")[2], alias.name), place)
    return course


def faults(module: str, source: str, course: Course) -> list[str]:
    """Say what the docstrings of a taught file get wrong about the course."""
    found = []
    for node in ast.parse(source).body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        if (said := TAUGHT.search(ast.get_docstring(node) or "")) is None:
            continue  # a tool
        place = Place(int(said[1]), int(said[2]))
        if node.name not in course.named.get(place, set()):
            found.append(f"{node.name} does not stand in {place}, where its docstring says that it is taught")
        first = course.imported.get((module, node.name), place)
        if first < place:
            found.append(f"{node.name} is imported in {first}, but its docstring says: {said[0].strip()}")
    return found


@pytest.fixture(scope="module")
def course() -> Course:
    return read({int(path.stem[:2]): nbformat.read(path, as_version=4) for path in NOTEBOOKS})


@pytest.mark.parametrize("path", TAUGHT_FILES, ids=lambda path: path.stem)
def test_each_public_name_is_taught_where_its_docstring_says(path, course):
    found = faults(path.stem, path.read_text(encoding="utf-8"), course)
    assert not found, "\n".join([path.name, *found])


# What follows shows that the test bites.

SMALL = {
    1: ["# 01. One", "## 1. First", "x = seed()", "## 2. Two `step`\n```\n## 3. No heading\n```", "step(1)"],
    2: ["# 02. Two", "## 3. Third\nA step.", "from lecturelib.recurrent import seed, step", "The class `Cell`."],
}


@pytest.mark.parametrize(
    ("docstring", "name", "said"),
    [
        ("Taught: notebook 01, section 2.", "step", ""),
        ("Taught: notebook 02, section 3.", "Cell", ""),
        ("A tool.", "other", ""),
        ("Taught: notebook 01, section 1.", "step", "step does not stand in section 1 of notebook 01"),
        ("Taught: notebook 01, section 3.", "step", "step does not stand in section 3 of notebook 01"),  # in a fence
        ("Taught: notebook 02, section 3.", "A", "A does not stand in section 3 of notebook 02"),
        ("Taught: notebook 03, section 1.", "seed", "seed is imported in section 3 of notebook 02, but"),
    ],
)
def test_a_docstring_that_lies_is_named(docstring, name, said):
    cells = {number: [as_cell(text) for text in texts] for number, texts in SMALL.items()}
    course = read({number: new_notebook(cells=each) for number, each in cells.items()})
    found = faults(
        "recurrent", f'def _hidden(): pass\n\n\ndef {name}():\n    """Do.\n\n    {docstring}\n    """', course
    )
    assert bool(found) == bool(said) and said in "".join(found), found


def as_cell(text: str) -> NotebookNode:
    is_text = text.startswith("#") or "`" in text
    return new_markdown_cell(text) if is_text else new_code_cell(text)
