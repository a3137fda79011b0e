"""The server of a poll: a page for phones under a secret link, and on this machine alone what the slide asks for.

`python -m lecturelib.workshop.live.poll.server FOLDER` runs one, by the settings in that folder, until its input ends.
Then it writes the table of votes: it outlives whatever began it. With `finish` behind FOLDER it only writes the table.
"""

import asyncio
import base64
import hashlib
import json
import logging
import secrets
import shutil
import signal
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from tornado.http1connection import HTTP1Connection
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream, StreamClosedError
from tornado.netutil import bind_sockets
from tornado.web import Application, HTTPError, RequestHandler

from lecturelib.workshop.live.poll.votes import Votes

SETTINGS, VOTES = "poll.json", "votes.sqlite"
COOKIE, HALL = "poll", "hall"
LARGEST = 1000  # bytes of a vote
PATIENCE = 15  # seconds for a request to arrive whole, and between two messages to a page that listens
PAGES = 3  # of one browser that listen at the same time
CONNECTIONS, LISTENING = 1500, 1000  # at most; who listens keeps the place, so that others must find one
HERE = Path(__file__).parent


def page() -> tuple[str, str]:
    """Return the page for phones, in one piece, and the policy by which it runs this script and nothing else."""
    script, style = ((HERE / name).read_text(encoding="utf-8") for name in ("page.js", "page.css"))
    html = (HERE / "page.html").read_text(encoding="utf-8").replace("STYLE", style).replace("SCRIPT", script)
    one, two = (base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in (script, style))
    policy = (
        f"default-src 'none'; script-src 'sha256-{one}'; style-src 'sha256-{two}'; img-src data:; connect-src 'self'"
    )
    return html, f"{policy}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class Limit:
    """How much one may ask for: `burst` times at once, then `rate` times a second."""

    def __init__(self, burst: int, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.burst, self.rate, self.clock = burst, rate, clock
        self._left: dict[str, tuple[float, float]] = {}

    def allows(self, name: str) -> bool:
        """Return whether this one may ask once more, and note that it did."""
        now = self.clock()
        left, then = self._left.pop(name, (self.burst, now))
        left = min(self.burst, left + (now - then) * self.rate)
        self._left[name] = (left - 1 if left >= 1 else left), now
        if len(self._left) > 10_000:
            self._left.pop(next(iter(self._left)))  # who was quiet for longest
        return left >= 1


class Bell:
    """What pages wait for; each ring wakes all that wait now."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def ring(self) -> None:
        self.event.set()
        self.event = asyncio.Event()


class Room:
    """What all requests share: the votes, who listens, and who asked how often."""

    def __init__(self, settings: Mapping[str, Any], votes: Votes) -> None:
        self.settings, self.votes = settings, votes
        self.page, self.policy = page()
        self.acted, self.voted = Bell(), Bell()
        self.listening: dict[IOStream, str] = {}
        # A hall may share one address: its browsers are told apart by their cookies as soon as they have them.
        self.browsers, self.strangers = Limit(burst=20, rate=1), Limit(burst=600, rate=20)


class Handler(RequestHandler):
    """Refuses what comes from somewhere else, by the wrong name, or too often; answers with no more than it must."""

    room: Room
    hosts: Iterable[str]
    browser = ""

    def initialize(self, room: Room) -> None:
        self.room, self.hosts = room, room.settings["hosts"]

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name in ("Cache-Control: no-store", "X-Content-Type-Options: nosniff", "Referrer-Policy: no-referrer"):
            self.set_header(*name.split(": "))

    def prepare(self) -> None:
        self.guard({f"http://{self.request.host}", self.room.settings["origin"]})
        value = self.get_signed_cookie(COOKIE, max_age_days=1)
        self.browser = value.decode() if value else ""
        limit = self.room.browsers if self.browser else self.room.strangers
        if not limit.allows(self.browser or self.request.remote_ip or ""):
            raise HTTPError(429)

    def guard(self, origins: Iterable[str]) -> None:
        """Refuse another host's name (which another site may have given us), and another site's page."""
        if self.request.host not in self.hosts:
            raise HTTPError(421)
        if (origin := self.request.headers.get("Origin")) is not None and origin not in origins:
            raise HTTPError(403)

    def read(self, *fields: tuple[str, type]) -> list[Any]:
        """Return these fields of the request, each of its type."""
        try:
            given = json.loads(self.request.body)
            found = [given[name] for name, _ in fields]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise HTTPError(400) from None
        if not all(type(value) is kind for value, (_, kind) in zip(found, fields, strict=True)):
            raise HTTPError(400)
        return found

    def write_error(self, status_code: int, **_: Any) -> None:
        """Say the number, and no more."""
        self.set_header("Content-Type", "text/plain")
        self.finish(str(status_code))

    def state(self) -> dict[str, Any]:
        return self.room.votes.state()

    async def listen(self, name: str, bells: Iterable[Bell], pause: float = 0) -> None:
        """Send the state now, and whenever a bell rings."""
        stream = self.stream()
        listening = self.room.listening
        full = len(listening) >= LISTENING and name != HALL
        if full or list(listening.values()).count(name) >= PAGES:
            raise HTTPError(429)
        listening[stream] = name
        self.set_header("Content-Type", "text/event-stream")
        try:
            while not stream.closed():
                waiting = [asyncio.ensure_future(bell.event.wait()) for bell in bells]
                self.write(f"retry: 1000\ndata: {json.dumps(self.state())}\n\n")
                await self.flush()
                await asyncio.wait(waiting, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
                for each in waiting:
                    each.cancel()
                await asyncio.sleep(pause)
        except StreamClosedError:
            pass
        finally:
            listening.pop(stream, None)

    def on_connection_close(self) -> None:
        self.room.listening.pop(self.stream(), None)

    def stream(self) -> IOStream:
        return cast(HTTP1Connection, self.request.connection).stream


class Nothing(Handler):
    """Everything that is not there."""

    def prepare(self) -> None:
        super().prepare()
        raise HTTPError(404)


class Page(Handler):
    """The page for phones; it gives a browser the cookie by which its vote is counted once."""

    def get(self) -> None:
        if not self.browser:
            path = f"/{self.room.settings['token']}"
            name = secrets.token_urlsafe(12)
            self.set_signed_cookie(COOKIE, name, expires_days=1, path=path, httponly=True, samesite="Lax")
        self.set_header("Content-Security-Policy", self.room.policy)
        self.write(self.room.page)


class Now(Handler):
    """What is asked now, once, or as events for a page that listens."""

    def state(self) -> dict[str, Any]:
        seen = super().state()
        return seen and seen | {"mine": self.room.votes.mine(seen["number"], self.browser)}

    async def get(self) -> None:
        if not self.browser:
            raise HTTPError(403)
        if "text/event-stream" not in self.request.headers.get("Accept", ""):
            self.write(self.state())
        else:
            await self.listen(self.browser, [self.room.acted])


class Vote(Handler):
    """A vote; 409 where the round is closed, or knows no such choice."""

    def post(self) -> None:
        if not self.browser:
            raise HTTPError(403)
        number, choice = self.read(("number", int), ("choice", int))
        if max(abs(number), abs(choice)) > 1e9 or not self.room.votes.vote(number, self.browser, choice):
            raise HTTPError(409)
        self.room.voted.ring()
        self.write({"mine": choice})


class Hall(Handler):
    """The slide: it sees the state, and acts. Only on this machine, and under a link of its own."""

    def initialize(self, room: Room) -> None:
        self.room, self.hosts = room, [f"127.0.0.1:{room.settings['hall_port']}"]

    def prepare(self) -> None:
        origin = self.request.headers.get("Origin", "")
        local = origin.startswith(("http://127.0.0.1:", "http://localhost:"))
        self.guard({origin} if local else ())
        self.set_header("Access-Control-Allow-Origin", origin)

    def state(self) -> dict[str, Any]:
        return super().state() | {key: self.room.settings[key] for key in ("link", "qr")}

    async def get(self) -> None:
        """Keep sending the state, not more often than one can read it."""
        await self.listen(HALL, [self.room.acted, self.room.voted], pause=0.2)

    def post(self) -> None:
        do, name = self.read(("do", str), ("name", str))
        votes = self.room.votes
        if do == "open":
            question, choices = self.read(("question", str), ("choices", list))
            votes.ask(name, question, [str(each) for each in choices])
        elif do == "tell":
            votes.tell(name, *self.read(("outcome", str)))
        elif do in ("again", "show", "close"):
            {"again": votes.again, "show": votes.show, "close": votes.close}[do](name)
        else:
            raise HTTPError(400)
        self.room.acted.ring()
        self.write({})


class Door(HTTPServer):
    """Lets in a bounded number of connections: then the oldest that does not listen has to make room."""

    room: Room
    streams: tuple[IOStream, ...] = ()
    most = CONNECTIONS

    def handle_stream(self, stream: IOStream, address: tuple) -> None:
        self.streams = (*(each for each in self.streams if not each.closed()), stream)
        if len(self.streams) > self.most:
            next((each for each in self.streams if each not in self.room.listening), stream).close()
        super().handle_stream(stream, address)


def application(room: Room) -> Application:
    """Return what phones can ask for: three addresses under the secret link."""
    token = room.settings["token"]
    routes = [(rf"/{token}/?", Page), (rf"/{token}/now", Now), (rf"/{token}/vote", Vote)]
    return _application([(path, handler, {"room": room}) for path, handler in routes], room)


def hall(room: Room) -> Application:
    """Return what the slide can ask for."""
    return _application([(rf"/{room.settings['hall']}", Hall, {"room": room})], room)


def serve(folder: Path) -> None:
    """Answer until the input of this process ends, which it does with the process that began it; then finish."""
    settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # Ctrl-C, a closed window: they are for the one that began it
        if hasattr(signal, name):  # Windows has not all
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    logging.getLogger("tornado.general").setLevel(logging.CRITICAL)  # what others send does not fill our terminal
    votes = Votes(folder / VOTES)
    try:
        asyncio.run(_serve(settings, votes))
    finally:
        votes.end()
    finish(folder)


def finish(folder: Path) -> None:
    """Write the table of votes, if there were any, and delete the folder; keep it where that fails, and say so."""
    table = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))["table"]
    try:
        votes = Votes(folder / VOTES)
        rounds = votes.write(Path(table))
        votes.end()
    except (OSError, sqlite3.Error) as problem:
        said = (f"The votes cannot be written ({problem}), and are kept: make room, make the table's folder, or "
                "move a table of that name away, then run "
                f'python -m lecturelib.workshop.live.poll.server "{folder}" finish')  # fmt: skip
    else:
        said = f"The votes of {rounds} rounds are in {table}" if rounds else ""
        shutil.rmtree(folder, ignore_errors=True)
    if said:
        with suppress(OSError):  # the window may be closed
            print(said, flush=True)


async def _serve(settings: Mapping[str, Any], votes: Votes) -> None:
    room, loop, ended = Room(settings, votes), asyncio.get_running_loop(), asyncio.Event()
    door = Door(application(room), max_body_size=LARGEST, max_header_size=8 * LARGEST, max_buffer_size=65_536,
                idle_connection_timeout=PATIENCE, body_timeout=PATIENCE)  # fmt: skip
    door.room, door.most = room, _files()
    door.add_sockets(bind_sockets(settings["port"], settings["bind"], socket.AF_INET, backlog=1024))
    HTTPServer(hall(room)).add_sockets(bind_sockets(settings["hall_port"], "127.0.0.1"))

    def wait() -> None:
        with suppress(OSError):
            sys.stdin.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait, daemon=True).start()
    await ended.wait()


def _application(routes: list[Any], room: Room) -> Application:
    return Application(routes, default_handler_class=Nothing, default_handler_args={"room": room},
                       cookie_secret=room.settings["secret"], log_function=lambda handler: None)  # fmt: skip


def _files() -> int:
    """Return how many connections there may be, and ask the system for as many open files."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows, which has no such limit
        return CONNECTIONS
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = CONNECTIONS + 200 if hard == resource.RLIM_INFINITY else min(CONNECTIONS + 200, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted - 200


if __name__ == "__main__":
    (finish if sys.argv[2:] == ["finish"] else serve)(Path(sys.argv[1]))
