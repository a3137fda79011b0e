"""The exercises of notebook 02: a half-life, a bias for a delay, and the GRU."""

from __future__ import annotations

import math
from typing import Any

import torch

from lecturelib.checks.exercise import Exercise, Mistake


def _sigmoid(b: float) -> float:
    return 1 / (1 + math.exp(-b))


def _logit(p: float) -> float:
    return math.log(p) - math.log1p(-p)


check_half_life = Exercise(
    name="half-life",
    # the definition, solved by bisection: the number of steps t at which sigmoid(b)**t is one half
    reference=lambda bias: _solve(lambda t: _sigmoid(bias) ** t - 0.5, 1e-6, 1e9),
    probes=[(-1.0,), (0.0,), (1.0,), (3.0,), (5.0,)],
    mistakes=[
        Mistake(
            "the gate, not the time",
            "That is the gate itself: the share that is left after one step. After how many steps is one half left?",
            _sigmoid,
        ),
        Mistake(
            "a time constant",
            "For f near 1, 1 / (1 - f) is about the time after which 1/e (37 %) is left, not one half.",
            lambda bias: 1 / (1 - _sigmoid(bias)),
        ),
        Mistake(
            "1/e instead of one half",
            "That is the time after which 1/e (37 %) is left. Which share does a half-life leave?",
            lambda bias: -1 / math.log(_sigmoid(bias)),
        ),
        Mistake(
            "negative",
            "Your result is negative: the logarithms of one half and of the gate are both negative, so their quotient "
            "is not.",
            lambda bias: math.log(0.5) / -math.log(_sigmoid(bias)),
        ),
        Mistake(
            "the quotient upside down",
            "Your quotient is upside down: a gate closer to 1 should give a longer time.",
            lambda bias: math.log(_sigmoid(bias)) / math.log(0.5),
        ),
        Mistake(
            "the share after that many steps",
            "That is half of the share left after one step. Ask for the number of steps, t, in f**t = 1/2.",
            lambda bias: 0.5 * _sigmoid(bias),
        ),
    ],
    hint_texts=[
        "The gate is f = sigmoid(b). After t steps the share f**t is left. Set that to one half and solve for t.",
        "Take logarithms on both sides: t log f = log(1/2). math.log and math.exp are all you need.",
    ],
    right="With b = 0 it is one step: that is how torch's LSTM begins.",
)

check_bias_for = Exercise(
    name="bias for a delay",
    reference=lambda delay, keep: _solve(lambda b: _sigmoid(b) ** delay - keep, -30.0, 30.0),
    probes=[(1, 0.9), (10, 0.5), (40, 0.9), (7, 0.25), (80, 0.97)],
    mistakes=[
        Mistake(
            "the gate, not its bias",
            "That is the gate that you need, a number between 0 and 1. Which bias gives it after the sigmoid?",
            lambda delay, keep: keep ** (1 / delay),
        ),
        Mistake(
            "one step only",
            "That bias keeps the share for one step. Over the whole delay the gate is applied again and again.",
            lambda delay, keep: _logit(keep),
        ),
        Mistake(
            "divided instead of a root",
            "You divide the share by the delay. The gate is multiplied with itself, so you need a root.",
            lambda delay, keep: _logit(keep / delay),
        ),
        Mistake(
            "the logarithm of the gate",
            "That is log f. The bias is where the sigmoid equals f: log(f / (1 - f)).",
            lambda delay, keep: math.log(keep) / delay,
        ),
        Mistake(
            "the sign",
            "The sign is turned around: your bias closes the gate.",
            lambda delay, keep: -_logit(keep ** (1 / delay)),
        ),
        Mistake(
            "a power instead of a root",
            "You raise the share to the power of the delay. That is what is left if each step keeps `keep`; the "
            "question is the other way around.",
            lambda delay, keep: _logit(keep**delay),
        ),
    ],
    hint_texts=[
        "Two questions, one after the other: which gate f has f**delay = keep? Which bias b has sigmoid(b) = f?",
        "f = keep ** (1 / delay), and the inverse of the sigmoid is b = log(f / (1 - f)).",
    ],
    right="A bias of 5.9 keeps nine tenths over 40 steps.",
)


