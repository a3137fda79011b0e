"""The look that all figures share: colors, sizes, and a Figure that a notebook shows as a PNG."""

from __future__ import annotations

import io
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito's colors, told apart by readers with any color vision; never the only sign: markers differ too
BLUE, ORANGE, GREEN, PURPLE, SKY, RED, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#666666",
)  # fmt: skip
STATE_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED)
MARKERS = ("o", "s", "^", "D", "v", "P")

_RC: Any = {
    "font.size": 13,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same picture on every machine
    "axes.titlesize": 14,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "legend.frameon": False,
    "legend.fontsize": 12,
    "lines.linewidth": 2.2,
    "lines.markersize": 7,
    "svg.hashsalt": "lecturelib",
}


class LectureFigure(Figure):
    """A Figure that shows itself as a PNG in a notebook and says in one sentence what it shows."""

    says: str = ""

    def _repr_png_(self) -> bytes:
        return png(self)

    def __repr__(self) -> str:
        return f"Figure: {self.says}"


styled = matplotlib.rc_context(_RC)  # a decorator: everything drawn in the function has the shared style


def new_figure(width: float, height: float, says: str) -> LectureFigure:
    """Return an empty figure, `width` by `height` inches, in the shared style.

    `says` is what a reader gets who cannot see the picture: one sentence.
    """
    figure = LectureFigure(figsize=(width, height), dpi=100, layout="constrained")
    figure.says = says
    return figure


def axes(figure: Figure, rows: int = 1, columns: int = 1, **options: Any) -> list[Axes]:
    """Add a grid of axes; return them row by row."""
    return list(figure.subplots(rows, columns, squeeze=False, **options).ravel())


_PLACES: tuple[Literal["original", "active"], ...] = ("original", "active")


@styled
def png(figure: Figure) -> bytes:
    """Return the figure as PNG bytes; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    places = [(ax, kind, ax.get_position(kind == "original").frozen()) for ax in figure.axes for kind in _PLACES]
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})  # `savefig` would draw twice
    for ax, kind, place in places:  # the layout begins where the last one ended: let the next begin here too
        ax.set_position(place, kind)
        ax.set_in_layout(True)  # `set_position` took it out
    return buffer.getvalue()


def direct_label(ax: Axes, x: float, y: float, text: str, color: str, **options: Any) -> None:
    """Write a label beside its line, in the color of the line: no legend to look up."""
    ax.annotate(text, (x, y), xytext=(8, 0), textcoords="offset points", color=color, va="center", **options)


def hide_frame(ax: Axes) -> None:
    """Leave only what is drawn: no ticks, no spines."""
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
