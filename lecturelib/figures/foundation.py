"""Figures of notebook 09: all heads of a model at once, and results that scatter."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from numpy.typing import ArrayLike

from lecturelib.figures.colors import BLUE, GREY, MARKERS, ORANGE, STATE_COLORS
from lecturelib.figures.given import results
from lecturelib.figures.style import LectureFigure, axes, new_figure, panel, styled

DASHES = ("--", ":", (0, (8, 2)), (0, (1, 3)), "-.")  # no two alike, even in black and white


@styled
def heads(scores: Mapping[str, ArrayLike], marked: Sequence[tuple[int, int]] = ()) -> LectureFigure:
    """Draw a number from 0 to 1 for each head, layers from left to right; `marked` (layer, head) get a frame.

    Shapes: for each title an array (layers, heads).
    """
    arrays = {name: np.asarray(each) for name, each in scores.items()}
    figure = new_figure(12, 0.9 + 2.7 * len(arrays))
    *_, last = panels = axes(figure, len(arrays))
    for ax, (name, array) in zip(panels, arrays.items(), strict=True):
        picture = ax.imshow(array.T, cmap="viridis", vmin=0, vmax=1, aspect="auto")
        ax.set_yticks(range(array.shape[1]), [str(n) if n % 2 == 0 else "" for n in range(array.shape[1])])
        ax.set(title=name, ylabel="head", xticks=range(0, array.shape[0], 5), xlabel="layer" if ax is last else "")
        places = [place for place in marked if place[0] < array.shape[0] and place[1] < array.shape[1]]
        if places:
            layer, head = np.transpose(places)
            ax.scatter(layer, head, s=190, marker="s", facecolors="none", edgecolors=ORANGE, linewidths=2.6)
        figure.colorbar(picture, ax=ax, label="weight", pad=0.01)
    return figure


@styled
def spread(
    groups: Mapping[str, ArrayLike], ylabel: str, lines: Mapping[str, float] | None = None, top: float | None = None
) -> LectureFigure:
    """Draw every run of each group as a dot, and a bar at the mean of several; `lines` are heights to compare with.

    The axis ends at 0, and at `top` where that is given. Shapes: for each group (runs,).
    """
    arrays = results(groups, "results")
    figure, ax = panel(10.5, 4.6)
    for x, array in enumerate(arrays.values()):
        aside = np.linspace(-0.13, 0.13, len(array)) if len(array) > 1 else np.zeros(1)
        ax.scatter(x + aside, array, s=46 if len(array) > 1 else 80, color=BLUE, alpha=0.75, zorder=3, clip_on=False)
    means = {x: array.mean() for x, array in enumerate(arrays.values()) if len(array) > 1}
    if means:
        left, right = ([x + side for x in means] for side in (-0.28, 0.28))
        ax.hlines(list(means.values()), left, right, color="black", lw=2.4, zorder=2, label="mean")
    for (name, height), color, dashes in zip((lines or {}).items(), (ORANGE, GREY), ("--", ":"), strict=False):
        ax.axhline(height, color=color, ls=dashes, lw=2, zorder=1, label=name)
    if lines or means:
        ax.legend(loc="best")
    ax.set_xticks(range(len(arrays)), list(arrays))
    ax.set(xlim=(-0.6, len(arrays) - 0.4), ylim=(0, top), ylabel=ylabel)
    return figure


@styled
def by_labels(labels: Sequence[int], accuracy: Mapping[str, ArrayLike], lines: Mapping[str, float]) -> LectureFigure:
    """Show accuracy against the number of labels of each part: the mean of the draws, and their standard deviation.

    `lines` are accuracies that need no label; one called "MiniLM, ..." has the color of accuracy["MiniLM"].
    Shapes: accuracy[name] (draws, labels) from 0 to 1.
    """
    figure, ax = panel(11, 5.4)
    for k, (name, array) in enumerate(results(accuracy, "accuracy", len(labels)).items()):
        x = np.asarray(labels) * 1.03 ** (k - 1)  # beside one another
        color, marker = STATE_COLORS[k], MARKERS[k]
        ax.errorbar(x, array.mean(0), array.std(0, ddof=1), color=color, marker=marker, capsize=4, label=name)
    colors = dict(zip(accuracy, STATE_COLORS, strict=False))
    for (name, height), dashes in zip(lines.items(), cycle(DASHES), strict=False):
        ax.axhline(height, color=colors.get(name.split(",")[0], GREY), ls=dashes, lw=2, label=name)
    ax.set(xscale="log", xlabel="labels of each part (log scale)", ylim=(0, 1.15), yticks=np.arange(0, 1.01, 0.2),
           ylabel="share of held-out sentences right")  # fmt: skip
    ax.set_xticks(list(labels), [str(each) for each in labels])
    ax.minorticks_off()
    ax.legend(loc="upper left", ncols=2)
    return figure
