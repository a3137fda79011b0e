"""The automaton stepper without a front end: what it computes, what it says, and what its controls do."""

import numpy as np
import pytest
import torch
from torch import nn

from lecturelib.figures.plane import separating_plane
from lecturelib.widgets.stepper import MAX_LEN, AutomatonStepper
from tests.strategies import counter

EXAMPLES = ["110101", "000111", "101010", "1", "0110"]
torch.manual_seed(0)
CELL, OUT = nn.RNN(2, 7, batch_first=True, dtype=torch.float64), nn.Linear(7, 1, dtype=torch.float64)


def network(string: str) -> tuple[np.ndarray, np.ndarray]:
    """An untrained network: h_0 = 0 and the states after each symbol, and verdicts of either kind."""
    hidden = torch.zeros(1, 7, dtype=torch.float64)
    with torch.no_grad():
        if string:
            x = torch.eye(2, dtype=torch.float64)[[int(a) for a in string]]
            hidden = torch.cat([hidden, CELL(x[None])[0][0]])
        return hidden.numpy(), (OUT(hidden)[:, 0] > OUT.bias).numpy()


def stepper(string: str = "110101") -> AutomatonStepper:
    return AutomatonStepper(counter(3), network, EXAMPLES, string)


def titles(widget: AutomatonStepper) -> list[str]:
    """What stands above the two panels and above the figure."""
    return [*(ax.get_title(loc="left") for ax in widget.figure.axes), widget.figure.get_suptitle()]


@pytest.mark.parametrize("string", ["", "1", "1101", "10" * 12])
def test_recompute_reads_as_the_automaton_and_the_network_do(string):
    widget = stepper()
    reading, (hidden, verdicts) = widget.recompute(string), network(string)
    assert reading.states == [string[:t].count("1") % 3 for t in range(len(string) + 1)]
    seen = [network(example)[0][1:] for example in EXAMPLES]
    last_two = [2 * counter(3).run(e)[t + 1] + int(e[t]) for e in EXAMPLES for t in range(len(e))]
    project = separating_plane(np.concatenate(seen), np.array(last_two))
    np.testing.assert_allclose(reading.plane, project(hidden), atol=1e-12)
    assert reading.accepted.dtype == bool and reading.accepted.tolist() == verdicts.tolist()
    # behind them, every hidden state of the examples
    assert widget.background.shape == (sum(len(e) + 1 for e in EXAMPLES), 2)
    np.testing.assert_array_equal(widget.background_states[:7], counter(3).run("110101"))
    np.testing.assert_allclose(widget.background[:7], widget.recompute("110101").plane)


def test_the_slider_moves_through_the_string():
    widget = stepper("1101")
    for position in range(5):
        widget.position.value = position
        verdict = "accept" if widget.reading.accepted[position] else "reject"
        read = " ".join("1101"[:position]) or "nothing"
        assert titles(widget) == [
            f"The automaton is in state {'01220'[position]}",
            f"The network's hidden state; it says {verdict}",
            f"read so far:  {read}   |   {' '.join('1101'[position:])}",
        ]
        marker = widget.figure.axes[1].lines[-1].get_xydata()
        np.testing.assert_allclose(marker, widget.recompute("1101").plane[position : position + 1])


def test_the_buttons_step_and_stop_at_the_ends():
    widget = stepper("101")
    _, _, back, on = widget.children[0].children
    seen = []
    for button in (on, back, back, back, back, on, on, on, on):
        button.click()
        seen.append(widget.position.value)
    assert seen == [3, 2, 1, 0, 0, 1, 2, 3, 3]


def test_typing_reads_the_new_string_to_its_end_and_draws_once(monkeypatch):
    widget, drawn = stepper("101"), []
    monkeypatch.setattr(widget, "redraw", lambda: drawn.append(widget.string))
    for string in ("1011", "1010", "", "1", "10" * (MAX_LEN // 2)):
        widget.text.value = string
        assert (widget.position.value, widget.position.max) == (len(string), len(string))
        assert widget.reading.states == counter(3).run(string) and widget.message.value == ""
        assert drawn.pop() == string and not drawn


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("1x0<y", ["['&lt;', 'x', 'y']", "['0', '1']"]),
        ("1" * (MAX_LEN + 1), ["25 symbols", "at most 24"]),
    ],
)
def test_a_string_that_cannot_be_read_keeps_the_last_figure_and_is_named(typed, says):
    widget = stepper("101")
    before = widget.image.value, widget.reading, widget.position.max
    widget.text.value = typed
    assert (widget.image.value, widget.reading, widget.position.max) == before
    assert all(part in widget.message.value for part in says), widget.message.value
    _, _, back, _ = widget.children[0].children
    back.click()  # the string that is shown can still be stepped through
    assert titles(widget)[2] == "read so far:  1 0   |   1"
