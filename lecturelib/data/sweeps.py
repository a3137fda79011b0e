"""A table that takes longer than a notebook may. It comes with the course; `lecture sweep --fresh` measures it again.

transfer_table   notebook 07: the accuracy of every arm, with 1 to 100 labels for each class and twenty seeds

Source: measured by lecturelib.workshop.sweep on one core; transfer.json says with which settings and versions.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

TRANSFER = Path(__file__).with_name("transfer.csv")
TRANSFER_COLUMNS: dict[str, Callable[[str], Any]] = {"arm": str, "labels": int, "seed": int, "accuracy": float}


class Transfer(NamedTuple):
    """What the table of notebook 07 holds. Shapes: accuracy[arm] (seeds, labels)."""

    labels: list[int]
    accuracy: dict[str, torch.Tensor]
    about: dict[str, Any]


def transfer_table(file: Path = TRANSFER) -> Transfer:
    """Return the accuracies that were measured for notebook 07.

    Raises: ValueError for a table that is not there, is damaged or is not finished.

    >>> measured = transfer_table()
    >>> measured.labels, measured.accuracy["pixels"].shape
    ([1, 5, 20, 100], torch.Size([20, 4]))
    """
    measured = rows(file)
    seeds, labels = (sorted({row[axis] for row in measured}) for axis in ("seed", "labels"))
    accuracy = {row["arm"]: torch.full((len(seeds), len(labels)), torch.nan) for row in measured}
    for row in measured:
        accuracy[row["arm"]][seeds.index(row["seed"]), labels.index(row["labels"])] = row["accuracy"]
    if missing := sum(int(each.isnan().sum()) for each in accuracy.values()) if measured else 1:
        raise ValueError(f"{file.name} lacks {missing} of its values: finish it with `{_command(file)}`")
    return Transfer(labels, accuracy, about(file))


def rows(file: Path) -> list[dict[str, Any]]:
    """Return the rows of a table; each column's values are made by its own function.

    Raises: ValueError for a table that is not there or is damaged.
    """
    if not file.exists():
        raise ValueError(f"{file.name} is not there: measure it with `{_command(file)}`")
    try:
        with file.open(newline="", encoding="utf-8") as opened:
            reader = csv.DictReader(opened)
            found = list(reader)
        if reader.fieldnames != list(TRANSFER_COLUMNS):
            raise ValueError(f"its columns are {reader.fieldnames}")
        return [{name: make(row[name]) for name, make in TRANSFER_COLUMNS.items()} for row in found]
    except (TypeError, ValueError) as problem:
        raise ValueError(
            f"{file.name} is damaged ({problem}): expected the columns {', '.join(TRANSFER_COLUMNS)}, a value in each; "
            f"measure it anew with `{_command(file)} --fresh`"
        ) from None


def about(file: Path) -> dict[str, Any]:
    """Return what the .json beside a table says: its settings, the versions, and the CPU seconds of each arm.

    Raises: ValueError for one that is not there or is damaged.
    """
    beside = file.with_suffix(".json")
    try:
        found = json.loads(beside.read_text(encoding="utf-8"))
        return {key: found[key] for key in ("settings", "versions", "hardware", "cpu_seconds")}
    except (OSError, ValueError, TypeError, KeyError) as problem:
        raise ValueError(
            f"{beside.name} is damaged ({problem!r}): expected it as `{_command(file)}` wrote it; measure the table "
            f"anew with `{_command(file)} --fresh`"
        ) from None


def _command(file: Path) -> str:
    return "lecture sweep" if file == TRANSFER else f"lecture sweep --file {file}"
