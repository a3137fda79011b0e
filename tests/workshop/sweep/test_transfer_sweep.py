"""The sweep of notebook 07: what it measures, and that a stopped run goes on."""

import pytest
import torch

from lecturelib import label_efficiency
from lecturelib.data.sweeps import transfer_table
from lecturelib.pretrained.load import source
from lecturelib.pretrained.models import network
from lecturelib.workshop.sweep import transfer as sweep

SMALL = {"few": (1, 2), "many": (3,), "seeds": (0, 1), "changes": {"steps": 2}}
ARMS = ["pixels", "from scratch", "print, probe"]


def small(file, **changes):
    sweep.run(file, **{**SMALL, "only": ARMS} | changes)


def test_a_table_holds_every_arm_seed_and_number_of_labels(tmp_path):
    small(tmp_path / "table.csv")
    measured = transfer_table(tmp_path / "table.csv")
    assert measured.labels == [1, 2, 3]
    assert {name: tuple(each.shape) for name, each in measured.accuracy.items()} == dict.fromkeys(ARMS, (2, 3))
    pool, test = sweep.target()
    arm = sweep.arms({**sweep.HOW, "steps": 2})["from scratch"]()
    alone = label_efficiency.label_efficiency({"it": arm}, pool, test, labels=(1, 2), seeds=(0, 1))["it"]
    torch.testing.assert_close(measured.accuracy["from scratch"][:, :2], alone, atol=6e-5, rtol=0)
    assert set(measured.about["cpu_seconds"]) == {f"{name}, {n} labels" for name in ARMS for n in ("1 to 2", "3 to 3")}


def test_a_stopped_run_goes_on_where_it_was(tmp_path, monkeypatch):
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
    with pytest.raises(ValueError, match=r"lacks 2 of its values: finish it with `lecture sweep parts`"):
        transfer_table(tmp_path / "parts.csv")
    small(tmp_path / "parts.csv")
    assert len(calls) == 4 + 3  # three of six were there
    assert (tmp_path / "parts.csv").read_text() == (tmp_path / "whole.csv").read_text()


def test_other_settings_and_unknown_arms_are_refused_and_nothing_is_lost(tmp_path):
    file = tmp_path / "table.csv"
    small(file)
    before = file.read_text()
    with pytest.raises(ValueError, match=r"was made with .*expected the settings of now.*move the file"):
        small(file, changes={"steps": 3})
    with pytest.raises(ValueError, match=r"arms \['tuned'\] are unknown: expected some of pixels"):
        small(file, only=["tuned"])
    file.write_text("arm,seed\npixels,1\n")
    with pytest.raises(ValueError, match="damaged"):
        small(file)
    file.write_text(before)
    small(file)
    assert file.read_text() == before


def test_the_conflicting_head_calls_each_class_by_the_name_of_the_next():
    images = sweep.target()[1][0][:50]
    right = source("print")
    wrong = sweep.conflicting(right)
    with torch.no_grad():
        assert torch.equal(wrong(images).argmax(dim=1), (right(images).argmax(dim=1) + 1) % 10)
        assert torch.equal(wrong.embed(images), right.embed(images))


def test_a_fresh_head_knows_nothing_of_the_source():
    """Built with the seed of the sources it would: seed 0 then names 69 of 100 digits before the first step."""
    _, test = sweep.target()
    for name in ("print", "ink", "random labels"):
        for seed in sweep.SEEDS:
            model = label_efficiency.copy_encoder(source(name), network(seed))
            with torch.no_grad():
                assert (model(test[0]).argmax(dim=1) == test[1]).float().mean() < 0.3, (name, seed)


def test_the_table_of_the_course_is_whole_and_of_these_settings():
    measured = transfer_table()
    assert set(measured.accuracy) == set(sweep.arms(sweep.HOW))
    assert measured.labels == [*sweep.FEW, *sweep.MANY]
    assert {len(each) for each in measured.accuracy.values()} == {len(sweep.SEEDS)}
    parts = [(sweep.FEW, sweep.HOW), (sweep.MANY, sweep.HOW_MANY)]
    assert measured.about["settings"] == sweep._about(parts, sweep.SEEDS)["settings"]


def test_cheap_arms_of_the_table_can_be_measured_again():
    measured = transfer_table()
    pool, test = sweep.target()
    columns = [measured.labels.index(1), measured.labels.index(5)]
    for name in ("pixels", "print, probe"):
        arm = sweep.arms(sweep.HOW)[name]()
        again = label_efficiency.label_efficiency({"it": arm}, pool, test, labels=(1, 5), seeds=(0, 1))["it"]
        torch.testing.assert_close(again, measured.accuracy[name][:2, columns], atol=0.005, rtol=0)
