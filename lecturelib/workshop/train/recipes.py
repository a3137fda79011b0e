"""How each pretrained model is trained and scored: one `Recipe` each, by name in RECIPES.

`lecture train NAME` carries a recipe out; `lecturelib.pretrained.load` reads what it left.
The sources of notebook 07 are small networks of one build, each trained on something else than the target task:

print_digits         printed digits, by their names: near the target
print_letters        printed capital letters: near in looks, other classes
print_ink            printed digits, by how much ink there is: the right images, the wrong question
print_random         printed digits with labels drawn at random: nothing but learning by heart
handwriting_masked   handwritten digits without labels, three of four patches hidden
photos_masked        gray squares of photographs without labels: far
"""

import functools
import string
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from lecturelib.attention import MultiHeadAttention
from lecturelib.data.digits import digits, moved
from lecturelib.data.glyphs import DIGITS, glyphs
from lecturelib.data.photos import crops
from lecturelib.data.text import VOCABULARY, pieces, split_by_topic
from lecturelib.language import next_token_loss
from lecturelib.mae import MaskedAutoencoder, random_mask, reconstruction_loss
from lecturelib.pretrained.models import CONTEXT, SIZE
from lecturelib.transformer import FeedForward

Batch = tuple[torch.Tensor, ...]
Batches = Callable[[int, int], Iterator[Batch]]
Scores = Callable[[nn.Module], dict[str, float]]
HIDDEN = 0.75  # the share of patches that the masked autoencoders learn to paint
BY_HEART = 2000  # printed digits with random labels


class Recipe(NamedTuple):
    """One model: what it is, its batches, its loss, its scores, and the numbers of its training.

    `batches(seed, size)` yields batches for ever; `scores(model)` returns named numbers measured on held-out data;
    `settings` holds steps, batch_size, lr, weight_decay and dropout; where Muon is used, "muon" is its learning rate.
    """

    about: str
    batches: Batches
    loss: Callable[[nn.Module, Batch], torch.Tensor]
    scores: Scores
    settings: dict[str, Any]


