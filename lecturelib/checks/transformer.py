"""The exercises of notebook 04: positions, several heads, and a test for models that see the future."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from lecturelib.checks.exercise import Exercise, Sized, normal, spoiling, untouched
from lecturelib.checks.toy_models import HONEST, LEAKY

Tensor = torch.Tensor


# ---- positions ----


def _added(x: Tensor, table: Tensor) -> Tensor:
    return torch.stack([torch.stack([v + p for v, p in zip(each, table, strict=False)]) for each in x])


check_add_positions = Exercise(
    name="add positions",
    reference=_added,
    # B < T, B > T, B = T; in the last the sequences are as long as the table
    probes=Sized(
        lambda b, t, d, rest, seed: normal(seed, (b, t, d), (t + rest - 1, d)),
        [(2, 5, 3, 7, 1), (7, 3, 2, 11, 2), (5, 5, 3, 3, 3), (3, 7, 2, 1, 4)],
    ),
    view=untouched(_added),
    imitations={
        "positions along the batch": lambda x, table: x + table[: len(x), None],
        "as many positions as sequences": lambda x, table: x + table[: len(x)],
        "table not cut": lambda x, table: x + table,
        "one position for all": lambda x, table: x + table[0],
        "an index instead of a slice": lambda x, table: x + table[x.shape[1]],
        "other rows of the table": (
            lambda x, table: x + table[len(table) - x.shape[1] :],
            lambda x, table: x + table[1 : x.shape[1] + 1],
        ),
        "multiplied": lambda x, table: x * table[: x.shape[1]],
        "replaced": (lambda x, table: table[: x.shape[1]].expand(x.shape), lambda x, table: table[: x.shape[1]]),
        "concatenated": lambda x, table: torch.cat([x, table[: x.shape[1]].expand(x.shape)], dim=-1),
        "written in place": spoiling(_added),
    },
    says="""
        positions along the batch: Your positions run along the batch: all tokens of a sequence get the same vector, and
            each sequence another one. A model still trains with that. Which dimension of x is time?
        as many positions as sequences: You cut as many rows from the table as there are sequences. It runs only where B
            equals T. Which number in x.shape counts the tokens?
        table not cut: You add the whole table. Sequences shorter than that need its first rows.
        one position for all: All your tokens get the vector of position 0, so nothing tells them apart.
        an index instead of a slice: You add the one row number T to all tokens. Each token needs a row of its own.
        other rows of the table: Your positions do not begin with the first row of the table. The first token should
            have that row always, however long the sequence is.
        multiplied: You multiply with the positions. Where a row of the table holds a 0, the token is lost.
        replaced: You return the positions alone: nothing is left of the tokens.
        concatenated: You put the positions beside the tokens, so the width has doubled. Here they share D.
        written in place: Your sum is right, but it stands in the x that you were given. Make a new tensor.
        right: Every sequence gets the same positions, however many there are in the batch.
        hint 1: Row t of the table belongs to token t. Which number in x.shape says how many tokens there are?
        hint 2: table[: x.shape[1]] is (T, D); added to (B, T, D), it is the same for all sequences by itself.
    """,
)

# ---- several heads ----


def _heads_probe(b: int, t: int, num_heads: int, k: int, seed: int) -> tuple[Any, ...]:
    """Tokens and weights whose scores are far from saturated."""
    d = num_heads * k
    x, *weights = normal(seed, (b, t, d), *[(d, d)] * 4)
    return x, *((w / math.sqrt(d)).round(decimals=2) for w in weights), num_heads


def _torch_heads(
    x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor, num_heads: int
) -> tuple[Tensor, Tensor | None]:
    layer = nn.MultiheadAttention(x.shape[2], num_heads, bias=False, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        layer.in_proj_weight.copy_(torch.cat([w_q.T, w_k.T, w_v.T]))  # torch keeps them as W.T
        layer.out_proj.weight.copy_(w_o.T)
        return layer(x, x, x, average_attn_weights=False)


def _side_by_side(y: Tensor, num_heads: int) -> Tensor:
    return y.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def _every_other(y: Tensor, num_heads: int) -> Tensor:
    return y.unflatten(-1, (-1, num_heads)).permute(0, 3, 1, 2)


def _across_tokens(y: Tensor, num_heads: int) -> Tensor:
    return y.reshape(len(y), num_heads, y.shape[1], -1)


def _multi_head(
    cut: Callable[[Tensor, int], Tensor] = _side_by_side,  # (B, T, D), H to (B, H, T, K)
    scale: Callable[[int, int], float] = lambda k, d: math.sqrt(k),
    weigh: Callable[[Tensor], Tensor] = lambda scores: scores.softmax(-1),
    paste: tuple[int, ...] = (0, 2, 1, 3),  # the order of (B, H, T, K) before the last two are joined
    mixed: bool = True,
    give: Callable[[Tensor, Tensor, Tensor, Tensor], Any] = lambda output, maps, scores, bare: (output, maps),
) -> Callable[..., Any]:
    """Attention with several heads, its parts left open."""

    def multi_head(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor, num_heads: int) -> Any:
        q, k, v = (cut(x @ w, num_heads) for w in (w_q, w_k, w_v))
        bare = q @ k.mT
        scores = bare / scale(x.shape[2] // num_heads, x.shape[2])  # (B, H, T, S)
        maps = weigh(scores)
        output = (maps @ v).permute(paste).reshape(x.shape)
        return give(output @ w_o if mixed else output, maps, scores, bare)

    return multi_head


def _one_head(show: Callable[[Tensor], Tensor]) -> Callable[..., Any]:
    """A single head as wide as the tokens; its map is (B, 1, T, T)."""
    return lambda x, w_q, w_k, w_v, w_o, num_heads: _multi_head(
        give=lambda output, maps, scores, bare: (output, show(maps))
    )(x, w_q, w_k, w_v, w_o, 1)


def _transposed(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor, num_heads: int) -> Any:
    return _multi_head()(x, w_q.T, w_k.T, w_v.T, w_o.T, num_heads)


def _causal(scores: Tensor) -> Tensor:
    return scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -math.inf).softmax(-1)


check_multi_head = Exercise(
    name="several heads",
    reference=_torch_heads,
    probes=Sized(_heads_probe, [(2, 7, 3, 5, 1), (5, 3, 2, 7, 2), (3, 2, 5, 2, 3)]),
    imitations={
        "heads not split": (
            _one_head(lambda maps: maps),
            _one_head(lambda maps: maps[:, 0]),
        ),
        "heads not moved back": _multi_head(paste=(0, 1, 2, 3)),
        "heads cut across tokens": (_multi_head(_across_tokens), _multi_head(_across_tokens, paste=(0, 1, 2, 3))),
        "heads interleaved": (_multi_head(_every_other, paste=(0, 2, 3, 1)), _multi_head(_every_other)),
        "no scale": _multi_head(scale=lambda k, d: 1),
        "wrong scale": (_multi_head(scale=lambda k, d: k), _multi_head(scale=lambda k, d: math.sqrt(d))),
        "softmax over the queries": _multi_head(weigh=lambda scores: scores.softmax(-2)),
        "a causal mask": _multi_head(weigh=_causal),
        "weights transposed": _transposed,
        "output not mixed": _multi_head(mixed=False),
        "maps averaged over heads": (
            _multi_head(give=lambda output, maps, scores, bare: (output, maps.mean(1))),
            _multi_head(give=lambda output, maps, scores, bare: (output, maps.mean(1, keepdim=True))),
        ),
        "maps from another path": (
            _multi_head(give=lambda output, maps, scores, bare: (output, bare.softmax(-1))),
            _multi_head(give=lambda output, maps, scores, bare: (output, scores.softmax(-2))),
            _multi_head(give=lambda output, maps, scores, bare: (output, scores)),
            _multi_head(give=lambda output, maps, scores, bare: (output, bare)),
        ),
        "maps turned": _multi_head(give=lambda output, maps, scores, bare: (output, maps.mT)),
        "output alone": _multi_head(give=lambda output, maps, scores, bare: output),
    },
    says="""
        heads not split: You have one head as wide as the tokens. Each head works on K = D / H columns of its own.
        heads not moved back: Your heads are right, but you lay them side by side in the order (B, H, T, K): numbers of
            different tokens end up in one row. The tokens must stand before the heads when the last two dimensions are
            joined.
        heads cut across tokens: You cut (B, T, D) into (B, H, T, K) in one step. The numbers stay in their order in
            memory, so a head gets whole tokens instead of a part of each. Cut the width first, then move the heads.
        heads interleaved: Your heads take every H-th column. Head h should take K columns that stand together, so that
            it is a block of W_Q: which of H and K comes first when the width is cut?
        no scale: Your scores are not divided by anything. More heads do not change the formula of each.
        wrong scale: Your scale is the width of a head itself, or made of D. The dot products are those of a head: of
            how many products is each the sum, and how does its standard deviation grow?
        softmax over the queries: Your maps are a softmax over the queries. Which axis should sum to 1?
        a causal mask: Your tokens look back only. No mask is asked for here: every token may look at every other.
        weights transposed: You multiply with the transposed matrices, as nn.Linear keeps them. Here they are the
            lecture's: Q = X W_Q.
        output not mixed: Your heads stand side by side and stay apart: W_O, which mixes them, is missing.
        maps averaged over heads: Your output is right, but each head has a map of its own: return all of them.
        maps from another path: Your output is right, but the maps are not those that made it: they are scores, or the
            softmax of others. Return the very weights that mix the values.
        maps turned: Your output is right, but your maps are turned: queries are rows, and rows sum to 1.
        output alone: You return the output alone. The maps of the heads are asked for too, as a second result.
        right: Output and maps equal those of torch's nn.MultiheadAttention with the same weights.
        hint 1: Project first, (B, T, D), then cut the width into H parts of K, and bring the heads before the tokens:
            (B, H, T, K). From there the formula is the one that you know, and at the end the way back.
        hint 2: x.view(B, T, H, K).transpose(1, 2) goes there; mix.transpose(1, 2).reshape(B, T, D) comes back, and then
            @ w_o. The maps are the weights between.
    """,
)

# ---- who sees the future? ----

Model = Callable[[Tensor], Tensor]
_MODELS = [*HONEST, *LEAKY]


def _sentences(b: int, t: int, number: int) -> tuple[Model, Tensor]:
    """A model by its number, and rows that hold different tokens in all places, so that any change of order shows."""
    rows = [[3, 7, 1, 9, 4, 10, 2], [8, 5, 10, 6, 1, 3, 9], [2, 4, 6, 8, 10, 1, 5]]
    return _MODELS[number], torch.tensor(rows)[:b, :t]


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


check_sees_the_future = Exercise(
    name="does it see the future?",
    reference=_by_definition,
    probes=Sized(_sentences, [(3, 7, number) for number in range(len(_MODELS))]),
    imitations={
        "counts the token itself": _at_cuts(lambda n: [n - 1], lambda cut: slice(None)),
        "changes the past": lambda model, tokens: _differs(
            model, tokens, _other(model, tokens, slice(0, 1)), slice(None)
        ),
        "changes nothing": lambda model, tokens: False,
        "turned around": lambda model, tokens: not _by_definition(model, tokens),
        "looks at one place only": _at_cuts(lambda n: [1], lambda cut: slice(0, 1)),
        "changes the last token only": _at_cuts(lambda n: [n - 1], lambda cut: slice(0, cut)),
        "cuts in one place only": _at_cuts(lambda n: [n // 2], lambda cut: slice(0, cut)),
        "looks one step ahead only": lambda model, tokens: any(
            _differs(model, tokens, _other(model, tokens, slice(s, s + 1)), slice(s - 1, s))
            for s in range(1, tokens.shape[1])
        ),
        "shuffled, not changed": lambda model, tokens: any(
            _differs(model, tokens, torch.cat([tokens[:, :cut], tokens[:, cut:].flip(1)], 1), slice(0, cut))
            for cut in range(1, tokens.shape[1])
        ),
    },
    says="""
        counts the token itself: You compare also the position whose token you changed. A position may see its own
            token: every honest model would be accused. Which positions come before the change?
        changes the past: You accuse every model. Does your comparison hold positions that come after a token that you
            changed? They may see it. Change later tokens, and look at earlier positions.
        changes nothing: You accuse no model, not even one without a mask. Are the tokens of your two runs really
            different? `changed = tokens` is a second name for the same tensor.
        turned around: Your answer is turned around: True should mean that the model sees the future.
        looks at one place only: You look at the first position only. A model may leak further on: check all.
        changes the last token only: You change the last token only. A position that sees one token ahead, but not the
            last, goes undetected: every later token must have its turn.
        cuts in one place only: You change all tokens from the middle on, and look at the positions before. A leak that
            does not cross the middle goes undetected: let the cut move.
        looks one step ahead only: You change only the very next token. Some models see one further ahead.
        shuffled, not changed: You put the later tokens in another order. A model that takes their mean does not notice,
            and still sees them all: put other tokens there.
        right: It accuses every model that looks ahead, and none of the others. Try it on a model of your own.
        hint 1: Run the model twice, on the tokens and on tokens that differ from some place on. What must be equal in
            the two outputs if nobody looks ahead? Then let that place move.
        hint 2: For each cut from 1 to T - 1: changed = tokens.clone(); changed[:, cut:] = (changed[:, cut:] + 1) %
            logits.shape[-1]; compare the outputs at [:, :cut] with torch.allclose.
    """,
)
