"""The table of devices: what is measured, that no device loses its rows, and the table that comes with the course."""

import csv
import datetime
import runpy
import subprocess
import sys

import pytest
import torch

from lecturelib.data.text import VOCABULARY
from lecturelib.transformer import LanguageModel
from lecturelib.workshop.sweep import devices
from lecturelib.workshop.sweep.devices import Row

LENGTHS = (4, 8)
ROWS = [Row("copy, read and written", 16, 2.0, "GB/s"), Row("LSTM, float32", 4, None, "left out: a reason")]
ATTENTION = [
    f"attention, {mix}, {kind}" for kind in ("float32", "bfloat16") for mix in ("explicit", "fused", "in chunks")
]
CPU = {
    *ATTENTION, "matrix product, float32", "matrix product, bfloat16", "copy, read and written", "LSTM, float32",
    "a text, without cache", "a text, with cache", "its last token, without cache", "its last token, with cache",
    "training step, float32", "training step, bfloat16 autocast", "training step, float32, compiled",
}  # fmt: skip


def small(device="cpu"):
    model = LanguageModel(len(VOCABULARY), d_model=8, num_heads=2, num_layers=1, max_len=8)
    return list(devices.measure(device, lengths=LENGTHS, side=16, copied=4096, model=model, rounds=1))


@pytest.fixture(autouse=True)
def compiled(monkeypatch):
    """Compile nothing: that takes a minute. What was to be compiled is listed."""
    seen = []
    monkeypatch.setattr(torch, "compile", lambda model: seen.append(model) or model)
    monkeypatch.setattr(devices.shutil, "which", lambda name: f"/usr/bin/{name}")
    return seen


@pytest.fixture
def gpu(monkeypatch):
    """A GPU whose tensors lie on the CPU; returns the clocks that were read."""
    clocks, real = [], devices.timed
    monkeypatch.setitem(devices.DEVICES, "cuda", "cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")

    def watched(functions, **how):
        clocks.append(how["clock"])
        return real(functions, **how)

    monkeypatch.setattr(devices, "timed", watched)
    return clocks


def test_a_cpu_is_measured_in_all_its_figures(compiled):
    rows = small()
    assert {row.what for row in rows} == CPU and len(compiled) == 1
    assert all(row.value is not None and row.value > 0 for row in rows), rows
    for what in (*ATTENTION, "LSTM, float32"):
        assert [row.size for row in rows if row.what == what] == list(LENGTHS)
    units = {row.unit for row in rows if "text" in row.what or "token" in row.what}
    assert units == {"tokens/s"}
    assert {row.size for row in rows if "training" in row.what} == {devices.BATCH * 8}


def test_a_gpu_is_measured_by_the_clock_on_the_wall_and_compiled_in_both_precisions(gpu, compiled):
    rows = small("cuda")
    assert {row.what for row in rows} == CPU | {"training step, bfloat16 autocast, compiled"}
    assert set(gpu) == {"wall"} and len(compiled) == 2
    gpu.clear()
    small("cpu")
    assert set(gpu) == {"cpu"}


def test_autocast_is_on_where_the_name_says_so(monkeypatch):
    seen, real = [], devices.next_token_loss

    def watched(model, batch):
        seen.append(torch.is_autocast_enabled("cpu"))
        return real(model, batch)

    monkeypatch.setattr(devices, "next_token_loss", watched)
    model = LanguageModel(len(VOCABULARY), d_model=8, num_heads=2, num_layers=1, max_len=8)
    list(devices._training("cpu", model, rounds=1))
    assert seen == [False] * 3 + [True] * 3 + [False] * 3  # warmup twice, then one round


