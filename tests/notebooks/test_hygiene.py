"""The committed notebooks: written by the one command, whole, and of a size that can be read on a screen."""

import ast
import copy
import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lecturelib.workshop.publish.form import clean, is_sealed, normalize, problems, seal
from lecturelib.workshop.publish.stamp import repository, stamp_notebook

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
REPOSITORY = repository(ROOT)
RUN_IT = "run `python -m lecturelib publish {name}`"

SLIDE_TYPES = ["slide", "subslide", "fragment", "skip", "notes"]
CELLS = (20, 90)
CELLS_START = (10, 50)  # notebook 00 only opens the door
WORDS = 120
LINES = 25
BYTES = 1_500_000
PLOTTING = {"bar", "boxplot", "errorbar", "hist", "imshow", "matshow", "plot", "savefig", "scatter", "subplots"}


def words(markdown: str) -> int:
    """Count the words that a reader sees at first: no code, no formulas, nothing folded; a table for half."""
    text = re.sub(r"(?s)```.*?```|\$\$.*?\$\$|<details>.*?</details>", " ", markdown)
    text = re.sub(r"\$[^$\n]+\$", " x ", text)
    text = re.sub(r"\]\([^)]*\)", "]", text)  # the targets of links
    text = re.sub(r"<[^>]*>", " ", text)
    table = re.findall(r"(?m)^\s*\|.*", text)
    prose = re.sub(r"(?m)^\s*\|.*", "", text)
    return _count(prose) + _count("\n".join(table)) // 2


def _count(text: str) -> int:
    return len(re.findall(r"\w[\w'’-]*", text))


def code_of(cell: NotebookNode) -> ast.Module:
    """Parse a code cell, without its magics."""
    lines = cell.source.splitlines()
    return ast.parse("\n".join(re.sub(r"^(\s*)[%!].*", r"\1pass", line) for line in lines))


def origin_faults(nb: NotebookNode, name: str) -> list[str]:
    """Say what shows that the command did not write the notebook as it is."""
    found = problems(nb)
    if not is_sealed(nb):
        found.append("it was changed since it was last written")
    bare = copy.deepcopy(nb)
    bare.metadata.pop("lecturelib", None)
    if bare != normalize(clean(bare)):
        found.append("it is not in normal form")
    if bare != normalize(stamp_notebook(bare, REPOSITORY, name)):
        found.append("its badges or its install cell are not those of [project.urls]")
    return [f"{fault}: {RUN_IT.format(name=name)}" for fault in found]


def form_faults(nb: NotebookNode, name: str) -> list[str]:
    """Say which rules for the form of a notebook are broken, and where."""
    found = []
    low, high = CELLS_START if name.startswith("00") else CELLS
    if not low <= len(nb.cells) <= high:
        found.append(f"it has {len(nb.cells)} cells: expected {low} to {high}")
    if nb.cells[-1].cell_type != "markdown":
        found.append("it ends in a code cell: running the last slide would add a cell; close with a text")
    for cell in nb.cells:
        found += [f"cell {cell.id!r} {fault}" for fault in cell_faults(cell)]
    return found


def cell_faults(cell: NotebookNode) -> list[str]:
    """Say which rules one cell breaks."""
    found = []
    slide_type = cell.metadata.get("slideshow", {}).get("slide_type")
    if slide_type is not None and slide_type not in SLIDE_TYPES:
        found.append(f"has the slide type {slide_type!r}: expected one of {SLIDE_TYPES}, or none")
    if cell.cell_type == "markdown":
        if (count := words(cell.source)) > WORDS:
            found.append(f"has {count} words: at most {WORDS} fit a slide; split it, or fold a part into <details>")
        return found
    if (count := len(cell.source.splitlines())) > LINES:
        found.append(f"has {count} lines of code: at most {LINES} fit a slide; split it, or move a part to lecturelib")
    if plots := sorted(_plots(code_of(cell))):
        found.append(f"draws by itself ({', '.join(plots)}): figures come from lecturelib.figures")
    if _checks(code_of(cell)) and "nbval-ignore-output" in cell.metadata.get("tags", []):
        found.append("makes a claim, but tells the tests to ignore its output: take the tag nbval-ignore-output away")
    if cell.source.split("#")[0].rstrip().endswith(";") or cell.source.rstrip().endswith(";"):
        found.append("ends in a semicolon, which hides a value in most runs only: end in a line without a value")
    if _unseen_outcome(code_of(cell)):
        found.append("calls .outcome() before its last line, where nothing is shown: put it last")
    return found


