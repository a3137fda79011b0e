"""The exercises of notebook 03: attention from its formula, attention with a mask, the mask of a decoder."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from lecturelib.checks.exercise import Exercise, Sized, normal

Tensor = torch.Tensor


def _look_up(b: int, t: int, s: int, k: int, m: int, seed: int) -> tuple[Tensor, ...]:
    """Queries, keys and values whose scores are far from saturated."""
    return normal(seed, (b, t, k), (b, s, k), (b, s, m))


def _attend(
    scale: Callable[[Tensor, Tensor, Tensor], float] = lambda q, k, v: math.sqrt(q.shape[-1]),
    turned: Callable[[Tensor], Tensor] = lambda k: k.mT,
    weigh: Callable[[Tensor], Tensor] = lambda scores: scores.softmax(-1),
    give: Callable[[Tensor, Tensor, Tensor], Any] = lambda weights, k, v: weights @ v,
) -> Callable[[Tensor, Tensor, Tensor], Any]:
    """Attention with its four parts left open."""
    return lambda q, k, v: give(weigh(q @ turned(k) / scale(q, k, v)), k, v)


check_attend = Exercise(
    name="attend",
    reference=lambda q, k, v: F.scaled_dot_product_attention(q, k, v),
    # in the third, keys that are not transposed, or too much, fit all the same
    probes=Sized(_look_up, [(2, 3, 5, 7, 11, 1), (5, 7, 2, 3, 2, 2), (3, 2, 3, 3, 5, 3)]),
    imitations={
        "no scale": _attend(lambda q, k, v: 1.0),
        "wrong scale": _attend(lambda q, k, v: q.shape[-1]),
        "scale of another size": (
            _attend(lambda q, k, v: math.sqrt(k.shape[1])),
            _attend(lambda q, k, v: math.sqrt(q.shape[1])),
            _attend(lambda q, k, v: math.sqrt(v.shape[-1])),
            _attend(lambda q, k, v: math.sqrt(q.shape[0])),
        ),
        "scale after the softmax": lambda q, k, v: (q @ k.mT).softmax(-1) / math.sqrt(q.shape[-1]) @ v,
        "softmax over the queries": _attend(weigh=lambda scores: scores.softmax(1)),
        "softmax missing": _attend(weigh=lambda scores: scores),
        "keys not transposed": (_attend(turned=lambda k: k), _attend(turned=lambda k: k.permute(2, 1, 0))),
        "keys mixed": _attend(give=lambda weights, k, v: weights @ k),
        "values not mixed": _attend(give=lambda weights, k, v: weights),
        "two results": _attend(give=lambda weights, k, v: (weights @ v, weights)),
    },
    says="""
        no scale: Your scores are the bare dot products. In the formula they are divided by something before the
            softmax: what, and what does a softmax do to large numbers?
        wrong scale: You divide by d_k itself, as the variance of a dot product grows. How does its standard deviation?
        scale of another size: Your scale is made of the wrong size: of the number of keys, of queries or of sequences,
            or of the width of the values. Of how many products is one dot product the sum?
        scale after the softmax: You scale after the softmax, so a row no longer sums to 1. Scale the scores.
        softmax over the queries: Your weights are a softmax over the queries: for each key they sum to 1. Which axis
            should sum to 1, if each query shares its attention among the keys?
        softmax missing: You mix with the scores. They may sum to anything: what turns them into shares?
        keys not transposed: Each score should be a dot product of a query and a key. So the last two dimensions of k
            must change places, and only these: otherwise it runs only where sizes happen to be equal.
        keys mixed: You mix the keys. They serve to be found; what is handed over stands in v.
        values not mixed: You return the weights: who looks where. Now take the values in these shares.
        two results: You return the weights beside the mix. Here the mix alone is asked for.
        right: It equals torch's scaled_dot_product_attention, also where all sizes differ.
        hint 1: Three steps: scores (B, T, S), one for each pair of a query and a key; weights of the same shape, whose
            rows sum to 1; the mix (B, T, d_v). Write the shape beside each line.
        hint 2: scores = q @ k.transpose(-2, -1) / math.sqrt(d_k), with d_k the last number of q.shape; then the softmax
            over the last dimension; then @ v.
    """,
)

# ---- with a mask ----

_ONE_FOR_ALL, _HUGE, _FLAT = 2, 3, 4  # kinds of probes, beside the ordinary one


def _masked(b: int, t: int, s: int, k: int, m: int, kind: int) -> tuple[Tensor, ...]:
    """Every query may look somewhere and not everywhere, and every key is seen by somebody.

    Kinds: one mask for all sequences; hidden keys and values huge, with real scores far below 0; all scores 0 and
    values that sum to 0, so that a fill of 1e-9 in place of a huge negative number shows.
    """
    if s < 2:
        raise ValueError("with a single key nothing can be hidden")
    q, keys, v = _look_up(b, t, s, k, m, kind)
    seen = 1 + kind % (s - 1)
    step = torch.arange(s) - torch.arange(t)[:, None] - torch.arange(b)[:, None, None]  # (B, T, S)
    mask = step % s < seen
    if kind == _ONE_FOR_ALL:
        mask = mask[0]
    if kind == _HUGE:
        # the last key is hidden from all: its score is high above, and the others' far below, any number used as a fill
        mask = mask.clone()
        mask[:, :, -1], mask[:, :, 0] = False, True
        q, keys = q.abs() + 1, -1e5 * (keys.abs() + 1)
        keys[:, -1], v[:, -1] = 1e6, 1e6
    if kind == _FLAT:
        q, v = 0 * q, 1e6 * (v - v.mean(1, keepdim=True)).round(decimals=2)
        v[:, -1] -= v.sum(1)
    return q, keys, v, mask


def _filled(
    fill: float = -math.inf,
    places: Callable[[Tensor], Tensor] = lambda mask: ~mask,
    scaled: bool = True,
    dim: int = -1,
) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
    """Attention in which some scores are replaced by a number."""

    def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        scores = q @ k.mT / (math.sqrt(q.shape[-1]) if scaled else 1)
        return scores.masked_fill(places(mask), fill).softmax(dim) @ v

    return attend


def _by_hand(change: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
    """Attention in which `change(scores, mask)` makes the weights."""
    return lambda q, k, v, mask: change(q @ k.mT / math.sqrt(q.shape[-1]), mask) @ v


def _indexed(scores: Tensor, mask: Tensor) -> Tensor:
    scores[~mask] = -math.inf  # an index does not broadcast
    return scores.softmax(-1)


def _powers(scores: Tensor, mask: Tensor) -> Tensor:
    powers = scores.exp() * mask
    return powers / powers.sum(-1, keepdim=True)


check_masked_attend = Exercise(
    name="attend with a mask",
    reference=lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v, attn_mask=mask),
    probes=Sized(
        _masked, [(2, 5, 7, 3, 11, 1), (3, 7, 5, 2, 13, _ONE_FOR_ALL), (2, 3, 5, 7, 2, _HUGE), (2, 5, 3, 2, 7, _FLAT)]
    ),
    imitations={
        "mask inverted": _filled(places=lambda mask: mask),
        "mask ignored": _by_hand(lambda scores, mask: scores.softmax(-1)),
        "mask after the softmax": _by_hand(lambda scores, mask: scores.softmax(-1) * mask),
        "powers before the mask": _by_hand(_powers),
        "soft mask": (_filled(0.0), _filled(-1.0), _filled(1e-9), _filled(-1e-9)),
        "mask added": _by_hand(lambda scores, mask: (scores + mask).softmax(-1)),
        "not a number": _filled(math.inf),
        "no scale": _filled(scaled=False),
        "softmax over the queries": _filled(dim=1),
        "mask not stretched": _by_hand(_indexed),
    },
    says="""
        mask inverted: Your mask is inverted: a query looks exactly where it must not. Here, as in torch's
            scaled_dot_product_attention, True = may look; in nn.MultiheadAttention True means the opposite.
        mask ignored: The mask changes nothing in your result: every query looks at every key.
        mask after the softmax: You take away weights after the softmax, so those that are left no longer sum to 1. The
            forbidden keys must not take part in the softmax at all.
        powers before the mask: Your result is right for scores of ordinary size. But the power of a large score is
            infinite, and of a very low one 0, and then your quotient is NaN. A softmax is protected against that: let
            the forbidden scores be so low that it gives them no weight.
        soft mask: Your forbidden scores become an ordinary score: 0, or a number near it (if there is an exponent, read
            it again). What weight does the softmax give to it?
        mask added: You add the mask to the scores: a forbidden key is only a little less likely than it was.
        not a number: Your result is NaN, not a number. Infinity with the wrong sign does that in a softmax, and so does
            0 times infinity: set the forbidden scores, do not multiply.
        no scale: The mask is right, but your scores are not divided by anything. The mask does not replace the scale.
        softmax over the queries: Your weights are a softmax over the queries. Which axis should sum to 1?
        mask not stretched: Your code is right for a mask (B, T, S), and stops at a mask (T, S) that is the same for all
            sequences: an index in brackets does not broadcast. Which function replaces values under a mask, and does?
        right: A forbidden key and value of a million leave no trace.
        hint 1: A forbidden key must get the weight 0, and the weights of the others must still sum to 1. So it has to
            leave before the softmax. Which score becomes exactly 0 there?
        hint 2: Between scores and softmax: scores = scores.masked_fill(~mask, -math.inf). The mask is stretched over
            the batch by itself.
    """,
)

# ---- the mask of a decoder ----


def _padded(b: int, t: int, seed: int) -> tuple[Tensor, int]:
    """Lengths in no order, and the length to which they are padded."""
    return torch.tensor([seed * k % t + 1 for k in range(1, b + 1)]), t


def _decoder(
    causal: Callable[[Tensor], Tensor] = lambda square: square.tril(),
    padding: Callable[[Tensor], Tensor] = lambda real: real[:, None, :],
    joined: Callable[[Tensor, Tensor], Tensor] = lambda causal, padding: causal & padding,
    extra: int = 0,
) -> Callable[[Tensor, int], Tensor]:
    """The mask of a decoder: a triangle (T, T), what is no padding (B, T), and how both are joined."""

    def mask(lengths: Tensor, max_len: int) -> Tensor:
        real = torch.arange(max_len) < lengths[:, None] + extra
        return joined(causal(torch.ones(max_len, max_len, dtype=torch.bool)), padding(real))

    return mask


check_decoder_mask = Exercise(
    name="mask of a decoder",
    reference=lambda lengths, max_len: torch.tensor(
        [[[s <= t and s < n for s in range(max_len)] for t in range(max_len)] for n in lengths.tolist()]
    ),
    # in the second there are as many sequences as steps
    probes=Sized(_padded, [(3, 7, 2), (5, 5, 3), (2, 11, 3)]),
    imitations={
        "mask off by one": (_decoder(lambda square: square.tril(1)), _decoder(lambda square: square.tril(-1))),
        "looks only ahead": (_decoder(lambda square: square.triu()), _decoder(lambda square: square.triu(1))),
        "mask inverted": _decoder(joined=lambda causal, padding: ~(causal & padding)),
        "causal forgotten": (
            _decoder(lambda square: square),
            lambda lengths, max_len: (torch.arange(max_len) < lengths[:, None])[:, None],
        ),
        "padding forgotten": (
            _decoder(joined=lambda causal, padding: causal),
            lambda lengths, max_len: torch.ones(len(lengths), max_len, max_len).tril().bool(),
        ),
        "padding inverted": _decoder(padding=lambda real: ~real[:, None]),
        "padding off by one": _decoder(extra=1),
        "rows instead of columns": _decoder(padding=lambda real: real[:, :, None]),
        "or instead of and": _decoder(joined=lambda causal, padding: causal | padding),
        "batch taken for the queries": _decoder(padding=lambda real: real),
        "numbers": (
            _decoder(joined=lambda causal, padding: (causal & padding).int()),
            _decoder(joined=lambda causal, padding: torch.where(causal & padding, 0.0, -math.inf)),
        ),
    },
    says="""
        mask off by one: Position t may look up to t, with t: not at t + 1, which it is to predict.
        looks only ahead: Your triangle is the other one: it marks what lies ahead. Rows are queries, columns are keys,
            and True = may look.
        mask inverted: Your mask is inverted: True stands where a position must not look. Here True = may look.
        causal forgotten: Your mask hides the padding, but not the future: a position sees what it is to predict.
        padding forgotten: Your mask hides the future, but not the padding: it is the same for all lengths.
        padding inverted: The future is hidden, but of the sequence you leave the padding, and hide the real tokens.
        padding off by one: Your mask has one token of padding in it: a sequence of length n has the places 0 to n - 1.
        rows instead of columns: You empty the rows of the padding: there the query is padding, and a softmax over
            nothing is not defined. What may not be looked at is a key, and keys are columns.
        or instead of and: A key is open in your mask if either rule allows it. It must satisfy both.
        batch taken for the queries: Your two masks have the shapes (B, T) and (T, T), so the sequences of the batch
            meet the queries. It runs only where B equals T. Which dimension is missing in the first?
        numbers: The places are right, but your mask holds numbers. Here a mask holds True (may look) and False.
        right: No query is left without a key, not even in the rows of the padding.
        hint 1: Two rules, and both must hold: key s is not later than query t, and key s is a real token of its
            sequence. The first is a mask (T, T), the second depends on the sequence and on s only.
        hint 2: torch.arange(max_len) < lengths[:, None] is (B, S); [:, None] puts a dimension for the queries between,
            and & joins it with torch.ones(max_len, max_len, dtype=torch.bool).tril().
    """,
)
