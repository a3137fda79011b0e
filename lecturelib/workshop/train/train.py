"""Carry out a recipe: train, score, and write the weights and the card. A training that was stopped goes on.

Several processes may train together: see `lecturelib.workshop.train.parallel`.
"""

from __future__ import annotations

import copy
import json
import platform
import time
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from lecturelib.pretrained.load import FOLDER, builder_of
from lecturelib.training import progress, seed_everything
from lecturelib.transformer import Block
from lecturelib.workshop.train.parallel import ALONE, Processes
from lecturelib.workshop.train.recipe import Recipe
from lecturelib.workshop.train.recipes import RECIPES, add_dropout
from lecturelib.workshop.train.resume import keep, patiently, resume_path, take_up
from lecturelib.workshop.whole import clean, replace

LOOKS = 20  # how often the held-out scores are printed along the way
KEEP_EVERY = 120.0  # seconds between two copies of an unfinished training
DEVICES = ("cpu", "cuda")


def train(
    name: str,
    *,
    seed: int = 0,
    folder: Path = FOLDER,
    device: str = "cpu",
    fresh: bool = False,
    keep_every: float | None = None,
    processes: Processes = ALONE,
    **changes: Any,
) -> dict[str, Any]:
    """Train a model by its recipe, write NAME.safetensors and NAME.json into `folder`, and return the card.

    `changes` replace settings of the recipe, such as steps=100 for a trial; the card says so. The weights of the last
    step are kept: none is picked by its held-out score. Files are written whole and then renamed, so that an
    interrupted run leaves the old ones.
    An unfinished training is kept in NAME.resume.safetensors, every `keep_every` seconds (120 if nothing is said) and
    when it is interrupted. The next call with the same seed and settings goes on from there, and on a CPU ends with
    the same weights, to the bit, as if it had never stopped; `fresh` starts anew. Seconds are those of all parts.
    `processes` share each batch equally, and their weights are those of one process but for rounding, with any number
    of them in each part; an interruption of one stops all after the same step. CPU seconds are those of all together.
    Raises: ValueError for a name without a recipe, a setting that the recipe does not have, a device that is not
        there, a batch that the processes cannot share, and an unfinished training that is damaged or has another seed
        or settings; OSError where a file cannot be written, which leaves the one before. With several processes, all
        raise the same.
    """
    every = KEEP_EVERY if keep_every is None else keep_every

    def check() -> dict[str, Any]:
        settings = _settings(name, device, changes)
        if not every >= 0:
            raise ValueError(f"keep_every={every}: expected 0 or more seconds, such as {KEEP_EVERY:.0f}")
        processes.check(settings["batch_size"], device)
        return {"name": name, "seed": seed, "settings": settings}

    run = processes.same("what to train", check)
    recipe, unfinished = RECIPES[name], resume_path(name, folder)
    weights, about = folder / f"{name}.safetensors", folder / f"{name}.json"

    def make_room() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        clean(unfinished, weights, about)
        if fresh:
            unfinished.unlink(missing_ok=True)

    processes.first_does(make_room)
    if device == "cuda" and processes.count > 1:
        torch.cuda.set_device(processes.local_rank)
    seed_everything(seed)
    model = builder_of(name)().to(device)
    undo = add_dropout(model, run["settings"]["dropout"])
    spent = _train(model, recipe, run, unfinished, device, every, processes)
    undo()
    model.cpu().eval()

    def finish() -> dict[str, Any]:
        made = {
            "name": name,
            "about": recipe.about,
            "settings": run["settings"],
            "seed": seed,
            "cpu_seconds": round(spent["cpu_seconds"]),
            "seconds": round(spent["seconds"]),
            "hardware": spent["hardware"],
            "versions": {"python": platform.python_version(), "torch": torch.__version__},
            "parameters": sum(p.numel() for p in model.parameters()),
            "scores": {key: round(value, 4) for key, value in recipe.scores(model).items()},
        }
        text = json.dumps(made, indent=2) + "\n"
        replace(
            {
                weights: lambda path: save_file(model.state_dict(), path),
                about: lambda path: path.write_text(text, encoding="utf-8"),
            }
        )
        unfinished.unlink(missing_ok=True)
        return made

    return processes.first_does(finish)


