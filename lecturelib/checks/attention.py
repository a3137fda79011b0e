"""The exercises of notebook 03: attention with a mask, a map to read, a head that is told less."""

import math
import re
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F

from lecturelib.checks.exercise import Exercise, Sized, is_percent, normal

Tensor = torch.Tensor


_ONE_FOR_ALL, _HUGE, _FLAT = 2, 3, 4  # kinds of probes, beside the ordinary one


def _masked(b: int, t: int, s: int, k: int, m: int, kind: int) -> tuple[Tensor, ...]:
    """Every query may look somewhere and not everywhere, and every key is seen by somebody.

    Kinds: one mask for all sequences; hidden keys and values huge, with real scores far below 0; all scores 0 and
    values that sum to 0, so that a fill of 1e-9 in place of a huge negative number shows.
    """
    if s < 2:
        raise ValueError("with a single key nothing can be hidden")
    q, keys, v = normal(kind, (b, t, k), (b, s, k), (b, s, m))  # their scores are far from saturated
    seen = 1 + kind % (s - 1)
    step = torch.arange(s) - torch.arange(t)[:, None] - torch.arange(b)[:, None, None]  # (B, T, S)
    mask = step % s < seen
    if kind == _ONE_FOR_ALL:
        mask = mask[0]
    if kind == _HUGE:
        # the last key is hidden from all: its score is high above, and the others' far below, any number used as a fill
        mask = mask.clone()
        mask[:, :, -1], mask[:, :, 0] = False, True
        q, keys = q.abs() + 1, -1e7 * (keys.abs() + 1)
        keys[:, -1], v[:, -1] = 1e6, 1e6
    if kind == _FLAT:
        q, v = 0 * q, 1e6 * (v - v.mean(1, keepdim=True)).round(decimals=2)
        v[:, -1] -= v.sum(1)
    return q, keys, v, mask


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    weights = scores.masked_fill(~mask, -math.inf).softmax(-1)
    return weights @ v


check_attend = Exercise(
    name="attend",
    reference=lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v, attn_mask=mask),
    probes=Sized(
        _masked,
        [
            (2, 5, 7, 3, 11, 1),
            (5, 2, 3, 4, 7, 1),  # each key is seen in some sequence, so that a softmax over these gives numbers
            (3, 7, 5, 2, 13, _ONE_FOR_ALL),
            (2, 3, 5, 7, 2, _HUGE),
            (2, 5, 3, 2, 7, _FLAT),
        ],
    ),
    solution=_attend,
    imitations={
        "mask inverted": "~mask => mask",
        "mask ignored": ".masked_fill(~mask, -math.inf) => ",
        "mask after the softmax": "masked_fill(~mask, -math.inf).softmax(-1) => softmax(-1) * mask",
        "shared out again": (
            "scores.masked_fill(~mask, -math.inf).softmax(-1) => scores.exp() * mask; "
            "weights @ => weights / weights.sum(-1, keepdim=True) @",
            "masked_fill(~mask, -math.inf).softmax(-1) => softmax(-1) * mask; "
            "weights @ => weights / weights.sum(-1, keepdim=True) @",
            "masked_fill(~mask, -math.inf).softmax(-1) => softmax(-1) * mask; "
            "weights @ => (weights / weights.sum(-1, keepdim=True)).nan_to_num() @",
        ),
        "soft mask": ("-math.inf => 0", "-math.inf => -1", "-math.inf => 1e-9", "-math.inf => -1e-9"),
        "fill too weak": ("-math.inf => -20", "-math.inf => -1e6"),
        "mask added": "scores.masked_fill(~mask, -math.inf) => (scores + mask)",
        "not a number": "-math.inf => math.inf",
        "no scale": " / math.sqrt(q.shape[-1]) => ",
        "wrong scale": "math.sqrt(q.shape[-1]) => q.shape[-1]",
        "softmax over the queries": "softmax(-1) => softmax(1)",
        "mask not stretched": "masked_fill(~mask, -math.inf) => index_put((~mask,), torch.tensor(-math.inf))",
        "values not mixed": " @ v => ",
    },
    says="""
        mask inverted: Your mask is inverted: a query looks exactly where it must not. Here, as in torch's
            scaled_dot_product_attention, True = may look; in nn.MultiheadAttention True means the opposite.
        mask ignored: The mask changes nothing in your result: every query looks at every key.
        mask after the softmax: You take weights away after the softmax, so the ones that are left no longer sum to 1.
            Forbidden keys must not take part in the softmax at all.
        shared out again: You mask after the exponential and let the weights that are left sum to 1 again. For ordinary
            scores that is right. But if a hidden score is huge, or all real scores are very low, nothing is left to
            share out, and your result is 0 or NaN. At what point must a hidden key be gone?
        soft mask: Your forbidden scores become an ordinary score: 0, or a number near it (if there is an exponent, read
            it again). What weight does the softmax give to it?
        fill too weak: Your forbidden scores become a low number, but real scores can be lower still, and then the
            hidden key wins. Which score is lower than every other?
        mask added: You add the mask to the scores: a forbidden key is only a little less likely than it was.
        not a number: Your result is NaN, not a number. Infinity with the wrong sign does that in a softmax, and so does
            0 times infinity: set the forbidden scores, do not multiply.
        no scale: The mask is right, but your scores are the bare dot products. What does the formula divide them by?
        wrong scale: The mask is right. You divide by d_k itself, as the variance of a dot product grows. How does its
            standard deviation grow?
        softmax over the queries: Your weights are a softmax over the queries: for each key they sum to 1. Which axis
            should sum to 1, if each query shares its attention among the keys?
        mask not stretched: Your code is right for a mask (B, T, S), and stops at a mask (T, S) that is the same for all
            sequences: an index in brackets does not broadcast. Which function replaces values under a mask, and does?
        values not mixed: You return the weights: who looks where. Now mix the values in these shares.
        right: A forbidden key of a million, with a value of a million, leaves no trace, even where real scores are
            very low.
        hint 1: Write the shape beside each line: scores (B, T, S), weights of the same shape whose rows sum to 1, the
            mix (B, T, d_v). A forbidden key must get the weight 0 while the others still sum to 1. So where must it
            leave, before the softmax or after? Which score becomes exactly 0 there?
        hint 2: scores = q @ k.transpose(-2, -1) / math.sqrt(d_k), with d_k the last number of q.shape; then
            scores = scores.masked_fill(~mask, -math.inf); then the softmax over the last dimension; then @ v.
    """,
)

