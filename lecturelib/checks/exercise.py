"""The machinery of the checks: run a student's answer, recognize a known mistake, and answer in a sentence.

An `Exercise` holds probes, the right results (computed by torch or by definition, never by the library's own
solution), and known mistakes. Each mistake is code that makes it; an answer that behaves like that code on
all probes is told its name. Any other wrong answer is shown the smallest input on which it differs. So a check never
prints the solution, and it cannot praise a wrong answer.
"""

from __future__ import annotations

import copy
import html
import inspect
import random
import re
import sysconfig
import textwrap
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

Tensor = torch.Tensor
Function = Callable[..., Any]
Probe = tuple[Any, ...]

_SMALL = 3  # largest size that is tried in the search for a small input
_TRIES = 400  # so many small inputs at most
_SHOWN = 60  # numbers of a tensor that are printed one by one
# by which part of itself, and of the largest number beside it, a number may differ from the right one
_ROUNDING = {torch.float64: (1e-5, 0.0), torch.float32: (1e-4, 1e-6), torch.float16: (1e-2, 5e-3)}
_COARSE = (5e-2, 3e-2)  # bfloat16, and what has still fewer digits
_LIBRARIES = (*map(sysconfig.get_path, ("stdlib", "purelib", "platlib")), str(Path(__file__).parents[1]), "<frozen")
# how torch's own NotImplementedErrors begin; a quotation mark: "softmax" not implemented for 'Bool'
_TORCHS_OWN = ("Could not run", "Cannot copy out of meta", "Module [", '"')


class Mistake(NamedTuple):
    """A known wrong answer: its name, the sentence that points at it, and functions that make the mistake."""

    name: str
    says: str
    imitations: list[Function]


class Verdict(NamedTuple):
    """What a check found, and what it says.

    The name is that of a mistake, or "right", "not solved yet", "no function", "nothing returned",
    "more than one result", "too coarse", "error", "other".
    """

    name: str
    says: str


class Hints:
    """Hints, folded."""

    def __init__(self, hints: Sequence[str]) -> None:
        self.hints = tuple(hints)

    def _repr_html_(self) -> str:
        return "\n".join(
            f"<details><summary>Hint {n}</summary>{html.escape(hint)}</details>" for n, hint in enumerate(self.hints, 1)
        )

    def __repr__(self) -> str:
        return f"{len(self.hints)} hints, folded"


@dataclass(frozen=True)
class Sized:
    """Probes that are made from sizes: `build(*sizes)` returns the arguments, `asked` are the sizes to try.

    The last size is a seed, which also chooses between kinds of input where there are several. `build` raises a
    ValueError for sizes that do not go together.
    """

    build: Callable[..., Probe]
    asked: Sequence[tuple[int, ...]]

    def small(self) -> list[Probe]:
        """Return small probes, the smallest first: sizes from 1 to 3, with each seed that is asked."""
        seeds = sorted({sizes[-1] for sizes in self.asked})
        of_sizes = sorted(product(*[range(1, _SMALL + 1)] * (len(self.asked[0]) - 1)), key=sum)
        probes = []
        for sizes, seed in islice(product(of_sizes, seeds), _TRIES):
            with suppress(ValueError):
                probes.append(self.build(*sizes, seed))
        return sorted(probes, key=_size)


