"""Photographs and crops: no held-out pixel among the others, and each crop is a square of a reduced photograph."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import skimage.data
import sklearn.datasets
from skimage.transform import downscale_local_mean

from lecturelib.data import photos
from tests.mutants import Mutant, planted
from tests.tools import global_generators_left_alone, refuses

EVERY = photos.TRAINING + photos.HELD_OUT


def marked(name: str) -> np.ndarray:
    """Return a small photograph whose channels tell the row, the column (from 100 on) and the photograph (from 200)."""
    number = EVERY.index(name)
    height, width = 6 + number % 3, 8 - number % 2
    i, j = np.mgrid[:height, :width]
    return np.stack([i, 100 + j, np.full_like(i, 200 + number)]).astype(np.uint8)


def all_squares(size: int, coarsest: int, held_out: bool) -> set[bytes]:
    """Return every square of every marked photograph, by a loop over all places of all reductions."""
    return {
        photos.reduced(name, factor)[:, i : i + size, j : j + size].tobytes()
        for name in (photos.HELD_OUT if held_out else photos.TRAINING)
        for factor in range(1, coarsest + 1)
        for i in range(marked(name).shape[1] // factor - size + 1)
        for j in range(marked(name).shape[2] // factor - size + 1)
    }


@contextmanager
def marked_photos() -> Iterator[None]:
    """Let the module know the marked photographs instead of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photos, "_pixels", marked)
        photos.reduced.cache_clear()
        yield
    photos.reduced.cache_clear()


# ---- the photographs ----


@pytest.mark.parametrize("name", EVERY)
def test_a_photo_is_that_of_its_library(name: str) -> None:
    if name in ("china", "flower"):
        raw = sklearn.datasets.load_sample_image(f"{name}.jpg")
    else:
        raw = getattr(skimage.data, {"hubble": "hubble_deep_field"}.get(name, name))()
    found = photos.photo(name)
    assert found.dtype == np.float32 and found.shape == (3, *raw.shape[:2])
    assert found.min() >= 0 and found.max() <= 1
    for k in range(3):
        assert np.array_equal(np.rint(found[k] * 255), raw[..., k] if raw.ndim == 3 else raw)


def test_no_photo_is_in_both_parts() -> None:
    assert set(photos.HELD_OUT) == {"chelsea", "flower"}
    assert len({photos.photo(name).tobytes() for name in EVERY}) == len(EVERY) == 13  # nor under two names


@pytest.mark.parametrize("factor", [1, 3])
def test_a_reduced_photo_is_the_mean_of_each_square(factor: int) -> None:
    found = photos.reduced("coins", factor)
    _, height, width = found.shape
    whole = photos.photo("coins")[:, : height * factor, : width * factor]
    np.testing.assert_allclose(found, downscale_local_mean(whole, (1, factor, factor)), atol=1e-6)
    assert found.dtype == np.float32 and photos.photo("coins").shape[1] // factor == height
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0, 0] = 0.5


# ---- crops ----


@pytest.mark.parametrize(("size", "coarsest", "held_out"), [(4, 1, False), (3, 2, False), (2, 3, True)])
def test_every_square_of_every_reduction_is_drawn(size: int, coarsest: int, held_out: bool) -> None:
    with marked_photos():
        found = photos.crops(8000, size=size, held_out=held_out, seed=1, coarsest=coarsest)
        expected = all_squares(size, coarsest, held_out)
    assert found.shape == (8000, 3, size, size) and found.dtype == np.float32
    assert {square.tobytes() for square in found} == expected
    factors = np.rint(255 * (found[:, 0, 1, 0] - found[:, 0, 0, 0]))
    names = np.rint(255 * found[:, 2, 0, 0])
    for drawn, number in ((factors, coarsest), (names, 2 if held_out else 11)):
        counts = np.unique(drawn, return_counts=True)[1]
        assert len(counts) == number and counts.min() > 0.8 * 8000 / number


def test_varied_mirrors_turns_and_exchanges_colours_half_of_the_time_each() -> None:
    with marked_photos():
        found = photos.crops(2400, size=3, held_out=True, seed=1, coarsest=2, varied=True)
        expected = all_squares(3, 2, True)
    seen: Counter[tuple[bool, bool]] = Counter()
    orders: Counter[tuple[int, ...]] = Counter()
    for crop in found:
        order = tuple(int(level) for level in 255 * crop[:, 0, 0] // 100)
        square = crop[np.argsort(order)]  # row, column, photograph again
        turned = square[0, 0, 0] != square[0, 0, 1]
        square = square.transpose(0, 2, 1) if turned else square
        mirrored = square[1, 0, 0] > square[1, 0, 1]
        square = square[:, :, ::-1] if mirrored else square
        assert square.tobytes() in expected
        seen[bool(mirrored), bool(turned)] += 1
        orders[order] += 1
    assert len(seen) == 4 and all(abs(count - 600) < 120 for count in seen.values())
    same = orders.pop((0, 1, 2))  # one in six exchanges ends where it began
    assert abs(same - 1400) < 140
    assert len(orders) == 5 and all(abs(count - 200) < 70 for count in orders.values())


@pytest.mark.parametrize("varied", [False, True])
def test_a_seed_says_all_and_what_was_returned_belongs_to_the_caller(varied: bool) -> None:
    first, other = (photos.crops(6, size=20, held_out=True, seed=seed, varied=varied) for seed in (3, 4))
    kept = first.copy()
    first[:] = 0.5
    with global_generators_left_alone():
        assert np.array_equal(photos.crops(6, size=20, held_out=True, seed=3, varied=varied), kept)
    assert not np.array_equal(other, kept)


def test_crops_of_one_photograph_are_squares_of_it() -> None:
    whole = photos.photo("rocket")
    windows = np.lib.stride_tricks.sliding_window_view(whole, (3, 9, 9))[0]
    for square in photos.crops(3, size=9, held_out=False, seed=2, coarsest=1, only="rocket"):
        assert (windows == square).all(axis=(2, 3, 4)).any()


test_bad_input_is_refused_in_words = refuses(
    (lambda: photos.photo("lena"), ["'lena'", "astronaut", "chelsea, flower"]),
    (lambda: photos.reduced("chelsea", 0), ["factor=0", "1 or more"]),
    (lambda: photos.crops(0, size=8, held_out=True, seed=0), ["n=0", "1 or more"]),
    (lambda: photos.crops(2, size="8", held_out=True, seed=0), ["size='8'", "whole number"]),
    (lambda: photos.crops(2, size=101, held_out=True, seed=0), ["size=101", "1 to 100", "reduced by 3"]),
    (lambda: photos.crops(2, size=8, held_out=True, seed=0, only="rocket"), ["only='rocket'", "chelsea, flower"]),
    (lambda: photos.crops(2, size=304, held_out=False, seed=0, coarsest=1), ["size=304", "1 to 303", "smallest"]),
)


# ---- mutants ----

MEAN, PART = test_a_reduced_photo_is_the_mean_of_each_square, test_every_square_of_every_reduction_is_drawn

test_mutants = planted(
    photos,
    [
        Mutant("= HELD_OUT if held_out else TRAINING", "= TRAINING", PART),
        Mutant("mean(axis=(2, 4))", "max(axis=(2, 4))", MEAN),
    ],
)
