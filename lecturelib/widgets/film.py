"""A training as a film: move a slider through its steps, or press play."""

from collections.abc import Sequence

import ipywidgets
import numpy as np
from matplotlib.figure import Figure

from lecturelib.figures.plane import principal_plane
from lecturelib.figures.start import learning_frame
from lecturelib.widgets.picture import Drawn


class TrainingFilm(Drawn):
    """Show how hidden states and accuracy moved during a training: the last frame first; press play to see all.

    Shapes: states (frames, points, H), accuracy (frames,), steps (frames,), groups (points,), the number of ones
        modulo 3 that each point has seen.
    Raises: ValueError for frames that are not as many in each, or NaN.

    The plane is the one in which the last frame is spread out most (its first two principal components), the same in
    every frame, so that what moves on the screen is what moved in the network.
    """

    says = "the hidden states of a network in a plane, step by step while it learns, and its share of right answers"
    size = (10, 4.6)

    def __init__(
        self,
        states: np.ndarray,
        accuracy: Sequence[float],
        steps: Sequence[int],
        groups: np.ndarray,
        baseline: float,
    ) -> None:
        states = np.asarray(states, dtype=float)
        frames = len(steps)
        if states.ndim != 3 or not 0 < len(states) == len(accuracy) == frames or states.shape[1] != len(groups):
            raise ValueError(
                f"states {states.shape}, {len(accuracy)} accuracies, {len(steps)} steps and {len(groups)} groups do "
                f"not fit together: expected (frames, points, H) with at least one frame, and one group for each point"
            )
        if not np.isfinite(states).all():
            raise ValueError("states hold NaN or infinity: expected finite hidden states; did the training diverge?")
        self.planes = principal_plane(states[-1])(states)
        lowest, highest = self.planes.min((0, 1)), self.planes.max((0, 1))
        margin = 0.06 * (highest - lowest)
        self.window = np.stack([lowest - margin, highest + margin])  # one window for all frames
        self.accuracy, self.steps, self.groups, self.baseline = list(accuracy), list(steps), groups, baseline
        # At the end, as the picture is; play then begins at the start. `playing=True` would start nothing in a page.
        ends = {"min": 0, "max": frames - 1, "value": frames - 1}
        self.play = ipywidgets.Play(**ends, interval=250)
        self.slider = ipywidgets.IntSlider(**ends, description="frame", readout=False)
        ipywidgets.jslink((self.play, "value"), (self.slider, "value"))
        self.assemble([[self.play, self.slider]], [self.slider])

    def draw(self, figure: Figure) -> None:
        """Draw the present frame into a figure."""
        frame = self.slider.value
        learning_frame(figure, self.planes[frame], self.groups, self.window, self.steps[frame], self.steps,
                       self.accuracy, self.baseline)  # fmt: skip
