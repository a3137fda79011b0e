"""The pictures of the patch playground: where a network looks in some images, and how hidden patches are painted."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

from lecturelib.figures.colors import BLUE, RED
from lecturelib.figures.given import as_many
from lecturelib.figures.parts import wrapped
from lecturelib.figures.pictures import cell, picture
from lecturelib.figures.style import LectureFigure, axes, new_figure, styled

_WIDEST = 12.0  # inches
_SIDE = 1.9  # inches of a picture, at most


@styled
def looked_at(images: np.ndarray, maps: Mapping[str, np.ndarray], titles: Sequence[str], signed: Collection[str] = (),
              note: str = "") -> LectureFigure:  # fmt: skip
    """Show images, and over each a number for each patch: the larger, the stronger the color and the wider the frame.

    Shapes: images (n, C, height, width); maps[name] (n, rows, columns), those in `signed` blue and dashed below 0; n
    titles. Raises: ValueError for maps or titles of another number.
    """
    n = len(images)
    as_many("titles and images", titles, images)
    for name, values in maps.items():
        as_many(f"{name} and images", values, images)
    columns = 1 + len(maps)
    patch_size = min(_SIDE, _WIDEST / columns - 0.1)
    names = ["\n".join(wrapped(line, patch_size, 13) for line in title.split("\n")) for title in titles]
    above = 0.26 * max(1 + name.count("\n") for name in names)
    width, legend_rows = (patch_size + 0.1) * columns, 1 if columns > 5 else 2
    height = n * (patch_size + above + 0.25) + 0.5 + 0.3 * legend_rows
    figure = new_figure(width, height, f"{n} images, and over each: {', '.join(maps)}")
    panels = axes(figure, n, columns)
    for row in range(n):
        _show(panels[row * columns], images[row], names[row])
        for column, (name, values) in enumerate(maps.items(), 1):
            ax = panels[row * columns + column]
            _show(ax, images[row], name if row == 0 else "")
            _wash(ax, values[row], images.shape[2:])
    grows = "from 0 to a picture's largest number: stronger color, wider frame"
    legend = [Patch(fc=RED, ec=RED, label=f"{note}; {grows}" if note else grows)]
    if any((maps[name] < 0).any() for name in signed):
        legend.append(Patch(fc="white", ec=BLUE, ls="--", lw=2.5, label="below 0"))
    figure.legend(handles=legend, loc="outside lower center", ncols=3 - legend_rows, fontsize=12)
    return figure


@styled
def painted(images: np.ndarray, mask: np.ndarray, pixels: np.ndarray, patch_size: int,
            errors: Sequence[tuple[float, float]], name: str = "the model") -> LectureFigure:  # fmt: skip
    """Show images, what is left of them, how they were painted, and that with the visible patches put back.

    Shapes: images and pixels (n, C, height, width); mask (n, N), True = hidden; errors n pairs: on the hidden patches,
    and that of the mean of the visible pixels. Raises: ValueError for others.
    """
    n = len(images)
    for what, each in (("masks", mask), ("painted images", pixels), ("errors", errors)):
        as_many(f"{what} and images", each, images)
    _, _, height, width = images.shape
    rows, columns = height // patch_size, width // patch_size
    hidden = mask.reshape(n, rows, columns)
    pixel = hidden.repeat(patch_size, 1).repeat(patch_size, 2)[:, None]  # (n, 1, height, width)
    says = f"{n} images: original, masked, painted by {name}, and with the visible patches put back"
    figure = new_figure(9.4, n * 2.85 + 0.4, says)
    panels = axes(figure, n, 4)
    names = ("original", "masked", "reconstruction", "visible put back")
    for row in range(n):
        both = np.where(pixel[row], pixels[row], images[row])
        for k, image in enumerate((images[row], images[row], pixels[row], both)):
            _show(panels[4 * row + k], image, names[k] if row == 0 else "", mask[row] if k == 1 else None)
        error, mean = errors[row]
        panels[4 * row + 1].set_xlabel(f"{mask[row].sum()} of {mask.shape[1]} hidden", fontsize=12)
        panels[4 * row + 2].set_xlabel(f"error {error:.4f}; by the mean\nof the visible pixels {mean:.4f}", fontsize=12)
    return figure


def _show(ax: Axes, image: np.ndarray, title: str, mask: np.ndarray | None = None) -> None:
    picture(ax, image, mask)
    ax.set_title(title, fontsize=13, loc="center", parse_math=False)


def _wash(ax: Axes, values: np.ndarray, shape: Sequence[int]) -> None:
    """Color the patches of an image: as strong, and framed as wide, as the numbers are large."""
    (rows, columns), largest = values.shape, np.abs(values).max() or 1.0
    for n, value in enumerate(values.ravel().tolist()):
        share, color = abs(value) / largest, RED if value >= 0 else BLUE
        (x, y), wide, high = cell((0, 0, shape[1], shape[0]), rows, columns, n)
        ax.add_patch(Rectangle((x, y), wide, high, fc=color, alpha=0.4 * share, lw=0))
        if share < 0.05:
            continue
        frame = 0.13 * share  # of the patch, on each side
        inner = (x + frame * wide / 2, y + frame * high / 2), wide * (1 - frame), high * (1 - frame)
        points = max(0.8, 130 * frame / max(rows, columns))
        dashes = "-" if value >= 0 else (0, (2.0, 1.0))
        ax.add_patch(Rectangle(*inner, fill=False, ec=color, lw=points, ls=dashes, joinstyle="miter"))
