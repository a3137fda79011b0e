"""Patches against plain loops, the vision transformer against torch's own layers, rollout and occlusion by hand."""

import copy
import math
from contextlib import nullcontext
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lecturelib import vision
from lecturelib.attention import record_attention
from lecturelib.data.digits import digits
from tests.strategies import normal, seeds, sizes
from tests.test_transformer import stack
from tests.twins import parameters_that_rest, random_weights

CLASSES = 3
SUMMARIES = ["mean", "class"]
POSITIONS = ["learned", "sinusoidal", "none"]


def vit(
    shape: list[int], seed: int, summary: str = "mean", positions: str = "learned", classes: int | None = CLASSES
) -> vision.VisionTransformer:
    """Return a network with random weights for shape = [channels, rows, columns, side, heads]."""
    c, rows, columns, side, h = shape
    image = (c, rows * side, columns * side)
    return random_weights(vision.VisionTransformer(image, side, 4 * h, h, 2, classes, summary, positions), seed)


def images_of(b: int, shape: list[int], seed: int) -> torch.Tensor:
    c, rows, columns, side, _ = shape
    return normal(b, c, rows * side, columns * side, seed=seed + 1000)


def squares(images: torch.Tensor, side: int) -> list[torch.Tensor]:
    """Return the squares of images one after the other, row by row; they share their memory with the images."""
    return [
        images[:, :, i : i + side, j : j + side]
        for i in range(0, images.shape[2], side)
        for j in range(0, images.shape[3], side)
    ]


