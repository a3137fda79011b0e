"""Photographs that come with scikit-image and scikit-learn, and small squares cut out of them.

Source: `skimage.data` (astronaut, camera, brick, grass, gravel, coins, coffee, rocket, hubble, retina, chelsea) and
    `sklearn.datasets.load_sample_image` (china, flower). They lie on disk; nothing is downloaded.
Licence: public domain or CC0, as the docstrings of `skimage.data` say one by one; china and flower CC BY 2.0, by
    danielbuechele and vultilion (README.txt beside the pictures).
Size: 13 photographs, 0.1 to 2 million pixels each. Two of them, a cat (chelsea) and a flower, are held out: no model
    of this course is trained on any pixel of theirs.
"""

import functools

import numpy as np

from lecturelib.edges import check_whole

TRAINING = ("astronaut", "brick", "camera", "china", "coffee", "coins", "grass", "gravel", "hubble", "retina", "rocket")
HELD_OUT = ("chelsea", "flower")
_BY_SKLEARN = {"china": "china.jpg", "flower": "flower.jpg"}
_BY_SKIMAGE = {"hubble": "hubble_deep_field"}  # where the name differs


def photo(name: str) -> np.ndarray:
    """Return a photograph; a gray one with three equal channels.

    Shapes: returns (3, height, width), float32 from 0 to 1.
    Raises: ValueError for an unknown name.

    >>> photo("chelsea").shape
    (3, 300, 451)
    """
    return _pixels(name).astype(np.float32) / 255


@functools.cache
def _pixels(name: str) -> np.ndarray:
    """Return a photograph in bytes, a quarter of the room: only these are kept."""
    if name not in TRAINING + HELD_OUT:
        raise ValueError(f"photo {name!r} is unknown: expected one of {', '.join(TRAINING + HELD_OUT)}")
    if name in _BY_SKLEARN:
        from sklearn.datasets import load_sample_image

        pixels = load_sample_image(_BY_SKLEARN[name])
    else:
        import skimage.data

        pixels = getattr(skimage.data, _BY_SKIMAGE.get(name, name))()
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


@functools.cache
def reduced(name: str, factor: int) -> np.ndarray:
    """Return a photograph made smaller: each pixel is the mean of a square of `factor` x `factor`.

    Shapes: returns (3, height // factor, width // factor); what is left at the right and the bottom is cut off.
    Raises: ValueError for an unknown name, and a factor that is not whole or below 1.

    >>> reduced("chelsea", 4).shape
    (3, 75, 112)
    """
    check_whole(factor=factor)
    _, height, width = _pixels(name).shape
    cut = photo(name)[:, : height // factor * factor, : width // factor * factor]
    found = cut.reshape(3, height // factor, factor, width // factor, factor).mean(axis=(2, 4))
    found.flags.writeable = False
    return found


def crops(n: int, *, size: int, held_out: bool, seed: int, finest: int = 1, coarsest: int = 3,
          varied: bool = False, only: str | None = None) -> np.ndarray:  # fmt: skip
    """Cut n squares out of the photographs: of the two held-out ones, or of all the others; or of `only` one of these.

    For each, a photograph is drawn, then how much it is reduced (by `finest`, 1 is not at all, up to `coarsest`),
    then the place. If `varied`, half of them are mirrored, half turned about the diagonal, and half draw an order of
    their three colors anew (one draw in six is the old order).
    Shapes: returns (n, 3, size, size), float32 from 0 to 1.
    Raises: ValueError for a count below 1, a size that does not fit into the smallest photograph so reduced, and
        numbers that are not whole.

    >>> crops(2, size=32, held_out=True, seed=0).shape
    (2, 3, 32, 32)
    """
    part = HELD_OUT if held_out else TRAINING
    names = part if only is None else (only,)
    if not set(names) <= set(part):
        raise ValueError(f"only={only!r}: expected one of {', '.join(part)}")
    check_whole(n=n, size=size, finest=finest)
    check_whole(finest, coarsest=coarsest)
    check_whole(0, seed=seed)
    smallest = min(min(_pixels(name).shape[1:]) for name in names) // coarsest
    if size > smallest:
        raise ValueError(
            f"size={size}: expected a side from 1 to {smallest} pixels, that of the smallest photograph reduced by "
            f"{coarsest}; ask for smaller squares or a smaller coarsest"
        )
    rng = np.random.default_rng(seed)
    found = np.empty((n, 3, size, size), np.float32)
    for row in found:
        name, factor = names[rng.integers(len(names))], int(rng.integers(finest, coarsest + 1))
        picture = reduced(name, factor) if factor > 1 else _pixels(name)
        i, j = (int(rng.integers(side - size + 1)) for side in picture.shape[1:])
        square = picture[:, i : i + size, j : j + size]
        if varied:
            mirrored, turned, exchanged = rng.random(3) < 0.5
            square = square[:, :, ::-1] if mirrored else square
            square = square.transpose(0, 2, 1) if turned else square
            square = square[rng.permutation(3)] if exchanged else square
        row[:] = square if factor > 1 else square.astype(np.float32) / 255
    return found
