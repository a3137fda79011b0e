"""Strings of which the rule is known: bits, walks through an automaton, keys and counts.

Source: generated here, from a seed; nothing is downloaded, nothing has a licence, nothing repeats between seeds.
An automaton is anything with `table`, `accepting`, `alphabet`, `start` and `legal_next`, such as
`lecturelib.automata.DFA`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from lecturelib.edges import check_whole


def random_strings(n: int, length: int, alphabet: str = "01", *, seed: int) -> list[str]:
    """Draw n strings of one length, every symbol equally likely.

    Raises: ValueError for a count or a length below 1, and an empty alphabet.

    >>> random_strings(2, 5, seed=0)
    ['11100', '00001']
    """
    check_whole(n=n, length=length)
    check_whole(0, seed=seed)
    if not alphabet:
        raise ValueError("the alphabet is empty: expected at least one symbol, such as '01'")
    picks = np.random.default_rng(seed).integers(len(alphabet), size=(n, length))
    return ["".join(alphabet[k] for k in row) for row in picks]


def legal_strings(automaton: Any, n: int, *, seed: int) -> list[str]:
    """Draw n accepted strings: walk from the start, each legal symbol equally likely, until the automaton accepts.

    Raises: ValueError for a count below 1, and for an automaton that accepts nothing.

    >>> from lecturelib.automata import DFA
    >>> legal_strings(DFA([[0, 1], [1, 1]], accepting=[1], alphabet="ab"), 3, seed=0)
    ['b', 'b', 'b']
    """
    check_whole(n=n)
    check_whole(0, seed=seed)
    rng = np.random.default_rng(seed)
    strings = []
    for _ in range(n):
        state, string = automaton.start, ""
        while state not in automaton.accepting:
            legal = automaton.legal_next(state)
            if not legal:
                raise ValueError("the automaton accepts no string: expected one whose accepting state can be reached")
            string += legal[rng.integers(len(legal))]
            state = int(automaton.table[state, automaton.alphabet.index(string[-1])])
        strings.append(string)
    return strings


def numbers(string: str, alphabet: str) -> list[int]:
    """Return the place of each character in `alphabet`: the token numbers that a network reads.

    Raises: ValueError for a character that is not in the alphabet.

    >>> numbers("10", alphabet="01")
    [1, 0]
    """
    if unknown := sorted(set(string) - set(alphabet)):
        raise ValueError(f"symbols {unknown} in {string!r} are unknown: expected only {list(alphabet)}")
    return [alphabet.index(character) for character in string]


def to_tokens(strings: Sequence[str], alphabet: str) -> torch.Tensor:
    """Return strings of one length as the numbers of their symbols, which is what a network reads.

    Shapes: B strings of length T; returns (B, T).
    Raises: ValueError for a character that is not in the alphabet, and strings of unequal length.

    >>> to_tokens(["ab", "ba"], "ab")
    tensor([[0, 1],
            [1, 0]])
    """
    if len(lengths := {len(string) for string in strings}) != 1:
        raise ValueError(f"strings of lengths {sorted(lengths)}: expected one length; lengths.pad fills up short ones")
    return torch.tensor([numbers(string, alphabet) for string in strings])


def first_symbol(n: int, delay: int, keys: int = 4, noise: int = 4, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw n sequences for the recall task: one key, then `delay` noise symbols; the answer is the key.

    Returns: tokens (n, delay + 1), numbers below `keys` for keys and from there on for noise; answers (n,).
    Raises: ValueError for a count below 1.

    >>> tokens, answers = first_symbol(2, delay=3, seed=0)
    >>> tokens, answers
    (array([[3, 6, 5, 5],
           [2, 4, 4, 4]]), array([3, 2]))
    """
    check_whole(n=n, delay=delay, keys=keys, noise=noise)
    check_whole(0, seed=seed)
    rng = np.random.default_rng(seed)
    answers = rng.integers(keys, size=n)
    return np.concatenate([answers[:, None], rng.integers(keys, keys + noise, size=(n, delay))], axis=1), answers


def since_reset(n: int, length: int, reset: float = 0.1, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw n strings to count in: how many 0s stood since the last 2? Three in ten symbols are 0, `reset` of them 2.

    Returns: tokens (n, length) of 0, 1 and 2; answers (n, length), the count after each symbol, at most 9.
    Raises: ValueError for a count below 1, and a share of resets outside 0 to 0.7.

    >>> tokens, answers = since_reset(1, 12, seed=4)
    >>> tokens, answers
    (array([[2, 1, 2, 0, 1, 1, 1, 0, 1, 1, 2, 1]]), array([[0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 0, 0]]))
    """
    check_whole(n=n, length=length)
    check_whole(0, seed=seed)
    if not 0 <= reset <= 0.7:
        raise ValueError(f"reset={reset}: expected a share from 0 to 0.7, since 0.3 of the symbols are counted")
    tokens = np.random.default_rng(seed).choice(3, size=(n, length), p=[0.3, 0.7 - reset, reset])
    total = (tokens == 0).cumsum(axis=1)
    until_reset = np.maximum.accumulate(np.where(tokens == 2, total, 0), axis=1)  # counted before the last reset
    return tokens, np.minimum(total - until_reset, 9)
