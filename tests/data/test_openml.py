"""OpenML's sets: read from a small file in OpenML's own format, and no word to the network unless asked."""

import gzip
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import _openml as fetching

from lecturelib.data import openml

COUNT = 11


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(fetching.time, "sleep", lambda seconds: None)


def numbers(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels that are all over 0 to 255, and a label of each kind."""
    rng = np.random.default_rng(1)
    size = int(np.prod(openml.SOURCES[name].image))
    return rng.integers(256, size=(COUNT, size)), np.arange(COUNT) % 10


def put(folder: Path, name: str, pixels: np.ndarray, labels: np.ndarray, checksum: str | None = None) -> None:
    """Write what OpenML would send, in the places where scikit-learn looks for it."""
    number = openml.SOURCES[name].number
    columns = [f"pixel{k + 1}" for k in range(pixels.shape[1])]
    kinds = sorted({str(each) for each in labels})
    lines = [f"@RELATION {name}", ""]
    lines += [f"@ATTRIBUTE {column} REAL" for column in columns]
    lines += [f"@ATTRIBUTE class {{{','.join(kinds)}}}", "", "@DATA"]
    lines += [",".join(map(str, [*row, label])) for row, label in zip(pixels.tolist(), labels.tolist(), strict=True)]
    arff = ("\n".join(lines) + "\n").encode()
    features: list[dict[str, object]] = [
        {"index": str(k), "name": column, "data_type": "numeric", "is_target": "false", "is_ignore": "false",
         "is_row_identifier": "false", "number_of_missing_values": "0"}
        for k, column in enumerate(columns)
    ]  # fmt: skip
    features.append({**features[0], "index": str(len(columns)), "name": "class", "data_type": "nominal",
                     "nominal_value": kinds, "is_target": "true"})  # fmt: skip
    about = {
        "id": str(number), "name": name, "version": "1", "format": "ARFF", "status": "active", "file_id": "77",
        "description": "small", "url": "https://www.openml.org/data/v1/download/77/small.arff",
        "md5_checksum": checksum or hashlib.md5(arff).hexdigest(),
    }  # fmt: skip
    sent = {
        f"api/v1/json/data/{number}": json.dumps({"data_set_description": about}).encode(),
        f"api/v1/json/data/features/{number}": json.dumps({"data_features": {"feature": features}}).encode(),
        f"api/v1/json/data/qualities/{number}": json.dumps(
            {"data_qualities": {"quality": [{"name": "NumberOfInstances", "value": str(len(pixels))}]}}
        ).encode(),
        "data/v1/download/77/small.arff": arff,
        "data/v1/download/77": arff,  # where versions before 1.7 look
    }
    for where, text in sent.items():
        path = folder / "openml" / "openml.org" / f"{where}.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text))


@pytest.mark.parametrize("name", openml.SOURCES)
def test_rows_become_images_channel_by_channel_and_row_by_row(tmp_path, name):
    pixels, labels = numbers(name)
    put(tmp_path, name, pixels, labels)
    images, found = openml.openml(name, folder=tmp_path)
    channels, height, width = openml.SOURCES[name].image
    assert images.shape == (COUNT, channels, height, width) and images.dtype == np.float32
    assert found.dtype == np.int64 and found.tolist() == labels.tolist()
    assert len(openml.SOURCES[name].classes) == 10
    for n in range(COUNT):
        for c in range(channels):
            for i, j in ((0, 0), (0, 1), (1, 0), (height - 2, 3), (5, width - 1)):
                assert images[n, c, i, j] == pytest.approx(pixels[n, (c * height + i) * width + j] / 255)
    assert images.min() == 0 and images.max() == 1


def test_the_sets_have_the_sizes_that_they_are_known_for():
    assert {name: source[:2] for name, source in openml.SOURCES.items()} == {
        "fashion_mnist": (40996, (1, 28, 28)),
        "cifar_10": (40927, (3, 32, 32)),
    }


def test_importing_does_not_even_load_what_would_fetch():
    code = "import sys, lecturelib.data.openml; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_without_a_network_the_error_says_what_to_do(tmp_path, recwarn):
    with pytest.raises(OSError) as refusal:
        openml.openml("fashion_mnist", folder=tmp_path)
    words = ["fashion_mnist", "40996 of www.openml.org", "No notebook needs it", "try again", "folder=..."]
    assert not [word for word in words if word not in str(refusal.value)], refusal.value
    assert not recwarn.list


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="no set is called 'mnist': expected one of fashion_mnist, cifar_10"):
        openml.openml("mnist")


@pytest.mark.filterwarnings("ignore:Invalid cache")
def test_a_damaged_file_is_refused(tmp_path):
    pixels, labels = numbers("fashion_mnist")
    put(tmp_path, "fashion_mnist", pixels, labels, checksum="0" * 32)
    with pytest.raises((ValueError, OSError), match=r"fashion_mnist \(data set 40996 .*fetch it"):
        openml.openml("fashion_mnist", folder=tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x, y: (x[:, 1:], y), ["(11, 783)", "rows of 784 pixels"]),
        (lambda x, y: (x + 1, y), ["1 to 256", "0 to 255"]),
        (lambda x, y: (x - 1, y), ["-1 to 254", "0 to 255"]),
        (lambda x, y: (x // 255, y), ["0 to 1", "0 to 255"]),
        (lambda x, y: (x, y + 1), ["labels ['10']", "'0' to '9'"]),
        (lambda x, y: (x, np.array([*"abcdefghijk"])), ["labels ['a', 'b'", "'0' to '9'"]),
    ],
)
def test_something_else_in_the_file_is_refused(tmp_path, change, words):
    put(tmp_path, "fashion_mnist", *change(*numbers("fashion_mnist")))
    with pytest.raises(ValueError) as refusal:
        openml.openml("fashion_mnist", folder=tmp_path)
    assert not [word for word in words if word not in str(refusal.value)], refusal.value
