"""Build the site with Sphinx, from what is stored: nothing is executed, and nothing is fetched."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import matplotlib
import nbformat
from sphinx.application import Sphinx
from sphinx.util.console import nocolor
from sphinx.util.docutils import docutils_namespace, patch_docutils

from lecturelib.figures.style import png
from lecturelib.workshop import Failed
from lecturelib.workshop.notebooks import ROOT, all_in
from lecturelib.workshop.publish.stamp import repository
from lecturelib.workshop.replicate.report import page
from lecturelib.workshop.site.exhibits import Exhibit, exhibits
from lecturelib.workshop.site.pages import BADGES, exhibits_page, front_page, notebook_page, pictures_of
from lecturelib.workshop.site.quizzes import quizzes

STATIC = Path(__file__).parent / "static"
LIST = ".site"  # the files of a site, in its folder: a new one replaces these, and no others
_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)

CONFIG: dict[str, Any] = {
    "project": "Attention, Transformers, Foundation Models",
    "author": "the lecturelib authors",
    "html_title": "Attention, Transformers, Foundation Models",
    "language": "en",
    "extensions": ["myst_nb", "lecturelib.workshop.site.mathml"],
    "nb_execution_mode": "off",
    "nb_ipywidgets_js": {},  # scripts of other hosts
    "nb_code_prompt_show": "Show the code",
    "nb_code_prompt_hide": "Hide the code",
    "nb_merge_streams": True,
    "myst_enable_extensions": ["dollarmath"],
    "html_math_renderer": "mathml",
    "html_theme": "furo",
    "html_theme_options": {"navigation_with_keys": False},  # the arrow keys belong to the exhibits
    "html_use_index": False,
    "html_copy_source": False,
    "html_show_sourcelink": False,
    "html_show_sphinx": False,
    "html_show_copyright": False,
    "html_favicon": "_static/icon.svg",
    "html_css_files": ["site.css"],
    "html_js_files": ["exhibits.js"],
    "html_last_updated_fmt": None,
    "pygments_style": "default",
}


def build(out: Path, root: Path = ROOT) -> None:
    """Build the site into a folder. Of an older site there, its own files are replaced when all is done, and no other.

    Raises: ValueError for a folder that holds something else than a site (hidden files and a CNAME aside), for a file
        of somebody else's in the place of a page, and for a project without notebooks; Failed for what Sphinx warns of.
    """
    out = out.resolve()
    old = _own_files(out)
    all_in(root / "notebooks")  # before anything is made
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".site-", dir=out.parent) as scratch:
        source, made, cache = (Path(scratch) / name for name in ("source", "made", "cache"))
        write_sources(source, exhibits(), root)
        _sphinx(source, made, cache)
        _guard(made)
        _replace(out, made, old)


def _own_files(out: Path) -> set[str]:
    """Return the files of the site that is in a folder, by their paths in it; none if the folder is new or empty.

    Raises: ValueError where it holds something else.
    """
    if (out / LIST).is_file():
        return set((out / LIST).read_text(encoding="utf-8").splitlines())
    if out.exists() and not (
        out.is_dir() and all(each.name.startswith(".") or each.name == "CNAME" for each in out.iterdir())
    ):
        raise ValueError(f"{out} is there, and holds no site: expected a new folder, an empty one, or an older site")
    return set()


def _replace(out: Path, made: Path, old: set[str]) -> None:
    """Move the files of a new site into a folder, and remove those of the old one that it no longer has.

    The list of own files stands there first, so that a build that is interrupted can be done again.
    """
    new = {each.relative_to(made).as_posix() for each in made.rglob("*") if each.is_file()}
    if foreign := sorted(name for name in new - old if (out / name).exists()):
        raise ValueError(
            f"{out} holds {foreign[0]}, which is not of an older site: expected no file in place of a page"
        )
    out.mkdir(exist_ok=True)
    _list(out, old | new)
    for name in sorted(new):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(made / name, out / name)
    for name in old - new:
        (out / name).unlink(missing_ok=True)
        for folder in (out / name).parents:
            if folder == out or any(folder.iterdir()):
                break
            folder.rmdir()
    _list(out, new)


def _list(out: Path, names: set[str]) -> None:
    (out / LIST).write_text("".join(f"{name}\n" for name in sorted(names)), encoding="utf-8")


def _guard(made: Path) -> None:
    """Write into each page what it may load and run: its own files, and of scripts in the page those of the theme.

    What a notebook brings with it, in a text, a formula or an output, runs nothing.
    """
    theme = _INLINE.findall((made / "search.html").read_text(encoding="utf-8"))  # a page that holds nothing of ours
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in theme]
    scripts = " ".join(["'self'", "blob:", *(f"'sha256-{each}'" for each in hashes)])
    policy = (
        f"default-src 'self'; script-src {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "object-src 'none'; base-uri 'none'; form-action 'self'"
    )
    guard = f'<head>\n    <meta http-equiv="Content-Security-Policy" content="{policy}">'
    for each in made.rglob("*.html"):
        text = each.read_text(encoding="utf-8")
        each.write_text(text.replace("<head>", guard, 1), encoding="utf-8")


def write_sources(source: Path, shown: list[Exhibit], root: Path = ROOT) -> None:
    """Write what Sphinx reads into a folder: pages, pictures, and the static files with the exhibits among them."""
    repo, paths = repository(root), all_in(root / "notebooks")
    source.mkdir(parents=True)
    for path in paths:
        nb = notebook_page(nbformat.read(path, as_version=4), path.stem, shown, repo, quizzes(path))
        (source / path.name).write_text(nbformat.writes(nb), encoding="utf-8")
    for badge, file in BADGES.items():
        shutil.copy(file, source / badge)
    front = front_page((root / "README.md").read_text(encoding="utf-8"), [path.stem for path in paths], repo)
    (source / "index.md").write_text(front, encoding="utf-8")
    for picture in pictures_of(front):
        (source / picture).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / picture, source / picture)
    pictures = [base64.b64encode(png(each.widget.picture())).decode() for each in shown]
    (source / "exhibits.md").write_text(exhibits_page(shown, pictures), encoding="utf-8")
    (source / "replication.md").write_text(page(paths), encoding="utf-8")
    shutil.copytree(STATIC, source / "_static")
    fonts = Path(matplotlib.get_data_path(), "fonts", "ttf")
    for name in ("STIXGeneral.ttf", "LICENSE_STIX"):  # for formulas, where a machine has no font for them
        shutil.copy(fonts / name, source / "_static" / name)
    (source / "_static" / "exhibits").mkdir()
    for each in shown:
        (source / "_static" / "exhibits" / f"{each.name}.js").write_text(each.script(), encoding="utf-8")


def _sphinx(source: Path, made: Path, cache: Path) -> None:
    """Run Sphinx; a warning is an error."""
    said = io.StringIO()
    config = CONFIG | {"html_static_path": ["_static"]}
    nocolor()
    with patch_docutils(), docutils_namespace():  # what one build registers is gone before the next
        app = Sphinx(
            srcdir=source, confdir=None, outdir=made, doctreedir=cache, buildername="html", confoverrides=config,
            status=None, warning=said, freshenv=True, warningiserror=True,
        )  # fmt: skip
        app.build(force_all=True)
    if said.getvalue() or app.statuscode:
        raise Failed(f"the site was not built:\n{said.getvalue()}")
    (made / ".buildinfo").unlink(missing_ok=True)
    (made / ".nojekyll").touch()  # GitHub Pages would leave out _static
