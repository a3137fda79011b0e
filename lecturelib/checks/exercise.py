"""The machinery of the checks: run a student's answer, recognize a known mistake, and answer in a sentence.

An `Exercise` holds probes, the right results (computed by torch or by definition, never by the library's own
solution), and known mistakes. Most mistakes are code that makes them; an answer that behaves like that code on
all probes is told its name. Any other wrong answer is shown the smallest input on which it differs. So a check never
prints the solution, and it cannot praise a wrong answer.
"""

import copy
import html
import inspect
import re
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from configparser import ConfigParser
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

Tensor = torch.Tensor
Function = Callable[..., Any]
Probe = tuple[Any, ...]

_SMALL = 3  # largest size that is tried in the search for a small input
_SHOWN = 60  # numbers of a tensor that are printed one by one
_LIBRARIES = (*map(sysconfig.get_path, ("stdlib", "purelib", "platlib")), str(Path(__file__).parents[1]), "<frozen")

# what the checks say: a file for each notebook, a section for each exercise
_SAYINGS = ConfigParser(delimiters=(":",), comment_prefixes=(), interpolation=None)
_SAYINGS.optionxform = str  # type: ignore[assignment]  # names as they are written
_SAYINGS.read(Path(__file__).parent.glob("*.ini"), encoding="utf-8")

_UNSOLVED = "not solved yet. Replace the ... and run the cell again."
_GIVE_THE_FUNCTION = (
    "It needs the function itself, to try it on inputs of its own: write the function's name alone, without brackets "
    "after it."
)
_NOTHING = "your function gives nothing back (None). Does it end without a line that begins with return?"
_MORE_THAN_ONE = (
    "not yet, but nearly. Your function returns several results, and the first of them is right: return that one alone."
)
_DIFFERS = "not yet. The smallest input found on which it differs is\n{}\nyour result: {}\nexpected: {}\n{}"


class Verdict(NamedTuple):
    """What a check found, and what it says.

    The name is that of a mistake, or "right", "not solved yet", "no function", "nothing returned",
    "more than one result", "error", "other".
    """

    name: str
    says: str


class Hints(tuple[str, ...]):
    """Hints, folded."""

    def _repr_html_(self) -> str:
        return "\n".join(
            f"<details><summary>Hint {n}</summary>{html.escape(hint)}</details>" for n, hint in enumerate(self, 1)
        )

    def __repr__(self) -> str:
        return f"{len(self)} hints, folded"


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
        for sizes, seed in product(of_sizes, seeds):
            with suppress(ValueError):
                probes.append(self.build(*sizes, seed))
        return sorted(probes, key=_size)


