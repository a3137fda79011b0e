"""What a device does: its peak, attention and an LSTM, a text that is written, a training step.

measure   all figures of one device
run       measure a device, and put its rows into the table; those of other devices stay
table     read the table
"""

from __future__ import annotations

import copy
import csv
import datetime
import math
import os
import platform
import shutil
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from lecturelib.attention import MultiHeadAttention, attend, attend_fused
from lecturelib.chunked import attend_in_chunks
from lecturelib.data.text import VOCABULARY, split_by_topic
from lecturelib.kv_cache import KVCache, generate_with_cache, read_on
from lecturelib.language import generate, next_token_loss
from lecturelib.pretrained.load import load
from lecturelib.timing import timed
from lecturelib.transformer import LanguageModel

FILE = Path(__file__).with_name("devices.csv")
COLUMNS = ("device", "date", "torch", "what", "size", "value", "unit")
DEVICES = {"cpu": "cpu", "cuda": "cuda"}  # where each puts its tensors: a test puts all on the CPU
LENGTHS = (256, 1024, 4096)
WIDTH, HEADS = 64, 4  # of the attention and the LSTM
SIDES = {"cpu": 1024, "cuda": 8192}  # of the matrices whose product gives the peak
COPIED = {"cpu": 2**28, "cuda": 2**32}  # bytes
BATCH = 16  # texts in a training step
LONGEST, LARGEST = 20.0, 2e9  # on a CPU: seconds that a single run may take, bytes of its n x n tables
TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
MIXES: dict[str, Callable[..., torch.Tensor]] = {
    "explicit": lambda q, k, v: attend(q, k, v)[0],
    "fused": attend_fused,
    "in chunks": attend_in_chunks,
}


class Figure(NamedTuple):
    """A measured number and its unit; the value is None where it was left out, and the unit then says why."""

    value: float | None
    unit: str
    date: str
    torch: str


class Row(NamedTuple):
    """A line of the table, without device, date and version."""

    what: str
    size: int
    value: float | None
    unit: str


def name_of(device: str) -> str:
    """Return what a device calls itself; of a CPU, its model and the number of threads.

    Raises: ValueError for a device that is not there.
    """
    there = list(DEVICES) if torch.cuda.is_available() else ["cpu"]
    if device not in there:
        raise ValueError(f"device {device!r} is not there: expected one of {', '.join(there)}")
    if device == "cuda":
        return torch.cuda.get_device_name()
    info = Path("/proc/cpuinfo")  # Linux; elsewhere Python knows the name, or at least the kind
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = next(iter(models), platform.processor() or platform.machine())
    return f"{model}, {torch.get_num_threads()} thread(s)"


def measure(
    device: str,
    *,
    lengths: Sequence[int] = LENGTHS,
    side: int | None = None,
    copied: int | None = None,
    model: LanguageModel | None = None,
    rounds: int = 5,
) -> Iterator[Row]:
    """Measure a device, figure by figure; smaller sizes and another model than the pretrained one are for trials.

    A CPU is measured by its processor seconds, a GPU by the clock on the wall. Products and copies count their best
    round, all else the median. Attention is a layer of width 64 with 4 heads, an LSTM one of width 64, both forward
    and backward over one sequence.
    """
    yield from _products(device, SIDES[device] if side is None else side, rounds)
    yield from _copies(device, COPIED[device] if copied is None else copied, rounds)
    for kind in TYPES:
        for name in MIXES:
            yield from _attention(device, name, kind, lengths, rounds)
    yield from _lstm(device, lengths, rounds)
    model = load("language_model") if model is None else model  # type: ignore[assignment]
    assert isinstance(model, LanguageModel)
    yield from _writing(device, model)
    yield from _training(device, model, rounds)


def run(file: Path = FILE, device: str = "cpu", rows: Sequence[Row] | None = None) -> None:
    """Measure a device and put its rows into the table, in the place of those that it had.

    The file is written whole and then renamed. `rows` are written instead of measured ones.
    Raises: ValueError for a device that is not there, and for a table that is damaged: it then stays as it is.
    """
    name = name_of(device)
    if file.exists():
        _read(file)  # before the measuring, not after
    if rows is None:
        rows = []
        for row in measure(device):
            print(show(row), flush=True)
            rows.append(row)
    now, version = datetime.date.today().isoformat(), torch.__version__
    kept = [row for row in _read(file) if row["device"] != name] if file.exists() else []
    fresh = [
        (name, now, version, row.what, row.size, "" if row.v_proj is None else f"{row.v_proj:.4g}", row.unit)
        for row in rows
    ]
    _write(file, kept + [dict(zip(COLUMNS, map(str, row), strict=True)) for row in fresh])


