"""A language model with a cache against the same model without: scores, texts, and what is left behind."""

import itertools
import math
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lecturelib import kv_cache
from lecturelib.attention import record_attention
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
        assert cache.length == count
    torch.testing.assert_close(torch.cat(logits, dim=1), model(tokens), rtol=1e-12, atol=1e-12)


def test_each_token_is_worked_on_once_and_without_a_graph() -> None:
    model, prompt, rows = model_of(1), tokens_of(2, 3, 1), []
    layers: Any = [block.attention for block in model.blocks]
    for layer in layers:
        layer.q_proj.register_forward_hook(lambda _, given, out: rows.append(given[0].shape[1]))
    kv_cache.generate_with_cache(model, prompt, 5)
    assert rows == [3] * 2 + [1] * 8
    cache = filled(model, prompt)
    assert not kv_cache.read_on(model, prompt, cache).requires_grad
    assert not any(each.requires_grad for each in cache.keys + cache.values)


@settings(max_examples=10)
@given(sizes(3), seeds)
def test_a_cache_has_room_for_all_positions_in_each_layer(shape: list[int], seed: int) -> None:
    b, num_heads, num_layers = shape
    model = model_of(seed, d_model=4 * num_heads, num_heads=num_heads, num_layers=num_layers)
    cache = filled(model, tokens_of(b, 5, seed))
    held = cache.keys + cache.values
    assert [each.shape for each in held] == 2 * num_layers * [(b, num_heads, MAX_LEN, 4)]
    assert kv_cache.cache_bytes(b, MAX_LEN, 4 * num_heads, num_layers, size=8) == sum(each.nbytes for each in held)


def test_neither_columns_that_are_not_filled_nor_other_texts_are_read() -> None:
    model, tokens = model_of(1), tokens_of(3, 9, 1)
    clean, dirty = filled(model, tokens[:, :4]), filled(model, tokens[:, :4])
    for each in dirty.keys + dirty.values:
        each[:, :, 4:] = math.nan
        each[1] = math.nan
    for part in (tokens[:, 4:5], tokens[:, 5:]):
        found, expected = kv_cache.read_on(model, part, dirty), kv_cache.read_on(model, part, clean)
        torch.testing.assert_close(found[[0, 2]], expected[[0, 2]])
        assert found[1].isnan().all() and expected.isfinite().all()


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
    with record_attention(model, lambda path, weights: weights.flip(1)) as whole:
        expected = model(tokens)[:, 6:]
    with record_attention(model, lambda path, weights: weights.flip(1)) as maps:
        cache = filled(model, tokens[:, :6])
        torch.testing.assert_close(kv_cache.read_on(model, tokens[:, 6:], cache), expected)
    for path, each in maps.items():
        torch.testing.assert_close(each.weights, whole[path].weights[:, :, 6:])


MODEL, PROMPT, OTHER = model_of(1), tokens_of(2, 3, 1), Encoder(7, 12, 3, 2, 11)


def exchanged() -> LanguageModel:
    model = model_of(1)
    model.blocks[1].attention = RotaryAttention(12, 3)
    return model


test_bad_input_is_refused_in_words = refuses(
    (lambda: kv_cache.KVCache(exchanged(), 1), ["RotaryAttention", "of MultiHeadAttention", "`generate`"]),
    (lambda: kv_cache.read_on(MODEL, PROMPT[:1], filled(MODEL, PROMPT)), ["1 text(s)", "2 of at most 11", "a new"]),
    (lambda: kv_cache.read_on(MODEL, tokens_of(2, 9, 1), filled(MODEL, PROMPT)), ["3 tokens", "9", "at most 11"]),
    (lambda: kv_cache.generate_with_cache(OTHER, PROMPT, 1), ["Encoder", "expected a LanguageModel"]),
    (lambda: kv_cache.generate_with_cache(MODEL, PROMPT, 10), ["3 tokens and 10 steps", "at most 12", "`generate`"]),
)


CACHED = "attend(q, keys[:, :, :new], values[:, :, :new], mask, layer.map)"
FILLED = "keys[:, :, old:new], values[:, :, old:new] = k, v"
READ = test_read_on_gives_the_logits_of_the_whole_model

test_mutants = planted(
    kv_cache,
    [
        Mutant("model.embedding.table[old:new]", "model.embedding.table[: new - old]", READ),
        Mutant("causal_mask(new, tokens.device)[old:]", "causal_mask(new, tokens.device)[: new - old]", READ),
        Mutant(FILLED, FILLED.replace("old:new", ": new - old"), READ),
        Mutant(CACHED, "attend(q, keys, values, torch.arange(keys.shape[2]) < new, layer.map)",
               test_neither_columns_that_are_not_filled_nor_other_texts_are_read),
        Mutant("return 2 * batch_size", "return batch_size", test_a_cache_has_room_for_all_positions_in_each_layer),
    ],
)  # fmt: skip
