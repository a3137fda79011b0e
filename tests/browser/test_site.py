"""The built site in Chromium, from a server and as files on disk: whole, silent, narrow, and its figures alive."""

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
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
PAGES = [
    "index",
    *sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb")),
    "exhibits",
    "replication",
    "search",
]
EXHIBITS = {"04_transformers": 1, "06_masked_autoencoder": 1, "09_foundation_models": 1, "exhibits": 5}
# What scrolls in itself may be wide.
WIDER = """() => document.documentElement.scrollWidth > innerWidth || [...document.querySelectorAll('article *')].some(
  (node) => !node.closest('pre, .cell_output, .exhibit-root, .table-wrapper, .formula, math')
    && node.getBoundingClientRect().width > 0 && node.getBoundingClientRect().right > innerWidth + 1)"""
EMPTY = "() => [...document.images].filter((each) => !each.hidden && !each.naturalWidth).length"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A built site, by a server and on disk."""
    from lecturelib.workshop.site.build import build

    out = tmp_path_factory.mktemp("site") / "out"
    build(out)
    with served(out) as address:
        yield {"server": address, "files": out.as_uri() + "/"}


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder, and say where."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()


HOSTILE = """<script>document.title = "ran"</script><img src="no.png" onerror="document.title = 'ran'">
<svg onload="document.title = 'ran'"></svg><iframe srcdoc="<script>parent.document.title = 'ran'</script>"></iframe>
<script src="data:text/javascript,document.title = 'ran'"></script><object data="data:text/html,no"></object>
<a href="javascript:void(document.title = 'ran')">click</a>"""


RUN = "document.title = 'ran'"
BROUGHT = {
    "text": f"{HOSTILE}\n\n[a link](javascript:void({RUN.replace(' ', '')}))",
    "formula": rf"$\mathrm{{a}}$ and ``$x$`` <math><mtext><img src='no.png' onerror=\"{RUN}\"></mtext></math>",
}
OUTPUTS: list[dict[str, str]] = [
    {"text/html": HOSTILE},
    {"image/svg+xml": f"<svg xmlns='http://www.w3.org/2000/svg' onload=\"{RUN}\"><script>{RUN}</script></svg>"},
    {"application/javascript": RUN},
    {"text/markdown": HOSTILE},
    {"text/latex": rf"$\mathrm{{b}}$<script>{RUN}</script>"},
]


def test_a_notebook_from_elsewhere_is_a_page_that_runs_nothing(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the whole build: scripts in a text, a formula, a link, and the data of pictures and other outputs."""
    from lecturelib.workshop.site import build

    monkeypatch.setattr(build, "exhibits", list)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "README.md").write_text("# A course\n", encoding="utf-8")
    cells = [
        new_markdown_cell("# From elsewhere"),
        *map(new_markdown_cell, BROUGHT.values()),
        *(new_code_cell("1", outputs=[new_output("display_data", each)]) for each in OUTPUTS),
    ]
    language = {"name": "python", "pygments_lexer": "ipython3"}
    nb = new_notebook(cells=cells, metadata={"language_info": language})
    nbformat.write(nb, tmp_path / "notebooks" / "00_elsewhere.ipynb")
    build.build(tmp_path / "out", tmp_path)
    path = tmp_path / "out" / "00_elsewhere.html"
    guarded = path.read_text(encoding="utf-8")
    (policy,) = re.findall(r"<meta http-equiv.*", guarded)
    with served(path.parent) as address:
        for content, expected in ((guarded, "From elsewhere"), (guarded.replace(policy, ""), "ran")):
            path.write_text(content, encoding="utf-8")
            for place in (f"{address}{path.name}", path.as_uri()):
                page = browser.new_page()
                page.goto(place)
                for link in page.locator("article a[href^='javascript']").all():
                    link.dispatch_event("click")
                page.wait_for_timeout(500)
                assert page.title().startswith(expected)
                page.close()


@pytest.fixture
def visit(browser: Any, addresses: dict[str, str]) -> Iterator[Callable[..., Any]]:
    """Open a page of the site; the end holds that nothing failed, and that nothing beyond the site was asked for."""
    opened, wrong = [], []

    def show(name: str, way: str = "server", *, width: int = 1300, more: str = "") -> Any:
        page = browser.new_page(viewport={"width": width, "height": 900})
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


