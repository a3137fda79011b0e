"""The transformer: positions, the block, and the three architectures that differ in their masks.

    sinusoidal_positions   the table of sines and cosines
    Embedding              tokens and their positions become vectors
    FeedForward, Block     what happens to each token alone; attention and feed-forward with their shortcuts
    Encoder                every token may look at every token
    LanguageModel          a decoder alone: nobody may look ahead
    EncoderDecoder         both: the decoder also looks at what the encoder read

All blocks normalise first ("pre-norm"), as nearly all transformers do today; the figure of 2017 normalises last.
"""

from __future__ import annotations

import torch
from torch import nn

from lecturelib.attention import MultiHeadAttention, causal_mask, padding_mask

POSITIONS = ("learned", "sinusoidal", "none")


def sinusoidal_positions(length: int, width: int) -> torch.Tensor:
    """Return the table of sines and cosines that tells positions apart.

    Equation: PE(t, 2i) = sin(t / 10000^(2i / D)), PE(t, 2i + 1) = cos of the same (Vaswani and others 2017,
        section 3.5; their pos is t, their d_model is D).
    Shapes: returns (length, width).
    Raises: ValueError for an odd width, or a length or width below 1.
    Taught: notebook 04, section 2.

    >>> sinusoidal_positions(2, 2)
    tensor([[0.0000, 1.0000],
            [0.8415, 0.5403]])
    """
    if length < 1 or width < 2 or width % 2:
        raise ValueError(f"length {length}, width {width}: expected a length of 1 or more, and an even width")
    t = torch.arange(length)[:, None]
    angle = t / 10_000 ** (torch.arange(0, width, 2) / width)  # (T, D / 2)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)  # (T, D)


class Embedding(nn.Module):
    """Turn tokens into vectors and add to each a vector for its position.

    `positions` is "learned" (a table that is trained), "sinusoidal" (a fixed one), or "none".
    Shapes: tokens (B, T), whole numbers below `symbols`; returns (B, T, D).
    Raises: ValueError for a token outside the vocabulary, a sequence that is longer than `longest`, an empty one,
        and a kind of positions that does not exist.
    Taught: notebook 04, section 2.
    """

    table: torch.Tensor

    def __init__(self, symbols: int, width: int, longest: int, positions: str = "learned") -> None:
        super().__init__()
        if positions not in POSITIONS:
            raise ValueError(f"positions {positions!r} is unknown: expected one of {list(POSITIONS)}")
        if min(symbols, width, longest) < 1:
            raise ValueError(f"symbols={symbols}, width={width}, longest={longest}: expected at least 1 of each")
        self.symbols, self.longest = symbols, longest
        self.tokens = nn.Embedding(symbols, width)
        if positions == "learned":
            self.table = nn.Parameter(torch.randn(longest, width))
        else:
            fixed = sinusoidal_positions(longest, width) if positions == "sinusoidal" else torch.zeros(longest, width)
            self.register_buffer("table", fixed, persistent=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        check_tokens(tokens, self.symbols, self.longest)
        return self.tokens(tokens) + self.table[: tokens.shape[1]]  # (B, T, D) + (T, D)


class FeedForward(nn.Sequential):
    """Work on each token alone: widen, apply a nonlinearity, narrow again.

    Equation: W_2 gelu(W_1 x + b_1) + b_2 (Vaswani and others 2017, equation 2, with gelu for relu).
    Shapes: (..., D) to (..., D); inside (..., inner), 4 D wide unless told.
    Taught: notebook 04, section 4.
    """

    def __init__(self, width: int, inner: int | None = None) -> None:
        inner = 4 * width if inner is None else inner
        if min(width, inner) < 1:
            raise ValueError(f"width={width}, inner={inner}: expected at least 1 of each")
        super().__init__(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))


