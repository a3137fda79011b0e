"""Files are written whole, and then put in the place of the old ones: what is stopped leaves what there was.

replace      write some files; none takes its place before all are whole
write_text   the same for one file of text
new_table    write a new CSV file, or none
clean        remove what a killed run left half-written
"""

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from safetensors import SafetensorError


def replace(files: Mapping[Path, Callable[[Path], Any]]) -> None:
    """Write files, each by a function that is given where, then put them in the place of the old ones.

    Raises: OSError where one cannot be written, so that the old files stay, or cannot be put in its place.
    """
    try:
        for path, write in files.items():
            write(_half(path))
        for path in files:
            os.replace(_half(path), path)
    except (OSError, SafetensorError) as problem:  # safetensors has an error of its own for a full disk
        raise OSError(
            f"{path.name} could not be written ({problem}): expected room and the right to write in {path.parent}, "
            "and no other program that holds it open; then give the same command again"
        ) from None
    finally:
        clean(*files)


def write_text(path: Path, text: str) -> None:
    """Write a file of text as `replace` does; its lines end as the text's do, on every system."""
    replace({path: lambda half: half.write_text(text, encoding="utf-8", newline="\n")})


@contextmanager
def new_table(path: Path) -> Iterator[TextIO]:
    """Open a new CSV file, with Excel's mark of UTF-8; it gets its name when it is whole.

    Raises: FileExistsError where a file has that name by then; nothing is overwritten.
    """
    clean(path)  # be it a link that somebody has put there
    try:
        with _half(path).open("x", encoding="utf-8-sig", newline="", errors="backslashreplace") as file:
            yield file
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        os.replace(_half(path), path)
    finally:
        clean(path)


def clean(*paths: Path) -> None:
    """Remove what a write of these files left half-written: a process that is killed does not do it itself."""
    for path in paths:
        _half(path).unlink(missing_ok=True)


def _half(path: Path) -> Path:
    return path.with_name(path.name + ".part")
