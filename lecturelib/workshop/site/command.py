"""Build the web site of the course, and film its exhibits for the README."""

import argparse
from pathlib import Path

from lecturelib.workshop.notebooks import ROOT


def site(parser: argparse.ArgumentParser) -> None:
    """Build the course as a web site of plain files, from what is stored: nothing is run, and nothing is fetched."""
    parser.add_argument("out", metavar="OUT", type=Path, help="a new folder, or that of an older site")
    parser.set_defaults(run=_build)


def film(parser: argparse.ArgumentParser) -> None:
    """Film three interactive figures for the README, in a Chromium, from the widgets themselves."""
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / ".github", help="where to write (.github)")
    parser.set_defaults(run=_film)


def _build(given: argparse.Namespace) -> None:
    from lecturelib.workshop.site.build import build

    build(given.out)
    print(f"The site is in {given.out}: open {given.out / 'index.html'}")


def _film(given: argparse.Namespace) -> None:
    from lecturelib.workshop.site.pictures import film_all

    film_all(given.folder)
