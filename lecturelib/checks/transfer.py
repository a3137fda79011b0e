"""The exercises of notebook 07: a few labels of each class, a start from a source, harm, and a cure for forgetting."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from lecturelib.checks.exercise import Exercise, Mistake, in_float64, normal

Tensor = torch.Tensor
Weights = dict[str, Tensor]

# ---- a few labels of each class ----

Draw = Callable[[Tensor, int, torch.Generator], Any]


def _described(draw: Draw) -> Callable[[Tensor, int], Any]:
    """An answer that draws rows, as a function that says in words what is the matter with them.

    Rows drawn at random cannot be compared with right ones, but what holds for every right draw can. The first fault
    is named. Twelve draws come from one generator, one from a new one with the same seed, one from another seed.
    """

    def describe(labels: Tensor, each: int) -> Any:
        def drawn(generator: torch.Generator) -> Any:
            return draw(labels.clone(), each, generator)

        one, again, other = (torch.Generator().manual_seed(len(labels) + k) for k in (0, 0, 1))
        with torch.random.fork_rng(devices=[]):  # who ignores the generator draws from the global one: leave it alone
            given = [drawn(generator) for generator in (*[one] * 12, again, other)]
            if any(found is None or found is ... for found in given):
                return None
            draws = []
            for found in given:
                rows = _as_rows(found, labels, each)
                if isinstance(rows, str):
                    return rows
                draws.append(rows)
            fault = _repeated(draws, labels, each) or _miscounted(draws, labels, each) or _unvaried(draws)
            return fault or _uneven(lambda: torch.as_tensor(drawn(one)), labels, each) or _fine(labels, each)

    return describe


def _fine(labels: Tensor, each: int) -> str:
    return f"{each} rows of each of {len(labels.unique())} classes, at random"


def _as_rows(found: Any, labels: Tensor, each: int) -> Tensor | str:
    """What was drawn as a list of whole numbers below n; or a description of what it is instead."""
    try:
        rows = torch.as_tensor(found)
    except (TypeError, ValueError, RuntimeError):
        return f"no tensor, but a {type(found).__name__}"
    if rows.ndim == 0:
        return "a single number"
    if rows.dtype == torch.bool and rows.shape == labels.shape:
        return "a mask"
    if rows.shape == (len(labels.unique()), each):
        return "a table with a line for each class"
    if rows.ndim != 1:
        return f"a tensor of shape {tuple(rows.shape)}"
    if rows.dtype == torch.bool or rows.is_floating_point():
        return f"numbers of the type {str(rows.dtype).removeprefix('torch.')}"
    return rows.long() if not len(rows) or 0 <= rows.min() <= rows.max() < len(labels) else "rows that are not there"


def _repeated(draws: list[Tensor], labels: Tensor, each: int) -> str | None:
    """Whether a row comes twice in a draw, and what the numbers are if they are no rows."""
    if all(len(rows.unique()) == len(rows) for rows in draws):
        return None
    counts = labels.bincount()
    if all(len(rows) == len(counts) * each for rows in draws):
        tables = torch.stack(draws).view(len(draws), -1, each)  # (draws, classes, each), if they come class by class
        apart = all(len(line.unique()) == each for line in tables.flatten(0, 1))
        if apart and bool((tables < counts[:, None]).all()):
            return "numbers that begin at 0 in every class"
        if bool((tables < len(counts)).all()):
            return "labels"
    return "a row twice"


def _miscounted(draws: list[Tensor], labels: Tensor, each: int) -> str | None:
    """What is the matter with the number of rows of a class, if anything."""
    counts = torch.stack([labels[rows].bincount(minlength=int(labels.max()) + 1) for rows in draws])  # (draws, classes)
    num_classes = counts.shape[1]
    if bool((counts == each).all()):
        return None
    if bool(((counts == 0) | (counts == each)).all()):
        left_out = (counts == 0).sum(1)
        if bool((left_out == num_classes - 1).all()):
            return "rows of one class only"
        if bool((left_out == 1).all()):
            return "no rows of one class"
    if bool((counts.sum(1) == each).all()):
        return f"{each} rows in all"
    if len(counts.unique()) == 1:
        return f"{int(counts[0, 0])} rows of each class"
    as_many = bool((counts.sum(1) == num_classes * each).all())
    return (
        "more rows of some classes than of others" if as_many else "another number of rows, not as many of each class"
    )


def _unvaried(draws: list[Tensor]) -> str | None:
    """What is the matter with how the rows differ between calls and seeds, if anything."""
    *calls, same, other = [sorted(rows.tolist()) for rows in draws]
    if all(rows == calls[0] for rows in (*calls, other)):
        return "the same rows in each call"
    if calls[0] != same:
        return "other rows from the same seed"
    return "the same rows in the next call" if all(rows == calls[0] for rows in calls) else None


def _uneven(drawn: Callable[[], Tensor], labels: Tensor, each: int, draws: int = 250) -> str | None:
    """Whether some rows of a class, alone or in pairs, come more often than six standard deviations allow."""
    chosen = torch.zeros(draws, len(labels), dtype=torch.float64)
    for k in range(draws):
        chosen[k, drawn().long()] = 1
    found = chosen.T @ chosen / draws  # (n, n): how often each pair comes
    size = labels.bincount()[labels].double()
    wanted = (each * (each - 1) / (size * (size - 1)))[:, None].repeat(1, len(labels))
    wanted.diagonal().copy_(each / size)
    allowed = 6 * (wanted * (1 - wanted) / draws).sqrt()
    odd = ((found - wanted).abs() > allowed) & (labels[:, None] == labels)
    return "some rows more often than others" if bool(odd.any()) else None


def _by_class(
    pick: Callable[[Tensor, int, torch.Generator], Tensor], num_classes: Callable[[int], range] = range
) -> Callable[[Tensor, int, torch.Generator], Tensor]:
    """Rows class by class: `pick(rows of the class, each, generator)` chooses."""
    return lambda labels, each, generator: torch.cat(
        [pick((labels == c).nonzero()[:, 0], each, generator) for c in num_classes(int(labels.max()) + 1)]
    )


def _shuffled(rows: Tensor, each: int, generator: torch.Generator | None) -> Tensor:
    return rows[torch.randperm(len(rows), generator=generator)[:each]]


_right = _by_class(_shuffled)


def _of_all(labels: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return _shuffled(torch.arange(len(labels)), count, generator)


_DRAW: dict[str, tuple[str, Draw]] = {
    "not balanced": (
        "You have as many rows as asked for, but more of some classes than of others: the labels were not looked at. "
        "Each class gets the same number.",
        lambda labels, each, generator: _of_all(labels, each * (int(labels.max()) + 1), generator),
    ),
    "each in all": (
        "You return `each` rows in all. That many are asked for of every class.",
        _of_all,
    ),
    "the same row twice": (
        "A row comes twice in your draw: fewer examples would be learned from than you report. Draw without putting "
        "back.",
        _by_class(lambda rows, each, generator: rows[torch.randint(len(rows), (each,), generator=generator)]),
    ),
    "places within the class": (
        "Your numbers begin at 0 in every class: they count within the class. Which rows of all the labels are these?",
        _by_class(lambda rows, each, generator: _shuffled(torch.arange(len(rows)), each, generator)),
    ),
    "labels instead of rows": (
        "You return the labels of what you drew. The rows are asked for: they pick images as well as labels.",
        lambda labels, each, generator: labels[_right(labels, each, generator)],
    ),
    "a mask instead of rows": (
        "You return a mask over all examples. The numbers of the rows are asked for.",
        lambda labels, each, generator: torch.zeros(len(labels)).index_fill(0, _right(labels, each, generator), 1) > 0,
    ),
    "a line for each class": (
        "Your rows are right, but they stand in a table with a line for each class. One list is asked for.",
        lambda labels, each, generator: _right(labels, each, generator).view(-1, each),
    ),
    "a class left out": (
        "A class is missing: you draw from all classes but one. The largest label is one less than their number.",
        _by_class(_shuffled, lambda num_classes: range(num_classes - 1)),
    ),
    "one class only": (
        "All your rows are of one class. Does the function return within the loop, or does each class overwrite the "
        "one before?",
        _by_class(_shuffled, lambda num_classes: range(1)),
    ),
    "one too many": (
        "You draw one row too many of each class.",
        lambda labels, each, generator: _right(labels, each + 1, generator),
    ),
    "always the same rows": (
        "Every call gives the same rows, whatever the seed. Do you take the first ones of each class, or set a seed "
        "inside? Then three seeds are one measurement, said three times.",
        _by_class(lambda rows, each, generator: rows[:each]),
    ),
    "generator ignored": (
        "The same seed gives other rows: chance does not come from the generator that you were given. Two arms with "
        "one seed would learn from different examples.",
        _by_class(lambda rows, each, generator: _shuffled(rows, each, None)),
    ),
    "generator rewound": (
        "The second call with the same generator repeats the rows of the first. A generator goes on by itself; leave "
        "its seed alone.",
        lambda labels, each, generator: _right(labels, each, torch.Generator().manual_seed(generator.initial_seed())),
    ),
    "not equally often": (
        "Some rows of a class, or pairs of them, come more often than others. Every choice should be equally likely.",
        _by_class(lambda rows, each, generator: _shuffled(rows[:-1], each, generator)),
    ),
}


def _labels(*sizes: int) -> Tensor:
    """Labels in no order, sizes[c] of class c."""
    labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    return labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(len(labels)))]


check_draw = Exercise(
    name="a few labels",
    reference=_fine,
    # classes of unequal size, none as small as `each`; neither the first rows nor the last ones are balanced
    probes=[(_labels(5, 4, 8), 2), (_labels(6, 8, 5, 7), 3)],
    prepare=_described,
    mistakes=[Mistake(name, says, _described(draw)) for name, (says, draw) in _DRAW.items()],
    hint_texts=[
        "Shuffle the rows once. Then go through the classes: of the shuffled rows that have this label, take the first "
        "ones. What was collected becomes one list.",
        "order = torch.randperm(len(labels), generator=generator); the rows of class c in that order are "
        "order[labels[order] == c]. torch.cat joins a list of tensors.",
    ],
    right="As many of each class, none twice, each choice equally likely, and the same again from the same seed.",
)

# ---- start from a source ----

Start = Callable[[Weights, Weights], Any]


class _StateDict(dict[str, Tensor]):
    """A state dict under a name, which an answer's message can show."""

    def __init__(self, weights: Mapping[str, Tensor], name: str = "network") -> None:
        super().__init__(weights)
        self.name = name

    def __deepcopy__(self, memo: Any) -> _StateDict:
        return _StateDict({key: value.clone() for key, value in self.items()}, self.name)

    def __repr__(self) -> str:
        return f"the state dict of the {self.name}"


