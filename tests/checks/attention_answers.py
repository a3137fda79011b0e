"""Answers to the exercises of notebook 03, right and wrong, written apart from the catalogues of the checks.

The catalogues work on whole batches with matmul; here are loops over queries, einsum, and torch's own functions.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from lecturelib.lengths import real_steps

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


def attend_by_matmul(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    return scores.softmax(dim=-1) @ v


def attend_by_loops(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    mix = torch.zeros(*q.shape[:2], v.shape[2], dtype=q.dtype)
    for b in range(len(q)):
        for t in range(q.shape[1]):
            fit = [math.exp(torch.dot(q[b, t], key).item() / q.shape[2] ** 0.5) for key in k[b]]
            for weight, value in zip(fit, v[b], strict=True):
                mix[b, t] += weight / sum(fit) * value
    return mix


def attention(
    letters: str = "btk,bsk->bts",
    over: int = 2,
    by: Callable[[Tensor, Tensor, Tensor], float] = lambda q, k, v: q.shape[2] ** 0.5,
    last: Callable[[Tensor, Tensor, Tensor], Any] = lambda weights, k, v: torch.einsum("bts,bsm->btm", weights, v),
) -> Callable[[Tensor, Tensor, Tensor], Any]:
    """Write attention in einsum, with the parts that go wrong left open."""

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Any:
        power = torch.exp(torch.einsum(letters, q, k) / by(q, k, v))
        return last(power / power.sum(over, keepdim=True), k, v)

    return attend


def einsum_with_k_as_it_stands(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return torch.bmm(torch.softmax(torch.bmm(q, k) / q.size(-1) ** 0.5, dim=-1), v)


RIGHT["attend"] = [
    attend_by_matmul,
    attend_by_loops,
    attention(),
    F.scaled_dot_product_attention,
    lambda q, k, v: torch.stack(
        [F.softmax(a @ b.T * a.shape[1] ** -0.5, 1) @ c for a, b, c in zip(q, k, v, strict=True)]
    ),
]
WRONG["attend"] = {
    "no scale": [
        attention(by=lambda q, k, v: 1),
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, scale=1.0),
    ],
    "wrong scale": [
        attention(by=lambda q, k, v: q.shape[2]),
        lambda q, k, v: F.scaled_dot_product_attention(q / q.shape[2] ** 0.5, k, v),  # scaled twice
    ],
    "wrong scale: the number of keys": [attention(by=lambda q, k, v: math.sqrt(v.shape[1]))],
    "wrong scale: the number of queries": [attention(by=lambda q, k, v: q.size(1) ** 0.5)],
    "wrong scale: the width of the values": [attention(by=lambda q, k, v: v.size(2) ** 0.5)],
    "wrong scale: the size of the batch": [attention(by=lambda q, k, v: len(k) ** 0.5)],
    "scale multiplied": [attention(by=lambda q, k, v: q.shape[2] ** -0.5)],
    "scale after the softmax": [
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, scale=1.0) / q.shape[2] ** 0.5,
    ],
    "softmax over the queries": [attention(over=1)],
    "softmax over the batch": [attention(over=0), lambda q, k, v: F.softmax(q @ k.mT / q.shape[2] ** 0.5, 0) @ v],
    "softmax missing": [lambda q, k, v: q @ (k.mT @ v) / q.shape[2] ** 0.5],
    "keys not transposed": [einsum_with_k_as_it_stands],
    "all dimensions turned": [
        lambda q, k, v: torch.softmax(q @ k.transpose(0, 2) / q.shape[2] ** 0.5, -1) @ v,  # what k.T does
    ],
    "keys mixed": [lambda q, k, v: F.scaled_dot_product_attention(q, k, k)],
    "values not mixed": [
        attention(last=lambda weights, k, v: weights),
        lambda q, k, v: F.scaled_dot_product_attention(q, k, torch.eye(k.shape[1]).double().expand(len(k), -1, -1)),
    ],
    "two results": [
        attention(last=lambda weights, k, v: (weights @ v, weights)),
        attention(last=lambda weights, k, v: [weights @ v, weights.numpy()]),
    ],
}

# ---- attend with a mask ----


def filled(value: float, scale: bool = True, over: int = -1) -> Callable[..., Tensor]:
    """Write attention whose forbidden scores get a value."""

    def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        scores = torch.einsum("btk,bsk->bts", q, k) / (q.shape[2] ** 0.5 if scale else 1)
        return torch.softmax(torch.where(mask, scores, value), over) @ v

    return attend


def renormalized(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    power = torch.exp(q @ k.mT / q.shape[2] ** 0.5) * mask
    return power / power.sum(-1, keepdim=True) @ v


def masked_by_loops(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    mask = mask.expand(len(q), q.shape[1], k.shape[1])
    rows = []
    for b in range(len(q)):
        for t in range(q.shape[1]):
            seen = mask[b, t]
            rows.append(torch.softmax(k[b, seen] @ q[b, t] / q.shape[2] ** 0.5, 0) @ v[b, seen])
    return torch.stack(rows).view(len(q), q.shape[1], v.shape[2])


def indexed(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    scores = q @ k.mT / q.shape[2] ** 0.5
    scores[mask.logical_not()] = -1e9
    return torch.softmax(scores, -1) @ v


def times_infinity(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    scores = q @ k.mT / q.shape[2] ** 0.5
    return torch.softmax(scores - (1 - mask.double()) * math.inf, -1) @ v


RIGHT["attend with a mask"] = [
    lambda q, k, v, mask: (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~mask, -math.inf).softmax(-1) @ v,
    filled(-1e9),
    filled(torch.finfo(torch.float64).min),
    lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v, mask),
    renormalized,
    masked_by_loops,
]
WRONG["attend with a mask"] = {
    "mask inverted": [
        lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v, ~mask),
        lambda q, k, v, mask: filled(-1e9)(q, k, v, mask.logical_not()),
    ],
    "mask ignored": [lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v)],
    "mask after the softmax": [
        lambda q, k, v, mask: torch.where(mask, F.softmax(q @ k.mT / q.shape[2] ** 0.5, -1), 0.0) @ v
    ],
    "soft mask": [filled(0.0), lambda q, k, v, mask: F.softmax(q @ k.mT * mask / q.shape[2] ** 0.5, -1) @ v],
    "soft mask: -1": [filled(-1.0)],
    "soft mask: 1e-9": [filled(1e-9)],
    "soft mask: -1e-9": [filled(-1e-9)],
    "mask added": [lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v, mask.double())],
    "not a number": [filled(math.inf), times_infinity],
    "no scale": [
        lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v, mask, scale=1.0),
        filled(-1e9, scale=False),
    ],
    "softmax over the queries": [filled(-1e9, over=1), filled(-math.inf, over=-2)],
    "mask not stretched": [indexed],
}

# ---- the mask of a decoder ----


def decoder(rule: Callable[[int, int, int], Any]) -> Callable[[Tensor, int], list[list[list[Any]]]]:
    """Write a mask as nested lists: `rule(t, s, n)` says whether query t may look at key s of n real tokens."""
    return lambda lengths, max_len: [
        [[rule(t, s, n) for s in range(max_len)] for t in range(max_len)] for n in lengths.tolist()
    ]


def decoder_by_rows(lengths: Tensor, max_len: int) -> Tensor:
    mask = torch.zeros(len(lengths), max_len, max_len, dtype=torch.bool)
    for b, n in enumerate(lengths):
        for t in range(max_len):
            mask[b, t, : min(t + 1, int(n))] = True
    return mask


def decoder_by_and(lengths: Tensor, max_len: int) -> Tensor:
    steps = torch.arange(max_len)
    return (steps <= steps[:, None]) & (steps < lengths[:, None])[:, None]


RIGHT["mask of a decoder"] = [
    decoder(lambda t, s, n: s <= t and s < n),
    decoder_by_rows,
    decoder_by_and,
    lambda lengths, max_len: torch.ones(max_len, max_len).tril().bool() & real_steps(lengths, max_len).unsqueeze(1),
    lambda lengths, max_len: decoder_by_and(lengths, max_len).numpy(),
]
WRONG["mask of a decoder"] = {
    "mask off by one": [decoder(lambda t, s, n: s <= t + 1 and s < n)],
    "mask off by one: not itself": [decoder(lambda t, s, n: s < t and s < n)],
    "looks only ahead": [decoder(lambda t, s, n: t <= s < n)],
    "looks only ahead: not at itself": [decoder(lambda t, s, n: t < s < n)],
    "mask inverted": [decoder(lambda t, s, n: s > t or s >= n)],
    "causal forgotten": [
        decoder(lambda t, s, n: s < n),
        lambda lengths, max_len: real_steps(lengths, max_len)[:, None],  # (B, 1, T)
    ],
    "padding forgotten": [
        decoder(lambda t, s, n: s <= t),
        lambda lengths, max_len: torch.ones(max_len, max_len).tril() == 1,  # (T, T)
        lambda lengths, max_len: (torch.ones(max_len, max_len).tril() == 1)[None],
    ],
    "padding inverted": [decoder(lambda t, s, n: n <= s <= t)],
    "padding off by one": [decoder(lambda t, s, n: s <= t and s <= n)],
    "rows instead of columns": [
        decoder(lambda t, s, n: s <= t and t < n),
        decoder(lambda t, s, n: s <= t and t < n and s < n),  # rows and columns
    ],
    "or instead of and": [decoder(lambda t, s, n: s <= t or s < n)],
    "batch taken for the queries": [
        lambda lengths, max_len: torch.ones(max_len, max_len).tril().bool() & real_steps(lengths, max_len)
    ],
    "numbers": [
        lambda lengths, max_len: decoder_by_and(lengths, max_len).float(),
        decoder(lambda t, s, n: int(s <= t and s < n)),
    ],
    "numbers to be added": [decoder(lambda t, s, n: 0.0 if s <= t and s < n else -math.inf)],
}
