"""Judge a folder of hand-ins: for each file one process that judges and one that runs the stranger's code.

This process reads nothing of a file but its bytes. It starts the two, listens to the judge, looks at the clock and at
the memory of both, and kills what is too slow or too large; what is left of the file is then judged by two new ones.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from lecturelib.workshop.classroom.child import serve
from lecturelib.workshop.classroom.course import Lesson
from lecturelib.workshop.classroom.judge import Task, judge
from lecturelib.workshop.classroom.limits import clean_environment

SIZE = 20_000_000  # bytes of a file: a notebook with all its pictures has two
_START = 120  # seconds until a new process must be ready; where it cannot be forked it imports torch first
_SLOW = 5  # a file may take so many times the limit of one exercise
_PROCESSES = 8  # of one child: the system's own limit does not bind the user root
_LOOK = 0.1  # seconds between two looks at the memory


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
    """What came of one file."""

    path: Path
    student: str = ""
    problem: str = ""
    found: list[Found] = field(default_factory=list)
    seconds: float = 0.0


def files(folder: Path) -> list[Path]:
    """Return the hand-ins and notebooks of a folder and the folders in it; what is hidden is left out."""
    found = []
    for place, folders, names in os.walk(folder):  # follows no link
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(place, name)
            for name in names
            if not name.startswith(".") and Path(name).suffix.lower() in (".json", ".ipynb")
        ]
    return sorted(found)


def collect(paths: list[Path], course: dict[str, Lesson], limits: Limits, jobs: int = 1) -> Iterator[Result]:
    """Judge these files, several at a time, and yield the result of each as it is ready."""
    waiting = paths[::-1]
    running: list[_File] = []
    try:
        with tempfile.TemporaryDirectory(prefix="lecturelib-") as home:
            processes = _Processes(course, home)
            while waiting or running:
                while waiting and len(running) < jobs:
                    running.append(_File(waiting.pop(), processes, limits))
                wait([each.report for each in running if each.report], timeout=_LOOK)
                for each in running:
                    each.look()
                yield from (each.result for each in running if each.ended)
                running = [each for each in running if not each.ended]
    finally:
        for each in running:
            each.kill()


class _Processes:
    """How processes are started: on Linux by forking one that has all that the course imports.

    macOS can fork too, but what torch uses there may not be forked.
    """

    def __init__(self, course: dict[str, Lesson], home: str) -> None:
        self.course, self.home = course, home
        forks = sys.platform == "linux"
        self.context: Any = multiprocessing.get_context("forkserver" if forks else "spawn")
        if forks:
            modules = dict.fromkeys(lesson.module for lesson in course.values())
            self.context.set_forkserver_preload(["lecturelib.workshop.classroom.preload", *modules])

    def start(self, task: Task, folder: Path, limits: Limits) -> tuple[Any, Any, Connection]:
        """Return a judge, a child, and where the judge's reports arrive."""
        of_judge, of_child = self.context.Pipe()
        report, reporter = self.context.Pipe(duplex=False)
        child = self.context.Process(target=serve, args=(of_child, folder, limits.memory), daemon=True)
        judging = self.context.Process(target=judge, args=(task, self.course, of_judge, reporter), daemon=True)
        with clean_environment(self.home):
            child.start()
            judging.start()
        for end in (of_judge, of_child, reporter):
            end.close()
        return judging, child, report


class _File:
    """One file that is being judged."""

    def __init__(self, path: Path, processes: _Processes, limits: Limits) -> None:
        self.result, self.processes, self.limits = Result(path), processes, limits
        self.began = time.monotonic()
        self.ended = False
        self.checks: list[str] = []
        self.alive: list[Any] = []
        self.report: Connection | None = None
        self.deadline = self.looked = self.idle = 0.0
        self.working = False
        try:
            self.content = read(path)
        except ValueError as problem:
            self._end(str(problem))
        else:
            self._start()

    def look(self) -> None:
        """Take in what the judge reports; end both processes where time or memory is spent."""
        while not self.ended and self.report:
            try:
                if not self.report.poll():
                    break
                self._hear(json.loads(self.report.recv_bytes()))
            except (EOFError, OSError):
                self._stop("not readable")  # the judge itself was ended by what it read
                return
        if self.ended:
            return
        now = time.monotonic()
        if now > self.deadline:
            self._stop("stopped: time")
        elif self.working and now > self.looked + _LOOK:
            self.looked = now
            families = [_family(process.pid) for process in self.alive]
            if max(map(len, families)) > _PROCESSES:
                self._stop("stopped: processes")
            elif _resident(families) - self.idle > self.limits.memory:
                self._stop("stopped: memory")

    def kill(self) -> None:
        """End both processes, and all that the child has started."""
        for process in self.alive:
            family = _family(process.pid)
            process.kill()
            if sys.platform != "win32":  # the child leads a group, also of orphans when it is gone itself
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
            for each in family:  # who left the group
                with contextlib.suppress(psutil.Error):
                    each.kill()
        for process in self.alive:
            process.join(_START)
        self.alive = []
        if self.report:
            self.report.close()
            self.report = None
            shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hand-in-", dir=self.processes.home))
        task = Task(self.content, self.result.path.suffix.lower() == ".ipynb", len(self.result.found))
        *self.alive, self.report = self.processes.start(task, self.folder, self.limits)
        self.deadline = time.monotonic() + _START
        self.working = False

    def _hear(self, news: dict[str, Any]) -> None:
        if "unreadable" in news:
            self._end(news["unreadable"])
        elif "end" in news:
            self._end("")
        elif "student" in news:
            self.result.student, self.checks = news["student"], news["checks"]
        elif "begins" in news:
            if not self.working:
                self.idle = _resident([_family(process.pid) for process in self.alive])
            self.working = True
            self.deadline = time.monotonic() + self.limits.seconds
        elif "stopped" in news:
            self._stop(news["stopped"])
        else:
            self._note(news["verdict"], news["says"])

    def _note(self, name: str, says: str = "") -> None:
        self.result.found.append(Found(self.checks[len(self.result.found)], name, says))

    def _stop(self, reason: str) -> None:
        """Note why this attempt ended, and go on with the next one in new processes."""
        self.kill()
        if not self.checks:
            self._end("not readable: reading it took too long, or ended the process that read it")
            return
        self._note(reason)
        if time.monotonic() > self.began + _SLOW * self.limits.seconds:
            while len(self.result.found) < len(self.checks):
                self._note("stopped: time")
        if len(self.result.found) < len(self.checks):
            self._start()
        else:
            self._end("")

    def _end(self, problem: str) -> None:
        self.kill()
        self.result.problem = problem
        self.result.seconds = time.monotonic() - self.began
        self.ended = True


def _family(pid: int) -> list[psutil.Process]:
    """Return a process and its children, and theirs; an empty list if it is gone."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def _resident(families: list[list[psutil.Process]]) -> int:
    """Return the bytes of memory that processes use."""
    total = 0
    for process in (each for family in families for each in family):
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    return total


def read(path: Path) -> bytes:
    """Return the bytes of a file that was handed in.

    Raises: ValueError for a link, for what is no file, and for a file that is too large.
    """
    try:
        if path.is_symlink() or not path.is_file():
            raise ValueError("a link or no file: expected a file")
        with path.open("rb") as file:
            content = file.read(SIZE + 1)
    except OSError as problem:
        raise ValueError(f"not to be opened: {problem.strerror}") from None
    if len(content) > SIZE:
        raise ValueError(f"larger than {SIZE} bytes")
    return content
