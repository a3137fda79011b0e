"""Answers to the exercises of notebook 04, written apart from the catalogues of the checks.

The heads are written one by one here, each with columns of its own; the catalogue works on all at once.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

Tensor = torch.Tensor
RIGHT: dict[str, list[Any]] = {}
WRONG: dict[str, dict[str, list[Any]]] = {}
# What a student would have to write, in pieces; no verdict may hold one of them. (The second hint may.)
SOLUTIONS = {
    "add positions": ["table[", "x.shape[1]", ": T", "x +"],
    "several heads": ["view(", "transpose(", "permute(", "reshape(", "softmax(", "sqrt", "@ w"],
    "does it see the future?": ["clone(", "[:, ", "allclose", "for cut", "cut:", "!="],
}

# ---- add positions ----


def positions_by_loops(x: Tensor, table: Tensor) -> Tensor:
    result = torch.empty_like(x)
    for b in range(x.shape[0]):
        for t in range(x.shape[1]):
            result[b, t] = x[b, t] + table[t]
    return result


def positions_in_place(x: Tensor, table: Tensor) -> Tensor:
    x += table[: x.shape[1]]
    return x


def first_position_in_place(x: Tensor, table: Tensor) -> Tensor:
    x += table[0]
    return x


RIGHT["add positions"] = [
    lambda x, table: x + table[: x.shape[1]],
    positions_by_loops,
    lambda x, table: x + F.embedding(torch.arange(x.size(1)), table),
    lambda x, table: positions_in_place(x.clone(), table),
]
WRONG["add positions"] = {
    "positions along the batch": [lambda x, table: torch.stack([each + table[b] for b, each in enumerate(x)])],
    "one position for all": [first_position_in_place],  # wrong, and writes
    "other rows of the table": [lambda x, table: x + table[-x.shape[1] :]],
    "written in place": [positions_in_place, lambda x, table: x.add_(table.narrow(0, 0, x.size(1)))],
    "nothing returned": [lambda x, table: None],
}

# ---- several heads ----


def heads_by_columns(
    scale: Callable[[int, int], float] = lambda k, d: k**0.5,
    show: Callable[[Tensor, Tensor], Tensor] = lambda maps, scores: maps,
    give: Callable[[Tensor, Tensor], Any] = lambda output, maps: (output, maps),
) -> Callable[..., Any]:
    """Write each head with columns of the three matrices of its own, the parts that go wrong left open."""

    def multi_head(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor, num_heads: int) -> Any:
        d = x.shape[2]
        k = d // num_heads
        all_scores, mixes = [], []
        for h in range(num_heads):
            own = slice(h * k, (h + 1) * k)
            all_scores.append(torch.einsum("btk,bsk->bts", x @ w_q[:, own], x @ w_k[:, own]) / scale(k, d))
            mixes.append(F.softmax(all_scores[-1], -1) @ (x @ w_v[:, own]))
        scores = torch.stack(all_scores, 1)
        return give(torch.cat(mixes, -1) @ w_o, show(F.softmax(scores, -1), scores))

    return multi_head


def heads_by_view(
    x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor, num_heads: int
) -> tuple[Tensor, Tensor]:
    b, t, d = x.shape
    q, k, v = ((x @ w).view(b, t, num_heads, d // num_heads).transpose(1, 2) for w in (w_q, w_k, w_v))
    maps = (q @ k.transpose(-2, -1) / (d // num_heads) ** 0.5).softmax(dim=-1)
    return (maps @ v).transpose(1, 2).reshape(b, t, d) @ w_o, maps


def shapes_only(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor, num_heads: int) -> Any:
    """Heads that are cut from (B, T, D) by a view alone, and pasted by another."""
    b, t, d = x.shape
    q, k, v = (F.linear(x, w.T).view(b, num_heads, t, d // num_heads) for w in (w_q, w_k, w_v))
    mix = F.scaled_dot_product_attention(q, k, v)
    maps = F.softmax(torch.einsum("bhtk,bhsk->bhts", q, k) / (d // num_heads) ** 0.5, 3)
    return mix.contiguous().view(b, t, d) @ w_o, maps


def as_linear(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor, num_heads: int) -> Any:
    layer = nn.MultiheadAttention(x.shape[2], num_heads, bias=False, batch_first=True, dtype=torch.float64)
    layer.in_proj_weight.data = torch.cat([w_q, w_k, w_v])
    layer.out_proj.weight.data = w_o
    return layer(x, x, x, average_attn_weights=False)


RIGHT["several heads"] = [heads_by_view, heads_by_columns()]
WRONG["several heads"] = {
    "heads cut across tokens": [shapes_only],
    "no scale": [heads_by_columns(scale=lambda k, d: 1)],
    "wrong scale": [heads_by_columns(scale=lambda k, d: d**0.5)],
    "weights transposed": [as_linear],
    "maps averaged over heads": [heads_by_columns(show=lambda maps, scores: maps.sum(1) / maps.shape[1])],
    "maps from another path": [heads_by_columns(show=lambda maps, scores: F.softmax(scores, 2))],
    "maps turned": [heads_by_columns(show=lambda maps, scores: maps.transpose(2, 3))],
    "output alone": [heads_by_columns(give=lambda output, maps: output)],
    "not solved yet": [heads_by_columns(give=lambda output, maps: (output, ...))],
    "other": [heads_by_columns(give=lambda output, maps: (output, None))],
}

# ---- does it see the future? ----

Model = Callable[[Tensor], Tensor]


def after_each_cut(model: Model, tokens: Tensor) -> bool:
    before = model(tokens)
    for cut in range(1, tokens.shape[1]):
        changed = tokens.clone()
        changed[:, cut:] = (changed[:, cut:] + 1) % before.shape[-1]
        if not torch.allclose(model(changed)[:, :cut], before[:, :cut]):
            return True
    return False


def one_token_at_a_time(model: Model, tokens: Tensor) -> Tensor:
    before, seen = model(tokens), torch.tensor(False)
    for s in range(tokens.shape[1]):
        changed = tokens.clone()
        changed[:, s] = (changed[:, s] + 5) % before.shape[2]
        seen = seen | (model(changed) != before)[:, :s].any()  # bit by bit
    return seen


def read_from_the_left(model: Model, tokens: Tensor) -> bool:
    whole = model(tokens)
    return any(not torch.allclose(model(tokens[:, :n]), whole[:, :n]) for n in range(1, tokens.shape[1]))


def second_name(model: Model, tokens: Tensor) -> bool:
    changed = tokens
    changed[:, 1:] = (changed[:, 1:] + 1) % 11
    return not torch.equal(model(changed)[:, 0], model(tokens)[:, 0])


def with_the_cut_itself(model: Model, tokens: Tensor) -> bool:
    before = model(tokens)
    for cut in range(1, tokens.shape[1]):
        changed = tokens.clone()
        changed[:, cut:] = (changed[:, cut:] + 1) % before.shape[-1]
        if not torch.equal(model(changed)[:, : cut + 1], before[:, : cut + 1]):
            return True
    return False


RIGHT["does it see the future?"] = [after_each_cut, one_token_at_a_time, read_from_the_left]
WRONG["does it see the future?"] = {
    "counts the token itself": [with_the_cut_itself],
    "changes the past": [lambda model, tokens: True],
    "changes nothing": [second_name, lambda model, tokens: torch.tensor(False)],
    "error": [lambda model, tokens: bool(model(tokens + 9).sum() > 0)],
}
