"""The lists of dependencies agree, the address has one source, and the top of the repository stays tidy."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from lecturelib.workshop.publish.stamp import BADGES_TAG, INSTALL_TAG, README_MARKERS, repository

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


def files() -> list[Path]:
    """Every text file of the project but the notebooks and what tools leave behind."""
    hidden = {".github", ".ci", ".gitignore", ".gitattributes"}
    return [
        path
        for path in ROOT.rglob("*")
        if path.is_file()
        and path.suffix in {".py", ".md", ".toml", ".yml", ".yaml", ".js", ".css", ".svg", ".json", ""}
        and all(not part.startswith(".") or part in hidden for part in path.relative_to(ROOT).parts)
        and not BUILT & set(path.relative_to(ROOT).parts)
        and path.parent != ROOT / "notebooks"  # where nbqa writes, for a moment
    ]


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


def test_the_address_stands_in_one_file():
    address = repository(ROOT).name
    holders = [path.relative_to(ROOT).as_posix() for path in files() if address in _unstamped(path)]
    assert holders == ["pyproject.toml"], "write it only in [project.urls]; lecture publish stamps the rest"
    assert (ROOT / "pyproject.toml").read_text(encoding="utf-8").count(address) == 1


@pytest.mark.parametrize("path", sorted(ROOT.glob("notebooks/*.ipynb")), ids=lambda path: path.stem)
def test_the_address_stands_in_a_notebooks_stamped_cells_only(path):
    cells = nbformat.read(path, as_version=4).cells
    stamped = [{BADGES_TAG, INSTALL_TAG} & set(cell.metadata.get("tags", [])) for cell in cells]
    holders = [
        cell.id for cell, stamp in zip(cells, stamped, strict=True) if repository(ROOT).name in str(cell) and not stamp
    ]
    assert not holders, f"cells {holders} hold the repository's address: leave it to the stamped cells"


def test_the_top_level_holds_what_it_may_hold():
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    extra = {name for name in found - TOP_LEVEL - BUILT if not name.endswith(".egg-info")}
    assert not extra, f"{sorted(extra)} lie at the top of the repository: move them into one of {sorted(TOP_LEVEL)}"
    assert found >= TOP_LEVEL


def _unstamped(path: Path) -> str:
    """Return the file's text; of the README, what stands outside its markers."""
    text = path.read_text(encoding="utf-8")
    return README_MARKERS.sub("", text) if path == ROOT / "README.md" else text
