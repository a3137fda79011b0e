"""The transfer lab in Chromium, without Jupyter: settings and orders, curves and labels, words and keys."""

import re
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from lecturelib.widgets.transfer_lab import KEPT, TransferLab
from lecturelib.widgets.transfer_runs import ARMS, KEEP, LAST, NONE, PROBE, TUNE, Run
from tests.browser import lab
from tests.browser.alone import Page as AnyPage
from tests.tools import needs
from tests.widgets import test_transfer_lab as unit

pytestmark = [pytest.mark.platform, needs(not lab.MISSING, lab.HOW)]

STEPS = 40
NAMES = ("data", "source", "arm", "each", "asked", "state")
CURVE = "path.now:not(.leader)"


class Page(AnyPage):
    """A page with one lab; it is shown what a kernel would tell of a training."""

    def __init__(self, widget: TransferLab, bare: Callable[..., Any], **look: Any) -> None:
        self.widget = widget
        given = {name: getattr(widget, name) for name in ("_esm", "_css", *NAMES)}
        shown = SimpleNamespace(**given | {"state": widget.described()})
        super().__init__(bare(shown, NAMES, **look))
        self.root = self.page.locator(".lec-transfer")

    def press(self, name: str, off: bool = False) -> None:  # type: ignore[override]
        self.root.get_by_role("button", name=name).click(force=off)

    def show(self) -> None:
        """Give the page the runs as they are in Python, as the answer to its last order."""
        state = self.widget.described() | {"answered": self.get("asked")[0]}
        self.page.evaluate("(state) => model.set('state', state)", state)
        self.frame()

    def begin(self, source: str = NONE, arm: str = TUNE, each: int = 5, points: int = 0) -> Run:
        number = self.widget.runs[0].number + 1 if self.widget.runs else 1
        run = Run(number, source, arm, each, 0 if arm == PROBE else STEPS)
        self.widget.runs = [run, *self.widget.runs][: 1 + KEPT]
        self.grow(run, points)
        return run

    def grow(self, run: Run, points: int, first: float = 0.25) -> None:
        for _ in range(points):
            k = len(run.points)
            run.points.append((5 * k, [first + 0.06 * k + shift for shift in (-0.05, 0, 0.05)]))
        self.show()

    def end(self, run: Run, status: str = "finished", message: str = "") -> None:
        run.status, run.message = status, message
        self.show()

    def whole(self, *choice: Any, first: float = 0.25, status: str = "finished", points: int = 9) -> Run:
        run = self.begin(*choice)
        self.grow(run, 1 if run.total == 0 else points, first)
        self.end(run, status)
        return run

    def labels(self) -> list[str]:
        self.frame()
        return [text.replace("\xa0", " ") for text in self.root.locator(".label").all_text_contents()]

    def table(self) -> list[list[str]]:
        read = (
            "rows => rows.map(row => [...row.children].map(cell => cell.innerText.replaceAll('\\u00a0', ' ').trim()))"
        )
        return self.root.locator("tbody tr").evaluate_all(read)

    def alert(self) -> str:
        self.frame()
        return self.root.locator("[role=alert]").inner_text()


def made() -> TransferLab:
    return unit.lab(labels=(2, 5, 10), steps=STEPS)


@pytest.fixture
def alone(bare: Callable[..., Any]) -> Callable[..., Page]:
    """Open a lab in a page without Jupyter; the end holds that nothing failed and no request was made."""

    def show(**look: Any) -> Page:
        return Page(made(), bare, **look)

    return show


def test_a_choice_is_sent_and_the_page_waits_for_the_kernel(alone):
    page = alone()
    pixels = 100 * page.widget.described()["pixels"]["5"]
    assert sorted(page.labels()) == ["chance: 33.3 %", f"pixels: {pixels:.1f} %"]
    assert page.status() == "Press Start to train." and not page.root.locator("table").is_visible()
    for name, on in (("Start", "false"), ("Stop", "true")):
        assert page.root.get_by_role("button", name=name).get_attribute("aria-disabled") == on
    arms = page.root.get_by_label("arm").locator("option")
    enabled = "options => options.filter(o => !o.disabled).map(o => o.value)"
    assert arms.evaluate_all(enabled) == [TUNE, LAST, PROBE]
    page.root.get_by_label("source").select_option("print")
    page.frame()
    assert arms.evaluate_all(enabled) == list(ARMS)
    page.root.get_by_label("labels for each class").select_option("10")
    page.root.get_by_label("arm").select_option(KEEP)
    page.press("Start")
    sent = page.sent()
    assert [sent[-1][name] for name in ("source", "arm", "each", "asked")] == ["print", KEEP, 10, [1, "start"]]
    assert page.status().startswith("Starting") and page.root.get_attribute("data-waiting") == "true"
    page.press("Start", off=True)  # once more, before an answer
    assert page.sent() == sent
    run = page.begin("print", KEEP, 10)
    assert page.status() == "Run 1, print, head kept, 10 labels a class: training has begun."
    page.press("Start", off=True)  # while one is running
    page.press("Stop")
    assert page.sent()[-1]["asked"] == [2, "stop"] and len(page.sent()) == len(sent) + 1
    assert page.status() == "Stopping …"
    page.end(run, "stopped")
    assert page.status() == "Run 1, print, head kept, 10 labels a class: stopped."


