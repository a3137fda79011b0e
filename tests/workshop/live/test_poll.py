"""The server of a poll, asked as phones and slide ask it, and as nobody should."""

import contextlib
import csv
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from lecturelib.checks import predictions
from lecturelib.workshop import Failed
from lecturelib.workshop.live.poll import start
from lecturelib.workshop.live.poll.server import LARGEST, OF_A_BROWSER, page
from tests.tools import needs
from tests.workshop.live.phones import CHOICES, HOW, QUESTION, READY, Phone, Slide

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
    slide.key = lambda do, **more: slide.act(do, request.node.name, **more)
    slide.open(name=request.node.name)
    return slide


def test_a_vote_is_counted_and_shown_by_the_key_alone(settings, slide):
    ann, bob = Phone(settings), Phone(settings)
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
    assert bob.vote(0) == 409
    slide.key("show")
    slide.key("tell", outcome="7 of 9. Right was: heads.")
    assert slide.state()["counts"] == [[0, 2, 0], [1, 0, 0]] and ann.now()["outcome"].startswith("7 of 9")


def test_a_page_that_listens_is_told_at_once(settings, slide):
    connection = http.client.HTTPConnection("127.0.0.1", settings["port"], timeout=30)
    headers = {"Cookie": Phone(settings).cookie, "Accept": "text/event-stream"}
    connection.request("GET", f"/{settings['token']}/now", headers=headers)
    with connection.getresponse() as answer:
        assert answer.getheader("Content-Type") == "text/event-stream"
        assert json.loads([answer.readline() for _ in range(3)][1][6:])["open"]
        slide.key("close")
        assert not json.loads([answer.readline() for _ in range(3)][1][6:])["open"]
    connection.close()


def test_the_page_is_small_and_asks_nobody_else_and_no_script_or_site_reads_its_cookie(settings):
    phone = Phone(settings)
    assert phone.page.decode() == page() and len(phone.page) < 20_000
    assert not re.search(r"https?:|//[a-z]|<link(?! rel=\"icon\")| on[a-z]+=|innerHTML|\beval\b", page())
    cookie = phone.headers["Set-Cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Lax", f"Path=/{settings['token']}"))
    assert "Set-Cookie" not in phone.ask()[1]  # it is kept


# ---- what is refused ----


def test_nothing_else_is_served(settings):
    phone, token = Phone(settings), settings["token"]
    others = ["/", "/favicon.ico", f"/{token[:-1]}", f"/{token}x", f"/{token}/x", "/../etc/passwd",
              f"/{token}/..%2f..%2fetc/passwd", f"/{settings['hall'][:-1]}", "//evil.example/"]  # fmt: skip
    assert {path: phone.ask(path)[0] for path in others} == dict.fromkeys(others, 404)


def test_a_forged_cookie_has_no_vote(settings, slide):
    phone = Phone(settings)
    name, _, value = phone.cookie.partition("=")
    number = phone.now()["number"]
    turned = value[:-1] + ("0" if value[-1] != "0" else "1")
    for forged in ("", "poll=1", f"{name}={turned}", f"{name}={value[:20]}", f"{name}={'x' * 900}"):
        phone.cookie = forged
        assert phone.vote(0, number) == 403, forged
    assert slide.state()["voted"] == [0]


BODIES = ["", "{", "[]", "3", '{"number": 1}', '{"number": 1, "choice": "<script>"}', '{"number": NaN, "choice": 0}',
          b"\xff\xfe", "[" * 900, '{"number": 1, "choice": 1e999}', f'{{"number": 1, "choice": {10**30}}}']  # fmt: skip


def test_what_is_no_vote_is_refused(settings, slide):
    phone = Phone(settings)
    assert {body: phone.ask("vote", body)[0] for body in BODIES} == dict.fromkeys(BODIES, 400)
    assert [phone.vote(choice) for choice in (-1, 3)] == [409, 409] and phone.vote(0, 0) == 409
    assert slide.state()["voted"] == [0]


def test_a_huge_body_or_header_is_not_read(settings, slide):
    phone = Phone(settings)
    with contextlib.suppress(OSError):  # the connection may be closed before all is sent
        assert phone.ask("vote", b"x" * 50_000_000)[0] == 400
    assert phone.ask("vote", b"x" * (LARGEST + 1))[0] == 400
    with pytest.raises(http.client.RemoteDisconnected):
        phone.ask(Cookie="x" * 20_000)
    assert phone.vote(0) == 200


