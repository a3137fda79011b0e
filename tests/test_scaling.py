"""The formulas against what torch counts, to the unit, and the counter against graphs drawn by hand."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lecturelib import attention, scaling
from lecturelib.mae import MaskedAutoencoder
from lecturelib.recurrent import run_lstm, run_rnn
from lecturelib.transformer import Block, LanguageModel
from lecturelib.vision import VisionTransformer
from tests.strategies import sizes

few = st.integers(1, 3)
# on both sides of where the layer changes to the fused kernel
lengths = st.sampled_from([1, 2, 3, 5, 63, 64, 65])
choices = st.sampled_from([None, True, False])


@contextmanager
def forced(fused: bool | None) -> Iterator[None]:
    """Let every layer use the fused kernel, or none, or leave the choice to it."""
    with pytest.MonkeyPatch.context() as patch:
        if fused is not None:
            patch.setattr(attention, "LONG", 0 if fused else math.inf)
        yield


def parameters(*shapes: tuple[int, ...]) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(1)
    return [nn.Parameter(torch.randn(*shape, generator=generator) / 2) for shape in shapes]


# ---- the formulas ----


@given(sizes(4))
def test_rnn_cost_is_what_torch_counts(shape: list[int]) -> None:
    b, t, d, h = shape
    weights = parameters((h, d), (h, h), (h,))
    found = scaling.counted(lambda: run_rnn(torch.ones(b, t, d), torch.zeros(h), *weights))
    assert scaling.rnn_cost(b, t, d, h) == found


@given(sizes(4))
def test_lstm_cost_is_what_torch_counts(shape: list[int]) -> None:
    b, t, d, h = shape
    weights = parameters((4 * h, d), (4 * h, h), (4 * h,))
    found = scaling.counted(lambda: run_lstm(torch.ones(b, t, d), *weights).h)
    assert scaling.lstm_cost(b, t, d, h) == found


@given(few, lengths, few, st.integers(1, 5), st.booleans(), choices)
def test_attention_cost_is_what_torch_counts(b: int, t: int, h: int, k: int, causal: bool, fused: bool | None) -> None:
    layer = attention.MultiHeadAttention(h * k, h)
    mask = attention.causal_mask(t) if causal else None
    with forced(fused):
        found = scaling.counted(lambda: layer(torch.ones(b, t, h * k), mask=mask))
    assert scaling.attention_cost(b, t, h * k, h, causal=causal, fused=fused) == found


@pytest.mark.parametrize("length", [32, 63, 64, 65])
def test_a_layer_and_its_cost_change_the_kernel_at_the_same_length(length: int) -> None:
    layer = attention.MultiHeadAttention(6, 2)
    found = scaling.counted(lambda: layer(torch.ones(2, length, 6)))
    assert found == scaling.attention_cost(2, length, 6, 2)
    assert found.steps == (3 if length >= 64 else 4)


@given(few, lengths, few, st.integers(1, 5), st.booleans(), choices)
def test_block_cost_is_what_torch_counts(b: int, t: int, h: int, k: int, causal: bool, fused: bool | None) -> None:
    block = Block(h * k, h)
    x = torch.randn(b, t, h * k)
    mask = attention.causal_mask(t) if causal else None
    with forced(fused):
        found = scaling.counted(lambda: block(x, mask))
    assert scaling.block_cost(b, t, h * k, h, causal=causal, fused=fused) == found


def language_model(symbols: int, width: int, heads: int, layers: int) -> LanguageModel:
    return LanguageModel(symbols, width, heads, layers, max_len=65)


@given(few, lengths, sizes(2), st.integers(1, 4), few, choices)
def test_language_model_cost_is_what_torch_counts(
    b: int, t: int, shape: list[int], k: int, layers: int, fused: bool | None
) -> None:
    symbols, heads = shape
    model = language_model(symbols, heads * k, heads, layers)
    with forced(fused):
        found = scaling.counted(lambda: model(torch.zeros(b, t, dtype=torch.long)))
    assert scaling.language_model_cost(b, t, symbols, heads * k, heads, layers, fused=fused) == found


# rows and columns of patches, among them as many as make the layer change its kernel
grids = st.sampled_from([(1, 2), (2, 3), (7, 9), (8, 8), (5, 13)])


@given(few, grids, sizes(3), st.integers(1, 4), few, choices)
def test_vit_cost_is_what_torch_counts(
    b: int, grid: tuple[int, int], shape: list[int], k: int, layers: int, fused: bool | None
) -> None:
    channels, heads, classes = shape
    image = (channels, 2 * grid[0], 2 * grid[1])
    model = VisionTransformer(image, 2, heads * k, heads, layers, classes)
    with forced(fused):
        found = scaling.counted(lambda: model(torch.ones(b, *image)))
    n = grid[0] * grid[1]
    assert scaling.vit_cost(b, n, channels * 4, heads * k, heads, layers, classes, fused=fused) == found


@given(few, grids, st.integers(1, 65), st.sampled_from([(8, 2, 1, 12, 3, 2), (12, 1, 3, 4, 4, 1)]), choices)
def test_mae_cost_is_what_torch_counts(
    b: int, grid: tuple[int, int], visible: int, shape: tuple[int, ...], fused: bool | None
) -> None:
    n = grid[0] * grid[1]
    visible = min(visible, n)
    width, heads, layers, *decoder = shape
    image = (3, 2 * grid[0], 2 * grid[1])
    model = MaskedAutoencoder(VisionTransformer(image, 2, width, heads, layers), *decoder)
    mask = (torch.arange(n) >= visible).expand(b, n)
    with forced(fused):
        found = scaling.counted(lambda: model(torch.ones(b, *image), mask))
    assert scaling.mae_cost(b, n, visible, 12, shape[:3], shape[3:], fused=fused) == found


@pytest.mark.parametrize("visible", [16, 63, 64])
def test_encoder_and_decoder_each_choose_their_kernel(visible: int) -> None:
    model = MaskedAutoencoder(VisionTransformer((1, 16, 16), 2, 8, 2, 1), 4, 1, 1)
    mask = (torch.arange(64) >= visible)[None]
    found = scaling.counted(lambda: model(torch.ones(1, 1, 16, 16), mask))
    assert scaling.mae_cost(1, 64, visible, 4, (8, 2, 1), (4, 1, 1)) == found
    assert found.steps == 1 + (5 if visible == 64 else 6) + 1 + 5 + 1


def test_explicit_attention_grows_with_the_square_and_the_fused_kernel_does_not() -> None:
    for fused, growth in ((False, 2), (True, 1)):
        bytes_of = [scaling.attention_cost(1, 2**n, 8, 2, fused=fused).bytes for n in (18, 19)]
        assert math.log2(bytes_of[1] / bytes_of[0]) == pytest.approx(growth, abs=1e-3)
    flops = [scaling.attention_cost(1, 2**n, 8, 2).flops for n in (18, 19)]
    assert math.log2(flops[1] / flops[0]) == pytest.approx(2, abs=1e-3)


# ---- torch's own counter, and the backward pass ----


def plainly(function: Callable[[], object]) -> int:
    """Return the operations by torch's counter as it comes."""
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops()


