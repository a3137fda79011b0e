"""Figures of notebook 02: forgetting against delay, what a gate keeps, gates over time, the gate scope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lecturelib.figures.colors import BLUE, GREEN, GREY, MARKERS, ORANGE, PURPLE, RED, STATE_COLORS
from lecturelib.figures.given import results
from lecturelib.figures.maps import draw_map, number_cells
from lecturelib.figures.parts import label_ends
from lecturelib.figures.style import LectureFigure, axes, new_figure, panel, styled

KEYS = "ABCD"


@styled
def forgetting(delays: Sequence[int], recall: Mapping[str, np.ndarray], gradient: Mapping[str, np.ndarray],
               chance: float) -> LectureFigure:  # fmt: skip
    """Show recall of the first symbol after training, and the gradient that reaches it before, against the delay.

    Shapes: recall[name] and gradient[name] (seeds, delays). Lines: means (recall), medians (gradient).
    Raises: ValueError for other shapes.
    """
    figure = new_figure(12, 4.8)
    left, right = axes(figure, 1, 2)
    for ax, what, found, middle in ((left, "recall", recall, np.mean), (right, "gradient", gradient, np.median)):
        for k, (name, each) in enumerate(results(found, what, len(delays)).items()):
            ax.plot(delays, middle(each, axis=0), MARKERS[k] + "-", color=STATE_COLORS[k], label=name, ms=9)
            ax.plot(delays, each.T, MARKERS[k], mfc="none", mec=STATE_COLORS[k], ms=7, alpha=0.6)
        ax.set_xlabel("delay (symbols between)")
        ax.set_xticks(list(delays))
    left.axhline(chance, color=GREY, ls="--", lw=1.8)
    left.text(delays[0], chance - 0.02, "chance", color=GREY, va="top")
    left.set(ylim=(0.1, 1.05), title="After training: share of first symbols recalled")
    left.set_ylabel(f"line: mean of {len(next(iter(recall.values())))} seeds\nhollow: one seed each")
    right.set(yscale="log", title="Before training: gradient at the first symbol", ylabel="relative to the last symbol")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=len(recall), fontsize=14)
    return figure


@styled
def holding(delays: Sequence[int], trained_readout: Mapping[str, np.ndarray], new_readout: Mapping[str, np.ndarray],
            trained: int) -> LectureFigure:  # fmt: skip
    """Show what networks trained at one delay recall at longer ones, and what a new readout finds in their states.

    Shapes: trained_readout[name] and new_readout[name] (seeds, delays), from 0 to 1. Raises: ValueError for others.
    """
    figure = new_figure(12, 5.7)
    panels = np.array(axes(figure, 2, len(trained_readout), sharex=True)).reshape(2, -1)
    for row, readout, found in ((0, "own answer", trained_readout), (1, "new readout", new_readout)):
        for ax, (name, each) in zip(panels[row], results(found, readout, len(delays)).items(), strict=True):
            draw_map(ax, each, cmap="cividis", vmin=0, vmax=1)
            number_cells(ax, each, 13, short=True)
            ax.set_yticks([])
            ax.set_xticks(range(len(delays)), [str(d) for d in delays])
            if row == 0:
                ax.set_title(name)
        panels[row, 0].set_ylabel(f"{readout};\none row per seed")
    figure.supxlabel(f"delay in the test; trained at a delay of {trained}", fontsize=13)
    return figure


@styled
def survival(biases: Sequence[float], steps: int) -> LectureFigure:
    """Show which share of a cell is left after t steps when its forget gate is sigmoid(bias)."""
    figure, ax = panel(9, 4.2)
    t = np.arange(steps + 1)
    ends = {}
    for k, bias in enumerate(sorted(biases, reverse=True)):
        gate = 1 / (1 + np.exp(-bias))
        name = f"b = {bias:g}: f = {gate:.3f}"
        ax.plot(t, gate**t, color=STATE_COLORS[k], label=name)
        ends[name] = gate**steps
    ax.axhline(0.5, color=GREY, ls=":", lw=1.6)
    ax.text(steps, 0.515, "one half", color=GREY, ha="right")
    ax.set(xlabel="steps", ylabel="share left", xlim=(0, steps), ylim=(-0.03, 1.03))
    ax.set_xticks(range(0, steps + 1, 10))
    ax.set_title("What a constant forget gate leaves of the cell:  $f^t$ with  $f = \\sigma(b)$")
    label_ends(ax, steps, ends, STATE_COLORS, 3.2)
    return figure


@styled
def gates_over_time(i: np.ndarray, f: np.ndarray, o: np.ndarray, c: np.ndarray, string: str) -> LectureFigure:
    """Show the gates and the cell of a trained LSTM while it reads; a key among the symbols (A to D) is bold.

    Shapes: each (T, H), string of length T. Units are sorted by the size of their cell at the end.
    """
    figure = new_figure(12, 4.6)
    panels = axes(figure, 1, 4)
    order = np.argsort(-np.abs(c[-1]))
    limit = np.abs(c).max()
    titles = "input gate $i_t$", "forget gate $f_t$", "output gate $o_t$", "cell $c_t$"
    for ax, values, title in zip(panels, (i, f, o, c), titles, strict=True):
        scale = {"cmap": "PuOr", "vmin": -limit, "vmax": limit} if values is c else {}
        shown = draw_map(ax, values[:, order].T, **scale)
        ax.set(yticks=[], xlabel=f"{len(string)} symbols; large: the key", title=title)
        _mark_symbols(ax, string, first=0, narrow=True)
        if values is o:
            bar = figure.colorbar(shown, ax=panels[:3], location="bottom", shrink=0.4, aspect=40, pad=0.06)
            bar.set_label("0 closed, 1 open")
            bar.set_ticks([0, 0.5, 1])
    figure.colorbar(shown, ax=panels[3], location="bottom", shrink=0.8, pad=0.06)
    panels[0].set_ylabel("hidden units")
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
    second.set(yticks=[], title=f"Cell, unit by unit (-{limit:.3g} to {limit:.3g})")
    _mark_symbols(second, string, first=1)
    _bars(third, answer, key)


def _mark_symbols(ax: Axes, string: str, first: int, narrow: bool = False) -> None:
    """Write the symbols under a time axis, the key large and in color; in a narrow panel the key only."""
    keys = [k for k in range(len(string)) if string[k] in KEYS]
    ax.set_xticks([first + k for k in keys], [string[k] for k in keys], fontsize=17, color=RED, weight="bold")
    if narrow:
        return
    below = ax.get_xaxis_transform()  # plain texts: as tick labels these take half of the time of a redraw
    for k in sorted(set(range(len(string))) - set(keys)):
        ax.text(first + k, -0.025, string[k], transform=below, ha="center", va="top", fontsize=11, in_layout=False)


def _bars(ax: Axes, answer: np.ndarray, key: int) -> None:
    colors = [PURPLE if k == key else "#cccccc" for k in range(len(answer))]
    widths = [3 if k == key else 0 for k in range(len(answer))]
    ax.bar(range(len(answer)), answer, color=colors, edgecolor="black", lw=widths)
    ax.axhline(1 / len(answer), color=GREY, ls="--", lw=1.5)
    ax.set_xticks(range(len(answer)), list(KEYS[: len(answer)]), fontsize=15)
    verdict = "recalled" if int(np.argmax(answer)) == key else "forgotten"
    ax.set(ylim=(0, 1.03), title=f"It was {KEYS[key]}: {verdict}", xlabel="dashed: chance")
