"""ESLint finds nothing in the scripts of the library; the settings are those of the top folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools import needs

ROOT = Path(__file__).parents[2]
HOW = (
    "no ESLint: npm install --prefix .venv/share eslint @eslint/js globals (for another environment its own folder "
    "share), or name the command in the variable LECTURELIB_ESLINT"
)
INSTALLED = Path(sys.prefix) / "share" / "node_modules" / ".bin" / "eslint"
ESLINT = Path(os.environ.get("LECTURELIB_ESLINT") or INSTALLED)

pytestmark = [pytest.mark.platform, needs(ESLINT.exists(), HOW)]


def test_no_script_has_a_finding():
    command = [ESLINT, "--config", ROOT / ".eslint.config.mjs", "--max-warnings", "0", "lecturelib"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
