"""What did a vision transformer look at? What its attention maps say, and what happens without a patch."""

from collections.abc import Iterable

import torch
from torch import nn

from lecturelib.vision import VisionTransformer, check_images, patchify, unpatchify


def attention_rollout(maps: Iterable[torch.Tensor]) -> torch.Tensor:
    """Follow attention through the layers: how much of each first token each last token may hold, by the maps alone.

    Equation: A_l = (mean over heads + I) / 2, rollout = A_L ... A_2 A_1 (Abnar and Zuidema 2020, section 3; the I
        stands for the residual connection). It knows nothing of values, norms and feed-forward networks.
    Shapes: each map (B, H, T, T), the first layer first; returns (B, T, T). Its rows sum to 1.
    Raises: ValueError for no maps, and rows that do not sum to 1.
    Taught: notebook 05, section 6.

    >>> attention_rollout([torch.full((1, 2, 2, 2), 0.5)])
    tensor([[[0.7500, 0.2500],
             [0.2500, 0.7500]]])
    """
    listed = list(maps)
    if not listed or not all(torch.allclose(each.sum(dim=-1), torch.ones_like(each[..., 0])) for each in listed):
        raise ValueError(
            f"maps of shapes {[tuple(each.shape) for each in listed]}: expected one or more (B, H, T, T) whose rows "
            "sum to 1; pass each.weights for each in maps.values()"
        )
    eye = torch.eye(listed[0].shape[-1], dtype=listed[0].dtype, device=listed[0].device)
    flow = eye.expand(len(listed[0]), -1, -1)
    for weights in listed:
        flow = (weights.mean(dim=1) + eye) / 2 @ flow  # (B, T, T)
    return flow


@torch.no_grad()
def occlusion(model: nn.Module, images: torch.Tensor, patch_size: int) -> torch.Tensor:
    """Cover each patch in turn, and measure how much less probable the class is that the network had named.

    Shapes: images (B, C, height, width); returns (B, N), the probability with the image whole minus that with patch n
        filled with 0. Works with any network that gives logits (B, num_classes).
    Raises: ValueError for images that `patch_size` does not divide, and a model in training mode.
    Taught: notebook 05, section 6.
    """
    check_images(images)
    _check_mode(model)
    patches = patchify(images, patch_size)  # (B, N, C P P)
    whole = model(images).softmax(dim=-1)  # (B, classes)
    named = whole.argmax(dim=-1, keepdim=True)  # (B, 1)
    drops = []
    for n in range(patches.shape[1]):
        covered = patches.clone()
        covered[:, n] = 0.0
        left = model(unpatchify(covered, patch_size, *images.shape[2:])).softmax(dim=-1)
        drops.append((whole - left).gather(1, named))  # (B, 1)
    return torch.cat(drops, dim=1)


@torch.no_grad()
def logits_without(
    model: VisionTransformer, images: torch.Tensor, away: torch.Tensor, leave_out: bool = False
) -> torch.Tensor:
    """Return the logits with patches taken away: painted with 0, or with `leave_out` their tokens missing.

    Shapes: images (B, C, height, width), away (B, N) bool, True = taken away; returns (B, num_classes).
    Raises: ValueError for another `away`, a model in training mode, and with `leave_out` for images that lose unequal
        numbers of tokens, and a readout that needs them all.
    Taught: notebook 05, section 6.
    """
    if away.dtype != torch.bool or away.shape != (len(images), model.rows * model.columns):
        raise ValueError(
            f"away is {tuple(away.shape)} of {away.dtype}: expected "
            f"({len(images)}, {model.rows * model.columns}) of bool"
        )
    _check_mode(model)
    if not leave_out:
        left = patchify(images, model.patch_size).masked_fill(away[..., None], 0.0)
        return model(unpatchify(left, model.patch_size, *images.shape[2:]))
    if model.pool == "concat" or len(set(away.sum(dim=1).tolist())) > 1:
        raise ValueError(
            f"pool={model.pool!r}, {away.sum(dim=1).tolist()} patches left out: expected equally many of each image, "
            "to make one batch, and 'mean' or 'class', for 'concat' reads all tokens side by side"
        )
    tokens = model.embed(images)[~away].unflatten(0, (len(images), -1))  # (B, N - n, D)
    return model.head(model.pool_tokens(model.encode(tokens)))


def _check_mode(model: nn.Module) -> None:
    if any(each.training for each in model.modules()):
        raise ValueError("the model is in training mode, where dropout and batch norm differ: call model.eval() first")
