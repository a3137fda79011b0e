"""Training: the loop that every notebook uses, what it remembers, and a progress bar.

fit               draw batches, follow the gradient, keep the best weights
History           the losses along the way
progress          a bar for any long loop, in a notebook or a terminal
seed_everything   one seed for all generators

Several networks of one shape train at once by `lecturelib.stacks.fit_many`.
"""

from __future__ import annotations

import math
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from lecturelib.edges import check_whole

Item = TypeVar("Item")
Batch = tuple[torch.Tensor, ...]
Loss = Callable[[nn.Module, Batch], torch.Tensor]


def seed_everything(seed: int) -> torch.Generator:
    """Seed the generators of Python, NumPy and torch, and return a torch generator of its own with that seed.

    The global ones decide how layers are initialized; draw data from the returned one.
    Raises: ValueError for a seed that is not a whole number of 0 or more.
    """
    check_whole(0, seed=seed)
    seed = int(seed)  # not all generators take NumPy's
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


@dataclass
class History:
    """What `fit` saw: after how many steps, the mean training loss since the last look, and the validation loss.

    `best` is the number of steps after which the weights were taken that are in the model now; `stopped` says
    that somebody interrupted the training.
    """

    steps: list[int] = field(default_factory=list)
    train: list[float] = field(default_factory=list)
    valid: list[float] = field(default_factory=list)
    best: int = 0
    stopped: bool = False


def fit(
    model: nn.Module,
    loss: Loss,
    train: Batch,
    valid: Batch | None = None,
    *,
    steps: int = 500,
    batch_size: int = 32,
    lr: float = 1e-2,
    seed: int = 0,
    label: str | None = None,
) -> History:
    """Train a model with Adam on batches drawn at random, and leave its best weights in it, in eval mode.

    `train` and `valid` are tuples of tensors that share their first dimension; each step draws `batch_size` rows of
    `train`, with replacement, and calls `loss(model, rows)`. Some 50 times along the way it takes stock: the best
    weights are those with the lowest validation loss (without `valid`, with the lowest mean loss of the batches since
    the last time).
    With a `label` it shows a bar; without, it is silent. Interrupting the kernel ends the training early, with the best
    weights so far in the model; without a label (inside a longer loop) the interruption is passed on.

    Units: `lr` is Adam's learning rate; gradients longer than 1 are cut to length 1.
    Raises: ValueError for empty, unequal or infinite data, a number that is out of range, a model with nothing to
        train, and a loss that is no single finite number or does not depend on the model.
    Taught: notebook 01, section 4.

    >>> torch.manual_seed(0) and None
    >>> line, x = nn.Linear(1, 1), torch.linspace(-1, 1, 64)[:, None]
    >>> history = fit(line, lambda m, b: (m(b[0]) - b[1]).square().mean(), (x, 3 * x), steps=200, lr=0.1)
    >>> round(line.weight.item(), 1), history.stopped
    (3.0, False)
    """
    check_fit([model], train, valid, [seed], steps=steps, batch_size=batch_size, lr=lr)
    generator = torch.Generator().manual_seed(int(seed))
    optimizer = torch.optim.Adam(model.parameters(), lr, foreach=True)  # fewer calls, the same numbers

    def judge() -> list[float]:
        model.eval()
        return [] if valid is None else [loss(model, valid).item()]

    with Stock([model], judge, steps, lr, label) as stock, flushed_denormals():
        for step in range(1, steps + 1):
            model.train()
            pick = torch.randint(len(train[0]), (batch_size,), generator=generator)
            value = loss(model, tuple(each[pick] for each in train))
            check_loss(value)
            optimizer.zero_grad()
            value.backward()
            length = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            stock.refuse_infinite(step, [value.item()], [length.item()])
            optimizer.step()
            stock.take(step, [value.item()])
    return stock.histories[0]


