"""Two forms of the block that foundation models are built from: Llama's, which writes, and BERT's, which reads.

    RMSNorm                  change 1: divide by the root mean square; subtract no mean, add no bias
    GroupedQueryAttention    changes 2 and 3: rotary positions, and several heads that share one pair of keys and values
    SwiGLU                   change 4: a feed-forward network with a gate
    LlamaBlock, LlamaModel   the `Block` and the `LanguageModel` of notebook 04 with these changes, without biases
    write_with_cache         the writing loop, in which each token is read once
    BertBlock, BertModel     the `Block` and the `Encoder` of notebook 04 with the norm behind each residual connection

A cache is a dictionary: the keys and values of each attention layer, by the layer. It starts empty; a forward pass
looks at what was read before, and adds what it reads.
"""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from lecturelib.attention import AttentionMap, attend, attend_fused, causal_mask
from lecturelib.edges import check_tokens, check_whole
from lecturelib.language import write
from lecturelib.rotary import apply_rotary
from lecturelib.transformer import Block, Embedding, key_mask

Pair = tuple[torch.Tensor, torch.Tensor]  # keys and values of one layer, (B, G, tokens read, K)
Cache = dict[nn.Module, Pair]  # by the layer


class RMSNorm(nn.Module):
    """Divide each token by its root mean square, and scale each feature.

    Equation: x / sqrt(mean(x^2) + eps) * g (Zhang and Sennrich 2019, equation 4; their g is our weight). A `LayerNorm`
        also subtracts the token's mean and adds a bias.
    Shapes: (..., D) to (..., D).
    Taught: notebook 09, section 1.

    >>> RMSNorm(2)(torch.tensor([3.0, 4.0])).detach()  # the root of (9 + 16) / 2 is 3.54
    tensor([0.8485, 1.1314])
    """

    def __init__(self, d_model: int, eps: float = 1e-5) -> None:
        super().__init__()
        check_whole(d_model=d_model)
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(d_model))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + self.eps) * self.weight


