"""The look that all figures share: colors, sizes, and a Figure that a notebook shows as a PNG."""

import io
from pathlib import Path
from typing import Any, Literal

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lecturelib.figures.words import in_words


class LectureFigure(Figure):
    """A Figure that shows itself as a PNG in a notebook, and says what it shows to whom cannot see it.

    `says` is a sentence for a drawing; the words of a plot are made from its own labels.
    """

    says: str = ""

    def _repr_png_(self) -> bytes:
        return png(self)

    def __repr__(self) -> str:
        return f"Figure: {in_words(self)}"


# A decorator: what is drawn in the function has the shared style, and nothing of the reader's own matplotlibrc.
styled = matplotlib.style.context(["default", str(Path(__file__).with_name("lecture.mplstyle"))])


@styled
def new_figure(width: float, height: float, says: str = "") -> LectureFigure:
    """Return an empty figure, `width` by `height` inches, in the shared style; `says` is for drawings."""
    figure = LectureFigure(figsize=(width, height), dpi=100, layout="constrained")
    figure.says = says
    return figure


@styled
def panel(width: float, height: float, says: str = "") -> tuple[LectureFigure, Axes]:
    """Return an empty figure with one pair of axes."""
    figure = new_figure(width, height, says)
    return figure, figure.subplots()


@styled
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
    FigureCanvasBase(figure)  # the figure lets go of the pixels that were drawn
    return buffer.getvalue()


def hide_frame(ax: Axes) -> None:
    """Leave only what is drawn: no ticks, no spines."""
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
