"""Answers to the exercises of notebook 07, written apart from the catalogues of the checks."""

import copy
import math
import random
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import ttest_rel

Tensor = torch.Tensor
Generator = torch.Generator
RIGHT: dict[str, list[Any]] = {}
WRONG: dict[str, dict[str, list[Any]]] = {}
# What a student would have to write, in pieces; no verdict may hold one of them. (The second hint may.)
SOLUTIONS = {
    "a few labels": ["randperm", "nonzero", "labels ==", "torch.cat", "argsort", "labels[", "generator="],
    "start from a source": ["startswith", "clone(", "deepcopy", "| ", "update(", ".items("],
    "does it harm?": ["std(", "mean(", "n ** 0.5", "sqrt", "interval(", "transferred - scratch", "< 0"],
    "a loss that remembers": ["cross_entropy", "(1 - share)", "1 - share", "share *", "nll_loss", "lerp"],
}

# ---- a few labels of each class ----


def classes(labels: Tensor) -> list[list[int]]:
    """The rows of each class."""
    found: dict[int, list[int]] = {}
    for row, label in enumerate(labels.tolist()):
        found.setdefault(label, []).append(row)
    return [found[c] for c in sorted(found)]


def dice(generator: Generator) -> random.Random:
    """Python's generator, started from torch's."""
    return random.Random(torch.randint(2**31, (), generator=generator).item())


def sampled(choose: Callable[[random.Random, list[int], int], list[Any]]) -> Callable[..., list[Any]]:
    """Draw class by class with Python's generator."""

    def draw(labels: Tensor, each: int, generator: Generator) -> list[Any]:
        chance = dice(generator)
        return [row for rows in classes(labels) for row in choose(chance, rows, each)]

    return draw


def draw_by_class(labels: Tensor, each: int, generator: Generator) -> Tensor:
    rows = []
    for c in range(int(labels.max()) + 1):
        of_class = torch.where(labels == c)[0]
        rows.append(of_class[torch.randperm(len(of_class), generator=generator)[:each]])
    return torch.cat(rows)


def draw_by_counting(labels: Tensor, each: int, generator: Generator) -> list[int]:
    """Go through the shuffled rows, and take a row if its class is not full; so classes come mixed."""
    left = [each] * (int(labels.max()) + 1)
    rows = []
    for row in torch.randperm(len(labels), generator=generator).tolist():
        if left[labels[row]]:
            left[labels[row]] -= 1
            rows.append(row)
    return rows


def draw_with_seed_inside(labels: Tensor, each: int, generator: Generator) -> Tensor:
    torch.manual_seed(0)
    return torch.cat([torch.tensor(rows)[torch.randperm(len(rows))[:each]] for rows in classes(labels)])


def window(chance: random.Random, rows: list[int], each: int) -> list[int]:
    start = chance.randrange(len(rows))
    return [rows[(start + k) % len(rows)] for k in range(each)]


RIGHT["a few labels"] = [
    draw_by_class,
    sampled(lambda chance, rows, each: chance.sample(rows, each)),
    draw_by_counting,
    lambda labels, each, generator: torch.multinomial(
        F.one_hot(labels).T.double(), each, generator=generator
    ).flatten(),
]
WRONG["a few labels"] = {
    "not balanced": [lambda labels, each, g: torch.randperm(len(labels), generator=g)[: each * len(classes(labels))]],
    "the same row twice": [
        sampled(lambda chance, rows, each: chance.choices(rows, k=each)),
        lambda labels, each, g: torch.randint(len(labels), (each * len(labels.unique()),), generator=g),
    ],
    "places within the class": [sampled(lambda chance, rows, each: chance.sample(range(len(rows)), each))],
    "labels instead of rows": [lambda labels, each, g: labels[draw_by_counting(labels, each, g)]],
    "always the same rows": [draw_with_seed_inside, sampled(lambda chance, rows, each: rows[-each:])],
    "generator ignored": [
        lambda labels, each, generator: [row for rows in classes(labels) for row in random.sample(rows, each)],
    ],
    "generator rewound": [lambda labels, each, g: draw_by_class(labels, each, g.manual_seed(g.initial_seed()))],
    "not equally often": [sampled(window), sampled(lambda chance, rows, each: chance.sample(rows[1:], each))],
    "other": [
        lambda labels, each, generator: torch.multinomial(F.one_hot(labels).T.double(), each, generator=generator),
        lambda labels, each, g: draw_by_class(labels, each + 1, g),
        lambda labels, each, g: torch.randperm(len(labels), generator=g)[:each],
        lambda *given: 1000 + draw_by_class(*given),
        lambda *given: draw_by_class(*given) + 0.5,
        lambda labels, each, generator: torch.arange(1),
        lambda labels, each, generator: torch.eye(3),
        lambda labels, each, generator: labels > 1,
    ],
}

