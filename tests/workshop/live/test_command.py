"""The command, without a browser: what it lays out and starts, and how it refuses."""

import json
from pathlib import Path

import pytest

from lecturelib.workshop.live import serve, settings
from lecturelib.workshop.live.__main__ import main
from lecturelib.workshop.live.notebooks import FOLDER

NAMES = [path.name for path in sorted(FOLDER.glob("*.ipynb"))]


@pytest.fixture
def started(monkeypatch):
    """Note what the command would start, instead of starting it."""
    seen = []

    def note(arguments, environment):
        folder = Path(next(a for a in arguments if "root_dir" in a).split("=")[1])
        seen.append((arguments, environment, folder, sorted(path.name for path in folder.iterdir())))
        (folder / "03_attention.ipynb").write_text("changed on the screen", encoding="utf-8")
        return 0

    monkeypatch.setattr(serve, "run", note)
    monkeypatch.setattr(serve, "find_spec", lambda name: name)
    return seen


def test_copies_are_presented_on_this_machine_alone(started, capsys):
    before = (FOLDER / "03_attention.ipynb").read_bytes()
    assert main(["03", "--no-browser", "--port=9999"]) == 0
    ((arguments, environment, folder, copies),) = started
    assert copies == NAMES and (FOLDER / "03_attention.ipynb").read_bytes() == before
    assert not folder.exists()  # nothing is left behind
    assert "--ip=127.0.0.1" in arguments and arguments[-2:] == ["--no-browser", "--port=9999"]
    assert "--LabApp.default_url=/doc/tree/03_attention.ipynb" in arguments
    assert str(folder.parent) in environment["JUPYTERLAB_SETTINGS_DIR"]
    assert "PageDown" in capsys.readouterr().out


def test_without_a_name_the_first_notebook_is_shown(started):
    assert main([]) == 0
    assert "--LabApp.default_url=/doc/tree/00_start_here.ipynb" in started[0][0]


@pytest.mark.parametrize(
    ("arguments", "missing", "words"),
    [
        (["33"], None, "no notebook, or more than one, is meant by '33': expected one of 00_start_here, 01_"),
        (["mistakes"], None, "is meant by ''"),
        (["03"], serve.EXTENSION, "python -m pip install -e '.[live]'"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_a_remedy(monkeypatch, capsys, arguments, missing, words):
    monkeypatch.setattr(serve, "find_spec", lambda name: None if name == missing else name)
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2 and words in capsys.readouterr().err


def test_the_settings_lie_in_a_folder_of_their_own(tmp_path):
    environment = settings.write(tmp_path)
    assert all(Path(place).is_relative_to(tmp_path) for place in environment.values())
    written = {
        path.relative_to(environment["JUPYTERLAB_SETTINGS_DIR"]).as_posix().removesuffix(".jupyterlab-settings"):
        json.loads(path.read_text(encoding="utf-8"))
        for path in Path(environment["JUPYTERLAB_SETTINGS_DIR"]).rglob("*.jupyterlab-settings")
    }  # fmt: skip
    assert written == settings.SETTINGS
    assert (tmp_path / "config/custom/custom.css").read_bytes() == settings.STYLE.read_bytes()


def test_the_known_mistakes_are_printed(capsys):
    assert main(["mistakes", "00"]) == 0
    said = capsys.readouterr().out
    assert "Exercise (easy, 5 minutes): the baseline" in said and "- That is the share of the rarest label." in said
