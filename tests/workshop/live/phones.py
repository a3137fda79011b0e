"""Phones in a lecture hall, and the slide: clients of a poll that say whatever a test wants."""

import asyncio
import http.client
import json
from importlib.util import find_spec
from typing import Any

READY = find_spec("segno") is not None
HOW = 'no segno, which draws the link of a poll: python -m pip install -e ".[live]"'

QUESTION, CHOICES = "Heads or tails?", ["heads", "tails", "<img src=x onerror=alert(1)>"]
ONE: dict[str, Any] = {"name": "03_attention 1", "question": QUESTION, "choices": CHOICES}


class Phone:
    """A browser with its cookie; `source` is its address."""

    def __init__(self, settings: dict[str, Any], source: str = "127.0.0.1") -> None:
        self.settings, self.source, self.cookie = settings, source, ""

    def ask(self, path: str = "", body: str | bytes | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Ask for what lies under the secret link (or for a path that begins with /): status, headers and answer."""
        address = path if path.startswith("/") else f"/{self.settings['token']}{path and '/'}{path}"
        port = self.settings["port"]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30, source_address=(self.source, 0))
        sent = {"Host": f"127.0.0.1:{port}", "Cookie": self.cookie} | headers
        try:
            connection.request("GET" if body is None else "POST", address, body, sent)
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


def opened(settings: dict[str, Any], **more: str) -> Phone:
    """Return a phone that has opened the page."""
    phone = Phone(settings, **more)
    status, _, _ = phone.ask()
    assert status == 200
    return phone


class Slide:
    """What stands beside the slides."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings

    def _connect(self, method: str, body: str | None, headers: dict[str, str]) -> http.client.HTTPResponse:
        port = self.settings["hall_port"]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        sent = {"Host": f"127.0.0.1:{port}", "Origin": "http://127.0.0.1:8888"} | headers
        connection.request(method, f"/{self.settings['hall']}", body, sent)
        return connection.getresponse()

    def act(self, do: str, name: str = ONE["name"], headers: dict[str, str] | None = None, **more: Any) -> int:
        answer = self._connect("POST", json.dumps({"do": do, "name": name, **more}), headers or {})
        answer.read()
        return answer.status

    def open(self, **changed: Any) -> int:
        return self.act("open", **(ONE | changed))

    def state(self, **headers: str) -> dict[str, Any]:
        """Return the first thing that it is told."""
        with self._connect("GET", None, headers) as answer:
            assert answer.status == 200, answer.status
            while not (line := answer.readline()).startswith(b"data: "):
                pass
            answer.close()
            return json.loads(line[6:])


async def ask(settings: dict[str, Any], path: str = "", body: str = "", cookie: str = "", source: str = "127.0.0.1",
              accept: str = "*/*") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:  # fmt: skip
    """Send a request, as one of many; return where its answer comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", settings["port"], local_addr=(source, 0))
    head = [
        f"{'POST' if body else 'GET'} /{settings['token']}{path and '/'}{path} HTTP/1.1",
        f"Host: 127.0.0.1:{settings['port']}", f"Cookie: {cookie}", f"Accept: {accept}", "Connection: close",
        f"Content-Length: {len(body)}",
    ]  # fmt: skip
    writer.write("\r\n".join([*head, "", body]).encode())
    await writer.drain()
    return reader, writer


async def answer(*args: Any, **kwargs: Any) -> tuple[int, str, bytes]:
    """Send a request; return the status, the cookie that was given, and the answer."""
    reader, writer = await ask(*args, **kwargs)
    try:
        head, _, content = (await asyncio.wait_for(reader.read(), 30)).partition(b"\r\n\r\n")
    finally:
        writer.close()
    lines = head.decode().split("\r\n")
    cookies = [line.split(": ", 1)[1].split(";")[0] for line in lines if line.startswith("Set-Cookie: ")]
    return int((lines[0].split() or ["", "0"])[1]), "".join(cookies), content
