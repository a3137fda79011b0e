"""What the system itself refuses to a process that runs a stranger's code, and a clean environment to start it in."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

FILE = 16_000_000  # bytes of a file that it may write

# No password, token or address that stands in a variable; and no module from the folder where the command was called.
_KEPT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LD_LIBRARY_PATH")
_SET = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "PYTHONSAFEPATH": "1",
        "MPLBACKEND": "agg"}  # fmt: skip


@contextlib.contextmanager
def clean_environment(home: str) -> Iterator[None]:
    """Start processes with a few variables only; ours are back afterwards."""
    before = dict(os.environ)
    kept = {name: before[name] for name in _KEPT if name in before}
    here = {
        "HOME": home,
        "USERPROFILE": home,
        "MPLCONFIGDIR": home,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    os.environ.clear()
    os.environ.update(kept | _SET | here)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def limit_memory(more: int) -> None:
    """Let this process have so many bytes more than it has now, on systems that can say so."""
    if sys.platform != "win32":
        import resource

        _lower(resource.RLIMIT_AS, psutil.Process().memory_info().vms + more)


def isolate(folder: Path, memory: int) -> None:
    """Make this process a group of its own, in a folder of its own, silent, and without more than it needs.

    On Windows there are no such limits; the time and the memory are watched from outside on every system.
    """
    os.chdir(folder)
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)
    if sys.platform == "win32":
        return
    import resource

    os.setsid()
    limit_memory(memory)
    _lower(resource.RLIMIT_FSIZE, FILE)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NPROC, 0)  # neither a child nor a thread; this one does not bind the user root


def _lower(which: int, limit: int) -> None:
    """Set a limit for good, unless it is lower already or the system has none."""
    import resource

    _, hard = resource.getrlimit(which)
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    with contextlib.suppress(OSError, ValueError):  # macOS does not keep all of them
        resource.setrlimit(which, (limit, limit))
