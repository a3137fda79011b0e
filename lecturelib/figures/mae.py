"""Figures of notebook 06: holes, reconstructions, errors of hidden pixels, the leak."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from lecturelib.figures.colors import BLUE, GREY, MARKERS, RED, STATE_COLORS
from lecturelib.figures.given import as_many, few, known, results, same_shape
from lecturelib.figures.paper import paper
from lecturelib.figures.parts import bracket, ink, label_ends, means_and_seeds, wrapped
from lecturelib.figures.pictures import picture
from lecturelib.figures.style import LectureFigure, axes, new_figure, panel, styled


@styled
def reconstructions(columns: Mapping[str, np.ndarray], mask: np.ndarray, hatched: Sequence[str],
                    errors: Mapping[str, np.ndarray] | None = None) -> LectureFigure:  # fmt: skip
    """Show images in rows under the names of their columns, in those named in `hatched` with hidden patches hatched.

    With errors, a number stands under a picture, and the best one of each image is bold.
    Shapes: columns[name] (n, C, height, width), mask (n, N) bool, True = hidden, errors[name] (n,) for some names.
    Raises: ValueError for other shapes, and names that are not among the columns.
    """
    arrays = {name: np.asarray(each, float) for name, each in columns.items()}
    count = _count_images(arrays)
    numbers = {name: np.asarray(each, float) for name, each in (errors or {}).items()}
    known("hatched", hatched, arrays)
    known("errors", numbers, arrays)
    for name, each in numbers.items():
        same_shape(f"errors of {name!r} and the images", each.shape, (count,))
    as_many("masks and images", mask, next(iter(arrays.values())))
    under = 0.3 if numbers else 0.06
    size = min(2.1, 11.6 / len(arrays) - 0.15, 5.9 / count - under)
    high, wide = size + under, max(size + 0.15, min(size + 0.6, 11.6 / len(arrays)))  # room for the names
    titles = [wrapped(name, wide, 15) for name in arrays]
    head = 0.25 + 0.25 * max(title.count("\n") + 1 for title in titles)
    says = f"a row for each image: {', '.join(arrays)}"
    figure, page = paper(max(len(arrays) * wide + 0.25, 5), count * high + head + 0.15, says)
    top = figure.get_figheight() - head
    digits = 3 if all((each >= 0.01).all() for each in numbers.values()) else 4
    best = np.argmin(list(numbers.values()), axis=0) if len(numbers) > 1 else np.full(count, -1)
    for k, (name, each) in enumerate(arrays.items()):
        x = 0.125 + wide / 2 + k * wide - size / 2
        page.text(x + size / 2, top + 0.08, titles[k], fontsize=15, ha="center", va="bottom", linespacing=1.0)
        for n in range(count):
            y = top - n * high - size
            picture(page, each[n], mask[n] if name in hatched else None, place=(x, y, size, size))
            if name in numbers:
                won = best[n] == list(numbers).index(name)
                look: dict[str, Any] = {"weight": "bold", "color": BLUE} if won else {"color": "black"}
                words = f"{numbers[name][n]:.{digits}f}"
                page.text(x + size / 2, y - 0.15, words, fontsize=14, ha="center", va="center", **look)
    return figure


def _error(value: float) -> str:
    """An error with two digits that count, and three places at least: 0.00084, 0.0046, 0.013."""
    places = 3 if value >= 0.01 else 4 if value >= 0.001 else 5
    return f"{value:.{places}f}"


def _count_images(arrays: Mapping[str, np.ndarray]) -> int:
    counts = {name: len(each) for name, each in arrays.items()}
    if len(set(counts.values())) != 1 or any(each.ndim != 4 for each in arrays.values()):
        shapes = {name: each.shape for name, each in arrays.items()}
        raise ValueError(f"columns have shapes {shapes}: expected (n, C, height, width), as many images in each")
    return next(iter(counts.values()))


@styled
def errors_along(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
                 lines: Mapping[str, float]) -> LectureFigure:  # fmt: skip
    """Show the error on hidden pixels while networks learn, and named levels: what simpler methods reach.

    Shapes: curves[name] is (steps, errors), of one length; errors above 0, on a log scale.
    """
    figure, ax = panel(12, 5.2)
    for k, (name, (x, y)) in enumerate(curves.items()):
        ax.plot(x, y, MARKERS[k] + "-", color=STATE_COLORS[k], ms=8, lw=2.8, markevery=max(1, len(x) // 15), label=name)
    figure.legend(loc="outside lower center", ncols=len(curves), fontsize=14)
    for name, level in lines.items():
        ax.axhline(level, color=GREY, ls="--", lw=1.6, zorder=1, label=name)
    _log_errors(ax, np.concatenate([list(lines.values()), *(y for _, y in curves.values())]))
    last = max(max(x) for x, _ in curves.values())
    ax.set_xlim(min(min(x) for x, _ in curves.values()) - 0.01 * last, 1.01 * last)
    named = {f"{name}: {_error(level)}": level for name, level in lines.items()}
    label_ends(ax, 1.01 * last, named, [GREY] * len(named), 4.2, points=15)
    ax.set(xlabel="training steps", ylabel="error on hidden pixels\n(mean squared, log scale)")
    return figure


def _log_errors(ax: Axes, values: np.ndarray, margin: float = 0.08) -> None:
    """Give the axis of errors a log scale that holds these values, with plain numbers at its ticks."""
    low, high = np.exp(bracket([np.log(values)], margin))
    ax.set(yscale="log", ylim=(low, high))
    for digits in ((1, 1.2, 1.4, 1.6, 2, 3, 4, 6, 8), (1, 2, 3, 5), (1, 3), (1,)):  # as many ticks as fit
        nice = [digit * 10.0**power for power in range(-7, 4) for digit in digits]
        ticks = [tick for tick in nice if low <= tick <= high]
        if len(ticks) <= 9:
            break
    ax.set_yticks(ticks, [f"{tick:.10f}".rstrip("0").rstrip(".") for tick in ticks])
    ax.yaxis.set_minor_formatter(NullFormatter())


@styled
def holes(widths: Sequence[int], left: Mapping[str, np.ndarray], level: str, named: str) -> LectureFigure:
    """Show how much of the uncertainty about a hidden symbol is left, once those on both sides of the hole are known.

    `level` is a line whose first value is drawn through the whole figure, to be compared with; `named` is its name.
    Shapes: left[name] (n,), shares from 0 on, for holes of n widths. Raises: ValueError for an unknown level.
    """
    arrays = results({name: np.asarray(each, float)[None] for name, each in left.items()}, "shares", len(widths))
    known("level", [level], list(arrays))
    figure, ax = panel(10, 4.6)
    ends = means_and_seeds(ax, np.asarray(widths, float), {name: 100 * each for name, each in arrays.items()})
    shades = list(STATE_COLORS[: len(ends)])
    shades.append(STATE_COLORS[list(arrays).index(level)])
    ends[named] = 100 * arrays[level][0, 0]
    ax.axhline(ends[named], color=shades[-1], ls=":", lw=2)
    ax.axhline(100, color=GREY, ls="--", lw=2)
    ax.text(widths[0], 101, "the neighbors say nothing", color=ink(GREY), fontsize=14, va="bottom")
    ax.set(xscale="log", ylim=(0, 114), xlabel="width of the hole (characters, or pixels)",
           ylabel="uncertainty left about\nits middle (% of bits)")  # fmt: skip
    ax.set_xticks(widths, [str(width) for width in widths])
    ax.xaxis.set_minor_formatter(NullFormatter())
    label_ends(ax, widths[-1], ends, shades, 3.7, points=15)
    return figure


@styled
def leak(columns: Mapping[str, np.ndarray], errors: Mapping[str, np.ndarray], mask: np.ndarray,
         leaked: Sequence[str], hatched: Sequence[str] = ()) -> LectureFigure:  # fmt: skip
    """Show pictures that look too good beside honest ones, and their errors; those named in `leaked` are red, hatched.

    In columns named in `hatched` the hidden patches are hatched.
    Shapes: columns[name] (n, C, height, width), mask (n, N) bool, True = hidden, errors[name] (seeds,).
    Raises: ValueError for other shapes, and for names that are in neither columns nor errors.
    """
    arrays = {name: np.asarray(each, float) for name, each in columns.items()}
    count = _count_images(arrays)
    seeds = results(errors, "errors")
    known("leaked", leaked, {**arrays, **seeds})
    known("hatched", hatched, arrays)
    as_many("masks and images", mask, next(iter(arrays.values())))
    figure = new_figure(12, max(3.6, 1.3 + 1.25 * count))
    halves = figure.add_gridspec(1, 2, width_ratios=[1.25 * len(arrays), 5.2])
    places = halves[0].subgridspec(count, len(arrays)).subplots(squeeze=False)
    for k, (name, each) in enumerate(arrays.items()):
        false = name in leaked
        for n in range(count):
            picture(places[n, k], each[n], mask[n] if name in hatched else None, frame=RED if false else GREY)
        title = wrapped(name, 6.3 / len(arrays), 16)
        places[0, k].set_title(title, fontsize=14, loc="center", color=RED if false else "black", linespacing=1.0)
    ax = figure.add_subplot(halves[1])
    widest = max(each.max() for each in seeds.values())
    for row, (name, each) in enumerate(seeds.items()):
        false = name in leaked
        look: dict[str, Any] = {"color": "white", "hatch": "///", "ec": RED} if false else {"color": BLUE, "ec": BLUE}
        words = f"{name}: leaked" if false else name
        ax.barh(row, each.mean(), height=0.5, lw=2, label=words, **look)
        ax.plot(each, np.full(len(each), row), "o", mfc="white", mec="black", ms=8)
        ax.text(each.max(), row, f"  {_error(each.mean())}", va="center", fontsize=15, weight="bold")
        ax.text(0.01 * widest, row - 0.31, words, va="bottom", fontsize=14, color=RED if false else "black")
    ax.set(ylim=(len(seeds) - 0.6, -0.75), xlim=(0, 1.3 * widest), yticks=[],
           xlabel="error on hidden pixels\nbar, number: mean; marks: one draw each")  # fmt: skip
    return figure


@styled
def by_content(bins: Sequence[str], errors: Mapping[str, Mapping[str, np.ndarray]], against: str) -> LectureFigure:
    """Show the error of each method as a multiple of one's, by the kind of content, a panel for each photo.

    The best of each kind is ringed and named.
    Shapes: errors[photo][name] (n,), above 0, on a log scale, at n kinds; one to three photos, the same names in each.
    """
    few("photos", errors, 3)
    methods, tables = list(next(iter(errors.values()))), {}
    known("against", [against], methods)
    for photo, given in errors.items():
        known(f"errors of {photo!r}", given, methods)
        arrays = results({name: np.array([given[name]]) for name in methods}, "errors", len(bins))
        tables[photo] = {name: each / arrays[against] for name, each in arrays.items()}
    figure = new_figure(12, 5.4)
    places = axes(figure, 1, len(tables), sharey=True)
    every = np.concatenate([each.ravel() for arrays in tables.values() for each in arrays.values()])
    for ax, (photo, arrays) in zip(places, tables.items(), strict=True):
        means_and_seeds(ax, range(len(bins)), arrays)
        table = np.concatenate(list(arrays.values()))
        _log_errors(ax, every, margin=0.1)
        for n, k in enumerate(table.argmin(0)):
            ax.plot(n, table[k, n], "o", mfc="none", mec="black", mew=2.2, ms=22)
            best = wrapped(methods[k], 11.0 / len(bins) / len(tables), 15)
            ax.text(n, 0.98, best, ha="center", va="top", weight="bold", fontsize=14, color=ink(STATE_COLORS[k % 6]),
                    transform=ax.get_xaxis_transform(), linespacing=1.0)  # fmt: skip
        ax.set_title(f"{photo} (ring: the best)", fontsize=16, loc="center")
        ax.set_xticks(range(len(bins)), bins, fontsize=14)
        ax.set(xlim=(-0.45, len(bins) - 0.55), ylim=(None, ax.get_ylim()[1] * 1.7))
    places[0].set_ylabel(f"error on hidden pixels,\n{against} = 1 (log scale)")
    handles, names = places[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(methods), fontsize=14)
    return figure
