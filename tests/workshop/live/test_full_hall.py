"""A full hall, and one in which somebody wants to spoil the poll: every vote is counted, once."""

import asyncio
import json
import random

import pytest

from lecturelib.workshop.live.poll import start
from tests.tools import needs
from tests.workshop.live.phones import HOW, READY, Phone, Slide, answer, ask

pytestmark = [pytest.mark.platform, needs(READY, HOW), pytest.mark.timeout(600)]

STUDENTS, SECONDS = 300, 6


@pytest.fixture
def running(tmp_path):
    with start.poll(tmp_path / "table.csv") as started:
        Slide(started.settings).open()
        yield started


async def insist(*args, **kwargs):
    """Ask until there is an answer, as the page does."""
    while True:
        try:
            said = await answer(*args, **kwargs)
        except (OSError, TimeoutError):
            said = 0, "", b""
        if said[0] in (200, 403, 409):
            return said
        await asyncio.sleep(0.3)


async def student(settings, seed, all_there):
    """Open the page, listen, vote some time, perhaps change it; return the choice that must be counted."""
    chance = random.Random(seed)
    _, cookie, _ = await answer(settings)
    _, page = await ask(settings, "now", cookie=cookie, accept="text/event-stream")
    await all_there.wait()
    for _ in range(chance.choice((1, 1, 2))):
        await asyncio.sleep(chance.random() * SECONDS / 2)
        choice = chance.randrange(3)
        vote = json.dumps({"number": 1, "choice": choice})
        assert (await insist(settings, "vote", vote, cookie))[0] == 200
    page.close()
    return choice


def test_300_students_come_and_vote_at_once_and_the_server_is_killed_in_the_middle(running):
    """From one address, as behind the router of a hall: nobody is taken for a flood."""

    async def kill(all_there):
        await all_there.wait()
        await asyncio.sleep(SECONDS / 4)
        running.process.kill()

    async def hall():
        all_there = asyncio.Barrier(STUDENTS + 1)
        students = [student(running.settings, n, all_there) for n in range(STUDENTS)]
        return await asyncio.gather(*students, kill(all_there))

    first = running.process.pid
    *choices, _ = asyncio.run(hall())
    slide = Slide(running.settings)
    slide.act("show")
    assert running.process.pid != first
    assert slide.state()["voted"] == [STUDENTS] and slide.state()["counts"] == [[choices.count(n) for n in range(3)]]


def test_a_thousand_open_connections_and_a_flood_are_refused_and_the_hall_votes_on(running):
    """The connections say nothing, or half a request, and are let go."""
    phone, settings = Phone(running.settings), running.settings
    begun = [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\nx"]

    async def keep_voting(stop):
        said = []
        while not stop.is_set():
            said.append((await insist(settings, "vote", '{"number": 1, "choice": 2}', phone.cookie))[0])
            await asyncio.sleep(0.5)
        return said

    async def hold(n):
        reader, writer = await asyncio.open_connection("127.0.0.1", settings["port"])
        writer.write(begun[n % 3])
        return asyncio.ensure_future(reader.read()), writer

    async def spoil():
        stop = asyncio.Event()
        voting = asyncio.ensure_future(keep_voting(stop))
        held = [await hold(n) for n in range(1000)]
        refused = 0
        while refused < 300:
            many = (answer(settings, *each) for each in 100 * [("",), ("now",), ("vote", "{}")])
            said = await asyncio.gather(*many, return_exceptions=True)
            refused += sum(not isinstance(each, BaseException) and each[0] == 429 for each in said)
        await asyncio.wait_for(asyncio.gather(*(end for end, _ in held), return_exceptions=True), 60)
        stop.set()
        return await voting

    votes = asyncio.run(spoil())
    assert set(votes) == {200} and len(votes) > 10
    assert Slide(settings).state()["voted"] == [1]
