"""The patch playground in Chromium, without Jupyter: pictures, mouse and keys, questions and answers, words."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from lecturelib.mae import random_mask
from lecturelib.widgets.patch_answers import Looked, look
from lecturelib.widgets.patch_playground import ASKED, SETTINGS, PatchPlayground
from tests.browser import lab
from tests.browser.alone import Page as AnyPage
from tests.browser.alone import share
from tests.tools import needs
from tests.widgets.test_patch_playground import COLOR, hiding, images, looking, mae, vit, white

pytestmark = [pytest.mark.platform, needs(not lab.MISSING, lab.HOW)]

NAMES = ("data", "answer", *ASKED, *SETTINGS["attention"], *SETTINGS["masking"])
PIXELS = """canvas => [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data]"""


class Page(AnyPage):
    """A page with one playground; `kernel` answers as the kernel does."""

    def __init__(self, page: Any, widget: PatchPlayground) -> None:
        super().__init__(page)
        self.widget, self.heard = widget, 0

    def kernel(self) -> None:
        """Let Python hear all that was sent, one message after another; give its last answer to the page."""
        for message in self.sent()[self.heard :]:
            known = SETTINGS[self.widget.data["mode"]]
            self.widget.set_state({k: v for k, v in message.items() if k in (*known, "asked")})
            self.heard += 1
        self.set(answer=self.widget.answer)

    def picture(self, nth: int) -> Any:
        return self.page.locator(".stage").nth(nth)

    def at(self, nth: int, n: int, columns: int) -> tuple[float, float]:
        """The middle of a cell of a picture, in the page."""
        box = self.picture(nth).bounding_box()
        side = box["width"] / columns
        return box["x"] + (n % columns + 0.5) * side, box["y"] + (n // columns + 0.5) * side

    def read(self, nth: int) -> np.ndarray:
        """The colors of a picture: (height, width, 3)."""
        height, width = self.widget.data["shape"][2:]
        self.frame()
        return np.array(self.picture(nth).locator("canvas").evaluate(PIXELS)).reshape(height, width, 4)[..., :3]

    def cells(self, nth: int, read: str) -> list[Any]:
        """What a line of JavaScript reads from each cell over a picture."""
        return self.picture(nth).locator(".patches span").evaluate_all(f"all => all.map((cell) => {read})")

    def click(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()


@pytest.fixture
def alone(bare: Callable[..., Any]) -> Callable[..., Page]:
    """Open a playground in a page without Jupyter; the end holds that nothing failed and no request was made."""
    return lambda widget: Page(bare(widget, NAMES), widget)


def ink(pixels: np.ndarray) -> np.ndarray:
    """Grey pixels from 0 to 1 as they are shown, dark ink on white: 0 to 255."""
    return 255 - np.rint(255 * pixels)


def seen(widget: PatchPlayground) -> Looked:
    """What the network makes of the image that is shown."""
    return look(widget._models["model"], widget.current())


def place(n: int) -> str:
    return f"row {n // 4 + 1}, column {n % 4 + 1}"


def looks_at(row: np.ndarray) -> str:
    best = [f"{place(n)} ({share(row[n])})" for n in np.argsort(-row)[:3]]
    return f"{best[0]}, then {best[1]} and {best[2]}."


# ---- where a network looks


@pytest.mark.parametrize(("pool", "who"), [("mean", "the mean of all patches"), ("class", "the class token")])
def test_pointing_at_a_patch_says_and_shows_where_it_looks(alone, pool, who):
    widget = looking(model=vit(pool=pool))
    page, found = alone(widget), seen(widget)
    said = int(found.probabilities.argmax())
    start = f"The network says {said} with {share(found.probabilities[said])}"
    assert page.status().startswith(start)
    assert f"Layer 1, head 1: {who} looks most at {looks_at(found.maps[0, 0, 0])}" in page.status()
    page.page.mouse.move(*page.at(0, 6, 4))
    weights = found.maps[0, 0, 7]  # row 0 is what the class is read from
    assert page.status() == f"Layer 1, head 1: the patch in {place(6)} looks most at {looks_at(weights)}"
    shares = page.cells(0, "Number(cell.style.getPropertyValue('--share'))")
    np.testing.assert_allclose(shares, weights / weights.max(), atol=1e-3)
    assert page.page.locator(".legend .scale span").last.inner_text().replace("\xa0", " ") == share(weights.max())
    np.testing.assert_array_equal(page.read(0)[..., 0], ink(images()[0, 0]))
    assert page.away().startswith(start)


def test_maps_are_chosen_and_a_patch_is_held_with_mouse_and_keys(alone):
    widget = looking()
    page, found = alone(widget), seen(widget)
    page.page.get_by_role("radio", name="layer 2, head 3").click()
    page.page.mouse.click(*page.at(0, 5, 4))
    assert page.status() == (
        f"Layer 2, head 3: the patch in {place(5)} looks most at {looks_at(found.maps[1, 2, 6])} Held: Escape lets go."
    )
    page.page.get_by_role("radio", name="layer 2, head 3").focus()
    assert f"Layer 2, mean of heads: the patch in {place(5)} looks most at {looks_at(found.maps[1].mean(0)[6])}" in (
        page.press("ArrowRight")
    )
    assert looks_at(found.rollout[6]) in page.press("ArrowRight") and page.get("view") == "rollout"
    page.press("ArrowRight")
    checked = page.page.locator(".map[aria-checked=true]")
    assert checked.count() == 1 and checked.get_attribute("aria-label") == page.get("view") == "occlusion"
    assert page.press("Home").startswith("Layer 1, head 1")
    page.kernel()
    assert (widget.view, widget.layer, widget.head, widget.selected) == ("head", 0, 0, 5)
    page.picture(0).focus()
    page.press("End", "ArrowDown", "ArrowRight")  # no further than the last
    assert page.get("selected") == 11
    page.press("Escape")
    assert page.get("selected") is None
    assert f"the patch in {place(6)}" in page.press("Home", "ArrowRight", "ArrowRight", "ArrowDown")
    assert page.press("Enter").endswith("Held: Escape lets go.") and page.get("selected") == 6


def test_occlusion_is_one_map_for_the_image_and_has_two_signs(alone):
    widget = looking()
    page, found = alone(widget), seen(widget)
    page.set(view="occlusion", selected=3)
    drops, named = found.occlusion, int(found.probabilities.argmax())
    assert drops.min() < -0.004 and drops.max() > 0.004, "this model is to have both signs"
    assert f"without {place(drops.argmax())} the probability of {named} falls by" in page.status()
    assert page.cells(0, "cell.classList.contains('below')") == (drops < 0).tolist()
    assert set(page.cells(0, "getComputedStyle(cell).outlineStyle")) == {"solid", "dashed"}  # not by color alone
    for n, word in ((drops.argmax(), "falls"), (drops.argmin(), "rises")):
        page.page.mouse.move(*page.at(0, int(n), 4))
        lost = 100 * abs(drops[n])
        change = f"the probability of {named} {word} by {lost:.{lost < 10:d}f} points."
        assert page.status() == f"Without the patch in {place(n)} {change}"
    page.page.mouse.click(*page.at(0, 7, 4))
    assert page.get("selected") == 3  # nobody is held here


def test_another_image_asks_the_kernel_and_shows_nothing_old_meanwhile(alone):
    widget = looking()
    page = alone(widget)
    page.click("next image")
    assert page.status() == "The network is looking …" and page.page.locator(".which").inner_text() == "image 2 of 5"
    assert set(page.cells(0, "cell.style.getPropertyValue('--share')")) == {"0"}
    assert page.page.locator(".says .name").all_inner_texts() == ["…"] * 3
    page.kernel()
    order = np.argsort(-seen(widget).probabilities)
    assert page.page.locator(".says .name").all_inner_texts() == [str(n) for n in order[:3]]
    verdict = page.page.locator(".verdict").inner_text()
    assert verdict == f"true: 3 — {'right' if order[0] == 3 else 'wrong'}"


# ---- hiding and painting


def put_back(widget: PatchPlayground) -> np.ndarray:
    """What the page is to show, 0 to 255: (height, width)."""
    hidden = np.array(widget.mask).reshape(3, 4).repeat(2, 0).repeat(2, 1)
    return ink(np.where(hidden, widget.paint().pixels[0], widget.current()[0]))


def test_a_click_hides_or_shows_at_once_and_the_kernel_paints(alone):
    widget = hiding()
    page, before = alone(widget), list(widget.mask)
    error, mean = widget.answer["error"], widget.answer["mean_error"]
    assert page.page.locator(".errors .number").all_inner_texts() == [f"{error:.4f}", f"{mean:.4f}"]
    assert page.status().startswith(
        f"9 of 12 patches hidden. Error on them: {error:.4f} by network, {mean:.4f} by the mean of the visible pixels."
    )
    np.testing.assert_array_equal(page.read(0)[..., 0], ink(images()[0, 0]))
    np.testing.assert_array_equal(page.read(2)[..., 0], put_back(widget))
    n = before.index(False)
    page.page.mouse.click(*page.at(1, n, 4))
    assert page.status() == "10 of 12 patches hidden."  # said, and shown, before anybody has answered
    after = [hidden or k == n for k, hidden in enumerate(before)]
    assert page.cells(1, "cell.classList.contains('covered')") == after
    page.kernel()
    assert widget.mask == after and "Error on them" in page.status()
    np.testing.assert_array_equal(page.read(2)[..., 0], put_back(widget))


def test_color_images_are_shown_in_their_colors(alone):
    expected = np.rint(255 * images(shape=COLOR)[0]).transpose(1, 2, 0)
    page = alone(hiding(models=mae(COLOR), images=images(shape=COLOR)))
    np.testing.assert_array_equal(page.read(0), expected)
    assert page.page.get_by_label("draw my own").count() == page.page.get_by_role("radiogroup").count() == 0
    looker = alone(looking(model=vit(COLOR), images=images(shape=COLOR)))
    np.testing.assert_array_equal(looker.read(0), expected)


def test_a_drag_does_to_all_patches_what_it_did_to_the_first(alone):
    widget = hiding()
    widget.mask = [n in (1, 6) for n in range(12)]
    page = alone(widget)
    page.page.mouse.move(*page.at(1, 0, 4))
    page.page.mouse.down()
    for n in (1, 2, 6, 10):
        page.page.mouse.move(*page.at(1, n, 4), steps=3)
    page.page.mouse.up()
    page.page.mouse.move(*page.at(1, 11, 4))
    page.kernel()
    assert [n for n in range(12) if widget.mask[n]] == [0, 1, 2, 6, 10]


def test_an_answer_takes_nothing_back_that_the_hand_has_done_since(alone):
    widget = hiding()
    page, visible = alone(widget), [n for n, hidden in enumerate(widget.mask) if not hidden]
    page.page.mouse.click(*page.at(1, visible[0], 4))
    widget.set_state({name: page.sent()[0][name] for name in ("mask", "asked")})
    page.page.mouse.click(*page.at(1, visible[1], 4))
    page.set(answer=widget.answer)  # it comes after the second click
    assert page.status() == "11 of 12 patches hidden."
    page.kernel()
    assert sum(widget.mask) == 11 and "Error on them" in page.status()
    np.testing.assert_array_equal(page.read(2)[..., 0], put_back(widget))


def test_buttons_and_slider_draw_masks(alone):
    widget = hiding()
    page = alone(widget)
    for number, kind in enumerate(("block", "grid", "random", "random"), 1):
        page.click(kind)
        page.kernel()
        expected = random_mask(1, 3, 4, 0.75, kind, generator=torch.Generator().manual_seed(number))[0]
        assert (widget.kind, widget.seed) == (kind, number) and widget.mask == expected.tolist()
        assert page.cells(1, "cell.classList.contains('covered')") == widget.mask
    slider = page.page.get_by_role("slider")
    slider.focus()
    page.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext").replace("\xa0", " ") == "67 %, 8 of 12"  # before the answer
    page.press("ArrowLeft", "ArrowLeft")
    page.kernel()
    assert sum(widget.mask) == 6 and widget.ratio == 0.5 and page.status().startswith("6 of 12")
    page.page.mouse.click(*page.at(1, widget.mask.index(True), 4))
    page.kernel()
    page.frame()
    assert slider.input_value() == "5"  # it follows the hand
    slider.focus()
    page.press("ArrowRight")  # to the ratio that was set before: drawn again all the same
    page.kernel()
    assert sum(widget.mask) == 6
    page.click("show all")
    page.kernel()
    assert page.status().startswith("Nothing is hidden") and page.page.locator(".message").is_visible()
    page.click("grid")
    page.kernel()
    assert page.status().startswith("6 of 12") and not page.page.locator(".message").is_visible()


def test_the_keyboard_alone_hides_and_shows(alone):
    widget = hiding()
    widget.mask = [n < 3 for n in range(12)]
    page = alone(widget)
    page.picture(1).focus()
    assert page.press(" ") == f"The patch in {place(0)} is visible. 2 of 12 patches hidden."
    assert page.press("ArrowDown", "ArrowRight").startswith(f"The patch in {place(5)} is visible.")
    framed = page.cells(1, "getComputedStyle(cell, '::after').boxShadow !== 'none'")
    assert [n for n in range(12) if framed[n]] == [5]
    assert page.press("Enter").startswith(f"The patch in {place(5)} is hidden.")
    page.kernel()
    assert [n for n in range(12) if widget.mask[n]] == [1, 2, 5]
    assert page.status().startswith(f"The patch in {place(5)} is hidden. 3 of 12 patches hidden. Error on them:")


def test_painters_are_chosen_and_a_failing_one_is_quoted(alone):
    def broken(images: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("out of paint <b>")

    widget = hiding(models={"network": mae(), "white": white, "broken": broken})
    page = alone(widget)
    page.page.get_by_label("white", exact=True).check()
    page.kernel()
    assert " by white, " in page.status()
    np.testing.assert_array_equal(page.read(2)[..., 0], put_back(widget))
    page.page.get_by_label("broken", exact=True).check()
    page.kernel()
    assert page.status() == "broken failed with RuntimeError: out of paint <b>"
    assert page.page.locator(".message").inner_text() == page.status()


# ---- one's own drawing


@pytest.mark.parametrize("make", [looking, hiding])
def test_a_digit_is_drawn_with_mouse_and_keys_and_answered(alone, make):
    widget = make()
    page = alone(widget)
    pad = 1 if make is looking else 3
    page.page.get_by_label("draw my own").check()
    page.kernel()
    assert widget.own and (widget.current() == 0).all()
    page.page.mouse.move(*page.at(pad, 2, 8))
    page.page.mouse.down()
    page.page.mouse.move(*page.at(pad, 42, 8), steps=5)
    at_once = page.read(pad)[..., 0]
    assert (at_once[:6, 2] < 5).all() and (at_once[:, [0, 5, 6, 7]] == 255).all()  # before anybody has answered
    page.page.mouse.up()
    page.kernel()
    np.testing.assert_allclose(255 - 255 * widget.current()[0], at_once, atol=1)
    if make is looking:
        assert f"The network says {int(seen(widget).probabilities.argmax())} with" in page.status()
    else:
        np.testing.assert_allclose(page.read(2)[..., 0], put_back(widget), atol=1)
    page.click("clear")
    page.picture(pad).focus()
    page.press(" ", "ArrowRight", "ArrowDown")
    assert page.status().startswith("Pixel in row 2, column 2: empty.")
    assert page.press(" ").startswith("Pixel in row 2, column 2: filled.")
    page.kernel()
    expected = np.zeros((6, 8))
    expected[0, 0] = expected[1, 1] = 1
    np.testing.assert_array_equal(widget.current()[0], expected)
    page.click("previous image")
    page.kernel()
    assert (widget.own, widget.image) == (False, 4) and not page.picture(pad).is_visible()
