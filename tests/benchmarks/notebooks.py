"""Print what each notebook costs: python -m tests.benchmarks.notebooks [NAME ...].

Each runs whole, in a kernel of its own, on one thread. The bars are printed beside the figures; no test holds
them, since a busy machine would decide.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from lecturelib.workshop.notebooks import NOTEBOOKS, find
from lecturelib.workshop.publish.execute import CELL_TIMEOUT, ENVIRONMENT
from lecturelib.workshop.publish.form import WIDGET_VIEW

CPU_BAR = 60  # seconds
MEMORY_BAR = 700  # MB, at the peak
LARGER = {"08_scaling": 900}  # whose subject is what memory is spent on
MB = 2**20

# The kernel's last cell. The peak stands in psutil on Windows, elsewhere in `resource`: kB, macOS bytes.
MEASURE = """
import json, sys
import psutil
times = psutil.Process().cpu_times()
cpu = times.user + times.system + getattr(times, "children_user", 0) + getattr(times, "children_system", 0)
if sys.platform == "win32":
    peak = psutil.Process().memory_info().peak_wset
else:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps([cpu, peak]))
"""


class Stopwatch(NotebookClient):
    """A notebook client that notes when the first picture or widget appears."""

    started = 0.0
    first_picture: float | None = None

    def process_message(self, msg: dict[str, Any], cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        """Look at each message from the kernel on its way into the outputs."""
        if self.first_picture is None and {"image/png", WIDGET_VIEW} & set(msg["content"].get("data", {})):
            self.first_picture = time.perf_counter() - self.started
        return super().process_message(msg, cell, cell_index)


def measure(path: Path) -> tuple[float, float, float, float | None]:
    """Run a notebook; return CPU seconds, wall seconds, peak MB, and the seconds to the first picture."""
    nb = nbformat.read(path, as_version=4)
    nb.cells.append(new_code_cell(MEASURE))
    client = Stopwatch(
        nb, timeout=CELL_TIMEOUT, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    )
    client.started = time.perf_counter()
    client.execute(env=os.environ | ENVIRONMENT)
    wall = time.perf_counter() - client.started
    cpu, peak = json.loads(nb.cells[-1].outputs[0].text)
    return cpu, wall, peak / MB, client.first_picture


def main(argv: list[str] | None = None) -> None:
    """Measure the notebooks that are named, or all, and print one row for each."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.notebooks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as 01_recurrent_networks; without, all")
    names = parser.parse_args(argv).names
    paths = [find(name) for name in names] or sorted(NOTEBOOKS.glob("*.ipynb"))
    print(f"{'notebook':<28}{'CPU s':>12}{'wall s':>9}{'peak MB':>14}{'first picture s':>18}")
    for path in paths:
        cpu, wall, peak, first = measure(path)
        picture = "none" if first is None else f"{first:.1f}"
        bar = LARGER.get(path.stem, MEMORY_BAR)
        print(
            f"{path.stem:<28}{cpu:>7.1f} /{CPU_BAR:>3}{wall:>9.1f}{peak:>8.0f} /{bar:>4}{picture:>18}",
            flush=True,
        )


if __name__ == "__main__":
    main()
