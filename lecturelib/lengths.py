"""Sequences of unequal length in one rectangular batch: fill them up, and never read what was filled in."""

from collections.abc import Sequence

import torch
from torch import nn

from lecturelib.edges import check_lengths


def pad(sequences: Sequence[Sequence[int]], value: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Lay sequences of unequal length into one rectangle, filled up on the right; return it and the true lengths.

    Shapes: B sequences; returns (B, T) with T the longest length, and lengths (B,).
    Raises: ValueError for no sequence at all, or an empty one.

    >>> pad([[5, 6, 7], [8]])
    (tensor([[5, 6, 7],
            [8, 0, 0]]), tensor([3, 1]))
    """
    lengths = [len(s) for s in sequences]
    if not lengths or 0 in lengths:
        raise ValueError(f"sequences of lengths {lengths}: expected at least one sequence, each with a token or more")
    padded = nn.utils.rnn.pad_sequence([torch.as_tensor(s) for s in sequences], batch_first=True, padding_value=value)
    return padded, torch.tensor(lengths)


def real_steps(lengths: torch.Tensor, steps: int) -> torch.Tensor:
    """Return the mask of the steps that are not padding: True where t < length.

    Shapes: lengths (B,); returns (B, steps), boolean.
    Raises: ValueError for a length below 1 or above `steps`.
    """
    fits = lengths.ndim == 1 and lengths.dtype in (torch.int64, torch.int32) and lengths.numel() > 0
    if not fits or lengths.min() < 1 or lengths.max() > steps:
        raise ValueError(
            f"lengths={lengths.tolist()} of {lengths.dtype}: expected (B,) whole numbers from 1 to {steps}, a length "
            "for each sequence; are these the lengths of this batch?"
        )
    return steps_within(lengths, steps)


def steps_within(lengths: torch.Tensor, steps: int) -> torch.Tensor:
    """Compute `real_steps` and believe the lengths: what a network runs, so that it compiles.

    Shapes: lengths (B,); returns (B, steps), boolean.
    """
    return torch.arange(steps, device=lengths.device) < lengths[:, None]


def mean_over_real_steps(values: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Average a quantity that each step has, such as its loss, over the real steps of a whole batch.

    Shapes: values (B, T), lengths (B,); returns a scalar. Every real token counts the same.
    Raises: ValueError for a number of lengths that does not fit the batch.
    """
    check_lengths(lengths, values)
    real = steps_within(lengths, values.shape[1])
    return torch.where(real, values, 0.0).sum() / real.sum()
