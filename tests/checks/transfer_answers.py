"""Answers to the exercises of notebook 07, right and wrong, written apart from the catalogues of the checks."""

import copy
import math
import random
import statistics
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import ttest_rel

from lecturelib.label_efficiency import interval
from lecturelib.transfer import draw_labelled

Tensor = torch.Tensor
Generator = torch.Generator
RIGHT: dict[str, list[Any]] = {}
WRONG: dict[str, dict[str, list[Any]]] = {}
# What a student would have to write, in pieces; no verdict may hold one of them. (The second hint may.)
SOLUTIONS = {
    "a few labels": [
        "randperm",
        "nonzero",
        "labels ==",
        "torch.cat",
        "argsort",
        "labels[",
        "multinomial",
        "generator=",
    ],
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


def draw_by_shuffling(labels: Tensor, each: int, generator: Generator) -> Tensor:
    order = torch.randperm(len(labels), generator=generator)
    return torch.cat([order[labels[order] == c][:each] for c in labels.unique()])


def draw_by_counting(labels: Tensor, each: int, generator: Generator) -> list[int]:
    """Go through the shuffled rows, and take a row if its class is not full; so classes come mixed."""
    left = [each] * (int(labels.max()) + 1)
    rows = []
    for row in torch.randperm(len(labels), generator=generator).tolist():
        if left[labels[row]]:
            left[labels[row]] -= 1
            rows.append(row)
    return rows


def draw_by_numpy(labels: Tensor, each: int, generator: Generator) -> np.ndarray:
    noise = torch.rand(len(labels), generator=generator).numpy()
    order = np.lexsort((noise, labels.numpy()))
    starts = np.searchsorted(labels.numpy()[order], np.arange(int(labels.max()) + 1))
    return order[(starts[:, None] + np.arange(each)).ravel()]


def draw_by_multinomial(labels: Tensor, each: int, generator: Generator) -> Tensor:
    return torch.multinomial(F.one_hot(labels).T.float(), each, generator=generator).flatten()


def draw_globally(labels: Tensor, each: int, generator: Generator) -> Tensor:
    return torch.cat([torch.tensor(rows)[torch.randperm(len(rows))[:each]] for rows in classes(labels)])


def draw_with_seed_inside(labels: Tensor, each: int, generator: Generator) -> Tensor:
    torch.manual_seed(0)
    return draw_globally(labels, each, generator)


def draw_and_return_early(labels: Tensor, each: int, generator: Generator) -> list[int]:
    for rows in classes(labels):
        return dice(generator).sample(rows, each)
    return []


def draw_and_overwrite(labels: Tensor, each: int, generator: Generator) -> list[int]:
    found: list[int] = []
    for rows in classes(labels):
        found = dice(generator).sample(rows, each)
    return found


def window(chance: random.Random, rows: list[int], each: int) -> list[int]:
    start = chance.randrange(len(rows))
    return [rows[(start + k) % len(rows)] for k in range(each)]


def mask(labels: Tensor, each: int, generator: Generator) -> Tensor:
    mask = torch.zeros(len(labels), dtype=torch.bool)
    mask[draw_by_class(labels, each, generator)] = True
    return mask


RIGHT["a few labels"] = [
    draw_by_shuffling,
    draw_by_class,
    sampled(lambda chance, rows, each: chance.sample(rows, each)),
    draw_by_counting,
    draw_by_numpy,
    draw_by_multinomial,
    lambda labels, each, generator: draw_labelled(labels, each, seed=dice(generator).randrange(2**31)),
]
WRONG["a few labels"] = {
    "not balanced": [
        lambda labels, each, generator: torch.randperm(len(labels), generator=generator)[: each * len(classes(labels))],
        lambda labels, each, generator: torch.arange(each * len(classes(labels))),
        lambda labels, each, generator: dice(generator).sample(range(len(labels)), each * len(labels.unique())),
    ],
    "each in all": [
        lambda labels, each, generator: torch.randperm(len(labels), generator=generator)[:each],
        lambda labels, each, generator: torch.rand(len(labels), generator=generator).topk(each).indices,
    ],
    "the same row twice": [
        sampled(lambda chance, rows, each: chance.choices(rows, k=each)),
        lambda labels, each, generator: torch.multinomial(
            F.one_hot(labels).T.float(), each, replacement=True, generator=generator
        ).flatten(),
        lambda labels, each, generator: torch.randint(len(labels), (each * len(labels.unique()),), generator=generator),
        lambda labels, each, generator: draw_by_class(labels, 1, generator).repeat(each),
    ],
    "places within the class": [
        sampled(lambda chance, rows, each: chance.sample(range(len(rows)), each)),
        sampled(lambda chance, rows, each: list(range(each))),
    ],
    "labels instead of rows": [
        lambda labels, each, generator: labels[draw_by_counting(labels, each, generator)],
        lambda labels, each, generator: [c for c in range(len(classes(labels))) for _ in range(each)],
        lambda labels, each, generator: labels[torch.randperm(len(labels), generator=generator)][
            : each * len(labels.unique())
        ],
    ],
    "a mask instead of rows": [mask, lambda *given: mask(*given).tolist()],
    "a line for each class": [
        lambda labels, each, generator: torch.multinomial(F.one_hot(labels).T.float(), each, generator=generator),
        lambda labels, each, generator: [dice(generator).sample(rows, each) for rows in classes(labels)],
    ],
    "a class left out": [
        lambda labels, each, generator: [
            row for rows in classes(labels)[:-1] for row in dice(generator).sample(rows, each)
        ],
        lambda labels, each, generator: draw_by_class(labels, each, generator)[each:],
    ],
    "one class only": [draw_and_return_early, draw_and_overwrite],
    "one too many": [
        sampled(lambda chance, rows, each: chance.sample(rows, len(rows))[: each + 1]),
        lambda labels, each, generator: draw_by_shuffling(labels, each + 1, generator),
    ],
    "always the same rows": [
        sampled(lambda chance, rows, each: rows[:each]),
        sampled(lambda chance, rows, each: rows[-each:]),
        draw_with_seed_inside,
        lambda labels, each, generator: draw_by_class(labels, each, generator.manual_seed(7)),
        lambda labels, each, generator: draw_labelled(labels, each, seed=0),
    ],
    "generator ignored": [
        draw_globally,
        lambda labels, each, generator: [row for rows in classes(labels) for row in random.sample(rows, each)],
    ],
    "generator rewound": [
        lambda labels, each, generator: draw_by_class(labels, each, generator.manual_seed(generator.initial_seed())),
        lambda labels, each, generator: draw_labelled(labels, each, seed=generator.initial_seed()),
    ],
    "not equally often": [
        sampled(lambda chance, rows, each: chance.sample(rows[1:], each)),
        sampled(lambda chance, rows, each: [rows[0], *chance.sample(rows[1:], each - 1)]),
        sampled(window),
    ],
}

# ---- start from a source ----

Weights = dict[str, Tensor]


def start_from_target(source: Weights, target: Weights) -> Weights:
    new = copy.deepcopy(target)
    for key, value in source.items():
        if not key.startswith("out."):
            new[key] = value.clone()
    return new


def start_from_source(source: Weights, target: Weights) -> Weights:
    new = {key: value.detach().clone() for key, value in source.items() if key[:4] != "out."}
    new.update({key: value for key, value in target.items() if key[:4] == "out."})  # the target's own: it is its head
    return new


def start_by_merging(source: Weights, target: Weights) -> Weights:
    return target | {key: torch.clone(source[key]) for key in source if key.split(".")[0] != "out"}


def start_in_order(source: Weights, target: Weights) -> OrderedDict[str, Tensor]:
    new = OrderedDict()
    for key in target:
        new[key] = torch.empty_like(target[key]).copy_((target if key in ("out.weight", "out.bias") else source)[key])
    return new


def copies(weights: Weights) -> Weights:
    return {key: value.clone() for key, value in weights.items()}


def overwrite_the_target(source: Weights, target: Weights) -> Weights:
    for key in source:
        if not key.startswith("out."):
            target[key].copy_(source[key])
    return target


def overwrite_and_say_nothing(source: Weights, target: Weights) -> None:
    overwrite_the_target(source, target)


def clear_the_target(source: Weights, target: Weights) -> Weights:
    new = start_from_target(source, target)
    target.clear()
    return new


def pop_the_head(source: Weights, target: Weights) -> Weights:
    for key in ("out.weight", "out.bias"):
        source.pop(key, None)
    return copies(target | source)


def replace_the_head(source: Weights, target: Weights) -> None:
    source["out.weight"], source["out.bias"] = target["out.weight"], target["out.bias"]


def fitting(source: Weights, target: Weights) -> Weights:
    new = copies(target)
    for key in new:
        if key in source and new[key].numel() == source[key].numel():
            new[key] = source[key].clone()
    return new


RIGHT["start from a source"] = [start_from_target, start_from_source, start_by_merging, start_in_order]
WRONG["start from a source"] = {
    "head copied too": [
        lambda source, target: copies(target | source),
        lambda source, target: copies(source),
        lambda source, target: source,
        lambda source, target: target | source,
        lambda source, target: {**target, **copy.deepcopy(source)},
    ],
    "whatever fits": [fitting],
    "nothing copied": [
        lambda source, target: copies(target),
        lambda source, target: target,
        lambda source, target: copies(source | target),
    ],
    "only the head copied": [
        lambda source, target: copies(target) | {k: v.clone() for k, v in source.items() if k.startswith("out.")},
    ],
    "out anywhere in the name": [
        lambda source, target: copies(target) | {k: v.clone() for k, v in source.items() if "out" not in k},
        lambda source, target: copies(target) | {k: v for k, v in source.items() if k.split(".")[-2:-1] != ["out"]},
    ],
    "half a head": [
        lambda source, target: copies(source) | {"out.weight": target["out.weight"].clone()},
    ],
    "keys missing": [
        lambda source, target: {k: v.clone() for k, v in source.items() if not k.startswith("out.")},
        lambda source, target: {k: v.clone() for k, v in target.items() if k.startswith("out.")},
        lambda source, target: {},
    ],
    "a source without a head": [
        lambda source, target: {k: (target if k.startswith("out.") else source)[k].clone() for k in source},
        lambda source, target: copies(source) | {k: target[k].clone() for k in source if k.startswith("out.")},
        lambda source, target: {
            k: (source[k] + 0 if k != "out.bias" and k != "out.weight" else source[k] * 0 + target[k])
            if source["out.bias"].shape == target["out.bias"].shape or k[:3] != "out"
            else target[k]
            for k in target
        },
    ],
    "source changed": [pop_the_head, replace_the_head],
    "target changed": [overwrite_the_target, overwrite_and_say_nothing, clear_the_target],
    "shared storage": [
        lambda source, target: {k: target[k] if k.startswith("out.") else source[k] for k in target},
        lambda source, target: target | {k: v for k, v in source.items() if not k.startswith("out.")},
        lambda source, target: {k: target[k] if k.startswith("out.") else source[k].detach() for k in target},
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


def harm_by_interval(transferred: Tensor, scratch: Tensor, t: float) -> Tensor:
    mean, half = interval(transferred - scratch)
    return mean < -half


def harm_by_numpy(transferred: Tensor, scratch: Tensor, t: float) -> np.ndarray:
    d = transferred.numpy() - scratch.numpy()
    return d.mean(axis=0) + t * d.std(axis=0, ddof=1) / np.sqrt(len(d)) < 0


def harm_by_test(transferred: Tensor, scratch: Tensor, t: float) -> np.ndarray:
    """The paired t test of scipy: a two-sided p below 0.05, on the side of harm."""
    found = ttest_rel(transferred.numpy(), scratch.numpy())
    return (found.pvalue < 0.05) & (found.statistic < 0)


def numpy_by_default(transferred: Tensor, scratch: Tensor, t: float) -> np.ndarray:
    d = (transferred - scratch).numpy()
    return d.mean(0) + t * d.std(0) / len(d) ** 0.5 < 0


def intervals_apart(transferred: Tensor, scratch: Tensor, t: float) -> Tensor:
    (one, above), (other, below) = interval(transferred), interval(scratch)
    return one + above < other - below


def added_variances(transferred: Tensor, scratch: Tensor, t: float) -> Tensor:
    n = len(scratch)
    error = (transferred.std(dim=0) ** 2 / n + scratch.std(dim=0) ** 2 / n).sqrt()
    return scratch.mean(dim=0) - transferred.mean(dim=0) > t * error


def below_the_line(transferred: Tensor, scratch: Tensor, t: float) -> Tensor:
    mean, half = interval(transferred)
    return mean + half < scratch.mean(0)


def per_seed(transferred: Tensor, scratch: Tensor, t: float) -> Tensor:
    d = transferred - scratch
    return d.mean(dim=1) + t * d.std(dim=1) / d.shape[1] ** 0.5 < 0


RIGHT["does it harm?"] = [
    lambda transferred, scratch, t: (
        (transferred - scratch).mean(0) + t * (transferred - scratch).std(0) / len(scratch) ** 0.5 < 0
    ),
    harm_by_interval,
    harm_by_numpy,
    harm_by_test,
    differing(half_width),
    lambda transferred, scratch, t: harm_by_interval(transferred.float(), scratch.float(), t),
]
WRONG["does it harm?"] = {
    "mean only": [
        differing(lambda d, t: 0.0),
        lambda transferred, scratch, t: transferred.mean(0) < scratch.mean(0),
    ],
    "unpaired": [intervals_apart],
    "unpaired: the variances added": [added_variances],
    "scratch taken as exact": [below_the_line],
    "no root of n": [differing(lambda d, t: t * statistics.stdev(d))],
    "divided by n": [differing(lambda d, t: t * statistics.stdev(d) / len(d))],
    "population deviation": [
        numpy_by_default,
        differing(lambda d, t: t * statistics.pstdev(d) / len(d) ** 0.5),
        lambda transferred, scratch, t: (
            (transferred - scratch).mean(0) + t * (transferred - scratch).std(0, unbiased=False) / len(scratch) ** 0.5
            < 0
        ),
    ],
    "t left out": [differing(lambda d, t: statistics.stdev(d) / len(d) ** 0.5)],
    "the normal quantile": [
        differing(lambda d, t: 1.96 * statistics.stdev(d) / len(d) ** 0.5),
        differing(lambda d, t: half_width(d, statistics.NormalDist().inv_cdf(0.975))),
        differing(lambda d, t: half_width(d, 2)),
    ],
    "the lower end": [differing(half_width, lambda mean, half: mean < half)],
    "sign turned round": [
        differing(half_width, lambda mean, half: mean > half),
        lambda transferred, scratch, t: harm_by_interval(scratch, transferred, t),
    ],
    "two-sided": [
        differing(half_width, lambda mean, half: abs(mean) > half),
        lambda transferred, scratch, t: ttest_rel(transferred, scratch).pvalue < 0.05,
    ],
    "inverted": [
        lambda transferred, scratch, t: ~harm_by_interval(transferred, scratch, t),
        differing(half_width, lambda mean, half: mean + half > 0),
    ],
    "one seed is enough": [
        lambda transferred, scratch, t: [min(column) < 0 for column in (transferred - scratch).T.tolist()],
    ],
    "all seeds agree": [
        lambda transferred, scratch, t: (transferred - scratch).max(dim=0).values < 0,
    ],
    "over the labels": [per_seed],
    "seed by seed": [lambda transferred, scratch, t: transferred < scratch],
    "one answer for all": [
        lambda transferred, scratch, t: harm_by_interval(transferred, scratch, t).any(),
        lambda transferred, scratch, t: bool(harm_by_interval(transferred.flatten(), scratch.flatten(), t)),
    ],
    "numbers instead of truth values": [
        lambda transferred, scratch, t: sum(interval(transferred - scratch)),
        lambda transferred, scratch, t: harm_by_interval(transferred, scratch, t).int(),
        lambda transferred, scratch, t: harm_by_numpy(transferred, scratch, t).astype(float).tolist(),
    ],
}

# ---- a loss that remembers ----

Examples = tuple[Tensor, Tensor]


def surprise(model: Any, examples: Examples) -> Tensor:
    """The mean over the examples of -log p of the right class, one by one."""
    each = []
    for image, label in zip(*examples, strict=True):
        scores = model(image[None])[0]
        each.append(scores.logsumexp(0) - scores[label])
    return torch.stack(each).mean()


def mixed(combine: Callable[[Tensor, Tensor, float], Any]) -> Callable[[Any, Examples, Examples, float], Any]:
    return lambda model, new, old, share: combine(surprise(model, new), surprise(model, old), share)


def weighted_in_one_batch(model: Any, new: Examples, old: Examples, share: float) -> Tensor:
    """One pass of the network; each example has a weight."""
    labels = torch.cat([new[1], old[1]])
    each = F.cross_entropy(model(torch.cat([new[0], old[0]])), labels, reduction="none")
    weights = torch.tensor([(1 - share) / len(new[1])] * len(new[1]) + [share / len(old[1])] * len(old[1]))
    return (weights * each).sum()


def by_nll(model: Any, new: Examples, old: Examples, share: float) -> Tensor:
    parts = [F.nll_loss(F.log_softmax(model(images), dim=1), labels) for images, labels in (new, old)]
    return parts[0] + share * (parts[1] - parts[0])


def looks_only(model: Any, new: Examples, old: Examples, share: float) -> Tensor:
    with torch.no_grad():
        before = surprise(model, old)
    return (1 - share) * surprise(model, new) + share * before


def without_graph(model: Any, new: Examples, old: Examples, share: float) -> Tensor:
    with torch.no_grad():
        return by_nll(model, new, old, share)


def of_probabilities(model: Any, new: Examples, old: Examples, share: float) -> Tensor:
    parts = [torch.nn.CrossEntropyLoss()(F.softmax(model(images), dim=1), labels) for images, labels in (new, old)]
    return torch.lerp(parts[0], parts[1], share)


def named_rightly(model: Any, new: Examples, old: Examples, share: float) -> float:
    right = [np.mean(model(images).argmax(1).numpy() == labels.numpy()) for images, labels in (new, old)]
    return float(right[0] * (1 - share) + right[1] * share)


RIGHT["a loss that remembers"] = [
    lambda model, new, old, share: (
        (1 - share) * F.cross_entropy(model(new[0]), new[1]) + share * F.cross_entropy(model(old[0]), old[1])
    ),
    mixed(torch.lerp),
    weighted_in_one_batch,
    by_nll,
]
WRONG["a loss that remembers"] = {
    "old left out": [mixed(lambda new, old, share: new)],
    "new left out": [mixed(lambda new, old, share: old)],
    "shares exchanged": [mixed(lambda new, old, share: torch.lerp(old, new, share))],
    "sum instead of mix": [mixed(lambda new, old, share: sum([new, old]))],
    "old on top": [mixed(lambda new, old, share: torch.add(new, old, alpha=share))],
    "share ignored": [mixed(lambda new, old, share: torch.stack([new, old]).mean())],
    "mean over all examples together": [
        lambda model, new, old, share: surprise(model, (torch.cat([new[0], old[0]]), torch.cat([new[1], old[1]]))),
        lambda model, new, old, share: (
            (len(new[1]) * surprise(model, new) + len(old[1]) * surprise(model, old)) / (len(new[1]) + len(old[1]))
        ),
    ],
    "sums over the examples": [
        lambda model, new, old, share: (
            (1 - share) * len(new[1]) * surprise(model, new) + share * len(old[1]) * surprise(model, old)
        ),
    ],
    "softmax twice": [of_probabilities],
    "accuracy instead of loss": [named_rightly],
    "old without gradient": [looks_only, mixed(lambda new, old, share: (1 - share) * new + share * old.item())],
    "no gradient": [without_graph, mixed(lambda new, old, share: torch.lerp(new, old, share).item())],
}
