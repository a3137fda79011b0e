"""What an instructor decides and no notebook says: `plan.toml`, read and held against the notebooks."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lecturelib.workshop.live.notebooks import (
    MINUTES_A_QUESTION,
    OPENING,
    Notebook,
    Question,
    Section,
    Slide,
)

PLAN = Path(__file__).parent / "plan.toml"

# The path through the whole lecture. Its minutes are whole ones, and those of the clock are not.
MINUTES = 75
POLLS = 7
MINUTES_A_NOTEBOOK = 0.25  # to open the next one
TOLERANCE = 0.75  # minutes, of one stop
TOLERANCE_IN_ALL = 1.5


@dataclass(frozen=True)
class Stop:
    """A section on the path through the whole lecture: its minutes, the topics it covers, and what to run live.

    `show` names the slides that are shown, each by the id of its first cell: all, if there are none. With `poll` the
    hall votes on the section's question. If one is late, the stops with a `skip` are left out: 1 first.
    """

    notebook: str
    section: str
    minutes: int
    topics: tuple[str, ...]
    run: str
    show: tuple[str, ...] = ()
    poll: bool = False
    skip: int | None = None

    def shows(self, slide: Slide) -> bool:
        """Whether a slide of the section is shown."""
        return not self.show or slide.cells[0] in self.show

    def slides(self, section: Section) -> list[Slide]:
        """The slides of the section that are shown."""
        return [slide for slide in section.slides if self.shows(slide)]

    def question(self, section: Section) -> Question | None:
        """The question that the hall votes on."""
        return next((q for q in section.questions if q.choices), None) if self.poll else None


@dataclass(frozen=True)
class Advice:
    """What to say in a section, which choice of each question is right, and when to leave the section out."""

    say: str
    right: tuple[str, ...] = ()
    skip: int | None = None


@dataclass(frozen=True)
class Plan:
    """The topics of the lecture, the path through it, and by notebook (and section) what to say."""

    topics: Mapping[str, str]
    path: Sequence[Stop]
    say: Mapping[str, str]
    advice: Mapping[tuple[str, str], Advice]


def read(file: Path = PLAN) -> Plan:
    """Read the plan.

    Raises: ValueError for a table that holds something unknown, or lacks something.
    """
    with file.open("rb") as stream:
        content = tomllib.load(stream)
    topics = content.pop("topics", {})
    path = [_make(Stop, stop, f"path stop {n}") for n, stop in enumerate(content.pop("path", []), start=1)]
    advice = {
        (notebook, section): _make(Advice, given, f"{notebook}, {section!r}")
        for notebook, table in content.items()
        for section, given in table.get("sections", {}).items()
    }
    return Plan(topics, path, {name: table.get("say", "") for name, table in content.items()}, advice)


def faults(plan: Plan, notebooks: Sequence[Notebook]) -> list[str]:
    """Say where the plan does not fit the notebooks, or itself."""
    sections = {(nb.name, section.title): section for nb in notebooks for section in nb.sections}
    needed = [at for at in sections if at[1] != OPENING]
    found = [f"{at[0]} has no section {at[1]!r}" for at in plan.advice if at not in sections]
    found += [f"{at[0]}, {at[1]!r} has no entry" for at in needed if at not in plan.advice]
    found += [f"{nb.name} has no sentence to say" for nb in notebooks if not plan.say.get(nb.name)]
    for at, given in plan.advice.items():
        if at in sections:
            found += [f"{at[0]}, {at[1]!r}: {fault}" for fault in _wrong(given, sections[at])]
    return found + _faults_of_path(plan, sections)


def _clock(plan: Plan, sections: Mapping[tuple[str, str], Section]) -> list[float]:
    """Return the minutes that each stop of the path takes, by the clock of the notebooks."""
    taken, open_now = [], plan.path[0].notebook if plan.path else ""
    for stop in plan.path:
        section = sections[stop.notebook, stop.section]
        talk = sum(slide.minutes for slide in stop.slides(section))
        taken.append(talk + MINUTES_A_QUESTION * stop.poll + MINUTES_A_NOTEBOOK * (stop.notebook != open_now))
        open_now = stop.notebook
    return taken


def _faults_of_path(plan: Plan, sections: Mapping[tuple[str, str], Section]) -> list[str]:
    """Say where the path does not fit the notebooks, the topics or its time."""
    found = [f"the path stops at {s.notebook}, {s.section!r}: no such section" for s in plan.path
             if (s.notebook, s.section) not in sections]  # fmt: skip
    if (total := sum(stop.minutes for stop in plan.path)) != MINUTES:
        found.append(f"the path takes {total} minutes: expected {MINUTES}")
    if (polls := sum(stop.poll for stop in plan.path)) > POLLS:
        found.append(f"the path has {polls} polls: expected at most {POLLS}")
    for words, stops in (
        ("no stop of the path covers the topic", plan.path),
        ("who is late leaves out all stops that cover the topic", [s for s in plan.path if not s.skip]),
    ):
        covered = {topic for stop in stops for topic in stop.topics}
        found += [f"{words} {topic!r}" for topic in plan.topics if topic not in covered]
    named = {topic for stop in plan.path for topic in stop.topics}
    found += [f"the path covers an unknown topic {topic!r}" for topic in sorted(named - set(plan.topics))]
    if any((s.notebook, s.section) not in sections for s in plan.path):
        return found
    for stop, minutes in zip(plan.path, taken := _clock(plan, sections), strict=True):
        at, section = f"the path at {stop.notebook}, {stop.section!r}", sections[stop.notebook, stop.section]
        starts, slides = [slide.cells[0] for slide in section.slides], {s.number for s in stop.slides(section)}
        found += [f"{at}, shows {cell!r}: no slide there begins with it" for cell in stop.show if cell not in starts]
        if abs(stop.minutes - minutes) > TOLERANCE:
            found.append(f"{at}, is given {stop.minutes} minutes, and takes {minutes:.1f}")
        question = stop.question(section)
        if stop.poll and (question is None or not {question.asked, question.slide} <= slides):
            found.append(f"{at}, has a poll, but no question whose slide and outcome are shown")
    if abs(sum(taken) - MINUTES) > TOLERANCE_IN_ALL:
        found.append(f"the path takes {sum(taken):.1f} minutes by the clock: expected {MINUTES}")
    return found


def _wrong(given: Advice, section: Section) -> list[str]:
    """Say which right answers of one section are none of the choices."""
    choices = [question.choices for question in section.questions if question.choices]
    if len(choices) != len(given.right):
        return [f"{len(choices)} questions with choices, but {len(given.right)} right answers"]
    return [f"{r!r} is none of the choices {c}" for r, c in zip(given.right, choices, strict=True) if r not in c]


def _make(kind: type, table: Mapping[str, Any], place: str) -> Any:
    """Make one entry of the plan."""
    try:
        return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in table.items()})
    except TypeError as error:
        fields = ", ".join(kind.__dataclass_fields__)  # type: ignore[attr-defined]
        raise ValueError(f"plan.toml, {place}: {error}; expected {fields}") from None
