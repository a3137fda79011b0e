"""Several networks as one: each comes out as it would alone, to rounding, and what cannot be stacked trains in turn."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from torch import nn

from lecturelib import stacks
from lecturelib.baselines import ConvolutionalNetwork
from lecturelib.mae import MaskedAutoencoder, random_mask, reconstruction_loss
from lecturelib.recurrent import Reader
from lecturelib.training import Batch, fit
from lecturelib.transfer import add_lora
from lecturelib.transformer import LanguageModel
from lecturelib.vision import VisionTransformer
from tests.mutants import Mutant, planted
from tests.strategies import normal, seeds
from tests.tools import refuses
from tests.twins import state, unchanged

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


def by_value(model: nn.Module, rows: Batch) -> torch.Tensor:
    value = named(model, rows)
    return value * 1.5 if value > 0.5 else value  # vmap cannot do it


def vit(pool: str = "class", **other: Any) -> VisionTransformer:
    return VisionTransformer((1, 4, 6), 2, 8, 2, 1, pool=pool, **other)


# what trains as one: how to make a network, its loss, its data
STACKED: dict[str, tuple[Callable[[], nn.Module], Callable[[nn.Module, Batch], torch.Tensor], Batch]] = {
    "tanh RNN": (lambda: Reader("rnn", 5, 8, CLASSES), at_the_end, (TOKENS, LABELS)),
    "vision": (lambda: vit(num_classes=CLASSES, positions="sinusoidal"), named, (IMAGES, LABELS)),
    "low rank": (lambda: add_lora(vit(num_classes=CLASSES), 2), named, (IMAGES, LABELS)),
    "masked": (lambda: MaskedAutoencoder(vit("mean"), 8, 2, 1), painted, (IMAGES, MASKS)),
    "linear": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(24, CLASSES)), named, (IMAGES, LABELS)),
}
# what trains one after the other
IN_TURN = {
    "LSTM": (lambda: Reader("lstm", 5, 8, CLASSES), at_the_end, (TOKENS, LABELS)),
    "GRU": (lambda: Reader("gru", 5, 8, CLASSES), at_the_end, (TOKENS, LABELS)),
    "convolutions": (lambda: ConvolutionalNetwork((1, 4, 6), 4, CLASSES), named, (IMAGES, LABELS)),
    "fused attention": (lambda: LanguageModel(5, 8, 2, 1, T), at_the_end, (TOKENS, LABELS)),
    "dropout": (
        lambda: nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(24, CLASSES)), named, (IMAGES, LABELS)
    ),
    "a loss that asks for a value": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(24, CLASSES)), by_value, (IMAGES, LABELS)
    ),
    "dropout as a function": (lambda: Bent(Dropped()), named, (IMAGES, LABELS)),
}  # fmt: skip


class Dropped(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(x, 0.5, self.training)


class Bent(nn.Module):
    """A linear layer behind what it was given, which is an attribute of its own."""

    def __init__(self, before: Any) -> None:
        super().__init__()
        self.before, self.linear = before, nn.Linear(24, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = images.flatten(1)
        return self.linear(self.before(x) if callable(self.before) else x * self.before[0])


def networks(make: Callable[[], nn.Module], count: int = 3) -> list[nn.Module]:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return [make().double() for _ in range(count)]


def compare(models: list[nn.Module], others: list[nn.Module]) -> None:
    for model, other in zip(models, others, strict=True):
        for (name, value), expected in zip(model.state_dict().items(), other.state_dict().values(), strict=True):
            torch.testing.assert_close(value, expected, rtol=1e-7, atol=1e-9, msg=f"{name} differs")


@pytest.mark.parametrize("name", [*STACKED, *IN_TURN])
def test_fit_many_is_fit_one_after_the_other(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    validated = name not in ("linear", "dropout", "dropout as a function")

    def counted(*given: Any, **how: Any) -> Any:
        calls.append(how["seed"])
        return fit(*given, **how)

    monkeypatch.setattr(stacks, "fit", counted)
    make, loss, data = (STACKED | IN_TURN)[name]
    train, valid = tuple(each[:50] for each in data), tuple(each[50:] for each in data) if validated else None
    how: dict[str, Any] = {"steps": 20 if validated else 60, "batch_size": 4, "lr": 0.01}
    models, alone = networks(make), networks(make)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        expected = [fit(each, loss, train, valid, seed=s, **how) for each, s in zip(alone, (4, 2, 9), strict=True)]
        torch.manual_seed(0)
        before = torch.get_rng_state()
        found = stacks.fit_many(models, loss, train, valid, seeds=[4, np.int64(2), 9], **how)
        assert "dropout" in name or torch.equal(torch.get_rng_state(), before)
    assert calls == ([] if name in STACKED else [4, 2, 9])
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours.steps, ours.best, ours.stopped) == (theirs.steps, theirs.best, False)
        np.testing.assert_allclose(ours.train, theirs.train, rtol=1e-7)
        np.testing.assert_allclose(ours.valid, theirs.valid, rtol=1e-7)
    compare(models, alone)
    assert not any(each.training for each in models)
    assert len({each.best for each in found} | {tuple(each.train) for each in found}) > 3  # not thrice the same


@pytest.mark.parametrize(
    "befores",
    [[torch.tanh, torch.exp], [[1.0], [5.0]], [torch.tensor([1.0]), torch.tensor([5.0])]],
    ids=["functions", "lists", "tensors"],
)
def test_networks_that_differ_in_an_attribute_are_no_stack(befores: list[Any]) -> None:
    models, alone = ([Bent(before) for before in befores] for _ in range(2))
    for model, other in zip(models, alone, strict=True):
        other.load_state_dict(model.state_dict())
    with pytest.raises(ValueError, match="of one shape"):
        stacks.Stack(models)
    data = IMAGES.float(), LABELS
    stacks.fit_many(models, named, data, steps=5)
    for seed, other in enumerate(alone):
        fit(other, named, data, steps=5, seed=seed)
    compare(models, alone)


def test_what_draws_at_random_trains_in_turn_also_the_second_time() -> None:
    models = networks(lambda: Bent(Dropped()), 2)
    for _ in range(2):
        assert not any(each.stopped for each in stacks.fit_many(models, named, (IMAGES, LABELS), steps=2))


@pytest.mark.parametrize("name", ["linear", "convolutions"])
def test_each_network_may_train_on_data_of_its_own(name: str) -> None:
    make, loss, data = (STACKED | IN_TURN)[name]
    models, alone = networks(make), networks(make)
    own = [tuple(each[k : k + 9 + k] for each in data) for k in range(3)]  # not equally many
    stacks.fit_many(models, loss, own, steps=20, batch_size=4)
    for s, model in enumerate(alone):
        fit(model, loss, own[s], steps=20, batch_size=4, seed=s)
    compare(models, alone)


def test_the_seeds_are_0_1_2_unless_told() -> None:
    make, loss, data = STACKED["linear"]
    models, others = networks(make), networks(make)
    assert stacks.fit_many(models, loss, data, steps=5) == stacks.fit_many(others, loss, data, steps=5, seeds=[0, 1, 2])
    compare(models, others)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("name", STACKED)
def test_a_stack_says_what_its_networks_say_and_has_their_gradients(name: str, own: bool) -> None:
    make, loss, data = STACKED[name]
    models = [each.eval() for each in networks(make)]
    stack = stacks.Stack(models)
    rows = tuple(torch.stack([each[k : k + 5] for k in range(3)]) for each in data) if own else data
    said = stack.ask(loss, rows, own)
    (said * torch.arange(1.0, 4.0)).sum().backward()
    for s, model in enumerate(models):
        asked = tuple(each[s] for each in rows) if own else data
        if name != "masked":  # which asks for images and a mask
            torch.testing.assert_close(stack(rows[0], own)[s], model(asked[0]))
        alone = loss(model, asked)
        torch.testing.assert_close(said[s], alone)
        (alone * (s + 1)).backward()
        for key, held in stack.weights.items():
            each = model.get_parameter(key)
            assert held.requires_grad == each.requires_grad and (held.grad is None) == (each.grad is None)
            if held.grad is not None:
                torch.testing.assert_close(held.grad[s], each.grad)


@pytest.mark.parametrize("name", STACKED)
def test_write_back_gives_each_network_its_own_weights(name: str) -> None:
    models = networks(STACKED[name][0])
    stack, before = stacks.Stack(models), [state(each) for each in models]
    with torch.no_grad():
        for each in stack.weights.values():
            each.add_(torch.arange(1.0, 4.0).view(-1, *[1] * (each.ndim - 1)))
    assert all(unchanged(model, old) for model, old in zip(models, before, strict=True))  # a copy until then
    stack.write_back()
    for s, (model, old) in enumerate(zip(models, before, strict=True)):
        torch.testing.assert_close(state(model), {name: value + s + 1 for name, value in old.items()})
        for key, held in stack.weights.items():  # and a copy after it
            assert held.untyped_storage().data_ptr() != model.get_parameter(key).untyped_storage().data_ptr()


@given(seeds)
def test_each_gradient_is_cut_by_its_own_length(seed: int) -> None:
    weights = [
        torch.zeros(3, 2, 5).requires_grad_(),
        torch.zeros(3, 4).requires_grad_(),
        torch.zeros(3).requires_grad_(),
    ]
    for k, each in enumerate(weights[:2]):
        scale = torch.tensor([0.01, 1.0, 20.0]).view(-1, *[1] * (each.ndim - 1))
        each.grad = normal(*each.shape, seed=seed + k).float() * scale
    alone = [[nn.Parameter(each[s].detach().clone()) for each in weights[:2]] for s in range(3)]
    for s, own in enumerate(alone):
        for mine, each in zip(own, weights, strict=False):
            assert each.grad is not None
            mine.grad = each.grad[s].clone()
    lengths = stacks.cut_each(weights)
    for s, own in enumerate(alone):
        torch.testing.assert_close(lengths[s], nn.utils.clip_grad_norm_(own, 1.0))
        for mine, each in zip(own, weights, strict=False):
            assert each.grad is not None
            torch.testing.assert_close(each.grad[s], mine.grad)


# ---- stopping ----


class Numbers(nn.Module):
    """A model that is one number."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(0.0))


