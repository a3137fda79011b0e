"""The transfer lab without a front end: what a run trains, what is kept, how it ends, and what is refused."""

import time
from typing import Any

import numpy as np
import pytest
import torch

from lecturelib.figures.parts import interval
from lecturelib.fine_tuning import Classifiers
from lecturelib.label_efficiency import Pixels, Probe, Tune, label_efficiency
from lecturelib.mae import MaskedAutoencoder
from lecturelib.transfer import Examples
from lecturelib.vision import VisionTransformer
from lecturelib.widgets import transfer_runs
from lecturelib.widgets.transfer_lab import KEPT, PICTURE, TransferLab
from lecturelib.widgets.transfer_runs import ARMS, KEEP, LAST, NONE, PROBE, TUNE, Run
from tests.tools import global_generators_left_alone
from tests.widgets.test_picture import check_bundle

BUILD = {"image_size": (1, 4, 4), "patch_size": 2, "d_model": 8, "num_heads": 2, "num_layers": 2}
FEW = {"labels": (2, 3), "seeds": (4, 0, 7), "steps": 6, "batch_size": 5, "lr": 1e-2, "every": 2}
LONG = 10**6  # steps: nothing ends such a run but Stop
PATIENCE = 60  # seconds until a thread that does not end is given up


def vit(seed: int = 0, num_classes: int | None = 3, **changes: Any) -> VisionTransformer:
    torch.manual_seed(5_000 + seed)
    return VisionTransformer(**BUILD | {"num_classes": num_classes} | changes)


