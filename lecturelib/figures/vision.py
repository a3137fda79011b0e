"""Figures of notebook 05: patches as words, networks compared, positions, where a vision transformer looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullFormatter, NullLocator

from lecturelib.figures.paper import arrow, paper
from lecturelib.figures.parts import label_ends, same_shape, wrapped
from lecturelib.figures.pictures import (
    HALO,
    as_many,
    bracket,
    cell,
    checked,
    means_and_seeds,
    mosaic,
    per_seed,
    picture,
    results,
    side_of,
    spread,
)
from lecturelib.figures.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    STATE_COLOURS,
    LectureFigure,
    axes,
    new_figure,
    styled,
)

_WASH = LinearSegmentedColormap.from_list("wash", [(*to_rgb(RED), 0.0), (*to_rgb(RED), 0.9)])
_SIGNED = LinearSegmentedColormap.from_list(
    "signed", [(0, (*to_rgb(BLUE), 0.9)), (0.5, (*to_rgb(BLUE), 0)), (0.5, (*to_rgb(RED), 0)), (1, (*to_rgb(RED), 0.9))]
)


@styled
def patches(image: np.ndarray, patches: np.ndarray) -> LectureFigure:
    """Show an image with its grid of patches, numbered, and beside it the patches as a row of words.

    Shapes: image (C, height, width), patches (N, C, P, P), from the upper left row by row.
    Raises: ValueError for patches that do not fill the image.
    """
    whole, cut = checked(image), np.asarray(patches, float)
    if cut.ndim != 4:
        raise ValueError(f"patches have shape {cut.shape}: expected (N, C, P, P); unflatten the pixels of each patch")
    N, C, P, _ = cut.shape
    same_shape("the side that fills the image and the patches", (side_of(whole, N),) * 2, cut.shape[2:])
    figure, page = paper(12, 4.9, f"an image cut into {N} patches, and the same patches in a row like words")
    _, height, width = whole.shape
    high = min(3.9, 3.9 * height / width)
    place = (0.25, 0.3 + (3.9 - high) / 2, high * width / height, high)
    picture(page, whole, place=place, grid=P, frame=ORANGE)
    columns = width // P
    if high / (height // P) >= 0.3:
        for n in range(N):
            (x, y), wide, tall = cell(place, height // P, columns, n)
            page.text(x + wide / 2, y + tall / 2, str(n), ha="center", va="center", fontsize=13, weight="bold",
                      color="#9a4300", path_effects=HALO)  # fmt: skip
    start = 0.25 + high * width / height + 0.95
    arrow(page, (start - 0.75, 2.25), (start - 0.15, 2.25))
    room = 11.8 - start
    pitches = {k: min(room / k, 3.9 / -(-N // k) - 0.3) for k in range(1, N + 1)}  # by the number of words in a line
    even = {k: pitch for k, pitch in pitches.items() if k % columns == 0 and pitch > 0.8 * max(pitches.values())}
    in_line, pitch = max((even or pitches).items(), key=lambda pair: pair[1])
    lines = -(-N // in_line)
    size = 0.86 * pitch
    numbered = pitch >= 0.38
    for n, each in enumerate(cut):
        row, column = divmod(n, in_line)
        x = start + column * pitch
        y = 2.25 + (lines / 2 - row) * (pitch + 0.3) - pitch
        picture(page, each, place=(x, y, size, size))
        if numbered or column == 0:
            page.text(x + size / 2, y - 0.14, str(n), ha="center", va="center", fontsize=13, color="#9a4300",
                      weight="bold")  # fmt: skip
    page.text(0.25, 4.6, f"an image of {height} × {width} pixels", fontsize=15, weight="bold", va="center")
    numbers = f"{C} × {P} × {P}" if C > 1 else f"{P} × {P}"
    words = f"{N} words, each of {numbers} = {C * P * P} numbers"
    page.text(start, 4.6, words, fontsize=15, weight="bold", va="center")
    return figure


@styled
def cuts(image: np.ndarray, cut: Mapping[str, np.ndarray],
         pixels: Mapping[str, np.ndarray] | None = None) -> LectureFigure:  # fmt: skip
    """Show ways to cut one image: where the first patches come from, the patches, and all of them at their places.

    Shapes: image (C, height, width), cut[name] (N, C, P, P). `pixels` is the same cut of an image that holds the
    number of each pixel (0 for the upper left, then row by row); with it the origin of each patch is colored.
    A way is right (✓) if its patches, laid row by row, give the image.
    Raises: ValueError for more than four ways, and for patches that do not fill the image.
    """
    whole = checked(image)
    if not 1 <= len(cut) <= 4:
        raise ValueError(f"{len(cut)} ways to cut: expected 1 to 4; call once for each few of them")
    high = 1.75 if len(cut) < 4 else 1.35
    top = 0.25 + len(cut) * (high + 0.4)
    figure, page = paper(12, top, f"one image cut in {len(cut)} ways: {', '.join(cut)}")
    wide, small = high * whole.shape[2] / whole.shape[1], 0.7 * high
    second = 0.3 + wide + 0.8
    third = second + 3 * (small + 0.2) + 0.7
    for x, words in ((0.3, "the image"), (second, "patches 0, 1, 2"), (third, "all patches at their places")):
        page.text(x, top - 0.3, words, fontsize=15, weight="bold", va="center")
    for k, (name, each) in enumerate(cut.items()):
        parts = np.asarray(each, float)
        if parts.ndim != 4 or parts.size != whole.size:
            raise ValueError(f"cut {name!r} has shape {parts.shape}: expected (N, C, P, P) that fills the image")
        N, _, P, _ = parts.shape
        same_shape(f"cut {name!r} and the side that fills the image", (side_of(whole, N),), (P,))
        y = top - 0.55 - k * (high + 0.4) - high
        left = (0.3, y, wide, high)
        picture(page, whole, place=left)
        for n in range(min(3, N)):
            color = (PURPLE, ORANGE, GREEN)[n]
            if pixels is not None:
                for pixel in np.unique(np.asarray(pixels[name][n][0]).astype(int)).tolist():
                    square = cell(left, whole.shape[1], whole.shape[2], pixel)
                    page.add_patch(Rectangle(*square, fc=color, alpha=0.6, lw=0))
            place = (second + n * (small + 0.2), y + (high - small) / 2, small, small)
            picture(page, parts[n], place=place, frame=color)
        arrow(page, (0.3 + wide + 0.1, y + high / 2), (second - 0.15, y + high / 2))
        arrow(page, (third - 0.7, y + high / 2), (third - 0.15, y + high / 2))
        laid = mosaic(parts, whole.shape[1] // P, gap=1)
        picture(page, laid, place=(third, y, wide, high))
        down, across = whole.shape[1] // P, whole.shape[2] // P
        step = P + 1  # the gap is one pixel
        for n in range(N):  # an outline, so that blank patches can be told from the gaps
            i, j = divmod(n, across)
            pixel_w, pixel_h = wide / (across * step - 1), high / (down * step - 1)
            corner = (third + j * step * pixel_w, y + high - (i * step + P) * pixel_h)
            page.add_patch(Rectangle(corner, P * pixel_w, P * pixel_h, fc="none", ec=GREY, lw=0.8, zorder=6))
        right = third + wide + 0.25
        good = np.allclose(mosaic(parts, whole.shape[1] // P), whole)
        words = wrapped(f"{'✓' if good else '✗'} {name}", 11.9 - right, 18)  # bold letters are wide
        page.text(right, y + high / 2, words, fontsize=15, va="center", weight="bold", color=BLUE if good else RED)
    return figure


@styled
def accuracies(scores: Mapping[str, np.ndarray], chance: float, highlight: str | None = None) -> LectureFigure:
    """Show the test accuracy of several models: a hollow mark per seed, a tick and a number for the mean.

    Shapes: scores[name] (seeds,) from 0 to 1; one row each, from the top down as given. `highlight` names one.
    Raises: ValueError for scores that are not one number per seed, and a highlight that is not among them.
    """
    arrays = per_seed(scores, "scores")
    if highlight is not None and highlight not in arrays:
        raise ValueError(f"highlight {highlight!r} is not among the scores: expected one of {list(arrays)}, or None")
    figure = new_figure(11, 1.6 + 0.55 * len(arrays), f"test accuracy of {', '.join(arrays)}, a mark per seed")
    (ax,) = axes(figure)
    low, high = bracket([100 * each for each in arrays.values()])
    low, high = np.floor(low), min(high, 100.5)
    for row, (name, each) in enumerate(arrays.items()):
        color = BLUE if name == highlight else GREY
        if name == highlight:
            ax.axhspan(row - 0.46, row + 0.46, color=BLUE, alpha=0.1, lw=0)
        mean = 100 * each.mean()
        ax.plot(100 * each, np.full(len(each), row), "o", mfc="none", mec=color, mew=2, ms=11)
        ax.plot([mean, mean], [row - 0.34, row + 0.34], color=color, lw=4.5)
        ax.text(1.015, row, f"{mean:.1f} %", transform=ax.get_yaxis_transform(), va="center", fontsize=16,
                weight="bold" if name == highlight else "normal")  # fmt: skip
    ax.set_yticks(range(len(arrays)), list(arrays), fontsize=15)
    for label, name in zip(ax.get_yticklabels(), arrays, strict=True):
        label.set_fontweight("bold" if name == highlight else "normal")
    ax.tick_params("y", length=0)
    if low < 100 * chance < high:
        ax.axvline(100 * chance, color=GREY, ls="--")
    ax.set(ylim=(len(arrays) - 0.5, -0.5), xlim=(low, high))
    ax.set_xlabel(f"right on test images (%); the axis begins at {low:.0f}, chance is {100 * chance:.0f}")
    ax.set_title("tick and number: mean; hollow: one seed each", fontsize=13)
    return figure


@styled
def shuffled(example: tuple[np.ndarray, np.ndarray],
             scores: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> LectureFigure:  # fmt: skip
    """Show an image as it is and with its patches shuffled, and what the same shuffle in all images costs a network.

    Shapes: example two images (C, height, width); scores[name] a pair of (seeds,) from 0 to 1: trained and tested on
    images as they are, and on shuffled ones.
    """
    pairs = {}
    for name, pair in scores.items():
        each = [np.asarray(seeds, float) for seeds in pair]
        if len(each) != 2 or each[0].ndim != 1 or each[0].shape != each[1].shape or not len(each[0]):
            shapes = [seeds.shape for seeds in each]
            raise ValueError(
                f"scores of {name!r} have shapes {shapes}: expected a pair, images as they are and shuffled, each "
                "(seeds,) of one length"
            )
        pairs[name] = np.stack(each, axis=1)  # (seeds, 2)
    lost = {name: 100 * (each[:, 1].mean() - each[:, 0].mean()) for name, each in pairs.items()}
    figure = new_figure(12, 4.8, f"what one shuffle of all patches costs {', '.join(pairs)}, beside an example")
    panels = figure.subplot_mosaic([["above", "right"], ["below", "right"]], width_ratios=[1, 3.1])
    above, below, right = (panels[name] for name in ("above", "below", "right"))
    picture(above, example[0])
    picture(below, example[1])
    above.set_title("as it is")
    below.set_title("patches shuffled")
    means_and_seeds(right, [0, 1], {name: 100 * each for name, each in pairs.items()})
    low, high = bracket([100 * each for each in pairs.values()])
    low = np.floor(low)
    right.set(xlim=(-0.15, 1.05), ylim=(low, high))
    right.set_xticks([0, 1], ["as they are", "one shuffle for all images"], fontsize=15)
    right.set_ylabel(f"right on test images (%)\naxis begins at {low:.0f}")
    right.set_title("line: mean; hollow: a seed each", fontsize=13)
    losses = {name: f"{lost[name] or 0:+.1f} points".replace("-", "−").replace("+0.0", "0.0") for name in pairs}
    ends = {f"{name}: {losses[name]}": 100 * each[:, 1].mean() for name, each in pairs.items()}
    label_ends(right, 1, ends, STATE_COLOURS, 3.6, points=15)
    return figure


@styled
def position_similarity(similarity: np.ndarray, rows: int, columns: int) -> LectureFigure:
    """Show how alike the learned positions are: a small map for each, at its place; its own cell is outlined.

    Shapes: similarity (N, N), cosines from -1 to 1, with N = rows * columns; row n is drawn as map n.
    Raises: ValueError for a matrix that does not fit.
    """
    cosines = np.asarray(similarity, float)
    same_shape("similarity and (rows * columns, rows * columns)", cosines.shape, (rows * columns,) * 2)
    pitch = min(5.6 / rows, 7.2 / columns)
    width, height = columns * pitch, rows * pitch
    figure, page = paper(width + 4.3, height + 0.45, f"how alike the positions of {rows} x {columns} patches are")
    for n, each in enumerate(cosines):
        i, j = divmod(n, columns)
        place = (0.25 + j * pitch, 0.25 + (rows - 1 - i) * pitch, 0.88 * pitch, 0.88 * pitch)
        spread(page, each.reshape(rows, columns), place, cmap="PuOr", vmin=-1, vmax=1)
        own = cell(place, rows, columns, n)
        page.add_patch(Rectangle(*own, fc="none", ec="black", lw=min(2.5, 14 * pitch / max(rows, columns))))
    low, high = 0.35, height + 0.05
    spread(page, np.linspace(1, -1, 128)[:, None], (width + 0.5, low, 0.28, high - low), cmap="PuOr")
    for y, words in ((low, "−1 opposite"), ((low + high) / 2, "0 unrelated"), (high, "+1 alike")):
        page.text(width + 0.88, y, words, fontsize=14, va="center")
    words = (
        f"Map n, at place n:\nhow alike is\nposition n\nto each of the\n{rows} × {columns} positions?\n\n"
        "black frame:\nposition n itself"
    )
    page.text(width + 2.45, 0.25 + height / 2, words, fontsize=14, va="center", linespacing=1.3)
    return figure


@styled
def looked_at(images: np.ndarray, maps: Mapping[str, np.ndarray], signed: Sequence[str] = (),
              says: Sequence[str] | None = None) -> LectureFigure:  # fmt: skip
    """Show for each image where a network looks: a row per image, a column per map, washed over the faint image.

    Shapes: images (n, C, height, width), maps[name] (n, rows, columns). Maps named in `signed` have both signs, the
    others none below 0; each is drawn up to its own largest number, which stands below. `says` is a line per image.
    Raises: ValueError for shapes that do not fit, negative numbers in a map that is not signed, unknown names.
    """
    count = len(images)
    arrays = {name: np.asarray(each, float) for name, each in maps.items()}
    if unknown := set(signed) - set(arrays):
        raise ValueError(f"signed names {sorted(unknown)}: expected some of {list(arrays)}")
    for name, each in arrays.items():
        if each.ndim != 3 or len(each) != count:
            raise ValueError(f"map {name!r} has shape {each.shape}: expected ({count}, rows, columns)")
        if name not in signed and each.min() < 0:
            raise ValueError(f"map {name!r} holds negative numbers: name it in `signed`")
    if says is not None:
        as_many("images and what is said of them", images, says)
    side = 0.3 if says is None else 1.5
    size = min(1.75, (11.9 - side) / (1 + len(arrays)) - 0.12, 5.6 / count - 0.32)
    pitch = size + 0.12
    width = side + (1 + len(arrays)) * pitch
    top = count * (size + 0.36) + 0.65
    least = side + (7.0 if 0 < len(signed) < len(arrays) else 4.6)  # what the scales below need
    figure, page = paper(max(width + 0.1, least), top + 0.6, f"where a network looks in each of {count} images")
    names = [wrapped(name, pitch, 14) for name in ["image", *arrays]]
    for k, name in enumerate(names):
        page.text(side + k * pitch + size / 2, top + 0.08, name, fontsize=14, ha="center", va="bottom", linespacing=1.0)
    for n in range(count):
        y = top - (n + 1) * (size + 0.36) + 0.36
        if says is not None:
            page.text(0.15, y + size / 2, wrapped(says[n], side - 0.2, 14), fontsize=14, va="center")
        picture(page, images[n], place=(side, y, size, size))
        for k, (name, each) in enumerate(arrays.items()):
            place = (side + (k + 1) * pitch, y, size, size)
            picture(page, _drained(images[n]), place=place, ink=0.35)
            most = float(np.abs(each[n]).max()) or 1.0
            scale: Any = {"cmap": _SIGNED, "vmin": -most} if name in signed else {"cmap": _WASH, "vmin": 0}
            spread(page, each[n], place, vmax=most, **scale)
            page.text(side + (k + 1) * pitch + size / 2, y - 0.15, f"{'±' if name in signed else ''}{most:.2f}",
                      fontsize=12, ha="center", va="center")  # fmt: skip
    plain = len(arrays) > len(signed)
    for x, low, cmap, wanted in ((side, "0", _WASH, plain), (side + 5.1 * plain, "−", _SIGNED, len(signed) > 0)):
        if wanted:
            spread(page, np.linspace(0, 1, 64)[None], (x + 0.2, 0.34, 1.5, 0.2), cmap=cmap)
            page.text(x + 0.12, 0.44, low, fontsize=14, ha="right", va="center")
            page.text(x + 1.8, 0.44, "the number below the map" if low == "0" else "+", fontsize=14, va="center")
    return figure


def _drained(image: np.ndarray) -> np.ndarray:
    """An image without its colors, as ink on white."""
    shown = checked(image)
    return shown if len(shown) == 1 else 1 - shown.mean(0, keepdims=True)


@styled
def deletion(
    removed: Sequence[int], accuracy: Mapping[str, np.ndarray], chance: float, way: str = "taken away"
) -> LectureFigure:
    """Show the accuracy against the number of patches taken away, a line for each order in which they are taken.

    `way` says how they are taken away, such as "covered"; it stands on the axis and in the title.
    Shapes: accuracy[name] (seeds, n) from 0 to 1, at n numbers of patches.
    """
    arrays = {name: 100 * each for name, each in results(accuracy, len(removed), "accuracy").items()}
    figure = new_figure(11, 4.8, f"accuracy against the number of patches {way}, by {', '.join(arrays)}")
    (ax,) = axes(figure)
    ends = means_and_seeds(ax, removed, arrays)
    ax.axhline(100 * chance, color=GREY, ls="--", lw=2)
    ax.set(ylim=(-3, 104), xlabel=f"patches {way}", ylabel="still right (%)\nline: mean; hollow: one seed each")
    ax.set_xticks(list(removed))
    ax.set_title(f"Patches {way}, most important first: the steeper the fall, the better the order", fontsize=15)
    label_ends(ax, removed[-1], {**ends, "chance": 100 * chance}, [*STATE_COLOURS[: len(ends)], GREY], 3.7)
    return figure


@styled
def by_training_size(
    sizes: Sequence[int], accuracy: Mapping[str, np.ndarray], chance: float, highlight: Sequence[str] = ()
) -> LectureFigure:
    """Show the accuracy against the number of training images, a line per model, sizes on a log scale.

    Models in `highlight` are drawn wide, the others gray; between two of them the gap at the left is marked.
    Shapes: accuracy[name] (seeds, n) from 0 to 1, at n sizes.
    """
    arrays = {name: 100 * each for name, each in results(accuracy, len(sizes), "accuracy").items()}
    figure = new_figure(11, 5.2, f"test accuracy against the number of training images, for {', '.join(arrays)}")
    (ax,) = axes(figure)
    unknown = sorted(set(highlight) - set(arrays))
    if unknown:
        raise ValueError(f"highlight {unknown}: expected names among {sorted(arrays)}")
    ends = means_and_seeds(ax, sizes, arrays)
    for name, line in zip(arrays, [each for each in ax.lines if np.size(each.get_xdata()) > 1], strict=False):
        line.set_linewidth(4 if name in highlight else 1.6 if highlight else line.get_linewidth())
    if len(highlight) == 2:
        upper, lower = sorted((arrays[name][:, 0].mean() for name in highlight), reverse=True)
        x = sizes[0] * 0.93
        ax.annotate("", (x, lower), (x, upper), arrowprops={"arrowstyle": "<->", "lw": 1.8, "shrinkA": 0, "shrinkB": 0})
        ax.text(x * 0.96, (upper + lower) / 2, f"{upper - lower:.0f}\npoints", ha="right", va="center", fontsize=15)
    low, high = bracket(arrays.values())
    low, high = np.floor(low), high + 0.1 * (high - low)
    ax.set(xscale="log", ylim=(low, high), xlabel="training images (log scale)")
    ax.set_yticks([tick for tick in ax.get_yticks() if low <= tick <= min(high, 100)])
    ax.set_ylabel("right on test images (%)\nline: mean; hollow: one seed each")
    ax.set_title(f"the axis begins at {low:.0f}; chance is {100 * chance:.0f}", fontsize=13)
    ax.set_xticks(list(sizes), [f"{size:,}" for size in sizes])
    ax.xaxis.set_minor_locator(NullLocator())
    named = {f"{name}: {arrays[name][:, 0].mean():.0f} to {end:.0f}": end for name, end in ends.items()}
    label_ends(ax, sizes[-1], named, STATE_COLOURS, 4.2, points=14)
    if len(highlight) == 2:
        ax.set_xlim(left=sizes[0] * 0.62)  # room for the gap's label
    return figure


@styled
def patch_sides(sides: Sequence[int], tokens: Sequence[int], cost: Sequence[float] | np.ndarray,
                accuracy: np.ndarray) -> LectureFigure:  # fmt: skip
    """Show what the side of a patch does: the accuracy, and the work for one image, with the number of tokens.

    Shapes: tokens and cost (n,), cost in FLOPs; accuracy (seeds, n) from 0 to 1, at n sides.
    """
    as_many("sides and tokens", sides, tokens)
    as_many("sides and cost", sides, cost)
    right = 100 * results({"accuracy": accuracy}, len(sides), "accuracy")["accuracy"]
    figure = new_figure(12, 4.7, f"accuracy and work for one image with patches of {', '.join(map(str, sides))} pixels")
    one, two = axes(figure, 1, 2)
    places = np.arange(len(sides))
    means_and_seeds(one, places, {"": right})
    for x, mean in enumerate(right.mean(0)):
        one.annotate(f"{mean:.1f}", (x, mean), xytext=(11, 9), textcoords="offset points", fontsize=14, color=BLUE,
                     path_effects=HALO)  # fmt: skip
    low, high = bracket([right], 0.14)
    low = np.floor(low)
    one.set(ylim=(low, high), ylabel=f"right on test images (%)\naxis begins at {low:.0f}")
    one.set_title("Accuracy; hollow: one seed each")
    two.bar(places, cost, width=0.55, color=ORANGE)
    for x, work in enumerate(cost):
        two.text(x, work * 1.12, _flops(work), ha="center", va="bottom", fontsize=14)
    two.set(yscale="log", ylabel="FLOPs for one image (log scale)", ylim=(min(cost) / 3, max(cost) * 3))
    two.yaxis.set_minor_formatter(NullFormatter())
    two.set_title("Work for one image")
    for ax in (one, two):
        ax.set_xticks(places, [f"{side} × {side}\n{n} {'token' if n == 1 else 'tokens'}"
                               for side, n in zip(sides, tokens, strict=True)], fontsize=14)  # fmt: skip
        ax.set_xlim(-0.5, len(sides) - 0.5)
        ax.set_xlabel("pixels of a patch")
    return figure


def _flops(work: float) -> str:
    """A count of operations in words, three digits."""
    for unit, name in ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if work >= unit:
            return f"{work / unit:.3g} {name}"
    return f"{work:.0f}"
