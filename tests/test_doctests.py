"""The examples in lecturelib's docstrings run."""

import doctest
import importlib
from pathlib import Path

import pytest

from tests.tools import require
from tests.workshop.site.pages import HOW, MISSING

PACKAGE = Path(__file__).parents[1] / "lecturelib"
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if path.stem not in ("__init__", "__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(name: str) -> None:
    require(not (MISSING and name.startswith("lecturelib.workshop.site.")), HOW)
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
