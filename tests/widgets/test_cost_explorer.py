"""The cost explorer without a front end: its numbers are those of torch and of the formulas."""

import numpy as np
import pytest
import torch
from torch import nn

from lecturelib.kv_cache import KVCache
from lecturelib.scaling import attention_cost, block_cost, counted, lstm_cost
from lecturelib.transformer import Block, LanguageModel
from lecturelib.widgets.cost_explorer import LENGTHS, WIDTHS, CostExplorer, heads_of, numbers, view

SIZES = [(16, 32, 1, 1, 4), (96, 64, 3, 2, 8), (1024, 512, 12, 5, 8)]  # n, D, num_layers, batch_size, num_heads


@pytest.mark.parametrize(("n", "D", "num_layers", "batch_size", "num_heads"), SIZES)
def test_the_numbers_are_those_of_the_formulas(n, D, num_layers, batch_size, num_heads):
    found = numbers(n, D, num_layers, batch_size, num_heads)
    explicit, fused = (block_cost(batch_size, n, D, num_heads, fused=fused) for fused in (False, True))
    assert found["block linear"] + found["block square"] == num_layers * explicit.flops
    assert found["block linear"] == num_layers * 24 * batch_size * n * D**2
    assert found["block square"] == num_layers * 4 * batch_size * n**2 * D
    assert found["lstm"] == num_layers * lstm_cost(batch_size, n, D, D).flops == num_layers * 16 * batch_size * n * D**2
    assert (found["kept explicit"], found["kept fused"]) == (num_layers * explicit.bytes, num_layers * fused.bytes)
    assert found["kept lstm"] == num_layers * lstm_cost(batch_size, n, D, D).bytes
    for name, way in (("layer explicit", False), ("layer fused", True)):
        assert found[name] == attention_cost(batch_size, n, D, num_heads, fused=way).bytes


@pytest.mark.parametrize("twice", ["n", "D", "num_layers", "batch_size"])
def test_each_part_grows_as_it_is_called(twice):
    sizes = {"n": 64, "D": 64, "num_layers": 2, "batch_size": 2}
    before, after = (numbers(**{**sizes, twice: k * sizes[twice]}, num_heads=4) for k in (1, 2))
    grows = {
        "n": {"block linear": 2, "block square": 4, "token": 1, "token looks": 2, "cache": 2, "state": 1, "weights": 1},
        "D": {"block linear": 4, "block square": 2, "token": 4, "token looks": 2, "cache": 2, "state": 2},
    }.get(twice, {"block linear": 2, "block square": 2, "token": 2, "token looks": 2, "cache": 2, "state": 2})
    assert {name: after[name] / before[name] for name in grows} == grows


def test_the_numbers_are_what_torch_counts():
    n, D, batch_size, num_heads = 16, 8, 2, 2
    found = numbers(n, D, 3, batch_size, num_heads)
    block, lstm = Block(D, num_heads), nn.LSTM(D, D)
    x = torch.zeros(batch_size, n, D)
    assert 3 * counted(lambda: block(x)).flops == found["block linear"] + found["block square"]
    assert 3 * counted(lambda: block(x)).bytes == found["kept explicit"]  # too short for the fused kernel
    for name, network in (("weights", block), ("lstm weights", lstm)):
        assert found[name] == 3 * 4 * sum(each.numel() for each in network.parameters())
    cache = KVCache(LanguageModel(vocab_size=5, d_model=D, num_heads=num_heads, num_layers=3, max_len=n), batch_size)
    assert found["cache"] == sum(each.nbytes for each in (*cache.keys, *cache.values))


