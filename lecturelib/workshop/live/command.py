"""Present a notebook, write the speaker's sheets, or print the known mistakes of a notebook's exercises."""

import argparse
import os
import time
from contextlib import ExitStack
from pathlib import Path

from lecturelib.workshop import lab
from lecturelib.workshop.live import serve
from lecturelib.workshop.live.plan import PLAN, faults, read
from lecturelib.workshop.notebooks import find, folder

KEYS = """The slides of {name} open in the browser (F11 gives it the whole screen). What is changed there is not kept.
  PageDown, PageUp, or Space  to the next cell or slide, and back: the keys of a remote
  Right, Left                 to the next section, and back
  Shift-Enter                 runs the cell and stays
  F7                          runs all cells above
  F9, Shift-F9                hides the code of a cell, so that its figure grows; shows it again
  F8                          leaves the slides, and returns to them"""
ON_PATH = (
    "  PageDown on the last slide of a notebook leads to the next notebook, PageUp on the first to the one before."
)
POLL = """The class votes at {link} (the slide shows it, with a QR code).
  F2                          opens the vote on the prediction of this slide
  F3                          shows how many chose what; hides it again
  F4                          asks again, after the discussion
  F6                          closes the vote; once more, puts it away"""


def live(parser: argparse.ArgumentParser) -> None:
    """Present a notebook to a class, as slides that run, from the keyboard.

    It opens a copy, with settings of its own. Other options, such as --no-browser or --port=9999, go to
    JupyterLab.
    """
    parser.add_argument("notebook", nargs="?", default="00", metavar="NOTEBOOK", help="such as 03 or 03_attention (00)")
    parser.add_argument("--at", default="", metavar="SECTION", help="where to begin: 6, or how a title begins")
    parser.add_argument("--path", action="store_true", help="show only the slides of the lecture in 75 minutes;"
                        " each notebook leads to the next")  # fmt: skip
    parser.add_argument("--warm", action="store_true", help="run all its cells once, before the lecture")
    parser.add_argument("--poll", action="store_true", help="let the class vote on the predictions, by phone")
    parser.add_argument("--bind", default="127.0.0.1", metavar="ADDRESS", help="where the poll, and only that, listens:"
                        " an address of this machine, or 0.0.0.0 for all (127.0.0.1: no phone reaches it)")  # fmt: skip
    parser.add_argument("--link", default="", metavar="URL", help="where phones reach the poll, if that is elsewhere")
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
    with ExitStack() as stack:
        hall = ""
        if given.poll:
            from lecturelib.workshop.live.poll.start import poll

            name = "path_75" if given.path else path.stem
            table = Path(time.strftime(f"poll_{name}_%Y-%m-%d_%H%M%S.csv")).absolute()
            settings = stack.enter_context(poll(table, given.bind, given.link)).settings
            hall = settings["hall_link"]
        notebooks = sorted(path.parent.glob("*.ipynb"))
        plan = read() if given.path else None
        at = path.stem, given.at
        stage = stack.enter_context(serve.stage(notebooks, hall, path.stem if given.warm else "", at, plan))
        print(KEYS.format(name=path.stem), *[ON_PATH] * given.path, sep="\n", flush=True)
        if given.poll:
            print(POLL.format(link=settings["link"]), flush=True)
        command = serve.command(stage, path.name, given.others)
        return lab.run(command, {**os.environ, **stage.environment}, serve.address(path.name))


def _write_sheets(_: argparse.Namespace) -> None:
    from lecturelib.workshop.live.notebooks import all_notebooks
    from lecturelib.workshop.live.sheets import write_all

    found, plan = list(all_notebooks()), read()
    if problems := faults(plan, found):
        raise ValueError("\n".join([f"{PLAN.name} does not fit the notebooks:", *problems]))
    print(*write_all(found, plan), sep="\n")


def _print_mistakes(given: argparse.Namespace) -> None:
    from lecturelib.workshop.live.notebooks import read as read_notebook
    from lecturelib.workshop.live.sheets import mistakes

    for section in read_notebook(find(given.notebook, folder())).sections:
        for exercise in section.exercises:
            print(f"\n{exercise.title}", *(f"- {says}" for says in mistakes(exercise)), sep="\n")
