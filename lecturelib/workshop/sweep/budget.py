"""The budget sweep of notebook 08: one number of operations, spent on wide networks or on many characters.

steps_of          how many training steps a budget buys
train_on_budget   a language model of some width, trained until the operations are used up; its held-out loss
run               measure what the table lacks, and write it down row by row
table             read what was measured
"""

from __future__ import annotations

import csv
import functools
import math
import os
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from lecturelib.data.text import VOCABULARY, pieces, split_by_topic
from lecturelib.language import next_token_loss
from lecturelib.scaling import language_model_cost
from lecturelib.training import progress
from lecturelib.transformer import LanguageModel

WIDTHS = (8, 16, 32, 64, 128)
BUDGETS = (1e10, 4e10, 1.6e11, 6.4e11)  # operations of all training steps, forward and backward
SEEDS = (0, 1, 2)
CONTEXT, BATCH, LAYERS, HEADS = 64, 8, 2, 4
FILE = Path(__file__).with_name("budget.csv")
COLUMNS = ("budget", "width", "seed", "steps", "loss", "cpu_seconds")
STEP_SIZES = {8: 0.028, 16: 0.028, 32: 0.02, 64: 0.014, 128: 0.007}  # the best of three in trials with seed 0


def steps_of(width: int, budget: float) -> int:
    """Return how many training steps a budget of operations buys: a step costs three forward passes.

    Raises: ValueError for a budget that buys none.
    """
    forward = language_model_cost(BATCH, CONTEXT, len(VOCABULARY), width, HEADS, LAYERS).flops
    if not 3 * forward <= budget < math.inf:
        raise ValueError(f"budget={budget}: expected at least {3 * forward:,} operations, one step at width {width}")
    return int(budget // (3 * forward))


@functools.cache
def texts() -> tuple[torch.Tensor, torch.Tensor]:
    """Return the characters to learn from, (N,), and the held-out pieces, (n, 65), that every loss is measured on."""
    training, held_out = split_by_topic()
    return torch.from_numpy(VOCABULARY.encode(training)), torch.from_numpy(pieces(held_out, CONTEXT + 1))


def train_on_budget(width: int, budget: float, seed: int, *, lr: float | None = None) -> float:
    """Train a language model until the operations are used up, and return its loss on held-out topics.

    Adam with a step size that rises for a tenth of the steps and then falls to nearly 0; nothing else differs between
    widths. `lr` is its largest, that of STEP_SIZES unless told.
    Units: nats per character.
    Raises: ValueError for a width without a step size, and a budget that buys no step.
    """
    if lr is None and width not in STEP_SIZES:
        raise ValueError(f"width={width}: expected one of {list(STEP_SIZES)}, or a step size of your own as lr=")
    lr = STEP_SIZES[width] if lr is None else lr
    steps = steps_of(width, budget)
    text, held_out = texts()
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        model = LanguageModel(len(VOCABULARY), width, HEADS, LAYERS, CONTEXT, positions="sinusoidal")
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps + 1, pct_start=0.1)
    for _ in range(steps):
        starts = torch.randint(len(text) - CONTEXT, (BATCH, 1), generator=generator)
        loss = next_token_loss(model, (text[starts + torch.arange(CONTEXT + 1)],))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        return next_token_loss(model, (held_out,)).item()


def run(file: Path = FILE) -> None:
    """Measure every budget, width and seed that the table lacks, smallest budgets first; a stopped run goes on.

    Raises: ValueError for a table that is damaged.
    """
    done = {(row["budget"], row["width"], row["seed"]) for row in _rows(file)} if file.exists() else set()
    plan = [(b, w, s) for b in BUDGETS for w in WIDTHS for s in SEEDS if (b, w, s) not in done]
    for budget, width, seed in progress(plan, "budgets"):
        began = time.process_time()
        loss = train_on_budget(width, budget, seed)
        seconds = time.process_time() - began
        rows = [
            *(_rows(file) if file.exists() else []),
            dict(
                zip(
                    COLUMNS,
                    (budget, width, seed, steps_of(width, budget), round(loss, 4), round(seconds, 1)),
                    strict=True,
                )
            ),
        ]
        half = file.with_name(file.name + ".part")
        with half.open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        os.replace(half, file)


class Budgets(NamedTuple):
    """What was measured: held-out loss in nats per character and CPU seconds, (budgets, widths, seeds) each."""

    budgets: tuple[float, ...]
    widths: tuple[int, ...]
    loss: torch.Tensor
    seconds: torch.Tensor


def table(file: Path = FILE) -> Budgets:
    """Read what `run` measured.

    Raises: ValueError for a table that is not there, damaged, or not complete.
    """
    if not file.exists():
        raise ValueError(f"{file.name} is not there: measure it with `python -m lecturelib sweep budget`")
    found = {(row["budget"], row["width"], row["seed"]): row for row in _rows(file)}
    missing = [(b, w, s) for b in BUDGETS for w in WIDTHS for s in SEEDS if (b, w, s) not in found]
    if missing:
        raise ValueError(
            f"{file.name} lacks {len(missing)} rows, such as {missing[0]} (budget, width, seed): finish it with "
            "`python -m lecturelib sweep budget`"
        )
    loss, seconds = (
        torch.tensor([[[found[b, w, s][key] for s in SEEDS] for w in WIDTHS] for b in BUDGETS])
        for key in ("loss", "cpu_seconds")
    )
    return Budgets(BUDGETS, WIDTHS, loss, seconds)


def _rows(file: Path) -> list[dict[str, float]]:
    """Read the rows; the kinds of their numbers as `run` wrote them."""
    kinds = dict(zip(COLUMNS, (float, int, int, int, float, float), strict=True))
    with file.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    try:
        return [{key: kinds[key](row[key]) for key in COLUMNS} for row in rows]
    except (KeyError, TypeError, ValueError) as problem:
        raise ValueError(
            f"{file.name} is damaged ({problem!r}): expected the columns {', '.join(COLUMNS)} with numbers in each; "
            "measure it anew with `python -m lecturelib sweep budget --fresh`"
        ) from None
