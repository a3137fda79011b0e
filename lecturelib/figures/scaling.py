"""Figures of notebook 08: where costs cross, ways to attend, the cache, a budget.

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

from lecturelib.figures.colors import GREY, MARKERS, STATE_COLORS
from lecturelib.figures.given import few, growing, positive, results
from lecturelib.figures.parts import bracket, label_ends, wrapped
from lecturelib.figures.style import LectureFigure, axes, new_figure, panel, styled
from lecturelib.figures.units import BYTES, SECONDS, Units, in_unit, plain, power

_DASHED = (0, (5, 2))


def _rounds(what: str, values: Mapping[str, Any], n: int) -> dict[str, np.ndarray]:
    """Return measurements (rounds, n) above 0."""
    found = results(values, what, n)
    return {name: positive(f"{what} of {name!r}", each, each.shape) for name, each in found.items()}


def _same_names(**given: Mapping[str, Any]) -> None:
    """Refuse mappings that do not have the same names in the same order."""
    if len({tuple(each) for each in given.values()}) != 1:
        names = ", ".join(f"{what} of {list(each)}" for what, each in given.items())
        raise ValueError(f"{names}: expected the same names in the same order")


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


def _measured(ax: Axes, x: np.ndarray, found: Mapping[str, np.ndarray]) -> dict[str, float]:
    """A line through the medians with filled marks, hollow marks for the rounds (rounds, n); return where each ends."""
    for k, (name, each) in enumerate(found.items()):
        if len(each) > 1:
            ax.plot(x, each.T, MARKERS[k], mfc="none", mec=STATE_COLORS[k], ms=7, alpha=0.45, zorder=2)
        ax.plot(x, np.median(each, 0), MARKERS[k] + "-", color=STATE_COLORS[k], ms=9, lw=3, zorder=3, label=name)
    return {name: float(np.median(each, 0)[-1]) for name, each in found.items()}


@styled
def crossing(
    sizes: ArrayLike,
    seconds: Mapping[str, tuple[ArrayLike | None, ArrayLike]],
    memory: Mapping[str, tuple[ArrayLike | None, ArrayLike]],
    crossings: Mapping[str, tuple[float | None, float | None]],
    pairs: Mapping[str, str],
) -> LectureFigure:
    """Show time and memory of networks against the number of tokens: dashed as predicted, marks as measured.

    `crossings` holds for "time" and "memory" where two networks, named in `pairs`, cost the same, by prediction and as
    measured; None where they never do.
    Shapes: seconds[name] a prediction (n,) or None, and measurements (rounds, n); memory[name] a prediction (n,) or
    None, and a measurement (n,); at most 3 networks. Raises: ValueError for others, and numbers that are not above 0.
    """
    x = growing("sizes", sizes, 2)
    few("networks", seconds, 3)
    _same_names(seconds=seconds, memory=memory)
    for name, given in (("crossings", crossings), ("pairs", pairs)):
        if set(given) != {"time", "memory"}:
            raise ValueError(f"{name} of {list(given)}: expected those of 'time' and 'memory'")
    figure = new_figure(12, 5.9)
    held = {name: (predicted, np.asarray(each, float)[None]) for name, (predicted, each) in memory.items()}
    panels: Any = (("time", seconds, "seconds", SECONDS), ("memory", held, "bytes", BYTES))
    for ax, (what, given, unit, units) in zip(axes(figure, 1, 2), panels, strict=True):
        found = _rounds(unit, {name: measured for name, (_, measured) in given.items()}, len(x))
        ends, drawn = _measured(ax, x, found), list(found.values())
        for k, (name, (predicted, _)) in enumerate(given.items()):
            if predicted is not None:
                drawn.append(positive(f"predicted {what} of {name!r}", predicted, x.shape))
                ax.plot(x, drawn[-1], color=STATE_COLORS[k], ls=_DASHED, lw=2, zorder=4)
        _size_axis(ax, x, "tokens n (log scale)", 3.5)
        _unit_axis(ax, drawn, units, above=0.34)
        miss = _crossing_marks(ax, x, *crossings[what])
        ax.set_title(f"{what.capitalize()}, {pairs[what]}:\n{miss}", fontsize=15)
        named = {wrapped(name, 1.2, 15): end for name, end in ends.items()}
        lines = 1 + max(name.count("\n") for name in named)
        label_ends(ax, float(x[-1]), named, STATE_COLORS, 4.4 / lines, points=15)
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

    Shapes: seconds[name] (rounds, n), memory[name] (n,), exponents[name] a pair, by `timing.exponent`; at most 4
    ways. Raises: ValueError for others, and numbers that are not above 0.
    """
    x = growing("sizes", sizes, 2)
    few("ways", seconds, 4)
    _same_names(seconds=seconds, memory=memory, exponents=exponents)
    figure = new_figure(12, 5.4)
    held = {name: np.asarray(each, float)[None] for name, each in memory.items()}
    panels: Any = (("Time", seconds, "seconds", SECONDS), ("Memory, at most at once", held, "bytes", BYTES))
    for which, (ax, (title, given, unit, units)) in enumerate(zip(axes(figure, 1, 2), panels, strict=True)):
        found = _rounds(unit, given, len(x))
        ends = {f"{name}\n~ $n^{{{exponents[name][which]:.1f}}}$": end for name, end in _measured(ax, x, found).items()}
        _size_axis(ax, x, "tokens n (log scale)", 3.5)
        _unit_axis(ax, list(found.values()), units)
        ax.set_title(title, fontsize=17)
        label_ends(ax, float(x[-1]), ends, STATE_COLORS, 2.1, points=15)
    return figure


