"""The pages of a built site, read as a browser would, but for what scripts do."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

HOW = "no Sphinx: python -m pip install -e '.[docs]'"
MISSING = any(find_spec(name) is None for name in ("sphinx", "myst_nb", "furo", "latex2mathml"))


def page(path: Path) -> Any:
    """Return a page as Beautiful Soup reads it, which the theme brings."""
    from bs4 import BeautifulSoup

    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def prose(path: Path) -> str:
    """Return the text of a page, without code and formulas."""
    found = page(path)
    for each in found(("script", "style", "pre", "code", "math", "svg")):
        each.decompose()
    return found.get_text()
