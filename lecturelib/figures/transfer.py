"""Figures of notebook 07: accuracy by the number of labels, where a source harms, forgetting.

Spread is a 95 % interval of the mean over seeds, by Student's t, as `label_efficiency.interval` computes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator
from numpy.typing import ArrayLike
from scipy.stats import t

from lecturelib.figures.parts import label_ends, same_shape, wrapped
from lecturelib.figures.pictures import HALO, per_seed, results
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

_COLOURS, _MARKERS = (*STATE_COLOURS, "black"), (*MARKERS, "X")
_DASHES = ((0, (5, 2)), (0, (1, 1.3)), (0, (5, 1.5, 1, 1.5)))  # of controls, which are all gray
_HARM = "#fbe3d6"  # the half plane where a source is worse than none


def _interval(values: np.ndarray, what: str) -> tuple[np.ndarray, np.ndarray]:
    """The mean over seeds (seeds, ...) and half the width of its 95 % interval."""
    n = len(values)
    if n < 2:
        raise ValueError(f"{what} has {n} seed: expected 2 or more, for there is no interval of one; add seeds")
    if not np.isfinite(values).all():
        raise ValueError(f"{what} holds NaN or infinity: expected finite numbers; leave out what is not measured yet")
    return values.mean(0), values.std(0, ddof=1) * float(t.ppf(0.975, n - 1)) / n**0.5


def _bounds(values: np.ndarray, what: str) -> tuple[float, float, float]:
    """The mean of (seeds,), and where its 95 % interval begins and ends."""
    mean, half = _interval(values, what)
    return float(mean), float(mean - half), float(mean + half)


def _known(what: str, names: Iterable[str], among: Iterable[str]) -> None:
    if unknown := sorted(set(names) - set(among)):
        raise ValueError(f"{what} names {unknown}: expected some of {sorted(among)}")


def _label_axis(ax: Axes, labels: np.ndarray) -> None:
    """A log scale of the number of labels, with a tick at each."""
    ax.set_xscale("log")
    ax.set_xticks(labels, [f"{each:g}" for each in labels], fontsize=15)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("labels for each class (log scale)", fontsize=15)
    ax.set_xlim(0.9 * labels[0], 1.1 * labels[-1])


def _check_labels(labels: Sequence[int]) -> np.ndarray:
    found = np.asarray(labels, float)
    if found.ndim != 1 or not len(found) or found[0] <= 0 or (np.diff(found) <= 0).any():
        raise ValueError(f"labels are {found.tolist()}: expected numbers above 0 that grow; sort them")
    return found


def _drawn_line(ax: Axes, x: np.ndarray, mean: np.ndarray, half: np.ndarray, band: bool, **look: Any) -> None:
    """A line with its interval, as a band or as bars."""
    if band:
        ax.fill_between(x, mean - half, mean + half, color=look["color"], alpha=0.2, lw=0)
        ax.plot(x, mean, **look)
    else:
        ax.errorbar(x, mean, half, capsize=4, elinewidth=1.6, capthick=1.6, **look)


@styled
def label_curves(labels: Sequence[int], accuracy: Mapping[str, ArrayLike], chance: float, controls: Sequence[str] = (),
                 highlight: Sequence[str] = ()) -> LectureFigure:  # fmt: skip
    """Show the test accuracy against the number of labels for each class, a line per arm with its 95 % interval.

    Controls are gray and dashed. Arms in `highlight` are wide and their interval is a band, the others' bars.
    Shapes: accuracy[name] (seeds, labels) from 0 to 1, 2 seeds or more.
    Raises: ValueError for other shapes, more than 7 arms or 3 controls, and names that are not among the arms.
    """
    x = _check_labels(labels)
    arrays = {name: 100 * each for name, each in results(accuracy, len(x), "accuracy").items()}
    _known("controls", controls, arrays)
    _known("highlight", highlight, arrays)
    arms = [name for name in arrays if name not in controls]
    if len(arms) > 7 or len(arrays) - len(arms) > 3:
        raise ValueError(f"{len(arms)} arms, {len(controls)} controls: expected at most 7 and 3; draw two figures")
    figure = new_figure(12, 5.8, f"test accuracy by the number of labels for each class, for {', '.join(arrays)}")
    (ax,) = axes(figure)
    looks: dict[str, dict[str, Any]] = {
        name: {"color": GREY, "ls": _DASHES[k], "lw": 2.2, "zorder": 1.5}
        for k, name in enumerate(name for name in arrays if name in controls)
    }
    for k, name in enumerate(arms):
        wide = 4.0 if name in highlight else 1.8 if highlight else 2.6
        looks[name] = {"color": _COLOURS[k], "marker": _MARKERS[k], "ms": 10 if name in highlight else 8, "lw": wide,
                       "zorder": 3 if name in highlight else 2}  # fmt: skip
    ends, tops = {}, [100 * chance]
    for k, (name, each) in enumerate(arrays.items()):
        mean, half = _interval(each, f"accuracy of {name!r}")
        aside = 1.012 ** (k - (len(arrays) - 1) / 2)  # so that bars stand beside each other
        _drawn_line(ax, x * aside, mean, half, name in highlight, **looks[name])
        ends[name] = float(mean[-1])
        tops.append(float((mean + half).max()))
    ax.axhline(100 * chance, color=GREY, lw=1.4, ls=_DASHES[1])
    _label_axis(ax, x)
    ax.set(ylim=(0, min(104, max(tops) + 5)))
    ax.set_ylabel("right on test images (%)", fontsize=15)
    ax.set_title(f"mean of {_seeds(arrays)} and its 95 % interval; gray, dashed: controls", fontsize=14)
    ends["chance"] = 100 * chance
    label_ends(ax, float(x[-1]), ends, [*(looks[name]["color"] for name in arrays), GREY], 4.7, points=15)
    return figure


def _seeds(arrays: Mapping[str, np.ndarray]) -> str:
    counts = sorted({len(each) for each in arrays.values()})
    return f"{counts[0]} seeds" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"


@styled
def differences(
    labels: Sequence[int],
    differences: Mapping[str, ArrayLike],
    ends: Mapping[str, int | None],
    controls: Sequence[str] = (),
) -> LectureFigure:
    """Show by how many points each source beats training from scratch; where it harms, and where the harm ends.

    `ends[name]` is the first number of labels from which on a source does no harm that can be told from chance, the
    first of all for a source that never harms, None where it harms to the end: `label_efficiency.harm_ends`. Those in
    `controls` are gray and dashed, without a ring.
    Shapes: differences[name] (seeds, labels), accuracy minus that from scratch, from -1 to 1, 2 seeds or more.
    Raises: ValueError for other shapes, more than 7 sources, names that differ, and ends that are not among the labels.
    """
    x = _check_labels(labels)
    arrays = {name: 100 * each for name, each in results(differences, len(x), "differences").items()}
    if set(ends) != set(arrays) or len(arrays) > 7:
        raise ValueError(f"differences of {list(arrays)}, ends of {list(ends)}: expected the same, at most 7")
    for name, end in ends.items():
        if end is not None and end not in x:
            raise ValueError(f"ends of {name!r} is {end}: expected one of the labels {x.tolist()}, or None")
    _known("controls", controls, arrays)
    figure = new_figure(12, 5.8, f"accuracy minus that from scratch by the number of labels, for {', '.join(arrays)}")
    (ax,) = axes(figure)
    named, low, high = {}, -5.0, 5.0
    for k, (name, each) in enumerate(arrays.items()):
        mean, half = _interval(each, f"difference of {name!r}")
        places = x * 1.012 ** (k - (len(arrays) - 1) / 2)
        look: dict[str, Any] = {"color": _COLOURS[k], "marker": _MARKERS[k], "ms": 9, "lw": 2.8}
        if name in controls:
            look |= {"color": GREY, "ms": 6, "lw": 1.8, "ls": "--"}
        _drawn_line(ax, places, mean, half, False, zorder=3, **look)
        low, high = min(low, float((mean - half).min())), max(high, float((mean + half).max()))
        end = ends[name]
        if end is not None and end != x[0] and name not in controls:
            at = int(np.flatnonzero(x == end)[0])
            ax.plot(places[at], mean[at], "o", mfc="none", mec="black", mew=2.4, ms=24, zorder=4)
        named[name + _harm(x, mean + half < 0, end)] = float(mean[-1])
    low, high = min(low, -0.15 * high), max(high, -0.15 * low)  # room for the names of both halves
    low, high = low - 0.08 * (high - low), high + 0.08 * (high - low)
    ax.axhspan(low, 0, color=_HARM, lw=0, zorder=0)
    ax.axhline(0, color="black", lw=2, zorder=1)
    _label_axis(ax, x)
    ax.set_ylim(low, high)
    for y, words, side, color in ((0.985, "help", "top", "#00507f"), (0.015, "harm", "bottom", "#a03c00")):
        ax.text(0.985, y, words, transform=ax.transAxes, ha="right", va=side, fontsize=24, weight="bold", color=color,
                path_effects=HALO, zorder=5)  # fmt: skip
    ax.set_ylabel("points above or below\ntraining from scratch", fontsize=15)
    rings = "; ring: the harm ends" if any(end not in (None, x[0]) for end in ends.values()) else ""
    ax.set_title(f"mean of {_seeds(arrays)} and its 95 % interval{rings}", fontsize=14)
    colors = [GREY if name in controls else _COLOURS[k] for k, name in enumerate(arrays)]
    label_ends(ax, float(x[-1]), named, colors, 4.7, points=15)
    return figure


def _harm(labels: np.ndarray, below: np.ndarray, end: int | None) -> str:
    """Say where a source harms, given where its whole interval is below 0, and where the harm ends."""
    if end is not None:
        return "" if end == labels[0] else f": harm ends at {end}"
    others = np.flatnonzero(~below)
    if len(others) and others[-1] + 1 < len(labels) and not below[0]:
        start = labels[others[-1] + 1]
        return f": harms at {start:g}" if start == labels[-1] else f": harms from {start:g} on"
    if len(others):
        return f": harms at {', '.join(f'{each:g}' for each in labels[below])}"
    return ": harms to the end"


@styled
def ranking(
    accuracy: Mapping[str, ArrayLike], baseline: str, controls: Sequence[str] = (), chance: float = 0.1
) -> LectureFigure:
    """Show arms from the best to the worst, each with its 95 % interval and its difference to a baseline.

    The difference is taken seed by seed: row k of all arms belongs to one seed. Arms whose whole interval of the
    difference lies below 0 are red, those wholly above blue; controls are gray.
    Shapes: accuracy[name] (seeds,) from 0 to 1, 2 seeds or more, the same for all; at most 18 arms.
    Raises: ValueError for other shapes, more arms, and a baseline or controls that are not among them.
    """
    arrays = {name: 100 * each for name, each in per_seed(accuracy, "accuracy").items()}
    _known("baseline", [baseline], arrays)
    _known("controls", controls, arrays)
    if len(arrays) > 18:
        raise ValueError(f"{len(arrays)} arms: expected at most 18; draw two figures")
    for name, each in arrays.items():
        same_shape(f"accuracy of {name!r} and of the baseline", each.shape, arrays[baseline].shape)
    found = {name: _bounds(each, f"accuracy of {name!r}") for name, each in arrays.items()}
    apart = {name: _bounds(each - arrays[baseline], f"accuracy of {name!r}") for name, each in arrays.items()}
    order = sorted(found, key=lambda name: -found[name][0])
    height = 1.45 + len(order) * min(0.45, 5.1 / len(order))
    figure = new_figure(12, height, f"{len(order)} arms in order, beside {baseline}")
    (ax,) = axes(figure)
    _, low, high = found[baseline]
    ax.axvspan(low, high, color=ORANGE, alpha=0.25, lw=0, zorder=0)
    ax.axvline(100 * chance, color=GREY, lw=1.6, ls=_DASHES[1], zorder=0)
    colors = {}
    for row, name in enumerate(order):
        mean, begin, end = found[name]
        change, least, most = apart[name]
        says = f"{change:+.0f} ± {most - change:.0f}".replace("-", "−")
        color, marker = "black", "o"
        if name == baseline:
            color, marker, says = "#9a6a00", "s", ""
        elif most < 0:
            color, marker = RED, "v"
        elif least > 0:
            color, marker = BLUE, "^"
        if name in controls:
            color, marker = GREY, "D"
        colors[name] = color
        ax.plot([begin, end], [row, row], "|-", ms=11, mew=2, color=color, lw=2.6)
        ax.plot(mean, row, marker, ms=10, color=color)
        words = f"{mean:.0f} %   {says}" if says else f"{mean:.0f} %"
        ax.text(1.015, row, words, transform=ax.get_yaxis_transform(), va="center", fontsize=14, color=color,
                weight="bold" if name == baseline else "normal")  # fmt: skip
    ax.set_yticks(range(len(order)), order, fontsize=14)
    for label, name in zip(ax.get_yticklabels(), order, strict=True):
        label.set(color=colors[name], fontweight="bold" if name == baseline else "normal")
    ax.tick_params("y", length=0)
    ax.set_ylim(len(order) - 0.4, -0.6)
    ends = [each for bounds in found.values() for each in bounds]
    ax.set_xlim(min(100 * chance, *ends) - 2, max(100 * chance, *ends) + 2)
    ax.set_xlabel(f"right on test images (%); dotted: chance, {100 * chance:.0f} %", fontsize=15)
    says = f"mean of {_seeds(arrays)}, 95 % interval; gray: controls"
    ax.set_title(f"{says}\nright: points against {baseline}, seed by seed", fontsize=14)
    return figure


@styled
def forgetting(treatments: Mapping[str, tuple[ArrayLike, ArrayLike]], first: str,
               tasks: tuple[str, str] = ("source", "target")) -> LectureFigure:  # fmt: skip
    """Show the accuracy on the source and on the target after each treatment; a bar is what the source lost.

    `first` names the state before fine-tuning: it stands on top, and changes are counted from it; a change is red where
    the interval lies wholly below that of `first`. `tasks` names source and target.
    Shapes: treatments[name] a pair of (seeds,) from 0 to 1, on the source and on the target, 2 seeds or more.
    Raises: ValueError for other shapes, and a `first` that is not among the treatments.
    """
    _known("first", [first], treatments)
    for name, pair in treatments.items():
        if len(pair) != 2:
            raise ValueError(f"{name!r} has {len(pair)} accuracies: expected a pair, on the source and on the target")
    source, target = (
        {name: 100 * each for name, each in per_seed({n: p[k] for n, p in treatments.items()}, "accuracy").items()}
        for k in (0, 1)
    )
    order = [first, *(name for name in treatments if name != first)]
    figure = new_figure(12, 2.0 + 0.72 * len(order), f"source and target accuracy: {', '.join(order)}")
    (ax,) = axes(figure)
    before, lowest, _ = _bounds(source[first], f"accuracy of {first!r}")
    ax.axvline(before, color=ORANGE, lw=1.8, ls=_DASHES[0], zorder=0)
    for row, name in enumerate(order):
        for k, (each, color, marker) in enumerate(((source, "#b87a00", "s"), (target, BLUE, "o"))):
            mean, low, high = _bounds(each[name], f"accuracy of {name!r}")
            y = row + (k - 0.5) * 0.3
            label = f"accuracy on {tasks[k]}" if row == 0 else None
            ax.plot([low, high], [y, y], "|-", color=color, ms=9, lw=2.4)
            ax.plot(mean, y, marker, color=color, ms=12, label=label)
        now, _, top = _bounds(source[name], f"accuracy of {name!r}")
        ax.plot([before, now], [row - 0.15] * 2, color=ORANGE, lw=10, alpha=0.35, solid_capstyle="butt", zorder=1)
        look: dict[str, Any] = {"size": 15}
        words = f"change\non {tasks[0]}"
        if row:
            words = f"{round(now - before):+d} points".replace("-", "−").replace("+0", "0")
            look = {"size": 17, "weight": "bold", "color": RED if top < lowest else "black"}
            ax.axhline(row - 0.5, color="#d0d0d0", lw=1, zorder=0)
        ax.text(1.02, row, words, transform=ax.get_yaxis_transform(), va="center", **look)
    ax.set_yticks(range(len(order)), [wrapped(name, 3.0, 16) for name in order], fontsize=16)
    ax.tick_params("y", length=0)
    ax.set(xlim=(-2, 104), ylim=(len(order) - 0.5, -0.5))
    ax.set_xlabel(f"right on test images (%), mean of {_seeds(source)} and its 95 % interval", fontsize=15)
    figure.legend(loc="outside upper center", ncols=2, fontsize=15)
    return figure


@styled
def mixing_path(
    shares: Sequence[float],
    source: ArrayLike,
    target: ArrayLike,
    tasks: tuple[str, str] = ("source", "target"),
    chosen: float | None = None,
) -> LectureFigure:
    """Show both accuracies along the way from the network before fine-tuning to the one after.

    `tasks` names source and target; `chosen` marks one share, with both accuracies.
    Shapes: shares (k,) from 0 to 1, source and target (seeds, k) from 0 to 1, 2 seeds or more.
    Raises: ValueError for other shapes, shares that do not grow from 0 to 1, and a choice that is not among them.
    """
    x = np.asarray(shares, float)
    if x.ndim != 1 or len(x) < 2 or x[0] < 0 or x[-1] > 1 or (np.diff(x) <= 0).any():
        raise ValueError(f"shares are {x.tolist()}: expected two or more that grow, from 0 (before) to 1 (after)")
    if chosen is not None and not np.isclose(x, chosen).any():
        raise ValueError(f"chosen={chosen}: expected one of the shares {x.tolist()}, or None")
    arrays = results({tasks[0]: source, tasks[1]: target}, len(x), "accuracy")
    figure = new_figure(11, 5.0, f"accuracy on {tasks[0]} and {tasks[1]} for mixtures of the weights before and after")
    (ax,) = axes(figure)
    means = {}
    for (name, each), color, marker in zip(arrays.items(), (ORANGE, BLUE), "so", strict=True):
        means[name], half = _interval(100 * each, f"accuracy on {name!r}")
        _drawn_line(ax, x, means[name], half, True, color=color, marker=marker, lw=3.2, ms=9)
    if chosen is not None:
        at = int(np.abs(x - chosen).argmin())
        ax.axvline(x[at], color=GREY, ls=_DASHES[0], lw=1.8, zorder=0)
        heights = sorted(float(mean[at]) for mean in means.values())
        for y, aside in zip(heights, (-1, 1), strict=True):
            ax.plot(x[at], y, "o", mfc="none", mec="black", mew=2.2, ms=20, zorder=4)
            ax.annotate(f"{y:.0f} %", (x[at], y), xytext=(0, aside * 15), textcoords="offset points", ha="center",
                        va="bottom" if aside > 0 else "top", fontsize=16, weight="bold", path_effects=HALO)  # fmt: skip
    ends = {name: float(mean[-1]) for name, mean in means.items()}
    ticks = sorted({0.0, 0.25, 0.5, 0.75, 1.0})
    names = {0.0: "0\nbefore", 1.0: "1\nafter"}
    ax.set_xticks(ticks, [names.get(tick, f"{tick:g}") for tick in ticks], fontsize=15)
    ax.set(xlim=(-0.03, 1.03), ylim=(0, 112), yticks=range(0, 101, 20))
    ax.set_xlabel("share of the way from the weights before to those after", fontsize=15)
    ax.set_ylabel("right on test images (%)", fontsize=15)
    ax.set_title(f"mean of {_seeds(arrays)} and its 95 % interval", fontsize=14)
    label_ends(ax, float(x[-1]), ends, (ORANGE, BLUE), 4.0, points=16)
    return figure