@dataclass(frozen=True)
class Exercise:
    """One exercise: call it with an answer to have it checked, `hints()` for help.

    `probes` are tuples of arguments, or `Sized`; `reference` gives the right result for each: numbers, truth values,
    tensors, words, or a tuple or dictionary of them; of what is read, and not tried, the word "right". `says` is what
    there is to say, by default the section of this name in the .ini files beside this one: first for the mistakes, by
    their names, then "right", "hint 1" (where to look) and "hint 2" (what to write).

    `imitations` are answers that make a mistake, by its name; a tuple holds several ways to make it. A string is an
    edit of `solution`, a right answer, by default the reference: "old => new", or several of these with "; " between
    them. A mistake without an imitation is one that comes out as a word: its name, or one of several with " / " between
    them. `read` makes such a word, or a function, of an answer that is no function (a table, say), and raises a
    ValueError where it cannot; `view(answer, *arguments)` shows more of what a function does than its result.

    >>> texts = {"squared": "You square. What is twice a number?", "right": "So it is.", "hint 1": "x +", "hint 2": "x"}
    >>> check_double = Exercise("double", lambda x: x + x, [(1,), (2,), (5,)], {"squared": lambda x: x**2}, says=texts)
    >>> check_double(lambda x: x * x)
    double: not yet. You square. What is twice a number?
    """

    name: str
    reference: Function = lambda: "right"
    probes: Sized | Sequence[Probe] = ((),)
    imitations: Mapping[str, Any] = field(default_factory=dict)
    solution: Function | None = None
    read: Callable[[Any], Any] | None = None
    view: Callable[..., Any] = lambda answer, *given: answer(*given)
    says: Mapping[str, str] | None = None

    def __call__(self, answer: Any) -> None:
        """Print what the check says about an answer."""
        print(self.verdict(answer).says)

    def hints(self) -> Hints:
        """Return the hints, folded."""
        return Hints([self._texts["hint 1"], self._texts["hint 2"]])

    @property
    def mistakes(self) -> dict[str, str]:
        """What there is to say to each known mistake, by its name."""
        return {name: text for name, text in self._texts.items() if name not in ("right", "hint 1", "hint 2")}

    def wrong_answers(self, mistake: str) -> list[Any]:
        """Return the imitations of a mistake."""
        made = self.imitations.get(mistake, ())
        several = made if isinstance(made, tuple) else (made,)
        solution = self.solution or self.reference
        return [_edited(solution, each) if isinstance(each, str) else each for each in several]

    def verdict(self, answer: Any) -> Verdict:
        """Check an answer and return the verdict."""
        with _quiet_surroundings():
            name, says = self._judged(answer)
        return Verdict(name, f"{self.name}: {says}")

    def _judged(self, answer: Any) -> tuple[str, str]:
        if _is_open(answer):
            return "not solved yet", _UNSOLVED
        if not (self.read or callable(answer)):
            return "no function", f"the check was given {_shown(_plain(answer))}. {_GIVE_THE_FUNCTION}"
        try:
            function = self._function(answer)
        except ValueError as problem:
            return "error", str(problem)
        if not self.read and (misfit := self._misfit(answer)):
            return "error", misfit
        got = [_outcome(function, probe) for probe in self._asked]
        if any(map(_is_open, got)):
            return "not solved yet", _UNSOLVED
        if all(each is None for each in got):
            return "nothing returned", _NOTHING
        if _alike(got, self._wanted):
            return "right", f"right. {self._texts['right']}"
        if _alike([each[0] if isinstance(each, tuple) and each else each for each in got], self._wanted):
            return "more than one result", _MORE_THAN_ONE
        for mistake, outcomes in self._imitated:
            if _alike(got, outcomes):
                return mistake, f"not yet. {self._texts[mistake]}"
        return self._unknown(function, got)

    def _unknown(self, function: Function, got: Sequence[Any]) -> tuple[str, str]:
        """A wrong answer that no known mistake explains: show the smallest input on which it differs, if it has any."""
        if not self._arguments:
            return "other", f"not yet. What the check reads in your answer: {got[0]}. The hints say where to look."
        by_result = any(_is_result(g) and not _same(g, w) for g, w in zip(got, self._wanted, strict=True))
        small = self.probes.small() if isinstance(self.probes, Sized) else []
        asked = sorted(zip(self._asked, got, self._wanted, strict=True), key=lambda case: _size(case[0]))
        cases = chain(((each, _outcome(function, each), _outcome(self.reference, each)) for each in small), asked)
        # where there is a wrong result, this teaches more than an error
        probe, found, wanted = next(
            (p, g, w) for p, g, w in cases if not _same(g, w) and (_is_result(g) or not by_result)
        )
        given = "\n".join(f"    {n} = {_shown(each)}" for n, each in zip(self._arguments, probe, strict=True))
        if _is_result(found):
            return "other", _DIFFERS.format(given, *_compared(found, wanted))
        line = _own_line(found)
        where = f", in the line `{line}`" if line else ""
        return "error", f"your code stopped with {type(found).__name__}: {found}{where}. The input was\n{given}"

    def _misfit(self, answer: Function) -> str:
        """What to say of a function that does not take what the check gives it."""
        try:
            taken = inspect.signature(answer)
        except (TypeError, ValueError):  # some of torch's own do not say
            return ""
        try:
            taken.bind(*self._asked[0])
        except TypeError:
            return f"your function takes ({', '.join(taken.parameters)}): expected ({', '.join(self._arguments)})"
        return ""

    def _function(self, answer: Any) -> Function:
        made = self.read(answer) if self.read else answer
        function = made if callable(made) else lambda *given: made
        return lambda *given: self.view(function, *given)

    @cached_property
    def _asked(self) -> list[Probe]:
        probes = self.probes
        return [probes.build(*sizes) for sizes in probes.asked] if isinstance(probes, Sized) else list(probes)

    @cached_property
    def _wanted(self) -> list[Any]:
        return [_outcome(self.reference, probe) for probe in self._asked]

    @cached_property
    def _imitated(self) -> list[tuple[str, list[Any]]]:
        """What comes out of each mistake, in each way to make it."""
        return [
            (mistake, [_outcome(self._function(each), probe) for probe in self._asked])
            for mistake in self.mistakes
            for each in self.wrong_answers(mistake)
        ] + [
            (mistake, [word] * len(self._asked))
            for mistake in self.mistakes.keys() - self.imitations.keys()
            for word in mistake.split(" / ")
        ]

    @cached_property
    def _texts(self) -> dict[str, str]:
        """What there is to say, each in one line, by its name."""
        return {name: text.replace("\n", " ") for name, text in (self.says or _SAYINGS[self.name]).items()}

    @property
    def _arguments(self) -> list[str]:
        """The names of the arguments, as the reference has them."""
        return list(inspect.signature(self.reference).parameters)


