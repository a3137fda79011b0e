"""A lecture given from the keyboard: the command's own JupyterLab, its slides on two screens, and its poll."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from lecturelib.workshop.live import plan, serve
from lecturelib.workshop.live.notebooks import UNSEEN, read
from lecturelib.workshop.live.poll import start
from lecturelib.workshop.notebooks import NOTEBOOKS as FOLDER
from lecturelib.workshop.notebooks import find
from tests.browser import axe, lab
from tests.tools import needs, require

pytestmark = [pytest.mark.platform, needs(not lab.MISSING, lab.HOW), needs(find_spec(serve.EXTENSION), serve.HOW)]

SCREENS = [(1920, 1080), (1280, 720)]
SMALLEST = 20 / 1080  # letters, as a part of the height of the screen
WALKED = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
BACK = {"03_attention", "06_masked_autoencoder"}
PLAY, POLLED = "09_play", "09_polled"
ON_THE_PATH = [("05_vision_transformer", "2. "), ("06_masked_autoencoder", "1. ")]

IMPORTS = """import numpy as np
from lecturelib.checks.predictions import predict
from lecturelib.widgets.attention_explorer import AttentionExplorer"""
EXPLORER = """scores = np.random.default_rng(0).normal(size=(1, 2, 4, 4))
AttentionExplorer(scores, ["One", "two", "three", "four"], d_k=5)"""

AT = "() => jupyterapp.shell.currentWidget.content.activeCellIndex"
MOVED = "(before) => jupyterapp.shell.currentWidget.content.activeCellIndex !== before"
STARTED = "() => document.body.dataset.jpDeckMode === 'presenting' && document.querySelector('.jp-deck-mod-visible')"
COUNTS = "() => jupyterapp.shell.currentWidget.content.widgets.map((cell) => cell.model.executionCount ?? 0)"
HERE = """() => {
  const panel = jupyterapp.shell.currentWidget;
  const cell = panel.content.widgets[panel.content.activeCellIndex];
  if (!cell?.node.classList.contains('jp-deck-mod-visible') || !cell.node.checkVisibility()) return null;
  return [panel.context.path.replace('.ipynb', ''), cell.model.id];
}"""
REACHED = f"(place) => String(({HERE})()) === String(place)"
SMALL = """(smallest) => [...document.querySelectorAll('.lec-poll *')].filter((each) => each.innerText
  && !each.children.length && parseFloat(getComputedStyle(each).fontSize) < smallest).map((each) => each.innerText)"""
# Returns once the slide stands still: pictures are decoded, nothing moves, and no cell has changed for three frames.
SETTLED = """async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const cells = () => [...document.querySelectorAll('.jp-deck-mod-visible')];
  const shape = () => JSON.stringify(cells().map((cell) => [cell.textContent.length, cell.getBoundingClientRect()]));
  const pictures = cells().flatMap((cell) => [...cell.querySelectorAll('img')]);
  const moving = document.getAnimations().filter(({effect}) => effect.getComputedTiming().endTime < 1000);
  await Promise.allSettled([...pictures.map((each) => each.decode()), ...moving.map((each) => each.finished)]);
  for (let before = '', same = 0; same < 3; await frame()) {
    const now = shape();
    same = now === before ? same + 1 : 0;
    before = now;
  }
}"""
# What is wrong on the slide: a cell, or a text or picture, that leaves the screen or its cell; small letters (but for
# those of a formula); and a picture that is not drawn, or far smaller than it is in the notebook.
FAULTS = """(smallest) => {
  const found = [];
  const between = (box, outer) => box.top >= outer.top - 1 && box.bottom <= outer.bottom + 1;
  const inside = (box) => box.left >= -1 && box.right <= innerWidth + 1 && between(box, {top: 0, bottom: innerHeight});
  const cells = jupyterapp.shell.currentWidget.content.widgets;
  cells.forEach(({node}, n) => {
    if (!node.classList.contains('jp-deck-mod-visible')) return;
    const cell = node.getBoundingClientRect();
    if (!inside(cell)) found.push(`cell ${n} leaves the screen`);
    for (const picture of node.querySelectorAll('img')) {
      const box = picture.getBoundingClientRect();
      if (!inside(box) || !between(box, cell)) found.push(`a picture of cell ${n} is cut off`);
      const scale = Math.min(box.width / picture.naturalWidth, box.height / picture.naturalHeight);
      if (!(scale * 1080 / innerHeight > 0.6)) found.push(`a picture of cell ${n} is small: ${scale.toFixed(2)}`);
    }
    const texts = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const parent = texts.currentNode.parentElement;
      if (!texts.currentNode.data.trim() || parent.closest('mjx-container, script, style')) continue;
      if (parent.matches('details:not([open])')) continue;
      if (!parent.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
      const range = document.createRange();
      range.selectNodeContents(texts.currentNode);
      const box = range.getBoundingClientRect();
      if (box.width < 2 || box.height < 2) continue;
      const size = parseFloat(getComputedStyle(parent).fontSize) * (parent.currentCSSZoom ?? 1);
      const words = texts.currentNode.data.trim().slice(0, 40);
      if (size < smallest * innerHeight - 0.05) found.push(`cell ${n}: ${size} px: ${words}`);
      if (!inside(box)) found.push(`cell ${n}: off the screen: ${words}`);
      else if (!between(box, cell)) found.push(`cell ${n}: beyond its cell: ${words}`);
    }
  });
  return found;
}"""


def play() -> list[tuple[nbformat.NotebookNode, str | None]]:
    """Return the cells of a short notebook with an interactive figure and two predictions."""
    return [
        (new_markdown_cell("# 09 Play"), "slide"),
        (new_code_cell(IMPORTS), "skip"),
        (new_markdown_cell("## 1. Explore"), "slide"),
        (new_code_cell(EXPLORER), None),
        (new_code_cell('guess = predict("Which?", ["the first", "the second"])\nguess'), "slide"),
        (new_code_cell('guess.outcome("7 of 9", right="the first")'), "subslide"),
        (new_code_cell('another = predict("Another?", ["yes", "no"])\nanother'), "slide"),
        (new_markdown_cell("The end."), "slide"),
    ]


@pytest.fixture(scope="module")
def poll(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The settings of a poll that runs."""
    with start.poll(tmp_path_factory.mktemp("poll") / "table.csv") as started:
        yield started.settings


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, poll: dict[str, Any]) -> Iterator[lab.Lab]:
    """The JupyterLab that `lecture live --poll --warm` starts, with two notebooks more: the second is warmed."""
    folder = tmp_path_factory.mktemp("live")
    for name in (PLAY, POLLED):
        lab.write_slides(folder / f"{name}.ipynb", play())
    notebooks = [FOLDER / f"{name}.ipynb" for name in WALKED] + [folder / f"{name}.ipynb" for name in (PLAY, POLLED)]
    with (
        serve.stage(notebooks, poll["hall_link"], POLLED) as stage,
        lab.lab(folder, serve.command(stage, f"{WALKED[0]}.ipynb"), **stage.environment) as started,
    ):
        yield started


