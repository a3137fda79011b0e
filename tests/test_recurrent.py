"""Recurrent networks against torch's own, and against what each gate is for."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lecturelib import recurrent
from tests.mutants import Mutant, planted
from tests.strategies import normal, seeds, sizes
from tests.tools import refuses

Weights = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
GATES = {"i": "input", "f": "forget", "g": "candidate", "o": "output"}


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
    # one initial state for all sequences is the same as the same one for each
    torch.testing.assert_close(
        recurrent.run_rnn(x, h_0[0], *weights), rnn(x, h_0[:1].expand(b, h).contiguous()[None])[0]
    )


@given(sizes(4), seeds)
def test_run_lstm_is_torchs(shape: list[int], seed: int) -> None:
    b, t, d, h = shape
    lstm, weights = network(nn.LSTM, d, h, seed)
    x = normal(b, t, d, seed=seed + 9)
    trace = recurrent.run_lstm(x, *weights)
    states, (last_h, last_c) = lstm(x)
    torch.testing.assert_close(trace.h, states)
    torch.testing.assert_close(trace.h[:, -1], last_h[0])
    torch.testing.assert_close(trace.c[:, -1], last_c[0])
    # the cell at every step is the last cell of the sequence cut there
    for cut in range(1, t):
        torch.testing.assert_close(trace.c[:, cut - 1], lstm(x[:, :cut])[1][1][0])


@given(sizes(3), seeds)
def test_lstm_step_is_torchs(shape: list[int], seed: int) -> None:
    b, d, h = shape
    lstm, weights = network(nn.LSTM, d, h, seed)
    x, h_before, c_before = (normal(b, n, seed=seed + k) for k, n in ((9, d), (10, h), (11, h)))
    _, (h_after, c_after) = lstm(x[:, None], (h_before[None], c_before[None]))
    step = recurrent.lstm_step(x, h_before, c_before, *weights)
    torch.testing.assert_close(step[0], h_after[0])
    torch.testing.assert_close(step[1], c_after[0])


@given(sizes(4), seeds)
def test_the_trace_holds_the_gates_that_made_the_states(shape: list[int], seed: int) -> None:
    b, t, d, h = shape
    _, weights = network(nn.LSTM, d, h, seed)
    x = normal(b, t, d, seed=seed + 9)
    trace = recurrent.run_lstm(x, *weights)
    nothing = torch.zeros(b, 1, h, dtype=torch.float64)
    h_before, c_before = (torch.cat([nothing, each[:, :-1]], dim=1) for each in (trace.h, trace.c))
    sums = F.linear(x, weights[0]) + F.linear(h_before, weights[1], weights[2])
    for k, (name, squash) in enumerate(
        [("i", torch.sigmoid), ("f", torch.sigmoid), ("g", torch.tanh), ("o", torch.sigmoid)]
    ):
        torch.testing.assert_close(getattr(trace, name), squash(sums[..., k * h : (k + 1) * h]))
    torch.testing.assert_close(trace.c, trace.f * c_before + trace.i * trace.g)
    torch.testing.assert_close(trace.h, trace.o * trace.c.tanh())


def test_gradients_flow_through_both() -> None:
    for run, kind, first in ((recurrent.run_rnn, nn.RNN, [normal(2, 3, seed=3)]), (recurrent.run_lstm, nn.LSTM, [])):
        leaves = [normal(2, 5, 2, seed=2), *first, *network(kind, 2, 3, seed=1)[1]]
        leaves = [leaf.clone().requires_grad_() for leaf in leaves]
        assert torch.autograd.gradcheck(lambda *given, run=run: tuple(run(*given)), leaves)


def forced(seed: int = 1, **force: float) -> recurrent.LSTMTrace:
    _, weights = network(nn.LSTM, 3, 5, seed=seed)
    return recurrent.run_lstm(normal(2, 7, 3, seed=seed + 9), *weights, force=force or None)


@pytest.mark.parametrize("gate", GATES, ids=list(GATES.values()))
@pytest.mark.parametrize("value", [0.25, 1.0])
def test_a_forced_gate_has_that_value_everywhere_and_the_others_do_not(gate: str, value: float) -> None:
    trace, free = forced(**{gate: value}), forced()
    assert (getattr(trace, gate) == value).all()
    for other in set(GATES) - {gate}:
        # the first step reads no state yet, so there the other gates are what they were
        assert torch.equal(getattr(trace, other)[:, 0], getattr(free, other)[:, 0])
        assert getattr(trace, other).std() > 0.01


def test_the_cell_forgets_sums_keeps_and_hides_as_its_gates_say() -> None:
    trace = forced(f=0.0)
    assert torch.equal(trace.c, trace.i * trace.g)  # the last input alone
    trace = forced(f=1.0)
    torch.testing.assert_close(trace.c, (trace.i * trace.g).cumsum(1))
    trace = forced(o=0.0)
    assert (trace.h == 0).all() and (trace.c != 0).all()
    weights, c = network(nn.LSTM, 3, 5, seed=1)[1], normal(2, 5, seed=4)
    step = recurrent.lstm_step(normal(2, 3, seed=2), normal(2, 5, seed=3), c, *weights, force={"f": 1.0, "i": 0.0})
    assert torch.equal(step[1], c)


def rnn_states(x: torch.Tensor) -> torch.Tensor:
    _, weights = network(nn.RNN, 3, 5, seed=1)
    return recurrent.run_rnn(x, normal(5, seed=8), *weights)


def lstm_states(x: torch.Tensor) -> torch.Tensor:
    _, weights = network(nn.LSTM, 3, 5, seed=1)
    return torch.stack(recurrent.run_lstm(x, *weights), dim=-1)


@pytest.mark.parametrize("states", [rnn_states, lstm_states])
def test_sequences_of_a_batch_do_not_see_each_other(states) -> None:
    x = normal(7, 2, 3, seed=2)
    changed = x.clone()
    changed[4] = 9e9
    before, after = states(x), states(changed)
    others = [0, 1, 2, 3, 5, 6]
    assert torch.equal(before[others], after[others])
    assert not torch.equal(before[4], after[4])


@pytest.mark.parametrize("states", [rnn_states, lstm_states])
def test_a_later_token_changes_no_earlier_state(states) -> None:
    x, step = normal(2, 7, 3, seed=2), 4
    changed = x.clone()
    changed[:, step] = -x[:, step]
    before, after = states(x), states(changed)
    assert torch.equal(before[:, :step], after[:, :step])
    assert (before[:, step:] != after[:, step:]).flatten(2).any(-1).all()


@pytest.mark.parametrize(("cell", "kind"), [("rnn", nn.RNN), ("lstm", nn.LSTM), ("gru", nn.GRU)])
def test_a_reader_reads_one_hot_symbols_with_torchs_cell(cell: str, kind: type[nn.RNNBase]) -> None:
    reader = recurrent.Reader(cell, 3, 7, 5).double()
    assert type(reader.cell) is kind
    tokens = torch.tensor([[0, 1, 2, 2], [2, 0, 0, 1]])
    one_hot = torch.eye(3, dtype=torch.float64)[tokens]
    torch.testing.assert_close(reader(tokens), torch.cat([reader(row[None]) for row in tokens]))
    states = reader.states(tokens)
    torch.testing.assert_close(states[:, 1:], reader.cell(one_hot)[0])
    assert states.shape == (2, 5, 7) and (states[:, 0] == 0).all()
    torch.testing.assert_close(reader(tokens), F.linear(states[:, 1:], reader.head.weight, reader.head.bias))


@given(st.sampled_from(["rnn", "lstm", "gru"]), sizes(2), st.integers(0, 5))
def test_a_reader_does_not_read_ahead(cell: str, shape: list[int], step: int) -> None:
    b, hidden_size = shape
    reader = recurrent.Reader(cell, 3, hidden_size, 2)
    tokens = torch.arange(b * 7).view(b, 7) % 3
    changed = tokens.clone()
    changed[:, step] = (tokens[:, step] + 1) % 3
    before, after = reader(tokens), reader(changed)
    torch.testing.assert_close(before[:, :step], after[:, :step], rtol=0, atol=0)
    assert (before[:, step] != after[:, step]).any()


RNN = network(nn.RNN, 3, 5, seed=0)[1]
LSTM = network(nn.LSTM, 3, 5, seed=0)[1]
X, H = normal(2, 7, 3, seed=0), torch.zeros(5, dtype=torch.float64)


test_bad_input_is_refused_in_words = refuses(
    (lambda: recurrent.run_rnn(X[0], H, *RNN), ["(7, 3)", "(B, T, D)", "x[None]"]),
    (lambda: recurrent.run_rnn(X[:, :0], H, *RNN), ["(2, 0, 3)", "at least one", "step"]),
    (lambda: recurrent.run_rnn(X[:0], H, *RNN), ["(0, 7, 3)", "at least one sequence"]),
    (lambda: recurrent.run_rnn(X[..., :2], H, *RNN), ["w_x", "(5, 3)", "(5, 2)", "width 2"]),
    (
        lambda: recurrent.run_rnn(X, H, RNN[0], RNN[1][:4], RNN[2]),
        ["w_h", "(4, 5)", "(5, 5)", "3 and 5 hidden units"],
    ),
    (lambda: recurrent.run_rnn(X, H, RNN[0], RNN[1][0], RNN[2]), ["w_h has shape (5,)", "(5, 5)", "5 hidden"]),
    (lambda: recurrent.run_rnn(X, H, RNN[0], RNN[1], RNN[2][:4]), ["b has", "(4,)", "(5,)"]),
    (lambda: recurrent.run_rnn(X, H[:3], *RNN), ["h_0", "(3,)", "(5,)", "(2, 5)"]),
    (lambda: recurrent.run_rnn(X / 0, H, *RNN), ["x holds NaN", "finite"]),
    (lambda: recurrent.run_lstm(X[0], *LSTM), ["(7, 3)", "(B, T, D)", "x[None]"]),
    (lambda: recurrent.run_lstm(X, *RNN), ["w_x", "(5, 3)", "(20, 3)", "5 hidden units"]),
    (lambda: recurrent.run_lstm(X, LSTM[0], LSTM[1][0], LSTM[2]), ["w_h has shape (5,)", "(20, 5)"]),
    (lambda: recurrent.run_lstm(X, *LSTM, force={"z": 1.0}), ["['z']", "['i', 'f', 'g', 'o']"]),
    (lambda: recurrent.Reader("transformer", 2, 3, 1), ["'transformer'", "['rnn', 'lstm', 'gru']"]),
    (lambda: recurrent.Reader("rnn", 0, 3, 1), ["vocab_size=0", "1 or more"]),
    (lambda: recurrent.Reader("rnn", 2, 0, 1), ["hidden_size=0", "1 or more"]),
    (lambda: recurrent.Reader("rnn", 2, 3, 0), ["outputs=0", "1 or more"]),
    (lambda: recurrent.Reader("rnn", 2, 3, 1)(torch.tensor([0, 1])), ["(2,)", "(B, T)"]),
    (lambda: recurrent.Reader("rnn", 2, 3, 1)(torch.ones(2, 3)), ["torch.float32", "whole numbers"]),
)


@pytest.mark.parametrize("kind", [torch.int32, torch.uint8, torch.int16])
def test_whole_numbers_of_every_width_are_tokens(kind: torch.dtype) -> None:
    reader, tokens = recurrent.Reader("gru", np.int64(3), np.int64(7), np.int64(5)), torch.tensor([[0, 1, 2, 2]])
    assert torch.equal(reader(tokens.to(kind)), reader(tokens))
    with pytest.raises(RuntimeError, match="smaller than num_classes"):
        reader(tokens + 1)


# ---- mutants ----

FORCED = test_a_forced_gate_has_that_value_everywhere_and_the_others_do_not
GATED = test_the_cell_forgets_sums_keeps_and_hides_as_its_gates_say
DETACHED = "h = rnn_step(x[:, t], h.detach(), w_x"

test_mutants = planted(
    recurrent,
    [
        Mutant("h = h_0.expand(", "h = torch.zeros_like(h_0).expand(", test_run_rnn_is_torchs),
        Mutant("h = rnn_step(x[:, t], h, w_x", DETACHED, test_gradients_flow_through_both),
        Mutant("i, f, g, o = (x @", "f, i, g, o = (x @", test_run_lstm_is_torchs),
        Mutant('gate["i"], gate["f"], gate["g"]', 'gate["f"], gate["i"], gate["g"]', GATED),
        Mutant("torch.full_like(gate[name], value)", "gate[name] * value", FORCED),
        Mutant(
            "self.states(tokens)[:, 1:]",
            "self.states(tokens)[:, :-1]",
            test_a_reader_reads_one_hot_symbols_with_torchs_cell,
        ),
    ],
)
