"""The baselines are what their names say: to the number, without a look at what is hidden, and for each image alone."""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lecturelib import baselines
from lecturelib.data.digits import digits
from lecturelib.vision import unpatchify
from tests.mutants import Mutant, planted
from tests.strategies import normal, seeds
from tests.tools import refuses

P, ROWS, COLUMNS = 2, 3, 5
IMAGE = (2, P * ROWS, P * COLUMNS)
PAINTERS = {
    "visible mean": lambda train: baselines.visible_mean,
    "mean image": lambda train: baselines.MeanImage(train).paint,
    "gaussian": lambda train: baselines.GaussianFill(train).paint,
    "gaussian, by displacement": lambda train: baselines.GaussianFill(train, 0.1, stationary=True).paint,
    "neighbours": lambda train: baselines.NearestNeighbours(train, k=3).paint,
    "biharmonic": lambda train: baselines.biharmonic,
}


def pictures(n: int, seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Return images whose pixels depend on one another, from 0 to 1."""
    size = math.prod(IMAGE)
    return (normal(n, 7, seed=seed) @ normal(7, size, seed=1) / 3).sigmoid().view(n, *IMAGE).to(dtype)


def masks(n: int, seed: int) -> torch.Tensor:
    """Return masks with unequal numbers of hidden patches, at least one hidden and one visible."""
    order = torch.rand(n, ROWS * COLUMNS, generator=torch.Generator().manual_seed(seed)).argsort(1).argsort(1)
    return order < 1 + torch.arange(seed, seed + n)[:, None] * 5 % (ROWS * COLUMNS - 1)


def hidden_pixels(mask: torch.Tensor) -> torch.Tensor:
    """Return which pixels are hidden, by the patches of the vision room: (B, N) to (B, C, height, width)."""
    patches = mask[..., None].expand(-1, -1, IMAGE[0] * P**2).double()
    return unpatchify(patches, P, IMAGE[1], IMAGE[2]).bool()


@pytest.mark.parametrize("kind", PAINTERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_visible_pixels_stay_and_hidden_ones_are_not_looked_at(kind: str, dtype: torch.dtype) -> None:
    paint = PAINTERS[kind](pictures(11, seed=2, dtype=dtype))
    images, mask = pictures(5, seed=3, dtype=dtype), masks(5, seed=3)
    hidden, kept = hidden_pixels(mask), images.clone()
    painted = paint(images, mask, P)
    assert painted.shape == images.shape and painted.dtype == dtype and torch.equal(images, kept)
    assert torch.equal(painted[~hidden], images[~hidden])
    assert painted.min() >= 0 and painted.max() <= 1
    assert torch.equal(paint(images.masked_fill(hidden, 9e9), mask, P)[hidden], painted[hidden])
    assert torch.equal(paint(images, torch.zeros_like(mask), P), images)
    alone = torch.cat([paint(images[[n]], mask[[n]], P) for n in range(5)])
    torch.testing.assert_close(alone, painted, rtol=1e-4, atol=1e-5)


@settings(max_examples=20)
@given(seeds)
def test_the_means_are_those_of_each_color_of_each_image_or_of_the_training_images(seed: int) -> None:
    images, mask, train = pictures(3, seed), masks(3, seed % 100), pictures(7, seed + 1)
    painted, hidden = baselines.visible_mean(images, mask, P), hidden_pixels(mask)
    of_training = baselines.MeanImage(train).paint(images, mask, P)
    torch.testing.assert_close(of_training[hidden], (train.sum(0) / 7).expand_as(images)[hidden])
    for n in range(3):
        for c in range(IMAGE[0]):
            mean = images[n, c][~hidden[n, c]].mean()
            assert painted[n, c][hidden[n, c]].tolist() == pytest.approx([mean.item()] * int(hidden[n, c].sum()))


@settings(max_examples=20)
@given(seeds)
def test_gaussian_fill_is_the_conditional_mean(seed: int) -> None:
    # by the block of the precision matrix that belongs to the hidden pixels: no system of the visible ones is solved
    train, images, mask, ridge = pictures(40, seed), pictures(3, seed + 1), masks(3, seed % 100), 0.07
    hidden = hidden_pixels(mask).flatten(1)
    painted = baselines.GaussianFill(train, ridge).paint(images, mask, P).flatten(1)
    mean, covariance = train.flatten(1).mean(0), torch.from_numpy(np.cov(train.flatten(1).numpy().T))
    for n in range(3):
        precision = torch.linalg.inv(covariance + torch.diag(torch.where(hidden[n], 1e-9, ridge).double()))
        at_h, at_v = hidden[n], ~hidden[n]
        pull = precision[at_h][:, at_v] @ (images[n].flatten() - mean)[at_v]
        expected = mean[at_h] - torch.linalg.solve(precision[at_h][:, at_h], pull)
        torch.testing.assert_close(painted[n, at_h], expected.clamp(0, 1), rtol=1e-4, atol=1e-5)


@settings(max_examples=10)
@given(seeds)
def test_the_covariance_by_displacement_is_the_mean_over_all_pairs_that_far_apart(seed: int) -> None:
    train = pictures(5, seed)
    painter = baselines.GaussianFill(train, stationary=True)
    _, channels, height, width = train.shape
    x = (train - train.mean((0, 2, 3), keepdim=True)).double()
    found = painter.covariance.view(channels, height, width, channels, height, width)
    for a, b, down, right in ((0, 0, 0, 0), (0, channels - 1, 1, 0), (channels - 1, 0, 1, -2), (0, 0, 2, 1)):
        pairs = [
            (i, j, i + down, j + right)
            for i in range(height - down)
            for j in range(max(0, -right), width - max(0, right))
        ]
        products = torch.stack([(x[:, a, i, j] * x[:, b, k, m]).mean() for i, j, k, m in pairs])
        for i, j, k, m in pairs:
            assert found[a, i, j, b, k, m].item() == pytest.approx(products.mean().item(), abs=1e-5)
            assert found[b, k, m, a, i, j].item() == pytest.approx(products.mean().item(), abs=1e-5)


@settings(max_examples=20)
@given(seeds, st.integers(1, 11))
def test_neighbours_are_the_nearest_on_the_visible_pixels(seed: int, k: int) -> None:
    train, images, mask = pictures(11, seed), pictures(3, seed + 1), masks(3, seed % 100)
    hidden = hidden_pixels(mask)
    painter = baselines.NearestNeighbours(train, k)
    near, painted = painter.neighbours(images, hidden[:, :1]), painter.paint(images, mask, P)
    for n in range(3):
        away = [sum(d**2 for d in (each - images[n])[~hidden[n]].tolist()) for each in train]
        order = [t for _, t in sorted(zip(away, range(11), strict=True))][:k]
        assert near[n].tolist() == order
        expected = torch.stack([train[t] for t in order]).sum(0) / k
        torch.testing.assert_close(painted[n][hidden[n]], expected[hidden[n]])


def test_biharmonic_continues_a_slope() -> None:
    slope = torch.linspace(0.1, 0.9, 12, dtype=torch.float64).expand(1, 2, 12, 12)
    mask = torch.zeros(1, 36, dtype=torch.bool)
    mask[0, 14:16] = True
    hidden = unpatchify(mask[..., None].expand(-1, -1, 8).double(), 2, 12, 12).bool()
    painted = baselines.biharmonic(slope, mask, 2)
    torch.testing.assert_close(painted, slope, atol=0.01, rtol=0)
    assert (baselines.visible_mean(slope, mask, 2) - slope)[hidden].abs().max() > 0.1


def test_the_classical_methods_name_digits_in_silence() -> None:
    x, y, tested, labels = (torch.from_numpy(each) for part in digits(0) for each in (part.images, part.labels))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        right = baselines.fit_classical(x, y, tested, labels)
    assert list(right) == ["logistic regression", "support vector machine"]
    assert all(0.96 < each < 1 for each in right.values())


@pytest.mark.parametrize("pool", ["mean", "concat"])
def test_the_network_has_the_layers_that_it_names(pool: str) -> None:
    torch.manual_seed(0)
    network = baselines.ConvolutionalNetwork((2, 6, 9), width=3, num_classes=5, pool=pool).double()
    network(normal(7, 2, 6, 9, seed=2))  # so that the norms know a mean and a variance
    network.eval()
    images = normal(4, 2, 6, 9, seed=1).sigmoid()
    layers = torch.nn.Sequential(
        network.first, network.norm_first, torch.nn.ReLU(), torch.nn.MaxPool2d(3, 2, 1),
        network.second, network.norm_second, torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1) if pool == "mean" else torch.nn.Identity(), torch.nn.Flatten(), network.head,
    )  # fmt: skip
    torch.testing.assert_close(network(images), layers(images))


X, M = pictures(5, seed=1), masks(5, seed=1)
LABELS = torch.tensor([0, 1, 2, 0, 1])


test_bad_input_is_refused_in_words = refuses(
    (lambda: baselines.visible_mean(X, M[:1], 2), ["(1, 15)", "expected (5, 15)", "mask.expand"]),
    (lambda: baselines.visible_mean(X, M.float(), 2), ["torch.float32", "torch.bool"]),
    (lambda: baselines.visible_mean(X, M | (torch.arange(5) == 3)[:, None], 2), ["no visible patch"]),
    (lambda: baselines.MeanImage(X).paint(X[:, :1], M, 2), ["(5, 1, 6, 10)", "(B, 2, 6, 10)"]),
    (lambda: baselines.NearestNeighbours(X, k=6), ["k=6", "1 to 5"]),
    (lambda: baselines.ConvolutionalNetwork((1, 8, 8), pool="class"), ["pool='class'", "'mean' or 'concat'"]),
)


MEAN = test_the_means_are_those_of_each_color_of_each_image_or_of_the_training_images
NEAR = test_neighbours_are_the_nearest_on_the_visible_pixels

test_mutants = planted(
    baselines,
    [
        Mutant("images.masked_fill(hidden, 0.0).sum(", "images.sum(", MEAN),
        Mutant("(image - self.mean)[seen, None]", "image[seen, None]", test_gaussian_fill_is_the_conditional_mean),
        Mutant("visible.to(seen.dtype) @ self.train.square().T", "self.train.square().sum(dim=1)", NEAR),
        Mutant("channel_axis=0) for", "channel_axis=0) / 2 for", test_biharmonic_continues_a_slope),
        Mutant("x.mean(dim=(2, 3))", "x.amax(dim=(2, 3))", test_the_network_has_the_layers_that_it_names),
    ],
)
