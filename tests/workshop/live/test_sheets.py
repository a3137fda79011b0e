"""The speaker's sheets: what the notebooks say, on one page each, and a path through the whole lecture."""

import re
import textwrap

import pytest

from lecturelib.workshop.live import plan, sheets
from lecturelib.workshop.live.notebooks import all_notebooks, read
from lecturelib.workshop.notebooks import find

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
    assert len(printed) <= most and len(words) <= longest, (
        f"{len(printed)} lines, {len(words)} words: shorten plan.toml"
    )


def test_the_committed_sheets_are_what_the_command_writes(tmp_path):
    written = {path.name: path.read_bytes() for path in sheets.write_all(NOTEBOOKS, PLAN, tmp_path)}
    committed = {path.name: path.read_bytes() for path in sheets.FOLDER.iterdir()}
    assert committed == written, "run lecture sheets"


def test_the_plan_fits_the_notebooks_and_takes_75_minutes():
    assert plan.faults(PLAN, NOTEBOOKS) == []
    assert {stop.notebook for stop in PLAN.path} == {nb.name for nb in NOTEBOOKS}
    assert sum(stop.minutes for stop in PLAN.path) == 75 and 0 < sum(stop.poll for stop in PLAN.path) <= 7


def test_the_sheet_of_the_path_says_which_slides_what_to_poll_and_what_to_leave_out():
    text = sheets.path_sheet(NOTEBOOKS, PLAN)
    assert "| 0:23 | 8 | 03: 6. One vector or a look-up (slides 26-27, 30, 33-35) | **poll**;" in text
    asked = "After 100 steps attention gets about 99 of 100 dates right. One vector:"
    assert f"- 03.6: {asked} **50 to 90**; wrong: below 50 /" in text
    assert text.count("**poll**") == sum(stop.poll for stop in PLAN.path) == text.count("; wrong: ")
    assert "Late? Leave out 07.5 (3 min), then 06.5 (6 min), then 02.4 (6 min)." in text


def test_a_sheet_names_each_section_question_and_exercise():
    nb = read(find("03"))
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
    "no such section": (
        '"1. A soft dictionary" =',
        '"1. A hard dictionary" =',
        "has no section '1. A hard dictionary'",
    ),
    "no entry": ('"2. The formula" =', '"2. A formula" =', "03_attention, '2. The formula' has no entry"),
    "no sentence": ('say = "Attention is a soft look-up', 'say = "" # ', "03_attention has no sentence"),
    "wrong choice": ('right = ["rotary"]', 'right = ["rotated"]', "'rotated' is none of the choices"),
    "a choice too few": ('right = ["rotary"]', "right = []", "1 questions with choices, but 0 right"),
    "minutes": ("minutes = 8", "minutes = 9", "takes 76 minutes: expected 75"),
    "minutes of no clock": (
        "minutes = 8",
        "minutes = 9",
        "'6. One vector or a look-up', is given 9 minutes, and takes",
    ),
    "no such slide": ('"write-the-weights-by-hand"', '"weights"', "shows 'weights': no slide there begins with it"),
    "too many slides": ('show = ["1-a-few-labels"]', "", "'1. A few labels', is given 1 minutes, and takes"),
    "poll without its question": (
        '    "guess-vector-predict-after-100-steps",\n',
        "",
        "'6. One vector or a look-up', has a poll, but no question whose slide and outcome are shown",
    ),
    "poll without any question": (
        'run = "run the spread',
        'poll = true\nrun = "run the spread',
        "has a poll, but no question",
    ),
    "left out, though alone": (
        'topics = ["self_supervision"]',
        'topics = ["self_supervision"]\nskip = 4',
        "who is late leaves out all stops that cover the topic 'self_supervision'",
    ),
    "no such stop": ('section = "3. Many heads"', 'section = "3. Heads"', "stops at 04_transformers, '3. Heads'"),
    "topic left out": ('topics = ["heads"]', 'topics = ["mae"]', "no stop of the path covers the topic 'heads'"),
    "unknown topic": ('topics = ["heads"]', 'topics = ["heads", "cnn"]', "covers an unknown topic 'cnn'"),
}


def test_more_than_seven_polls_are_refused(tmp_path):
    text = plan.PLAN.read_text(encoding="utf-8").replace("poll = true\n", "")
    (tmp_path / "plan.toml").write_text(text.replace("[[path]]\n", "[[path]]\npoll = true\n", 8), encoding="utf-8")
    found = plan.faults(plan.read(tmp_path / "plan.toml"), NOTEBOOKS)
    assert "the path has 8 polls: expected at most 7" in found


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
