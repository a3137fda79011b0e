"""The sweep of notebook 07: ways to name handwritten digits, with 1 to 100 labels for each class and twenty seeds.

arms        what is measured, by name
validated   how good an arm is with a learning rate, on validation digits: RATES were chosen so
run         measure what the table lacks, and write it down part by part
"""

import csv
import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from lecturelib.data import sweeps
from lecturelib.data.digits import digits, moved
from lecturelib.data.sweeps import TRANSFER, TRANSFER_COLUMNS
from lecturelib.label_efficiency import Arm, MovedCopies, Pixels, Probe, Tune, label_efficiency
from lecturelib.pretrained.load import load, source
from lecturelib.pretrained.models import large_vit, network
from lecturelib.training import progress
from lecturelib.transfer import Examples, features
from lecturelib.vision import VisionTransformer
from lecturelib.workshop.whole import replace

LABELS = (1, 5, 20, 100)  # for each class
SEEDS = tuple(range(20))
HOW = {"steps": 200, "batch_size": 16}
# The best of three by `validated`: of 0.001, 0.003, 0.01; for the larger network of 0.0003, 0.001, 0.003. Three are at
# an edge. Beyond it "MAE, probe first" is no better (0.954 at 0.0001, 0.956 here), "MAE, fine-tuned" is far worse at
# 0.01, and 0.02 for "random labels" may be better: by 0.016, with a standard error of 0.012 over twelve seeds; 0.03 is
# worse.
RATES = {
    "from scratch": 3e-3,
    "print, fine-tuned": 3e-3,
    "print, head kept": 3e-3,
    "ink, fine-tuned": 3e-3,
    "random labels, fine-tuned": 1e-2,
    "MAE, fine-tuned": 3e-3,
    "MAE, probe first": 3e-4,
}
# The best of 2 x 2 x 2 x 2 on validation digits, for both: no copies or 20, 7 or 10 neighbors, alpha 0.2 or 0.9, and in
# the end the nearest image or a support vector machine.
WITH_COPIES: Mapping[str, Any] = {"copies": 20, "neighbors": 10, "alpha": 0.9}
AT_ONCE = 10  # seeds in one stack


def target() -> tuple[Examples, Examples]:
    """Return the handwritten digits to draw labeled ones from, and the test digits, which no checkpoint has seen."""
    pool, test = (tuple(map(torch.from_numpy, part)) for part in digits(split="checkpoint"))
    return pool, test  # type: ignore[return-value]


def large(seed: int) -> VisionTransformer:
    """Return a network of the build of the masked autoencoder's encoder, with random weights and a head."""
    return network(seed, build=large_vit)


@dataclass(frozen=True)
class Spreading:
    """Label spreading: it may look at images without labels, as the masked autoencoder did.

    Labels spread from neighbor to neighbor (Zhou and others 2003), on the pixels or on the features of an `encoder`,
    and a test image takes that of the nearest image. With `copies`, moved copies of the labeled images are labeled too,
    and a support vector machine learns all labels in the end. `neighbors` and `alpha` are those of scikit-learn's.
    """

    images: torch.Tensor
    encoder: VisionTransformer | None = None
    copies: int = 0
    neighbors: int = 7
    alpha: float = 0.2

    def accuracies(self, sets: Sequence[Examples], test: Examples, seeds: Sequence[int]) -> list[float]:
        """Spread the labels of each set alone; the seeds move the copies."""
        from sklearn.neighbors import KNeighborsClassifier
        from sklearn.preprocessing import StandardScaler
        from sklearn.semi_supervised import LabelSpreading
        from sklearn.svm import SVC

        found = []
        for (images, labels), seed in zip(sets, seeds, strict=True):
            generator = torch.Generator().manual_seed(seed)
            copies = [moved(images, generator) for _ in range(self.copies)]
            known, asked = torch.cat([images, *copies, self.images]), test[0]
            if self.encoder is None:
                x, new = known.flatten(1).numpy(), asked.flatten(1).numpy()
            else:
                scaler = StandardScaler().fit(inside := features(self.encoder, known).numpy())
                x, new = scaler.transform(inside), scaler.transform(features(self.encoder, asked).numpy())
            some = torch.cat([labels.repeat(1 + self.copies), torch.full((len(self.images),), -1)]).numpy()  # -1: none
            spread = LabelSpreading(kernel="knn", n_neighbors=self.neighbors, alpha=self.alpha, max_iter=200)
            last = SVC(C=1) if self.copies else KNeighborsClassifier(1)
            last.fit(x, spread.fit(x, some).transduction_)
            found.append(float(last.score(new, test[1].numpy())))
        return found


