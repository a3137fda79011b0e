"""What to beat: methods that fill in hidden pixels, or name a digit, without any attention.

    visible_mean, biharmonic                       paint hidden patches from the image alone
    MeanImage, GaussianFill, NearestNeighbours     paint them from what training images are like
    fit_classical, ConvolutionalNetwork            name what an image shows

Images are tensors (B, C, height, width), floats from 0 to 1. `mask` (B, N) is True where a patch is hidden. Whatever
paints returns the visible pixels as they are, to the bit, and does not look at the hidden ones.
"""

import numpy as np
import torch
from torch import nn

from lecturelib.edges import check_whole
from lecturelib.transfer import check_examples
from lecturelib.vision import check_images, check_patches, check_shape


def visible_mean(images: torch.Tensor, mask: torch.Tensor, patch_size: int) -> torch.Tensor:
    """Paint hidden pixels with the mean color of the visible pixels of the same image.

    Shapes: images (B, C, height, width), mask (B, N) bool; returns (B, C, height, width).
    Raises: ValueError for images or masks that are not such, and an image without a visible patch.
    Taught: notebook 06, section 6.

    >>> image = torch.tensor([[[[0.2, 0.4], [0.9, 0.0]]]])
    >>> visible_mean(image, torch.tensor([[False, False, False, True]]), patch_size=1)
    tensor([[[[0.2000, 0.4000],
              [0.9000, 0.5000]]]])
    """

    hidden = _hidden_pixels(images, mask, patch_size)
    visible = images.masked_fill(hidden, 0.0).sum(dim=(2, 3), keepdim=True)  # (B, C, 1, 1)
    return torch.where(hidden, visible / (~hidden).sum(dim=(2, 3), keepdim=True), images)


def biharmonic(images: torch.Tensor, mask: torch.Tensor, patch_size: int) -> torch.Tensor:
    """Paint hidden pixels with the smoothest surface that the visible ones allow; nothing is learned.

    Equation: the Laplacian of the Laplacian is 0 in the hole, solved by scikit-image's `inpaint_biharmonic` (Damelin
        and Hoang 2018). Results are cut to 0 to 1.
    Shapes: images (B, C, height, width), mask (B, N) bool; returns (B, C, height, width). One image after the other.
    Raises: ValueError as `visible_mean`.
    Taught: notebook 06, section 6.
    """
    from skimage.restoration import inpaint_biharmonic  # here, because it takes a second to import

    hidden = _hidden_pixels(images, mask, patch_size)
    empty, holes = images.masked_fill(hidden, 0.0).numpy(), hidden[:, 0].numpy()
    painted = [inpaint_biharmonic(image, hole, channel_axis=0) for image, hole in zip(empty, holes, strict=True)]
    return torch.where(hidden, torch.from_numpy(np.stack(painted)).clamp(0, 1).to(images.dtype), images)


