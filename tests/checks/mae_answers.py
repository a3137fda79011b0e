"""Answers to the exercises of notebook 06, written apart from the catalogues of the checks.

The catalogue indexes with masks; here are loops over patches, sorting, gathering and scattering.
"""

import random
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

Tensor = torch.Tensor
Generator = torch.Generator
RIGHT: dict[str, list[Any]] = {}
WRONG: dict[str, dict[str, list[Any]]] = {}
# What a student would have to write, in pieces; no verdict may hold one of them. (The second hint may.)
SOLUTIONS = {
    "random mask": ["argsort", "torch.rand", "randperm", "topk", "generator=", "< hidden", "multinomial"],
    "visible tokens": ["~mask", "tokens[", "view(", "gather(", "argsort", "reshape("],
    "fill in": ["clone(", "expand(", "~mask", "full[", "reshape(", "scatter"],
    "masked loss": ["mse_loss", "[mask]", "mean()", "square(", "** 2", "predicted -"],
}

# ---- random mask ----


def picked(pick: Callable[[int, int, Generator], Any]) -> Callable[[int, int, int, Generator], Tensor]:
    """Write a mask row by row: `pick(patches, hidden, generator)` gives the numbers of the hidden patches."""

    def random_mask(n: int, patches: int, hidden: int, generator: Generator) -> Tensor:
        mask = torch.full((n, patches), False)
        for row in range(n):
            mask[row, pick(patches, hidden, generator)] = True
        return mask

    return random_mask


def mask_by_argsort(n: int, patches: int, hidden: int, generator: Generator) -> Tensor:
    return torch.rand(n, patches, generator=generator).argsort(dim=1) < hidden


def mask_by_rank(n: int, patches: int, hidden: int, generator: Generator) -> Tensor:
    noise = torch.randn(n, patches, generator=generator)
    return noise >= noise.sort(dim=1, descending=True).values[:, hidden - 1 : hidden]


def mask_as_lists(n: int, patches: int, hidden: int, generator: Generator) -> list[list[bool]]:
    dice = random.Random(torch.randint(2**31, (), generator=generator).item())
    rows = [[True] * hidden + [False] * (patches - hidden) for _ in range(n)]
    for row in rows:
        dice.shuffle(row)
    return rows


def seed_inside(n: int, patches: int, hidden: int, generator: Generator) -> Tensor:
    torch.manual_seed(0)
    return torch.rand(n, patches).argsort(1) < hidden


def rewound(n: int, patches: int, hidden: int, generator: Generator) -> Tensor:
    return mask_by_argsort(n, patches, hidden, generator.manual_seed(generator.initial_seed()))


def window(patches: int, hidden: int, generator: Generator) -> Tensor:
    start = int(torch.randint(patches - hidden + 1, (), generator=generator))
    return torch.arange(start, start + hidden)


def rolled_pattern(n: int, patches: int, hidden: int, generator: Generator) -> Tensor:
    """One pattern for the batch, shifted for each image: every patch equally often, but not every pair."""
    row = mask_by_argsort(1, patches, hidden, generator)[0]
    shifts = torch.randint(patches, (n,), generator=generator)
    return torch.stack([row.roll(int(shift)) for shift in shifts])


RIGHT["random mask"] = [
    mask_by_argsort,
    picked(lambda patches, hidden, generator: torch.randperm(patches, generator=generator)[:hidden]),
    mask_by_rank,
    mask_as_lists,
    lambda n, patches, hidden, generator: mask_by_argsort(n, patches, patches - hidden, generator).logical_not(),
]
WRONG["random mask"] = {
    "not exactly": [
        picked(lambda patches, hidden, generator: torch.rand(patches, generator=generator) * patches < hidden)
    ],
    "with replacement": [
        picked(lambda patches, hidden, generator: torch.randint(patches, (hidden,), generator=generator))
    ],
    "one mask for the batch": [
        lambda n, patches, hidden, generator: mask_by_argsort(1, patches, hidden, generator)[0],
        lambda n, patches, hidden, generator: mask_by_rank(1, patches, hidden, generator).repeat(n, 1),
    ],
    "always the same": [
        picked(lambda patches, hidden, generator: slice(hidden)),
        seed_inside,
        lambda n, patches, hidden, g: mask_by_argsort(n, patches, hidden, g.manual_seed(3)),
    ],
    "generator ignored": [picked(lambda patches, hidden, generator: random.sample(range(patches), hidden))],
    "generator rewound": [rewound],
    "neighbors only": [picked(window)],
    "not equally often": [rolled_pattern],
    "other": [
        # what each patch is drawn from are the images, so that most images hide nothing
        lambda n, patches, hidden, generator: torch.rand(n, patches, generator=generator).argsort(dim=0) < hidden,
        lambda n, patches, hidden, generator: mask_by_argsort(n, patches, hidden + 1, generator),
        lambda *given: mask_by_argsort(*given).T,
        lambda *given: mask_by_argsort(*given).float(),
        lambda n, patches, hidden, generator: torch.rand(n, patches, generator=generator).topk(hidden).indices,
        lambda n, patches, hidden, generator: ["hidden"] * n,
    ],
    "nothing returned": [lambda n, patches, hidden, generator: None],
    "not solved yet": [lambda n, patches, hidden, generator: ...],
}

# ---- the visible tokens ----


def kept(mask: Tensor) -> list[list[int]]:
    """The numbers of the visible patches of each image."""
    return [[n for n, hidden in enumerate(row) if not hidden] for row in mask.tolist()]


