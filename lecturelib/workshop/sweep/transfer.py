"""The sweep of notebook 07: every source and every arm, 1 to 100 labels for each class, ten seeds.

arms      what is measured, by name
run       measure what the table lacks, and write it down arm by arm
table     read what was measured
"""

from __future__ import annotations

import copy
import csv
import functools
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from lecturelib.data.digits import digits
from lecturelib.label_efficiency import Arm, Pixels, Probe, Tune, label_efficiency
from lecturelib.pretrained.load import load
from lecturelib.training import progress
from lecturelib.transfer import Examples
from lecturelib.vision import VisionTransformer

FEW, MANY = (1, 2, 5, 10, 20), (50, 100)  # labels for each class
SEEDS = tuple(range(10))
HOW = {"steps": 400, "batch_size": 20, "lr": 3e-3}
HOW_MANY = {**HOW, "steps": 1200}  # 400 steps see each of 1,000 examples only eight times
SOURCES = {
    "print": "print_digits",
    "letters": "print_letters",
    "handwriting, masked": "handwriting_masked",
    "photos, masked": "photos_masked",
    "ink": "print_ink",
    "random labels": "print_random",
}
FILE = Path(__file__).with_name("transfer.csv")
COLUMNS = ("arm", "labels", "seed", "accuracy")


def network(seed: int, num_classes: int = 10) -> VisionTransformer:
    """Return the vision transformer of notebook 05 with random weights, by the seed.

    The sources were built with seed 0. These seeds lie elsewhere: a head that print had begun with is not a fresh one.
    """
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(5_000 + seed)
        return VisionTransformer(
            (1, 8, 8), patch_size=2, d_model=32, num_heads=4, num_layers=2, num_classes=num_classes
        )


@functools.cache
def source(name: str) -> VisionTransformer:
    """Return the network that learned from a source, a masked autoencoder's encoder among them.

    Raises: ValueError for an unknown source.
    """
    if name not in SOURCES:
        raise ValueError(f"source {name!r} is unknown: expected one of {', '.join(SOURCES)}")
    loaded = load(SOURCES[name])
    found = getattr(loaded, "encoder", loaded)
    assert isinstance(found, VisionTransformer)
    return found


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
    pool, test = (tuple(torch.from_numpy(each) for each in part) for part in digits(seed=0))
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
    return found | {
        "MAE of notebook 06, probe": lambda: Probe(_mae_of_notebook_06()),
        "print, head kept": lambda: Tune(network, source("print"), keep_head=True, how=how),
        "conflicting, head kept": lambda: Tune(network, conflicting(source("print")), keep_head=True, how=how),
        "print, last block": lambda: Tune(network, source("print"), how={**how, "last": 1}),
        "print, layer-wise": lambda: Tune(network, source("print"), how={**how, "layer_decay": 0.5}),
        "print, low rank": lambda: Tune(network, source("print"), rank=2, how=how),
    }


def _mae_of_notebook_06() -> VisionTransformer:
    encoder = load("digits_mae").encoder
    assert isinstance(encoder, VisionTransformer)
    return encoder


class Measured(NamedTuple):
    """What the table holds. Shapes: accuracy[arm] (seeds, labels)."""

    labels: list[int]
    accuracy: dict[str, torch.Tensor]
    about: dict[str, Any]


def run(
    file: Path = FILE,
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
    pool, test = target()
    parts = [(few, {**HOW, **(changes or {})}), (many, {**HOW_MANY, **(changes or {})})]
    names = list(arms(HOW)) if only is None else list(only)
    unknown = sorted(set(names) - set(arms(HOW)))
    if unknown:
        raise ValueError(f"arms {unknown} are unknown: expected some of {', '.join(arms(HOW))}")
    rows, about = _read(file) if file.exists() else ([], _about(parts, seeds))
    if {k: v for k, v in about.items() if k == "settings"} != {"settings": _about(parts, seeds)["settings"]}:
        raise ValueError(
            f"{file.name} was made with {about['settings']}: expected the settings of now, "
            f"{_about(parts, seeds)['settings']}; move the file away to start anew"
        )
    there = {(row["arm"], row["labels"]) for row in rows}
    todo = [
        (name, k)
        for name in names
        for k, (labels, _) in enumerate(parts)
        if not all((name, str(n)) in there for n in labels)
    ]
    for name, k in progress(todo, "the sweep"):
        labels, how = parts[k]
        began = time.process_time()
        found = label_efficiency({name: arms(how)[name]()}, pool, test, labels=labels, seeds=seeds)[name]
        about["cpu_seconds"][f"{name}, {labels[0]} to {labels[-1]} labels"] = round(time.process_time() - began, 1)
        rows += [
            {"arm": name, "labels": str(each), "seed": str(seed), "accuracy": f"{found[s, n]:.4f}"}
            for s, seed in enumerate(seeds)
            for n, each in enumerate(labels)
        ]
        _write(file, rows, about)


def table(file: Path = FILE) -> Measured:
    """Read the table.

    Raises: ValueError for a table that is not there, is damaged or not finished.
    """
    if not file.exists():
        raise ValueError(f"{file.name} is not there: make it with `python -m lecturelib sweep`")
    rows, about = _read(file)
    labels = sorted({int(row["labels"]) for row in rows})
    seeds = sorted({int(row["seed"]) for row in rows})
    found: dict[str, torch.Tensor] = {}
    for row in rows:
        accuracy = found.setdefault(row["arm"], torch.full((len(seeds), len(labels)), torch.nan))
        accuracy[seeds.index(int(row["seed"])), labels.index(int(row["labels"]))] = float(row["accuracy"])
    unfinished = [name for name, accuracy in found.items() if accuracy.isnan().any()]
    if unfinished or not found:
        raise ValueError(f"{file.name} lacks values of {unfinished}: finish it with `python -m lecturelib sweep`")
    return Measured(labels, found, about)


def _about(parts: Sequence[tuple[Sequence[int], Mapping[str, Any]]], seeds: Sequence[int]) -> dict[str, Any]:
    return {
        "settings": {"seeds": list(seeds), "labels": [{"labels": list(n), **how} for n, how in parts]},
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "hardware": f"{platform.machine()}, CPU, {torch.get_num_threads()} thread(s)",
        "cpu_seconds": {},
    }


def _read(file: Path) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """Return the rows and what stands about them in the JSON file beside the table."""
    try:
        with file.open(newline="", encoding="utf-8") as opened:
            reader = csv.DictReader(opened)
            rows = list(reader)
            if tuple(reader.fieldnames or ()) != COLUMNS or any(float(row["accuracy"]) > 1 for row in rows):
                raise ValueError(f"its columns are {reader.fieldnames}")
        about: dict[str, Any] = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        about["settings"], about["cpu_seconds"]
    except (OSError, ValueError, TypeError, KeyError) as problem:
        raise ValueError(
            f"{file.name} or the .json beside it is damaged ({problem}): expected both as `python -m lecturelib sweep` "
            "wrote them; remove both to start anew"
        ) from None
    return rows, about


def _write(file: Path, rows: list[dict[str, str]], about: dict[str, Any]) -> None:
    """Write both files whole, then rename them."""
    halves = [file.with_name(file.name + ".part"), file.with_suffix(".json.part")]
    try:
        with halves[0].open("w", newline="", encoding="utf-8") as opened:
            writer = csv.DictWriter(opened, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        halves[1].write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        os.replace(halves[1], file.with_suffix(".json"))
        os.replace(halves[0], file)
    finally:
        for half in halves:
            half.unlink(missing_ok=True)
