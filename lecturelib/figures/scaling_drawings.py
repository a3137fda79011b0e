"""Drawings of notebook 08: what waits for what."""

from lecturelib.figures.colors import BLUE, GREY, ORANGE
from lecturelib.figures.paper import arrow, box, legend, numbered, paper
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
