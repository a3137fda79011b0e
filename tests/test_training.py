"""The training loop: the same from the same seed, the best weights in the end, and quiet."""

import math
import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import ipywidgets
import numpy as np
import pytest
import torch
from torch import nn

from lecturelib import training
from tests.mutants import Mutant, planted
from tests.strategies import normal
from tests.tools import global_generators_left_alone, refuses
from tests.twins import state

Batch = tuple[torch.Tensor, ...]
Loss = Callable[[nn.Module, Batch], torch.Tensor]


def squares(model: nn.Module, rows: Batch) -> torch.Tensor:
    return (model(rows[0]) - rows[1]).square().mean()


class LouderInTraining(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 1.5 * x if self.training else x


def small_network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 16), nn.Tanh(), LouderInTraining(), nn.Linear(16, 1)).double()


X = normal(64, 3, seed=0)
DATA = (X, X.prod(1, keepdim=True).tanh())


class Number(nn.Module):
    """A model that is one number, so that a test can say where it should end."""

    def __init__(self, start: float = 0.0) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(start))


def towards(model: nn.Module, rows: Batch) -> torch.Tensor:
    assert isinstance(model, Number)
    return (model.value - rows[0]).square().mean()


def away_from(k: int, event: Callable[[], float]) -> Loss:
    """Return a loss that is `towards` but multiplies it, the k-th time, with what `event` returns."""
    calls = 0

    def loss(model: nn.Module, rows: Batch) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return towards(model, rows) * (event() if calls == k else 1.0)

    return loss


def interrupt() -> float:
    raise KeyboardInterrupt


ONE, THREE = (torch.full((7,), 1.0),), (torch.full((7,), 3.0),)


