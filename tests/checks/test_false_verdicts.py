"""No answer is told the name of a mistake that it does not make.

The answers are the folded solutions of the notebooks: rewritten in ways that change nothing, which must stay right, and
with one thing changed at a time. A changed answer that gets a mistake's name must behave as that mistake does on
inputs that the check never asks.
"""

import ast
import json
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial
from itertools import product
from typing import Any

import pytest
import torch

from lecturelib.checks.exercise import Sized, _outcome, _quiet_surroundings, _same
from lecturelib.workshop.classroom.cells import Attempt, attempts
from lecturelib.workshop.classroom.child import make
from lecturelib.workshop.classroom.course import exercise_of, read
from tests.checks.test_exercises import EXERCISES, RIGHT
from tests.workshop.classroom.samples import COURSE, solved

FEW = 5  # changes of each answer that are tried by default; all on the platform's tier
OTHER = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult, ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.And: ast.Or, ast.Or: ast.And, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip


@cache
def solution(check: str) -> Attempt:
    """Return the folded solution of an exercise: what it needs, and the answer."""
    content = json.dumps(solved(COURSE[check])).encode()
    return next(each for each in attempts(read(content)[2][0], COURSE) if each.check == check)


def parsed(check: str) -> tuple[ast.Module, ast.FunctionDef]:
    """Return what an answer needs, and in it the function that is the answer."""
    tree = ast.parse(solution(check).source)
    return tree, next(each for each in tree.body if isinstance(each, ast.FunctionDef)
                      and each.name == solution(check).answer)  # fmt: skip


# Inputs that are never asked, for checks that do not make theirs from sizes.
UNASKED: dict[str, list[tuple[Any, ...]]] = {
    "check_baseline": [([5, 5, 2],), ([1, 1, 1, 0, 3],), ([4],), ([0, 0, 7, 7, 7, 1, 1],)],
    "check_bias_for": [(3, 0.8), (12, 0.6), (25, 0.99), (2, 0.2)],
}
# The answers that are functions; that of `check_painter` is described by what it does, not by its results.
FUNCTIONS = [check for check in COURSE if check in UNASKED or isinstance(exercise_of(check).probes, Sized)]


def changes(check: str) -> Iterator[str]:
    """Yield the source of the answer with one thing changed, for each thing that can be changed."""
    tree, function = parsed(check)
    for n in range(sum(len(possible(node, function)) for node in ast.walk(function))):
        tree, function = parsed(check)
        [change for node in ast.walk(function) for change in possible(node, function)][n]()
        yield ast.unparse(ast.fix_missing_locations(tree))


def possible(node: ast.AST, function: ast.FunctionDef) -> list[Callable[[], Any]]:
    """Return what can be changed at a place."""
    arguments = [each.arg for each in function.args.args]
    found: list[Callable[[], Any]] = []
    if isinstance(node, ast.BinOp):
        found += [partial(swap, node, "left", node, "right")]
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(node.op) in OTHER:
        found += [partial(setattr, node, "op", OTHER[type(node.op)]())]
    if isinstance(node, ast.Compare) and type(node.ops[0]) in OTHER:
        found += [partial(node.ops.__setitem__, 0, OTHER[type(node.ops[0])]())]
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        found += [partial(setattr, node, "value", new) for new in (node.value + 1, node.value - 1, -node.value)
                  if new != node.value]  # fmt: skip
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        found += [partial(setattr, node, "value", not node.value)]
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in arguments:
        found += [partial(setattr, node, "id", other) for other in arguments if other != node.id]
    if isinstance(node, ast.Call) and node.keywords:
        found += [partial(node.keywords.pop, n) for n in range(len(node.keywords))]
    if isinstance(node, ast.Call) and len(node.args) > 1:
        found += [partial(node.args.reverse)]
    if isinstance(node, ast.Tuple | ast.List) and len(node.elts) > 1:
        found += [partial(node.elts.reverse)]
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.UnaryOp):
            found += [partial(setattr, node, name, value.operand)]
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):  # x.f(y) becomes x, f(x) becomes x
            inner = value.args[0] if isinstance(value.func.value, ast.Name) and value.args else value.func.value
            found += [partial(setattr, node, name, inner)]
        if isinstance(value, list) and len(value) > 1 and all(isinstance(each, ast.stmt) for each in value):
            found += [partial(value.pop, n) for n, each in enumerate(value) if not isinstance(each, ast.Return)]
    return found


def swap(a: Any, name: str, b: Any, other: str) -> None:
    first, second = getattr(a, name), getattr(b, other)
    setattr(a, name, second)
    setattr(b, other, first)


