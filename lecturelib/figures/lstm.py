"""Figures of notebook 02: a drawing of the cell, gradients, what is learned, held and let go, and the gate scope."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from lecturelib.figures.colors import BLUE, GREEN, GREY, MARKERS, ORANGE, PURPLE, RED, STATE_COLORS
from lecturelib.figures.given import few, results
from lecturelib.figures.maps import draw_map, number_cells
from lecturelib.figures.paper import INK, MONO, arrow, box, paper
from lecturelib.figures.parts import label_ends
from lecturelib.figures.style import LectureFigure, axes, new_figure, panel, styled

KEYS = "ABCD"
_NETWORKS = ("tanh RNN", "tanh RNN, orthogonal", "LSTM", "LSTM, open gate")  # each has its color in all figures


@styled
def cell_drawing() -> LectureFigure:
    """Draw one step of the LSTM: the cell on its line above, the four gates below it, in each box its line of code."""
    figure, ax = paper(
        12, 5.3, "one step of an LSTM: the cell is multiplied by f, i times g is added; o shows it; code in each box"
    )
    above, gate_top, low = 4.45, 2.75, 1.75
    box(ax, 0.35, 0.3, 9.05, 0.72, "", "z = x[:, t] @ W.T + h @ U.T + b;  i, f, g, o = z.chunk(4, dim=-1)", GREY)
    gates = [(0.75, "forget gate f", "f.sigmoid()"), (2.95, "input gate i", "i.sigmoid()"),
             (5.15, "candidate g", "g.tanh()"), (7.35, "output gate o", "o.sigmoid()")]  # fmt: skip
    for x, name, code in gates:
        box(ax, x, low, 1.8, gate_top - low, name, code, GREEN if "cand" in name else BLUE, points=15)
        arrow(ax, (x + 0.9, 1.02), (x + 0.9, low))
    forget, enter, candidate, output = (x + 0.9 for x, _, _ in gates)
    added = (enter + candidate) / 2
    ax.plot([0.55, 11.6], [above, above], color=ORANGE, lw=5, zorder=1, solid_capstyle="butt")
    ax.plot([11.35, 11.62, 11.35], [above + 0.13, above, above - 0.13], color=ORANGE, lw=5, zorder=1)
    for x, y, sign in ((forget, above, "×"), (added, above, "+"), (added, 3.45, "×"), (output, 3.45, "×")):
        ax.add_patch(Circle((x, y), 0.23, fc="white", ec=INK, lw=2, zorder=5))
        ax.text(x, y - 0.01, sign, fontsize=19, ha="center", va="center", zorder=6)
    arrow(ax, (forget, gate_top), (forget, above - 0.23))
    for x in (enter, candidate):
        ax.plot([x, x], [gate_top, 3.45], color=INK, lw=2, zorder=1)
        arrow(ax, (x, 3.45), (added + 0.23 * np.sign(x - added), 3.45))
    arrow(ax, (added, 3.68), (added, above - 0.23))
    arrow(ax, (output, gate_top), (output, 3.22))
    ax.plot([output, output], [above, 3.68], color=INK, lw=2, zorder=1)
    ax.text(output + 0.1, 4.02, "tanh", fontsize=13, va="center")
    arrow(ax, (output + 0.23, 3.45), (11.62, 3.45))
    for x, y, words in ((0.1, above + 0.42, "$c_{t-1}$"), (11.68, above, "$c_t$"), (11.68, 3.45, "$h_t$")):
        ax.text(x, y, words, fontsize=19, va="center")
    look: dict[str, Any] = {"fontsize": 13, "family": MONO, "va": "center", "ha": "center"}
    ax.text(added, above + 0.5, "c = f * c + i * g", **look)
    ax.text(10.3, 3.1, "h = o * c.tanh()", **look)
    ax.text(9.6, 0.66, "from $x_t$ and $h_{t-1}$", fontsize=14, va="center")
    return figure


@styled
def learning(delays: Sequence[int], recall: Mapping[str, np.ndarray], chance: float) -> LectureFigure:
    """Show recall of the first symbol after training at each delay: a mark for each seed, a line through the means.

    Shapes: recall[name] (seeds, delays). Raises: ValueError for other shapes, and more than six networks.
    """
    figure, ax = _arms(delays, results(recall, "recall", len(delays)), "share of keys recalled")
    ax.axhline(chance, color=GREY, ls="--", lw=1.8)
    ax.text(0.5, chance - 0.02, "chance", color=GREY, va="top", ha="center")
    ax.set(ylim=(-0.05, 1.05), title="Trained anew at each delay", xlabel="delay (symbols between)")
    return figure


@styled
def letting_go(before: Sequence[int], right: Mapping[str, np.ndarray], trained: int) -> LectureFigure:
    """Show how many answers are right after a reset, by what had been counted before it.

    Shapes: right[name] (seeds, len(before)); `trained`: the longest run of a's in training.
    Raises: ValueError for other shapes, and more than six networks.
    """
    figure, ax = _arms(before, results(right, "right answers", len(before)), "share of the next ten right")
    ax.set(ylim=(-0.17, 1.05), title="Right answers after a bar", xlabel="a's in a row before the bar")
    edge = np.interp(trained, before, range(len(before)))
    ax.axvline(edge, color=GREY, ls=":", lw=1.8)
    ax.text(edge + 0.05, -0.1, "longer runs of a's than in training", color=GREY, va="center")
    return figure


def _looks(names: Sequence[str]) -> dict[str, int]:
    """Return which color and mark each network has: its own in all figures; others take first what is nobody's."""
    few("networks", names, len(STATE_COLORS))
    own = {name: k for k, name in enumerate(_NETWORKS) if name in names}
    free = (k for k in (4, 5, 0, 1, 2, 3) if k not in own.values())
    return {name: own[name] if name in own else next(free) for name in names}


