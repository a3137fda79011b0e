"""The picture of the cost explorer: operations of a transformer and of an LSTM, and bytes beside what machines have."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lecturelib.figures.colors import BLUE, GREY, ORANGE, RED
from lecturelib.figures.style import styled
from lecturelib.figures.units import BYTES, LONG_TIMES, in_unit, plain, power

_REACH = (1.0, 1e19)  # bytes: one scale for all views, so that a bar that grows is seen to grow
_LINES: tuple[dict[str, Any], ...] = (
    {"color": "black", "lw": 3.0, "ls": "-"},
    {"color": GREY, "lw": 2.0, "ls": (0, (4, 2))},
    {"color": GREY, "lw": 2.0, "ls": (0, (1, 1))},
)  # of the machines, this one first
_PAD = {"fc": "white", "ec": "none", "pad": 1}


@styled
def cost_frame(
    figure: Figure,
    title: str,
    operations: Mapping[str, tuple[float, float]],
    parts: tuple[str, str],
    rate: float,
    held: Mapping[str, float],
    machines: Mapping[str, float],
) -> None:
    """Draw what a network costs into a figure: its operations in two parts, and its bytes beside those of machines.

    Bars of bytes are hollow where they do not fit the first machine.
    Shapes: operations[name] is a pair, named in `parts`, of which the first is above 0; `rate` is in operations a
    second; held[name] and machines[name] in bytes, above 0, at most 3 machines.
    """
    figure.clear()
    figure.set_layout_engine("none")  # a moved slider waits for the picture: a layout that is known takes no time
    left, right = figure.add_axes((0.02, 0.18, 0.44, 0.65)), figure.add_axes((0.5, 0.18, 0.48, 0.65))
    _operations(left, operations, parts, rate)
    low, high = _REACH
    room = next(iter(machines.values()))
    for row, (name, count) in enumerate(held.items()):
        fits = count <= room
        look: dict[str, Any] = {"color": BLUE} if fits else {"fc": "white", "ec": RED, "lw": 2.5}
        right.barh(row, max(count - low, low), left=low, height=0.4, zorder=2, **look)
        right.text(high, row, in_unit(count, BYTES, 2), fontsize=16, ha="right", va="center", weight="bold",
                   color="black" if fits else "#a03c00")  # fmt: skip
        right.text(1.3 * low, row - 0.24, name, fontsize=15, va="bottom", zorder=4, bbox=_PAD)
    right.set(xscale="log", xlim=_REACH, ylim=(len(held) - 0.6, -0.75), yticks=[])
    seen = [(1e3, "1 kB"), (1e6, "1 MB"), (1e9, "1 GB"), (1e12, "1 TB"), (1e15, "1 PB")]
    right.set_xticks([at for at, _ in seen], [name for _, name in seen], fontsize=14)
    right.minorticks_off()
    lines = []
    for (name, count), line in zip(machines.items(), _LINES, strict=False):
        right.axvline(count, zorder=3, **line)
        lines.append(Line2D([], [], label=name, **line))
    right.legend(handles=lines, loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=3, fontsize=14,
                 handlelength=1.6, columnspacing=1.2)  # fmt: skip
    right.set_title("Bytes (log scale; hollow: more than the thick line)", fontsize=15)
    figure.text(0.02, 0.955, title, fontsize=18, weight="bold", va="center")


def _operations(ax: Axes, operations: Mapping[str, tuple[float, float]], parts: tuple[str, str], rate: float) -> None:
    """A bar of two parts for each network; above it the sum and its seconds, below it the share of the second part."""
    totals = {name: sum(pair) for name, pair in operations.items()}
    for row, (name, (first, second)) in enumerate(operations.items()):
        ax.barh(row, first, height=0.42, color=BLUE)
        ax.barh(row, second, left=first, height=0.42, color=ORANGE, hatch="//", ec="white", lw=0)
        words = f"{name}: {power(totals[name])}, {in_unit(totals[name] / rate, LONG_TIMES, 2)}"
        ax.text(0, row - 0.25, words, fontsize=16, va="bottom", weight="bold")
        if second:
            ax.text(0, row + 0.25, f"{plain(100 * second / totals[name])} % {parts[1]}", fontsize=15, va="top",
                    color="#8a5a00")  # fmt: skip
    ax.set(xlim=(0, max(totals.values())), ylim=(len(operations) - 0.5, -0.6), xticks=[], yticks=[])
    ax.spines["bottom"].set_visible(False)
    drawn = [Patch(fc=BLUE, label=parts[0]), Patch(fc=ORANGE, hatch="//", ec="white", lw=0, label=parts[1])]
    ax.legend(handles=drawn, loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=2, fontsize=14)
    ax.set_title(f"Operations, and the time at {power(rate)} a second", fontsize=15)
