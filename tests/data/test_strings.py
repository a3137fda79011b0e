"""Generated strings: legal as they should be, and from their seed alone."""

import numpy as np
import pytest
import torch

from lecturelib.automata import DFA
from lecturelib.data import strings
from tests.mutants import Mutant, planted
from tests.tools import global_generators_left_alone, refuses, roughly_uniform

# one pair of brackets of one kind around letters; a language without a trap
BRACKETS = DFA([[4, 4, 1, 4, 2, 4], [1, 1, 4, 3, 4, 4], [2, 2, 4, 4, 4, 3], [4] * 6, [4] * 6], [3], "ab()[]")
GRAMMARS = [BRACKETS, DFA([[1, 2], [1, 2], [2, 1]], [2], "ab")]
DRAWS = {
    "random": lambda seed: strings.random_strings(7, 11, "abc", seed=seed),
    "legal": lambda seed: strings.legal_strings(BRACKETS, 7, seed=seed),
    "first symbol": lambda seed: [each.tolist() for each in strings.first_symbol(7, 5, seed=seed)],
    "since reset": lambda seed: [each.tolist() for each in strings.since_reset(7, 11, seed=seed)],
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_seed_says_all_and_the_global_generators_are_left_alone(draw) -> None:
    with global_generators_left_alone():
        assert draw(3) == draw(3)
        assert draw(3) != draw(4)


def test_random_strings_hold_every_symbol_equally_often() -> None:
    drawn = strings.random_strings(1000, 11, "abcde", seed=1)
    assert [len(string) for string in drawn] == [11] * 1000
    for place in range(11):
        assert roughly_uniform([string[place] for string in drawn], "abcde")


@pytest.mark.parametrize("grammar", GRAMMARS, ids=lambda grammar: f"{len(grammar.table)} states")
def test_legal_strings_are_accepted_at_their_end_and_not_before(grammar: DFA) -> None:
    drawn = strings.legal_strings(grammar, 200, seed=1)
    assert len(drawn) == 200 and len(set(drawn)) > 5
    for string in drawn:
        assert grammar.accepts(string)
        assert not any(grammar.accepts(string[:cut]) for cut in range(len(string)))


def test_each_legal_symbol_comes_equally_often() -> None:
    grammar = BRACKETS
    followers: dict[int, list[str]] = {}
    for string in strings.legal_strings(grammar, 2000, seed=1):
        for state, symbol in zip(grammar.run(string), string, strict=False):
            followers.setdefault(state, []).append(symbol)
    assert sorted(followers) == [0, 1, 2]
    for state, drawn in followers.items():
        assert roughly_uniform(drawn, grammar.legal_next(state))


def test_numbers_are_places_in_the_alphabet() -> None:
    assert strings.numbers("BTE", "BTSXPVE") == [0, 1, 6]
    assert strings.to_tokens(["ab$", "$$a"], "$ab").tolist() == [[1, 2, 0], [0, 0, 1]]
    assert strings.to_tokens(["b"], "ab").dtype == torch.int64


def test_first_symbol_shows_the_key_first_and_noise_after() -> None:
    tokens, answers = strings.first_symbol(3000, delay=5, keys=3, noise=4, seed=1)
    assert tokens.shape == (3000, 6) and answers.shape == (3000,)
    assert (tokens[:, 0] == answers).all()
    assert roughly_uniform([str(key) for key in answers], "012")
    for place in range(1, 6):
        assert roughly_uniform([str(token) for token in tokens[:, place]], "3456")
        assert abs(np.corrcoef(tokens[:, place], answers)[0, 1]) < 0.1


def test_what_is_counted_begins_anew_at_each_reset() -> None:
    tokens, answers = strings.since_reset(300, length=60, seed=1)
    assert tokens.shape == answers.shape == (300, 60)
    for row, counts in zip(tokens, answers, strict=True):
        count = 0
        for token, answer in zip(row, counts, strict=True):
            count = 0 if token == 2 else count + (token == 0)
            assert answer == min(count, 9)
    shares = [(tokens == token).mean() for token in range(3)]
    assert np.allclose(shares, [0.3, 0.6, 0.1], atol=0.02)
    assert (strings.since_reset(9, 50, reset=0, seed=1)[0] < 2).all()


NOTHING = DFA([[0, 0]], [], "ab")

test_bad_input_is_refused_in_words = refuses(
    (lambda: strings.random_strings(0, 5, seed=0), ["n=0", "1 or more"]),
    *((lambda draw=draw: draw(None), ["seed=None", "0 or more"]) for draw in DRAWS.values()),
    (lambda: strings.random_strings(5, 5, "", seed=0), ["alphabet is empty", "at least one"]),
    (lambda: strings.legal_strings(NOTHING, 1, seed=0), ["accepts no string", "can be reached"]),
    (lambda: strings.to_tokens(["01", "1"], "01"), ["[1, 2]", "one length", "pad"]),
    (lambda: strings.to_tokens(["01", "1x"], "01"), ["['x']", "'1x'", "['0', '1']"]),
    (lambda: strings.first_symbol(5, 0, seed=0), ["delay=0", "1 or more"]),
    (lambda: strings.since_reset(5, 3, 0.8, seed=0), ["reset=0.8", "0 to 0.7", "are counted"]),
)


# ---- mutants ----

COUNTED = test_what_is_counted_begins_anew_at_each_reset

test_mutants = planted(
    strings,
    [
        Mutant("legal[rng.integers(len(legal))]", "legal[-1]", test_each_legal_symbol_comes_equally_often),
        Mutant("np.where(tokens == 2, total, 0)", "np.where(tokens == 2, total - 1, 0)", COUNTED),
    ],
)
