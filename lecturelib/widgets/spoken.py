"""What a screen reader says of an interactive figure whose picture is drawn in the kernel."""

from __future__ import annotations

import re
from pathlib import Path

import anywidget
import traitlets
from matplotlib.figure import Figure

from lecturelib.figures import words


class Spoken(anywidget.AnyWidget):
    """Put beside a picture and its controls: gives the picture its `words`, and the controls their names.

    ipywidgets writes a description beside a slider without naming the slider, and has no words for an image: a screen
    reader would say "slider, 4" and "image". This part of the figure shows nothing.
    """

    _esm = Path(__file__).with_suffix(".js")

    words = traitlets.Unicode().tag(sync=True)


def in_words(figure: Figure) -> str:
    """Return what a figure shows: its sentence and its labels, and what is written in it in more than one word.

    >>> from lecturelib.figures.style import panel
    >>> figure, ax = panel(4, 3, "one curve")
    >>> ax.set_title("Loss $L_t$ after 20 steps") and ax.text(0, 0, "chance: 0.5") and ax.text(1, 1, "A") and None
    >>> in_words(figure)
    'one curve: Loss L_t after 20 steps. chance: 0.5.'
    """
    written = [text.get_text() for ax in figure.axes for text in ax.texts if " " in text.get_text()]
    plain = dict.fromkeys(" ".join(re.sub(r"[$\\{}]", "", text).split()) for text in written)  # each once
    return " ".join([words.in_words(figure), *(f"{each}." for each in plain)])
