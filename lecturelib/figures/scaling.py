"""Figures of notebook 08: where costs cross, three ways to attend, share of the peak, cache, budget, two processes.

Of what was measured several times, a filled mark is the median and hollow marks are the rounds. Times go in as seconds,
memory as bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator
from numpy.typing import ArrayLike

from lecturelib.figures.parts import label_ends, wrapped
from lecturelib.figures.pictures import HALO, results
from lecturelib.figures.style import (
    BLUE,
    GREY,
    MARKERS,
    ORANGE,
    STATE_COLOURS,
    LectureFigure,
    axes,
    new_figure,
    styled,
)
from lecturelib.figures.units import BYTES, SECONDS, Units, in_unit, plain, power

_DASHED = (0, (5, 2))


def _grow(what: str, values: ArrayLike, least: int = 1) -> np.ndarray:
    """Refuse numbers that are not above 0, do not grow, or are too few."""
    found = np.asarray(values, float)
    if found.ndim != 1 or len(found) < least or not np.isfinite(found).all() or found[0] <= 0:
        raise ValueError(f"{what} are {found.tolist()}: expected {least} or more finite numbers above 0")
    if (np.diff(found) <= 0).any():
        raise ValueError(f"{what} are {found.tolist()}: expected numbers that grow; sort them")
    return found


def _positive(what: str, values: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return an array of this shape with numbers above 0, as a log scale needs them."""
    found = np.asarray(values, float)
    if found.shape != shape:
        raise ValueError(f"{what} have shape {found.shape}: expected {shape}, one for each size")
    if not (np.isfinite(found) & (found > 0)).all():
        raise ValueError(f"{what} are not all finite and above 0: expected such; leave out what was not measured")
    return found


def _rounds(what: str, values: Mapping[str, Any], n: int) -> dict[str, np.ndarray]:
    """Return measurements (rounds, n) above 0."""
    found = results(values, n, what)
    return {name: _positive(f"{what} of {name!r}", each, each.shape) for name, each in found.items()}


def _few(what: str, names: Mapping[Any, Any], most: int) -> None:
    if not 1 <= len(names) <= most:
        raise ValueError(f"{len(names)} {what}: expected 1 to {most}; draw two figures")


def _size_axis(ax: Axes, sizes: np.ndarray, label: str, inches: float) -> None:
    """A log scale, so many inches wide, with a tick at each size, or at every second or third where they are close."""
    ax.set_xscale("log", base=2)
    places = inches * np.log(sizes) / np.log(1.44 * sizes[-1] / sizes[0])
    need = 0.13 * np.array([len(f"{each:.6g}") for each in sizes]) + 0.06
    every = 1
    while every < len(sizes) and (np.diff(places[::-every][::-1]) < need[::-every][::-1][1:]).any():
        every += 1
    ticks = sizes[::-every]
    ax.set_xticks(ticks, [f"{each:.6g}" for each in ticks], fontsize=14)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel(label, fontsize=15)
    ax.set_xlim(sizes[0] / 1.25, sizes[-1] * 1.15)


def _unit_axis(ax: Axes, values: Sequence[np.ndarray], units: Units, above: float = 0.06,
               below: float = 0.06) -> None:  # fmt: skip
    """A log scale whose ticks carry units; `above` and `below` are spare room, as shares of what is drawn."""
    flat = np.log10(np.concatenate([np.ravel(each) for each in values]))
    span = max(float(np.ptp(flat)), 1.2)
    ax.set_yscale("log")
    ax.set_ylim(10 ** (flat.min() - below * span), 10 ** (flat.min() + (1 + above) * span))
    ax.yaxis.set_major_locator(LogLocator(10, numticks=8))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: in_unit(value, units)))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.tick_params("y", labelsize=14)


