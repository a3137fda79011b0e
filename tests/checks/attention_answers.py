"""Answers to the exercises of notebook 03, written apart from the catalogues of the checks.

The catalogues work on whole batches with matmul; here are loops over queries, einsum, and torch's own functions.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

Tensor = torch.Tensor
RIGHT: dict[str, list[Any]] = {}
WRONG: dict[str, dict[str, list[Any]]] = {}
# What a student would have to write, in pieces; no verdict may hold one of them. (The second hint may.)
SOLUTIONS = {
    "attend": ["transpose", ".mT", "sqrt", "@ v", "q @", "masked_fill", "torch.where", "inf)", "-math.inf", "softmax("],
    "read a map": ["ACDHL", "acdhl", "OOP"],
    "sort, untold": ["full_like", "0.9", "0.3"],
}

# ---- attend ----


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


def softmax_of_columns(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    scores = torch.where(mask, q @ k.mT / q.shape[2] ** 0.5, -math.inf)
    columns = [torch.softmax(scores[:, :, s], -1) for s in range(k.shape[1])]
    return torch.stack(columns, -1) @ v


def renormalized(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    power = torch.exp(q @ k.mT / q.shape[2] ** 0.5) * mask
    return power / power.sum(-1, keepdim=True) @ v


def values_hidden_only(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Right where a hidden key is as any other: the weights are shared out again over what may be seen."""
    weights = torch.softmax(q @ k.mT / q.shape[2] ** 0.5, -1) * mask
    return weights / weights.sum(-1, keepdim=True).clamp(min=1e-30) @ v


RIGHT["attend"] = [
    lambda q, k, v, mask: (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~mask, -math.inf).softmax(-1) @ v,
    filled(-1e9),
    filled(torch.finfo(torch.float64).min),
    lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v, mask),
    masked_by_loops,
]
WRONG["attend"] = {
    "mask inverted": [lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v, ~mask)],
    "mask ignored": [lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v)],
    "shared out again": [renormalized, values_hidden_only],
    "fill too weak": [filled(-100.0), filled(-1e4), filled(-1e7)],
    "no scale": [lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v, mask, scale=1.0)],
    "wrong scale": [lambda q, k, v, mask: F.scaled_dot_product_attention(q / q.shape[2] ** 0.5, k, v, mask)],
    "softmax over the queries": [softmax_of_columns],
    "soft mask": [
        filled(0.0),
        filled(-1.0),
        lambda q, k, v, mask: F.softmax(q @ k.mT * mask / q.shape[2] ** 0.5, -1) @ v,
    ],
    "mask added": [lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v, mask.double())],
    "not a number": [filled(math.inf)],
    "other": [lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v, mask).flip(1)],
}

# ---- a map to read ----

SEEN = {"task": "sort", "written": "ACDHLNOP", "N hidden": "ACDHLOOP"}
RIGHT["read a map"] = [
    SEEN,
    {"task": " Sort", "written": "a c d h l n o p", "N hidden": ["A", "C", "D", "H", "L", "O", "O", "P"]},
    {**SEEN, "remark": "the sixth row"},
]
WRONG["read a map"] = {
    "unchanged": [{**SEEN, "N hidden": "acdhlnop"}],
    "not solved yet": [{**SEEN, "N hidden": ...}, {**SEEN, "task": ...}],
    "no task of section 3": [{**SEEN, "task": "rotate"}],
    "another letter for N": [{**SEEN, "N hidden": "ACDHLAOP"}],
    "it is not copy": [{"task": "copy", "written": "LADOPNHC", "N hidden": "LADOPHHC"}],  # the first mistake counts
    "what is read": [{"task": "sort", "written": "LADOPNHC", "N hidden": "LADOPOHC"}],
    "other": ["sort", {"task": "sort"}],
}

# ---- a head that is told less ----

RIGHT["sort, untold"] = [
    {"right": 0.93, "found": 0.36},
    {"right": torch.tensor(0.85), "found": np.float32(0.34), "seeds": 3},
    {"right": torch.tensor([0.975]), "found": torch.tensor(0.35)},
]
WRONG["sort, untold"] = {
    "percent": [{"right": 93, "found": 0.36}, {"right": 97.5, "found": 35}],
    "a sum": [{"right": torch.tensor(2.8), "found": torch.tensor(1.0)}],
    "one for each head": [{"right": torch.tensor([0.95, 0.96, 0.98]), "found": 0.35}],
    "exchanged": [{"right": 0.35, "found": 0.97}],
    "still told": [{"right": torch.tensor(1.0), "found": 0.88}],
    "told the answer": [{"right": 1, "found": 0.16}],
    "all weights": [{"right": 0.97, "found": torch.full((8, 8), 1 / 8).mean()}],
    "hardly trained": [{"right": 0.37, "found": 0.24}, {"right": 0.77, "found": 0.36}],
    "at chance": [{"right": 0.064, "found": 0.127}, {"right": 0.11, "found": 0.11}],
    "another task": [{"right": 1.0, "found": 0.999}],
    "not solved yet": [{"right": ..., "found": 0.3}],
    # of no known kind: no name
    "other": [
        {"right": "most", "found": 0.3},
        0.93,
        {"right": 0.9},
        {"right": -0.5, "found": 0.3},
        {"right": 1.5, "found": 0.3},
        {"right": 0.9, "found": 0.7},
        {"right": 0.4, "found": 0.6},
        {"right": [0.9, 0.8], "found": 0.3},
        {"right": 0.0, "found": 0.0},
    ],
}
