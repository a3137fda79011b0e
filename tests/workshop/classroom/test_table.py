"""The table and the summary: what a spreadsheet may read, which file counts, and what is most frequent."""

import csv
import os

import pytest

from lecturelib import __main__ as command
from lecturelib.workshop.classroom.collect import Found, Result
from lecturelib.workshop.classroom.table import plain, rows, summary, write_table
from tests.workshop.classroom.samples import COURSE, code, handed_in, save

NAMES = {
    "Ada L.": "Ada L.",
    "=cmd|'/c calc'!A0": "'=cmd|'/c calc'!A0",
    "+1": "'+1",
    "-1": "'-1",
    "@SUM(A1)": "'@SUM(A1)",
    " \t=1": "'=1",
    "＝1": "'=1",  # the wide sign is made a plain one first
    "\u202e=1": "'=1",  # hidden, and turns the direction of writing
    "a\x00b\x1b[31mc\x07": "ab[31mc",
    "two\nlines\r\nhere": "two lines here",
    "Zo\u0308e": "Zöe",
    "x" * 500: "x" * 80,
    "\u200b\x00": "",
}


@pytest.mark.parametrize(("given", "wanted"), NAMES.items())
def test_a_name_is_text_and_nothing_else(given, wanted):
    assert plain(given) == wanted


def result(folder, name, student, **verdicts):
    path = save(folder, name, "x")
    return Result(path, student, found=[Found(check, *verdict) for check, verdict in verdicts.items()])


def test_the_latest_file_of_a_student_counts_and_the_table_says_so(tmp_path):
    results = [
        result(tmp_path, "old.json", "Ada L.", check_attend=("right",)),
        result(tmp_path, "new.json", "ada l.", check_attend=("no scale",)),
        result(tmp_path, "other.json", "Ada L.", check_baseline=("right",)),
    ]
    os.utime(tmp_path / "old.json", (1_000, 1_000))
    table = rows(results, COURSE, tmp_path)
    assert [(row.notebook, row.file) for row in table] == [
        ("00_start_here", "other.json"),
        ("03_attention", "new.json"),
    ]
    assert "2 files, the latest counts; not: old.json" in table[1].note
    assert table[1].verdicts["check_attend"].name == "no scale"


def test_of_several_copies_a_right_one_counts_and_an_empty_one_never_against_it(tmp_path):
    def best(*names):
        made = Result(save(tmp_path, "a.json", "x"), "A", found=[Found("check_attend", name) for name in names])
        return rows([made], COURSE, tmp_path)[0].verdicts["check_attend"].name

    assert best("right", "no scale", "not solved yet") == "right"
    assert best("no scale", "softmax missing", "not solved yet") == "softmax missing"
    assert best("not solved yet") == "not solved yet"


def test_who_gives_no_name_is_called_by_folder_or_file(tmp_path):
    found = [
        result(tmp_path, "Ada_123/03_attention.ipynb", "", check_attend=("right",)),
        result(tmp_path, "=1.ipynb", "", check_attend=("right",)),
        Result(save(tmp_path, "broken.json", "x"), problem="no JSON"),
    ]
    table = rows(found, COURSE, tmp_path)
    assert [row.student for row in table] == ["broken", "'=1", "Ada_123"]
    assert table[0].note == "not readable: no JSON" and table[0].notebook == ""


def test_the_table_has_a_column_for_each_exercise_of_its_notebooks(tmp_path):
    found = [result(tmp_path, "a.json", "A, \"B\"", check_attend=("right",)), result(tmp_path, "b.json", "=B",
             check_baseline=("not solved yet",))]  # fmt: skip
    write_table(tmp_path / "t.csv", rows(found, COURSE, tmp_path), COURSE)
    with (tmp_path / "t.csv").open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    assert [*table[0]] == ["student", "notebook", "file", "note", "00 baseline", "03 attend", "03 attend with a mask",
                           "03 mask of a decoder"]  # fmt: skip
    assert table[0]["student"] == "'=B" and table[0]["00 baseline"] == "not solved yet" and table[0]["03 attend"] == ""
    assert table[1]["student"] == 'A, "B"' and table[1]["03 mask of a decoder"] == "not handed in"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json", "t.csv"]


def test_the_summary_begins_with_the_most_frequent_mistake(tmp_path):
    says = "attend: not yet. Which axis should sum to 1?"
    names = ["right", "no scale", *["softmax missing"] * 3, "not solved yet", "stopped: time"]
    found = [result(tmp_path, f"{n}.json", str(n), check_attend=(name, says)) for n, name in enumerate(names)]
    lines = list(summary(rows(found, COURSE, tmp_path), COURSE))
    assert lines[0] == "03 attend: 1 of 7 right, 1 not solved yet"
    assert lines[1].split(": ")[0].split(maxsplit=1) == ["3", "softmax missing"]
    assert lines[1].endswith(": Which axis should sum to 1?")
    assert lines[2].endswith("no scale: Which axis should sum to 1?") and lines[3].split(maxsplit=1) == [
        "1",
        "stopped: time",
    ]
    assert len(lines) == 4


def test_the_command_collects_a_folder(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    right = "check_baseline(lambda labels: max(map(labels.count, labels)) / len(labels))"
    save(tmp_path, "class/a.json", handed_in("=Ada", right))
    save(tmp_path, "class/b.ipynb", code("check_baseline(lambda labels: max(map(labels.count, labels)))"))
    save(tmp_path, "class/\x1b[31m.json", "x")
    assert command.main(["collect", "class", "--jobs", "2"]) == 0
    said = capsys.readouterr().out
    assert "3/3 " in said and "\x1b" not in said
    assert "00 baseline: 1 of 2 right, 0 not solved yet" in said and "1 counts, no share: You return how many" in said
    assert "table.csv: 3 rows" in said and "not readable" in said
    with (tmp_path / "table.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row["00 baseline"] for row in csv.DictReader(file)] == ["", "right", "counts, no share"]
