"""Attention against torch's own, and against what masks, heads and the tap promise."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lecturelib import attention
from lecturelib.broken import break_it
from lecturelib.timing import peak_bytes
from lecturelib.transformer import LanguageModel
from tests.strategies import normal, seeds, sizes
from tests.twins import attention_twin, parameters_that_rest, random_mask, random_weights

MASKS = ["none", "rows", "batch", "keys"]


def masked(kind: str, b: int, t: int, s: int, seed: int) -> torch.Tensor | None:
    """Return a mask of each shape that is allowed for a batch: (T, S), (B, T, S), (B, 1, S), or none."""
    shapes: dict[str, tuple[int, ...]] = {"rows": (t, s), "batch": (b, t, s), "keys": (b, 1, s)}
    return None if kind == "none" else random_mask(*shapes[kind], seed=seed)


def layer_of(width: int, heads: int, d_context: int | None = None, seed: int = 1) -> attention.MultiHeadAttention:
    return random_weights(attention.MultiHeadAttention(width, heads, d_context), seed)


# ---- one look-up ----


@given(sizes(5), seeds, st.sampled_from(MASKS))
def test_attend_is_torchs(shape: list[int], seed: int, kind: str) -> None:
    b, t, s, d, m = shape
    q, k, v = normal(b, t, d, seed=seed), normal(b, s, d, seed=seed + 1), normal(b, s, m, seed=seed + 2)
    mask = masked(kind, b, t, s, seed + 3)
    mix, weights = attention.attend(q, k, v, mask)
    torch.testing.assert_close(mix, F.scaled_dot_product_attention(q, k, v, mask))
    # mixing the unit vectors shows torch's weights
    units = torch.eye(s, dtype=torch.float64).expand(b, s, s)
    torch.testing.assert_close(weights, F.scaled_dot_product_attention(q, k, units, mask))


@given(sizes(4), seeds)
def test_attend_takes_any_leading_dimensions(shape: list[int], seed: int) -> None:
    t, s, d, m = shape
    q, k, v = normal(t, d, seed=seed), normal(s, d, seed=seed + 1), normal(s, m, seed=seed + 2)
    mask = random_mask(t, s, seed=seed + 3)
    mix, weights = attention.attend(q, k, v, mask)
    torch.testing.assert_close(mix, F.scaled_dot_product_attention(q, k, v, mask))
    q, k, v = (each.expand(2, 3, *each.shape) for each in (q, k, v))
    many = attention.attend(q, k, v, mask)
    torch.testing.assert_close(many[0], mix.expand(2, 3, t, m))
    torch.testing.assert_close(many[1], weights.expand(2, 3, t, s))


@given(sizes(3), seeds, st.sampled_from(MASKS))
def test_weights_are_the_softmax_over_the_keys_that_may_be_seen(shape: list[int], seed: int, kind: str) -> None:
    b, t, s = shape
    scores, mask = normal(b, t, s, seed=seed), masked(kind, b, t, s, seed + 1)
    weights = attention.attention_weights(scores, mask)
    may = torch.ones(b, t, s, dtype=torch.bool) if mask is None else mask.expand(b, t, s)
    for row, see, score in zip(weights.view(-1, s), may.reshape(-1, s), scores.view(-1, s), strict=True):
        powers = {j: math.exp(score[j]) for j in range(s) if see[j]}
        expected = [powers.get(j, 0.0) / sum(powers.values()) for j in range(s)]
        assert row.tolist() == pytest.approx(expected, rel=1e-9)
        assert (row[~see] == 0).all()


def test_scores_as_large_as_they_come_overflow_nowhere() -> None:
    weights = attention.attention_weights(torch.tensor([[1e4, -1e4, 1e4]]), torch.tensor([True, True, False]))
    assert weights.tolist() == [[1.0, 0.0, 0.0]]


@given(sizes(4), seeds, st.sampled_from([-3.0, 1e6]))
def test_what_may_not_be_seen_changes_no_bit(shape: list[int], seed: int, filling: float) -> None:
    b, t, s, d = shape
    q, k, v = normal(b, t, d, seed=seed), normal(b, s, d, seed=seed + 1), normal(b, s, d, seed=seed + 2)
    mask = random_mask(t, s, seed=seed + 3)
    mix, weights = attention.attend(q, k, v, mask)
    for row in range(t):
        hidden = ~mask[row]
        changed_k, changed_v = k.clone(), v.clone()
        changed_k[:, hidden] = filling
        changed_v[:, hidden] = filling
        again = attention.attend(q, changed_k, changed_v, mask)
        assert torch.equal(again[0][:, row], mix[:, row])
        assert torch.equal(again[1][:, row], weights[:, row])


def test_to_weights_stands_between_the_scores_and_the_mix() -> None:
    q, k, v = (normal(2, n, 3, seed=n) for n in (5, 7, 7))
    mask = random_mask(5, 7, seed=1)
    given: list[torch.Tensor | None] = []

    def uniform(scores: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        given.extend([scores, mask])
        return torch.full_like(scores, 1 / 7)

    mix, weights = attention.attend(q, k, v, mask, uniform)
    torch.testing.assert_close(given[0], q @ k.transpose(1, 2) / 3**0.5)
    assert given[1] is mask
    assert (weights == 1 / 7).all()
    torch.testing.assert_close(mix, v.mean(1, keepdim=True).expand(2, 5, 3))


def test_gradients_flow_through_attend() -> None:
    leaves = [normal(2, n, 3, seed=n).requires_grad_() for n in (5, 7, 7)]
    mask = random_mask(5, 7, seed=1)

    def both(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return torch.cat([each.flatten() for each in attention.attend(q, k, v, mask)])

    assert torch.autograd.gradcheck(both, leaves)


# ---- one look-up by the fused kernel ----

# shapes of a mask that broadcast to (B, H, T, S)
FUSED_MASKS: dict[str, Callable[[int, int, int, int], tuple[int, ...]]] = {
    "rows": lambda b, h, t, s: (t, s),
    "one row": lambda b, h, t, s: (1, s),
    "a vector": lambda b, h, t, s: (s,),
    "heads": lambda b, h, t, s: (h, t, s),
    "batch": lambda b, h, t, s: (b, 1, t, s),
    "keys": lambda b, h, t, s: (b, 1, 1, s),
    "all": lambda b, h, t, s: (b, h, t, s),
}


@given(sizes(5), seeds, st.sampled_from([*FUSED_MASKS, "none"]), st.booleans())
def test_the_fused_kernel_gives_the_mix_and_the_gradients_of_attend(
    shape: list[int], seed: int, kind: str, as_wide: bool
) -> None:
    b, t, s, d, m = shape
    h, m = 2, d if as_wide else m
    q, k, v = (normal(b, h, *each, seed=seed + sum(each)).requires_grad_() for each in ((t, d), (s, d), (s, m)))
    mask = None if kind == "none" else random_mask(*FUSED_MASKS[kind](b, h, t, s), seed=seed + 3)
    found, expected = attention.attend_fused(q, k, v, mask), attention.attend(q, k, v, mask)[0]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    weight = normal(*expected.shape, seed=seed + 4)
    gradients = [torch.autograd.grad((each * weight).sum(), (q, k, v)) for each in (found, expected)]
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    "leads",
    [((), (), ()), ((2,), (2,), (2,)), ((), (2,), (2,)), ((2,), (), ()), ((), (), (2,)), ((2, 1), (1, 3), (2, 3))],
)
def test_the_fused_kernel_takes_the_leading_dimensions_of_attend(leads: tuple[tuple[int, ...], ...]) -> None:
    ends = ((5, 3), (7, 3), (7, 2))
    q, k, v = (normal(*lead, *end, seed=n) for n, (lead, end) in enumerate(zip(leads, ends, strict=True)))
    for mask in (None, random_mask(5, 7, seed=1), random_mask(7, seed=1)):
        torch.testing.assert_close(attention.attend_fused(q, k, v, mask), attention.attend(q, k, v, mask)[0])


@pytest.mark.parametrize("length", [5, 70])
def test_gradients_flow_through_the_fused_kernel(length: int) -> None:
    leaves = [normal(1, 1, n, 2, seed=n).requires_grad_() for n in (3, length, length)]
    mask = random_mask(3, length, seed=1)
    assert torch.autograd.gradcheck(lambda q, k, v: attention.attend_fused(q, k, v, mask), leaves)


def test_the_fused_kernel_makes_no_table_of_weights() -> None:
    q, k, v = (normal(2, 3, 90, 4, seed=n) for n in range(3))
    table = 8 * 2 * 3 * 90 * 90
    assert peak_bytes(lambda: attention.attend_fused(q, k, v)) < table < peak_bytes(lambda: attention.attend(q, k, v))


# ---- masks ----


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_causal_mask_shows_the_past_and_the_present(length: int) -> None:
    mask = attention.causal_mask(length)
    assert mask.dtype == torch.bool
    assert mask.tolist() == [[key <= query for key in range(length)] for query in range(length)]


@given(st.lists(st.integers(1, 7), min_size=1, max_size=5), st.integers(0, 3))
def test_a_padding_mask_shows_the_real_tokens_to_every_query(true: list[int], more: int) -> None:
    max_len = max(true) + more
    mask = attention.padding_mask(torch.tensor(true), max_len)
    assert mask.dtype == torch.bool
    assert mask.tolist() == [[[key < length for key in range(max_len)]] for length in true]
    both = mask & attention.causal_mask(max_len)
    assert both.shape == (len(true), max_len, max_len) and both.any(-1).all()


# ---- one head ----


@given(sizes(5), seeds, st.booleans(), st.sampled_from(MASKS))
def test_a_head_looks_up_its_own_queries_keys_and_values(shape: list[int], seed: int, cross: bool, kind: str) -> None:
    b, t, d, d_k, d_v = shape
    s, other = (11, 13) if cross else (t, d)
    head = random_weights(attention.Attention(d, d_k, d_v, other if cross else None), seed)
    x, context = normal(b, t, d, seed=seed + 7), normal(b, s, other, seed=seed + 8) if cross else None
    mask = masked(kind, b, t, s, seed + 9)
    y = x if context is None else context
    q, k, v = x @ head.q_proj.weight.T, y @ head.k_proj.weight.T, y @ head.value.weight.T
    torch.testing.assert_close(head(x, context, mask), F.scaled_dot_product_attention(q, k, v, mask))
    assert sum(each.numel() for each in head.parameters()) == d * d_k + other * (d_k + d_v)


# ---- several heads ----


@given(sizes(4), seeds, st.sampled_from(MASKS))
def test_several_heads_at_themselves_are_torchs(shape: list[int], seed: int, kind: str) -> None:
    b, t, h, k = shape
    layer = layer_of(h * k, h, seed=seed)
    x, mask = normal(b, t, h * k, seed=seed + 9), masked(kind, b, t, t, seed + 10)
    expected, weights = torch_answers(layer, x, x, mask)
    with attention.record_attention(layer) as maps:
        torch.testing.assert_close(layer(x, mask=mask), expected)
    torch.testing.assert_close(maps["attention"].weights, weights)


@given(sizes(5), seeds, st.sampled_from(MASKS), st.booleans())
def test_several_heads_at_others_are_torchs(shape: list[int], seed: int, kind: str, same_width: bool) -> None:
    b, t, s, h, k = shape
    other = h * k if same_width else 11
    layer = layer_of(h * k, h, None if same_width else other, seed=seed)
    x, context = normal(b, t, h * k, seed=seed + 9), normal(b, s, other, seed=seed + 10)
    mask = masked(kind, b, t, s, seed + 11)
    expected, weights = torch_answers(layer, x, context, mask)
    with attention.record_attention(layer) as maps:
        torch.testing.assert_close(layer(x, context, mask), expected)
    torch.testing.assert_close(maps["attention"].weights, weights)


def torch_answers(
    layer: attention.MultiHeadAttention, x: torch.Tensor, y: torch.Tensor, mask: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return output and weights (B, H, T, S) of torch's layer, whose masks say True = may not look."""
    if mask is not None:
        mask = ~mask.expand(len(x), x.shape[1], y.shape[1]).repeat_interleave(layer.num_heads, 0)  # (B H, T, S)
    return attention_twin(layer)(x, y, y, attn_mask=mask, average_attn_weights=False)


