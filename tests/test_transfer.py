"""Transfer: what is drawn, copied, frozen and stored, each against its definition."""

import itertools
from typing import Any

import numpy as np
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
from tests.tools import refuses
from tests.twins import random_weights, state, unchanged

BUILDS: list[dict[str, Any]] = [{}, {"pool": "class"}, {"positions": "sinusoidal"}, {"positions": "none"}]


def network(seed: int, **build: Any) -> VisionTransformer:
    shape: dict[str, Any] = {"patch_size": 2, "d_model": 8, "num_heads": 2, "num_layers": 2, "num_classes": 3}
    return random_weights(VisionTransformer(**({"image_size": (2, 4, 6)} | shape | build)), seed)


def images(n: int, seed: int) -> torch.Tensor:
    return normal(n, 2, 4, 6, seed=seed)


def storages(model: nn.Module) -> set[int]:
    return {each.untyped_storage().data_ptr() for each in [*model.parameters(), *model.buffers()]}


MODEL, TARGET = network(1), network(2)


# ---- draws ----


@st.composite
def labelled(draw: st.DrawFn) -> torch.Tensor:
    """Draw labels of 1 to 4 classes, each class at least once, in any order and of unequal counts."""
    counts = draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    return torch.tensor(draw(st.permutations([c for c, count in enumerate(counts) for _ in range(count)])))


@given(labelled(), seeds)
def test_of_each_class_as_many_are_drawn_as_were_asked_for(labels: torch.Tensor, seed: int) -> None:
    classes, most = int(labels.max()) + 1, int(torch.bincount(labels).min())
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed)).tolist()
    smaller: set[int] = set()
    for each in range(1, most + 1):
        rows = transfer.draw_labelled(labels, each, seed=seed)
        assert rows.dtype == torch.int64 and rows.shape == (classes * each,)
        assert labels[rows].tolist() == [c for c in range(classes) for _ in range(each)]
        assert len(set(rows.tolist())) == len(rows) and smaller < set(rows.tolist())
        smaller = set(rows.tolist())
        # the first of the class, as the seed shuffles all rows
        assert rows.tolist() == [row for c in range(classes) for row in [k for k in order if labels[k] == c][:each]]


def test_every_row_is_drawn_equally_often() -> None:
    labels = torch.tensor([0, 1] * 6 + [1] * 8)
    before = torch.get_rng_state()
    counts = torch.zeros(len(labels))
    for seed in range(600):
        counts[transfer.draw_labelled(labels, 2, seed=seed)] += 1
    assert torch.equal(torch.get_rng_state(), before)
    for c in (0, 1):
        own = counts[labels == c]
        share = 2 / len(own)
        assert own.sum() == 1200 and ((own - 600 * share).abs() < 5 * (600 * share * (1 - share)) ** 0.5).all()


# ---- copies ----


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("head", [False, True])
def test_the_encoder_is_copied_and_the_head_only_if_asked(build: dict[str, Any], head: bool) -> None:
    source, target = network(1, **build), network(2, **build)
    old, own = state(source), state(target)
    assert transfer.copy_encoder(source, target, head=head) is target
    for name, value in target.state_dict().items():
        given_by = own if name.startswith("head.") and not head else old
        assert torch.equal(value, given_by[name]), name
    assert unchanged(source, old)
    x = images(3, 1)
    assert torch.equal(transfer.features(target, x), transfer.features(source, x))
    assert torch.equal(target(x), source(x)) == head
    assert all(each.requires_grad for each in target.parameters()) and not storages(source) & storages(target)
    with torch.no_grad():
        for each in target.parameters():
            each.add_(1)
    assert unchanged(source, old)  # what happens to the copy does not happen to the source


def test_the_head_may_be_of_other_classes_or_missing() -> None:
    source, target = network(1, num_classes=5), network(2)
    own = state(target.head)
    transfer.copy_encoder(source, target)
    assert unchanged(target.head, own) and target.head.out_features == 3
    auto = MaskedAutoencoder(network(3, num_classes=None), 4, 1, 1)
    transfer.copy_encoder(auto.encoder, target)
    assert torch.equal(transfer.features(target, images(3, 1)), auto.encoder(images(3, 1)))
    bare = transfer.copy_encoder(source, network(4, num_classes=None))
    assert torch.equal(bare(images(3, 1)), transfer.features(source, images(3, 1)))


