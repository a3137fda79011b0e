"""Answers to the exercises of notebook 05, written apart from the catalogues of the checks.

The catalogue cuts images by reshaping; here are loops over patches, convolutions and torch's own unfold.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

Tensor = torch.Tensor
RIGHT: dict[str, list[Any]] = {}
WRONG: dict[str, dict[str, list[Any]]] = {}
# What a student would have to write, in pieces; no verdict may hold one of them. (The second hint may.)
SOLUTIONS = {
    "patchify": ["permute(", "reshape(", "view(", "flatten(", "unfold(", "// patch_size", "* patch_size", "// P"],
    "tokens": ["torch.cat", "expand(", "cat([", "x @ w", "patches @", "+ positions", "dim=1"],
    "rollout": ["mean(", "torch.eye", "/ 2", "* 0.5", "@ flow", "+ I", "bmm"],
}

# ---- patchify ----


def cut(
    pixels: Callable[[Tensor], Tensor] = lambda square: square.flatten(1), down: bool = False
) -> Callable[[Tensor, int], Tensor]:
    """Write patchify with a loop over squares: how pixels (B, C, P, P) become a row, and which square comes next."""

    def patchify(images: Tensor, patch_size: int) -> Tensor:
        p, rows, columns = patch_size, images.shape[2] // patch_size, images.shape[3] // patch_size
        places = [(i, j) for i in range(rows) for j in range(columns)]
        places = sorted(places, key=lambda place: place[1]) if down else places
        squares = [images[:, :, i * p : (i + 1) * p, j * p : (j + 1) * p] for i, j in places]
        return torch.stack([pixels(square) for square in squares], dim=1)

    return patchify


def cut_by_view(images: Tensor, patch_size: int) -> Tensor:
    b, c, h, w = images.shape
    x = images.view(b, c, h // patch_size, patch_size, w // patch_size, patch_size).permute(0, 2, 4, 1, 3, 5)
    return x.reshape(b, (h // patch_size) * (w // patch_size), c * patch_size * patch_size)


def cut_by_convolution(images: Tensor, patch_size: int) -> Tensor:
    channels = images.shape[1]
    layer = nn.Conv2d(channels, channels * patch_size**2, patch_size, stride=patch_size, bias=False)
    layer.weight.data = torch.eye(channels * patch_size**2).unflatten(1, (channels, patch_size, patch_size))
    return layer(images).flatten(2).transpose(1, 2)


RIGHT["patchify"] = [
    cut_by_view,
    cut(),
    cut_by_convolution,
    lambda images, patch_size: F.unfold(images, patch_size, stride=patch_size).transpose(1, 2),
    lambda images, patch_size: cut()(images, patch_size).numpy(),
]
WRONG["patchify"] = {
    "reshape alone": [
        lambda images, patch_size: images.view(len(images), -1, images.shape[1] * patch_size * patch_size)
    ],
    "pixels transposed": [cut(lambda square: square.mT.flatten(1))],
    "patches by columns": [cut(down=True)],
    "all by columns": [lambda images, patch_size: cut()(images.mT, patch_size)],
    "channels last": [cut(lambda square: square.permute(0, 2, 3, 1).flatten(1))],
    "overlapping patches": [lambda images, patch_size: F.unfold(images, patch_size).transpose(1, 2)],
}

# ---- tokens ----


def sentences(
    order: Callable[[list[Tensor], Tensor], list[Tensor]] = lambda patches, front: [front, *patches],
    word: Callable[[Tensor, Tensor, Tensor], Tensor] = lambda patch, w, position: patch @ w + position,
) -> Callable[..., Tensor]:
    """Write tokens one by one: what becomes of a patch, and where the class token stands."""

    def tokens(patches: Tensor, w: Tensor, positions: Tensor, cls_token: Tensor) -> Tensor:
        rows = []
        for image in patches:
            words = [word(patch, w, position) for patch, position in zip(image, positions, strict=True)]
            rows.append(torch.stack(order(words, cls_token)))
        return torch.stack(rows)

    return tokens


def tokens_in_place(patches: Tensor, w: Tensor, positions: Tensor, cls_token: Tensor) -> Tensor:
    b, n, _ = patches.shape
    tokens = torch.zeros(b, 1 + n, len(cls_token))
    tokens[:, 0] = cls_token
    tokens[:, 1:] = torch.einsum("bne,ed->bnd", patches, w) + positions
    return tokens


def late_positions(patches: Tensor, w: Tensor, positions: Tensor, cls_token: Tensor) -> Tensor:
    x = torch.cat([cls_token.repeat(len(patches), 1, 1), patches @ w], 1)
    x[:, : len(positions)] += positions
    return x


RIGHT["tokens"] = [sentences(), tokens_in_place]
WRONG["tokens"] = {
    "class token last": [sentences(order=lambda patches, front: [*patches, front])],
    "class token added": [sentences(order=lambda patches, front: [patch + front for patch in patches])],
    "position on the class token": [late_positions],
    "positions before the projection": [sentences(word=lambda patch, w, position: (patch + position) @ w)],
    "projection transposed": [sentences(word=lambda patch, w, position: w @ patch + position)],
    "other": [lambda x, w, e, c: tokens_in_place(x, w, e, c) + torch.cat([2 * e[:1], 0 * e])],  # a position twice
}

# ---- rollout ----


def rolled(
    heads: Callable[[Tensor], Tensor] = lambda weights: weights.sum(1) / weights.shape[1],
    layer: Callable[[Tensor, Tensor], Tensor] = lambda mean, eye: (mean + eye) * 0.5,
    step: Callable[[Tensor, Tensor], Tensor] = lambda matrix, flow: torch.einsum("...ts,...sr->...tr", matrix, flow),
    end: Callable[[Tensor], Tensor] = lambda flow: flow,
) -> Callable[[list[Tensor]], Tensor]:
    """Write rollout as a loop over layers, with the parts that go wrong left open."""

    def rollout(maps: list[Tensor]) -> Tensor:
        eye = flow = torch.eye(maps[0].shape[-1])
        for weights in maps:
            flow = step(layer(heads(weights), eye), flow)
        return end(flow)

    return rollout


def rollout_by_sentences(maps: list[Tensor]) -> Tensor:
    b, _, t, _ = maps[0].shape
    result = torch.zeros(b, t, t)
    for image in range(b):
        for token in range(t):
            holds = torch.zeros(t)
            holds[token] = 1
            for weights in reversed(maps):  # from the last layer down: who passed on what this token holds?
                holds = holds / 2 + holds @ weights[image].mean(0) / 2
            result[image, token] = holds
    return result


def rollout_renormalized(maps: list[Tensor]) -> Tensor:
    flow = torch.eye(maps[0].shape[-1], dtype=torch.float32).double().expand(len(maps[0]), -1, -1)
    for weights in maps:
        a = weights.mean(dim=1) + torch.eye(weights.shape[-1])
        flow = torch.bmm(a / a.sum(dim=-1, keepdim=True), flow)
    return flow


RIGHT["rollout"] = [
    rolled(),
    rollout_by_sentences,
    rollout_renormalized,
    lambda maps: rolled()(maps).float().numpy(),
]
WRONG["rollout"] = {
    "residual connection once": [
        rolled(layer=lambda mean, eye: mean, end=lambda flow: flow * 0.5 + 0.5 * torch.eye(flow.shape[2])),
        rolled(layer=lambda mean, eye: mean, end=lambda flow: flow + torch.eye(flow.shape[2])),
    ],
    "not halved": [rolled(layer=lambda mean, eye: mean / 2 + eye), rolled(layer=lambda mean, eye: eye + mean)],
    "wrong order": [rolled(step=lambda matrix, flow: flow @ matrix)],
    "elementwise product": [rolled(step=lambda matrix, flow: matrix * flow)],
    "heads not averaged": [rolled(heads=lambda weights: weights.max(dim=1).values)],
    "heads kept apart": [rolled(heads=lambda weights: weights, end=lambda flow: flow.sum(1) / flow.shape[1])],
    "only the last layer": [rolled(step=lambda matrix, flow: matrix)],
    "error": [lambda maps: maps["first"]],  # type: ignore[call-overload]
}
