"""The exercises of notebook 08: a softmax in pieces, unequal shares of a batch, a law with less text."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from lecturelib.checks.exercise import Exercise, Sized, normal, three_numbers, untouched

Tensor = torch.Tensor

# ---- two pieces of a softmax ----


def _merge(m_1: Tensor, l_1: Tensor, a_1: Tensor, m_2: Tensor, l_2: Tensor, a_2: Tensor) -> tuple[Tensor, ...]:
    m = torch.maximum(m_1, m_2)
    f_1, f_2 = torch.exp(m_1 - m), torch.exp(m_2 - m)
    return m, l_1 * f_1 + l_2 * f_2, a_1 * f_1 + a_2 * f_2


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
    reference=_merge,
    probes=Sized(_pieces, [(3, 5, 1), (7, 2, 2), (5, 3, 3)]),
    imitations={
        "not rescaled": "torch.exp(m_1 - m), torch.exp(m_2 - m) => 1, 1",
        "wrong sign": "m_1 - m => m - m_1; m_2 - m => m - m_2",
        "only the first rescaled": "torch.exp(m_2 - m) => 1",
        "exp of the scores": "(m_1 - m) => (m_1) / torch.exp(m); (m_2 - m) => (m_2) / torch.exp(m)",
        "another m kept": ("maximum => minimum", "torch.maximum(m_1, m_2) => m_1"),
        "one of a and l not rescaled": ("l_1 * f_1 + l_2 * f_2 => l_1 + l_2", "a_1 * f_1 + a_2 * f_2 => a_1 + a_2"),
    },
)

# ---- the gradient of all rows ----

Gradients = Sequence[dict[str, Tensor]]


def _weighted(gradients: Gradients, sizes: list[int]) -> dict[str, Tensor]:
    total = sum(sizes)
    weights = [n / total for n in sizes]
    added = {name: torch.zeros_like(each) for name, each in gradients[0].items()}
    for weight, gradient in zip(weights, gradients, strict=True):
        added = {name: each + weight * gradient[name] for name, each in added.items()}
    return added


def _shared(processes: int, d: int, seed: int) -> tuple[Gradients, list[int]]:
    """The gradients of several processes with unequal numbers of rows."""
    if processes < 2:
        raise ValueError(f"{processes} process: expected several")
    shapes = {"in.weight": (d, d), "in.bias": (d,), "out.weight": (2, d)}
    drawn = normal(seed, *list(shapes.values()) * processes)
    shares = [drawn[at : at + len(shapes)] for at in range(0, len(drawn), len(shapes))]
    rows = [3, 7, 5, 2, 13, 11]
    return [dict(zip(shapes, share, strict=True)) for share in shares], (rows[seed:] + rows[:seed])[:processes]


check_data_parallel = Exercise(
    name="one gradient from several processes",
    reference=_weighted,
    probes=Sized(_shared, [(3, 3, 1), (2, 5, 2), (4, 2, 3)]),
    view=partial(untouched, reference=_weighted, written="changes the gradients in place"),
    imitations={
        "sum": "n / total => 1",
        "plain mean": "n / total => 1 / len(sizes)",
        "not divided by all rows": ("n / total => n", "n / total => n / len(sizes)"),
        "the first process only": "return added => return gradients[0]",
        "weights turned round": (
            "n in sizes => n in reversed(sizes)",
            "n / total => (total - n) / total / (len(sizes) - 1)",
        ),
        "names lost": "return added => return list(added.values())",
        "names missing": "return added => return {name: added[name] for name in list(added)[:1]}",
    },
)

# ---- the same operations, less text ----

_KNOWN = {
    "close, higher": "right",
    "close, close": "all alike",
    "higher, higher": "a tenth is not enough",
    "lower, lower": "in the wrong order",
    "higher, close": "in the wrong order",
}


def _read_losses(answer: Any) -> str:
    """What three losses say."""
    losses = three_numbers(answer, "the losses at share 1, 0.1 and 0.02")
    if not all(-1 < each < 5 for each in losses):
        raise ValueError(f"{answer!r}: expected three losses in nats, none of 5 or more")
    if max(losses) < 1:
        return "differences"
    first, *less = losses
    words = ", ".join("lower" if each < first - 0.1 else "close" if each < first + 0.15 else "higher" for each in less)
    return _KNOWN.get(words, words)


check_shares = Exercise(name="the same operations, less text", read=_read_losses)