def test_a_measurement_leaves_the_model_as_it_was():
    model = LanguageModel(len(VOCABULARY), d_model=8, num_heads=2, num_layers=1, max_len=8)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    list(devices._training("cpu", model, rounds=1))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_rates_are_operations_bytes_and_tokens_in_a_second(monkeypatch):
    monkeypatch.setattr(devices, "timed", lambda functions, **how: {key: [0.5, 0.25, 1.0] for key in functions})
    value = {(row.what, row.size): row.value for row in small()}
    assert value["matrix product, float32", 16] == pytest.approx(2 * 16**3 / 0.25 / 1e9)  # the best round
    assert value["copy, read and written", 4096] == pytest.approx(2 * 4096 / 0.25 / 1e9)
    assert value["attention, fused, float32", 8] == 500  # the median
    assert value["LSTM, float32", 4] == 500
    assert value["a text, with cache", 8] == pytest.approx(7 / 0.5)
    assert value["its last token, without cache", 8] == pytest.approx(1 / 0.5)


def test_a_cpu_leaves_out_what_takes_too_long_or_too_much_memory_and_a_gpu_does_not(monkeypatch, gpu):
    monkeypatch.setattr(devices, "LARGEST", 3 * 4 * 8 * 8 * 4 - 1)  # the explicit tables of n = 8 in float32
    monkeypatch.setattr(devices, "LONGEST", 0.0)
    out = {(row.what, row.size): row.unit for row in small("cpu") if row.value is None}
    assert set(out) == {(what, 8) for what in ATTENTION}
    assert out["attention, explicit, float32", 8] == "left out: would take 0.0 GB"
    assert all(unit.startswith("left out: would take some") for (what, _), unit in out.items() if "fused" in what)
    assert all(row.value for row in small("cuda"))


def test_without_a_compiler_that_step_is_left_out_in_words(monkeypatch, compiled):
    monkeypatch.setattr(devices.shutil, "which", lambda name: None)
    (row,) = [row for row in small() if row.value is None]
    assert (row.what, row.unit) == (
        "training step, float32, compiled", "left out: torch.compile finds no C++ compiler here",
    )  # fmt: skip
    assert not compiled


def test_a_compiler_that_fails_is_named_and_other_steps_may_not_fail(monkeypatch):
    def broken(model):
        def run(*given):
            raise OSError("no header\nlong story")

        return run

    monkeypatch.setattr(torch, "compile", broken)
    (row,) = [row for row in small() if row.value is None]
    assert row.unit == "left out: OSError: no header"
    monkeypatch.setattr(devices, "next_token_loss", lambda *given: broken(None)())
    with pytest.raises(OSError, match="no header"):
        small()


def test_a_device_has_its_rows_replaced_and_the_others_keep_theirs(tmp_path, gpu):
    file = tmp_path / "devices.csv"
    devices.run(file, "cuda", ROWS)
    first = file.read_text()
    devices.run(file, "cpu", ROWS[:1])
    assert file.read_text().startswith(first)
    devices.run(file, "cuda", [Row("new", 1, 12345.678, "ms")])
    found = devices.table(file)
    assert set(found) == {"a GPU", devices.name_of("cpu")}
    assert found["a GPU"] == {"new": {1: (1.235e4, "ms", str(datetime.date.today()), torch.__version__)}}
    assert found[devices.name_of("cpu")]["copy, read and written"][16].value == 2.0
    assert [path.name for path in tmp_path.iterdir()] == ["devices.csv"]


def test_what_was_left_out_is_read_with_its_reason(tmp_path):
    devices.run(tmp_path / "devices.csv", "cpu", ROWS)
    (found,) = devices.table(tmp_path / "devices.csv").values()
    assert found["LSTM, float32"][4][:2] == (None, "left out: a reason")


