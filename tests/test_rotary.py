"""Rotary positions against complex numbers, and what they promise: only the distance counts."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lecturelib import rotary
from lecturelib.attention import record_attention
from tests.mutants import Mutant, planted
from tests.strategies import normal, seeds, sizes
from tests.tools import refuses

bases = st.sampled_from([10_000.0, 100_000.0, 3.0])


@given(sizes(4), seeds, bases)
def test_it_is_a_complex_multiplication(shape: list[int], seed: int, base: float) -> None:
    b, h, t, half = shape
    x, positions = normal(b, h, t, 2 * half, seed=seed), normal(t, seed=seed).mul(500).long()
    theta = torch.tensor([base ** (-2 * i / (2 * half)) for i in range(half)], dtype=torch.float64)
    turn = torch.polar(torch.ones(t, half, dtype=torch.float64), positions[:, None] * theta)
    expected = torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (half, 2))) * turn).flatten(-2)
    torch.testing.assert_close(rotary.apply_rotary(x, positions, base), expected)
    torch.testing.assert_close(rotary.apply_rotary(x, positions), rotary.apply_rotary(x, positions, 10_000.0))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_it_keeps_the_type_and_counts_positions_exactly(dtype: torch.dtype) -> None:
    x, far = torch.tensor([[1.0, 0.0, 1.0, 0.0]], dtype=dtype), torch.tensor([1001])  # 1001 is no bfloat16
    found = rotary.apply_rotary(x, far)
    assert found.dtype == dtype
    expected = [math.cos(1001), math.sin(1001), math.cos(10.01), math.sin(10.01)]
    torch.testing.assert_close(found.double(), torch.tensor([expected], dtype=torch.float64), rtol=0, atol=4e-3)


def test_heads_are_turned_and_the_scores_see_the_distance_only() -> None:
    torch.manual_seed(0)
    head, x = rotary.RotaryHead(6, d_k=4, d_v=5).double(), normal(2, 7, 6, seed=3)
    q, k = (rotary.apply_rotary(project(x), torch.arange(7)) for project in (head.q_proj, head.k_proj))
    expected = (q @ k.mT / 2).softmax(-1) @ head.v_proj(x)
    torch.testing.assert_close(head(x), expected)


def test_causal_attention_of_several_heads_is_that_of_each_watched_or_not() -> None:
    torch.manual_seed(0)
    layer, x = rotary.RotaryAttention(8, num_heads=2).double(), normal(2, 5, 8, seed=4)
    mixes = []
    for h in range(2):
        own = slice(4 * h, 4 * h + 4)
        q, k = (rotary.apply_rotary(project(x)[..., own], torch.arange(5)) for project in (layer.q_proj, layer.k_proj))
        scores = (q @ k.mT / 2).masked_fill(torch.ones(5, 5).triu(1).bool(), -math.inf)
        mixes.append(scores.softmax(-1) @ layer.v_proj(x)[..., own])
    expected = layer.out_proj(torch.cat(mixes, -1))
    torch.testing.assert_close(layer(x, is_causal=True), expected)
    with record_attention(layer):
        torch.testing.assert_close(layer(x, is_causal=True), expected)


X, PLACES = torch.zeros(2, 3, 4), torch.arange(3)

test_bad_input_is_refused_in_words = refuses(
    (lambda: rotary.apply_rotary(X[..., :3], PLACES), ["(2, 3, 3)", "even width"]),
    (lambda: rotary.apply_rotary(X[0, 0], PLACES), ["(4,)", "(..., T, K)"]),
    (lambda: rotary.apply_rotary(X.long(), PLACES), ["torch.int64"]),
    (lambda: rotary.apply_rotary(X, torch.arange(4)), ["(4,)", "(T,)", "torch.arange(T)"]),
    (lambda: rotary.RotaryAttention(6, 2)(torch.zeros(2, 3, 6)), ["(2, 2, 3, 3)", "even width"]),
)

test_mutants = planted(
    rotary,
    [
        Mutant("x[..., 0::2], x[..., 1::2]", "x[..., : width // 2], x[..., width // 2 :]",
               test_it_is_a_complex_multiplication),
        Mutant("even * cos - odd * sin, even * sin + odd * cos", "even * cos + odd * sin, odd * cos - even * sin",
               test_it_is_a_complex_multiplication),
        Mutant("positions[:, None].to(exact)", "(positions[:, None] + 1).to(exact)",
               test_it_is_a_complex_multiplication),
        Mutant("positions[:, None].to(exact)", "positions[:, None].to(x.dtype)",
               test_it_keeps_the_type_and_counts_positions_exactly),
        Mutant("for each in (q, k))", "for each in (q, v))",
               test_causal_attention_of_several_heads_is_that_of_each_watched_or_not),
    ],
)  # fmt: skip
