"""The picture of the transfer lab: test accuracy along the steps of a run, beside the runs before it."""

from collections.abc import Mapping, Sequence

import numpy as np

from lecturelib.figures.colors import BLUE, GREY, ORANGE
from lecturelib.figures.given import few, same_shape
from lecturelib.figures.parts import label_ends
from lecturelib.figures.style import LectureFigure, panel, styled

DASHES = ((0, (4, 2)), (0, (1, 1.5)), (0, (6, 1.5, 1, 1.5)))  # of the runs before, the last one first


@styled
def learning_curves(
    runs: Mapping[str, tuple[Sequence[int], np.ndarray]], levels: Mapping[str, float], title: str
) -> LectureFigure:
    """Draw how accuracy on test data grows in a run and in those before it, with `levels` to compare with.

    Shapes: runs[name] is steps (points,) and accuracies (points, seeds), that of now first; one point alone is a level.
    Raises: ValueError for no runs, more than 4, and accuracies of another number than steps.
    """
    few("runs", runs, 1 + len(DASHES))
    for name, (steps, accuracies) in runs.items():
        same_shape(f"steps and accuracies of {name!r}", (len(steps),), np.shape(accuracies)[:1])
    figure, ax = panel(11, 4.6, f"{title}: " + ", ".join(runs))
    end = max(max(steps[-1] for steps, _ in runs.values()), 1)
    ends, colors = {}, []
    for k, (name, (steps, accuracies)) in enumerate(runs.items()):
        percent = 100 * np.asarray(accuracies, float)
        if len(steps) == 1:
            steps, percent = [0, end], percent.repeat(2, axis=0)
        color, dashes, width = (BLUE, "-", 3.0) if k == 0 else (GREY, DASHES[k - 1], 2.2)
        if k == 0:
            ax.plot(steps, percent, color=color, lw=1, alpha=0.5)
        ax.plot(steps, percent.mean(axis=1), color=color, ls=dashes, lw=width)
        if steps[-1] < end:
            ax.plot(steps[-1], percent[-1].mean(), "s", color=color)
        ends[name] = float(percent[-1].mean())
        colors.append(color)
    for (name, level), color, dashes in zip(levels.items(), (ORANGE, GREY), ((0, (8, 2)), (0, (1, 4))), strict=False):
        ax.axhline(100 * level, color=color, ls=dashes, lw=2)
        ends[name], colors = 100 * level, [*colors, color]
    ax.set(xlim=(0, end), ylim=(0, 100), xlabel="training steps", ylabel="test accuracy, %")
    ax.set_title(title)
    label_ends(ax, end, ends, colors, 3.4)
    return figure
