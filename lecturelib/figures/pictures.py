"""Parts that figures of images share: a picture with hidden patches hatched, and patches at their places.

A picture is (C, height, width), from 0 to 1. A gray one is dark ink on white; a hidden patch is hatched, never black.
"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from lecturelib.figures.colors import GREY
from lecturelib.figures.style import hide_frame

HALO = [withStroke(linewidth=3.5, foreground="white")]  # around letters that stand on a picture


def checked(image: Any) -> np.ndarray:
    """Return an image as an array, cut to 0 to 1. Raises: ValueError for another shape than (1 or 3, height, width)."""
    array = np.asarray(image, float)
    if array.ndim != 3 or array.shape[0] not in (1, 3) or not np.isfinite(array).all():
        raise ValueError(
            f"an image has shape {array.shape}: expected (C, height, width) with 1 or 3 channels, finite; "
            "channels go first by x.transpose(2, 0, 1), and images[0] takes one from a batch"
        )
    return array.clip(0, 1)


def side_of(image: Any, patches: int) -> int:
    """Return the side of a square patch, given how many there are. Raises: ValueError where they do not fit."""
    _, height, width = np.shape(image)
    side = round((height * width / max(patches, 1)) ** 0.5)
    if side < 1 or height % side or width % side or height // side * (width // side) != patches:
        raise ValueError(
            f"{patches} patches do not fill an image of {height} x {width} pixels: expected N squares that fill "
            "it; give the patches or the mask of this image"
        )
    return side


Place = tuple[float, float, float, float]  # x and y of the lower left corner, width, height


def picture(ax: Axes, image: Any, mask: Any = None, *, place: Place | None = None, grid: int = 0,
            frame: str = GREY) -> None:  # fmt: skip
    """Draw an image at a place of a page, or fill axes with it; patches where `mask` is True are hatched.

    Shapes: image (C, height, width), mask (N,) bool. `grid` draws lines between patches of that side.
    Raises: ValueError for another shape, and a mask that does not fit.
    """
    shown = 1 - checked(image) if np.shape(image)[0] == 1 else checked(image)
    _, height, width = shown.shape
    if place is None:
        hide_frame(ax)
        ax.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    x, y, wide, high = where = place or (0, 0, width, height)
    if mask is not None:
        hidden = np.asarray(mask)
        if hidden.ndim != 1 or hidden.dtype != bool:
            raise ValueError(
                f"mask has shape {hidden.shape} and type {hidden.dtype}: expected (N,) of bool, True = hidden; "
                "mask[0] takes the mask of one image"
            )
        side = side_of(shown, len(hidden))
        under = hidden.reshape(height // side, width // side).repeat(side, 0).repeat(side, 1)  # (height, width)
        shown = np.where(under, 0.91, shown)  # no hidden pixel shows in a seam
        squares = [Rectangle(*cell(where, height // side, width // side, n)) for n in np.flatnonzero(hidden).tolist()]
        ax.add_collection(PatchCollection(squares, fc="#e8e8e8", ec="#8a8a8a", hatch="////", lw=0), autolim=False)
    pixels = shown[0] if len(shown) == 1 else shown.transpose(1, 2, 0)
    extent = (x, x + wide, y, y + high)
    ax.imshow(pixels, extent=extent, aspect=ax.get_aspect(), interpolation="nearest", cmap="gray", vmin=0, vmax=1)
    if grid:
        ax.vlines(x + np.arange(0, width + 1, grid) * wide / width, y, y + high, color=frame, lw=1.2)
        ax.hlines(y + np.arange(0, height + 1, grid) * high / height, x, x + wide, color=frame, lw=1.2)
    ax.add_patch(Rectangle((x, y), wide, high, fc="none", ec=frame, lw=1 if frame == GREY else 3, clip_on=False))


def cell(place: Place, rows: int, columns: int, n: int) -> tuple[tuple[float, float], float, float]:
    """Where patch n of an image at this place stands: its lower left corner, its width and its height.

    >>> cell((0, 0, 8, 4), rows=2, columns=4, n=5)
    ((2.0, 0.0), 2.0, 2.0)
    """
    i, j = divmod(n, columns)
    x, y, width, height = place
    wide, high = width / columns, height / rows
    return (x + j * wide, y + (rows - 1 - i) * high), wide, high
