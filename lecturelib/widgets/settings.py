"""Settings of an interactive figure: shared with the page, checked in Python, and refused in words."""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import traitlets


class SettingError(traitlets.TraitError, ValueError):
    """A setting that a figure does not have; traitlets takes the old value back."""


class Setting(traitlets.TraitType):  # bare: Colab's traitlets take no types
    """A setting of any type: the figure checks them all, and says what it expected."""

    def __init__(self, default: Any, **options: Any) -> None:
        super().__init__(default, **options)
        self.tag(sync=True)


def whole(value: Any, end: int, name: str, before: str = "") -> int:
    """Return a whole number from 0 to end - 1; `before` says what else would fit. Raises: SettingError."""
    try:
        found = operator.index(value)
    except TypeError:
        found = -1
    if isinstance(value, bool) or not 0 <= found < end:
        raise SettingError(f"{name} is {value!r}: expected {before}a whole number from 0 to {end - 1}")
    return found


def number(value: Any, name: str, expected: str, low: float = -np.inf, high: float = np.inf) -> float:
    """Return a number from low to high; `expected` says in words which. Raises: SettingError."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not low <= value <= high:
        raise SettingError(f"{name} is {value!r}: expected {expected}")
    return float(value)


def choice(value: Any, choices: Sequence[Any], name: str) -> Any:
    """Return the one of the choices, words or truth values, that equals the value. Raises: SettingError."""
    for each in choices:
        if isinstance(value, (str, bool, np.bool_)) and value == each:
            return each
    raise SettingError(f"{name} is {value!r}: expected one of {list(choices)}")
