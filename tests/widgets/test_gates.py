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


@pytest.mark.parametrize("gate", ["i", "f", "o"])
def test_a_forced_gate_has_its_value(gate):
    scope = GateScope(read)
    assert (getattr(scope.recompute(2, gate, 0.25), gate) == 0.25).all()
    if gate != "f":  # with a closed input or output gate all keys are alike
        answers = [scope.recompute(key, gate, 0.0).answer for key in range(4)]
        np.testing.assert_array_equal(answers, [answers[0]] * 4)


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


def test_the_slider_works_only_while_a_gate_is_forced():
    scope = GateScope(read)
    before = scope.image.value
    assert scope.value_slider.disabled
    scope.value_slider.value = 0.2  # from code; in the browser it cannot be moved
    assert scope.image.value == before
    scope.gate.value = "f"
    assert not scope.value_slider.disabled
    scope.gate.value = ""
    assert scope.value_slider.disabled and scope.image.value == before
