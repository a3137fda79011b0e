"""Writing and judging: what is drawn and how often, and two losses that agree only for an honest model."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lecturelib import language
from lecturelib.transformer import LanguageModel
from tests.strategies import normal, seeds, sizes
from tests.twins import random_weights

VOCAB_SIZE = 7


class Table(nn.Module):
    """A model that looks at the last token alone, and remembers how many it was given."""

    def __init__(self, scores: torch.Tensor, max_len: int | None = None) -> None:
        super().__init__()
        self.scores, self.seen = scores, list[torch.Tensor]()
        if max_len is not None:
            self.max_len = max_len

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        self.seen.append(tokens)
        self.kept_a_graph = torch.is_grad_enabled()
        return self.scores[tokens]


class Peeking(nn.Module):
    """A model that copies the token it is asked for from the place behind, where there is one."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        scores = torch.zeros(*tokens.shape, VOCAB_SIZE, dtype=torch.float64)
        scores[:, :-1].scatter_(-1, tokens[:, 1:, None], 20.0)
        return scores


def honest(seed: int, max_len: int = 11) -> LanguageModel:
    return random_weights(LanguageModel(VOCAB_SIZE, 6, 2, 2, max_len), seed)


def tokens_of(b: int, t: int, seed: int) -> torch.Tensor:
    return torch.randint(VOCAB_SIZE, (b, t), generator=torch.Generator().manual_seed(seed))


# ---- the two losses ----


@given(sizes(2), seeds)
def test_next_token_loss_is_the_mean_surprise(shape: list[int], seed: int) -> None:
    b, t = shape
    model, tokens = honest(seed), tokens_of(b, t + 1, seed)
    surprise = []
    for row in tokens.tolist():
        for step in range(t):
            scores = model(torch.tensor([row[: step + 1]]))[0, -1].tolist()
            surprise.append(math.log(sum(math.exp(score) for score in scores)) - scores[row[step + 1]])
    assert language.next_token_loss(model, (tokens,)).item() == pytest.approx(sum(surprise) / len(surprise), rel=1e-9)


@given(sizes(2), seeds)
def test_the_losses_agree_for_an_honest_model(shape: list[int], seed: int) -> None:
    b, t = shape
    model, tokens = honest(seed), tokens_of(b, t + 1, seed)
    parallel = language.next_token_loss(model, (tokens,)).item()
    assert language.left_to_right_loss(model, tokens) == pytest.approx(parallel, rel=1e-9)


def test_the_losses_part_for_a_model_that_looks_ahead() -> None:
    tokens = tokens_of(3, 12, 1)
    # all but the last token are copied; left to right every token is the last
    assert language.next_token_loss(Peeking(), (tokens,)).item() < 1.01 * math.log(VOCAB_SIZE) / 11
    assert language.left_to_right_loss(Peeking(), tokens) == pytest.approx(math.log(VOCAB_SIZE))


def test_one_loss_trains_and_the_other_only_looks() -> None:
    model, tokens = honest(1), tokens_of(3, 8, 1)
    assert isinstance(language.left_to_right_loss(model, tokens), float)
    assert all(each.grad is None for each in model.parameters())
    assert language.next_token_loss(model, (tokens,)).requires_grad
    assert torch.is_grad_enabled()


def test_four_strings_are_learned_by_heart() -> None:
    torch.manual_seed(0)
    # after the first symbol all that follows is sure
    tokens = torch.tensor([[0, 4, 4, 5, 6, 4], [1, 6, 5, 4, 4, 5], [2, 5, 4, 6, 6, 6], [3, 4, 6, 4, 5, 5]])
    model = LanguageModel(VOCAB_SIZE, 16, 2, 2, 6)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(80):
        optimizer.zero_grad()
        language.next_token_loss(model, (tokens,)).backward()
        optimizer.step()
    assert language.left_to_right_loss(model, tokens) < 0.05
    assert torch.equal(language.generate(model, tokens[:, :1], 5, temperature=0), tokens)


# ---- writing ----


@given(seeds, sizes(2), st.integers(0, 8))
def test_temperature_zero_takes_the_likeliest_by_hand(seed: int, shape: list[int], steps: int) -> None:
    b, t = shape
    model, prompt = honest(seed, max_len=20), tokens_of(b, t, seed)
    expected = prompt.tolist()
    for _ in range(steps):
        for row in expected:
            row.append(int(model(torch.tensor([row]))[0, -1].argmax()))
    written = language.generate(model, prompt, steps, temperature=0, seed=seed)
    assert written.tolist() == expected
    assert language.generate(model, prompt, steps, top_k=1, seed=seed).tolist() == expected


