"""The transfer lab: choose a source, labels and an arm, press Start, and watch the test accuracy grow."""

from __future__ import annotations

import threading
import uuid
import weakref
from collections.abc import Mapping, Sequence
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
from lecturelib.widgets.transfer_runs import ARMS, LAST, NONE, PROBE, TUNE, Choice, Experiment, Job, Run, Runs, Stopped

ORDERS = ("", "start", "stop", "forget")
PICTURE = {"steps": 80, "every": 20, "seeds": 2}  # of the short comparison in the saved notebook
SCRATCH = {  # what the arms are called where there is no source
    TUNE: "train the whole network",
    LAST: "train the last block only (control)",
    PROBE: "linear probe (control)",
}


class TransferLab(StaticPicture, anywidget.AnyWidget):
    """Train on a few labels, from a source or from scratch, and compare with the runs before.

    `sources` names networks of one build: VisionTransformers with or without a head, or masked autoencoders, of which
    the encoder is taken. "none (from scratch)" is always offered. Every source starts from a copy made here.
    The settings are `source`, `arm` and `each`, the labels for each class; the page sets them too. `start()`, `stop()`
    and `forget()` do what the buttons do, `wait()` waits for the end. A training has a thread of its own, so that
    other cells can be run meanwhile; while one is running, another start is refused. `runs` holds the curves.
    A kernel trains in one lab at a time: a new lab (its cell run again), and a start in another one, stop it.

    Shapes: pool and test are pairs (images (n, C, height, width), labels (n,)); the labels of a run are drawn from the
        pool by each seed alone, the others are not seen.
    Units: accuracies are shares of the test images, from 0 to 1; `every` is in steps.
    Raises: ValueError for no sources, one of another build, examples that do not fit, more labels than there are, test
        images that are in the pool, seeds, steps and step sizes out of range, and settings that do not exist.
    """

    _esm = script("transfer_lab")
    _css = style("transfer_lab")

    data = traitlets.Dict(read_only=True).tag(sync=True)
    source = Setting(NONE)
    arm = Setting(TUNE)
    each = Setting(None)
    asked = Setting([0, ""])  # the number of an order, and which
    # a thread must not set a trait, but may send what this reads
    state = traitlets.Dict(read_only=True).tag(sync=True, to_json=lambda _, lab: lab.described())

    _active: ClassVar[weakref.ref[TransferLab] | None] = None
    _taking_turns: ClassVar[threading.Lock] = threading.Lock()

    def __init__(
        self,
        sources: Mapping[str, VisionTransformer | MaskedAutoencoder],
        pool: Examples,
        test: Examples,
        *,
        labels: Sequence[int] = (1, 2, 5, 10, 20),
        seeds: Sequence[int] = (0, 1, 2),
        steps: int = 200,
        batch_size: int = 20,
        lr: float = 3e-3,
        every: int = 5,
    ) -> None:
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._sending = threading.RLock()
        self.experiment = Experiment(
            sources, pool, test, labels=labels, seeds=seeds, steps=steps, batch_size=batch_size, lr=lr, every=every
        )
        self._take_over()
        self.runs = Runs()
        self._pair: tuple[int, list[Run]] | None = None
        self._refused = ""
        offered = [NONE, *self.experiment.sources]
        known = self.experiment.labels
        self.says = f"test accuracy while a network learns from few labels, from {len(offered) - 1} sources and none"
        self.set_trait(
            "data",
            {
                "id": uuid.uuid4().hex,
                "none": NONE,
                "sources": {name: list(self.experiment.arms(name)) for name in offered},
                "arms": [[arm, text, SCRATCH.get(arm, text)] for arm, text in ARMS.items()],
                "labels": list(known),
                "seeds": len(self.experiment.seeds),
                "steps": steps,
                "num_classes": self.experiment.num_classes,
                "tests": len(self.experiment.test[1]),
            },
        )
        self.each = 5 if 5 in known else known[len(known) // 2]
        self.experiment.pixels(self.each)
        super().__init__()  # last: it sends everything to the page, once

    # ---- what is done, without a view

    @property
    def training(self) -> bool:
        """Whether a run is being trained."""
        return self.runs.running

    def start(self) -> Run:
        """Start the run that is chosen, and return it; it goes on in a thread of its own.

        Raises: ValueError while one is running.
        """
        if self.training:  # before anything is prepared
            raise ValueError(f"run {self._number()} is running: expected one training at a time; stop it, or wait()")
        choice = Choice(self.source, self.arm, self.each)
        total, job = self.experiment.prepare(choice)
        self.experiment.pixels(choice.each)
        self._take_over()
        stop = threading.Event()
        run = self.runs.begin(choice, total)
        self._stopping, self._refused = stop, ""
        self._thread = threading.Thread(target=self._train, args=(job, run, stop), daemon=True, name="transfer lab")
        self._publish()
        self._thread.start()
        return run

    def stop(self) -> None:
        """Ask the training to end, at its next step; its curve so far is kept."""
        self._stopping.set()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the training has ended, at most so many seconds."""
        if self._thread is not None:
            self._thread.join(seconds)

    def forget(self) -> None:
        """Forget the runs before the one of now."""
        self.runs.forget()
        self._publish()

    def close(self) -> None:
        """Stop what is running, and take the figure from the page."""
        self.stop()
        with self._sending:
            super().close()

    def described(self) -> dict[str, Any]:
        """Return what the page shows of the runs."""
        return {
            "answered": self.asked[0],
            "running": self.training,
            "runs": self.runs.described(),
            "pixels": {str(each): float(np.mean(found)) for each, found in self.experiment.known_pixels().items()},
            "refused": self._refused,
        }

    def picture(self) -> Figure:
        """The runs so far; before the first, a short comparison of the first source with none."""
        done = [run for run in (self.runs.current, *self.runs.earlier) if run is not None and run.steps]
        note = ""
        if not done or self.training:
            if self._pair is None or self._pair[0] != self.each:
                options = {**PICTURE, "steps": min(PICTURE["steps"], self.experiment.steps)}
                self._pair = self.each, self.experiment.pair(self.each, **options)
            done, note = self._pair[1][::-1], f", {min(PICTURE['seeds'], len(self.experiment.seeds))} seeds"
        now = done[0]
        curves = {}
        for run in done:
            name = f"{run.number}: {run.choice.name}, {100 * run.at(run.steps[-1]).mean():.0f} %"
            name += f", {run.choice.each} labels" * (run.choice.each != now.choice.each)
            curves[name] = (run.steps, np.array(run.accuracies))
        each = now.choice.each
        pixels = float(np.mean(self.experiment.pixels(each)))
        levels = {f"pixels, {100 * pixels:.0f} %": pixels, "chance": 1 / self.experiment.num_classes}
        return learning_curves(curves, levels, f"{each} label{'s' * (each > 1)} for each class{note}")

    # ---- the thread

    def _train(self, job: Job, run: Run, stop: threading.Event) -> None:
        def report(step: int, accuracies: list[float]) -> None:
            self.runs.add(run, step, accuracies)
            self._publish()

        try:
            job(report, stop)
        except Stopped:
            self.runs.end(run, "stopped")
        except BaseException as error:  # in a thread it would be lost: its words stand in the figure
            named = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
            self.runs.end(run, "failed", f"{named}{error}"[:400])
        else:
            self.runs.end(run, "finished")
        self._publish()

    def _publish(self) -> None:
        """Send the page what there is to see; from any thread, and an older picture never after a newer."""
        with self._sending:
            self.send_state("state")

    def _take_over(self) -> None:
        """Stop what another lab is training, and be the one that trains."""
        with TransferLab._taking_turns:
            other = TransferLab._active() if TransferLab._active is not None else None
            TransferLab._active = weakref.ref(self)
        if other is not None and other is not self:
            other.stop()

    def _number(self) -> int:
        return self.runs.current.number if self.runs.current is not None else 0

    # ---- the settings, and what the page asks for

    @traitlets.observe("asked")
    def _ordered(self, change: Any) -> None:
        self._refused = ""
        try:
            if change["new"][1] == "start":
                self.start()
            elif change["new"][1] == "stop":
                self.stop()
            elif change["new"][1] == "forget":
                self.runs.forget()
        except Exception as error:  # nobody reads what a message of the page raises: say it there
            self._refused = str(error)[:400] or type(error).__name__
        self._publish()

    @traitlets.observe("source")
    def _source_changed(self, change: Any) -> None:
        if self.arm not in self.experiment.arms(change["new"]):
            self.arm = TUNE

    @traitlets.observe("each")
    def _each_changed(self, change: Any) -> None:
        self.experiment.pixels(change["new"])
        self._publish()

    @traitlets.validate("source", "arm", "each", "asked")
    def _checked(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        if name == "asked":
            if isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[0], int) and value[1] in ORDERS:
                return list(value)
            raise SettingError(f"asked is {value!r}: expected a number and one of {ORDERS}")
        known: tuple[Any, ...] = {
            "source": (NONE, *self.experiment.sources),
            "arm": self.experiment.arms(self.source),
            "each": self.experiment.labels,
        }[name]
        if isinstance(value, bool) or not any(value == option for option in known):
            also = f" for the source {self.source!r}" if name == "arm" else ""
            raise SettingError(f"{name} is {value!r}: expected one of {list(known)}{also}")
        return value
