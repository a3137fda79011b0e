"""What the kernel answers to the patch playground: where a network looks in an image, how hidden patches are painted.

look       probabilities, attention maps, rollout and occlusion of one image
repaint    one image with its hidden patches painted, and the error on them
checked    images as the playground needs them
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

from lecturelib.attention import record_attention
from lecturelib.explanations import attention_rollout, occlusion
from lecturelib.mae import MaskedAutoencoder, reconstruction_loss
from lecturelib.vision import VisionTransformer, patchify, unpatchify
from lecturelib.widgets.kit import as_array

# Paints (1, C, height, width) with mask (1, N), True = hidden; returns images of the same shape.
Painter = MaskedAutoencoder | Callable[[torch.Tensor, torch.Tensor], Any]


class Looked(NamedTuple):
    """What a network makes of one image.

    Shapes: probabilities (classes,), maps (L, H, T, T), rollout (T, T), occlusion (N,). T is N, or 1 + N with a class
    token in front.
    """

    probabilities: np.ndarray
    maps: np.ndarray
    rollout: np.ndarray
    occlusion: np.ndarray


class Painted(NamedTuple):
    """An image as it was painted: pixels (C, height, width), also where they were visible, and two errors.

    `error` is the mean squared error per pixel on the hidden patches; `mean_error` is that of one color everywhere,
    the mean of the visible pixels.
    """

    pixels: np.ndarray
    error: float
    mean_error: float


@torch.no_grad()
def look(model: VisionTransformer, image: np.ndarray) -> Looked:
    """Return what a network with classes makes of one image (C, height, width)."""
    like = model.pos_embed
    images = torch.as_tensor(image[None]).to(like.device, like.dtype)
    with _evaluating(model):
        with record_attention(model) as recorded:
            probabilities = model(images).softmax(-1)
        drops = occlusion(model, images, model.patch_size)
    maps = [each.weights for each in recorded.values()]  # each (1, H, T, T)
    found = (probabilities[0], torch.cat(maps), attention_rollout(maps)[0], drops[0])
    return Looked(*(each.double().cpu().numpy() for each in found))


@torch.no_grad()
def repaint(painter: Painter, image: np.ndarray, mask: np.ndarray, patch_size: int, name: str = "the model") -> Painted:
    """Let a painter fill in one image (C, height, width) whose patches are hidden where `mask` (N,) is True.

    A masked autoencoder says how it would paint every patch; a function is believed as it is.
    Raises: ValueError where nothing is hidden or nothing is visible, and for a painter whose answer is no image.
    """
    if not mask.any():
        raise ValueError("Nothing is hidden, so there is nothing to paint: hide a patch.")
    if mask.all():
        raise ValueError("Nothing is visible, so there is nothing to start from: show a patch.")
    images, hidden = torch.as_tensor(image[None]), torch.as_tensor(mask[None])
    if isinstance(painter, MaskedAutoencoder):
        like = painter.decoder_pos_embed
        with _evaluating(painter):
            patches = painter(images.to(like.device, like.dtype), hidden.to(like.device))  # (1, N, C P P)
        pixels = unpatchify(patches, patch_size, *image.shape[1:])
    else:
        pixels = _tensor(painter(images.clone(), hidden.clone()), images.shape, name)
    pixels = pixels.cpu().float().clamp(0, 1)
    if not torch.isfinite(pixels).all():
        raise ValueError(f"{name} painted NaN: expected pixels from 0 to 1; look into what it returns")
    target = patchify(images, patch_size)  # (1, N, C P P)
    seen = target[~hidden].unflatten(1, (image.shape[0], -1)).mean(dim=(0, 2))  # (C,): one color
    mean = patchify(seen[:, None, None].expand_as(images[0])[None], patch_size)
    return Painted(
        pixels[0].numpy(),
        reconstruction_loss(patchify(pixels, patch_size), target, hidden).item(),
        reconstruction_loss(mean, target, hidden).item(),
    )


def checked(images: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return images (n, C, height, width) as float32, of the `shape` (C, height, width) that the model was built for.

    Raises: ValueError for another shape, none at all, bytes, NaN, and pixels beyond 0 to 1.
    """
    try:
        found = as_array(images)
    except ValueError as error:
        raise ValueError(f"images are no array: expected numbers of shape (n, {_listed(shape)})") from error
    if found.ndim != 4 or found.shape[1:] != tuple(shape):
        raise ValueError(
            f"images have the shape {found.shape}: expected (n, {_listed(shape)}), as the model was built; a single "
            "image goes in as x[None], one with the channels last as x.transpose(0, 3, 1, 2)"
        )
    if not len(found):
        raise ValueError("images hold no image: expected at least one, such as test.images[:10]")
    if not np.issubdtype(found.dtype, np.floating):
        raise ValueError(f"images have the type {found.dtype}: expected floats from 0 to 1, as by images / 255")
    if not np.isfinite(found).all():
        raise ValueError("images hold NaN or infinity: expected numbers from 0 to 1; look where they come from")
    if found.min() < 0 or found.max() > 1:
        raise ValueError(
            f"images hold numbers from {found.min():g} to {found.max():g}: expected 0 to 1; scale or clip them"
        )
    return found.astype(np.float32)


@contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Run a model as it is when it is judged, and leave it as it was: the playground may be shown in mid-training."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _tensor(painted: Any, shape: torch.Size, name: str) -> torch.Tensor:
    try:
        found = torch.as_tensor(painted).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} returned {type(painted).__name__}: expected images {tuple(shape)}") from error
    if found.shape != shape:
        raise ValueError(f"{name} painted the shape {tuple(found.shape)}: expected that of the images, {tuple(shape)}")
    return found


def _listed(shape: tuple[int, ...]) -> str:
    return ", ".join(str(size) for size in shape)
