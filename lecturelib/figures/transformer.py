"""Figures of notebook 04: who mixes tokens, positions, heads and parts removed, language models, bugs and tests."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from lecturelib.figures.colors import BLUE, GREY, MARKERS, ORANGE, RED, STATE_COLORS
from lecturelib.figures.given import few, results, same_shape
from lecturelib.figures.maps import draw_map, name_map, number_cells, separate
from lecturelib.figures.parts import bracket, label_ends, means_and_seeds, wrapped
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
        if size.ndim != 2 or not (size >= 0).all() or not size.any():
            raise ValueError(f"map {name!r} {size.shape}: expected (T, T), absolute derivatives that are not all 0")
        reached = size > 0
        scale = LogNorm(1e-3, 1, clip=False)
        image = draw_map(ax, np.where(reached, size, 1) / size.max(), mask=reached, cmap="viridis", norm=scale)
        verdict, color = "mixes tokens", RED
        if not reached[~np.eye(len(reached), dtype=bool)].any():
            verdict, color = "each token alone", BLUE
        elif not np.triu(reached, 1).any():
            verdict = "mixes, not ahead"
        ax.set_title(f"{wrapped(name, 11 / len(maps))}:\n{verdict}", fontsize=14, color=color)
        ax.set(xticks=[], yticks=[])
    panels[0].set_ylabel("output token")
    words = "|d out / d in| as a share of the largest, log scale; columns: input tokens; hatched: exactly 0"
    figure.colorbar(image, ax=panels, location="bottom", extend="min", aspect=45, shrink=0.6, label=words)
    return figure


@styled
def by_position(
    positions: Sequence[int], right: Mapping[str, np.ndarray], trained: int, chance: float
) -> LectureFigure:
    """Show the share of right answers at each position, of models that were trained up to `trained` positions.

    Shapes: right[name] (seeds, n) at n positions, from 0 to 1: a thin line for each seed, a thick one for the mean.
    Raises: ValueError for others.
    """
    figure, ax = panel(11, 5.2)
    every = max(1, len(positions) // 8)
    arrays = results(right, "right answers", len(positions))
    for k, (name, each) in enumerate(arrays.items()):
        ax.plot(positions, each.T, color=STATE_COLORS[k], lw=1, alpha=0.35)
        ax.plot(positions, each.mean(0), color=STATE_COLORS[k], label=name, marker=MARKERS[k], ms=9,
                markevery=(k * every // 4, every))  # fmt: skip
    ax.set(xlim=(positions[0], positions[-1]), ylim=(-0.04, 1.22), yticks=[0, 0.25, 0.5, 0.75, 1], xlabel="position",
           ylabel="right answers\nthick: mean; thin: one seed each")  # fmt: skip
    ax.axvline(trained, color=RED, ls="--", lw=2.5)
    ax.axvspan(trained, positions[-1], color=RED, alpha=0.07, lw=0)
    ax.axhline(chance, color=GREY, ls="--", lw=2)
    gap = 0.012 * (positions[-1] - positions[0])
    for x, words, side in ((trained - gap, "seen in training", "right"), (trained + gap, "never seen", "left")):
        ax.text(x, 1.2, words, ha=side, va="top", color=RED, fontsize=14)
    ends = {name: float(each.mean(0)[-1]) for name, each in arrays.items()}
    label_ends(ax, positions[-1], {**ends, "chance": chance}, [*STATE_COLORS[: len(ends)], GREY], 4.0)
    return figure


@styled
def heads(
    right: Mapping[str, np.ndarray], chance: float, removed: np.ndarray, questions: Sequence[str]
) -> LectureFigure:
    """Show how right several networks are, a dot per seed; beside it, what is left of one when a head is removed.

    Shapes: right[name] (seeds,) from 0 to 1; removed (1 + heads, questions), its first row with nothing removed.
    Raises: ValueError for others.
    """
    removed = np.asarray(removed, float)
    same_shape("removed, and questions,", removed.shape[1:], (len(questions),))
    figure = new_figure(12, 5)
    left, table = axes(figure, 1, 2, width_ratios=[1.5, 1])
    _dots(left, right, {"chance": chance})
    left.set_title("The harder of two questions")
    image = draw_map(table, removed)
    number_cells(table, removed)
    table.axhline(0.5, color="white", lw=5)
    rows = ["nothing\nremoved", *(f"head {k}\nremoved" for k in range(1, len(removed)))]
    name_map(table, rows, [wrapped(each, 1.4, 13) for each in questions], 13)
    table.set_title("Two heads, linear: one removed")
    figure.colorbar(image, ax=table, ticks=[0, 0.5, 1], aspect=25).set_label("right answers")
    return figure


@styled
def arms(right: Mapping[str, np.ndarray], levels: Mapping[str, float]) -> LectureFigure:
    """Show how right several networks are: a dot per seed, a bar for the mean, and levels that need no network.

    Shapes: right[name] (seeds,).
    """
    figure, ax = panel(9, 4.4)
    _dots(ax, right, levels)
    return figure


def _dots(ax: Axes, right: Mapping[str, np.ndarray], levels: Mapping[str, float]) -> None:
    """Draw a column for each name: hollow dots for seeds, side by side where they are equal, a bar for the mean."""
    few("networks", right, 6)
    for k, (name, each) in enumerate(results(right, "right answers").items()):
        beside = k + 0.07 * (np.arange(len(each)) - (len(each) - 1) / 2)
        ax.plot([k - 0.3, k + 0.3], [each.mean()] * 2, color=STATE_COLORS[k], lw=5, label=name, zorder=1)
        ax.plot(beside, each, "o", mfc="none", mec="black", ms=9, mew=1.6, zorder=2)
    for name, level in levels.items():
        y, side = (level - 0.015, "top") if level == min(levels.values()) else (level + 0.015, "bottom")
        ax.axhline(level, color=GREY, ls="--", lw=2)
        ax.text(len(right) - 0.55, y, name, ha="right", va=side, color=GREY, fontsize=13)
    names = [re.sub(r" (?=[\d.]+$)", "\u00a0", name) for name in right]  # a number stays with the word before it
    ax.set_xticks(range(len(right)), [wrapped(name, 6.2 / len(right), 13) for name in names], fontsize=13)
    ax.set(xlim=(-0.5, len(right) - 0.5), ylim=(-0.04, 1.06), ylabel="right answers\nbar: mean; hollow: one seed each")


@styled
def language_curve(steps: Sequence[int], loss: Mapping[str, np.ndarray], lines: Mapping[str, float]) -> LectureFigure:
    """Show validation or test loss against training steps, and named levels: what simpler models reach.

    Shapes: loss[name] (seeds, n) at n numbers of steps: a hollow mark per seed, a line for the mean. Raises:
    ValueError for others.
    """
    figure, ax = panel(12, 5.6)
    arrays = results(loss, "losses", len(steps))
    ends = means_and_seeds(ax, steps, arrays)
    for level in lines.values():
        ax.axhline(level, color=GREY, ls="--", lw=1.6, zorder=1)
    ax.set(xlabel="training steps", ylabel="loss on held-out text (nats per character)",
           ylim=bracket([np.array(list(lines.values())), *arrays.values()], 0.06))  # fmt: skip
    named = {f"{name}: {level:.2f}": level for name, level in {**ends, **lines}.items()}
    label_ends(ax, steps[-1], named, [*STATE_COLORS[: len(ends)], *[GREY] * len(lines)], 4.5, points=14)
    return figure


@styled
def honest_or_not(bugs: Sequence[str], parallel: np.ndarray, left_to_right: np.ndarray, level: float,
                  name: str) -> LectureFigure:  # fmt: skip
    """Show for each bug the loss in training beside the loss when the model writes, left to right.

    A loss left to right above 5 stands at the right edge: an arrow with its number. A dashed line shows a named level,
    what a simpler model reaches.
    Shapes: parallel and left_to_right (n,) for n bugs, from the top down as given; the first is the correct model.
    Raises: ValueError for others.
    """
    parallel, left_to_right = (np.asarray(each, float) for each in (parallel, left_to_right))
    for each in (parallel, left_to_right):
        same_shape("bugs and losses", (len(bugs),), each.shape)
    figure, ax = panel(12, min(6.5, 1.5 + 0.45 * len(bugs)))
    rows, most = np.arange(len(bugs)), 5.0
    ax.hlines(rows, parallel, np.minimum(left_to_right, most), color=GREY, lw=3, zorder=1)
    ax.plot(parallel, rows, "o", mfc="none", mec=BLUE, mew=3, ms=17, label="all positions at once, as in training")
    shown = np.where(left_to_right <= most, left_to_right, np.nan)
    ax.plot(shown, rows, "D", color=ORANGE, mec="black", ms=8, label="left to right, as when it writes")
    for row in np.flatnonzero(left_to_right > most):
        ax.plot(most, row, ">", color=ORANGE, mec="black", ms=13, clip_on=False)
        ax.text(most - 0.07, row - 0.12, f"{left_to_right[row]:.1f}", ha="right", va="bottom", fontsize=13)
    ax.axvline(level, color="black", ls="--", lw=1.8, zorder=0)
    ax.axhspan(-0.5, 0.5, color="black", alpha=0.06, lw=0)
    ax.set_yticks(rows, list(bugs), fontsize=14)
    ax.tick_params("y", length=0)
    ax.set(ylim=(len(bugs) - 0.5, -0.5), xlim=(0, most), xlabel="loss (nats per character)")
    ax.text(level, -0.6, name, ha="center", va="bottom", fontsize=13)
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
    name_map(ax, bugs, names, 14, 13)
    ax.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False)
    ax.set_xlabel("✗ the test fails: it exposes the bug; empty: the test passes")
    return figure
