"""The break-it lab: each bug is in the model after its switch, breaks what it says, and nothing else."""

import copy
import math

import pytest
import torch

from lecturelib.attention import causal_mask, record_attention
from lecturelib.broken import BUGS, break_it
from lecturelib.language import left_to_right_loss, next_token_loss
from lecturelib.transformer import LanguageModel

NAMES = [name for name in BUGS if name != "none"]
PEEK = {"no mask", "mask inverted", "soft mask", "softmax over queries", "heads not moved back", "norm over time"}
TOKENS = torch.randint(11, (5, 7), generator=torch.Generator().manual_seed(0))


def model() -> LanguageModel:
    torch.manual_seed(0)
    return LanguageModel(11, d_model=12, num_heads=3, num_layers=2, max_len=13).double()


def peeks(broken) -> bool:
    """Whether some logit changes when the last token does, before it."""
    changed = TOKENS.clone()
    changed[:, -1] = (changed[:, -1] + 1) % 11
    return not torch.allclose(broken(changed)[:, :-1], broken(TOKENS)[:, :-1], atol=1e-9)


def test_the_right_model_stays_as_it_is():
    plain, switched = model(), break_it(model(), "none")
    assert torch.equal(plain(TOKENS), switched(TOKENS))
    assert BUGS["none"].loss is next_token_loss


@pytest.mark.parametrize("name", NAMES)
def test_a_bug_changes_the_logits_or_the_loss_and_no_weight(name):
    plain, broken = model(), break_it(model(), name)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), broken.parameters(), strict=True))
    losses = [BUGS[key].loss(m, (TOKENS,)).item() for key, m in (("none", plain), (name, broken))]
    assert abs(losses[0] - losses[1]) > 1e-6
    assert BUGS[name].wrong and "20" in BUGS[name].seen and "/" in BUGS[name].seen
    copied = copy.deepcopy(broken)
    BUGS[name].loss(copied, (TOKENS,)).backward()
    assert all(torch.isfinite(p.grad).all() for p in copied.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", BUGS)
def test_a_model_peeks_exactly_if_its_bug_says_so_and_an_honest_loss_is_the_same_left_to_right(name):
    broken = break_it(model(), name)
    assert peeks(broken) == (name in PEEK)
    apart = abs(BUGS[name].loss(broken, (TOKENS,)).item() - left_to_right_loss(broken, TOKENS)) > 1e-6
    assert apart == (name in PEEK | {"no shift"})


def test_positions_along_the_batch_depend_on_the_batch():
    broken, plain = break_it(model(), "positions along the batch"), model()
    assert not torch.allclose(broken(TOKENS)[2:3], broken(TOKENS[2:3]))
    torch.testing.assert_close(plain(TOKENS)[2:3], plain(TOKENS[2:3]))


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


def test_an_unknown_bug_is_refused():
    with pytest.raises(ValueError, match=r"bug 'typo' is unknown: expected one of none, no mask, mask inverted"):
        break_it(model(), "typo")
