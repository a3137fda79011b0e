"""The exercises of notebook 02: the GRU, five networks to diagnose, and a bias for a delay."""

import math

import torch
from scipy.optimize import brentq

from lecturelib.checks.exercise import Exercise, Sized, normal, table

Tensor = torch.Tensor


def _sigmoid(b: float) -> float:
    return 1 / (1 + math.exp(-b))


def _logit(p: float) -> float:
    return math.log(p) - math.log1p(-p)


check_bias_for = Exercise(
    name="bias for a delay",
    reference=lambda delay, keep: brentq(lambda b: _sigmoid(b) ** delay - keep, -30, 30, xtol=1e-12),
    probes=[(1, 0.9), (10, 0.5), (40, 0.9), (7, 0.25), (80, 0.97)],
    imitations={
        "the gate, not its bias": lambda delay, keep: keep ** (1 / delay),
        "one step only": lambda delay, keep: _logit(keep),
        "divided instead of a root": lambda delay, keep: _logit(keep / delay),
        "the logarithm of the gate": lambda delay, keep: math.log(keep) / delay,
        "the sign": lambda delay, keep: -_logit(keep ** (1 / delay)),
        "a power instead of a root": lambda delay, keep: _logit(keep**delay),
        "one step too many": lambda delay, keep: _logit(keep ** (1 / (delay + 1))),
        "as if it shrank by equal steps": lambda delay, keep: _logit(1 - (1 - keep) / delay),
        "the sigmoid instead of its inverse": lambda delay, keep: _sigmoid(keep ** (1 / delay)),
        "the logarithm to the base 10": lambda delay, keep: _logit(keep ** (1 / delay)) / math.log(10),
    },
)


def _gru_step(x: Tensor, h: Tensor, w_x: Tensor, w_h: Tensor, b_x: Tensor, b_h: Tensor) -> Tensor:
    x_r, x_z, x_n = (x @ w_x.T + b_x).chunk(3, -1)
    h_r, h_z, h_n = (h @ w_h.T + b_h).chunk(3, -1)
    r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
    n = torch.tanh(x_n + r * h_n)
    return (1 - z) * n + z * h


def _gru_probe(b: int, d: int, h: int, seed: int) -> tuple[Tensor, ...]:
    return normal(seed, (b, d), (b, h), (3 * h, d), (3 * h, h), (3 * h,), (3 * h,))


check_gru_step = Exercise(
    name="GRU step",
    reference=lambda x, h, w_x, w_h, b_x, b_h: torch.gru_cell(x, h, w_x, w_h, b_x, b_h),
    probes=Sized(_gru_probe, [(5, 3, 7, 1), (2, 11, 5, 2)]),
    solution=_gru_step,
    imitations={
        "update turned around": "(1 - z) * n + z * h => z * n + (1 - z) * h",
        "reset before the product": "r * h_n => ((r * h) @ w_h.T + b_h).chunk(3, -1)[2]",
        "reset on both parts": "x_n + r * h_n => r * (x_n + h_n)",
        "reset on the part of x": "x_n + r * h_n => r * x_n + h_n",
        "reset forgotten": "r * h_n => h_n",
        "gates exchanged": "r, z = => z, r =",
        "sigmoid for the candidate": "tanh => sigmoid",
        "bias outside the reset": "r * h_n => r * (h @ w_h.chunk(3)[2].T) + b_h.chunk(3)[2]",
        "old state lost": " + z * h => ",
        "old state added": "(1 - z) * n => n",
    },
)


KINDS = "not learned", "not held", "recoded", "not let go"
_RIGHT = dict(zip("PQRST", ("not learned", "recoded", "not held", "not let go", "not learned"), strict=True))


check_diagnosis = Exercise(name="diagnosis", read=lambda answer: table(answer, _RIGHT, KINDS))
