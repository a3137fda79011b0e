"""The exercises of notebook 07: a few labels of each class, a start from a source, harm, and a cure for forgetting."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from lecturelib.checks.exercise import Draws, Exercise, Sized, as_drawn, described, normal, uneven, untouched

Tensor = torch.Tensor
Generator = torch.Generator
Weights = dict[str, Tensor]

# ---- a few labels of each class ----


def _as_rows(drawn: Any, labels: Tensor, each: int) -> Any:
    """What was drawn as a list of whole numbers below n; or words that say what it is instead."""
    rows = as_drawn(drawn)
    if not isinstance(rows, Tensor):
        return rows
    if rows.ndim == 0:
        return "a single number"
    if rows.dtype == torch.bool and rows.shape == labels.shape:
        return "a mask"
    if rows.shape == (len(labels.unique()), each):
        return "a table with a line for each class"
    if rows.ndim != 1:
        return f"a tensor of shape {tuple(rows.shape)}"
    if rows.dtype == torch.bool or bool((rows != rows.round()).any()):
        return "True and False" if rows.dtype == torch.bool else "numbers that are not whole"
    return rows.long() if not len(rows) or 0 <= rows.min() <= rows.max() < len(labels) else "rows that are not there"


def _repeated(draws: Draws, labels: Tensor, each: int) -> str | None:
    """Whether a row comes twice in a draw, and what the numbers are if they are no rows."""
    repeats = [len(rows.unique()) < len(rows) for rows in draws.calls]
    if not any(repeats):
        return None
    counts = labels.bincount()
    if any(len(rows) != len(counts) * each for rows in draws.calls):
        return "a row twice, and another number of rows"
    tables = torch.stack(draws.calls).unflatten(1, (-1, each))  # (draws, classes, each), if they come by class
    apart = all(len(line.unique()) == each for line in tables.flatten(0, 1))
    if apart and bool((tables < counts[:, None]).all()):
        return "numbers that begin at 0 in every class"
    if bool((tables < len(counts)).all()):
        return "labels"
    # chance alone repeats a row also within a class, and not in each draw
    return "a row for two classes" if apart and all(repeats) else "a row twice"


def _miscounted(draws: Draws, labels: Tensor, each: int) -> str | None:
    """What is the matter with the number of rows of a class, if anything."""
    num_classes = int(labels.max()) + 1
    counts = torch.stack([labels[rows].bincount(minlength=num_classes) for rows in draws.calls])  # (draws, classes)
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
    if bool((counts.sum(1) == num_classes * each).all()):
        return "more rows of some classes than of others"
    return "another number of rows, not as many of each class"


def _unvaried(draws: Draws, *given: Any) -> str | None:
    """What is the matter with how the rows, in any order, differ between calls and seeds."""
    *calls, same, other = [rows.sort().values for rows in (*draws.calls, draws.same_seed, draws.other_seed)]
    return Draws(calls, same, other).unvaried()


def _not_at_random(draws: Draws, labels: Tensor, each: int) -> str | None:
    """Whether some rows of a class, alone or in pairs, come more often than chance allows."""
    chosen = torch.zeros(len(draws.calls), len(labels), dtype=torch.bool).scatter(1, torch.stack(draws.calls), True)
    size = labels.bincount()[labels].double()
    wanted = (each * (each - 1) / (size * (size - 1)))[:, None].repeat(1, len(labels))
    wanted.diagonal().copy_(each / size)
    odd = uneven(chosen, wanted) & (labels[:, None] == labels)
    return "some rows more often than others" if bool(odd.any()) else None


def _fine_draw(labels: Tensor, each: int, generator: Generator | None = None) -> str:
    return f"{each} rows of each of {len(labels.unique())} classes, at random"


def _by_class(
    pick: Callable[[Tensor, int, Generator], Tensor], num_classes: Callable[[int], range] = range
) -> Callable[[Tensor, int, Generator], Tensor]:
    """Rows class by class: `pick(rows of the class, each, generator)` chooses."""
    return lambda labels, each, generator: torch.cat(
        [pick((labels == c).nonzero()[:, 0], each, generator) for c in num_classes(int(labels.max()) + 1)]
    )


def _shuffled(rows: Tensor, each: int, generator: Generator | None) -> Tensor:
    return rows[torch.randperm(len(rows), generator=generator)[:each]]


_right = _by_class(_shuffled)


def _of_all(labels: Tensor, count: int, generator: Generator) -> Tensor:
    return _shuffled(torch.arange(len(labels)), count, generator)


def _labels(num_classes: int, each: int, seed: int) -> tuple[Tensor, int]:
    """Labels in no order, of classes of unequal size, none as small as `each`."""
    sizes = torch.tensor([5, 4, 8, 7, 6])[:num_classes] + 2 * (each - 2)
    labels = torch.arange(num_classes).repeat_interleave(sizes)
    return labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))], each


check_draw = Exercise(
    name="a few labels",
    reference=_fine_draw,
    # neither the first rows nor the last ones are balanced
    probes=Sized(_labels, [(3, 2, 3), (4, 3, 2)]),
    view=described(_as_rows, [_repeated, _miscounted, _unvaried], _not_at_random, _fine_draw, calls=12, more=250),
    imitations={
        "not balanced": lambda labels, each, generator: _of_all(labels, each * (int(labels.max()) + 1), generator),
        "the same row twice": _by_class(
            lambda rows, each, generator: rows[torch.randint(len(rows), (each,), generator=generator)]
        ),
        "places within the class": _by_class(
            lambda rows, each, generator: _shuffled(torch.arange(len(rows)), each, generator)
        ),
        "labels instead of rows": lambda labels, each, generator: labels[_right(labels, each, generator)],
        "a class left out": _by_class(_shuffled, lambda num_classes: range(num_classes - 1)),
        "always the same rows": _by_class(lambda rows, each, generator: rows[:each]),
        "generator ignored": _by_class(lambda rows, each, generator: _shuffled(rows, each, None)),
        "generator rewound": lambda labels, each, generator: _right(
            labels, each, torch.Generator().manual_seed(generator.initial_seed())
        ),
        "not equally often": _by_class(lambda rows, each, generator: _shuffled(rows[:-1], each, generator)),
    },
    says="""
        not balanced: You have as many rows as asked for, but more of some classes than of others: the labels were not
            looked at. Each class gets the same number.
        the same row twice: A row comes twice in your draw. Draw without putting back.
        places within the class: Your numbers count within each class. Which rows of all the labels are these?
        labels instead of rows: You return the labels of what you drew. The rows are asked for.
        a class left out: You draw from all classes but one. The largest label is one less than their number.
        always the same rows: Every call gives the same rows, whatever the seed. Do you take the first ones of each
            class, or set a seed inside? Then three seeds are one measurement, said three times.
        generator ignored: The same seed gives other rows: chance does not come from the generator that you were given.
            Two runs with one seed would learn from different examples.
        generator rewound: The second call repeats the rows of the first. A generator goes on by itself.
        not equally often: Some rows of a class, or pairs of them, come more often than others.
        right: As many of each class, none twice, each choice equally likely, and the same again from the same seed.
        hint 1: Shuffle the rows once. Then go through the classes: of the shuffled rows that have this label, take the
            first ones. What was collected becomes one list.
        hint 2: order = torch.randperm(len(labels), generator=generator); the rows of class c in that order are
            order[labels[order] == c]. torch.cat joins a list of tensors.
    """,
)

# ---- start from a source ----

Start = Callable[[Weights, Weights], Any]
_NO_HEAD = 2  # a kind of probes


def _is_head(key: str) -> bool:
    return key.startswith("head.")


def _copied(of_target: Callable[[str], bool], clone: bool = True) -> Start:
    """A new state dict in which the target's tensors stand where `of_target(key)` holds."""

    def start(source: Weights, target: Weights) -> Weights:
        chosen = {k: v if of_target(k) or k not in source else source[k] for k, v in target.items()}
        return {k: v.clone() for k, v in chosen.items()} if clone else chosen

    return start


