"""Figures of notebook 05: patches as words, networks compared, positions, where a vision transformer looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullFormatter, NullLocator

from lecturelib.figures.colors import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, STATE_COLORS
from lecturelib.figures.given import as_many, few, known, positive, results, same_shape
from lecturelib.figures.paper import arrow, paper
from lecturelib.figures.parts import bracket, label_ends, means_and_seeds, wrapped
from lecturelib.figures.pictures import HALO, cell, checked, mosaic, picture, side_of, spread
from lecturelib.figures.style import LectureFigure, axes, new_figure, panel, styled

_WASH = LinearSegmentedColormap.from_list("wash", [(*to_rgb(RED), 0.0), (*to_rgb(RED), 0.9)])
_SIGNED = LinearSegmentedColormap.from_list(
    "signed", [(0, (*to_rgb(BLUE), 0.9)), (0.5, (*to_rgb(BLUE), 0)), (0.5, (*to_rgb(RED), 0)), (1, (*to_rgb(RED), 0.9))]
)


@styled
def patches(image: np.ndarray, patches: np.ndarray) -> LectureFigure:
    """Show an image with its grid of patches, numbered, and beside it the patches as a row of words.

    Shapes: image (C, height, width), patches (N, C, P, P), row by row, at most 64. Raises: ValueError for others.
    """
    whole, cut = checked(image), _checked_cut("patches", patches, image)
    few("patches", cut, 64)
    N, C, P, _ = cut.shape
    figure, page = paper(12, 4.9, f"an image cut into {N} patches, and the same patches in a row like words")
    _, height, width = whole.shape
    high = min(3.9, 3.9 * height / width)
    place = (0.25, 0.3 + (3.9 - high) / 2, high * width / height, high)
    picture(page, whole, place=place, grid=P, frame=ORANGE)
    start, in_line = 0.25 + high * width / height + 0.95, 2 * width // P
    arrow(page, (start - 0.75, 2.25), (start - 0.15, 2.25))
    lines = -(-N // in_line)
    pitch = min((11.8 - start) / in_line, 3.9 / lines - 0.3)
    number: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 13, "weight": "bold", "color": "#9a4300"}
    for n, each in enumerate(cut):
        (x, y), wide, tall = cell(place, height // P, width // P, n)
        page.text(x + wide / 2, y + tall / 2, str(n), path_effects=HALO, **number)
        row, column = divmod(n, in_line)
        x, y = start + column * pitch, 2.25 + (lines / 2 - row) * (pitch + 0.3) - pitch
        picture(page, each, place=(x, y, 0.86 * pitch, 0.86 * pitch))
        page.text(x + 0.43 * pitch, y - 0.14, str(n), **number)
    numbers = f"{C} × {P} × {P}" if C > 1 else f"{P} × {P}"
    words = f"{N} words, each of {numbers} = {C * P * P} numbers"
    for x, title in ((0.25, f"an image of {height} × {width} pixels"), (start, words)):
        page.text(x, 4.6, title, fontsize=15, weight="bold", va="center")
    return figure


def _checked_cut(what: str, cut: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Return the patches (N, C, P, P) of an image. Raises: ValueError where they do not fill it."""
    found = np.asarray(cut, float)
    if found.ndim != 4:
        raise ValueError(f"{what} have shape {found.shape}: expected (N, C, P, P); unflatten the pixels of each patch")
    same_shape(f"the side that fills the image and {what}", (side_of(image, len(found)),) * 2, found.shape[2:])
    return found


