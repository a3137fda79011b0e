"""Where a stranger's code runs: in bubblewrap, in a container, or, only if somebody says so, under this account.

The boundary is the operating system's. In bubblewrap a process sees a read-only system without anybody's files, an
empty home of limited size, no network and no other process; podman and docker give the same from the course's image.
Within bubblewrap one process imports torch once; each hand-in then is a fork of it in namespaces of its own (see
`child`), or, where the system forbids that, in a bubblewrap of its own.
"""

from __future__ import annotations

import contextlib
import math
import os
import platform
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from lecturelib.workshop.classroom.child import DISK, HOME
from lecturelib.workshop.classroom.wire import Line

PROCESSES = 8  # of one hand-in, beside those that are there before its code runs
SAME_ACCOUNT = "same account"
_BEFORE = 4, 700_000_000  # processes and bytes of a sandbox before that
_LOOK = 0.25  # seconds between two looks at processes and memory
_PACKAGE = Path(__file__).parents[2]
_CHILD = "lecturelib.workshop.classroom.child"
# Shared memory of System V, which no limit of a process counts: the number of shmget on each machine.
_SHMGET = {"x86_64": (0xC000003E, 29), "aarch64": (0xC00000B7, 194)}


class Sandbox(NamedTuple):
    """What stands around a hand-in: "bwrap", "podman", "docker" or the same account; and the image of a container."""

    kind: str
    image: str = ""

    @property
    def words(self) -> str:
        """Say it to the person who collects."""
        if self.kind == SAME_ACCOUNT:
            return "Each hand-in runs under this account, with all its rights (--same-account)."
        return f"Each hand-in runs isolated, in {self.kind}{f' ({self.image})' if self.image else ''}."

    def command(self, memory: int, name: str, *more: str) -> list[str]:
        """Return the command that runs a child: `memory` bytes for its code, and a name for a container."""
        if self.kind == "bwrap":
            return [*_bubblewrap(), sys.executable, "-m", _CHILD, str(memory), *more]
        if self.kind == SAME_ACCOUNT:
            return [sys.executable, "-m", _CHILD, str(memory), *more]
        limits = [f"--memory={memory + _BEFORE[1]}", f"--memory-swap={memory + _BEFORE[1]}", "--pids-limit=64",
                  f"--ulimit=fsize={DISK}", f"--shm-size={DISK}"]  # fmt: skip
        rights = ["--network=none", "--ipc=private", "--cap-drop=all", "--security-opt=no-new-privileges"]
        home = ["--read-only", f"--tmpfs=/tmp:size={DISK},nr_inodes=10000", "--workdir=/tmp", "--user=1000:1000"]
        environment = [f"--env={key}={value}" for key, value in _FIXED.items()]
        start = [self.kind, "run", "--rm", "--interactive", f"--name={name}", "--pull=never", "--env=HOME=/tmp"]
        return [*start, *limits, *rights, *home, *environment, self.image, "python", "-m", _CHILD, str(memory), *more]

    def works(self) -> bool:
        """Whether it can be used here: found by trying it."""
        if self.kind == "bwrap":
            trial = [*_bubblewrap(), sys.executable, "-c", "import numpy, lecturelib"]
        else:
            trial = [self.kind, "image", "inspect", self.image]
        if not shutil.which(self.kind):
            return False
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            return subprocess.run(trial, capture_output=True, env=environment(self), timeout=120).returncode == 0
        return False


_FIXED = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "PYTHONSAFEPATH": "1",
          "PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "agg", "LANG": "C.UTF-8"}  # fmt: skip