def _joined(source: Weights, target: Weights) -> Weights:
    """Key by key: of the target what the head needs, of the source the rest."""
    return {key: (target[key] if _is_head(key) else source[key]).clone() for key in target}


def _states(of_source: int, of_target: int, d: int, kind: int) -> tuple[Weights, Weights]:
    """The state dicts of two very small networks, by the number of classes of each."""
    shapes = {"pos_embed": (d,), "patch_embed.weight": (d, 2), "norm.weight": (d,)}
    drawn = normal(
        kind, *[*shapes.values(), (of_source, d), (of_source,)], *[*shapes.values(), (of_target, d), (of_target,)]
    )
    names = [*shapes, "head.weight", "head.bias"]
    source, target = dict(zip(names, drawn[:5], strict=True)), dict(zip(names, drawn[5:], strict=True))
    return ({k: v for k, v in source.items() if not _is_head(k)} if kind == _NO_HEAD else source), target


check_start = Exercise(
    name="start from a source",
    reference=_joined,
    # heads for unequal, then for equal numbers of classes; then a source that has none
    probes=Sized(_states, [(7, 2, 5, 1), (5, 5, 3, 1), (3, 2, 5, _NO_HEAD)]),
    view=untouched(_joined),
    imitations={
        "head copied too": _copied(lambda key: False),
        "whatever fits": lambda source, target: {
            k: (source[k] if k in source and source[k].shape == v.shape else v).clone() for k, v in target.items()
        },
        "nothing copied": _copied(lambda key: True),
        "half a head": _copied(lambda key: key == "head.weight"),
        "keys missing": lambda source, target: {k: v.clone() for k, v in source.items() if not _is_head(k)},
        "a source without a head": lambda source, target: {
            k: (target[k] if _is_head(k) else v).clone() for k, v in source.items()
        },
        "written in place": (
            lambda source, target: source.update({k: v for k, v in target.items() if _is_head(k)}),
            lambda source, target: target.update({k: v for k, v in source.items() if not _is_head(k)}),
        ),
        "shared storage": _copied(_is_head, clone=False),
    },
    says="""
        head copied too: You copied the head as well. It names the classes of the source. Where these are as many
            nothing warns you, and where they are others the network begins sure of wrong answers.
        whatever fits: You copy whatever has the right shape, so also a head for other classes. Decide by the name.
        nothing copied: Your state dict is the target's own: nothing came over from the source.
        half a head: Only the weight of the head stayed the target's; its bias came from the source.
        keys missing: Your state dict lacks keys, so a network would refuse it. The new one has all that the target has.
        a source without a head: It is right as long as the source has a head. The encoder of a masked autoencoder has
            none; the new state dict needs one nevertheless. Whose keys should you go through?
        written in place: The values are right, but you wrote them into one of the two that you were given to read: the
            next run would start from another one. Make a new state dict.
        shared storage: The values are right, but the tensors are the source's own: whoever writes into the new state
            dict writes into the source. Each tensor needs memory of its own.
        right: The encoder came over, the head is fresh, and both networks are as they were.
        hint 1: Begin with a copy of the target, head and all. Then go through the source, and take over what is not of
            its head, each tensor as a copy.
        hint 2: new = copy.deepcopy(target); then for each key and value of source.items() where not
            key.startswith("head."): new[key] = value.clone().
    """,
)