# ---- features and probe ----


@pytest.mark.parametrize(
    ("source", "head", "words"),
    [
        (network(1, d_model=12), False, ["of the same build", "d_model 12", "d_model 8", "attention.k_proj.bias"]),
        (network(1, num_layers=3), False, ["3 layers", "2 layers", "blocks.2"]),
        (network(1, num_heads=4), False, ["4 heads", "2 heads", "would fit, by chance"]),
        (network(1, patch_size=1), False, ["patch size 1", "patch size 2"]),
        (network(1, image_size=(2, 6, 4)), True, ["(2, 6, 4)", "(2, 4, 6)", "would fit, by chance"]),
        (network(1, pool="class"), True, ["'class'", "'mean'", "cls_token"]),
        (network(1, positions="sinusoidal"), False, ["'sinusoidal'", "'learned'"]),
        (network(1, num_classes=5), True, ["head.", "head included"]),
        (network(1, num_classes=None), True, ["the source has no head", "head=False"]),
        (MaskedAutoencoder(network(1, num_classes=None), 4, 1, 1), False, ["MaskedAutoencoder", ".encoder"]),
        (nn.Linear(2, 2), False, ["the source is a Linear", "expected a VisionTransformer"]),
        (transfer.add_lora(network(1), 1), False, ["24 weights do not fit", "q_proj.A"]),
    ],
)
def test_another_build_is_refused_and_nothing_copied(source: nn.Module, head: bool, words: list[str]) -> None:
    target, before = TARGET, state(TARGET)
    with pytest.raises(ValueError) as refusal:
        transfer.copy_encoder(source, target, head=head)
    assert not [word for word in words if word not in str(refusal.value)], refusal.value
    assert unchanged(target, before)


@pytest.mark.parametrize("build", BUILDS)
def test_features_are_what_the_network_says_without_its_head(build: dict[str, Any]) -> None:
    model, bare = network(1, **build).train(), network(2, **build, num_classes=None)
    bare.load_state_dict({name: value for name, value in model.state_dict().items() if not name.startswith("head.")})
    x = images(5, 1).requires_grad_()
    found = transfer.features(model, x)
    assert found.shape == (5, 8) and torch.equal(found, bare(x)) and not found.requires_grad
    torch.testing.assert_close(model.head(found), model(x))
    with pytest.raises(ValueError, match=r"\(B, 2, 4, 6\)"):
        transfer.features(model, x.mT)
    model.norm = nn.Sequential(model.norm, nn.Dropout(0.5))  # type: ignore[assignment]
    assert torch.equal(transfer.features(model, x), found)  # dropout rests
    assert all(each.training for each in model.modules())
    assert all(each.requires_grad and each.grad is None for each in model.parameters())


def probe_data(seed: int = 0) -> tuple[VisionTransformer, Any, Any]:
    """Return an encoder, and training and test examples whose features differ in place and spread."""
    model = network(1)
    train, test = images(30, seed + 1), images(40, seed + 2) * 2 + 0.5
    label = torch.arange(30) % 3
    train[:, 0] += label[:, None, None]
    return model, (train, label), (test, torch.arange(40) % 3)


def test_a_probe_is_logistic_regression_on_standardised_features() -> None:
    model, (x, y), (test, labels) = probe_data()
    before, old = state(model), (x.clone(), y.clone())
    probe = transfer.LinearProbe(model, x, y)
    known, asked = (transfer.features(model, each).numpy() for each in (x, test))
    mean, deviation = known.mean(axis=0), np.sqrt(((known - known.mean(axis=0)) ** 2).mean(axis=0))
    plain = LogisticRegression(C=1, max_iter=2000).fit((known - mean) / deviation, y.numpy())
    expected = plain.predict((asked - mean) / deviation)
    assert probe.predict(test).tolist() == expected.tolist() and len(set(expected.tolist())) > 1
    assert probe.accuracy(test, labels) == pytest.approx((expected == labels.numpy()).mean())
    np.testing.assert_allclose(probe.learned[-1].coef_, plain.coef_, rtol=1e-3, atol=1e-4)
    # each image is named for itself, whatever else is asked
    assert [probe.predict(each[None]).item() for each in test] == expected.tolist()
    assert probe.predict(test).dtype == torch.int64 and probe.accuracy(x, y) > 0.6
    gaps = transfer.LinearProbe(model, x, y * 3 + 1)  # classes need not be 0, 1, 2
    assert gaps.predict(x).tolist() == (probe.predict(x) * 3 + 1).tolist()
    assert model.training and unchanged(model, before)
    assert torch.equal(x, old[0]) and torch.equal(y, old[1])


