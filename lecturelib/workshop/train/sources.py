"""The sources of notebook 07: small networks of one build, each trained on something else than the target task.

All are the vision transformer of notebook 05, or a masked autoencoder around it. What they learned from:

print_digits         printed digits, by their names: near the target
print_letters        printed capital letters: near in looks, other classes
print_ink            printed digits, by how much ink there is: the right images, the wrong question
print_random         printed digits with labels drawn at random: nothing but learning by heart
handwriting_masked   handwritten digits without labels, three of four patches hidden
photos_masked        gray squares of photographs without labels: far
"""

from __future__ import annotations

import functools
import string
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import nn

from lecturelib.data.digits import digits
from lecturelib.data.glyphs import DIGITS, glyphs
from lecturelib.data.photos import crops
from lecturelib.mae import random_mask
from lecturelib.workshop.train.recipe import HIDDEN, Batch, Recipe, painting_loss, painting_scores

Batches = Callable[[int, int], Iterator[Batch]]
Scores = Callable[[nn.Module], dict[str, float]]
BY_HEART = 2000  # printed digits with random labels


def naming_loss(model: nn.Module, batch: Batch) -> torch.Tensor:
    """Return the cross entropy of a batch (images, labels)."""
    images, labels = batch
    return F.cross_entropy(model(images), labels)


def printed(alphabet: str, label: str = "name") -> Batches:
    """Return how to draw batches of printed glyphs for ever; `label` is "name" or "ink"."""

    def batches(seed: int, size: int) -> Iterator[Batch]:
        part = 0
        while True:
            part += 1
            drawn = glyphs(size * max(1, 4000 // size), seed=100_003 * (seed + 1) + part, alphabet=alphabet)
            images, names = torch.from_numpy(drawn.images), torch.from_numpy(drawn.labels)
            labels = names if label == "name" else ink_level(images)
            yield from zip(images.split(size), labels.split(size), strict=True)

    return batches


def ink_level(images: torch.Tensor) -> torch.Tensor:
    """Return how much ink each image holds, in ten levels that are equally common among printed digits.

    Shapes: images (n, 1, 8, 8); returns (n,), 0 (little) to 9.
    """
    return torch.bucketize(images.flatten(1).sum(dim=1), _ink_bounds())


@functools.cache
def _ink_bounds() -> torch.Tensor:
    ink = torch.from_numpy(glyphs(20_000, seed=0).images).flatten(1).sum(dim=1)
    return torch.quantile(ink, torch.arange(1, 10) / 10)


def random_batches(seed: int, size: int) -> Iterator[Batch]:
    """Draw batches of the same 2,000 printed digits, whose labels were drawn at random once."""
    images = torch.from_numpy(glyphs(BY_HEART, seed=1).images)
    labels = torch.randint(10, (BY_HEART,), generator=torch.Generator().manual_seed(2))
    generator = torch.Generator().manual_seed(seed)
    while True:
        pick = torch.randint(BY_HEART, (size,), generator=generator)
        yield images[pick], labels[pick]


def handwriting_batches(seed: int, size: int) -> Iterator[Batch]:
    """Draw batches of the handwritten digits that are not for tests, without their labels, and masks."""
    images = torch.from_numpy(digits(seed=0)[0].images)
    generator = torch.Generator().manual_seed(seed)
    while True:
        pick = torch.randint(len(images), (size,), generator=generator)
        yield images[pick], random_mask(size, 4, 4, HIDDEN, generator=generator)


def photo_batches(seed: int, size: int) -> Iterator[Batch]:
    """Draw batches of gray squares of 8 x 8 pixels from the photographs, and masks."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        fresh = int(torch.randint(2**31, (), generator=generator))
        color = torch.from_numpy(crops(size, size=8, held_out=False, seed=fresh, varied=True))
        yield color.mean(dim=1, keepdim=True), random_mask(size, 4, 4, HIDDEN, generator=generator)


def naming_scores(batches: Batches, what: str) -> Scores:
    """Return a function that measures the accuracy on 2,000 examples of a seed that training never uses."""

    @torch.no_grad()
    def scores(model: nn.Module) -> dict[str, float]:
        images, labels = next(batches(977, 2000))
        return {f"accuracy on {what}": float((model(images).argmax(dim=-1) == labels).float().mean())}

    return scores


def handwriting_scores(model: nn.Module) -> dict[str, float]:
    """Measure a network trained on printed digits: on new ones, and on handwritten ones of which it saw none."""
    images, labels = (torch.from_numpy(each) for each in digits(seed=0)[1])
    with torch.no_grad():
        right = float((model(images).argmax(dim=-1) == labels).float().mean())
    return {**naming_scores(printed(DIGITS), "new printed digits")(model), "accuracy on handwriting, no label": right}


def unlabelled_scores(model: nn.Module) -> dict[str, float]:
    """Measure a masked autoencoder on handwritten digits of the test part."""
    return painting_scores(torch.from_numpy(digits(seed=0)[1].images), rows=4)(model)


def photo_scores(model: nn.Module) -> dict[str, float]:
    """Measure a masked autoencoder on squares of the photographs that are held out."""
    held_out = torch.from_numpy(crops(300, size=8, held_out=True, seed=0)).mean(dim=1, keepdim=True)
    return painting_scores(held_out, rows=4)(model)


def _named(about: str, batches: Batches, scores: Scores, **changes: float) -> Recipe:
    return Recipe(about, batches, naming_loss, scores, SETTINGS | changes)


LETTERS = string.ascii_uppercase
SETTINGS = {"steps": 6000, "batch_size": 128, "lr": 3e-3, "weight_decay": 0.02, "dropout": 0.0}
_BUILT = "the vision transformer of notebook 05"

SOURCES: dict[str, Recipe] = {
    "print_digits": _named(f"{_BUILT}, trained to name printed digits", printed(DIGITS), handwriting_scores),
    "print_letters": _named(
        f"{_BUILT}, trained to name printed capital letters",
        printed(LETTERS),
        naming_scores(printed(LETTERS), "new printed letters"),
    ),
    "print_ink": _named(
        f"{_BUILT}, trained to say in ten levels how much ink there is in a printed digit",
        printed(DIGITS, label="ink"),
        naming_scores(printed(DIGITS, label="ink"), "the ink of new printed digits"),
    ),
    "print_random": _named(
        f"{_BUILT}, trained until it knows by heart labels drawn at random for {BY_HEART:,} printed digits",
        random_batches,
        naming_scores(random_batches, "the labels known by heart"),
        weight_decay=0.0,
    ),
    "handwriting_masked": Recipe(
        "a masked autoencoder of handwritten digits (three of four patches hidden) around the vision transformer of "
        "notebook 05: the training digits, without labels",
        handwriting_batches,
        painting_loss,
        unlabelled_scores,
        SETTINGS,
    ),
    "photos_masked": Recipe(
        "a masked autoencoder of gray squares of 8 x 8 pixels cut out of photographs (three of four patches hidden) "
        "around the vision transformer of notebook 05",
        photo_batches,
        painting_loss,
        photo_scores,
        SETTINGS,
    ),
}