# ---- does it harm? ----

Harm = Callable[[Tensor, Tensor, float], Any]


def _harm_by_columns(transferred: Tensor, scratch: Tensor, t: float) -> list[bool]:
    """Number of labels by number of labels, with the standard deviation of the standard library."""
    found = []
    for one, other in zip(transferred.T.tolist(), scratch.T.tolist(), strict=True):
        differences = [a - b for a, b in zip(one, other, strict=True)]
        half = t * statistics.stdev(differences) / len(differences) ** 0.5
        found.append(statistics.fmean(differences) + half < 0)
    return found


def _end(values: Tensor, t: float, root: bool = True, unbiased: bool = True, sign: int = 1) -> Tensor:
    """The upper end of the interval of a mean over seeds, with `sign=-1` the lower one."""
    return values.mean(0) + sign * t * values.std(0, correction=int(unbiased)) / (len(values) ** 0.5 if root else 1)


# quantiles of Student's distribution at 0.975, by the number of seeds
_T = {2: 12.706204736432095, 3: 4.302652729749462, 5: 2.7764451051977934, 7: 2.4469118511449786}
# how many half widths of its interval a mean lies below 0: on each side of where right and wrong answers change
_BELOW = (-1.6, -0.6, 0.2, 0.3, 0.4, 0.5, 0.65, 0.75, 0.95, 1.05, 1.5, 2.0, 4.0)


