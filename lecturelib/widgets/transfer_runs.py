"""The transfer lab without its view: which runs can be chosen, how one is trained, and what is kept of it."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from lecturelib.edges import check_whole
from lecturelib.figures.parts import interval
from lecturelib.fine_tuning import Classifiers, fine_tune
from lecturelib.label_efficiency import Pixels, Probe, Tune, check_apart
from lecturelib.mae import MaskedAutoencoder
from lecturelib.transfer import Examples, check_examples, copy_encoder, draw_labelled
from lecturelib.vision import VisionTransformer, check_shape

NONE = "none (from scratch)"
TUNE, KEEP, LAST, PROBE = "fine-tune", "fine-tune, head kept", "last block only", "linear probe"
ARMS = {  # what they are called in a list
    TUNE: "train the whole network",
    KEEP: "train the whole network, head kept",
    LAST: "train the last block only",
    PROBE: "linear probe (no steps)",
}


class Stopped(Exception):
    """A training that was asked to end."""


@dataclass
class Run:
    """A run and its curve: `points` are steps, each with the accuracies of the seeds.

    `each` is the number of labels for each class, `total` the number of its steps, 0 for a probe. `status` is
    "running", "finished", "stopped" or "failed", and `message` says why it failed.
    """

    number: int
    source: str
    arm: str
    each: int
    total: int
    status: str = "running"
    message: str = ""
    points: list[tuple[int, list[float]]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The source and the arm, in words."""
        if self.source == NONE:
            return "from scratch" if self.arm == TUNE else f"untrained, {self.arm}"
        return f"{self.source}, " + {TUNE: "fine-tuned", KEEP: "head kept"}.get(self.arm, self.arm)

    def at(self, step: int) -> torch.Tensor:
        """Return the accuracies (seeds,) when last measured up to a step; a probe has the same at all."""
        return torch.tensor([found for reached, found in self.points if reached <= step][-1])

    def above(self, other: Run) -> dict[str, float] | None:
        """How far this run lies above another, at the last step that both have reached; None without points."""
        if not self.points or not other.points:
            return None
        step = min([run.points[-1][0] for run in (self, other) if run.total], default=0)
        return {"step": step, **_spread(self.at(step) - other.at(step))}

    def described(self, now: Run) -> dict[str, Any]:
        """Return all of it as a page reads it, and how far the run of now lies above it."""
        points = list(self.points)
        last = _spread(torch.tensor(points[-1][1])) if points else {"mean": None, "half": None}
        above = None if now is self else now.above(self)
        return {**vars(self), "points": points, "name": self.name, "above": above, **last}


def _spread(values: torch.Tensor) -> dict[str, float]:
    """The mean over seeds, and half of its 95 % interval."""
    mean, half = interval(values.numpy(), "a run")
    return {"mean": mean.item(), "half": half.item()}


