"""What a presentation runs on: copies of the notebooks, and the settings of JupyterLab."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import nbformat

from lecturelib.workshop import Failed, lab
from lecturelib.workshop.live import route, settings
from lecturelib.workshop.live.notebooks import read
from lecturelib.workshop.live.plan import Plan

EXTENSION = "jupyterlab_slideshow"
BESIDE = "lecture-beside"  # an extension of ours: the poll beside the slides, and the run before the lecture
HOW = 'jupyterlab-slideshow, which shows the slides, is missing: run python -m pip install -e ".[live]"'


class Stage(NamedTuple):
    """What a presentation runs on: the folder of the copies, and variables that lead JupyterLab to the settings."""

    notebooks: Path
    environment: Mapping[str, str]


@contextmanager
def stage(
    notebooks: Sequence[Path], hall: str = "", warm: str = "", at: tuple[str, str] = ("", ""), plan: Plan | None = None
) -> Iterator[Stage]:
    """Lay out a temporary folder with the settings and a copy of each notebook, as they link to one another.

    The copies say where the poll of the `hall` is, and what it can ask; the one named `warm` runs once it is open. `at`
    names a notebook and the section where it begins. With a plan the copies show only what is on its path, and each
    leads to the next.
    Raises: Failed without the extension that shows slides; ValueError for a section that is not there.
    """
    if find_spec(EXTENSION) is None:
        raise Failed(HOW)
    # a kernel that is still ending may hold a file open on Windows
    with tempfile.TemporaryDirectory(prefix="lecture-", ignore_cleanup_errors=True) as place:
        copies = Path(place) / "notebooks"
        copies.mkdir()
        for path in notebooks:
            shutil.copy(path, copies)
            begin = at[1] if path.stem == at[0] else ""
            if hall or path.stem == warm or begin or plan:
                _tell(copies / path.name, hall, path.stem == warm, begin, plan)
        _extend(Path(place))
        yield Stage(copies, settings.write(Path(place)))


def _tell(copy: Path, hall: str, warm: bool, at: str, plan: Plan | None) -> None:
    """Write into a copy what the extension wants to know of it, and leave in it the slides of the plan's path."""
    told, nb = read(copy), nbformat.read(copy, as_version=4)
    stops = [stop for stop in plan.path if stop.notebook == copy.stem] if plan else None
    questions = [
        {"name": f"{copy.stem} {n}", "question": each.text, "choices": each.choices, "cells": each.cells}
        for n, each in enumerate((q for s in told.sections for q in s.questions if q.choices), start=1)
    ]
    about: dict[str, Any] = {"hall": hall, "warm": warm, "questions": questions}
    if stops or (stops is None and at):
        about["at"] = route.start(told, at, stops)
    if plan and stops:
        sections = {section.title: section for section in told.sections}
        polled = [asked.cells for stop in stops if (asked := stop.question(sections[stop.section]))]
        about["questions"] = [each for each in questions if each["cells"] in polled]
        order = list(dict.fromkeys(stop.notebook for stop in plan.path))
        place = order.index(copy.stem)
        about["before"] = [f"{name}.ipynb" for name in order[:place]][-1:]
        about["after"] = [f"{name}.ipynb" for name in order[place + 1 :]][:1]
        route.cut(nb, told, stops)
    nb.metadata["lecture"] = about
    nbformat.write(nb, copy)


def _extend(place: Path) -> None:
    """Lay out our extension as JupyterLab reads one that is built: its script is its own entry."""
    script = place / "extensions" / BESIDE / "static" / "beside.js"
    script.parent.mkdir(parents=True)
    shutil.copy(Path(__file__).parent / "beside.js", script)
    about: dict[str, Any] = {"load": "static/beside.js", "extension": "./beside"}
    about = {"name": BESIDE, "version": "0.0.0", "jupyterlab": {"extension": True, "_build": about}}
    (script.parents[1] / "package.json").write_text(json.dumps(about), encoding="utf-8")


def address(notebook: str) -> str:
    """Return where JupyterLab shows a notebook alone."""
    return f"/doc/tree/{notebook}"


def command(stage: Stage, notebook: str, options: Sequence[str] = ()) -> list[str]:
    """Return the command that starts JupyterLab on this machine alone, with the notebook open and nothing beside it."""
    more = [
        "--LabApp.custom_css=True", "--LabApp.news_url=None", "--LabApp.extension_manager=readonly",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--ServerApp.answer_yes=True",
        f"--LabApp.extra_labextensions_path={stage.notebooks.parent / 'extensions'}",
    ]  # fmt: skip
    return lab.command(stage.notebooks, address(notebook), [*more, *options])