@dataclass(frozen=True)
class Exercise:
    """One exercise: call it with an answer to have it checked, `hints()` for help.

    `probes` are tuples of arguments, or `Sized`; `reference` gives the right result for each: numbers, truth values,
    tensors, words, or a tuple or dictionary of them. `imitations` are answers that make a mistake, by its name; a tuple
    holds several ways to make it. `says` is what there is to say: lines "name: text", longer ones indented, first for
    the mistakes, then "right", "hint 1" (where to look) and "hint 2" (what to write). `accept` turns an answer that is
    not a function (a table, say) into one, and raises a ValueError where it cannot. `view` turns a function into one
    that shows more of what it does; it is applied to answers and imitations alike.

    Raises: ValueError if the texts are not those of the mistakes.

    >>> texts = '''
    ...     squared: You square. What is twice a number?
    ...     right: So it is.
    ...     hint 1: How often do you add the number?
    ...     hint 2: x + x'''
    >>> check_double = Exercise("double", lambda x: x + x, [(1,), (2,), (5,)], {"squared": lambda x: x**2}, texts)
    >>> check_double(lambda x: x * x)
    double: not yet. You square. What is twice a number?
    """

    name: str
    reference: Function
    probes: Sized | Sequence[Probe]
    imitations: Mapping[str, Any]
    says: str
    accept: Callable[[Any], Function] | None = None
    view: Callable[[Function], Function] = lambda function: function

    def __post_init__(self) -> None:
        if list(self._texts) != [*self.imitations, "right", "hint 1", "hint 2"]:
            raise ValueError(f"{self.name}: there are texts for {list(self._texts)}, mistakes {list(self.imitations)}")

    def __call__(self, answer: Any) -> None:
        """Print what the check says about an answer."""
        print(self.verdict(answer).says)

    def hints(self) -> Hints:
        """Return the hints, folded."""
        return Hints([self._texts["hint 1"], self._texts["hint 2"]])

    @property
    def mistakes(self) -> list[Mistake]:
        """All known mistakes."""
        return [
            Mistake(name, self._texts[name], [self._function(each) for each in _several(answers)])
            for name, answers in self.imitations.items()
        ]

    def verdict(self, answer: Any) -> Verdict:
        """Check an answer and return the verdict."""
        if answer is ...:
            return self._unsolved()
        if not (self.accept or callable(answer)):
            return self._verdict("no function", f"the check was given {_shown(_plain(answer))}. {_GIVE_THE_FUNCTION}")
        with _quiet_surroundings():
            try:
                function = self._function(answer)
            except ValueError as problem:
                return self._verdict("error", str(problem))
            return self._misfit(answer) or self._judged(function)

    def _judged(self, function: Function) -> Verdict:
        got = [_outcome(function, probe) for probe in self._asked]
        if any(_is_open(each) for each in got):
            return self._unsolved()
        if all(each is None for each in got):
            return self._verdict("nothing returned", _NOTHING)
        right = _alike(got, self._wanted)
        if right and any(_is_coarse(each) for each in got):
            return self._verdict("too coarse", _TOO_COARSE)
        if right:
            return self._verdict("right", f"right. {self._texts['right']}")
        if _alike([each[0] if isinstance(each, tuple) and each else each for each in got], self._wanted):
            return self._verdict("more than one result", _MORE_THAN_ONE)
        found = {mistake.name: mistake for mistake, like in self._imitated if _alike(got, like)}
        if len(found) == 1:  # in few digits several may look the same
            (mistake,) = found.values()
            return self._verdict(mistake.name, f"not yet. {mistake.says}")
        return self._unknown(function, got)

    def _unknown(self, function: Function, got: Sequence[Any]) -> Verdict:
        """A wrong answer that no known mistake explains: show the smallest input on which it differs."""
        by_result = any(_is_result(g) and not _same(g, w) for g, w in zip(got, self._wanted, strict=True))
        small = self.probes.small() if isinstance(self.probes, Sized) else []
        asked = sorted(zip(self._asked, got, self._wanted, strict=True), key=lambda case: _size(case[0]))
        cases = chain(((each, _outcome(function, each), _outcome(self.reference, each)) for each in small), asked)
        # where there is a wrong result, this teaches more than an error
        probe, found, wanted = next(
            (p, g, w) for p, g, w in cases if not _same(g, w) and (_is_result(g) or not by_result)
        )
        if _is_result(found):
            return self._verdict("other", _DIFFERS.format(self._named(probe), *_compared(found, wanted)))
        line = _own_line(found)
        where = f", in the line `{line}`" if line else ""
        says = f"your code stopped with {type(found).__name__}: {found}{where}. The input was\n"
        return self._verdict("error", says + self._named(probe))

    def _misfit(self, answer: Any) -> Verdict | None:
        """Whether a function does not take what the check gives it."""
        if self.accept:
            return None
        try:
            taken = inspect.signature(answer)
        except (TypeError, ValueError):  # some of torch's own do not say
            return None
        try:
            taken.bind(*(self._arguments or self._asked[0]))
        except TypeError:
            given = ", ".join(self._arguments) or f"{len(self._asked[0])} arguments"
            says = f"your function takes ({', '.join(taken.parameters)}): expected ({given})"
            return self._verdict("error", says)
        return None

    def _function(self, answer: Any) -> Function:
        return self.view(self.accept(answer) if self.accept else answer)

    @cached_property
    def _asked(self) -> list[Probe]:
        probes = self.probes
        return [probes.build(*sizes) for sizes in probes.asked] if isinstance(probes, Sized) else list(probes)

    @cached_property
    def _wanted(self) -> list[Any]:
        return [_outcome(self.reference, probe) for probe in self._asked]

    @cached_property
    def _imitated(self) -> list[tuple[Mistake, list[Any]]]:
        """What comes out of each mistake. One that always stops is left out: an error alone has many causes."""
        outcomes = [
            (m, [_outcome(each, probe) for probe in self._asked]) for m in self.mistakes for each in m.imitations
        ]
        return [(mistake, results) for mistake, results in outcomes if any(map(_is_result, results))]

    @cached_property
    def _texts(self) -> dict[str, str]:
        """The texts of `says` by their names."""
        lines = textwrap.dedent(self.says).strip().replace("\n    ", " ").splitlines()
        return {name: text for name, _, text in (line.partition(": ") for line in lines)}

    @cached_property
    def _arguments(self) -> list[str]:
        """The names of the arguments, as the reference has them; a generator, where there is one, is no probe's."""
        kinds = [(p.name, p.kind) for p in inspect.signature(self.reference).parameters.values()]
        return [] if any(kind is inspect.Parameter.VAR_POSITIONAL for _, kind in kinds) else [name for name, _ in kinds]

    def _named(self, probe: Probe) -> str:
        """The arguments of a probe, one in a line."""
        names = [f"{name} = " for name in self._arguments] or [""] * len(probe)
        return "\n".join(f"    {name}{_shown(each)}" for name, each in zip(names, probe, strict=False))

    def _unsolved(self) -> Verdict:
        return self._verdict("not solved yet", "not solved yet. Replace the ... and run the cell again.")

    def _verdict(self, name: str, says: str) -> Verdict:
        return Verdict(name, f"{self.name}: {says}")


