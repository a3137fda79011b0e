"""The transformer: positions, the block, and the three architectures that differ in their masks.

    sinusoidal_positions   the table of sines and cosines
    Embedding              tokens and their positions become vectors
    FeedForward, Block     what happens to each token alone; attention and feed-forward with their residual connections
    Encoder                every token may look at every token
    LanguageModel          a decoder alone: nobody may look ahead
    EncoderDecoder         both: the decoder also looks at what the encoder read

All blocks normalize first ("pre-norm"), as nearly all transformers do today; the figure of 2017 normalizes last.
Lengths are believed to be from 1 to T, so that the models compile.
"""

import torch
from torch import nn

from lecturelib.attention import MultiHeadAttention
from lecturelib.edges import check_lengths, check_tokens, check_whole
from lecturelib.lengths import steps_within

POSITIONS = ("learned", "sinusoidal", "none")


def sinusoidal_positions(length: int, d_model: int) -> torch.Tensor:
    """Return the table of sines and cosines that tells positions apart.

    Equation: PE(t, 2i) = sin(t / 10000^(2i / D)), PE(t, 2i + 1) = cos of the same (Vaswani and others 2017,
        section 3.5; their pos is t, their d_model is D).
    Shapes: returns (length, d_model).
    Raises: ValueError for an odd d_model, or a number below 1.
    Taught: notebook 04, section 2.

    >>> sinusoidal_positions(2, 2)
    tensor([[0.0000, 1.0000],
            [0.8415, 0.5403]])
    """
    check_whole(length=length, d_model=d_model)
    if d_model % 2:
        raise ValueError(f"d_model={d_model}: expected an even number, for a sine and a cosine of each frequency")
    t = torch.arange(length)[:, None]
    angle = t / 10_000 ** (torch.arange(0, d_model, 2) / d_model)  # (T, D / 2)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)  # (T, D)


