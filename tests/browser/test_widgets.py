"""The interactive figures in a real JupyterLab: page and kernel follow each other, axe finds nothing in two themes, the
keys reach all of a figure and leave it, the focus is seen, pictures stay in a saved notebook."""

import re
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser import axe, lab
from tests.tools import REQUIRED, needs

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
EXPLORER = """
import numpy as np
from lecturelib.widgets.attention_explorer import AttentionExplorer

scores = 2 * np.random.default_rng(0).normal(size=(2, 3, 7, 7))
mask = np.tril(np.ones((7, 7), dtype=bool))
explorer = AttentionExplorer(scores, ["The", "month", "is", "March", "the", "third", "month"], mask=mask, d_k=5)
explorer
"""
MASKING = """
from lecturelib.mae import MaskedAutoencoder
from lecturelib.vision import VisionTransformer
from lecturelib.widgets.patch_playground import PatchPlayground

torch.manual_seed(0)
images = np.random.default_rng(0).random((5, 1, 8, 8), dtype=np.float32)
painter = MaskedAutoencoder(VisionTransformer((1, 8, 8), 2, 12, 3, 2), 8, 2, 1)
hiding = PatchPlayground.masking({"network": painter, "white": lambda images, mask: images * 0 + 1}, images)
hiding
"""
ATTENTION = """
looking = PatchPlayground.attention(VisionTransformer((1, 8, 8), 2, 12, 3, 2, 10), images, [1, 2, 3, 4, 5])
looking
"""
LAB = """
import torch
from lecturelib.vision import VisionTransformer
from lecturelib.widgets.transfer_lab import TransferLab

torch.manual_seed(0)
images, labels = torch.rand(120, 1, 4, 4), torch.arange(120) % 4
source = VisionTransformer((1, 4, 4), 2, 8, 2, 1, 4)
pool, test = (images[:80], labels[:80]), (images[80:], labels[80:])
"""
SHOW = """
lab = TransferLab({"print": source}, pool, test, steps=STEPS, every=5)
lab
"""
PICTURE = ".jupyter-widgets img"
EXECUTE = """async (code) => { const {kernel} = jupyterapp.shell.currentWidget.sessionContext.session;
  const {content} = await kernel.requestExecute({code}).done;
  return content.status === 'ok' ? '' : `${content.ename}: ${content.evalue}`; }"""
RUN = """async (n) => { const {content} = jupyterapp.shell.currentWidget; content.activeCellIndex = n;
  await jupyterapp.commands.execute('notebook:run-cell'); }"""
GROWN = "([where, n]) => document.querySelector(where)?.getAttribute('d').split('L').length > n"
PASSED = """(handle) => { window.passed = [];
  new MutationObserver(() => {
    const now = Number(handle.getAttribute('aria-valuenow'));
    if (window.passed.at(-1) !== now) window.passed.push(now);
  }).observe(handle, {attributes: true, attributeFilter: ['aria-valuenow']}); }"""
THEME = "(theme) => jupyterapp.commands.execute('apputils:change-theme', {theme})"
# What Tab reaches, the part of it that a reader sees, and what lies around it, in pixels of the page.
FOCUSED = """() => {
  const {activeElement: node} = document;
  const {x, y, width, height} = node.getBoundingClientRect();
  const clip = {x: Math.max(x - 8, 0), y: Math.max(y - 8, 0), width: width + 16, height: height + 16};
  return {name: `${node.tagName} ${node.className} ${node.ariaLabel ?? node.textContent.slice(0, 30)}`, clip};
}"""
ROOM = 8000  # pixels of height: all cells are in view, so that a picture can be taken of each part


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


# ---- what is done with each figure, once in each theme


def step(page: Any, out: Any) -> None:
    picture, text = out.locator(PICTURE), out.locator("input[type=text]")
    for typed in ("", "1101"):
        with Changes(page, picture):
            text.fill(typed)
    with Changes(page, picture):
        out.get_by_role("button", name="step back").click()
    out.locator(".noUi-handle").focus()
    with Changes(page, picture):
        page.keyboard.press("ArrowLeft")
    assert out.locator(".widget-readout").inner_text() == "2"
    kept = picture.get_attribute("src")
    text.fill("11x")
    out.get_by_text("unknown symbols ['x']").wait_for()
    assert picture.get_attribute("src") == kept


