"""Print the time to a trained heatmap, from a cold kernel: python -m tests.benchmarks.heatmap.

A new Python imports torch and the library, trains the head of notebook 03 that reverses until its map shows the
other diagonal, and draws the map. Wall and CPU seconds of each part, medians over the runs. The start of Python
counts too.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

from lecturelib.workshop.publish.execute import ENVIRONMENT

RUNS = 3
PARTS = ("start and import", "training", "drawing", "in all")

# The network and the task of notebook 03, section 3, at the fewest steps that show it.
SCRIPT = """
import io, json, time
import torch
from lecturelib.attention import Attention, record_attention
from lecturelib.figures import attention as figures
from lecturelib.training import fit, seed_everything
from lecturelib.translation import Pointer, pointer_loss

marks = [(time.time(), time.process_time())]
torch.set_num_threads(1)


def task(n, seed):
    x = torch.rand(n, 16, generator=torch.Generator().manual_seed(seed)).argsort(1)[:, :8]
    y = x.flip(1)
    return x, torch.cat([torch.full((n, 1), 16), y[:, :-1]], 1), y


seed_everything(0)
model = Pointer(Attention(64, d_k=64, d_v=64))
fit(model, pointer_loss, task(20_000, seed=1), steps=STEPS, batch_size=48, seed=0)
marks.append((time.time(), time.process_time()))
x, before, y = task(500, seed=2)
with record_attention(model) as maps, torch.no_grad():
    right = (model(x, before).argmax(-1) == y).float().mean().item()
weights = maps["attention"].weights
drawn = io.BytesIO()
figures.pointer_maps({"reverse": (weights[0], x[0], y[0])}).savefig(drawn, format="png")
marks.append((time.time(), time.process_time()))
diagonal = weights.mean(0).flip(1).diagonal().mean().item()
print(json.dumps([marks, right, diagonal, len(drawn.getvalue())]))
"""
STEPS = 60


def run() -> tuple[list[float], list[float], float, float]:
    """Start a Python of its own; return wall and CPU seconds of the parts, the right answers, the other diagonal."""
    began = time.time()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("STEPS", str(STEPS))],
        env=os.environ | ENVIRONMENT,
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
    )
    marks, right, diagonal, _ = json.loads(done.stdout.splitlines()[-1])
    times = [(began, 0.0), *marks]
    wall, cpu = ([after[k] - before[k] for before, after in pairwise(times)] for k in (0, 1))
    return [*wall, sum(wall)], [*cpu, sum(cpu)], right, diagonal


def main(argv: list[str] | None = None) -> None:
    """Run it several times, and print each part."""
    runs = [run() for _ in range(RUNS)]
    print(f"time to a trained heatmap, {STEPS} steps, median of {RUNS} runs")
    print(f"{'part':<20}{'wall s':>9}{'CPU s':>9}")
    for k, part in enumerate(PARTS):
        wall, cpu = statistics.median(each[0][k] for each in runs), statistics.median(each[1][k] for each in runs)
        print(f"{part:<20}{wall:>9.2f}{cpu:>9.2f}")
    print(f"right answers {runs[0][2]:.3f}; weight on the other diagonal {runs[0][3]:.3f}, spread evenly {1 / 8}")


if __name__ == "__main__":
    main()
