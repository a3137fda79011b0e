"""Automata against definitions that share no code with them: matrices, brute force, regular expressions."""

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


def language(dfa: automata.DFA, max_len: int) -> set[str]:
    """Return the accepted strings, found by following all strings at once through the table."""
    level, found = {"": dfa.start}, set()
    for length in range(max_len + 1):
        found |= {string for string, state in level.items() if state in dfa.accepting}
        if length < max_len:
            level = {
                string + a: int(dfa.table[state, k])
                for string, state in level.items()
                for k, a in enumerate(dfa.alphabet)
            }
    return found


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
    assert dfa.accepts(string) == (expected[-1] in dfa.accepting)


@given(dfas())
@example(automata.DFA([[1], [2], [3], [4], [4]], [4], "a"))  # one round of splitting is not enough
def test_minimize_keeps_the_language(drawn: automata.DFA) -> None:
    dfa = mutable(drawn)
    small = dfa.minimize()
    assert language(small, 7) == language(dfa, 7)
    assert small.alphabet == dfa.alphabet


@given(dfas())
def test_minimize_leaves_no_two_equivalent_states_and_none_that_is_unreachable(drawn: automata.DFA) -> None:
    small = mutable(drawn).minimize()
    n = len(small.table)
    starts = [automata.DFA(small.table, small.accepting, small.alphabet, start=s) for s in range(n)]
    assert not [(p, q) for p, q in combinations(range(n), 2) if same_language(starts[p], starts[q])]
    assert {p for p, _ in pairs(small, small)} == set(range(n))


@given(dfas())
def test_minimize_is_idempotent_and_numbers_by_first_visit(drawn: automata.DFA) -> None:
    small = mutable(drawn).minimize()
    again = small.minimize()
    assert again.table.tolist() == small.table.tolist() and again.accepting == small.accepting
    visits = [0, *small.table.flatten().tolist()] if len(small.table) > 1 else [0]
    assert small.start == 0
    assert sorted(set(visits), key=visits.index) == list(range(len(small.table)))


def test_minimize_keeps_the_names_of_the_earliest_states() -> None:
    dfa = automata.DFA([[0, 0], [2, 3], [1, 1], [1, 1]], [1], "ab", start=1, names=["?", "start", "one", "two"])
    assert dfa.minimize().names == ["start", "one"]


@given(dfas(alphabet="ab"), dfas(alphabet="ab"))
def test_equivalent_agrees_with_walking_both_at_once(drawn: automata.DFA, other: automata.DFA) -> None:
    a, b = mutable(drawn), mutable(other)
    assert a.equivalent(b) == same_language(a, b)


@given(dfas(alphabet="ab"), st.randoms(use_true_random=False))
def test_an_automaton_with_other_numbers_is_equivalent(drawn: automata.DFA, chance) -> None:
    dfa = mutable(drawn)
    n = len(dfa.table)
    place = list(range(n))
    chance.shuffle(place)
    table = [[0, 0] for _ in range(n)]
    for s in range(n):
        table[place[s]] = [place[int(t)] for t in dfa.table[s]]
    renamed = automata.DFA(table, [place[s] for s in dfa.accepting], "ab", start=place[dfa.start])
    assert dfa.equivalent(renamed)
    opposite = automata.DFA(dfa.table, set(range(n)) - dfa.accepting, "ab", start=dfa.start)
    assert not dfa.equivalent(opposite)


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


@given(dfas(), st.lists(st.text("ab", max_size=7), max_size=3))
def test_verdicts_say_of_each_part_of_each_string_whether_it_is_accepted(drawn: automata.DFA, words: list[str]) -> None:
    dfa = mutable(drawn)
    words = [word for word in words if set(word) <= set(dfa.alphabet)]
    assert dfa.verdicts(words) == [[dfa.accepts(word[:cut]) for cut in range(len(word) + 1)] for word in words]


AB = {"accepting": [0], "alphabet": "ab"}


test_bad_input_is_refused_in_words = refuses(
    (lambda: automata.DFA([[0, None]], **AB), ["state 0", "'b'", "None", "trap"]),
    (lambda: automata.DFA([[0, 1], [-1, 0]], **AB), ["state 1", "'a'", "-1", "0 to 1", "trap"]),
    (lambda: automata.DFA([[0, 1.5], [1, 0]], **AB), ["'b'", "1.5", "trap"]),
    (lambda: automata.DFA([["0", "0"]], **AB), ["leads to '0'", "trap"]),
    (lambda: automata.DFA([[0, 0]], ["ab", "c"], ["ab", "c"]), ["['ab', 'c']", "such as '01'"]),
    (lambda: automata.DFA([[0, 0]], "0", "ab"), ["state '0'", "expected 0 to 0"]),
    (lambda: automata.DFA([[0, 0], [0]], **AB), ["row 1", "1 entries", "expected 2"]),
    (lambda: automata.DFA([], **AB), ["no rows", "at least one"]),
    (lambda: automata.DFA([[0, 0]], [1], "ab"), ["state 1", "1 rows", "expected 0 to 0"]),
    (lambda: automata.DFA([[0, 0]], [0], "ab", start=3), ["state 3", "expected 0 to 0"]),
    (lambda: automata.DFA([[0, 0]], [0], "aa"), ["'aa'", "only once"]),
    (lambda: automata.DFA([[]], [0], ""), ["''", "at least one"]),
    (lambda: automata.DFA([[0, 0]], [0], "ab", names=["x", "y"]), ["2 names", "1 states", "one name"]),
    (lambda: counter(2).run("012"), ["'2'", "['0', '1']"]),
    (lambda: counter(2).step(0, "01"), ["'01'", "['0', '1']"]),
    (lambda: counter(2).step(2, "0"), ["state 2", "2 rows", "0 to 1"]),
    (lambda: counter(2).legal_next(-1), ["state -1", "2 rows", "0 to 1"]),
    (lambda: counter(2).equivalent(automata.DFA([[0]], [0], "a")), ["'01'", "'a'", "same symbols"]),
)


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    assert automata.DFA(np.array([[0, 1], [1, 0]]), np.array([0]), "01", start=np.int64(1)).step(np.int64(1), "1") == 0


# ---- mutants ----

MATRICES = test_run_multiplies_the_matrices_of_the_symbols
FEWEST = test_minimize_leaves_no_two_equivalent_states_and_none_that_is_unreachable
VERDICTS = test_verdicts_say_of_each_part_of_each_string_whether_it_is_accepted
LEGAL = test_legal_next_are_the_symbols_after_which_acceptance_can_be_reached

test_mutants = planted(
    automata,
    [
        Mutant("self.step(states[-1], symbol)", "self.step(states[0], symbol)", MATRICES),
        Mutant("if len(number) == len(set(group.values())):", "if True:", test_minimize_keeps_the_language),
        Mutant("(group[s], *(group", "(s, group[s], *(group", FEWEST),
        Mutant("if int(t) in self._alive)", "if int(t) in self.accepting)", LEGAL),
        Mutant("for state in self.run(string)]", "for state in self.run(string)[1:]]", VERDICTS),
    ],
)
