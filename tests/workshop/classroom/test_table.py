"""The table and the summary: what a spreadsheet may read, which file counts, and what is most frequent."""

import csv
import json
import os
import zipfile

import pytest

from lecturelib import __main__ as command
from lecturelib.checks.attention import check_attend
from lecturelib.workshop.classroom.collect import Found, Limits, Result
from lecturelib.workshop.classroom.files import Listing, Source, fetch, owners
from lecturelib.workshop.classroom.table import Journal, plain, rows, summary, title, write_table
from tests.workshop.classroom.samples import CHECK, COURSE, code, handed_in, isolated, save

NAMES = {
    "Ada L.": "Ada L.",
    "=cmd|'/c calc'!A0": "'=cmd|'/c calc'!A0",
    "+1": "'+1",
    "@SUM(A1)": "'@SUM(A1)",
    " \t=1": "'=1",
    "＝1": "'=1",  # the wide sign is made a plain one first
    "\u202e=1": "'=1",  # hidden, and turns the direction of writing
    "a\x00b\x1b[31mc\x07": "ab[31mc",
    "two\nlines\r\nhere": "two lines here",
    "Zo\u0308e": "Zöe",
    "x" * 500: "x" * 80,
}


@pytest.mark.parametrize(("given", "wanted"), NAMES.items())
def test_a_name_is_text_and_nothing_else(given, wanted):
    assert plain(given) == wanted


def result(place, student="", when=0.0, written=0.0, problem="", **verdicts):
    """A hand-in at some place: when the system, and when itself says that it was written, and what came of it."""
    found = [Found(check, *verdict) for check, verdict in verdicts.items()]
    return Result(Source(place, [], place, when), student, written, problem, found)


def test_the_latest_file_of_a_student_counts_and_the_table_says_so():
    found = [
        result("old.json", "Ada L.", 1.0, check_attend=("right",)),
        result("new.json", "ada l.", 2.0, check_attend=("no scale",)),
        result("other.json", "Ada L.", check_baseline=("right",)),
    ]
    other, new = rows(found, COURSE)
    assert (other.notebook, other.file, new.notebook, new.file) == (
        "00_start_here", "other.json", "03_attention", "new.json",
    )  # fmt: skip
    assert "2 files, the latest counts; not: old.json" in new.note
    assert new.verdicts["check_attend"].name == "no scale"
    # with equal times, what the file itself says decides, and else the right one counts
    for times, place in ([(2.0, 1.0), "0.json"], [(1.0, 2.0), "1.json"], [(0.0, 0.0), "0.json"]):
        same = [result(f"{n}.json", "Ada", 5.0, when, check_attend=(name,))
                for n, (when, name) in enumerate(zip(times, ["right", "no scale"], strict=True))]  # fmt: skip
        assert [row.file for row in rows(same, COURSE)] == [place]


def test_namesakes_in_two_folders_stay_two_and_a_folder_is_one_student():
    right = {"check_attend": ("right",)}
    found = [
        result("Ada_1/03_attention.ipynb", **right),
        result("Ada_1/x.json", "Ada", check_baseline=("right",)),
        result("Ada_2/x.json", "ada", **right),
        result("陳_3/03_attention.ipynb", **right),
    ]
    table = rows(found, COURSE)
    assert [row.student for row in table] == ["Ada", "Ada", "ada", "陳_3"]
    assert "this name also stands in: Ada_2" in table[1].note and "this name" not in table[3].note


OWNERS = {
    "flat": (["a.ipynb", "b.json"], ["", ""]),
    "folders": (["Ada/03_attention.ipynb", "Bob/03_attention.ipynb"], ["Ada", "Bob"]),
    "zips": (["Ada.zip/03_attention.ipynb", "Bob.zip/x/03_attention.ipynb"], ["Ada.zip", "Bob.zip"]),
    "a class's zip": (["c.zip/Ada/03_attention.ipynb", "c.zip/Bob/03_attention (1).ipynb"], ["c.zip/Ada", "c.zip/Bob"]),
    "a class's zip of zips": ([f"c.zip/{n}.zip/in/03_a.ipynb" for n in "ab"], ["c.zip/a.zip", "c.zip/b.zip"]),
    "a class's zip of files": (["c.zip/ada.ipynb", "c.zip/bob.ipynb"], ["", ""]),
    "a level too high": ([f"{g}/{n}/03_attention.ipynb" for g in "xy" for n in "abc"],
                         [f"{g}/{n}" for g in "xy" for n in "abc"]),
    "a class's zip beside a folder": (["A/z/03_a.ipynb", *(f"B.zip/B/{n}/03_a.ipynb" for n in "abc")],
                                      ["A", "B.zip/B/a", "B.zip/B/b", "B.zip/B/c"]),
    "one student's parts": (["Ada/one/03_a.ipynb", "Ada/two/04_b.ipynb", "Bob/04_b.ipynb"], ["Ada", "Ada", "Bob"]),
    "one student": (["Ada/03_attention.ipynb", "Ada/04_transformers.ipynb"], ["Ada", "Ada"]),
}  # fmt: skip


