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
    says="""
        class token last: Your class token stands after the patches. It should come first: its place is always 0.
        class token missing: Your patches are right. The class token is missing: one token more for each image.
        class token added: You add the class token to every patch. It is a token of its own: there are 1 + N.
        class token in place of a patch: Your class token has replaced the first patch. 1 + N tokens are needed.
        position on the class token: Your class token has a position. It needs none, as it stands nowhere in the image:
            positions belong to the patches, the first one to the first.
        positions missing: Your tokens have no positions: the patches might stand in any order.
        positions along the batch: All patches of an image get the same position. Which dimension numbers the patches?
        positions before the projection: You add the positions to the pixels, before the projection. It runs only where
            a patch has as many numbers as a token. Positions have the width D: where does that begin?
        projection transposed: You multiply with the transposed matrix, as nn.Linear keeps it. Here w is (E, D).
        right: Each image is a sentence of 1 + N tokens now: the rest is the encoder that you know.
        hint 1: Three steps, and the order matters: project the patches, (B, N, D); add the positions of the N patches;
            put the class token in front, (B, 1 + N, D). Write the shape beside each line.
        hint 2: front = cls_token.expand(len(patches), 1, -1) is the same token for each image;
            torch.cat([front, x], dim=1) puts it before x = patches @ w + positions.
    """,
)

# ---- a suspect ----

check_suspect = Exercise(
    name="the suspect",
    reference=lambda: "D and E",
    read=lambda answer: named_lines(answer, "ABCDEFG", bad="DE", example="AB"),
    says="""
        line A: You named line A. It names rows and columns of patches and moves no pixel: compare it with section 1.
        line B: You named line B. Which three dimensions number the pixels of a patch, and do they stand at the end?
        line C: You named line C. The patch embedding works on the last dimension, C P P: is it the last one here?
        line F: You named line F. One norm after the last block is right; `y` is what that block gave.
        line G: You named line G. The mean goes over dimension 1: what does it number in (B, N, D)?
        D alone: One of the two is found. Now the blocks: which of them can change the logits? What did the second
            printed line say about their gradients?
        E alone: One of the two is found. The first printed line says that the order of the patches does not matter:
            which line should tell where a patch stood?
        none: Both printed lines speak of a fault. Read what each line of `forward` makes, with its shape.
        right: Line D gives every patch the first row of the table, so the network reads a bag of patches. In line E
            every block reads x, the input of the first, so only the last block counts. Neither raises an error.
        hint 1: Take the two printed lines one by one. In which line do positions enter? What does each block read?
        hint 2: self.pos_embed[:1] has the shape (1, D), and x the shape (B, N, D). And what would have to be written
            so that the second block reads what the first one gave?
    """,
)

# ---- the side of a patch ----


def _sides(shares: list[float]) -> str:
    """What three shares of right answers, for patches of side 8, 4 and 2, say in words."""
    if max(shares) < 0.3:
        return "nothing learned"
    if shares[0] == shares[1] or shares[1] == shares[2]:
        return "the same twice"
    one, four, sixteen = shares
    if one > sixteen + 0.05:
        return "one token is better than sixteen" if four > sixteen else "four are the worst"
    return "sixteen are better" if sixteen > one + 0.05 else "all alike"


check_sides = Exercise(
    name="the side of a patch",
    reference=lambda: "one token is better than sixteen",
    read=lambda answer: three_shares(answer, "for patches of side 8, 4 and 2", _sides),
    says="""
        sixteen are better: In your list 16 small patches beat the whole image. Is the first number that of side 8?
        four are the worst: In your list side 4 has the lowest share. Did the cell run after each change?
        all alike: Your three shares are alike. That is what concatenation would give: is the readout still "mean"?
        the same twice: Two of your shares are equal. Did the cell run again after you changed the side?
        nothing learned: All three are near chance, 0.1. Were the networks trained, by `learn`, on `few`?
        percent: Write shares, such as 0.73, and not percent.
        right: With the mean and 50 labels, one large patch beats sixteen small ones. With a single token there is
            nothing to average, and the embedding reads every pixel by its place: either may be why. A single token has
            no use for attention.
        hint 1: Run the cell three times, with patch_size = 8, 4 and 2. Each time it prints one share.
        hint 2: shares = [..., ..., ...] in this order: side 8, side 4, side 2.
    """,
)
