"""What lies in a folder of hand-ins, also in zips: notebooks and hand-ins, known by their content, and the rest."""

import io
import os
import re
import time
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

SIZE = 300_000_000  # bytes of a file: most of a large notebook are outputs, which are dropped
_ENTRIES = 20_000  # of a zip
_HEAD = 4096  # bytes by which a file is known
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
                    source = Source(str(path), [], path.relative_to(folder).as_posix(), path.lstat().st_mtime)
                    self._look(source, partial(_opened, source.path, []), [SIZE])
        self.found.sort(key=lambda each: each.place)

    def _look(self, source: Source, opened: Callable[[], AbstractContextManager[IO[bytes]]], room: list[int]) -> None:
        """Decide by its first bytes what a file is; look into it if it is a zip, as long as there is room.

        Each zip is opened once, one in a zip from memory: the work grows with what is read.
        """
        path, inside, place, when = source
        suffix = PurePosixPath(place).suffix.lower()
        try:
            with opened() as file:
                head = file.read(_HEAD)
                room[0] -= _HEAD if inside else 0  # also for one that is empty: there may be many
                if head[:4] in (b"PK\x03\x04", b"PK\x05\x06") and len(inside) < _DEEP:
                    with zipfile.ZipFile(_whole(head, file, room) if inside else file) as archive:
                        for each in _entries(archive):
                            name, written = each.filename, _time(each, when)
                            within = Source(path, [*inside, name], f"{place}/{name}", written)
                            self._look(within, partial(archive.open, each), room if inside else [SIZE])
                    return
        except _BROKEN as problem:
            if suffix not in _KINDS:
                self.left.append((place, str(problem) or type(problem).__name__))
                return
            head = b""  # it gets a row, which says so
        if suffix in _KINDS or head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"{"):
            self.found.append(source)
        else:
            other = head[:4] in (b"Rar!", b"7z\xbc\xaf") or head[:2] == b"\x1f\x8b"
            self.left.append((place, "an archive of another kind: unpack it" if other else "no notebook, no hand-in"))


def fetch(source: Source) -> bytes:
    """Return the bytes of a hand-in; the zips around it are opened and read anew for each.

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
    beside: dict[PurePosixPath, set[str]] = defaultdict(set)  # all that lies in a folder
    loose: dict[PurePosixPath, set[str]] = defaultdict(set)  # its own files that do not have a notebook's name
    same: dict[PurePosixPath, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))  # its folders, by notebook
    for path in map(PurePosixPath, places):
        notebook = re.match(r"\d\d_[a-z_]+", path.name)
        for parent in path.parents:
            first, *more = path.relative_to(parent).parts
            beside[parent].add(first)
            if notebook and more:
                same[parent][notebook[0]].add(first)
            elif not notebook and not more:
                loose[parent].add(first)
    of_class = set()
    for folder in list(beside):
        alone = len(beside[folder.parent]) == 1
        most = max(map(len, same[folder].values()), default=0)
        if most > (1 if alone else 2) or (alone and len(loose[folder]) > 1):
            of_class |= {folder, *folder.parents}
    found = {}
    for place in places:
        homes = (each for each in reversed(PurePosixPath(place).parents[:-1]) if each not in of_class)
        found[place] = str(next(homes, ""))
    return found


def _hidden(name: str) -> bool:
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini")


def _whole(head: bytes, file: IO[bytes], room: list[int]) -> IO[bytes]:
    """Return a zip in a zip, if there is room for it, and not too many entries: thousands deflate to some bytes."""
    content = head + file.read(max(room[0], 0) + 1)
    room[0] -= len(content)
    if room[0] < 0 or content.count(b"PK\1\2") > _ENTRIES:
        raise ValueError("a zip that holds too much")
    return io.BytesIO(content)


def _entries(archive: zipfile.ZipFile) -> Iterator[zipfile.ZipInfo]:
    found = {each.filename: each for each in archive.infolist() if not each.is_dir()}
    if len(found) > _ENTRIES:
        raise ValueError(f"a zip of {len(found)} files: expected at most {_ENTRIES}")
    return (each for name, each in found.items() if not any(map(_hidden, PurePosixPath(name).parts)))


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


def _time(entry: zipfile.ZipInfo, otherwise: float) -> float:
    """Return when it was written, as far as the zip knows."""
    with suppress(ValueError, OverflowError):
        return time.mktime((*entry.date_time, 0, 0, -1))
    return otherwise
