"""Toy models for the exercise of notebook 04: some look only back, and some see the future in one way each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from lecturelib.checks.exercise import normal

Tensor = torch.Tensor
_VOCAB_SIZE = 11


@dataclass(frozen=True)
class ToyModel:
    """A small model under a name, which an answer's message can show; nothing in it is random.

    Shapes: tokens (B, T), whole numbers from 0 to 10; returns logits (B, T, 11).
    Raises: ValueError for tokens of another shape or outside this range.
    """

    name: str
    compute: Callable[[Tensor], Tensor]

    def __call__(self, tokens: Tensor) -> Tensor:
        if tokens.ndim != 2:
            raise ValueError(
                f"the model was given tokens of shape {tuple(tokens.shape)}: expected a batch (B, T); one sequence "
                "goes in as tokens[None]"
            )
        wrong = tokens[(tokens < 0) | (tokens >= _VOCAB_SIZE)]
        if len(wrong):
            raise ValueError(
                f"the model was given the token {int(wrong[0])}: expected 0 to {_VOCAB_SIZE - 1}, as it gives "
                f"{_VOCAB_SIZE} logits at each position; the remainder, % logits.shape[-1], keeps a changed "
                "token in this range"
            )
        # rounded, so that answers may also compare bit by bit, and with batches of another size
        return self.compute(tokens).round(decimals=9)

    def __repr__(self) -> str:
        return f"a model with {self.name}"


def _see(edges: Callable[[Tensor, Tensor], Tensor], own: bool = True) -> Callable[[Tensor], Tensor]:
    """The mean of the vectors of all tokens s with edges(t, s), and with `own` the logits of token t itself."""
    table, alone = normal(11, (_VOCAB_SIZE, _VOCAB_SIZE), (_VOCAB_SIZE, _VOCAB_SIZE))

    def compute(tokens: Tensor) -> Tensor:
        step = torch.arange(tokens.shape[1])
        mask = edges(step[:, None], step).double()  # (T, T)
        mean = mask @ table[tokens] / mask.sum(-1, keepdim=True).clamp(min=1)
        return mean + alone[tokens] if own else mean

    return compute


def _look(causal: bool, axis: int = -1, positions: bool = False) -> Callable[[Tensor], Tensor]:
    """Attention of one head, with or without a causal mask, its softmax over the keys or over the queries."""
    q, k, v, table = normal(12, (_VOCAB_SIZE, 3), (_VOCAB_SIZE, 3), (_VOCAB_SIZE, _VOCAB_SIZE), (64, 3))

    def compute(tokens: Tensor) -> Tensor:
        length = tokens.shape[1]
        place = table[:length] if positions else 0
        scores = (q[tokens] + place) @ (k[tokens] + place).mT / math.sqrt(3)
        if causal:
            scores = scores.masked_fill(torch.ones(length, length).triu(1).bool(), -math.inf)
        return scores.softmax(axis) @ v[tokens]

    return compute


def _normalized(tokens: Tensor) -> Tensor:
    logits = _see(lambda t, s: s <= t)(tokens)
    return (logits - logits.mean(1, keepdim=True)) / (1 + logits.std(1, keepdim=True, correction=0))


HONEST = [
    ToyModel("the mean of all tokens so far", _see(lambda t, s: s <= t)),
    ToyModel("causal attention", _look(causal=True)),
    ToyModel("causal attention and positions", _look(causal=True, positions=True)),
    ToyModel("the token before, and not its own", _see(lambda t, s: s == t - 1, own=False)),
    ToyModel("its own token alone", _see(lambda t, s: s == t, own=False)),
]
LEAKY = [
    ToyModel("attention without a mask", _look(causal=False)),
    ToyModel("a mask that is off by one", _see(lambda t, s: s <= t + 1)),
    ToyModel("a softmax over the queries", _look(causal=True, axis=1)),
    ToyModel("a normalization over time", _normalized),
    ToyModel("the mean of all tokens", _see(lambda t, s: s == s + 0 * t, own=False)),
    # leaks in one place only: an answer that looks at one place, or one distance, misses some of them
    ToyModel("a first position that sees the second", _see(lambda t, s: (s <= t) | (t + s == 1))),
    ToyModel("a sixth position that sees the seventh", _see(lambda t, s: (s <= t) | ((t == 5) & (s == 6)))),
    ToyModel("a third position that sees the sixth", _see(lambda t, s: (s <= t) | ((t == 2) & (s == 5)))),
    ToyModel("a first position that sees the seventh", _see(lambda t, s: (s <= t) | ((t == 0) & (s == 6)))),
]
