"""What is installed works without the notebooks beside it."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.tools import require
from tests.working_tree import copy

pytestmark = pytest.mark.platform

IMPORT_ALL = """
import importlib, pkgutil, lecturelib
for module in pkgutil.walk_packages(lecturelib.__path__, "lecturelib."):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as missing:  # what only an extra installs
        assert not missing.name.startswith("lecturelib"), missing
        print(missing.name)
print(lecturelib.__file__)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Install a copy of the repository into a folder; return how to run Python there."""
    folder = tmp_path_factory.mktemp("wheel")
    copy(folder / "clone")
    online = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", folder / "lib", folder / "clone"]
    done = subprocess.run(command, env=online, capture_output=True, text=True)
    require(done.returncode == 0, f"no wheel: pip must reach a package index\n{done.stderr}")
    shutil.rmtree(folder / "clone")
    (folder / "class").mkdir()

    def run(*arguments):
        environment = online | {"PYTHONPATH": str(folder / "lib")}
        return subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)

    return folder, run


def test_every_module_can_be_imported(installed):
    folder, run = installed
    done = run("-c", IMPORT_ALL)
    assert done.returncode == 0, done.stderr
    *missing, place = done.stdout.split()
    assert place.startswith(str(folder)) and set(missing) <= {"sphinx", "latex2mathml"}
    held = {path.suffix for path in (folder / "lib" / "lecturelib").rglob("*.*")}
    assert held >= {".py", ".js", ".css", ".svg", ".csv", ".ini", ".mplstyle", ".json", ".gz", ".safetensors", ".toml"}
    licenses = {each.name for each in (folder / "lib").glob("*.dist-info/licenses/**/LICENSE*")}
    assert licenses == {"LICENSE", "LICENSE-Python.txt", "LICENSE-SciPy.txt"}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("start", "--help"), 0, "usage: lecture start"),
        (("start",), 2, "they are no part of the installed package"),
        (("collect", "class"), 2, "holds no hand-in and no notebook"),
    ],
)
def test_the_command_runs(installed, arguments, code, says):
    folder, run = installed
    done = run("-m", "lecturelib", *arguments)
    assert done.returncode == code and says in done.stdout + done.stderr
    assert (folder / "lib/bin/lecture").exists() or (folder / "lib/Scripts/lecture.exe").exists()