def test_a_seed_says_all() -> None:
    model, prompt = honest(1), tokens_of(2, 3, 1)
    text = language.generate(model, prompt, 30, seed=3)
    assert text.shape == (2, 33) and torch.equal(text[:, :3], prompt)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    assert torch.equal(language.generate(model, prompt, 30, seed=3), text)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(language.generate(model, prompt, 30, seed=4), text)
    assert torch.equal(language.generate(model, prompt, 30), language.generate(model, prompt, 30, seed=0))


def test_the_prompt_is_left_as_it_was() -> None:
    prompt = tokens_of(2, 3, 1)
    kept = prompt.clone()
    language.generate(honest(1), prompt, 5)
    assert torch.equal(prompt, kept)
    assert torch.equal(language.generate(honest(1), prompt, 0), kept)


def test_the_model_sees_the_last_tokens_that_fit() -> None:
    model = Table(normal(VOCAB_SIZE, VOCAB_SIZE, seed=1), max_len=5)
    text = language.generate(model, tokens_of(2, 3, 1), 8, seed=1)
    assert [each.shape[1] for each in model.seen] == [3, 4, 5, 5, 5, 5, 5, 5]
    for step, each in enumerate(model.seen):
        assert torch.equal(each, text[:, max(0, step - 2) : step + 3])
    # a true model too writes on past its positions, and a long prompt is cut
    assert language.generate(honest(1, max_len=5), tokens_of(2, 3, 1), 8).shape == (2, 11)
    assert language.generate(honest(1, max_len=5), tokens_of(2, 9, 1), 1).shape == (2, 10)


def test_a_model_without_a_limit_sees_everything() -> None:
    model = Table(normal(VOCAB_SIZE, VOCAB_SIZE, seed=1))
    language.generate(model, tokens_of(2, 3, 1), 4)
    assert [each.shape[1] for each in model.seen] == [3, 4, 5, 6]


def test_writing_yields_what_generate_appends() -> None:
    model, prompt = honest(1), tokens_of(2, 3, 1)
    options = {"temperature": 0.7, "top_k": 3, "seed": 5}
    steps = list(language.writing(model, prompt, 9, **options))
    assert [tuple(each.shape) for each in steps] == [(2,)] * 9
    assert torch.equal(torch.stack(steps, dim=1), language.generate(model, prompt, 9, **options)[:, 3:])


def test_writing_waits_to_be_asked_and_leaves_gradients_on() -> None:
    model = Table(normal(VOCAB_SIZE, VOCAB_SIZE, seed=1).requires_grad_())
    steps = language.writing(model, tokens_of(2, 3, 1), 1000)
    for count, _ in enumerate(itertools.islice(steps, 3), start=1):
        assert len(model.seen) == count
        assert torch.is_grad_enabled() and not model.kept_a_graph


# ---- one draw ----


def shares(scores: list[float], temperature: float, top_k: int | None) -> list[float]:
    """Return how often each of 20,000 draws is which token."""
    rows = torch.tensor([scores], dtype=torch.float64).expand(20_000, -1)
    drawn = language.draw(rows, temperature, top_k, torch.Generator().manual_seed(1))
    assert drawn.shape == (20_000,)
    return (drawn.bincount(minlength=len(scores)) / 20_000).tolist()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("top_k", [None, 2, 3, 9])
def test_tokens_come_as_often_as_the_scores_say(temperature: float, top_k: int | None) -> None:
    scores = [0.3, 1.5, -0.4, 0.9, -1.0]
    kept = sorted(scores)[-(top_k or 5) :]
    powers = [math.exp(score / temperature) if score in kept else 0.0 for score in scores]
    for share, power in zip(shares(scores, temperature, top_k), powers, strict=True):
        p = power / sum(powers)
        assert share == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / 20_000) + 1e-6 * (p > 0))


