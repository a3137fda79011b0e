"""Real sentences with a label: what SciPy's functions say of themselves, and to which part of SciPy each belongs.

Source: the docstrings of SciPy 1.17.1, of the public functions and classes of six of its parts: 63 sentences of each
    part, 8 words long. They lie beside this file (scipy_sentences.json), since other versions of SciPy say other
    things. Nothing is downloaded.
Licence: BSD-3-Clause, as SciPy itself: Copyright Enthought and the SciPy developers, see LICENSE-SciPy.txt.
Kept is the first sentence. Left out are those that name a part, so that nobody can read the label off, those that stand
in two parts, and, drawn with a fixed seed, what a part has more than the smallest.
"""

import functools
import json
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("scipy_sentences.json")
# each part, and what it is for in a few words
PARTS = {
    "stats": "probability distributions and statistical tests",
    "signal": "filter design, spectra and processing of time series",
    "linalg": "matrix decompositions and solving linear systems",
    "optimize": "finding minima and roots of functions",
    "special": "special mathematical functions such as Bessel and gamma",
    "ndimage": "filters, morphology and measurements of images",
}


@functools.cache
def sentences() -> tuple[list[str], np.ndarray]:
    """Return the sentences, as many of each part, and for each the number of its part, in the order of `PARTS`.

    Shapes: N texts, and (N,) int64.
    Source: see the top of this file.

    >>> texts, labels = sentences()
    >>> len(texts) == len(labels) and sorted(set(labels.tolist()))
    [0, 1, 2, 3, 4, 5]
    """
    by_part = json.loads(FILE.read_text(encoding="utf-8"))["sentences"]
    return (
        [each for part in PARTS for each in by_part[part]],
        np.array([number for number, part in enumerate(PARTS) for _ in by_part[part]], dtype=np.int64),
    )
