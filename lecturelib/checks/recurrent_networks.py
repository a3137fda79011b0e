"""The exercises of notebook 01: the gradient back through time, a loop over a padded batch, division by three."""

from collections.abc import Callable
from itertools import product
from typing import Any

import torch

from lecturelib.checks.exercise import Exercise, Named, Sized, normal

Tensor = torch.Tensor


def _acceptor(table: Any) -> Callable[[str], bool]:
    """The function that a transition table computes: does the string end in state 0, where it began?"""
    try:
        rows = [[int(t) for t in row] for row in table]
    except (TypeError, ValueError):
        raise ValueError(
            f"the table is {table!r}: expected a list of rows, one per state, each with two states: for 0 and for 1"
        ) from None
    if not rows:
        raise ValueError("the table has no rows: expected one row per state, the first of them for the start")
    for s, row in enumerate(rows):
        if len(row) != 2:
            raise ValueError(
                f"row {s} has {len(row)} entries: expected 2, where the symbol 0 leads and where 1 leads. There is one "
                f"row per state and one column per symbol"
            )
        if not all(0 <= t < len(rows) for t in row):
            raise ValueError(
                f"row {s} is {row}: expected states from 0 to {len(rows) - 1}, as there are {len(rows)} rows"
            )

    def accepts(string: str) -> bool:
        state = 0
        for symbol in string:
            state = rows[state][int(symbol)]
        return state == 0

    return accepts


check_divisible = Exercise(
    name="divisible by three",
    reference=lambda string: int(string or "0", 2) % 3 == 0,
    probes=[("".join(bits),) for length in range(8) for bits in product("01", repeat=length)],
    read=_acceptor,
    imitations={
        "counts the ones": [[0, 1], [1, 2], [2, 0]],
        "the bit is not added": [[0, 0], [2, 2], [1, 1]],
        "divisible by two": [[0, 1], [0, 1]],
        "columns exchanged": [[1, 0], [0, 2], [2, 1]],
        "adds one too many": [[1, 2], [0, 1], [2, 0]],
        "divisible by four": [[0, 1], [2, 3], [0, 1], [2, 3]],
    },
)


# ---- the gradient, back through time ----


def _by_autograd(W_h: Tensor, states: Tensor, last: Tensor) -> Tensor:
    """Each state moved a little by itself: what torch says of the loss, whose gradient at the last state is `last`."""
    moved = torch.zeros_like(states, requires_grad=True)
    h = states[0] + moved[0]
    for t in range(1, len(states)):
        rest = torch.atanh(states[t]) - W_h @ states[t - 1]  # the part of the input and the bias
        h = torch.tanh(W_h @ h + rest) + moved[t]
    (gradient,) = torch.autograd.grad(h @ last, moved)
    return gradient


def _backward(W_h: Tensor, states: Tensor, last: Tensor) -> Tensor:
    gradients = [last]
    for t in reversed(range(1, len(states))):
        gradients.append(W_h.T @ ((1 - states[t] ** 2) * gradients[-1]))
    return torch.stack(gradients[::-1])


def _states(t: int, h: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    W_h, states, last = normal(seed, (h, h), (t, h), (h,))
    return W_h, states.tanh().round(decimals=2).clamp(-0.95, 0.95), last


check_backward = Exercise(
    name="back through time",
    reference=_by_autograd,
    probes=Sized(_states, [(5, 3, 1), (7, 2, 2), (4, 5, 3)]),
    solution=_backward,
    imitations={
        "not transposed": "W_h.T => W_h",
        "no slope": "(1 - states[t] ** 2) * => ",
        "slope of the state before": "states[t] => states[t - 1]",
        "no square": "states[t] ** 2 => states[t]",
        "tanh twice": "states[t] => states[t].tanh()",
        "slope after the matrix": (
            "W_h.T @ ((1 - states[t] ** 2) * gradients[-1]) => (1 - states[t] ** 2) * (W_h.T @ gradients[-1])",
            "W_h.T @ ((1 - states[t] ** 2) * gradients[-1]) => (1 - states[t] ** 2) * (W_h @ gradients[-1])",
        ),
        "from left to right": "((1 - states[t] ** 2) * gradients[-1]) => (1 - states[t] ** 2) * gradients[-1]",
        "from the last one each time": "* gradients[-1] => * last",
        "times the matrix, entry by entry": "W_h.T @ => W_h.T *; torch.stack(gradients[::-1]) => gradients[::-1]",
        "turned around": "gradients[::-1] => gradients",
    },
)

# ---- a loop over a padded batch ----


# a cell whose state shows what was read: the symbol is written behind the state, as a further digit
_DIGITS = Named("the function with step(token, h) = 10 * h + token[:, None]", lambda token, h: 10 * h + token[:, None])


def _padded(b: int, t: int, seed: int) -> tuple[Any, Tensor, Tensor, Tensor]:
    stride = 2 if t % 2 else 1
    lengths = torch.tensor([(stride * k + seed) % t + 1 for k in range(b)])  # from 1 to t, in no order
    lengths[seed % b] = t  # the batch is as wide as its longest string
    tokens = (torch.arange(b * t).view(b, t) * 4 + seed) % 9 + 1  # digits from 1 to 9, also in the padding
    h = torch.stack([torch.arange(b) % 3 + 1.0, torch.arange(b) % 4 + 5.0], dim=1)
    return _DIGITS, h, tokens, lengths


def _final_states(step: Any, h: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
    for t in range(tokens.shape[1]):
        goes_on = t < lengths
        h = torch.where(goes_on[:, None], step(tokens[:, t], h), h)
    return h


check_final_states = Exercise(
    name="the last real state",
    reference=_final_states,
    probes=Sized(_padded, [(5, 7, 1), (7, 5, 2), (3, 4, 3)]),
    imitations={
        "still one symbol too many": "t < lengths => t <= lengths",
        "only one step skipped": "t < lengths => t != lengths",
        "one symbol too few": "t < lengths => t < lengths - 1",
        "reads the padding": "t < lengths => lengths >= 0",
        "stops with the shortest": "t < lengths => (t < lengths.min()).expand(len(h))",
        "the mask inverted": ("t < lengths => t >= lengths", "t < lengths => t > lengths"),
        "only the last step": "t < lengths => t == lengths - 1",
        "zeros for padding": "t < lengths => lengths >= 0; tokens[:, t] => tokens[:, t] * (t < lengths)",
        "clears the finished": "h), h) => h), 0)",
        "from right to left": "in range(tokens.shape[1]) => in reversed(range(tokens.shape[1]))",
        "starts from zero": "for t => h = 0 * h\n    for t",
    },
)
