"""A cell that is run again: readers are told to change things, and run one cell after Run All.

Every cell that takes less than a second is run once more, the last one first, so that it meets the names as those
further down have left them; it must say and draw the same. Trainings are cut short.
"""

import copy
import os
import time
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lecturelib.workshop.publish.execute import ENVIRONMENT
from tests.stand_ins import FULL, NOTEBOOKS, STEPS
from tests.working_tree import ROOT

CHEAP = 1.0  # seconds


def again(nb: nbformat.NotebookNode, folder: str, steps: int) -> list[str]:
    """Run a notebook, then its cheap cells; return those that did not say and draw the same."""
    client = NotebookClient(
        nb, timeout=600, kernel_name="python3", store_widget_state=False, allow_errors=True,
        resources={"metadata": {"path": folder}}, extra_arguments=["--log-level=ERROR"],
    )  # fmt: skip
    environment = ENVIRONMENT | {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "tests" / "quick"), str(ROOT)]),
        "LECTURELIB_STEPS": str(steps),
        "LECTURELIB_STRICT": "0",  # a training that is cut short does not prove much
    }
    client.reset_execution_trackers()
    cheap, changed = [], []
    with client.setup_kernel(env={k: v for k, v in os.environ.items() if k != "MPLBACKEND"} | environment):
        for index, cell in enumerate(nb.cells):
            began = time.monotonic()
            client.execute_cell(cell, index)
            if cell.cell_type == "code" and time.monotonic() - began < CHEAP:
                cheap.append((index, said(cell)))
        for index, before in reversed(cheap):
            cell = copy.deepcopy(nb.cells[index])
            try:
                client.execute_cell(cell, index)
            except CellExecutionError as error:
                changed.append(f"{start(cell)}: {error}")
                continue
            if said(cell) != before:
                changed.append(f"{start(cell)}: {said(cell)} instead of {before}"[:1500])
    return changed


def said(cell: nbformat.NotebookNode) -> list[Any]:
    """Return what a cell says and draws; where the text varies from run to run, how many outputs there are."""
    if "nbval-ignore-output" in cell.metadata.get("tags", []):
        return [len(cell.outputs)]
    printed = "".join(each.get("text", "") for each in cell.outputs)  # in one piece or in several
    shown = [each for each in cell.outputs if "text" not in each]
    return [
        printed,
        *(
            (each.get("ename"), *(each.get("data", {}).get(kind) for kind in ("text/plain", "image/png")))
            for each in shown
        ),
    ]


def start(cell: nbformat.NotebookNode) -> str:
    return cell.source.strip().splitlines()[0][:60]


@pytest.mark.platform
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_cheap_cell_run_again_gives_the_same(name):
    nb = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    assert again(nb, str(ROOT / "notebooks"), FULL.get(name, STEPS)) == []


@pytest.mark.platform
def test_a_name_that_is_reused_and_a_generator_that_goes_on_are_noticed(tmp_path):
    sources = [
        "import random\nimport torch\nx, drawn = 1, random.Random(0)",
        "print(x)",
        "x + 1",
        "drawn.random()",
        "torch.rand(1)",
        "print('fine')",
        "x = 'reused'",
    ]
    nb = new_notebook(cells=[new_markdown_cell("# It"), *map(new_code_cell, sources)])
    changed = again(nb, str(tmp_path), 1)
    assert [each.split(":")[0] for each in changed] == ["torch.rand(1)", "drawn.random()", "x + 1", "print(x)"]
