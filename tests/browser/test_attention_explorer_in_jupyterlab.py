"""The attention explorer in a real JupyterLab: it shows, mouse and keys reach the kernel, its picture stays behind."""

import shutil

import pytest

from tests.browser import lab
from tests.browser.test_attention_explorer import INK, Page
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


@pytest.fixture(scope="module")
def running(jupyterlab: lab.Lab) -> tuple[lab.Lab, Page]:
    """A JupyterLab whose notebook has been run, without its last cell; a copy of what it saved is `saved.ipynb`."""
    folder = jupyterlab.folder
    lab.write(folder / "explorer.ipynb", [CELL, LOOK])
    page = jupyterlab.run("explorer.ipynb")
    page.locator(".lec-explorer .map").wait_for()
    page.evaluate(lab.SAVE)
    shutil.copy(folder / "explorer.ipynb", folder / "saved.ipynb")
    return jupyterlab, Page(page)


def told(page: Page, expected: str) -> str:
    """Run the cell that prints what the kernel knows, until it has heard of everything (widgets send one by one)."""
    for _ in range(8):
        page.page.evaluate(RUN, 1)
        page.page.wait_for_timeout(400)
        said = page.page.locator(".jp-CodeCell").nth(1).locator(".jp-Cell-outputArea").inner_text().strip()
        if said == expected:
            break
    return said


def test_in_jupyterlab_mouse_and_keys_work_and_reach_the_kernel(running):
    _, page = running
    assert page.hover(3, 1).startswith("“March” in layer 1, head 1 looks most at")
    page.click(3, 1)
    assert "Held" in page.status()
    assert page.press("ArrowDown", "ArrowDown").startswith("“third”")
    page.page.get_by_label("layer 1, head 1", exact=True).focus()
    page.press("ArrowRight", "ArrowDown")
    page.page.get_by_label("temperature").focus()
    page.press("ArrowRight", "ArrowRight")
    expected = "held 5 in 1, 1 at 1.1"
    assert told(page, expected) == expected
    page.page.locator(".map").focus()
    page.press("Escape")
    assert "Held" not in page.status()
    expected = "held None in 1, 1 at 1.1"
    assert told(page, expected) == expected
    assert page.page.locator(".jp-CodeCell").count() == 2  # no key made a cell, or cut one


def test_in_jupyterlab_what_the_kernel_sets_is_shown(running):
    _, page = running
    page.page.evaluate(
        """async (code) => { await jupyterapp.shell.currentWidget.sessionContext.session.kernel
        .requestExecute({code}).done; }""",
        SET,
    )
    page.page.locator(".status", has_text="“third” in layer 2, head 3 looks most at").wait_for()


def test_in_jupyterlab_another_theme_gets_another_ink(running):
    _, page = running
    page.page.evaluate("() => jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    page.page.wait_for_function(f"() => ({INK})() > 200")
    page.page.wait_for_timeout(1000)  # JupyterLab stumbles, with or without us, when the next change comes too soon
    page.page.evaluate("() => jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})")
    page.page.wait_for_function(f"() => ({INK})() < 60")


def test_a_notebook_that_somebody_else_ran_shows_the_picture_of_all_heads(running):
    running[0].open_foreign("saved.ipynb", [0]).close()
