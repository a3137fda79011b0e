"""Dates as the world writes them, and the same day as an international standard does.

"5. März 2024", "Mar 5, 2024", "5 марта 2024 г." are all 2024-03-05 (ISO 8601).

Source: the date patterns and names of the Unicode Common Locale Data Repository (CLDR), through the package Babel,
    which holds them on disk; nothing is downloaded. The days are drawn here, from a seed.
Licence: Babel BSD-3-Clause; CLDR Unicode License v3.
Size: 12 locales, 2 formats, the 36,525 days from 1950 to 2049; a tenth of the days is held out.
"""

import datetime
import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from lecturelib.data.vocabulary import Vocabulary
from lecturelib.edges import check_whole

# Locales with a script that every machine can draw; Latin, Greek and Cyrillic
LOCALES = ("en_US", "en_GB", "de", "fr", "es", "it", "nl", "pl", "tr", "ru", "uk", "el")
FORMATS = ("medium", "long")
FIRST, LAST = datetime.date(1950, 1, 1), datetime.date(2049, 12, 31)
START = "^"
ISO = Vocabulary("0123456789-" + START)  # what answers are written in
_MIX = 7919  # a prime: spreads the held-out days over weekdays, months and years


class Written(NamedTuple):
    """A day as it is written somewhere: the text, the same day in ISO 8601, the locale and the format."""

    text: str
    iso: str
    locale: str
    format: str


def write(day: datetime.date, locale: str, form: str = "long") -> str:
    """Write a day as a locale does; non-breaking spaces become spaces.

    Raises: ValueError for a locale that is not in LOCALES, and a format not in FORMATS.

    >>> write(datetime.date(2024, 3, 5), "de")
    '5. März 2024'
    """
    from babel.dates import format_date

    for each, known in ((locale, LOCALES), (form, FORMATS)):
        if each not in known:
            raise ValueError(f"{each!r} is unknown: expected one of {', '.join(known)}")
    return " ".join(format_date(day, form, locale=locale).split())


def dates(n: int, *, held_out: bool, seed: int) -> list[Written]:
    """Draw n days, each written in a locale and a format drawn at random.

    Days to train on and held-out days never meet; each tenth of the days is held out.
    Raises: ValueError for a count below 1.

    >>> dates(2, held_out=False, seed=0)[0].text
    '25 jan 2035'
    """
    check_whole(n=n)
    days = _days(held_out)
    rng = np.random.default_rng(seed)
    drawn = []
    for k, place, form in zip(*(rng.integers(len(each), size=n) for each in (days, LOCALES, FORMATS)), strict=True):
        day, locale, name = days[k], LOCALES[place], FORMATS[form]
        drawn.append(Written(write(day, locale, name), day.isoformat(), locale, name))
    return drawn


def date_tensors(written: Sequence[Written]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return written dates as numbers: what is read, what is to be written behind a start symbol, and the lengths.

    Shapes: N dates; returns source (N, S), padded with 0, target (N, 11), lengths (N,).
    Raises: ValueError for no dates.

    >>> [tuple(each.shape) for each in date_tensors([Written("5. März 2024", "2024-03-05", "de", "long")])]
    [(1, 12), (1, 11), (1,)]
    """
    check_whole(written=len(written))
    letters = [torch.from_numpy(alphabet().encode(each.text)) for each in written]
    target = torch.stack([torch.from_numpy(ISO.encode(START + each.iso)) for each in written])
    return pad_sequence(letters, batch_first=True), target, torch.tensor([len(each) for each in letters])


@functools.cache
def alphabet() -> Vocabulary:
    """Return all characters in which the dates are written."""
    some = [datetime.date(2023, month, day) for month in range(1, 13) for day in range(1, 8)]
    found = {c for day in some for locale in LOCALES for form in FORMATS for c in write(day, locale, form)}
    return Vocabulary("".join(sorted(found | set("0123456789"))))


@functools.cache
def _days(held_out: bool) -> list[datetime.date]:
    numbers = range(FIRST.toordinal(), LAST.toordinal() + 1)
    return [datetime.date.fromordinal(n) for n in numbers if (n * _MIX % 1009 % 10 == 0) == held_out]
