"""The sweep of notebook 07: every source and every arm, 1 to 100 labels for each class, ten seeds.

arms   what is measured, by name
run    measure what the table lacks, and write it down arm by arm
"""

from __future__ import annotations

import copy
import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from lecturelib.data import sweeps
from lecturelib.data.digits import digits
from lecturelib.data.sweeps import TRANSFER, TRANSFER_COLUMNS
from lecturelib.label_efficiency import Arm, Pixels, Probe, Tune, label_efficiency
from lecturelib.pretrained.load import SOURCES, load, source
from lecturelib.pretrained.models import network
from lecturelib.training import progress
from lecturelib.transfer import Examples
from lecturelib.vision import VisionTransformer
from lecturelib.workshop.sweep.tables import write

FEW, MANY = (1, 2, 5, 10, 20), (50, 100)  # labels for each class
SEEDS = tuple(range(10))
HOW = {"steps": 400, "batch_size": 20, "lr": 3e-3}
HOW_MANY = {**HOW, "steps": 1200}  # 400 steps see each of 1,000 examples only eight times


def conflicting(model: VisionTransformer) -> VisionTransformer:
    """Return a copy that calls each class by the name of the next: a head that is confident, and wrong.

    It is what training on print with its labels exchanged in this way would give, step by step.
    """
    changed = copy.deepcopy(model)
    head = {key: value.roll(1, dims=0) for key, value in model.head.state_dict().items()}
    changed.head.load_state_dict(head)
    return changed


def target() -> tuple[Examples, Examples]:
    """Return the handwritten digits of the target task: the pool, and the test."""
    pool, test = (tuple(map(torch.from_numpy, part)) for part in digits(seed=0))
    return pool, test  # type: ignore[return-value]


def arms(how: Mapping[str, Any]) -> dict[str, Callable[[], Arm]]:
    """Return by name how to make each arm; weights are read only then."""
    found: dict[str, Callable[[], Arm]] = {
        "pixels": Pixels,
        "untrained, probe": lambda: Probe(network),
        "from scratch": lambda: Tune(network, how=how),
    }
    for name in SOURCES:
        found[f"{name}, fine-tuned"] = lambda name=name: Tune(network, source(name), how=how)  # type: ignore[misc]
        found[f"{name}, probe"] = lambda name=name: Probe(source(name))  # type: ignore[misc]
    more: dict[str, Callable[[], Arm]] = {
        "MAE of notebook 06, probe": lambda: Probe(load("digits_mae").encoder),  # type: ignore[arg-type]
        "print, head kept": lambda: Tune(network, source("print"), keep_head=True, how=how),
        "conflicting, head kept": lambda: Tune(network, conflicting(source("print")), keep_head=True, how=how),
        "print, last block": lambda: Tune(network, source("print"), how={**how, "last": 1}),
        "print, layer-wise": lambda: Tune(network, source("print"), how={**how, "layer_decay": 0.5}),
        "print, low rank": lambda: Tune(network, source("print"), rank=2, how=how),
    }
    return found | more


def run(
    file: Path = TRANSFER,
    *,
    few: Sequence[int] = FEW,
    many: Sequence[int] = MANY,
    seeds: Sequence[int] = SEEDS,
    changes: Mapping[str, Any] | None = None,
    only: Sequence[str] | None = None,
) -> None:
    """Measure what the table lacks, and add it arm by arm: an interrupted run goes on where it was.

    `changes` replace settings of the training (steps=5 for a trial), `only` names some of the arms.
    Raises: ValueError for an arm that does not exist, and a table that was made with other settings.
    """
    parts = [(few, {**HOW, **(changes or {})}), (many, {**HOW_MANY, **(changes or {})})]
    names = list(arms(HOW)) if only is None else list(only)
    if unknown := sorted(set(names) - set(arms(HOW))):
        raise ValueError(f"arms {unknown} are unknown: expected some of {', '.join(arms(HOW))}")
    rows, about, now = [], _about(parts, seeds), _about(parts, seeds)["settings"]
    if file.exists():
        rows, about = sweeps.rows(file, TRANSFER_COLUMNS), sweeps.about(file)
    if about["settings"] != now:
        raise ValueError(
            f"{file.name} was made with {about['settings']}: expected the settings of now, {now}; move the file away "
            "to start anew"
        )
    pool, test = target()
    there = {(row["arm"], row["labels"]) for row in rows}
    todo = [(name, k) for name in names for k, part in enumerate(parts) if not {(name, n) for n in part[0]} <= there]
    for name, k in progress(todo, "the sweep"):
        labels, how = parts[k]
        began = time.process_time()
        found = label_efficiency({name: arms(how)[name]()}, pool, test, labels=labels, seeds=seeds)[name]
        about["cpu_seconds"][f"{name}, {labels[0]} to {labels[-1]} labels"] = round(time.process_time() - began, 1)
        rows += [
            {"arm": name, "labels": each, "seed": seed, "accuracy": round(found[s, n].item(), 4)}
            for s, seed in enumerate(seeds)
            for n, each in enumerate(labels)
        ]
        write(file, list(TRANSFER_COLUMNS), rows, json.dumps(about, indent=2) + "\n")


def _about(parts: Sequence[tuple[Sequence[int], Mapping[str, Any]]], seeds: Sequence[int]) -> dict[str, Any]:
    return {
        "settings": {"seeds": list(seeds), "labels": [{"labels": list(n), **how} for n, how in parts]},
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "hardware": f"{platform.machine()}, CPU, {torch.get_num_threads()} thread(s)",
        "cpu_seconds": {},
    }
