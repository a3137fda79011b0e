"""Parts of figures that are maps: a matrix as colors, masked cells hatched, tokens at its sides, numbers in cells."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.image import AxesImage

from lecturelib.figures.colors import GREY, RED
from lecturelib.figures.given import few
from lecturelib.figures.style import LectureFigure, axes, new_figure

_WIDTH, _HEIGHT = 12.0, 6.5  # inches: one slide
_BESIDE = 0.355  # inches beside a map: a letter of 12 points, and air

OUTLINED: dict[str, Any] = {"fc": "white", "ec": RED, "lw": 2.5}
HATCHED: dict[str, Any] = {"fc": "white", "ec": GREY, "hatch": "////", "lw": 0}


def draw_map(ax: Axes, values: np.ndarray, *, mask: np.ndarray | None = None, expected: np.ndarray | None = None,
             **image: Any) -> AxesImage:  # fmt: skip
    """Show a matrix as colors; where `mask` is False the cell is hatched, where `expected` is True it is outlined.

    Shapes: values, mask and expected (T, S). `image` goes to `imshow`; without it the scale is viridis from 0 to 1.
    """
    scale = image or {"cmap": "viridis", "vmin": 0, "vmax": 1}
    shown = np.ma.array(values, mask=False if mask is None else ~np.asarray(mask))
    drawn = ax.imshow(shown, aspect="auto", interpolation="nearest", **scale)
    ax.patch.set(hatch="////", facecolor="white", edgecolor=GREY, linewidth=0)  # seen where a cell is masked
    if expected is not None:
        edges = _outline(np.asarray(expected, bool))
        for color, width in (("white", 5), (RED, 2.5)):  # seen on dark cells and on light ones
            ax.add_collection(LineCollection(edges, colors=color, linewidths=width, capstyle="round", zorder=3,
                                             clip_on=False), autolim=False)  # fmt: skip
    ax.set(xlim=(-0.5, shown.shape[1] - 0.5), ylim=(shown.shape[0] - 0.5, -0.5))
    return drawn


def _outline(cells: np.ndarray) -> list[np.ndarray]:
    """The edges between cells that are True and those that are not, each as two corners (x, y)."""
    padded = np.pad(cells, 1)
    across = [[(s - 1.5, t - 0.5), (s - 0.5, t - 0.5)] for t, s in np.argwhere(padded[:-1] != padded[1:])]
    upright = [[(s - 0.5, t - 1.5), (s - 0.5, t - 0.5)] for t, s in np.argwhere(padded[:, :-1] != padded[:, 1:])]
    return [np.array(edge) for edge in across + upright]


def name_map(ax: Axes, rows: Sequence[str], columns: Sequence[str], points: float = 12,
             column_points: float | None = None) -> None:  # fmt: skip
    """Write a name beside each row and under each column of a map."""
    ax.set_xticks(range(len(columns)), columns, fontsize=column_points or points)
    ax.set_yticks(range(len(rows)), rows, fontsize=points)
    ax.tick_params(length=0)


def map_panels(shapes: Sequence[tuple[int, ...]]) -> tuple[LectureFigure, list[Axes], float]:
    """Make a figure for maps of these shapes side by side; return it, its axes, and how many inches a map is wide.

    Raises: ValueError for none, and more than four.
    """
    few("maps", shapes, 4)
    count, (rows, columns) = len(shapes), np.max(shapes, axis=0)
    room = (_WIDTH - 1.4) / count - _BESIDE
    cell = min(0.62, room / columns, (_HEIGHT - 1.85) / rows)
    width = max(count * (min(room, max(cell * columns, 2.0)) + _BESIDE) + 1.4, 6.0)
    figure = new_figure(round(width, 2), round(max(cell * rows, 1.6) + 1.85, 2))  # whole pixels
    return figure, axes(figure, 1, count), (width - 1.4) / count - _BESIDE


def number_cells(ax: Axes, values: np.ndarray, words: Callable[[float], str] = "{:.2f}".format,
                 points: float = 15) -> None:  # fmt: skip
    """Write each number of a map from 0 to 1 into its cell, white on dark ones."""
    for (row, column), value in np.ndenumerate(values):
        color = "white" if value < 0.6 else "black"
        ax.text(column, row, words(value), ha="center", va="center", fontsize=points, color=color)


def separate(ax: Axes, shape: tuple[int, ...], color: str = "white", width: float = 1.5) -> None:
    """Draw lines between the rows and the columns of a map."""
    rows, columns = shape
    ax.hlines(np.arange(0.5, rows - 1), -0.5, columns - 0.5, color=color, lw=width)
    ax.vlines(np.arange(0.5, columns - 1), -0.5, rows - 0.5, color=color, lw=width)
