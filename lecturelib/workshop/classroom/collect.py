"""Judge hand-ins, several at a time: each file by a process of its own, which has a child run the stranger's code.

This process reads nothing of a file. It starts a judge and a child, writes down what the judge says, and ends the two
when a budget is used up; what is left of the file gets new ones.
"""

import math
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import NamedTuple

from lecturelib.workshop.classroom.files import Source
from lecturelib.workshop.classroom.judge import judge
from lecturelib.workshop.classroom.sandbox import AROUND, CONTEXT, Sandbox

_EXERCISE, _FILE = 3, 6  # so many times the limit of computing may pass by the clock, for an exercise and for a file
_START = 300  # seconds until the file is read and its child is there: only a machine that stands still is later
_PROCESSES = 12  # of one hand-in, with those that stand around it
_LOOK = 0.25  # seconds between two looks at what a child has used


class Limits(NamedTuple):
    """For each exercise: seconds, and bytes of memory beyond what an idle process has."""

    seconds: float = 20
    memory: int = 1_000_000_000


class Found(NamedTuple):
    """What came of one attempt: its check, the verdict's name and its sentence."""

    check: str
    name: str
    says: str = ""


@dataclass
class Result:
    """What came of one file; `written` is when it says that it was written, and 0 if it does not say."""

    source: Source
    student: str = ""
    written: float = 0.0
    problem: str = ""
    found: list[Found] = field(default_factory=list)


def collect(sources: Sequence[Source], sandbox: Sandbox, limits: Limits, jobs: int = 1) -> Iterator[Result]:
    """Judge these hand-ins, several at a time, and yield the result of each as it is ready."""
    waiting = deque(sources)
    desks = [_Desk(sandbox, limits) for _ in range(min(jobs, len(sources)))]
    try:
        while waiting or any(desk.result for desk in desks):
            for desk in desks:
                if waiting and not desk.result:
                    desk.begin(waiting.popleft())
            busy = [desk for desk in desks if desk.result]
            wait([desk.news for desk in busy], _LOOK)
            for desk in busy:
                if result := desk.look():
                    yield result
    finally:
        for desk in desks:
            desk.close()


class _Desk:
    """Where one file after another is judged."""

    def __init__(self, sandbox: Sandbox, limits: Limits) -> None:
        self.limits, self.place = limits, sandbox.place(limits.memory)
        self.result: Result | None = None
        self.looked = 0.0

    def begin(self, source: Source) -> None:
        """Begin with a file."""
        self.checks: list[str] | None = None  # of the file, as soon as its judge has read it
        self.left = _FILE * self.limits.seconds
        self._start(Result(source))

    def look(self) -> Result | None:
        """Hear what the judge says, and look at the budgets; return the result if the file is done."""
        assert self.result
        result, why = self.result, self._hear(self.result) or self._used_up()
        if not why:
            return None
        self._end()
        if self.checks is None:
            result.problem = why
        elif missing := self.checks[len(result.found) :]:
            result.found.append(Found(missing.pop(0), why if why.startswith("stopped") else "not readable"))
            self.left -= time.monotonic() - self.began
            if missing and self.left > 0:
                self._start(result)
                return None
            result.found += [Found(check, "stopped: time") for check in missing]
        self.result = None
        return result

    def close(self) -> None:
        """End all that was started."""
        if self.result:
            self._end()
        self.place.close()

    def _start(self, result: Result) -> None:
        child = self.place.start()
        self.news, theirs = CONTEXT.Pipe(duplex=False)
        with child, theirs:
            task = (result.source, len(result.found), child, theirs)
            self.judge = CONTEXT.Process(target=judge, args=task, daemon=True)
            self.judge.start()
        self.result = result
        self._allow(math.inf, _START)

    def _end(self) -> None:
        self.judge.kill()
        self.judge.join()
        self.news.close()
        self.place.end()

    def _hear(self, result: Result) -> str:
        """Take in what the judge says; return why it says no more, if that is so."""
        try:
            while self.news.poll():
                news = self.news.recv()
                if isinstance(news, str):
                    return news
                if self.checks is None or len(news) == 3:
                    result.student, result.written, self.checks = news
                else:
                    result.found.append(Found(self.checks[len(result.found)], *news))
                    self.left -= time.monotonic() - self.began
                self._allow(self.limits.seconds, min(self.left, _EXERCISE * self.limits.seconds))
        except (EOFError, OSError):
            return "the process that read it ended"
        return ""

    def _allow(self, seconds: float, clock: float) -> None:
        """From now on the child may take so many seconds of computing, and so many by the clock."""
        self.began = time.monotonic()
        self.seconds, self.deadline, self.before = seconds, self.began + clock, math.inf

    def _used_up(self) -> str:
        """Say which budget is used up, if one is."""
        if (now := time.monotonic()) < self.looked + _LOOK:
            return ""
        self.looked = now
        many, spent, memory = self.place.used()
        self.before = min(self.before, spent)
        if now > self.deadline or spent - self.before > self.seconds:
            return "stopped: time"
        if many > _PROCESSES:
            return "stopped: processes"
        return "stopped: memory" if memory > self.limits.memory + AROUND else ""
