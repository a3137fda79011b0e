"""Answers to the exercises of notebook 06, right and wrong, written apart from the catalogues of the checks.

The catalogue indexes with masks; here are loops over patches, sorting, gathering and scattering.
"""

import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

Tensor = torch.Tensor
RIGHT: dict[str, list[Any]] = {}
WRONG: dict[str, dict[str, list[Any]]] = {}
# What a student would have to write, in pieces; no verdict may hold one of them. (The second hint may.)
SOLUTIONS = {
    "random mask": ["argsort", "torch.rand", "randperm", "topk", "generator=", "< hidden", "multinomial"],
    "visible tokens": ["~masked", "tokens[", "view(", "gather(", "argsort", "reshape("],
    "fill in": ["clone(", "expand(", "~masked", "full[", "reshape(", "scatter"],
    "masked loss": ["mse_loss", "[masked]", "mean()", "square(", "** 2", "predicted -"],
}

# ---- random mask ----

Generator = torch.Generator


def picked(
    pick: Callable[[int, int, Generator], Any], fill: tuple[Any, Any] = (False, True)
) -> Callable[[int, int, int, Generator], Tensor]:
    """Write a mask row by row: `pick(patches, hidden, generator)` gives the numbers of the hidden patches."""

    def random_mask(n: int, patches: int, hidden: int, generator: Generator) -> Tensor:
        mask = torch.full((n, patches), fill[0])
        for row in range(n):
            mask[row, pick(patches, hidden, generator)] = fill[1]
        return mask

    return random_mask


def mask_by_argsort(n: int, patches: int, hidden: int, generator: Generator) -> Tensor:
    return torch.rand(n, patches, generator=generator).argsort(dim=1) < hidden


def mask_by_rank(n: int, patches: int, hidden: int, generator: Generator) -> Tensor:
    noise = torch.randn(n, patches, generator=generator)
    return noise >= noise.sort(dim=1, descending=True).values[:, hidden - 1 : hidden]


def mask_by_multinomial(n: int, patches: int, hidden: int, generator: Generator) -> Tensor:
    chosen = torch.multinomial(torch.ones(n, patches), hidden, generator=generator)
    return F.one_hot(chosen, patches).sum(1).bool()


def mask_by_numpy(n: int, patches: int, hidden: int, generator: Generator) -> np.ndarray:
    noise = torch.rand(n, patches, generator=generator).numpy()
    mask = np.zeros((n, patches), dtype=bool)
    np.put_along_axis(mask, np.argpartition(noise, hidden, axis=1)[:, :hidden], True, axis=1)
    return mask


def mask_as_lists(n: int, patches: int, hidden: int, generator: Generator) -> list[list[bool]]:
    dice = random.Random(torch.randint(2**31, (), generator=generator).item())
    rows = [[True] * hidden + [False] * (patches - hidden) for _ in range(n)]
    for row in rows:
        dice.shuffle(row)
    return rows


def shuffled(patches: int, hidden: int, generator: Generator | None) -> Tensor:
    return torch.randperm(patches, generator=generator)[:hidden]


def together(n: int, patches: int, hidden: int, generator: Generator) -> Tensor:
    mask = torch.zeros(n * patches, dtype=torch.bool)
    mask[torch.randperm(n * patches, generator=generator)[: n * hidden]] = True
    return mask.reshape(n, patches)


def seed_inside(n: int, patches: int, hidden: int, generator: Generator) -> Tensor:
    torch.manual_seed(0)
    return picked(lambda patches, hidden, generator: shuffled(patches, hidden, None))(n, patches, hidden, generator)


def seed_given_again(n: int, patches: int, hidden: int, generator: Generator) -> Tensor:
    return mask_by_argsort(n, patches, hidden, generator.manual_seed(3))


def rewound(n: int, patches: int, hidden: int, generator: Generator) -> Tensor:
    return mask_by_argsort(n, patches, hidden, generator.manual_seed(generator.initial_seed()))


def window(patches: int, hidden: int, generator: Generator) -> Tensor:
    start = int(torch.randint(patches - hidden + 1, (), generator=generator))
    return torch.arange(start, start + hidden)


def around(patches: int, hidden: int, generator: Generator) -> Tensor:
    return torch.arange(hidden).add(torch.randint(patches, (1,), generator=generator)) % patches


def rolled_pattern(n: int, patches: int, hidden: int, generator: Generator) -> Tensor:
    """One pattern for the batch, shifted for each image: every patch equally often, but not every pair."""
    row = picked(shuffled)(1, patches, hidden, generator)[0]
    shifts = torch.randint(patches, (n,), generator=generator)
    return torch.stack([row.roll(int(shift)) for shift in shifts])


