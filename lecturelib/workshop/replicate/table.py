"""The table of a notebook: the digests of its cells, and for each run what its claims and its right choices were.

    {"cells": ["3f2a...", ...],
     "runs": {"1": {"claims": {"7.0": [0.98], "7.1": [1]}, "right": {"9.0": "none"}, "seconds": 31, "failed": ""}, ...}}

"7.1" is the value of the second claim of the eighth code cell; its bound counts as it is written now. An exact fact is
1 or 0. A run that stopped has a reason in `failed`, and the claims that it came to.
"""

import json
import re
import statistics
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from nbformat import NotebookNode

from lecturelib.checks import replication
from lecturelib.workshop import Failed
from lecturelib.workshop.whole import write_text

FOLDER = Path(replication.__file__).with_name("replicated")
ENOUGH = 0.9  # of the runs: so often a claim must hold, and a right choice be the same

_NUMBER = r"-?(?:[\d.]+(?:e[-+]?\d+)?|inf|nan)"
_LINE = re.compile(
    r"^Claim holds: (?P<sentence>.*?)(?: \("
    rf"(?P<facts>(?P<low>{_NUMBER}) < {_NUMBER} < (?P<high>{_NUMBER})|{_NUMBER} > (?P<above>{_NUMBER})"
    rf"|{_NUMBER} < (?P<below>{_NUMBER}))?"
    r"(?:; )?(?:in \d+ of \d+ runs with other seeds)?\))?\.$",
    re.MULTILINE,
)
_RIGHT = re.compile(r"Right was: (.*)\.$")


class Claim(NamedTuple):
    """A claim as a committed notebook shows it: where, what, and its bounds; for an exact fact there are none."""

    cell: int
    nth: int
    sentence: str
    low: float | None
    high: float | None

    @property
    def exact(self) -> bool:
        """Whether it is true or false, and no number is compared."""
        return self.low is None and self.high is None

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Between what its value must lie: True is 1."""
        return (0.5, None) if self.exact else (self.low, self.high)


class Summary(NamedTuple):
    """How often a claim held, its mean and standard deviation over the runs, and what is to be said of its bound."""

    claim: Claim
    held: int
    runs: int
    mean: float
    spread: float
    remark: str


def place(notebook: str) -> Path:
    """Return the file of a notebook's table."""
    return FOLDER / f"{notebook}.json"


def digests(nb: NotebookNode) -> list[str]:
    """Return what the code cells of a notebook are recognized by."""
    return [replication.digest(cell.source) for cell in _code(nb)]


def read(path: Path) -> dict[str, Any]:
    """Return a table, an empty one where there is no file yet.

    Raises: Failed for a file that is not a whole table.
    """
    if not path.exists():
        return {"cells": [], "runs": {}}
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        if not all({"claims", "right", "failed"} <= run.keys() for run in table["runs"].values()) or not table["cells"]:
            raise ValueError("a part of it is missing")
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise Failed(
            f"{path} is not a whole table ({problem}): take it from the repository's history, or remove it and run "
            "this again"
        ) from None
    assert isinstance(table, dict)
    return table


def write(path: Path, table: dict[str, Any]) -> None:
    """Write a table in one step, a line for each run."""
    path.parent.mkdir(exist_ok=True)
    runs = sorted(table["runs"].items(), key=lambda item: int(item[0]))
    lines = ",\n".join(f"  {json.dumps(number)}: {json.dumps(run, ensure_ascii=False)}" for number, run in runs)
    write_text(path, f'{{"cells": {json.dumps(table["cells"])},\n "runs": {{\n{lines}\n}}}}\n')


def as_run(rows: list[dict[str, Any]], cells: list[str], seconds: float, failed: str) -> dict[str, Any]:
    """Return what is kept of a run, from what its claims and outcomes said."""
    claims, right = {}, {}
    for row in rows:
        cell = cells.index(row["cell"])
        key = f"{cell}.{row['nth']}"
        if "claim" in row:
            claims[key] = [row["value"] if row["value"] is None else float(f"{row['value']:.6g}")]
        else:
            right[key] = row["right"]
    return {"claims": claims, "right": right, "seconds": round(seconds), "failed": failed}


