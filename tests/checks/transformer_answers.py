"""Answers to the exercises of notebook 04, written apart from the catalogues of the checks."""

from typing import Any

import torch
import torch.nn.functional as F

from lecturelib.checks.transformer import FAILS, case_number

Tensor = torch.Tensor
RIGHT: dict[str, list[Any]] = {}
WRONG: dict[str, dict[str, list[Any]]] = {}
# What a student would have to write, in pieces; no verdict may hold one of them. (The second hint may.)
SOLUTIONS = {
    "a decoder's block": ["self_attention(norm", "norms[", "tril(", "causal_mask(", "feed_forward("],
    "the blind patient": list(FAILS),
    "depth without residual connections": ["0.29", "0.17", "1.0"],
}

# ---- the block of a decoder ----


def in_three_lines(x, context, norms, self_attention, cross_attention, feed_forward):
    T = x.shape[1]
    x = x + self_attention(norms[0](x), torch.ones(T, T, dtype=torch.bool).tril())
    x = x + cross_attention(norms[1](x), context)
    return x + feed_forward(norms[2](x))


def by_loop(x, context, norms, self_attention, cross_attention, feed_forward):
    step = torch.arange(x.size(1))
    layers = [lambda h: self_attention(h, step[:, None] >= step), lambda h: cross_attention(h, context), feed_forward]
    for norm, layer in zip(norms, layers, strict=True):
        x = layer(norm(x)).add(x)
    return x


def with_names(x, context, norms, self_attention, cross_attention, feed_forward):
    first, second, third = norms
    hidden = torch.triu(torch.ones((x.shape[1],) * 2), diagonal=1).bool()
    seen = x + self_attention(first(x), (~hidden)[None])
    asked = seen + cross_attention(second(seen), context)
    thought = feed_forward(third(asked))
    return asked + thought


def without_reading(x, context, norms, self_attention, cross_attention, feed_forward):
    mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
    x = x + self_attention(norms[0](x), mask)
    return x + feed_forward(norms[2](x))


def without_last_addition(x, context, norms, self_attention, cross_attention, feed_forward):
    mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
    x = x + self_attention(norms[0](x), mask)
    x = x + cross_attention(norms[1](x), context)
    return feed_forward(norms[2](x))


def in_place(x, context, norms, self_attention, cross_attention, feed_forward):
    x += self_attention(norms[0](x), torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril())
    x += cross_attention(norms[1](x), context)
    x += feed_forward(norms[2](x))
    return x


def layer_norms(x, context, norms, self_attention, cross_attention, feed_forward):
    mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
    x = x + self_attention(F.layer_norm(x, x.shape[-1:]), mask)
    x = x + cross_attention(norms[1](x), context)
    return x + feed_forward(norms[2](x))


def older_sum(x, context, norms, self_attention, cross_attention, feed_forward):
    seen = x + self_attention(norms[0](x), torch.ones(x.shape[1], x.shape[1]).tril() == 1)
    both = x + cross_attention(norms[1](seen), context)
    return both + feed_forward(norms[2](both))


def asked_by_the_context(x, context, norms, self_attention, cross_attention, feed_forward):
    x = x + self_attention(norms[0](x), torch.ones(x.shape[1], x.shape[1]).tril() == 1)
    x = x + cross_attention(norms[1](context), x)
    return x + feed_forward(norms[2](x))


RIGHT["a decoder's block"] = [in_three_lines, by_loop, with_names]
WRONG["a decoder's block"] = {
    "a part left out": [without_reading],
    "no residual connection": [without_last_addition],
    "a sum is lost": [older_sum],
    "queries from the context": [asked_by_the_context],
    "written in place": [in_place],
    "other": [layer_norms, lambda x, *rest: x],
    "error": [lambda x, context, norms, self_attention, cross_attention, feed_forward: self_attention(x, None)],
}

# ---- the blind patient ----

PATIENTS = {list(FAILS)[case_number(f"patient {n}") % 6]: f"patient {n}" for n in range(40)}

RIGHT["the blind patient"] = [[student, bug] for bug, student in PATIENTS.items()]
RIGHT["the blind patient"] += [
    (f" {PATIENTS['wrong scale'].title()} ", "Wrong Scale"),
    [PATIENTS["heads not moved back"], "heads_not_moved_back"],
    [PATIENTS["soft mask"], " soft-mask"],
    [PATIENTS["no mask"], ["no mask"]],
]
WRONG["the blind patient"] = {
    "tells_positions_apart": [(PATIENTS["positions never added"], "wrong scale")],
    "the tests cannot tell": [(PATIENTS["no mask"].upper(), "soft mask")],
    "a test, not a bug": [["me", "tells positions apart"], ["me", "maps_follow_the_formula fails"]],
    "no bug": [["me", "None"], ["soft mask", "no bug"]],
    "more than one bug": [["me", "Soft mask, no mask"], ["me", ("norm over time", "wrong scale")]],
    "exchanged": [["Soft_mask", "me"]],
    "error": [
        ["me", "the third one"],
        ["me", "mask"],
        ["me", ""],
        ["me", "not wrong scale"],
        ["Your name", "wrong scale"],
    ],
    "other": ["soft mask", ["soft mask"], [3, "soft mask"], ["me", None], ["me", 5]],
    "not solved yet": [["me", ...], [..., "wrong scale"]],
}

# ---- how deep without residual connections? ----

RIGHT["depth without residual connections"] = [
    [1.0, 0.29, 0.17],
    (0.99, 0.25, 0.3),
    torch.tensor([0.97, 0.36, 0.2]),
]
WRONG["depth without residual connections"] = {
    "whole blocks": [[0.99, 1, 0.97]],
    "at chance": [torch.tensor([0.124, 0.119, 0.131])],
    "nothing works": [[0.5, 0.31, 0.2], [0.31, 0.19, 0.15]],
    "two blocks work": [[0.99, 0.93, 0.3]],
    "the same twice": [[1, 0.44, 0.44], [0.99, 0.2, 0.2]],
    "one seed": [[1.0, 0.63, 0.18], [0.99, 0.3, 0.45]],
    "another depth works": [[0.44, 1.0, 0.2], (0.18, 0.44, 1.0)],
    "percent": [[99, 31.2, 18], [100, 0.31, 0.18]],
    # losses and counts are no percent
    "other": [[1.0, 0.2, 0.9], [0.2, 0.9, 0.9], [0.5, -1, 0], 3, [0.02, 1.6, 2.1], [2400, 1056, 480]],
    "error": [[1.0, 0.3], "one", {1: 1.0, 2: 0.29, 3: 0.17}],
    "not solved yet": [[..., ..., ...]],
}