def weighted(n: int, patches: int, hidden: int, generator: Generator) -> Tensor:
    """Later patches are likelier."""
    weights = torch.arange(1.0, patches + 1).expand(n, -1)
    return torch.zeros(n, patches).scatter(1, torch.multinomial(weights, hidden, generator=generator), 1.0) == 1


def with_first(patches: int, hidden: int, generator: Generator) -> Tensor:
    return torch.cat([torch.tensor([0]), 1 + torch.randperm(patches - 1, generator=generator)[: hidden - 1]])


RIGHT["random mask"] = [
    mask_by_argsort,
    picked(shuffled),
    mask_by_rank,
    mask_by_multinomial,
    mask_by_numpy,
    mask_as_lists,
    lambda n, patches, hidden, generator: torch.rand(n, patches, generator=generator).argsort(1).argsort(1) < hidden,
    lambda n, patches, hidden, generator: mask_by_argsort(n, patches, patches - hidden, generator).logical_not(),
]
WRONG["random mask"] = {
    "inverted": [picked(shuffled, fill=(True, False)), lambda *given: ~mask_by_rank(*given)],
    "one too many": [
        picked(lambda patches, hidden, generator: shuffled(patches, hidden + 1, generator)),
        lambda n, patches, hidden, generator: torch.rand(n, patches, generator=generator).argsort(1) <= hidden,
    ],
    "not exactly": [
        lambda n, patches, hidden, generator: torch.bernoulli(
            torch.full((n, patches), hidden / patches), generator=generator
        ).bool(),
        picked(lambda patches, hidden, generator: torch.rand(patches, generator=generator) * patches < hidden),
    ],
    "with replacement": [
        picked(lambda patches, hidden, generator: torch.randint(patches, (hidden,), generator=generator))
    ],
    "exact in the batch only": [together],
    "one mask for the batch": [
        lambda n, patches, hidden, generator: picked(shuffled)(1, patches, hidden, generator).expand(n, -1),
        lambda n, patches, hidden, generator: picked(shuffled)(1, patches, hidden, generator)[0],
        lambda n, patches, hidden, generator: mask_by_rank(1, patches, hidden, generator),
        lambda n, patches, hidden, generator: mask_by_argsort(1, patches, hidden, generator).repeat(n, 1),
    ],
    "always the same patches": [
        picked(lambda patches, hidden, generator: slice(hidden)),
        picked(lambda patches, hidden, generator: slice(-hidden, None)),
        lambda n, patches, hidden, generator: picked(shuffled)(1, patches, hidden, Generator().manual_seed(0))[0],
    ],
    "generator ignored": [
        lambda n, patches, hidden, generator: torch.rand(n, patches).argsort(1) < hidden,
        picked(lambda patches, hidden, generator: torch.randperm(patches)[:hidden]),
        picked(lambda patches, hidden, generator: random.sample(range(patches), hidden)),
    ],
    "seed set inside": [
        seed_inside,
        seed_given_again,
        lambda n, patches, hidden, generator: mask_by_argsort(n, patches, hidden, Generator().manual_seed(42)),
    ],
    "generator rewound": [
        rewound,
        lambda n, patches, hidden, generator: mask_by_argsort(
            n, patches, hidden, Generator().manual_seed(generator.initial_seed() + 1)
        ),
    ],
    "neighbours only": [picked(window), picked(around)],
    "not equally often": [
        picked(lambda patches, hidden, generator: shuffled(patches - 1, hidden, generator)),
        picked(with_first),
        weighted,
    ],
    "numbers instead of truth values": [
        picked(shuffled, fill=(0, 1)),
        lambda *given: mask_by_argsort(*given).float(),
        lambda *given: mask_by_numpy(*given).astype(int),
    ],
    "numbers of the patches": [
        lambda n, patches, hidden, generator: torch.stack([shuffled(patches, hidden, generator) for _ in range(n)]),
        lambda n, patches, hidden, generator: torch.rand(n, patches, generator=generator).topk(hidden).indices,
    ],
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


def visible_by_index(tokens: Tensor, mask: Tensor) -> Any:
    keep = torch.tensor(kept(mask))
    return tokens[torch.arange(len(tokens))[:, None], keep].numpy()


def as_embedding(tokens: Tensor, mask: Tensor) -> Tensor:
    """All tokens of the batch in one table, looked up by numbers within an image."""
    return F.embedding(torch.tensor(kept(mask)), tokens.reshape(-1, tokens.shape[2]))


RIGHT["visible tokens"] = [
    lambda tokens, mask: tokens[~mask].view(len(tokens), -1, tokens.shape[2]),
    visible_one_by_one,
    visible_by_sorting,
    visible_by_index,
    lambda tokens, mask: tokens.masked_select(~mask[..., None]).view(len(tokens), -1, tokens.shape[2]),
]
WRONG["visible tokens"] = {
    "the hidden ones": [
        lambda tokens, mask: tokens[mask].view(len(tokens), -1, tokens.shape[2]),
        lambda tokens, mask: visible_one_by_one(tokens, mask.logical_not()),
    ],
    "one mask for the batch": [
        lambda tokens, mask: torch.stack([each[kept(mask)[0]] for each in tokens]),
        lambda tokens, mask: tokens.index_select(1, torch.tensor(kept(mask)[0])),
    ],
    "zeroed instead of removed": [
        lambda tokens, mask: tokens * (~mask).unsqueeze(-1),
        lambda tokens, mask: torch.where(mask[:, :, None], 0.0, tokens),
    ],
    "images joined": [
        lambda tokens, mask: torch.cat(list(visible_one_by_one(tokens, mask))),
        lambda tokens, mask: tokens[mask == False],  # noqa: E712
    ],
    "images mixed": [
        lambda tokens, mask: tokens[~mask].view(-1, len(tokens), tokens.shape[2]).permute(1, 0, 2),
    ],
    "order lost": [
        lambda tokens, mask: visible_one_by_one(tokens, mask).flip(1),
        lambda tokens, mask: visible_one_by_one(tokens, mask).roll(1, 1),
        lambda tokens, mask: visible_by_sorting(tokens.flip(1), mask.flip(1)),
    ],
    "the first ones": [lambda tokens, mask: tokens[:, : visible_one_by_one(tokens, mask).shape[1]]],
    "tokens of the first image": [as_embedding, lambda tokens, mask: tokens[0, torch.tensor(kept(mask))]],
    "every mask for every image": [
        lambda tokens, mask: torch.stack([each[torch.tensor(kept(mask))] for each in tokens])
    ],
    "the first number only": [
        lambda tokens, mask: torch.take_along_dim(tokens[:, :, :1], torch.tensor(kept(mask))[..., None], 1)
    ],
}

# ---- back to their places ----


def fill_one_by_one(latents: Tensor, mask: Tensor, mask_token: Tensor) -> Tensor:
    full = torch.zeros(*mask.shape, len(mask_token), dtype=latents.dtype)
    for b in range(len(mask)):
        following = 0
        for n in range(mask.shape[1]):
            if mask[b, n]:
                full[b, n] = mask_token
            else:
                full[b, n] = latents[b, following]
                following += 1
    return full


def fill_by_restoring(latents: Tensor, mask: Tensor, mask_token: Tensor) -> Tensor:
    b, n = mask.shape
    joined = torch.cat([latents, mask_token.repeat(b, n - latents.shape[1], 1)], dim=1)
    order = mask.int().argsort(dim=1, stable=True)
    return torch.take_along_dim(joined, order.argsort(dim=1)[..., None], dim=1)


def fill_by_counting(latents: Tensor, mask: Tensor, mask_token: Tensor) -> Any:
    place = ((~mask).cumsum(1) - 1).clamp(min=0)[..., None].expand(-1, -1, latents.shape[2])
    return torch.where(mask[..., None], mask_token, latents.gather(1, place)).numpy()


def fill_by_scattering(latents: Tensor, mask: Tensor, mask_token: Tensor) -> Tensor:
    return mask_token.repeat(*mask.shape, 1).masked_scatter(~mask[..., None], latents)


def taken(latents: Tensor, mask: Tensor, mask_token: Tensor) -> Tensor:
    """The latents run along the hidden patches, until there are no more."""
    full = mask_token.repeat(*mask.shape, 1)
    for b, row in enumerate(mask.tolist()):
        found = latents[b].unbind()
        place = 0
        for n, hidden in enumerate(row):
            if hidden:
                full[b, n] = found[place]
                place += 1
    return full


def of_the_first(latents: Tensor, mask: Tensor, mask_token: Tensor) -> Tensor:
    return fill_by_counting(latents, mask[:1].expand(mask.shape), mask_token)


def fill_zeros(latents: Tensor, mask: Tensor, mask_token: Tensor) -> Tensor:
    full = torch.zeros(*mask.shape, len(mask_token))
    full[~mask] = latents.flatten(0, 1)
    full[mask] = mask_token
    return full


def without_a_copy(latents: Tensor, mask: Tensor, mask_token: Tensor) -> Tensor:
    full = mask_token.expand(*mask.shape, -1)
    for b, row in enumerate(kept(mask)):
        for place, n in enumerate(row):
            full[b, n] = latents[b, place]
    return full


def without_a_copy_at_once(latents: Tensor, mask: Tensor, mask_token: Tensor) -> Tensor:
    full = mask_token.expand(*mask.shape, -1)
    with warnings.catch_warnings(action="ignore"):  # torch speaks of it, once
        full[~mask] = latents.flatten(0, 1)
    return full


RIGHT["fill in"] = [fill_one_by_one, fill_by_restoring, fill_by_counting, fill_by_scattering, fill_zeros]
WRONG["fill in"] = {
    "mask tokens at the end": [
        lambda latents, mask, mask_token: torch.stack(
            [torch.stack([*each, *[mask_token] * (mask.shape[1] - len(each))]) for each in latents]
        ),
    ],
    "mask tokens in front": [
        lambda latents, mask, mask_token: torch.stack(
            [torch.stack([*[mask_token] * (mask.shape[1] - len(each)), *each]) for each in latents]
        ),
    ],
    "inverted": [
        lambda latents, mask, mask_token: mask_token.repeat(*mask.shape, 1).masked_scatter(mask[..., None], latents),
        lambda latents, mask, mask_token: torch.index_put(
            mask_token.repeat(*mask.shape, 1), (mask,), latents.reshape(-1, len(mask_token))
        ),
    ],
    "inverted: one by one": [taken],
    "one mask for the batch": [of_the_first],
    "zeros instead of the token": [
        lambda latents, mask, mask_token: fill_by_scattering(latents, mask, torch.zeros_like(mask_token)),
        lambda latents, mask, mask_token: fill_one_by_one(latents, mask, mask_token) * ~mask[..., None],
    ],
    "order reversed": [lambda latents, mask, mask_token: fill_by_restoring(latents.flip(1), mask, mask_token)],
    "images mixed": [
        lambda latents, mask, mask_token: fill_by_scattering(latents.transpose(0, 1).contiguous(), mask, mask_token)
    ],
    "latents forgotten": [lambda latents, mask, mask_token: mask_token.repeat(*mask.shape, 1)],
    "written into the token itself": [without_a_copy, without_a_copy_at_once],
    "token added to all": [
        lambda latents, mask, mask_token: fill_one_by_one(latents, mask, torch.zeros_like(mask_token)) + mask_token,
        lambda latents, mask, mask_token: fill_by_restoring(latents + mask_token, mask, mask_token),
    ],
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


def per_image(predicted: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    error = ((predicted - target) ** 2).mean(-1) * mask
    return (error.sum(1) / mask.sum(1)).mean()


RIGHT["masked loss"] = [
    lambda predicted, target, mask: F.mse_loss(predicted[mask], target[mask]),
    loss(),
    lambda predicted, target, mask: (((predicted - target) ** 2).mean(-1) * mask).sum() / mask.sum(),
    lambda predicted, target, mask: nn.MSELoss()(predicted[~mask.logical_not()].float(), target[mask].float()).item(),
]
WRONG["masked loss"] = {
    "loss on the visible": [
        loss(counts=lambda hidden: not hidden),
        lambda p, t, mask: F.mse_loss(p[~mask], t[~mask]),
    ],
    "loss on all": [loss(counts=lambda hidden: True), lambda p, t, mask: ((p - t) ** 2).mean(-1).mean()],
    "divided by all patches": [
        loss(by=lambda target, count: target.numel()),
        lambda p, t, mask: F.mse_loss(p * mask[..., None], t * mask[..., None]),
    ],
    "only the prediction masked": [lambda p, t, mask: F.mse_loss(p.masked_fill(~mask.unsqueeze(2), 0), t)],
    "a sum": [loss(by=lambda target, count: 1), lambda p, t, mask: F.mse_loss(p[mask], t[mask], reduction="sum")],
    "a sum over the patches": [
        loss(by=lambda target, count: target.shape[2]),
        lambda p, t, mask: (((p - t) ** 2).mean(-1) * mask).sum(),
    ],
    "a sum over the pixels": [
        loss(by=lambda target, count: count / target.shape[2]),
        lambda p, t, mask: (((p - t) ** 2) * mask[..., None]).sum() / mask.sum(),
    ],
    "divided by the batch": [loss(by=lambda target, count: len(target))],
    "mean of image means": [per_image],
    "not one number": [
        lambda p, t, mask: ((p - t) ** 2).mean(-1)[mask],
        lambda p, t, mask: F.mse_loss(p, t, reduction="none").mean(2).masked_select(mask),
    ],
    "a root": [loss(end=lambda mean: mean**0.5)],
    "absolute": [loss(error=lambda p, t: abs(p - t)), lambda p, t, mask: F.l1_loss(p[mask], t[mask])],
    "not squared": [loss(error=lambda p, t: p - t)],
    "not squared: the target minus the prediction": [loss(error=lambda p, t: t - p)],
    "squared after the mean": [
        loss(error=lambda p, t: p - t, end=lambda mean: mean**2),
        lambda p, t, mask: (p[mask].mean() - t[mask].mean()) ** 2,
    ],
}