# ---- probe first ----


def test_a_network_with_the_head_of_a_probe_names_what_the_probe_names() -> None:
    model = network(2)
    probe = transfer.LinearProbe(model, X, Y)
    before = state(model)
    assert transfer.probe_head(model, X, Y) is model
    asked = images(50, 8)
    with torch.no_grad():
        assert torch.equal(model(asked).argmax(dim=1), probe.predict(asked))
    assert {n for n, value in model.state_dict().items() if not torch.equal(value, before[n])} == {
        "head.weight",
        "head.bias",
    }


# ---- low rank ----


@pytest.mark.parametrize(("shape", "rank", "bias"), [((7, 5), 3, True), ((5, 7), 1, False), ((3, 3), 3, True)])
def test_lora_is_the_dense_layer_with_b_a_added(shape: tuple[int, int], rank: int, bias: bool) -> None:
    linear = nn.Linear(*shape, bias=bias).double()
    x = normal(2, 11, shape[0], seed=1)
    dense = nn.Linear(*shape, bias=bias).double()
    dense.load_state_dict(linear.state_dict())
    before = linear(x)
    layer = transfer.LoRA(linear, rank)
    assert torch.equal(layer(x), before)  # at first the update is nothing
    assert layer.A.shape == (rank, shape[0]) and layer.B.shape == (shape[1], rank)
    assert (layer.in_features, layer.out_features) == shape
    with torch.no_grad():
        layer.B.copy_(normal(shape[1], rank, seed=2))
        dense.weight.add_(layer.B @ layer.A)
    torch.testing.assert_close(layer(x), dense(x))
    assert torch.linalg.matrix_rank(dense.weight - linear.weight) == rank
    (layer(x) ** 2).sum().backward()
    trained = {name for name, each in layer.named_parameters() if each.requires_grad}
    assert trained == {"A", "B"} == {name for name, each in layer.named_parameters() if each.grad is not None}


def test_the_seed_of_the_updates_says_all() -> None:
    layer = transfer.LoRA(nn.Linear(400, 300), 200, torch.Generator().manual_seed(1))
    assert (layer.B == 0).all() and abs(layer.A.mean()) < 0.001
    assert layer.A.std().item() == pytest.approx(1 / 20, rel=0.02)  # A keeps the size of x
    assert {each.device.type for each in transfer.LoRA(nn.Linear(4, 3, device="meta"), 2).parameters()} == {"meta"}
    model, before = network(1), torch.get_rng_state()
    states = [state(transfer.add_lora(model, 2, **how)) for how in ({}, {"seed": 0}, {"seed": 5}, {"seed": 5})]
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert all(torch.equal(states[2][name], states[3][name]) for name in states[0])
    drawn = [[value for name, value in each.items() if name.endswith(".A")] for each in states]
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(drawn[0] + drawn[2], 2))


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
    for each in changed.parameters():
        each.data.add_(1) if each.requires_grad else None
    assert not torch.allclose(changed(images(3, 1)), model(images(3, 1)))
    assert unchanged(model, before) and all(each.requires_grad for each in model.parameters())
    assert not storages(model) & storages(changed)
    # 8 bytes a number: two layers, two matrices each, width 8 on both sides, and the head
    bytes_of_one_task = transfer.stored_bytes(each for each in changed.parameters() if each.requires_grad)
    assert bytes_of_one_task == 8 * (2 * 2 * 2 * (8 + 8) + 3 * 8 + 3)


def test_stored_bytes_counts_numbers_by_their_size() -> None:
    model = network(1)
    numbers = sum(each.numel() for each in model.parameters())
    assert transfer.stored_bytes(model.parameters()) == 8 * numbers
    assert transfer.stored_bytes(model.float().state_dict().values()) == 4 * numbers
    assert transfer.stored_bytes([torch.zeros(3, dtype=torch.int8), torch.zeros(2, 5).half()]) == 23
    assert transfer.stored_bytes([]) == 0


# ---- bad input ----

Y = torch.tensor([0, 1, 0, 1, 1, 2])
X = images(6, 1)


