"""A transformer that reads an image: cut it into patches, and treat each patch as a word.

    patchify, unpatchify   an image as a row of patches, and back
    grid_positions         sines and cosines that tell rows apart, and columns
    VisionTransformer      patches become tokens, an encoder mixes them, a linear layer names the class
    attention_rollout      what a token may have seen through all layers, by their attention maps
    occlusion              what a network does with each patch missing: a measurement beside the maps

An image is (C, height, width), floats from 0 to 1. Patches are numbered row by row, from the upper left.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from lecturelib.transformer import POSITIONS, Block, sinusoidal_positions

SUMMARIES = ("mean", "class")


def patchify(images: torch.Tensor, patch_size: int) -> torch.Tensor:
    """Cut images into square patches, and lay the pixels of each patch into one row.

    Equation: x in R^(H x W x C) becomes x_p in R^(N x (P^2 C)), N = H W / P^2 (Dosovitskiy and others 2021,
        section 3.1; their P is `patch_size`). In einops' words: "b c (i p) (j q) -> b (i j) (c p q)".
    Shapes: images (B, C, height, width); returns (B, N, C * side * side): patch n = i * columns + j is the square in
        row i, column j; its pixels come channel by channel, row by row.
    Raises: ValueError for an image that is not a batch, or that `patch_size` does not divide.
    Taught: notebook 05, section 1.

    >>> patchify(torch.arange(8.0).view(1, 1, 2, 4), patch_size=2).tolist()
    [[[0.0, 1.0, 4.0, 5.0], [2.0, 3.0, 6.0, 7.0]]]
    """
    _check_sides(images, patch_size)
    cut = images.unflatten(3, (-1, patch_size)).unflatten(2, (-1, patch_size))  # (B, C, rows, P, columns, P)
    return cut.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)  # (B, N, C P P)


def unpatchify(patches: torch.Tensor, patch_size: int, height: int, width: int) -> torch.Tensor:
    """Put patches back together: the inverse of `patchify`.

    Shapes: patches (B, N, C * side * side); returns (B, C, height, width).
    Raises: ValueError for patches whose number or length does not fit the image.
    Taught: notebook 05, section 1.

    >>> images = torch.rand(2, 3, 4, 6)
    >>> torch.equal(unpatchify(patchify(images, patch_size=2), 2, height=4, d_model=6), images)
    True
    """
    _check_divides(height, width, patch_size)
    expected = height // patch_size * (width // patch_size)
    if patches.ndim != 3 or patches.shape[1] != expected or patches.shape[2] == 0 or patches.shape[2] % patch_size**2:
        raise ValueError(
            f"patches have shape {tuple(patches.shape)}: expected (B, {expected}, a multiple of {patch_size**2}) for "
            f"an image of {height} x {width} and patches of size {patch_size}"
        )
    cut = patches.unflatten(2, (-1, patch_size, patch_size)).unflatten(
        1, (height // patch_size, -1)
    )  # (B, rows, columns, C, P, P)
    return cut.permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)  # (B, C, height, width)


def grid_positions(rows: int, columns: int, d_model: int) -> torch.Tensor:
    """Return a vector for each place in a grid: its first half tells the row, its second half the column.

    Equation: both halves are the sines and cosines of `sinusoidal_positions`, as in He and others 2022, appendix A.1.
    Shapes: returns (rows * columns, d_model), numbered row by row.
    Raises: ValueError for a d_model that is not a multiple of 4, and fewer than 1 row or column.
    Taught: notebook 06, section 2.

    >>> grid_positions(1, 2, d_model=4)
    tensor([[0.0000, 1.0000, 0.0000, 1.0000],
            [0.0000, 1.0000, 0.8415, 0.5403]])
    """
    if d_model < 4 or d_model % 4:
        raise ValueError(f"d_model={d_model}: expected a multiple of 4, for sines and cosines of row and column")
    row = sinusoidal_positions(rows, d_model // 2)[:, None].expand(-1, columns, -1)
    column = sinusoidal_positions(columns, d_model // 2)[None].expand(rows, -1, -1)
    return torch.cat([row, column], dim=-1).flatten(0, 1)


class VisionTransformer(nn.Module):
    """Read an image as a sentence of patches.

    Equation: z_0 = [x_p^1 E; ...; x_p^N E] + E_pos, then the blocks of an encoder, a norm, and a linear layer on
        the summary (Dosovitskiy and others 2021, equations 1 to 4). The summary is the mean of the tokens
        (`pool="mean"`), or the token of a class that stands in front of them (`pool="class"`, as in the paper).
    `positions` is "learned" (a table that is trained), "sinusoidal" (`grid_positions`), or "none". Without
    `num_classes` there is no linear layer, and the network returns the summary itself.
    Shapes: images (B, C, height, width) as `image_size` = (C, height, width) says; returns (B, classes), or (B, D).
    Raises: ValueError for images of another size or number of channels, bytes instead of floats, NaN; for a patch
        that does not divide the image; for a summary or kind of positions that does not exist; sizes below 1.
    Taught: notebook 05, section 2.
    """

    pos_embed: torch.Tensor

    def __init__(
        self,
        image_size: tuple[int, int, int],
        patch_size: int,
        d_model: int,
        num_heads: int,
        num_layers: int,
        num_classes: int | None = None,
        pool: str = "mean",
        positions: str = "learned",
    ) -> None:
        super().__init__()
        if not isinstance(image_size, tuple | list) or len(image_size) != 3:
            raise ValueError(
                f"image_size={image_size!r}: expected (C, height, width), such as (1, 8, 8) for gray images"
            )
        channels, height, columns = image_size
        for name, kind, known in (("summary", pool, SUMMARIES), ("positions", positions, POSITIONS)):
            if kind not in known:
                raise ValueError(f"{name} {kind!r} is unknown: expected one of {list(known)}")
        for name, value in (
            ("channels", channels),
            ("d_model", d_model),
            ("layers", num_layers),
            ("classes", num_classes),
        ):
            if value is not None and value < 1:
                raise ValueError(f"{name}={value}: expected at least 1")
        _check_divides(height, columns, patch_size)
        self.image_size, self.patch_size, self.d_model, self.pool = image_size, patch_size, d_model, pool
        self.rows, self.columns = height // patch_size, columns // patch_size
        self.patch_embed = nn.Linear(channels * patch_size * patch_size, d_model)
        if positions == "learned":
            # patches of bright pixels are long vectors: positions of the usual 0.02 drown in them
            self.pos_embed = nn.Parameter(torch.randn(self.rows * self.columns, d_model) * 0.2)
        else:
            fixed = positions == "sinusoidal"
            table = grid_positions(self.rows, self.columns, d_model) if fixed else torch.zeros(1, d_model)
            self.register_buffer("pos_embed", table, persistent=False)
        self.cls_token = nn.Parameter(torch.randn(1, 1, d_model) * 0.02) if pool == "class" else None
        self.blocks = nn.ModuleList(Block(d_model, num_heads) for _ in range(num_layers))
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, num_classes) if num_classes is not None else nn.Identity()

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        """Turn images into tokens, each with its position: (B, C, height, width) to (B, N, D)."""
        _check_images(images, self.image_size)
        return self.patch_embed(patchify(images, self.patch_size)) + self.pos_embed  # (B, N, D) + (N, D)

    def encode(self, tokens: torch.Tensor) -> torch.Tensor:
        """Mix tokens, all of an image or some: (B, n, D) to (B, n, D); a token of the class comes first, if any."""
        if tokens.ndim != 3 or tokens.shape[1] == 0 or tokens.shape[2] != self.d_model:
            raise ValueError(f"tokens {tuple(tokens.shape)}: expected (B, 1 or more, {self.d_model}), as from `embed`")
        if self.cls_token is not None:
            tokens = torch.cat([self.cls_token.expand(len(tokens), 1, -1), tokens], dim=1)  # (B, 1 + n, D)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)

    def pool_tokens(self, tokens: torch.Tensor) -> torch.Tensor:
        """Make one vector out of what `encode` returned: (B, n, D) to (B, D)."""
        return tokens[:, 0] if self.cls_token is not None else tokens.mean(dim=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.pool_tokens(self.encode(self.embed(images))))


def attention_rollout(maps: Iterable[torch.Tensor]) -> torch.Tensor:
    """Follow attention through the layers: how much of each first token each last token may hold, by the maps alone.

    Equation: A_l = (mean over heads + I) / 2, rollout = A_L ... A_2 A_1 (Abnar and Zuidema 2020, section 3; the I
        stands for the shortcut). It knows nothing of values, norms and feed-forward networks.
    Shapes: each map (B, H, T, T), the first layer first; returns (B, T, T). Its rows sum to 1.
    Raises: ValueError for no maps, maps that are not square or of one size, and rows that do not sum to 1.
    Taught: notebook 05, section 4.

    >>> attention_rollout([torch.full((1, 2, 2, 2), 0.5)])
    tensor([[[0.7500, 0.2500],
             [0.2500, 0.7500]]])
    """
    listed = list(maps)
    other = [type(each).__name__ for each in listed if not isinstance(each, torch.Tensor)]
    if other:
        raise ValueError(f"a map is a {other[0]}: expected weights; pass each.weights for each in maps.values()")
    shapes = {tuple(each.shape) for each in listed}
    if len(shapes) != 1 or any(len(shape) != 4 or shape[-1] != shape[-2] for shape in shapes):
        raise ValueError(f"the maps have shapes {sorted(shapes)}: expected one (B, H, T, T) or more of the same shape")
    for n, each in enumerate(listed):
        sums = each.sum(dim=-1)
        if not ((each >= 0).all() and ((sums - 1).abs() <= 1e-3).all()):
            raise ValueError(
                f"map {n} starts at {each.min():.3g}, its rows sum to {sums.min():.3g} to {sums.max():.3g}: expected "
                "weights of 0 or more that sum to 1, without NaN; pass the weights behind the softmax, not the scores"
            )
    eye = torch.eye(listed[0].shape[-1], dtype=listed[0].dtype, device=listed[0].device)
    flow = eye.expand(len(listed[0]), -1, -1)
    for weights in listed:
        flow = (weights.mean(dim=1) + eye) / 2 @ flow  # (B, T, T)
    return flow


@torch.no_grad()
def occlusion(model: nn.Module, images: torch.Tensor, patch_size: int, fill: float = 0.0) -> torch.Tensor:
    """Cover each patch in turn, and measure how much less probable the class is that the network had named.

    Shapes: images (B, C, height, width); returns (B, N), the probability with the image whole minus that with patch n
        filled with `fill`. Works with any network that gives scores (B, classes).
    Raises: ValueError for images that `patch_size` does not divide, a model in training mode, and other scores.
    Taught: notebook 05, section 4.
    """
    _check_sides(images, patch_size)
    if any(each.training for each in model.modules()):
        raise ValueError("the model is in training mode, where dropout and batch norm differ: call model.eval() first")
    patches = patchify(images, patch_size)  # (B, N, C P P)
    logits = model(images)
    if logits.ndim != 2 or len(logits) != len(images) or logits.shape[1] < 2:
        raise ValueError(f"the model gave {tuple(logits.shape)}: expected scores ({len(images)}, 2 classes or more)")
    whole = logits.softmax(dim=-1)  # (B, classes)
    named = whole.argmax(dim=-1, keepdim=True)  # (B, 1)
    drops = []
    for n in range(patches.shape[1]):
        covered = patches.clone()
        covered[:, n] = fill
        left = model(unpatchify(covered, patch_size, *images.shape[2:])).softmax(dim=-1)
        drops.append((whole - left).gather(1, named))  # (B, 1)
    return torch.cat(drops, dim=1)


def _check_divides(height: int, width: int, patch_size: int) -> None:
    if isinstance(patch_size, bool) or not isinstance(patch_size, int) or patch_size < 1:
        raise ValueError(
            f"patch_size={patch_size!r}: expected the side of a patch in pixels, a whole number of 1 or more"
        )
    if height < 1 or width < 1 or height % patch_size or width % patch_size:
        common = [s for s in range(1, max(1, math.gcd(height, width)) + 1) if height % s == width % s == 0]
        raise ValueError(
            f"an image of {height} x {width} pixels cannot be cut into patches of size {patch_size}: expected a size "
            f"that divides both, one of {common}; or cut or pad the image"
        )


def _check_sides(images: torch.Tensor, patch_size: int) -> None:
    if images.ndim != 4:
        raise ValueError(f"images {tuple(images.shape)}: expected (B, C, height, width); one image goes in as x[None]")
    _check_divides(images.shape[2], images.shape[3], patch_size)


def _check_images(images: torch.Tensor, image_size: tuple[int, int, int]) -> None:
    """Refuse what is not a batch of the images that a network was built for."""
    if images.ndim != 4 or tuple(images.shape[1:]) != tuple(image_size):
        raise ValueError(
            f"images have shape {tuple(images.shape)}: expected (B, {', '.join(map(str, image_size))}), "
            "channels first; a single image goes in as x[None], one with the channels last as x.permute(0, 3, 1, 2)"
        )
    if not images.is_floating_point():
        raise ValueError(f"images are {images.dtype}: expected floats from 0 to 1; bytes become that by images / 255")
    if not torch.isfinite(images).all():
        raise ValueError("images hold NaN or infinity: expected finite numbers from 0 to 1; look where they come from")