_GIVE_THE_FUNCTION = (
    "It needs the function itself, to try it on inputs of its own: write the function's name alone, without brackets "
    "after it."
)
_NOTHING = "your function gives nothing back (None). Does it end without a line that begins with return?"
_MORE_THAN_ONE = (
    "not yet, but nearly. Your function returns several results, and the first of them is right: return that one alone."
)
_TOO_COARSE = (
    "right as far as its few digits go: your result is in half precision. Compute in the type of the arguments, so "
    "that one can tell."
)
_DIFFERS = "not yet. The smallest input found on which it differs is\n{}\nyour result: {}\nexpected: {}\n{}"


@contextmanager
def _quiet_surroundings() -> Iterator[None]:
    """On the CPU, with float64 by default, gradients, and random numbers of its own, whatever the notebook has set.

    So an answer that makes zeros or an identity of its own gets them in the type and the place of the probes.
    """
    dtype, drawn = torch.get_default_dtype(), (random.getstate(), np.random.get_state())
    elsewhere = torch.empty(0).device.type != "cpu"
    with (
        torch.device("cpu") if elsewhere else nullcontext(),  # it costs time in every operation
        torch.autocast("cpu", enabled=False),
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.random.fork_rng(devices=[]),
    ):
        torch.set_default_dtype(torch.float64)
        for seed in (random.seed, np.random.seed, torch.manual_seed):
            seed(0)  # an answer that draws from a global generator gets the same verdict each time
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
            random.setstate(drawn[0])
            np.random.set_state(drawn[1])


