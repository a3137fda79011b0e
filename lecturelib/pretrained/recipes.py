"""How each pretrained model is built, trained and scored: one `Recipe` each, by name in RECIPES.

`python -m lecturelib.pretrained NAME` carries a recipe out; `lecturelib.pretrained.load` reads what it left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from lecturelib.attention import MultiHeadAttention
from lecturelib.data.text import VOCABULARY, pieces, split_by_topic
from lecturelib.language import next_token_loss
from lecturelib.transformer import FeedForward, LanguageModel


class Recipe(NamedTuple):
    """One model: what it is, how to build it, its batches, its loss, its scores, and the numbers of its training.

    `batches(seed, size)` yields batches for ever; `scores(model)` returns named numbers measured on held-out data;
    `settings` holds steps, batch, lr, weight_decay and dropout.
    """

    about: str
    build: Callable[[], nn.Module]
    batches: Callable[[int, int], Iterator[tuple[torch.Tensor, ...]]]
    loss: Callable[[nn.Module, tuple[torch.Tensor, ...]], torch.Tensor]
    scores: Callable[[nn.Module], dict[str, float]]
    settings: dict[str, Any]


CONTEXT = 256  # characters that the language model can look back


def _language_model() -> nn.Module:
    return LanguageModel(len(VOCABULARY), width=128, heads=4, layers=4, longest=CONTEXT, positions="sinusoidal")


def _text_batches(seed: int, size: int) -> Iterator[tuple[torch.Tensor, ...]]:
    text = torch.from_numpy(VOCABULARY.encode(split_by_topic()[0]))
    generator = torch.Generator().manual_seed(seed)
    within = torch.arange(CONTEXT + 1)
    while True:
        starts = torch.randint(len(text) - CONTEXT, (size, 1), generator=generator)
        yield (text[starts + within],)  # (B, T + 1)


@torch.no_grad()
def _text_scores(model: nn.Module) -> dict[str, float]:
    held_out = torch.from_numpy(pieces(split_by_topic()[1], CONTEXT + 1))  # (N, T + 1)
    losses = [next_token_loss(model, (part,)).item() * len(part) for part in held_out.split(16)]
    return {"nats per character, held-out topics": sum(losses) / len(held_out)}


def add_dropout(model: nn.Module, share: float) -> Callable[[], None]:
    """Drop a share of what each attention and feed-forward layer adds, while training; return how to undo it.

    The models of the course have no dropout of their own: only long training on little data needs it.
    """

    def drop(module: nn.Module, _: Any, output: torch.Tensor) -> torch.Tensor:
        return F.dropout(output, share, module.training)

    layers = [module for module in model.modules() if isinstance(module, MultiHeadAttention | FeedForward)]
    hooks = [layer.register_forward_hook(drop) for layer in layers]

    def undo() -> None:
        for hook in hooks:
            hook.remove()

    return undo


RECIPES: dict[str, Recipe] = {
    "language_model": Recipe(
        about="a decoder-only transformer, 4 layers of width 128 with 4 heads, that predicts the next character of "
        "English help texts (the topics of Python's language reference)",
        build=_language_model,
        batches=_text_batches,
        loss=next_token_loss,
        scores=_text_scores,
        settings={"steps": 3500, "batch": 16, "lr": 3e-3, "weight_decay": 0.1, "dropout": 0.2},
    ),
}
