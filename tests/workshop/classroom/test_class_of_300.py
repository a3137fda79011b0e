"""A class of 300 as a learning platform exports it: the table is complete, also after the run was killed half-way."""

import csv
import json
import os
import random
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from tests.tools import require
from tests.workshop.classroom.samples import CHECK, RIGHT, WRONG, code, handed_in, isolated, save, solved

NAMES = [
    "Ada Lovelace",
    "李 明",
    "Ольга",
    "محمد علي",
    "Zoë Müller",
    "Ada Lovelace",
    "ガウス",
    "José 🙂",
    "=SUM(A1)",
    "Bob",
]
BROKEN = ["", "[" * 50_000, '{"cells": 3}', "\0\1\2", json.dumps({"worksheets": []})]
HOSTILE = [
    "def share(labels):\n    while True:\n        pass",
    "import os\ndef share(labels):\n    os._exit(0)",
    "import os, time\ndef share(labels):\n    for _ in range(60):\n        os.fork() or time.sleep(600)",
    "def share(labels):\n    kept = []\n    while True:\n        kept.append(bytes(10**7))",
    "import os, signal\ndef share(labels):\n    os.kill(-1, signal.SIGKILL)\n    os.kill(os.getppid(), signal.SIGSTOP)",
]


def make_class(folder: Path, students: int = 300) -> dict[str, str]:
    """Fill a folder; return what must stand in the table for each student's folder."""
    random.seed(0)
    stems = ["00_start_here", "03_attention", "06_masked_autoencoder", "08_scaling"]
    whole = {stem: json.dumps(solved(stem)) for stem in stems}
    wanted = {}
    with zipfile.ZipFile(folder / "group B.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(students):
            name = NAMES[n % len(NAMES)]
            home = f"{name}_{n:03}_assignsubmission_file"
            kind = random.choices(["right", "wrong", "broken", "hostile"], [80, 10, 5, 5])[0]
            if kind == "right":
                stem = random.choice(stems)
                path = f"{random.choice(['', 'my notebooks/'])}{stem}{random.choice(['', ' (1)'])}.ipynb"
                content = whole[stem]
            elif kind == "wrong":
                path, content = "00_start_here.json", json.dumps(handed_in(name, f"{WRONG}\n{CHECK}"))
            elif kind == "broken":
                path, content = "00_start_here.ipynb", random.choice(BROKEN)
            else:
                source = f"{random.choice(HOSTILE)}\n{CHECK}"
                path, content = "00_start_here.ipynb", json.dumps(code(source, f"import math\n{RIGHT}\n{CHECK}"))
            wanted[home] = "broken" if kind == "broken" else "other" if kind == "wrong" else "right"
            if n % 3 == 0:
                archive.writestr(f"group B/{home}/{path}", content)
            elif n % 3 == 1:
                save(folder, f"group A/{home}/{path}", content)
            else:
                (folder / "group A" / home).mkdir(parents=True)
                with zipfile.ZipFile(folder / "group A" / home / "work.zip", "w") as own:
                    own.writestr(path, content)
    return wanted


@pytest.mark.platform
@pytest.mark.timeout(3000)
def test_a_class_of_300_killed_half_way(tmp_path):
    require(isolated(), "no bubblewrap that works: as root, apt install bubblewrap")
    (tmp_path / "class").mkdir()
    wanted = make_class(tmp_path / "class")
    command = [sys.executable, "-m", "lecturelib", "collect", str(tmp_path / "class"), "-o", str(tmp_path / "t.csv"),
               "--jobs", "2", "--megabytes", "500"]  # fmt: skip
    began, part = time.monotonic(), tmp_path / ".t.csv.part"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None and not (part.exists() and part.read_text(encoding="utf-8").count("\n") > 150):
        time.sleep(0.2)
    assert process.poll() is None
    process.kill()
    process.wait()
    run = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=os.environ)
    assert run.returncode == 0, run.stderr
    print(f"{time.monotonic() - began:.0f} s")
    assert "are known from a run that was stopped" in run.stdout and not part.exists()
    with (tmp_path / "t.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {next(home for home in wanted if home in row["file"]): row for row in csv.DictReader(file)}
    assert rows.keys() == wanted.keys()
    for home, row in rows.items():
        verdicts = [each for column, each in row.items() if column[:2].isdigit() and each]
        if wanted[home] == "broken":
            assert not verdicts and row["note"]
        else:
            assert {*verdicts} == {wanted[home]}, row
