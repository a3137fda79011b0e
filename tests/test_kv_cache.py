"""A language model with a cache against the same model without: scores, texts, and what is left behind."""

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lecturelib import kv_cache
from lecturelib.attention import causal_mask, record_attention
from lecturelib.broken import break_it
from lecturelib.language import generate
from lecturelib.rotary import RotaryAttention
from lecturelib.transformer import POSITIONS, Encoder, LanguageModel
from tests.mutants import Mutant, planted
from tests.strategies import seeds, sizes, tokens_of
from tests.tools import refuses
from tests.twins import random_weights

VOCAB_SIZE, MAX_LEN = 7, 11


def model_of(seed: int, positions: str = "learned", **build: int) -> LanguageModel:
    shape = {"vocab_size": VOCAB_SIZE, "d_model": 12, "num_heads": 3, "num_layers": 2, "max_len": MAX_LEN} | build
    return random_weights(LanguageModel(**shape, positions=positions), seed)


def filled(model: LanguageModel, tokens: torch.Tensor) -> kv_cache.KVCache:
    cache = kv_cache.KVCache(model, len(tokens))
    kv_cache.read_on(model, tokens, cache)
    return cache


@st.composite
def splits(draw: st.DrawFn) -> list[int]:
    """Draw a text's length, and cut it anywhere: into whole, single tokens, or anything between."""
    length = draw(st.integers(1, MAX_LEN))
    cuts = draw(st.sets(st.integers(1, length - 1))) if length > 1 else set()
    return [b - a for a, b in itertools.pairwise([0, *sorted(cuts), length])]


@given(splits(), st.integers(1, 3), seeds, st.sampled_from(POSITIONS))
def test_read_on_gives_the_logits_of_the_whole_model(parts: list[int], b: int, seed: int, positions: str) -> None:
    model, tokens = model_of(seed, positions), tokens_of(b, sum(parts), seed)
    cache, logits = kv_cache.KVCache(model, b), []
    for count, each in zip(itertools.accumulate(parts), tokens.split(parts, dim=1), strict=True):
        logits.append(kv_cache.read_on(model, each, cache))
        assert logits[-1].shape == (*each.shape, VOCAB_SIZE) and cache.length == count
    torch.testing.assert_close(torch.cat(logits, dim=1), model(tokens), rtol=1e-12, atol=1e-12)


def test_logits_in_float32_are_those_of_the_whole_model_to_rounding() -> None:
    # 80 tokens: the whole model takes the fused kernel, the cache does not
    model, tokens = model_of(1, max_len=80).float(), tokens_of(3, 80, 1)
    whole, cache = model(tokens), kv_cache.KVCache(model, 3)
    parts = torch.cat([kv_cache.read_on(model, each, cache) for each in tokens.split(7, dim=1)], dim=1)
    assert parts.dtype == torch.float32
    assert (parts - whole).abs().max() <= 1e-5 * whole.abs().max()


def test_each_token_is_worked_on_once_and_without_a_graph() -> None:
    model, prompt, rows = model_of(1), tokens_of(2, 3, 1), []
    kept, layers = prompt.clone(), list[Any](block.attention for block in model.blocks)
    for each in [each for layer in layers for each in (layer.q_proj, layer.k_proj)]:
        each.register_forward_hook(lambda _, given, out: rows.append(given[0].shape[1]))
    kv_cache.generate_with_cache(model, prompt, 5)
    assert rows == [3] * 4 + [1] * 16 and torch.equal(prompt, kept)
    cache = filled(model, prompt)
    assert not kv_cache.read_on(model, prompt, cache).requires_grad
    assert not any(each.requires_grad for each in cache.keys + cache.values) and torch.is_grad_enabled()


@settings(max_examples=10)
@given(sizes(3), seeds)
def test_a_cache_holds_the_keys_and_values_of_each_layer(shape: list[int], seed: int) -> None:
    b, num_heads, num_layers = shape
    model = model_of(seed, d_model=4 * num_heads, num_heads=num_heads, num_layers=num_layers)
    tokens, asked = tokens_of(b, 5, seed), list[torch.Tensor]()
    layers: Any = [block.attention for block in model.blocks]
    for each in [each for layer in layers for each in (layer.k_proj, layer.v_proj)]:
        each.register_forward_hook(lambda _, given, out: asked.append(out.detach()))
    model(tokens)
    whole, cache = list(asked), kv_cache.KVCache(model, b)  # before the cache is filled by the same layers
    assert cache.length == 0 and len(cache.keys) == len(cache.values) == num_layers
    for each in (tokens[:, :2], tokens[:, 2:]):
        kv_cache.read_on(model, each, cache)
    for each, held in zip(whole[::2] + whole[1::2], cache.keys + cache.values, strict=True):
        assert held.shape == (b, num_heads, MAX_LEN, 4) and held.dtype == torch.float64
        torch.testing.assert_close(held[:, :, :5], each.unflatten(-1, (num_heads, 4)).transpose(1, 2))
        assert not held[:, :, 5:].any()


