"""The course's exercises, and the sources of what was handed in."""

import contextlib
import importlib
import json
import re
from datetime import datetime
from functools import cache
from pathlib import Path

from lecturelib import checks
from lecturelib.checks.exercise import Exercise
from lecturelib.workshop.notebooks import all_in

_SOURCE = 200_000  # characters of a cell
_CELLS = 2_000  # of a notebook


@cache
def exercises() -> dict[str, str]:
    """Return the module of each check."""
    found = {}
    for path in sorted(Path(checks.__path__[0]).glob("*.py")):
        for name in re.findall(r"(?m)^(check_\w+) = Exercise\(", path.read_text(encoding="utf-8")):
            found[name] = f"{checks.__name__}.{path.stem}"
    return found


@cache
def exercise_of(check: str) -> Exercise:
    """Return the exercise that a check is."""
    return getattr(importlib.import_module(exercises()[check]), check)


def read_course() -> dict[str, str]:
    """Return the notebook of each check that the notebooks use, in order.

    Raises: ValueError where there is no notebook.
    """
    found = {}
    for path in all_in():
        for name in re.findall(r"\b(check_\w+)\.hints\(\)", path.read_text(encoding="utf-8")):
            if name in exercises():
                found[name] = path.stem
    return found


def read(content: bytes) -> tuple[str, float, list[list[str]], list[str]]:
    """Return what a file says of itself: the student's name and when it was written, if it says so; and what it holds.

    That is the code cells of a notebook, or the sources of a hand-in, each of which stands for itself; and the text
    cells. Stored outputs are left out.

    Raises: ValueError for anything else; RecursionError for lists that are nested too deeply.
    """
    given = json.loads(content)
    if not isinstance(given, dict):
        raise ValueError("no hand-in and no notebook: expected an object")
    if isinstance(cells := given.get("cells"), list):
        cells = [each for each in cells if isinstance(each, dict)][:_CELLS]
        code = [source_of(each) for each in cells if each.get("cell_type") == "code"]
        texts = [source_of(each) for each in cells if each.get("cell_type") in ("markdown", "raw")]
        return "", 0.0, [code], texts
    if not isinstance(given.get("exercises"), list):
        raise ValueError("no hand-in and no notebook: expected a list of exercises, or one of cells")
    sources = [each.get("source") for each in given["exercises"][:_CELLS] if isinstance(each, dict)]
    written = 0.0
    with contextlib.suppress(ValueError, OverflowError):
        written = datetime.fromisoformat(str(given.get("written"))).timestamp()
    named = str(given.get("student", ""))[:200]
    return named, written, [[each[:_SOURCE]] for each in sources if isinstance(each, str)], []


def source_of(cell: dict) -> str:
    """Return the source of a cell, saved as one string or as a list of lines."""
    source = cell.get("source", "")
    return ("".join(map(str, source)) if isinstance(source, list) else str(source))[:_SOURCE]
