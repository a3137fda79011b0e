"""Measure the table that takes longer than a notebook may."""

import argparse
from pathlib import Path


def sweep(parser: argparse.ArgumentParser) -> None:
    """Measure the table of notebook 07 again. A stopped sweep goes on where it was.

    Every arm, 1 to 100 labels for each class, twenty seeds: fifteen minutes of one core.
    """
    parser.add_argument("--file", type=Path, help="the table (that of the course, in lecturelib/data)")
    parser.add_argument("--fresh", action="store_true", help="start anew, and remove the table that is there")
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> None:
    import torch

    from lecturelib.data.sweeps import TRANSFER, transfer_table
    from lecturelib.figures.parts import interval
    from lecturelib.workshop.sweep.transfer import run

    torch.set_num_threads(1)
    file = given.file or TRANSFER
    if given.fresh:
        file.unlink(missing_ok=True)
    run(file)
    measured = transfer_table(file)
    print("labels a class".ljust(32), *(f"{each:>11}" for each in measured.labels))
    for name, accuracy in measured.accuracy.items():
        cells = (f"{mean:.2f} ± {half:.2f}" for mean, half in zip(*interval(accuracy.numpy(), name), strict=True))
        print(name.ljust(32), *(cell.rjust(11) for cell in cells))
