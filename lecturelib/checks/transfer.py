"""The exercises of notebook 07: a start from a masked autoencoder, a stranger's experiment, letters like digits."""

import copy
from functools import partial
from typing import Any

import torch

from lecturelib.checks.exercise import Exercise, Sized, named_lines, normal, untouched

Tensor = torch.Tensor
Weights = dict[str, Tensor]

# ---- start from a part of a masked autoencoder ----


def _start(mae: Weights, target: Weights) -> Weights:
    new = {}
    for key, own in target.items():
        found = None if key.startswith("head.") else mae.get("encoder." + key)
        new[key] = (own if found is None else found).clone()
    return new


def _prefix_kept(mae: Weights, target: Weights) -> Weights:
    return copy.deepcopy(target | {key: each for key, each in mae.items() if key.startswith("encoder.")})


def _decoder_too(mae: Weights, target: Weights) -> Weights:
    head = {key: each for key, each in target.items() if key.startswith("head.")}
    return copy.deepcopy({key.removeprefix("encoder."): each for key, each in mae.items()} | head)


def _states(classes: int, d: int, kind: int) -> tuple[Weights, Weights]:
    """The state dicts of a masked autoencoder, whose encoder has a head in kind 2, and of a network with a head."""
    names = {"patch_embed.weight": (d,), "norm.weight": (d,)}
    head = {"head.weight": (classes, d), "head.bias": (classes,)}
    inside = {"encoder." + name: shape for name, shape in (names | (head if kind == 2 else {})).items()}
    mae = {"mask_token": (d,), **inside, "decoder_norm.weight": (d,)}
    target = names | head
    drawn = normal(kind, *mae.values(), *target.values())
    return dict(zip(mae, drawn, strict=False)), dict(zip(target, drawn[len(mae) :], strict=True))


check_start = Exercise(
    name="start from a part",
    reference=_start,
    probes=Sized(_states, [(5, 3, 1), (2, 5, 2)]),
    view=partial(untouched, reference=_start, written="written in place", shared="shared memory"),
    imitations={
        "names do not match": '"encoder." + key => key',
        "prefix kept": _prefix_kept,
        "decoder too": _decoder_too,
        "by the ending": 'mae.get("encoder." + key) => [each for name, each in mae.items() if name.endswith(key)][-1]',
        "head missing": "new[key] = => if found is not None: new[key] =",
        "head copied too": 'None if key.startswith("head.") else mae => mae',
    },
)

# ---- somebody's experiment ----

check_experiment = Exercise(
    name="somebody's experiment",
    read=lambda answer: named_lines(answer, "ABCDEFGH", bad="AD", example="BC"),
)

# ---- letters like digits ----


def _read_leads(answer: Any) -> str:
    """What two leads over pixels, for letters unlike digits and like them, say."""
    try:
        unlike, like = (float(each) for each in answer)
    except (TypeError, ValueError):
        return "one number" if isinstance(answer, int | float) else f"no list of two numbers, but {answer!r}"
    if max(abs(unlike), abs(like)) > 1:
        return "points"
    if unlike == like:
        return "the same twice"
    if like - unlike > 0.05:
        return "right" if like > 0.03 else "no lead"
    return "exchanged" if unlike - like > 0.05 else "alike"


check_leads = Exercise(name="letters like digits", read=_read_leads)
