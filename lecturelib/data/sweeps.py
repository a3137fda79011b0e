"""A table that takes longer than a notebook may: of notebook 07, the accuracy of every arm, with 1 to 100 labels for
each class and twenty seeds. It comes with the course; `lecture sweep --fresh` measures it again.

Source: measured by lecturelib.workshop.sweep on one core; transfer.json says with which settings and versions.
"""

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
    measured = {(row["arm"], row["seed"], row["labels"]): row["accuracy"] for row in rows(file)}
    arms, seeds, labels = (dict.fromkeys(each) for each in zip(*measured, strict=True))
    if missing := len(arms) * len(seeds) * len(labels) - len(measured):
        raise ValueError(f"{file.name} lacks {missing} of its values: finish it with `lecture sweep --file {file}`")
    accuracy = {
        arm: torch.tensor([[measured[arm, seed, n] for n in sorted(labels)] for seed in sorted(seeds)]) for arm in arms
    }
    return Transfer(sorted(labels), accuracy, about(file))


def rows(file: Path) -> list[dict[str, Any]]:
    """Return the rows of a table; each column's values are made by its own function.

    Raises: ValueError for a table that is not there or is damaged.
    """
    try:
        with file.open(newline="", encoding="utf-8") as opened:
            found = [
                {name: make(row[name]) for name, make in TRANSFER_COLUMNS.items()} for row in csv.DictReader(opened)
            ]
        if not found:
            raise ValueError("it has no rows")
    except (OSError, TypeError, ValueError, KeyError) as problem:
        raise _damaged(file, problem) from None
    return found


def about(file: Path) -> dict[str, Any]:
    """Return what the .json beside a table says: its settings, the versions, and the CPU seconds of each arm.

    Raises: ValueError for one that is not there or is damaged.
    """
    try:
        found = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        return {key: found[key] for key in ("settings", "versions", "hardware", "cpu_seconds")}
    except (OSError, ValueError, TypeError, KeyError) as problem:
        raise _damaged(file.with_suffix(".json"), problem) from None


def _damaged(file: Path, problem: Exception) -> ValueError:
    table = file.with_suffix(".csv")
    return ValueError(
        f"{file.name} is damaged, or not there ({problem!r}): expected it as `lecture sweep` writes it; measure the "
        f"table anew with `lecture sweep --file {table} --fresh`"
    )
