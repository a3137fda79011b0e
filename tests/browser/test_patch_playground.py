"""The patch playground in Chromium, without Jupyter: pictures, mouse and keys, questions and late answers, words."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from lecturelib.mae import random_mask
from lecturelib.widgets.patch_playground import ASKED, SETTINGS, PatchPlayground
from tests.browser import lab
from tests.browser.alone import Page as AnyPage
from tests.browser.alone import share
from tests.tools import needs
from tests.widgets.test_patch_playground import COLOR, hiding, images, looking, mae, vit, white

pytestmark = [pytest.mark.platform, needs(not lab.MISSING, lab.HOW)]

NAMES = ("data", "answer", *ASKED, *SETTINGS["attention"], *SETTINGS["masking"])


class Page(AnyPage):
    """A page with one playground; `kernel` answers as the kernel does."""

    def __init__(self, page: Any, widget: PatchPlayground) -> None:
        super().__init__(page)
        self.widget, self.heard = widget, 0

    def kernel(self, tell: bool = True) -> dict[str, Any]:
        """Let Python hear all that was sent, one message after another; give its last answer to the page."""
        self.page.wait_for_timeout(130)  # what is said only now and then has been said
        for message in self.sent()[self.heard :]:
            known = SETTINGS[self.widget.data["mode"]]
            self.widget.set_state({k: v for k, v in message.items() if k in (*known, "asked")})
            self.heard += 1
        if tell:
            self.set(answer=self.widget.answer)
        return self.widget.answer

    def quickly(self, *keys: str, then: str = "") -> list[dict[str, Any]]:
        """Press keys on the masked picture, and then a button, all in one moment; return what was sent in it."""
        return self.page.evaluate(
            """([keys, then]) => { const stage = document.querySelectorAll('.stage')[1];
            const press = (key) => new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true});
            for (const key of keys) stage.dispatchEvent(press(key));
            if (then) document.querySelector(`[aria-label="${then}"]`).click();
            return [...sent]; }""",
            [keys, then],
        )

    def picture(self, nth: int) -> Any:
        return self.page.locator(".stage").nth(nth)

    def at(self, nth: int, n: int, columns: int) -> tuple[float, float]:
        """The middle of a cell of a picture, in the page."""
        box = self.picture(nth).bounding_box()
        side = box["width"] / columns
        return box["x"] + (n % columns + 0.5) * side, box["y"] + (n // columns + 0.5) * side

    def read(self, nth: int, layer: int = 0) -> np.ndarray:
        """The colors of a picture, one for the middle of each pixel of the image: (height, width, 4)."""
        height, width = self.widget.data["shape"][2:]
        read = """([nth, layer, height, width]) => {
          const c = document.querySelectorAll('.stage')[nth].querySelectorAll('canvas')[layer];
          const side = c.width / width, all = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
          return Array.from({length: height * width}, (_, n) => {
            const x = Math.floor((n % width + 0.5) * side), y = Math.floor((Math.floor(n / width) + 0.5) * side);
            return [...all.slice(4 * (y * c.width + x), 4 * (y * c.width + x) + 4)]; }); }"""
        return np.array(self.page.evaluate(read, [nth, layer, height, width])).reshape(height, width, 4)


@pytest.fixture
def alone(bare: Callable[..., Any]) -> Callable[..., Page]:
    """Open a playground in a page without Jupyter; the end holds that nothing failed and no request was made."""

    def show(widget: PatchPlayground, **look: Any) -> Page:
        return Page(bare(widget, NAMES, **look), widget)

    return show


def ink(pixels: np.ndarray) -> np.ndarray:
    """Grey pixels from 0 to 1 as they are shown, dark ink on white: 0 to 255."""
    return 255 - np.rint(255 * pixels)


def place(n: int) -> str:
    return f"row {n // 4 + 1}, column {n % 4 + 1}"


def looks_at(row: np.ndarray) -> str:
    best = [f"{place(n)} ({share(row[n])})" for n in np.argsort(-row)[:3]]
    return f"{best[0]}, then {best[1]} and {best[2]}."


# ---- where a network looks


def test_pointing_at_a_patch_says_and_shows_where_it_looks(alone):
    widget = looking()
    page, found = alone(widget), widget.look()
    said = int(found.probabilities.argmax())
    start = f"The network says {said} with {share(found.probabilities[said])}"
    assert page.status().startswith(start)
    mean = looks_at(found.maps[0, 0].mean(0))
    assert f"Layer 1, head 1: the mean of all patches looks most at {mean}" in page.status()
    page.page.mouse.move(*page.at(0, 6, 4))
    assert page.status() == f"Layer 1, head 1: the patch in {place(6)} looks most at {looks_at(found.maps[0, 0, 6])}"
    # the wash: as strong as the weight, read from the canvas above the image
    weights, painted = found.maps[0, 0, 6], page.read(0, layer=1)
    inner = painted[1::2, 1::2].reshape(12, 4)
    for n in np.flatnonzero(weights > 0.2 * weights.max()):
        np.testing.assert_allclose(inner[n, :3], [213, 94, 0], atol=12)
        np.testing.assert_allclose(inner[n, 3] / 255, 0.4 * weights[n] / weights.max(), atol=0.02)
    np.testing.assert_array_equal(page.read(0)[1::2, 1::2, 0], ink(images()[0, 0, 1::2, 1::2]))
    page.away()
    assert page.status().startswith(start)


def test_maps_are_chosen_with_mouse_and_keys_and_say_who_they_are(alone):
    widget = looking()
    page, found = alone(widget), widget.look()
    page.page.get_by_role("radio", name="layer 2, head 3").click()
    assert (page.get("view"), page.get("layer"), page.get("head")) == ("head", 1, 2)
    page.page.mouse.click(*page.at(0, 5, 4))
    assert page.status() == (
        f"Layer 2, head 3: the patch in {place(5)} looks most at {looks_at(found.maps[1, 2, 5])} Held: Escape lets go."
    )
    page.page.get_by_role("radio", name="layer 2, head 3").focus()
    assert looks_at(found.maps[1].mean(0)[5]) in page.press("ArrowRight") and page.get("view") == "mean of heads"
    assert looks_at(found.rollout[5]) in page.press("ArrowRight") and page.get("view") == "rollout"
    page.press("ArrowRight")
    assert page.get("view") == "occlusion"
    checked = page.page.locator(".map[aria-checked=true]")
    assert checked.count() == 1 and checked.get_attribute("aria-label") == "occlusion"
    assert page.press("Home").startswith("Layer 1, head 1") and page.get("view") == "head"
    page.press("ArrowDown", "ArrowDown")
    assert page.get("view") == "rollout"
    assert page.page.evaluate("document.activeElement.getAttribute('aria-label')") == "rollout"
    page.kernel()
    assert (widget.view, widget.selected) == ("rollout", 5)


def test_occlusion_is_one_map_for_the_image_and_has_two_signs(alone):
    widget = looking()
    page, drops = alone(widget), widget.look().occlusion
    page.set(view="occlusion", selected=3)
    named = int(widget.look().probabilities.argmax())
    assert drops.min() < -0.004 and drops.max() > 0.004, "this model is to have both signs"
    assert f"without {place(drops.argmax())} the probability of {named} falls by" in page.status()
    colors = {1: [213, 94, 0], -1: [0, 114, 178]}
    painted = page.read(0, layer=1)[1::2, 1::2].reshape(12, 4)
    for n in np.flatnonzero(np.abs(drops) > 0.2 * np.abs(drops).max()):
        np.testing.assert_allclose(painted[n, :3], colors[int(np.sign(drops[n]))], atol=12)
    for n, word in ((drops.argmax(), "falls"), (drops.argmin(), "rises")):
        page.page.mouse.move(*page.at(0, int(n), 4))
        assert page.status().startswith(f"Without the patch in {place(n)} the probability of {named} {word} by")
        lost = 100 * abs(drops[n])
        assert f"by {lost:.{lost < 10:d}f} points" in page.status()
    page.page.mouse.click(*page.at(0, 7, 4))
    assert page.get("selected") == 3  # nobody is held here
    assert "points of probability" in page.page.locator(".legend").inner_text()


def test_a_class_token_looks_and_is_looked_at(alone):
    widget = looking(model=vit(pool="class"))
    page, found = alone(widget), widget.look()
    token = page.page.locator(".class-token")

    def said() -> str:
        return token.inner_text().replace("\xa0", " ")

    assert "the class token looks most at" in page.status()
    assert said() == f"class token (it looks): {share(found.maps[0, 0, 0, 0])}"
    page.page.mouse.move(*page.at(0, 6, 4))
    page.frame()
    assert said() == f"class token: {share(found.maps[0, 0, 7, 0])}"
    page.away()
    token.focus()
    page.press("Enter")
    assert page.get("selected") == "class" and token.get_attribute("aria-pressed") == "true"
    assert page.status().endswith("Held: Escape lets go.")
    page.press("Escape")
    assert page.get("selected") is None
    page.kernel()
    assert widget.selected is None


def test_the_keyboard_alone_reaches_all_of_looking(alone):
    page = alone(looking(model=vit(pool="class")))
    reached = []
    for _ in range(14):
        page.page.keyboard.press("Tab")
        reached.append(
            page.page.evaluate("(n => n.getAttribute('aria-label') ?? n.textContent)(document.activeElement)")
        )
        ringed = "getComputedStyle(document.activeElement).outlineStyle"
        if page.page.evaluate("document.activeElement !== document.body"):
            assert page.page.evaluate(ringed) != "none", reached[-1]
    for name in ("previous image", "next image", "layer 1, head 1"):
        assert name in reached
    assert any(name.startswith("image in patches") for name in reached)
    assert any(name.startswith("class token") for name in reached)
    page.page.locator(".stage").first.focus()
    assert f"the patch in {place(0)}" in page.status()
    assert f"the patch in {place(5)}" in page.press("ArrowRight", "ArrowDown")
    assert page.press("Enter").endswith("Held: Escape lets go.") and page.get("selected") == 5
    page.press("End")
    assert page.get("selected") == 11 and place(11) in page.status()
    page.press("ArrowDown", "ArrowRight")  # no further
    assert page.get("selected") == 11
    page.press("Escape")
    assert page.get("selected") is None
    page.page.get_by_label("next image").focus()
    page.press("Enter")
    assert (page.get("image"), page.get("asked")) == (1, 1)


def test_another_image_asks_the_kernel_and_shows_nothing_old_meanwhile(alone):
    widget = looking()
    page = alone(widget)
    page.page.get_by_label("next image").click()
    assert page.status() == "The network is looking …" and page.page.locator(".which").inner_text() == "image 2 of 5"
    assert (page.read(0, layer=1)[..., 3] == 0).mean() > 0.9  # no wash of the other image
    assert page.page.locator(".says .name").all_inner_texts() == ["…"] * 3
    page.kernel()
    order = np.argsort(-widget.look().probabilities)
    assert page.page.locator(".says .name").all_inner_texts() == [str(n) for n in order[:3]]
    verdict = page.page.locator(".verdict").inner_text()
    assert verdict == f"true: 3 — {'right' if order[0] == 3 else 'wrong'}"
    page.page.get_by_label("previous image").click()
    page.page.get_by_label("previous image").click()
    page.kernel()
    assert page.get("image") == 4 and "The network says" in page.status()


def test_colors_end_at_the_largest_of_the_map_or_of_the_image(alone):
    widget = looking()
    page, found = alone(widget), widget.look()
    high = page.page.locator(".legend .scale span").last
    page.page.mouse.move(*page.at(0, 6, 4))
    page.frame()
    assert high.inner_text().replace("\xa0", " ") == share(found.maps[0, 0, 6].max())
    page.page.get_by_label("all maps of the image").check()
    page.page.mouse.move(*page.at(0, 6, 4))
    page.frame()
    assert high.inner_text().replace("\xa0", " ") == share(found.maps.max()) and page.get("scale") == "image"


# ---- hiding and painting


def put_back(widget: PatchPlayground) -> np.ndarray:
    """What the page is to show, 0 to 255: (height, width)."""
    hidden = np.array(widget.mask).reshape(3, 4).repeat(2, 0).repeat(2, 1)
    return ink(np.where(hidden, widget.paint().pixels[0], widget.current()[0]))


def test_three_pictures_show_the_image_what_is_left_and_what_was_painted(alone):
    widget = hiding()
    page = alone(widget)
    np.testing.assert_array_equal(page.read(0)[..., 0], ink(images()[0, 0]))
    np.testing.assert_array_equal(page.read(2)[..., 0], put_back(widget))
    seen = ~np.array(widget.mask).reshape(3, 4).repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(page.read(1)[seen][:, 0], ink(images()[0, 0][seen]))
    cell = int(np.argmin(seen[::2, ::2]))
    assert {189, 85} <= set(page.page.evaluate(GREYS, [1, *divmod(cell, 4)]))  # lines on gray, no black patch
    error, mean = widget.answer["error"], widget.answer["mean_error"]
    assert page.page.locator(".errors .number").all_inner_texts() == [f"{error:.4f}", f"{mean:.4f}"]
    assert page.status().startswith(
        f"9 of 12 patches hidden. Error on them: {error:.4f} by network, {mean:.4f} by the mean of the visible pixels."
    )
    page.page.get_by_label("paint the visible ones, too").check()
    page.frame()
    np.testing.assert_array_equal(page.read(2)[..., 0], ink(widget.paint().pixels[0]))


def test_color_images_are_shown_in_their_colors(alone):
    widget = hiding(models={"network": mae(COLOR)}, images=images(shape=COLOR))
    page = alone(widget)
    np.testing.assert_array_equal(page.read(0)[..., :3], np.rint(255 * images(shape=COLOR)[0]).transpose(1, 2, 0))
    assert page.page.get_by_label("draw my own").count() == 0
    looker = alone(looking(model=vit(COLOR), images=images(shape=COLOR)))
    np.testing.assert_array_equal(
        looker.read(0)[1::2, 1::2, :3], np.rint(255 * images(shape=COLOR)[0, :, 1::2, 1::2]).transpose(1, 2, 0)
    )


def test_a_click_hides_or_shows_at_once_and_the_kernel_paints(alone):
    widget = hiding()
    page, before = alone(widget), list(widget.mask)
    n = before.index(False)
    page.page.mouse.click(*page.at(1, n, 4))
    page.frame()
    gray = page.read(1)[2 * (n // 4), 2 * (n % 4)]  # drawn before anybody has answered
    assert len(set(gray[:3])) == 1 and page.status().startswith("10 of 12 patches hidden.")
    assert "Error" not in page.status()
    page.kernel()
    assert widget.mask == [hidden or k == n for k, hidden in enumerate(before)]
    np.testing.assert_array_equal(page.read(2)[..., 0], put_back(widget))
    page.page.mouse.click(*page.at(1, n, 4))
    page.kernel()
    assert widget.mask == before and "Error on them" in page.status()


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
    assert len(page.sent()) <= 5  # not a question for each movement


def test_a_late_answer_is_dropped(alone):
    widget = hiding()
    page, visible = alone(widget), [n for n, hidden in enumerate(widget.mask) if not hidden]
    page.page.mouse.click(*page.at(1, visible[0], 4))
    first = page.kernel(tell=False)
    page.page.mouse.click(*page.at(1, visible[1], 4))
    page.page.wait_for_timeout(150)
    shown = page.read(2)
    page.set(answer=first, mask=first["mask"])  # it comes after the second click
    assert page.status().startswith("11 of 12 patches hidden.") and "Error" not in page.status()
    np.testing.assert_array_equal(page.read(2), shown)
    page.kernel()
    assert sum(widget.mask) == 11 and "Error on them" in page.status()
    np.testing.assert_array_equal(page.read(2)[..., 0], put_back(widget))


def test_an_answer_takes_nothing_back_that_the_hand_has_done_since(alone):
    widget = hiding()
    widget.mask = [False] * 11 + [True]
    page = alone(widget)
    (first,) = page.quickly(" ", "ArrowRight", " ")  # the second is not yet asked about
    widget.set_state({"mask": first["mask"], "asked": 1})
    page.set(answer=widget.answer)
    page.heard = 1
    assert "3 of 12 patches hidden." in page.status() and "Error" not in page.status()
    page.kernel()
    assert [n for n in range(12) if widget.mask[n]] == [0, 1, 11] and "Error" in page.status()


def test_what_was_not_yet_asked_goes_along_with_the_next_question(alone):
    widget = hiding()
    widget.mask = [False] * 11 + [True]
    page = alone(widget)
    sent = page.quickly(" ", "ArrowRight", " ", then="previous image")
    assert sum(sent[1]["mask"]) == 3
    page.page.get_by_label("next image").click()
    page.page.get_by_label("next image").click()
    page.kernel()
    assert widget.image == 1 and [n for n in range(12) if widget.mask[n]] == [0, 1, 11]
    assert "3 of 12 patches hidden. Error on them" in page.status()


def test_buttons_and_slider_draw_masks(alone):
    widget = hiding()
    page = alone(widget)
    for number, kind in enumerate(("block", "grid", "random", "random"), 1):
        page.page.get_by_role("button", name=kind, exact=True).click()
        page.kernel()
        expected = random_mask(1, 3, 4, 0.75, kind, generator=torch.Generator().manual_seed(number))[0]
        assert (widget.kind, widget.seed) == (kind, number) and widget.mask == expected.tolist()
        hidden = page.read(1)[::2, ::2].reshape(12, 4)[np.array(widget.mask)]
        assert (hidden[:, 0] == hidden[:, 2]).all()
    slider = page.page.get_by_role("slider")
    slider.focus()
    page.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext").replace("\xa0", " ") == "67 %, 8 of 12"  # before the answer
    page.press("ArrowLeft", "ArrowLeft")
    page.kernel()
    assert sum(widget.mask) == 6 and widget.ratio == 0.5 and page.status().startswith("6 of 12")
    page.page.mouse.click(*page.at(1, widget.mask.index(True), 4))
    page.kernel()
    assert slider.input_value() == "5"  # it follows the hand
    slider.focus()
    page.press("ArrowRight")  # to the ratio that was set before: drawn again all the same
    page.kernel()
    assert sum(widget.mask) == 6
    page.page.get_by_role("button", name="show all").click()
    page.kernel()
    assert page.status().startswith("Nothing is hidden") and page.page.locator(".message").is_visible()
    page.page.get_by_role("button", name="grid").click()
    page.kernel()
    assert sum(widget.mask) == 6 and not page.page.locator(".message").is_visible()


def test_the_keyboard_alone_hides_and_shows(alone):
    widget = hiding()
    widget.mask = [n < 3 for n in range(12)]
    page = alone(widget)
    page.page.locator(".stage").nth(1).focus()
    page.page.keyboard.press("Shift+Tab")
    page.page.keyboard.press("Tab")
    inked = page.read(1, layer=1)
    assert not inked[1, 1].any() and page.page.evaluate(INKED, 1)  # the frame of the first patch
    assert page.press(" ").startswith(f"The patch in {place(0)} is visible. 2 of 12 patches hidden.")
    assert page.press("ArrowDown", "ArrowRight").startswith(f"The patch in {place(5)} is visible.")
    assert page.press("Enter").startswith(f"The patch in {place(5)} is hidden.")
    page.kernel()
    assert [n for n in range(12) if widget.mask[n]] == [1, 2, 5]
    assert page.status().startswith(f"The patch in {place(5)} is hidden. 3 of 12 patches hidden. Error on them:")
    for n in range(12):
        if not widget.mask[n]:
            page.press("Home", *["ArrowRight"] * (n % 4), *["ArrowDown"] * (n // 4), " ")
    page.kernel()
    assert "Nothing is visible" in page.status() and page.page.locator(".message").inner_text().startswith("Nothing is")
    page.press(" ")
    page.kernel()
    assert "Error on them" in page.status()


# the greys that occur in a cell of a picture
GREYS = """([nth, i, j]) => { const c = document.querySelectorAll('.stage')[nth].querySelector('canvas');
  const side = c.width / 4, {data} = c.getContext('2d').getImageData(j * side + 4, i * side + 4, side - 8, side - 8);
  return [...new Set(data.filter((_, n) => n % 4 === 0))]; }"""
INKED = """(n) => { const c = document.querySelectorAll('.stage')[n].querySelectorAll('canvas')[1];
  return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(Boolean); }"""


def test_painters_are_chosen_and_a_failing_one_is_quoted(alone):
    def broken(images: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("out of paint <b>")

    models = {"network": mae(), "white": white}
    widget = hiding(models=models | {"broken": broken})
    page = alone(widget)
    page.page.get_by_label("white", exact=True).check()
    page.kernel()
    hidden = np.array(widget.mask).reshape(3, 4).repeat(2, 0).repeat(2, 1)
    assert (page.read(2)[hidden][:, 0] == 0).all() and " by white, " in page.status()
    page.page.get_by_label("broken", exact=True).check()
    page.kernel()
    assert page.status() == "broken failed with RuntimeError: out of paint <b>"
    assert page.page.locator(".message").inner_text() == page.status()
    page.page.get_by_label("network", exact=True).check()
    page.kernel()
    assert not page.page.locator(".message").is_visible()
    only = alone(hiding(models=models["network"])).page
    assert only.get_by_role("radiogroup").count() == 0  # nothing to choose


# ---- one's own drawing


@pytest.mark.parametrize("make", [looking, hiding])
def test_a_digit_is_drawn_with_the_mouse_and_answered(alone, make):
    widget = make()
    page = alone(widget)
    pad = 1 if make is looking else 0
    page.page.get_by_label("draw my own").check()
    page.kernel()
    assert widget.own and (widget.current() == 0).all()
    page.page.mouse.move(*page.at(pad, 2, 8))
    page.page.mouse.down()
    page.page.mouse.move(*page.at(pad, 42, 8), steps=5)
    page.frame()
    at_once = page.read(pad)[..., 0]
    assert (at_once[:6, 2] < 5).all() and (at_once[:, [0, 5, 6, 7]] == 255).all()  # before anybody has answered
    page.page.mouse.up()
    page.kernel()
    np.testing.assert_allclose(255 - 255 * widget.current()[0], at_once, atol=1)
    if make is looking:
        named = int(widget.look().probabilities.argmax())
        assert f"The network says {named} with" in page.status()
    else:
        np.testing.assert_allclose(page.read(2)[..., 0], put_back(widget), atol=1)
    page.page.get_by_label("eraser").check()
    page.page.mouse.click(*page.at(pad, 18, 8))
    page.kernel()
    assert widget.current()[0, 2, 2] == 0 and widget.current()[0, 5, 2] == 1
    page.page.get_by_role("button", name="clear").click()
    page.kernel()
    assert (widget.current() == 0).all()
    page.page.get_by_role("button", name="copy the image").click()
    page.kernel()
    np.testing.assert_allclose(widget.current(), images()[0], atol=0.003)
    page.page.get_by_label("draw my own").uncheck()
    page.kernel()
    assert not widget.own and (widget.current() == images()[0]).all()


@pytest.mark.parametrize("make", [looking, hiding])
def test_a_digit_is_drawn_with_the_keyboard(alone, make):
    widget = make()
    page = alone(widget)
    box = page.page.get_by_label("draw my own")
    box.focus()
    page.press(" ")
    page.page.locator(".pad .stage").focus()
    page.press(" ", "ArrowRight", "ArrowDown")
    assert page.status().startswith("Pixel in row 2, column 2: empty.")
    assert page.press(" ").startswith("Pixel in row 2, column 2: filled.")
    page.kernel()
    expected = np.zeros((6, 8))
    expected[0, 0] = expected[1, 1] = 1
    np.testing.assert_array_equal(widget.current()[0], expected)


# ---- the kernel, keys that others want, looks


def test_what_the_kernel_sets_is_shown(alone):
    widget = hiding()
    page = alone(widget)
    widget.image, widget.mask, widget.painter = 2, [n == 5 for n in range(12)], "white"
    page.set(image=2, mask=widget.mask, painter="white", answer=widget.answer)
    assert page.status().startswith("1 of 12 patches hidden.") and " by white" in page.status()
    np.testing.assert_array_equal(page.read(2)[..., 0], put_back(widget))
    assert page.page.get_by_label("white", exact=True).is_checked() and page.sent() == []
    assert page.page.get_by_role("slider").input_value() == "1"


def test_a_kernel_that_does_not_answer_is_noticed(alone):
    page = alone(hiding())
    page.page.get_by_role("button", name="grid").click()
    page.page.locator(".status", has_text="The kernel does not answer").wait_for()
    page.kernel()
    assert "Error on them" in page.status()
