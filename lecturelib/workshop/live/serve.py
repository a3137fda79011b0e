"""What a presentation runs on: copies of the notebooks, and the settings of JupyterLab."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from lecturelib.workshop import Failed, lab
from lecturelib.workshop.live import settings

EXTENSION = "jupyterlab_slideshow"
HOW = 'jupyterlab-slideshow, which shows the slides, is missing: run python -m pip install -e ".[live]"'


class Stage(NamedTuple):
    """What a presentation runs on: the folder of the copies, and variables that lead JupyterLab to the settings."""

    notebooks: Path
    environment: Mapping[str, str]


@contextmanager
def stage(notebooks: Sequence[Path]) -> Iterator[Stage]:
    """Lay out a temporary folder with the settings and a copy of each notebook, as they link to one another.

    Raises: Failed without the extension.
    """
    if find_spec(EXTENSION) is None:
        raise Failed(HOW)
    # a kernel that is still ending may hold a file open on Windows
    with tempfile.TemporaryDirectory(prefix="lecture-", ignore_cleanup_errors=True) as place:
        copies = Path(place) / "notebooks"
        copies.mkdir()
        for path in notebooks:
            shutil.copy(path, copies)
        yield Stage(copies, settings.write(Path(place)))


def address(notebook: str) -> str:
    """Return where JupyterLab shows a notebook alone."""
    return f"/doc/tree/{notebook}"


def command(stage: Stage, notebook: str, options: Sequence[str] = ()) -> list[str]:
    """Return the command that starts JupyterLab on this machine alone, with the notebook open and nothing beside it."""
    more = [
        "--LabApp.custom_css=True", "--LabApp.news_url=None", "--LabApp.extension_manager=readonly",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--ServerApp.answer_yes=True",
    ]  # fmt: skip
    return lab.command(stage.notebooks, address(notebook), [*more, *options])
