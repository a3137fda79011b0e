"""Answers to the exercises of notebook 08, written apart from the catalogues of the checks.

The catalogue multiplies whole tensors; here are counts of single products, loops over tokens, and torch's own layers.
"""

import copy
import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

Tensor = torch.Tensor
Gradient = dict[str, Tensor]
RIGHT: dict[str, list[Any]] = {}
WRONG: dict[str, dict[str, list[Any]]] = {}
# What a student would have to write, in pieces; no verdict may hold one of them. (The second hint may.)
SOLUTIONS = {
    "operations of attention": ["8 *", "4 *", "2 *", "** 2", "8 B", "4 B", "8 n", "4 n", "D * D", "T * T"],
    "one step with a cache": ["torch.cat", "softmax(", "sqrt(", "@ keys", "@ values", "dim=", "scaled_dot"],
    "two pieces of a softmax": ["torch.", "maximum", "m_1 - m", "m_2 - m", "l_1 *", "a_1 *", "logaddexp"],
    "one gradient from several processes": ["sum(", "/ total", "n /", "zip(", "* gradient", "for name"],
}

# ---- the operations of attention ----


def products(*each: tuple[int, int, int]) -> int:
    """The operations of products of matrices (a, b) and (b, c)."""
    return sum(a * c * (b + b) for a, b, c in each)


def by_products(B: int, T: int, D: int) -> int:
    return B * products(*[(T, D, D)] * 4, (T, D, T), (T, T, D))


