"""The formulas against what torch counts, to the unit, and the counter against graphs drawn by hand."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, reduce

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import t as student
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lecturelib import attention, scaling
from lecturelib.recurrent import run_lstm
from lecturelib.transformer import Block, LanguageModel
from tests.mutants import Mutant, planted
from tests.strategies import sizes
from tests.tools import refuses

few = st.integers(1, 3)
# on both sides of where the layer changes to the fused kernel
lengths = st.sampled_from([1, 2, 3, 5, 63, 64, 65])
choices = st.sampled_from([None, True, False])


class Explicit(attention.AttentionMap):
    """A map that the layer has to ask, so that it writes its weights."""


@contextmanager
def forced(model: nn.Module, fused: bool | None) -> Iterator[None]:
    """Let every layer use the fused kernel, or none, or leave the choice to it."""
    with pytest.MonkeyPatch.context() as patch:
        if fused is not None:
            patch.setattr(attention, "LONG", 0)
        for layer in model.modules():
            if fused is False and isinstance(layer, attention.MultiHeadAttention):
                layer.map = Explicit()
        yield


def parameters(*shapes: tuple[int, ...]) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(1)
    return [nn.Parameter(torch.randn(*shape, generator=generator) / 2) for shape in shapes]


def plainly(function: Callable[[], object]) -> int:
    """Return the operations by torch's counter as it comes."""
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops()


@given(sizes(4))
def test_lstm_cost_is_what_torch_counts(shape: list[int]) -> None:
    b, t, d, h = shape
    weights = parameters((4 * h, d), (4 * h, h), (4 * h,))
    cost = scaling.lstm_cost(b, t, d, h)
    assert scaling.counted(lambda: run_lstm(torch.ones(b, t, d), *weights).h) == cost
    assert plainly(lambda: run_lstm(torch.ones(b, t, d), *weights)) == cost.flops


@given(few, lengths, few, st.integers(1, 5), st.booleans(), choices)
@example(2, 63, 2, 3, False, None)
@example(2, 64, 2, 3, False, None)
def test_costs_of_attention_and_block_are_what_torch_counts(
    b: int, t: int, h: int, k: int, causal: bool, fused: bool | None
) -> None:
    x = torch.randn(b, t, h * k)
    layers: list[tuple[nn.Module, Callable[..., scaling.Cost]]] = [
        (attention.MultiHeadAttention(h * k, h), scaling.attention_cost),
        (Block(h * k, h), scaling.block_cost),
    ]
    for layer, cost in layers:
        with forced(layer, fused):
            found = scaling.counted(partial(layer, x, is_causal=causal))
        assert cost(b, t, h * k, h, causal=causal, fused=fused) == found


@settings(max_examples=10)
@given(few, lengths, sizes(2), st.integers(1, 4), few, choices)
def test_language_model_cost_is_what_torch_counts(
    b: int, t: int, shape: list[int], k: int, layers: int, fused: bool | None
) -> None:
    vocab_size, heads = shape
    model, tokens = LanguageModel(vocab_size, heads * k, heads, layers, 65), torch.zeros(b, t, dtype=torch.long)
    cost = scaling.language_model_cost(b, t, vocab_size, heads * k, heads, layers, fused=fused)
    with forced(model, fused):
        assert scaling.counted(lambda: model(tokens)) == cost
    with forced(model, fused=False):  # torch's own counter does not know the fused kernel of the CPU
        assert plainly(lambda: model(tokens)) == cost.flops
        assert plainly(lambda: model(tokens).sum().backward()) == 3 * cost.flops  # backward takes twice as many


def x(rows: int = 3, columns: int = 4) -> torch.Tensor:
    return torch.ones(rows, columns)


def test_steps_are_the_longest_row_of_products() -> None:
    a, b, c, d = parameters(*[(4, 4)] * 4)

    assert scaling.counted(lambda: (x() @ a).relu() @ b + 1)[::2] == (2 * 96, 2)
    assert scaling.counted(lambda: x() @ a @ b @ c + x() @ d)[::2] == (4 * 96, 3)
    assert scaling.counted(lambda: (x() @ a + x() @ b) @ c)[::2] == (3 * 96, 2)
    assert scaling.counted(lambda: (y := x() + x() @ a) + y @ b).steps == 2  # a residual connection shortens nothing
    # what is no product is no step
    assert scaling.counted(lambda: (a.exp() + b.sin()).softmax(dim=0).cumsum(dim=1))[::2] == (0, 0)


