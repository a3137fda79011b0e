"""A lecture given from the keyboard: the command's own JupyterLab, its slides on a screen of 1920 x 1080."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lecturelib.workshop.live import serve
from lecturelib.workshop.live.notebooks import STARTS, UNSEEN
from lecturelib.workshop.notebooks import NOTEBOOKS as FOLDER
from tests.browser import lab
from tests.tools import needs

pytestmark = [pytest.mark.platform, needs(not lab.MISSING, lab.HOW), needs(find_spec(serve.EXTENSION), serve.HOW)]

WIDTH, HEIGHT, SMALLEST = 1920, 1080, 20
WALKED = ["03_attention", "06_masked_autoencoder"]
PLAY = "09_play"

MASKING = """
import numpy as np
import torch
from lecturelib.mae import MaskedAutoencoder
from lecturelib.vision import VisionTransformer
from lecturelib.widgets.patch_playground import PatchPlayground

torch.manual_seed(0)
painter = MaskedAutoencoder(VisionTransformer((1, 8, 8), 2, 12, 3, 2), 8, 2, 1)
PatchPlayground.masking({"network": painter}, np.random.default_rng(0).random((5, 1, 8, 8), dtype=np.float32))
"""
PREDICTION = """
from lecturelib.checks.predictions import predict