_HEADLESS = "wrong where the source has no head"


def _inspected(start: Start) -> Callable[[Weights, Weights], Any]:
    """An answer that makes a state dict, as a function that says in words where its tensors come from.

    It is asked a second time with a source that has no head, as the encoder of a masked autoencoder.
    """

    def describe(source: Weights, target: Weights) -> Any:
        found = _origin(start, source, target)
        if found != _STARTED:
            return found
        headless = _StateDict({k: v for k, v in source.items() if not _is_head(k)}, "source without a head")
        try:
            return found if _origin(start, headless, target) == found else _HEADLESS
        except Exception:
            return _HEADLESS

    return describe


_STARTED = "a new state dict: the source's encoder, the target's head"


def _origin(start: Start, source: Weights, target: Weights) -> Any:
    """Where the tensors of a started state dict come from, in words; None if there is no answer yet."""
    before = {"source": {k: v.clone() for k, v in source.items()}, "target": {k: v.clone() for k, v in target.items()}}
    result = start(source, target)
    changed = [name for name, now in (("source", source), ("target", target)) if not _equal(now, before[name])]
    if result is None and changed:
        result = target if "target" in changed else source
    if result is None or result is ...:
        return None
    if not isinstance(result, Mapping) or not all(isinstance(each, Tensor) for each in result.values()):
        return f"no dictionary of tensors, but a {type(result).__name__}"
    if before["target"].keys() - result.keys():
        return "a state dict that lacks keys"
    if result.keys() - before["target"].keys():
        return f"keys that the target lacks: {', '.join(sorted(result.keys() - before['target'].keys()))}"
    head, encoder = ({k: v for k, v in result.items() if _is_head(k) == wanted} for wanted in (True, False))
    parts = [f"the encoder {_whose(encoder, before, 'target')}", f"the head {_whose(head, before, 'source')}"]
    if parts != ["the encoder the source's", "the head the target's"]:
        return ", ".join(parts)
    if changed:
        return f"the right state dict, but the {changed[0]} was changed"
    own = {each.untyped_storage().data_ptr() for each in source.values()}
    shared = any(each.untyped_storage().data_ptr() in own for each in result.values())
    return "the right state dict, but it holds the source's own tensors" if shared else _STARTED


