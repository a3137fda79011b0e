"""Drawings of notebooks 05 and 06: the vision transformer and the masked autoencoder; in each box, its code."""

from typing import Any

import numpy as np
from matplotlib.patches import Rectangle

from lecturelib.figures.colors import BLUE, GREEN, GREY, ORANGE
from lecturelib.figures.given import same_shape
from lecturelib.figures.paper import INK, MONO, arrow, box, legend, link, paper
from lecturelib.figures.pictures import checked, picture, side_of
from lecturelib.figures.style import LectureFigure, styled

PATCHES = 16  # each is drawn as a lane


@styled
def vit_drawing(image: np.ndarray) -> LectureFigure:
    """Draw the `VisionTransformer`: patches become tokens, each a lane, that mix in the blocks and end in one vector.

    Shapes: image (C, height, width). Raises: ValueError where 16 square patches do not fill it.
    """
    whole = checked(image)
    side = side_of(whole, PATCHES)
    says = "the vision transformer: 16 patches become tokens, blocks mix them, one pooled vector gives the logits"
    figure, ax = paper(12, 6.3, says)
    low, high, middle = 1.35, 5.05, 3.2
    lanes = np.linspace(high - 0.15, low + 0.15, PATCHES)
    top = high + 0.18  # the lane of the class token
    ax.text(0.15, 5.95, "A vision transformer reads an image as a sentence of patches", fontsize=17, weight="bold",
            va="center")  # fmt: skip
    picture(ax, whole, place=(0.15, middle - 0.6, 1.2, 1.2), grid=side)
    ax.text(0.75, middle - 0.95, "images", ha="center", va="center", fontsize=12.5, family=MONO)
    box(ax, 1.72, middle - 0.65, 1.1, 1.3, "cut", "patchify(\nimages,\nP)", GREY, points=15)
    for start, end in ((1.38, 1.72), (2.82, 3.12), (10.35, 10.65), (11.4, 11.62)):
        arrow(ax, (start, middle), (end, middle))
    for n, y in enumerate(lanes):
        picture(ax, _patch(whole, side, n), place=(3.2, y - 0.1, 0.2, 0.2))
        ax.plot([3.45, 9.2], [y, y], color=GREY, lw=1.3, zorder=1)
    boxes = [
        (3.75, 1.05, "linear", "self.\npatch_\nembed", BLUE),
        (4.95, 1.2, "add\nposition", "+ self.\npos_embed", BLUE),
        (6.75, 1.15, "L blocks", "self.\nblocks", ORANGE),
        (8.1, 0.9, "norm", "self.\nnorm", BLUE),
        (9.2, 1.15, "one\nvector", "self.pool_\ntokens", GREY),
    ]
    for x, w, name, code, color in boxes:
        raised = 0.33 if x > 6 else 0
        box(ax, x, low, w, high - low + raised, name, code, color, points=15)
        if color == ORANGE:
            for y in lanes:  # everyone with everyone; the words lie on top
                for into in lanes:
                    ax.plot([x + 0.09, x + w - 0.09], [y, into], color=ORANGE, lw=0.7, alpha=0.6, zorder=2.5)
            ax.add_patch(Rectangle((x + 0.06, middle - 0.42), w - 0.12, 1.1, fc="#fdf0d5", lw=0, zorder=2.6))
    ax.plot([6.5, 9.2], [top, top], color=INK, lw=1.6, ls=(0, (3, 2)), zorder=1)
    ax.add_patch(Rectangle((6.3, top - 0.1), 0.2, 0.2, fc="white", ec=INK, lw=1.6, ls=(0, (2, 1.5))))
    ax.text(6.22, top + 0.02, "optional: self.cls_token", fontsize=12.5, family=MONO, ha="right", va="center")
    box(ax, 10.65, middle - 0.5, 0.75, 1.0, "head", "self.\nhead", GREY, points=15)
    for k, logit in enumerate((0.1, 0.06, 0.14, 0.28, 0.08, 0.12, 0.05)):  # one class stands out
        level = middle + 0.36 - 0.12 * k
        ax.add_patch(Rectangle((11.66, level - 0.04), logit, 0.08, fc=GREEN if logit > 0.2 else GREY, lw=0))
    for x, at, top_of, shape in ((1.53, 1.53, middle, "(B, C, height, width)"), (3.6, 3.6, low + 0.15, "(B, N, C P P)"),
                                 (6.45, 6.45, low + 0.15, "(B, N, D)"), (9.1, 9.1, low + 0.15, "(B, N, D)"),
                                 (10.45, 10.3, middle, "(B, D) or\n(B, N D)"),
                                 (11.48, 11.35, middle, "(B, classes)")):  # fmt: skip
        ax.text(at, low - 0.3, shape, fontsize=12.5, ha="center", va="center")
        link(ax, x, top_of, low - 0.17)
    legend(ax, 0.15, 0.4, ORANGE, "mixes tokens")
    legend(ax, 2.45, 0.4, BLUE, "each token alone")
    ax.text(5.15, 0.4, "a lane: one patch; class token, pool_tokens, N D: see section 3", fontsize=14, va="center")
    return figure


