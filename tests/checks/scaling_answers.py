"""Answers to the exercises of notebook 08, written apart from the catalogues of the checks.

The catalogue multiplies whole tensors; here are cases, and loops over processes.
"""

import copy
import math
from typing import Any

import numpy as np
import torch

Tensor = torch.Tensor
Gradient = dict[str, Tensor]
RIGHT: dict[str, list[Any]] = {}
WRONG: dict[str, dict[str, list[Any]]] = {}
# What a student would have to write, in pieces; no verdict may hold one of them. (The second hint may.)
SOLUTIONS = {
    "two pieces of a softmax": ["torch.", "maximum", "m_1 - m", "m_2 - m", "l_1 *", "a_1 *", "logaddexp"],
    "one gradient from several processes": ["sum(", "/ total", "n /", "zip(", "* gradient", "for name"],
    "the same operations, less text": ["1.96", "1.99", "2.36"],
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

# ---- the same operations, less text ----


def plain_mean_in_place(gradients: list[Gradient], sizes: list[int]) -> Gradient:
    mean = sum_in_place(gradients, sizes)
    for name in mean:
        mean[name] /= len(gradients)
    return mean


WRONG["one gradient from several processes"]["plain mean"] += [plain_mean_in_place]  # the code that is to be mended
RIGHT["the same operations, less text"] = [[1.97, 2.02, 2.41], (2.0, 1.98, 2.3), torch.tensor([1.9, 1.95, 2.2])]
WRONG["the same operations, less text"] = {
    "all alike": [[2.0, 2.01, 2.02]],
    "a tenth is not enough": [[1.96, 2.15, 2.36]],  # not as high as with a fiftieth: the verdict does not say so
    "in the wrong order": [[2.4, 2.0, 2.0], [2.0, 2.4, 2.05]],
    "other": ["one", [2.0, 1.5, 2.4], [196, 199, 236]],
    "error": [[1.96, 1.99]],
    "not solved yet": [[..., ..., ...]],
}
