"""The exercises of notebook 09: grouped queries, five heads to read, and heads that look one back."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from lecturelib.checks.exercise import Exercise, Sized, normal, table

Tensor = torch.Tensor


def _probe(b: int, groups: int, each: int, t: int, k: int, seed: int) -> tuple[Tensor, ...]:
    q, keys, values = normal(seed, (b, groups * each, t, k), (b, groups, t + 1, k), (b, groups, t + 1, k))
    return 2 * q, keys, values


def _grouped(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    each = q.shape[1] // k.shape[1]
    keys, values = k.repeat_interleave(each, 1), v.repeat_interleave(each, 1)
    scores = q @ keys.mT / q.shape[-1] ** 0.5
    return scores.softmax(-1) @ values


check_grouped = Exercise(
    name="grouped queries",
    reference=lambda q, k, v: F.scaled_dot_product_attention(q, k, v, enable_gqa=True),
    probes=Sized(_probe, [(2, 2, 3, 4, 5, 1), (1, 3, 2, 5, 4, 2), (3, 2, 3, 2, 4, 3)]),
    solution=_grouped,
    imitations={
        "groups in turn": "repeat_interleave(each, 1) => repeat(1, each, 1, 1)",
        "values in turn": "v.repeat_interleave(each, 1) => v.repeat(1, each, 1, 1)",
        "three heads for each group": "each, 1 => 3, 1",
        "causal mask": (
            "scores.softmax => scores.masked_fill(~torch.ones_like(scores).bool().tril(), -torch.inf).softmax",
            "scores.softmax => scores.masked_fill(~torch.ones_like(scores).bool().tril(1), -torch.inf).softmax",
        ),
        "first group for all": ".repeat_interleave(each, 1) => [:, :1]",
        "mean of the groups": ".repeat_interleave(each, 1) => .mean(1, keepdim=True)",
        "no root": " / q.shape[-1] ** 0.5 => ",
        "divided by the width": " ** 0.5 => ",
        "another root": tuple(f"q.shape[-1] ** => k.shape[{axis}] **" for axis in (0, 1, 2)),
        "heads left in groups": "return scores => return (scores; @ values => @ values).unflatten(1, (k.shape[1], -1))",
        "softmax over queries": "softmax(-1) => softmax(-2)",
        "softmax over heads": "softmax(-1) => softmax(1)",
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


check_heads = Exercise(
    name="five heads",
    reference=lambda: "all as shown",
    read=lambda answer: table(answer, _RIGHT, KINDS, "all as shown"),
    says="""
        P is earlier copy: P's weight lies on a token after the earlier copy. What does a head there read off?
        P is one back / P is sink / P is even: Find the token under P's largest weight. Where does it stand, seen from
            the earlier copy?
        Q is earlier copy / Q is induction: Is the token under Q's largest weight one that occurs twice?
        Q is one back / Q is even: At which position is Q's largest weight? What did section 3 find there in most
            layers?
        R is earlier copy / R is induction / R is sink / R is even: Count from the end: how far from the last token is
            R's largest weight?
        S is induction: Is the token under S's largest weight the one seen before, or what followed it?
        S is one back / S is sink / S is even: Compare the last token with the one under S's largest weight.
        T is one back / T is earlier copy / T is induction / T is sink: Compare T's largest weight with its smallest.
        right: Q's map is the brightest of the five at one place, and says nothing about this text.
        hint 1: For each head: which token is under the largest weight, and where does it stand?
        hint 2: The last token is "cat". Its earlier copy is at 2, what followed it at 3, the token before it at 5.
    """,
)
