"""No answer is told the name of a mistake that it does not make.

The answers are the folded solutions of the notebooks with one thing changed at a time. A changed answer that gets a
mistake's name must behave as that mistake does on inputs that the check never asks.
"""

import ast
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import product
from typing import Any

import pytest

from lecturelib.checks.exercise import Exercise, Sized, _outcome, _quiet_surroundings, _same
from tests.notebooks.test_hygiene import NOTEBOOKS
from tests.notebooks.test_solutions import Solved, exercises, run

FEW = 5  # changes of each answer that are tried by default; all on the platform's tier
OTHER = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult, ast.Mod: ast.Mult,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
}  # fmt: skip

# Inputs that are never asked, for checks that do not make theirs from sizes.
UNASKED: dict[str, list[tuple[Any, ...]]] = {
    "baseline": [([5, 5, 2],), ([1, 1, 1, 0, 3],), ([4],), ([0, 0, 7, 7, 7, 1, 1],)],
    "bias for a delay": [(3, 0.8), (12, 0.6), (25, 0.99), (2, 0.2)],
}
SOLVED = {each.check.name: each for path in NOTEBOOKS for each in exercises(path)
          if each.check.name in UNASKED or isinstance(each.check.probes, Sized)}  # fmt: skip


def changes(solved: Solved) -> Iterator[str]:
    """Yield the source of the answer with one thing changed, for each thing that can be changed."""
    n = 0
    while True:
        tree = ast.parse(solved.code)
        (function,) = (each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == solved.answer)
        possible = [change for node in ast.walk(function) for change in possible_at(node, function)]
        if n == len(possible):
            return
        possible[n]()
        n += 1
        yield ast.unparse(ast.fix_missing_locations(tree))


def possible_at(node: ast.AST, function: ast.FunctionDef) -> list[Callable[[], Any]]:
    """Return what can be changed at a place."""
    found: list[Callable[[], Any]] = []
    if isinstance(node, ast.BinOp):
        found += [partial(swap, node)]
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in OTHER:
        found += [partial(setattr, node, "op", OTHER[type(node.op)]())]
    if isinstance(node, ast.Compare) and type(node.ops[0]) in OTHER:
        found += [partial(node.ops.__setitem__, 0, OTHER[type(node.ops[0])]())]
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        found += [partial(setattr, node, "value", new) for new in {node.value + 1, node.value - 1, -node.value}]
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        found += [partial(setattr, node, "id", other.arg) for other in function.args.args if other.arg != node.id]
    if isinstance(node, ast.Call):
        found += [partial(node.keywords.pop, n) for n in range(len(node.keywords))] + [node.args.reverse]
    if isinstance(node, ast.Tuple | ast.List):
        found += [node.elts.reverse]
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.UnaryOp):
            found += [partial(setattr, node, name, value.operand)]
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):  # x.f(y) becomes x
            found += [partial(setattr, node, name, value.func.value)]
        if isinstance(value, list) and len(value) > 1 and all(isinstance(each, ast.stmt) for each in value):
            found += [partial(value.pop, n) for n in range(len(value) - 1)]
    return found


def swap(node: ast.BinOp) -> None:
    node.left, node.right = node.right, node.left


def unasked(exercise: Exercise) -> list[Any]:
    """Return inputs that a check never asks, of sizes near those that it asks."""
    if not isinstance(exercise.probes, Sized):
        return UNASKED[exercise.name]
    found = []
    for *sizes, seed in exercise.probes.asked:
        for n, step in product(range(len(sizes)), (-1, 1, 2)):
            with suppress(ArithmeticError, LookupError, RuntimeError, ValueError):  # sizes that do not go together
                found.append(exercise.probes.build(*sizes[:n], sizes[n] + step, *sizes[n + 1 :], seed))
    return found


def deserved(exercise: Exercise, answer: Any, name: str) -> bool:
    """Whether an answer does what a verdict says, also where the check did not ask; "other" says nothing."""
    likes = [exercise.reference] if name == "right" else exercise.wrong_answers(name)
    with _quiet_surroundings():
        return not likes or any(
            all(
                _same(_outcome(exercise._function(answer), probe), _outcome(exercise._function(like), probe))
                for probe in unasked(exercise)
            )
            for like in likes
        )


def tried(solved: Solved, sources: list[str]) -> list[str]:
    """Have each of these answers checked; return the names that they get, and complain about one that is false."""
    names = []
    for source in sources:
        try:
            answer = run(source)[0][solved.answer]
        except Exception:  # no function comes of it
            continue
        names.append(solved.check.verdict(answer).name)
        assert deserved(solved.check, answer, names[-1]), f"{names[-1]}:\n{source}"
    return names


@pytest.mark.parametrize("name", SOLVED)
def test_a_changed_answer_gets_no_false_name(name: str) -> None:
    sources = list(changes(SOLVED[name]))
    assert tried(SOLVED[name], random.Random(name).sample(sources, min(FEW, len(sources))))


@pytest.mark.platform
def test_100_differently_wrong_answers_and_more_get_no_false_name() -> None:
    names = [name for solved in SOLVED.values() for name in tried(solved, list(changes(solved)))]
    wrong = [name for name in names if name != "right"]
    print(f"{len(names)} changed answers, {len(wrong)} wrong, {len(wrong) - wrong.count('other')} of them named")
    assert len(wrong) >= 100
