"""Deterministic finite automata (DFA): a transition table that reads a string one symbol at a time.

    DFA               run it, ask what may come next, make it smaller, compare it with another

`neural_automata` writes a DFA into the weights of a recurrent network, and reads one back out of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np


class DFA:
    """Read a string one symbol at a time and keep one of finitely many states.

    Shapes: `table` is (number of states, number of symbols); `table[s, a]` is the state that follows state s
    when symbol number a is read. Symbols are single characters, numbered by their place in `alphabet`.
    Raises: ValueError for a table with a hole, and for a state or a symbol that the automaton does not know.
    Taught: notebook 01, section 1.

    >>> even = DFA([[0, 1], [1, 0]], accepting=[0], alphabet="01")       # an even number of ones
    >>> even.run("101")
    [0, 1, 1, 0]
    >>> even.accepts("101")
    True
    """

    def __init__(
        self,
        table: Sequence[Sequence[int]] | np.ndarray,
        accepting: Iterable[int],
        alphabet: str,
        start: int = 0,
        names: Sequence[str] | None = None,
    ) -> None:
        self.alphabet = alphabet
        self.table = _checked_table(table, alphabet)
        n = len(self.table)
        self.names = list(map(str, range(n))) if names is None else list(names)
        self.accepting = frozenset(self._known(s) for s in accepting)
        self.start = self._known(start)

    def step(self, state: int, symbol: str) -> int:
        """Return the state that follows `state` when `symbol` is read."""
        if len(symbol) != 1 or symbol not in self.alphabet:
            raise ValueError(f"symbol {symbol!r} is unknown: this automaton reads the symbols {list(self.alphabet)}")
        return int(self.table[self._known(state), self.alphabet.index(symbol)])

    def run(self, string: str) -> list[int]:
        """Return the states that the automaton passes through: one before the first symbol, one after each."""
        states = [self.start]
        for symbol in string:
            states.append(self.step(states[-1], symbol))
        return states

    def accepts(self, string: str) -> bool:
        """Say whether the automaton ends in an accepting state after reading `string`."""
        return self.run(string)[-1] in self.accepting

    def verdicts(self, strings: Iterable[str]) -> list[list[bool]]:
        """Say of each string, before its first symbol and after each, whether what was read so far is accepted."""
        return [[state in self.accepting for state in self.run(string)] for string in strings]

    def legal_next(self, state: int) -> str:
        """Return the symbols that may come next: those from which an accepting state can still be reached.

        >>> DFA([[1, 2], [1, 1], [2, 2]], accepting=[1], alphabet="ab").legal_next(0)  # from 2 none is reached
        'a'
        """
        row = self.table[self._known(state)]
        return "".join(a for a, t in zip(self.alphabet, row, strict=True) if t in self._alive)

    def minimize(self) -> DFA:
        """Return the smallest automaton that accepts the same strings, its states numbered in order of first visit.

        Moore's algorithm: begin with two groups of states (accepting or not) and split a group while two of its
        states lead to different groups. What is left in one group cannot be told apart by any string.
        Source: E. F. Moore, Gedanken-experiments on sequential machines, 1956.

        >>> DFA([[1, 2], [0, 2], [2, 2]], accepting=[0, 1], alphabet="ab").minimize().table.tolist()
        [[0, 1], [1, 1]]
        """
        reachable = self._reached_from(self.start)
        group = {s: int(s in self.accepting) for s in reachable}
        while True:
            # two states stay together if they are in one group and so are their successors, symbol by symbol
            signature = {s: (group[s], *(group[t] for t in self.table[s])) for s in reachable}
            number = {sig: k for k, sig in enumerate(dict.fromkeys(signature.values()))}
            finer = {s: number[signature[s]] for s in reachable}
            if len(number) == len(set(group.values())):
                break
            group = finer
        earliest = {finer[s]: s for s in reversed(reachable)}  # it stands for its group
        kept = [earliest[k] for k in range(len(earliest))]
        table = [[finer[t] for t in self.table[s]] for s in kept]
        accepting = [k for k, s in enumerate(kept) if s in self.accepting]
        return DFA(table, accepting, self.alphabet, names=[self.names[s] for s in kept])

    def equivalent(self, other: DFA) -> bool:
        """Say whether the two automata accept exactly the same strings, of every length.

        Two minimal automata of one language differ only in the numbers of their states, which `minimize` fixes.
        Raises: ValueError for automata over different symbols.
        """
        if self.alphabet != other.alphabet:
            raise ValueError(
                f"the alphabets {self.alphabet!r} and {other.alphabet!r} differ: expected two automata over the same "
                "symbols, in the same order"
            )
        a, b = self.minimize(), other.minimize()
        return np.array_equal(a.table, b.table) and a.accepting == b.accepting

    def _known(self, state: int) -> int:
        """The state as a plain number, after a look whether the table has it."""
        n = len(self.table)
        if state not in range(n):  # also refuses -1, which indexing would take for the last state
            raise ValueError(f"state {state!r} is not in the table, which has {n} rows: expected 0 to {n - 1}")
        return int(state)

    def _reached_from(self, state: int) -> list[int]:
        """The states that can be reached from a state, itself first: breadth first, symbols in order."""
        seen = [state]
        for s in seen:  # the list grows while it is read
            seen += [t for t in dict.fromkeys(self.table[s].tolist()) if t not in seen]
        return seen

    @cached_property
    def _alive(self) -> set[int]:
        """The states from which some string leads to an accepting state."""
        return {s for s in range(len(self.table)) if self.accepting & set(self._reached_from(s))}


def _checked_table(table: Sequence[Sequence[int]] | np.ndarray, alphabet: str) -> np.ndarray:
    """The table as an integer array, if it has one state for each state and symbol."""
    if not alphabet or len(set(alphabet)) != len(alphabet):
        raise ValueError(f"alphabet={alphabet!r}: expected at least one character, each only once, such as '01'")
    for s, row in enumerate(table):
        if len(row) != len(alphabet):
            raise ValueError(
                f"row {s} of the table has {len(row)} entries: expected {len(alphabet)}, one for each of the symbols "
                f"{list(alphabet)}"
            )
        for a, t in zip(alphabet, row, strict=True):
            if t not in range(len(table)):  # also refuses None and 1.5
                raise ValueError(
                    f"the table has a hole: from state {s}, symbol {a!r} leads to {t!r}, which is not one of the "
                    f"states 0 to {len(table) - 1}. Where no move is allowed, lead to a trap state that leads only to "
                    "itself"
                )
    return np.array(table, dtype=np.int64)
