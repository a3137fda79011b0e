"""What came of the hand-ins: a table for the instructor, and the most frequent mistakes for the next lecture."""

from __future__ import annotations

import csv
import importlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lecturelib.workshop.classroom.collect import Found, Result
from lecturelib.workshop.classroom.course import Lesson

NAME = 80  # characters of a name in the table
UNSOLVED = "not solved yet"
MISSING = "not handed in"
SHOWN = 10  # mistakes of an exercise in the summary
_FORMULA = re.compile(r"\s*[=+\-@|%]")  # what a spreadsheet would compute


class Row(NamedTuple):
    """A line of the table: the verdict of each exercise by its check, and the time at which the file was written."""

    student: str
    notebook: str
    file: str
    note: str
    verdicts: dict[str, Found]
    written: float = 0.0


def rows(results: Sequence[Result], course: dict[str, Lesson], folder: Path) -> list[Row]:
    """Return a row for each student and notebook, in order; of several files of one student the latest one counts."""
    found: dict[tuple[str, str], list[Row]] = {}
    for result in results:
        for row in _rows_of(result, course, folder):
            found.setdefault((row.student.casefold(), row.notebook), []).append(row)
    table = []
    for same in found.values():
        *earlier, last = sorted(same, key=lambda row: (row.written, row.file))
        if earlier:
            others = ", ".join(row.file for row in earlier)
            last = last._replace(note=f"{last.note} {len(same)} files, the latest counts; not: {others}".strip())
        table.append(last)
    return sorted(table, key=lambda row: (row.notebook, row.student.casefold()))


def plain(text: str, length: int = NAME) -> str:
    """Return a text that a spreadsheet and a terminal show as text: one line, nothing hidden, no formula."""
    text = " ".join(unicodedata.normalize("NFKC", text[: 10 * length]).split())
    text = "".join(c for c in text if not unicodedata.category(c).startswith("C"))[:length].strip()
    return f"'{text}" if _FORMULA.match(text) else text


def write_table(path: Path, table: Sequence[Row], course: dict[str, Lesson]) -> None:
    """Write the table as CSV, in one step: a column for each exercise of the notebooks that occur."""
    notebooks = {row.notebook for row in table}
    checks = [lesson.check for lesson in course.values() if lesson.notebook in notebooks]
    draft = path.with_name(f".{path.name}.tmp")
    with draft.open("w", encoding="utf-8-sig", newline="") as file:  # with the mark by which Excel knows UTF-8
        writer = csv.writer(file)
        writer.writerow(["student", "notebook", "file", "note", *(title(course[check]) for check in checks)])
        for row in table:
            of_notebook = [course[check].notebook == row.notebook for check in checks]
            cells = [
                row.verdicts.get(check, Found(check, MISSING)).name if own else ""
                for check, own in zip(checks, of_notebook, strict=True)
            ]
            writer.writerow([row.student, row.notebook, row.file, row.note, *cells])
    os.replace(draft, path)


def title(lesson: Lesson) -> str:
    """Return the heading of an exercise's column: the notebook's number and the exercise's name."""
    name = getattr(importlib.import_module(lesson.module), lesson.check).name
    return f"{lesson.notebook.partition('_')[0]} {name}"


def summary(table: Sequence[Row], course: dict[str, Lesson]) -> Iterator[str]:
    """Yield the lines for the hall: of each exercise how many are right, and its most frequent mistakes."""
    for lesson in course.values():
        found = [row.verdicts.get(lesson.check) for row in table if row.notebook == lesson.notebook]
        given = [each for each in found if each]
        if not given:
            continue
        names = Counter(each.name for each in given)
        says = {each.name: each.says.partition(": ")[2].removeprefix("not yet. ") for each in given}
        right, missing = names.pop("right", 0), len(found) - len(given)
        open_ = names.pop(UNSOLVED, 0) + missing
        yield f"{title(lesson)}: {right} of {len(found)} right, {open_} not solved yet"
        for name, count in names.most_common(SHOWN):
            known = name in _mistakes(lesson)
            yield f"  {count:4} {name}{': ' + says[name] if known else ''}"


def _mistakes(lesson: Lesson) -> set[str]:
    exercise = getattr(importlib.import_module(lesson.module), lesson.check)
    return {mistake.name for mistake in exercise.mistakes}


def _rows_of(result: Result, course: dict[str, Lesson], folder: Path) -> Iterator[Row]:
    """Yield a row for each notebook of which a file holds an exercise; without any, one that says why."""
    file = result.path.relative_to(folder)
    student = plain(result.student or (file.parts[0] if len(file.parts) > 1 else file.stem)) or "(no name)"
    written = result.path.lstat().st_mtime
    best: dict[str, Found] = {}
    for found in result.found:
        best[found.check] = max(found, best.get(found.check, found), key=_worth)
    notebooks = dict.fromkeys(course[check].notebook for check in best)
    for notebook in notebooks:
        verdicts = {check: found for check, found in best.items() if course[check].notebook == notebook}
        yield Row(student, notebook, plain(str(file), 200), "", verdicts, written)
    if not notebooks:
        problem = f"not readable: {result.problem}" if result.problem else "holds no exercise of the course"
        yield Row(student, "", plain(str(file), 200), plain(problem, 200), {}, written)


def _worth(found: Found) -> int:
    """Of several copies of an exercise a right one counts; else the last one that is not empty."""
    return 2 if found.name == "right" else int(found.name != UNSOLVED)
