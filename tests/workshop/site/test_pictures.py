"""The pictures of the README: there, of a size that a reader can load and read, and made again by one command."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lecturelib.__main__ import main
from lecturelib.pretrained.fetch import ready
from tests.browser import lab
from tests.tools import needs
from tests.workshop.site.pages import HOW, MISSING

FOLDER = Path(__file__).parents[3] / ".github"
SIZES = {
    "attention_explorer.webp": (1455, 1296),
    "induction_head.webp": (1455, 1742),
    "patch_playground.webp": (1170, 777),
}
LIMIT = 300_000  # bytes


def told(path: Path) -> tuple[tuple[int, int], int]:
    """Return the size of a picture and its number of frames; hold that they differ and are opaque at the corners."""
    picture: Any
    with Image.open(path) as picture:
        seen = set()
        for n in range(picture.n_frames):
            picture.seek(n)
            frame = picture.convert("RGBA")
            assert frame.getpixel((0, 0)) == frame.getpixel((frame.width - 1, frame.height - 1)) == (255, 255, 255, 255)
            seen.add(frame.tobytes())
        assert len(seen) == picture.n_frames, "a frame is like another: the pointer met nothing"
        return picture.size, picture.n_frames


@pytest.mark.parametrize(("name", "size"), SIZES.items())
def test_a_picture_is_there(name, size):
    assert (FOLDER / name).stat().st_size <= LIMIT
    found, frames = told(FOLDER / name)
    assert found == size and 8 <= frames <= 16


@pytest.mark.platform
@needs(not (lab.MISSING or MISSING), f"{lab.HOW}; {HOW}")
def test_one_command_makes_them_again(tmp_path):
    assert main(["film", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == set(SIZES)
    for name in SIZES:
        assert told(tmp_path / name)[1] == told(FOLDER / name)[1]


@needs(ready("smollm2"), "run `lecture fetch smollm2`")
def test_the_stored_maps_are_those_of_the_model():
    from lecturelib.workshop.site import exhibits

    made = exhibits.measured_maps()
    with np.load(exhibits.MAPS) as stored:
        assert stored["tokens"].tolist() == made["tokens"].tolist()
        past = np.tril(np.ones(stored["scores"].shape[-2:], dtype=bool))
        np.testing.assert_allclose(stored["scores"][..., past], made["scores"][..., past], atol=0.05)


@needs(not MISSING, HOW)
def test_a_folder_that_is_not_there_is_refused(tmp_path, capsys):
    assert main(["film", str(tmp_path / "none")]) == 2
    assert "is no folder: expected one that is there" in capsys.readouterr().err


@needs(not MISSING, HOW)
def test_pictures_that_are_too_large_are_not_written(tmp_path, capsys, monkeypatch):
    from lecturelib.workshop.site import pictures

    monkeypatch.setattr(pictures, "chromium", nullcontext)
    monkeypatch.setattr(pictures, "record", lambda *_: bytes(LIMIT + 1))
    assert main(["film", str(tmp_path)]) == 1
    assert "attention_explorer.webp has 300,001 bytes" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