class Block(nn.Module):
    """One layer of a transformer: attention mixes tokens, the feed-forward network works on each alone.

    Equation: x + Attention(norm(x)), then x + FeedForward(norm(x)). With `cross=True` a second attention stands
        between the two and looks at `context`, the tokens of an encoder.
    Shapes: x (B, T, D), context (B, S, D), masks as in `MultiHeadAttention`; returns (B, T, D).
    Raises: ValueError as `MultiHeadAttention`, and for a context too much or missing.
    Taught: notebook 04, section 4.
    """

    def __init__(self, width: int, heads: int, inner: int | None = None, cross: bool = False) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, heads)
        if cross:
            self.norm_cross = nn.LayerNorm(width)
            self.cross = MultiHeadAttention(width, heads)
        self.norm_feed_forward = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width, inner)

    def forward(
        self,
        x: torch.Tensor,
        mask: torch.Tensor | None = None,
        context: torch.Tensor | None = None,
        context_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        if (context is not None) != hasattr(self, "cross"):
            raise ValueError(
                f"context is {'given' if context is not None else 'missing'}: expected one exactly for a Block with "
                "cross=True"
            )
        x = x + self.attention(self.norm_attention(x), mask=mask)
        if context is not None:
            x = x + self.cross(self.norm_cross(x), context, context_mask)
        return x + self.feed_forward(self.norm_feed_forward(x))


class Encoder(nn.Module):
    """Read a sequence; every token may look at every real token.

    Shapes: tokens (B, T), lengths (B,) of the sequences if the batch is padded; returns (B, T, D).
    Raises: ValueError as `Embedding` and `padding_mask`.
    Taught: notebook 04, section 5.
    """

    def __init__(
        self, symbols: int, width: int, heads: int, layers: int, longest: int, positions: str = "learned"
    ) -> None:
        super().__init__()
        self.embedding = Embedding(symbols, width, longest, positions)
        self.blocks = nn.ModuleList(_blocks(layers, width, heads))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        x = self.embedding(tokens)
        if lengths is not None and lengths.shape != (len(tokens),):
            raise ValueError(
                f"lengths has shape {tuple(lengths.shape)} for {len(tokens)} sequences: expected ({len(tokens)},)"
            )
        mask = None if lengths is None else padding_mask(lengths, tokens.shape[1])  # (B, 1, T)
        for block in self.blocks:
            x = block(x, mask)
        return self.norm(x)


class LanguageModel(nn.Module):
    """Predict at each position the token that comes next, from those up to there.

    A decoder without an encoder: the blocks of an `Encoder` under a causal mask, and scores for every symbol.
    Shapes: tokens (B, T); returns (B, T, symbols), at t the scores for token t + 1.
    Raises: ValueError as `Embedding`.
    Taught: notebook 04, section 5.
    """

    def __init__(
        self, symbols: int, width: int, heads: int, layers: int, longest: int, positions: str = "learned"
    ) -> None:
        super().__init__()
        self.longest = longest
        self.embedding = Embedding(symbols, width, longest, positions)
        self.blocks = nn.ModuleList(_blocks(layers, width, heads))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, symbols)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embedding(tokens)
        mask = causal_mask(tokens.shape[1]).to(tokens.device)
        for block in self.blocks:
            x = block(x, mask)
        return self.out(self.norm(x))


class EncoderDecoder(nn.Module):
    """The transformer of 2017: an encoder reads the source, a decoder writes the target and looks at both.

    Shapes: source (B, S), target (B, T) shifted so that position t holds what was written before step t, lengths
        (B,) of the sources if they are padded; returns (B, T, target_symbols), the scores for what comes at step t.
    Raises: ValueError as `Embedding` and `padding_mask`.
    Taught: notebook 04, section 5.
    """

    def __init__(
        self, source_symbols: int, target_symbols: int, width: int, heads: int, layers: int, longest: int
    ) -> None:
        super().__init__()
        self.encoder = Encoder(source_symbols, width, heads, layers, longest)
        self.embedding = Embedding(target_symbols, width, longest)
        self.blocks = nn.ModuleList(_blocks(layers, width, heads, cross=True))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, target_symbols)

    def forward(self, source: torch.Tensor, target: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        if len(source) != len(target):
            raise ValueError(f"there are {len(source)} sources and {len(target)} targets: expected pairs")
        context = self.encoder(source, lengths)
        source_mask = None if lengths is None else padding_mask(lengths, source.shape[1])
        x = self.embedding(target)
        mask = causal_mask(target.shape[1]).to(target.device)
        for block in self.blocks:
            x = block(x, mask, context, source_mask)
        return self.out(self.norm(x))


def _blocks(layers: int, width: int, heads: int, cross: bool = False) -> list[Block]:
    if layers < 1:
        raise ValueError(f"layers={layers}: expected at least 1")
    return [Block(width, heads, cross=cross) for _ in range(layers)]


def check_tokens(tokens: torch.Tensor, symbols: int, longest: int) -> None:
    """Raise ValueError for what is not a batch of tokens of the vocabulary, at most `longest` of them in a row.

    Tool: from notebook 04 on.
    """
    if tokens.ndim != 2 or tokens.numel() == 0 or tokens.is_floating_point() or tokens.dtype == torch.bool:
        raise ValueError(
            f"tokens has shape {tuple(tokens.shape)} and type {tokens.dtype}: expected (B, T) whole numbers, neither "
            "of them 0; a single sequence goes in as tokens[None]"
        )
    if int(tokens.min()) < 0 or int(tokens.max()) >= symbols:
        raise ValueError(
            f"tokens from {int(tokens.min())} to {int(tokens.max())}: expected numbers of symbols, 0 to {symbols - 1}"
        )
    if tokens.shape[1] > longest:
        raise ValueError(
            f"the sequence has {tokens.shape[1]} tokens, the model {longest} positions: expected at most that many; "
            "cut it, such as tokens[:, -longest:], or build the model with more"
        )
