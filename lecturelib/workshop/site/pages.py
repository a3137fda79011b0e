"""What Sphinx reads: the notebooks with their stored outputs, and the README as the front page."""

import base64
import html
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from nbformat import NotebookNode

from lecturelib.workshop.publish.stamp import BADGES_TAG, INSTALL_TAG, Repository
from lecturelib.workshop.site.exhibits import Exhibit

FIGURE = "Interactive figure: "  # how the text of a stored picture begins
NEEDS_KERNEL = (
    "A picture of an interactive figure. It comes to life in Binder or Colab (top of the page), or on your machine."
)
ICONS = "lecturelib/workshop/publish"  # which the front page shows as well
PICTURES = (".png", ".svg", ".webp")
_BADGE = re.compile(r"(?<=!\[Open in )(Binder|Colab)\]\(data:[^)]*\)")
_LINK = re.compile(r"(?<=\]\()([^()\s]+)(?=\))")


def notebook_page(
    nb: NotebookNode, name: str, exhibits: Iterable[Exhibit], repo: Repository, quizzes: Mapping[str, str]
) -> NotebookNode:
    """Make of a notebook what a page shows, and return it.

    The cell for Colab is gone, and imports are folded. Pictures get their text for those who cannot see them, and
    where an exhibit has its picture, it stands around it. A cell that asks for a prediction shows its quiz, given by
    its id. Links to files of the project lead to its repository.
    Raises: ValueError where an exhibit of this notebook finds no picture.
    """
    nb.cells = [cell for cell in nb.cells if INSTALL_TAG not in cell.metadata.get("tags", [])]
    wanted = {FIGURE + each.shows: each for each in exhibits if each.notebook == name}
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            if BADGES_TAG in cell.metadata.get("tags", []):  # no picture may stand in the text of a page
                cell.source = _BADGE.sub(lambda match: f"{match[1]}]({ICONS}/{match[1].lower()}.svg)", cell.source)
            else:
                cell.source = linked(cell.source, repo, "notebooks")
            continue
        if cell.metadata.get("slideshow", {}).get("slide_type") == "skip":
            cell.metadata.tags = [*cell.metadata.get("tags", []), "hide-input"]
        if cell.id in quizzes and cell.outputs:
            cell.outputs[-1].data = NotebookNode({"text/html": quizzes[cell.id]})
        for output in cell.outputs:
            data = output.get("data", {})
            if "image/png" not in data:
                continue
            said = data.get("text/plain", "")
            cell.metadata.mystnb = {"image": {"alt": said}}
            if said.startswith(FIGURE):
                figure = interactive_figure(data["image/png"], said, wanted.pop(said, None))
                output.data = NotebookNode({"text/html": figure})
    if wanted:
        raise ValueError(
            f"{name} holds no picture that says {next(iter(wanted))!r}: expected that of the exhibit; make it in "
            "lecturelib/workshop/site/exhibits.py as the notebook does"
        )
    return nb


def interactive_figure(png: str, said: str, exhibit: Exhibit | None) -> str:
    """Return the HTML of an interactive figure: a picture (in base64), in whose place its exhibit lives, if it has one.

    Raises: ValueError for a picture that is no base64: nothing else goes into the page.
    """
    data = "".join(png.split())
    base64.b64decode(data, validate=True)
    image = f'<img src="data:image/png;base64,{data}" alt="{html.escape(said)}">'
    if exhibit is None:
        return f"<figure>{image}<figcaption>{NEEDS_KERNEL}</figcaption></figure>"
    return (
        f'<figure class="exhibit" data-exhibit="{exhibit.name}">{image}'
        f"<figcaption>{html.escape(exhibit.text)}</figcaption>"
        f'<script defer src="_static/exhibits/{exhibit.name}.js"></script></figure>'
    )


def front_page(readme: str, notebooks: Sequence[str], repo: Repository) -> str:
    """Return the README as the front page, in Markdown: its links lead to pages of the site where there are some."""
    first, *rest = re.split(r"(?m)^(?=## )", linked(readme, repo))
    here = (
        "Every notebook can be read here as it came out when it was last run. The attention explorers of notebooks 04 "
        "and 09 live in the page. Under [How often it comes out](replication.md) stands what other seeds give. To run "
        "and change everything, open a notebook in Binder or Colab, or install it as described below.\n\n"
    )
    contents = "\n".join([*notebooks, "replication"])
    return f"{first}{here}{''.join(rest)}\n```{{toctree}}\n:hidden:\n\n{contents}\n```\n"


def linked(text: str, repo: Repository, folder: str = "") -> str:
    """Return Markdown whose links from a file in `folder` fit a page of the site.

    Notebooks are pages; pictures go with the site (see `pictures_of`); all other files are in the repository.
    """

    def new(match: re.Match[str]) -> str:
        target = match.group()
        if urlsplit(target).scheme or target.startswith("#"):
            return target
        path = posixpath.normpath(posixpath.join(folder, urlsplit(target).path))
        if path.startswith("notebooks/") and path.endswith(".ipynb"):
            return posixpath.basename(path)
        return path if path.endswith(PICTURES) else f"https://github.com/{repo.name}/blob/{repo.branch}/{path}"

    return _LINK.sub(new, text)


def pictures_of(text: str) -> list[str]:
    """Return the files of the repository that a text shows as pictures."""
    return [each for each in _LINK.findall(text) if not urlsplit(each).scheme and each.endswith(PICTURES)]
