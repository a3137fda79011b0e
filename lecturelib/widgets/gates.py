"""The gate scope: force a gate of a trained LSTM to a value, and see what it still remembers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
from matplotlib.figure import Figure

from lecturelib.figures.lstm import KEYS, gate_scope_frame
from lecturelib.figures.style import new_figure
from lecturelib.widgets.picture import Canvas, StaticPicture

# a Dropdown shows the value None as an empty line, so "nothing" is the empty string
GATE_NAMES = {"nothing": "", "input gate i": "i", "forget gate f": "f", "output gate o": "o"}


class Reading(NamedTuple):
    """What an LSTM did with a string of T symbols: cell and gates i, f, o, each (T, H); answer (4,), probabilities."""

    string: str
    cell: np.ndarray
    i: np.ndarray
    f: np.ndarray
    o: np.ndarray
    answer: np.ndarray


class GateScope(StaticPicture, ipywidgets.VBox):
    """Look into a trained LSTM while it carries one of four keys to the end of a string.

    `read(key, force)` returns a `Reading`; `force` maps a gate ("i", "f" or "o") to a constant, or is empty.
    """

    says = "the gates, the cell and the answer of a trained LSTM, with a gate forced to a value of your choice"

    def __init__(self, read: Callable[[int, Mapping[str, float]], Reading]) -> None:
        self.read = read
        self.key = ipywidgets.ToggleButtons(options=[(k, n) for n, k in enumerate(KEYS)], description="key",
                                            layout={"width": "300px"},
                                            style={"button_width": "40px", "description_width": "40px"})  # fmt: skip
        self.key.add_class("widget-inline-hbox")  # by itself it stands under its description
        self.gate = ipywidgets.Dropdown(options=list(GATE_NAMES.items()), value="", description="force")
        self.value_slider = ipywidgets.FloatSlider(value=1.0, min=0.0, max=1.0, step=0.01, description="to")
        self.figure = new_figure(12, 4.3, self.says)
        self.shown = self.recompute(0, None, 1.0)
        self.limit = float(np.abs(self.shown.cell).max())  # one color scale and one order of units for all views
        self.order = np.argsort(-np.abs(self.shown.cell[-1]))
        self._frame()
        self.canvas = Canvas(self.figure)
        for control in (self.key, self.gate, self.value_slider):
            control.observe(self._changed, names="value")
        self._enable()
        super().__init__([ipywidgets.HBox([self.key, self.gate, self.value_slider]), self.canvas, self.canvas.spoken])

    def recompute(self, key: int, gate: str | None, value: float) -> Reading:
        """Return what the network does with a gate forced (or none); no front end is needed.

        Raises: ValueError for a key or gate that does not exist, or a value outside 0..1.
        """
        if key not in range(len(KEYS)) or (gate or "") not in GATE_NAMES.values() or not 0 <= value <= 1:
            raise ValueError(
                f"key {key}, gate {gate!r}, value {value}: expected a key from 0 to {len(KEYS) - 1}, a gate of 'i', "
                f"'f', 'o' or None, and a value from 0 to 1"
            )
        return self.read(key, {gate: value} if gate else {})

    def picture(self) -> Figure:
        """The present view."""
        return self.figure

    def _frame(self) -> None:
        r = self.shown
        means = {"i": r.i.mean(1), "f": r.f.mean(1), "o": r.o.mean(1)}
        gate_scope_frame(
            self.figure,
            r.string,
            r.cell[:, self.order],
            means,
            self.gate.value or None,
            r.answer,
            self.key.value,
            self.limit,
        )

    def _enable(self) -> None:
        self.value_slider.disabled = not self.gate.value

    def _changed(self, _: Any) -> None:
        self._enable()
        self.shown = self.recompute(self.key.value, self.gate.value or None, self.value_slider.value)
        self._frame()
        self.canvas.draw()