# ---- results, and whether two are the same ----


def _outcome(function: Function, probe: Probe) -> Any:
    """What a function does with a probe: its result in the form in which it is compared, or what it raised.

    Arguments are copied, so that an answer that writes into them cannot spoil the next run.
    """
    given = copy.deepcopy(probe)
    try:
        return _plain(function(*given))
    except (Exception, SystemExit) as problem:
        return problem


def _plain(result: Any) -> Any:
    """A result in the form in which it is compared, wherever and in whatever type it was computed.

    Numbers become a tensor on the CPU, of a floating type; a single truth value a bool; several tensors a tuple. What
    is none of these stays as it is.
    """
    if isinstance(result, np.bool_):
        return bool(result)
    if result is None or result is ... or isinstance(result, bool | str):
        return result
    if isinstance(result, Mapping):
        return {name: _plain(each) for name, each in result.items()}
    if isinstance(result, tuple | list) and any(_is_apart(each) for each in result):
        return tuple(_plain(each) for each in result)
    try:
        tensor = torch.as_tensor(result).detach()
        tensor = (tensor.to_dense() if tensor.layout != torch.strided else tensor).cpu()
    except NotImplementedError:
        return "a tensor that holds no numbers"
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return tuple(_plain(each) for each in result) if isinstance(result, tuple | list) else result
    if tensor.dtype == torch.bool:
        return tensor if tensor.ndim else bool(tensor)
    return tensor if tensor.is_floating_point() or tensor.is_complex() else tensor.double()


def _is_apart(part: Any) -> bool:
    """Whether a part of a result is compared by itself: it is more than a number."""
    return part is None or part is ... or (isinstance(part, Tensor | np.ndarray) and part.ndim > 0)


def _is_result(outcome: Any) -> bool:
    return not isinstance(outcome, Exception | SystemExit)


def _is_open(outcome: Any) -> bool:
    """Whether an outcome, or a part of it, was left for later."""
    if isinstance(outcome, NotImplementedError):
        return not str(outcome).startswith(_TORCHS_OWN)
    return any(part is ... for part in _parts(outcome))


def _is_coarse(outcome: Any) -> bool:
    return any(isinstance(part, Tensor) and part.dtype in (torch.float16, torch.bfloat16) for part in _parts(outcome))


def _several(answers: Any) -> tuple[Any, ...]:
    return answers if isinstance(answers, tuple) else (answers,)