@given(sizes(4), seeds)
def test_causal_and_padding_masks_are_torchs(shape: list[int], seed: int) -> None:
    b, t, h, k = shape
    layer = layer_of(h * k, h, seed=seed)
    x = normal(b, t, h * k, seed=seed + 9)
    lengths = torch.randint(1, t + 1, (b,), generator=torch.Generator().manual_seed(seed))
    causal, padding = attention.causal_mask(t), attention.padding_mask(lengths, t)
    hidden = torch.ones(t, t, dtype=torch.bool).triu(1)
    behind = torch.arange(t) >= lengths[:, None]
    twin = attention_twin(layer)
    torch.testing.assert_close(layer(x, mask=causal), twin(x, x, x, attn_mask=hidden)[0])
    torch.testing.assert_close(layer(x, mask=padding), twin(x, x, x, key_padding_mask=behind)[0])
    both = twin(x, x, x, attn_mask=hidden, key_padding_mask=behind)[0]
    torch.testing.assert_close(layer(x, mask=padding & causal), both)


@given(sizes(4), seeds)
def test_a_mask_for_each_head_is_for_that_head(shape: list[int], seed: int) -> None:
    b, t, h, k = shape
    layer = layer_of(h * k, h, seed=seed)
    mask = random_mask(b, h, t, t, seed=seed + 9)
    with attention.record_attention(layer) as maps:
        layer(normal(b, t, h * k, seed=seed + 10), mask=mask)
    assert torch.equal(maps["attention"].weights > 0, mask)


