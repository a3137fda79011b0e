"""Every kind of interactive figure in a real Jupyter Notebook 7."""

import sys
from importlib.util import find_spec

import pytest

from tests.browser import lab
from tests.browser.test_notebooks import problems
from tests.browser.test_widgets import CELLS
from tests.tools import needs

pytestmark = [
    pytest.mark.platform,
    needs(not lab.MISSING and find_spec("notebook") is not None, lab.HOW),
]


def test_every_figure_is_shown_and_nothing_asks_another_host(tmp_path, browser):
    lab.write(tmp_path / "widgets.ipynb", CELLS)
    _, home = lab.plain(tmp_path)
    command = [sys.executable, "-m", "notebook", "--ip=127.0.0.1", f"--ServerApp.root_dir={tmp_path}",
               "--JupyterNotebookApp.expose_app_in_browser=True"]  # fmt: skip
    with lab.serve(tmp_path, command, **home) as server:
        seven = lab.beside(server, tmp_path, browser)
        page = seven.show("notebooks/widgets.ipynb", height=6000)
        page.evaluate(lab.RUN_ALL)
        page.locator(".lec-transfer").wait_for(timeout=60_000)
        assert problems(page) == []
    assert seven.hosts - {""} == {"127.0.0.1"}
    assert [each for each in seven.errors if "'schema'" not in each] == []  # Notebook's own, also without a figure