def _measured(ax: Axes, x: np.ndarray, values: np.ndarray, k: int) -> float:
    """A line through the medians with filled marks, hollow marks for the rounds (rounds, n); return where it ends."""
    color, marker = STATE_COLOURS[k], MARKERS[k]
    if len(values) > 1:
        ax.plot(x, values.T, marker, mfc="none", mec=color, ms=7, alpha=0.45, zorder=2)
    middle = np.median(values, 0)
    ax.plot(x, middle, marker + "-", color=color, ms=9, lw=3, zorder=3)
    return float(middle[-1])


@styled
def crossing(
    sizes: ArrayLike,
    seconds: Mapping[str, tuple[ArrayLike | None, ArrayLike]],
    memory: Mapping[str, tuple[ArrayLike | None, ArrayLike]],
    crossings: Mapping[str, tuple[float | None, float | None]],
    pairs: Mapping[str, str] | None = None,
) -> LectureFigure:
    """Show time and memory of networks against the number of tokens: dashed as predicted, marks as measured.

    `crossings` holds for "time" and "memory" where two networks cost the same, by prediction and as measured; None
    where they never do. The title of each panel says by what factor the two differ, and `pairs`, if given, which
    networks cross there.
    Shapes: seconds[name] a prediction (n,) or None, and measurements (rounds, n); memory[name] a prediction (n,) or
    None, and a measurement (n,); at most 3 networks, the same in both.
    Raises: ValueError for other shapes or names, numbers that are not above 0, and sizes that do not grow.
    """
    x = _grow("sizes", sizes, 2)
    _few("networks", seconds, 3)
    same = list(seconds) == list(memory)
    if not same or set(crossings) != {"time", "memory"} or (pairs and set(pairs) != set(crossings)):
        raise ValueError(
            f"seconds of {list(seconds)}, memory of {list(memory)}, crossings of {list(crossings)}: expected the same "
            "networks in the same order, and crossings (and pairs) of 'time' and 'memory'"
        )
    figure = new_figure(12, 5.9, f"time and memory by the number of tokens, for {', '.join(seconds)}")
    left, right = axes(figure, 1, 2)
    for ax, what, given, units in ((left, "time", seconds, SECONDS), (right, "memory", memory, BYTES)):
        drawn, ends = [], {}
        measured = {name: pair[1] if what == "time" else np.asarray(pair[1], float)[None] for name, pair in
                    given.items()}  # fmt: skip
        found = _rounds("seconds" if what == "time" else "bytes", measured, len(x))
        for k, (name, values) in enumerate(found.items()):
            ends[name] = _measured(ax, x, values, k)
            drawn.append(values)
            if (predicted := given[name][0]) is not None:
                drawn.append(_positive(f"predicted {what} of {name!r}", predicted, x.shape))
                ax.plot(x, drawn[-1], color=STATE_COLOURS[k], ls=_DASHED, lw=2, zorder=4)
        _size_axis(ax, x, "tokens n (log scale)", 3.5)
        _unit_axis(ax, drawn, units, above=0.34)
        which = f"{what.capitalize()}, {pairs[what]}:\n" if pairs else f"{what.capitalize()}: "
        ax.set_title(which + _crossing_marks(ax, x, *crossings[what]), fontsize=15)
        named = {wrapped(name, 1.2, 15): end for name, end in ends.items()}
        lines = 1 + max(name.count("\n") for name in named)
        label_ends(ax, float(x[-1]), named, STATE_COLOURS, 4.4 / lines, points=15)
    figure.supxlabel("dashed: predicted; marks: measured (hollow: each round)", fontsize=14)
    return figure


