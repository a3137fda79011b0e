"""Measure a table that takes longer than a notebook may: python -m lecturelib sweep [NAME].

transfer   notebook 07: every arm, 1 to 100 labels for each class, ten seeds (what is measured without a NAME)
budget     notebook 08: one number of operations, spent on wide networks or on much text
devices    notebook 08: what this device does, a processor or a GPU

A stopped sweep goes on where it was; `python -m lecturelib sweep NAME --help` lists what can be said about each.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from lecturelib.label_efficiency import interval
from lecturelib.workshop.sweep import budget, devices, transfer


def measure_transfer(arguments: list[str]) -> None:
    """Measure the sweep of notebook 07, and print the table."""
    parser = _parser("transfer", "every arm, 1 to 100 labels for each class, ten seeds; a stopped run goes on")
    parser.add_argument("--file", type=Path, default=transfer.FILE, help="the table (a .json stands beside it)")
    parser.add_argument("--fresh", action="store_true", help="start anew, and remove the table that is there")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    if given.fresh:
        given.file.unlink(missing_ok=True)
    transfer.run(given.file)
    measured = transfer.table(given.file)
    print("labels a class".ljust(32), *(f"{each:>11}" for each in measured.labels))
    for name, accuracy in measured.accuracy.items():
        cells = (f"{mean:.2f} ± {half:.2f}" for mean, half in zip(*interval(accuracy), strict=True))
        print(name.ljust(32), *(cell.rjust(11) for cell in cells))


def measure_budget(arguments: list[str]) -> None:
    """Measure the budgets of notebook 08, and print the mean losses."""
    parser = _parser("budget", "language models by width and operations, three seeds; a stopped run goes on")
    parser.add_argument("--file", type=Path, default=budget.FILE, help="the table")
    parser.add_argument("--fresh", action="store_true", help="start anew, and remove the table that is there")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    if given.fresh:
        given.file.unlink(missing_ok=True)
    budget.run(given.file)
    found = budget.table(given.file)
    print("operations".ljust(12), *(f"{f'width {width}':>10}" for width in found.widths))
    for operations, losses in zip(found.budgets, found.loss.mean(dim=-1).tolist(), strict=True):
        print(f"{operations:<12.2g}", *(f"{loss:>10.3f}" for loss in losses))


def measure_devices(arguments: list[str]) -> None:
    """Measure this device, and put its rows into the table."""
    parser = _parser("devices", "what this device does; its rows in the table are replaced, others stay")
    parser.add_argument("--file", type=Path, default=devices.FILE, help="the table")
    parser.add_argument("--device", default="cpu", help=f"one of {', '.join(devices.DEVICES)}")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    devices.run(given.file, given.device)


# Each takes the rest of the command line.
SWEEPS: dict[str, Callable[[list[str]], None]] = {
    "transfer": measure_transfer,
    "budget": measure_budget,
    "devices": measure_devices,
}


def _parser(name: str, about: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m lecturelib sweep {name}", description=about)
    parser.add_argument("--threads", type=int, default=1, help="threads of the processor (1 if nothing is said)")
    return parser


def main() -> None:
    """Read the command line, and measure."""
    name, rest = "transfer", sys.argv[1:]
    if rest and rest[0] in ("-h", "--help"):
        print(__doc__)
        return
    if rest and not rest[0].startswith("-"):
        name, rest = rest[0], rest[1:]
    if name not in SWEEPS:
        sys.exit(f"there is no sweep {name!r}: expected one of {', '.join(SWEEPS)}")
    try:
        SWEEPS[name](rest)
    except KeyboardInterrupt:
        print("stopped; what a sweep writes row by row is there, and the same command goes on", file=sys.stderr)
        sys.exit(130)  # what a shell expects of an interrupted command
    except (ValueError, OSError) as problem:
        sys.exit(str(problem))


main()
