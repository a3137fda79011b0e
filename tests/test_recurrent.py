"""Recurrent networks against torch's own, and against what each gate is for."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from torch import nn

from lecturelib import recurrent
from tests.mutants import Mutant, planted
from tests.strategies import normal, seeds, sizes
from tests.tools import refuses

Weights = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def network(kind: type[nn.RNN] | type[nn.LSTM], d: int, h: int, seed: int) -> tuple[nn.RNNBase, Weights]:
    """Return one of torch's networks with random weights, and the same weights as the library takes them."""
    torch_network = kind(d, h, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        for k, parameter in enumerate(torch_network.parameters()):
            parameter.copy_(normal(*parameter.shape, seed=seed + k))
    w_x, w_h, b_x, b_h = (parameter.detach() for parameter in torch_network.parameters())
    return torch_network, (w_x, w_h, b_x + b_h)


@given(sizes(4), seeds)
def test_run_rnn_is_torchs(shape: list[int], seed: int) -> None:
    b, t, d, h = shape
    rnn, weights = network(nn.RNN, d, h, seed)
    x, h_0 = normal(b, t, d, seed=seed + 9), normal(b, h, seed=seed + 10)
    torch.testing.assert_close(recurrent.run_rnn(x, h_0, *weights), rnn(x, h_0[None])[0])
    one_for_all = recurrent.run_rnn(x, h_0[0], *weights)
    torch.testing.assert_close(one_for_all, recurrent.run_rnn(x, h_0[:1].expand(b, h), *weights))


@given(sizes(4), seeds)
def test_run_lstm_is_torchs_and_holds_its_gates(shape: list[int], seed: int) -> None:
    b, t, d, h = shape
    lstm, weights = network(nn.LSTM, d, h, seed)
    x = normal(b, t, d, seed=seed + 9)
    trace = recurrent.run_lstm(x, *weights)
    states, (_, last_c) = lstm(x)
    torch.testing.assert_close(trace.h, states)
    torch.testing.assert_close(trace.c[:, -1], last_c[0])
    # and the trace holds the gates that made the states
    nothing = torch.zeros(b, 1, h, dtype=torch.float64)
    h_before, c_before = (torch.cat([nothing, each[:, :-1]], dim=1) for each in (trace.h, trace.c))
    sums = (F.linear(x, weights[0]) + F.linear(h_before, weights[1], weights[2])).split(h, dim=-1)
    expected = sums[0].sigmoid(), sums[1].sigmoid(), sums[2].tanh(), sums[3].sigmoid()
    torch.testing.assert_close((trace.i, trace.f, trace.g, trace.o), expected)
    torch.testing.assert_close(trace.c, trace.f * c_before + trace.i * trace.g)


def test_gradients_flow_through_both() -> None:
    for run, kind, first in ((recurrent.run_rnn, nn.RNN, [normal(2, 3, seed=3)]), (recurrent.run_lstm, nn.LSTM, [])):
        leaves = [normal(2, 5, 2, seed=2), *first, *network(kind, 2, 3, seed=1)[1]]
        leaves = [leaf.clone().requires_grad_() for leaf in leaves]
        assert torch.autograd.gradcheck(lambda *given, run=run: tuple(run(*given)), leaves)


def forced(**force: float) -> recurrent.LSTMTrace:
    _, weights = network(nn.LSTM, 3, 5, seed=1)
    return recurrent.run_lstm(normal(2, 7, 3, seed=10), *weights, force=force or None)


@pytest.mark.parametrize("gate", "ifgo")
def test_a_forced_gate_has_that_value_everywhere_and_the_others_do_not(gate: str) -> None:
    trace, free = forced(**{gate: 0.25}), forced()
    assert (getattr(trace, gate) == 0.25).all()
    for other in set("ifgo") - {gate}:
        # the first step reads no state yet, so there the other gates are what they were
        assert torch.equal(getattr(trace, other)[:, 0], getattr(free, other)[:, 0])
        assert getattr(trace, other).std() > 0.01


def test_the_cell_forgets_sums_and_hides_as_its_gates_say() -> None:
    trace = forced(f=0.0)
    assert torch.equal(trace.c, trace.i * trace.g)  # the last input alone
    trace = forced(f=1.0)
    torch.testing.assert_close(trace.c, (trace.i * trace.g).cumsum(1))
    trace = forced(o=0.0)
    assert (trace.h == 0).all() and (trace.c != 0).all()


@pytest.mark.parametrize(("cell", "kind"), [("rnn", nn.RNN), ("lstm", nn.LSTM), ("gru", nn.GRU)])
def test_a_reader_reads_one_hot_symbols_with_torchs_cell(cell: str, kind: type[nn.RNNBase]) -> None:
    reader = recurrent.Reader(cell, np.int64(3), np.int64(7), np.int64(5)).double()
    assert type(reader.cell) is kind
    tokens = torch.tensor([[0, 1, 2, 2], [1, 0, 0, 1]])
    one_hot = torch.eye(3, dtype=torch.float64)[tokens]
    states = reader.states(tokens)
    torch.testing.assert_close(states[:, 1:], reader.cell(one_hot)[0])
    assert states.shape == (2, 5, 7) and (states[:, 0] == 0).all()
    torch.testing.assert_close(reader(tokens), F.linear(states[:, 1:], reader.head.weight, reader.head.bias))
    torch.testing.assert_close(reader(tokens), torch.cat([reader(row[None].to(torch.uint8)) for row in tokens]))


RNN = network(nn.RNN, 3, 5, seed=0)[1]
LSTM = network(nn.LSTM, 3, 5, seed=0)[1]
X, H = normal(2, 7, 3, seed=0), torch.zeros(5, dtype=torch.float64)


test_bad_input_is_refused_in_words = refuses(
    (lambda: recurrent.run_rnn(X[0], H, *RNN), ["(7, 3)", "(B, T, D)", "x[None]"]),
    (lambda: recurrent.run_lstm(X[:, :0], *LSTM), ["(2, 0, 3)", "at least one", "step"]),
    (lambda: recurrent.run_lstm(X[:0], *LSTM), ["(0, 7, 3)", "at least one"]),
    (lambda: recurrent.run_rnn(X / 0, H, *RNN), ["x holds NaN", "finite"]),
    (lambda: recurrent.Reader("transformer", 2, 3, 1), ["'transformer'", "['rnn', 'lstm', 'gru']"]),
    *(
        (lambda sizes=sizes: recurrent.Reader("rnn", *sizes), [f"{name}=0", "1 or more"])
        for name, sizes in {"vocab_size": (0, 3, 1), "hidden_size": (2, 0, 1), "outputs": (2, 3, 0)}.items()
    ),
    (lambda: recurrent.Reader("rnn", 2, 3, 1)(torch.ones(2, 3)), ["torch.float32", "whole numbers"]),
)


FORCED = test_a_forced_gate_has_that_value_everywhere_and_the_others_do_not
GATED = test_the_cell_forgets_sums_and_hides_as_its_gates_say
READS = test_a_reader_reads_one_hot_symbols_with_torchs_cell
DETACHED = "h = rnn_step(x[:, t], h.detach(), w_x"

test_mutants = planted(
    recurrent,
    [
        Mutant("h = h_0.expand(", "h = torch.zeros_like(h_0).expand(", test_run_rnn_is_torchs),
        Mutant("h = rnn_step(x[:, t], h, w_x", DETACHED, test_gradients_flow_through_both),
        Mutant("i, f, g, o = (x @", "f, i, g, o = (x @", test_run_lstm_is_torchs_and_holds_its_gates),
        Mutant('gate["i"], gate["f"], gate["g"]', 'gate["f"], gate["i"], gate["g"]', GATED),
        Mutant("torch.full_like(gate[name], value)", "gate[name] * value", FORCED),
        Mutant("self.states(tokens)[:, 1:]", "self.states(tokens)[:, :-1]", READS),
    ],
)
