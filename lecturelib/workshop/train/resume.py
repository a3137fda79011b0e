"""Keep an unfinished training beside the weights that it will write, so that the next start goes on from there.

keep        write the whole state of a training
take_up     read it back into a model and its optimizers
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lecturelib.workshop.whole import replace

RUN = ("name", "seed", "settings")  # what must be the same, for a training to be the same


def keep(path: Path, model: nn.Module, optimizers: list[torch.optim.Optimizer], run: dict[str, Any]) -> None:
    """Write weights, optimizers, torch's random numbers and `run` into one file, or nothing.

    Raises: OSError where there is no room, or no right to write; the file of before stays.
    """
    state = {
        "run": run,
        "model": model.state_dict(),
        "optimizers": [each.state_dict() for each in optimizers],
        "random": torch.get_rng_state(),
        "random on the GPU": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }
    packed = io.BytesIO()
    torch.save(state, packed)
    replace({path: lambda half: half.write_bytes(packed.getbuffer())})


def take_up(
    path: Path, model: nn.Module, optimizers: list[torch.optim.Optimizer], run: dict[str, Any]
) -> dict[str, Any]:
    """Read a file of `keep` into model and optimizers, set torch's random numbers, and return the `run` of that time.

    `run` holds the name, the seed and the settings that are expected.
    Raises: ValueError for a file that is damaged, or of a run with another name, seed or settings than this one has.
    """
    anew = "or start anew with --fresh (fresh=True), which removes it"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        found: dict[str, Any] = state["run"]
        differs = [f"{key} {found[key]}, not {run[key]}" for key in RUN if found[key] != run[key]]
        if not differs:
            model.load_state_dict(state["model"])
            for optimizer, each in zip(optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(each)
            torch.set_rng_state(state["random"])
            if state["random on the GPU"] is not None and torch.cuda.is_available():
                torch.cuda.set_rng_state(state["random on the GPU"])
    except (pickle.UnpicklingError, EOFError, OSError, LookupError, ValueError, RuntimeError) as problem:
        says = (str(problem) or repr(problem)).splitlines()[0]
        raise ValueError(
            f"{path.name} is damaged or was made by another version of the recipe ({says}): expected an unfinished "
            f"training of {run['name']}; put a whole one there, {anew}"
        ) from None
    if differs:
        raise ValueError(
            f"{path.name} is an unfinished training with {', '.join(differs)}: expected the same; finish it with "
            f"those, {anew}"
        )
    return found
