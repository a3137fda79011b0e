"""The gate scope without a front end: it shows what torch's LSTM computes, and what forcing a gate must do to it."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import nn

from lecturelib.recurrent import run_lstm
from lecturelib.widgets.gates import GateScope, Reading

torch.manual_seed(0)
LSTM, OUT = nn.LSTM(8, 5, batch_first=True, dtype=torch.float64), nn.Linear(5, 4, dtype=torch.float64)
NOISE = [4, 7, 5, 6, 6, 4, 7, 5]


def inputs(key: int) -> torch.Tensor:
    return torch.eye(8, dtype=torch.float64)[[key, *NOISE]][None]


def read(key: int, force: Mapping[str, float]) -> Reading:
    with torch.no_grad():
        w_x, w_h, b_x, b_h = LSTM.parameters()
        trace = run_lstm(inputs(key), w_x, w_h, b_x + b_h, force)
        answer = OUT(trace.h[0, -1]).softmax(-1)
    string = "".join("ABCDwxyz"[k] for k in [key, *NOISE])
    cell, i, f, o = (each[0].numpy() for each in (trace.c, trace.i, trace.f, trace.o))
    return Reading(string, cell, i, f, o, answer.numpy())


@pytest.mark.parametrize("key", range(4))
def test_with_nothing_forced_the_answer_is_that_of_torchs_lstm(key):
    reading = GateScope(read).recompute(key, None, 0.3)
    with torch.no_grad():
        h, (_, c) = LSTM(inputs(key))
        answer = OUT(h[0, -1]).softmax(-1)
    np.testing.assert_allclose(reading.answer, answer.numpy(), rtol=1e-12)
    np.testing.assert_allclose(reading.cell[-1], c[0, 0].numpy(), rtol=1e-10)
    assert reading.string == "ABCD"[key] + "wzxyywzx"


@pytest.mark.parametrize(("gate", "row"), [("i", 0), ("f", 1), ("o", 3)])
@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
def test_a_forced_gate_has_its_value_and_the_rest_follows(gate, row, value):
    reading = GateScope(read).recompute(2, gate, value)
    assert (getattr(reading, gate) == value).all()
    # torch's formulas in NumPy, with the gate replaced
    w, u, *biases = (p.detach().numpy() for p in LSTM.parameters())
    h = c = np.zeros(5)
    for x in inputs(2)[0].numpy():
        z = (w @ x + u @ h + sum(biases)).reshape(4, 5)
        parts = 1 / (1 + np.exp(-z))
        parts[2] = np.tanh(z[2])
        parts[row] = value
        c = parts[1] * c + parts[0] * parts[2]
        h = parts[3] * np.tanh(c)
    scores = OUT.weight.detach().numpy() @ h + OUT.bias.detach().numpy()
    np.testing.assert_allclose(reading.cell[-1], c, atol=1e-12)
    np.testing.assert_allclose(reading.answer, np.exp(scores) / np.exp(scores).sum(), rtol=1e-10)


@pytest.mark.parametrize("gate", ["i", "o"])
def test_a_closed_input_or_output_gate_makes_all_keys_alike(gate):
    scope = GateScope(read)
    answers = [scope.recompute(key, gate, 0.0).answer for key in range(4)]
    np.testing.assert_array_equal(answers, [answers[0]] * 4)
    assert not np.allclose(scope.recompute(0, gate, 1.0).answer, scope.recompute(1, gate, 1.0).answer)


def test_a_closed_forget_gate_leaves_only_the_last_symbols_part():
    reading = GateScope(read).recompute(1, "f", 0.0)
    opened = GateScope(read).recompute(1, None, 0.0)
    assert not np.allclose(reading.cell, opened.cell)
    assert (np.abs(reading.cell) <= reading.i).all()  # |i * g| with |g| below 1


def test_the_figure_says_what_is_shown():
    scope = GateScope(read)
    scope.key.value, scope.gate.value, scope.value_slider.value = 3, "i", 0.5
    gates, cell, answer = scope.figure.axes
    reading = scope.recompute(3, "i", 0.5)
    legend = gates.get_legend()
    assert legend is not None
    assert [t.get_text() for t in legend.get_texts()] == ["input (forced)", "forget", "output"]
    np.testing.assert_allclose(gates.lines[0].get_ydata(), 0.5)
    np.testing.assert_allclose(gates.lines[1].get_ydata(), reading.f.mean(1))
    order = np.argsort(-np.abs(scope.recompute(0, None, 1.0).cell[-1]))  # one order of units for all views
    np.testing.assert_allclose(cell.images[0].get_array(), reading.cell[:, order].T)
    np.testing.assert_allclose([bar.get_height() for bar in answer.patches], reading.answer)
    below = {t.get_position()[0]: t.get_text() for t in (*gates.get_xticklabels(), *gates.texts)}
    assert [below[step] for step in range(1, 10)] == list(reading.string)
    verdict = "recalled" if reading.answer.argmax() == 3 else "forgotten"
    assert answer.get_title(loc="left") == f"It was D: {verdict}"


def test_the_scale_of_a_small_cell_is_not_called_zero():
    cell = 0.04 * np.ones((6, 4))
    scope = GateScope(lambda key, force: Reading("Awxyzw", cell, cell, cell, cell, np.full(4, 0.25)))
    assert scope.figure.axes[1].get_title(loc="left") == "Cell, unit by unit (-0.04 to 0.04)"


def test_the_slider_works_only_while_a_gate_is_forced():
    scope = GateScope(read)
    before = scope.canvas.value
    assert scope.value_slider.disabled
    scope.value_slider.value = 0.2  # from code; in the browser it cannot be moved
    assert scope.canvas.value == before
    scope.gate.value = "f"
    assert not scope.value_slider.disabled
    scope.gate.value = ""
    assert scope.value_slider.disabled and scope.canvas.value == before
