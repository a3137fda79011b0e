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


def _read(answer: Any) -> str:
    """The first mistake in the three entries of an answer, or that each is right."""
    if not isinstance(answer, Mapping) or not _ENTRIES.keys() <= answer.keys():
        return "no dictionary with the entries 'task', 'written' and 'N hidden'"
    for name, known in _ENTRIES.items():
        plain = re.sub(r"[^A-Za-z-]", "", re.sub("[_?.]", "-", str(answer[name])))
        judged = known.get(plain.lower() if name == "task" else plain.upper(), _ELSE[name])
        if judged != "right":
            return judged
    return "right"


check_reading = Exercise(name="read a map", read=_read)

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


check_untold = Exercise(name="sort, untold", read=_measured)
