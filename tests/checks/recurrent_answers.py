"""Answers to the exercises of notebooks 00 to 02, written apart from the catalogues of the checks."""

import math
import statistics
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import nn

Tensor = torch.Tensor
RIGHT: dict[str, list[Any]] = {}
WRONG: dict[str, dict[str, list[Any]]] = {}
# What a student would have to write, in pieces; no verdict may hold one of them. (The second hint may.)
SOLUTIONS = {
    "baseline": ["Counter(", ".count(", "/ len", "bincount"],
    "divisible by three": ["[[0, 1]", "[2, 0]", "2 * r", "2r + b", "% 3"],
    "back through time": ["W_h.T", "h**2", "1 - h", "** 2"],
    "the last real state": ["t < lengths", "torch.where(", "gather("],
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
    "the share of zeros": [
        lambda labels: 1 - torch.tensor(labels).float().mean().item(),
        lambda labels: np.mean(np.array(labels) == 0),
    ],
    "the share of ones": [lambda labels: float(np.mean(labels))],
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
    "divisible by four": [[[0, 1], [2, 1], [0, 1]]],
    "other": [
        [[0, 1], [2, 3], [4, 5], [0, 1], [2, 3], [4, 5]],  # remainders of six: accepts half of what it should
        [[3, 1], [2, 0], [1, 2], [3, 1]],  # a second state for remainder zero, which does not accept
    ],
    "error": [7, None, [[0, 1], [2, None], [1, 2]], [[0, 1, 2], [2, 0, 1]], [[0, 1], [2, 0], [1, -1]], [], print],
}


def one_product(W_h: Tensor, states: Tensor, last: Tensor) -> list[Tensor]:
    """Multiply the Jacobians first, and apply them to the last gradient in the end."""
    product, found = torch.eye(len(last)), [last]
    for h in states.flip(0)[:-1]:
        product = product @ torch.diag(1 - h * h) @ W_h
        found.insert(0, product.T @ last)
    return found


def entry_by_entry(W_h: Tensor, states: Tensor, last: Tensor) -> list[list[float]]:
    rows = [last.tolist()]
    for h in states.tolist()[:0:-1]:
        g = [(1 + a) * (1 - a) * b for a, b in zip(h, rows[0], strict=True)]
        rows.insert(0, [sum(W_h[i, j].item() * g[i] for i in range(len(g))) for j in range(len(g))])
    return rows


def from_the_right(W_h: Tensor, states: Tensor, last: Tensor) -> Tensor:
    gradients = torch.empty_like(states)
    gradients[-1] = last
    for t in range(len(states) - 2, -1, -1):
        gradients[t] = ((1 - states[t + 1].square()) * gradients[t + 1]) @ W_h
    return gradients


def with_loop(step_back: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[..., list[Tensor]]:
    """Write the loop of the skeleton, its line given."""

    def backward(W_h: Tensor, states: Tensor, last: Tensor) -> list[Tensor]:
        gradients = [last]
        for h in states.flip(0)[:-1]:
            gradients.append(step_back(W_h, h, gradients[-1]))
        return gradients[::-1]

    return backward


RIGHT["back through time"] = [one_product, entry_by_entry, from_the_right]
WRONG["back through time"] = {
    "not transposed": [with_loop(lambda W_h, h, g: torch.mv(W_h, g - h * h * g))],
    "no slope": [with_loop(lambda W_h, h, g: g @ W_h)],
    "slope after the matrix": [
        with_loop(lambda W_h, h, g: (g @ W_h) * (1 - h * h)),
        with_loop(lambda W_h, h, g: torch.mv(W_h, g) * (1 - h * h)),
    ],
    "from left to right": [with_loop(lambda W_h, h, g: ((1 - h * h) @ W_h) * g)],
    "times the matrix, entry by entry": [with_loop(lambda W_h, h, g: (1 - h * h) * g * W_h.T)],
    "other": [
        with_loop(lambda W_h, h, g: W_h.T @ (h**2 * g)),
        with_loop(lambda W_h, h, g: (W_h.T @ ((1 - h**2) * g)).clamp(-1, 1)),
        lambda W_h, states, last: last,
    ],
    "error": [with_loop(lambda W_h, h, g: W_h.T @ torch.cat([h, g]))],
}


def all_then_gather(step: Callable[..., Tensor], h: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
    states = []
    for column in tokens.T:
        h = step(column, h)
        states.append(h)
    return torch.stack(states, dim=1)[torch.arange(len(h)), lengths - 1]


def longest_first(step: Callable[..., Tensor], h: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
    """As torch's packed sequences: the batch gets smaller as strings end."""
    order = lengths.argsort(descending=True)
    h, tokens, lengths = h[order].clone(), tokens[order], lengths[order]
    for t in range(tokens.shape[1]):
        alive = int((lengths > t).sum())
        h[:alive] = step(tokens[:alive, t], h[:alive])
    return h[order.argsort()]


def row_by_row(step: Callable[..., Tensor], h: Tensor, tokens: Tensor, lengths: Tensor) -> list[list[float]]:
    ends = []
    for row, string, n in zip(h, tokens, lengths, strict=True):
        state = row[None]
        for t in range(n):
            state = step(string[t : t + 1], state)
        ends.append(state[0].tolist())
    return ends


def kept(goes_on: Callable[[int, Tensor], Tensor]) -> Callable[..., Tensor]:
    """Write the loop with a product of masks in the place of torch.where."""

    def final_states(step: Callable[..., Tensor], h: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
        for t in range(int(lengths.max())):
            move = goes_on(t, lengths)[:, None].double()
            h = move * step(tokens[:, t], h) + (1 - move) * h
        return h

    return final_states


RIGHT["the last real state"] = [all_then_gather, longest_first, row_by_row, kept(lambda t, n: t < n)]
WRONG["the last real state"] = {
    "still one symbol too many": [kept(lambda t, n: t - 1 < n)],
    "only one step skipped": [kept(lambda t, n: (t < n) | (t > n))],
    "one symbol too few": [kept(lambda t, n: t + 1 < n)],
    "reads the padding": [kept(lambda t, n: n == n)],
    "the mask inverted": [kept(lambda t, n: n < t)],
    "only the last step": [kept(lambda t, n: n - t == 1)],
    "other": [kept(lambda t, n: n < 0), lambda step, h, tokens, lengths: step(tokens[:, -1], h)],
    "error": [lambda step, h, tokens, lengths: h[lengths - 99], kept(lambda t, n: t)],  # type: ignore[arg-type,return-value]
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
    "error": [DIAGNOSIS | {"Q": "Recoded"}, DIAGNOSIS | {"R": 3}],
    "other": [None, 7, list(DIAGNOSIS.values()), DIAGNOSIS | {"U": "recoded"}],
}

RIGHT["bias for a delay"] = [
    lambda delay, keep: torch.logit(torch.tensor(keep) ** (1 / delay)),
    lambda delay, keep: -math.log(math.expm1(-math.log(keep) / delay)),
    lambda delay, keep: math.log(keep) / delay - math.log1p(-math.exp(math.log(keep) / delay)),
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


RIGHT["GRU step"] = [gru_module, gru(), torch.gru_cell]
WRONG["GRU step"] = {"gates exchanged": [gru(rows="zrn")], "reset on both parts": [gru(both=True)]}
