"""Runs with other seeds: what is shifted, what is kept, what a claim may say of it, and what is refused."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import torch
from filelock import FileLock
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lecturelib.__main__ import main
from lecturelib.checks import replication
from lecturelib.checks.claims import ClaimFailed, claim
from lecturelib.workshop import Failed, notebooks
from lecturelib.workshop.publish.execute import execute
from lecturelib.workshop.publish.form import clean, normalize, seal
from lecturelib.workshop.replicate import command
from lecturelib.workshop.replicate import table as tables
from lecturelib.workshop.replicate.command import run_all
from lecturelib.workshop.replicate.table import Claim
from tests.mutants import Mutant, planted

ROOT = Path(__file__).parents[3]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))

# ---- the shift ----

DRAWS = """
import random
import numpy as np
import torch
from sklearn.utils import check_random_state
from lecturelib.data.digits import digits
from lecturelib.data.strings import random_strings
from lecturelib.training import seed_everything


def seeded(seed, draw):
    seed()
    return draw()


DRAWS = {
    "random": lambda: seeded(lambda: random.seed(1), random.random),
    "random.Random": lambda: random.Random(1).random(),
    "numpy": lambda: seeded(lambda: np.random.seed(1), np.random.rand),
    "default_rng": lambda: np.random.default_rng(1).random(),
    "default_rng, a list": lambda: np.random.default_rng([1, 2]).random(),
    "RandomState": lambda: np.random.RandomState(1).rand(),
    "torch": lambda: seeded(lambda: torch.manual_seed(1), lambda: torch.rand(1).item()),
    "Generator": lambda: torch.rand(1, generator=torch.Generator().manual_seed(1)).item(),
    "Generator, on a device": lambda: torch.rand(1, generator=torch.Generator("cpu").manual_seed(1)).item(),
    "scikit-learn": lambda: check_random_state(1).rand(),
    "seed_everything": lambda: torch.rand(1, generator=seed_everything(1)).item() + torch.rand(1).item(),
    "strings": lambda: random_strings(3, 20, seed=1),
    "digits": lambda: digits(seed=1)[0][1][:30].tolist(),
}
"""

CONTRAST = """
import sys
from lecturelib.workshop.replicate.shift import shift
before = {name: draw() for name, draw in DRAWS.items()}
again = {name: draw() for name, draw in DRAWS.items()}
shift(7_919)
after = {name: draw() for name, draw in DRAWS.items()}
print({name for name in DRAWS if before[name] != again[name]}, {name for name in DRAWS if before[name] == after[name]})
assert isinstance(torch.default_generator, torch.Generator)
assert isinstance(np.random.mtrand._rand, np.random.RandomState)
"""


def test_the_shift_reaches_whatever_takes_a_seed():
    """Nothing is random before it, and nothing is the same after it."""
    said = subprocess.run([sys.executable, "-c", DRAWS + CONTRAST], capture_output=True, text=True)
    assert said.stdout == "set() set()\n", said.stdout + said.stderr


# ---- a cell's digest ----

CELL = 'x = é = fit(model, seed=0); claim("it is so", x, above=0.9)\ndraw("it", x, above=3)'


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (("it is so", "so it is"), True),
        (("above=0.9", "below=0.8"), True),
        ((", above=0.9", ""), True),
        (("above=0.9)", "\n    above=0.9,\n)"), True),
        (("seed=0", "seed=1"), False),
        (('"it is so", x', '"it is so", 2 * x'), False),
        (("above=3", "above=4"), False),
        (("claim(", "print("), False),
    ],
)
def test_what_a_cell_is_recognized_by(change, same):
    assert CELL.replace(*change) != CELL
    assert (replication.digest(CELL.replace(*change)) == replication.digest(CELL)) is same


def test_a_fork_changes_no_digest_and_another_line_for_the_shell_does():
    assert replication.digest("%pip install x") != replication.digest("%pip install y")
    install = '%pip install "lecturelib @ https://github.com/{}/archive/main.zip"'
    assert replication.digest(install.format("me/mine")) == replication.digest(install.format("you/yours"))


# ---- runs ----

CELLS = [
    "import torch\nfrom lecturelib.checks.claims import claim\nfrom lecturelib.checks.predictions import predict",
    "x = torch.rand(1, generator=torch.Generator().manual_seed(5)).item()\nguess = predict('?', ['low', 'high'])",
    "claim('this draw is what it was', x, between=({low}, {high}))  # a fluke: true for the seed that is shown\n"
    "claim('it lies between 0 and 1', x, between=(-1e-9, 1.0))\nclaim('two is even', 2 % 2 == 0)",
    "guess.outcome(f'{x:.1f}', right='high' if x > 0.5 else 'low')",
]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A project with one small notebook, whose tables lie in a folder of its own."""
    monkeypatch.setattr(tables, "FOLDER", tmp_path / "replicated")
    monkeypatch.setattr(notebooks, "NOTEBOOKS", tmp_path)
    return tmp_path