def _crossing_marks(ax: Axes, x: np.ndarray, predicted: float | None, measured: float | None) -> str:
    """Mark where lines cross, one label above the other so that they never meet; return what the title says of it."""
    for value, words, y, dashes in ((predicted, "predicted", 0.93, _DASHED), (measured, "measured", 0.82, "-")):
        if value is None:
            continue
        if not np.isfinite(value) or value <= 0:
            raise ValueError(f"{words} crossing is {value}: expected a number of tokens above 0, or None")
        low, high = np.log(ax.get_xlim())
        share = (np.log(value) - low) / (high - low)
        if not 0 <= share <= 1:
            raise ValueError(f"{words} crossing is {value:g}: expected one within the sizes {x[0]:g} to {x[-1]:g}")
        ax.plot([share, share], [0, y], color="black", ls=dashes, lw=1.8, zorder=1, transform=ax.transAxes)
        ax.plot(share, 0.012, "^", color="black", ms=11, mfc="white" if words == "predicted" else "black", zorder=5,
                transform=ax.transAxes, clip_on=False)  # fmt: skip
        side = "left" if share < 0.3 else "right" if share > 0.7 else "center"
        ax.text(share, y, f"{words} {value:.0f}", ha=side, va="center", fontsize=15, weight="bold", zorder=6,
                transform=ax.transAxes, bbox={"fc": "white", "ec": "none", "pad": 2})  # fmt: skip
    if predicted is None or measured is None:
        where = "predicted" if measured is None else "measured"
        return "no crossing" if predicted is measured else f"a crossing only {where}"
    factor = measured / predicted
    if 0.95 < factor < 1.05:
        return "crossing as predicted"
    times = max(factor, 1 / factor)
    return f"crossing {plain(times)} × {'later' if factor > 1 else 'earlier'} than predicted"


@styled
def three_ways(
    sizes: ArrayLike,
    seconds: Mapping[str, ArrayLike],
    memory: Mapping[str, ArrayLike],
    exponents: Mapping[str, tuple[float, float]],
) -> LectureFigure:
    """Show time and memory of ways to compute one attention, and beside each line how fast it grows with n.

    `exponents[name]` are the fitted exponents of time and of memory: `timing.exponent`.
    Shapes: seconds[name] (rounds, n), memory[name] (n,); at most 4 ways.
    Raises: ValueError for other shapes or names, numbers that are not above 0, and sizes that do not grow.
    """
    x = _grow("sizes", sizes, 2)
    _few("ways", seconds, 4)
    if not list(seconds) == list(memory) == list(exponents):
        raise ValueError(
            f"seconds of {list(seconds)}, memory of {list(memory)}, exponents of {list(exponents)}: expected the same "
            "names in the same order"
        )
    figure = new_figure(12, 5.4, f"time and memory of attention by the number of tokens, for {', '.join(seconds)}")
    left, right = axes(figure, 1, 2)
    held = {name: np.asarray(each, float)[None] for name, each in memory.items()}
    panels: Any = ((left, "Time", _rounds("seconds", seconds, len(x)), SECONDS),
                   (right, "Memory, at most at once", _rounds("bytes", held, len(x)), BYTES))  # fmt: skip
    for which, (ax, title, found, units) in enumerate(panels):
        ends = {f"{name}\n~ $n^{{{exponents[name][which]:.1f}}}$": _measured(ax, x, each, k)
                for k, (name, each) in enumerate(found.items())}  # fmt: skip
        _size_axis(ax, x, "tokens n (log scale)", 3.5)
        _unit_axis(ax, list(found.values()), units)
        ax.set_title(title, fontsize=17)
        label_ends(ax, float(x[-1]), ends, STATE_COLOURS, 2.1, points=15)
    return figure


