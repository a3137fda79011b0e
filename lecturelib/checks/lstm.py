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
    says="""
        the gate, not its bias: That is the gate that you need. Which bias gives it after the sigmoid?
        one step only: That bias keeps the share for one step. Over the whole delay the gate is applied again and again.
        divided instead of a root: You divide by the delay. The gate is multiplied with itself: which inverse?
        the logarithm of the gate: That is log f. The bias is where the sigmoid equals f: log(f / (1 - f)).
        the sign: The sign is turned around: your bias closes the gate.
        a power instead of a root: You raise the share to the power of the delay. That is what is left if each step
            keeps `keep`; the question is the other way around.
        one step too many: You count one step more than there are. After `delay` steps the gate was multiplied `delay`
            times.
        as if it shrank by equal steps: You take away the same amount at each step. A gate takes away the same share.
        the sigmoid instead of its inverse: You apply the sigmoid to the gate. The bias goes into the sigmoid and the
            gate comes out: which function leads back?
        the logarithm to the base 10: You use the logarithm to the base 10. With which base is the sigmoid made?
        right: A bias of 5.9 keeps nine tenths over 40 steps.
        hint 1: Two questions, one after the other: which gate f has f**delay = keep? Which bias b has sigmoid(b) = f?
        hint 2: f = keep ** (1 / delay), and the inverse of the sigmoid is b = log(f / (1 - f)).
    """,
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
    says="""
        update turned around: Your update gate is turned around: in torch z = 1 keeps the old state h, and z = 0 takes
            the candidate n. (Papers differ here: check which letter multiplies what.)
        reset before the product: You apply the reset gate to h before the product with the weights. That is the form of
            the first paper; here, as in torch, r multiplies U_n h + b'_n after the product.
        reset on both parts: In your candidate the reset gate multiplies the part of x as well. It lets the unit forget
            its state, not the input: which of the two terms does the bracket after r hold?
        reset on the part of x: In your candidate r multiplies the part of x. It lets the unit forget its state:
            which part comes from h?
        reset forgotten: The reset gate r does not appear in your candidate.
        gates exchanged: Your gates are exchanged: the first third of the rows is r, the second z.
        sigmoid for the candidate: Your candidate n goes through a sigmoid, so it can never be negative. It needs tanh.
        bias outside the reset: In your candidate the bias b'_n is outside: r multiplies all of U_n h + b'_n.
        old state lost: Your new state has no part of the old one: the term z h is missing.
        old state added: You add z h to the whole candidate. The candidate's share is (1 - z).
        right: It equals torch's GRUCell on inputs of two sizes.
        hint 1: Compute x W_x^T + b_x and h W_h^T + b_h once, and cut each into three along its last axis: r, z, n.
            Without dim, .chunk(3) cuts the batch.
        hint 2: The candidate is the only place where the parts of x and h are not added as they are:
            n = tanh(x_n + r * h_n).
    """,
)


KINDS = "not learned", "not held", "recoded", "not let go"
_RIGHT = dict(zip("PQRST", ("not learned", "recoded", "not held", "not let go", "not learned"), strict=True))


check_diagnosis = Exercise(
    name="diagnosis",
    reference=lambda: "all as measured",
    read=lambda answer: table(answer, _RIGHT, KINDS, "all as measured"),
    says="""
        P is not held / P is recoded: Look at P where it was trained: it guesses there already. Can it lose what it
            never had?
        P is not let go: P's task has nothing to let go: the key stays the same to the end.
        Q is not held / Q is not let go: A new readout finds nearly every key in Q's state. So is the key gone?
        Q is not learned: Q answers everything right at the delay it was trained at. What happens to its state later?
        R is recoded: If the key were still in R's state, what would the new readout find?
        R is not learned: R answers everything right at the delay it was trained at. What does a new readout find at
            100?
        R is not let go: R's task has nothing to let go: the key stays the same to the end.
        S is not held / S is recoded: After the bar S should hold nothing of the 50 a's. Which of the four words is for
            that?
        S is not learned: S counts correctly on strings like those in training. What is different in the long ones?
        T is not held / T is recoded: Compare T at its two delays: it is equally good at both. Did anything get lost on
            the way?
        T is not let go: T's task has nothing to let go: the key stays the same to the end.
        right: T has learned about a half, and holds what it has learned. Of R we know only that a linear readout fails.
        hint 1: Ask in this order: is it right where it was trained? If so, is it right far beyond? If not, does a new
            readout find the key?
        hint 2: Wrong as trained: not learned. Right as trained, wrong beyond: recoded if the new readout is right,
            not held if that fails too. S has nothing to hold after the bar.
    """,
)
