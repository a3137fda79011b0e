"""A figure in words, for a reader who cannot see it: made from its own titles, labels, names and legends."""

import re
from collections.abc import Iterable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

_MOST = 12  # names of ticks: more than these are counted, not read aloud


def in_words(figure: Figure) -> str:
    """Return what a figure shows, in a few short sentences; of a drawing, the sentence that it was given.

    Numbers that were measured are left out: they differ a little on each machine.

    >>> ax = Figure().subplots()
    >>> line = ax.plot([16, 32, 64], [3, 2, 1], label="unscaled")
    >>> labels = ax.set(title="Loss $L_t$", ylabel="nats", xlabel="steps")
    >>> in_words(ax.figure)
    'Loss L_t. Nats against steps, 16 to 64: unscaled.'
    """
    said, panels, bars = [_plain(text.get_text()) for text in figure.texts], [], []
    for ax in figure.axes:
        if hasattr(ax, "_colorbar"):
            bars.append(_plain(ax.get_ylabel() or ax.get_xlabel()))
        elif ax.axison:
            panels.append((_plain(ax.get_title("left") or ax.get_title("center")), _drawn(ax)))
    heard = " ".join(said)
    for k, (_, clauses) in enumerate(panels):  # what two panels share is said once
        clauses[:] = [clause for clause in clauses if clause not in heard]
        heard += " | " + " | ".join(panels[k][1])
    if len(panels) > 1 and not all(clauses for _, clauses in panels):
        said.append(f"panels: {_listed(dict.fromkeys(title for title, _ in panels if title))}")
        panels = [("", clauses) for _, clauses in panels]
    said += [each for title, clauses in panels for each in (title, "; ".join(clauses))]
    said += [f"color: {bar}" for bar in bars if bar]
    legends = filter(None, [*figure.legends, *(ax.get_legend() for ax in figure.axes)])
    if not any(_named(ax) for ax in figure.axes):
        keys = _listed(dict.fromkeys(_plain(text.get_text()) for each in legends for text in each.get_texts()))
        said.append(f"key: {keys}" if keys else "")
    words = " ".join(f"{_capital(each)}." for each in dict.fromkeys(said) if each)
    says = getattr(figure, "says", "")
    return f"{says}: {words}" if says and words else words or f"{says}."


def _drawn(ax: Axes) -> list[str]:
    """What axes show, in clauses: one quantity against another with the names of what is drawn, and those of ticks."""
    y, x = (_plain(label) for label in (ax.get_ylabel(), ax.get_xlabel()))
    columns, rows = _ticks(ax, "x"), _ticks(ax, "y")
    if x and not _words(columns) and not _words(rows):
        x += _range(ax, columns)
    about, names = " against ".join(filter(None, (y, x))), _listed(dict.fromkeys(_named(ax)))
    clauses = [f"{about}: {names}" if about and names else about or names]
    for ticks, order in ((rows, "from top to bottom"), (columns, "from left to right")):
        if _words(ticks):
            clauses.append(f"{order}: {_listed(ticks) if len(ticks) <= _MOST else f'{len(ticks)} names'}")
    return list(filter(None, clauses))


def _range(ax: Axes, ticks: list[str]) -> str:
    """Where counts begin and end on the x axis; what is not whole may have been measured, and is not said."""
    lines: list[Any] = [line for line in ax.lines if line.get_transform() == ax.transData]
    counts = [float(each) for line in lines for each in line.get_xdata()]
    if not counts or min(counts) == max(counts) or not all(map(float.is_integer, counts)):
        return ""
    ends = (ticks[0], ticks[-1]) if ticks else (f"{min(counts):,.0f}", f"{max(counts):,.0f}")
    return f", {ends[0]} to {ends[1]}"


def _ticks(ax: Axes, which: str) -> list[str]:
    """What stands at the ticks of an axis, if they were set, in the order in which it is seen."""
    axis: Any = getattr(ax, f"{which}axis")
    if not isinstance(axis.get_major_locator(), FixedLocator):
        return []
    names = [_plain(name) for name in axis.get_major_formatter().format_ticks(sorted(axis.get_majorticklocs()))]
    return names[::-1] if axis.get_inverted() != (which == "y") else names


def _words(ticks: list[str]) -> bool:
    """Whether these are names, rather than numbers with or without a unit."""
    return not all(
        re.fullmatch(r"[-−\d.,^]*( ?\w{1,2})?|[-−\d.,]+", tick) and re.search(r"\d|^$", tick) for tick in ticks
    )


def _named(ax: Axes) -> list[str]:
    """The names of the lines, marks and bars of axes."""
    drawn: list[Any] = [*ax.lines, *ax.collections, *ax.containers, *ax.patches]
    labels = [str(each.get_label()) for each in drawn]
    return [_plain(label) for label in labels if label and not label.startswith("_")]


def _listed(names: Iterable[str]) -> str:
    """Names in a row; with semicolons where a name has a comma of its own."""
    each = list(names)
    return ("; " if any("," in name for name in each) else ", ").join(each)


def _plain(text: str) -> str:
    """A label on one line and without mathematics; a further line that explains follows in brackets."""
    text = re.sub(r"\\sqrt\{(.*?)\}", r"√\1", text)
    first, *more = [" ".join(re.sub(r"\\mathdefault|[$\\{}]", "", line).split()) for line in text.split("\n")]
    rest = " ".join(more)
    return f"{first} ({rest})" if ": " in rest and rest[0] != "(" and first[-1:] != ":" else f"{first} {rest}".strip()


def _capital(text: str) -> str:
    """A text with a capital letter, unless it begins with a symbol such as d_k."""
    return text[0].upper() + text[1:] if re.match("[a-z]+ ?[a-z:]", text) else text
