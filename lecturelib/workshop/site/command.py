"""Build the web site of the course."""

import argparse
from pathlib import Path


def site(parser: argparse.ArgumentParser) -> None:
    """Build the course as a web site of plain files, from what is stored: nothing is run, and nothing is fetched."""
    parser.add_argument("out", metavar="OUT", type=Path, help="a new folder, or that of an older site")
    parser.set_defaults(run=_build)


def _build(given: argparse.Namespace) -> None:
    from lecturelib.workshop.site.build import build

    build(given.out)
    print(f"The site is in {given.out}: open {given.out / 'index.html'}")
