"""SciPy's docstrings as labelled sentences: balanced, and without the label in them."""

import importlib
import re

import numpy as np
import pytest

from lecturelib.data.docstrings import PARTS, first_sentence, sentences


def test_the_sentences_are_balanced_and_do_not_tell_their_label():
    texts, labels = sentences()
    counts = np.bincount(labels)
    assert len(texts) == len(labels) == len(set(texts)) and len(counts) == len(PARTS)
    assert len(set(counts.tolist())) == 1 and counts[0] >= 40
    for text in texts:
        assert 3 <= len(text.split()) <= 60 and text == text.strip() and "\n" not in text
        assert not re.search("|".join(PARTS), text, re.IGNORECASE)


def test_each_sentence_stands_in_a_docstring_of_its_part():
    texts, labels = sentences()
    for number, part in enumerate(PARTS):
        module = importlib.import_module(f"scipy.{part}")
        found = re.sub(r"\s+|[`*]|:\w+:`", "", "".join(getattr(module, name).__doc__ or "" for name in module.__all__))
        for text, label in zip(texts, labels, strict=True):
            assert label != number or re.sub(r"\s+", "", text) in found, text


def test_two_calls_give_the_same():
    texts, labels = sentences()
    sentences.cache_clear()
    again, same = sentences()
    assert texts == again and np.array_equal(labels, same)


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("One short line here.\n\nMore.", "One short line here."),
        ("f(x, /, out=None,\n  *, where=True)\n\nThe `f` of **x**. It is so.", "The f of x."),
        ("f(x) -> y\n\nA line: With a colon.", "A line:"),
        ("See :func:`g` for e.g. more\nof it", "See g for e.g. more of it"),
        ("", ""),
        ("Too short", ""),
        ("f(x)", ""),
    ],
)
def test_a_first_sentence_is_found(docstring, expected):
    assert first_sentence(docstring) == expected
