"""The transformer against torch's own, and against what its masks and positions promise."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lecturelib import transformer
from lecturelib.attention import causal_mask, padding_mask, record_attention
from tests.mutants import Mutant, planted
from tests.strategies import normal, seeds, sizes
from tests.twins import block_twin, parameters_that_rest, random_mask, random_weights

VOCAB_SIZE, MAX_LEN = 11, 13
POSITIONS = ["learned", "sinusoidal", "none"]


def tokens_of(b: int, t: int, seed: int, vocab_size: int = VOCAB_SIZE) -> torch.Tensor:
    return torch.randint(vocab_size, (b, t), generator=torch.Generator().manual_seed(seed))


def lengths_of(b: int, t: int, seed: int) -> torch.Tensor:
    return torch.randint(1, t + 1, (b,), generator=torch.Generator().manual_seed(seed))


def encoder(h: int, k: int, seed: int, positions: str = "learned") -> transformer.Encoder:
    return random_weights(transformer.Encoder(VOCAB_SIZE, h * k, h, 2, MAX_LEN, positions), seed)


def language_model(h: int, k: int, seed: int, positions: str = "learned") -> transformer.LanguageModel:
    return random_weights(transformer.LanguageModel(VOCAB_SIZE, h * k, h, 2, MAX_LEN, positions), seed)


def encoder_decoder(h: int, k: int, seed: int) -> transformer.EncoderDecoder:
    return random_weights(transformer.EncoderDecoder(VOCAB_SIZE, 7, h * k, h, 2, MAX_LEN), seed)


def looked_up(embedding: transformer.Embedding, tokens: torch.Tensor) -> torch.Tensor:
    """Return what an embedding should: the row of each token, and the row of its position, one by one."""
    rows = [
        torch.stack([embedding.tokens.weight[token] + embedding.table[t] for t, token in enumerate(row)])
        for row in tokens.tolist()
    ]
    return torch.stack(rows)


# ---- positions ----


@pytest.mark.parametrize(("length", "d_model"), [(1, 2), (7, 2), (11, 6), (101, 10)])
def test_sinusoidal_positions_are_the_formula(length: int, d_model: int) -> None:
    table = transformer.sinusoidal_positions(length, d_model)
    assert table.shape == (length, d_model)
    for t in range(length):
        for i in range(d_model // 2):
            angle = t / 10_000 ** (2 * i / d_model)
            assert table[t, 2 * i].item() == pytest.approx(math.sin(angle), abs=2e-5)
            assert table[t, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=2e-5)


@given(sizes(3), seeds, st.sampled_from(POSITIONS))
def test_a_token_becomes_its_vector_and_that_of_its_position(shape: list[int], seed: int, positions: str) -> None:
    b, t, half = shape
    embedding = random_weights(transformer.Embedding(VOCAB_SIZE, 2 * half, MAX_LEN, positions), seed)
    tokens = tokens_of(b, t, seed)
    torch.testing.assert_close(embedding(tokens), looked_up(embedding, tokens))
    # a sequence alone is what it is in a batch
    assert torch.equal(embedding(tokens), torch.cat([embedding(row[None]) for row in tokens]))


def test_the_kinds_of_positions_are_what_they_are_called() -> None:
    learned, fixed, none = (transformer.Embedding(VOCAB_SIZE, 6, MAX_LEN, each) for each in POSITIONS)
    assert isinstance(learned.table, nn.Parameter) and len(learned.table.unique(dim=0)) == MAX_LEN
    assert torch.equal(fixed.table, transformer.sinusoidal_positions(MAX_LEN, 6))
    assert (none.table == 0).all()
    for embedding in (fixed, none):
        assert [name for name, _ in embedding.named_parameters()] == ["tokens.weight"]
        assert list(embedding.state_dict()) == ["tokens.weight"]


def rows_that_learn(table: torch.Tensor) -> list[int]:
    return [] if table.grad is None else table.grad.any(1).nonzero().flatten().tolist()


def test_both_tables_learn_and_the_fixed_one_does_not() -> None:
    tokens = torch.tensor([[3, 1, 4], [1, 5, 9]])
    for positions in POSITIONS:
        embedding = transformer.Embedding(VOCAB_SIZE, 6, MAX_LEN, positions)
        assert embedding.table.requires_grad == (positions == "learned")
        embedding(tokens).square().sum().backward()
        assert rows_that_learn(embedding.tokens.weight) == [1, 3, 4, 5, 9]
        assert rows_that_learn(embedding.table) == ([0, 1, 2] if positions == "learned" else [])


@given(sizes(3), seeds)
def test_only_positions_tell_the_order(shape: list[int], seed: int) -> None:
    b, h, k = shape
    tokens = torch.arange(10).expand(b, 10)  # all different
    order = normal(10, seed=seed).argsort()
    blind = encoder(h, 2 * k, seed, "none")
    torch.testing.assert_close(blind(tokens[:, order]), blind(tokens)[:, order])
    for positions in ("learned", "sinusoidal"):
        reader = encoder(h, 2 * k, seed, positions)
        assert (reader(tokens[:, order]) - reader(tokens)[:, order]).abs().max() > 1e-3


# ---- the block ----


@given(sizes(3), seeds)
def test_feed_forward_is_the_formula_for_each_token_alone(shape: list[int], seed: int) -> None:
    b, t, d = shape
    for d_ff in (None, 3):
        layer = random_weights(transformer.FeedForward(d, d_ff), seed)
        w_1, b_1, w_2, b_2 = layer.parameters()
        assert w_1.shape == (d_ff or 4 * d, d)
        x = normal(b, t, d, seed=seed + 5)
        expected = [
            [F.linear(F.gelu(F.linear(x[i, j], w_1, b_1)), w_2, b_2).tolist() for j in range(t)] for i in range(b)
        ]
        torch.testing.assert_close(layer(x), torch.tensor(expected, dtype=torch.float64))


@given(sizes(4), seeds, st.booleans())
def test_a_block_is_torchs_encoder_layer(shape: list[int], seed: int, masked: bool) -> None:
    b, t, h, k = shape
    block = random_weights(transformer.Block(h * k, h, d_ff=11), seed)
    x = normal(b, t, h * k, seed=seed + 50)
    mask = random_mask(t, t, seed=seed + 51) if masked else None
    expected = block_twin(block)(x, src_mask=None if mask is None else ~mask)
    torch.testing.assert_close(block(x, mask), expected)
    torch.testing.assert_close(block(x, is_causal=True), block_twin(block)(x, src_mask=~causal_mask(t)))


@given(sizes(5), seeds, st.booleans())
def test_a_block_with_cross_attention_is_torchs_decoder_layer(shape: list[int], seed: int, masked: bool) -> None:
    b, t, s, h, k = shape
    block = random_weights(transformer.Block(h * k, h, d_ff=11, cross=True), seed)
    x, context = normal(b, t, h * k, seed=seed + 50), normal(b, s, h * k, seed=seed + 51)
    mask, other = random_mask(t, t, seed=seed + 52), random_mask(t, s, seed=seed + 53)
    if not masked:
        torch.testing.assert_close(block(x, context=context), block_twin(block)(x, context))
    else:
        expected = block_twin(block)(x, context, tgt_mask=~mask, memory_mask=~other)
        torch.testing.assert_close(block(x, mask, context, other), expected)


@pytest.mark.parametrize("cross", [False, True])
def test_gradients_flow_through_a_block(cross: bool) -> None:
    block = random_weights(transformer.Block(6, 2, d_ff=5, cross=cross), 1)
    x, context = normal(2, 3, 6, seed=2).requires_grad_(), normal(2, 4, 6, seed=3).requires_grad_()
    mask = causal_mask(3)
    if cross:
        assert torch.autograd.gradcheck(lambda x, context: block(x, mask, context), [x, context])
    else:
        assert torch.autograd.gradcheck(lambda x: block(x, mask), [x])
    block(x, mask, context if cross else None).square().sum().backward()
    assert not parameters_that_rest(block)


def test_only_attention_mixes_tokens() -> None:
    block, x = random_weights(transformer.Block(6, 2), 1), normal(5, 6, seed=2)

    def mixing(layer) -> torch.Tensor:
        """Return which output tokens feel which input tokens, (5, 5)."""
        return torch.autograd.functional.jacobian(layer, x).abs().sum((1, 3)) > 0

    alone = torch.eye(5, dtype=torch.bool)
    assert torch.equal(mixing(block.norm_attention), alone)
    assert torch.equal(mixing(block.feed_forward), alone)
    assert mixing(lambda x: block.attention(x[None])[0]).all()
    assert torch.equal(mixing(lambda x: block(x[None], causal_mask(5))[0]), causal_mask(5))


# ---- the three architectures ----


def stack(model: transformer.Encoder | transformer.LanguageModel) -> nn.TransformerEncoder:
    """Return torch's stack of layers with the weights of a model's blocks and last norm."""
    twin = nn.TransformerEncoder(block_twin(model.blocks[0]), len(model.blocks), model.norm, enable_nested_tensor=False)
    twin.layers = nn.ModuleList(block_twin(block) for block in model.blocks)
    return twin


@given(sizes(4), seeds, st.sampled_from(["learned", "none"]))
def test_an_encoder_is_torchs_stack(shape: list[int], seed: int, positions: str) -> None:
    b, t, h, k = shape
    model, tokens = encoder(h, k, seed, positions), tokens_of(b, t, seed)
    lengths = lengths_of(b, t, seed)
    x = looked_up(model.embedding, tokens)
    torch.testing.assert_close(model(tokens), stack(model)(x))
    behind = torch.arange(t) >= lengths[:, None]
    torch.testing.assert_close(model(tokens, lengths), stack(model)(x, src_key_padding_mask=behind))


@given(sizes(4), seeds, st.sampled_from(["learned", "none"]))
def test_a_language_model_is_torchs_stack_under_a_causal_mask(shape: list[int], seed: int, positions: str) -> None:
    b, t, h, k = shape
    model, tokens = language_model(h, k, seed, positions), tokens_of(b, t, seed)
    later = torch.ones(t, t, dtype=torch.bool).triu(1)
    states = stack(model)(looked_up(model.embedding, tokens), mask=later)
    torch.testing.assert_close(model(tokens), F.linear(states, model.head.weight, model.head.bias))


@given(sizes(5), seeds, st.booleans())
def test_an_encoder_decoder_is_torchs(shape: list[int], seed: int, padded: bool) -> None:
    b, s, t, h, k = shape
    model = encoder_decoder(h, k, seed)
    source, target = tokens_of(b, s, seed), tokens_of(b, t, seed + 1, vocab_size=7)
    lengths = lengths_of(b, s, seed + 2) if padded else None
    behind = None if lengths is None else torch.arange(s) >= lengths[:, None]
    read = stack(model.encoder)(looked_up(model.encoder.embedding, source), src_key_padding_mask=behind)
    written = looked_up(model.embedding, target)
    later = torch.ones(t, t, dtype=torch.bool).triu(1)
    for block in model.blocks:
        written = block_twin(block)(written, read, tgt_mask=later, memory_key_padding_mask=behind)
    expected = F.linear(model.norm(written), model.head.weight, model.head.bias)
    torch.testing.assert_close(model(source, target, lengths), expected)


@given(sizes(4), seeds, st.integers(0, 6))
def test_a_language_model_does_not_look_ahead(shape: list[int], seed: int, step: int) -> None:
    b, t, h, k = shape
    step %= t
    model, tokens = language_model(h, 2 * k, seed), tokens_of(b, t, seed)
    changed = tokens.clone()
    changed[:, step] = (tokens[:, step] + 1) % VOCAB_SIZE
    before, after = model(tokens), model(changed)
    assert torch.equal(before[:, :step], after[:, :step])
    assert (before[:, step:] != after[:, step:]).any(-1).all()
    # and what is cut off behind a token does not count either
    torch.testing.assert_close(model(tokens[:, : step + 1]), before[:, : step + 1])


@given(sizes(5), seeds, st.integers(0, 6))
def test_a_decoder_sees_all_of_the_source_and_nothing_ahead(shape: list[int], seed: int, step: int) -> None:
    b, s, t, h, k = shape
    step %= t
    model = encoder_decoder(h, 2 * k, seed)
    source, target = tokens_of(b, s, seed), tokens_of(b, t, seed + 1, vocab_size=7)
    changed = target.clone()
    changed[:, step] = (target[:, step] + 1) % 7
    before, after = model(source, target), model(source, changed)
    assert torch.equal(before[:, :step], after[:, :step])
    assert (before[:, step:] != after[:, step:]).any(-1).all()
    for place in range(s):
        other = source.clone()
        other[:, place] = (source[:, place] + 1) % VOCAB_SIZE
        assert (model(other, target) != before).any(-1).all()


@given(sizes(4), seeds, st.integers(1, 5))
def test_appended_padding_changes_nothing(shape: list[int], seed: int, more: int) -> None:
    b, s, h, k = shape
    source, lengths = tokens_of(b, s, seed), lengths_of(b, s, seed + 1)
    wider = torch.cat([source, tokens_of(b, more, seed + 2)], dim=1)
    real = padding_mask(lengths, s)[:, 0]
    reader = encoder(h, k, seed)
    torch.testing.assert_close(reader(wider, lengths)[:, :s][real], reader(source, lengths)[real])
    model, target = encoder_decoder(h, k, seed), tokens_of(b, 4, seed + 3, vocab_size=7)
    torch.testing.assert_close(model(wider, target, lengths), model(source, target, lengths))
    # a sequence alone, without any padding, is what it is in the batch
    for row, n in enumerate(lengths.tolist()):
        torch.testing.assert_close(reader(source, lengths)[row, :n], reader(source[row : row + 1, :n])[0])


@given(sizes(4), seeds)
def test_what_stands_in_the_padding_changes_no_bit(shape: list[int], seed: int) -> None:
    b, s, h, k = shape
    source, lengths = tokens_of(b, s, seed), lengths_of(b, s, seed + 1)
    real = padding_mask(lengths, s)[:, 0]
    changed = torch.where(real, source, (source + 1) % VOCAB_SIZE)
    reader = encoder(h, k, seed)
    assert torch.equal(reader(changed, lengths)[real], reader(source, lengths)[real])
    model, target = encoder_decoder(h, k, seed), tokens_of(b, 4, seed + 3, vocab_size=7)
    assert torch.equal(model(changed, target, lengths), model(source, target, lengths))


def test_maps_lie_at_the_documented_paths() -> None:
    source, target = tokens_of(2, 5, 1), tokens_of(2, 3, 2, vocab_size=7)
    with record_attention(transformer.Block(6, 2, cross=True)) as maps:
        pass
    assert not maps  # nothing has run yet
    model = encoder_decoder(2, 3, 1)
    with record_attention(model) as maps:
        model(source, target)
    assert {path: tuple(each.weights.shape) for path, each in maps.items()} == {
        "encoder.blocks.0.attention": (2, 2, 5, 5),
        "encoder.blocks.1.attention": (2, 2, 5, 5),
        "blocks.0.attention": (2, 2, 3, 3),
        "blocks.0.cross": (2, 2, 3, 5),
        "blocks.1.attention": (2, 2, 3, 3),
        "blocks.1.cross": (2, 2, 3, 5),
    }
    assert list(maps) == sorted(maps, key=lambda path: (not path.startswith("encoder"), path))
    for path, each in maps.items():
        looks_ahead = (each.weights.triu(1) != 0).any()
        assert looks_ahead == (path.startswith("encoder") or path.endswith("cross")), path


def test_every_parameter_of_every_architecture_learns() -> None:
    source, target = tokens_of(3, 5, 1), tokens_of(3, 4, 2, vocab_size=7)
    for model, given_tokens in (
        (encoder(2, 3, 1), (source, torch.tensor([5, 2, 3]))),
        (language_model(2, 3, 1), (source,)),
        (encoder_decoder(2, 3, 1), (source, target)),
    ):
        model(*given_tokens).pow(3).sum().backward()
        assert not parameters_that_rest(model)


def test_each_layer_has_a_block_of_its_own() -> None:
    for num_layers in (1, 3):
        one = transformer.Encoder(VOCAB_SIZE, 6, 2, num_layers, MAX_LEN)
        other = transformer.LanguageModel(VOCAB_SIZE, 6, 2, num_layers, MAX_LEN)
        both = transformer.EncoderDecoder(VOCAB_SIZE, 7, 6, 2, num_layers, MAX_LEN)
        for model in (one, other, both, both.encoder):
            assert len(set(model.blocks)) == len(model.blocks) == num_layers


# ---- bad input ----

X, TOKENS = torch.zeros(2, 5, 6), torch.zeros(2, 5, dtype=torch.long)


def embed(tokens: torch.Tensor, max_len: int = 13) -> torch.Tensor:
    return transformer.Embedding(11, 6, max_len)(tokens)


def both(source: torch.Tensor, target: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
    return transformer.EncoderDecoder(11, 7, 6, 2, 1, 13)(source, target, lengths)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: transformer.sinusoidal_positions(0, 6), ["length=0", "whole number of 1 or more"]),
        (lambda: transformer.sinusoidal_positions(5, 7), ["d_model=7", "even"]),
        (lambda: transformer.sinusoidal_positions(5, 0), ["d_model=0"]),
        (lambda: transformer.Embedding(11, 6, 13, "rotary"), ["'rotary'", "'learned', 'sinusoidal', 'none'"]),
        (lambda: transformer.Embedding(11, 7, 13, "sinusoidal"), ["d_model=7", "even"]),
        (lambda: transformer.Embedding(0, 6, 13), ["vocab_size=0"]),
        (lambda: transformer.Embedding(11, 0, 13), ["d_model=0"]),
        (lambda: transformer.Embedding(11, 6, 1.5), ["max_len=1.5", "whole number"]),
        (lambda: embed(TOKENS[0]), ["(5,)", "(B, T)", "tokens[None]"]),
        (lambda: embed(TOKENS[:, :0]), ["(2, 0)", "(B, T)"]),
        (lambda: embed(TOKENS.double()), ["torch.float64", "whole numbers"]),
        (lambda: embed(TOKENS.bool()), ["torch.bool", "whole numbers"]),
        (lambda: embed(TOKENS, max_len=4), ["5 tokens", "4 positions", "tokens[:, -4:]"]),
        (lambda: transformer.FeedForward(6, 0), ["d_ff=0"]),
        (lambda: transformer.FeedForward(0), ["d_model=0"]),
        (lambda: transformer.Encoder(11, 6, 2, 0, 13), ["num_layers=0"]),
        (lambda: transformer.Encoder(11, 6, 5, 1, 13), ["d_model=6", "5 heads"]),
        (lambda: transformer.Encoder(11, 6, 2, 1, 13)(TOKENS, torch.tensor([5])), ["(1,)", "2 sequences", "(2,)"]),
        (lambda: transformer.Encoder(11, 6, 2, 1, 4, "none")(TOKENS), ["5 tokens", "4 positions"]),
        (lambda: transformer.LanguageModel(11, 6, 2, -1, 13), ["num_layers=-1"]),
        (lambda: transformer.LanguageModel(11, 6, 2, 1, 13, "alibi"), ["'alibi'", "'learned'"]),
        (lambda: transformer.LanguageModel(11, 6, 2, 1, 4)(TOKENS), ["5 tokens", "4 positions"]),
        (lambda: both(TOKENS[:1], TOKENS), ["1 sources", "2 targets", "pairs"]),
        (lambda: both(TOKENS, TOKENS, torch.tensor([5])), ["(1,)", "2 sequences"]),
        (lambda: both(TOKENS[:, :0], TOKENS), ["(2, 0)", "(B, T)"]),
        (lambda: both(TOKENS, TOKENS.float()), ["torch.float32", "whole numbers"]),
        (lambda: transformer.Block(6, 4), ["d_model=6", "4 heads", "multiple of 4"]),
        (lambda: transformer.Block(6, 2)(X, context=X), ["context is given", "cross=True"]),
        (lambda: transformer.Block(6, 2, cross=True)(X), ["context is missing", "cross=True"]),
        (lambda: transformer.Block(6, 2)(X, torch.ones(5, 4).bool()), ["(5, 4)", "(2, 2, 5, 5)"]),
        (lambda: transformer.Block(6, 2, cross=True)(X, None, X[:, :3], causal_mask(5)), ["(5, 5)", "(2, 2, 5, 3)"]),
    ],
)
def test_bad_input_is_refused_in_words(call, words: list[str]) -> None:
    with pytest.raises(ValueError) as refusal:
        call()
    assert not [word for word in words if word not in str(refusal.value)], refusal.value


def test_a_token_outside_the_vocabulary_gets_torchs_own_error() -> None:
    for outside in (TOKENS + 11, TOKENS - 1):
        with pytest.raises(IndexError, match="out of range"):
            embed(outside)


# ---- mutants ----

TABLE = "self.table[: tokens.shape[1]]"
LOOK = "x = x + self.attention(self.norm_attention(x), mask=mask, is_causal=is_causal)"
CROSS = "x = x + self.cross(self.norm_cross(x), context, context_mask)"
WORK = "x + self.feed_forward(self.norm_feed_forward(x))"
LANGUAGE = "x = block(x, is_causal=True)"
DECODER = "x = block(x, None, context, source_mask, is_causal=True)"

test_mutants = planted(
    transformer,
    [
        Mutant("angle.sin(), angle.cos()", "angle.cos(), angle.sin()", test_sinusoidal_positions_are_the_formula),
        Mutant("], dim=-1).flatten(1)", "], dim=1).flatten(1)", test_sinusoidal_positions_are_the_formula),
        Mutant("torch.arange(0, d_model, 2) / d_model", "torch.arange(d_model // 2) / d_model",
               test_sinusoidal_positions_are_the_formula),
        Mutant(TABLE, "self.table[: tokens.shape[0], None]", test_a_token_becomes_its_vector_and_that_of_its_position),
        Mutant(TABLE, "self.table[-tokens.shape[1] :]", test_a_token_becomes_its_vector_and_that_of_its_position),
        Mutant(TABLE, f"{TABLE}.detach()", test_both_tables_learn_and_the_fixed_one_does_not),
        Mutant("nn.GELU()", "nn.ReLU()", test_feed_forward_is_the_formula_for_each_token_alone),
        Mutant(LOOK, LOOK.replace("x + ", ""), test_a_block_is_torchs_encoder_layer),
        Mutant(LOOK, "x = self.norm_attention(x + self.attention(x, mask=mask))", test_a_block_is_torchs_encoder_layer),
        Mutant(LOOK, LOOK.replace(", is_causal=is_causal", ""), test_a_block_is_torchs_encoder_layer),
        Mutant(WORK, "x + self.feed_forward(x)", test_a_block_is_torchs_encoder_layer),
        Mutant(CROSS, CROSS.replace("context, context_mask", "None, mask"),
               test_a_block_with_cross_attention_is_torchs_decoder_layer),
        Mutant(CROSS, CROSS.replace("self.cross(", "self.attention("),
               test_a_block_with_cross_attention_is_torchs_decoder_layer),
        Mutant("mask = _real(tokens, lengths)", "mask = None", test_an_encoder_is_torchs_stack),
        Mutant("        return self.norm(x)", "        return x", test_an_encoder_is_torchs_stack),
        Mutant(LANGUAGE, "x = block(x)", test_a_language_model_does_not_look_ahead),
        Mutant(LANGUAGE, "x = block(x, block.norm_attention.weight.new_ones(2 * [x.shape[1]]).tril(1).bool())",
               test_a_language_model_does_not_look_ahead),
        Mutant(DECODER, "x = block(x, None, context, source_mask)",
               test_a_decoder_sees_all_of_the_source_and_nothing_ahead),
        Mutant(DECODER, DECODER.replace("source_mask", "None"), test_an_encoder_decoder_is_torchs),
        Mutant("context = self.encoder(source, lengths)", "context = self.encoder(source)",
               test_an_encoder_decoder_is_torchs),
        Mutant("[Block(d_model, num_heads, cross=cross) for _ in range(num_layers)]",
               "[Block(d_model, num_heads, cross=cross)] * num_layers", test_each_layer_has_a_block_of_its_own),
    ],
)  # fmt: skip