@styled
def peak_share(sides: ArrayLike, rates: ArrayLike, marks: Mapping[str, tuple[float, float]]) -> LectureFigure:
    """Show how fast this machine multiplies matrices, and what share of that some layers reach.

    `marks` are layers: the side of a product like theirs (such as their width), and their rate.
    Shapes: sides (n,), rates (n,) or (rounds, n) in GFLOP/s.
    Raises: ValueError for other shapes, numbers that are not above 0, sides that do not grow, more than 6 marks.
    """
    x = _grow("sides", sides, 2)
    given = np.asarray(rates, float)
    found = _rounds("rates", {"products": given[None] if given.ndim == 1 else given}, len(x))["products"]
    _few("marks", marks, 6)
    points = {name: _positive(f"side and rate of {name!r}", pair, (2,)) for name, pair in marks.items()}
    figure = new_figure(12, 5.0, f"rate of matrix products by their side, and of {', '.join(marks)}")
    (ax,) = axes(figure)
    peak = float(np.median(found, 0).max())
    ax.axhline(peak, color=GREY, ls=_DASHED, lw=2)
    if len(found) > 1:
        ax.plot(x, found.T, "o", mfc="none", mec=GREY, ms=7, alpha=0.5)
    ax.plot(x, np.median(found, 0), "o-", color=GREY, ms=9, lw=3)
    reach = np.concatenate([x, [pair[0] for pair in points.values()]])
    _size_axis(ax, x, "side of the matrices (log scale)", 8.0)
    ax.set_xlim(reach.min() / 1.25, reach.max() * 1.15)
    ax.set_ylim(0, 1.14 * max(peak, *(float(pair[1]) for pair in points.values())))
    ax.text(0.01, peak, f"peak: {peak:.3g} GFLOP/s", transform=ax.get_yaxis_transform(), va="bottom", fontsize=16,
            color=GREY, weight="bold")  # fmt: skip
    ax.set_ylabel("GFLOP/s (10⁹ operations a second)", fontsize=15)
    ax.tick_params("y", labelsize=14)
    ax.set_title(
        "line: one product of square matrices; marks: products of a layer, as a share of the peak", fontsize=14
    )
    ends = {}
    for k, (name, (side, rate)) in enumerate(points.items()):
        ax.plot(side, rate, MARKERS[k], color=STATE_COLOURS[k], mec="black", ms=15, zorder=5)
        ax.plot([side, ax.get_xlim()[1]], [rate, rate], color=STATE_COLOURS[k], lw=1.2, ls=":", zorder=1)
        ends[f"{name}: {100 * rate / peak:.0f} %"] = float(rate)
    order = sorted(range(len(ends)), key=lambda k: -list(ends.values())[k])
    named = {list(ends)[k]: list(ends.values())[k] for k in order}
    label_ends(ax, ax.get_xlim()[1], named, [STATE_COLOURS[k] for k in order], 4.0, points=16)
    return figure


@styled
def writing(lengths: ArrayLike, uncached: ArrayLike, cached: ArrayLike, stored: ArrayLike) -> LectureFigure:
    """Show the time that one more token takes by the length of the text, with and without a cache; and its bytes.

    Shapes: lengths (n,), uncached and cached (rounds, n) in seconds for a token, stored (n,) in bytes.
    Raises: ValueError for other shapes, numbers that are not above 0, and lengths that do not grow.
    """
    x = _grow("lengths", lengths, 2)
    found = _rounds("seconds", {"without cache": uncached, "with cache": cached}, len(x))
    kept = _positive("bytes", stored, x.shape)
    figure = new_figure(12, 5.0, "time of one more token by the length of the text, and the bytes of the cache")
    left, right = axes(figure, 1, 2, width_ratios=[1.9, 1])
    last = {name: 1e3 * float(np.median(each, 0)[-1]) for name, each in found.items()}
    for k, each in enumerate(found.values()):
        _measured(left, x, 1e3 * each, k)
    left.set(ylim=(0, 1.06 * 1e3 * max(each.max() for each in found.values())), xlim=(0, 1.02 * x[-1]))
    factor = last["without cache"] / last["with cache"]
    left.set_title(f"At {x[-1]:g} tokens: {plain(factor)} times as fast with a cache", fontsize=16)
    left.set_ylabel("ms for one more token", fontsize=15)
    ends = {f"{name}\n{plain(each)} ms": each for name, each in last.items()}
    label_ends(left, float(x[-1]), ends, STATE_COLOURS, 2.0, points=16)
    size, unit = next((each for each in BYTES if kept[-1] >= each[0]), BYTES[-1])
    right.plot(x, kept / size, "D-", color=STATE_COLOURS[2], ms=8, lw=3)
    right.fill_between(x, kept / size, color=STATE_COLOURS[2], alpha=0.15, lw=0)
    right.set(ylim=(0, 1.12 * kept[-1] / size), xlim=(0, 1.02 * x[-1]))
    right.set_ylabel(f"{unit} in the cache", fontsize=15)
    right.set_title(f"Keys, values: {in_unit(float(kept[-1]), BYTES)}", fontsize=16)
    for ax in (left, right):
        ax.tick_params(labelsize=14)
        ax.set_xlabel("tokens in the text", fontsize=15)
    return figure