def force(page: Any, out: Any) -> None:
    picture, handle = out.locator(PICTURE), out.get_by_role("slider", name="to")
    for key in "BC":
        with Changes(page, picture):
            out.get_by_role("button", name=key).click()
    for gate in ("input gate i", "forget gate f"):
        with Changes(page, picture):
            out.locator("select").select_option(gate)
    handle.press("End")
    with Changes(page, picture):
        handle.press("ArrowLeft")
    out.get_by_text("0.99", exact=True).wait_for()


def play(page: Any, out: Any) -> None:
    handle = out.get_by_role("slider", name="frame")
    last = "(handle) => Number(handle.getAttribute('aria-valuenow')) === 4"
    handle.press("End")
    page.wait_for_function(last, arg=handle.element_handle())
    handle.evaluate(PASSED)  # a frame may be gone before it can be waited for
    with Changes(page, out.locator(PICTURE)):
        out.get_by_role("button", name="play or pause").click()  # once, from the start to the end
    page.wait_for_function(last, arg=handle.element_handle())
    assert page.evaluate("window.passed") == [0, 1, 2, 3, 4]


def cost(page: Any, out: Any) -> None:
    picture, slider = out.locator(PICTURE), out.get_by_role("slider", name="width D")
    for mode in ("reading", "writing"):
        with Changes(page, picture):
            out.get_by_role("button", name=mode).click()
    assert out.get_by_role("button", name="writing", pressed=True).is_visible()
    slider.press("Home")
    with Changes(page, picture):
        slider.press("ArrowRight")
    out.get_by_role("img", name="D = 64, ").wait_for()  # the picture is said in words that follow it
    for words in out.locator(".widget-label, .widget-readout, .widget-toggle-button").all():
        assert words.evaluate("words => words.scrollWidth <= words.clientWidth"), words.inner_text()


def guess(page: Any, out: Any) -> None:
    outcome, choices = output(page, OUTCOME), out.locator("input[type=radio]")
    choices.nth(0).click()
    outcome.get_by_text("You predicted: heads. Measured: tails.").wait_for()
    choices.nth(1).focus()
    page.keyboard.press("Space")  # the arrows do not reach a native input: JupyterLab keeps them for its cells
    outcome.get_by_text("You predicted: tails. Measured: tails.").wait_for()


def count(page: Any, out: Any) -> None:
    outcome, box = output(page, COUNTED), out.get_by_label("your number")
    for typed in ("99", "12"):  # only one in range is taken
        box.click()
        page.keyboard.press("Control+a")
        page.keyboard.type(typed)
        page.keyboard.press("Tab")
        assert outcome.get_by_text("predicted: 99").count() == 0
    outcome.get_by_text("You predicted: 12. Measured: 17.").wait_for()


def unfold(page: Any, out: Any) -> None:
    first, second = out.locator("details").all()
    out.locator("details").evaluate_all("all => all.forEach((hint) => { hint.open = false; })")
    first.locator("summary").click()
    second.locator("summary").focus()
    page.keyboard.press("Space")
    for hint in (first, second):
        assert hint.evaluate("hint => hint.clientHeight > hint.firstElementChild.clientHeight + 8")


def filled(page: Any, out: Any) -> None:
    assert out.locator(".progress-bar").evaluate("bar => bar.style.width") == "100%"
    assert "a line" in out.inner_text() and "loss 0.0" in out.inner_text()


def tell(page: Any, code: str) -> None:
    """Run a line in the kernel."""
    said = page.evaluate(EXECUTE, code)
    assert said == "", said


def heard(page: Any, condition: str) -> None:
    """Wait until something holds in the kernel: a widget sends one message after another."""
    for _ in range(20):
        if not page.evaluate(EXECUTE, f"assert {condition}"):
            return
        page.wait_for_timeout(250)
    raise AssertionError(condition)


