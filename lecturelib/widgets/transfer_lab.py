"""The transfer lab: choose a source, labels and an arm, press Start, and watch the test accuracy grow."""

import threading
from collections.abc import Mapping
from typing import Any, ClassVar

import anywidget
import numpy as np
import traitlets
from matplotlib.figure import Figure

from lecturelib.figures.transfer_lab import learning_curves
from lecturelib.mae import MaskedAutoencoder
from lecturelib.transfer import Examples
from lecturelib.vision import VisionTransformer
from lecturelib.widgets.kit import script, style
from lecturelib.widgets.picture import StaticPicture
from lecturelib.widgets.settings import Setting, SettingError
from lecturelib.widgets.transfer_runs import ARMS, NONE, PROBE, TUNE, Experiment, Run, Stopped

KEPT = 3  # runs that stay beside the one of now
PICTURE = {"steps": 80, "every": 20, "seeds": 2}  # of the short comparison in the saved notebook


class TransferLab(StaticPicture, anywidget.AnyWidget):
    """Train on a few labels, from a source or from scratch, and compare with the runs before.

    `sources` names networks of one build: VisionTransformers with or without a head, or masked autoencoders, of which
    the encoder is taken. "none (from scratch)" is always offered. Every source starts from a copy made here.
    `options` are `labels` for each class to choose from, `seeds`, `steps`, `batch_size`, `lr`, and `every`, the steps
    from one point of a curve to the next.
    The settings are `source`, `arm` and `each`, the labels for each class; the page sets them too. `start()` and
    `stop()` do what the buttons do, `wait()` waits for the end. A training has a thread of its own, so that other
    cells can be run meanwhile. A kernel trains in one lab at a time: a new lab (its cell run again), and a start in
    another one, stop it. `runs` holds the curves, that of now first.

    Shapes: pool and test are pairs (images (n, C, height, width), labels (n,)); the labels of a run are drawn from the
        pool by each seed alone, the others are not seen.
    Units: accuracies are shares of the test images, from 0 to 1.
    Raises: ValueError for no sources, one of another build, examples that do not fit, more labels than there are, test
        images that are in the pool, fewer than two seeds, steps out of range, and settings that do not exist.
    """

    _esm = script("transfer_lab")
    _css = style("transfer_lab")

    data = traitlets.Dict(read_only=True).tag(sync=True)
    source = Setting(NONE)
    arm = Setting(TUNE)
    each = Setting(None)
    asked = Setting([0, ""])  # the number of an order of the page, and which: start or stop
    # a thread must not set a trait, but may send what this reads
    state = traitlets.Dict(read_only=True).tag(sync=True, to_json=lambda _, lab: lab.described())

    _latest: ClassVar[threading.Event] = threading.Event()  # stops the last training of this kernel

    def __init__(
        self,
        sources: Mapping[str, VisionTransformer | MaskedAutoencoder],
        pool: Examples,
        test: Examples,
        **options: Any,
    ) -> None:
        self.experiment = Experiment(sources, pool, test, **options)
        TransferLab._latest.set()
        self.runs: list[Run] = []
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._sending = threading.Lock()
        labels = list(self.experiment.sets)
        count = len(self.experiment.sources)
        self.says = f"test accuracy while a network learns from few labels, from {count} sources and none"
        data = {
            "sources": {name: self.experiment.arms(name) for name in (NONE, *self.experiment.sources)},
            "arms": ARMS,
            "labels": labels,
            "seeds": len(self.experiment.seeds),
            "steps": self.experiment.steps,
            "num_classes": self.experiment.num_classes,
            "tests": len(self.experiment.test[1]),
        }
        self.set_trait("data", data)
        self.each = 5 if 5 in labels else labels[len(labels) // 2]
        super().__init__()  # last: it sends everything to the page, once

    @property
    def training(self) -> bool:
        """Whether a run is being trained."""
        return bool(self.runs) and self.runs[0].status == "running"

    def start(self) -> Run:
        """Start the run that is chosen, and return it; it goes on in a thread of its own.

        Raises: ValueError while one is running.
        """
        if self.training:
            raise ValueError(f"run {self.runs[0].number} is running: expected one at a time; stop() it, or wait()")
        TransferLab._latest.set()
        self._stopping = TransferLab._latest = threading.Event()
        number = self.runs[0].number + 1 if self.runs else 1
        run = Run(number, self.source, self.arm, self.each, 0 if self.arm == PROBE else self.experiment.steps)
        self.runs = [run, *self.runs][: 1 + KEPT]
        self._publish()
        self._thread = threading.Thread(target=self._train, args=(run, self._stopping), daemon=True)
        self._thread.start()
        return run

    def stop(self) -> None:
        """Ask the training to end, at its next step; its curve so far is kept."""
        self._stopping.set()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the training has ended, at most so many seconds."""
        if self._thread is not None:
            self._thread.join(seconds)

    def described(self) -> dict[str, Any]:
        """Return what the page shows of the runs."""
        runs = self.runs
        shown = {self.each, *(run.each for run in runs)}
        return {
            "answered": self.asked[0],
            "running": self.training,
            "runs": [run.described(runs[0]) for run in runs],
            "pixels": {str(each): self.experiment.pixels(each) for each in shown},
        }

    def picture(self) -> Figure:
        """A short comparison of the first source with none, trained for it."""
        curves = {}
        for run in self.experiment.pair(self.each, **PICTURE):
            steps, accuracies = zip(*run.points, strict=True)
            curves[f"{run.number}: {run.name}, {100 * np.mean(accuracies[-1]):.0f} %"] = (steps, np.array(accuracies))
        pixels = self.experiment.pixels(self.each)
        levels = {f"pixels, {100 * pixels:.0f} %": pixels, "chance": 1 / self.experiment.num_classes}
        title = f"{self.each} label{'s' * (self.each > 1)} for each class, {PICTURE['seeds']} seeds"
        return learning_curves(curves, levels, title)

    def _train(self, run: Run, stop: threading.Event) -> None:
        try:
            self.experiment.train(run, self._publish, stop)
            run.status = "finished"
        except Stopped:
            run.status = "stopped"
        except Exception as error:  # in a thread it would be lost: its words stand in the figure
            run.status, run.message = "failed", str(error)[:400] or type(error).__name__
        self._publish()

    def _publish(self) -> None:
        """Send the page what there is to see; from any thread, and an older picture never after a newer."""
        with self._sending:
            self.send_state("state")

    # ---- the settings, and what the page asks for

    @traitlets.observe("asked")
    def _ordered(self, change: Any) -> None:
        if change["new"][1] == "stop":
            self.stop()
        elif not self.training:
            self.start()
        self._publish()

    @traitlets.observe("source", "each")
    def _chosen(self, _: Any) -> None:
        if self.arm not in self.experiment.arms(self.source):
            self.arm = TUNE
        self._publish()

    @traitlets.validate("source", "arm", "each")
    def _checked(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        known: Any = {
            "source": [NONE, *self.experiment.sources],
            "arm": self.experiment.arms(self.source),
            "each": list(self.experiment.sets),
        }[name]
        if value not in known:
            raise SettingError(f"{name} is {value!r}: expected one of {known}")
        return value
