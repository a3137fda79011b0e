"""Each exercise stands with its check, its hints and a folded solution that the check calls right."""

import ast
import contextlib
import io
import math
import re
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import nbformat
import pytest
import torch
from nbformat import NotebookNode

from lecturelib.checks.exercise import Exercise
from tests.notebooks.test_hygiene import NOTEBOOKS, code_of

CHECKED = re.compile(r"(?m)^(check_\w+)\((.*)\)\n\1\.hints\(\)\Z")
SOLUTION = re.compile(r"\A<details><summary>Solution</summary>\n\n```python\n([^`]*)\n```\n\n</details>\s*\Z")


class Solved(NamedTuple):
    """An exercise of a notebook: its cell, its check, the expression that is checked, and the code of its solution."""

    cell: NotebookNode
    check: Exercise
    answer: str
    code: str


@cache
def exercises(path) -> list[Solved]:
    """Return the exercises of a notebook; the last lines of each are its check and the hints, below is its solution."""
    found = []
    cells = nbformat.read(path, as_version=4).cells
    for cell, below in pairwise(cells):
        if cell.cell_type == "code" and "check_" in cell.source:
            checked, solution = CHECKED.search(cell.source), SOLUTION.match(below.source)
            assert checked and solution, f"{path.name}, cell {cell.id!r}"
            imports = [node for node in code_of(cell).body if isinstance(node, ast.Import | ast.ImportFrom)]
            code = "\n".join([*map(ast.unparse, imports), solution[1]])
            found.append(Solved(cell, run(cell.source)[0][checked[1]], checked[2], code))
    return found


def run(code: str) -> tuple[dict[str, Any], str]:
    """Run code with what a notebook has imported by then; return its names and what it printed."""
    names: dict[str, Any] = {"torch": torch, "math": math}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, names)
    return names, printed.getvalue()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_exercise_has_a_right_solution(path):
    headings = sum(len(re.findall(r"(?m)^###? Exercise\b", c.source)) for c in nbformat.read(path, as_version=4).cells)
    assert headings == len(exercises(path)) > 0
    for each in exercises(path):
        verdict = each.check.verdict(eval(each.answer, run(each.code)[0]))
        assert verdict.name == "right", verdict.says


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_an_unsolved_exercise_says_so_also_in_the_saved_notebook(path):
    for each in exercises(path):
        saved = "".join(output.text for output in each.cell.outputs if output.output_type == "stream")
        assert saved == run(each.cell.source)[1] == each.check.verdict(...).says + "\n"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_verdict_holds_a_line_of_the_solution(path):
    for each in exercises(path):
        given = {line.strip() for line in each.cell.source.splitlines()}
        lines = {line.strip() for line in each.code.splitlines()} - given
        says = [*each.check.mistakes.values(), each.check.verdict(eval(each.answer, run(each.code)[0])).says]
        assert not [(line, text) for line in lines if len(line) > 8 for text in says if line in text]
