"""Imports in lecturelib run one way (pyproject.toml says how), and the import line is the address."""

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
# A wrong import for each contract.
WRONG = {
    "attention.py": "from lecturelib.data import strings",
    "figures/style.py": "import lecturelib.automata",
    "data/strings.py": "def late():\n    from lecturelib.figures.style import INK",
    "figures/parts.py": "from lecturelib.widgets import stepper",
    "widgets/stepper.py": "from lecturelib.checks.claims import claim",
    "checks/lstm.py": "from lecturelib.recurrent import run_rnn",
    "pretrained/load.py": "import lecturelib.checks.claims",
    "widgets/picture.py": "from lecturelib.workshop.site.exhibits import Exhibit",
    "workshop/publish/form.py": "from lecturelib.training import fit",
}


def lint(folder):
    """Return what import-linter says of the package in a folder."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout


def test_imports_run_one_way():
    assert " 0 broken" in lint(ROOT), lint(ROOT)


def test_each_contract_refuses_a_wrong_import(tmp_path):
    shutil.copytree(ROOT / "lecturelib", tmp_path / "lecturelib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, line in WRONG.items():
        path = tmp_path / "lecturelib" / name
        path.write_text(path.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    said = lint(tmp_path)
    assert not [contract["name"] for contract in CONTRACTS if f"{contract['name']} BROKEN" not in said], said


@pytest.mark.parametrize("path", sorted((ROOT / "lecturelib").rglob("*.py")), ids=lambda p: f"{p.parent.name}/{p.name}")
def test_no_name_has_a_second_address(path):
    """What import-linter does not see: an __init__ that hands names on, and addresses that are not whole."""
    imports = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.ImportFrom)]
    assert not [node.module for node in imports if node.level or any(alias.name == "*" for alias in node.names)]
    assert path.name != "__init__.py" or not [node for node in imports if (node.module or "").startswith("lecturelib")]
