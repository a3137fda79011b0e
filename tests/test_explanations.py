"""Rollout and occlusion by hand, loop by loop."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lecturelib import explanations
from lecturelib.vision import VisionTransformer
from tests.mutants import Mutant, planted
from tests.strategies import normal, seeds, sizes
from tests.test_vision import CLASSES, images_of, squares, vit
from tests.tools import refuses


def maps_of(layers: int, b: int, h: int, t: int, seed: int) -> list[torch.Tensor]:
    return [normal(b, h, t, t, seed=seed + n).softmax(-1) for n in range(layers)]


@settings(max_examples=15)
@given(sizes(4), seeds)
def test_rollout_is_the_loop(shape: list[int], seed: int) -> None:
    layers, b, h, t = shape
    maps = maps_of(layers, b, h, t, seed)
    found = explanations.attention_rollout(maps)
    assert found.shape == (b, t, t)
    for n in range(b):
        for last in range(t):
            share = [float(k == last) for k in range(t)]  # follow a last token back, from the last layer to the first
            for each in reversed(maps):
                step = [[float(each[n, :, i, j].sum()) / h / 2 + (i == j) / 2 for j in range(t)] for i in range(t)]
                share = [sum(share[i] * step[i][j] for i in range(t)) for j in range(t)]
            torch.testing.assert_close(found[n, last], torch.tensor(share, dtype=torch.float64))


@settings(max_examples=15)
@given(sizes(5), st.integers(1, 3), seeds)
def test_occlusion_is_the_loop(shape: list[int], b: int, seed: int) -> None:
    images = images_of(b, shape, seed)
    patch_size = shape[3]
    model = vit(shape, seed).eval()
    before = images.clone()
    found = explanations.occlusion(model, images, patch_size)
    assert torch.equal(images, before) and not found.requires_grad
    assert found.shape == (b, shape[1] * shape[2])
    whole = model(images).softmax(1).detach()
    for n in range(shape[1] * shape[2]):
        covered = images.clone()
        squares(covered, patch_size)[n][:] = 0.0
        drop = whole - model(covered).softmax(1).detach()
        torch.testing.assert_close(found[:, n], drop[torch.arange(b), whole.argmax(1)])


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


X = normal(2, 3, 4, 6, seed=0)
MODEL = vit([3, 2, 3, 2, 2], 0).eval()
SIDE_BY_SIDE = VisionTransformer((3, 4, 6), 2, 8, 2, 1, num_classes=CLASSES, pool="concat").double().eval()


LOOKS = maps_of(1, 1, 2, 3, seed=0)[0]
UNEQUAL = torch.arange(12).view(2, 6) < 2

test_bad_input_is_refused_in_words = refuses(
    (lambda: explanations.attention_rollout([]), ["[]", "one or more"]),
    (lambda: explanations.attention_rollout([LOOKS, 0.99 * LOOKS]), ["(1, 2, 3, 3)", "sum to 1", "each.weights"]),
    (lambda: explanations.occlusion(nn.Sequential(nn.Dropout()), X, 2), ["training mode", "model.eval()"]),
    (lambda: explanations.logits_without(MODEL, X, torch.ones(2, 6)), ["(2, 6) of torch.float32", "(2, 6) of bool"]),
    (lambda: explanations.logits_without(MODEL, X, UNEQUAL, leave_out=True), ["[2, 0]", "equally many"]),
    (lambda: explanations.logits_without(vit([3, 2, 3, 2, 2], 0), X, UNEQUAL), ["training mode", "model.eval()"]),
    (lambda: explanations.logits_without(SIDE_BY_SIDE, X, UNEQUAL & False, True), ["'concat'", "'mean'"]),
)


ROLL = "(weights.mean(dim=1) + eye) / 2 @ flow"

test_mutants = planted(
    explanations,
    [
        Mutant(ROLL, "weights.mean(dim=1) @ flow", test_rollout_is_the_loop),
        Mutant("gather(1, named)", "gather(1, left.argmax(dim=-1, keepdim=True))", test_occlusion_is_the_loop),
        Mutant("covered = patches.clone()", "covered = patches", test_occlusion_is_the_loop),
    ],
)
