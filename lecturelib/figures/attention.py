"""Figures of notebook 03: soft look-up, learning rates, maps of attention, masks, one vector or a look-up."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Circle, Patch

from lecturelib.figures.colors import BLUE, GREEN, GREY, MARKERS, ORANGE, STATE_COLORS
from lecturelib.figures.given import known, results, same_shape
from lecturelib.figures.maps import HATCHED, OUTLINED, draw_map, map_panels, name_map, number_cells, separate
from lecturelib.figures.paper import PALE, arrow, box, paper
from lecturelib.figures.parts import label_ends, means_and_seeds, wrapped
from lecturelib.figures.style import LectureFigure, new_figure, panel, styled

_LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (2, 1.2)), "-.", (0, (1, 1)), "-")


@styled
def soft_lookup(query: np.ndarray, looked_up: Mapping[str, np.ndarray], keys: np.ndarray,
                values: np.ndarray) -> LectureFigure:  # fmt: skip
    """Show what is looked up for each query: a line per sharpness; the pairs of key and value are marked.

    Shapes: query (n,), looked_up[name] (n,), keys and values (m,).
    """
    figure, ax = panel(10.5, 4.6)
    for (name, each), color, line in zip(looked_up.items(), STATE_COLORS, _LINES, strict=False):
        ax.plot(query, each, color=color, ls=line, lw=2.8, label=name)
    ax.plot(keys, values, "o", color="black", ms=12, zorder=5, label="a key with its value")
    ax.legend(handles=ax.lines[-1:], loc="upper left", fontsize=13)
    drawn = np.concatenate([values, *looked_up.values()]).astype(float)
    low, high = drawn.min(), drawn.max()
    ax.set(xlim=(query.min(), query.max()), ylim=(low - 0.1 * (high - low), high + 0.2 * (high - low)))
    ax.set(xlabel="query", ylabel="what is looked up",
           title="The softer the look-up, the more it mixes the values of near keys")  # fmt: skip
    label_ends(ax, query.max(), {name: float(each[-1]) for name, each in looked_up.items()}, STATE_COLORS, 3.5)
    return figure


@styled
def weights_bars(keys: Sequence[str], scores: np.ndarray, weights: np.ndarray, values: np.ndarray,
                 mix: float) -> LectureFigure:  # fmt: skip
    """Show one look-up by hand: a bar of weight over each key, under it its score, its value and weight times value.

    Shapes: scores, weights and values (m,), as many as keys. Raises: ValueError for others.
    """
    scores, weights, values = (np.asarray(each, float) for each in (scores, weights, values))
    for name, each in (("scores", scores), ("weights", weights), ("values", values)):
        same_shape(f"keys and {name}", (len(keys),), each.shape)
    figure, ax = panel(7.5, 4.8)
    figure.set_layout_engine("none")  # it leaves too little room for the rows below
    ax.set_position((1.75 / 7.5, 0.36, 0.99 - 1.75 / 7.5, 0.55))
    ax.bar(range(len(keys)), weights, width=0.62, color=BLUE)
    for k, weight in enumerate(weights):
        ax.text(k, weight + 0.02, f"{weight:.3f}", ha="center", va="bottom", fontsize=15, color=BLUE, weight="bold")
    ax.text(len(keys), 0.02, f"{weights.sum():.3f}", ha="center", va="bottom", fontsize=15, color=BLUE)
    ax.set(xlim=(-0.6, len(keys) + 0.5), ylim=(0, 1.12), xticks=[], yticks=[0, 0.5, 1], ylabel="weight")
    ax.axvline(len(keys) - 0.5, ymin=-0.53, color=GREY, lw=1.2, clip_on=False)
    ax.set_title(f"mix {mix:.1f} = sum of weight × value, over the keys", fontsize=16)
    rows: dict[str, tuple[list[str], dict[str, Any]]] = {
        "key": ([*keys, "sum"], {"weight": "bold"}),
        "score": ([f"{score:.2f}" for score in scores], {}),
        "value": ([f"{value:g}" for value in values], {}),
        "weight × value": ([f"{product:.1f}" for product in [*weights * values, mix]], {"color": "#7a4b00"}),
    }
    for row, (name, (cells, look)) in enumerate(rows.items()):
        y = -0.09 - 0.12 * row
        ax.text(-0.02, y, name, transform=ax.transAxes, ha="right", va="center", fontsize=14)
        for k, cell in enumerate(cells):
            ax.text(k, y, cell, transform=ax.get_xaxis_transform(), ha="center", va="center", fontsize=15, **look)
    return figure


@styled
def by_learning_rate(rates: Sequence[float], losses: Mapping[str, np.ndarray]) -> LectureFigure:
    """Show the loss that each arm reaches at each learning rate: a line for the median, a hollow mark per seed.

    Each arm's best median is ringed. Shapes: losses[name] (seeds, n) at n rates, above 0. Raises: ValueError for
    others.
    """
    figure, ax = panel(11, 4.8)
    arrays = results(losses, "losses", len(rates))
    ends = means_and_seeds(ax, rates, arrays, np.median)
    for each, color in zip(arrays.values(), STATE_COLORS, strict=False):
        middle = np.median(each, 0)
        ax.plot(rates[middle.argmin()], middle.min(), "o", mfc="none", mec=color, ms=24, mew=3)
    flat = np.concatenate([each.ravel() for each in arrays.values()])
    ax.set(xscale="log", yscale="log", ylim=(0.5 * flat.min(), 2.5 * flat.max()))
    ax.set(xlabel="learning rate", ylabel="validation loss\nline: median; hollow: one seed each",
           title="After the same number of steps; ringed: each arm at its best rate")  # fmt: skip
    ax.set_xticks(list(rates), [f"{rate:g}" for rate in rates])
    ax.minorticks_off()
    label_ends(ax, rates[-1], ends, STATE_COLORS, 3.6)
    return figure


@styled
def pointer_maps(looks: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]]) -> LectureFigure:
    """Show one to four maps of attention, with letters for symbols; the cells that hold the answers are outlined.

    Shapes: looks[title] is weights (T, S), the symbols that are read (S,), and those that are written (T,), from 0 to
    25. Raises: ValueError for others, and more than four maps.
    """
    figure, panels, wide = map_panels([np.shape(weights) for weights, _, _ in looks.values()])
    for ax, (title, (weights, read, written)) in zip(panels, looks.items(), strict=True):
        same_shape(f"weights of {title!r}, and written and read,", np.shape(weights), (len(written), len(read)))
        image = draw_map(ax, weights, expected=np.equal.outer(written, read))
        ax.set_title(wrapped(title, wide), fontsize=14)
        name_map(ax, [chr(65 + int(symbol)) for symbol in written], [chr(65 + int(symbol)) for symbol in read])
        ax.set_xlabel("reads", fontsize=13)
    panels[0].set_ylabel("writes", fontsize=13)
    figure.colorbar(image, ax=panels, ticks=[0, 0.5, 1], aspect=25).set_label("weight; each row sums to 1")
    figure.legend(handles=[Patch(label="expected", **OUTLINED)], loc="outside lower center", fontsize=13)
    return figure


@styled
def vector_or_look_up(dates: Mapping[str, np.ndarray], lengths: Sequence[int], copied: Mapping[str, np.ndarray],
                      chance: np.ndarray) -> LectureFigure:  # fmt: skip
    """Show the share of exact answers of two or more arms: for dates, and for copies of growing length.

    Shapes: dates[name] (seeds,), copied[name] (seeds, n) and chance (n,) at n lengths, from 0 to 1; the same names.
    Raises: ValueError for others.
    """
    known("copied", copied, dates)
    figure = new_figure(12, 4.8)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1, 2))
    for k, each in enumerate(results(dates, "answers").values()):
        left.plot(np.full(len(each), k), each, MARKERS[k], mfc="none", mec=STATE_COLORS[k], ms=9, alpha=0.7)
        left.plot([k - 0.25, k + 0.25], [each.mean()] * 2, color=STATE_COLORS[k], lw=4)
    left.set_xticks(range(len(dates)), [name.replace(", ", ",\n") for name in dates], fontsize=13)
    left.set(xlim=(-0.6, len(dates) - 0.4), ylim=(-0.04, 1.06), title="Dates: all ten characters",
             ylabel="exact answers\nline: mean; hollow: one seed each")  # fmt: skip
    ends = means_and_seeds(right, lengths, results(copied, "copies", len(lengths)))
    right.plot(lengths, chance, color=GREY, ls="--", lw=2, label="chance")
    right.set(xticks=list(lengths), xlabel="symbols to copy", title="Copies: all symbols")
    label_ends(right, lengths[-1], {**ends, "chance": float(chance[-1])}, STATE_COLORS, 3.7)
    return figure


@styled
def interventions(right: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> LectureFigure:
    """Show how many answers stay right: a row for what is taken from the map, a column for each question.

    The first row, where nothing is taken away, and the last, a guess, stand apart.
    Shapes: right (rows, columns) from 0 to 1. Raises: ValueError for others.
    """
    right = np.asarray(right, float)
    same_shape("right, and rows and columns,", right.shape, (len(rows), len(columns)))
    figure, ax = panel(10.5, min(6.5, 1.4 + 0.55 * len(rows)))
    image = draw_map(ax, right)
    number_cells(ax, right)
    separate(ax, right.shape)
    ax.hlines([0.5, len(rows) - 1.5], -0.5, len(columns) - 0.5, color="white", lw=6)
    name_map(ax, rows, columns, 14)
    ax.xaxis.tick_top()
    ax.set_ylabel("taken away", y=1 - (len(rows) - 1) / 2 / len(rows))  # beside all rows but the guess
    figure.colorbar(image, ax=ax, ticks=[0, 0.5, 1], aspect=25).set_label("right answers, mean of the seeds")
    return figure


@styled
def mask_panels(masks: Mapping[str, np.ndarray]) -> LectureFigure:
    """Show one to four boolean masks: colored cells may be looked at, hatched ones may not.

    Shapes: masks[name] (T, S), True = may look. Raises: ValueError for others, and more than four masks.
    """
    each = {name: np.asarray(mask) for name, mask in masks.items()}
    for name, mask in each.items():
        if mask.dtype != bool or mask.ndim != 2:
            raise ValueError(f"mask {name!r} has type {mask.dtype} and shape {mask.shape}: expected (T, S), bool")
    figure, panels, wide = map_panels([mask.shape for mask in each.values()])
    for ax, (name, mask) in zip(panels, each.items(), strict=True):
        draw_map(ax, mask.astype(float), mask=mask, cmap=ListedColormap([BLUE]))
        separate(ax, mask.shape)
        ax.set_title(wrapped(name, wide), fontsize=14)
        rows, columns = ([str(n + 1) for n in range(size)] for size in mask.shape)
        name_map(ax, rows, columns)
        ax.set_xlabel("looks at", fontsize=13)
    panels[0].set_ylabel("looks from", fontsize=13)
    legend = [Patch(label="may look", fc=BLUE), Patch(label="may not look", **HATCHED)]
    figure.legend(handles=legend, loc="outside lower center", ncols=2, fontsize=13)
    return figure


@styled
def translator_drawing() -> LectureFigure:
    """Draw an encoder and a decoder twice: with one vector between them, and with a look-up at every step."""
    says = (
        "an encoder reads the letters of a date, a decoder writes digits and starts from the last states of the "
        "encoder; left: these, as one vector, are also fed to every step of the decoder and to every output; right: "
        "each step looks at all states of the encoder, cross-attention, and the mix goes to the output of that step"
    )
    figure, ax = paper(12, 5.6, says)
    left, right = ([start + 1.25 * k for k in range(4)] for start in (0.95, 7.05))
    for at, title in ((left, "one vector, fed at every step"), (right, "a look-up at every step")):
        ax.text(at[0] - 0.75, 5.33, title, fontsize=16, weight="bold", va="center")
        for k, letter in enumerate("7May"):
            ax.text(at[k], 0.28, letter, fontsize=16, ha="center", va="center", weight="bold")
            arrow(ax, (at[k], 0.48), (at[k], 0.85))
            box(ax, at[k] - 0.4, 0.87, 0.8, 0.6, f"$e_{k + 1}$", color=BLUE)
        for a, b in pairwise(at):
            arrow(ax, (a + 0.4, 1.29), (b - 0.4, 1.29))
            arrow(ax, (b - 0.4, 1.05), (a + 0.4, 1.05))
        for k, digit in enumerate("05-0"):
            box(ax, at[k] - 0.4, 3.35, 0.8, 0.6, f"$h_{k + 1}$", color=GREEN)
            arrow(ax, (at[k], 3.95), (at[k], 4.7))
            ax.text(at[k], 4.9, digit, fontsize=16, ha="center", va="center", weight="bold")
        for a, b in pairwise(at):
            arrow(ax, (a + 0.4, 3.65), (b - 0.4, 3.65))
    box(ax, 2.3, 2.05, 1.05, 0.6, "$c$", color=ORANGE)
    arrow(ax, (left[3], 1.47), (3.35, 2.25))
    arrow(ax, (left[0], 1.47), (2.3, 2.25))
    for x in left:
        arrow(ax, (2.82 + 0.2 * np.sign(x - 2.82), 2.65), (x, 3.33))
    _to_outputs(ax, [2.82, 2.82], [2.65, 4.28], left)
    ax.text(2.82, 1.78, "last states of\nboth directions", fontsize=13, ha="center", va="center", linespacing=1.15)
    _start(ax, 2.3, 2.48, 0.28, "start", 2.85)
    step = right[1]
    for x, weight in zip(right, (0.05, 0.12, 0.6, 0.23), strict=True):
        ax.plot([x, step], [1.49, 2.5], color=ORANGE, lw=1 + 9 * weight, zorder=1, solid_capstyle="round")
    ax.add_patch(Circle((step, 2.56), 0.2, fc=PALE[ORANGE], ec=ORANGE, lw=3, zorder=3))
    arrow(ax, (step, 3.33), (step, 2.78))
    _to_outputs(ax, [step + 0.2, step + 0.62, step + 0.62], [2.56, 2.56, 4.28], [step])
    ax.text(step - 0.12, 3.05, "query from $h_2$", fontsize=13, ha="right", va="center")
    ax.text(step + 0.74, 3.05, "mix $c_2$ goes to the output", fontsize=13, va="center")
    words = "cross-attention:\nkeys and values\ncome from $e_1$ to $e_4$"
    ax.text(11.95, 2.2, words, fontsize=13, ha="right", va="center", linespacing=1.15)
    _start(ax, 6.38, 1.9, 6.38, "start: last\nstates of both\ndirections", 2.42)
    ax.plot([6.12, 6.12], [0.2, 5.4], color=GREY, lw=1.2)
    return figure


def _to_outputs(ax: Axes, x: list[float], y: list[float], outputs: list[float]) -> None:
    """A line up to a bar that joins the outputs; it passes over the line between two states of the decoder."""
    ax.plot([x[-1]] * 2, [3.5, 3.8], color="white", lw=9, zorder=5, solid_capstyle="butt")
    ax.plot(x, y, color=ORANGE, lw=2.5, zorder=6)
    bar = [x[-1], *outputs]
    ax.plot(bar, [y[-1]] * len(bar), color=ORANGE, lw=2.5, zorder=6, solid_capstyle="projecting")
    ax.plot(outputs, [y[-1]] * len(outputs), "o", color=ORANGE, ms=8, zorder=7)


def _start(ax: Axes, x: float, y: float, lane: float, words: str, middle: float) -> None:
    """A thin line from (x, y) along a lane on the left to the decoder's first state."""
    ax.plot([x, lane, lane], [y, y, 3.65], color=GREY, lw=1.5, zorder=1)
    arrow(ax, (lane, 3.65), (lane + 0.27, 3.65), GREY)
    ax.text(lane + 0.08, middle, words, fontsize=13, va="center", linespacing=1.15)


@styled
def map_to_read(percent: np.ndarray, letters: str) -> LectureFigure:
    """Show one map with its numbers: a numbered row for each place that is written, a column for each letter read.

    Shapes: percent (n, n) from 0 to 100, for n letters. Raises: ValueError for others.
    """
    percent = np.asarray(percent, float)
    same_shape("percent, and places and letters,", percent.shape, (len(letters), len(letters)))
    figure, ax = panel(8, 5)
    draw_map(ax, percent / 100)
    separate(ax, percent.shape)
    number_cells(ax, percent / 100, lambda value: f"{100 * value:.0f}", 14)
    name_map(ax, [f"place {k + 1}" for k in range(len(letters))], list(letters), 14, 15)
    ax.set(xlabel="reads", title="Percent of the weight")
    return figure
