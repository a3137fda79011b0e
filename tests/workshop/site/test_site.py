"""The site as a whole: built from what is stored, without a network, and every link in it leads somewhere."""

import re
import shutil
from pathlib import Path

import nbformat
import pytest

from lecturelib.__main__ import main
from lecturelib.workshop import Failed
from lecturelib.workshop.replicate.table import digests, place, read, shown_claims
from tests.tools import needs
from tests.workshop.site.pages import HOW, MISSING, Page, dead, foreign, pages

pytestmark = [
    pytest.mark.platform,
    needs(not MISSING, HOW),
    pytest.mark.filterwarnings("ignore:.*Check CHANGES for Sphinx API"),  # they are myst-parser's
]

ROOT = Path(__file__).parents[3]
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    from lecturelib.workshop.site.build import build

    out = tmp_path_factory.mktemp("site") / "out"
    build(out)
    assert [path.name for path in out.parent.iterdir()] == ["out"]  # nothing else is left
    return out


def cells(name: str, kind: str) -> list[nbformat.NotebookNode]:
    return [c for c in nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4).cells if c.cell_type == kind]


def test_every_link_and_picture_leads_somewhere(site):
    assert dead(site) == []
    assert sum(len(list(page.addresses())) for page in pages(site).values()) > 500


def test_nothing_is_fetched_from_another_host(site):
    assert foreign(site) == []


def test_a_dead_link_and_a_foreign_host_would_be_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<a href="b.html"></a><a href="#no"></a><a id="yes" href="#yes"></a><img src="https://x.org/i.png">'
        '<link href="//x.org/s.css"><a href="https://x.org"></a>'
    )
    (tmp_path / "s.css").write_text("@font-face { src: url(https://x.org/f.woff) }")
    assert len(dead(tmp_path)) == 2 and len(foreign(tmp_path)) == 3


def test_each_notebook_is_a_page_between_its_neighbours(site):
    names = ["index", *NOTEBOOKS, "exhibits", "replication"]
    for before, name, after in zip(names[:-2], names[1:-1], names[2:], strict=True):
        ends = [a for a in Page(site / f"{name}.html").named("a") if re.search(r"(next|prev)-page", a.get("class", ""))]
        assert {a["href"] for a in ends} == {f"{before}.html", f"{after}.html"}, name


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_page_holds_what_its_notebook_holds(site, name):
    page = Page(site / f"{name}.html")
    text = (site / f"{name}.html").read_text(encoding="utf-8")
    outputs = [output for cell in cells(name, "code") for output in cell.outputs]
    stored = sum("image/png" in output.get("data", {}) for output in outputs)
    badges = [each for each in page.named("img") if each.get("alt", "").startswith("Open in ")]
    assert len(badges) == 2 and len(page.named("img")) - 2 == stored
    assert all(each.get("alt") for each in page.named("img"))
    written = [cell.source for cell in cells(name, "markdown")]
    shown = [output.get("data", {}).get("text/html", "") for output in outputs]
    folded = [each for each in page.named("details") if "hide" not in each.get("class", "")]
    assert len(folded) == sum(part.count("<details") for part in written + shown) > 0
    assert len(page.named("details")) > len(folded)  # imports
    assert "google.colab" not in text  # the cell for Colab
    assert page.named("math") or "$" not in "".join(written)
    assert not re.search(r"\$|\\[a-z(\[]", page.prose), "a formula is shown as it is written"


def test_every_interactive_figure_lives_or_says_why_not(site):
    lives, waits = [], 0
    for name in NOTEBOOKS:
        page = Page(site / f"{name}.html")
        lives += [(name, each["data-exhibit"]) for each in page.named("figure") if "data-exhibit" in each]
        waits += page.prose.count("A picture of an interactive figure")
    said = [
        output.get("data", {}).get("text/plain", "")
        for name in NOTEBOOKS
        for cell in cells(name, "code")
        for output in cell.outputs
    ]
    assert len(lives) + waits == sum(each.startswith("Interactive figure: ") for each in said)
    assert lives == [
        ("04_transformers", "characters"),
        ("06_masked_autoencoder", "hidden_digits"),
        ("09_foundation_models", "circuit"),
    ]
    together = [each["data-exhibit"] for each in Page(site / "exhibits.html").named("figure")]
    assert together == ["characters", "circuit", "hidden_digits", "hidden_photos", "printed_digits"]


def test_a_page_says_how_often_each_claim_held(site):
    page, held = Page(site / "replication.html"), 0
    for name in NOTEBOOKS:
        table = read(place(name))
        nb = nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4)
        if table["cells"] == digests(nb):
            held += len(shown_claims(nb))
            assert f"{name}.html" in {a["href"] for a in page.named("a")}
    assert len(re.findall(r"\d+ of \d+", page.prose)) >= held


