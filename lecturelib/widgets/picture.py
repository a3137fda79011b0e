"""The picture that an interactive figure leaves in the saved notebook, and a quick way to redraw a figure."""

from __future__ import annotations

import base64
from typing import Any

import ipywidgets
from matplotlib.figure import Figure

from lecturelib.figures.style import png
from lecturelib.widgets.spoken import Spoken, in_words


class StaticPicture:
    """Mix in before an ipywidgets class: the widget's output then also holds a PNG and a fixed text.

    A live notebook shows the widget; one that is only read (GitHub, a PDF, JupyterLab without a kernel) shows the
    picture. The class says with `picture()` which figure that is, and with `says` what it shows, in words.
    ipywidgets before version 8 drops the picture; there both are displayed, one under the other.
    """

    says = "an interactive figure"

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

    if int(ipywidgets.__version__.split(".")[0]) < 8:  # pragma: no cover (Colab's old version, tried by hand)

        def _ipython_display_(self, **kwargs: Any) -> None:
            from IPython.display import display

            super()._ipython_display_(**kwargs)  # type: ignore[misc]
            encoded = base64.b64encode(png(self.picture())).decode()
            display({"image/png": encoded, "text/plain": f"Interactive figure: {self.says}"}, raw=True)


class Canvas(ipywidgets.Image):
    """An image that shows one matplotlib figure; `draw` after changing the figure sends the new picture.

    `spoken` belongs beside it and its controls: it says in words what is shown.
    """

    def __init__(self, figure: Figure) -> None:
        self.figure, self.spoken = figure, Spoken()
        super().__init__(format="png", layout={"max_width": "100%"})
        self.draw()

    def draw(self) -> None:
        """Render the figure and show it."""
        self.value = png(self.figure)
        self.spoken.words = in_words(self.figure)
