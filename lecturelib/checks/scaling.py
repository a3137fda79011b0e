"""The exercises of notebook 08: the operations of attention, a step with a cache, a softmax in pieces, shared rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from lecturelib.checks.exercise import Exercise, Sized, normal, spoiling, untouched

Tensor = torch.Tensor

# ---- the operations of attention ----


def _flops_by_torch(B: int, T: int, D: int) -> int:
    """Count while attention runs."""
    x, w = torch.zeros(B, T, D), torch.zeros(D, D)
    with FlopCounterMode(display=False) as counter:
        q, k, v = x @ w, x @ w, x @ w
        _ = (q @ k.mT).softmax(-1) @ v @ w
    return int(counter.get_total_flops())


def _flops(projections: float, table: float) -> Callable[[int, int, int], float]:
    """So many times B T D^2, and so many times B T^2 D."""
    return lambda B, T, D: projections * B * T * D**2 + table * B * T**2 * D


_right = _flops(8, 4)

check_attention_flops = Exercise(
    name="operations of attention",
    reference=_flops_by_torch,
    probes=Sized(lambda B, T, D: (B, T, D), [(2, 3, 5), (7, 5, 2), (3, 128, 32)]),
    imitations={
        "multiplications only": _flops(4, 2),
        "no output projection": _flops(6, 4),
        "half the n x n part": _flops(8, 2),
        "no n^2 part": _flops(8, 0),
        "the batch is forgotten": lambda B, T, D: _right(1, T, D),
        "the batch is squared": lambda B, T, D: _right(1, B * T, D),
        "n and D exchanged": lambda B, T, D: _right(B, D, T),
        "with the backward pass": _flops(24, 12),
    },
    says="""
        multiplications only: You count half of it: the multiplications. A number of a matrix product is a sum of
            products, so for each multiplication there is an addition.
        no output projection: You count the projections to queries, keys and values. The mix goes through one more.
        half the n x n part: You count half of the n x n part: it has two products, and both multiply and add.
        no n^2 part: You count the projections only: your cost grows as n, and nobody would worry about long texts. In
            which products does every token meet every other?
        the batch is forgotten: Your number is that of one sequence: it does not grow with the batch.
        the batch is squared: Your tokens look at the tokens of all sequences. Each sequence has a table of its own.
        n and D exchanged: You exchange n and D. A projection multiplies with a square matrix of the width; the table
            has a row and a column for each token.
        with the backward pass: You count a step of training. The forward pass alone is asked for: a third of it.
        right: It is torch's own count. Where n is 2 D both parts are equal; beyond, the table wins.
        hint 1: Write down all six matrix products with their shapes: three projections, scores, mix, output. A product
            of (T, D) and (D, M) has T M numbers, each a sum of D products.
        hint 2: A projection costs 2 * B * T * D * D, and there are four; the scores cost 2 * B * T * T * D over all
            heads together, and the mix as much.
    """,
)

# ---- one step with a cache ----

ReadOne = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Any]


def _behind(cache: Tensor, new: Tensor) -> Tensor:
    return torch.cat([cache, new], dim=2)


def _read_by_torch(q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, ...]:
    keys, values = _behind(keys, k), _behind(values, v)
    return F.scaled_dot_product_attention(q, keys, values), keys, values


def _mix(q: Tensor, keys: Tensor, values: Tensor, scale: float | None = None, dim: int = -1) -> Tensor:
    scores = q @ keys.mT / (math.sqrt(q.shape[-1]) if scale is None else scale)  # (B, H, 1, S + 1)
    return scores.softmax(dim) @ values


def _look_up(mix: Callable[[Tensor, Tensor, Tensor], Tensor]) -> ReadOne:
    """A step whose cache is right, with its own way to look up."""

    def read_one(q: Tensor, *given: Tensor) -> Any:
        _, keys, values = _read_by_torch(q, *given)
        return mix(q, keys, values), keys, values

    return read_one


def _grow(grow: Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]) -> ReadOne:
    """A step that looks up rightly, in a cache that grew in its own way from (k, v, keys, values)."""

    def read_one(q: Tensor, *given: Tensor) -> Any:
        keys, values = grow(*given)
        return _mix(q, keys, values), keys, values

    return read_one


check_read_one = Exercise(
    name="one step with a cache",
    reference=_read_by_torch,
    # in the last, one token was read before
    probes=Sized(
        lambda b, h, s, k, seed: normal(seed, *[(b, h, 1, k)] * 3, *[(b, h, s, k)] * 2),
        [(2, 3, 5, 7, 1), (3, 2, 7, 5, 2), (2, 5, 1, 3, 3)],
    ),
    view=untouched(_read_by_torch),
    imitations={
        "the new key is left out": _look_up(lambda q, keys, values: _mix(q, keys[:, :, :-1], values[:, :, :-1])),
        "not scaled": _look_up(lambda q, keys, values: _mix(q, keys, values, 1.0)),
        "wrong scale": (
            _look_up(lambda q, keys, values: _mix(q, keys, values, q.shape[-1])),
            _look_up(lambda q, keys, values: _mix(q, keys, values, math.sqrt(keys.shape[2]))),
        ),
        "softmax over the wrong axis": _look_up(lambda q, keys, values: _mix(q, keys, values, dim=2)),
        "keys and values exchanged in the cache": lambda *given: tuple(_read_by_torch(*given)[i] for i in (0, 2, 1)),
        "new key and value exchanged": _grow(lambda k, v, old, values: (_behind(old, v), _behind(values, k))),
        "put in front": _grow(lambda k, v, old, values: (_behind(k, old), _behind(v, values))),
        "the last one replaced": _grow(
            lambda k, v, old, values: (_behind(old[:, :, :-1], k), _behind(values[:, :, :-1], v))
        ),
        "cache not returned longer": (
            lambda *given: (_read_by_torch(*given)[0], *given[3:]),
            lambda *given: (_read_by_torch(*given)[0], *given[1:3]),
        ),
        "changed in place": spoiling(_read_by_torch),
    },
    says="""
        the new key is left out: You look up among the old keys only. The new token may look at itself.
        not scaled: Your scores are the bare dot products. The formula is the old one: what are they divided by?
        wrong scale: Your scale is the width of a head itself, or made of the number of keys. Of how many products is
            one dot product the sum, and how does its standard deviation grow?
        softmax over the wrong axis: Your softmax runs over the queries. There is one, so every weight is 1 and the mix
            is the sum of all values. Which axis numbers the keys?
        keys and values exchanged in the cache: Your mix is right, but you return the values where the keys should be.
        new key and value exchanged: Your new value stands among the keys, and the new key among the values.
        put in front: Your mix is right, but in the cache the new token stands in front of the old ones. Column t should
            be token t: the mask and the next reader rely on it.
        the last one replaced: Your new key and value replace the last old ones: a token is forgotten at every step.
        cache not returned longer: Your mix is right, but your cache is the old one, or the new token alone.
        changed in place: The result is right, but you write into what you were given. Look for /= or a name in _.
        right: One query meets all keys, and no key is computed twice.
        hint 1: First the cache, then the look-up. Which of the four dimensions of the cache numbers the tokens? The
            scores are (B, H, 1, S + 1), and their rows sum to 1.
        hint 2: keys = torch.cat([keys, k], dim=2), and the same with values. Then attention as in notebook 03: q @
            keys.mT / q.shape[-1] ** 0.5, the softmax over the last dimension, @ values.
    """,
)

# ---- two pieces of a softmax ----

Merge = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Any]
Factors = Callable[[Tensor, Tensor, Tensor], tuple[Any, Any]]


def _merged_by_rows(m_1: Tensor, l_1: Tensor, a_1: Tensor, m_2: Tensor, l_2: Tensor, a_2: Tensor) -> tuple[Tensor, ...]:
    rows = []
    for (m,), (n,), a, (p,), (q,), b in zip(*(x.tolist() for x in (m_1, l_1, a_1, m_2, l_2, a_2)), strict=True):
        largest = max(m, p)
        f, g = math.exp(m - largest), math.exp(p - largest)
        rows.append(([largest], [f * n + g * q], [f * x + g * y for x, y in zip(a, b, strict=True)]))
    return tuple(torch.tensor(part, dtype=torch.float64) for part in zip(*rows, strict=True))


def _merge(
    factors: Factors = lambda m_1, m_2, m: ((m_1 - m).exp(), (m_2 - m).exp()),
    largest: Callable[[Tensor, Tensor], Tensor] = torch.maximum,
) -> Merge:
    """A merge that multiplies both pieces by their factors, which depend on (m_1, m_2, m)."""

    def merge(m_1: Tensor, l_1: Tensor, a_1: Tensor, m_2: Tensor, l_2: Tensor, a_2: Tensor) -> Any:
        m = largest(m_1, m_2)
        f_1, f_2 = factors(m_1, m_2, m)
        return m, l_1 * f_1 + l_2 * f_2, a_1 * f_1 + a_2 * f_2

    return merge


_rescaled, _added = _merge(), _merge(lambda m_1, m_2, m: (1, 1))
# what is added to the scores of a query in the first and in the second piece, query by query, for each kind of probe
_LIFTS = {
    1: [(0, 0), (0, 3), (3, 0)],
    2: [(0, 0)],
    3: [(1000, 1000), (1001, 1000), (900, 902), (2000, 800), (1000, 3000)],  # far apart in two rows
}


def _pieces(t: int, m: int, kind: int) -> tuple[Tensor, ...]:
    """Two pieces, of five and of three keys."""
    scores, values = normal(kind, (t, 8), (8, m))
    scores[0, [0, 5]] = 4.0  # the first query finds the same largest score in both
    lifts = torch.tensor([_LIFTS[kind][row % len(_LIFTS[kind])] for row in range(t)])
    scores = scores + lifts.repeat_interleave(torch.tensor([5, 3]), dim=1)
    found: list[Tensor] = []
    for s, v in zip(scores.split([5, 3], dim=1), values.split([5, 3]), strict=True):
        largest = s.amax(1, keepdim=True)
        found += [largest, (s - largest).exp().sum(1, keepdim=True), (s - largest).exp() @ v]
    return tuple(found)


check_merge = Exercise(
    name="two pieces of a softmax",
    reference=_merged_by_rows,
    probes=Sized(_pieces, [(3, 5, 1), (7, 2, 2), (5, 3, 3)]),
    imitations={
        "not rescaled": _added,
        "wrong sign": _merge(lambda m_1, m_2, m: ((m - m_1).exp(), (m - m_2).exp())),
        "only the first rescaled": _merge(lambda m_1, m_2, m: ((m_1 - m).exp(), 1)),
        "exp of the scores": _merge(lambda m_1, m_2, m: (m_1.exp() / m.exp(), m_2.exp() / m.exp())),
        "another m kept": (_merge(largest=torch.minimum), _merge(largest=lambda m_1, m_2: m_1)),
        "one of a and l not rescaled": (
            lambda *pieces: (*_rescaled(*pieces)[:1], _added(*pieces)[1], _rescaled(*pieces)[2]),
            lambda *pieces: (*_rescaled(*pieces)[:2], _added(*pieces)[2]),
        ),
    },
    says="""
        not rescaled: You add the sums as they are. But each was taken relative to a largest score of its own.
        wrong sign: Your factors have the wrong sign: a piece with small scores grows, and overflows.
        only the first rescaled: You rescale the first piece only. That is right where the second has the larger scores:
            there its factor is 1. What if it has not?
        exp of the scores: Your result is right for small scores. For large ones exp(1000) overflows, infinity over
            infinity is NaN, and m was kept for nothing. Subtract in the exponent before you take the power.
        another m kept: You keep an m that is not always the larger of the two. The quotient a / l stays the same, but a
            piece is multiplied by a power of e above 1, and overflows where the scores are far apart.
        one of a and l not rescaled: You rescale the mix or the sum, but not both: their quotient is no mean now.
        right: Pieces of any size, in any order: so a fused kernel meets n keys and never holds their n weights.
        hint 1: The new m is the larger of the two, query by query. A piece that was taken relative to m_1 and is now to
            be relative to m changes by one factor, its sum and its mix alike. Which? It is never above 1.
        hint 2: m = torch.maximum(m_1, m_2); the factors are torch.exp(m_1 - m) and torch.exp(m_2 - m); l and a are each
            the first piece times its factor plus the second times its own.
    """,
)

# ---- the gradient of all rows ----

Gradients = Sequence[dict[str, Tensor]]
Step = Callable[[Gradients, list[int]], Any]


def _over_all_rows(gradients: Gradients, sizes: list[int]) -> dict[str, Tensor]:
    """Row by row: each counts with the gradient of its share."""
    rows = [gradient for gradient, size in zip(gradients, sizes, strict=True) for _ in range(size)]
    return {name: torch.stack([row[name] for row in rows]).mean(0) for name in gradients[0]}


def _weighted(weights: Callable[[list[int]], Sequence[float]]) -> Step:
    """The gradients added, each times a weight."""
    return lambda gradients, sizes: {
        name: sum(w * gradient[name] for w, gradient in zip(weights(sizes), gradients, strict=True))
        for name in gradients[0]
    }


_mean = _weighted(lambda n: [each / sum(n) for each in n])


def _shared(processes: int, d: int, seed: int) -> tuple[Gradients, list[int]]:
    """The gradients of processes with unequal numbers of rows."""
    shapes = {"in.weight": (d, d), "in.bias": (d,), "out.weight": (2, d)}
    drawn = normal(seed, *list(shapes.values()) * processes)
    shares = [drawn[at : at + len(shapes)] for at in range(0, len(drawn), len(shapes))]
    rows = [3, 7, 5, 2, 13, 11]
    return [dict(zip(shapes, share, strict=True)) for share in shares], (rows[seed:] + rows[:seed])[:processes]


check_data_parallel = Exercise(
    name="one gradient from several processes",
    reference=_over_all_rows,
    probes=Sized(_shared, [(3, 3, 1), (2, 5, 2), (4, 2, 3)]),
    view=untouched(_over_all_rows),
    imitations={
        "sum": _weighted(lambda n: [1] * len(n)),
        "plain mean": _weighted(lambda n: [1 / len(n)] * len(n)),
        "the first process only": _weighted(lambda n: [1] + [0] * (len(n) - 1)),
        "weights turned round": (
            _weighted(lambda n: [each / sum(n) for each in reversed(n)]),
            _weighted(lambda n: [(sum(n) - each) / sum(n) / (len(n) - 1) for each in n]),
        ),
        "changes the gradients in place": lambda gradients, sizes: gradients[0].update(_mean(gradients, sizes)),
        "names lost": lambda gradients, sizes: list(_mean(gradients, sizes).values()),
        "names missing": lambda gradients, sizes: dict(list(_mean(gradients, sizes).items())[:1]),
    },
    says="""
        sum: You add the gradients. Each is that of a mean: with P processes the step would be P times as long.
        plain mean: You take the plain mean over the processes: a row of a small share counts more.
        the first process only: Your gradient is that of the first process. What the others computed is lost.
        weights turned round: Your weights are turned round: a process counts by the rows that others have.
        changes the gradients in place: The result is right, but you wrote into the gradients that you were given. Begin
            with new tensors: a += or *= changes the first one itself.
        names lost: The numbers are right, but their names are lost: which weight does each belong to?
        names missing: Your dictionary lacks names. Does the function return within the loop?
        right: It is the gradient of the mean over all rows, however they are shared: one process would take this step.
        hint 1: The mean over all rows is a mean of means in which each share counts by its rows. The gradient of a sum
            is the sum of the gradients, so it is made the same way, weight by weight.
        hint 2: total = sum(sizes); for each name, the sum of n / total * gradient[name] over zip(gradients, sizes).
    """,
)