def cnn(channels: int, seed: int) -> nn.Sequential:
    layers = nn.Conv2d(channels, 5, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return random_weights(nn.Sequential(*layers, nn.Linear(5, CLASSES)), seed)


# ---- patches ----


@given(sizes(5), seeds)
def test_patch_n_is_that_square_of_the_image(shape: list[int], seed: int) -> None:
    b, c, rows, columns, side = shape
    images = normal(b, c, rows * side, columns * side, seed=seed)
    patches = vision.patchify(images, side)
    assert patches.shape == (b, rows * columns, c * side * side)
    for n, square in enumerate(squares(images, side)):
        pixels = [square[:, k, p, q] for k in range(c) for p in range(side) for q in range(side)]
        assert torch.equal(patches[:, n], torch.stack(pixels, dim=1))
    assert torch.equal(patches, F.unfold(images, side, stride=side).mT)


@given(sizes(5), seeds, st.integers(1, 6))
def test_a_linear_layer_on_patches_is_a_strided_convolution(shape: list[int], seed: int, width: int) -> None:
    b, c, rows, columns, side = shape
    images = normal(b, c, rows * side, columns * side, seed=seed)
    kernels, bias = normal(width, c, side, side, seed=seed + 1), normal(width, seed=seed + 2)
    tokens = F.linear(vision.patchify(images, side), kernels.flatten(1), bias)
    torch.testing.assert_close(tokens, F.conv2d(images, kernels, bias, stride=side).flatten(2).mT)


@given(sizes(5), seeds)
def test_unpatchify_is_the_inverse_on_both_sides(shape: list[int], seed: int) -> None:
    b, c, rows, columns, side = shape
    height, width = rows * side, columns * side
    images = normal(b, c, height, width, seed=seed)
    assert torch.equal(vision.unpatchify(vision.patchify(images, side), side, height, width), images)
    patches = normal(b, rows * columns, c * side * side, seed=seed)
    assert torch.equal(vision.patchify(vision.unpatchify(patches, side, height, width), side), patches)


@given(sizes(5), seeds)
def test_unpatchify_puts_each_patch_into_its_square(shape: list[int], seed: int) -> None:
    b, c, rows, columns, side = shape
    patches = normal(b, rows * columns, c * side * side, seed=seed)
    built = vision.unpatchify(patches, side, rows * side, columns * side)
    expected = torch.zeros(b, c, rows * side, columns * side, dtype=torch.float64)
    for n, square in enumerate(squares(expected, side)):
        square[:] = patches[:, n].view(b, c, side, side)
    assert torch.equal(built, expected)


def test_gradients_flow_through_patches() -> None:
    images = normal(2, 3, 4, 6, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: vision.patchify(x, 2), images)
    assert torch.autograd.gradcheck(lambda x: vision.unpatchify(vision.patchify(x, 2), 2, 4, 6).square(), images)


# ---- positions ----


@given(sizes(3))
def test_grid_positions_tell_the_row_and_then_the_column(shape: list[int]) -> None:
    rows, columns, quarter = shape
    width = 4 * quarter
    table = vision.grid_positions(rows, columns, width)
    assert table.shape == (rows * columns, width)
    for i in range(rows):
        for j in range(columns):
            waves = []
            for place in (i, j):
                for k in range(quarter):
                    angle = place / 10_000 ** (2 * k / (width / 2))
                    waves += [math.sin(angle), math.cos(angle)]
            torch.testing.assert_close(table[i * columns + j], torch.tensor(waves), atol=2e-6, rtol=0)
    assert len(table.unique(dim=0)) == rows * columns


# ---- the network ----


@given(sizes(5), st.integers(1, 3), seeds, st.sampled_from(SUMMARIES), st.sampled_from(POSITIONS))
def test_it_is_a_strided_convolution_and_torchs_stack(
    shape: list[int], b: int, seed: int, summary: str, positions: str
) -> None:
    model, images = vit(shape, seed, summary, positions), images_of(b, shape, seed)
    c, _, _, side, _ = shape
    width = model.d_model
    convolution = nn.Conv2d(c, width, side, stride=side, dtype=torch.float64)
    weight = model.patch_embed.weight.view(width, c, side, side)
    convolution.load_state_dict({"weight": weight, "bias": model.patch_embed.bias})
    x = convolution(images).flatten(2).mT  # (B, N, D)
    if positions != "none":
        x = x + torch.stack(list(model.pos_embed))
    if model.cls_token is not None:
        x = torch.cat([model.cls_token.reshape(1, 1, width).repeat(b, 1, 1), x], dim=1)
    read = stack(model)(x)
    summed = read[:, 0] if summary == "class" else sum(read.unbind(1)) / read.shape[1]
    torch.testing.assert_close(model(images), F.linear(summed, model.head.weight, model.head.bias))


@given(sizes(5), seeds, st.sampled_from(SUMMARIES))
def test_forward_is_embed_encode_summarise(shape: list[int], seed: int, summary: str) -> None:
    images = images_of(2, shape, seed)
    model = vit(shape, seed, summary, num_classes=None)
    tokens = model.embed(images)
    n = shape[1] * shape[2]
    assert tokens.shape == (2, n, model.d_model)
    read = model.encode(tokens)
    assert read.shape == (2, n + (summary == "class"), model.d_model)
    expected = read[:, 0] if summary == "class" else read.mean(1)
    assert torch.equal(model.pool_tokens(read), expected)
    assert torch.equal(model(images), expected)
    named = vit(shape, seed, summary)
    assert torch.equal(named(images), named.head(named.pool_tokens(named.encode(named.embed(images)))))
    assert named(images).shape == (2, CLASSES)


@given(sizes(5), seeds, st.sampled_from(SUMMARIES))
def test_only_positions_tell_where_a_patch_stood(shape: list[int], seed: int, summary: str) -> None:
    images = images_of(2, shape, seed)
    _, rows, columns, side, _ = shape
    patches = vision.patchify(images, side)
    order = normal(rows * columns, seed=seed).argsort()
    if torch.equal(order, order.sort().values):
        order = order.roll(1)
    shuffled = vision.unpatchify(patches[:, order], side, rows * side, columns * side)
    blind = vit(shape, seed, summary, "none")
    torch.testing.assert_close(blind(shuffled), blind(images))
    for positions in ("learned", "sinusoidal"):
        reader = vit(shape, seed, summary, positions)
        assert ((reader(shuffled) - reader(images)).abs() > 1e-6).any(-1).all()


@given(sizes(5), seeds, st.sampled_from(SUMMARIES), st.data())
def test_encode_takes_any_tokens_in_any_order(shape: list[int], seed: int, summary: str, data: st.DataObject) -> None:
    model = vit(shape, seed, summary)
    tokens = model.embed(images_of(2, shape, seed))
    some = normal(tokens.shape[1], seed=seed).argsort()[: data.draw(st.integers(1, tokens.shape[1]))]
    x, front = tokens[:, some], 0
    if model.cls_token is not None:
        x, front = torch.cat([model.cls_token.repeat(2, 1, 1), x], dim=1), 1
    read = model.encode(tokens[:, some])
    torch.testing.assert_close(read, stack(model)(x))
    turned = model.encode(tokens[:, some.flip(0)])
    torch.testing.assert_close(turned[:, front:], read[:, front:].flip(1))
    torch.testing.assert_close(turned[:, :front], read[:, :front])


@given(sizes(5), seeds, st.sampled_from(SUMMARIES))
def test_an_image_alone_is_what_it_is_in_a_batch(shape: list[int], seed: int, summary: str) -> None:
    model, images = vit(shape, seed, summary), images_of(3, shape, seed)
    torch.testing.assert_close(torch.cat([model(image[None]) for image in images]), model(images))


def test_the_kinds_of_positions_and_summaries_are_what_they_are_called() -> None:
    image = (1, 4, 6)
    learned, fixed, blind = (vision.VisionTransformer(image, 2, 8, 2, 1, 3, positions=each) for each in POSITIONS)
    assert 0.1 < learned.pos_embed.std() < 0.3  # at 0.02 they drown in bright patches
    assert learned.pos_embed.requires_grad and len(learned.pos_embed.unique(dim=0)) == 6
    assert learned.cls_token is None and (learned.rows, learned.columns) == (2, 3)
    assert torch.equal(fixed.pos_embed, vision.grid_positions(2, 3, 8))
    assert (blind.pos_embed == 0).all()
    for model in (fixed, blind):
        assert not model.pos_embed.requires_grad
        assert set(learned.state_dict()) - set(model.state_dict()) == {"positions"}
    first = vision.VisionTransformer(image, 2, 8, 2, 1, 3, pool="class")
    assert first.cls_token is not None and first.cls_token.requires_grad and first.cls_token.any()
    assert first.cls_token.abs().max() < 0.1
    headless = vision.VisionTransformer(image, 2, 8, 2, 1)
    assert headless(torch.zeros(2, 1, 4, 6)).shape == (2, 8)
    assert set(learned.state_dict()) - set(headless.state_dict()) == {"out.weight", "out.bias"}
    assert set(first.state_dict()) - set(learned.state_dict()) == {"class_token"}


def test_each_layer_has_a_block_of_its_own() -> None:
    for layers in (1, 3):
        model = vision.VisionTransformer((1, 4, 6), 2, 8, 2, layers)
        assert len({id(block) for block in model.blocks}) == len(model.blocks) == layers


@pytest.mark.parametrize("summary", SUMMARIES)
def test_gradients_flow_through_the_network(summary: str) -> None:
    shape = [2, 2, 3, 2, 2]
    model, images = vit(shape, 1, summary), images_of(2, shape, 1).requires_grad_()
    assert torch.autograd.gradcheck(model, images)
    model(images).pow(3).sum().backward()
    assert not parameters_that_rest(model)


@pytest.mark.parametrize("summary", SUMMARIES)
def test_maps_lie_at_the_documented_paths(summary: str) -> None:
    shape = [2, 2, 3, 2, 2]
    model, tokens = vit(shape, 1, summary), 6 + (summary == "class")
    with record_attention(model) as maps:
        model(images_of(3, shape, 1))
    assert {path: tuple(each.weights.shape) for path, each in maps.items()} == {
        f"blocks.{n}.attention": (3, 2, tokens, tokens) for n in range(2)
    }


@pytest.mark.parametrize("summary", SUMMARIES)
def test_eight_digits_are_learned_by_heart(summary: str) -> None:
    train, _ = digits(seed=0)
    images, labels = torch.from_numpy(train.images[:8]), torch.from_numpy(train.labels[:8])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = vision.VisionTransformer((1, 8, 8), 2, 32, 4, 2, 10, summary)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
    assert loss < 0.1
    assert torch.equal(model(images).argmax(-1), labels)


# ---- rollout ----


def maps_of(layers: int, b: int, h: int, t: int, seed: int) -> list[torch.Tensor]:
    return [normal(b, h, t, t, seed=seed + n).softmax(-1) for n in range(layers)]


@given(sizes(4), seeds)
def test_rollout_is_the_loop(shape: list[int], seed: int) -> None:
    layers, b, h, t = shape
    maps = maps_of(layers, b, h, t, seed)
    found = vision.attention_rollout(maps)
    assert found.shape == (b, t, t) and found.dtype == torch.float64
    for n in range(b):
        for last in range(t):
            share = [float(k == last) for k in range(t)]  # follow a last token back, from the last layer to the first
            for each in reversed(maps):
                step = [[float(each[n, :, i, j].sum()) / h / 2 + (i == j) / 2 for j in range(t)] for i in range(t)]
                share = [sum(share[i] * step[i][j] for i in range(t)) for j in range(t)]
            torch.testing.assert_close(found[n, last], torch.tensor(share, dtype=torch.float64))
    torch.testing.assert_close(found.sum(-1), torch.ones(b, t, dtype=torch.float64))
    assert torch.equal(vision.attention_rollout(iter(maps)), found)


def looks(t: int, who: int, where: int) -> torch.Tensor:
    """Return a map in which one token looks at another, and the rest look at themselves."""
    weights = torch.eye(t, dtype=torch.float64)
    weights[who] = torch.eye(t, dtype=torch.float64)[where]
    return weights[None, None]


def test_rollout_starts_at_the_first_layer() -> None:
    first, second = looks(3, 1, 0), looks(3, 2, 1)  # 1 fetches from 0, then 2 from 1
    assert vision.attention_rollout([first, second])[0, 2].tolist() == [0.25, 0.25, 0.5]
    assert vision.attention_rollout([second, first])[0, 2].tolist() == [0, 0.5, 0.5]


def test_rollout_takes_the_mean_of_the_heads_and_adds_the_shortcut() -> None:
    two_heads = torch.cat([looks(2, 0, 0), looks(2, 0, 1)], dim=1)
    assert vision.attention_rollout([two_heads])[0].tolist() == [[0.75, 0.25], [0, 1]]


# ---- occlusion ----


@given(sizes(5), st.integers(1, 3), seeds, st.booleans(), st.sampled_from([0.0, 0.5, -2.0]))
def test_occlusion_is_the_loop(shape: list[int], b: int, seed: int, convolutional: bool, fill: float) -> None:
    images = images_of(b, shape, seed)
    side = shape[3]
    model = (cnn(shape[0], seed) if convolutional else vit(shape, seed)).eval()
    before = images.clone()
    found = vision.occlusion(model, images, side, fill)
    assert torch.equal(images, before) and not found.requires_grad
    assert found.shape == (b, shape[1] * shape[2])
    for k, image in enumerate(images):
        whole = model(image[None])[0].softmax(0)
        named = int(whole.argmax())
        for n in range(shape[1] * shape[2]):
            covered = image[None].clone()
            squares(covered, side)[n][:] = fill
            expected = whole[named] - model(covered)[0].softmax(0)[named]
            torch.testing.assert_close(found[k, n], expected.detach())
    if fill == 0.0:
        assert torch.equal(vision.occlusion(model, images, side), found)


def test_occlusion_finds_the_one_patch_that_counts() -> None:
    class Watcher(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            pixel = images[:, 0, 3, 4]  # of 2 x 3 patches of side 2, this lies in patch 5
            return torch.stack([pixel, torch.zeros_like(pixel)], dim=1)

    images = torch.ones(3, 1, 4, 6) * torch.tensor([1.0, -2.0, 3.0])[:, None, None, None]  # the second is of class 1
    drops = vision.occlusion(Watcher().eval(), images, 2)
    assert (drops[:, :5] == 0).all()
    assert drops[:, 5].tolist() == pytest.approx([1 / (1 + math.exp(-x)) - 0.5 for x in (1, 2, 3)])


@pytest.mark.parametrize("training", [True, False])
def test_occlusion_leaves_the_model_as_it_was(training: bool) -> None:
    model = cnn(2, 1).train(training)
    model.insert(0, nn.BatchNorm2d(2, dtype=torch.float64).train(training))  # would count what it saw
    weights = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match="training mode") if training else nullcontext():
        vision.occlusion(model, normal(2, 2, 4, 6, seed=1), 2)
    assert all(each.training == training for each in model.modules())
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert all(each.grad is None for each in model.parameters())


# ---- refusals ----

X = torch.zeros(2, 3, 4, 6)
TOP = "image goes in as x[None]"


def small(**other: object) -> vision.VisionTransformer:
    known = {"image": (3, 4, 6), "side": 2, "width": 8, "heads": 2, "layers": 1, "classes": 3}
    return vision.VisionTransformer(**(known | other))


def half_awake() -> nn.Module:
    model = nn.Sequential(nn.Dropout()).eval()
    model[0].train()
    return model


def recorded() -> list[Any]:
    model = small()
    with record_attention(model) as maps:
        model(X)
    return list(maps.values())


def spoilt(value: float) -> torch.Tensor:
    images = X.clone()
    images[1, 2, 3, 5] = value
    return images


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: vision.patchify(X, 3), ["4 x 6", "side 3", "one of [1, 2]", "cut or pad"]),
        (lambda: vision.patchify(X, 4), ["4 x 6", "side 4", "one of [1, 2]"]),
        (lambda: vision.patchify(X.mT, 4), ["6 x 4", "side 4", "one of [1, 2]"]),
        (lambda: vision.patchify(X, 0), ["side=0", "1 or more"]),
        (lambda: vision.patchify(X, -2), ["side=-2", "1 or more"]),
        (lambda: vision.patchify(X, 2.0), ["side=2.0", "whole number"]),
        (lambda: vision.patchify(X, True), ["side=True", "whole number"]),
        (lambda: vision.patchify(X[0], 2), ["(3, 4, 6)", "(B, C, height, width)", TOP]),
        (lambda: vision.patchify(X[:, :, :0], 2), ["0 x 6", "side 2"]),
        (lambda: vision.unpatchify(torch.zeros(2, 5, 12), 2, 4, 6), ["(2, 5, 12)", "(B, 6, a multiple of 4)", "4 x 6"]),
        (lambda: vision.unpatchify(torch.zeros(2, 6, 11), 2, 4, 6), ["(2, 6, 11)", "(B, 6, a multiple of 4)"]),
        (lambda: vision.unpatchify(torch.zeros(2, 6, 0), 2, 4, 6), ["(2, 6, 0)", "(B, 6, a multiple of 4)"]),
        (lambda: vision.unpatchify(torch.zeros(6, 12), 2, 4, 6), ["(6, 12)", "(B, 6, a multiple of 4)"]),
        (lambda: vision.unpatchify(torch.zeros(2, 6, 12), 2, 4, 5), ["4 x 5", "side 2", "one of [1]"]),
        (lambda: vision.unpatchify(torch.zeros(2, 6, 12), 0, 4, 6), ["side=0", "1 or more"]),
        (lambda: small(side=3), ["4 x 6", "side 3", "one of [1, 2]"]),
        (lambda: small(side=0), ["side=0", "1 or more"]),
        (lambda: small(summary="max"), ["'max'", "['mean', 'class']"]),
        (lambda: small(positions="rotary"), ["'rotary'", "['learned', 'sinusoidal', 'none']"]),
        (lambda: small(width=6, positions="sinusoidal"), ["width 6", "multiple of 4"]),
        (lambda: vision.grid_positions(2, 3, 6), ["width 6", "multiple of 4"]),
        (lambda: vision.grid_positions(2, 3, 0), ["width 0", "multiple of 4"]),
        (lambda: vision.grid_positions(0, 3, 8), ["0", "1 or more"]),
        (lambda: vision.grid_positions(2, -1, 8), ["-1", "1 or more"]),
        (lambda: small(image=(0, 4, 6)), ["channels=0", "at least 1"]),
        (lambda: small(width=0), ["width=0", "at least 1"]),
        (lambda: small(layers=0), ["layers=0", "at least 1"]),
        (lambda: small(classes=0), ["classes=0", "at least 1"]),
        (lambda: small(heads=3), ["width 8", "3 heads"]),
        (lambda: small(heads=0), ["heads=0", "at least 1"]),
        (lambda: small(image=(4, 6)), ["image=(4, 6)", "(C, height, width)", "(1, 8, 8)"]),
        (lambda: small(image=(1, 3, 4, 6)), ["image=(1, 3, 4, 6)", "(C, height, width)"]),
        (lambda: small(image=8), ["image=8", "(C, height, width)"]),
        (lambda: small()(X[:, :1]), ["(2, 1, 4, 6)", "(B, 3, 4, 6)"]),
        (lambda: small()(X.movedim(1, -1)), ["(2, 4, 6, 3)", "(B, 3, 4, 6)", "x.permute(0, 3, 1, 2)"]),
        (lambda: small()(X.mT), ["(2, 3, 6, 4)", "(B, 3, 4, 6)"]),
        (lambda: small()(X[0]), ["(3, 4, 6)", "(B, 3, 4, 6)", TOP]),
        (lambda: small()(X.to(torch.uint8)), ["torch.uint8", "floats from 0 to 1", "images / 255"]),
        (lambda: small()(X.bool()), ["torch.bool", "floats from 0 to 1"]),
        (lambda: small()(spoilt(torch.nan)), ["NaN", "finite"]),
        (lambda: small()(spoilt(-torch.inf)), ["infinity", "finite"]),
        (lambda: small().embed(spoilt(torch.nan)), ["NaN", "finite"]),
        (lambda: small().encode(X[0, ..., :5]), ["(3, 4, 5)", "(B, 1 or more, 8)"]),
        (lambda: small().encode(torch.zeros(2, 0, 8)), ["(2, 0, 8)", "(B, 1 or more, 8)", "`embed`"]),
        (lambda: small().encode(torch.zeros(2, 8)), ["(2, 8)", "(B, 1 or more, 8)"]),
        (lambda: small(summary="class").encode(torch.zeros(2, 0, 8)), ["(2, 0, 8)", "(B, 1 or more, 8)"]),
        (lambda: vision.attention_rollout([]), ["[]", "one (B, H, T, T) or more"]),
        (lambda: vision.attention_rollout(recorded()), ["a Recorded", "each.weights for each in maps.values()"]),
        (
            lambda: vision.attention_rollout([*maps_of(1, 1, 2, 3, 0), *recorded()]),
            ["a Recorded", "each.weights for each in maps.values()"],
        ),
        (
            lambda: vision.attention_rollout([each.scores for each in recorded()]),
            ["map 0", "sum to 1", "weights behind the softmax, not the scores"],
        ),
        (
            lambda: vision.attention_rollout([*maps_of(2, 1, 2, 3, 0), 0.99 * maps_of(1, 1, 2, 3, 0)[0]]),
            ["map 2", "0.99 to 0.99", "sum to 1"],
        ),
        (lambda: vision.attention_rollout([1.01 * looks(3, 1, 0)]), ["map 0", "1.01 to 1.01", "sum to 1"]),
        (lambda: vision.attention_rollout([looks(3, 1, 0).mT]), ["map 0", "sum to 0 to 2", "sum to 1"]),
        (
            lambda: vision.attention_rollout([2 * looks(3, 1, 0) - looks(3, 1, 1)]),
            ["starts at -1", "sum to 1 to 1", "0 or more"],
        ),
        (lambda: vision.attention_rollout([looks(3, 1, 0) + torch.nan]), ["map 0", "nan", "without NaN"]),
        (lambda: vision.attention_rollout([torch.ones(1, 2, 3, 4)]), ["(1, 2, 3, 4)", "(B, H, T, T)"]),
        (lambda: vision.attention_rollout([torch.ones(2, 3, 3)]), ["(2, 3, 3)", "(B, H, T, T)"]),
        (
            lambda: vision.attention_rollout([torch.ones(1, 2, 3, 3), torch.ones(1, 2, 4, 4)]),
            ["(1, 2, 3, 3)", "(1, 2, 4, 4)", "the same shape"],
        ),
        (lambda: vision.occlusion(small().eval(), X, 4), ["4 x 6", "side 4"]),
        (lambda: vision.occlusion(small().eval(), X[0], 2), ["(3, 4, 6)", TOP]),
        (lambda: vision.occlusion(small().eval(), X.to(torch.uint8), 2), ["torch.uint8", "images / 255"]),
        (lambda: vision.occlusion(small().eval(), spoilt(torch.nan), 2), ["NaN", "finite"]),
        (lambda: vision.occlusion(small(), X, 2), ["training mode", "model.eval()"]),
        (lambda: vision.occlusion(half_awake(), X, 2), ["training mode", "model.eval()"]),
        (lambda: vision.occlusion(nn.Identity().eval(), X, 2), ["(2, 3, 4, 6)", "(2, 2 classes or more)"]),
        (lambda: vision.occlusion(nn.Flatten(0, 2).eval(), X, 2), ["(24, 6)", "(2, 2 classes or more)"]),
        (lambda: vision.occlusion(small(classes=1).eval(), X, 2), ["(2, 1)", "(2, 2 classes or more)"]),
    ],
)
def test_bad_input_is_refused_in_words(call, words: list[str]) -> None:
    with pytest.raises(ValueError) as refusal:
        call()
    assert not [word for word in words if word not in str(refusal.value)], refusal.value