# ---- start from a source ----

Weights = dict[str, Tensor]


def start_from_target(source: Weights, target: Weights) -> Weights:
    new = copy.deepcopy(target)
    for key, value in source.items():
        if not key.startswith("head."):
            new[key] = value.clone()
    return new


def start_from_source(source: Weights, target: Weights) -> Weights:
    new = {key: value.detach().clone() for key, value in source.items() if key[:5] != "head."}
    new.update({key: value for key, value in target.items() if key[:5] == "head."})  # the target's own: it is its head
    return new


def overwrite_and_say_nothing(source: Weights, target: Weights) -> None:
    for key in source:
        if not key.startswith("head."):
            target[key].copy_(source[key])


def overwrite_the_target(source: Weights, target: Weights) -> Weights:
    overwrite_and_say_nothing(source, target)
    return target


def pop_the_head(source: Weights, target: Weights) -> Weights:
    for key in ("head.weight", "head.bias"):
        source.pop(key, None)
    return {key: value.clone() for key, value in (target | source).items()}


RIGHT["start from a source"] = [
    start_from_target,
    start_from_source,
    lambda source, target: target | {key: torch.clone(source[key]) for key in source if key.split(".")[0] != "head"},
]
WRONG["start from a source"] = {
    "head copied too": [lambda source, target: copy.deepcopy(target | source)],
    "nothing copied": [lambda source, target: target],
    "half a head": [
        lambda source, target: start_from_target(source, target) | {k: source[k] for k in source if k == "head.bias"}
    ],
    "keys missing": [lambda source, target: {k: v for k, v in source.items() if "head" not in k}],
    "written in place": [overwrite_the_target, overwrite_and_say_nothing],
    "shared storage": [
        lambda source, target: target | {k: v.detach() for k, v in source.items() if not k.startswith("head.")},
    ],
    "other": [
        lambda source, target: target | source,
        pop_the_head,  # right where the source has none
        lambda source, target: list(start_from_target(source, target).items()),
        lambda source, target: start_from_target(source, target) | {"mask_token": torch.zeros(1)},
        lambda source, target: start_from_target(source, target) | {"pos_embed": target["pos_embed"].clone()},
    ],
}

# ---- does it harm? ----


def differing(
    half: Callable[[list[float], float], float],
    said: Callable[[float, float], bool] = lambda mean, half: mean + half < 0,
) -> Callable[[Tensor, Tensor, float], list[bool]]:
    """Write the answer column by column: `half(differences, t)` is half the width, `said(mean, half)` the answer."""

    def harm(transferred: Tensor, scratch: Tensor, t: float) -> list[bool]:
        columns = (transferred - scratch).T.tolist()
        return [said(statistics.fmean(column), half(column, t)) for column in columns]

    return harm


def half_width(differences: list[float], t: float) -> float:
    return t * math.sqrt(statistics.variance(differences) / len(differences))


