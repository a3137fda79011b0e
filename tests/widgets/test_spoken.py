"""The words of a picture follow what is drawn; what they name in the page is tested in a browser."""

from matplotlib.figure import Figure

from lecturelib.figures.style import axes, new_figure
from lecturelib.widgets.cost_explorer import CostExplorer
from lecturelib.widgets.picture import Canvas
from lecturelib.widgets.spoken import in_words


def test_titles_and_phrases_are_said_once_and_without_the_signs_of_formulas():
    figure = new_figure(6, 3, "two curves")
    left, right = axes(figure, 1, 2)
    figure.suptitle("read so far:  1 1")
    left.set_title("cell $c_t$", loc="center")
    right.set_title("cell $c_t$")
    right.text(0, 0, "$12$ of 20\nright")
    right.text(1, 1, "A")
    assert in_words(figure) == "two curves: Read so far: 1 1. Panels: cell c_t. 12 of 20 right."


def test_a_figure_without_words_gets_its_sentence_alone():
    assert in_words(new_figure(4, 3, "a map")) == "a map."
    assert in_words(Figure()) == "."


def test_what_is_drawn_anew_is_said_anew():
    figure = new_figure(4, 3, "a map")
    canvas = Canvas(figure)
    assert canvas.spoken.words == "a map."
    axes(figure)[0].set_title("after 20 steps")
    canvas.draw()
    assert canvas.spoken.words == "a map: After 20 steps."


def test_the_cost_explorer_says_its_numbers():
    widget = CostExplorer()
    assert widget.canvas.spoken in widget.children
    widget.mode.value = "writing"
    assert "One more token: n = 1,024, D = 512, L = 8, H = 8, B = 8" in widget.canvas.spoken.words
    assert "LSTM: " in widget.canvas.spoken.words and "KV cache" in widget.canvas.spoken.words
