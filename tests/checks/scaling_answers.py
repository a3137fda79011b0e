"""Answers to the exercises of notebook 08, right and wrong, written apart from the catalogues of the checks.

The catalogue multiplies whole tensors; here are counts of single products, loops over tokens, and torch's own layers.
"""

import copy
import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

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

Product = tuple[int, int, int]


def products(*each: Product) -> int:
    """The operations of products of matrices (a, b) and (b, c)."""
    return sum(a * c * (b + b) for a, b, c in each)


def by_products(B: int, T: int, D: int) -> int:
    return B * products(*[(T, D, D)] * 4, (T, D, T), (T, T, D))


def by_counting(B: int, T: int, D: int) -> int:
    """Attention of all sequences, one multiplication and one addition after the other."""
    pairs = T * T
    operations = 0
    for _ in range(B):
        for _ in ("query", "key", "value", "out"):
            operations += sum(D + D for _ in range(T * D))  # each number: D multiplications, D additions
        operations += sum(2 * D for _ in range(pairs))
        operations += sum(2 for _ in range(pairs) for _ in range(D))
    return operations


def by_module(B: int, T: int, D: int) -> int:
    with torch.device("meta"):
        layer, x = nn.MultiheadAttention(D, 1, batch_first=True), torch.empty(B, T, D)
        layer.train()
        with FlopCounterMode(display=False) as counter:
            layer(x, x, x, need_weights=True)
    return int(counter.get_total_flops())


RIGHT["operations of attention"] = [
    lambda B, T, D: 8 * B * T * D**2 + 4 * B * T**2 * D,
    by_products,
    by_counting,
    by_module,
    lambda B, T, D: 4.0 * B * T * D * (2 * D + T),
    lambda B, T, D: np.int64(4 * B * T * D) * (D + D + T),
    lambda B, T, D: torch.tensor(by_products(B, T, D)),
]
WRONG["operations of attention"] = {
    "multiplications only": [
        lambda B, T, D: sum(a * b * c for a, b, c in [(B * T, D, D)] * 4 + [(B * T, D, T), (B * T, T, D)]),
        lambda B, T, D: by_products(B, T, D) // 2,
    ],
    "no output projection": [lambda B, T, D: B * products(*[(T, D, D)] * 3, (T, D, T), (T, T, D))],
    "one projection": [lambda B, T, D: B * products((T, D, D), (T, D, T), (T, T, D))],
    "half the n x n part": [
        lambda B, T, D: B * products(*[(T, D, D)] * 4, (T, D, T)),
        lambda B, T, D: B * (products(*[(T, D, D)] * 4) + 2 * T * T * D),
    ],
    "no n^2 part": [lambda B, T, D: products(*[(B * T, D, D)] * 4)],
    "only the scores": [lambda B, T, D: products((T, D, T)) * B],
    "the batch is forgotten": [lambda B, T, D: products(*[(T, D, D)] * 4, (T, D, T), (T, T, D))],
    "the batch is squared": [
        lambda B, T, D: products(*[(B * T, D, D)] * 4, (B * T, D, B * T), (B * T, B * T, D)),
    ],
    "n and D exchanged": [lambda B, T, D: B * products(*[(D, T, T)] * 4, (D, T, D), (D, D, T))],
    "with the backward pass": [lambda B, T, D: 3 * by_products(B, T, D)],
}

# ---- one step with a cache ----

Weigh = Callable[[Tensor, int, int], list[float]]


def shares(scores: Tensor, width: int, heads: int) -> list[float]:
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
            weights = weigh(looked_at @ q[i, j, 0], width, h)
            mix[i, j, 0] = sum(w * value for w, value in zip(weights, found, strict=True))
        return mix, *(torch.stack(cache).unflatten(0, (b, h)) for cache in grown)

    return read_one


def read_by_room(q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor) -> Any:
    """Take the room for all, and fill it."""
    b, h, s, width = keys.shape
    room = torch.empty(2, b, h, s + 1, width)
    room[0, :, :, :s], room[1, :, :, :s] = keys, values
    room[0, :, :, s:], room[1, :, :, s:] = k, v
    weights = torch.einsum("bhtk,bhsk->bhts", q * width**-0.5, room[0]).softmax(dim=-1)
    return [torch.einsum("bhts,bhsk->bhtk", weights, room[1]), room[0], room[1]]


def read_by_cat(q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor) -> Any:
    keys, values = torch.cat([keys, k], dim=2), torch.cat([values, v], dim=2)
    weights = torch.softmax(q @ keys.transpose(-2, -1) / math.sqrt(q.shape[-1]), dim=-1)
    return weights @ values, keys, values


