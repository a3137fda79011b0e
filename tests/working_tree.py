"""What a clone of this working tree would hold: the committed files as they are now, and new ones."""

import shutil
import subprocess
from pathlib import Path

from tests.tools import require

ROOT = Path(__file__).parents[1]


def files() -> list[str]:
    """Return the paths below the repository's root, with forward slashes, without those that git ignores."""
    git = shutil.which("git")
    require(git, "no git: install it, so that the files of the repository can be listed")
    command = [str(git), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8")
    require(done.returncode == 0, f"no clone: run this test in one, not in an unpacked archive ({done.stderr.strip()})")
    return [name for name in done.stdout.split("\0") if (ROOT / name).is_file()]


def copy(to: Path) -> None:
    """Copy them into a folder."""
    for name in files():
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, to / name)
