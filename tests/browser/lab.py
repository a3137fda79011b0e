"""A real JupyterLab in headless Chromium, for the tests and benchmarks of the interactive figures."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from lecturelib.workshop.publish.execute import ENVIRONMENT

HOW = (
    "no browser: python -m pip install -e '.[browser]', and have a Chromium on PATH as `chromium` or named by the "
    "variable LECTURELIB_BROWSER"
)
CHROMIUM = os.environ.get("LECTURELIB_BROWSER") or shutil.which("chromium")
MISSING = not CHROMIUM or find_spec("playwright") is None

# Quiet: a browser of its own accord asks hosts of its maker.
FLAGS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
START_LIMIT = 60  # seconds

# Every cell is drawn, not only those in view, so that outputs can be found; and knows how long it took.
NOTEBOOK = {"windowingMode": "none", "recordTiming": True}
SETTINGS = {"@jupyterlab/notebook-extension/tracker.jupyterlab-settings": NOTEBOOK}
RUN_ALL = """async () => {
  const session = jupyterapp.shell.currentWidget.sessionContext;
  await session.ready; await session.session.kernel.info;
  await jupyterapp.commands.execute('notebook:run-all-cells');
}"""
SAVE = "() => jupyterapp.commands.execute('docmanager:save')"


class Server(NamedTuple):
    """A running JupyterLab; its kernels start in `folder`, or below it."""

    folder: Path
    address: str
    token: str

    def ask(self, path: str, method: str = "GET") -> Any:
        """Ask its interface for programs, and return what it answers."""
        asked = urllib.request.Request(f"{self.address}/api/{path}?token={self.token}", method=method)
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return json.loads(answer.read() or "null")

    def end_kernels(self) -> None:
        """Shut down the kernels of all notebooks: each holds 300 MB."""
        for session in self.ask("sessions"):
            self.ask(f"sessions/{session['id']}", "DELETE")


class Lab(NamedTuple):
    """A running JupyterLab and a browser beside it; `hosts` and `errors` fill up as pages are used."""

    server: Server
    folder: Path
    browser: Any
    hosts: set[str]
    errors: list[str]

    def open(self, name: str) -> Any:
        """Open a notebook of the folder and return its page."""
        return self.show(f"doc/tree/{(self.folder / name).relative_to(self.server.folder).as_posix()}")

    def show(self, place: str, width: int = 1300, height: int = 1200) -> Any:
        """Open a place of this JupyterLab, where a notebook is shown, and return its page."""
        page = self.browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(30_000)  # of a machine with much else to do
        page.on("request", lambda r: self.hosts.add(urlsplit(r.url).hostname or ""))
        page.on("console", lambda m: self.errors.extend([m.text[:400]] * (m.type == "error")))
        page.on("pageerror", lambda e: self.errors.append(str(e)[:400]))
        page.goto(f"{self.server.address}/{place}?token={self.server.token}")
        page.wait_for_selector(".jp-Notebook .jp-Cell:visible", timeout=60_000)  # slides may begin behind the first
        return page

    def run(self, name: str) -> Any:
        """Open a notebook, run all its cells, and return its page."""
        page = self.open(name)
        page.evaluate(RUN_ALL)
        page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']", timeout=60_000)
        return page

    def open_foreign(self, name: str, cells: Iterable[int]) -> Any:
        """Open a saved notebook as if somebody else had run it, assert that these cells show pictures; return its page.

        What a reader has run and saved here himself is trusted, and ipywidgets then looks for the widgets of the kernel
        that is gone. So the file is changed, and this server's signature no longer holds, as with a downloaded one.
        """
        path = self.folder / name
        saved = json.loads(path.read_text(encoding="utf-8"))
        assert "widgets" not in saved["metadata"]  # the state of the widgets is not in the file: only pictures are left
        saved["metadata"]["title"] = "from elsewhere"
        path.write_text(json.dumps(saved), encoding="utf-8")
        page = self.open(name)
        for cell in cells:
            pictures = page.locator(".jp-CodeCell").nth(cell).locator(".jp-Cell-outputArea img")
            pictures.first.wait_for()
            for picture in pictures.all():
                page.wait_for_function("img => img.complete && img.naturalWidth > 300", arg=picture.element_handle())
                assert picture.is_visible() and picture.get_attribute("src").startswith("data:image/png;base64,")
        return page


def write(path: Path, cells: list[str]) -> None:
    """Write a notebook with these code cells."""
    _write(path, [new_code_cell(cell) for cell in cells])


def write_slides(path: Path, cells: list[tuple[nbformat.NotebookNode, str | None]]) -> None:
    """Write a notebook with these cells, each with its type of slide, or none."""
    for cell, kind in cells:
        if kind:
            cell.metadata.slideshow = {"slide_type": kind}
    _write(path, [cell for cell, _ in cells])


def _write(path: Path, cells: list[nbformat.NotebookNode]) -> None:
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)


def plain(folder: Path) -> tuple[list[str], dict[str, str]]:
    """Return the command of a JupyterLab that shows a folder, and the variables that keep its settings there."""
    home = {  # nothing of the user's own, and nothing left behind
        name: str(folder / ".jupyter" / name.lower())
        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")
    }
    for name, value in SETTINGS.items():
        path = Path(home["JUPYTERLAB_SETTINGS_DIR"]) / name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(value))
    command = [
        sys.executable, "-m", "jupyterlab", "--ip=127.0.0.1", f"--ServerApp.root_dir={folder}",
        "--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip
    return command, home


@contextmanager
def serve(folder: Path, command: Sequence[str] = (), **variables: str) -> Iterator[Server]:
    """Start JupyterLab in the folder, and stop it at the end; its kernels get the variables, too.

    A command starts another JupyterLab than the plain one; the variables then say where it keeps its settings.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(8)
    if not command:
        command, home = plain(folder)
        variables = home | variables
    command = [
        *command, "--no-browser", f"--port={port}", f"--IdentityProvider.token={token}",
        "--LabApp.expose_app_in_browser=True", *(["--allow-root"] if ROOT else []),
    ]  # fmt: skip
    environment = os.environ | ENVIRONMENT | variables
    with open(folder / "lab.log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
    server = Server(folder, f"http://127.0.0.1:{port}", token)
    try:
        _wait(process, server, folder / "lab.log")
        yield server
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:  # a kernel was just starting: JupyterLab then waits for it without end
            process.kill()
            process.wait()


@contextmanager
def chromium() -> Iterator[Any]:
    """Start the browser, and stop it at the end."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # a Chromium that root starts runs only without its sandbox
        flags = [*FLAGS, *(["--no-sandbox"] if ROOT else [])]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=flags)
        yield browser
        browser.close()


def beside(server: Server, folder: Path, browser: Any) -> Lab:
    """Return a JupyterLab with the browser, for the notebooks of a folder."""
    return Lab(server, folder, browser, set(), [])


@contextmanager
def lab(folder: Path, command: Sequence[str] = (), **variables: str) -> Iterator[Lab]:
    """Start JupyterLab in the folder and a browser, and stop both at the end."""
    with serve(folder, command, **variables) as server, chromium() as browser:
        yield beside(server, folder, browser)


def _wait(process: subprocess.Popen[bytes], server: Server, log: Path) -> None:
    """Return once the server answers."""
    for _ in range(2 * START_LIMIT):
        if process.poll() is not None:
            break
        try:
            server.ask("")
            return
        except OSError:
            time.sleep(0.5)
    raise RuntimeError(f"JupyterLab did not answer within {START_LIMIT} s:\n{log.read_text()[-2000:]}")