predict("Which?", ["the first", "the second"])
"""
EXPLORER = """
scores = np.random.default_rng(0).normal(size=(1, 2, 4, 4))
AttentionExplorer(scores, ["One", "two", "three", "four"], d_k=5)
"""

AT = "() => jupyterapp.shell.currentWidget.content.activeCellIndex"
MOVED = "(before) => jupyterapp.shell.currentWidget.content.activeCellIndex !== before"
STARTED = "() => document.body.dataset.jpDeckMode === 'presenting' && document.querySelector('.jp-deck-mod-visible')"
COUNTS = "() => jupyterapp.shell.currentWidget.content.widgets.map((cell) => cell.model.executionCount ?? 0)"
# What is wrong on the slide: a cell or a text that leaves the screen, small letters (but for those of a formula),
# and a picture that is not drawn.
FAULTS = """([width, height, smallest]) => {
  const found = [];
  const inside = (box) => box.top >= -1 && box.left >= -1 && box.right <= width + 1 && box.bottom <= height + 1;
  const cells = jupyterapp.shell.currentWidget.content.widgets;
  cells.forEach(({node}, n) => {
    if (!node.classList.contains('jp-deck-mod-visible')) return;
    if (!inside(node.getBoundingClientRect())) found.push(`cell ${n} leaves the screen`);
    for (const picture of node.querySelectorAll('img')) {
      const box = picture.getBoundingClientRect();
      if (!inside(box) || box.height < 100) found.push(`a picture of cell ${n} is cut off, or small`);
    }
    const texts = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const parent = texts.currentNode.parentElement;
      if (!texts.currentNode.data.trim() || parent.closest('mjx-container, script, style')) continue;
      if (!parent.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
      const range = document.createRange();
      range.selectNodeContents(texts.currentNode);
      const box = range.getBoundingClientRect();
      if (box.width < 2 || box.height < 2) continue;
      const size = parseFloat(getComputedStyle(parent).fontSize) * (parent.currentCSSZoom ?? 1);
      const words = texts.currentNode.data.trim().slice(0, 40);
      if (size < smallest - 0.05) found.push(`cell ${n}: ${size} px: ${words}`);
      if (!inside(box)) found.push(`cell ${n}: off the screen: ${words}`);
    }
  });
  return found;
}"""


def play() -> nbformat.NotebookNode:
    """Return a short notebook with two interactive figures, on a slide each."""
    cells = [
        (new_markdown_cell("# 09 Play"), "slide"),
        (
            new_code_cell("import numpy as np\nfrom lecturelib.widgets.attention_explorer import AttentionExplorer"),
            "skip",
        ),
        (new_markdown_cell("## 1. Explore"), "slide"),
        (new_code_cell(EXPLORER.strip()), None),
        (new_markdown_cell("## 2. Hide"), "slide"),
        (new_code_cell(MASKING.strip()), None),
        (new_code_cell(PREDICTION.strip()), "slide"),
        (new_markdown_cell("The end."), "slide"),
    ]
    for cell, kind in cells:
        if kind:
            cell.metadata.slideshow = {"slide_type": kind}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=[cell for cell, _ in cells], metadata={"kernelspec": kernel})


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Lab]:
    """The JupyterLab that the command starts, with one notebook more."""
    folder = tmp_path_factory.mktemp("live")
    nbformat.write(play(), folder / f"{PLAY}.ipynb")
    notebooks = [FOLDER / f"{name}.ipynb" for name in WALKED] + [folder / f"{PLAY}.ipynb"]
    with (
        serve.stage(notebooks) as stage,
        lab.lab(folder, serve.command(stage, f"{WALKED[0]}.ipynb"), **stage.environment) as started,
    ):
        yield started


@contextmanager
def presented(running: lab.Lab, name: str):
    """Open a notebook as the command does, and give its page once it is on the slides."""
    # the address that the command opens leads to the first of them
    page = running.show("" if name == WALKED[0] else f"doc/tree/{name}.ipynb", WIDTH, HEIGHT)
    try:
        page.wait_for_function(STARTED, timeout=20_000)
        page.wait_for_timeout(1500)  # the deck folds the side panels after a second
        yield page
    finally:
        page.close()


def go(page, key: str) -> int:
    """Press a key that moves on, and return the cell that is reached."""
    before = page.evaluate(AT)
    page.keyboard.press(key)
    page.wait_for_function(MOVED, arg=before)
    return page.evaluate(AT)


def faults(page) -> list[str]:
    """Say what is wrong on the slide, once formulas and code are drawn."""
    for _ in range(15):
        page.wait_for_timeout(100)
        if not (found := page.evaluate(FAULTS, [WIDTH, HEIGHT, SMALLEST])):
            break
    return found


@pytest.mark.parametrize("name", WALKED)
def test_page_down_alone_leads_through_every_slide_and_all_of_it_can_be_read(running, name):
    kinds = [
        cell.metadata.get("slideshow", {}).get("slide_type")
        for cell in nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells
    ]
    shown = [n for n, kind in enumerate(kinds) if kind not in UNSEEN]
    with presented(running, name) as page:
        reached, wrong = [page.evaluate(AT)], []
        while reached[-1] != shown[-1]:
            if kinds[reached[-1]] in STARTS and (found := faults(page)):
                wrong.append((reached[-1], found))
            reached.append(go(page, "PageDown"))
        assert reached == shown and wrong == []
        assert go(page, "PageUp") == shown[-2]


def test_cells_run_on_the_slide_and_figures_answer(running):
    with presented(running, PLAY) as page:
        assert [go(page, "PageDown") for _ in range(2)] == [2, 3]
        page.keyboard.press("F7")  # the imports are on no slide
        page.wait_for_function(f"() => ({COUNTS})()[1] > 0", timeout=60_000)
        page.keyboard.press("Shift+Enter")
        view = page.locator(".lec-explorer")
        view.locator(".map").wait_for(timeout=30_000)
        assert page.evaluate(AT) == 3 and faults(page) == []
        box = view.locator(".map").bounding_box()
        page.mouse.click(box["x"] + 0.7 * box["width"], box["y"] + 0.56 * box["height"])
        view.locator(".status", has_text="“two” in head 1").wait_for()
        page.keyboard.press("ArrowDown")
        view.locator(".status", has_text="“three” in head 1").wait_for()
        view.get_by_label("stretch each row").check()
        assert [go(page, key) for key in ("PageDown", "PageDown")] == [4, 5]  # also from within a figure

        page.keyboard.press("Shift+Enter")
        view = page.locator(".lec-playground")
        status = view.locator(".status")
        status.filter(has_text="12 of 16 patches hidden. Error on them").wait_for(timeout=60_000)
        assert page.evaluate(AT) == 5 and faults(page) == []
        view.get_by_role("button", name="show all").click()
        stage = view.locator(".stage").nth(1)
        box = stage.bounding_box()
        page.mouse.click(box["x"] + 10, box["y"] + 10)
        status.filter(has_text="1 of 16 patches hidden. Error on them").wait_for()
        stage.focus()
        for key in ("ArrowRight", " "):
            page.keyboard.press(key)
        status.filter(has_text="2 of 16 patches hidden. Error on them").wait_for()

        page.keyboard.press("Escape")  # does not leave the slides
        assert go(page, "PageDown") == 6
        page.keyboard.press("Shift+Enter")
        page.get_by_label("the second").check()
        assert page.evaluate(AT) == 6 and faults(page) == []
        page.evaluate("() => document.activeElement.blur()")  # as a click beside the slide does
        assert go(page, "PageUp") == 5
        page.keyboard.press("F9")
        code = page.locator(".jp-CodeCell.jp-deck-mod-visible .jp-Cell-inputWrapper")
        code.wait_for(state="hidden")
        page.keyboard.press("Shift+F9")
        code.wait_for()
        page.keyboard.press("F8")
        page.wait_for_function(f"() => !({STARTED})()")
        page.keyboard.press("F8")
        page.wait_for_function(STARTED)
        assert page.evaluate(AT) == 5


def test_nothing_failed_and_no_other_host_was_asked(running):
    assert running.hosts - {""} == {"127.0.0.1"}
    assert running.errors == []


def test_the_files_of_the_repository_are_untouched(running):
    copies = {Path(path).name for path in running.folder.iterdir()}
    assert copies >= {f"{PLAY}.ipynb"} and not copies & {f"{name}.ipynb" for name in WALKED}
