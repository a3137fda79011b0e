"""The formulas against what torch counts, to the unit, and the counter against graphs drawn by hand."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
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


# ---- the formulas ----


@given(sizes(4))
def test_lstm_cost_is_what_torch_counts(shape: list[int]) -> None:
    b, t, d, h = shape
    weights = parameters((4 * h, d), (4 * h, h), (4 * h,))
    cost = scaling.lstm_cost(b, t, d, h)
    assert scaling.counted(lambda: run_lstm(torch.ones(b, t, d), *weights).h) == cost
    assert plainly(lambda: run_lstm(torch.ones(b, t, d), *weights)) == cost.flops


@given(few, lengths, few, st.integers(1, 5), st.booleans(), choices)
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


@pytest.mark.parametrize("length", [63, 64])
def test_a_layer_and_its_cost_change_the_kernel_at_the_same_length(length: int) -> None:
    layer = attention.MultiHeadAttention(6, 2)
    found = scaling.counted(lambda: layer(torch.ones(2, length, 6)))
    assert found == scaling.attention_cost(2, length, 6, 2)
    assert found.steps == (3 if length >= 64 else 4)


def test_explicit_attention_grows_with_the_square_and_the_fused_kernel_does_not() -> None:
    for fused, growth in ((False, 2), (True, 1)):
        bytes_of = [scaling.attention_cost(1, 2**n, 8, 2, fused=fused).bytes for n in (18, 19)]
        assert math.log2(bytes_of[1] / bytes_of[0]) == pytest.approx(growth, abs=1e-3)
    flops = [scaling.attention_cost(1, 2**n, 8, 2).flops for n in (18, 19)]
    assert math.log2(flops[1] / flops[0]) == pytest.approx(2, abs=1e-3)


def test_then_adds_each_number_and_repeats_the_second() -> None:
    one, two = scaling.Cost(2, 3, 5), scaling.Cost(7, 11, 13)
    assert one.then(two) == (9, 14, 18)
    assert one.then(two, 3) == one.then(two).then(two).then(two) == (23, 36, 44)
    assert one.then(two, times=0) == one == (2, 3, 5)


# ---- the counter, on graphs drawn by hand ----


def x(rows: int = 3, columns: int = 4) -> torch.Tensor:
    return torch.ones(rows, columns)


def test_steps_are_the_longest_row_of_products() -> None:
    a, b, c, d = parameters(*[(4, 4)] * 4)

    def residual() -> torch.Tensor:
        y = x() + x() @ a
        return y + y @ b

    assert scaling.counted(lambda: (x() @ a).relu() @ b + 1)[::2] == (2 * 96, 2)
    assert scaling.counted(lambda: x() @ a + x() @ b + x() @ c)[::2] == (3 * 96, 1)
    assert scaling.counted(lambda: x() @ a @ b @ c + x() @ d)[::2] == (4 * 96, 3)
    assert scaling.counted(lambda: (x() @ a + x() @ b) @ c)[::2] == (3 * 96, 2)
    assert scaling.counted(residual).steps == 2  # a residual connection shortens nothing
    # what is no product is no step
    assert scaling.counted(lambda: (a.exp() + b.sin()).softmax(dim=0).cumsum(dim=1))[::2] == (0, 0)


def test_products_of_all_kinds_are_steps() -> None:
    (a,) = parameters((2, 4, 4))
    layer = nn.Linear(4, 4)
    assert scaling.counted(lambda: torch.ones(2, 3, 4) @ a).steps == 1  # bmm
    assert scaling.counted(lambda: layer(x())).steps == 1  # addmm
    assert scaling.counted(lambda: x() @ a[0]).steps == 1  # mm
    heads = a.view(1, 2, 4, 4)
    fused = scaling.counted(lambda: attention.attend_fused(heads, heads, heads))
    assert fused.steps == 1 and fused.flops == 2 * 2 * (2 * 4 * 4 * 4)


def test_what_autograd_keeps_is_counted_once_and_no_parameter() -> None:
    a, b = parameters((4, 5), (4, 5))
    assert scaling.counted(lambda: x() @ a).bytes == 4 * 3 * 4  # x for the gradient by the weight
    same = x()
    assert scaling.counted(lambda: same @ a + same @ b).bytes == 4 * 3 * 4
    assert scaling.counted(lambda: x() @ a + x() @ b).bytes == 2 * 4 * 3 * 4
    assert scaling.counted(lambda: (a + b).tanh()).bytes == 4 * 4 * 5  # its result
    assert scaling.counted(lambda: a * b).bytes == 0  # two parameters
    assert scaling.counted(lambda: x() @ a @ b.T).bytes == 4 * 3 * 4 + 4 * 3 * 5  # b turned around is still b
    assert scaling.counted(lambda: a + x(4, 5)).bytes == 0  # a sum needs neither
    assert scaling.counted(lambda: (a * 2).relu().double() * 2).bytes == 4 * 4 * 5
    assert scaling.counted(lambda: same.requires_grad_() @ a).bytes == 4 * 3 * 4  # a leaf, but no parameter


def test_a_frozen_parameter_is_no_activation_and_a_kept_view_counts_as_the_memory_that_it_holds() -> None:
    layers, whole = (nn.Linear(4, 4), nn.Linear(4, 4)), x(10, 4)
    layers[1].requires_grad_(False)
    assert scaling.counted(lambda: layers[1](layers[0](x()))).bytes == 4 * 3 * 4  # x alone
    assert scaling.counted(lambda: layers[0](whole[:1])).bytes == whole.nbytes


def test_the_graph_of_a_long_sequence_is_walked_without_recursion() -> None:
    (a,) = parameters((1, 1))

    def chain() -> torch.Tensor:
        y = torch.ones(1, 1)
        for _ in range(4000):
            y = y @ a
        return y

    assert scaling.counted(chain).steps == 4000


def test_the_function_runs_once_and_as_it_always_does() -> None:
    layer, results = nn.Linear(4, 4), []

    def forward() -> torch.Tensor:
        results.append(layer(x()))
        return results[-1]

    cost = scaling.counted(forward)
    assert len(results) == 1 and torch.equal(results[0], layer(x()))
    results[0].sum().backward()
    assert layer.weight.grad is not None and layer.weight.grad.eq(3).all()
    assert scaling.counted(forward) == cost  # nothing is added to the first count


def test_an_error_in_the_function_passes_through_and_leaves_nothing_counting() -> None:
    layer = nn.Linear(4, 4)
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        scaling.counted(lambda: layer(layer(x())) @ x())
    assert scaling.counted(lambda: layer(x())) == (96, 48, 1)


SIZES = {"batch_size": 1, "length": 2, "d_model": 4, "num_heads": 2}
COSTS: dict[Callable[..., object], dict[str, int]] = {
    scaling.lstm_cost: {"batch_size": 1, "length": 2, "input_size": 4, "hidden_size": 3},
    scaling.attention_cost: SIZES,
    scaling.block_cost: SIZES,
    scaling.language_model_cost: SIZES | {"vocab_size": 5, "num_layers": 1},
}


test_bad_input_is_refused_in_words = refuses(
    *(
        (lambda cost=cost, bad=right | {size: 2.0}: cost(**bad), [f"{size}=2.0: expected a whole number of 1"])
        for cost, right in COSTS.items()
        for size in right
    ),
    *(
        (lambda cost=cost, bad=right | {"num_heads": 3}: cost(**bad), ["d_model=4", "num_heads=3", "divide"])
        for cost, right in COSTS.items()
        if "num_heads" in right
    ),
    (lambda: scaling.counted(x), ["a Tensor without a graph", "depends on parameters", "torch.no_grad()"]),
    (lambda: scaling.counted(lambda: parameters((1,))[0]), ["a Parameter without a graph"]),
    (lambda: scaling.counted(lambda: nn.LSTM(4, 4)(x())), ["a tuple without a graph", "expected a tensor"]),
)


KEPT = "kept = 5 * tokens + (rows if fused else rows * length)"
DEPTH = "max((depth[each] for each in before), default=0) + node.name().startswith(PRODUCTS)"
SAME = test_costs_of_attention_and_block_are_what_torch_counts

test_mutants = planted(
    scaling,
    [
        Mutant(KEPT, "kept = 5 * tokens + rows * length", SAME),
        Mutant("4 * tokens * length, FLOAT", "2 * tokens * length, FLOAT", SAME),
        Mutant("looked_up.then(block, num_layers)", "looked_up.then(block)",
               test_language_model_cost_is_what_torch_counts),
        Mutant(DEPTH, "sum(depth[each] for each in before) + node.name().startswith(PRODUCTS)",
               test_steps_are_the_longest_row_of_products),
        Mutant("kept[tensor.untyped_storage().data_ptr()] = tensor", "kept[len(kept)] = tensor",
               test_what_autograd_keeps_is_counted_once_and_no_parameter),
    ],
)  # fmt: skip