@given(few, st.sampled_from([1, 2, 5, 7, 63]), sizes(2), st.integers(1, 4), few)
def test_a_language_models_backward_pass_takes_twice_the_operations(
    b: int, t: int, shape: list[int], k: int, layers: int
) -> None:
    symbols, heads = shape
    model, tokens = language_model(symbols, heads * k, heads, layers), torch.zeros(b, t, dtype=torch.long)
    cost = scaling.language_model_cost(b, t, symbols, heads * k, heads, layers)
    assert plainly(lambda: model(tokens)) == cost.flops
    assert plainly(lambda: model(tokens).sum().backward()) == 3 * cost.flops


@given(few, st.sampled_from([(1, 2), (2, 3), (7, 9)]), sizes(3), st.integers(1, 4), few)
def test_a_vits_backward_pass_leaves_out_the_gradient_by_the_image(
    b: int, grid: tuple[int, int], shape: list[int], k: int, layers: int
) -> None:
    channels, heads, classes = shape
    n, pixels, width = grid[0] * grid[1], 4 * channels, heads * k
    images = torch.ones(b, channels, 2 * grid[0], 2 * grid[1])
    model = VisionTransformer(tuple(images.shape[1:]), 2, width, heads, layers, classes)
    flops = scaling.vit_cost(b, n, pixels, width, heads, layers, classes).flops
    assert plainly(lambda: model(images)) == flops
    assert plainly(lambda: model(images).sum().backward()) == 3 * flops - 2 * b * n * pixels * width
    assert plainly(lambda: model(images.requires_grad_()).sum().backward()) == 3 * flops


