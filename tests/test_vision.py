"""Patches against plain loops, the vision transformer against torch's own layers."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from lecturelib import vision
from lecturelib.data.digits import digits
from lecturelib.puzzles import answer_loss
from lecturelib.training import fit
from lecturelib.transformer import sinusoidal_positions
from tests.mutants import Mutant, planted
from tests.strategies import images_of, normal, seeds, sizes
from tests.test_transformer import stack
from tests.tools import refuses
from tests.twins import parameters_that_rest, random_weights

CLASSES = 3
POOLS = ["mean", "class", "concat"]
POSITIONS = ["learned", "sinusoidal", "none"]


def vit(
    shape: list[int], seed: int, pool: str = "mean", positions: str = "learned", num_classes: int | None = CLASSES
) -> vision.VisionTransformer:
    """Return a network with random weights for shape = [channels, rows, columns, patch_size, num_heads]."""
    c, rows, columns, patch_size, h = shape
    image_size = (c, rows * patch_size, columns * patch_size)
    model = vision.VisionTransformer(image_size, patch_size, 4 * h, h, 2, num_classes, pool, positions)
    return random_weights(model, seed)


def squares(images: torch.Tensor, patch_size: int) -> list[torch.Tensor]:
    """Return the squares of images one after the other, row by row; they share their memory with the images."""
    return [
        images[:, :, i : i + patch_size, j : j + patch_size]
        for i in range(0, images.shape[2], patch_size)
        for j in range(0, images.shape[3], patch_size)
    ]


@given(sizes(5), seeds)
def test_patch_n_is_that_square_of_the_image_and_goes_back_there(shape: list[int], seed: int) -> None:
    b, c, rows, columns, patch_size = shape
    images = normal(b, c, rows * patch_size, columns * patch_size, seed=seed)
    patches = vision.patchify(images, patch_size)
    assert patches.shape == (b, rows * columns, c * patch_size * patch_size)
    for n, square in enumerate(squares(images, patch_size)):
        pixels = [square[:, k, p, q] for k in range(c) for p in range(patch_size) for q in range(patch_size)]
        assert torch.equal(patches[:, n], torch.stack(pixels, dim=1))
    assert torch.equal(vision.unpatchify(patches, patch_size, *images.shape[2:]), images)


@given(sizes(3))
def test_grid_positions_tell_the_row_and_then_the_column(shape: list[int]) -> None:
    rows, columns, quarter = shape
    width = 4 * quarter
    table = vision.grid_positions(rows, columns, width)
    lines = sinusoidal_positions(max(rows, columns), width // 2)
    for i in range(rows):
        for j in range(columns):
            assert torch.equal(table[i * columns + j], torch.cat([lines[i], lines[j]]))
    assert len(table.unique(dim=0)) == rows * columns


@given(sizes(4), seeds)
def test_positions_are_resized_as_a_picture(shape: list[int], seed: int) -> None:
    rows, columns, width, more = shape
    table = normal(rows * columns, width, seed=seed)
    torch.testing.assert_close(vision.resize_positions(table, (rows, columns), (rows, columns)), table)
    new = (rows + more, 2 * columns)
    found = vision.resize_positions(table, (rows, columns), new).view(*new, width)
    for d in range(width):
        picture = table[:, d].view(1, 1, rows, columns)
        expected = F.interpolate(picture, size=new, mode="bilinear")[0, 0]
        torch.testing.assert_close(found[..., d], expected)


@settings(max_examples=20)
@given(sizes(5), st.integers(1, 3), seeds, st.sampled_from(POOLS), st.sampled_from(POSITIONS))
@example([1, 2, 3, 2, 2], 3, 0, "class", "learned")
def test_it_is_a_strided_convolution_and_torchs_stack(
    shape: list[int], b: int, seed: int, pool: str, positions: str
) -> None:
    model, images = vit(shape, seed, pool, positions), images_of(b, shape, seed)
    c, _, _, patch_size, _ = shape
    width = model.d_model
    convolution = nn.Conv2d(c, width, patch_size, stride=patch_size, dtype=torch.float64)
    weight = model.patch_embed.weight.view(width, c, patch_size, patch_size)
    convolution.load_state_dict({"weight": weight, "bias": model.patch_embed.bias})
    x = convolution(images).flatten(2).mT  # (B, N, D)
    if positions != "none":
        x = x + torch.stack(list(model.pos_embed))
    if model.cls_token is not None:
        x = torch.cat([model.cls_token.reshape(1, 1, width).repeat(b, 1, 1), x], dim=1)
    read = stack(model)(x)
    summed = {"mean": sum(read.unbind(1)) / read.shape[1], "class": read[:, 0], "concat": torch.cat(read.unbind(1), 1)}[
        pool
    ]
    torch.testing.assert_close(model(images), F.linear(summed, model.head.weight, model.head.bias))


def test_the_kinds_of_positions_and_pools_are_what_they_are_called() -> None:
    image = (1, 4, 6)
    learned, fixed, blind = (vision.VisionTransformer(image, 2, 8, 2, 1, 3, positions=each) for each in POSITIONS)
    assert 0.1 < learned.pos_embed.std() < 0.3  # at 0.02 they drown in bright patches
    assert learned.pos_embed.requires_grad and len(learned.pos_embed.unique(dim=0)) == 6
    assert torch.equal(fixed.pos_embed, vision.grid_positions(2, 3, 8)) and not blind.pos_embed.any()
    assert blind.build == (image, 2, 8, 2, 1, "mean", "none")
    for model in (fixed, blind):
        assert set(learned.state_dict()) - set(model.state_dict()) == {"pos_embed"}
    first = vision.VisionTransformer(image, 2, 8, 2, 1, 3, pool="class")
    assert set(first.state_dict()) - set(learned.state_dict()) == {"cls_token"}
    headless = vision.VisionTransformer(image, 2, 8, 2, 1)
    assert headless(torch.zeros(2, 1, 4, 6)).shape == (2, 8)
    assert set(learned.state_dict()) - set(headless.state_dict()) == {"head.weight", "head.bias"}


@pytest.mark.parametrize("pool", POOLS)
def test_gradients_flow_through_the_network(pool: str) -> None:
    shape = [2, 2, 3, 2, 2]
    model = vit(shape, 1, pool)
    model(images_of(2, shape, 1)).pow(3).sum().backward()
    assert not parameters_that_rest(model)


@pytest.mark.parametrize("pool", POOLS)
def test_eight_digits_are_learned_by_heart(pool: str) -> None:
    train, _ = digits(seed=0)
    images, labels = torch.from_numpy(train.images[:8]), torch.from_numpy(train.labels[:8])
    torch.manual_seed(0)
    model = vision.VisionTransformer((1, 8, 8), 2, 32, 4, 2, 10, pool)
    fit(model, answer_loss, (images, labels), steps=60, lr=3e-3)
    assert torch.equal(model(images).argmax(-1), labels)


X = torch.zeros(2, 3, 4, 6)


def small(**other: object) -> vision.VisionTransformer:
    known = {"image_size": (3, 4, 6), "patch_size": 2, "d_model": 8, "num_heads": 2, "num_layers": 1, "num_classes": 3}
    return vision.VisionTransformer(**(known | other))


def test_the_class_token_begins_small() -> None:
    token = small(pool="class").cls_token
    assert token is not None and token.shape == (1, 1, 8) and token.std() < 0.1


test_bad_input_is_refused_in_words = refuses(
    (lambda: vision.patchify(X[..., :4], 3), ["4 x 4", "one of [1, 2, 4]"]),
    (lambda: small(image_size=(0, 4, 6)), ["channels=0"]),
    (lambda: vision.patchify(X, 3), ["4 x 6", "size 3", "one of [1, 2]", "cut or pad"]),
    (lambda: vision.patchify(X, 2.0), ["patch_size=2.0", "whole number"]),
    (lambda: vision.patchify(X[0], 2), ["(3, 4, 6)", "(B, C, height, width)", "image goes in as x[None]"]),
    (lambda: vision.unpatchify(torch.zeros(2, 5, 9), 3, 6, 9), ["(2, 5, 9)", "(B, 6, a multiple of 9)"]),
    (lambda: vision.grid_positions(2, 3, 6), ["d_model=6", "multiple of 4"]),
    (lambda: small(patch_size=3), ["4 x 6", "size 3", "one of [1, 2]"]),
    (lambda: small(d_model=0), ["d_model=0"]),
    (lambda: small(num_layers=0), ["num_layers=0"]),
    (lambda: vision.unpatchify(torch.zeros(2, 6, 6), 3, 6, 9), ["(2, 6, 6)", "(B, 6, a multiple of 9)"]),
    (lambda: vision.check_shape(X[0]), ["(B, C, height, width)"]),
    (lambda: small(image_size=(3, 4, 0)), ["width=0"]),
    (lambda: small(pool="max"), ["pool='max'", "('mean', 'class', 'concat')"]),
    (lambda: small(positions="rotary"), ["positions='rotary'", "('learned', 'sinusoidal', 'none')"]),
    (lambda: small(image_size=(3, 0, 6)), ["height=0: ", "1 or more"]),
    (lambda: small(image_size=(1, 3, 4, 6)), ["image_size=(1, 3, 4, 6)", "(C, height, width)", "(1, 8, 8)"]),
    (lambda: small()(X.movedim(1, -1)), ["(2, 4, 6, 3)", "(B, 3, 4, 6)", "x.permute(0, 3, 1, 2)"]),
    (lambda: small()(X.to(torch.uint8)), ["torch.uint8", "floats from 0 to 1", "images / 255"]),
    (lambda: vision.check_images(X[:0]), ["(0, 3, 4, 6)", "at least one image"]),
    (lambda: vision.check_images(X - torch.inf), ["NaN or infinity", "finite"]),
    (lambda: vision.check_images(X, (1, 4, 6)), ["(2, 3, 4, 6)", "(B, 1, 4, 6)"]),
)


TO_PATCHES = "cut.permute(0, 2, 4, 1, 3, 5)"
PLACED = "patchify(images, self.patch_size)) + self.pos_embed"
SQUARE = test_patch_n_is_that_square_of_the_image_and_goes_back_there
STACK = test_it_is_a_strided_convolution_and_torchs_stack

test_mutants = planted(
    vision,
    [
        Mutant(TO_PATCHES, "cut.permute(0, 2, 4, 1, 5, 3)", SQUARE),
        Mutant(TO_PATCHES, "cut.permute(0, 4, 2, 1, 3, 5)", SQUARE),
        Mutant("cut.permute(0, 3, 1, 4, 2, 5)", "cut.permute(0, 3, 1, 5, 2, 4)", SQUARE),
        Mutant("[row, column]", "[column, row]", test_grid_positions_tell_the_row_and_then_the_column),
        Mutant("table.T.unflatten", "table.reshape(table.mT.shape).unflatten", test_positions_are_resized_as_a_picture),
        Mutant(PLACED, "patchify(images, self.patch_size))", STACK),
        Mutant(PLACED, PLACED + ".detach()", test_gradients_flow_through_the_network),
        Mutant("return tokens[:, 0] if", "return tokens.mean(1) if", STACK),
    ],
)