def arms(rates: Mapping[str, float] = RATES, pool: Examples | None = None) -> dict[str, Callable[[], Arm]]:
    """Return by name how to make each arm; weights are read only then."""

    def tune(
        name: str,
        build: Callable[[int], VisionTransformer],
        start: Callable[[], VisionTransformer] | None = None,
        **how: Any,
    ) -> Callable[[], Arm]:
        training = {**HOW, **how, "lr": rates[name]}
        first, kept = name.endswith("probe first"), name.endswith("head kept")
        return lambda: Tune(build, start() if start else None, keep_head=kept, probe_first=first, how=training)

    def spread(encoder: VisionTransformer | None = None, **how: Any) -> Arm:
        return Spreading((pool or target()[0])[0], encoder, **how)

    def mae() -> VisionTransformer:
        return load("digits_mae").encoder  # type: ignore[return-value]

    def nearest_copy() -> Arm:
        from sklearn.neighbors import KNeighborsClassifier

        return MovedCopies(moved, KNeighborsClassifier(1))  # at one label better than a support vector machine

    found: dict[str, Callable[[], Arm]] = {
        "pixels": Pixels,
        "pixels, moved copies": nearest_copy,
        "pixels, label spreading": spread,
        "pixels, spreading with copies": lambda: spread(**WITH_COPIES),
        "MAE, spreading with copies": lambda: spread(mae(), **WITH_COPIES),
        "MAE, probe": lambda: Probe(mae()),
        "from scratch": tune("from scratch", network),
    }
    for name in ("print", "ink", "random labels"):
        found[f"{name}, probe"] = lambda name=name: Probe(source(name))  # type: ignore[misc]
        found[f"{name}, fine-tuned"] = tune(f"{name}, fine-tuned", network, partial(source, name))
    found["print, head kept"] = tune("print, head kept", network, partial(source, "print"))  # it names digits already
    for name in ("MAE, fine-tuned", "MAE, probe first"):
        found[name] = tune(name, large, mae, steps=100)
    return found


def validated(name: str, lr: float) -> float:
    """Return the mean accuracy of an arm on 197 validation digits, which are taken from those to learn from."""
    images, labels_of = target()[0]
    pool, valid = ((images[part], labels_of[part]) for part in (slice(1100), slice(1100, None)))
    arm = arms({**RATES, name: lr}, pool)[name]()
    return label_efficiency({name: arm}, pool, valid, labels=(5, 20), seeds=(100, 101, 102))[name].mean().item()


def run(
    file: Path = TRANSFER,
    makers: Mapping[str, Callable[[], Arm]] | None = None,
    labels: Sequence[int] = LABELS,
    seeds: Sequence[int] = SEEDS,
) -> None:
    """Measure what the table lacks, some seeds of an arm at a time: an interrupted run goes on where it was.

    Raises: ValueError for a table that was made with other settings.
    """
    makers = makers or arms()
    rows: list[dict[str, Any]] = []
    about: dict[str, Any] = {
        "settings": settings(labels, seeds),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "hardware": f"{platform.machine()}, CPU, {torch.get_num_threads()} thread(s)",
        "cpu_seconds": {},
    }
    if file.exists():
        rows, about = sweeps.rows(file), sweeps.about(file)
    if about["settings"] != settings(labels, seeds):
        raise ValueError(
            f"{file.name} was made with {about['settings']}: expected the settings of now, {settings(labels, seeds)}; "
            "move the file away to start anew"
        )
    pool, test = target()
    there = {(row["arm"], row["seed"]) for row in rows}
    blocks = [seeds[k : k + AT_ONCE] for k in range(0, len(seeds), AT_ONCE)]
    todo = [(name, block) for name in makers for block in blocks if not {(name, seed) for seed in block} <= there]
    for name, block in progress(todo, "the sweep"):
        began = time.process_time()
        found = label_efficiency({name: makers[name]()}, pool, test, labels=labels, seeds=block)[name]
        spent = about["cpu_seconds"].get(name, 0) + time.process_time() - began
        about["cpu_seconds"][name] = round(spent, 1)
        rows += [
            {"arm": name, "labels": each, "seed": seed, "accuracy": round(found[s, n].item(), 4)}
            for s, seed in enumerate(block)
            for n, each in enumerate(labels)
        ]
        _write(file, rows, about)


def settings(labels: Sequence[int] = LABELS, seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """Return what a table was measured with."""
    return {"seeds": list(seeds), "labels": list(labels), **HOW, "lr": RATES}


def _write(file: Path, rows: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> None:
    """Write the rows into a CSV file, and what is said of them into the .json beside it."""

    def write_rows(path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8") as opened:
            writer = csv.DictWriter(opened, list(TRANSFER_COLUMNS), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    text = json.dumps(about, indent=2) + "\n"
    replace({file.with_suffix(".json"): lambda path: path.write_text(text, encoding="utf-8"), file: write_rows})
