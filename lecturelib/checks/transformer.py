"""The exercises of notebook 04: a decoder's block, a patient with an unnamed bug, depth without residuals."""

import hashlib
import math
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F

from lecturelib.checks.exercise import Exercise, Named, Sized, normal, three_shares, untouched

Tensor = torch.Tensor

# ---- the block of a decoder ----


def _norm(scale: Tensor, shift: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: F.layer_norm(x, x.shape[-1:], scale, shift, eps=0.1)


def _looks(name: str, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Callable[..., Tensor]:
    """Attention of one head: of x at itself under a mask, or at a context."""

    def look(x: Tensor, y: Tensor, mask: Tensor | None = None) -> Tensor:
        scores = (x @ w_q) @ (y @ w_k).mT / math.sqrt(len(w_q))
        return (scores if mask is None else scores.masked_fill(~mask, -math.inf)).softmax(-1) @ (y @ w_v)

    def itself(x: Tensor, mask: Any = None) -> Tensor:
        if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.shape[-2:] != (x.shape[1],) * 2:
            found = f"{tuple(mask.shape)} of {mask.dtype}" if isinstance(mask, Tensor) else repr(mask)
            raise ValueError(
                f"self_attention(x, mask) was given the mask {found}: expected ({x.shape[1]}, {x.shape[1]}) of "
                "torch.bool, True = may look"
            )
        return look(x, x, mask)

    return itself if name == "self" else look


def _layers_probe(b: int, t: int, s: int, d: int, seed: int) -> tuple[Any, ...]:
    """Tokens, what was read, three norms, two attentions and a feed-forward network."""
    x, context, *weights = normal(seed, (b, t, d), (b, s, d), *[(d,)] * 6, *[(d, d)] * 7)
    norms = [Named(f"a layer, norm {k + 1}", _norm(1 + 0.2 * weights[k], 0.5 * weights[k + 3])) for k in range(3)]
    feed_forward = Named("a layer, feed-forward", lambda h: torch.tanh(h @ weights[12]) + 0.3 * h)
    itself = Named("a layer, self-attention", _looks("self", *weights[6:9]))
    across = Named("a layer, cross-attention", _looks("cross", *weights[9:12]))
    return x, context, norms, itself, across, feed_forward


def _block(
    x: Tensor, context: Tensor, norms: Any, self_attention: Any, cross_attention: Any, feed_forward: Any
) -> Tensor:
    mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
    layers = [lambda h: self_attention(h, mask), lambda h: cross_attention(h, context), feed_forward]
    for norm, layer in zip(norms, layers, strict=True):
        x = x + layer(norm(x))
    return x


def _in_part_or_all(step: str) -> tuple[str, ...]:
    """The step of the block replaced by another one in all parts, and in each alone."""
    one = [f"x + layer(norm(x)) => {step} if norm is norms[{k}] else x + layer(norm(x))" for k in range(3)]
    return f"x + layer(norm(x)) => {step}", *one


def _zipped(*places: Sequence[int]) -> tuple[str, ...]:
    """The norms, each with its layer, in other orders."""
    return tuple(f"zip(norms, layers, strict=True) => [(norms[k], layers[k]) for k in {each}]" for each in places)


def _other_norms(*places: Sequence[int]) -> tuple[str, ...]:
    return tuple(f"zip(norms, => zip([norms[k] for k in {each}]," for each in places)


def _sum_lost(k: int) -> str:
    """The addition of step k starts from the x before the last step."""
    return f"for norm, => old = x\n    for norm,; x = x + => old, x = x, (old if norm is norms[{k}] else x) +"


check_decoder_block = Exercise(
    name="a decoder's block",
    reference=_block,
    # T and S differ, and are equal once: some mistakes run only there
    probes=Sized(_layers_probe, [(2, 5, 3, 4, 1), (3, 2, 7, 3, 2), (2, 3, 3, 5, 3)]),
    view=partial(untouched, reference=_block, written="written in place"),
    imitations={
        "no residual connection": _in_part_or_all("layer(norm(x))"),
        "added to the normalized": _in_part_or_all("norm(x) + layer(norm(x))"),
        "norm after the sum": "x + layer(norm(x)) => norm(x + layer(x))",
        "norm of the layer's output": "layer(norm(x)) => norm(layer(x))",
        "no norm": _in_part_or_all("x + layer(x)"),
        "one norm for all": _other_norms((0, 0, 0)),
        "one norm twice": _other_norms((0, 0, 2), (0, 0, 1), (0, 1, 1)),
        "norms in another order": _other_norms((2, 1, 0), (0, 2, 1), (1, 0, 2)),
        "no mask": "tril() => fill_(True)",
        "mask turned": "tril() => triu()",
        "mask turned, itself hidden": "tril() => triu(1)",
        "a token hidden from itself": "tril() => tril(-1)",
        "the context is not used": "(h, context) => (h, h)",
        "queries from the context": (
            "(h, context) => (context, h)",
            "layer(norm(x)) => (cross_attention(norm(context), x) if norm is norms[1] else layer(norm(x)))",
        ),
        "a sum is lost": (_sum_lost(1), _sum_lost(2)),
        "context normalized": "(h, context) => (h, norms[1](context))",
        "another order": _zipped((1, 0, 2), (0, 2, 1), (2, 0, 1), (1, 2, 0), (2, 1, 0)),
        "side by side": "for norm, => start = x\n    for norm,; norm(x) => norm(start)",
        "a part left out": _zipped((0, 1), (0, 2), (1, 2)),
        "the attentions exchanged": (
            "self_attention(h, mask) => cross_attention(h, h, mask); "
            "cross_attention(h, context) => self_attention(h, mask)"
        ),
    },
)

# ---- the blind patient ----

# which of the notebook's tests fail for which bug, before any training
FAILS = {
    "no mask": {"past_ignores_future", "maps_follow_the_formula"},
    "soft mask": {"past_ignores_future", "maps_follow_the_formula"},
    "heads not moved back": {"past_ignores_future"},
    "norm over time": {"past_ignores_future", "only_attention_mixes"},
    "positions never added": {"tells_positions_apart"},
    "wrong scale": {"maps_follow_the_formula"},
}
_TESTS = ("past_ignores_future", "only_attention_mixes", "tells_positions_apart", "maps_follow_the_formula")
_HEALTHY = ("none", "no bug", "nothing", "the correct model", "correct model", "the right model", "right model")


def case_number(student: str) -> int:
    """Return the number of a student's patient: the same for the same name, whatever its case and spaces.

    >>> case_number("Ada Lovelace") == case_number(" ada  lovelace")
    True
    """
    plain = " ".join(student.lower().split())
    return int.from_bytes(hashlib.sha256(plain.encode()).digest()[:4], "big")


def _diagnosis(answer: Any) -> str:
    """What is the matter with a diagnosis [student, bug]."""
    student, bug = answer if isinstance(answer, tuple | list) and len(answer) == 2 else (None, answer)
    said = list(bug) if isinstance(bug, tuple | list | set) else [bug]
    if not isinstance(student, str) or not all(isinstance(each, str) for each in said):
        return f"no pair of your name and a bug's name, but {answer!r}"
    plain = _plain(" and ".join(said))
    named = [each for each in FAILS if each in plain]
    if len(named) > 1:
        return "more than one bug"
    if any(test in plain.replace(" ", "_") for test in _TESTS):
        return "a test, not a bug"
    if plain in _HEALTHY:
        return "no bug"
    if not named and _plain(student) in FAILS:
        return "exchanged"
    if plain not in FAILS:
        raise ValueError(f"the bug {bug!r} is not in the list: expected one of {', '.join(FAILS)}")
    if _plain(student) == "your name":
        raise ValueError('write your own name in place of "your name", the same in both cells, and run both again')
    has = list(FAILS)[case_number(student) % len(FAILS)]
    if plain == has:
        return "right"
    against = (test for test in _TESTS if (test in FAILS[has]) != (test in FAILS[plain]))
    return next(against, "the tests cannot tell")


def _plain(name: str) -> str:
    return " ".join(re.sub(r"[\s_-]+", " ", name).lower().split())


check_patient = Exercise(name="the blind patient", read=_diagnosis)

# ---- how deep without residual connections? ----


def _depths(shares: list[float]) -> str:
    """What the medians at depth 1, 2 and 3 say: shares of right answers."""
    one, two, three = (each > 0.8 for each in shares)
    if all(0.07 < each < 0.18 for each in shares):
        return "at chance"
    if not one:
        return "another depth works" if two or three else "nothing works"
    if two or three:
        return "whole blocks" if two and three else "two blocks work" if two else "three blocks work"
    if shares[1] == shares[2]:
        return "the same twice"
    return "one seed" if max(shares[1:]) > 0.4 else "right"


check_depths = Exercise(
    name="depth without residual connections",
    read=lambda answer: three_shares(answer, "at depth 1, 2 and 3", _depths),
)
