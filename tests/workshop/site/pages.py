"""The pages of a built site, read as a browser would, but for what scripts do."""

from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

HOW = "no Sphinx: python -m pip install -e '.[docs]'"
MISSING = any(find_spec(name) is None for name in ("sphinx", "myst_nb", "furo", "latex2mathml"))

SILENT = {"script", "style", "pre", "code", "math", "svg"}  # their text is not prose
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Page(HTMLParser):
    """What stands in a page: its tags with their attributes, the ids to which links can lead, and its prose."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.ids: set[str] = set()
        self.prose = ""
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if found.get("id"):
            self.ids.add(found["id"])
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        while tag in self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not SILENT & set(self._open):
            self.prose += data

    def named(self, tag: str) -> list[dict[str, Any]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def addresses(self) -> Iterator[tuple[str, str]]:
        """Yield what each tag points to: a link that one may follow, or a file that the browser fetches."""
        for tag, attributes in self.tags:
            for name in ("href", "src", "srcset", "data-script", "action"):
                if attributes.get(name):
                    yield tag, attributes[name]


def pages(folder: Path) -> dict[str, Page]:
    return {path.name: Page(path) for path in sorted(folder.glob("*.html"))}


def dead(folder: Path) -> list[str]:
    """Return the addresses of all pages that lead nowhere within the site."""
    every = pages(folder)
    found = []
    for name, page in every.items():
        for tag, address in page.addresses():
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = unquote(parts.path) or name
            if not (folder / target).is_file():
                found.append(f"{name}: <{tag}> {address}")
            elif parts.fragment and target in every and unquote(parts.fragment) not in every[target].ids:
                found.append(f"{name}: <{tag}> {address}, which has no such place")
    return found


def foreign(folder: Path) -> list[str]:
    """Return what pages and style sheets would fetch from other hosts without being asked."""
    found = []
    for name, page in pages(folder).items():
        for tag, address in page.addresses():
            parts = urlsplit(address)
            if tag != "a" and (parts.netloc or parts.scheme not in ("", "data")):
                found.append(f"{name}: <{tag}> {address}")
    for sheet in folder.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        for start in ("url(http", "url('http", 'url("http', "url(//", '@import "http', "@import url(http"):
            if start in text:
                found.append(f"{sheet.relative_to(folder)}: {start}")
    return found
