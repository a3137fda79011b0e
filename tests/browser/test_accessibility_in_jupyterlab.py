"""Widgets for everybody, in JupyterLab: no finding of axe in two themes; keys reach all and leave; focus is seen."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser import axe, lab
from tests.browser.test_attention_explorer_in_jupyterlab import CELL as EXPLORER
from tests.browser.test_patch_playground_in_jupyterlab import ATTENTION, MASKING, MODELS
from tests.browser.test_transfer_lab_in_jupyterlab import LAB, SHOW
from tests.browser.test_widgets import BAR, COSTS, FILM, HINTS, NUMBER, OUTCOME, PREDICTION, SCOPE, STEPPER
from tests.tools import needs

pytestmark = [pytest.mark.platform, needs(not lab.MISSING, lab.HOW), needs(axe.SCRIPT, axe.HOW)]

THEME = "(theme) => jupyterapp.commands.execute('apputils:change-theme', {theme})"
# What Tab reaches, the part of it that a reader sees, and what lies around it, in pixels of the page.
FOCUSED = """() => {
  const {activeElement: node} = document;
  const {x, y, width, height} = node.getBoundingClientRect();
  const clip = {x: Math.max(x - 8, 0), y: Math.max(y - 8, 0), width: width + 16, height: height + 16};
  return {name: `${node.tagName} ${node.className} ${node.ariaLabel ?? node.textContent.slice(0, 30)}`, clip};
}"""
ROOM = 8000  # pixels of height: all cells are in view, so that a picture can be taken of each part


def step(page: Any, out: Any) -> None:
    out.get_by_role("button", name="step back").click()
    out.locator("input[type=text]").fill("11x")
    out.get_by_text("unknown symbols ['x']").wait_for()


def force(page: Any, out: Any) -> None:
    out.get_by_role("button", name="C").click()
    out.locator("select").select_option("forget gate f")
    out.get_by_role("slider", name="to").focus()


def play(page: Any, out: Any) -> None:
    out.get_by_role("button", name="play or pause").click()
    out.get_by_role("slider", name="frame").focus()


def cost(page: Any, out: Any) -> None:
    out.get_by_role("button", name="writing").click()
    assert out.get_by_role("button", name="writing", pressed=True).is_visible()
    out.get_by_role("slider", name="tokens n").press("Home")
    out.get_by_role("img", name="One more token: n = 16, ").wait_for()  # the picture is said in words that follow it


def unfold(page: Any, out: Any) -> None:
    out.locator("details").evaluate_all("all => all.forEach((hint) => { hint.open = true; })")


def hold(page: Any, out: Any) -> None:
    out.locator("div.map, .main .stage").first.click(position={"x": 90, "y": 90})
    page.keyboard.press("ArrowDown")


def hide(page: Any, out: Any) -> None:
    out.locator(".stage").nth(1).click(position={"x": 10, "y": 10})
    page.keyboard.press("ArrowRight")


def train(page: Any, out: Any) -> None:
    out.get_by_role("button", name="Start").click()
    out.locator(".status", has_text="after 20 steps").wait_for(timeout=30_000)


# A cell, and what is done with what it shows.
WIDGETS: dict[str, tuple[str, Callable[[Any, Any], object] | None]] = {
    "stepper": (STEPPER, step),
    "gate scope": (SCOPE, force),
    "film": (FILM, play),
    "cost explorer": (COSTS, cost),
    "choice": (PREDICTION, lambda page, out: out.get_by_label("tails").check()),
    "outcome": (OUTCOME, None),
    "number": (NUMBER, lambda page, out: out.get_by_label("your number").fill("5")),
    "bar": (BAR, None),
    "hints": (HINTS, unfold),
    "attention explorer": (EXPLORER, hold),
    "playground, masking": (MODELS + MASKING, hide),
    "playground, attention": (ATTENTION, hold),
    "transfer lab": (SHOW, train),
}
WORKED = [kind for kind, (_, work) in WIDGETS.items() if work is not None]
CELLS = [LAB, "STEPS = 20", *(cell for cell, _ in WIDGETS.values())]


@pytest.fixture(scope="module")
def running(jupyterlab: lab.Lab) -> tuple[lab.Lab, Any]:
    lab.write(jupyterlab.folder / "widgets.ipynb", CELLS)
    page = jupyterlab.run("widgets.ipynb")
    page.set_viewport_size({"width": 1300, "height": ROOM})
    page.locator(".lec-transfer").wait_for()
    output(page, SHOW).locator(".status", has_text="Press Start").wait_for()
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


@pytest.mark.parametrize("kind", WIDGETS)
def test_in_jupyterlab_a_widget_has_no_finding(themed, kind):
    cell, work = WIDGETS[kind]
    out = output(themed, cell)
    assert axe.findings(out) == []
    if work is not None:
        work(themed, out)
        assert axe.findings(out) == []


@pytest.mark.parametrize("kind", WORKED)
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