@pytest.mark.parametrize(("places", "wanted"), OWNERS.values(), ids=OWNERS)
def test_a_students_folder_is_known_from_a_classs(places, wanted):
    assert [owners(places)[place] for place in places] == wanted


def test_of_several_copies_a_right_one_counts_and_an_empty_one_never_against_it():
    def best(*names):
        made = result("a.json", "A")
        made.found = [Found("check_attend", name) for name in names]
        return rows([made], COURSE)[0].verdicts["check_attend"].name

    assert best("right", "no scale", "not solved yet") == "right"
    assert best("no scale", "softmax missing", "not solved yet") == "softmax missing"
    assert best("not solved yet") == "not solved yet"


def test_who_gives_no_name_is_called_by_folder_or_file_and_every_empty_file_is_a_row():
    found = [
        result("Ada_123/03_attention.ipynb", check_attend=("right",)),
        result("=1.ipynb", check_attend=("right",)),
        result("broken.json", problem="no JSON"),
        result("Ada_123/one.json", problem="no JSON"),
        result("Ada_123/two.json"),
    ]
    table = rows(found, COURSE)
    assert [row.student for row in table] == ["Ada_123", "Ada_123", "broken", "'=1", "Ada_123"]
    assert table[2].note == "not readable: no JSON" and table[2].notebook == ""
    assert table[1].note == "holds no exercise of the course"


# ---- what lies in a folder ----


def zipped(path, **files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path.read_bytes()


def test_the_content_tells_what_a_file_is_and_what_is_left_out_is_told(tmp_path):
    one = json.dumps(code(CHECK))
    inner = zipped(tmp_path / "x", **{"a/03.ipynb": one, "__MACOSX/b.ipynb": one, ".c.ipynb": one, "d.pdf": "%PDF"})
    zipped(tmp_path / "class/all.zip", **{"Ada.zip": inner, "Bob/03.ipynb": one, "bad.zip": b"PK\3\4 no zip"})
    zipped(tmp_path / "class/more.zip", zeros="0", nested=inner)
    for name in ("a.ipynb.txt", "b.ipynb.json", "c", "sub/d.IPYNB", ".ipynb_checkpoints/e.ipynb"):
        save(tmp_path, f"class/{name}", one)
    (tmp_path / "class/wide.json").write_bytes(one.encode("utf-16"))
    for name, content in (("notes.txt", "x"), ("photo.png", "x"), ("all.rar", "Rar!"), ("empty.ipynb", "")):
        save(tmp_path, f"class/{name}", content)
    (tmp_path / "class/link.ipynb").symlink_to(tmp_path / "x")
    (tmp_path / "class/folder").symlink_to(tmp_path, target_is_directory=True)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "class/pipe.txt")
    listing = Listing(tmp_path / "class")
    assert [each.place for each in listing.found] == sorted([
        "a.ipynb.txt", "all.zip/Ada.zip/a/03.ipynb", "all.zip/Bob/03.ipynb", "b.ipynb.json",
        "more.zip/nested/a/03.ipynb", "c", "empty.ipynb", "link.ipynb", "sub/d.IPYNB", "wide.json",
    ])  # fmt: skip
    left = dict(listing.left)
    assert left["all.rar"] == "an archive of another kind: unpack it" and left["notes.txt"] == "no notebook, no hand-in"
    assert left["folder"] == "a link or no file" and "all.zip/bad.zip" in left and "photo.png" in left
    for each in listing.found:
        if each.place not in ("empty.ipynb", "link.ipynb"):
            assert json.loads(fetch(each)) == json.loads(one)
    with pytest.raises(ValueError, match="link"):
        fetch(next(each for each in listing.found if each.place == "link.ipynb"))


def test_a_zip_that_holds_too_much_spoils_nobody_elses(tmp_path, monkeypatch):
    """Be it large, or full of empty files: deflated, each costs a byte or so."""
    monkeypatch.setattr("lecturelib.workshop.classroom.files.SIZE", 100_000)
    one = json.dumps(code(CHECK))
    many = zipped(tmp_path / "x", **{str(n): "" for n in range(40)})
    bombs = {name: zipped(tmp_path / name, **{f"{n}.zip": many + size * b"0" for n in range(40)})
             for name, size in (("large.zip", 60_000), ("many.zip", 0))}  # fmt: skip
    zipped(tmp_path / "class/all.zip", **bombs, **{"zoe.ipynb": one, "big.ipynb": "{" + "0" * 200_000})
    listing = Listing(tmp_path / "class")
    assert [each.place for each in listing.found] == ["all.zip/big.ipynb", "all.zip/zoe.ipynb"]
    assert len(listing.left) < 200 and {"large.zip", "many.zip"} <= {
        place.split("/")[1] for place, why in listing.left if "holds too much" in why
    }
    with pytest.raises(ValueError, match="larger than"):
        fetch(listing.found[0])
    monkeypatch.setattr("lecturelib.workshop.classroom.files._ENTRIES", 39)
    assert [why for _, why in Listing(tmp_path / "class").left] == ["a zip that holds too much"] * 2