def test_a_curve_grows_with_its_seeds_and_says_where_it_is(alone):
    page = alone()
    run = page.begin("print")
    said = []
    for points in range(1, 10):
        page.grow(run, 1)
        said.append(page.status())
        for where in (CURVE, "path.seed"):
            paths = page.root.locator(f".chart {where}").evaluate_all("all => all.map(p => p.getAttribute('d'))")
            assert len(paths) == (1 if where == CURVE else 3)
            assert {len(re.findall("[ML]", d)) for d in paths} == {points}
    assert len(set(said)) == 5  # the beginning, and steps 10, 20, 30, 40: not each point
    path = page.root.locator(f".chart {CURVE}").get_attribute("d")
    xs, ys = zip(*[map(float, pair.split()) for pair in re.split("[ML]", path)[1:]], strict=True)
    shares = [sum(each) / 3 for _, each in run.points]
    assert [(x - xs[0]) / (xs[-1] - xs[0]) * STEPS for x in xs] == pytest.approx(range(0, 45, 5), abs=0.1)
    assert [(ys[0] - y) / 320 + shares[0] for y in ys] == pytest.approx(shares, abs=0.002)
    page.end(run)
    reached = f"73.0 % ± {100 * run.described(run)['half']:.1f}"
    assert page.status() == f"Run 1, print, fine-tuned, 5 labels a class: {reached}, after 40 steps."
    assert (
        page.table() == [["1", "print, fine-tuned", "5", "after 40 steps", reached]]
        and "run 1: 73.0 %" in page.labels()
    )


def test_runs_stand_beside_one_another_with_the_difference(alone):
    page = alone()
    page.whole()
    tuned = page.begin("print")
    page.grow(tuned, 3, first=0.45)  # 57 % at step 10, where the last run had 37 %
    assert page.table()[1][-1] == "+20.0 ± 0.0 points at step 10"
    page.grow(tuned, 6, first=0.05)
    page.end(tuned)
    between = "95 % interval −20.0 to −20.0"
    assert f"That is 20.0 points below run 1, from scratch, at step 40 ({between})." in page.status()
    page.whole("letters", TUNE, 10, status="stopped", points=4, first=0.35)
    assert page.root.locator(".chart rect.now").count() == 1 and page.root.locator(".chart circle.now").count() == 0
    assert "53.0 %" in page.status() and ", stopped at step 15." in page.status()
    assert page.table()[0][2:4] == ["10", "stopped at step 15"]
    page.whole("print", PROBE, 5)
    assert re.fullmatch(r"M[\d.]+ [\d.]+H[\d.]+", page.root.locator(f".chart {CURVE}").get_attribute("d"))
    assert "25.0 %" in page.status() and ", without a step." in page.status()
    assert [row[0] for row in page.table()] == ["4", "3", "2", "1"] and page.table()[0][3] == "without a step"
    assert page.table()[3][-1].startswith("−48.0") and "at step" not in page.table()[3][-1]
    dashes = page.root.locator(".chart path:is(.now, .before):not(.leader)").evaluate_all(
        "all => all.map(p => p.getAttribute('stroke-dasharray'))"
    )
    keys = page.root.locator("tbody path").evaluate_all("all => all.map(p => p.getAttribute('stroke-dasharray'))")
    assert len(set(dashes)) == 4 and keys == dashes[::-1]


def test_a_failure_is_said_and_its_curve_stays(alone):
    page = alone()
    page.end(page.begin(points=3), "failed", "the loss became nan at step 12 <i>")
    assert page.alert() == "Run 1 failed: the loss became nan at step 12 <i>"
    assert page.status().endswith(", failed after step 10.") and page.root.locator(".chart rect.now").count() == 1
    page.end(page.begin("print"), "failed", "no memory")
    assert page.alert() == "Run 2 failed: no memory" and page.table()[0][4] == "–"
    page.whole()
    assert page.alert() == ""


def test_labels_stand_apart_and_inside(alone):
    page = alone(width=420, height=1400)
    for source, first in ((NONE, 0.25), ("print", 0.26), ("letters", 0.25), ("print", 0.24)):
        page.whole(source, first=first)
    chart = page.root.locator(".chart").bounding_box()
    boxes = sorted((b.bounding_box() for b in page.root.locator(".label").all()), key=lambda box: box["y"])
    assert len(boxes) == 6
    for one, other in pairwise(boxes):
        assert one["y"] + one["height"] <= other["y"] + 2
    for box in boxes:
        assert chart["y"] <= box["y"] and box["y"] + box["height"] <= chart["y"] + chart["height"]
        assert box["x"] + box["width"] <= chart["x"] + chart["width"]


def test_it_is_worked_by_the_keys_alone(alone):
    page = alone()
    keys = page.page.keyboard
    for key in ("Tab", "ArrowDown", "Tab", "ArrowDown", "Tab", "End", "Tab", "Enter"):  # source, labels, arm, Start
        keys.press(key)
    sent = page.sent()[-1]
    assert (sent["source"], sent["each"], sent["arm"], sent["asked"]) == ("print", 10, PROBE, [1, "start"])
    page.begin("print", LAST, 10, points=2)
    focus = "[document.activeElement.textContent, getComputedStyle(document.activeElement).outlineStyle]"
    assert page.page.evaluate(focus) == ["Start", "solid"]  # the focus stays where it was, and is seen
    keys.press("Tab")
    keys.press(" ")
    assert page.sent()[-1]["asked"] == [2, "stop"]
