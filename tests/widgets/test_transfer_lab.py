"""The transfer lab without a front end: what a run trains, what is kept, how it ends, and what is refused."""

import threading
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
from lecturelib.widgets import transfer_lab, transfer_runs
from lecturelib.widgets.transfer_lab import TransferLab
from lecturelib.widgets.transfer_runs import ARMS, KEEP, KEPT, LAST, NONE, PROBE, TUNE, Choice, Run, Runs
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
    given = {"pool": POOL, "test": TEST, **FEW} | changes
    given = given if "sources" in given else given | {"sources": sources()}
    return TransferLab(given.pop("sources"), given.pop("pool"), given.pop("test"), **given)


def trained(widget: TransferLab, **settings: Any) -> Run:
    """Set what is chosen, and run it to its end."""
    for name, value in settings.items():
        setattr(widget, name, value)
    run = widget.start()
    widget.wait(PATIENCE)
    assert run.status != "running"
    return run


def until_it_runs(widget: TransferLab, points: int = 2) -> Run:
    """Start, and wait until the curve has so many points."""
    there = threading.Event()
    add = widget.runs.add

    def watched(run: Run, step: int, accuracies: Any) -> None:
        add(run, step, accuracies)
        if len(run.steps) >= points:
            there.set()

    widget.runs.add = watched  # type: ignore[method-assign]
    run = widget.start()
    assert there.wait(PATIENCE)
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
    assert run.steps == ([0] if arm == PROBE else [0, 2, 4, 6]) and run.total == (0 if arm == PROBE else 6)
    assert run.accuracies[-1] == pytest.approx(found[:, 0].tolist(), abs=1e-5)


def test_the_first_point_is_that_of_the_networks_before_a_label():
    widget, source = lab(), vit(1)
    kept = trained(widget, source="print", arm=KEEP)
    assert kept.accuracies[0] == pytest.approx(Classifiers([source]).accuracy(TEST).tolist() * 3, abs=1e-5)
    scratch = trained(widget, source=NONE)
    alone = [Classifiers([vit(seed)]).accuracy(TEST).item() for seed in FEW["seeds"]]
    assert scratch.accuracies[0] == pytest.approx(alone, abs=1e-5)


def test_a_choice_gives_the_same_curve_whatever_ran_between():
    widget = lab()
    first = trained(widget, source="print")
    trained(widget, source=NONE, each=2)
    torch.manual_seed(99)
    again = trained(widget, source="print", each=3, arm=TUNE)
    other = trained(lab(), source="print", each=3)
    assert first.choice == again.choice == other.choice
    assert first.accuracies == again.accuracies == other.accuracies


def test_no_generator_of_the_process_is_touched_and_no_source():
    given = sources()
    before = [{k: v.clone() for k, v in each.state_dict().items()} for each in given.values()]
    torch.manual_seed(5)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    widget = lab(sources=given)
    for arm in (TUNE, LAST, PROBE):
        trained(widget, source="masked", arm=arm)
        trained(widget, source=NONE, arm=arm)
    widget.picture()
    assert torch.equal(torch.get_rng_state(), states[0]) and (np.random.get_state()[1] == states[1]).all()
    for source, weights in zip(given.values(), before, strict=True):
        assert all(torch.equal(v, weights[k]) for k, v in source.state_dict().items())


def test_what_happens_to_a_source_later_changes_nothing():
    given = sources()
    widget = lab(sources=given)
    curves = []
    for _ in range(2):
        curves.append([trained(widget, source="print", arm=arm).accuracies for arm in (TUNE, KEEP, PROBE)])
        for weight in given["print"].parameters():
            weight.data.zero_()
    assert curves[0] == curves[1]


def test_a_frozen_source_is_trained_all_the_same():
    frozen = {"print": vit(1).requires_grad_(False)}
    assert trained(lab(sources=frozen), source="print").accuracies == trained(lab(), source="print").accuracies


@pytest.mark.parametrize("changes", [{"positions": "sinusoidal"}, {"positions": "none"}, {"pool": "class"},
                                     {"positions": "sinusoidal", "patch_size": 4}])  # fmt: skip
