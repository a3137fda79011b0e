"""What a page loads to show an interactive figure: the kit that all of them share, and behind it the figure's own."""

from __future__ import annotations

import re
from pathlib import Path

_FOLDER = Path(__file__).parent
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./kit\.js";\n', re.MULTILINE)


def script(name: str) -> str:
    """Return the kit and the script of a figure as one module, which needs no other file.

    >>> "import" in script("transfer_lab"), "class View" in script("transfer_lab")
    (False, True)
    """
    own = (_FOLDER / f"{name}.js").read_text(encoding="utf-8")
    return (_FOLDER / "kit.js").read_text(encoding="utf-8") + _IMPORT.sub("", own)


def style(name: str) -> str:
    """Return the styles of the kit and of a figure."""
    return "".join((_FOLDER / f"{each}.css").read_text(encoding="utf-8") for each in ("kit", name))
