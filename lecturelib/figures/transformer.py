"""Figures of notebook 04: who mixes tokens, positions, heads, the curve of a language model, bugs and their tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.ticker import MaxNLocator, NullFormatter

from lecturelib.figures.colors import BLUE, GREY, MARKERS, ORANGE, RED, STATE_COLORS
from lecturelib.figures.given import few, results, same_shape
from lecturelib.figures.maps import draw_map, number_cells, separate
from lecturelib.figures.parts import Curves, bracket, curves_and_levels, label_ends, means_and_seeds, wrapped
from lecturelib.figures.style import LectureFigure, axes, new_figure, panel, styled


@styled
def mixing(maps: Mapping[str, np.ndarray]) -> LectureFigure:
    """Show for each layer how much output i changes with input j, relative to the largest; exact zeros are hatched.

    Shapes: maps[name] (T, T), |d out_i / d in_j|, at most 6. Raises: ValueError for others, a negative one, only zeros.
    """
    few("maps", maps, 6)
    figure = new_figure(12, 4.4 if len(maps) < 5 else 3.9)
    panels = axes(figure, 1, len(maps))
    for ax, (name, each) in zip(panels, maps.items(), strict=True):
        size = np.asarray(each, float)
        if size.ndim != 2 or size.shape[0] != size.shape[1] or not (size >= 0).all() or not size.any():
            raise ValueError(f"map {name!r} {size.shape}: expected (T, T), absolute derivatives that are not all 0")
        reached = size > 0
        image = draw_map(ax, np.where(reached, size, 1) / size.max(), mask=reached, cmap="viridis", norm=_RELATIVE)
        verdict = _verdict(reached)
        color = RED if "mixes" in verdict else BLUE
        ax.set_title(f"{wrapped(name, 11 / len(maps))}:\n{verdict}", fontsize=14, color=color)
        ax.set(xticks=[], yticks=[])
    panels[0].set_ylabel("output token")
    bar = figure.colorbar(image, ax=panels, location="bottom", extend="min", aspect=45, shrink=0.6)
    bar.set_label("|d out / d in| as a share of the largest, log scale; columns: input tokens; hatched: exactly 0")
    return figure


_RELATIVE = LogNorm(1e-3, 1, clip=False)


def _verdict(reached: np.ndarray) -> str:
    if not reached[~np.eye(len(reached), dtype=bool)].any():
        return "each token alone"
    return "mixes, not ahead" if not np.triu(reached, 1).any() else "mixes tokens"


@styled
def position_table(table: np.ndarray, similarity: np.ndarray) -> LectureFigure:
    """Show the vectors of positions (T, D), a row each, beside the dot products between them (T, T)."""
    figure = new_figure(12, 5.2)
    left, right = axes(figure, 1, 2, width_ratios=[1.25, 1])
    shown = left.imshow(table, cmap="PuOr", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    left.set(xlabel="dimension: pairs of sine and cosine, fast to slow", ylabel="position")
    left.set_title("Each row: the vector of a position")
    figure.colorbar(shown, ax=left, ticks=[-1, 0, 1], aspect=30)
    dots = right.imshow(similarity, cmap="viridis", aspect="auto", interpolation="nearest")
    right.set(xlabel="position", ylabel="position")
    for axis in (left.xaxis, left.yaxis, right.xaxis, right.yaxis):
        axis.set_major_locator(MaxNLocator(7, integer=True))
    right.set_title("Dot products: near positions are alike")
    figure.colorbar(dots, ax=right, aspect=30)
    return figure


@styled
def by_position(positions: Sequence[int], loss: Mapping[str, np.ndarray], trained: int,
                ylabel: str = "loss (nats)") -> LectureFigure:  # fmt: skip
    """Show the loss at each position of models that were trained up to `trained` positions.

    Shapes: loss[name] (n,) at n positions; NaN where a model has no position. Raises: ValueError for others.
    """
    figure, ax = panel(10.5, 4.8)
    every = max(1, len(positions) // 8)
    arrays = {name: np.asarray(each, float) for name, each in loss.items()}
    ends, colors, ended = {}, [], []
    for k, (name, each) in enumerate(arrays.items()):
        look: dict[str, Any] = {"marker": MARKERS[k], "markevery": (k * every // 3, every), "ms": 9}
        ax.plot(positions, each, color=STATE_COLORS[k], label=name, **look)
        last = int(np.flatnonzero(np.isfinite(each))[-1])
        if last == len(each) - 1:
            ends[name] = float(each[last])
            colors.append(STATE_COLORS[k])
        else:
            ax.plot(positions[last], each[last], "X", color=STATE_COLORS[k], mec="black", ms=15, zorder=5)
            ended.append(name)
    values = np.stack(list(arrays.values()))
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    ax.set_ylim(low - (0.2 if ended else 0.08) * (high - low), high + 0.2 * (high - low))
    ax.set_xlim(positions[0], positions[-1])
    ax.axvline(trained, color=RED, ls="--", lw=2.5)
    ax.axvspan(trained, positions[-1], color=RED, alpha=0.07, lw=0)
    top = high + 0.17 * (high - low)
    gap = 0.012 * (positions[-1] - positions[0])
    ax.text(trained - gap, top, "seen in training", ha="right", va="top", color=RED, fontsize=14)
    ax.text(trained + gap, top, "never seen", ha="left", va="top", color=RED, fontsize=14)
    if ended:
        ax.text(trained + gap, low - 0.17 * (high - low), f"✖ {', '.join(ended)}: no such positions", fontsize=14)
    ax.set(xlabel="position", ylabel=ylabel)
    label_ends(ax, positions[-1], ends, colors, 3.7)
    return figure


@styled
def heads(counts: Sequence[int], accuracy: Mapping[str, np.ndarray], chance: float) -> LectureFigure:
    """Show accuracy against the number of heads, a line per relation for the mean and a hollow mark per seed.

    Shapes: accuracy[relation] (seeds, n) from 0 to 1, at n numbers of heads. Raises: ValueError for others.
    """
    figure, ax = panel(10.5, 4.6)
    ends = means_and_seeds(ax, np.log2(counts), results(accuracy, "accuracy", len(counts)))
    ax.axhline(chance, color=GREY, ls="--", lw=2)
    ax.set_xticks(np.log2(counts), [str(n) for n in counts])
    ax.set(xlabel="heads (d_model stays the same)", ylim=(-0.04, 1.06))
    ax.set_ylabel("right answers\nline: mean; hollow: one seed each")
    label_ends(ax, float(np.log2(counts[-1])), {**ends, "chance": chance}, STATE_COLORS, 3.6)
    return figure


@styled
def ablation(accuracy: np.ndarray | Mapping[str, np.ndarray], rows: Sequence[str],
             columns: Sequence[str]) -> LectureFigure:  # fmt: skip
    """Show how right the answers stay when something is removed: a row per removal, a column per question.

    Shapes: accuracy (rows, columns) from 0 to 1, or several such under their names. Raises: ValueError for others.
    """
    panels = accuracy if isinstance(accuracy, Mapping) else {"": accuracy}
    wide = max(4.2, 0.11 * max(map(len, rows)) + 1.0 * len(columns))
    figure = new_figure(min(12, 2.2 + wide * len(panels)), min(6.5, 2.0 + 0.55 * len(rows)))
    every = axes(figure, 1, len(panels), sharey=True)
    names = [wrapped(column, 8 / len(panels) / len(columns), 13) for column in columns]
    for ax, (name, each) in zip(every, panels.items(), strict=True):
        each = np.asarray(each, float)
        same_shape("accuracy, and rows and columns,", each.shape, (len(rows), len(columns)))
        image = draw_map(ax, each)
        number_cells(ax, each)
        ax.axhline(0.5, color="white", lw=5)
        ax.set_xticks(range(len(columns)), names, fontsize=13)
        ax.set_yticks(range(len(rows)), list(rows), fontsize=13)
        ax.tick_params(length=0)
        ax.set_title(name)
    figure.colorbar(image, ax=every, ticks=[0, 0.5, 1], aspect=25).set_label("right answers")
    return figure


@styled
def language_curve(curves: Curves, lines: Mapping[str, float]) -> LectureFigure:
    """Show held-out loss against time, and named levels that it passes: what simpler models reach.

    Shapes: curves[name] is (seconds, loss), of one length; time is on a log scale. Raises: ValueError for others.
    """
    figure, ax = panel(12, 5.6)
    ax.set_ylim(bracket([curves_and_levels(ax, curves, lines)], 0.06))
    times = np.concatenate([np.asarray(x, float) for x, _ in curves.values()])
    first, last = 0.9 * times.min(), 1.08 * times.max()
    ticks = [digit * 10.0**power for power in range(-2, 6) for digit in (1, 2, 5)]
    ticks = [tick for tick in ticks if first <= tick <= last]
    ax.set(xscale="log", xlim=(first, last), xlabel="CPU seconds", ylabel="loss on held-out text (nats per character)")
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.xaxis.set_minor_formatter(NullFormatter())
    named = {f"{name}: {level:.2f}": level for name, level in lines.items()}
    label_ends(ax, last, named, [GREY] * len(named), 4.5, points=14)
    return figure


@styled
def honest_or_not(bugs: Sequence[str], parallel: np.ndarray, left_to_right: np.ndarray,
                  correct: float) -> LectureFigure:  # fmt: skip
    """Show for each bug the loss in training beside the loss when the model writes, left to right.

    Shapes: parallel and left_to_right (n,) for n bugs, from the top down as given; the first is the right model.
    """
    parallel, left_to_right = np.asarray(parallel, float), np.asarray(left_to_right, float)
    same_shape("losses in training and left to right, of each bug,", parallel.shape, left_to_right.shape)
    figure, ax = panel(12, min(6.5, 1.5 + 0.45 * len(bugs)))
    rows = np.arange(len(bugs))
    ax.hlines(rows, parallel, left_to_right, color=GREY, lw=3, zorder=1)
    ax.plot(parallel, rows, "o", color=BLUE, ms=12, label="all positions at once, as in training")
    ax.plot(left_to_right, rows, "D", color=ORANGE, mec="black", ms=11, label="left to right, as when it writes")
    ax.axvline(correct, color="black", ls="--", lw=1.8, zorder=0)
    ax.axhspan(-0.5, 0.5, color="black", alpha=0.06, lw=0)
    ax.set_yticks(rows, list(bugs), fontsize=14)
    ax.tick_params("y", length=0)
    widest = max(parallel.max(), left_to_right.max(), correct)
    ax.set(ylim=(len(bugs) - 0.5, -0.5), xlim=(-0.03 * widest, 1.04 * widest), xlabel="loss (nats per character)")
    ax.text(correct, -0.6, "the right model", ha="center", va="bottom", fontsize=13)
    figure.legend(loc="outside lower center", ncols=2, fontsize=14)
    return figure


@styled
def exposed(bugs: Sequence[str], tests: Sequence[str], found: np.ndarray) -> LectureFigure:
    """Show which test exposes which bug: a filled cell with a cross where it does, an empty one where it passes.

    Shapes: found (bugs, tests), bool. Raises: ValueError for another shape.
    """
    found = np.asarray(found, bool)
    same_shape("found, and bugs and tests,", found.shape, (len(bugs), len(tests)))
    names = [wrapped(test, 8.2 / len(tests) - 0.1, 13) for test in tests]
    above = 0.24 * max(name.count("\n") + 1 for name in names)
    figure, ax = panel(12, min(6.5, 0.75 + above + 0.42 * len(bugs)))
    ax.imshow(found, cmap="Blues", vmin=0, vmax=1.6, aspect="auto")
    for row, column in np.argwhere(found):
        ax.text(column, row, "✗", ha="center", va="center", fontsize=17, weight="bold")
    separate(ax, found.shape, color="#bbbbbb", width=1)
    ax.set_yticks(range(len(bugs)), list(bugs), fontsize=14)
    ax.set_xticks(range(len(tests)), names, fontsize=13)
    ax.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    ax.set_xlabel("✗ the test fails: it exposes the bug; empty: the test passes")
    return figure
