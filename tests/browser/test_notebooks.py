"""Notebooks in a real JupyterLab: cells run, widgets appear, without findings of axe, and are read without a kernel.

Trainings are cut short (tests/quick), so a claim may not hold here, and says so; nbval runs the notebooks in full.
Half of them run here, the others on Colab's stand-in: what a notebook's cells do is the same in both, and each kind of
widget is shown in both by tests of its own.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import axe, lab
from tests.browser.test_widgets import use_theme
from tests.stand_ins import FULL, IN_JUPYTERLAB, STEPS, UNLIKE
from tests.tools import REQUIRED, needs
from tests.working_tree import ROOT

pytestmark = [pytest.mark.platform, needs(not lab.MISSING, lab.HOW)]

WAIT = 20  # seconds for widgets to appear, once all cells have run

# What is wrong in the page with each cell, in words. Each output of a cell has a node of its own.
PROBLEMS = """async () => {
  const problems = [];
  // one color is none: a canvas that was never painted, a picture that was never drawn
  const blank = (picture, wide, high) => {
    const copy = Object.assign(document.createElement('canvas'), {width: wide, height: high});
    const context = copy.getContext('2d');
    context.drawImage(picture, 0, 0);
    const pixels = new Uint32Array(context.getImageData(0, 0, wide, high).data.buffer);
    return pixels.every((pixel) => pixel === pixels[0]);
  };
  const seen = (node) => node.checkVisibility({visibilityProperty: true, opacityProperty: true})
    && node.getBoundingClientRect().width > 1 && node.getBoundingClientRect().height > 1;
  for (const cell of jupyterapp.shell.currentWidget.content.widgets) {
    if (cell.model.type !== 'code') continue;
    const say = (text) => problems.push(`${cell.model.id}: ${text}`);
    if (cell.model.executionCount === null) say('was not run');
    const outputs = cell.model.sharedModel.outputs;
    if (cell.outputArea.widgets.length !== outputs.length) say('an output has no place in the page');
    outputs.forEach((output, n) => {
      const node = cell.outputArea.widgets[n]?.node;
      if (output.output_type === 'error') say(`${output.ename}: ${output.evalue}`);
      if (!node || !('application/vnd.jupyter.widget-view+json' in (output.data ?? {}))) return;
      const view = node.querySelector('.jp-OutputArea-output.lm-Panel > *'); // a picture in its place has no panel
      if (!view || !seen(view)) say(`its widget is not shown: ${output.data['text/plain']}`);
      for (const bad of ['Error displaying widget', 'Loading widget']) {
        if (node.textContent.includes(bad)) say(bad);
      }
    });
    // the upper canvas of two shows what moves, and a pad is empty until somebody draws
    for (const picture of cell.outputArea.node.querySelectorAll('img, canvas:not(canvas + canvas, .pad-box canvas)')) {
      if (!seen(picture)) continue;
      const [wide, high] = [picture.naturalWidth ?? picture.width, picture.naturalHeight ?? picture.height];
      if (picture.complete === false || !wide || !high || blank(picture, wide, high)) say('a picture is blank');
    }
  }
  return problems;
}"""
# The code cells with an interactive figure: with a widget, and a picture for those who only read.
FIGURES = """() => jupyterapp.shell.currentWidget.content.widgets.filter((cell) => cell.model.type === 'code')
  .flatMap((cell, n) => cell.model.sharedModel.outputs.some(({data}) => data && 'image/png' in data
    && 'application/vnd.jupyter.widget-view+json' in data) ? [n] : [])"""


# Runs each cell that took less than a second once more, the last one first, so that it meets the names as those further
# down have left them; returns which of them say or draw something else. Where texts may vary, it counts the outputs.
AGAIN = """async () => {
  const notebook = jupyterapp.shell.currentWidget.content, changed = [];
  const said = ({model}) => {
    const outputs = model.sharedModel.outputs;
    if ((model.getMetadata('tags') ?? []).includes('nbval-ignore-output')) return outputs.length;
    const shown = outputs.filter(({text}) => !text);
    return JSON.stringify([
      outputs.flatMap(({text}) => text ?? []).join(''), // in one piece or in several
      shown.map(({ename, data}) => [ename, data?.['text/plain'], data?.['image/png']]),
    ]);
  };
  for (const [n, cell] of [...notebook.widgets.entries()].reverse()) {
    const timing = cell.model.type === 'code' && cell.model.getMetadata('execution');
    if (!timing || new Date(timing['shell.execute_reply']) - new Date(timing['iopub.execute_input']) >= 1000) continue;
    const before = said(cell);
    notebook.activeCellIndex = n;
    await jupyterapp.commands.execute('notebook:run-cell');
    if (said(cell) !== before) changed.push(cell.model.sharedModel.source);
  }
  return changed;
}"""


def problems(page: Any) -> list[str]:
    """Return what is wrong in the page, once nothing is or the time is up."""
    for _ in range(4 * WAIT):
        found = page.evaluate(PROBLEMS)
        if not found:
            break
        page.wait_for_timeout(250)
    return found


def test_a_name_that_is_reused_and_a_generator_that_goes_on_are_noticed(jupyterlab):
    lab.write(jupyterlab.folder / "again.ipynb", UNLIKE)
    assert jupyterlab.run("again.ipynb").evaluate(AGAIN) == UNLIKE[4:0:-1]


@pytest.fixture
def quick(tmp_path: Path, browser: Any, name: str) -> Iterator[lab.Lab]:
    """JupyterLab beside one notebook; its kernel cuts trainings short, and a claim may fail."""
    shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", tmp_path)
    path = os.pathsep.join([str(ROOT / "tests" / "quick"), os.environ["PYTHONPATH"]])
    steps = str(FULL.get(name, STEPS))
    with lab.serve(tmp_path, PYTHONPATH=path, LECTURELIB_STRICT="", LECTURELIB_STEPS=steps) as server:
        yield lab.beside(server, tmp_path, browser)


@pytest.mark.parametrize("name", IN_JUPYTERLAB)
def test_a_notebook_runs_again_is_usable_by_all_and_can_be_read_without_a_kernel(quick, name):
    page = quick.run(f"{name}.ipynb")
    assert problems(page) == []
    figures = page.evaluate(FIGURES)
    page.evaluate(lab.SAVE)
    assert page.evaluate(AGAIN) == []
    for theme in ("Dark", "Light") if axe.SCRIPT or REQUIRED else ():
        use_theme(page, f"JupyterLab {theme}")
        for cell in figures:
            assert axe.findings(page.locator(".jp-CodeCell").nth(cell).locator(".jp-Cell-outputArea")) == []
    page.close()
    quick.server.end_kernels()
    page = quick.open_foreign(f"{name}.ipynb", figures)
    assert page.get_by_text("Error displaying widget").count() == page.get_by_text("Loading widget").count() == 0
    assert quick.hosts - {""} == {"127.0.0.1"} and quick.errors == []
