"""Translation: the equation by hand, row by row, and padding that means nothing."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from lecturelib import translation
from lecturelib.attention import record_attention
from lecturelib.transformer import Encoder, EncoderDecoder
from tests.mutants import Mutant, planted
from tests.strategies import normal, seeds, sizes
from tests.tools import refuses
from tests.twins import parameters_that_rest, random_weights

SOURCE, TARGET = 11, 7
KINDS = ["attention", "bottleneck", "attention over an encoder", "bottleneck under an encoder", "transformer"]


def translator(kind: str, half: int = 3, seed: int = 1) -> Any:  # an nn.Module, whose parts are looked at
    d_model = 2 * half
    if kind == "transformer":
        return random_weights(EncoderDecoder(SOURCE, TARGET, d_model, 2, 2, 13), seed)
    encoder = Encoder(SOURCE, d_model, 2, 2, 13) if "encoder" in kind else None
    return random_weights(translation.Translator(SOURCE, TARGET, d_model, "attention" in kind, encoder), seed)


def batch(b: int, s: int, t: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    source = torch.randint(SOURCE, (b, s), generator=generator)
    target = torch.randint(TARGET, (b, t), generator=generator)
    return source, target, torch.randint(1, s + 1, (b,), generator=generator)


@given(sizes(3), seeds)
def test_a_recurrent_encoder_reads_each_sequence_by_itself(shape: list[int], seed: int) -> None:
    b, s, half = shape
    encoder = random_weights(translation.BiGRU(SOURCE, 2 * half), seed)
    source, _, lengths = batch(b, s, 1, seed)
    read = encoder(source, lengths)
    assert read.shape == (b, s, 2 * half)
    for row, n in enumerate(lengths.tolist()):
        alone = encoder.gru(encoder.embedding.weight[source[row, :n]][None])[0][0]
        torch.testing.assert_close(read[row, :n], alone)
        assert torch.isfinite(read[row, n:]).all()


def test_one_half_comes_from_the_left_the_other_from_the_right() -> None:
    encoder = random_weights(translation.BiGRU(SOURCE, 6), 1)
    source, lengths = batch(2, 7, 1, 1)[0], torch.tensor([7, 7])
    changed = source.clone()
    changed[:, 3] = (source[:, 3] + 1) % SOURCE
    left, right = (encoder(source, lengths) != encoder(changed, lengths)).any(0).chunk(2, dim=-1)
    assert left.any(-1).tolist() == [False] * 3 + [True] * 4
    assert right.any(-1).tolist() == [True] * 4 + [False] * 3


@given(sizes(4), seeds, st.sampled_from(KINDS[:4]))
def test_a_translator_is_its_equation(shape: list[int], seed: int, kind: str) -> None:
    b, s, t, half = shape
    model = translator(kind, 2 * half if "encoder" in kind else half, seed)
    source, target, lengths = batch(b, s, t, seed)
    logits = model(source, target, lengths)
    assert logits.shape == (b, t, TARGET)
    for row, n in enumerate(lengths.tolist()):
        read = model.encoder(source[row : row + 1, :n], lengths[row : row + 1])[0]  # (n, D), no padding at all
        h = torch.tanh(model.start.weight @ read.mean(0) + model.start.bias)
        for step in range(t):
            token = model.embedding.weight[target[row, step]]
            h = model.decoder(token[None, None], h[None, None])[0][0, 0]
            shown = h
            if look := model.attention:
                q, k, v = look.q_proj.weight, look.k_proj.weight, look.v_proj.weight
                weights = ((read @ k.T) @ (q @ h) / len(q) ** 0.5).softmax(0)  # (n,)
                shown = torch.cat([h, weights @ (read @ v.T)])
            torch.testing.assert_close(logits[row, step], F.linear(shown, model.head.weight, model.head.bias))


@settings(max_examples=30)
@given(sizes(3), seeds, st.sampled_from(KINDS), st.integers(1, 5))
def test_neither_padding_nor_what_comes_later_changes_anything(
    shape: list[int], seed: int, kind: str, more: int
) -> None:
    b, s, t = shape
    model = translator(kind, 4, seed)
    source, target, lengths = batch(b, s, t, seed)
    logits = model(source, target, lengths)
    wider = torch.cat([source, batch(b, more, t, seed + 1)[0]], dim=1)
    torch.testing.assert_close(model(wider, target, lengths), logits)
    real = torch.arange(s) < lengths[:, None]
    changed = torch.where(real, source, (source + 1) % SOURCE)
    assert torch.equal(model(changed, target, lengths), logits)
    for step in range(t):  # all steps at once are the steps one by one
        so_far = model(source, target[:, : step + 1], lengths)
        torch.testing.assert_close(logits[:, step], so_far[:, -1])


@pytest.mark.parametrize("kind", KINDS)
def test_every_real_token_counts_and_every_parameter_learns(kind: str) -> None:
    model = translator(kind, 4)
    source, target, _ = batch(3, 5, 4, 1)
    lengths = torch.tensor([5, 3, 1])
    before = model(source, target, lengths)
    for place in range(5):
        changed = source.clone()
        changed[:, place] = (source[:, place] + 1) % SOURCE
        felt = (model(changed, target, lengths) != before).any(-1)
        assert torch.equal(felt, (place < lengths)[:, None].expand(3, 4))
    before.pow(3).sum().backward()
    assert not parameters_that_rest(model)


@pytest.mark.parametrize("kind", KINDS)
def test_translate_is_greedy_by_hand(kind: str) -> None:
    model = translator(kind, 4, seed=3)
    source, _, lengths = batch(5, 7, 1, 3)
    graphs = list[bool]()
    model.head.register_forward_hook(lambda *_: graphs.append(torch.is_grad_enabled()))
    written = translation.translate(model, source, lengths, start=2, steps=6)
    assert graphs == [False] * 6 and torch.is_grad_enabled()
    assert written.shape == (5, 6) and not written.is_floating_point()
    for row, n in enumerate(lengths.tolist()):
        target = [2]
        for _ in range(6):
            logits = model(source[row : row + 1, :n], torch.tensor([target]), lengths[row : row + 1])
            target.append(int(logits[0, -1].argmax()))
        assert written[row].tolist() == target[1:]


def test_watching_a_translator_shows_where_it_looked_and_attention_is_all_that_the_two_differ_in() -> None:
    model, without = translator("attention"), translator("bottleneck")
    source, target, _ = batch(3, 5, 4, 1)
    lengths = torch.tensor([5, 3, 1])
    with record_attention(model) as maps:
        model(source, target, lengths)
    real = (torch.arange(5) < lengths[:, None])[:, None].expand(3, 4, 5)
    assert list(maps) == ["attention"] and torch.equal(maps["attention"].weights > 0, real)
    parts, fewer = ({name for name, _ in each.named_children()} for each in (model, without))
    assert parts - fewer == {"attention"}
    assert model.head.in_features == 2 * without.head.in_features


@pytest.mark.parametrize("attention", [True, False])
def test_gradients_flow_back_to_the_first_token(attention: bool) -> None:
    model = random_weights(translation.Translator(SOURCE, TARGET, 4, attention), 1)
    source, target, lengths = batch(2, 3, 2, 1)

    def run(vectors: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(model, {"encoder.embedding.weight": vectors}, (source, target, lengths))

    assert torch.autograd.gradcheck(run, [normal(SOURCE, 4, seed=2).requires_grad_()])


S, T, N = torch.zeros(2, 5).long(), torch.zeros(2, 3).long(), torch.tensor([5, 2])


def run(source: torch.Tensor, target: torch.Tensor, lengths: torch.Tensor, kind: str = "attention") -> torch.Tensor:
    return translator(kind)(source, target, lengths)


test_bad_input_is_refused_in_words = refuses(
    (lambda: translation.BiGRU(11, 7), ["d_model=7", "even", "half for each direction"]),
    (lambda: translation.BiGRU(0, 6), ["vocab_size=0"]),
    (lambda: translation.BiGRU(11, 6)(S[0], N), ["source", "(5,)", "(B, T)", "source[None]"]),
    (lambda: translation.BiGRU(11, 6)(S, N[:1]), ["(1,)", "2 sequences", "(2,)"]),
    (lambda: translation.Translator(11, 0, 6), ["target_vocab_size=0"]),
    (lambda: run(S, T, N[:1], "attention over an encoder"), ["(1,)", "2 sequences"]),
    (lambda: run(S, T.bool(), N), ["target", "torch.bool", "whole numbers"]),
    (lambda: run(S, T[:1], N), ["2 sources", "1 targets", "pairs"]),
    (lambda: translation.translate(translator("attention"), S, N, 0, 0), ["steps=0", "1 or more"]),
    (lambda: translation.translate(translator("attention"), S, N - 2, 0, 2), ["0 to 3", "1 to 5"]),
    (lambda: record_attention(translator("bottleneck")).__enter__(), ["Translator holds no AttentionMap"]),
)


MEAN = "(read * real[..., None]).sum(1) / lengths[:, None]"
GREEDY = test_translate_is_greedy_by_hand

test_mutants = planted(
    translation,
    [
        Mutant("lengths.cpu(), batch_first", "torch.full_like(lengths, tokens.shape[1]), batch_first",
               test_a_recurrent_encoder_reads_each_sequence_by_itself),
        Mutant(MEAN, "read.mean(1)", test_a_translator_is_its_equation),
        Mutant("self.attention(h, read, real[:, None])", "self.attention(h, read)", test_a_translator_is_its_equation),
        Mutant("(len(source), 1), start,", "(len(source), 1), 0,", GREEDY),
        Mutant("lengths)[:, -1].argmax(", "lengths)[:, 0].argmax(", GREEDY),
    ],
)  # fmt: skip
