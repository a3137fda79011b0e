"""Commands in a folder with spaces and umlauts, on a terminal of another code page, and where nothing may be written.

LANG=C and a stream in cp1252 stand for Windows and for bare containers: what such a terminal cannot show must not stop
a command.
"""

import os
import shutil
import subprocess
import sys

import pytest

from tests.tools import require
from tests.working_tree import ROOT, copy

ODD = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LANG": "C", "LC_ALL": "C"}
COMMANDS = {
    "sheets": "",
    "mistakes 03": "masked attention",
    "publish --text-only 00_start_here": "",
    "replicate --report 02": "10 of 10",
    "start 00 --check": "2 of 2 claims hold",
}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A clone of the course in a folder with an odd name."""
    folder = tmp_path_factory.mktemp("Übung mit Leerzeichen, 漢字")
    copy(folder)
    return folder


def lecture(course, *arguments, before=(), **environment):
    return subprocess.run(
        [*before, sys.executable, "-m", "lecturelib", *arguments], cwd=course, capture_output=True,
        env=os.environ | {"PYTHONPATH": str(course)} | environment,
    )  # fmt: skip


@pytest.mark.platform
@pytest.mark.parametrize("command", COMMANDS)
def test_a_terminal_of_another_code_page_stops_no_command(course, command):
    done = lecture(course, *command.split(), PYTHONIOENCODING="cp1252", **ODD)
    assert done.returncode == 0, done.stderr
    assert COMMANDS[command] in done.stdout.decode("cp1252") and b"Traceback" not in done.stderr


@pytest.mark.platform
@pytest.mark.parametrize(
    ("command", "status"),
    [("replicate --report 02", 0), ("start 00 --check", 0), ("publish --text-only 02", 1), ("replicate 02", 1)],
)
def test_where_nothing_can_be_written_a_command_works_or_says_so_in_a_line(course, command, status):
    """Also for root, whom no missing right stops: the whole disk is read-only."""
    require(shutil.which("bwrap"), "no bubblewrap: install it, as `apt-get install bubblewrap` does")
    disk = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/var/tmp"]
    done = lecture(course, *command.split(), before=disk, TMPDIR="/var/tmp", HOME="/var/tmp")
    said = done.stderr.decode()
    assert done.returncode == status, said
    assert "Traceback" not in said and (status == 0 or "Read-only file system" in said)


IMPORTS = """
import importlib, pkgutil, sys, torch
torch.set_default_device("meta")
import lecturelib
for each in pkgutil.walk_packages(lecturelib.__path__, "lecturelib."):
    if not each.name.startswith("lecturelib.workshop") and not each.name.endswith("__main__"):
        importlib.import_module(each.name)
print(len([name for name in sys.modules if name.startswith("lecturelib.")]))
"""


@pytest.mark.platform
def test_a_default_device_that_was_set_before_an_import_is_in_nobodys_way():
    done = subprocess.run([sys.executable, "-c", IMPORTS], cwd=ROOT, capture_output=True, encoding="utf-8")
    assert done.returncode == 0 and int(done.stdout) > 50, done.stderr