def written_out(
    model: nn.Module, valid: Batch | None, steps: int, batch_size: int, lr: float, seed: int
) -> training.History:
    """Do what `fit` does, on DATA."""
    history, generator = training.History(), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr)
    recent, weights = [], {}
    for step in range(1, steps + 1):
        model.train()
        rows = torch.randint(64, (batch_size,), generator=generator)
        value = squares(model, (DATA[0][rows], DATA[1][rows]))
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recent.append(value.item())
        if step % max(1, steps // 50) == 0 or step == steps:
            history.steps.append(step)
            history.train.append(sum(recent) / len(recent))
            history.valid += [squares(model.eval(), valid).item()] if valid else []
            weights[step], recent = state(model), []
    judged = history.valid or history.train
    history.best = history.steps[judged.index(min(judged))]
    model.load_state_dict(weights[history.best])
    return history


@pytest.mark.parametrize(("steps", "looks"), [(1, 1), (149, 75), (200, 50)])
@pytest.mark.parametrize("valid", [None, DATA])
def test_fit_is_the_loop_written_out(steps: int, looks: int, valid: Batch | None) -> None:
    model, own = small_network(), small_network()
    how: dict[str, Any] = {"steps": steps, "batch_size": 7, "lr": 0.2, "seed": steps}
    with global_generators_left_alone():
        history = training.fit(model, squares, DATA, valid, **how)
    torch.testing.assert_close(vars(history), vars(written_out(own, valid, **how)))
    assert len(history.steps) == looks
    torch.testing.assert_close(state(model), state(own))
    assert not model.training


def test_without_numbers_it_is_500_steps_of_32_rows_at_a_hundredth() -> None:
    rows = (torch.arange(7.0),)
    found = training.fit(Number(), towards, rows)
    assert found == training.fit(Number(), towards, rows, steps=500, batch_size=32, lr=0.01, seed=0)


def test_the_weights_with_the_lowest_validation_loss_stay() -> None:
    # training leads from 0 to 3 and passes 1, which is what the validation data ask for
    model = Number()
    history = training.fit(model, towards, THREE, ONE, steps=100, lr=0.1)
    assert abs(model.value.item() - 1.0) < 0.1
    assert history.best == history.steps[int(np.argmin(history.valid))] < 20
    assert towards(model, ONE).item() == min(history.valid) < history.valid[-1]
    assert history.train[-1] < 0.1 and history.valid[-1] > 3.0


@pytest.mark.parametrize("label", ["number", None])
def test_an_interrupted_run_keeps_its_best_weights(label: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    model, whole = Number(), Number()
    reference = training.fit(whole, towards, THREE, steps=29, lr=0.05)
    if label is None:  # it stops the loop around it
        with pytest.raises(KeyboardInterrupt):
            training.fit(model, away_from(30, interrupt), THREE, steps=50, lr=0.05)
    else:
        history = training.fit(model, away_from(30, interrupt), THREE, steps=50, lr=0.05, label=label)
        assert history.stopped and history.steps == reference.steps and history.train == reference.train
        assert history.best == reference.best == 29
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("number: stopped, loss ")
    assert model.value.item() == whole.value.item() > 1.0 and not model.training


def test_a_run_that_is_stopped_at_once_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    training.fit(Number(), away_from(1, interrupt), THREE, steps=500, label="number")
    assert capsys.readouterr().err.startswith("number: stopped, before the first look at the loss")


def test_what_is_not_finite_is_named_with_its_step_and_never_reaches_the_weights() -> None:
    model = Number()
    with pytest.raises(ValueError, match=r"the loss became nan at step 17: .* smaller learning rate than lr=0\.05"):
        training.fit(model, away_from(17, lambda: math.nan), THREE, steps=50, lr=0.05)
    assert 0 < model.value.item() < math.inf
    with pytest.raises(ValueError, match=r"validation loss became inf at step 3: .* lr=0\.01"):
        training.fit(model, away_from(6, lambda: math.inf), THREE, ONE, steps=50)
    model = Number(0.0)
    with pytest.raises(ValueError, match=r"gradient became .* step 1: .* lr=0\.01"):
        # at 0: the value is 0, the slope infinite
        training.fit(model, lambda model, rows: model.get_parameter("value").sqrt(), THREE, steps=50)
    assert model.value.item() == 0.0


def test_numbers_below_the_smallest_normal_one_are_0_while_training_and_not_after() -> None:
    smallest = torch.tensor(torch.finfo(torch.float32).tiny)

    def loss(model: nn.Module, rows: Batch) -> torch.Tensor:
        assert (smallest / 2).item() == 0
        return towards(model, rows)

    training.fit(Number(), loss, THREE, steps=3)
    assert (smallest / 2).item() > 0


def test_the_bar_of_a_notebook_moves_and_says_how_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, displayed, row = SimpleNamespace(now=0.025), [], ipywidgets.HBox
    rows: dict[str, ipywidgets.HBox] = {}
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(kernel="this one"))
    monkeypatch.setattr("IPython.display.display", lambda shown, raw: displayed.append((shown, raw)))
    monkeypatch.setattr(ipywidgets, "HBox", lambda children: rows.setdefault("bar", row(children)))
    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=lambda: clock.now))
    walk = training.progress(range(80), "loop")
    seen = []
    for clock.now in (0.025, 0.125, 0.925, 0.985):  # a tenth of a second later, nine, and a little
        next(walk)
        label, bar, text = rows["bar"].children
        seen.append((bar.value, text.value))
    assert seen == [(0, ""), (0, ""), (2, "2 of 80, 35 s left"), (2, "2 of 80, 35 s left")]
    assert (label.value, bar.max, bar.layout.width) == ("loop", 80, "260px")
    view = {"version_major": 2, "version_minor": 0, "model_id": rows["bar"].model_id}
    assert displayed == [({"application/vnd.jupyter.widget-view+json": view, "text/plain": "loop: 80 steps"}, True)]
    clock.now = 1.57
    assert len(list(walk)) == 76 and (bar.value, text.value) == (80, "80 of 80, 1.5 s")

    rows.clear()
    with training.Stock([Number(), Number()], lambda: [5.0, 8.0], 100, 0.1, "two models") as stock:
        clock.now += 1
        stock.take(1, [2.0, 4.0])
        _, bar, text = rows["bar"].children
        assert (bar.max, bar.value, text.value) == (100, 1, "loss 3.000, 99 s left")  # their mean
        for step in (2, 3, 4):
            stock.take(step, [1.0, 1.0])
    assert text.value == "loss 6.500, 1.0 s"  # that of the validation
    assert [(each.valid, each.best) for each in stock.histories] == [([5.0, 5.0], 2), ([8.0, 8.0], 2)]