def _accuracies(seeds: int, labels: int, seed: int) -> tuple[Tensor, Tensor, float]:
    """Accuracies of two runs: what a seed drew moves both alike, and in a second set of columns against each other."""
    if seeds not in _T:
        raise ValueError(f"{seeds} seeds: no quantile is known")
    below = torch.tensor(_BELOW * 2)
    drawn, own = normal(seed, (seeds, len(below)), (seeds, len(below)))
    along = torch.arange(len(below)) < len(_BELOW)
    difference = torch.where(along, own, own - 2 * drawn)
    difference = (difference - difference.mean(0)) / difference.std(0)
    difference = 0.02 * (difference - below * _T[seeds] / seeds**0.5)
    order = torch.randperm(len(below), generator=torch.Generator().manual_seed(seed))[:labels]
    scratch = torch.linspace(0.6, 0.8, len(order)) + 0.02 * drawn[:, order]
    return scratch + difference[:, order], scratch, _T[seeds]


check_harm = Exercise(
    name="does it harm?",
    reference=_harm_by_columns,
    probes=Sized(_accuracies, [(5, 26, 1), (3, 26, 2), (7, 26, 3)]),
    imitations={
        "mean only": lambda a, b, t: (a - b).mean(0) < 0,
        "unpaired": (
            lambda a, b, t: _end(a, t) < _end(b, t, sign=-1),
            lambda a, b, t: (a - b).mean(0) + t * ((a.var(0) + b.var(0)) / len(a)) ** 0.5 < 0,
        ),
        "no root of n": lambda a, b, t: _end(a - b, t, root=False) < 0,
        "population deviation": lambda a, b, t: _end(a - b, t, unbiased=False) < 0,
        "t left out": (lambda a, b, t: _end(a - b, 1) < 0, lambda a, b, t: _end(a - b, 1.96) < 0),
        "the lower end": lambda a, b, t: _end(a - b, t, sign=-1) < 0,
        "sign turned round": lambda a, b, t: _end(b - a, t) < 0,
        "two-sided": lambda a, b, t: (_end(b - a, t) < 0) | (_end(a - b, t) < 0),
        "inverted": lambda a, b, t: _end(a - b, t) >= 0,
        "one seed is enough": lambda a, b, t: (a < b).any(0),
        "seed by seed": lambda a, b, t: a < b,
    },
    says="""
        mean only: You compare the means only. A few seeds can be unlucky: the whole interval must lie below 0.
        unpaired: You compare two intervals, or add the variances, as if the seeds had nothing to do with each other.
            But a seed gave both the same examples. What varies once the seeds are compared one by one?
        no root of n: Your interval is that of a single seed. A mean over n seeds is surer, and by how much? n comes in.
        population deviation: Your standard deviation is a little too small: the sum of squares is divided by n. The
            mean was found from the same seeds, so divide by one less. (numpy divides by n unless it is told otherwise.)
        t left out: You go one or two standard errors up from the mean, which is enough for many seeds. With a few the
            standard deviation itself is a guess, and 95 % takes t of them.
        the lower end: You ask whether the lower end of the interval is below 0. Which end must be?
        sign turned round: You say True where the source helps. Harm means that scratch is better.
        two-sided: You say True wherever the interval is clear of 0, also where the source helps. Harm has one side.
        inverted: You say True where no harm is shown, and False where it is.
        one seed is enough: You say True as soon as one seed does worse than from scratch. Among a few seeds one often
            does.
        seed by seed: You have an answer for each seed. Together they give one for each number of labels.
        right: Paired, with the standard deviation of the difference: harm is said only where chance is a poor excuse.
        hint 1: Subtract first, seed by seed: each seed gave both the same examples. Then one interval, of these
            differences; it lies wholly below 0 if its upper end does.
        hint 2: d = transferred - scratch; the upper end is d.mean(dim=0) + t * d.std(dim=0) / n ** 0.5, with n =
            len(d).
    """,
)

# ---- a loss that remembers ----

Examples = tuple[Tensor, Tensor]
Loss = Callable[[Any, Examples, Examples, float], Any]


class _Network(nn.Sequential):
    """A small network that a message can show in a few words."""

    def __repr__(self) -> str:
        weights = [layer.weight.tolist() for layer in self if isinstance(layer, nn.Linear)]
        small = sum(w.numel() for w in self.parameters()) <= 8
        return f"a network, tanh(x W) V with W.T, V.T = {weights}" if small else "a network"