@given(sizes(4))
def test_recurrent_operations_are_those_of_torchs_counter(shape: list[int]) -> None:
    b, t, d, h = shape
    x, (w_x, w_h, bias) = torch.ones(b, t, d), parameters((h, d), (h, h), (h,))
    assert plainly(lambda: run_rnn(x, torch.zeros(h), w_x, w_h, bias)) == scaling.rnn_cost(b, t, d, h).flops
    weights = parameters((4 * h, d), (4 * h, h), (4 * h,))
    assert plainly(lambda: run_lstm(x, *weights)) == scaling.lstm_cost(b, t, d, h).flops


# ---- costs one after another ----


def test_then_adds_each_number_and_repeats_the_second() -> None:
    one, two = scaling.Cost(2, 3, 5), scaling.Cost(7, 11, 13)
    assert one.then(two) == (9, 14, 18)
    assert one.then(two, 3) == one.then(two).then(two).then(two) == (23, 36, 44)
    assert one.then(two, times=0) == one == (2, 3, 5)
    assert (one.flops, one.bytes, one.steps) == (2, 3, 5) and isinstance(one.then(two), scaling.Cost)


# ---- the counter, on graphs drawn by hand ----


def x(rows: int = 3, columns: int = 4) -> torch.Tensor:
    return torch.ones(rows, columns)


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_chain_takes_as_many_steps_as_products(length: int) -> None:
    weights = parameters(*[(4, 4)] * length)

    def chain() -> torch.Tensor:
        y = x()
        for weight in weights:
            y = (y @ weight).relu() + 1
        return y

    assert scaling.counted(chain)[::2] == (length * 2 * 3 * 4 * 4, length)


def test_branches_side_by_side_take_the_steps_of_the_longest() -> None:
    a, b, c, d = parameters(*[(4, 4)] * 4)
    assert scaling.counted(lambda: x() @ a + x() @ b + x() @ c)[::2] == (3 * 96, 1)
    assert scaling.counted(lambda: x() @ a @ b @ c + x() @ d)[::2] == (4 * 96, 3)
    assert scaling.counted(lambda: (x() @ a + x() @ b) @ c)[::2] == (3 * 96, 2)
    # what is no product is no step
    assert scaling.counted(lambda: (a.exp() + b.sin()).softmax(dim=0).cumsum(dim=1))[::2] == (0, 0)


def test_a_shortcut_shortens_nothing() -> None:
    a, b = parameters((4, 4), (4, 4))

    def residual() -> torch.Tensor:
        y = x()
        y = y + y @ a
        return y + y @ b

    assert scaling.counted(residual).steps == 2


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


def test_a_frozen_parameter_is_no_activation() -> None:
    layers = nn.Linear(4, 4), nn.Linear(4, 4)
    layers[1].requires_grad_(False)
    assert scaling.counted(lambda: layers[1](layers[0](x()))).bytes == 4 * 3 * 4  # x alone


def test_a_kept_view_counts_as_the_memory_that_it_holds() -> None:
    (a,) = parameters((4, 4))
    whole = x(10, 4)
    assert scaling.counted(lambda: whole[:1] @ a).bytes == whole.nbytes


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

    def wrong() -> torch.Tensor:
        layer(x())
        raise KeyError("wrong")

    with pytest.raises(KeyError, match="wrong"):
        scaling.counted(wrong)
    assert scaling.counted(lambda: layer(x())) == (96, 48, 1)


# ---- bad input ----


def without_graph() -> torch.Tensor:
    with torch.no_grad():
        return nn.Linear(4, 4)(x())