def test_progress_and_a_labelled_run_say_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(training.progress(iter("abc"), "letters")) == ["a", "b", "c"]
    assert list(training.progress([], "none")) == []
    walk = training.progress([1, 2, 3, 4, 5], "numbers")
    assert next(walk) == 1 and next(walk) == 2
    walk.close()  # type: ignore[attr-defined]
    training.fit(Number(), towards, THREE, steps=5, label="run")
    training.fit(Number(), towards, THREE, steps=5)  # without a label it is silent
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 4 and err.endswith(" s\n")
    for said in ("letters: 3 of 3, ", "none: 0 of 0, ", "numbers: 2 of 5, ", "run: loss "):
        assert said in err


def test_seed_everything_sets_all_generators_and_returns_one_of_its_own() -> None:
    def draws(seed: int) -> list[float]:
        own = training.seed_everything(seed)
        with global_generators_left_alone():
            first = torch.rand((), generator=own).item()
        return [first, random.random(), np.random.rand(), torch.rand(()).item()]

    assert training.seed_everything(0).initial_seed() == 0
    assert draws(7) == draws(np.int64(7)) and not set(draws(7)) & set(draws(8))


PAIR = (torch.ones(3, 1), torch.ones(2, 1))


def frozen() -> Number:
    return Number().requires_grad_(False)


def returns(value: Callable[[torch.Tensor], object]) -> Loss:
    return lambda model, rows: value(towards(model, rows))  # type: ignore[return-value]


test_bad_input_is_refused_in_words = refuses(
    (lambda: training.fit(Number(), towards, THREE, steps=0), ["steps=0", "1 or more"]),
    (lambda: training.fit(Number(), towards, THREE, seed=-1), ["seed=-1", "0 or more"]),
    (lambda: training.fit(Number(), towards, THREE, batch_size=0), ["batch_size=0", "1 or more"]),
    *(
        (lambda lr=lr: training.fit(Number(), towards, THREE, lr=lr), [f"lr={lr}", "above 0"])
        for lr in (0.0, math.nan, math.inf)
    ),
    (lambda: training.fit(frozen(), towards, THREE), ["Number has nothing", "frozen; model.requires_grad_(True)"]),
    (lambda: training.fit(Number(), towards, THREE[0]), ["train is a Tensor: expected a tuple of tensors"]),
    (lambda: training.fit(Number(), towards, PAIR, THREE), ["tensors of train have [3, 2]", "same number"]),
    (lambda: training.fit(Number(), towards, (torch.ones(0),)), ["train", "[0]", "at least 1"]),
    (lambda: training.fit(Number(), towards, THREE, (THREE[0] / 0,)), ["valid holds NaN or infinity"]),
    (lambda: training.fit(Number(), lambda m, b: m.value - b[0], THREE), ["one number", "mean()"]),
    (
        lambda: training.fit(Number(), returns(torch.Tensor.item), THREE),
        ["returned 9.0", "a tensor of one number", "without .item()"],
    ),
    (lambda: training.fit(Number(), returns(torch.detach), THREE), ["returned tensor(9.)", ".detach()"]),
    (lambda: training.seed_everything(None), ["seed=None", "whole number"]),
)


LOOP = test_fit_is_the_loop_written_out
BEST = test_the_weights_with_the_lowest_validation_loss_stay

test_mutants = planted(
    training,
    [
        Mutant("        model.eval()\n        return []", "        return []", LOOP),
        Mutant("            model.load_state_dict(self.best[k][1])\n", "", BEST),
        Mutant("(history.valid or history.train)[-1]", "history.train[-1]", BEST),
        Mutant("(now, _copied(self.models[k]))", "(now, self.models[k].state_dict())", BEST),
        Mutant("            optimizer.zero_grad()\n", "", LOOP),
        Mutant("(batch_size,), generator=generator", "(batch_size,)", LOOP),
        Mutant("each[pick] for each in train", "each[pick.roll(k)] for k, each in enumerate(train)", LOOP),
        Mutant("            model.train()\n", "", LOOP),
    ],
)
