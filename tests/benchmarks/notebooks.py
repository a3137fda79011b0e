"""Print what each notebook costs: python -m tests.benchmarks.notebooks [NAME ...].

Each runs whole, in a kernel of its own, on one thread. How fast the core is says a fixed loop of small operations,
timed in the same kernel before and after each cell, in microseconds a step: the notebooks train small networks, where a
step costs about the same whatever its size, and a shared core can change its speed by half between two cells. The last
CPU seconds are those that a slow core such as Binder's would take. The bars are printed beside the figures; no test
holds them, since a busy machine would decide.
"""

import argparse
import os
import time
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from lecturelib.workshop.notebooks import all_in, find
from lecturelib.workshop.publish.execute import CELL_TIMEOUT, ENVIRONMENT
from lecturelib.workshop.start import PEAK

CPU_BAR = 60  # seconds
LONGER = {"09_foundation_models": 90}
SLOW = 8  # microseconds that the fixed loop takes for a step on a slow core
MEMORY_BAR = 700  # MB, at the peak
LARGER = {
    "05_vision_transformer": 800,
    "06_masked_autoencoder": 800,
    "07_transfer_learning": 800,
    "08_scaling": 900,
    "09_foundation_models": 1300,
}  # images, and where the subject is what memory is spent on
MB = 2**20

# Goes before and after each cell of the notebook: prints the kernel's CPU seconds so far, the microseconds of a step of
# the fixed loop, then the CPU seconds so far once more, so that the loop's own can be left out.
LOOP = """
def _pace():
    import time, psutil, torch
    def spent():
        times = psutil.Process().cpu_times()
        return times.user + times.system + getattr(times, "children_user", 0) + getattr(times, "children_system", 0)
    before, rounds = spent(), []
    generator = torch.Generator().manual_seed(0)
    x, w = torch.rand(32, 16, generator=generator), torch.rand(16, 16, generator=generator) / 16
    with torch.no_grad():
        for _ in range(4):
            began = time.process_time()
            for _ in range(2_000):
                x = torch.tanh(x @ w)
            rounds.append((time.process_time() - began) / 2_000 * 1e6)
    print(before, sorted(rounds)[1], spent())
_pace()
"""


class Cell(NamedTuple):
    """What a cell costs: CPU seconds, microseconds of a step of the fixed loop meanwhile, seconds on a slow core."""

    begins: str
    cpu: float
    step: float
    slow: float


class Costs(NamedTuple):
    """What a notebook costs: its cells, seconds on the clock, MB."""

    cells: list[Cell]
    wall: float
    peak: float


def measure(path: Path) -> Costs:
    """Run a notebook and return what it costs."""
    nb = nbformat.read(path, as_version=4)
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    loops = [new_code_cell(LOOP) for _ in range(len(code) + 1)]
    memory = new_code_cell(PEAK)
    nb.cells = [loops[0], *(cell for pair in zip(code, loops[1:], strict=True) for cell in pair), memory]
    client = NotebookClient(
        nb,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        extra_arguments=["--log-level=ERROR"],
    )
    started = time.perf_counter()
    client.execute(env=os.environ | ENVIRONMENT)
    wall = time.perf_counter() - started

    def printed(cell: NotebookNode) -> str:  # the kernel may send one line in two parts
        return "".join(output.text for output in cell.outputs)

    cells = []
    left, pace = 0.0, None  # what the kernel spent before the first cell, on its imports, counts as well
    for loop, cell in zip(loops, [None, *code], strict=True):
        before, step, after = map(float, printed(loop).split())
        begins = cell.source.partition("\n")[0] if cell else "imports"
        cpu, between = before - left, ((pace or step) + step) / 2
        cells.append(Cell(begins, cpu, between, cpu * SLOW / between))
        left, pace = after, step
    return Costs(cells, wall, float(printed(memory)) / MB)


def main(argv: list[str] | None = None) -> None:
    """Measure the notebooks that are named, or all, and print one row for each."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.notebooks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as 01_recurrent_networks; without, all")
    parser.add_argument("--cells", action="store_true", help="print the five dearest cells of each as well")
    arguments = parser.parse_args(argv)
    paths = [find(name) for name in arguments.names] or all_in()
    slow = f"CPU s at {SLOW} us"
    print(f"{'notebook':<28}{'CPU s':>7}{'us/step':>9}{slow:>15}{'wall s':>13}{'peak MB':>14}")
    for path in paths:
        costs = measure(path)
        cpu, scaled = sum(cell.cpu for cell in costs.cells), sum(cell.slow for cell in costs.cells)
        print(
            f"{path.stem:<28}{cpu:>7.1f}{cpu * SLOW / scaled:>9.2f}{scaled:>15.1f} /{LONGER.get(path.stem, CPU_BAR):>3}"
            f"{costs.wall:>8.1f}{costs.peak:>8.0f} /{LARGER.get(path.stem, MEMORY_BAR):>4}",
            flush=True,
        )
        if arguments.cells:
            for cell in sorted(costs.cells, key=lambda cell: -cell.slow)[:5]:
                print(f"    {cell.cpu:>7.1f}{cell.step:>9.2f}{cell.slow:>15.1f}  {cell.begins}")


if __name__ == "__main__":
    main()