@given(sizes(4), seeds, st.sampled_from([-3.0, 1e6]))
def test_heads_do_not_see_what_is_padding(shape: list[int], seed: int, filling: float) -> None:
    b, t, h, k = shape
    layer = layer_of(h * k, h, seed=seed)
    x, context = normal(b, t, h * k, seed=seed + 9), normal(b, 11, h * k, seed=seed + 10)
    lengths = torch.randint(1, 11, (b,), generator=torch.Generator().manual_seed(seed))
    mask = attention.padding_mask(lengths, 11)
    changed = context.clone()
    changed[~mask[:, 0]] = filling
    assert torch.equal(layer(x, changed, mask), layer(x, context, mask))


@given(sizes(4), seeds, st.integers(0, 6))
def test_heads_do_not_look_ahead(shape: list[int], seed: int, step: int) -> None:
    b, t, h, k = shape
    step %= t
    layer = layer_of(h * k, h, seed=seed)
    x, mask = normal(b, t, h * k, seed=seed + 9), attention.causal_mask(t)
    changed = x.clone()
    changed[:, step] = normal(b, h * k, seed=seed + 10)
    before, after = layer(x, mask=mask), layer(changed, mask=mask)
    assert torch.equal(before[:, :step], after[:, :step])
    assert (before[:, step:] != after[:, step:]).any(-1).all()


