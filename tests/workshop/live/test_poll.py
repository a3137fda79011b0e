"""The server of a poll, asked as phones and slide ask it, and as nobody should."""

import contextlib
import csv
import http.client
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lecturelib.checks import predictions
from lecturelib.workshop import Failed
from lecturelib.workshop.live.poll import start
from lecturelib.workshop.live.poll.server import LARGEST, PAGES, Limit, page
from tests.tools import needs
from tests.workshop.live.phones import CHOICES, HOW, ONE, QUESTION, READY, Phone, Slide, opened

pytestmark = needs(READY, HOW)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A poll, in its process; of each test it keeps the votes, under a name of the test's own."""
    with start.poll(tmp_path_factory.mktemp("poll") / "table.csv") as started:
        yield started


@pytest.fixture
def settings(running):
    return running.settings


@pytest.fixture
def slide(settings, request):
    """The slide, with a question that nobody has answered yet."""
    slide = Slide(settings)
    name = request.node.name
    slide.open = lambda: slide.act("open", **(ONE | {"name": name}))
    slide.key = lambda do: slide.act(do, name)
    assert slide.open() == 200
    return slide


def test_a_vote_is_counted_and_shown_by_the_key_alone(settings, slide):
    ann, bob = opened(settings), opened(settings)
    assert ann.now() | {"number": 0} == {
        "number": 0, "name": ann.now()["name"], "question": QUESTION, "choices": CHOICES, "round": 1, "open": True,
        "shown": False, "outcome": "", "voted": [0], "counts": [], "mine": None,
    }  # fmt: skip
    assert ann.vote(0) == ann.vote(1) == bob.vote(1) == 200
    seen = slide.state()
    assert (seen["voted"], seen["counts"], seen["link"]) == ([2], [], settings["link"])
    assert seen["qr"].startswith("<svg") and ann.now()["counts"] == [] and ann.now()["mine"] == 1
    slide.key("show")
    assert slide.state()["counts"] == ann.now()["counts"] == [[0, 2, 0]]
    slide.key("again")
    assert ann.now()["round"] == 2 and ann.now()["mine"] is None and slide.state()["counts"] == []
    assert ann.vote(0) == 200
    slide.key("close")
    assert bob.vote(0) == 409 and slide.key("show") == 200
    assert slide.act("tell", ann.now()["name"], outcome="7 of 9. Right was: heads.") == 200
    assert slide.state()["counts"] == [[0, 2, 0], [1, 0, 0]] and ann.now()["outcome"].startswith("7 of 9")


def test_a_page_that_listens_is_told_at_once(settings, slide):
    phone = opened(settings)
    connections = []
    for _ in range(PAGES):
        connection = http.client.HTTPConnection("127.0.0.1", settings["port"], timeout=30)
        headers = {"Cookie": phone.cookie, "Accept": "text/event-stream"}
        connection.request("GET", f"/{settings['token']}/now", headers=headers)
        connections.append((connection, connection.getresponse()))
    _, answer = connections[0]
    assert answer.getheader("Content-Type") == "text/event-stream"
    assert json.loads([answer.readline() for _ in range(3)][1][6:])["open"]
    slide.key("close")
    assert not json.loads([answer.readline() for _ in range(3)][1][6:])["open"]
    assert phone.ask("now", Accept="text/event-stream")[0] == 429  # one page too many of this browser
    for connection, answer in connections:
        answer.close()
        connection.close()


def test_the_page_is_small_and_asks_nobody_else(settings):
    status, headers, content = Phone(settings).ask()
    html, policy = page()
    assert status == 200 and content.decode() == html and len(content) < 20_000
    assert headers["Content-Security-Policy"] == policy and "unsafe" not in policy and "*" not in policy
    assert not re.search(r"https?:|//[a-z]|<link(?! rel=\"icon\")| on[a-z]+=|innerHTML|\beval\b", html)
    assert headers["X-Content-Type-Options"] == "nosniff" and "Server" not in headers
    assert headers["Cache-Control"] == "no-store" and headers["Referrer-Policy"] == "no-referrer"


