"""Automata in the weights of a network, and automata read off hidden states."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given
from hypothesis import strategies as st

from lecturelib import neural_automata
from lecturelib.automata import DFA
from lecturelib.data.strings import numbers, random_strings, to_tokens
from lecturelib.recurrent import run_rnn
from tests.mutants import Mutant, planted
from tests.strategies import counter, dfas, seeds
from tests.tools import refuses


def hidden_states(dfa: DFA, strings: list[str], gain: float = 10.0) -> torch.Tensor:
    """Return what the compiled network computes, h_0 first."""
    weights = neural_automata.compile_rnn(dfa, gain)
    x = F.one_hot(to_tokens(strings, dfa.alphabet), len(dfa.alphabet)).float()
    states = run_rnn(x, weights.h_0, weights.w_x, weights.w_h, weights.b)
    return torch.cat([weights.h_0.expand(len(x), 1, -1), states], dim=1)


@given(dfas(), seeds, st.sampled_from([6.0, 10.0, 30.0]))
@example(DFA([[1, 1], [2, 1], [1, 2]], [2], "ab", start=0), 0, 10.0)  # nothing leads to the start
@example(DFA([[0, 0], [0, 1], [1, 1]], [0], "ab", start=2), 1, 6.0)
def test_the_compiled_network_is_the_automaton(dfa: DFA, seed: int, gain: float) -> None:
    """Step by step: one unit is on, and it names the state and the symbol read."""
    strings, m = random_strings(1, 1000, dfa.alphabet, seed=seed), len(dfa.alphabet)
    states = hidden_states(dfa, strings, gain)
    assert ((states > 0).sum(-1) == 1).all() and (states.abs() > 0.9).all()
    on = states.argmax(-1)
    assert (on // m).tolist() == [dfa.run(string) for string in strings]
    assert (on[:, 1:] % m).tolist() == [numbers(string, dfa.alphabet) for string in strings]


# contains "aba"; begins and ends with the same symbol; ones divisible by 2, 3 and 5; everything; nothing
KNOWN = [
    DFA([[1, 0], [1, 2], [3, 0], [3, 3]], [3], "ab"),
    DFA([[1, 3], [1, 2], [1, 2], [4, 3], [4, 3]], [1, 3], "ab"),
    counter(2),
    counter(3),
    counter(5),
    counter(1),
    DFA([[0, 0]], [], "ab"),
]


@pytest.mark.parametrize("dfa", KNOWN, ids=lambda dfa: f"{len(dfa.table)} states")
def test_extraction_undoes_compilation(dfa: DFA) -> None:
    strings = random_strings(23, 17, dfa.alphabet, seed=3)
    states, says = hidden_states(dfa, strings), torch.tensor(dfa.verdicts(strings))
    found = neural_automata.extract_dfa(states.requires_grad_(), strings, says, dfa.alphabet, tolerance=0.0)
    assert found is not None and found.contradictions == 0.0
    assert found.dfa.equivalent(dfa) and found.dfa.verdicts(strings) == says.tolist()
    assert found.clusters.tolist() == [found.dfa.run(string) for string in strings]


def test_contradictions_are_the_share_of_lost_votes() -> None:
    # two points; from the first, "0" leads once to the first and three times to the second; one verdict is odd
    states = torch.tensor([[[0.0], [0.0]], [[0.0], [9.0]], [[0.0], [9.0]], [[0.0], [9.0]]])
    says = torch.tensor([[False, False], [False, True], [False, False], [False, True]])
    found = neural_automata.extract_dfa(states, ["0"] * 4, says, "01", tolerance=1.0)
    assert found is not None
    assert found.contradictions == 2 / 12  # one of 4 moves, one of 8 verdicts
    start = found.dfa.start
    assert found.dfa.table[start].tolist() == [1 - start, start]  # the majority; a move never seen stays
    assert found.dfa.table[1 - start].tolist() == [1 - start, 1 - start]
    assert found.dfa.accepting == {1 - start}


def test_tolerance_and_most_decide_how_many_clusters_there_may_be() -> None:
    strings = random_strings(50, 20, seed=0)
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(50, 21, 4, generator=generator)
    says = torch.rand(50, 21, generator=generator) > 0.5
    assert neural_automata.extract_dfa(states, strings, says, "01", most=3) is None  # there is no automaton
    found = neural_automata.extract_dfa(states, strings, says, "01", tolerance=1.0, most=3)
    assert found is not None and len(found.dfa.table) == 2


STATES, SAYS = torch.zeros(2, 3, 5), torch.zeros(2, 3, dtype=torch.bool)

test_bad_input_is_refused_in_words = refuses(
    (lambda: neural_automata.compile_rnn(counter(2), gain=5.0), ["gain 5.0", "at least 6", "10"]),
    (
        lambda: neural_automata.extract_dfa(STATES[:, 1:], ["01", "10"], SAYS, "01"),
        ["(2, 2, 5)", "(2, 3, H)", "before the first symbol"],
    ),
    (lambda: neural_automata.extract_dfa(STATES, ["01"], SAYS, "01"), ["(2, 3, 5)", "1 strings"]),
    (lambda: neural_automata.extract_dfa(STATES / 0, ["01", "10"], SAYS, "01"), ["NaN", "finite"]),
)


UNDONE = test_extraction_undoes_compilation

test_mutants = planted(
    neural_automata,
    [
        Mutant("if dfa.table[p, a] == s]", "if dfa.table[s, a] == p]", test_the_compiled_network_is_the_automaton),
        Mutant("(clusters[:, :-1], read, clusters[:, 1:])", "(clusters[:, 1:], read, clusters[:, :-1])", UNDONE),
        Mutant(" + votes.sum() - votes.max(-1).sum()", "", test_contradictions_are_the_share_of_lost_votes),
    ],
)
