"""Give a reader copies of the notebooks, and never touch a file that is there: python copies.py FROM TO.

It needs nothing but Python, so that a hub can run it by the name of the file, as the user whose copies they are.
"""

import contextlib
import os
import sys
from pathlib import Path


def copy_missing(source: Path, target: Path) -> list[str]:
    """Copy the notebooks that a folder lacks, and return their names; a folder that is made is its owner's alone.

    Raises: ValueError where there is no notebook to copy.
    """
    notebooks = sorted(source.glob("*.ipynb"))
    if not notebooks:
        raise ValueError(f"{source} holds no notebook: expected the folder notebooks/ of the course")
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    copied = []
    for notebook in notebooks:
        place = target / notebook.name
        if os.path.lexists(place):
            continue
        draft = target / f".{notebook.name}.tmp"
        draft.write_bytes(notebook.read_bytes())
        with contextlib.suppress(FileExistsError):
            os.link(draft, place)  # in one step, and not where a file has appeared meanwhile
            copied.append(notebook.name)
        draft.unlink()
    return copied


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("expected two folders: where the notebooks are, and where copies should be")
    try:
        print(*copy_missing(Path(sys.argv[1]), Path(sys.argv[2])), sep="\n")
    except (OSError, ValueError) as problem:
        sys.exit(str(problem))
