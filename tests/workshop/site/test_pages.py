"""What Sphinx gets to read, piece by piece."""

import nbformat
import numpy as np
import pytest
import torch
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lecturelib.attention import record_attention
from lecturelib.pretrained.fetch import ready
from lecturelib.workshop.notebooks import NOTEBOOKS
from lecturelib.workshop.publish.stamp import Repository
from tests.tools import needs
from tests.workshop.site.pages import HOW, MISSING

pytestmark = needs(not MISSING, HOW)

REPO = Repository("me/mine", "main")
PNG = "aGk="


def page(said: str, *exhibits: str, png: str = PNG) -> nbformat.NotebookNode:
    """Return the page of a notebook with one picture, on a site with exhibits of these notebooks."""
    from lecturelib.workshop.site.exhibits import Exhibit
    from lecturelib.workshop.site.pages import notebook_page

    skip = {"slideshow": {"slide_type": "skip"}}
    cells = [
        new_markdown_cell("# 01 One"),
        new_code_cell("%pip install x", metadata={"tags": ["stamped-install"], **skip}),
        new_code_cell("import x", metadata=skip),
        new_code_cell("show()", outputs=[new_output("display_data", {"image/png": png, "text/plain": said})]),
    ]
    shown = [Exhibit("name", each, "what to do & why", None, "what it shows") for each in exhibits]
    return notebook_page(new_notebook(cells=cells), "01_one", shown, REPO, {})


def test_the_cell_for_colab_is_gone_and_imports_are_folded():
    made = page("Figure: a line")
    assert [cell.source for cell in made.cells] == ["# 01 One", "import x", "show()"]
    assert made.cells[1].metadata.tags == ["hide-input"] and "tags" not in made.cells[2].metadata
    assert made.cells[2].outputs[0].data["image/png"] == PNG
    assert made.cells[2].metadata.mystnb.image.alt == "Figure: a line"


def test_an_exhibit_stands_around_its_picture_and_another_figure_says_what_it_needs():
    data = page("Interactive figure: what it shows", "01_one").cells[2].outputs[0].data
    assert list(data) == ["text/html"]
    for part in ('data-exhibit="name"', 'src="_static/exhibits/name.js"', PNG, "what to do &amp; why"):
        assert part in data["text/html"]
    data = page("Interactive figure: another", "02_two").cells[2].outputs[0].data
    assert "data-exhibit" not in data["text/html"] and "Binder or Colab" in data["text/html"]


def test_a_picture_that_is_none_and_an_exhibit_that_finds_no_picture_are_refused():
    with pytest.raises(ValueError):
        page("Interactive figure: another", png='"><script>1</script>')
    with pytest.raises(ValueError, match=r"01_one holds no picture that says 'Interactive figure: what it shows'"):
        page("Interactive figure: another", "01_one")


@needs(ready("smollm2"), "run `lecture fetch smollm2`")
def test_the_stored_maps_are_those_of_the_model():
    from lecturelib.pretrained.smollm2 import load_smollm2
    from lecturelib.workshop.site.exhibits import LAYERS, MAPS

    model, tokenizer = load_smollm2()
    read = tokenizer.encode("Professor Zorvani gave the lecture. After the lecture, Professor Zorvani").ids
    with record_attention(model) as seen:
        model(torch.tensor([read]))
    scores = np.stack([seen[f"blocks.{layer}.attention"].scores[0].numpy() for layer in LAYERS])
    past = np.tril(np.ones(scores.shape[-2:], dtype=bool))
    with np.load(MAPS) as stored:
        assert stored["tokens"].tolist() == [tokenizer.decode([each]) for each in read]
        np.testing.assert_allclose(stored["scores"][..., past], scores[..., past], atol=0.05)


@pytest.mark.parametrize(
    ("folder", "target", "expected"),
    [
        ("", "notebooks/01_one.ipynb", "01_one.ipynb"),
        ("", ".github/map.png", ".github/map.png"),
        ("", "LICENSE", "https://github.com/me/mine/blob/main/LICENSE"),
        ("notebooks", "../lecturelib/mae.py", "https://github.com/me/mine/blob/main/lecturelib/mae.py"),
        ("notebooks", "02_two.ipynb", "02_two.ipynb"),
        ("notebooks", "#place", "#place"),
        ("notebooks", "https://example.org/a(b", "https://example.org/a(b"),
    ],
)
def test_links_fit_the_site(folder, target, expected):
    from lecturelib.workshop.site.pages import linked

    assert linked(f"see [it]({target}) there", REPO, folder) == f"see [it]({expected}) there"


HOSTILE = [r"\text{<script>alert(1)</script>}", r"\text{<b>}", r"\href{javascript:alert(1)}{x}", r"\style{a:b}{x}",
           r"\class{x}{y}", r"\text{a & b}"]  # fmt: skip


@pytest.mark.parametrize("latex", [r"\hatt y", r"\frac{", r"\left( a", *HOSTILE])
def test_a_formula_that_would_be_shown_wrong_is_refused(latex):
    from lecturelib.workshop.site.mathml import mathml

    with pytest.raises(ValueError, match=r"formula|not known"):
        mathml(latex)


# ---- quizzes ----


def test_a_quiz_asks_and_keeps_the_answer_for_later():
    from lecturelib.workshop.live.notebooks import Question
    from lecturelib.workshop.site.quizzes import quiz

    asked = Question("Is 1 < 2?", ["yes", "<b>no</b>"], "2 of 3. Right was: yes.", 4, ("ask", "tell"))
    said = quiz(asked, 9, 10)
    assert "Predict: Is 1 &lt; 2?" in said and "&lt;b&gt;no" in said and said.count('name="ask"') == 2
    assert "Measured: 2 of 3. Right was: yes. The same choice was right in 9 of 10 runs with other seeds." in said
    assert "runs" not in quiz(asked, 0, 0)


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_prediction_with_choices_is_a_quiz_of_its_page(path):
    from lecturelib.workshop.site.pages import notebook_page
    from lecturelib.workshop.site.quizzes import quizzes

    found = quizzes(path)
    nb = notebook_page(nbformat.read(path, as_version=4), path.stem, (), REPO, found)
    shown = [cell.outputs[-1].data for cell in nb.cells if cell.cell_type == "code" and "= predict(" in cell.source]
    assert [data["text/html"] for data in shown if list(data) == ["text/html"]] == list(found.values())
    assert len(found) >= len(shown) - 1  # the outcome of an exercise may be the reader's own
    assert all("Measured: " in each and "No prediction" not in each for each in found.values())
