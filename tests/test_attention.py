"""Attention against torch's own, and against what masks, heads and the tap promise."""

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lecturelib import attention
from tests.strategies import normal, seeds, sizes
from tests.twins import attention_twin, parameters_that_rest, random_mask, random_weights

MASKS = ["none", "rows", "batch", "keys"]


def masked(kind: str, b: int, t: int, s: int, seed: int) -> torch.Tensor | None:
    """Return a mask of each shape that is allowed for a batch: (T, S), (B, T, S), (B, 1, S), or none."""
    shapes: dict[str, tuple[int, ...]] = {"rows": (t, s), "batch": (b, t, s), "keys": (b, 1, s)}
    return None if kind == "none" else random_mask(*shapes[kind], seed=seed)


def layer_of(width: int, heads: int, context_width: int | None = None, seed: int = 1) -> attention.MultiHeadAttention:
    return random_weights(attention.MultiHeadAttention(width, heads, context_width), seed)


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


# ---- masks ----


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_causal_mask_shows_the_past_and_the_present(length: int) -> None:
    mask = attention.causal_mask(length)
    assert mask.dtype == torch.bool
    assert mask.tolist() == [[key <= query for key in range(length)] for query in range(length)]


@given(st.lists(st.integers(1, 7), min_size=1, max_size=5), st.integers(0, 3))
def test_a_padding_mask_shows_the_real_tokens_to_every_query(true: list[int], more: int) -> None:
    longest = max(true) + more
    mask = attention.padding_mask(torch.tensor(true), longest)
    assert mask.dtype == torch.bool
    assert mask.tolist() == [[[key < length for key in range(longest)]] for length in true]
    both = mask & attention.causal_mask(longest)
    assert both.shape == (len(true), longest, longest) and both.any(-1).all()


# ---- one head ----


@given(sizes(5), seeds, st.booleans(), st.sampled_from(MASKS))
def test_a_head_looks_up_its_own_queries_keys_and_values(shape: list[int], seed: int, cross: bool, kind: str) -> None:
    b, t, d, d_k, d_v = shape
    s, other = (11, 13) if cross else (t, d)
    head = random_weights(attention.Attention(d, d_k, d_v, other if cross else None), seed)
    x, context = normal(b, t, d, seed=seed + 7), normal(b, s, other, seed=seed + 8) if cross else None
    mask = masked(kind, b, t, s, seed + 9)
    y = x if context is None else context
    q, k, v = x @ head.query.weight.T, y @ head.key.weight.T, y @ head.value.weight.T
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
        mask = ~mask.expand(len(x), x.shape[1], y.shape[1]).repeat_interleave(layer.heads, 0)  # (B H, T, S)
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
    head = random_weights(attention.Attention(5, 3, 2, context_width=7), 1)
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
    torch.testing.assert_close(y, layer.out(torch.cat(mixes, dim=-1)))


@given(sizes(5), seeds, st.sampled_from(MASKS))
def test_the_recorded_scores_and_mask_made_the_weights(shape: list[int], seed: int, kind: str) -> None:
    b, t, s, h, k = shape
    layer = layer_of(h * k, h, seed=seed)
    x, context = normal(b, t, h * k, seed=seed + 9), normal(b, s, h * k, seed=seed + 10)
    mask = masked(kind, b, t, s, seed + 11)
    with attention.record_attention(layer) as maps:
        layer(x, context, mask)
    scores, weights, seen = maps["attention"]
    q, keys = layer.query(x), layer.key(context)
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
        share = maps["attention"].weights[:, n] @ layer.value(x)[..., columns] @ layer.out.weight[:, columns].T
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


# ---- refusals ----

Q, K, V = (normal(2, n, 3, seed=n) for n in (5, 7, 7))
NOWHERE = torch.ones(5, 7, dtype=torch.bool)
NOWHERE[3] = False
MAY = ~NOWHERE


def watch(model: nn.Module, edit: Callable[..., torch.Tensor]) -> None:
    with attention.record_attention(model, edit):
        model(torch.zeros(2, 5, 6))


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
