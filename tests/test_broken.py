"""The break-it lab: each bug is in the model after its switch, breaks what its wrong line says, and nothing else."""

import copy
import math

import pytest
import torch
from torch import nn

from lecturelib.attention import MultiHeadAttention, causal_mask, masked_softmax, record_attention
from lecturelib.broken import BUGS, blind_patient, break_it, broken_painters, maps_follow_the_formula
from lecturelib.language import left_to_right_loss, next_token_loss
from lecturelib.mae import MaskedAutoencoder, random_mask, reconstruction_loss
from lecturelib.transformer import Embedding, LanguageModel
from lecturelib.vision import VisionTransformer, patchify

PEEK = {"no mask", "soft mask", "heads not moved back", "norm over time"}
TOKENS = torch.randint(11, (5, 7), generator=torch.Generator().manual_seed(0))
ALL = ["none", *BUGS]


def model() -> LanguageModel:
    torch.manual_seed(0)
    return LanguageModel(11, d_model=12, num_heads=3, num_layers=2, max_len=13).double()


def peeks(broken) -> bool:
    """Whether some logit changes when the last token does, before it."""
    changed = TOKENS.clone()
    changed[:, -1] = (changed[:, -1] + 1) % 11
    return not torch.allclose(broken(changed)[:, :-1], broken(TOKENS)[:, :-1], atol=1e-9)


def test_the_right_model_stays_as_it_is():
    assert torch.equal(model()(TOKENS), break_it(model(), "none")(TOKENS))