def test_the_front_page_is_the_readme(site):
    page = Page(site / "index.html")
    links = {a["href"] for a in page.named("a")}
    assert {f"{name}.html" for name in NOTEBOOKS} | {"exhibits.html"} <= links
    assert any(href.endswith("/blob/main/.github/CONTRIBUTING.md") for href in links)
    assert "badges" not in page.prose and "toctree" not in page.prose


def test_a_warning_of_sphinx_stops_the_build(tmp_path):
    from lecturelib.workshop.site.build import STATIC, _sphinx

    source = tmp_path / "source"
    shutil.copytree(STATIC, source / "_static")
    (source / "index.md").write_text("# One\n\n[nowhere](nothing.md)\n")
    for _ in range(2):  # and one build leaves nothing behind that the next would warn of
        with pytest.raises(Failed) as failed:
            _sphinx(source, tmp_path / "made", tmp_path / "cache")
        assert "nothing.md" in str(failed.value) and str(failed.value).count("WARNING") == 1


def test_what_a_notebook_brings_with_it_runs_nothing(site):
    """Only the theme's own script may stand in a page, by its digest; `tests/browser/test_site.py` tries it."""
    for path in site.rglob("*.html"):
        (policy,) = [
            each["content"] for each in Page(path).named("meta") if "http-equiv" in each and "Sec" in each["http-equiv"]
        ]
        (scripts,) = [part.split() for part in policy.split("; ") if part.startswith("script-src ")]
        assert scripts[1:3] == ["'self'", "blob:"] and [each[:8] for each in scripts[3:]] == ["'sha256-"]
        assert "object-src 'none'" in policy


@pytest.fixture
def quick(monkeypatch):
    """Build without exhibits and without Sphinx: two pages, one in a folder."""
    from lecturelib.workshop.site import build

    def made(source, made, cache):
        for name in ("search.html", "part/page.html"):
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_text("<head></head>new")

    monkeypatch.setattr(build, "exhibits", list)
    monkeypatch.setattr(build, "write_sources", lambda *_: None)
    monkeypatch.setattr(build, "_sphinx", made)
    return build


NEW = {".site", "search.html", "part/page.html"}


def there(folder) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_of_an_older_site_only_its_own_files_are_replaced(quick, tmp_path):
    out = tmp_path / "out"
    quick.build(out)
    old = {"old/gone.html", "part/gone.html"}
    for name in old:
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text("old")
    (out / ".site").write_text("\n".join(sorted(NEW - {".site"} | old)) + "\n")
    foreign = {".git/config", "CNAME", "mine.html", "part/mine.html"}
    for name in foreign:
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text("mine")
    (out / "search.html").write_text("old")
    quick.build(out)
    assert there(out) == NEW | foreign and not (out / "old").exists()
    assert "new" in (out / "search.html").read_text()
    assert {(out / name).read_text() for name in foreign} == {"mine"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_checkout_of_git_without_pages_may_take_a_site(quick, tmp_path):
    for name in (".git/config", "CNAME"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    quick.build(tmp_path)
    assert there(tmp_path) == NEW | {".git/config", "CNAME"}


def test_a_build_that_is_interrupted_can_be_done_again(quick, tmp_path, monkeypatch):
    out = tmp_path / "out"
    quick.build(out)
    with monkeypatch.context() as broken:

        def fail(*_):
            raise OSError("the disk is full")

        broken.setattr(quick.os, "replace", fail)
        with pytest.raises(OSError, match="full"):
            quick.build(out)
    (out / "part" / "page.html").unlink()  # as far as it came
    quick.build(out)
    assert there(out) == NEW


def test_a_build_that_fails_leaves_the_older_site(quick, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    quick.build(out)
    (out / "search.html").write_text("old")

    def fail(*_):
        raise Failed("the site was not built:\na warning")

    monkeypatch.setattr(quick, "_sphinx", fail)
    assert main(["site", str(out)]) == 1
    assert "a warning" in capsys.readouterr().err
    assert (out / "search.html").read_text() == "old" and [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_with_something_else_is_refused(quick, tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine")
    assert main(["site", str(tmp_path)]) == 2
    assert f"{tmp_path} is there, and holds no site: expected a new folder" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").read_text() == "mine"
    out = tmp_path / "out"
    quick.build(out)
    (out / ".site").write_text("part/page.html\n")  # then search.html is somebody else's
    with pytest.raises(ValueError, match=r"holds search.html, which is not of an older site"):
        quick.build(out)
    with pytest.raises(ValueError, match="no notebook of the course in"):
        quick.build(tmp_path / "another", root=tmp_path)
