"""Keep the server of a poll running while a lecture lasts; it writes the table of votes when that ends, however."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lecturelib.workshop import Failed
from lecturelib.workshop.live.poll.server import SETTINGS, finish

PORT = 8765  # if it is free
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that one takes for another
START_LIMIT = 30  # seconds
END_LIMIT = 5  # seconds, then it is killed: what was answered is in its file
PAUSE = 1  # second until a server that ended is started again


@contextmanager
def poll(table: Path, bind: str = "127.0.0.1", link: str = "") -> Iterator[Poll]:
    """Run a poll; at its end write the table of votes, if there were any.

    `link` is where phones reach it, if not by the address that it listens on. Raises: Failed where it does not start.
    """
    settings = settle(bind, link) | {"table": str(table.absolute())}
    folder = Path(tempfile.mkdtemp(prefix="lecture-poll-"))
    running = Poll(folder, settings)
    try:
        running.wait()
        yield running
    finally:
        running.end()
        if running.process.returncode and folder.exists():  # it was killed before it could
            finish(folder)


def settle(bind: str, link: str = "") -> dict[str, Any]:
    """Return the settings of a new poll: where it listens, its links, and its secrets."""
    import segno  # only where a poll is wanted

    port, hall_port = _free(bind, PORT), _free("127.0.0.1")
    token = "".join(secrets.choice(LETTERS) for _ in range(8))
    link = f"{link.rstrip('/') or f'http://{_seen(bind)}:{port}'}/{token}"
    origin = urlsplit(link)
    return {
        "bind": bind, "port": port, "token": token, "link": link, "secret": secrets.token_hex(32),
        "hosts": [origin.netloc, f"{bind}:{port}", f"127.0.0.1:{port}"],
        "origin": f"{origin.scheme}://{origin.netloc}",
        "qr": segno.make(link, error="m").svg_inline(border=2, omitsize=True),
        "hall_port": hall_port, "hall": (hall := secrets.token_urlsafe(24)),
        "hall_link": f"http://127.0.0.1:{hall_port}/{hall}",
    }  # fmt: skip


class Poll:
    """A server in a process of its own, which is started again where it ends by itself."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.settings = settings
        (folder / SETTINGS).write_text(json.dumps(settings), encoding="utf-8")
        self._command = [sys.executable, "-m", "lecturelib.workshop.live.poll.server", str(folder)]
        self._ending = threading.Event()
        self.process = self._start()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Return once it answers."""
        for _ in range(START_LIMIT * 10):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.settings["hall_port"])) == 0:
                    return
            time.sleep(0.1)
        raise Failed(f"the poll's server did not start within {START_LIMIT} s")

    def end(self) -> None:
        """Stop it for good: its input ends, and if it does not, it is killed."""
        self._ending.set()
        deadline = time.monotonic() + END_LIMIT
        while self._thread.is_alive():
            self._close()
            if time.monotonic() > deadline:
                self.process.kill()
            self._thread.join(0.5)

    def _close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, stdin=subprocess.PIPE)

    def _keep(self) -> None:
        while True:
            self.process.wait()
            self._close()
            if self._ending.wait(PAUSE):
                return
            self.process = self._start()


def _free(address: str, wanted: int = 0) -> int:
    """Return the wanted port of an address if it is free, else another.

    Raises: Failed for an address that is not of this machine.
    """
    for port in (wanted, 0):
        with socket.socket() as probe:
            if sys.platform != "win32":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
                return probe.getsockname()[1]
            except OSError as problem:
                reason = problem
    raise Failed(f"nothing can listen on {address} ({reason}): expected an address of this machine, or 0.0.0.0")


def _seen(bind: str) -> str:
    """Return the address by which others see this machine."""
    if bind != "0.0.0.0":
        return bind
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: only the way there is looked up
            return probe.getsockname()[0]
        except OSError:
            return socket.gethostname()
