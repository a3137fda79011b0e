"""The exercises of notebook 06: which patches are hidden, the visible ones alone, the way back, and the loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from lecturelib.checks.exercise import Exercise, Mistake, in_float64, normal

Tensor = torch.Tensor
Draw = Callable[[int, int, int, torch.Generator], Any]

# ---- random mask ----


def _described(draw: Draw) -> Callable[[int, int, int], Any]:
    """An answer that draws masks, as a function that says in words what is the matter with them.

    Random masks cannot be compared with right ones, but what holds for every right one can. The first fault is named.
    Two draws come from one generator, a third from a new one with the same seed, a fourth from another seed.
    """

    def describe(n: int, patches: int, hidden: int) -> Any:
        one, again, other = (torch.Generator().manual_seed(n + k) for k in (0, 0, 1))
        with torch.random.fork_rng(devices=[]):  # who ignores the generator draws from the global one: leave it alone
            drawn = [draw(n, patches, hidden, each) for each in (one, one, again, other)]
        if any(each is None or each is ... for each in drawn):
            return None
        masks = []
        for each in drawn:
            mask = _as_mask(each, n, patches, hidden)
            if isinstance(mask, str):
                return mask
            masks.append(mask)
        return _miscounted(masks, hidden) or _unvaried(masks) or _uneven(masks, hidden) or _fine(n, patches, hidden)

    return describe


def _fine(n: int, patches: int, hidden: int) -> str:
    return f"a random mask ({n}, {patches}), {hidden} hidden in each row"


def _as_mask(drawn: Any, n: int, patches: int, hidden: int) -> Tensor | str:
    """What was drawn as a mask (n, patches), one row stretched to all; or a description of what it is instead."""
    try:
        mask = torch.as_tensor(drawn)
    except (TypeError, ValueError, RuntimeError):
        return f"no tensor, but a {type(drawn).__name__}"
    if mask.ndim == 0:
        return f"a single {'number' if mask.dtype != torch.bool else 'truth value'}"
    if mask.shape in ((patches,), (1, patches)):
        mask = mask.expand(n, patches)
    if mask.shape != (n, patches):
        numbers = mask.shape == (n, hidden) and not mask.is_floating_point()
        return "numbers of patches" if numbers else f"a tensor of shape {tuple(mask.shape)}"
    if mask.dtype != torch.bool:
        return "0 and 1" if bool(((mask == 0) | (mask == 1)).all()) else "numbers"
    return mask


def _miscounted(masks: list[Tensor], hidden: int) -> str | None:
    """What is the matter with the number of hidden patches in a row, if anything."""
    counts = torch.cat(masks).sum(1)
    low, high = int(counts.min()), int(counts.max())
    if low == high == hidden:
        return None
    if low == high:
        return f"{low} hidden in each row"
    if all(int(mask.sum()) == len(mask) * hidden for mask in masks):
        return "now more, now fewer hidden in a row, though as many in all"
    if high <= hidden:
        return "fewer hidden in some rows, never more"
    return "more hidden in some rows, never fewer" if low >= hidden else "now more, now fewer hidden in a row"


def _unvaried(masks: list[Tensor]) -> str | None:
    """What is the matter with how masks differ between images, calls and seeds, if anything."""
    first, second, same, other = masks
    always = torch.equal(first, second) and torch.equal(first, other)
    if all(bool((mask == mask[0]).all()) for mask in masks):
        return "the same row in each call" if always else "the same row for all images"
    if not torch.equal(first, same):
        return "another mask from the same seed"
    if always:
        return "the same mask in each call"
    return "the same mask in the next call" if torch.equal(first, second) else None


def _uneven(masks: list[Tensor], hidden: int) -> str | None:
    """Whether some patches, alone or in pairs, are hidden more often than six standard deviations allow."""
    rows = torch.cat([masks[0], masks[1], masks[3]])
    if bool(((rows & ~rows.roll(1, dims=1)).sum(1) == 1).all()):
        return "hidden patches that are neighbours"
    n, patches = rows.shape
    found = rows.double().T @ rows.double() / n  # (patches, patches): how often each pair is hidden
    wanted = torch.full_like(found, hidden * (hidden - 1) / (patches * (patches - 1)))
    wanted.fill_diagonal_(hidden / patches)
    allowed = 6 * (wanted * (1 - wanted) / n).sqrt()
    return None if bool(((found - wanted).abs() <= allowed).all()) else "some patches hidden more often than others"


def _rank(n: int, patches: int, generator: torch.Generator | None) -> Tensor:
    """In each row the numbers from 0 on, shuffled."""
    return torch.rand(n, patches, generator=generator).argsort(1).argsort(1)


def _with_replacement(n: int, patches: int, hidden: int, generator: torch.Generator) -> Tensor:
    chosen = torch.randint(patches, (n, hidden), generator=generator)
    return torch.zeros(n, patches, dtype=torch.bool).scatter(1, chosen, True)


def _seeded(seed: Callable[[torch.Generator], int]) -> Draw:
    """A right mask, but from a generator that was made inside."""
    return lambda n, patches, hidden, generator: (
        _rank(n, patches, torch.Generator().manual_seed(seed(generator))) < hidden
    )


_MASK: dict[str, tuple[str, Draw]] = {
    "inverted": (
        "Your mask is inverted: as many patches as should be hidden are visible. Here True = hidden.",
        lambda n, patches, hidden, generator: _rank(n, patches, generator) >= hidden,
    ),
    "one too many": (
        "You hide one patch too many in each image. Numbers from 0 on that are smaller than h: how many are there?",
        lambda n, patches, hidden, generator: _rank(n, patches, generator) <= hidden,
    ),
    "not exactly": (
        "Your patches are hidden each by its own toss, so some images have more hidden ones than others: they do not "
        "fit into one tensor. Exactly as many as asked for, in each image.",
        lambda n, patches, hidden, generator: torch.rand(n, patches, generator=generator) < hidden / patches,
    ),
    "with replacement": (
        "Some of your images have too few hidden patches, none has too many: the same patch was drawn twice. Draw "
        "without putting back.",
        _with_replacement,
    ),
    "exact in the batch only": (
        "The number of hidden patches is right for the batch as a whole, but not for each image: you shuffle all "
        "patches of the batch together.",
        lambda n, patches, hidden, generator: _rank(1, n * patches, generator).view(n, patches) < n * hidden,
    ),
    "one mask for the batch": (
        "All images of your batch have the same mask. The network would learn that one hole within a step: draw for "
        "each image.",
        lambda n, patches, hidden, generator: _rank(1, patches, generator) < hidden,
    ),
    "always the same patches": (
        "You hide the same patches in every image and in every call. Where does chance come in?",
        lambda n, patches, hidden, generator: torch.arange(patches) < hidden,
    ),
    "generator ignored": (
        "The same seed gives another mask: the numbers do not come from the generator that you were given. A run "
        "with that cannot be repeated.",
        lambda n, patches, hidden, generator: _rank(n, patches, None) < hidden,
    ),
    "seed set inside": (
        "Every call gives the same mask, whatever the seed. Is a seed set inside your function? It belongs to the "
        "caller.",
        _seeded(lambda generator: 0),
    ),
    "generator rewound": (
        "The second call with the same generator repeats the mask of the first: all batches would be masked alike. A "
        "generator goes on by itself; leave its seed alone.",
        _seeded(lambda generator: generator.initial_seed()),
    ),
    "neighbours only": (
        "Your hidden patches are neighbours in each image: one place was drawn, and the rest follows it. Each patch "
        "should be drawn for itself.",
        lambda n, patches, hidden, generator: (
            (torch.arange(patches) - torch.randint(patches, (n, 1), generator=generator)) % patches < hidden
        ),
    ),
    "not equally often": (
        "Some patches, or pairs of them, are hidden more often than others. Every choice should be equally likely.",
        lambda n, patches, hidden, generator: (
            F.pad(_rank(n, patches - 1, generator), (0, 1), value=patches) < hidden  # the last patch never
        ),
    ),
    "numbers instead of truth values": (
        "Your mask has the right shape, but holds 0 and 1. A mask of True and False can pick and can be turned around "
        "with ~; numbers would be taken for places.",
        lambda n, patches, hidden, generator: (_rank(n, patches, generator) < hidden).int(),
    ),
    "numbers of the patches": (
        "You return the numbers of the hidden patches. A mask is asked for: (n, patches), True at those places.",
        lambda n, patches, hidden, generator: _rank(n, patches, generator)[:, :hidden],
    ),
}

check_random_mask = Exercise(
    name="random mask",
    reference=_fine,
    # many images, so that chance settles nothing; never half of the patches
    probes=[(701, 11, 5), (1009, 5, 3), (503, 7, 2)],
    prepare=_described,
    mistakes=[Mistake(name, says, _described(draw)) for name, (says, draw) in _MASK.items()],
    hint_texts=[
        "Shuffle the numbers from 0 to patches - 1 in each row, and hide the places that got the smallest ones: then "
        "their count is exact, whatever the shuffle.",
        "torch.rand(n, patches, generator=generator).argsort(dim=1) shuffles 0 to patches - 1 in each row. How many "
        "of these are smaller than `hidden`?",
    ],
    right="Exactly as many in each image, each choice equally likely, and the same again from the same seed.",
)

# ---- the visible tokens ----


def _mask(b: int, n: int, visible: int, seed: int) -> Tensor:
    """A mask (B, N) with as many visible in each row."""
    return normal(seed, (b, n))[0].argsort(1) >= visible


def _keep(mask: Tensor) -> Tensor:
    """The numbers of the visible patches in order, (B, V)."""
    return torch.stack([(~row).nonzero()[:, 0] for row in mask])


_SHUFFLED = "the visible tokens in another order"


def _unordered(answer: Callable[[Tensor, Tensor], Any]) -> Callable[[Tensor, Tensor], Any]:
    """An answer that is caught if it has the right tokens of each image in any wrong order."""

    def visible(tokens: Tensor, mask: Tensor) -> Any:
        wanted = _visible_by_rows(tokens, mask)
        result = answer(tokens, mask)
        if not isinstance(result, Tensor) or result.shape != wanted.shape or torch.equal(result, wanted):
            return result
        pairs = (result[:, :, None] == wanted[:, None]).all(-1)  # (B, V, V): each token is found once
        return _SHUFFLED if bool((pairs.sum(1) == 1).all() and (pairs.sum(2) == 1).all()) else result

    return visible


def _visible_by_rows(tokens: Tensor, mask: Tensor) -> Tensor:
    return torch.stack([image[~row] for image, row in zip(tokens, mask, strict=True)])


_VISIBLE: dict[str, tuple[str, Callable[[Tensor, Tensor], Any]]] = {
    "the hidden ones": (
        "You hand over the hidden patches. The encoder must never see them: here True = hidden.",
        lambda tokens, mask: _visible_by_rows(tokens, ~mask),
    ),
    "one mask for the batch": (
        "You take the mask of the first image for all. Each image has a row of its own.",
        lambda tokens, mask: tokens[:, ~mask[0]],
    ),
    "zeroed instead of removed": (
        "You set the hidden tokens to 0, and they are still there: N tokens, and an encoder as expensive as before. "
        "They should be gone.",
        lambda tokens, mask: tokens.masked_fill(mask[..., None], 0),
    ),
    "images joined": (
        "You have the right tokens, but those of all images in one row, (B V, D). Which shape puts each image by "
        "itself again?",
        lambda tokens, mask: tokens[~mask],
    ),
    "images mixed": (
        "You have the right tokens, but cut them into images the wrong way: they come image by image, so B stands "
        "before V.",
        lambda tokens, mask: tokens[~mask].unflatten(0, (-1, len(tokens))).transpose(0, 1),
    ),
    "order lost": (
        "You have the right tokens of each image, but not in the order of the image. The way back counts on it: a "
        "sort that may exchange equals loses it.",
        lambda tokens, mask: _SHUFFLED,
    ),
    "the first ones": (
        "You take the first tokens of each image, as many as are visible. Which ones are, says the mask.",
        lambda tokens, mask: tokens[:, : int((~mask[0]).sum())],
    ),
    "tokens of the first image": (
        "All your tokens come from the first image: in a list of all tokens of the batch, image b begins at b N.",
        lambda tokens, mask: tokens[0][_keep(mask)],
    ),
    "every mask for every image": (
        "You have B times too many: every image was cut by the masks of all. Image b belongs to row b only.",
        lambda tokens, mask: tokens[:, _keep(mask)],
    ),
    "the first number only": (
        "Of each visible token you take the first number only. The places must be stretched over the width D before "
        "they are gathered.",
        lambda tokens, mask: tokens.gather(1, _keep(mask)[..., None]),
    ),
}


def _masked_tokens(b: int, n: int, visible: int, d: int, seed: int) -> tuple[Tensor, Tensor]:
    return normal(seed, (b, n, d))[0], _mask(b, n, visible, seed)


check_visible = Exercise(
    name="visible tokens",
    reference=_visible_by_rows,
    probes=[_masked_tokens(2, 11, 3, 5, 1), _masked_tokens(3, 7, 5, 2, 2), _masked_tokens(5, 13, 4, 3, 3)],
    prepare=lambda answer: _unordered(in_float64(answer)),
    mistakes=[Mistake(name, says, imitate) for name, (says, imitate) in _VISIBLE.items()],
    hint_texts=[
        "A mask in brackets picks: tokens[...] with a mask (B, N) gives one long list of tokens, image after image. "
        "Each image has as many, so the list can be cut again.",
        "tokens[~mask] is (B V, D); .view(B, -1, D) cuts it into images.",
    ],
    right="Three quarters of the patches hidden make the encoder's sentence four times shorter.",
)

# ---- back to their places ----


def _put(mistake: str) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Latents and mask tokens in an image, with one mistake."""

    def fill(latents: Tensor, mask: Tensor, mask_token: Tensor) -> Tensor:
        hidden = mask_token.expand(*mask.shape, -1).clone()  # (B, N, D)
        if mistake == "zeros instead of the token":
            hidden = torch.zeros_like(hidden)
        if mistake == "one mask for the batch":
            hidden[:, ~mask[0]] = latents
            return hidden
        if mistake == "inverted: one by one":
            for b, row in enumerate(mask):
                for place, n in enumerate(row.nonzero()[:, 0].tolist()):
                    hidden[b, n] = latents[b, place]
            return hidden
        rows = {"images mixed": latents.transpose(0, 1), "order reversed": latents.flip(1)}.get(mistake, latents)
        places = mask if mistake == "inverted" else ~mask
        hidden[places] = rows.flatten(0, 1)
        return hidden + mask_token * ~mask[..., None] if mistake == "token added to all" else hidden

    return fill