def test_columns_that_are_not_filled_are_not_read() -> None:
    model, tokens = model_of(1), tokens_of(2, 9, 1)
    clean, dirty = filled(model, tokens[:, :4]), filled(model, tokens[:, :4])
    for each in [*dirty.keys, *dirty.values]:
        each[:, :, 4:] = math.nan
    for part in (tokens[:, 4:5], tokens[:, 5:]):
        expected = kv_cache.read_on(model, part, clean)
        assert torch.equal(kv_cache.read_on(model, part, dirty), expected) and torch.isfinite(expected).all()
    assert torch.isnan(dirty.keys[0][:, :, 9:]).all()


def test_neither_texts_nor_caches_of_a_model_see_each_other() -> None:
    model, tokens = model_of(1), tokens_of(3, 9, 1)
    clean, poisoned = filled(model, tokens[:, :4]), filled(model, tokens[:, :4])
    for each in [*poisoned.keys, *poisoned.values]:
        each[1] = math.nan
    found = kv_cache.read_on(model, tokens[:, 4:], poisoned)
    logits = kv_cache.read_on(model, tokens[:, 4:], clean)
    torch.testing.assert_close(found[[0, 2]], logits[[0, 2]])
    assert torch.isnan(found[1]).all()
    places = {each.untyped_storage().data_ptr() for cache in (clean, poisoned) for each in cache.keys + cache.values}
    assert len(places) == 8


@given(sizes(4), st.sampled_from([2, 4, 8]))
def test_cache_bytes_are_those_of_its_tensors(shape: list[int], size: int) -> None:
    b, num_heads, k, num_layers = shape
    kind = {2: torch.float16, 4: torch.float32, 8: torch.float64}[size]
    model = LanguageModel(VOCAB_SIZE, num_heads * k, num_heads, num_layers, MAX_LEN).to(kind)
    cache = kv_cache.KVCache(model, b)
    held = sum(each.nbytes for each in [*cache.keys, *cache.values])
    assert kv_cache.cache_bytes(b, MAX_LEN, num_heads * k, num_layers, size) == held
    if size == 4:
        assert kv_cache.cache_bytes(b, MAX_LEN, num_heads * k, num_layers) == held


@given(seeds, st.sampled_from([0.0, 0.7, 2.0]), st.sampled_from([None, 1, 3]), st.sampled_from(POSITIONS))
def test_the_text_is_that_of_generate_up_to_the_last_position_and_one_token_more(
    seed: int, temperature: float, top_k: int | None, positions: str
) -> None:
    model, how = model_of(seed, positions), {"temperature": temperature, "top_k": top_k, "seed": seed}
    for b, t in ((2, 1), (3, 4), (1, MAX_LEN)):
        prompt, steps = tokens_of(b, t, seed), MAX_LEN + 1 - t
        text = kv_cache.generate_with_cache(model, prompt, steps, **how)
        assert text.shape == (b, MAX_LEN + 1) and torch.equal(text, generate(model, prompt, steps, **how))


def test_the_maps_are_those_of_the_whole_model_at_its_last_rows_also_where_they_are_edited() -> None:
    model, tokens = model_of(1), tokens_of(2, 9, 1)
    # the maps of the second layer show whether the edited first one took effect
    with record_attention(model, lambda path, weights: weights.flip(1)):
        cache = filled(model, tokens[:, :6])
    with record_attention(model, lambda path, weights: weights.flip(1)) as whole:
        expected = model(tokens)[:, 6:]
    with record_attention(model, lambda path, weights: weights.flip(1)) as maps:
        torch.testing.assert_close(kv_cache.read_on(model, tokens[:, 6:], cache), expected)
    assert list(maps) == ["blocks.0.attention", "blocks.1.attention"]
    for path, each in maps.items():
        torch.testing.assert_close(each.weights, whole[path].weights[:, :, 6:])
        assert each.mask is not None and torch.equal(each.mask, causal_mask(9)[6:])
    assert not torch.allclose(expected, model(tokens)[:, 6:])


MODEL = model_of(1)
PROMPT = tokens_of(2, 3, 1)
OTHER = Encoder(7, 12, 3, 2, 11)


def read(tokens: torch.Tensor, cache: object = None, model: object = MODEL) -> torch.Tensor:
    return kv_cache.read_on(model, tokens, filled(MODEL, PROMPT) if cache is None else cache)


def exchanged() -> LanguageModel:
    model = model_of(1)
    model.blocks[1].attention = RotaryAttention(12, 3)
    return model


