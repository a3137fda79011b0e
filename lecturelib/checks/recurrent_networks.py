"""The exercises of notebook 01: an automaton for division by three, strings read backwards, a mean without padding."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import torch

from lecturelib.checks.exercise import Exercise, Sized, normal

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
    accept=_acceptor,
    imitations={
        "counts the ones": [[0, 1], [1, 2], [2, 0]],
        "the bit is not added": [[0, 0], [2, 2], [1, 1]],
        "divisible by two": [[0, 1], [0, 1]],
        "columns exchanged": [[1, 0], [0, 2], [2, 1]],
        "adds one too many": [[1, 2], [0, 1], [2, 0]],
    },
    says="""
        counts the ones: Your automaton counts the ones: it accepts 111, which is seven. One more bit on the right also
            doubles the value that stood there before.
        the bit is not added: Your automaton accepts all. To append a bit doubles the value, and adds the bit.
        divisible by two: Your automaton accepts the even numbers. Three remainders need three states.
        columns exchanged: Your columns are exchanged: the first says where the symbol 0 leads.
        adds one too many: The empty string and 0 stand for zero: from state 0, symbol 0 stays in 0.
        right: Three states are enough, however long the number is.
        hint 1: A bit string with value v becomes 2v when 0 is appended on the right, and 2v + 1 when 1 is. Only the
            remainder of v matters.
        hint 2: State r means 'the remainder is r'. From state r, symbol b leads to the state (2r + b) % 3. Write the
            row of each r.
    """,
)


def _lengths(b: int, t: int) -> Tensor:
    """Lengths from 1 to t, in no order."""
    stride = 2 if t % 2 else 1
    return torch.tensor([(stride * k + 1) % t + 1 for k in range(b)])


# the last number says what stands behind the strings: numbers that differ, or 0, which is also a symbol of a string
def _tokens(b: int, t: int, kind: int) -> tuple[Tensor, Tensor]:
    lengths = _lengths(b, t)
    tokens = torch.arange(b * t).view(b, t) + (10 if kind == 1 else 0)
    return (tokens if kind == 1 else tokens * _real(tokens, lengths)), lengths


def _losses(b: int, t: int, seed: int) -> tuple[Tensor, Tensor]:
    return normal(seed, (b, t))[0].abs(), _lengths(b, t)


def _rebuilt(place: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Every row rebuilt: `place(n, t)` says from where the entry t of a string of length n is taken."""

    def rebuild(tokens: Tensor, lengths: Tensor) -> Tensor:
        t = torch.arange(tokens.shape[1])
        return torch.stack([row[place(n, t).expand(len(t))] for row, n in zip(tokens, lengths, strict=True)])

    return rebuild


def _real(values: Tensor, lengths: Tensor, extra: int = 0) -> Tensor:
    """The steps that are real, (B, T), and `extra` more behind them."""
    return torch.arange(values.shape[1]) < lengths[:, None] + extra


check_reverse = Exercise(
    name="reverse each string",
    reference=lambda tokens, lengths: torch.stack(
        [torch.cat([row[:n].flip(0), row[n:]]) for row, n in zip(tokens, lengths.tolist(), strict=True)]
    ),
    probes=Sized(_tokens, [(5, 7, 1), (2, 11, 2), (7, 5, 1), (3, 5, 2)]),
    imitations={
        "padding comes first": lambda tokens, lengths: tokens.flip(1),
        "the batch reversed": lambda tokens, lengths: tokens.flip(0),
        "one step too late": _rebuilt(lambda n, t: torch.where(t < n, n - t, t).clamp(max=len(t) - 1)),
        "padding changed": (
            _rebuilt(lambda n, t: (n - 1 - t).clamp(min=0)),
            _rebuilt(lambda n, t: n - 1 - t),
            lambda tokens, lengths: (
                _rebuilt(lambda n, t: (n - 1 - t).clamp(min=0))(tokens, lengths) * _real(tokens, lengths)
            ),
        ),
        "nothing reversed": lambda tokens, lengths: tokens,
    },
    says="""
        padding comes first: You reverse whole rows. Each string must be reversed within its own length.
        the batch reversed: You reverse the order of the strings. Dimension 1 numbers the steps.
        one step too late: Your places are one too high: the last symbol of a string of length n stands at place n - 1.
        padding changed: Your strings are reversed, but what stands behind them has changed. Keep it.
        nothing reversed: The rows are as they were.
        right: A network that reads from right to left needs exactly this.
        hint 1: Which symbol must stand at place t of a string of length n? That is the case t < n; what about the rest?
        hint 2: Make a tensor of places (B, T) with torch.where: lengths[:, None] - 1 - t where t is real, t elsewhere.
            tokens.gather(1, places) takes them.
    """,
)

check_mean_over_real_steps = Exercise(
    name="mean over real steps",
    reference=lambda values, lengths: (
        sum(v[:n].sum() for v, n in zip(values, lengths.tolist(), strict=True)) / lengths.sum()
    ),
    probes=Sized(_losses, [(5, 7, 1), (2, 11, 2), (7, 5, 3)]),
    imitations={
        "padding counted": lambda values, lengths: values.mean(),
        "divided by all steps": lambda values, lengths: (values * _real(values, lengths)).mean(),
        "a sum": lambda values, lengths: values[_real(values, lengths)].sum(),
        "a mean of means": lambda values, lengths: torch.stack(
            [v[:n].mean() for v, n in zip(values, lengths, strict=True)]
        ).mean(),
        "the mask inverted": lambda values, lengths: values[~_real(values, lengths)].mean(),
        "one step too many": lambda values, lengths: values[_real(values, lengths, extra=1)].mean(),
        "divided by the batch": lambda values, lengths: values[_real(values, lengths)].sum() / len(values),
    },
    says="""
        padding counted: You average over the padded steps too. A wider rectangle would change the loss.
        divided by all steps: You leave out the padding, but divide by all B T steps. How many are real?
        a sum: You return the sum over the real steps. A batch of longer strings would look worse for that alone.
        a mean of means: You average each sequence first, then the sequences. So a token of a short string weighs more
            than one of a long string; here every real token should count the same.
        the mask inverted: Your mask is inverted: you average over the padding only.
        one step too many: Your mask has one step too many: a sequence of length n has the real steps 0 to n - 1.
        divided by the batch: You divide by the number of sequences, not by the number of real steps.
        right: Padding cannot change it, and every real token counts the same.
        hint 1: First make a mask (B, T) that is True where a step is real: compare the number of each step with the
            length of its sequence.
        hint 2: mask = torch.arange(T) < lengths[:, None]; values[mask] picks the real steps of the whole batch as one
            list.
    """,
)
