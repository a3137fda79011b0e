"""What the kernel answers to the patch playground: where a network looks, and how hidden patches are painted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

from lecturelib.attention import record_attention
from lecturelib.explanations import attention_rollout, occlusion
from lecturelib.mae import MaskedAutoencoder, reconstruction_loss
from lecturelib.vision import VisionTransformer, patchify, unpatchify

# Paints (1, C, height, width) with mask (1, N), True = hidden; returns images of the same shape.
Painter = MaskedAutoencoder | Callable[[torch.Tensor, torch.Tensor], Any]


class Looked(NamedTuple):
    """What a network makes of one image.

    Shapes: probabilities (classes,), maps (L, H, 1 + N, N), rollout (1 + N, N), occlusion (N,). The first row of a map
    is where that looks which the class is read from: the class token, or all patches in the mean.
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
    weights = [each.weights for each in recorded.values()]  # each (1, H, T, T)
    maps, rollout = torch.cat(weights), attention_rollout(weights)[0]
    if model.cls_token is None:
        maps, rollout = (torch.cat([each.mean(-2, keepdim=True), each], -2) for each in (maps, rollout))
    else:
        maps, rollout = maps[..., 1:], rollout[..., 1:]
    return Looked(*(each.double().cpu().numpy() for each in (probabilities[0], maps, rollout, drops[0])))


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
        pixels = torch.as_tensor(painter(images.clone(), hidden.clone())).detach()
    if pixels.shape != images.shape or not torch.isfinite(pixels).all():
        raise ValueError(
            f"{name} painted the shape {tuple(pixels.shape)}: expected that of the images, {tuple(images.shape)}, and "
            "no NaN; look into what it returns"
        )
    pixels = pixels.cpu().float().clamp(0, 1)
    target = patchify(images, patch_size)  # (1, N, C P P)
    seen = target[~hidden].unflatten(1, (image.shape[0], -1)).mean(dim=(0, 2))  # (C,): one color
    mean = patchify(seen[:, None, None].expand_as(images[0])[None], patch_size)
    return Painted(
        pixels[0].numpy(),
        reconstruction_loss(patchify(pixels, patch_size), target, hidden).item(),
        reconstruction_loss(mean, target, hidden).item(),
    )


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
