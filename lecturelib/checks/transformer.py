"""The exercises of notebook 04: positions, several heads, and a test for models that see the future."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from lecturelib.checks.exercise import Exercise, Mistake, expanded, normal
from lecturelib.checks.toy_models import HONEST, LEAKY

Tensor = torch.Tensor


# ---- positions ----

_WRITTEN = "the right sum, but x was changed"


def _watched(answer: Callable[[Tensor, Tensor], Any]) -> Callable[[Tensor, Tensor], Any]:
    """An answer that is caught if it is right and leaves its sum in the x that it was given."""
    stretched = expanded(answer, lambda x, table: tuple(x.shape))

    def add(x: Tensor, table: Tensor) -> Any:
        before = x.clone()
        result = stretched(x, table)
        spoilt = isinstance(result, Tensor) and not torch.equal(x, before) and torch.equal(x, _added(before, table))
        return _WRITTEN if spoilt else result

    return add


def _added(x: Tensor, table: Tensor) -> Tensor:
    return torch.stack([torch.stack([v + p for v, p in zip(each, table, strict=False)]) for each in x])


_POSITIONS: dict[str, tuple[str, Callable[[Tensor, Tensor], Any]]] = {
    "positions along the batch": (
        "Your positions run along the batch: all tokens of a sequence get the same vector, and each sequence another "
        "one. A model still trains with that. Which dimension of x is time?",
        lambda x, table: x + table[: len(x), None],
    ),
    "as many positions as sequences": (
        "You cut as many rows from the table as there are sequences. It runs only where B equals T. Which number in "
        "x.shape counts the tokens?",
        lambda x, table: x + table[: len(x)],
    ),
    "table not cut": (
        "You add the whole table. It runs only for sequences as long as the table; shorter ones need its first rows.",
        lambda x, table: x + table,
    ),
    "one position for all": (
        "All your tokens get the vector of position 0, so nothing tells them apart.",
        lambda x, table: x + table[0],
    ),
    "an index instead of a slice": (
        "You take the one row number T of the table, and add it to all tokens. Each token needs a row of its own.",
        lambda x, table: x + table[x.shape[1]],
    ),
    "the last positions": (
        "You take rows from the end of the table. The first token would have another position in each length: it "
        "should have the first row always.",
        lambda x, table: x + table[len(table) - x.shape[1] :],
    ),
    "one position too far": (
        "Your positions begin at 1. The first token has position 0, and the first row of the table.",
        lambda x, table: x + table[1 : x.shape[1] + 1],
    ),
    "multiplied": (
        "You multiply with the positions. Where a row of the table holds a 0, the token is lost.",
        lambda x, table: x * table[: x.shape[1]],
    ),
    "replaced": (
        "You return the positions alone: nothing is left of the tokens.",
        lambda x, table: table[: x.shape[1]].expand(x.shape),
    ),
    "concatenated": (
        "You put the positions beside the tokens, so the width has doubled. Here they share the same D numbers.",
        lambda x, table: torch.cat([x, table[: x.shape[1]].expand(x.shape)], dim=-1),
    ),
    "written in place": (
        "Your sum is right, but it stands in the x that you were given, and whoever still needs that x has lost it. "
        "Make a new tensor.",
        lambda x, table: _WRITTEN,
    ),
}

check_add_positions = Exercise(
    name="add positions",
    reference=_added,
    # B < T, B > T, B = T; in the last the sequences are as long as the table
    probes=[
        normal(1, (2, 5, 3), (11, 3)),
        normal(2, (7, 3, 2), (13, 2)),
        normal(3, (5, 5, 3), (7, 3)),
        normal(4, (3, 7, 2), (7, 2)),
    ],
    prepare=_watched,
    mistakes=[Mistake(name, says, imitate) for name, (says, imitate) in _POSITIONS.items()],
    hint_texts=[
        "Row t of the table belongs to token t of every sequence. How many tokens are there, and which number in "
        "x.shape says so?",
        "table[: x.shape[1]] is (T, D); added to (B, T, D), it is the same for all sequences by itself.",
    ],
    right="Every sequence gets the same positions, however many there are in the batch.",
)

# ---- several heads ----


def _heads_probe(b: int, t: int, num_heads: int, k: int, seed: int) -> tuple[Any, ...]:
    """Tokens and weights whose scores are far from saturated."""
    d = num_heads * k
    x, *weights = normal(seed, (b, t, d), (d, d), (d, d), (d, d), (d, d))
    return x, *(w / math.sqrt(d) for w in weights), num_heads


def _torch_heads(
    x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor, num_heads: int
) -> tuple[Tensor, Tensor | None]:
    layer = nn.MultiheadAttention(x.shape[2], num_heads, bias=False, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        layer.in_proj_weight.copy_(torch.cat([w_q.T, w_k.T, w_v.T]))  # torch keeps them as W.T
        layer.out_proj.weight.copy_(w_o.T)
        return layer(x, x, x, average_attn_weights=False)


def _stretched_maps(answer: Callable[..., Any]) -> Callable[..., Any]:
    """An answer whose maps, if they are one for all heads, are repeated for each head."""

    def multi_head(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor, num_heads: int) -> Any:
        result = answer(x, w_q, w_k, w_v, w_o, num_heads)
        if isinstance(result, tuple | list) and len(result) == 2 and isinstance(result[1], Tensor):
            output, maps = result
            b, t = x.shape[:2]
            if maps.shape in ((b, t, t), (b, 1, t, t)):
                return output, maps.reshape(b, 1, t, t).expand(b, num_heads, t, t)
        return result

    return multi_head


def _cut(y: Tensor, num_heads: int, mistake: str) -> Tensor:
    """Cut the width into heads: (B, T, D) to (B, H, T, K)."""
    b, t, d = y.shape
    if mistake == "heads not split":
        return y[:, None]
    if mistake.startswith("heads cut across tokens"):
        return y.reshape(b, num_heads, t, d // num_heads)
    if mistake.startswith("heads interleaved"):
        return y.reshape(b, t, d // num_heads, num_heads).permute(0, 3, 1, 2)
    return y.reshape(b, t, num_heads, d // num_heads).transpose(1, 2)


def _paste(mix: Tensor, mistake: str) -> Tensor:
    """Lay the heads side by side: (B, H, T, K) to (B, T, D)."""
    b, num_heads, t, k = mix.shape
    if mistake in ("heads not moved back", "heads cut across tokens: and pasted so"):
        return mix.reshape(b, t, num_heads * k)
    return mix.permute((0, 2, 3, 1) if mistake == "heads interleaved" else (0, 2, 1, 3)).reshape(b, t, num_heads * k)


def _multi_head(mistake: str) -> Callable[..., Any]:
    """Attention with several heads, and one mistake in it."""

    def multi_head(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor, num_heads: int) -> Any:
        b, t, d = x.shape
        if mistake == "weights transposed":
            w_q, w_k, w_v, w_o = w_q.T, w_k.T, w_v.T, w_o.T
        q, k, v = (_cut(x @ w, num_heads, mistake) for w in (w_q, w_k, w_v))
        bare = q @ k.mT
        d_model = {"no scale": 1, "wrong scale: sqrt(D)": d, "wrong scale": (d // num_heads) ** 2}
        scores = bare / math.sqrt(d_model.get(mistake, q.shape[-1]))  # (B, H, T, S)
        maps = scores.softmax({"softmax over the queries": -2, "softmax over the heads": 1}.get(mistake, -1))
        output = _paste(maps @ v, mistake)
        if mistake != "output not mixed":
            output = output @ w_o
        shown = {
            "heads not split": maps.expand(b, num_heads, t, t),
            "maps averaged over heads": maps.mean(1, keepdim=True).expand(maps.shape),
            "maps taken from another path": bare.softmax(-1),
            "maps taken from another path: queries": scores.softmax(-2),
            "maps taken from another path: scores": scores,
            "maps taken from another path: bare scores": bare,
            "maps turned": maps.mT,
        }.get(mistake, maps)
        return {"results exchanged": (shown, output), "output alone": output}.get(mistake, (output, shown))

    return multi_head


_HEADS_SAYS = {
    "heads not split": "You have one head as wide as the tokens, however many are asked for. Each head works on K = "
    "D / H columns of its own.",
    "heads not moved back": "Your heads are right, but you lay them side by side in the order (B, H, T, K): numbers "
    "of different tokens end up in one row. The tokens must stand before the heads when the last two dimensions are "
    "joined.",
    "heads cut across tokens": "You cut (B, T, D) into (B, H, T, K) in one step. The numbers stay in their order in "
    "memory, so a head gets whole tokens instead of a part of each. Cut the width first, then move the heads.",
    "heads cut across tokens: and pasted so": "You cut (B, T, D) into (B, H, T, K) in one step, and back in one "
    "step. The shapes fit, but a head gets whole tokens instead of a part of each. Cut the width first, then move "
    "the heads.",
    "heads interleaved": "Your heads take every H-th column. Head h should take K columns that stand together, so "
    "that it is a block of W_Q: which of H and K comes first when the width is cut?",
    "heads interleaved: then side by side": "Your heads take every H-th column on the way in, and stand side by side "
    "on the way out. Head h should take K columns that stand together: which of H and K comes first when the width "
    "is cut?",
    "no scale": "Your scores are not divided by anything. More heads do not change the formula of each.",
    "wrong scale": "You divide by the width of a head itself. The variance of a dot product grows with it; how does "
    "its spread grow?",
    "wrong scale: sqrt(D)": "You divide by the root of D, the width of a token. The dot products are those "
    "of a head: of how many products is each the sum?",
    "softmax over the queries": "Your maps are a softmax over the queries: their columns sum to 1. Which axis should "
    "sum to 1?",
    "softmax over the heads": "Your maps sum to 1 over the heads. The heads do not share: each has a softmax of its "
    "own.",
    "weights transposed": "You multiply with the transposed matrices, as nn.Linear keeps them. Here they are the "
    "lecture's: Q = X W_Q.",
    "output not mixed": "Your heads stand side by side and stay apart: W_O, which mixes them, is missing.",
    "maps averaged over heads": "Your output is right, but you return the mean of the maps. Each head has a map of "
    "its own; the mean shows what no head does.",
    "maps taken from another path": "Your output is right, but the maps are not those that made it: they come from "
    "scores without the scale, and look sharper than what is used. Return the very weights that mix the values.",
    "maps taken from another path: queries": "Your output is right, but the maps are not those that made it: they "
    "are a softmax over the queries. Return the very weights that mix the values.",
    "maps taken from another path: scores": "Your output is right, but in place of the maps you return the scores "
    "before the softmax. Return the very weights that mix the values.",
    "maps taken from another path: bare scores": "Your output is right, but in place of the maps you return the dot "
    "products before scale and softmax. Return the very weights that mix the values.",
    "maps turned": "Your output is right, but your maps are turned: rows are queries, columns are keys, and rows sum "
    "to 1.",
    "results exchanged": "You return the maps first. The output comes first, then the maps.",
    "output alone": "You return the output alone. The maps of the heads are asked for too, as a second result.",
}

check_multi_head = Exercise(
    name="several heads",
    reference=_torch_heads,
    probes=[_heads_probe(2, 7, 3, 5, 1), _heads_probe(5, 3, 2, 7, 2), _heads_probe(3, 2, 5, 2, 3)],
    prepare=_stretched_maps,
    mistakes=[Mistake(name, says, _multi_head(name)) for name, says in _HEADS_SAYS.items()],
    hint_texts=[
        "Project first, (B, T, D), then cut the width into H parts of K, and bring the heads before the tokens: "
        "(B, H, T, K). From there the formula is the one that you know, and at the end the way back.",
        "x.view(B, T, H, K).transpose(1, 2) goes there; mix.transpose(1, 2).reshape(B, T, D) comes back, and then "
        "@ w_o. The maps are the weights between.",
    ],
    right="Output and maps equal those of torch's nn.MultiheadAttention with the same weights.",
)

# ---- who sees the future? ----

Model = Callable[[Tensor], Tensor]


def _other(model: Model, tokens: Tensor, where: slice) -> Tensor:
    """The same tokens with others in some places."""
    changed = tokens.clone()
    changed[:, where] = (changed[:, where] + 1) % model(tokens).shape[-1]
    return changed


def _differs(model: Model, a: Tensor, b: Tensor, where: slice) -> bool:
    return not torch.allclose(model(a)[:, where], model(b)[:, where])


def _by_definition(model: Model, tokens: Tensor) -> bool:
    return any(
        _differs(model, tokens, _other(model, tokens, slice(s, s + 1)), slice(0, s)) for s in range(tokens.shape[1])
    )


def _at_cuts(cuts: Callable[[int], Any], compared: Callable[[int], slice]) -> Callable[[Model, Tensor], bool]:
    """An answer that changes all tokens from a cut on, for some cuts, and compares some places."""
    return lambda model, tokens: any(
        _differs(model, tokens, _other(model, tokens, slice(cut, None)), compared(cut)) for cut in cuts(tokens.shape[1])
    )


def _shuffled(model: Model, tokens: Tensor) -> bool:
    return any(
        _differs(model, tokens, torch.cat([tokens[:, :cut], tokens[:, cut:].flip(1)], 1), slice(0, cut))
        for cut in range(1, tokens.shape[1])
    )


_FUTURE: dict[str, tuple[str, Callable[[Model, Tensor], Any]]] = {
    "counts the token itself": (
        "You compare also the position whose token you changed. A position may see its own token: every honest model "
        "would be accused. Which positions come before the change?",
        _at_cuts(lambda n: [n - 1], lambda cut: slice(None)),
    ),
    "changes the past": (
        "You accuse every model. Does your comparison hold positions that come after a token that you changed? They "
        "may see it. Change later tokens, and look at earlier positions.",
        lambda model, tokens: _differs(model, tokens, _other(model, tokens, slice(0, 1)), slice(None)),
    ),
    "changes nothing": (
        "You accuse no model, not even one without a mask. Are the tokens of your two runs really different? "
        "`changed = tokens` is a second name for the same tensor.",
        lambda model, tokens: False,
    ),
    "turned around": (
        "Your answer is turned around: True should mean that the model sees the future.",
        lambda model, tokens: not _by_definition(model, tokens),
    ),
    "looks at one place only": (
        "You look at the first position only. A model may be honest there and leak further on: check all positions.",
        _at_cuts(lambda n: [1], lambda cut: slice(0, 1)),
    ),
    "changes the last token only": (
        "You change the last token only. A position that sees one token ahead, but not the last, goes undetected: "
        "every later token must have its turn.",
        _at_cuts(lambda n: [n - 1], lambda cut: slice(0, cut)),
    ),
    "cuts in one place only": (
        "You change all tokens from the middle on, and look at the positions before. A leak that does not cross the "
        "middle goes undetected: let the cut move.",
        _at_cuts(lambda n: [n // 2], lambda cut: slice(0, cut)),
    ),
    "looks one step ahead only": (
        "You change only the very next token. Some models are blind for that one and see one further ahead.",
        lambda model, tokens: any(
            _differs(model, tokens, _other(model, tokens, slice(s, s + 1)), slice(s - 1, s))
            for s in range(1, tokens.shape[1])
        ),
    ),
    "shuffled, not changed": (
        "You put the later tokens in another order. A model that takes their mean does not notice, and still sees "
        "them all: put other tokens there.",
        _shuffled,
    ),
}

# both rows hold different tokens in all places, so that any change of order is a change
_SENTENCES = torch.tensor([[3, 7, 1, 9, 4, 10, 2], [8, 5, 10, 6, 1, 3, 9], [2, 4, 6, 8, 10, 1, 5]])

check_sees_the_future = Exercise(
    name="does it see the future?",
    reference=_by_definition,
    probes=[(model, _SENTENCES) for model in (*HONEST, *LEAKY)],
    mistakes=[Mistake(name, says, imitate) for name, (says, imitate) in _FUTURE.items()],
    hint_texts=[
        "Run the model twice, on the tokens and on tokens that differ from some place on. What must be equal in the "
        "two outputs if nobody looks ahead? Then let that place move.",
        "For each cut from 1 to T - 1: changed = tokens.clone(); changed[:, cut:] = (changed[:, cut:] + 1) % "
        "scores.shape[-1]; compare the outputs at [:, :cut] with torch.allclose.",
    ],
    right=f"It accuses the {len(LEAKY)} models that look ahead, and none of the {len(HONEST)} that do not. Try it on a "
    "model of your own.",
)
