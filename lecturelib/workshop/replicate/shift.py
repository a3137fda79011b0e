"""Shift every seed of a process, and write down what its claims and predictions say.

A notebook asks for seeds in many ways, and so do the libraries that it uses. In the end all of them reach one of the
generators of Python, NumPy or torch, and that is where the shift is added.
"""

import functools
import json
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from lecturelib.checks import replication

# what takes a seed: functions, and classes with the method that takes it
FUNCTIONS = [(random, "seed"), (np.random, "seed"), (np.random, "default_rng"), (torch, "manual_seed"),
             (torch.random, "manual_seed")]  # fmt: skip
CLASSES = [(random, "Random", "seed"), (np.random, "RandomState", "__init__"), (np.random, "SeedSequence", "__init__"),
           (torch, "Generator", "manual_seed")]  # fmt: skip
STEP = 7_919  # from one run to the next: far more than the seeds that a notebook uses


def begin(run: int, rows: str) -> None:
    """Shift all seeds that this process will use, and append a line of JSON to a file for each claim and outcome."""
    shift(run * STEP)

    def write(said: dict[str, Any]) -> None:
        with open(rows, "a", encoding="utf-8") as file:
            file.write(json.dumps(said) + "\n")

    replication.listeners.append(write)


def shift(by: int) -> None:
    """Add a number to every seed from now on, whoever gives it: to Python's, NumPy's or torch's generators."""

    def moved(seed: Any) -> Any:
        if isinstance(seed, int | np.integer):
            return (int(seed) + by) % 2**32
        return [moved(each) for each in seed] if isinstance(seed, list | tuple) else seed

    def moves(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def shifted(seed: Any = None, *others: Any, **options: Any) -> Any:
            return function(moved(seed), *others, **options)

        return shifted

    for home, name in FUNCTIONS:
        setattr(home, name, moves(getattr(home, name)))
    for home, name, method in CLASSES:
        setattr(home, name, _like(getattr(home, name), method, moved))


def _like(kind: Any, method: str, moved: Callable[[Any], Any]) -> Any:
    """Return a class that is like another but for one method, whose first argument is moved.

    What the other class has made, and will make where it is known by its own name, counts as made by this one.
    """
    original = getattr(kind, method)

    def shifted(self: Any, seed: Any = None, *others: Any, **options: Any) -> Any:
        return original(self, moved(seed), *others, **options)

    class Meta(type(kind)):  # type: ignore[misc]
        def __instancecheck__(cls, thing: Any) -> bool:
            return isinstance(thing, kind)

    return Meta(kind.__name__, (kind,), {method: functools.wraps(original)(shifted)})
