"""The process that runs a stranger's code: it makes the answer, and calls it as often as the judge asks.

It knows the questions one by one and no right result, and it sends back plain data (see `wire`). All that it says may
be a lie of the code that it runs; the judge takes it for an answer, never for a verdict. What it can reach is decided
by what stands around it (see `sandbox`). It imports nothing but the wire: `python -m ...child BYTES [--nursery]`.
"""

import ast
import builtins
import contextlib
import ctypes
import os
import socket
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import psutil
import torch

from lecturelib.workshop.classroom.wire import ASKS_BACK, Message

HOME = "/hand-in"
DISK = 16_000_000  # bytes that it may write
_TEXT = 300  # characters of an error's message
_NEW = 0x20000 | 0x8000000 | 0x10000000 | 0x20000000 | 0x40000000  # namespaces: mounts, IPC, users, processes, network

Receive = Callable[[], bytes]
Send = Callable[[bytes], None]


def nurse(control: socket.socket, memory: int) -> None:
    """Fork a child for each line that arrives, in namespaces of its own; without these, serve one and no more.

    First it says which; the next line waits until all processes of the last child have ended.
    """
    if not os.fork():  # does the system allow them?
        os._exit(_apart())
    nested = os.wait()[1] == 0
    control.send(b"+" if nested else b"-")
    while fds := socket.recv_fds(control, 1, 1)[1]:
        line = Connection(fds[0])
        if nested and os.fork():
            line.close()
            os.wait()
            continue
        control.close()
        if nested:
            if _apart():
                os._exit(1)
            if os.fork():  # the first process of its namespaces: with it all others in them end
                line.close()
                os.wait()
                os._exit(0)
            os.setsid()  # a signal to the own group reaches nobody outside
        serve(line.recv_bytes, line.send_bytes, memory)
        os._exit(0)


def alone(line: Connection, memory: int, folder: str) -> None:
    """Serve as a process of the account that collects."""
    torch.set_num_threads(1)
    os.environ["MPLBACKEND"] = "agg"  # no window opens
    os.chdir(folder)
    if hasattr(os, "setsid"):
        os.setsid()
    serve(line.recv_bytes, line.send_bytes, grown(memory))
    time.sleep(10)  # who ends it looks for what it has started, and would no longer find it


def _apart() -> int:
    """Leave the namespaces of this process for new ones, as the same user; return an exit status.

    There it has an empty home and sees no process outside, and it gives up the right to change that.
    """
    c, uid, gid = ctypes.CDLL(None), os.getuid(), os.getgid()
    if c.unshare(_NEW):
        return 1
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    for place, size in ((HOME, DISK), ("/proc", 4096)):
        if c.mount(b"tmpfs", place.encode(), b"tmpfs", 6, f"size={size},nr_inodes=10000,mode=700".encode()):
            os._exit(1)
    os.chdir(HOME)
    return c.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())


def serve(receive: Receive, send: Send, memory: int) -> None:
    """Give up all that is not needed, and answer the judge until it has no more questions."""
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)
    for name, most in (("AS", memory), ("FSIZE", DISK), ("CORE", 0), ("NOFILE", 64)):
        limit(f"RLIMIT_{name}", most)
    with contextlib.suppress(EOFError, OSError):
        send(Message().write(ready=True))
        converse(receive, send)


def grown(more: int) -> int:
    """Return the bytes of memory that this process would have with so many more."""
    return psutil.Process().memory_info().vms + more


def limit(which: str, most: int) -> None:
    """Set a limit of the system's for this process for good, unless it is lower already or the system has none."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # Windows has none, macOS does not keep all of them
        import resource

        _, hard = resource.getrlimit(getattr(resource, which))
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(getattr(resource, which), (most, most))


def converse(receive: Receive, send: Send) -> None:
    """Make the answer that the judge asks for, and call it; EOFError ends it.

    A call returns the result and the arguments, as they are afterwards, in the question's memory.
    """
    answer: Any = None
    while True:
        message = Message()
        values = message.read(receive(), lambda n: _asked_back(receive, send, n))
        try:
            if "source" in values:
                answer = make(values["source"], values["answer"])
                reply = Message().write(value=answer)
            else:
                torch.set_default_dtype(torch.float64)  # as the checks have it
                given = values["given"]
                reply = Message(message.memory).write(result=answer(*given), given=given)
        except BaseException as problem:  # also SystemExit: the judge says what comes of it
            reply = _raised(problem)
        send(reply)


def make(source: str, answer: str) -> Any:
    """Run a student's cells, and return the answer.

    A statement that fails is passed over: it may need what an experiment further up has made. If the answer does not
    need it, it does no harm; if it does, it fails as well.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    for statement in ast.parse(source).body:
        with contextlib.suppress(Exception, SystemExit):
            exec(compile(ast.Module([statement], []), "<exercise>", "exec"), names)
    return eval(answer, names)


def _asked_back(receive: Receive, send: Send, n: int) -> Callable[..., Any]:
    """Return what stands for a function among the arguments: it is the judge that computes it."""

    def ask(*given: Any) -> Any:
        send(ASKS_BACK + Message().write(function=n, given=given))
        values = Message().read(receive())
        if "raised" in values:
            raise getattr(builtins, values["raised"], RuntimeError)(values["text"])
        return values["result"]

    return ask


def _raised(problem: BaseException) -> bytes:
    """Say which error it was; one for want of memory is called so, whoever noticed it."""
    kind = "MemoryError" if "allocate memory" in str(problem) else type(problem).__name__
    return Message().write(raised=kind, text=str(problem)[:_TEXT])


if __name__ == "__main__":
    torch.set_num_threads(1)
    (torch.ones(2, 2) @ torch.ones(2, 2)).softmax(1)  # for which torch looks at /proc, once
    most = grown(int(sys.argv[1]))
    if "--nursery" in sys.argv:
        nurse(socket.socket(fileno=os.dup(0)), most)
    else:
        serve(Connection(os.dup(0), writable=False).recv_bytes, Connection(os.dup(1), readable=False).send_bytes, most)