@contextmanager
def presented(running: lab.Lab, name: str, screen: tuple[int, int] = SCREENS[0]):
    """Open a notebook as the command does, and give its page once it is on the slides."""
    # the address that the command opens leads to the first of them
    page = running.show("" if name == WALKED[0] else f"doc/tree/{name}.ipynb", *screen)
    try:
        page.wait_for_function(STARTED, timeout=20_000)
        page.wait_for_timeout(1500)  # the deck folds the side panels after a second
        yield page
    finally:
        page.close()


def go(page, key: str) -> int:
    """Press a key that moves on, and return the cell that is reached."""
    before = page.evaluate(AT)
    page.keyboard.press(key)
    page.wait_for_function(MOVED, arg=before)
    return page.evaluate(AT)


def faults(page) -> list[str]:
    """Say what is wrong on the slide, once formulas and code are drawn."""
    for _ in range(15):
        page.evaluate(SETTLED)
        if not (found := page.evaluate(FAULTS, SMALLEST)):
            break
        page.wait_for_timeout(100)
    return found


@pytest.mark.parametrize("name", WALKED)
def test_two_keys_alone_lead_through_every_slide_and_all_of_it_can_be_read(running, name):
    kinds = [
        cell.metadata.get("slideshow", {}).get("slide_type")
        for cell in nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells
    ]
    shown = [n for n, kind in enumerate(kinds) if kind not in UNSEEN]
    wrong = []
    with presented(running, name) as page:
        # there on the large screen; two notebooks also back on the small one, which shows the same in other sizes
        ways = [(SCREENS[0], "PageDown", shown), (SCREENS[1], "PageUp", shown[::-1])]
        for (width, height), key, way in ways if name in BACK else ways[:1]:
            page.set_viewport_size({"width": width, "height": height})
            for n, cell in enumerate(way):
                assert (go(page, key) if n else page.evaluate(AT)) == cell
                if found := faults(page):
                    wrong.append((cell, f"{width} x {height}", found))
    assert wrong == []