def _edited(solution: Function, edits: str) -> Function:
    """A right answer with edits "old => new" made in its source."""
    source = inspect.getsource(solution)
    for edit in edits.split("; "):
        old, new = edit.split(" => ")
        if old not in source:
            raise ValueError(f"the edit {edit!r} finds nothing in {solution.__name__}")
        source = source.replace(old, new)
    names = dict(solution.__globals__)
    exec(source, names)
    return names[solution.__name__]


@contextmanager
def _quiet_surroundings() -> Iterator[None]:
    """On the CPU, with float64 by default, gradients, and random numbers of its own, whatever the notebook has set.

    So an answer that makes zeros or an identity of its own gets them in the type and the place of the probes.
    """
    dtype = torch.get_default_dtype()
    elsewhere = torch.empty(0).device.type != "cpu"
    with (
        torch.device("cpu") if elsewhere else nullcontext(),  # it costs time in every operation
        torch.autocast("cpu", enabled=False),
        torch.enable_grad(),
        torch.random.fork_rng(devices=[]),
    ):
        torch.set_default_dtype(torch.float64)
        torch.manual_seed(0)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)


# ---- results, and whether two are the same ----


def _outcome(function: Function, probe: Probe) -> Any:
    """What a function does with a probe: its result in the form in which it is compared, or what it raised."""
    given = copy.deepcopy(probe)  # an answer that writes into its arguments cannot spoil the next run
    try:
        return _plain(function(*given))
    except (Exception, SystemExit) as problem:
        return problem


def _plain(result: Any) -> Any:
    """A result in the form in which it is compared, wherever and in whatever type it was computed.

    Numbers become a tensor on the CPU, in float64; a single truth value a bool; several tensors a tuple. What
    is none of these stays as it is.
    """
    if result is None or result is ... or isinstance(result, bool | str):
        return result
    if isinstance(result, Mapping):
        return {name: _plain(each) for name, each in result.items()}
    if isinstance(result, tuple | list) and any(_is_apart(each) for each in result):
        return tuple(_plain(each) for each in result)
    try:
        tensor = torch.as_tensor(result).detach().cpu()
    except (TypeError, ValueError, RuntimeError, OverflowError):
        if isinstance(result, tuple | list):
            return tuple(_plain(each) for each in result)
        return "a tensor that holds no numbers" if isinstance(result, Tensor) else result
    if tensor.dtype == torch.bool:
        return tensor if tensor.ndim else bool(tensor)
    return tensor.double()


def _is_apart(part: Any) -> bool:
    """Whether a part of a result is compared by itself: it is more than a number."""
    return part is None or part is ... or (isinstance(part, Tensor | np.ndarray) and part.ndim > 0)


def _is_result(outcome: Any) -> bool:
    return not isinstance(outcome, BaseException)


def _is_open(value: Any) -> bool:
    """Whether a value, or a part of it, was left for later."""
    return any(part is ... for part in _parts(value))


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
        with suppress(TypeError, RuntimeError):  # not tensors of one shape
            a = torch.stack(a)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and _alike(a, b)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_same(a[name], b[name]) for name in a)
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and a.dtype == b.dtype and bool(_close(a, b).all())
    return type(a) is type(b) and bool(a == b)


def _close(a: Tensor, b: Tensor) -> Tensor:
    """Where two tensors of one shape and kind are equal, within the rounding of float32."""
    if b.dtype == torch.bool:
        return a == b
    largest = max(b[b.isfinite()].abs().tolist(), default=0.0)
    return torch.isclose(a, b, rtol=1e-4, atol=1e-8 + 1e-6 * largest, equal_nan=True)


# ---- inputs and results in words ----


def _size(value: Any) -> int:
    """How much there is to read: the numbers and letters of a probe."""
    return sum(
        part.numel() if isinstance(part, Tensor) else len(part) if isinstance(part, str) else 1
        for part in _parts(value)
    )


def _shown(value: Any) -> str:
    """A value in full: a tensor as nested lists, its numbers with four digits; a large one by its shape."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}" if value.numel() > _SHOWN else _shown(value.tolist())
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
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
        elif a.dtype != b.dtype:
            kinds = ["True and False" if each.dtype == torch.bool else "numbers" for each in (a, b)]
            remark = f"Your code returns {kinds[0]} as {name}, expected {kinds[1]}. "
        elif a.numel() > _SHOWN:
            at = tuple((~_close(a, b)).nonzero()[0].tolist())
            remark += f"At {at} stands {_shown(a[at])}, expected {_shown(b[at])}. "
    return _shown(found), _shown(wanted), remark + "The hints say where to look."


def _own_line(problem: BaseException) -> str:
    """The line of a student's own code in which something was raised, or ""."""
    frames = traceback.extract_tb(problem.__traceback__)
    own = [frame.line for frame in frames if not frame.filename.startswith(_LIBRARIES)]
    return own[-1] or "" if own else ""


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


