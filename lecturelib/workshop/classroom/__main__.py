"""Hand in the exercises of a notebook, or collect those of a class: python -m lecturelib.workshop.classroom COMMAND."""

import argparse
import os
import sys
from pathlib import Path

from lecturelib.workshop.classroom.hand_in import hand_in_file


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m lecturelib.workshop.classroom", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    student = commands.add_parser("hand-in", help="write one small file with the exercises of a saved notebook")
    student.add_argument("notebook", metavar="NOTEBOOK", help="such as 03_attention, or a path to it")
    student.add_argument("--name", required=True, help="your name, as your teacher knows it")
    teacher = commands.add_parser("collect", help="run all checks again, on a folder of such files and of notebooks")
    teacher.add_argument("folder", type=Path, metavar="FOLDER")
    teacher.add_argument("-o", "--output", type=Path, default=Path("table.csv"), metavar="TABLE")
    teacher.add_argument("--jobs", type=_whole, default=max(1, (os.cpu_count() or 2) // 2), metavar="N",
                         help="files at a time (default: half of the cores)")  # fmt: skip
    teacher.add_argument("--seconds", type=_positive, default=20, help="for an exercise (default: 20)")
    teacher.add_argument("--megabytes", type=_whole, default=1000, help="for an exercise (default: 1000)")
    options = parser.parse_args(arguments)
    try:
        return _hand_in(options) if options.command == "hand-in" else _collect(options)
    except ValueError as problem:
        parser.error(str(problem))


def _hand_in(options: argparse.Namespace) -> int:
    print(hand_in_file(_notebook(options.notebook), options.name))
    return 0


def _notebook(name: str) -> Path:
    """Find a notebook by its path, or by its name in this folder or in notebooks/."""
    bare = name.removesuffix(".ipynb")
    places = [Path(f"{bare}.ipynb"), Path("notebooks") / f"{bare}.ipynb"]
    for place in places:
        if place.is_file():
            return place
    raise ValueError(f"there is no {' and no '.join(map(str, places))} here: expected the path of a saved notebook")


def _collect(options: argparse.Namespace) -> int:
    from lecturelib.workshop.classroom.collect import (  # imports torch, which a student need not wait for
        Limits,
        collect,
        files,
    )
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
    return 0


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is out of range: expected a number above 0")
    return value


def _whole(text: str) -> int:
    return int(_positive(text)) or 1


if __name__ == "__main__":
    sys.exit(main())