def test_a_later_run_goes_on_where_one_was_killed(tmp_path):
    table = tmp_path / "t.csv"
    journal = Journal(table, Limits())
    done, again = result("a.json", "Ä\ud800", check_attend=("right", "says")), result("b.json", "B", 1.0)
    journal.add(done)
    journal.add(again)
    journal.file.write('["half a li')
    journal.file.flush()
    journal = Journal(table, Limits())
    assert journal.of(done.source) == done and journal.of(again.source._replace(time=2.0)) is None
    journal.add(again)
    assert Journal(table, Limits()).of(again.source) == again
    assert Journal(table, Limits(seconds=60)).known == Journal(table, Limits(memory=1)).known == {}
    journal.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_no_planted_link_is_followed_and_nothing_is_overwritten(tmp_path, capsys):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / ".t.csv.part").symlink_to(tmp_path / "mine")
    with pytest.raises(ValueError, match=r"\.t\.csv\.part cannot be opened"):
        Journal(tmp_path / "t.csv", Limits())
    for name in ("t.csv", "u.csv"):
        (tmp_path / name).symlink_to(tmp_path / ("mine" if name == "t.csv" else "nowhere"))
        with pytest.raises(FileExistsError):
            write_table(tmp_path / name, [], COURSE)
        assert command.main(["collect", str(tmp_path), "-o", str(tmp_path / name)]) == 2
    assert "nothing is overwritten" in capsys.readouterr().err
    (tmp_path / "v.csv.part").symlink_to(tmp_path / "mine")
    write_table(tmp_path / "v.csv", [], COURSE)
    assert (tmp_path / "mine").read_text() == "mine" and not (tmp_path / "nowhere").exists()


def test_the_table_has_a_column_for_each_exercise_of_its_notebooks(tmp_path):
    found = [result("a.json", 'A, "B"', check_attend=("right",)),
             result("b.json", "=B", check_baseline=("not solved yet",))]  # fmt: skip
    write_table(tmp_path / "t.csv", rows(found, COURSE), COURSE)
    with (tmp_path / "t.csv").open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    titles = [title(check, COURSE) for check, stem in COURSE.items() if stem[:2] in ("00", "03")]
    assert [*table[0]] == ["student", "notebook", "file", "note", *titles]
    assert table[0]["student"] == "'=B" and table[0]["00 baseline"] == "not solved yet" and table[0]["03 attend"] == ""
    assert table[1]["student"] == 'A, "B"' and table[1][titles[-1]] == "not handed in"
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_the_summary_begins_with_the_most_frequent_mistake():
    says = "attend: not yet. Which axis should sum to 1?"
    rare, often, *_ = check_attend.mistakes
    names = ["right", rare, *[often] * 3, "not solved yet", "stopped: time"]
    found = [result(f"{n}.json", str(n), check_attend=(name, says)) for n, name in enumerate(names)]
    first, *lines = summary(rows(found, COURSE), COURSE)
    assert first == "03 attend: 1 of 7 right, 1 not solved yet"
    assert [line.split(maxsplit=1) for line in lines] == [
        ["3", f"{often}: Which axis should sum to 1?"],
        ["1", f"{rare}: Which axis should sum to 1?"],
        ["1", "stopped: time"],
    ]


def test_the_command_collects_a_folder(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    right = "check_baseline(lambda labels: max(map(labels.count, labels)) / len(labels))"
    save(tmp_path, "class/a.json", handed_in("=Ada", right))
    save(tmp_path, "class/b.ipynb", code("check_baseline(lambda labels: max(map(labels.count, labels)))"))
    save(tmp_path, "class/\x1b[31m🙂.json", "x")
    save(tmp_path, "class/c.pdf", "x")
    how = [] if isolated() else ["--same-account"]
    capsys.readouterr()
    assert command.main(["collect", "class", "--jobs", "1", "--seconds", "200", *how]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Each hand-in runs") and "3/3 " in said and "\x1b" not in said
    assert "00 baseline: 1 of 2 right, 0 not solved yet" in said and "1 counts, no share: You return how many" in said
    assert "table.csv: 3 rows" in said and "not readable" in said and "  c.pdf: no notebook, no hand-in" in said
    with (tmp_path / "table.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row["00 baseline"] for row in csv.DictReader(file)] == ["", "right", "counts, no share"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["class", "table.csv"]
