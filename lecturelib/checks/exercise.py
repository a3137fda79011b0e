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

import numpy as np
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
    such as a table). `probes` are tuples of arguments; `reference` gives the right result for each: numbers, truth
    values, or a tuple of several tensors.
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
        if any(_is_open(each) for each in got):
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
        asked = ", ".join(_short(argument) for argument in probe)
        if isinstance(g, Exception):
            return Verdict(
                "error", f"{self.name}: your code stopped with {type(g).__name__}: {g} (for the input {asked})"
            )
        return Verdict("other", f"{self.name}: not yet; {_difference(g, w, asked)}. The hints say where to look.")


def _outcome(function: Callable[..., Any], probe: tuple[Any, ...]) -> Any:
    """What a function does with a probe: its result (numbers as a float64 tensor), or the exception that it raised.

    Arguments are copied, so that an answer that writes into them cannot spoil the next run.
    """
    copies = copy.deepcopy(probe)
    try:
        result = function(*copies)
    except Exception as problem:
        return problem
    return _plain(result)


def _plain(result: Any) -> Any:
    """A result in the form in which it is compared: numbers as a float64 tensor, truth values as bool.

    Several tensors become a tuple; what is none of these stays as it is.
    """
    if result is None or result is ... or isinstance(result, bool | str):
        return result
    if isinstance(result, tuple | list) and any(
        isinstance(each, torch.Tensor | np.ndarray) and each.ndim for each in result
    ):
        return tuple(_plain(each) for each in result)
    try:
        tensor = torch.as_tensor(result).detach()
    except (TypeError, ValueError, RuntimeError):
        return result
    if tensor.dtype != torch.bool:
        return tensor.double()
    return tensor if tensor.ndim else bool(tensor)


def _is_open(outcome: Any) -> bool:
    """Whether an outcome, or a part of it, was left for later."""
    if isinstance(outcome, tuple | list):
        return any(_is_open(each) for each in outcome)
    return outcome is None or outcome is ... or isinstance(outcome, NotImplementedError)


def _same(a: Any, b: Any) -> bool:
    """Whether two outcomes are equal: tensors within rounding, tuples part by part, exceptions by type."""
    if isinstance(a, Exception) or isinstance(b, Exception):
        return type(a) is type(b)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.shape == b.shape and a.dtype == b.dtype and bool(_close(a, b).all())
    return type(a) is type(b) and bool(a == b)


def _close(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Where two tensors of one shape and type are equal, within rounding."""
    return a == b if a.dtype == torch.bool else torch.isclose(a, b, rtol=1e-5, atol=1e-8, equal_nan=True)


def _difference(got: Any, wanted: Any, asked: str) -> str:
    """Say where a result differs from the right one: by its shape, by its kind, or by what it holds."""
    name = "the result"
    if isinstance(got, tuple) and isinstance(wanted, tuple) and len(got) == len(wanted):
        n = next(n for n, pair in enumerate(zip(got, wanted, strict=True)) if not _same(*pair))
        name, got, wanted = f"element {n + 1} of the result", got[n], wanted[n]
    if isinstance(got, torch.Tensor) and isinstance(wanted, torch.Tensor) and got.ndim and wanted.ndim:
        if got.shape != wanted.shape:
            return f"{name} has shape {tuple(got.shape)}, expected {tuple(wanted.shape)}"
        if got.dtype != wanted.dtype:
            kinds = ["True and False" if each.dtype == torch.bool else "numbers" for each in (got, wanted)]
            return f"{name} holds {kinds[0]}, expected {kinds[1]}"
        at = tuple((~_close(got, wanted)).nonzero()[0].tolist())
        return f"for the input {asked} {name} at {at} is {_short(got[at])}, expected {_short(wanted[at])}"
    where = "" if name == "the result" else f" as {name.removesuffix(' of the result')}"
    return f"for the input {asked} it gives {_short(got)}{where}, expected {_short(wanted)}"


def _short(value: Any) -> str:
    """A value in a few characters: small numbers and strings as they are, tensors by their shape."""
    if isinstance(value, torch.Tensor):
        if value.ndim:
            return f"a tensor of shape {tuple(value.shape)}"
        return str(value.item()) if value.dtype == torch.bool else f"{value.item():.4g}"
    if isinstance(value, tuple | list) and any(isinstance(each, torch.Tensor) for each in value):
        return f"a {type(value).__name__} of {len(value)} tensors"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def expanded(answer: Callable[..., Any], shape: Callable[..., tuple[int, ...]]) -> Callable[..., Any]:
    """Return an answer whose results are stretched to a shape where they broadcast to it.

    So a mask that is the same for every sequence is told what is wrong with it, not only that a dimension is missing.
    """

    def stretched(*arguments: Any) -> Any:
        wanted = shape(*arguments)
        result = _plain(answer(*arguments))
        try:
            return result.broadcast_to(wanted)
        except (AttributeError, RuntimeError):
            return result

    return stretched


def in_float64(answer: Callable[..., Any]) -> Callable[..., Any]:
    """Return an answer whose new tensors are float64 by default, as the probes are.

    So one that makes zeros or an identity of its own is not stopped by their type, which fits in the notebook.
    """

    def doubled(*arguments: Any) -> Any:
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            return answer(*arguments)
        finally:
            torch.set_default_dtype(before)

    return doubled


def normal(seed: int, *shapes: tuple[int, ...]) -> tuple[torch.Tensor, ...]:
    """Return a tensor of normal numbers, in float64, for each shape: what most probes are made of."""
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in shapes)
