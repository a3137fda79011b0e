"""Hand in the exercises of a notebook, collect those of a class, or give everybody a server."""

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path

from lecturelib.workshop import Failed
from lecturelib.workshop.notebooks import COURSE, find

HUB = Path(__file__).with_name("jupyterhub_config.py")


def hand_in(parser: argparse.ArgumentParser) -> None:
    """Write one small file with the exercises of a saved notebook, to hand in."""
    parser.add_argument("notebook", metavar="NOTEBOOK", help="such as 03 or 03_attention, or a path to it")
    parser.add_argument("--name", required=True, help="your name, as your teacher knows it")
    parser.set_defaults(run=_hand_in)


def collect(parser: argparse.ArgumentParser) -> None:
    """Check the exercises that a class handed in, and write a table of the results.

    FOLDER holds the files of `lecture hand-in`, or notebooks; folders and zips in it are searched, too. Each hand-in
    runs isolated: in bubblewrap, or in podman or docker with the course's image. A run that was stopped goes on where
    it was.
    """
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("-o", "--output", type=Path, default=Path("table.csv"), metavar="TABLE",
                        help="a new file (table.csv)")  # fmt: skip
    jobs = max(1, os.cpu_count() or 2)
    parser.add_argument("--jobs", type=_whole, default=jobs, metavar="N", help="files at a time (one a core)")
    parser.add_argument("--seconds", type=_positive, default=20, help="of computing for an exercise (20)")
    parser.add_argument("--megabytes", type=_whole, default=1000, help="for an exercise (1000)")
    parser.add_argument("--image", default="lecture", help="of the course, for podman or docker (lecture)")
    parser.add_argument("--same-account", action="store_true",
                        help="run strangers' code under this account, with all its rights: see the README")  # fmt: skip
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
    # in the place of this process: what Ctrl-C or a signal ends is the hub itself, which first stops all servers
    os.execv(sys.executable, [sys.executable, "-m", "jupyterhub", "-f", str(HUB), *given.others])


def _hand_in(given: argparse.Namespace) -> None:
    from lecturelib.workshop.classroom.hand_in import hand_in_file

    path, here = Path(f"{given.notebook.removesuffix('.ipynb')}.ipynb"), Path.cwd()
    places = (here, here / "notebooks")  # never a clone elsewhere: it holds another's
    folder = next((place for place in places if any(place.glob(COURSE))), here)
    print(hand_in_file(path if path.is_file() else find(given.notebook, folder), given.name))


def _collect(options: argparse.Namespace) -> None:
    from lecturelib.workshop.classroom.collect import Limits, collect
    from lecturelib.workshop.classroom.course import read_course
    from lecturelib.workshop.classroom.files import Listing
    from lecturelib.workshop.classroom.sandbox import choose
    from lecturelib.workshop.classroom.table import Journal, plain, rows, summary, write_table

    if not options.folder.is_dir():
        raise ValueError(f"{options.folder} is no folder: expected one with the files that were handed in")
    if not options.output.absolute().parent.is_dir():
        raise ValueError(f"{options.output.parent} is no folder: expected one to write the table to")
    if os.path.lexists(options.output):
        raise ValueError(f"{options.output} is there already, and nothing is overwritten: name another table with -o")
    listing = Listing(options.folder)
    if not listing.found:
        raise ValueError(f"{options.folder} holds no hand-in and no notebook: expected those that were handed in")
    course = read_course()
    sandbox = choose(options.image, options.same_account)
    print(sandbox.words, flush=True)
    limits = Limits(options.seconds, options.megabytes * 1_000_000)
    journal = Journal(options.output, limits)
    known = [journal.of(source) for source in listing.found]
    results = [each for each in known if each]
    if results:
        print(f"{len(results)} of {len(known)} are known from a run that was stopped ({journal.path})")
    sources = [source for source, each in zip(listing.found, known, strict=True) if not each]
    try:
        for result in collect(sources, sandbox, limits, options.jobs):
            journal.add(result)
            results.append(result)
            said = result.problem or ", ".join(each.name for each in result.found) or "no exercise"
            print(f"{len(results)}/{len(known)} {plain(result.source.place, 60)}: {plain(said, 200)}", flush=True)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; the same command goes on where it was") from None
    table = rows(results, course)
    write_table(options.output, table, course)
    journal.close()
    print("", *summary(table, course), "", f"{options.output}: {len(table)} rows", sep="\n")
    for row in table:
        if row.note:
            print(f"  {row.student}: {row.note}")
    if listing.left:
        print(f"left out: {len(listing.left)} files", *(f"  {plain(place, 120)}: {plain(why, 120)}"
                                                         for place, why in listing.left), sep="\n")  # fmt: skip


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is out of range: expected a number above 0")
    return value


def _whole(text: str) -> int:
    return int(_positive(text)) or 1