@styled
def mae_drawing(image: np.ndarray, mask: np.ndarray, painted: np.ndarray) -> LectureFigure:
    """Draw the `MaskedAutoencoder`: a large encoder reads the visible patches, a small decoder paints all of them.

    Shapes: image and painted (C, height, width), mask (16,) bool, True = hidden.
    Raises: ValueError for a mask that does not fit the image, or that hides nothing or everything.
    """
    whole, hidden = checked(image), np.asarray(mask, bool)
    if hidden.all() or not hidden.any():
        raise ValueError(f"mask hides {hidden.sum()} of {hidden.size} patches: expected some hidden and some visible")
    same_shape("mask and the 16 patches", hidden.shape, (PATCHES,))
    side = side_of(whole, PATCHES)
    figure, ax = paper(12, 6.3, "the masked autoencoder: hide, encode the visible patches, decode all, loss on hidden")
    low, high, middle = 1.95, 4.95, 3.45
    lanes = np.linspace(high - 0.12, low + 0.12, PATCHES)
    kept = np.flatnonzero(~hidden).tolist()
    pitch = 0.36 * min(1, 6 / len(kept))
    few = dict(zip(kept, middle + pitch * (np.arange(len(kept))[::-1] - (len(kept) - 1) / 2), strict=True))
    for x, name, more, code in ((0.12, "image", None, "images"), (1.6, "hide", hidden, "mask")):
        picture(ax, whole, more, place=(x, middle - 0.55, 1.1, 1.1), grid=side if more is None else 0)
        ax.text(x + 0.55, middle + 0.75, name, ha="center", va="center", fontsize=15, weight="bold")
        ax.text(x + 0.55, middle - 0.75, code, ha="center", va="center", fontsize=12.5, family=MONO)
    for start, end in ((1.25, 1.57), (2.73, 3.05), (9.43, 9.75)):
        arrow(ax, (start, middle), (end, middle))
    size, top = 0.85 * pitch, max(few.values())
    for n, y in few.items():
        picture(ax, _patch(whole, side, n), place=(3.12, y - size / 2, size, size))
        ax.plot([3.45, 6.6], [y, y], color=GREY, lw=1.8, zorder=1)
    above = max(top + 0.25, middle + 0.65)
    ax.text(3.27, above, "visible\nonly", ha="center", va="bottom", fontsize=13, linespacing=1.1)
    half, thin = max(1.0, top - middle + 0.3), max(0.75, top - middle + 0.2)
    box(ax, 3.75, middle - half, 1.75, 2 * half, "encoder", "self.encoder", ORANGE, points=18)
    ax.text(4.62, middle - half - 0.35, "large, few tokens\n(B, visible, D)", ha="center", va="center", fontsize=13)
    box(ax, 5.72, middle - thin, 0.85, 2 * thin, "linear", "self.\ndecoder\n_embed", BLUE, points=14)
    for n, y in enumerate(lanes):
        look: dict[str, Any] = {"fc": "#e9e9e9", "hatch": "//////", "ec": GREY}
        if n in few:
            look = {"fc": BLUE, "ec": BLUE}
            ax.plot([6.6, 7.2], [few[n], y], color=BLUE, lw=1.8, zorder=1)
        ax.add_patch(Rectangle((7.2, y - 0.07), 0.14, 0.14, lw=1, zorder=3, **look))
        ax.plot([7.34, 9.4], [y, y], color=GREY, lw=1.2, zorder=1)
    words = "hatched: self.mask_token\nall: + self.decoder_pos_embed"
    ax.text(7.3, high + 0.1, words, ha="center", va="bottom", fontsize=12.5, family=MONO, linespacing=1.15)
    box(ax, 7.65, low, 0.85, high - low, "de-\ncoder", "self.\ndecoder\n_blocks", ORANGE, points=14)
    box(ax, 8.58, low, 0.85, high - low, "linear", "self.\ndecoder\n_pred", BLUE, points=14)
    ax.text(8.5, low - 0.33, "small, all tokens\n(B, N, W) to (B, N, C P P)", ha="center", va="center", fontsize=13)
    picture(ax, painted, place=(9.8, middle - 0.55, 1.1, 1.1))
    ax.text(10.35, middle + 0.75, "painted", ha="center", va="center", fontsize=15, weight="bold")
    box(ax, 9.35, 0.4, 2.5, 0.86, "loss on the hidden", "reconstruction_loss", GREEN, points=14)
    arrow(ax, (10.35, middle - 0.58), (10.35, 1.26))
    ax.plot([0.67, 0.67], [middle - 0.9, 0.83], color=INK, lw=2)
    arrow(ax, (0.67, 0.83), (9.35, 0.83))
    ax.text(5.0, 0.95, "compared with the image as it was", ha="center", va="bottom", fontsize=14)
    ax.plot([4.62, 4.62], [middle + half, 5.85], color=BLUE, lw=2.5, zorder=1)
    arrow(ax, (4.62, 5.85), (5.05, 5.85), color=BLUE)
    words = "then keep the encoder, throw the decoder away"
    ax.text(5.12, 5.85, words, fontsize=15, va="center", color="#00507f", weight="bold")
    ax.text(11.3, 5.5, "(notebook 07)", fontsize=14, ha="right", va="center", color="#00507f")
    legend(ax, 0.15, 0.3, ORANGE, "mixes tokens")
    legend(ax, 2.45, 0.3, BLUE, "each token alone")
    ax.text(0.12, 5.65, "A masked autoencoder\npaints what is hidden", fontsize=17, weight="bold", va="center")
    return figure


def _patch(image: np.ndarray, side: int, n: int) -> np.ndarray:
    i, j = divmod(n, image.shape[2] // side)
    return image[:, i * side : (i + 1) * side, j * side : (j + 1) * side]