def test_a_browser_keeps_its_cookie_and_no_script_reads_it(settings):
    phone = Phone(settings)
    cookie = phone.ask()[1]["Set-Cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Lax", f"Path=/{settings['token']}"))
    assert "Set-Cookie" not in phone.ask()[1]


# ---- what is refused ----


def test_nothing_else_is_served(settings, slide):
    phone, token = opened(settings), settings["token"]
    others = ["/", "/favicon.ico", f"/{token[:-1]}", f"/{token}x", f"/{token}/x", "/../etc/passwd",
              f"/{token}/..%2f..%2fetc/passwd", f"/{settings['hall']}", "//evil.example/"]  # fmt: skip
    assert {path: phone.ask(path)[0] for path in others} == dict.fromkeys(others, 404)
    assert phone.ask("vote")[0] == phone.ask("", "{}")[0] == phone.ask("now", "{}")[0] == 405


def test_a_forged_cookie_has_no_vote(settings, slide):
    phone = opened(settings)
    name, _, value = phone.cookie.partition("=")
    number = phone.now()["number"]
    turned = value[:-1] + ("0" if value[-1] != "0" else "1")
    for forged in ("", "poll=1", f"{name}={turned}", f"{name}={value[:20]}", f"{name}={'x' * 900}"):
        phone.cookie = forged
        assert phone.vote(0, number) == 403, forged
    assert slide.state()["voted"] == [0]


@pytest.mark.parametrize(("header", "value", "status"), [
    ("Host", "evil.example", 421), ("Host", "127.0.0.1", 421), ("Host", "localhost.evil.example:8765", 421),
    ("Origin", "http://evil.example", 403), ("Origin", "null", 403), ("Origin", "https://127.0.0.1:8765", 403),
])  # fmt: skip
def test_another_sites_page_is_refused(settings, slide, header, value, status):
    phone = opened(settings)
    body = json.dumps({"number": phone.now()["number"], "choice": 0})
    assert phone.ask("vote", body, **{header: value})[0] == status
    assert phone.ask(**{header: value})[0] == status and slide.state()["voted"] == [0]
    assert phone.ask("vote", body, Origin=f"http://127.0.0.1:{settings['port']}")[0] == 200


BODIES = {
    "none": "", "no JSON": "{", "a list": "[]", "a number": "3", "nothing": "null", "no choice": '{"number": 1}',
    "a script": '{"number": 1, "choice": "<script>alert(1)</script>"}', "a truth": '{"number": 1, "choice": true}',
    "a fraction": '{"number": 1, "choice": 0.0}', "no number": '{"number": NaN, "choice": 0}', "no text": b"\xff\xfe",
    "a list of lists": "[" * 900, "SQL": '{"number": "1; drop table votes", "choice": 0}',
}  # fmt: skip


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_what_is_no_vote_is_refused(settings, slide, body):
    assert opened(settings).ask("vote", body)[0] == 400 and slide.state()["voted"] == [0]


@pytest.mark.parametrize("choice", [-1, 3, 10**9, -(10**9), 10**30])
def test_a_choice_that_there_is_not_is_refused(settings, slide, choice):
    phone = opened(settings)
    assert phone.vote(choice) == phone.vote(0, choice) == 409 and slide.state()["voted"] == [0]


