"""Drawings of notebook 07: pictures of the sources, which weights are trained, a decision card."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle

from lecturelib.figures.colors import BLUE, GREEN, GREY, ORANGE
from lecturelib.figures.given import few, known, same_shape
from lecturelib.figures.paper import INK, PALE, arrow, paper
from lecturelib.figures.parts import wrapped
from lecturelib.figures.pictures import HALO, picture
from lecturelib.figures.style import LectureFigure, styled

_STACK = ("patches +\npositions", "block 1", "block 2", "norm", "head")  # from the input up
_ARMS = {  # of each part of the stack: is it copied from the source or new, is it trained or frozen
    "from scratch": ("new trained",) * 5,
    "fine-tuned": ("copied trained",) * 4 + ("new trained",),
    "linear probe": ("copied frozen",) * 4 + ("fitted trained",),
    "probe first": ("copied trained",) * 4 + ("probe trained",),
    "LoRA": ("copied frozen",) * 4 + ("probe trained",),
}
_STRIPS: dict[str, dict[str, Any]] = {  # where weights come from
    "copied": {"fc": "#00785a", "ec": INK},
    "new": {"fc": "white", "ec": GREY, "hatch": "..."},
    "probe": {"fc": PALE[BLUE], "ec": INK, "hatch": "//"},
    "fitted": {"fc": "white", "ec": GREY},  # a logistic regression starts from nothing random
}
_FILL = {"trained": "#ffd98c", "frozen": "#e4e9ee"}
_WASHES = (PALE[BLUE], PALE[ORANGE], PALE[GREEN], "#f6e3ee", "#e2f1fb", "#fbe3d6")  # of the cells of a card


@styled
def glyph_rows(rows: Mapping[str, np.ndarray]) -> LectureFigure:
    """Show some images of each source: a row for each, its name at the left.

    Shapes: rows[name] (n, C, height, width); the first 12 are drawn. Raises: ValueError for over 8 rows.
    """
    few("rows", rows, 8)
    side, size = 2.4, min(9.45 / 12, 6.3 / len(rows)) - 0.1
    figure, page = paper(12, len(rows) * (size + 0.12) + 0.2, f"images of {', '.join(rows)}: a row for each")
    for k, (name, images) in enumerate(rows.items()):
        y = figure.get_figheight() - 0.12 - size - k * (size + 0.12)
        page.text(0.15, y + size / 2, wrapped(name, side - 0.2, 17), fontsize=17, va="center", linespacing=1.0)
        for n, image in enumerate(images[:12]):
            picture(page, image, place=(side + n * (size + 0.1), y, size, size))
    return figure


@styled
def arms_drawing(counts: Mapping[str, int], total: int) -> LectureFigure:
    """Draw what each arm does: which parts are copied from the source, and how many of `total` numbers it trains.

    Raises: ValueError for counts of other arms than the five that are drawn.
    """
    known("counts", counts, _ARMS)
    known("arms", _ARMS, counts)
    figure, page = paper(12, 6.45, "five arms: which parts are copied from the source, and which are trained")
    for k, (name, parts) in enumerate(_ARMS.items()):
        x, y = 0.2 + 2.36 * k, 1.5
        page.text(x + 1.08, 6.18, name, fontsize=18, weight="bold", ha="center", va="center")
        for n, (part, state) in enumerate(zip(_STACK, parts, strict=True)):
            lora = name == "LoRA" and part.startswith("block")
            high = 0.95 if "\n" in part else 0.7
            _part(page, x, y, 1.29 if lora else 2.16, high, part, state)
            if lora:
                page.text(x + 1.36, y + high / 2, "+", fontsize=15, ha="center", va="center")
                _part(page, x + 1.43, y, 0.73, high, "B A", "new trained", strip=False)
            y += high
            if n < 4:
                arrow(page, (x + 1.08 - 0.37 * lora, y), (x + 1.08 - 0.37 * lora, y + 0.17))
                y += 0.17
        page.text(x + 1.08, 1.27, f"trained: {counts[name]:,}", fontsize=16, weight="bold", ha="center", va="center")
        share = 100 * counts[name] / total
        words = f"{share:.0f} % of {total:,}" if share >= 9.95 else f"{share:.1f} % of {total:,}"
        page.text(x + 1.08, 0.95, words, fontsize=14, ha="center", va="center")
    for x, state, words in ((0.2, "copied", "copied from the source"), (3.35, "new", "new: random start"),
                            (5.95, "probe", "the probe's"), (7.75, "fitted", "fitted"), (9.05, "trained", "trained"),
                            (10.5, "frozen", "frozen")):  # fmt: skip
        if state in _FILL:
            page.add_patch(Rectangle((x, 0.18), 0.42, 0.34, fc=_FILL[state], ec=INK, lw=1.5))
        else:
            page.add_patch(Rectangle((x, 0.18), 0.28, 0.34, lw=1, zorder=3, **_STRIPS[state]))
        page.text(x + (0.52 if state in _FILL else 0.38), 0.35, words, fontsize=15, va="center")
    return figure


def _part(page: Axes, x: float, y: float, w: float, h: float, name: str, state: str, strip: bool = True) -> None:
    """A part of the network: its fill says whether it is trained, a strip at its left where it comes from."""
    origin, trained = state.split()
    wide = 0.3 if strip else 0.0
    page.add_patch(FancyBboxPatch((x, y), w, h, boxstyle="square,pad=0", fc=_FILL[trained], lw=0, zorder=2))
    if strip:
        page.add_patch(Rectangle((x, y), wide, h, lw=1, zorder=3, **_STRIPS[origin]))
        page.text(x + wide / 2, y + h / 2, origin, rotation=90, fontsize=12, ha="center", va="center", zorder=4,
                  color="white" if origin == "copied" else "black",
                  path_effects=None if origin == "copied" else HALO)  # fmt: skip
    page.add_patch(Rectangle((x, y), w, h, fc="none", ec=INK, lw=2.6 if trained == "trained" else 1.2, zorder=3))
    middle = x + (w + wide) / 2
    edge, words, points = (0.1, trained, 13) if strip else (0.05, f"{origin},\n{trained}", 12)
    page.text(middle, y + h - edge, name, fontsize=15, weight="bold", ha="center", va="top", zorder=4, linespacing=1.0)
    page.text(middle, y + edge, words, fontsize=points, ha="center", va="bottom", zorder=4, linespacing=0.95)


@styled
def decision_card(rows: Sequence[str], columns: Sequence[str], cells: Sequence[Sequence[str]]) -> LectureFigure:
    """Draw a table to decide by: rows are numbers of labels, columns kinds of sources, the first line of a cell an arm.

    Cells with the same first line have the same color.
    Raises: ValueError for cells that do not fit the columns.
    """
    for row in cells:
        same_shape("columns and a row of cells", (len(columns),), (len(row),))
    arms = list(dict.fromkeys(cell.split("\n")[0] for row in cells for cell in row))
    wide = 9.95 / len(columns)
    highs = [0.3 + max(sum(_high(*line) for line in _lines(cell, wide)) for cell in row) for row in cells]
    figure, page = paper(12, 1.25 + sum(highs), "which arm to take: the labels for each class against the source")
    y = figure.get_figheight() - 1.1
    page.text(1.85, y + 0.85, "the source is", fontsize=16, va="center")
    page.text(0.15, y + 0.42, "labels for\neach class", fontsize=16, va="center", linespacing=1.0)
    for j, name in enumerate(columns):
        page.text(1.85 + (j + 0.5) * wide, y + 0.3, name, fontsize=21, weight="bold", ha="center", va="center")
    for name, high, row in zip(rows, highs, cells, strict=True):
        y -= high
        page.text(0.85, y + high / 2, name, fontsize=26, weight="bold", ha="center", va="center")
        for j, words in enumerate(row):
            fill, lines = _WASHES[arms.index(words.split("\n")[0]) % len(_WASHES)], _lines(words, wide)
            page.add_patch(Rectangle((1.85 + j * wide, y), wide - 0.1, high - 0.1, fc=fill, ec=GREY, lw=1.2))
            at = y + (high - 0.1) / 2 + sum(_high(*line) for line in lines) / 2
            for n, line in lines:
                page.text(1.85 + (j + 0.5) * wide - 0.05, at - _high(n, line) / 2, line, ha="center", va="center",
                          fontsize=16 if n else 19, weight="normal" if n else "bold", linespacing=1.05)  # fmt: skip
                at -= _high(n, line)
    return figure


def _lines(cell: str, inches: float) -> list[tuple[int, str]]:
    """The numbered lines of a cell, broken where they are too long; the first is bold."""
    told = re.sub(r"(?<!\w)-(?=\d)", "−", cell)  # a minus, not a hyphen of GPT-2 or 1-5
    return [(n, wrapped(line, inches - 0.3, 16 if n else 25)) for n, line in enumerate(told.split("\n"))]


def _high(n: int, text: str) -> float:
    """The inches that line n of a cell takes: the first is the largest."""
    return (0.36 if n == 0 else 0.3) * (text.count("\n") + 1)
