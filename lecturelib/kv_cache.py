"""A language model that keeps the keys and values of what it has read, and does not read its text again.

A token's keys and values depend only on the tokens before it, because nobody may look ahead: so they can be kept.
"""

from typing import Any

import torch

from lecturelib.attention import MultiHeadAttention, attend, causal_mask
from lecturelib.edges import check_tokens, check_whole
from lecturelib.language import write
from lecturelib.transformer import LanguageModel


class KVCache:
    """Room for the keys and values of a batch of texts, in every layer of a language model.

    `length` counts the tokens that were read: so many columns of `keys[l]` and `values[l]`, of layer l, are filled.
    Shapes: keys and values: a list of L tensors (B, H, max_len, K).
    Raises: ValueError for another kind of model, and a batch below 1.
    Taught: notebook 08, section 3.

    >>> cache = KVCache(LanguageModel(vocab_size=5, d_model=8, num_heads=2, num_layers=3, max_len=16), batch_size=1)
    >>> cache.length, len(cache.keys), cache.keys[0].shape
    (0, 3, torch.Size([1, 2, 16, 4]))
    """

    def __init__(self, model: LanguageModel, batch_size: int) -> None:
        layers: list[Any] = [block.attention for block in model.blocks]
        kinds = [type(model).__name__, *(type(each).__name__ for each in layers)]
        if not isinstance(model, LanguageModel) or any(type(each) is not MultiHeadAttention for each in layers):
            raise ValueError(
                f"the model and its attention are {kinds}: expected a LanguageModel, which never looks ahead, of "
                "MultiHeadAttention; `generate` takes others"
            )
        check_whole(batch_size=batch_size)
        num_heads, d_model = layers[0].num_heads, model.head.in_features
        room = (batch_size, num_heads, model.max_len, d_model // num_heads)
        self.length = 0
        self.keys = [model.head.weight.new_zeros(room) for _ in layers]
        self.values = [model.head.weight.new_zeros(room) for _ in layers]


@torch.no_grad()
def read_on(model: LanguageModel, tokens: torch.Tensor, cache: KVCache) -> torch.Tensor:
    """Read new tokens behind those in the cache, add their keys and values to it, and return their logits.

    Shapes: tokens (B, n); returns (B, n, vocab_size), the last n rows of what `model` says of the whole text.
    Raises: ValueError for tokens as in `Embedding`, another batch than the cache has, and a text that becomes longer
        than the model's positions.
    Taught: notebook 08, section 3.
    """
    check_tokens(tokens)
    old, new, room = cache.length, cache.length + tokens.shape[1], cache.keys[0].shape
    if len(tokens) != room[0] or new > room[2]:
        raise ValueError(
            f"{len(tokens)} text(s) of {old} tokens that were read and {tokens.shape[1]} that are to come: expected "
            f"{room[0]} of at most {room[2]}, the positions of the model; begin with a new KVCache(model, batch_size)"
        )
    x = model.embedding.tokens(tokens) + model.embedding.table[old:new]  # (B, n, D) + (n, D)
    # (n, new): row t is place old + t; a single token may look at all there is
    mask = causal_mask(new, tokens.device)[old:] if tokens.shape[1] > 1 else None
    blocks: Any = model.blocks
    for block, keys, values in zip(blocks, cache.keys, cache.values, strict=True):
        layer, normed = block.attention, block.norm_attention(x)
        q, k, v = layer.heads(normed, normed)  # (B, H, n, K) each
        keys[:, :, old:new], values[:, :, old:new] = k, v
        mix, _ = attend(q, keys[:, :, :new], values[:, :, :new], mask, layer.map)
        x = x + layer.out_proj(layer.merge(mix))
        x = x + block.feed_forward(block.norm_feed_forward(x))
    cache.length = new
    return model.head(model.norm(x))


def generate_with_cache(model: LanguageModel, prompt: torch.Tensor, steps: int, **how: Any) -> torch.Tensor:
    """Let a language model write on, as `generate` does, but read each token once.

    Shapes: prompt (B, T); returns (B, T + steps). `how`: temperature, top_k and seed, as in `generate`.
    Raises: ValueError as `generate`, and for a text longer than the model's positions: where `generate` moves its
        window, every token gets a new position, and no cache holds.
    Taught: notebook 08, section 3.
    """
    cache = KVCache(model, len(prompt))

    def next_logits(text: torch.Tensor) -> torch.Tensor:
        return read_on(model, text[:, cache.length :], cache)[:, -1]

    written = write(next_logits, prompt, steps, max_len=model.max_len, **how)
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
