"""From one sequence to another of its own length: an encoder reads, a decoder writes.

BiGRU         an encoder: a GRU that reads in both directions
Translator    a GRU writes the target; with attention it looks back at all that was read
translate     write greedily, each token after the last
"""

from __future__ import annotations

import torch
from torch import nn

from lecturelib.attention import Attention
from lecturelib.edges import check_lengths, check_tokens, check_whole
from lecturelib.lengths import real_steps, steps_within


class BiGRU(nn.Module):
    """An encoder: a GRU that reads a padded batch in both directions.

    Shapes: tokens (B, S), lengths (B,); returns (B, S, D), half of it from the left, half from the right. What
        stands at padding means nothing.
    Raises: ValueError for an odd d_model, and for what is not a batch with one length for each sequence.
    Tool: from notebook 03 on.
    """

    def __init__(self, vocab_size: int, d_model: int) -> None:
        super().__init__()
        check_whole(vocab_size=vocab_size, d_model=d_model)
        if d_model % 2:
            raise ValueError(f"d_model={d_model}: expected an even number, half for each direction")
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.gru = nn.GRU(d_model, d_model // 2, batch_first=True, bidirectional=True)

    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        check_tokens(tokens, "source")
        check_lengths(lengths, tokens)
        packed = nn.utils.rnn.pack_padded_sequence(
            self.embedding(tokens), lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        return nn.utils.rnn.pad_packed_sequence(self.gru(packed)[0], True, 0.0, tokens.shape[1])[0]


class Translator(nn.Module):
    """Read a sequence, write another one: an encoder, a GRU that writes, and attention between them, if you like.

    The mean of what was read is where the writer starts. Without attention that one vector is all that it gets. With
    attention each state of the writer is a query, and the encoder's outputs are keys and values.
    `encoder` is a `BiGRU` unless told: any module that maps (tokens, lengths) to (B, S, D).

    Equation: h_t = GRU(y_{t-1}, h_{t-1}), c_t = Attention(h_t W_Q, E W_K, E W_V), logits = W [h_t; c_t] + b
        (Luong, Pham and Manning 2015, the dot product in its scaled form; D. Bahdanau and others 2015 came first).
    Shapes: source (B, S), target (B, T) shifted so that position t holds what was written before step t, lengths
        (B,) of the sources; returns (B, T, target_vocab_size). The lengths are believed to be from 1 to S.
    Raises: ValueError for what is not a batch of pairs with one length for each source.
    Taught: notebook 03, section 6.
    """

    def __init__(
        self,
        source_vocab_size: int,
        target_vocab_size: int,
        d_model: int,
        attention: bool = True,
        encoder: nn.Module | None = None,
    ) -> None:
        super().__init__()
        check_whole(target_vocab_size=target_vocab_size, d_model=d_model)
        self.encoder = encoder if encoder is not None else BiGRU(source_vocab_size, d_model)
        self.start = nn.Linear(d_model, d_model)
        self.embedding = nn.Embedding(target_vocab_size, d_model)
        self.decoder = nn.GRU(d_model, d_model, batch_first=True)
        self.attention = Attention(d_model, d_k=d_model, d_v=d_model) if attention else None
        self.head = nn.Linear(2 * d_model if attention else d_model, target_vocab_size)

    def forward(self, source: torch.Tensor, target: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        check_tokens(target, "target")
        if len(source) != len(target):
            raise ValueError(f"there are {len(source)} sources and {len(target)} targets: expected pairs")
        check_lengths(lengths, source)
        read = self.encoder(source, lengths)  # (B, S, D)
        real = steps_within(lengths, source.shape[1])  # (B, S)
        mean = (read * real[..., None]).sum(1) / lengths[:, None]  # (B, D)
        h, _ = self.decoder(self.embedding(target), self.start(mean).tanh()[None])  # (B, T, D)
        if self.attention is not None:
            h = torch.cat([h, self.attention(h, read, real[:, None])], dim=-1)  # (B, T, 2 D)
        return self.head(h)


@torch.no_grad()
def translate(model: nn.Module, source: torch.Tensor, lengths: torch.Tensor, start: int, steps: int) -> torch.Tensor:
    """Write greedily: take the likeliest token, append it, and ask again, `steps` times.

    `model(source, target, lengths)` gives logits, as a `Translator` or an `EncoderDecoder` does.
    Shapes: source (B, S), lengths (B,); returns (B, steps), without the start token.
    Raises: ValueError for fewer than 1 step, and lengths outside 1 to S.
    Taught: notebook 03, section 6.

    >>> model = Translator(source_vocab_size=5, target_vocab_size=7, d_model=4)
    >>> translate(model, torch.tensor([[4, 0, 2]]), torch.tensor([3]), start=0, steps=2).shape
    torch.Size([1, 2])
    """
    check_whole(steps=steps)
    real_steps(lengths, source.shape[1])  # refuses lengths that a forward pass would believe
    written = torch.full((len(source), 1), start, device=source.device)
    for _ in range(steps):
        following = model(source, written, lengths)[:, -1].argmax(dim=-1)
        written = torch.cat([written, following[:, None]], dim=1)
    return written[:, 1:]
