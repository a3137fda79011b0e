"""Figures of notebook 04: who mixes tokens, positions, heads, the curve of a language model, bugs and their tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.ticker import MaxNLocator, NullFormatter

from lecturelib.figures.attention import mask_panels
from lecturelib.figures.parts import draw_map, label_ends, same_shape, wrapped
from lecturelib.figures.style import (
    BLUE,
    GREY,
    MARKERS,
    ORANGE,
    RED,
    STATE_COLOURS,
    LectureFigure,
    axes,
    new_figure,
    styled,
)


@styled
def mixing(maps: Mapping[str, np.ndarray]) -> LectureFigure:
    """Show for each layer how much output i changes with input j, relative to the largest; exact zeros are hatched.

    Below each map stands what follows from its zeros. Shapes: maps[name] (T, T), |d out_i / d in_j|, not negative.
    Raises: ValueError for more than six maps, and for one that is not square, holds a negative number or only zeros.
    """
    if not 1 <= len(maps) <= 6:
        raise ValueError(f"{len(maps)} maps: expected 1 to 6; call once for each few of them")
    figure = new_figure(12, 4.4 if len(maps) < 5 else 3.9, f"which input changes which output, for {', '.join(maps)}")
    panels = axes(figure, 1, len(maps))
    for ax, (name, each) in zip(panels, maps.items(), strict=True):
        size = np.asarray(each, float)
        if size.ndim != 2 or size.shape[0] != size.shape[1] or not (size >= 0).all() or not size.any():
            raise ValueError(f"map {name!r} {size.shape}: expected (T, T), absolute derivatives that are not all 0")
        reached = size > 0
        image = draw_map(ax, np.where(reached, size, 1) / size.max(), mask=reached, cmap="viridis", norm=_RELATIVE)
        ax.set_title(wrapped(name, 11 / len(maps)), fontsize=14)
        verdict = _verdict(reached)
        ax.set_xlabel(verdict, fontsize=14, weight="bold", color=RED if "mixes" in verdict else BLUE)
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
    """Show the vectors of positions, a row each, beside the dot products between them.

    Shapes: table (T, D) from -1 to 1, similarity (T, T).
    """
    figure = new_figure(12, 5.2, "the sines and cosines of each position, and the dot products between positions")
    left, right = axes(figure, 1, 2, width_ratios=[1.25, 1])
    shown = left.imshow(table, cmap="PuOr", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    left.set(xlabel="width: pairs of sine and cosine, fast to slow", ylabel="position")
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
def by_position(
    positions: Sequence[int], loss: Mapping[str, np.ndarray], trained: int, ylabel: str = "loss (nats)"
) -> LectureFigure:
    """Show the loss at each position of models that were trained up to `trained` positions.

    Shapes: loss[name] (n,) at n positions; NaN where a model has no position.
    """
    figure = new_figure(10.5, 4.8, f"the loss at each position, of models trained on sequences of {trained} positions")
    (ax,) = axes(figure)
    every = max(1, len(positions) // 8)
    ends, colors, ended = {}, [], []
    for k, (name, each) in enumerate(loss.items()):
        each = np.asarray(each, float)
        same_shape(f"positions and the losses of {name!r}", (len(positions),), each.shape)
        ax.plot(positions, each, color=STATE_COLOURS[k], marker=MARKERS[k], markevery=(k * every // 3, every), ms=9)
        last = int(np.flatnonzero(np.isfinite(each))[-1])
        if last == len(each) - 1:
            ends[name] = float(each[last])
            colors.append(STATE_COLOURS[k])
        else:
            ax.plot(positions[last], each[last], "X", color=STATE_COLOURS[k], mec="black", ms=15, zorder=5)
            ended.append(name)
    values = np.concatenate([np.asarray(each, float) for each in loss.values()])
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

    Shapes: accuracy[relation] (seeds, n) from 0 to 1, at n numbers of heads.
    """
    figure = new_figure(10.5, 4.6, "how well each relation is answered, against the number of heads of one width")
    (ax,) = axes(figure)
    ends = {}
    for k, (name, each) in enumerate(accuracy.items()):
        each = np.asarray(each, float)
        nudge = 0.03 * (k - (len(accuracy) - 1) / 2)
        ax.plot(np.log2(counts) + nudge, each.mean(0), MARKERS[k] + "-", color=STATE_COLOURS[k], ms=9)
        ax.plot(np.log2(counts) + nudge, each.T, MARKERS[k], mfc="none", mec=STATE_COLOURS[k], ms=10, alpha=0.7)
        ends[name] = float(each.mean(0)[-1])
    ax.axhline(chance, color=GREY, ls="--", lw=2)
    ax.set_xticks(np.log2(counts), [str(n) for n in counts])
    ax.set(xlabel="heads (the width stays the same)", ylim=(-0.04, 1.06))
    ax.set_ylabel("right answers\nline: mean; hollow: one seed each")
    label_ends(ax, float(np.log2(counts[-1])), {**ends, "chance": chance}, [*STATE_COLOURS[: len(ends)], GREY], 3.6)
    return figure


