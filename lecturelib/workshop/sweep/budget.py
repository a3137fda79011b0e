"""The budget sweep of notebook 08: one number of operations, spent on wide networks or on many characters.

steps_of          how many training steps a budget buys
train_on_budget   a language model of some width, trained until the operations are used up; its held-out loss
run               measure what the table lacks, and write it down row by row
"""

from __future__ import annotations

import math
import time
from pathlib import Path

import torch
from torch import nn

from lecturelib.data import sweeps
from lecturelib.data.sweeps import BATCH_SIZE, BUDGET, BUDGET_COLUMNS, CONTEXT, LEARNING_RATES
from lecturelib.data.text import VOCABULARY
from lecturelib.language import next_token_loss
from lecturelib.scaling import language_model_cost
from lecturelib.training import progress
from lecturelib.transformer import LanguageModel
from lecturelib.workshop.sweep.tables import write

WIDTHS = tuple(LEARNING_RATES)
BUDGETS = (1e10, 4e10, 1.6e11, 6.4e11)  # operations of all training steps, forward and backward
SEEDS = (0, 1, 2)
LAYERS, HEADS = 2, 4


def steps_of(d_model: int, budget: float) -> int:
    """Return how many training steps a budget of operations buys: a step costs three forward passes.

    Raises: ValueError for a budget that buys none.
    """
    forward = language_model_cost(BATCH_SIZE, CONTEXT, len(VOCABULARY), d_model, HEADS, LAYERS).flops
    if not 3 * forward <= budget < math.inf:
        raise ValueError(
            f"budget={budget}: expected at least {3 * forward:,} operations, one step at d_model={d_model}"
        )
    return int(budget // (3 * forward))


def train_on_budget(d_model: int, budget: float, seed: int, *, lr: float | None = None) -> float:
    """Train a language model until the operations are used up, and return its loss on held-out topics.

    Adam with a learning rate that rises for a tenth of the steps and then falls to nearly 0; nothing else differs
    between widths. `lr` is its largest, that of LEARNING_RATES unless told.
    Units: nats per character.
    Raises: ValueError for a width without a learning rate, and a budget that buys no step.
    """
    if lr is None and d_model not in LEARNING_RATES:
        raise ValueError(
            f"d_model={d_model}: expected one of {list(LEARNING_RATES)}, or a learning rate of your own as lr="
        )
    lr = LEARNING_RATES[d_model] if lr is None else lr
    steps = steps_of(d_model, budget)
    text, held_out = sweeps.budget_texts()
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        model = LanguageModel(len(VOCABULARY), d_model, HEADS, LAYERS, CONTEXT, positions="sinusoidal")
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps + 1, pct_start=0.1)
    for _ in range(steps):
        starts = torch.randint(len(text) - CONTEXT, (BATCH_SIZE, 1), generator=generator)
        loss = next_token_loss(model, (text[starts + torch.arange(CONTEXT + 1)],))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        return next_token_loss(model, (held_out,)).item()


def run(file: Path = BUDGET) -> None:
    """Measure every budget, width and seed that the table lacks, smallest budgets first; a stopped run goes on.

    Raises: ValueError for a table that is damaged.
    """
    rows = sweeps.rows(file, BUDGET_COLUMNS) if file.exists() else []
    done = {(row["budget"], row["width"], row["seed"]) for row in rows}
    plan = [(b, w, s) for b in BUDGETS for w in WIDTHS for s in SEEDS if (b, w, s) not in done]
    for budget, width, seed in progress(plan, "budgets"):
        began = time.process_time()
        loss = train_on_budget(width, budget, seed)
        seconds = time.process_time() - began
        row = (budget, width, seed, steps_of(width, budget), round(loss, 4), round(seconds, 1))
        rows.append(dict(zip(BUDGET_COLUMNS, row, strict=True)))
        write(file, list(BUDGET_COLUMNS), rows)