def _equal(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def _whose(found: Weights, before: dict[str, Weights], stranger: str) -> str:
    """From which of the two the tensors of a part are; of a mixture, those of the `stranger`."""
    whose = {
        key: next((name for name in before if key in before[name] and torch.equal(each, before[name][key])), "neither")
        for key, each in found.items()
    }
    kinds = set(whose.values())
    if kinds == {"source"} or kinds == {"target"}:
        return f"the {kinds.pop()}'s"
    odd = "neither" if "neither" in kinds else stranger
    keys = ", ".join(sorted(key for key in whose if whose[key] == odd))
    return f"partly of neither ({keys})" if odd == "neither" else f"partly the {odd}'s ({keys})"


def _is_head(key: str) -> bool:
    return key.startswith("head.")


def _copied(of_target: Callable[[str], bool], clone: bool = True) -> Start:
    """A new state dict in which the target's tensors stand where `of_target(key)` holds."""

    def start(source: Weights, target: Weights) -> Weights:
        chosen = {k: v if of_target(k) or k not in source else source[k] for k, v in target.items()}
        return {k: v.clone() for k, v in chosen.items()} if clone else chosen

    return start


def _into_source(source: Weights, target: Weights) -> Weights:
    source.update({k: v for k, v in target.items() if _is_head(k)})
    return source


def _into_target(source: Weights, target: Weights) -> Weights:
    target.update({k: v for k, v in source.items() if not _is_head(k)})
    return target


_START: dict[str, tuple[str, Start]] = {
    "head copied too": (
        "You copied the head as well. It names the classes of the source. Where these are as many nothing warns "
        "you, and where they are others the network begins sure of wrong answers.",
        _copied(lambda key: False),
    ),
    "whatever fits": (
        "You copy whatever has the right shape. A head with as many classes fits, though its classes may be others: "
        "decide by the name.",
        lambda source, target: {
            k: (source[k] if k in source and source[k].shape == v.shape else v).clone() for k, v in target.items()
        },
    ),
    "nothing copied": (
        "Your state dict is the target's own: nothing came over from the source.",
        _copied(lambda key: True),
    ),
    "only the head copied": (
        "It is the other way around: you copied the head, and left the encoder behind.",
        _copied(lambda key: not _is_head(key)),
    ),
    "out anywhere in the name": (
        "You left too much behind: attention has a layer called out of its own in each block, and it belongs to the "
        "encoder. Where in the name does the word stand if it means the head?",
        _copied(lambda key: "head." in key),
    ),
    "half a head": (
        "Only the weight of the head stayed the target's; its bias came from the source.",
        _copied(lambda key: key == "head.weight"),
    ),
    "keys missing": (
        "Your state dict lacks keys, so a network would refuse it. The new one has all that the target has.",
        lambda source, target: {k: v.clone() for k, v in source.items() if not _is_head(k)},
    ),
    "a source without a head": (
        "It is right as long as the source has a head. The encoder of a masked autoencoder has none; the new state "
        "dict needs one nevertheless. Whose keys should you go through?",
        lambda source, target: {k: (target[k] if _is_head(k) else v).clone() for k, v in source.items()},
    ),
    "source changed": (
        "The values are right, but you wrote them into the source: the next arm would start from another one. Make a "
        "new state dict.",
        _into_source,
    ),
    "target changed": (
        "The values are right, but you wrote them into the target, which was given to you to read. Make a new state "
        "dict.",
        _into_target,
    ),
    "shared storage": (
        "The values are right, but the tensors are the source's own: whoever writes into the new state dict "
        "writes into the source. Each tensor needs memory of its own.",
        _copied(_is_head, clone=False),
    ),
}


def _state(name: str, num_classes: int, seed: int) -> _StateDict:
    """The state dict of a very small network: one with attention, whose last layer is called out as well."""
    shapes = {
        "positions": (5, 3),
        "patches.weight": (3, 2),
        "patches.bias": (3,),
        "blocks.0.attention.out_proj.weight": (3, 3),
        "blocks.0.attention.out_proj.bias": (3,),
        "norm.weight": (3,),
        "head.weight": (num_classes, 3),
        "head.bias": (num_classes,),
    }
    return _StateDict(dict(zip(shapes, normal(seed, *shapes.values()), strict=True)), name)


check_start = Exercise(
    name="start from a source",
    reference=lambda source, target: _STARTED,
    # heads for unequal, then for equal numbers of classes
    probes=[
        (_state("source", 7, 1), _state("target", 2, 2)),
        (_state("source", 5, 3), _state("target", 5, 4)),
    ],
    prepare=_inspected,
    mistakes=[Mistake(name, says, _inspected(start)) for name, (says, start) in _START.items()],
    hint_texts=[
        "Begin with a copy of the target, head and all. Then go through the source, and take over what is not of its "
        "head, each tensor as a copy.",
        'new = copy.deepcopy(target); then for each key and value of source.items() where not key.startswith("head."): '
        "new[key] = value.clone().",
    ],
    right="The encoder came over, the head is fresh, and both networks are as they were. A source without a head "
    "serves as well.",
)

# ---- does it harm? ----

Harm = Callable[[Tensor, Tensor, float], Any]


def _harm_by_columns(transferred: Tensor, scratch: Tensor, t: float) -> list[bool]:
    """Number of labels by number of labels, with the deviation of the standard library."""
    found = []
    for one, other in zip(transferred.T.tolist(), scratch.T.tolist(), strict=True):
        differences = [a - b for a, b in zip(one, other, strict=True)]
        half = t * statistics.stdev(differences) / len(differences) ** 0.5
        found.append(statistics.fmean(differences) + half < 0)
    return found


_PER_SEED = "an answer for each seed"
_PER_CELL = "an answer for each seed and each number of labels"
_IN_ALL = "one answer for all numbers of labels"
_NUMBERS = "numbers, where True or False is asked for"


def _shaped(harm: Harm) -> Harm:
    """An answer that is caught if its results are numbers, or truth values in another shape."""

    def shaped(transferred: Tensor, scratch: Tensor, t: float) -> Any:
        seeds, labels = transferred.shape
        result = harm(transferred, scratch, t)
        try:
            found = torch.as_tensor(result)
        except (TypeError, ValueError, RuntimeError):
            return result
        if found.dtype != torch.bool:
            return _NUMBERS if found.shape == (labels,) else result
        return {(seeds,): _PER_SEED, (seeds, labels): _PER_CELL, (): _IN_ALL}.get(tuple(found.shape), result)

    return shaped


def _end(values: Tensor, t: float, root: bool = True, unbiased: bool = True, sign: int = 1) -> Tensor:
    """The upper end of the interval of a mean over seeds, with `sign=-1` the lower one."""
    return values.mean(0) + sign * t * values.std(0, correction=int(unbiased)) / (len(values) ** 0.5 if root else 1)


_HARM: dict[str, tuple[str, Harm]] = {
    "mean only": (
        "You compare the means only. A few seeds can be unlucky: the whole interval must lie below 0.",
        lambda a, b, t: (a - b).mean(0) < 0,
    ),
    "unpaired": (
        "You ask whether the intervals of the two means are apart. But a seed gave both the same examples, so an easy "
        "draw lifts both. What varies once the seeds are compared one by one?",
        lambda a, b, t: _end(a, t) < _end(b, t, sign=-1),
    ),
    "unpaired: the variances added": (
        "You add the variances of the two, as if the seeds had nothing to do with each other. But a seed gave both the "
        "same examples. What varies once the seeds are compared one by one?",
        lambda a, b, t: (a - b).mean(0) + t * ((a.var(0) + b.var(0)) / len(a)) ** 0.5 < 0,
    ),
    "scratch taken as exact": (
        "You hold the interval of one against the mean of the other, as if that were known exactly. The difference has "
        "the interval.",
        lambda a, b, t: _end(a, t) < b.mean(0),
    ),
    "no root of n": (
        "Your interval is that of a single seed. A mean over n seeds is surer, and by how much? n comes in.",
        lambda a, b, t: _end(a - b, t, root=False) < 0,
    ),
    "divided by n": (
        "You divide by n itself, so your interval is too narrow. The variance of a mean falls with n; and its "
        "deviation?",
        lambda a, b, t: _end(a - b, t / len(a) ** 0.5) < 0,
    ),
    "population deviation": (
        "Your deviation is a little too small: the sum of squares is divided by n. The mean was found from the same "
        "seeds, so divide by one less. (numpy divides by n unless it is told otherwise.)",
        lambda a, b, t: _end(a - b, t, unbiased=False) < 0,
    ),
    "t left out": (
        "You go one standard error up from the mean. With so few seeds 95 % takes t of them.",
        lambda a, b, t: _end(a - b, 1) < 0,
    ),
    "the normal quantile": (
        "You use 1.96, which holds for many seeds. With a few the deviation itself is a guess, and t is larger.",
        lambda a, b, t: _end(a - b, 1.96) < 0,
    ),
    "the lower end": (
        "You ask whether the lower end of the interval is below 0. It is also where 0 lies within: which end must be "
        "below?",
        lambda a, b, t: _end(a - b, t, sign=-1) < 0,
    ),
    "sign turned round": (
        "You say True where the source helps. Harm means that scratch is better.",
        lambda a, b, t: _end(b - a, t) < 0,
    ),
    "two-sided": (
        "You say True wherever the interval is clear of 0, also where the source helps. Harm has one side.",
        lambda a, b, t: (_end(b - a, t) < 0) | (_end(a - b, t) < 0),
    ),
    "inverted": (
        "You say True where no harm is shown, and False where it is.",
        lambda a, b, t: _end(a - b, t) >= 0,
    ),
    "one seed is enough": (
        "You say True as soon as one seed does worse than from scratch. Among a few seeds one often does.",
        lambda a, b, t: (a < b).any(0),
    ),
    "all seeds agree": (
        "You say True where every seed does worse than from scratch. That is neither needed nor enough: how much "
        "worse, and how unlike each other the seeds are, must count.",
        lambda a, b, t: (a < b).all(0),
    ),
    "over the labels": (
        "You have an answer for each seed: the mean runs over the numbers of labels. Which dimension holds the seeds?",
        lambda a, b, t: _PER_SEED,
    ),
    "seed by seed": (
        "You have an answer for each seed. Together they give one for each number of labels.",
        lambda a, b, t: _PER_CELL,
    ),
    "one answer for all": (
        "You have one answer in all. A source may harm with few labels and not with many: one for each number of "
        "labels.",
        lambda a, b, t: _IN_ALL,
    ),
    "numbers instead of truth values": (
        "You return numbers. True or False is asked for, for each number of labels.",
        lambda a, b, t: _NUMBERS,
    ),
}

# quantiles of Student's distribution at 0.975, by the number of seeds
_T = {3: 4.302652729749462, 5: 2.7764451051977934, 7: 2.4469118511449786}


# how many half widths of its interval a mean lies below 0: on each side of where right and wrong answers change
_BELOW = (-1.6, -0.6, 0.2, 0.3, 0.4, 0.5, 0.65, 0.75, 0.95, 1.05, 1.5, 2.0, 4.0)


def _accuracies(seeds: int, seed: int) -> tuple[Tensor, Tensor, float]:
    """Accuracies of two arms: what a seed drew moves both alike, and in a second set of columns against each other."""
    below = torch.tensor(_BELOW * 2, dtype=torch.float64)
    drawn, own = normal(seed, (seeds, len(below)), (seeds, len(below)))
    along = torch.arange(len(below)) < len(_BELOW)
    difference = torch.where(along, own, own - 2 * drawn)
    difference = (difference - difference.mean(0)) / difference.std(0)
    difference = 0.02 * (difference - below * _T[seeds] / seeds**0.5)
    order = torch.randperm(len(below), generator=torch.Generator().manual_seed(seed))
    scratch = torch.linspace(0.6, 0.8, len(below), dtype=torch.float64) + 0.02 * drawn[:, order]
    return scratch + difference[:, order], scratch, _T[seeds]


check_harm = Exercise(
    name="does it harm?",
    reference=_harm_by_columns,
    probes=[_accuracies(5, 1), _accuracies(3, 2), _accuracies(7, 3)],
    prepare=lambda answer: _shaped(in_float64(answer)),
    mistakes=[Mistake(name, says, imitate) for name, (says, imitate) in _HARM.items()],
    hint_texts=[
        "Subtract first, seed by seed: each seed gave both arms the same examples. Then one interval, of these "
        "differences; it lies wholly below 0 if its upper end does.",
        "d = transferred - scratch; the upper end is d.mean(dim=0) + t * d.std(dim=0) / n ** 0.5, with n = len(d).",
    ],
    right="Paired, with the spread of the difference: harm is said only where chance is a poor excuse.",
)

# ---- a loss that remembers ----

Examples = tuple[Tensor, Tensor]
Loss = Callable[[Any, Examples, Examples, float], Any]


class _Network(nn.Sequential):
    """A small network that a message can show in two words."""

    def __repr__(self) -> str:
        return "a network"


def _mixed(model: Any, new: Examples, old: Examples, share: float) -> Tensor:
    """Example by example: each counts with its part of the share."""
    total = torch.zeros((), dtype=torch.float64)
    for (images, labels), part in ((new, 1 - share), (old, share)):
        for scores, label in zip(model(images).log_softmax(-1), labels.tolist(), strict=True):
            total = total - part / len(labels) * scores[label]
    return total


_NO_GRADIENT = "the right number, without a gradient"
_OF_ONE = "the right number, with the gradient of the {} ones only"


def _learned_from(loss: Loss) -> Loss:
    """An answer that is caught if its number is right, but not what a step of training would make of it."""

    def found(model: Any, new: Examples, old: Examples, share: float) -> Any:
        result = loss(model, new, old, share)
        wanted = _mixed(model, new, old, share)
        try:
            number = torch.as_tensor(result)
        except (TypeError, ValueError, RuntimeError):
            return result
        if number.shape != () or not torch.isclose(number.detach().double(), wanted.detach(), rtol=1e-5):
            return result
        if not number.requires_grad:
            return _NO_GRADIENT
        gradient = _gradient(number, model)
        if torch.allclose(gradient, _gradient(wanted, model), rtol=1e-4, atol=1e-6):
            return number
        for name, part, rest in (("new", 1 - share, new), ("old", share, old)):
            if torch.allclose(gradient, _gradient(part * _mixed(model, rest, rest, 0.5), model), rtol=1e-4, atol=1e-6):
                return _OF_ONE.format(name)
        return "the right number, with another gradient"

    return found


def _gradient(number: Tensor, model: nn.Module) -> Tensor:
    """All partial derivatives of a number in one row."""
    weights = list(model.parameters())
    found = torch.autograd.grad(number, weights, retain_graph=True, allow_unused=True)
    return torch.cat(
        [torch.zeros_like(w).flatten() if g is None else g.flatten() for g, w in zip(found, weights, strict=True)]
    )


def _losses(combine: Callable[[Tensor, Tensor, float], Any], reduction: str = "mean") -> Loss:
    """A combination of torch's losses on the new and the old examples, and the share."""
    return lambda model, new, old, share: combine(
        F.cross_entropy(model(new[0]), new[1], reduction=reduction),
        F.cross_entropy(model(old[0]), old[1], reduction=reduction),
        share,
    )


def _right_share(model: nn.Module, examples: Examples) -> Tensor:
    return (model(examples[0]).argmax(-1) == examples[1]).double().mean()


_MIXED: dict[str, tuple[str, Loss]] = {
    "old left out": (
        "Only the new examples count in your loss. Nothing holds on to what the network knew.",
        _losses(lambda new, old, share: new),
    ),
    "new left out": (
        "Only the old examples count in your loss. The new task is not learned.",
        _losses(lambda new, old, share: old),
    ),
    "shares exchanged": (
        "Your shares are exchanged: with a share of 0.1 most of the loss would come from the old examples.",
        _losses(lambda new, old, share: share * new + (1 - share) * old),
    ),
    "sum instead of mix": (
        "You add the two losses, whatever the share. The steps grow, and nothing can be tuned.",
        _losses(lambda new, old, share: new + old),
    ),
    "old on top": (
        "The old examples have their share, but the new ones count in full. What one gains the other gives up: the two "
        "parts add up to 1.",
        _losses(lambda new, old, share: new + share * old),
    ),
    "share ignored": (
        "Both count one half, whatever the share.",
        _losses(lambda new, old, share: (new + old) / 2),
    ),
    "mean over all examples together": (
        "You take one mean over all examples together. Then the count of each decides, and the share does nothing.",
        lambda model, new, old, share: F.cross_entropy(
            torch.cat([model(new[0]), model(old[0])]), torch.cat([new[1], old[1]])
        ),
    ),
    "sums over the examples": (
        "Within each part you take the sum over the examples. Whoever brings more of them would count more: it should "
        "be a mean both times.",
        _losses(lambda new, old, share: (1 - share) * new + share * old, reduction="sum"),
    ),
    "softmax twice": (
        "Your scores go through a softmax before torch's loss, which has one inside. All answers look unsure then, and "
        "little is learned.",
        lambda model, new, old, share: _losses(lambda new, old, share: (1 - share) * new + share * old)(
            lambda images: model(images).softmax(-1), new, old, share
        ),
    ),
    "accuracy instead of loss": (
        "You mix accuracies. They do not change when a weight is moved a little, so nothing can be learned from them.",
        lambda model, new, old, share: (1 - share) * _right_share(model, new) + share * _right_share(model, old),
    ),
    "old without gradient": (
        "The number is right, but no gradient comes from the old examples: they are looked at, and not learned from.",
        _losses(lambda new, old, share: (1 - share) * new + share * old.detach()),
    ),
    "no gradient": (
        "The number is right, but no gradient leads back from it. Did it become a plain number on the way?",
        _losses(lambda new, old, share: ((1 - share) * new + share * old).item()),
    ),
}


def _tasks(n: int, m: int, num_classes: int, share: float, seed: int) -> tuple[nn.Module, Examples, Examples, float]:
    """A network, n new and m old examples, and a share."""
    generator = torch.Generator().manual_seed(seed)
    first, last, new, old = normal(seed, (5, 6), (num_classes, 5), (n, 1, 2, 3), (m, 1, 2, 3))
    inner, outer = nn.Linear(6, 5, bias=False), nn.Linear(5, num_classes, bias=False)
    inner.weight, outer.weight = nn.Parameter(first), nn.Parameter(last)
    model = _Network(nn.Flatten(), inner, nn.Tanh(), outer)
    labels = [torch.randint(num_classes, (count,), generator=generator) for count in (n, m)]
    return model, (new, labels[0]), (old, labels[1]), share


check_mixed_loss = Exercise(
    name="a loss that remembers",
    reference=_learned_from(_mixed),
    # never as many old as new, never a share of one half
    probes=[_tasks(7, 5, 3, 0.2, 1), _tasks(3, 11, 5, 0.7, 2), _tasks(13, 2, 4, 0.4, 4)],
    prepare=lambda answer: in_float64(_learned_from(answer)),
    mistakes=[Mistake(name, says, _learned_from(loss)) for name, (says, loss) in _MIXED.items()],
    hint_texts=[
        "Two losses, each a mean over its own examples; then a mean of the two, in which `share` says how much the old "
        "one counts. What is left for the new one?",
        "F.cross_entropy(model(images), labels) is the loss of a part, with images, labels = new and again with old. "
        "Then (1 - share) times the first plus share times the second.",
    ],
    right="The share decides what is kept, however many examples of each there are: 0 forgets, 1 learns nothing new.",
)
