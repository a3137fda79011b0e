"""Build the web site of the course into a folder: python -m lecturelib site OUT."""

import argparse
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m lecturelib site", description=__doc__)
    parser.add_argument("out", metavar="OUT", type=Path, help="a new folder, or that of an older site")
    options = parser.parse_args(arguments)
    try:
        from lecturelib.workshop.site.build import BuildFailed, build
    except ModuleNotFoundError as missing:
        parser.error(f'{missing.name} is not installed: python -m pip install -e ".[docs]"')
    try:
        build(options.out)
    except ValueError as problem:
        parser.error(str(problem))
    except BuildFailed as problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"The site is in {options.out}: open {options.out / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
