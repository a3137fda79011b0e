"""Answers to the exercises of notebook 09, written apart from the catalogues of the checks."""

from typing import Any

import torch
import torch.nn.functional as F

Tensor = torch.Tensor
RIGHT: dict[str, list[Any]] = {}
WRONG: dict[str, dict[str, list[Any]]] = {}
SOLUTIONS = {
    "grouped queries": ["repeat_interleave(", "unflatten(", "expand(", "softmax("],
    "one back": ["weights[:, :, t", "diagonal(", ".mean(", "arange("],
    "five heads": ["'induction'", "'sink'", "'one back'", "'earlier copy'", "'even'"],
}


def head_by_head(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    each = q.shape[1] // k.shape[1]
    mixes = []
    for h in range(q.shape[1]):
        scores = q[:, h] @ k[:, h // each].transpose(1, 2) * q.shape[-1] ** -0.5
        mixes.append(torch.softmax(scores, 2) @ v[:, h // each])
    return torch.stack(mixes, 1)


def by_groups(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    q = q.unflatten(1, (k.shape[1], -1))
    return F.scaled_dot_product_attention(q, k[:, :, None], v[:, :, None]).flatten(1, 2)


def expanded(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    each = q.shape[1] // k.shape[1]
    k, v = (x[:, :, None].expand(-1, -1, each, -1, -1).flatten(1, 2) for x in (k, v))
    return (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) @ v


RIGHT["grouped queries"] = [head_by_head, by_groups, expanded]
WRONG["grouped queries"] = {
    "groups in turn": [
        lambda q, k, v: F.scaled_dot_product_attention(
            q, *(torch.cat([x] * (q.shape[1] // x.shape[1]), 1) for x in (k, v))
        )
    ],
    "three heads for each group": [
        lambda q, k, v: F.scaled_dot_product_attention(q, k.repeat_interleave(3, 1), v.repeat_interleave(3, 1))
    ],
    "causal mask": [lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)],
    "another root": [
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, scale=1 / k.size(1) ** 0.5, enable_gqa=True)
    ],
    "heads left in groups": [
        lambda q, k, v: F.scaled_dot_product_attention(q.unflatten(1, (k.size(1), -1)), k[:, :, None], v[:, :, None])
    ],
    "error": [lambda q, k: q],
    "no function": [torch.zeros(3)],
}


def row_by_row(weights: Tensor) -> Tensor:
    return torch.stack([weights[:, :, t, t - 1] for t in range(1, weights.shape[-1])]).mean(0)


RIGHT["one back"] = [row_by_row, lambda w: torch.diagonal(w[..., 1:, :-1], dim1=-2, dim2=-1).mean(-1)]
WRONG["one back"] = {
    "every place": [lambda w: w[:, :, 1:].mean(-1).mean(-1)],
    "from t = 0": [lambda w: w[:, :, torch.arange(w.shape[-1]), torch.arange(w.shape[-1]) - 1].mean(2)],
    "one number": [lambda w: row_by_row(w).mean()],
    "one for each layer": [lambda w: row_by_row(w).mean(dim=1)],
    "error": [lambda w: w[:, :, 999]],
}
AS_SHOWN = {"P": "induction", "Q": "sink", "R": "one back", "S": "earlier copy", "T": "even"}
RIGHT["five heads"] = [
    AS_SHOWN,
    dict(reversed(AS_SHOWN.items())),
    {name: kind.capitalize() + " " for name, kind in AS_SHOWN.items()},
]
WRONG["five heads"] = {"other": [AS_SHOWN | {"T": "nothing"}, {"P": "sink"}, [1, 2]]}
