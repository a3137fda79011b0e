"""The exercises of notebook 03: attention from its formula, attention with a mask, the mask of a decoder."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from lecturelib.checks.exercise import Exercise, Mistake, expanded, normal

Tensor = torch.Tensor


def _look_up(b: int, t: int, s: int, k: int, m: int, seed: int) -> tuple[Tensor, ...]:
    """Queries, keys and values whose scores are far from saturated."""
    return normal(seed, (b, t, k), (b, s, k), (b, s, m))


_SCALES: dict[str, Callable[[Tensor, Tensor, Tensor], float]] = {
    "no scale": lambda q, k, v: 1.0,
    "wrong scale": lambda q, k, v: q.shape[-1],
    "wrong scale: the number of keys": lambda q, k, v: math.sqrt(k.shape[1]),
    "wrong scale: the number of queries": lambda q, k, v: math.sqrt(q.shape[1]),
    "wrong scale: the width of the values": lambda q, k, v: math.sqrt(v.shape[-1]),
    "wrong scale: the size of the batch": lambda q, k, v: math.sqrt(q.shape[0]),
    "scale multiplied": lambda q, k, v: 1 / math.sqrt(q.shape[-1]),
}


def _attend(mistake: str) -> Callable[[Tensor, Tensor, Tensor], Any]:
    """Attention with one mistake in it."""

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Any:
        turned = {"keys not transposed": k, "all dimensions turned": k.permute(2, 1, 0)}.get(mistake, k.mT)
        root = math.sqrt(q.shape[-1])
        scores = q @ turned  # (B, T, S)
        if mistake != "scale after the softmax":
            scores = scores / (_SCALES[mistake](q, k, v) if mistake in _SCALES else root)
        weights = scores.softmax({"softmax over the queries": 1, "softmax over the batch": 0}.get(mistake, 2))
        if mistake == "softmax missing":
            weights = scores
        if mistake == "scale after the softmax":
            weights = weights / root
        mix = weights @ (k if mistake == "keys mixed" else v)
        return {"values not mixed": weights, "two results": (mix, weights)}.get(mistake, mix)

    return attend


_ATTEND_SAYS = {
    "no scale": "Your scores are the bare dot products. In the formula they are divided by something before the "
    "softmax: what, and what does a softmax do to large numbers?",
    "wrong scale": "You divide by d_k itself. The variance of a dot product grows as d_k; how does its spread grow?",
    "wrong scale: the number of keys": "Your scale is made of the number of keys. Of how many products is one dot "
    "product the sum?",
    "wrong scale: the number of queries": "Your scale is made of the number of queries: in a batch, dimension 1 counts "
    "tokens. Which dimension of q is its width d_k?",
    "wrong scale: the width of the values": "Your scale is made of the width of the values. These have no part in the "
    "scores: whose width counts?",
    "wrong scale: the size of the batch": "Your scale is made of the size of the batch: len(q) counts dimension 0. "
    "Which dimension of q is its width d_k?",
    "scale multiplied": "Your scores grow with d_k twice over: you multiply by the root where the formula divides.",
    "scale after the softmax": "Your weights are right, and then you scale them, so a row no longer sums to 1. The "
    "scale belongs to the scores.",
    "softmax over the queries": "Your weights are a softmax over the queries: for each key they sum to 1. Which axis "
    "should sum to 1, if each query shares its attention among the keys?",
    "softmax over the batch": "Your weights sum to 1 over the sequences of the batch, which have nothing to do with "
    "each other. Among what does a query share its attention?",
    "softmax missing": "You mix with the scores themselves. They may be negative and sum to anything: what turns them "
    "into shares?",
    "keys not transposed": "You multiply q with k as it stands, so the width of a query meets the keys one by one. It "
    "runs only where there are as many keys as d_k. Each score should be a dot product of a query and a key.",
    "all dimensions turned": "You turn around all three dimensions of k, so the batch stands where the keys should. "
    "Only the last two are to be exchanged.",
    "keys mixed": "You mix the keys. They serve to be found; what is handed over stands in v.",
    "values not mixed": "You return the weights: who looks where. The last step, which takes the values in these "
    "shares, is missing.",
    "two results": "You return the weights beside the mix. Here the mix alone is asked for.",
}

check_attend = Exercise(
    name="attend",
    reference=lambda q, k, v: F.scaled_dot_product_attention(q, k, v),
    # in the third, keys that are not transposed, or too much, fit all the same
    probes=[_look_up(2, 3, 5, 7, 11, 1), _look_up(5, 7, 2, 3, 2, 2), _look_up(3, 2, 3, 3, 5, 3)],
    mistakes=[Mistake(name, says, _attend(name)) for name, says in _ATTEND_SAYS.items()],
    hint_texts=[
        "Three steps: scores (B, T, S), one for each pair of a query and a key; weights of the same shape, whose rows "
        "sum to 1; the mix (B, T, d_v). Write the shape beside each line.",
        "scores = q @ k.transpose(-2, -1) / math.sqrt(d_k), with d_k the last number of q.shape; then the softmax over "
        "the last dimension; then @ v.",
    ],
    right="It equals torch's scaled_dot_product_attention, also where queries, keys and values differ in number and "
    "width.",
)


def _masked_probes() -> list[tuple[Tensor, ...]]:
    """Every query may look somewhere and not everywhere, and every key is seen by somebody.

    The second mask is one for all sequences. In the third, a forbidden value is huge. In the fourth, all scores are 0
    and the values sum to 0, so that even a fill of 1e-9 in place of a huge negative number shows.
    """
    (q1, k1, v1), (q2, k2, v2) = _look_up(2, 5, 7, 3, 11, 4), _look_up(3, 7, 5, 2, 13, 5)
    q3, k3, v3 = _look_up(2, 3, 5, 7, 2, 6)
    v3[:, 1] = 1e6
    mask3 = torch.tensor([[1, 0, 1, 0, 1], [0, 0, 1, 1, 0], [1, 1, 0, 1, 0]], dtype=torch.bool)
    huge = torch.tensor([1e6, -4e6, 2e6, 4e6, -3e6], dtype=torch.float64)[None, :, None].expand(2, 5, 3)
    return [
        (q1, k1, v1, torch.stack([_ring(5, 7, 3), _ring(5, 7, 4, start=2)])),
        (q2, k2, v2, _ring(7, 5, 2)),
        (q3, k3, v3, mask3.expand(2, 3, 5)),
        (0 * q3, k3, huge, torch.stack([mask3, mask3.flip(1)])),
    ]


def _ring(t: int, s: int, seen: int, start: int = 0) -> Tensor:
    """A mask (T, S) with `seen` keys for each query, the first of them one further for each query."""
    distance = (torch.arange(s) - torch.arange(t)[:, None] - start) % s
    return distance < seen


_FILLS = {
    "soft mask": 0.0,
    "soft mask: -1": -1.0,
    "soft mask: 1e-9": 1e-9,
    "soft mask: -1e-9": -1e-9,
    "not a number": math.inf,
}


def _masked_attend(mistake: str) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
    """Attention under a mask, with one mistake in it."""

    def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        scores = q @ k.mT / (1 if mistake == "no scale" else math.sqrt(q.shape[-1]))
        hidden = mask if mistake == "mask inverted" else ~mask
        if mistake == "mask not stretched":
            scores[hidden] = -math.inf  # an index does not broadcast
        elif mistake == "mask added":
            scores = scores + mask
        elif mistake not in ("mask ignored", "mask after the softmax"):
            scores = scores.masked_fill(hidden, _FILLS.get(mistake, -math.inf))
        weights = scores.softmax(1 if mistake == "softmax over the queries" else -1)
        return (weights * mask if mistake == "mask after the softmax" else weights) @ v

    return attend


_MASKED_SAYS = {
    "mask inverted": "Your mask is inverted: a query looks exactly where it must not. Here, as in torch's "
    "scaled_dot_product_attention, True = may look; in nn.MultiheadAttention True means the opposite.",
    "mask ignored": "The mask changes nothing in your result: every query looks at every key.",
    "mask after the softmax": "You take away weights after the softmax, so those that are left no longer sum to 1. The "
    "forbidden keys must not take part in the softmax at all.",
    "soft mask": "Your forbidden scores become 0. A score of 0 is an ordinary score: what weight does the softmax give "
    "to it?",
    "soft mask: -1": "Your forbidden scores become -1, an ordinary score: the softmax gives weight to it. Which score "
    "has the weight 0?",
    "soft mask: 1e-9": "Your forbidden scores become 1e-9. Read the exponent again: that is nearly 0, an ordinary "
    "score, and a forbidden key still has weight.",
    "soft mask: -1e-9": "Your forbidden scores become -1e-9. Read the exponent again: that is nearly 0, an ordinary "
    "score, not one far below all others.",
    "mask added": "You add the mask to the scores. True counts as 1 there, so a forbidden key is only a little less "
    "likely than it was.",
    "not a number": "Your result is NaN, not a number. Infinity with the wrong sign does that in a softmax, and so "
    "does 0 times infinity: set the forbidden scores, do not multiply.",
    "no scale": "The mask is right, but your scores are not divided by anything. The mask does not replace the scale.",
    "softmax over the queries": "The mask is right, but your weights are a softmax over the queries: for each key they "
    "sum to 1. Which axis should sum to 1?",
    "mask not stretched": "Your code is right for a mask (B, T, S), and stops at a mask (T, S) that is the same for "
    "all sequences: an index in brackets does not broadcast. Which function replaces values under a mask, and does?",
}

check_masked_attend = Exercise(
    name="attend with a mask",
    reference=lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v, attn_mask=mask),
    probes=_masked_probes(),
    mistakes=[Mistake(name, says, _masked_attend(name)) for name, says in _MASKED_SAYS.items()],
    hint_texts=[
        "A forbidden key must get the weight 0, and the weights of the others must still sum to 1. So it has to leave "
        "before the softmax. Which score becomes exactly 0 there?",
        "Between scores and softmax: scores = scores.masked_fill(~mask, -math.inf). The mask is stretched over the "
        "batch by itself.",
    ],
    right="A forbidden value of a million leaves no trace: what may not be seen does not matter, however large it is.",
)


def _decoder_mask_by_loops(lengths: Tensor, max_len: int) -> Tensor:
    steps = range(max_len)
    return torch.tensor([[[s <= t and s < n for s in steps] for t in steps] for n in lengths.tolist()])


def _decoder_mask(mistake: str) -> Callable[[Tensor, int], Tensor]:
    """The mask of a decoder with one mistake in it."""

    def mask(lengths: Tensor, max_len: int) -> Tensor:
        square = torch.ones(max_len, max_len, dtype=torch.bool)
        causal = {
            "mask off by one": square.tril(1),
            "mask off by one: not itself": square.tril(-1),
            "looks only ahead": square.triu(),
            "looks only ahead: not at itself": square.triu(1),
            "causal forgotten": square,
        }.get(mistake, square.tril())
        step = torch.arange(max_len)
        real = step <= lengths[:, None] if mistake == "padding off by one" else step < lengths[:, None]  # (B, T)
        columns = real[:, None, :]
        padding = {
            "padding forgotten": torch.ones_like(columns),
            "padding inverted": ~columns,
            "rows instead of columns": real[:, :, None],
            "batch taken for the queries": real,
        }.get(mistake, columns)
        both = causal | padding if mistake == "or instead of and" else causal & padding
        both = both.broadcast_to(len(lengths), max_len, max_len)
        if mistake == "numbers":
            return both.int()
        if mistake == "numbers to be added":
            return torch.zeros(both.shape).masked_fill(~both, -math.inf)
        return ~both if mistake == "mask inverted" else both

    return mask


_DECODER_SAYS = {
    "mask off by one": "Your mask is off by one: each position also sees the next one, which it is to predict. The "
    "training loss would look splendid.",
    "mask off by one: not itself": "Your mask is off by one: no position sees itself, and the first one sees nothing "
    "at all. Position t may look up to t, with t.",
    "looks only ahead": "Your triangle is the other one: each position looks at itself and ahead. Rows are queries, "
    "columns are keys.",
    "looks only ahead: not at itself": "Your triangle marks what is forbidden: all that comes later. Here True = may "
    "look.",
    "mask inverted": "Your mask is inverted: True stands where a position must not look. Here True = may look.",
    "causal forgotten": "Your mask hides the padding, but not the future: a position sees what it is to predict.",
    "padding forgotten": "Your mask hides the future, but not the padding: it is the same for all lengths.",
    "padding inverted": "The future is hidden, but of the sequence you leave the padding, and hide the real tokens.",
    "padding off by one": "Your mask has one token of padding in it: a sequence of length n has the places 0 to n - 1.",
    "rows instead of columns": "You empty the rows of the padding: there the query is padding, and a softmax over "
    "nothing is not defined. What may not be looked at is a key, and keys are columns.",
    "or instead of and": "A key is open in your mask if either rule allows it. It must satisfy both.",
    "batch taken for the queries": "Your two masks have the shapes (B, T) and (T, T), so the sequences of the batch "
    "meet the queries. It runs only where B equals T. Which dimension is missing in the first?",
    "numbers": "Your mask has its ones in the right places, but they are numbers. A mask of True and False cannot be "
    "taken for something to be added.",
    "numbers to be added": "Your mask is one to be added to the scores: 0 and minus infinity. The places are right, "
    "but here a mask holds True (may look) and False.",
}

check_decoder_mask = Exercise(
    name="mask of a decoder",
    reference=_decoder_mask_by_loops,
    # in the second there are as many sequences as steps
    probes=[
        (torch.tensor([3, 7, 1]), 7),
        (torch.tensor([2, 5, 1, 3, 4]), 5),
        (torch.tensor([4, 9]), 11),
    ],
    prepare=lambda answer: expanded(answer, lambda lengths, max_len: (len(lengths), max_len, max_len)),
    mistakes=[Mistake(name, says, _decoder_mask(name)) for name, says in _DECODER_SAYS.items()],
    hint_texts=[
        "Two rules, and both must hold: key s is not later than query t, and key s is a real token of its sequence. "
        "The first is a mask (T, T), the second depends on the sequence and on s only.",
        "torch.arange(longest) < lengths[:, None] is (B, S); [:, None] puts a dimension for the queries between, and & "
        "joins it with torch.ones(longest, longest, dtype=torch.bool).tril().",
    ],
    right="No query is left without a key, not even in the rows of the padding.",
)
