"""A full hall, and one in which somebody wants to spoil the poll: every vote is counted, once."""

import asyncio
import json
import random

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPClientError

from lecturelib.workshop.live.poll import start
from tests.tools import needs
from tests.workshop.live.phones import HOW, READY, Phone, Slide

pytestmark = [pytest.mark.platform, needs(READY, HOW), pytest.mark.timeout(600)]

STUDENTS, SECONDS = 300, 6


@pytest.fixture
def hall(tmp_path):
    """A poll whose first question is open."""
    with start.poll(tmp_path / "table.csv") as running:
        Slide(running.settings).open()
        yield running


async def ask(hall, path="", body=None, cookie="", accept="*/*"):
    """Ask as one of many phones; return the status, or 0 without an answer, and the cookie that was given."""
    client, method = AsyncHTTPClient(force_instance=True), "GET" if body is None else "POST"
    link, headers = f"{hall.settings['link']}/{path}", {"Cookie": cookie, "Accept": accept}
    try:
        said = await client.fetch(link, method=method, body=body, headers=headers, raise_error=False)
    except (OSError, HTTPClientError):  # the server is away
        return 0, ""
    return said.code, said.headers.get("Set-Cookie", "").split(";")[0]


async def vote(hall, choice, cookie):
    """Vote until there is an answer, as the page does."""
    while (said := await ask(hall, "vote", json.dumps({"number": 1, "choice": choice}), cookie))[0] not in (200, 409):
        await asyncio.sleep(0.3)
    return said[0]


async def student(hall, seed, all_there):
    """Open the page, listen, vote some time, perhaps change it; return the choice that must be counted."""
    chance = random.Random(seed)
    _, cookie = await ask(hall)
    listens = asyncio.ensure_future(ask(hall, "now", None, cookie, "text/event-stream"))
    await all_there.wait()
    for _ in range(chance.choice((1, 1, 2))):
        await asyncio.sleep(chance.random() * SECONDS / 2)
        choice = chance.randrange(3)
        assert await vote(hall, choice, cookie) == 200
    listens.cancel()
    return choice


def test_300_students_come_and_vote_at_once_and_the_server_is_killed_in_the_middle(hall):
    """From one address, as behind the router of a hall: nobody is taken for a flood."""

    async def kill(all_there):
        await all_there.wait()
        await asyncio.sleep(SECONDS / 4)
        hall.process.kill()

    async def everybody():
        all_there = asyncio.Barrier(STUDENTS + 1)
        return await asyncio.gather(*(student(hall, n, all_there) for n in range(STUDENTS)), kill(all_there))

    first = hall.process.pid
    *choices, _ = asyncio.run(everybody())
    slide = Slide(hall.settings)
    slide.act("show")
    assert hall.process.pid != first
    assert slide.state()["voted"] == [STUDENTS] and slide.state()["counts"] == [[choices.count(n) for n in range(3)]]


def test_the_hall_votes_on_beside_a_thousand_open_connections_that_are_let_go(hall):
    """They say nothing, or half a request."""
    cookie = Phone(hall.settings).cookie
    begun = [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\nx"]

    async def hold(n):
        reader, writer = await asyncio.open_connection("127.0.0.1", hall.settings["port"])
        writer.write(begun[n % 3])
        return asyncio.ensure_future(reader.read()), writer

    async def spoil():
        held = [await hold(n) for n in range(1000)]
        let_go = asyncio.gather(*(end for end, _ in held), return_exceptions=True)
        said = []
        while not let_go.done():
            said.append(await vote(hall, 2, cookie))
            await asyncio.sleep(0.5)
        return said

    votes = asyncio.run(asyncio.wait_for(spoil(), 120))
    assert set(votes) == {200} and len(votes) > 10
    assert Slide(hall.settings).state()["voted"] == [1]