def shown_claims(nb: NotebookNode) -> list[Claim]:
    """Return the claims that stand in the outputs of a notebook."""
    seen = Counter[int]()
    return [_claim(match, cell, seen) for cell, output in _printed(nb) for match in _LINE.finditer(output.text)]


def shown_choices(nb: NotebookNode) -> dict[str, str]:
    """Return the right choices that stand in the outputs of a notebook, by cell and number."""
    found: dict[str, str] = {}
    for number, cell in enumerate(_code(nb)):
        texts = [str(output.get("data", {}).get("text/plain", "")) for output in cell.get("outputs", [])]
        matches = [match for text in texts if (match := _RIGHT.search(text))]
        found |= {f"{number}.{nth}": match[1] for nth, match in enumerate(matches)}
    return found


def quote(nb: NotebookNode, table: dict[str, Any]) -> None:
    """Let the claims in the outputs of a notebook say in how many runs they held; of another's table, none does."""
    own, seen = table["cells"] == digests(nb), Counter[int]()
    for cell, output in _printed(nb):

        def line(match: re.Match[str], cell: int = cell) -> str:
            claim = _claim(match, cell, seen)
            facts = [match["facts"]] if match["facts"] else []
            facts += replication.quote(table, cell, claim.nth, *claim.bounds) if own else []
            return f"Claim holds: {claim.sentence}" + (f" ({'; '.join(facts)})." if facts else ".")

        output.text = _LINE.sub(line, output.text)


def _claim(match: re.Match[str], cell: int, seen: Counter[int]) -> Claim:
    """Return the claim of a line; `seen` counts those of each cell."""
    low, high = (match["low"] or match["above"]), (match["high"] or match["below"])
    bounds = (float(each) if each else None for each in (low, high))
    seen[cell] += 1
    return Claim(cell, seen[cell] - 1, match["sentence"], *bounds)


def summaries(nb: NotebookNode, table: dict[str, Any]) -> list[Summary]:
    """Return for each claim of a notebook how it fared in the runs of its table."""
    found = []
    for claim in shown_claims(nb):
        held, runs = replication.held_in(table, claim.cell, claim.nth, *claim.bounds)
        said = [run["claims"].get(f"{claim.cell}.{claim.nth}") for run in table["runs"].values()]
        known = [each[0] for each in said if each]
        mean = statistics.fmean(known) if known else float("nan")
        spread = statistics.stdev(known) if len(known) > 1 else 0.0
        found.append(Summary(claim, held, runs, mean, spread, _remark(claim, held, runs, mean, spread)))
    return found


def choices(nb: NotebookNode, table: dict[str, Any]) -> list[tuple[str, int, int]]:
    """Return the right choices that a notebook shows, in how many runs each was right, and of how many."""
    runs = table["runs"].values()
    return [
        (right, sum(run["right"].get(key) == right for run in runs), len(runs))
        for key, right in shown_choices(nb).items()
    ]


def _remark(claim: Claim, held: int, runs: int, mean: float, spread: float) -> str:
    if runs and held < ENOUGH * runs:
        return "too tight" if not claim.exact else "fails too often"
    if claim.exact or not spread:
        return ""
    away = min(abs(mean - bound) for bound in (claim.low, claim.high) if bound is not None)
    return "too loose" if away > 4 * spread else ""


def _code(nb: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def _printed(nb: NotebookNode) -> list[tuple[int, NotebookNode]]:
    """Return the outputs that are printed text, each with the number of its code cell."""
    outputs = [(number, output) for number, cell in enumerate(_code(nb)) for output in cell.get("outputs", [])]
    return [(number, output) for number, output in outputs if output.get("name") == "stdout"]
