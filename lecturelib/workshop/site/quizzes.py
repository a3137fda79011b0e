"""The predictions of a notebook as quizzes of a page: choose, then see what was measured. No script is needed."""

import html
from pathlib import Path

import nbformat

from lecturelib.workshop.live.notebooks import Question, read
from lecturelib.workshop.replicate import table as tables


def quizzes(path: Path) -> dict[str, str]:
    """Return the quiz of each prediction that has choices and an outcome, by the id of the cell that asks."""
    nb, table = nbformat.read(path, as_version=4), tables.read(tables.place(path.stem))
    own = table["cells"] == tables.digests(nb)
    often = dict(zip(tables.shown_choices(nb), tables.choices(nb, table), strict=True)) if own else {}
    code = [cell.id for cell in nb.cells if cell.cell_type == "code"]
    asked = [question for section in read(path).sections for question in section.questions]
    found = {}
    for question in asked:
        if question.choices and question.outcome:
            place = code.index(question.cells[1])
            alone = f"{place}.1" not in often  # else one could not say which of them is meant
            _, held, runs = often.get(f"{place}.0", ("", 0, 0)) if alone else ("", 0, 0)
            found[question.cells[0]] = quiz(question, held, runs)
    return found


def quiz(question: Question, held: int, runs: int) -> str:
    """Return the HTML of a quiz; its style sheet shows the last line once there is a choice."""
    name = html.escape(question.cells[0], quote=True)
    choices = "".join(
        f'<label><input type="radio" name="{name}" autocomplete="off"> {html.escape(choice)}</label>'
        for choice in question.choices
    )
    said = f"Measured: {question.outcome}"
    if runs:
        said += f" The same choice was right in {held} of {runs} runs with other seeds."
    return (
        f'<fieldset class="quiz"><legend>Predict: {html.escape(question.text)}</legend>{choices}'
        f'<p class="measured" role="status"><span>{html.escape(said)}</span></p></fieldset>'
    )
