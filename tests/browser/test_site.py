"""The built site in Chromium, from a server and as files on disk: whole, silent, narrow, and its figures alive."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.browser import lab
from tests.browser.alone import FRAME
from tests.tools import needs
from tests.workshop.site.pages import HOW, MISSING

pytestmark = [
    pytest.mark.platform,
    needs(not lab.MISSING, lab.HOW),
    needs(not MISSING, HOW),
    pytest.mark.filterwarnings("ignore:.*Check CHANGES for Sphinx API"),  # they are myst-parser's
]

ROOT = Path(__file__).parents[2]
PAGES = ["index", *sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb")), "replication", "search"]
EXHIBITS = {"04_transformers": "characters", "09_foundation_models": "circuit"}
# What scrolls in itself may be wide.
WIDER = """() => document.documentElement.scrollWidth > innerWidth || [...document.querySelectorAll('article *')].some(
  (node) => !node.closest('pre, .cell_output, .exhibit-root, .table-wrapper, .formula, math')
    && node.getBoundingClientRect().width > 0 && node.getBoundingClientRect().right > innerWidth + 1)"""
EMPTY = "() => [...document.images].filter((each) => !each.hidden && !each.naturalWidth).length"


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder, and say where."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A built site, by a server and on disk."""
    from lecturelib.workshop.site.build import build

    out = tmp_path_factory.mktemp("site") / "out"
    build(out)
    with served(out) as address:
        yield {"server": address, "files": out.as_uri() + "/"}


@pytest.fixture
def visit(browser: Any, addresses: dict[str, str]) -> Iterator[Callable[..., Any]]:
    """Open a page of the site; the end holds that nothing failed, and that nothing beyond the site was asked for."""
    opened, wrong = [], []

    def show(name: str, way: str = "server", *, more: str = "") -> Any:
        page = browser.new_page(viewport={"width": 1300, "height": 900})
        opened.append(page)
        page.set_default_timeout(10_000)
        ours = (addresses[way], "data:", "blob:")
        page.on("request", lambda r: wrong.extend([r.url[:200]] * (not r.url.startswith(ours))))
        page.on("requestfailed", lambda r: wrong.append(f"failed: {r.url[:200]}"))
        page.on("response", lambda r: wrong.extend([f"{r.status}: {r.url[:200]}"] * (r.status >= 400)))
        page.on("console", lambda m: wrong.extend([m.text[:400]] * (m.type in ("error", "warning"))))
        page.on("pageerror", lambda e: wrong.append(str(e)[:400]))
        page.goto(f"{addresses[way]}{name}.html{more}")
        return page

    yield show
    for page in opened:
        page.close()
    assert wrong == []


def exhibit(page: Any, name: str) -> Any:
    """Bring an exhibit into view, and return it when it lives."""
    place = page.locator(f"[data-exhibit={name}]")
    place.scroll_into_view_if_needed()
    page.locator(f"[data-exhibit={name}][data-alive=true]").wait_for()
    assert not place.locator("> img").is_visible()
    return place


@pytest.mark.parametrize("way", ["server", "files"])
@pytest.mark.parametrize("name", PAGES)
def test_each_page_is_whole_and_no_wider_than_a_phone(visit, name, way):
    page = visit(name, way)
    if name in EXHIBITS:
        exhibit(page, EXHIBITS[name])
    assert page.evaluate(EMPTY) == 0
    for formula in page.locator("math").all()[:5]:
        if formula.is_visible():  # not within a closed fold
            box = formula.bounding_box()
            assert box["width"] > 4 and box["height"] > 4
    page.set_viewport_size({"width": 360, "height": 900})
    page.evaluate("() => { for (const each of document.querySelectorAll('details')) each.open = true; }")
    page.evaluate(FRAME)
    assert not page.evaluate(WIDER)


@pytest.mark.parametrize("way", ["server", "files"])
def test_search_finds_pages(visit, way):
    page = visit("search", way, more="?q=occlusion")
    page.locator("#search-results li a", has_text="Vision transformer").first.wait_for()


def test_the_circuit_shows_an_induction_head_and_its_sink(visit):
    page = visit("09_foundation_models")
    place = exhibit(page, "circuit")

    def status() -> str:
        page.evaluate(FRAME)
        return place.locator(".status").inner_text().replace("\xa0", " ")

    assert "“van” no. 17 in layer 18, head 6 looks most at “i” no. 5" in status()
    place.locator(".token").nth(16).click()  # let go
    place.locator(".token").nth(12).hover()
    assert "masked" in status() and "“Professor” (" not in status()
    place.get_by_label("mask").first.uncheck()
    place.locator(".token").nth(12).hover()
    assert "looks most at “Professor” (9" in status()


# ---- a notebook from elsewhere


RUN = "document.title = 'ran'"
HOSTILE = f"""<script>{RUN}</script><img src="no.png" onerror="{RUN}">
<svg onload="{RUN}"></svg><iframe srcdoc="<script>parent.{RUN}</script>"></iframe>
<script src="data:text/javascript,{RUN}"></script><object data="data:text/html,no"></object>
<a href="javascript:void({RUN})">click</a>"""
BROUGHT = [
    f"{HOSTILE}\n\n[a link](javascript:void({RUN.replace(' ', '')}))",
    rf"$\mathrm{{a}}$ and ``$x$`` <math><mtext><img src='no.png' onerror=\"{RUN}\"></mtext></math>",
]
OUTPUTS: list[dict[str, str]] = [
    {"text/html": HOSTILE},
    {"image/svg+xml": f"<svg xmlns='http://www.w3.org/2000/svg' onload=\"{RUN}\"><script>{RUN}</script></svg>"},
    {"application/javascript": RUN},
    {"text/markdown": HOSTILE},
    {"text/latex": rf"$\mathrm{{b}}$<script>{RUN}</script>"},
]


def test_a_notebook_from_elsewhere_is_a_page_that_runs_nothing(browser, tmp_path, monkeypatch):
    """Through the whole build: scripts in a text, a formula, a link, and other outputs; without the policy they run."""
    from lecturelib.workshop.site import build

    monkeypatch.setattr(build, "exhibits", list)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "README.md").write_text("# A course\n", encoding="utf-8")
    cells = [
        new_markdown_cell("# From elsewhere"),
        *map(new_markdown_cell, BROUGHT),
        *(new_code_cell("1", outputs=[new_output("display_data", each)]) for each in OUTPUTS),
    ]
    nb = new_notebook(cells=cells, metadata={"language_info": {"name": "python", "pygments_lexer": "ipython3"}})
    nbformat.write(nb, tmp_path / "notebooks" / "00_elsewhere.ipynb")
    build.build(tmp_path / "out", tmp_path)
    path = tmp_path / "out" / "00_elsewhere.html"
    guarded = path.read_text(encoding="utf-8")
    (policy,) = re.findall(r"<meta http-equiv.*", guarded)
    for content, expected in ((guarded, "From elsewhere"), (guarded.replace(policy, ""), "ran")):
        path.write_text(content, encoding="utf-8")
        page = browser.new_page()
        page.goto(path.as_uri())
        for link in page.locator("article a[href^='javascript']").all():
            link.dispatch_event("click")
        page.wait_for_timeout(500)
        assert page.title().startswith(expected)
        page.close()