def test_networks_of_other_builds_are_trained_too(changes):
    widget = lab(sources={"print": vit(1, **changes)})
    run = trained(widget, source="print", arm=KEEP)
    alone = Classifiers([vit(1, **changes)]).accuracy(TEST).item()
    assert run.status == "finished" and run.accuracies[0] == pytest.approx([alone] * 3, abs=1e-5)
    assert trained(widget, source=NONE, arm=TUNE).status == "finished"


def test_arrays_are_taken_as_tensors_are():
    arrays = [tuple(each.numpy() for each in pair) for pair in (POOL, TEST)]
    assert trained(lab(pool=arrays[0], test=arrays[1])).accuracies == trained(lab()).accuracies


def test_only_a_head_of_as_many_classes_can_be_kept():
    widget = lab()
    arms = {name: widget.experiment.arms(name) for name in (NONE, "print", "letters", "masked")}
    without = (TUNE, LAST, PROBE)
    assert arms == {NONE: without, "print": tuple(ARMS), "letters": without, "masked": without}
    assert widget.data["sources"] == {name: list(own) for name, own in arms.items()}
    widget.source, widget.arm = "print", KEEP
    widget.source = "letters"
    assert widget.arm == TUNE


def test_pixels_are_learned_from_the_same_labels():
    widget = lab()
    found = label_efficiency({"pixels": Pixels()}, POOL, TEST, labels=(2, 3), seeds=FEW["seeds"])["pixels"].mean(dim=0)
    assert set(widget.described()["pixels"]) == {"3"}  # those that can be seen
    widget.each = 2
    assert widget.described()["pixels"] == pytest.approx({"2": found[0].item(), "3": found[1].item()})


# ---- what is kept of runs


def a_run(runs: Runs, points: int, status: str = "finished", total: int = 8, value: float = 0.5, seeds: int = 3) -> Run:
    run = runs.begin(Choice("print", TUNE if total else PROBE, 3), total)
    for k in range(points):
        runs.add(run, 2 * k, [value + 0.01 * k + 0.1 * seed for seed in range(seeds)])
    runs.end(run, status)
    return run


def test_the_last_three_curves_are_kept_the_last_first():
    runs = Runs()
    made = [a_run(runs, 5, status) for status in ("finished", "stopped", "finished", "failed", "finished", "finished")]
    assert [run.number for run in made] == [1, 2, 3, 4, 5, 6]
    assert runs.current is made[-1] and runs.earlier == made[-2:-5:-1] and len(runs.earlier) == KEPT
    assert [each["number"] for each in runs.described()] == [6, 5, 4, 3]
    runs.forget()
    assert [each["number"] for each in runs.described()] == [6]


@pytest.mark.parametrize(("points", "total", "stays"), [(0, 8, False), (1, 8, False), (2, 8, True), (1, 0, True)])
def test_what_is_no_curve_is_not_kept(points, total, stays):
    runs = Runs()
    run = a_run(runs, points, "stopped", total)
    a_run(runs, 5)
    assert (run in runs.earlier) == stays


def test_a_run_is_compared_at_the_last_step_that_both_reached():
    runs = Runs()
    before = a_run(runs, 5, value=0.5)  # 0.64, the mean of 0.54 to 0.74, at step 8
    now = runs.begin(Choice(NONE, TUNE, 3), 8)
    assert runs.described()[1]["above"] is None  # no point yet
    runs.add(now, 0, [0.6, 0.6, 0.6])
    runs.add(now, 2, [0.7, 0.9, 0.8])
    above = now.above(before)
    mean, half = interval(np.array([0.7 - 0.51, 0.9 - 0.61, 0.8 - 0.71]), "it")
    assert above == pytest.approx({"step": 2, "mean": mean.item(), "half": half.item()}, abs=1e-6)
    assert runs.described()[1]["above"] == above and runs.described()[0]["above"] is None
    runs.end(now, "stopped")
    probe = a_run(runs, 1, total=0, value=0.4)
    assert probe.above(now)["mean"] == pytest.approx(0.5 - 0.8) and probe.above(now)["step"] == 2
    assert probe.above(before)["mean"] == pytest.approx(0.5 - 0.64) and probe.above(before)["step"] == 8
    assert before.above(probe)["mean"] == pytest.approx(0.64 - 0.5)


