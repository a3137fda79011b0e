"""What the property tests draw from: prime sizes that are all different, random automata, float64 tensors."""

import torch
from hypothesis import strategies as st

from lecturelib.automata import DFA

seeds = st.integers(0, 2**31 - 1)


def sizes(count: int) -> st.SearchStrategy[list[int]]:
    """Return sizes that all differ, so that no two dimensions can be exchanged unnoticed."""
    return st.permutations([1, 2, 3, 5, 7]).map(lambda order: list(order[:count]))


def normal(*shape: int, seed: int) -> torch.Tensor:
    """Return normal numbers in float64."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def tokens_of(b: int, t: int, seed: int) -> torch.Tensor:
    """Return tokens from 0 to 6; no vocabulary of the tests is smaller."""
    return torch.randint(7, (b, t), generator=torch.Generator().manual_seed(seed))


def images_of(b: int, shape: list[int], seed: int) -> torch.Tensor:
    """Return images of channels, rows and columns of patches, and the size of a patch, as `shape` begins."""
    c, rows, columns, patch_size, *_ = shape
    return normal(b, c, rows * patch_size, columns * patch_size, seed=seed + 1000)


@st.composite
def dfas(draw: st.DrawFn, alphabet: str | None = None) -> DFA:
    """Draw an automaton of up to 5 states over an alphabet of 1 to 3; states may be unreachable, also the start."""
    n = draw(st.integers(1, 5))
    alphabet = alphabet or "abc"[: draw(st.integers(1, 3))]
    state = st.integers(0, n - 1)
    row = st.lists(state, min_size=len(alphabet), max_size=len(alphabet))
    table = draw(st.lists(row, min_size=n, max_size=n))
    return DFA(table, draw(st.sets(state)), alphabet, start=draw(state))


def counter(modulus: int) -> DFA:
    """Return the automaton that accepts bit strings whose number of ones is divisible by `modulus`."""
    return DFA([[s, (s + 1) % modulus] for s in range(modulus)], accepting=[0], alphabet="01")
