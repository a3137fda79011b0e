"""Run a notebook in a clean kernel, under conditions that two runs share."""

import copy
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbformat import NotebookNode
from tqdm import tqdm

from lecturelib.workshop import Failed

CELL_TIMEOUT = 300  # seconds; without a limit a kernel can hang for ever

# One thread and a fixed hash seed make two runs equal; in strict mode a claim that fails stops the notebook.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "LECTURELIB_STRICT": "1",
}


class CellFailed(Failed):
    """A cell raised an error; the message names the cell."""


class KernelLost(Failed):
    """The kernel did not start, hung or died, which says little about a cell."""


def execute(
    nb: NotebookNode,
    folder: Path,
    name: str,
    timeout: int = CELL_TIMEOUT,
    environment: Mapping[str, str] = ENVIRONMENT,
    seen: Callable[[NotebookNode], None] = lambda cell: None,
    quiet: bool = False,
) -> NotebookNode:
    """Run every cell in one new kernel, in a folder; `seen` is called with each cell after it was run.

    Unless it is to be quiet, a progress bar shows how far it is.
    Returns: a new notebook with the outputs of the run.
    Raises: CellFailed where a cell raises an error, and KernelLost where the kernel does not start, hangs or dies.
    """
    nb = copy.deepcopy(nb)
    client = NotebookClient(
        nb,
        timeout=timeout,
        startup_timeout=CELL_TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--log-level=ERROR"],  # the kernel's own notes would break the progress bar
        record_timing=False,
        store_widget_state=False,
    )
    inherited = {key: value for key, value in os.environ.items() if key != "MPLBACKEND"}
    client.reset_execution_trackers()
    place = name
    try:
        with client.setup_kernel(env={**inherited, **environment}):
            for index, cell in enumerate(tqdm(nb.cells, desc=name, unit="cell", disable=quiet)):
                place = f"{name}, cell {cell.id!r}"
                client.execute_cell(cell, index)
                seen(cell)
    except CellExecutionError as error:
        raise CellFailed(f"{place}:\n{error}") from None
    except CellTimeoutError:
        raise KernelLost(f"{place}: no answer within {timeout} s") from None
    except RuntimeError as problem:  # the kernel died, or did not answer when it was started
        raise KernelLost(f"{place}: {problem}") from None
    return nb
