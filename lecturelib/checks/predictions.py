"""A prediction: a choice or a number that a student commits to before the experiment, shown beside its outcome."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import ipywidgets

from lecturelib.checks import replication
from lecturelib.widgets.picture import ShownByBundle


class Prediction(ShownByBundle, ipywidgets.VBox):
    """A question with choices, or with a number to give. Show it in a cell; call `outcome` once it is measured."""

    def __init__(self, question: str, answer: ipywidgets.ValueWidget, listing: str, choices: Sequence[str]) -> None:
        self.question, self.answer, self.listing, self.choices = question, answer, listing, choices
        super().__init__([ipywidgets.HTML(f"<b>Predict:</b> {html.escape(question)}"), answer])

    def outcome(self, measured: object, right: object = None) -> Outcome:
        """Return the measured value beside the prediction; a prediction that was made is kept as it is from now on.

        Made later (after Run All, say), a prediction still appears beside the measured value. `right` is the choice
        that turned out right, computed like the value: `lecture replicate` counts how often it is the same.

        Raises: ValueError for a `right` that is none of the choices.
        """
        if right is not None and str(right) not in self.choices:
            raise ValueError(f"right={right!r}: expected one of the choices {list(self.choices)}")
        self.answer.disabled = bool(self.answer.value)
        replication.told_outcome(self.question, measured, None if right is None else str(right))
        return Outcome(self, measured, right)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        plain = f"Predict: {self.question} {self.listing}"
        page = f"<b>Predict:</b> {html.escape(self.question)}<br>{html.escape(self.listing)}"
        return {**_view(self, **kwargs), "text/html": page, "text/plain": plain}


class Outcome(ShownByBundle, ipywidgets.HTML):
    """A measured value beside what was predicted."""

    def __init__(self, prediction: Prediction, measured: object, right: object = None) -> None:
        self.prediction, self.measured, self.right = prediction, measured, right
        super().__init__()
        self._update()
        prediction.answer.observe(lambda _: self._update(), names="value")

    def sentence(self) -> str:
        """Return what is shown, as plain text."""
        guess = self.prediction.answer.value  # None or "" while nothing is chosen
        said = f"You predicted: {guess}." if guess else "No prediction was made."
        found = f"{said} Measured: {self.measured}."
        return found if self.right is None else f"{found} Right was: {self.right}."

    def _update(self) -> None:
        self.value = html.escape(self.sentence())

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return {**_view(self, **kwargs), "text/plain": self.sentence()}


def predict(question: str, choices: list[str]) -> Prediction:
    """Ask for a choice.

    Raises: ValueError for fewer than two choices, or the same one twice.

    >>> predict("Heads or tails?", ["heads", "tails"]).outcome("tails").sentence()
    'No prediction was made. Measured: tails.'
    """
    if len(choices) < 2 or len(set(choices)) != len(choices):
        raise ValueError(f"choices {choices}: expected at least two, all different")
    answer = ipywidgets.RadioButtons(options=choices, value=None, layout={"width": "max-content"})
    return Prediction(question, answer, " / ".join(choices), choices)


def predict_number(question: str, low: int, high: int) -> Prediction:
    """Ask for a whole number from `low` to `high`.

    Raises: ValueError if `low` is not below `high`.

    >>> predict_number("How many?", 1, 9).outcome(6).sentence()
    'No prediction was made. Measured: 6.'
    """
    if not low < high:
        raise ValueError(f"low={low}, high={high}: expected low < high")
    # a text box that begins empty: a slider would suggest an answer, and Run All would count it as one
    answer = ipywidgets.Combobox(options=[str(n) for n in range(low, high + 1)], ensure_option=True,
                                 placeholder=f"{low} to {high}", description="your number",
                                 style={"description_width": "initial"}, layout={"width": "200px"})  # fmt: skip
    listing = f"(a whole number from {low} to {high})"
    return Prediction(question, answer, listing, [str(n) for n in range(low, high + 1)])


def _view(widget: ipywidgets.Widget, **kwargs: Any) -> dict[str, Any]:
    """The entry by which a live notebook shows the widget itself; with ipywidgets 7 there is none."""
    make = getattr(ipywidgets.DOMWidget, "_repr_mimebundle_", None)
    return dict(make(widget, **kwargs) or {}) if make else {}
