"""Rollout and occlusion by hand, loop by loop."""

import copy
import math
from contextlib import nullcontext

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lecturelib import explanations
from lecturelib.attention import record_attention
from lecturelib.vision import VisionTransformer
from tests.mutants import Mutant, planted
from tests.strategies import normal, seeds, sizes
from tests.test_vision import CLASSES, images_of, squares, vit
from tests.tools import refuses
from tests.twins import random_weights


def cnn(channels: int, seed: int) -> nn.Sequential:
    layers = nn.Conv2d(channels, 5, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return random_weights(nn.Sequential(*layers, nn.Linear(5, CLASSES)), seed)


# ---- rollout ----


def maps_of(layers: int, b: int, h: int, t: int, seed: int) -> list[torch.Tensor]:
    return [normal(b, h, t, t, seed=seed + n).softmax(-1) for n in range(layers)]


@settings(max_examples=15)
@given(sizes(4), seeds)
def test_rollout_is_the_loop(shape: list[int], seed: int) -> None:
    layers, b, h, t = shape
    maps = maps_of(layers, b, h, t, seed)
    found = explanations.attention_rollout(maps)
    assert found.shape == (b, t, t) and found.dtype == torch.float64
    for n in range(b):
        for last in range(t):
            share = [float(k == last) for k in range(t)]  # follow a last token back, from the last layer to the first
            for each in reversed(maps):
                step = [[float(each[n, :, i, j].sum()) / h / 2 + (i == j) / 2 for j in range(t)] for i in range(t)]
                share = [sum(share[i] * step[i][j] for i in range(t)) for j in range(t)]
            torch.testing.assert_close(found[n, last], torch.tensor(share, dtype=torch.float64))
    torch.testing.assert_close(found.sum(-1), torch.ones(b, t, dtype=torch.float64))
    assert torch.equal(explanations.attention_rollout(iter(maps)), found)


def looks(t: int, who: int, where: int) -> torch.Tensor:
    """Return a map in which one token looks at another, and the rest look at themselves."""
    weights = torch.eye(t, dtype=torch.float64)
    weights[who] = torch.eye(t, dtype=torch.float64)[where]
    return weights[None, None]


def test_rollout_starts_at_the_first_layer() -> None:
    first, second = looks(3, 1, 0), looks(3, 2, 1)  # 1 fetches from 0, then 2 from 1
    assert explanations.attention_rollout([first, second])[0, 2].tolist() == [0.25, 0.25, 0.5]
    assert explanations.attention_rollout([second, first])[0, 2].tolist() == [0, 0.5, 0.5]


# ---- occlusion ----


@settings(max_examples=15)
@given(sizes(5), st.integers(1, 3), seeds, st.booleans())
def test_occlusion_is_the_loop(shape: list[int], b: int, seed: int, convolutional: bool) -> None:
    images = images_of(b, shape, seed)
    patch_size = shape[3]
    model = (cnn(shape[0], seed) if convolutional else vit(shape, seed)).eval()
    before = images.clone()
    found = explanations.occlusion(model, images, patch_size)
    assert torch.equal(images, before) and not found.requires_grad
    assert found.shape == (b, shape[1] * shape[2])
    for k, image in enumerate(images):
        whole = model(image[None])[0].softmax(0)
        named = int(whole.argmax())
        for n in range(shape[1] * shape[2]):
            covered = image[None].clone()
            squares(covered, patch_size)[n][:] = 0.0
            expected = whole[named] - model(covered)[0].softmax(0)[named]
            torch.testing.assert_close(found[k, n], expected.detach())


def test_occlusion_finds_the_one_patch_that_counts() -> None:
    class Watcher(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            pixel = images[:, 0, 3, 4]  # of 2 x 3 patches of patch_size 2, this lies in patch 5
            return torch.stack([pixel, torch.zeros_like(pixel)], dim=1)

    images = torch.ones(3, 1, 4, 6) * torch.tensor([1.0, -2.0, 3.0])[:, None, None, None]  # the second is of class 1
    drops = explanations.occlusion(Watcher().eval(), images, 2)
    assert (drops[:, :5] == 0).all()
    assert drops[:, 5].tolist() == pytest.approx([1 / (1 + math.exp(-x)) - 0.5 for x in (1, 2, 3)])


@pytest.mark.parametrize("training", [True, False])
def test_occlusion_leaves_the_model_as_it_was(training: bool) -> None:
    model = cnn(2, 1).train(training)
    model.insert(0, nn.BatchNorm2d(2, dtype=torch.float64).train(training))  # would count what it saw
    weights = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match="training mode") if training else nullcontext():
        explanations.occlusion(model, normal(2, 2, 4, 6, seed=1), 2)
    assert all(each.training == training for each in model.modules())
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert all(each.grad is None for each in model.parameters())


# ---- several patches taken away ----


@settings(max_examples=15)
@given(sizes(5), seeds)
def test_patches_are_covered_with_0_or_their_tokens_left_out(shape: list[int], seed: int) -> None:
    model, images, patch_size = vit(shape, seed).eval(), images_of(3, shape, seed), shape[3]
    n = shape[1] * shape[2]
    count = seed % n
    gone = normal(3, n, seed=seed).argsort(dim=1)[:, :count]
    away = torch.zeros(3, n, dtype=torch.bool).scatter(1, gone, True)
    for k in range(3):
        covered = images[k : k + 1].clone()
        for place, square in enumerate(squares(covered, patch_size)):
            if place in gone[k]:
                square[:] = 0
        found = explanations.logits_without(model, images, away)
        torch.testing.assert_close(found[k : k + 1], model(covered))
        kept = [place for place in range(n) if place not in gone[k]]
        tokens = model.embed(images[k : k + 1])[:, kept]
        found = explanations.logits_without(model, images, away, leave_out=True)
        torch.testing.assert_close(found[k : k + 1], model.head(model.pool_tokens(model.encode(tokens))))


# ---- refusals ----

X = normal(2, 3, 4, 6, seed=0)
MODEL = vit([3, 2, 3, 2, 2], 0).eval()
SIDE_BY_SIDE = VisionTransformer((3, 4, 6), 2, 8, 2, 1, num_classes=CLASSES, pool="concat").double().eval()


def half_awake() -> nn.Module:
    model = nn.Sequential(nn.Dropout()).eval()
    model[0].train()
    return model


def test_what_a_layer_recorded_is_no_map_but_holds_one() -> None:
    with record_attention(MODEL) as maps:
        MODEL(X)
    explanations.attention_rollout(each.weights for each in maps.values())
    with pytest.raises(ValueError, match=r"a Recorded.*each.weights for each in maps.values"):
        explanations.attention_rollout(maps.values())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="weights after the softmax, not the scores"):
        explanations.attention_rollout(each.scores for each in maps.values())


