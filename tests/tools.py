"""Tools that some tests need and not every machine has: where one is missing, they skip and say how to get it.

With LECTURELIB_REQUIRE=1 in the environment, as in CI, nothing is skipped for that reason: the test fails instead.
"""

import os
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
