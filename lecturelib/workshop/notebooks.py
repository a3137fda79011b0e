"""Where the notebooks of the course are, and which of them a name means."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # of the repository, if this is a clone
NOTEBOOKS = ROOT / "notebooks"
COURSE = "[0-9][0-9]_*.ipynb"  # as the course names its notebooks


def folder() -> Path:
    """Return the folder of the notebooks: one in or below the current folder, else that of the clone.

    Raises: ValueError where none holds a notebook of the course: an installed package does not.
    """
    here = Path.cwd()
    for place in (here / "notebooks", here, NOTEBOOKS):
        if any(place.glob(COURSE)):
            return place
    raise _none(here)


def all_in(folder: Path = NOTEBOOKS) -> list[Path]:
    """Return the notebooks of a folder, in order.

    Raises: ValueError where there are none.
    """
    if found := sorted(folder.glob("*.ipynb")):
        return found
    raise _none(folder)


def find(name: str, folder: Path = NOTEBOOKS) -> Path:
    """Return the notebook that a name means: 03, 03_attention, attention or a path to it.

    Raises: ValueError for a name that means none, or more than one, and for the path of a file in another folder.
    """
    if (os.path.dirname(name) or Path(name).is_file()) and Path(name).resolve().parent != folder.resolve():
        raise ValueError(f"{name} is not in {folder}: expected a notebook in there, such as 03 or 03_attention")
    known = all_in(folder)
    wanted = Path(name).name.removesuffix(".ipynb")
    for fits in (lambda stem: stem == wanted, lambda stem: wanted in (stem[:2], stem[3:]), lambda stem: wanted in stem):
        found = [path for path in known if wanted and fits(path.stem)]
        if len(found) == 1:
            return found[0]
    names = ", ".join(path.stem for path in known)
    raise ValueError(f"no notebook, or more than one, is meant by {name!r}: expected one of {names}, in {folder}")


def _none(folder: Path) -> ValueError:
    return ValueError(
        f"there is no notebook of the course in {folder}: they are no part of the installed package; run this in a "
        "clone of the repository, installed with pip install -e ., or in a folder that holds some"
    )
