"""The film of a training without a front end: each frame shows its step, in one plane and one window."""

from typing import Any

import numpy as np

from lecturelib.figures.style import png
from lecturelib.widgets.film import TrainingFilm

RNG = np.random.default_rng(0)
GROUPS = np.arange(30) % 3
STATES = np.cumsum(RNG.normal(size=(4, 30, 5)), axis=0)  # each frame is spread out more than the one before
ACCURACY, STEPS = [0.5, 0.6, 0.8, 0.95], [0, 10, 25, 70]


def film(**changes: Any) -> TrainingFilm:
    given = {"states": STATES, "accuracy": ACCURACY, "steps": STEPS, "groups": GROUPS, "baseline": 0.67}
    return TrainingFilm(**given | changes)


def test_each_frame_shows_its_step_in_one_plane_and_one_window():
    widget, order = film(), np.argsort(GROUPS, kind="stable")
    left = widget.figure.axes[0]
    window = left.get_xlim(), left.get_ylim()
    for axis, (low, high) in enumerate(window):
        assert low < widget.planes[..., axis].min() and widget.planes[..., axis].max() < high
    for frame in (2, 1, 0, 3):
        widget.slider.value = frame
        left, right = widget.figure.axes
        dots = np.concatenate([np.asarray(each.get_offsets()) for each in left.collections])
        np.testing.assert_allclose(dots, widget.planes[frame][order])
        assert (left.get_xlim(), left.get_ylim()) == window
        assert left.get_title(loc="left") == f"Hidden states after {STEPS[frame]} steps"
        np.testing.assert_allclose(right.lines[-1].get_xydata(), [[STEPS[frame], ACCURACY[frame]]])
        np.testing.assert_allclose(right.lines[-2].get_ydata(), ACCURACY[: frame + 1])


def test_the_plane_is_that_of_the_widest_spread_of_the_last_frame():
    centred, plane = STATES[-1] - STATES[-1].mean(0), film().planes[-1]
    values, vectors = np.linalg.eigh(centred.T @ centred)
    for axis, component in ((0, -1), (1, -2)):
        assert abs(np.corrcoef(plane[:, axis], centred @ vectors[:, component])[0, 1]) > 1 - 1e-9
    shares = plane.var(0)
    np.testing.assert_allclose(shares[1] / shares[0], values[-2] / values[-1])


def test_it_waits_at_the_last_frame_which_is_the_one_it_shows():
    widget = film()
    # a Play that is born playing stands still in a page, and its button would first have to be pressed twice
    assert not widget.play.playing and widget.play.value == widget.slider.value == widget.play.max == 3
    assert widget.image.value == png(widget.picture())
