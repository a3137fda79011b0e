"""The transfer lab in Chromium, without Jupyter: settings and orders, curves and labels, words and keys."""

import re
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lecturelib.transfer import Examples
from lecturelib.vision import VisionTransformer
from lecturelib.widgets.transfer_lab import TransferLab
from lecturelib.widgets.transfer_runs import ARMS, KEEP, LAST, NONE, PROBE, TUNE, Choice, Run
from tests.browser import lab
from tests.browser.alone import Page as AnyPage
from tests.tools import needs

pytestmark = [pytest.mark.platform, needs(not lab.MISSING, lab.HOW)]

STEPS = 40
NAMES = ("data", "source", "arm", "each", "asked", "state")
CURVE = "path.now:not(.leader)"


def examples(n: int, seed: int) -> Examples:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, 1, 4, 4, generator=generator), torch.arange(n) % 4


def vit(seed: int, num_classes: int) -> VisionTransformer:
    torch.manual_seed(seed)
    return VisionTransformer((1, 4, 4), 2, 8, 2, 1, num_classes)


class Page(AnyPage):
    """A page with one lab; it is shown what a kernel would tell of a training."""

    def __init__(self, widget: TransferLab, bare: Callable[..., Any], **look: Any) -> None:
        self.widget = widget
        given = {name: getattr(widget, name) for name in ("_esm", "_css", *NAMES)}
        shown = SimpleNamespace(**given | {"state": widget.described()})
        super().__init__(bare(shown, NAMES, **look))
        self.root = self.page.locator(".lec-transfer")

    def text(self, where: str) -> str:
        self.frame()
        return self.root.locator(where).first.inner_text().replace("\xa0", " ").strip()

    def press(self, name: str, refused: bool = False) -> None:  # type: ignore[override]
        self.root.get_by_role("button", name=name).click(force=refused)

    def show(self, answered: bool = True) -> None:
        """Give the page the runs as they are in Python."""
        state = self.widget.described() | ({"answered": self.get("asked")[0]} if answered else {})
        self.page.evaluate("(state) => model.set('state', state)", state)
        self.frame()

    def begin(self, source: str = NONE, arm: str = TUNE, each: int = 5, points: int = 0) -> Run:
        run = self.widget.runs.begin(Choice(source, arm, each), 0 if arm == PROBE else STEPS)
        self.grow(run, points)
        return run

    def grow(self, run: Run, points: int, first: float = 0.25) -> None:
        for _ in range(points):
            k = len(run.steps)
            self.widget.runs.add(run, 5 * k, [first + 0.06 * k + shift for shift in (-0.05, 0, 0.05)])
        self.show()

    def end(self, run: Run, status: str = "finished", message: str = "") -> None:
        self.widget.runs.end(run, status, message)
        self.show()

    def whole(self, *choice: Any, first: float = 0.25, status: str = "finished", points: int = 9) -> Run:
        run = self.begin(*choice)
        self.grow(run, 1 if run.total == 0 else points, first)
        self.end(run, status)
        return run

    def labels(self) -> list[str]:
        self.frame()
        return [text.replace("\xa0", " ") for text in self.root.locator(".ends > div").all_inner_texts()]

    def label(self, run: Run) -> str:
        (found,) = [text for text in self.labels() if re.match(rf"(run )?{run.number}: ", text)]
        return found

    def table(self) -> list[list[str]]:
        read = (
            "rows => rows.map(row => [...row.children].map(cell => cell.innerText.replaceAll('\\u00a0', ' ').trim()))"
        )
        return self.root.locator("tbody tr").evaluate_all(read)


def made() -> TransferLab:
    given = {"print": vit(0, 4), "letters": vit(1, 6)}
    return TransferLab(given, examples(80, 1), examples(40, 2), labels=(2, 5, 10), seeds=(0, 1, 2), steps=STEPS)


@pytest.fixture
def alone(bare: Callable[..., Any]) -> Callable[..., Page]:
    """Open a lab in a page without Jupyter; the end holds that nothing failed and no request was made."""

    def show(**look: Any) -> Page:
        return Page(made(), bare, **look)

    return show


# ---- settings and orders


