"""Give a reader copies of the notebooks, and never touch a file that is there: python copies.py FROM TO.

It needs nothing but Python, so that a hub can run it by the name of the file, as the user whose copies they are.
"""

import contextlib
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
        content = notebook.read_bytes()
        try:
            with place.open("xb") as file:  # nowhere where something is, be it a link that leads nowhere
                file.write(content)
        except FileExistsError:
            continue
        except OSError:  # a full disk: no half of a notebook stays
            with contextlib.suppress(OSError):
                place.unlink()
            raise
        copied.append(notebook.name)
    return copied


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("expected two folders: where the notebooks are, and where copies should be")
    try:
        print(*copy_missing(Path(sys.argv[1]), Path(sys.argv[2])), sep="\n")
    except (OSError, ValueError) as problem:
        sys.exit(str(problem))
