"""The exercises of notebook 06: the forward pass of a masked autoencoder, three broken ones, and an honest painter."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import torch

from lecturelib.checks.exercise import Exercise, Named, Sized, normal
from lecturelib.checks.transformer import case_number

Tensor = torch.Tensor

# ---- the forward pass ----


def _way(b: int, n: int, visible: int, d: int, seed: int) -> tuple[Any, ...]:
    """Tokens, an order of the patches for each image, and layers in which every token reaches every other."""
    if visible >= n:
        raise ValueError(f"{visible} of {n} patches: expected some to be hidden")
    tokens, mask_token, positions, w, v, drawn = normal(seed, (b, n, d), (d,), (n, d), (d, d), (d, d), (b, n))
    encode = Named("a layer, the encoder", lambda x: torch.tanh(x @ w) + x.mean(dim=1, keepdim=True))
    decode = Named("a layer, the decoder", lambda x: torch.tanh(x @ v) + x.mean(dim=1, keepdim=True))
    return tokens, drawn.argsort(dim=1), visible, encode, mask_token, positions, decode


def _pick(tokens: Tensor, order: Tensor) -> Tensor:
    """Take the tokens (B, n, D) that stand at the places `order` (B, m)."""
    return torch.take_along_dim(tokens, order[..., None], dim=1)


def _back(x: Tensor, order: Tensor) -> Tensor:
    """Put token k of each row where the order says: the inverse of `_pick`."""
    return _pick(x, order.argsort(dim=1))


def _forward(
    tokens: Tensor, order: Tensor, visible: int, encode: Any, mask_token: Tensor, positions: Tensor, decode: Any
) -> Tensor:
    """The forward pass of a masked autoencoder."""
    kept = _pick(tokens, order[:, :visible])
    latents = encode(kept)
    hidden = mask_token.expand(len(tokens), tokens.shape[1] - visible, -1)
    x = torch.cat([latents, hidden], dim=1)
    x = _back(x, order)
    return decode(x + positions)


check_forward = Exercise(
    name="the forward pass",
    reference=_forward,
    probes=Sized(_way, [(2, 7, 3, 5, 1), (3, 5, 2, 3, 2), (5, 11, 4, 2, 3)]),
    solution=_forward,
    imitations={
        "not put back": "_back(x, order) => x",
        "put back by the order itself": "_back => _pick",
        "the order the other way round": "kept = => order = order.argsort(dim=1)\n    kept =",
        "positions shuffled instead": "_back(x, order) => x; + positions => + positions[order]",
        "the first patches": "order[:, :visible] => torch.arange(visible).expand(len(order), -1)",
        "the hidden ones": "order[:, :visible] => order[:, -visible:]",
        "one order for the batch": "kept = => order = order[:1].expand(len(order), -1)\n    kept =",
        "the encoder sees everything": "encode(kept) => _pick(encode(tokens), order[:, :visible])",
        "mask tokens in the encoder": "encode(kept) => kept; _back(x, => _back(encode(x),",
        "not encoded": "encode(kept) => kept",
        "no positions": "x + positions => x",
        "positions too early": "_back(x, => _back(x + positions,; decode(x + positions) => decode(x)",
        "zeros for mask tokens": "mask_token.expand => torch.zeros_like(mask_token).expand",
        "mask tokens in front": "[latents, hidden] => [hidden, latents]",
    },
    says="""
        not put back: Your decoder gets the visible patches first and the mask tokens after them. Token n should stand
            at place n of the image: what undoes the shuffle?
        put back by the order itself: You shuffle once more instead of undoing the shuffle. `order` says which patch
            came to place k. You need the opposite: to which place did patch n go?
        the order the other way round: You read `order` the other way round, as the place of each patch. Here
            order[b, 0] is the number of the patch that comes first.
        positions shuffled instead: Your decoder gets the right positions, but its tokens, and so its predictions, still
            stand in the shuffled order. Row n should be patch n.
        the first patches: You keep the first patches of the image, whatever the order says. Which numbers stand in
            the first `num_visible` places of `order`?
        the hidden ones: Your encoder gets patches from the end of the order. Those are hidden.
        one order for the batch: You use the order of the first image for all. Each image has a row of its own.
        the encoder sees everything: Your encoder reads all tokens, and the hidden ones are dropped after it. By then
            attention has carried them into the visible ones: that is a leak.
        mask tokens in the encoder: Your encoder gets the mask tokens too. When do they come in, in a masked
            autoencoder?
        not encoded: Your visible tokens never go through the encoder.
        no positions: Your decoder cannot tell one mask token from another. What has to be added to them?
        positions too early: You add positions before each token is back at its place, so they belong to other patches.
        zeros for mask tokens: Your hidden places hold 0, or nothing. What was learned for them?
        mask tokens in front: Your mask tokens stand in front of the latents. In `order` the visible patches come first.
        right: What is hidden never meets the encoder, and each token gets the position of its own place.
        hint 1: Write down the shape after each of the five steps: keep, encode, fill up, put back, decode. The way
            back is a permutation too: which one undoes `order`?
        hint 2: tokens.gather(1, order[:, :num_visible, None].expand(-1, -1, D)) keeps; torch.cat([latents, ...], dim=1)
            fills up; a second gather with order.argsort(dim=1) in place of order puts back.
    """,
)

# ---- three broken ones ----

FAULTS = ("leak", "wrong cut", "loss on the visible")


def faults_of(student: str) -> tuple[str, ...]:
    """Return the faults of a student's painters A, B and C: the same for the same name.

    >>> sorted(faults_of("Ada Lovelace")) == sorted(FAULTS)
    True
    """
    return list(permutations(FAULTS))[case_number(student) % 6]


def _diagnosis(answer: Any) -> str:
    """The first fault that was taken for another, in a diagnosis [student, faults]."""
    student, said = answer if isinstance(answer, tuple | list) and len(answer) == 2 else (None, answer)
    if not isinstance(student, str) or not isinstance(said, tuple | list) or len(said) != 3:
        return f"no pair of your name and three faults, but {answer!r}"
    if unknown := [each for each in said if each not in FAULTS]:
        raise ValueError(f"the fault {unknown[0]!r} is not in the list: expected {', '.join(FAULTS)}, in some order")
    wrong = [f"{has} taken for {each}" for has, each in zip(faults_of(student), said, strict=True) if has != each]
    return wrong[0] if wrong else "these faults"


check_faults = Exercise(
    name="three broken painters",
    reference=lambda: "these faults",
    read=_diagnosis,
    says="""
        leak taken for wrong cut: One picture that you blame on the cut has every stroke at its place. Would a wrong cut
            keep a stroke together?
        leak taken for loss on the visible: One picture that you blame on the loss is good where patches are hidden.
            What would a network paint there that was never asked about them?
        wrong cut taken for leak: One picture that you call a leak is wrong even at visible patches, and its error is
            high. Does a leak make an error larger?
        wrong cut taken for loss on the visible: One picture that you blame on the loss is wrong at visible patches
            too. Those are what that loss teaches.
        loss on the visible taken for leak: One picture that you call a leak has a high error on hidden patches. What
            does a leak do to that number?
        loss on the visible taken for wrong cut: One picture that you blame on the cut is right at visible patches. Can
            a wrong cut spare them?
        right: A leak is too good where it should not know; a wrong cut is wrong everywhere, also where it copies; a
            loss on the visible is right where there is nothing to paint. The two errors tell them apart.
        hint 1: Two numbers are printed for each painter: its error on hidden patches and on visible ones. Which fault
            makes which of them small?
        hint 2: Compare the error on hidden patches with that of the MAE, printed first. One of the three is below
            it. Of the other two, one is right where patches are visible.
    """,
)

# ---- an honest painter ----


def _blobs(n: int, seed: int) -> Tensor:
    """Images (n, 1, 8, 8), from 0 to 1: soft spots at random places."""
    generator = torch.Generator().manual_seed(seed)
    place = torch.rand(n, 2, 1, 1, generator=generator) * 7
    side = torch.arange(8.0)
    away = (side[:, None] - place[:, 0]).square() + (side - place[:, 1]).square()
    return (-away / 5).exp()[:, None]


def _hidden(mask: Tensor) -> Tensor:
    """The pixels of hidden patches of 2 x 2: (B, 16) to (B, 1, 8, 8)."""
    return mask.view(-1, 1, 4, 4).repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def _honest(painter: Callable[..., Any], *_: Any) -> Any:
    """Name the mistake of a painter; nothing that it paints is scored."""
    train, images = _blobs(1297, 1), _blobs(5, 2)  # as many as in the notebook: no k that works there fails here
    order = torch.rand(5, 16, generator=torch.Generator().manual_seed(3)).argsort(dim=1)
    mask = order < 12
    kept = train.clone(), images.clone(), mask.clone()
    painted = painter(train, images, mask)
    if painted is None or painted is ...:
        return painted
    if not isinstance(painted, Tensor) or painted.shape != images.shape or not painted.isfinite().all():
        shape = f"of shape {tuple(painted.shape)}" if isinstance(painted, Tensor) else ""
        return f"not finite images of shape (5, 1, 8, 8), but a {type(painted).__name__} {shape}"
    if not all(map(torch.equal, (train, images, mask), kept)):
        return "written into the images"
    painted, hidden = painted.clone(), _hidden(mask)
    if not torch.equal(painter(train, images, mask), painted):
        return "drawn anew each time"
    other = torch.where(hidden, 1 - images, images)
    if not torch.allclose(painter(train, other, mask)[hidden], painted[hidden]):
        return "looks at hidden pixels"
    if not torch.allclose(painter(train, images[2:3], mask[2:3]), painted[2:3], atol=1e-5):
        return "looks at the batch"
    if not torch.allclose(painted[~hidden], images[~hidden]):
        return "visible pixels changed"
    other = torch.where(hidden, images, 0.5 * images.flip(3))
    if torch.allclose(painter(train, other, mask)[hidden], painted[hidden]):
        return "visible pixels ignored"
    if torch.allclose(painter(train.flip(3).mul(0.5), images, mask)[hidden], painted[hidden]):
        return "training digits ignored"
    return "an honest painting"


check_painter = Exercise(
    name="an honest painter",
    reference=lambda train, images, mask: "an honest painting",
    probes=[("training digits", "digits", "which patches are hidden")],
    view=_honest,
    says="""
        looks at hidden pixels: Your painting changes when hidden pixels change. A leak: which line sees the images
            before the mask is applied?
        looks at the batch: Your painting of an image changes when it comes alone. Which mean runs over the batch?
        visible pixels changed: Your visible pixels come out changed. Only hidden ones are to be painted.
        visible pixels ignored: Your painting is the same whatever is visible: the mean image can do that.
        training digits ignored: Your painting is the same whatever is in `train`. Did a checkpoint paint it? Use
            `train`, and nothing that was trained before.
        drawn anew each time: Your painter paints differently the second time. A score that changes by itself compares
            badly.
        written into the images: Your painter writes into the images it was given. The next painter would see them
            painted.
        right: It looks at visible pixels and training digits alone. The board below says how good it is.
        hint 1: Must the linear painter be fitted to all digits, or only to those that resemble this one? Then average
            it with a painter of about the same error that errs differently.
        hint 2: NearestNeighbours(train, k=50).neighbours(images, hidden pixels) names the 50 nearest of each image; a
            GaussianFill of these 50, averaged with 12 neighbors, beats the 8 neighbors.
    """,
)
