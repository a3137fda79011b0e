"""The one command of the course: `lecture`, or `python -m lecturelib`."""

import argparse
import importlib
import inspect
import io
import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

from lecturelib.workshop import Failed


class Command(NamedTuple):
    """A command: its function in lecturelib.workshop, what it does, and the extra that installs what it needs.

    The function adds arguments to a parser, and says by `parser.set_defaults(run=...)` what is to be done with them.
    With `others=True` arguments that it does not know go to the program that it starts.
    """

    place: str
    does: str
    extra: str = ""


# A module is imported only when its command is asked for.
COMMANDS = {
    "start": Command("start:start", "open the course in JupyterLab; with --check, try this machine"),
    "fetch": Command("fetch:bring", "download a foundation model of notebook 09", "foundation"),
    "hand-in": Command("classroom.command:hand_in", "write a small file with your exercises, to hand in"),
    "live": Command("live.command:live", "present a notebook to a class, as slides", "live"),
    "sheets": Command("live.command:sheets", "write the speaker's sheets"),
    "mistakes": Command("live.command:mistakes", "print the known mistakes of a notebook's exercises"),
    "collect": Command("classroom.command:collect", "check the exercises that a class handed in"),
    "hub": Command("classroom.command:hub", "give each user of this machine a server (JupyterHub)", "hub"),
    "publish": Command("publish.command:publish", "run notebooks, and write them as they are committed"),
    "replicate": Command("replicate.command:replicate", "run notebooks with other seeds: how often do claims hold?"),
    "site": Command("site.command:site", "build the course as a web site", "docs"),
    "train": Command("train.command:train", "train a pretrained model again"),
    "sweep": Command("sweep.command:sweep", "measure the table of notebook 07 again"),
}


class Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        """End with exit status 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit status: 2 for what it cannot understand, 1 for what it could not do."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a name or a folder may hold what this terminal cannot show
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help"):
        print(listing())
        return 0
    if name not in COMMANDS:
        print(f"lecture: there is no command {name!r}: expected one of {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        given = parse(name, rest)
        return given.run(given) or 0
    except ModuleNotFoundError as missing:
        extra = COMMANDS[name].extra
        if not extra or (missing.name or "").startswith("lecturelib"):
            raise
        problem, code = f'{missing.name} is not installed: run python -m pip install -e ".[{extra}]"', 1
    except KeyboardInterrupt as stop:
        problem, code = str(stop) or "stopped", 130  # what a shell expects of an interrupted command
    except (ValueError, Failed, OSError) as failure:
        if os.environ.get("LECTURELIB_TRACEBACK"):
            raise
        problem, code = str(failure), 2 if isinstance(failure, ValueError) else 1
    print(f"lecture {name}: {problem}", file=sys.stderr, flush=True)
    return code


def listing() -> str:
    """Return the list of commands, a line for each."""
    lines = [f"  {name:<10}{command.does}" for name, command in COMMANDS.items()]
    more = ["lecture COMMAND --help says more about each.", "LECTURELIB_TRACEBACK=1 shows where an error came from."]
    return "\n".join(["usage: lecture COMMAND ...", "", *lines, "", *more])


def parse(name: str, arguments: Sequence[str]) -> Any:
    """Read the arguments of a command; what it starts gets those in `others`, which it does not know itself."""
    module, function = COMMANDS[name].place.split(":")
    describe = getattr(importlib.import_module(f"lecturelib.workshop.{module}"), function)
    about = inspect.cleandoc(describe.__doc__)
    shape = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog=f"lecture {name}", description=about, formatter_class=shape)
    parser.set_defaults(others=False)
    describe(parser)
    given, others = parser.parse_known_args(arguments)
    if others and not given.others:
        parser.error(f"unknown arguments: {' '.join(others)}")
    given.others = others
    return given


if __name__ == "__main__":
    sys.exit(main())
