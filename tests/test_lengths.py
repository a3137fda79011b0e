"""Sequences of unequal length, against torch's packed sequences, which hold no padding at all."""

import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_padded_sequence

from lecturelib import lengths
from tests.mutants import Mutant, planted
from tests.strategies import normal, seeds
from tests.tools import refuses


@st.composite
def batches(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw a padded batch (B, T, 3), at least one step wider than its longest sequence, and its lengths."""
    true = draw(st.lists(st.integers(1, 7), min_size=1, max_size=5))
    wide = max(true) + draw(st.integers(1, 3))
    return normal(len(true), wide, 3, seed=draw(seeds)), torch.tensor(true)


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=7), min_size=1, max_size=5), st.integers(-3, 20))
def test_pad_fills_up_on_the_right_and_loses_nothing(sequences: list[list[int]], value: int) -> None:
    assert torch.equal(lengths.pad(sequences)[0], lengths.pad(sequences, 0)[0])
    padded, true = lengths.pad(sequences, value)
    assert true.tolist() == [len(sequence) for sequence in sequences]
    assert padded.shape == (len(sequences), max(true.tolist()))
    for row, sequence in zip(padded.tolist(), sequences, strict=True):
        assert row == sequence + [value] * (len(row) - len(sequence))


@given(batches())
def test_real_steps_are_the_first_ones(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    values, true = batch
    mask = lengths.real_steps(true, values.shape[1])
    assert mask.dtype == torch.bool
    assert mask.tolist() == [[t < n for t in range(values.shape[1])] for n in true.tolist()]
    assert torch.equal(lengths.steps_within(true, values.shape[1]), mask)


@given(batches())
def test_the_mean_is_that_of_the_packed_sequence(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    x, true = batch
    packed = pack_padded_sequence(x, true, batch_first=True, enforce_sorted=False)
    torch.testing.assert_close(lengths.mean_over_real_steps(x[..., 0], true), packed.data[:, 0].mean())


@given(batches(), st.sampled_from([9e9, float("nan"), float("inf")]))
def test_what_stands_in_the_padding_changes_nothing(batch: tuple[torch.Tensor, torch.Tensor], filling: float) -> None:
    values, true = batch[0].requires_grad_(), batch[1]
    real = torch.arange(values.shape[1] + 5) < true[:, None]
    wider = F.pad(values.detach(), (0, 0, 0, 5)).masked_fill(~real[..., None], filling)
    found = lengths.mean_over_real_steps(values[..., 0], true)
    torch.testing.assert_close(lengths.mean_over_real_steps(wider[..., 0], true), found)
    (gradient,) = torch.autograd.grad(found, values)
    real = real[:, : values.shape[1]]
    assert (gradient[~real] == 0).all() and (gradient[real] != 0).any()


STATES = normal(3, 5, 2, seed=0)

test_bad_input_is_refused_in_words = refuses(
    (lambda: lengths.pad([]), ["[]", "at least one sequence"]),
    (lambda: lengths.pad([[1, 2], []]), ["[2, 0]", "a token or more"]),
    (lambda: lengths.real_steps(torch.tensor([3, 6]), 5), ["[3, 6]", "from 1 to 5"]),
    (lambda: lengths.real_steps(torch.tensor([2.5]), 5), ["torch.float32", "whole numbers"]),
    (lambda: lengths.mean_over_real_steps(STATES, torch.tensor([1, 2])), ["(2,)", "3 sequences", "(3,)"]),
)


SAME = test_the_mean_is_that_of_the_packed_sequence

test_mutants = planted(
    lengths,
    [
        Mutant("< lengths[:, None]", "<= lengths[:, None]", test_real_steps_are_the_first_ones),
        Mutant("torch.where(real, values, 0.0).sum() / real.sum()",
               "(torch.where(real, values, 0.0).sum(1) / lengths).mean()", SAME),
    ],
)  # fmt: skip
