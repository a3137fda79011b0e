"""Automata against definitions that share no code with them: matrices, brute force, walking two at once."""

from itertools import combinations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from lecturelib import automata
from tests.mutants import Mutant, planted
from tests.strategies import counter, dfas
from tests.tools import refuses


def mutable(dfa: automata.DFA) -> automata.DFA:
    """Build the drawn automaton again with the class of the module under test."""
    return automata.DFA(dfa.table, dfa.accepting, dfa.alphabet, start=dfa.start, names=dfa.names)


def matrices(dfa: automata.DFA) -> dict[str, np.ndarray]:
    """Return one 0-1 matrix for each symbol: entry (s, t) is 1 where it leads from s to t."""
    return {a: np.eye(len(dfa.table), dtype=int)[dfa.table[:, k]] for k, a in enumerate(dfa.alphabet)}


def pairs(a: automata.DFA, b: automata.DFA) -> set[tuple[int, int]]:
    """Return the pairs of states in which the two can be after one and the same string."""
    seen, new = set(), {(a.start, b.start)}
    while new:
        seen |= new
        new = {(int(s), int(t)) for p, q in new for s, t in zip(a.table[p], b.table[q], strict=True)} - seen
    return seen


def same_language(a: automata.DFA, b: automata.DFA) -> bool:
    return all((p in a.accepting) == (q in b.accepting) for p, q in pairs(a, b))


@given(dfas(), st.lists(st.integers(0, 2), max_size=11))
def test_run_multiplies_the_matrices_of_the_symbols(drawn: automata.DFA, picks: list[int]) -> None:
    dfa = mutable(drawn)
    string = "".join(dfa.alphabet[k % len(dfa.alphabet)] for k in picks)
    at = np.eye(len(dfa.table), dtype=int)[dfa.start]
    expected = [dfa.start]
    for a in string:
        at = at @ matrices(dfa)[a]
        expected.append(int(at.argmax()))
    assert dfa.run(string) == expected
    assert dfa.verdicts([string, ""]) == [[s in dfa.accepting for s in expected], [dfa.start in dfa.accepting]]
    assert dfa.accepts(string) == (expected[-1] in dfa.accepting)


@given(dfas())
@example(automata.DFA([[1], [2], [3], [4], [4]], [4], "a"))  # one round of splitting is not enough
def test_minimize_keeps_the_language_in_as_few_states_as_can_be_numbered_by_first_visit(drawn: automata.DFA) -> None:
    small = mutable(drawn).minimize()
    n = len(small.table)
    assert same_language(small, drawn)
    starts = [automata.DFA(small.table, small.accepting, small.alphabet, start=s) for s in range(n)]
    assert not [(p, q) for p, q in combinations(range(n), 2) if same_language(starts[p], starts[q])]
    assert {p for p, _ in pairs(small, small)} == set(range(n)) and small.start == 0
    visits = [0, *small.table.flatten().tolist()]
    assert n == 1 or list(dict.fromkeys(visits)) == list(range(n))


def test_minimize_keeps_the_names_of_the_earliest_states() -> None:
    dfa = automata.DFA([[0, 0], [2, 3], [1, 1], [1, 1]], [1], "ab", start=1, names=["?", "start", "one", "two"])
    assert dfa.minimize().names == ["start", "one"]


@given(dfas(alphabet="ab"), dfas(alphabet="ab"), st.randoms(use_true_random=False))
def test_equivalent_agrees_with_walking_both_at_once(drawn: automata.DFA, other: automata.DFA, chance) -> None:
    dfa, n = mutable(drawn), len(drawn.table)
    assert dfa.equivalent(mutable(other)) == same_language(drawn, other)
    place = list(range(n))
    chance.shuffle(place)
    table = [[place[t] for t in dfa.table[place.index(s)]] for s in range(n)]
    assert dfa.equivalent(automata.DFA(table, [place[s] for s in dfa.accepting], "ab", start=place[dfa.start]))
    assert not dfa.equivalent(automata.DFA(dfa.table, set(range(n)) - dfa.accepting, "ab", start=dfa.start))


@given(dfas())
def test_legal_next_are_the_symbols_after_which_acceptance_can_be_reached(drawn: automata.DFA) -> None:
    dfa = mutable(drawn)
    n = len(dfa.table)
    moves = matrices(dfa)
    one = np.eye(n, dtype=int) + sum(moves.values())
    reach = np.linalg.matrix_power(one, n) > 0  # in at most n moves
    accepted = np.isin(np.arange(n), list(dfa.accepting))
    for s in range(n):
        expected = "".join(a for a in dfa.alphabet if (reach[moves[a][s].argmax()] & accepted).any())
        assert dfa.legal_next(s) == expected


test_bad_input_is_refused_in_words = refuses(
    (lambda: automata.DFA([[0, None]], [0], "ab"), ["state 0", "'b'", "None", "trap"]),
    (lambda: automata.DFA([[0, 1], [-1, 0]], [0], "ab"), ["state 1", "'a'", "-1", "0 to 1", "trap"]),
    (lambda: automata.DFA([[0, 0], [0]], [0], "ab"), ["row 1", "1 entries", "expected 2"]),
    (lambda: automata.DFA([[0, 0]], [1], "ab"), ["state 1", "1 rows", "expected 0 to 0"]),
    (lambda: automata.DFA([[0, 0]], [0], "aa"), ["'aa'", "only once"]),
    (lambda: counter(2).run("012"), ["'2'", "['0', '1']"]),
    (lambda: counter(2).legal_next(-1), ["state -1", "2 rows", "0 to 1"]),
    (lambda: counter(2).equivalent(automata.DFA([[0]], [0], "a")), ["'01'", "'a'", "same symbols"]),
)


MATRICES = test_run_multiplies_the_matrices_of_the_symbols
FEWEST = test_minimize_keeps_the_language_in_as_few_states_as_can_be_numbered_by_first_visit
LEGAL = test_legal_next_are_the_symbols_after_which_acceptance_can_be_reached

test_mutants = planted(
    automata,
    [
        Mutant("self.step(states[-1], symbol)", "self.step(states[0], symbol)", MATRICES),
        Mutant("if len(number) == len(set(group.values())):", "if True:", FEWEST),
        Mutant("(group[s], *(group", "(s, group[s], *(group", FEWEST),
        Mutant("if t in self._alive)", "if t in self.accepting)", LEGAL),
        Mutant("for state in self.run(string)]", "for state in self.run(string)[1:]]", MATRICES),
    ],
)
