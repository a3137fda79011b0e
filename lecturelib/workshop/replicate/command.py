"""Run notebooks again with every seed shifted, and keep what comes of their claims."""

import argparse
import contextlib
import copy
import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import nbformat
import psutil
from filelock import FileLock, Timeout
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from tqdm import tqdm

from lecturelib.workshop import Failed, notebooks
from lecturelib.workshop.publish.command import rewrite
from lecturelib.workshop.publish.execute import ENVIRONMENT, CellFailed, KernelLost, execute
from lecturelib.workshop.publish.stamp import repository
from lecturelib.workshop.replicate import table as tables
from lecturelib.workshop.replicate.report import report

CELL_SECONDS = 900  # of a cell; a slow machine is late, not wrong
BEGIN = "from lecturelib.workshop.replicate.shift import begin\nbegin({run}, {rows!r})"


def replicate(parser: argparse.ArgumentParser) -> None:
    """Run notebooks again with every seed shifted, and keep what comes of their claims.

    Each run goes into the notebook's table at once, so that a command that was stopped goes on where it was.
    A changed notebook begins a new table. Then the claims in the notebook say in how many runs they held.
    """
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as 03 or 03_attention; without, all")
    parser.add_argument("--runs", type=int, default=10, help="how many in all, for each notebook (10)")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (2)")
    parser.add_argument("--fresh", action="store_true", help="start anew, and forget the runs that are there")
    parser.add_argument("--report", action="store_true", help="run nothing; print how each claim fared")
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    for name in ("runs", "jobs"):
        if getattr(given, name) < 1:
            raise ValueError(f"--{name} {getattr(given, name)}: expected 1 or more")
    folder = notebooks.NOTEBOOKS
    course = [path for path in notebooks.all_in(folder) if path.match(notebooks.COURSE)]
    paths = [notebooks.find(name, folder) for name in given.names] or course
    if not given.report:
        tables.FOLDER.mkdir(exist_ok=True)
        try:
            with FileLock(tables.FOLDER / ".lock", timeout=0):
                run_all(paths, given.runs, given.jobs, given.fresh)
        except Timeout:
            raise Failed("another command is replicating: wait for it, or end it") from None
        for path in paths:
            rewrite(path, repository(notebooks.ROOT))
    return report(paths)


def run_all(paths: list[Path], runs: int, jobs: int, fresh: bool = False) -> None:
    """Make the runs that the tables lack, several at a time; each is written as it ends.

    Each notebook is read first: all its runs are of one text, whatever an editor does meanwhile.
    Raises: Failed for a table that is not whole; and at the end for runs that no error of a cell ended, not kept.
    """
    kept: dict[Path, dict[str, Any]] = {}
    waiting: list[tuple[int, Path, NotebookNode]] = []
    for path in paths:
        nb = nbformat.read(path, as_version=4)
        table = {} if fresh else tables.read(tables.place(path.stem))
        kept[path] = table if table.get("cells") == tables.digests(nb) else {"cells": tables.digests(nb), "runs": {}}
        if fresh:  # at once: when it goes on after a stop, no older run may count
            tables.write(tables.place(path.stem), kept[path])
        waiting += [(number, path, nb) for number in range(1, runs + 1) if str(number) not in kept[path]["runs"]]
    lost: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="lecturelib-") as folder,
        tqdm(total=len(waiting), unit="run") as bar,
        ThreadPoolExecutor(jobs) as pool,
    ):
        going = {pool.submit(_one, *each, Path(folder)): each for each in waiting}
        try:
            for done in as_completed(going):
                number, path, _ = going[done]
                bar.update()
                try:
                    kept[path]["runs"][str(number)] = done.result()
                except KernelLost as problem:
                    lost.append(f"run {number} of {path.stem} ({problem})")
                    continue
                tables.write(tables.place(path.stem), kept[path])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for kernel in psutil.Process().children(recursive=True):  # what the threads wait for
                with contextlib.suppress(psutil.Error):
                    kernel.kill()
            raise
    if lost:
        raise Failed(f"not kept, since no error of a cell ended them: {', '.join(lost)}. Try the same command again; "
                     "if they end so again, look at the cell that is named")  # fmt: skip


def _one(number: int, path: Path, nb: NotebookNode, folder: Path) -> dict[str, Any]:
    """Run a notebook once, in a kernel with shifted seeds, and return what is kept of it.

    Raises: KernelLost where it ended by no error of a cell.
    """
    rows, began, failed = folder / f"{path.stem}-{number}.jsonl", time.monotonic(), ""
    rows.touch()
    shifted = copy.deepcopy(nb)
    shifted.cells.insert(0, new_code_cell(BEGIN.format(run=number, rows=str(rows)), id="shift"))
    try:
        execute(shifted, path.parent, path.stem, CELL_SECONDS, ENVIRONMENT | {"LECTURELIB_STRICT": "0"}, quiet=True)
    except CellFailed as failure:
        failed = str(failure).strip().splitlines()[-1][:200]
    said = [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()]
    return tables.as_run(said, tables.digests(nb), time.monotonic() - began, failed)