def write(folder, *cells, name="03_small"):
    x = torch.rand(1, generator=torch.Generator().manual_seed(5)).item()
    cells = [cell.format(low=x - 0.001, high=x + 0.001) if "{low}" in cell else cell for cell in cells]
    nb = new_notebook(cells=[new_markdown_cell("# 03 Small"), *map(new_code_cell, cells)])
    path = folder / f"{name}.ipynb"
    nbformat.write(nb, path)
    return path


def executed(path):
    """Run the notebook as its reader would, and return it with its outputs."""
    nb = seal(clean(normalize(execute(nbformat.read(path, as_version=4), path.parent, path.stem))))
    nbformat.write(nb, path)
    return nb


def test_a_fluke_is_caught_and_a_right_choice_counted(place, capfd, monkeypatch):
    path = write(place, *CELLS)
    nb = executed(path)
    monkeypatch.setattr(command, "rewrite", lambda *_: None)
    assert main(["replicate", "03", "--runs", "4", "--jobs", "2"]) == 1
    said = capfd.readouterr().out
    assert " 0 of 4 " in said and "too tight" in said and said.count(" 4 of 4 ") >= 2
    table = tables.read(tables.place("03_small"))
    assert [run["failed"] for run in table["runs"].values()] == [""] * 4
    values = [run["claims"]["2.0"][0] for run in table["runs"].values()]
    assert len(set(values)) == 4, "each run has other seeds"
    fluke, wide, exact = tables.summaries(nb, table)
    assert (fluke.held, wide.held, exact.held, exact.claim.exact) == (0, 4, 4, True)
    assert fluke.claim.sentence == "this draw is what it was"
    (choice,) = tables.choices(nb, table)
    right = choice[0]
    assert choice[1:] == (sum((value > 0.5) == (right == "high") for value in values), 4)
    # once more: nothing is left to do, and nothing is run
    before = tables.place("03_small").read_bytes()
    monkeypatch.setattr(command, "execute", None)
    run_all([path], runs=4, jobs=1)
    assert tables.place("03_small").read_bytes() == before
    # the kernel that has run these cells, and no other, says so
    tables.quote(nb, table)
    printed = nb.cells[3].outputs[0].text.splitlines()
    assert printed[1].endswith("; in 4 of 4 runs with other seeds).")
    assert printed[2] == "Claim holds: two is even."  # no seed makes it another number
    assert tables.shown_claims(nb)[2] == Claim(2, 2, "two is even", None, None)
    tables.quote(nb, table)
    assert nb.cells[3].outputs[0].text.splitlines() == printed
    tables.quote(nb, table | {"cells": ["other"]})
    assert "runs" not in nb.cells[3].outputs[0].text


def test_a_run_that_stops_is_a_row_and_its_claims_count_as_failed(place):
    path = write(place, *CELLS[:3], "assert x < 0, 'too large'", "claim('never said', True)")
    run_all([path], runs=2, jobs=2)
    table = tables.read(tables.place("03_small"))
    for run in table["runs"].values():
        assert "too large" in run["failed"] and set(run["claims"]) == {"2.0", "2.1", "2.2"}
    assert replication.held_in(table, 4, 0, 0.5, None) == (0, 2)


def test_a_run_whose_kernel_was_lost_is_not_kept_and_made_again(place):
    path = write(place, "import os\nif not os.path.exists('x'):\n    os.mkdir('x')\n    os._exit(1)")
    with pytest.raises(Failed, match=r"run 1 of 03_small \(03_small, cell .*: Kernel died\)\. Try the same"):
        run_all([path], runs=1, jobs=1)
    assert tables.read(tables.place("03_small"))["runs"] == {}
    run_all([path], runs=1, jobs=1)
    assert tables.read(tables.place("03_small"))["runs"]["1"]["failed"] == ""


