"""How each pretrained model is trained and scored: one `Recipe` each, by name in RECIPES.

The small networks of notebook 07 have their recipes in `lecturelib.workshop.train.sources`.

`python -m lecturelib train NAME` carries a recipe out; `lecturelib.pretrained.load` reads what it left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from lecturelib.attention import MultiHeadAttention
from lecturelib.data.dates import ISO, START, Written, alphabet, dates
from lecturelib.data.digits import digits
from lecturelib.data.photos import crops
from lecturelib.data.text import VOCABULARY, pieces, split_by_topic
from lecturelib.language import next_token_loss
from lecturelib.lengths import pad
from lecturelib.mae import random_mask
from lecturelib.pretrained.models import CONTEXT, SIZE
from lecturelib.transformer import FeedForward
from lecturelib.translation import translate
from lecturelib.workshop.train.recipe import HIDDEN, Recipe, painting_loss, painting_scores
from lecturelib.workshop.train.sources import SOURCES


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


def _date_tensors(written: list[Written]) -> tuple[torch.Tensor, ...]:
    source, lengths = pad([alphabet().encode(each.text).tolist() for each in written])  # (N, S), (N,)
    target = torch.stack([torch.from_numpy(ISO.encode(START + each.iso)) for each in written])  # (N, 11)
    return source, lengths, target


def _date_batches(seed: int, size: int) -> Iterator[tuple[torch.Tensor, ...]]:
    source, lengths, target = _date_tensors(dates(20_000, held_out=False, seed=1))
    generator = torch.Generator().manual_seed(seed)
    while True:
        pick = torch.randint(len(source), (size,), generator=generator)
        yield source[pick, : int(lengths[pick].max())], lengths[pick], target[pick]


def _date_loss(model: nn.Module, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
    source, lengths, target = batch
    logits = model(source, target[:, :-1], lengths)  # (B, 10, vocab_size)
    return F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten())


def _date_scores(model: nn.Module) -> dict[str, float]:
    source, lengths, target = _date_tensors(dates(1000, held_out=True, seed=2))
    written = translate(model, source, lengths, int(target[0, 0]), target.shape[1] - 1)
    exact = (written == target[:, 1:]).all(dim=1).float().mean()
    return {"share of exact dates, held-out days": exact.item()}


def _digit_batches(seed: int, size: int) -> Iterator[tuple[torch.Tensor, ...]]:
    images = torch.from_numpy(digits(seed=0)[0].images)
    generator = torch.Generator().manual_seed(seed)
    while True:
        picked = images[torch.randint(len(images), (size,), generator=generator)]
        changed = _bend(picked, generator)
        yield (
            torch.where(torch.rand(size, 1, 1, 1, generator=generator) < 0.7, changed, picked),
            random_mask(size, 4, 4, HIDDEN, generator=generator),
        )


def _bend(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Turn, shear, stretch and move each image a little: (B, 1, 8, 8) to the same."""
    limits = torch.tensor(
        [0.2, 0.2, 0.12, 0.12, 0.24, 0.12]
    )  # radians, shear, two stretches, two shifts (2 is 8 pixels)
    turn, shear, wide, high, right, down = ((torch.rand(len(images), 6, generator=generator) * 2 - 1) * limits).T
    rows = torch.stack(
        [(1 + wide) * turn.cos(), shear - turn.sin(), right, turn.sin(), (1 + high) * turn.cos(), down], dim=1
    )
    places = F.affine_grid(rows.view(-1, 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, places, align_corners=False)


def _photo_batches(seed: int, size: int) -> Iterator[tuple[torch.Tensor, ...]]:
    generator = torch.Generator().manual_seed(seed)
    while True:
        fresh = int(torch.randint(2**31, (), generator=generator))
        images = crops(size, size=SIZE, held_out=False, seed=fresh, coarsest=2, varied=True)
        yield torch.from_numpy(images), random_mask(size, 8, 8, HIDDEN, generator=generator)


def _digit_scores(model: nn.Module) -> dict[str, float]:
    return painting_scores(torch.from_numpy(digits(seed=0)[1].images), rows=4)(model)


def _photo_scores(model: nn.Module) -> dict[str, float]:
    held_out = crops(300, size=SIZE, held_out=True, seed=0, coarsest=2)
    return painting_scores(torch.from_numpy(held_out), rows=8)(model)


RECIPES: dict[str, Recipe] = {
    "language_model": Recipe(
        about="a decoder-only transformer, 4 layers of width 128 with 4 heads, that predicts the next character of "
        "English help texts (the topics of Python's language reference)",
        batches=_text_batches,
        loss=next_token_loss,
        scores=_text_scores,
        settings={"steps": 3500, "batch_size": 16, "lr": 3e-3, "weight_decay": 0.1, "dropout": 0.2},
    ),
    "dates_without_attention": Recipe(
        about="dates of the world to ISO 8601 by a GRU encoder and a GRU decoder of width 128, with one vector between "
        "them and no attention",
        batches=_date_batches,
        loss=_date_loss,
        scores=_date_scores,
        settings={"steps": 3000, "batch_size": 64, "lr": 4e-3, "weight_decay": 0.0, "dropout": 0.0},
    ),
    "digits_mae": Recipe(
        about="a masked autoencoder of handwritten digits (8 x 8 pixels, patches of 2 x 2, three of four hidden): "
        "encoder of 4 layers and width 64, decoder of 2 layers and width 64",
        batches=_digit_batches,
        loss=painting_loss,
        scores=_digit_scores,
        settings={"steps": 16_000, "batch_size": 256, "lr": 2e-3, "weight_decay": 0.05, "dropout": 0.0},
    ),
    "photos_mae": Recipe(
        about="a masked autoencoder of squares cut out of photographs (32 x 32 pixels, patches of 4 x 4, three "
        "of four hidden): encoder of 4 layers and width 128, decoder of 3 layers and width 64",
        batches=_photo_batches,
        loss=painting_loss,
        scores=_photo_scores,
        settings={"steps": 11_000, "batch_size": 64, "lr": 2e-3, "weight_decay": 0.02, "dropout": 0.0, "muon": 4e-3},
    ),
    **SOURCES,
}
