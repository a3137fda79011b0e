"""How a reader begins: JupyterLab on a notebook, or a notebook tried without a browser."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lecturelib.__main__ import main
from lecturelib.workshop import lab, notebooks, start
from lecturelib.workshop.publish.execute import CellFailed

ROOT = Path(__file__).parents[2]
CLAIM = "from lecturelib.checks.claims import claim\n"


@pytest.fixture
def started(monkeypatch):
    """Note what would be started, instead of starting it."""
    seen = []
    monkeypatch.setattr(lab, "run", lambda arguments, environment, address: seen.append((arguments, address)) or 7)
    return seen


def write(folder, *sources, name="03_small"):
    """Write a notebook of these code cells into a folder."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.ipynb"
    nbformat.write(new_notebook(cells=[new_markdown_cell("# 03"), *map(new_code_cell, sources)]), path)
    return path


@pytest.mark.parametrize(("given", "name"), [([], "00_start_here"), (["03"], "03_attention")])
def test_the_course_opens_on_a_notebook_of_the_repository(started, given, name):
    assert main(["start", *given, "--no-browser"]) == 7
    ((arguments, address),) = started
    assert address == f"/lab/tree/notebooks/{name}.ipynb" and (ROOT / "notebooks" / f"{name}.ipynb").exists()
    assert {"--ip=127.0.0.1", "--no-browser", f"--ServerApp.root_dir={ROOT}"} <= set(arguments)


def test_notebooks_of_the_current_folder_are_opened_with_it_as_the_root(started, tmp_path, monkeypatch):
    write(tmp_path, "1")
    monkeypatch.chdir(tmp_path)
    assert main(["start", "03"]) == 7
    assert f"--ServerApp.root_dir={tmp_path}" in started[0][0] and started[0][1] == "/lab/tree/03_small.ipynb"


def test_an_installed_library_without_notebooks_says_so_and_opens_no_other(started, tmp_path, monkeypatch, capsys):
    write(tmp_path, "1", name="report_2004")
    monkeypatch.setattr(notebooks, "NOTEBOOKS", tmp_path / "none")
    monkeypatch.chdir(tmp_path)
    assert main(["start"]) == 2
    said = capsys.readouterr().err
    assert "no part of the installed package" in said and "in a folder that holds some" in said


@pytest.mark.parametrize("uid", [0, 1000])
def test_root_is_told_that_jupyterlab_would_refuse(monkeypatch, capsys, uid):
    monkeypatch.setattr(os, "geteuid", lambda: uid, raising=False)
    command = lab.command(Path("x"), "/lab")
    assert ("--allow-root" in command) == (uid == 0) == ("You are root" in capsys.readouterr().out)


@pytest.mark.platform
def test_jupyterlab_answers_at_the_address_that_is_printed_and_ends_on_ctrl_c():
    process = subprocess.Popen(
        [sys.executable, "-m", "lecturelib", "start", "03", "--no-browser", "--ServerApp.answer_yes=True"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout
        line = next(line for line in process.stdout if line.startswith("It is open at "))
        address = line.removeprefix("It is open at ").strip()
        server, token = address.split("/lab/")[0], address.split("token=")[1]
        assert server.startswith("http://127.0.0.1:") and len(token) >= 32
        asked = urllib.request.Request(f"{server}/api/contents/notebooks", headers={"Authorization": f"token {token}"})
        with urllib.request.urlopen(asked, timeout=60) as answer:
            assert "03_attention.ipynb" in [each["name"] for each in json.load(answer)["content"]]
        with pytest.raises(urllib.error.HTTPError):  # without the token
            urllib.request.urlopen(f"{server}/api/contents", timeout=60)
        for _ in range(2):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.2)
        process.wait(timeout=120)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_a_machine_is_tried_by_the_claims_of_a_notebook(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LECTURELIB_STRICT", "1")  # a reader is not stopped by a claim
    path = write(tmp_path, f"{CLAIM}claim('one is odd', True)", "print('Aclaim')\nclaim('two is odd', False)",
                 "claim('three is odd', True)\nprint('more')")  # fmt: skip
    before = path.read_bytes()
    monkeypatch.chdir(tmp_path)
    assert main(["start", "03", "--check"]) == 1
    out, err = capsys.readouterr()
    assert [line.partition(":")[0] for line in out.splitlines()] == [
        "Claim holds", "Claim does not hold in this run", "Claim holds", "03_small",
    ]  # fmt: skip
    assert out.splitlines()[-1].startswith("03_small: 2 of 3 claims hold, in ") and " MB of memory" in out
    assert "1 of 3 claims do not hold on this machine" in err
    assert path.read_bytes() == before


def test_a_machine_on_which_all_holds_is_right(tmp_path, capsys):
    assert start.check(write(tmp_path, f"{CLAIM}claim('one is odd', True)", "x = bytearray(300_000_000)\ndel x")) == 0
    memory = int(capsys.readouterr().out.splitlines()[-1].split(" with ")[1].split()[0])
    assert 300 < memory < 2000


def test_a_cell_that_does_not_end_well_is_named_after_the_claims_before_it(tmp_path, capsys):
    path = write(tmp_path, "print('Claim holds: one is odd.')", "1 / 0")
    with pytest.raises(CellFailed, match=r"(?s)03_small, cell .*ZeroDivisionError"):
        start.check(path)
    assert "Claim holds: one is odd." in capsys.readouterr().out
