"""The tables that come with the course are read whole, or refused with the command that measures them."""

import random
import shutil

import pytest
import torch
from scipy.stats import ttest_1samp

from lecturelib.data.sweeps import TRANSFER, transfer_table


def test_each_accuracy_stands_at_its_place_whatever_the_order_of_the_rows(tmp_path):
    shutil.copy(TRANSFER.with_suffix(".json"), tmp_path)
    head, *lines = TRANSFER.read_text(encoding="utf-8").splitlines()
    random.Random(0).shuffle(lines)
    (tmp_path / TRANSFER.name).write_text("\n".join([head, *lines]), encoding="utf-8")
    there, here = transfer_table(), transfer_table(tmp_path / TRANSFER.name)
    assert there.accuracy.keys() == here.accuracy.keys()
    assert all(torch.equal(there.accuracy[name], here.accuracy[name]) for name in there.accuracy)
    (line,) = [line for line in lines if line.startswith("pixels,5,3,")]
    assert here.accuracy["pixels"][3, here.labels.index(5)] == torch.tensor(float(line.split(",")[3]))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: "", "is damaged"),
        (lambda text: text.replace(",seed", "", 1), "is damaged"),
        (lambda text: text.rstrip().rpartition(",")[0], "is damaged"),
        (lambda text: text.rstrip().rpartition("\n")[0], "lacks 1 of its values: finish it"),
    ],
)
def test_a_table_that_is_not_whole_is_refused(tmp_path, change, says):
    file = tmp_path / TRANSFER.name
    with pytest.raises(
        ValueError, match=f"{file.name} is damaged, or not there .*`lecture sweep --file {file} --fresh"
    ):
        transfer_table(file)
    file.write_text(change(TRANSFER.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(ValueError, match=f"{file.name} {says}.*`lecture sweep --file {file}"):
        transfer_table(file)


@pytest.mark.parametrize("text", ["{", "[]", '{"settings": {}}'])
def test_a_table_of_unknown_settings_is_refused(tmp_path, text):
    shutil.copy(TRANSFER, tmp_path)
    (tmp_path / "transfer.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"transfer.json is damaged.*lecture sweep --file .*transfer.csv --fresh"):
        transfer_table(tmp_path / "transfer.csv")


def test_the_mae_that_begins_with_its_probe_is_above_it_at_every_number_of_labels():
    accuracy = transfer_table().accuracy
    ahead = accuracy["MAE, probe first"] - accuracy["MAE, probe"]
    low = ttest_1samp(ahead.double(), 0).confidence_interval(0.95).low
    assert (low > 0).all()  # notebook 07, section 4: no paired interval includes 0