@given(sizes(2), seeds, st.integers(1, 7))
def test_each_row_is_drawn_from_its_own_likeliest(shape: list[int], seed: int, top_k: int) -> None:
    b, symbols = shape
    scores = normal(b, symbols, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(10):
        drawn = language.draw(scores, 5.0, top_k, generator)
        above = (scores > scores.gather(1, drawn[:, None])).sum(1)
        assert (above < top_k).all()
    assert torch.equal(language.draw(scores, 0, top_k, generator), scores.argmax(1))
    assert torch.equal(language.draw(scores, 1e-9, None, generator), scores.argmax(1))


@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_no_more_than_top_k_are_drawn_where_all_are_equal(top_k: int) -> None:
    drawn = language.draw(torch.zeros(200, 5), 1.0, top_k, torch.Generator().manual_seed(1))
    assert len(drawn.unique()) == top_k


# ---- refusals ----

MODEL = Table(torch.zeros(VOCAB_SIZE, VOCAB_SIZE))
PROMPT = torch.zeros(2, 3, dtype=torch.long)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: language.next_token_loss(MODEL, (PROMPT[:, :1],)), ["(2, 1)", "(B, T + 1)", "at least 2"]),
        (lambda: language.next_token_loss(MODEL, (PROMPT[0],)), ["(3,)", "(B, T + 1)"]),
        (lambda: language.next_token_loss(MODEL, (PROMPT[:0],)), ["(0, 3)", "(B, T + 1)"]),
        (lambda: language.left_to_right_loss(MODEL, PROMPT[:, :1]), ["(2, 1)", "at least 2"]),
        (lambda: language.left_to_right_loss(MODEL, PROMPT[0]), ["(3,)", "(B, T + 1)"]),
        (lambda: language.generate(MODEL, PROMPT[0], 5), ["(3,)", "(B, T)"]),
        (lambda: language.generate(MODEL, PROMPT[:, :0], 5), ["(2, 0)", "at least one token"]),
        (lambda: language.generate(MODEL, PROMPT, -1), ["steps=-1", "0 or more"]),
        (lambda: language.generate(MODEL, PROMPT, 5, temperature=-0.5), ["temperature=-0.5", "0 or more"]),
        (lambda: language.generate(MODEL, PROMPT, 5, top_k=0), ["top_k=0", "1 or more", "None"]),
        (lambda: language.generate(MODEL, PROMPT, 5, temperature=math.nan), ["temperature=nan", "finite"]),
        (lambda: language.generate(MODEL, PROMPT, 5, temperature=math.inf), ["temperature=inf", "finite"]),
        (lambda: language.draw(torch.zeros(2, 5), -1.0, None, None), ["temperature=-1.0", "0 or more"]),
        (lambda: language.draw(torch.zeros(2, 5), 1.0, 0, None), ["top_k=0", "1 or more"]),
        # refused at the call, not when the first token is asked for
        (lambda: language.writing(MODEL, PROMPT[:, :0], 5), ["(2, 0)", "at least one token"]),
        (lambda: language.writing(MODEL, PROMPT, 5, top_k=-2), ["top_k=-2", "1 or more"]),
        (lambda: language.generate(honest(1), PROMPT + 7, 1), ["7 to 7", "0 to 6"]),
        (lambda: language.check_prompt(PROMPT[0], 5), ["(3,)", "(B, T)"]),
        (lambda: language.check_prompt(PROMPT[:0], 5), ["(0, 3)", "at least one token"]),
        (lambda: language.check_prompt(PROMPT, -1), ["steps=-1", "0 or more"]),
        (lambda: language.check_draw(-0.1, None), ["temperature=-0.1", "0 or more"]),
        (lambda: language.check_draw(math.nan, None), ["temperature=nan", "finite"]),
        (lambda: language.check_draw(math.inf, 3), ["temperature=inf", "finite"]),
        (lambda: language.check_draw(1.0, 0), ["top_k=0", "1 or more", "None"]),
        (lambda: language.check_draw(0.0, -1), ["top_k=-1", "1 or more"]),
    ],
)
def test_bad_input_is_refused_in_words(call, words: list[str]) -> None:
    with pytest.raises(ValueError) as refusal:
        call()
    assert not [word for word in words if word not in str(refusal.value)], refusal.value


@given(sizes(2), st.integers(0, 5), st.floats(0, 1e6), st.sampled_from([None, 1, 7, 10**6]))
def test_what_is_right_is_let_pass(shape: list[int], steps: int, temperature: float, top_k: int | None) -> None:
    b, t = shape
    language.check_prompt(tokens_of(b, t, 1), steps)
    language.check_draw(temperature, top_k)
