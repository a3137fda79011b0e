"""Carry out a recipe: train, score, and write the weights and the card."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from lecturelib.pretrained.load import FOLDER, recipe_of
from lecturelib.pretrained.recipes import add_dropout
from lecturelib.training import progress, seed_everything

LOOKS = 20  # how often the held-out scores are printed along the way


def train(name: str, *, seed: int = 0, folder: Path = FOLDER, **changes: Any) -> dict[str, Any]:
    """Train a model by its recipe, write NAME.safetensors and NAME.json into `folder`, and return the card.

    `changes` replace settings of the recipe, such as steps=100 for a trial; the card says so. The weights of the last
    step are kept: none is picked by its held-out score. Files are written whole and then renamed, so that an
    interrupted run leaves the old ones.
    Raises: ValueError for a name without a recipe, and for a setting that the recipe does not have.
    """
    recipe = recipe_of(name)
    unknown = sorted(set(changes) - set(recipe.settings))
    if unknown:
        raise ValueError(f"{name} has no settings {unknown}: expected some of {sorted(recipe.settings)}")
    settings = {**recipe.settings, **changes}
    seed_everything(seed)
    model = recipe.build()
    undo = add_dropout(model, settings["dropout"])
    began, wall = time.process_time(), time.monotonic()
    _train(model, recipe, settings, seed)
    undo()
    model.eval()
    made = {
        "name": name,
        "about": recipe.about,
        "settings": settings,
        "seed": seed,
        "cpu_seconds": round(time.process_time() - began),
        "seconds": round(time.monotonic() - wall),
        "hardware": f"{platform.machine()}, CPU, {torch.get_num_threads()} thread(s)",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "parameters": sum(p.numel() for p in model.parameters()),
        "scores": {key: round(value, 4) for key, value in recipe.scores(model).items()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / f"{name}.safetensors", lambda path: save_file(model.state_dict(), path))
    _replace(folder / f"{name}.json", lambda path: path.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8"))
    return made


def _train(model: nn.Module, recipe: Any, settings: dict[str, Any], seed: int) -> None:
    steps, lr = settings["steps"], settings["lr"]
    optimizer = torch.optim.AdamW(model.parameters(), lr, betas=(0.9, 0.98), weight_decay=settings["weight_decay"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps + 1, pct_start=0.1)
    batches = recipe.batches(seed, settings["batch"])
    for step in progress(range(1, steps + 1), "training"):
        model.train()
        loss = recipe.loss(model, next(batches))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % max(1, steps // LOOKS) == 0:
            model.eval()
            scores = ", ".join(f"{key} {value:.3f}" for key, value in recipe.scores(model).items())
            print(f"step {step} of {steps}: loss {loss.item():.3f}; {scores}", flush=True)


def _replace(path: Path, write: Any) -> None:
    """Write a file whole, then put it in the place of the old one."""
    half = path.with_name(path.name + ".part")
    try:
        write(half)
        os.replace(half, path)
    finally:
        half.unlink(missing_ok=True)
