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


def lint(*paths: str | Path, script: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [ESLINT, "--config", ROOT / ".eslint.config.mjs", "--max-warnings", "0", *paths]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, input=script)


def test_no_script_has_a_finding():
    found = lint("lecturelib")
    assert found.returncode == 0, found.stdout + found.stderr


def test_a_finding_is_found():
    script = "import { make } from './kit.js';\nvar a = b;\n"
    found = lint("--stdin", "--stdin-filename", "lecturelib/widgets/new.js", script=script)
    for rule in ("no-var", "no-undef", "no-unused-vars"):
        assert rule in found.stdout