def test_one_seed_has_a_mean_and_no_interval():
    runs = Runs()
    a_run(runs, 5, seeds=1)
    a_run(runs, 5, seeds=1, value=0.6)
    now, before = runs.described()
    assert now["half"] is None and before["above"] == {"step": 8, "mean": pytest.approx(0.1), "half": None}
    assert trained(lab(seeds=(3,))).status == "finished"


def test_runs_are_named_for_what_they_are():
    names = {Choice(source, arm, 3).name for source in (NONE, "print") for arm in ARMS if (source, arm) != (NONE, KEEP)}
    assert names == {
        "from scratch", "untrained, last block only", "untrained, linear probe",
        "print, fine-tuned", "print, head kept", "print, last block only", "print, linear probe",
    }  # fmt: skip


# ---- the thread


def test_stop_ends_a_training_and_keeps_its_curve():
    widget = lab(steps=LONG)
    run = until_it_runs(widget, points=3)
    assert widget.training and run.total == LONG
    widget.stop()
    widget.wait(PATIENCE)
    assert run.status == "stopped" and not widget.training and len(run.steps) >= 3
    assert run.steps == list(range(0, 2 * len(run.steps), 2)) and len(run.accuracies) == len(run.steps)
    again = until_it_runs(widget)
    widget.stop()
    widget.wait(PATIENCE)
    assert again is not run and widget.runs.earlier == [run]
    shared = min(len(run.steps), len(again.steps))
    assert again.accuracies[:shared] == run.accuracies[:shared]


def test_a_probe_is_stopped_too(monkeypatch):
    widget = lab()
    widget.arm = PROBE
    learn = Probe.accuracies

    def slow(*given: Any) -> list[float]:
        widget.stop()
        return learn(*given)

    monkeypatch.setattr(Probe, "accuracies", slow)
    run = widget.start()
    widget.wait(PATIENCE)
    assert run.status == "stopped" and run.steps == []


def test_stop_without_a_training_does_nothing():
    widget = lab()
    widget.stop()
    run = trained(widget)
    widget.stop()
    assert run.status == "finished" and trained(widget).status == "finished"


def test_a_second_start_is_refused_while_one_is_running():
    widget = lab(steps=LONG)
    run = until_it_runs(widget)
    with pytest.raises(ValueError, match="run 1 is running: expected one training at a time"):
        widget.start()
    widget.set_state({"asked": [1, "start"]})
    assert "run 1 is running" in widget.described()["refused"] and widget.described()["answered"] == 1
    assert widget.runs.current is run and widget.runs.earlier == []
    widget.set_state({"asked": [2, "stop"]})
    widget.wait(PATIENCE)
    assert run.status == "stopped" and widget.described()["refused"] == ""


def test_settings_that_change_during_a_run_do_not_disturb_it():
    expected = trained(lab(), source="print", each=3).accuracies
    widget = lab()
    widget.source, widget.each = "print", 3
    add = widget.runs.add

    def meanwhile(run: Run, step: int, accuracies: Any) -> None:
        widget.set_state({"source": NONE, "arm": PROBE, "each": 2})
        add(run, step, accuracies)

    widget.runs.add = meanwhile  # type: ignore[method-assign]
    run = trained(widget)
    assert (widget.source, widget.arm, widget.each) == (NONE, PROBE, 2)
    assert run.choice == Choice("print", TUNE, 3) and run.accuracies == expected


def test_an_error_is_shown_and_the_lab_goes_on(monkeypatch):
    widget = lab()

    def breaks(*_: Any, watch: Any, **__: Any) -> None:
        raise RuntimeError("no memory left")

    with monkeypatch.context() as patch:
        patch.setattr(transfer_runs, "fine_tune", breaks)
        run = trained(widget)
    assert run.status == "failed" and run.message == "RuntimeError: no memory left"
    assert widget.described()["runs"][0]["message"] == run.message and not widget.training
    assert trained(widget).status == "finished"


def test_a_loss_that_explodes_is_an_error_in_words():
    run = trained(lab(lr=1e30, steps=50))
    assert (
        run.status == "failed"
        and run.message.startswith("the loss became")
        and "smaller learning rate than lr" in run.message
    )
    assert run.steps[:1] == [0]