def test_before_the_first_run_the_lines_to_compare_with_are_there(alone):
    page = alone()
    pixels = 100 * page.widget.described()["pixels"]["5"]
    assert sorted(page.labels()) == ["chance: 25.0 %", f"pixels, 5 labels a class: {pixels:.1f} %"]
    assert f"reaches {pixels:.1f} % with 5 labels a class; chance is 25.0 %. Press Start" in page.status()
    assert page.root.locator(CURVE).count() == 0 and not page.root.locator("table").is_visible()
    assert page.root.get_by_label("source").input_value() == NONE
    assert page.root.get_by_label("labels for each class").input_value() == "5"
    assert page.root.get_by_label("arm").locator("option").all_inner_texts()[0] == "train the whole network"
    for name, on in (("Start", "false"), ("Stop", "true"), ("Forget earlier runs", "true")):
        assert page.root.get_by_role("button", name=name).get_attribute("aria-disabled") == on


def test_start_sends_what_was_chosen_and_waits_for_the_kernel(alone):
    page = alone()
    page.root.get_by_label("source").select_option("print")
    page.root.get_by_label("labels for each class").select_option("10")
    page.root.get_by_label("arm").select_option(LAST)
    page.press("Start")
    sent = page.sent()[-1]
    assert (sent["source"], sent["arm"], sent["each"], sent["asked"]) == ("print", LAST, 10, [1, "start"])
    assert page.status() == "Starting …" and page.root.get_attribute("data-waiting") == "true"
    page.press("Start", refused=True)  # once more, before an answer
    assert len(page.sent()) == 4
    page.begin("print", LAST, 10)
    assert page.status() == "Run 1, print, last block only, 10 labels a class: training has begun."
    assert page.root.get_attribute("data-running") == "true"


def test_a_start_while_one_is_running_is_refused_in_words(alone):
    page = alone()
    run = page.begin(points=2)
    page.press("Start", refused=True)
    assert page.sent() == [] and page.status() == "Run 1 is being trained: stop it first, or wait for its end."
    page.press("Stop")
    assert page.sent()[-1]["asked"] == [1, "stop"] and page.status() == "Stopping …"
    page.end(run, "stopped")
    assert page.status().startswith("Run 1, from scratch, 5 labels a class: stopped at step 5, 31.0 %")


def test_only_arms_that_a_source_has_can_be_chosen(alone):
    page = alone()
    enabled = "options => options.filter(o => !o.disabled).map(o => o.value)"
    offered = lambda: page.root.get_by_label("arm").locator("option").evaluate_all(enabled)  # noqa: E731
    assert offered() == [TUNE, LAST, PROBE]
    page.root.get_by_label("source").select_option("print")
    assert offered() == list(ARMS)
    page.root.get_by_label("arm").select_option(KEEP)
    page.root.get_by_label("source").select_option("letters")
    assert offered() == [TUNE, LAST, PROBE] and page.root.get_by_label("arm").input_value() == TUNE
    assert (page.get("source"), page.get("arm")) == ("letters", TUNE)
    assert page.status() == "letters has no head of 4 classes to keep: the arm is “fine-tune” now."
    page.widget.set_state({name: page.sent()[-1][name] for name in ("source", "arm", "each")})
    assert (page.widget.source, page.widget.arm) == ("letters", TUNE)


def test_settings_that_change_during_a_run_are_for_the_next(alone):
    page = alone()
    run = page.begin(points=2)
    page.root.get_by_label("labels for each class").select_option("2")
    assert page.text(".note") == "Run 1 goes on as it was started; the choice above is for the next run."
    page.grow(run, 1)
    assert "run 1: from scratch" in page.label(run) and page.table()[0][2] == "5"
    assert any("pixels, 5 labels" in text for text in page.labels())
    page.end(run)
    assert page.text(".note") == ""


def test_forgetting_and_what_the_kernel_refuses(alone):
    page = alone()
    page.whole()
    page.whole("print")
    page.press("Forget earlier runs")
    assert page.sent()[-1]["asked"] == [1, "forget"]
    page.widget.runs.forget()
    page.show()
    assert [row[0] for row in page.table()] == ["2"]
    page.widget._refused = "the sets were lost <b>"
    page.show()
    assert page.text(".alert") == "the sets were lost <b>"
    assert page.root.locator(".alert").get_attribute("role") == "alert"


def test_a_kernel_that_does_not_answer_is_said(alone):
    page = alone()
    page.press("Start")
    assert page.status() == "Starting …"
    page.root.locator(".status", has_text="The kernel has not answered for 3 seconds").wait_for()
    page.begin(points=1)
    assert "training has begun" in page.status()


# ---- curves