def examples(n: int, seed: int) -> Examples:
    """Three classes, each a bright stripe in noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 3
    images = torch.rand(n, 1, 4, 4, generator=generator) / 2
    images[torch.arange(n), 0, labels] += 0.4
    return images, labels


POOL, TEST = examples(30, seed=1), examples(24, seed=2)


def sources() -> dict[str, Any]:
    return {
        "print": vit(1),
        "letters": vit(2, num_classes=5),
        "masked": MaskedAutoencoder(vit(3, num_classes=None), 8, 2, 1),
    }


def lab(**changes: Any) -> TransferLab:
    if "sources" not in changes:
        changes["sources"] = sources()
    return TransferLab(**{"pool": POOL, "test": TEST, **FEW} | changes)


def trained(widget: TransferLab, **settings: Any) -> Run:
    """Set what is chosen, and run it to its end."""
    for name, value in settings.items():
        setattr(widget, name, value)
    run = widget.start()
    widget.wait(PATIENCE)
    assert run.status != "running"
    return run


def until_it_runs(widget: TransferLab) -> Run:
    """Start, and wait until the curve has three points."""
    run, begun = widget.start(), time.monotonic()
    while len(run.points) < 3:
        assert time.monotonic() < begun + PATIENCE
        time.sleep(0.01)
    return run


# ---- what a run trains


@pytest.mark.parametrize("source", [NONE, "print", "masked"])
@pytest.mark.parametrize("arm", ARMS)
def test_a_run_ends_where_the_same_arm_of_label_efficiency_does(source, arm):
    if arm == KEEP and source != "print":
        return
    widget = lab()
    run = trained(widget, source=source, arm=arm, each=3)
    encoder = {NONE: None, "print": vit(1), "masked": vit(3, num_classes=None)}[source]
    if arm == PROBE:
        same: Any = Probe(encoder or vit)
    else:
        how = {name: FEW[name] for name in ("steps", "batch_size", "lr")} | {"last": 1 if arm == LAST else None}
        same = Tune(vit, encoder, keep_head=arm == KEEP, how=how)
    found = label_efficiency({"same": same}, POOL, TEST, labels=(3,), seeds=FEW["seeds"])["same"]
    assert run.status == "finished"
    assert [step for step, _ in run.points] == ([0] if arm == PROBE else [0, 2, 4, 6])
    assert run.total == (0 if arm == PROBE else 6)
    assert run.points[-1][1] == pytest.approx(found[:, 0].tolist(), abs=1e-5)


def test_a_choice_gives_the_same_curve_whatever_ran_between_and_becomes_of_the_source():
    given = sources()
    widget = lab(sources=given)
    first = [trained(widget, source="print", each=3, arm=arm).points for arm in (TUNE, KEEP, PROBE)]
    trained(widget, source=NONE, each=2)
    torch.manual_seed(99)
    for weight in given["print"].parameters():
        weight.data.zero_()
    assert [trained(widget, source="print", each=3, arm=arm).points for arm in (TUNE, KEEP, PROBE)] == first
    frozen = lab(sources={"print": vit(1).requires_grad_(False)})
    assert trained(frozen, source="print", each=3).points == first[0]


def test_no_generator_of_the_process_is_touched_and_no_source():
    given = sources()
    before = [{k: v.clone() for k, v in each.state_dict().items()} for each in given.values()]
    with global_generators_left_alone():
        widget = lab(sources=given)
        for arm in (TUNE, LAST, PROBE):
            trained(widget, source="masked", arm=arm)
            trained(widget, source=NONE, arm=arm)
        widget.picture()
    for source, weights in zip(given.values(), before, strict=True):
        assert all(torch.equal(v, weights[k]) for k, v in source.state_dict().items())


@pytest.mark.parametrize("changes", [{"positions": "sinusoidal", "patch_size": 4}, {"pool": "class"}])
def test_networks_of_other_builds_are_trained_too(changes):
    widget = lab(sources={"print": vit(1, **changes)})
    run = trained(widget, source="print", arm=KEEP)
    alone = Classifiers([vit(1, **changes)]).accuracy(TEST).item()
    assert run.status == "finished" and run.points[0][1] == pytest.approx([alone] * 3, abs=1e-5)


def test_only_a_head_of_as_many_classes_can_be_kept():
    widget = lab()
    without = [TUNE, LAST, PROBE]
    assert widget.data["sources"] == {NONE: without, "print": list(ARMS), "letters": without, "masked": without}
    widget.source, widget.arm = "print", KEEP
    widget.source = "letters"
    assert widget.arm == TUNE


def test_pixels_are_learned_from_the_same_labels():
    widget = lab()
    found = label_efficiency({"pixels": Pixels()}, POOL, TEST, labels=(2, 3), seeds=FEW["seeds"])["pixels"].mean(dim=0)
    assert widget.described()["pixels"] == pytest.approx({"3": found[1].item()})  # those that can be seen
    widget.each = 2
    assert widget.described()["pixels"] == pytest.approx({"2": found[0].item()})


# ---- what is kept of runs


def test_the_last_runs_are_kept_the_last_first():
    widget = lab()
    made = [trained(widget) for _ in range(KEPT + 2)]
    assert [run.number for run in made] == [1, 2, 3, 4, 5] and widget.runs == made[:0:-1]
    assert [each["number"] for each in widget.described()["runs"]] == [5, 4, 3, 2]


def a_run(values: dict[int, list[float]], total: int = 8) -> Run:
    return Run(1, "print", TUNE, 3, total, "finished", points=list(values.items()))


def test_a_run_is_compared_at_the_last_step_that_both_reached():
    before = a_run({0: [0.4, 0.5, 0.6], 2: [0.51, 0.61, 0.71], 8: [0.6, 0.6, 0.6]})
    now = a_run({0: [0.6, 0.6, 0.6], 2: [0.7, 0.9, 0.8]})
    mean, half = interval(np.array([0.7 - 0.51, 0.9 - 0.61, 0.8 - 0.71]), "it")
    above = {"step": 2, "mean": mean.item(), "half": half.item()}
    assert now.above(before) == pytest.approx(above, abs=1e-6)
    assert before.described(now)["above"] == now.above(before) and now.described(now)["above"] is None
    assert now.above(a_run({})) is None and a_run({}).above(now) is None
    probe = a_run({0: [0.4, 0.4, 0.4]}, total=0)
    for run, step, mean in ((now, 2, 0.8), (before, 8, 0.6)):
        assert probe.above(run)["step"] == run.above(probe)["step"] == step
        assert run.above(probe)["mean"] == pytest.approx(mean - 0.4) == -probe.above(run)["mean"]


# ---- the thread


def test_stop_ends_a_training_and_keeps_its_curve():
    widget = lab(steps=LONG)
    widget.stop()  # nothing
    run = until_it_runs(widget)
    assert widget.training and widget._thread is not None and widget._thread.daemon  # it does not keep the kernel alive
    widget.stop()
    widget.wait(PATIENCE)
    assert run.status == "stopped" and not widget.training
    assert [step for step, _ in run.points] == list(range(0, 2 * len(run.points), 2))


def test_a_second_start_is_refused_while_one_is_running():
    widget = lab(steps=LONG)
    run = until_it_runs(widget)
    with pytest.raises(ValueError, match="run 1 is running: expected one at a time"):
        widget.start()
    widget.set_state({"asked": [1, "start"]})
    assert widget.runs == [run] and widget.described()["answered"] == 1
    widget.set_state({"asked": [2, "stop"]})
    widget.wait(PATIENCE)
    assert run.status == "stopped"


def test_an_error_is_shown_and_the_lab_goes_on(monkeypatch):
    widget = lab()

    def breaks(*_: Any, **__: Any) -> None:
        raise RuntimeError("no memory left")

    with monkeypatch.context() as patch:
        patch.setattr(Tune, "accuracies", breaks)
        run = trained(widget)
    assert run.status == "failed" and run.message == "no memory left" and not widget.training
    assert trained(widget).status == "finished"
    exploded = trained(lab(lr=1e30, steps=50))
    assert exploded.status == "failed" and exploded.message.startswith("the loss became")


def test_a_new_lab_and_another_start_stop_what_an_earlier_lab_trains():
    first = lab(steps=LONG)
    one = until_it_runs(first)
    with pytest.raises(ValueError):
        lab(steps=0)
    assert one.status == "running"  # a lab that cannot be made stops nothing
    second = lab(steps=LONG)  # as when its cell is run again
    first.wait(PATIENCE)
    assert one.status == "stopped"
    two = until_it_runs(second)
    again = until_it_runs(first)
    second.wait(PATIENCE)
    assert two.status == "stopped" and again.status == "running"
    first.stop()
    first.wait(PATIENCE)


# ---- what the page hears


def test_the_page_hears_each_point_once_it_is_there_and_the_end(monkeypatch):
    heard: list[dict[str, Any]] = []
    widget = lab()
    monkeypatch.setattr(widget, "_send", lambda message, buffers=None: heard.append(message["state"]))
    trained(widget)
    states = [each["state"] for each in heard if "state" in each]
    assert [len(state["runs"][0]["points"]) for state in states] == [0, 1, 2, 3, 4, 4]
    assert [state["running"] for state in states] == [True] * 5 + [False]
    assert states[-1] == widget.get_state()["state"] == widget.described()


def test_orders_of_the_page_are_followed():
    widget = lab()
    widget.set_state({"source": "print", "each": 2, "arm": KEEP, "asked": [1, "start"]})
    (run,) = widget.runs
    widget.wait(PATIENCE)
    assert run.status == "finished" and (run.source, run.arm, run.each) == ("print", KEEP, 2)
    assert widget.described()["answered"] == 1


# ---- the picture


def test_a_short_comparison_stands_in_the_notebook(monkeypatch):
    widget = lab()
    calls = []
    train = transfer_runs.fine_tune
    monkeypatch.setattr(transfer_runs, "fine_tune", lambda *a, **k: (calls.append(len(a[0])), train(*a, **k)))
    check_bundle(widget, "test accuracy while a network learns from few labels, from 3 sources and none")
    assert set(calls) == {2 * PICTURE["seeds"]}  # all in one stack
    says = widget.picture().says
    assert says.startswith("3 labels for each class, 2 seeds: 2: print, fine-tuned") and "1: from scratch" in says
    assert widget.runs == []  # the page begins empty


def test_the_comparison_has_the_curves_of_two_runs():
    for run in lab().experiment.pair(3, steps=FEW["steps"], every=2, seeds=3):
        alone = trained(lab(), source=run.source, each=3)
        assert [step for step, _ in run.points] == [step for step, _ in alone.points]
        for (_, found), (_, expected) in zip(run.points, alone.points, strict=True):
            assert np.allclose(found, expected, atol=0.05)


# ---- what is refused


def labelled(**changes: Any) -> Examples:
    images, labels = POOL
    return changes.get("images", images), changes.get("labels", labels)
