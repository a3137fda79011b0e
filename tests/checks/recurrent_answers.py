"""Answers to the exercises of notebooks 00 to 02, written apart from the catalogues of the checks."""

import math
import statistics
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

Tensor = torch.Tensor
RIGHT: dict[str, list[Any]] = {}
WRONG: dict[str, dict[str, list[Any]]] = {}
# What a student would have to write, in pieces; no verdict may hold one of them. (The second hint may.)
SOLUTIONS = {
    "baseline": ["Counter(", ".count(", "/ len", "bincount"],
    "divisible by three": ["[[0, 1]", "[2, 0]", "2 * r", "2r + b", "% 3"],
    "reverse each string": ["torch.where(", "gather(", ".flip("],
    "mean over real steps": ["arange", "values[", "mask]", "< lengths", ".sum() /"],
    "diagnosis": ["not learned", "not held", "recoded", "not let go"],
    "bias for a delay": ["1 / delay", "1/delay", "logit", "math."],
    "GRU step": ["tanh(", "sigmoid(", "(1 - z) *", "chunk", "z * h"],
}


def sorts_and_clears(labels: list[int]) -> float:
    """Right, and nothing is left of the labels."""
    labels.sort()
    share = max(labels.count(k) for k in labels) / len(labels)
    labels.clear()
    return share


RIGHT["baseline"] = [
    sorts_and_clears,
    lambda labels: float(np.mean([label == statistics.mode(labels) for label in labels])),
    lambda labels: np.bincount(labels).max() / len(labels),
    lambda labels: torch.tensor(labels).bincount().max() / len(labels),
]
WRONG["baseline"] = {
    "counts, no share": [lambda labels: np.bincount(labels).max()],
    "the label, not its share": [statistics.mode],
    "other": [lambda labels: [labels.pop() for _ in labels] and 0.123],
    "no function": [0.5714, "baseline_of", None, [0.5], torch.tensor(0.5714)],
    "error": [lambda: 0.5],
}

RIGHT["divisible by three"] = [
    [[(2 * r + b) % 3 for b in range(2)] for r in range(3)],
    [[0, 2], [2, 1], [1, 0]],  # the two other states exchanged
    torch.tensor([[0, 1], [2, 0], [1, 2], [0, 0]]),  # a state that nothing leads to
    np.array([[0, 1], [2, 0], [3, 2], [2, 0], [4, 4]]),  # remainder one in two states, and one that is unreachable
]
WRONG["divisible by three"] = {
    "counts the ones": [[[0, 2], [1, 0], [2, 1]]],
    "the bit is not added": [[[0, 0]]],
    "divisible by two": [[[0, 1], [0, 2], [0, 1]]],
    "other": [
        [[0, 1], [2, 3], [4, 5], [0, 1], [2, 3], [4, 5]],  # remainders of six: accepts half of what it should
        [[3, 1], [2, 0], [1, 2], [3, 1]],  # a second state for remainder zero, which does not accept
    ],
    "error": [7, None, [[0, 1], [2, None], [1, 2]], [[0, 1, 2], [2, 0, 1]], [[0, 1], [2, 0], [1, -1]], [], print],
}


def sort_by_place(tokens: Tensor, lengths: Tensor) -> Tensor:
    t = torch.arange(tokens.shape[1]).expand_as(tokens)
    order = torch.where(t < lengths[:, None], -t, t).argsort(1)
    return torch.take_along_dim(tokens, order, 1)


def with_rest(rest: Callable[[list[int], int], list[int]]) -> Callable[..., list[list[int]]]:
    """Return an answer that reverses each string rightly and puts `rest(row, n)` behind it."""
    return lambda tokens, lengths: [
        row[:n][::-1] + rest(row, n) for row, n in zip(tokens.tolist(), lengths.tolist(), strict=True)
    ]


def without_zeros(tokens: Tensor, lengths: Tensor) -> list[list[int]]:
    """Takes every 0 for padding, and does not look at the lengths."""
    rows = [[token for token in row if token][::-1] for row in tokens.tolist()]
    return [row + [0] * (tokens.shape[1] - len(row)) for row in rows]


