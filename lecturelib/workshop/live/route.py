"""Where a presentation begins, and which slides it shows: all, or those of the path through the whole lecture."""

from collections.abc import Sequence

from nbformat import NotebookNode

from lecturelib.workshop.live.notebooks import OPENING, STARTS, UNSEEN, Notebook, Section, Slide
from lecturelib.workshop.live.plan import Stop


def start(nb: Notebook, at: str, stops: Sequence[Stop] | None = None) -> str:
    """Return the id of the cell where a presentation begins: of the section `at`, a number or how its title begins.

    With the `stops` of a path it is the first slide that the path shows there. Without `at` it is the first of all.
    Raises: ValueError for a section that is not there, or that the path leaves out.
    """
    begin = {section.title: _shown(section, stops) for section in nb.sections}
    there = {title: slides[0].cells[0] for title, slides in begin.items() if slides}
    if not at:
        return next(iter(there.values()))
    for title, cell in there.items():
        if title != OPENING and (title.split(". ")[0] == at or title.lower().startswith(at.lower())):
            return cell
    where = f"{nb.name} on the path" if stops is not None else nb.name
    titles = ", ".join(repr(title) for title in there if title != OPENING)
    raise ValueError(f"{where} has no section {at!r}: expected the number or the beginning of one of {titles}")


def cut(copy: NotebookNode, nb: Notebook, stops: Sequence[Stop]) -> None:
    """Leave in a copy of a notebook only the slides of these stops; all cells stay, and run as before."""
    shown = [_shown(section, stops) for section in nb.sections]
    kept = {cell for slides in shown for slide in slides for cell in slide.cells}
    first = {slides[0].cells[0] for slides in shown if slides}
    for cell in copy.cells:
        if cell.id in first:
            cell.metadata["slideshow"] = {"slide_type": STARTS[0]}  # where the key for the next section goes
        elif cell.id not in kept and cell.metadata.get("slideshow", {}).get("slide_type") not in UNSEEN:
            cell.metadata["slideshow"] = {"slide_type": UNSEEN[0]}


def _shown(section: Section, stops: Sequence[Stop] | None) -> list[Slide]:
    """Return the slides of a section that are shown."""
    if stops is None:
        return section.slides
    return [slide for stop in stops if stop.section == section.title for slide in stop.slides(section)]