def table(file: Path = FILE) -> dict[str, dict[str, dict[int, Figure]]]:
    """Read the table: device, what, size, and the figure.

    Raises: ValueError for a table that is not there, or is damaged.
    """
    if not file.exists():
        raise ValueError(f"{file.name} is not there: make it with `python -m lecturelib sweep devices`")
    found: dict[str, dict[str, dict[int, Figure]]] = {}
    for row in _read(file):
        sizes = found.setdefault(row["device"], {}).setdefault(row["what"], {})
        value = float(row["value"]) if row["value"] else None
        sizes[int(row["size"])] = Figure(value, row["unit"], row["date"], row["torch"])
    return found


def show(row: Row) -> str:
    """Return a line of the table in words, for a terminal."""
    value = "" if row.v_proj is None else f"{row.v_proj:.4g} "
    return f"{row.what:<44}{row.size:>12,}  {value}{row.unit}"


def _clock(device: str) -> str:
    return "wall" if device == "cuda" else "cpu"


def _seconds(device: str, function: Callable[[], object], rounds: int) -> list[float]:
    return timed({"it": function}, rounds=rounds, warmup=2, clock=_clock(device))["it"]


def _products(device: str, side: int, rounds: int) -> Iterator[Row]:
    for kind, dtype in TYPES.items():
        a, b = torch.randn(2, side, side, device=DEVICES[device]).to(dtype)
        best = min(_seconds(device, lambda a=a, b=b: a @ b, rounds))  # type: ignore[misc]
        yield Row(f"matrix product, {kind}", side, 2 * side**3 / best / 1e9, "GFLOP/s")


def _copies(device: str, copied: int, rounds: int) -> Iterator[Row]:
    source, target = torch.ones(2, copied, dtype=torch.uint8, device=DEVICES[device])
    best = min(_seconds(device, lambda: target.copy_(source), rounds))
    yield Row("copy, read and written", copied, 2 * copied / best / 1e9, "GB/s")


def _attention(device: str, name: str, kind: str, lengths: Sequence[int], rounds: int) -> Iterator[Row]:
    """Measure one way of attention; on a CPU leave out what would take too long or too much memory."""
    what, mix = f"attention, {name}, {kind}", MIXES[name]
    layer = MultiHeadAttention(WIDTH, HEADS).to(DEVICES[device], TYPES[kind])
    last: tuple[int, float] | None = None
    for n in lengths:
        table = 3 * HEADS * n * n * TYPES[kind].itemsize if name == "explicit" else 0  # scores, weights, a gradient
        longer = last[1] * (n / last[0]) ** 2 if last else 0.0
        if device == "cpu" and (table > LARGEST or longer > LONGEST):
            reason = f"{table / 1e9:.1f} GB" if table > LARGEST else f"some {longer:.0f} s"
            yield Row(what, n, None, f"left out: would take {reason}")
            continue
        x = torch.randn(1, n, WIDTH, device=DEVICES[device], dtype=TYPES[kind])

        def step(x: torch.Tensor = x) -> None:
            q, k, v = (layer.split(each(x)) for each in (layer.q_proj, layer.k_proj, layer.v_proj))
            layer.out_proj(layer.merge(mix(q, k, v))).float().square().mean().backward()

        last = (n, statistics.median(_seconds(device, step, rounds)))
        yield Row(what, n, 1e3 * last[1], "ms")


def _lstm(device: str, lengths: Sequence[int], rounds: int) -> Iterator[Row]:
    layer = nn.LSTM(WIDTH, WIDTH, batch_first=True).to(DEVICES[device])
    for n in lengths:
        x = torch.randn(1, n, WIDTH, device=DEVICES[device])
        seconds = _seconds(device, lambda x=x: layer(x)[0].square().mean().backward(), rounds)  # type: ignore[misc]
        yield Row("LSTM, float32", n, 1e3 * statistics.median(seconds), "ms")