def _solve(f: Any, low: float, high: float) -> float:
    """The zero of a monotone function, by bisection; one that lies at an end is returned as that end."""
    rising = f(high) > f(low)
    for _ in range(200):
        middle = (low + high) / 2
        if (f(middle) > 0) == rising:
            high = middle
        else:
            low = middle
    return (low + high) / 2


def _gru_probe(b: int, d: int, h: int, seed: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((b, d), (b, h), (3 * h, d), (3 * h, h), (3 * h,), (3 * h,))
    return tuple(torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in shapes)


def _torch_gru(x: torch.Tensor, h: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
    cell = torch.nn.GRUCell(x.shape[1], h.shape[1], dtype=torch.float64)
    with torch.no_grad():
        for parameter, weight in zip(cell.parameters(), weights, strict=True):
            parameter.copy_(weight)
        return cell(x, h)


def _gru(mistake: str) -> Any:
    """A GRU step with one mistake in it."""

    def step(x: torch.Tensor, h: torch.Tensor, w_x: torch.Tensor, w_h: torch.Tensor, b_x: torch.Tensor,
             b_h: torch.Tensor) -> torch.Tensor:  # fmt: skip
        x_r, x_z, x_n = (x @ w_x.T + b_x).chunk(3, -1)
        h_r, h_z, h_n = (h @ w_h.T + b_h).chunk(3, -1)
        if mistake == "gates exchanged":
            x_r, x_z, h_r, h_z = x_z, x_r, h_z, h_r
        r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
        if mistake == "reset forgotten":
            r = torch.ones_like(r)
        inner = r * h_n
        w, b = w_h.chunk(3)[2], b_h.chunk(3)[2]
        if mistake == "reset before the product":
            inner = (r * h) @ w.T + b
        if mistake == "bias outside the reset":
            inner = r * (h @ w.T) + b
        n = (torch.sigmoid if mistake == "sigmoid for the candidate" else torch.tanh)(x_n + inner)
        if mistake == "update turned around":
            z = 1 - z
        if mistake == "old state lost":
            return (1 - z) * n
        return n + z * h if mistake == "old state added" else (1 - z) * n + z * h

    return step


_GRU_SAYS = {
    "update turned around": "Your update gate is turned around: in torch z = 1 keeps the old state h, and z = 0 takes "
    "the candidate n. (Papers differ here: check which letter multiplies what.)",
    "reset before the product": "You apply the reset gate to h before the product with the weights. That is the form "
    "of the first paper; here, as in torch, r multiplies W_hn h + b_hn after the product.",
    "reset forgotten": "The reset gate r does not appear in your candidate.",
    "gates exchanged": "Your two gates are exchanged: the first third of the rows is the reset gate r, the second "
    "third the update gate z.",
    "sigmoid for the candidate": "Your candidate n goes through a sigmoid, so it can never be negative. It needs tanh.",
    "bias outside the reset": "In your candidate b_hn is outside the reset gate: r multiplies all of W_hn h + b_hn.",
    "old state lost": "Your new state has no part of the old one: the term z h is missing.",
    "old state added": "You add z h to the whole candidate. The candidate's share is (1 - z).",
}

check_gru_step = Exercise(
    name="GRU step",
    reference=_torch_gru,
    probes=[_gru_probe(5, 3, 7, 1), _gru_probe(2, 11, 5, 2)],
    mistakes=[Mistake(name, says, _gru(name)) for name, says in _GRU_SAYS.items()],
    hint_texts=[
        "Compute x W_x^T + b_x and h W_h^T + b_h once, and cut each into three parts with .chunk(3, dim=-1): r, z, n.",
        "The candidate is the only place where the parts of x and h are not simply added: n = tanh(x_n + r * h_n).",
    ],
    right="It equals torch's GRUCell on inputs of two sizes.",
)
