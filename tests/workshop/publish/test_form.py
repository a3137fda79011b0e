"""The normal form of a notebook file, its outputs and its digest."""

import re

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lecturelib.workshop.publish.form import (
    METADATA,
    WIDGET_VIEW,
    clean,
    digest,
    is_as_executed,
    is_sealed,
    normalize,
    problems,
    seal,
)


def code(source: str, *outputs: NotebookNode) -> NotebookNode:
    """Return a notebook with one executed code cell."""
    return new_notebook(cells=[new_code_cell(source, outputs=list(outputs), execution_count=1)])


def stdout(text: str) -> NotebookNode:
    return new_output("stream", name="stdout", text=text)


def ids(*cells: NotebookNode) -> list[str]:
    return [cell.id for cell in normalize(new_notebook(cells=list(cells))).cells]


cells = st.builds(
    lambda make, source: make(source),
    st.sampled_from([new_code_cell, new_markdown_cell]),
    st.text(max_size=80),
)


@given(st.lists(cells, max_size=8))
def test_normalising_twice_changes_nothing_and_the_result_is_valid(cells):
    once = normalize(new_notebook(cells=cells))
    nbformat.validate(once)
    assert normalize(once) == once
    assert len({cell.id for cell in once.cells}) == len(once.cells)
    assert all(re.fullmatch(r"[a-z0-9-]{1,44}", cell.id) for cell in once.cells)


def test_cells_are_named_by_their_own_text():
    assert ids(
        new_markdown_cell("Before\n\n## 3. Why an LSTM remembers"),
        new_markdown_cell("See [the **paper**](https://example.org/pdf)."),
        new_code_cell("import torch\n\n\ndef run_rnn(x):\n    ..."),
        new_code_cell("x = torch.ones(3)\nx"),
        new_markdown_cell("# Schrödinger"),
        new_code_cell("# ···"),
        new_markdown_cell("# " + "forgetting " * 10),
        *map(new_markdown_cell, ["# a", "# a 2", "# a", "# a"]),
    ) == [
        *["3-why-an-lstm-remembers", "see-the-paper", "run-rnn", "x-torch-ones-3-x", "schrodinger", "cell"],
        *["forgetting-forgetting-forgetting", "a", "a-2", "a-3", "a-4"],
    ]


def test_metadata_is_cut_to_what_is_used():
    kept = {"slideshow": {"slide_type": "slide"}, "tags": ["solution"], "jupyter": {"source_hidden": True}}
    dropped = {"collapsed": True, "execution": {"iopub.status.busy": "2026"}, "scrolled": True}
    nb = normalize(
        new_notebook(cells=[new_code_cell("x", metadata=kept | dropped)], metadata={"widgets": {}, "jupytext": {}})
    )
    assert nb.cells[0].metadata == kept
    assert nb.metadata == METADATA


def test_pieces_of_a_stream_become_one():
    outputs = clean(code("x", stdout("a\n"), stdout("b\n"), new_output("display_data"), stdout("c\n"))).cells[0].outputs
    assert [output.get("text") for output in outputs] == ["a\nb\n", None, "c\n"]


def test_counts_run_from_one():
    nb = new_notebook(cells=[new_code_cell("x", execution_count=5), new_markdown_cell("y"), new_code_cell("z")])
    nb.cells[2].outputs = [new_output("execute_result", execution_count=9)]
    cleaned = clean(nb)
    assert [cleaned.cells[0].execution_count, cleaned.cells[2].execution_count] == [1, 2]
    assert cleaned.cells[2].outputs[0].execution_count == 2


@pytest.mark.parametrize("beside", [{"image/png": "aGk="}, {"text/html": "<b>3</b>"}, {"text/plain": "<Stepper>"}])
def test_a_widgets_view_goes_where_something_stands_in_for_it(beside):
    data = {WIDGET_VIEW: {"model_id": "8a7f"}, "text/plain": "VBox(children=())"} | beside
    nb = clean(code("x", new_output("display_data", data=data)))
    assert WIDGET_VIEW not in nb.cells[0].outputs[0].data and problems(nb) == []


@pytest.mark.parametrize("text", ["3 of 3 seeds exact\n", "loss 0.5, 12:30 left\n", "a/home\n", "0x1F\n", "a:\\n"])
def test_harmless_text_and_a_picture_are_no_problem(text):
    picture = new_output("display_data", data={"image/png": "Warning/tmp/0x1234567"})
    assert problems(code("x", stdout(text), picture)) == []


@pytest.mark.parametrize(
    ("change", "as_executed"),
    [
        (lambda n: n.metadata.update(title="x"), True),
        (lambda n: n.cells[0].update(source="# b"), True),
        (lambda n: n.cells[1].update(id="other"), True),
        (lambda n: n.cells[1].metadata.update(slideshow={"slide_type": "skip"}), True),
        (lambda n: n.cells.append(new_code_cell("")), True),  # as an editor leaves one
        (lambda n: n.metadata.pop("lecturelib"), False),
        (lambda n: n.cells[1].metadata.update(tags=["x"]), False),
        (lambda n: n.cells[1].update(source="print(2)"), False),
        (lambda n: n.cells[1].update(execution_count=2), False),
        (lambda n: n.cells[1].outputs[0].update(text="2\n"), False),
        (lambda n: n.cells[1].outputs.clear(), False),
    ],
)
def test_one_digest_sees_everything_and_the_other_code_and_outputs_only(change, as_executed):
    nb = seal(normalize(new_notebook(cells=[new_markdown_cell("# a"), *code("print(1)", stdout("1\n")).cells])))
    assert is_sealed(nb) and is_as_executed(nb) and digest(seal(nb)) == digest(nb)
    change(nb)
    assert not is_sealed(nb) and is_as_executed(nb) == as_executed
