"""The exercises of notebook 06: which patches are hidden, the visible ones alone, the way back, and the loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from lecturelib.checks.exercise import Draws, Exercise, Sized, as_drawn, described, normal, uneven

Tensor = torch.Tensor
Generator = torch.Generator

# ---- random mask ----


def _as_mask(drawn: Any, n: int, patches: int, hidden: int) -> Any:
    """What was drawn as a mask (n, patches), one row stretched to all; or words that say what it is instead."""
    mask = as_drawn(drawn)
    if not isinstance(mask, Tensor):
        return mask
    if mask.ndim == 0:
        return f"a single {'number' if mask.dtype != torch.bool else 'truth value'}"
    if mask.shape in ((patches,), (1, patches)):
        mask = mask.expand(n, patches)
    if mask.shape != (n, patches):
        numbers = mask.shape == (n, hidden) and bool((mask == mask.round()).all())
        return "numbers of patches" if numbers else f"a tensor of shape {tuple(mask.shape)}"
    if mask.dtype != torch.bool:
        return "0 and 1" if bool(((mask == 0) | (mask == 1)).all()) else "numbers"
    return mask


def _miscounted(draws: Draws, n: int, patches: int, hidden: int) -> str | None:
    """What is the matter with the number of hidden patches in a row, if anything."""
    masks = [*draws.calls, draws.same_seed, draws.other_seed]
    counts = torch.cat(masks).sum(1).double()
    low, high = int(counts.min()), int(counts.max())
    if low == high:
        return None if low == hidden else f"{low} hidden in each row"
    if all(int(mask.sum()) == n * hidden for mask in masks):
        return "now more, now fewer hidden in a row, though as many in all"
    error = counts.std() / len(counts) ** 0.5
    with_repetition = patches * (1 - (1 - 1 / patches) ** hidden)  # the mean number of different ones
    if low >= 1 and high <= hidden and abs(counts.mean() - with_repetition) < 6 * error:
        return "fewer hidden in some rows, as if patches were drawn twice"
    if abs(counts.mean() - hidden) < 6 * error:
        return "now more, now fewer hidden in a row"
    return f"{low} to {high} hidden in a row"


def _same_row(draws: Draws, *given: int) -> str | None:
    """Whether all images of a call have the same mask, though calls differ."""
    masks = [*draws.calls, draws.other_seed]
    alike = all(bool((mask == mask[0]).all()) for mask in masks)
    return "the same row for all images" if alike and any(not torch.equal(mask, masks[0]) for mask in masks) else None


def _not_at_random(draws: Draws, n: int, patches: int, hidden: int) -> str | None:
    """Whether some patches, alone or in pairs, are hidden more often than chance allows."""
    rows = torch.cat([*draws.calls, draws.other_seed])
    if bool(((rows & ~rows.roll(1, dims=1)).sum(1) == 1).all()):
        return "hidden patches that are neighbors"
    wanted = torch.full((patches, patches), hidden * (hidden - 1) / (patches * (patches - 1)))
    odd = uneven(rows, wanted.fill_diagonal_(hidden / patches))
    return "some patches hidden more often than others" if bool(odd.any()) else None


def _fine_mask(n: int, patches: int, hidden: int, generator: Generator | None = None) -> str:
    return f"a random mask ({n}, {patches}), {hidden} hidden in each row"


def _rank(n: int, patches: int, generator: Generator | None) -> Tensor:
    """In each row the numbers from 0 on, shuffled."""
    return torch.rand(n, patches, generator=generator).argsort(1).argsort(1)


def _with_replacement(n: int, patches: int, hidden: int, generator: Generator) -> Tensor:
    chosen = torch.randint(patches, (n, hidden), generator=generator)
    return torch.zeros(n, patches, dtype=torch.bool).scatter(1, chosen, True)


def _seeded(seed: Callable[[Generator], int]) -> Callable[[int, int, int, Generator], Tensor]:
    """A right mask, but from a generator that was made inside."""
    return lambda n, patches, hidden, generator: (
        _rank(n, patches, torch.Generator().manual_seed(seed(generator))) < hidden
    )


check_random_mask = Exercise(
    name="random mask",
    reference=_fine_mask,
    # many images, so that chance settles nothing; never half of the patches
    probes=[(701, 11, 5), (1009, 5, 3), (503, 7, 2)],
    view=described(_as_mask, [_miscounted, _same_row, Draws.unvaried], _not_at_random, _fine_mask, calls=5),
    imitations={
        "inverted": lambda n, patches, hidden, generator: _rank(n, patches, generator) >= hidden,
        "not exactly": lambda n, patches, hidden, generator: (
            torch.rand(n, patches, generator=generator) < hidden / patches
        ),
        "with replacement": _with_replacement,
        "one mask for the batch": lambda n, patches, hidden, generator: _rank(1, patches, generator) < hidden,
        "always the same": _seeded(lambda generator: 0),
        "generator ignored": lambda n, patches, hidden, generator: _rank(n, patches, None) < hidden,
        "generator rewound": _seeded(lambda generator: generator.initial_seed()),
        "neighbors only": lambda n, patches, hidden, generator: (
            (torch.arange(patches) - torch.randint(patches, (n, 1), generator=generator)) % patches < hidden
        ),
        "not equally often": lambda n, patches, hidden, generator: (
            F.pad(_rank(n, patches - 1, generator), (0, 1), value=patches) < hidden  # the last patch never
        ),
    },
    says="""
        inverted: Your mask is inverted: as many patches as should be hidden are visible. Here True = hidden.
        not exactly: Some of your images have more hidden patches than others, so they do not fit into one tensor. Is
            each patch hidden by a toss of its own? Exactly as many as asked for, in each image.
        with replacement: Some of your images have too few hidden patches, none has too many. Can the same patch be
            drawn twice? Draw without putting back.
        one mask for the batch: All images of your batch have the same mask. The network would learn that one hole
            within a step: draw for each image.
        always the same: Every call gives the same mask, whatever the seed. Where does chance come in? If a seed is set
            inside your function: it belongs to the caller.
        generator ignored: The same seed gives another mask: use the generator that you were given.
        generator rewound: The second call with the same generator repeats the mask of the first: all batches would be
            masked alike. A generator goes on by itself; leave its seed alone.
        neighbors only: Your hidden patches are neighbors in each image: one place was drawn, and the rest follows it.
            Each patch should be drawn for itself.
        not equally often: Some patches, or pairs of them, are hidden more often than others.
        right: Exactly as many in each image, each choice equally likely, and the same again from the same seed.
        hint 1: Shuffle the numbers from 0 to patches - 1 in each row, and hide the places that got the smallest ones:
            then their count is exact, whatever the shuffle.
        hint 2: torch.rand(n, patches, generator=generator).argsort(dim=1) shuffles 0 to patches - 1 in each row. How
            many of these are smaller than `hidden`?
    """,
)

# ---- the visible tokens ----


def _mask(b: int, n: int, visible: int, seed: int) -> Tensor:
    """A mask (B, N) with as many visible in each row."""
    if visible > n:
        raise ValueError(f"{visible} of {n} patches cannot be visible")
    return normal(seed, (b, n))[0].argsort(1) >= visible


def _visible_by_rows(tokens: Tensor, mask: Tensor) -> Tensor:
    return torch.stack([image[~row] for image, row in zip(tokens, mask, strict=True)])


check_visible = Exercise(
    name="visible tokens",
    reference=_visible_by_rows,
    probes=Sized(
        lambda b, n, visible, d, seed: (normal(seed, (b, n, d))[0], _mask(b, n, visible, seed)),
        [(2, 11, 3, 5, 1), (3, 7, 5, 2, 2), (5, 13, 4, 3, 3)],
    ),
    imitations={
        "the hidden ones": lambda tokens, mask: _visible_by_rows(tokens, ~mask),
        "one mask for the batch": lambda tokens, mask: tokens[:, ~mask[0]],
        "zeroed instead of removed": lambda tokens, mask: tokens.masked_fill(mask[..., None], 0),
        "images joined": lambda tokens, mask: tokens[~mask],
        "images mixed": lambda tokens, mask: tokens[~mask].unflatten(0, (-1, len(tokens))).transpose(0, 1),
        "order lost": lambda tokens, mask: _visible_by_rows(tokens, mask).flip(1),
        "the first ones": lambda tokens, mask: tokens[:, : int((~mask[0]).sum())],
    },
    says="""
        the hidden ones: You hand over the hidden patches. The encoder must never see them: here True = hidden.
        one mask for the batch: You take the mask of the first image for all. Each image has a row of its own.
        zeroed instead of removed: You set the hidden tokens to 0, and they are still there. They should be gone.
        images joined: You have the right tokens, but those of all images in one row, (B V, D). Cut it again.
        images mixed: You have the right tokens, but in the wrong images: B stands before V.
        order lost: You have the right tokens of each image, but turned around. The way back counts on the order.
        the first ones: You take the first tokens of each image, as many as are visible. Which ones are, says the mask.
        right: Three quarters of the patches hidden make the encoder's sentence four times shorter.
        hint 1: A mask in brackets picks: tokens[...] with a mask (B, N) gives one long list of tokens, image after
            image. Each image has as many, so the list can be cut again.
        hint 2: tokens[~mask] is (B V, D); .view(B, -1, D) cuts it into images.
    """,
)

# ---- back to their places ----


def _filled_by_rows(latents: Tensor, mask: Tensor, mask_token: Tensor) -> Tensor:
    """Image by image, each patch takes what comes next: of the latents if it is visible."""
    images = []
    for found, row in zip(latents, mask.tolist(), strict=True):
        following = iter(found)
        images.append(torch.stack([mask_token if hidden else next(following) for hidden in row]))
    return torch.stack(images)


def _put(
    latents_of: Callable[[Tensor], Tensor] = lambda latents: latents,
    places: Callable[[Tensor], Tensor] = lambda mask: ~mask,
    share: float = 1.0,
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Latents put at places in an image full of mask tokens."""

    def fill(latents: Tensor, mask: Tensor, mask_token: Tensor) -> Tensor:
        full = share * mask_token.expand(*mask.shape, -1).clone()  # (B, N, D)
        full[places(mask)] = latents_of(latents).flatten(0, 1)
        return full

    return fill


