"""Imports in lecturelib run one way (pyproject.toml says how), and the import line is the address."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# A wrong import for each contract.


def lint(folder):
    """Return what import-linter says of the package in a folder."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout


def test_imports_run_one_way():
    assert " 0 broken" in lint(ROOT), lint(ROOT)


@pytest.mark.parametrize("path", sorted((ROOT / "lecturelib").rglob("*.py")), ids=lambda p: f"{p.parent.name}/{p.name}")
def test_no_name_has_a_second_address(path):
    """What import-linter does not see: an __init__ that hands names on, and addresses that are not whole."""
    imports = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.ImportFrom)]
    assert not [node.module for node in imports if node.level or any(alias.name == "*" for alias in node.names)]
    assert path.name != "__init__.py" or not [node for node in imports if (node.module or "").startswith("lecturelib")]
