"""The student's side: one small file with the exercises of a notebook, to be given to whoever collects them."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lecturelib.workshop.classroom.cells import Attempt, attempts, parse
from lecturelib.workshop.classroom.course import code_cells, source_of

FORMAT = 1


class _AnyCheck:
    def __contains__(self, name: object) -> bool:
        return True


def hand_in(name: str, folder: str | Path = ".") -> None:
    """Write what the cells of this notebook's kernel hold of exercises into a file, and say what is in it.

    Call it in a cell of the notebook, after the exercises were run. It needs no saved notebook, so it works in Binder,
    in Colab and at home alike.

    Raises: ValueError without a name, or where no exercise was run.
    """
    names = vars(sys.modules["__main__"])
    found = attempts([cell for cell in names.get("In", ()) if isinstance(cell, str)], _AnyCheck())
    said = {attempt: _verdict(attempt, names) for attempt in found}
    print(write(name, _topic(found), found, said, Path(folder)))


def hand_in_file(notebook: Path, name: str, folder: Path = Path(".")) -> str:
    """Write what a saved notebook holds of exercises into a file; return what is in it, for the student to read.

    Raises: ValueError without a name, or for a file that is no notebook or holds no exercise.
    """
    try:
        content = json.loads(notebook.read_text(encoding="utf-8"))
        found = attempts(code_cells(content), _AnyCheck())
    except OSError as problem:
        raise ValueError(f"{notebook} cannot be read ({problem.strerror}): expected a saved notebook") from None
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"{notebook} is no notebook ({problem}): save it in Jupyter, and try again") from None
    said = {attempt: _printed(attempt, content["cells"]) for attempt in found}
    return write(name, notebook.stem, found, said, folder)


def write(name: str, notebook: str, found: list[Attempt], said: dict[Attempt, str], folder: Path) -> str:
    """Write the file and return a text about it.

    Raises: ValueError without a name or an exercise.
    """
    name = " ".join(name.split())
    if not name:
        raise ValueError("the name is empty: expected yours, as in --name 'Ada L.'")
    if not found:
        raise ValueError(f"{notebook or 'this kernel'} holds no exercise: expected a cell that calls check_…(…)")
    exercises = [{"check": each.check, "source": each.written, "said": said[each]} for each in found]
    written = datetime.now(UTC).isoformat(timespec="seconds")
    content = {"format": FORMAT, "student": name, "notebook": notebook, "written": written, "exercises": exercises}
    path = folder / f"{notebook or 'exercises'}-{_slug(name)}.json"
    draft = path.with_name(f".{path.name}.tmp")
    try:
        draft.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(draft, path)
    except OSError as problem:
        raise ValueError(f"{path} cannot be written ({problem.strerror}): expected a folder of yours") from None
    lines = [f"  {each['check']}: {each['said'] or 'not run since it was changed'}" for each in exercises]
    return "\n".join([f"{path} is for {name}. The checks said:", *lines, "Hand in that file."])


def _slug(name: str) -> str:
    text = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"\W+", "-", text).strip("-")[:40] or "student"


def _topic(found: list[Attempt]) -> str:
    """Name what a kernel holds by the module of its checks, as a kernel does not know its notebook."""
    modules = re.findall(r"from lecturelib\.checks\.(\w+) import", "\n".join(each.written for each in found))
    return modules[-1] if modules else ""


def _verdict(attempt: Attempt, names: dict[str, Any]) -> str:
    """What the check says now about the answer that the kernel holds."""
    try:
        return str(names[attempt.check].verdict(eval(attempt.answer, names)).says)
    except Exception as problem:
        return f"{type(problem).__name__}: {problem}"


def _printed(attempt: Attempt, cells: list[dict]) -> str:
    """What stands under the last cell of a saved notebook that calls this check."""
    for cell in reversed(cells):
        source = source_of(cell) if cell.get("cell_type") == "code" else ""
        tree = parse(source) if attempt.check in source else None
        calls = {node.func.id for node in ast.walk(tree or ast.Module([], []))
                 if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}  # fmt: skip
        if attempt.check in calls:
            texts = [output.get("text", "") for output in cell.get("outputs", []) if isinstance(output, dict)]
            return "".join("".join(text) for text in texts).strip()
    return ""