def harm_by_numpy(transferred: Tensor, scratch: Tensor, t: float, ddof: int = 1) -> np.ndarray:
    d = transferred.numpy() - scratch.numpy()
    return d.mean(axis=0) + t * d.std(axis=0, ddof=ddof) / np.sqrt(len(d)) < 0


def harm_by_test(transferred: Tensor, scratch: Tensor, t: float) -> np.ndarray:
    """The paired t test of scipy: a two-sided p below 0.05, on the side of harm."""
    found = ttest_rel(transferred.numpy(), scratch.numpy())
    return (found.pvalue < 0.05) & (found.statistic < 0)


RIGHT["does it harm?"] = [
    lambda a, b, t: (a - b).mean(0) + t * (a - b).std(0) / len(b) ** 0.5 < 0,
    harm_by_numpy,
    harm_by_test,
    differing(half_width),
    lambda a, b, t: harm_by_numpy(a.float(), b.float(), t),
]
WRONG["does it harm?"] = {
    "mean only": [differing(lambda d, t: 0.0)],
    "no root of n": [differing(lambda d, t: t * statistics.stdev(d))],
    "population deviation": [lambda a, b, t: harm_by_numpy(a, b, t, ddof=0)],
    "t left out": [differing(lambda d, t: half_width(d, statistics.NormalDist().inv_cdf(0.975)))],
    "the lower end": [differing(half_width, lambda mean, half: mean < half)],
    "two-sided": [lambda a, b, t: ttest_rel(a, b).pvalue < 0.05],
    "inverted": [differing(half_width, lambda mean, half: mean + half > 0)],
    "one seed is enough": [lambda a, b, t: [min(column) < 0 for column in (a - b).T.tolist()]],
    "other": [lambda a, b, t: harm_by_numpy(a, b, t).astype(float)],
}

# ---- a loss that remembers ----

Examples = tuple[Tensor, Tensor]


def surprise(model: Any, examples: Examples) -> Tensor:
    """The mean over the examples of -log p of the right class, one by one."""
    each = []
    for image, label in zip(*examples, strict=True):
        logits = model(image[None])[0]
        each.append(logits.logsumexp(0) - logits[label])
    return torch.stack(each).mean()


def mixed(combine: Callable[[Tensor, Tensor, float], Any]) -> Callable[[Any, Examples, Examples, float], Any]:
    return lambda model, new, old, share: combine(surprise(model, new), surprise(model, old), share)


def weighted_in_one_batch(model: Any, new: Examples, old: Examples, share: float) -> Tensor:
    """One pass of the network; each example has a weight."""
    labels = torch.cat([new[1], old[1]])
    each = F.cross_entropy(model(torch.cat([new[0], old[0]])), labels, reduction="none")
    weights = torch.tensor([(1 - share) / len(new[1])] * len(new[1]) + [share / len(old[1])] * len(old[1]))
    return (weights * each).sum()


def without_graph(model: Any, new: Examples, old: Examples, share: float) -> Tensor:
    with torch.no_grad():
        return weighted_in_one_batch(model, new, old, share)


RIGHT["a loss that remembers"] = [mixed(torch.lerp), weighted_in_one_batch]
WRONG["a loss that remembers"] = {
    "shares exchanged": [mixed(lambda new, old, share: torch.lerp(old, new, share))],
    "old on top": [mixed(lambda new, old, share: torch.add(new, old, alpha=share))],
    "mean over all examples together": [
        lambda model, new, old, share: surprise(model, tuple(map(torch.cat, zip(new, old, strict=True)))),
    ],
    "old without gradient": [mixed(lambda new, old, share: (1 - share) * new + share * old.item())],
    "no gradient": [without_graph, mixed(lambda new, old, share: torch.lerp(new, old, share).item())],
    "other": [mixed(lambda new, old, share: 2 * torch.lerp(new, old, share) - torch.lerp(new, old, share).detach())],
    "not solved yet": [lambda model, new, old, share: ...],
}
