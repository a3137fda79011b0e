"""The toy models of the exercise about the future: each does what its name says."""

import pytest
import torch

from lecturelib.checks.toy_models import HONEST, LEAKY, ToyModel

TOKENS = torch.tensor([[3, 7, 1, 9, 4, 10, 2], [0, 5, 10, 6, 1, 3, 9]])


def influence(model: ToyModel) -> list[set[int]]:
    """Return for each position which tokens change its scores: all eleven symbols are tried in every place."""
    before = model(TOKENS)
    seen: list[set[int]] = [set() for _ in range(TOKENS.shape[1])]
    for s in range(TOKENS.shape[1]):
        for token in range(11):
            changed = TOKENS.clone()
            changed[:, s] = token
            for t in (model(changed) != before).any(-1).any(0).nonzero().flatten().tolist():
                seen[t].add(s)
    return seen


PAST = [set(range(t + 1)) for t in range(7)]
ALL = set(range(7))
SEES = {
    "the mean of all tokens so far": PAST,
    "causal attention": PAST,
    "causal attention and positions": PAST,
    "the token before, and not its own": [{t - 1} & set(range(7)) for t in range(7)],
    "its own token alone": [{t} for t in range(7)],
    "attention without a mask": [ALL] * 7,
    "a mask that is off by one": [set(range(min(t + 2, 7))) for t in range(7)],
    "a softmax over the queries": [ALL] * 7,
    "a normalization over time": [ALL] * 7,
    "the mean of all tokens": [ALL] * 7,
    "a first position that sees the second": [seen | {1} if t == 0 else seen for t, seen in enumerate(PAST)],
    "a sixth position that sees the seventh": [seen | {6} if t == 5 else seen for t, seen in enumerate(PAST)],
    "a third position that sees the sixth": [seen | {5} if t == 2 else seen for t, seen in enumerate(PAST)],
    "a first position that sees the seventh": [seen | {6} if t == 0 else seen for t, seen in enumerate(PAST)],
}


@pytest.mark.parametrize("model", [*HONEST, *LEAKY], ids=repr)
def test_a_model_sees_what_its_name_says(model: ToyModel) -> None:
    assert influence(model) == SEES[model.name]
    ahead = any(s > t for t, seen in enumerate(SEES[model.name]) for s in seen)
    assert ahead == (model in LEAKY)


@pytest.mark.parametrize("model", HONEST, ids=repr)
def test_an_honest_model_gives_the_same_bits_on_any_prefix_and_batch(model: ToyModel) -> None:
    whole = model(TOKENS)
    assert whole.shape == (2, 7, 11)
    for n in range(1, 8):
        assert torch.equal(model(TOKENS[:, :n]), whole[:, :n])
        assert torch.equal(model(TOKENS[1:]), whole[1:])
        assert torch.equal(model(TOKENS.repeat(n, 1))[-2:], whole)


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (TOKENS + 1, ["token 11", "0 to 10", "remainder"]),
        (TOKENS - 1, ["token -1", "0 to 10"]),
        (TOKENS[0], ["shape (7,)", "(B, T)", "tokens[None]"]),
    ],
)
def test_tokens_that_no_model_knows_are_refused(tokens: torch.Tensor, words: list[str]) -> None:
    for model in (*HONEST, *LEAKY):
        with pytest.raises(ValueError) as refusal:
            model(tokens)
        assert not [word for word in words if word not in str(refusal.value)], refusal.value