def wake(page: Any, expected: int) -> None:
    """Let every exhibit of a page come to life."""
    places = page.locator("[data-exhibit]")
    assert places.count() == expected
    for place in places.all():
        exhibit(page, place.get_attribute("data-exhibit"))


def exhibit(page: Any, name: str) -> Any:
    """Bring an exhibit into view, and return it when it lives."""
    place = page.locator(f"[data-exhibit={name}]")
    place.scroll_into_view_if_needed()
    page.locator(f"[data-exhibit={name}][data-alive=true]").wait_for()
    assert not place.locator("> img").is_visible()
    return place


@pytest.mark.parametrize("way", ["server", "files"])
@pytest.mark.parametrize("name", PAGES)
def test_each_page_is_whole(visit, name, way):
    page = visit(name, way)
    wake(page, EXHIBITS.get(name, 0))
    assert page.evaluate(EMPTY) == 0
    for formula in page.locator("math").all()[:5]:
        if formula.is_visible():  # not within a closed fold
            box = formula.bounding_box()
            assert box["width"] > 4 and box["height"] > 4


@pytest.mark.parametrize("name", PAGES)
def test_no_page_is_wider_than_a_phone(visit, name):
    page = visit(name, width=360)
    wake(page, EXHIBITS.get(name, 0))
    page.evaluate("() => { for (const each of document.querySelectorAll('details')) each.open = true; }")
    page.evaluate(FRAME)
    assert not page.evaluate(WIDER)


@pytest.mark.parametrize("way", ["server", "files"])
def test_search_finds_pages(visit, way):
    page = visit("search", way, more="?q=occlusion")
    page.locator("#search-results li a", has_text="Vision transformer").first.wait_for()


def test_a_fold_opens(visit):
    page = visit("06_masked_autoencoder")
    fold = page.locator("details:has(> summary:text-is('Solution'))").first
    assert not fold.locator("pre").is_visible()
    fold.locator("summary").click()
    assert fold.locator("pre").is_visible()


# ---- the exhibits


def status(page: Any, place: Any) -> str:
    page.evaluate(FRAME)
    place.locator("[data-waiting=true]").wait_for(state="detached")
    page.evaluate(FRAME)
    return place.locator(".status").inner_text().replace("\xa0", " ")


@pytest.mark.parametrize("name", ["04_transformers", "exhibits"])
def test_the_attention_explorer_follows_mouse_and_keys(visit, name):
    page = visit(name)
    wake(page, EXHIBITS[name])  # each that comes to life moves those below it
    place = exhibit(page, "characters")
    before = status(page, place)
    place.locator(".token").nth(56).hover()
    assert status(page, place) != before and "no. 57" in status(page, place)
    place.locator("button.head").nth(6).click()
    place.locator(".token").nth(10).hover()
    assert "layer 2, head 3" in status(page, place)
    place.locator(".token").nth(10).click()
    page.keyboard.press("ArrowRight")
    assert "no. 12" in status(page, place)


def test_the_circuit_shows_an_induction_head_and_its_sink(visit):
    page = visit("09_foundation_models")
    wake(page, EXHIBITS["09_foundation_models"])
    place = exhibit(page, "circuit")
    assert "“van” no. 17 in layer 18, head 6 looks most at “i” no. 5" in status(page, place)
    place.locator(".token").nth(16).click()  # let go
    place.locator(".token").nth(12).hover()
    assert "masked" in status(page, place) and "“Professor” (" not in status(page, place)
    place.get_by_label("mask").first.uncheck()
    place.locator(".token").nth(12).hover()
    assert "looks most at “Professor” (9" in status(page, place)


