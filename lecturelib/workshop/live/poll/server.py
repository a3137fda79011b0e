"""The server of a poll: a page for phones under a secret link, and under another one what the slide asks for.

`python -m lecturelib.workshop.live.poll.server FOLDER` runs one, by the settings in that folder, until its input ends.
Then it writes the table of votes: it outlives whatever began it.
"""

import asyncio
import json
import logging
import secrets
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream, StreamClosedError
from tornado.web import Application, HTTPError, RequestHandler

from lecturelib.workshop.live.poll.votes import Votes

SETTINGS, VOTES = "poll.json", "votes.sqlite"
COOKIE = "poll"
LARGEST = 1000  # bytes of a vote
PATIENCE = 15  # seconds for a request to arrive whole, and between two messages to a phone that listens
CONNECTIONS = 3000  # at most
# A hall may share one address: its browsers are told apart by their cookies as soon as they have them.
OF_A_BROWSER, OF_STRANGERS, SECONDS = 30, 600, 10  # requests of one cookie, of one address without, in this time


def page() -> str:
    """Return the page for phones, in one piece."""
    html, style, script = (Path(__file__).with_name(f"page.{end}").read_text("utf-8") for end in ("html", "css", "js"))
    return html.replace("STYLE", style).replace("SCRIPT", script)


class Room:
    """What all requests share: the votes, a bell that the keys of the slide ring, and who asked how often."""

    def __init__(self, settings: Mapping[str, Any], votes: Votes) -> None:
        self.settings, self.votes, self.page = settings, votes, page()
        self.bell = asyncio.Event()
        self._asked: Counter[str] = Counter()
        self._counted_until = 0.0

    def ring(self) -> None:
        """Wake all who wait for the bell now."""
        self.bell.set()
        self.bell = asyncio.Event()

    def allows(self, name: str, most: int) -> bool:
        """Count a request; return whether it is not one too many."""
        if time.monotonic() > self._counted_until:
            self._asked.clear()
            self._counted_until = time.monotonic() + SECONDS
        self._asked[name] += 1
        return self._asked[name] <= most


class Handler(RequestHandler):
    """Answers from the room, once or as events."""

    room: Room

    def initialize(self, room: Room) -> None:
        self.room = room

    def state(self) -> dict[str, Any]:
        return self.room.votes.state()

    async def listen(self, every: float) -> None:
        """Send the state now, whenever the bell rings, and after so many seconds."""
        self.set_header("Content-Type", "text/event-stream")
        with suppress(StreamClosedError):
            while True:
                bell = self.room.bell
                self.write(f"retry: 1000\ndata: {json.dumps(self.state())}\n\n")
                await self.flush()
                with suppress(TimeoutError):
                    await asyncio.wait_for(bell.wait(), every)


class Phone(Handler):
    """Refuses who asks too often; knows a browser by its signed cookie, which other sites' pages cannot send."""

    browser = ""

    def prepare(self) -> None:
        value = self.get_signed_cookie(COOKIE, max_age_days=1)
        self.browser = value.decode() if value else ""
        address = self.request.remote_ip or ""
        if not self.room.allows(self.browser or address, OF_A_BROWSER if self.browser else OF_STRANGERS):
            raise HTTPError(429)


class Page(Phone):
    """The page for phones; it gives a browser the cookie by which its vote is counted once."""

    def get(self) -> None:
        if not self.browser:
            path = f"/{self.room.settings['token']}"
            name = secrets.token_urlsafe(12)
            self.set_signed_cookie(COOKIE, name, expires_days=1, path=path, httponly=True, samesite="Lax")
        self.set_header("Cache-Control", "no-store")
        self.write(self.room.page)


