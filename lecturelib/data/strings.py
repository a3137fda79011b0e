"""Strings of which the rule is known: bits, walks through an automaton, spoilt walks, and a^n b^n.

Source: generated here, from a seed; nothing is downloaded, nothing has a licence, nothing repeats between seeds.
An automaton is anything with `table`, `accepting`, `alphabet` and `start`, such as `lecturelib.automata.DFA`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import numpy as np

from lecturelib.edges import check_whole


class Automaton(Protocol):
    """What a walk needs to know of an automaton."""

    @property
    def table(self) -> np.ndarray: ...
    @property
    def accepting(self) -> Collection[int]: ...
    @property
    def alphabet(self) -> str: ...
    @property
    def start(self) -> int: ...
    def legal_next(self, state: int, /) -> str: ...
    def accepts(self, string: str, /) -> bool: ...


def random_strings(n: int, length: int, alphabet: str = "01", *, seed: int) -> list[str]:
    """Draw n strings of one length, every symbol equally likely.

    Raises: ValueError for a count or a length below 1, and an empty alphabet.

    >>> random_strings(2, 5, seed=0)
    ['11100', '00001']
    """
    check_whole(n=n, length=length)
    if not alphabet:
        raise ValueError("the alphabet is empty: expected at least one symbol, such as '01'")
    picks = np.random.default_rng(seed).integers(len(alphabet), size=(n, length))
    return ["".join(alphabet[k] for k in row) for row in picks]


def legal_strings(automaton: Automaton, n: int, *, seed: int) -> list[str]:
    """Draw n accepted strings: walk from the start, each legal symbol equally likely, until the automaton accepts.

    Raises: ValueError for a count below 1, and for an automaton that accepts nothing.

    >>> from lecturelib.automata import reber
    >>> legal_strings(reber(), 3, seed=0)
    ['BPVVE', 'BTSSSSSXXVVE', 'BPVVE']
    """
    check_whole(n=n)
    rng = np.random.default_rng(seed)
    return [_walk(automaton, rng) for _ in range(n)]


def spoilt_strings(automaton: Automaton, n: int, *, seed: int) -> list[str]:
    """Draw n strings that are illegal by one symbol: a legal string, one of its symbols replaced by another one.

    Raises: ValueError for a count below 1, and for an automaton that accepts nothing or that no spoilt symbol makes
        reject.

    >>> from lecturelib.automata import reber
    >>> [reber().accepts(s) for s in spoilt_strings(reber(), 3, seed=0)]
    [False, False, False]
    """
    check_whole(n=n)
    rng = np.random.default_rng(seed)
    found: list[str] = []
    misses = 0  # in a row
    while len(found) < n:
        string = _walk(automaton, rng)
        if misses == 1000 or not string:
            raise ValueError(
                "the automaton accepts its legal strings also with one symbol replaced, or accepts the empty string: "
                "expected one that a wrong symbol makes reject, such as reber()"
            )
        misses += 1
        place = int(rng.integers(len(string)))
        spoilt = string[:place] + automaton.alphabet[rng.integers(len(automaton.alphabet))] + string[place + 1 :]
        if not automaton.accepts(spoilt):
            found.append(spoilt)
            misses = 0
    return found


def counting_string(n: int) -> str:
    """Return $ a^n b^n $: a start sign, n times a, n times b, and the stop sign.

    Raises: ValueError for a count below 1.

    >>> counting_string(2)
    '$aabb$'
    """
    check_whole(n=n)
    return "$" + "a" * n + "b" * n + "$"


def numbers(string: str, alphabet: str) -> list[int]:
    """Return the place of each character in `alphabet`: the token numbers that a network reads.

    Raises: ValueError for a character that is not in the alphabet.

    >>> numbers("10", alphabet="01")
    [1, 0]
    """
    unknown = sorted(set(string) - set(alphabet))
    if unknown:
        raise ValueError(f"symbols {unknown} in {string!r} are unknown: expected only {list(alphabet)}")
    return [alphabet.index(character) for character in string]


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
    rng = np.random.default_rng(seed)
    answers = rng.integers(keys, size=n)
    return np.concatenate([answers[:, None], rng.integers(keys, keys + noise, size=(n, delay))], axis=1), answers


def one_key(
    n: int, length: int, keys: int = 4, noise: int = 4, *, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw n sequences of noise with one key at a random place in the first three quarters; the answer is the key.

    Returns: tokens (n, length), numbers below `keys` for keys and from there on for noise; answers (n,), places (n,).
    Raises: ValueError for a count below 1, or a length below 4.

    >>> tokens, answers, places = one_key(2, length=8, seed=0)
    >>> tokens[[0, 1], places] == answers
    array([ True,  True])
    """
    check_whole(n=n, length=length, keys=keys, noise=noise)
    if length < 4:
        raise ValueError(f"length={length}: expected at least 4, so that something follows the key")
    rng = np.random.default_rng(seed)
    tokens = rng.integers(keys, keys + noise, size=(n, length))
    answers, places = rng.integers(keys, size=n), rng.integers(3 * length // 4, size=n)
    tokens[np.arange(n), places] = answers
    return tokens, answers, places


def _walk(automaton: Automaton, rng: np.random.Generator) -> str:
    state, string = automaton.start, ""
    while state not in automaton.accepting:
        legal = automaton.legal_next(state)
        if not legal:
            raise ValueError("the automaton accepts no string: expected one whose accepting state can be reached")
        symbol = legal[rng.integers(len(legal))]
        state, string = int(automaton.table[state, automaton.alphabet.index(symbol)]), string + symbol
    return string
