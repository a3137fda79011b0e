"""Figures of notebook 06: free labels, reconstructions, errors of hidden pixels, the leak, the encoder's cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.ticker import NullFormatter

from lecturelib.figures.paper import paper
from lecturelib.figures.parts import label_ends, same_shape, wrapped
from lecturelib.figures.pictures import as_many, means_and_seeds, per_seed, picture, results
from lecturelib.figures.style import (
    BLUE,
    GREY,
    MARKERS,
    RED,
    STATE_COLOURS,
    LectureFigure,
    axes,
    new_figure,
    styled,
)

_DIGITS = ((1, 2, 3, 5), (1, 3), (1,))  # of the ticks on a log scale: as many as fit


@styled
def reconstructions(columns: Mapping[str, np.ndarray], mask: np.ndarray | None = None, hatched: Sequence[str] = (),
                    errors: Mapping[str, np.ndarray] | None = None) -> LectureFigure:  # fmt: skip
    """Show images side by side under their names, in those named in `hatched` with the hidden patches hatched.

    Each image is a row, or a column where the pictures become larger so. With errors, a number stands under a picture,
    and the best one of each image is bold.
    Shapes: columns[name] (n, C, height, width), mask (n, N) bool, True = hidden, errors[name] (n,) for some names.
    Raises: ValueError for numbers of images that differ, names that are not among the columns, and no mask to hatch.
    """
    arrays = {name: np.asarray(each, float) for name, each in columns.items()}
    count = _count_images(arrays)
    numbers = {name: np.asarray(each, float) for name, each in (errors or {}).items()}
    _check_names("hatched", hatched, arrays)
    _check_names("errors", numbers, arrays)
    for name, each in numbers.items():
        same_shape(f"errors of {name!r} and the images", each.shape, (count,))
    if hatched and mask is None:
        raise ValueError(f"hatched={list(hatched)} without a mask: expected mask (n, N), True = hidden")
    if mask is not None:
        as_many("masks and images", mask, next(iter(arrays.values())))
    under = 0.3 if numbers else 0.06
    down = min(11.6 / len(arrays) - 0.15, 5.9 / count - under)  # an image is a row
    across = min(9.8 / count - 0.15, 6.2 / len(arrays) - under)  # an image is a column
    turned = across > 1.05 * down
    size = min(2.1, max(down, across))
    wide, high = size + 0.15, size + under
    if not turned:
        wide = max(wide, min(size + 0.6, 11.6 / len(arrays)))  # room for the names
    says = f"{count} images, each as {', '.join(arrays)}"
    if turned:
        figure, page = paper(count * wide + 2.15, len(arrays) * high + 0.25, says)
    else:
        titles = [wrapped(name, wide, 15) for name in arrays]
        head = 0.25 + 0.25 * max(title.count("\n") + 1 for title in titles)
        figure, page = paper(max(len(arrays) * wide + 0.25, 5), count * high + head + 0.15, says)
    top, spare = figure.get_figheight(), (wide - size) / 2 - 0.075
    digits = 3 if all((each >= 0.01).all() for each in numbers.values()) else 4
    best = {n: min(numbers, key=lambda name: numbers[name][n]) for n in range(count)} if len(numbers) > 1 else {}
    for k, (name, each) in enumerate(arrays.items()):
        if turned:
            y = top - 0.1 - (k + 0.5) * high
            page.text(1.9, y, wrapped(name, 1.8, 15), fontsize=15, ha="right", va="center")
        else:
            page.text(0.2 + spare + k * wide + size / 2, top - head + 0.08, titles[k], fontsize=15, ha="center",
                      va="bottom", linespacing=1.0)  # fmt: skip
        for n in range(count):
            x, y = (2.05 + n * wide, top - 0.1 - k * high - size) if turned else (
                0.2 + spare + k * wide, top - head - n * high - size)  # fmt: skip
            hidden = mask[n] if mask is not None and name in hatched else None
            picture(page, each[n], hidden, place=(x, y, size, size))
            if name in numbers:
                won = best.get(n) == name
                page.text(x + size / 2, y - 0.15, f"{numbers[name][n]:.{digits}f}", fontsize=14, ha="center",
                          va="center", weight="bold" if won else "normal", color=BLUE if won else "black")  # fmt: skip
    return figure


def _error(value: float) -> str:
    """An error with two digits that count, and three places at least: 0.00084, 0.0046, 0.013."""
    places = 3 if value >= 0.01 else 4 if value >= 0.001 else 5
    return f"{value:.{places}f}"


def _count_images(arrays: Mapping[str, np.ndarray]) -> int:
    counts = {name: len(each) for name, each in arrays.items()}
    if len(set(counts.values())) != 1 or any(each.ndim != 4 for each in arrays.values()):
        shapes = {name: each.shape for name, each in arrays.items()}
        raise ValueError(f"columns have shapes {shapes}: expected (n, C, height, width), as many images in each")
    return next(iter(counts.values()))


def _check_names(what: str, names: Sequence[str] | Mapping[str, np.ndarray], known: Mapping[str, np.ndarray]) -> None:
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"{what} names {unknown}: expected some of {list(known)}")


@styled
def errors_along(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], lines: Mapping[str, float],
                 xlabel: str = "training steps") -> LectureFigure:  # fmt: skip
    """Show the error on hidden pixels while networks learn, and named levels: what simpler methods reach.

    Shapes: curves[name] is (steps, errors), of one length; errors above 0, on a log scale.
    """
    figure = new_figure(12, 5.2, f"the error on hidden pixels against {xlabel}, beside {', '.join(lines)}")
    (ax,) = axes(figure)
    for k, (name, (x, y)) in enumerate(curves.items()):
        as_many(f"{xlabel} and errors of {name!r}", x, y)
        ax.plot(x, y, MARKERS[k % 6] + "-", color=STATE_COLOURS[k % 6], ms=7, lw=2.8, markevery=max(1, len(x) // 15),
                label=name)  # fmt: skip
    last = max(max(x) for x, _ in curves.values())
    ax.set_xlim(min(min(x) for x, _ in curves.values()) - 0.01 * last, 1.01 * last)
    _log_errors(ax, [*lines.values(), *(value for _, y in curves.values() for value in y)])
    for level in lines.values():
        ax.axhline(level, color=GREY, ls="--", lw=1.7, zorder=1)
    named = {f"{name}: {_error(level)}": level for name, level in lines.items()}
    label_ends(ax, 1.01 * last, named, [GREY] * len(named), 4.2, points=15)
    ax.set(xlabel=xlabel, ylabel="error on hidden pixels\n(mean squared, log scale)")
    figure.legend(loc="outside lower center", ncols=len(curves), fontsize=14)
    return figure


def _log_errors(ax: Axes, values: Sequence[float] | np.ndarray, axis: str = "y", margin: float = 0.08) -> None:
    """Give an axis of errors a log scale that holds these values, with plain numbers at its ticks."""
    flat = np.log(np.asarray(values, float))
    spare = margin * (flat.max() - flat.min()) or 0.1
    low, high = np.exp(flat.min() - spare), np.exp(flat.max() + spare)
    getattr(ax, f"set_{axis}scale")("log")
    ticks: list[float] = []
    for digits in _DIGITS:
        nice = [digit * 10.0**power for power in range(-7, 4) for digit in digits]
        ticks = [tick for tick in nice if low <= tick <= high]
        if len(ticks) <= 9:
            break
    getattr(ax, f"set_{axis}ticks")(ticks, [f"{tick:.10f}".rstrip("0") for tick in ticks])
    getattr(ax, f"{axis}axis").set_minor_formatter(NullFormatter())
    getattr(ax, f"set_{axis}lim")(low, high)


@styled
def ratio_sweep(ratios: Sequence[float], errors: Mapping[str, np.ndarray], trained: float) -> LectureFigure:
    """Show the error on hidden pixels against the share that is hidden, and the share hidden in training.

    Shapes: errors[name] (seeds, n) at n ratios from 0 to 1, above 0, on a log scale.
    """
    arrays = results(errors, len(ratios), "errors")
    figure = new_figure(11.5, 5, f"the error on hidden pixels against the share hidden, for {', '.join(arrays)}")
    (ax,) = axes(figure)
    percent = 100 * np.asarray(ratios, float)
    ax.axvline(100 * trained, color=RED, ls="--", lw=2.5, zorder=0)
    ends = means_and_seeds(ax, percent, arrays)
    _log_errors(ax, np.concatenate([np.ravel(each) for each in arrays.values()]), margin=0.12)
    ax.text(100 * trained, 1.01, "hidden in training", transform=ax.get_xaxis_transform(), color=RED, fontsize=14,
            ha="center", va="bottom")  # fmt: skip
    ax.set_xticks(percent, [f"{each:.3g}" for each in percent])
    ax.set(xlabel="hidden patches (%)", ylabel="error on hidden pixels (log scale)\nline: mean; hollow: one seed each")
    label_ends(ax, float(percent[-1]), ends, STATE_COLOURS, 4.0, points=14)
    return figure


@styled
def mask_kinds(examples: Mapping[str, tuple[np.ndarray, np.ndarray]],
               errors: Mapping[str, Mapping[str, np.ndarray]]) -> LectureFigure:  # fmt: skip
    """Show ways to hide patches: an example of each, and under it the error of each method on the hidden pixels.

    Shapes: examples[kind] is an image (C, height, width) with its mask (N,) bool, True = hidden; errors[kind][method]
    (seeds,), the same kinds and methods throughout, above 0, on a log scale.
    """
    if set(examples) != set(errors):
        raise ValueError(f"examples of {list(examples)}, errors of {list(errors)}: expected the same kinds")
    arrays = {kind: per_seed(errors[kind], "errors") for kind in examples}
    methods = list(next(iter(arrays.values())))
    for kind, each in arrays.items():
        if list(each) != methods:
            raise ValueError(f"errors of {kind!r} name {list(each)}: expected {methods}, as the first kind has them")
    figure = new_figure(12, 6.2, f"the error on hidden pixels where they are hidden {', '.join(arrays)}")
    grid = figure.add_gridspec(2, len(arrays), height_ratios=[1, 1.45])
    ax = figure.add_subplot(grid[1, :])
    for k, (kind, (image, mask)) in enumerate(examples.items()):
        place = figure.add_subplot(grid[0, k])
        picture(place, image, mask)
        place.set_title(kind, loc="center", fontsize=16, weight="bold")
        if k:
            ax.axvline(k - 0.5, color=GREY, lw=1)
    _log_errors(ax, [value for each in arrays.values() for seeds in each.values() for value in seeds], margin=0.14)
    step = 0.8 / len(methods)
    for m, method in enumerate(methods):
        for k, kind in enumerate(arrays):
            x = k + (m - (len(methods) - 1) / 2) * step
            _dots(ax, x, arrays[kind][method], m, label=method if k == 0 else None)
    ax.set(xlim=(-0.5, len(arrays) - 0.5), xticks=[], ylabel="error on hidden\npixels (log scale)")
    figure.legend(loc="outside lower center", ncols=min(len(methods), 4), fontsize=14,
                  title="filled: mean, with its number; hollow: one seed each", title_fontsize=13)  # fmt: skip
    return figure


def _dots(ax: Axes, x: float, values: np.ndarray, k: int, label: str | None = None, digits: bool = True) -> None:
    """A hollow mark for each seed, a filled one for the mean, and its number."""
    color, marker = STATE_COLOURS[k % 6], MARKERS[k % 6]
    if len(values) > 1:
        ax.plot(np.full(len(values), x), values, marker, mfc="none", mec=color, ms=9, alpha=0.6)
    ax.plot([x], [values.mean()], marker, color=color, ms=11, label=label)
    if digits:
        ax.annotate(_error(values.mean()), (x, values.max()), xytext=(0, 8), textcoords="offset points", fontsize=13,
                    ha="center", va="bottom")  # fmt: skip


@styled
def leak(columns: Mapping[str, np.ndarray], errors: Mapping[str, np.ndarray], mask: np.ndarray,
         leaked: Sequence[str], hatched: Sequence[str] = ()) -> LectureFigure:  # fmt: skip
    """Show pictures that look too good beside honest ones, and their errors; those named in `leaked` are red, hatched.

    Shapes: columns[name] (n, C, height, width), mask (n, N) bool, True = hidden, errors[name] (seeds,). Names in
    `leaked` used what is hidden; in columns named in `hatched` the hidden patches are hatched.
    Raises: ValueError for numbers of images that differ, and for names that are in neither columns nor errors.
    """
    arrays = {name: np.asarray(each, float) for name, each in columns.items()}
    count = _count_images(arrays)
    seeds = per_seed(errors, "errors")
    _check_names("leaked", leaked, {**arrays, **seeds})
    _check_names("hatched", hatched, arrays)
    as_many("masks and images", mask, next(iter(arrays.values())))
    figure = new_figure(12, max(3.6, 1.3 + 1.25 * count), f"{', '.join(leaked)} beside honest ones, with their errors")
    halves = figure.add_gridspec(1, 2, width_ratios=[1.25 * len(arrays), 5.2])
    places = halves[0].subgridspec(count, len(arrays)).subplots(squeeze=False)
    for k, (name, each) in enumerate(arrays.items()):
        false = name in leaked
        for n in range(count):
            picture(places[n, k], each[n], mask[n] if name in hatched else None, frame=RED if false else GREY)
        title = wrapped(name, 6.3 / len(arrays), 16)
        places[0, k].set_title(title, fontsize=14, loc="center", color=RED if false else "black", linespacing=1.0)
    ax = figure.add_subplot(halves[1])
    for row, (name, each) in enumerate(seeds.items()):
        false = name in leaked
        ax.barh(row, each.mean(), height=0.5, color="white" if false else BLUE, hatch="///" if false else None,
                ec=RED if false else BLUE, lw=2)  # fmt: skip
        ax.plot(each, np.full(len(each), row), "o", mfc="white", mec="black", ms=8)
        ax.text(each.max(), row, f"  {_error(each.mean())}", va="center", fontsize=15, weight="bold")
        words = f"{name}: leaked" if false else name
        ax.text(0, row - 0.31, words, va="bottom", fontsize=14, color=RED if false else "black")
    widest = max(each.max() for each in seeds.values())
    ax.set(ylim=(len(seeds) - 0.6, -0.75), xlim=(0, 1.3 * widest), yticks=[])
    ax.set_xlabel("error on hidden pixels\nbar, number: mean; marks: one draw each")
    return figure


@styled
def hidden_or_all(
    errors: Mapping[str, Mapping[str, np.ndarray]],
    pictures: Mapping[str, np.ndarray],
    mask: np.ndarray | None = None,
    hatched: Sequence[str] = (),
) -> LectureFigure:
    """Show for each way to train the error on hidden and on visible patches, and what the networks paint.

    In pictures named in `hatched` the hidden patches are hatched.
    Shapes: errors[arm][where] (seeds,), the same places throughout, above 0, on a log scale; pictures[name] one image
    (C, height, width); mask (N,) bool, True = hidden.
    Raises: ValueError for places that differ, names that are not among the pictures, and no mask to hatch.
    """
    _check_names("hatched", hatched, pictures)
    if hatched and mask is None:
        raise ValueError(f"hatched={list(hatched)} but no mask: expected mask (N,), True = hidden")
    arrays = {arm: per_seed(each, "errors") for arm, each in errors.items()}
    places = list(next(iter(arrays.values())))
    for arm, each in arrays.items():
        if list(each) != places:
            raise ValueError(f"errors of {arm!r} are on {list(each)}: expected {places}, as in the first arm")
    figure = new_figure(12, 4.9, f"the errors on {' and '.join(places)} after training with {', '.join(arrays)}")
    halves = figure.add_gridspec(1, 2, width_ratios=[1.45, 1])
    ax = figure.add_subplot(halves[0])
    _log_errors(ax, [value for each in arrays.values() for seeds in each.values() for value in seeds], margin=0.16)
    step = 0.7 / len(arrays)
    for k, (arm, each) in enumerate(arrays.items()):
        for x, where in enumerate(places):
            _dots(ax, x + (k - (len(arrays) - 1) / 2) * step, each[where], k, label=arm if x == 0 else None)
    ax.set_xticks(range(len(places)), places, fontsize=16)
    ax.set(xlim=(-0.5, len(places) - 0.5), ylabel="error (mean squared, log scale)")
    ax.tick_params("x", length=0)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(arrays), fontsize=15)
    ax.set_xlabel("filled: mean, with its number; hollow: one seed each")
    across = 1 if len(pictures) == 1 else 2
    grid = halves[1].subgridspec(-(-len(pictures) // across), across).subplots(squeeze=False).ravel()
    for place in grid[len(pictures) :]:
        place.axis("off")
    for place, (name, image) in zip(grid, pictures.items(), strict=False):
        picture(place, image, mask if name in hatched else None)
        place.set_title(wrapped(name, 2.4, 16), fontsize=14, loc="center", linespacing=1.0)
    return figure


@styled
def by_content(bins: Sequence[str], errors: Mapping[str, np.ndarray],
               share: np.ndarray | None = None) -> LectureFigure:  # fmt: skip
    """Show the error of each method by the kind of content; the best of each kind is ringed and named.

    Shapes: errors[name] (n,), above 0, on a log scale, at n kinds; share (n,), how much of all patches is of a kind.
    """
    arrays = {name: np.asarray(each, float) for name, each in errors.items()}
    for name, each in arrays.items():
        same_shape(f"kinds of content and errors of {name!r}", (len(bins),), each.shape)
    figure = new_figure(12, 5.4, f"the error of {', '.join(arrays)} by the kind of content, with the best of each")
    (ax,) = axes(figure)
    x = np.arange(len(bins))
    for k, each in enumerate(arrays.values()):
        ax.plot(x, each, MARKERS[k % 6] + "-", color=STATE_COLOURS[k % 6], ms=11, lw=2.5)
    _log_errors(ax, np.concatenate(list(arrays.values())), margin=0.14)
    names = list(arrays)
    table = np.stack(list(arrays.values()))
    for n, k in enumerate(table.argmin(0)):
        ax.plot(n, table[k, n], "o", mfc="none", mec="black", mew=2.2, ms=22)
        best = wrapped(names[k], 7.0 / len(bins), 17)
        ax.text(n, 1.02, best, transform=ax.get_xaxis_transform(), ha="center", va="bottom", fontsize=14, weight="bold",
                color=_ink(STATE_COLOURS[k % 6]), linespacing=1.0)  # fmt: skip
    ax.text(-0.02, 1.02, "best:", transform=ax.transAxes, ha="right", va="bottom", fontsize=14)
    under = [""] * len(bins) if share is None else [f"\n{100 * part:.0f} % of patches" for part in share]
    ax.set_xticks(x, [f"{name}{more}" for name, more in zip(bins, under, strict=True)], fontsize=14)
    ax.set(xlim=(-0.4, len(bins) - 0.7), ylabel="error on hidden pixels (log scale)")
    label_ends(ax, len(bins) - 1, {name: each[-1] for name, each in arrays.items()}, STATE_COLOURS, 4.2, points=14)
    return figure


def _ink(color: str) -> tuple[float, ...]:
    """A color dark enough for letters."""
    return tuple(0.75 * part for part in to_rgb(color))


@styled
def encoder_cost(ratios: Sequence[float], flops: np.ndarray, seconds: np.ndarray,
                 whole: tuple[np.ndarray, np.ndarray] | None = None) -> LectureFigure:  # fmt: skip
    """Show what the encoder costs, relative to nothing hidden: predicted operations as a line, measured time as marks.

    Shapes: flops (n,) and seconds (repeats, n) at n ratios, of which the first is 0: nothing hidden. `whole` is the
    same pair for the whole masked autoencoder.
    Raises: ValueError for ratios that do not begin with 0, and for shapes that do not fit.
    """
    if ratios[0] != 0:
        raise ValueError(f"ratios begin with {ratios[0]}: expected 0, nothing hidden, which all else is compared with")
    pairs = {"encoder": (flops, seconds)} | ({} if whole is None else {"encoder and decoder": whole})
    figure = new_figure(11.5, 5.2, f"predicted operations and measured time of {', '.join(pairs)} by the share hidden")
    (ax,) = axes(figure)
    percent = 100 * np.asarray(ratios, float)
    ends = {}
    for k, (name, (work, time)) in enumerate(pairs.items()):
        predicted = np.asarray(work, float)
        same_shape(f"ratios and operations of {name!r}", (len(ratios),), predicted.shape)
        measured = results({name: time}, len(ratios), "seconds")[name]
        predicted, measured = predicted / predicted[0], measured / np.median(measured[:, 0])
        ax.plot(percent, predicted, color=STATE_COLOURS[k], lw=3)
        ax.plot(percent, np.median(measured, 0), MARKERS[k], color=STATE_COLOURS[k], ms=11, mec="black")
        ax.plot(percent, measured.T, MARKERS[k], mfc="none", mec=STATE_COLOURS[k], ms=8, alpha=0.6)
        ends[name] = float(predicted[-1])
    ax.set(xlabel="hidden patches (%)", ylabel="cost, as a share of\nthe cost with nothing hidden")
    ax.set_ylim(0, max(1.08, ax.get_ylim()[1]))
    ax.set_xticks(percent, [f"{each:.3g}" for each in percent])
    ax.set_title("line: operations as predicted; marks: time as measured (filled: median)", fontsize=14)
    label_ends(ax, float(percent[-1]), ends, STATE_COLOURS, 4.2, points=15)
    return figure


@styled
def free_labels(rows: Sequence[tuple[str, str, str]]) -> LectureFigure:
    """Show a table: the data, what is hidden, and the label that comes for free.

    Raises: ValueError for no rows or more than six, and for one that does not hold three texts.
    """
    if not 1 <= len(rows) <= 6 or any(len(row) != 3 for row in rows):
        raise ValueError(f"{len(rows)} rows: expected 1 to 6, each of three texts: data, hidden, label")
    cells = [[wrapped(text, wide, 20) for text, wide in zip(row, (3.4, 3.4, 3.6), strict=True)] for row in rows]
    highs = [0.34 * max(cell.count("\n") + 1 for cell in row) + 0.32 for row in cells]
    figure, page = paper(12, 0.95 + sum(highs), "a table of data, what is hidden in it, and the label that is free")
    top = 0.85 + sum(highs)
    for x, words in zip(_TABLE, ("the data", "what is hidden", "the label, for free"), strict=True):
        page.text(x, top - 0.35, words, fontsize=18, weight="bold", va="center", color=BLUE if x > 8 else "black")
    y = top - 0.75
    for row, high in zip(cells, highs, strict=True):
        page.plot([0.2, 11.8], [y, y], color=GREY, lw=1.2)
        for x, words in zip(_TABLE, row, strict=True):
            page.text(x, y - high / 2, words, fontsize=17, va="center", linespacing=1.2)
        y -= high
    return figure


_TABLE = (0.3, 4.3, 8.2)  # inches: where the columns of `free_labels` begin
