"""The transfer lab without its view: which runs can be chosen, how one is trained, and what is kept of it."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import nn

from lecturelib.edges import check_whole
from lecturelib.figures.parts import interval
from lecturelib.fine_tuning import Classifiers, fine_tune
from lecturelib.label_efficiency import Pixels, Probe, Tune, check_apart
from lecturelib.mae import MaskedAutoencoder
from lecturelib.transfer import Examples, check_examples, copy_encoder, draw_labelled
from lecturelib.vision import VisionTransformer

NONE = "none (from scratch)"
TUNE, KEEP, LAST, PROBE = "fine-tune", "fine-tune, head kept", "last block only", "linear probe"
ARMS = {  # what they are called in a list
    TUNE: "fine-tune the whole network",
    KEEP: "fine-tune, head kept",
    LAST: "train the last block only",
    PROBE: "linear probe (no steps)",
}
KEPT = 3  # runs that stay beside the one that is trained

Report = Callable[[int, list[float]], None]
Job = Callable[[Report, threading.Event], None]


class Stopped(Exception):
    """A training that was asked to end."""


class Choice(NamedTuple):
    """What one run does: from which source, by which arm, with how many labels for each class."""

    source: str
    arm: str
    each: int

    @property
    def name(self) -> str:
        """The source and the arm, in words."""
        if self.source == NONE:
            return {TUNE: "from scratch"}.get(self.arm, f"untrained, {self.arm}")
        return f"{self.source}, " + {TUNE: "fine-tuned", KEEP: "head kept"}.get(self.arm, self.arm)


@dataclass
class Run:
    """A run and its curve: at each of `steps` the accuracies of the seeds.

    `total` is the number of its steps, 0 for a probe; `status` is "running", "finished", "stopped" or "failed", and
    `message` says why it failed.
    """

    number: int
    choice: Choice
    total: int
    status: str = "running"
    steps: list[int] = field(default_factory=list)
    accuracies: list[list[float]] = field(default_factory=list)
    message: str = ""

    def at(self, step: int) -> torch.Tensor:
        """Return the accuracies (seeds,) when last measured up to a step; a probe has the same at all."""
        k = max((k for k, each in enumerate(self.steps) if each <= step), default=0)
        return torch.tensor(self.accuracies[k])

    def above(self, other: Run) -> dict[str, float | None] | None:
        """How far this run lies above another, at the last step that both have reached; None without points."""
        if not self.steps or not other.steps:
            return None
        reached = [each.steps[-1] for each in (self, other) if each.total]
        step = min(reached, default=0)
        return {"step": step, **_spread(self.at(step) - other.at(step))}

    def described(self) -> dict[str, Any]:
        """Return all of it as a page reads it."""
        last = _spread(self.at(self.steps[-1])) if self.steps else {"mean": None, "half": None}
        own = {name: value for name, value in vars(self).items() if name != "choice"}
        curve = {"steps": list(self.steps), "accuracies": [list(each) for each in self.accuracies]}
        return {**own, **curve, "name": self.choice.name, **self.choice._asdict(), **last}


def _spread(values: torch.Tensor) -> dict[str, float | None]:
    """The mean over seeds, and half of its 95 % interval, if there are two seeds or more."""
    if len(values) < 2:
        return {"mean": values.mean().item(), "half": None}
    mean, half = interval(values.numpy(), "a run")
    return {"mean": mean.item(), "half": half.item()}


class Runs:
    """The run of now and the few before it; any thread may ask and add."""

    def __init__(self) -> None:
        self.current: Run | None = None
        self.earlier: list[Run] = []  # the last first
        self._count, self._lock = 0, threading.RLock()

    @property
    def running(self) -> bool:
        """Whether one is being trained."""
        return self.current is not None and self.current.status == "running"

    def begin(self, choice: Choice, total: int) -> Run:
        """Begin a run; the one before it is kept, if it has a curve."""
        with self._lock:
            before = self.current
            if before is not None and len(before.steps) > (before.total > 0):  # a curve has two points
                self.earlier = [before, *self.earlier][:KEPT]
            self._count += 1
            self.current = Run(self._count, choice, total)
            return self.current

    def add(self, run: Run, step: int, accuracies: Sequence[float]) -> None:
        """Add a point to the curve of a run."""
        with self._lock:
            run.steps.append(step)
            run.accuracies.append([round(each, 5) for each in accuracies])

    def end(self, run: Run, status: str, message: str = "") -> None:
        """End a run; its curve so far stays."""
        with self._lock:
            run.status, run.message = status, message

    def forget(self) -> None:
        """Forget the runs before the one of now."""
        with self._lock:
            self.earlier = []

    def described(self) -> list[dict[str, Any]]:
        """Return the runs as a page reads them, that of now first, and how far it lies above each of the others."""
        with self._lock:
            if self.current is None:
                return []
            others = [{**each.described(), "above": self.current.above(each)} for each in self.earlier]
            return [{**self.current.described(), "above": None}, *others]


class Experiment:
    """Sources, examples and numbers of steps: trains what is chosen of them.

    The networks and their first weights are made here, once; afterwards no generator of the process is touched, so
    that a choice always gives the same curve, and nothing that runs beside it changes.
    Shapes: pool and test are pairs (images (n, C, height, width), labels (n,)).
    Raises: ValueError for no sources, one of another build, examples that do not fit, more labels than there are, test
        images that are in the pool, seeds that are none, not whole or not distinct, and numbers out of range.
    """

    def __init__(
        self,
        sources: Mapping[str, VisionTransformer | MaskedAutoencoder],
        pool: Examples,
        test: Examples,
        *,
        labels: Sequence[int],
        seeds: Sequence[int],
        steps: int,
        batch_size: int,
        lr: float,
        every: int,
    ) -> None:
        encoders = _encoders(sources)
        self.pool, self.test = _tensors(pool, "pool"), _tensors(test, "test")
        self.labels, self.seeds = tuple(sorted(_distinct(labels, 1, "labels"))), _distinct(seeds, 0, "seeds")
        check_whole(steps=steps, batch_size=batch_size, every=every)
        if every > steps:
            raise ValueError(f"every={every}: expected at most steps={steps}, or there is no curve to watch")
        if isinstance(lr, bool) or not isinstance(lr, int | float) or not 0 < lr < float("inf"):
            raise ValueError(f"lr={lr!r}: expected a learning rate above 0, such as 3e-3")
        self.steps, self.every = steps, every
        self._how: dict[str, Any] = {"batch_size": batch_size, "lr": lr}
        check_examples(self.pool)
        self.num_classes = int(self.pool[1].max()) + 1
        check_examples(self.test, self.num_classes)
        check_apart(self.pool[0], self.test[0])
        draw_labelled(self.pool[1], max(self.labels), seed=0)  # refuses more than there are
        with torch.random.fork_rng(devices=[]):
            first = next(iter(encoders.values()))
            self._fresh = [_network(first, self.num_classes, seed) for seed in self.seeds]
        for images in (self.pool[0], self.test[0]):
            self._fresh[0].embed(images[:1])  # refuses images of another size or kind
        self.sources: dict[str, VisionTransformer] = {}
        self._heads: dict[str, bool] = {}
        for name, encoder in encoders.items():
            out = encoder.head
            self._heads[name] = isinstance(out, nn.Linear) and out.out_features == self.num_classes
            try:
                self.sources[name] = copy_encoder(encoder, self._made(0), head=self._heads[name]).requires_grad_(True)
            except ValueError as error:
                raise ValueError(
                    f"source {name!r} is built otherwise than {next(iter(encoders))!r}, as which the network is that "
                    f"is trained: {error}; leave it out, or train one of that build"
                ) from None
        self._pixels: dict[int, list[float]] = {}

    def arms(self, source: str) -> tuple[str, ...]:
        """Return the arms that a source can take; only a head of as many classes can be kept."""
        return tuple(arm for arm in ARMS if arm != KEEP or self._heads.get(source, False))

    def pixels(self, each: int) -> list[float]:
        """Return what logistic regression on the pixels reaches with so many labels, for each seed."""
        if each not in self._pixels:
            self._pixels[each] = Pixels().accuracies(self._sets(each), self.test, self.seeds)
        return self._pixels[each]

    def known_pixels(self) -> dict[int, list[float]]:
        """Return what `pixels` has found so far."""
        return dict(self._pixels)

    def prepare(self, choice: Choice) -> tuple[int, Job]:
        """Return how many steps a choice takes, and what does them: it may be called in any thread.

        That reports (step, accuracies) and raises `Stopped` at the first step after its event was set.
        """
        sets = self._sets(choice.each)
        if choice.arm == PROBE:
            return 0, self._probing(choice.source, sets)
        models = self._starts(choice, range(len(self.seeds)))
        last = 1 if choice.arm == LAST else None

        def train(report: Report, stop: threading.Event) -> None:
            def watch(step: int, stack: Classifiers) -> None:
                if stop.is_set():
                    raise Stopped
                if step % self.every == 0 or step == self.steps:
                    report(step, stack.accuracy(self.test).tolist())

            fine_tune(models, sets, seeds=self.seeds, steps=self.steps, last=last, watch=watch, every=1, **self._how)

        return self.steps, train

    def _probing(self, source: str, sets: list[Examples]) -> Job:
        encoders = [self._made(k) if source == NONE else self.sources[source] for k in range(len(self.seeds))]

        def probe(report: Report, stop: threading.Event) -> None:
            found = []
            for seed, encoder, own in zip(self.seeds, encoders, sets, strict=True):
                if stop.is_set():
                    raise Stopped
                found += Probe(encoder).accuracies([own], self.test, [seed])
            report(0, found)

        return probe

    def pair(self, each: int, *, steps: int, every: int, seeds: int) -> list[Run]:
        """Train a short comparison, from scratch and from the first source, all in one stack: cheaper than two runs."""
        pair = [Choice(NONE, TUNE, each), Choice(next(iter(self.sources)), TUNE, each)]
        runs = [Run(k + 1, choice, steps, "finished") for k, choice in enumerate(pair)]
        few = range(min(seeds, len(self.seeds)))
        models = [model for choice in pair for model in self._starts(choice, few)]

        def watch(step: int, stack: Classifiers) -> None:
            found = stack.accuracy(self.test).view(2, -1)
            for run, own in zip(runs, found.tolist(), strict=True):
                run.steps.append(step)
                run.accuracies.append(own)

        own = self._sets(each)[: len(few)]
        drawn_by = list(self.seeds[: len(few)]) * 2
        fine_tune(models, own * 2, seeds=drawn_by, steps=steps, watch=watch, every=every, **self._how)
        return runs

    def _starts(self, choice: Choice, which: Sequence[int]) -> list[VisionTransformer]:
        """Return the networks as they are before the first label."""
        tune = Tune(self._made, self.sources.get(choice.source), keep_head=choice.arm == KEEP)
        return [tune.start(k) for k in which]

    def _made(self, k: int) -> VisionTransformer:
        return copy.deepcopy(self._fresh[k])

    def _sets(self, each: int) -> list[Examples]:
        """The labelled examples of each seed, drawn by the seed alone."""
        rows = [draw_labelled(self.pool[1], each, seed=seed) for seed in self.seeds]
        return [(self.pool[0][own], self.pool[1][own]) for own in rows]


def _encoders(sources: Mapping[str, Any]) -> dict[str, VisionTransformer]:
    if not isinstance(sources, Mapping) or not sources:
        said = "no sources" if isinstance(sources, Mapping) else f"sources are a {type(sources).__name__}"
        raise ValueError(f"{said}: expected a dict of one name and network or more, such as {{'print': network}}")
    found = {}
    for name, source in sources.items():
        if not isinstance(name, str) or not name or name == NONE:
            raise ValueError(f"a source is named {name!r}: expected a word or two; {NONE!r} is always offered")
        encoder = source.encoder if isinstance(source, MaskedAutoencoder) else source
        if not isinstance(encoder, VisionTransformer):
            raise ValueError(
                f"source {name!r} is a {type(source).__name__}: expected a VisionTransformer or a MaskedAutoencoder"
            )
        found[name] = encoder
    return found


def _network(like: VisionTransformer, num_classes: int, seed: int) -> VisionTransformer:
    """Make a network of the same build, with a head for so many classes."""
    torch.manual_seed(5_000 + seed)  # far from the seeds of sources: a head that one began with is not fresh
    return VisionTransformer(*like.build[:5], num_classes, *like.build[5:])


def _tensors(examples: Any, name: str) -> Examples:
    """Return a pair of tensors; arrays are taken too."""
    if not isinstance(examples, tuple | list) or len(examples) != 2:
        raise ValueError(f"{name} is a {type(examples).__name__}: expected a pair (images, labels)")
    return torch.as_tensor(examples[0]), torch.as_tensor(examples[1])


def _distinct(values: Sequence[int], least: int, name: str) -> tuple[int, ...]:
    found = tuple(values)
    if not found or len(set(found)) < len(found):
        raise ValueError(f"{name}={values!r}: expected one or more whole numbers, none twice")
    for each in found:
        check_whole(least, **{f"one of {name}": each})
    return found