@styled
def cuts(image: np.ndarray, cut: Mapping[str, np.ndarray], pixels: Mapping[str, np.ndarray]) -> LectureFigure:
    """Show ways to cut one image: where the first patches come from, the patches, and all of them at their places.

    A way is right (✓) if its patches, laid row by row, give the image.
    Shapes: image (C, height, width), cut[name] (N, C, P, P); pixels[name] is the same cut of an image that holds the
    number of each pixel. Raises: ValueError for more than three ways, and for patches that do not fill the image.
    """
    whole = checked(image)
    few("ways to cut", cut, 3)
    _, height, width = whole.shape
    high = 1.75
    top = 0.25 + len(cut) * (high + 0.4)
    figure, page = paper(12, top, f"one image cut in {len(cut)} ways: {', '.join(cut)}")
    wide, small = high * width / height, 0.7 * high
    second = 0.3 + wide + 0.8
    third = second + 3 * (small + 0.2) + 0.7
    for x, words in ((0.3, "the image"), (second, "patches 0, 1, 2"), (third, "all patches at their places")):
        page.text(x, top - 0.3, words, fontsize=15, weight="bold", va="center")
    for k, (name, each) in enumerate(cut.items()):
        parts = _checked_cut(f"patches of {name!r}", each, image)
        P = parts.shape[-1]
        down, across = height // P, width // P
        y = top - 0.55 - k * (high + 0.4) - high
        left, laid = (0.3, y, wide, high), (third, y, wide, high)
        picture(page, whole, place=left)
        for n, color in zip(range(len(parts)), (PURPLE, ORANGE, GREEN), strict=False):
            for pixel in np.unique(np.asarray(pixels[name][n][0]).astype(int)).tolist():
                page.add_patch(Rectangle(*cell(left, height, width, pixel), fc=color, alpha=0.6, lw=0))
            place = (second + n * (small + 0.2), y + (high - small) / 2, small, small)
            picture(page, parts[n], place=place, frame=color)
        for end in (second, third):
            arrow(page, (end - 0.62, y + high / 2), (end - 0.15, y + high / 2))
        for n, part in enumerate(parts):  # with a gap between them
            (x, low), w, h = cell(laid, down, across, n)
            picture(page, part, place=(x + 0.04 * w, low + 0.04 * h, 0.92 * w, 0.92 * h))
        good = np.allclose(mosaic(parts, down), whole)
        words = wrapped(f"{'✓' if good else '✗'} {name}", 11.65 - third - wide, 18)  # bold letters are wide
        look: dict[str, Any] = {"weight": "bold", "color": BLUE if good else RED}
        page.text(third + wide + 0.25, y + high / 2, words, fontsize=15, va="center", **look)
    return figure


@styled
def accuracies(scores: Mapping[str, np.ndarray], chance: float, highlight: str | None = None) -> LectureFigure:
    """Show the test accuracy of several models: a hollow mark per seed, a tick and a number for the mean.

    Shapes: scores[name] (seeds,) from 0 to 1. Raises: ValueError for others, and an unknown name to highlight.
    """
    arrays = {name: 100 * each for name, each in results(scores, "scores").items()}
    known("highlight", [highlight] if highlight is not None else [], arrays)
    figure, ax = panel(11, 1.6 + 0.55 * len(arrays))
    low, high = bracket(arrays.values())
    ax.set_yticks(range(len(arrays)), list(arrays), fontsize=15)
    for row, ((name, each), label) in enumerate(zip(arrays.items(), ax.get_yticklabels(), strict=True)):
        color, weight = (BLUE, "bold") if name == highlight else (GREY, "normal")
        if name == highlight:
            ax.axhspan(row - 0.46, row + 0.46, color=BLUE, alpha=0.1, lw=0)
        mean = each.mean()
        ax.plot(each, np.full(len(each), row), "o", mfc="none", mec=color, mew=2, ms=11)
        ax.plot([mean, mean], [row - 0.34, row + 0.34], color=color, lw=4.5)
        right: dict[str, Any] = {"transform": ax.get_yaxis_transform(), "weight": weight}
        ax.text(1.015, row, f"{mean:.1f} %", va="center", fontsize=16, **right)
        label.set_fontweight(weight)
    ax.tick_params("y", length=0)
    if low < 100 * chance < high:
        ax.axvline(100 * chance, color=GREY, ls="--")
    ax.set(ylim=(len(arrays) - 0.5, -0.5), xlim=(np.floor(low), min(high, 100.5)))
    ax.set_xlabel(f"right on test images (%); {_NOT_ZERO}, chance is {100 * chance:.0f}")
    ax.set_title("tick and number: mean; hollow: one seed each", fontsize=13)
    return figure


_NOT_ZERO = "the axis does not begin at 0"


