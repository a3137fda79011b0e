"""The attention explorer without a front end: its weights, what the page gets, and what it refuses."""

import base64
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lecturelib.figures.style import png
from lecturelib.widgets.attention_explorer import CLIP, LIMIT, AttentionExplorer, decode, encode, visible
from tests.widgets.test_picture import check_bundle

WORDS = ["The", "month", "is", "March", "the", "third", "month"]
RNG = np.random.default_rng(0)


def scores(*shape: int, spread: float = 2.0, seed: int = 0) -> np.ndarray:
    return spread * np.random.default_rng(seed).normal(size=shape)


def causal(T: int) -> np.ndarray:
    return np.tril(np.ones((T, T), dtype=bool))


def words(n: int) -> list[str]:
    return [WORDS[k % 7] for k in range(n)]


def explorer(**changes):
    given_ = {"scores": scores(2, 3, 7, 7), "queries": WORDS, "mask": causal(7), "d_k": 5}
    return AttentionExplorer(**given_ | changes)


def softmax(logits: np.ndarray) -> np.ndarray:
    return torch.as_tensor(logits).softmax(-1).numpy()


def size(widget: AttentionExplorer) -> int:
    return len(json.dumps(widget.get_state(), ensure_ascii=False).encode())


@pytest.mark.parametrize("shape", [(7, 7), (3, 7, 7), (2, 3, 7, 7)])
def test_the_weights_are_the_softmax_of_the_scores_in_their_shape(shape):
    given_ = scores(*shape)
    widget = explorer(scores=given_, mask=None)
    assert widget.weights().shape == shape
    np.testing.assert_allclose(widget.weights(), softmax(given_), atol=1e-4)


def test_the_settings_do_to_the_weights_what_they_say():
    widget, given_, mask = explorer(), scores(2, 3, 7, 7), causal(7)
    hidden = np.where(mask, given_, -np.inf)
    np.testing.assert_allclose(widget.weights(), softmax(hidden), atol=1e-4)
    assert (widget.weights()[..., ~mask] == 0).all()
    widget.temperature = 0.5
    np.testing.assert_allclose(widget.weights(), softmax(hidden / 0.5), atol=2e-4)
    widget.temperature, widget.scale = 2, False
    np.testing.assert_allclose(widget.weights(), softmax(hidden * np.sqrt(5) / 2), atol=2e-4)
    widget.mask_on = False
    np.testing.assert_allclose(widget.weights(), softmax(given_ * np.sqrt(5) / 2), atol=2e-4)
    assert (widget.weights()[..., ~mask] > 0).all()


def test_a_rectangle_and_tensors_of_any_kind_are_read():
    given_ = torch.as_tensor(scores(4, 5, 11)).to(torch.bfloat16).requires_grad_()
    mask = torch.ones(5, 11, dtype=torch.bool)
    mask[:, 3] = False
    widget = AttentionExplorer(given_, list("abcde"), list("fghijklmnop"), mask=mask)
    assert widget.data["shape"] == [1, 4, 5, 11] and widget.data["keys"] == list("fghijklmnop")
    expected = given_.detach().double().masked_fill(~mask, -torch.inf).softmax(-1)
    np.testing.assert_allclose(widget.weights(), expected.numpy(), atol=1e-4)


def test_the_page_gets_the_very_numbers_that_python_computes_with():
    widget = explorer()
    rows = np.frombuffer(base64.b64decode(widget.data["rows"]), "<f4").reshape(2, 3, 7, 2)
    codes = np.frombuffer(base64.b64decode(widget.data["codes"]), "<u2").reshape(2, 3, 7, 7)
    np.testing.assert_array_equal(decode(rows, codes, widget.data["bits"]), widget._scores)
    bits = np.frombuffer(base64.b64decode(widget.data["mask"]), "u1")
    np.testing.assert_array_equal(np.unpackbits(bits, bitorder="little")[:49].reshape(7, 7), causal(7))


@pytest.mark.parametrize(("bits", "error"), [(16, 1e-4), (8, 0.01)])
@given(seed=st.integers(0, 10**6), spread=st.floats(0.0, 4.0), shift=st.floats(-1000, 1000), keys=st.integers(1, 40))
def test_a_weight_is_as_exact_as_the_docstring_says(bits, error, seed, spread, shift, keys):
    given_ = scores(5, keys, spread=spread, seed=seed) + shift
    given_ = np.maximum(given_, given_.max(-1, keepdims=True) - 20)
    read = decode(*encode(given_, bits), bits)
    np.testing.assert_allclose(softmax(read), softmax(given_), rtol=0, atol=error)
    mask = causal(keys)[-5:] if keys >= 5 else np.ones((5, keys), dtype=bool)
    hidden = [np.where(mask, each, -np.inf) for each in (read, given_)]
    np.testing.assert_allclose(softmax(hidden[0]), softmax(hidden[1]), rtol=0, atol=error)


