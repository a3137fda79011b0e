"""Run notebooks again with every seed shifted, and keep what comes of their claims."""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import psutil
from filelock import FileLock, Timeout
from tqdm import tqdm

from lecturelib.workshop import Failed, notebooks
from lecturelib.workshop.replicate import table as tables
from lecturelib.workshop.replicate.report import report
from lecturelib.workshop.replicate.run import FAILED

CELL_SECONDS = 900  # of a cell; a slow machine is late, not wrong


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


class _Task(NamedTuple):
    """One run of one notebook that is going on."""

    path: Path
    number: int
    rows: Path
    process: subprocess.Popen[str]
    began: float


def _run(given: argparse.Namespace) -> int:
    for name in ("runs", "jobs"):
        if getattr(given, name) < 1:
            raise ValueError(f"--{name} {getattr(given, name)}: expected 1 or more")
    folder = notebooks.NOTEBOOKS
    course = [path for path in notebooks.all_in(folder) if path.match(notebooks.COURSE)]
    paths = [notebooks.find(name, folder) for name in given.names] or course
    if not given.report:
        tables.FOLDER.mkdir(exist_ok=True)
        with contextlib.ExitStack() as locks:
            for path in paths:
                try:
                    locks.enter_context(FileLock(tables.FOLDER / f".{path.stem}.lock", timeout=0))
                except Timeout:
                    raise Failed(f"another command is replicating {path.stem}: wait for it, or end it") from None
            run_all(paths, given.runs, given.jobs, given.fresh)
        for path in paths:
            _quote(path)
    return report(paths)


def run_all(paths: list[Path], runs: int, jobs: int, fresh: bool = False) -> None:
    """Make the runs that the tables lack, several at a time; each is written as it ends.

    Each notebook is copied first: all its runs are of one text, whatever an editor does meanwhile.
    Raises: Failed for a table that is not whole; and at the end for runs that no error of a cell ended, not kept.
    """
    with tempfile.TemporaryDirectory(prefix="lecturelib-") as folder:
        _run_all(paths, runs, jobs, fresh, Path(folder))


def _run_all(paths: list[Path], runs: int, jobs: int, fresh: bool, folder: Path) -> None:
    kept: dict[Path, dict[str, Any]] = {}
    waiting: list[tuple[Path, int]] = []
    for path in paths:
        nb = nbformat.read(shutil.copy(path, folder), as_version=4)
        cells = tables.digests(nb)
        table = {} if fresh else tables.read(tables.place(path.stem))
        kept[path] = table if table.get("cells") == cells else {"cells": cells, "runs": {}}
        if fresh:  # at once: when it goes on after a stop, no older run may count
            tables.write(tables.place(path.stem), kept[path])
        waiting += [(path, number) for number in range(1, runs + 1) if str(number) not in kept[path]["runs"]]
    waiting.sort(key=lambda task: task[1])
    going: list[_Task] = []
    lost: list[str] = []
    with tqdm(total=len(waiting), unit="run") as bar:
        try:
            while waiting or going:
                while waiting and len(going) < jobs:
                    going.append(_begin(*waiting.pop(0), folder))
                time.sleep(0.2)
                for task in [task for task in going if task.process.poll() is not None]:
                    going.remove(task)
                    table = kept[task.path]
                    bar.update()
                    try:
                        run = _result(task, table["cells"])
                    except (Failed, ValueError) as problem:
                        lost.append(f"run {task.number} of {task.path.stem} ({problem})")
                        continue
                    table["runs"][str(task.number)] = run
                    tables.write(tables.place(task.path.stem), table)
                    bar.set_postfix_str(f"{task.path.stem[:2]} run {task.number} {run['failed'][:40]}")
        finally:
            for task in going:
                _end(task.process)
    if lost:
        raise Failed(f"not kept, since no error of a cell ended them: {', '.join(lost)}. Try the same command again; "
                     "if they end so again, look at the cell that is named")  # fmt: skip


def _begin(path: Path, number: int, folder: Path) -> _Task:
    rows = folder / f"{path.stem}-{number}.jsonl"
    rows.touch()
    module, copy = "lecturelib.workshop.replicate.run", folder / path.name
    command = [sys.executable, "-m", module, copy, path.parent, number, rows, CELL_SECONDS]
    with (folder / f"{path.stem}-{number}.txt").open("w") as said:
        process = subprocess.Popen(
            [str(part) for part in command], stdout=said, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
    return _Task(path, number, rows, process, time.monotonic())


def _result(task: _Task, cells: list[str]) -> dict[str, Any]:
    """Return what is kept of a run.

    Raises: Failed where it ended by no error of a cell, and ValueError where its rows are damaged.
    """
    failed = ""
    if task.process.returncode != 0:
        said = task.rows.with_suffix(".txt").read_text(encoding="utf-8", errors="replace")
        lines = [line.strip() for line in said.splitlines() if line.strip() and "cell/s" not in line]
        failed = lines[-1][:200] if lines else f"exit status {task.process.returncode}"
    if task.process.returncode not in (0, FAILED):
        raise Failed(failed)
    rows = [json.loads(line) for line in task.rows.read_text(encoding="utf-8").splitlines()]
    return tables.as_run(rows, cells, time.monotonic() - task.began, failed)


def _end(process: subprocess.Popen[str]) -> None:
    """End a run with its kernel."""
    with contextlib.suppress(psutil.Error):
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        for each in family:
            with contextlib.suppress(psutil.Error):
                each.kill()
    process.wait()


def _quote(path: Path) -> None:
    """Write into a notebook's claims in how many runs they held."""
    from lecturelib.workshop.publish.command import rewrite
    from lecturelib.workshop.publish.stamp import repository

    rewrite(path, repository(notebooks.ROOT))
