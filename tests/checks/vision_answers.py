"""Answers to the exercises of notebook 05, written apart from the catalogues of the checks."""

from collections.abc import Callable
from typing import Any

import torch

Tensor = torch.Tensor
RIGHT: dict[str, list[Any]] = {}
WRONG: dict[str, dict[str, list[Any]]] = {}
# What a student would have to write, in pieces; no verdict may hold one of them. (The second hint may.)
SOLUTIONS = {
    "tokens": ["torch.cat", "expand(", "cat([", "x @ w", "patches @", "+ positions", "dim=1"],
    "the suspect": ["DE", "ED", "D, E", "D and E"],
    "the side of a patch": ["0.8, ", "[0."],
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

# ---- a suspect ----

RIGHT["the suspect"] = ["DE", "e, d", ["D", "E"], ("E", "D"), "D and E", ["d", "and", "e"]]
WRONG["the suspect"] = {
    "line A": [["A", "E"], "ABCDEFG"],
    "line B": ["bde"],
    "line C": [("C",)],
    "line F": ["F, E"],
    "line G": [("G", "D")],
    "D alone": [["D"]],
    "E alone": ["e"],
    "none": [[]],
    "error": ["H", "lines D and E"],
    "other": [4, [4, 5]],
    "not solved yet": [[...]],
}

# ---- the side of a patch ----

RIGHT["the side of a patch"] = [[0.8, 0.73, 0.53], (0.77, 0.69, 0.6), torch.tensor([0.82, 0.7, 0.48])]
WRONG["the side of a patch"] = {
    "sixteen are better": [[0.53, 0.73, 0.8]],
    "four are the worst": [(0.78, 0.44, 0.6)],
    "all alike": [[0.78, 0.8, 0.79]],
    "the same twice": [[0.73, 0.73, 0.53], [0.8, 0.53, 0.53]],
    "nothing learned": [[0.1, 0.13, 0.08]],
    "percent": [[80.1, 73, 53]],
    "other": [[0.8, -1, 0.5], [0.7, 1.2, 2.0]],
    "error": [[0.8, 0.5], "0.8", "0.79 0.70 0.53", {8: 0.79, 4: 0.7, 2: 0.53}],
    "not solved yet": [[..., ..., ...]],
}
