"""The exercises of notebook 05: patches made into tokens, a suspect with two faults, the side of a patch."""

import torch
import torch.nn.functional as F

from lecturelib.checks.exercise import Exercise, Sized, named_lines, normal, three_shares

Tensor = torch.Tensor

# ---- tokens ----


def _patches(b: int, n: int, e: int, d: int, seed: int) -> tuple[Tensor, ...]:
    if n < 2:
        raise ValueError(f"{n} patch: its position would be added to the class token as well, without an error")
    return normal(seed, (b, n, e), (e, d), (n, d), (d,))


def _in_front(tokens: Tensor, cls_token: Tensor) -> Tensor:
    return torch.cat([cls_token.expand(len(tokens), 1, -1), tokens], dim=1)


check_tokens = Exercise(
    name="tokens",
    reference=lambda patches, w, positions, cls_token: torch.stack(
        [torch.stack([cls_token, *(w.T.mv(x) + e for x, e in zip(image, positions, strict=True))]) for image in patches]
    ),
    # in the second a patch is as wide as a token, in the third there are as many images as patches
    probes=Sized(_patches, [(2, 7, 5, 3, 1), (3, 5, 7, 7, 2), (5, 5, 2, 3, 3)]),
    imitations={
        "class token last": lambda x, w, e, c: _in_front((x @ w + e).flip(1), c).flip(1),
        "class token missing": lambda x, w, e, c: x @ w + e,
        "class token added": lambda x, w, e, c: x @ w + e + c,
        "class token in place of a patch": lambda x, w, e, c: _in_front((x @ w + e)[:, 1:], c),
        "position on the class token": (
            lambda x, w, e, c: _in_front(x @ w, c) + F.pad(e, (0, 0, 0, 1)),
            lambda x, w, e, c: _in_front(x @ w + e, c + e[0]),
            lambda x, w, e, c: _in_front(x @ w + e, c + e[-1]),
        ),
        "positions missing": lambda x, w, e, c: _in_front(x @ w, c),
        "positions along the batch": (
            lambda x, w, e, c: _in_front(x @ w + e[: len(x), None], c),
            lambda x, w, e, c: _in_front(x @ w + e[:, None], c),
        ),
        "positions before the projection": lambda x, w, e, c: _in_front((x + e) @ w, c),
        "projection transposed": lambda x, w, e, c: _in_front(x @ w.T + e, c),
    },
)

# ---- a suspect ----

check_suspect = Exercise(name="the suspect", read=lambda answer: named_lines(answer, "ABCDEFG", bad="DE", example="AB"))

# ---- the side of a patch ----


def _sides(shares: list[float]) -> str:
    """What three shares of right answers, for patches of side 8, 4 and 2, say in words."""
    if max(shares) < 0.3:
        return "nothing learned"
    if shares[0] == shares[1] or shares[1] == shares[2]:
        return "the same twice"
    one, four, sixteen = shares
    if one > sixteen + 0.05:
        return "right" if four > sixteen else "four are the worst"
    return "sixteen are better" if sixteen > one + 0.05 else "all alike"


check_sides = Exercise(
    name="the side of a patch",
    read=lambda answer: three_shares(answer, "for patches of side 8, 4 and 2", _sides),
)
