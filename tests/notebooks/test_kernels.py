"""The kernels of nbval: one that dies is noticed by its process, before any limit; inputs are kept, for claims."""

import subprocess
import sys

import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tests.working_tree import ROOT


def test_inputs_are_kept_and_a_dead_kernel_is_noticed_and_fails_the_rest_of_its_notebook(tmp_path):
    count = "print(len(get_ipython().history_manager.input_hist_raw))"  # an empty one, and this
    cells = [
        new_code_cell(count, execution_count=1, outputs=[new_output("stream", text="2\n")]),
        new_code_cell("import os\nos._exit(3)", execution_count=2),
        new_code_cell("2", execution_count=3),
    ]
    nbformat.write(new_notebook(cells=cells), tmp_path / "dies.ipynb")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-n",
        "0",
        "-c",
        "pyproject.toml",
        "--rootdir=.",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run([*command, tmp_path / "dies.ipynb"], cwd=ROOT, capture_output=True, text=True)
    assert ".FF" in done.stdout and "the kernel died: its process has ended" in done.stdout, done.stdout
