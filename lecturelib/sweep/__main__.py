"""Measure the sweep of notebook 07: every arm, 1 to 100 labels for each class, ten seeds. A stopped run goes on."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from lecturelib.label_efficiency import interval
from lecturelib.sweep.transfer import FILE, run, table


def main() -> None:
    """Read the command line, measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m lecturelib.sweep", description=__doc__)
    parser.add_argument("--file", type=Path, default=FILE, help="the table (a .json stands beside it)")
    parser.add_argument("--threads", type=int, default=1, help="threads of the processor (1 if nothing is said)")
    parser.add_argument("--fresh", action="store_true", help="start anew, and remove the table that is there")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.fresh:
        given.file.unlink(missing_ok=True)
    try:
        run(given.file)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from there", file=sys.stderr)
        sys.exit(130)  # what a shell expects of an interrupted command
    except ValueError as problem:
        sys.exit(str(problem))
    measured = table(given.file)
    print("labels a class".ljust(32), *(f"{each:>11}" for each in measured.labels))
    for name, accuracy in measured.accuracy.items():
        cells = (f"{mean:.2f} ± {half:.2f}" for mean, half in zip(*interval(accuracy), strict=True))
        print(name.ljust(32), *(cell.rjust(11) for cell in cells))


main()
