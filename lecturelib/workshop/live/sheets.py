"""The speaker's sheets: one page for each notebook, and one for the whole lecture in 75 minutes."""

import importlib
import re
from collections.abc import Sequence
from pathlib import Path

from lecturelib.workshop.live.notebooks import OPENING, Exercise, Notebook, Question, Section, Slide
from lecturelib.workshop.live.plan import MINUTES, Advice, Plan, Stop, clock

FOLDER = Path(__file__).parent / "sheets"
PATH_SHEET = "path_75.md"
SHOWN = 2  # mistakes of an exercise that fit the page; lecture mistakes NOTEBOOK prints all
_END_OF_SENTENCE = re.compile(r"(?<=[.?])\s")
_ELSEWHERE = "see "  # what an outcome says where the numbers stand above it, or are the student's own
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
    skips = {section.title: plan.advice[nb.name, section.title].skip for section in talk}
    order = sorted((s for s in talk if skips[s.title] and s.minutes), key=lambda s: skips[s.title])
    late = ", then ".join(f"{_number(s.title)} ({s.minutes} min)" for s in order)
    lines = [f"# {nb.title}: speaker's sheet", "", f"{nb.question} **{plan.say[nb.name]}**", ""]
    lines += [f"{total} minutes in full. Late? Leave out {late}.", "", _MADE]
    for section in talk:
        lines += ["", *_section(section, plan.advice[nb.name, section.title])]
    return "\n".join(lines) + "\n"


def path_sheet(notebooks: Sequence[Notebook], plan: Plan) -> str:
    """Return the page of the whole lecture, in Markdown."""
    sections = {(nb.name, section.title): section for nb in notebooks for section in nb.sections}
    stops = list(zip(plan.path, clock(plan.path, sections), strict=True))
    late = sorted((stop.skip, f"{_place(stop)} ({taken} min)") for stop, taken in stops if stop.skip)
    lines = [f"# The lecture in {MINUTES} minutes", "", f"{_MADE} `lecture live --path` shows these slides alone.", ""]
    lines += [f"Late? Leave out {', then '.join(place for _, place in late)}.", ""]
    lines += ["| clock | min | notebook, section, slides | show, run or play |", "| --- | ---: | --- | --- |"]
    now = 0
    for stop, taken in stops:
        slides = stop.slides(sections[stop.notebook, stop.section])
        where = f"{stop.notebook[:2]}: {_plain(stop.section)} ({_slides(slides)})"
        run = f"**poll**; {stop.run}" if stop.poll else stop.run
        lines.append(f"| {now // 60}:{now % 60:02} | {taken} | {where} | {run} |")
        now += taken
    lines += [f"| {now // 60}:{now % 60:02} | | the end | |", "", "## The polls, 2 minutes each", ""]
    for stop in plan.path:
        if question := stop.question(sections[stop.notebook, stop.section]):
            asked = [q for q in sections[stop.notebook, stop.section].questions if q.choices]
            right = plan.advice[stop.notebook, stop.section].right[asked.index(question)]
            lines.append(_ask(question, right, f"{_place(stop)}: "))
    lines += ["", "## Where each line of the lecture is", ""]
    for topic, words in plan.topics.items():
        places = [_place(stop) for stop in plan.path if topic in stop.topics]
        lines.append(f"{words}: **{', '.join(places)}**.")
    return "\n".join(lines) + "\n"


def mistakes(exercise: Exercise) -> list[str]:
    """Return what the exercise's check says to each known mistake; nothing where an exercise has no check."""
    if not exercise.module:
        return []
    check = getattr(importlib.import_module(exercise.module), exercise.check)
    return list(check.mistakes.values())


def _section(section: Section, advice: Advice) -> list[str]:
    """Return the lines of one section."""
    time = f"{section.minutes} min, " if section.minutes else ""
    lines = [f"**{_plain(section.title)}** ({time}{_slides(section.slides)}) {advice.say}"]
    right = iter(advice.right)
    for question in section.questions:
        answer = next(right) if question.choices else ""
        if not (section.exercises and question.outcome.startswith(_ELSEWHERE)):  # that depends on who solves it
            lines.append(_ask(question, answer))
    for exercise in section.exercises:
        known = mistakes(exercise)
        usual = " / ".join(_END_OF_SENTENCE.split(says)[0] for says in known[:SHOWN])
        told = f" Usual: {usual} ({min(SHOWN, len(known))} of {len(known)})" if known else ""
        lines.append(f"- {exercise.title.rstrip('?.')}.{told}")
    return lines


def _ask(question: Question, right: str, place: str = "Ask: ") -> str:
    """Return the line of one question: what to ask, what was measured and where, and the usual wrong answers."""
    measured = question.outcome.split(" Right was:")[0].rstrip(".")
    found = f" Slide {question.slide}: {measured}." if measured else ""
    if measured.startswith(_ELSEWHERE):
        found = f" Slide {question.slide} shows it."
    if not question.choices:
        return f"- {place}{question.text} A number.{found}"
    wrong = " / ".join(choice for choice in question.choices if choice != right)
    return f"- {place}{question.text} **{right}**; wrong: {wrong}.{found}"


def _slides(slides: Sequence[Slide]) -> str:
    """Return the numbers of slides, those in a row as first and last."""
    rows: list[list[int]] = []
    for number in (slide.number for slide in slides):
        if rows and rows[-1][-1] == number - 1:
            rows[-1].append(number)
        else:
            rows.append([number])
    said = ", ".join(str(row[0]) if len(row) == 1 else f"{row[0]}-{row[-1]}" for row in rows)
    return f"slide {said}" if len(slides) == 1 else f"slides {said}"


def _place(stop: Stop) -> str:
    return f"{stop.notebook[:2]}.{_number(stop.section)}"


def _plain(title: str) -> str:
    """Return a title as it is printed where no formula is set."""
    return title.replace("$", "")


def _number(title: str) -> str:
    """Return the number of a section, or its title where it has none."""
    first = title.split(". ")[0]
    return first if first.isdigit() else title
