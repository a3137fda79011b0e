"""Attention against torch's own, and against what masks, heads and the tap promise."""

import math
from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lecturelib import attention
from tests.mutants import Mutant, planted
from tests.strategies import normal, seeds, sizes
from tests.tools import refuses
from tests.twins import attention_twin, random_mask, random_weights

MASKS = ["none", "rows", "batch", "keys"]


def mask_of(kind: str, b: int, t: int, s: int, seed: int) -> torch.Tensor | None:
    """Return a mask of each shape that is allowed for a batch: (T, S), (B, T, S), (B, 1, S), or none."""
    shapes: dict[str, tuple[int, ...]] = {"rows": (t, s), "batch": (b, t, s), "keys": (b, 1, s)}
    return None if kind == "none" else random_mask(*shapes[kind], seed=seed)


def layer_of(d_model: int, num_heads: int, seed: int = 1) -> attention.MultiHeadAttention:
    return random_weights(attention.MultiHeadAttention(d_model, num_heads), seed)


@given(sizes(5), seeds, st.sampled_from(MASKS))
def test_attend_is_torchs(shape: list[int], seed: int, kind: str) -> None:
    b, t, s, d, m = shape
    q, k, v = normal(b, t, d, seed=seed), normal(b, s, d, seed=seed + 1), normal(b, s, m, seed=seed + 2)
    mask = mask_of(kind, b, t, s, seed + 3)
    mix, weights = attention.attend(q, k, v, mask)
    torch.testing.assert_close(mix, F.scaled_dot_product_attention(q, k, v, mask))
    # mixing the unit vectors shows torch's weights
    units = torch.eye(s, dtype=torch.float64).expand(b, s, s)
    torch.testing.assert_close(weights, F.scaled_dot_product_attention(q, k, units, mask))
    assert mask is None or torch.equal(weights > 0, mask.expand(b, t, s))
    scores = q @ k.mT / d**0.5
    assert torch.equal(attention.attention_weights(scores, mask), weights)
    assert torch.equal(attention.masked_softmax(scores, mask), weights)


@given(sizes(5), seeds, st.sampled_from([-3.0, 1e6]), st.booleans())
def test_what_may_not_be_seen_changes_no_bit(shape: list[int], seed: int, filling: float, layered: bool) -> None:
    b, t, s, h, k = shape
    layer = layer_of(h * k, h, seed=seed)
    look = layer if layered else lambda x, y, mask: torch.cat(attention.attend(x, y, y, mask), -1)
    x, context = normal(b, t, h * k, seed=seed + 9), normal(b, s, h * k, seed=seed + 10)
    mask = random_mask(t, s, seed=seed + 11)
    before = look(x, context, mask)
    for row in range(t):
        changed = context.clone()
        changed[:, ~mask[row]] = filling
        assert torch.equal(look(x, changed, mask)[:, row], before[:, row])


@given(sizes(5), seeds, st.sampled_from(["none", "causal", "rows", "heads", "batch", "keys"]), st.booleans())
def test_the_fused_kernel_gives_the_mix_and_the_gradients_of_attend(
    shape: list[int], seed: int, kind: str, as_wide: bool
) -> None:
    b, t, s, d, m = shape
    h, m = 2, d if as_wide else m
    s = t if kind == "causal" else s
    q, k, v = (normal(b, h, *each, seed=seed + sum(each)).requires_grad_() for each in ((t, d), (s, d), (s, m)))
    masks = {"rows": (t, s), "heads": (h, t, s), "batch": (b, 1, t, s), "keys": (b, 1, 1, s)}
    mask = random_mask(*masks[kind], seed=seed + 3) if kind in masks else None
    found = attention.attend_fused(q, k, v, mask, kind == "causal")
    expected = attention.attend(q, k, v, attention.causal_mask(t) if kind == "causal" else mask)[0]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    weight = normal(*expected.shape, seed=seed + 4)
    gradients = [torch.autograd.grad((each * weight).sum(), (q, k, v)) for each in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-11, atol=1e-11)


@given(st.lists(st.integers(1, 7), min_size=1, max_size=5), st.integers(0, 3))
def test_masks_show_the_past_and_the_present_or_the_real_tokens(true: list[int], more: int) -> None:
    length = max(true) + more
    causal, padding = attention.causal_mask(length), attention.padding_mask(torch.tensor(true), length)
    assert causal.dtype == padding.dtype == torch.bool
    assert causal.tolist() == [[key <= query for key in range(length)] for query in range(length)]
    assert padding.tolist() == [[[key < n for key in range(length)]] for n in true]
    assert attention.causal_mask(length, torch.device("meta")).is_meta