@pytest.mark.parametrize(("name", "count"), [("hidden_digits", 16), ("hidden_photos", 64)])
def test_hidden_patches_are_painted_without_a_kernel(visit, name, count):
    page = visit("exhibits")
    wake(page, EXHIBITS["exhibits"])
    place = exhibit(page, name)
    hidden = count * 3 // 4
    first = status(page, place)
    assert f"{hidden} of {count} patches hidden. Error on them: 0.0" in first
    right = place.locator(".stage").nth(2).locator("canvas").first
    picture = right.evaluate("canvas => canvas.toDataURL()")
    place.get_by_role("button", name="random").click()
    assert f"{hidden} of {count} patches hidden" in status(page, place)
    assert right.evaluate("canvas => canvas.toDataURL()") != picture
    place.get_by_role("button", name="show all").click()
    assert "Nothing is hidden, so there is nothing to paint" in status(page, place)
    stage = place.locator(".stage").nth(1)
    box = stage.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.55, box["y"] + box["height"] * 0.55)
    assert f"1 of {count} patches hidden. Error on them" in status(page, place)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    assert f"2 of {count} patches hidden" in status(page, place)
    place.get_by_role("button", name="next image").click()
    assert "Error on them" in status(page, place)
    place.get_by_role("slider").fill(str(count - 1))
    assert f"{count - 1} of {count} patches hidden" in status(page, place)


def test_a_digit_can_be_drawn_without_a_kernel(visit):
    page = visit("06_masked_autoencoder")
    wake(page, EXHIBITS["06_masked_autoencoder"])
    place = exhibit(page, "hidden_digits")
    place.get_by_label("draw my own").check()
    before = status(page, place)
    box = place.locator(".pad .stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 20, steps=5)
    page.mouse.up()
    place.locator(".status").filter(has_not_text=before).wait_for()
    assert "Error on them: 0.0" in status(page, place)


def test_every_image_of_the_vision_transformer_has_its_answer(visit):
    from lecturelib.workshop.site.exhibits import printed_digits

    page = visit("exhibits")
    wake(page, EXHIBITS["exhibits"])  # each that comes to life moves those below it
    place = exhibit(page, "printed_digits")
    made = printed_digits()
    for answer in made.known["answers"]:
        named = made.widget.data["classes"][int(np.argmax(answer["probabilities"]))]
        assert f"The network says {named} with" in status(page, place)
        place.get_by_role("button", name="next image").click()
    place.locator(".main .stage").hover(position={"x": 5, "y": 5})
    assert "the patch in row 1, column 1 looks most at" in status(page, place)
    assert not place.get_by_text("draw my own").or_(place.get_by_text("draw here")).first.is_visible()


REPAINT = """async ([code, known, shape, cases]) => {
  const module = await import(URL.createObjectURL(new Blob([code], {type: 'text/javascript'})));
  const network = module.read(known);
  return cases.map(([image, masked]) => {
    const made = module.repaint(network, Float32Array.from(image), shape, Uint8Array.from(masked));
    return [[...made.pixels], made.error, made.mean_error];
  });
}"""


@pytest.mark.parametrize("name", ["hidden_digits", "hidden_photos"])
def test_the_network_in_the_page_paints_as_the_one_in_python(browser, name):
    from lecturelib.pretrained.load import load
    from lecturelib.widgets.patch_answers import repaint
    from lecturelib.workshop.site import exhibits

    model, made = load({"hidden_digits": "digits_mae", "hidden_photos": "photos_mae"}[name]), getattr(exhibits, name)()
    rng, data = np.random.default_rng(0), made.widget.data
    n, count = data["shape"][0], data["rows"] * data["columns"]
    images = np.frombuffer(base64.b64decode(data["images"]), "u1").reshape(data["shape"]).astype(np.float32) / 255
    masks = [rng.permutation(count) < hidden for hidden in (1, count // 4, count // 2, 3 * count // 4, count - 1)]
    cases = [(images[k % n], mask) for k, mask in enumerate(masks)]
    page = browser.new_page()
    code = (exhibits.FOLDER / "autoencoder.js").read_text(encoding="utf-8")
    given = [[image.ravel().tolist(), mask.astype(int).tolist()] for image, mask in cases]
    found = page.evaluate(REPAINT, [code, json.loads(json.dumps(made.known)), data["shape"][1:], given])
    page.close()
    for (pixels, error, mean_error), (image, mask) in zip(found, cases, strict=True):
        expected = repaint(model, image, mask, made.known["patch_size"])
        assert np.abs(np.array(pixels) - 255 * expected.pixels.ravel()).max() < 2.5  # weights of 16 bits
        assert error == pytest.approx(expected.error, rel=0.02, abs=2e-5)
        assert mean_error == pytest.approx(expected.mean_error, rel=1e-4)
