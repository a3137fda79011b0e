"""What a language model is asked: to write, and to be judged.

    generate, write      write on, one token at a time; the loop behind it, for any function that gives the next logits
    next_token_loss      the loss of all predictions at once, as in training
    left_to_right_loss   the same loss, with each token predicted from a text that ends before it

The two losses agree, unless the model sees what it is asked for.
"""

import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import nn

from lecturelib.edges import check_whole


def next_token_loss(model: nn.Module, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Return the mean cross-entropy of predicting each token from those before it, all at once.

    Shapes: batch holds tokens (B, T + 1): the first T go in, the last T are asked for. `model` maps (B, T) to
        (B, T, vocab_size).
    Units: nats per token.
    Raises: ValueError for fewer than 2 tokens, and for another type than int64.
    Taught: notebook 04, section 6.
    """
    (tokens,) = batch
    _check_batch(tokens)
    return F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())


@torch.no_grad()
def left_to_right_loss(model: nn.Module, tokens: torch.Tensor) -> float:
    """Return the loss of predicting each token from a text that ends before it, as when the model writes.

    An honest model has the same loss here as in `next_token_loss`; one that looks ahead in training does not.
    Shapes: tokens (B, T + 1). Units: nats per token.
    Raises: ValueError for fewer than 2 tokens, and for another type than int64.
    Taught: notebook 04, section 7.
    """
    _check_batch(tokens)
    losses = [F.cross_entropy(model(tokens[:, :t])[:, -1], tokens[:, t]) for t in range(1, tokens.shape[1])]
    return torch.stack(losses).mean().item()


def generate(
    model: nn.Module,
    prompt: torch.Tensor,
    steps: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
) -> torch.Tensor:
    """Let a language model write on: draw the next token from its prediction, append it, and ask again.

    The model sees the last `model.max_len` tokens, if it has such a limit. `temperature` divides the logits: below 1
    the likely becomes likelier, 0 always takes the likeliest. `top_k` leaves only the k likeliest to draw from.
    Shapes: prompt (B, T) with at least one token; returns (B, T + steps).
    Raises: ValueError for a negative temperature, a top_k below 1, fewer than 0 steps, or an empty prompt.
    Taught: notebook 04, section 6.

    >>> one_more = nn.Embedding.from_pretrained(torch.eye(4).roll(1, 1))  # after n comes n + 1
    >>> generate(one_more, torch.tensor([[2]]), 4, temperature=0)
    tensor([[2, 3, 0, 1, 2]])
    """
    max_len = getattr(model, "max_len", None)

    def next_logits(text: torch.Tensor) -> torch.Tensor:
        return model(text[:, -max_len:] if max_len else text)[:, -1]

    written = write(next_logits, prompt, steps, temperature=temperature, top_k=top_k, seed=seed)
    return torch.cat([prompt, *(tokens[:, None] for tokens in written)], dim=1)


def write(
    next_logits: Callable[[torch.Tensor], torch.Tensor],
    prompt: torch.Tensor,
    steps: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
    max_len: int | None = None,
) -> Iterator[torch.Tensor]:
    """Yield one new token after the other, drawn from `next_logits` of the whole text so far.

    Nothing is computed before a token is asked for, so that a text can be shown while it is written.
    Shapes: prompt (B, T); `next_logits` maps (B, t) to (B, vocab_size); yields (B,), `steps` times.
    Raises: ValueError as `generate`, and for a text that a model with `max_len` positions cannot read; at the call.
    """
    if prompt.ndim != 2 or prompt.numel() == 0:
        raise ValueError(f"the prompt has shape {tuple(prompt.shape)}: expected (B, T), at least one token")
    check_whole(0, steps=steps, seed=seed)
    if not 0 <= temperature < math.inf:
        raise ValueError(f"temperature={temperature}: expected a finite number of 0 or more; 0 takes the likeliest")
    if top_k is not None:
        check_whole(top_k=top_k)
    if max_len is not None and prompt.shape[1] + steps > max_len + 1:  # the last token is written, but not read
        raise ValueError(
            f"a prompt of {prompt.shape[1]} tokens and {steps} steps: expected at most {max_len + 1} tokens in all, "
            "for the model has no more positions; write fewer steps, or use `generate`, which moves its window"
        )

    @torch.no_grad()
    def drawn() -> Iterator[torch.Tensor]:
        text, generator = prompt, torch.Generator(prompt.device).manual_seed(int(seed))
        for _ in range(steps):
            tokens = _draw(next_logits(text), temperature, top_k, generator)
            text = torch.cat([text, tokens[:, None]], dim=1)
            yield tokens

    return drawn()


def _draw(logits: torch.Tensor, temperature: float, top_k: int | None, generator: torch.Generator) -> torch.Tensor:
    """Draw one token for each row of logits: (B, vocab_size) to (B,)."""
    if temperature == 0:
        return logits.argmax(dim=-1)
    if top_k is not None and top_k < logits.shape[-1]:
        likeliest = logits.topk(top_k)  # k of them, also where several are equal
        logits = torch.full_like(logits, -torch.inf).scatter(-1, likeliest.indices, likeliest.values)
    return torch.multinomial((logits / temperature).softmax(dim=-1), 1, generator=generator)[:, 0]


def _check_batch(tokens: torch.Tensor) -> None:
    if tokens.ndim != 2 or len(tokens) == 0 or tokens.shape[1] < 2 or tokens.dtype != torch.int64:
        raise ValueError(
            f"tokens has shape {tuple(tokens.shape)} and type {tokens.dtype}: expected (B, T + 1), at least 2 tokens "
            "in a row, of torch.int64, as tokens.long() gives"
        )