def _plots(tree: ast.Module) -> set[str]:
    """Name what in the code reaches for matplotlib."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "matplotlib"}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "matplotlib":
            found.add(str(node.module))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in PLOTTING:
            found.add(f".{node.func.attr}()")
    return found


def _checks(tree: ast.Module) -> bool:
    """Return whether the code calls claim(...) or one of the exercises' checks."""
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return any(isinstance(f, ast.Name) and (f.id == "claim" or f.id.startswith("check_")) for f in calls)


def _unseen_outcome(tree: ast.Module) -> bool:
    """Return whether an outcome is an expression of its own that is not the last: a cell shows only that one."""
    calls = [each.value for each in tree.body[:-1] if isinstance(each, ast.Expr) and isinstance(each.value, ast.Call)]
    return any(isinstance(call.func, ast.Attribute) and call.func.attr == "outcome" for call in calls)


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return request.param


def test_the_command_wrote_it(notebook):
    faults = origin_faults(nbformat.read(notebook, as_version=4), notebook.stem)
    assert not faults, "\n".join([notebook.name, *faults])


def test_it_keeps_to_the_form_and_is_small(notebook):
    faults = form_faults(nbformat.read(notebook, as_version=4), notebook.stem)
    if (size := notebook.stat().st_size) >= BYTES:
        faults.append(f"it has {size} bytes: expected fewer than {BYTES}; draw fewer or smaller pictures")
    assert not faults, "\n".join([notebook.name, *faults])


# What follows shows that each refusal bites: a small good notebook passes, and each spoiled copy fails.


def small() -> NotebookNode:
    """Return a notebook that the command could have written."""
    cells = [new_markdown_cell("# 01. Small")]
    for number in range(1, 11):
        output = new_output("stream", name="stdout", text=f"{number}\n")
        cells += [new_markdown_cell(f"## {number}. Section"), new_code_cell(f"print({number})", outputs=[output])]
    cells.append(new_markdown_cell("The end."))
    nb = stamp_notebook(new_notebook(cells=cells), REPOSITORY, "01_small")
    return seal(normalize(clean(normalize(nb))))


def spoilt(change: Callable[[NotebookNode, NotebookNode], object]) -> NotebookNode:
    """Return the small notebook after a change of it, or of its first own code cell."""
    nb = small()
    change(nb, nb.cells[4])
    return nb


def prints(text: str) -> list[NotebookNode]:
    return [new_output("stream", name="stdout", text=text)]


