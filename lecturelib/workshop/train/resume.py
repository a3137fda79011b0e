"""Keep an unfinished training beside the weights that it will write, so that the next start goes on from there.

keep        write the whole state of a training
take_up     read it back into a model and its optimizers
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import nn

from lecturelib.workshop.whole import replace

RUN = ("name", "seed", "settings")  # what must be the same, for a training to be the same


def keep(path: Path, model: nn.Module, optimizers: list[torch.optim.Optimizer], run: dict[str, Any]) -> None:
    """Write weights, optimizers, torch's random numbers and `run` (plain JSON) into one file, or nothing.

    Raises: OSError where there is no room, or no right to write; the file of before stays.
    """
    tensors = {f"model.{key}": value for key, value in model.state_dict().items()}
    states = [each.state_dict() for each in optimizers]
    for which, state in enumerate(states):
        for number, values in state["state"].items():
            tensors |= {f"{which}.{number}.{key}": value for key, value in values.items()}
    tensors["random"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random on the GPU"] = torch.cuda.get_rng_state()
    about = json.dumps(run | {"groups": [state["param_groups"] for state in states]})
    tensors["run"] = torch.frombuffer(bytearray(about.encode()), dtype=torch.uint8)
    packed = {key: value.cpu().contiguous() for key, value in tensors.items()}
    replace({path: lambda half: save_file(packed, half)})


def take_up(
    content: bytes, model: nn.Module, optimizers: list[torch.optim.Optimizer], run: dict[str, Any]
) -> dict[str, Any]:
    """Put what `keep` wrote into model and optimizers, set torch's random numbers, and return the `run` of that time.

    `run` holds the name, the seed and the settings that are expected.
    Raises: ValueError for a file that is damaged, or of a run with another name, seed or settings than this one has.
    """
    file, anew = f"{run['name']}.resume.safetensors", "or start anew with --fresh (fresh=True), which removes it"
    try:
        tensors = load(content)
        found: dict[str, Any] = json.loads(bytes(tensors.pop("run").tolist()))
        differs = [f"{key} {found[key]}, not {run[key]}" for key in RUN if found[key] != run[key]]
        if not differs:
            _fill(model, optimizers, tensors, found.pop("groups"))
    except (SafetensorError, LookupError, TypeError, ValueError, RuntimeError) as problem:
        says = (str(problem) or repr(problem)).splitlines()[0]
        raise ValueError(
            f"{file} is damaged or was made by another version of the recipe ({says}): expected an unfinished "
            f"training of {run['name']}; put a whole one there, {anew}"
        ) from None
    if differs:
        raise ValueError(
            f"{file} is an unfinished training with {', '.join(differs)}: expected the same; finish it with "
            f"those, {anew}"
        )
    return found


def _fill(
    model: nn.Module, optimizers: list[torch.optim.Optimizer], tensors: dict[str, torch.Tensor], groups: list[Any]
) -> None:
    """Put the tensors of `keep` where they came from."""
    torch.set_rng_state(tensors.pop("random"))
    on_gpu = tensors.pop("random on the GPU", None)
    if on_gpu is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(on_gpu)
    model.load_state_dict({k.removeprefix("model."): each for k, each in tensors.items() if k.startswith("model.")})
    for which, (optimizer, group) in enumerate(zip(optimizers, groups, strict=True)):
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, each in tensors.items():
            if key.startswith(f"{which}."):
                _, number, name = key.split(".")
                state.setdefault(int(number), {})[name] = each
        if not state:
            raise KeyError("an optimizer's state")
        optimizer.load_state_dict({"state": state, "param_groups": group})
