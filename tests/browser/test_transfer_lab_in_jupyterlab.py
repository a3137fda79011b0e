"""The transfer lab in a real JupyterLab: curves grow while other cells run, Stop ends a training, runs are compared."""

import re
import shutil
from typing import Any

import pytest

from tests.browser import lab
from tests.browser.test_patch_playground_in_jupyterlab import RUN
from tests.tools import needs

pytestmark = [pytest.mark.platform, needs(not lab.MISSING, lab.HOW)]

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
SHORT, LONG = 40, 1_000_000
EXECUTE = """async (code) => { const {kernel} = jupyterapp.shell.currentWidget.sessionContext.session;
  const {content} = await kernel.requestExecute({code}).done;
  if (content.status !== 'ok') throw new Error(`${content.ename}: ${content.evalue}`); }"""
CURVE = ".chart path.now:not(.leader)"


def tell(page: Any, code: str) -> None:
    """Run a line in the kernel; what it raises, this raises."""
    page.evaluate(EXECUTE, code)


def status(page: Any, text: str) -> str:
    """Wait until the spoken line of the lab that is shown says this, and return all of it."""
    found = page.locator(".lec-transfer .status", has_text=text)
    found.wait_for()
    return found.inner_text().replace("\xa0", " ")


def points(page: Any) -> int:
    curve = page.locator(CURVE)
    return len(re.findall("[ML]", curve.get_attribute("d"))) if curve.count() else 0


def press(page: Any, name: str) -> None:
    page.locator(".lec-transfer").get_by_role("button", name=name).click()


def test_in_jupyterlab_runs_grow_are_compared_and_stopped(jupyterlab):
    folder = jupyterlab.folder
    lab.write(folder / "transfer.ipynb", [LAB, f"STEPS = {SHORT}", SHOW])
    page = jupyterlab.run("transfer.ipynb")
    page.evaluate(lab.SAVE)
    shutil.copy(folder / "transfer.ipynb", folder / "saved.ipynb")
    press(page, "Start")
    status(page, "after 40 steps")
    assert points(page) == 9
    page.locator(".lec-transfer").get_by_label("source").select_option("print")
    page.locator(".lec-transfer").get_by_label("arm").select_option("linear probe")
    page.locator(".lec-transfer").get_by_role("button", name="Start").focus()
    page.keyboard.press("Enter")
    said = status(page, "without a step")
    assert "Run 2, print, linear probe" in said and "run 1, from scratch, at step 40 (95 % interval" in said
    assert page.locator(".lec-transfer tbody tr").count() == 2
    assert page.locator(".jp-CodeCell").count() == 3  # no key made a cell, or cut one

    tell(page, f"STEPS = {LONG}")
    page.evaluate(RUN, 2)
    status(page, "Press Start")
    press(page, "Start")
    page.wait_for_function("(where) => document.querySelector(where)", arg=CURVE)
    before = points(page)
    tell(page, "counted = sum(range(1000))")  # a cell ends while it trains
    page.wait_for_function(
        "([where, n]) => document.querySelector(where).getAttribute('d').split('L').length > n + 1", arg=[CURVE, before]
    )
    page.locator(".lec-transfer").get_by_label("labels for each class").select_option("2")
    press(page, "Stop")
    assert re.search(r"from scratch, 5 labels a class: .* stopped at step \d+\.", status(page, "stopped at step"))
    tell(page, "assert not lab.training and lab.runs[0].status == 'stopped' and lab.each == 2")

    press(page, "Start")
    page.locator(".lec-transfer[data-running=true]").wait_for()
    tell(page, "old = lab")
    page.evaluate(RUN, 2)  # its cell runs again
    page.locator(".lec-transfer[data-running=false]").wait_for()
    tell(page, "old.wait(30); assert old.runs[0].status == 'stopped' and lab is not old and not lab.training")
    jupyterlab.open_foreign("saved.ipynb", [2]).close()