def draws(seed: int, size: int, *tensors: torch.Tensor) -> Iterator[tuple[torch.Generator, Batch]]:
    """Draw the same rows of all tensors for ever; yield them beside the generator, for what else is to be drawn."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        pick = torch.randint(len(tensors[0]), (size,), generator=generator)
        yield generator, tuple(each[pick] for each in tensors)


def photos(pixels: int, patches: int, *, gray: bool = False, coarsest: int = 3) -> Batches:
    """Return how to draw squares of photographs, each side so many pixels and patches, and masks."""

    def batches(seed: int, size: int) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(seed)
        while True:
            fresh = int(torch.randint(2**31, (), generator=generator))
            images = torch.from_numpy(
                crops(size, size=pixels, held_out=False, seed=fresh, coarsest=coarsest, varied=True)
            )
            images = images.mean(dim=1, keepdim=True) if gray else images
            yield images, random_mask(size, patches, patches, HIDDEN, generator=generator)

    return batches


def painting_loss(model: nn.Module, batch: Batch) -> torch.Tensor:
    """Return the error on the hidden patches of a batch (images, mask)."""
    assert isinstance(model, MaskedAutoencoder)
    images, mask = batch
    return reconstruction_loss(model(images, mask), model.target(images), mask)


def painting_scores(held_out: Callable[[], torch.Tensor], patches: int) -> Scores:
    """Return a function that measures the error on the hidden pixels of these images, for three draws of masks."""

    @torch.no_grad()
    def scores(model: nn.Module) -> dict[str, float]:
        images, errors = held_out(), {}
        for seed in range(3):
            generator = torch.Generator().manual_seed(seed)
            mask = random_mask(len(images), patches, patches, HIDDEN, generator=generator)
            errors[f"mean squared error on hidden pixels, masks {seed}"] = painting_loss(model, (images, mask)).item()
        return errors

    return scores


def naming_loss(model: nn.Module, batch: Batch) -> torch.Tensor:
    """Return the cross entropy of a batch (images, labels)."""
    images, labels = batch
    return F.cross_entropy(model(images), labels)


def naming_scores(examples: Mapping[str, Callable[[], Batch]]) -> Scores:
    """Return a function that measures the accuracy on each of these sets of examples."""

    @torch.no_grad()
    def scores(model: nn.Module) -> dict[str, float]:
        found = {}
        for what, make in examples.items():
            images, labels = make()
            found[f"accuracy on {what}"] = float((model(images).argmax(dim=-1) == labels).float().mean())
        return found

    return scores


def _text_batches(seed: int, size: int) -> Iterator[Batch]:
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


def add_dropout(model: nn.Module, share: float, dropout: Callable[..., torch.Tensor] = F.dropout) -> None:
    """Drop a share of what each attention and feed-forward layer adds, while training.

    The models of the course have no dropout of their own: only long training on little data needs it.
    """

    def drop(module: nn.Module, _: Any, output: torch.Tensor) -> torch.Tensor:
        return dropout(output, share) if module.training and share else output

    for module in model.modules():
        if isinstance(module, MultiHeadAttention | FeedForward):
            module.register_forward_hook(drop)


def digit_images(*, bent: float = 0.0) -> Batches:
    """Return how to draw handwritten digits, this share of them moved and turned, and masks."""

    def batches(seed: int, size: int) -> Iterator[Batch]:
        for generator, (images,) in draws(seed, size, torch.from_numpy(digits(seed=0)[0].images)):
            if bent:
                copies = moved(images, generator)
                images = torch.where(torch.rand(size, 1, 1, 1, generator=generator) < bent, copies, images)
            yield images, random_mask(size, 4, 4, HIDDEN, generator=generator)

    return batches


def _test_digits() -> torch.Tensor:
    return torch.from_numpy(digits(seed=0)[1].images)


def _held_out(n: int, size: int, **how: Any) -> torch.Tensor:
    return torch.from_numpy(crops(n, size=size, held_out=True, seed=0, **how))


def printed(alphabet: str, label: str = "name") -> Batches:
    """Return how to draw batches of printed glyphs for ever; `label` is "name" or "ink"."""

    def batches(seed: int, size: int) -> Iterator[Batch]:
        part = 0
        while True:
            part += 1
            drawn = glyphs(size * max(1, 4000 // size), seed=100_003 * (seed + 1) + part, alphabet=alphabet)
            images, names = torch.from_numpy(drawn.images), torch.from_numpy(drawn.labels)
            labels = names if label == "name" else ink_level(images)
            yield from zip(images.split(size), labels.split(size), strict=True)

    return batches


def ink_level(images: torch.Tensor) -> torch.Tensor:
    """Return how much ink each image holds, in ten levels that are equally common among printed digits.

    Shapes: images (n, 1, 8, 8); returns (n,), 0 (little) to 9.
    """
    return torch.bucketize(images.flatten(1).sum(dim=1), _ink_bounds())


@functools.cache
def _ink_bounds() -> torch.Tensor:
    ink = torch.from_numpy(glyphs(20_000, seed=0).images).flatten(1).sum(dim=1)
    return torch.quantile(ink, torch.arange(1, 10) / 10)


def _random_batches(seed: int, size: int) -> Iterator[Batch]:
    """Draw batches of the same 2,000 printed digits, whose labels were drawn at random once."""
    images = torch.from_numpy(glyphs(BY_HEART, seed=1).images)
    labels = torch.randint(10, (BY_HEART,), generator=torch.Generator().manual_seed(2))
    yield from (batch for _, batch in draws(seed, size, images, labels))


def _new(batches: Batches) -> Callable[[], Batch]:
    """Return how to draw 2,000 examples by a seed that training never uses."""
    return lambda: next(batches(977, 2000))


def _handwriting() -> Batch:
    images, labels = map(torch.from_numpy, digits(seed=0)[1])
    return images, labels


def _named(about: str, batches: Batches, scores: Scores, **changes: float) -> Recipe:
    return Recipe(f"the vision transformer of notebook 05, {about}", batches, naming_loss, scores, SMALL | changes)


LETTERS = string.ascii_uppercase
SMALL = {"steps": 6000, "batch_size": 128, "lr": 3e-3, "weight_decay": 0.02, "dropout": 0.0}

RECIPES: dict[str, Recipe] = {
    "language_model": Recipe(
        about="a decoder-only transformer, 4 layers of width 128 with 4 heads, that predicts the next character of "
        "English help texts (the topics of Python's language reference)",
        batches=_text_batches,
        loss=next_token_loss,
        scores=_text_scores,
        settings={"steps": 3500, "batch_size": 16, "lr": 3e-3, "weight_decay": 0.1, "dropout": 0.2},
    ),
    "digits_mae": Recipe(
        about="a masked autoencoder of handwritten digits (8 x 8 pixels, patches of 2 x 2, three of four hidden): "
        "encoder of 4 layers and width 64, decoder of 2 layers and width 64",
        batches=digit_images(bent=0.7),
        loss=painting_loss,
        scores=painting_scores(_test_digits, patches=4),
        settings={"steps": 16_000, "batch_size": 256, "lr": 2e-3, "weight_decay": 0.05, "dropout": 0.0},
    ),
    "photos_mae": Recipe(
        about="a masked autoencoder of squares cut out of photographs (32 x 32 pixels, patches of 4 x 4, three "
        "of four hidden): encoder of 4 layers and width 128, decoder of 3 layers and width 64",
        batches=photos(SIZE, 8, coarsest=2),
        loss=painting_loss,
        scores=painting_scores(lambda: _held_out(300, SIZE, coarsest=2), patches=8),
        settings={"steps": 11_000, "batch_size": 64, "lr": 2e-3, "weight_decay": 0.02, "dropout": 0.0, "muon": 4e-3},
    ),
    "print_digits": _named(
        "trained to name printed digits",
        printed(DIGITS),
        naming_scores({"new printed digits": _new(printed(DIGITS)), "handwriting, no label": _handwriting}),
    ),
    "print_letters": _named(
        "trained to name printed capital letters",
        printed(LETTERS),
        naming_scores({"new printed letters": _new(printed(LETTERS))}),
    ),
    "print_ink": _named(
        "trained to say in ten levels how much ink there is in a printed digit",
        printed(DIGITS, label="ink"),
        naming_scores({"the ink of new printed digits": _new(printed(DIGITS, label="ink"))}),
    ),
    "print_random": _named(
        f"trained until it knows by heart labels drawn at random for {BY_HEART:,} printed digits",
        _random_batches,
        naming_scores({"the labels known by heart": _new(_random_batches)}),
        weight_decay=0.0,
    ),
    "handwriting_masked": Recipe(
        about="a masked autoencoder of handwritten digits (three of four patches hidden) around the vision transformer "
        "of notebook 05: the training digits, without labels",
        batches=digit_images(),
        loss=painting_loss,
        scores=painting_scores(_test_digits, patches=4),
        settings=SMALL,
    ),
    "photos_masked": Recipe(
        about="a masked autoencoder of gray squares of 8 x 8 pixels cut out of photographs (three of four patches "
        "hidden) around the vision transformer of notebook 05",
        batches=photos(8, 4, gray=True),
        loss=painting_loss,
        scores=painting_scores(lambda: _held_out(300, 8).mean(dim=1, keepdim=True), patches=4),
        settings=SMALL,
    ),
}
