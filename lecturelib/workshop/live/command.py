"""Present a notebook, write the speaker's sheets, or print the known mistakes of a notebook's exercises."""

import argparse
import os

from lecturelib.workshop import lab
from lecturelib.workshop.live import serve
from lecturelib.workshop.notebooks import find, folder

KEYS = """The slides of {name} open in the browser (F11 gives it the whole screen). What is changed there is not kept.
  PageDown, PageUp, or Space  to the next cell or slide, and back: the keys of a remote
  Right, Left                 to the next section, and back
  Shift-Enter                 runs the cell and stays
  F7                          runs all cells above
  F9, Shift-F9                hides the code of a cell, so that its figure grows; shows it again
  F8                          leaves the slides, and returns to them"""


def live(parser: argparse.ArgumentParser) -> None:
    """Present a notebook to a class, as slides that run, from the keyboard.

    It opens a copy, with settings of its own. Other options, such as --no-browser or --port=9999, go to
    JupyterLab.
    """
    parser.add_argument("notebook", nargs="?", default="00", metavar="NOTEBOOK", help="such as 03 or 03_attention (00)")
    parser.set_defaults(run=_present, others=True)


def sheets(parser: argparse.ArgumentParser) -> None:
    """Write the speaker's sheets: a page for each notebook, and one for the whole lecture in 75 minutes."""
    parser.set_defaults(run=_write_sheets)


def mistakes(parser: argparse.ArgumentParser) -> None:
    """Print what the checks of a notebook's exercises say to each mistake that they know."""
    parser.add_argument("notebook", metavar="NOTEBOOK", help="such as 03 or 03_attention")
    parser.set_defaults(run=_print_mistakes)


def _present(given: argparse.Namespace) -> int:
    path = find(given.notebook, folder())
    with serve.stage(sorted(path.parent.glob("*.ipynb"))) as stage:
        print(KEYS.format(name=path.stem), flush=True)
        command = serve.command(stage, path.name, given.others)
        return lab.run(command, {**os.environ, **stage.environment}, serve.address(path.name))


def _write_sheets(_: argparse.Namespace) -> None:
    from lecturelib.workshop.live.notebooks import all_notebooks
    from lecturelib.workshop.live.plan import PLAN, faults, read
    from lecturelib.workshop.live.sheets import write_all

    found, plan = list(all_notebooks()), read()
    if problems := faults(plan, found):
        raise ValueError("\n".join([f"{PLAN.name} does not fit the notebooks:", *problems]))
    print(*write_all(found, plan), sep="\n")


def _print_mistakes(given: argparse.Namespace) -> None:
    from lecturelib.workshop.live.notebooks import read
    from lecturelib.workshop.live.sheets import mistakes

    for section in read(find(given.notebook, folder())).sections:
        for exercise in section.exercises:
            print(f"\n{exercise.title}", *(f"- {says}" for says in mistakes(exercise)), sep="\n")