def _parts(value: Any) -> Iterator[Any]:
    """All that a tuple, list or dictionary holds, and what these hold; or the value alone."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, tuple | list):
        for each in value:
            yield from _parts(each)
    else:
        yield value


def _alike(outcomes: Sequence[Any], others: Sequence[Any]) -> bool:
    return all(_same(a, b) for a, b in zip(outcomes, others, strict=True))


def _same(a: Any, b: Any) -> bool:
    """Whether two outcomes are equal: tensors within rounding, tuples part by part, exceptions by type."""
    if not _is_result(a) or not _is_result(b):
        return type(a) is type(b)
    if isinstance(a, tuple) and isinstance(b, Tensor):
        a = _stacked(a)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and _alike(a, b)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_same(a[name], b[name]) for name in a)
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and _kind(a) == _kind(b) and bool(_close(a, b).all())
    return type(a) is type(b) and bool(a == b)


def _stacked(parts: tuple[Any, ...]) -> Any:
    """Tensors of one shape as one tensor; what is not that as it is."""
    try:
        return torch.stack(parts)
    except (TypeError, RuntimeError):
        return parts


def _kind(tensor: Tensor) -> str:
    return "True and False" if tensor.dtype == torch.bool else "complex numbers" if tensor.is_complex() else "numbers"


def _close(a: Tensor, b: Tensor) -> Tensor:
    """Where two tensors of one shape and kind are equal, within the rounding of the coarser of the two."""
    if _kind(a) != "numbers":
        return a == b
    part, of_largest = max(_ROUNDING.get(each.dtype, _COARSE) for each in (a, b))
    largest = b.double()[b.isfinite()].abs().max().item() if b.isfinite().any() else 0.0
    return torch.isclose(a.double(), b.double(), rtol=part, atol=1e-8 + of_largest * largest, equal_nan=True)


# ---- inputs and results in words ----


def _size(value: Any) -> int:
    """How much there is to read: the numbers of a probe."""
    sizes = {Tensor: Tensor.numel, torch.nn.Module: lambda model: sum(map(_size, model.parameters())), str: len}
    return sum(
        next((size(part) for kind, size in sizes.items() if isinstance(part, kind)), 1) for part in _parts(value)
    )


def _shown(value: Any) -> str:
    """A value in full: a tensor as nested lists, its numbers with four digits; a large one by its shape."""
    if isinstance(value, Tensor):
        if value.numel() > _SHOWN:
            return f"a tensor of shape {tuple(value.shape)}"
        return _shown(value.tolist())
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping) and type(value).__repr__ is dict.__repr__:
        return "{" + ", ".join(f"{name!r}: {_shown(each)}" for name, each in value.items()) + "}"
    if isinstance(value, tuple | list):
        inside = ", ".join(map(_shown, value))
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    text = repr(value)
    return text if len(text) <= 200 else text[:197] + "..."


def _compared(found: Any, wanted: Any) -> tuple[str, str, str]:
    """A result, the right one, and what to know about the difference."""
    name, a, b = "the result", found, wanted
    if isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
        n = next(n for n, pair in enumerate(zip(a, b, strict=True)) if not _same(*pair))
        name, a, b = f"element {n + 1} of the result", a[n], b[n]
    elif isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        key = next(key for key in a if not _same(a[key], b[key]))
        name, a, b = f"the entry {key!r}", a[key], b[key]
    remark = "" if name == "the result" else f"It is {name} that differs. "
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if a.shape != b.shape:
            remark = f"The shape of {name} is {tuple(a.shape)}, expected {tuple(b.shape)}. "
        elif _kind(a) != _kind(b):
            remark = f"Your code returns {_kind(a)} as {name}, expected {_kind(b)}. "
        elif a.numel() > _SHOWN:
            at = tuple((~_close(a, b)).nonzero()[0].tolist())
            remark += f"At {at} stands {_shown(a[at])}, expected {_shown(b[at])}. "
    return _shown(found), _shown(wanted), remark + "The hints say where to look."


def _own_line(problem: BaseException) -> str:
    """The line of a student's own code in which something was raised, or ""."""
    frames = [
        frame for frame in traceback.extract_tb(problem.__traceback__) if not frame.filename.startswith(_LIBRARIES)
    ]
    return frames[-1].line or "" if frames else ""


# ---- what several exercises use ----


def normal(seed: int, *shapes: tuple[int, ...]) -> tuple[Tensor, ...]:
    """Return a tensor of normal numbers with two digits after the point, in float64, for each shape.

    What most probes are made of: such numbers can be printed in full.
    """
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randn(*shape, generator=generator, dtype=torch.float64, device="cpu").round(decimals=2)
        for shape in shapes
    )