def _rest(latents: Tensor, mask: Tensor, mask_token: Tensor) -> Tensor:
    """A mask token for each patch that is hidden."""
    return mask_token.expand(len(latents), mask.shape[1] - latents.shape[1], -1)


def _latents(b: int, n: int, visible: int, d: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    latents, mask_token = normal(seed, (b, visible, d), (d,))
    return latents, _mask(b, n, visible, seed), mask_token


check_fill = Exercise(
    name="fill in",
    reference=_filled_by_rows,
    # in the second half of the patches are hidden
    probes=Sized(_latents, [(2, 11, 3, 5, 1), (3, 10, 5, 7, 2), (5, 13, 4, 3, 3)]),
    imitations={
        "mask tokens at one end": (
            lambda latents, mask, mask_token: torch.cat([latents, _rest(latents, mask, mask_token)], dim=1),
            lambda latents, mask, mask_token: torch.cat([_rest(latents, mask, mask_token), latents], dim=1),
        ),
        "inverted": _put(places=lambda mask: mask),
        "one mask for the batch": _put(places=lambda mask: ~mask[:1].expand(mask.shape)),
        "zeros instead of the token": _put(share=0.0),
        "order reversed": _put(lambda latents: latents.flip(1)),
        "images mixed": _put(lambda latents: latents.transpose(0, 1)),
        "written into the token itself": lambda latents, mask, mask_token: latents[-1, -1].expand(*mask.shape, -1),
    },
    says="""
        mask tokens at one end: Your mask tokens stand at one end, so nothing is back in its place.
        inverted: Your latents stand where patches are hidden, and there are more or fewer places than latents. Here
            True = hidden.
        one mask for the batch: You put all latents where the first image has its own. Each image has a row.
        zeros instead of the token: Your latents are in place, but hidden patches hold 0, not the mask token.
        order reversed: Your latents are at the visible places, but the last one comes first.
        images mixed: Your latents are at visible places of the wrong images: B must stand before V.
        written into the token itself: All your places hold the latent that was written last. An expanded tensor is one
            token seen many times: whoever writes into one place writes into all. Each place needs memory of its own.
        right: What is visible came back to where it was; every other place holds the one token that says: hidden.
        hint 1: Begin with an image full of mask tokens, (B, N, D). Then overwrite the visible places with the latents:
            a mask in brackets can also be assigned to.
        hint 2: full = mask_token.expand(B, N, D).clone(), for an expanded tensor cannot be written; then full[~mask] =
            latents.reshape(-1, D).
    """,
)

# ---- the loss ----


def _loss_by_patches(predicted: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """One list of all hidden pixels, given to torch."""
    hidden = [(b, n) for b, row in enumerate(mask.tolist()) for n, is_hidden in enumerate(row) if is_hidden]
    return F.mse_loss(torch.cat([predicted[at] for at in hidden]), torch.cat([target[at] for at in hidden]))


def _painted(b: int, n: int, pixels: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Predictions, targets, and a mask with unequal numbers of hidden patches, at least one in each image."""
    if n < 2:
        raise ValueError("a single patch is hidden or not")
    predicted, target = normal(seed, (b, n, pixels), (b, n, pixels))
    return predicted, target, torch.cat([_mask(1, n, 1 + k % (n - 1), seed + k) for k in range(b)])


check_masked_loss = Exercise(
    name="masked loss",
    reference=_loss_by_patches,
    probes=Sized(_painted, [(2, 7, 5, 1), (5, 3, 2, 2), (3, 11, 7, 3)]),
    imitations={
        "loss on the visible": lambda p, t, mask: (p - t)[~mask].square().mean(),
        "loss on all": lambda p, t, mask: F.mse_loss(p, t),
        "divided by all patches": lambda p, t, mask: ((p - t).square() * mask[..., None]).mean(),
        "a sum": (
            lambda p, t, mask: (p - t)[mask].square().sum(),
            lambda p, t, mask: (p - t)[mask].square().mean(-1).sum(),
            lambda p, t, mask: (p - t)[mask].square().sum(-1).mean(),
            lambda p, t, mask: (p - t)[mask].square().sum() / len(p),
        ),
        "mean of image means": lambda p, t, mask: torch.stack(
            [(a - b)[m].square().mean() for a, b, m in zip(p, t, mask, strict=True)]
        ).mean(),
        "not one number": lambda p, t, mask: (p - t)[mask].square().mean(-1),
        "absolute": lambda p, t, mask: (p - t)[mask].abs().mean(),
        "not squared": (lambda p, t, mask: (p - t)[mask].mean(), lambda p, t, mask: (t - p)[mask].mean()),
        "squared after the mean": lambda p, t, mask: (p - t)[mask].mean().square(),
    },
    says="""
        loss on the visible: You judge the visible patches, which the network was shown. Here True = hidden.
        loss on all: You judge all patches, and most of what is easy among them. Only the hidden ones are to count.
        divided by all patches: You divide by the number of all patches. The loss would fall when fewer are hidden.
        a sum: You sum where a mean is asked for, over patches or pixels. How many numbers were compared?
        mean of image means: You average within each image first, so a patch counts more where few are hidden.
        not one number: You return one error for each hidden patch. The mean of them is still to be taken.
        absolute: You take absolute differences. They are to be squared.
        not squared: You average the differences themselves: too bright here and too dark there cancel each other.
        squared after the mean: You square after the mean, when bright and dark have cancelled each other.
        right: What the network says about visible patches costs nothing: whoever copies them has won nothing.
        hint 1: Which numbers are compared? Those of hidden patches, in all images together. Take these out first; the
            rest is the mean squared error that you know.
        hint 2: predicted[mask] is (number of hidden patches, E), and target[mask] too. Their difference, squared, and
            the mean of all.
    """,
)
