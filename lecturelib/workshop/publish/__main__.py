"""Execute the notebooks and write them in their committed form: python -m lecturelib publish [NAME ...]."""

import argparse
import os
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from lecturelib.workshop.publish.execute import CellFailed, execute
from lecturelib.workshop.publish.form import clean, is_as_executed, normalize, problems, seal
from lecturelib.workshop.publish.stamp import Repository, repository, stamp_notebook, stamp_readme

ROOT = Path(__file__).resolve().parents[3]


class Refused(Exception):
    """A notebook cannot be written as it is; the message says why and what to do."""


def publish(path: Path, repo: Repository) -> None:
    """Execute one notebook from a clean kernel and write it; the file stays as it was if anything is wrong.

    Raises: CellFailed if a cell raises an error; Refused if an output must not be committed.
    """
    nb = normalize(stamp_notebook(_read(path), repo, path.stem))
    nb = normalize(clean(execute(nb, path.parent, path.stem)))
    if found := problems(nb):
        raise Refused("\n".join([f"{path.stem} was not written:", *(f"- {problem}" for problem in found)]))
    _write(path, nb)


def rewrite(path: Path, repo: Repository) -> None:
    """Write texts, slide types and stamped cells in their committed form and keep all outputs; nothing is executed.

    Raises: Refused if code or outputs are not those of the last execution: then they may not belong together.
    """
    nb = _read(path)
    if not is_as_executed(nb):
        raise Refused(f"the code or outputs of {path.stem} were changed since it was executed: run without --text-only")
    _write(path, normalize(stamp_notebook(nb, repo, path.stem)))


def restamp_readme(root: Path, repo: Repository, notebook: str) -> None:
    """Write the badges of one notebook, and the address, into the README, if there is one.

    Raises: ValueError for a marker in it without its other half.
    """
    readme = root / "README.md"
    if readme.exists():
        text = readme.read_text(encoding="utf-8")
        stamped = stamp_readme(text, repo, notebook)
        if stamped != text:
            _replace(readme, stamped)


def select(names: list[str], folder: Path) -> list[Path]:
    """Return the notebooks that the names mean, 01_recurrent_networks or a path to it; without a name, all.

    Raises: ValueError for a name that no notebook has.
    """
    known = {path.stem: path for path in sorted(folder.glob("*.ipynb"))}
    for name in names:
        if Path(name).stem not in known:
            raise ValueError(f"no notebook is called {name!r}: expected one of {', '.join(known) or 'none yet'}")
    return [known[Path(name).stem] for name in names] or list(known.values())


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command; return its exit status: 0 if every notebook was written."""
    parser = argparse.ArgumentParser(prog="python -m lecturelib publish", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as 01_recurrent_networks; without, all")
    parser.add_argument(
        "--text-only",
        "--stamp-only",
        action="store_true",
        help="take over changed texts, slide types and the address; execute nothing",
    )
    options = parser.parse_args(arguments)
    if not (root / "pyproject.toml").exists():
        parser.error(f'no pyproject.toml in {root}: run in a clone, installed with pip install -e ".[test]"')
    try:
        repo = repository(root)
        paths = select(options.names, root / "notebooks")
        restamp_readme(root, repo, "00_start_here")
    except ValueError as error:
        parser.error(str(error))
    failures = 0
    for path in paths:
        try:
            (rewrite if options.text_only else publish)(path, repo)
        except (CellFailed, Refused) as error:
            print(error, file=sys.stderr)
            failures += 1
    return 1 if failures else 0


def _read(path: Path) -> NotebookNode:
    return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)


def _write(path: Path, nb: NotebookNode) -> None:
    nb = seal(nb)
    nbformat.validate(nb)
    _replace(path, nbformat.writes(nb) + "\n")


def _replace(path: Path, text: str) -> None:
    """Write the file in one step, so that an interrupted command leaves the old one."""
    draft = path.with_name(f".{path.name}.tmp")
    draft.write_text(text, encoding="utf-8", newline="\n")
    os.replace(draft, path)


if __name__ == "__main__":
    sys.exit(main())
