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
    new_figure,
    styled,
)

REBER_PLACES = [(0, 0), (1.3, 0), (2.6, 1), (2.6, -1), (4.2, 1), (4.2, -1), (5.5, 0), (6.8, 0), (0, 0)]


@styled
def automaton(dfa: Any, current: int | None = None) -> LectureFigure:
    """Draw a small automaton on a ring. `dfa` has table, accepting, symbols, start and names."""
    figure = new_figure(
        4.6, 4.2, f"an automaton with {len(dfa.table)} states over the symbols {', '.join(dfa.alphabet)}"
    )
    (ax,) = axes(figure)
    draw_automaton(ax, dfa.table, dfa.accepting, dfa.alphabet, start=dfa.start, names=dfa.names, current=current)
    return figure


@styled
def reber_grammar(dfa: Any) -> LectureFigure:
    """Draw the Reber grammar; the trap, which every symbol that is not drawn leads to, is left out."""
    figure = new_figure(10, 4.2, "the Reber grammar as an automaton with eight states and a trap that is not drawn")
    (ax,) = axes(figure)
    draw_automaton(ax, dfa.table, dfa.accepting, dfa.alphabet, places=REBER_PLACES, hide=[8], colors=[BLUE])
    return figure


@styled
def compiled_units(states: np.ndarray, string: str, table: np.ndarray, alphabet: str) -> LectureFigure:
    """Show the units of a compiled network while it reads a string: exactly one is on at a time.

    Shapes: states (T + 1, states * symbols), the first row before any symbol.
    """
    n, m = table.shape
    figure = new_figure(10, 3.9, "which hidden unit is on after each symbol: exactly one at a time")
    (ax,) = axes(figure)
    image = ax.imshow(states.T, cmap="cividis", vmin=-1, vmax=1, aspect="auto")
    ax.set_yticks(range(n * m), [f"arrived in {s} by reading {a}" for s in range(n) for a in alphabet])
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
def read_back(
    states: np.ndarray, group: np.ndarray, true: np.ndarray, symbol: np.ndarray, found: Any, smallest: Any
) -> LectureFigure:
    """Show hidden states in a plane with their groups, the automaton read off them, and the same one minimized.

    Shapes: states (points, H); group, true and symbol (points,): the group that each state was put into (a state of
    `found`), the true automaton's state, and the last symbol read. `found` and `smallest` have table, accepting,
    symbols and start.
    """
    figure = new_figure(
        12, 4.7, "hidden states in a plane; the automaton read off them; the same one minimized to 3 states"
    )
    left, middle, right = axes(figure, 1, 3)
    plane = separating_plane(states, 2 * true + symbol)(states)
    for s in range(3):
        mine = plane[true == s]
        left.scatter(mine[:, 0], mine[:, 1], s=46, marker=MARKERS[s], c=STATE_COLOURS[s], alpha=0.7, lw=0)
    names = [chr(65 + k) for k in range(len(found.table))]
    shown = [k for k in range(len(names)) if (group == k).any()]
    anchors = np.array([np.median(plane[group == k], axis=0) for k in shown])
    for k, (x, y), (right_by, up_by) in zip(shown, anchors, _offsets(anchors, plane), strict=True):
        left.annotate(names[k], (x, y), xytext=(right_by, up_by), textcoords="offset points", ha="center", va="center",
                      fontsize=13, weight="bold", arrowprops={"arrowstyle": "-", "color": GREY, "lw": 1})  # fmt: skip
    left.set(xticks=[], yticks=[])
    left.margins(0.3)
    left.set_title("Hidden states in a plane")
    left.set_xlabel("letter: group; color: true state")
    draw_automaton(middle, found.table, found.accepting, found.alphabet, start=found.start, names=names,
                   colors=[STATE_COLOURS[g % 6] for g in groups_of(found, smallest)])  # fmt: skip
    middle.set_title(f"The {len(names)} groups and their moves")
    meaning = [
        f"{names[k]}: {_most(true[group == k])} after {found.alphabet[_most(symbol[group == k])]}" for k in shown
    ]
    middle.set_xlabel("\n".join("   ".join(meaning[k : k + 3]) for k in range(0, len(meaning), 3)))
    draw_automaton(right, smallest.table, smallest.accepting, smallest.alphabet, start=smallest.start)
    right.set_title(f"Minimized: {len(smallest.table)} states")
    return figure


def _most(values: np.ndarray) -> int:
    return int(np.bincount(values).argmax())


def _offsets(anchors: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """Where the labels of groups stand, in points from their groups: on the outside, and not on one another.

    Shapes: anchors (groups, 2) and plane (points, 2), in the units of the axes; returns (groups, 2).
    """
    out = anchors - plane.mean(0)
    out = 30 * out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)
    points_per_unit = np.array([150, 130]) / np.ptp(plane, axis=0)  # what `read_back` leaves of its panel
    places = anchors * points_per_unit + out
    lowest, highest = plane[:, 1].min() * points_per_unit[1] - 43, plane[:, 1].max() * points_per_unit[1] + 43
    for _ in range(200):  # neighbours push each other up and down, within the panel
        places[:, 1] = places[:, 1].clip(lowest, highest)
        for j in range(len(places)):
            for k in range(j):
                wide, high = np.abs(places[j] - places[k])
                if wide < 22 and high < 22:  # a letter is about 14 by 18 points
                    up = np.sign(places[j, 1] - places[k, 1]) or 1.0
                    places[j, 1] += up * (23 - high) / 2
                    places[k, 1] -= up * (23 - high) / 2
    return places - anchors * points_per_unit