def explore(page: Any, out: Any) -> None:
    tell(page, "explorer.selected = None")
    out.locator("div.map").click(position={"x": 90, "y": 90})
    heard(page, "explorer.selected is not None")
    tell(page, "explorer.layer, explorer.head, explorer.selected, explorer.temperature = 1, 2, 4, 1")
    out.locator(".status", has_text="“the” in layer 2, head 3 looks most at").wait_for()
    out.locator(".map").first.focus()
    page.keyboard.press("ArrowDown")
    out.get_by_label("layer 2, head 3", exact=True).focus()
    for key in ("ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
    out.get_by_label("temperature").press("ArrowRight")
    heard(page, "(explorer.selected, explorer.layer, explorer.head, explorer.temperature > 1) == (5, 0, 1, True)")


def hide(page: Any, out: Any) -> None:
    status, middle = out.locator(".status"), out.locator(".stage").nth(1)
    out.get_by_role("button", name="show all").click()
    status.filter(has_text="Nothing is hidden").wait_for()
    box = middle.bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + 10)  # a drag along the first row, faster than the kernel answers
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 10, box["y"] + 10, steps=40)
    page.mouse.up()
    status.filter(has_text="4 of 16 patches hidden. Error on them").wait_for()
    middle.focus()
    for key in ("End", " ", "ArrowUp", " "):
        page.keyboard.press(key)
    status.filter(has_text="6 of 16 patches hidden. Error on them").wait_for()
    out.get_by_label("white", exact=True).check()
    status.filter(has_text="by white").wait_for()
    heard(page, "sum(hiding.mask) == 6 and hiding.painter == 'white' and hiding.answer['number'] == hiding.asked")
    tell(page, "hiding.mask, hiding.painter = [n == 5 for n in range(16)], 'network'")
    status.filter(has_text=re.compile(r"^1 of 16 patches hidden\. Error on them.* by network")).wait_for()