class GroupedQueryAttention(nn.Module):
    """Causal self-attention with rotary positions, in which several heads share one pair of keys and values.

    Equation: as `MultiHeadAttention`, without biases; of the H heads, head h looks at keys and values h // (H / G) of
        G (Ainslie and others 2023, "GQA"). With G = H it is multi-head attention. Queries and keys are turned by
        `apply_rotary`; values are not.
    Shapes: x (B, T, D); returns (B, T, D). The map has shape (B, H, T, S), where S - T tokens were in the cache.
    Raises: ValueError for heads that do not divide the width, or groups that do not divide the heads.
    Taught: notebook 09, section 1.
    """

    def __init__(self, d_model: int, num_heads: int, num_kv_heads: int, base: float = 10_000.0) -> None:
        super().__init__()
        check_whole(d_model=d_model, num_heads=num_heads, num_kv_heads=num_kv_heads)
        if d_model % (2 * num_heads) or num_heads % num_kv_heads:
            raise ValueError(
                f"d_model={d_model}, num_heads={num_heads}, num_kv_heads={num_kv_heads}: expected heads of an even "
                "width d_model / num_heads, and as many of them for each pair of keys and values"
            )
        width = d_model // num_heads
        self.num_heads, self.num_kv_heads, self.base = num_heads, num_kv_heads, base
        self.q_proj = nn.Linear(d_model, d_model, bias=False)
        self.k_proj = nn.Linear(d_model, num_kv_heads * width, bias=False)
        self.v_proj = nn.Linear(d_model, num_kv_heads * width, bias=False)
        self.out_proj = nn.Linear(d_model, d_model, bias=False)
        self.map = AttentionMap()

    def forward(self, x: torch.Tensor, cache: Cache | None = None) -> torch.Tensor:
        q = self.q_proj(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # (B, H, T, K)
        k = self.k_proj(x).unflatten(-1, (self.num_kv_heads, -1)).transpose(1, 2)  # (B, G, T, K)
        v = self.v_proj(x).unflatten(-1, (self.num_kv_heads, -1)).transpose(1, 2)

        before = cache.get(self) if cache else None
        start = before[0].shape[2] if before else 0
        positions = torch.arange(start, start + x.shape[1], device=x.device)
        q, k = apply_rotary(q, positions, self.base), apply_rotary(k, positions, self.base)
        if cache is not None:
            if before:
                k, v = torch.cat([before[0], k], dim=2), torch.cat([before[1], v], dim=2)
            cache[self] = k, v

        heads_each = self.num_heads // self.num_kv_heads
        k, v = k.repeat_interleave(heads_each, dim=1), v.repeat_interleave(heads_each, dim=1)  # (B, H, S, K)
        # (T, S): row t is place start + t; a single token may look at all there is
        mask = causal_mask(k.shape[2], x.device)[start:] if x.shape[1] > 1 else None
        mix = attend_fused(q, k, v, mask) if self.map.plain else attend(q, k, v, mask, self.map)[0]
        return self.out_proj(mix.transpose(1, 2).flatten(2))


class SwiGLU(nn.Module):
    """Work on each token alone: one matrix makes a gate, which multiplies what a second one makes.

    Equation: W_2 (silu(W_1 x) * W_3 x), where silu(a) = a sigmoid(a) (Shazeer 2020, "GLU Variants", equation 6; their
        W, V and W_2 are our gate, up and down).
    Shapes: (..., D) to (..., D); inside (..., d_ff).
    Taught: notebook 09, section 1.
    """

    def __init__(self, d_model: int, d_ff: int) -> None:
        super().__init__()
        check_whole(d_model=d_model, d_ff=d_ff)
        self.gate = nn.Linear(d_model, d_ff, bias=False)
        self.up = nn.Linear(d_model, d_ff, bias=False)
        self.down = nn.Linear(d_ff, d_model, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(F.silu(self.gate(x)) * self.up(x))


class LlamaBlock(nn.Module):
    """One layer of Llama: the block of notebook 04, x + Attention(norm(x)), then x + FeedForward(norm(x)).

    Shapes: x (B, T, D); returns (B, T, D). A cache as in `GroupedQueryAttention`.
    Raises: ValueError as `GroupedQueryAttention`.
    Taught: notebook 09, section 1.
    """

    def __init__(self, d_model: int, num_heads: int, num_kv_heads: int, d_ff: int, base: float = 10_000.0) -> None:
        super().__init__()
        self.norm_attention = RMSNorm(d_model)
        self.attention = GroupedQueryAttention(d_model, num_heads, num_kv_heads, base)
        self.norm_feed_forward = RMSNorm(d_model)
        self.feed_forward = SwiGLU(d_model, d_ff)

    def forward(self, x: torch.Tensor, cache: Cache | None = None) -> torch.Tensor:
        x = x + self.attention(self.norm_attention(x), cache)
        return x + self.feed_forward(self.norm_feed_forward(x))


class LlamaModel(nn.Module):
    """Predict at each position the token that comes next: the `LanguageModel` of notebook 04 with four changes.

    The table of the tokens serves twice: its row is the token's vector, and the dot product with it the token's logit.
    Shapes: tokens (B, T); returns (B, T, vocab_size), at t the logits of token t + 1, or those of the last
        `logits_to_keep` positions. With a cache the tokens go on behind those that were read.
    Raises: ValueError for tokens as in `Embedding`, also where those in the cache and the new ones are too many.
    Taught: notebook 09, section 1.
    """

    def __init__(
        self,
        vocab_size: int,
        d_model: int,
        num_heads: int,
        num_kv_heads: int,
        num_layers: int,
        d_ff: int,
        max_len: int,
        base: float = 10_000.0,
    ) -> None:
        super().__init__()
        check_whole(vocab_size=vocab_size, num_layers=num_layers, max_len=max_len)
        self.max_len = max_len
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.blocks = nn.ModuleList(LlamaBlock(d_model, num_heads, num_kv_heads, d_ff, base) for _ in range(num_layers))
        self.norm = RMSNorm(d_model)

    def forward(self, tokens: torch.Tensor, cache: Cache | None = None, logits_to_keep: int = 0) -> torch.Tensor:
        check_tokens(tokens)
        if tokens_read(cache) + tokens.shape[1] > self.max_len:
            raise ValueError(
                f"{tokens_read(cache)} tokens were read and {tokens.shape[1]} are to come: expected at most "
                f"{self.max_len} in all, the positions of the model; cut the text, or begin with an empty cache"
            )
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, cache)
        return F.linear(self.norm(x[:, -logits_to_keep:]), self.embedding.weight)


def tokens_read(cache: Cache | None) -> int:
    """Return how many tokens were read into a cache."""
    return next(iter(cache.values()))[0].shape[2] if cache else 0


def write_with_cache(model: LlamaModel, prompt: torch.Tensor, steps: int, **how: Any) -> Iterator[torch.Tensor]:
    """Yield one new token after the other, as `write` does, but read each token once.

    Shapes: prompt (B, T); yields (B,), `steps` times. `how`: temperature, top_k and seed, as in `generate`.
    Raises: ValueError as `generate`, and for a text that becomes longer than the model's positions.
    Taught: notebook 09, section 2.
    """
    cache: Cache = {}

    def next_logits(text: torch.Tensor) -> torch.Tensor:
        return model(text[:, tokens_read(cache) :], cache, logits_to_keep=1)[:, -1]

    return write(next_logits, prompt, steps, max_len=model.max_len, **how)


class BertBlock(Block):
    """One layer of BERT: as `Block`, but each norm stands behind its residual connection, as in 2017.

    Equation: norm(x + Attention(x)), then norm(x + FeedForward(x)) (Vaswani and others 2017, section 3.1).
    Shapes: x (B, T, D), mask as in `MultiHeadAttention`; returns (B, T, D).
    """

    def __init__(self, d_model: int, num_heads: int, d_ff: int) -> None:
        super().__init__(d_model, num_heads, d_ff)
        self.norm_attention.eps = self.norm_feed_forward.eps = 1e-12

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:  # type: ignore[override]
        x = self.norm_attention(x + self.attention(x, mask=mask))
        return self.norm_feed_forward(x + self.feed_forward(x))


class BertModel(nn.Module):
    """Read a text; every token may look at every real token (Devlin and others 2019).

    The paper adds a third vector to each token, which says to which of two sentences it belongs. There is one sentence
    here: what is added to each token is in the table of the positions.
    Shapes: tokens (B, T), lengths (B,) of the texts if the batch is padded; returns (B, T, D).
    Raises: ValueError as `Encoder`.
    Taught: notebook 09, section 5.
    """

    def __init__(self, vocab_size: int, d_model: int, num_heads: int, num_layers: int, d_ff: int, max_len: int) -> None:
        super().__init__()
        check_whole(num_layers=num_layers)
        self.embedding = Embedding(vocab_size, d_model, max_len)
        self.norm = nn.LayerNorm(d_model, eps=1e-12)
        self.blocks = nn.ModuleList(BertBlock(d_model, num_heads, d_ff) for _ in range(num_layers))

    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        x, mask = self.norm(self.embedding(tokens)), key_mask(tokens, lengths)
        for block in self.blocks:
            x = block(x, mask)
        return x
