"""The process that judges a file: it reads it, and puts the questions of each check to a child.

The verdict is that of `Exercise` itself: the child's answer is wrapped into a function that sends its arguments over
and returns what comes back. Probes, right results, and all that a check does to an answer stay on this side.
"""

import builtins
import contextlib
import signal
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch

from lecturelib.workshop.classroom.cells import Attempt, attempts
from lecturelib.workshop.classroom.child import grown, limit
from lecturelib.workshop.classroom.course import exercise_of, exercises, read
from lecturelib.workshop.classroom.files import Source, fetch
from lecturelib.workshop.classroom.wire import ASKS_BACK, LIMIT, Message, renew

_MEMORY = 4_000_000_000  # bytes for the judge itself


class Stopped(BaseException):
    """The child can answer no more; no Exception, for a check takes these for results."""


def judge(source: Source, done: int, child: Connection, news: Connection) -> None:
    """Judge what a file holds, after the first `done` attempts, until the child can answer no more.

    What it sends: (student, when it was written, the checks of all attempts) as soon as the child is there; then for
    each attempt (the verdict's name, its sentence); or, as a text, what is wrong with the file or the child.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is who collects that ends it
    warnings.simplefilter("ignore")  # of Python, about a student's code
    torch.set_num_threads(1)
    limit("RLIMIT_AS", grown(_MEMORY))
    with contextlib.suppress(ConnectionError):  # who collects was ended
        try:
            student, written, cells, texts = read(fetch(source))
            found = [each for cell in cells for each in attempts(cell, exercises(), texts)]
            remote = Remote(child)
            news.send((student, written, [attempt.check for attempt in found]))
            for attempt in found[done:]:
                news.send(attempt.fault or remote.verdict(attempt))
        except (Exception, Stopped) as problem:
            news.send(str(problem)[:200] or type(problem).__name__)


class Remote:
    """The child, as a check sees it, as soon as it has started."""

    def __init__(self, child: Connection) -> None:
        self.child = child
        self._receive(Message())

    def verdict(self, attempt: Attempt) -> tuple[str, str]:
        """Have the child make the answer, and let the exercise check it; return the verdict's name and sentence.

        Raises: Stopped where the child ends, or says what it never would.
        """
        exercise = exercise_of(attempt.check)
        question = Message()
        self._send(question.write(source=attempt.source, answer=attempt.answer))
        values = self._receive(question, self._answer)
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
            self._send(question.write(given=given))
            values = self._receive(question)
            if "raised" in values:
                raise _error(values)
            try:
                for old, new in zip(given, values["given"], strict=True):
                    renew(old, new)
                return values["result"]
            except Exception as problem:
                raise Stopped("not readable") from problem

        return ask

    def _send(self, text: bytes) -> None:
        try:
            self.child.send_bytes(text)
        except OSError:
            raise Stopped("stopped: exit") from None

    def _receive(self, question: Message, call: Any = None) -> dict[str, Any]:
        """Wait for the answer to a question; meanwhile compute what the child asks back."""
        try:
            while (text := self.child.recv_bytes(LIMIT + 1)).startswith(ASKS_BACK):
                values = Message().read(text.removeprefix(ASKS_BACK))
                self._send(_computed(question.functions[values["function"]], values["given"]))
            return Message(question.memory).read(text, call)
        except (EOFError, ConnectionError):
            raise Stopped("stopped: exit") from None
        except Exception:
            raise Stopped("not readable") from None


def _computed(function: Callable[..., Any], given: Any) -> bytes:
    """A function of the probe on arguments from the child, or the error by which it refuses them."""
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
