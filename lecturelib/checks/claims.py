"""A claim: one sentence of conclusion, computed where it is said."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch


class ClaimFailed(AssertionError):
    """A claim does not hold, and the environment asks that this stop the run (LECTURELIB_STRICT=1)."""


def claim(sentence: str, holds: Any) -> None:
    """Say whether a sentence is true of what was just measured.

    In a changed run a claim may fail: then it says so and asks why. With LECTURELIB_STRICT=1 in the environment, as
    in the tests, a claim that fails stops the notebook.

    Raises: ValueError if `holds` is not a single truth value; `ClaimFailed` for a false claim under
        LECTURELIB_STRICT=1.

    >>> claim("two is even", 2 % 2 == 0)
    Claim holds: two is even.
    """
    single = isinstance(holds, torch.Tensor | np.ndarray) and holds.ndim == 0 and "bool" in str(holds.dtype)
    if single or isinstance(holds, np.bool_):
        holds = bool(holds)
    if not isinstance(holds, bool):
        raise ValueError(
            f"claim({sentence!r}) was given {holds!r}: expected True or False. Compare the measured values, and join "
            f"several of them with all(...)"
        )
    if holds:
        print(f"Claim holds: {sentence}.")
        return
    text = (
        f"Claim does not hold in this run: {sentence}. Something was changed, or chance decided: what is different "
        f"from the run that was saved, and is one seed enough to tell?"
    )
    if os.environ.get("LECTURELIB_STRICT") == "1":
        raise ClaimFailed(text)
    print(text)
