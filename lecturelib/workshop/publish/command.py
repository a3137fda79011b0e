"""Execute the notebooks and write them in their committed form."""

import argparse
import re
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from lecturelib.workshop import Failed
from lecturelib.workshop.notebooks import ROOT, all_in, find
from lecturelib.workshop.publish.execute import execute
from lecturelib.workshop.publish.form import clean, is_as_executed, normalize, problems, seal
from lecturelib.workshop.publish.stamp import Repository, repository, stamp_notebook, stamp_readme
from lecturelib.workshop.replicate.table import place, quote, read
from lecturelib.workshop.whole import write_text


def publish(parser: argparse.ArgumentParser) -> None:
    """Run notebooks from a clean kernel, and write them as they are committed: twice gives the same bytes.

    With --text-only nothing is run; it takes over changed texts and slide types, and the address in
    pyproject.toml, and refuses changed code.
    """
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as 01 or 01_recurrent_networks; without, all")
    parser.add_argument("--text-only", action="store_true", help="take over texts and the address; run nothing")
    parser.set_defaults(run=lambda given: write(given.names, given.text_only))


def write(names: list[str], text_only: bool, root: Path = ROOT) -> int:
    """Write the notebooks of a project that the names mean, without a name all; return 0 if every one was written.

    Raises: ValueError for a name that no notebook has, and an address or a README that cannot be stamped.
    """
    folder = root / "notebooks"
    paths = [find(name, folder) for name in names] or all_in(folder)
    repo = repository(root)
    readme = root / "README.md"
    text = readme.read_text(encoding="utf-8")
    write_text(readme, stamp_readme(text, repo, "00_start_here"))
    failures = 0
    for path in paths:
        try:
            (rewrite if text_only else execute_and_write)(path, repo)
        except Failed as failure:
            print(failure, file=sys.stderr)
            failures += 1
    return 1 if failures else 0


def execute_and_write(path: Path, repo: Repository) -> None:
    """Execute one notebook from a clean kernel and write it; the file stays as it was if anything is wrong.

    Raises: Failed if a cell raises an error, or if an output must not be committed.
    """
    nb = normalize(stamp_notebook(_read(path), repo, path.stem))
    nb = normalize(clean(execute(nb, path.parent, path.stem)))
    quote(nb, read(place(path.stem)))
    if found := problems(nb):
        raise Failed("\n".join([f"{path.stem} was not written:", *(f"- {problem}" for problem in found)]))
    _write(path, nb)


def rewrite(path: Path, repo: Repository) -> None:
    """Write texts, slide types and stamped cells in their committed form and keep all outputs; nothing is executed.

    Raises: Failed if code or outputs are not those of the last execution: then they may not belong together.
    """
    nb = _read(path)
    if not is_as_executed(nb):
        raise Failed(f"the code or outputs of {path.stem} were changed since it was executed: run without --text-only")
    nb = normalize(stamp_notebook(nb, repo, path.stem))
    quote(nb, read(place(path.stem)))
    _write(path, nb)


def _read(path: Path) -> NotebookNode:
    """Return a notebook; a mark of byte order before it, which some editors write, is left out.

    Raises: Failed for a file that holds none, such as one with a merge conflict.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        if conflict := re.search(r"^(<{7}|={7}|>{7})( |$)", text, re.MULTILINE):
            line = text.count("\n", 0, conflict.start()) + 1
            raise Failed(f"{path.name}: a merge conflict begins in line {line}: resolve it, then run this again")
        nb = nbformat.reads(text, as_version=4)
        nbformat.validate(nb)
    except (ValueError, KeyError, TypeError, AttributeError, nbformat.ValidationError) as problem:
        kind = "is empty" if not path.stat().st_size else f"holds no notebook ({str(problem).splitlines()[0][:80]})"
        raise Failed(f"{path.name} {kind}: take it from the history (git checkout -- {path.name})") from None
    return nb


def _write(path: Path, nb: NotebookNode) -> None:
    nb = seal(nb)
    nbformat.validate(nb)
    write_text(path, nbformat.writes(nb) + "\n")