@styled
def ablation(accuracy: np.ndarray | Mapping[str, np.ndarray], rows: Sequence[str],
             columns: Sequence[str]) -> LectureFigure:  # fmt: skip
    """Show how right the answers stay when something is removed: a row per removal, a column per question.

    Shapes: accuracy (rows, columns) from 0 to 1, or several such under their names, side by side.
    """
    panels = accuracy if isinstance(accuracy, Mapping) else {"": accuracy}
    wide = max(4.2, 0.11 * max(map(len, rows)) + 1.0 * len(columns))
    figure = new_figure(min(12, 2.2 + wide * len(panels)), min(6.5, 2.0 + 0.55 * len(rows)),
                        f"right answers to {len(columns)} questions, after each of {len(rows)} changes")  # fmt: skip
    every = axes(figure, 1, len(panels), sharey=True)
    for ax, (name, each) in zip(every, panels.items(), strict=True):
        each = np.asarray(each, float)
        same_shape("accuracy, and rows and columns,", each.shape, (len(rows), len(columns)))
        image = draw_map(ax, each)
        for (row, column), value in np.ndenumerate(each):
            ax.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=15,
                    color="white" if value < 0.6 else "black")  # fmt: skip
        ax.axhline(0.5, color="white", lw=5)
        names = [wrapped(column, 8 / len(panels) / len(columns), 13) for column in columns]
        ax.set_xticks(range(len(columns)), names, fontsize=13)
        ax.set_yticks(range(len(rows)), list(rows), fontsize=13)
        ax.tick_params(length=0)
        ax.set_title(name)
    figure.colorbar(image, ax=every, ticks=[0, 0.5, 1], aspect=25).set_label("right answers")
    return figure


@styled
def language_curve(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], lines: Mapping[str, float],
                   xlabel: str = "CPU seconds") -> LectureFigure:  # fmt: skip
    """Show held-out loss against time, and named levels that it passes: what simpler models reach.

    Shapes: curves[name] is (seconds, loss), of one length; time is on a log scale.
    """
    figure = new_figure(12, 5.6, f"held-out loss against {xlabel}, beside the levels {', '.join(lines)}")
    (ax,) = axes(figure)
    for k, (name, (seconds, loss)) in enumerate(curves.items()):
        ax.plot(seconds, loss, MARKERS[k] + "-", color=STATE_COLOURS[k], ms=8, lw=2.8, label=name)
    low = min([*lines.values(), *(min(loss) for _, loss in curves.values())])
    high = max([*lines.values(), *(max(loss) for _, loss in curves.values())])
    ax.set_ylim(low - 0.06 * (high - low), high + 0.06 * (high - low))
    ax.set_xscale("log")
    first, last = (choose(choose(s) for s, _ in curves.values()) for choose in (min, max))
    ax.set_xlim(first * 0.9, last * 1.08)
    nice = [tick for power in range(-2, 6) for tick in (10.0**power, 2 * 10.0**power, 5 * 10.0**power)]
    shown = [tick for tick in nice if first * 0.9 <= tick <= last * 1.08]
    ax.set_xticks(shown, [f"{tick:g}" for tick in shown])
    ax.xaxis.set_minor_formatter(NullFormatter())
    for level in lines.values():
        ax.axhline(level, color=GREY, ls="--", lw=1.6, zorder=1)
    named = {f"{name}: {level:.2f}": level for name, level in lines.items()}
    label_ends(ax, last * 1.08, named, [GREY] * len(named), 4.5, points=14)
    ax.set(xlabel=xlabel, ylabel="loss on held-out text (nats per character)")
    figure.legend(loc="outside lower center", ncols=len(curves), fontsize=14)
    return figure


@styled
def honest_or_not(
    bugs: Sequence[str], parallel: np.ndarray, left_to_right: np.ndarray, correct: float
) -> LectureFigure:
    """Show for each bug the loss in training beside the loss when the model writes, left to right.

    Shapes: parallel and left_to_right (n,) for n bugs, from the top down as given; the first is the right model.
    """
    parallel, left_to_right = np.asarray(parallel, float), np.asarray(left_to_right, float)
    same_shape("parallel and left_to_right", np.shape(parallel), np.shape(left_to_right))
    same_shape("bugs and losses", (len(bugs),), np.shape(parallel))
    figure = new_figure(12, min(6.5, 1.5 + 0.45 * len(bugs)), "loss in training and loss when it writes, for each bug")
    (ax,) = axes(figure)
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

    Shapes: found (bugs, tests), bool.
    Raises: ValueError for another shape.
    """
    found = np.asarray(found, bool)
    same_shape("found, and bugs and tests,", found.shape, (len(bugs), len(tests)))
    names = [wrapped(test, 8.2 / len(tests) - 0.1, 13) for test in tests]
    above = 0.24 * max(name.count("\n") + 1 for name in names)
    says = f"which of {len(tests)} tests exposes which of {len(bugs)} bugs"
    figure = new_figure(12, min(6.5, 0.75 + above + 0.42 * len(bugs)), says)
    (ax,) = axes(figure)
    ax.imshow(found, cmap="Blues", vmin=0, vmax=1.6, aspect="auto")
    for row, column in np.argwhere(found):
        ax.text(column, row, "✗", ha="center", va="center", fontsize=17, weight="bold")
    for edge in np.arange(0.5, len(bugs) - 1):
        ax.axhline(edge, color="#bbbbbb", lw=1)
    for edge in np.arange(0.5, len(tests) - 1):
        ax.axvline(edge, color="#bbbbbb", lw=1)
    ax.set_yticks(range(len(bugs)), list(bugs), fontsize=14)
    ax.set_xticks(range(len(tests)), names, fontsize=13)
    ax.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    ax.set_xlabel("✗ the test fails: it exposes the bug; empty: the test passes")
    return figure


@styled
def three_masks(masks: Mapping[str, np.ndarray]) -> LectureFigure:
    """Show the masks of the architectures beside one another: all, the lower triangle, and a rectangle.

    Shapes: masks[name] (T, S), True = may look. Raises: ValueError as `attention.mask_panels`.
    """
    return mask_panels(masks)
