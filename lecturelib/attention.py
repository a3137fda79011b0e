"""Attention: a soft look-up, its masks, its heads, and a way to watch it.

    attend, attention_weights      the formula; the softmax over the keys that may be seen
    attend_fused                   the same mix by one fused kernel, without the weights
    causal_mask, padding_mask      who may look where: True = may look
    Attention                      one head, with the weights that make q, k and v
    MultiHeadAttention             several heads side by side, of tokens at themselves or at others
    AttentionMap, record_attention the place where weights pass by; how to collect or change them

The lecture's letters: Q is `q` (T, K), with T = n queries of width K = d_k; the mix is `weights @ v`. A query that may
look nowhere is refused by `attend` and `attention_weights`; layers look at shapes only (so that they compile).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from lecturelib.edges import check_whole
from lecturelib.lengths import real_steps

Edit = Callable[[str, torch.Tensor], torch.Tensor | None]
LONG = 64  # queries from which the fused kernel serves an unwatched layer; below it is faster under a causal mask only


def attention_weights(scores: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Turn scores into weights: a softmax over the keys, in which only keys that may be seen take part.

    Shapes: scores (..., T, S); mask (..., T, S) or what broadcasts to it, bool, True = may look; returns (..., T, S).
    Raises: ValueError for a mask of another type or shape, and for a query that may look nowhere.
    Taught: notebook 03, section 5.

    >>> attention_weights(torch.zeros(1, 4), torch.tensor([True, True, False, False]))
    tensor([[0.5000, 0.5000, 0.0000, 0.0000]])
    """
    weights = masked_softmax(scores, mask)
    if mask is not None:
        _check_sight(mask)
    return weights


def masked_softmax(scores: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Compute `attention_weights` without a look at what the mask holds: what a layer runs, so that it compiles."""
    if mask is not None:
        _check_mask(mask, scores.shape)
        scores = scores.masked_fill(~mask, -math.inf)
    return scores.softmax(dim=-1)


def attend(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: torch.Tensor | None = None,
    to_weights: Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor] = attention_weights,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Look up each query among the keys and mix the values; return the mix and the weights.

    Equation: Attention(Q, K, V) = softmax(Q K^T / sqrt(d_k)) V (Vaswani and others 2017, equation 1), row by row.
    Shapes: q (..., T, K), k (..., S, K), v (..., S, M), mask as in `attention_weights`; returns (..., T, M) and
        (..., T, S). The rows of the weights sum to 1.
    `to_weights` stands between scores and weights; a layer puts its `AttentionMap` there.
    Raises: ValueError for shapes that do not fit, and for a query that may look nowhere.
    Taught: notebook 03, section 2.

    >>> q, k, v = torch.tensor([[9.0]]), torch.tensor([[-9.0], [9.0]]), torch.tensor([[1.0], [2.0]])
    >>> attend(q, k, v)[0]
    tensor([[2.]])
    """
    _check_attend(q, k, v)
    scores = q @ k.mT / math.sqrt(q.shape[-1])  # (..., T, S)
    weights = to_weights(scores, mask)
    return weights @ v, weights


def attend_fused(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None, is_causal: bool = False
) -> torch.Tensor:
    """Return the mix of `attend`, computed by torch's fused kernel, which holds the weights in no tensor.

    `is_causal` says that nobody may look ahead: a `causal_mask` that nobody has to make.
    Shapes: as in `attend`; returns (..., T, M). The kernel is for heads, (B, H, T, K), with values as wide as keys.
    Raises: ValueError for shapes that do not fit, and for `is_causal` with fewer or more queries than keys.
    """
    _check_attend(q, k, v)
    if mask is not None:
        _check_mask(mask, (*q.shape[:-1], k.shape[-2]))
    if is_causal and q.shape[-2] != k.shape[-2]:  # torch would count the places of the queries from the first key
        raise ValueError(
            f"{q.shape[-2]} queries, {k.shape[-2]} keys and is_causal=True: expected as many of both; for the last "
            "tokens of a text pass mask=causal_mask(S)[-T:]"
        )
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=is_causal)


def causal_mask(length: int, device: torch.device | None = None) -> torch.Tensor:
    """Return who may look where if nobody may see what comes later: position t sees 0, ..., t.

    Shapes: returns (T, T), bool.
    Raises: ValueError for a length below 1.
    Taught: notebook 03, section 5.

    >>> causal_mask(3).int().tolist()
    [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    """
    if length < 1:  # and not `check_whole`: a compiled length is a symbol
        raise ValueError(f"length={length}: expected at least 1 position")
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()


