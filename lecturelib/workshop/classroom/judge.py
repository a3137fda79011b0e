"""The process that judges: it reads a file that was handed in, and puts the questions of each check to the child.

The verdict is that of `Exercise` itself: the child's answer is wrapped into a function that sends its arguments over
and returns what comes back. Probes, right results, and all that a check does to an answer stay on this side.
"""

from __future__ import annotations

import builtins
import importlib
import json
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import torch

from lecturelib.checks.exercise import Exercise
from lecturelib.workshop.classroom.cells import Attempt, attempts
from lecturelib.workshop.classroom.course import Lesson, code_cells
from lecturelib.workshop.classroom.limits import limit_memory
from lecturelib.workshop.classroom.wire import ASKS_BACK, LIMIT, Message, renew

_MEMORY = 2_000_000_000  # bytes for the judge itself
_SOURCE = 100_000  # characters of a cell


class Stopped(BaseException):
    """The child can answer no more; no Exception, for a check takes these for results."""


class Task(NamedTuple):
    """A file that was handed in: its content, whether it is a notebook, and how many attempts are judged already."""

    content: bytes
    is_notebook: bool
    done: int


def judge(task: Task, course: dict[str, Lesson], child: Connection, report: Connection) -> None:
    """Judge all attempts of a file that are not judged yet, and report each as it begins and as it ends."""

    def say(**what: Any) -> None:
        report.send_bytes(json.dumps(what).encode())

    torch.set_num_threads(1)
    limit_memory(_MEMORY)
    try:
        student, cells = read(task)
        found = attempts(cells, course)
    except (ValueError, RecursionError, MemoryError) as problem:
        say(unreadable=str(problem)[:200] or type(problem).__name__)
        return
    say(student=student, checks=[attempt.check for attempt in found])
    if task.done >= len(found):
        say(end=True)
        return
    remote = Remote(child)
    remote.ready()
    for attempt in found[task.done :]:
        say(begins=attempt.check)
        try:
            name, says = remote.verdict(attempt, course[attempt.check])
        except Stopped as reason:
            say(stopped=str(reason))
            return
        say(verdict=name, says=says)
    say(end=True)


def read(task: Task) -> tuple[str, list[str]]:
    """Return the name that a file gives, "" if it is a notebook, and the sources of its cells.

    Raises: ValueError for anything else; RecursionError for lists that are nested too deeply.
    """
    content = json.loads(task.content)
    if task.is_notebook:
        return "", [cell[:_SOURCE] for cell in code_cells(content)]
    exercises = content.get("exercises") if isinstance(content, dict) else None
    if not isinstance(exercises, list):
        raise ValueError("no hand-in: expected an object with a list of exercises")
    sources = [each.get("source") for each in exercises if isinstance(each, dict)]
    return str(content.get("student", ""))[:200], [source[:_SOURCE] for source in sources if isinstance(source, str)]


class Remote:
    """The child, as a judge sees it."""

    def __init__(self, child: Connection) -> None:
        self.child = child

    def ready(self) -> None:
        """Wait until it has started."""
        self._receive(Message(), [])

    def verdict(self, attempt: Attempt, lesson: Lesson) -> tuple[str, str]:
        """Have the child make the answer, and let the exercise check it; return the verdict's name and sentence.

        Raises: Stopped where the child ends, or says what it never would.
        """
        exercise = getattr(importlib.import_module(lesson.module), lesson.check)
        assert isinstance(exercise, Exercise)
        self.child.send_bytes(Message().write(preamble=lesson.preamble, source=attempt.source, answer=attempt.answer))
        values = self._receive(Message(), [], self._answer)
        if "broken" in values:
            return "not run here", f"a cell of {lesson.notebook} itself does not run: {values['broken']}"
        if "raised" in values:
            problem = _error(values)
            return "error", f"{exercise.name}: your code stopped with {type(problem).__name__}: {problem}"
        try:
            return exercise.verdict(values.get("value"))
        except Exception as problem:  # an answer that a check did not reckon with would stop it in the notebook too
            return "error", f"{exercise.name}: the check stopped with {type(problem).__name__}"

    def _answer(self, n: int) -> Callable[..., Any]:
        """Return what stands for the child's function."""

        def ask(*given: Any) -> Any:
            question = Message()
            dtype = str(torch.get_default_dtype()).removeprefix("torch.")
            self.child.send_bytes(question.write(given=given, dtype=dtype))
            reply = Message(question.memory)
            values = self._receive(reply, question.functions)
            if "raised" in values:
                raise _error(values)
            try:
                after, gradients = values["given"], values["gradients"]
                for old, new in zip(given, after, strict=True):
                    renew(old, new)
                return values["result"] if gradients is None else _learnable(values["result"], gradients, given)
            except (KeyError, TypeError, ValueError, RuntimeError) as problem:
                raise Stopped("not readable") from problem

        return ask

    def _receive(self, reply: Message, functions: list[Callable[..., Any]], call: Any = None) -> dict[str, Any]:
        """Wait for an answer; meanwhile compute what the child asks back."""
        try:
            while True:
                text = self.child.recv_bytes(LIMIT)
                if not text.startswith(ASKS_BACK):
                    return reply.read(text, call)
                values = Message().read(text.removeprefix(ASKS_BACK))
                self.child.send_bytes(_computed(functions[values["function"]], values["given"]))
        except EOFError:
            raise Stopped("stopped: exit") from None
        except (OSError, ValueError, LookupError, TypeError):
            raise Stopped("not readable") from None


def _computed(function: Callable[..., Any], given: Any) -> bytes:
    """A function of the probe on arguments from the child, or the ValueError by which it refuses them."""
    try:
        return Message().write(result=function(*given))
    except Exception as problem:
        return Message().write(raised=type(problem).__name__, text=str(problem))


def _error(values: dict[str, Any]) -> Exception:
    """The exception that a child tells of: of Python's own kinds, or one of no kind that a check knows.

    Raises: Stopped for want of memory, and where the code wanted to end the process.
    """
    name, text = str(values["raised"]), str(values.get("text"))
    if name == "MemoryError":
        raise Stopped("stopped: memory")
    kind = getattr(builtins, name, None)
    if not (isinstance(kind, type) and issubclass(kind, BaseException)):
        return _Unknown(f"{name[:60]}: {text}")
    if not issubclass(kind, Exception):
        raise Stopped("stopped: exit")
    try:
        return kind(text)
    except TypeError:  # one that takes more than a text
        return _Unknown(f"{name}: {text}")


class _Unknown(Exception):
    """An exception of a class that the child made."""


def _learnable(number: Any, gradients: Any, given: tuple[Any, ...]) -> torch.Tensor:
    """A number with the gradients that it has in the child, with respect to the networks on this side."""
    weights = [w for each in given if isinstance(each, torch.nn.Module) for w in each.parameters()]
    slopes = [torch.zeros_like(w) if g is None else g.reshape(w.shape) for g, w in zip(gradients, weights, strict=True)]
    return number + sum(((w - w.detach()) * g).sum() for g, w in zip(slopes, weights, strict=True))
