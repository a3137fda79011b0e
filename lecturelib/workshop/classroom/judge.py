"""The process that judges: it reads files that were handed in, and puts the questions of each check to a child.

The verdict is that of `Exercise` itself: the child's answer is wrapped into a function that sends its arguments over
and returns what comes back. Probes, right results, and all that a check does to an answer stay on this side. It reads
a task in a line, and writes lines with what it finds: `python -m lecturelib.workshop.classroom.judge`.
"""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import torch

from lecturelib.checks.exercise import Exercise
from lecturelib.workshop.classroom.cells import Attempt, attempts
from lecturelib.workshop.classroom.child import grown, limit
from lecturelib.workshop.classroom.course import exercises, read
from lecturelib.workshop.classroom.files import Source, fetch
from lecturelib.workshop.classroom.sandbox import Child, Children, Sandbox
from lecturelib.workshop.classroom.wire import ASKS_BACK, LIMIT, Line, Message, renew

_MEMORY = 3_000_000_000  # bytes for the judge itself


class Stopped(BaseException):
    """The child can answer no more; no Exception, for a check takes these for results."""


def judged(content: bytes, children: Children, seconds: float) -> Iterator[dict[str, Any]]:
    """Judge all attempts of a file, and yield what is found: first what is in it, then a verdict for each.

    Each has so many seconds of computing, three times that by the clock, and the file twice as much again.
    """
    try:
        student, written, cells, texts = read(content)
        found = [each for cell in cells for each in attempts(cell, exercises(), texts)]
    except (ValueError, RecursionError, MemoryError) as problem:
        yield {"problem": str(problem)[:200] or type(problem).__name__}
        return
    yield {"student": student, "written": written, "checks": [attempt.check for attempt in found]}
    child, left = None, 6 * seconds
    for attempt in found:
        name, says = attempt.fault or ("stopped: time", "")
        if left > 0 and not attempt.fault:
            began = time.monotonic()
            try:
                child = child or children.start()
                began = _ready(child)
                child.limit(seconds, min(left, 3 * seconds))
                name, says = Remote(child.line).verdict(attempt)
            except (Stopped, OSError) as reason:
                name, says = (str(reason), "") if isinstance(reason, Stopped) else ("not readable", str(reason))
            if child:
                name = child.why or name
                left -= time.monotonic() - began
                if name.startswith(("stopped", "not readable")):  # the next one has a process of its own
                    children.end(child)
                    child = None
        yield {"verdict": name, "says": says}
    if child:
        children.end(child)


def _ready(child: Child) -> float:
    """Wait until a child has started, and return the time."""
    if not child.ready:
        Remote(child.line).ready()
        child.ready = True
    return time.monotonic()


@cache
def exercise_of(check: str) -> Exercise:
    """Return the exercise that a check is."""
    return getattr(importlib.import_module(exercises()[check]), check)


class Remote:
    """The child, as a check sees it."""

    def __init__(self, child: Line) -> None:
        self.child = child

    def ready(self) -> None:
        """Wait until it has started."""
        self._receive(Message(), [])

    def verdict(self, attempt: Attempt) -> tuple[str, str]:
        """Have the child make the answer, and let the exercise check it; return the verdict's name and sentence.

        Raises: Stopped where the child ends, or says what it never would.
        """
        exercise = exercise_of(attempt.check)
        self._send(Message().write(source=attempt.source, answer=attempt.answer))
        values = self._receive(Message(), [], self._answer)
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
            self._send(question.write(given=given, dtype=dtype))
            reply = Message(question.memory)
            values = self._receive(reply, question.functions)
            if "raised" in values:
                raise _error(values)
            try:
                after, gradients = values["given"], values["gradients"]
                for old, new in zip(given, after, strict=True):
                    renew(old, new)
                return values["result"] if gradients is None else _learnable(values["result"], gradients, given)
            except Exception as problem:
                raise Stopped("not readable") from problem

        return ask

    def _send(self, text: bytes) -> None:
        try:
            self.child.send(text)
        except OSError:
            raise Stopped("stopped: exit") from None

    def _receive(self, reply: Message, functions: list[Callable[..., Any]], call: Any = None) -> dict[str, Any]:
        """Wait for an answer; meanwhile compute what the child asks back."""
        try:
            while True:
                text = self.child.receive()
                if len(text) > LIMIT:
                    raise ValueError("too long")
                if not text.startswith(ASKS_BACK):
                    return reply.read(text, call)
                values = Message().read(text.removeprefix(ASKS_BACK))
                self._send(_computed(functions[values["function"]], values["given"]))
        except (EOFError, OSError):
            raise Stopped("stopped: exit") from None
        except Exception:
            raise Stopped("not readable") from None


def _computed(function: Callable[..., Any], given: Any) -> bytes:
    """A function of the probe on arguments from the child, or the ValueError by which it refuses them."""
    try:
        return Message().write(result=function(*given))
    except Exception as problem:
        return Message().write(raised=type(problem).__name__, text=str(problem))


def _error(values: dict[str, Any]) -> Exception:
    """The exception that a child tells of: of Python's own kinds, or one of no kind that a check knows.

    Raises: Stopped for want of memory.
    """
    name, text = str(values["raised"])[:60], str(values.get("text"))
    if name == "MemoryError":
        raise Stopped("stopped: memory")
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        with contextlib.suppress(TypeError):  # one that takes more than a text
            return kind(text)
    return _Unknown(f"{name}: {text}")


class _Unknown(Exception):
    """An exception of a class that the child made, or one that ends a process."""


def _learnable(number: Any, gradients: Any, given: tuple[Any, ...]) -> torch.Tensor:
    """A number with the gradients that it has in the child, with respect to the networks on this side."""
    weights = [w for each in given if isinstance(each, torch.nn.Module) for w in each.parameters()]
    slopes = [torch.zeros_like(w) if g is None else g.reshape(w.shape) for g, w in zip(gradients, weights, strict=True)]
    return number + sum(((w - w.detach()) * g).sum() for g, w in zip(slopes, weights, strict=True))


def main() -> None:
    """Judge a file for each line that arrives, and say in lines what is found."""
    torch.set_num_threads(1)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, 9)  # it is killed when who started it ends, and bubblewrap with it
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    settings = json.loads(sys.argv[1])
    children = Children(Sandbox(*settings["sandbox"]), settings["memory"])
    limit("RLIMIT_AS", grown(_MEMORY + settings["memory"]))
    print(json.dumps({"ready": True}), file=out, flush=True)
    for task in sys.stdin:
        try:
            content = fetch(Source(*json.loads(task)))
        except Exception as problem:
            news: Iterator[dict[str, Any]] = iter([{"problem": str(problem)[:200] or type(problem).__name__}])
        else:
            news = judged(content, children, settings["seconds"])
        for each in news:
            print(json.dumps(each), file=out, flush=True)
        print(json.dumps({"end": True}), file=out, flush=True)
    children.close()


if __name__ == "__main__":
    main()