@styled
def budget(
    widths: Sequence[int],
    losses: Mapping[float, ArrayLike],
    chance: float | None,
    best: Mapping[float, int],
) -> LectureFigure:
    """Show the loss by the width of the network, a line for each budget of operations; the best width is ringed.

    A network of half the width is trained on more data for the same budget.
    Shapes: losses[budget] (seeds, widths); NaN in a whole column where a width was not tried at this budget. At most 4
    budgets; `best[budget]` is one of the widths.
    Raises: ValueError for other shapes, other budgets, a best width that was not tried, and no budget at all.
    """
    x = _grow("widths", widths, 2)
    _few("budgets", losses, 4)
    if set(best) != set(losses) or min(losses) <= 0:
        raise ValueError(f"losses of {list(losses)}, best of {list(best)}: expected the same budgets, above 0")
    figure = new_figure(12, 5.4, f"loss by width for budgets of {', '.join(map(power, sorted(losses)))} operations")
    (ax,) = axes(figure)
    found = results({str(each): losses[each] for each in sorted(losses)}, len(x), "losses")
    shades = [to_hex(each) for each in matplotlib.colormaps["viridis"](np.linspace(0.78, 0.05, max(len(found), 2)))]
    ends, seen = {}, [] if chance is None else [chance]
    for k, (each, values) in enumerate(zip(sorted(losses), found.values(), strict=True)):
        tried = np.isfinite(values).all(0)
        if not tried.any() or not np.isnan(values[:, ~tried]).all():
            raise ValueError(
                f"losses of {each:g} are NaN or infinite for some seeds: expected all seeds of a width, or NaN for none"
            )
        if best[each] not in x[tried]:
            raise ValueError(f"best of {each:g} is {best[each]}: expected one of the widths {x[tried].tolist()}")
        mean = values.mean(0)
        ax.plot(x[tried], mean[tried], MARKERS[k] + "-", color=shades[k], ms=9, lw=3, zorder=3)
        if len(values) > 1:
            ax.plot(x, values.T, MARKERS[k], mfc="none", mec=shades[k], ms=7, alpha=0.6, zorder=2)
        ax.plot(best[each], mean[x == best[each]], "o", mfc="none", mec="black", mew=2.6, ms=24, zorder=4)
        ax.plot([x[tried][-1], x[-1]], mean[tried][[-1, -1]], color=shades[k], lw=1.2, ls=":", zorder=1)
        ends[f"{power(each)} operations\nbest: {best[each]} wide"] = float(mean[tried][-1])
        seen += values[:, tried].ravel().tolist()
    if chance is not None:
        ax.axhline(chance, color=GREY, ls=(0, (1, 1.3)), lw=2)
    spare = 0.1 * (max(seen) - min(seen)) or 0.1
    _size_axis(ax, x, "width D of the network (log scale)", 8.0)
    ax.set_ylim(min(seen) - spare, max(seen) + spare)
    ax.set_ylabel("held-out loss (nats)", fontsize=15)
    ax.tick_params("y", labelsize=14)
    ax.set_title("ring: the best width for a budget; hollow: each seed", fontsize=15)
    colors = [*shades[: len(ends)]]
    if chance is not None:
        ends["chance"], colors = chance, [*colors, GREY]
    order = sorted(range(len(ends)), key=lambda k: -list(ends.values())[k])
    named = {list(ends)[k]: list(ends.values())[k] for k in order}
    label_ends(ax, float(x[-1]), named, [colors[k] for k in order], 2.1, points=15)
    return figure


