"""What all figures of ours have in common, each alone in Chromium: views, keys, names, room, sharpness."""

from collections.abc import Callable
from typing import Any

import numpy as np
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

PHOTOS = playgrounds.images(2, (3, 32, 32))


def large() -> PatchPlayground:
    model = VisionTransformer((3, 32, 32), 4, 16, 8, 4, 10, pool="class")
    return PatchPlayground.attention(model, PHOTOS, [1, 2])


def photos() -> PatchPlayground:
    model = MaskedAutoencoder(VisionTransformer((3, 32, 32), 4, 16, 2, 1), 8, 2, 1)
    return PatchPlayground.masking(model, PHOTOS)


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
    "class token": lambda: playgrounds.looking(model=playgrounds.vit(pool="class")),
    "large": large,
    "hiding": playgrounds.hiding,
    "photos": photos,
}


@pytest.fixture
def opened(bare: Callable[..., Any]) -> Callable[..., Page]:
    """Open one of the figures above, or a lab with four runs."""

    def show(kind: str, **look: Any) -> Page:
        if kind in EXPLORERS:
            return explorers.Page(bare(EXPLORERS[kind](), ("data", *explorers.SETTINGS), **look))
        if kind in PLAYGROUNDS:
            widget = PLAYGROUNDS[kind]()
            return playgrounds.Page(bare(widget, playgrounds.NAMES, **look), widget)
        page = labs.Page(labs.made(), bare, **look)
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
        page.hover(3, 1)
        assert page.status(0).startswith("“March”") and page.status(1).startswith("Point at a token")
        page.click(3, 1)
        page.away()
        assert page.status().endswith("Held: Escape lets go.")
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


def test_the_page_keys_of_a_remote_control_do_not_move_a_slider(opened):
    page = opened("words")
    page.page.get_by_label("temperature").focus()
    page.press("PageUp", "PageDown", "PageDown")
    assert page.get("temperature") == 1
    page.press("ArrowRight")
    assert page.get("temperature") == pytest.approx(1.05)


BOTH = "button: previous image; button: next image; checkbox: draw my own; group: settings"
ROLES = {
    "words": "slider: temperature; checkbox: divide by √dₖ; checkbox: mask; radiogroup: numbers of the map; "
    "radiogroup: layer and head; radio: weights; radio: layer 2, head 3; listbox: tokens; option: March; "
    "group: settings",
    "looking": f"{BOTH}; radiogroup: map; radio: layer 2, head 3; radio: layer 1, mean of heads; radio: rollout; "
    "radio: occlusion; radiogroup: colors end at the largest of",
    "hiding": f"{BOTH}; slider: share of hidden patches; button: random; button: block; button: grid; "
    "button: show all; radiogroup: painted by; checkbox: paint the visible ones, too",
    "lab": "combobox: source; combobox: labels for each class; combobox: arm; button: Start; button: Stop; "
    "group: settings of the next run",
}


@ONE_OF_EACH
def test_every_control_has_a_name_and_a_role(opened, kind):
    page = opened(kind).page
    for role, name in (each.split(": ") for each in ROLES[kind].split("; ")):
        assert page.get_by_role(role, name=name, exact=True).count() == 1, (role, name)
    assert page.locator("[role=status][aria-live=polite]").count() == 1
    focusable = ":is(button, input, [tabindex])"
    nested = f"[role=option] {focusable}, button {focusable}, .map [tabindex], .stage [tabindex]"
    assert page.locator(nested).count() == 0
    assert page.locator("[id]").count() == 0  # none that two views could share


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
    if kind in EXPLORERS:
        page.set(selected=5)
    elif page.page.get_by_label("draw my own").count():
        page.page.get_by_label("draw my own").check()
        page.kernel()
    layouts = set()
    for width in (420, 700, 1000, 1600):
        page.page.set_viewport_size({"width": width, "height": 1000})
        page.page.wait_for_timeout(150)
        page.frame()
        layouts.add(page.page.locator("[data-layout]").first.get_attribute("data-layout"))
        assert page.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert min(page.page.evaluate(SIZES)) >= 13 and page.page.evaluate(CLIPPED) == 0
        picture = page.page.locator("div.map, .stage, .chart").first.bounding_box()
        assert picture["width"] >= 180 and picture["x"] + picture["width"] <= width
        boxes = page.page.evaluate(BOXES, PARTS)
        assert len(boxes) > 2
        for n, (left, top, right, bottom) in enumerate(boxes):
            for other in boxes[n + 1 :]:
                assert right <= other[0] + 1 or other[2] <= left + 1 or bottom <= other[1] + 1 or other[3] <= top + 1
    assert layouts >= {"narrow", "wide"}


@pytest.mark.parametrize("kind", ["words", "looking", "hiding"])
def test_a_canvas_has_the_resolution_of_the_screen(opened, kind):
    page = opened(kind, ratio=2)
    sizes = "c => [c.width, c.height, c.clientWidth, c.clientHeight]"
    for canvas in page.page.locator(".stage canvas, div.map canvas").all():
        if not canvas.is_visible():  # the pad, while nobody draws
            continue
        width, height, shown_width, shown_height = canvas.evaluate(sizes)
        assert abs(width - 2 * shown_width) <= 2 and abs(height - 2 * shown_height) <= 2
    if kind == "words":
        assert page.grid()["cell"] * 2 % 1 == 0
        weights = explorers.explorer().weights()[0, 0]
        np.testing.assert_allclose(page.color(3, 1)[:3], explorers.viridis(weights[3, 1]), atol=7)
    else:
        expected = playgrounds.ink(playgrounds.images()[0, 0, 1::2, 1::2])
        np.testing.assert_array_equal(page.read(0)[1::2, 1::2, 0], expected)
