"""A page measured in inches, and what drawings put on it: boxes with their code, arrows, small matrices."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle

from lecturelib.figures.colors import BLUE, GREEN, GREY, ORANGE
from lecturelib.figures.style import LectureFigure, new_figure

MONO = "DejaVu Sans Mono"
INK = "#333333"
PALE = {BLUE: "#e3eef8", ORANGE: "#fdeccb", GREEN: "#dcf2ea", GREY: "#f0f0f0"}
BLUES = ListedColormap(np.linspace((0.95, 0.97, 1.0), (0.0, 0.3, 0.5), 64))


def paper(width: float, height: float, says: str) -> tuple[LectureFigure, Axes]:
    """An empty page whose coordinates are inches; its size is rounded to whole pixels."""
    width, height = round(width, 2), round(height, 2)
    figure = new_figure(width, height, says)
    figure.set_layout_engine("none")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(0, height))
    ax.axis("off")
    return figure, ax


def rounded(ax: Axes, x: float, y: float, w: float, h: float, *, corner: float = 0.1, **look: Any) -> None:
    """A box with round corners."""
    ax.add_patch(FancyBboxPatch((x, y), w, h, boxstyle=f"round,pad=0,rounding_size={corner}", **look))


def numbered(ax: Axes, x: float, y: float, number: int, radius: float, points: float) -> None:
    """A number in a dark circle, on the corner of a box."""
    ax.add_patch(Circle((x, y), radius, fc=INK, ec="white", lw=1.5, zorder=5))
    look: dict[str, Any] = {"ha": "center", "va": "center_baseline", "weight": "bold", "color": "white"}
    ax.text(x, y - 0.005, str(number), fontsize=points, zorder=6, **look)


def box(ax: Axes, x: float, y: float, w: float, h: float, name: str, code: str = "", color: str = BLUE,
        points: float = 16) -> None:  # fmt: skip
    """A box with its name and, under it, the code that is the box; a thick border for what mixes tokens."""
    rounded(ax, x, y, w, h, fc=PALE[color], ec=color, lw=4 if color == ORANGE else 2, zorder=2)
    of_name, of_code = (words.count("\n") + 1 if words else 0 for words in (name, code))
    name_high, code_high = of_name * points * 1.25 / 72, of_code * 12.5 * 1.25 / 72
    top = y + h / 2 + (name_high + code_high) / 2
    ax.text(x + w / 2, top - name_high / 2, name, ha="center", va="center", fontsize=points, weight="bold", zorder=3,
            linespacing=1.05)  # fmt: skip
    ax.text(x + w / 2, top - name_high - code_high / 2 - 0.02, code, ha="center", va="center", fontsize=12.5,
            family=MONO, zorder=3, linespacing=1.1)  # fmt: skip


def arrow(ax: Axes, a: tuple[float, float], b: tuple[float, float], color: str = INK) -> None:
    """An arrow from a to b."""
    style: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 16, "shrinkA": 0, "shrinkB": 0, "lw": 2}
    ax.add_patch(FancyArrowPatch(a, b, color=color, zorder=4, **style))


def residual(ax: Axes, start: float, end: float, lane: float, turn: float, until: float) -> None:
    """A line past a box, to the sum behind it: from the lane at `start`, along `turn`, back at `end` to `until`."""
    ax.plot([start, start, end], [lane, turn, turn], color=INK, lw=1.8, zorder=1, solid_joinstyle="round")
    arrow(ax, (end, turn), (end, until))


def link(ax: Axes, x: float, top: float, bottom: float) -> None:
    """A dotted line from a box down to what stands under it."""
    ax.plot([x, x], [top, bottom], color=GREY, lw=1.2, ls=":", zorder=1)


def legend(ax: Axes, x: float, y: float, color: str, words: str) -> None:
    """A small box of this color, and what it means."""
    box(ax, x, y - 0.14, 0.4, 0.28, "", color=color)
    ax.text(x + 0.52, y, words, fontsize=14, va="center")


def matrix(ax: Axes, x: float, y: float, w: float, h: float, values: np.ndarray) -> None:
    """A small matrix: the larger a number, the darker its cell; hatched where there is none."""
    rows, columns = values.shape
    high = np.nanmax(values)
    for (t, s), value in np.ndenumerate(values):
        look: dict[str, Any] = {"fc": "white", "hatch": "/////", "ec": GREY}
        if not np.isnan(value):
            look = {"fc": BLUES(max(value, 0) / high), "ec": "white"}
        ax.add_patch(Rectangle((x + s * w / columns, y + h - (t + 1) * h / rows), w / columns, h / rows, lw=1, zorder=3,
                               **look))  # fmt: skip
    ax.add_patch(Rectangle((x, y), w, h, fc="none", ec=INK, lw=1.2, zorder=4))
