"""Keep an unfinished training beside the weights that it will write, so that the next start goes on from there.

keep        write the whole state of a training
take_up     read it back into a model and its optimizers
patiently   wait with an interruption until the step is done
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from lecturelib.workshop.whole import replace

RUN = ("name", "seed", "settings")  # what must be the same, for a training to be the same
STATES = ({"step", "exp_avg", "exp_avg_sq"}, {"momentum_buffer"})  # what Adam and Muon remember of each parameter


def resume_path(name: str, folder: Path) -> Path:
    """Return the place of the unfinished training of a model; git leaves it out."""
    return folder / f"{name}.resume.safetensors"


def keep(path: Path, model: nn.Module, optimizers: list[torch.optim.Optimizer], run: dict[str, Any]) -> None:
    """Write weights, optimizers, torch's random numbers and `run` (plain JSON) into one file, or nothing.

    Raises: OSError where there is no room, or no right to write; the file of before stays.
    """
    states = [each.state_dict() for each in optimizers]
    tensors = {f"model.{key}": value for key, value in model.state_dict().items()}
    for which, state in enumerate(states):
        for number, values in state["state"].items():
            tensors |= {f"optimizer.{which}.{number}.{key}": value for key, value in values.items()}
    tensors["random"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random on the GPU"] = torch.cuda.get_rng_state()
    about = json.dumps({**run, "groups": [state["param_groups"] for state in states]})
    plain = {k: v.cpu().contiguous() for k, v in tensors.items()}
    replace({path: lambda half: save_file(plain, half, {"run": about})})


def take_up(
    path: Path, model: nn.Module, optimizers: list[torch.optim.Optimizer], run: dict[str, Any]
) -> dict[str, Any]:
    """Read a file of `keep` into model and optimizers, set torch's random numbers, and return the `run` of that time.

    `run` holds the name, the seed and the settings that are expected.
    Raises: ValueError for a file that is damaged, or of a run with another name, seed or settings than this one has.
    """
    anew = "or start anew with --fresh (fresh=True), which removes it"
    same = json.loads(json.dumps({key: run[key] for key in RUN}))
    differs: list[str] = []
    try:
        with safe_open(path, "pt") as file:
            found: dict[str, Any] = json.loads(file.metadata()["run"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (a file is no dictionary)
        differs = [f"{key} {found[key]}, not {same[key]}" for key in RUN if found[key] != same[key]]
        if not differs:
            _fill(model, optimizers, tensors, found.pop("groups"))
    except (SafetensorError, LookupError, TypeError, ValueError, RuntimeError) as problem:
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


def _fill(
    model: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    tensors: dict[str, torch.Tensor],
    groups: list[list[dict[str, Any]]],
) -> None:
    """Put the tensors of `keep` where they came from."""
    states: list[dict[int, dict[str, torch.Tensor]]] = [{} for _ in optimizers]
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, which, number, name = key.split(".")
            states[int(which)].setdefault(int(number), {})[name] = value
    if any(not state or any(set(values) not in STATES for values in state.values()) for state in states):
        raise KeyError(f"an optimizer's state lacks some of {[sorted(each) for each in STATES]}")
    model.load_state_dict({k.removeprefix("model."): value for k, value in tensors.items() if k.startswith("model.")})
    for optimizer, state, group in zip(optimizers, states, groups, strict=True):
        optimizer.load_state_dict({"state": state, "param_groups": group})
    torch.set_rng_state(tensors["random"])
    if torch.cuda.is_available() and "random on the GPU" in tensors:
        torch.cuda.set_rng_state(tensors["random on the GPU"])


@contextmanager
def patiently() -> Iterator[Callable[[], bool]]:
    """Give a function that says whether somebody interrupted; a second interruption does so at once.

    Between two steps weights and optimizer agree; in the middle of one they do not.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread hears of interruptions
        yield lambda: False
        return
    before = signal.getsignal(signal.SIGINT) or signal.default_int_handler
    asked: list[bool] = []

    def note(*_: Any) -> None:
        asked.append(True)
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)
