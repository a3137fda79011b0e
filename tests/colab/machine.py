"""A stand-in for a machine of Colab: its old IPython and ipywidgets, the large packages, and none that we bring along.

The old versions are those of Colab in 2026; the large packages are those that run the tests, linked, not copied.
"""

import copy
import json
import os
import subprocess
import time
import venv
import zipfile
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, NamedTuple

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lecturelib.workshop.publish.execute import ENVIRONMENT
from tests.working_tree import ROOT, files

HERE = Path(__file__).parent
QUICK = ROOT / "tests" / "quick"
CHEAP = 1.0  # seconds
HOW = "no Colab: pip must reach a package index, for the versions of IPython and ipywidgets that Colab has"

# What decides how a widget is shown, and the matplotlib that lacks one of the fonts that we draw with.
OLD = [
    "ipython==7.34.0", "ipykernel==6.17.1", "ipywidgets==7.7.1", "jupyter_client==7.4.9", "traitlets==5.7.1",
    "backcall==0.2.0", "decorator==4.4.2", "entrypoints==0.4", "ipython-genutils==0.2.0", "nest-asyncio==1.6.0",
    "pickleshare==0.7.5", "matplotlib==3.10.0",
]  # fmt: skip
LARGE = ["torch", "numpy", "scipy", "scikit-learn", "scikit-image", "psutil", "tqdm", "tokenizers", "huggingface-hub"]
# what the old ones need, in any version
SMALL = [
    "contourpy", "cycler", "debugpy", "fonttools", "jedi", "jupyter-core", "kiwisolver", "matplotlib-inline", "pexpect",
    "pillow", "prompt-toolkit", "pygments", "pyparsing", "python-dateutil", "pyzmq", "tornado",
]  # fmt: skip


class Machine(NamedTuple):
    """A Python of Colab's kind; `kernels` is the folder in which Jupyter finds it under the name `colab`."""

    python: Path
    kernels: Path

    def packages(self) -> dict[str, tuple[str, str]]:
        """Return for each installed package its version and where it lies, as pip sees it."""
        found = json.loads(self.pip("list", "--verbose", "--format=json").stdout)
        return {canonicalize_name(each["name"]): (each["version"], each["location"]) for each in found}

    def pip(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run pip as a user would."""
        command = [self.python, "-m", "pip", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=ordinary())

    def run(self, nb: NotebookNode, folder: Path, steps: int | None) -> list[str]:
        """Run all cells, also after one that raises, and leave their outputs in the notebook.

        Then each cell that took less than a second is run once more, the last one first, so that it meets the names as
        those further down have left them. Returns: which of them said or drew something else.
        Trainings make so many steps at most, and the sockets are closed. With None it is a user's ordinary environment.
        """
        inherited = ordinary() | ENVIRONMENT
        del inherited["LECTURELIB_STRICT"]  # a student's claim may fail
        if steps:
            inherited |= {"PYTHONPATH": str(QUICK), "LECTURELIB_STEPS": str(steps)}
        found = KernelSpecManager(kernel_dirs=[str(self.kernels)], ensure_native_kernel=False)
        client = NotebookClient(
            nb,
            km=AsyncKernelManager(kernel_spec_manager=found, kernel_name="colab"),
            timeout=300,
            allow_errors=True,
            store_widget_state=False,
            resources={"metadata": {"path": str(folder)}},
            extra_arguments=["--log-level=ERROR"],
        )
        client.reset_execution_trackers()
        cheap, changed = [], []
        with client.setup_kernel(env=inherited):
            for index, cell in enumerate(nb.cells):
                began = time.monotonic()
                client.execute_cell(cell, index)
                if cell.cell_type == "code" and time.monotonic() - began < CHEAP:
                    cheap.append((index, copy.deepcopy(cell)))
            for index, before in reversed(cheap):
                client.execute_cell(cell := copy.deepcopy(before), index)
                if said(cell) != said(before):
                    changed.append(cell.source)
        return changed


def said(cell: NotebookNode) -> list[Any]:
    """Return what a cell says and draws; where the text varies from run to run, how many outputs there are."""
    if "nbval-ignore-output" in cell.metadata.get("tags", []):
        return [len(cell.outputs)]
    printed = "".join(each.get("text", "") for each in cell.outputs)  # in one piece or in several
    shown = [(each.get("ename"), each.get("data", {})) for each in cell.outputs if "text" not in each]
    return [printed, *((name, data.get("text/plain"), data.get("image/png")) for name, data in shown)]


def build(folder: Path) -> tuple[Machine, str]:
    """Make the machine in a folder; return it, and what pip said where it could not fetch the old packages."""
    linked = folder / "preinstalled"
    linked.mkdir()
    for each in closure([*LARGE, *SMALL]).values():
        for top in {file.parts[0] for file in each.files or []} - {"..", "__pycache__"}:
            (linked / top).symlink_to(str(each.locate_file(top)))
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    # Not in the environment's own folder, where pip would take them for its own and delete what the links lead to.
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    (site / "colab.pth").write_text(f"{linked}\n{HERE / 'preinstalled'}\nimport google.colab.output\n")
    kernel = {"argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
              "display_name": "Colab", "language": "python"}  # fmt: skip
    (folder / "kernels" / "colab").mkdir(parents=True)
    (folder / "kernels" / "colab" / "kernel.json").write_text(json.dumps(kernel))
    machine = Machine(python, folder / "kernels")
    done = machine.pip("install", "-q", "--no-deps", *OLD)
    return machine, done.stderr if done.returncode else ""


def closure(names: Iterable[str]) -> dict[str, Distribution]:
    """Return the packages with all that they need, as far as it is installed here; not those that are old on Colab."""
    old = {canonicalize_name(Requirement(each).name) for each in OLD}
    todo, found = list(names), dict[str, Distribution]()
    while todo:
        name = canonicalize_name(todo.pop())
        if name in old or name in found:
            continue
        try:
            each = distribution(name)
        except PackageNotFoundError:
            continue
        found[name] = each
        needs = map(Requirement, each.requires or [])
        todo += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return found


def ordinary() -> dict[str, str]:
    """Return the environment of a user's own commands: without what the tests, and .ci/run, add."""
    hidden = {"PYTHONPATH", "LECTURELIB_STRICT", "MPLBACKEND", "PIP_QUIET"}
    return {key: value for key, value in os.environ.items() if key not in hidden} | {
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def archive(path: Path) -> Path:
    """Write the working tree as the zip file that GitHub makes of a branch."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for name in files():
            packed.write(ROOT / name, f"lecturelib-main/{name}")
    return path
