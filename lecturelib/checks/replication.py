"""What came of a notebook's claims and predictions in runs with other seeds: the table, and who may quote it.

`lecture replicate` runs each notebook several times with every seed shifted, and keeps for each run the values of its
claims and the right choices of its predictions, in lecturelib/checks/replicated, a file for each notebook.
A claim quotes its row only in a kernel that has run this notebook's own cells, none of them changed: a cell is
recognized by its digest, which leaves out spaces and the claims' sentences and bounds, since those move no result.
"""

import ast
import functools
import hashlib
import json
import math
import re
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_DROPPED = ("above", "below", "between")
_ADDRESS = re.compile(r"https://github\.com/[^\s\"']+")

listeners: list[Callable[[dict[str, Any]], None]] = []  # `lecture replicate` hears each claim and outcome


@functools.cache
def digest(source: str) -> str:
    """Return what a cell is recognized by.

    >>> digest('claim("so it is",  x, above=0.9)') == digest('claim("it is so", x, above=0.8)')
    True
    >>> digest('claim("so it is", x, above=0.9)') == digest('claim("so it is", y, above=0.9)')
    False
    """
    source = _ADDRESS.sub("", source)  # a fork has its own, in the cell for Colab
    data = source.encode()
    starts = [0, *(match.end() for match in re.finditer(b"\n", data))]
    gone: list[tuple[int, int]] = []
    for call in _claims(source):
        parts: list[Any] = [call.args[0], *(word for word in call.keywords if word.arg in _DROPPED)]
        for part in parts:
            gone.append((starts[part.lineno - 1] + part.col_offset, starts[part.end_lineno - 1] + part.end_col_offset))
    for start, end in sorted(gone, reverse=True):
        data = data[:start] + data[end:]
    kept = re.sub(rb"\s+", b"", data)
    return hashlib.sha256(re.sub(rb",+\)", b")", kept)).hexdigest()[:12]


def _claims(source: str) -> list[ast.Call]:
    """Return the calls of `claim` in a cell."""
    try:
        calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    except (SyntaxError, ValueError):
        return []  # a line for the shell
    return [
        call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "claim" and len(call.args) == 2
    ]


def within(value: float | bool | None, low: float | None, high: float | None) -> bool:
    """Return whether a value lies between two bounds, each of which may be missing; NaN and None lie nowhere."""
    return value is not None and (low is None or value > low) and (high is None or value < high) and value == value


def told_claim(sentence: str, value: float | bool, low: float | None, high: float | None) -> tuple[list[str], bool]:
    """Tell who listens of a claim; return what the table says of it, at most one phrase, and whether it is `near`."""
    place = _place("claims")
    for listen in listeners:
        listen({"claim": sentence, "value": value, "low": low, "high": high} | place)
    table = _table(tuple(_executed()))
    if table is None:
        return [], False
    claim = table, table["cells"].index(place["cell"]), place["nth"]
    return quote(*claim, low, high), near(*claim, value, low, high)


def told_outcome(question: str, measured: object, right: str | None) -> None:
    """Tell who listens of a prediction's outcome."""
    if right is None:
        return
    place = _place("choices")
    for listen in listeners:
        listen({"question": question, "measured": str(measured), "right": right} | place)


def held_in(table: dict[str, Any], cell: int, nth: int, low: float | None, high: float | None) -> tuple[int, int]:
    """Return in how many of the table's runs the nth claim of a cell keeps to these bounds, and of how many."""
    said = [run["claims"].get(f"{cell}.{nth}") for run in table["runs"].values()]
    held = [within(each[0], low, high) for each in said if each]
    return sum(held), len(said)


def near(
    table: dict[str, Any], cell: int, nth: int, value: float | bool, low: float | None, high: float | None
) -> bool:
    """Return whether a value misses no bound by more than two standard deviations of the table's runs.

    Where these are all positive, logarithms are compared: what varies by a factor may miss its bound by a factor.
    """
    said = [run["claims"].get(f"{cell}.{nth}") for run in table["runs"].values()]
    runs = [each[0] for each in said if each and each[0] is not None]
    if len(runs) < 2 or not all(map(math.isfinite, runs)):
        return False
    for bound, sign in ((low, 1), (high, -1)):
        if bound is None:
            continue
        scale: Callable[[float], float] = math.log if min(bound, *runs) > 0 else float
        if scale is math.log and value <= 0:
            return False
        if not sign * (scale(value) - scale(bound)) >= -2 * statistics.stdev(map(scale, runs)):
            return False
    return True


def quote(table: dict[str, Any], cell: int, nth: int, low: float | None, high: float | None) -> list[str]:
    """Return what a claim says of its runs with other seeds, as a list of at most one phrase.

    It says nothing where all runs have the same to tell: then no seed has reached what is claimed (a theorem, a loaded
    network on a given text), or the value is at the end of its scale, and ten runs are no more evidence than one.
    """
    held, runs = held_in(table, cell, nth, low, high)
    said = {tuple(run["claims"].get(f"{cell}.{nth}") or ()) for run in table["runs"].values()}
    return [f"in {held} of {runs} runs with other seeds"] if len(said) > 1 else []


@functools.cache
def tables() -> dict[str, dict[str, Any]]:
    """Return all tables, by notebook."""
    folder = Path(__file__).with_name("replicated")
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}


_asked: dict[str, tuple[int, int]] = {}  # of claims and choices: in which execution the last was, and its number there


def _place(kind: str) -> dict[str, Any]:
    """Return the digest of the cell that is running, and how many claims (or choices) were before in it."""
    executed = _executed()
    if not executed:
        return {"cell": "", "nth": 0}
    execution, nth = _asked.get(kind, (0, 0))
    _asked[kind] = (len(executed), nth + 1 if execution == len(executed) else 0)
    return {"cell": executed[-1], "nth": _asked[kind][1]}


def _executed() -> list[str]:
    """Return the digests of all cells that this kernel has run, the running one last."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None:
        return []
    return [digest(source) for source in shell.history_manager.input_hist_raw[1:]]


@functools.lru_cache(maxsize=4)
def _table(executed: tuple[str, ...]) -> dict[str, Any] | None:
    """Return the table of the notebook of which these cells are the beginning, none of them another's."""
    for table in tables().values() if executed else ():
        cells = table["cells"]
        known = [cells.index(cell) for cell in executed if cell in cells]
        if executed[-1] in cells and set(executed) == set(cells[: max(known) + 1]):
            return table
    return None
