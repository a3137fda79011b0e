"""Answers to the exercises of notebook 07, written apart from the catalogues of the checks."""

import copy
from typing import Any

import torch

Tensor = torch.Tensor
Weights = dict[str, Tensor]
RIGHT: dict[str, list[Any]] = {}
WRONG: dict[str, dict[str, list[Any]]] = {}
# What a student would have to write, in pieces; no verdict may hold one of them. (The second hint may.)
SOLUTIONS = {
    "start from a part": ["startswith", "clone(", "deepcopy", "| ", "update(", ".items(", "removeprefix"],
    "somebody's experiment": ["AD", "D, A", "seed=seed", "mae.encoder.state_dict"],
    "letters like digits": ["[0.", "0.02"],
}

# ---- start from a part of a masked autoencoder ----


def of_the_encoder(mae: Weights) -> Weights:
    """The encoder's weights under their own names, without a head."""
    inside = {key[8:]: value for key, value in mae.items() if key[:8] == "encoder."}
    return {key: value for key, value in inside.items() if key.split(".")[0] != "head"}


def start_from_target(mae: Weights, target: Weights) -> Weights:
    new = copy.deepcopy(target)
    for key, value in of_the_encoder(mae).items():
        new[key] = value.clone()
    return new


def start_key_by_key(mae: Weights, target: Weights) -> Weights:
    new = {}
    for key in target:
        kept = key.startswith("head.") or "encoder." + key not in mae
        new[key] = torch.clone(target[key] if kept else mae["encoder." + key])
    return new


def overwrite_and_say_nothing(mae: Weights, target: Weights) -> None:
    for key, value in of_the_encoder(mae).items():
        target[key].copy_(value)


def overwrite_the_target(mae: Weights, target: Weights) -> Weights:
    overwrite_and_say_nothing(mae, target)
    return target


RIGHT["start from a part"] = [
    start_from_target,
    start_key_by_key,
    lambda mae, target: copy.deepcopy(target | of_the_encoder(mae)),
]
WRONG["start from a part"] = {
    "names do not match": [lambda mae, target: copy.deepcopy(target | {k: v for k, v in mae.items() if k in target})],
    "prefix kept": [
        lambda mae, target: copy.deepcopy(target | {k: v for k, v in mae.items() if k[:8] == "encoder."}),
    ],
    "head missing": [lambda mae, target: copy.deepcopy(of_the_encoder(mae))],
    "head copied too": [
        lambda mae, target: copy.deepcopy(target | {k[8:]: v for k, v in mae.items() if k[:8] == "encoder."})
    ],
    "written in place": [overwrite_the_target],
    "shared memory": [lambda mae, target: target | of_the_encoder(mae)],
    "other": [
        lambda mae, target: list(start_from_target(mae, target).items()),
        lambda mae, target: start_from_target(mae, target) | {"norm.weight": target["norm.weight"].clone()},
    ],
}

# ---- the other two: a few letters, and two numbers ----

RIGHT["somebody's experiment"] = ["AD", "d, a", ["A", "D"]]
WRONG["somebody's experiment"] = {
    "line F": ["FA", {"F"}],
    "A alone": [["a"]],
    "D alone": ["D "],
    "none": [[]],
    "other": [17],
    "error": ["XY"],
    "not solved yet": [...],
}
RIGHT["letters like digits"] = [[0.03, 0.17], (-0.01, 0.15), torch.tensor([0.02, 0.2])]
WRONG["letters like digits"] = {
    "exchanged": [[0.18, 0.03]],
    "points": [(3.1, 16.0)],
    "alike": [[0.05, 0.06]],
    "other": ["both", [1, 2, 3]],
    "not solved yet": [[..., ...]],
}
