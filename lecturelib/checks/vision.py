"""The exercises of notebook 05: images cut into patches, patches made into tokens, attention through layers."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F

from lecturelib.checks.exercise import Exercise, Mistake, in_float64, normal

Tensor = torch.Tensor

# ---- patches ----


def _image(b: int, c: int, rows: int, columns: int, patch_size: int, seed: int) -> tuple[Tensor, int]:
    return normal(seed, (b, c, rows * patch_size, columns * patch_size))[0], patch_size


def _in_order(*order: int) -> Callable[[Tensor, int], Tensor]:
    """Cut into (B, C, rows, P, columns, P), put these dimensions in an order, and call the result (B, N, C P P)."""

    def patchify(images: Tensor, patch_size: int) -> Tensor:
        b, c, height, width = images.shape
        cut = images.reshape(b, c, height // patch_size, patch_size, width // patch_size, patch_size)
        return cut.permute(order).reshape(b, height * width // patch_size**2, -1)

    return patchify


def _cut_as(shape: Callable[[int, int, int], tuple[int, ...]], *order: int) -> Callable[[Tensor, int], Tensor]:
    """Split height and width into `shape(height, width, side)`, and join the dimensions in an order: two and three."""

    def patchify(images: Tensor, patch_size: int) -> Tensor:
        b, c, height, width = images.shape
        cut = images.reshape(b, c, *shape(height, width, patch_size)).permute(order)
        return cut.flatten(3).flatten(1, 2)

    return patchify


def _overlapping(images: Tensor, patch_size: int) -> Tensor:
    rows, columns = (size // patch_size for size in images.shape[2:])
    every = images.unfold(2, patch_size, 1).unfold(3, patch_size, 1)  # (B, C, i, j, P, P): a square at every pixel
    return every[:, :, :rows, :columns].permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)


_PATCHES: dict[str, tuple[str, Callable[[Tensor, int], Any]]] = {
    "reshape alone": (
        "You cut the numbers as they lie in memory. There the first C P P numbers are the upper rows of the first "
        "channel, not a square. Which dimensions must change places first?",
        _in_order(0, 1, 2, 3, 4, 5),
    ),
    "pixels transposed": (
        "Your patches are the right squares, but each is turned: its pixels come column by column. A model still "
        "trains with that; the way back into an image must make the same turn.",
        _in_order(0, 2, 4, 1, 5, 3),
    ),
    "patches by columns": (
        "Your patches are the right squares, but you number them column by column. The second patch should stand to "
        "the right of the first.",
        _in_order(0, 4, 2, 1, 3, 5),
    ),
    "all by columns": (
        "You number the patches column by column, and their pixels too: so one cuts the image when it lies on its "
        "side. In both cases rows come first.",
        _in_order(0, 4, 2, 1, 5, 3),
    ),
    "channels last": (
        "Your patches are the right squares, but the channels of a pixel stand side by side. Here all pixels of the "
        "first channel come first, then those of the second.",
        _in_order(0, 2, 4, 3, 5, 1),
    ),
    "strips of rows": (
        "You cut the height only: your patches are as wide as the image. Who cuts the width?",
        lambda images, patch_size: images.unflatten(2, (-1, patch_size)).transpose(1, 2).flatten(2),
    ),
    "strips of rows: cut again": (
        "You move the rows of patches forward and leave the columns where they are. The shape fits, but a patch is a "
        "piece of a strip as wide as the image, not a square.",
        _in_order(0, 2, 1, 3, 4, 5),
    ),
    "strips of pixels": (
        "In each channel, your patch is a strip of P P pixels that follow each other in a row. A square takes P "
        "pixels of a row, and goes on in the next row.",
        lambda images, patch_size: images.flatten(2).unflatten(2, (-1, patch_size**2)).transpose(1, 2).flatten(2),
    ),
    "channels as patches": (
        "You have C times as many patches as there should be: each channel has its own. A patch holds all channels of "
        "its square.",
        lambda images, patch_size: (
            _in_order(0, 1, 2, 4, 3, 5)(images, patch_size).unflatten(2, (-1, patch_size**2)).flatten(1, 2)
        ),
    ),
    "channels as patches: joined": (
        "Your channels stand before the patches when the dimensions are joined, so a row holds several squares of one "
        "channel. It should hold one square of all channels.",
        _in_order(0, 1, 2, 4, 3, 5),
    ),
    "batch mixed in": (
        "Your patches stand before the batch when the dimensions are joined, so the squares of different images end "
        "up in one. The batch stays in front.",
        _in_order(2, 4, 0, 1, 3, 5),
    ),
    "rows and columns swapped": (
        "You split the height into as many parts as the width has patches, and the other way around. It is right for "
        "square images only: which of the two is dimension 2?",
        _cut_as(
            lambda height, width, patch_size: (width // patch_size, patch_size, height // patch_size, patch_size),
            0,
            2,
            4,
            1,
            3,
            5,
        ),
    ),
    "side taken for the number of patches": (
        "You cut the image into P times P patches. P is the side of a patch in pixels, not their number.",
        _cut_as(
            lambda height, width, patch_size: (patch_size, height // patch_size, patch_size, width // patch_size),
            0,
            2,
            4,
            1,
            3,
            5,
        ),
    ),
    "every n-th pixel": (
        "Your patches are combs: their pixels stand far apart in the image. Where the height is split into two "
        "dimensions, the last of them runs over neighbours. Which of the two should that be?",
        _cut_as(
            lambda height, width, patch_size: (patch_size, height // patch_size, patch_size, width // patch_size),
            0,
            3,
            5,
            1,
            2,
            4,
        ),
    ),
    "overlapping patches": (
        "Your patches overlap: each begins one pixel after the one before, so most of the image is never seen. Where "
        "does patch n begin?",
        _overlapping,
    ),
    "overlapping patches: one at every pixel": (
        "You have a patch at every pixel, and they overlap. The next one should begin where this one ends.",
        lambda images, patch_size: F.unfold(images, patch_size).mT,
    ),
    "patches in the last dimension": (
        "Your patches are right, but they stand in the columns: (B, C P P, N). A token is a row.",
        lambda images, patch_size: F.unfold(images, patch_size, stride=patch_size),
    ),
}

check_patchify = Exercise(
    name="patchify",
    reference=lambda images, patch_size: F.unfold(images, patch_size, stride=patch_size).mT,
    # the last images are square
    probes=[_image(2, 3, 5, 7, 2, 1), _image(5, 2, 3, 2, 3, 2), _image(2, 3, 5, 5, 3, 3)],
    mistakes=[Mistake(name, says, imitate) for name, (says, imitate) in _PATCHES.items()],
    hint_texts=[
        "Split the height into (rows of patches, P) and the width into (columns of patches, P): six dimensions. Write "
        "their names down. Which two number a patch, and which three number a pixel in it?",
        "images.reshape(B, C, rows, P, columns, P).permute(0, 2, 4, 1, 3, 5) is (B, rows, columns, C, P, P); a last "
        "reshape joins two and three of these.",
    ],
    right="It equals torch's unfold, also where an image is wider than high or has two channels.",
)

# ---- tokens ----


def _in_front(tokens: Tensor, cls_token: Tensor) -> Tensor:
    return torch.cat([cls_token.expand(len(tokens), 1, -1), tokens], dim=1)


def _only_first(patches: Tensor, w: Tensor, positions: Tensor, cls_token: Tensor) -> Tensor:
    result = F.pad(patches @ w + positions, (0, 0, 1, 0))
    result[0, 0] = cls_token
    return result


def _replaced(patches: Tensor, w: Tensor, positions: Tensor, cls_token: Tensor) -> Tensor:
    return _in_front((patches @ w + positions)[:, 1:], cls_token)


_TOKENS: dict[str, tuple[str, Callable[[Tensor, Tensor, Tensor, Tensor], Any]]] = {
    "class token last": (
        "Your class token stands behind the patches. It should come first, so that its place is 0 however many "
        "patches there are.",
        lambda x, w, e, c: _in_front((x @ w + e).flip(1), c).flip(1),
    ),
    "class token missing": (
        "Your patches are right. The class token is missing: one token more for each image.",
        lambda x, w, e, c: x @ w + e,
    ),
    "class token added": (
        "You add the class token to every patch. It is a token of its own, so there should be 1 + N of them.",
        lambda x, w, e, c: x @ w + e + c,
    ),
    "class token in place of a patch": (
        "Your class token stands where the first patch should be, and that patch is lost. 1 + N tokens are needed.",
        _replaced,
    ),
    "class token in the first image only": (
        "Only your first image has the class token. Each image needs it: the same one.",
        _only_first,
    ),
    "class token as an image": (
        "You put the class token in front of the batch: it has become an image. Which dimension numbers the tokens?",
        lambda x, w, e, c: torch.cat([c.expand(1, len(e), -1), x @ w + e]),
    ),
    "class token through the projection": (
        "Your class token goes through the projection. It has the width of a token already, and runs only where a "
        "patch has as many numbers as a token.",
        lambda x, w, e, c: _in_front(x, c) @ w + F.pad(e, (0, 0, 1, 0)),
    ),
    "position on the class token": (
        "You add the positions when the class token is there already: it gets the first one, every patch that of its "
        "neighbour, and the last patch none.",
        lambda x, w, e, c: _in_front(x @ w, c) + F.pad(e, (0, 0, 0, 1)),
    ),
    "position on the class token: the first one": (
        "Your patches are right, but the class token has the position of the first patch. It needs none: it stands "
        "nowhere in the image.",
        lambda x, w, e, c: _in_front(x @ w + e, c + e[0]),
    ),
    "position on the class token: the last one": (
        "Your patches are right, but the class token has the position of the last patch. It needs none: it stands "
        "nowhere in the image.",
        lambda x, w, e, c: _in_front(x @ w + e, c + e[-1]),
    ),
    "positions missing": (
        "Your tokens have no positions: the patches might stand in any order.",
        lambda x, w, e, c: _in_front(x @ w, c),
    ),
    "positions multiplied": (
        "You multiply with the positions. They are added.",
        lambda x, w, e, c: _in_front(x @ w * e, c),
    ),
    "positions along the batch": (
        "Your positions run along the batch: all patches of an image get the same one. Which dimension numbers the "
        "patches?",
        lambda x, w, e, c: _in_front(x @ w + e[: len(x), None], c),
    ),
    "positions along the batch: all of them": (
        "Your positions run along the batch. It runs only where there are as many images as patches. Which dimension "
        "numbers the patches?",
        lambda x, w, e, c: _in_front(x @ w + e[:, None], c),
    ),
    "positions before the projection": (
        "You add the positions to the pixels, before the projection. It runs only where a patch has as many numbers "
        "as a token. Positions have the width D: where does that begin?",
        lambda x, w, e, c: _in_front((x + e) @ w, c),
    ),
    "projection missing": (
        "You add positions to bare pixels: w is not used. It runs only where a patch has as many numbers as a token.",
        lambda x, w, e, c: _in_front(x + e, c),
    ),
    "projection transposed": (
        "You multiply with the transposed matrix, as nn.Linear keeps it. Here w is (E, D): tokens are x w.",
        lambda x, w, e, c: _in_front(x @ w.T + e, c),
    ),
}


def _patches(b: int, n: int, e: int, d: int, seed: int) -> tuple[Tensor, ...]:
    return normal(seed, (b, n, e), (e, d), (n, d), (d,))


check_tokens = Exercise(
    name="tokens",
    reference=lambda patches, w, positions, cls_token: torch.stack(
        [torch.stack([cls_token, *(w.T.mv(x) + e for x, e in zip(image, positions, strict=True))]) for image in patches]
    ),
    # in the second a patch is as wide as a token, in the third there are as many images as patches
    probes=[_patches(2, 7, 5, 3, 1), _patches(3, 5, 7, 7, 2), _patches(5, 5, 2, 3, 3)],
    prepare=in_float64,
    mistakes=[Mistake(name, says, imitate) for name, (says, imitate) in _TOKENS.items()],
    hint_texts=[
        "Three steps, and the order matters: project the patches, (B, N, D); add the positions of the N patches; put "
        "the class token in front, (B, 1 + N, D). Write the shape beside each line.",
        "class_token.expand(B, 1, D) is the same token for each image; torch.cat([front, x], dim=1) puts it before "
        "x = patches @ w + positions.",
    ],
    right="Each image is a sentence of 1 + N tokens now: the rest is the encoder that you know.",
)

# ---- rollout ----


def _maps(num_layers: int, b: int, num_heads: int, t: int, seed: int) -> tuple[list[Tensor]]:
    """Maps with rows that sum to 1, one for each layer."""
    return ([(2 * each).softmax(-1) for each in normal(seed, *[(b, num_heads, t, t)] * num_layers)],)


def _mixed(
    weights: Tensor,
    num_heads: Callable[[Tensor], Tensor] = lambda w: w.mean(1),
    share: float = 0.5,
    shortcut: float = 0.5,
) -> Tensor:
    """One layer's share of attention, and of the shortcut."""
    return share * num_heads(weights) + shortcut * torch.eye(weights.shape[-1], dtype=weights.dtype)


