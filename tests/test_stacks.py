"""Several networks as one: each comes out as it would alone, to rounding, and what is slower so trains in turn."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lecturelib import stacks
from lecturelib.baselines import ConvolutionalNetwork
from lecturelib.mae import MaskedAutoencoder, random_mask, reconstruction_loss
from lecturelib.recurrent import Reader
from lecturelib.training import Batch, fit
from lecturelib.transfer import add_lora
from lecturelib.vision import VisionTransformer
from tests.mutants import Mutant, planted
from tests.strategies import normal
from tests.test_training import THREE, Number, away_from, interrupt, towards
from tests.tools import refuses
from tests.twins import state

T, CLASSES = 7, 3
TOKENS = torch.randint(5, (60, T), generator=torch.Generator().manual_seed(0))
IMAGES = normal(60, 1, 4, 6, seed=1)
LABELS = torch.randint(CLASSES, (60,), generator=torch.Generator().manual_seed(2))
MASKS = random_mask(60, 2, 3, 0.5, generator=torch.Generator().manual_seed(3))


def at_the_end(model: nn.Module, rows: Batch) -> torch.Tensor:
    return F.cross_entropy(model(rows[0])[:, -1], rows[1])


def named(model: nn.Module, rows: Batch) -> torch.Tensor:
    return F.cross_entropy(model(rows[0]), rows[1])


def painted(model: nn.Module, rows: Batch) -> torch.Tensor:
    return reconstruction_loss(model(*rows, visible=3), model.target(rows[0]), rows[1])  # type: ignore[operator]


def vit(pool: str = "class", **other: Any) -> VisionTransformer:
    return VisionTransformer((1, 4, 6), 2, 8, 2, 1, pool=pool, **other)


# what trains as one: how to make a network, its loss, its data
STACKED: dict[str, tuple[Callable[[], nn.Module], Callable[[nn.Module, Batch], torch.Tensor], Batch]] = {
    "tanh RNN": (lambda: Reader("rnn", 5, 8, CLASSES), at_the_end, (TOKENS, LABELS)),
    "vision": (lambda: vit(num_classes=CLASSES, positions="sinusoidal"), named, (IMAGES, LABELS)),
    "low rank": (lambda: add_lora(vit(num_classes=CLASSES), 2), named, (IMAGES, LABELS)),
    "masked": (lambda: MaskedAutoencoder(vit("mean"), 8, 2, 1), painted, (IMAGES, MASKS)),
}
# what trains one after the other
IN_TURN = {
    "LSTM": (lambda: Reader("lstm", 5, 8, CLASSES), at_the_end, (TOKENS, LABELS)),
    "GRU": (lambda: Reader("gru", 5, 8, CLASSES), at_the_end, (TOKENS, LABELS)),
    "convolutions": (lambda: ConvolutionalNetwork((1, 4, 6), 4, CLASSES), named, (IMAGES, LABELS)),
}


def networks(make: Callable[[], nn.Module]) -> list[nn.Module]:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return [make().double() for _ in range(3)]


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("name", [*STACKED, *IN_TURN])
def test_fit_many_is_fit_one_after_the_other(name: str, own: bool) -> None:
    in_turn: list[int] = []

    def counted(*given: Any, **how: Any) -> Any:
        in_turn.append(how["seed"])
        return fit(*given, **how)

    make, loss, data = (STACKED | IN_TURN)[name]
    sets = [tuple(each[k : k + 40 + k] for each in data) for k in range(3)] if own else [data] * 3
    how: dict[str, Any] = {"steps": 30, "batch_size": 4, "lr": 0.01}
    models, alone = networks(make), networks(make)
    expected = [fit(each, loss, rows, seed=s, **how) for s, (each, rows) in enumerate(zip(alone, sets, strict=True))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stacks, "fit", counted)
        found = stacks.fit_many(models, loss, sets if own else data, **how)
    assert in_turn == ([] if name in STACKED else [0, 1, 2])
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours.steps, ours.best, ours.stopped) == (theirs.steps, theirs.best, False)
        np.testing.assert_allclose(ours.train, theirs.train, rtol=1e-7)
    for model, other in zip(models, alone, strict=True):
        torch.testing.assert_close(state(model), state(other), rtol=1e-7, atol=1e-9)
        assert not any(each.training for each in model.modules())
    assert len({tuple(each.train) for each in found}) == 3  # not thrice the same


@pytest.mark.parametrize("as_one", [True, False])
@pytest.mark.parametrize("label", [None, "numbers"])
def test_an_interruption_keeps_the_best_weights(label: str | None, as_one: bool) -> None:
    models, whole = [Number(), Number()], Number()
    if not as_one:
        models[0].slow = nn.LSTM(1, 1)

    with pytest.raises(KeyboardInterrupt) if label is None else nullcontext():
        histories = stacks.fit_many(models, away_from(12, interrupt), THREE, steps=50, lr=0.05, label=label)
        assert [(each.stopped, each.best) for each in histories] == [(True, 11)] * (1 + as_one)
    fit(whole, towards, THREE, steps=11, lr=0.05)
    reached = whole.value.item()
    assert [each.value.item() for each in models] == pytest.approx([reached, reached if as_one else 0])


test_bad_input_is_refused_in_words = refuses(
    (lambda: stacks.Stack([]), ["0 networks", "one or more"]),
    (lambda: stacks.Stack([nn.Linear(2, 3), nn.Linear(2, 4)]), ["2 networks", "one shape"]),
    (lambda: stacks.Stack([vit(), VisionTransformer((1, 4, 6), 2, 8, 4, 1, pool="class")]), ["one shape"]),
    (lambda: stacks.Stack([nn.Linear(2, 3), nn.Linear(2, 3).eval()]), ["all in training mode"]),
    (lambda: stacks.fit_many([], towards, THREE), ["0 models", "at least one"]),
    (lambda: stacks.fit_many([Number()] * 2, towards, THREE), ["each model once", "copy.deepcopy"]),
    (lambda: stacks.fit_many([Number()], towards, [THREE] * 2), ["1 models, 2 sets", "a set for each"]),
    (
        lambda: stacks.fit_many([Number(), Number()], lambda m, b: towards(m, b) * math.inf, THREE),
        ["loss became inf at step 1", "lr=0.01"],
    ),
)


IN_ORDER = test_fit_many_is_fit_one_after_the_other

test_mutants = planted(
    stacks,
    [
        Mutant("copy_(each[s])", "copy_(each[0])", IN_ORDER),
        Mutant("0 if own else None", "None", IN_ORDER),
        Mutant("b_x + b_h", "b_x", IN_ORDER),
        Mutant(".sum(dim=0).sqrt()", ".amax(dim=0).sqrt()", IN_ORDER),
    ],
)
