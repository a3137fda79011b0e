"""A class as a learning platform exports it: the table is complete, also after the run was killed half-way."""

import csv
import itertools
import json
import subprocess
import sys
import time
import zipfile

import pytest

from tests.tools import require
from tests.workshop.classroom.samples import BUBBLEWRAP, CHECK, RIGHT, WRONG, code, handed_in, isolated, save, solved

NAMES = ["Ada Lovelace", "李 明", "محمد علي", "Ada Lovelace", "José 🙂", "=SUM(A1)"]
STRIKES = (
    "import os, signal\ndef share(labels):\n    os.kill(-1, signal.SIGKILL)\n    os.kill(os.getppid(), signal.SIGSTOP)"
)
KINDS = [  # a file's name, its content, and what the table must say of it
    ("03_attention (1).ipynb", solved("03_attention"), "right"),
    ("00_start_here.ipynb", "[" * 50_000, "broken"),
    ("my notebooks/00_start_here.ipynb", code(f"{STRIKES}\n{CHECK}", f"import math\n{RIGHT}\n{CHECK}"), "right"),
    ("00_start_here.json", handed_in("Ada", f"{WRONG}\n{CHECK}"), "other"),
]


@pytest.mark.platform
@pytest.mark.timeout(3000)
def test_a_class_is_in_the_table_though_the_run_was_killed_half_way(tmp_path):
    require(isolated(), BUBBLEWRAP)
    group, wanted = tmp_path / "class/group A", {}
    group.mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / "class/group B.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for n, (name, (path, content, said)) in enumerate(itertools.product(NAMES, KINDS)):
            home = f"{name}_{n:03}_assignsubmission_file"
            wanted[home] = said
            text = content if isinstance(content, str) else json.dumps(content)
            if n % 3 == 0:
                archive.writestr(f"group B/{home}/{path}", text)
            elif n % 3 == 1:
                save(group, f"{home}/{path}", text)
            else:
                (group / home).mkdir()
                with zipfile.ZipFile(group / home / "work.zip", "w") as own:
                    own.writestr(path, text)
    command = [sys.executable, "-m", "lecturelib", "collect", str(tmp_path / "class"), "-o", str(tmp_path / "t.csv"),
               "--jobs", "2", "--megabytes", "500", "--seconds", "10"]  # fmt: skip
    process, part = subprocess.Popen(command, stdout=subprocess.DEVNULL), tmp_path / ".t.csv.part"
    while process.poll() is None and not (part.exists() and part.read_text(encoding="utf-8").count("\n") > 10):
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
