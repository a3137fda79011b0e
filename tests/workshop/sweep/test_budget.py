"""The budget sweep: what a budget buys, the training that spends it, and its table."""

import csv
import re

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lecturelib.data.text import VOCABULARY
from lecturelib.language import next_token_loss
from lecturelib.transformer import LanguageModel
from lecturelib.workshop.sweep import budget


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Return a file for a table of two budgets, two widths and two seeds, with few held-out pieces."""
    train, held_out = budget.texts()
    monkeypatch.setattr(budget, "texts", lambda: (train, held_out[:4]))
    monkeypatch.setattr(budget, "BUDGETS", (4e8, 8e8))
    monkeypatch.setattr(budget, "WIDTHS", (8, 16))
    monkeypatch.setattr(budget, "SEEDS", (0, 1))
    return tmp_path / "budget.csv"


@pytest.mark.parametrize("width", [8, 64])
def test_a_budget_buys_as_many_steps_as_torch_counts_operations(width):
    model = LanguageModel(len(VOCABULARY), width, budget.HEADS, budget.LAYERS, 63)  # a token less: no fused kernel
    with FlopCounterMode(display=False) as counter:
        next_token_loss(model, (torch.zeros(budget.BATCH, 64, dtype=torch.long),)).backward()
    each = 1e13 / budget.steps_of(width, 1e13)
    assert 1.0 < each / counter.get_total_flops() < 1.03  # 64 tokens are a sixty-fourth more than 63


def test_twice_the_budget_buys_twice_the_steps():
    assert abs(budget.steps_of(16, 2e10) - 2 * budget.steps_of(16, 1e10)) <= 1


def test_a_training_is_decided_by_its_seed_and_leaves_the_global_generator_alone(small):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, again, other = (budget.train_on_budget(8, 3e8, seed) for seed in (0, 0, 1))
    assert first == again != other
    assert torch.equal(before, torch.get_rng_state())


def test_a_larger_budget_learns_more(small):
    assert budget.train_on_budget(8, 6e9, 0) < budget.train_on_budget(8, 3e8, 0) - 0.3


def test_a_stopped_run_goes_on_and_measures_nothing_twice(small, monkeypatch):
    asked = []

    def trained(width, limit, seed):
        if len(asked) == 5:
            asked.append(None)
            raise KeyboardInterrupt
        asked.append((limit, width, seed))
        return 2.0 + seed + width / 100

    monkeypatch.setattr(budget, "train_on_budget", trained)
    with pytest.raises(KeyboardInterrupt):
        budget.run(small)
    with pytest.raises(ValueError, match="lacks 3 rows"):
        budget.table(small)
    budget.run(small)
    done = [each for each in asked if each is not None]
    assert len(done) == len(set(done)) == 8
    assert not list(small.parent.glob("*.part"))
    found = budget.table(small)
    assert found.loss.shape == found.seconds.shape == (2, 2, 2)
    torch.testing.assert_close(found.loss[1], torch.tensor([[2.08, 3.08], [2.16, 3.16]]))


def test_a_disk_that_is_full_leaves_the_table_as_it_was(small, monkeypatch):
    monkeypatch.setattr(budget, "train_on_budget", lambda *_: 2.0)
    budget.run(small)
    whole = small.read_bytes()
    small.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    short = small.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(csv.DictWriter, "writerows", full)
    with pytest.raises(OSError, match="No space"):
        budget.run(small)
    assert small.read_bytes() == short


def test_the_committed_table_is_whole_and_learned_something():
    found = budget.table()
    assert found.loss.shape == (len(budget.BUDGETS), len(budget.WIDTHS), len(budget.SEEDS))
    assert (found.loss.mean(-1).amin(dim=1).diff() < 0).all()  # a larger budget, a lower loss
    for row in budget._rows(budget.FILE):
        assert row["steps"] == budget.steps_of(int(row["width"]), row["budget"])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: budget.steps_of(64, 1e3), ["1000.0", "one step at width 64"]),
        (lambda: budget.steps_of(64, float("nan")), ["nan", "one step"]),
        (lambda: budget.train_on_budget(20, 1e10, 0), ["width=20", "lr="]),
    ],
)
def test_bad_input_is_refused_in_words(call, says):
    with pytest.raises(ValueError) as caught:
        call()
    assert all(each in str(caught.value) for each in says), caught.value


@pytest.mark.parametrize("text", ["budget,width\n1,2\n", ",".join(budget.COLUMNS) + "\n1e10,8,0,x,2.0,1.0\n"])
def test_a_damaged_table_says_so(tmp_path, text):
    file = tmp_path / "budget.csv"
    with pytest.raises(ValueError, match=re.escape("python -m lecturelib sweep budget")):
        budget.table(file)
    file.write_text(text)
    with pytest.raises(ValueError, match="damaged"):
        budget.table(file)
    with pytest.raises(ValueError, match="damaged"):
        budget.run(file)
