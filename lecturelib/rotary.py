"""Rotary positions: queries and keys are turned by their place, so that a dot product sees only the distance."""

import torch

from lecturelib.attention import Attention, MultiHeadAttention, attend


def apply_rotary(x: torch.Tensor, positions: torch.Tensor, base: float = 10_000.0) -> torch.Tensor:
    """Turn queries or keys by their positions: pair i of the vector at position t by the angle t / base^(2i / K).

    Equation: (x_2i, x_2i+1) becomes (x_2i cos a - x_2i+1 sin a, x_2i sin a + x_2i+1 cos a), a = t theta_i with
        theta_i = base^(-2i / K) (Su and others 2021, "RoFormer", equations 14, 15 and 34; their m is our t, their d is
        our K, their i counts from 1). The pair is one complex number, multiplied by e^(ia). Queries and keys are
        turned, values are not. Then q_t . k_s depends on the positions only by t - s.
    Shapes: x (..., T, K), with K the width of one head; positions (T,); returns (..., T, K) in the type of x.
    Raises: ValueError for an odd width, and another number of positions.

    >>> apply_rotary(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.arange(2))
    tensor([[1.0000, 0.0000],
            [0.5403, 0.8415]])
    """
    if x.ndim < 2 or not x.is_floating_point() or x.shape[-1] % 2 or positions.shape != x.shape[-2:-1]:
        raise ValueError(
            f"x has shape {tuple(x.shape)} and type {x.dtype}, positions {tuple(positions.shape)}: expected floats "
            "(..., T, K) with an even width K, for it is turned pair by pair, and (T,), such as torch.arange(T)"
        )
    width, exact = x.shape[-1], torch.promote_types(x.dtype, torch.float32)
    theta = base ** (-torch.arange(0, width, 2, device=x.device, dtype=exact) / width)  # (K / 2)
    angle = positions[:, None].to(exact) * theta  # (T, K / 2)
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    even, odd = x[..., 0::2], x[..., 1::2]  # the pairs' first and second numbers, (..., T, K / 2)
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)


class RotaryHead(Attention):
    """One head of self-attention with rotary positions: queries and keys are turned, values are not.

    Shapes: x (B, T, D), with an even d_k; returns (B, T, d_v).
    Raises: ValueError as `apply_rotary`.
    Taught: notebook 04, section 2.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        places = torch.arange(x.shape[1], device=x.device)
        q, k = apply_rotary(self.q_proj(x), places), apply_rotary(self.k_proj(x), places)
        return attend(q, k, self.v_proj(x), None, self.map)[0]


class RotaryAttention(MultiHeadAttention):
    """Multi-head self-attention with rotary positions, to stand in a `Block` in place of its own.

    Shapes: as `MultiHeadAttention`, with an even width D / H of each head.
    Raises: ValueError as `MultiHeadAttention` and `apply_rotary`.
    """

    def heads(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        q, k, v = super().heads(x, y)
        q, k = (apply_rotary(each, torch.arange(each.shape[2], device=x.device)) for each in (q, k))
        return q, k, v
