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
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lecturelib.workshop import Failed
from lecturelib.workshop.live.poll.server import SETTINGS

PORT = 8765  # if it is free
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that one takes for another
START_LIMIT, END_LIMIT = 30, 10  # seconds
PAUSE = 1  # second until a server that was killed is started again


@contextmanager
def poll(table: Path, bind: str = "127.0.0.1", link: str = "") -> Iterator[Poll]:
    """Run a poll; at its end its server writes the table of votes, if there were any.

    `link` is where phones reach it, if not by the address that it listens on. Raises: Failed where it does not start.
    """
    settings = settle(bind, link) | {"table": str(table.absolute())}
    running = Poll(Path(tempfile.mkdtemp(prefix="lecture-poll-")), settings)
    try:
        running.wait()
        yield running
    finally:
        running.end()


def settle(bind: str, link: str = "") -> dict[str, Any]:
    """Return the settings of a new poll: where it listens, its links, and its secrets."""
    import segno  # only where a poll is wanted

    port, hall = _free(bind), secrets.token_urlsafe(24)
    token = "".join(secrets.choice(LETTERS) for _ in range(8))
    link = f"{link.rstrip('/') or f'http://{_seen(bind)}:{port}'}/{token}"
    here = "127.0.0.1" if bind == "0.0.0.0" else bind
    return {
        "bind": bind, "port": port, "token": token, "link": link, "secret": secrets.token_hex(32),
        "qr": segno.make(link, error="m").svg_inline(border=2, omitsize=True),
        "hall": hall, "hall_link": f"http://{here}:{port}/{hall}",
    }  # fmt: skip


class Poll:
    """A server in a process of its own, which is started again where it is killed."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.folder, self.settings = folder, settings
        (folder / SETTINGS).write_text(json.dumps(settings), encoding="utf-8")
        self.process = self._start()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Return once it answers."""
        here = "127.0.0.1" if self.settings["bind"] == "0.0.0.0" else self.settings["bind"]
        for _ in range(START_LIMIT * 10):
            with suppress(OSError), socket.create_connection((here, self.settings["port"])):
                return
            time.sleep(0.1)
        raise Failed(f"the poll's server did not start within {START_LIMIT} s")

    def end(self) -> None:
        """End its input, so that it writes the table and ends."""
        deadline = time.monotonic() + END_LIMIT
        while self._thread.is_alive() and time.monotonic() < deadline:
            self._close()
            self._thread.join(0.5)

    def _close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "lecturelib.workshop.live.poll.server", str(self.folder)]
        return subprocess.Popen(command, stdin=subprocess.PIPE)

    def _keep(self) -> None:
        while self.process.wait() != 0:
            self._close()
            time.sleep(PAUSE)
            self.process = self._start()


def _free(address: str) -> int:
    """Return a free port of an address. Raises: Failed for an address that is not of this machine."""
    for port in (PORT, 0):
        with suppress(OSError), socket.create_server((address, port)) as probe:
            return probe.getsockname()[1]
    raise Failed(f"nothing can listen on {address}: expected an address of this machine, or 0.0.0.0")


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