@given(sizes(4), seeds)
def test_without_positions_order_means_nothing(shape: list[int], seed: int) -> None:
    b, t, h, k = shape
    layer = layer_of(h * k, h, seed=seed)
    x, context = normal(b, t, h * k, seed=seed + 9), normal(b, 11, h * k, seed=seed + 10)
    order, other = (normal(n, seed=seed + n).argsort() for n in (t, 11))
    torch.testing.assert_close(layer(x[:, order]), layer(x)[:, order])
    torch.testing.assert_close(layer(x[:, order], context[:, other]), layer(x, context)[:, order])


@given(sizes(4), seeds)
def test_sequences_of_a_batch_do_not_see_each_other(shape: list[int], seed: int) -> None:
    b, t, h, k = shape
    layer = layer_of(h * k, h, seed=seed)
    x, mask = normal(b, t, h * k, seed=seed + 9), random_mask(b, t, t, seed=seed + 10)
    alone = [layer(x[n : n + 1], mask=mask[n]) for n in range(b)]
    torch.testing.assert_close(layer(x, mask=mask), torch.cat(alone))


@given(sizes(4), seeds)
def test_merge_undoes_split_and_each_head_has_its_own_columns(shape: list[int], seed: int) -> None:
    b, t, h, k = shape
    layer, x = attention.MultiHeadAttention(h * k, h), normal(b, t, h * k, seed=seed)
    heads = layer.split(x)
    assert heads.shape == (b, h, t, k)
    for n in range(h):
        assert torch.equal(heads[:, n], x[..., n * k : (n + 1) * k])
    assert torch.equal(layer.merge(heads), x)


def test_gradients_flow_through_the_heads() -> None:
    layer = layer_of(6, 3, 5)
    mask = random_mask(2, 4, 7, seed=1)
    leaves = [normal(2, 4, 6, seed=2), normal(2, 7, 5, seed=3), *(each.detach() for each in layer.parameters())]
    names = [name for name, _ in layer.named_parameters()]

    def run(x: torch.Tensor, context: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (x, context, mask))

    assert torch.autograd.gradcheck(run, [leaf.clone().requires_grad_() for leaf in leaves])


def test_gradients_flow_through_one_head() -> None:
    head = random_weights(attention.Attention(5, 3, 2, d_context=7), 1)
    leaves = [normal(2, 4, 5, seed=2).requires_grad_(), normal(2, 3, 7, seed=3).requires_grad_()]
    assert torch.autograd.gradcheck(head, leaves)
    head(*leaves).square().sum().backward()
    assert not parameters_that_rest(head)


# ---- watching ----


@given(sizes(5), seeds, st.sampled_from(MASKS))
def test_the_recorded_weights_made_the_output(shape: list[int], seed: int, kind: str) -> None:
    b, t, s, h, k = shape
    layer = layer_of(h * k, h, seed=seed)
    x, context = normal(b, t, h * k, seed=seed + 9), normal(b, s, h * k, seed=seed + 10)
    mask = masked(kind, b, t, s, seed + 11)
    with attention.record_attention(layer) as maps:
        y = layer(x, context, mask)
    weights = maps["attention"].weights
    assert weights.shape == (b, h, t, s)
    v = layer.value(context)
    mixes = [weights[:, n] @ v[..., n * k : (n + 1) * k] for n in range(h)]
    torch.testing.assert_close(y, layer.out_proj(torch.cat(mixes, dim=-1)))


@given(sizes(5), seeds, st.sampled_from(MASKS))
def test_the_recorded_scores_and_mask_made_the_weights(shape: list[int], seed: int, kind: str) -> None:
    b, t, s, h, k = shape
    layer = layer_of(h * k, h, seed=seed)
    x, context = normal(b, t, h * k, seed=seed + 9), normal(b, s, h * k, seed=seed + 10)
    mask = masked(kind, b, t, s, seed + 11)
    with attention.record_attention(layer) as maps:
        layer(x, context, mask)
    scores, weights, seen = maps["attention"]
    q, keys = layer.q_proj(x), layer.k_proj(context)
    for n in range(h):
        columns = slice(n * k, (n + 1) * k)
        torch.testing.assert_close(scores[:, n], q[..., columns] @ keys[..., columns].mT / k**0.5)
    assert (seen is None) == (mask is None)
    if mask is not None and seen is not None:
        assert torch.equal(seen.expand(b, h, t, s), mask.expand(b, t, s)[:, None].expand(b, h, t, s))
        scores = torch.where(seen, scores, -math.inf)
    torch.testing.assert_close(weights, scores.exp() / scores.exp().sum(-1, keepdim=True))


