"""Figures of notebook 01: automata, units of a compiled network, groups of states, padding, counting, next symbols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from lecturelib.figures.automata import draw_automaton
from lecturelib.figures.colors import BLUE, GREY, MARKERS, RED, STATE_COLORS
from lecturelib.figures.given import results, same_shape
from lecturelib.figures.maps import draw_map, separate
from lecturelib.figures.plane import separating_plane
from lecturelib.figures.style import LectureFigure, axes, new_figure, panel, styled

REBER_PLACES = [(0, 0), (1.3, 0), (2.6, 1), (2.6, -1), (4.2, 1), (4.2, -1), (5.5, 0), (6.8, 0), (0, 0)]


@styled
def automaton(dfa: Any) -> LectureFigure:
    """Draw a small automaton on a ring. `dfa` has table, accepting, symbols, start and names."""
    says = f"an automaton with {len(dfa.table)} states that reads {', '.join(dfa.alphabet)}"
    figure, ax = panel(4.6, 4.2, says)
    draw_automaton(ax, dfa.table, dfa.accepting, dfa.alphabet, start=dfa.start, names=dfa.names)
    return figure


@styled
def reber_grammar(dfa: Any) -> LectureFigure:
    """Draw the Reber grammar; the trap, which every symbol that is not drawn leads to, is left out."""
    figure, ax = panel(10, 4.2, "the Reber grammar as an automaton with eight states and a trap that is not drawn")
    draw_automaton(ax, dfa.table, dfa.accepting, dfa.alphabet, places=REBER_PLACES, hide=[8], colors=[BLUE])
    return figure


@styled
def compiled_units(states: np.ndarray, string: str, table: np.ndarray, alphabet: str) -> LectureFigure:
    """Show the units of a compiled network while it reads a string: exactly one is on at a time.

    Shapes: states (T + 1, states * symbols), the first row before any symbol. Raises: ValueError for others.
    """
    n, m = table.shape
    same_shape("states and (symbols read + 1, states * symbols)", states.shape, (len(string) + 1, n * m))
    figure, ax = panel(10, 3.9)
    image = draw_map(ax, states.T, cmap="cividis", vmin=-1, vmax=1)
    ax.set_yticks(range(n * m), [f"arrived in {s} by reading {a}" for s in range(n) for a in alphabet])
    ax.set_xticks(range(len(states)), ["start", *string])
    ax.set(xlabel="symbol read", title="One hidden unit per state and symbol: one is on, the others are off")
    ax.vlines(np.arange(0.5, len(states) - 1), -0.5, n * m - 0.5, color="white", lw=2)
    ax.hlines(np.arange(m - 0.5, n * m - 1, m), -0.5, len(states) - 0.5, color="white", lw=2)
    bar = figure.colorbar(image, ax=ax, ticks=[-1, 0, 1], shrink=0.9)
    bar.set_label("hidden unit $h_t$")
    return figure


@styled
def read_back(
    states: np.ndarray, group: np.ndarray, true: np.ndarray, symbol: np.ndarray, found: Any, smallest: Any
) -> LectureFigure:
    """Show hidden states in a plane with their groups, the automaton read off them, and the same one minimized.

    Shapes: states (points, H); group, true and symbol (points,): the group of each state (a state of `found`), the true
    automaton's state, and the last symbol read. `found` and `smallest` are automata.
    """
    figure = new_figure(12, 4.7)
    left, middle, right = axes(figure, 1, 3)
    plane = separating_plane(states, 2 * true + symbol)(states)
    for s in range(3):
        mine = plane[true == s]
        left.scatter(mine[:, 0], mine[:, 1], s=46, marker=MARKERS[s], c=STATE_COLORS[s], alpha=0.7, lw=0)
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
                   colors=[STATE_COLORS[g % 6] for g in _groups_of(found, smallest)])  # fmt: skip
    middle.set_title("The groups and their moves")
    most = [[int(np.bincount(each[group == k]).argmax()) for each in (true, symbol)] for k in shown]
    meaning = [f"{names[k]}: {s} after {found.alphabet[a]}" for k, (s, a) in zip(shown, most, strict=True)]
    middle.set_xlabel("\n".join("   ".join(meaning[k : k + 3]) for k in range(0, len(meaning), 3)))
    draw_automaton(right, smallest.table, smallest.accepting, smallest.alphabet, start=smallest.start)
    right.set_title("The same one, minimized")
    return figure


def _offsets(anchors: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """Where the labels of groups stand, in points from their groups: on the outside, and not on one another.

    Shapes: anchors (groups, 2) and plane (points, 2), in the units of the axes; returns (groups, 2).
    """
    out = anchors - plane.mean(0)
    out = 30 * out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)
    points_per_unit = np.array([150, 130]) / np.ptp(plane, axis=0)  # what `read_back` leaves of its panel
    places = anchors * points_per_unit + out
    lowest, highest = plane[:, 1].min() * points_per_unit[1] - 43, plane[:, 1].max() * points_per_unit[1] + 43
    for _ in range(200):  # neighbors push each other up and down, within the panel
        places[:, 1] = places[:, 1].clip(lowest, highest)
        for j in range(len(places)):
            for k in range(j):
                wide, high = np.abs(places[j] - places[k])
                if wide < 22 and high < 22:  # a letter is about 14 by 18 points
                    up = np.sign(places[j, 1] - places[k, 1]) or 1.0
                    places[j, 1] += up * (23 - high) / 2
                    places[k, 1] -= up * (23 - high) / 2
    return places - anchors * points_per_unit


def _groups_of(found: Any, smallest: Any) -> list[int]:
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
def counting_limits(right: Mapping[str, np.ndarray], trained: int) -> LectureFigure:
    """Show for which n each network completes a^n b^n: a row per seed, a column per n, right or wrong.

    Shapes: right[name] (seeds, N), boolean, for n = 1..N. Raises: ValueError for others.
    """
    found = results(right, "answers", max((np.shape(each)[-1] for each in right.values()), default=0))
    rows = np.concatenate(list(found.values()))
    seeds, last = rows.shape
    figure, ax = panel(11, 0.9 + 0.42 * seeds)
    draw_map(ax, rows, cmap="cividis", vmin=0, vmax=1.15)
    separate(ax, rows.shape)
    counts = np.array([len(each) for each in found.values()])
    ends = np.cumsum(counts)
    ax.set_yticks(ends - (counts + 1) / 2, found, fontsize=14)
    ax.tick_params("y", length=0)
    ax.hlines(ends - 0.5, -0.5, last - 0.5, color="black", lw=1)
    ax.axvline(trained - 0.5, color=RED, lw=3)
    ax.text(trained - 0.7, -0.75, "seen in training", ha="right", color=RED, fontsize=13)
    ax.text(trained - 0.3, -0.75, "longer than in training", ha="left", color=RED, fontsize=13)
    ax.set_xlabel("n in $a^n b^n$; one row per seed; light: completed without a mistake, dark: not")
    ax.set_xticks([0, *range(4, last, 5)], ["1", *map(str, range(5, last + 1, 5))])
    ax.spines[["left", "bottom"]].set_visible(False)
    return figure


@styled
def padded_batch(lengths: Sequence[int]) -> LectureFigure:
    """Show a padded batch: real steps and padding, and where each of three readers looks."""
    n, wide = np.asarray(lengths), max(lengths)
    real = np.arange(wide) < n[:, None]
    figure, ax = panel(9.5, 0.9 + 0.38 * len(n))
    draw_map(ax, real, mask=real, cmap=ListedColormap(["#b9d4ec"]))
    separate(ax, real.shape)
    ax.plot(np.full(len(n), wide - 1), range(len(n)), "X", color=RED, ms=10, zorder=4, label="last column")
    ax.plot(n - 1, range(len(n)), "o", color=BLUE, ms=10, zorder=5, label="last real step")
    ax.set(xlabel="step", ylabel="string", yticks=[], xticks=range(wide))
    ax.set_title("Hatched: padding. The last column is padding for most strings")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


@styled
def next_symbols(string: str, probability: np.ndarray, legal: np.ndarray, alphabet: str) -> LectureFigure:
    """Show what a network expects after each symbol, with a circle on what the grammar allows.

    Shapes: probability and legal (T, symbols). Raises: ValueError for others.
    """
    for what, each in (("probability", probability), ("legal", legal)):
        same_shape(f"{what} and (string, alphabet)", np.shape(each), (len(string), len(alphabet)))
    figure, ax = panel(10.5, 4.2)
    image = draw_map(ax, probability.T)
    ax.plot(*np.nonzero(legal), "o", ms=13, mfc="white", mec="black", mew=1.5)
    ax.set_yticks(range(len(alphabet)), list(alphabet), fontsize=14)
    ax.set_xticks(range(len(string)), list(string), fontsize=14)
    ax.set(xlabel="symbol just read", ylabel="next symbol")
    ax.set_title("Color: what the network says may come next. Circles: what the grammar allows")
    figure.colorbar(image, ax=ax).set_label("network says: legal")
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
        right.scatter(x, y, s=26, c=STATE_COLORS[s % 6], marker=MARKERS[s % 6], lw=0, alpha=0.3)
    right.plot(*plane[: position + 1].T, color=GREY, lw=1.5, alpha=0.7)
    right.plot(*plane[position], "o", ms=18, mfc=STATE_COLORS[now % 6], mec="black", mew=2.5)
    right.set(xticks=[], yticks=[])
    right.margins(0.12)
    right.set_title(f"The network's hidden state; it says {'accept' if accepted else 'reject'}")
    read, rest = " ".join(string[:position]) or "nothing", " ".join(string[position:])
    figure.suptitle(f"read so far:  {read}   |   {rest}", fontsize=16, family="DejaVu Sans Mono")
