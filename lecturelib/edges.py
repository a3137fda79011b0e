"""What every file asks of its input: whole numbers, a batch of tokens, one length for each sequence."""

import operator

import numpy as np
import torch


def check_whole(least: int = 1, /, **numbers: object) -> None:
    """Raise ValueError for what is not a whole number of at least `least`, of Python, NumPy or torch.

    >>> check_whole(batch_size=32, lr=0.1)
    Traceback (most recent call last):
    ValueError: lr=0.1: expected a whole number of 1 or more
    """
    for name, value in numbers.items():
        try:
            right = not isinstance(value, bool | np.bool_) and operator.index(value) >= least  # type: ignore[arg-type]
        except TypeError:
            right = False
        if not right:
            raise ValueError(f"{name}={value!r}: expected a whole number of {least} or more")


def check_tokens(tokens: torch.Tensor, name: str = "tokens", max_len: int | None = None) -> None:
    """Raise ValueError for what is not a batch of whole numbers, at most `max_len` of them in a row."""
    if tokens.ndim != 2 or tokens.numel() == 0 or tokens.is_floating_point() or tokens.dtype == torch.bool:
        raise ValueError(
            f"{name} has shape {tuple(tokens.shape)} and type {tokens.dtype}: expected (B, T) whole numbers, neither "
            f"of them 0; a single sequence goes in as {name}[None]"
        )
    if max_len is not None and tokens.shape[1] > max_len:
        raise ValueError(
            f"the sequence has {tokens.shape[1]} tokens, the model {max_len} positions: expected at most that many; "
            f"cut it, such as {name}[:, -{max_len}:], or build the model with more"
        )


def check_lengths(lengths: torch.Tensor, tokens: torch.Tensor) -> None:
    """Raise ValueError for what is not one length for each sequence."""
    if lengths.shape != tokens.shape[:1] or lengths.is_floating_point() or lengths.dtype == torch.bool:
        raise ValueError(
            f"lengths has shape {tuple(lengths.shape)} and type {lengths.dtype} for {len(tokens)} sequences: expected "
            f"({len(tokens)},) whole numbers"
        )
