"""The attention explorer in a real JupyterLab: it shows, mouse and keys reach the kernel, its picture stays behind."""

import shutil

import pytest

from tests.browser import lab
from tests.browser.test_attention_explorer import Page
from tests.tools import needs

pytestmark = [pytest.mark.platform, needs(not lab.MISSING, lab.HOW)]

CELL = """
import numpy as np
from lecturelib.widgets.attention_explorer import AttentionExplorer

scores = 2 * np.random.default_rng(0).normal(size=(2, 3, 7, 7))
mask = np.tril(np.ones((7, 7), dtype=bool))
explorer = AttentionExplorer(scores, ["The", "month", "is", "March", "the", "third", "month"], mask=mask, d_k=5)
explorer
"""
LOOK = "print(f'held {explorer.selected} in {explorer.layer}, {explorer.head} at {explorer.temperature}')"
SET = "explorer.layer, explorer.head, explorer.selected = 1, 2, 5"
RUN = """async (n) => { const {content} = jupyterapp.shell.currentWidget; content.activeCellIndex = n;
  await jupyterapp.commands.execute('notebook:run-cell'); }"""


def told(page: Page, expected: str) -> str:
    """Run the cell that prints what the kernel knows, until it has heard of everything (widgets send one by one)."""
    for _ in range(8):
        page.page.evaluate(RUN, 1)
        page.page.wait_for_timeout(400)
        said = page.page.locator(".jp-CodeCell").nth(1).locator(".jp-Cell-outputArea").inner_text().strip()
        if said == expected:
            break
    return said


def test_in_jupyterlab_page_and_kernel_follow_each_other_and_a_picture_stays(jupyterlab):
    lab.write(jupyterlab.folder / "explorer.ipynb", [CELL, LOOK, SET])
    page = Page(jupyterlab.run("explorer.ipynb"))
    page.page.evaluate(lab.SAVE)
    shutil.copy(jupyterlab.folder / "explorer.ipynb", jupyterlab.folder / "saved.ipynb")
    page.page.locator(".status", has_text="“third” in layer 2, head 3 looks most at").wait_for()  # as the kernel set it
    page.page.locator(".map").focus()
    page.press("Escape")
    assert page.hover(3, 1).startswith("“March” in layer 2, head 3 looks most at")
    page.click(3, 1)
    assert page.press("ArrowDown", "ArrowDown").startswith("“third”")
    page.page.get_by_label("layer 2, head 3", exact=True).focus()
    page.press("ArrowLeft", "ArrowUp")
    page.page.get_by_label("temperature").focus()
    page.press("ArrowRight", "ArrowRight")
    expected = "held 5 in 0, 1 at 1.1"
    assert told(page, expected) == expected
    assert page.page.locator(".jp-CodeCell").count() == 3  # no key made a cell, or cut one
    jupyterlab.open_foreign("saved.ipynb", [0]).close()
