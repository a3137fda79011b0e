"""The course's own notebooks: which exercises there are, and what the cells above each of them define."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lecturelib.workshop.classroom.cells import attempts, definitions, parse
from lecturelib.workshop.notebooks import NOTEBOOKS


class Lesson(NamedTuple):
    """One exercise of the course: its check, the module that holds it, its notebook, and what is defined by then."""

    check: str
    module: str
    notebook: str
    preamble: str


class _Everything:
    def __contains__(self, name: object) -> bool:
        return True


def read_course(folder: Path = NOTEBOOKS) -> dict[str, Lesson]:
    """Return the exercises of all notebooks of a folder, by the names of their checks, in order.

    Raises: ValueError where there is no notebook with an exercise.
    """
    found = {}
    for path in sorted(folder.glob("*.ipynb")):
        for lesson in _lessons(path.stem, code_cells(json.loads(path.read_text(encoding="utf-8")))):
            found[lesson.check] = lesson
    if not found:
        raise ValueError(
            f"no exercise was found in {folder}: expected the notebooks of the course. They are no part of an "
            f"installed package: run this in a clone, installed with pip install -e ."
        )
    return found


def code_cells(notebook: object) -> list[str]:
    """Return the sources of the code cells of a notebook of format 4.

    Raises: ValueError for anything else.
    """
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise ValueError("no notebook: expected an object with a list of cells, as Jupyter saves it")
    return [source_of(cell) for cell in cells if isinstance(cell, dict) and cell.get("cell_type") == "code"]


def source_of(cell: dict) -> str:
    """Return the source of a cell, saved as one string or as a list of lines."""
    source = cell.get("source", "")
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def _lessons(notebook: str, cells: list[str]) -> Iterator[Lesson]:
    above: list[ast.stmt] = []
    for cell in cells:
        tree = parse(cell)
        made = list(definitions(tree)) if tree else []
        for attempt in attempts([cell], _Everything()):
            modules = [line.module for name, line in made if name == attempt.check and isinstance(line, ast.ImportFrom)]
            if modules:
                yield Lesson(attempt.check, str(modules[0]), notebook, "\n".join(map(ast.unparse, above)))
        above += dict.fromkeys(line for _, line in made)
