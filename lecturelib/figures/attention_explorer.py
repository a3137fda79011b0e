"""The picture of the attention explorer: every head of every layer as a small map."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties, findfont, get_font

from lecturelib.figures.maps import draw_map
from lecturelib.figures.style import LectureFigure, axes, new_figure, styled

_WIDTH = 12.0  # inches
_HIGHEST = 8.5  # of all maps together
_LABEL = 11  # points
_PITCH = 0.2  # inches from one label to the next, at least
_LONGEST = 10  # letters of a label
_MANY = 100  # maps: more than that are tiles of one picture


@styled
def every_head(weights: np.ndarray, queries: Sequence[str], keys: Sequence[str], mask: np.ndarray | None = None,
               layers: Sequence[str] = ("layer 1",), first_head: int = 1) -> LectureFigure:  # fmt: skip
    """Show the attention weights of each head: a row per query, a column per key, one color scale from 0 to 1.

    Shapes: weights (L, H, T, S); T queries, S keys, L names of layers; mask (T, S), True = may look, else hatched.
    The first head is called `first_head`.
    A row of maps is a layer; the heads of a single layer stand in rows of at most four. More than a hundred maps are
    tiles of one picture, layers from left to right, and what is masked is white there.
    """
    L, H, T, S = weights.shape
    if L * H > _MANY:
        return _tiles(weights, mask, layers, first_head)
    names = [[_label(token) for token in tokens] for tokens in (queries, keys)]
    columns, wide, high = _arrangement(L, H, T, S, names[0])
    rows = -(-L * H // columns)
    fit = wide / S >= _PITCH
    below = 0.09 * max(len(name) for name in names[1]) if fit else 0.0
    width = max(columns * (wide + 0.15) + _margin(names[0]), 5.0)
    height = rows * (high + 0.4) + below + 1.5
    figure = new_figure(round(width, 2), round(height, 2))  # whole pixels
    panels = axes(figure, rows, columns)
    for n, ax in enumerate(panels):
        if n >= L * H:  # the last row of a single layer is not full
            ax.axis("off")
            continue
        layer, head = divmod(n, H)
        image = draw_map(ax, weights[layer, head], mask=mask)
        _name(ax, "y", names[0], high if n % columns == 0 else 0)
        _name(ax, "x", names[1], wide if n + columns >= L * H else 0)
        if L * H > 1 and layer == 0:  # a single head needs no name
            ax.set_title(
                f"head {head + first_head}" if wide > 0.7 else f"{head + first_head}",
                fontsize=13 if wide > 1 else _LABEL,
            )
        if n % columns == 0:
            unit = _count(T, "query", "queries")
            ax.set_ylabel(f"{_label(layers[layer])}\n{unit}" if L > 1 else unit, fontsize=12)
    panels[columns * (rows - 1)].set_xlabel(_count(S, "key", "keys"), fontsize=12)
    bar = figure.colorbar(image, ax=panels, location="bottom", shrink=min(1, 4 / width), aspect=30, pad=0.02,
                          ticks=[0, 0.5, 1])  # fmt: skip
    bar.set_label("weight; hatched: masked" if mask is not None and not mask.all() else "weight", fontsize=12)
    bar.ax.tick_params(labelsize=12)
    return figure


def _tiles(weights: np.ndarray, mask: np.ndarray | None, layers: Sequence[str], first_head: int) -> LectureFigure:
    L, H, T, S = weights.shape
    tiles = np.full((H, T + 1, L, S + 1), np.nan)  # an empty row and column between two maps
    tiles[:, :T, :, :S] = (weights if mask is None else np.where(mask, weights, np.nan)).transpose(1, 2, 0, 3)
    figure = new_figure(_WIDTH, round(min(max(_WIDTH * H * T / (L * S), 2.0), _HIGHEST) + 1.5, 2))
    (ax,) = axes(figure)
    picture = np.ma.masked_invalid(tiles.reshape(H * (T + 1), L * (S + 1))[:-1, :-1])
    image = ax.imshow(picture, cmap="viridis", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    every = -(-L // 10)
    ax.set_xticks([(S + 1) * n + S / 2 for n in range(0, L, every)], [_label(each) for each in layers[::every]],
                  fontsize=_LABEL, parse_math=False)  # fmt: skip
    ax.set_yticks([(T + 1) * n + T / 2 for n in range(H)], [str(n + first_head) for n in range(H)], fontsize=_LABEL)
    ax.tick_params(length=0)
    ax.set_ylabel("head", fontsize=12)
    size = f"{_count(T, 'query', 'queries')} by {_count(S, 'key', 'keys')}"
    ax.set_xlabel(f"each tile a head: {size}", fontsize=12)
    bar = figure.colorbar(image, ax=ax, pad=0.01, ticks=[0, 0.5, 1])
    bar.set_label("weight" if mask is None or mask.all() else "weight; white: masked", fontsize=12)
    return figure


def _arrangement(L: int, H: int, T: int, S: int, queries: Sequence[str]) -> tuple[int, float, float]:
    """Return how many maps stand in a row, and the width and height of a map in inches."""

    def size(columns: int) -> tuple[int, float, float]:
        rows = -(-L * H // columns)
        largest = 4.5 if T >= S else min(10.0, 4.5 * S / T)
        wide = min((_WIDTH - _margin(queries)) / columns - 0.15, largest)
        ratio = min(max(T / S, 0.35), 1.6)
        wide = min(wide, _HIGHEST / rows / ratio)
        return columns, wide, wide * ratio

    if L > 1:
        return size(H)
    choices = [size(columns) for columns in range(min(H, 4), 0, -1)]
    # the most in a row whose tokens can be written; where they never can, simply the most
    return next((each for each in choices if min(each[1] / S, each[2] / T) >= _PITCH), choices[0])


def _margin(queries: Sequence[str]) -> float:
    return 0.09 * max(len(name) for name in queries) + 0.8


def _name(ax: Axes, axis: str, names: Sequence[str], length: float) -> None:
    """Write the tokens along an axis of so many inches where they fit, and else nothing."""
    fits = length / len(names) >= _PITCH
    upright = axis == "x" and length / len(names) < 0.1 * max(len(name) for name in names) + 0.06
    ticks = getattr(ax, f"set_{axis}ticks")
    ticks(range(len(names)) if fits else [], list(names) if fits else [], fontsize=_LABEL, parse_math=False,
          rotation=90 if upright else 0)  # fmt: skip


def _label(token: str) -> str:
    """What stands for a token: cut where it is long, with a box for a letter that the font lacks."""
    shown = token if len(token) <= _LONGEST else token[: _LONGEST - 1] + "…"
    font = get_font(findfont(FontProperties("DejaVu Sans")))
    return "".join(letter if font.get_char_index(ord(letter)) else "□" for letter in shown)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
