"""The attention explorer in Chromium, without Jupyter: its numbers, mouse and keys, switches, what it says."""

import json
import math
import re
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
import pytest

from lecturelib.widgets.attention_explorer import SETTINGS, AttentionExplorer
from tests.browser import lab
from tests.browser.alone import Page as AnyPage
from tests.browser.alone import share
from tests.tools import needs
from tests.widgets.test_attention_explorer import WORDS, explorer, scores

pytestmark = [pytest.mark.platform, needs(not lab.MISSING, lab.HOW)]


def cross(**changes: Any) -> AttentionExplorer:
    return AttentionExplorer(scores(2, 4, 6), list("2024"), list("3. 24x"), **changes)


class Page(AnyPage):
    """A page with one explorer."""

    def grid(self) -> dict[str, float]:
        return json.loads(self.page.locator(".map").first.get_attribute("data-grid"))

    def at(self, q: float, k: float) -> tuple[float, float]:
        box, grid = self.page.locator(".map").first.bounding_box(), self.grid()
        return box["x"] + grid["left"] + (k + 0.5) * grid["cell"], box["y"] + grid["top"] + (q + 0.5) * grid["cell"]

    def hover(self, q: float, k: float) -> str:
        self.page.mouse.move(*self.at(q, k))
        return self.status()

    def click(self, q: float, k: float) -> str:
        self.page.mouse.click(*self.at(q, k))
        return self.status()

    def color(self, q: float, k: float) -> tuple[int, ...]:
        """The color of the map in the middle of a cell, with its opacity."""
        grid = self.grid()
        x, y = (grid[side] + (n + 0.5) * grid["cell"] for side, n in (("left", k), ("top", q)))
        read = """([x, y]) => [...document.querySelector('.map canvas').getContext('2d')
          .getImageData(x * devicePixelRatio, y * devicePixelRatio, 1, 1).data]"""
        return tuple(self.page.evaluate(read, [x, y]))

    def tokens(self, strip: int = 0) -> Any:
        return self.page.locator(".strip").nth(strip).locator(".token")

    def background(self, strip: int, n: int) -> str:
        return self.tokens(strip).nth(n).evaluate("span => span.style.backgroundColor")


@pytest.fixture
def alone(bare: Callable[..., Any]) -> Callable[..., Page]:
    """Open an explorer in a page without Jupyter; the end holds that nothing failed and no request was made."""

    def show(widget: AttentionExplorer, **look: Any) -> Page:
        return Page(bare(widget, ("data", *SETTINGS), **look))

    return show


def viridis(unit: float) -> np.ndarray:
    return np.array(matplotlib.colormaps["viridis"](unit)[:3]) * 255


# ---- numbers


@pytest.mark.parametrize("masked", [True, False])
def test_the_page_computes_what_python_computes(alone, masked):
    mask = np.random.default_rng(1).random((21, 21)) < 0.4
    mask[:, 3] = True
    widget = AttentionExplorer(scores(2, 2, 21, 21), ["a"] * 21, mask=mask if masked else None, d_k=7)
    page = alone(widget).page
    for temperature, scale in ((1.0, True), (0.25, False), (3.7, True)):
        widget.temperature, widget.scale = temperature, scale
        weights = page.evaluate(WEIGHTS, (1 if scale else math.sqrt(7)) / temperature)
        np.testing.assert_allclose(weights, widget.weights().ravel(), atol=1e-3)


WEIGHTS = """(factor) => {
  const data = model.get('data'), [, , T, S] = data.shape;
  const allowed = Uint8Array.from({length: T * S}, (_, n) => (data.mask ? atob(data.mask).charCodeAt(n) : 1));
  return [...module.weigh(module.decode(data), T, S, allowed, factor)];
}"""


