"""The pages of a built site, read as a browser would, but for what scripts do."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

HOW = "no Sphinx: python -m pip install -e '.[docs]'"
MISSING = any(find_spec(name) is None for name in ("sphinx", "myst_nb", "furo", "latex2mathml"))

POINTS = ("href", "src", "srcset", "data-script", "action")  # attributes that hold an address
SILENT = ("script", "style", "pre", "code", "math", "svg")  # their text is not prose


def page(path: Path) -> Any:
    """Return a page as Beautiful Soup reads it, which the theme brings."""
    from bs4 import BeautifulSoup

    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def prose(path: Path) -> str:
    found = page(path)
    for each in found(SILENT):
        each.decompose()
    return found.get_text()


@cache
def addresses(folder: Path) -> list[tuple[str, str, str]]:
    """Return what the tags of all pages point to: a link that one may follow, or a file that the browser fetches."""
    tags = [(path.name, tag) for path in sorted(folder.glob("*.html")) for tag in page(path).find_all()]
    return [(name, tag.name, tag[each]) for name, tag in tags for each in POINTS if tag.get(each)]


def dead(folder: Path) -> list[str]:
    """Return the addresses of all pages that lead nowhere within the site."""
    ids = {path.name: {tag["id"] for tag in page(path).find_all(id=True)} for path in folder.glob("*.html")}
    found = []
    for name, tag, address in addresses(folder):
        parts = urlsplit(address)
        target = unquote(parts.path) or name
        if parts.scheme or parts.netloc:
            continue
        missing = parts.fragment and unquote(parts.fragment) not in ids.get(target, {unquote(parts.fragment)})
        if missing or not (folder / target).is_file():
            found.append(f"{name}: <{tag}> {address}")
    return found


def foreign(folder: Path) -> list[str]:
    """Return what pages and style sheets would fetch from other hosts without being asked."""
    found = []
    for name, tag, address in addresses(folder):
        parts = urlsplit(address)
        if tag != "a" and (parts.netloc or parts.scheme not in ("", "data")):
            found.append(f"{name}: <{tag}> {address}")
    for sheet in folder.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8").replace("'", "").replace('"', "")
        found += [f"{sheet.name}: {start}" for start in ("url(http", "url(//", "@import http") if start in text]
    return found
