"""The masked autoencoder: masks by their definitions, no leak of what is hidden, the decoder against plain loops."""

import statistics
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lecturelib import mae
from lecturelib.data.digits import digits
from lecturelib.training import Batch, fit
from lecturelib.vision import VisionTransformer, grid_positions, patchify
from tests.mutants import Mutant, planted
from tests.strategies import images_of, normal, seeds, sizes
from tests.test_transformer import stack
from tests.tools import global_generators_left_alone, refuses
from tests.twins import random_weights

KINDS, POOLS = ["random", "block", "grid"], ["mean", "class"]


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(n: int, rows: int, columns: int, ratio: float, kind: str, seed: int = 0) -> torch.Tensor:
    return mae.random_mask(n, rows, columns, ratio, kind, generator=generator(seed))


# ---- masks ----


@given(sizes(3), st.integers(1, 99), st.sampled_from(KINDS), seeds)
@example([3, 1, 5], 30, "random", 0)  # 0.3 * 5 is a half, and less than it in floats
def test_each_image_has_the_same_number_of_hidden_patches(shape: list[int], percent: int, kind: str, seed: int) -> None:
    n, rows, columns = shape
    patches = rows * columns
    hidden = (2 * percent * patches + 100) // 200  # rounded half up, in whole numbers
    if not 0 < hidden < patches:
        with pytest.raises(ValueError, match="one hidden and one visible"):
            draw(n, rows, columns, percent / 100, kind, seed)
        return
    mask = draw(n, rows, columns, percent / 100, kind, seed)
    assert mask.shape == (n, patches) and mask.dtype == torch.bool
    assert mask.sum(1).tolist() == [hidden] * n


@pytest.mark.parametrize("kind", KINDS)
def test_the_generator_says_all_and_each_image_has_a_mask_of_its_own(kind: str) -> None:
    with global_generators_left_alone():
        mask = draw(30, 4, 6, 0.5, kind, seed=3)
        assert torch.equal(draw(30, 4, 6, 0.5, kind, seed=3), mask)
        assert not torch.equal(draw(30, 4, 6, 0.5, kind, seed=4), mask)
    assert len(mask.unique(dim=0)) >= {"random": 25, "block": 8, "grid": 2}[kind]


def test_nine_patches_away_from_the_border_are_one_square_hole() -> None:
    masks = draw(100, 8, 8, 9 / 64, "block").view(-1, 8, 8)
    inside = [mask for mask in masks if mask[1:-1, 1:-1].sum() == 9]
    assert len(inside) > 20 and all(mask[mask.any(1)][:, mask.any(0)].shape == (3, 3) for mask in inside)


