"""The examples in lecturelib's docstrings run, and every taught file has some."""

import doctest
import importlib
from pathlib import Path

import pytest

from tests.tools import require
from tests.workshop.site.pages import HOW, MISSING

PACKAGE = Path(__file__).parents[1] / "lecturelib"
TAUGHT = sorted(path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__"))
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


@pytest.mark.parametrize("name", TAUGHT)
def test_a_taught_file_has_an_example(name: str) -> None:
    module = importlib.import_module(f"lecturelib.{name}")
    assert any(found.examples for found in doctest.DocTestFinder().find(module))
