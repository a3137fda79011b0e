"""The one command: its list, its help, its errors, and that the documentation names it as it is."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest

from lecturelib import __main__ as command
from lecturelib.workshop import Failed
from lecturelib.workshop.train.command import NAMES
from lecturelib.workshop.train.recipes import RECIPES

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / ".github/CONTRIBUTING.md", *sorted((ROOT / "lecturelib").rglob("*.md"))]
DOCUMENTS += [ROOT / ".github/workflows/site.yml", *sorted((ROOT / "notebooks").glob("*.ipynb"))]
CODE = re.compile(r"```[^\n]*\n(.*?)```|`([^`\n]+)`|^ *- run: (.*)$", re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"(?:\blecture|-m lecturelib) (?!lecture )([a-z-]+)\b([^\n&#]*)")


def test_the_list_names_every_command_in_a_line(capsys):
    assert command.main([]) == 0
    listed = capsys.readouterr().out
    assert command.main(["--help"]) == 0 and capsys.readouterr().out == listed
    for name, each in command.COMMANDS.items():
        (line,) = [line for line in listed.splitlines() if line.split()[:1] == [name]]
        assert line.endswith(each.does) and len(line) <= 80
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert scripts == {"lecture": "lecturelib.__main__:main"}


def test_each_command_explains_itself_at_once():
    """Nothing slow is imported before a command does its work."""
    slow = "('torch', 'matplotlib', 'numpy', 'sklearn', 'sphinx', 'playwright', 'jupyter_server')"
    code = (
        "import sys\nfrom lecturelib.__main__ import COMMANDS, main\n"
        "for name in COMMANDS:\n    try:\n        main([name, '--help'])\n    except SystemExit as end:\n"
        f"        print(name, end.code, [each for each in {slow} if each in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr.splitlines() == [f"{name} 0 []" for name in command.COMMANDS]
    assert re.findall("^usage: lecture ([a-z-]+)", done.stdout, re.MULTILINE) == list(command.COMMANDS)


def text(path):
    """Return a document; of a notebook, its cells."""
    content = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return content
    return "\n\n".join("".join(cell["source"]) for cell in json.loads(content)["cells"])


def named(path):
    """Return the commands that a document names in its code: name and arguments."""
    code = "\n".join("".join(each) for each in CODE.findall(text(path)))
    return [(found[1], shlex.split(found[2])) for found in NAMED.finditer(code)]


def test_each_command_of_the_documentation_is_understood():
    found = [(path, name, arguments) for path in DOCUMENTS for name, arguments in named(path)]
    assert len(found) >= 20
    for path, name, arguments in found:
        assert name in command.COMMANDS, f"{path.name} names `lecture {name}`"
        if arguments:  # else only the name is meant
            command.parse(name, ["digits_mae" if each == "NAME" else each for each in arguments])


ENDINGS = {
    "bad input": (ValueError("x=3: expected 4"), 2, "x=3: expected 4"),
    "what went wrong": (Failed("no room"), 1, "no room"),
    "a disk": (OSError(28, "No space left on device"), 1, "[Errno 28] No space left on device"),
    "an interruption": (KeyboardInterrupt(), 130, "stopped"),
    "one that says more": (KeyboardInterrupt("after step 3"), 130, "after step 3"),
    "a missing package": (
        ModuleNotFoundError(name="sphinx"), 1, 'sphinx is not installed: run python -m pip install -e ".[docs]"',
    ),
}  # fmt: skip


@pytest.mark.parametrize(("problem", "code", "says"), ENDINGS.values(), ids=ENDINGS)
def test_a_command_ends_in_one_line(monkeypatch, capsys, problem, code, says):
    def fail(given):
        raise problem

    monkeypatch.setattr("lecturelib.workshop.site.command._build", fail)
    assert command.main(["site", "out"]) == code
    assert capsys.readouterr().err == f"lecture site: {says}\n"


def test_a_mistake_of_ours_is_shown_whole_and_any_error_on_request(monkeypatch):
    assert "LECTURELIB_TRACEBACK=1" in command.listing()
    monkeypatch.setenv("LECTURELIB_TRACEBACK", "1")
    for problem in (ZeroDivisionError(), ModuleNotFoundError(name="lecturelib.nothing"), ValueError(), OSError()):

        def fail(given, problem=problem):
            raise problem

        monkeypatch.setattr("lecturelib.workshop.site.command._build", fail)
        with pytest.raises(type(problem)):
            command.main(["site", "out"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing"], "lecture: there is no command 'nothing': expected one of start, "),
        (["start", "77"], "lecture start: no notebook, or more than one, is meant by '77': expected one of 00_"),
        (["start", "--check", "--port=1"], "lecture start: unknown arguments: --port=1"),
        (["train", "gpt"], "lecture train: argument NAME: invalid choice: 'gpt'"),
        (["train", "digits_mae", "--steps", "0"], "lecture train: steps=0: expected a whole number of 1 or more"),
        (["sweep", "devices"], "lecture sweep: unknown arguments: devices; see "),
        (["site"], "lecture site: the following arguments are required: OUT; see lecture site --help"),
        (["live", "33"], "lecture live: no notebook, or more than one"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_one_line(arguments, says, capsys):
    try:
        status = command.main(arguments)
    except SystemExit as stop:  # what a parser refuses
        status = stop.code
    said = capsys.readouterr().err
    assert status == 2 and said.startswith(says) and said.count("\n") == 1


def test_each_recipe_can_be_named():
    assert sorted(RECIPES) == NAMES


def test_the_hub_says_where_its_configuration_is(capsys):
    assert command.main(["hub", "--path"]) == 0
    assert Path(capsys.readouterr().out.strip()).name == "jupyterhub_config.py"


@pytest.mark.skipif(os.name != "posix", reason="the hub runs on Linux")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_hub_that_is_stopped_has_the_time_to_stop_its_servers(tmp_path, name):
    """A stand-in for JupyterHub takes a second for it."""
    (tmp_path / "jupyterhub.py").write_text(
        "import signal, sys, time\n"
        "def stop(*_):\n    time.sleep(1)\n    print('all servers are stopped')\n    sys.exit(3)\n"
        f"signal.signal(signal.{name}, stop)\nprint(*sys.argv[1:], flush=True)\ntime.sleep(600)\n"
    )
    path = os.pathsep.join([str(tmp_path), str(ROOT), os.environ.get("PYTHONPATH", "")])
    hub = subprocess.Popen([sys.executable, "-m", "lecturelib", "hub", "--debug"], stdout=subprocess.PIPE, text=True,
                           env={**os.environ, "PYTHONPATH": path}, start_new_session=True)  # fmt: skip
    try:
        assert re.fullmatch(r"-f \S+jupyterhub_config\.py --debug\n", hub.stdout.readline())
        if name == "SIGINT":
            os.killpg(hub.pid, signal.SIGINT)  # as Ctrl-C does
        else:
            hub.terminate()
        assert hub.wait(60) == 3 and hub.stdout.read() == "all servers are stopped\n"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(hub.pid, signal.SIGKILL)
