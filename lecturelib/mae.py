"""The masked autoencoder: hide most patches of an image, and learn to paint them.

    random_mask           which patches are hidden: at random, in a block, or in a grid
    MaskedAutoencoder     an encoder that sees the visible patches only, and a light decoder that paints the rest
    reconstruction_loss   the mean squared error on the hidden patches
    normalize             patches with mean 0 and variance 1 each, as targets

He and others, "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022. `mask` is True where a patch is hidden.
"""

import math

import torch
from torch import nn

from lecturelib.edges import check_whole
from lecturelib.transformer import Block
from lecturelib.vision import VisionTransformer, check_images, grid_positions, patchify, unpatchify

KINDS = ("random", "block", "grid")


def random_mask(
    n: int, rows: int, columns: int, ratio: float = 0.75, kind: str = "random", *, generator: torch.Generator
) -> torch.Tensor:
    """Draw which patches of n images are hidden: in each image the same number, ratio * rows * columns rounded half up.

    `kind` is "random", "block" (those nearest to a random place: one hole), or "grid" (what is visible lies evenly).
    Shapes: returns (n, rows * columns), bool, True = hidden.
    Raises: ValueError for a ratio that hides none or leaves none visible, and an unknown kind.
    Taught: notebook 06, section 5.

    >>> random_mask(1, 2, 2, 0.75, generator=torch.Generator().manual_seed(0)).sum().item()
    3
    """
    check_whole(n=n, rows=rows, columns=columns)
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r} is unknown: expected one of {list(KINDS)}")
    if not 0 < ratio < 1:
        raise ValueError(f"ratio={ratio}: expected a share between 0 and 1, such as 0.75 (hide three patches of four)")
    patches = rows * columns
    hidden = math.floor(ratio * patches + 0.5 + 1e-9)  # 0.3 of 5 is a half, also where the product is 1.4999999
    if not 0 < hidden < patches:
        raise ValueError(f"ratio={ratio} hides {hidden} of {patches} patches: expected one hidden and one visible")
    order = torch.rand(n, rows, columns, generator=generator)  # patches with the largest numbers are hidden
    if kind == "block":
        row = torch.rand(n, 1, 1, generator=generator) * rows - 0.5
        column = torch.rand(n, 1, 1, generator=generator) * columns - 0.5
        away = torch.maximum((torch.arange(rows)[:, None] - row).abs(), (torch.arange(columns) - column).abs())
        order = order * 1e-3 - away  # (n, rows, columns)
    elif kind == "grid":
        corner = torch.randint(64, (n, 2), generator=generator)
        i = torch.arange(rows) + corner[:, :1]  # (n, rows)
        j = torch.arange(columns) + corner[:, 1:]  # (n, columns)
        order = _evenly(i[:, :, None], j[:, None, :])
    rank = order.flatten(1).argsort(dim=1).argsort(dim=1)  # (n, N): 0 for the smallest
    return rank >= patches - hidden


def _evenly(i: torch.Tensor, j: torch.Tensor) -> torch.Tensor:
    """Number the cells of a grid so that those up to any number are spread evenly (Bayer 1973, ordered dither)."""
    number = torch.tensor(0)
    for bit in range(6):  # from the finest step to the coarsest; 64 cells a side
        number = 4 * number + 2 * ((i >> bit ^ j >> bit) & 1) + (j >> bit & 1)
    return number


