"""What figures ask of their input: refuse what cannot be drawn, and say what to give instead."""

from collections.abc import Iterable, Mapping, Sequence, Sized
from typing import Any

import numpy as np


def same_shape(what: str, one: Sequence[int], other: Sequence[int]) -> None:
    """Refuse shapes that differ."""
    if tuple(one) != tuple(other):
        raise ValueError(f"{what} have shapes {tuple(one)} and {tuple(other)}: expected the same; compare their .shape")


def as_many(what: str, one: Sized, other: Sized) -> None:
    """Refuse two lists of different lengths."""
    same_shape(what, (len(one),), (len(other),))


def known(what: str, names: Iterable[str], among: Iterable[str]) -> None:
    """Refuse names that are not among those that there are."""
    if unknown := sorted(set(names) - set(among)):
        raise ValueError(f"{what} names {unknown}: expected some of {sorted(among)}")


def few(what: str, things: Sized, most: int) -> None:
    """Refuse none, and more than one figure holds."""
    if not 1 <= len(things) <= most:
        raise ValueError(f"{len(things)} {what}: expected 1 to {most}; draw a figure for each few of them")


def results(scores: Mapping[str, Any], what: str, n: int | None = None) -> dict[str, np.ndarray]:
    """Return results as arrays (seeds, n), or (seeds,) without n. Raises: ValueError for none, and another shape."""
    shape = "(seeds,), a number for each seed" if n is None else f"(seeds, {n}), a row for each seed"
    if not scores:
        raise ValueError(f"no {what}: expected at least one name with its results, {shape}")
    arrays = {name: np.asarray(each, float) for name, each in scores.items()}
    for name, each in arrays.items():
        if each.shape[1:] != (() if n is None else (n,)) or not each.size:
            remedy = "" if n is None else "; one seed alone goes in as x[None]"
            raise ValueError(f"{what} of {name!r} have shape {each.shape}: expected {shape}{remedy}")
    return arrays
