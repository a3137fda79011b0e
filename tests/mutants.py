"""Mutants of the domain: wrong versions of a room's source, each beside the test that must kill it.

A mutant is an exact replacement in the source of one module. The changed source is executed as a module of its own,
which takes the place of the true one in the file of tests; there the named test is called with all its parameters.
The list cannot rot: what is replaced must stand in the present source exactly once. What is no mistake of the domain
(another constant, another comparison) is mutmut's work: see .github/CONTRIBUTING.md.
"""

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import pytest

# how a test fails: a comparison, gradcheck (a RuntimeError), or an error that a reader of the library could meet;
# a NameError, say, would only show that the replacement is broken
KILLED = (AssertionError, RuntimeError, IndexError, ValueError, pytest.fail.Exception)


class Mutant(NamedTuple):
    """A replacement in a module's source, and the test of the same file that must notice it."""

    old: str
    new: str
    killed_by: Callable[..., None]

    def __str__(self) -> str:
        return " -> ".join(text if len(text) < 40 else text[:37] + "..." for text in self[:2])


def planted(module: ModuleType, mutants: list[Mutant]) -> Callable[..., None]:
    """Return the test of a file: each of the mutants of this module is killed.

    Use: `test_mutants = planted(attention, [Mutant("q @ k.mT", "q @ v.mT", test_attend_is_torchs), ...])`, in a file
    that says `from lecturelib import attention` and calls `attention.attend`.
    """
    name, source = module.__name__.rpartition(".")[2], inspect.getsource(module)

    @pytest.mark.parametrize("mutant", mutants, ids=str)
    def test(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
        assert source.count(mutant.old) == 1, f"{mutant.old!r} does not stand once in {name}: write the mutant anew"
        stand_in = ModuleType(module.__name__)
        stand_in.__file__ = module.__file__
        changed = source.replace(mutant.old, mutant.new)
        exec(compile(changed, f"<{name}, changed>", "exec"), stand_in.__dict__)
        names = _plain(mutant.killed_by).__globals__
        assert names[name] is module
        monkeypatch.setitem(names, name, stand_in)
        with pytest.raises(KILLED):
            _call_with_all_parameters(mutant.killed_by)

    return test


def _plain(test: Callable[..., None]) -> Any:
    """Return the function that a test was written as, without the decorators of pytest and hypothesis."""
    return getattr(getattr(test, "hypothesis", None), "inner_test", inspect.unwrap(test))


def _call_with_all_parameters(test: Callable[..., None]) -> None:
    """Call a test as pytest does: once for each combination of its parameters."""
    cases: list[dict[str, Any]] = [{}]
    for mark in getattr(test, "pytestmark", []):
        names, values = mark.args
        if isinstance(names, str):
            cases = [case | {names: value} for case in cases for value in values]
        else:
            cases = [case | dict(zip(names, value, strict=True)) for case in cases for value in values]
    for case in cases:
        test(**case)
