"""Transfer: what is drawn, copied, frozen and stored, each against its definition."""

import copy
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from torch import nn

from lecturelib import transfer
from lecturelib.mae import MaskedAutoencoder
from lecturelib.vision import VisionTransformer
from tests.mutants import Mutant, planted
from tests.strategies import normal, seeds
from tests.tools import global_generators_left_alone, refuses
from tests.twins import random_weights, state, unchanged

BUILDS: list[dict[str, Any]] = [{}, {"pool": "class"}, {"positions": "sinusoidal"}, {"positions": "none"}]


def network(seed: int, **build: Any) -> VisionTransformer:
    shape: dict[str, Any] = {"patch_size": 2, "d_model": 8, "num_heads": 2, "num_layers": 2, "num_classes": 3}
    return random_weights(VisionTransformer(**({"image_size": (2, 4, 6)} | shape | build)), seed)


def images(n: int, seed: int) -> torch.Tensor:
    return normal(n, 2, 4, 6, seed=seed)


def storages(model: nn.Module) -> set[int]:
    return {each.untyped_storage().data_ptr() for each in [*model.parameters(), *model.buffers()]}


MODEL = network(1)


@st.composite
def labelled(draw: st.DrawFn) -> torch.Tensor:
    """Draw labels of 1 to 4 classes, each class at least once, in any order and of unequal counts."""
    counts = draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    return torch.tensor(draw(st.permutations([c for c, count in enumerate(counts) for _ in range(count)])))


@given(labelled(), seeds)
def test_of_each_class_as_many_are_drawn_as_asked_for(labels: torch.Tensor, seed: int) -> None:
    classes, most = int(labels.max()) + 1, int(torch.bincount(labels).min())
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed)).tolist()
    for each in range(1, most + 1):
        rows = transfer.draw_labelled(labels, each, seed=seed)
        assert rows.dtype == torch.int64 and rows.shape == (classes * each,)
        assert labels[rows].tolist() == [c for c in range(classes) for _ in range(each)]
        # the first of the class, as the seed shuffles all rows: those of a smaller draw are among them
        assert rows.tolist() == [row for c in range(classes) for row in [k for k in order if labels[k] == c][:each]]


@pytest.mark.parametrize(("classes", "head"), [(3, False), (3, True), (5, False), (None, False)])
def test_the_encoder_is_copied_and_the_head_only_if_asked(classes: int | None, head: bool) -> None:
    source, target = network(1, num_classes=classes), network(2)
    old, own, x = state(source), state(target), images(3, 1)
    assert transfer.copy_encoder(source, target, head=head) is target
    for name, value in target.state_dict().items():
        assert torch.equal(value, (own if name.startswith("head.") and not head else old)[name]), name
    assert unchanged(source, old)
    assert torch.equal(transfer.features(target, x), transfer.features(source, x))
    assert torch.equal(target(x), source(x)) == head
    assert all(each.requires_grad for each in target.parameters()) and not storages(source) & storages(target)


@pytest.mark.parametrize("build", BUILDS)
def test_features_are_what_the_network_says_without_its_head(build: dict[str, Any]) -> None:
    model, bare = network(1, **build).train(), network(2, **build, num_classes=None)
    bare.load_state_dict({name: value for name, value in model.state_dict().items() if not name.startswith("head.")})
    x = images(5, 1).requires_grad_()
    found = transfer.features(model, x)
    assert found.shape == (5, 8) and torch.equal(found, bare(x)) and not found.requires_grad
    torch.testing.assert_close(model.head(found), model(x))
    assert all(each.requires_grad and each.grad is None for each in model.parameters())


def test_a_probe_is_logistic_regression_on_standardised_features() -> None:
    model, x, y = network(1), images(30, 1), torch.arange(30) % 3
    test, labels = images(40, 2) * 2 + 0.5, torch.arange(40) % 3  # its features lie elsewhere, and are spread more
    x[:, 0] += y[:, None, None]
    before = state(model)
    probe = transfer.LinearProbe(model, x, y)
    known, asked = (transfer.features(model, each).numpy() for each in (x, test))
    mean, deviation = known.mean(axis=0), known.std(axis=0)
    plain = LogisticRegression(C=1, max_iter=2000).fit((known - mean) / deviation, y.numpy())
    expected = plain.predict((asked - mean) / deviation)
    assert probe.predict(test).tolist() == expected.tolist() and len(set(expected.tolist())) > 1
    assert probe.accuracy(test, labels) == pytest.approx((expected == labels.numpy()).mean())
    assert unchanged(model, before)


def test_a_network_with_the_head_of_a_probe_names_what_the_probe_names() -> None:
    model = network(2)
    probe = transfer.LinearProbe(model, X, Y)
    before = state(model)
    assert transfer.probe_head(model, X, Y) is model
    asked = images(50, 8)
    with torch.no_grad():
        assert torch.equal(model(asked).argmax(dim=1), probe.predict(asked))
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"head.weight", "head.bias"}


@pytest.mark.parametrize(("shape", "rank"), [((7, 5), 3), ((5, 7), 1), ((3, 3), 3)])
def test_lora_is_the_dense_layer_with_b_a_added(shape: tuple[int, int], rank: int) -> None:
    linear, x = nn.Linear(*shape).double(), normal(2, 11, shape[0], seed=1)
    dense, before = copy.deepcopy(linear), linear(x)
    layer = transfer.LoRA(linear, rank)
    assert torch.equal(layer(x), before)  # at first the update is nothing
    assert layer.A.shape == (rank, shape[0]) and layer.B.shape == (shape[1], rank)
    assert (layer.in_features, layer.out_features) == shape
    with torch.no_grad():
        layer.B.copy_(normal(shape[1], rank, seed=2))
        dense.weight.add_(layer.B @ layer.A)
    torch.testing.assert_close(layer(x), dense(x))
    (layer(x) ** 2).sum().backward()
    trained = {name for name, each in layer.named_parameters() if each.requires_grad}
    assert trained == {"A", "B"} == {name for name, each in layer.named_parameters() if each.grad is not None}


