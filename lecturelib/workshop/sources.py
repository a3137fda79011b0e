"""Make what the course keeps of other packages: `python -m lecturelib.workshop.sources` writes all of it.

python_help.json.gz    the prose of the help topics of the Python that runs this, for `lecturelib.data.text`
scipy_sentences.json   first sentences of the docstrings of the SciPy here, for `lecturelib.data.docstrings`
glyphs.npz             letters and digits as the matplotlib here draws them, for `lecturelib.data.glyphs`

Other versions of these say and draw other things, and every number behind them would change: that is why they are
kept. To make them anew is to publish the notebooks 04 to 09 again, and to train the models of text and print again.
"""

from __future__ import annotations

import gzip
import importlib
import inspect
import json
import platform
import re
from pathlib import Path

import numpy as np

from lecturelib.data import docstrings, glyphs, text

# What stands elsewhere in another dress, written plainly.
_PLAIN = str.maketrans({"“": '"', "”": '"', "’": "'", "‘": "'", "–": "-", "—": "-", "…": "...", "\t": " "})
_NAMES = re.compile(r"stats|signal|linalg|optimiz|optimis|special|ndimage", re.IGNORECASE)  # of a part of SciPy


def help_topics() -> dict[str, list[str]]:
    """Return the prose of each help topic of this Python, by name; each paragraph stands in one topic only."""
    from pydoc_data.topics import topics as raw

    names = sorted(raw, key=lambda name: (name not in text.HELD_OUT, name))  # what is shared goes to the held-out topic
    seen: set[str] = set()
    kept: dict[str, list[str]] = {}
    for name in names:
        fresh = [each for each in dict.fromkeys(paragraphs(raw[name])) if each not in seen]
        seen.update(fresh)
        kept[name] = fresh
    return {name: kept[name] for name in sorted(kept) if kept[name]}


def paragraphs(topic: str) -> list[str]:
    r"""Return the paragraphs of prose in a help topic, each on one line, in characters of the alphabet.

    Left out are code, grammar, tables, and the lines of stars and dashes under headings.

    >>> paragraphs("Title\n*****\n\nOne line\nand two.\n\n   x = 1\n")
    ['Title', 'One line and two.']
    """
    kept = []
    for block in re.split(r"\n\s*\n", topic.translate(_PLAIN)):
        lines = [line for line in block.split("\n") if line.strip() and not re.fullmatch(r"[*=~^\-\" ]+", line)]
        if not lines or "::=" in block or "----" in block or lines[0].lstrip().startswith(("+", "|")):
            continue
        paragraph = re.sub(r"\s+", " ", " ".join(lines)).strip()
        if not lines[0].startswith(" ") or _reads_like_prose(paragraph):
            kept.append("".join(c for c in paragraph if c in text.ALPHABET))
    return [each for each in kept if each.strip()]


def _reads_like_prose(paragraph: str) -> bool:
    """Whether an indented paragraph is a description, and not code."""
    begins = re.match(r"""(\* )?["*(]*[A-Z]""", paragraph)
    return bool(begins) and paragraph.endswith((".", ":")) and len(paragraph.split()) >= 6


def scipy_sentences() -> dict[str, list[str]]:
    """Return the first sentences of the docstrings of SciPy's public functions and classes, as many of each part."""
    found: dict[str, set[str]] = {}
    for part in docstrings.PARTS:
        module = importlib.import_module(f"scipy.{part}")
        for name in sorted(module.__all__):
            thing = getattr(module, name)  # a distribution is neither: a hundred of them say all but the same
            is_one = isinstance(thing, np.ufunc) or inspect.isfunction(thing) or inspect.isclass(thing)
            if is_one and (sentence := first_sentence(inspect.cleandoc(thing.__doc__ or ""))):
                found.setdefault(sentence, set()).add(part)
    kept = [(each, *parts) for each, parts in found.items() if len(parts) == 1 and not _NAMES.search(each)]
    order = np.random.default_rng(0).permutation(len(kept))
    by_part = {part: [kept[n][0] for n in order if kept[n][1] == part] for part in docstrings.PARTS}
    fewest = min(map(len, by_part.values()))
    return {part: each[:fewest] for part, each in by_part.items()}


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


def bitmaps() -> list[np.ndarray]:
    """Return each symbol in each font as matplotlib draws it, without a margin: (height, width), uint8, 255 is ink."""
    import matplotlib
    from matplotlib.ft2font import FT2Font

    folder, drawn = Path(matplotlib.get_data_path(), "fonts", "ttf"), []
    for name in glyphs.FONTS:
        font = FT2Font(str(folder / f"{name}.ttf"))
        font.set_size(40, 144)
        for symbol in glyphs.SYMBOLS:
            font.set_text(symbol)
            font.draw_glyphs_to_bitmap(antialiased=True)
            ink = np.array(font.get_image())
            rows, columns = (ink.max(axis=side) > 0 for side in (1, 0))
            drawn.append(ink[rows][:, columns])
    return drawn


def write() -> None:
    """Write all of it in the place of what is there."""
    import scipy

    topics = {"source": f"pydoc_data.topics of Python {platform.python_version()}", "topics": help_topics()}
    sentences = {"source": f"docstrings of SciPy {scipy.__version__}", "sentences": scipy_sentences()}
    text.FILE.write_bytes(gzip.compress((json.dumps(topics, indent=0) + "\n").encode(), mtime=0))
    docstrings.FILE.write_text(json.dumps(sentences, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    drawn = bitmaps()
    ink, sizes = np.concatenate([each.ravel() for each in drawn]), np.array([each.shape for each in drawn])
    np.savez_compressed(glyphs.FILE, ink=ink, sizes=sizes)


if __name__ == "__main__":
    write()