# ---- a map to read ----

# A head of notebook 03 that was trained to sort: percent of the weight, a row for each place that it writes.
READ = "LADOPNHC"  # the letters that it reads, one for each column
PERCENT = torch.tensor(
    [
        [0, 99, 0, 0, 0, 0, 0, 1],
        [0, 0, 13, 0, 0, 0, 0, 86],
        [0, 0, 98, 0, 0, 0, 2, 0],
        [1, 0, 0, 0, 0, 0, 98, 0],
        [89, 0, 0, 2, 1, 3, 5, 0],
        [1, 0, 0, 14, 2, 83, 0, 0],
        [2, 0, 0, 90, 3, 0, 5, 0],
        [0, 0, 0, 0, 99, 0, 0, 0],
    ]
)


_ENTRIES = {
    "task": {"sort": "right", "copy": "it is not copy", "reverse": "it is not reverse"},
    "written": {"ACDHLNOP": "right", READ: "what is read"},
    "N hidden": {
        "ACDHLOOP": "right",
        "ACDHLNOP": "unchanged",
        "ACDHLOP": "closed up",
        "ACDHL-OP": "left out",
        "ACDHLPOP": "neighbor in the input",
        "ACDHLHOP": "neighbor in the input",
    },
}
_ELSE = {"task": "no task of section 3", "written": "another letter", "N hidden": "another letter for N"}


def _read(answer: Any) -> Any:
    """The first mistake in the three entries of an answer, or that each is right."""
    if not isinstance(answer, Mapping) or not _ENTRIES.keys() <= answer.keys():
        return "no dictionary with the entries 'task', 'written' and 'N hidden'"
    for name, known in _ENTRIES.items():
        plain = re.sub(r"[^A-Za-z-]", "", re.sub("[_?.]", "-", str(answer[name])))
        judged = known.get(plain.lower() if name == "task" else plain.upper(), _ELSE[name])
        if judged != "right":
            return judged
    return dict.fromkeys(_ENTRIES, "right")


