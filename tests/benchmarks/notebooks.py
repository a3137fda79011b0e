"""Print what each notebook costs: python -m tests.benchmarks.notebooks [NAME ...].

Each runs whole, in a kernel of its own, on one thread. How fast the core is says a fixed loop of small operations in
the same kernel, in microseconds a step: the notebooks train small networks, where a step costs about the same whatever
its size. The last CPU seconds are those that a slow core such as Binder's would take. The bars are printed beside the
figures; no test holds them, since a busy machine would decide.
"""

import argparse
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from lecturelib.workshop.notebooks import NOTEBOOKS, find
from lecturelib.workshop.publish.execute import CELL_TIMEOUT, ENVIRONMENT
from lecturelib.workshop.publish.form import WIDGET_VIEW
from lecturelib.workshop.start import PEAK

CPU_BAR = 60  # seconds
LONGER = {"09_foundation_models": 90}
SLOW = 8  # microseconds that the fixed loop takes for a step on a slow core
MEMORY_BAR = 700  # MB, at the peak
LARGER = {"08_scaling": 900, "09_foundation_models": 1300}  # whose subject is what memory is spent on
MB = 2**20

# The kernel's last cell: its peak of memory, its CPU seconds, then those of the fixed loop, at its fastest.
MEASURE = f"""
{PEAK}
import psutil
times = psutil.Process().cpu_times()
print(times.user + times.system + getattr(times, "children_user", 0) + getattr(times, "children_system", 0))
import time, torch
rounds, x, w = [], torch.rand(32, 16), torch.rand(16, 16) / 16
with torch.no_grad():
    for _ in range(5):
        began = time.process_time()
        for _ in range(5_000):
            x = torch.tanh(x @ w)
        rounds.append((time.process_time() - began) / 5_000 * 1e6)
print(min(rounds))
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


class Costs(NamedTuple):
    """What a notebook costs: seconds, MB, and the microseconds of a step of the fixed loop."""

    cpu: float
    wall: float
    peak: float
    step: float
    first_picture: float | None


def measure(path: Path) -> Costs:
    """Run a notebook and return what it costs."""
    nb = nbformat.read(path, as_version=4)
    nb.cells.append(new_code_cell(MEASURE))
    client = Stopwatch(
        nb, timeout=CELL_TIMEOUT, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    )
    client.started = time.perf_counter()
    client.execute(env=os.environ | ENVIRONMENT)
    wall = time.perf_counter() - client.started
    peak, cpu, step = map(float, "".join(output.text for output in nb.cells[-1].outputs).split())
    return Costs(cpu, wall, peak / MB, step, client.first_picture)


def main(argv: list[str] | None = None) -> None:
    """Measure the notebooks that are named, or all, and print one row for each."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.notebooks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as 01_recurrent_networks; without, all")
    names = parser.parse_args(argv).names
    paths = [find(name) for name in names] or sorted(NOTEBOOKS.glob("*.ipynb"))
    slow = f"CPU s at {SLOW} us"
    print(f"{'notebook':<28}{'CPU s':>12}{'us/step':>9}{slow:>15}{'wall s':>9}{'peak MB':>14}{'first picture s':>17}")
    for path in paths:
        costs = measure(path)
        picture = "none" if costs.first_picture is None else f"{costs.first_picture:.1f}"
        bar = LONGER.get(path.stem, CPU_BAR)
        print(
            f"{path.stem:<28}{costs.cpu:>7.1f} /{bar:>3}{costs.step:>9.2f}{costs.cpu * SLOW / costs.step:>15.1f}"
            f"{costs.wall:>9.1f}{costs.peak:>8.0f} /{LARGER.get(path.stem, MEMORY_BAR):>4}{picture:>17}",
            flush=True,
        )


if __name__ == "__main__":
    main()
