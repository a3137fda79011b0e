"""What an instructor decides and no notebook says: `plan.toml`, read and held against the notebooks."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lecturelib.workshop.live.notebooks import OPENING, Notebook, Section

PLAN = Path(__file__).parent / "plan.toml"
MINUTES = 75


@dataclass(frozen=True)
class Stop:
    """A section on the path through the whole lecture: its minutes, the topics it covers, and what to run live."""

    notebook: str
    section: str
    minutes: int
    topics: tuple[str, ...]
    run: str


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
    found += [f"the path stops at {s.notebook}, {s.section!r}: no such section" for s in plan.path
              if (s.notebook, s.section) not in sections]  # fmt: skip
    if (total := sum(stop.minutes for stop in plan.path)) != MINUTES:
        found.append(f"the path takes {total} minutes: expected {MINUTES}")
    covered = {topic for stop in plan.path for topic in stop.topics}
    found += [f"no stop of the path covers the topic {topic!r}" for topic in plan.topics if topic not in covered]
    found += [f"the path covers an unknown topic {topic!r}" for topic in sorted(covered - set(plan.topics))]
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
