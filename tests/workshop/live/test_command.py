"""The command, without a browser: what it lays out and starts, and how it refuses."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from lecturelib.__main__ import main
from lecturelib.workshop import lab
from lecturelib.workshop.live import serve
from lecturelib.workshop.notebooks import NOTEBOOKS
from tests.tools import needs
from tests.workshop.live.phones import HOW, READY

NAMES = [path.name for path in sorted(NOTEBOOKS.glob("*.ipynb"))]


@pytest.fixture
def started(monkeypatch):
    """Note what the command would start, instead of starting it: the copies, JupyterLab's arguments and environment."""
    seen = SimpleNamespace()

    def note(arguments, environment, address):
        seen.arguments, seen.environment = arguments, environment
        seen.folder = Path(next(a for a in arguments if "root_dir" in a).split("=")[1])
        copies = {path.name: nbformat.read(path, as_version=4) for path in seen.folder.iterdir()}
        seen.told = {name: nb.metadata.get("lecture") for name, nb in copies.items()}
        beside = Path(next(a for a in arguments if "extra_labextensions_path" in a).split("=")[1]) / serve.BESIDE
        about = json.loads((beside / "package.json").read_text(encoding="utf-8"))["jupyterlab"]["_build"]
        assert (beside / about["load"]).read_bytes() == (Path(serve.__file__).parent / "beside.js").read_bytes()
        (seen.folder / "03_attention.ipynb").write_text("changed on the screen", encoding="utf-8")
        return 0

    monkeypatch.setattr(lab, "run", note)
    monkeypatch.setattr(serve, "find_spec", lambda name: name)
    return seen


def test_copies_are_presented_on_this_machine_alone(started, capsys):
    before = (NOTEBOOKS / "03_attention.ipynb").read_bytes()
    assert main(["live", "03", "--no-browser", "--port=9999"]) == 0
    assert sorted(started.told) == NAMES and (NOTEBOOKS / "03_attention.ipynb").read_bytes() == before
    assert not started.folder.exists()  # nothing is left behind
    assert {"--ip=127.0.0.1", "--no-browser", "--port=9999"} <= set(started.arguments)
    assert "--LabApp.default_url=/doc/tree/03_attention.ipynb" in started.arguments
    assert str(started.folder.parent) in started.environment["JUPYTERLAB_SETTINGS_DIR"]
    assert "PageDown" in capsys.readouterr().out
    assert main(["live"]) == 0
    assert "--LabApp.default_url=/doc/tree/00_start_here.ipynb" in started.arguments


@needs(READY, HOW)
def test_the_copies_say_where_the_poll_is_and_what_it_asks(started, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["live", "03", "--poll", "--warm"]) == 0
    said = capsys.readouterr().out
    for name, told in started.told.items():
        assert told["warm"] == (name == "03_attention.ipynb") and told["hall"].startswith("http://127.0.0.1:")
        names = [question["name"] for question in told["questions"]]
        assert names and names == [f"{Path(name).stem} {n}" for n in range(1, len(names) + 1)]
    assert "F2" in said and "The class votes at http://127.0.0.1:" in said
    assert not list(tmp_path.iterdir())  # nobody voted


def test_it_begins_where_it_is_asked_to_and_shows_the_path_alone(started, capsys):
    assert main(["live", "03", "--at", "6"]) == 0
    assert started.told["03_attention.ipynb"]["at"] == "6-one-vector-or-a-look-up"
    assert started.told["04_transformers.ipynb"] is None
    assert "leads to the next notebook" not in capsys.readouterr().out
    assert main(["live", "--path"]) == 0
    assert started.told["00_start_here.ipynb"]["after"] == ["01_recurrent_networks.ipynb"]
    assert "leads to the next notebook" in capsys.readouterr().out
    assert main(["live", "03", "--at", "12"]) == 2
    assert "03_attention has no section '12'" in capsys.readouterr().err


def test_without_its_packages_it_says_how_to_get_them(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "segno", None)
    assert main(["live", "03", "--poll"]) == 1
    assert 'segno is not installed: run python -m pip install -e ".[live]"' in capsys.readouterr().err
    monkeypatch.setattr(serve, "find_spec", lambda name: None)
    assert main(["live", "03"]) == 1
    assert 'python -m pip install -e ".[live]"' in capsys.readouterr().err


def test_the_known_mistakes_are_printed(capsys):
    assert main(["mistakes", "00"]) == 0
    said = capsys.readouterr().out
    assert "Exercise (easy, 5 minutes): the baseline" in said and "- That is the share of the rarest label." in said
