"""The budget sweep: what a budget buys, the training that spends it, and how its table is measured."""

import csv

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lecturelib.attention import record_attention
from lecturelib.data import sweeps
from lecturelib.data.sweeps import BATCH_SIZE, BUDGET, BUDGET_COLUMNS, CONTEXT, budget_table, rows
from lecturelib.data.text import VOCABULARY
from lecturelib.language import next_token_loss
from lecturelib.transformer import LanguageModel
from lecturelib.workshop.sweep import budget


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Return a file for a table of two budgets, two widths and two seeds, with few held-out pieces."""
    train, held_out = sweeps.budget_texts()
    monkeypatch.setattr(sweeps, "budget_texts", lambda: (train, held_out[:4]))
    monkeypatch.setattr(budget, "BUDGETS", (4e8, 8e8))
    monkeypatch.setattr(budget, "WIDTHS", (8, 16))
    monkeypatch.setattr(budget, "SEEDS", (0, 1))
    return tmp_path / "budget.csv"


@pytest.mark.parametrize("d_model", [8, 64])
def test_a_budget_buys_as_many_steps_as_torch_counts_operations(d_model):
    model = LanguageModel(len(VOCABULARY), d_model, budget.HEADS, budget.LAYERS, CONTEXT, positions="sinusoidal")
    tokens = torch.zeros(BATCH_SIZE, CONTEXT + 1, dtype=torch.long)
    with record_attention(model), FlopCounterMode(display=False) as counter:  # watched, it uses no fused kernel
        next_token_loss(model, (tokens,)).backward()
    each = 1e13 / budget.steps_of(d_model, 1e13)
    assert each == pytest.approx(counter.get_total_flops(), rel=1e-3)


def test_a_training_is_decided_by_its_seed_and_leaves_the_global_generator_alone(small):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, again, other = (budget.train_on_budget(8, 3e8, seed) for seed in (0, 0, 1))
    assert first == again != other
    assert torch.equal(before, torch.get_rng_state())
    assert budget.train_on_budget(8, 6e9, 0) < first - 0.3  # a larger budget learns more


def test_a_stopped_run_goes_on_and_measures_nothing_twice(small, monkeypatch):
    asked = []

    def trained(d_model, limit, seed):
        if len(asked) == 5:
            asked.append(None)
            raise KeyboardInterrupt
        asked.append((limit, d_model, seed))
        return 2.0 + seed + d_model / 100

    monkeypatch.setattr(budget, "train_on_budget", trained)
    with pytest.raises(KeyboardInterrupt):
        budget.run(small)
    with pytest.raises(ValueError, match="lacks 3 of its values: finish it with `lecture sweep budget`"):
        budget_table(small)
    budget.run(small)
    done = [each for each in asked if each is not None]
    assert len(done) == len(set(done)) == 8
    assert [path.name for path in small.parent.iterdir()] == [small.name]
    found = budget_table(small)
    assert found.loss.shape == found.seconds.shape == (2, 2, 2)
    torch.testing.assert_close(found.loss[1], torch.tensor([[2.08, 3.08], [2.16, 3.16]]))


def test_a_disk_that_is_full_leaves_the_table_as_it_was(small, monkeypatch):
    monkeypatch.setattr(budget, "train_on_budget", lambda *_: 2.0)
    budget.run(small)
    small.write_bytes(b"".join(small.read_bytes().splitlines(keepends=True)[:-1]))
    short = small.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(csv.DictWriter, "writerows", full)
    with pytest.raises(OSError, match="No space"):
        budget.run(small)
    assert small.read_bytes() == short and [path.name for path in small.parent.iterdir()] == [small.name]


def test_the_table_of_the_course_is_of_these_settings():
    found = budget_table()
    assert (tuple(found.budgets), tuple(found.widths)) == (budget.BUDGETS, budget.WIDTHS)
    assert found.loss.shape == found.seconds.shape == (len(budget.BUDGETS), len(budget.WIDTHS), len(budget.SEEDS))
    assert (found.loss.mean(-1).amin(dim=1).diff() < 0).all()  # a larger budget, a lower loss
    for row in rows(BUDGET, BUDGET_COLUMNS):
        assert row["steps"] == budget.steps_of(row["width"], row["budget"])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: budget.steps_of(64, 1e3), ["1000.0", "one step at d_model=64"]),
        (lambda: budget.steps_of(64, float("nan")), ["nan", "one step"]),
        (lambda: budget.train_on_budget(20, 1e10, 0), ["d_model=20", "lr="]),
    ],
)
def test_bad_input_is_refused_in_words(call, says):
    with pytest.raises(ValueError) as caught:
        call()
    assert all(each in str(caught.value) for each in says), caught.value
