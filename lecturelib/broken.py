"""Language models with a bug: one switch for each, and every one of these was really shipped in teaching material.

    BUGS       name -> Bug: what is wrong, where it was seen, and the code that makes it
    break_it   put one of them into a `LanguageModel`

None of them stops the program, none warns, and most leave a training loss that looks fine or better.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from lecturelib.attention import AttentionMap, MultiHeadAttention
from lecturelib.language import next_token_loss
from lecturelib.transformer import Embedding, LanguageModel


class Bug(NamedTuple):
    """A bug: what is wrong, in one line; where it was seen; the function that puts it into a model; the loss it trains.

    Tool: from notebook 04 on.
    """

    wrong: str
    seen: str
    put: Callable[[LanguageModel], None]
    loss: Callable[[nn.Module, tuple[torch.Tensor, ...]], torch.Tensor] = next_token_loss


def break_it(model: LanguageModel, bug: str) -> LanguageModel:
    """Put a bug into a language model, in place, and return it; "none" leaves it as it is.

    Weights stay as they are: what was trained can be broken, and what is broken can be trained.
    Raises: ValueError for a bug that does not exist.
    Taught: notebook 04, section 7.

    >>> model = LanguageModel(5, d_model=4, num_heads=2, num_layers=1, max_len=3)
    >>> break_it(model, "no mask").blocks[0].attention.map
    _NoMask()
    """
    if bug not in BUGS:
        raise ValueError(f"bug {bug!r} is unknown: expected one of {', '.join(BUGS)}")
    BUGS[bug].put(model)
    return model


class _NoMask(AttentionMap):
    def forward(self, scores: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        return scores.softmax(dim=-1)


class _InvertedMask(AttentionMap):
    def forward(self, scores: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        return (scores if mask is None else scores.masked_fill(mask, -1e9)).softmax(dim=-1)


class _SoftMask(AttentionMap):
    def forward(self, scores: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        return (scores if mask is None else scores.masked_fill(~mask, -1e-12)).softmax(dim=-1)


class _OverQueries(AttentionMap):
    def forward(self, scores: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        return (scores if mask is None else scores.masked_fill(~mask, -1e9)).softmax(dim=-2)


class _ScaledByWidth(AttentionMap):
    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads

    def forward(self, scores: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        return super().forward(scores / math.sqrt(self.num_heads), mask)  # sqrt(D) = sqrt(H) sqrt(d_k)


class _OverTime(nn.LayerNorm):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        centered = x - x.mean(dim=1, keepdim=True)  # over (B, T, D): all times together
        return centered / (centered.square().mean(dim=1, keepdim=True) + self.eps).sqrt() * self.weight + self.bias


class _AlongBatch(Embedding):
    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.tokens(tokens) + self.table[: tokens.shape[0], None]  # (B, T, D) + (B, 1, D)


class _NeverAdded(Embedding):
    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.tokens(tokens)
        x.add(self.table[: tokens.shape[1]])  # the sum is not kept: that is the bug
        return x


def _loss_without_shift(model: nn.Module, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
    tokens = batch[0][:, :-1]
    return F.cross_entropy(model(tokens).flatten(0, 1), tokens.flatten())


def _attentions(model: LanguageModel) -> list[MultiHeadAttention]:
    return [module for module in model.modules() if isinstance(module, MultiHeadAttention)]


def _map(make: Callable[[int], AttentionMap]) -> Callable[[LanguageModel], None]:
    def put(model: LanguageModel) -> None:
        for attention in _attentions(model):
            attention.map = make(attention.num_heads)

    return put


def _positions(kind: type[Embedding]) -> Callable[[LanguageModel], None]:
    def put(model: LanguageModel) -> None:
        model.embedding.__class__ = kind  # the same weights, another forward

    return put


class _NotMovedBack(MultiHeadAttention):
    def merge(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(x.shape[0], x.shape[2], -1)  # (B, H, T, K) to (B, T, D), without a transpose


def _heads_not_moved_back(model: LanguageModel) -> None:
    for attention in _attentions(model):
        attention.__class__ = _NotMovedBack


def _norm_over_time(model: LanguageModel) -> None:
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.__class__ = _OverTime


# Where: repository and issue or pull request on GitHub, with the year.
BUGS: dict[str, Bug] = {
    "none": Bug("nothing", "", lambda model: None),
    "no mask": Bug(
        "the causal mask is not passed on: each position sees the next character, which it is asked for",
        "pytorch/tutorials, pull request 2423, mended by 2662, 2023",
        _map(lambda _: _NoMask()),
    ),
    "mask inverted": Bug(
        "True is read as: may not look; each position sees only what comes later",
        "rasbt/LLMs-from-scratch, issue 1061, 2026",
        _map(lambda _: _InvertedMask()),
    ),
    "soft mask": Bug(
        "masked scores become -0.000000000001, not minus infinity: no smaller than the others",
        "hyunwoongko/transformer, issue 10, 2022",
        _map(lambda _: _SoftMask()),
    ),
    "softmax over queries": Bug(
        "the columns of the map sum to 1, not the rows: later queries are in each sum",
        "labmlai/annotated_deep_learning_paper_implementations, issue 146, 2022 (attention on images)",
        _map(lambda _: _OverQueries()),
    ),
    "heads not moved back": Bug(
        "(B, H, T, K) is reshaped to (B, T, D) without a transpose: a token gets rows of others",
        "ajhalthor/Transformer-Neural-Network, pull request 4, 2023",
        _heads_not_moved_back,
    ),
    "norm over time": Bug(
        "LayerNorm takes mean and variance over the positions, later ones among them",
        "MorvanZhou/NLP-Tutorials, issue 10, 2020",
        _norm_over_time,
    ),
    "positions along the batch": Bug(
        "the table of positions is cut by the size of the batch: all tokens of a row get one vector",
        "Lightning-AI/pytorch-lightning, issue 19138, 2023",
        _positions(_AlongBatch),
    ),
    "positions never added": Bug(
        "the sum of token and position is computed and not kept",
        "Lightning-AI/pytorch-lightning, pull request 20099, 2024",
        _positions(_NeverAdded),
    ),
    "wrong scale": Bug(
        "scores are divided by the root of the whole width, not of one head's",
        "karpathy/ng-video-lecture, pull request 6, 2023",
        _map(_ScaledByWidth),
    ),
    "no shift": Bug(
        "input and target of the loss are the same tokens: copying is enough",
        "Project-MONAI/GenerativeModels, issue 314, 2023",
        lambda model: None,
        _loss_without_shift,
    ),
}
