"""What came of the hand-ins: a table for the instructor, and the most frequent mistakes for the next lecture."""

import csv
import dataclasses
import json
import os
import re
import stat
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from lecturelib.workshop.classroom.collect import Found, Limits, Result
from lecturelib.workshop.classroom.course import exercise_of
from lecturelib.workshop.classroom.files import Source, owners
from lecturelib.workshop.whole import new_table

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


class Journal:
    """The results so far, in a file beside the table: each is written as it arrives, and a later run goes on there.

    What came of a hand-in under other limits stays in the file, and is not known.
    """

    def __init__(self, table: Path, limits: Limits) -> None:
        """Open it, or begin it.

        Raises: ValueError for a file that somebody else may have put there.
        """
        self.path = table.with_name(f".{table.name}.part")
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        try:
            self.file = os.fdopen(os.open(self.path, flags, 0o600), "r+", encoding="utf-8", errors="backslashreplace")
        except OSError as problem:
            raise ValueError(f"{self.path} cannot be opened ({problem.strerror}): expected none, or yours") from None
        found = os.fstat(self.file.fileno())
        if not stat.S_ISREG(found.st_mode) or (hasattr(os, "geteuid") and found.st_uid != os.geteuid()):
            raise ValueError(f"{self.path} is not yours: delete it, or name another table with -o")
        self.limits, self.known = limits, dict[str, Result]()
        for line in self.file.read().splitlines():
            try:
                under, source, student, written, said, found = json.loads(line)
                result = Result(Source(*source), student, written, said, [Found(*each) for each in found])
                if Limits(*under) == limits:
                    self.known[json.dumps(result.source)] = result
            except (ValueError, TypeError):  # the last line of a run that was killed
                continue
        self.file.write("\n")

    def of(self, source: Source) -> Result | None:
        """Return what is known of a hand-in that has not changed since."""
        return self.known.get(json.dumps(source))

    def add(self, result: Result) -> None:
        """Write down what came of a hand-in."""
        self.file.write(json.dumps([self.limits, *dataclasses.astuple(result)]) + "\n")
        self.file.flush()

    def close(self) -> None:
        """Delete it: the table is complete."""
        self.file.close()
        self.path.unlink()


def rows(results: Sequence[Result], course: dict[str, str]) -> list[Row]:
    """Return a row for each student and notebook, in order; of several files of one student the latest one counts.

    A student is a name, within one folder if there are folders for students: two of one name are not taken for one.
    """
    found: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    homes = defaultdict(set)
    for result, (student, home) in zip(results, _names(results), strict=True):
        homes[student.casefold()].add(home)
        for row in _rows_of(result, student, course):
            found[student.casefold(), home, row.notebook].append(row)
    table = []
    for (student, home, _), same in found.items():
        others = ", ".join(plain(each) or "no folder" for each in sorted(homes[student] - {home}))
        also = f"this name also stands in: {others}" if others else ""
        table += [row._replace(note="; ".join(filter(None, (row.note, also)))) for row in _latest(same)]
    return sorted(table, key=lambda row: (row.notebook, row.student.casefold(), row.file))


def plain(text: str, length: int = NAME) -> str:
    """Return a text that a spreadsheet and a terminal show as text: one line, nothing hidden, no formula."""
    text = " ".join(unicodedata.normalize("NFKC", text[: 10 * length]).split())
    text = "".join(c for c in text if not unicodedata.category(c).startswith("C"))[:length].strip()
    return f"'{text}" if _FORMULA.match(text) else text


