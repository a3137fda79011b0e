"""Figures of notebook 08: what attention holds, what one more character costs, a roofline, a scaling law.

Times go in as seconds, memory as bytes. A dashed line was predicted, a mark was measured.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator
from numpy.typing import ArrayLike

from lecturelib.figures.colors import BLUE, GREY, MARKERS, ORANGE, STATE_COLORS
from lecturelib.figures.given import few, results
from lecturelib.figures.parts import label_ends
from lecturelib.figures.style import LectureFigure, axes, new_figure, panel, styled
from lecturelib.figures.units import BYTES, SECONDS, Units, in_unit, plain, power

_DASHED = (0, (5, 2))


@styled
def memory(sizes: Sequence[int], held: Mapping[str, tuple[ArrayLike, ArrayLike]]) -> LectureFigure:
    """Show the bytes of ways to compute one attention against the number of tokens: as predicted, and as measured.

    Shapes: held[name] a prediction (n,) and a measurement (n,), above 0; at most 4 ways.
    """
    few("ways", held, 4)
    figure, ax = panel(11, 5.0)
    ends = _predicted_and_measured(ax, sizes, held, BYTES, 3, 10)
    ax.set(xscale="log", xlim=(sizes[0] / 1.25, sizes[-1] * 1.15))
    ax.set_xticks(sizes, [f"{each:.6g}" for each in sizes], fontsize=14)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("tokens n (log scale)", fontsize=15)
    ax.set_title("most memory held at once; dashed: predicted, marks: measured", fontsize=16)
    label_ends(ax, sizes[-1], ends, STATE_COLORS, 1.9, points=16)
    return figure


def _predicted_and_measured(ax: Axes, x: ArrayLike, pairs: Mapping[str, tuple[ArrayLike, ArrayLike]], units: Units,
                            digits: int, size: int) -> dict[str, float]:  # fmt: skip
    """Draw a dashed line for each prediction and marks for its measurement, on a log scale; return where they end."""
    ends = {}
    for k, (name, (predicted, found)) in enumerate(pairs.items()):
        ax.plot(x, predicted, color=STATE_COLORS[k], ls=_DASHED, lw=2.4)
        ax.plot(x, found, MARKERS[k], color=STATE_COLORS[k], ms=size, label=name)
        ends[f"{name}\n{in_unit(np.asarray(found)[-1], units, digits)}"] = float(np.asarray(found)[-1])
    flat = np.log10(np.concatenate([np.ravel(each) for pair in pairs.values() for each in pair]))
    span = max(float(np.ptp(flat)), 1.2)
    ax.set_yscale("log")
    ax.set_ylim(10 ** (flat.min() - 0.06 * span), 10 ** (flat.min() + 1.06 * span))
    ax.yaxis.set_major_locator(LogLocator(10, subs=(1, 3) if span < 1.5 else (1,), numticks=8))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: in_unit(value, units)))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.tick_params("y", labelsize=14)
    return ends


@styled
def writing(
    held: Mapping[str, tuple[ArrayLike, ArrayLike]], seconds: Mapping[str, tuple[ArrayLike, ArrayLike]]
) -> LectureFigure:
    """Show what each character of a text costs: the bytes in use after it, and its seconds.

    Of every 50 characters one mark is drawn: their median, and of the seconds the fewest, since other programs can
    only add to them. Of the seconds only the growth is predicted: that line begins at the first mark.
    Shapes: held[name] and seconds[name] a prediction (n,) and a measurement (n,), above 0, n a multiple of 50; at most
        4 writers.
    """
    figure = new_figure(12, 5.2)
    panels = (("Memory in use", held, BYTES), ("Time for one more character", seconds, SECONDS))
    for ax, (title, given, units) in zip(axes(figure, 1, 2), panels, strict=True):
        few("writers", given, 4)
        pairs = {}
        for name, pair in given.items():
            paper, found = (np.asarray(each, float).reshape(-1, 50) for each in pair)
            paper = np.median(paper, axis=1)
            if given is seconds:
                found = found.min(axis=1)
                paper = paper * found[0] / paper[0]
            else:
                found = np.median(found, axis=1)
            pairs[name] = paper, found
        x = 25 + 50 * np.arange(len(paper))
        ends = _predicted_and_measured(ax, x, pairs, units, 2, 8)
        ax.set_xlim(0, 50 * len(paper))
        ax.set_xlabel("characters written", fontsize=15)
        ax.tick_params("x", labelsize=14)
        ax.set_title(title, fontsize=17)
        label_ends(ax, x[-1], ends, STATE_COLORS, 2.1, points=15)
    figure.supxlabel("vertical scales: log; dashed: predicted, marks: measured (time: the fastest of 50)", fontsize=14)
    return figure


@styled
def roofline(peak: float, bandwidth: float, layers: Mapping[str, tuple[float, float]]) -> LectureFigure:
    """Show a machine's roof, and layers under it: how many operations they do for each byte, and how many a second.

    `peak` in operations a second, `bandwidth` in bytes a second; layers[name] is a pair (operations for each byte,
    operations a second).
    """
    places = np.array(list(layers.values()))
    balance = peak / bandwidth
    figure, ax = panel(12, 6.0)
    low, high = 0.6 * min(places[:, 0].min(), balance / 8), 1.6 * max(places[:, 0].max(), 8 * balance)
    along = np.geomspace(low, high, 200)
    roof = np.minimum(peak, bandwidth * along)
    ax.set(xscale="log", yscale="log", xlim=(low, high), ylim=(0.3 * min(places[:, 1].min(), roof[0]), 4 * peak))
    ax.fill_between(along, roof, ax.get_ylim()[1], color="#eeeeee", lw=0)
    ax.plot(along, roof, color="black", lw=3)
    ax.axvline(balance, color=GREY, ls=(0, (1, 1.5)), lw=1.8, zorder=1)
    for x, what, side in ((balance / 1.1, "memory", "right"), (balance * 1.1, "arithmetic", "left")):
        ax.text(x, 2.1 * peak, f"waits for {what}", fontsize=15, ha=side, va="center", color="black")
    for k, (name, place) in enumerate(layers.items()):
        ax.plot(*place, MARKERS[k % 6], color=STATE_COLORS[k % 6], ms=14, mec="black", label=f"{k + 1}  {name}")
    _number(ax, places, np.stack([along, roof], axis=1))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: power(value)))
    ax.minorticks_off()
    ax.tick_params(labelsize=14)
    ax.set_xlabel("operations for each byte (log scale)", fontsize=15)
    ax.set_ylabel("operations a second (log scale)", fontsize=15)
    ax.set_title("black line: from a large product and a long read of memory\ngray: faster than that", fontsize=16)
    figure.legend(loc="outside right upper", fontsize=14, labelspacing=0.9)
    return figure


def _number(ax: Axes, places: np.ndarray, line: np.ndarray) -> None:
    """Write 1, 2, ... beside points on log scales: on the right, or where marks, numbers and the line leave room."""
    low, high = np.log(np.stack([ax.get_xlim(), ax.get_ylim()], axis=1))
    spots, along = ((np.log(each) - low) / (high - low) * (505, 365) for each in (places, line))  # about, in points
    there = [*spots, *along]
    for k, spot in enumerate(spots):
        sides = np.array([(16, 0), (-16, 0), (0, 18), (0, -18)])
        room = [min(np.hypot(*(spot + side - other)) for other in there) for side in sides]
        side = sides[next((n for n in range(4) if room[n] > 11), int(np.argmax(room)))]
        there.append(spot + side)
        ax.annotate(str(k + 1), places[k], side, textcoords="offset points", fontsize=16, weight="bold", ha="center",
                    va="center_baseline")  # fmt: skip


@styled
def scaling_law(
    fitted: tuple[ArrayLike, ArrayLike],
    line: tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike],
    beyond: tuple[float, ArrayLike],
    levels: Mapping[str, float],
) -> LectureFigure:
    """Show losses against operations, the power law that was fitted, and what was measured beyond it.

    Shapes: `fitted` operations (n,) and losses (n, seeds); `line` operations (m,), the law (m,), its low and high
    ends (m,); `beyond` operations and losses (seeds,). Raises: ValueError for others.
    """
    x, losses, new = np.asarray(fitted[0]), np.asarray(fitted[1]).T, np.asarray(beyond[1])
    losses = results({"fit": losses}, "losses", len(x))["fit"]
    along, law, low, high = map(np.asarray, line)
    figure, ax = panel(11.5, 5.6)
    ax.fill_between(along, low, high, color=BLUE, alpha=0.15, lw=0, label="where a new run should lie (95 %)")
    ax.plot(along, law, color=BLUE, lw=2.6, ls=_DASHED, label="power law, fitted to the circles")
    ax.plot(x, losses.T, "o", color=BLUE, ms=9, mfc="none", mew=2, label=["fitted runs", *[""] * (len(losses) - 1)])
    ax.plot([beyond[0]] * len(new), new, "D", color=ORANGE, ms=12, mec="black", label="measured afterwards")
    for (name, level), dots in zip(levels.items(), (":", "-."), strict=False):
        ax.axhline(level, color=GREY, ls=dots, lw=2, label=name)
    drawn = np.concatenate([losses.ravel(), new, low, high, list(levels.values())])
    bottom, top = drawn.min() / 1.02, drawn.max() * 1.02
    ax.set(xscale="log", yscale="log", ylim=(bottom, top))
    ticks = [each for each in np.arange(1.0, 4.0, 0.1) if bottom < each < top]
    ax.set_yticks(ticks, [f"{each:.1f}" for each in ticks])
    places = [*x, beyond[0]]
    ax.set_xticks(places, [power(each) for each in places], fontsize=14)
    ax.minorticks_off()
    ax.tick_params("y", labelsize=14)
    ax.set_xlabel("operations of the training (log scale)", fontsize=15)
    ax.set_ylabel("loss on new text (nats, log scale)", fontsize=15)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 0.07), fontsize=14)
    return figure
