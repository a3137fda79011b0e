"""The film of a training without a front end: each frame shows its step, in one plane and one window."""

from typing import Any

import numpy as np
import pytest

from lecturelib.figures.style import png
from lecturelib.widgets.film import TrainingFilm

RNG = np.random.default_rng(0)
GROUPS = np.arange(30) % 3
STATES = np.cumsum(RNG.normal(size=(4, 30, 5)), axis=0)  # each frame is spread out more than the one before
ACCURACY, STEPS = [0.5, 0.6, 0.8, 0.95], [0, 10, 25, 70]


def film(**changes: Any) -> TrainingFilm:
    given = {"states": STATES, "accuracy": ACCURACY, "steps": STEPS, "groups": GROUPS, "baseline": 0.67}
    return TrainingFilm(**given | changes)


def dots(widget: TrainingFilm) -> np.ndarray:
    """The points of the left panel, in the order of the groups."""
    return np.concatenate([np.asarray(c.get_offsets()) for c in widget.figure.axes[0].collections])


def test_each_frame_shows_its_step_in_one_figure():
    widget, pictures = film(), set()
    figure, window = widget.figure, widget.figure.axes[0].get_xlim()
    order = np.argsort(GROUPS, kind="stable")
    for frame in (2, 1, 0, 3):
        widget.slider.value = frame
        left, right = figure.axes
        np.testing.assert_allclose(dots(widget), widget.planes[frame][order])
        assert left.get_xlim() == window
        assert left.get_title(loc="left") == f"Hidden states after {STEPS[frame]} steps"
        np.testing.assert_allclose(right.lines[-1].get_xydata(), [[STEPS[frame], ACCURACY[frame]]])
        np.testing.assert_allclose(right.lines[-2].get_ydata(), ACCURACY[: frame + 1])
        pictures.add(widget.canvas.value)
        assert widget.figure is widget.canvas.figure is figure and widget.canvas.value == png(figure)
    assert len(pictures) == 4


def test_the_legend_says_what_the_colors_count_and_the_line_has_the_name_of_the_table():
    left, right = film().figure.axes
    assert [text.get_text() for text in left.get_legend().texts] == ["ones so far, modulo 3:", "0", "1", "2"]
    assert [text.get_text() for text in right.texts] == ["always no"]


def test_the_plane_is_that_of_the_widest_spread_of_the_last_frame():
    centred = STATES[-1] - STATES[-1].mean(0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    for axis, component in ((0, -1), (1, -2)):
        ours, theirs = film().planes[-1][:, axis], centred @ vectors[:, component]
        assert abs(np.corrcoef(ours, theirs)[0, 1]) > 1 - 1e-9
    shares = film().planes[-1].var(0)
    np.testing.assert_allclose(shares[1] / shares[0], values[-2] / values[-1])
    assert np.abs(film().planes[-1]).max() == pytest.approx(1)


def test_all_frames_lie_in_the_window():
    widget = film()
    for limits, axis in ((widget.figure.axes[0].get_xlim(), 0), (widget.figure.axes[0].get_ylim(), 1)):
        assert limits[0] < widget.planes[..., axis].min() and widget.planes[..., axis].max() < limits[1]


def test_it_waits_at_the_last_frame_which_is_the_one_it_shows():
    widget = film()
    # a Play that is born playing stands still in a page, and its button would first have to be pressed twice
    assert not widget.play.playing and widget.play.value == widget.slider.value == 3
    assert widget.play.min == widget.slider.min == 0 and widget.play.max == widget.slider.max == 3
    assert widget.canvas.value == png(widget.picture())
