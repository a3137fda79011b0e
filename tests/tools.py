"""What several rooms need: tools that not every machine has, the test of a table of bad input, and of what is drawn.

Where a tool is missing, its tests skip and say how to get it. With LECTURELIB_REQUIRE=1 in the environment, as in CI,
nothing is skipped for that reason: the test fails instead.
"""

import contextlib
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch

REQUIRED = os.environ.get("LECTURELIB_REQUIRE") == "1"


def needs(there: object, how: str) -> Any:
    """Return a mark for tests that need a tool: they run if it is there, and else skip and say how to get it."""
    return pytest.mark.skipif(not there and not REQUIRED, reason=how)


def require(there: object, how: str) -> None:
    """Skip the test that is running, or fail it where nothing may be skipped, unless the tool is there."""
    if not there:
        (pytest.fail if REQUIRED else pytest.skip)(how)


def refuses(*table: tuple[Callable[[], object], list[str]]) -> Callable[..., None]:
    """Return the test of a file's table of bad input: each call is refused by a ValueError that holds the words."""

    @pytest.mark.parametrize(("call", "words"), table)
    def test(call: Callable[[], object], words: list[str]) -> None:
        with pytest.raises(ValueError) as refusal:
            call()
        assert not [word for word in words if word not in str(refusal.value)], refusal.value

    return test


@contextlib.contextmanager
def global_generators_left_alone() -> Iterator[None]:
    """Assert that what stands inside draws from none of the generators of Python, NumPy and torch."""

    def states() -> list[object]:
        numpy = np.random.get_state(legacy=False)["state"]
        return [random.getstate(), numpy["key"].tobytes(), numpy["pos"], torch.get_rng_state().tolist()]

    before = states()
    yield
    assert states() == before


def roughly_uniform(drawn: Sequence[str], expected: Sequence[str]) -> bool:
    """Compare counts with equal ones: chi-square below its mean plus five standard deviations."""
    counts = Counter(drawn)
    share = len(drawn) / len(expected)
    chi_square = sum((counts[each] - share) ** 2 / share for each in expected)
    freedom = len(expected) - 1
    return set(counts) == set(expected) and chi_square <= freedom + 5 * (2 * freedom) ** 0.5