@given(sizes(5), seeds, st.booleans(), st.sampled_from(MASKS))
def test_a_head_looks_up_its_own_queries_keys_and_values(shape: list[int], seed: int, cross: bool, kind: str) -> None:
    b, t, d, d_k, d_v = shape
    s, other = (11, 13) if cross else (t, d)
    head = random_weights(attention.Attention(d, d_k, d_v, other if cross else None), seed)
    x, context = normal(b, t, d, seed=seed + 7), normal(b, s, other, seed=seed + 8) if cross else None
    mask = mask_of(kind, b, t, s, seed + 9)
    y = x if context is None else context
    q, k, v = x @ head.q_proj.weight.T, y @ head.k_proj.weight.T, y @ head.v_proj.weight.T
    torch.testing.assert_close(head(x, context, mask), F.scaled_dot_product_attention(q, k, v, mask))
    assert sum(each.numel() for each in head.parameters()) == d * d_k + other * (d_k + d_v)


@given(sizes(5), seeds, st.sampled_from([*MASKS, "heads", "is_causal"]), st.booleans())
def test_several_heads_are_torchs(shape: list[int], seed: int, kind: str, cross: bool) -> None:
    b, t, s, h, k = shape
    is_causal = kind == "is_causal"
    cross = cross and not is_causal
    s = s if cross else t
    layer = layer_of(h * k, h, seed=seed)
    x = normal(b, t, h * k, seed=seed + 9)
    context = normal(b, s, h * k, seed=seed + 10) if cross else None
    mask = random_mask(b, h, t, s, seed=seed + 11) if kind == "heads" else None
    if kind in MASKS:
        mask = mask_of(kind, b, t, s, seed + 11)
    seen, hidden = attention.causal_mask(t) if is_causal else mask, None
    if seen is not None:  # torch's masks say True = may not look: (B H, T, S)
        hidden = ~(seen if kind == "heads" else seen.expand(b, t, s)[:, None]).expand(b, h, t, s).flatten(0, 1)
    y = x if context is None else context
    expected, weights = attention_twin(layer)(x, y, y, attn_mask=hidden, average_attn_weights=False)
    with attention.record_attention(layer) as maps:
        torch.testing.assert_close(layer(x, context, mask, is_causal), expected)
    torch.testing.assert_close(maps["attention"].weights, weights)
    torch.testing.assert_close(layer(x, context, mask, is_causal), expected)


