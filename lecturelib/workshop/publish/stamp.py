"""The project's address, written from one place into every notebook and into the README."""

import base64
import copy
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

BADGES_TAG = "stamped-badges"
INSTALL_TAG = "stamped-install"
ICONS = Path(__file__).parent  # binder.svg and colab.svg lie beside this file
README_MARKERS = re.compile(r"(<!-- (badges|address) -->)(.*?)(<!-- /\2 -->)", re.DOTALL)
_ADDRESS = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:/tree/([\w.-]+))?", re.ASCII)
_ADDRESS_IN_TEXT = re.compile(r"https://github\.com/[\w.-]+/[\w.-]*?[\w-](?=\.git\b|\.*(?![\w.-]))", re.ASCII)


class Repository(NamedTuple):
    """Where the project lies on GitHub: OWNER/NAME, and the branch or tag that Binder and Colab open."""

    name: str
    branch: str = "main"


def repository(root: Path) -> Repository:
    """Return the project's repository, as pyproject.toml says under [project.urls].

    Raises: ValueError where the address is not one of a GitHub repository, or of a branch or tag of one.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    url = project.get("urls", {}).get("Repository", "")
    found = _ADDRESS.fullmatch(url)
    if not found or found[1].endswith(".git"):
        raise ValueError(
            f"[project.urls] Repository in pyproject.toml is {url!r}: expected https://github.com/NAME/NAME, or "
            "https://github.com/NAME/NAME/tree/BRANCH for another branch than main; write that, and nothing after it"
        )
    return Repository(found[1], found[2] or "main")


def _inline(label: str) -> str:
    icon = base64.b64encode((ICONS / f"{label}.svg").read_bytes()).decode()
    return f"data:image/svg+xml;base64,{icon}"


def badges(repo: Repository, notebook: str, picture: Callable[[str], str] = _inline) -> str:
    """Return the two badges in Markdown; by default their pictures stand in the text, so that no host is asked."""
    file = f"notebooks/{quote(notebook)}.ipynb"
    binder = f"https://mybinder.org/v2/gh/{repo.name}/{repo.branch}?urlpath=lab/tree/{file}"
    colab = f"https://colab.research.google.com/github/{repo.name}/blob/{repo.branch}/{file}"
    return f"[![Open in Binder]({picture('binder')})]({binder})\n[![Open in Colab]({picture('colab')})]({colab})"


# What a notebook needs beside the packages that Colab has had for years. Today Colab has these too, and pip finds them
# there; anywidget needs psygnal. JupyterLab is not needed: the page is Colab's own.
COLAB_LACKS = "anywidget psygnal babel safetensors"
MODELS = {"09_foundation_models": "smollm2 minilm"}  # what else a notebook fetches there; gguf reads them


def install(repo: Repository, notebook: str = "") -> str:
    """Return the code of the cell that fetches the library on Colab, and only there.

    Colab's torch, numpy and ipywidgets fit one another, so no dependency is touched: it does not matter that some are
    older, or newer, than pyproject.toml allows (its ipywidgets is 7.7, its IPython 7.34). tests/colab holds that.
    """
    archive = f"https://github.com/{repo.name}/archive/{repo.branch}.zip"
    models = MODELS.get(notebook)
    lines = [
        "import sys",
        "",
        'if "google.colab" in sys.modules:  # on Colab only: elsewhere the library is installed already',
        f'    %pip install -q --no-deps {COLAB_LACKS}{" gguf" if models else ""} "lecturelib @ {archive}"',
    ]
    return "\n".join([*lines, f"    !lecture fetch {models}"] if models else lines)


def stamp_notebook(nb: NotebookNode, repo: Repository, notebook: str) -> NotebookNode:
    """Write the two stamped cells, badges and Colab's installation, directly behind the title.

    Returns: a new notebook, in which older stamps are replaced. An install cell that was executed stays so:
    it prints nothing, and its count is still right.
    """
    nb = copy.deepcopy(nb)
    counts = [cell.get("execution_count") for cell in nb.cells if INSTALL_TAG in cell.metadata.get("tags", [])]
    nb.cells = [cell for cell in nb.cells if not {BADGES_TAG, INSTALL_TAG} & set(cell.metadata.get("tags", []))]
    links = new_markdown_cell(badges(repo, notebook), metadata=_metadata(BADGES_TAG))
    setup = new_code_cell(install(repo, notebook), metadata=_metadata(INSTALL_TAG))
    setup.execution_count = counts[0] if counts else None
    nb.cells[1:1] = [links, setup]
    return nb


def stamp_readme(text: str, repo: Repository, notebook: str) -> str:
    """Return the README's text, stamped between its markers; what stands outside of them stays.

    Between `<!-- badges -->` and `<!-- /badges -->` stand both badges, and nothing else. Their pictures are files of
    the repository here: in a README, GitHub shows none that stand in the text. Between `<!-- address -->` and
    `<!-- /address -->` any text may stand, such as a citation: each GitHub repository in it becomes the project's own.

    Raises: ValueError for a marker without its other half.
    """
    both = f"\n{badges(repo, notebook, lambda label: f'lecturelib/workshop/publish/{label}.svg')}\n"
    own = f"https://github.com/{repo.name}"

    def stamped(found: re.Match[str]) -> str:
        start, kind, inside, end = found.groups()
        return start + (both if kind == "badges" else _ADDRESS_IN_TEXT.sub(own, inside)) + end

    if lone := re.search(r"<!-- /?(?:badges|address) -->", README_MARKERS.sub("", text)):
        raise ValueError(
            f"README.md has a {lone.group()} without its other half: expected <!-- badges --> or <!-- address -->, the "
            "text that is stamped, and the same marker with a slash"
        )
    return README_MARKERS.sub(stamped, text)


def _metadata(tag: str) -> NotebookNode:
    """Return the metadata of a stamped cell, which a presentation passes over."""
    return NotebookNode(slideshow=NotebookNode(slide_type="skip"), tags=[tag])