def test_the_seed_of_the_updates_says_all() -> None:
    layer = transfer.LoRA(nn.Linear(400, 300), 200, torch.Generator().manual_seed(1))
    assert layer.A.std().item() == pytest.approx(1 / 20, rel=0.02)  # A keeps the size of x
    with global_generators_left_alone():
        states = [state(transfer.add_lora(MODEL, 2, seed=seed)) for seed in (0, 5, 5)]
    a, b = "blocks.0.attention.q_proj.A", "blocks.1.attention.q_proj.A"
    assert torch.equal(states[1][a], states[2][a]) and not torch.equal(states[0][a], states[1][a])
    assert not torch.equal(states[0][a], states[0][b])


@pytest.mark.parametrize("build", BUILDS)
def test_add_lora_trains_a_copys_queries_values_and_head(build: dict[str, Any]) -> None:
    model = network(1, **build)
    before = state(model)
    changed = transfer.add_lora(model, 2)
    assert torch.equal(changed(images(3, 1)), model(images(3, 1)))
    trained = {name for name, each in changed.named_parameters() if each.requires_grad}
    sides = [f"blocks.{k}.attention.{part}.{side}" for k in (0, 1) for part in ("q_proj", "v_proj") for side in "AB"]
    assert trained == {*sides, "head.weight", "head.bias"}
    kept = {name.replace(".linear.", "."): value for name, value in state(changed).items() if name not in sides}
    assert kept.keys() == before.keys() and all(torch.equal(value, before[name]) for name, value in kept.items())
    assert unchanged(model, before) and all(each.requires_grad for each in model.parameters())
    assert not storages(model) & storages(changed)
    # 8 bytes a number: two layers, two matrices each, width 8 on both sides, and the head
    bytes_of_one_task = transfer.stored_bytes(each for each in changed.parameters() if each.requires_grad)
    assert bytes_of_one_task == 8 * (2 * 2 * 2 * (8 + 8) + 3 * 8 + 3)


Y = torch.tensor([0, 1, 0, 1, 1, 2])
X = images(6, 1)
PAINTER = MaskedAutoencoder(network(1, num_classes=None), 4, 1, 1)


test_bad_input_is_refused_in_words = refuses(
    # the weights would fit, by chance
    (lambda: transfer.copy_encoder(network(1, num_heads=4), MODEL), ["of the same build", "2, 8, 4", "2, 8, 2"]),
    (lambda: transfer.copy_encoder(network(1, pool="class"), MODEL), ["'class'", "'mean'"]),
    (lambda: transfer.copy_encoder(network(1, num_classes=5), MODEL, head=True), ["no head of as many classes"]),
    (lambda: transfer.copy_encoder(network(1, num_classes=None), MODEL, head=True), ["no head", "head=False"]),
    (lambda: transfer.copy_encoder(PAINTER, MODEL), ["MaskedAutoencoder", ".encoder"]),
    (lambda: transfer.draw_labelled(Y, 3, seed=0), ["each=3", "{0: 2, 2: 1}", "at most 1"]),
    (lambda: transfer.features(nn.Linear(2, 2), X), ["Linear", "expected a VisionTransformer"]),
    (lambda: transfer.LoRA(nn.Linear(7, 3), 4), ["rank=4", "1 to 3"]),
    (lambda: transfer.check_examples((X, Y, Y)), ["tuple", "a pair (images, labels)"]),
    (lambda: transfer.check_examples((X[:5], Y)), ["5 images", "(6,)", "expected (5,)"]),
    (lambda: transfer.check_examples((X, Y.int())), ["labels are torch.int32", "torch.int64", ".long()"]),
    (lambda: transfer.check_examples((X, Y), 2), ["labels are 0 to 2", "below 2"]),
    (lambda: transfer.check_examples((X, Y - 1)), ["labels are -1 to 1", "expected 0 or more"]),
)


ENCODER = "target.load_state_dict(own | given)"
UPDATE = "x @ self.A.mT @ self.B.mT"
FEATURES = test_features_are_what_the_network_says_without_its_head

FIRST = test_a_network_with_the_head_of_a_probe_names_what_the_probe_names

test_mutants = planted(
    transfer,
    [
        Mutant("len(labels), generator=generator", "len(labels)", test_of_each_class_as_many_are_drawn_as_asked_for),
        Mutant(ENCODER, ENCODER[:-1] + ", assign=True)", test_the_encoder_is_copied_and_the_head_only_if_asked),
        Mutant("encoder.encode(encoder.embed(images))", "encoder.embed(images)", FEATURES),
        Mutant("StandardScaler(), Log", "Log", test_a_probe_is_logistic_regression_on_standardised_features),
        Mutant("regression.coef_ / scaler.scale_", "regression.coef_", FIRST),
        Mutant(f"self.linear(x) + {UPDATE}", UPDATE, test_lora_is_the_dense_layer_with_b_a_added),
        Mutant('("q_proj", "v_proj")', '("q_proj", "k_proj")', test_add_lora_trains_a_copys_queries_values_and_head),
    ],
)