def towards(model: nn.Module, rows: Batch) -> torch.Tensor:
    return (model.value - rows[0]).square().mean()  # type: ignore[operator]


def stopping(after: int) -> Callable[[nn.Module, Batch], torch.Tensor]:
    calls = 0

    def loss(model: nn.Module, rows: Batch) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == after:
            raise KeyboardInterrupt
        return towards(model, rows)

    return loss


THREE = (torch.full((7,), 3.0),)


@pytest.mark.parametrize("label", [None, "numbers"])
def test_an_interrupted_stack_keeps_its_best_weights(label: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    models, whole = [Numbers(), Numbers()], Numbers()
    how: dict[str, Any] = {"steps": 50, "lr": 0.05}
    if label is None:
        with pytest.raises(KeyboardInterrupt):
            stacks.fit_many(models, stopping(12), THREE, **how)
    else:
        histories = stacks.fit_many(models, stopping(12), THREE, label=label, **how)
        assert [(each.stopped, each.best) for each in histories] == [(True, 10)] * 2
        assert capsys.readouterr().err.startswith("numbers: stopped, loss ")
    fit(whole, towards, THREE, steps=10, lr=0.05)
    assert [each.value.item() for each in models] == pytest.approx([whole.value.item()] * 2)


def test_an_interruption_in_turn_leaves_the_later_models_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "as_one", lambda models: False)
    models = [Numbers() for _ in range(3)]
    histories = stacks.fit_many(models, stopping(60), THREE, steps=50, lr=0.05, label="numbers")
    assert [each.stopped for each in histories] == [False, True, True]
    assert [len(each.steps) for each in histories] == [50, 9, 0]
    assert models[0].value > models[1].value > 0 == models[2].value


