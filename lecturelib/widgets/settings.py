"""Settings of an interactive figure: shared with the page, checked in Python, and refused in words."""

from __future__ import annotations

import operator
from typing import Any

import traitlets


class SettingError(traitlets.TraitError, ValueError):
    """A setting that a figure does not have; traitlets takes the old value back."""


class Setting(traitlets.TraitType):  # bare: Colab's traitlets take no types
    """A setting of any type: the figure checks them all, and says what it expected."""


def whole(value: Any, end: int, name: str, before: str = "") -> int:
    """Return a whole number from 0 to end - 1.

    `before` says what else would fit. Raises: SettingError for anything else.
    """
    try:
        found = operator.index(value)
    except TypeError:
        found = -1
    if isinstance(value, bool) or not 0 <= found < end:
        raise SettingError(f"{name} is {value!r}: expected {before}a whole number from 0 to {end - 1}")
    return found
