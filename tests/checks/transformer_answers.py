"""Answers to the exercises of notebook 04, right and wrong, written apart from the catalogues of the checks.

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
    lambda x, table: torch.add(x, table.narrow(0, 0, x.size(1)).unsqueeze(0)),
    lambda x, table: positions_in_place(x.clone(), table),
]
WRONG["add positions"] = {
    "positions along the batch": [
        lambda x, table: torch.stack([each + table[b] for b, each in enumerate(x)]),
        lambda x, table: x + F.embedding(torch.arange(x.size(0)), table).unsqueeze(1),
    ],
    "as many positions as sequences": [lambda x, table: x + table[torch.arange(x.size(0))]],
    "table not cut": [lambda x, table: table + x],
    "one position for all": [lambda x, table: x + table[:1], first_position_in_place],
    "an index instead of a slice": [lambda x, table: x + table[x.size(1)]],
    "the last positions": [lambda x, table: x + table[-x.shape[1] :]],
    "one position too far": [lambda x, table: x + table[1:][: x.shape[1]]],
    "multiplied": [lambda x, table: torch.einsum("btd,td->btd", x, table[: x.shape[1]])],
    "replaced": [
        lambda x, table: table[: x.shape[1]],
        lambda x, table: torch.stack([table[: x.shape[1]]] * len(x)),
    ],
    "concatenated": [lambda x, table: torch.cat([x, torch.stack([table[: x.shape[1]]] * len(x))], 2)],
    "written in place": [positions_in_place, lambda x, table: x.add_(table.narrow(0, 0, x.size(1)))],
}

# ---- several heads ----

Columns = Callable[[int, int, int], Any]


def next_to_each_other(h: int, heads: int, k: int) -> slice:
    return slice(h * k, (h + 1) * k)


def every_other(h: int, heads: int, k: int) -> slice:
    return slice(h, None, heads)


def heads_by_columns(
    columns: Columns = next_to_each_other,
    scale: Callable[[int, int], float] = lambda k, d: k**0.5,
    axis: int = -1,
    show: Callable[[Tensor, Tensor], Tensor] = lambda maps, scores: maps,
    paste: Callable[[list[Tensor], int], Tensor] = lambda mixes, k: torch.cat(mixes, -1),
    give: Callable[[Tensor, Tensor], Any] = lambda output, maps: (output, maps),
) -> Callable[..., Any]:
    """Write each head with columns of the three matrices of its own, the parts that go wrong left open."""

    def multi_head(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor, heads: int) -> Any:
        d = x.shape[2]
        k = d // heads
        all_scores, mixes = [], []
        for h in range(heads):
            own = columns(h, heads, k)
            q, key = x @ w_q[:, own], x @ w_k[:, own]
            all_scores.append(torch.einsum("btk,bsk->bts", q, key) / scale(k, d))
        scores = torch.stack(all_scores, 1)
        maps = F.softmax(scores, axis)
        for h in range(heads):
            mixes.append(maps[:, h] @ (x @ w_v[:, columns(h, heads, k)]))
        return give(paste(mixes, k) @ w_o, show(maps, scores))

    return multi_head


def heads_by_view(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    b, t, d = x.shape
    q, k, v = ((x @ w).view(b, t, heads, d // heads).transpose(1, 2) for w in (w_q, w_k, w_v))
    maps = (q @ k.transpose(-2, -1) / (d // heads) ** 0.5).softmax(dim=-1)
    return (maps @ v).transpose(1, 2).reshape(b, t, d) @ w_o, maps


def heads_by_einsum(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor, heads: int) -> list[Any]:
    q, k, v = (torch.einsum("btd,dhk->bhtk", x, w.unflatten(1, (heads, -1))) for w in (w_q, w_k, w_v))
    maps = torch.softmax(torch.einsum("bhtk,bhsk->bhts", q, k) * q.shape[-1] ** -0.5, -1)
    output = torch.einsum("bhts,bhsk,hkd->btd", maps, v, w_o.unflatten(0, (heads, -1)))
    return [output, maps.numpy()]


def one_wide_head(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    output, maps = heads_by_columns()(x, w_q, w_k, w_v, w_o, 1)
    return output, maps[:, 0]


def shapes_only(back: bool) -> Callable[..., tuple[Tensor, Tensor]]:
    """Write heads that are cut from (B, T, D) by a view alone, and pasted with or without a transposition."""

    def multi_head(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor, heads: int) -> tuple[Tensor, Tensor]:
        b, t, d = x.shape
        q, k, v = (F.linear(x, w.T).view(b, heads, t, d // heads) for w in (w_q, w_k, w_v))
        mix = F.scaled_dot_product_attention(q, k, v)
        maps = F.softmax(torch.einsum("bhtk,bhsk->bhts", q, k) / (d // heads) ** 0.5, 3)
        return (mix.transpose(1, 2) if back else mix).contiguous().view(b, t, d) @ w_o, maps

    return multi_head


def own_order(mixes: list[Tensor], k: int) -> Tensor:
    """Lay numbers of all heads with the same place beside each other: the way back from every H-th column."""
    return torch.stack(mixes, -1).flatten(2)


def as_linear(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor, heads: int) -> Any:
    layer = nn.MultiheadAttention(x.shape[2], heads, bias=False, batch_first=True, dtype=torch.float64)
    layer.in_proj_weight.data = torch.cat([w_q, w_k, w_v])
    layer.out_proj.weight.data = w_o
    return layer(x, x, x, average_attn_weights=False)


RIGHT["several heads"] = [heads_by_view, heads_by_columns(), heads_by_einsum]
WRONG["several heads"] = {
    "heads not split": [
        one_wide_head,
        lambda x, w_q, w_k, w_v, w_o, heads: heads_by_columns()(x, w_q, w_k, w_v, w_o, 1),  # a map (B, 1, T, T)
    ],
    "heads not moved back": [
        heads_by_columns(paste=lambda mixes, k: torch.stack(mixes, 1).view(len(mixes[0]), -1, len(mixes) * k))
    ],
    "heads cut across tokens": [shapes_only(back=True)],
    "heads cut across tokens: and pasted so": [shapes_only(back=False)],
    "heads interleaved": [heads_by_columns(columns=every_other, paste=own_order)],
    "heads interleaved: then side by side": [heads_by_columns(columns=every_other)],
    "no scale": [heads_by_columns(scale=lambda k, d: 1)],
    "wrong scale": [heads_by_columns(scale=lambda k, d: k)],
    "wrong scale: sqrt(D)": [heads_by_columns(scale=lambda k, d: d**0.5)],
    "softmax over the queries": [heads_by_columns(axis=2)],
    "softmax over the heads": [heads_by_columns(axis=1)],
    "weights transposed": [as_linear],
    "output not mixed": [
        lambda x, w_q, w_k, w_v, w_o, heads: heads_by_columns()(x, w_q, w_k, w_v, torch.eye(len(w_o)).double(), heads)
    ],
    "maps averaged over heads": [
        heads_by_columns(show=lambda maps, scores: maps.mean(1)),
        heads_by_columns(show=lambda maps, scores: maps.sum(1, keepdim=True) / maps.shape[1]),
    ],
    "maps taken from another path": [
        lambda x, w_q, w_k, w_v, w_o, heads: (
            heads_by_view(x, w_q, w_k, w_v, w_o, heads)[0],
            heads_by_columns(scale=lambda k, d: 1)(x, w_q, w_k, w_v, w_o, heads)[1],
        )
    ],
    "maps taken from another path: queries": [heads_by_columns(show=lambda maps, scores: F.softmax(scores, 2))],
    "maps taken from another path: scores": [heads_by_columns(show=lambda maps, scores: scores)],
    "maps taken from another path: bare scores": [
        lambda x, w_q, w_k, w_v, w_o, heads: (
            heads_by_view(x, w_q, w_k, w_v, w_o, heads)[0],
            heads_by_columns(scale=lambda k, d: 1, show=lambda _, scores: scores)(x, w_q, w_k, w_v, w_o, heads)[1],
        )
    ],
    "maps turned": [heads_by_columns(show=lambda maps, scores: maps.transpose(2, 3))],
    "results exchanged": [heads_by_columns(give=lambda output, maps: (maps, output))],
    "output alone": [heads_by_columns(give=lambda output, maps: output)],
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


def in_one_batch(model: Model, tokens: Tensor) -> Any:
    length = tokens.shape[1]
    later = torch.ones(length, length).triu(1).bool()  # row t: the tokens after t
    changed = torch.where(later, 0, tokens[0].expand(length, length))
    own = torch.arange(length)
    return (model(changed)[own, own] != model(tokens[:1])[0]).numpy().any()


def read_from_the_left(model: Model, tokens: Tensor) -> bool:
    whole = model(tokens)
    return any(not torch.allclose(model(tokens[:, :n]), whole[:, :n]) for n in range(1, tokens.shape[1]))


def other_random_tokens(model: Model, tokens: Tensor) -> bool:
    before = model(tokens)
    for t in range(tokens.shape[1] - 1):
        new = torch.randint(before.shape[-1], tokens.shape, generator=torch.Generator().manual_seed(t))
        changed = torch.cat([tokens[:, : t + 1], new[:, t + 1 :]], dim=1)
        if (model(changed)[:, t] - before[:, t]).abs().max() > 1e-6:
            return True
    return False


def changed_at(where: Callable[[int], Any], compared: Callable[[int], Any]) -> Callable[[Model, Tensor], bool]:
    """Write an answer with a single change: which places get another token, and which are compared."""

    def sees_the_future(model: Model, tokens: Tensor) -> bool:
        length = tokens.shape[1]
        changed = tokens.clone()
        changed[:, where(length)] = (changed[:, where(length)] + 3) % model(tokens).shape[2]
        return bool((model(changed) != model(tokens))[:, compared(length)].any())

    return sees_the_future


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


def next_token(model: Model, tokens: Tensor) -> bool:
    seen = False
    for t in range(tokens.shape[1] - 1):
        changed = tokens.clone()
        changed[:, t + 1] = 10 - changed[:, t + 1]
        seen = seen or not torch.equal(model(changed)[:, t], model(tokens)[:, t])
    return seen


def rolled(model: Model, tokens: Tensor) -> bool:
    before = model(tokens)
    for cut in range(1, tokens.shape[1]):
        changed = torch.cat([tokens[:, :cut], tokens[:, cut:].roll(1, 1)], 1)
        if not torch.allclose(model(changed)[:, :cut], before[:, :cut]):
            return True
    return False


RIGHT["does it see the future?"] = [
    after_each_cut,
    one_token_at_a_time,
    in_one_batch,
    read_from_the_left,
    other_random_tokens,
]
WRONG["does it see the future?"] = {
    "counts the token itself": [
        changed_at(lambda n: -1, lambda n: -1),
        changed_at(lambda n: slice(n - 1, n), lambda n: slice(None)),
        with_the_cut_itself,
    ],
    "changes the past": [changed_at(lambda n: 0, lambda n: slice(None)), lambda model, tokens: True],
    "changes nothing": [second_name, lambda model, tokens: torch.tensor(False)],
    "turned around": [lambda model, tokens: not after_each_cut(model, tokens)],
    "looks at one place only": [changed_at(lambda n: slice(1, None), lambda n: 0)],
    "changes the last token only": [changed_at(lambda n: -1, lambda n: slice(n - 1))],
    "cuts in one place only": [
        changed_at(lambda n: slice(n // 2, None), lambda n: slice(n // 2)),
        changed_at(lambda n: slice(n // 2 + 1, None), lambda n: slice(n // 2 + 1)),
    ],
    "looks one step ahead only": [next_token],
    "shuffled, not changed": [rolled],
}
