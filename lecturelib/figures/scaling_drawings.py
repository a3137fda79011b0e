"""Drawings of notebook 08: what waits for what in time and between processes."""

from __future__ import annotations

from matplotlib.patches import Rectangle

from lecturelib.figures.colors import BLUE, GREY, ORANGE
from lecturelib.figures.paper import INK, PALE, arrow, box, legend, numbered, paper, rounded
from lecturelib.figures.style import LectureFigure, styled

# the products of a block, one waiting for the other
_STAGES = (("q, k, v", BLUE), ("scores", ORANGE), ("mix", ORANGE), ("out", BLUE), ("up", BLUE), ("down", BLUE))
_TOKENS = 8


@styled
def waiting() -> LectureFigure:
    """Draw which product waits for which: an LSTM reads token after token, a block takes six steps for any number."""
    says = f"an LSTM needs {_TOKENS} steps for {_TOKENS} tokens, a block six steps for all of them at once"
    figure, page = paper(12, 6.4, says)
    pitch, wide = 1.36, 0.92
    columns = [0.95 + pitch * k for k in range(_TOKENS)]
    page.text(0.15, 6.1, f"LSTM: {_TOKENS} tokens, {_TOKENS} steps", fontsize=19, weight="bold", va="center")
    page.text(11.85, 6.1, "each waits for the one before", fontsize=16, ha="right", va="center")
    for k, x in enumerate(columns):
        box(page, x, 4.72, wide, 0.8, "cell", color=ORANGE, points=17)
        numbered(page, x + 0.02, 5.5, k + 1, 0.21, 15)
        page.text(x + wide / 2, 4.12, f"token {k + 1}", fontsize=14, ha="center", va="center")
        arrow(page, (x + wide / 2, 4.27), (x + wide / 2, 4.7))
        if k:
            arrow(page, (columns[k - 1] + wide, 5.12), (x, 5.12))
    page.plot([0.15, 11.85], [3.78, 3.78], color=GREY, lw=1.2)
    page.text(0.15, 3.42, f"A transformer's block: {_TOKENS} tokens, 6 steps", fontsize=19, weight="bold", va="center")
    page.text(11.85, 3.42, "all tokens at once", fontsize=16, ha="right", va="center")
    lanes = [2.72 - 1.75 * k / (_TOKENS - 1) for k in range(_TOKENS)]
    page.text(0.1, 1.85, f"tokens\n1 to {_TOKENS}", fontsize=14, va="center", linespacing=1.2)
    end = columns[len(_STAGES) - 1] + wide
    for y in lanes:
        page.plot([0.87, end + 0.15], [y, y], color=GREY, lw=1.6, zorder=1)
        arrow(page, (end, y), (end + 0.4, y), color=GREY)
    for k, (name, color) in enumerate(_STAGES):
        x = columns[k]
        box(page, x, 0.83, wide, 2.03, "", color=color)
        for a in lanes:
            for b in lanes if color == ORANGE else (a,):
                page.plot([x + 0.1, x + wide - 0.1], [a, b], color=color, lw=1.6, zorder=3)
        numbered(page, x + 0.02, 2.84, k + 1, 0.21, 15)
        page.text(x + 0.3, 3.02, name, fontsize=15, weight="bold", va="center")
    page.text(end + 0.55, 1.85, "done: a longer\ntext adds no step", fontsize=14, va="center", linespacing=1.3)
    legend(page, 0.15, 0.38, ORANGE, "mixes tokens")
    legend(page, 2.5, 0.38, BLUE, "each token alone")
    page.text(11.85, 0.38, "numbers: the order in which they can be computed", fontsize=15, ha="right", va="center")
    return figure


@styled
def parallel_drawing(processes: int = 2) -> LectureFigure:
    """Draw a training step with several processes: a share of the batch each, the mean gradient, the same step on all.

    Raises: ValueError for fewer than 2 or more than 4 processes.
    """
    if not 2 <= processes <= 4:
        raise ValueError(f"processes={processes!r}: expected 2 to 4, what one slide holds")
    lane = {2: 1.75, 3: 1.4, 4: 1.2}[processes]
    tall = 0.78 * lane
    low, high = 1.05, 1.05 + lane * processes
    figure, page = paper(12, high + 0.95, f"a training step with {processes} processes, and which waits for which")
    heads = ((0.85, "one batch"), (3.0, "its share"), (5.35, "forward,\nbackward"), (8.05, "mean of\ngradients"),
             (10.75, "the step"))  # fmt: skip
    for x, words in heads:
        page.text(x, high + 0.45, words, fontsize=17, weight="bold", ha="center", va="center", linespacing=1.0)
    page.add_patch(Rectangle((0.35, low), 1.0, high - low, fc=PALE[GREY], ec=INK, lw=2))
    for k in range(processes):
        y = high - lane * (k + 1) + (lane - tall) / 2
        center = y + tall / 2
        if k:
            page.plot([0.2, 1.5], [high - lane * k] * 2, color=INK, lw=2, ls=(0, (4, 3)))
        page.text(0.85, center, f"1/{processes}", fontsize=19, ha="center", va="center")
        arrow(page, (1.4, center), (2.2, center))
        box(page, 2.2, y, 1.6, tall, f"process {k}", "its data", BLUE, points=15)
        arrow(page, (3.8, center), (4.4, center))
        box(page, 4.4, y, 1.9, tall, "weights W", "gradient " + "gₖ".replace("ₖ", "₀₁₂₃"[k]), BLUE, points=15)
        arrow(page, (6.3, center), (7.2, center), color=INK)
        arrow(page, (8.9, center), (9.75, center))
        box(page, 9.75, y, 2.0, tall, "W − step", "on the mean", BLUE, points=15)
    rounded(page, 7.2, low, 1.7, high - low, fc=PALE[ORANGE], ec=ORANGE, lw=4, zorder=2)
    page.text(8.05, (low + high) / 2, "all-reduce:\nwaits for\nall of them", fontsize=17, weight="bold", ha="center",
              va="center", zorder=3, linespacing=1.25)  # fmt: skip
    legend(page, 0.35, 0.62, BLUE, "each process alone, at the same time")
    legend(page, 5.9, 0.62, ORANGE, "processes exchange numbers, and wait")
    page.text(0.35, 0.22, "W: the same weights in each process, before the step and after it", fontsize=15, va="center")
    return figure