def _arms(labels: Sequence[int], arms: Mapping[str, np.ndarray], quantity: str) -> tuple[LectureFigure, Axes]:
    """Draw one line through the means for each arm, and a hollow mark for each seed, the arms side by side."""
    figure, ax = panel(11, 4.8)
    for place, (name, k) in enumerate(_looks(list(arms)).items()):
        x, each = np.arange(len(labels)) + 0.05 * (place - (len(arms) - 1) / 2), arms[name]
        ax.plot(x, each.mean(axis=0), color=STATE_COLORS[k], lw=2.6, alpha=0.85)
        ax.plot(x, each.T, MARKERS[k], mfc="none", mec=STATE_COLORS[k], mew=1.8, ms=8)
        ax.plot([], [], MARKERS[k] + "-", color=STATE_COLORS[k], mfc="none", mew=1.8, ms=9, label=name)
    ax.set_xticks(range(len(labels)), [str(each) for each in labels])
    ax.set_ylabel(f"{quantity}\nline: mean of {len(next(iter(arms.values())))} seeds;\nmark: one seed")
    columns = len(arms) if sum(map(len, arms)) < 70 else 2
    figure.legend(loc="outside lower center", ncols=columns, fontsize=13)
    return figure, ax


@styled
def holding(delays: Sequence[int], shares: Mapping[str, Mapping[str, np.ndarray]], trained: int) -> LectureFigure:
    """Show maps of what networks trained at one delay recall at longer ones: a row of panels for each readout.

    Shapes: shares[readout][name] (seeds, delays), from 0 to 1. Raises: ValueError for others, and for unequal names.
    """
    arms = [results(each, readout, len(delays)) for readout, each in shares.items()]
    if not arms or any(list(each) != list(arms[0]) for each in arms):
        raise ValueError(f"readouts {list(shares)}: expected one or more, each with the same networks")
    figure = new_figure(12, 0.7 + 2.5 * len(arms))
    places = iter(axes(figure, len(arms), len(arms[0]), sharex=True))
    for readout, found in zip(shares, arms, strict=True):
        for k, (name, each) in enumerate(found.items()):
            ax = next(places)
            draw_map(ax, each, cmap="cividis", vmin=0, vmax=1)
            number_cells(ax, each, lambda share: f"{share:.2f}".lstrip("0") if share < 0.995 else "1", 13)
            ax.set_xticks(range(len(delays)), [str(delay) for delay in delays])
            ax.set(yticks=[], ylabel=f"{readout};\none row per seed" if k == 0 else "",
                   title=name if found is arms[0] else "")  # fmt: skip
    figure.supxlabel(f"delay in the test; trained at a delay of {trained}", fontsize=13)
    return figure