def read_by_kernel(q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor) -> Any:
    keys, values = torch.concat((keys, k), -2), torch.concat((values, v), -2)
    return F.scaled_dot_product_attention(q, keys, values), keys, values


def scaled_by(scale: Callable[[int, int], float]) -> Callable[..., Any]:
    """A step with the scale `scale(keys, width)`."""

    def weigh(scores: Tensor, width: int, heads: int) -> list[float]:
        return shares(scores * width**0.5 / scale(len(scores), width), width, heads)

    return token_by_token(weigh)


def shrunk_in_place(q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor) -> Any:
    keys, values = torch.cat([keys, k], 2), torch.cat([values, v], 2)
    q /= math.sqrt(q.shape[-1])
    return (q @ keys.mT).softmax(-1) @ values, keys, values


def used_as_room(q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor) -> Any:
    result = read_by_cat(q, k, v, keys, values)
    v.copy_(result[0])
    return v, *result[1:]


def last_written_over(q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor) -> Any:
    keys[:, :, -1:], values[:, :, -1:] = k, v
    return F.scaled_dot_product_attention(q, keys, values), keys, values


def crosswise(q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor) -> Any:
    return read_by_kernel(q, v, k, keys, values)


RIGHT["one step with a cache"] = [
    read_by_cat,
    token_by_token(),
    read_by_room,
    read_by_kernel,
    lambda *given: [each.float().requires_grad_() for each in read_by_kernel(*given)],
    lambda *given: tuple(each.numpy() for each in read_by_kernel(*given)),
]
WRONG["one step with a cache"] = {
    "the new key is left out": [
        token_by_token(seen=slice(-1)),
        lambda q, k, v, keys, values: (
            F.scaled_dot_product_attention(q, keys, values),
            *read_by_room(q, k, v, keys, values)[1:],
        ),
    ],
    "only the new key": [
        token_by_token(seen=slice(-1, None)),
        lambda q, k, v, keys, values: (
            F.scaled_dot_product_attention(q, k, v),
            torch.cat([keys, k], 2),
            torch.cat([values, v], 2),
        ),
    ],
    "not scaled": [scaled_by(lambda keys, width: 1)],
    "scaled by K": [scaled_by(lambda keys, width: width)],
    "scaled by S": [scaled_by(lambda keys, width: keys**0.5)],
    "softmax over the wrong axis": [
        token_by_token(lambda scores, width, heads: [1.0] * len(scores)),
        lambda q, k, v, keys, values: (
            (q @ torch.cat([keys, k], 2).mT / q.shape[3] ** 0.5).softmax(-2) @ torch.cat([values, v], 2),
            torch.cat([keys, k], 2),
            torch.cat([values, v], 2),
        ),
    ],
    "keys and values exchanged in the cache": [
        lambda *given: (read_by_room(*given)[0], read_by_room(*given)[2], read_by_room(*given)[1]),
    ],
    "new key and value exchanged": [crosswise],
    "put in front": [token_by_token(behind=lambda old, new: (*new, *old))],
    "the last one replaced": [last_written_over, token_by_token(behind=lambda old, new: (*old[:-1], *new))],
    "cache not returned longer": [
        lambda q, k, v, keys, values: (read_by_room(q, k, v, keys, values)[0], keys, values),
    ],
    "cache not returned longer: the new ones": [
        lambda q, k, v, keys, values: (read_by_room(q, k, v, keys, values)[0], k, v),
    ],
    "changed in place": [shrunk_in_place, used_as_room],
}

# ---- two pieces of a softmax ----


def merge_by_maximum(m_1: Tensor, l_1: Tensor, a_1: Tensor, m_2: Tensor, l_2: Tensor, a_2: Tensor) -> Any:
    m = torch.maximum(m_1, m_2)
    old, new = torch.exp(m_1 - m), torch.exp(m_2 - m)
    return m, l_1 * old + l_2 * new, a_1 * old + a_2 * new


def merge_by_cases(m_1: Tensor, l_1: Tensor, a_1: Tensor, m_2: Tensor, l_2: Tensor, a_2: Tensor) -> Any:
    """The piece with the larger score stays, the other shrinks by one factor."""
    first, shrink = m_1 > m_2, torch.exp(-(m_1 - m_2).abs())
    return (
        torch.where(first, m_1, m_2),
        torch.where(first, l_1 + shrink * l_2, l_2 + shrink * l_1),
        torch.where(first, a_1 + shrink * a_2, a_2 + shrink * a_1),
    )


