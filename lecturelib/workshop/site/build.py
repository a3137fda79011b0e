"""Build the site with Sphinx, from what is stored: nothing is executed, and nothing is fetched."""

import base64
import hashlib
import re
import shutil
import tempfile
from pathlib import Path

import matplotlib
import nbformat
from sphinx.cmd.build import build_main

from lecturelib.workshop import Failed
from lecturelib.workshop.notebooks import ROOT, all_in
from lecturelib.workshop.publish.stamp import repository
from lecturelib.workshop.replicate.report import page
from lecturelib.workshop.site.exhibits import Exhibit, exhibits
from lecturelib.workshop.site.pages import front_page, notebook_page, pictures_of
from lecturelib.workshop.site.quizzes import quizzes

HERE = Path(__file__).parent
MARK = "objects.inv"  # a file that every site of Sphinx has


def build(out: Path, root: Path = ROOT) -> None:
    """Build the site into a folder; of an older site there the pages are replaced, and no other file is touched.

    Raises: ValueError for a folder that holds something else than a site (hidden files and a CNAME aside), and for a
        project without notebooks; Failed for what Sphinx warns of.
    """
    there = [each.name for each in out.iterdir()] if out.exists() else []
    if MARK not in there and any(name != "CNAME" and not name.startswith(".") for name in there):
        raise ValueError(f"{out} is there, and holds no site: expected a new folder, or that of an older site")
    with tempfile.TemporaryDirectory() as scratch:
        source, made = Path(scratch, "source"), Path(scratch, "made")
        write_sources(source, exhibits(), root)
        sphinx(source, made)
        guard(made)
        shutil.copytree(made, out, dirs_exist_ok=True)


def write_sources(source: Path, shown: list[Exhibit], root: Path = ROOT) -> None:
    """Write what Sphinx reads into a folder: pages, pictures, and the static files with the exhibits among them."""
    repo, paths = repository(root), all_in(root / "notebooks")
    source.mkdir(parents=True)
    for path in paths:
        nb = notebook_page(nbformat.read(path, as_version=4), path.stem, shown, repo, quizzes(path))
        nbformat.write(nb, source / path.name)
    front = front_page((root / "README.md").read_text(encoding="utf-8"), [path.stem for path in paths], repo)
    for picture in pictures_of(front):
        (source / picture).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / picture, source / picture)
    (source / "index.md").write_text(front, encoding="utf-8")
    (source / "replication.md").write_text(page(paths), encoding="utf-8")
    shutil.copytree(HERE / "static", source / "_static")
    fonts = Path(matplotlib.get_data_path(), "fonts", "ttf")
    for name in ("STIXGeneral.ttf", "LICENSE_STIX"):  # for formulas, where a machine has no font for them
        shutil.copy(fonts / name, source / "_static" / name)
    (source / "_static" / "exhibits").mkdir()
    for each in shown:
        (source / "_static" / "exhibits" / f"{each.name}.js").write_text(each.script(), encoding="utf-8")


def sphinx(source: Path, made: Path) -> None:
    """Run Sphinx on a folder. Raises: Failed for a warning, which stands on the screen then."""
    shutil.copy(HERE / "conf.py", source)
    if build_main(["-q", "--fail-on-warning", "-d", str(source / ".cache"), str(source), str(made)]):
        raise Failed("the site was not built: Sphinx says above why")


def guard(made: Path) -> None:
    """Write into each page what it may load and run: its own files, and of scripts in the page those of the theme.

    What a notebook brings with it, in a text, a formula or an output, runs nothing.
    """
    theme = re.findall(r"(?s)<script>(.*?)</script>", (made / "search.html").read_text(encoding="utf-8"))
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in theme]
    scripts = " ".join(["'self'", "blob:", *(f"'sha256-{each}'" for each in hashes)])
    policy = (
        f"default-src 'self'; script-src {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "object-src 'none'; base-uri 'none'; form-action 'self'"
    )
    meta = f'<head>\n    <meta http-equiv="Content-Security-Policy" content="{policy}">'
    for each in made.rglob("*.html"):
        text = each.read_text(encoding="utf-8")
        each.write_text(text.replace("<head>", meta, 1), encoding="utf-8")
