"""The gate scope: force a gate of a trained LSTM to a value, and see what it still remembers."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import ipywidgets
import numpy as np
from matplotlib.figure import Figure

from lecturelib.figures.lstm import KEYS, gate_scope_frame
from lecturelib.widgets.picture import Drawn, toggles

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


class GateScope(Drawn):
    """Look into a trained LSTM while it carries one of four keys to the end of a string.

    `read(key, force)` returns a `Reading`; `force` maps a gate ("i", "f" or "o") to a constant, or is empty.
    """

    says = "the gates, the cell and the answer of a trained LSTM, with a gate forced to a value of your choice"
    size = (12, 4.3)

    def __init__(self, read: Callable[[int, Mapping[str, float]], Reading]) -> None:
        self.read = read
        self.key = toggles([(k, n) for n, k in enumerate(KEYS)], "key", button="40px", width="300px")
        self.gate = ipywidgets.Dropdown(options=list(GATE_NAMES.items()), value="", description="force")
        self.value_slider = ipywidgets.FloatSlider(value=1.0, min=0.0, max=1.0, step=0.01, description="to")
        first = read(0, {}).cell
        self.limit = float(np.abs(first).max())  # one color scale and one order of units for all views
        self.order = np.argsort(-np.abs(first[-1]))
        controls = [self.key, self.gate, self.value_slider]
        self.assemble([controls], controls)

    def draw(self, figure: Figure) -> None:
        """Draw what the network does under the present settings into a figure."""
        key, gate = self.key.value, self.gate.value or None
        self.value_slider.disabled = gate is None
        found = self.read(key, {gate: self.value_slider.value} if gate else {})
        means = {"i": found.i.mean(1), "f": found.f.mean(1), "o": found.o.mean(1)}
        cell = found.cell[:, self.order]
        gate_scope_frame(figure, found.string, cell, means, gate, found.answer, key, self.limit)