@given(sizes(4), seeds)
def test_a_head_taken_out_is_missing_from_the_output(shape: list[int], seed: int) -> None:
    b, t, h, k = shape
    layer, x = layer_of(h * k, h, seed=seed), normal(b, t, h * k, seed=seed + 9)
    with attention.record_attention(layer) as maps:
        whole = layer(x)
    for n in range(h):

        def without(path: str, weights: torch.Tensor, n: int = n) -> torch.Tensor:
            assert path == "attention"
            weights = weights.clone()
            weights[:, n] = 0
            return weights

        with attention.record_attention(layer, without) as edited:
            rest = layer(x)
        columns = slice(n * k, (n + 1) * k)
        share = maps["attention"].weights[:, n] @ layer.value(x)[..., columns] @ layer.out_proj.weight[:, columns].T
        torch.testing.assert_close(rest, whole - share)
        assert (edited["attention"].weights[:, n] == 0).all()
        assert torch.equal(edited["attention"].scores, maps["attention"].scores)


class Two(nn.Module):
    """Two layers, one at the other's output, and a third that is run first though it stands last."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([attention.MultiHeadAttention(6, 2), attention.Attention(6, 3, 6)])
        self.first = attention.MultiHeadAttention(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers[1](self.layers[0](self.first(x)))


def test_maps_have_the_paths_of_their_layers_and_only_the_edited_one_changes() -> None:
    model, x = random_weights(Two(), 1), normal(2, 5, 6, seed=2)
    plain = model(x)
    with attention.record_attention(model) as maps:
        assert torch.equal(model(x), plain)
    assert set(maps) == {"layers.0", "layers.1", "first"}
    assert {path: tuple(each.weights.shape) for path, each in maps.items()} == {
        "layers.0": (2, 2, 5, 5),
        "layers.1": (2, 5, 5),
        "first": (2, 3, 5, 5),
    }
    asked = []

    def edit(path: str, weights: torch.Tensor) -> torch.Tensor | None:
        asked.append(path)
        return weights.roll(1, -1) if path == "layers.0" else None

    with attention.record_attention(model, edit) as edited:
        assert not torch.equal(model(x), plain)
    assert asked == ["first", "layers.0", "layers.1"]
    assert torch.equal(edited["first"].weights, maps["first"].weights)
    assert torch.equal(edited["layers.0"].weights, maps["layers.0"].weights.roll(1, -1))


def test_a_lone_tap_is_called_attention() -> None:
    tap = attention.AttentionMap()
    with attention.record_attention(tap) as maps:
        weights = tap(normal(5, 7, seed=1))
    assert list(maps) == ["attention"]
    assert torch.equal(maps["attention"].weights, weights) and maps["attention"].mask is None


def test_what_is_recorded_is_a_copy_and_the_next_run_replaces_it() -> None:
    layer, x = layer_of(6, 2), normal(2, 5, 6, seed=2).requires_grad_()
    with attention.record_attention(layer) as maps:
        first = layer(x)
        kept = maps["attention"]
        before = kept.weights.clone(), kept.scores.clone()
        second = layer(2 * x)
    assert not kept.weights.requires_grad and not kept.scores.requires_grad
    assert torch.equal(kept.weights, before[0]) and torch.equal(kept.scores, before[1])
    torch.testing.assert_close(maps["attention"].weights, torch_answers(layer, 2 * x, 2 * x, None)[1])
    # watching cuts no gradient
    (watched,) = torch.autograd.grad((first + second).square().sum(), x)
    (alone,) = torch.autograd.grad((layer(x) + layer(2 * x)).square().sum(), x)
    assert torch.equal(watched, alone)


def test_an_edit_in_place_changes_nothing() -> None:
    layer, x = layer_of(6, 2), normal(2, 5, 6, seed=2)

    def edit(path: str, weights: torch.Tensor) -> None:
        weights.zero_()

    with torch.no_grad(), attention.record_attention(layer, edit):
        watched = layer(x)
    assert torch.equal(watched, layer(x))


def hooks(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in model.modules())


def test_nothing_is_watched_after_the_block() -> None:
    model, x = random_weights(Two(), 1), normal(2, 5, 6, seed=2)
    plain = model(x)
    with attention.record_attention(model, lambda path, weights: weights.flip(-1)) as maps:
        assert hooks(model) == 3
        model(x)
    kept = dict(maps)
    assert hooks(model) == 0 and torch.equal(model(x), plain)
    assert all(maps[path] is kept[path] for path in kept)


@pytest.mark.parametrize("fault", ["body", "edit", "shape", "model"])
def test_nothing_is_watched_after_an_error(fault: str) -> None:
    model, x = random_weights(Two(), 1), normal(2, 5, 6, seed=2)

    def edit(path: str, weights: torch.Tensor) -> torch.Tensor | None:
        if fault == "edit":
            raise KeyError(path)
        return weights[..., :1] if fault == "shape" else None

    with pytest.raises((KeyError, ValueError, RuntimeError)), attention.record_attention(model, edit):
        model(x if fault != "model" else x[..., :5])
        raise KeyError("body")
    assert hooks(model) == 0
    assert torch.isfinite(model(x)).all()


def test_two_may_watch_at_once() -> None:
    layer, x = layer_of(6, 2), normal(2, 5, 6, seed=2)
    with attention.record_attention(layer) as outer:
        with attention.record_attention(layer) as inner:
            layer(x)
        first = outer["attention"]
        layer(2 * x)
    assert torch.equal(inner["attention"].weights, first.weights)
    assert not torch.equal(outer["attention"].weights, first.weights)


# ---- long sequences: the fused kernel serves a layer that nobody watches ----


class Explicit(attention.AttentionMap):
    """The same weights as its parent's; but no longer the plain map, so that the layer has to ask it."""


