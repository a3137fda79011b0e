"""Answers to the exercises of notebook 06, written apart from the catalogues of the checks.

The catalogue picks and puts back with loops over images; here are gathers, scatters, sorting and masks.
"""

from itertools import permutations
from typing import Any

import torch

from lecturelib.baselines import GaussianFill, NearestNeighbours, visible_mean
from lecturelib.checks.mae import FAULTS, faults_of

Tensor = torch.Tensor
RIGHT: dict[str, list[Any]] = {}
WRONG: dict[str, dict[str, list[Any]]] = {}
# What a student would have to write, in pieces; no verdict may hold one of them. (The second hint may.)
SOLUTIONS = {
    "the forward pass": ["argsort", "gather(", "expand(", "scatter", "torch.cat"],
    "three broken painters": [str(list(order)) for order in permutations(FAULTS)],
    "an honest painter": ["NearestNeighbours(", "GaussianFill(", "k=", "ridge"],
}

# ---- the forward pass ----


def by_gathering(tokens, order, visible, encode, mask_token, positions, decode):
    B, N, D = tokens.shape
    latents = encode(tokens.gather(1, order[:, :visible, None].expand(-1, -1, D)))
    x = torch.cat([latents, mask_token.expand(B, N - visible, -1)], dim=1)
    return decode(x.gather(1, order.argsort(dim=1)[..., None].expand(-1, -1, D)) + positions)


def by_scattering(tokens, order, visible, encode, mask_token, positions, decode):
    places = order[:, :visible, None].expand(-1, -1, tokens.shape[2])
    full = mask_token.expand_as(tokens).clone()
    full.scatter_(1, places, encode(torch.take_along_dim(tokens, places, dim=1)))
    return decode(full + positions[None])


def by_rows(tokens, order, visible, encode, mask_token, positions, decode):
    rows = torch.arange(len(tokens))[:, None]
    x = mask_token.repeat(*order.shape, 1)
    x[rows, order[:, :visible]] = encode(tokens[rows, order[:, :visible]])
    return decode(x + positions)


def not_back(tokens, order, visible, encode, mask_token, positions, decode):
    rows = torch.arange(len(tokens))[:, None]
    rest = mask_token.repeat(len(tokens), tokens.shape[1] - visible, 1)
    return decode(torch.cat([encode(tokens[rows, order[:, :visible]]), rest], 1) + positions)


def shuffled_twice(tokens, order, visible, encode, mask_token, positions, decode):
    rows = torch.arange(len(tokens))[:, None]
    rest = mask_token.repeat(len(tokens), tokens.shape[1] - visible, 1)
    return decode(torch.cat([encode(tokens[rows, order[:, :visible]]), rest], 1)[rows, order] + positions)


def leaking(tokens, order, visible, encode, mask_token, positions, decode):
    rows = torch.arange(len(tokens))[:, None]
    x = mask_token.repeat(*order.shape, 1)
    x[rows, order[:, :visible]] = encode(tokens)[rows, order[:, :visible]]
    return decode(x + positions)


def without_positions(tokens, order, visible, encode, mask_token, positions, decode):
    return by_rows(tokens, order, visible, encode, mask_token, 0 * positions, decode)


def by_mask(tokens, order, visible, encode, mask_token, positions, decode):
    keep = order < visible  # as if order held the place of each patch
    x = mask_token.repeat(*order.shape, 1)
    x[keep] = encode(tokens[keep].unflatten(0, (len(tokens), -1))).flatten(0, 1)
    return decode(x + positions)


def moved_positions(tokens, order, visible, encode, mask_token, positions, decode):
    return not_back(tokens, order, visible, encode, mask_token, positions[order], decode)


def undecoded(tokens, order, visible, encode, mask_token, positions, decode):
    return by_rows(tokens, order, visible, encode, mask_token, positions, lambda x: x)


RIGHT["the forward pass"] = [by_gathering, by_scattering, by_rows]
WRONG["the forward pass"] = {
    "not put back": [not_back],
    "put back by the order itself": [shuffled_twice],
    "the order the other way round": [by_mask],
    "positions shuffled instead": [moved_positions],
    "the encoder sees everything": [leaking],
    "no positions": [without_positions],
    "other": [undecoded, lambda tokens, *rest: tokens],
    "error": [lambda tokens, order, visible, encode, mask_token, positions, decode: encode(tokens[order])[99]],
}

# ---- three broken painters ----

STUDENTS = {faults_of(f"painter {n}"): f"painter {n}" for n in range(60)}


def exchanged(i: int, j: int) -> list[Any]:
    """A diagnosis in which the faults of two painters are exchanged."""
    order = list(next(iter(STUDENTS)))
    order[i], order[j] = order[j], order[i]
    return [next(iter(STUDENTS.values())), order]


FIRST = next(iter(STUDENTS))
RIGHT["three broken painters"] = [[student, list(order)] for order, student in STUDENTS.items()]
WRONG["three broken painters"] = {
    f"{FIRST[0]} taken for {FIRST[1]}": [exchanged(0, 1)],
    f"{FIRST[0]} taken for {FIRST[2]}": [exchanged(0, 2)],
    f"{FIRST[1]} taken for {FIRST[2]}": [exchanged(1, 2)],
    "not solved yet": [["a", ...], ["a", ["leak", ..., "wrong cut"]]],
    "error": [["a", ["leak", "wrong cut", "something else"]]],
    "other": ["leak", [7, list(FAULTS)], ["a", ["leak"]]],
}

# ---- an honest painter ----


def hidden_pixels(mask: Tensor) -> Tensor:
    return mask.unflatten(1, (1, 4, 4)).repeat_interleave(2, 2).repeat_interleave(2, 3)


def two_averaged(train: Tensor, images: Tensor, mask: Tensor) -> Tensor:
    near = NearestNeighbours(train, k=50).neighbours(images, hidden_pixels(mask))
    pairs = zip(near, images, mask, strict=True)
    local = [GaussianFill(train[n]).paint(x[None], m[None], 2) for n, x, m in pairs]
    return (torch.cat(local) + NearestNeighbours(train, k=12).paint(images, mask, 2)) / 2


def one_nearest(train: Tensor, images: Tensor, mask: Tensor) -> Tensor:
    return NearestNeighbours(train, k=1).paint(images, mask, patch_size=2)


def peeking(train: Tensor, images: Tensor, mask: Tensor) -> Tensor:
    painted = two_averaged(train, images, mask)
    return torch.where(hidden_pixels(mask), 0.9 * painted + 0.1 * images.mean((2, 3), keepdim=True), images)


def dimmed(train: Tensor, images: Tensor, mask: Tensor) -> Tensor:
    return 0.9 * two_averaged(train, images, mask)


def black(train: Tensor, images: Tensor, mask: Tensor) -> Tensor:
    return images.masked_fill(hidden_pixels(mask), 1.0)


RIGHT["an honest painter"] = [
    two_averaged,
    one_nearest,
    lambda train, images, mask: GaussianFill(train).paint(images, mask, 2),
    lambda train, images, mask: NearestNeighbours(train, k=1000).paint(images, mask, 2),  # fewer than the notebook has
]
WRONG["an honest painter"] = {
    "looks at hidden pixels": [peeking],
    "visible pixels changed": [dimmed],
    "visible pixels ignored": [black],
    "training digits ignored": [lambda train, images, mask: visible_mean(images, mask, 2)],
    "other": [lambda train, images, mask: images[0], lambda train, images, mask: images * torch.nan],
    "error": [lambda train, images, mask: images[99]],
}