@styled
def shuffled(example: tuple[np.ndarray, np.ndarray],
             scores: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> LectureFigure:  # fmt: skip
    """Show an image as it is and with its patches shuffled, and what the same shuffle in all images costs a network.

    Shapes: example two images (C, height, width); scores[name] a pair of (seeds,) from 0 to 1, without the shuffle and
    with it. Raises: ValueError for others.
    """
    for name, (as_is, moved) in scores.items():
        same_shape(f"the two scores of {name!r}", np.shape(as_is), np.shape(moved))
    pairs = results({name: 100 * np.stack(list(map(np.asarray, p)), -1) for name, p in scores.items()}, "scores", 2)
    figure = new_figure(12, 4.8)
    panels = figure.subplot_mosaic([["as it is", "right"], ["patches shuffled", "right"]], width_ratios=[1, 3.1])
    right = panels.pop("right")
    for (title, place), image in zip(panels.items(), example, strict=True):
        picture(place, image)
        place.set_title(title)
    ends = means_and_seeds(right, [0, 1], pairs)
    low, high = bracket(pairs.values())
    right.set(xlim=(-0.15, 1.05), ylim=(np.floor(low), high))
    right.set_xticks([0, 1], ["as they are", "one shuffle for all images"], fontsize=15)
    right.set_ylabel(f"right on test images (%);\n{_NOT_ZERO}")
    right.set_title("line: mean; hollow: a seed each", fontsize=13)
    named = {f"{name}: {_points(each.mean(0)[1] - each.mean(0)[0])}": ends[name] for name, each in pairs.items()}
    label_ends(right, 1, named, STATE_COLORS, 3.6, points=15)
    return figure


def _points(change: float) -> str:
    return f"{change:+.1f} points".replace("-", "−").replace("+0.0", "0.0").replace("−0.0", "0.0")


@styled
def looked_at(images: np.ndarray, maps: Mapping[str, np.ndarray], signed: Sequence[str] = ()) -> LectureFigure:
    """Show for each image where a network looks: a row per image, a column per map, washed over the faint image.

    Shapes: images (n, C, height, width), maps[name] (n, rows, columns); those in `signed` may be negative.
    Raises: ValueError for others, and for unknown names.
    """
    count, arrays = len(images), {name: np.asarray(each, float) for name, each in maps.items()}
    known("signed", signed, arrays)
    for name, each in arrays.items():
        if each.ndim != 3 or len(each) != count:
            raise ValueError(f"map {name!r} has shape {each.shape}: expected ({count}, rows, columns)")
        if name not in signed and each.min() < 0:
            raise ValueError(f"map {name!r} holds negative numbers: expected none; name it in `signed`")
    size = min(1.75, 11.6 / (1 + len(arrays)) - 0.12, 5.6 / count - 0.32)
    pitch = size + 0.12
    top = count * (size + 0.36) + 0.65
    width = max(0.4 + (1 + len(arrays)) * pitch, 7.6)  # what the scales below need
    figure, page = paper(width, top + 0.6, f"where a network looks in each image: {', '.join(arrays)}")
    for k, name in enumerate(["image", *arrays]):
        x = 0.3 + k * pitch
        title = wrapped(name, pitch, 14)
        page.text(x + size / 2, top + 0.08, title, fontsize=14, ha="center", va="bottom", linespacing=1.0)
        for n in range(count):
            place = (x, top - n * (size + 0.36) - size, size, size)
            if k == 0:
                picture(page, images[n], place=place)
                continue
            each = arrays[name][n]
            most, mark = float(np.abs(each).max()) or 1.0, "±" if name in signed else ""
            picture(page, _drained(images[n]), place=place, ink=0.35)
            spread(page, each, place, cmap=_SIGNED if mark else _WASH, vmin=-most if mark else 0, vmax=most)
            page.text(x + size / 2, place[1] - 0.15, f"{mark}{most:.2f}", fontsize=12, ha="center", va="center")
    for x, low, high, cmap in ((0.3, "0", "the number below the map", _WASH), (5.4, "−", "+", _SIGNED)):
        if len(signed) < len(arrays) if cmap is _WASH else signed:
            spread(page, np.linspace(0, 1, 64)[None], (x + 0.2, 0.34, 1.5, 0.2), cmap=cmap)
            page.text(x + 0.12, 0.44, low, fontsize=14, ha="right", va="center")
            page.text(x + 1.8, 0.44, high, fontsize=14, va="center")
    return figure


def _drained(image: np.ndarray) -> np.ndarray:
    """An image without its colors, as ink on white."""
    shown = checked(image)
    return shown if len(shown) == 1 else 1 - shown.mean(0, keepdims=True)


@styled
def deletion(
    removed: Sequence[int], accuracy: Mapping[str, np.ndarray], chance: float, way: str = "taken away"
) -> LectureFigure:
    """Show the accuracy against the number of patches taken away in some `way`, a line for each order.

    Shapes: accuracy[name] (seeds, n) from 0 to 1, at n numbers of patches. Raises: ValueError for others.
    """
    arrays = {name: 100 * each for name, each in results(accuracy, "accuracy", len(removed)).items()}
    figure, ax = panel(11, 4.8)
    ends = means_and_seeds(ax, removed, arrays)
    ax.axhline(100 * chance, color=GREY, ls="--", lw=2)
    ax.set(ylim=(-3, 104), xlabel=f"patches {way}", ylabel="still right (%)\nline: mean; hollow: one seed each")
    ax.set_xticks(list(removed))
    ax.set_title(f"Patches {way}, most important first: the steeper the fall, the better the order", fontsize=15)
    label_ends(ax, removed[-1], {**ends, "chance": 100 * chance}, STATE_COLORS, 3.7)
    return figure


@styled
def by_training_size(
    sizes: Sequence[int], accuracy: Mapping[str, np.ndarray], chance: float, highlight: Sequence[str]
) -> LectureFigure:
    """Show the accuracy by the number of training images; the gap between two models in `highlight` is marked.

    Shapes: accuracy[name] (seeds, n) from 0 to 1, at n sizes. Raises: ValueError for others, and for unknown names.
    """
    arrays = {name: 100 * each for name, each in results(accuracy, "accuracy", len(sizes)).items()}
    known("highlight", highlight, arrays)
    as_many("highlight and the two ends of a gap", highlight, (0, 1))
    figure, ax = panel(11, 5.2)
    ends = means_and_seeds(ax, sizes, arrays)
    for line in ax.lines:
        line.set_linewidth(4 if line.get_label() in highlight else 1.6)
    lower, upper = sorted(arrays[name][:, 0].mean() for name in highlight)
    x = sizes[0] * 0.93
    ax.annotate("", (x, lower), (x, upper), arrowprops={"arrowstyle": "<->", "lw": 1.8, "shrinkA": 0, "shrinkB": 0})
    ax.text(x * 0.96, (upper + lower) / 2, f"{upper - lower:.0f}\npoints", ha="right", va="center", fontsize=15)
    low, high = bracket(arrays.values())
    ax.set(xscale="log", ylim=(np.floor(low), high + 0.1 * (high - low)), xlabel="training images (log scale)")
    ax.set_yticks([tick for tick in ax.get_yticks() if np.floor(low) <= tick <= 100])
    ax.set_ylabel("right on test images (%)\nline: mean; hollow: one seed each")
    ax.set_title(f"{_NOT_ZERO}; chance is {100 * chance:.0f}", fontsize=13)
    ax.set_xticks(list(sizes), [f"{size:,}" for size in sizes])
    ax.xaxis.set_minor_locator(NullLocator())
    named = {f"{name}: {arrays[name][:, 0].mean():.0f} to {end:.0f}": end for name, end in ends.items()}
    label_ends(ax, sizes[-1], named, STATE_COLORS, 4.2, points=14)
    ax.set_xlim(left=sizes[0] * 0.62)  # room for the gap's label
    return figure


@styled
def patch_sides(sides: Sequence[int], tokens: Sequence[int], cost: Sequence[float] | np.ndarray,
                accuracy: np.ndarray) -> LectureFigure:  # fmt: skip
    """Show what the side of a patch does: the accuracy, and the work for one image, with the number of tokens.

    Shapes: tokens and cost (n,), in FLOPs; accuracy (seeds, n) from 0 to 1, at n sides. Raises: ValueError for others.
    """
    as_many("sides and tokens", sides, tokens)
    work = positive("FLOPs", cost, (len(sides),))
    right = 100 * results({"accuracy": accuracy}, "accuracy", len(sides))["accuracy"]
    figure = new_figure(12, 4.7)
    one, two = axes(figure, 1, 2)
    places = np.arange(len(sides))
    means_and_seeds(one, places, {"_": right})
    for x, mean in enumerate(right.mean(0)):
        one.annotate(f"{mean:.1f}", (x, mean), xytext=(11, 9), textcoords="offset points", fontsize=14, color=BLUE,
                     path_effects=HALO)  # fmt: skip
    low, high = bracket([right], 0.14)
    one.set(ylim=(np.floor(low), high), ylabel=f"right on test images (%);\n{_NOT_ZERO}")
    one.set_title("Accuracy; hollow: one seed each")
    two.bar(places, work, width=0.55, color=ORANGE)
    for x, each in enumerate(work):
        two.text(x, each * 1.12, _flops(each), ha="center", va="bottom", fontsize=14)
    two.set(yscale="log", ylabel="FLOPs for one image (log scale)", ylim=(min(work) / 3, max(work) * 3))
    two.yaxis.set_minor_formatter(NullFormatter())
    two.set_title("Work for one image")
    names = [f"{side} × {side}:\n{n} {'token' if n == 1 else 'tokens'}" for side, n in zip(sides, tokens, strict=True)]
    for ax in (one, two):
        ax.set_xticks(places, names, fontsize=14)
        ax.set(xlim=(-0.5, len(sides) - 0.5), xlabel="pixels of a patch")
    return figure


def _flops(work: float) -> str:
    """A count of operations in words, three digits."""
    for unit, name in ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if work >= unit:
            return f"{work / unit:.3g} {name}"
    return f"{work:.0f}"