def _settings(name: str, device: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a recipe with these changes, or refuse them, as `train` says."""
    builder_of(name)  # refuses an unknown name
    recipe = RECIPES[name]
    unknown = sorted(set(changes) - set(recipe.settings))
    if unknown:
        raise ValueError(f"{name} has no settings {unknown}: expected some of {sorted(recipe.settings)}")
    if device not in DEVICES or (device == "cuda" and not torch.cuda.is_available()):
        there = DEVICES if torch.cuda.is_available() else DEVICES[:1]
        raise ValueError(f"device {device!r} is not there: expected one of {', '.join(there)}")
    settings = {**recipe.settings, **changes}
    for key in ("steps", "batch_size"):
        if settings[key] < 1:
            raise ValueError(f"{key}={settings[key]}: expected at least 1")
    return settings


def _train(
    model: nn.Module,
    recipe: Recipe,
    run: dict[str, Any],
    unfinished: Path,
    device: str,
    every: float,
    processes: Processes,
) -> dict[str, Any]:
    """Train to the last step; return the seconds that all parts took, and the hardware."""
    began, wall = time.process_time(), time.monotonic()
    settings, done = run["settings"], 0
    steps, hardware = settings["steps"], _hardware(device, processes.count)
    spent: dict[str, Any] = {"cpu_seconds": 0.0, "seconds": 0.0, "hardware": hardware}
    optimizers = _optimizers(model, settings)
    rise = max(0.1, 2 / (steps + 1))  # at least one step, also in a short trial
    schedules = [
        torch.optim.lr_scheduler.OneCycleLR(
            each, each.param_groups[0]["lr"], total_steps=steps + 1, pct_start=rise, cycle_momentum=len(optimizers) == 1
        )
        for each in optimizers
    ]

    def taken_up() -> dict[str, Any] | None:
        return take_up(unfinished, model, optimizers, run) if unfinished.exists() else None

    found = processes.same("the unfinished training", taken_up)
    if found:
        done = found["step"]
        for schedule in schedules:
            schedule.last_epoch = done
        spent = found["spent"]
        if not spent["hardware"].endswith(hardware):
            spent["hardware"] += f"; then {hardware}"
        if processes.first:
            print(
                f"going on after step {done} of {steps}, of {unfinished.name}; its batches are drawn again", flush=True
            )

    def so_far() -> dict[str, Any]:
        return {
            "cpu_seconds": spent["cpu_seconds"] + processes.total(time.process_time() - began),
            "seconds": spent["seconds"] + time.monotonic() - wall,
            "hardware": spent["hardware"],
        }

    batches = islice(recipe.batches(run["seed"], settings["batch_size"]), done, None)
    loss_of = processes.averaged(model, recipe.loss, device)
    numbers = range(done + 1, steps + 1)
    kept = time.monotonic()
    with patiently() as interrupted:
        for step in progress(numbers, "training") if processes.first else numbers:
            model.train()
            loss = loss_of(tuple(each.to(device) for each in processes.share(next(batches))))
            model.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer, schedule in zip(optimizers, schedules, strict=True):
                optimizer.step()
                schedule.step()
            if step % max(1, steps // LOOKS) == 0:
                mean = processes.total(loss.item()) / processes.count
                if processes.first:
                    measured = recipe.scores(copy.deepcopy(model).cpu().eval())
                    scores = ", ".join(f"{key} {value:.3f}" for key, value in measured.items())
                    print(f"step {step} of {steps}: loss {mean:.3f}; {scores}", flush=True)
            # Any process may be interrupted; the clock of the first says when to keep.
            stop, due = processes.any_says(interrupted(), processes.first and time.monotonic() - kept >= every)
            if stop or due:
                now = {**run, "step": step, "spent": so_far()}
                processes.first_does(lambda now=now: keep(unfinished, model, optimizers, now))  # type: ignore[misc]
                kept = time.monotonic()
            if stop:
                raise processes.by_all(
                    KeyboardInterrupt(f"stopped after step {step} of {steps}; {unfinished.name} holds it")
                )
    return so_far()


def _optimizers(model: nn.Module, settings: dict[str, Any]) -> list[torch.optim.Optimizer]:
    """Return AdamW for all weights; or, with a setting "muon", Muon for the matrices inside the blocks and AdamW for
    the rest.

    Muon (Jordan and others 2024) makes each step of a matrix nearly orthogonal. On the photographs 1,000 steps with it
    left an error of .0058 on held-out squares, 1,000 with AdamW alone .0076.
    """
    decay = settings["weight_decay"]
    if not settings.get("muon"):
        return [torch.optim.AdamW(model.parameters(), settings["lr"], betas=(0.9, 0.98), weight_decay=decay)]
    if not hasattr(torch.optim, "Muon"):
        raise ValueError(f"torch {torch.__version__} has no optimizer Muon: expected 2.9 or later to train this model")
    inside = {id(p) for each in model.modules() if isinstance(each, Block) for p in each.parameters() if p.ndim == 2}
    matrices, rest = ([p for p in model.parameters() if (id(p) in inside) == chosen] for chosen in (True, False))
    return [
        torch.optim.AdamW(rest, settings["lr"], betas=(0.9, 0.98), weight_decay=decay),
        torch.optim.Muon(matrices, settings["muon"], weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
    ]


def _hardware(device: str, processes: int = 1) -> str:
    processor = "CPU" if device == "cpu" else torch.cuda.get_device_name()
    shared = f", {processes} processes" if processes > 1 else ""
    return f"{platform.machine()}, {processor}, {torch.get_num_threads()} thread(s){shared}"
