"""Translation: the equation by hand, row by row, and padding that means nothing."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lecturelib import translation
from lecturelib.attention import Attention, record_attention
from tests.mutants import Mutant, planted
from tests.strategies import seeds, sizes
from tests.tools import refuses
from tests.twins import parameters_that_rest, random_weights

SOURCE, TARGET = 11, 7
KINDS = ["attention", "one vector"]


def translator(kind: str, half: int = 3, seed: int = 1) -> translation.Translator:
    return random_weights(translation.Translator(SOURCE, TARGET, 2 * half, kind == "attention"), seed)


def batch(b: int, s: int, t: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    source = torch.randint(SOURCE, (b, s), generator=generator)
    target = torch.randint(TARGET, (b, t), generator=generator)
    return source, target, torch.randint(1, s + 1, (b,), generator=generator)


@settings(max_examples=30)
@given(sizes(3), seeds)
def test_a_recurrent_encoder_is_its_gru_on_a_packed_batch_and_learns_as_that_does(shape: list[int], seed: int) -> None:
    b, s, half = shape
    encoder = random_weights(translation.BiGRU(SOURCE, 2 * half), seed)
    source, _, lengths = batch(b, s, 1, seed)
    real = (torch.arange(s) < lengths[:, None])[..., None]
    packed = nn.utils.rnn.pack_padded_sequence(encoder.embedding(source), lengths, True, enforce_sorted=False)
    states, last = encoder.gru(packed)
    states, _ = nn.utils.rnn.pad_packed_sequence(states, True, 0.0, s)
    found = []
    for each_token, end in ((states, torch.cat([last[0], last[1]], dim=-1)), encoder(source, lengths)):
        read = each_token.where(real, 0.0), end
        value = sum(each.pow(3).sum() for each in read)
        found.append([*read, *torch.autograd.grad(value, list(encoder.parameters()))])
    torch.testing.assert_close(found[1], found[0])


@given(sizes(4), seeds, st.sampled_from(KINDS))
def test_a_translator_is_its_equation(shape: list[int], seed: int, kind: str) -> None:
    b, s, t, half = shape
    model = translator(kind, half, seed)
    source, target, lengths = batch(b, s, t, seed)
    logits = model(source, target, lengths)
    assert logits.shape == (b, t, TARGET)
    for row, n in enumerate(lengths.tolist()):
        read = model.encoder(source[row : row + 1, :n], lengths[row : row + 1])[0][0]  # (n, D), no padding at all
        c = torch.cat([read[-1, :half], read[0, half:]])
        h = torch.tanh(model.start.weight @ c + model.start.bias)
        for step in range(t):
            token = model.embedding.weight[target[row, step]]
            fed = token if model.attention else torch.cat([token, c])
            h = model.decoder(fed[None, None], h[None, None])[0][0, 0]
            if look := model.attention:
                q, k, v = look.q_proj.weight, look.k_proj.weight, look.v_proj.weight
                weights = ((read @ k.T) @ (q @ h) / len(q) ** 0.5).softmax(0)  # (n,)
                c = weights @ (read @ v.T)
            torch.testing.assert_close(logits[row, step], F.linear(torch.cat([h, c]), model.out.weight, model.out.bias))


def test_both_translators_have_as_many_parameters_and_all_of_them_learn() -> None:
    models = [translator(kind, 4) for kind in KINDS]
    for model in models:
        model(*batch(3, 5, 4, 1)).pow(3).sum().backward()
        assert not parameters_that_rest(model)
    assert len({sum(each.numel() for each in model.parameters()) for model in models}) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_target_is_exact_if_it_is_what_is_written_greedily(kind: str) -> None:
    model = translator(kind, 4, seed=3)
    source, target, lengths = batch(40, 7, 3, 3)
    target[:, 0] = 2
    written = target[:, :1]
    for _ in range(2):
        written = torch.cat([written, model(source, written, lengths)[:, -1:].argmax(dim=-1)], dim=1)
    written[10:, -1] = (written[10:, -1] + 1) % TARGET
    assert translation.share_exact(model, (source, written, lengths)) == 0.25


def test_the_losses_are_the_mean_surprise_at_each_token() -> None:
    model = translator("attention", 4)
    source, target, lengths = batch(3, 7, 4, 1)
    lengths = lengths.clamp(max=5)  # two columns are padding in all
    logits = model(source, target[:, :-1], lengths)
    said = [logits[b, t].log_softmax(-1)[target[b, t + 1]] for b in range(3) for t in range(3)]
    torch.testing.assert_close(
        translation.translation_loss(model, (source, target, lengths)), -torch.stack(said).mean()
    )
    pointer = random_weights(translation.Pointer(Attention(6, 2, 3), 11, 7), 1)
    before, y = batch(3, 7, 1, 2)[0], batch(3, 7, 1, 3)[0]
    logits = pointer(source, before)
    said = [logits[b, t].log_softmax(-1)[y[b, t]] for b in range(3) for t in range(7)]
    torch.testing.assert_close(translation.pointer_loss(pointer, (source, before, y)), -torch.stack(said).mean())


def test_a_pointer_is_a_head_and_nothing_else_connects_its_places() -> None:
    pointer = random_weights(translation.Pointer(Attention(6, 2, 3), 11, 7), 1)
    source, before = batch(3, 7, 1, 1)[0], batch(3, 7, 1, 2)[0]
    queries, keys = (pointer.symbol.weight[each] + pointer.place.weight for each in (before, source))
    torch.testing.assert_close(pointer(source, before), pointer.out(pointer.attention(queries, keys)))
    changed = before.clone()
    changed[:, 3] = 11  # nothing yet
    assert (pointer(source, changed) != pointer(source, before)).any(-1).any(0).tolist() == [k == 3 for k in range(7)]
    with record_attention(pointer, lambda path, weights: 0 * weights):
        assert torch.equal(pointer(source, before), pointer.out.bias.expand(3, 7, 11))


def test_copies_are_drawn_from_all_symbols() -> None:
    source, target, lengths = translation.copies(500, 6, seed=1, vocab_size=3)
    assert source.unique().tolist() == [0, 1, 2] and target[:, 0].unique().tolist() == [3]
    assert torch.equal(source, target[:, 1:]) and lengths.tolist() == [6] * 500
    assert not torch.equal(source, translation.copies(500, 6, seed=2, vocab_size=3)[0])


S, T, N = torch.zeros(2, 5).long(), torch.zeros(2, 3).long(), torch.tensor([5, 2])

test_bad_input_is_refused_in_words = refuses(
    (lambda: translation.BiGRU(11, 7), ["d_model=7", "even", "half for each direction"]),
)


test_mutants = planted(
    translation,
    [
        Mutant("lengths[:, None] - 1 - at, at)", "tokens.shape[1] - 1 - at, at)",
               test_a_recurrent_encoder_is_its_gru_on_a_packed_batch_and_learns_as_that_does),
        Mutant("torch.cat([last, right[:, 0]], dim=-1)", "torch.cat([last, right[:, -1]], dim=-1)",
               test_a_recurrent_encoder_is_its_gru_on_a_packed_batch_and_learns_as_that_does),
        Mutant("self.attention(h, states, real)", "self.attention(h, states)", test_a_translator_is_its_equation),
        Mutant(".all(dim=1).float()", ".float()", test_a_target_is_exact_if_it_is_what_is_written_greedily),
    ],
)  # fmt: skip