COSTS: dict[str, tuple[Callable[..., object], dict[str, int]]] = {
    "rnn": (scaling.rnn_cost, {"batch": 1, "length": 2, "width": 4, "hidden": 3}),
    "lstm": (scaling.lstm_cost, {"batch": 1, "length": 2, "width": 4, "hidden": 3}),
    "attention": (scaling.attention_cost, {"batch": 1, "length": 2, "width": 4, "heads": 2}),
    "block": (scaling.block_cost, {"batch": 1, "length": 2, "width": 4, "heads": 2}),
    "language_model": (
        scaling.language_model_cost,
        {"batch": 1, "length": 2, "symbols": 5, "width": 4, "heads": 2, "layers": 1},
    ),
    "vit": (
        scaling.vit_cost,
        {"batch": 1, "patches": 4, "pixels": 3, "width": 4, "heads": 2, "layers": 1, "classes": 2},
    ),
}


@pytest.mark.parametrize("name", COSTS)
@pytest.mark.parametrize("bad", [0, -1, 2.0, True, "2", None])
def test_a_size_that_is_no_whole_number_above_0_is_refused_by_name(name: str, bad: object) -> None:
    cost, right = getattr(scaling, f"{name}_cost"), COSTS[name][1]
    cost(**right)
    for size in right:
        with pytest.raises(ValueError) as refusal:
            cost(**right | {size: bad})
        assert f"{size}={bad!r}: expected a whole number of 1 or more" in str(refusal.value)


def mae(**changes: object) -> object:
    right = {"batch": 1, "patches": 4, "visible": 2, "pixels": 3, "encoder": (4, 2, 1), "decoder": (4, 2, 1)}
    return scaling.mae_cost(**right | changes)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: scaling.attention_cost(1, 2, 4, 3), ["width=4", "heads=3", "divide"]),
        (lambda: scaling.block_cost(1, 2, 4, 3), ["width=4", "heads=3", "divide"]),
        (lambda: scaling.language_model_cost(1, 2, 5, 4, 3, 1), ["width=4", "heads=3", "divide"]),
        (lambda: scaling.vit_cost(1, 2, 5, 4, 3, 1, 2), ["width=4", "heads=3", "divide"]),
        (lambda: mae(visible=5), ["visible=5 of patches=4", "at most all"]),
        *(
            (lambda size=size, bad=bad: mae(**{size: bad}), [f"{size}={bad!r}", "whole number"])
            for size in ("patches", "visible", "pixels")
            for bad in (0, -1, 2.0, True, "4")
        ),
        *(
            (lambda side=side, bad=bad: mae(**{side: bad}), [f"{side}={bad!r}", "(width, heads, layers)"])
            for side in ("encoder", "decoder")
            for bad in (4, (4, 2), (4, 2, 1, 1), None)
        ),
        *(
            (lambda side=side, bad=bad: mae(**{side: (4, 2, bad)}), [f"layers={bad!r}", "whole number"])
            for side in ("encoder", "decoder")
            for bad in (0, 1.0, True)
        ),
        (lambda: mae(encoder=(4, 3, 1)), ["width=4", "heads=3"]),
        (lambda: mae(decoder=(6, 4, 1)), ["width=6", "heads=4"]),
        (lambda: mae(batch=0), ["batch=0", "whole number"]),
        (lambda: scaling.counted(without_graph), ["a Tensor without a graph", "torch.no_grad()"]),
        (lambda: scaling.counted(x), ["a Tensor without a graph", "depends on parameters"]),
        (lambda: scaling.counted(lambda: parameters((1,))[0]), ["a Parameter without a graph"]),
        (lambda: scaling.counted(int), ["a int without a graph", "expected a tensor"]),
        (lambda: scaling.counted(lambda: nn.LSTM(4, 4)(x())), ["a tuple without a graph", "expected a tensor"]),
    ],
)
def test_bad_input_is_refused_in_words(call, words: list[str]) -> None:
    with pytest.raises(ValueError) as refusal:
        call()
    assert not [word for word in words if word not in str(refusal.value)], refusal.value
