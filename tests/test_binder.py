"""What Binder builds: its Dockerfile, what postBuild does, done for real, and JupyterLab as a reader then finds it."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.test_packaging import BINDER_ONLY, conda_list
from tests.tools import require
from tests.working_tree import ROOT, copy

pytestmark = [pytest.mark.platform, pytest.mark.skipif(sys.platform != "linux", reason="a Binder image runs Linux")]

FIRST = "notebooks/00_start_here.ipynb"
NEWS = "@jupyterlab/apputils-extension:notification"
START_LIMIT = 60  # seconds


class Image(NamedTuple):
    """The folder of the repository, the environment, and the home of the image's user."""

    repository: Path
    environment: Path
    home: Path

    def variables(self, **more: str) -> dict[str, str]:
        """Return the environment variables that a process in the image sees: none of ours."""
        ours = ("PYTHON", "JUPYTER", "IPYTHON", "MPL", "XDG", "OMP", "MKL", "LECTURELIB", "MEM_LIMIT")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        return kept | {"PATH": f"{self.environment / 'bin'}:{os.environ['PATH']}", "HOME": str(self.home)} | more

    def run(self, *command: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the repository's folder, online."""
        variables = self.variables(**more)
        return subprocess.run(command, cwd=self.repository, env=variables, capture_output=True, text=True)


def test_the_image_has_binders_own_environment_with_its_python_runs_both_scripts_and_asks_for_no_cuda(tmp_path):
    """Read in the Dockerfile for a copy that holds nothing but the files which decide about the image."""
    shutil.copytree(ROOT / "binder", tmp_path / "binder")
    for name in ("environment.yml", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    options = ["--no-build", "--debug", "--user-id", "1000", "--user-name", "reader"]
    command = [sys.executable, "-m", "repo2docker", *options, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    dockerfile = done.stdout + done.stderr
    assert re.search(r'env update -p \S+ --file "binder/environment.yml"', dockerfile)
    environment, post_build = ((ROOT / "binder" / n).read_text("utf-8") for n in ("environment.yml", "postBuild"))
    (version,) = re.findall(r"- python=(\d+\.\d+)", environment)
    assert f"Building conda environment for python={version}" in dockerfile
    assert re.search(r"^RUN ./binder/postBuild$", dockerfile, re.MULTILINE)
    assert re.search(r'^ENV R2D_ENTRYPOINT="\$\{REPO_DIR\}/binder/start"$', dockerfile, re.MULTILINE)
    # the project itself behind the layer of its dependencies, which stays in the cache when the code changes
    assert "-e ." not in environment and "pip install --no-cache-dir --no-deps ." in post_build
    assert not re.search(r"cuda|nvidia|pytorch-gpu", dockerfile + environment + post_build, re.IGNORECASE)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """Run postBuild, in an environment that borrows the packages with which the tests run."""
    folder = tmp_path_factory.mktemp("image")
    made = Image(folder / "repository", folder / "environment", folder / "home")
    copy(made.repository)
    made.home.mkdir()
    venv.create(made.environment, with_pip=True)
    borrow_packages(made.environment)
    listed = [entry for entry in conda_list(ROOT / "binder/environment.yml") if entry.startswith(tuple(BINDER_ONLY))]
    # without bytecode, as some conda packages come
    fetched = made.run("python", "-m", "pip", "install", "-q", "--no-deps", "--no-compile", *listed)
    require(fetched.returncode == 0, f"no image: pip must reach a package index\n{fetched.stderr}")
    done = made.run(made.repository / "binder" / "postBuild")
    assert done.returncode == 0, done.stderr
    return made


def borrow_packages(environment: Path) -> None:
    """Let an environment use the packages of this process, and JupyterLab's pages, but none of its settings."""
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    ours, theirs = (Path(each) / "share" / "jupyter" for each in (sysconfig.get_path("data"), environment))
    parts = ("lab", "labextensions")  # folders of their own: pip writes into them, and must not write into ours
    for part in parts:
        (theirs / part).mkdir(parents=True)
    for path in [*ours.iterdir(), *(each for part in parts for each in (ours / part).iterdir())]:
        link = theirs / path.relative_to(ours)
        if path.name != "settings" and not link.exists():
            link.symlink_to(path)


@pytest.fixture(scope="module")
def get(image) -> Iterator[Any]:
    """Start JupyterLab as Binder does; return a function that opens an address below it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--IdentityProvider.token="]
    command = [image.repository / "binder/start", image.environment / "bin/python", "-m", "jupyterlab", *options]

    def opened(address: str) -> Any:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}{address}", timeout=20)

    with (image.home / "lab.log").open("w") as log:
        online = image.variables(PYTHONPATH=os.environ["PYTHONPATH"])
        server = subprocess.Popen(command, cwd=image.repository, stdout=log, stderr=log, env=online)
    try:
        for _ in range(2 * START_LIMIT):
            with suppress(OSError):
                opened("/api").close()
                break
            assert server.poll() is None, (image.home / "lab.log").read_text()
            time.sleep(0.5)
        yield opened
    finally:
        server.terminate()
        server.wait()


def test_what_a_first_cell_would_wait_for_is_there(image):
    for name in ("lecturelib", *(extra.replace("-", "_") for extra in BINDER_ONLY)):
        (package,) = image.environment.glob(f"lib/python*/site-packages/{name}")
        sources = list(package.rglob("*.py"))
        assert sources and not [path for path in sources if not Path(cache_from_source(str(path))).exists()]
    assert list(image.home.glob(".cache/matplotlib/fontlist-*.json"))
    code = "from lecturelib.pretrained.fetch import ready; print(ready('smollm2'), ready('minilm'))"
    assert image.run("python", "-c", code).stdout.split() == ["True", "True"]


def test_jupyterlab_opens_the_first_notebook_asks_for_no_news_and_shows_the_memory(get):
    assert (ROOT / FIRST).exists()
    with get("/") as page:
        assert urlsplit(page.url).path == f"/lab/tree/{FIRST}" and b"jupyter-config-data" in page.read()
    with get(f"/lab/api/settings/{NEWS}") as answer:
        assert json.load(answer)["schema"]["properties"]["fetchNews"]["default"] == "false"
    with get("/api/metrics/v1") as answer:
        measured = json.load(answer)
    assert measured["limits"]["memory"]["rss"] == 2 * 1024**3 and 0 < measured["rss"] < 2 * 1024**3


def test_the_limit_is_the_hubs_where_it_names_one_and_there_is_one_thread(image):
    code = "import os; print(os.environ['MEM_LIMIT'], os.environ['OMP_NUM_THREADS'])"
    done = image.run(ROOT / "binder/start", sys.executable, "-c", code, MEM_LIMIT="4000000000")
    assert done.stdout.split() == ["4000000000", "1"]
