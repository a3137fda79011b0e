"""Models with a bug: one switch for each; those of the language model stood in code that others learned from.

    BUGS              name -> Bug: the right line, the wrong line, where it was seen, and the code that makes it
    break_it          put one of them into a `LanguageModel`
    blind_patient     a small model with one of them, which does not say which
    maps_follow_the_formula   one of the tests that find them: are the weights those of the formula?
    broken_painters   three masked autoencoders that paint wrongly, each for another reason

None of them stops the program, and none warns.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from lecturelib.attention import AttentionMap, MultiHeadAttention, attention_weights, causal_mask, record_attention
from lecturelib.baselines import NearestNeighbours
from lecturelib.edges import check_whole
from lecturelib.mae import MaskedAutoencoder, random_mask, reconstruction_loss
from lecturelib.training import Batch, fit
from lecturelib.transformer import Embedding, LanguageModel
from lecturelib.vision import VisionTransformer, patchify, unpatchify


class Bug(NamedTuple):
    """A bug: the line as it should be, the line as it was, where it was seen; which layers run as which others."""

    right: str
    wrong: str
    seen: str
    layer: type[nn.Module]
    broken: type[nn.Module]


def break_it(model: LanguageModel, bug: str) -> LanguageModel:
    """Put a bug into a language model, in place, and return it; "none" leaves it as it is.

    Weights and the printed model stay as they are: what was trained can be broken, and what is broken trained.
    Raises: ValueError for a bug that does not exist.
    Taught: notebook 04, section 7.

    >>> model = LanguageModel(5, d_model=4, num_heads=2, num_layers=1, max_len=3)
    >>> break_it(model, "no mask").blocks[0].attention.map
    AttentionMap()
    """
    if bug not in BUGS and bug != "none":
        raise ValueError(f"bug {bug!r} is unknown: expected one of none, {', '.join(BUGS)}")
    if bug != "none":
        of, kind = BUGS[bug].layer, BUGS[bug].broken
        kind.__name__ = of.__name__  # a printed model does not tell
        for each in model.modules():
            if type(each) is of:
                each.__class__ = kind  # the same weights, another forward
    return model


def blind_patient(number: int, vocab_size: int) -> LanguageModel:
    """Return a small language model with one of the bugs: which one, and its weights, follow from the number.

    Raises: ValueError for a number below 0.
    """
    check_whole(0, number=number)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(number)
        model = LanguageModel(vocab_size, d_model=32, num_heads=2, num_layers=1, max_len=64)
    return break_it(model, list(BUGS)[number % len(BUGS)]).requires_grad_(False)


def maps_follow_the_formula(model: LanguageModel) -> bool:
    """Whether the attention weights of every block are those of the formula, under a causal mask.

    Taught: notebook 04, section 7.

    >>> maps_follow_the_formula(LanguageModel(5, d_model=8, num_heads=2, num_layers=1, max_len=6))
    True
    """
    follows, layers = [], [layer for layer in model.modules() if isinstance(layer, MultiHeadAttention)]
    for layer in layers:
        x = torch.sin(torch.arange(6.0 * layer.q_proj.in_features)).view(1, 6, -1)  # (1, T, D), six tokens
        q, k = layer.split(layer.q_proj(x)), layer.split(layer.k_proj(x))  # (1, H, T, K)
        scores = q @ k.mT / math.sqrt(q.shape[-1])  # k.mT: the last two dimensions exchanged
        with record_attention(layer) as seen:
            layer(x, is_causal=True)  # it makes the causal mask itself
        expected = attention_weights(scores, causal_mask(6))
        follows.append(torch.allclose(seen["attention"].weights, expected, atol=1e-5))
    return all(follows)


class _NoMask(AttentionMap):
    def forward(self, scores: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        return scores.softmax(dim=-1)


class _SoftMask(AttentionMap):
    def forward(self, scores: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        return (scores if mask is None else scores.masked_fill(~mask, -1e-12)).softmax(dim=-1)


class _ScaledByWidth(AttentionMap):
    def forward(self, scores: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        return AttentionMap.forward(self, scores / math.sqrt(scores.shape[1]), mask)  # sqrt(D) = sqrt(H) sqrt(d_k)


class _NotMovedBack(MultiHeadAttention):
    def merge(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(x.shape[0], x.shape[2], -1)  # (B, H, T, K) to (B, T, D), without a transpose


class _OverTime(nn.LayerNorm):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        centered = x - x.mean(dim=1, keepdim=True)  # over (B, T, D): all times together
        return centered / (centered.square().mean(dim=1, keepdim=True) + self.eps).sqrt() * self.weight + self.bias


class _NeverAdded(Embedding):
    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.tokens(tokens)
        x.add(self.table[: tokens.shape[1]])  # the sum is not kept: that is the bug
        return x


# The letters: scores (B, H, T, T), x (B, T, D), merged from (B, H, T, K). Where a bug was seen: repository and issue
# or pull request on GitHub, with the year.
BUGS: dict[str, Bug] = {
    "no mask": Bug(
        "weights = scores.masked_fill(~mask, -math.inf).softmax(dim=-1)",
        "weights = scores.softmax(dim=-1)",
        "pytorch/tutorials, pull request 2423, fixed by 2662, 2023",
        AttentionMap,
        _NoMask,
    ),
    "soft mask": Bug(
        "weights = scores.masked_fill(~mask, -math.inf).softmax(dim=-1)",
        "weights = scores.masked_fill(~mask, -1e-12).softmax(dim=-1)",
        "hyunwoongko/transformer, issue 10, 2022",
        AttentionMap,
        _SoftMask,
    ),
    "heads not moved back": Bug(
        "x = heads.transpose(1, 2).reshape(B, T, D)",
        "x = heads.reshape(B, T, D)",
        "ajhalthor/Transformer-Neural-Network, issue 1, 2023",
        MultiHeadAttention,
        _NotMovedBack,
    ),
    "norm over time": Bug(
        "mean, variance = x.mean(dim=2, keepdim=True), x.var(dim=2, keepdim=True, correction=0)",
        "mean, variance = x.mean(dim=1, keepdim=True), x.var(dim=1, keepdim=True, correction=0)",
        "jadore801120/attention-is-all-you-need-pytorch, pull request 17, 2017",
        nn.LayerNorm,
        _OverTime,
    ),
    "positions never added": Bug(
        "x = x + table[:T]",
        "x.add(table[:T])",
        "Lightning-AI/pytorch-lightning, pull request 20099, 2024",
        Embedding,
        _NeverAdded,
    ),
    "wrong scale": Bug(
        "scores = q @ k.mT / math.sqrt(d_k)",
        "scores = q @ k.mT / math.sqrt(d_model)",
        "karpathy/ng-video-lecture, pull request 6, 2023",
        AttentionMap,
        _ScaledByWidth,
    ),
}


Painter = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def broken_painters(model: MaskedAutoencoder, images: torch.Tensor, steps: int = 120) -> dict[str, Painter]:
    """Return painters of digits that are broken, by the name of their fault; each paints whole images, raw.

    "leak" looks for neighbors on all pixels, the hidden ones too; "wrong cut" puts the patches of `model` back with a
    reshape alone; "loss on the visible" is a small network that is trained here, on `images` (n, 1, 8, 8), with that
    loss.
    """
    height, width = images.shape[2:]
    size = model.encoder.patch_size
    near = NearestNeighbours(images, k=3)

    def leak(images: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return near.fill(images, torch.zeros_like(images[:, :1], dtype=torch.bool))  # as if nothing were hidden

    def wrong_cut(images: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return patchify(model.paint(images, mask), size).reshape(images.shape)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        other = MaskedAutoencoder(VisionTransformer((1, height, width), size, 32, 4, 1), 32, 4, 1)
    masks = random_mask(len(images), height // size, width // size, generator=torch.Generator().manual_seed(0))

    def visible_loss(model: nn.Module, batch: Batch) -> torch.Tensor:
        return reconstruction_loss(model(*batch), patchify(batch[0], size), ~batch[1])

    fit(other, visible_loss, (images, masks), steps=steps, batch_size=64, lr=3e-3)

    @torch.no_grad()
    def on_the_visible(images: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return unpatchify(other(images, mask).clamp(0, 1), size, height, width)

    return {"leak": leak, "wrong cut": wrong_cut, "loss on the visible": on_the_visible}