def test_the_map_has_the_colors_of_the_weights_and_hatches_what_is_masked(alone):
    widget = explorer()
    page = alone(widget)
    for layer, head in ((0, 0), (1, 2)):
        page.set(layer=layer, head=head)
        weights = widget.weights()[layer, head]
        for q, k in ((0, 0), (3, 1), (6, 6), (5, 2)):
            *color, opacity = page.color(q, k)
            np.testing.assert_allclose(color, viridis(weights[q, k]), atol=7)
            assert opacity == 255
    around = [page.color(1, 4 + step / 8) for step in range(-3, 4)]  # lines and gaps, and no color of the scale
    assert 0 in [opacity for *_, opacity in around] or len(set(around)) > 2
    assert all(opacity < 200 for *_, opacity in around)
    page.set(mask_on=False)
    assert page.color(1, 4)[3] == 255


def test_scores_are_drawn_from_their_smallest_to_their_largest(alone):
    page = alone(explorer(mask=None))
    given = scores(2, 3, 7, 7)[0, 0]
    page.page.get_by_label("scores", exact=True).check()
    assert page.get("show") == "scores"
    for q, k in ((0, 0), (3, 1), np.unravel_index(given.argmin(), (7, 7)), np.unravel_index(given.argmax(), (7, 7))):
        unit = (given[q, k] - given.min()) / (given.max() - given.min())
        np.testing.assert_allclose(page.color(q, k)[:3], viridis(unit), atol=9)
    legend = page.page.locator(".legend").inner_text()
    assert f"{given.min():.1f}".replace("-", "−") in legend and f"{given.max():.1f}" in legend and "score" in legend
    said = page.hover(3, 1)
    assert "has its highest score with" in said
    assert said.endswith(f"to “month” no. 2: {given[3, 1]:.1f}.".replace("-", "−"))


# ---- the mouse


def test_pointing_at_a_row_says_where_its_token_looks(alone):
    widget = explorer()
    page = alone(widget)
    assert page.status().startswith("Point at a token")
    weights = widget.weights()[0, 0]
    order = np.argsort(-weights[3])[:3]
    names = ["“The”", "“month” no. 2", "“is”", "“March”"]
    best = [f"{names[n]} ({share(weights[3, n])})" for n in order]
    assert page.hover(3, 1) == (
        f"“March” in layer 1, head 1 looks most at {best[0]}, then {best[1]} and {best[2]}; masked: 3 tokens. "
        f"Here, “March” to “month” no. 2: {share(weights[3, 1])}."
    )
    assert page.hover(3, 5).endswith("Here, “March” to “third”: masked.")
    assert "Here" not in page.hover(2, -1.5)  # the names of the rows
    assert page.status().startswith("“is” in layer 1, head 1 looks most at")
    assert page.away().startswith("Point at a token")


def colors(page: Page, strip: int, count: int) -> list[list[int]]:
    return [[int(v) for v in re.findall(r"\d+", page.background(strip, n))] for n in range(count)]


def test_pointing_at_a_token_of_the_text_colors_the_others_by_their_weight(alone):
    widget = explorer()
    page = alone(widget)
    page.tokens().nth(5).hover()
    assert page.status().startswith("“third” in layer 1, head 1 looks most at")
    weights = widget.weights()[0, 0, 5, :6]
    np.testing.assert_allclose(colors(page, 0, 6), [viridis(each) for each in weights], atol=7)
    height = "spans => spans.map(span => parseInt(span.style.boxShadow.match(/-(\\d+)px/)?.[1] ?? 0))"
    np.testing.assert_array_equal(
        page.tokens().evaluate_all(height)[:6], np.floor(8 * weights + 0.5)
    )  # not by color alone
    assert "masked" in page.tokens().nth(6).get_attribute("class")
    assert "active" in page.tokens().nth(5).get_attribute("class")
    page.away()
    assert page.background(0, 0) == ""


