"""Label efficiency: how good each way of learning is when there are 1, 2, 5, ... labels for each class.

    Pixels, MovedCopies, Probe, Tune    ways to learn from few labels ("arms")
    label_efficiency                    every arm on the same draws: arms x labels x seeds

All arms see the same sets of examples, so that what they differ in is the arm. Arms share no generator.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from lecturelib.fine_tuning import Classifiers, fine_tune
from lecturelib.transfer import Examples, LinearProbe, check_examples, copy_encoder, draw_labelled, probe_head
from lecturelib.vision import VisionTransformer

Build = Callable[[int], VisionTransformer]


class Arm(Protocol):
    """A way to learn from few labels: it learns from each set alone, by its seed.

    Returns: the share of test examples that it names rightly then, for each set.
    """

    def accuracies(self, sets: Sequence[Examples], test: Examples, seeds: Sequence[int]) -> list[float]: ...


@dataclass(frozen=True)
class Pixels(Arm):
    """Logistic regression on the pixels: the control that has seen no source at all."""

    def accuracies(self, sets: Sequence[Examples], test: Examples, seeds: Sequence[int]) -> list[float]:
        from sklearn.linear_model import LogisticRegression

        return [_on_pixels(LogisticRegression(max_iter=2000), each, test) for each in sets]


@dataclass(frozen=True)
class MovedCopies(Arm):
    """A classifier on the pixels of the labeled images and of moved copies of each: it has seen no source either.

    `move(images, generator)` makes a copy of each image, such as `moved` of `lecturelib.data.digits`; `classifier` is
    one of scikit-learn's, fitted anew to each set.
    """

    move: Callable[[torch.Tensor, torch.Generator], torch.Tensor]
    classifier: Any
    copies: int = 40

    def accuracies(self, sets: Sequence[Examples], test: Examples, seeds: Sequence[int]) -> list[float]:
        found = []
        for (images, labels), seed in zip(sets, seeds, strict=True):
            generator = torch.Generator().manual_seed(seed)
            all_images = torch.cat([images, *(self.move(images, generator) for _ in range(self.copies))])
            found.append(_on_pixels(self.classifier, (all_images, labels.repeat(1 + self.copies)), test))
        return found


def _on_pixels(classifier: Any, examples: Examples, test: Examples) -> float:
    """Fit a classifier of scikit-learn to the pixels, from new, and return the share of test images named rightly."""
    classifier.fit(examples[0].flatten(1).numpy(), examples[1].numpy())
    return float(classifier.score(test[0].flatten(1).numpy(), test[1].numpy()))


@dataclass(frozen=True)
class Probe(Arm):
    """A linear probe on a frozen encoder.

    `encoder` is a network, or a function that makes one from a seed (an untrained one, say).
    """

    encoder: VisionTransformer | Build

    def accuracies(self, sets: Sequence[Examples], test: Examples, seeds: Sequence[int]) -> list[float]:
        found = []
        for (images, labels), seed in zip(sets, seeds, strict=True):
            encoder = self.encoder if isinstance(self.encoder, VisionTransformer) else self.encoder(seed)
            found.append(LinearProbe(encoder, images, labels).accuracy(*test))
        return found


@dataclass(frozen=True)
class Tune(Arm):
    """Train a network on, all arms of one call in a stack; without a source, from scratch.

    `build(seed)` makes a network with a head; the weights of `source` are copied into it, with its head if
    `keep_head`; `probe_first` begins with the head of a linear probe instead. `how` goes to `fine_tune`: steps,
    batch_size, lr, last, ...
    Raises: ValueError as `copy_encoder` and `fine_tune`.
    """

    build: Build
    source: VisionTransformer | None = None
    keep_head: bool = False
    probe_first: bool = False
    how: Mapping[str, Any] = field(default_factory=dict)

    def start(self, seed: int) -> VisionTransformer:
        """Return the network as it is before the first label."""
        model = self.build(seed)
        if self.source is not None:
            copy_encoder(self.source, model, head=self.keep_head)
        return model

    def accuracies(self, sets: Sequence[Examples], test: Examples, seeds: Sequence[int]) -> list[float]:
        models = [self.start(seed) for seed in seeds]
        if self.probe_first:
            models = [probe_head(model, *examples) for model, examples in zip(models, sets, strict=True)]
        fine_tune(models, sets, seeds=seeds, **self.how)
        return Classifiers(models).accuracy(test).tolist()


def label_efficiency(
    arms: Mapping[str, Arm],
    pool: Examples,
    test: Examples,
    *,
    labels: Sequence[int] = (1, 2, 5, 10),
    seeds: Sequence[int] = (0, 1, 2),
) -> dict[str, torch.Tensor]:
    """Measure every arm with each number of labels for each class, over several draws of the labelled examples.

    The labelled examples are drawn from `pool` by the seed alone, so that a seed gives every arm the same ones; the
    other examples of the pool, and their labels, no arm sees. `test` is used for the accuracies and nothing else.
    Shapes: returns for each arm (seeds, labels).
    Raises: ValueError for more labels than there are, a test image that is in the pool, and examples that are not such.
    """
    check_examples(pool)
    check_examples(test)
    check_apart(pool[0], test[0])
    draws = [(seed, draw_labelled(pool[1], each, seed=seed)) for seed in seeds for each in labels]
    sets = [(pool[0][rows], pool[1][rows]) for _, rows in draws]
    found = {name: torch.tensor(arm.accuracies(sets, test, [seed for seed, _ in draws])) for name, arm in arms.items()}
    return {name: each.view(len(seeds), len(labels)) for name, each in found.items()}


def check_apart(pool: torch.Tensor, test: torch.Tensor) -> None:
    """Raise ValueError for test images that are in the pool, where they could be learned by heart.

    >>> check_apart(torch.tensor([[0.1], [0.2]]), torch.tensor([[0.2], [0.3]]))
    Traceback (most recent call last):
    ValueError: 1 test images are in the pool as well: expected none; split the data before drawing from it
    """
    known = {each.numpy().tobytes() for each in pool}
    both = sum(each.numpy().tobytes() in known for each in test)
    if both:
        raise ValueError(
            f"{both} test images are in the pool as well: expected none; split the data before drawing from it"
        )
