"""The path through the whole lecture: it begins where it is asked to, and its keys lead on to the next notebook."""

from importlib.util import find_spec
from itertools import pairwise

import pytest

from lecturelib.workshop.live import plan, serve
from lecturelib.workshop.live.notebooks import read
from lecturelib.workshop.notebooks import NOTEBOOKS, find
from tests.browser import lab
from tests.browser.test_live import SCREENS, STARTED
from tests.tools import needs

pytestmark = [pytest.mark.platform, needs(not lab.MISSING, lab.HOW), needs(find_spec(serve.EXTENSION), serve.HOW)]

FIRST, NEXT = "05_vision_transformer", "06_masked_autoencoder"
HERE = """() => {
  const panel = jupyterapp.shell.currentWidget;
  const cell = panel.content.widgets[panel.content.activeCellIndex];
  if (!cell?.node.classList.contains('jp-deck-mod-visible') || !cell.node.checkVisibility()) return null;
  return [panel.context.path.replace('.ipynb', ''), cell.model.id];
}"""
REACHED = f"(place) => String(({HERE})()) === String(place)"


def on_the_path(name, section):
    """Return the cells that a section of the path shows."""
    shown = next(each for each in read(find(name)).sections if each.title.startswith(section))
    (stop,) = (each for each in plan.read().path if (each.notebook, each.section) == (name, shown.title))
    return [[name, cell] for slide in stop.slides(shown) for cell in slide.cells]


def test_the_keys_lead_along_the_path_from_notebook_to_notebook(tmp_path):
    expected = [*on_the_path(FIRST, "2. "), *on_the_path(NEXT, "1. ")]
    notebooks = sorted(NOTEBOOKS.glob("*.ipynb"))
    with (
        serve.stage(notebooks, at=(FIRST, "2"), plan=plan.read()) as stage,
        lab.lab(tmp_path, serve.command(stage, f"{FIRST}.ipynb"), **stage.environment) as running,
    ):
        page = running.show("", *SCREENS[0])
        page.set_default_timeout(120_000)  # a notebook that opens sets all its formulas, and a kernel starts
        page.wait_for_function(STARTED)
        page.wait_for_function(REACHED, arg=expected[0])
        page.wait_for_timeout(1500)  # the deck folds the side panels after a second
        for before, place in pairwise(expected):
            page.keyboard.press("PageDown")
            page.wait_for_function(REACHED, arg=place)
            page.wait_for_timeout(4000 * (before[0] != place[0]))  # until the keys are those of the new notebook
        for place in expected[-2::-1][: len(on_the_path(NEXT, "1. "))]:  # and back into the first
            page.keyboard.press("PageUp")
            page.wait_for_function(REACHED, arg=place)
        assert running.errors == []