test_bad_input_is_refused_in_words = refuses(
    (lambda: transfer.draw_labelled(Y, 3, seed=0), ["each=3", "{0: 2, 2: 1}", "at most 1", "fewer"]),
    (lambda: transfer.draw_labelled(Y[Y != 1], 1, seed=0), ["each=1", "{1: 0}", "bring examples"]),
    (lambda: transfer.draw_labelled(Y, True, seed=0), ["each=True", "whole number of 1 or more"]),
    (lambda: transfer.draw_labelled(Y.float(), 1, seed=0), ["torch.float32 (6,)", "torch.int64"]),
    (lambda: transfer.draw_labelled(Y[:0], 1, seed=0), ["(0,)", "at least one"]),
    (lambda: transfer.draw_labelled(Y - 1, 1, seed=0), ["a label is -1", "0 or more"]),
    (lambda: transfer.features(nn.Linear(2, 2), X), ["Linear", "expected a VisionTransformer"]),
    (lambda: transfer.features(MODEL, X + torch.nan), ["NaN", "finite"]),
    (lambda: transfer.LinearProbe(MODEL, X[:, :1], Y), ["(6, 1, 4, 6)", "(B, 2, 4, 6)"]),
    (lambda: transfer.LinearProbe(MODEL, X, Y * 0 + 4), ["all 6 labels are 4", "two classes or more"]),
    (lambda: transfer.LinearProbe(MODEL, X[:5], Y), ["5 images, 6 labels"]),
    (lambda: transfer.LinearProbe(MODEL, X, Y).accuracy(X, Y[:5]), ["6 images, 5 labels"]),
    (lambda: transfer.probe_head(network(1, num_classes=4), X, Y), ["(3, 8)", "(4, 8)", "as many classes"]),
    (lambda: transfer.LoRA(nn.ReLU(), 1), ["ReLU", "expected a linear layer"]),
    (lambda: transfer.LoRA(nn.Linear(7, 3), 4), ["rank=4", "1"]),
    (lambda: transfer.copy_encoder(MODEL, nn.Linear(2, 2)), ["the target is a Linear"]),
    (lambda: transfer.add_lora(nn.Linear(2, 2), 1), ["Linear", "expected a VisionTransformer"]),
    (lambda: transfer.add_lora(MODEL, 1, seed=0.5), ["seed=0.5", "whole number"]),
    (lambda: transfer.add_lora(transfer.add_lora(MODEL, 1), 1), ["LoRA", "a linear layer"]),
    (lambda: transfer.stored_bytes(MODEL.state_dict()), ["str", "model.parameters()"]),
    (lambda: transfer.check_examples((X, Y, Y)), ["tuple", "a pair (images, labels)"]),
    (lambda: transfer.check_examples((X + torch.inf, Y)), ["infinity", "finite"]),
    (lambda: transfer.check_examples((X, Y), 2), ["a label is 2", "expected 0 to 1"]),
)


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    two = np.int64(2)
    assert torch.equal(transfer.draw_labelled(Y[:5], two, seed=two), transfer.draw_labelled(Y[:5], 2, seed=2))
    assert torch.equal(transfer.add_lora(MODEL, two, seed=two)(X), transfer.add_lora(MODEL, 2, seed=2)(X))


# ---- mutants ----

ENCODER = "target.load_state_dict(target.state_dict() | given)"
UPDATE = "x @ self.A.mT @ self.B.mT"
FEATURES = test_features_are_what_the_network_says_without_its_head

FIRST = test_a_network_with_the_head_of_a_probe_names_what_the_probe_names

test_mutants = planted(
    transfer,
    [
        Mutant("len(labels), generator=generator", "len(labels)", test_every_row_is_drawn_equally_often),
        Mutant(ENCODER, ENCODER[:-1] + ", assign=True)", test_the_encoder_is_copied_and_the_head_only_if_asked),
        Mutant("encoder.encode(encoder.embed(images))", "encoder.embed(images)", FEATURES),
        Mutant("StandardScaler(), Log", "Log", test_a_probe_is_logistic_regression_on_standardised_features),
        Mutant("regression.coef_ / scaler.scale_", "regression.coef_", FIRST),
        Mutant(f"self.linear(x) + {UPDATE}", UPDATE, test_lora_is_the_dense_layer_with_b_a_added),
        Mutant('("q_proj", "v_proj")', '("q_proj", "k_proj")', test_add_lora_trains_a_copys_queries_values_and_head),
    ],
)