class Stock:
    """What `fit` and `fit_many` keep beside their loops, for one model or several: histories, best weights, the bar.

    As the block ends, by itself or by an exception, each model gets its best weights. `judge` returns the validation
    losses, if any; `write_back` brings the present weights into the models, if they are elsewhere.
    """

    def __init__(
        self,
        models: Sequence[nn.Module],
        judge: Callable[[], list[float]],
        steps: int,
        lr: float,
        label: str | None,
        write_back: Callable[[], None] = lambda: None,
    ) -> None:
        self.models, self.judge, self.steps, self.lr, self.write_back = models, judge, steps, lr, write_back
        self.histories = [History() for _ in models]
        self.best = [(math.inf, _copied(each)) for each in models]  # loss, weights
        self.recent: list[list[float]] = []
        self.bar = _Bar(steps, label) if label else None

    def refuse_infinite(self, step: int, losses: list[float], lengths: list[float]) -> None:
        """Raise ValueError before a step that would spoil the weights."""
        check_finite("loss", losses, step, self.lr)
        check_finite("length of the gradient", lengths, step, self.lr)

    def take(self, step: int, losses: list[float]) -> None:
        """Remember the losses of a step; some 50 times on the way judge the models, and keep what is best so far."""
        self.recent.append(losses)
        if step % max(1, self.steps // 50) == 0 or step == self.steps:
            with torch.no_grad():
                judged = self.judge()
            check_finite("validation loss", judged, step, self.lr)
            self.write_back()
            for k, history in enumerate(self.histories):
                history.steps.append(step)
                history.train.append(sum(each[k] for each in self.recent) / len(self.recent))
                history.valid += judged[k : k + 1]
                now = (history.valid or history.train)[-1]
                if now < self.best[k][0]:
                    self.best[k], history.best = (now, _copied(self.models[k])), step
            self.recent = []
        if self.bar:
            self.bar.show(step, f"loss {sum(losses) / len(losses):.3f}")

    def __enter__(self) -> Stock:
        return self

    def __exit__(self, kind: type | None, problem: BaseException | None, trace: TracebackType | None) -> bool:
        """Put the best weights in; with a bar an interruption ends here, without one it is passed on."""
        interrupted = kind is KeyboardInterrupt
        for k, model in enumerate(self.models):
            self.histories[k].stopped = interrupted
            model.load_state_dict(self.best[k][1])
            model.eval()
        if self.bar:
            mean = sum(each for each, _ in self.best) / len(self.best)
            ended = f"loss {mean:.3f}" if self.histories[0].steps else "before the first look at the loss"
            self.bar.close(f"{'stopped, ' if interrupted else ''}{ended}")
        return interrupted and self.bar is not None


def _copied(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return a model's weights as they are now; to copy them one by one is faster than `copy.deepcopy`."""
    return {name: each.clone() for name, each in model.state_dict().items()}


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Let numbers below the smallest normal one be 0 inside: vanishing gradients are full of them, and slow."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def check_fit(
    models: Sequence[nn.Module],
    train: Batch,
    valid: Batch | None,
    seeds: Sequence[int],
    *,
    steps: int,
    batch_size: int,
    lr: float,
) -> None:
    """Raise ValueError for what cannot be trained, or not trained on."""
    check_whole(steps=steps, batch_size=batch_size)
    for seed in seeds:
        check_whole(0, seed=seed)
    if not 0 < lr < math.inf:
        raise ValueError(f"lr={lr}: expected a number above 0")
    for model in models:
        if not any(each.requires_grad for each in model.parameters()):
            raise ValueError(
                f"{type(model).__name__} has nothing to train: expected a parameter that is not frozen; "
                "model.requires_grad_(True) frees all of them"
            )
    for name, data in {"train": train, "valid": train if valid is None else valid}.items():
        if not isinstance(data, tuple) or not all(isinstance(each, torch.Tensor) for each in data):
            raise ValueError(f"{name} is a {type(data).__name__}: expected a tuple of tensors, such as (x, y)")
        lengths = [len(each) for each in data]
        if len(set(lengths)) != 1 or lengths[0] == 0:
            raise ValueError(f"the tensors of {name} have {lengths} rows: expected the same number in each, at least 1")
        if not all(torch.isfinite(each).all() for each in data):
            raise ValueError(f"{name} holds NaN or infinity: expected finite numbers; look where they come from")


def check_loss(value: torch.Tensor) -> None:
    """Raise ValueError for a loss that no gradient can be taken of."""
    if not isinstance(value, torch.Tensor) or value.ndim or not value.requires_grad:
        raise ValueError(
            f"the loss returned {value!r}: expected a tensor of one number that depends on the model's parameters, "
            "such as error.mean(), without .item(), .detach() or torch.no_grad()"
        )


def check_finite(what: str, values: list[float], step: int, lr: float) -> None:
    """Raise ValueError for a number that became NaN or infinite."""
    for value in values:
        if not math.isfinite(value):
            raise ValueError(
                f"the {what} became {value} at step {step}: expected a finite number; try a smaller learning rate than "
                f"lr={lr}, and look for NaN in the data"
            )


def progress(items: Iterable[Item], label: str) -> Iterator[Item]:
    """Go through the items of a long loop and show how far it is and how long it still takes."""
    items = items if isinstance(items, Sized) else list(items)
    bar = _Bar(len(items), label)
    done = 0
    try:
        for done, item in enumerate(items, start=1):
            yield item
            bar.show(done, f"{done} of {len(items)}")
    finally:
        bar.close(f"{done} of {len(items)}")


class _Bar:
    """A progress bar: a widget in a notebook, one line on stderr at the end elsewhere."""

    def __init__(self, total: int, label: str) -> None:
        self.total, self.label = total, label
        self.began = self.drawn = time.monotonic()
        self.widget: Any = None
        if _in_notebook():
            import ipywidgets  # only where there is a notebook: a terminal does not need it
            from IPython.display import display

            self.widget = ipywidgets.IntProgress(max=total, layout={"width": "260px"})
            self.text = ipywidgets.Label()
            row = ipywidgets.HBox([ipywidgets.Label(label), self.widget, self.text])
            # written out, for ipywidgets 7 (Colab) as for 8; the text is fixed, so that outputs can be compared
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
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