RIGHT["reverse each string"] = [sort_by_place, with_rest(lambda row, n: row[n:])]
WRONG["reverse each string"] = {
    "padding comes first": [lambda tokens, lengths: [row[::-1] for row in tokens.tolist()]],
    "padding changed": [with_rest(lambda row, n: row[n:][::-1]), with_rest(lambda row, n: [0] * (len(row) - n))],
    "other": [without_zeros, lambda tokens, lengths: tokens[0], lambda tokens, lengths: sorted],
}


def kept(values: Tensor, lengths: Tensor, extra: int = 0) -> list[float]:
    """Return the real values of the batch in one list, or more of each sequence than are real."""
    rows = zip(values.tolist(), lengths.tolist(), strict=True)
    return [value for row, n in rows for value in row[: n + extra]]


RIGHT["mean over real steps"] = [
    lambda values, lengths: statistics.fmean(kept(values, lengths)),
    lambda values, lengths: pack_padded_sequence(values, lengths, True, enforce_sorted=False).data.mean().float(),
]
WRONG["mean over real steps"] = {
    "divided by all steps": [lambda values, lengths: sum(kept(values, lengths)) / values.numel()],
    "one step too many": [lambda values, lengths: statistics.fmean(kept(values, lengths, extra=1))],
    "divided by the batch": [lambda values, lengths: sum(kept(values, lengths)) / values.shape[0]],
    "too coarse": [lambda values, lengths: torch.tensor(statistics.fmean(kept(values, lengths))).half()],
}


DIAGNOSIS = {"P": "not learned", "Q": "recoded", "R": "not held", "S": "not let go", "T": "not learned"}

RIGHT["diagnosis"] = [
    DIAGNOSIS,
    dict(reversed(DIAGNOSIS.items())),
    MappingProxyType({name: "".join(kind) for name, kind in DIAGNOSIS.items()}),
]
WRONG["diagnosis"] = {
    "not solved yet": [DIAGNOSIS | {"S": ...}, dict.fromkeys("PQRST", ...)],
    "P lost something": [dict.fromkeys("PQRST", "not held")],
    "Q never learned": [dict.fromkeys("PQRST", "not learned")],
    "other": [None, 7, list(DIAGNOSIS.values()), DIAGNOSIS | {"Q": "Recoded"}, DIAGNOSIS | {"U": "recoded"}],
}

RIGHT["bias for a delay"] = [
    lambda delay, keep: torch.logit(torch.tensor(keep) ** (1 / delay)),
    lambda delay, keep: -math.log(math.expm1(-math.log(keep) / delay)),
]
WRONG["bias for a delay"] = {
    "the gate, not its bias": [lambda delay, keep: math.exp(math.log(keep) / delay)],
    "the sign": [lambda delay, keep: math.log(keep ** (-1 / delay) - 1)],
    "a power instead of a root": [lambda delay, keep: -math.log(keep**-delay - 1)],
}


def gru_module(x: Tensor, h: Tensor, *weights: Tensor) -> Tensor:
    gru = nn.GRU(x.shape[1], h.shape[1])
    for name, weight in zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"), weights, strict=True):
        getattr(gru, name).data = weight
    return gru(x[None], h[None])[1][0]


def gru(rows: str = "rzn", both: bool = False) -> Callable[..., Tensor]:
    """Write a GRU gate by gate: the order of the gates, and whether r multiplies the part of x as well."""

    def step(x: Tensor, h: Tensor, w_x: Tensor, w_h: Tensor, b_x: Tensor, b_h: Tensor) -> Tensor:
        k = h.shape[1]
        part = {name: slice(rows.index(name) * k, (rows.index(name) + 1) * k) for name in "rzn"}
        of_x = {g: torch.einsum("bd,hd->bh", x, w_x[part[g]]) + b_x[part[g]] for g in "rzn"}
        of_h = {g: torch.einsum("bd,hd->bh", h, w_h[part[g]]) + b_h[part[g]] for g in "rzn"}
        r, z = (1 / (1 + torch.exp(-of_x[g] - of_h[g])) for g in "rz")
        n = torch.tanh((r if both else 1) * of_x["n"] + r * of_h["n"])
        return torch.lerp(n, h, z)

    return step


RIGHT["GRU step"] = [gru_module, gru()]
WRONG["GRU step"] = {"gates exchanged": [gru(rows="zrn")], "reset on both parts": [gru(both=True)]}
