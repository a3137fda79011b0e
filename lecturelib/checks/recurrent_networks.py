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
    says="""
        counts the ones: Your automaton counts the ones: it accepts 111, which is seven. One more bit on the right also
            doubles the value that stood there before.
        the bit is not added: Your automaton accepts all. To append a bit doubles the value, and adds the bit.
        divisible by two: Your automaton accepts the even numbers. Three remainders need three states.
        columns exchanged: Your columns are exchanged: the first says where the symbol 0 leads.
        adds one too many: The empty string and 0 stand for zero: from state 0, symbol 0 stays in 0.
        divisible by four: Your automaton accepts the numbers divisible by four, where the last two bits decide. For
            three, every bit counts.
        right: Three states are enough, however long the number is.
        hint 1: A bit string with value v becomes 2v when 0 is appended on the right, and 2v + 1 when 1 is. Only the
            remainder of v matters.
        hint 2: State r means 'the remainder is r'. From state r, symbol b leads to the state (2r + b) % 3. Write the
            row of each r.
    """,
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
    says="""
        not transposed: You multiply by W_h itself. Forward, W_h takes h_t to the next state; which matrix takes a
            gradient the other way?
        no slope: Your gradient does not pass through the tanh. By what does a tanh multiply a gradient?
        slope of the state before: You take the slope of the tanh at h_t. The tanh that the gradient passes through made
            the state after it.
        no square: The slope of tanh, written with its value h, has a square in it. Yours is linear in h.
        tanh twice: You apply tanh to a state again. The states have been through the tanh already.
        slope after the matrix: You multiply by W_h first and by the slope after that. Forward, which of the two comes
            last? Backward it comes first.
        from left to right: Python works out @ and * from left to right, so your matrix meets the slope alone, and the
            gradient comes last. What must be multiplied first? Put it in brackets.
        from the last one each time: Each of your steps begins at the last gradient again. It should go on from the one
            that it found before.
        times the matrix, entry by entry: You multiply the entries of the matrix by the vector (*). A matrix times a
            vector is written @.
        turned around: Your gradients stand in the wrong order: the first row belongs to h_1.
        right: It is what torch's autograd computes. Multiply ten such steps, and you see why gradients vanish or
            explode.
        hint 1: Going forward, a state is first multiplied by the matrix and then goes through the tanh. In which order
            does the gradient meet the two on its way back?
        hint 2: W_h.T @ (... * g), with g for the gradient found last. The dots are the slope of the tanh, written with
            the state h that it made.
    """,
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
    solution=_final_states,
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
    says="""
        still one symbol too many: That is the code as you found it: each string but the longest reads one symbol too
            many. A string of length n has the steps 0 to n - 1.
        only one step skipped: Each string skips one step, and then reads on in its padding. It should never move again.
        one symbol too few: Now each string stops one symbol early. At which t is the last symbol of a string of length
            n read?
        reads the padding: Your states move on over the padding. Which strings have come to their end at step t?
        stops with the shortest: You stop all strings as the shortest one ends.
        the mask inverted: Your condition is the wrong way around: the states move in the padding only.
        only the last step: Each state moves once, at the last symbol of its string. It should move at the symbols
            before that one, too.
        zeros for padding: You put zeros where the padding stood. The cell reads a zero like any other symbol, and its
            state moves.
        clears the finished: The state of a string that has ended becomes zero. It should stay what it was.
        from right to left: You read the strings from right to left.
        starts from zero: You start from zeros. The states to begin with are given: h.
        right: The state of a finished string now waits until the others have ended, whatever stands in the padding.
        hint 1: Take a string of length 1. For which t should its state move? For which t does the condition in the loop
            let it move?
        hint 2: Step t = 0 reads the first symbol, so a string of length n should move while t is 0, 1, ..., n - 1. One
            sign of the condition changes.
    """,
)
