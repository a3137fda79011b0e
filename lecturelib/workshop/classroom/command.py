"""Hand in the exercises of a notebook, collect those of a class, or give everybody a server."""

import argparse
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from lecturelib.workshop import Failed

HUB = Path(__file__).with_name("jupyterhub_config.py")


def hand_in(parser: argparse.ArgumentParser) -> None:
    """Write one small file with the exercises of a saved notebook, to hand in."""
    parser.add_argument("notebook", metavar="NOTEBOOK", help="such as 03_attention, or a path to it")
    parser.add_argument("--name", required=True, help="your name, as your teacher knows it")
    parser.set_defaults(run=_hand_in)


def collect(parser: argparse.ArgumentParser) -> None:
    """Check the exercises that a class handed in, and write a table of the results.

    FOLDER holds the files of `lecture hand-in`, or notebooks; folders in it are searched, too.
    """
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("-o", "--output", type=Path, default=Path("table.csv"), metavar="TABLE", help="(table.csv)")
    jobs = max(1, (os.cpu_count() or 2) // 2)
    parser.add_argument("--jobs", type=_whole, default=jobs, metavar="N", help="files at a time (half of the cores)")
    parser.add_argument("--seconds", type=_positive, default=20, help="for an exercise (20)")
    parser.add_argument("--megabytes", type=_whole, default=1000, help="for an exercise (1000)")
    parser.set_defaults(run=_collect)


def hub(parser: argparse.ArgumentParser) -> None:
    """Give each user of this machine a server: start a JupyterHub, as root. Other options go to it."""
    parser.add_argument("--path", action="store_true", help="print where its configuration lies; start nothing")
    parser.set_defaults(run=_hub, others=True)


def _hub(given: argparse.Namespace) -> int:
    if given.path:
        print(HUB)
        return 0
    if find_spec("jupyterhub") is None:
        raise Failed('jupyterhub is not installed: run python -m pip install -e ".[hub]"')
    return subprocess.run([sys.executable, "-m", "jupyterhub", "-f", str(HUB), *given.others]).returncode


def _hand_in(given: argparse.Namespace) -> None:
    from lecturelib.workshop.classroom.hand_in import hand_in_file

    print(hand_in_file(_notebook(given.notebook), given.name))


def _notebook(name: str) -> Path:
    """Find a notebook by its path, or by its name in this folder or in notebooks/."""
    bare = name.removesuffix(".ipynb")
    places = [Path(f"{bare}.ipynb"), Path("notebooks") / f"{bare}.ipynb"]
    for place in places:
        if place.is_file():
            return place
    raise ValueError(f"there is no {' and no '.join(map(str, places))} here: expected the path of a saved notebook")


def _collect(options: argparse.Namespace) -> None:
    from lecturelib.workshop.classroom.collect import Limits, collect, files
    from lecturelib.workshop.classroom.course import read_course
    from lecturelib.workshop.classroom.table import plain, rows, summary, write_table

    if not options.folder.is_dir():
        raise ValueError(f"{options.folder} is no folder: expected one with the files that were handed in")
    if not options.output.absolute().parent.is_dir():
        raise ValueError(f"{options.output.parent} is no folder: expected one to write the table to")
    paths = files(options.folder)
    if not paths:
        raise ValueError(f"{options.folder} holds no .json and no .ipynb file: expected those that were handed in")
    course = read_course()
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        print("This runs the code of strangers as root: see lecturelib/workshop/classroom/README.md.", file=sys.stderr)
    results = []
    limits = Limits(options.seconds, options.megabytes * 1_000_000)
    for n, result in enumerate(collect(paths, course, limits, options.jobs), 1):
        results.append(result)
        said = result.problem or ", ".join(each.name for each in result.found) or "no exercise"
        name = plain(result.path.relative_to(options.folder).as_posix(), 60)
        print(f"{n}/{len(paths)} {name}: {plain(said, 200)} ({result.seconds:.1f} s)", flush=True)
    table = rows(results, course, options.folder)
    write_table(options.output, table, course)
    print("", *summary(table, course), "", f"{options.output}: {len(table)} rows", sep="\n")
    for row in table:
        if row.note:
            print(f"  {row.student}: {row.note}")


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is out of range: expected a number above 0")
    return value


def _whole(text: str) -> int:
    return int(_positive(text)) or 1
