"""Figures of notebook 07: accuracy by the number of labels, where a source harms, forgetting.

Spread is a 95 % interval of the mean over seeds.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator
from numpy.typing import ArrayLike

from lecturelib.figures.colors import BLUE, GREY, MARKERS, ORANGE, RED, STATE_COLORS
from lecturelib.figures.given import few, known, results, same_shape
from lecturelib.figures.parts import interval, label_ends, wrapped
from lecturelib.figures.pictures import HALO
from lecturelib.figures.style import LectureFigure, panel, styled
from lecturelib.figures.units import signed

_COLORS, _MARKERS = (*STATE_COLORS, "black"), (*MARKERS, "X")
_DASHES = ((0, (5, 2)), (0, (1, 1.3)), (0, (5, 1.5, 1, 1.5)))  # of controls, which are all gray
_HARM = "#fbe3d6"  # the half plane where a source is worse than none


def _bounds(values: np.ndarray, what: str) -> tuple[float, float, float]:
    """The mean of (seeds,), and where its 95 % interval begins and ends."""
    mean, half = interval(values, what)
    return float(mean), float(mean - half), float(mean + half)


def _percent(scores: Mapping[str, ArrayLike], n: int | None = None, what: str = "accuracy") -> dict[str, np.ndarray]:
    return {name: 100 * each for name, each in results(scores, what, n).items()}


def _beside(x: np.ndarray, k: int, count: int) -> np.ndarray:
    """Where the bars of line k of so many stand on a log scale."""
    return x * 1.012 ** (k - (count - 1) / 2)


def _with_interval(ax: Axes, x: np.ndarray, arrays: Mapping[str, np.ndarray], looks: Mapping[str, dict[str, Any]],
                   bands: Sequence[str] = ()) -> dict[str, tuple[np.ndarray, np.ndarray]]:  # fmt: skip
    """Draw means against the number of labels, with an interval as a band or as bars beside each other; return both."""
    found = {name: interval(each, f"accuracy of {name!r}") for name, each in arrays.items()}
    for k, (name, (mean, half)) in enumerate(found.items()):
        look = looks[name] | {"label": name}
        if name in bands:
            ax.fill_between(x, mean - half, mean + half, color=look["color"], alpha=0.2, lw=0)
            ax.plot(x, mean, **look)
        else:
            ax.errorbar(_beside(x, k, len(arrays)), mean, half, capsize=4, elinewidth=1.6, capthick=1.6, **look)
    ax.set(xscale="log", xlim=(0.9 * x[0], 1.1 * x[-1]))
    ax.set_xticks(x, [f"{each:g}" for each in x], fontsize=15)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("labels for each class (log scale)", fontsize=15)
    return found


def _seeds(arrays: Mapping[str, np.ndarray]) -> str:
    counts = sorted({len(each) for each in arrays.values()})
    seeds = f"{counts[0]} seeds" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"
    return f"mean of {seeds} and its 95 % interval"


@styled
def label_curves(labels: Sequence[int], accuracy: Mapping[str, ArrayLike], chance: float, controls: Sequence[str] = (),
                 highlight: Sequence[str] = (), begin: float = 0) -> LectureFigure:  # fmt: skip
    """Show the test accuracy against the number of labels for each class, a line per arm with its 95 % interval.

    Controls are gray and dashed. Arms in `highlight` are wide and behind the others; their interval is a band, the
    others' bars. The axis begins at `begin`, from 0 to 1.
    Shapes: accuracy[name] (seeds, labels) from 0 to 1, 2 seeds or more.
    Raises: ValueError for others, more than 7 arms or 3 controls, and names that are not among the arms.
    """
    x = np.asarray(labels)
    arrays = _percent(accuracy, len(x))
    known("controls", controls, arrays)
    known("highlight", highlight, arrays)
    arms = [name for name in arrays if name not in controls]
    few("arms", arms, 7)
    few("arms with controls", arrays, len(arms) + 3)
    figure, ax = panel(12, 5.8)
    looks: dict[str, dict[str, Any]] = {
        name: {"color": GREY, "ls": dashes, "lw": 2.2, "zorder": 1.5}
        for name, dashes in zip(controls, _DASHES, strict=False)
    }
    for k, name in enumerate(arms):
        wide = name in highlight
        looks[name] = {"color": _COLORS[k], "marker": _MARKERS[k], "ms": 10 if wide else 8, "zorder": 2 - wide,
                       "lw": 4.0 if wide else 1.8 if highlight else 2.6}  # fmt: skip
    found = _with_interval(ax, x, arrays, looks, highlight)
    ends = {name: float(mean[-1]) for name, (mean, _) in found.items()}
    below = f"; chance, {100 * chance:.0f} %, is below it"
    if begin <= chance:
        ax.axhline(100 * chance, color=GREY, lw=1.4, ls=_DASHES[1])
        ends["chance"], below = 100 * chance, ""
    begins = f";\nthe axis begins at {100 * begin:g}{below}" if begin else ""
    ax.set_ylim(100 * begin, min(104, 5 + max(100 * chance, *((mean + half).max() for mean, half in found.values()))))
    ax.set_ylabel("right on test images (%)", fontsize=15)
    ax.set_title(f"{_seeds(arrays)}{'; gray: controls' if controls else ''}{begins}", fontsize=14)
    label_ends(ax, float(x[-1]), ends, [looks[name]["color"] for name in arrays], 4.7, points=15)
    return figure


@styled
def differences(
    labels: Sequence[int], differences: Mapping[str, ArrayLike], resolved: Mapping[str, Sequence[bool]]
) -> LectureFigure:
    """Show by how many points each start beats training from scratch; a full mark is a difference that is resolved.

    `resolved[name]` says for each number of labels whether the difference is told from 0.
    Shapes: differences[name] (seeds, labels), accuracy minus that from scratch, from -1 to 1, 2 seeds or more.
    Raises: ValueError for others, more than 7 names, and `resolved` of other names.
    """
    x = np.asarray(labels)
    arrays = _percent(differences, len(x), "differences")
    few("starts", arrays, 7)
    known("differences", arrays, resolved)
    figure, ax = panel(12, 5.8)
    colors = dict(zip(arrays, _COLORS, strict=False))
    found = _with_interval(ax, x, arrays, {name: {"color": colors[name], "lw": 2.8, "zorder": 3} for name in arrays})
    for k, (name, (mean, _)) in enumerate(found.items()):
        for place, y, full in zip(_beside(x, k, len(arrays)), mean, resolved[name], strict=True):
            color = colors[name]
            ax.plot(place, y, _MARKERS[k], ms=12, mec=color, mfc=color if full else "white", mew=2.4, zorder=4)
    low = min(-5.0, *((mean - half).min() for mean, half in found.values()))
    high = max(5.0, *((mean + half).max() for mean, half in found.values()))
    low, high = min(low, -0.15 * high), max(high, -0.15 * low)  # room for the names of both halves
    ax.set_ylim(low - 0.08 * (high - low), high + 0.15 * (high - low))
    ax.axhspan(ax.get_ylim()[0], 0, color=_HARM, lw=0, zorder=0)
    ax.axhline(0, color="black", lw=2, zorder=1)
    for y, words, side, color in ((0.985, "help", "top", "#00507f"), (0.015, "harm", "bottom", "#a03c00")):
        ax.text(0.985, y, words, transform=ax.transAxes, ha="right", va=side, fontsize=24, weight="bold", color=color,
                path_effects=HALO, zorder=5)  # fmt: skip
    ax.set_ylabel("points above or below\ntraining from scratch", fontsize=15)
    ax.set_title(f"{_seeds(arrays)}; full marks: resolved among all {len(x) * len(arrays)}", fontsize=14)
    ends = {name: float(mean[-1]) for name, (mean, _) in found.items()}
    label_ends(ax, float(x[-1]), ends, list(colors.values()), 4.7, points=15)
    return figure


@styled
def ranking(accuracy: Mapping[str, ArrayLike], baseline: str, controls: Sequence[str] = (),
            chance: float = 0.1) -> LectureFigure:  # fmt: skip
    """Show arms from the best to the worst, each with its 95 % interval and its difference to a baseline.

    The difference is taken seed by seed. Where its whole interval lies below 0 an arm is red, above 0 blue, else black.
    Shapes: accuracy[name] (seeds,) from 0 to 1, 2 seeds or more, the same for all; at most 18 arms.
    Raises: ValueError for others, and a baseline or controls that are not among them.
    """
    arrays = _percent(accuracy)
    known("baseline", [baseline], arrays)
    known("controls", controls, arrays)
    few("arms", arrays, 18)
    for name, each in arrays.items():
        same_shape(f"accuracy of {name!r} and of the baseline", each.shape, arrays[baseline].shape)
    found = {name: _bounds(each, f"accuracy of {name!r}") for name, each in arrays.items()}
    order = sorted(found, key=lambda name: -found[name][0])
    figure, ax = panel(12, 1.45 + len(order) * min(0.45, 5.1 / len(order)))
    ax.axvspan(*found[baseline][1:], color=ORANGE, alpha=0.25, lw=0, zorder=0)
    ax.axvline(100 * chance, color=GREY, lw=1.6, ls=_DASHES[1], zorder=0)
    ax.set_yticks(range(len(order)), order, fontsize=14)
    for row, (name, label) in enumerate(zip(order, ax.get_yticklabels(), strict=True)):
        mean, begin, end = found[name]
        change, least, most = _bounds(arrays[name] - arrays[baseline], f"accuracy of {name!r}")
        look: dict[str, Any] = {"color": RED if most < 0 else BLUE if least > 0 else "black"}
        marker, words = "v" if most < 0 else "^" if least > 0 else "o", f"{mean:.0f} %"
        if name == baseline:
            look, marker = {"color": "#9a6a00", "weight": "bold"}, "s"
        else:
            words += f"   {change:+.0f} ± {most - change:.0f}".replace("-", "−")
        if name in controls:
            look, marker = {"color": GREY}, "D"
        ax.plot(arrays[name], np.full(len(arrays[name]), row), "o", mfc="none", mec=look["color"], ms=6, alpha=0.7)
        ax.plot([begin, end], [row, row], "|-", ms=11, mew=2, color=look["color"], lw=2.6)
        ax.plot(mean, row, marker, ms=10, color=look["color"])
        ax.text(1.015, row, words, transform=ax.get_yaxis_transform(), va="center", fontsize=14, **look)
        label.set(**look)
    ax.tick_params("y", length=0)
    ax.set_ylim(len(order) - 0.4, -0.6)
    ends = [100 * chance, *(each for bounds in found.values() for each in bounds), *np.concatenate([*arrays.values()])]
    ax.set_xlim(min(ends) - 2, max(ends) + 2)
    ax.set_xlabel(f"right on test images (%); dotted: chance, {100 * chance:.0f} %; band: {baseline}", fontsize=15)
    words = f"{_seeds(arrays)}; hollow: one seed each{'; gray: control' if controls else ''}\nright: points against "
    ax.set_title(f"{words}{baseline}, paired, ± 95 %; red: below, blue: above, black: neither", fontsize=14)
    return figure


@styled
def forgetting(
    treatments: Mapping[str, tuple[ArrayLike, ArrayLike]], first: str, tasks: tuple[str, str]
) -> LectureFigure:
    """Show the accuracy on source and target, named in `tasks`, after each treatment; a bar is what the source lost.

    `first` is the state before: it stands on top. A change from it is red where the interval lies wholly below its own.
    Shapes: treatments[name] a pair of (seeds,) from 0 to 1, on the source and on the target, 2 seeds or more.
    Raises: ValueError for others, and a `first` that is not among the treatments.
    """
    known("first", [first], treatments)
    arrays = [_percent({name: pair[k] for name, pair in treatments.items()}) for k in (0, 1)]
    source, target = ({name: _bounds(x, f"accuracy of {name!r}") for name, x in each.items()} for each in arrays)
    order = [first, *(name for name in treatments if name != first)]
    figure, ax = panel(12, 2.0 + 0.72 * len(order))
    before, lowest, _ = source[first]
    ax.axvline(before, color=ORANGE, lw=1.8, ls=_DASHES[0], zorder=0)
    beside: dict[str, Any] = {"transform": ax.get_yaxis_transform(), "va": "center"}
    ax.text(1.02, 0, f"change\non {tasks[0]}", size=15, **beside)
    for row, name in enumerate(order):
        for y, found, color, marker in ((row - 0.15, source, "#b87a00", "s"), (row + 0.15, target, BLUE, "o")):
            mean, low, high = found[name]
            label = f"accuracy on {tasks[found is target]}" if row == 0 else None
            ax.plot([low, high], [y, y], "|-", color=color, ms=9, lw=2.4)
            ax.plot(mean, y, marker, color=color, ms=12, label=label)
        now, _, top = source[name]
        ax.plot([before, now], [row - 0.15] * 2, color=ORANGE, lw=10, alpha=0.35, solid_capstyle="butt", zorder=1)
        if row:
            look: dict[str, Any] = {"size": 17, "weight": "bold", "color": RED if top < lowest else "black"}
            ax.text(1.02, row, f"{signed(now - before)} points", **beside, **look)
            ax.axhline(row - 0.5, color="#d0d0d0", lw=1, zorder=0)
    ax.set_yticks(range(len(order)), [wrapped(name, 3.0, 16) for name in order], fontsize=16)
    ax.tick_params("y", length=0)
    ax.set(xlim=(-2, 104), ylim=(len(order) - 0.5, -0.5))
    ax.set_xlabel(f"right on test images (%), {_seeds(arrays[0])}", fontsize=15)
    figure.legend(loc="outside upper center", ncols=2, fontsize=15)
    return figure
