"""What a committed notebook looks like. Nothing here runs a cell or touches a file."""

import copy
import hashlib
import json
import re
import textwrap
import unicodedata
from pathlib import Path

from nbformat import NotebookNode, from_dict

from lecturelib.workshop.publish.stamp import INSTALL_TAG

WRITTEN_BY = "python -m lecturelib publish"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

# Without version numbers: they would change with the machine, not with the notebook.
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "pygments_lexer": "ipython3",
    },
}

# What another machine, another hour or another version would write differently.
_UNSTEADY = {
    "a warning": re.compile("Warning"),
    "a folder of this machine": re.compile(
        r"/(?:home|Users|root|tmp|var/folders)/|\b[A-Z]:\\\w|site-packages|ipykernel_\d+"
    ),
    "an address in memory": re.compile(r"\b0x[0-9a-fA-F]{6,}"),
    "the time of day": re.compile(r"\b\d{1,2}:\d\d:\d\d\b"),
}
_CLASS_REPR = re.compile(r"\w+\(.*\)", re.DOTALL)  # the text that ipywidgets leaves for a widget: IntSlider(value=0)


def normalize(nb: NotebookNode) -> NotebookNode:
    """Bring everything but the outputs into the one form in which notebooks are committed.

    Format 4.5, fixed notebook metadata, no empty cell, of the cell metadata only slideshow, tags and a hidden
    source, and cell ids that are read from the cell's own text. The outputs stay as they are.

    Returns: a new notebook; normalising it again changes nothing.
    """
    cells: list[NotebookNode] = []
    taken: set[str] = set()
    for old in nb.cells:
        source = old.source.rstrip()
        if not source:
            continue
        cell = NotebookNode(
            cell_type=old.cell_type,
            id=_unique(_slug(old.cell_type, source), taken),
            metadata=_cell_metadata(old.metadata),
            source=source,
        )
        if old.cell_type == "code":
            cell.execution_count = old.get("execution_count")
            cell.outputs = copy.deepcopy(old.get("outputs", []))
        elif old.get("attachments"):
            cell.attachments = copy.deepcopy(old.attachments)
        cells.append(cell)
    return from_dict({"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5})


def clean(nb: NotebookNode) -> NotebookNode:
    """Take out of the outputs what changes from run to run although the result is the same.

    Execution counts run from 1 to n; pieces of one stream that follow each other become one; a widget's view,
    whose model id is random and which is dead without its kernel, goes where a picture or text stands for it.

    Returns: a new notebook.
    """
    nb = copy.deepcopy(nb)
    for count, cell in enumerate((c for c in nb.cells if c.cell_type == "code"), start=1):
        cell.execution_count = count
        merged: list[NotebookNode] = []
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
            if WIDGET_VIEW in output.get("data", {}) and _stands_without_widget(output.data):
                del output.data[WIDGET_VIEW]
            if merged and output.output_type == "stream" == merged[-1].output_type and output.name == merged[-1].name:
                merged[-1].text += output.text
            else:
                merged.append(output)
        cell.outputs = merged
    return nb


def problems(nb: NotebookNode) -> list[str]:
    """Say what in a cleaned notebook must not be committed.

    Refused are errors, warnings and all else on stderr, a widget without a picture, and text that another
    machine or another hour would write differently: folders, addresses in memory, the time of day.

    Returns: one sentence for each problem, naming the cell; an empty list if the notebook may be committed.
    """
    found: list[str] = []
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    counts = [cell.execution_count for cell in code]
    if counts != list(range(1, len(code) + 1)):
        found.append(f"the execution counts are {counts}, not 1 to {len(code)}: run it once, in order")
    for cell in code:
        for output in cell.outputs:
            found += [f"cell {cell.id!r}: {fault}" for fault in _faults(output)]
    return found


def digest(nb: NotebookNode) -> str:
    """Return the SHA-256 of all cells, ids, metadata and outputs, but not of the digest stored among them."""
    content = copy.deepcopy(nb)
    content.metadata.pop("lecturelib", None)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def executed_digest(nb: NotebookNode) -> str:
    """Return the SHA-256 of what an execution saw and left: the code cells in their order, with their outputs.

    Left out are the texts, what only an editor or a presenter reads, and the install cell: it is stamped, and does
    nothing here.
    """
    parts = []
    for cell in nb.cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "code" and cell.source.strip() and INSTALL_TAG not in tags:
            parts.append([cell.source.rstrip(), tags, cell.execution_count, cell.outputs])
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def seal(nb: NotebookNode) -> NotebookNode:
    """Return a copy that carries its own digests: the sign by which a test knows who wrote the file."""
    nb = copy.deepcopy(nb)
    nb.metadata.lecturelib = NotebookNode(sha256=digest(nb), executed_sha256=executed_digest(nb), written_by=WRITTEN_BY)
    return nb


def is_sealed(nb: NotebookNode) -> bool:
    """Return whether the notebook is, to the last character, what the command wrote."""
    stored = nb.metadata.get("lecturelib", {})
    return (stored.get("sha256"), stored.get("written_by")) == (digest(nb), WRITTEN_BY)


def is_as_executed(nb: NotebookNode) -> bool:
    """Return whether code and outputs are those of the last execution, whatever was done to the texts."""
    return nb.metadata.get("lecturelib", {}).get("executed_sha256") == executed_digest(nb)


def _faults(output: NotebookNode) -> list[str]:
    """Say what is wrong with one output."""
    if output.output_type == "error":
        return [f"an error is saved: {output.ename}: {output.evalue}"]
    if output.output_type == "stream" and output.name == "stderr":
        return [f"it writes to stderr: {output.text.strip()[:120]!r}"]
    data = {"text/plain": output.text} if output.output_type == "stream" else output.data
    faults = []
    if WIDGET_VIEW in data:
        faults.append("a widget without a picture is saved: leave an image/png beside it, for readers without a kernel")
    lines = "\n".join(str(value) for kind, value in data.items() if not kind.startswith("image/")).splitlines()
    here = [str(folder) for folder in (Path.cwd(), Path.home()) if folder != Path(folder.anchor)]
    for what, pattern in _UNSTEADY.items():
        if found := [line for line in lines if pattern.search(line)]:
            faults.append(f"{what} is saved: {found[0].strip()[:120]}")
    if found := [line for line in lines for folder in here if folder in line]:
        faults.append(f"a folder of this machine is saved: {found[0].strip()[:120]}")
    return list(dict.fromkeys(faults))  # a folder may have been found in both ways


def _stands_without_widget(data: NotebookNode) -> bool:
    """Return whether something is left to see when the widget is gone."""
    if any(kind in data for kind in ("image/png", "text/html", "text/markdown")):
        return True
    return not _CLASS_REPR.fullmatch(data.get("text/plain", "_()"))


def _cell_metadata(old: NotebookNode) -> NotebookNode:
    """Keep of a cell's metadata what readers, presenters and tests use."""
    kept = NotebookNode()
    # "-" is what editors store for "no choice"; presenters hide the cell.
    slide_type = old.get("slideshow", {}).get("slide_type", "-")
    if slide_type != "-":
        kept.slideshow = NotebookNode(slide_type=slide_type)
    if old.get("tags"):
        kept.tags = list(old.tags)
    if old.get("jupyter", {}).get("source_hidden"):
        kept.jupyter = NotebookNode(source_hidden=True)
    return kept


def _slug(cell_type: str, source: str) -> str:
    """Name a cell by its own text: its heading, the function it defines, or its first words."""
    if cell_type == "code":
        named = re.search(r"^(?:def|class)\s+(\w+)", source, re.MULTILINE)
    else:
        named = re.search(r"^#+\s+(.+)", source, re.MULTILINE)
    text = named.group(1) if named else re.sub(r"\]\([^)]*\)", "]", source)[:200]  # without the targets of links
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", ascii_text) or ["cell"]
    return textwrap.shorten(" ".join(words), 40, placeholder="").replace(" ", "-") or words[0][:40]


def _unique(slug: str, taken: set[str]) -> str:
    """Return the slug, with -2, -3, ... where an earlier cell has it already."""
    name, number = slug, 1
    while name in taken:
        number += 1
        name = f"{slug}-{number}"
    taken.add(name)
    return name
