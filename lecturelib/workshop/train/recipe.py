"""What a recipe is, and what the masked autoencoders share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import nn

from lecturelib.mae import MaskedAutoencoder, random_mask, reconstruction_loss

Batch = tuple[torch.Tensor, ...]


class Recipe(NamedTuple):
    """One model: what it is, its batches, its loss, its scores, and the numbers of its training.

    `batches(seed, size)` yields batches for ever; `scores(model)` returns named numbers measured on held-out data;
    `settings` holds steps, batch_size, lr, weight_decay and dropout; where Muon is used, "muon" is its learning rate.
    """

    about: str
    batches: Callable[[int, int], Iterator[tuple[torch.Tensor, ...]]]
    loss: Callable[[nn.Module, tuple[torch.Tensor, ...]], torch.Tensor]
    scores: Callable[[nn.Module], dict[str, float]]
    settings: dict[str, Any]


HIDDEN = 0.75  # the share of patches that the masked autoencoders learn to paint


def painting_loss(model: nn.Module, batch: Batch) -> torch.Tensor:
    """Return the error on the hidden patches of a batch (images, mask)."""
    assert isinstance(model, MaskedAutoencoder)
    images, mask = batch
    return reconstruction_loss(model(images, mask), model.target(images), mask)


def painting_scores(images: torch.Tensor, rows: int) -> Callable[[nn.Module], dict[str, float]]:
    """Return a function that measures the error on the hidden pixels of these images, for three draws of masks."""

    @torch.no_grad()
    def scores(model: nn.Module) -> dict[str, float]:
        masks = (
            random_mask(len(images), rows, rows, HIDDEN, generator=torch.Generator().manual_seed(s)) for s in range(3)
        )
        errors = [painting_loss(model, (images, mask)).item() for mask in masks]
        return {f"mean squared error on hidden pixels, masks {s}": error for s, error in enumerate(errors)}

    return scores