check_reading = Exercise(
    name="read a map",
    reference=lambda: dict.fromkeys(_ENTRIES, "right"),
    read=_read,
    says="""
        it is not copy: A head that copies has its weight on one diagonal: place 1 looks at place 1. Does it here?
        it is not reverse: A head that reverses has its weight on the other diagonal. Does it here? Write down the
            letter under the brightest cell of each row, from top to bottom. What order are they in?
        no task of section 3: The three tasks are "copy", "reverse" and "sort".
        another letter: Row by row: which letter stands under the brightest cell? In some row
            you wrote another one.
        another letter for N: Only the row that looked mainly at N writes another letter. There the second largest
            weight counts.
        what is read: These are the letters that the head reads, from left to right. It writes one letter for each row:
            the letter under the brightest cell of that row.
        unchanged: Your result with N hidden still holds an N. A hidden key has weight 0: no row can fetch it.
        closed up: You let the places after N move up, as if the head sorted the letters that are left. But each row
            has a query of its own, and only rows that looked at N have to look elsewhere. How many rows are there?
        left out: You leave a gap. But the weights of a row always sum to 1: when N is hidden, the row that looked there
            shares its weight among the other letters. Which of them had the most?
        neighbor in the input: You took a letter that stands beside N in the input. The head doesn't look by place.
            Read the row that looked at N: where was its second largest weight?
        right: A hidden key hands its weight to the others in the row. This head really wrote that.
        hint 1: Go row by row. Under the brightest cell of each row stands the letter that is written. For the third
            question cover the column of N with your hand, and ask which rows change.
        hint 2: Only the sixth row looked mainly at N. Without N, the largest number left in this row is 14, and below
            it stands the letter ...
    """,
)

# ---- a head that is told less ----


def _measured(answer: Any) -> str:
    """Say what two measured shares look like; the bounds lie between what several ways to go wrong have given."""
    if not isinstance(answer, Mapping) or not {"right", "found"} <= answer.keys():
        return "no dictionary with the entries 'right' and 'found'"
    try:
        said = [[float(part) for part in torch.as_tensor(answer[name]).flatten()] for name in ("right", "found")]
    except (TypeError, ValueError, RuntimeError):
        return "no two numbers"
    if any(len(each) == 3 for each in said):
        return "one for each head"
    if not all(len(each) == 1 for each in said):
        return "no two numbers"
    (right,), (found,) = said
    known = {
        "percent": is_percent(right, found),
        "a sum": 2.4 < right <= 3 and 0.84 < found < 1.5,
        "no shares from 0 to 1": not (0 <= right <= 1 and 0 <= found <= 1),
        "exchanged": found > 0.8 and 0.28 < right < 0.5,
        "at chance": right < 0.15 and 0.05 < found < 0.18,
        "all weights": right > 0.8 and abs(found - 1 / 8) < 0.002,
        "told the answer": right > 0.993 and 0.1 < found < 0.5,
        "hardly trained": 0.15 < right < 0.8 and 0.18 < found < 0.45,
        "still told": right > 0.95 and 0.8 < found < 0.94,
        "another task": right > 0.95 and found > 0.96,
        "right": right > 0.8 and 0.28 < found < 0.5,
    }
    return next((words for words, holds in known.items() if holds), "two shares that none of our runs gave")


check_untold = Exercise(
    name="sort, untold",
    reference=lambda: "right",
    read=_measured,
    says="""
        percent: Give shares and not percent: 0.5 for one half.
        a sum: Your numbers are above 1, about what the three heads give together. Divide each by 3.
        one for each head: You give three numbers, one for each head. Write their mean.
        exchanged: Your two numbers seem to have changed places: "right" is the share of symbols that it gets right,
            "found" the weight on the cell that holds the answer.
        still told: As much of your weight is on the right cell as in section 3. Is the head still told the symbol
            before, in training and in the test? Both must be changed.
        told the answer: Every symbol is right, but less than half of the weight is on the answer's cell. Does the query
            know the answer? What stands in the second of the three tensors that your `task` returns?
        all weights: Your "found" is 1 / 8, the mean of all weights, whatever a head has learned. Take the weight on the
            cell of the answer alone: the second thing that `look_at` returns.
        hardly trained: Your head has learned too little, or something else than your test asks. Did you change `before`
            both in training and in the test, and train as long as in section 3?
        at chance: Your numbers are those of guesses: 1 symbol in 16, 1 cell in 8. Did you look at the heads that
            `head_for` returned, trained on the task of your test?
        another task: All of your weight is on the right cell, as for copy and reverse. Is the task still sort?
        right: It still gets most symbols right, but most of the weight is no longer where the answer stands: the
            last linear layer reads the answer out of a mixture. A blurred map is not a wrong answer.
        hint 1: What must change is the second of the three tensors that `task` returns, `before`. Where is it used:
            in training, in the test, or in both?
        hint 2: In a copy of the function: x, before, y = task("sort", n, seed); return x, torch.full_like(before, 16),
            y. Train three heads on that by `head_for`, and look at each by `look_at`, as in section 3.
    """,
)
