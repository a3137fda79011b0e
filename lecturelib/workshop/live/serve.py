"""Start JupyterLab on copies of the notebooks, with the settings of a presentation."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from lecturelib.workshop.live import settings

EXTENSION = "jupyterlab_slideshow"
HOW = "jupyterlab-slideshow, which shows the slides, is missing: run python -m pip install -e '.[live]'"


class Missing(Exception):
    """A presentation needs something that is not installed; the message says how to get it."""


class Stage(NamedTuple):
    """What a presentation runs on: the folder of the copies, and variables that lead JupyterLab to the settings."""

    notebooks: Path
    environment: Mapping[str, str]


@contextmanager
def stage(notebooks: Sequence[Path]) -> Iterator[Stage]:
    """Lay out a temporary folder with the settings and a copy of each notebook, as they link to one another.

    Raises: Missing without the extension.
    """
    if find_spec(EXTENSION) is None:
        raise Missing(HOW)
    # a kernel that is still ending may hold a file open on Windows
    with tempfile.TemporaryDirectory(prefix="lecture-", ignore_cleanup_errors=True) as place:
        copies = Path(place) / "notebooks"
        copies.mkdir()
        for path in notebooks:
            shutil.copy(path, copies)
        yield Stage(copies, settings.write(Path(place)))


def command(stage: Stage, notebook: str, options: Sequence[str] = ()) -> list[str]:
    """Return the command that starts JupyterLab on this machine alone, with the notebook open."""
    return [
        sys.executable, "-m", "jupyterlab", "--ip=127.0.0.1", f"--ServerApp.root_dir={stage.notebooks}",
        f"--LabApp.default_url=/doc/tree/{notebook}", "--LabApp.custom_css=True", "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.extension_manager=readonly",
        "--ServerApp.answer_yes=True", "--log-level=WARN", *options,
    ]  # fmt: skip


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run JupyterLab until it ends; return its exit status. Ctrl-C reaches JupyterLab too, which then stops."""
    process = subprocess.Popen(arguments, env=environment)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue
