"""Figures of notebook 03: soft look-up, what the scale does, maps of attention, masks, learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from lecturelib.figures.colors import BLUE, GREY, MARKERS, STATE_COLORS
from lecturelib.figures.given import few, results, same_shape
from lecturelib.figures.maps import draw_map, legend_patches, map_panels, name_map, readable, separate
from lecturelib.figures.parts import label_ends, means_and_seeds, wrapped
from lecturelib.figures.style import LectureFigure, axes, new_figure, panel, styled

_LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (2, 1.2)), "-.", (0, (1, 1)), "-")


@styled
def soft_lookup(query: np.ndarray, looked_up: Mapping[str, np.ndarray], keys: np.ndarray,
                values: np.ndarray) -> LectureFigure:  # fmt: skip
    """Show what is looked up for each query: a line per sharpness; the pairs of key and value are marked.

    Shapes: query (n,), looked_up[name] (n,), keys and values (m,). Raises: ValueError for others.
    """
    query, keys, values = (np.asarray(each, float) for each in (query, keys, values))
    figure, ax = panel(10.5, 4.6)
    for k, (name, each) in enumerate(looked_up.items()):
        ax.plot(query, each, color=STATE_COLORS[k % 6], ls=_LINES[k % 6], lw=2.8, label=name)
    ax.plot(keys, values, "o", color="black", ms=12, zorder=5, label="a key with its value")
    ax.legend(handles=ax.lines[-1:], loc="upper left", fontsize=13)
    drawn = np.concatenate([values, *(np.asarray(each) for each in looked_up.values())])
    low, high = drawn.min(), drawn.max()
    ax.set_ylim(low - 0.1 * (high - low), high + 0.2 * (high - low))
    ax.set(xlabel="query", ylabel="what is looked up", xlim=(query.min(), query.max()))
    ax.set_title("The softer the look-up, the more it mixes the values of near keys")
    label_ends(ax, query.max(), {name: np.asarray(each)[-1] for name, each in looked_up.items()}, STATE_COLORS, 3.5)
    return figure


@styled
def weights_bars(keys: Sequence[str], weights: np.ndarray, values: np.ndarray, mix: float) -> LectureFigure:
    """Show one look-up by hand: a bar of weight over each key, under it its value and their product.

    Shapes: weights and values (m,), as many as keys. Raises: ValueError for others.
    """
    weights, values = np.asarray(weights, float), np.asarray(values, float)
    same_shape("keys and weights", (len(keys),), weights.shape)
    same_shape("keys and values", (len(keys),), values.shape)
    figure, ax = panel(max(7.5, min(12, 2.6 + 1.15 * len(keys))), 4.6)
    ax.bar(range(len(keys)), weights, width=0.62, color=BLUE)
    for k, weight in enumerate(weights):
        ax.text(k, weight + 0.02, f"{weight:.2f}", ha="center", va="bottom", fontsize=15, color=BLUE, weight="bold")
    ax.set_ylim(0, max(1.0, weights.max()) * 1.12)
    ax.set_xlim(-0.6, len(keys) + 0.5)
    ax.set_yticks([0, 0.5, 1])
    ax.set_xticks([])
    ax.set_ylabel("weight")
    ax.axvline(len(keys) - 0.5, ymin=-0.4, color=GREY, lw=1.2, clip_on=False)
    ax.set_title(f"mix {mix:.2f} = sum of weight × value, over the keys", fontsize=16)
    rows: list[tuple[str, list[str], dict[str, Any]]] = [
        ("key", [*map(readable, keys), "sum"], {"weight": "bold", "parse_math": False}),
        ("value", [f"{value:g}" for value in values] + [""], {}),
        ("weight × value", [f"{product:.2f}" for product in weights * values] + [f"{mix:.2f}"], {"color": "#7a4b00"}),
    ]
    below = ax.get_xaxis_transform()
    ax.text(len(keys), 0.02, f"{weights.sum():.2f}", ha="center", va="bottom", fontsize=15, color=BLUE)
    for row, (name, cells, look) in enumerate(rows):
        y = -0.09 - 0.11 * row
        ax.text(-0.02, y, name, transform=ax.transAxes, ha="right", va="center", fontsize=14)
        for k, cell in enumerate(cells):
            ax.text(k, y, cell, transform=below, ha="center", va="center", fontsize=15, **look)
    return figure


@styled
def scores_grow(widths: Sequence[int], deviation: np.ndarray, entropy: Mapping[str, np.ndarray],
                largest: float) -> LectureFigure:  # fmt: skip
    """Show how the scores q·k grow with d_k, and how even the weights are that the softmax makes of them.

    Shapes: deviation (n,) at n widths, entropy[name] (n,) in nats; `largest` is that of equal weights, log(keys).
    """
    figure = new_figure(12, 4.7)
    left, right = axes(figure, 1, 2)
    left.plot(widths, np.sqrt(widths), color=GREY, ls="--", lw=2.5, label=r"$\sqrt{d_k}$")
    left.plot(widths, deviation, "o", color=BLUE, ms=11, label="measured")
    left.legend(loc="upper left", fontsize=14)
    left.set(yscale="log", ylim=(0.7 * min(deviation), 1.6 * max(deviation)))
    left.set_yticks(np.sqrt(widths), [f"{np.sqrt(width):.3g}" for width in widths])
    left.set_title("Scores: the longer the vectors, the larger")
    left.set_ylabel("standard deviation of q·k")
    for k, (name, each) in enumerate(entropy.items()):
        right.plot(widths, each, MARKERS[k] + "-", color=STATE_COLORS[k], ms=10, label=name)
    right.axhline(largest, color=GREY, ls="--", lw=2)
    right.text(widths[0], largest * 1.02, f"all equal: {largest:.2f}", color=GREY, fontsize=13, va="bottom")
    right.set(ylim=(-0.03 * largest, 1.15 * largest))
    right.set_title("Weights: one key takes all, or a mix")
    right.set_ylabel("entropy of the weights (nats)")
    label_ends(right, widths[-1], {name: each[-1] for name, each in entropy.items()}, STATE_COLORS, 3.6)
    for ax in (left, right):
        ax.set_xscale("log", base=2)
        ax.set_xticks(list(widths), [str(width) for width in widths])
        ax.minorticks_off()
        ax.set_xlabel("$d_k$, the width of queries and keys")
    return figure


@styled
def slower(steps: Sequence[int], losses: Mapping[str, np.ndarray], level: float) -> LectureFigure:
    """Show training losses, a thin line per seed and their mean, and when each mean first falls below `level`.

    Shapes: losses[name] (seeds, n) at n steps, above 0.
    """
    figure, ax = panel(10.5, 4.8)
    rows = {}
    for k, (name, each) in enumerate(results(losses, "losses", len(steps)).items()):
        mean = each.mean(0)
        first = np.flatnonzero(mean < level)[:1].tolist()
        when = f"below {level:g} after {steps[first[0]]:,} steps" if first else f"not below {level:g}"
        ax.plot(steps, each.T, color=STATE_COLORS[k], lw=1, alpha=0.45)
        (rows[f"{name}: {when}"],) = ax.plot(
            steps, mean, color=STATE_COLORS[k], lw=3.2, ls=_LINES[k], label=name, marker=MARKERS[k] if first else None,
            markevery=first, ms=14, mec="black", mew=1.5
        )  # fmt: skip
    ax.axhline(level, color=GREY, ls=":", lw=2)
    ax.set(xlabel="training steps", ylabel="training loss\nthick: mean; thin: one seed each", yscale="log")
    ax.set_title(f"Training loss; the mark: where the mean falls below {level:g}")
    figure.legend(rows.values(), rows, loc="outside lower center", fontsize=14, ncols=1)
    return figure


@styled
def maps(weights: Sequence[np.ndarray], titles: Sequence[str], rows: Sequence[Sequence[str]],
         columns: Sequence[Sequence[str]], expected: Sequence[np.ndarray] | None = None,
         masks: Sequence[np.ndarray] | None = None, *, row_label: str = "looks from",
         column_label: str = "looks at") -> LectureFigure:  # fmt: skip
    """Show one to four maps of attention: a row per query, a column per key, one scale from 0 to 1.

    Cells that are expected to be large are outlined, masked ones hatched.
    Shapes: weights[k], expected[k] and masks[k] (T, S); rows[k] has T names, columns[k] S; masks are True = may look.
    Raises: ValueError for more than four maps, and for shapes and names that do not fit.
    """
    count = len(weights)
    few("maps", weights, 4)
    given = {"titles": titles, "rows": rows, "columns": columns, "expected": expected, "masks": masks}
    for what, each in given.items():
        if each is not None and len(each) != count:
            raise ValueError(f"{len(each)} {what} for {count} maps: expected one for each")
    shown = [np.asarray(each, float) for each in weights]
    for k, map_ in enumerate(shown):
        same_shape(f"map {k} and its rows and columns", map_.shape, (len(rows[k]), len(columns[k])))
        for what, more in (("expected", expected), ("masks", masks)):
            if more is not None:
                same_shape(f"map {k} and {what}[{k}]", map_.shape, np.shape(more[k]))
    legend = legend_patches(expected is not None, masks is not None and not all(map(np.all, masks)))
    figure, panels, sizes = map_panels(rows, columns, bool(legend))
    for k, ax in enumerate(panels):
        image = draw_map(ax, shown[k], mask=None if masks is None else masks[k],
                         expected=None if expected is None else expected[k])  # fmt: skip
        ax.set_title(wrapped(titles[k], sizes[k][0]), fontsize=14)
        first = ax.get_position().x0 == panels[0].get_position().x0
        name_map(ax, rows[k], columns[k], sizes[k], row_label if first else "", column_label)
    bar = figure.colorbar(image, ax=panels, ticks=[0, 0.5, 1], aspect=25)
    bar.set_label("weight; each row sums to 1")
    if legend:
        figure.legend(handles=legend, loc="outside lower center", ncols=2, fontsize=13)
    return figure


@styled
def learning(steps: Sequence[int], exact: Mapping[str, np.ndarray], title: str) -> LectureFigure:
    """Show the share of exact answers while networks learn: a line for the mean, a hollow mark per seed.

    Shapes: exact[name] (seeds, n) from 0 to 1, at n steps. Raises: ValueError for others.
    """
    figure, ax = panel(10.5, 4.6)
    ends = means_and_seeds(ax, steps, results(exact, "answers", len(steps)))
    ax.set(xlabel="training steps", ylim=(-0.04, 1.06), ylabel="exact answers\nline: mean; hollow: one seed each")
    ax.set_title(title)
    label_ends(ax, steps[-1], ends, STATE_COLORS, 3.5)
    return figure


@styled
def growth(lengths: Sequence[int], exact: Mapping[str, np.ndarray], chance: np.ndarray) -> LectureFigure:
    """Show the share of exact copies against the number of symbols to copy: means, and a hollow mark per seed.

    Shapes: exact[name] (seeds, n) from 0 to 1, chance (n,), at n lengths. Raises: ValueError for others.
    """
    figure, ax = panel(10.5, 4.6)
    ends = means_and_seeds(ax, lengths, results(exact, "copies", len(lengths)))
    ax.plot(lengths, chance, color=GREY, ls="--", lw=2, label="chance")
    ax.set_xticks(list(lengths))
    ax.set(xlabel="symbols to copy", ylim=(-0.04, 1.06), ylabel="exact copies\nline: mean; hollow: one seed each")
    ax.set_title("Exact copies, the more symbols there are to carry")
    label_ends(ax, lengths[-1], {**ends, "chance": float(chance[-1])}, STATE_COLORS, 3.5)
    return figure


@styled
def mask_panels(masks: Mapping[str, np.ndarray], rows: Sequence[str] | None = None,
                columns: Sequence[str] | None = None) -> LectureFigure:  # fmt: skip
    """Show boolean masks: colored cells may be looked at, hatched ones may not.

    Shapes: masks[name] (T, S), True = may look; rows T and columns S names, the same for all, or None for numbers.
    Raises: ValueError for others.
    """
    each = {name: np.asarray(mask) for name, mask in masks.items()}
    for name, mask in each.items():
        if mask.dtype != bool or mask.ndim != 2:
            raise ValueError(f"mask {name!r} has type {mask.dtype} and shape {mask.shape}: expected (T, S), bool")
    from_names = [rows or [str(t + 1) for t in range(mask.shape[0])] for mask in each.values()]
    to_names = [columns or [str(s + 1) for s in range(mask.shape[1])] for mask in each.values()]
    figure, panels, sizes = map_panels(from_names, to_names, True)
    for k, (ax, (name, mask)) in enumerate(zip(panels, each.items(), strict=True)):
        same_shape("a mask and its rows and columns", mask.shape, (len(from_names[k]), len(to_names[k])))
        draw_map(ax, mask.astype(float), mask=mask, cmap=ListedColormap([BLUE]))
        separate(ax, mask.shape)
        ax.set_title(wrapped(name, sizes[k][0]), fontsize=14)
        name_map(ax, from_names[k], to_names[k], sizes[k], "looks from" if k == 0 else "", "looks at")
    legend = [Patch(label="may look", fc=BLUE), *legend_patches(False, True)]
    figure.legend(handles=legend, loc="outside lower center", ncols=2, fontsize=13)
    return figure