@pytest.mark.parametrize("length", [1, 7, 63, 64])
@pytest.mark.parametrize("is_causal", [False, True])
def test_heads_do_not_look_ahead_by_a_single_bit(length: int, is_causal: bool) -> None:
    layer, x = layer_of(6, 2), normal(2, length, 6, seed=1)
    mask = None if is_causal else attention.causal_mask(length)
    for step in {0, length // 2, length - 1}:
        changed = x.clone()
        changed[:, step] = 9e9
        before, after = layer(x, None, mask, is_causal), layer(changed, None, mask, is_causal)
        assert torch.equal(before[:, :step], after[:, :step])
        assert (before[:, step:] != after[:, step:]).any(-1).all()


@given(sizes(5), seeds, st.sampled_from(MASKS), st.booleans())
def test_what_is_recorded_made_the_output(shape: list[int], seed: int, kind: str, edited: bool) -> None:
    b, t, s, h, k = shape
    layer = layer_of(h * k, h, seed=seed)
    x, context = normal(b, t, h * k, seed=seed + 9), normal(b, s, h * k, seed=seed + 10)
    mask = mask_of(kind, b, t, s, seed + 11)
    with attention.record_attention(layer, lambda path, weights: weights.roll(1, 1) if edited else None) as maps:
        y = layer(x, context, mask)
    scores, weights = maps["attention"]
    q, keys, v = layer.q_proj(x), layer.k_proj(context), layer.v_proj(context)
    columns = [slice(n * k, (n + 1) * k) for n in range(h)]
    for n in range(h):
        torch.testing.assert_close(scores[:, n], q[..., columns[n]] @ keys[..., columns[n]].mT / k**0.5)
    mixes = [weights[:, n] @ v[..., columns[n]] for n in range(h)]
    torch.testing.assert_close(y, layer.out_proj(torch.cat(mixes, dim=-1)))
    if mask is not None:
        scores = scores.masked_fill(~mask.expand(b, t, s)[:, None], -math.inf)
    torch.testing.assert_close(weights, scores.softmax(-1).roll(int(edited), 1))


def test_the_next_run_replaces_what_is_recorded_and_watching_cuts_no_gradient() -> None:
    layer, x = layer_of(6, 2), normal(2, 5, 6, seed=2).requires_grad_()

    def edit_in_place(path: str, weights: torch.Tensor) -> None:  # which changes nothing
        weights.zero_()

    with attention.record_attention(layer, edit_in_place) as maps:
        layer(x)
        first = maps["attention"]
        watched = layer(2 * x)
    second, alone = maps["attention"], layer(2 * x)
    assert torch.equal(watched, alone) and not torch.equal(first.weights, second.weights)
    assert not second.weights.requires_grad and not second.scores.requires_grad
    assert torch.equal(*(torch.autograd.grad(each.square().sum(), x)[0] for each in (watched, alone)))


@pytest.mark.parametrize("fault", ["none", "body", "edit", "shape"])
def test_nothing_is_watched_after_the_block(fault: str) -> None:
    layer, x = layer_of(6, 2), normal(2, 5, 6, seed=2)
    plain = layer(x)

    def edit(path: str, weights: torch.Tensor) -> torch.Tensor:
        if fault == "edit":
            raise KeyError(path)
        return weights[..., :1] if fault == "shape" else weights.flip(-1)

    said = {"none": "", "body": "body", "edit": "attention", "shape": r"\(2, 2, 5, 1\) for attention: expected"}
    with (
        nullcontext() if fault == "none" else pytest.raises((KeyError, ValueError), match=said[fault]),
        attention.record_attention(layer, edit),
    ):
        assert not torch.equal(layer(x), plain)
        if fault == "body":
            raise KeyError("body")
    assert torch.equal(layer(x), plain) and layer.map.plain


@pytest.mark.parametrize("kind", [*MASKS, "is_causal"])
def test_long_texts_have_the_same_output_watched_or_not_and_edits_count(kind: str) -> None:
    layer, length, is_causal = layer_of(6, 2), attention.LONG, kind == "is_causal"
    x = normal(2, length, 6, seed=1)
    mask = None if is_causal else mask_of(kind, 2, length, length, 3)
    alone = layer(x, None, mask, is_causal)
    with attention.record_attention(layer):
        watched = layer(x, None, mask, is_causal)
    torch.testing.assert_close(watched, alone, rtol=1e-12, atol=1e-12)
    with attention.record_attention(layer, lambda path, weights: 0 * weights):
        torch.testing.assert_close(layer(x, None, mask, is_causal), layer.out_proj.bias.expand(2, length, 6))


Q, K, V = (normal(2, n, 3, seed=n) for n in (5, 7, 7))
NOWHERE = torch.ones(5, 7, dtype=torch.bool)
NOWHERE[3] = False

# q, k, v and a mask whose shapes or types do not fit, and words of the refusal
UNFIT: list[tuple[tuple[torch.Tensor, ...], list[str]]] = [
    ((Q[0, 0], K, V), ["(3,)", "(..., T, K)", "x[None]"]),
    ((Q, K[0, 0], V), ["(3,)", "x[None]"]),
    ((Q, K, V[0, 0]), ["(3,)", "x[None]"]),
    ((Q[..., :2], K, V), ["(2, 5, 2)", "(2, 7, 3)", "queries as wide as keys"]),
    ((Q, K, V[:, :6]), ["(2, 6, 3)", "a value for each key"]),
    ((Q, K[:, :0], V[:, :0]), ["(2, 0, 3)"]),
    ((Q, K, V, NOWHERE.T), ["(7, 5)", "(2, 5, 7)"]),
    ((Q, K, V, NOWHERE.expand(3, 2, 5, 7)), ["(3, 2, 5, 7)", "(2, 5, 7)"]),
    ((Q, K, V, torch.ones(5, 7)), ["torch.float32", "bool", "True = may look"]),
]
X = torch.zeros(2, 5, 6)


def test_matrices_without_a_batch_and_one_head_by_itself() -> None:
    q, k, v = Q[0], K[0], V[0]
    torch.testing.assert_close(attention.attend(q, k, v)[0], F.scaled_dot_product_attention(q, k, v))
    torch.testing.assert_close(attention.attend_fused(q, k, v), attention.attend(q, k, v)[0])
    causal = attention.attend(q, q, q, attention.causal_mask(5))[0]
    torch.testing.assert_close(attention.attend_fused(q, q, q, is_causal=True), causal)
    layer = attention.Attention(6, 3, 2)
    with attention.record_attention(layer) as maps:
        layer(X)
    assert maps["attention"].weights.shape == (2, 5, 5)


def test_the_fused_kernel_serves_long_texts_and_those_that_do_not_look_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[int] = []
    kernel = attention.attend_fused

    def watched(q: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        served.append(q.shape[2])
        return kernel(q, *rest)

    monkeypatch.setattr(attention, "attend_fused", watched)
    layer = attention.MultiHeadAttention(6, 2)
    for length in (attention.LONG - 1, attention.LONG):
        layer(torch.zeros(1, length, 6))
    layer(X, is_causal=True)
    assert served == [attention.LONG, 5]
    assert attention.attend(Q[:0], K[:0], V[:0])[0].shape == (0, 5, 3)


test_bad_input_is_refused_in_words = refuses(
    *((lambda bad=bad: attention.attend(*bad), words) for bad, words in UNFIT),
    *((lambda bad=bad: attention.attend_fused(*bad), words) for bad, words in UNFIT),
    (lambda: attention.attend(Q, K, V, NOWHERE), ["(3,)", "nowhere", "at least one True", "inverted? True ="]),
    (lambda: attention.attend_fused(Q[:, :1], Q, Q, None, True), ["1 queries, 5 keys", "last tokens of a text pass"]),
    (lambda: attention.causal_mask(0), ["length=0", "at least 1"]),
    (lambda: attention.padding_mask(torch.tensor([3, 6]), 5), ["[3, 6]", "1 to 5"]),
    (lambda: attention.Attention(0, 3, 2), ["d_model=0"]),
    (lambda: attention.Attention(5, 0, 2), ["d_k=0"]),
    (lambda: attention.Attention(5, 3, 2, 0), ["d_context=0"]),
    (lambda: attention.MultiHeadAttention(0, 1), ["d_model=0"]),
    (lambda: attention.MultiHeadAttention(4, 0), ["num_heads=0"]),
    (lambda: attention.MultiHeadAttention(6, 2)(X[0]), ["x ", "(5, 6)"]),
    (lambda: attention.Attention(5, 3, 2.0), ["d_v=2.0", "whole number of 1 or more"]),
    (lambda: attention.MultiHeadAttention(6, 4), ["d_model=6", "4 heads", "multiple of 4", "such as 4"]),
    (lambda: attention.MultiHeadAttention(6, 2)(X, X[..., :3]), ["as context[None]", "(2, 5, 3)", "(B, tokens, 6)"]),
    (lambda: attention.MultiHeadAttention(6, 2)(X, X, is_causal=True), ["is_causal=True", "a context or a mask"]),
    (lambda: attention.record_attention(nn.Linear(3, 3)).__enter__(), ["Linear holds no AttentionMap", "torch's own"]),
)


FILL = "scores = scores.masked_fill(~mask, -math.inf)"
THREE = "self.split(self.q_proj(x)), self.split(self.k_proj(y)), self.split(self.v_proj(y))"
CAUSAL = "mask = causal_mask(x.shape[1], x.device) if is_causal else mask"

test_mutants = planted(
    attention,
    [
        Mutant("/ math.sqrt(q.shape[-1])", "", test_attend_is_torchs),
        Mutant(FILL, FILL.replace("~", ""), test_attend_is_torchs),
        Mutant(FILL, "scores = scores + torch.where(mask, 0.0, -1e3)", test_what_may_not_be_seen_changes_no_bit),
        Mutant(".tril()", ".tril(-1)", test_masks_show_the_past_and_the_present_or_the_real_tokens),
        Mutant(THREE, THREE.replace("k_proj(y)", "k_proj(x)").replace("v_proj(y)", "v_proj(x)"),
               test_several_heads_are_torchs),
        Mutant("return x.transpose(1, 2).flatten(2)", "return x.reshape(x.shape[0], x.shape[2], -1)",
               test_several_heads_are_torchs),
        Mutant("mask = mask[:, None]  #", "mask = mask[None]  #", test_several_heads_are_torchs),
        Mutant(CAUSAL, "pass", test_several_heads_are_torchs),
        Mutant("x.shape[1] >= LONG) and self.map.plain", "x.shape[1] >= LONG)",
               test_long_texts_have_the_same_output_watched_or_not_and_edits_count),
        Mutant("handle.remove()", "pass", test_nothing_is_watched_after_the_block),
    ],
)  # fmt: skip
