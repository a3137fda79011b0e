"""The attention explorer without a front end: its weights, what the page gets, and what it refuses."""

import base64
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lecturelib.widgets.attention_explorer import CLIP, AttentionExplorer, encode, visible
from tests.widgets.test_picture import check_bundle

WORDS = ["The", "month", "is", "March", "the", "third", "month"]


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


def read(codes: dict[str, str], shape: tuple[int, ...]) -> np.ndarray:
    """Decode scores as the page does."""
    tops = np.frombuffer(base64.b64decode(codes["tops"]), "<f4").reshape(*shape[:-1], 1)
    return tops - CLIP * (np.frombuffer(base64.b64decode(codes["codes"]), "<u2").reshape(shape) / 65535) ** 2


@given(seed=st.integers(0, 10**6), spread=st.floats(0.0, 4.0), shift=st.floats(-1000, 1000), keys=st.integers(1, 40))
def test_the_page_can_compute_the_weights_from_what_it_gets(seed, spread, shift, keys):
    given_ = scores(5, keys, spread=spread, seed=seed) + shift
    np.testing.assert_allclose(softmax(read(encode(given_), (5, keys))), softmax(given_), rtol=0, atol=2e-4)


def test_scores_far_below_the_largest_count_as_a_fixed_distance():
    found = read(encode(np.array([[1.0, 2.0, -1e9], [0.0, 0.0, 0.0]])), (2, 3))
    np.testing.assert_allclose(found, [[1, 2, 2 - CLIP], [0, 0, 0]], atol=1e-3)


def test_what_a_real_model_needs_fits_into_a_page():
    widget = AttentionExplorer(scores(30, 9, 18, 18), words(18), mask=causal(18))  # as SmolLM2 in notebook 09
    assert len(json.dumps(widget.data)) < 300_000
    (picture,) = [ax.images[0].get_array() for ax in widget.picture().axes if ax.images]
    assert picture.shape == (9 * 19 - 1, 30 * 19 - 1)
    for layer, head in ((0, 0), (18, 6), (29, 8)):
        tile = picture[19 * head :, 19 * layer :][:18, :18]
        np.testing.assert_array_equal(np.ma.filled(tile, 0), widget.weights()[layer, head])
        assert (np.ma.getmaskarray(tile) == ~causal(18)).all()


def test_tokens_can_be_seen():
    widget = AttentionExplorer(scores(3, 4), [" a", "b\n", "\t"], ["月", "", "\u200f", "$x_1$"])
    assert widget.data["queries"] == ["␣a", "b⏎", "⇥"]
    assert widget.data["keys"] == ["月", "∅", "‹200F›", "$x_1$"]
    assert visible("\u0301") == "◌\u0301" and visible("e\u0301") == "e\u0301" and visible("\u202f") == "⍽"
    assert AttentionExplorer(scores(3, 3), ["a"] * 3).data["keys"] is None


def test_the_picture_shows_all_heads_as_they_are_set():
    widget = explorer()
    check_bundle(widget, "attention of 7 queries to 7 keys in 2 x 3 layers x heads, where each token looks, token by "
                 "token")  # fmt: skip
    maps = [ax for ax in widget.picture().axes if ax.images]
    assert len(maps) == 6
    for ax, weights in zip(maps, widget.weights().reshape(6, 7, 7), strict=True):
        np.testing.assert_array_equal(np.ma.filled(ax.images[0].get_array(), 0), weights)
    widget.temperature, widget.mask_on = 3, np.False_
    drawn = widget.picture().axes[0].images[0].get_array()
    np.testing.assert_array_equal(drawn, widget.weights()[0, 0])
    assert not np.ma.getmaskarray(drawn).any()
    json.dumps(widget.get_state())
    named = explorer(layers=["first", "last"], first_head=0)
    titles = [ax.get_title("left") or ax.get_title() for ax in named.picture().axes[:3]]
    assert named.data["layers"] == ["first", "last"] and titles == ["head 0", "head 1", "head 2"]


BLIND = causal(7)
BLIND[2] = False
