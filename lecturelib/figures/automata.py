"""Draw an automaton: states as circles on a ring, moves as arrows with their symbols."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch

from lecturelib.figures.colors import STATE_COLORS
from lecturelib.figures.style import hide_frame

RADIUS = 0.27


def draw_automaton(ax: Axes, dfa: Any, names: Sequence[str], current: int | None = None,
                   colors: Sequence[str] = STATE_COLORS) -> None:  # fmt: skip
    """Draw an automaton on `ax`: accepting states have a double ring, the current one is filled.

    Shapes: `dfa` has a table (states, symbols), accepting, alphabet and start; a name for each state.
    """
    table, n = dfa.table, len(dfa.table)
    angle = np.pi / 2 - 2 * np.pi * np.arange(n) / n
    spread = max(1.0, 0.21 * n)
    places = [(spread * np.cos(a), spread * np.sin(a)) for a in angle]
    center = np.mean(places, axis=0)
    for s in range(n):
        for t in sorted({int(t) for t in table[s]}):
            label = ", ".join(a for a, to in zip(dfa.alphabet, table[s], strict=True) if to == t)
            back = s in table[t] and s != t
            _arrow(ax, np.array(places[s]), np.array(places[t]), label, center, bend=0.28 if back else 0.12)
    for s in range(n):
        color, on = colors[s % len(colors)], s == current
        ax.add_patch(Circle(places[s], RADIUS, fc=color if on else "white", ec=color, lw=3, zorder=3))
        if s in dfa.accepting:
            ax.add_patch(Circle(places[s], RADIUS * 0.8, fc="none", ec="white" if on else color, lw=1.6, zorder=4))
        ax.text(*places[s], names[s], ha="center", va="center", fontsize=14, weight="bold", zorder=5,
                color="white" if on else "black")  # fmt: skip
    x, y = places[dfa.start]
    away = np.sign(x - center[0]) if abs(x - center[0]) > 0.3 else -1.0
    ax.annotate("", (x + away * RADIUS, y), (x + away * (RADIUS + 0.38), y),
                arrowprops={"arrowstyle": "-|>", "lw": 2, "color": "black"}, zorder=2)  # fmt: skip
    xs, ys = zip(*places, strict=True)
    ax.set(xlim=(min(xs) - 0.95, max(xs) + 0.95), ylim=(min(ys) - 0.85, max(ys) + 0.95), aspect="equal")
    hide_frame(ax)


def _arrow(ax: Axes, a: np.ndarray, b: np.ndarray, label: str, center: np.ndarray, bend: float) -> None:
    """One arrow from circle to circle, bent, with its label on the bend; a loop if a is b."""
    style: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 15, "lw": 1.8, "color": "#444444", "zorder": 1}
    halo = {"boxstyle": "round,pad=0.12", "fc": "white", "ec": "none"}
    if np.allclose(a, b):
        out = a - center
        out = out / (np.linalg.norm(out) or 1.0) if np.linalg.norm(out) > 1e-6 else np.array([0.0, 1.0])
        side = np.array([-out[1], out[0]])
        p, q = a + RADIUS * (0.8 * out + 0.6 * side), a + RADIUS * (0.8 * out - 0.6 * side)
        ax.add_patch(FancyArrowPatch((p[0], p[1]), (q[0], q[1]), connectionstyle="arc3,rad=-1.6", **style))
        at = a + out * (RADIUS + 0.36)
    else:
        along = (b - a) / np.linalg.norm(b - a)
        normal = np.array([along[1], -along[0]])  # arc3 with rad > 0 bends to this side
        p, q = a + along * RADIUS, b - along * (RADIUS + 0.03)
        ax.add_patch(FancyArrowPatch((p[0], p[1]), (q[0], q[1]), connectionstyle=f"arc3,rad={bend}", **style))
        control = (p + q) / 2 + normal * bend * np.linalg.norm(q - p)
        u = 0.38  # nearer to where the arrow begins: labels of crossing arrows stay apart
        at = (1 - u) ** 2 * p + 2 * u * (1 - u) * control + u**2 * q
    ax.text(at[0], at[1], label, ha="center", va="center", fontsize=13, bbox=halo, zorder=2)
