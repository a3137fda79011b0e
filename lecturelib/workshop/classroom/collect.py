"""Judge hand-ins, several at a time: each worker is a process of `judge`, which has a child run the stranger's code.

This process reads nothing of a file. It hands out tasks, writes down what it hears, and ends a worker that is late; the
file's row says so, and the next file gets a new one.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, NamedTuple

from lecturelib.workshop.classroom.files import Source
from lecturelib.workshop.classroom.sandbox import Sandbox

_FILE = 8  # a file may take so many times the limit of one exercise, reading it included; a worker itself takes care
_START = 600  # seconds until a worker must be ready, or to bring up children: only a machine that stands still is later


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
    workers = [_Worker(sandbox, limits) for _ in range(min(jobs, len(sources)))]
    idle: SimpleQueue[_Worker] = SimpleQueue()
    for each in workers:
        idle.put(each)

    def one(source: Source) -> Result:
        worker = idle.get()
        try:
            return worker.judge(source)
        finally:
            idle.put(worker)

    pool = ThreadPoolExecutor(max(1, len(workers)))
    try:
        for done in as_completed([pool.submit(one, source) for source in sources]):
            yield done.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for each in workers:
            each.close()


class _Worker:
    """A process that judges, started when it is needed."""

    def __init__(self, sandbox: Sandbox, limits: Limits) -> None:
        self.limits = limits
        self.settings = json.dumps({"sandbox": sandbox, "seconds": limits.seconds, "memory": limits.memory})
        self.process: subprocess.Popen | None = None

    def judge(self, source: Source) -> Result:
        """Have one hand-in judged."""
        result = Result(source)
        checks: list[str] = []
        ended = False
        try:
            process = self.process or self._start()
            assert process.stdin
            with self._no_longer_than(_FILE * self.limits.seconds + _START / 10):
                process.stdin.write(json.dumps(source) + "\n")
                process.stdin.flush()
                while not ended:
                    ended = self._hear(result, checks)
        except (OSError, ValueError, LookupError, TypeError) as problem:
            self.close()
            if not checks:
                result.problem = result.problem or f"the process that read it ended ({type(problem).__name__})"
            for check in checks[len(result.found) :]:
                result.found.append(Found(check, "not readable"))
        return result

    def close(self) -> None:
        """End it; what runs in bubblewrap ends with it."""
        if self.process:
            self.process.kill()
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout):
                with contextlib.suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]
            self.process = None

    def _start(self) -> subprocess.Popen:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lecturelib.workshop.classroom.judge", self.settings],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        with self._no_longer_than(_START):
            self._line()
        return self.process

    @contextlib.contextmanager
    def _no_longer_than(self, seconds: float) -> Iterator[None]:
        assert self.process
        timer = threading.Timer(seconds, self.process.kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _line(self) -> dict[str, Any]:
        assert self.process and self.process.stdout
        if not (line := self.process.stdout.readline()):
            raise OSError("it has ended")
        return json.loads(line)

    def _hear(self, result: Result, checks: list[str]) -> bool:
        """Take in a line; return whether it was the last one about this file."""
        news = self._line()
        if "problem" in news:
            result.problem = news["problem"]
        elif "checks" in news:
            result.student, result.written = news["student"], news["written"]
            checks += news["checks"]
        elif "verdict" in news:
            result.found.append(Found(checks[len(result.found)], news["verdict"], news["says"]))
        return "end" in news