def test_what_autograd_keeps_is_counted_once_and_no_parameter() -> None:
    a, b = parameters((4, 5), (4, 5))
    assert scaling.counted(lambda: x() @ a).bytes == 4 * 3 * 4  # x for the gradient by the weight
    same = x()
    assert scaling.counted(lambda: same @ a + same @ b).bytes == 4 * 3 * 4
    assert scaling.counted(lambda: x() @ a + x() @ b).bytes == 2 * 4 * 3 * 4
    assert scaling.counted(lambda: x() @ a @ b.T).bytes == 4 * 3 * 4 + 4 * 3 * 5  # b turned around is still b
    assert scaling.counted(lambda: same.requires_grad_() @ a).bytes == 4 * 3 * 4  # a leaf, but no parameter
    assert scaling.counted(lambda: x(10, 4)[:1] @ a).bytes == 4 * 10 * 4  # a view holds the memory behind it
    frozen = nn.Linear(5, 4).requires_grad_(False)
    assert scaling.counted(lambda: frozen(x() @ a)).bytes == 4 * 3 * 4  # no activation


def test_the_graph_of_a_long_sequence_is_walked_without_recursion() -> None:
    (a,) = parameters((1, 1))
    assert scaling.counted(lambda: reduce(torch.matmul, [a] * 4000, torch.ones(1, 1))).steps == 4000


def test_a_power_law_is_the_line_of_linear_models_with_their_intervals() -> None:
    spent, noise = np.array([1e9, 3e9, 1e10, 2e10]), np.random.default_rng(0).normal(size=(4, 3))
    losses = 3 * spent[:, None] ** -0.1 * np.exp(0.02 * noise)
    law = scaling.PowerLaw(spent.tolist(), losses)
    design = np.stack([np.ones(12), np.log(spent).repeat(3)], axis=1)
    weights, (rest,), *_ = np.linalg.lstsq(design, np.log(losses).ravel(), rcond=None)
    spread = rest / 10 * np.linalg.inv(design.T @ design)  # covariance of both weights
    factor = student.ppf(0.975, 10)
    assert law.exponent == pytest.approx(-weights[1])
    assert law.interval[1] - law.exponent == pytest.approx(factor * spread[1, 1] ** 0.5)
    at = np.array([1, np.log(1e11)])
    half = factor * (rest / 10 + at @ spread @ at) ** 0.5
    assert law.predict(1e11) == pytest.approx([np.exp(at @ weights + side * half) for side in (0, -1, 1)])


test_bad_input_is_refused_in_words = refuses(
    *(
        (lambda given=given: scaling.PowerLaw(*given), ["budgets and losses of shape", "expected (n, seeds)"])
        for given in (([1, 2], [1, 2]), ([1, 1], [[1, 2], [1, 2]]), ([1, 2], [[1], [2]]), ([1, 2], [[1, 0], [2, 2]]))
    ),
    (lambda: scaling.counted(x), ["a Tensor without a graph", "depends on parameters", "torch.no_grad()"]),
    (lambda: scaling.counted(lambda: nn.LSTM(4, 4)(x())), ["a tuple without a graph", "expected a tensor"]),
)


DEPTH = "max((depth[each] for each in before), default=0) + node.name().startswith(PRODUCTS)"
SAME = test_costs_of_attention_and_block_are_what_torch_counts

test_mutants = planted(
    scaling,
    [
        Mutant("kept = 5 * tokens + (rows if fused else rows * length)", "kept = 5 * tokens + rows * length", SAME),
        Mutant("looked_up.then(block, num_layers)", "looked_up.then(block)",
               test_language_model_cost_is_what_torch_counts),
        Mutant(DEPTH, "sum(depth[each] for each in before) + node.name().startswith(PRODUCTS)",
               test_steps_are_the_longest_row_of_products),
        Mutant("kept[tensor.untyped_storage().data_ptr()] = tensor", "kept[len(kept)] = tensor",
               test_what_autograd_keeps_is_counted_once_and_no_parameter),
    ],
)  # fmt: skip
