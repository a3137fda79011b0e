"""Answers to the exercises of notebook 05, right and wrong, written apart from the catalogues of the checks.

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
    "patchify": ["permute(", "reshape(", "view(", "flatten(", "unfold(", "// side", "* side", "// P"],
    "tokens": ["torch.cat", "expand(", "cat([", "x @ w", "patches @", "+ positions", "dim=1"],
    "rollout": ["mean(", "torch.eye", "/ 2", "* 0.5", "@ flow", "+ I", "bmm"],
}

# ---- patchify ----


def cut(
    pixels: Callable[[Tensor], Tensor] = lambda square: square.flatten(1),
    step: Callable[[int], int] = lambda side: side,
    down: bool = False,
) -> Callable[[Tensor, int], Tensor]:
    """Write patchify with a loop over squares: how pixels (B, C, P, P) become a row, and which square comes next."""

    def patchify(images: Tensor, side: int) -> Tensor:
        rows, columns = images.shape[2] // side, images.shape[3] // side
        places = [(i, j) for i in range(rows) for j in range(columns)]
        places = sorted(places, key=lambda place: place[1]) if down else places
        squares = [
            images[:, :, i * step(side) : i * step(side) + side, j * step(side) : j * step(side) + side]
            for i, j in places
        ]
        return torch.stack([pixels(square) for square in squares], dim=1)

    return patchify


def cut_by_view(images: Tensor, side: int) -> Tensor:
    b, c, h, w = images.shape
    x = images.view(b, c, h // side, side, w // side, side).permute(0, 2, 4, 1, 3, 5)
    return x.reshape(b, (h // side) * (w // side), c * side * side)


def cut_by_convolution(images: Tensor, side: int) -> Tensor:
    channels = images.shape[1]
    layer = nn.Conv2d(channels, channels * side**2, side, stride=side, bias=False, dtype=torch.float64)
    layer.weight.data = torch.eye(channels * side**2).double().unflatten(1, (channels, side, side))
    return layer(images).flatten(2).transpose(1, 2)


def cut_pixel_by_pixel(images: Tensor, side: int) -> list[Any]:
    _, channels, height, width = images.shape
    return [
        [
            [image[c, i + p, j + q].item() for c in range(channels) for p in range(side) for q in range(side)]
            for i in range(0, height, side)
            for j in range(0, width, side)
        ]
        for image in images
    ]


def wide(images: Tensor, side: int) -> Tensor:
    return torch.stack([strip.flatten(1) for strip in images.split(side, dim=2)], dim=1)


def strips_of_each_channel(images: Tensor, side: int) -> Tensor:
    runs = [channel.reshape(len(images), -1, side * side) for channel in images.unbind(1)]
    return torch.cat(runs, dim=2)


def channel_by_channel(images: Tensor, side: int) -> Tensor:
    each = [cut()(images[:, c : c + 1], side) for c in range(images.shape[1])]
    return torch.cat(each, dim=1)


def mixed_batch(images: Tensor, side: int) -> Tensor:
    patches = cut()(images, side)
    return torch.stack([patches[:, n] for n in range(patches.shape[1])]).view(patches.shape)


def halves_exchanged(images: Tensor, side: int) -> Tensor:
    b, c, h, w = images.shape
    x = images.view(b, c, w // side, side, h // side, side).transpose(3, 4)  # (B, C, "rows", "columns", P, P)
    return torch.stack([x[:, :, i, j].flatten(1) for i in range(w // side) for j in range(h // side)], 1)


def so_many_patches(images: Tensor, side: int) -> Tensor:
    bands = images.chunk(side, dim=2)
    return torch.stack([square.flatten(1) for band in bands for square in band.chunk(side, dim=3)], 1)


def combs(images: Tensor, side: int) -> Tensor:
    rows, columns = images.shape[2] // side, images.shape[3] // side
    return torch.stack([images[:, :, i::rows, j::columns].flatten(1) for i in range(rows) for j in range(columns)], 1)


RIGHT["patchify"] = [
    cut_by_view,
    cut(),
    cut_by_convolution,
    cut_pixel_by_pixel,
    lambda images, side: F.unfold(images, side, stride=side).transpose(1, 2),
    lambda images, side: images.unfold(2, side, side).unfold(3, side, side).movedim(1, 3).flatten(3).flatten(1, 2),
    lambda images, side: cut()(images, side).numpy(),
]
WRONG["patchify"] = {
    "reshape alone": [
        lambda images, side: images.view(len(images), -1, images.shape[1] * side * side),
        lambda images, side: torch.stack(images.flatten(1).split(images.shape[1] * side**2, dim=1), 1),
    ],
    "pixels transposed": [cut(lambda square: square.mT.flatten(1))],
    "patches by columns": [
        cut(down=True),
        lambda images, side: cut(lambda square: square.mT.flatten(1))(images.mT, side),
    ],
    "all by columns": [
        cut(lambda square: square.mT.flatten(1), down=True),
        lambda images, side: cut()(images.mT, side),
    ],
    "channels last": [cut(lambda square: square.permute(0, 2, 3, 1).flatten(1))],
    "strips of rows": [wide],
    "strips of rows: cut again": [lambda images, side: wide(images, side).view(cut()(images, side).shape)],
    "strips of pixels": [strips_of_each_channel],
    "channels as patches": [channel_by_channel],
    "channels as patches: joined": [
        lambda images, side: channel_by_channel(images, side).view(cut()(images, side).shape)
    ],
    "batch mixed in": [mixed_batch],
    "rows and columns swapped": [halves_exchanged],
    "side taken for the number of patches": [so_many_patches],
    "every n-th pixel": [combs],
    "overlapping patches": [cut(step=lambda side: 1)],
    "overlapping patches: one at every pixel": [
        lambda images, side: F.unfold(images, side).transpose(1, 2),
        lambda images, side: images.unfold(2, side, 1).unfold(3, side, 1).movedim(1, 3).flatten(3).flatten(1, 2),
    ],
    "patches in the last dimension": [
        lambda images, side: cut()(images, side).transpose(1, 2),
        lambda images, side: F.unfold(images, kernel_size=(side, side), stride=side),
    ],
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


def tokens_by_cat(patches: Tensor, w: Tensor, positions: Tensor, cls_token: Tensor) -> Tensor:
    front = cls_token.expand(len(patches), 1, -1)
    return torch.cat([front, patches @ w + positions], dim=1)


def tokens_in_place(patches: Tensor, w: Tensor, positions: Tensor, cls_token: Tensor) -> Tensor:
    b, n, _ = patches.shape
    tokens = torch.zeros(b, 1 + n, len(cls_token), dtype=w.dtype)
    tokens[:, 0] = cls_token
    tokens[:, 1:] = torch.einsum("bne,ed->bnd", patches, w) + positions
    return tokens


def tokens_by_linear(patches: Tensor, w: Tensor, positions: Tensor, cls_token: Tensor) -> Tensor:
    layer = nn.Linear(w.shape[0], w.shape[1], bias=False, dtype=w.dtype)
    layer.weight.data = w.T
    front = cls_token[None, None].repeat(len(patches), 1, 1)
    return torch.cat((front, layer(patches) + positions[None]), 1)


def each_its_own(patches: Tensor, w: Tensor, positions: Tensor, cls_token: Tensor) -> Tensor:
    words = torch.stack([image @ w + positions[b] for b, image in enumerate(patches)])
    return torch.cat([cls_token.repeat(len(words), 1, 1), words], 1)


def late_positions(patches: Tensor, w: Tensor, positions: Tensor, cls_token: Tensor) -> Tensor:
    x = torch.cat([cls_token.repeat(len(patches), 1, 1), patches @ w], 1)
    x[:, : len(positions)] += positions
    return x


def first_image(patches: Tensor, w: Tensor, positions: Tensor, cls_token: Tensor) -> Tensor:
    tokens = tokens_in_place(patches, w, positions, cls_token)
    tokens[1:, 0] = 0
    return tokens


def over_the_first(patches: Tensor, w: Tensor, positions: Tensor, cls_token: Tensor) -> Tensor:
    x = patches @ w + positions
    x[:, 0] = cls_token
    return x


def all_projected(patches: Tensor, w: Tensor, positions: Tensor, cls_token: Tensor) -> Tensor:
    x = torch.cat([cls_token.repeat(len(patches), 1, 1), patches], 1) @ w
    x[:, 1:] += positions
    return x


RIGHT["tokens"] = [tokens_by_cat, sentences(), tokens_in_place, tokens_by_linear]
WRONG["tokens"] = {
    "class token last": [
        sentences(order=lambda patches, front: [*patches, front]),
        lambda x, w, e, c: torch.cat([x @ w + e, c.repeat(len(x), 1, 1)], 1),
    ],
    "class token missing": [sentences(order=lambda patches, front: patches)],
    "class token added": [sentences(order=lambda patches, front: [patch + front for patch in patches])],
    "class token in place of a patch": [over_the_first],
    "class token in the first image only": [first_image],
    "class token as an image": [lambda x, w, e, c: torch.cat((c.repeat(1, x.shape[1], 1), x @ w + e), 0)],
    "class token through the projection": [all_projected],
    "position on the class token": [late_positions],
    "position on the class token: the first one": [
        lambda x, w, e, c: torch.cat([c.repeat(len(x), 1, 1), x @ w], 1) + torch.cat([e[:1], e]),
    ],
    "position on the class token: the last one": [
        lambda x, w, e, c: torch.cat([c.repeat(len(x), 1, 1), x @ w], 1) + e[torch.arange(-1, len(e))],
    ],
    "positions missing": [sentences(word=lambda patch, w, position: patch @ w)],
    "positions multiplied": [sentences(word=lambda patch, w, position: patch @ w * position)],
    "positions along the batch": [each_its_own],
    "positions along the batch: all of them": [
        lambda x, w, e, c: torch.cat([c.repeat(len(x), 1, 1), F.linear(x, w.T) + e.unsqueeze(1)], 1),
    ],
    "positions before the projection": [sentences(word=lambda patch, w, position: (patch + position) @ w)],
    "projection missing": [
        sentences(word=lambda patch, w, position: patch + position),
    ],
    "projection transposed": [
        sentences(word=lambda patch, w, position: w @ patch + position),
        lambda x, w, e, c: torch.cat([c.repeat(len(x), 1, 1), F.linear(x, w) + e], 1),
    ],
}

# ---- rollout ----


def rolled(
    heads: Callable[[Tensor], Tensor] = lambda weights: weights.sum(1) / weights.shape[1],
    layer: Callable[[Tensor, Tensor], Tensor] = lambda mean, eye: (mean + eye) * 0.5,
    step: Callable[[Tensor, Tensor], Tensor] = lambda matrix, flow: torch.einsum("...ts,...sr->...tr", matrix, flow),
    start: Callable[[Tensor], Tensor] = lambda eye: eye,
    end: Callable[[Tensor], Tensor] = lambda flow: flow,
) -> Callable[[list[Tensor]], Tensor]:
    """Write rollout as a loop over layers, with the parts that go wrong left open."""

    def rollout(maps: list[Tensor]) -> Tensor:
        eye = torch.eye(maps[0].shape[-1]).double()
        flow = start(eye)
        for weights in maps:
            flow = step(layer(heads(weights), eye), flow)
        return end(flow)

    return rollout


def rollout_by_sentences(maps: list[Tensor]) -> Tensor:
    b, _, t, _ = maps[0].shape
    result = torch.zeros(b, t, t).double()
    for image in range(b):
        for token in range(t):
            holds = torch.zeros(t).double()
            holds[token] = 1
            for weights in reversed(maps):  # from the last layer down: who passed on what this token holds?
                holds = holds / 2 + holds @ weights[image].mean(0) / 2
            result[image, token] = holds
    return result


def rollout_renormalized(maps: list[Tensor]) -> Tensor:
    flow = None
    for weights in maps:
        a = weights.mean(dim=1) + torch.eye(weights.shape[-1])
        a = a / a.sum(dim=-1, keepdim=True)
        flow = a if flow is None else torch.bmm(a, flow)
    assert flow is not None
    return flow


def rollout_with_copies(maps: list[Tensor]) -> Any:
    stack = torch.stack(maps).mean(2)  # (L, B, T, T)
    stack.diagonal(dim1=-2, dim2=-1).add_(1)
    result = stack[0]
    for each in stack[1:]:
        result = each.matmul(result)
    return (result / 2 ** len(stack)).numpy()


def rollout_with_new_identities(maps: list[Tensor]) -> Tensor:
    flow = torch.eye(maps[0].shape[-1])
    for weights in maps:
        flow = (weights.mean(dim=1) + torch.eye(weights.shape[-1])) / 2 @ flow
    return flow


def per_layer(maps: list[Tensor]) -> list[Tensor]:
    return [rolled()([weights]).expand(len(weights), -1, -1) for weights in maps]


RIGHT["rollout"] = [
    rolled(),
    rollout_by_sentences,
    rollout_renormalized,
    rollout_with_copies,
    rollout_with_new_identities,
]
WRONG["rollout"] = {
    "no shortcut": [rolled(layer=lambda mean, eye: mean)],
    "shortcut once": [
        lambda maps: rolled(layer=lambda mean, eye: mean)(maps) * 0.5 + 0.5 * torch.eye(maps[0].shape[2]).double()
    ],
    "not halved": [rolled(layer=lambda mean, eye: eye + mean)],
    "halved once": [rolled(layer=lambda mean, eye: mean + eye, end=lambda flow: flow / 2)],
    "only the attention halved": [rolled(layer=lambda mean, eye: mean / 2 + eye)],
    "only the shortcut halved": [rolled(layer=lambda mean, eye: mean + eye / 2)],
    "a one everywhere": [
        rolled(layer=lambda mean, eye: (mean + 1) / 2),
        rolled(layer=lambda mean, eye: torch.lerp(mean, torch.ones_like(mean), 0.5)),
    ],
    "wrong order": [
        rolled(step=lambda matrix, flow: flow @ matrix),
        lambda maps: rollout_by_sentences(list(reversed(maps))),
    ],
    "turned": [rolled(end=lambda flow: flow.transpose(-1, -2))],
    "maps turned": [rolled(heads=lambda weights: weights.mean(1).transpose(1, 2))],
    "elementwise product": [rolled(step=lambda matrix, flow: matrix * flow, start=lambda eye: torch.ones_like(eye))],
    "elementwise product: from the identity": [rolled(step=lambda matrix, flow: matrix * flow)],
    "begins with zeros": [rolled(start=lambda eye: 0 * eye)],
    "heads multiplied": [rolled(heads=lambda weights: torch.stack(weights.unbind(1)).prod(0))],
    "heads summed": [rolled(heads=lambda weights: torch.einsum("bhts->bts", weights))],
    "the largest head": [rolled(heads=lambda weights: weights.max(dim=1).values)],
    "one head only": [rolled(heads=lambda weights: weights.unbind(1)[0])],
    "heads kept apart": [rolled(heads=lambda weights: weights)],
    "heads averaged at the end": [rolled(heads=lambda weights: weights, end=lambda flow: flow.sum(1) / flow.shape[1])],
    "mean over the batch": [rolled(heads=lambda weights: weights.mean(dim=0))],
    "sum over layers": [lambda maps: sum(per_layer(maps))],
    "mean over layers": [lambda maps: sum(per_layer(maps)) / len(maps)],
    "only the last layer": [rolled(step=lambda matrix, flow: matrix), lambda maps: per_layer(maps)[-1]],
    "only the last layer: its map": [lambda maps: torch.einsum("bhts->bts", maps[-1]) / maps[-1].shape[1]],
    "only the first layer": [lambda maps: rollout_renormalized(maps[:1])],
}