# ---- refusals ----


test_bad_input_is_refused_in_words = refuses(
    (lambda: stacks.Stack([]), ["0 networks", "one or more"]),
    (lambda: stacks.Stack([nn.Linear(2, 3), nn.Linear(2, 4)]), ["2 networks", "one shape"]),
    (lambda: stacks.Stack([vit(), VisionTransformer((1, 4, 6), 2, 8, 4, 1, pool="class")]), ["one shape"]),
    (lambda: stacks.Stack([nn.Linear(2, 3), nn.Linear(2, 3).eval()]), ["all in training mode"]),
    (lambda: stacks.fit_many([], towards, THREE), ["0 models, 0 seeds", "one seed for each"]),
    (lambda: stacks.fit_many([Numbers()], towards, THREE, seeds=[1, 2]), ["1 models, 2 seeds"]),
    (lambda: stacks.fit_many([Numbers()] * 2, towards, THREE), ["each model once", "copy.deepcopy"]),
    (lambda: stacks.fit_many([Numbers()], towards, [THREE] * 2), ["list of 2", "each of 1 models"]),
    (lambda: stacks.fit_many([Numbers(), Numbers().requires_grad_(False)], towards, THREE), ["nothing to train"]),
    (lambda: stacks.fit_many([Numbers(), Numbers()], lambda m, b: m.value - b[0], THREE), ["one number", "mean()"]),
    (
        lambda: stacks.fit_many([Numbers(), Numbers()], lambda m, b: towards(m, b) * math.inf, THREE),
        ["loss became inf at step 1", "lr=0.01"],
    ),
    (
        lambda: stacks.fit_many([Numbers(), Numbers()], lambda m, b: m.value.sqrt(), THREE),
        ["length of the gradient became", "step 1"],
    ),
)


# ---- mutants ----

SAYS = test_a_stack_says_what_its_networks_say_and_has_their_gradients

test_mutants = planted(
    stacks,
    [
        Mutant("copy_(each[s])", "copy_(each[0])", test_write_back_gives_each_network_its_own_weights),
        Mutant("0 if own else None", "None", SAYS),
        Mutant("self.bias_ih_l0 + self.bias_hh_l0", "self.bias_ih_l0", SAYS),
        Mutant(".sum(dim=0).sqrt()", ".amax(dim=0).sqrt()", test_each_gradient_is_cut_by_its_own_length),
        Mutant("range(len(models)) if seeds", "[0] * len(models) if seeds", test_the_seeds_are_0_1_2_unless_told),
    ],
)
