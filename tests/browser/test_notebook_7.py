"""Every kind of interactive figure in a real Jupyter Notebook 7: it shows, and the kernel hears what is done to it."""

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from tests.browser import lab
from tests.browser.test_notebooks import problems
from tests.browser.test_widgets import CELLS
from tests.tools import needs

pytestmark = [
    pytest.mark.platform,
    needs(not lab.MISSING and find_spec("notebook") is not None, lab.HOW),
]

ASK = """async (code) => { const {kernel} = jupyterapp.shell.currentWidget.sessionContext.session;
  let said = ''; const asked = kernel.requestExecute({code});
  asked.onIOPub = ({content}) => { said += content.text ?? ''; };
  await asked.done; return said.trim(); }"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[tuple[lab.Lab, Any]]:
    """A Notebook 7 with a notebook that has been run."""
    folder = tmp_path_factory.mktemp("seven")
    lab.write(folder / "widgets.ipynb", CELLS)
    _, home = lab.plain(folder)
    command = [sys.executable, "-m", "notebook", "--ip=127.0.0.1", f"--ServerApp.root_dir={folder}",
               "--JupyterNotebookApp.expose_app_in_browser=True"]  # fmt: skip
    with lab.serve(folder, command, **home) as server:
        seven = lab.beside(server, folder, browser)
        page = seven.show("notebooks/widgets.ipynb", height=6000)
        page.evaluate(lab.RUN_ALL)
        page.locator(".lec-transfer").wait_for(timeout=60_000)
        yield seven, page


def test_every_figure_is_shown_and_nothing_asks_another_host(running):
    seven, page = running
    assert problems(page) == []
    assert seven.hosts - {""} == {"127.0.0.1"}
    assert [each for each in seven.errors if "'schema'" not in each] == []  # Notebook's own, also without a figure


def test_the_kernel_hears_of_a_key_and_the_notebook_does_not(running):
    page = running[1]
    cells = page.locator(".jp-Cell").count()
    page.locator(".lec-explorer [aria-label='layer 1, head 1']").focus()
    for key in ("d", "d", "ArrowRight"):  # two times d would cut a cell
        page.keyboard.press(key)
    for _ in range(20):
        if (said := page.evaluate(ASK, "print(explorer.head)")) == "1":
            break
        page.wait_for_timeout(250)
    assert said == "1" and page.locator(".jp-Cell").count() == cells
