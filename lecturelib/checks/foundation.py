"""The exercises of notebook 09: grouped queries, five heads to read, and heads that look one back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F

from lecturelib.checks.exercise import Exercise, Sized, normal

Tensor = torch.Tensor


def _probe(b: int, groups: int, each: int, t: int, k: int, seed: int) -> tuple[Tensor, ...]:
    q, keys, values = normal(seed, (b, groups * each, t, k), (b, groups, t + 1, k), (b, groups, t + 1, k))
    return 2 * q, keys, values


def _attend(q: Tensor, k: Tensor, v: Tensor, scale: float | None = None, dim: int = -1) -> Tensor:
    scores = q @ k.mT / (q.shape[-1] ** 0.5 if scale is None else scale)
    return scores.softmax(dim) @ v


def _next(x: Tensor, q: Tensor) -> Tensor:
    return x.repeat_interleave(q.shape[1] // x.shape[1], dim=1)


def _in_turn(x: Tensor, q: Tensor) -> Tensor:
    return x.repeat(1, q.shape[1] // x.shape[1], 1, 1)


def _causal(shift: Callable[[Tensor], int]) -> Callable[..., Tensor]:
    def mix(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        scores = q @ _next(k, q).mT / q.shape[-1] ** 0.5
        past = torch.ones(scores.shape[-2:], dtype=torch.bool).tril(shift(scores))
        return scores.masked_fill(~past, -torch.inf).softmax(-1) @ _next(v, q)

    return mix


def _three(x: Tensor) -> Tensor:
    return x.repeat_interleave(3, dim=1)


check_grouped = Exercise(
    name="grouped queries",
    reference=lambda q, k, v: F.scaled_dot_product_attention(q, k, v, enable_gqa=True),
    probes=Sized(_probe, [(2, 2, 3, 4, 5, 1), (1, 3, 2, 5, 4, 2), (3, 2, 3, 2, 4, 3)]),
    imitations={
        "groups in turn": lambda q, k, v: _attend(q, _in_turn(k, q), _in_turn(v, q)),
        "values in turn": lambda q, k, v: _attend(q, _next(k, q), _in_turn(v, q)),
        "three heads for each group": lambda q, k, v: _attend(q, _three(k), _three(v)),
        "causal mask": (_causal(lambda scores: 0), _causal(lambda scores: scores.shape[-1] - scores.shape[-2])),
        "first group for all": lambda q, k, v: _attend(q, k[:, :1], v[:, :1]),
        "mean of the groups": lambda q, k, v: _attend(q, k.mean(1, keepdim=True), v.mean(1, keepdim=True)),
        "no root": lambda q, k, v: _attend(q, _next(k, q), _next(v, q), scale=1.0),
        "divided by the width": lambda q, k, v: _attend(q, _next(k, q), _next(v, q), scale=q.shape[-1]),
        "another root": tuple(
            lambda q, k, v, axis=axis: _attend(q, _next(k, q), _next(v, q), scale=k.shape[axis] ** 0.5)
            for axis in (0, 1, 2)
        ),
        "heads left in groups": lambda q, k, v: _attend(q, _next(k, q), _next(v, q)).unflatten(1, (k.shape[1], -1)),
        "softmax over queries": lambda q, k, v: _attend(q, _next(k, q), _next(v, q), dim=-2),
        "softmax over heads": lambda q, k, v: _attend(q, _next(k, q), _next(v, q), dim=1),
    },
    says="""
        groups in turn: Your heads take the groups in turn: 0, 1, 0, 1. In Llama neighbors share: with 2 groups for 6
            heads, heads 0 to 2 use group 0. Which of torch's two functions repeats each entry before the next one?
        values in turn: Your keys are shared by neighbors, but your values are taken in turn. A key and its value must
            come from the same group.
        three heads for each group: You repeat each group three times, as in SmolLM2. Other models have other numbers:
            how many heads of q are there for each group of k?
        causal mask: Your queries do not look at the keys after them. There is no mask in this exercise.
        first group for all: All of your heads use group 0. Here each head has one of several groups.
        mean of the groups: You average the groups. Each head has one group of its own, and looks at that alone.
        no root: Your scores are not divided by the root of the width of a head.
        divided by the width: You divide the scores by the width. The formula has its root.
        another root: You divide the scores by the root of another axis. Which one holds the numbers of one query?
        heads left in groups: The numbers are right, but the heads still stand in their groups. Which two axes must
            become one, so that the mix has the shape of q?
        softmax over queries: Each column of your weights sums to 1, but each row should. Which axis does the softmax
            run over?
        softmax over heads: Your softmax runs over the heads, which do not compete. Which axis holds the keys?
        right: It equals torch's attention with enable_gqa=True, for two numbers of groups.
        hint 1: How many heads share one group? Give each head its own copy of k and v; the rest is notebook 03.
        hint 2: Before the product, k and v must have the shape (B, H, S, d_k), with group 0 at heads 0 to H / G - 1.
            Tensor.repeat_interleave repeats each entry along one dim. Which dim is it, and how often?
    """,
)


def _maps(layers: int, h: int, t: int, seed: int) -> tuple[Tensor]:
    return ((2 * normal(seed, (layers, h, t + 1, t + 1))[0]).softmax(-1),)


def _diagonal(offset: int) -> Callable[[Tensor], Tensor]:
    return lambda weights: weights.diagonal(offset, -2, -1).mean(-1)


check_one_back = Exercise(
    name="one back",
    reference=_diagonal(-1),
    probes=Sized(_maps, [(2, 3, 5, 1), (3, 2, 7, 2)]),
    imitations={
        "its own place": _diagonal(0),
        "one ahead": _diagonal(1),
        "the first token": lambda weights: weights[:, :, 1:, 0].mean(-1),
        "every place": lambda weights: weights[:, :, 1:].mean((-2, -1)),
        "the last token only": lambda weights: weights[:, :, -1, -2],
        "a sum": lambda weights: weights.diagonal(-1, -2, -1).sum(-1),
        "the largest": lambda weights: weights.diagonal(-1, -2, -1).amax(-1),
        "one number": lambda weights: weights.diagonal(-1, -2, -1).mean(),
        "one for each layer": lambda weights: weights.diagonal(-1, -2, -1).mean((-2, -1)),
        "divided by T": lambda weights: weights.diagonal(-1, -2, -1).sum(-1) / weights.shape[-1],
        "from t = 0": lambda weights: (
            weights.diagonal(-1, -2, -1).sum(-1) / weights.shape[-1] + weights[:, :, 0, -1] / weights.shape[-1]
        ),
    },
    says="""
        its own place: That is the weight of each token on itself. One back is column t - 1 of row t.
        one ahead: You look one ahead. Rows are queries, columns are keys: which of the two is larger by one?
        the first token: That is the weight on the first token, the sink of section 3.
        every place: You average over all columns. Each row has one column that counts.
        the last token only: That is the last row alone. Average over all rows that have a token in front.
        a sum: You add the weights up. A mean can be compared between texts of different lengths.
        the largest: That is the largest of them. One lucky token is no habit: take the mean.
        one number: That is one number for all heads together. Average over the tokens only, so that each head has its
            own.
        one for each layer: That is one number for each layer. Average over the tokens only, so that each head has its
            own.
        divided by T: You divide by T, but the first token has none in front: there are T - 1 weights.
        from t = 0: You start at t = 0. There t - 1 is -1, and column -1 is the last one. Which is the first t that has
            a token in front?
        right: Now find the head that does it most.
        hint 1: In section 3 the weight on what followed last time was weights[:, :, t, t - 31]. What is t - 31 here?
        hint 2: t = torch.arange(1, weights.shape[-1]), then weights[:, :, t, t - 1], and the mean over dim 2.
    """,
)


KINDS = "one back", "earlier copy", "induction", "sink", "even"
_RIGHT = dict(zip("PQRST", ("induction", "sink", "one back", "earlier copy", "even"), strict=True))


def _first_wrong(answer: Any) -> str:
    """What is the matter with a table of heads: the first that is called something else, and what."""
    if not isinstance(answer, Mapping) or sorted(map(str, answer)) != sorted(_RIGHT):
        return "no dictionary with the keys " + ", ".join(_RIGHT)
    if any(each is ... for each in answer.values()):
        raise NotImplementedError("a head is missing")
    for name, given in answer.items():
        if _word(given) not in KINDS:
            return f"{name} is {given!r}, which is none of the five words"
    words = {str(name): _word(given) for name, given in answer.items()}
    return next((f"{name} is {words[name]}" for name in _RIGHT if words[name] != _RIGHT[name]), "all as shown")


def _word(given: Any) -> Any:
    return given.strip().lower() if isinstance(given, str) else given


def _but(name: str, *kinds: str) -> tuple[dict[str, str], ...]:
    return tuple({**_RIGHT, name: kind} for kind in kinds)


check_heads = Exercise(
    name="five heads",
    reference=lambda heads: "all as shown",
    probes=[(list(_RIGHT),)],
    imitations={
        "P one token too early": _but("P", "earlier copy"),
        "P looks elsewhere": _but("P", "one back", "sink", "even"),
        "Q is no copy": _but("Q", "earlier copy", "induction"),
        "Q looks elsewhere": _but("Q", "one back", "even"),
        "R looks elsewhere": _but("R", "earlier copy", "induction", "sink", "even"),
        "S one token too late": _but("S", "induction"),
        "S looks elsewhere": _but("S", "one back", "sink", "even"),
        "T prefers none": _but("T", "one back", "earlier copy", "induction", "sink"),
    },
    says="""
        P one token too early: P's weight lies on a token after the earlier copy. What does a head there read off?
        P looks elsewhere: Find the token under P's largest weight. Where does it stand, seen from the earlier copy?
        Q is no copy: Is the token under Q's largest weight one that occurs twice?
        Q looks elsewhere: At which position is Q's largest weight? What did section 3 find there in most layers?
        R looks elsewhere: Count from the end: how far from the last token is R's largest weight?
        S one token too late: Is the token under S's largest weight the one seen before, or what followed it?
        S looks elsewhere: Compare the last token with the one under S's largest weight.
        T prefers none: Compare T's largest weight with its smallest.
        right: Q's map is the brightest of the five at one place, and says nothing about this text.
        hint 1: For each head: which token is under the largest weight, and where does it stand?
        hint 2: The last token is "cat". Its earlier copy is at 2, what followed it at 3, the token before it at 5.
    """,
    accept=lambda answer: lambda heads: _first_wrong(answer),
)