def _mixed(model: Any, new: Examples, old: Examples, share: float) -> Tensor:
    """Example by example: each counts with its part of the share."""
    total = torch.zeros((), dtype=torch.float64)
    for (images, labels), part in ((new, 1 - share), (old, share)):
        for logits, label in zip(model(images).log_softmax(-1), labels.tolist(), strict=True):
            total = total - part / len(labels) * logits[label]
    return total


def _learned_from(loss: Loss) -> Loss:
    """An answer that shows also the gradient, which is what a step of training would make of its number."""

    def found(model: Any, new: Examples, old: Examples, share: float) -> Any:
        number = loss(model, new, old, share)
        if not isinstance(number, Tensor | float) or (isinstance(number, Tensor) and number.ndim):
            return number
        return {"loss": number, "gradient": _gradient(torch.as_tensor(number), model)}

    return found


def _gradient(number: Tensor, model: nn.Module) -> Tensor:
    """All partial derivatives of a number in one row."""
    weights = list(model.parameters())
    if not number.requires_grad:
        return torch.zeros(sum(w.numel() for w in weights))
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


def _tasks(n: int, m: int, num_classes: int, d: int, pixels: int, seed: int) -> tuple[Any, ...]:
    """A network, n new and m old examples, and a share: never one half."""
    first, last, new, old = normal(seed, (d, pixels), (num_classes, d), (n, 1, 1, pixels), (m, 1, 1, pixels))
    inner, outer = nn.Linear(pixels, d, bias=False), nn.Linear(d, num_classes, bias=False)
    inner.weight, outer.weight = nn.Parameter(first), nn.Parameter(last)
    model = _Network(nn.Flatten(), inner, nn.Tanh(), outer)
    labels = [(seed + torch.arange(count) ** 2) % num_classes for count in (n, m)]
    return model, (new, labels[0]), (old, labels[1]), {1: 0.2, 2: 0.7, 3: 0.4}[seed]


check_mixed_loss = Exercise(
    name="a loss that remembers",
    reference=_learned_from(_mixed),
    # never as many old as new
    probes=Sized(_tasks, [(7, 5, 3, 5, 6, 1), (3, 11, 5, 5, 6, 2), (13, 2, 4, 5, 6, 3)]),
    view=_learned_from,
    imitations={
        "old left out": _losses(lambda new, old, share: new),
        "shares exchanged": _losses(lambda new, old, share: share * new + (1 - share) * old),
        "sum instead of mix": _losses(lambda new, old, share: new + old),
        "old on top": _losses(lambda new, old, share: new + share * old),
        "mean over all examples together": lambda model, new, old, share: F.cross_entropy(
            torch.cat([model(new[0]), model(old[0])]), torch.cat([new[1], old[1]])
        ),
        "sums over the examples": _losses(lambda new, old, share: (1 - share) * new + share * old, reduction="sum"),
        "softmax twice": lambda model, new, old, share: _losses(
            lambda new, old, share: (1 - share) * new + share * old
        )(lambda images: model(images).softmax(-1), new, old, share),
        "old without gradient": _losses(lambda new, old, share: (1 - share) * new + share * old.detach()),
        "no gradient": _losses(lambda new, old, share: ((1 - share) * new + share * old).item()),
    },
    says="""
        old left out: Only the new examples count. Nothing holds on to what the network knew.
        shares exchanged: Your shares are exchanged: with a share of 0.1 most of the loss would come from the old
            examples.
        sum instead of mix: You add the two losses, whatever the share. The steps grow, and nothing can be tuned.
        old on top: The new examples count in full. What one gains the other gives up: the parts add up to 1.
        mean over all examples together: You take one mean over all examples, so the share does nothing.
        sums over the examples: Within each part you sum, so whoever brings more examples counts more.
        softmax twice: Your logits go through a softmax before torch's loss, which has one inside.
        old without gradient: The number is right, but no gradient comes from the old examples.
        no gradient: The number is right, but no gradient leads back from it. Did it become a plain number on the way?
        right: The share decides what is kept, however many examples of each there are: 0 forgets, 1 learns nothing new.
        hint 1: Two losses, each a mean over its own examples; then a mean of the two, in which `share` says how much
            the old one counts. What is left for the new one?
        hint 2: F.cross_entropy(model(images), labels) is the loss of a part, with images, labels = new and again with
            old. Then (1 - share) times the first plus share times the second.
    """,
)
