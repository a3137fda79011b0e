"""A class as a learning platform exports it: the table is complete, also after the run was killed half-way."""

import csv
import json
import subprocess
import sys
import time
import zipfile

import pytest

from tests.tools import require
from tests.workshop.classroom.samples import BUBBLEWRAP, CHECK, RIGHT, WRONG, code, handed_in, isolated, save, solved

NAMES = ["Ada Lovelace", "李 明", "Ольга", "محمد علي", "Zoë Müller", "Ada Lovelace", "José 🙂", "=SUM(A1)"]
STEMS = ["00_start_here", "03_attention", "06_masked_autoencoder", "08_scaling"]
BROKEN = ["", "[" * 50_000, '{"cells": 3}', "\0\1\2"]
HOSTILE = [
    "def share(labels):\n    while True:\n        pass",
    "import os, time\ndef share(labels):\n    for _ in range(60):\n        os.fork() or time.sleep(600)",
    "def share(labels):\n    kept = []\n    while True:\n        kept.append(bytes(10**7))",
    "import os, signal\ndef share(labels):\n    os.kill(-1, signal.SIGKILL)\n    os.kill(os.getppid(), signal.SIGSTOP)",
]


def hand_in(n: int, name: str) -> tuple[str, str, str]:
    """Return what a student hands in: a file's name, its content, and what the table must say of it."""
    if n % 10 == 3:
        return "00_start_here.ipynb", BROKEN[n // 10], "broken"
    if n % 10 == 6:
        cells = code(f"{HOSTILE[n // 10]}\n{CHECK}", f"import math\n{RIGHT}\n{CHECK}")
        return "00_start_here.ipynb", json.dumps(cells), "right"
    if n % 10 == 9:
        return "00_start_here.json", json.dumps(handed_in(name, f"{WRONG}\n{CHECK}")), "other"
    stem = STEMS[n % len(STEMS)]
    return f"{['', 'my notebooks/'][n % 2]}{stem} (1).ipynb", json.dumps(solved(stem)), "right"


@pytest.mark.platform
@pytest.mark.timeout(3000)
def test_a_class_is_in_the_table_though_the_run_was_killed_half_way(tmp_path):
    require(isolated(), BUBBLEWRAP)
    (tmp_path / "class").mkdir()
    wanted = {}
    with zipfile.ZipFile(tmp_path / "class/group B.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(40):
            name = NAMES[n % len(NAMES)]
            home = f"{name}_{n:03}_assignsubmission_file"
            path, content, wanted[home] = hand_in(n, name)
            if n % 3 == 0:
                archive.writestr(f"group B/{home}/{path}", content)
            elif n % 3 == 1:
                save(tmp_path, f"class/group A/{home}/{path}", content)
            else:
                (tmp_path / "class/group A" / home).mkdir(parents=True)
                with zipfile.ZipFile(tmp_path / "class/group A" / home / "work.zip", "w") as own:
                    own.writestr(path, content)
    command = [sys.executable, "-m", "lecturelib", "collect", str(tmp_path / "class"), "-o", str(tmp_path / "t.csv"),
               "--jobs", "2", "--megabytes", "500", "--seconds", "10"]  # fmt: skip
    process, part = subprocess.Popen(command, stdout=subprocess.DEVNULL), tmp_path / ".t.csv.part"
    while process.poll() is None and not (part.exists() and part.read_text(encoding="utf-8").count("\n") > 20):
        time.sleep(0.2)
    assert process.poll() is None
    process.kill()
    process.wait()
    run = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert run.returncode == 0, run.stderr
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