def padding_mask(lengths: torch.Tensor, max_len: int) -> torch.Tensor:
    """Return who may look where in a padded batch: at the real tokens, not at the padding behind them.

    Shapes: lengths (B,); returns (B, 1, max_len), bool: the same for each query. `&` joins it with a causal mask.
    Raises: ValueError for a length below 1 or above `max_len`.
    Taught: notebook 03, section 5.
    """
    return real_steps(lengths, max_len)[:, None]


class AttentionMap(nn.Module):
    """The place in a layer where scores become weights, by `masked_softmax`, so that `record_attention` finds it."""

    def forward(self, scores: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        return masked_softmax(scores, mask)

    @property
    def plain(self) -> bool:
        """Whether nobody watches or changes the weights here, so that nobody needs them."""
        return type(self) is AttentionMap and not self._forward_hooks


class Attention(nn.Module):
    """One head of attention: three matrices make queries, keys and values out of tokens.

    Equation: Q = X W_Q, K = Y W_K, V = Y W_V, and Attention(Q, K, V). X looks at Y; without `context` Y is X
        (self-attention), with it X looks at other tokens (cross-attention).
    Shapes: x (B, T, D), context (B, S, d_context), mask (T, S) or (B, T, S) or (B, 1, S); returns (B, T, d_v).
    Raises: ValueError for shapes that do not fit, and for a width below 1.
    Taught: notebook 03, section 3.
    """

    def __init__(self, d_model: int, d_k: int, d_v: int, d_context: int | None = None) -> None:
        super().__init__()
        d_context = d_model if d_context is None else d_context
        check_whole(d_model=d_model, d_k=d_k, d_v=d_v, d_context=d_context)
        self.q_proj = nn.Linear(d_model, d_k, bias=False)
        self.k_proj = nn.Linear(d_context, d_k, bias=False)
        self.v_proj = nn.Linear(d_context, d_v, bias=False)
        self.map = AttentionMap()

    def forward(
        self, x: torch.Tensor, context: torch.Tensor | None = None, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        y = x if context is None else context
        check_layer(x, self.q_proj.in_features, y, self.k_proj.in_features)
        return attend(self.q_proj(x), self.k_proj(y), self.v_proj(y), mask, self.map)[0]


class MultiHeadAttention(nn.Module):
    """Several heads of attention side by side, each with a map of its own; their outputs are concatenated and mixed.

    Equation: head_h = Attention(X W_Q^h, Y W_K^h, Y W_V^h), output = concat(head_1, ..., head_H) W_O (Vaswani and
        others 2017, section 3.2.2; the three matrices of all heads lie side by side in one). Without `context` Y is X.
    Shapes: x (B, T, D), context (B, S, D), mask (T, S) or (B, T, S) or (B, 1, S), the same for all heads; returns
        (B, T, D). The map has shape (B, H, T, S). `is_causal` stands for a `causal_mask` that nobody has to make.
    Raises: ValueError for a width that the heads do not divide, shapes that do not fit, and `is_causal` beside a
        context or a mask.
    Taught: notebook 04, section 3.
    """

    def __init__(self, d_model: int, num_heads: int) -> None:
        super().__init__()
        check_whole(d_model=d_model, num_heads=num_heads)
        if d_model % num_heads:
            raise ValueError(
                f"d_model={d_model} cannot be divided among {num_heads} heads: expected a multiple of {num_heads}, "
                f"such as {num_heads * max(1, d_model // num_heads)}"
            )
        self.num_heads = num_heads
        self.q_proj = nn.Linear(d_model, d_model)
        self.k_proj = nn.Linear(d_model, d_model)
        self.v_proj = nn.Linear(d_model, d_model)
        self.out_proj = nn.Linear(d_model, d_model)
        self.map = AttentionMap()

    def forward(
        self,
        x: torch.Tensor,
        context: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
        is_causal: bool = False,
    ) -> torch.Tensor:
        y = x if context is None else context
        check_layer(x, self.q_proj.in_features, y, self.q_proj.in_features)
        if is_causal and not (context is None and mask is None):
            raise ValueError("is_causal=True beside a context or a mask: expected neither; masks are joined by &")
        q, k, v = self.heads(x, y)
        if mask is not None and mask.ndim == 3:
            mask = mask[:, None]  # (B, 1, T, S): the same for all heads
        if (is_causal or x.shape[1] >= LONG) and self.map.plain:
            mix = attend_fused(q, k, v, mask, is_causal)  # (B, H, T, K): the same mix, without a map
        else:
            mask = causal_mask(x.shape[1], x.device) if is_causal else mask
            mix, _ = attend(q, k, v, mask, self.map)
        return self.out_proj(self.merge(mix))

    def heads(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Make the queries of x, and the keys and values of y, for each head: (B, H, T, K) and twice (B, H, S, K)."""
        return self.split(self.q_proj(x)), self.split(self.k_proj(y)), self.split(self.v_proj(y))

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """Cut the width into heads: (B, T, D) to (B, H, T, K)."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def merge(self, x: torch.Tensor) -> torch.Tensor:
        """Lay the heads side by side again: (B, H, T, K) to (B, T, D)."""
        return x.transpose(1, 2).flatten(2)


class Recorded(NamedTuple):
    """What passed one `AttentionMap`: scores before mask and softmax, and the weights that were used.

    Shapes: both (..., T, S).
    """

    scores: torch.Tensor
    weights: torch.Tensor


@contextmanager
def record_attention(model: nn.Module, edit: Edit | None = None) -> Iterator[dict[str, Recorded]]:
    """Collect what the attention layers of a model compute inside the `with` block, by the path of the layer.

    Each run of the model replaces what the last one left. `edit(path, weights)` may return other weights of the same
    shape, which the layer then uses (and which are recorded), to see what a head or a token is for; None leaves them.
    Returns: a dictionary such as {"blocks.0.attention": Recorded(...)}, in the order of the layers, without gradients.
    Raises: ValueError for a model without an `AttentionMap`, and for edited weights of another shape.
    """
    taps = {name: module for name, module in model.named_modules() if isinstance(module, AttentionMap)}
    if not taps:
        raise ValueError(
            f"{type(model).__name__} holds no AttentionMap: expected a model whose layers pass their scores through "
            "one, such as MultiHeadAttention; torch's own attention layers do not"
        )
    maps: dict[str, Recorded] = {}

    def watch(path: str) -> Callable[..., torch.Tensor]:
        def hook(_: nn.Module, given: tuple[torch.Tensor, ...], weights: torch.Tensor) -> torch.Tensor:
            edited = edit(path, weights.clone()) if edit else None
            used = weights if edited is None else edited
            if used.shape != weights.shape:
                raise ValueError(
                    f"edit returned weights of shape {tuple(used.shape)} for {path}: expected {tuple(weights.shape)}"
                )
            maps[path] = Recorded(given[0].detach(), used.detach())
            return used

        return hook

    handles = [tap.register_forward_hook(watch(name.rpartition(".")[0] or "attention")) for name, tap in taps.items()]
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()


def check_layer(x: torch.Tensor, d_model: int, context: torch.Tensor, d_context: int) -> None:
    """Raise ValueError for what is not a batch of tokens of the widths that a layer was built for."""
    for name, tokens, expected in (("x", x, d_model), ("context", context, d_context)):
        if tokens.ndim != 3 or tokens.shape[-1] != expected:
            raise ValueError(
                f"{name} has shape {tuple(tokens.shape)}: expected (B, tokens, {expected}); a single sequence goes in "
                f"as {name}[None]"
            )


def _check_attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> None:
    if min(q.ndim, k.ndim, v.ndim) < 2 or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2] or 0 in k.shape[-2:]:
        raise ValueError(
            f"q, k and v have shapes {tuple(q.shape)}, {tuple(k.shape)}, {tuple(v.shape)}: expected (..., T, K), "
            "(..., S, K), (..., S, M), queries as wide as keys and a value for each key; a single vector goes in as "
            "x[None]"
        )


def _check_mask(mask: torch.Tensor, scores: Sequence[int]) -> None:
    """Refuse a mask that is not boolean, or does not fit scores of this shape."""
    sides = zip(reversed(mask.shape), reversed(scores), strict=False)
    fits = mask.ndim <= len(scores) and all(side in (1, expected) for side, expected in sides)
    if mask.dtype != torch.bool or not fits:
        raise ValueError(
            f"the mask has shape {tuple(mask.shape)} and type {mask.dtype}: expected {tuple(scores)} or what "
            "broadcasts to it, of bool, True = may look"
        )


def _check_sight(mask: torch.Tensor) -> None:
    blind = ~mask.any(dim=-1)
    if blind.any():
        raise ValueError(
            f"the query at {tuple(blind.nonzero()[0].tolist())} may look nowhere: expected at least one True in each "
            "row of the mask. Is it inverted? True = may look"
        )
