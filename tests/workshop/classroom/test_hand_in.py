"""The student's file: what it holds, from a saved notebook and from a kernel, and what the command says."""

import json

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from lecturelib import __main__ as command
from lecturelib.workshop.publish.execute import execute
from tests.workshop.classroom.samples import code, judged, save, solved

RIGHT = (
    "# my answer\ndef share(labels):\n    return max(map(labels.count, labels)) / len(labels)\n\ncheck_baseline(share)"
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_saved_notebook_becomes_one_small_file_that_is_collected(folder, capsys):
    content = solved("00_start_here")
    for cell in content["cells"]:
        if "check_baseline(" in "".join(cell["source"]):
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["baseline: ", "right. Good.\n"]}]
    save(folder, "notebooks/00_start_here.ipynb", content)
    assert command.main(["hand-in", "00_start_here", "--name", " Ada  L. "]) == 0
    said = capsys.readouterr().out
    assert "00_start_here-ada-l.json is for Ada L." in said and "check_baseline: baseline: right. Good." in said
    path = folder / "00_start_here-ada-l.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["student"] == "Ada L." and found["notebook"] == "00_start_here"
    assert [each["said"] for each in found["exercises"]] == ["baseline: right. Good."]
    assert path.stat().st_size < 5_000
    assert [each.name for each in judged(folder)[path.name].found] == ["right"]
    assert not list(folder.glob("*.tmp"))


def test_a_kernel_hands_in_what_was_run(folder):
    cells = [
        "from lecturelib.checks.start import check_baseline\nshare = ...\ncheck_baseline(share)",
        "x = 1",
        f"from lecturelib.checks.start import check_baseline\n{RIGHT}",
        "from lecturelib.workshop.classroom.hand_in import hand_in\n\nhand_in('Grace H.')",
        "hand_in(' ')",
    ]
    nb = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    nb.cells[-1].metadata.tags = ["raises-exception"]
    *_, handed, refused = execute(nb, folder, "a kernel").cells
    said = "".join(output.text for output in handed.outputs)
    assert "start-grace-h.json is for Grace H." in said and "check_baseline: baseline: right." in said
    assert refused.outputs[-1].evalue.startswith("the name is empty")
    (path,) = folder.glob("*.json")
    assert "# my answer" in path.read_text(encoding="utf-8")
    assert [each.name for each in judged(folder)[path.name].found] == ["not solved yet", "right"]


def test_names_of_all_scripts_become_files(folder):
    save(folder, "00_start_here.ipynb", code(RIGHT))
    for name in ("Žofie Ångström", "陳", "../../etc/passwd", "a" * 300):
        assert command.main(["hand-in", "00_start_here.ipynb", "--name", name]) == 0
    names = sorted(path.name for path in folder.glob("*.json"))
    assert names == [
        f"00_start_here-{'a' * 40}.json",
        "00_start_here-etc-passwd.json",
        "00_start_here-student.json",
        "00_start_here-zofie-angstrom.json",
    ]


BAD = {
    "no such notebook": (["hand-in", "99_none", "--name", "A"], "there is no 99_none.ipynb"),
    "no name": (["hand-in", "good", "--name", " "], "the name is empty"),
    "no notebook": (["hand-in", "text", "--name", "A"], "text.ipynb is no notebook"),
    "no exercise": (["hand-in", "bare", "--name", "A"], "bare holds no exercise"),
    "no folder": (["collect", "nowhere"], "nowhere is no folder"),
    "nothing in it": (["collect", "empty"], "empty holds no .json and no .ipynb"),
    "no place for the table": (["collect", ".", "-o", "nowhere/t.csv"], "nowhere is no folder"),
    "no job": (["collect", ".", "--jobs", "0"], "0 is out of range: expected a number above 0"),
    "no time": (["collect", ".", "--seconds", "nan"], "nan is out of range"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_named_and_nothing_is_written(folder, capsys, arguments, message):
    save(folder, "good.ipynb", code(RIGHT))
    save(folder, "bare.ipynb", code("1"))
    save(folder, "text.ipynb", "hello")
    (folder / "empty").mkdir()
    before = sorted(folder.rglob("*"))
    try:
        status = command.main(arguments)
    except SystemExit as stop:  # what the parser itself refuses
        status = stop.code
    assert status == 2 and message in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before
