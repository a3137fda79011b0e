"""What the course keeps of other packages: made as it says, and still what these packages hold, in their versions."""

import copy
import gzip
import importlib
import json
import platform
import re
from pydoc_data.topics import topics as raw

import matplotlib
import numpy as np
import pytest
import scipy

from lecturelib.data import docstrings, glyphs, text
from lecturelib.workshop import sources
from tests.mutants import Mutant, planted


def test_all_is_written_as_it_is_kept(tmp_path, monkeypatch):
    """With the versions that they name, to the letter; with others, most of them is still there."""
    glyphs._bitmaps()
    kept = json.loads(gzip.decompress(text.FILE.read_bytes())), json.loads(docstrings.FILE.read_text(encoding="utf-8"))
    monkeypatch.setattr(text, "FILE", tmp_path / "help.json.gz")
    monkeypatch.setattr(docstrings, "FILE", tmp_path / "sentences.json")
    monkeypatch.setattr(glyphs, "FILE", tmp_path / "glyphs.npz")
    if f"matplotlib {matplotlib.__version__}:" not in str(glyphs.__doc__):  # another one draws all of them another way
        drawn = list(glyphs._bitmaps().values())
        monkeypatch.setattr(sources, "bitmaps", lambda: drawn)
    sources.write()
    made = json.loads(gzip.decompress(text.FILE.read_bytes())), json.loads(docstrings.FILE.read_text(encoding="utf-8"))
    for ours, new, key, version in (
        (kept[0], made[0], "topics", f"Python {platform.python_version()}"),
        (kept[1], made[1], "sentences", f"SciPy {scipy.__version__}"),
    ):
        assert version in new["source"]
        if ours["source"] == new["source"]:
            assert ours == new
        once, again = ({each for part in parts.values() for each in part} for parts in (ours[key], new[key]))
        assert len(once & again) > len(once) / 2
    before, now = glyphs._bitmaps(), glyphs._bitmaps.__wrapped__()
    assert list(now) == list(before) and all(np.array_equal(now[each], before[each]) for each in before)


# ---- Python's help ----


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [
        ("One line.", ["One line."]),
        ("One line\nand   two.\n\nAnother.", ["One line and two.", "Another."]),
        ("One.\n \t \nTwo.", ["One.", "Two."]),
        ("Title\n*****\n\nSub\n===\n\nMore\n~~~~\n\nLast\n^^^^\n", ["Title", "Sub", "More", "Last"]),
        ("Text:\n\n   x = 1\n   y = 2\n\nMore.", ["Text:", "More."]),
        ("   An indented sentence that ends as one does.", ["An indented sentence that ends as one does."]),
        ("   * An indented item of a list, in words.", ["* An indented item of a list, in words."]),
        ("   Too short here.", []),
        ("   An indented line of six words without an end", []),
        ("   no capital letter stands at its beginning.", []),
        ('rule ::= "a" "b"', []),
        ("+----+----+\n| a  | b  |\n+----+----+", []),
        ("| a line block of a table |", []),
        ("head   tail\n------------", []),
        ("“Quoted” – it’s ‘so’…", ["\"Quoted\" - it's 'so'..."]),
        ("Caf\u00e9 \u2192 bar", ["Caf  bar"]),
        ("a\tb", ["a b"]),
        ("\u4e2d\u6587", []),
        ("", []),
    ],
)
def test_paragraphs_are_the_prose(given_text: str, kept: list[str]) -> None:
    assert sources.paragraphs(given_text) == kept


def test_no_paragraph_is_lost_and_a_shared_one_is_held_out() -> None:
    before = copy.deepcopy(raw)
    topics = sources.help_topics()
    assert raw == before and set(topics) <= set(raw)
    place = {paragraph: name for name, kept in topics.items() for paragraph in kept}
    assert len(place) == sum(map(len, topics.values()))
    for name, source in raw.items():
        for paragraph in sources.paragraphs(source):
            assert paragraph in place, name
            assert name not in text.HELD_OUT or place[paragraph] in text.HELD_OUT, name


# ---- SciPy's docstrings ----


def test_each_sentence_stands_in_a_docstring_of_its_part():
    for part, kept in sources.scipy_sentences().items():
        module = importlib.import_module(f"scipy.{part}")
        found = re.sub(r"\s+|[`*]|:\w+:`", "", "".join(getattr(module, name).__doc__ or "" for name in module.__all__))
        assert not [each for each in kept if re.sub(r"\s+", "", each) not in found]


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
    assert sources.first_sentence(docstring) == expected


# ---- mutants ----

test_mutants = planted(
    sources,
    [
        Mutant('or "::=" in block', "", test_paragraphs_are_the_prose),
        Mutant("(name not in text.HELD_OUT, name)", "name", test_no_paragraph_is_lost_and_a_shared_one_is_held_out),
    ],
)
