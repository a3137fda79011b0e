"""The handwritten digits: all of them, none twice, as scikit-learn has them, and split by the seed alone."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from lecturelib.data import digits
from tests.mutants import Mutant, planted
from tests.tools import global_generators_left_alone, refuses

RAW = load_digits()


def named(part: digits.Digits) -> list[tuple[bytes, int]]:
    """Return each image, as sixteenths, with its label."""
    assert part.images.shape == (len(part.labels), 1, 8, 8)
    return [
        (np.rint(x * 16).astype(int).tobytes(), int(y)) for x, y in zip(part.images[:, 0], part.labels, strict=True)
    ]


IN_FILE = [(x.astype(int).tobytes(), int(y)) for x, y in zip(RAW.images, RAW.target, strict=True)]


def test_the_parts_are_all_digits_mixed_and_share_none() -> None:
    for seed in (0, 3):
        train, test = digits.digits(seed)
        assert len(train.images) == 1297 and len(test.images) == 500
        assert len(set(IN_FILE)) == len(IN_FILE)  # no two are alike, so that equal lists mean disjoint parts
        assert sorted(named(train) + named(test)) == sorted(IN_FILE)
        assert abs(np.mean([IN_FILE.index(each) for each in named(test)]) / len(IN_FILE) - 0.5) < 0.1
        for part in (train, test):
            assert part.images.dtype == np.float32 and part.labels.dtype == np.int64
            assert (part.images * 16 == np.rint(part.images * 16)).all() and part.images.max() == 1


def test_the_split_of_the_checkpoints_is_that_of_seed_0_whatever_the_seed() -> None:
    for seed in (0, 5):
        for part, of_seed_0 in zip(digits.digits(seed, split="checkpoint"), digits.digits(0), strict=True):
            assert all(map(np.array_equal, part, of_seed_0))


def test_moved_digits_keep_their_ink_and_move_by_little() -> None:
    images = torch.from_numpy(digits.digits()[0].images[:400])
    turned = digits.moved(images, torch.Generator().manual_seed(0))
    assert turned.shape == images.shape and turned.min() >= 0 and turned.max() <= 1
    assert torch.equal(turned, digits.moved(images, torch.Generator().manual_seed(0)))
    assert not torch.equal(turned, digits.moved(images, torch.Generator().manual_seed(1)))
    ink = [each.sum(dim=(1, 2, 3)) for each in (images, turned)]
    assert (ink[1] / ink[0]).mean() == pytest.approx(1, abs=0.05)
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    for places, pixels in ((columns, 1.2), (rows, 0.6)):  # a shift of 1 and of 0.5, and some of turn and stretch
        center = [
            (each[:, 0] * places).sum(dim=(1, 2)) / total for each, total in zip((images, turned), ink, strict=True)
        ]
        shift = (center[1] - center[0]).abs()
        assert shift.mean() > 0.1 and shift.max() < pixels, (shift.mean(), shift.max())
    # each image by amounts of its own
    alike = digits.moved(images[:1].expand(5, -1, -1, -1), torch.Generator().manual_seed(0))
    assert len({each.numpy().tobytes() for each in alike}) == 5


def test_a_seed_says_all() -> None:
    with global_generators_left_alone():
        first, again, other = digits.digits(3), digits.digits(np.int64(3)), digits.digits(4)
    for k in range(2):
        assert named(first[k]) == named(again[k])
        assert set(named(first[k])) != set(named(other[k]))
    first[0].images[:] = 0.5  # and whoever writes into them finds them whole the next time
    assert named(digits.digits(3)[0]) == named(again[0])


test_bad_input_is_refused_in_words = refuses(
    (lambda: digits.digits(None), ["seed=None", "whole number"]),
    (lambda: digits.digits(split="thirds"), ["'thirds'", "'shuffled' or 'checkpoint'"]),
)


# ---- mutants ----

PARTS = test_the_parts_are_all_digits_mixed_and_share_none

test_mutants = planted(
    digits,
    [
        Mutant("order[:-500], order[-500:]", "order[:-500], order[:500]", PARTS),
        Mutant("labels[test])", "labels[train][:500])", PARTS),
        Mutant("raw.images[:, None]", "raw.images.swapaxes(1, 2)[:, None]", PARTS),
    ],
)
