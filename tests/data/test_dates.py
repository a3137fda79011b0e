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


@pytest.mark.parametrize("locale", dates.LOCALES)
def test_every_day_is_named_by_what_is_written(locale: str) -> None:
    first = datetime.date(2023, 1, 1)
    days = [first + datetime.timedelta(n) for n in range(365)]
    for form in dates.FORMATS:
        written = [dates.write(day, locale, form) for day in days]
        assert len(set(written)) == 365
        for day, text in zip(days, written, strict=True):
            assert {2023, day.day} <= {int(digits) for digits in re.findall(r"\d+", text)}
            dates.alphabet().encode(text)


def test_what_is_drawn_keeps_to_its_part() -> None:
    train, held_out = ({each.iso for each in dates.dates(5000, held_out=part, seed=1)} for part in (False, True))
    assert not train & held_out
    assert {day.isoformat() for day in dates._days(False)} > train and len(held_out) > 2000
    for part in (train, held_out):  # no decade is left out
        assert {day[:3] for day in part} == {str(decade) for decade in range(195, 205)}


def test_the_two_parts_are_all_days_of_the_range() -> None:
    held_out = dates._days(True)
    both = sorted(dates._days(False) + held_out)
    assert both == [dates.FIRST + datetime.timedelta(n) for n in range((dates.LAST - dates.FIRST).days + 1)]
    assert len(held_out) == pytest.approx(len(both) / 10, rel=0.02)
    # spread over weekdays, days of the month, months and years
    for of in (lambda d: d.weekday(), lambda d: d.day, lambda d: d.month, lambda d: d.year):
        counts, whole = Counter(map(of, held_out)), Counter(map(of, both))
        assert all(0.05 < counts[each] / whole[each] < 0.16 for each in whole)


def test_what_is_drawn_is_what_it_says() -> None:
    with global_generators_left_alone():
        drawn = dates.dates(5000, held_out=True, seed=1)
    assert drawn == dates.dates(5000, held_out=True, seed=1) and len(drawn) == 5000
    assert drawn[:20] != dates.dates(20, held_out=True, seed=2)
    for each in drawn[:500]:
        assert each.text == dates.write(datetime.date.fromisoformat(each.iso), each.locale, each.format)
    pairs = [f"{locale} {form}" for locale in dates.LOCALES for form in dates.FORMATS]
    assert roughly_uniform([f"{each.locale} {each.format}" for each in drawn], pairs)


test_bad_input_is_refused_in_words = refuses(
    (lambda: dates.write(DAY, "tlh"), ["'tlh'", "en_US", "el"]),
    (lambda: dates.write(DAY, "de", "short"), ["'short'", "medium, long"]),
    (lambda: dates.date_tensors([]), ["written=0"]),
    (lambda: dates.dates(0, held_out=False, seed=0), ["n=0", "1 or more"]),
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