def test_a_token_that_is_written_costs_the_last_part_of_a_text_that_is_read():
    n, D, num_layers, batch_size, num_heads = 100, 64, 2, 3, 4
    costs = [numbers(k, D, num_layers, batch_size, num_heads) for k in range(1, n + 1)]
    assert sum(each["token"] for each in costs) == costs[-1]["block linear"]
    assert sum(each["token lstm"] for each in costs) == costs[-1]["lstm"]
    looks = sum(each["token looks"] for each in costs)  # nobody looks ahead: half the table, and half its diagonal
    assert looks == costs[-1]["block square"] * (n + 1) // (2 * n)


def test_what_is_drawn_follows_from_the_mode():
    costs = numbers(64, 32, 2, 3, 4)
    training, reading, writing = (view(mode, costs) for mode in ("training", "reading", "writing"))
    for name, parts in reading.operations.items():
        assert training.operations[name] == tuple(3 * part for part in parts)
    assert reading.operations["transformer"] == (costs["block linear"], costs["block square"])
    assert writing.operations["transformer"] == (costs["token"], costs["token looks"])
    assert writing.operations["LSTM"] == (costs["token lstm"], 0)
    assert [*training.held.values()] == [
        4 * costs["weights"],
        *(costs[f"kept {k}"] for k in ("explicit", "fused", "lstm")),
    ]
    assert [*reading.held.values()] == [costs["weights"], costs["layer explicit"], costs["layer fused"]]
    assert [*writing.held.values()] == [costs["weights"], costs["cache"], costs["state"]]


def test_every_position_of_the_sliders_has_a_cost():
    assert (LENGTHS[0], LENGTHS[-1], WIDTHS[0], WIDTHS[-1]) == (16, 65536, 32, 8192)
    for D in WIDTHS:
        assert D % heads_of(D) == 0
    largest = numbers(LENGTHS[-1], WIDTHS[-1], 96, 64, heads_of(WIDTHS[-1]))
    smallest = numbers(LENGTHS[0], WIDTHS[0], 1, 1, heads_of(WIDTHS[0]))
    assert all(smallest[name] < largest[name] for name in largest)


def test_the_figure_says_what_is_shown():
    explorer = CostExplorer(rate=1e9, memory=4e9)
    explorer.n.value, explorer.D.value, explorer.num_layers.value, explorer.batch_size.value = 128, 64, 2, 4
    costs = numbers(128, 64, 2, 4, 4)
    assert explorer.view() == view("training", costs)
    left, right = explorer.figure.axes
    assert explorer.figure.texts[0].get_text() == "One training step: n = 128, D = 64, L = 2, H = 4, B = 4"
    widths = [bar.get_width() for bar in left.patches]
    assert widths == [3 * costs["block linear"], 3 * costs["block square"], 3 * costs["lstm"], 0]
    said = {text.get_text() for text in left.texts}
    assert said == {"transformer: 4·10⁸, 400 ms", "25 % grows with n²", "LSTM: 2·10⁸, 200 ms"}
    ends = [bar.get_x() + bar.get_width() for bar in right.patches]
    np.testing.assert_allclose(
        ends, [4 * costs["weights"], *(costs[f"kept {k}"] for k in ("explicit", "fused", "lstm"))]
    )
    lines = [line.get_xdata()[0] for line in right.lines]
    assert lines == [4e9, 24e9, 80e9]
    legend = right.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["this machine, 4 GB", "24 GB", "80 GB"]


def test_another_machine_has_its_name():
    legend = CostExplorer(memory=2e9, machine="Binder").figure.axes[1].get_legend()
    assert legend is not None and legend.get_texts()[0].get_text() == "Binder, 2 GB"


def test_what_does_not_fit_this_machine_is_hollow():
    explorer = CostExplorer(memory=2e9)
    held = explorer.view().held
    hollow = [bar.get_facecolor() == (1, 1, 1, 1) for bar in explorer.figure.axes[1].patches]
    assert hollow == [count > 2e9 for count in held.values()] and set(hollow) == {True, False}
    larger = CostExplorer(memory=1e15)
    assert not any(bar.get_facecolor() == (1, 1, 1, 1) for bar in larger.figure.axes[1].patches)
