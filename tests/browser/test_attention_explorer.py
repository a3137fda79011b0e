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


@pytest.mark.parametrize("bits", [16, 8])
@pytest.mark.parametrize("masked", [True, False])
def test_the_page_computes_what_python_computes(alone, bits, masked):
    T = 21 if bits == 16 else 190
    given = scores(2, 2, T, T) if bits == 16 else scores(1, 4, T, T)
    mask = np.random.default_rng(1).random((T, T)) < 0.4
    mask[:, 3] = True
    widget = AttentionExplorer(given, ["a"] * T, mask=mask if masked else None, d_k=7)
    assert widget.data["bits"] == bits
    page = alone(widget).page
    for temperature, scale in ((1.0, True), (0.25, False), (3.7, True)):
        widget.temperature, widget.scale = temperature, scale
        factor = (1 if scale else math.sqrt(7)) / temperature
        weights = page.evaluate(WEIGHTS, factor)
        np.testing.assert_allclose(weights, widget.weights().ravel()[::41], rtol=1e-12, atol=1e-300)


WEIGHTS = """(factor) => {
  const data = model.get('data'), {scores, mask} = module.decode(data), [, , T, S] = data.shape;
  return [...module.weigh(scores, T, S, mask, factor).filter((_, n) => n % 41 === 0)];
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


def test_scores_are_drawn_from_their_smallest_to_their_largest_and_rows_can_be_stretched(alone):
    widget = explorer(mask=None)
    page = alone(widget)
    given = scores(2, 3, 7, 7)[0, 0]
    page.page.get_by_label("scores", exact=True).check()
    assert page.get("show") == "scores" and page.page.get_by_label("stretch each row").is_disabled()
    for q, k in ((0, 0), (3, 1), np.unravel_index(given.argmin(), (7, 7)), np.unravel_index(given.argmax(), (7, 7))):
        unit = (given[q, k] - given.min()) / (given.max() - given.min())
        np.testing.assert_allclose(page.color(q, k)[:3], viridis(unit), atol=9)
    legend = page.page.locator(".legend").inner_text()
    assert f"{given.min():.1f}".replace("-", "−") in legend and f"{given.max():.1f}" in legend and "score" in legend
    assert page.hover(3, 1).endswith(f"to “month” no. 2: {given[3, 1]:.1f}.".replace("-", "−"))
    page.page.get_by_label("weights", exact=True).check()
    page.page.get_by_label("stretch each row").check()
    weights = widget.weights()[0, 0]
    for q in range(7):
        np.testing.assert_allclose(page.color(q, weights[q].argmax())[:3], viridis(1.0), atol=4)
        np.testing.assert_allclose(page.color(q, 2)[:3], viridis(weights[q, 2] / weights[q].max()), atol=9)
    assert "largest weight of the row" in page.page.locator(".legend").inner_text()


# ---- the mouse


def test_pointing_at_a_row_says_where_its_token_looks(alone):
    widget = explorer()
    page = alone(widget)
    assert page.status().startswith("Point at a token")
    weights = widget.weights()[0, 0]
    order = np.argsort(-weights[3])[:3]
    names = ["“The”", "“month” no. 2", "“is”", "“March”"]
    best = [f"{names[n]} ({share(weights[3, n])})" for n in order]
    said = page.hover(3, 1)
    assert said == (
        f"“March” in layer 1, head 1 looks most at {best[0]}, then {best[1]} and {best[2]}; masked: 3 tokens. "
        f"Here, “March” to “month” no. 2: {share(weights[3, 1])}."
    )
    assert page.hover(3, 5).endswith("Here, “March” to “third”: masked.")
    assert "Here" not in page.hover(2, -1.5)  # the names of the rows
    assert page.status().startswith("“is” in layer 1, head 1 looks most at")
    page.away()
    assert page.status().startswith("Point at a token")
    assert page.hover(0, 0).startswith("“The” in layer 1, head 1 looks most at “The” (100 %); masked: 6 tokens.")


def test_pointing_at_a_token_of_the_text_colors_the_others_by_their_weight(alone):
    widget = explorer()
    page = alone(widget)
    page.tokens().nth(5).hover()
    assert page.status().startswith("“third” in layer 1, head 1 looks most at")
    weights = widget.weights()[0, 0, 5]
    bars = []
    for n in range(6):
        color = [int(v) for v in re.findall(r"\d+", page.background(0, n))]
        np.testing.assert_allclose(color, viridis(weights[n]), atol=7)
        bars.append(
            page.tokens().nth(n).evaluate("span => parseInt(span.style.boxShadow.match(/-(\\d+)px/)?.[1] ?? 0)")
        )
    np.testing.assert_array_equal(bars, np.floor(8 * weights[:6] + 0.5))  # not by color alone
    assert "masked" in page.tokens().nth(6).get_attribute("class")
    assert "active" in page.tokens().nth(5).get_attribute("class")
    page.away()
    page.status()
    assert page.background(0, 0) == ""


def test_a_click_holds_a_row_and_another_click_or_escape_lets_it_go(alone):
    page = alone(explorer())
    assert page.click(4, 2).endswith("Held: Escape lets go.")
    assert page.get("selected") == 4 and page.page.evaluate("sent.at(-1).selected") == 4
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
    assert page.get("selected") is None and page.page.evaluate("sent.at(-1).selected") is None
    page.click(5, 5)
    page.page.get_by_label("layer 1, head 2", exact=True).click()
    assert page.get("selected") == 5 and "layer 1, head 2" in page.status()


def test_nothing_fades_and_the_outline_does_not_touch_the_colors(alone):
    page = alone(explorer())
    before = [page.color(q, k) for q in range(7) for k in range(7)]
    page.click(3, 2)
    assert [page.color(q, k) for q in range(7) for k in range(7)] == before  # the outline is on a canvas of its own
    inked = """() => { const c = document.querySelectorAll('.map canvas')[1];
      return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(Boolean); }"""
    assert page.page.evaluate(inked)
    page.press("Escape")
    page.away()
    page.page.evaluate("document.activeElement.blur()")
    page.status()
    assert not page.page.evaluate(inked)


def test_the_other_direction_says_who_looks_at_a_token(alone):
    widget = explorer()
    page = alone(widget)
    page.page.get_by_label("who looks at it").check()
    weights = widget.weights()[0, 0, :, 3]
    best = int(weights.argmax())
    assert page.hover(5, 3).startswith("“March” in layer 1, head 1 is looked at most by ")
    assert f"({share(weights[best])})" in page.status() and "masked: 3 tokens" in page.status()
    assert [page.background(0, n) == "" for n in range(7)] == [True] * 3 + [False] * 4
    page.click(5, 3)
    assert page.get("selected") == 3
    page.page.get_by_label("where a token looks").check()
    assert page.get("selected") == 3 and "“March” in layer 1, head 1 looks most at" in page.status()


def test_queries_and_keys_stand_in_two_strips(alone):
    widget = cross()
    page = alone(widget)
    queries, keys = page.tokens(0), page.tokens(1)
    assert queries.all_inner_texts() == list("2024") and keys.all_inner_texts() == list("3.␣24x")
    weights = widget.weights()[0]
    queries.nth(3).hover()
    assert page.status().startswith("“4” in head 1 looks most at ")
    for n in range(6):
        color = [int(v) for v in re.findall(r"\d+", page.background(1, n))]
        np.testing.assert_allclose(color, viridis(weights[3, n]), atol=7)
    queries.nth(3).click()
    page.page.get_by_label("who looks at it").check()
    assert page.get("selected") is None  # the fourth query is not the fourth key
    keys.nth(5).hover()
    assert page.status().startswith("“x” in head 1 is looked at most by ")
    for n in range(4):
        color = [int(v) for v in re.findall(r"\d+", page.background(0, n))]
        np.testing.assert_allclose(color, viridis(weights[n, 5]), atol=7)
    keys.nth(5).click()
    assert page.get("selected") == 5


# ---- the keys


def test_tab_reaches_everything_in_the_order_of_the_page(alone):
    page = alone(explorer())
    names = []
    for _ in range(10):
        page.press("Tab")
        names.append(page.page.evaluate(
            "(document.activeElement.ariaLabel ?? document.activeElement.labels?.[0]?.textContent"
            " ?? document.activeElement.textContent)"))  # fmt: skip
    assert names[:6] == ["temperature", "divide by √dₖ", "mask", "weights", "stretch each row", "reset"]
    assert names[6] == "layer 1, head 1" and names[7].startswith("attention of layer 1, head 1, 7 rows by 7 columns")
    assert names[8:] == ["where a token looks", "The"]


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
    page.press("Escape")
    assert page.get("selected") is None
    assert page.press("End").startswith("“month” no. 7") and page.press("Home").startswith("“The”")
    page.press("ArrowDown", " ")
    assert page.get("selected") == 1
    page.press(" ")
    assert page.get("selected") is None
    page.set(direction="looked at by")
    page.page.locator(".map").blur()
    page.page.locator(".map").focus()
    assert page.press("End").startswith("“month” no. 7 in layer 1, head 1 is looked at")
    assert page.press("ArrowLeft").startswith("“third” in layer 1, head 1 is looked at")


def test_the_keys_go_on_where_the_mouse_was(alone):
    page = alone(explorer())
    page.click(2, 1)
    assert page.page.evaluate("document.activeElement.className") == "map"
    assert page.press("ArrowDown").startswith("“March”") and page.get("selected") == 3
    assert "Here, “March” to “is”" in page.press("ArrowRight")


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
    page = alone(explorer())
    page.page.get_by_label("layer 1, head 1", exact=True).focus()
    for key, chosen in (("ArrowRight", (0, 1)), ("ArrowDown", (1, 1)), ("ArrowRight", (1, 2)), ("ArrowRight", (1, 2)),
                        ("ArrowUp", (0, 2)), ("ArrowUp", (0, 2)), ("Home", (0, 0)), ("End", (1, 2))):  # fmt: skip
        page.press(key)
        assert (page.get("layer"), page.get("head")) == chosen
        name = f"layer {chosen[0] + 1}, head {chosen[1] + 1}"
        assert page.page.evaluate("document.activeElement.ariaLabel") == name
        checked = page.page.locator(".head[aria-checked=true]")
        assert checked.count() == 1 and checked.get_attribute("aria-label") == name
        assert page.page.locator(".map").get_attribute("aria-label").startswith(f"attention of {name}, ")
    page.page.get_by_label("layer 2, head 1", exact=True).click()
    assert (page.get("layer"), page.get("head")) == (1, 0)


def test_heads_are_counted_from_the_number_that_is_asked_for(alone):
    page = alone(explorer(first_head=0))
    assert page.page.locator(".caption").all_inner_texts()[:4] == ["head", "0", "1", "2"]
    page.page.get_by_label("layer 2, head 0", exact=True).click()
    assert (page.get("layer"), page.get("head")) == (1, 0)


def test_heads_of_one_layer_are_arranged_as_the_arrows_move(alone):
    page = alone(explorer(scores=scores(4, 7, 7)))
    first, second, third = (page.page.get_by_label(f"head {n}", exact=True).bounding_box() for n in (1, 2, 3))
    assert first["y"] == second["y"] and first["x"] == third["x"] and third["y"] > first["y"]
    page.page.get_by_label("head 1", exact=True).focus()
    page.press("ArrowDown")
    assert page.get("head") == 2
    page.press("ArrowRight")
    assert page.get("head") == 3


# ---- switches


def test_temperature_scale_and_mask_change_the_weights_at_once(alone):
    widget = explorer()
    page = alone(widget)
    page.hover(5, 2)

    def here() -> str:
        return page.status().rsplit(": ", 1)[1]

    def expected() -> str:
        return share(widget.weights()[0, 0, 5, 2]) + "."

    assert here() == expected()
    page.page.get_by_label("temperature").fill("3")
    widget.temperature = 3
    page.hover(5, 2)
    assert here() == expected() and page.page.locator(".number").inner_text() == "3.00"
    page.page.get_by_label("divide by").uncheck()
    widget.scale = False
    page.hover(5, 2)
    assert here() == expected()
    page.page.get_by_label("mask", exact=True).uncheck()
    widget.mask_on = False
    page.hover(5, 2)
    assert here() == expected() and "masked" not in page.status()
    assert not page.page.locator(".legend .masked").is_visible()
    sent = page.page.evaluate("sent.at(-1)")
    assert {name: sent[name] for name in ("temperature", "scale", "mask_on")} == {
        "temperature": 3, "scale": False, "mask_on": False}  # fmt: skip
    page.page.get_by_role("button", name="reset").click()
    page.status()
    assert [page.get(name) for name in ("temperature", "scale", "mask_on", "selected")] == [1, True, True, None]
    assert page.page.get_by_label("temperature").input_value() == "1"
    assert page.page.get_by_label("mask", exact=True).is_checked()


def test_the_small_maps_follow_the_switches(alone):
    page = alone(explorer())
    pixels = "() => [...document.querySelectorAll('.head canvas')].map((c) => c.toDataURL())"
    before = page.page.evaluate(pixels)
    assert len(before) == 6 == len(set(before))
    page.set(temperature=3)
    after = page.page.evaluate(pixels)
    assert all(a != b for a, b in zip(before, after, strict=True))
    page.set(temperature=1)
    assert page.page.evaluate(pixels) == before


def test_switches_without_a_use_are_absent(alone):
    page = alone(AttentionExplorer(scores(7, 7), WORDS))
    assert page.page.get_by_role("checkbox").count() == 1  # stretch
    assert not page.page.locator(".heads").is_visible() and not page.page.locator(".legend .masked").is_visible()
    assert page.hover(3, 3).startswith("“March” looks most at")


# ---- the kernel, other views


def test_what_the_kernel_sets_is_shown(alone):
    page = alone(explorer())
    page.set(layer=1, head=2, selected=3, temperature=0.5, show="scores")
    assert page.status().startswith("“March” in layer 2, head 3 has its highest score with")
    assert page.page.get_by_label("temperature").input_value() == "0.5"
    assert page.page.get_by_label("scores", exact=True).is_checked()
    assert page.page.get_by_label("layer 2, head 3", exact=True).get_attribute("aria-checked") == "true"
    page.set(direction="looked at by", scale=False, mask_on=False, selected=None)
    assert page.page.get_by_label("who looks at it").is_checked() and page.status().startswith("Point at a token")
    assert not page.page.get_by_label("divide by").is_checked()
    assert page.page.evaluate("sent") == []  # nothing goes back


def test_a_view_that_was_set_before_is_shown_from_the_start(alone):
    widget = explorer(selected=4)
    widget.layer, widget.head, widget.mask_on, widget.temperature = 1, 1, False, 2.0
    page = alone(widget)
    assert page.status().startswith("“the” in layer 2, head 2 looks most at") and "masked" not in page.status()
    assert page.page.locator(".number").inner_text() == "2.00"


# ---- looks


# the strongest gray above the cells, where only text is
INK = """() => {
  const canvas = document.querySelector('.map canvas'), {top} = JSON.parse(canvas.parentNode.dataset.grid);
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, (top - 6) * devicePixelRatio);
  let [ink, most] = [null, 0];
  for (let n = 0; n < data.length; n += 4) if (data[n + 3] > most) [ink, most] = [data[n], data[n + 3]];
  return ink;
}"""


def test_another_theme_is_drawn_in_its_own_ink(alone):
    page = alone(explorer(), ink="rgb(20, 20, 20)")
    assert page.page.evaluate(INK) == 20
    page.page.evaluate("document.body.style.setProperty('--jp-content-font-color1', 'rgb(240, 240, 240)')")
    page.page.wait_for_function(f"() => ({INK})() === 240")


def test_what_is_drawn_again_looks_as_before(alone):
    page = alone(explorer())
    drawn = "document.querySelector('.map canvas').toDataURL()"
    before = page.page.evaluate(drawn)
    page.hover(3, 1)
    page.set(layer=1)
    assert page.page.evaluate(drawn) != before
    page.set(layer=0)
    assert page.page.evaluate(drawn) == before


def test_tokens_of_any_kind_are_shown_as_text(alone):
    tokens = ["<b>bold</b>", "\n", " ", "月", "שלום", "&amp;", "a very long token that does not fit anywhere"]
    page = alone(explorer(queries=tokens))
    shown = page.tokens().all_inner_texts()
    assert shown == ["<b>bold</b>", "⏎", "␣", "月", "שלום", "&amp;", tokens[6].replace(" ", "␣")]
    assert page.hover(6, 0).startswith("“a␣very␣long␣token…” in layer 1")
    order = page.tokens().evaluate_all(
        "spans => spans.map((s) => s.getBoundingClientRect()).map((r) => [r.top, r.left])"
    )
    assert order == sorted(order)  # left to right, whatever the script


def test_a_long_text_scrolls_to_the_token_that_the_map_points_at(alone):
    page = alone(explorer(scores=scores(150, 150), queries=["considerable"] * 150, mask=None), width=700)
    page.hover(140, 3)
    strip, token = page.page.locator(".strip").bounding_box(), page.tokens().nth(140).bounding_box()
    assert strip["y"] - 1 <= token["y"] and token["y"] + token["height"] <= strip["y"] + strip["height"] + 1
    assert page.page.evaluate("scrollY") == 0
