"""What all figures of ours have in common, each alone in Chromium: views, keys, names, room."""

from collections.abc import Callable
from typing import Any

import pytest

from lecturelib.mae import MaskedAutoencoder
from lecturelib.vision import VisionTransformer
from lecturelib.widgets.attention_explorer import AttentionExplorer
from lecturelib.widgets.patch_playground import PatchPlayground
from tests.browser import lab
from tests.browser import test_attention_explorer as explorers
from tests.browser import test_patch_playground as playgrounds
from tests.browser import test_transfer_lab as labs
from tests.browser.alone import Page
from tests.tools import needs

pytestmark = [pytest.mark.platform, needs(not lab.MISSING, lab.HOW)]


def photos() -> PatchPlayground:
    model = MaskedAutoencoder(VisionTransformer((3, 32, 32), 4, 16, 2, 1), 8, 2, 1)
    return PatchPlayground.masking(model, playgrounds.images(2, (3, 32, 32)))


EXPLORERS: dict[str, Callable[[], AttentionExplorer]] = {
    "words": explorers.explorer,
    "many": lambda: explorers.explorer(scores=explorers.scores(2, 70, 70), queries=explorers.WORDS * 10, mask=None),
    "cross": lambda: AttentionExplorer(
        explorers.scores(4, 10, 24), list("2024-03-17"), list("Sonntag, 17. März 2024 C")
    ),
    "layers": lambda: explorers.explorer(scores=explorers.scores(4, 6, 7, 7)),
}
PLAYGROUNDS: dict[str, Callable[[], PatchPlayground]] = {
    "looking": playgrounds.looking,
    "hiding": playgrounds.hiding,
    "photos": photos,
}


@pytest.fixture
def opened(bare: Callable[..., Any]) -> Callable[..., Page]:
    """Open one of the figures above, or a lab with four runs."""

    def show(kind: str) -> Page:
        if kind in EXPLORERS:
            return explorers.Page(bare(EXPLORERS[kind](), ("data", *explorers.SETTINGS)))
        if kind in PLAYGROUNDS:
            widget = PLAYGROUNDS[kind]()
            return playgrounds.Page(bare(widget, playgrounds.NAMES), widget)
        page = labs.Page(labs.made(), bare)
        for source, first in ((labs.NONE, 0.25), ("print", 0.26), ("letters", 0.25), ("print", 0.24)):
            page.whole(source, first=first)
        return page

    return show


ONE_OF_EACH = pytest.mark.parametrize("kind", ["words", "looking", "hiding", "lab"])


@ONE_OF_EACH
def test_two_views_share_the_settings_and_one_can_go(opened, kind):
    page = opened(kind)
    page.page.evaluate("async () => { window.removeSecond = await show(); }")
    if kind == "words":
        page.page.locator("input[type=radio][value=scores]").nth(1).check()
        assert page.page.locator("input[type=radio]:checked").count() == 2  # one in each, not one in all
    elif kind == "lab":
        page.page.get_by_label("source").first.select_option("letters")
        assert page.page.get_by_label("source").nth(1).input_value() == "letters"
    else:
        page.page.get_by_label("next image").first.click()
        page.kernel()
        assert page.page.locator(".which").all_inner_texts() == ["image 2 of 5"] * 2
    assert page.status(0) == page.status(1) != ""
    both = page.page.evaluate("model.listening()")
    page.page.evaluate("() => removeSecond()")
    assert page.page.locator(".lec").count() == 1 and page.page.evaluate("model.listening()") == both / 2
    page.page.evaluate("() => remove()")
    assert page.page.locator(".lec").count() == 0 and page.page.evaluate("model.listening()") == 0
    page.set(image=0, layer=1)  # and nothing fails


@ONE_OF_EACH
def test_jupyter_gets_no_key_that_would_change_the_notebook_and_those_that_help(opened, kind):
    page = opened(kind)
    where = "input[type=range], input[type=radio], [tabindex='0']:is(.map, .stage, .token, .head), button"
    for place in page.page.locator(where).all():
        if not place.is_visible() or place.is_disabled():
            continue
        place.focus()
        page.page.evaluate("heard.length = 0")
        keys = ["ArrowDown", "ArrowLeft", "ArrowRight", "ArrowUp", "Home", "End", "a", "d", "d", "x"]
        page.press(*keys) if kind != "lab" else Page.press(page, *keys)
        assert page.page.evaluate("heard") == []
        for key in ("Escape", "Shift+Enter", "PageDown", "F8", "Control+s"):
            page.page.keyboard.press(key)
        heard = [key for key in page.page.evaluate("heard") if key not in ("Shift", "Control", "Escape")]
        assert [key.split()[0] for key in heard] == ["Enter", "PageDown", "F8", "s"]
    slider = page.page.locator("input[type=range]")
    if slider.count():  # the page keys of a remote control do not move it
        before = slider.input_value()
        slider.focus()
        page.press("PageUp", "PageUp", "PageDown")
        assert slider.input_value() == before


SIZES = """() => [...document.querySelectorAll('.lec *')].filter((n) => n.checkVisibility()
  && [...n.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim()))
  .map((n) => parseFloat(getComputedStyle(n).fontSize))"""
PARTS = ".heads, .view, .maps, .picture, .panel, .errors, .chart, .rows, .lec > .status, .controls"
BOXES = """(parts) => [...document.querySelectorAll(parts)]
  .filter((n) => n.checkVisibility() && !n.parentElement.closest('.panel')).map((n) => n.getBoundingClientRect())
  .map((r) => [r.left, r.top, r.right, r.bottom])"""
CLIPPED = """() => [...document.querySelectorAll('.lec *')].filter((n) => n.checkVisibility()
  && (n.scrollWidth > n.clientWidth + 1) && n.clientWidth && getComputedStyle(n).display !== 'inline'
  && !n.matches('.rows')).length"""


@pytest.mark.parametrize("kind", [*EXPLORERS, *PLAYGROUNDS, "lab"])
def test_nothing_overflows_or_overlaps_and_no_text_is_small(opened, kind):
    page = opened(kind)
    assert page.page.locator("[role=status][aria-live=polite]").count() == 1
    if kind in EXPLORERS:
        page.set(selected=5)
    elif page.page.get_by_label("draw my own").count():
        page.page.get_by_label("draw my own").check()
        page.kernel()
    for width in (420, 700, 1000, 1600):
        page.page.set_viewport_size({"width": width, "height": 1000})
        page.page.wait_for_timeout(150)
        page.frame()
        assert page.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert min(page.page.evaluate(SIZES)) >= 13 and page.page.evaluate(CLIPPED) == 0
        picture = page.page.locator("div.map, .stage:visible, .chart").first.bounding_box()
        assert picture["width"] >= 180 and picture["x"] + picture["width"] <= width
        boxes = page.page.evaluate(BOXES, PARTS)
        assert len(boxes) > 2
        for n, (left, top, right, bottom) in enumerate(boxes):
            for other in boxes[n + 1 :]:
                assert right <= other[0] + 1 or other[2] <= left + 1 or bottom <= other[1] + 1 or other[3] <= top + 1


def test_a_map_has_the_resolution_of_the_screen(bare):
    page = explorers.Page(bare(explorers.explorer(), ("data", *explorers.SETTINGS), ratio=2))
    for canvas in page.page.locator("div.map canvas").all():
        size = canvas.evaluate("c => [c.width / c.clientWidth, c.height / c.clientHeight]")
        assert size == pytest.approx([2, 2], abs=0.01)
    assert page.grid()["cell"] * 2 % 1 == 0