LINE = "a CPU,2026-01-31,2.13,copy,16,2,GB/s"
HEAD = ",".join(devices.COLUMNS)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "columns are"),
        (HEAD.replace("unit", "units") + "\n" + LINE, "columns are"),
        (f"{HEAD}\n{LINE},more", "line 2 has too many or too few values"),
        (f"{HEAD}\n{LINE}\na CPU,2026-01-31,2.1", "line 3 has too many or too few values"),
        (f"{HEAD}\n" + LINE.replace("copy", ""), "line 2 has too many or too few values"),
        (f"{HEAD}\n{LINE}\n{LINE}", "line 3 comes twice"),
        (f"{HEAD}\n" + LINE.replace(",2,", ",-2,"), "line 2 has size 16 and value -2"),
        (f"{HEAD}\n" + LINE.replace(",2,", ",nan,"), "line 2 has size 16 and value nan"),
        (f"{HEAD}\n" + LINE.replace(",2,", ",fast,"), "could not convert"),
        (f"{HEAD}\n" + LINE.replace("16", "0"), "line 2 has size 0"),
        (f"{HEAD}\n" + LINE.replace("2026-01-31", "yesterday"), "yesterday"),
    ],
)
def test_a_damaged_table_is_refused_before_anything_is_measured(tmp_path, monkeypatch, text, reason):
    file = tmp_path / "devices.csv"
    file.write_text(text)
    monkeypatch.setattr(devices, "measure", lambda device: pytest.fail("measured"))
    for use in (devices.table, devices.run):
        with pytest.raises(ValueError, match=rf"devices.csv is damaged \(.*{reason}.*move it away to start anew"):
            use(file)
    assert file.read_text() == text


def test_a_table_that_cannot_be_written_stays_as_it_was(tmp_path, monkeypatch):
    file = tmp_path / "devices.csv"
    devices.run(file, "cpu", ROWS)
    before = file.read_text()

    class Full(csv.DictWriter):
        def writerows(self, rows):
            raise OSError("no space left")

    monkeypatch.setattr(devices.csv, "DictWriter", Full)
    with pytest.raises(OSError, match="no space left"):
        devices.run(file, "cpu", ROWS[:1])
    assert file.read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["devices.csv"]


def test_devices_have_names(monkeypatch, gpu):
    assert devices.name_of("cuda") == "a GPU"
    assert devices.name_of("cpu").endswith(f", {torch.get_num_threads()} thread(s)")
    with pytest.raises(ValueError, match="device 'tpu' is not there: expected one of cpu, cuda"):
        devices.name_of("tpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"device 'cuda' is not there: expected one of cpu$"):
        devices.name_of("cuda")


def test_a_missing_table_says_how_to_make_it(tmp_path):
    with pytest.raises(ValueError, match=r"none.csv is not there: make it with `python -m lecturelib sweep devices`"):
        devices.table(tmp_path / "none.csv")


def test_the_command_measures_and_prints_its_rows(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(devices, "measure", lambda device: iter(ROWS))
    monkeypatch.setattr(sys, "argv", ["sweep", "devices", "--file", str(tmp_path / "mine.csv")])
    runpy.run_module("lecturelib.workshop.sweep", run_name="__main__")
    assert capsys.readouterr().out.split("\n")[0].split() == ["copy,", "read", "and", "written", "16", "2", "GB/s"]
    assert set(devices.table(tmp_path / "mine.csv")) == {devices.name_of("cpu")}


def test_the_command_says_what_it_cannot_measure(tmp_path):
    for arguments, answer in (
        (["tables"], "there is no sweep 'tables': expected one of transfer"),
        (["devices", "--device", "tpu"], "device 'tpu' is not there"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "lecturelib.workshop.sweep", *arguments], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 1 and done.stderr.startswith(answer), done.stderr


def test_the_table_of_the_course_holds_a_cpu_whole():
    found = devices.table()
    whole = [name for name, figures in found.items() if set(figures) >= CPU]
    assert whole, f"the devices {list(found)} lack figures: measure with `python -m lecturelib sweep devices`"
    for name in whole:
        for what in (*ATTENTION, "LSTM, float32"):
            assert set(found[name][what]) == set(devices.LENGTHS)
