"""Recurrent networks written out: the RNN cell, the LSTM cell, and the loop over time.

    rnn_step, run_rnn        one step of the tanh RNN; the loop over time
    lstm_step, run_lstm      one step of the LSTM with its gates in sight; the loop, with a gate forced if you like
    Reader                   one-hot symbols -> RNN, LSTM or GRU -> logits, at every step

All weights are in torch's layout, so that the numbers of an `nn.RNN` or `nn.LSTM` can be put in as they are.
"""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from lecturelib.edges import check_tokens, check_whole


def rnn_step(x: torch.Tensor, h: torch.Tensor, w_x: torch.Tensor, w_h: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Take one step of a tanh RNN: the new hidden state from the input and the old one.

    Equation: h_t = tanh(W_x x_t + W_h h_{t-1} + b).
    Shapes: x (B, D), h (B, H), w_x (H, D), w_h (H, H), b (H,); returns (B, H).
    """
    return torch.tanh(x @ w_x.T + h @ w_h.T + b)


def run_rnn(x: torch.Tensor, h_0: torch.Tensor, w_x: torch.Tensor, w_h: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Read a batch of sequences with a tanh RNN and return the hidden state after every step.

    Shapes: x (B, T, D), h_0 (H,) or (B, H); returns (B, T, H).
    Raises: ValueError for what is not a batch of sequences, and NaN.
    Taught: notebook 01, section 2.

    >>> w = torch.eye(2)
    >>> run_rnn(torch.ones(1, 3, 2), torch.zeros(2), w, w, torch.zeros(2)).shape
    torch.Size([1, 3, 2])
    """
    _check_sequences(x)
    h = h_0.expand(len(x), len(b))
    states = []
    for t in range(x.shape[1]):
        h = rnn_step(x[:, t], h, w_x, w_h, b)
        states.append(h)
    return torch.stack(states, dim=1)  # (B, T, H)


class LSTMTrace(NamedTuple):
    """Everything that an LSTM computed while it read: hidden state, cell, gates and candidate, at every step.

    Shapes: each (B, T, H). h = o tanh(c); c = f c_before + i g.
    """

    h: torch.Tensor
    c: torch.Tensor
    i: torch.Tensor
    f: torch.Tensor
    g: torch.Tensor
    o: torch.Tensor


def lstm_step(
    x: torch.Tensor,
    h: torch.Tensor,
    c: torch.Tensor,
    w_x: torch.Tensor,
    w_h: torch.Tensor,
    b: torch.Tensor,
    force: Mapping[str, float] | None = None,
) -> tuple[torch.Tensor, ...]:
    """Take one step of an LSTM, the gates in sight; return h, c, i, f, g, o.

    Equation: (i, f, o) = sigmoid(W x_t + U h_{t-1} + b), g = tanh(the same form), c_t = f c_{t-1} + i g,
        h_t = o tanh(c_t). The rows of w_x, w_h and b hold i, f, g, o one under the other, in torch's order.
    Shapes: x (B, D), h and c (B, H), w_x (4H, D), w_h (4H, H), b (4H,); returns six tensors (B, H).
    `force` sets a gate to a constant, such as {"f": 1.0}, to see what it is for.
    Source: S. Hochreiter and J. Schmidhuber, 1997; the forget gate: F. Gers, J. Schmidhuber and F. Cummins, 2000.
    """
    i, f, g, o = (x @ w_x.T + h @ w_h.T + b).chunk(4, dim=1)  # each (B, H)
    gate = {"i": torch.sigmoid(i), "f": torch.sigmoid(f), "g": torch.tanh(g), "o": torch.sigmoid(o)}
    for name, value in (force or {}).items():
        gate[name] = torch.full_like(gate[name], value)
    c = gate["f"] * c + gate["i"] * gate["g"]
    h = gate["o"] * torch.tanh(c)
    return h, c, gate["i"], gate["f"], gate["g"], gate["o"]


def run_lstm(
    x: torch.Tensor, w_x: torch.Tensor, w_h: torch.Tensor, b: torch.Tensor, force: Mapping[str, float] | None = None
) -> LSTMTrace:
    """Read a batch of sequences with an LSTM, from h = c = 0, and keep everything that it computed.

    Shapes: x (B, T, D); returns an `LSTMTrace` of tensors (B, T, H).
    Raises: ValueError for what is not a batch of sequences, and NaN.
    Taught: notebook 02, section 2.
    """
    _check_sequences(x)
    h = c = x.new_zeros(len(x), w_h.shape[1])
    steps = []
    for t in range(x.shape[1]):
        h, c, *gates = lstm_step(x[:, t], h, c, w_x, w_h, b, force)
        steps.append((h, c, *gates))
    return LSTMTrace(*(torch.stack(each, dim=1) for each in zip(*steps, strict=True)))


def _check_sequences(x: torch.Tensor) -> None:
    if x.ndim != 3 or x.shape[0] == 0 or x.shape[1] == 0:
        raise ValueError(
            f"x has shape {tuple(x.shape)}: expected (B, T, D) with at least one sequence and one step; "
            "a single sequence goes in as x[None]"
        )
    if not torch.isfinite(x).all():
        raise ValueError("x holds NaN or infinity: expected finite inputs; look at how the batch was made")


class Reader(nn.Module):
    """Read symbols one at a time with an RNN, LSTM or GRU and give logits at every step.

    Shapes: tokens (B, T), whole numbers from 0 to vocab_size - 1; `forward` returns (B, T, outputs).
    Raises: ValueError for a cell that is none of the three, sizes below 1, and tokens that are no batch of whole
        numbers.
    Taught: notebook 01, section 4.
    """

    CELLS: ClassVar = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}

    def __init__(self, cell: str, vocab_size: int, hidden_size: int, outputs: int) -> None:
        super().__init__()
        if cell not in self.CELLS:
            raise ValueError(f"cell {cell!r} is unknown: expected one of {list(self.CELLS)}")
        check_whole(vocab_size=vocab_size, hidden_size=hidden_size, outputs=outputs)
        self.vocab_size = int(vocab_size)  # torch's cells take no whole numbers of NumPy
        self.cell = self.CELLS[cell](int(vocab_size), int(hidden_size), batch_first=True)
        self.head = nn.Linear(int(hidden_size), int(outputs))

    def states(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the hidden states: h_0 = 0 before the first symbol, then one after each symbol.

        Shapes: tokens (B, T); returns (B, T + 1, hidden_size), as `DFA.run` returns T + 1 states.
        """
        check_tokens(tokens)
        x = F.one_hot(tokens.long(), self.vocab_size).to(self.head.weight.dtype)  # (B, T, vocab_size)
        h_0 = x.new_zeros(x.shape[0], 1, self.cell.hidden_size)
        return torch.cat([h_0, self.cell(x)[0]], dim=1)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.states(tokens)[:, 1:])
