"""Text and photographs as lines of the same 27 symbols, so that one can count both in the same way.

Source: `lecturelib.data.text` and `lecturelib.data.photos`, which say where from, and the licences.
"""

import numpy as np

from lecturelib.data.photos import crops
from lecturelib.data.text import split_by_topic
from lecturelib.edges import check_whole

COUNT = 27


def symbol_rows(kind: str, *, held_out: bool, factor: int = 1, seed: int = 0) -> np.ndarray:
    """Return lines of whole numbers from 0 to 26: letters, or gray levels.

    "text": 1 to 26 for the letters, 0 for everything else, lines of 128 characters; `held_out` are other topics.
    "photos": rows of 64 pixels from 240 squares of photographs reduced by `factor`, as 27 levels that are equally
    common in the training photographs; `held_out` are the two that no model is trained on. The seed draws the squares.
    Shapes: returns (n, 128) for text, (n, 64) for photos, int64.
    Raises: ValueError for an unknown kind, and numbers that are not whole.

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
    known = _gray(False, factor, seed)
    bounds = np.quantile(known[::7], np.arange(1, COUNT) / COUNT)
    return np.searchsorted(bounds, _gray(held_out, factor, seed) if held_out else known)


def _gray(held_out: bool, factor: int, seed: int) -> np.ndarray:
    squares = crops(240, size=64, held_out=held_out, seed=seed, finest=factor, coarsest=factor)  # (240, 3, 64, 64)
    return squares.mean(axis=1).reshape(-1, 64)
