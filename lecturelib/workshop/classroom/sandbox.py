"""Where a stranger's code runs: in bubblewrap, in a container, or, only if somebody says so, under this account.

The boundary is the operating system's. In bubblewrap a process sees a read-only system without anybody's files, an
empty home of limited size, no network and no other process; podman and docker give the same from the course's image.
Within bubblewrap one process imports torch once; each child then is a fork of it in namespaces of its own (see
`child`), or, where the system forbids that, in a bubblewrap of its own.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import platform
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import uuid
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from lecturelib.workshop.classroom.child import DISK, HOME, alone

SAME_ACCOUNT = "same account"
AROUND = 700_000_000  # bytes that Python and torch may take beside a student's code
CONTEXT: Any = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
CONTEXT.set_forkserver_preload(["lecturelib.workshop.classroom.judge"])  # so that torch is imported once

_PACKAGE = Path(__file__).parents[2]
_CHILD = "lecturelib.workshop.classroom.child"
_FIXED = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "PYTHONSAFEPATH": "1",
          "PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "agg", "LANG": "C.UTF-8"}  # fmt: skip
# Memory that no limit of a process counts: the numbers of shmget and memfd_create on each machine.
_UNCOUNTED = {"x86_64": (0xC000003E, 29, 319), "aarch64": (0xC00000B7, 194, 279)}


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

    def works(self) -> bool:
        """Whether it can be used here: found by trying it."""
        if self.kind == "bwrap":
            trial = [*_bubblewrap(), sys.executable, "-c", "import numpy, lecturelib"]
        else:
            trial = [self.kind, "image", "inspect", self.image]
        if not shutil.which(self.kind) or os.name != "posix":
            return False
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            return subprocess.run(trial, capture_output=True, env=_environment(), timeout=120).returncode == 0
        return False

    def place(self, memory: int) -> Place:
        """Return where children can be started that may use so many bytes."""
        if self.kind == SAME_ACCOUNT:
            return Place(memory)
        return Bubblewrap(memory) if self.kind == "bwrap" else Container(memory, self.kind, self.image)


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


class Place:
    """Where one child after another runs: here under the same account, each in a new folder."""

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.process: Any = None

    def start(self) -> Connection:
        """Start a child, and return the line to it; it is ready when its first message arrives."""
        ours, theirs = CONTEXT.Pipe()
        with theirs:
            self._start(theirs)
        return ours

    def _start(self, line: Connection) -> None:
        self.folder = tempfile.mkdtemp(prefix="hand-in-")
        self.process = CONTEXT.Process(target=alone, args=(line, self.memory, self.folder))
        self.process.start()

    def family(self) -> list[psutil.Process]:
        """Return the processes of the child, as far as they can be seen from here."""
        with contextlib.suppress(psutil.Error):
            found = psutil.Process(self.process.pid)
            return [*found.children(recursive=True), found]
        return []

    def used(self) -> tuple[int, float, int]:
        """Return how many processes the child has, and the seconds of computing and bytes of memory of all of them."""
        seconds, memory, family = 0.0, 0, self.family()
        for each in family:
            with contextlib.suppress(psutil.Error):
                seconds += sum(each.cpu_times()[:2])
                memory += _share(each)
        return len(family), seconds, memory

    def end(self) -> None:
        """End the child, and all that it has started."""
        _kill(self.family())
        with contextlib.suppress(AttributeError, OSError):  # it leads a group, also of orphans
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.join()
        with contextlib.suppress(OSError, RecursionError):
            shutil.rmtree(self.folder)

    def close(self) -> None:
        """End what is kept for the next child."""


class Container(Place):
    """Podman or docker, which start a container for each child."""

    def __init__(self, memory: int, program: str, image: str) -> None:
        super().__init__(memory)
        self.program, self.image = program, image

    def _start(self, line: Connection) -> None:
        self.name, most = f"lecture-{uuid.uuid4().hex}", self.memory + AROUND
        limits = [f"--memory={most}", f"--memory-swap={most}", "--pids-limit=64", f"--ulimit=fsize={DISK}",
                  f"--shm-size={DISK}"]  # fmt: skip
        rights = ["--network=none", "--ipc=private", "--cap-drop=all", "--security-opt=no-new-privileges"]
        home = ["--read-only", f"--tmpfs=/tmp:size={DISK},nr_inodes=10000", "--workdir=/tmp", "--user=1000:1000"]
        environment = [f"--env={key}={value}" for key, value in (_FIXED | {"HOME": "/tmp"}).items()]
        start = [self.program, "run", "--rm", "--interactive", f"--name={self.name}", "--pull=never"]
        self.process = subprocess.Popen(
            [*start, *limits, *rights, *home, *environment, self.image, "python", "-m", _CHILD, str(self.memory)],
            stdin=line.fileno(), stdout=line.fileno(), stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def family(self) -> list[psutil.Process]:
        """Return nothing: its processes are the engine's."""
        return []

    def end(self) -> None:
        """End the container."""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run([self.program, "kill", self.name], capture_output=True, timeout=30)
        self.process.kill()
        self.process.wait()


