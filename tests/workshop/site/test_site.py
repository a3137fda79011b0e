"""The site as a whole, built from what is stored. Sphinx warns of dead links; tests/browser asks who fetches what."""

import re
import shutil
from pathlib import Path

import nbformat
import pytest

from lecturelib.__main__ import main
from lecturelib.workshop import Failed
from lecturelib.workshop.replicate.table import digests, place, read, shown_claims
from tests.tools import needs
from tests.workshop.site.pages import HOW, MISSING, page, prose

pytestmark = [
    pytest.mark.platform,
    needs(not MISSING, HOW),
    pytest.mark.filterwarnings("ignore:.*Check CHANGES for Sphinx API"),  # they are myst-parser's
]

ROOT = Path(__file__).parents[3]
BOOKS = {path.stem: nbformat.read(path, as_version=4) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    from lecturelib.workshop.site.build import build

    out = tmp_path_factory.mktemp("site") / "out"
    build(out)
    return out


def test_the_front_page_is_the_readme(site):
    links = {each["href"] for each in page(site / "index.html")("a")}
    assert {f"{name}.html" for name in (*BOOKS, "replication")} <= links
    assert any(href.endswith("/blob/main/.github/CONTRIBUTING.md") for href in links)
    assert "badges" not in prose(site / "index.html") and "toctree" not in prose(site / "index.html")


@pytest.mark.parametrize("name", BOOKS)
def test_a_page_holds_what_its_notebook_holds(site, name):
    shown = page(site / f"{name}.html")
    outputs = [output.get("data", {}) for cell in BOOKS[name].cells for output in cell.get("outputs", [])]
    pictures = shown("img")
    badges = [each for each in pictures if each["alt"].startswith("Open in ")]
    assert len(badges) == 2 and len(pictures) - 2 == sum("image/png" in data for data in outputs)
    assert all(each["alt"] for each in pictures)
    written = [cell.source for cell in BOOKS[name].cells if cell.cell_type == "markdown"]
    folds = sum(part.count("<details") for part in written + [data.get("text/html", "") for data in outputs])
    hidden = [each for each in shown("details") if "hide" in each.get("class", "")]
    assert len(shown("details")) - len(hidden) == folds > 0 and hidden  # imports
    assert "google.colab" not in shown.get_text()  # the cell for Colab
    assert shown("math") or "$" not in "".join(written)
    assert not re.search(r"\$|\\[a-z(\[]", prose(site / f"{name}.html")), "a formula is shown as it is written"


def test_a_page_says_how_often_each_claim_held(site):
    held = [len(shown_claims(nb)) for name, nb in BOOKS.items() if read(place(name))["cells"] == digests(nb)]
    assert len(re.findall(r"\d+ of \d+", prose(site / "replication.html"))) >= sum(held) > 0


def test_a_warning_of_sphinx_stops_the_build(tmp_path, capsys):
    from lecturelib.workshop.site import build

    shutil.copytree(build.HERE / "static", tmp_path / "source/_static")
    (tmp_path / "source/index.md").write_text("# One\n\n[nowhere](nothing.md)\n")
    with pytest.raises(Failed):
        build.sphinx(tmp_path / "source", tmp_path / "made")
    assert "nothing.md" in capsys.readouterr().err


# ---- the folder ----


@pytest.fixture
def quick(monkeypatch):
    """Build without exhibits and without Sphinx: two pages, one in a folder."""
    from lecturelib.workshop.site import build

    def made(source, made):
        for name in ("search.html", "part/page.html", build.MARK):
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_text("<head></head>new")

    monkeypatch.setattr(build, "exhibits", list)
    monkeypatch.setattr(build, "write_sources", lambda *_: None)
    monkeypatch.setattr(build, "sphinx", made)
    return build


def test_only_pages_of_a_site_are_replaced_and_a_build_that_fails_replaces_none(quick, tmp_path, monkeypatch, capsys):
    """In a checkout of git, and in a site to which somebody added a page."""
    mine = [tmp_path / name for name in (".git/config", "CNAME", "mine.html")]
    (tmp_path / ".git").mkdir()
    for path in mine[:2]:
        path.write_text("mine")
    quick.build(tmp_path)
    mine[2].write_text("mine")
    (tmp_path / "search.html").write_text("old")

    def fail(*_):
        raise Failed("the site was not built")

    with monkeypatch.context() as broken:
        broken.setattr(quick, "sphinx", fail)
        assert main(["site", str(tmp_path)]) == 1
    assert (tmp_path / "search.html").read_text() == "old"
    quick.build(tmp_path)
    assert "new" in (tmp_path / "search.html").read_text() and (tmp_path / "part/page.html").exists()
    assert {path.read_text() for path in mine} == {"mine"}
    (tmp_path / quick.MARK).unlink()
    assert main(["site", str(tmp_path)]) == 2
    assert f"{tmp_path} is there, and holds no site: expected a new folder" in capsys.readouterr().err
