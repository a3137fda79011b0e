"""What an instructor decides and no notebook says: `plan.toml`, read and held against the notebooks."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lecturelib.workshop.live.notebooks import MINUTES_A_QUESTION, OPENING, Notebook, Question, Section, Slide

PLAN = Path(__file__).parent / "plan.toml"

# The path through the whole lecture.
MINUTES = 75
POLLS = 7
MINUTES_A_NOTEBOOK = 0.25  # to open the next one


@dataclass(frozen=True)
class Stop:
    """A section on the path through the whole lecture: the topics it covers, and what to run live.

    `show` names the slides that are shown, each by the id of its first cell: all, if there are none. With `poll` the
    hall votes on the section's question. If one is late, the stops with a `skip` are left out: 1 first.
    """

    notebook: str
    section: str
    topics: Sequence[str]
    run: str
    show: Sequence[str] = ()
    poll: bool = False
    skip: int = 0

    def slides(self, section: Section) -> list[Slide]:
        """The slides of the section that are shown."""
        return [slide for slide in section.slides if not self.show or slide.cells[0] in self.show]

    def question(self, section: Section) -> Question | None:
        """The question that the hall votes on."""
        return next((q for q in section.questions if q.choices), None) if self.poll else None


@dataclass(frozen=True)
class Advice:
    """What to say in a section, which choice of each question is right, and when to leave the section out."""

    say: str
    right: Sequence[str] = ()
    skip: int = 0


@dataclass(frozen=True)
class Plan:
    """The topics of the lecture, the path through it, and by notebook (and section) what to say."""

    topics: Mapping[str, str]
    path: Sequence[Stop]
    say: Mapping[str, str]
    advice: Mapping[tuple[str, str], Advice]


def read(file: Path = PLAN) -> Plan:
    """Read the plan."""
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    topics, path = content.pop("topics"), [Stop(**stop) for stop in content.pop("path")]
    advice = {
        (notebook, section): Advice(**given)
        for notebook, table in content.items()
        for section, given in table["sections"].items()
    }
    return Plan(topics, path, {name: table["say"] for name, table in content.items()}, advice)


def clock(path: Sequence[Stop], sections: Mapping[tuple[str, str], Section]) -> list[int]:
    """Return the minutes of each stop, by the clock of the notebooks."""
    minutes = []
    for stop, before in zip(path, [path[0], *path], strict=False):
        talk = sum(slide.minutes for slide in stop.slides(sections[stop.notebook, stop.section]))
        opening = MINUTES_A_NOTEBOOK * (stop.notebook != before.notebook)
        minutes.append(max(1, round(talk + opening + MINUTES_A_QUESTION * stop.poll)))
    return minutes


def faults(plan: Plan, notebooks: Sequence[Notebook]) -> list[str]:
    """Say where the plan does not fit the notebooks, or itself."""
    sections = {(nb.name, section.title): section for nb in notebooks for section in nb.sections}
    stops = [(stop.notebook, stop.section) for stop in plan.path]
    found = [f"{at}: no such section" for at in [*plan.advice, *stops] if at not in sections]
    found += [f"{at}: no entry" for at in sections if at not in plan.advice and at[1] != OPENING]
    found += [f"{nb.name}: no sentence to say" for nb in notebooks if not plan.say.get(nb.name)]
    for topic in plan.topics.keys() - {topic for stop in plan.path if not stop.skip for topic in stop.topics}:
        found.append(f"no stop of the path covers the topic {topic!r}, or none of those that nobody leaves out")
    for topic in {topic for stop in plan.path for topic in stop.topics} - plan.topics.keys():
        found.append(f"the path covers an unknown topic {topic!r}")
    if (polls := sum(stop.poll for stop in plan.path)) > POLLS:
        found.append(f"the path has {polls} polls: expected at most {POLLS}")
    if found:
        return found
    for at, given in plan.advice.items():
        asked = [question.choices for question in sections[at].questions if question.choices]
        wrong = [right for right, choices in zip(given.right, asked, strict=False) if right not in choices]
        if wrong or len(asked) != len(given.right):
            found.append(f"{at}: right are {given.right}, expected one of each of {asked}")
    for at, stop in zip(stops, plan.path, strict=True):
        shown = stop.slides(sections[at])
        if len(shown) < len(stop.show):
            found.append(f"{at}: no slides begin with {set(stop.show) - {slide.cells[0] for slide in shown}}")
        asked_at = stop.question(sections[at])
        if stop.poll and not (asked_at and {asked_at.asked, asked_at.slide} <= {slide.number for slide in shown}):
            found.append(f"{at}: a poll, but no question whose slide and outcome are shown")
    if (total := sum(clock(plan.path, sections))) != MINUTES:
        found.append(f"the path takes {total} minutes: expected {MINUTES}")
    return found
