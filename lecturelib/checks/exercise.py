"""The machinery of the checks: run a student's answer, recognise a known mistake, and answer in a sentence.

An `Exercise` holds probes, the right results (computed by torch or by definition, never by the library's own
solution), and a catalogue of mistakes. Each mistake is code that makes it; an answer that behaves like that code on
all probes is told its name. So a check never prints the solution, and it cannot praise a wrong answer.
"""

from __future__ import annotations

import copy
import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch


class Mistake(NamedTuple):
    """A known wrong answer: its name, the sentence that points at it, and code that makes the mistake."""

    name: str
    says: str
    imitate: Callable[..., Any]


class Verdict(NamedTuple):
    """What a check found: "right", "not solved yet", "error", "other", or the name of a mistake; and what it says."""

    name: str
    says: str


class Hints:
    """Two hints, folded: the first says where to look, the second what to write."""

    def __init__(self, hints: Sequence[str]) -> None:
        self.hints = tuple(hints)

    def _repr_html_(self) -> str:
        return "\n".join(
            f"<details><summary>Hint {n}</summary>{html.escape(hint)}</details>" for n, hint in enumerate(self.hints, 1)
        )

    def __repr__(self) -> str:
        return f"{len(self.hints)} hints, folded"


@dataclass(frozen=True)
class Exercise:
    """One exercise: call it with an answer to have it checked, `hints()` for help.

    `prepare` turns an answer into the function that the probes are given to (for an answer that is not a function,
    such as a table). `probes` are tuples of arguments; `reference` gives the right result for each.
    """

    name: str
    reference: Callable[..., Any]
    probes: Sequence[tuple[Any, ...]]
    mistakes: Sequence[Mistake]
    hint_texts: Sequence[str]
    right: str
    prepare: Callable[[Any], Callable[..., Any]] = lambda answer: answer

    def __call__(self, answer: Any) -> None:
        """Print what the check says about an answer."""
        print(self.verdict(answer).says)

    def hints(self) -> Hints:
        """Return the hints, folded."""
        return Hints(self.hint_texts)

    def verdict(self, answer: Any) -> Verdict:
        """Check an answer and return the verdict."""
        if answer is None or answer is ...:
            return self._unsolved()
        try:
            function = self.prepare(answer)
        except ValueError as problem:
            return Verdict("error", f"{self.name}: {problem}")
        got = [_outcome(function, probe) for probe in self.probes]
        if any(each is None or each is ... or isinstance(each, NotImplementedError) for each in got):
            return self._unsolved()
        wanted = [_outcome(self.reference, probe) for probe in self.probes]
        if all(_same(g, w) for g, w in zip(got, wanted, strict=True)):
            return Verdict("right", f"{self.name}: right. {self.right}")
        for mistake in self.mistakes:
            imitation = [_outcome(mistake.imitate, probe) for probe in self.probes]
            # an error alone has many causes: at least one result must be the same
            results = any(not isinstance(m, Exception) for m in imitation)
            if results and all(_same(g, m) for g, m in zip(got, imitation, strict=True)):
                return Verdict(mistake.name, f"{self.name}: not yet. {mistake.says}")
        return self._unknown(got, wanted)

    def _unsolved(self) -> Verdict:
        return Verdict("not solved yet", f"{self.name}: not solved yet. Replace the ... and run the cell again.")

    def _unknown(self, got: Sequence[Any], wanted: Sequence[Any]) -> Verdict:
        """A wrong answer that is not in the catalogue: show the first probe on which it differs."""
        probe, g, w = next((p, g, w) for p, g, w in zip(self.probes, got, wanted, strict=True) if not _same(g, w))
        if isinstance(g, Exception):
            return Verdict("error", f"{self.name}: your code stopped with {type(g).__name__}: {g}")
        asked = ", ".join(_short(argument) for argument in probe)
        detail = f"for the input {asked} it gives {_short(g)}, expected {_short(w)}"
        if isinstance(g, torch.Tensor) and isinstance(w, torch.Tensor) and g.shape != w.shape:
            detail = f"the result has shape {tuple(g.shape)}, expected {tuple(w.shape)}"
        return Verdict("other", f"{self.name}: not yet; {detail}. The hints say where to look.")


def _outcome(function: Callable[..., Any], probe: tuple[Any, ...]) -> Any:
    """What a function does with a probe: its result (numbers as a float64 tensor), or the exception that it raised.

    Arguments are copied, so that an answer that writes into them cannot spoil the next run.
    """
    copies = copy.deepcopy(probe)
    try:
        result = function(*copies)
    except Exception as problem:
        return problem
    if result is None or result is ... or isinstance(result, bool | str):
        return result
    try:
        return torch.as_tensor(result).detach().double()
    except (TypeError, ValueError, RuntimeError):
        return result


def _same(a: Any, b: Any) -> bool:
    """Whether two outcomes are equal: tensors within rounding, exceptions by type."""
    if isinstance(a, Exception) or isinstance(b, Exception):
        return type(a) is type(b)
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.shape == b.shape and torch.allclose(a, b, rtol=1e-5, atol=1e-8, equal_nan=True)
    return type(a) is type(b) and bool(a == b)


def _short(value: Any) -> str:
    """A value in a few characters: small numbers and strings as they are, tensors by their shape."""
    if isinstance(value, torch.Tensor):
        return f"{value.item():.4g}" if value.ndim == 0 else f"a tensor of shape {tuple(value.shape)}"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
