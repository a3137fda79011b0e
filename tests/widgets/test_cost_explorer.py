"""The cost explorer without a front end: its numbers are those of torch and of the formulas."""

import numpy as np
import pytest
import torch

from lecturelib.kv_cache import KVCache
from lecturelib.scaling import attention_cost, block_cost, counted, lstm_cost
from lecturelib.transformer import Block, LanguageModel
from lecturelib.widgets.cost_explorer import LENGTHS, WIDTHS, CostExplorer, heads_of, view


@pytest.mark.parametrize(("n", "D", "L", "B"), [(16, 32, 1, 1), (96, 64, 3, 2), (1024, 512, 12, 5)])
def test_the_numbers_are_those_of_the_formulas(n, D, L, B):
    training, reading, writing = (view(mode, n, D, L, B) for mode in ("training", "reading", "writing"))
    assert reading.operations["transformer"] == (L * 24 * B * n * D**2, L * 4 * B * n**2 * D)
    assert reading.operations["LSTM"] == (L * 16 * B * n * D**2, 0)
    for name, parts in reading.operations.items():
        assert training.operations[name] == tuple(3 * part for part in parts)
    assert writing.operations == {"transformer": (L * 24 * B * D**2, L * 4 * B * n * D), "LSTM": (L * 16 * B * D**2, 0)}
    explicit, fused = (block_cost(B, n, D, heads_of(D), fused=way).bytes for way in (False, True))
    weights, *kept = training.held.values()
    assert kept == [L * explicit, L * fused, L * lstm_cost(B, n, D, D).bytes]
    layer = [attention_cost(B, n, D, heads_of(D), fused=way).bytes for way in (False, True)]
    assert [*reading.held.values()] == [weights // 4, *layer]
    assert [*writing.held.values()] == [weights // 4, 4 * 2 * L * B * n * D, 4 * 2 * L * B * D]


def test_the_numbers_are_what_torch_counts():
    n, D, B = 16, 32, 2
    block, x = Block(D, heads_of(D)), torch.zeros(B, n, D)
    training, reading, writing = (view(mode, n, D, 3, B) for mode in ("training", "reading", "writing"))
    assert 3 * counted(lambda: block(x)).flops == sum(reading.operations["transformer"])
    assert 3 * counted(lambda: block(x)).bytes == training.held["kept, explicit"]  # too short for the fused kernel
    assert reading.held["weights"] == 3 * 4 * sum(each.numel() for each in block.parameters())
    cache = KVCache(LanguageModel(vocab_size=5, d_model=D, num_heads=heads_of(D), num_layers=3, max_len=n), B)
    assert writing.held["KV cache"] == sum(each.nbytes for each in (*cache.keys, *cache.values))


def test_every_position_of_the_sliders_has_a_cost():
    assert (LENGTHS[0], LENGTHS[-1], WIDTHS[0], WIDTHS[-1]) == (16, 65536, 32, 8192)
    assert all(D % heads_of(D) == 0 for D in WIDTHS)
    for mode in ("training", "reading", "writing"):
        smallest, largest = view(mode, LENGTHS[0], WIDTHS[0], 1, 1), view(mode, LENGTHS[-1], WIDTHS[-1], 96, 64)
        assert all(smallest.held[name] < largest.held[name] for name in largest.held)


def test_the_figure_says_what_is_shown():
    explorer = CostExplorer(rate=1e9, memory=4e9, machine="Binder")
    explorer.n.value, explorer.D.value, explorer.num_layers.value, explorer.batch_size.value = 128, 64, 2, 4
    shown = view("training", 128, 64, 2, 4)
    left, right = explorer.figure.axes
    assert explorer.figure.texts[0].get_text() == "One training step: n = 128, D = 64, L = 2, H = 4, B = 4"
    widths = [bar.get_width() for bar in left.patches]
    assert widths == [part for parts in shown.operations.values() for part in parts]
    said = {text.get_text() for text in left.texts}
    assert said == {"transformer: 4·10⁸, 400 ms", "25 % grows with n²", "LSTM: 2·10⁸, 200 ms"}
    ends = [bar.get_x() + bar.get_width() for bar in right.patches]
    np.testing.assert_allclose(ends, [*shown.held.values()])
    assert [line.get_xdata()[0] for line in right.lines] == [4e9, 24e9, 80e9]
    legend = right.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["Binder, 4 GB", "24 GB", "80 GB"]
    assert "One training step: n = 128, D = 64" in explorer.spoken.words and "LSTM: " in explorer.spoken.words


@pytest.mark.parametrize("memory", [2e9, 1e15])
def test_what_does_not_fit_this_machine_is_hollow(memory):
    explorer = CostExplorer(memory=memory)
    hollow = [bar.get_facecolor() == (1, 1, 1, 1) for bar in explorer.figure.axes[1].patches]
    assert hollow == [count > memory for count in view("training", 1024, 512, 8, 8).held.values()]
    assert any(hollow) == (memory == 2e9)
