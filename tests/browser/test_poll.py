"""A poll in the hall: the page of a phone. The panel beside the slides is tried in `test_live.py`."""

import pytest

from lecturelib.workshop.live.poll import start
from tests.browser import axe, lab
from tests.tools import needs
from tests.workshop.live.phones import CHOICES, HOW, READY, Slide

pytestmark = [pytest.mark.platform, needs(not lab.MISSING, lab.HOW), needs(READY, HOW)]

LONG = "When is a choice that somebody wrote down with a great many words still one that fits the phone of a student?"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with start.poll(tmp_path_factory.mktemp("poll") / "table.csv") as started:
        yield started


@pytest.fixture
def phone(running, browser):
    """Open the page on a phone of 360 px; the end holds that nothing failed and nobody else was asked."""
    contexts, hosts, errors = [], set(), []

    def show(**options):
        context = browser.new_context(viewport={"width": 360, "height": 640}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(running.settings["link"])
        return page

    yield show
    for context in contexts:
        context.close()
    assert hosts == {f"127.0.0.1:{running.settings['port']}"} and errors == []


def status(page, text):
    """Wait until the page says so, as a screen reader hears it."""
    page.get_by_role("status").filter(has_text=text).wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@needs(axe.SCRIPT, axe.HOW)
def test_a_phone_votes_by_the_keyboard_alone_and_everybody_can_use_it(running, phone, scheme):
    slide, name = Slide(running.settings), f"03 {scheme}"
    page = phone(color_scheme=scheme, reduced_motion="reduce")
    body = page.locator("html")
    page.get_by_role("status").first.wait_for()
    assert axe.findings(body) == []
    slide.act("open", name, question=LONG, choices=[*CHOICES, LONG])
    page.get_by_role("heading", name=LONG).wait_for()
    status(page, "Choose one.")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    status(page, "Counted: tails. You can change it")
    assert page.get_by_role("button", pressed=True).all_inner_texts() == ["tails"]
    page.keyboard.press("Tab")
    page.keyboard.press(" ")
    status(page, f"Counted: {CHOICES[2]}")
    assert page.locator("img").count() == 0 and axe.findings(body) == []
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
    heights = page.locator("button").evaluate_all("(all) => all.map((each) => each.getBoundingClientRect().height)")
    assert len(heights) == 4 and min(heights) >= 44
    page.reload()
    status(page, f"Counted: {CHOICES[2]}")
    slide.act("show", name)
    page.get_by_role("button", name="round 1: 1").wait_for()
    slide.act("close", name)
    slide.act("tell", name, outcome="7 of 9")
    status(page, f"Closed. You chose: {CHOICES[2]}.")
    status(page, "Measured: 7 of 9")
    assert page.get_by_role("button", disabled=True).count() == 4 and axe.findings(body) == []
    assert Slide(running.settings).state()["counts"] == [[0, 0, 1, 0]]


def test_a_vote_that_is_sent_while_the_server_is_away_arrives(running, phone):
    slide = Slide(running.settings)
    slide.act("open", "03 away", question="Heads or tails?", choices=CHOICES)
    page = phone()
    status(page, "Choose one.")
    running.process.kill()
    status(page, "Not connected.")
    page.get_by_role("button", name="heads").click()
    status(page, "Counted: heads.")
    running.wait()
    assert slide.state()["voted"] == [1]
