"""Dates of the world: written as each locale does, split by day, and from their seed alone."""

import datetime
import re
from collections import Counter

import pytest

from lecturelib.data import dates
from tests.mutants import Mutant, planted
from tests.tools import global_generators_left_alone, refuses, roughly_uniform

DAY = datetime.date(2024, 3, 5)


@pytest.mark.parametrize(
    ("locale", "form", "text"),
    [
        ("en_US", "long", "March 5, 2024"),
        ("en_US", "medium", "Mar 5, 2024"),
        ("de", "long", "5. März 2024"),
        ("de", "medium", "05.03.2024"),
        ("tr", "long", "5 Mart 2024"),
        ("el", "long", "5 Μαρτίου 2024"),
    ],
)
def test_a_day_is_written_as_the_locale_does(locale: str, form: str, text: str) -> None:
    assert dates.write(DAY, locale, form) == text
    if form == "long":
        assert dates.write(DAY, locale) == text


@pytest.mark.parametrize("locale", dates.LOCALES)
def test_every_day_is_named_by_what_is_written(locale: str) -> None:
    first = datetime.date(2023, 1, 1)
    days = [first + datetime.timedelta(n) for n in range(365)]
    for form in dates.FORMATS:
        written = [dates.write(day, locale, form) for day in days]
        assert len(set(written)) == 365
        for day, text in zip(days, written, strict=True):
            assert {2023, day.day} <= {int(digits) for digits in re.findall(r"\d+", text)}
            assert text == " ".join(text.split()) and text.isprintable()
            dates.alphabet().encode(text)


def test_what_is_drawn_keeps_to_its_part() -> None:
    train, held_out = (
        {each.iso for each in dates.dates(10_000, held_out=part, seed=1, locales=["tr"])} for part in (False, True)
    )
    assert not train & held_out
    assert train <= {day.isoformat() for day in dates._days(False)}
    # 10,000 draws meet most of the held-out days, and leave out no half of the range
    assert 0.9 < len(held_out) / len(dates._days(True)) <= 1
    for part in (train, held_out):
        assert {day[:3] for day in part} == {"195", "196", "197", "198", "199", "200", "201", "202", "203", "204"}


def test_the_two_parts_are_all_days_of_the_range() -> None:
    train, held_out = dates._days(False), dates._days(True)
    both = sorted(train + held_out)
    assert both[0] == dates.FIRST and both[-1] == dates.LAST
    assert len(both) == len(set(both)) == (dates.LAST - dates.FIRST).days + 1
    assert len(held_out) == pytest.approx(len(both) / 10, rel=0.02)
    # spread over weekdays, days of the month, months and years
    for of in (lambda d: d.weekday(), lambda d: d.day, lambda d: d.month, lambda d: d.year):
        counts, whole = Counter(map(of, held_out)), Counter(map(of, both))
        assert all(0.05 < counts[each] / whole[each] < 0.16 for each in whole)


def test_what_is_drawn_is_what_it_says() -> None:
    with global_generators_left_alone():
        drawn = dates.dates(5000, held_out=True, seed=1)
    assert drawn == dates.dates(5000, held_out=True, seed=1)
    assert drawn[:20] != dates.dates(20, held_out=True, seed=2)
    assert len(drawn) == 5000
    for each in drawn[:500]:
        assert each.text == dates.write(datetime.date.fromisoformat(each.iso), each.locale, each.format)
    assert roughly_uniform([each.locale for each in drawn], dates.LOCALES)
    assert roughly_uniform([each.format for each in drawn], dates.FORMATS)
    pairs = {(each.locale, each.format) for each in drawn}
    assert len(pairs) == len(dates.LOCALES) * len(dates.FORMATS)
    assert len({each.iso for each in drawn}) > 2000
    assert {each.locale for each in dates.dates(50, held_out=False, seed=1, locales=["de", "fr"])} == {"de", "fr"}


test_bad_input_is_refused_in_words = refuses(
    (lambda: dates.write("2024-03-05", "de"), ["day '2024-03-05'", "fromisoformat"]),  # type: ignore[arg-type]
    (lambda: dates.write(DAY, "tlh"), ["'tlh'", "en_US", "el"]),
    (lambda: dates.write(DAY, "de", "short"), ["'short'", "medium, long"]),
    (lambda: dates.date_tensors([]), ["written=0"]),
    (lambda: dates.dates(0, held_out=False, seed=0), ["n=0", "1 or more"]),
    (lambda: dates.dates(2, held_out=True, seed=0, locales=[]), ["locales=0", "1 or more"]),
    # refused also where it is never drawn
    (lambda: dates.dates(1, held_out=True, seed=0, locales=["de"] * 99 + ["tlh"]), ["'tlh'", "expected one of"]),
)


def test_dates_become_numbers_and_can_be_read_back() -> None:
    written = dates.dates(50, held_out=True, seed=3)
    source, target, lengths = dates.date_tensors(written)
    assert source.shape == (50, max(len(each.text) for each in written)) and target.shape == (50, 11)
    for row, each in enumerate(written):
        assert dates.alphabet().decode(source[row, : lengths[row]]) == each.text
        assert dates.ISO.decode(target[row]) == dates.START + each.iso
        assert not source[row, lengths[row] :].any()


# ---- mutants ----

DRAWN = "days = _days(held_out)"

test_mutants = planted(
    dates, [Mutant(DRAWN, "days = _days(True) + _days(held_out)", test_what_is_drawn_keeps_to_its_part)]
)
