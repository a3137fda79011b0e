"""A full hall, and one in which somebody wants to spoil the poll: every vote is counted, once."""

import asyncio
import json
import random
import statistics
import time

import pytest

from lecturelib.workshop.live.poll import start
from tests.tools import needs
from tests.workshop.live.phones import HOW, READY, Slide, answer, ask, opened

pytestmark = [pytest.mark.platform, needs(READY, HOW), pytest.mark.timeout(600)]

STUDENTS, SECONDS = 300, 60


@pytest.fixture
def running(tmp_path):
    with start.poll(tmp_path / "table.csv") as started:
        Slide(started.settings).open()
        yield started


async def insist(*args, **kwargs):
    """Ask until there is an answer, as the page does; return it, and the seconds that the last try took."""
    while True:
        began = time.perf_counter()
        try:
            status, cookie, content = await answer(*args, **kwargs)
        except (OSError, TimeoutError):
            status = 0
        if status in (200, 403, 409):
            return status, cookie, content, time.perf_counter() - began
        await asyncio.sleep(0.3)


async def student(settings, seed, seconds, times):
    """Open the page, listen, vote some time, perhaps change it; return the choice that must be counted."""
    chance = random.Random(seed)
    await asyncio.sleep(chance.random() * seconds / 4)
    _, cookie, _, _ = await insist(settings)
    number = json.loads((await insist(settings, "now", cookie=cookie))[2])["number"]
    _, page = await ask(settings, "now", cookie=cookie, accept="text/event-stream")
    choice = None
    for _ in range(chance.choice((1, 1, 2, 3))):
        await asyncio.sleep(chance.random() * seconds / 4)
        choice = chance.randrange(3)
        status, _, _, took = await insist(settings, "vote", json.dumps({"number": number, "choice": choice}), cookie)
        assert status == 200
        times.append(took)
    page.close()
    return choice


def test_300_students_vote_within_a_minute_and_the_server_is_killed_in_the_middle(running):
    async def kill():
        await asyncio.sleep(SECONDS * 0.4)
        running.process.kill()

    async def hall():
        done = await asyncio.gather(*(student(running.settings, n, SECONDS, times) for n in range(STUDENTS)), kill())
        return done[:-1]

    times, first = [], running.process.pid
    began = time.perf_counter()
    choices = asyncio.run(hall())
    took = time.perf_counter() - began
    slide = Slide(running.settings)
    slide.act("show")
    seen = slide.state()
    assert running.process.pid != first
    assert seen["voted"] == [STUDENTS] and seen["counts"] == [[choices.count(n) for n in range(3)]]
    worst = sorted(times)[int(0.99 * len(times))]
    print(f"{len(times)} votes in {took:.0f} s: median {1000 * statistics.median(times):.1f} ms, "
          f"99 % under {1000 * worst:.0f} ms")  # fmt: skip


def test_all_scan_the_code_at_the_same_moment(running):
    """One address, as behind the router of a hall: nobody is taken for a flood."""

    async def hall():
        pages = await asyncio.gather(*(answer(running.settings) for _ in range(STUDENTS)))
        assert {status for status, _, _ in pages} == {200} and len({cookie for _, cookie, _ in pages}) == STUDENTS
        votes = (answer(running.settings, "vote", '{"number": 1, "choice": 1}', cookie) for _, cookie, _ in pages)
        assert {status for status, _, _ in await asyncio.gather(*votes)} == {200}

    asyncio.run(hall())
    assert Slide(running.settings).state()["voted"] == [STUDENTS]


async def keep_voting(settings, phone, stop):
    """Vote every second while others make a noise; return the answers."""
    said = []
    while not stop.is_set():
        status, _, _, took = await insist(settings, "vote", '{"number": 1, "choice": 2}', phone.cookie)
        said.append((status, took))
        await asyncio.sleep(1)
    return said


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.9"], ids=["from the hall's address", "from elsewhere"])
def test_a_flood_is_refused_and_the_hall_votes_on(running, source):
    phone, settings = opened(running.settings), running.settings

    async def flood(stop):
        said = []
        while len(said) < 6000:
            many = (answer(settings, *each, source=source) for each in 20 * [("",), ("now",), ("vote", "{}"), ("x",)])
            said += [
                each[0] if isinstance(each, tuple) else 0
                for each in await asyncio.gather(*many, return_exceptions=True)
            ]
        stop.set()
        return said

    async def both():
        stop = asyncio.Event()
        return await asyncio.gather(flood(stop), keep_voting(settings, phone, stop))

    noise, votes = asyncio.run(both())
    assert noise.count(429) > len(noise) / 2 and noise.count(200) < len(noise) / 4
    assert {status for status, _ in votes} == {200}
    assert Slide(settings).state()["voted"] == [1]
    print(f"{len(noise)} requests, {noise.count(429)} refused; median answer to the hall "
          f"{1000 * statistics.median(took for _, took in votes):.0f} ms")  # fmt: skip


def test_a_thousand_open_connections_keep_nobody_out(running):
    """They say nothing, or half a request, or one byte a second, and are let go; the hall comes in all the time."""
    phone, settings = opened(running.settings), running.settings
    begun = [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\nx"]

    async def hold():
        stop = asyncio.Event()
        voting = asyncio.ensure_future(keep_voting(settings, phone, stop))
        held = []
        for n in range(1000):
            reader, writer = await asyncio.open_connection("127.0.0.1", settings["port"])
            writer.write(begun[n % 3])
            held.append((reader, writer))
        for _ in range(25):
            await asyncio.sleep(1)
            for _, writer in held[1::3]:
                if not writer.is_closing():
                    writer.write(b"x")
        stop.set()
        votes = await voting
        ended = sum(reader.at_eof() or reader.exception() is not None or writer.is_closing() for reader, writer in held)
        for _, writer in held:
            writer.close()
        return votes, ended

    votes, ended = asyncio.run(hold())
    assert {status for status, _ in votes} == {200} and len(votes) > 10
    assert ended == 1000
    assert Slide(settings).state()["voted"] == [1]


def test_pages_that_listen_leave_room_for_votes(running):
    """More listeners than there may be: the last are refused, and vote all the same."""
    settings = running.settings

    async def crowd():
        cookies = [(await answer(settings))[1] for _ in range(400)]
        streams = [await ask(settings, "now", cookie=each, accept="text/event-stream") for each in 3 * cookies]
        heads = [await asyncio.wait_for(reader.readline(), 30) for reader, _ in streams]
        votes = [await answer(settings, "vote", '{"number": 1, "choice": 0}', each) for each in cookies]
        for _, writer in streams:
            writer.close()
        return heads, votes

    heads, votes = asyncio.run(crowd())
    assert sum(b"200" in head for head in heads) <= 1000 and sum(b"429" in head for head in heads) >= 200
    assert [status for status, _, _ in votes] == 400 * [200]
    assert Slide(settings).state()["voted"] == [400]
