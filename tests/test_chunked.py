"""Attention in chunks against attention at once: values, gradients, and how much is held."""

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from lecturelib import chunked
from lecturelib.attention import attend, causal_mask
from tests.mutants import Mutant, planted
from tests.strategies import normal, seeds, sizes
from tests.tools import refuses
from tests.twins import random_mask

MASKS = ["none", "rows", "causal", "batch", "heads", "keys", "row"]


def mask_of(kind: str, b: int, h: int, t: int, s: int, seed: int) -> torch.Tensor | None:
    """Return a mask of each shape that broadcasts to (B, H, T, S), or none."""
    if kind == "causal":
        return torch.ones(t, s, dtype=torch.bool).tril(diagonal=max(0, s - t))
    shapes = {"rows": (t, s), "batch": (b, 1, t, s), "heads": (b, h, t, s), "keys": (b, 1, 1, s), "row": (s,)}
    return random_mask(*shapes[kind], seed=seed) if kind in shapes else None


def three(b: int, h: int, t: int, s: int, k: int, m: int, seed: int) -> tuple[torch.Tensor, ...]:
    shapes = (b, h, t, k), (b, h, s, k), (b, h, s, m)
    return tuple(normal(*shape, seed=seed + n).requires_grad_() for n, shape in enumerate(shapes))


@given(sizes(5), st.sampled_from([*range(1, 9), 100]), seeds, st.sampled_from(MASKS))
def test_chunks_give_the_mix_and_the_gradients_of_attend(shape: list[int], chunk: int, seed: int, kind: str) -> None:
    b, t, s, d, m = shape
    h = 2
    q, k, v = three(b, h, t, s, d, m, seed)
    mask = mask_of(kind, b, h, t, s, seed + 3)
    found, expected = chunked.attend_in_chunks(q, k, v, mask, chunk=chunk), attend(q, k, v, mask)[0]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    weight = normal(*expected.shape, seed=seed + 4)
    gradients = [torch.autograd.grad((each * weight).sum(), (q, k, v)) for each in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-11, atol=1e-11)


def test_128_rows_and_columns_at_a_time_unless_told() -> None:
    q, k, v = (each.detach() for each in three(1, 1, 130, 130, 3, 3, 1))
    mask = causal_mask(130)
    torch.testing.assert_close(chunked.attend_in_chunks(q, k, v, mask), attend(q, k, v, mask)[0])
    with Largest() as seen:
        chunked.attend_in_chunks(q, k, v)
    assert seen.numbers == 128 * 128


@pytest.mark.parametrize("leads", [((), (2,), (2,)), ((), (), (2,)), ((2, 1), (1, 3), (2, 3)), ((0,),) * 3])
@pytest.mark.parametrize("queries", [5, 0])
def test_leading_dimensions_are_those_of_attend(leads: tuple[tuple[int, ...], ...], queries: int) -> None:
    ends = ((queries, 3), (7, 3), (7, 2))
    q, k, v = (normal(*lead, *end, seed=n) for n, (lead, end) in enumerate(zip(leads, ends, strict=True)))
    for mask in (None, random_mask(queries, 7, seed=1)):
        torch.testing.assert_close(chunked.attend_in_chunks(q, k, v, mask, chunk=3), attend(q, k, v, mask)[0])


@pytest.mark.parametrize("seen", [slice(8, 9), slice(0, 1), slice(3, 5)])
def test_a_query_may_see_nothing_in_the_first_or_last_chunks(seen: slice) -> None:
    q, k, v = three(1, 2, 5, 9, 3, 4, 1)
    mask = torch.zeros(5, 9, dtype=torch.bool)
    mask[:, seen] = True
    found, expected = chunked.attend_in_chunks(q, k, v, mask, chunk=2), attend(q, k, v, mask)[0]
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*(torch.autograd.grad(each.square().sum(), (q, k, v)) for each in (found, expected)))


@given(sizes(4), seeds, st.sampled_from([-3.0, 1e6]))
def test_what_may_not_be_seen_changes_no_bit(shape: list[int], seed: int, filling: float) -> None:
    t, s, d, chunk = shape
    q, k, v = normal(t, d, seed=seed), normal(s, d, seed=seed + 1), normal(s, d, seed=seed + 2)
    mask = random_mask(t, s, seed=seed + 3)
    mix = chunked.attend_in_chunks(q, k, v, mask, chunk=chunk)
    for row in range(t):
        changed = [each.clone() for each in (k, v)]
        for each in changed:
            each[~mask[row]] = filling
        again = chunked.attend_in_chunks(q, changed[0], changed[1], mask, chunk=chunk)
        assert torch.equal(again[row], mix[row])


def test_scores_as_large_as_they_come_overflow_nowhere() -> None:
    q, v = torch.ones(1, 1), torch.tensor([[1.0], [2.0], [4.0]])
    # in every order of the chunks; at last all so low that exp of any is 0
    for values in [*itertools.permutations([1e4, -1e4, 9999.0]), (-1e4, -1e4, -1e4)]:
        k = torch.tensor(values)[:, None].requires_grad_()
        found, expected = chunked.attend_in_chunks(q, k, v, chunk=1), attend(q, k, v)[0]
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(*(torch.autograd.grad(each.sum(), k) for each in (found, expected)))