def test_a_click_holds_a_row_and_another_click_or_escape_lets_it_go(alone):
    page = alone(explorer())
    before = [page.color(q, k) for q in range(7) for k in range(7)]
    assert page.click(4, 2).endswith("Held: Escape lets go.")
    assert page.get("selected") == 4 and page.sent()[-1]["selected"] == 4
    assert [page.color(q, k) for q in range(7) for k in range(7)] == before  # the outline is on a canvas of its own
    assert page.hover(1, 0).startswith("“the” in layer 1")  # held, wherever the pointer goes; it tells the column
    assert "to “The”: " in page.status()
    page.away()
    assert page.status().startswith("“the” in layer 1")
    assert page.tokens().nth(4).get_attribute("aria-selected") == "true"
    page.click(2, 2)
    assert page.get("selected") == 2
    page.click(2, 0)
    assert page.get("selected") is None
    page.tokens().nth(3).click()
    assert page.get("selected") == 3
    page.press("Escape")
    assert page.get("selected") is None and page.sent()[-1]["selected"] is None
    page.click(5, 5)
    page.page.get_by_label("layer 1, head 2", exact=True).click()
    assert page.get("selected") == 5 and "layer 1, head 2" in page.status()


def test_queries_and_keys_stand_in_two_strips(alone):
    widget = cross()
    page = alone(widget)
    queries, keys = page.tokens(0), page.tokens(1)
    assert queries.all_inner_texts() == list("2024") and keys.all_inner_texts() == list("3.␣24x")
    queries.nth(3).hover()
    assert page.status().startswith("“4” in head 1 looks most at ")
    np.testing.assert_allclose(colors(page, 1, 6), [viridis(each) for each in widget.weights()[0, 3]], atol=7)
    keys.nth(5).click()
    assert page.get("selected") is None  # only a query looks


# ---- the keys


def test_tab_reaches_everything_in_the_order_of_the_page(alone):
    page = alone(explorer())
    names = []
    for _ in range(7):
        page.press("Tab")
        names.append(page.page.evaluate(
            "(document.activeElement.ariaLabel ?? document.activeElement.labels?.[0]?.textContent"
            " ?? document.activeElement.textContent)"))  # fmt: skip
    assert names[:5] == ["temperature", "divide by √dₖ", "mask", "weights", "layer 1, head 1"]
    assert names[5].startswith("attention of layer 1, head 1, 7 rows by 7 columns") and names[6] == "The"


def test_arrows_in_the_map_move_a_row_and_a_column_and_enter_holds(alone):
    page = alone(explorer())
    page.page.locator(".map").focus()
    assert page.status().startswith("“The” in layer 1")
    assert page.press("ArrowDown", "ArrowDown", "ArrowDown").startswith("“March”")
    assert "Here, “March” to “month” no. 2: " in page.press("ArrowRight", "ArrowRight")
    assert "Here, “March” to “The”: " in page.press("ArrowLeft", "ArrowLeft", "ArrowLeft")  # not beyond the edge
    page.press("Enter")
    assert page.get("selected") == 3
    assert page.press("ArrowUp").startswith("“is”") and page.get("selected") == 2  # what is held moves along
    page.press(" ")
    assert page.get("selected") is None
    page.click(2, 1)  # the keys go on where the mouse was
    assert page.press("ArrowDown").startswith("“March”") and page.get("selected") == 3
    assert "Here, “March” to “is”" in page.press("ArrowRight")
    page.press("Escape")
    assert page.get("selected") is None


def test_arrows_in_the_text_move_from_token_to_token(alone):
    page = alone(explorer())
    page.tokens().first.focus()
    assert page.press("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft").startswith("“is”")
    assert page.press("End").startswith("“month” no. 7")
    assert page.press("ArrowRight").startswith("“month” no. 7")
    page.press("Enter")
    assert page.get("selected") == 6
    assert page.press("ArrowLeft").startswith("“third”") and page.get("selected") == 5
    page.press("Escape")
    assert page.get("selected") is None and page.status().startswith("“third”")  # the focus is still here
    assert page.tokens().evaluate_all("spans => spans.map((s) => s.tabIndex)") == [-1] * 5 + [0, -1]