def test_it_goes_on_where_it_was_stopped_and_anew_for_a_changed_notebook(place, monkeypatch):
    path = write(place, *CELLS)
    begun = []
    empty = tables.as_run([], [], 1.0, "")
    monkeypatch.setattr(command, "_one", lambda number, *_: begun.append(number) or empty)
    cells = tables.digests(nbformat.read(path, as_version=4))
    tables.write(tables.place("03_small"), {"cells": cells, "runs": {"2": empty}})
    run_all([path], runs=3, jobs=1)
    assert begun == [1, 3]
    path.write_text(path.read_text().replace("manual_seed(5)", "manual_seed(6)"))
    run_all([path], runs=3, jobs=1)
    assert begun == [1, 3, 1, 2, 3]
    run_all([path], runs=2, jobs=1, fresh=True)
    assert begun[5:] == [1, 2] and len(tables.read(tables.place("03_small"))["runs"]) == 2

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_one", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_all([path], runs=2, jobs=1, fresh=True)
    assert tables.read(tables.place("03_small"))["runs"] == {}  # what was forgotten does not count when it goes on


# ---- a claim's own kernel ----

TABLE = {
    "cells": ["a", "b", "c"],
    "runs": {
        "1": {"claims": {"1.0": [0.95]}, "right": {}, "failed": ""},
        "2": {"claims": {"1.0": [0.85]}, "right": {}, "failed": ""},
    },
}


@pytest.mark.parametrize(
    ("executed", "known"),
    [
        (["a", "b"], True),
        (["a", "b", "b", "c", "b"], True),
        (["a", "x", "b"], False),
        (["a", "b", "x"], False),
        ([], False),
    ],
)
def test_only_the_notebooks_own_cells_let_a_claim_quote_its_runs(executed, known, monkeypatch):
    monkeypatch.setattr(replication, "tables", lambda: {"03_small": TABLE})
    monkeypatch.setattr(replication, "_executed", lambda: executed)
    monkeypatch.setattr(replication, "_asked", {})
    replication._table.cache_clear()
    found = replication.told_claim("it is so", 0.97, 0.9, None)
    assert found == ((["in 1 of 2 runs with other seeds"], True) if known else ([], False))
    replication._table.cache_clear()


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([[0.95], [0.92]], ["in 2 of 2 runs with other seeds"]),
        ([[0.95], [0.9], None], ["in 1 of 3 runs with other seeds"]),  # a run that did not come to the claim counts
        ([[0.95], [0.95]], []),
        ([None, None], []),
        ([], []),
    ],
)
def test_runs_that_all_measured_the_same_are_not_counted(rows, told):
    runs = {str(n): {"claims": {"1.0": row} if row else {}} for n, row in enumerate(rows)}
    assert replication.quote({"runs": runs}, 1, 0, 0.9, None) == told


MISSES = [  # values of the runs, what is measured, the bounds, and whether chance explains that
    ([[-0.1], [0], [0.1]], -0.35, (-0.2, None), True),  # the deviation is 0.1
    ([[-0.1], [0], [0.1]], -0.45, (-0.2, None), False),
    ([[-0.1], [0], [0.1]], 0.35, (-0.2, 0.2), True),
    ([[-0.1], [0], [0.1]], 0.45, (-0.2, 0.2), False),
    ([[10], [100], [1000]], 0.06, (5, None), True),  # by logarithms a factor of 10
    ([[10], [100], [1000]], 0.04, (5, None), False),
    ([[True], [True]], False, (0.5, None), False),
    ([[0.95], None, [None]], 0.9, (0.92, None), False),
    ([[0.1], [float("inf")]], 0.1, (0.15, None), False),
]


@pytest.mark.parametrize(("rows", "value", "bounds", "explained"), MISSES)
def test_chance_explains_a_miss_by_no_more_than_two_standard_deviations(rows, value, bounds, explained, monkeypatch):
    runs = {str(n): {"claims": {"1.0": row} if row else {}} for n, row in enumerate(rows)}
    table = {"cells": ["a", "b"], "runs": runs}
    monkeypatch.setattr(replication, "_executed", lambda: ["a", "b"])
    monkeypatch.setattr(replication, "_asked", {})
    monkeypatch.setattr(replication, "_table", lambda executed: table)
    monkeypatch.setenv("LECTURELIB_STRICT", "chance")
    bound = {"above": bounds[0]} if bounds[1] is None else {"between": bounds}
    with contextlib.nullcontext() if explained else pytest.raises(ClaimFailed):
        claim("it is so", value, **(bound if value is not False else {}))