@pytest.mark.parametrize("bits", [8, 16])
def test_scores_far_below_the_largest_count_as_a_fixed_distance(bits):
    read = decode(*encode(np.array([[1.0, 2.0, -1e9], [0.0, 0.0, 0.0], [-41.0, -1.0, -1.0]]), bits), bits)
    np.testing.assert_allclose(read[0], [1, 2, 2 - CLIP], atol=0.1)
    np.testing.assert_array_equal(read[1], 0)
    np.testing.assert_allclose(read[2], [-41, -1, -1], atol=0.1)


@pytest.mark.parametrize(
    ("shape", "bits"), [((4, 64, 64), 16), ((6, 4, 40, 40), 16), ((8, 80, 80), 16), ((4, 200, 200), 8)]
)
def test_what_the_page_gets_is_small(shape, bits):
    T = shape[-1]
    widget = AttentionExplorer(scores(*shape), ["Dienstag"] * T, mask=causal(T), d_k=64)
    assert size(widget) < LIMIT == 300_000 and widget.data["bits"] == bits
    np.testing.assert_allclose(
        widget.weights(), softmax(np.where(causal(T), scores(*shape), -np.inf)), atol=1e-4 if bits == 16 else 0.01
    )


def test_tokens_can_be_seen():
    widget = AttentionExplorer(scores(3, 4), [" a", "b\n", "\t"], ["月", "", "\u200f", "$x_1$"])
    assert widget.data["queries"] == ["␣a", "b⏎", "⇥"]
    assert widget.data["keys"] == ["月", "∅", "‹200F›", "$x_1$"]
    assert visible("\u0301") == "◌\u0301" and visible("e\u0301") == "e\u0301" and visible("\u202f") == "⍽"
    assert AttentionExplorer(scores(3, 3), ["a"] * 3).data["keys"] is None


def test_names_of_layers():
    assert explorer().data["layers"] == ["layer 1", "layer 2"]
    assert explorer(layers=["first", "last"]).data["layers"] == ["first", "last"]


def test_heads_are_counted_from_the_number_that_is_asked_for():
    assert explorer().data["first_head"] == 1
    for first in (0, 1):
        axes = explorer(first_head=first).picture().axes
        assert [ax.get_title("left") or ax.get_title() for ax in axes[:3]] == [f"head {first + n}" for n in range(3)]
        tiles = explorer(scores=scores(30, 9, 7, 7), first_head=first).picture().axes[0]
        assert [label.get_text() for label in tiles.get_yticklabels()] == [str(first + n) for n in range(9)]


def test_the_picture_shows_all_heads_as_they_are_set():
    widget = explorer()
    check_bundle(widget, "attention of 7 queries to 7 keys in 2 x 3 layers x heads, where each token looks, token by "
                 "token")  # fmt: skip
    before = png(widget.picture())
    assert png(explorer().picture()) == before
    maps = [ax for ax in widget.picture().axes if ax.images]
    assert len(maps) == 6
    for ax, weights in zip(maps, widget.weights().reshape(6, 7, 7), strict=True):
        np.testing.assert_array_equal(np.ma.filled(ax.images[0].get_array(), 0), weights)
    widget.temperature = 3
    assert png(widget.picture()) != before
    widget.temperature = 1
    assert png(widget.picture()) == before
    widget.mask_on = False
    assert not np.ma.getmaskarray(widget.picture().axes[0].images[0].get_array()).any()


def test_many_heads_fit_into_a_page_and_are_tiles_of_one_picture():
    widget = AttentionExplorer(scores(30, 9, 18, 18), words(18), mask=causal(18))  # as SmolLM2 in notebook 09
    (picture,) = [ax.images[0].get_array() for ax in widget.picture().axes if ax.images]
    assert picture.shape == (9 * 19 - 1, 30 * 19 - 1)
    for layer, head in ((0, 0), (18, 6), (29, 8)):
        tile = picture[19 * head :, 19 * layer :][:18, :18]
        np.testing.assert_array_equal(np.ma.filled(tile, 0), widget.weights()[layer, head])
        assert (np.ma.getmaskarray(tile) == ~causal(18)).all()


def test_a_view_can_be_set_and_is_kept():
    widget = explorer(selected=4)
    assert (widget.layer, widget.head, widget.selected, widget.temperature) == (0, 0, 4, 1)
    widget.layer, widget.head, widget.selected = np.int64(1), 2, None
    widget.direction, widget.show, widget.stretch = "looked at by", "scores", np.True_
    state = widget.get_state()
    assert [state[name] for name in ("layer", "head", "selected", "stretch")] == [1, 2, None, True]
    assert type(state["layer"]) is int and type(state["stretch"]) is bool
    json.dumps(state)


def test_what_is_held_among_the_queries_is_let_go_among_other_keys():
    widget = AttentionExplorer(scores(3, 5), list("abc"), list("defgh"), selected=2)
    widget.direction = "looked at by"
    assert widget.selected is None
    widget.selected = 4  # of five keys
    with pytest.raises(ValueError, match="selected is 5: expected None or a whole number from 0 to 4"):
        widget.selected = 5
    widget.direction = "looks at"
    with pytest.raises(ValueError, match=r"selected is 3: .*from 0 to 2"):
        widget.selected = 3
    same = explorer(selected=3)
    same.direction = "looked at by"
    assert same.selected == 3  # the same token, as a key


BLIND = causal(7)
BLIND[2] = False
