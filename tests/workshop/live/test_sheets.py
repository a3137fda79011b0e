"""The speaker's sheets: what the notebooks say, on one page each, and a path through the whole lecture."""

import re
import textwrap

import pytest

from lecturelib.workshop.live import plan, sheets
from lecturelib.workshop.live.notebooks import all_notebooks

NOTEBOOKS = list(all_notebooks())
PLAN = plan.read()
WIDTH = 110
LINES, WORDS = 60, 640  # of an A4 page, in 9 points
OF_A_TABLE = 78, 870  # its rows are shorter on paper than in Markdown


@pytest.mark.parametrize("path", sorted(sheets.FOLDER.glob("*")), ids=lambda path: path.stem)
def test_a_sheet_fits_a_page(path):
    text = path.read_text(encoding="utf-8")
    printed = [line for source in text.splitlines() for line in textwrap.wrap(source, WIDTH) or [""]]
    words = re.findall(r"\w[\w'’.,-]*", text)
    most, longest = OF_A_TABLE if path.name == sheets.PATH_SHEET else (LINES, WORDS)
    assert len(printed) <= most and len(words) <= longest, "shorten plan.toml"


def test_the_committed_sheets_are_what_the_command_writes(tmp_path):
    written = {path.name: path.read_bytes() for path in sheets.write_all(NOTEBOOKS, PLAN, tmp_path)}
    committed = {path.name: path.read_bytes() for path in sheets.FOLDER.iterdir()}
    assert committed == written, "run lecture sheets"


def test_the_plan_fits_the_notebooks():
    assert plan.faults(PLAN, NOTEBOOKS) == []
    assert {stop.notebook for stop in PLAN.path} == {nb.name for nb in NOTEBOOKS}


def test_a_sheet_names_each_section_question_and_exercise():
    nb = NOTEBOOKS[3]
    text = sheets.sheet(nb, PLAN)
    assert all(section.title.replace("$", "") in text for section in nb.sections[1:])
    assert "**over 10 times as high**; wrong: about equal / 2 to 10 times as high" in text
    for section in nb.sections:
        for question in section.questions:
            assert question.text in text and question.outcome.split(" Right was")[0] in text and question.slide
        for exercise in section.exercises:
            says = sheets.mistakes(exercise)
            assert f"(2 of {len(says)})" in text and exercise.title in text


SPOILED = {
    "no such section": ('"1. A soft dictionary" =', '"1. A hard dictionary" =', "'1. A hard dictionary'): no such"),
    "no entry": ('"2. The formula" =', '"2. A formula" =', "('03_attention', '2. The formula'): no entry"),
    "no sentence": ('say = "Attention is a soft look-up', 'say = "" # ', "03_attention: no sentence"),
    "wrong choice": ('right = ["rotary"]', 'right = ["rotated"]', "right are ['rotated'], expected one of each of"),
    "a choice too few": ('right = ["rotary"]', "right = []", "right are [], expected one of each of"),
    "no such slide": ('"write-the-weights-by-hand"', '"weights"', "no slides begin with {'weights'}"),
    "too many slides": ('show = ["1-a-few-labels"]', "", "the path takes"),
    "poll without its question": (
        '    "guess-vector-predict-after-100-steps",\n', "", "a poll, but no question whose slide and outcome are",
    ),
    "poll without any question": ('run = "run the spread', 'poll = true\nrun = "run the spread', "a poll, but no"),
    "too many polls": ("[[path]]\nnotebook", "[[path]]\npoll = true\nnotebook", "polls: expected at most 7"),
    "left out, though alone": ('topics = ["self_supervision"]', 'topics = ["self_supervision"]\nskip = 4', "the topic"),
    "no such stop": ('section = "3. Many heads"', 'section = "3. Heads"', "('04_transformers', '3. Heads'): no such"),
    "topic left out": ('topics = ["heads"]', 'topics = ["mae"]', "no stop of the path covers the topic 'heads'"),
    "unknown topic": ('topics = ["heads"]', 'topics = ["heads", "cnn"]', "covers an unknown topic 'cnn'"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "fault"), SPOILED.values(), ids=SPOILED)
def test_a_plan_that_does_not_fit_is_refused(tmp_path, old, new, fault):
    text = plan.PLAN.read_text(encoding="utf-8")
    assert old in text
    if "poll = true\nnotebook" in new:
        text = text.replace("poll = true\n", "")
    (tmp_path / "plan.toml").write_text(text.replace(old, new), encoding="utf-8")
    found = plan.faults(plan.read(tmp_path / "plan.toml"), NOTEBOOKS)
    assert any(fault in each for each in found), found
