"""Printed digits and letters of 8 x 8 pixels, drawn from the fonts that come with matplotlib, in endless variety.

Source: the 21 text fonts of matplotlib 3.11.2: DejaVu (12), STIX General (4), Computer Modern (5), as it draws them.
    What it drew lies beside this file (glyphs.npz), since other versions draw every glyph another way.
    Nothing is downloaded.
Licence: the fonts' own free licences, which lie beside them in matplotlib (LICENSE_DEJAVU, LICENSE_STIX).
Size: as many images as one asks for; each is a glyph that was turned, sheared, stretched, moved, bent and made bolder
    or thinner at random, under a seed.

The image is made as the handwritten digits of `lecturelib.data.digits` were: drawn on 32 x 32 pixels, then the mean
of each square of 4 x 4.
"""

import functools
import string
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from lecturelib.data.digits import drawn_places
from lecturelib.edges import check_whole

FILE = Path(__file__).with_name("glyphs.npz")
DIGITS = "0123456789"
SYMBOLS = DIGITS + string.ascii_letters  # what has been drawn, in each of the fonts
FONTS = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique",
    "DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique",
    "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic",
    "STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta",
    "cmr10", "cmb10", "cmss10", "cmti10", "cmtt10",
)  # fmt: skip
_FINE = 32  # pixels of a side before the mean of 4 x 4 is taken


class Glyphs(NamedTuple):
    """What was drawn. Shapes: images (n, 1, 8, 8), float32 from 0 to 1; labels (n,), int64, the place of the glyph in
    the alphabet; fonts (n,), int64, the place of its font in FONTS."""

    images: np.ndarray
    labels: np.ndarray
    fonts: np.ndarray


def glyphs(n: int, *, seed: int, alphabet: str = DIGITS) -> Glyphs:
    """Draw n printed glyphs: for each a symbol, a font and a distortion at random.

    A seed, a number n and the alphabet say all; another n draws other glyphs, not the same and some more.
    Raises: ValueError for a count below 1, a seed that is not whole, an empty alphabet, and one with a symbol twice
        or not in SYMBOLS.

    >>> drawn = glyphs(3, seed=0)
    >>> drawn.images.shape, drawn.labels.shape
    ((3, 1, 8, 8), (3,))
    """
    check_whole(n=n)
    check_whole(0, seed=seed)
    if not alphabet or set(alphabet) - set(SYMBOLS) or len(set(alphabet)) < len(alphabet):
        raise ValueError(f"alphabet={alphabet!r}: expected one or more of {SYMBOLS}, none of them twice")
    n = int(n)
    generator = torch.Generator().manual_seed(int(seed))
    labels = torch.randint(len(alphabet), (n,), generator=generator)
    fonts = torch.randint(len(FONTS), (n,), generator=generator)
    outlines = torch.stack([_outline(font, symbol) for font in FONTS for symbol in alphabet])  # (F S, 32, 32)
    plain = outlines[fonts * len(alphabet) + labels][:, None]  # (n, 1, 32, 32)
    return Glyphs(_distort(plain, generator).numpy(), labels.numpy(), fonts.numpy())


def _distort(plain: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Turn, shear, stretch, move, bend and thicken or thin each glyph: (n, 1, 32, 32) to (n, 1, 8, 8)."""
    places = drawn_places(plain, [0.2, 0.3, 0.15, 0.1, 0.15, 0.05], generator)  # (n, 32, 32, 2)
    bend = 0.12 * torch.randn(len(plain), 2, 4, 4, generator=generator)
    bend = F.interpolate(bend, size=(_FINE, _FINE), mode="bicubic", align_corners=False)  # smooth: 16 random pushes
    bent = F.grid_sample(plain, places + bend.permute(0, 2, 3, 1), align_corners=False)
    soft = F.avg_pool2d(bent, 5, stride=1, padding=2)
    # where the ink ends: low is bold, high is thin
    level = 0.25 + 0.4 * torch.rand(len(plain), 1, 1, 1, generator=generator)
    ink = ((soft / soft.amax(dim=(2, 3), keepdim=True) - level) * 8 + 0.5).clamp(0, 1)
    return F.avg_pool2d(ink, 4)


@functools.cache
def _bitmaps() -> dict[tuple[str, str], np.ndarray]:
    """Return each glyph as matplotlib drew it, by font and symbol: (height, width), uint8, 255 is ink."""
    with np.load(FILE) as kept:
        sizes, ends = kept["sizes"], kept["sizes"].prod(axis=1).cumsum()
        parts = np.split(kept["ink"], ends[:-1])
    names = [(font, symbol) for font in FONTS for symbol in SYMBOLS]
    return {name: part.reshape(size) for name, part, size in zip(names, parts, sizes, strict=True)}


@functools.cache
def _outline(font: str, symbol: str) -> torch.Tensor:
    """Return a glyph as high or wide as (32, 32); 1 is ink."""
    ink = torch.from_numpy(_bitmaps()[font, symbol]).float() / 255  # (height, width)
    scale = _FINE / max(ink.shape)
    size = [max(1, round(length * scale)) for length in ink.shape]
    small = F.interpolate(ink[None, None], size=size, mode="area")[0, 0]
    top, left = ((_FINE - length) // 2 for length in size)
    whole = torch.zeros(_FINE, _FINE)
    whole[top : top + size[0], left : left + size[1]] = small
    return whole
