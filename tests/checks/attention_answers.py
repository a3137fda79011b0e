"""Answers to the exercises of notebook 03, written apart from the catalogues of the checks.

The catalogues work on whole batches with matmul; here are loops over queries, einsum, and torch's own functions.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

Tensor = torch.Tensor
RIGHT: dict[str, list[Any]] = {}
WRONG: dict[str, dict[str, list[Any]]] = {}
# What a student would have to write, in pieces; no verdict may hold one of them. (The second hint may.)
SOLUTIONS = {
    "attend": ["transpose", ".mT", "softmax(", "sqrt", "@ v", "einsum", "q @"],
    "attend with a mask": ["masked_fill", "torch.where", "inf)", "-math.inf", "softmax(", "1e9"],
    "mask of a decoder": ["tril", "triu", "arange", "< lengths", "<=", " & ", "[:, None", "lengths["],
}

# ---- attend ----


def attend_by_loops(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    mix = torch.zeros(*q.shape[:2], v.shape[2])
    for b in range(len(q)):
        for t in range(q.shape[1]):
            fit = [math.exp(torch.dot(q[b, t], key).item() / q.shape[2] ** 0.5) for key in k[b]]
            for weight, value in zip(fit, v[b], strict=True):
                mix[b, t] += weight / sum(fit) * value
    return mix


def attention(
    over: int = 2,
    by: Callable[[Tensor, Tensor, Tensor], float] = lambda q, k, v: q.shape[2] ** 0.5,
    last: Callable[[Tensor, Tensor], Any] = lambda weights, v: torch.einsum("bts,bsm->btm", weights, v),
) -> Callable[[Tensor, Tensor, Tensor], Any]:
    """Write attention in einsum, with the parts that go wrong left open."""

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Any:
        power = torch.exp(torch.einsum("btk,bsk->bts", q, k) / by(q, k, v))
        return last(power / power.sum(over, keepdim=True), v)

    return attend


RIGHT["attend"] = [
    attend_by_loops,
    attention(),
    F.scaled_dot_product_attention,
    lambda q, k, v: (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(dim=-1) @ v,
    lambda q, k, v: [F.softmax(a @ b.T * a.shape[1] ** -0.5, 1) @ c for a, b, c in zip(q, k, v, strict=True)],
]
WRONG["attend"] = {
    "no scale": [lambda q, k, v: F.scaled_dot_product_attention(q, k, v, scale=1.0)],
    "wrong scale": [lambda q, k, v: F.scaled_dot_product_attention(q / q.shape[2] ** 0.5, k, v)],  # scaled twice
    "softmax over the queries": [attention(over=1)],
    "softmax missing": [lambda q, k, v: q @ (k.mT @ v) / q.shape[2] ** 0.5],
    "values not mixed": [
        lambda q, k, v: F.scaled_dot_product_attention(q, k, torch.eye(k.shape[1]).expand(len(k), -1, -1))
    ],
    "two results": [attention(last=lambda weights, v: [weights @ v, weights.numpy()])],
    "other": [lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True)],
}

# ---- attend with a mask ----


def filled(value: float) -> Callable[..., Tensor]:
    """Write attention whose forbidden scores get a value."""

    def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        scores = torch.einsum("btk,bsk->bts", q, k) / q.shape[2] ** 0.5
        return torch.softmax(torch.where(mask, scores, value), -1) @ v

    return attend


def masked_by_loops(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    mask = mask.expand(len(q), q.shape[1], k.shape[1])
    rows = []
    for b in range(len(q)):
        for t in range(q.shape[1]):
            seen = mask[b, t]
            rows.append(torch.softmax(k[b, seen] @ q[b, t] / q.shape[2] ** 0.5, 0) @ v[b, seen])
    return torch.stack(rows).view(len(q), q.shape[1], v.shape[2])


def renormalized(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    power = torch.exp(q @ k.mT / q.shape[2] ** 0.5) * mask
    return power / power.sum(-1, keepdim=True) @ v


def values_hidden_only(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Right where a hidden key is as any other: the weights are shared out again over what may be seen."""
    weights = torch.softmax(q @ k.mT / q.shape[2] ** 0.5, -1) * mask
    return weights / weights.sum(-1, keepdim=True).clamp(min=1e-30) @ v


RIGHT["attend with a mask"] = [
    lambda q, k, v, mask: (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~mask, -math.inf).softmax(-1) @ v,
    filled(-1e9),
    filled(torch.finfo(torch.float64).min),
    lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v, mask),
    masked_by_loops,
]
WRONG["attend with a mask"] = {
    "mask inverted": [lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v, ~mask)],
    "mask ignored": [lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v)],
    "powers before the mask": [renormalized],
    "soft mask": [
        filled(0.0),
        filled(-1.0),
        lambda q, k, v, mask: F.softmax(q @ k.mT * mask / q.shape[2] ** 0.5, -1) @ v,
    ],
    "mask added": [lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v, mask.double())],
    "not a number": [filled(math.inf)],
    # low, but not lower than every real score
    "other": [filled(-20.0), filled(-1e4), values_hidden_only],
}

# ---- the mask of a decoder ----


def decoder(rule: Callable[[int, int, int], Any]) -> Callable[[Tensor, int], list[list[list[Any]]]]:
    """Write a mask as nested lists: `rule(t, s, n)` says whether query t may look at key s of n real tokens."""
    return lambda lengths, max_len: [
        [[rule(t, s, n) for s in range(max_len)] for t in range(max_len)] for n in lengths.tolist()
    ]


def decoder_by_and(lengths: Tensor, max_len: int) -> Tensor:
    steps = torch.arange(max_len)
    return (steps <= steps[:, None]) & (steps < lengths[:, None])[:, None]


RIGHT["mask of a decoder"] = [
    decoder(lambda t, s, n: s <= t and s < n),
    decoder_by_and,
    lambda lengths, max_len: decoder_by_and(lengths, max_len).numpy(),
]
WRONG["mask of a decoder"] = {
    "mask off by one": [decoder(lambda t, s, n: s <= t + 1 and s < n), decoder(lambda t, s, n: s < t and s < n)],
    "looks only ahead": [decoder(lambda t, s, n: t <= s < n)],
    "mask inverted": [decoder(lambda t, s, n: s > t or s >= n)],
    "rows instead of columns": [decoder(lambda t, s, n: s <= t and t < n and s < n)],  # rows and columns
    "numbers": [decoder(lambda t, s, n: 0.0 if s <= t and s < n else -math.inf)],
    "padding forgotten": [decoder(lambda t, s, n: s <= t)],
}
