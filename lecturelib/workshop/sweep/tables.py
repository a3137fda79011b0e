"""Write a table of a sweep: whole, then in the place of the old one, so that a stopped run leaves what it had."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


def write(file: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], beside: str | None = None) -> None:
    """Write the rows into a CSV file, and a text into the .json beside it."""
    texts = {file: None} if beside is None else {file.with_suffix(".json"): beside, file: None}
    halves = {path: path.with_name(path.name + ".part") for path in texts}
    try:
        for path, text in texts.items():
            with halves[path].open("w", newline="", encoding="utf-8") as opened:
                if text is not None:
                    opened.write(text)
                    continue
                writer = csv.DictWriter(opened, columns, lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
        for path, half in halves.items():
            os.replace(half, path)
    finally:
        for half in halves.values():
            half.unlink(missing_ok=True)