def three_shares(of: str, words: Callable[[list[float]], str]) -> Callable[[Any], Function]:
    """Return what reads an answer of three measured shares: `words` says what three shares from 0 to 1 show.

    `of` says which shares they are, such as "at depth 1, 2 and 3".
    """

    def read(answer: Any) -> Function:
        if answer is ... or (isinstance(answer, tuple | list) and any(each is ... for each in answer)):
            return lambda asked: ...
        if isinstance(answer, str | Mapping):
            raise ValueError(f"{answer!r} is no list: expected three numbers, the shares {of}")
        try:
            shares = [float(each) for each in answer]
        except (TypeError, ValueError):
            return lambda asked: f"no list of three numbers, but {answer!r}"
        if len(shares) != 3:
            raise ValueError(f"{len(shares)} numbers: expected three, the shares {of}")
        if is_percent(*shares):
            return lambda asked: "percent"
        if not all(0 <= each <= 1 for each in shares):
            return lambda asked: f"no shares from 0 to 1, but {answer!r}"
        return lambda asked: words(shares)

    return read


def named_lines(lines: str, bad: str, example: str) -> Callable[[Any], Function]:
    """Return what reads an answer that names the wrong lines of a code by their letters.

    `lines` are the letters that there are, `bad` the wrong ones, `example` an answer that shows the form.
    """

    def read(answer: Any) -> Function:
        if answer is ... or (isinstance(answer, tuple | list | set) and any(each is ... for each in answer)):
            return lambda code: ...
        if not isinstance(answer, str | tuple | list | set) or not all(isinstance(each, str) for each in answer):
            return lambda code: f"no letters of lines, but {answer!r}"
        words = answer if isinstance(answer, str) else " ".join(answer)
        letters = {each for each in re.sub(r"\bAND\b", "", words.upper()) if each not in " ,;"}
        if unknown := sorted(letters - set(lines)):
            raise ValueError(
                f"there is no line {', '.join(unknown)}: expected letters from {lines[0]} to {lines[-1]}, such as "
                f'"{example}"'
            )
        if innocent := sorted(letters - set(bad)):
            return lambda code: f"line {innocent[0]}"
        return lambda code: " and ".join(sorted(letters)) or "none"

    return read


def is_percent(*numbers: float) -> bool:
    """Say whether these are percent where shares are asked for; numbers just above 1 are something else."""
    return min(numbers) >= 0 and 10 < max(numbers) <= 100


def untouched(reference: Function) -> Callable[[Function], Function]:
    """Return a view in which a right answer says in words if it has written into its arguments.

    The right result may also stand in the arguments alone, or lie in their memory.
    """

    def view(answer: Function) -> Function:
        def watched(*given: Any) -> Any:
            before = copy.deepcopy(given)
            result = answer(*given)
            changed = not all(map(_identical, given, before))
            if not changed and not _memory(given) & _memory(result):
                return result
            nested = [part for each in given for part in (each if isinstance(each, list) else [each])]
            wanted = _plain(reference(*before))
            if not any(_same(_plain(each), wanted) for each in (nested if result is None else [result])):
                return result
            return "the right result, but " + ("arguments were changed" if changed else "in the memory of an argument")

        return watched

    return view


def _identical(a: Any, b: Any) -> bool:
    """Whether two arguments are equal to the last bit; of what holds no tensors nothing is said."""
    if isinstance(a, Mapping) and isinstance(b, Mapping) and a.keys() != b.keys():
        return False
    return all(torch.equal(x, y) for x, y in zip(_parts(a), _parts(b), strict=True) if isinstance(x, Tensor))


def _memory(value: Any) -> set[int]:
    """Where the tensors in a value lie."""
    return {
        part.untyped_storage().data_ptr() for part in _parts(value) if isinstance(part, Tensor) and not part.is_meta
    }


def spoiling(reference: Function) -> Function:
    """Return a mistake: the right result, by way of writing into the first argument."""

    def answer(*given: Any) -> Any:
        result = reference(*given)
        next(part for part in _parts(given) if isinstance(part, Tensor)).add_(1)
        return result

    return answer
