"""What several rooms need: tools that not every machine has, and the test of a table of bad input.

Where a tool is missing, its tests skip and say how to get it. With LECTURELIB_REQUIRE=1 in the environment, as in CI,
nothing is skipped for that reason: the test fails instead.
"""

import os
from collections.abc import Callable
from typing import Any

import pytest

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