def test_who_asks_too_often_waits(settings, slide):
    loud, quiet = Phone(settings), Phone(settings)
    said = [loud.ask("now")[0] for _ in range(3 * OF_A_BROWSER)]
    assert said[:10] == [200] * 10 and 429 in said
    assert quiet.vote(1) == 200 and slide.state()["voted"] == [1]


# ---- a restart, the end ----


def test_a_server_that_is_killed_comes_back_with_all_votes(running, slide):
    ann, bob = Phone(running.settings), Phone(running.settings)
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


def voted(table):
    with table.open(encoding="utf-8-sig", newline="") as file:
        return [row["votes"] for row in csv.DictReader(file)]


@pytest.mark.skipif(os.name != "posix", reason="Windows has other signals")
def test_the_votes_are_written_also_where_the_window_is_closed(tmp_path):
    """Such a signal reaches all that the terminal began, and ends Python at once."""
    code = (
        "import signal, sys, time\nsignal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # nohup has what it starts ignore it
        "from pathlib import Path\nfrom lecturelib.workshop.live.poll import start\n"
        "from tests.workshop.live.phones import Phone, Slide\n"
        "with start.poll(Path(sys.argv[1])) as running:\n    Slide(running.settings).open()\n"
        "    Phone(running.settings).vote(1)\n    print('voted', flush=True)\n    time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, tmp_path / "table.csv"], stdout=subprocess.PIPE, text=True,
                               cwd=Path(__file__).parents[3], start_new_session=True,
                               env={**os.environ, "TMPDIR": str(tmp_path)})  # fmt: skip
    assert process.stdout.readline() == "voted\n"
    os.killpg(process.pid, signal.SIGHUP)
    said, _ = process.communicate()  # until the server has ended, too
    assert process.returncode == -signal.SIGHUP
    assert voted(tmp_path / "table.csv") == ["0", "1", "0"] and said.startswith("The votes of 1 rounds are in ")
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_votes_that_cannot_be_written_where_they_should_are_kept(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with start.poll(tmp_path / "gone" / "table.csv") as running:
        Slide(running.settings).open()
        assert Phone(running.settings).vote(2) == 200
    assert running.process.returncode == 0
    said = capfd.readouterr().out
    assert re.match(r"The votes cannot be written to .*gone.*\(.*No such file.*\): they are in ", said)
    assert voted(Path(said.strip().partition("they are in ")[2])) == ["0", "0", "1"]


def test_links_name_where_phones_reach_it():
    here = start.settle("127.0.0.1")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[a-z2-9]{8}", here["link"])
    far = start.settle("127.0.0.1", "https://poll.example.edu/")
    assert re.fullmatch(r"https://poll\.example\.edu/[a-z2-9]{8}", far["link"]) and far["token"] != here["token"]
    everywhere = start.settle("0.0.0.0")
    assert everywhere["bind"] == "0.0.0.0" and "//0.0.0.0" not in everywhere["link"]
    with pytest.raises(Failed, match=r"nothing can listen on 192\.0\.2\.7: expected an address of this machine"):
        start.settle("192.0.2.7")


# ---- a notebook that votes ----


def test_a_prediction_of_a_notebook_votes_in_the_hall_and_has_one_vote(settings, slide, monkeypatch):
    monkeypatch.setattr(predictions, "_hall", [])
    apart = predictions.predict(QUESTION, CHOICES)
    predictions.join_poll(settings["link"])
    here, other = predictions.predict(QUESTION, CHOICES), predictions.predict("Another?", ["yes", "no"])
    here.answer.value, other.answer.value, apart.answer.value = "tails", "no", "heads"
    assert here.children[-1].value == "Your choice is counted in the hall's poll."
    assert other.children[-1].value == "The hall is not asked this now: your choice stays here."
    assert slide.state()["voted"] == [1] and len(apart.children) == 2
    predictions.join_poll(f"{settings['link']}/")  # as Run All does
    predictions.predict(QUESTION, CHOICES).answer.value = "heads"
    slide.key("show")
    assert slide.state()["counts"] == [[1, 0, 0]]


def test_a_notebook_joins_no_poll_that_is_not_there(settings, monkeypatch):
    monkeypatch.setattr(predictions, "_hall", [])
    for link in (f"{settings['link']}x", "nowhere", "http://127.0.0.1:9/x"):
        with pytest.raises(ValueError, match="expected the link that stands on the slide"):
            predictions.join_poll(link)
    assert predictions._hall == []