def test_arrows_choose_a_layer_and_a_head(alone):
    page = alone(explorer(first_head=0))
    assert page.page.locator(".caption").all_inner_texts()[:4] == ["head", "0", "1", "2"]
    page.page.get_by_label("layer 1, head 0", exact=True).focus()
    for key, chosen in (
        ("ArrowRight", (0, 1)),
        ("ArrowDown", (1, 1)),
        ("End", (1, 2)),
        ("ArrowRight", (1, 2)),
        ("Home", (0, 0)),
    ):
        page.press(key)
        assert (page.get("layer"), page.get("head")) == chosen
        name = f"layer {chosen[0] + 1}, head {chosen[1]}"
        assert page.page.evaluate("document.activeElement.ariaLabel") == name
        checked = page.page.locator(".head[aria-checked=true]")
        assert checked.count() == 1 and checked.get_attribute("aria-label") == name
        assert page.page.locator(".map").get_attribute("aria-label").startswith(f"attention of {name}, ")
    page.page.get_by_label("layer 2, head 0", exact=True).click()
    assert (page.get("layer"), page.get("head")) == (1, 0)


# ---- switches, and what the kernel sets


def test_temperature_scale_and_mask_change_the_weights_at_once(alone):
    widget = explorer()
    page = alone(widget)
    small = "() => [...document.querySelectorAll('.head canvas')].map((c) => c.toDataURL())"
    before = page.page.evaluate(small)
    assert len(before) == 6 == len(set(before))

    def follows() -> bool:
        return page.hover(5, 2).endswith(f": {share(widget.weights()[0, 0, 5, 2])}.")

    assert follows()
    page.page.get_by_label("temperature").fill("3")
    widget.temperature = 3
    assert follows() and page.page.locator(".number").inner_text() == "3.00"
    assert all(a != b for a, b in zip(before, page.page.evaluate(small), strict=True))
    page.page.get_by_label("divide by").uncheck()
    widget.scale = False
    assert follows()
    page.page.get_by_label("mask", exact=True).uncheck()
    widget.mask_on = False
    assert follows() and "masked" not in page.status()
    assert not page.page.locator(".legend .masked").is_visible()
    sent = page.sent()[-1]
    assert {name: sent[name] for name in ("temperature", "scale", "mask_on")} == {
        "temperature": 3, "scale": False, "mask_on": False}  # fmt: skip


def test_switches_without_a_use_are_absent(alone):
    page = alone(AttentionExplorer(scores(7, 7), WORDS))
    assert page.page.get_by_role("checkbox").count() == 0
    assert not page.page.locator(".heads").is_visible() and not page.page.locator(".legend .masked").is_visible()
    assert page.hover(3, 3).startswith("“March” looks most at")


def test_what_the_kernel_sets_is_shown_before_and_after(alone):
    widget = explorer(selected=4)
    widget.layer, widget.head, widget.mask_on, widget.temperature = 1, 1, False, 2.0
    page = alone(widget)
    assert page.status().startswith("“the” in layer 2, head 2 looks most at") and "masked" not in page.status()
    assert page.page.locator(".number").inner_text() == "2.00"
    page.set(layer=1, head=2, selected=3, temperature=0.5, show="scores", scale=False)
    assert page.status().startswith("“March” in layer 2, head 3 has its highest score with")
    assert page.page.get_by_label("temperature").input_value() == "0.5"
    assert page.page.get_by_label("scores", exact=True).is_checked()
    assert not page.page.get_by_label("divide by").is_checked()
    assert page.page.get_by_label("layer 2, head 3", exact=True).get_attribute("aria-checked") == "true"
    page.set(selected=None)
    assert page.status().startswith("Point at a token") and page.sent() == []  # nothing goes back


# ---- looks


def test_tokens_of_any_kind_are_shown_as_text(alone):
    tokens = ["<b>bold</b>", "\n", " ", "月", "שלום", "&amp;", "a very long token that does not fit anywhere"]
    page = alone(explorer(queries=tokens))
    shown = page.tokens().all_inner_texts()
    assert shown == ["<b>bold</b>", "⏎", "␣", "月", "שלום", "&amp;", tokens[6].replace(" ", "␣")]
    places = "spans => spans.map((s) => s.getBoundingClientRect()).map((r) => [r.top, r.left])"
    order = page.tokens().evaluate_all(places)
    assert order == sorted(order)  # left to right, whatever the script