class MaskedAutoencoder(nn.Module):
    """Paint the hidden patches of an image from the visible ones.

    The encoder is a `VisionTransformer` and gets the visible patches alone; the decoder puts one learned token in the
    place of each hidden patch, adds `grid_positions` once more, and predicts the pixels of every patch.
    `visible` is how many patches of each image are visible. Unless told, it is counted in the mask; with the number no
    value is read, as `torch.compile`, `torch.export` and `torch.func.vmap` need it.
    `norm_pix_loss` says that predictions are meant for patches with mean 0 and variance 1 (see `normalize`).
    Shapes: images (B, C, height, width), mask (B, N) bool with the same number of True in each row; returns
        (B, N, C * P * P), the predicted patches, also the visible ones.
    Raises: ValueError as `VisionTransformer`, for a mask that is not boolean or of another shape; where the mask is
        counted, for unequal rows, and rows with nothing visible.
    Taught: notebook 06, section 3.
    """

    decoder_pos_embed: torch.Tensor

    def __init__(
        self, encoder: VisionTransformer, d_model: int, num_heads: int, num_layers: int, norm_pix_loss: bool = False
    ) -> None:
        super().__init__()
        check_whole(num_layers=num_layers)
        positions = grid_positions(encoder.rows, encoder.columns, d_model)  # also refuses a d_model that is none
        channels, _, _ = encoder.image_size
        self.encoder, self.norm_pix_loss = encoder, norm_pix_loss
        self.decoder_embed = nn.Linear(encoder.d_model, d_model)
        self.mask_token = nn.Parameter(torch.randn(d_model) * 0.02)
        self.register_buffer("decoder_pos_embed", positions, persistent=False)
        self.decoder_blocks = nn.ModuleList(Block(d_model, num_heads) for _ in range(num_layers))
        self.decoder_norm = nn.LayerNorm(d_model)
        self.decoder_pred = nn.Linear(d_model, channels * encoder.patch_size**2)

    def encode(self, images: torch.Tensor, mask: torch.Tensor, visible: int | None = None) -> torch.Tensor:
        """Read the visible patches alone: (B, C, height, width) and (B, N) to (B, visible, D); class token first."""
        expected = (images.shape[0], self.decoder_pos_embed.shape[0])
        if mask.dtype != torch.bool or tuple(mask.shape) != expected:
            raise ValueError(
                f"mask has shape {tuple(mask.shape)} and type {mask.dtype}: expected {expected} of bool, True = "
                "hidden; one mask for all images becomes that by mask.expand(len(images), -1)"
            )
        visible = _count_visible(mask) if visible is None else visible
        tokens = self.encoder.embed(images)  # (B, N, D)
        keep = _visible_first(mask)[:, :visible, None]  # (B, visible, 1)
        return self.encoder.encode(tokens.gather(1, keep.expand(-1, -1, tokens.shape[2])))  # hidden pixels end here

    def decode(self, latents: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Paint all patches from what `encode` returned for the same mask: to (B, N, C * P * P)."""
        extra = 0 if self.encoder.cls_token is None else 1
        narrow = self.decoder_embed(latents)  # (B, extra + visible, W), the class token in front
        hidden = self.mask_token.expand(mask.shape[0], mask.shape[1] + extra - narrow.shape[1], -1)
        tokens = torch.cat([narrow[:, extra:], hidden], dim=1)  # (B, N, W), visible patches first
        place = _visible_first(mask).argsort(dim=1)[..., None]  # (B, N, 1): where each patch stands in that row
        tokens = tokens.gather(1, place.expand(-1, -1, tokens.shape[2])) + self.decoder_pos_embed
        tokens = torch.cat([narrow[:, :extra], tokens], dim=1)
        for block in self.decoder_blocks:
            tokens = block(tokens)
        return self.decoder_pred(self.decoder_norm(tokens[:, extra:]))

    def forward(self, images: torch.Tensor, mask: torch.Tensor, visible: int | None = None) -> torch.Tensor:
        return self.decode(self.encode(images, mask, visible), mask)

    def target(self, images: torch.Tensor) -> torch.Tensor:
        """Return what predictions are compared with: the patches, normalized if the model says so."""
        patches = patchify(images, self.encoder.patch_size)
        return normalize(patches)[0] if self.norm_pix_loss else patches

    @torch.no_grad()
    def paint(self, images: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the images with the hidden patches as predicted, cut to 0 to 1, and the visible ones as they are.

        Raises: ValueError for a model of normalized patches, and for pixels that are not finite.
        """
        check_images(images, self.encoder.image_size)
        if self.norm_pix_loss:
            raise ValueError(
                "norm_pix_loss=True: predicted are patches without mean and contrast, and those of hidden patches are "
                "unknown; expected a model with norm_pix_loss=False (notebook 06, section 7, shows the leak)"
            )
        _, height, width = self.encoder.image_size
        patch_size = self.encoder.patch_size
        patches = torch.where(mask[..., None], self(images, mask).clamp(0, 1), patchify(images, patch_size))
        return unpatchify(patches, patch_size, height, width)


def normalize(patches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return patches with mean 0 and variance 1 each, and the means and standard deviations that were taken away.

    Equation: (x - mean) / sqrt(variance + 1e-6) (He and others 2022, section 4.1, "reconstruction target").
    Shapes: patches (B, N, pixels); returns the same, (B, N, 1) and (B, N, 1).
    Raises: ValueError for patches of fewer than 2 pixels, and bytes instead of floats.
    Taught: notebook 06, section 7.
    """
    if patches.shape[-1] < 2 or not patches.is_floating_point():
        raise ValueError(
            f"patches {tuple(patches.shape)} of {patches.dtype}: expected floats, at least 2 pixels in each patch to "
            "have a variance; take larger patches, and images / 255 for bytes"
        )
    mean, variance = patches.mean(dim=-1, keepdim=True), patches.var(dim=-1, keepdim=True)
    deviation = (variance + 1e-6).sqrt()
    return (patches - mean) / deviation, mean, deviation


def reconstruction_loss(predicted: torch.Tensor, target: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean squared error per pixel, on the hidden patches.

    Shapes: predicted and target (B, N, pixels), mask (B, N) bool; returns a number.
    Raises: ValueError for shapes that differ, and bytes instead of floats.
    Taught: notebook 06, section 5.
    """
    floats = predicted.is_floating_point() and target.is_floating_point() and mask.dtype == torch.bool
    if not floats or predicted.shape != target.shape or mask.shape != predicted.shape[:-1]:
        raise ValueError(
            f"predicted {tuple(predicted.shape)} of {predicted.dtype}, target {tuple(target.shape)} of {target.dtype}, "
            f"mask {tuple(mask.shape)} of {mask.dtype}: expected floats (B, N, pixels) twice, as `patchify` gives, and "
            "(B, N) of bool, True = hidden"
        )
    error = (predicted - target).square().mean(dim=-1)  # (B, N)
    return error.masked_fill(~mask, 0.0).sum() / mask.sum()


def _count_visible(mask: torch.Tensor) -> int:
    """Return how many patches of each image are visible."""
    counts = sorted(set((~mask).sum(dim=1).tolist()))
    if len(counts) != 1 or counts[0] == 0:
        raise ValueError(
            f"the images have {counts} visible patches: expected as many in each, because a batch is one tensor, and "
            "at least one to start from"
        )
    return int(counts[0])


def _visible_first(mask: torch.Tensor) -> torch.Tensor:
    """Return the numbers of the patches, (B, N): the visible ones first, both parts in their order."""
    return mask.to(torch.uint8).argsort(stable=True)
