"""Parts that figures of curves share: lines with a mark per seed, names beside lines that end close together."""

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from lecturelib.figures.colors import GREY, MARKERS, STATE_COLORS


def wrapped(text: str, inches: float, points: float = 14) -> str:
    """Break a text into lines of at most so many inches."""
    return textwrap.fill(text, max(8, int(inches / (points * 0.0072))))


def apart(wanted: Sequence[float] | np.ndarray, gap: float) -> np.ndarray:
    """Move positions until neighbors are at least `gap` apart, as little as that takes; their order stays.

    Shapes: wanted (n,); returns (n,). It is a least-squares fit: positions that collide stand around their mean.

    >>> apart([1.0, 1.0, 5.0], gap=2).tolist()
    [0.0, 2.0, 5.0]
    """
    from scipy.optimize import isotonic_regression  # takes long to load, and not every figure needs it

    order, gaps = np.argsort(wanted, kind="stable"), gap * np.arange(len(wanted))
    placed = np.empty(len(wanted))
    placed[order] = isotonic_regression(np.asarray(wanted)[order] - gaps).x + gaps
    return placed


def means_and_seeds(ax: Axes, x: Sequence[float] | np.ndarray, arrays: Mapping[str, np.ndarray],
                    middle: Callable[..., np.ndarray] = np.mean) -> dict[str, float]:  # fmt: skip
    """Draw a line for each mean, or another middle, and a hollow mark per seed; return where each line ends.

    Shapes: arrays[name] (seeds, n) at n places.
    """
    for k, (name, each) in enumerate(arrays.items()):
        color, marker = STATE_COLORS[k % 6], MARKERS[k % 6]
        if len(each) > 1:
            ax.plot(x, each.T, marker, mfc="none", mec=color, ms=8, alpha=0.6)
        ax.plot(x, middle(each, 0), marker + "-", color=color, ms=9, label=name)
    return {name: float(middle(each, 0)[-1]) for name, each in arrays.items()}


def bracket(values: Iterable[np.ndarray], margin: float = 0.08) -> tuple[float, float]:
    """Return limits that hold all values and a margin on both sides, a share of their range."""
    flat = np.concatenate([np.ravel(each) for each in values])
    low, high = float(flat.min()), float(flat.max())
    spare = margin * (high - low) or 0.05 * abs(high) or 1.0
    return low - spare, high + spare


def interval(values: np.ndarray, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean over seeds, and half the width of its 95 % confidence interval.

    Equation: mean +- t s / sqrt(n), with the standard deviation s over n seeds and the quantile t of Student's
        distribution with n - 1 degrees of freedom: it holds for values that are roughly normal.
    Shapes: values (seeds, ...); returns (...) and (...).
    Raises: ValueError, which calls the values `what`, for fewer than 2 seeds, NaN and infinity.

    >>> mean, half = interval(np.array([1.0, 2.0, 3.0]), "it")
    >>> round(mean.item(), 2), round(half.item(), 2)
    (2.0, 2.48)
    """
    from scipy.stats import t  # takes long to load, and most figures have no interval

    n = len(values)
    if n < 2:
        raise ValueError(f"{what} has {n} seed: expected 2 or more, for there is no interval of one; add seeds")
    if not np.isfinite(values).all():
        raise ValueError(f"{what} holds NaN or infinity: expected finite numbers; leave out what is not measured yet")
    return values.mean(0), values.std(0, ddof=1) * float(t.ppf(0.975, n - 1)) / n**0.5


def ink(color: str) -> tuple[float, ...]:
    """A color dark enough for letters, which are thinner than lines."""
    return tuple(0.75 * part for part in to_rgb(color))


def label_ends(ax: Axes, x: float, ends: Mapping[str, float], colors: Sequence[str], inches: float,
               points: float = 13) -> None:  # fmt: skip
    """Write a name to the right of the axes for each line that ends at (x, its y), without overlap.

    A thin line leads from each end to its name; of lines that end alike the first stands on top. What is named "chance"
    is gray. `inches` is about the height of the axes, whose limits must be set.
    """
    low, high = ax.get_ylim()
    to_scale = np.log if ax.get_yscale() == "log" else np.asarray
    inks = [ink(GREY if name == "chance" else colors[k]) for k, name in enumerate(ends)]
    upward = [(name, y, color) for (name, y), color in zip(ends.items(), inks, strict=True)][::-1]
    share = (to_scale([y for _, y, _ in upward]) - to_scale(low)) / (to_scale(high) - to_scale(low))
    gap = 1.4 * points / 72 / inches
    for (name, y, color), place in zip(upward, apart(np.clip(share, 0, 1), gap), strict=True):
        leader = {"arrowstyle": "-", "color": color, "lw": 1, "shrinkA": 1, "shrinkB": 1, "relpos": (0, 0.5)}
        ax.annotate(name, (x, y), xytext=(1.04, place), textcoords="axes fraction", color=color, va="center",
                    fontsize=points, arrowprops=leader)  # fmt: skip