class Bubblewrap(Place):
    """One bubblewrap for all children, as long as these can be told apart in it."""

    def __init__(self, memory: int) -> None:
        super().__init__(memory)
        self._open()

    def _open(self) -> None:
        self.control, theirs = socket.socketpair()
        self.own: list[psutil.Process] | None = None  # its own processes, as soon as it is ready
        nursery = [sys.executable, "-m", _CHILD, str(self.memory), "--nursery"]
        with theirs, tempfile.TemporaryFile() as rules:
            rules.write(_filter())
            rules.seek(0)
            self.process = subprocess.Popen(
                [*_bubblewrap(), "--seccomp", str(rules.fileno()), *nursery], stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=[rules.fileno()], env=_environment(),
            )  # fmt: skip

    def _start(self, line: Connection) -> None:
        try:
            self._hand(line)
        except OSError:  # it has served one child, or something has ended it
            self.close()
            self._open()
            self._hand(line)

    def _hand(self, line: Connection) -> None:
        if self.own is None:
            self.own = super().family() if self.control.recv(1) == b"+" else []
        socket.send_fds(self.control, [b"+"], [line.fileno()])

    def family(self) -> list[psutil.Process]:
        """Return what came up after the nursery was ready; all, if the nursery itself has become the child."""
        return [each for each in super().family() if each not in (self.own or ())]

    def end(self) -> None:
        """End the child, and all that it has started: they end with the first process of their namespaces."""
        for _ in range(10):
            _kill(family := self.family())
            if not family:
                break
            psutil.wait_procs(family, timeout=1)
        if family or not self.own:
            self.close()

    def close(self) -> None:
        """End it; bubblewrap sees to it that all in it go too."""
        self.control.close()
        self.process.kill()
        self.process.wait()


def _environment() -> dict[str, str]:
    """Return the variables in bubblewrap: none of ours but the paths where programs and Python's modules lie."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "PATH") if name in os.environ}
    modules = os.pathsep.join([str(_PACKAGE.parent), *_libraries()])
    return kept | _FIXED | {"HOME": HOME, "TMPDIR": HOME, "MPLCONFIGDIR": HOME, "PYTHONPATH": modules}


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


def _filter() -> bytes:
    """Return a seccomp filter that refuses what no limit counts, and all calls of another machine's numbering.

    On a machine whose numbers are not known it refuses nothing.
    """
    load, jump, equal, answer = 0x20, 0x35, 0x15, 0x06  # BPF: load a word, jump if >=, jump if ==, return
    no, yes = 0x0005_0001, 0x7FFF_0000
    steps: list[tuple[int, int, int, int]] = []
    if platform.machine() in _UNCOUNTED:
        machine, *refused = _UNCOUNTED[platform.machine()]
        steps += [(load, 0, 0, 4), (equal, 1, 0, machine), (answer, 0, 0, no), (load, 0, 0, 0),
                  (jump, 0, 1, 0x4000_0000), (answer, 0, 0, no)]  # fmt: skip
        for number in refused:
            steps += [(equal, 0, 1, number), (answer, 0, 0, no)]
    return b"".join(struct.pack("HBBI", *step) for step in [*steps, (answer, 0, 0, yes)])


def _kill(processes: list[psutil.Process]) -> None:
    for each in processes:
        with contextlib.suppress(psutil.Error):
            each.kill()


def _share(process: psutil.Process) -> int:
    """Return its bytes of memory; of what it shares with others (a fork's pages), its share where the system tells."""
    with contextlib.suppress(psutil.AccessDenied):
        full = process.memory_full_info()
        return getattr(full, "pss", full.rss)
    return process.memory_info().rss