def test_a_new_lab_and_another_start_stop_what_an_earlier_lab_trains():
    first = lab(steps=LONG)
    one = until_it_runs(first)
    second = lab(steps=LONG)  # as when its cell is run again
    first.wait(PATIENCE)
    assert one.status == "stopped"
    two = until_it_runs(second)
    again = until_it_runs(first)
    second.wait(PATIENCE)
    assert two.status == "stopped" and again.status == "running"
    first.close()
    first.wait(PATIENCE)
    assert again.status == "stopped"


def test_a_lab_that_cannot_be_made_stops_nothing():
    widget = lab(steps=LONG)
    run = until_it_runs(widget)
    with pytest.raises(ValueError):
        lab(steps=0)
    assert run.status == "running"
    widget.close()
    widget.wait(PATIENCE)


def test_the_thread_does_not_keep_the_kernel_alive():
    widget = lab(steps=LONG)
    until_it_runs(widget)
    assert widget._thread is not None and widget._thread.daemon
    widget.close()
    widget.wait(PATIENCE)


# ---- what the page hears


def test_the_page_hears_each_point_once_it_is_there_and_the_end(monkeypatch):
    heard: list[dict[str, Any]] = []
    widget = lab()
    monkeypatch.setattr(widget, "_send", lambda message, buffers=None: heard.append(message["state"]))
    trained(widget)
    states = [each["state"] for each in heard if "state" in each]
    assert [len(state["runs"][0]["steps"]) for state in states] == [0, 1, 2, 3, 4, 4]
    assert [state["running"] for state in states] == [True] * 5 + [False]
    assert states[-1] == widget.get_state()["state"] == widget.described()


def test_orders_of_the_page_are_followed():
    widget = lab()
    widget.set_state({"source": "print", "each": 2, "arm": KEEP, "asked": [1, "start"]})
    widget.wait(PATIENCE)
    assert widget.runs.current is not None and widget.runs.current.choice == Choice("print", KEEP, 2)
    widget.set_state({"asked": [2, "start"]})
    widget.wait(PATIENCE)
    assert len(widget.described()["runs"]) == 2
    widget.set_state({"asked": [3, "forget"]})
    assert len(widget.described()["runs"]) == 1 and widget.described()["answered"] == 3


def test_what_an_order_raises_is_said(monkeypatch):
    widget = lab()
    monkeypatch.setattr(widget.experiment, "prepare", lambda choice: 1 / 0)
    widget.set_state({"asked": [1, "start"]})
    assert widget.described()["refused"] == "division by zero" and not widget.training


# ---- the picture


def test_a_short_comparison_stands_in_the_notebook_and_is_made_once(monkeypatch):
    widget = lab()
    calls = []
    train = transfer_runs.fine_tune
    monkeypatch.setattr(transfer_runs, "fine_tune", lambda *a, **k: (calls.append(len(a[0])), train(*a, **k)))
    check_bundle(widget, "test accuracy while a network learns from few labels, from 3 sources and none")
    assert calls == [2 * transfer_lab.PICTURE["seeds"]]
    figure = widget.picture()
    assert "2: print, fine-tuned" in figure.says and "1: from scratch" in figure.says and "2 seeds" in figure.says
    assert widget.described()["runs"] == []  # the page begins empty


def test_the_comparison_has_the_curves_of_two_runs():
    experiment = lab().experiment
    scratch, tuned = experiment.pair(3, steps=FEW["steps"], every=2, seeds=3)
    for run, source in ((scratch, NONE), (tuned, "print")):
        alone = trained(lab(), source=source, each=3)
        assert run.steps == alone.steps and np.allclose(run.accuracies, alone.accuracies, atol=0.05)
        assert run.choice == alone.choice
    assert np.allclose(scratch.accuracies[0], trained(lab()).accuracies[0], atol=1e-4)


def test_the_picture_shows_the_runs_that_there_are():
    widget = lab()
    trained(widget, source="letters", each=2)
    trained(widget, source="masked", arm=PROBE, each=3)
    says = widget.picture().says
    assert says.startswith("3 labels for each class: 2: masked, linear probe") and "1: letters, fine-tuned" in says
    assert "2 labels" in says


# ---- what is refused


def labelled(**changes: Any) -> Examples:
    images, labels = POOL
    return changes.get("images", images), changes.get("labels", labels)