def test_cells_run_on_the_slide_and_figures_answer(running):
    with presented(running, PLAY, SCREENS[1]) as page:
        assert [go(page, "PageDown") for _ in range(2)] == [2, 3]
        page.keyboard.press("F7")  # the imports are on no slide
        page.wait_for_function(f"() => ({COUNTS})()[1] > 0", timeout=60_000)
        page.keyboard.press("Shift+Enter")
        view = page.locator(".lec-explorer")
        view.locator(".map").wait_for(timeout=30_000)
        assert page.evaluate(AT) == 3 and faults(page) == []
        box = view.locator(".map").bounding_box()
        page.mouse.click(box["x"] + 0.7 * box["width"], box["y"] + 0.56 * box["height"])
        view.locator(".status", has_text="“two” in head 1").wait_for()
        page.keyboard.press("ArrowDown")
        view.locator(".status", has_text="“three” in head 1").wait_for()
        page.keyboard.press("Escape")  # does not leave the slides
        assert go(page, "PageDown") == 4  # also from within a figure
        page.keyboard.press("Shift+Enter")
        page.get_by_label("the second").check()
        assert page.evaluate(AT) == 4 and faults(page) == []
        page.evaluate("() => document.activeElement.blur()")  # as a click beside the slide does
        assert go(page, "PageUp") == 3
        code = page.locator(".jp-CodeCell.jp-deck-mod-visible .jp-Cell-inputWrapper")
        page.keyboard.press("F9")
        code.wait_for(state="hidden")
        page.keyboard.press("Shift+F9")
        code.wait_for()
        page.keyboard.press("F8")
        page.wait_for_function(f"() => !({STARTED})()")
        page.keyboard.press("F8")
        page.wait_for_function(STARTED)
        assert page.evaluate(AT) == 3