class Embedding(nn.Module):
    """Turn tokens into vectors and add to each a vector for its position.

    `positions` is "learned" (a table that is trained), "sinusoidal" (a fixed one), or "none".
    Shapes: tokens (B, T), whole numbers below `vocab_size`; returns (B, T, D).
    Raises: ValueError for a sequence that is longer than `max_len`, and a kind of positions that does not exist.
    Taught: notebook 04, section 2.
    """

    table: torch.Tensor

    def __init__(self, vocab_size: int, d_model: int, max_len: int, positions: str = "learned") -> None:
        super().__init__()
        if positions not in POSITIONS:
            raise ValueError(f"positions={positions!r}: expected one of {POSITIONS}")
        check_whole(vocab_size=vocab_size, d_model=d_model, max_len=max_len)
        self.max_len = max_len
        self.tokens = nn.Embedding(vocab_size, d_model)
        if positions == "learned":
            self.table = nn.Parameter(torch.randn(max_len, d_model))
        else:
            make = sinusoidal_positions if positions == "sinusoidal" else torch.zeros
            self.register_buffer("table", make(max_len, d_model), persistent=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        check_tokens(tokens, max_len=self.max_len)
        return self.tokens(tokens) + self.table[: tokens.shape[1]]  # (B, T, D) + (T, D)


class FeedForward(nn.Sequential):
    """Work on each token alone: widen, apply a nonlinearity, narrow again.

    Equation: W_2 gelu(W_1 x + b_1) + b_2 (Vaswani and others 2017, equation 2, with gelu for relu).
    Shapes: (..., D) to (..., D); inside (..., d_ff), 4 D wide unless told.
    """

    def __init__(self, d_model: int, d_ff: int | None = None) -> None:
        d_ff = 4 * d_model if d_ff is None else d_ff
        check_whole(d_model=d_model, d_ff=d_ff)
        super().__init__(nn.Linear(d_model, d_ff), nn.GELU(), nn.Linear(d_ff, d_model))


class Block(nn.Module):
    """One layer of a transformer: attention mixes tokens, the feed-forward network works on each alone.

    Equation: x + Attention(norm(x)), then x + FeedForward(norm(x)). With `cross=True` a second attention stands
        between the two and looks at `context`, the tokens of an encoder.
    Shapes: x (B, T, D), context (B, S, D), masks and `is_causal` as in `MultiHeadAttention`; returns (B, T, D).
    Raises: ValueError as `MultiHeadAttention`, and for a context too much or missing.
    Taught: notebook 04, section 4.
    """

    def __init__(self, d_model: int, num_heads: int, d_ff: int | None = None, cross: bool = False) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(d_model)
        self.attention = MultiHeadAttention(d_model, num_heads)
        if cross:
            self.norm_cross = nn.LayerNorm(d_model)
            self.cross = MultiHeadAttention(d_model, num_heads)
        self.norm_feed_forward = nn.LayerNorm(d_model)
        self.feed_forward = FeedForward(d_model, d_ff)

    def forward(
        self,
        x: torch.Tensor,
        mask: torch.Tensor | None = None,
        context: torch.Tensor | None = None,
        context_mask: torch.Tensor | None = None,
        is_causal: bool = False,
    ) -> torch.Tensor:
        if (context is not None) != hasattr(self, "cross"):
            raise ValueError(f"a context is given: {context is not None}; expected one exactly with cross=True")
        x = x + self.attention(self.norm_attention(x), mask=mask, is_causal=is_causal)
        if context is not None:
            x = x + self.cross(self.norm_cross(x), context, context_mask)
        return x + self.feed_forward(self.norm_feed_forward(x))


class Encoder(nn.Module):
    """Read a sequence; every token may look at every real token.

    Shapes: tokens (B, T), lengths (B,) of the sequences if the batch is padded; returns (B, T, D).
    Raises: ValueError as `Embedding`, and for another number of lengths.
    Taught: notebook 04, section 5.
    """

    def __init__(
        self, vocab_size: int, d_model: int, num_heads: int, num_layers: int, max_len: int, positions: str = "learned"
    ) -> None:
        super().__init__()
        self.embedding = Embedding(vocab_size, d_model, max_len, positions)
        self.blocks = nn.ModuleList(_blocks(num_layers, d_model, num_heads))
        self.norm = nn.LayerNorm(d_model)

    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        x, mask = self.embedding(tokens), key_mask(tokens, lengths)
        for block in self.blocks:
            x = block(x, mask)
        return self.norm(x)


class LanguageModel(Encoder):
    """Predict at each position the token that comes next, from those up to there.

    A decoder without an encoder: the blocks of an `Encoder` under a causal mask, and logits for every token.
    Shapes: tokens (B, T); returns (B, T, vocab_size), at t the logits of token t + 1.
    Raises: ValueError as `Embedding`.
    Taught: notebook 04, section 5.
    """

    def __init__(
        self, vocab_size: int, d_model: int, num_heads: int, num_layers: int, max_len: int, positions: str = "learned"
    ) -> None:
        super().__init__(vocab_size, d_model, num_heads, num_layers, max_len, positions)
        self.max_len = max_len
        self.head = nn.Linear(d_model, vocab_size)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, is_causal=True)
        return self.head(self.norm(x))


class EncoderDecoder(nn.Module):
    """The transformer of 2017: an encoder reads the source, a decoder writes the target and looks at both.

    Shapes: source (B, S), target (B, T) shifted so that position t holds what was written before step t, lengths
        (B,) of the sources if they are padded; returns (B, T, target_vocab_size), the logits of what comes at step t.
    Raises: ValueError as `Encoder`.
    Taught: notebook 04, section 5.
    """

    def __init__(
        self,
        source_vocab_size: int,
        target_vocab_size: int,
        d_model: int,
        num_heads: int,
        num_layers: int,
        max_len: int,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(source_vocab_size, d_model, num_heads, num_layers, max_len)
        self.embedding = Embedding(target_vocab_size, d_model, max_len)
        self.blocks = nn.ModuleList(_blocks(num_layers, d_model, num_heads, cross=True))
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, target_vocab_size)

    def forward(self, source: torch.Tensor, target: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        context = self.encoder(source, lengths)
        x, source_mask = self.embedding(target), key_mask(source, lengths)
        for block in self.blocks:
            x = block(x, None, context, source_mask, is_causal=True)
        return self.head(self.norm(x))


def _blocks(num_layers: int, d_model: int, num_heads: int, cross: bool = False) -> list[Block]:
    check_whole(num_layers=num_layers)
    return [Block(d_model, num_heads, cross=cross) for _ in range(num_layers)]


def key_mask(tokens: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor | None:
    """Return which tokens may be looked at, (B, 1, T), if the batch is padded: the real ones."""
    if lengths is None:
        return None
    check_lengths(lengths, tokens)
    return steps_within(lengths, tokens.shape[1])[:, None]