def visible_one_by_one(tokens: Tensor, mask: Tensor) -> Tensor:
    return torch.stack([torch.stack([tokens[b, n] for n in row]) for b, row in enumerate(kept(mask))])


def visible_by_sorting(tokens: Tensor, mask: Tensor) -> Tensor:
    order = mask.int().argsort(dim=1, stable=True)[:, : int((~mask[0]).sum())]
    return tokens.gather(1, order[..., None].expand(-1, -1, tokens.shape[2]))


RIGHT["visible tokens"] = [
    lambda tokens, mask: tokens[~mask].view(len(tokens), -1, tokens.shape[2]),
    visible_one_by_one,
    visible_by_sorting,
    lambda tokens, mask: [image[~row] for image, row in zip(tokens, mask, strict=True)],
]
WRONG["visible tokens"] = {
    "the hidden ones": [lambda tokens, mask: visible_one_by_one(tokens, mask.logical_not())],
    "one mask for the batch": [lambda tokens, mask: torch.stack([each[kept(mask)[0]] for each in tokens])],
    "zeroed instead of removed": [lambda tokens, mask: tokens * (~mask).unsqueeze(-1)],
    "order lost": [lambda tokens, mask: visible_by_sorting(tokens.flip(1), mask.flip(1))],
    "other": [lambda tokens, mask: visible_one_by_one(tokens, mask).roll(1, 1)],
}

# ---- back to their places ----


def fill_one_by_one(latents: Tensor, mask: Tensor, mask_token: Tensor) -> Tensor:
    full = torch.zeros(*mask.shape, len(mask_token), dtype=latents.dtype)
    for b in range(len(mask)):
        following = iter(latents[b])
        for n in range(mask.shape[1]):
            full[b, n] = mask_token if mask[b, n] else next(following)
    return full


def fill_by_restoring(latents: Tensor, mask: Tensor, mask_token: Tensor) -> Tensor:
    b, n = mask.shape
    joined = torch.cat([latents, mask_token.repeat(b, n - latents.shape[1], 1)], dim=1)
    order = mask.int().argsort(dim=1, stable=True)
    return torch.take_along_dim(joined, order.argsort(dim=1)[..., None], dim=1)


def fill_by_counting(latents: Tensor, mask: Tensor, mask_token: Tensor) -> Any:
    place = ((~mask).cumsum(1) - 1).clamp(min=0)[..., None].expand(-1, -1, latents.shape[2])
    return torch.where(mask[..., None], mask_token, latents.gather(1, place)).numpy()


def without_a_copy(latents: Tensor, mask: Tensor, mask_token: Tensor) -> Tensor:
    full = mask_token.expand(*mask.shape, -1)
    for b, row in enumerate(kept(mask)):
        for place, n in enumerate(row):
            full[b, n] = latents[b, place]
    return full


RIGHT["fill in"] = [
    fill_one_by_one,
    fill_by_restoring,
    fill_by_counting,
    lambda latents, mask, mask_token: mask_token.repeat(*mask.shape, 1).masked_scatter(~mask[..., None], latents),
]
WRONG["fill in"] = {
    "inverted": [
        lambda latents, mask, mask_token: torch.index_put(
            mask_token.repeat(*mask.shape, 1), (mask,), latents.reshape(-1, len(mask_token))
        ),
    ],
    "one mask for the batch": [
        lambda latents, mask, token: fill_by_counting(latents, mask[:1].expand(mask.shape), token)
    ],
    "zeros instead of the token": [lambda latents, mask, token: fill_one_by_one(latents, mask, 0 * token)],
    "order reversed": [lambda latents, mask, token: fill_by_restoring(latents.flip(1), mask, token)],
    "written into the token itself": [without_a_copy],
}

# ---- the loss ----


def loss(
    error: Callable[[float, float], float] = lambda p, t: (p - t) ** 2,
    counts: Callable[[bool], bool] = lambda hidden: hidden,
    by: Callable[[Tensor, int], float] = lambda target, count: count,
    end: Callable[[float], Any] = lambda mean: mean,
) -> Callable[[Tensor, Tensor, Tensor], Any]:
    """Write the loss as a sum over single pixels, divided by something."""

    def masked_loss(predicted: Tensor, target: Tensor, mask: Tensor) -> Any:
        total, count = 0.0, 0
        for b, row in enumerate(mask.tolist()):
            for n, hidden in enumerate(row):
                if counts(hidden):
                    for p, t in zip(predicted[b, n].tolist(), target[b, n].tolist(), strict=True):
                        total += error(p, t)
                        count += 1
        return end(total / by(target, count))

    return masked_loss


RIGHT["masked loss"] = [
    loss(),
    lambda predicted, target, mask: (((predicted - target) ** 2).mean(-1) * mask).sum() / mask.sum(),
    lambda predicted, target, mask: nn.MSELoss()(predicted[~mask.logical_not()].float(), target[mask].float()).item(),
]
WRONG["masked loss"] = {
    "loss on the visible": [loss(counts=lambda hidden: not hidden)],
    "loss on all": [loss(counts=lambda hidden: True)],
    "divided by all patches": [loss(by=lambda target, count: target.numel())],
    "a sum": [loss(by=lambda target, count: 1), loss(by=lambda target, count: count / target.shape[2])],
    "mean of image means": [
        lambda p, t, mask: ((((p - t) ** 2).mean(-1) * mask).sum(1) / mask.sum(1)).mean(),
    ],
    "absolute": [loss(error=lambda p, t: abs(p - t))],
    "not squared": [loss(error=lambda p, t: t - p)],
    "squared after the mean": [loss(error=lambda p, t: p - t, end=lambda mean: mean**2)],
}
