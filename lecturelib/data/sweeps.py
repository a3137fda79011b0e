"""A table that takes longer than a notebook may. It comes with the course; `lecture sweep --fresh` measures it again.

transfer_table   notebook 07: the accuracy of every arm, with 1 to 100 labels for each class and twenty seeds

Source: measured by lecturelib.workshop.sweep on one core; transfer.json says with which settings and versions.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
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
    measured = rows(file, TRANSFER_COLUMNS)
    (arms, _, labels), accuracy = _grid(file, measured, ("arm", "seed", "labels"), "accuracy")
    return Transfer(labels, dict(zip(arms, accuracy, strict=True)), about(file))


def rows(file: Path, columns: Mapping[str, Callable[[str], Any]]) -> list[dict[str, Any]]:
    """Return the rows of a table; each column's values are made by its own function.

    Raises: ValueError for a table that is not there or is damaged.
    """
    if not file.exists():
        raise ValueError(f"{file.name} is not there: measure it with `{_command(file)}`")
    try:
        with file.open(newline="", encoding="utf-8") as opened:
            reader = csv.DictReader(opened)
            found = list(reader)
        if reader.fieldnames != list(columns):
            raise ValueError(f"its columns are {reader.fieldnames}")
        return [{name: make(row[name]) for name, make in columns.items()} for row in found]
    except (TypeError, ValueError) as problem:
        raise ValueError(
            f"{file.name} is damaged ({problem}): expected the columns {', '.join(columns)}, a value in each; measure "
            f"it anew with `{_command(file)} --fresh`"
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


def _grid(file: Path, rows: Sequence[Mapping[str, Any]], axes: Sequence[str], value: str) -> tuple[Any, torch.Tensor]:
    """Return the values of each axis, and a tensor with one dimension for each; numbers are sorted, names are not."""
    places = [list(dict.fromkeys(row[axis] for row in rows)) for axis in axes]
    places = [each if each and isinstance(each[0], str) else sorted(each) for each in places]
    grid = torch.full([len(each) for each in places], torch.nan)
    for row in rows:
        grid[tuple(each.index(row[axis]) for axis, each in zip(axes, places, strict=True))] = row[value]
    if not rows or grid.isnan().any():
        raise ValueError(
            f"{file.name} lacks {max(1, int(grid.isnan().sum()))} of its values: finish it with `{_command(file)}`"
        )
    return places, grid


def _command(file: Path) -> str:
    return "lecture sweep" if file == TRANSFER else f"lecture sweep --file {file}"