@styled
def gradient_back(back: Mapping[str, np.ndarray]) -> LectureFigure:
    """Show how much of the gradient comes back over the steps: a thick line through the medians, thin lines for seeds.

    Shapes: back[name] (seeds, steps + 1), positive, by steps back from the last symbol, whose own share is 1.
    Raises: ValueError for other shapes, and more than six networks.
    """
    figure, ax = panel(11, 4.8)
    ax.set_yscale("log")
    looks, ends = _looks(list(back)), {}
    steps = np.shape(next(iter(back.values())))[-1] - 1
    for name, each in results(back, "gradients", steps + 1).items():
        k, middle = looks[name], np.median(each, axis=0)
        ax.plot(each.T, color=STATE_COLORS[k], lw=0.8, alpha=0.5)
        look: dict[str, Any] = {"color": STATE_COLORS[k], "mfc": "white", "mew": 1.8, "markevery": max(1, steps // 10)}
        ax.plot(middle, MARKERS[k] + "-", label=name, **look)
        ends[name] = middle[-1]
    ax.set(xlabel="steps back", ylabel="relative gradient\nthick: median of seeds;\nthin: one seed", xlim=(0, steps),
           title="Gradient with respect to a symbol, relative to the last symbol's; untrained")  # fmt: skip
    low, high = ax.get_ylim()
    powers = np.arange(np.ceil(np.log10(low)), np.floor(np.log10(high)) + 1)
    ax.set_yticks(10 ** powers[:: -max(1, len(powers) // 6)])
    ax.minorticks_off()
    ax.set_ylim(low, high)
    label_ends(ax, steps, ends, [STATE_COLORS[k] for k in looks.values()], 3.7)
    return figure


@styled
def gate_scope_frame(figure: Figure, string: str, cell: np.ndarray, gates: Mapping[str, np.ndarray],
                     forced: str | None, answer: np.ndarray, key: int, limit: float) -> None:  # fmt: skip
    """Draw what an LSTM does with one string when a gate is forced: mean gates, its cell, and its answer.

    Shapes: cell (T, H), drawn from -limit to limit; gates[name] (T,) means over units; answer (4,) probabilities.
    """
    figure.clear()
    first, second, third = axes(figure, 1, 3, width_ratios=[1.2, 1.2, 0.8])
    steps = np.arange(1, len(cell) + 1)
    looks = {"i": (ORANGE, "o", "input"), "f": (BLUE, "s", "forget"), "o": (GREEN, "^", "output")}
    for name, (color, marker, label) in looks.items():
        label += " (forced)" if name == forced else ""
        wide = 4 if name == forced else 2
        first.plot(steps, gates[name], color=color, marker=marker, markevery=4, label=label, lw=wide)
    first.set(ylim=(-0.05, 1.05), title="Gates, mean over units")
    _mark_symbols(first, string, first=1)
    first.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, fontsize=11, columnspacing=0.8,
                 handletextpad=0.4)  # fmt: skip
    second.imshow(cell.T, aspect="auto", cmap="PuOr", vmin=-limit, vmax=limit, interpolation="nearest",
                  extent=(0.5, len(cell) + 0.5, cell.shape[1] + 0.5, 0.5))  # fmt: skip
    second.set(yticks=[], title=f"Cell, unit by unit (-{limit:.3g} to {limit:.3g})",
               xlabel="orange: negative; purple: positive")  # fmt: skip
    _mark_symbols(second, string, first=1)
    colors = [PURPLE if k == key else "#cccccc" for k in range(len(KEYS))]
    third.bar(range(len(KEYS)), answer, color=colors, edgecolor="black", lw=[3 * (k == key) for k in range(len(KEYS))])
    third.axhline(1 / len(KEYS), color=GREY, ls="--", lw=1.5)
    third.set_xticks(range(len(KEYS)), list(KEYS), fontsize=15)
    verdict = "recalled" if int(np.argmax(answer)) == key else "forgotten"
    third.set(ylim=(0, 1.03), title=f"It was {KEYS[key]}: {verdict}", xlabel="dashed: chance")


def _mark_symbols(ax: Axes, string: str, first: int) -> None:
    """Write the symbols under a time axis, the key large and in color."""
    keys = [k for k in range(len(string)) if string[k] in KEYS]
    ax.set_xticks([first + k for k in keys], [string[k] for k in keys], fontsize=17, color=RED, weight="bold")
    below = ax.get_xaxis_transform()  # plain texts: as tick labels these take half of the time of a redraw
    for k in sorted(set(range(len(string))) - set(keys)):
        ax.text(first + k, -0.025, string[k], transform=below, ha="center", va="top", fontsize=11, in_layout=False)