def test_a_huge_body_is_not_read(settings, slide):
    phone = opened(settings)
    for size in (LARGEST + 1, 50_000_000):
        with socket.create_connection(("127.0.0.1", settings["port"]), timeout=30) as stream:
            head = f"POST /{settings['token']}/vote HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"
            stream.sendall(head.encode())
            with contextlib.suppress(OSError):  # it may be gone before all is sent
                for _ in range(size // 1000):
                    stream.sendall(b"x" * 1000)
            with contextlib.suppress(ConnectionResetError):
                assert stream.recv(100).startswith((b"HTTP/1.1 400", b"HTTP/1.1 421")) or not stream.recv(100)
    with pytest.raises(http.client.RemoteDisconnected):
        phone.ask(Cookie="x" * 20_000)
    assert phone.vote(0) == 200


def test_who_asks_too_often_waits(settings, slide):
    loud, quiet = opened(settings), opened(settings)
    said = [loud.ask("now")[0] for _ in range(40)]
    assert said[:10] == [200] * 10 and 429 in said
    assert quiet.vote(1) == 200 and slide.state()["voted"] == [1]


def test_a_limit_counts_each_for_itself_and_forgets():
    clock = [0.0]
    limit = Limit(burst=2, rate=0.5, clock=lambda: clock[0])
    assert [limit.allows("a") for _ in range(3)] == [True, True, False] and limit.allows("b")
    clock[0] = 2.0
    assert [limit.allows("a") for _ in range(2)] == [True, False]
    clock[0] = 1000.0
    assert [limit.allows("a") for _ in range(3)] == [True, True, False]  # no more than at once
    for n in range(30_000):
        limit.allows(str(n))
    assert len(limit._left) <= 10_000


def test_the_slide_is_for_this_machine_and_its_link(settings, slide):
    assert slide.act("show", headers={"Origin": "http://evil.example"}) == 403
    assert slide.act("show", headers={"Origin": "http://127.0.0.1.evil.example"}) == 403
    assert slide.act("show", headers={"Host": "evil.example"}) == 421
    assert slide.act("drop") == slide.act("open") == slide.act("tell", outcome=3) == 400
    assert not slide.state()["shown"]
    known, settings["hall"] = settings["hall"], "x" * 32
    try:
        assert slide.act("show") in (404, 421)
    finally:
        settings["hall"] = known


# ---- a restart, the end ----


def test_a_server_that_is_killed_comes_back_with_all_votes(running, slide):
    ann, bob = opened(running.settings), opened(running.settings)
    assert ann.vote(1) == 200
    number, killed = ann.now()["number"], running.process
    killed.kill()
    killed.wait()
    for _ in range(100):
        with contextlib.suppress(OSError):
            if bob.vote(0, number) == 200:
                break
        time.sleep(0.1)
    assert running.process.pid != killed.pid
    assert slide.state()["voted"] == [2] and ann.now()["mine"] == 1 and bob.now()["mine"] == 0


def test_the_votes_are_written_at_the_end(tmp_path, capfd):
    table = tmp_path / "table.csv"
    with start.poll(table) as running:
        Slide(running.settings).open()
        assert opened(running.settings).vote(2) == 200
        process = running.process
    assert process.returncode == 0
    assert voted(table) == ["0", "0", "1"]
    assert capfd.readouterr() == (f"The votes of 1 rounds are in {table}\n", "")


def voted(table):
    with table.open(encoding="utf-8-sig", newline="") as file:
        return [row["votes"] for row in csv.DictReader(file)]


@pytest.mark.skipif(os.name != "posix", reason="Windows has other signals")
@pytest.mark.parametrize("name", ["SIGHUP", "SIGTERM"])
def test_the_votes_are_written_also_where_the_window_is_closed(tmp_path, name):
    """Such a signal reaches all that the terminal began, and ends Python at once."""
    code = (
        "import signal, sys, time\nsignal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # nohup has what it starts ignore it
        "from pathlib import Path\nfrom lecturelib.workshop.live.poll import start\n"
        "from tests.workshop.live.phones import Slide, opened\n"
        "with start.poll(Path(sys.argv[1])) as running:\n    Slide(running.settings).open()\n"
        "    opened(running.settings).vote(1)\n    print('voted', flush=True)\n    time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, tmp_path / "table.csv"], stdout=subprocess.PIPE, text=True,
                               cwd=Path(__file__).parents[3], start_new_session=True,
                               env={**os.environ, "TMPDIR": str(tmp_path)})  # fmt: skip
    assert process.stdout.readline() == "voted\n"
    os.killpg(process.pid, getattr(signal, name))
    said, _ = process.communicate()  # until the server has ended, too
    assert process.returncode == -getattr(signal, name)
    assert voted(tmp_path / "table.csv") == ["0", "1", "0"] and said.startswith("The votes of 1 rounds are in ")
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_votes_that_cannot_be_written_are_kept_until_the_command_that_is_named_writes_them(tmp_path, capfd):
    table = tmp_path / "gone" / "table.csv"
    with start.poll(table) as running:
        Slide(running.settings).open()
        assert opened(running.settings).vote(2) == 200
    said = capfd.readouterr().out
    table.parent.mkdir()
    table.touch()
    assert re.match(r"The votes cannot be written \(.*No such file.*\), and are kept: make room, ", said)
    command = [sys.executable, *shlex.split(said.partition(" run python ")[2])]
    assert "File exists" in subprocess.run(command, capture_output=True, text=True).stdout  # nothing is overwritten
    table.unlink()
    assert subprocess.run(command, capture_output=True, text=True).stdout == f"The votes of 1 rounds are in {table}\n"
    assert voted(table) == ["0", "0", "1"] and not Path(command[-2]).exists()


@pytest.mark.skipif(os.name != "posix", reason="Windows stops no process")
def test_a_server_that_hangs_is_killed_at_the_end_and_the_votes_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(start, "END_LIMIT", 0.5)
    with start.poll(tmp_path / "table.csv") as running:
        Slide(running.settings).open()
        assert opened(running.settings).vote(0) == 200
        running.process.send_signal(signal.SIGSTOP)
    assert running.process.returncode == -signal.SIGKILL and voted(tmp_path / "table.csv") == ["1", "0", "0"]


def test_a_poll_where_nothing_can_listen_is_refused():
    with pytest.raises(Failed, match=r"nothing can listen on 192\.0\.2\.7 .*expected an address of this machine"):
        start.settle("192.0.2.7")


def test_links_name_where_phones_reach_it():
    here = start.settle("127.0.0.1")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[a-z2-9]{8}", here["link"])
    far = start.settle("127.0.0.1", "https://poll.example.edu/")
    assert re.fullmatch(r"https://poll\.example\.edu/[a-z2-9]{8}", far["link"]) and far["token"] != here["token"]
    everywhere = start.settle("0.0.0.0")
    assert everywhere["bind"] == "0.0.0.0" and "//0.0.0.0" not in everywhere["link"]
    assert everywhere["link"].split("/")[2] in everywhere["hosts"]
    assert far["origin"] == "https://poll.example.edu" and far["hosts"][0] == "poll.example.edu"


# ---- a notebook that votes ----


def test_a_prediction_of_a_notebook_votes_in_the_hall(settings, slide):
    apart = predictions.predict(QUESTION, CHOICES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictions, "_hall", [])
        predictions.join_poll(settings["link"])
        here, other = predictions.predict(QUESTION, CHOICES), predictions.predict("Another?", ["yes", "no"])
        here.answer.value, other.answer.value, apart.answer.value = "tails", "no", "heads"
        assert here.children[-1].value == "Your choice is counted in the hall's poll."
        assert other.children[-1].value == "The hall is not asked this now: your choice stays here."
        assert slide.state()["voted"] == [1] and len(apart.children) == 2
        here.answer.value = "heads"
        slide.key("show")
        assert slide.state()["counts"] == [[1, 0, 0]] and len(here.children) == 3


def test_a_notebook_that_joins_again_has_one_vote(settings, slide, monkeypatch):
    monkeypatch.setattr(predictions, "_hall", [])
    for link, choice in ((settings["link"], "heads"), (f"{settings['link']}/", "tails")):
        predictions.join_poll(link)
        predictions.predict(QUESTION, CHOICES).answer.value = choice
    slide.key("show")
    assert slide.state()["counts"] == [[0, 1, 0]]


def test_a_notebook_joins_no_poll_that_is_not_there(settings):
    for link in (f"{settings['link']}x", "nowhere", "http://127.0.0.1:9/x"):
        with pytest.raises(ValueError, match="expected the link that stands on the slide"):
            predictions.join_poll(link)
    assert predictions._hall == []