def _followed(maps: list[Tensor], **how: Any) -> Tensor:
    """The product of all layers, the last one in front."""
    return reduce(lambda flow, weights: _mixed(weights, **how) @ flow, maps[1:], _mixed(maps[0], **how))


_ROLLOUT: dict[str, tuple[str, Callable[[list[Tensor]], Any]]] = {
    "no shortcut": (
        "Your product has no shortcut in it: a token would keep nothing of itself but what it attends to. Half of "
        "each layer is the identity.",
        lambda maps: _followed(maps, share=1.0, shortcut=0.0),
    ),
    "shortcut once": (
        "Your shortcut leads around all layers at once. Each layer has its own.",
        lambda maps: (_followed(maps, share=1.0, shortcut=0.0) + torch.eye(maps[0].shape[-1])) / 2,
    ),
    "not halved": (
        "Your rows sum to more than 1: to 2 after one layer, 4 after two. Which number brings attention and identity "
        "back to one?",
        lambda maps: _followed(maps, share=1.0, shortcut=1.0),
    ),
    "halved once": (
        "You halve once, but each layer doubles the rows. Where does the half belong?",
        lambda maps: _followed(maps, share=1.0, shortcut=1.0) / 2,
    ),
    "only the attention halved": (
        "You halve the maps and not the identity, so your rows sum to more than 1.",
        lambda maps: _followed(maps, shortcut=1.0),
    ),
    "only the shortcut halved": (
        "You halve the identity and not the maps, so your rows sum to more than 1. Did brackets get lost?",
        lambda maps: _followed(maps, share=1.0),
    ),
    "a one everywhere": (
        "You add 1 to every number of the map. The shortcut leads from each token to itself only: 1 on the diagonal.",
        lambda maps: _followed(maps, heads=lambda w: w.mean(1) + 1, shortcut=0.0),
    ),
    "wrong order": (
        "Your layers are in the wrong order. A row of the last layer says which of its inputs a token takes: what it "
        "multiplies must be what these inputs hold, so the last layer stands on the left.",
        lambda maps: _followed(maps[::-1]),
    ),
    "turned": (
        "Your result is turned: rows should be the last tokens, columns the first ones, and rows sum to 1.",
        lambda maps: _followed(maps).mT,
    ),
    "maps turned": (
        "You turn each map before you multiply. In a map rows are queries already: row t says what token t takes.",
        lambda maps: _followed([each.mT for each in maps]),
    ),
    "elementwise product": (
        "You multiply number by number. A token holds another by way of all tokens between: that is a sum over them.",
        lambda maps: torch.stack([_mixed(each) for each in maps]).prod(0),
    ),
    "elementwise product: from the identity": (
        "You multiply number by number, beginning with the identity: only the diagonal is left. A token holds another "
        "by way of all tokens between: that is a sum over them.",
        lambda maps: torch.stack([_mixed(each) for each in maps]).prod(0) * torch.eye(maps[0].shape[-1]),
    ),
    "begins with zeros": (
        "Your product begins with zeros, and stays there. Before the first layer each token holds itself alone: which "
        "matrix says that?",
        lambda maps: torch.zeros_like(maps[0][:, 0]),
    ),
    "heads multiplied": (
        "You multiply the heads of a layer. They work side by side: take their mean.",
        lambda maps: _followed(maps, heads=lambda w: w.prod(1)),
    ),
    "heads summed": (
        "You sum the heads of a layer, so its rows sum to H. Which function of them keeps the sum at 1?",
        lambda maps: _followed(maps, heads=lambda w: w.sum(1)),
    ),
    "the largest head": (
        "You take the largest of the heads for each pair. The rows no longer sum to 1: the mean is asked for.",
        lambda maps: _followed(maps, heads=lambda w: w.amax(1)),
    ),
    "one head only": (
        "You follow the first head only. All heads of a layer count, by their mean.",
        lambda maps: _followed(maps, heads=lambda w: w[:, 0]),
    ),
    "heads kept apart": (
        "You follow each head by itself, through all layers. But a layer mixes what its heads found: their mean "
        "is taken in each layer.",
        lambda maps: _followed(maps, heads=lambda w: w),
    ),
    "heads averaged at the end": (
        "You follow each head by itself, and average at the end. But a layer mixes what its heads found: head 1 "
        "of one layer reads what all heads of the layer below wrote.",
        lambda maps: _followed(maps, heads=lambda w: w).mean(1),
    ),
    "mean over the batch": (
        "You average over the images. Dimension 0 numbers the images, dimension 1 the heads.",
        lambda maps: _followed(maps, heads=lambda w: w.mean(0)),
    ),
    "sum over layers": (
        "You add the layers. They work one after the other, so their matrices are multiplied.",
        lambda maps: torch.stack([_mixed(each) for each in maps]).sum(0),
    ),
    "mean over layers": (
        "You average the layers. They work one after the other, so their matrices are multiplied.",
        lambda maps: torch.stack([_mixed(each) for each in maps]).mean(0),
    ),
    "only the last layer": (
        "Your result is that of the last layer alone. Its tokens are mixtures already: of what?",
        lambda maps: _mixed(maps[-1]),
    ),
    "only the last layer: its map": (
        "Your result is the map of the last layer. Its tokens are mixtures already, and there is a shortcut beside "
        "the map.",
        lambda maps: maps[-1].mean(1),
    ),
    "only the first layer": (
        "Your result is that of the first layer alone. Does your loop return too early, or forget what it had?",
        lambda maps: _mixed(maps[0]),
    ),
}


def _rolled_out(maps: list[Tensor]) -> Tensor:
    eye = torch.eye(maps[0].shape[-1], dtype=torch.float64)
    num_layers = [sum(weights.unbind(1)) / weights.shape[1] for weights in maps]
    images = zip(*num_layers, strict=True)  # for each image its layers, the first one first
    return torch.stack([torch.linalg.multi_dot([(each + eye) / 2 for each in reversed(image)]) for image in images])


check_rollout = Exercise(
    name="rollout",
    reference=_rolled_out,
    probes=[_maps(3, 2, 3, 5, 1), _maps(2, 5, 2, 7, 2), _maps(5, 3, 7, 2, 3)],
    prepare=in_float64,
    mistakes=[Mistake(name, says, imitate) for name, (says, imitate) in _ROLLOUT.items()],
    hint_texts=[
        "For each layer one matrix (B, T, T) whose rows sum to 1: half the mean of its heads, half the identity. Then "
        "multiply them, beginning below. On which side does the next layer stand?",
        "flow = torch.eye(T); for each map: flow = (map.mean(dim=1) + torch.eye(T)) / 2 @ flow.",
    ],
    right="Its rows sum to 1: how much of each patch a token may hold at the end, by the maps alone.",
)
