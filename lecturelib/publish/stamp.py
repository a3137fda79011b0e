"""The project's address, written from one place into every notebook and into the README."""

import base64
import copy
import re
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

from nbformat import NotebookNode

BRANCH = "main"  # what Binder and Colab open
BADGES_TAG = "stamped-badges"
INSTALL_TAG = "stamped-install"
ICONS = Path(__file__).parent  # binder.svg and colab.svg lie beside this file
README_MARKERS = re.compile(r"(<!-- badges -->\n).*?(<!-- /badges -->)", re.DOTALL)


def repository(root: Path) -> str:
    """Return OWNER/NAME of the project's repository, as pyproject.toml says under [project.urls].

    Raises: ValueError where the address is not one of a GitHub repository.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    url = urlsplit(project.get("urls", {}).get("Repository", ""))
    if url.netloc != "github.com" or not re.fullmatch(r"/[\w.-]+/[\w.-]+", url.path):
        raise ValueError(
            f"[project.urls] Repository in pyproject.toml is {url.geturl()!r}: expected "
            "https://github.com/NAME/NAME; write the repository's address there, and nothing behind it"
        )
    return url.path.strip("/")


def binder_link(repo: str, notebook: str) -> str:
    """Return the address under which Binder opens the notebook."""
    return f"https://mybinder.org/v2/gh/{repo}/{BRANCH}?urlpath=lab/tree/notebooks/{notebook}.ipynb"


def colab_link(repo: str, notebook: str) -> str:
    """Return the address under which Colab opens the notebook."""
    return f"https://colab.research.google.com/github/{repo}/blob/{BRANCH}/notebooks/{notebook}.ipynb"


def badges(repo: str, notebook: str) -> str:
    """Return the two badges in Markdown; the pictures stand in the text, so that no host is asked."""
    parts = []
    for label, link in (("Binder", binder_link(repo, notebook)), ("Colab", colab_link(repo, notebook))):
        icon = base64.b64encode((ICONS / f"{label.lower()}.svg").read_bytes()).decode()
        parts.append(f"[![Open in {label}](data:image/svg+xml;base64,{icon})]({link})")
    return "\n".join(parts)


COLAB_LACKS = "anywidget psygnal babel safetensors"  # anywidget needs psygnal


def install(repo: str) -> str:
    """Return the code of the cell that fetches the library on Colab, and only there.

    Colab brings torch, numpy and ipywidgets in versions that fit one another, so dependencies stay untouched; the few
    that it may lack are named.
    """
    archive = f"https://github.com/{repo}/archive/refs/heads/{BRANCH}.zip"
    return "\n".join(
        [
            "import sys",
            "",
            'if "google.colab" in sys.modules:  # on Colab only: elsewhere the library is installed already',
            f'    %pip install -q --no-deps {COLAB_LACKS} "lecturelib @ {archive}"',
        ]
    )


def stamp_notebook(nb: NotebookNode, repo: str, notebook: str) -> NotebookNode:
    """Write the two stamped cells, badges and Colab's installation, directly behind the title.

    Returns: a new notebook, in which older stamps are replaced. An install cell that was executed stays so:
    it prints nothing, and its count is still right.
    """
    nb = copy.deepcopy(nb)
    counts = [cell.get("execution_count") for cell in nb.cells if INSTALL_TAG in cell.metadata.get("tags", [])]
    nb.cells = [cell for cell in nb.cells if not {BADGES_TAG, INSTALL_TAG} & set(cell.metadata.get("tags", []))]
    stamps = [
        NotebookNode(cell_type="markdown", metadata=_metadata(BADGES_TAG), source=badges(repo, notebook)),
        NotebookNode(
            cell_type="code",
            execution_count=counts[0] if counts else None,
            metadata=_metadata(INSTALL_TAG),
            outputs=[],
            source=install(repo),
        ),
    ]
    nb.cells[1:1] = stamps
    return nb


def stamp_readme(text: str, repo: str, notebook: str) -> str:
    """Return the README's text with both badges between its two markers; without markers, as it was.

    The pictures are files of the repository here: in a README, GitHub shows none that stand in the text.
    """
    icons = "lecturelib/publish"
    lines = (
        f"[![Open in Binder]({icons}/binder.svg)]({binder_link(repo, notebook)})\n"
        f"[![Open in Colab]({icons}/colab.svg)]({colab_link(repo, notebook)})\n"
    )
    return README_MARKERS.sub(lambda match: match.group(1) + lines + match.group(2), text)


def _metadata(tag: str) -> NotebookNode:
    """Return the metadata of a stamped cell, which a presentation passes over."""
    return NotebookNode(slideshow=NotebookNode(slide_type="skip"), tags=[tag])