def look(page: Any, out: Any) -> None:
    tell(page, "looking.own, looking.view, looking.selected = False, 'head', None")
    status, first = out.locator(".status"), out.get_by_role("radio", name="layer 1, head 1")
    out.locator(".map[aria-checked=true][aria-label='layer 1, head 1']").wait_for()
    out.locator(".main .stage").first.focus()
    for key in ("Home", "ArrowRight", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    status.filter(has_text="the patch in row\u00a02, column\u00a02 looks").wait_for()
    first.focus()
    page.keyboard.press("End")
    status.filter(has_text="Covering one patch at a time").or_(status.filter(has_text="Without the patch")).wait_for()
    out.get_by_label("draw my own").check()
    out.get_by_role("button", name="clear", exact=True).click()
    out.locator(".pad .stage").focus()
    page.keyboard.press(" ")
    heard(page, "(looking.selected, looking.view, looking.own, looking.current().max()) == (5, 'occlusion', True, 1)")


def train(page: Any, out: Any) -> None:
    out.get_by_role("button", name="Start").click()
    out.locator(".status", has_text="after 20 steps").wait_for(timeout=30_000)


# A cell, and what is done with what it shows.
WIDGETS: dict[str, tuple[str, Callable[[Any, Any], None]]] = {
    "stepper": (STEPPER, step),
    "gate scope": (SCOPE, force),
    "film": (FILM, play),
    "cost explorer": (COSTS, cost),
    "choice": (PREDICTION, guess),
    "number": (NUMBER, count),
    "bar": (BAR, filled),
    "hints": (HINTS, unfold),
    "attention explorer": (EXPLORER, explore),
    "playground, masking": (MASKING, hide),
    "playground, attention": (ATTENTION, look),
    "transfer lab": (SHOW, train),
}
FIGURES = ("stepper", "gate scope", "film", "cost explorer", "attention explorer", "playground, masking",
           "playground, attention", "transfer lab")  # fmt: skip
CELLS = [LAB, "STEPS = 20", *(cell for cell, _ in WIDGETS.values()), OUTCOME, COUNTED]


@pytest.fixture(scope="module")
def running(jupyterlab: lab.Lab) -> tuple[lab.Lab, Any]:
    """A JupyterLab, and a page whose notebook has been run; a copy of what it saved is `saved.ipynb`."""
    folder = jupyterlab.folder
    lab.write(folder / "widgets.ipynb", CELLS)
    page = jupyterlab.run("widgets.ipynb")
    page.set_viewport_size({"width": 1300, "height": ROOM})
    output(page, SHOW).locator(".status", has_text="Press Start").wait_for()
    page.evaluate(lab.SAVE)
    shutil.copy(folder / "widgets.ipynb", folder / "saved.ipynb")
    return jupyterlab, page


@pytest.fixture(scope="module", params=["JupyterLab Light", "JupyterLab Dark"])
def themed(running: tuple[lab.Lab, Any], request: pytest.FixtureRequest) -> Any:
    use_theme(running[1], request.param)
    return running[1]


def use_theme(page: Any, name: str) -> None:
    """Show the page in another theme."""
    page.evaluate(THEME, name)
    light = str(name.endswith("Light")).lower()
    page.wait_for_function("(light) => document.body.dataset.jpThemeLight === light", arg=light)
    page.wait_for_timeout(1000)  # JupyterLab stumbles when the next change comes too soon


def output(page: Any, source: str) -> Any:
    """What stands under the cell."""
    return page.locator(".jp-CodeCell").nth(CELLS.index(source)).locator(".jp-Cell-outputArea")


def findings(out: Any) -> list[str]:
    return axe.findings(out) if axe.SCRIPT or REQUIRED else []


@pytest.mark.parametrize("kind", WIDGETS)
def test_in_jupyterlab_a_widget_follows_mouse_and_keys_and_has_no_finding(themed, kind):
    cell, work = WIDGETS[kind]
    out = output(themed, cell)
    assert findings(out) == []
    work(themed, out)
    assert findings(out) == []
    assert themed.locator(".jp-CodeCell").count() == len(CELLS)  # no key made a cell, or cut one


@pytest.mark.parametrize("kind", [kind for kind in WIDGETS if kind != "bar"])
def test_the_keys_reach_all_of_a_widget_and_leave_it_and_the_focus_is_seen(running, kind):
    page = running[1]
    out = output(page, WIDGETS[kind][0])
    stops = out.locator("button, input, select, summary, [tabindex='0'], [contenteditable='true']")
    first = next(stop for stop in stops.all() if stop.is_visible() and stop.is_enabled())
    inside = "out => out.contains(document.activeElement)"
    for key in ("Shift+Tab", "Tab"):
        first.focus()
        unseen, found = [], 0
        while out.evaluate(inside):
            assert found <= stops.count(), f"{key} does not leave the {kind}"
            found += 1
            focused = page.evaluate(FOCUSED)
            node = page.evaluate_handle("document.activeElement")
            with_focus = page.screenshot(clip=focused["clip"])
            node.evaluate("node => node.blur()")
            if page.screenshot(clip=focused["clip"]) == with_focus:
                unseen.append(focused["name"])
            node.evaluate("node => node.focus()")
            page.keyboard.press(key)
        assert found and unseen == []


def test_a_notebook_that_somebody_else_ran_shows_the_pictures(running):
    page = running[0].open_foreign("saved.ipynb", [CELLS.index(WIDGETS[kind][0]) for kind in FIGURES])
    assert output(page, PREDICTION).get_by_text("heads / tails / neither").is_visible()
    assert output(page, NUMBER).get_by_text("(a whole number from 1 to 40)").is_visible()
    assert output(page, BAR).get_by_text("a line: 500 steps").is_visible()
    unfold(page, output(page, HINTS))
    page.close()


def test_a_training_goes_on_while_other_cells_run_and_ends_when_it_is_told(running):
    page = running[1]
    shown, curve = output(page, SHOW), ".chart path.now:not(.leader)"
    tell(page, "STEPS = 1_000_000")
    page.evaluate(RUN, CELLS.index(SHOW))
    shown.locator(".status", has_text="Press Start").wait_for()
    shown.get_by_role("button", name="Start").focus()
    page.keyboard.press("Enter")
    page.wait_for_function(GROWN, arg=[curve, 1])
    before = len(re.findall("[ML]", page.locator(curve).get_attribute("d")))
    tell(page, "counted = sum(range(1000))")  # a cell ends while it trains
    page.wait_for_function(GROWN, arg=[curve, before])
    shown.get_by_label("labels for each class").select_option("2")
    shown.get_by_role("button", name="Stop").click()
    shown.locator(".status", has_text="stopped at step").wait_for()
    heard(page, "not lab.training and lab.runs[0].status == 'stopped' and lab.each == 2")
    shown.get_by_role("button", name="Start").click()
    page.locator(".lec-transfer[data-running=true]").wait_for()
    tell(page, "old, STEPS = lab, 20")
    page.evaluate(RUN, CELLS.index(SHOW))  # its cell runs again
    page.locator(".lec-transfer[data-running=false]").wait_for()
    tell(page, "old.wait(30); assert old.runs[0].status == 'stopped' and lab is not old and not lab.training")