def test_a_curve_grows_with_its_seeds_and_says_where_it_is(alone):
    page = alone()
    run = page.begin("print")
    for points in (1, 4, 9):
        page.grow(run, points - len(run.steps))
        for where in (CURVE, "path.seed"):
            paths = page.root.locator(f".chart {where}").evaluate_all("all => all.map(p => p.getAttribute('d'))")
            assert len(paths) == (1 if where == CURVE else 3)
            assert {len(re.findall("[ML]", d)) for d in paths} == {points}
    xs, ys = zip(*[map(float, pair.split()) for pair in re.split("[ML]", page_path(page, CURVE))[1:]], strict=True)
    steps = [(x - xs[0]) / (xs[-1] - xs[0]) * STEPS for x in xs]
    assert steps == pytest.approx(run.steps, abs=0.1)
    shares = [sum(each) / 3 for each in run.accuracies]
    scale = (ys[0] - ys[-1]) / (shares[-1] - shares[0])
    assert [(ys[0] - y) / scale + shares[0] for y in ys] == pytest.approx(shares, abs=0.002)
    assert scale == pytest.approx(320)  # 0 to 100 % on the axis
    assert page.label(run) == "run 1: print, fine-tuned\n73.0 % at step 40 of 40"
    page.end(run)
    assert page.label(run) == "run 1: print, fine-tuned\n73.0 %"
    described = run.described()
    assert page.status() == (
        f"Run 1, print, fine-tuned, 5 labels a class: 73.0 % ± {100 * described['half']:.1f} after 40 steps."
    )
    assert page.table() == [
        ["1", "print, fine-tuned", "5", "40", f"73.0 % ± {100 * described['half']:.1f}"],
    ]


def page_path(page: Page, where: str) -> str:
    return page.root.locator(f".chart {where}").get_attribute("d")


def test_the_spoken_line_tells_of_quarters_not_of_each_point(alone):
    page = alone()
    run = page.begin()
    said = []
    for _ in range(9):
        page.grow(run, 1)
        said.append(page.status())
    assert len(set(said)) == 5  # the beginning, and steps 10, 20, 30, 40
    assert said[-1] == "Run 1, from scratch, 5 labels a class: 73.0 % at step 40 of 40."
    assert page.root.locator("[aria-live]").count() == 1


def test_the_last_run_stands_beside_with_the_difference(alone):
    page = alone()
    scratch = page.whole()
    tuned = page.begin("print", TUNE, 5)
    page.grow(tuned, 3, first=0.45)  # 57 % at step 10, where the last run had 37 %
    assert page.label(scratch) == "run 1: from scratch\n73.0 %\nrun 2: 20.0 points above at step 10"
    assert page.table()[1][-1] == "+20.0 ± 0.0 points at step 10"
    page.grow(tuned, 6, first=0.05)
    page.end(tuned)
    assert page.label(scratch) == "run 1: from scratch\n73.0 %\nrun 2: 20.0 points below"
    assert "That is 20.0 points below run 1, from scratch (95 % interval −20.0 to −20.0)." in page.status()
    third = page.whole("letters", TUNE, 10)
    assert page.label(tuned).startswith("run 2: print, fine-tuned, 5 labels a class")
    assert page.label(scratch) == "run 1: 73.0 %, 5 labels a class"
    dashes = page.root.locator(".chart path:is(.now, .before):not(.leader)").evaluate_all(
        "all => all.map(p => [p.classList[0], p.getAttribute('stroke-dasharray')])"
    )
    assert [name for name, _ in dashes] == ["before", "before", "now"] and len({dash for _, dash in dashes}) == 3
    assert page.table()[0][0] == str(third.number)
    keys = page.root.locator("tbody path").evaluate_all("all => all.map(p => p.getAttribute('stroke-dasharray'))")
    assert keys == [dash for _, dash in dashes][::-1]


def test_a_stopped_run_is_marked_and_compared_where_it_ended(alone):
    page = alone()
    page.whole()
    run = page.whole("print", status="stopped", points=4, first=0.35)
    assert page.label(run) == "run 2: print, fine-tuned\n53.0 %, stopped at step 15"
    assert page.root.locator(".chart rect.now").count() == 1 and page.root.locator(".chart circle.now").count() == 0
    assert page.table()[0][3] == "stopped at 15"
    assert (
        "stopped at step 15" in page.status()
        and "10.0 points above run 1, from scratch, at the same step" in page.status()
    )
    longer = page.whole("letters", first=0.25)
    assert f"below run {run.number}, print, fine-tuned, at step 15" in page.status()
    assert "at step 15" in page.table()[1][-1] and page.label(longer).endswith("73.0 %")