RIGHT["operations of attention"] = [
    lambda B, T, D: 8 * B * T * D**2 + 4 * B * T**2 * D,
    by_products,
    lambda B, T, D: 4.0 * B * T * D * (2 * D + T),
    lambda B, T, D: np.int64(4 * B * T * D) * (D + D + T),
    lambda B, T, D: torch.tensor(by_products(B, T, D)),
]
WRONG["operations of attention"] = {
    "multiplications only": [lambda B, T, D: by_products(B, T, D) // 2],
    "no output projection": [lambda B, T, D: B * products(*[(T, D, D)] * 3, (T, D, T), (T, T, D))],
    "half the n x n part": [lambda B, T, D: B * products(*[(T, D, D)] * 4, (T, D, T))],
    "the batch is squared": [
        lambda B, T, D: products(*[(B * T, D, D)] * 4, (B * T, D, B * T), (B * T, B * T, D)),
    ],
    "n and D exchanged": [lambda B, T, D: B * products(*[(D, T, T)] * 4, (D, T, D), (D, D, T))],
    "other": [lambda B, T, D: by_products(B, T, D) + D],
}

# ---- one step with a cache ----

Weigh = Callable[[Tensor, int], list[float]]


def shares(scores: Tensor, width: int) -> list[float]:
    """The weights of one query of one head from its dot products."""
    powers = [math.exp(each / width**0.5) for each in scores.tolist()]
    return [each / sum(powers) for each in powers]


def token_by_token(
    weigh: Weigh = shares, seen: slice = slice(None), behind: Callable[..., Any] = lambda old, new: (*old, *new)
) -> Callable[..., Any]:
    """Write the step as loops over texts and heads: what the weights are, who is looked at, and how a cache grows."""

    def read_one(q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor) -> Any:
        b, h, _, width = q.shape
        mix = torch.zeros(b, h, 1, width)
        grown: tuple[list[Tensor], list[Tensor]] = [], []
        for i, j in product(range(b), range(h)):
            for cache, old, new in zip(grown, (keys, values), (k, v), strict=True):
                cache.append(torch.stack(behind(old[i, j].unbind(0), new[i, j].unbind(0))))
            looked_at, found = (cache[-1][seen] for cache in grown)
            weights = weigh(looked_at @ q[i, j, 0], width)
            mix[i, j, 0] = sum(w * value for w, value in zip(weights, found, strict=True))
        return mix, *(torch.stack(cache).unflatten(0, (b, h)) for cache in grown)

    return read_one


def read_by_kernel(q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor) -> Any:
    keys, values = torch.concat((keys, k), -2), torch.concat((values, v), -2)
    return F.scaled_dot_product_attention(q, keys, values), keys, values


def shrunk_in_place(q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor) -> Any:
    keys, values = torch.cat([keys, k], 2), torch.cat([values, v], 2)
    q /= math.sqrt(q.shape[-1])
    return (q @ keys.mT).softmax(-1) @ values, keys, values


def wrong_and_in_place(q: Tensor, *rest: Tensor) -> Any:
    q *= q.shape[-1] ** 0.5
    return read_by_kernel(q, *rest)


RIGHT["one step with a cache"] = [
    token_by_token(),
    read_by_kernel,
    lambda *given: [each.float().requires_grad_() for each in read_by_kernel(*given)],
    lambda *given: tuple(each.numpy() for each in read_by_kernel(*given)),
]
WRONG["one step with a cache"] = {
    "the new key is left out": [token_by_token(seen=slice(-1))],
    "not scaled": [wrong_and_in_place],
    "softmax over the wrong axis": [token_by_token(lambda scores, width: [1.0] * len(scores))],
    "put in front": [token_by_token(behind=lambda old, new: (*new, *old))],
    "changed in place": [shrunk_in_place],
    "too coarse": [lambda *given: [each.bfloat16() for each in read_by_kernel(*given)]],
}

# ---- two pieces of a softmax ----


def merge_by_cases(m_1: Tensor, l_1: Tensor, a_1: Tensor, m_2: Tensor, l_2: Tensor, a_2: Tensor) -> Any:
    """The piece with the larger score stays, the other shrinks by one factor."""
    first, shrink = m_1 > m_2, torch.exp(-(m_1 - m_2).abs())
    return (
        torch.where(first, m_1, m_2),
        torch.where(first, l_1 + shrink * l_2, l_2 + shrink * l_1),
        torch.where(first, a_1 + shrink * a_2, a_2 + shrink * a_1),
    )


def naive(m_1: Tensor, l_1: Tensor, a_1: Tensor, m_2: Tensor, l_2: Tensor, a_2: Tensor) -> Any:
    m = torch.maximum(m_1, m_2)
    total, mix = l_1 * m_1.exp() + l_2 * m_2.exp(), a_1 * m_1.exp() + a_2 * m_2.exp()
    return m, total / m.exp(), mix / m.exp()


def second_added_bare(m_1: Tensor, l_1: Tensor, a_1: Tensor, m_2: Tensor, l_2: Tensor, a_2: Tensor) -> Any:
    m = torch.where(m_1 > m_2, m_1, m_2)
    return m, l_1 * math.e ** (m_1 - m) + l_2, a_1 * math.e ** (m_1 - m) + a_2


RIGHT["two pieces of a softmax"] = [
    merge_by_cases,
    lambda *pieces: tuple(each.numpy() for each in merge_by_cases(*pieces)),
]
WRONG["two pieces of a softmax"] = {
    "only the first rescaled": [second_added_bare],
    "exp of the scores": [naive],
    "another m kept": [
        lambda m_1, l_1, a_1, m_2, l_2, a_2: (m_1, l_1 + l_2 * (m_2 - m_1).exp(), a_1 + a_2 * (m_2 - m_1).exp()),
    ],
    "not solved yet": [lambda m_1, l_1, a_1, m_2, l_2, a_2: (m_1, ..., ...)],
}

# ---- one gradient from several processes ----


def gradient_in_a_loop(gradients: list[Gradient], sizes: list[int]) -> Gradient:
    mean = {name: torch.zeros(value.shape) for name, value in gradients[0].items()}
    for gradient, size in zip(gradients, sizes, strict=True):
        for name, value in gradient.items():
            mean[name] += value * size
    return {name: value / sum(sizes) for name, value in reversed(mean.items())}


def gradient_by_average(gradients: list[Gradient], sizes: list[int]) -> Any:
    return {name: np.average([g[name].numpy() for g in gradients], axis=0, weights=sizes) for name in gradients[0]}


def gradient_on_the_way(gradients: list[Gradient], sizes: list[int]) -> Gradient:
    """A mean that takes in one process after the other, as one would while they report."""
    mean, rows = copy.deepcopy(gradients[0]), sizes[0]
    for gradient, size in zip(gradients[1:], sizes[1:], strict=True):
        rows += size
        for name in mean:
            mean[name].lerp_(gradient[name], size / rows)
    return mean


def into_the_first(gradients: list[Gradient], sizes: list[int]) -> Gradient:
    mean = gradients[0]
    for name in mean:
        mean[name] *= sizes[0] / sum(sizes)
        for gradient, size in zip(gradients[1:], sizes[1:], strict=True):
            mean[name] += gradient[name] * size / sum(sizes)
    return mean


def into_all(gradients: list[Gradient], sizes: list[int]) -> None:
    right = gradient_in_a_loop(gradients, sizes)
    for gradient in gradients:
        for name, value in gradient.items():
            value.copy_(right[name])


def sum_in_place(gradients: list[Gradient], sizes: list[int]) -> Gradient:
    for name in gradients[0]:
        for other in gradients[1:]:
            gradients[0][name] += other[name]
    return gradients[0]


def first_name(gradients: list[Gradient], sizes: list[int]) -> Any:
    result = {}
    for name in gradients[0]:
        result[name] = gradient_by_average(gradients, sizes)[name]
        return result


RIGHT["one gradient from several processes"] = [gradient_in_a_loop, gradient_by_average, gradient_on_the_way]
WRONG["one gradient from several processes"] = {
    "sum": [sum_in_place],
    "plain mean": [
        lambda gradients, sizes: {name: torch.stack([g[name] for g in gradients]).mean(0) for name in gradients[0]},
    ],
    "the first process only": [lambda gradients, sizes: gradients[0]],
    "changes the gradients in place": [into_the_first, into_all],
    "names lost": [lambda gradients, sizes: tuple(gradient_on_the_way(gradients, sizes).values())],
    "names missing": [first_name],
    "not solved yet": [lambda gradients, sizes: gradients[0] | {"in.bias": ...}],
    "other": [
        lambda gradients, sizes: {name.upper(): each for name, each in gradients[0].items()},
        lambda gradients, sizes: {name: each[:1] for name, each in gradients[0].items()},
        lambda gradients, sizes: [gradients[0]],
        lambda gradients, sizes: gradients[0] | {"in.bias": None},
    ],
}