@cache
def unasked(check: str) -> list[Any]:
    """Return inputs that a check never asks, of sizes near those that it asks."""
    probes = exercise_of(check).probes
    if not isinstance(probes, Sized):
        return UNASKED[check]
    found = []
    for *sizes, seed in probes.asked:
        for n, step in product(range(len(sizes)), (-1, 1, 2)):
            with suppress(ArithmeticError, LookupError, RuntimeError, ValueError):  # sizes that do not go together
                found.append(probes.build(*sizes[:n], sizes[n] + step, *sizes[n + 1 :], seed))
    return found


def alike(a: Any, b: Any, probes: list[Any]) -> bool:
    """Whether two functions, as the check sees them, do the same with all these inputs."""
    with _quiet_surroundings():
        return all(_same(_outcome(a, probe), _outcome(b, probe)) for probe in probes)


def deserved(check: str, answer: Any, name: str) -> bool:
    """Whether an answer does what a verdict says, also where the check did not ask; "other" says nothing."""
    exercise = exercise_of(check)
    likes = [like for mistake in exercise.mistakes if mistake.name == name for like in mistake.imitations]
    likes += [exercise.reference] if name == "right" else []
    return not likes or any(alike(exercise.view(answer), like, unasked(check)) for like in likes)


def tried(check: str, sources: list[str]) -> list[str]:
    """Have each of these answers checked; return the names that they get, and complain about one that is false."""
    names = []
    for source in sources:
        try:
            answer = make(source, solution(check).answer)
        except Exception:  # no function comes of it
            continue
        names.append(exercise_of(check).verdict(answer).name)
        assert deserved(check, answer, names[-1]), f"{names[-1]}:\n{source}"
    return names


@pytest.mark.parametrize("check", FUNCTIONS)
def test_a_changed_answer_gets_no_false_name(check: str) -> None:
    sources = list(changes(check))
    names = tried(check, random.Random(check).sample(sources, min(FEW, len(sources))))
    assert names


@pytest.mark.platform
def test_100_differently_wrong_answers_and_more_get_no_false_name() -> None:
    names = [name for check in FUNCTIONS for name in tried(check, list(changes(check)))]
    wrong = [name for name in names if name != "right"]
    print(f"{len(names)} changed answers, {len(wrong)} wrong, {len(wrong) - wrong.count('other')} of them named")
    assert len(wrong) >= 100


# ---- right answers ----


class Renamed(ast.NodeTransformer):
    """Gives other names to what a function is given and makes."""

    def __init__(self, function: ast.FunctionDef) -> None:
        inside = list(ast.walk(function))
        self.names = {each.arg for each in inside if isinstance(each, ast.arg)}
        self.names |= {each.id for each in inside if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(f"{node.arg}_")

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(f"{node.id}_", node.ctx) if node.id in self.names else node


class Stored(ast.NodeTransformer):
    """Gives each result a name before it is returned, and multiplies in the other order."""

    def visit_Return(self, node: ast.Return) -> Any:
        self.generic_visit(node)
        assert node.value
        return [ast.Assign([ast.Name("found_", ast.Store())], node.value), ast.Return(ast.Name("found_", ast.Load()))]

    def visit_BinOp(self, node: ast.BinOp) -> ast.BinOp:
        self.generic_visit(node)
        return ast.BinOp(node.right, node.op, node.left) if isinstance(node.op, ast.Mult) else node


def rewritten(check: str) -> Iterator[Any]:
    """Yield an answer in several forms that change nothing."""
    name = solution(check).answer
    for change in (Renamed, lambda _: Stored()):
        tree, function = parsed(check)
        change(function).visit(function)
        yield make(ast.unparse(ast.fix_missing_locations(tree)), name)
    answer = make(solution(check).source, name)
    yield from (answer, partial(answer), lambda *given: answer(*given), Called(answer))
    yield lambda *given: single(answer(*given))


class Called:
    """An object that can be called."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *given: Any) -> Any:
        return self.function(*given)


def single(result: Any) -> Any:
    """A result in single precision."""
    if isinstance(result, tuple | list):
        return type(result)(map(single, result))
    return result.float() if isinstance(result, torch.Tensor) and result.is_floating_point() else result


def test_100_right_answers_and_more_are_right() -> None:
    found = [(check, exercise_of(check).verdict(answer)) for check in FUNCTIONS for answer in rewritten(check)]
    found += [(name, EXERCISES[name].verdict(answer)) for name, answers in RIGHT.items() for answer in answers]
    assert len(found) >= 100
    assert not [(check, verdict) for check, verdict in found if verdict.name != "right"]