class Experiment:
    """Sources, examples and numbers of steps: trains what is chosen of them.

    The networks and their first weights are made here, once; afterwards no generator of the process is touched, so
    that a choice always gives the same curve, and nothing that runs beside it changes.
    """

    def __init__(
        self,
        sources: Mapping[str, VisionTransformer | MaskedAutoencoder],
        pool: Examples,
        test: Examples,
        *,
        labels: Sequence[int] = (1, 2, 5, 10, 20),
        seeds: Sequence[int] = (0, 1, 2),
        steps: int = 200,
        batch_size: int = 20,
        lr: float = 3e-3,
        every: int = 5,
    ) -> None:
        encoders = _encoders(sources)
        first = next(iter(encoders.values()))
        check_examples(pool)
        self.num_classes = int(pool[1].max()) + 1
        check_examples(test, self.num_classes)
        for images in (pool[0], test[0]):
            check_shape(images, first.image_size)
        check_apart(pool[0], test[0])
        if not labels or len(set(seeds)) < max(2, len(seeds)):
            raise ValueError(f"labels={labels!r}, seeds={seeds!r}: expected one number or more, and two seeds or more")
        check_whole(steps=steps, batch_size=batch_size, every=every)
        self.test, self.seeds, self.steps, self.every = test, tuple(seeds), steps, every
        self._how: dict[str, Any] = {"batch_size": batch_size, "lr": lr}
        self.sets = {each: [_drawn(pool, each, seed) for seed in self.seeds] for each in sorted(labels)}
        self._pixels: dict[int, list[float]] = {}
        with torch.random.fork_rng(devices=[]):
            self._fresh = {seed: _network(first, self.num_classes, seed) for seed in self.seeds}
        self.sources: dict[str, VisionTransformer] = {}
        self._heads: set[str] = set()  # the sources whose head can be kept
        for name, encoder in encoders.items():
            head = isinstance(encoder.head, nn.Linear) and encoder.head.out_features == self.num_classes
            self._heads |= {name} if head else set()
            try:
                self.sources[name] = copy_encoder(encoder, self.made(self.seeds[0]), head=head)
            except ValueError as error:
                raise ValueError(f"source {name!r} is built otherwise than the first: {error}") from None

    def arms(self, source: str) -> list[str]:
        """Return the arms that a source can take; only a head of as many classes can be kept."""
        return [arm for arm in ARMS if arm != KEEP or source in self._heads]

    def made(self, seed: int) -> VisionTransformer:
        """Return an untrained network with a fresh head."""
        return copy.deepcopy(self._fresh[seed])

    def pixels(self, each: int) -> float:
        """Return what logistic regression on the pixels reaches with so many labels, the mean of the seeds."""
        if each not in self._pixels:
            self._pixels[each] = Pixels().accuracies(self.sets[each], self.test, self.seeds)
        return sum(self._pixels[each]) / len(self.seeds)

    def train(self, run: Run, changed: Callable[[], None], stop: threading.Event) -> None:
        """Train a run, in any thread, and call `changed` after each of its points.

        Raises: Stopped at the first step after `stop` was set; a probe has no steps.
        """
        sets = self.sets[run.each]
        if run.arm == PROBE:
            probe = Probe(self.sources.get(run.source, self.made))
            run.points.append((0, probe.accuracies(sets, self.test, self.seeds)))
            return

        def watch(step: int, stack: Classifiers) -> None:
            if stop.is_set():
                raise Stopped
            if step % self.every == 0 or step == run.total:
                run.points.append((step, stack.accuracy(self.test).tolist()))
                changed()

        how = {**self._how, "steps": run.total, "last": 1 if run.arm == LAST else None, "watch": watch, "every": 1}
        tune = Tune(self.made, self.sources.get(run.source), keep_head=run.arm == KEEP, how=how)
        tune.accuracies(sets, self.test, self.seeds)

    def pair(self, each: int, *, steps: int, every: int, seeds: int) -> list[Run]:
        """Train a short comparison, the first source and none, all in one stack: cheaper than two runs."""
        runs = [Run(k + 1, source, TUNE, each, steps) for k, source in enumerate((NONE, next(iter(self.sources))))]
        few = self.seeds[:seeds]
        models = [Tune(self.made, self.sources.get(run.source)).start(seed) for run in runs for seed in few]

        def watch(step: int, stack: Classifiers) -> None:
            for run, found in zip(runs, stack.accuracy(self.test).view(2, -1).tolist(), strict=True):
                run.points.append((step, found))

        fine_tune(
            models, self.sets[each][:seeds] * 2, seeds=few * 2, steps=steps, watch=watch, every=every, **self._how
        )
        return runs[::-1]


def _encoders(sources: Mapping[str, Any]) -> dict[str, VisionTransformer]:
    if not sources or NONE in sources:
        raise ValueError(f"sources are {list(sources)}: expected one or more; {NONE!r} is always offered")
    found = {}
    for name, source in sources.items():
        found[name] = source.encoder if isinstance(source, MaskedAutoencoder) else source
        if not isinstance(found[name], VisionTransformer):
            raise ValueError(f"source {name!r} is a {type(source).__name__}: expected a VisionTransformer or an MAE")
    return found


def _drawn(pool: Examples, each: int, seed: int) -> Examples:
    rows = draw_labelled(pool[1], each, seed=seed)
    return pool[0][rows], pool[1][rows]


def _network(like: VisionTransformer, num_classes: int, seed: int) -> VisionTransformer:
    """Make a network of the same build, with a head for so many classes."""
    torch.manual_seed(5_000 + seed)  # far from the seeds of sources: a head that one began with is not fresh
    return VisionTransformer(*like.build[:5], num_classes, *like.build[5:])
