"""The picture that an interactive figure leaves in the saved notebook, and a quick way to redraw a figure."""

import base64
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import traitlets
from matplotlib.figure import Figure

from lecturelib.figures import words
from lecturelib.figures.style import new_figure, png

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class ShownByBundle:
    """Mix in before an ipywidgets class whose `_repr_mimebundle_` says what it leaves in a saved notebook.

    Before version 8, as on Colab, ipywidgets does not ask for that: it leaves the name of a class. There the widget is
    displayed with the bundle's text, and under it the bundle's picture, if it has one.
    """

    if int(ipywidgets.__version__.split(".")[0]) < 8:

        def _ipython_display_(self, **kwargs: Any) -> None:
            from IPython.display import display

            found = self._repr_mimebundle_(**kwargs)  # type: ignore[attr-defined]
            bundle = found[0] if isinstance(found, tuple) else found
            view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}  # type: ignore[attr-defined]
            display({WIDGET_VIEW: view, "text/plain": bundle["text/plain"]}, raw=True)
            if "image/png" in bundle:
                display({kind: bundle[kind] for kind in ("image/png", "text/plain")}, raw=True)


class StaticPicture(ShownByBundle):
    """Mix in before an ipywidgets class: the widget's output then also holds a PNG and a fixed text.

    A live notebook shows the widget; one that is only read (GitHub, a PDF, JupyterLab without a kernel) shows the
    picture. The class says with `picture()` which figure that is, and with `says` what it shows, in words.
    """

    says: str

    def picture(self) -> Figure:
        """Return the figure that stands for the widget where there is no kernel."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        make = getattr(super(), "_repr_mimebundle_", None)
        view = make(**kwargs) if make else {}
        data, metadata = view if isinstance(view, tuple) else (view, {})  # anywidget's says where Colab finds it
        encoded = base64.b64encode(png(self.picture())).decode()
        bundle = {**(data or {}), "image/png": encoded, "text/plain": f"Interactive figure: {self.says}"}
        return (bundle, metadata) if metadata else bundle


class Spoken(anywidget.AnyWidget):
    """Put beside a picture and its controls: gives the picture its `words`, and the controls their names.

    ipywidgets writes a description beside a slider without naming the slider, and has no words for an image: a screen
    reader would say "slider, 4" and "image". This part of the figure shows nothing.
    """

    _esm = Path(__file__).with_name("spoken.js")

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


class Drawn(StaticPicture, ipywidgets.VBox):
    """A figure that the kernel draws anew when one of its controls changes.

    A kind of it has `size` in inches and `draw(figure)`, which draws the present view into a figure, and calls
    `assemble` when its controls are made. `image` shows the figure, and `spoken` says in words what is shown.
    """

    size = (12.0, 5.0)

    def draw(self, figure: Figure) -> None:
        """Draw the present view into a figure."""
        raise NotImplementedError

    def assemble(self, rows: Sequence[Sequence[ipywidgets.Widget]], watched: Sequence[ipywidgets.Widget]) -> None:
        """Put rows of controls above the picture, and draw anew whenever the value of one that is watched changes."""
        self.figure = new_figure(*self.size, self.says)
        self.image, self.spoken = ipywidgets.Image(format="png", layout={"max_width": "100%"}), Spoken()
        self.redraw()
        for control in watched:
            control.observe(lambda _: self.redraw(), names="value")
        parts = [ipywidgets.HBox(row) if len(row) > 1 else row[0] for row in rows]
        super().__init__([*parts, self.image, self.spoken])

    def redraw(self) -> None:
        """Show the present view."""
        self.draw(self.figure)
        self.image.value, self.spoken.words = png(self.figure), in_words(self.figure)

    def picture(self) -> Figure:
        """The present view."""
        return self.figure


def toggles(options: Sequence[tuple[str, Any]], description: str, *, button: str, **layout: str) -> Any:
    """Return a row of toggle buttons beside their description, each so wide; by itself it would stand below."""
    style = {"button_width": button, "description_width": "60px"}
    made = ipywidgets.ToggleButtons(options=options, description=description, layout=layout, style=style)
    made.add_class("widget-inline-hbox")
    return made
