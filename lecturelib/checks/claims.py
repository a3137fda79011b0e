"""A claim: one sentence of conclusion, computed where it is said."""

import math
import os
from typing import Any, SupportsFloat

import numpy as np
import torch

from lecturelib.checks import replication
from lecturelib.checks.replication import within

_ONE_NUMBER = (
    " to compare with a bound: expected one number. Of several, name the one that decides, such as the smallest: "
    "right.min()"
)
_A_TRUTH_VALUE = (
    ": expected True or False, or a number with a bound, such as above=0.9. Join several truth values with all(...)"
)


class ClaimFailed(AssertionError):
    """A claim does not hold, and the environment asks that this stop the run (LECTURELIB_STRICT)."""


def claim(
    sentence: str,
    value: Any,
    *,
    above: SupportsFloat | None = None,
    below: SupportsFloat | None = None,
    between: tuple[SupportsFloat, SupportsFloat] | None = None,
) -> None:
    """Say whether a sentence is true of what was just measured.

    A measured claim gives the value and one bound: `above`, `below` or `between` (a pair). An exact fact gives True or
    False. Where `lecture replicate` has run this notebook with other seeds, and no cell was changed, the line says in
    how many of those runs the claim held.
    In a changed run a claim may fail: then it says so and asks why. With LECTURELIB_STRICT=1 in the environment, as
    for the notebooks that are published, a claim that fails stops the notebook. With LECTURELIB_STRICT=chance, as in
    the tests, it does so where it fails by more than chance explains: the tests run on any processor, and each rounds
    sums in its own way, so that a network ends elsewhere there, as it does with another seed.

    Raises: ValueError if `value` is not a single number where there is a bound, or not a truth value where there is
        none; for more than one bound; `ClaimFailed` for a false claim where LECTURELIB_STRICT asks for it.

    >>> claim("two is even", 2 % 2 == 0)
    Claim holds: two is even.
    >>> claim("most answers are right", 0.97, above=0.9)
    Claim holds: most answers are right (0.97 > 0.9).
    """
    bounds = {"above": above, "below": below, "between": between}
    bounds = {name: bound for name, bound in bounds.items() if bound is not None}
    if bounds:
        value = _single(sentence, value, "iuf", _ONE_NUMBER)
        low, high = _limits(sentence, bounds)
        facts = [_comparison(value, low, high)]
    else:
        value = _single(sentence, value, "b", _A_TRUTH_VALUE)
        low, high, facts = 0.5, None, []
    told, chance = replication.told_claim(sentence, value, low, high)
    facts += told
    text = f"{sentence} ({'; '.join(facts)})" if facts else sentence
    if within(value, low, high):
        print(f"Claim holds: {text}.")
        return
    text = (
        f"Claim does not hold in this run: {text}. Something was changed, or chance decided: what is different "
        f"from the run that was saved, and is one seed enough to tell?"
    )
    strict = os.environ.get("LECTURELIB_STRICT")
    if strict == "1" or (strict == "chance" and not chance):
        raise ClaimFailed(text)
    print(text)


def _comparison(value: float, low: float | None, high: float | None) -> str:
    """Write a value beside its bounds so that what is printed is true: with three digits, or as many as it needs."""
    holds = within(value, low, high)
    tried = (f"{value:.{digits}g}" for digits in range(3, 18))
    shown = next(each for each in tried if within(float(each), low, high) == holds)
    if holds:
        below = f"{low:.6g} < " if low is not None and high is not None else ""
        return below + (f"{shown} < {high:.6g}" if high is not None else f"{shown} > {low:.6g}")
    if low is not None and high is not None:
        return f"{shown} is not between {low:.6g} and {high:.6g}"
    return f"{shown} is not {'above' if low is not None else 'below'} {low if low is not None else high:.6g}"


def _single(sentence: str, value: Any, kinds: str, expected: str) -> Any:
    """A single value of Python, NumPy or torch, of one of NumPy's kinds."""
    single = np.asarray(value.detach() if isinstance(value, torch.Tensor) else value)
    if single.ndim or single.dtype.kind not in kinds:
        raise ValueError(f"claim({sentence!r}) was given {value!r}{expected}")
    return single.item()


def _limits(sentence: str, bounds: dict[str, Any]) -> tuple[float | None, float | None]:
    try:
        ((name, bound),) = bounds.items()
        pair = {"above": (bound, None), "below": (None, bound), "between": bound}[name]
        low, high = (None if each is None else float(each) for each in pair)
        if (-math.inf if low is None else low) < (math.inf if high is None else high):
            return low, high
    except (TypeError, ValueError):
        pass
    given = ", ".join(f"{name}={bound!r}" for name, bound in bounds.items())
    raise ValueError(
        f"claim({sentence!r}) was given {given}: expected one bound, above=0.9, below=0.1, or between=(0.1, 0.9) with "
        "the lower one first"
    )
