"""Training: the loop that every notebook uses, what it remembers, and a progress bar.

fit               draw batches, follow the gradient, keep the best weights
History           the losses along the way
progress          a bar for any long loop, in a notebook or a terminal
seed_everything   one seed for all generators
"""

from __future__ import annotations

import copy
import math
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

Item = TypeVar("Item")
Batch = tuple[torch.Tensor, ...]


def seed_everything(seed: int) -> torch.Generator:
    """Seed the generators of Python, NumPy and torch, and return a torch generator of its own with that seed.

    The global ones decide how layers are initialised; draw data from the returned one.
    Raises: ValueError for a seed that is not a whole number from 0 to 2**32 - 1.
    Tool: from notebook 00 on.
    """
    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"seed {seed!r}: expected a whole number from 0 to 2**32 - 1, such as 0")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


@dataclass
class History:
    """What `fit` saw: after how many steps, the mean training loss since the last look, and the validation loss.

    `best` is the number of steps after which the weights were taken that are in the model now; `stopped` says
    that somebody interrupted the training.
    Taught: notebook 01, section 3.
    """

    steps: list[int] = field(default_factory=list)
    train: list[float] = field(default_factory=list)
    valid: list[float] = field(default_factory=list)
    best: int = 0
    stopped: bool = False


def fit(
    model: nn.Module,
    loss: Callable[[nn.Module, Batch], torch.Tensor],
    train: Batch,
    valid: Batch | None = None,
    *,
    steps: int = 500,
    batch_size: int = 32,
    lr: float = 1e-2,
    seed: int = 0,
    label: str | None = None,
) -> History:
    """Train a model with Adam on batches drawn at random, and leave its best weights in it.

    `train` and `valid` are tuples of tensors that share their first dimension; each step draws `batch_size` rows of
    `train`, with replacement, and calls `loss(model, rows)`. Some 50 times along the way it takes stock: the best
    weights are those with the lowest validation loss (training loss, if there is no `valid`).
    With a `label` it shows a bar with the loss and the time left; without, it is silent. Interrupting the kernel
    ends the training early and leaves the best weights so far in the model; without a label (inside a longer loop)
    the interruption is passed on, so that the longer loop stops too.

    Units: `lr` is Adam's step size; gradients longer than 1 are cut to length 1.
    Returns: a `History`.
    Raises: ValueError for empty or unequal data, a number that is not positive, and a loss that is not finite.
    Taught: notebook 01, section 3.

    >>> torch.manual_seed(0) and None
    >>> line, x = nn.Linear(1, 1), torch.linspace(-1, 1, 64)[:, None]
    >>> history = fit(line, lambda m, b: (m(b[0]) - b[1]).square().mean(), (x, 3 * x), steps=200, lr=0.1)
    >>> round(line.weight.item(), 1), history.stopped
    (3.0, False)
    """
    rows = _check_fit(train, valid, steps=steps, batch_size=batch_size, lr=lr)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr)
    history, every = History(), max(1, steps // 50)
    best_loss, best_weights, recent = math.inf, copy.deepcopy(model.state_dict()), []
    bar = _Bar(steps, label) if label else None
    try:
        for step in range(1, steps + 1):
            model.train()
            pick = torch.randint(rows, (batch_size,), generator=generator)
            value = loss(model, tuple(each[pick] for each in train))
            optimizer.zero_grad()
            value.backward()
            length = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            _check_finite("loss", value.item(), step, lr)
            _check_finite("length of the gradient", length.item(), step, lr)
            optimizer.step()
            recent.append(value.item())
            if step % every == 0 or step == steps:
                if valid is not None:
                    model.eval()
                    with torch.no_grad():
                        judged = loss(model, valid).item()
                    _check_finite("validation loss", judged, step, lr)
                    history.valid.append(judged)
                history.steps.append(step)
                history.train.append(sum(recent) / len(recent))
                now, recent = (history.valid or history.train)[-1], []
                if now < best_loss:
                    best_loss, best_weights, history.best = now, copy.deepcopy(model.state_dict()), step
            if bar:
                bar.show(step, f"loss {value.item():.3f}")
    except KeyboardInterrupt:
        history.stopped = True
        if not label:
            raise
    finally:
        model.load_state_dict(best_weights)
        model.eval()
        if bar:
            ended = f"loss {best_loss:.3f}" if history.steps else "before the first look at the loss"
            bar.close(f"{'stopped, ' if history.stopped else ''}{ended}")
    return history


def _check_finite(what: str, value: float, step: int, lr: float) -> None:
    """Refuse to go on with NaN or infinity."""
    if not math.isfinite(value):
        raise ValueError(
            f"the {what} became {value} at step {step}: expected a finite number. The best weights so far are in the "
            f"model; try a smaller step size than lr={lr}, and look for NaN in the data"
        )


def _check_fit(train: Batch, valid: Batch | None, **numbers: float) -> int:
    """Refuse what cannot be trained on; return the number of rows in `train`."""
    for name, value in numbers.items():
        if not value > 0:
            raise ValueError(f"{name}={value}: expected a number above 0")
    for name, data in (("train", train), ("valid", valid)):
        if data is None:
            continue
        if not isinstance(data, tuple) or not data or not all(isinstance(each, torch.Tensor) for each in data):
            raise ValueError(f"{name} is a {type(data).__name__}: expected a tuple of tensors, such as (x, y)")
        lengths = [len(each) for each in data]
        if len(set(lengths)) != 1 or lengths[0] == 0:
            raise ValueError(f"the tensors of {name} have {lengths} rows: expected the same number in each, at least 1")
    return len(train[0])


def progress(items: Iterable[Item], label: str) -> Iterator[Item]:
    """Go through the items of a long loop and show how far it is and how long it still takes.

    Tool: from notebook 00 on.
    """
    listed = list(items)
    bar = _Bar(len(listed), label)
    done = 0
    try:
        for done, item in enumerate(listed, start=1):
            yield item
            bar.show(done, f"{done} of {len(listed)}")
    finally:
        bar.close(f"{done} of {len(listed)}")


class _Bar:
    """A progress bar: a widget in a notebook, one line on stderr at the end elsewhere.

    In a notebook the saved text is fixed (label and number of steps), so that outputs can be compared.
    """

    def __init__(self, total: int, label: str) -> None:
        self.total, self.label = total, label
        self.began = self.drawn = time.monotonic()
        self.widget: Any = None
        if "ipykernel" in sys.modules and _in_notebook():
            import ipywidgets  # only where there is a notebook: a terminal does not need it
            from IPython.display import display

            self.widget = ipywidgets.IntProgress(max=total, layout={"width": "260px"})
            self.text = ipywidgets.Label()
            row = ipywidgets.HBox([ipywidgets.Label(label), self.widget, self.text])
            # written out, for ipywidgets 7 (Colab) as for 8
            view = {"version_major": 2, "version_minor": 0, "model_id": row.model_id}
            saved = {"application/vnd.jupyter.widget-view+json": view, "text/plain": f"{label}: {total} steps"}
            display(saved, raw=True)

    def show(self, done: int, note: str) -> None:
        """Move the bar to `done`, at most ten times a second."""
        now = time.monotonic()
        if self.widget is not None and (now - self.drawn > 0.1 or done == self.total):
            left = (now - self.began) / done * (self.total - done)
            self.widget.value, self.text.value, self.drawn = done, f"{note}, {left:.0f} s left", now

    def close(self, note: str) -> None:
        """Say how it ended."""
        seconds = time.monotonic() - self.began
        if self.widget is not None:
            self.text.value = f"{note}, {seconds:.1f} s"
        else:
            print(f"{self.label}: {note}, {seconds:.1f} s", file=sys.stderr)


def _in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    from IPython.core.getipython import get_ipython

    return hasattr(get_ipython(), "kernel")
