"""The speaker's sheets: one page for each notebook, and one for the whole lecture in 75 minutes."""

import importlib
import re
from collections.abc import Sequence
from pathlib import Path

from lecturelib.workshop.live.notebooks import OPENING, Exercise, Notebook, Question, Section
from lecturelib.workshop.live.plan import MINUTES, Advice, Plan

FOLDER = Path(__file__).parent / "sheets"
PATH_SHEET = "path_75.md"
SHOWN = 2  # mistakes of an exercise that fit the page; lecture mistakes NOTEBOOK prints all
_END_OF_SENTENCE = re.compile(r"(?<=[.?])\s")
_MADE = "*Written by `lecture sheets`. Slides are counted from 1.*"


def write_all(notebooks: Sequence[Notebook], plan: Plan, folder: Path = FOLDER) -> list[Path]:
    """Write every sheet; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {f"{nb.name}.md": sheet(nb, plan) for nb in notebooks} | {PATH_SHEET: path_sheet(notebooks, plan)}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return [folder / name for name in texts]


def sheet(nb: Notebook, plan: Plan) -> str:
    """Return the page of one notebook, in Markdown."""
    talk = [section for section in nb.sections if section.title != OPENING]
    total = sum(section.minutes for section in nb.sections)
    order = sorted((s for s in talk if plan.advice[nb.name, s.title].skip), key=lambda s: _skip(nb, plan, s))
    late = ", then ".join(f"{_number(s)} ({s.minutes} min)" if s.minutes else _number(s) for s in order)
    lines = [f"# {nb.title}: speaker's sheet", "", f"{nb.question} **{plan.say[nb.name]}**", ""]
    lines += [f"{total} minutes in full. Late? Leave out {late}.", "", _MADE]
    for section in talk:
        lines += ["", *_section(section, plan.advice[nb.name, section.title])]
    return "\n".join(lines) + "\n"


def path_sheet(notebooks: Sequence[Notebook], plan: Plan) -> str:
    """Return the page of the whole lecture, in Markdown."""
    sections = {(nb.name, section.title): section for nb in notebooks for section in nb.sections}
    lines = [f"# The lecture in {MINUTES} minutes", "", _MADE, ""]
    lines += ["| clock | min | notebook, section, slides | run live |", "| --- | ---: | --- | --- |"]
    clock = 0
    for stop in plan.path:
        slides = sections[stop.notebook, stop.section].slides
        where = f"{stop.notebook[:2]}: {stop.section} ({_slides(slides)})"
        lines.append(f"| {clock // 60}:{clock % 60:02} | {stop.minutes} | {where} | {stop.run} |")
        clock += stop.minutes
    lines += ["", f"The end: {clock // 60}:{clock % 60:02}.", "", "## Where each line of the lecture is", ""]
    for topic, words in plan.topics.items():
        places = [f"{stop.notebook[:2]}.{_number_of(stop.section)}" for stop in plan.path if topic in stop.topics]
        lines.append(f"- {words}: {', '.join(places)}")
    return "\n".join(lines) + "\n"


def mistakes(exercise: Exercise) -> list[str]:
    """Return what the exercise's check says to each known mistake; nothing where an exercise has no check."""
    if not exercise.module:
        return []
    check = getattr(importlib.import_module(exercise.module), exercise.check)
    return [mistake.says for mistake in check.mistakes]


def _section(section: Section, advice: Advice) -> list[str]:
    """Return the lines of one section."""
    time = f"{section.minutes} min, " if section.minutes else ""
    lines = [f"**{section.title}** ({time}{_slides(section.slides)}) {advice.say}"]
    right = iter(advice.right)
    lines += [_ask(question, next(right) if question.choices else "") for question in section.questions]
    for exercise in section.exercises:
        known = mistakes(exercise)
        usual = " / ".join(_END_OF_SENTENCE.split(says)[0] for says in known[:SHOWN])
        told = f" Usual: {usual} ({min(SHOWN, len(known))} of {len(known)})" if known else ""
        lines.append(f"- {exercise.title}.{told}")
    return lines


def _ask(question: Question, right: str) -> str:
    """Return the line of one question: what to ask, what was measured and where, and the usual wrong answers."""
    measured = question.outcome.rstrip(".")
    if not question.choices:
        return f"- Ask: {question.text} A number. Slide {question.slide}: {measured}."
    wrong = " / ".join(choice for choice in question.choices if choice != right)
    return f"- Ask: {question.text} **{right}**; wrong: {wrong}. Slide {question.slide}: {measured}."


def _slides(numbers: Sequence[int]) -> str:
    return f"slide {numbers[0]}" if len(numbers) == 1 else f"slides {numbers[0]}-{numbers[-1]}"


def _skip(nb: Notebook, plan: Plan, section: Section) -> int:
    return plan.advice[nb.name, section.title].skip or 0


def _number(section: Section) -> str:
    return _number_of(section.title)


def _number_of(title: str) -> str:
    """Return the number of a section, or its title where it has none."""
    first = title.split(". ")[0]
    return first if first.isdigit() else title
