"""Text and photographs as lines of the same 27 symbols, so that one can count both in the same way.

Source: `lecturelib.data.text` and `lecturelib.data.photos`, which say where from, and the licences.
"""

from __future__ import annotations

import numpy as np

from lecturelib.data.photos import crops
from lecturelib.data.text import split_by_topic
from lecturelib.edges import check_whole

COUNT = 27


def symbol_rows(kind: str, *, held_out: bool, seed: int = 0) -> np.ndarray:
    """Return lines of whole numbers from 0 to 26: letters, or gray levels.

    "text": 1 to 26 for the letters, 0 for everything else, lines of 128 characters; `held_out` are other topics.
    "photos": rows of 128 pixels from 60 squares, as 27 levels that are equally common in the training photographs;
    `held_out` are the two photographs that no model is trained on. The seed draws the squares; the text has none.
    Shapes: returns (n, 128), int64.
    Raises: ValueError for an unknown kind, and a seed that is not whole.

    >>> symbol_rows("text", held_out=True)[0, :5].tolist()
    [23, 9, 20, 8, 0]
    """
    check_whole(0, seed=seed)
    if kind == "text":
        text = split_by_topic()[held_out].lower()
        codes = np.frombuffer(text.encode("ascii", "replace"), np.uint8).astype(np.int64) - ord("a") + 1
        return np.where((codes > 0) & (codes < COUNT), codes, 0)[: len(codes) // 128 * 128].reshape(-1, 128)
    if kind != "photos":
        raise ValueError(f"kind {kind!r} is unknown: expected 'text' or 'photos'")
    known = _gray(False, seed)
    bounds = np.quantile(known[::7], np.arange(1, COUNT) / COUNT)
    return np.searchsorted(bounds, _gray(held_out, seed))


def _gray(held_out: bool, seed: int) -> np.ndarray:
    squares = crops(60, size=128, held_out=held_out, seed=seed, coarsest=1)  # (60, 3, 128, 128)
    return squares.mean(axis=1).reshape(-1, 128)
