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
    return wrong[0] if wrong else "right"


check_faults = Exercise(name="three broken painters", read=_diagnosis)

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
)