def calls_of(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which each look-up of a layer adds how it was made."""
    calls: list[str] = []

    def noted(name: str, true: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            calls.append(name)
            return true(*given)

        return call

    for name in ("attend", "attend_fused"):
        monkeypatch.setattr(attention, name, noted(name, getattr(attention, name)))
    return calls


@pytest.mark.parametrize("length", [1, 63, 64, 65])
@pytest.mark.parametrize("kind", [*MASKS, "causal"])
@pytest.mark.parametrize("cross", [False, True])
def test_watched_or_not_the_output_is_the_same(length: int, kind: str, cross: bool) -> None:
    layer, keys = layer_of(6, 2, 5 if cross else None), 7 if cross else length
    x = normal(2, length, 6, seed=1).requires_grad_()
    context = normal(2, keys, 5, seed=2) if cross else None
    causal = torch.ones(length, keys, dtype=torch.bool).tril()
    mask = causal if kind == "causal" else masked(kind, 2, length, keys, 3)
    alone = layer(x, context, mask)
    with attention.record_attention(layer) as maps:
        watched = layer(x, context, mask)
    torch.testing.assert_close(watched, alone, rtol=1e-12, atol=1e-12)
    assert list(maps) == ["attention"]
    weights = maps["attention"].weights
    assert weights.shape == (2, 2, length, keys)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 2, length, dtype=torch.float64))
    inputs = [x, *layer.parameters()]
    gradients = [torch.autograd.grad(each.square().sum(), inputs) for each in (alone, watched)]
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("length", "keys"), [(63, 63), (64, 64), (65, 65), (63, 90), (64, 7)])
def test_from_64_queries_on_nobody_makes_weights_that_nobody_watches(length: int, keys: int) -> None:
    layer = layer_of(6, 2, 6)
    x, context = normal(1, length, 6, seed=1), normal(1, keys, 6, seed=2)
    with pytest.MonkeyPatch.context() as patch:
        calls = calls_of(patch)
        layer(x, context)
        with attention.record_attention(layer):
            layer(x, context)
        layer(x, context)  # after the block the kernel serves again
        layer.map = Explicit()
        layer(x, context)
    alone = "attend_fused" if length >= 64 else "attend"
    assert calls == [alone, "attend", alone, "attend"]


@pytest.mark.parametrize("fault", [False, True])
def test_a_map_is_plain_while_nobody_watches(fault: bool) -> None:
    layer = layer_of(6, 2)
    assert layer.map.plain and not Explicit().plain
    try:
        with attention.record_attention(layer):
            assert not layer.map.plain
            layer(normal(1, 64, 5 if fault else 6, seed=1))
    except ValueError:
        assert fault
    assert layer.map.plain


@pytest.mark.parametrize(
    "watch",
    [
        lambda tap, hook: tap.register_forward_hook(hook),
        lambda tap, hook: tap.register_forward_pre_hook(hook),
        lambda tap, hook: tap.register_full_backward_hook(hook),
        lambda tap, hook: tap.register_full_backward_pre_hook(hook),
    ],
)
def test_whoever_hangs_on_the_map_is_asked_also_in_long_sequences(watch) -> None:
    layer, asked = layer_of(6, 2), []
    handle = watch(layer.map, lambda *each: asked.append(len(each)))
    layer(normal(1, 64, 6, seed=1).requires_grad_()).sum().backward()
    assert len(asked) == 1
    handle.remove()
    layer(normal(1, 64, 6, seed=1).requires_grad_()).sum().backward()
    assert len(asked) == 1 and layer.map.plain


@pytest.mark.parametrize("length", [63, 64, 65])
def test_an_edit_takes_effect_in_long_sequences(length: int) -> None:
    layer, x = layer_of(6, 2), normal(2, length, 6, seed=1)
    plain = layer(x)
    with attention.record_attention(layer, lambda path, weights: torch.zeros_like(weights)) as maps:
        rest = layer(x)
    torch.testing.assert_close(rest, layer.out_proj.bias.expand(2, length, 6))
    assert (maps["attention"].weights == 0).all()
    torch.testing.assert_close(layer(x), plain)


@pytest.mark.parametrize("length", [63, 64, 65])
def test_a_map_of_another_kind_is_used_in_long_sequences(length: int) -> None:
    class Uniform(attention.AttentionMap):
        def forward(self, scores: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
            return torch.full_like(scores, 1 / scores.shape[-1])

    layer, x = layer_of(6, 2), normal(2, length, 6, seed=1)
    layer.map = Uniform()
    means = layer.out_proj(layer.value(x).mean(dim=1, keepdim=True))
    torch.testing.assert_close(layer(x), means.expand(2, length, 6))


def test_broken_maps_are_broken_in_long_sequences_too() -> None:
    tokens = torch.randint(7, (1, 64), generator=torch.Generator().manual_seed(1))
    changed = tokens.clone()
    changed[0, -1] = (tokens[0, -1] + 1) % 7
    for bug, peeks in (("none", False), ("no mask", True), ("mask inverted", True), ("softmax over queries", True)):
        model = break_it(random_weights(LanguageModel(7, 6, 2, 2, 64), 1), bug)
        differ = not torch.allclose(model(tokens)[:, :-1], model(changed)[:, :-1], atol=1e-9)
        assert differ == peeks, bug


def test_long_sequences_do_not_look_ahead() -> None:
    layer, x = layer_of(6, 2), normal(1, 80, 6, seed=1)
    mask = attention.causal_mask(80)
    changed = x.clone()
    changed[:, 70:] = 9e9
    torch.testing.assert_close(layer(changed, mask=mask)[:, :70], layer(x, mask=mask)[:, :70], rtol=0, atol=0)


# ---- refusals ----

Q, K, V = (normal(2, n, 3, seed=n) for n in (5, 7, 7))
NOWHERE = torch.ones(5, 7, dtype=torch.bool)
NOWHERE[3] = False
MAY = ~NOWHERE


def watch(model: nn.Module, edit: Callable[..., torch.Tensor]) -> None:
    with attention.record_attention(model, edit):
        model(torch.zeros(2, 5, 6))


@pytest.mark.parametrize(
    "given",
    [
        (Q[0, 0], K, V),
        (Q, K[0, 0], V),
        (Q, K, V[0, 0]),
        (Q[..., :2], K, V),
        (Q, K, V[:, :6]),
        (Q, K[:, :0], V[:, :0]),
        (Q[..., :0], K[..., :0], V),
        (Q, K[:1].repeat(3, 1, 1), V),
        (Q, K, V, NOWHERE),
        (Q, K, V, MAY[None].expand(2, 5, 7)),
        (Q[:, None], K[:, None], V[:, None], NOWHERE),
        (Q, K, V, torch.zeros(7).bool()),
        (Q, K, V, NOWHERE.T),
        (Q, K, V, NOWHERE[:, :6]),
        (Q, K, V, NOWHERE.expand(3, 2, 5, 7)),
        (Q[:1, None], K[:1, None], V[:, None], NOWHERE.expand(2, 1, 5, 7)),  # more texts than have scores
        (Q, K, V, torch.ones(5, 7)),
        (Q, K, V, torch.ones(5, 7).int()),
    ],
)
def test_the_fused_kernel_refuses_what_attend_refuses_in_the_same_words(given: tuple[torch.Tensor, ...]) -> None:
    with pytest.raises(ValueError) as expected:
        attention.attend(*given)
    with pytest.raises(ValueError) as refusal:
        attention.attend_fused(*given)
    assert str(refusal.value) == str(expected.value)


@pytest.mark.parametrize("length", [63, 64])
def test_a_layer_refuses_the_same_in_short_and_long_sequences(length: int) -> None:
    layer, x = attention.MultiHeadAttention(6, 2), torch.zeros(2, length, 6)
    blind = torch.ones(length, length).bool()
    blind[3] = False
    for mask, words in (
        (blind, "the query at \\(3,\\) may look nowhere"),
        (blind[:, :5], f"\\({length}, 5\\): expected \\(2, 2, {length}, {length}\\)"),
        (blind.expand(3, length, length), f"\\(3, 1, {length}, {length}\\): expected"),
        (blind.int(), "torch.int32: expected bool"),
    ):
        with pytest.raises(ValueError, match=words):
            layer(x, mask=mask)


def test_a_mask_of_a_part_of_the_keys_may_hide_them_all_but_has_to_fit() -> None:
    attention.check_mask(NOWHERE, (5, 7), part=True)
    with pytest.raises(ValueError, match="may look nowhere"):
        attention.check_mask(NOWHERE, (5, 7))
    for bad in (NOWHERE.T, NOWHERE.int(), NOWHERE.expand(2, 5, 7)):
        with pytest.raises(ValueError, match="the mask has"):
            attention.check_mask(bad, (5, 7), part=True)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: attention.attend(Q[0, 0], K, V), ["(3,)", "(..., T, K)", "x[None]"]),
        (lambda: attention.attend(Q, K[0, 0], V), ["(3,)", "(..., S, K)", "x[None]"]),
        (lambda: attention.attend(Q, K, V[0, 0]), ["(3,)", "(..., S, M)", "x[None]"]),
        (lambda: attention.attend(Q[..., :2], K, V), ["width 2", "keys 3", "same d_k"]),
        (lambda: attention.attend(Q, K, V[:, :6]), ["7 keys", "6 values", "one value for each key"]),
        (lambda: attention.attend(Q, K[:, :0], V[:, :0]), ["(2, 0, 3)", "at least one key"]),
        (lambda: attention.attend(Q[..., :0], K[..., :0], V), ["(2, 7, 0)", "width 1"]),
        (lambda: attention.attend(Q, K[:1].repeat(3, 1, 1), V), ["(3, 7, 3)", "(2, 5, 3)", "the same batch"]),
        (lambda: attention.attend(Q, K, V, NOWHERE), ["(3,)", "nowhere", "at least one True", "inverted"]),
        (lambda: attention.attend(Q, K, V, MAY[None].expand(2, 5, 7)), ["(0, 0)", "nowhere", "True = may look"]),
        (lambda: attention.attend(Q, K, V, NOWHERE.T), ["(7, 5)", "(2, 5, 7)", "a row for each query"]),
        (lambda: attention.attend(Q, K, V, NOWHERE[:, :6]), ["(5, 6)", "(2, 5, 7)"]),
        (lambda: attention.attend(Q, K, V, NOWHERE.expand(3, 2, 5, 7)), ["(3, 2, 5, 7)", "(2, 5, 7)"]),
        (lambda: attention.attend(Q, K, V, torch.ones(5, 7)), ["torch.float32", "bool", "mask.bool()"]),
        (lambda: attention.attend(Q, K, V, torch.ones(5, 7).int()), ["torch.int32", "bool", "mask.bool()"]),
        (lambda: attention.attention_weights(Q, torch.zeros(3).bool()), ["nowhere", "at least one True"]),
        (lambda: attention.AttentionMap()(Q, torch.zeros(3).bool()), ["nowhere", "at least one True"]),
        (lambda: attention.causal_mask(0), ["length 0", "at least 1"]),
        (lambda: attention.causal_mask(-2), ["length -2", "at least 1"]),
        (lambda: attention.padding_mask(torch.tensor([3, 6]), 5), ["3 to 6", "1 to 5"]),
        (lambda: attention.padding_mask(torch.tensor([0, 3]), 5), ["0 to 3", "1 to 5"]),
        (lambda: attention.padding_mask(torch.tensor(3), 5), ["()", "(B,)"]),
        (lambda: attention.Attention(0, 3, 2), ["width=0", "at least 1"]),
        (lambda: attention.Attention(5, 0, 2), ["d_k=0", "at least 1"]),
        (lambda: attention.Attention(5, 3, -1), ["d_v=-1", "at least 1"]),
        (lambda: attention.Attention(5, 3, 2, 0), ["context_width=0", "at least 1"]),
        (lambda: attention.MultiHeadAttention(6, 2, -1), ["context_width=-1", "at least 1"]),
        (lambda: attention.MultiHeadAttention(6, 1)(torch.zeros(5, 6)), ["x", "(5, 6)", "(B, tokens, 6)", "x[None]"]),
        (lambda: attention.MultiHeadAttention(6, 2)(torch.zeros(2, 5, 7)), ["x", "(2, 5, 7)", "(B, tokens, 6)"]),
        (
            lambda: attention.MultiHeadAttention(6, 2, 3)(torch.zeros(2, 5, 6), torch.zeros(2, 7, 6)),
            ["context", "(2, 7, 6)", "(B, tokens, 3)"],
        ),
        (lambda: attention.Attention(6, 2, 3)(torch.zeros(5, 6)), ["(5, 6)", "(B, tokens, 6)", "x[None]"]),
        (lambda: attention.MultiHeadAttention(6, 4), ["width 6", "4 heads", "multiple of 4", "such as 4"]),
        (lambda: attention.MultiHeadAttention(3, 5), ["width 3", "5 heads", "such as 5"]),
        (lambda: attention.MultiHeadAttention(6, 0), ["heads=0", "at least 1"]),
        (lambda: attention.MultiHeadAttention(0, 2), ["width=0", "at least 1"]),
        (
            lambda: attention.MultiHeadAttention(6, 2)(torch.zeros(2, 5, 6), mask=NOWHERE[:, :5]),
            ["(3,)", "nowhere"],
        ),
        (
            lambda: attention.MultiHeadAttention(6, 2)(torch.zeros(2, 5, 6), mask=NOWHERE.expand(2, 5, 7)),
            ["(2, 1, 5, 7)", "(2, 2, 5, 5)"],
        ),
        (
            lambda: attention.Attention(6, 2, 3)(torch.zeros(2, 5, 6), mask=torch.ones(5, 5)),
            ["torch.float32", "expected bool"],
        ),
        (lambda: watch(nn.Linear(3, 3), None), ["Linear holds no AttentionMap", "MultiHeadAttention"]),
        (lambda: watch(nn.MultiheadAttention(6, 2), None), ["MultiheadAttention holds no", "torch's own"]),
        (
            lambda: watch(attention.MultiHeadAttention(6, 2), lambda path, weights: weights[:, 0]),
            ["(2, 5, 5)", "for attention", "expected (2, 2, 5, 5)"],
        ),
    ],
)
def test_bad_input_is_refused_in_words(call, words: list[str]) -> None:
    with pytest.raises(ValueError) as refusal:
        call()
    assert not [word for word in words if word not in str(refusal.value)], refusal.value
