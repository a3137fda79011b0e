"""Between automata and networks: write a DFA into the weights of an RNN, and read one off a trained network.

compile_rnn       a DFA, written into the weights of a tanh RNN by hand
extract_dfa       a DFA, read off the hidden states of a trained network
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.cluster.hierarchy import fcluster, linkage

from lecturelib.automata import DFA


class RNNWeights(NamedTuple):
    """The numbers of a tanh RNN: h_t = tanh(w_x x_t + w_h h_{t-1} + b), starting from h_0.

    Shapes: H hidden units, D inputs: w_x (H, D), w_h (H, H), b (H,), h_0 (H,).
    """

    w_x: torch.Tensor
    w_h: torch.Tensor
    b: torch.Tensor
    h_0: torch.Tensor


def compile_rnn(dfa: DFA, gain: float = 10.0) -> RNNWeights:
    """Write an automaton into the weights of a tanh RNN: no training, one hidden unit per state and symbol.

    Unit (s, a) is +1 when the automaton has just arrived in state s by reading a, and -1 otherwise. It is an AND of
    two facts: the symbol read is a, and the unit that was on before belongs to a state that a leads to s.

    Equation: before the gain, unit (s, a) receives [x_t = a] + [previous state in the preimage of s under a] - 3/2,
        which is +1/2 if both hold, and -1/2 or less if not. tanh(gain * .) makes that +1 or -1.
    Shapes: H = states * symbols, unit number s * len(alphabet) + a; inputs are one-hot symbols, D = len(alphabet).
    Raises: ValueError for a gain below 6, or below log(10 H) for a large automaton: a unit is off by about
        2 exp(-gain), up to H of them are added, and such errors would grow from step to step.
    Source: M. L. Minsky, Computation: finite and infinite machines, 1967, chapter 3, with tanh for the threshold.
    Taught: notebook 01, section 2.

    >>> even = DFA([[0, 1], [1, 0]], accepting=[0], alphabet="01")  # an even number of ones
    >>> compile_rnn(even).w_h.shape
    torch.Size([4, 4])
    """
    n, m = dfa.table.shape
    if not gain >= max(6.0, math.log(10 * n * m)):
        raise ValueError(
            f"gain {gain}: expected at least 6, and at least log(10 H) = {math.log(10 * n * m):.3g} for {n * m} units, "
            "so that tanh(gain / 2) is close to 1; the default is 10"
        )
    w_x, w_h, b = torch.zeros(n * m, m), torch.zeros(n * m, n * m), torch.zeros(n * m)
    for s in range(n):
        for a in range(m):
            unit = s * m + a
            w_x[unit, a] = 1.0  # fact 1: the symbol is a
            before = [p for p in range(n) if dfa.table[p, a] == s]
            for p in before:  # fact 2: exactly one unit is on; h is +-1, so (h + 1) / 2 is 1 or 0
                w_h[unit, p * m : (p + 1) * m] = 0.5
            b[unit] = 0.5 * len(before) * m - 1.5
    h_0 = -torch.ones(n * m)
    h_0[dfa.start * m] = 1.0  # as if the start state had been reached by symbol 0
    return RNNWeights(gain * w_x, gain * w_h, gain * b, h_0)


class Extracted(NamedTuple):
    """What `extract_dfa` found: the automaton, one state per cluster, and the cluster of each hidden state.

    Shapes: clusters (B, T + 1). `contradictions` is the share of observed steps and outputs that it gets wrong.
    """

    dfa: DFA
    clusters: np.ndarray
    contradictions: float


def extract_dfa(
    states: torch.Tensor,
    strings: Sequence[str],
    accepted: torch.Tensor,
    alphabet: str,
    tolerance: float = 0.003,
    most: int = 32,
) -> Extracted | None:
    """Read an automaton off the hidden states of a trained network.

    Hidden states that lie close together, by Ward's clustering, are taken to be one state of the automaton.
    The number of clusters is the smallest, from 2 on, for which at most the share `tolerance` contradicts: from one
    cluster, one symbol should lead to one cluster, and all members of a cluster should give one output; the majority
    decides. A move that never occurred stays in place.

    Shapes: states (B, T + 1, H), the first of them before any symbol; strings: B strings of length T;
        accepted (B, T + 1), True where the network accepts the part that it has read, the empty one first.
    Returns: an `Extracted`, its automaton not minimized yet; None where not even `most` clusters are enough.
    Memory: 4 n^2 bytes for n = B (T + 1) hidden states: their distances.
    Raises: ValueError for shapes that disagree, and NaN.
    Source: the idea is that of C. W. Omlin and C. L. Giles, Extraction of rules from discrete-time recurrent neural
        networks, 1996.
    Taught: notebook 01, section 4.
    """
    b, t = len(strings), len(strings[0])
    if states.ndim != 3 or not states.shape[:2] == accepted.shape == (b, t + 1):
        raise ValueError(
            f"states {tuple(states.shape)} and accepted {tuple(accepted.shape)} do not fit {b} strings of length {t}: "
            f"expected ({b}, {t + 1}, H) and ({b}, {t + 1}), the state before the first symbol included"
        )
    if not torch.isfinite(states).all():
        raise ValueError("states hold NaN or infinity: expected finite hidden states; was the training divergent?")
    read = np.array([[alphabet.index(symbol) for symbol in string] for string in strings])  # (B, T)
    points, says = states.detach().double().numpy(), accepted.numpy()
    tree = linkage(points.reshape(-1, points.shape[-1]), method="ward")  # merges the nearest groups, one by one
    for k in range(2, most + 1):
        clusters = fcluster(tree, k, criterion="maxclust").reshape(points.shape[:2]) - 1  # fcluster counts from 1
        found = _table_of(clusters, read, says, k, alphabet)
        if found.contradictions <= tolerance:
            return found
    return None


def _table_of(clusters: np.ndarray, read: np.ndarray, says: np.ndarray, k: int, alphabet: str) -> Extracted:
    """The automaton that most steps vote for, and the share of the votes that it loses."""
    moves = np.zeros((k, len(alphabet), k), dtype=int)  # how often (cluster, symbol) led to cluster
    np.add.at(moves, (clusters[:, :-1], read, clusters[:, 1:]), 1)
    votes = np.zeros((k, 2), dtype=int)  # how often a cluster rejected, accepted
    np.add.at(votes, (clusters, says.astype(int)), 1)
    seen = moves.sum(-1) > 0
    table = np.where(seen, moves.argmax(-1), np.arange(k)[:, None])
    lost = moves.sum() - moves.max(-1).sum() + votes.sum() - votes.max(-1).sum()
    accepting = [s for s in range(k) if votes[s, 1] > votes[s, 0]]
    dfa = DFA(table, accepting, alphabet, start=int(clusters[0, 0]))
    return Extracted(dfa, clusters, float(lost / (moves.sum() + votes.sum())))
