"""Parts that several figures share: a map of tokens looking at tokens, and labels beside lines that lie close."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.image import AxesImage
from matplotlib.patches import Patch

from lecturelib.figures.style import GREY, RED, LectureFigure, axes, new_figure

_WIDTH, _HEIGHT = 12.0, 6.5  # inches: one slide
_PITCH = 0.2  # inches from one label to the next, at least
_LETTER = 0.105  # inches: the width of a letter of 12 points

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


def name_ticks(ax: Axes, axis: str, names: Sequence[str], inches: float) -> None:
    """Write the names along an axis of so many inches, every second or third one where all do not fit."""
    labels = [readable(name) for name in names]
    max_len = _LETTER * max(map(len, labels))
    pitch = inches / len(labels)
    upright = axis == "x" and pitch < max_len + 0.07 and max_len > _PITCH
    need = max_len + 0.07 if axis == "x" and not upright else _PITCH
    every = int(np.ceil(need / pitch - 1e-9)) if pitch < need else 1
    kept = range(0, len(labels), every)
    set_ticks = getattr(ax, f"set_{axis}ticks")
    set_ticks(list(kept), [labels[k] for k in kept], fontsize=12, parse_math=False, rotation=90 if upright else 0)


def name_map(ax: Axes, rows: Sequence[str], columns: Sequence[str], inches: tuple[float, float], row_label: str,
             column_label: str) -> None:  # fmt: skip
    """Write the tokens beside and under a map that is so many inches wide and high, and what each side means."""
    name_ticks(ax, "x", columns, inches[0])
    name_ticks(ax, "y", rows, inches[1])
    ax.tick_params(length=0)
    ax.set_xlabel(column_label, fontsize=13)
    ax.set_ylabel(row_label, fontsize=13)


def map_panels(rows: Sequence[Sequence[str]], columns: Sequence[Sequence[str]], legend: bool,
               says: str) -> tuple[LectureFigure, list[Axes], list[tuple[float, float]]]:  # fmt: skip
    """Make a figure for maps with these names; return it, its axes, and the inches (wide, high) of each map.

    Maps of more than 16 columns stand one under another, others side by side.
    """
    count, spare = len(rows), 0.35 if legend else 0.0
    before, under = (
        _LETTER * max(len(readable(n)) for names in side for n in names) + 0.15 for side in (rows, columns)
    )
    most_T, most_S = max(map(len, rows)), max(map(len, columns))
    if most_S > 16:
        high = min(0.3 * most_T, (_HEIGHT - spare) / count - 0.95)
        figure = new_figure(_WIDTH, count * (high + 0.95) + spare, says)
        return figure, axes(figure, count, 1), [(_WIDTH - before - 1.5, high)] * count
    room = (_WIDTH - 1.4) / count - before - 0.1
    under = under if under > room / most_S else 0.25
    cell = min(0.62, room / most_S, (_HEIGHT - 1.25 - spare - under) / most_T)
    high = max(cell * most_T, 1.6)
    width = max(count * (min(room, max(cell * most_S, 2.0)) + before + 0.1) + 1.4, 6.0)
    figure = new_figure(width, high + 1.25 + under + spare, says)
    return figure, axes(figure, 1, count), [((width - 1.4) / count - before - 0.1, high)] * count


def same_shape(what: str, one: Sequence[int], other: Sequence[int]) -> None:
    """Refuse shapes that differ."""
    if tuple(one) != tuple(other):
        raise ValueError(f"{what} have shapes {tuple(one)} and {tuple(other)}: expected the same; compare their .shape")


def readable(token: str) -> str:
    """Return what stands for a token in a figure: an open box for a space, a box for a letter that the font lacks."""
    font = get_font(findfont(FontProperties("DejaVu Sans")))
    return "".join("␣" if c == " " else c if font.get_char_index(ord(c)) else "□" for c in token)


def wrapped(text: str, inches: float, points: float = 14) -> str:
    """Break a text into lines of at most so many inches."""
    return textwrap.fill(text, max(8, int(inches / (points * 0.0072))))


def legend_patches(expected: bool, masked: bool, expected_name: str = "expected") -> list[Patch]:
    """The legend of `draw_map`: what an outline and what hatching means."""
    patches = [Patch(label=expected_name, **OUTLINED)] if expected else []
    return patches + ([Patch(label="may not look", **HATCHED)] if masked else [])


def apart(wanted: Sequence[float] | np.ndarray, gap: float) -> np.ndarray:
    """Move positions until neighbours are at least `gap` apart, as little as that takes; their order stays.

    Shapes: wanted (n,); returns (n,). It is a least-squares fit: positions that collide stand around their mean.

    >>> apart([1.0, 1.0, 5.0], gap=2).tolist()
    [0.0, 2.0, 5.0]
    """
    order = np.argsort(wanted, kind="stable")
    groups: list[tuple[float, int]] = []  # mean of (wanted - gap * rank), and how many share it
    for rank, k in enumerate(order):
        mean, count = float(wanted[k]) - gap * rank, 1
        while groups and groups[-1][0] > mean:
            before, more = groups.pop()
            mean, count = (mean * count + before * more) / (count + more), count + more
        groups.append((mean, count))
    placed = np.empty(len(order))
    placed[order] = np.repeat([m for m, _ in groups], [n for _, n in groups]) + gap * np.arange(len(order))
    return placed


def label_ends(ax: Axes, x: float, ends: Mapping[str, float], colors: Sequence[str], inches: float,
               points: float = 13) -> None:  # fmt: skip
    """Write a name to the right of the axes for each line that ends at (x, its y), without overlap.

    A thin line leads from each end to its name; of lines that end alike the first stands on top. `inches` is about the
    height of the axes, whose limits must be set.
    """
    low, high = ax.get_ylim()
    to_scale = np.log if ax.get_yscale() == "log" else np.asarray
    upward = [(name, y, color) for (name, y), color in zip(ends.items(), colors, strict=False)][::-1]
    share = (to_scale([y for _, y, _ in upward]) - to_scale(low)) / (to_scale(high) - to_scale(low))
    gap = 1.4 * points / 72 / inches
    for (name, y, color), place in zip(upward, apart(np.clip(share, 0, 1), gap), strict=True):
        ink = tuple(0.75 * part for part in to_rgb(color))  # letters are thinner than lines
        leader = {"arrowstyle": "-", "color": ink, "lw": 1, "shrinkA": 1, "shrinkB": 1, "relpos": (0, 0.5)}
        ax.annotate(name, (x, y), xytext=(1.04, place), textcoords="axes fraction", color=ink, va="center",
                    fontsize=points, arrowprops=leader)  # fmt: skip
