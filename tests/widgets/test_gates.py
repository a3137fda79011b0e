"""The gate scope without a front end: it shows what the LSTM does, with a gate forced or none."""

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


def read(key: int, force: Mapping[str, float]) -> Reading:
    with torch.no_grad():
        w_x, w_h, b_x, b_h = LSTM.parameters()
        inputs = torch.eye(8, dtype=torch.float64)[[key, *NOISE]][None]
        trace = run_lstm(inputs, w_x, w_h, b_x + b_h, force)
        answer = OUT(trace.h[0, -1]).softmax(-1)
    string = "".join("ABCDwxyz"[k] for k in [key, *NOISE])
    cell, i, f, o = (each[0].numpy() for each in (trace.c, trace.i, trace.f, trace.o))
    return Reading(string, cell, i, f, o, answer.numpy())


@pytest.mark.parametrize(("gate", "force"), [("i", {"i": 0.5}), ("", {})])
def test_the_figure_shows_what_the_network_does(gate, force):
    scope, reading = GateScope(read), read(3, force)
    scope.key.value, scope.gate.value, scope.value_slider.value = 3, gate, 0.5
    assert scope.value_slider.disabled == (not gate)  # it can be moved only while a gate is forced
    gates, cell, answer = scope.figure.axes
    legend = gates.get_legend()
    assert legend is not None
    names = ["input (forced)" if gate else "input", "forget", "output"]
    assert [text.get_text() for text in legend.get_texts()] == names
    for line, each in zip(gates.lines, (reading.i, reading.f, reading.o), strict=False):
        np.testing.assert_allclose(line.get_ydata(), each.mean(1))
    order = np.argsort(-np.abs(read(0, {}).cell[-1]))  # one order of units for all views
    np.testing.assert_allclose(cell.images[0].get_array(), reading.cell[:, order].T)
    np.testing.assert_allclose([bar.get_height() for bar in answer.patches], reading.answer)
    below = {t.get_position()[0]: t.get_text() for t in (*gates.get_xticklabels(), *gates.texts)}
    assert [below[step] for step in range(1, 10)] == list(reading.string)
    verdict = "recalled" if reading.answer.argmax() == 3 else "forgotten"
    assert answer.get_title(loc="left") == f"It was D: {verdict}"
