"""What the figures that the kernel draws have in common: controls draw one figure anew, and a picture of it stays."""

from typing import Any

import pytest

from lecturelib.figures.style import png
from lecturelib.widgets.cost_explorer import CostExplorer
from lecturelib.widgets.gates import GateScope
from lecturelib.widgets.picture import in_words
from tests.widgets.test_film import film
from tests.widgets.test_gates import read
from tests.widgets.test_picture import check_bundle
from tests.widgets.test_stepper import stepper

COSTS = "operations, seconds and bytes of a transformer and of an LSTM, for a length, width and depth of your choice"
SCOPE = "the gates, the cell and the answer of a trained LSTM, with a gate forced to a value of your choice"
FILM = "the hidden states of a network in a plane, step by step while it learns, and its share of right answers"
STEPPER = "an automaton and a trained network read the same string, step by step"
# how it is made, what it says, and moves of its controls that each show something new
DRAWN: dict[str, tuple[Any, str, list[tuple[str, Any]]]] = {
    "costs": (
        lambda: CostExplorer(rate=1e9, memory=4e9),
        COSTS,
        [("n", 65536), ("D", 32), ("mode", "writing"), ("num_layers", 96), ("batch_size", 64), ("mode", "reading")],
    ),
    "scope": (
        lambda: GateScope(read),
        SCOPE,
        [("key", 2), ("gate", "f"), ("value_slider", 0.4), ("gate", "o"), ("value_slider", 0.0), ("key", 0)],
    ),
    "film": (film, FILM, [("slider", 1), ("slider", 0), ("slider", 2)]),
    "stepper": (stepper, STEPPER, [("position", 0), ("position", 3), ("text", "1101"), ("position", 1), ("text", "")]),
}


@pytest.mark.parametrize("kind", DRAWN)
def test_controls_draw_one_figure_anew_and_the_way_does_not_matter(kind):
    make, _, moves = DRAWN[kind]
    widget = make()
    figure, pictures = widget.figure, [widget.image.value]
    before = {name: getattr(widget, name).value for name, _ in moves}
    for name, value in moves:
        getattr(widget, name).value = value
        pictures.append(widget.image.value)
        assert widget.figure is figure and widget.image.value == png(figure)
        assert widget.spoken.words == in_words(figure)
    assert len(set(pictures)) == len(pictures)
    for name, value in sorted(before.items(), reverse=True):  # the text before the place in it
        getattr(widget, name).value = value
    assert widget.image.value == pictures[0]


@pytest.mark.parametrize("kind", DRAWN)
def test_the_saved_output_holds_a_picture(kind):
    make, says, moves = DRAWN[kind]
    widget = make()
    check_bundle(widget, says)
    getattr(widget, moves[0][0]).value = moves[0][1]
    assert png(widget.picture()) == widget.image.value
