"""The badges and the install cell come from one address and reach no host by themselves."""

import base64
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lecturelib.publish.stamp import badges, install, repository, stamp_notebook, stamp_readme

BINDER = "https://mybinder.org/v2/gh/me/mine/main?urlpath=lab/tree/notebooks/01_x.ipynb"
COLAB = "https://colab.research.google.com/github/me/mine/blob/main/notebooks/01_x.ipynb"


def write_address(folder: Path, url: str) -> Path:
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "x"\n[project.urls]\nRepository = "{url}"\n', encoding="utf-8"
    )
    return folder


def test_the_address_is_read_from_the_project_file(tmp_path):
    assert repository(write_address(tmp_path, "https://github.com/me/mine")) == "me/mine"


@pytest.mark.parametrize("url", ["", "me/mine", "https://example.org/me/mine", "https://github.com/me/mine/tree/main"])
def test_another_kind_of_address_is_refused(tmp_path, url):
    with pytest.raises(ValueError, match=re.escape(f"{url!r}: expected https://github.com/NAME/NAME; write")):
        repository(write_address(tmp_path, url))


def test_badges_link_to_the_notebook_and_hold_their_pictures():
    found = re.findall(r"\[!\[(.+?)\]\((.+?)\)\]\((.+?)\)", badges("me/mine", "01_x"))
    assert [(alt, link) for alt, _, link in found] == [("Open in Binder", BINDER), ("Open in Colab", COLAB)]
    for _, picture, _ in found:
        svg = base64.b64decode(picture.removeprefix("data:image/svg+xml;base64,"))
        assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
        assert b"href" not in svg and svg.count(b"http") == 1  # only the name of the SVG language, which nobody fetches


def test_the_install_cell_is_short_and_leaves_other_packages_alone():
    lines = install("me/mine").splitlines()
    assert len(lines) <= 5
    (command,) = [line.strip() for line in lines if "pip" in line]
    *options, archive = command.split(maxsplit=8)
    assert options == ["%pip", "install", "-q", "--no-deps", "anywidget", "psygnal", "babel", "safetensors"]
    assert archive == '"lecturelib @ https://github.com/me/mine/archive/refs/heads/main.zip"'


@pytest.mark.parametrize(("setup", "installs"), [("", False), ("sys.modules['google.colab'] = sys", True)])
def test_the_install_cell_acts_on_colab_only(setup, installs):
    source = re.sub(r"%pip.*", "print('installs')", install("me/mine"))
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{setup}\n{source}"], capture_output=True, text=True, check=True
    )
    assert (done.stdout.strip() == "installs") == installs


def test_stamps_stand_behind_the_title_and_are_replaced():
    title, end = new_markdown_cell("# Title"), new_code_cell("x", execution_count=2)
    once = stamp_notebook(new_notebook(cells=[title, end]), "old/place", "01_x")
    once.cells[2].execution_count = 1
    twice = stamp_notebook(once, "me/mine", "01_x")
    assert [cell.source for cell in twice.cells] == [
        "# Title",
        badges("me/mine", "01_x"),
        install("me/mine"),
        "x",
    ]
    assert [cell.metadata.get("tags") for cell in twice.cells[1:3]] == [
        ["stamped-badges"],
        ["stamped-install"],
    ]
    assert all(cell.metadata.slideshow.slide_type == "skip" for cell in twice.cells[1:3])
    assert twice.cells[2].execution_count == 1


def test_the_readme_is_stamped_between_its_markers_only():
    text = "before\n<!-- badges -->\nold\n<!-- /badges -->\nafter\n"
    stamped = stamp_readme(text, "me/mine", "01_x")
    assert stamped.startswith("before\n<!-- badges -->\n[![") and stamped.endswith("\n<!-- /badges -->\nafter\n")
    assert f"({BINDER})" in stamped and f"({COLAB})" in stamped and "old" not in stamped
    assert stamp_readme(stamped, "me/mine", "01_x") == stamped


def test_the_readmes_pictures_are_files_of_the_repository():
    stamped = stamp_readme("<!-- badges -->\n<!-- /badges -->", "me/mine", "01_x")
    pictures = re.findall(r"!\[.+?\]\((.+?)\)", stamped)
    assert len(pictures) == 2 and all((Path(__file__).parents[2] / picture).is_file() for picture in pictures)


def test_a_readme_without_markers_stays_as_it_is():
    assert stamp_readme("# Title\n", "me/mine", "01_x") == "# Title\n"
