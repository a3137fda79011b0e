"""Two larger sets of images, for those who want to go on: Fashion-MNIST and CIFAR-10. No notebook needs them.

Nothing is fetched before `openml` is called. Then scikit-learn's `fetch_openml` downloads the set from
www.openml.org, once, and keeps the file in a folder; later calls read it there, without a network.

Source: OpenML data sets 40996 (Fashion-MNIST: Xiao, Rasul and Vollgraf 2017, articles of Zalando) and 40927
    (CIFAR-10: Krizhevsky 2009, small photographs from the web).
Licence: Fashion-MNIST MIT (Zalando SE). The authors of CIFAR-10 name none.
Size: 70,000 gray images of 28 x 28 pixels, and 60,000 color images of 32 x 32; tens and hundreds of MB to download.
    The file is text, and a parser in plain Python reads it at each call: half a minute for Fashion-MNIST, one and a
    half for CIFAR-10 (two million numbers a second). While it reads, a number takes 16 bytes: 0.9 GB of memory for
    Fashion-MNIST and 3 GB for CIFAR-10, too much for Binder. What is returned takes 0.2 and 0.7 GB.
"""

from __future__ import annotations

import warnings
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Source(NamedTuple):
    """A set on OpenML: its number, the shape (C, height, width) of an image, and what its labels 0, 1, ... mean."""

    number: int
    image: tuple[int, int, int]
    classes: tuple[str, ...]


SOURCES = {
    "fashion_mnist": Source(
        40996,
        (1, 28, 28),
        ("T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"),
    ),
    "cifar_10": Source(
        40927,
        (3, 32, 32),
        ("airplane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    ),
}


def openml(name: str, folder: Path | str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return all images of a set and their labels, in the order of the file.

    `folder` is where the download is kept; None is scikit-learn's own, scikit_learn_data in the home directory.
    A set comes whole: split it yourself.
    Shapes: images (n, C, height, width), float32 from 0 to 1; labels (n,), int64, places in `SOURCES[name].classes`.
    Raises: ValueError for an unknown name, and a file that is damaged or holds something else; OSError where the set
        is not in the folder and cannot be fetched.
    """
    if name not in SOURCES:
        raise ValueError(f"no set is called {name!r}: expected one of {', '.join(SOURCES)}")
    from sklearn.datasets import fetch_openml

    source = SOURCES[name]
    what = f"{name} (data set {source.number} of www.openml.org)"
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="A network error occurred")  # said better below
            found = fetch_openml(
                data_id=source.number,
                as_frame=False,
                parser="liac-arff",
                data_home=None if folder is None else str(folder),
            )
    except (OSError, HTTPException) as problem:
        raise OSError(
            f"{what} could not be fetched ({problem}). No notebook needs it. With a network, try again; without one, "
            "fetch it elsewhere and hand over the folder: openml(name, folder=...)"
        ) from None
    except (ValueError, KeyError) as problem:
        raise ValueError(
            f"{what} cannot be read ({problem}): expected the file as OpenML publishes it; remove what the folder "
            "holds of it, and fetch it again"
        ) from None
    return _images(found.data, what, source), _labels(found.target, what, source)


def _images(rows: np.ndarray, what: str, source: Source) -> np.ndarray:
    """Turn rows of pixels from 0 to 255, channel by channel and row by row, into images from 0 to 1."""
    numbers = int(np.prod(source.image))
    if rows.ndim != 2 or rows.shape[1] != numbers or not len(rows):
        raise ValueError(f"{what} has the shape {rows.shape}: expected rows of {numbers} pixels; fetch it again")
    low, high = rows.min(), rows.max()
    if not (low >= 0 and 1 < high <= 255):
        raise ValueError(f"{what} has pixels from {low:g} to {high:g}: expected 0 to 255; fetch it again")
    images = rows.astype(np.float32).reshape(-1, *source.image)
    images /= 255
    return images


def _labels(target: np.ndarray, what: str, source: Source) -> np.ndarray:
    """Turn labels, which come as text, into numbers."""
    names = sorted(set(target) - {str(k) for k in range(len(source.classes))}, key=str)
    if names:
        raise ValueError(f"{what} has labels {names[:5]}: expected '0' to '{len(source.classes) - 1}'; fetch it again")
    return target.astype(np.int64)