def _writing(device: str, model: LanguageModel) -> Iterator[Row]:
    """Measure a text of as many tokens as the model has positions, and the last of them alone."""
    model = copy.deepcopy(model).to(DEVICES[device]).eval()
    max_len = model.max_len
    text = torch.from_numpy(VOCABULARY.encode(split_by_topic()[1][:max_len]))[None].to(DEVICES[device])  # (1, T)
    prompt, cache = text[:, :1], KVCache(model, batch_size=1)
    read_on(model, text[:, :-1], cache)

    def last_with_cache() -> None:
        cache.length = max_len - 1
        read_on(model, text[:, -1:], cache)

    @torch.no_grad()
    def last_without_cache() -> None:
        model(text)

    whole = {
        "without cache": lambda: generate(model, prompt, max_len - 1, temperature=0),
        "with cache": lambda: generate_with_cache(model, prompt, max_len - 1, temperature=0),
    }
    for name, seconds in timed(whole, rounds=3, clock=_clock(device)).items():
        yield Row(f"a text, {name}", max_len, (max_len - 1) / statistics.median(seconds), "tokens/s")
    last = {"without cache": last_without_cache, "with cache": last_with_cache}
    for name, seconds in timed(last, rounds=9, warmup=2, clock=_clock(device)).items():
        yield Row(f"its last token, {name}", max_len, 1 / statistics.median(seconds), "tokens/s")


def _training(device: str, model: LanguageModel, rounds: int) -> Iterator[Row]:
    """Measure a training step of the language model, as it is, with autocast, and compiled."""
    tokens = torch.randint(len(VOCABULARY), (BATCH, model.max_len + 1), device=DEVICES[device])
    arms = [("float32", False, False), ("bfloat16 autocast", True, False), ("float32, compiled", False, True)]
    if device == "cuda":
        arms.append(("bfloat16 autocast, compiled", True, True))
    for name, half, compiled in arms:
        what, size = f"training step, {name}", BATCH * model.max_len
        if compiled and (missing := _no_compiler()):
            yield Row(what, size, None, f"left out: {missing}")
            continue
        trained = copy.deepcopy(model).to(DEVICES[device]).train()
        optimizer = torch.optim.AdamW(trained.parameters(), 1e-4, fused=True)
        run = torch.compile(trained) if compiled else trained

        def step(
            run: nn.Module = run,  # type: ignore[assignment]
            half: bool = half,
            optimizer: torch.optim.Optimizer = optimizer,
        ) -> None:
            optimizer.zero_grad()
            with torch.autocast(DEVICES[device], torch.bfloat16, enabled=half):
                loss = next_token_loss(run, (tokens,))
            loss.backward()
            optimizer.step()

        try:
            seconds = _seconds(device, step, rounds)
        except Exception as problem:
            if not compiled:
                raise
            # what a compiler lacks shows only when it runs, and each names it by an error of its own
            lines = str(problem).strip().splitlines() or [""]
            yield Row(what, size, None, f"left out: {type(problem).__name__}: {lines[0][:80]}")
            continue
        yield Row(what, size, 1e3 * statistics.median(seconds), "ms")


def _no_compiler() -> str:
    """Say what torch.compile lacks here; nothing if it may work."""
    found = any(shutil.which(each) for each in (os.environ.get("CXX", "c++"), "g++", "clang++", "cl"))
    return "" if found else "torch.compile finds no C++ compiler here"


def _read(file: Path) -> list[dict[str, str]]:
    """Return the rows of a table, or say what is wrong with it."""
    try:
        with file.open(newline="", encoding="utf-8") as opened:
            reader = csv.DictReader(opened)
            rows, columns = list(reader), reader.fieldnames
        if tuple(columns or ()) != COLUMNS:
            raise ValueError(f"its columns are {columns}")
        seen = set()
        for number, row in enumerate(rows, start=2):
            if None in row or None in row.values() or not all(row[key] for key in COLUMNS if key != "value"):
                raise ValueError(f"line {number} has too many or too few values")
            datetime.date.fromisoformat(row["date"])
            if int(row["size"]) < 1 or (row["value"] and not 0 < float(row["value"]) < math.inf):
                raise ValueError(f"line {number} has size {row['size']} and value {row['value']}")
            key = (row["device"], row["what"], int(row["size"]))
            if key in seen:
                raise ValueError(f"line {number} comes twice")
            seen.add(key)
    except (OSError, ValueError, csv.Error) as problem:
        raise ValueError(
            f"{file.name} is damaged ({problem}): expected it as `python -m lecturelib sweep devices` wrote it; take "
            "it from the repository again, or move it away to start anew"
        ) from None
    return rows


def _write(file: Path, rows: list[dict[str, str]]) -> None:
    """Write the table whole, then rename it."""
    half = file.with_name(file.name + ".part")
    try:
        with half.open("w", newline="", encoding="utf-8") as opened:
            writer = csv.DictWriter(opened, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        os.replace(half, file)
    finally:
        half.unlink(missing_ok=True)