ROLLOUT, OCCLUDE = explanations.attention_rollout, explanations.occlusion
UNEQUAL = torch.arange(12).view(2, 6) < 2
ONE_CLASS = vit([3, 2, 3, 2, 2], 0, num_classes=1).eval()


test_bad_input_is_refused_in_words = refuses(
    (lambda: ROLLOUT([]), ["[]", "one (B, H, T, T) or more"]),
    (lambda: ROLLOUT([looks(3, 1, 0), 0.99 * looks(3, 1, 0)]), ["map 1", "0.99 to 0.99", "sum to 1"]),
    (lambda: ROLLOUT([2 * looks(3, 1, 0) - looks(3, 1, 1)]), ["starts at -1", "sum to 1 to 1", "0 or more"]),
    (lambda: ROLLOUT([looks(3, 1, 0) + torch.nan]), ["map 0", "nan", "without NaN"]),
    (lambda: ROLLOUT([torch.ones(1, 2, 3, 4)]), ["(1, 2, 3, 4)", "(B, H, T, T)"]),
    (lambda: ROLLOUT([looks(3, 1, 0), looks(4, 1, 0)]), ["(1, 1, 3, 3)", "(1, 1, 4, 4)", "the same shape"]),
    (lambda: OCCLUDE(MODEL, X, 4), ["4 x 6", "size 4"]),
    (lambda: OCCLUDE(MODEL, X[0], 2), ["(3, 4, 6)", "image goes in as x[None]"]),
    (lambda: OCCLUDE(MODEL, X + torch.nan, 2), ["NaN", "finite"]),
    (lambda: OCCLUDE(half_awake(), X, 2), ["training mode", "model.eval()"]),
    (lambda: OCCLUDE(nn.Identity().eval(), X, 2), ["(2, 3, 4, 6)", "(2, 2 classes or more)"]),
    (
        lambda: explanations.logits_without(MODEL, X, torch.ones(2, 6)),
        ["(2, 6) of torch.float32", "(2, 6) of bool"],
    ),
    (lambda: explanations.logits_without(MODEL, X, UNEQUAL, leave_out=True), ["equally many"]),
    (lambda: explanations.logits_without(vit([3, 2, 3, 2, 2], 0), X, UNEQUAL), ["training mode", "model.eval()"]),
    (lambda: explanations.logits_without(SIDE_BY_SIDE, X, UNEQUAL & False, True), ["'concat'", "'mean'"]),
    (lambda: OCCLUDE(ONE_CLASS, X, 2), ["(2, 1)", "(2, 2 classes or more)"]),
)


# ---- mutants ----

ROLL = "(weights.mean(dim=1) + eye) / 2 @ flow"
OCCLUDED = test_occlusion_finds_the_one_patch_that_counts

test_mutants = planted(
    explanations,
    [
        Mutant(ROLL, "weights.mean(dim=1) @ flow", test_rollout_starts_at_the_first_layer),
        Mutant("gather(1, named)", "gather(1, left.argmax(dim=-1, keepdim=True))", OCCLUDED),
        Mutant("covered = patches.clone()", "covered = patches", test_occlusion_is_the_loop),
    ],
)
