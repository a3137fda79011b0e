"""Phones in a lecture hall, and the slide: clients of a poll that say whatever a test wants."""

import http.client
import json
from importlib.util import find_spec
from typing import Any
from urllib.request import urlopen

READY = find_spec("segno") is not None
HOW = 'no segno, which draws the link of a poll: python -m pip install -e ".[live]"'

QUESTION, CHOICES = "Heads or tails?", ["heads", "tails", "<img src=x onerror=alert(1)>"]
ONE: dict[str, Any] = {"name": "03_attention 1", "question": QUESTION, "choices": CHOICES}


class Phone:
    """A browser with its cookie, which has opened the page."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings, self.cookie = settings, ""
        _, self.headers, self.page = self.ask()

    def ask(self, path: str = "", body: str | bytes | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Ask for what lies under the secret link (or for a path that begins with /): status, headers and answer."""
        address = path if path.startswith("/") else f"/{self.settings['token']}{path and '/'}{path}"
        connection = http.client.HTTPConnection("127.0.0.1", self.settings["port"], timeout=30)
        try:
            connection.request("GET" if body is None else "POST", address, body, {"Cookie": self.cookie} | headers)
            answer = connection.getresponse()
            if cookie := answer.getheader("Set-Cookie"):
                self.cookie = cookie.split(";")[0]
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def now(self) -> dict[str, Any]:
        return json.loads(self.ask("now")[2])

    def vote(self, choice: object, number: object = None) -> int:
        number = self.now().get("number") if number is None else number
        return self.ask("vote", json.dumps({"number": number, "choice": choice}))[0]


class Slide:
    """What stands beside the slides."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.address = f"http://127.0.0.1:{settings['port']}/{settings['hall']}"

    def act(self, do: str, name: str = ONE["name"], **more: Any) -> None:
        urlopen(self.address, json.dumps({"do": do, "name": name, **more}).encode(), timeout=30).close()

    def open(self, **changed: Any) -> None:
        self.act("open", **(ONE | changed))

    def state(self) -> dict[str, Any]:
        """Return the first thing that it is told."""
        with urlopen(self.address, timeout=30) as answer:
            return next(json.loads(line[6:]) for line in answer if line.startswith(b"data: "))
