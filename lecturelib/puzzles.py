"""Small puzzles for a layer or a few blocks, and how to train several seeds on one.

    left_neighbor, two_neighbors, reversal   tokens and the right answers
    answer_loss, right_answers               what is trained, and which answers are right
    fit_seeds                                the same network from several seeds

There are 8 different tokens, so that a guess is right once in 8 times.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from lecturelib.stacks import fit_many
from lecturelib.training import Batch, seed_everything


def left_neighbor(n: int, length: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ask for the token to the left of each; the first has none, and there the answer is the token itself.

    Shapes: returns tokens and answers, (n, length) each.

    >>> tokens, answers = left_neighbor(1, 4, seed=0)
    >>> tokens.tolist(), answers.tolist()
    ([[4, 7, 5, 0]], [[4, 4, 7, 5]])
    """
    tokens = _tokens(n, length, seed)
    return tokens, torch.cat([tokens[:, :1], tokens[:, :-1]], dim=1)


def two_neighbors(n: int, length: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ask two questions about each token of a circle: what is one to the left, and what two to the left?

    Shapes: returns tokens (n, length) and answers (n, length, 2).
    """
    tokens = _tokens(n, length, seed)
    return tokens, torch.stack([tokens.roll(1, 1), tokens.roll(2, 1)], dim=-1)


def reversal(n: int, length: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ask for the tokens in reverse order.

    Shapes: returns tokens and answers, (n, length) each.
    """
    tokens = _tokens(n, length, seed)
    return tokens, tokens.flip(1)


def answer_loss(model: nn.Module, batch: Batch) -> torch.Tensor:
    """Return the mean cross-entropy of all answers.

    Shapes: batch holds tokens (B, T) and answers (B, T) or (B, T, questions); the model gives logits for each answer.
    """
    return F.cross_entropy(model(batch[0]).flatten(0, -2), batch[1].flatten())


@torch.no_grad()
def right_answers(model: nn.Module, data: Batch) -> torch.Tensor:
    """Return 1 where an answer is right, else 0, in the shape of the answers."""
    return (model(data[0]).argmax(dim=-1) == data[1]).float()


def fit_seeds(
    make: Callable[..., nn.Module], *choice: object, data: Batch, lr: float, steps: int = 120, seeds: int = 5
) -> list[nn.Module]:
    """Make a network, `make(*choice)`, for each of so many seeds, train it on the puzzle, and return them all."""
    models = []
    for seed in range(seeds):
        seed_everything(seed)
        models.append(make(*choice))
    fit_many(models, answer_loss, data, steps=steps, batch_size=16, lr=lr)
    return models


def _tokens(n: int, length: int, seed: int) -> torch.Tensor:
    return torch.randint(8, (n, length), generator=torch.Generator().manual_seed(int(seed)))
