"""Files are written whole or not at all."""

import io
from pathlib import Path

import pytest

from lecturelib.workshop.whole import new_table, replace, write_text


def test_a_text_is_written_with_its_own_ends_of_lines(tmp_path):
    write_text(tmp_path / "a.txt", "é\n")
    assert (tmp_path / "a.txt").read_bytes() == "é\n".encode()
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("problem", [OSError("no space left"), KeyboardInterrupt()])
def test_of_two_files_both_stay_as_they_were_where_one_cannot_be_written(tmp_path, problem):
    old, new = tmp_path / "old.txt", tmp_path / "new.txt"
    old.write_text("before")

    def half(path):
        path.write_text("half")
        raise problem

    with pytest.raises(type(problem)) as said:
        replace({old: lambda path: path.write_text("after"), new: half})
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("old.txt", "before")]
    if isinstance(problem, OSError):
        assert str(said.value).startswith(f"new.txt could not be written (no space left): expected room and the right "
                                          f"to write in {tmp_path}, and no other program")  # fmt: skip


def test_a_table_gets_its_name_when_it_is_whole_and_overwrites_none(tmp_path):
    path = tmp_path / "t.csv"
    with new_table(path) as file:
        assert not path.exists()  # a kill here leaves nothing in the next one's way
        file.write("first")
    with pytest.raises(FileExistsError, match="File exists"), new_table(path) as file:
        file.write("second")
    assert [(each.name, each.read_text("utf-8-sig")) for each in tmp_path.iterdir()] == [("t.csv", "first")]


def test_a_full_disk_leaves_no_half_a_table(tmp_path, monkeypatch):
    class Full(io.TextIOWrapper):
        def flush(self):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", lambda path, mode, **_: Full(io.FileIO(path, mode)))
    with pytest.raises(OSError, match="No space left"), new_table(tmp_path / "t.csv") as file:
        file.write("half")
    assert list(tmp_path.iterdir()) == []
