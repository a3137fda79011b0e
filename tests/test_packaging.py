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


def test_conda_allows_the_pythons_that_the_project_allows():
    assert ranges(conda_list(ROOT / "environment.yml"))["python"] == SpecifierSet(PROJECT["requires-python"])


def test_binder_names_one_python_that_the_project_allows():
    (python,) = [entry for entry in conda_list(ROOT / "binder/environment.yml") if entry.startswith("python=")]
    assert f"{python.removeprefix('python=')}.0" in SpecifierSet(PROJECT["requires-python"])


def test_binder_installs_the_library_behind_the_cached_layer():
    text = (ROOT / "binder/environment.yml").read_text(encoding="utf-8")
    assert "-e ." not in text
    assert "pip install --no-cache-dir --no-deps ." in (ROOT / "binder/postBuild").read_text(encoding="utf-8")


def test_every_package_that_the_library_imports_is_declared():
    nodes = [node for path in (ROOT / "lecturelib").rglob("*.py") for node in ast.walk(ast.parse(path.read_bytes()))]
    whole = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    whole += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names = {name.split(".")[0] for name in whole}
    found = packages_distributions()
    imports = {canonicalize_name(found.get(name, [name])[0]) for name in names - sys.stdlib_module_names}
    extras = [
        line
        for name in ("foundation", "test", "docs", "browser", "live")
        for line in PROJECT["optional-dependencies"][name]
    ]
    undeclared = imports - set(ranges(PROJECT["dependencies"] + extras)) - {"lecturelib"} - BROUGHT
    assert not undeclared, f"add {sorted(undeclared)} to the three lists of dependencies"


def test_the_top_level_holds_what_it_may_hold():
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    extra = {name for name in found - TOP_LEVEL - BUILT if not name.endswith(".egg-info")}
    assert not extra, f"{sorted(extra)} lie at the top of the repository: move them into one of {sorted(TOP_LEVEL)}"
    assert found >= TOP_LEVEL
