"""English prose: the help topics of Python's language reference, as they came with Python 3.11.7.

Source: `pydoc_data.topics` in the standard library, what `help("with")` shows: 79 topics, about 465,000 characters.
    Their prose lies beside this file (python_help.json.gz), since other versions of Python say other things.
    Nothing is downloaded.
Licence: PSF License Agreement, as Python itself: Copyright Python Software Foundation, see LICENSE-Python.txt.
Kept is the prose: paragraphs without grammar rules, tables and code, with curly quotes and dashes written plainly,
in printable ASCII and the line break. The topics repeat one another, a fifth of their prose word for word: each
paragraph is kept once, and one that a held-out topic holds is not in the text to train on.
"""

import functools
import gzip
import json
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from lecturelib.data.vocabulary import Vocabulary
from lecturelib.edges import check_whole

FILE = Path(__file__).with_name("python_help.json.gz")
ALPHABET = "\n" + "".join(chr(n) for n in range(32, 127))
VOCABULARY = Vocabulary(ALPHABET)
# Topics that no model is trained on, a tenth of the prose.
HELD_OUT = ("context-managers", "exceptions", "execmodel", "id-classes", "identifiers", "import", "numeric-types",
            "operator-summary", "power", "raise", "truth")  # fmt: skip


@functools.cache
def topics() -> dict[str, list[str]]:
    """Return the prose of each help topic, by name: a list of paragraphs, each of which stands in one topic only.

    Source: see the top of this file.

    >>> topics()["assert"][0]
    'The "assert" statement'
    """
    return json.loads(gzip.decompress(FILE.read_bytes()))["topics"]


def split_by_topic() -> tuple[str, str]:
    """Return the text to train on and the held-out text: whole topics, and no paragraph in both.

    >>> train, held_out = split_by_topic()
    >>> len(train) > 5 * len(held_out)
    True
    """
    parts: dict[bool, list[str]] = {False: [], True: []}
    for name, kept in topics().items():
        parts[name in HELD_OUT].append("\n\n".join(kept))
    return "\n\n".join(parts[False]) + "\n", "\n\n".join(parts[True]) + "\n"


def windows(text: str, n: int, length: int, *, seed: int) -> np.ndarray:
    """Cut n pieces of one length out of a text, at random places, as numbers of characters.

    Shapes: returns (n, length), int64.
    Raises: ValueError for a count or length below 1, a text that is too short, and characters outside the alphabet.
    """
    check_whole(n=n)
    _check_long_enough(text, length)
    numbers = VOCABULARY.encode(text)
    starts = np.random.default_rng(seed).integers(len(numbers) - length + 1, size=n)
    return numbers[starts[:, None] + np.arange(length)]


def pieces(text: str, length: int) -> np.ndarray:
    """Cut a text into pieces of one length, one after the other, as numbers of characters; the rest is left out.

    Shapes: returns (N, length), int64.
    Raises: ValueError for a length below 1, a text that is too short, and characters outside the alphabet.
    """
    _check_long_enough(text, length)
    whole = len(text) // length
    return VOCABULARY.encode(text[: whole * length]).reshape(whole, length)


def _check_long_enough(text: str, length: int) -> None:
    check_whole(length=length)
    if len(text) < length:
        raise ValueError(f"the text has {len(text)} characters: expected at least {length}, the length of a piece")


def ngram_loss(train: str, asked: np.ndarray, n: int) -> float:
    """Return the loss of a table that counted the n-grams of a text, on pieces of another: what a model has to beat.

    It guesses what a language model guesses on the same pieces: each character but the first of a piece, from those
    before it in the piece, at most n - 1.
    Equation: p(c | h) = (count(h c) + kinds(h) p(c | h')) / (count(h) + kinds(h)), where h are the characters before,
        h' is h without its first, kinds(h) how many characters were seen behind h; a context that was never seen
        leaves the choice to h', and no context at all to the alphabet, all equally likely.
    Shapes: asked (N, L), numbers of characters, as `pieces` gives them. Units: nats per character.
    Raises: ValueError for n outside 1 to 9, pieces of fewer than 2 characters, and characters outside the alphabet.
    Source: I. Witten and T. Bell, The zero-frequency problem, 1991 (their method C).

    >>> abab = pieces("abababab", 4)
    >>> round(ngram_loss("abababab", abab, 2), 2), round(ngram_loss("abababab", pieces("zzzz", 4), 1), 2)
    (0.14, 6.17)
    """
    check_whole(n=n)
    asked = np.asarray(asked)
    if n > 9 or asked.ndim != 2 or asked.shape[1] < 2:
        raise ValueError(f"n={n} and pieces {asked.shape}: expected n from 1 to 9, and (N, L) with L of 2 or more")
    seen = VOCABULARY.encode(train)
    likely = np.full(asked.shape, 1 / len(VOCABULARY))
    for order in range(1, min(n, asked.shape[1]) + 1):
        grams, counts = np.unique(_numbers(seen, order), return_counts=True)
        contexts, kinds = np.unique(grams // len(VOCABULARY), return_counts=True)
        totals = np.bincount(np.searchsorted(contexts, grams // len(VOCABULARY)), counts)
        wanted = _numbers(asked, order)  # (N, L - order + 1)
        count = _found(grams, counts, wanted)
        total, kind = (_found(contexts, each, wanted // len(VOCABULARY)) for each in (totals, kinds))
        shorter = likely[:, order - 1 :]  # the guess from one character less; at the start of a piece it stays
        likely[:, order - 1 :] = np.where(total > 0, (count + kind * shorter) / np.maximum(total + kind, 1), shorter)
    return float(-np.log(likely[:, 1:]).mean())


def _numbers(characters: np.ndarray, n: int) -> np.ndarray:
    """One whole number for each n-gram, its characters as digits: (..., L) to (..., L - n + 1)."""
    return sliding_window_view(characters, n, axis=-1) @ len(VOCABULARY) ** np.arange(n)[::-1]


def _found(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The value of each wanted key, 0 where there is none; keys are sorted."""
    place = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0)