test_bad_input_is_refused_in_words = refuses(
    (lambda: kv_cache.KVCache(exchanged(), 1), ["RotaryAttention", "expected MultiHeadAttention", "`generate`"]),
    (lambda: kv_cache.generate_with_cache(exchanged(), PROMPT, 1), ["RotaryAttention"]),
    (lambda: kv_cache.generate_with_cache(break_it(model_of(1), "positions never added"), PROMPT, 1), ["Embedding"]),
    (lambda: kv_cache.KVCache(OTHER, 1), ["Encoder", "expected a LanguageModel", "looks ahead"]),
    (lambda: kv_cache.KVCache(MODEL, 0), ["batch_size=0", "1 or more"]),
    (lambda: read(PROMPT, model=OTHER), ["Encoder", "expected a LanguageModel"]),
    (lambda: read(PROMPT, cache=[]), ["list", "KVCache(model, batch_size=2)"]),
    (lambda: read(PROMPT[:1]), ["[2, 2, 3, 11, 4,", "1 text(s)", "[2, 1, 3, 11, 4,", "batch_size=1)"]),
    (lambda: read(PROMPT, model=model_of(1, num_layers=3)), ["[2, 2, 3, 11, 4,", "[3, 2, 3, 11, 4,"]),
    (lambda: read(PROMPT, model=model_of(1).float()), ["torch.float64", "torch.float32", "KVCache(model, "]),
    (lambda: read(PROMPT, model=model_of(1).to("meta")), ["'cpu'", "'meta'"]),
    (lambda: read(PROMPT.double()), ["torch.float64", "whole numbers"]),
    (lambda: read(tokens_of(2, 9, 1)), ["3 tokens were read", "9 are to come", "at most 11", "a new cache"]),
    (lambda: read(tokens_of(2, 12, 1)), ["12 tokens", "11 positions"]),
    (lambda: kv_cache.generate_with_cache(OTHER, PROMPT, 1), ["Encoder", "expected a LanguageModel"]),
    (lambda: kv_cache.generate_with_cache(MODEL, PROMPT[0], 5), ["(3,)", "(B, T)"]),
    (lambda: kv_cache.generate_with_cache(MODEL, PROMPT, -1), ["steps=-1", "0 or more"]),
    (lambda: kv_cache.generate_with_cache(MODEL, PROMPT, 5, top_k=0), ["top_k=0", "1 or more"]),
    (
        lambda: kv_cache.generate_with_cache(MODEL, PROMPT, 10),
        ["3 tokens and 10 steps", "at most 12", "no more positions", "`generate`"],
    ),
    (lambda: kv_cache.cache_bytes(1, 2, 3, 4, 2.0), ["size=2.0", "a whole number"]),
)


def test_a_refusal_or_an_error_on_the_way_leaves_the_cache_as_it_was_and_of_use() -> None:
    tokens = tokens_of(2, 9, 1)
    cache = filled(MODEL, tokens[:, :4])
    before = [each.clone() for each in cache.keys + cache.values]
    for model, bad in ((MODEL, tokens), (MODEL, tokens[:1]), (MODEL, tokens[0]), (model_of(1).float(), tokens[:, 4:])):
        with pytest.raises(ValueError):
            kv_cache.read_on(model, bad, cache)
    with pytest.raises(IndexError, match="out of range"):
        kv_cache.read_on(MODEL, tokens[:, 4:] + 7, cache)
    assert cache.length == 4 and all(map(torch.equal, cache.keys + cache.values, before))
    with pytest.raises(ValueError, match="edit returned"), record_attention(MODEL, lambda path, each: each[:1]):
        kv_cache.read_on(MODEL, tokens_of(2, 7, 3), cache)
    assert cache.length == 4
    torch.testing.assert_close(kv_cache.read_on(MODEL, tokens[:, 4:], cache), MODEL(tokens)[:, 4:])


CACHED = "attend(q, keys[:, :, :new], values[:, :, :new], mask, layer.map)"
KEYS = "keys[:, :, old:new] = layer.split(layer.k_proj(normed))"
READ = test_read_on_gives_the_logits_of_the_whole_model

test_mutants = planted(
    kv_cache,
    [
        Mutant("model.embedding.table[old:new]", "model.embedding.table[: new - old]", READ),
        Mutant("causal_mask(new, tokens.device)[old:]", "causal_mask(new, tokens.device)[: new - old]", READ),
        Mutant(KEYS, KEYS.replace("old:new", ": new - old"), READ),
        Mutant(CACHED, "attend(q, keys, values, torch.arange(keys.shape[2]) < new, layer.map)",
               test_columns_that_are_not_filled_are_not_read),
        Mutant("steps > model.max_len + 1:", "steps > model.max_len:",
               test_the_text_is_that_of_generate_up_to_the_last_position_and_one_token_more),
        Mutant("return 2 * batch_size", "return batch_size", test_cache_bytes_are_those_of_its_tensors),
    ],
)  # fmt: skip
