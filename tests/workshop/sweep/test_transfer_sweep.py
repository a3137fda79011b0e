"""The sweep of notebook 07: what it measures, and that a stopped run goes on."""

import pytest
import torch

from lecturelib import label_efficiency
from lecturelib.data.sweeps import transfer_table
from lecturelib.pretrained.load import source
from lecturelib.pretrained.models import network
from lecturelib.workshop.sweep import transfer as sweep

HOW = dict(sweep.HOW)
ARMS = ["pixels", "from scratch", "print, probe"]


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setitem(sweep.HOW, "steps", 2)


def small(file):
    sweep.run(file, {name: sweep.arms()[name] for name in ARMS}, labels=(1, 2), seeds=(0, 1))


def test_a_table_holds_every_arm_seed_and_number_of_labels(tmp_path):
    small(tmp_path / "table.csv")
    measured = transfer_table(tmp_path / "table.csv")
    assert measured.labels == [1, 2]
    assert {name: tuple(each.shape) for name, each in measured.accuracy.items()} == dict.fromkeys(ARMS, (2, 2))
    pool, test = sweep.target()
    arm = sweep.arms()["from scratch"]()
    alone = label_efficiency.label_efficiency({"it": arm}, pool, test, labels=(1, 2), seeds=(0, 1))["it"]
    torch.testing.assert_close(measured.accuracy["from scratch"], alone, atol=6e-5, rtol=0)
    assert set(measured.about["cpu_seconds"]) == set(ARMS)


def test_a_stopped_run_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "AT_ONCE", 1)
    small(tmp_path / "whole.csv")
    real, calls = sweep.label_efficiency, []

    def stop_at_the_fourth(*given, **named):
        calls.append(list(given[0]))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*given, **named)

    monkeypatch.setattr(sweep, "label_efficiency", stop_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        small(tmp_path / "parts.csv")
    with pytest.raises(ValueError, match=r"lacks 2 of its values: finish it with `lecture sweep --file .*parts.csv`"):
        transfer_table(tmp_path / "parts.csv")
    small(tmp_path / "parts.csv")
    assert len(calls) == 4 + 3  # three of six were there
    assert (tmp_path / "parts.csv").read_text() == (tmp_path / "whole.csv").read_text()


def test_other_settings_are_refused_and_nothing_is_lost(tmp_path, monkeypatch):
    file = tmp_path / "table.csv"
    small(file)
    before = file.read_text()
    monkeypatch.setitem(sweep.HOW, "steps", 3)
    with pytest.raises(ValueError, match=r"was made with .*expected the settings of now.*move the file"):
        small(file)
    assert file.read_text() == before


def test_a_fresh_head_knows_nothing_of_the_source():
    """Built with the seed of the sources it would: seed 0 then names 69 of 100 digits before the first step."""
    _, test = sweep.target()
    for name in ("print", "ink", "random labels"):
        for seed in sweep.SEEDS:
            model = label_efficiency.copy_encoder(source(name), network(seed))
            with torch.no_grad():
                assert (model(test[0]).argmax(dim=1) == test[1]).float().mean() < 0.3, (name, seed)


def test_a_learning_rate_is_judged_on_digits_that_are_neither_learned_nor_for_the_test(monkeypatch):
    given = []
    monkeypatch.setattr(
        sweep, "label_efficiency", lambda arms, *parts, **how: given.extend(parts) or {"pixels": torch.zeros(1)}
    )
    sweep.validated("pixels", 0.1)
    images = [each.tobytes() for part in (*given, sweep.target()[1]) for each in part[0].numpy()]
    assert [len(part[1]) for part in given] == [1100, 197] and len(set(images)) == len(images)


def test_the_table_of_the_course_is_whole_and_of_these_settings():
    measured = transfer_table()
    assert set(measured.accuracy) == set(sweep.arms())
    assert measured.labels == list(sweep.LABELS)
    assert {len(each) for each in measured.accuracy.values()} == {len(sweep.SEEDS)}
    assert measured.about["settings"] == {**sweep.settings(), **HOW}


def test_cheap_arms_of_the_table_can_be_measured_again():
    measured = transfer_table()
    pool, test = sweep.target()
    for name in ("pixels", "pixels, moved copies", "pixels, label spreading", "print, probe"):
        arm = sweep.arms()[name]()
        again = label_efficiency.label_efficiency({"it": arm}, pool, test, labels=(1, 5), seeds=(0, 1))["it"]
        torch.testing.assert_close(again, measured.accuracy[name][:2, :2], atol=0.005, rtol=0)
