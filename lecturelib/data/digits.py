"""Handwritten digits of 8 x 8 pixels, as they come with scikit-learn.

Source: the test part of "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998, UCI Machine Learning
    Repository), through `sklearn.datasets.load_digits`, which holds it on disk; nothing is downloaded.
Licence: CC BY 4.0 (UCI).
Size: 1,797 images of 8 x 8 pixels with whole numbers from 0 to 16, here 0 to 1; ten classes of 174 to 183 each.
"""

import functools
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from lecturelib.edges import check_whole


class Digits(NamedTuple):
    """Images and the digit that each shows. Shapes: images (n, 1, 8, 8), float32 from 0 to 1; labels (n,), int64."""

    images: np.ndarray
    labels: np.ndarray


def digits(seed: int = 0, *, split: str = "shuffled") -> tuple[Digits, Digits]:
    """Return digits to train on and 500 digits to test on.

    `split="shuffled"` draws the test digits from all, by the seed. `split="checkpoint"` is always that of seed 0, by
    which the checkpoints were trained: also where `lecture replicate` shifts all seeds, its test digits are those that
    no checkpoint has seen.
    Raises: ValueError for an unknown split, and a seed that is not whole.

    >>> train, test = digits(seed=0)
    >>> train.images.shape, test.images.shape
    ((1297, 1, 8, 8), (500, 1, 8, 8))
    """
    check_whole(0, seed=seed)
    if split not in ("shuffled", "checkpoint"):
        raise ValueError(f"split {split!r} is unknown: expected 'shuffled' or 'checkpoint'")
    images, labels = _all()
    fixed = np.random.Generator(np.random.PCG64(0))  # no generator that is shifted
    order = (fixed if split == "checkpoint" else np.random.default_rng(seed)).permutation(len(images))
    train, test = order[:-500], order[-500:]
    return Digits(images[train], labels[train]), Digits(images[test], labels[test])


def moved(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Turn, shear, stretch and shift each image a little, by random amounts: what a digit stays the same digit under.

    By up to 0.2 radians, a shear of 0.2, 12 % in height and in width, one pixel of 8 to the side and half of one up or
    down. The checkpoint `digits_mae` was trained on digits moved like this.
    Shapes: images (n, C, height, width), returns the same.

    >>> images = torch.from_numpy(digits()[0].images[:3])
    >>> moved(images, torch.Generator().manual_seed(0)).shape
    torch.Size([3, 1, 8, 8])
    """
    places = drawn_places(images, [0.2, 0.2, 0.12, 0.12, 0.24, 0.12], generator)
    return F.grid_sample(images, places, align_corners=False)


def drawn_places(images: torch.Tensor, limits: list[float], generator: torch.Generator) -> torch.Tensor:
    """Draw where each pixel of moved images comes from, for `grid_sample`.

    `limits`: of a turn in radians, a shear, two stretches, two shifts, of which 2 is the whole side.
    Shapes: images (n, C, height, width), returns (n, height, width, 2).
    """
    amounts = torch.rand(len(images), 6, generator=generator) * 2 - 1
    turn, shear, wide, high, right, down = (amounts * torch.tensor(limits)).T
    rows = torch.stack(
        [(1 + wide) * turn.cos(), shear - turn.sin(), right, turn.sin(), (1 + high) * turn.cos(), down], dim=1
    )
    return F.affine_grid(rows.view(-1, 2, 3), list(images.shape), align_corners=False)


@functools.cache
def _all() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    raw = load_digits()
    return (raw.images[:, None] / 16).astype(np.float32), raw.target.astype(np.int64)
