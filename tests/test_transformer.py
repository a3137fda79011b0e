"""The transformer against torch's own, and against what its masks and positions promise."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lecturelib import transformer
from lecturelib.attention import causal_mask, padding_mask, record_attention
from tests.mutants import Mutant, planted
from tests.strategies import normal, seeds, sizes, tokens_of
from tests.tools import refuses
from tests.twins import block_twin, parameters_that_rest, random_mask, random_weights

VOCAB_SIZE, MAX_LEN = 11, 13
POSITIONS = ["learned", "sinusoidal", "none"]
few = settings(max_examples=10)  # where a case builds whole models


def lengths_of(b: int, t: int, seed: int) -> torch.Tensor:
    return torch.randint(1, t + 1, (b,), generator=torch.Generator().manual_seed(seed))


def encoder(h: int, k: int, seed: int, positions: str = "learned") -> transformer.Encoder:
    return random_weights(transformer.Encoder(VOCAB_SIZE, h * k, h, 2, MAX_LEN, positions), seed)


def language_model(h: int, k: int, seed: int, positions: str = "learned") -> transformer.LanguageModel:
    return random_weights(transformer.LanguageModel(VOCAB_SIZE, h * k, h, 2, MAX_LEN, positions), seed)


def encoder_decoder(h: int, k: int, seed: int) -> transformer.EncoderDecoder:
    return random_weights(transformer.EncoderDecoder(VOCAB_SIZE, 7, h * k, h, 2, MAX_LEN), seed)


def looked_up(embedding: transformer.Embedding, tokens: torch.Tensor) -> torch.Tensor:
    return embedding.tokens.weight[tokens] + embedding.table[: tokens.shape[1]]


@pytest.mark.parametrize(("length", "d_model"), [(1, 2), (11, 6)])
def test_sinusoidal_positions_are_the_formula(length: int, d_model: int) -> None:
    table = transformer.sinusoidal_positions(length, d_model)
    assert table.shape == (length, d_model)
    for t in range(length):
        for i in range(d_model // 2):
            angle = t / 10_000 ** (2 * i / d_model)
            assert table[t, 2 * i].item() == pytest.approx(math.sin(angle), abs=2e-6)
            assert table[t, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=2e-6)


def rows_that_learn(table: torch.Tensor) -> list[int]:
    return [] if table.grad is None else table.grad.any(1).nonzero().flatten().tolist()


@pytest.mark.parametrize("positions", POSITIONS)
def test_the_kinds_of_positions_are_what_they_are_called_and_only_learned_ones_learn(positions: str) -> None:
    embedding = transformer.Embedding(VOCAB_SIZE, 6, MAX_LEN, positions)
    embedding(torch.tensor([[3, 1, 4], [1, 5, 9]])).square().sum().backward()
    assert rows_that_learn(embedding.tokens.weight) == [1, 3, 4, 5, 9]
    if positions == "learned":
        assert isinstance(embedding.table, nn.Parameter) and len(embedding.table.unique(dim=0)) == MAX_LEN
        assert rows_that_learn(embedding.table) == [0, 1, 2]
    else:
        fixed = transformer.sinusoidal_positions(MAX_LEN, 6) if positions == "sinusoidal" else torch.zeros(MAX_LEN, 6)
        assert torch.equal(embedding.table, fixed) and not embedding.table.requires_grad
        assert [name for name, _ in embedding.named_parameters()] == list(embedding.state_dict()) == ["tokens.weight"]


@given(sizes(5), seeds, st.booleans(), st.booleans())
def test_a_block_is_torchs_layer(shape: list[int], seed: int, masked: bool, cross: bool) -> None:
    b, t, s, h, k = shape
    block = random_weights(transformer.Block(h * k, h, d_ff=11, cross=cross), seed)
    x, context = normal(b, t, h * k, seed=seed + 50), normal(b, s, h * k, seed=seed + 51) if cross else None
    given_context = (context,) if cross else ()
    mask = random_mask(t, t, seed=seed + 52) if masked else None
    other = random_mask(t, s, seed=seed + 53) if masked and cross else None
    twin, hidden = block_twin(block), [None if each is None else ~each for each in (mask, other)]
    expected = twin(x, *given_context, *hidden[: 2 if cross else 1])
    torch.testing.assert_close(block(x, mask, context, other), expected)
    expected = twin(x, *given_context, ~causal_mask(t), *hidden[1 : 2 if cross else 1])
    torch.testing.assert_close(block(x, None, context, other, is_causal=True), expected)
    assert transformer.Block(h * k, h).feed_forward[0].out_features == 4 * h * k  # unless told


def stack(model: transformer.Encoder | transformer.LanguageModel) -> nn.TransformerEncoder:
    """Return torch's stack of layers with the weights of a model's blocks and last norm."""
    twin = nn.TransformerEncoder(block_twin(model.blocks[0]), len(model.blocks), model.norm, enable_nested_tensor=False)
    twin.layers = nn.ModuleList(block_twin(block) for block in model.blocks)
    return twin


@few
@given(sizes(4), seeds, st.sampled_from(POSITIONS))
def test_an_encoder_and_a_language_model_are_torchs_stack(shape: list[int], seed: int, positions: str) -> None:
    b, t, h, k = shape
    k *= 2  # for the sines and cosines
    model, tokens = encoder(h, k, seed, positions), tokens_of(b, t, seed)
    lengths = lengths_of(b, t, seed)
    x = looked_up(model.embedding, tokens)
    torch.testing.assert_close(model(tokens), stack(model)(x))
    behind = torch.arange(t) >= lengths[:, None]
    torch.testing.assert_close(model(tokens, lengths), stack(model)(x, src_key_padding_mask=behind))
    writer = language_model(h, k, seed, positions)
    states = stack(writer)(looked_up(writer.embedding, tokens), mask=~causal_mask(t))
    torch.testing.assert_close(writer(tokens), F.linear(states, writer.head.weight, writer.head.bias))


@few
@given(sizes(5), seeds, st.booleans())
def test_an_encoder_decoder_is_torchs(shape: list[int], seed: int, padded: bool) -> None:
    b, s, t, h, k = shape
    model = encoder_decoder(h, k, seed)
    source, target = tokens_of(b, s, seed), tokens_of(b, t, seed + 1)
    lengths = lengths_of(b, s, seed + 2) if padded else None
    behind = None if lengths is None else torch.arange(s) >= lengths[:, None]
    read = stack(model.encoder)(looked_up(model.encoder.embedding, source), src_key_padding_mask=behind)
    written = looked_up(model.embedding, target)
    for block in model.blocks:
        written = block_twin(block)(written, read, tgt_mask=~causal_mask(t), memory_key_padding_mask=behind)
    expected = F.linear(model.norm(written), model.head.weight, model.head.bias)
    torch.testing.assert_close(model(source, target, lengths), expected)


@few
@given(sizes(5), seeds, st.integers(0, 6))
def test_nobody_looks_ahead(shape: list[int], seed: int, step: int) -> None:
    b, s, t, h, k = shape
    step %= t
    source, target = tokens_of(b, s, seed), tokens_of(b, t, seed + 1)
    changed = target.clone()
    changed[:, step] = (target[:, step] + 1) % 7
    model, decoder = language_model(h, 2 * k, seed), encoder_decoder(h, 2 * k, seed)
    for write in (model, lambda target: decoder(source, target)):
        before, after = write(target), write(changed)
        assert torch.equal(before[:, :step], after[:, :step])
        assert (before[:, step:] != after[:, step:]).any(-1).all()


@few
@given(sizes(4), seeds)
def test_padding_changes_nothing(shape: list[int], seed: int) -> None:
    b, s, h, k = shape
    source, lengths = tokens_of(b, s, seed), lengths_of(b, s, seed + 1)
    real = padding_mask(lengths, s)[:, 0]
    changed = torch.where(real, source, (source + 1) % VOCAB_SIZE)
    reader, model, target = encoder(h, k, seed), encoder_decoder(h, k, seed), tokens_of(b, 4, seed + 3)
    read, written = reader(source, lengths), model(source, target, lengths)
    assert torch.equal(reader(changed, lengths)[real], read[real])
    assert torch.equal(model(changed, target, lengths), written)
    for row, n in enumerate(lengths.tolist()):  # and a sequence alone has none
        torch.testing.assert_close(read[row, :n], reader(source[row : row + 1, :n])[0])


def test_maps_lie_at_the_documented_paths_and_are_edited_there() -> None:
    model, source, target = encoder_decoder(2, 3, 1), tokens_of(2, 5, 1), tokens_of(2, 3, 2)
    with record_attention(model) as maps:
        model(source, target)
    shapes = {"encoder.blocks.0.attention": (5, 5), "encoder.blocks.1.attention": (5, 5)}
    for n in range(2):
        shapes |= {f"blocks.{n}.attention": (3, 3), f"blocks.{n}.cross": (3, 5)}
    assert {path: tuple(each.weights.shape) for path, each in maps.items()} == {
        path: (2, 2, *shape) for path, shape in shapes.items()
    }
    with record_attention(model, lambda path, each: each.roll(1, -1) if path == "blocks.0.cross" else None) as edited:
        model(source, target)
    same = [path for path in maps if torch.equal(edited[path].weights, maps[path].weights)]
    assert same == ["encoder.blocks.0.attention", "encoder.blocks.1.attention", "blocks.0.attention"]


def test_every_parameter_learns_in_each_block_of_its_own() -> None:
    source, target = tokens_of(3, 5, 1), tokens_of(3, 4, 2)
    for model, given_tokens in (
        (encoder(2, 3, 1), (source, torch.tensor([5, 2, 3]))),
        (language_model(2, 3, 1), (source,)),
        (encoder_decoder(2, 3, 1), (source, target)),
    ):
        model(*given_tokens).pow(3).sum().backward()
        assert not parameters_that_rest(model)
        assert len(set(model.blocks)) == len(model.blocks) == 2


X, TOKENS = torch.zeros(2, 5, 6), torch.zeros(2, 5, dtype=torch.long)


def embed(tokens: torch.Tensor, max_len: int = 13) -> torch.Tensor:
    return transformer.Embedding(11, 6, max_len)(tokens)


@pytest.mark.parametrize("build", [transformer.Encoder, transformer.LanguageModel])
def test_positions_and_sizes_reach_the_parts(build: type[transformer.Encoder]) -> None:
    fixed = build(11, 6, 2, 1, 13, "sinusoidal").embedding.table
    assert torch.equal(fixed, transformer.sinusoidal_positions(13, 6))
    assert isinstance(build(11, 6, 2, 1, 13).embedding.table, nn.Parameter)
    assert transformer.Block(6, 2, d_ff=10).feed_forward[0].out_features == 10
    assert transformer.FeedForward(6)[0].out_features == 24
    assert transformer.LanguageModel(11, 6, 2, 1, 13).max_len == 13


test_bad_input_is_refused_in_words = refuses(
    (lambda: transformer.sinusoidal_positions(0, 6), ["length=0"]),
    (lambda: transformer.sinusoidal_positions(5, 0), ["d_model=0"]),
    (lambda: transformer.Embedding(0, 6, 13), ["vocab_size=0"]),
    (lambda: transformer.Embedding(11, 0, 13), ["d_model=0"]),
    (lambda: transformer.FeedForward(0), ["d_model=0"]),
    (lambda: transformer.FeedForward(6, 0), ["d_ff=0"]),
    (lambda: transformer.sinusoidal_positions(5, 7), ["d_model=7", "even"]),
    (lambda: transformer.Embedding(11, 6, 13, "rotary"), ["'rotary'", "'learned', 'sinusoidal', 'none'"]),
    (lambda: transformer.Embedding(11, 6, 1.5), ["max_len=1.5", "whole number"]),
    (lambda: embed(TOKENS[0]), ["(5,)", "(B, T)", "tokens[None]"]),
    (lambda: embed(TOKENS.double()), ["torch.float64", "whole numbers"]),
    (lambda: embed(TOKENS, max_len=4), ["5 tokens", "4 positions", "tokens[:, -4:]"]),
    (lambda: transformer.Encoder(11, 6, 2, 0, 13), ["num_layers=0"]),
    (lambda: transformer.Encoder(11, 6, 2, 1, 13)(TOKENS, torch.tensor([5])), ["(1,)", "2 sequences", "(2,)"]),
    (lambda: transformer.Block(6, 2)(X, context=X), ["context is given: True", "cross=True"]),
    (lambda: transformer.Block(6, 2, cross=True)(X), ["context is given: False", "cross=True"]),
)


TABLE = "self.table[: tokens.shape[1]]"
LOOK = "x = x + self.attention(self.norm_attention(x), mask=mask, is_causal=is_causal)"
CROSS = "x = x + self.cross(self.norm_cross(x), context, context_mask)"
DECODER = "x = block(x, None, context, source_mask, is_causal=True)"

test_mutants = planted(
    transformer,
    [
        Mutant("], dim=-1).flatten(1)", "], dim=1).flatten(1)", test_sinusoidal_positions_are_the_formula),
        Mutant(TABLE, "self.table[: tokens.shape[0], None]", test_an_encoder_and_a_language_model_are_torchs_stack),
        Mutant(TABLE, f"{TABLE}.detach()",
               test_the_kinds_of_positions_are_what_they_are_called_and_only_learned_ones_learn),
        Mutant(LOOK, LOOK.replace("x + ", ""), test_a_block_is_torchs_layer),
        Mutant(LOOK, "x = self.norm_attention(x + self.attention(x, mask=mask))", test_a_block_is_torchs_layer),
        Mutant(CROSS, CROSS.replace("context, context_mask", "None, mask"), test_a_block_is_torchs_layer),
        Mutant("self.embedding(tokens), key_mask(tokens, lengths)", "self.embedding(tokens), None",
               test_padding_changes_nothing),
        Mutant("x = block(x, is_causal=True)", "x = block(x)", test_nobody_looks_ahead),
        Mutant(DECODER, DECODER.replace("source_mask", "None"), test_padding_changes_nothing),
        Mutant("[Block(d_model, num_heads, cross=cross) for _ in range(num_layers)]",
               "[Block(d_model, num_heads, cross=cross)] * num_layers",
               test_every_parameter_learns_in_each_block_of_its_own),
    ],
)  # fmt: skip