class Now(Phone):
    """What is asked now, once, or as events for a page that listens."""

    def state(self) -> dict[str, Any]:
        seen = super().state()
        return seen and seen | {"mine": self.room.votes.mine(seen["number"], self.browser)}

    async def get(self) -> None:
        if not self.browser:
            raise HTTPError(403)
        if "text/event-stream" in self.request.headers.get("Accept", ""):
            await self.listen(PATIENCE)
        else:
            self.write(self.state())


class Vote(Phone):
    """A vote; 409 where the round is closed, or knows no such choice."""

    def post(self) -> None:
        if not self.browser:
            raise HTTPError(403)
        try:
            given = json.loads(self.request.body)
            counted = self.room.votes.vote(int(given["number"]), self.browser, int(given["choice"]))
        except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
            raise HTTPError(400) from None
        if not counted:
            raise HTTPError(409)


class Hall(Handler):
    """The slide: it sees the state, and acts."""

    def set_default_headers(self) -> None:
        self.set_header("Access-Control-Allow-Origin", "*")  # who knows this link is the slide

    def state(self) -> dict[str, Any]:
        return super().state() | {key: self.room.settings[key] for key in ("link", "qr")}

    async def get(self) -> None:
        await self.listen(0.5)

    def post(self) -> None:
        given, votes = json.loads(self.request.body), self.room.votes
        name = given["name"]
        match given["do"]:
            case "open":
                votes.ask(name, given["question"], given["choices"])
            case "tell":
                votes.tell(name, given["outcome"])
            case "again":
                votes.again(name)
            case "show":
                votes.show(name)
            case "close":
                votes.close(name)
        self.room.ring()


class Door(HTTPServer):
    """Lets in a bounded number of connections; those that say nothing are let go after some seconds."""

    def handle_stream(self, stream: IOStream, address: tuple) -> None:
        if len(self._connections) < CONNECTIONS:
            super().handle_stream(stream, address)
        else:
            stream.close()


def application(room: Room) -> Application:
    """Return what can be asked for: three addresses under the link for phones, and one for the slide."""
    token, hall = room.settings["token"], room.settings["hall"]
    routes = {rf"/{token}/?": Page, rf"/{token}/now": Now, rf"/{token}/vote": Vote, rf"/{hall}": Hall}
    handlers = [(path, handler, {"room": room}) for path, handler in routes.items()]
    return Application(handlers, cookie_secret=room.settings["secret"])


def serve(folder: Path) -> None:
    """Answer until the input of this process ends, as it does with the process that began it; then write the table.

    The folder is deleted, but where the table cannot be written: then it is kept in there.
    """
    settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # Ctrl-C, a closed window: they are for the one that began it
        if hasattr(signal, name):  # Windows has not all
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    logging.getLogger("tornado").setLevel(logging.ERROR)  # what others send does not fill our terminal
    votes = Votes(folder / VOTES)
    asyncio.run(_answer(settings, votes))
    table, said = Path(settings["table"]), ""
    try:
        if rounds := votes.write(table):
            said = f"The votes of {rounds} rounds are in {table}"
    except OSError as problem:
        votes.write(folder / table.name)
        said = f"The votes cannot be written to {table} ({problem}): they are in {folder / table.name}"
    votes.end()
    if not (folder / table.name).exists():
        shutil.rmtree(folder, ignore_errors=True)
    if said:
        with suppress(OSError):  # the window may be closed
            print(said, flush=True)


async def _answer(settings: Mapping[str, Any], votes: Votes) -> None:
    with suppress(ModuleNotFoundError):  # Windows has no limit of open files
        import resource

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        files = 2 * CONNECTIONS if hard == resource.RLIM_INFINITY else min(2 * CONNECTIONS, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    limits = {"max_body_size": LARGEST, "max_header_size": 8 * LARGEST, "max_buffer_size": 65_536}
    patience = {"idle_connection_timeout": PATIENCE, "body_timeout": PATIENCE}
    door = Door(application(Room(settings, votes)), **limits, **patience)
    door.listen(settings["port"], settings["bind"], backlog=1024)
    with suppress(OSError):
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