@styled
def writing(lengths: ArrayLike, uncached: ArrayLike, cached: ArrayLike, stored: ArrayLike) -> LectureFigure:
    """Show the time that one more token takes by the length of the text, with and without a cache; and its bytes.

    Shapes: lengths (n,), uncached and cached (rounds, n) in seconds for a token, stored (n,) in bytes.
    Raises: ValueError for others, and numbers that are not above 0.
    """
    x = growing("lengths", lengths, 2)
    found = _rounds("seconds", {"without cache": uncached, "with cache": cached}, len(x))
    kept = positive("bytes", stored, x.shape)
    figure = new_figure(12, 5.0)
    left, right = axes(figure, 1, 2, width_ratios=[1.9, 1])
    last = _measured(left, x, {name: 1e3 * each for name, each in found.items()})
    left.set_ylim(0, 1.06e3 * max(each.max() for each in found.values()))
    factor = last["without cache"] / last["with cache"]
    left.set_title(f"At {x[-1]:g} tokens: {plain(factor)} times as fast with a cache", fontsize=16)
    left.set_ylabel("ms for one more token", fontsize=15)
    ends = {f"{name}\n{plain(each)} ms": each for name, each in last.items()}
    label_ends(left, float(x[-1]), ends, STATE_COLORS, 2.0, points=16)
    size, unit = next((each for each in BYTES if kept[-1] >= each[0]), BYTES[-1])
    right.plot(x, kept / size, "D-", color=STATE_COLORS[2], ms=8, lw=3)
    right.fill_between(x, kept / size, color=STATE_COLORS[2], alpha=0.15, lw=0)
    right.set_ylim(0, 1.12 * kept[-1] / size)
    right.set_ylabel(f"{unit} in the cache", fontsize=15)
    right.set_title(f"Keys, values: {in_unit(float(kept[-1]), BYTES)}", fontsize=16)
    for ax in (left, right):
        ax.tick_params(labelsize=14)
        ax.set_xlim(0, 1.02 * x[-1])
        ax.set_xlabel("tokens in the text", fontsize=15)
    return figure


@styled
def budget(widths: Sequence[int], losses: Mapping[float, ArrayLike], chance: float | None,
           best: Mapping[float, int]) -> LectureFigure:  # fmt: skip
    """Show the loss by the width of the network, a line for each budget of operations; the best width is ringed.

    Shapes: losses[budget] (seeds, widths), NaN in a whole column that was not tried; at most 4 budgets.
    Raises: ValueError for others, other budgets, and a best width that was not tried.
    """
    x = growing("widths", widths, 2)
    few("budgets", losses, 4)
    if set(best) != set(losses) or min(losses) <= 0:
        raise ValueError(f"losses of {list(losses)}, best of {list(best)}: expected the same budgets, above 0")
    figure, ax = panel(12, 5.4)
    spent = sorted(losses)
    found = results({f"{power(each)} operations": losses[each] for each in spent}, "losses", len(x))
    shades = [to_hex(each) for each in matplotlib.colormaps["viridis"](np.linspace(0.78, 0.05, max(len(found), 2)))]
    colors, ends, seen = {}, {}, [] if chance is None else [np.array([chance])]
    for each, (name, values), shade, marker in zip(spent, found.items(), shades, MARKERS, strict=False):
        tried = np.isfinite(values).all(0)
        if not tried.any() or not np.isnan(values[:, ~tried]).all():
            raise ValueError(
                f"losses of {each:g} are NaN or infinite for some seeds: expected all seeds of a width, or NaN for none"
            )
        if best[each] not in x[tried]:
            raise ValueError(f"best of {each:g} is {best[each]}: expected one of the widths {x[tried].tolist()}")
        mean = values.mean(0)
        ax.plot(x[tried], mean[tried], marker + "-", color=shade, ms=9, lw=3, zorder=3, label=name)
        if len(values) > 1:
            ax.plot(x, values.T, marker, mfc="none", mec=shade, ms=7, alpha=0.6, zorder=2)
        ax.plot(best[each], mean[x == best[each]], "o", mfc="none", mec="black", mew=2.6, ms=24, zorder=4)
        ax.plot([x[tried][-1], x[-1]], mean[tried][[-1, -1]], color=shade, lw=1.2, ls=":", zorder=1)
        label = f"{name}\nbest: {best[each]} wide"
        ends[label], colors[label] = float(mean[tried][-1]), shade
        seen.append(values[:, tried])
    if chance is not None:
        ax.axhline(chance, color=GREY, ls=(0, (1, 1.3)), lw=2)
        ends["chance"], colors["chance"] = chance, GREY
    _size_axis(ax, x, "d_model, the width of the network (log scale)", 8.0)
    ax.set_ylim(bracket(seen, 0.1))
    ax.set_ylabel("held-out loss (nats)", fontsize=15)
    ax.tick_params("y", labelsize=14)
    ax.set_title("ring: the best width for a budget; hollow: each seed", fontsize=15)
    named = dict(sorted(ends.items(), key=lambda pair: -pair[1]))
    label_ends(ax, float(x[-1]), named, [colors[name] for name in named], 2.1, points=15)
    return figure
