"""SciPy's docstrings as labelled sentences: balanced, and without the label in them."""

import re

import numpy as np

from lecturelib.data.docstrings import PARTS, sentences


def test_the_sentences_are_balanced_and_do_not_tell_their_label():
    texts, labels = sentences()
    counts = np.bincount(labels)
    assert len(texts) == len(labels) == len(set(texts)) and len(counts) == len(PARTS)
    assert len(set(counts.tolist())) == 1 and counts[0] == 63
    for text in texts:
        assert 3 <= len(text.split()) <= 60 and text == text.strip() and "\n" not in text
        assert not re.search("|".join(PARTS), text, re.IGNORECASE)
