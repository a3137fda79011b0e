"""Whoever forks the project changes one line, runs one command, and every link leads to the fork."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from lecturelib.workshop.publish.form import is_sealed
from lecturelib.workshop.publish.stamp import BADGES_TAG, INSTALL_TAG, repository
from tests import working_tree
from tests.working_tree import ROOT, files

OLD = repository(ROOT).name
NEW, BRANCH = "somebody/their-course", "winter-2030"
HOSTS = "https://mybinder.org/v2/gh", "https://colab.research.google.com/github", "https://github.com"


@pytest.fixture(scope="module")
def fork(tmp_path_factory):
    """Return a copy of the repository in which only the address was changed and the command was run."""
    copy = tmp_path_factory.mktemp("fork")
    working_tree.copy(copy)
    project = (copy / "pyproject.toml").read_text(encoding="utf-8")
    line = re.compile(r'(?m)^Repository = ".*"$')
    assert len(line.findall(project)) == 1
    changed = line.sub(f'Repository = "https://github.com/{NEW}/tree/{BRANCH}"', project)
    (copy / "pyproject.toml").write_text(changed, encoding="utf-8", newline="\n")
    done = subprocess.run(
        [sys.executable, "-m", "lecturelib", "publish", "--text-only"],
        cwd=copy, env=os.environ | {"PYTHONPATH": str(copy)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return copy


def links(text: str) -> list[str]:
    """Return what the text links to on the hosts that know the repository."""
    return re.findall(rf'(?:{"|".join(map(re.escape, HOSTS))})[^\s)"]*', text)


def leads_to(notebook: str) -> list[str]:
    """Return the links of both badges."""
    binder, colab, _ = HOSTS
    return [
        f"{binder}/{NEW}/{BRANCH}?urlpath=lab/tree/notebooks/{notebook}.ipynb",
        f"{colab}/{NEW}/blob/{BRANCH}/notebooks/{notebook}.ipynb",
    ]


def tagged(nb: nbformat.NotebookNode, tag: str) -> nbformat.NotebookNode:
    (cell,) = [cell for cell in nb.cells if tag in cell.metadata.get("tags", [])]
    return cell


def test_each_notebook_leads_to_the_fork_and_is_otherwise_the_same(fork):
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        before, after = (nbformat.read(root / "notebooks" / path.name, as_version=4) for root in (ROOT, fork))
        assert is_sealed(after) and before.metadata.keys() == after.metadata.keys()
        assert links(tagged(after, BADGES_TAG).source) == leads_to(path.stem)
        assert links(tagged(after, INSTALL_TAG).source) == [f"https://github.com/{NEW}/archive/{BRANCH}.zip"]
        for old, new in zip(before.cells, after.cells, strict=True):
            if {BADGES_TAG, INSTALL_TAG} & set(old.metadata.get("tags", [])):
                assert (old.id, old.metadata) == (new.id, new.metadata) and old.get("outputs") == new.get("outputs")
            else:
                assert json.dumps(old) == json.dumps(new)


def test_the_readme_leads_to_the_fork_and_nothing_names_the_old_address(fork):
    badges = [link for link in links((fork / "README.md").read_text(encoding="utf-8")) if NEW in link]
    assert badges[:2] == leads_to("00_start_here")
    holders = [name for name in files() if OLD.encode() in (fork / name).read_bytes()]
    assert not holders, "write the address only in [project.urls]; lecture publish stamps the rest"


def test_nothing_else_in_the_fork_was_changed(fork):
    stamped = {"pyproject.toml", "README.md"}
    others = [name for name in files() if name not in stamped and Path(name).parent != Path("notebooks")]
    assert not [name for name in others if (ROOT / name).read_bytes() != (fork / name).read_bytes()]
    left = {p.relative_to(fork).as_posix() for p in fork.rglob("*") if p.is_file() and p.suffix != ".pyc"}
    assert left == set(files())