@dataclass(frozen=True)
class Named:
    """A function under a name, by which a message can show it: a probe of a function that takes functions."""

    name: str
    compute: Function

    def __call__(self, *given: Any) -> Any:
        return self.compute(*given)

    def __repr__(self) -> str:
        return self.name


def three_numbers(answer: Any, what: str) -> list[float]:
    """Read an answer of three measured numbers: `what` they are, such as "the losses at share 1, 0.1 and 0.02"."""
    try:
        numbers = [float(each) for each in answer]
    except (TypeError, ValueError):
        raise ValueError(f"{answer!r} is no list of three numbers: expected {what}") from None
    if len(numbers) != 3:
        raise ValueError(f"{len(numbers)} numbers: expected three, {what}")
    return numbers


def three_shares(answer: Any, of: str, words: Callable[[list[float]], str]) -> str:
    """Read an answer of three measured shares: `words` says what three shares from 0 to 1 show, such as "right".

    `of` says which shares they are, such as "at depth 1, 2 and 3".
    """
    shares = three_numbers(answer, f"the shares {of}")
    if is_percent(*shares):
        return "percent"
    if not all(0 <= each <= 1 for each in shares):
        raise ValueError(f"{answer!r}: expected three shares from 0 to 1, {of}")
    return words(shares)


def is_percent(*numbers: float) -> bool:
    """Say whether these are percent where shares are asked for; numbers just above 1 are something else."""
    return min(numbers) >= 0 and 10 < max(numbers) <= 100


def named_lines(answer: Any, lines: str, bad: str, example: str) -> str:
    """Read an answer that names the wrong lines of a code by their letters: "right", "line B", "A alone", "none".

    `lines` are the letters that there are, `bad` the wrong ones, `example` an answer that shows the form.
    """
    if not isinstance(answer, str | tuple | list | set) or not all(isinstance(each, str) for each in answer):
        return f"no letters of lines, but {answer!r}"
    words = answer if isinstance(answer, str) else " ".join(answer)
    letters = sorted(set(re.sub(r"\bAND\b", "", words.upper())) - set(" ,;"))
    if unknown := [each for each in letters if each not in lines]:
        raise ValueError(
            f"there is no line {', '.join(unknown)}: expected letters from {lines[0]} to {lines[-1]}, such as "
            f'"{example}"'
        )
    if innocent := [each for each in letters if each not in bad]:
        return f"line {innocent[0]}"
    return "right" if letters == list(bad) else f"{' and '.join(letters)} alone" if letters else "none"


def table(answer: Any, right: Mapping[str, str], kinds: Sequence[str]) -> str:
    """Read a table of words of these kinds: "right", or the first wrong entry, such as "P is not held"."""
    if not isinstance(answer, Mapping) or sorted(map(str, answer)) != sorted(right):
        return "no dictionary with the keys " + ", ".join(right)
    said = {str(name): str(given).strip().lower() for name, given in answer.items()}
    for name, given in answer.items():
        if said[str(name)] not in kinds:
            raise ValueError(f"{name} is {given!r}. Write a word as it stands there: {', '.join(kinds)}.")
    return next((f"{name} is {said[name]}" for name in right if said[name] != right[name]), "right")


def untouched(answer: Function, *given: Any, reference: Function, written: str, shared: str = "") -> Any:
    """View an answer so that a right result that was written into an argument, or lies in its memory, is a word.

    `written` and `shared` are the names of these two mistakes.
    """
    before = copy.deepcopy(given)
    result = answer(*given)
    wanted = _plain(reference(*before))
    parts = [part for each in given for part in (each if isinstance(each, list) else [each])]
    if not any(_same(_plain(each), wanted) for each in (parts if result is None else [result])):
        return result
    if not _same(_tensors(given), _tensors(before)):
        return written
    return (shared or written) if _memory(given) & _memory(result) else result


def _tensors(value: Any) -> tuple[Tensor, ...]:
    return tuple(part for part in _parts(value) if isinstance(part, Tensor))


def _memory(value: Any) -> set[int]:
    """Where the tensors in a value lie."""
    return {tensor.untyped_storage().data_ptr() for tensor in _tensors(value)}