def test_a_probe_is_a_level_line_without_steps(alone):
    page = alone()
    page.whole()
    run = page.begin("print", PROBE, 5)
    assert page.status().endswith(": learning.")
    page.grow(run, 1)
    page.end(run)
    assert re.fullmatch(r"M[\d.]+ [\d.]+H[\d.]+", page_path(page, CURVE))
    assert page.label(run) == "run 2: print, linear probe\n25.0 %"
    assert page.table()[0][3] == "none" and "25.0 %" in page.status() and "without a step" in page.status()
    assert page.table()[1][-1].startswith("−48.0") and "at step" not in page.table()[1][-1]


def test_a_failure_is_said_and_its_curve_stays(alone):
    page = alone()
    run = page.begin(points=3)
    page.end(run, "failed", "the loss became nan at step 12 <i>")
    assert page.text(".alert") == "Run 1 failed: the loss became nan at step 12 <i>"
    assert (
        page.label(run).endswith("37.0 %, failed after step 10") and page.root.locator(".chart rect.now").count() == 1
    )
    empty = page.begin("print")
    page.end(empty, "failed", "no memory")
    assert page.text(".alert") == "Run 2 failed: no memory" and page.table()[0][4] == "–"
    page.whole()
    assert not page.root.locator(".alert").is_visible()


# ---- how it can be read and held


@pytest.mark.parametrize("width", [420, 700, 1200])
def test_labels_stand_apart_and_inside_at_any_width(alone, width):
    page = alone(width=width, height=1400)
    for source, first in ((NONE, 0.25), ("print", 0.26), ("letters", 0.25), ("print", 0.24)):
        page.whole(source, first=first)
    root = page.root.bounding_box()
    boxes = sorted((b.bounding_box() for b in page.root.locator(".ends > div").all()), key=lambda box: box["y"])
    assert len(boxes) == 6
    for one, other in pairwise(boxes):
        assert one["y"] + one["height"] <= other["y"] + 0.5
    chart = page.root.locator(".chart").bounding_box()
    for box in boxes:
        assert box["y"] >= chart["y"] - 1 and box["y"] + box["height"] <= chart["y"] + chart["height"] + 1
        assert box["x"] + box["width"] <= root["x"] + root["width"] + 1
    sizes = page.root.locator("*").evaluate_all(
        "all => all.filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))"
        ".map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 13
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_is_worked_by_the_keys_alone_and_keeps_them_from_the_notebook(alone):
    page = alone()
    keys = page.page.keyboard
    keys.press("Tab")
    keys.press("ArrowDown")  # the source
    keys.press("Tab")
    keys.press("ArrowDown")  # the labels
    keys.press("Tab")
    keys.press("End")  # the arm
    keys.press("Tab")
    keys.press("Enter")  # Start
    sent = page.sent()[-1]
    assert (sent["source"], sent["each"], sent["arm"], sent["asked"]) == ("print", 10, PROBE, [1, "start"])
    page.begin("print", LAST, 10, points=2)
    focus = "[document.activeElement.textContent, getComputedStyle(document.activeElement).outlineStyle]"
    assert page.page.evaluate(focus) == ["Start", "solid"]  # the focus stays where it was, and is seen
    keys.press("Tab")
    keys.press(" ")
    assert page.sent()[-1]["asked"] == [2, "stop"]
    keys.press("Control+s")
    keys.press("Shift+Enter")
    assert page.page.evaluate("heard")[-1] == "Enter" and any(
        key.startswith("s") for key in page.page.evaluate("heard")
    )


def test_a_view_that_goes_stops_the_training_unless_another_shows_it(alone):
    page = alone()
    page.begin(points=2)
    page.page.evaluate("async () => { window.second = await show(); }")
    assert page.page.locator(".lec-transfer").count() == 2
    page.page.evaluate("second()")
    assert page.sent() == []
    page.page.evaluate("remove()")
    assert page.sent()[-1]["asked"] == [1, "stop"]
    assert page.page.locator(".lec-transfer").count() == 0 and page.page.evaluate("model.listening()") == 0


def test_a_view_that_goes_without_a_training_says_nothing(alone):
    page = alone()
    page.whole()
    page.page.evaluate("remove()")
    assert page.sent() == []
