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
from lecturelib.workshop.live import settings
from lecturelib.workshop.live.notebooks import read

EXTENSION = "jupyterlab_slideshow"
BESIDE = "lecture-beside"  # an extension of ours: the poll beside the slides, and the run before the lecture
HOW = 'jupyterlab-slideshow, which shows the slides, is missing: run python -m pip install -e ".[live]"'


class Stage(NamedTuple):
    """What a presentation runs on: the folder of the copies, and variables that lead JupyterLab to the settings."""

    notebooks: Path
    environment: Mapping[str, str]


@contextmanager
def stage(notebooks: Sequence[Path], hall: str = "", warm: str = "") -> Iterator[Stage]:
    """Lay out a temporary folder with the settings and a copy of each notebook, as they link to one another.

    The copies say where the poll of the `hall` is, and what it can ask; the one named `warm` runs once it is open.
    Raises: Failed without the extension that shows slides.
    """
    if find_spec(EXTENSION) is None:
        raise Failed(HOW)
    # a kernel that is still ending may hold a file open on Windows
    with tempfile.TemporaryDirectory(prefix="lecture-", ignore_cleanup_errors=True) as place:
        copies = Path(place) / "notebooks"
        copies.mkdir()
        for path in notebooks:
            shutil.copy(path, copies)
            if hall or path.stem == warm:
                _tell(copies / path.name, hall, path.stem == warm)
        _extend(Path(place))
        yield Stage(copies, settings.write(Path(place)))


def _tell(copy: Path, hall: str, warm: bool) -> None:
    """Write into a copy what the extension wants to know of it."""
    questions = [
        {"name": f"{copy.stem} {n}", "question": each.text, "choices": each.choices, "cells": each.cells}
        for n, each in enumerate((q for s in read(copy).sections for q in s.questions if q.choices), start=1)
    ]
    nb = nbformat.read(copy, as_version=4)
    nb.metadata["lecture"] = {"hall": hall, "warm": warm, "questions": questions}
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
