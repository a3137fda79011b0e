"""The student's file: what it holds, from a saved notebook and from a kernel, and what the command says."""

import json

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from lecturelib import __main__ as command
from lecturelib.workshop.classroom.collect import Result
from lecturelib.workshop.publish.execute import execute
from tests.workshop.classroom.samples import code, save

RIGHT = (
    "# my answer\ndef share(labels):\n    return max(map(labels.count, labels)) / len(labels)\n\ncheck_baseline(share)"
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_saved_notebook_becomes_one_small_file_that_is_judged_at_once(folder, capsys):
    right = f"{RIGHT.replace('return', 'return half *')}\nimport sys\nsys.exit()"
    content = code("!ls\nhalf = 0.5", "half *= 2", right, "check_divisible(undefined)")
    content["cells"][2]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["baseline: wrong"]}]
    save(folder, "notebooks/00_start_here.ipynb", content)
    assert command.main(["hand-in", "00", "--name", " Ada  L. "]) == 0
    said = capsys.readouterr().out
    path = folder / "00_start_here-ada-l.json"
    assert "00_start_here-ada-l.json is for Ada L." in said and "  baseline: right." in said
    assert "NameError" in said and "restart its kernel" in said and said.endswith("Hand in 00_start_here-ada-l.json.\n")
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["student"] == "Ada L." and found["notebook"] == "00_start_here"
    assert [each["check"] for each in found["exercises"]] == ["check_baseline", "check_divisible"]
    assert "# my answer" in found["exercises"][0]["source"] and path.stat().st_size < 5_000


@pytest.mark.parametrize("other", ["00_start_here", "notes"])
def test_a_number_and_a_name_mean_the_notebook_of_the_current_folder(folder, monkeypatch, other):
    monkeypatch.setattr("lecturelib.workshop.classroom.hand_in.collect", lambda *_: [Result(None)])
    save(folder, f"notebooks/{other}.ipynb", code(RIGHT.replace("my answer", "another's")))
    save(folder, "00_start_here.ipynb", code(RIGHT))
    for given in ("00", "00_start_here"):
        assert command.main(["hand-in", given, "--name", f"Ada {given}"]) == 0
    assert ["# my answer" in path.read_text(encoding="utf-8") for path in folder.glob("*.json")] == [True, True]


def test_a_kernel_hands_in_what_was_run(folder):
    cells = [
        "from lecturelib.checks.start import check_baseline\nshare = ...\ncheck_baseline(share)",
        f"from lecturelib.checks.start import check_baseline\n{RIGHT}",
        "from lecturelib.workshop.classroom.hand_in import hand_in\n\nhand_in('陳 明')",
        "hand_in(' ')",
    ]
    nb = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    nb.cells[-1].metadata.tags = ["raises-exception"]
    *_, handed, refused = execute(nb, folder, "a kernel").cells
    said = "".join(output.text for output in handed.outputs)
    assert "start-陳-明.json is for 陳 明" in said and "  baseline: right." in said
    assert refused.outputs[-1].evalue.startswith("the name is empty")
    (path,) = folder.glob("*.json")
    assert "# my answer" in path.read_text(encoding="utf-8")


def test_names_of_all_scripts_become_files_of_their_own_and_none_is_overwritten(folder, monkeypatch):
    monkeypatch.setattr("lecturelib.workshop.classroom.hand_in.collect", lambda *_: [Result(None)])
    (folder / "elsewhere").symlink_to(folder / "nothing")
    (folder / "elsewhere").rename(folder / "00_start_here-ada.json")
    save(folder, "00_start_here.ipynb", code(RIGHT))
    for name in ("Žofie Ångström", "陳", "山田", "陳", "../../etc/passwd", "a" * 300, "🙂", "Ada"):
        assert command.main(["hand-in", "00_start_here.ipynb", "--name", name]) == 0
    names = sorted(path.name.removeprefix("00_start_here-") for path in folder.glob("*.json") if not path.is_symlink())
    assert names == sorted([f"{'a' * 40}.json", "etc-passwd.json", "student.json", "zofie-angstrom.json", "陳.json",
                            "陳-2.json", "山田.json", "ada-2.json"])  # fmt: skip
    assert not (folder / "nothing").exists()


BAD = {
    "no such notebook": (["hand-in", "99_none", "--name", "A"], "no notebook, or more than one, is meant by '99_none'"),
    "the clone's, not mine": (["hand-in", "03", "--name", "A"], "no notebook, or more than one, is meant by '03'"),
    "no name": (["hand-in", "good", "--name", " "], "the name is empty"),
    "no notebook": (["hand-in", "text", "--name", "A"], "text.ipynb is no notebook"),
    "no exercise": (["hand-in", "bare", "--name", "A"], "bare holds no exercise"),
    "no folder": (["collect", "nowhere"], "nowhere is no folder"),
    "in a text cell": (["hand-in", "markdown", "--name", "A"], "press Esc, then Y"),
    "nothing in it": (["collect", "empty"], "empty holds no hand-in and no notebook"),
    "a table that is there": (["collect", ".", "-o", "text.ipynb"], "text.ipynb is there already"),
    "no place for the table": (["collect", ".", "-o", "nowhere/t.csv"], "nowhere is no folder"),
    "no job": (["collect", ".", "--jobs", "0"], "0 is out of range: expected a number above 0"),
    "no time": (["collect", ".", "--seconds", "nan"], "nan is out of range"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_named_and_nothing_is_written(folder, capsys, arguments, message):
    save(folder, "good.ipynb", code(RIGHT))
    save(folder, "bare.ipynb", code("1"))
    save(folder, "text.ipynb", "hello")
    save(folder, "markdown.ipynb", {"cells": [{"cell_type": "markdown", "source": RIGHT}]})
    (folder / "empty").mkdir()
    before = sorted(folder.rglob("*"))
    try:
        status = command.main(arguments)
    except SystemExit as stop:  # what the parser itself refuses
        status = stop.code
    assert status == 2 and message in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before
