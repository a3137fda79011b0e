"""The lists of dependencies agree, and the top of the repository stays tidy."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA_NAMES = {"torch": "pytorch-cpu", "matplotlib": "matplotlib-base", "huggingface-hub": "huggingface_hub"}
# What a Binder image has beside the project's own dependencies, and why.
BINDER_ONLY = {"jupyter-resource-usage": "readers have 2 GB there, and see how much of it they use"}
TOP_LEVEL = {
    "README.md", "environment.yml", "pyproject.toml", "LICENSE", "notebooks", "lecturelib", "tests", "binder",
}  # fmt: skip
EXTRAS = ("foundation", "test", "docs", "browser", "live")
BROUGHT = {"jupyter-server"}  # JupyterLab is one
BUILT = {"build", "dist", "__pycache__"}  # never committed, but there after a build


def conda_list(path: Path) -> list[str]:
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"]
    return [entry for entry in entries if isinstance(entry, str) and entry != "pip"]


def ranges(requirements: list[str]) -> dict[str, SpecifierSet]:
    return {r.name: r.specifier for r in map(Requirement, requirements)}


@pytest.mark.parametrize(("name", "more"), [("environment.yml", set()), ("binder/environment.yml", set(BINDER_ONLY))])
def test_conda_lists_equal_the_projects_own(name, more):
    needed = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["foundation"]
    ours = {CONDA_NAMES.get(key, key): value for key, value in ranges(needed).items()}
    conda = ranges([entry for entry in conda_list(ROOT / name) if not re.match(r"python\b", entry)])
    assert {key: value for key, value in conda.items() if key not in more} == ours
    assert more <= set(conda)


def test_conda_allows_the_pythons_that_the_project_allows_and_binder_has_one_of_them():
    assert ranges(conda_list(ROOT / "environment.yml"))["python"] == SpecifierSet(PROJECT["requires-python"])
    (python,) = [entry for entry in conda_list(ROOT / "binder/environment.yml") if entry.startswith("python=")]
    assert f"{python.removeprefix('python=')}.0" in SpecifierSet(PROJECT["requires-python"])


def test_every_package_that_the_library_imports_is_declared():
    nodes = [node for path in (ROOT / "lecturelib").rglob("*.py") for node in ast.walk(ast.parse(path.read_bytes()))]
    names = {(node.module or "").split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}
    names |= {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    found = packages_distributions()
    imports = {canonicalize_name(found.get(name, [name])[0]) for name in names - sys.stdlib_module_names}
    declared = set(ranges(PROJECT["dependencies"]))
    declared |= {name for extra in EXTRAS for name in ranges(PROJECT["optional-dependencies"][extra])}
    undeclared = imports - declared - {"lecturelib"} - BROUGHT
    assert not undeclared, f"add {sorted(undeclared)} to the three lists of dependencies"


def test_the_top_level_holds_what_it_may_hold():
    found = {path.name for path in ROOT.iterdir() if path.name[0] != "." and path.suffix != ".egg-info"}
    assert found - BUILT == TOP_LEVEL, f"move what is new into one of {sorted(TOP_LEVEL)}"
