"""The badges and the install cell come from one address and reach no host by themselves."""

import base64
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lecturelib.pretrained.fetch import RELEASES
from lecturelib.workshop.notebooks import NOTEBOOKS
from lecturelib.workshop.publish.stamp import (
    MODELS,
    Repository,
    badges,
    install,
    repository,
    stamp_readme,
)

BINDER = "https://mybinder.org/v2/gh/me/mine/main?urlpath=lab/tree/notebooks/01_x.ipynb"
COLAB = "https://colab.research.google.com/github/me/mine/blob/main/notebooks/01_x.ipynb"
MINE = Repository("me/mine")


def write_address(folder: Path, url: str) -> Path:
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "x"\n[project.urls]\nRepository = "{url}"\n', encoding="utf-8"
    )
    return folder


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://github.com/me/mine", MINE),
        ("https://github.com/me/my.course_2", Repository("me/my.course_2")),
        ("https://github.com/me/mine/tree/v1.2-rc", Repository("me/mine", "v1.2-rc")),
    ],
)
def test_the_address_is_read_from_the_project_file(tmp_path, url, expected):
    assert repository(write_address(tmp_path, url)) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://example.org/me/mine",
        "https://github.com/me",
        "https://github.com/me/mine.git",
        "https://github.com/me/mine/tree/a/branch",
    ],
)
def test_another_kind_of_address_is_refused(tmp_path, url):
    with pytest.raises(ValueError, match=re.escape(f"{url!r}: expected https://github.com/NAME/NAME, or ")):
        repository(write_address(tmp_path, url))


def test_the_pictures_of_the_badges_stand_in_the_text():
    found = re.findall(r"\[!\[(.+?)\]\((.+?)\)\]\((.+?)\)", badges(MINE, "01_x"))
    assert [(alt, link) for alt, _, link in found] == [("Open in Binder", BINDER), ("Open in Colab", COLAB)]
    for _, picture, _ in found:
        svg = base64.b64decode(picture.removeprefix("data:image/svg+xml;base64,"))
        assert b"href" not in svg and svg.count(b"http") == 1  # only the name of the SVG language, which nobody fetches


def test_the_install_cell_is_short_and_leaves_other_packages_alone():
    lines = install(MINE).splitlines()
    assert len(lines) <= 5
    (command,) = [line.strip() for line in lines if "pip" in line]
    *options, archive = command.split(maxsplit=8)
    assert options == ["%pip", "install", "-q", "--no-deps", "anywidget", "psygnal", "babel", "safetensors"]
    assert archive == '"lecturelib @ https://github.com/me/mine/archive/main.zip"'


def test_the_cell_of_a_notebook_with_models_also_fetches_them():
    plain, *more = install(MINE, "09_foundation_models").splitlines()[3:]
    assert plain == install(MINE).splitlines()[3].replace("safetensors", "safetensors gguf")
    assert [each.split() for each in more] == [["!lecture", "fetch", *RELEASES]]
    assert set(MODELS) <= {path.stem for path in NOTEBOOKS.glob("*.ipynb")}


@pytest.mark.parametrize(("setup", "installs"), [("", False), ("sys.modules['google.colab'] = sys", True)])
def test_the_install_cell_acts_on_colab_only(setup, installs):
    source = re.sub(r"%pip.*", "print('installs')", install(MINE))
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{setup}\n{source}"], capture_output=True, text=True, check=True
    )
    assert (done.stdout.strip() == "installs") == installs


def test_any_text_between_the_address_markers_gets_the_address():
    text = (
        "https://github.com/old/place\n<!-- address -->\n@misc{x, url = {https://github.com/old/place}}\n"
        "git clone https://github.com/old/place.git \\1\n[wrong?](https://github.com/old/place/issues). "
        "See https://github.com/old/place.\n<!-- /address -->\n"
    )
    outside, inside = text.split("\n", maxsplit=1)
    stamped = stamp_readme(text, Repository("me/my.course", "master"), "01_x")
    assert stamped == f"{outside}\n{inside.replace('old/place', 'me/my.course')}"
    assert stamp_readme(stamped, Repository("old/place"), "01_x") == text


@pytest.mark.parametrize(
    ("text", "lone"),
    [
        ("<!-- badges -->\n", "<!-- badges -->"),
        ("x <!-- /address -->", "<!-- /address -->"),
    ],
)
def test_a_marker_without_its_other_half_is_refused(text, lone):
    with pytest.raises(ValueError, match=re.escape(f"README.md has a {lone} without its other half: expected")):
        stamp_readme(text, MINE, "01_x")
