"""Attention without its n x n table: a softmax that meets its row in pieces.

    RunningSoftmax      what has to be remembered of the pieces so far
    attend_in_chunks    `attend` without the weights, chunk by chunk

This is the arithmetic inside the fused kernels. In Python it saves memory, not time.
"""

from __future__ import annotations

import math

import torch
from torch.utils.checkpoint import checkpoint

from lecturelib.attention import check_attend, check_mask, check_sight
from lecturelib.edges import check_whole


class RunningSoftmax:
    """The mix of one row of queries while keys and values arrive in pieces.

    Equation: with the largest score m so far, the sum l = sum exp(s - m) and the mix a = sum exp(s - m) v, a piece with
        a larger score m' first shrinks both by exp(m - m'); at the end the mix is a / l (Milakov and Gimelshein 2018,
        algorithm 3; Rabe and Staats 2021).
    Shapes: q (..., T, K); pieces k (..., s, K), v (..., s, M), mask (..., T, s) bool, True = may look.
    Raises: ValueError for shapes that do not fit, and a mix of which a query has seen nothing.
    Tool: from notebook 08 on.

    >>> q, k, v = torch.randn(2, 4), torch.randn(6, 4), torch.randn(6, 3)
    >>> row = RunningSoftmax(q)
    >>> row.add(k[:4], v[:4])
    >>> row.add(k[4:], v[4:])
    >>> torch.allclose(row.mix(), (q @ k.T / 2).softmax(dim=-1) @ v, atol=1e-6)
    True
    """

    def __init__(self, q: torch.Tensor) -> None:
        self.q = q
        self.largest = q.new_full((*q.shape[:-1], 1), -math.inf)  # m: (..., T, 1)
        self.total = torch.zeros_like(self.largest)  # l: (..., T, 1)
        self.sum: torch.Tensor | float = 0.0  # a: (..., T, M)

    def add(self, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None) -> None:
        """Take in the next keys and values."""
        check_attend(self.q, k, v)
        scores = self.q @ k.mT / math.sqrt(self.q.shape[-1])  # (..., T, s)
        if mask is not None:
            check_mask(mask, tuple(scores.shape))  # a query may see nothing of this piece
            scores = scores.masked_fill(~mask, -math.inf)
        largest = torch.maximum(self.largest, scores.detach().amax(dim=-1, keepdim=True))
        safe = largest.masked_fill(largest == -math.inf, 0.0)  # a query that has seen nothing yet
        shrink, exp = (self.largest - safe).exp(), (scores - safe).exp()
        self.total = self.total * shrink + exp.sum(dim=-1, keepdim=True)
        self.sum = self.sum * shrink + exp @ v
        self.largest = largest

    def mix(self) -> torch.Tensor:
        """Return the mix of all values so far: (..., T, M)."""
        if (self.largest == -math.inf).any():
            raise ValueError("a query has seen no key yet: expected at least one that it may look at; add it first")
        return self.sum / self.total


def attend_in_chunks(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None, *, chunk: int = 128
) -> torch.Tensor:
    """Return the mix of `attend` and never hold more than `chunk` queries by `chunk` keys of the weights.

    For the backward pass each chunk of queries is computed again, so that training, too, needs memory for one row of
    chunks only: more operations, fewer bytes.
    Shapes: q (..., T, K), k (..., S, K), v (..., S, M), mask (T, S) or what broadcasts to (..., T, S); returns
        (..., T, M).
    Raises: ValueError as `attend`, and for a chunk below 1.
    Source: M. Rabe and C. Staats, Self-attention does not need O(n^2) memory, 2021; T. Dao and others, FlashAttention,
        2022.
    Taught: notebook 08, section 3.
    """
    check_attend(q, k, v)
    check_whole(chunk=chunk)
    length, keys = q.shape[-2], k.shape[-2]
    if mask is not None:
        check_mask(mask, (*torch.broadcast_shapes(q.shape[:-2], k.shape[:-2]), length, keys))
        check_sight(mask)
        mask = mask.expand(*mask.shape[:-2], length, keys)

    def rows(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        row = RunningSoftmax(q)
        for start in range(0, keys, chunk):
            part = slice(start, start + chunk)
            row.add(k[..., part, :], v[..., part, :], None if mask is None else mask[..., part])
        return row.mix()

    mixes = []
    for start in range(0, max(length, 1), chunk):
        part = slice(start, start + chunk)
        seen = None if mask is None else mask[..., part, :]
        mixes.append(checkpoint(rows, q[..., part, :], k, v, seen, use_reentrant=False, preserve_rng_state=False))
    return torch.cat(mixes, dim=-2)
