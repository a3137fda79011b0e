"""The interactive figures in a real JupyterLab: they show, they follow the mouse and the keys, they stay at home."""

import shutil
from typing import Any

import pytest

from tests.browser import lab
from tests.tools import needs

pytestmark = [pytest.mark.platform, needs(not lab.MISSING, lab.HOW)]

STEPPER = """
import numpy as np
from lecturelib.automata import DFA
from lecturelib.widgets.stepper import AutomatonStepper

dfa = DFA([[0, 1], [1, 2], [2, 0]], [0], "01")  # counts ones, modulo 3

def network(string):  # hidden states that hold the state and the last symbol, and a little of the time
    last = [0, *map(int, string)]
    hidden = np.array([[s, a, s * a, 0.01 * t] for t, (s, a) in enumerate(zip(dfa.run(string), last))])
    return hidden, np.array([s == 0 for s in dfa.run(string)])

AutomatonStepper(dfa, network, examples=["110101", "000111", "101010"], string="1101")
"""
SCOPE = """
from lecturelib.widgets.gates import GateScope, Reading

def read(key, force):
    forget = force.get("f", 0.9) * np.ones((12, 4))
    cell = np.cumprod(forget, 0) * np.array([1, -1, 2, -2])
    keep = np.abs(cell).max() * force.get("i", 1.0)
    answer = np.full(4, (1 - keep / 4) / 4)
    answer[key] += keep / 4
    return Reading("ABCD"[key] + "wxyzwxyzwxy", cell, forget / 2, forget, forget / 3, answer)

GateScope(read)
"""
FILM = """
from lecturelib.widgets.film import TrainingFilm

rng = np.random.default_rng(0)
TrainingFilm(rng.normal(size=(5, 30, 4)), [0.5, 0.6, 0.7, 0.8, 0.9], [0, 10, 20, 30, 40], np.arange(30) % 3, 0.67)
"""
COSTS = """
from lecturelib.widgets.cost_explorer import CostExplorer

CostExplorer()
"""
PREDICTION = """
from lecturelib.checks.predictions import predict

guess = predict("Heads or tails?", ["heads", "tails", "neither"])
guess
"""
OUTCOME = "guess.outcome('tails')"
NUMBER = """
from lecturelib.checks.predictions import predict_number

count = predict_number("How many?", 1, 40)
count
"""
COUNTED = "count.outcome(17)"
HINTS = """
from lecturelib.checks.start import check_baseline

check_baseline.hints()
"""
BAR = """
import torch
from lecturelib.training import fit

x = torch.linspace(-1, 1, 64)[:, None]
history = fit(torch.nn.Linear(1, 1), lambda m, b: (m(b[0]) - b[1]).square().mean(), (x, 3 * x), label="a line")
"""
CELLS = [STEPPER, SCOPE, FILM, COSTS, PREDICTION, OUTCOME, NUMBER, COUNTED, HINTS, BAR]
PICTURE = ".jupyter-widgets img"
PASSED = """(handle) => { window.passed = [];
  new MutationObserver(() => {
    const now = Number(handle.getAttribute('aria-valuenow'));
    if (window.passed.at(-1) !== now) window.passed.push(now);
  }).observe(handle, {attributes: true, attributeFilter: ['aria-valuenow']}); }"""


@pytest.fixture(scope="module")
def running(jupyterlab: lab.Lab) -> tuple[lab.Lab, Any]:
    """A JupyterLab, and a page whose notebook has been run; a copy of what it saved is `saved.ipynb`."""
    folder = jupyterlab.folder
    lab.write(folder / "widgets.ipynb", CELLS)
    page = jupyterlab.run("widgets.ipynb")
    page.locator(".jp-OutputArea", has_text="a line").get_by_text("loss").wait_for()
    page.evaluate(lab.SAVE)
    shutil.copy(folder / "widgets.ipynb", folder / "saved.ipynb")
    return jupyterlab, page


def output(page: Any, source: str) -> Any:
    """What stands under the cell."""
    return page.locator(".jp-CodeCell").nth(CELLS.index(source)).locator(".jp-Cell-outputArea")


class Changes:
    """Whether a picture changes while something is done to its widget."""

    def __init__(self, page: Any, picture: Any) -> None:
        self.page, self.picture = page, picture

    def __enter__(self) -> None:
        self.picture.scroll_into_view_if_needed()
        self.before = self.picture.get_attribute("src")

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.page.wait_for_function(
                "([img, src]) => img.src !== src && img.complete && img.naturalWidth > 300",
                arg=[self.picture.element_handle(), self.before],
            )


def test_the_stepper_follows_mouse_and_keys(running):
    page = running[1]
    out = output(page, STEPPER)
    picture, readout = out.locator(PICTURE), out.locator(".widget-readout")
    with Changes(page, picture):
        out.get_by_role("button", name="step back").click()
    out.locator(".noUi-handle").focus()
    with Changes(page, picture):
        page.keyboard.press("ArrowLeft")
    assert readout.inner_text() == "2"
    text = out.locator("input[type=text]")
    with Changes(page, picture):
        text.fill("")
    kept = picture.get_attribute("src")
    text.fill("x")
    out.get_by_text("unknown symbols ['x']").wait_for()
    assert picture.get_attribute("src") == kept
    with Changes(page, picture):
        text.fill("1")
    with Changes(page, picture):
        out.get_by_role("button", name="step back").press("Enter")


