"""Printed glyphs: what a label says is what stands there, by outlines that matplotlib draws in another way."""

import functools
import string
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path as Curve
from matplotlib.textpath import TextPath

from lecturelib.data import glyphs
from lecturelib.data.digits import digits
from tests import strategies  # noqa: F401  (the profile of the property tests)
from tests.mutants import Mutant, planted
from tests.tools import global_generators_left_alone

FONT_FILES = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
EVERY = string.digits + string.ascii_letters


@functools.cache
def outline(font: str, symbol: str) -> np.ndarray:
    """Return a glyph, undistorted, on 8 x 8 pixels: which of 4 x 4 points of each lie inside its curves."""
    curves = TextPath((0, 0), symbol, size=40, prop=FontProperties(fname=str(FONT_FILES / f"{font}.ttf")))
    (left, low), (right, high) = curves.get_extents().get_points()
    steps = ((np.arange(32) + 0.5) / 32 - 0.5) * max(right - left, high - low)
    x, y = np.meshgrid((left + right) / 2 + steps, (low + high) / 2 - steps)  # the first row is the highest
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    inside = np.logical_xor.reduce([Curve(each).contains_points(points) for each in curves.to_polygons()])
    return inside.reshape(8, 4, 8, 4).mean(axis=(1, 3))


def alike(images: np.ndarray, alphabet: str) -> np.ndarray:
    """Return how each image correlates with each outline: (n, 1, 8, 8) to (n, fonts, alphabet)."""
    plain = np.stack([[outline(font, symbol) for symbol in alphabet] for font in glyphs.FONTS])

    def standard(pixels: np.ndarray) -> np.ndarray:
        pixels = pixels - pixels.mean(axis=-1, keepdims=True)
        return pixels / np.linalg.norm(pixels, axis=-1, keepdims=True)

    found = standard(images.reshape(-1, 64)) @ standard(plain.reshape(-1, 64)).T
    return found.reshape(len(images), len(glyphs.FONTS), len(alphabet))


# ---- what is drawn ----


@settings(max_examples=20)
@given(st.integers(1, 30), st.integers(0, 1000), st.sets(st.sampled_from(EVERY), min_size=1, max_size=5))
def test_shapes_kinds_and_range(n: int, seed: int, alphabet: set[str]) -> None:
    drawn = glyphs.glyphs(n, seed=seed, alphabet="".join(sorted(alphabet)))
    assert drawn.images.shape == (n, 1, 8, 8) and drawn.labels.shape == drawn.fonts.shape == (n,)
    assert drawn.images.dtype == np.float32 and drawn.labels.dtype == drawn.fonts.dtype == np.int64
    assert np.isfinite(drawn.images).all() and drawn.images.min() >= 0 and drawn.images.max() <= 1
    assert drawn.labels.min() >= 0 and drawn.labels.max() < len(alphabet)
    assert drawn.fonts.min() >= 0 and drawn.fonts.max() < 21


def test_every_symbol_and_font_comes_equally_often_and_each_with_each() -> None:
    drawn = glyphs.glyphs(4200, seed=1)
    for part, number in ((drawn.labels[:2100], 10), (drawn.fonts[:2100], 21)):  # in no order, too
        counts = np.bincount(part, minlength=number)
        assert (np.abs(counts - 2100 / number) < 5 * (2100 / number) ** 0.5).all()
    for places, number in ((drawn.labels, 10), (drawn.fonts, 21), (drawn.labels * 21 + drawn.fonts, 210)):
        counts, expected = np.bincount(places, minlength=number), 4200 / number
        assert counts.shape == (number,) and (np.abs(counts - expected) < 5 * expected**0.5).all()
        assert counts.min() > 0


def test_there_is_ink_on_every_image_and_about_as_much_as_in_handwriting() -> None:
    drawn = glyphs.glyphs(600, seed=2, alphabet=EVERY)
    assert glyphs.glyphs(500, seed=2).images.mean() == pytest.approx(digits()[0].images.mean(), rel=0.15)
    assert drawn.images.max(axis=(1, 2, 3)).min() > 0.4 and drawn.images.sum(axis=(1, 2, 3)).min() > 1.5


def test_the_label_is_the_symbol_that_is_seen() -> None:
    drawn = glyphs.glyphs(1500, seed=1)
    named = alike(drawn.images, glyphs.DIGITS).max(axis=1).argmax(axis=1)
    shares = np.array(
        [np.bincount(named[drawn.labels == c], minlength=10) / (drawn.labels == c).sum() for c in range(10)]
    )
    own = shares.diagonal().copy()
    np.fill_diagonal(shares, 0)
    # measured: 0.79 of all, 0.68 to 0.91 of a class, at most 0.13 named as one other; upside down 0.29 of all
    assert own.mean() > 0.7 and own.min() > 0.55 and (own > 3 * shares.max(axis=1)).all()
    drawn = glyphs.glyphs(300, seed=3, alphabet="Qc7")  # and its place in any other alphabet
    assert (alike(drawn.images, "Qc7").max(axis=1).argmax(axis=1) == drawn.labels).mean() > 0.85


