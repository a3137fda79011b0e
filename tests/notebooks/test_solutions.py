"""Each exercise stands with its check, its hints and a folded solution that the check calls right."""

import ast
import contextlib
import io
import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import nbformat
import pytest
import torch
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lecturelib.checks.exercise import Exercise
from tests.notebooks.test_hygiene import NOTEBOOKS, code_of

SOLUTION = re.compile(r"\A<details><summary>Solution</summary>\n\n```python\n(.*?)\n```\n\n</details>\s*\Z", re.DOTALL)
MISTAKES = 4  # at least that many known wrong answers


def calls(cell: NotebookNode) -> list[tuple[str, str]]:
    """Return (check, answer) for each line of a cell that has an answer checked."""
    found = []
    for node in ast.walk(code_of(cell)) if cell.cell_type == "code" else ():
        name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
        if isinstance(node, ast.Call) and name.startswith("check_"):
            found.append((name, ast.unparse(node.args[0]) if node.args else ""))
    return found


def faults(nb: NotebookNode) -> list[str]:
    """Say what is missing at the exercises of a notebook."""
    found = []
    below = [*nb.cells[1:], new_markdown_cell("")]
    for cell, after in zip(nb.cells, below, strict=True):
        for check, answer in calls(cell):
            found += [f"cell {cell.id!r}: {fault}" for fault in exercise_faults(cell, check, answer, after)]
    return found


def exercise_faults(cell: NotebookNode, check_name: str, answer: str, below: NotebookNode) -> list[str]:
    """Say what is missing at one exercise, by running it unsolved and solved."""
    found = []
    if len(calls(cell)) != 1 or not cell.source.rstrip().endswith(f"{check_name}.hints()"):
        found.append(f"expected one check, and {check_name}.hints() in the last line")
    names, said = _run(cell.source)
    check: Any = names.get(check_name)
    if not isinstance(check, Exercise):
        return [*found, f"{check_name} is not imported in the cell"]
    if said != check.verdict(...).says + "\n":
        found.append(f"unsolved it says {said!r}: expected that it is not solved yet")
    if len(check.mistakes) < MISTAKES:
        found.append(f"{len(check.mistakes)} mistakes: expected {MISTAKES} or more")
    solution = SOLUTION.match(below.source) if below.cell_type == "markdown" else None
    if not solution or "```" in solution[1]:
        return [*found, "below it stands no folded solution with one block of Python"]
    imports = [node for node in code_of(cell).body if isinstance(node, ast.Import | ast.ImportFrom)]
    code = "\n".join([*map(ast.unparse, imports), solution[1]])
    try:
        solved, _ = _run(code)
        verdict = check.verdict(eval(answer, solved))
    except Exception as problem:
        return [*found, f"the solution stops with {type(problem).__name__}: {problem}"]
    if verdict.name != "right":
        found.append(f"the check does not call the solution right: {verdict.says}")
    return found


def _run(code: str) -> tuple[dict[str, Any], str]:
    """Run code with what a notebook has imported by then; return its names and what it printed."""
    names: dict[str, Any] = {"torch": torch, "math": math}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, names)
    return names, printed.getvalue()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_exercise_has_a_right_solution(path):
    nb = nbformat.read(path, as_version=4)
    assert any(calls(cell) for cell in nb.cells), "a notebook without an exercise"
    headings = sum(len(re.findall(r"(?m)^###? Exercise\b", cell.source)) for cell in nb.cells)
    assert headings == sum(len(calls(cell)) for cell in nb.cells), "an exercise without its check"
    found = faults(nb)
    assert not found, "\n".join([path.name, *found])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_an_unsolved_exercise_says_so_in_the_saved_notebook(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if calls(cell):
            printed = "".join(o.text for o in cell.outputs if o.output_type == "stream")
            assert "not solved yet" in printed, f"{path.name}, cell {cell.id!r}"


# What follows shows that the test bites.

EXERCISE = """from lecturelib.checks.lstm import check_bias_for


def bias_for(delay, keep):
    return ...


check_bias_for(bias_for)
check_bias_for.hints()"""
ANSWER = """<details><summary>Solution</summary>

```python
def bias_for(delay, keep):
    return -math.log(keep ** (-1 / delay) - 1)
```

</details>"""


def small() -> NotebookNode:
    return new_notebook(cells=[new_code_cell(EXERCISE), new_markdown_cell(ANSWER)])


def change(place: int, old: str, new: str) -> Callable[[NotebookNode], object]:
    """A change to the source of one cell."""

    def spoil(nb: NotebookNode) -> None:
        assert old in nb.cells[place].source
        nb.cells[place].source = nb.cells[place].source.replace(old, new)

    return spoil


SPOILED: dict[str, tuple[str, Callable[[NotebookNode], object]]] = {
    "no solution": ("no folded solution", lambda nb: nb.cells.pop()),
    "a cell between": ("no folded solution", lambda nb: nb.cells.insert(1, new_markdown_cell("A remark."))),
    "not folded": ("no folded solution", change(1, "<details><summary>Solution</summary>", "Solution")),
    "two blocks": ("no folded solution", change(1, "\n</details>", "\n```python\npass\n```\n\n</details>")),
    "not Python": ("no folded solution", change(1, "```python", "```text")),
    "a wrong solution": ("does not call the solution right", change(1, "-math.log(", "math.log(")),
    "an unsolved solution": ("does not call the solution right", change(1, "    return -", "    return ... #")),
    "a solution that fails": ("does not call the solution right", change(1, "/ delay", "/ prejudice")),
    "a solution with another name": ("stops with NameError", change(1, "bias_for", "bias_of")),
    "a solution that needs an import": ("stops with NameError", change(1, "def bias", "y = numpy.pi\ndef bias")),
    "no hints": ("expected one check", change(0, "\ncheck_bias_for.hints()", "")),
    "another check's hints": ("expected one check", change(0, "check_bias_for.hints", "check_gru_step.hints")),
    "solved in the notebook": ("unsolved it says", change(0, "...", "-math.log(keep ** (-1 / delay) - 1)")),
    "wrong in the notebook": ("unsolved it says", change(0, "...", "1.0")),
}


def test_a_good_exercise_passes():
    assert faults(small()) == []


@pytest.mark.parametrize(("says", "spoil"), SPOILED.values(), ids=SPOILED)
def test_a_spoiled_exercise_is_refused(says, spoil):
    nb = small()
    spoil(nb)
    if "check_gru_step" in nb.cells[0].source:
        nb.cells[0].source = "from lecturelib.checks.lstm import check_gru_step\n" + nb.cells[0].source
    found = faults(nb)
    assert any(says in fault for fault in found), found


def test_a_check_with_few_mistakes_is_refused(monkeypatch):
    from lecturelib.checks import lstm

    says = "a: A.\nb: B.\nc: C.\nright: Good.\nhint 1: One.\nhint 2: Two."
    poor = replace(lstm.check_bias_for, imitations=dict.fromkeys("abc", math.sin), says=says)
    monkeypatch.setattr(lstm, "check_bias_for", poor)
    assert any("3 mistakes: expected 4" in fault for fault in faults(small()))