@pytest.mark.parametrize("name", BUGS)
def test_a_bug_changes_the_loss_no_weight_and_no_printed_line(name):
    plain, broken = model(), break_it(model(), name)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), broken.parameters(), strict=True))
    assert abs(next_token_loss(plain, (TOKENS,)) - next_token_loss(broken, (TOKENS,))) > 1e-6
    assert repr(broken) == repr(plain)
    assert "20" in BUGS[name].seen and "/" in BUGS[name].seen
    copied = copy.deepcopy(broken)
    next_token_loss(copied, (TOKENS,)).backward()
    assert all(torch.isfinite(p.grad).all() for p in copied.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", ALL)
def test_a_model_peeks_exactly_if_its_bug_says_so_and_an_honest_loss_is_the_same_left_to_right(name):
    broken = break_it(model(), name)
    assert peeks(broken) == (name in PEEK)
    apart = abs(next_token_loss(broken, (TOKENS,)).item() - left_to_right_loss(broken, TOKENS)) > 1e-6
    assert apart == (name in PEEK)


def run(line: str, **names):
    """What the names are after a line of code."""
    exec(line, {"math": math}, names)
    return names


@pytest.mark.parametrize("bug", ["no mask", "soft mask", "wrong scale"])
def test_the_shown_lines_are_what_the_map_does(bug):
    torch.manual_seed(1)
    q, k = torch.randn(2, 2, 3, 5, 4, dtype=torch.float64)  # (B, H, T, K)
    mask = causal_mask(5)
    layer = break_it(model(), bug).blocks[0].attention.map
    given = run(BUGS["wrong scale"].right, q=q, k=k, d_k=4)["scores"]
    if bug == "wrong scale":
        right, wrong = (
            masked_softmax(run(line, q=q, k=k, d_k=4, d_model=12)["scores"], mask) for line in BUGS[bug][:2]
        )
    else:
        right, wrong = (run(line, scores=given, mask=mask)["weights"] for line in BUGS[bug][:2])
    torch.testing.assert_close(masked_softmax(given, mask), right)
    torch.testing.assert_close(layer(given, mask), wrong)


def test_the_shown_lines_are_what_merge_norm_and_embedding_do():
    heads = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    right, wrong = (run(line, heads=heads, B=2, T=5, D=12)["x"] for line in BUGS["heads not moved back"][:2])
    torch.testing.assert_close(MultiHeadAttention(12, 3).merge(heads), right)
    torch.testing.assert_close(break_it(model(), "heads not moved back").blocks[0].attention.merge(heads), wrong)
    x = torch.randn(2, 5, 12, dtype=torch.float64)
    for line, layer in zip(BUGS["norm over time"][:2], (model(), break_it(model(), "norm over time")), strict=True):
        found = run(line, x=x)
        expected = (x - found["mean"]) / (found["variance"] + 1e-5).sqrt()
        torch.testing.assert_close(layer.norm(x), expected)
    for line, layer in zip(BUGS["positions never added"][:2], (model(), break_it(model(), "positions never added")),
                           strict=True):  # fmt: skip
        embedding = layer.embedding
        x = embedding.tokens(TOKENS)
        torch.testing.assert_close(embedding(TOKENS), run(line, x=x, table=embedding.table, T=7)["x"])


@pytest.mark.parametrize(("name", "apart"), [("none", True), ("positions never added", False)])
def test_positions_that_are_never_added_tell_nothing_apart(name, apart):
    logits = break_it(model(), name)(torch.full((1, 6), 4))
    assert torch.allclose(logits[:, 1:], logits[:, :1].expand_as(logits[:, 1:])) != apart


def test_the_wrong_scale_is_that_of_the_whole_width():
    broken = break_it(model(), "wrong scale")
    with record_attention(broken) as maps:
        broken(TOKENS)
    for each in maps.values():
        wrong = (each.scores / math.sqrt(3)).masked_fill(~causal_mask(7), -math.inf).softmax(-1)
        torch.testing.assert_close(each.weights, wrong)


def test_the_formula_is_asked_of_every_block():
    assert maps_follow_the_formula(model().float())
    half = model().float()
    half.blocks[1] = break_it(model().float(), "wrong scale").blocks[1]
    assert not maps_follow_the_formula(half)


def test_blind_patients_have_each_bug_in_turn_and_leave_the_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    for number in range(12):
        patient = blind_patient(number, 11)
        torch.random.manual_seed(number)
        twin = break_it(LanguageModel(11, 32, 2, 1, 64), list(BUGS)[number % 6])
        assert torch.equal(patient(TOKENS), twin(TOKENS)) and repr(patient) == repr(LanguageModel(11, 32, 2, 1, 64))
        assert isinstance(patient.embedding, Embedding) and isinstance(patient.norm, nn.LayerNorm)
    torch.manual_seed(5)
    blind_patient(3, 11)
    assert torch.equal(torch.rand(3), expected)


def test_what_does_not_exist_is_refused():
    with pytest.raises(ValueError, match=r"bug 'typo' is unknown: expected one of none, no mask, soft mask"):
        break_it(model(), "typo")
    with pytest.raises(ValueError, match=r"number=-1: expected"):
        blind_patient(-1, 11)


def test_each_broken_painter_has_the_errors_of_its_fault() -> None:
    torch.manual_seed(0)
    spots = torch.rand(300, 1, 4, 4).repeat_interleave(2, 2).repeat_interleave(2, 3)  # each patch of one gray
    images, new = spots[:250], spots[:250] * 0.98  # so alike that a neighbor on all pixels is the image itself
    healthy = MaskedAutoencoder(VisionTransformer((1, 8, 8), 2, 8, 2, 1), 8, 2, 1)
    mask = random_mask(250, 4, 4, generator=torch.Generator().manual_seed(1))
    errors = {}
    state = torch.get_rng_state()
    for name, paint in broken_painters(healthy, images, steps=60).items():
        painted, target = patchify(paint(new, mask), 2), patchify(new, 2)
        errors[name] = [reconstruction_loss(painted, target, each).item() for each in (mask, ~mask)]
    assert torch.equal(torch.get_rng_state(), state)
    assert min(errors, key=lambda name: errors[name][0]) == "leak"
    hidden, visible = errors["loss on the visible"]
    assert visible < 0.5 * hidden
    assert min(errors["wrong cut"]) > 0.03