def choose(image: str, same_account: bool) -> Sandbox:
    """Return the first that works here of bubblewrap, podman, docker.

    Raises: ValueError where none does; nothing is run without a boundary unless somebody asks for it.
    """
    if same_account:
        return Sandbox(SAME_ACCOUNT)
    for each in (Sandbox("bwrap"), Sandbox("podman", image), Sandbox("docker", image)):
        if each.works():
            return each
    raise ValueError(
        f"the code of strangers is not run without isolation: install bubblewrap (Debian, Ubuntu: apt install "
        f"bubblewrap), or podman or docker with an image {image!r}; or read in {Path(__file__).with_name('README.md')} "
        f"what --same-account means"
    )


def environment(sandbox: Sandbox) -> dict[str, str]:
    """Return the variables of a child: none of ours but the paths where programs and Python's modules lie."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "SYSTEMROOT", "PATH") if name in os.environ}
    where = [str(_PACKAGE.parent), *_libraries()] if sandbox.kind == "bwrap" else list(filter(None, sys.path))
    home = HOME if sandbox.kind == "bwrap" else tempfile.gettempdir()
    return kept | _FIXED | {"HOME": home, "TMPDIR": home, "MPLCONFIGDIR": home, "PYTHONPATH": os.pathsep.join(where)}


class Children:
    """Starts a child for each attempt, and uses what can be used again for the next one."""

    def __init__(self, sandbox: Sandbox, memory: int) -> None:
        self.sandbox, self.memory = sandbox, memory
        self.nursery: tuple[subprocess.Popen, socket.socket] | None = None

    def start(self) -> Child:
        """Return a new child; it is ready when its first message arrives."""
        if self.sandbox.kind != "bwrap":
            return self._alone()
        process, control = self.nursery or self._nursery()
        ours, theirs = socket.socketpair()
        with theirs, ours:
            socket.send_fds(control, [b"+"], [theirs.fileno()])
            line = Line(ours.makefile("rb"), ours.makefile("wb"))
        return Child(line, process, self.memory)

    def end(self, child: Child) -> None:
        """End a child for good, and what stood around it unless its end was an ordinary one."""
        child.done.set()
        if self.nursery and not child.why:
            try:
                self.nursery[1].send(b"-")
                going = self.nursery[1].recv(1)
            except OSError:
                going = b""
            if not going:
                self.close()
        else:
            child.kill()
            self.close()
        child.line.close()
        if child.folder:
            with contextlib.suppress(OSError, RecursionError):
                shutil.rmtree(child.folder)

    def close(self) -> None:
        """End what is kept for the next child."""
        if self.nursery:
            process, control = self.nursery
            self.nursery = None
            control.close()
            process.kill()  # and bubblewrap sees to it that all in it go too
            process.wait()

    def _nursery(self) -> tuple[subprocess.Popen, socket.socket]:
        ours, theirs = socket.socketpair()
        command = self.sandbox.command(self.memory, "", "--nursery")
        fds = []
        if platform.machine() in _SHMGET:
            reader, writer = os.pipe()
            os.write(writer, _filter(*_SHMGET[platform.machine()]))
            os.close(writer)
            fds = [reader]
            command = [command[0], "--seccomp", str(reader), *command[1:]]
        with theirs:
            process = subprocess.Popen(
                command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=fds,
                env=environment(self.sandbox),
            )  # fmt: skip
        for each in fds:
            os.close(each)
        ours.settimeout(20)  # a child may have stopped what stands around it
        self.nursery = process, ours
        return self.nursery

    def _alone(self) -> Child:
        name = f"lecture-{uuid.uuid4().hex}"
        contained = self.sandbox.kind != SAME_ACCOUNT
        folder = None if contained else tempfile.mkdtemp(prefix="hand-in-")
        process = subprocess.Popen(
            self.sandbox.command(self.memory, name), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, start_new_session=True, cwd=folder,
            env=None if contained else environment(self.sandbox) | {"HOME": str(folder), "MPLCONFIGDIR": str(folder)},
        )  # fmt: skip
        assert process.stdin and process.stdout
        kill = [self.sandbox.kind, "kill", name] if contained else []
        return Child(Line(process.stdout, process.stdin), process, self.memory, kill, folder)


class Child:
    """A child as its judge holds it: a line to speak on, and somebody who looks at the clock, processes and memory."""

    def __init__(self, line: Line, process: subprocess.Popen, memory: int, kill: Any = (), folder: Any = None) -> None:
        self.line, self.process, self.memory, self.command, self.folder = line, process, memory, kill, folder
        self.ready = False  # its first message has arrived
        self.why = ""  # it was ended
        self.limit(600, 600)  # until it is ready: it may have to import torch first
        self.done = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def limit(self, seconds: float, wall: float) -> None:
        """From now on it may take so many seconds of computing, and so many by the clock."""
        self.seconds, self.deadline, self.before = seconds, time.monotonic() + wall, math.inf

    def kill(self) -> None:
        """End it, and all that it has started."""
        if self.command:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(self.command, capture_output=True, timeout=30)
        for each in _family(self.process):
            with contextlib.suppress(psutil.Error):
                each.kill()
        if hasattr(os, "killpg") and self.folder:  # of the same account it leads a group, also of orphans
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()

    def _watch(self) -> None:
        while not self.done.wait(_LOOK):
            family = [] if self.command else _family(self.process)
            spent, resident = _used(family)
            self.before = min(self.before, spent)
            late = time.monotonic() > self.deadline or spent - self.before > self.seconds
            many, large = len(family) > _BEFORE[0] + PROCESSES, resident > _BEFORE[1] + self.memory
            if late or many or large:
                self.why = f"stopped: {'time' if late else 'processes' if many else 'memory'}"
                self.kill()
                return


def _libraries() -> list[str]:
    """Return the folders of installed packages."""
    return [each for each in sys.path if Path(each).name in ("site-packages", "dist-packages")]


def _bubblewrap() -> list[str]:
    system = ["/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/alternatives", "/nix/store", "/gnu/store"]
    own = [sys.base_prefix, sys.prefix, str(Path(sys.executable).resolve().parents[1]), *_libraries(), str(_PACKAGE)]
    seen = [word for place in (*system, *own) for word in ("--ro-bind-try", place, place)]
    rights = ["--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL"]
    home = ["--size", str(DISK), "--tmpfs", HOME, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", HOME]
    return ["bwrap", *rights, "--die-with-parent", "--new-session", *seen, "--proc", "/proc", "--dev", "/dev", *home]


def _filter(machine: int, number: int) -> bytes:
    """Return a seccomp filter that refuses one system call, and all calls of another machine's numbering."""
    load, jump, equal, answer = 0x20, 0x35, 0x15, 0x06  # BPF: load a word, jump if >=, jump if ==, return
    refused, allowed = 0x0005_0001, 0x7FFF_0000
    steps = [(load, 0, 0, 4), (equal, 0, 3, machine), (load, 0, 0, 0), (equal, 1, 0, number),
             (jump, 0, 1, 0x4000_0000), (answer, 0, 0, refused), (answer, 0, 0, allowed)]  # fmt: skip
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def _family(process: subprocess.Popen) -> list[psutil.Process]:
    """Return a process and its children, and theirs; an empty list if it is gone."""
    with contextlib.suppress(psutil.Error):
        found = psutil.Process(process.pid)
        return [*found.children(recursive=True), found]
    return []


def _used(family: list[psutil.Process]) -> tuple[float, int]:
    """Return the seconds of computing and the bytes of memory that processes have used."""
    seconds, memory = 0.0, 0
    for each in family:
        with contextlib.suppress(psutil.Error):
            seconds += sum(each.cpu_times()[:2])
            memory += _share(each)
    return seconds, memory


def _share(process: psutil.Process) -> int:
    """Return its bytes of memory; of what it shares with others (a fork's pages), its share where the system tells."""
    with contextlib.suppress(psutil.AccessDenied):
        full = process.memory_full_info()
        return getattr(full, "pss", full.rss)
    return process.memory_info().rss
