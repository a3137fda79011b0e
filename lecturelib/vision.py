"""A transformer that reads an image: cut it into patches, and treat each patch as a word.

    patchify, unpatchify   an image as a row of patches, and back
    grid_positions         sines and cosines that tell rows apart, and columns
    resize_positions       learned positions for an image of another size
    VisionTransformer      patches become tokens, an encoder mixes them, a linear layer names the class
    check_images           what every edge asks of a batch of images

An image is (C, height, width), floats from 0 to 1. Patches are numbered row by row, from the upper left.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from lecturelib.edges import check_whole
from lecturelib.transformer import POSITIONS, Block, sinusoidal_positions

POOLS = ("mean", "class", "concat")


def patchify(images: torch.Tensor, patch_size: int) -> torch.Tensor:
    """Cut images into square patches, and lay the pixels of each patch into one row.

    Equation: x in R^(H x W x C) becomes x_p in R^(N x (P^2 C)), N = H W / P^2 (Dosovitskiy and others 2021,
        section 3.1; their P is `patch_size`). In einops' words: "b c (i p) (j q) -> b (i j) (c p q)".
    Shapes: images (B, C, height, width); returns (B, N, C * P * P): patch n = i * columns + j is the square in row i,
        column j; its pixels come channel by channel, row by row.
    Raises: ValueError for an image that is not a batch, or that `patch_size` does not divide.
    Taught: notebook 05, section 1.

    >>> patchify(torch.arange(8.0).view(1, 1, 2, 4), patch_size=2).tolist()
    [[[0.0, 1.0, 4.0, 5.0], [2.0, 3.0, 6.0, 7.0]]]
    """
    check_patches(images, patch_size)
    cut = images.unflatten(3, (-1, patch_size)).unflatten(2, (-1, patch_size))  # (B, C, rows, P, columns, P)
    return cut.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)  # (B, N, C P P)


def unpatchify(patches: torch.Tensor, patch_size: int, height: int, width: int) -> torch.Tensor:
    """Put patches back together: the inverse of `patchify`.

    Shapes: patches (B, N, C * P * P); returns (B, C, height, width).
    Raises: ValueError for patches whose number or length does not fit the image.
    Taught: notebook 05, section 1.
    """
    _check_divides(height, width, patch_size)
    expected = height // patch_size * (width // patch_size)
    if patches.ndim != 3 or patches.shape[1] != expected or patches.shape[2] % patch_size**2:
        raise ValueError(
            f"patches have shape {tuple(patches.shape)}: expected (B, {expected}, a multiple of {patch_size**2}) for "
            f"an image of {height} x {width} and patches of size {patch_size}"
        )
    cut = patches.unflatten(2, (-1, patch_size, patch_size))  # (B, N, C, P, P)
    cut = cut.unflatten(1, (height // patch_size, -1))  # (B, rows, columns, C, P, P)
    return cut.permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)  # (B, C, height, width)


def grid_positions(rows: int, columns: int, d_model: int) -> torch.Tensor:
    """Return a vector for each place in a grid: its first half tells the row, its second half the column.

    Equation: both halves are the sines and cosines of `sinusoidal_positions`, as in He and others 2022, appendix A.1.
    Shapes: returns (rows * columns, d_model), numbered row by row.
    Raises: ValueError for a d_model that is not a multiple of 4, and fewer than 1 row or column.
    Taught: notebook 06, section 3.
    """
    if d_model < 4 or d_model % 4:
        raise ValueError(f"d_model={d_model}: expected a multiple of 4, for sines and cosines of row and column")
    row = sinusoidal_positions(rows, d_model // 2)[:, None].expand(-1, columns, -1)
    column = sinusoidal_positions(columns, d_model // 2)[None].expand(rows, -1, -1)
    return torch.cat([row, column], dim=-1).flatten(0, 1)


def resize_positions(table: torch.Tensor, old: tuple[int, int], new: tuple[int, int]) -> torch.Tensor:
    """Stretch learned positions over a grid of another size, as one scales an image.

    Equation: bilinear interpolation (Dosovitskiy and others 2021, section 3.2).
    Shapes: table (rows * columns, D) for `old` = (rows, columns); returns such a table for `new`.
    Taught: notebook 05, section 5.

    >>> resize_positions(torch.tensor([[0.0], [4.0]]), old=(1, 2), new=(1, 4)).T
    tensor([[0., 1., 3., 4.]])
    """
    grid = table.T.unflatten(1, old)[None]  # (1, D, rows, columns): an image with D channels
    return F.interpolate(grid, size=new, mode="bilinear")[0].flatten(1).T


class VisionTransformer(nn.Module):
    """Read an image as a sentence of patches.

    Equation: z_0 = [x_p^1 E; ...; x_p^N E] + E_pos, then the blocks of an encoder, a norm, and a linear layer on
        one vector (Dosovitskiy and others 2021, equations 1 to 4). That is the mean of the tokens (`pool="mean"`), a
        token of its own that stands in front of them (`pool="class"`, as in the paper), or all tokens side by side
        (`pool="concat"`), which takes images of one size only, with no patch left out.
    `positions` is "learned" (a table that is trained), "sinusoidal" (`grid_positions`), or "none". Without
    `num_classes` there is no head, and the network returns the vector itself.
    Shapes: images (B, C, height, width) as `image_size` = (C, height, width) says; returns the logits
        (B, num_classes), or (B, D), (B, N D) for "concat".
    Raises: ValueError for a patch size that does not divide the image, a `pool` or kind of positions that does not
        exist, and sizes below 1; in `forward` for images of another size, and bytes instead of floats.
    Taught: notebook 05, section 2.
    """

    pos_embed: torch.Tensor
    build: tuple[Any, int, int, int, int, str, str]  # as it is made, but for the number of classes

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
        if len(image_size) != 3:
            raise ValueError(f"image_size={image_size}: expected (C, height, width), such as (1, 8, 8) for gray images")
        channels, height, width = image_size
        if pool not in POOLS or positions not in POSITIONS:
            raise ValueError(f"pool={pool!r}, positions={positions!r}: expected one of {POOLS}, one of {POSITIONS}")
        check_whole(channels=channels, d_model=d_model, num_layers=num_layers)
        _check_divides(height, width, patch_size)
        self.image_size, self.patch_size, self.d_model, self.pool = tuple(image_size), patch_size, d_model, pool
        self.build = (self.image_size, patch_size, d_model, num_heads, num_layers, pool, positions)
        self.rows, self.columns = height // patch_size, width // patch_size
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
        width_out = self.rows * self.columns * d_model if pool == "concat" else d_model
        self.head = nn.Linear(width_out, num_classes) if num_classes is not None else nn.Identity()

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        """Turn images into tokens, each with its position: (B, C, height, width) to (B, N, D)."""
        check_shape(images, self.image_size)
        return self.patch_embed(patchify(images, self.patch_size)) + self.pos_embed  # (B, N, D) + (N, D)

    def encode(self, tokens: torch.Tensor) -> torch.Tensor:
        """Mix tokens, all of an image or some: (B, n, D) to (B, n, D); with `pool="class"` its token comes first."""
        if self.cls_token is not None:
            tokens = torch.cat([self.cls_token.expand(tokens.shape[0], 1, -1), tokens], dim=1)  # (B, 1 + n, D)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)

    def pool_tokens(self, tokens: torch.Tensor) -> torch.Tensor:
        """Make one vector out of what `encode` returned: (B, n, D) to (B, D), or (B, n D)."""
        if self.pool == "concat":
            return tokens.flatten(1)
        return tokens[:, 0] if self.pool == "class" else tokens.mean(dim=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.pool_tokens(self.encode(self.embed(images))))


def check_images(images: torch.Tensor, image_size: tuple[int, ...] | None = None) -> None:
    """Raise ValueError for what is not a batch of finite floats of this size; a `forward` takes `check_shape`."""
    check_shape(images, image_size)
    if not images.numel() or not torch.isfinite(images).all():
        raise ValueError(
            f"images of shape {tuple(images.shape)} are empty, or hold NaN or infinity: expected at least one image of "
            "finite numbers from 0 to 1; look where they come from"
        )


def check_shape(images: torch.Tensor, image_size: tuple[int, ...] | None = None) -> None:
    """Raise ValueError for what has not the shape and type of a batch of images; no pixel is read."""
    expected = tuple(images.shape[1:] if image_size is None else image_size)
    if images.ndim != 4 or tuple(images.shape[1:]) != expected or not images.is_floating_point():
        size = "C, height, width" if image_size is None else ", ".join(map(str, image_size))
        raise ValueError(
            f"images have shape {tuple(images.shape)} and type {images.dtype}: expected floats from 0 to 1, (B, "
            f"{size}); x[None] makes one image a batch, x.permute(0, 3, 1, 2) puts channels first, images / 255 bytes "
            "to floats"
        )


def check_patches(images: torch.Tensor, patch_size: int) -> None:
    """Raise ValueError for images that no patches of this size fill."""
    if images.ndim != 4:
        raise ValueError(f"images {tuple(images.shape)}: expected (B, C, height, width); one image goes in as x[None]")
    _check_divides(images.shape[2], images.shape[3], patch_size)


def _check_divides(height: int, width: int, patch_size: int) -> None:
    check_whole(height=height, width=width, patch_size=patch_size)
    if height % patch_size or width % patch_size:
        common = [size for size in range(1, height + 1) if height % size == width % size == 0]
        raise ValueError(
            f"an image of {height} x {width} pixels cannot be cut into patches of size {patch_size}: expected a size "
            f"that divides both, one of {common}; or cut or pad the image"
        )