class Largest(TorchDispatchMode):
    """The most numbers in any tensor that is made, views not counted."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        given = {each.untyped_storage().data_ptr() for each in args if isinstance(each, torch.Tensor)}
        if isinstance(made, torch.Tensor) and made.untyped_storage().data_ptr() not in given:
            self.numbers = max(self.numbers, made.numel())
        return made


@pytest.mark.parametrize("kind", ["none", "rows", "keys"])
@pytest.mark.parametrize("chunk", [8, 15])
def test_no_tensor_is_larger_than_a_chunk_by_a_chunk_forward_and_backward(kind: str, chunk: int) -> None:
    t, b, h = 32, 2, 3
    q, k, v = three(b, h, t, t, 2, 2, 1)
    mask = mask_of(kind, b, h, t, t, 2)
    with Largest() as forward:
        mix = chunked.attend_in_chunks(q, k, v, mask, chunk=chunk)
    with Largest() as backward:
        mix.sum().backward()
    # a chunk of weights for each head, or all queries, keys or values
    most = b * h * max(chunk * chunk, t * 2)
    assert forward.numbers == most and backward.numbers == most
    with Largest() as at_once:
        attend(q, k, v, mask)
    assert at_once.numbers == b * h * t * t


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.randoms(use_true_random=False), seeds)
def test_pieces_may_come_in_any_order_and_size(pieces: list[int], order: Any, seed: int) -> None:
    s = sum(pieces)
    q, k, v = normal(2, 5, 3, seed=seed), normal(2, s, 3, seed=seed + 1), normal(2, s, 4, seed=seed + 2)
    mask = random_mask(5, s, seed=seed + 3)
    parts = list(zip(k.split(pieces, dim=1), v.split(pieces, dim=1), mask.split(pieces, dim=1), strict=True))
    order.shuffle(parts)
    row = chunked.RunningSoftmax(q)
    for n, part in enumerate(parts, start=1):
        row.add(*part)
        so_far = [torch.cat(each, dim=1) for each in zip(*parts[:n], strict=True)]
        if so_far[2].any(-1).all():  # the mix may be asked for between pieces
            torch.testing.assert_close(row.mix(), attend(q, *so_far)[0])
    torch.testing.assert_close(row.mix(), attend(q, k, v, mask)[0], rtol=1e-12, atol=1e-12)
    scores = (q @ k.mT / 3**0.5).masked_fill(~mask, -torch.inf)
    torch.testing.assert_close(row.largest, scores.amax(dim=-1, keepdim=True))
    torch.testing.assert_close(row.total.log() + row.largest, scores.logsumexp(dim=-1, keepdim=True))


def test_gradients_flow_through_the_pieces() -> None:
    leaves = [normal(2, n, 3, seed=n).requires_grad_() for n in (4, 5, 5)]

    def mix(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        row = chunked.RunningSoftmax(q)
        row.add(k[:, :2], v[:, :2], causal_mask(4)[:, 2:])  # the first two queries see nothing of this piece
        row.add(k[:, 2:], v[:, 2:])
        return row.mix()

    assert torch.autograd.gradcheck(mix, leaves)


Q, K, V = (normal(2, n, 3, seed=n) for n in (5, 7, 7))
NOWHERE = torch.ones(5, 7, dtype=torch.bool)
NOWHERE[3] = False


def added(*piece: torch.Tensor, q: torch.Tensor = Q) -> torch.Tensor:
    row = chunked.RunningSoftmax(q)
    row.add(*piece)
    return row.mix()


test_bad_input_is_refused_in_words = refuses(
    (lambda: chunked.attend_in_chunks(Q, K, V, chunk=2.0), ["chunk=2.0", "whole number"]),
    (lambda: chunked.attend_in_chunks(Q[0, 0], K, V), ["(3,)", "(..., T, K)", "x[None]"]),
    # refused for the whole row, also where the first chunk of it shows something
    (lambda: chunked.attend_in_chunks(Q, K, V, NOWHERE, chunk=2), ["(3,)", "nowhere", "inverted"]),
    (lambda: chunked.attend_in_chunks(Q, K, V, NOWHERE.expand(3, 2, 5, 7)), ["(3, 2, 5, 7)", "(2, 5, 7)"]),
    (lambda: chunked.attend_in_chunks(Q, K, V, NOWHERE.int()), ["torch.int32", "bool", "mask.bool()"]),
    (lambda: added(K, V, q=Q[0, 0]), ["(3,)", "x[None]"]),
    (lambda: added(K, V, NOWHERE.T), ["(7, 5)", "(2, 5, 7)", "a row for each query"]),
    (lambda: added(K, V, NOWHERE), ["seen no key", "at least one"]),
)


def test_a_refused_piece_changes_nothing() -> None:
    row = chunked.RunningSoftmax(Q)
    row.add(K[:, :4], V[:, :4])
    for bad in ((K[..., :2], V), (K, V[:, :6]), (K, V, NOWHERE.T), (K, V, NOWHERE.int())):
        with pytest.raises(ValueError):
            row.add(*bad)
    row.add(K[:, 4:], V[:, 4:])
    torch.testing.assert_close(row.mix(), attend(Q, K, V)[0])


LARGEST = "torch.maximum(self.largest, scores.detach().amax(dim=-1, keepdim=True))"
SAME = test_chunks_give_the_mix_and_the_gradients_of_attend

test_mutants = planted(
    chunked,
    [
        Mutant("/ math.sqrt(self.q.shape[-1])", "/ math.sqrt(k.shape[-2])", SAME),
        Mutant("self.sum = self.sum * shrink + exp @ v", "self.sum = self.sum + exp @ v", SAME),
        Mutant("None if mask is None else mask[..., part])", "None)", SAME),
        Mutant("safe = largest.masked_fill(largest == -math.inf, 0.0)", "safe = largest",
               test_a_query_may_see_nothing_in_the_first_or_last_chunks),
        Mutant(LARGEST, "torch.zeros_like(self.largest)", test_scores_as_large_as_they_come_overflow_nowhere),
        Mutant(LARGEST, "scores.detach().amax(dim=-1, keepdim=True)", test_pieces_may_come_in_any_order_and_size),
    ],
)  # fmt: skip
