"""What lies in a folder of hand-ins, also in zips: notebooks and hand-ins, known by their content, and the rest."""

from __future__ import annotations

import io
import os
import re
import time
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

SIZE = 300_000_000  # bytes of a file: most of a large notebook are outputs, which are dropped
_ENTRIES = 20_000  # of a zip
_DEEP = 3  # zips in zips
_KINDS = (".ipynb", ".json")
_BROKEN = (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error)


class Source(NamedTuple):
    """A hand-in: the file, and the names inside of zips that lead to it; its place, and when it was written."""

    path: str
    inside: list[str]
    place: str
    time: float


class Listing:
    """The hand-ins and notebooks of a folder, in order, and the place and reason of each file that is left out.

    What is hidden is left out without a word; no link is followed.
    """

    def __init__(self, folder: Path) -> None:
        self.found: list[Source] = []
        self.left: list[tuple[str, str]] = []
        for where, folders, names in os.walk(folder):
            folders[:] = sorted(name for name in folders if not _hidden(name))
            for name in sorted({*names, *(each for each in folders if Path(where, each).is_symlink())}):
                if not _hidden(name):
                    path = Path(where, name)
                    self._look(str(path), [], path.relative_to(folder).as_posix(), [SIZE])
        self.found.sort(key=lambda each: each.place)

    def _look(self, path: str, inside: list[str], place: str, room: list[int]) -> None:
        """Decide by its first bytes what a file is; look into it if it is a zip, as long as there is room."""
        suffix = PurePosixPath(place).suffix.lower()
        try:
            with _opened(path, inside) as file:
                head = file.read(4096)
                if head[:4] in (b"PK\x03\x04", b"PK\x05\x06") and len(inside) < _DEEP:
                    rest = file.read(room[0] + 1) if inside else b""
                    room[0] -= len(rest)
                    if room[0] < 0:
                        raise ValueError("a zip that holds too much")
                    for name in _names(io.BytesIO(head + rest) if inside else path):
                        self._look(path, [*inside, name], f"{place}/{name}", room if inside else [SIZE])
                    return
        except _BROKEN as problem:
            if suffix not in _KINDS:
                self.left.append((place, str(problem) or type(problem).__name__))
                return
            head = b""  # it gets a row, which says so
        if suffix in _KINDS or head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"{"):
            self.found.append(Source(path, inside, place, _time(path, inside)))
        else:
            archive = head[:4] in (b"Rar!", b"7z\xbc\xaf") or head[:2] == b"\x1f\x8b"
            self.left.append((place, "an archive of another kind: unpack it" if archive else "no notebook, no hand-in"))


def fetch(source: Source) -> bytes:
    """Return the bytes of a hand-in.

    Raises: ValueError for a link, for what is no file, and for a file that is too large.
    """
    try:
        with _opened(source.path, source.inside) as file:
            content = file.read(SIZE + 1)
    except _BROKEN as problem:
        raise ValueError(f"cannot be read: {problem}") from None
    if len(content) > SIZE:
        raise ValueError(f"larger than {SIZE // 1_000_000} MB")
    return content


def owners(places: list[str]) -> dict[str, str]:
    """Return whose each place is: the outermost folder or zip that is one student's, or "" where there is none.

    A folder is a class's if three of its folders hold the same notebook; or if it stands alone and two do, or two files
    in it do not have a notebook's name. What holds a class's folder is a class's, too.
    """
    within: dict[PurePosixPath, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    beside: dict[PurePosixPath, set[str]] = defaultdict(set)
    for path in map(PurePosixPath, places):
        notebook = re.match(r"\d\d_[a-z_]+", path.name)
        for parent in path.parents:
            first, *more = path.relative_to(parent).parts
            beside[parent].add(first)
            if more or not notebook:
                within[parent][notebook[0] if notebook else str(bool(more))].add(first)
    of_class = set()
    for folder, same in within.items():
        alone = len(beside[folder.parent]) == 1
        loose, _ = len(same.pop("False", ())), same.pop("True", ())
        if max(map(len, same.values()), default=0) > (1 if alone else 2) or (alone and loose > 1):
            of_class |= {folder, *folder.parents}
    found = {}
    for path in map(PurePosixPath, places):
        for each in reversed(path.parents[:-1]):
            if each not in of_class:
                found[str(path)] = str(each)
                break
    return {place: found.get(str(PurePosixPath(place)), "") for place in places}


def _hidden(name: str) -> bool:
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini")


def _names(file: str | IO[bytes]) -> Iterator[str]:
    with zipfile.ZipFile(file) as archive:
        names = [each.filename for each in archive.infolist() if not each.is_dir()]
    if len(names) > _ENTRIES:
        raise ValueError(f"a zip of {len(names)} files: expected at most {_ENTRIES}")
    return (each for each in dict.fromkeys(names) if not any(map(_hidden, PurePosixPath(each).parts)))


@contextmanager
def _opened(path: str, inside: list[str]) -> Iterator[IO[bytes]]:
    """Open a file, or what lies in it."""
    if os.path.islink(path) or not os.path.isfile(path):
        raise ValueError("a link or no file")
    with ExitStack() as stack:
        file: IO[bytes] = stack.enter_context(open(path, "rb"))
        for name in inside:
            file = stack.enter_context(stack.enter_context(zipfile.ZipFile(file)).open(name))
        yield file


def _time(path: str, inside: list[str]) -> float:
    """Return when it was written, as far as the system or the zip knows."""
    if inside:
        with suppress(Exception), _opened(path, inside[:-1]) as file, zipfile.ZipFile(file) as archive:
            return time.mktime((*archive.getinfo(inside[-1]).date_time, 0, 0, -1))
    return os.lstat(path).st_mtime
