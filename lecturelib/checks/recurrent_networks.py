"""The exercises of notebook 01: an automaton for division by three, strings read backwards, a mean without padding."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import torch

from lecturelib.checks.exercise import Exercise, Mistake


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


_BITS = ["".join(bits) for length in range(8) for bits in product("01", repeat=length)]

check_divisible = Exercise(
    name="divisible by three",
    reference=lambda string: int(string or "0", 2) % 3 == 0,
    probes=[(string,) for string in _BITS],
    prepare=_acceptor,
    mistakes=[
        Mistake(
            "counts the ones",
            "Your automaton counts the ones: it accepts 111, which is seven. One more bit on the right also doubles "
            "the value that stood there before.",
            _acceptor([[0, 1], [1, 2], [2, 0]]),
        ),
        Mistake(
            "the bit is not added",
            "Your automaton accepts every string: it never leaves state 0. Appending a bit doubles the value, and then "
            "adds the bit: 0 and 1 cannot lead to the same remainder.",
            _acceptor([[0, 0], [2, 2], [1, 1]]),
        ),
        Mistake(
            "divisible by two",
            "Your automaton accepts the even numbers. Three remainders are possible, so it needs three states.",
            _acceptor([[0, 1], [0, 1]]),
        ),
        Mistake(
            "columns exchanged",
            "Your two columns are exchanged: the first says where the symbol 0 leads, the second where 1 leads.",
            _acceptor([[1, 0], [0, 2], [2, 1]]),
        ),
        Mistake(
            "adds one too many",
            "The empty string and 0 stand for zero, which is divisible by three: from state 0, symbol 0 stays in 0.",
            _acceptor([[1, 2], [0, 1], [2, 0]]),
        ),
    ],
    hint_texts=[
        "A bit string with value v becomes 2v when 0 is appended on the right, and 2v + 1 when 1 is. Only the "
        "remainder of v matters.",
        "State r means 'the remainder is r'. From state r, symbol b leads to the state (2r + b) % 3. Write the row of "
        "each r.",
    ],
    right="Three states are enough, however long the number is.",
)


def _batch(b: int, t: int, lengths: list[int], seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    values = torch.randn(b, t, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return values, torch.tensor(lengths)


# prime sizes, all different; the padded part holds numbers too, so that reading it shows
# (in the last batch no length is too large to number a sequence, so that this mistake gives a result)
_STATES = [
    _batch(5, 7, [3, 7, 1, 5, 2], 1),
    _batch(2, 11, [4, 9], 2),
    _batch(7, 5, [2, 5, 1, 3, 4, 5, 2], 3),
]
_TOKENS = [
    ((10 * (1 + torch.arange(len(states)))[:, None] + 1 + torch.arange(states.shape[1])), lengths)
    for states, lengths in _STATES
]
_LOSSES = [(states[..., 0].abs(), lengths) for states, lengths in _STATES]


def _steps(values: torch.Tensor) -> torch.Tensor:
    return torch.arange(values.shape[1])


def _reversed_rows(tokens: torch.Tensor, lengths: torch.Tensor, place: Callable[..., Any]) -> torch.Tensor:
    """Every row rebuilt from places: `place(n, steps)` says from which step each of the T entries is taken."""
    steps = torch.arange(tokens.shape[1])
    return torch.stack([row[place(n, steps)] for row, n in zip(tokens, lengths.tolist(), strict=True)])


check_reverse = Exercise(
    name="reverse each string",
    reference=lambda tokens, lengths: torch.stack(
        [torch.cat([row[:n].flip(0), row[n:]]) for row, n in zip(tokens, lengths.tolist(), strict=True)]
    ),
    probes=_TOKENS,
    mistakes=[
        Mistake(
            "padding comes first",
            "You reverse whole rows, so the padding comes first. Each string must be reversed within its own length.",
            lambda tokens, lengths: tokens.flip(1),
        ),
        Mistake(
            "the batch reversed",
            "You reverse the order of the strings. Dimension 0 numbers the strings, dimension 1 the steps.",
            lambda tokens, lengths: tokens.flip(0),
        ),
        Mistake(
            "one step too late",
            "Your places are one too high: the last symbol of a string of length n stands at place n - 1.",
            lambda tokens, lengths: _reversed_rows(
                tokens, lengths, lambda n, t: torch.where(t < n, n - t, t).clamp(max=len(t) - 1)
            ),
        ),
        Mistake(
            "padding overwritten",
            "Your strings are reversed, but the padding behind them has changed. From place n on, keep the row.",
            lambda tokens, lengths: _reversed_rows(tokens, lengths, lambda n, t: (n - 1 - t).clamp(min=0)),
        ),
        Mistake(
            "padding from the other end",
            "Your strings are reversed, but behind them your places are negative, and so count from the right end. "
            "From place n on, leave a row as it is.",
            lambda tokens, lengths: _reversed_rows(tokens, lengths, lambda n, t: n - 1 - t),
        ),
        Mistake(
            "padding set to zero",
            "Your strings are reversed, but you have filled the rest with 0. Leave the padding as it is.",
            lambda tokens, lengths: (
                _reversed_rows(tokens, lengths, lambda n, t: (n - 1 - t).clamp(min=0))
                * (torch.arange(tokens.shape[1]) < lengths[:, None])
            ),
        ),
        Mistake(
            "nothing reversed",
            "The rows are as they were.",
            lambda tokens, lengths: tokens,
        ),
    ],
    hint_texts=[
        "Which symbol must stand at place t of a string of length n? That is the case t < n; what about the rest?",
        "Make a tensor of places (B, T) with torch.where: lengths[:, None] - 1 - t where t is real, t "
        "elsewhere. tokens.gather(1, places) takes them.",
    ],
    right="A network that reads from right to left needs exactly this.",
)

check_mean_over_real_steps = Exercise(
    name="mean over real steps",
    reference=lambda values, lengths: (
        sum(v[:n].sum() for v, n in zip(values, lengths.tolist(), strict=True)) / lengths.sum()
    ),
    probes=_LOSSES,
    mistakes=[
        Mistake(
            "padding counted",
            "You average over all steps, the padded ones too. The same strings in a wider rectangle would have another "
            "loss.",
            lambda values, lengths: values.mean(),
        ),
        Mistake(
            "divided by all steps",
            "You leave out the padded values, but still divide by all B T steps. How many steps are real?",
            lambda values, lengths: (values * (_steps(values) < lengths[:, None])).mean(),
        ),
        Mistake(
            "a sum",
            "You return the sum over the real steps. A batch of longer strings would look worse for that alone.",
            lambda values, lengths: (values * (_steps(values) < lengths[:, None])).sum(),
        ),
        Mistake(
            "a mean of means",
            "You average each sequence first, then the sequences. So a token of a short string weighs more than one of "
            "a long string; here every real token should count the same.",
            lambda values, lengths: torch.stack([v[:n].mean() for v, n in zip(values, lengths, strict=True)]).mean(),
        ),
        Mistake(
            "the mask inverted",
            "Your mask is inverted: you average over the padding only.",
            lambda values, lengths: values[_steps(values) >= lengths[:, None]].mean(),
        ),
        Mistake(
            "one step too many",
            "Your mask has one step too many: a sequence of length n has the real steps 0 to n - 1.",
            lambda values, lengths: values[_steps(values) <= lengths[:, None]].mean(),
        ),
        Mistake(
            "divided by the batch",
            "You divide by the number of sequences, not by the number of real steps.",
            lambda values, lengths: (values * (_steps(values) < lengths[:, None])).sum() / len(values),
        ),
    ],
    hint_texts=[
        "First make a mask (B, T) that is True where a step is real: compare the number of each step with the length "
        "of its sequence.",
        "mask = torch.arange(T) < lengths[:, None]; values[mask] picks the real steps of the whole batch as one list.",
    ],
    right="Padding cannot change it, and every real token counts the same.",
)