def test_the_font_is_the_one_that_is_seen() -> None:
    drawn = glyphs.glyphs(1500, seed=1)
    likeness = alike(drawn.images, glyphs.DIGITS)[np.arange(1500), :, drawn.labels]  # (n, fonts)
    better = (likeness > likeness[np.arange(1500), drawn.fonts][:, None]).sum(axis=1)
    assert better.mean() < 7  # measured: 5.4 of 21 fonts fit better; 10 do by chance


@pytest.mark.parametrize("alphabet", ["0123456789", "AGRaegk"])
def test_an_outline_is_the_glyph_as_high_or_wide_as_the_square(alphabet: str) -> None:
    for font in glyphs.FONTS:
        for symbol in alphabet:
            drawn = glyphs._outline(font, symbol)
            assert drawn.shape == (32, 32) and drawn.min() == 0 and drawn.max() <= 1
            inked = [drawn.amax(dim=side).nonzero().flatten() for side in (1, 0)]
            assert max(len(each) for each in inked) == 32
            assert all(abs(int(each.min()) - (31 - int(each.max()))) <= 1 for each in inked)
            small = drawn.view(8, 4, 8, 4).mean(dim=(1, 3)).numpy()
            assert np.corrcoef(small.ravel(), outline(font, symbol).ravel())[0, 1] > 0.9, (font, symbol)


def test_every_symbol_of_every_font_has_ink() -> None:
    assert len(set(glyphs.FONTS)) == 21
    # of 32 x 32 pixels at least a 16th part, which a thin l has
    assert min(glyphs._outline(font, symbol).sum().item() for font in glyphs.FONTS for symbol in EVERY) > 64


# ---- distortion ----


def test_glyphs_are_moved_turned_bent_and_made_bold_and_thin() -> None:
    """Compare how much a printed 1 varies with what it varies without each of the distortions (measured)."""
    drawn = glyphs.glyphs(1500, seed=5, alphabet="1")
    images = drawn.images[drawn.fonts < 12, 0]
    i, j = np.mgrid[:8, :8]
    ink = images.sum(axis=(1, 2))
    down, right = ((images * each).sum(axis=(1, 2)) / ink for each in (i, j))
    i, j = i - down[:, None, None], j - right[:, None, None]
    high, slant = (images * i * i).sum(axis=(1, 2)) / ink, (images * i * j).sum(axis=(1, 2)) / ink
    assert right.std() > 0.45 and down.std() > 0.29 and ink.std() / ink.mean() > 0.295 and (slant / high).std() > 0.215
    # and stays within bounds
    assert abs(right.mean() - 3.5) < 0.3 and abs(down.mean() - 3.5) < 0.3
    assert len({image.tobytes() for image in images}) == len(images)


# ---- seeds ----


def test_a_seed_says_all() -> None:
    with global_generators_left_alone():
        drawn = glyphs.glyphs(40, seed=3)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        again = glyphs.glyphs(40, seed=3)
    assert all(np.array_equal(a, b) for a, b in zip(drawn, again, strict=True))
    for other in (glyphs.glyphs(40, seed=4), glyphs.glyphs(40, seed=0)):
        assert not any(np.array_equal(a, b) for a, b in zip(drawn, other, strict=True))
    letters = glyphs.glyphs(40, seed=3, alphabet="ABCDEFGHIJ")
    assert np.array_equal(letters.labels, drawn.labels) and not np.array_equal(letters.images, drawn.images)
    assert all(np.array_equal(a, b) for a, b in zip(drawn, glyphs.glyphs(np.int64(40), seed=np.int32(3)), strict=True))


def test_another_number_of_glyphs_are_other_glyphs() -> None:
    """So whoever trains on 40 and tests on 30 of one seed has not trained on those that he tests on."""
    few, many = (glyphs.glyphs(n, seed=3).images for n in (30, 40))
    assert not {image.tobytes() for image in few} & {image.tobytes() for image in many}


# ---- bad input ----


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"n": 0}, ["n=0", "1 or more"]),
        ({"seed": 2**63}, [f"seed={2**63}", "less than 2**63"]),
        ({"seed": None}, ["seed=None", "whole number"]),
        ({"alphabet": ""}, ["alphabet=''", "one or more characters"]),
        ({"alphabet": ["0", "1"]}, ["alphabet=['0', '1']", "a string"]),
        ({"alphabet": "0120"}, ["alphabet='0120'", "none of them twice"]),
        ({"alphabet": "a-b"}, ["alphabet='a-b'", "letters a to z"]),
    ],
)
def test_bad_input_is_refused_in_words(how: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ValueError) as refusal:
        glyphs.glyphs(**({"n": 3, "seed": 0} | how))
    assert not [word for word in words if word not in str(refusal.value)], refusal.value


# ---- mutants ----

SEEN = test_the_label_is_the_symbol_that_is_seen

test_mutants = planted(glyphs, [Mutant("fonts * len(alphabet) + labels]", "labels * len(FONTS) + fonts]", SEEN)])
