"""Chromium, and a widget of ours alone in one of its pages."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from tests.browser import lab
from tests.browser.alone import ALONE, FRAME


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Server]:
    """One JupyterLab for all modules of a worker."""
    with lab.serve(tmp_path_factory.mktemp("lab")) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser; of each module, since the event loop that drives it would be in the way of other tests."""
    with lab.chromium() as started:
        yield started


@pytest.fixture(scope="module")
def jupyterlab(server: lab.Server, browser: Any, request: pytest.FixtureRequest) -> Iterator[lab.Lab]:
    """JupyterLab in a folder of the module's own; the end holds that nothing failed and no other host was asked."""
    folder = server.folder / request.module.__name__.rpartition(".")[2]
    folder.mkdir()
    started = lab.beside(server, folder, browser)
    yield started
    server.end_kernels()
    assert started.hosts - {""} == {"127.0.0.1"} and started.errors == []


@pytest.fixture
def bare(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a widget in a page without Jupyter; the end holds that nothing failed and no request was made."""
    opened, asked, errors = [], [], []

    def show(
        widget: Any, names: Iterable[str], *, width: int = 1200, height: int = 1000, ink: str = "", ratio: int = 1
    ) -> Any:
        page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=ratio)
        opened.append(page)
        page.set_default_timeout(30_000)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.extend([message.text] * (message.type == "error")))
        page.set_content("<!doctype html><html lang='en'><body></body></html>")
        state = {name: getattr(widget, name) for name in names}
        page.evaluate(ALONE, [str(widget._esm), str(widget._css), state, ink])
        page.evaluate(FRAME)
        return page

    yield show
    for page in opened:
        page.close()
    assert [url for url in asked if not url.startswith("blob:")] == [] and errors == []