def groups_of(found: Any, smallest: Any) -> list[int]:
    """The state of the minimized automaton that each state of `found` became, by reading both side by side."""
    group, queue = {found.start: smallest.start}, [found.start]
    while queue:
        s = queue.pop(0)
        for a in range(len(found.alphabet)):
            t = int(found.table[s, a])
            if t not in group:
                group[t] = int(smallest.table[group[s], a])
                queue.append(t)
    return [group.get(s, 0) for s in range(len(found.table))]


@styled
def cluster_counts(counts: Mapping[str, Sequence[int]], minimized: Mapping[str, Sequence[int]]) -> LectureFigure:
    """Show how many clusters each network needed, one dot per seed, and how many states are left when minimized."""
    figure = new_figure(9, 3.6, "groups of hidden states that each kind of network needs, before and after minimising")
    (ax,) = axes(figure)
    for row, name in enumerate(counts):
        y = len(counts) - 1 - row
        nudge = np.linspace(-0.12, 0.12, len(counts[name]))
        ax.plot(counts[name], y + nudge, "o", color=BLUE, ms=11, alpha=0.8, label="groups" if not row else None)
        ax.plot(minimized[name], y + nudge, "s", color=ORANGE, ms=9, label="after minimising" if not row else None)
    ax.set_yticks(range(len(counts)), list(counts)[::-1], fontsize=14)
    top = max(max(v) for v in counts.values()) + 1
    ax.set(xlim=(0, top + 0.5), ylim=(-0.5, len(counts) - 0.5), xlabel="groups, or states", xticks=range(0, top + 1, 2))
    ax.axvline(3, color=GREY, lw=1.5, ls=":", zorder=0)
    ax.set_title("How many groups of hidden states? One mark per seed")
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
    ax.set_title("Hatched: padding. The last column is padding for most strings")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


@styled
def next_symbols(string: str, probability: np.ndarray, legal: np.ndarray, alphabet: str) -> LectureFigure:
    """Show what a network expects after each symbol, with a circle on what the grammar allows.

    Shapes: probability and legal (T, symbols).
    """
    figure = new_figure(
        10.5, 4.2, f"next symbols that the network expects while it reads {string}, the legal ones circled"
    )
    (ax,) = axes(figure)
    image = ax.imshow(probability.T, cmap="viridis", vmin=0, vmax=1, aspect="auto")
    ax.plot(*np.nonzero(legal), "o", ms=13, mfc="white", mec="black", mew=1.5)
    ax.set_yticks(range(len(alphabet)), list(alphabet), fontsize=14)
    ax.set_xticks(range(len(string)), list(string), fontsize=14)
    ax.set(xlabel="symbol just read", ylabel="next symbol")
    ax.set_title("Color: what the network says may come next. Circles: what the grammar allows")
    figure.colorbar(image, ax=ax).set_label("network says: legal")
    return figure


@styled
def per_string(sizes: Sequence[int], chosen: Mapping[str, np.ndarray]) -> LectureFigure:
    """Show how often each network prefers the legal string, against the number of training strings.

    Shapes: chosen[name] (2, seeds, sizes): first with any one symbol wrong, then with only the agreement wrong. The
    line is the mean, the band reaches from the worst seed to the best.
    """
    figure = new_figure(
        12, 4.8, "how often the legal one of two strings is chosen, by kind of output and training strings"
    )
    for kind, ax in enumerate(axes(figure, 1, 2, sharey=True)):
        for k, (name, each) in enumerate(chosen.items()):
            low, middle, high = each[kind].min(0), each[kind].mean(0), each[kind].max(0)
            ax.fill_between(sizes, low, high, color=STATE_COLOURS[k], alpha=0.18, lw=0)
            ax.plot(sizes, middle, MARKERS[k] + "-", color=STATE_COLOURS[k], label=name, ms=9)
        ax.axhline(0.5, color=GREY, ls="--", lw=1.8)
        ax.set_xscale("log")
        ax.set_xticks(list(sizes), [f"{n:,}" for n in sizes])
        ax.minorticks_off()
        ax.set(xlabel="training strings", ylim=(0.35, 1.04))
        ax.set_title(("One symbol wrong, anywhere", "Only the symbol to remember wrong")[kind])
        if kind == 0:
            ax.set_ylabel("legal string chosen")
            ax.text(sizes[-1], 0.485, "chance", color=GREY, ha="right", va="top")
            figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=14)
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
    draw_automaton(left, dfa.table, dfa.accepting, dfa.alphabet, start=dfa.start, names=dfa.names, current=now)
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