def test_the_gate_scope_follows_mouse_and_keys(running):
    page = running[1]
    out = output(page, SCOPE)
    picture = out.locator(PICTURE)
    with Changes(page, picture):
        out.get_by_role("button", name="C").click()
    with Changes(page, picture):
        out.locator("select").select_option("forget gate f")
    out.locator(".noUi-handle").focus()
    with Changes(page, picture):
        page.keyboard.press("ArrowLeft")
    out.get_by_text("0.99", exact=True).wait_for()


def test_the_film_waits_at_its_end_plays_and_follows_the_keys(running):
    page = running[1]
    out = output(page, FILM)
    handle = out.locator(".noUi-handle")
    frames = "([handle, frame]) => Number(handle.getAttribute('aria-valuenow')) === frame"
    page.wait_for_function(frames, arg=[handle.element_handle(), 4])
    handle.evaluate(PASSED)  # a frame may be gone before it can be waited for
    with Changes(page, out.locator(PICTURE)):
        out.locator("button").first.click()  # play: once, from the start to the end
    page.wait_for_function(frames, arg=[handle.element_handle(), 4])
    assert page.evaluate("window.passed") == [0, 1, 2, 3, 4]
    handle.focus()
    with Changes(page, out.locator(PICTURE)):
        page.keyboard.press("ArrowLeft")


def test_the_cost_explorer_follows_mouse_and_keys_and_has_room_for_its_words(running):
    page = running[1]
    out = output(page, COSTS)
    with Changes(page, out.locator(PICTURE)):
        out.get_by_role("button", name="writing").click()
    slider = out.locator(".widget-slider", has_text="width D")
    slider.locator(".noUi-handle").focus()
    with Changes(page, out.locator(PICTURE)):
        page.keyboard.press("ArrowRight")
    assert slider.locator(".widget-readout").inner_text() == "1024"
    for words in out.locator(".widget-label, .widget-readout, .widget-toggle-button").all():
        assert words.evaluate("words => words.scrollWidth <= words.clientWidth"), words.inner_text()
    label, *buttons = (each.bounding_box() for each in out.locator(".widget-toggle-buttons").locator(
        ".widget-label, .widget-toggle-button").all())  # fmt: skip
    for button in buttons:  # in one row with their label
        assert button["y"] < label["y"] + label["height"] / 2 < button["y"] + button["height"]


def test_a_prediction_follows_mouse_and_keys_and_stands_beside_its_outcome(running):
    page = running[1]
    outcome = output(page, OUTCOME)
    outcome.get_by_text("No prediction was made. Measured: tails.").wait_for()
    choices = output(page, PREDICTION).locator("input[type=radio]")
    choices.nth(0).click()
    outcome.get_by_text("You predicted: heads. Measured: tails.").wait_for()
    choices.nth(1).focus()
    page.keyboard.press("Space")  # the arrows do not reach a native input: JupyterLab keeps them for its cells
    outcome.get_by_text("You predicted: tails. Measured: tails.").wait_for()


def test_a_predicted_number_is_typed_and_only_one_in_range_is_taken(running):
    page = running[1]
    outcome = output(page, COUNTED)
    outcome.get_by_text("No prediction was made. Measured: 17.").wait_for()
    box = output(page, NUMBER).get_by_label("your number")
    box.fill("99")
    box.press("Tab")
    assert outcome.get_by_text("No prediction was made").is_visible()
    box.click()
    page.keyboard.press("Control+a")
    page.keyboard.type("12")
    page.keyboard.press("Tab")
    outcome.get_by_text("You predicted: 12. Measured: 17.").wait_for()
    assert page.locator(".jp-CodeCell").count() == len(CELLS)  # no digit or letter reached the notebook


def check_hints(page: Any) -> None:
    """Unfold one hint with the mouse and one with the keys, and fold one."""
    first, second = output(page, HINTS).locator("details").all()
    first.locator("summary").click()
    second.locator("summary").focus()
    page.keyboard.press("Space")
    for hint in (first, second):
        assert hint.evaluate("hint => hint.clientHeight > hint.firstElementChild.clientHeight + 8")
    first.locator("summary").click()
    assert first.get_attribute("open") is None


def test_hints_unfold_with_mouse_and_keys(running):
    check_hints(running[1])


def test_the_bar_is_full_at_the_end(running):
    out = output(running[1], BAR)
    assert out.locator(".progress-bar").evaluate("bar => bar.style.width") == "100%"
    assert "a line" in out.inner_text() and "loss 0.0" in out.inner_text()


def test_a_notebook_that_somebody_else_ran_shows_the_pictures(running):
    cells = [CELLS.index(source) for source in (STEPPER, SCOPE, FILM, COSTS)]
    page = running[0].open_foreign("saved.ipynb", cells)
    assert output(page, PREDICTION).get_by_text("heads / tails / neither").is_visible()
    assert output(page, NUMBER).get_by_text("(a whole number from 1 to 40)").is_visible()
    assert output(page, BAR).get_by_text("a line: 500 steps").is_visible()
    check_hints(page)
    page.close()