class _Painter:
    """What has seen training images (n, C, height, width) and paints others of their size; `fill` says with what."""

    def __init__(self, train: torch.Tensor) -> None:
        check_images(train)
        self.image_size = train.shape[1:]

    def paint(self, images: torch.Tensor, mask: torch.Tensor, patch_size: int) -> torch.Tensor:
        """Return the images painted: (B, C, height, width) and (B, N) to (B, C, height, width)."""
        check_shape(images, self.image_size)
        hidden = _hidden_pixels(images, mask, patch_size)
        return torch.where(hidden, self.fill(images, hidden).to(images.dtype), images)

    def fill(self, images: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """Return what `paint` puts in the hidden places, and anything elsewhere: hidden is (B, 1, height, width)."""
        raise NotImplementedError


class MeanImage(_Painter):
    """Paint hidden pixels as they are in the mean of all training images.

    Shapes: train (n, C, height, width).
    Raises: ValueError as `visible_mean`, and for images of another size than those of training.
    Taught: notebook 06, section 4.
    """

    def __init__(self, train: torch.Tensor) -> None:
        super().__init__(train)
        self.mean = train.mean(dim=0)  # (C, height, width)

    def fill(self, images: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        return self.mean


class GaussianFill(_Painter):
    """Paint hidden pixels with what is expected of them, given the visible ones, if all pixels are jointly normal.

    Equation: E[x_h | x_v] = mu_h + S_hv (S_vv + ridge I)^-1 (x_v - mu_v), with mean mu and covariance S of the
        training images (Bishop 2006, equation 2.81); `ridge` is the variance of noise that is thought to lie on the
        visible pixels, and makes S_vv invertible. Results are cut to 0 to 1.
    With `stationary` there is one mean for each channel, and one covariance for each displacement of two pixels: right
    for squares cut out at random places, and far fewer numbers to estimate.
    Shapes: train (n, C, height, width); the covariance takes 8 (C * height * width)^2 bytes.
    Raises: ValueError as `MeanImage`.
    Taught: notebook 06, section 4.
    """

    def __init__(self, train: torch.Tensor, ridge: float = 1e-3, stationary: bool = False) -> None:
        super().__init__(train)
        self.ridge = ridge
        if stationary:
            self.mean, self.covariance = _by_displacement(train)  # (P,), (P, P)
        else:
            pixels = train.flatten(1).double()  # (n, P)
            self.mean, self.covariance = pixels.mean(dim=0), pixels.T.cov()

    def fill(self, images: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        visible = ~hidden.expand_as(images).flatten(1)  # (B, P)
        pixels = images.flatten(1).double()
        found = torch.empty_like(pixels)  # at once: results laid between large temporaries would keep their memory
        for row, image, seen in zip(found, pixels, visible, strict=True):
            row[:] = self._expect(image, seen)
        return found.clamp(0, 1).view_as(images)

    def _expect(self, image: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        """Return the expected pixels of one image, given those that are seen: (P,) and (P,) to (P,)."""
        across = self.covariance[:, seen].double()  # (P, V)
        root = torch.linalg.cholesky(across[seen] + self.ridge * torch.eye(across.shape[1], dtype=across.dtype))
        surprise = (image - self.mean)[seen, None]  # (V, 1)
        return self.mean + (across @ torch.cholesky_solve(surprise, root))[:, 0]


def _by_displacement(train: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean of each channel, and that of all pairs of pixels that lie equally far apart, each way."""
    _, C, height, width = train.shape
    mean = train.mean(dim=(0, 2, 3))  # (C,)
    room = (2 * height, 2 * width)  # so that a displacement does not come in again at the other side
    pairs = torch.fft.rfft2(torch.ones(height, width), s=room)
    count = torch.fft.irfft2(pairs.abs().square(), s=room).round().clamp(min=1)
    product = torch.zeros(C, C, *pairs.shape, dtype=torch.cfloat)
    for part in train.float().split(100):  # a few at a time: spectra are large
        spectrum = torch.fft.rfft2(part - mean[:, None, None].float(), s=room)  # (100, C, ...)
        product += torch.einsum("nahw,nbhw->abhw", spectrum.conj(), spectrum) / len(train)
    covariance = torch.fft.irfft2(product, s=room) / count  # (C, C, rows apart, columns apart)
    i, j = torch.arange(height), torch.arange(width)
    down = ((i - i[:, None]) % room[0]).view(height, 1, 1, height, 1)  # from row i to row i'
    right = ((j - j[:, None]) % room[1]).view(width, 1, 1, width)
    a, b = torch.arange(C).view(C, 1, 1, 1, 1, 1), torch.arange(C).view(C, 1, 1)  # the channels of both
    found = covariance[a, b, down, right]  # (C, i, j, C, i', j')
    return mean.repeat_interleave(height * width).double(), found.view(C * height * width, -1)


class NearestNeighbours(_Painter):
    """Paint hidden pixels with their mean in the k training images that are nearest on the visible pixels alone.

    Equation: nearest by sum over visible pixels p of (x_p - t_p)^2, for each training image t.
    Shapes: train (n, C, height, width).
    Raises: ValueError as `MeanImage`, and for k below 1 or above n.
    Taught: notebook 06, section 4.

    >>> train = torch.tensor([0.1, 0.2, 0.9]).view(3, 1, 1, 1).expand(3, 1, 1, 2)
    >>> image, mask = torch.tensor([[[[0.0, 0.7]]]]), torch.tensor([[False, True]])
    >>> NearestNeighbours(train, k=2).paint(image, mask, patch_size=1)
    tensor([[[[0.0000, 0.1500]]]])
    """

    def __init__(self, train: torch.Tensor, k: int = 5) -> None:
        super().__init__(train)
        check_whole(k=k)
        if k > len(train):
            raise ValueError(f"k={k}: expected 1 to {len(train)}, the number of training images")
        self.k, self.train = k, train.flatten(1)  # (n, P)

    def fill(self, images: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        return self.train[self.neighbours(images, hidden)].mean(dim=1).view_as(images)  # the mean of (B, k, P)

    def neighbours(self, images: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """Return the numbers of the nearest training images, the nearest first: (B, k)."""
        visible = ~hidden.expand_as(images).flatten(1)  # (B, P)
        seen = images.flatten(1).masked_fill(~visible, 0.0).to(self.train.dtype)
        # the square, multiplied out; the term of the image alone is the same for all neighbours
        away = visible.to(seen.dtype) @ self.train.square().T - 2 * seen @ self.train.T  # (B, n)
        return away.topk(self.k, dim=1, largest=False).indices


def _hidden_pixels(images: torch.Tensor, mask: torch.Tensor, patch_size: int) -> torch.Tensor:
    """Return which pixels are hidden, (B, 1, height, width), after a look at all that was handed over."""
    check_images(images)
    check_patches(images, patch_size)
    rows, columns = images.shape[2] // patch_size, images.shape[3] // patch_size
    if mask.dtype != torch.bool or mask.shape != (len(images), rows * columns):
        raise ValueError(
            f"mask is {tuple(mask.shape)} of {mask.dtype}: expected ({len(images)}, {rows * columns}) of torch.bool, "
            "True = hidden; one mask for all images becomes that by mask.expand(len(images), -1)"
        )
    if mask.all(dim=1).any():
        raise ValueError("an image has no visible patch: expected at least one, or there is nothing to start from")
    cells = mask.view(-1, 1, rows, columns)
    return cells.repeat_interleave(patch_size, dim=2).repeat_interleave(patch_size, dim=3)


def fit_classical(
    train_images: torch.Tensor, train_labels: torch.Tensor, test_images: torch.Tensor, test_labels: torch.Tensor
) -> dict[str, float]:
    """Fit two classifiers of scikit-learn to the pixels, and return the share of test images that each names rightly.

    They take an image as a row of pixels, and draw nothing at random. C is the best of three on validation digits.
    Shapes: images (n, C, height, width), labels (n,), int64.
    Raises: ValueError for images or labels that are not such, and test images of another size.
    Taught: notebook 05, section 3.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    check_examples((train_images, train_labels))
    check_examples((test_images, test_labels))
    check_shape(test_images, train_images.shape[1:])
    classifiers = {
        "logistic regression": LogisticRegression(C=10.0, max_iter=5000),
        "support vector machine": SVC(kernel="rbf", gamma="scale", C=10.0),
    }
    rows, asked = train_images.flatten(1).numpy(), test_images.flatten(1).numpy()
    return {
        name: float(each.fit(rows, train_labels.numpy()).score(asked, test_labels.numpy()))
        for name, each in classifiers.items()
    }


class ConvolutionalNetwork(nn.Module):
    """Name what an image shows with two layers of 3 x 3 convolutions: small windows, the same at every place.

    Each layer is followed by a batch norm (Ioffe and Szegedy 2015); between them the largest of each 3 x 3 pixels is
    kept, two pixels apart. Last comes the readout, as in `VisionTransformer`: the mean over all places ("mean"), which
    tells which features there are and not where, or all places side by side ("concat").
    Shapes: images (B, C, height, width) as `image_size` = (C, height, width) says; returns the logits
        (B, num_classes).
    Raises: ValueError for images of another size, a number below 1, and a `pool` that does not exist.
    Taught: notebook 05, section 3.

    >>> network = ConvolutionalNetwork((1, 8, 8))
    >>> network(torch.rand(5, 1, 8, 8)).shape, sum(p.numel() for p in network.parameters())
    (torch.Size([5, 10]), 29290)
    """

    def __init__(
        self, image_size: tuple[int, int, int], width: int = 32, num_classes: int = 10, pool: str = "mean"
    ) -> None:
        super().__init__()
        channels, height, columns = image_size
        if pool not in ("mean", "concat"):
            raise ValueError(f"pool={pool!r}: expected 'mean' or 'concat'")
        check_whole(channels=channels, height=height, columns=columns, width=width, num_classes=num_classes)
        self.image_size = tuple(image_size)
        self.first, self.norm_first = nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width)
        self.second, self.norm_second = nn.Conv2d(width, 3 * width, 3, padding=1), nn.BatchNorm2d(3 * width)
        self.largest, self.pool = nn.MaxPool2d(3, stride=2, padding=1), pool
        places = -(-height // 2) * -(-columns // 2) if pool == "concat" else 1
        self.head = nn.Linear(3 * width * places, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        check_shape(images, self.image_size)
        x = self.largest(self.norm_first(self.first(images)).relu())  # (B, features, rows / 2, columns / 2)
        x = self.norm_second(self.second(x)).relu()  # (B, 3 features, rows / 2, columns / 2)
        return self.head(x.flatten(1) if self.pool == "concat" else x.mean(dim=(2, 3)))