ERROR = new_output("error", ename="E", evalue="", traceback=[])
WIDGET = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "IntSlider(value=0)"}
IGNORED = NotebookNode(tags=["nbval-ignore-output"])
SPOILED_ORIGIN: dict[str, Callable[[NotebookNode, NotebookNode], object]] = {
    "changed source": lambda nb, cell: cell.update(source="print(1 )"),
    "never executed": lambda nb, cell: [c.update(execution_count=None, outputs=[]) for c in nb.cells if "outputs" in c],
    "digest removed": lambda nb, cell: nb.metadata.pop("lecturelib"),
}
# These carry a fitting digest, as if a broken or an older command had written them.
SPOILED_FILE: dict[str, tuple[str, Callable[[NotebookNode, NotebookNode], object]]] = {
    "counts": ("execution counts", lambda nb, cell: cell.update(execution_count=7)),
    "error": ("an error is saved", lambda nb, cell: cell.update(outputs=[ERROR])),
    "stderr": ("stderr", lambda nb, cell: cell.update(outputs=[new_output("stream", name="stderr", text="careful")])),
    "warning": ("a warning", lambda nb, cell: cell.update(outputs=prints("UserWarning: careful\n"))),
    "folder": ("a folder", lambda nb, cell: cell.update(outputs=prints("/home/me/lecturelib\n"))),
    "Windows folder": ("a folder", lambda nb, cell: cell.update(outputs=prints("C:\\lecturelib\n"))),
    "this folder": ("a folder", lambda nb, cell: cell.update(outputs=prints(f"{ROOT}\n"))),
    "address": ("in memory", lambda nb, cell: cell.update(outputs=prints("<object at 0x7f12345678>\n"))),
    "time of day": ("time of day", lambda nb, cell: cell.update(outputs=prints("ran at 12:30:01\n"))),
    "widget alone": ("a widget", lambda nb, cell: cell.update(outputs=[new_output("display_data", data=WIDGET)])),
    "id": ("normal form", lambda nb, cell: cell.update(id="8a7f")),
    "split stream": ("normal form", lambda nb, cell: cell.update(outputs=cell.outputs * 2)),
    "other badges": ("badges", lambda nb, cell: nb.cells[1].update(source="[badge](https://example.org)")),
    "no install cell": ("install cell", lambda nb, cell: nb.cells.pop(2)),
}
SPOILED_FORM: dict[str, tuple[str, Callable[[NotebookNode, NotebookNode], object]]] = {
    "too few cells": ("cells", lambda nb, cell: nb.cells.__delitem__(slice(5, -1))),
    "too many cells": ("cells", lambda nb, cell: nb.cells.extend([nb.cells[0]] * (CELLS[1] + 1))),
    "code at the end": ("ends in a code cell", lambda nb, cell: nb.cells.append(cell)),
    "slide type": ("slide type", lambda nb, cell: cell.metadata.update(slideshow=NotebookNode(slide_type="-"))),
    "long text": ("words", lambda nb, cell: nb.cells[0].update(source="word " * (WORDS + 1))),
    "long code": ("lines of code", lambda nb, cell: cell.update(source="x = 1\n" * (LINES + 1))),
    "pyplot": ("draws by itself", lambda nb, cell: cell.update(source="import matplotlib.pyplot as plt")),
    "from matplotlib": ("draws by itself", lambda nb, cell: cell.update(source="from matplotlib.figure import Figure")),
    "axes": ("draws by itself", lambda nb, cell: cell.update(source="axes.plot(x)")),
    "ignored claim": ("makes a claim", lambda nb, cell: cell.update(source='claim("x", y)', metadata=IGNORED)),
    "ignored check": ("makes a claim", lambda nb, cell: cell.update(source="check_f(f)", metadata=IGNORED)),
    "semicolon": ("a semicolon", lambda nb, cell: cell.update(source="len('one');")),
    "outcome in the middle": ("outcome", lambda nb, cell: cell.update(source="guess.outcome(3)\nprint(4)")),
}


def test_a_good_notebook_passes_under_its_own_name():
    nb = small()
    assert origin_faults(nb, "01_small") == [] and form_faults(nb, "01_small") == []
    assert any("badges" in fault for fault in origin_faults(nb, "02_other"))


@pytest.mark.parametrize("change", SPOILED_ORIGIN.values(), ids=SPOILED_ORIGIN)
def test_a_change_by_hand_is_refused(change):
    assert any("changed since" in fault for fault in origin_faults(spoilt(change), "01_small"))


@pytest.mark.parametrize(("named", "change"), SPOILED_FILE.values(), ids=SPOILED_FILE)
def test_a_wrong_file_is_refused_though_it_carries_a_digest(named, change):
    faults = origin_faults(seal(spoilt(change)), "01_small")
    assert any(named in fault for fault in faults), faults


@pytest.mark.parametrize(("named", "change"), SPOILED_FORM.values(), ids=SPOILED_FORM)
def test_a_broken_rule_is_named(named, change):
    (fault,) = form_faults(spoilt(change), "01_small")
    assert named in fault


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("Two words.", 2),
        ("[A link](https://example.org/with/many/words) here", 3),
        ("Before\n```python\nfor x in y: pass\n```\nafter", 2),
        ("So $a + b$ is\n$$\nc = d\n$$\nshort", 4),
        ("Hint.\n<details><summary>Open</summary>Many many words.</details>", 1),
        ("| a | b |\n|---|---|\n| c | d |", 2),
    ],
)
def test_words_are_those_that_a_reader_sees(markdown, expected):
    assert words(markdown) == expected