def merge_by_logarithms(m_1: Tensor, l_1: Tensor, a_1: Tensor, m_2: Tensor, l_2: Tensor, a_2: Tensor) -> Any:
    both = torch.logaddexp(m_1 + l_1.log(), m_2 + l_2.log())
    m = torch.cat([m_1, m_2], dim=1).amax(dim=1, keepdim=True)
    means = a_1 / l_1 * (m_1 + l_1.log() - both).exp() + a_2 / l_2 * (m_2 + l_2.log() - both).exp()
    return [m, (both - m).exp(), means * (both - m).exp()]


def row_by_row(row: Callable[..., tuple[float, float, Sequence[float]]]) -> Callable[..., Any]:
    """Merge with numbers and lists, query by query; a power that is too large becomes infinity, as with tensors."""

    def merge(*pieces: Tensor) -> Any:
        rows = [row(m[0], n[0], a, p[0], q[0], b) for m, n, a, p, q, b in zip(*map(Tensor.tolist, pieces), strict=True)]
        return tuple(torch.tensor([np.atleast_1d(each[i]).tolist() for each in rows]) for i in range(3))

    return merge


def power(x: float) -> float:
    return math.exp(x) if x < 700 else math.inf


def kept(choose: Callable[[float, float], float], shrink: Callable[..., tuple[float, float]]) -> Callable[..., Any]:
    """Write the merge of a row: which m stays, and what the two pieces are multiplied with."""

    def row(m: float, total: float, a: list[float], n: float, other: float, b: list[float]) -> Any:
        new = choose(m, n)
        f, g = shrink(m, n, new)
        return new, f * total + g * other, [f * x + g * y for x, y in zip(a, b, strict=True)]

    return row_by_row(row)


def powers(m: float, n: float, new: float) -> tuple[float, float]:
    return power(m - new), power(n - new)


def other_part(part: int) -> Callable[..., Any]:
    """The right merge, with one part of the result only added up."""

    def merge(*pieces: Tensor) -> Any:
        result = list(merge_by_cases(*pieces))
        result[part] = pieces[part] + pieces[part + 3]
        return result

    return merge


def naive(m_1: Tensor, l_1: Tensor, a_1: Tensor, m_2: Tensor, l_2: Tensor, a_2: Tensor) -> Any:
    m = torch.maximum(m_1, m_2)
    total, mix = l_1 * m_1.exp() + l_2 * m_2.exp(), a_1 * m_1.exp() + a_2 * m_2.exp()
    return m, total / m.exp(), mix / m.exp()


def second_added_bare(m_1: Tensor, l_1: Tensor, a_1: Tensor, m_2: Tensor, l_2: Tensor, a_2: Tensor) -> Any:
    m = torch.where(m_1 > m_2, m_1, m_2)
    return m, l_1 * math.e ** (m_1 - m) + l_2, a_1 * math.e ** (m_1 - m) + a_2


RIGHT["two pieces of a softmax"] = [
    merge_by_maximum,
    merge_by_cases,
    merge_by_logarithms,
    kept(max, powers),
    lambda *pieces: tuple(each.numpy() for each in merge_by_cases(*pieces)),
]
WRONG["two pieces of a softmax"] = {
    "not rescaled": [
        lambda m_1, l_1, a_1, m_2, l_2, a_2: (torch.max(m_1, m_2), l_1 + l_2, a_1 + a_2),
        kept(max, lambda m, n, new: (1, 1)),
    ],
    "wrong sign": [kept(max, lambda m, n, new: (power(new - m), power(new - n)))],
    "factors exchanged": [kept(max, lambda m, n, new: (power(n - new), power(m - new)))],
    "only the first rescaled": [second_added_bare, kept(max, lambda m, n, new: (power(m - new), 1))],
    "exp of the scores": [
        naive,
        lambda m_1, l_1, a_1, m_2, l_2, a_2: (
            torch.maximum(m_1, m_2),
            (l_1 * m_1.exp() + l_2 * m_2.exp()) * (-torch.maximum(m_1, m_2)).exp(),
            (a_1 * m_1.exp() + a_2 * m_2.exp()) * (-torch.maximum(m_1, m_2)).exp(),
        ),
    ],
    "smaller m kept": [kept(min, powers)],
    "first m kept": [
        kept(lambda m, n: m, powers),
        lambda m_1, l_1, a_1, m_2, l_2, a_2: (m_1, l_1 + l_2 * (m_2 - m_1).exp(), a_1 + a_2 * (m_2 - m_1).exp()),
    ],
    "a rescaled, l not": [other_part(1)],
    "l rescaled, a not": [other_part(2)],
    "the mean of the two": [
        lambda *pieces: [torch.stack([x, y]).mean(0) for x, y in zip(pieces[:3], pieces[3:], strict=True)],
    ],
    "divided by l already": [
        lambda *pieces: (*merge_by_cases(*pieces)[:2], merge_by_cases(*pieces)[2] / merge_by_cases(*pieces)[1]),
    ],
}

