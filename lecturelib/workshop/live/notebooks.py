"""A notebook as a speaker sees it: sections, slides, questions to the hall, exercises, and the minutes of all this.

The clock: what is said about a text is as long as the text, at 130 words a minute; formulas count as words. Code is
pointed at, not read out: 4 seconds a line, also for code of the library that a cell shows. A figure takes half a
minute, one that is played with a minute and a half. A question to the hall takes two minutes: read it, wait for the
phones or the hands, look at the shares. Everything has run before; an exercise is not presented.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from lecturelib.workshop.notebooks import all_in

OPENING = "Opening"  # what stands before the first section
STARTS = ("slide", "subslide")
UNSEEN = ("skip", "notes")

WORDS_A_MINUTE = 130
LINES_A_MINUTE = 15
MINUTES_A_FIGURE = 0.5
MINUTES_OF_PLAY = 1.5
MINUTES_A_QUESTION = 2

_ALIVE = "Interactive figure"
_UNMEASURED = "No prediction was made. Measured: "


@dataclass
class Question:
    """A prediction that the hall is asked for. `choices` is empty where a number is asked."""

    text: str
    choices: list[str]
    outcome: str = ""
    slide: int = 0  # where the outcome is shown
    cells: tuple[str, str] = ("", "")  # the ids of the cell that asks, and of the one that shows the outcome
    asked: int = 0  # the slide that asks


@dataclass
class Exercise:
    """An exercise: its heading, and where its check lies."""

    title: str
    module: str = ""
    check: str = ""


@dataclass
class Slide:
    """What a section has on one slide, counted from 1: its cells, by their ids, and what there is to speak about."""

    number: int
    cells: list[str] = field(default_factory=list)
    words: int = 0
    lines: int = 0
    figures: int = 0
    played: int = 0  # figures that answer

    @property
    def minutes(self) -> float:
        """The minutes that it takes to present it, without a question to the hall."""
        talk = self.words / WORDS_A_MINUTE + self.lines / LINES_A_MINUTE
        return talk + self.figures * MINUTES_A_FIGURE + self.played * MINUTES_OF_PLAY


@dataclass
class Section:
    """A part of a notebook under one heading."""

    title: str
    slides: list[Slide] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    exercises: list[Exercise] = field(default_factory=list)

    @property
    def minutes(self) -> int:
        """The minutes that it takes to present it; an exercise is not presented."""
        if self.exercises:
            return 0
        talk = sum(slide.minutes for slide in self.slides) + MINUTES_A_QUESTION * len(self.questions)
        return max(1, round(talk))


@dataclass
class Notebook:
    """One notebook: its name, title and question, and its sections in their order."""

    name: str
    title: str
    question: str
    sections: list[Section]


def read(path: Path) -> Notebook:
    """Read a notebook's sections from its headings, and its slides as the deck counts them."""
    nb = nbformat.read(path, as_version=4)
    title = _first(r"^# (.+)", nb.cells[0].source)
    sections = [Section(OPENING)]
    open_questions: dict[str, Question] = {}
    slide = 0
    for cell in nb.cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type")
        slide += kind in STARTS
        if cell.cell_type == "markdown":
            if heading := _first(r"^## (.+)", cell.source):
                sections.append(Section(heading))
            sections[-1].exercises += [Exercise(t) for t in re.findall(r"^### (Exercise.+)", cell.source, re.MULTILINE)]
        section = sections[-1]
        if kind in UNSEEN:
            continue
        if not section.slides or section.slides[-1].number != slide:
            section.slides.append(Slide(slide))
        _note_content(cell, section.slides[-1])
        if cell.cell_type != "markdown":
            _note_questions(cell, section, open_questions, slide)
    return Notebook(path.stem, title, _first(r"^\*\*(.+)\*\*$", nb.cells[0].source), sections)


def _note_content(cell: NotebookNode, slide: Slide) -> None:
    """Note what a cell gives to speak about."""
    slide.cells.append(cell.get("id", ""))
    if cell.cell_type == "markdown":
        slide.words += len(re.sub(r"(?s)<details>.*?</details>", "", cell.source).split())
        return
    slide.lines += _lines(cell.source)
    for shown in (output.data for output in cell.outputs if "data" in output):
        if "image/png" in shown and shown.get("text/plain", "").startswith(_ALIVE):
            slide.played += 1
        elif "image/png" in shown:
            slide.figures += 1
        elif "```python" in shown.get("text/markdown", ""):
            slide.lines += _lines(shown["text/plain"])


def _lines(code: str) -> int:
    return sum(1 for line in code.splitlines() if line.strip())


def _note_questions(cell: NotebookNode, section: Section, asked: dict[str, Question], slide: int) -> None:
    """Note what a code cell asks, which outcome it shows and which answer it checks."""
    tree = ast.parse(re.sub(r"(?m)^(\s*)[%!].*", r"\1pass", cell.source))
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            if (called := _name(node.value.func)) in ("predict", "predict_number"):
                text, *rest = map(ast.literal_eval, node.value.args)
                choices = rest[0] if called == "predict" else []
                question = Question(text, choices, cells=(cell.get("id", ""), ""), asked=slide)
                asked[_name(node.targets[0])] = question
                section.questions.append(question)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "outcome":
            if (answered := asked.get(_name(node.func.value))) and not answered.outcome:
                answered.outcome, answered.slide = _shown(cell).removeprefix(_UNMEASURED), slide
                answered.cells = (answered.cells[0], cell.get("id", ""))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lecturelib.checks."):
            for alias in node.names:
                if alias.name.startswith("check_") and section.exercises:
                    section.exercises[-1].module, section.exercises[-1].check = str(node.module), alias.name


def _shown(cell: NotebookNode) -> str:
    """Return the text of a cell's value."""
    texts = [output.data.get("text/plain", "") for output in cell.outputs if "data" in output]
    return texts[-1] if texts else ""


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _first(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    return match.group(1).strip() if match else ""


def all_notebooks() -> Iterator[Notebook]:
    """Read every notebook, in order."""
    return map(read, all_in())