# ---- bad input ----


@pytest.mark.parametrize(
    "text", ['{"cells": ["a"], "runs": {"1": {"claims"', '{"cells": ["a"], "runs": {"1": {"claims": {}}}}', "[1]"]
)
def test_a_table_that_is_cut_short_is_named_and_stays(place, capsys, text):
    write(place, *CELLS)
    file = tables.place("03_small")
    file.parent.mkdir()
    file.write_text(text)
    assert main(["replicate", "03", "--runs", "1"]) == 1
    said = capsys.readouterr().err
    assert f"{file} is not a whole table" in said and "history" in said and said.count("\n") == 1
    assert file.read_text() == text and not list(file.parent.glob("*.part"))


@pytest.mark.parametrize("given", [["--runs", "0"], ["--jobs", "-1"]])
def test_bad_input_is_one_line(place, capsys, given):
    write(place, *CELLS)
    assert main(["replicate", "03", *given]) == 2
    assert capsys.readouterr().err == f"lecture replicate: {' '.join(given)}: expected 1 or more\n"


def test_of_two_commands_at_once_the_second_is_refused_until_the_first_has_ended(place, capsys, monkeypatch):
    write(place, *CELLS)
    tables.FOLDER.mkdir()
    with FileLock(tables.FOLDER / ".lock"):
        assert main(["replicate", "03", "--runs", "1"]) == 1
    assert "another command is replicating" in capsys.readouterr().err
    assert not tables.place("03_small").exists()
    monkeypatch.setattr(command, "run_all", lambda *_: None)
    monkeypatch.setattr(command, "rewrite", lambda *_: None)
    main(["replicate", "03", "--runs", "1"])
    assert capsys.readouterr().err == ""


def test_a_missing_table_is_said_of_each_notebook_of_the_course(place, capsys):
    executed(write(place, *CELLS))
    write(place, *CELLS, name="Untitled")
    assert main(["replicate", "--report"]) == 1
    assert capsys.readouterr().out == "03_small: no runs of the notebook as it is now\n"


# ---- the course ----


# measured, and the same in all runs: at the end of their scale
STILL = {
    "untrained, 1 state is left in 5 of 5",
    "with an open gate, what it learned at 10 it answers at 100",
    "at n = 2 the two are equal, within 0.01",
}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_claim_and_every_right_choice_holds_with_other_seeds(path):
    """In at least nine runs of ten; and the notebook says so."""
    nb, table = nbformat.read(path, as_version=4), tables.read(tables.place(path.stem))
    assert table["cells"] == tables.digests(nb), f"the notebook has changed: run `lecture replicate {path.stem}`"
    assert len(table["runs"]) >= 10 and not [run["failed"] for run in table["runs"].values() if run["failed"]]
    found = tables.summaries(nb, table)
    assert [each for each in found if each.held < tables.ENOUGH * each.runs] == []
    assert [each for each in tables.choices(nb, table) if each[1] < tables.ENOUGH * each[2]] == []
    assert len(found) == len({key for run in table["runs"].values() for key in run["claims"]})
    still = {each.claim.sentence for each in found if not each.claim.exact and not each.spread}
    assert still <= STILL, "the shift of the seeds does not reach the experiment behind them"
    saved = json.dumps(nb)
    tables.quote(nb, table)
    assert json.dumps(nb) == saved, f"run `lecture publish --text-only {path.stem}`"


# ---- planted bugs ----

test_mutants = planted(
    replication,
    [
        Mutant("[call.args[0], *", "[*", test_what_a_cell_is_recognized_by),
        Mutant('_DROPPED = ("above", "below", "between")', "_DROPPED = ()", test_what_a_cell_is_recognized_by),
        Mutant('call.func.id == "claim"', "True", test_what_a_cell_is_recognized_by),
        Mutant("data = source.encode()", "data = source.encode('latin1')", test_what_a_cell_is_recognized_by),
        Mutant(
            "return sum(held), len(said)",
            "return sum(held), len(held)",
            test_runs_that_all_measured_the_same_are_not_counted,
        ),
        Mutant("if len(said) > 1", "if runs", test_runs_that_all_measured_the_same_are_not_counted),
        Mutant("value > low", "value >= low", test_runs_that_all_measured_the_same_are_not_counted),
    ],
)
