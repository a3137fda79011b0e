"""Figures of notebook 01: automata, units of a compiled network, clusters, counting limits, padding, three outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lecturelib.figures.automata import draw_automaton
from lecturelib.figures.plane import separating_plane
from lecturelib.figures.style import (
    BLUE,
    GREY,
    MARKERS,
    ORANGE,
    RED,
    STATE_COLOURS,
    LectureFigure,
    axes,
    direct_label,
    new_figure,
    styled,
)

REBER_PLACES = [(0, 0), (1.3, 0), (2.6, 1), (2.6, -1), (4.2, 1), (4.2, -1), (5.5, 0), (6.8, 0), (0, 0)]


@styled
def automaton(dfa: Any, current: int | None = None) -> LectureFigure:
    """Draw a small automaton on a ring. `dfa` has table, accepting, symbols, start and names."""
    figure = new_figure(
        4.6, 4.2, f"an automaton with {len(dfa.table)} states over the symbols {', '.join(dfa.symbols)}"
    )
    (ax,) = axes(figure)
    draw_automaton(ax, dfa.table, dfa.accepting, dfa.symbols, start=dfa.start, names=dfa.names, current=current)
    return figure


@styled
def reber_grammar(dfa: Any) -> LectureFigure:
    """Draw the Reber grammar; the trap, which every symbol that is not drawn leads to, is left out."""
    figure = new_figure(10, 4.2, "the Reber grammar as an automaton with eight states and a trap that is not drawn")
    (ax,) = axes(figure)
    draw_automaton(ax, dfa.table, dfa.accepting, dfa.symbols, places=REBER_PLACES, hide=[8], colours=[BLUE])
    return figure


@styled
def compiled_units(states: np.ndarray, string: str, table: np.ndarray, symbols: str) -> LectureFigure:
    """Show the units of a compiled network while it reads a string: exactly one is on at a time.

    Shapes: states (T + 1, states * symbols), the first row before any symbol.
    """
    n, m = table.shape
    figure = new_figure(10, 3.9, "which hidden unit is on after each symbol: exactly one at a time")
    (ax,) = axes(figure)
    image = ax.imshow(states.T, cmap="cividis", vmin=-1, vmax=1, aspect="auto")
    ax.set_yticks(range(n * m), [f"in state {s}, read {a}" for s in range(n) for a in symbols])
    ax.set_xticks(range(len(states)), ["start", *string])
    ax.set_xlabel("symbol read")
    ax.set_title("One hidden unit per state and symbol: one is on, the others are off")
    for edge in np.arange(0.5, len(states) - 1):
        ax.axvline(edge, color="white", lw=2)
    for edge in np.arange(m - 0.5, n * m - 1, m):
        ax.axhline(edge, color="white", lw=2)
    bar = figure.colorbar(image, ax=ax, ticks=[-1, 0, 1], shrink=0.9)
    bar.set_label("hidden unit $h_t$")
    return figure


@styled
def read_back(states: np.ndarray, true: np.ndarray, symbol: np.ndarray, found: Any, smallest: Any) -> LectureFigure:
    """Show hidden states in a plane, the automaton read off them, and the same one minimised.

    Shapes: states (points, H); true and symbol (points,): the true automaton's state, and the last symbol read.
    `found` and `smallest` have table, accepting, symbols and start.
    """
    figure = new_figure(
        14, 4.9, "hidden states in a plane; the automaton read off them; the same one minimised to 3 states"
    )
    left, middle, right = axes(figure, 1, 3)
    plane = separating_plane(states, 2 * true + symbol)(states)
    for s in range(3):
        for a in range(2):
            mine = plane[(true == s) & (symbol == a)]
            left.scatter(mine[:, 0], mine[:, 1], s=46, marker=MARKERS[a], c=STATE_COLOURS[s], alpha=0.7, lw=0)
            if len(mine):
                x, y = np.median(mine, axis=0)
                out = np.array([x, y]) - plane.mean(0)  # labels stand on the outside of their groups
                out = 42 * out / np.linalg.norm(out)
                box = {"boxstyle": "round,pad=0.15", "fc": "white", "ec": STATE_COLOURS[s]}
                left.annotate(f"{s}, read {a}", (x, y), xytext=(out[0], out[1]), textcoords="offset points",
                              ha="center", va="center", fontsize=12, bbox=box)  # fmt: skip
    left.set(xticks=[], yticks=[])
    left.margins(0.3)
    left.set_title("1. Hidden states in a plane")
    left.set_xlabel("label: true state, last symbol")
    groups = groups_of(found, smallest)
    draw_automaton(middle, found.table, found.accepting, found.symbols, start=found.start,
                   colours=[STATE_COLOURS[g % 6] for g in groups])  # fmt: skip
    middle.set_title(f"2. Clusters and moves: {len(found.table)} states")
    draw_automaton(right, smallest.table, smallest.accepting, smallest.symbols, start=smallest.start)
    right.set_title(f"3. Minimised: {len(smallest.table)} states")
    return figure


def groups_of(found: Any, smallest: Any) -> list[int]:
    """The state of the minimised automaton that each state of `found` became, by reading both side by side."""
    group, queue = {found.start: smallest.start}, [found.start]
    while queue:
        s = queue.pop(0)
        for a in range(len(found.symbols)):
            t = int(found.table[s, a])
            if t not in group:
                group[t] = int(smallest.table[group[s], a])
                queue.append(t)
    return [group.get(s, 0) for s in range(len(found.table))]


@styled
def cluster_counts(counts: Mapping[str, Sequence[int]], minimised: Mapping[str, Sequence[int]]) -> LectureFigure:
    """Show how many clusters each network needed, one dot per seed, and how many states are left when minimised."""
    figure = new_figure(9, 3.6, "clusters needed by each kind of network, before and after minimising")
    (ax,) = axes(figure)
    for row, name in enumerate(counts):
        y = len(counts) - 1 - row
        nudge = np.linspace(-0.12, 0.12, len(counts[name]))
        ax.plot(counts[name], y + nudge, "o", color=BLUE, ms=11, alpha=0.8, label="clusters" if not row else None)
        ax.plot(minimised[name], y + nudge, "s", color=ORANGE, ms=9, label="after minimising" if not row else None)
    ax.set_yticks(range(len(counts)), list(counts)[::-1], fontsize=14)
    top = max(max(v) for v in counts.values()) + 1
    ax.set(xlim=(0, top + 0.5), ylim=(-0.5, len(counts) - 0.5), xlabel="states", xticks=range(0, top + 1, 2))
    ax.axvline(3, color=GREY, lw=1.5, ls=":", zorder=0)
    ax.set_title("How many states does the network keep apart? One dot per seed")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


@styled
def counting_limits(right: Mapping[str, np.ndarray], trained: int) -> LectureFigure:
    """Show for which n each network completes a^n b^n: a row per seed, a column per n, right or wrong.

    Shapes: right[name] (seeds, N), boolean, for n = 1..N.
    """
    figure = new_figure(
        11, 0.9 + 0.42 * sum(len(v) for v in right.values()), "for which n each network completes a^n b^n"
    )
    (ax,) = axes(figure)
    rows = np.concatenate(list(right.values())).astype(float)
    ax.pcolormesh(np.arange(0.5, rows.shape[1] + 1), np.arange(len(rows) + 1), rows, cmap="cividis", vmin=0, vmax=1.15,
                  edgecolors="white", lw=1.5)  # fmt: skip
    ax.invert_yaxis()
    y = 0
    for name, each in right.items():
        ax.text(-0.2, y + len(each) / 2, name, ha="right", va="center", fontsize=14)
        y += len(each)
        ax.axhline(y, color="black", lw=1)
    ax.axvline(trained + 0.5, color=RED, lw=3)
    ax.text(trained + 0.3, -0.25, "seen in training", ha="right", color=RED, fontsize=13)
    ax.text(trained + 0.7, -0.25, "longer than in training", ha="left", color=RED, fontsize=13)
    ax.set(yticks=[], xlabel="n in $a^n b^n$; one row per seed; light: completed without a mistake, dark: not")
    ax.set_xticks([1, *range(5, rows.shape[1] + 1, 5)])
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    return figure


@styled
def padded_batch(lengths: Sequence[int]) -> LectureFigure:
    """Show a padded batch: real steps and padding, and where each of three readers looks."""
    wide = max(lengths)
    figure = new_figure(
        9.5, 0.9 + 0.38 * len(lengths), "a padded batch, the last column, and the last real step of each string"
    )
    (ax,) = axes(figure)
    for row, n in enumerate(lengths):
        for t in range(wide):
            real = t < n
            face, edge, hatch = ("#dbe9f6", BLUE, None) if real else ("white", "#bbbbbb", "////")
            ax.add_patch(Rectangle((t, row), 0.94, 0.86, fc=face, ec=edge, hatch=hatch, lw=1))
        ax.plot(wide - 0.53, row + 0.43, "X", color=RED, ms=10, zorder=4, label="last column" if not row else None)
        ax.plot(n - 0.53, row + 0.43, "o", color=BLUE, ms=10, zorder=5, label="last real step" if not row else None)
    ax.set(xlim=(-0.2, wide + 0.2), ylim=(len(lengths), -0.2), xlabel="step", ylabel="string", yticks=[])
    ax.set_xticks(np.arange(wide) + 0.47, [str(t) for t in range(wide)])
    ax.set_title("Hatched: padding. Who reads the last column reads padding")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


@styled
def next_symbols(string: str, probability: np.ndarray, legal: np.ndarray, symbols: str) -> LectureFigure:
    """Show what a network expects after each symbol, with a frame around what the grammar allows.

    Shapes: probability and legal (T, symbols).
    """
    figure = new_figure(
        10.5, 4.2, f"next symbols that the network expects while it reads {string}, the legal ones framed"
    )
    (ax,) = axes(figure)
    image = ax.imshow(probability.T, cmap="viridis", vmin=0, vmax=1, aspect="auto")
    for t, a in zip(*np.nonzero(legal), strict=True):
        ax.add_patch(Rectangle((t - 0.44, a - 0.42), 0.88, 0.84, fc="none", ec=ORANGE, lw=3.5))
    ax.set_yticks(range(len(symbols)), list(symbols), fontsize=14)
    ax.set_xticks(range(len(string)), list(string), fontsize=14)
    ax.set(xlabel="symbol just read", ylabel="next symbol")
    ax.set_title("Colour: what the network says may come next. Orange frame: what the grammar allows")
    figure.colorbar(image, ax=ax).set_label("network says: legal")
    return figure


@styled
def per_string(sizes: Sequence[int], scores: Mapping[str, np.ndarray], chance: float) -> LectureFigure:
    """Show how well each kind of output teaches the grammar, against the number of training strings.

    Shapes: scores[name] (seeds, sizes). The line is the mean, the band reaches from the worst seed to the best.
    """
    figure = new_figure(9.5, 4.4, "share of strings judged rightly against training strings, by kind of output")
    (ax,) = axes(figure)
    for k, (name, each) in enumerate(scores.items()):
        colour = STATE_COLOURS[k]
        ax.fill_between(sizes, each.min(0), each.max(0), color=colour, alpha=0.18, lw=0)
        ax.plot(sizes, each.mean(0), MARKERS[k] + "-", color=colour)
        direct_label(ax, sizes[-1], each.mean(0)[-1], name, colour, fontsize=13)
    ax.axhline(chance, color=GREY, ls="--", lw=1.8)
    ax.text(sizes[-1] * 2.5, chance + 0.012, "chance", color=GREY, ha="right")
    ax.set_xscale("log")
    ax.set_xticks(list(sizes), [f"{n:,}" for n in sizes])
    ax.minorticks_off()
    ax.set(xlabel="training strings", ylim=(0.42, 1.04), xlim=(sizes[0] * 0.9, sizes[-1] * 2.6))
    ax.set_title("Legal or not? Share of new strings judged rightly; band: worst to best seed")
    return figure


@styled
def stepper_frame(figure: Figure, dfa: Any, string: str, position: int, states: Sequence[int], plane: np.ndarray,
                  background: np.ndarray, background_states: np.ndarray, accepted: bool) -> None:  # fmt: skip
    """Draw one moment of the automaton stepper into `figure`: the automaton, and the network beside it.

    Shapes: states (T + 1,), plane (T + 1, 2), background (points, 2) with its automaton's states (points,).
    """
    figure.clear()
    left, right = axes(figure, 1, 2)
    now = states[position]
    draw_automaton(left, dfa.table, dfa.accepting, dfa.symbols, start=dfa.start, names=dfa.names, current=now)
    left.set_title(f"The automaton is in state {dfa.names[now]}")
    for s in range(len(dfa.table)):
        x, y = background[background_states == s].T
        right.scatter(x, y, s=26, c=STATE_COLOURS[s % 6], marker=MARKERS[s % 6], lw=0, alpha=0.3)
    right.plot(*plane[: position + 1].T, color=GREY, lw=1.5, alpha=0.7)
    right.plot(*plane[position], "o", ms=18, mfc=STATE_COLOURS[now % 6], mec="black", mew=2.5)
    right.set(xticks=[], yticks=[])
    right.margins(0.12)
    right.set_title(f"The network's hidden state; it says {'accept' if accepted else 'reject'}")
    read, rest = " ".join(string[:position]) or "nothing", " ".join(string[position:])
    figure.suptitle(f"read so far:  {read}   |   {rest}", fontsize=16, family="DejaVu Sans Mono")
