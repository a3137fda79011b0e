"""Imports in lecturelib run one way, and the import line is the address: no star, no detour, no re-export."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "lecturelib"
TAUGHT = "the taught files"  # lecturelib/*.py

# Who may import what of lecturelib. Nobody needs `publish`, `live`, `classroom` and `site`; `publish` needs nobody.
ALLOWED = {
    TAUGHT: {TAUGHT},
    "data": {"data"},
    "figures": {"figures"},
    "widgets": {"widgets", "figures", TAUGHT},
    "checks": {"checks", "widgets", "figures"},
    "classroom": {"classroom", "checks"},
    "pretrained": {"pretrained", "data", TAUGHT},
    "sweep": {"sweep", "pretrained", "data", TAUGHT},
    "publish": {"publish"},
    "live": {"live", "checks"},
    "site": {"site", "publish", "pretrained", "widgets", "figures", "data", TAUGHT},
}
FOLDERS = set(ALLOWED) - {TAUGHT}


def room(parts: tuple[str, ...]) -> str:
    """Return the room of a module, given the parts of its path or name below lecturelib."""
    return parts[0] if parts and parts[0] in FOLDERS else TAUGHT


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and the full name of everything that is imported, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{'.' * node.level}{node.module or ''}.{alias.name}") for alias in node.names)


def faults(name: str, source: str) -> list[str]:
    """Say what is wrong with the imports of a file, given its path below lecturelib and its text."""
    own = room(Path(name).parts)
    found = []
    for line, target in imported(ast.parse(source)):
        parts = target.split(".")
        if parts[-1] == "*":
            found.append(f"{name}:{line} imports everything from {target[:-2]}: name what you use")
        if target.startswith("."):
            found.append(f"{name}:{line} imports {target}: write the whole address, lecturelib.…")
        elif parts[0] == "lecturelib":
            if Path(name).name == "__init__.py":
                found.append(f"{name}:{line} re-exports {target}: import it from the file that holds it")
            elif room(tuple(parts[1:])) not in ALLOWED[own]:
                found.append(f"{name}:{line} imports {target}: {own} may import only {', '.join(sorted(ALLOWED[own]))}")
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_run_one_way(path):
    assert not faults(path.relative_to(PACKAGE).as_posix(), path.read_text(encoding="utf-8"))


def test_every_folder_has_its_rule():
    folders = {path.parent.name for path in PACKAGE.glob("*/*.py")}
    assert folders <= FOLDERS, f"say in ALLOWED what {sorted(folders - FOLDERS)} may import"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("attention.py", "from lecturelib.figures.heatmap import draw"),
        ("attention.py", "from lecturelib import data"),
        ("attention.py", "def f():\n    import lecturelib.widgets.stepper"),
        ("attention.py", "from torch.nn import *"),
        ("attention.py", "from .recurrent import run_rnn"),
        ("data/strings.py", "from lecturelib.automata import DFA"),
        ("data/strings.py", "from lecturelib.figures.style import INK"),
        ("figures/automata.py", "from lecturelib.automata import DFA"),
        ("figures/automata.py", "import lecturelib.widgets.stepper"),
        ("widgets/stepper.py", "from lecturelib.checks.claims import claim"),
        ("checks/recurrent.py", "from lecturelib.recurrent import run_rnn"),
        ("pretrained/load.py", "from lecturelib.workshop.publish.form import digest"),
        ("publish/form.py", "from lecturelib.training import fit"),
        ("classroom/judge.py", "from lecturelib.attention import attend"),
        ("checks/exercise.py", "from lecturelib.workshop.classroom.wire import Message"),
        ("widgets/picture.py", "from lecturelib.workshop.site.exhibits import Exhibit"),
        ("site/pages.py", "from lecturelib.checks.claims import claim"),
        ("figures/__init__.py", "from lecturelib.figures.style import INK"),
    ],
)
def test_a_wrong_import_is_refused(name, line):
    assert len(faults(name, line)) == 1


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("transformer.py", "from lecturelib.attention import attend"),
        ("widgets/stepper.py", "from lecturelib.figures.automata import draw"),
        ("checks/recurrent.py", "import torch\nfrom torch.nn.functional import softmax"),
        ("site/build.py", "from lecturelib.workshop.publish.stamp import repository"),
        ("publish/__main__.py", "from lecturelib.workshop.publish.form import digest"),
        ("__init__.py", "from importlib.metadata import version"),
    ],
)
def test_a_right_import_is_accepted(name, line):
    assert not faults(name, line)
