"""The exercises of notebook 05: images cut into patches, patches made into tokens, attention through layers."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import torch
import torch.nn.functional as F

from lecturelib.checks.exercise import Exercise, Sized, normal

Tensor = torch.Tensor

# ---- patches ----


def _images(b: int, c: int, rows: int, columns: int, patch_size: int, seed: int) -> tuple[Tensor, int]:
    """Images whose pixels are numbered."""
    shape = (b, c, rows * patch_size, columns * patch_size)
    return torch.arange(float(shape[0] * shape[1] * shape[2] * shape[3])).view(shape).double(), patch_size


def _in_order(*order: int) -> Callable[[Tensor, int], Tensor]:
    """Cut into (B, C, rows, P, columns, P), put these dimensions in an order, and call the result (B, N, C P P)."""

    def patchify(images: Tensor, patch_size: int) -> Tensor:
        b, c, height, width = images.shape
        cut = images.reshape(b, c, height // patch_size, patch_size, width // patch_size, patch_size)
        return cut.permute(order).reshape(b, height * width // patch_size**2, -1)

    return patchify


check_patchify = Exercise(
    name="patchify",
    reference=lambda images, patch_size: F.unfold(images, patch_size, stride=patch_size).mT,
    # the last images are square
    probes=Sized(_images, [(2, 3, 5, 7, 2, 1), (5, 2, 3, 2, 3, 1), (2, 3, 5, 5, 3, 1)]),
    imitations={
        "reshape alone": _in_order(0, 1, 2, 3, 4, 5),
        "pixels transposed": _in_order(0, 2, 4, 1, 5, 3),
        "patches by columns": _in_order(0, 4, 2, 1, 3, 5),
        "all by columns": _in_order(0, 4, 2, 1, 5, 3),
        "channels last": _in_order(0, 2, 4, 3, 5, 1),
        "strips of rows": (
            lambda images, patch_size: images.unflatten(2, (-1, patch_size)).transpose(1, 2).flatten(2),
            _in_order(0, 2, 1, 3, 4, 5),
        ),
        "channels as patches": (
            lambda images, patch_size: (
                _in_order(0, 1, 2, 4, 3, 5)(images, patch_size).unflatten(2, (-1, patch_size**2)).flatten(1, 2)
            ),
            _in_order(0, 1, 2, 4, 3, 5),
        ),
        "overlapping patches": lambda images, patch_size: F.unfold(images, patch_size).mT,
        "patches in the last dimension": lambda images, patch_size: F.unfold(images, patch_size, stride=patch_size),
    },
    says="""
        reshape alone: You cut the numbers as they lie in memory. There the first C P P numbers are the upper rows of
            the first channel, not a square. Which dimensions must change places first?
        pixels transposed: Your patches are the right squares, but each is turned: its pixels come column by column. A
            model still trains with that; the way back into an image must make the same turn.
        patches by columns: You number the squares by columns. The second patch should stand right of the first.
        all by columns: You number the patches by columns, and their pixels too. In both cases rows come first.
        channels last: Your patches are the right squares, but the channels of a pixel stand side by side. Here all
            pixels of the first channel come first, then those of the second.
        strips of rows: You cut the height only: a patch is a piece of a strip as wide as the image. Who cuts the width?
        channels as patches: Your channels number the patches. A row should hold one square of all channels.
        overlapping patches: Your patches overlap. The next one should begin where this one ends.
        patches in the last dimension: Your patches are right, but they stand in columns. A token is a row.
        right: It equals torch's unfold, also where an image is wider than high or has two channels.
        hint 1: Split the height into (rows of patches, P) and the width into (columns of patches, P): six dimensions.
            Write their names down. Which two number a patch, and which three number a pixel in it?
        hint 2: images.reshape(B, C, rows, P, columns, P).permute(0, 2, 4, 1, 3, 5) is (B, rows, columns, C, P, P); a
            last reshape joins two and three of these.
    """,
)

# ---- tokens ----


def _patches(b: int, n: int, e: int, d: int, seed: int) -> tuple[Tensor, ...]:
    return normal(seed, (b, n, e), (e, d), (n, d), (d,))


def _in_front(tokens: Tensor, cls_token: Tensor) -> Tensor:
    return torch.cat([cls_token.expand(len(tokens), 1, -1), tokens], dim=1)


check_tokens = Exercise(
    name="tokens",
    reference=lambda patches, w, positions, cls_token: torch.stack(
        [torch.stack([cls_token, *(w.T.mv(x) + e for x, e in zip(image, positions, strict=True))]) for image in patches]
    ),
    # in the second a patch is as wide as a token, in the third there are as many images as patches
    probes=Sized(_patches, [(2, 7, 5, 3, 1), (3, 5, 7, 7, 2), (5, 5, 2, 3, 3)]),
    imitations={
        "class token last": lambda x, w, e, c: _in_front((x @ w + e).flip(1), c).flip(1),
        "class token missing": lambda x, w, e, c: x @ w + e,
        "class token added": lambda x, w, e, c: x @ w + e + c,
        "class token in place of a patch": lambda x, w, e, c: _in_front((x @ w + e)[:, 1:], c),
        "position on the class token": (
            lambda x, w, e, c: _in_front(x @ w, c) + F.pad(e, (0, 0, 0, 1)),
            lambda x, w, e, c: _in_front(x @ w + e, c + e[0]),
            lambda x, w, e, c: _in_front(x @ w + e, c + e[-1]),
        ),
        "positions missing": lambda x, w, e, c: _in_front(x @ w, c),
        "positions along the batch": (
            lambda x, w, e, c: _in_front(x @ w + e[: len(x), None], c),
            lambda x, w, e, c: _in_front(x @ w + e[:, None], c),
        ),
        "positions before the projection": lambda x, w, e, c: _in_front((x + e) @ w, c),
        "projection transposed": lambda x, w, e, c: _in_front(x @ w.T + e, c),
    },
    says="""
        class token last: Your class token stands behind the patches. It should come first: its place is always 0.
        class token missing: Your patches are right. The class token is missing: one token more for each image.
        class token added: You add the class token to every patch. It is a token of its own: there are 1 + N.
        class token in place of a patch: Your class token has replaced the first patch. 1 + N tokens are needed.
        position on the class token: Your class token has a position. It needs none, as it stands nowhere in the image:
            positions belong to the patches, the first one to the first.
        positions missing: Your tokens have no positions: the patches might stand in any order.
        positions along the batch: All patches of an image get the same position. Which dimension numbers the patches?
        positions before the projection: You add the positions to the pixels, before the projection. It runs only where
            a patch has as many numbers as a token. Positions have the width D: where does that begin?
        projection transposed: You multiply with the transposed matrix, as nn.Linear keeps it. Here w is (E, D).
        right: Each image is a sentence of 1 + N tokens now: the rest is the encoder that you know.
        hint 1: Three steps, and the order matters: project the patches, (B, N, D); add the positions of the N patches;
            put the class token in front, (B, 1 + N, D). Write the shape beside each line.
        hint 2: cls_token.expand(B, 1, D) is the same token for each image; torch.cat([front, x], dim=1) puts it before
            x = patches @ w + positions.
    """,
)

# ---- rollout ----


def _maps(num_layers: int, b: int, num_heads: int, t: int, seed: int) -> tuple[list[Tensor]]:
    """Maps with rows that sum to 1, one for each layer."""
    return ([(2 * each).softmax(-1) for each in normal(seed, *[(b, num_heads, t, t)] * num_layers)],)


def _eye(maps: list[Tensor]) -> Tensor:
    return torch.eye(maps[0].shape[-1], dtype=torch.float64)


def _layer(
    heads: Callable[[Tensor], Tensor] = lambda w: w.mean(1), share: float = 0.5, residual: float = 0.5
) -> Callable[[Tensor], Tensor]:
    """One layer's share of attention, and of the residual connection."""
    return lambda weights: share * heads(weights) + residual * torch.eye(weights.shape[-1], dtype=weights.dtype)