def write_table(path: Path, table: Sequence[Row], course: dict[str, str]) -> None:
    """Write the table as CSV into a new file: a column for each exercise of the notebooks that occur.

    Raises: FileExistsError where there is a file already.
    """
    notebooks = {row.notebook for row in table}
    checks = [check for check, notebook in course.items() if notebook in notebooks]
    lines = [["student", "notebook", "file", "note", *(title(check, course) for check in checks)]]
    for row in table:
        own = {check: MISSING for check in checks if course[check] == row.notebook}
        own |= {check: found.name for check, found in row.verdicts.items()}
        lines.append([row.student, row.notebook, row.file, row.note, *(own.get(check, "") for check in checks)])
    with new_table(path) as file:  # half a table would keep the next run from writing it
        csv.writer(file).writerows(lines)


def best(found: Sequence[Found]) -> dict[str, Found]:
    """Return what counts for each check: a right answer, or else the last one that is not empty."""
    counts: dict[str, Found] = {}
    for each in found:
        counts[each.check] = max(each, counts.get(each.check, each), key=_worth)
    return counts


def title(check: str, course: dict[str, str]) -> str:
    """Return the heading of an exercise's column: the notebook's number and the exercise's name."""
    return f"{course[check].partition('_')[0]} {exercise_of(check).name}"


def summary(table: Sequence[Row], course: dict[str, str]) -> Iterator[str]:
    """Yield the lines for the hall: of each exercise how many are right, and its most frequent mistakes."""
    for check, notebook in course.items():
        found = [row.verdicts.get(check) for row in table if row.notebook == notebook]
        given = [each for each in found if each]
        if not given:
            continue
        names = Counter(each.name for each in given)
        says = {each.name: each.says.partition(": ")[2].removeprefix("not yet. ") for each in given}
        right, missing = names.pop("right", 0), len(found) - len(given)
        open_ = names.pop(UNSOLVED, 0) + missing
        yield f"{title(check, course)}: {right} of {len(found)} right, {open_} not solved yet"
        for name, count in names.most_common(SHOWN):
            yield f"  {count:4} {name}{': ' + says[name] if name in exercise_of(check).mistakes else ''}"


def _names(results: Sequence[Result]) -> Iterator[tuple[str, str]]:
    """Yield whose each result is: the name that it gives, or its folder's, or its file's; and the student's folder."""
    owner = owners([result.source.place for result in results])
    claimed = defaultdict(set)
    for result in results:
        if result.student:
            claimed[owner[result.source.place]].add(result.student)
    for result in results:
        home = owner[result.source.place]
        alone = next(iter(claimed[home])) if home and len(claimed[home]) == 1 else ""
        folder, file = PurePosixPath(home).name.removesuffix(".zip"), PurePosixPath(result.source.place).stem
        yield plain(result.student or alone or folder or file) or "(no name)", home


def _latest(same: Sequence[Row]) -> list[Row]:
    """Return the row that counts, of a student and notebook, with a note on the others; or all that hold nothing."""
    *earlier, last = sorted(same, key=lambda row: (row.written, _rights(row), row.file))
    if not last.notebook:
        return [*earlier, last]
    others = ", ".join(row.file for row in earlier)
    return [last._replace(note=f"{len(same)} files, the latest counts; not: {others}") if earlier else last]


def _rows_of(result: Result, student: str, course: dict[str, str]) -> Iterator[Row]:
    """Yield a row for each notebook of which a file holds an exercise; without any, one that says why."""
    counts = {check: each for check, each in best(result.found).items() if check in course}
    written, file = result.written or result.source.time, plain(result.source.place, 200)
    notebooks = dict.fromkeys(course[check] for check in counts)
    for notebook in notebooks:
        verdicts = {check: each for check, each in counts.items() if course[check] == notebook}
        yield Row(student, notebook, file, "", verdicts, written)
    if not notebooks:
        problem = f"not readable: {result.problem}" if result.problem else "holds no exercise of the course"
        yield Row(student, "", file, plain(problem, 200), {}, written)


def _rights(row: Row) -> int:
    return sum(each.name == "right" for each in row.verdicts.values())


def _worth(found: Found) -> int:
    return 2 if found.name == "right" else int(found.name not in (UNSOLVED, "in a text cell"))
