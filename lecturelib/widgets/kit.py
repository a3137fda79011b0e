"""What a page gets to show an interactive figure: the kit that all share, the figure's own script, arrays as text."""

import base64
import re
from pathlib import Path
from typing import Any

import numpy as np

LIMIT = 300_000  # bytes that a page should load for one figure
_FOLDER = Path(__file__).parent
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./kit\.js";\n', re.MULTILINE)


def script(name: str) -> str:
    """Return the kit and the script of a figure as one module, which needs no other file.

    >>> "import {" in script("transfer_lab"), "class View" in script("transfer_lab")
    (False, True)
    """
    return _read("kit.js") + _IMPORT.sub("", _read(f"{name}.js"))


def style(name: str) -> str:
    """Return the styles of the kit and of a figure."""
    return _read("kit.css") + _read(f"{name}.css")


def text_of(array: np.ndarray) -> str:
    """Return the bytes of an array as base64: some hosts lose a widget's binary messages."""
    return base64.b64encode(array.tobytes()).decode()


def coded(shares: np.ndarray, bits: int) -> np.ndarray:
    """Return shares from 0 to 1 as whole numbers of 8 or 16 bits, the largest of which is 1."""
    return np.rint(shares * (2**bits - 1)).astype("<u2" if bits == 16 else "u1")


def as_array(value: Any) -> np.ndarray:
    """Return a tensor of any kind, or what NumPy understands, as an array."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.double() if value.is_floating_point() else value  # NumPy has no bfloat16
    return np.asarray(value)


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