@styled
def two_processes(
    steps: Sequence[int], one: ArrayLike, two: ArrayLike, seconds: Mapping[str, float] | None = None
) -> LectureFigure:
    """Show that two processes learn as one does: both losses, their difference, and the time if it is given.

    The gray line beside the difference is the distance between two neighbouring numbers of float32 at that loss.
    Shapes: steps, one and two (n,).
    Raises: ValueError for other shapes, losses that are not finite and above 0, and more than 2 times.
    """
    x = np.asarray(steps, float)
    if x.ndim != 1 or not len(x) or (np.diff(x) <= 0).any():
        raise ValueError(f"steps are {x.tolist()}: expected numbers that grow, one or more")
    first, second = (_positive(f"losses of {name}", each, x.shape) for name, each in (("one", one), ("two", two)))
    times = {name: float(each) for name, each in (seconds or {}).items()}
    if len(times) > 2 or any(not np.isfinite(each) or each <= 0 for each in times.values()):
        raise ValueError(f"seconds are {times}: expected at most 2 times, finite and above 0")
    figure = new_figure(12, 5.0, "the loss of one process and of two, and how far they differ")
    panels = axes(figure, 1, 3 if times else 2, width_ratios=[1.5, 1.15, 0.8] if times else [1.4, 1])
    every = slice(None, None, -(-len(x) // 16))
    panels[0].plot(x, first, color=ORANGE, lw=6, alpha=0.75, label="one process")
    panels[0].plot(x[every], second[every], "o", mfc="none", mec=BLUE, mew=2.4, ms=10, label="two processes")
    panels[0].legend(fontsize=15, loc="upper center", ncols=2, columnspacing=1.2, handlelength=1.5)
    panels[0].set_ylim(0, 1.2 * max(first.max(), second.max()))
    panels[0].set_title("Training loss", fontsize=16)
    rounding = np.spacing(first.astype(np.float32)).astype(float)
    apart = np.abs(first - second)
    some, most = apart > 0, float(apart.max())
    low = min([*apart[some], *rounding]) / 3
    high = max(2 * most, 100 * low)
    panels[1].set(yscale="log", ylim=(low, low * (high / low) ** 1.5))  # room for the legend above
    panels[1].plot(x, rounding, color=GREY, lw=2.2, ls=_DASHED, label="float32: last digit")
    panels[1].plot(x[some], apart[some], "o", color=BLUE, ms=6, label="difference" if some.any() else None)
    panels[1].plot(x[~some], np.full((~some).sum(), 1.25 * low), "v", mfc="none", mec=BLUE, ms=6,
                   label="equal" if (~some).any() else None)  # fmt: skip
    panels[1].legend(fontsize=14, loc="upper center")
    panels[1].yaxis.set_major_locator(LogLocator(10, numticks=7))
    panels[1].yaxis.set_major_formatter(FuncFormatter(lambda value, _: power(value)))
    panels[1].yaxis.set_minor_formatter(NullFormatter())
    widest = "" if not most else plain(most) if most >= 0.01 else power(most, 1)
    panels[1].set_title(f"Apart by {widest} at most" if most else "Equal to the bit",
                        fontsize=16)  # fmt: skip
    for ax in panels[:2]:
        ax.set_xlabel("training steps", fontsize=15)
        ax.tick_params(labelsize=14)
    if times:
        colors = (ORANGE, BLUE)[: len(times)]
        panels[2].bar(range(len(times)), list(times.values()), width=0.6, color=colors)
        for k, each in enumerate(times.values()):
            panels[2].text(k, each, in_unit(each, SECONDS), ha="center", va="bottom", fontsize=16, weight="bold",
                           path_effects=HALO)  # fmt: skip
        panels[2].set_xticks(range(len(times)), [name.replace(" ", "\n") for name in times], fontsize=14)
        panels[2].set(yticks=[], xlim=(-0.5, len(times) - 0.5), ylim=(0, 1.15 * max(times.values())))
        panels[2].spines["left"].set_visible(False)
        panels[2].set_title("Time", fontsize=16)
    return figure
