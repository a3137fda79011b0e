"""Figures of notebook 01: automata, the loop unrolled, gradients, groups of states, paths, next symbols."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from lecturelib.figures.automata import draw_automaton
from lecturelib.figures.colors import BLUE, GREY, MARKERS, RED, STATE_COLORS
from lecturelib.figures.given import results, same_shape
from lecturelib.figures.maps import draw_map, separate
from lecturelib.figures.paper import INK, arrow, box, paper
from lecturelib.figures.parts import ink, label_ends
from lecturelib.figures.plane import principal_plane
from lecturelib.figures.style import LectureFigure, axes, hide_frame, new_figure, panel, styled


@styled
def automaton(dfa: Any) -> LectureFigure:
    """Draw a small automaton on a ring. `dfa` has table, accepting, alphabet, start and names."""
    says = f"an automaton with {len(dfa.table)} states that reads {', '.join(dfa.alphabet)}"
    figure, ax = panel(4.6, 4.2, says)
    draw_automaton(ax, dfa, dfa.names)
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
    figure.colorbar(image, ax=ax, ticks=[-1, 0, 1], shrink=0.9).set_label("hidden unit $h_t$")
    return figure


@styled
def unrolled_drawing() -> LectureFigure:
    """Draw the loop of an RNN, and beside it the same loop unrolled over three steps, with the way of the gradient."""
    says = "an RNN as a loop, and unrolled: three copies of one cell, the state from left to right, the gradient back"
    figure, ax = paper(12, 4.6, says)
    low, high, wide = 1.75, 1.1, 1.75
    middle = low + high / 2
    box(ax, 0.75, low, wide, high, "cell", "W_x, W_h, b", points=16)
    arrow(ax, (1.62, 1.0), (1.62, low))
    arrow(ax, (1.62, low + high), (1.62, 3.6))
    ax.plot([0.75 + wide, 2.95, 2.95], [middle + 0.3, middle + 0.3, middle - 0.3], color=INK, lw=2)
    arrow(ax, (2.95, middle - 0.3), (0.75 + wide, middle - 0.3))
    words: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 16}
    ax.text(1.62, 0.75, "$x_t$", **words)
    ax.text(1.62, 3.85, "output", **words)
    ax.text(2.75, middle + 0.58, "$h_t$", **words)
    ax.text(3.5, middle, "=", ha="center", va="center", fontsize=30, weight="bold")
    for t, x in enumerate((4.75, 7.25, 9.75), start=1):
        box(ax, x, low, wide, high, "cell", "W_x, W_h, b", points=16)
        arrow(ax, (x - 0.75, middle + 0.2), (x, middle + 0.2))
        ax.text(x - 0.38, middle + 0.5, f"$h_{t - 1}$", **words)
        arrow(ax, (x + wide / 2, 1.0), (x + wide / 2, low))
        ax.text(x + wide / 2, 0.75, f"$x_{t}$", **words)
    arrow(ax, (10.62, low + high), (10.62, 3.6))
    ax.text(10.62, 3.85, "output, loss", **words)
    for x in (9.75, 7.25):
        arrow(ax, (x, middle - 0.25), (x - 0.75, middle - 0.25), color=RED)
        ax.text(x - 0.38, middle - 0.57, r"$\times\, J^\top$", color=ink(RED), **words)
    arrow(ax, (10.3, 3.6), (10.3, low + high), color=RED)
    ax.text(0.2, 0.2, "black: forward, one symbol at a time", fontsize=14, va="center")
    ax.text(6.2, 0.2, "colored: the gradient, back through every step", fontsize=14, va="center", color=ink(RED))
    return figure


@styled
def gradients(lengths: np.ndarray, arms: Sequence[tuple[float, float]]) -> LectureFigure:
    """Show how long the gradient is, the farther back from the loss, and how long it would be without the tanh.

    Shapes: lengths (arms, seeds, T), divided by that at the last step, which is last; an arm is the singular value of
    W_h, the same in all directions, and the size of the inputs. Raises: ValueError for others.
    """
    same_shape("lengths and (arms)", lengths.shape[:1], (len(arms),))
    figure, ax = panel(10, 5)
    back = np.arange(lengths.shape[-1])
    for k, ((sigma, _), seeds) in enumerate(zip(arms, lengths[:, :, ::-1], strict=True)):
        color = STATE_COLORS[k]
        if sigma not in [earlier for earlier, _ in arms[:k]]:
            ax.plot(back, float(sigma) ** back, "--", color=color, lw=1.8)
        ax.plot(back, seeds.T, color=color, lw=1, alpha=0.6)
        ax.plot(back, np.median(seeds, axis=0), color=color, marker=MARKERS[k], markevery=7, lw=2.8)
    ax.set(yscale="log", xlabel="steps back from the loss", ylabel="length of the gradient (at the loss: 1)",
           title="Solid: tanh network, five seeds and their median; dashed: without the tanh")  # fmt: skip
    names = [f"$\\sigma$ = {sigma:g}, inputs {size:g}" for sigma, size in arms]
    ends = dict(zip(names, np.median(lengths[..., 0], axis=1), strict=True))
    label_ends(ax, back[-1], ends, STATE_COLORS, 4.0)
    return figure


@styled
def read_back(states: np.ndarray, strings: Sequence[str], found: Any, dfa: Any) -> LectureFigure:
    """Show hidden states with their groups, the automaton read off them, and the same one minimized.

    The plane is that in which the states vary most.
    Shapes: states (B, T + 1, H), the first before any symbol, of B strings of length T. `found` has the automaton that
    was read off, `dfa`, and the `clusters` (B, T + 1); None if there is none. `dfa` is the true automaton.
    """
    figure = new_figure(12, 4.7)
    left, middle, right = axes(figure, 1, 3, width_ratios=(0.9, 1.15, 0.95))
    points = states[:, 1:].reshape(-1, states.shape[-1])
    true = np.array([dfa.run(string)[1:] for string in strings]).ravel()
    symbol = np.array([dfa.alphabet.index(a) for a in "".join(strings)])
    plane = principal_plane(points)(points)
    for s in range(len(dfa.table)):
        mine = plane[true == s]
        left.scatter(mine[:, 0], mine[:, 1], s=46, marker=MARKERS[s % 6], c=STATE_COLORS[s % 6], alpha=0.7, lw=0)
    left.margins(0.3)
    left.set(xticks=[], yticks=[], title="Hidden states")
    words = "projected onto a plane; color: true state\nletter: group (may lie in two clumps);\n"
    left.set_xlabel(words + "0 after 1: mostly state 0, reached by a 1", fontsize=12)
    if found is None:
        for ax in (middle, right):
            hide_frame(ax)
            ax.text(0.5, 0.5, "not read back:\ntoo many groups", ha="center", va="center", transform=ax.transAxes)
        return figure
    smallest = found.dfa.minimize()
    became = dict(pair for s in strings for pair in zip(found.dfa.run(s), smallest.run(s), strict=True))
    minimized = np.array([became.get(s, 0) for s in range(len(found.dfa.table))])
    order = minimized.argsort(kind="stable")  # on the ring, groups of one state stand side by side
    rank = order.argsort()
    ordered = SimpleNamespace(table=rank[np.asarray(found.dfa.table)[order]], start=int(rank[found.dfa.start]),
                              accepting=rank[list(found.dfa.accepting)], alphabet=found.dfa.alphabet)  # fmt: skip
    group = rank[found.clusters[:, 1:].ravel()]
    names = [chr(65 + k) for k in range(len(order))]
    shown = [k for k in range(len(names)) if (group == k).any()]
    anchors = np.array([np.median(plane[group == k], axis=0) for k in shown])
    for k, (x, y), (right_by, up_by) in zip(shown, anchors, _offsets(anchors, plane), strict=True):
        left.annotate(names[k], (x, y), xytext=(right_by, up_by), textcoords="offset points", ha="center", va="center",
                      fontsize=13, weight="bold", arrowprops={"arrowstyle": "-", "color": GREY, "lw": 1})  # fmt: skip
    draw_automaton(middle, ordered, names, colors=[STATE_COLORS[g % 6] for g in minimized[order]])
    middle.set_title("The groups and their moves")
    most = {k: [int(np.bincount(each[group == k]).argmax()) for each in (true, symbol)] for k in shown}
    meaning = [f"{names[k]}: {s} after {dfa.alphabet[a]}" for k, (s, a) in most.items()]
    row = 3 if len(meaning) <= 6 else 4
    middle.set_xlabel("\n".join("   ".join(meaning[k : k + row]) for k in range(0, len(meaning), row)), fontsize=12)
    draw_automaton(right, smallest, [str(s) for s in range(len(smallest.table))])
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


@styled
def paths(steps: Sequence[int], arms: Mapping[str, Sequence[Sequence[int]]], wrong: Sequence[bool]) -> LectureFigure:
    """Show how many different states are left, the longer many strings go on alike; a line for each network.

    Shapes: each of the arms (networks, steps), the last of them the trained networks; wrong (networks,): those of them
    that fail on long strings get a cross. Raises: ValueError for others.
    """
    counts = list(results(arms, "different states", len(steps)).values())
    same_shape("wrong and (networks)", np.shape(wrong), counts[-1].shape[:1])
    figure, ax = panel(10, 4.6)
    for k, each in enumerate(counts):
        ax.plot(steps, each.T, color=STATE_COLORS[k], lw=2, marker=MARKERS[k], ms=7, alpha=0.75)
    for end in counts[-1][np.asarray(wrong), -1]:
        ax.plot(steps[-1], end, "X", color=RED, ms=14, zorder=4)
    ax.set(xscale="symlog", yscale="log", ylim=(0.8, 700), xlabel="symbols read alike", ylabel="different states left")
    for axis, ticks in ((ax.xaxis, [0, 1, 10, 100, 300]), (ax.yaxis, [1, 3, 10, 100, 500])):
        axis.set_ticks(ticks, [str(each) for each in ticks])
    ax.minorticks_off()
    crosses = "; cross: wrong on long strings" if np.any(wrong) else ""
    ax.set_title(f"A line for each network{crosses}")
    ends = {name: float(np.median(each[:, -1])) for name, each in zip(arms, counts, strict=True)}
    label_ends(ax, steps[-1], ends, STATE_COLORS, 3.6)
    return figure


@styled
def padded_batch(lengths: Sequence[int]) -> LectureFigure:
    """Show a padded batch: real steps and padding, and where two readers look."""
    n, wide = np.asarray(lengths), max(lengths)
    real = np.arange(wide) < n[:, None]
    figure, ax = panel(9.5, 0.9 + 0.38 * len(n))
    draw_map(ax, real, mask=real, cmap=ListedColormap(["#b9d4ec"]))
    separate(ax, real.shape)
    ax.plot(n - 1, range(len(n)), "o", color=BLUE, ms=16, zorder=4, label="last real step")
    ax.plot(np.full(len(n), wide - 1), range(len(n)), "X", color=RED, mec="white", ms=12, zorder=5, label="last column")
    ax.set(xlabel="step", ylabel="string", yticks=[], xticks=range(0, wide, 4),
           title="Hatched: padding. The last column is padding for most strings")  # fmt: skip
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


@styled
def next_symbols(string: str, probability: np.ndarray, legal: np.ndarray, alphabet: str) -> LectureFigure:
    """Show what a network expects after each symbol, with a circle on what the grammar allows.

    Shapes: probability and legal (T, symbols). Raises: ValueError for others.
    """
    same_shape("probability and (string, alphabet)", probability.shape, (len(string), len(alphabet)))
    figure, ax = panel(10.5, 4.2)
    image = draw_map(ax, probability.T)
    ax.plot(*np.nonzero(legal), "o", ms=13, mfc="white", mec="black", mew=1.5)
    ax.set_yticks(range(len(alphabet)), list(alphabet), fontsize=14)
    ax.set_xticks(range(len(string)), list(string), fontsize=14)
    ax.set(xlabel="symbol just read", ylabel="next symbol",
           title="Color: what the network expects next. Circles: what the grammar allows")  # fmt: skip
    figure.colorbar(image, ax=ax).set_label("probability of the next symbol")
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
    draw_automaton(left, dfa, dfa.names, current=now)
    left.set_title(f"The automaton is in state {dfa.names[now]}")
    for s in range(len(dfa.table)):
        x, y = background[background_states == s].T
        right.scatter(x, y, s=26, c=STATE_COLORS[s % 6], marker=MARKERS[s % 6], lw=0, alpha=0.3)
    right.plot(*plane[: position + 1].T, color=GREY, lw=1.5, alpha=0.7)
    right.plot(*plane[position], "o", ms=18, mfc=STATE_COLORS[now % 6], mec="black", mew=2.5)
    verdict = "accept" if accepted else "reject"
    right.set(xticks=[], yticks=[], title=f"The network's hidden state; it says {verdict}")
    right.margins(0.12)
    read, rest = " ".join(string[:position]) or "nothing", " ".join(string[position:])
    figure.suptitle(f"read so far:  {read}   |   {rest}", fontsize=16, family="DejaVu Sans Mono")
