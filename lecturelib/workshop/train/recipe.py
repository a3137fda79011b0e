"""What a recipe is, and what several of them share: batches of images, losses, scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from lecturelib.data.photos import crops
from lecturelib.mae import MaskedAutoencoder, random_mask, reconstruction_loss

Batch = tuple[torch.Tensor, ...]
Batches = Callable[[int, int], Iterator[Batch]]
Scores = Callable[[nn.Module], dict[str, float]]
HIDDEN = 0.75  # the share of patches that the masked autoencoders learn to paint


class Recipe(NamedTuple):
    """One model: what it is, its batches, its loss, its scores, and the numbers of its training.

    `batches(seed, size)` yields batches for ever; `scores(model)` returns named numbers measured on held-out data;
    `settings` holds steps, batch_size, lr, weight_decay and dropout; where Muon is used, "muon" is its learning rate.
    """

    about: str
    batches: Batches
    loss: Callable[[nn.Module, Batch], torch.Tensor]
    scores: Scores
    settings: dict[str, Any]


def draws(seed: int, size: int, *tensors: torch.Tensor) -> Iterator[tuple[torch.Generator, Batch]]:
    """Draw the same rows of all tensors for ever; yield them beside the generator, for what else is to be drawn."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        pick = torch.randint(len(tensors[0]), (size,), generator=generator)
        yield generator, tuple(each[pick] for each in tensors)


def photos(pixels: int, patches: int, *, gray: bool = False, coarsest: int = 3) -> Batches:
    """Return how to draw squares of photographs, each side so many pixels and patches, and masks."""

    def batches(seed: int, size: int) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(seed)
        while True:
            fresh = int(torch.randint(2**31, (), generator=generator))
            images = torch.from_numpy(
                crops(size, size=pixels, held_out=False, seed=fresh, coarsest=coarsest, varied=True)
            )
            images = images.mean(dim=1, keepdim=True) if gray else images
            yield images, random_mask(size, patches, patches, HIDDEN, generator=generator)

    return batches


def painting_loss(model: nn.Module, batch: Batch) -> torch.Tensor:
    """Return the error on the hidden patches of a batch (images, mask)."""
    assert isinstance(model, MaskedAutoencoder)
    images, mask = batch
    return reconstruction_loss(model(images, mask), model.target(images), mask)


def painting_scores(held_out: Callable[[], torch.Tensor], patches: int) -> Scores:
    """Return a function that measures the error on the hidden pixels of these images, for three draws of masks."""

    @torch.no_grad()
    def scores(model: nn.Module) -> dict[str, float]:
        images, errors = held_out(), {}
        for seed in range(3):
            generator = torch.Generator().manual_seed(seed)
            mask = random_mask(len(images), patches, patches, HIDDEN, generator=generator)
            errors[f"mean squared error on hidden pixels, masks {seed}"] = painting_loss(model, (images, mask)).item()
        return errors

    return scores


def naming_loss(model: nn.Module, batch: Batch) -> torch.Tensor:
    """Return the cross entropy of a batch (images, labels)."""
    images, labels = batch
    return F.cross_entropy(model(images), labels)


def naming_scores(examples: Mapping[str, Callable[[], Batch]]) -> Scores:
    """Return a function that measures the accuracy on each of these sets of examples."""

    @torch.no_grad()
    def scores(model: nn.Module) -> dict[str, float]:
        found = {}
        for what, make in examples.items():
            images, labels = make()
            found[f"accuracy on {what}"] = float((model(images).argmax(dim=-1) == labels).float().mean())
        return found

    return scores