def _followed(layer: Callable[[Tensor], Tensor]) -> Callable[[list[Tensor]], Tensor]:
    """The product of all layers, the last one in front."""
    return lambda maps: reduce(lambda flow, weights: layer(weights) @ flow, maps[1:], layer(maps[0]))


def _layers(maps: list[Tensor]) -> Tensor:
    return torch.stack([_layer()(weights) for weights in maps])


def _rolled_out(maps: list[Tensor]) -> Tensor:
    layers = [(sum(weights.unbind(1)) / weights.shape[1] + _eye(maps)) / 2 for weights in maps]
    images = zip(*layers, strict=True)  # for each image its layers, the first one first
    return torch.stack([reduce(torch.mm, reversed(image)) for image in images])


check_rollout = Exercise(
    name="rollout",
    reference=_rolled_out,
    probes=Sized(_maps, [(3, 2, 3, 5, 1), (2, 5, 2, 7, 2), (5, 3, 7, 2, 3)]),
    imitations={
        "no residual connection": _followed(_layer(share=1.0, residual=0.0)),
        "residual connection once": (
            lambda maps: (_followed(_layer(share=1.0, residual=0.0))(maps) + _eye(maps)) / 2,
            lambda maps: _followed(_layer(share=1.0, residual=0.0))(maps) + _eye(maps),
        ),
        "not halved": (
            _followed(_layer(share=1.0, residual=1.0)),
            lambda maps: _followed(_layer(share=1.0, residual=1.0))(maps) / 2,
            _followed(_layer(residual=1.0)),
            _followed(_layer(share=1.0)),
        ),
        "wrong order": lambda maps: _followed(_layer())(maps[::-1]),
        "turned": lambda maps: _followed(_layer())(maps).mT,
        "elementwise product": (lambda maps: _layers(maps).prod(0), lambda maps: _layers(maps).prod(0) * _eye(maps)),
        "heads not averaged": (
            _followed(_layer(lambda w: w.prod(1))),
            _followed(_layer(lambda w: w.sum(1))),
            _followed(_layer(lambda w: w.amax(1))),
        ),
        "one head only": _followed(_layer(lambda w: w[:, 0])),
        "heads kept apart": (_followed(_layer(lambda w: w)), lambda maps: _followed(_layer(lambda w: w))(maps).mean(1)),
        "layers not multiplied": (lambda maps: _layers(maps).sum(0), lambda maps: _layers(maps).mean(0)),
        "only the last layer": (lambda maps: _layer()(maps[-1]), lambda maps: maps[-1].mean(1)),
    },
    says="""
        no residual connection: Your product has no residual connection in it: a token would keep nothing of itself but
            what it attends to. Half of each layer is the identity.
        residual connection once: Your residual connection leads around all layers at once. Each layer has its own.
        not halved: Your rows do not sum to 1. In each layer attention and identity count one half each.
        wrong order: Your layers are in the wrong order. A row of the last layer says which of its inputs a token takes:
            what it multiplies must be what these inputs hold, so the last layer stands on the left.
        turned: Your result is turned: rows should be the last tokens, columns the first ones, and rows sum to 1.
        elementwise product: You multiply number by number. A token holds another by way of all between: a sum.
        heads not averaged: You join the heads of a layer, but not by their mean: its rows no longer sum to 1.
        one head only: You follow the first head only. All heads of a layer count, by their mean.
        heads kept apart: You follow each head by itself. But a layer mixes what its heads found: average in each layer.
        layers not multiplied: You add the layers. They work one after the other, so their matrices are multiplied.
        only the last layer: Your result is that of the last layer alone. Its tokens are mixtures already: of what?
        right: Its rows sum to 1: how much of each patch a token may hold at the end, by the maps alone.
        hint 1: For each layer one matrix (B, T, T) whose rows sum to 1: half the mean of its heads, half the identity.
            Then multiply them, beginning below. On which side does the next layer stand?
        hint 2: flow = torch.eye(T); for each map: flow = (map.mean(dim=1) + torch.eye(T)) / 2 @ flow.
    """,
)
