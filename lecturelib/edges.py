"""What the edges of every file ask of their numbers.

    check_whole    sizes and counts are whole numbers

Input is refused where it comes in: constructors, `fit`, `generate`, loaders. A `forward` looks at shapes only.
"""

from __future__ import annotations

import operator


def check_whole(least: int = 1, /, **numbers: object) -> None:
    """Refuse what is not a whole number of at least `least`. NumPy's and torch's whole numbers are whole numbers too.

    Raises: ValueError with the name of the first that is not; a truth value is no number.
    Tool: from notebook 00 on.

    >>> check_whole(batch_size=32, lr=0.1)
    Traceback (most recent call last):
    ValueError: lr=0.1: expected a whole number of 1 or more
    """
    for name, value in numbers.items():
        try:
            right = not isinstance(value, bool) and operator.index(value) >= least  # type: ignore[arg-type]
        except TypeError:
            right = False
        if not right:
            raise ValueError(f"{name}={value!r}: expected a whole number of {least} or more")
