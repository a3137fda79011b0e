"""Present a notebook, write the speaker's sheets, or print the known mistakes of a notebook's exercises."""

import argparse
import os
import sys

from lecturelib.workshop.live import notebooks, plan, serve, sheets

KEYS = """The slides of {name} open in the browser (F11 gives it the whole screen). What is changed there is not kept.
  PageDown, PageUp, or Space  to the next cell or slide, and back: the keys of a remote
  Right, Left                 to the next section, and back
  Shift-Enter                 runs the cell and stays
  F7                          runs all cells above
  F9, Shift-F9                hides the code of a cell, so that its figure grows; shows it again
  F8                          leaves the slides, and returns to them
Ctrl-C here ends it."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m lecturelib live",
        description=__doc__,
        epilog="Other options, such as --no-browser or --port, go to JupyterLab.",
    )
    parser.add_argument("what", nargs="?", default="00", metavar="NOTEBOOK", help="such as 03 or 03_attention; or "
                        "`sheets`, to write the speaker's sheets; or `mistakes`")  # fmt: skip
    parser.add_argument("of", nargs="?", metavar="OF", help="the notebook whose known mistakes are printed")
    options, others = parser.parse_known_args(arguments)
    try:
        if options.what == "sheets":
            return _write_sheets()
        if options.what == "mistakes":
            return _print_mistakes(options.of or "")
        return _present(options.what, others)
    except (ValueError, serve.Missing) as problem:
        parser.error(str(problem))


def _present(name: str, options: list[str]) -> int:
    """Show one notebook."""
    path = notebooks.find(name)
    with serve.stage(sorted(path.parent.glob("*.ipynb"))) as stage:
        print(KEYS.format(name=path.stem), flush=True)
        return serve.run(serve.command(stage, path.name, options), {**os.environ, **stage.environment})


def _write_sheets() -> int:
    """Write all sheets, or say why the plan does not fit the notebooks."""
    found, read = list(notebooks.all_notebooks()), plan.read()
    if problems := plan.faults(read, found):
        raise ValueError("\n".join([f"{plan.PLAN.name} does not fit the notebooks:", *problems]))
    for path in sheets.write_all(found, read):
        print(path)
    return 0


def _print_mistakes(name: str) -> int:
    """Print what the checks of one notebook say to each mistake that they know."""
    for section in notebooks.read(notebooks.find(name)).sections:
        for exercise in section.exercises:
            print(f"\n{exercise.title}", *(f"- {says}" for says in sheets.mistakes(exercise)), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
