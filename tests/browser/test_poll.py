"""A poll in the hall: the page of a phone, and the panel beside the slides with its keys."""

from importlib.util import find_spec

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from lecturelib.workshop.live import serve
from lecturelib.workshop.live.poll import start
from tests.browser import axe, lab
from tests.browser.test_live import COUNTS, SCREENS, SMALLEST, STARTED, go
from tests.tools import needs, require
from tests.workshop.live.phones import CHOICES, ONE, Slide

pytestmark = [pytest.mark.platform, needs(not lab.MISSING, lab.HOW), needs(find_spec(serve.EXTENSION), serve.HOW)]

LONG = "When is a choice that somebody wrote down with a great many words still one that fits the phone of a student?"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with start.poll(tmp_path_factory.mktemp("poll") / "table.csv") as started:
        yield started


@pytest.fixture
def phone(running, browser):
    """Open the page on phones of 360 px; the end holds that nothing failed and nobody else was asked."""
    contexts, hosts, errors = [], set(), []

    def show(**options):
        context = browser.new_context(viewport={"width": 360, "height": 640}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.sizes = []
        page.on("response", lambda response: page.sizes.append((response.url, response.headers)))
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


def test_the_first_paint_takes_one_answer_of_a_few_kilobytes(running, phone):
    page = phone()
    page.get_by_role("status").first.wait_for()
    sizes = page.evaluate("() => performance.getEntries().map((each) => each.transferSize ?? 0)")
    assert 0 < sum(sizes) < 20_000
    assert (
        page.evaluate("() => performance.getEntriesByType('resource').filter((e) => !e.name.endsWith('/now')).length")
        == 0
    )


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


def play() -> list[tuple[nbformat.NotebookNode, str | None]]:
    """Return the cells of a short notebook with a prediction and its outcome."""
    return [
        (new_markdown_cell("# 09 Play"), "slide"),
        (new_code_cell("import time\nfrom lecturelib.checks.predictions import predict\n\ntime.sleep(3)"), "skip"),
        (new_markdown_cell("## 1. Toss\n\nA coin is tossed nine times."), "slide"),
        (new_code_cell(f"guess = predict({ONE['question']!r}, {CHOICES})\nguess"), None),
        (new_code_cell('guess.outcome("7 of 9", right="heads")'), "subslide"),
        (new_code_cell('another = predict("Another?", ["yes", "no"])\nanother'), "slide"),
        (new_markdown_cell("The end."), "slide"),
    ]


@pytest.fixture(scope="module")
def hall(running, browser, tmp_path_factory):
    """The JupyterLab that `lecture live --poll --warm` starts."""
    folder = tmp_path_factory.mktemp("hall")
    lab.write_slides(folder / "09_play.ipynb", play())
    with (
        serve.stage([folder / "09_play.ipynb"], running.settings["hall_link"], "09_play") as stage,
        lab.serve(folder, serve.command(stage, "09_play.ipynb"), **stage.environment) as server,
    ):
        yield lab.beside(server, folder, browser)


SMALLEST_HERE = SMALLEST * SCREENS[0][1]  # px
SMALL = """(smallest) => [...document.querySelectorAll('.lec-poll *')].filter((each) => each.innerText
  && !each.children.length && parseFloat(getComputedStyle(each).fontSize) < smallest).map((each) => each.innerText)"""


def test_everything_is_run_and_then_the_keys_lead_through_a_poll(running, hall):
    page = hall.show("", *SCREENS[0])
    page.locator(".lec-warm progress").wait_for(timeout=60_000)
    page.locator(".lec-warm").wait_for(state="detached", timeout=120_000)
    page.wait_for_function(STARTED)
    assert min(count for n, count in enumerate(page.evaluate(COUNTS)) if n in (1, 3, 4, 5)) > 0
    panel = page.locator(".lec-poll")
    page.keyboard.press("F2")  # this slide asks nothing
    page.wait_for_timeout(1000)
    assert panel.is_hidden()
    assert go(page, "PageDown") == 2
    for key in ("F3", "F4", "F6"):  # nothing was opened
        page.keyboard.press(key)
    page.wait_for_timeout(500)
    assert panel.is_hidden()
    page.keyboard.press("F2")
    panel.get_by_text("0 voted").wait_for()
    assert panel.locator("svg").is_visible() and running.settings["link"] in panel.inner_text()
    assert page.evaluate(SMALL, SMALLEST_HERE) == []
    # the panel covers no part of the slide
    edges = page.evaluate("""() => [document.querySelector('.lec-poll').getBoundingClientRect().left,
      ...[...document.querySelectorAll('.jp-deck-mod-visible')].map((each) => each.getBoundingClientRect().right)]""")
    assert len(edges) > 1 and max(edges[1:]) <= edges[0]
    assert not axe.SCRIPT or axe.findings(panel) == []

    phone = hall.browser.new_context().new_page()
    phone.goto(running.settings["link"])
    phone.get_by_role("button", name="tails").click()
    panel.get_by_text("1 voted").wait_for()
    assert panel.locator(".bar").count() == 0
    page.keyboard.press("F3")
    panel.get_by_text("1 (100 %)").wait_for()
    page.keyboard.press("F4")
    panel.get_by_text("Round 2: 0 voted (round 1, striped: 1)").wait_for()
    assert panel.locator(".bar").count() == 0
    phone.get_by_text("Asked again").wait_for()
    phone.get_by_role("button", name="heads").click()
    panel.get_by_text("Round 2: 1 voted").wait_for()
    page.keyboard.press("F6")
    panel.get_by_text("Closed.").wait_for()
    page.keyboard.press("F3")
    panel.locator(".bar").first.wait_for()
    assert panel.locator(".bar").count() == 2 * len(CHOICES) and panel.locator("img, .outcome").count() == 0
    assert [go(page, "PageDown") for _ in range(2)] == [3, 4]
    panel.locator(".outcome").wait_for()
    assert panel.locator(".outcome").inner_text() == "Measured: 7 of 9. Right was: heads."
    assert panel.locator(".right").all_inner_texts() == ["heads"] and page.evaluate(SMALL, SMALLEST_HERE) == []
    assert not axe.SCRIPT or axe.findings(panel) == []
    phone.get_by_text("Measured: 7 of 9").wait_for()
    assert go(page, "PageDown") == 5
    panel.wait_for(state="hidden")  # another prediction
    assert go(page, "PageUp") == 4
    panel.wait_for()
    page.keyboard.press("F6")
    panel.wait_for(state="hidden")
    phone.context.close()
    page.close()
    assert hall.errors == [] and hall.hosts - {""} == {"127.0.0.1"}
    require(axe.SCRIPT, axe.HOW)
