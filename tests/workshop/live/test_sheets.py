"""The speaker's sheets: what the notebooks say, on one page each, and a path through the whole lecture."""

import re
import textwrap

import pytest

from lecturelib.workshop.live import plan, sheets
from lecturelib.workshop.live.notebooks import all_notebooks, read
from lecturelib.workshop.notebooks import find

NOTEBOOKS = list(all_notebooks())
PLAN = plan.read()
LINES, WIDTH, WORDS = 60, 110, 640  # of an A4 page, in 9 points


@pytest.mark.parametrize("path", sorted(sheets.FOLDER.glob("*")), ids=lambda path: path.stem)
def test_a_sheet_fits_a_page(path):
    text = path.read_text(encoding="utf-8")
    printed = [line for source in text.splitlines() for line in textwrap.wrap(source, WIDTH) or [""]]
    words = re.findall(r"\w[\w'’.,-]*", text)
    assert len(printed) <= LINES and len(words) <= WORDS, f"{len(printed)} lines, {len(words)} words: shorten plan.toml"


def test_the_committed_sheets_are_what_the_command_writes(tmp_path):
    written = {path.name: path.read_bytes() for path in sheets.write_all(NOTEBOOKS, PLAN, tmp_path)}
    committed = {path.name: path.read_bytes() for path in sheets.FOLDER.iterdir()}
    assert committed == written, "run lecture sheets"


def test_the_plan_fits_the_notebooks_and_takes_75_minutes():
    assert plan.faults(PLAN, NOTEBOOKS) == []
    assert {stop.notebook for stop in PLAN.path} == {nb.name for nb in NOTEBOOKS}


def test_a_sheet_names_each_section_question_and_exercise():
    nb = read(find("03"))
    text = sheets.sheet(nb, PLAN)
    assert all(section.title in text for section in nb.sections[1:])
    assert "**more than 10 times as high**; wrong: about the same / 2 to 10 times as high" in text
    for section in nb.sections:
        for question in section.questions:
            assert question.text in text and question.outcome.rstrip(".") in text and question.slide
        for exercise in section.exercises:
            says = sheets.mistakes(exercise)
            assert f"(2 of {len(says)})" in text and exercise.title in text


SPOILED = {
    "no such section": (
        '"1. A soft dictionary" =',
        '"1. A hard dictionary" =',
        "has no section '1. A hard dictionary'",
    ),
    "no entry": ('"2. The formula" =', '"2. A formula" =', "03_attention, '2. The formula' has no entry"),
    "no sentence": ('say = "Attention is a soft look-up', 'say = "" # ', "03_attention has no sentence"),
    "wrong choice": ('right = ["rotary"]', 'right = ["rotated"]', "'rotated' is none of the choices"),
    "a choice too few": ('right = ["rotary"]', "right = []", "1 questions with choices, but 0 right"),
    "minutes": ("minutes = 6", "minutes = 7", "takes 76 minutes: expected 75"),
    "no such stop": ('section = "3. Many heads"', 'section = "3. Heads"', "stops at 04_transformers, '3. Heads'"),
    "topic left out": ('topics = ["vit"]', 'topics = ["mae"]', "no stop of the path covers the topic 'vit'"),
    "unknown topic": ('topics = ["vit"]', 'topics = ["vit", "cnn"]', "covers an unknown topic 'cnn'"),
}


@pytest.mark.parametrize(("old", "new", "fault"), SPOILED.values(), ids=SPOILED)
def test_a_plan_that_does_not_fit_is_refused(tmp_path, old, new, fault):
    text = plan.PLAN.read_text(encoding="utf-8")
    assert text.count(old) == 1
    (tmp_path / "plan.toml").write_text(text.replace(old, new), encoding="utf-8")
    found = plan.faults(plan.read(tmp_path / "plan.toml"), NOTEBOOKS)
    assert any(fault in each for each in found), found


def test_an_entry_that_holds_something_unknown_is_refused(tmp_path):
    (tmp_path / "plan.toml").write_text('[[path]]\nnotebook = "03_attention"\nlength = 3\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"plan.toml, path stop 1: .*'length'; expected notebook, section, minutes"):
        plan.read(tmp_path / "plan.toml")
