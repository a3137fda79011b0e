"""Writing and judging: what is drawn and how often, and two losses that agree only for an honest model."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lecturelib import language
from lecturelib.transformer import LanguageModel
from tests.mutants import Mutant, planted
from tests.strategies import normal, seeds, sizes, tokens_of
from tests.tools import global_generators_left_alone, refuses
from tests.twins import random_weights

VOCAB_SIZE = 7


class Table(nn.Module):
    """A model that looks at the last token alone, and remembers how many it was given."""

    def __init__(self, logits: torch.Tensor, max_len: int | None = None) -> None:
        super().__init__()
        self.logits, self.seen = logits, list[torch.Tensor]()
        if max_len is not None:
            self.max_len = max_len

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        self.seen.append(tokens)
        return self.logits[tokens]


class Peeking(nn.Module):
    """A model that copies the token it is asked for from the place behind, where there is one."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(*tokens.shape, VOCAB_SIZE, dtype=torch.float64)
        logits[:, :-1].scatter_(-1, tokens[:, 1:, None], 20.0)
        return logits


def honest(seed: int, max_len: int = 11) -> LanguageModel:
    return random_weights(LanguageModel(VOCAB_SIZE, 6, 2, 2, max_len), seed)


@given(sizes(2), seeds)
def test_both_losses_of_an_honest_model_are_the_mean_surprise(shape: list[int], seed: int) -> None:
    b, t = shape
    model, tokens = honest(seed), tokens_of(b, t + 1, seed)
    surprise = []
    for row in tokens.tolist():
        for step in range(t):
            logits = model(torch.tensor([row[: step + 1]]))[0, -1].tolist()
            surprise.append(math.log(sum(math.exp(each) for each in logits)) - logits[row[step + 1]])
    mean = pytest.approx(sum(surprise) / len(surprise), rel=1e-9)
    loss = language.next_token_loss(model, (tokens,))  # trains; the other only looks
    assert loss.requires_grad and loss.item() == mean
    assert language.left_to_right_loss(model, tokens) == mean and torch.is_grad_enabled()


def test_the_losses_part_for_a_model_that_looks_ahead() -> None:
    tokens = tokens_of(3, 12, 1)
    # all but the last token are copied; left to right every token is the last
    assert language.next_token_loss(Peeking(), (tokens,)).item() < 1.01 * math.log(VOCAB_SIZE) / 11
    assert language.left_to_right_loss(Peeking(), tokens) == pytest.approx(math.log(VOCAB_SIZE))


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
    with global_generators_left_alone():
        assert torch.equal(language.generate(model, prompt, 30, seed=3), text)
    assert not torch.equal(language.generate(model, prompt, 30, seed=4), text)


def test_the_model_sees_the_last_tokens_that_fit() -> None:
    model = Table(normal(VOCAB_SIZE, VOCAB_SIZE, seed=1), max_len=5)
    text = language.generate(model, tokens_of(2, 3, 1), 8, seed=1)
    assert [each.shape[1] for each in model.seen] == [3, 4, 5, 5, 5, 5, 5, 5]
    for step, each in enumerate(model.seen):
        assert torch.equal(each, text[:, max(0, step - 2) : step + 3])


def test_the_loop_asks_for_the_next_logits_of_the_whole_text_one_token_at_a_time() -> None:
    table, prompt = normal(VOCAB_SIZE, VOCAB_SIZE, seed=1).requires_grad_(), tokens_of(2, 3, 1)
    how, texts = {"temperature": 0.7, "top_k": 3, "seed": 5}, list[torch.Tensor]()

    def next_logits(text: torch.Tensor) -> torch.Tensor:
        assert not torch.is_grad_enabled()
        texts.append(text)
        return table[text[:, -1]]

    expected = language.generate(Table(table), prompt, 9, **how)
    for count, tokens in enumerate(language.write(next_logits, prompt, 9, **how), start=1):
        assert len(texts) == count and torch.is_grad_enabled()  # nothing is computed ahead
        assert torch.equal(texts[-1], expected[:, : count + 2]) and torch.equal(tokens, expected[:, count + 2])
    assert count == 9


@pytest.mark.parametrize("temperature", [0.5, 2.0])
@pytest.mark.parametrize("top_k", [None, 2, 9])
def test_tokens_come_as_often_as_the_logits_say(temperature: float, top_k: int | None) -> None:
    logits, many = torch.tensor([0.3, 1.5, -0.4, 0.9, -1.0], dtype=torch.float64), 20_000
    generator = torch.Generator().manual_seed(1)
    drawn = language._draw(logits.expand(many, -1), temperature, top_k, generator)
    assert drawn.shape == (many,)
    kept = sorted(logits.tolist())[-(top_k or 5) :]
    powers = [math.exp(each / temperature) if each in kept else 0.0 for each in logits.tolist()]
    for count, power in zip(drawn.bincount(minlength=5).tolist(), powers, strict=True):
        p = power / sum(powers)
        assert count / many == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / many) + 1e-6 * (p > 0))
    # no more than k also where all are equal
    alike = language._draw(torch.zeros(200, 9), temperature, top_k, generator)
    assert len(alike.unique()) == (top_k or 9)


MODEL = Table(torch.zeros(VOCAB_SIZE, VOCAB_SIZE))
PROMPT = torch.zeros(2, 3, dtype=torch.long)

test_bad_input_is_refused_in_words = refuses(
    (lambda: language.generate(MODEL, PROMPT[0], 5), ["(3,)", "(B, T)"]),
    # at the call, and not when the first token is asked for
    (lambda: language.write(MODEL, PROMPT[:, :0], 5), ["(2, 0)", "at least one token"]),
    (lambda: language.write(MODEL, PROMPT, 5, temperature=-0.5), ["temperature=-0.5", "0 or more"]),
    (lambda: language.write(MODEL, PROMPT, 5, max_len=6), ["3 tokens and 5 steps", "at most 7", "`generate`"]),
    (lambda: language.next_token_loss(MODEL, (PROMPT[:, :1],)), ["(2, 1)", "(B, T + 1)", "at least 2"]),
    (lambda: language.next_token_loss(MODEL, (PROMPT.int(),)), ["torch.int32", "of torch.int64", "long()"]),
)


LOSS = "F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())"
EACH = "F.cross_entropy(model(tokens[:, :t])[:, -1], tokens[:, t])"

test_mutants = planted(
    language,
    [
        Mutant(LOSS, LOSS.replace("1:]", ":-1]"), test_both_losses_of_an_honest_model_are_the_mean_surprise),
        Mutant(EACH, EACH.replace("[:, :t])[:, -1]", ")[:, t - 1]"),
               test_the_losses_part_for_a_model_that_looks_ahead),
        Mutant("text[:, -max_len:] if", "text[:, :max_len] if", test_the_model_sees_the_last_tokens_that_fit),
        Mutant("(logits / temperature)", "(logits * temperature)", test_tokens_come_as_often_as_the_logits_say),
        Mutant("1, generator=generator)", "1)", test_a_seed_says_all),
        Mutant("@torch.no_grad()\n    def drawn(", "def drawn(",
               test_the_loop_asks_for_the_next_logits_of_the_whole_text_one_token_at_a_time),
    ],
)  # fmt: skip