def _joined(first: bool) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Latents behind each other, and the mask tokens at one end."""

    def fill(latents: Tensor, mask: Tensor, mask_token: Tensor) -> Tensor:
        rest = mask_token.expand(len(latents), mask.shape[1] - latents.shape[1], -1)
        return torch.cat([rest, latents] if first else [latents, rest], dim=1)

    return fill


_FILL: dict[str, tuple[str, Callable[[Tensor, Tensor, Tensor], Any]]] = {
    "mask tokens at the end": (
        "Your mask tokens stand behind the latents, so nothing is back in its place. The decoder would add the wrong "
        "position to nearly every token.",
        _joined(first=False),
    ),
    "mask tokens in front": (
        "Your mask tokens stand before the latents, so nothing is back in its place. The decoder would add the wrong "
        "position to nearly every token.",
        _joined(first=True),
    ),
    "inverted": (
        "Your latents stand where patches are hidden. It runs only where half of them are. Here True = hidden.",
        _put("inverted"),
    ),
    "inverted: one by one": (
        "Your latents stand where patches are hidden, and they run out where more than half of them are. Here True = "
        "hidden.",
        _put("inverted: one by one"),
    ),
    "one mask for the batch": (
        "You put the latents of all images where the first image has its own. Each image has a row of the mask.",
        _put("one mask for the batch"),
    ),
    "zeros instead of the token": (
        "Your latents are in place, but hidden patches hold 0. The mask token, which is learned, belongs there.",
        _put("zeros instead of the token"),
    ),
    "order reversed": (
        "Your latents are at the visible places, but the last one comes first.",
        _put("order reversed"),
    ),
    "images mixed": (
        "Your latents are at visible places, but of the wrong images: they are filled in image by image, so B must "
        "stand before V.",
        _put("images mixed"),
    ),
    "latents forgotten": (
        "You return mask tokens only: nothing is left of what the encoder found.",
        lambda latents, mask, mask_token: mask_token.expand(*mask.shape, -1),
    ),
    "written into the token itself": (
        "All your places hold the latent that was written last. An expanded tensor is one token seen many times: "
        "whoever writes into one place writes into all. Each place needs memory of its own.",
        lambda latents, mask, mask_token: latents[-1, -1].expand(*mask.shape, -1),
    ),
    "token added to all": (
        "Everything is in place, but the latents have the mask token added to them. It stands for hidden patches only.",
        _put("token added to all"),
    ),
}


def _filled_by_rows(latents: Tensor, mask: Tensor, mask_token: Tensor) -> Tensor:
    """Image by image, each patch takes what comes next: of the latents if it is visible."""
    images = []
    for found, row in zip(latents, mask.tolist(), strict=True):
        following = iter(found)
        images.append(torch.stack([mask_token if hidden else next(following) for hidden in row]))
    return torch.stack(images)


def _latents(b: int, n: int, visible: int, d: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    latents, mask_token = normal(seed, (b, visible, d), (d,))
    return latents, _mask(b, n, visible, seed), mask_token


check_fill = Exercise(
    name="fill in",
    reference=_filled_by_rows,
    # in the second half of the patches are hidden
    probes=[_latents(2, 11, 3, 5, 1), _latents(3, 10, 5, 7, 2), _latents(5, 13, 4, 3, 3)],
    prepare=in_float64,
    mistakes=[Mistake(name, says, imitate) for name, (says, imitate) in _FILL.items()],
    hint_texts=[
        "Begin with an image full of mask tokens, (B, N, D). Then overwrite the visible places with the latents: a "
        "mask in brackets can also be assigned to.",
        "full = mask_token.expand(B, N, D).clone(), for an expanded tensor cannot be written; then full[~mask] = "
        "latents.reshape(-1, D).",
    ],
    right="What is visible came back to where it was; every other place holds the one token that says: hidden.",
)

# ---- the loss ----


def _loss_by_patches(predicted: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """One list of all hidden pixels, given to torch."""
    hidden = [(b, n) for b, row in enumerate(mask.tolist()) for n, is_hidden in enumerate(row) if is_hidden]
    return F.mse_loss(torch.cat([predicted[at] for at in hidden]), torch.cat([target[at] for at in hidden]))


_LOSS: dict[str, tuple[str, Callable[[Tensor, Tensor, Tensor], Any]]] = {
    "loss on the visible": (
        "You judge the visible patches, which the network was shown. Here True = hidden.",
        lambda p, t, mask: (p - t)[~mask].square().mean(),
    ),
    "loss on all": (
        "You judge all patches, and most of what is easy among them. Only the hidden ones are to count.",
        lambda p, t, mask: F.mse_loss(p, t),
    ),
    "divided by all patches": (
        "Only hidden patches count in your sum, but you divide by the number of all. The loss would fall when fewer "
        "are hidden.",
        lambda p, t, mask: ((p - t).square() * mask[..., None]).mean(),
    ),
    "only the prediction masked": (
        "You set the prediction to 0 where a patch is visible, but not the target: there you judge the image itself, "
        "and divide by the number of all patches.",
        lambda p, t, mask: F.mse_loss(p * mask[..., None], t),
    ),
    "a sum": (
        "You return the sum over the hidden pixels. It grows with the batch and with the size of a patch.",
        lambda p, t, mask: (p - t)[mask].square().sum(),
    ),
    "a sum over the patches": (
        "You take the mean within each patch, then the sum over the hidden patches. It should be a mean both times.",
        lambda p, t, mask: (p - t)[mask].square().mean(-1).sum(),
    ),
    "a sum over the pixels": (
        "You divide by the number of hidden patches, but within a patch you sum. The loss is per pixel.",
        lambda p, t, mask: (p - t)[mask].square().sum(-1).mean(),
    ),
    "divided by the batch": (
        "You divide by the number of images. How many numbers were compared?",
        lambda p, t, mask: (p - t)[mask].square().sum() / len(p),
    ),
    "mean of image means": (
        "You average within each image first. Where images have unequal numbers of hidden patches, these do not count "
        "the same then.",
        lambda p, t, mask: torch.stack([(a - b)[m].square().mean() for a, b, m in zip(p, t, mask, strict=True)]).mean(),
    ),
    "not one number": (
        "You return one error for each hidden patch. The mean of them is still to be taken.",
        lambda p, t, mask: (p - t)[mask].square().mean(-1),
    ),
    "a root": (
        "You take the root at the end. The mean squared error is asked for, in squared units.",
        lambda p, t, mask: (p - t)[mask].square().mean().sqrt(),
    ),
    "absolute": (
        "You take absolute differences. They are to be squared.",
        lambda p, t, mask: (p - t)[mask].abs().mean(),
    ),
    "not squared": (
        "You average the differences themselves: too bright here and too dark there cancel each other.",
        lambda p, t, mask: (p - t)[mask].mean(),
    ),
    "not squared: the target minus the prediction": (
        "You average the differences themselves: too dark here and too bright there cancel each other.",
        lambda p, t, mask: (t - p)[mask].mean(),
    ),
    "squared after the mean": (
        "You square after the mean, when too bright here and too dark there have cancelled each other. Square first.",
        lambda p, t, mask: (p - t)[mask].mean().square(),
    ),
}


def _painted(b: int, n: int, pixels: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Predictions, targets, and a mask with unequal numbers of hidden patches, at least one in each image."""
    predicted, target = normal(seed, (b, n, pixels), (b, n, pixels))
    return predicted, target, torch.cat([_mask(1, n, 1 + k % (n - 1), seed + k) for k in range(b)])


check_masked_loss = Exercise(
    name="masked loss",
    reference=_loss_by_patches,
    probes=[_painted(2, 7, 5, 1), _painted(5, 3, 2, 2), _painted(3, 11, 7, 3)],
    mistakes=[Mistake(name, says, imitate) for name, (says, imitate) in _LOSS.items()],
    hint_texts=[
        "Which numbers are compared? Those of hidden patches, in all images together. Take these out first; the rest "
        "is the mean squared error that you know.",
        "predicted[mask] is (number of hidden patches, E), and target[mask] too. Their difference, squared, and "
        "the mean of all.",
    ],
    right="What the network says about visible patches costs nothing: whoever copies them has won nothing.",
)
