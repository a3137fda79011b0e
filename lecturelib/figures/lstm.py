"""Figures of notebook 02: forgetting against delay, what a gate keeps, gates over time, the gate scope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lecturelib.figures.style import (
    BLUE,
    GREEN,
    GREY,
    MARKERS,
    ORANGE,
    PURPLE,
    RED,
    STATE_COLOURS,
    LectureFigure,
    axes,
    direct_label,
    new_figure,
    styled,
)

KEYS = "ABCD"


@styled
def forgetting(delays: Sequence[int], recall: Mapping[str, np.ndarray], gradient: Mapping[str, np.ndarray],
               chance: float) -> LectureFigure:  # fmt: skip
    """Show recall of the first symbol after training, and the gradient that reaches it before, against the delay.

    Shapes: recall[name] and gradient[name] (seeds, delays). Lines: means (recall), medians (gradient); one hollow
    mark per seed.
    """
    figure = new_figure(12, 4.8, "recall of the first symbol, and the gradient that reaches it, against the delay")
    left, right = axes(figure, 1, 2)
    for k, name in enumerate(recall):
        color, marker = STATE_COLOURS[k], MARKERS[k]
        for ax, each, middle in ((left, recall[name], np.mean), (right, gradient[name], np.median)):
            ax.plot(delays, middle(each, axis=0), marker + "-", color=color, label=name, ms=9)
            ax.plot(delays, each.T, marker, mfc="none", mec=color, ms=7, alpha=0.6)
    left.axhline(chance, color=GREY, ls="--", lw=1.8)
    left.text(delays[0], chance - 0.02, "chance", color=GREY, va="top")
    left.set(
        xlabel="delay (symbols between)", ylim=(0.1, 1.05), title="After training: share of first symbols recalled"
    )
    right.set(xlabel="delay (symbols between)", yscale="log", title="Before training: gradient at the first symbol")
    left.set_ylabel("line: mean of 3 seeds\nhollow: one seed each")
    right.set_ylabel("relative to the last symbol")
    for ax in (left, right):
        ax.set_xticks(list(delays))
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=len(recall), fontsize=14)
    return figure


@styled
def holding(delays: Sequence[int], trained_readout: Mapping[str, np.ndarray], new_readout: Mapping[str, np.ndarray],
            trained: int) -> LectureFigure:  # fmt: skip
    """Show what networks trained at one delay recall at longer ones: a row per seed, a column per delay.

    Above, the answers of the networks; below, those of a new readout fitted to the hidden states at each delay.
    Shapes: trained_readout[name] and new_readout[name] (seeds, delays), from 0 to 1.
    """
    says = f"recall at longer delays, of networks trained at a delay of {trained}, by their own and by a new readout"
    figure = new_figure(12, 5.4, says)
    panels = axes(figure, 2, len(trained_readout), sharex=True)
    for row, (readout, results) in enumerate((("own answer", trained_readout), ("new readout", new_readout))):
        for k, (name, each) in enumerate(results.items()):
            ax = panels[row * len(results) + k]
            ax.imshow(each, cmap="cividis", vmin=0, vmax=1, aspect="auto")
            for (seed, delay), value in np.ndenumerate(each):
                ax.text(delay, seed, f"{value:.2f}".lstrip("0") if value < 0.995 else "1", ha="center", va="center",
                        fontsize=13, color="white" if value < 0.55 else "black")  # fmt: skip
            ax.set_yticks([])
            ax.set_xticks(range(len(delays)), [str(d) for d in delays])
            if row == 0:
                ax.set_title(name)
            else:
                ax.set_xlabel("delay in the test")
        panels[row * len(results)].set_ylabel(f"{readout}\none row per seed")
    return figure


@styled
def survival(biases: Sequence[float], steps: int) -> LectureFigure:
    """Show which share of a cell is left after t steps when its forget gate is sigmoid(bias)."""
    figure = new_figure(9, 4.2, "the share of a cell that is left after t steps, for forget gates of several biases")
    (ax,) = axes(figure)
    t = np.arange(steps + 1)
    label_at = -0.15
    for k, bias in enumerate(sorted(biases)):
        gate = 1 / (1 + np.exp(-bias))
        end = gate**steps
        ax.plot(t, gate**t, color=STATE_COLOURS[k])
        label_at = end if end > label_at + 0.16 else label_at + 0.08  # lines that end together: labels side by side
        direct_label(ax, steps, label_at, f"b = {bias:g}: f = {gate:.3f}", STATE_COLOURS[k], fontsize=13)
    ax.axhline(0.5, color=GREY, ls=":", lw=1.6)
    ax.text(steps * 0.6, 0.515, "one half", color=GREY)
    ax.set(xlabel="steps", ylabel="share left", xlim=(0, steps * 1.36), ylim=(-0.1, 1.03))
    ax.set_xticks(range(0, steps + 1, 10))
    ax.set_title("What a constant forget gate leaves of the cell:  $f^t$ with  $f = \\sigma(b)$")
    return figure


@styled
def gates_over_time(i: np.ndarray, f: np.ndarray, o: np.ndarray, c: np.ndarray, string: str) -> LectureFigure:
    """Show the gates and the cell of a trained LSTM while it reads: units from top to bottom, time to the right.

    Shapes: each (T, H), string of length T. Units are sorted by the size of their cell at the end; a key among the
    symbols (A to D) is printed in bold.
    """
    figure = new_figure(12, 4.6, "input, forget and output gate and the cell of a trained LSTM over time, unit by unit")
    panels = axes(figure, 1, 4)
    order = np.argsort(-np.abs(c[-1]))
    for ax, values, title in zip(
        panels[:3], (i, f, o), ("input gate $i_t$", "forget gate $f_t$", "output gate $o_t$"), strict=True
    ):
        shown = ax.imshow(values[:, order].T, aspect="auto", cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
        ax.set_title(title)
    figure.colorbar(
        shown, ax=panels[:3], location="bottom", shrink=0.4, aspect=40, pad=0.06, ticks=[0, 0.5, 1]
    ).set_label("0 closed, 1 open")
    limit = np.abs(c).max()
    cell = panels[3].imshow(c[:, order].T, aspect="auto", cmap="PuOr", vmin=-limit, vmax=limit, interpolation="nearest")
    panels[3].set_title("cell $c_t$")
    figure.colorbar(cell, ax=panels[3], location="bottom", shrink=0.8, pad=0.06)
    panels[0].set_ylabel("hidden units")
    for ax in panels:
        ax.set(yticks=[], xlabel=f"{len(string)} symbols; large: the key")
        _mark_symbols(ax, string, first=0, narrow=True)
    return figure


@styled
def gate_scope_frame(figure: Figure, string: str, cell: np.ndarray, gates: Mapping[str, np.ndarray],
                     forced: str | None, answer: np.ndarray, key: int, limit: float) -> None:  # fmt: skip
    """Draw what an LSTM does with one string when a gate is forced: mean gates, its cell, and its answer.

    Shapes: cell (T, H), gates[name] (T,) means over the units, answer (4,) probabilities. `limit` is the end of the
    cell's color scale.
    """
    figure.clear()
    first, second, third = axes(figure, 1, 3, width_ratios=[1.2, 1.2, 0.8])
    steps = np.arange(1, len(cell) + 1)
    looks = {"i": (ORANGE, "o", "input"), "f": (BLUE, "s", "forget"), "o": (GREEN, "^", "output")}
    for name, (color, marker, label) in looks.items():
        label += " (forced)" if name == forced else ""
        first.plot(
            steps, gates[name], color=color, marker=marker, markevery=4, label=label, lw=4 if name == forced else 2
        )
    first.set(ylim=(-0.05, 1.05), title="Gates, mean over units")
    _mark_symbols(first, string, first=1)
    first.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, fontsize=11, columnspacing=0.8, handletextpad=0.4
    )
    second.imshow(cell.T, aspect="auto", cmap="PuOr", vmin=-limit, vmax=limit, interpolation="nearest",
                  extent=(0.5, len(cell) + 0.5, cell.shape[1] + 0.5, 0.5))  # fmt: skip
    second.set(yticks=[], title=f"Cell, unit by unit (-{limit:.2g} to {limit:.2g})")
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
    ax.bar(
        range(len(answer)),
        answer,
        color=colors,
        edgecolor="black",
        lw=[3 if k == key else 0 for k in range(len(answer))],
    )
    ax.axhline(1 / len(answer), color=GREY, ls="--", lw=1.5)
    ax.set_xticks(range(len(answer)), list(KEYS[: len(answer)]), fontsize=15)
    verdict = "recalled" if int(np.argmax(answer)) == key else "forgotten"
    ax.set(ylim=(0, 1.03), title=f"It was {KEYS[key]}: {verdict}", xlabel="dashed: chance")
