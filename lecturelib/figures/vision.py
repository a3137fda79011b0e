"""Figures of notebook 05: patches as words, networks compared, positions, where a vision transformer looks."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.patches import Rectangle

from lecturelib.figures.colors import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, STATE_COLORS
from lecturelib.figures.given import few, known, results, same_shape
from lecturelib.figures.paper import arrow, paper
from lecturelib.figures.parts import bracket, label_ends, means_and_seeds, wrapped
from lecturelib.figures.pictures import HALO, cell, checked, picture, side_of
from lecturelib.figures.style import LectureFigure, axes, new_figure, styled
from lecturelib.figures.units import signed


@styled
def patches(image: np.ndarray, patches: np.ndarray) -> LectureFigure:
    """Show an image with its grid of patches, numbered, and beside it the patches as a row of words.

    Shapes: image (C, height, width), patches (N, C, P, P), row by row, at most 64. Raises: ValueError for others.
    """
    whole, cut = checked(image), np.asarray(patches)
    few("patches", cut, 64)
    same_shape("patches and squares that fill the image", cut.shape[2:], (side_of(whole, len(cut)),) * 2)
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


@styled
def cuts(image: np.ndarray, cut: Mapping[str, np.ndarray], pixels: Mapping[str, np.ndarray]) -> LectureFigure:
    """Show ways to cut one image: where the first patches come from, the patches, and all of them at their places.

    A way is right (✓) if its patches, laid row by row, give the image.
    Shapes: image (C, height, width), cut[name] (N, C, P, P); pixels[name] is the same cut of an image that holds the
    number of each pixel. Raises: ValueError for more than three ways.
    """
    whole = checked(image)
    few("ways to cut", cut, 3)
    _, height, width = whole.shape
    cut = {name: np.asarray(each) for name, each in cut.items()}
    shapes = " and ".join(dict.fromkeys(f"{each.shape[-1]} × {each.shape[-1]}" for each in cut.values()))
    high = 1.75
    top = 0.25 + len(cut) * (high + 0.4)
    figure, page = paper(12, top, f"one image cut in {len(cut)} ways: {', '.join(cut)}")
    wide, small = high * width / height, 0.7 * high
    second = 0.3 + wide + 0.8
    third = second + 3 * (small + 0.2) + 0.7
    heads = "the image", f"patches 0, 1, 2, as {shapes}", "all patches at their places"
    for x, words in zip((0.3, second, third), heads, strict=True):
        page.text(x, top - 0.3, words, fontsize=15, weight="bold", va="center")
    for k, (name, parts) in enumerate(cut.items()):
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
        rows = parts.reshape(down, across, -1, P, P).transpose(2, 0, 3, 1, 4)  # (C, down, P, across, P)
        good = np.allclose(rows.reshape(whole.shape), whole)
        words = wrapped(f"{'✓' if good else '✗'} {name}", 11.65 - third - wide, 18)  # bold letters are wide
        look: dict[str, Any] = {"weight": "bold", "color": BLUE if good else RED}
        page.text(third + wide + 0.25, y + high / 2, words, fontsize=15, va="center", **look)
    return figure


@styled
def accuracies(
    panels: Mapping[str, Mapping[str, np.ndarray]],
    chance: float,
    highlight: Sequence[str] = (),
    axis: str = "right on test images (%)",
    mark: str = "seed",
) -> LectureFigure:
    """Show how often several ways are right, in panels that share their rows: hollow marks for seeds, ticks for means.

    `axis` says what is counted, and which end is the better one where that is not plain; `mark` what a mark stands for.
    Shapes: panels[title][name] (seeds,) from 0 to 1, with the same names in each. Raises: ValueError for others, more
    than three panels, and unknown names to highlight.
    """
    few("panels", panels, 3)
    parts = {title: {n: 100 * e for n, e in results(each, "scores").items()} for title, each in panels.items()}
    names = list(next(iter(parts.values())))
    for title, each in parts.items():
        known(f"the panel {title!r}", each, names)
    known("highlight", highlight, names)
    figure = new_figure(12 if len(parts) > 1 else 10, 1.7 + 0.55 * len(names))
    columns = axes(figure, 1, len(parts), sharey=True)
    low, high = bracket([e for each in parts.values() for e in each.values()])
    for ax, (title, each) in zip(columns, parts.items(), strict=True):
        for row, name in enumerate(names):
            color, weight = GREY, "normal"
            if name in highlight:
                color, weight = BLUE, "bold"
                ax.axhspan(row - 0.46, row + 0.46, color=BLUE, alpha=0.1, lw=0)
            mean = each[name].mean()
            ax.plot(each[name], np.full(len(each[name]), row), "o", mfc="none", mec=color, mew=2, ms=10)
            ax.plot([mean, mean], [row - 0.34, row + 0.34], color=color, lw=4.5)
            beside: dict[str, Any] = {"transform": ax.get_yaxis_transform(), "va": "center", "fontsize": 16}
            ax.text(1.02, row, f"{mean:.0f}", weight=weight, **beside)
        ax.tick_params("y", length=0)
        if low < 100 * chance < high:
            ax.axvline(100 * chance, color=GREY, ls="--")
        ax.set(ylim=(len(names) - 0.5, -0.5), xlim=(max(0, np.floor(low)), min(high, 102)), xlabel=axis)
        ax.set_title(title, fontsize=15)
    columns[0].set_yticks(range(len(names)), names, fontsize=15)
    for name, label in zip(names, columns[0].get_yticklabels(), strict=True):
        label.set_fontweight("bold" if name in highlight else "normal")
    starts = "" if low <= 0 else "; the axis does not begin at 0"
    words = f"tick and number: mean; hollow: one {mark} each; chance is {100 * chance:.0f}{starts}"
    figure.suptitle(words, fontsize=13)
    return figure


@styled
def before_after(examples: Mapping[str, np.ndarray], scores: Mapping[str, tuple[np.ndarray, np.ndarray]],
                 ends: tuple[str, str]) -> LectureFigure:  # fmt: skip
    """Show example images, and how often each method is right before a change and after it.

    Shapes: examples[title] (C, height, width), at most 3; scores[name] a pair of (seeds,) from 0 to 1, for the two
    `ends`. Raises: ValueError for others.
    """
    few("examples", examples, 3)
    pairs = results({name: 100 * np.stack(list(map(np.asarray, p)), -1) for name, p in scores.items()}, "scores", 2)
    figure = new_figure(12, 4.8)
    panels = figure.subplot_mosaic([[title, "right"] for title in examples], width_ratios=[1, 3.1])
    right = panels.pop("right")
    for (title, place), image in zip(panels.items(), examples.values(), strict=True):
        picture(place, image)
        place.set_title(title, fontsize=14)
    lines = means_and_seeds(right, [0, 1], pairs)
    low, high = bracket(pairs.values())
    right.set(xlim=(-0.15, 1.05), ylim=(np.floor(low), high),
              ylabel="right on test images (%);\nthe axis does not begin at 0")  # fmt: skip
    right.set_xticks([0, 1], list(ends), fontsize=15)
    right.set_title("line: mean; hollow: one seed each", fontsize=13)
    changes = {name: signed(float(np.diff(each.mean(0))[0]), 1) for name, each in pairs.items()}
    named = {f"{name}: {changes[name]} points": lines[name] for name in pairs}
    label_ends(right, 1, named, STATE_COLORS, 3.6, points=15)
    return figure
