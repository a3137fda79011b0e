"""The exercises of notebook 09: grouped queries, five heads to read, and heads that look one back."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from lecturelib.checks.exercise import Exercise, Sized, normal, table

Tensor = torch.Tensor


def _probe(b: int, groups: int, each: int, t: int, k: int, seed: int) -> tuple[Tensor, ...]:
    q, keys, values = normal(seed, (b, groups * each, t, k), (b, groups, t + 1, k), (b, groups, t + 1, k))
    return 2 * q, keys, values


def _grouped(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    each = q.shape[1] // k.shape[1]
    keys, values = k.repeat_interleave(each, 1), v.repeat_interleave(each, 1)
    scores = q @ keys.mT / q.shape[-1] ** 0.5
    return scores.softmax(-1) @ values


check_grouped = Exercise(
    name="grouped queries",
    reference=lambda q, k, v: F.scaled_dot_product_attention(q, k, v, enable_gqa=True),
    probes=Sized(_probe, [(2, 2, 3, 4, 5, 1), (1, 3, 2, 5, 4, 2), (3, 2, 3, 2, 4, 3)]),
    solution=_grouped,
    imitations={
        "groups in turn": "repeat_interleave(each, 1) => repeat(1, each, 1, 1)",
        "values in turn": "v.repeat_interleave(each, 1) => v.repeat(1, each, 1, 1)",
        "three heads for each group": "each, 1 => 3, 1",
        "causal mask": (
            "scores.softmax => scores.masked_fill(~torch.ones_like(scores).bool().tril(), -torch.inf).softmax",
            "scores.softmax => scores.masked_fill(~torch.ones_like(scores).bool().tril(1), -torch.inf).softmax",
        ),
        "first group for all": ".repeat_interleave(each, 1) => [:, :1]",
        "mean of the groups": ".repeat_interleave(each, 1) => .mean(1, keepdim=True)",
        "no root": " / q.shape[-1] ** 0.5 => ",
        "divided by the width": " ** 0.5 => ",
        "another root": tuple(f"q.shape[-1] ** => k.shape[{axis}] **" for axis in (0, 1, 2)),
        "heads left in groups": "return scores => return (scores; @ values => @ values).unflatten(1, (k.shape[1], -1))",
        "softmax over queries": "softmax(-1) => softmax(-2)",
        "softmax over heads": "softmax(-1) => softmax(1)",
    },
)


def _maps(layers: int, h: int, t: int, seed: int) -> tuple[Tensor]:
    return ((2 * normal(seed, (layers, h, t + 1, t + 1))[0]).softmax(-1),)


def _diagonal(offset: int) -> Callable[[Tensor], Tensor]:
    return lambda weights: weights.diagonal(offset, -2, -1).mean(-1)


check_one_back = Exercise(
    name="one back",
    reference=_diagonal(-1),
    probes=Sized(_maps, [(2, 3, 5, 1), (3, 2, 7, 2)]),
    imitations={
        "its own place": _diagonal(0),
        "one ahead": _diagonal(1),
        "the first token": lambda weights: weights[:, :, 1:, 0].mean(-1),
        "every place": lambda weights: weights[:, :, 1:].mean((-2, -1)),
        "the last token only": lambda weights: weights[:, :, -1, -2],
        "a sum": lambda weights: weights.diagonal(-1, -2, -1).sum(-1),
        "the largest": lambda weights: weights.diagonal(-1, -2, -1).amax(-1),
        "one number": lambda weights: weights.diagonal(-1, -2, -1).mean(),
        "one for each layer": lambda weights: weights.diagonal(-1, -2, -1).mean((-2, -1)),
        "divided by T": lambda weights: weights.diagonal(-1, -2, -1).sum(-1) / weights.shape[-1],
        "from t = 0": lambda weights: (
            weights.diagonal(-1, -2, -1).sum(-1) / weights.shape[-1] + weights[:, :, 0, -1] / weights.shape[-1]
        ),
    },
)


KINDS = "one back", "earlier copy", "induction", "sink", "even"
_RIGHT = dict(zip("PQRST", ("induction", "sink", "one back", "earlier copy", "even"), strict=True))


check_heads = Exercise(name="five heads", read=lambda answer: table(answer, _RIGHT, KINDS))
