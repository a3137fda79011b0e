"""The automaton stepper: type a string, step through it, watch an automaton and a network read it side by side."""

import html
from collections.abc import Callable
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
from matplotlib.figure import Figure

from lecturelib.figures.plane import separating_plane
from lecturelib.figures.recurrent_networks import stepper_frame
from lecturelib.widgets.picture import Drawn

MAX_LEN = 24  # symbols that fit above the figure


class Reading(NamedTuple):
    """A string as the automaton and the network read it: states (T + 1,), plane (T + 1, 2), accepted (T + 1,)."""

    states: list[int]
    plane: np.ndarray
    accepted: np.ndarray


class AutomatonStepper(Drawn):
    """Step through a string with an automaton and a network.

    `dfa` has table, accepting, alphabet, start, names, and `run(string)`. `network` maps a string to its hidden states
    (T + 1, H) and its verdicts (T + 1,), both before the first symbol and after each. `examples` are strings of one
    or more symbols; their hidden states are drawn pale behind, in the plane that keeps (state, last symbol) apart best.

    Raises: ValueError for a first string with unknown symbols or of more than 24, and for no examples.
    """

    says = "an automaton and a trained network read the same string, step by step"
    size = (10, 4.9)

    def __init__(
        self,
        dfa: Any,
        network: Callable[[str], tuple[np.ndarray, np.ndarray]],
        examples: list[str],
        string: str = "110101",
    ) -> None:
        if not examples:
            raise ValueError("examples is empty: expected strings whose hidden states are drawn behind, 20 or so")
        self.dfa, self.network = dfa, network
        hidden = np.concatenate([network(example)[0] for example in examples])
        self.background_states = np.concatenate([dfa.run(example) for example in examples])
        last = np.concatenate([[-1, *(dfa.alphabet.index(a) for a in example)] for example in examples])
        pairs = self.background_states * len(dfa.alphabet) + last  # a state and the last symbol, as one number
        self.project = separating_plane(hidden[last >= 0], pairs[last >= 0])
        self.background = self.project(hidden)
        problem = self.problem_with(string)
        if problem:
            raise ValueError(problem)
        self.string, self.reading = string, self.recompute(string)  # what is shown: the text may hold something else
        self.text = ipywidgets.Text(value=string, description="string", continuous_update=True)
        self.position = ipywidgets.IntSlider(value=len(string), min=0, max=len(string), description="symbols read",
                                             style={"description_width": "initial"})  # fmt: skip
        back, on = ipywidgets.Button(description="step back"), ipywidgets.Button(description="step")
        for button, move in ((back, -1), (on, 1)):
            button.layout.width = "90px"
            button.on_click(lambda _, move=move: self._step(move))
        self.message = ipywidgets.HTML()
        self.text.observe(self._typed, names="value")
        self.assemble([[self.text, self.position, back, on], [self.message]], [self.position])

    def problem_with(self, string: str) -> str | None:
        """Return what is wrong with a string, or None."""
        unknown = sorted(set(string) - set(self.dfa.alphabet))
        if unknown:
            return f"unknown symbols {unknown}: this automaton reads {list(self.dfa.alphabet)}"
        if len(string) > MAX_LEN:
            return f"{len(string)} symbols are too many for the figure: at most {MAX_LEN}"
        return None

    def recompute(self, string: str) -> Reading:
        """Return what the automaton and the network do with a string; no front end is needed."""
        hidden, accepted = self.network(string)
        return Reading(self.dfa.run(string), self.project(hidden), np.asarray(accepted, dtype=bool))

    def draw(self, figure: Figure) -> None:
        """Draw the present moment into a figure."""
        string, position, reading = self.string, self.position.value, self.reading
        stepper_frame(figure, self.dfa, string, position, reading.states, reading.plane, self.background,
                      self.background_states, bool(reading.accepted[position]))  # fmt: skip

    def _typed(self, change: dict[str, Any]) -> None:
        problem = self.problem_with(change["new"])
        self.message.value = html.escape(problem or "", quote=False)
        if problem:
            return  # the figure keeps the last string that could be read
        self.string, self.reading = change["new"], self.recompute(change["new"])
        length = len(change["new"])
        moves = length != self.position.value  # then the slider redraws
        with self.position.hold_trait_notifications():
            self.position.max = length
            self.position.value = length
        if not moves:
            self.redraw()

    def _step(self, move: int) -> None:
        self.position.value = min(max(self.position.value + move, 0), self.position.max)
