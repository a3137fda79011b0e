"""A notebook as a speaker sees it."""

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lecturelib.workshop.live.notebooks import Exercise, Question, Slide, read


def typed(cell, slide_type):
    """Give a cell a slide type."""
    cell.metadata.slideshow = {"slide_type": slide_type}
    return cell


def test_a_notebook_has_sections_slides_minutes_questions_and_exercises(tmp_path):
    shown = new_output("execute_result", data={"text/plain": "No prediction was made. Measured: 7 of 9."})
    figure, alive = (
        new_output("display_data", data={"image/png": "", "text/plain": f"{kind}: curves"})
        for kind in ("Figure", "Interactive figure")
    )
    code = "def half(x):\n\n    return x / 2"
    listing = new_output("display_data", data={"text/markdown": f"```python\n{code}\n```", "text/plain": code})
    outputs = [figure, alive, listing, shown]
    cells = [
        typed(new_markdown_cell("# 03 Small\n\n**Why?**\n\nYou can"), "slide"),
        typed(new_code_cell("import torch"), "skip"),
        typed(new_markdown_cell("## 1. One\n\n" + "word " * 328), "slide"),
        new_code_cell('guess = predict("Which?", ["a", "b"])\nguess'),
        typed(new_code_cell("%time\nx = 1\n\nguess.outcome(x)", outputs=outputs), "subslide"),
        typed(new_markdown_cell("## Exercises\n\n### Exercise 1 (easy, 5 minutes): half"), "slide"),
        new_code_cell("from lecturelib.checks.start import check_baseline\n\ncheck_baseline(...)"),
        typed(new_markdown_cell("The end."), "notes"),
    ]
    nbformat.write(new_notebook(cells=cells), tmp_path / "03_small.ipynb")
    nb = read(tmp_path / "03_small.ipynb")
    assert (nb.name, nb.title, nb.question) == ("03_small", "03 Small", "Why?")
    numbers = [(section.title, [slide.number for slide in section.slides]) for section in nb.sections]
    assert numbers == [("Opening", [1]), ("1. One", [2, 3]), ("Exercises", [4])]

    _, one, exercises = nb.sections
    assert one.slides == [
        Slide(2, [cell.id for cell in cells[2:4]], words=331, lines=2),
        Slide(3, [cells[4].id], lines=3 + 2, figures=1, played=1),  # two of them are shown by the cell
    ]
    assert [slide.minutes for slide in one.slides] == [331 / 130 + 2 / 15, 5 / 15 + 0.5 + 1.5]
    assert one.minutes == 7  # 2.7 and 2.3, and a question
    outcome, asks = "7 of 9.", (cells[3].id, cells[4].id)
    assert one.questions == [Question("Which?", ["a", "b"], outcome, slide=3, cells=asks, asked=2)]

    title = "Exercise 1 (easy, 5 minutes): half"
    assert exercises.exercises == [Exercise(title, "lecturelib.checks.start", "check_baseline")]
    assert exercises.minutes == 0  # it takes no time of the talk
