"""A prediction: a choice or a number that a student commits to before the experiment, shown beside its outcome."""

import html
import json
import urllib.request
from collections.abc import Sequence
from typing import Any

import ipywidgets

from lecturelib.checks import replication
from lecturelib.widgets.picture import ShownByBundle


class _Hall:
    """The poll of a lecture hall: it knows this notebook by a cookie, as it does a phone."""

    def __init__(self, link: str) -> None:
        self.link = link.rstrip("/")
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        self.opener.open(self.link, timeout=5).close()

    def vote(self, question: str, choice: str) -> str:
        """Vote, if the hall is asked this question now; return what came of it, in words."""
        try:
            with self.opener.open(f"{self.link}/now", timeout=5) as answer:
                now = json.load(answer)
            if now.get("question") != question or not now["open"]:
                return "The hall is not asked this now: your choice stays here."
            body = json.dumps({"number": now["number"], "choice": now["choices"].index(choice)}).encode()
            self.opener.open(f"{self.link}/vote", body, timeout=5).close()
        except (OSError, ValueError):
            return "The hall's poll does not answer: choose again in a moment."
        return "Your choice is counted in the hall's poll."


_hall: list[_Hall] = []  # the poll that this notebook votes in, if it joined one


def join_poll(link: str) -> None:
    """Let the predictions of this notebook vote in the poll of a lecture hall, too; the link is that for phones.

    Joined again (by Run All, say), the notebook keeps its one vote.

    Raises: ValueError where there is no poll.
    """
    try:
        if not _hall or _hall[0].link != link.rstrip("/"):
            _hall[:] = [_Hall(link)]
    except (OSError, ValueError) as problem:
        raise ValueError(f"no poll at {link} ({problem}): expected the link that stands on the slide") from None


class Prediction(ShownByBundle, ipywidgets.VBox):
    """A question with choices, or with a number to give. Show it in a cell; call `outcome` once it is measured."""

    def __init__(self, question: str, answer: ipywidgets.ValueWidget, listing: str, choices: Sequence[str]) -> None:
        self.question, self.answer, self.listing, self.choices = question, answer, listing, choices
        children = [ipywidgets.HTML(f"<b>Predict:</b> {html.escape(question)}"), answer]
        if _hall:
            said = ipywidgets.HTML()
            children.append(said)
            answer.observe(
                lambda change: said.set_trait("value", _hall[0].vote(question, change["new"])), names="value"
            )
        super().__init__(children)

    def outcome(self, measured: object, right: object = None) -> "Outcome":
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
    if (
        isinstance(choices, str)
        or not all(isinstance(each, str) for each in choices)
        or not 1 < len(set(choices)) == len(choices)
    ):
        raise ValueError(f"choices {choices!r}: expected a list of at least two texts, all different")
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
