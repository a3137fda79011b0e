"""How each pretrained model is built, by its name: `MODELS["language_model"]()` returns one with random weights.

`lecturelib.pretrained.load` fills it with the weights beside this file; `lecture train` made them.
"""

from collections.abc import Callable

import torch
from torch import nn

from lecturelib.data.text import VOCABULARY
from lecturelib.mae import MaskedAutoencoder
from lecturelib.transformer import LanguageModel
from lecturelib.vision import VisionTransformer

CONTEXT = 256  # characters that the language model can look back
SIZE = 32  # the side of a square cut out of a photograph, in pixels


def large_vit(num_classes: int | None = None) -> VisionTransformer:
    """Return the encoder of the digits' masked autoencoder, with a head if there are classes."""
    return VisionTransformer(
        (1, 8, 8), patch_size=2, d_model=64, num_heads=4, num_layers=4, num_classes=num_classes, positions="sinusoidal"
    )


def vit(num_classes: int | None = None) -> VisionTransformer:
    """Return the vision transformer of notebook 05."""
    return VisionTransformer((1, 8, 8), patch_size=2, d_model=32, num_heads=4, num_layers=2, num_classes=num_classes)


def network(seed: int, num_classes: int = 10, build: Callable[[int], VisionTransformer] = vit) -> VisionTransformer:
    """Return the vision transformer of notebook 05, or one of another build, with random weights, by the seed.

    The pretrained ones were built with seed 0. These seeds lie elsewhere: a head that print began with is no fresh one.
    """
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(5_000 + seed)
        return build(num_classes)


def photos_vit() -> VisionTransformer:
    """Return the encoder of the photographs' masked autoencoder."""
    return VisionTransformer((3, SIZE, SIZE), patch_size=4, d_model=128, num_heads=4, num_layers=4,
                             positions="sinusoidal")  # fmt: skip


MODELS: dict[str, Callable[[], nn.Module]] = {
    "language_model": lambda: LanguageModel(  # of notebook 04
        len(VOCABULARY), d_model=128, num_heads=4, num_layers=4, max_len=CONTEXT, positions="sinusoidal"
    ),
    "digits_mae": lambda: MaskedAutoencoder(large_vit(), d_model=64, num_heads=4, num_layers=2),  # these two: of 06
    "photos_mae": lambda: MaskedAutoencoder(photos_vit(), d_model=64, num_heads=4, num_layers=3),
    "print_digits": lambda: vit(10),  # from here on: the sources of 07
    "print_letters": lambda: vit(26),
    "print_ink": lambda: vit(10),
    "print_random": lambda: vit(10),
    "handwriting_masked": lambda: MaskedAutoencoder(vit(), d_model=32, num_heads=4, num_layers=1),
    "photos_masked": lambda: MaskedAutoencoder(vit(), d_model=32, num_heads=4, num_layers=1),
}
