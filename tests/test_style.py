"""Style and types of lecturelib, the tests and the notebooks, each checked by its tool."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMMANDS = {
    "ruff check": ["ruff", "check", "lecturelib", "tests", "notebooks"],
    "ruff format": ["ruff", "format", "--check", "--diff", "lecturelib", "tests", "notebooks"],
    "types": ["mypy", "lecturelib", "tests"],
    "types in notebooks": ["nbqa", "mypy", "notebooks"],
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_clean(command):
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
