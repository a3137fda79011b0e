"""The break-it lab: each bug is in the model after its switch, breaks what its wrong line says, and nothing else."""

import math

import pytest
import torch

from lecturelib.attention import causal_mask, masked_softmax
from lecturelib.broken import BUGS, blind_patient, break_it, broken_painters, maps_follow_the_formula
from lecturelib.language import left_to_right_loss, next_token_loss
from lecturelib.mae import MaskedAutoencoder, random_mask, reconstruction_loss
from lecturelib.transformer import LanguageModel
from lecturelib.vision import VisionTransformer, patchify
from tests.tools import global_generators_left_alone

PEEK = {"no mask", "soft mask", "heads not moved back", "norm over time"}
TOKENS = torch.randint(11, (5, 7), generator=torch.Generator().manual_seed(0))


def model() -> LanguageModel:
    torch.manual_seed(0)
    return LanguageModel(11, d_model=12, num_heads=3, num_layers=2, max_len=13).double()


def peeks(broken) -> bool:
    """Whether some logit changes when the last token does, before it."""
    changed = TOKENS.clone()
    changed[:, -1] = (changed[:, -1] + 1) % 11
    return not torch.allclose(broken(changed)[:, :-1], broken(TOKENS)[:, :-1], atol=1e-9)


@pytest.mark.parametrize("name", ["none", *BUGS])
def test_a_bug_changes_the_loss_no_weight_and_no_printed_line_and_peeks_only_if_it_says_so(name):
    plain, broken = model(), break_it(model(), name)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), broken.parameters(), strict=True))
    assert repr(broken) == repr(plain)
    right, wrong = next_token_loss(plain, (TOKENS,)).item(), next_token_loss(broken, (TOKENS,)).item()
    assert (abs(right - wrong) > 1e-6) == (name in BUGS)
    assert peeks(broken) == (name in PEEK)
    # left to right, only an honest model has the same loss
    assert (abs(wrong - left_to_right_loss(broken, TOKENS)) > 1e-6) == (name in PEEK)


def run(line: str, **names):
    """What the names are after a line of code."""
    exec(line, {"math": math}, names)
    return names


def test_the_shown_lines_are_what_the_layers_do():
    mask = causal_mask(5)
    q, k, heads = torch.randn(3, 2, 3, 5, 4, dtype=torch.float64)  # (B, H, T, K)
    x, given = torch.randn(2, 5, 12, dtype=torch.float64), q @ k.mT / math.sqrt(4)
    for wrong in (False, True):
        lines = {name: bug.wrong if wrong else bug.right for name, bug in BUGS.items()}
        models = {name: break_it(model(), name if wrong else "none") for name in BUGS}
        for bug in ("no mask", "soft mask"):
            weights = run(lines[bug], scores=given, mask=mask)["weights"]
            torch.testing.assert_close(models[bug].blocks[0].attention.map(given, mask), weights)
        scores = run(lines["wrong scale"], q=q, k=k, d_k=4, d_model=12)["scores"]
        layer = models["wrong scale"].blocks[0].attention
        torch.testing.assert_close(layer.map(given, mask), masked_softmax(scores, mask))
        layer = models["heads not moved back"].blocks[0].attention
        merged = run(lines["heads not moved back"], heads=heads, B=2, T=5, D=12)["x"]
        torch.testing.assert_close(layer.merge(heads), merged)
        found = run(lines["norm over time"], x=x)
        expected = (x - found["mean"]) / (found["variance"] + 1e-5).sqrt()
        torch.testing.assert_close(models["norm over time"].norm(x), expected)
        embedding = models["positions never added"].embedding
        found = run(lines["positions never added"], x=embedding.tokens(TOKENS), table=embedding.table, T=7)
        torch.testing.assert_close(embedding(TOKENS), found["x"])


def test_the_formula_is_asked_of_every_block():
    assert maps_follow_the_formula(model().float())
    half = model().float()
    half.blocks[1] = break_it(model().float(), "wrong scale").blocks[1]
    assert not maps_follow_the_formula(half)


def test_blind_patients_have_each_bug_in_turn_and_leave_the_random_numbers_alone():
    for number in range(7):
        with global_generators_left_alone():
            patient = blind_patient(number, 11)
        torch.manual_seed(number)
        twin = break_it(LanguageModel(11, 32, 2, 1, 64), list(BUGS)[number % 6])
        assert torch.equal(patient(TOKENS), twin(TOKENS)) and repr(patient) == repr(LanguageModel(11, 32, 2, 1, 64))


def test_what_does_not_exist_is_refused():
    with pytest.raises(ValueError, match=r"bug 'typo' is unknown: expected one of none, no mask, soft mask"):
        break_it(model(), "typo")


def test_each_broken_painter_has_the_errors_of_its_fault() -> None:
    torch.manual_seed(0)
    spots = torch.rand(300, 1, 4, 4).repeat_interleave(2, 2).repeat_interleave(2, 3)  # each patch of one gray
    images, new = spots[:250], spots[:250] * 0.98  # so alike that a neighbor on all pixels is the image itself
    healthy = MaskedAutoencoder(VisionTransformer((1, 8, 8), 2, 8, 2, 1), 8, 2, 1)
    mask = random_mask(250, 4, 4, generator=torch.Generator().manual_seed(1))
    errors = {}
    for name, paint in broken_painters(healthy, images, steps=60).items():
        painted, target = patchify(paint(new, mask), 2), patchify(new, 2)
        errors[name] = [reconstruction_loss(painted, target, each).item() for each in (mask, ~mask)]
    assert min(errors, key=lambda name: errors[name][0]) == "leak"
    hidden, visible = errors["loss on the visible"]
    assert visible < 0.5 * hidden
    assert min(errors["wrong cut"]) > 0.03
