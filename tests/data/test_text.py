"""The text of Python's help: prose alone, no paragraph in both parts, and entropies counted by hand."""

import hashlib
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lecturelib.data import text
from tests import strategies  # noqa: F401  (the profile of the property tests)
from tests.mutants import Mutant, planted
from tests.tools import global_generators_left_alone, refuses


def test_the_text_is_the_one_that_the_checkpoint_and_all_numbers_are_from() -> None:
    """Whatever Python runs: another text under the same name moves every loss of 04, 08 and 09."""
    digest = hashlib.sha256("".join(text.split_by_topic()).encode()).hexdigest()
    assert digest == "64ab14882fd318746958dd21b0c8a02ee7cc72bfd1e35a8770e1da585c1609e7"


def test_the_parts_are_whole_topics_and_all_of_them_and_no_paragraph_is_in_two() -> None:
    topics = text.topics()
    paragraphs = [each for kept in topics.values() for each in kept]
    assert list(topics) == sorted(topics) and set(text.HELD_OUT) <= set(topics)
    assert len(set(paragraphs)) == len(paragraphs)
    train, held_out = text.split_by_topic()
    for part, is_held_out in ((train, False), (held_out, True)):
        expected = [each for name in topics if (name in text.HELD_OUT) == is_held_out for each in topics[name]]
        assert part == "\n\n".join(expected) + "\n"
        text.VOCABULARY.encode(part)
    assert 0.05 < len(held_out) / (len(train) + len(held_out)) < 0.15


def test_longer_contexts_help_and_the_parts_are_of_one_kind() -> None:
    train, held_out = text.split_by_topic()
    one, two, three = (text.ngram_loss(train, text.pieces(held_out, 33), n) for n in (1, 2, 3))
    assert math.log(len(text.ALPHABET)) > one > two > three > 1
    assert abs(text.ngram_loss(train, text.pieces(train, 33), 1) - one) < 0.1


def test_windows_begin_at_every_place_equally_often() -> None:
    source = "".join(chr(n) for n in range(65, 76))  # 11 characters, 8 places for 4 of them
    with global_generators_left_alone():
        pieces, other = (text.windows(source, 4000, 4, seed=seed) for seed in (1, 2))
    assert np.array_equal(pieces, text.windows(source, 4000, 4, seed=1)) and not np.array_equal(pieces, other)
    counts = Counter(text.VOCABULARY.decode(piece) for piece in pieces)
    assert set(counts) == {source[k : k + 4] for k in range(8)}
    assert all(abs(count - 500) < 5 * math.sqrt(500) for count in counts.values())
    assert text.VOCABULARY.decode(text.windows(source, 1, 11, seed=0)[0]) == source


@given(st.text("abc ", min_size=1, max_size=30), st.data())
def test_pieces_are_the_text_one_after_the_other(source: str, data: st.DataObject) -> None:
    length = data.draw(st.integers(1, len(source)))
    cut = text.pieces(source, length)
    assert cut.shape == (len(source) // length, length) and cut.dtype == np.int64
    assert text.VOCABULARY.decode(cut.flatten()) == source[: len(source) - len(source) % length]


@given(st.text("abc\n", min_size=5, max_size=40), st.text("abcd", min_size=8, max_size=30), st.integers(1, 5))
def test_ngram_loss_is_counted_by_hand_and_stays_within_each_piece(source: str, other: str, n: int) -> None:
    def likely(context: str, following: str) -> float:
        shorter = likely(context[1:], following) if context else 1 / len(text.ALPHABET)
        behind = [source[k + len(context)] for k in range(len(source) - len(context)) if source[k:].startswith(context)]
        if not behind:
            return shorter
        kinds = len(set(behind))
        return (behind.count(following) + kinds * shorter) / (len(behind) + kinds)

    pieces = text.pieces(other, 4)
    written = [text.VOCABULARY.decode(piece) for piece in pieces]
    surprise = [-math.log(likely(each[max(0, k - n + 1) : k], each[k])) for each in written for k in range(1, 4)]
    assert text.ngram_loss(source, pieces, n) == pytest.approx(sum(surprise) / len(surprise))


test_bad_input_is_refused_in_words = refuses(
    (lambda: text.windows("abcdef", 0, 3, seed=0), ["n=0", "1 or more"]),
    (lambda: text.windows("abcdef", 2, 7, seed=0), ["6 characters", "at least 7"]),
    (lambda: text.windows("abcdéf", 2, 3, seed=0), ["['é']", "replace or leave them out"]),
    (lambda: text.pieces("abcdef", 7), ["6 characters", "at least 7"]),
    (lambda: text.ngram_loss("abc", text.pieces("abcd", 2), 10), ["n=10", "1 to 9"]),
    (lambda: text.ngram_loss("abc", text.pieces("abcd", 1), 2), ["(4, 1)", "2 or more"]),
)


# ---- mutants ----

PARTS = test_the_parts_are_whole_topics_and_all_of_them_and_no_paragraph_is_in_two

test_mutants = planted(
    text,
    [
        Mutant("parts[name in HELD_OUT]", "parts[name not in HELD_OUT]", PARTS),
        Mutant("reshape(whole, length)", "reshape(length, whole).T", test_pieces_are_the_text_one_after_the_other),
    ],
)