def test_everything_is_run_and_then_the_keys_lead_through_a_poll(running, poll):
    page = running.show(f"doc/tree/{POLLED}.ipynb", *SCREENS[0])
    page.locator(".lec-warm progress").wait_for(timeout=60_000)
    page.locator(".lec-warm").wait_for(state="detached", timeout=120_000)
    page.wait_for_function(STARTED)
    assert min(count for n, count in enumerate(page.evaluate(COUNTS)) if n in (1, 3, 4, 5, 6)) > 0
    panel = page.locator(".lec-poll")
    page.keyboard.press("F2")  # this slide asks nothing
    assert [go(page, "PageDown") for _ in range(3)] == [2, 3, 4]
    for key in ("F3", "F4", "F6"):  # nothing was opened
        page.keyboard.press(key)
    page.wait_for_timeout(1000)
    assert panel.is_hidden()
    page.keyboard.press("F2")
    panel.get_by_text("0 voted").wait_for()
    assert panel.locator("svg").is_visible() and poll["link"] in panel.inner_text()
    assert page.evaluate(SMALL, 20) == []
    # the panel covers no part of the slide
    edges = page.evaluate("""() => [document.querySelector('.lec-poll').getBoundingClientRect().left,
      ...[...document.querySelectorAll('.jp-deck-mod-visible')].map((each) => each.getBoundingClientRect().right)]""")
    assert len(edges) > 1 and max(edges[1:]) <= edges[0]
    assert not axe.SCRIPT or axe.findings(panel) == []

    phone = running.browser.new_context().new_page()
    phone.goto(poll["link"])
    phone.get_by_role("button", name="the second").click()
    panel.get_by_text("1 voted").wait_for()
    assert panel.locator(".bar").count() == 0
    page.keyboard.press("F3")
    panel.get_by_text("1 (100 %)").wait_for()
    page.keyboard.press("F4")
    panel.get_by_text("Round 2: 0 voted (round 1, striped: 1)").wait_for()
    assert panel.locator(".bar").count() == 0
    phone.get_by_text("Asked again").wait_for()
    phone.get_by_role("button", name="the first").click()
    panel.get_by_text("Round 2: 1 voted").wait_for()
    page.keyboard.press("F6")
    panel.get_by_text("Closed.").wait_for()
    page.keyboard.press("F3")
    panel.locator(".bar").first.wait_for()
    assert panel.locator(".bar").count() == 4 and panel.locator(".outcome").count() == 0
    assert go(page, "PageDown") == 5
    panel.locator(".outcome").wait_for()
    assert panel.locator(".outcome").inner_text() == "Measured: 7 of 9. Right was: the first."
    assert panel.locator(".right").all_inner_texts() == ["the first"] and page.evaluate(SMALL, 20) == []
    assert not axe.SCRIPT or axe.findings(panel) == []
    phone.get_by_text("Measured: 7 of 9").wait_for()
    assert go(page, "PageDown") == 6
    panel.wait_for(state="hidden")  # another prediction
    assert go(page, "PageUp") == 5
    panel.wait_for()
    page.keyboard.press("F6")
    panel.wait_for(state="hidden")
    phone.context.close()
    page.close()
    require(axe.SCRIPT, axe.HOW)


def shown_on_the_path(name: str, section: str) -> list[list[str]]:
    """Return the cells that a section of the path shows."""
    shown = next(each for each in read(find(name)).sections if each.title.startswith(section))
    (stop,) = (each for each in plan.read().path if (each.notebook, each.section) == (name, shown.title))
    return [[name, cell] for slide in stop.slides(shown) for cell in slide.cells]


def test_the_keys_lead_along_the_path_from_notebook_to_notebook(running, tmp_path):
    first, then = (shown_on_the_path(*each) for each in ON_THE_PATH)
    with (
        serve.stage(sorted(FOLDER.glob("*.ipynb")), at=(ON_THE_PATH[0][0], "2"), plan=plan.read()) as stage,
        lab.serve(tmp_path, serve.command(stage, f"{ON_THE_PATH[0][0]}.ipynb"), **stage.environment) as server,
    ):
        beside = lab.beside(server, tmp_path, running.browser)
        page = beside.show("", *SCREENS[0])
        page.set_default_timeout(120_000)  # a notebook that opens sets all its formulas, and a kernel starts
        page.wait_for_function(STARTED)
        page.wait_for_function(REACHED, arg=first[0])
        page.wait_for_timeout(1500)  # the deck folds the side panels after a second
        for before, place in pairwise([*first, *then]):
            page.keyboard.press("PageDown")
            page.wait_for_function(REACHED, arg=place)
            page.wait_for_timeout(4000 * (before[0] != place[0]))  # until the keys are those of the new notebook
        for place in [first[-1], *then[:-1]][::-1]:  # and back into the first
            page.keyboard.press("PageUp")
            page.wait_for_function(REACHED, arg=place)
        page.close()
        assert beside.errors == []


def test_nothing_failed_and_no_other_host_was_asked(running):
    assert running.hosts - {""} == {"127.0.0.1"}
    assert running.errors == []
