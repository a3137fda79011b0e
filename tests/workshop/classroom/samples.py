"""Notebooks and answers as a class would hand them in."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from lecturelib.workshop.classroom.collect import Limits, Result, collect
from lecturelib.workshop.classroom.course import read_course
from lecturelib.workshop.classroom.files import Listing
from lecturelib.workshop.classroom.sandbox import SAME_ACCOUNT, Sandbox
from lecturelib.workshop.notebooks import NOTEBOOKS

COURSE = read_course()
SOLUTION = re.compile(r"\A<details><summary>Solution</summary>\n\n```python\n(.*?)\n```", re.DOTALL)
CHECKED = re.compile(r"(?m)^check_\w+\(")
QUICK = Limits(seconds=200)  # a limit that no honest answer meets, however busy the machine

BUBBLEWRAP = "no bubblewrap that works: as root, apt install bubblewrap"  # what a test says that needs it
RIGHT = "def share(labels):\n    return max(labels.count(k) for k in labels) / len(labels)\n"
WRONG = "def share(labels):\n    return len(labels)\n"
CHECK = "check_baseline(share)"


@cache
def isolated() -> bool:
    """Whether bubblewrap works here."""
    return Sandbox("bwrap").works()


def notebook(stem: str) -> dict[str, Any]:
    """Return a notebook of the course."""
    return json.loads((NOTEBOOKS / f"{stem}.ipynb").read_text(encoding="utf-8"))


def text(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def solved(stem: str) -> dict[str, Any]:
    """Return a notebook in which each exercise is solved by its own folded solution."""
    content = notebook(stem)
    for cell, below in zip(content["cells"], content["cells"][1:], strict=False):
        solution, checked = SOLUTION.match(text(below)), CHECKED.search(text(cell))
        if cell["cell_type"] == "code" and solution and checked:
            above, check = text(cell)[: checked.start()], text(cell)[checked.start() :]
            cell["source"] = f"{above}{solution[1]}\n\n\n{check}"
    return content


def code(*sources: str) -> dict[str, Any]:
    """Return a notebook of these cells of code, as an editor saves it."""
    cells = [{"cell_type": "code", "source": source.splitlines(keepends=True), "outputs": []} for source in sources]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def handed_in(student: str, *sources: str) -> dict[str, Any]:
    """Return a hand-in with these sources."""
    exercises = [{"check": "check_baseline", "source": source, "said": "baseline: right."} for source in sources]
    return {"student": student, "notebook": "00_start_here", "exercises": exercises}


def save(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def judged(folder: Path, limits: Limits = QUICK) -> dict[str, Result]:
    """Collect a folder and return the results by the places of the files: isolated, where that can be."""
    sandbox = Sandbox("bwrap" if isolated() else SAME_ACCOUNT)
    return {each.source.place: each for each in collect(Listing(folder).found, sandbox, limits, jobs=2)}