@pytest.mark.parametrize(("ratio", "square", "each"), [(0.75, 2, 1), (0.25, 2, 3), (15 / 16, 4, 1), (0.5, 4, 8)])
@pytest.mark.parametrize(("rows", "columns"), [(4, 12), (72, 4)])
def test_a_grid_leaves_equally_many_visible_in_each_square(
    ratio: float, square: int, each: int, rows: int, columns: int
) -> None:
    visible = ~draw(5, rows, columns, ratio, "grid", seed=2)
    assert (visible.view(5, rows // square, square, columns // square, square).sum((2, 4)) == each).all()
    board = draw(5, rows, columns, 0.5, "grid", seed=1).view(5, rows, columns)  # half a grid is a chessboard
    assert (board[:, 1:] != board[:, :-1]).all() and (board[:, :, 1:] != board[:, :, :-1]).all()


@pytest.mark.parametrize(
    ("kind", "rows", "columns", "ratio"), [("random", 3, 4, 0.75), ("block", 3, 5, 1 / 15), ("grid", 4, 4, 15 / 16)]
)
def test_every_patch_is_hidden_equally_often(kind: str, rows: int, columns: int, ratio: float) -> None:
    counts, draws = draw(4000, rows, columns, ratio, kind, seed=1).sum(0), 4000
    share = counts.sum().item() / draws / len(counts)
    assert ((counts - draws * share).abs() < 6 * (draws * share * (1 - share)) ** 0.5).all()


# ---- the network ----


def painter(shape: list[int], seed: int, pool: str = "mean", norm_pix_loss: bool = False) -> mae.MaskedAutoencoder:
    """Return a network with random weights for shape = [channels, rows, columns, patch_size, num_heads]."""
    c, rows, columns, patch_size, h = shape
    encoder = VisionTransformer((c, rows * patch_size, columns * patch_size), patch_size, 4 * h, h, 2, pool=pool)
    return random_weights(mae.MaskedAutoencoder(encoder, 8 * h, h, 2, norm_pix_loss), seed)


def masks_of(b: int, shape: list[int], seed: int, hidden: int | None = None) -> torch.Tensor:
    n = shape[1] * shape[2]
    hidden = 1 + seed % (n - 1) if hidden is None else hidden
    return draw(b, shape[1], shape[2], hidden / n, "random", seed)


def spread(mask: torch.Tensor, shape: list[int]) -> torch.Tensor:
    """Return a mask of patches as one of pixels, (B, 1, height, width)."""
    _, rows, columns, patch_size, _ = shape
    each = mask.view(-1, rows, columns).repeat_interleave(patch_size, dim=1).repeat_interleave(patch_size, dim=2)
    return each[:, None]


def painted_by_loops(model: mae.MaskedAutoencoder, images: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return what the network should predict: image by image, patch by patch, with torch's layers."""
    encoder, found = model.encoder, []
    places = grid_positions(encoder.rows, encoder.columns, model.decoder_embed.out_features).double()
    patches = patchify(images, encoder.patch_size)
    for image, hides in zip(patches, mask.tolist(), strict=True):
        seen = [encoder.patch_embed(image[n]) + encoder.pos_embed[n] for n, hidden in enumerate(hides) if not hidden]
        if encoder.cls_token is not None:
            seen = [encoder.cls_token[0, 0], *seen]
        latents = [model.decoder_embed(each) for each in stack(encoder)(torch.stack(seen)[None])[0]]
        front = [latents.pop(0)] if encoder.cls_token is not None else []
        row = [(model.mask_token if hidden else latents.pop(0)) + places[n] for n, hidden in enumerate(hides)]
        decoder = stack(SimpleNamespace(blocks=model.decoder_blocks, norm=model.decoder_norm))
        read = decoder(torch.stack([*front, *row])[None])[0]
        found.append(F.linear(read[len(front) :], model.decoder_pred.weight, model.decoder_pred.bias))
    return torch.stack(found)


@settings(max_examples=20)
@given(sizes(5), st.integers(1, 3), seeds, st.sampled_from(POOLS))
@example([1, 2, 3, 2, 2], 3, 0, "class")
def test_it_paints_as_the_loops_over_torchs_layers(shape: list[int], b: int, seed: int, pool: str) -> None:
    model, images, mask = painter(shape, seed, pool), images_of(b, shape, seed), masks_of(b, shape, seed)
    predicted = model(images, mask)
    c, rows, columns, patch_size, _ = shape
    assert predicted.shape == (b, rows * columns, c * patch_size * patch_size)
    torch.testing.assert_close(predicted, painted_by_loops(model, images, mask))
    assert torch.equal(model(images, mask, visible=int((~mask[0]).sum())), predicted)


@given(sizes(5), seeds, st.sampled_from(POOLS))
def test_hidden_pixels_change_no_bit(shape: list[int], seed: int, pool: str) -> None:
    model, images, mask = painter(shape, seed, pool), images_of(3, shape, seed), masks_of(3, shape, seed)
    changed = torch.where(spread(mask, shape), 9e9, images)
    assert torch.equal(model.encode(changed, mask), model.encode(images, mask))
    assert torch.equal(model(changed, mask), model(images, mask))
    # and each visible patch counts
    other = torch.where(spread(mask, shape), images, images + 1)
    assert (model(other, mask) != model(images, mask)).any(-1).all()


def test_four_digits_are_painted_by_heart() -> None:
    images = torch.from_numpy(digits(seed=0)[0].images[:4])
    torch.manual_seed(0)
    model = mae.MaskedAutoencoder(VisionTransformer((1, 8, 8), 2, 16, 2, 1), 16, 2, 1)
    visible = torch.tensor([5, 6, 9, 10])  # the four in the middle
    mask = torch.ones(16, dtype=torch.bool).scatter(0, visible, False).expand(4, -1)

    def loss(model: Any, batch: Batch) -> torch.Tensor:
        return mae.reconstruction_loss(model(*batch), model.target(batch[0]), batch[1])

    fit(model, loss, (images, mask), steps=300, batch_size=8, lr=2e-2)
    # whoever does not look at the visible patches can do no better than the mean of the four
    target = model.target(images)
    blind = mae.reconstruction_loss(target.mean(0).expand_as(target), target, mask)
    assert loss(model, (images, mask)) < 0.5 * blind


# ---- painting ----


@pytest.mark.parametrize("pool", POOLS)
def test_paint_keeps_the_visible_pixels_and_cuts_the_predicted(pool: str) -> None:
    shape = [3, 2, 5, 2, 1]
    model, images, mask = painter(shape, 1, pool), images_of(3, shape, 1), masks_of(3, shape, 4)
    with torch.no_grad():
        model.decoder_pred.weight.mul_(3)
    predicted, painted = model(images, mask), model.paint(images, mask)
    assert predicted[mask].min() < 0 and predicted[mask].max() > 1  # on both sides there is something to cut
    visible = ~spread(mask, shape).expand_as(images)
    assert torch.equal(painted[visible], images[visible])
    for k, n in mask.nonzero().tolist():
        i, j = n // 5 * 2, n % 5 * 2
        expected = [min(max(value, 0.0), 1.0) for value in predicted[k, n].tolist()]
        assert painted[k, :, i : i + 2, j : j + 2].flatten().tolist() == expected


# ---- targets ----

SHAPE = [2, 3, 4, 2, 2]


@given(sizes(4), seeds)
def test_normalize_takes_mean_and_deviation_from_each_patch_alone(shape: list[int], seed: int) -> None:
    b, n, pixels, _ = shape
    pixels += 1
    patches = normal(b, n, pixels, seed=seed) * 0.3 + 0.5
    found, mean, spread_ = mae.normalize(patches)
    assert found.shape == patches.shape and mean.shape == spread_.shape == (b, n, 1)
    for row, each in zip(found.flatten(0, 1).tolist(), patches.flatten(0, 1).tolist(), strict=True):
        deviation = (statistics.variance(each) + 1e-6) ** 0.5
        assert row == pytest.approx([(x - statistics.fmean(each)) / deviation for x in each])
        assert statistics.fmean(row) == pytest.approx(0, abs=1e-9)
    torch.testing.assert_close(found * spread_ + mean, patches)
    flat, mean, _ = mae.normalize(torch.full((1, 1, 4), 0.25))
    assert (flat == 0).all() and mean.item() == 0.25


def test_the_target_is_the_patches_or_the_normalized_patches() -> None:
    images, patches = images_of(2, SHAPE, 1), patchify(images_of(2, SHAPE, 1), 2)
    assert torch.equal(painter(SHAPE, 1).target(images), patches)
    assert torch.equal(painter(SHAPE, 1, norm_pix_loss=True).target(images), mae.normalize(patches)[0])


# ---- the loss ----


@given(sizes(3), seeds)
def test_the_loss_is_the_mean_over_the_pixels_of_the_hidden_patches(shape: list[int], seed: int) -> None:
    b, n, pixels = shape
    predicted, target = normal(b, n, pixels, seed=seed).requires_grad_(), normal(b, n, pixels, seed=seed + 1)
    mask = normal(b, n, seed=seed + 2) > 0  # rows may hide differently many
    mask[0, 0] = True
    errors = [(predicted[k, i, p] - target[k, i, p]).item() ** 2 for k, i in mask.nonzero() for p in range(pixels)]
    loss = mae.reconstruction_loss(predicted, target, mask)
    assert loss.item() == pytest.approx(statistics.fmean(errors))
    # and blind to the visible ones
    assert torch.equal(mae.reconstruction_loss(torch.where(mask[..., None], predicted, 9e9), target, mask), loss)
    loss.backward()
    assert predicted.grad is not None
    assert (predicted.grad[~mask] == 0).all() and (predicted.grad[mask] != 0).all()


# ---- refusals ----

X, MASK = torch.zeros(2, 3, 4, 6), torch.tensor([[True, False] * 3] * 2)
P = torch.zeros(2, 6, 12)  # patches
UNEQUAL = MASK | torch.tensor([[False] * 6, [False, True] + [False] * 4])


def small(norm_pix_loss: bool = False, pool: str = "mean", **other: int) -> mae.MaskedAutoencoder:
    encoder = VisionTransformer((3, 4, 6), 2, 8, 2, 1, pool=pool)
    sizes = {"d_model": 8, "num_heads": 2, "num_layers": 1} | other
    return mae.MaskedAutoencoder(encoder, **sizes, norm_pix_loss=norm_pix_loss)


def test_the_papers_defaults_small_weights_and_what_is_told_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert torch.equal(mae.random_mask(3, 4, 4, generator=generator(0)), draw(3, 4, 4, 0.75, "random"))
    model = small()
    assert model.mask_token.std() < 0.1 and "decoder_pos_embed" not in model.state_dict()
    assert torch.equal(model.target(X), patchify(X, 2))  # as they are, not normalized
    expected = model(X, MASK)
    monkeypatch.setattr(mae, "_count_visible", None)
    assert torch.equal(model(X, MASK, visible=int((~MASK[0]).sum())), expected)


test_bad_input_is_refused_in_words = refuses(
    *((lambda ratio=ratio: draw(2, 4, 4, ratio, "grid"), [f"ratio={ratio}: expected a share"]) for ratio in (0, 1)),
    (lambda: draw(0, 4, 4, 0.5, "grid"), ["n=0"]),
    (lambda: draw(2, 0, 4, 0.5, "grid"), ["rows=0"]),
    (lambda: draw(2, 4, 0, 0.5, "grid"), ["columns=0"]),
    (lambda: draw(2, 4, 4, 0.03, "grid"), ["ratio=0.03 hides 0 of 16", "one hidden and one visible"]),
    (lambda: draw(2, 4, 4, 0.5, "stripes"), ["'stripes'", "['random', 'block', 'grid']"]),
    (lambda: small()(X, MASK.int()), ["torch.int32", "(2, 6) of bool", "True = hidden"]),
    (lambda: small()(X, MASK[0]), ["(6,)", "(2, 6) of bool", "mask.expand(len(images), -1)"]),
    (lambda: small()(X, MASK | True), ["[0] visible", "at least one"]),
    (lambda: small()(X, UNEQUAL), ["[2, 3] visible", "a batch is one tensor"]),
    (lambda: small().paint(X + torch.nan, MASK), ["NaN", "finite"]),
    (lambda: small(norm_pix_loss=True).paint(X, MASK), ["norm_pix_loss=True", "unknown", "norm_pix_loss=False"]),
    (lambda: small(num_layers=0), ["num_layers=0", "1 or more"]),
    (lambda: mae.normalize(P[..., :1]), ["(2, 6, 1)", "at least 2 pixels", "to have a variance"]),
    (lambda: mae.reconstruction_loss(P, P[:1], MASK), ["(2, 6, 12)", "(1, 6, 12)", "(B, N, pixels)"]),
    (lambda: mae.reconstruction_loss(P, P, MASK.int()), ["torch.int32", "(B, N) of bool"]),
    (lambda: mae.reconstruction_loss(P.long(), P, MASK), ["torch.int64", "floats"]),
)


# ---- mutants ----

GATHER = "tokens.gather(1, keep.expand(-1, -1, tokens.shape[2]))"
PLACE = "place = _visible_first(mask).argsort(dim=1)"
LOSS = "error.masked_fill(~mask, 0.0).sum() / mask.sum()"
MEAN = test_the_loss_is_the_mean_over_the_pixels_of_the_hidden_patches
PAINT = test_paint_keeps_the_visible_pixels_and_cuts_the_predicted

test_mutants = planted(
    mae,
    [
        Mutant("+ 0.5 + 1e-9", "+ 0.5 - 1e-9", test_each_image_has_the_same_number_of_hidden_patches),
        Mutant(
            "order = torch.rand(n, rows, columns, generator=generator)",
            "order = torch.rand(1, rows, columns, generator=generator).expand(n, -1, -1)",
            test_the_generator_says_all_and_each_image_has_a_mask_of_its_own,
        ),
        Mutant("* columns - 0.5", "* rows - 0.5", test_every_patch_is_hidden_equally_often),
        Mutant("(i >> bit ^ j >> bit) & 1", "(i >> bit) & 1", test_a_grid_leaves_equally_many_visible_in_each_square),
        Mutant(GATHER, "(tokens * ~mask[..., None])", test_it_paints_as_the_loops_over_torchs_layers),
        Mutant(GATHER, GATHER + " + tokens.mean(1, keepdim=True)", test_hidden_pixels_change_no_bit),
        Mutant(PLACE, PLACE.replace(".argsort(dim=1)", ""), test_it_paints_as_the_loops_over_torchs_layers),
        Mutant("torch.where(mask[..., None]", "torch.where(~mask[..., None]", PAINT),
        Mutant(
            "patches.var(dim=-1", "patches.var(dim=1", test_normalize_takes_mean_and_deviation_from_each_patch_alone
        ),
        Mutant(LOSS, "error.mean()", MEAN),
        Mutant(LOSS, "error.masked_fill(~mask, 0.0).mean()", MEAN),
    ],
)
