"""A language model that does not read its text again for every new token.

    KVCache                the keys and values of all tokens that were read, layer by layer
    read_on                the logits of new tokens, given a cache of those before
    generate_with_cache    `generate`, with a cache: the same text
    cache_bytes            what a cache takes

A token's keys and values depend only on the tokens before it, because nobody may look ahead: so they can be kept.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from lecturelib.attention import MultiHeadAttention, attend, causal_mask
from lecturelib.edges import check_tokens, check_whole
from lecturelib.language import write
from lecturelib.transformer import Block, Embedding, LanguageModel


class KVCache:
    """Room for the keys and values of a batch of texts, in every layer of a language model.

    `length` counts the tokens that were read; `keys[l]` and `values[l]` belong to layer l, columns 0 to length - 1
    are filled. The room is taken at once, for the longest text that the model has positions for.
    Shapes: keys and values: a list of L tensors (B, H, max_len, K).
    Raises: ValueError for another kind of model, and a batch below 1.
    Taught: notebook 08, section 3.

    >>> cache = KVCache(LanguageModel(vocab_size=5, d_model=8, num_heads=2, num_layers=3, max_len=16), batch_size=1)
    >>> cache.length, len(cache.keys), cache.keys[0].shape
    (0, 3, torch.Size([1, 2, 16, 4]))
    """

    def __init__(self, model: LanguageModel, batch_size: int) -> None:
        _check_model(model)
        check_whole(batch_size=batch_size)
        weight, shape = model.head.weight, _room(model, batch_size)
        self.length = 0
        self.keys = [weight.new_zeros(shape) for _ in model.blocks]
        self.values = [weight.new_zeros(shape) for _ in model.blocks]


@torch.no_grad()
def read_on(model: LanguageModel, tokens: torch.Tensor, cache: KVCache) -> torch.Tensor:
    """Read new tokens behind those in the cache, add their keys and values to it, and return their logits.

    The logits are those of `model` on the whole text, at its last n places, to within rounding.
    Shapes: tokens (B, n); returns (B, n, vocab_size).
    Raises: ValueError for tokens as in `Embedding`, another batch or other layers than the cache has, and a text that
        becomes longer than the model's positions; the cache then is as it was.
    Taught: notebook 08, section 3.
    """
    _check_fit(model, tokens, cache)
    old, new = cache.length, cache.length + tokens.shape[1]
    x = model.embedding.tokens(tokens) + model.embedding.table[old:new]  # (B, n, D) + (n, D)
    # (n, new): row t is place old + t; a single token may look at all there is
    mask = causal_mask(new, tokens.device)[old:] if tokens.shape[1] > 1 else None
    for block, keys, values in zip(_blocks(model), cache.keys, cache.values, strict=True):
        layer, normed = block.attention, block.norm_attention(x)
        keys[:, :, old:new] = layer.split(layer.k_proj(normed))
        values[:, :, old:new] = layer.split(layer.v_proj(normed))
        q = layer.split(layer.q_proj(normed))  # (B, H, n, K)
        mix, _ = attend(q, keys[:, :, :new], values[:, :, :new], mask, layer.map)
        x = x + layer.out_proj(layer.merge(mix))
        x = x + block.feed_forward(block.norm_feed_forward(x))
    cache.length = new
    return model.head(model.norm(x))


def generate_with_cache(
    model: LanguageModel,
    prompt: torch.Tensor,
    steps: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
) -> torch.Tensor:
    """Let a language model write on, as `generate` does, but read each token once.

    Shapes: prompt (B, T); returns (B, T + steps). Arguments as in `generate`; the same seed draws the same text.
    Raises: ValueError as `generate`, and for a text longer than the model's positions: `generate` then moves its
        window along, which gives every token a new position, so that no cache would hold.
    Taught: notebook 08, section 3.
    """
    _check_model(model)

    def next_logits(text: torch.Tensor) -> torch.Tensor:
        return read_on(model, text[:, cache.length :], cache)[:, -1]

    written = write(next_logits, prompt, steps, temperature=temperature, top_k=top_k, seed=seed)
    if prompt.shape[1] + steps > model.max_len + 1:  # the last token is written, but not read
        raise ValueError(
            f"a prompt of {prompt.shape[1]} tokens and {steps} steps: expected at most {model.max_len + 1} tokens in "
            "all, for the model has no more positions; write fewer steps, or use `generate`, which moves its window"
        )
    cache = KVCache(model, len(prompt))
    return torch.cat([prompt, *(tokens[:, None] for tokens in written)], dim=1)


def cache_bytes(batch_size: int, length: int, d_model: int, num_layers: int, size: int = 4) -> int:
    """Return the bytes of the keys and values of `length` tokens: 2 B T D L numbers of `size` bytes each.

    Raises: ValueError for a number that is not whole, or below 1.
    Taught: notebook 08, section 3.

    >>> cache_bytes(batch_size=1, length=256, d_model=128, num_layers=4)
    1048576
    """
    check_whole(batch_size=batch_size, length=length, d_model=d_model, num_layers=num_layers, size=size)
    return 2 * batch_size * length * d_model * num_layers * size


def _blocks(model: LanguageModel) -> list[Block]:
    return cast(list[Block], list(model.blocks))


def _room(model: LanguageModel, batch_size: int) -> tuple[int, int, int, int]:
    """Return the shape of the keys and values of a layer: (B, H, max_len, K)."""
    num_heads = _blocks(model)[0].attention.num_heads
    return batch_size, num_heads, model.max_len, model.head.in_features // num_heads


def _check_model(model: LanguageModel) -> None:
    if not isinstance(model, LanguageModel):
        raise ValueError(
            f"the model is a {type(model).__name__}: expected a LanguageModel, whose attention never looks ahead"
        )
    parts: list[tuple[nn.Module, type[nn.Module]]] = [(model.embedding, Embedding)]
    for block in _blocks(model):
        parts += [(block, Block), (block.attention, MultiHeadAttention)]
    for part, kind in parts:
        if type(part) is not kind:
            raise ValueError(
                f"the model holds a {type(part).__name__}: expected {kind.__name__}, which is all that is written out "
                "here with a cache; `generate` reads any other without one"
            )


def _check_fit(model: LanguageModel, tokens: torch.Tensor, cache: KVCache) -> None:
    """Refuse a cache of another model or batch, and a text beyond the last position."""
    _check_model(model)
    check_tokens(tokens, max_len=model.max_len)
    if not isinstance(cache, KVCache):
        raise ValueError(f"the cache is a {type(cache).__name__}: expected KVCache(model, batch_size={len(tokens)})")
    weight = model.head.weight
    expected = [len(model.blocks), *_room(model, len(tokens)), weight.dtype, str(weight.device)]
    found = [len(cache.keys), *cache.keys[0].shape, cache.keys[0].dtype, str(cache.keys[0].device)]
    if found != expected:
        raise ValueError(
            f"the cache is {found} (layers, B, H, max_len, K, type, device) for {len(tokens)} text(s): expected "
            f"{expected}; make one with KVCache(model, batch_size={len(tokens)})"
        )
    if cache.length + tokens.shape[1] > model.max_len:
        raise ValueError(
            f"{cache.length} tokens were read and {tokens.shape[1]} are to come: expected at most {model.max_len} in "
            "all, the positions of the model; begin with a new cache"
        )
