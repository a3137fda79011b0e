"""The student's side: one small file with the exercises of a notebook, to be given to whoever collects them."""

import json
import os
import re
import sys
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from lecturelib.workshop.classroom.cells import attempts
from lecturelib.workshop.classroom.collect import Limits, collect
from lecturelib.workshop.classroom.course import exercises, read
from lecturelib.workshop.classroom.files import Source
from lecturelib.workshop.classroom.sandbox import SAME_ACCOUNT, Sandbox
from lecturelib.workshop.classroom.table import best


def hand_in(name: str, folder: str | Path = ".") -> None:
    """Write what the cells of this notebook's kernel hold of exercises into a file, and say what the table will say.

    Call it in a cell of the notebook, after the exercises were run. It needs no saved notebook, so it works in Binder,
    in Colab and at home alike.

    Raises: ValueError without a name, or where no exercise was run.
    """
    cells = vars(sys.modules["__main__"]).get("In", ())
    print(write(name, "", [each for each in cells if isinstance(each, str)], [], Path(folder)))


def hand_in_file(notebook: Path, name: str) -> str:
    """Write what a saved notebook holds of exercises into a file; return what the table will say, for the student.

    Raises: ValueError without a name, or for a file that is no notebook or holds no exercise.
    """
    try:
        _, _, parts, texts = read(notebook.read_bytes())
    except OSError as problem:
        raise ValueError(f"{notebook} cannot be read ({problem.strerror}): expected a saved notebook") from None
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"{notebook} is no notebook ({problem}): save it in Jupyter, and try again") from None
    return write(name, notebook.stem, [cell for part in parts for cell in part], texts, Path("."))


def write(name: str, notebook: str, cells: list[str], texts: Sequence[str], folder: Path) -> str:
    """Write the file, judge it in a fresh process as the collector will, and return a text about it.

    Raises: ValueError without a name or an exercise.
    """
    name = " ".join(name.split())
    if not name:
        raise ValueError("the name is empty: expected yours, as in --name 'Ada L.'")
    found = attempts(cells, exercises(), texts)
    misplaced = [each.fault[1] for each in found if each.fault]
    found = [each for each in found if not each.fault]
    if not found:
        hint = "".join(f"\n{each}" for each in misplaced)
        raise ValueError(f"{notebook or 'this kernel'} holds no exercise: expected a cell that calls check_…(…){hint}")
    given = [{"check": each.check, "source": each.written} for each in found]
    written = datetime.now(UTC).isoformat(timespec="seconds")
    topic = notebook or exercises()[found[-1].check].rpartition(".")[2]
    content = {"student": name, "notebook": topic, "written": written, "exercises": given}
    path = _saved(folder, f"{topic}-{_slug(name)}", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    source = Source(str(path), [], path.name, 0.0)
    (result,) = collect([source], Sandbox(SAME_ACCOUNT), Limits())
    lines = [f"  {each.says or f'{each.check}: {each.name}'}" for each in best(result.found).values()]
    wrong = {each.name for each in best(result.found).values()} - {"right", "not solved yet"}
    if result.problem or wrong & {"error", "not readable"}:
        lines.append("It was run from nothing, as it will be for the table. Right in the notebook? Then restart its "
                     "kernel, run all its cells, and call this again.")  # fmt: skip
    return "\n".join([f"{path} is for {name}. The table will say:", *lines, *misplaced, f"Hand in {path.name}."])


def _saved(folder: Path, name: str, text: str) -> Path:
    """Write a new file; one that is there is never overwritten."""
    places = (folder / f"{name}{f'-{n}' if n > 1 else ''}.json" for n in count(1))
    path = next(each for each in places if not os.path.lexists(each))
    try:
        with path.open("x", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as problem:
        raise ValueError(f"{path} cannot be written ({problem.strerror}): expected a folder of yours") from None
    return path


def _slug(name: str) -> str:
    """Return a name as part of a file's name: letters of all scripts, Latin ones without accents."""
    text = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not "\u0300" <= c <= "\u036f")
    return re.sub(r"\W+", "-", unicodedata.normalize("NFC", text)).strip("-")[:40] or "student"
