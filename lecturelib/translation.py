"""From one sequence to another: an encoder reads, a decoder writes.

Pointer, pointer_loss           a single head looks at what is read, and writes all places at once; its loss
BiGRU                           an encoder: a GRU that reads in both directions
Translator, translation_loss    a GRU writes; it looks back at all that was read, or is fed one vector; its loss
share_exact, copies             how many answers are right as a whole; a task
"""

import torch
import torch.nn.functional as F
from torch import nn

from lecturelib.attention import Attention
from lecturelib.edges import check_lengths, check_tokens, check_whole
from lecturelib.lengths import steps_within


class Pointer(nn.Module):
    """Write each place by one look at what is read: a head, and nothing else that connects input and output.

    The query of place t knows t and the symbol that stands before it; each key knows its place and its symbol. The
    symbol `vocab_size` stands for "nothing yet".
    Shapes: tokens and before (B, T), T = `places`; returns logits (B, T, vocab_size).
    Taught: notebook 03, section 3.
    """

    def __init__(self, attention: Attention, vocab_size: int = 16, places: int = 8) -> None:
        super().__init__()
        check_whole(vocab_size=vocab_size, places=places)
        d_model = attention.q_proj.in_features
        self.symbol = nn.Embedding(vocab_size + 1, d_model)  # a learned vector for each symbol
        self.place = nn.Embedding(places, d_model)
        self.attention = attention
        self.out = nn.Linear(attention.v_proj.out_features, vocab_size)

    def forward(self, tokens: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        queries = self.symbol(before) + self.place.weight  # (B, T, D)
        keys = self.symbol(tokens) + self.place.weight  # (B, T, D)
        logits: torch.Tensor = self.out(self.attention(queries, keys))
        return logits


def pointer_loss(model: nn.Module, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Return the cross-entropy of what a `Pointer` writes.

    Shapes: what is read, what stands before each place, and what is to be written, (B, T) each; returns one number.
    Taught: notebook 03, section 3.
    """
    x, before, y = batch
    return F.cross_entropy(model(x, before).flatten(0, 1), y.flatten())


class BiGRU(nn.Module):
    """An encoder: the `nn.GRU` whose weights it holds, on a padded batch, in both directions.

    It is faster: both directions are one product at each step, and what a token adds to the gates is computed once for
    each token of the vocabulary.
    Shapes: tokens (B, S), lengths (B,); returns a state for each token, (B, S, D), half of it from the left, half from
        the right, and the last state of both directions, (B, D). What stands at padding means nothing.
    Raises: ValueError for an odd d_model, and for what is not a batch with one length for each sequence.
    """

    def __init__(self, vocab_size: int, d_model: int) -> None:
        super().__init__()
        check_whole(vocab_size=vocab_size, d_model=d_model)
        if d_model % 2:
            raise ValueError(f"d_model={d_model}: expected an even number, half for each direction")
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.gru = nn.GRU(d_model, d_model // 2, batch_first=True, bidirectional=True)

    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        check_tokens(tokens, "source")
        check_lengths(lengths, tokens)
        at = torch.arange(tokens.shape[1], device=tokens.device)
        turned = torch.where(at < lengths[:, None], lengths[:, None] - 1 - at, at)  # (B, S): counted from the end
        w_x, w_h, b_x, b_h = map(torch.stack, zip(*self.gru.all_weights, strict=True))  # the directions, (2, ...)
        table = self.embedding.weight @ w_x.mT + b_x[:, None]  # (2, V, 3 H): what each token adds to the gates
        read = zip((tokens, tokens.gather(1, turned)), table, strict=True)  # forward, and backward
        added = torch.stack([F.embedding(each, rows) for each, rows in read])  # (2, B, S, 3 H)
        h = added.new_zeros(2, len(tokens), w_h.shape[2])
        states = []
        for step in added.unbind(dim=2):
            h = _gru_step(step, torch.baddbmm(b_h[:, None], h, w_h.mT), h)  # (2, B, H)
            states.append(h)
        left, right = torch.stack(states, dim=2).unbind()  # (B, S, H) each
        right = right.gather(1, turned[..., None].expand_as(right))
        last = left[torch.arange(len(left), device=left.device), lengths - 1]
        return torch.cat([left, right], dim=-1), torch.cat([last, right[:, 0]], dim=-1)


def _gru_step(added: torch.Tensor, kept: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
    """Return the next state of a GRU, from what input and state add to its gates."""
    sizes = [2 * h.shape[-1], h.shape[-1]]
    (gates, new), (gates_kept, new_kept) = added.split(sizes, dim=-1), kept.split(sizes, dim=-1)
    reset, update = torch.sigmoid(gates + gates_kept).chunk(2, dim=-1)
    return torch.lerp(torch.tanh(torch.addcmul(new, reset, new_kept)), h, update)


class Translator(nn.Module):
    """Read a sequence and write another: an encoder, a GRU that writes, and between them attention or one vector.

    The writer starts at the encoder's last state. Without attention it is also fed this one vector at every step, and
    so is the last layer. With attention its states are the queries, the encoder's states are keys and values, and the
    mix takes the vector's place there. Both have the same number of parameters.
    Equation: h_t = GRU(y_{t-1}, h_{t-1}), c_t = Attention(h_t W_Q, E W_K, E W_V), logits = W [h_t; c_t] + b
        (close to the general score of Luong, Pham and Manning 2015, scaled). Without attention h_t =
        GRU([y_{t-1}; c], h_{t-1}) and c_t = c (Cho and others 2014).
    Shapes: source (B, S), target (B, T) shifted so that position t holds what was written before step t, lengths
        (B,) of the sources; returns (B, T, target_vocab_size). The lengths are believed to be from 1 to S.
    Raises: ValueError for tokens that are no batch, or without one length for each source.
    Taught: notebook 03, section 6.
    """

    def __init__(self, source_vocab_size: int, target_vocab_size: int, d_model: int, attention: bool = True) -> None:
        super().__init__()
        check_whole(target_vocab_size=target_vocab_size, d_model=d_model)
        self.encoder = BiGRU(source_vocab_size, d_model)
        self.start = nn.Linear(d_model, d_model)
        self.embedding = nn.Embedding(target_vocab_size, d_model)
        self.attention = Attention(d_model, d_k=d_model, d_v=d_model) if attention else None
        self.decoder = nn.GRU(d_model if attention else 2 * d_model, d_model, batch_first=True)
        self.out = nn.Linear(2 * d_model, target_vocab_size)

    def forward(self, source: torch.Tensor, target: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        check_tokens(target, "target")
        states, last = self.encoder(source, lengths)  # (B, S, D) and (B, D)
        h_0 = torch.tanh(self.start(last))[None]
        y = self.embedding(target)  # (B, T, D): what was written before each step
        if self.attention is None:
            c = last[:, None].expand_as(y)  # the same vector at every step
            h, _ = self.decoder(torch.cat([y, c], dim=-1), h_0)  # (B, T, D)
        else:
            h, _ = self.decoder(y, h_0)  # (B, T, D): the queries come from these
            real = steps_within(lengths, source.shape[1])[:, None]  # (B, 1, S): no padding
            c = self.attention(h, states, real)  # (B, T, D): a look-up at every step
        return self.out(torch.cat([h, c], dim=-1))  # (B, T, target_vocab_size)


def translation_loss(model: nn.Module, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Return the cross-entropy of each token of the target, given the right ones before it (teacher forcing).

    Shapes: source (B, S), target (B, T + 1) with its start token, lengths (B,); returns a single number.
    Taught: notebook 03, section 6.
    """
    source, target, lengths = batch
    logits = model(source[:, : int(lengths.max())], target[:, :-1], lengths)  # no columns of padding only
    return F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten())


@torch.no_grad()
def share_exact(model: nn.Module, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Return the share of targets that are exactly what the model would write greedily, token by token.

    It takes one pass: a target is written so if each token is the likeliest after those before it.
    Shapes: as `translation_loss`.
    Taught: notebook 03, section 6.
    """
    source, target, lengths = batch
    right = model(source, target[:, :-1], lengths).argmax(dim=-1) == target[:, 1:]  # (B, T)
    return right.all(dim=1).float().mean()


def copies(n: int, length: int, seed: int, vocab_size: int = 4) -> tuple[torch.Tensor, ...]:
    """Return n strings to copy, drawn at random: source, target behind a start symbol, lengths.

    Shapes: (n, length), symbols from 0; (n, length + 1), where token `vocab_size` is the start; (n,).
    Raises: ValueError for numbers below 1.
    Taught: notebook 03, section 6.

    >>> source, target, lengths = copies(2, 3, seed=0)
    >>> torch.equal(target[:, 1:], source), target[:, 0].tolist(), lengths.tolist()
    (True, [4, 4], [3, 3])
    """
    check_whole(n=n, length=length, vocab_size=vocab_size)
    source = torch.randint(vocab_size, (n, length), generator=torch.Generator().manual_seed(seed))
    return source, torch.cat([torch.full((n, 1), vocab_size), source], dim=1), torch.full((n,), length)
