"""Lines of 27 symbols: letters as they stand in the text, gray levels as common as each other, and no held-out line."""

import numpy as np
import pytest

from lecturelib.data.symbol_rows import symbol_rows
from lecturelib.data.text import split_by_topic
from tests.tools import refuses


@pytest.mark.parametrize("held_out", [False, True])
def test_letters_are_those_of_the_text(held_out: bool) -> None:
    lines, text = symbol_rows("text", held_out=held_out).ravel(), split_by_topic()[held_out].lower()
    assert len(text) - 128 < len(lines) <= len(text)
    for code, letter in zip(lines[:5000].tolist(), text, strict=False):
        assert chr(code + 96) == letter if "a" <= letter <= "z" else code == 0


def test_gray_levels_are_equally_common_in_the_training_photographs_and_drawn_by_the_seed() -> None:
    lines = symbol_rows("photos", held_out=False, seed=1)
    assert lines.shape == (240 * 64, 64) and lines.min() == 0 and lines.max() == 26
    shares = np.bincount(lines.ravel(), minlength=27) / lines.size
    assert abs(shares - 1 / 27).max() < 0.02
    other = symbol_rows("photos", held_out=False, seed=2)
    assert not np.array_equal(lines, other)
    rest = np.bincount(symbol_rows("photos", held_out=True, seed=1).ravel(), minlength=27) / lines.size
    assert abs(rest - 1 / 27).max() > 0.02  # the bounds are those of the training photographs


def test_pixels_of_a_reduced_photograph_differ_more_from_their_neighbors() -> None:
    steps = []
    for factor in (1, 4):
        lines = symbol_rows("photos", held_out=True, factor=factor)
        assert lines.shape == (240 * 64, 64)
        steps.append(abs(np.diff(lines, axis=1)).mean())
    assert steps[1] > 1.3 * steps[0]


test_bad_input_is_refused_in_words = refuses(
    (lambda: symbol_rows("sound", held_out=False), ["kind 'sound' is unknown"]),
    (lambda: symbol_rows("photos", held_out=False, factor=0), ["finest=0"]),
    (lambda: symbol_rows("text", held_out=False, seed=0.5), ["seed=0.5"]),  # type: ignore[arg-type]
)
