"""Real sentences with a label: what SciPy's functions say of themselves, and to which part of SciPy each belongs.

Source: the docstrings of the installed SciPy, of the public functions and classes of six of its parts; nothing is
    downloaded. From SciPy 1.17 come 63 sentences of each part, 8 words long; other versions hold a few more or fewer.
Licence: BSD-3-Clause, as SciPy itself.
Kept is the first sentence. Left out are those that name a part, so that nobody can read the label off, those that stand
in two parts, and, drawn with a fixed seed, what a part has more than the smallest.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re

import numpy as np

# each part, and what it is for in a few words
PARTS = {
    "stats": "probability distributions and statistical tests",
    "signal": "filter design, spectra and processing of time series",
    "linalg": "matrix decompositions and solving linear systems",
    "optimize": "finding minima and roots of functions",
    "special": "special mathematical functions such as Bessel and gamma",
    "ndimage": "filters, morphology and measurements of images",
}
NAMES = re.compile(r"stats|signal|linalg|optimiz|optimis|special|ndimage", re.IGNORECASE)


@functools.cache
def sentences() -> tuple[list[str], np.ndarray]:
    """Return the sentences, as many of each part, and for each the number of its part, in the order of `PARTS`.

    Shapes: N texts, and (N,) int64.
    Source: see the top of this file.

    >>> texts, labels = sentences()
    >>> len(texts) == len(labels) and sorted(set(labels.tolist()))
    [0, 1, 2, 3, 4, 5]
    """
    found: dict[str, set[int]] = {}
    for number, part in enumerate(PARTS):
        module = importlib.import_module(f"scipy.{part}")
        for name in sorted(module.__all__):
            thing = getattr(module, name)  # a distribution is neither: a hundred of them say all but the same
            is_one = isinstance(thing, np.ufunc) or inspect.isfunction(thing) or inspect.isclass(thing)
            if is_one and (sentence := first_sentence(inspect.getdoc(thing) or "")):
                found.setdefault(sentence, set()).add(number)
    kept = [(text, min(parts)) for text, parts in found.items() if len(parts) == 1 and not NAMES.search(text)]
    order = np.random.default_rng(0).permutation(len(kept))
    by_part = [[kept[n] for n in order if kept[n][1] == part] for part in range(len(PARTS))]
    fewest = min(len(each) for each in by_part)
    chosen = [pair for each in by_part for pair in each[:fewest]]
    return [text for text, _ in chosen], np.array([part for _, part in chosen], dtype=np.int64)


def first_sentence(docstring: str) -> str:
    r"""Return the first sentence of a docstring, on one line, without the signature that may stand before it.

    >>> first_sentence("jv(v, z, out=None)\n\nBessel function of\nreal order.\n\nParameters\n---")
    'Bessel function of real order.'
    """
    for block in re.split(r"\n\s*\n", docstring.strip()):
        if not re.fullmatch(r"\w+\(.*\)(\s*->.*)?", block, re.DOTALL):
            line = re.sub(r"\s+", " ", re.sub(r":\w+:`|[`*]", "", block)).strip()
            return re.split(r"(?<=[.:]) (?=[A-Z])", line)[0] if len(line.split()) >= 3 else ""
    return ""