# ---- one gradient from several processes ----


def gradient_by_names(gradients: list[Gradient], sizes: list[int]) -> Gradient:
    total = sum(sizes)
    return {name: sum(n / total * g[name] for g, n in zip(gradients, sizes)) for name in gradients[0]}  # type: ignore[misc] # noqa: B905


def gradient_in_a_loop(gradients: list[Gradient], sizes: list[int]) -> Gradient:
    mean = {name: torch.zeros(value.shape) for name, value in gradients[0].items()}
    for gradient, size in zip(gradients, sizes, strict=True):
        for name, value in gradient.items():
            mean[name] += value * size
    return {name: value / sum(sizes) for name, value in reversed(mean.items())}


def gradient_by_average(gradients: list[Gradient], sizes: list[int]) -> Any:
    return {
        name: np.average([g[name].numpy() for g in gradients], axis=0, weights=np.array(sizes)) for name in gradients[0]
    }


def gradient_on_the_way(gradients: list[Gradient], sizes: list[int]) -> Gradient:
    """A mean that takes in one process after the other, as one would while they report."""
    mean, rows = copy.deepcopy(gradients[0]), sizes[0]
    for gradient, size in zip(gradients[1:], sizes[1:], strict=True):
        rows += size
        for name in mean:
            mean[name].lerp_(gradient[name], size / rows)
    return mean


def gradient_by_matrix(gradients: list[Gradient], sizes: list[int]) -> Gradient:
    share = torch.tensor(sizes).double() / sum(sizes)
    return {name: torch.tensordot(share, torch.stack([g[name] for g in gradients]), 1) for name in gradients[0]}


def weighing(weight: Callable[[list[int], int], float]) -> Callable[..., Gradient]:
    """Write the gradient with a weight for each process: `weight(sizes, number of the process)`."""

    def step(gradients: list[Gradient], sizes: list[int]) -> Gradient:
        result = {name: torch.zeros_like(value) for name, value in gradients[0].items()}
        for p, gradient in enumerate(gradients):
            for name in result:
                result[name] = result[name] + weight(sizes, p) * gradient[name]
        return result

    return step


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


def weighted_in_place(gradients: list[Gradient], sizes: list[int]) -> Gradient:
    for gradient, size in zip(gradients, sizes, strict=True):
        for value in gradient.values():
            value.mul_(size / sum(sizes))
    return {name: torch.stack([g[name] for g in gradients]).sum(0) for name in gradients[0]}


def first_name(gradients: list[Gradient], sizes: list[int]) -> Any:
    result = {}
    for name in gradients[0]:
        result[name] = gradient_by_average(gradients, sizes)[name]
        return result


RIGHT["one gradient from several processes"] = [
    gradient_by_names,
    gradient_in_a_loop,
    gradient_by_average,
    gradient_on_the_way,
    gradient_by_matrix,
]
WRONG["one gradient from several processes"] = {
    "sum": [
        lambda gradients, sizes: {name: sum(g[name] for g in gradients) for name in gradients[0]},
        weighing(lambda sizes, p: 1),
    ],
    "plain mean": [
        lambda gradients, sizes: {name: torch.stack([g[name] for g in gradients]).mean(0) for name in gradients[0]},
    ],
    "the first process only": [lambda gradients, sizes: gradients[0], weighing(lambda sizes, p: p == 0)],
    "weights turned round": [weighing(lambda sizes, p: sizes[-1 - p] / sum(sizes))],
    "weights turned round: the rows of the others": [
        weighing(lambda sizes, p: sum(n for i, n in enumerate(sizes) if i != p) / sum(sizes) / (len(sizes) - 1)),
    ],
    "a sum over the rows": [weighing(lambda sizes, p: sizes[p])],
    "divided twice": [weighing(lambda sizes, p: sizes[p] / (sum(sizes) * len(sizes)))],
    "changes the gradients in place": [into_the_first, into_all, weighted_in_place],
    "names lost": [
        lambda gradients, sizes: list(gradient_on_the_way(gradients, sizes).values()),
        lambda gradients, sizes: tuple(gradient_by_matrix(gradients, sizes).values()),
        lambda gradients, sizes: dict(enumerate(gradient_on_the_way(gradients, sizes).values())),
    ],
    "names missing": [
        first_name,
        lambda gradients, sizes: {
            name: value for name, value in gradient_on_the_way(gradients, sizes).items() if "bias" not in name
        },
    ],
}
