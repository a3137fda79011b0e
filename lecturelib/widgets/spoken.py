"""What a screen reader says of an interactive figure whose picture is drawn in the kernel."""

from __future__ import annotations

import re
from pathlib import Path

import anywidget
import traitlets
from matplotlib.figure import Figure


class Spoken(anywidget.AnyWidget):
    """Put beside a picture and its controls: gives the picture its `words`, and the controls their names.

    ipywidgets writes a description beside a slider without naming the slider, and has no words for an image: a screen
    reader would say "slider, 4" and "image". This part of the figure shows nothing.
    """

    _esm = Path(__file__).with_suffix(".js")

    words = traitlets.Unicode().tag(sync=True)


def in_words(figure: Figure) -> str:
    """Return what a figure shows: its own sentence, if it has one, and the titles in it.

    >>> from lecturelib.figures.style import axes, new_figure
    >>> figure = new_figure(4, 3, "one curve")
    >>> axes(figure)[0].set_title("Loss $L_t$ after 20 steps") and None
    >>> in_words(figure)
    'one curve: Loss L_t after 20 steps.'
    """
    says = getattr(figure, "says", "")
    titles = [figure.get_suptitle(), *(ax.get_title(side) for ax in figure.axes for side in ("left", "center"))]
    plain = [re.sub(r"\s+", " ", re.sub(r"[$\\{}]", "", title)).strip() for title in titles]
    return ": ".join(filter(None, [says, "; ".join(filter(None, plain))])) + "."
