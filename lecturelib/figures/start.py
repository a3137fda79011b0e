"""Figures of notebook 00: the lecture as a map, and a network that learns, frame by frame."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from lecturelib.figures.colors import BLUE, GREEN, GREY, MARKERS, ORANGE, PURPLE, STATE_COLORS
from lecturelib.figures.style import LectureFigure, axes, hide_frame, panel, styled

# number, title, the question it asks, column, row, color of its part of the lecture
_STOPS = [
    ("01", "Recurrent networks", "How can a network read\ninput of any length?", 0, 1, BLUE),
    ("02", "LSTM", "Why does it forget less,\nand when does it not?", 0, 0, BLUE),
    ("03", "Attention", "How does a network\nlook things up?", 1, 1, ORANGE),
    ("04", "Transformers", "How is one built, and how\ndo you find its bugs?", 1, 0, ORANGE),
    ("05", "Vision transformer", "How can a transformer\nread an image?", 2, 1, GREEN),
    ("06", "Masked autoencoder", "What does a network learn\nby painting hidden parts?", 2, 0, GREEN),
    ("07", "Transfer learning", "When does a learned start\nhelp? When does it hurt?", 3, 1, PURPLE),
    ("08", "Scaling", "What will it cost, and can\nyou tell before you pay?", 3, 0, PURPLE),
]
_PARTS = ["Sequences", "Attention", "Vision", "Foundation models"]


@styled
def lecture_map() -> LectureFigure:
    """Draw the lecture as a map: one box per notebook, in its order."""
    figure, ax = panel(12, 5.3, "the nine notebooks in the order of the lecture, each with its question")
    w, h, dx, dy = 2.62, 1.5, 3.0, 1.95
    for number, title, question, column, row, color in _STOPS:
        x, y = column * dx, row * dy
        _box(ax, (x, y), (w, h), number, title, question, color)
        if row == 1:
            _path(ax, (x + w / 2, y), (x + w / 2, y - dy + h))
        elif column < 3:  # right, up, and into the next column
            middle, end = x + w + 0.14, (x + dx, dy + h / 2)
            _path(ax, (x + w, y + h / 2), (middle, y + h / 2), (middle, end[1]), end)
    _path(ax, (3 * dx + w / 2, 0), (3 * dx + w / 2, -0.45))
    question = "What is inside a model that others trained on nearly everything, and when should you start from it?"
    _box(ax, (0, -1.5), (3 * dx + w, 1.05), "09", "Foundation models", question, PURPLE)
    for column, part in enumerate(_PARTS):
        ax.text(column * dx, 2 * dy - 0.16, part, fontsize=14.5, color=GREY, va="center")
    ax.set(xlim=(-0.1, 3 * dx + w + 0.1), ylim=(-1.62, 2 * dy + 0.1))
    hide_frame(ax)
    return figure


def _box(
    ax: Axes, corner: tuple[float, float], size: tuple[float, float], number: str, title: str, question: str, color: str
) -> None:
    (x, y), (w, h) = corner, size
    look: dict[str, Any] = {"boxstyle": "round,pad=0.02,rounding_size=0.12", "lw": 2.6, "ec": color}
    ax.add_patch(FancyBboxPatch((x, y), w, h, fc="white", zorder=2, **look))
    ax.text(x + 0.14, y + h - 0.2, number, fontsize=13, color=color, weight="bold", va="top", zorder=3)
    ax.text(x + 0.5, y + h - 0.2, title, fontsize=12.5, weight="bold", va="top", zorder=3)
    ax.text(x + 0.14, y + 0.37 * h, question, fontsize=12.5, va="center", zorder=3, linespacing=1.25)


def _path(ax: Axes, *points: tuple[float, float]) -> None:
    """Draw an arrow along points; it ends before the border of the box there."""
    ahead, tip = np.array(points[-2:])
    end = tip - 0.06 * (tip - ahead) / np.linalg.norm(tip - ahead)
    look: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 18, "lw": 2, "color": GREY}
    ax.add_patch(FancyArrowPatch(path=Path([*points[:-1], end]), zorder=1, **look))


@styled
def learning_frame(
    figure: Figure, plane: np.ndarray, groups: np.ndarray, window: np.ndarray, step: int, steps: Sequence[int],
    accuracy: Sequence[float], baseline: float,
) -> None:  # fmt: skip
    """Draw one moment of a training into `figure`: hidden states on a plane, and the accuracy so far.

    Shapes: plane (points, 2), groups (points,) the ones modulo 3; window (2, 2), its lower left and upper right corner;
    steps and accuracy (frames,).
    """
    figure.clear()
    left, right = axes(figure, 1, 2, width_ratios=[1, 1.1])
    left.plot([], [], " ", label="ones so far, modulo 3:")
    for k in range(3):
        mine = plane[groups == k]
        look: dict[str, Any] = {"s": 34, "c": STATE_COLORS[k], "marker": MARKERS[k], "lw": 0, "alpha": 0.75}
        left.scatter(mine[:, 0], mine[:, 1], label=str(k), **look)
    left.set(xlim=window[:, 0], ylim=window[:, 1], xticks=[], yticks=[], xlabel="projected onto a plane",
             title=f"Hidden states after {step} steps")  # fmt: skip
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=4, handletextpad=0, columnspacing=0.6)
    now = steps.index(step)
    right.axhline(baseline, color=GREY, lw=1.8, ls="--")
    right.text(steps[-1], baseline - 0.012, "always no", color=GREY, ha="right", va="top")
    right.plot(steps, accuracy, color=BLUE, alpha=0.3)
    right.plot(steps[: now + 1], accuracy[: now + 1], color=BLUE)
    right.plot([step], [accuracy[now]], "o", color=BLUE, ms=10)
    right.set(xlabel="training steps", ylim=(0.3, 1.03), title="Share of right answers")
