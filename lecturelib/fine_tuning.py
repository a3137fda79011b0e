"""Fine-tuning: train networks on from the weights that they have, several at once.

fine_tune   whole networks, the last layers, or deeper layers in smaller steps; with rehearsal of an earlier task
Stack       networks of one build whose weights lie side by side
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, vmap

from lecturelib.transfer import Examples, build_of, check_examples, check_seeds
from lecturelib.vision import VisionTransformer, patchify


class Stack:
    """Networks of one build as one: their weights stacked, so that each operation runs once for all of them.

    For small networks and batches most of the time goes into starting operations; S networks in a stack cost less
    than S networks in a row (`torch.func.vmap`).
    Raises: ValueError for no networks, and networks of different builds.
    Tool: from notebook 07 on.

    >>> build = dict(patch_size=2, d_model=8, num_heads=2, num_layers=1, num_classes=3)
    >>> Stack([VisionTransformer((1, 4, 4), **build) for _ in range(2)])(torch.zeros(5, 1, 4, 4)).shape
    torch.Size([2, 5, 3])
    """

    def __init__(self, models: Sequence[VisionTransformer]) -> None:
        models = list(models)
        if not models or not all(isinstance(each, VisionTransformer) for each in models):
            kinds = [type(each).__name__ for each in models]
            raise ValueError(f"networks {kinds}: expected one VisionTransformer or more, in a list")
        weights = [{k: (tuple(v.shape), v.dtype) for k, v in each.state_dict().items()} for each in models]
        builds = [build_of(each) for each in models]
        for build, own in zip(builds, weights, strict=True):
            if build != builds[0] or own != weights[0]:
                raise ValueError(
                    f"{len(models)} networks, the first has {builds[0]}, another {build}: expected networks of one "
                    "build, of the same names, shapes and types of weights"
                )
        self.models = models
        self._base = _Unchecked(copy.deepcopy(models[0]))
        named = [dict(_Unchecked(each).named_parameters()) for each in models]
        fixed = [dict(_Unchecked(each).named_buffers()) for each in models]
        # (S, ...) each; what is frozen in the first network is frozen in all
        self.weights = {
            k: torch.stack([each[k].detach() for each in named]).requires_grad_(first.requires_grad)
            for k, first in named[0].items()
        }
        self._buffers = {k: torch.stack([each[k] for each in fixed]) for k in fixed[0]}

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Ask all networks: (S, B, C, height, width), or (B, C, height, width) for all, to (S, B, classes)."""

        def ask(weights: Any, buffers: Any, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = functional_call(self._base, (weights, buffers), (x,))
            return out

        own = 0 if images.ndim == 5 else None
        return vmap(ask, in_dims=(0, 0, own))(self.weights, self._buffers, images)

    @torch.no_grad()
    def accuracy(self, examples: Examples) -> torch.Tensor:
        """Return the share of the examples that each network names rightly: (S,).

        Raises: ValueError for examples that do not fit the networks.
        """
        _check_fits(self.models[0], examples)
        right = [
            self(x).argmax(dim=-1) == y for x, y in zip(examples[0].split(250), examples[1].split(250), strict=True)
        ]
        return torch.cat(right, dim=1).float().mean(dim=1)

    @torch.no_grad()
    def write_back(self) -> None:
        """Give the networks the weights that they have in the stack."""
        for s, model in enumerate(self.models):
            for name, parameter in _Unchecked(model).named_parameters():
                parameter.copy_(self.weights[name][s])


class _Unchecked(nn.Module):
    """A ViT without the look at its images' numbers, which `vmap` cannot do; whoever calls it has looked."""

    def __init__(self, model: VisionTransformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        model = self.model
        tokens = model.patch_embed(patchify(images, model.patch_size)) + model.pos_embed
        logits: torch.Tensor = model.head(model.pool_tokens(model.encode(tokens)))
        return logits


Watch = Callable[[int, Stack], Any]


def fine_tune(
    models: Sequence[VisionTransformer],
    sets: Sequence[Examples],
    *,
    steps: int = 400,
    batch_size: int = 20,
    lr: float = 3e-3,
    seeds: Sequence[int] | None = None,
    last: int | None = None,
    layer_decay: float = 1.0,
    rehearsal: Examples | None = None,
    watch: Watch | None = None,
    every: int = 10,
) -> None:
    """Train networks on, each on its own set, all in one stack.

    Each step draws `batch_size` examples of each network's set, with replacement, by the network's own seed, and
    follows the gradient with Adam; gradients longer than 1 are cut to length 1. The learning rate falls from `lr` to 0
    in a line. `last` trains only that many last blocks, with the final norm and the head (0: those two alone).
    `layer_decay` lowers the learning rate layer by layer: the head has lr, the last block lr * layer_decay, the one
    before lr * layer_decay^2, ..., patches and positions come last.
    `rehearsal` are examples of an earlier task: half of each batch is drawn there.
    `watch(step, stack)` is called before the first step, every `every` steps, and at the end.
    An exception (an interruption, say) leaves the networks as they were.

    Raises: ValueError for numbers out of range, a set that does not fit its network, unequal counts of networks, sets
        and seeds, one network twice, networks with nothing to train, and a loss that is not finite.
    Taught: notebook 07, section 1.
    """
    models, sets = list(models), list(sets)
    seeds = list(range(len(models)) if seeds is None else seeds)
    stack = Stack(models)
    _check_tuning(
        models, sets, seeds, rehearsal, steps=steps, batch_size=batch_size, lr=lr, layer_decay=layer_decay, every=every
    )
    groups = _step_sizes(stack, lr=lr, last=last, layer_decay=layer_decay)
    optimizer = torch.optim.Adam(groups, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    trained = [weight for group in groups for weight in group["params"]]
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    if watch:
        watch(0, stack)
    for step in range(1, steps + 1):
        drawn = [_draw(each, own, batch_size, rehearsal) for each, own in zip(sets, generators, strict=True)]
        images, labels = zip(*drawn, strict=True)
        logits = stack(torch.stack(images))  # (S, B, classes)
        losses = F.cross_entropy(logits.flatten(0, 1), torch.cat(labels), reduction="none").view(len(models), -1)
        loss = losses.mean(dim=1).sum()  # the gradients of two networks do not meet
        if not math.isfinite(loss.item()):
            raise ValueError(
                f"the loss became {loss.item()} at step {step}: expected a finite number; try less than lr={lr}"
            )
        optimizer.zero_grad()
        loss.backward()
        _cut_to_one(trained)
        optimizer.step()
        schedule.step()
        if watch and (step % every == 0 or step == steps):
            watch(step, stack)
    stack.write_back()


def _draw(examples: Examples, generator: torch.Generator, batch_size: int, rehearsal: Examples | None) -> Examples:
    """Draw a batch; half of it from the rehearsal, if there is one."""
    old = batch_size // 2 if rehearsal else 0
    pick = torch.randint(len(examples[1]), (batch_size - old,), generator=generator)
    drawn = (examples[0][pick], examples[1][pick])
    if rehearsal is None:
        return drawn
    pick = torch.randint(len(rehearsal[1]), (old,), generator=generator)
    return torch.cat([drawn[0], rehearsal[0][pick]]), torch.cat([drawn[1], rehearsal[1][pick]])


def _step_sizes(stack: Stack, *, lr: float, last: int | None, layer_decay: float) -> list[dict[str, Any]]:
    """Sort the weights into groups with their step sizes; what stays frozen is in none."""
    layers = len(stack.models[0].blocks)
    if last is not None and (isinstance(last, bool) or not isinstance(last, int) or not 0 <= last <= layers):
        raise ValueError(
            f"last={last!r}: expected a number of blocks from 0 to {layers}, or None for the whole network"
        )
    depths: dict[int, list[torch.Tensor]] = {}
    for name, weight in stack.weights.items():
        part = name.split(".")[1]
        below = layers - int(name.split(".")[2]) if part == "blocks" else 0 if part in ("out", "norm") else layers + 1
        frozen = last is not None and below > last
        weight.requires_grad_(weight.requires_grad and not frozen)
        if weight.requires_grad:
            depths.setdefault(below, []).append(weight)
    if not depths:
        raise ValueError("every weight is frozen: expected some to train; model.requires_grad_(True) frees them")
    return [{"params": weights, "lr": lr * layer_decay**below} for below, weights in sorted(depths.items())]


@torch.no_grad()
def _cut_to_one(weights: Sequence[torch.Tensor]) -> None:
    """Cut the gradient of each network in the stack to length 1, if it is longer."""
    gradients = [each.grad for each in weights if each.grad is not None]
    lengths = torch.stack([each.flatten(1).square().sum(dim=1) for each in gradients]).sum(dim=0).sqrt()  # (S,)
    factor = (1 / (lengths + 1e-6)).clamp(max=1)
    for each in gradients:
        each.mul_(factor.view(-1, *[1] * (each.ndim - 1)))


def _check_tuning(
    models: list[VisionTransformer],
    sets: list[Examples],
    seeds: list[int],
    rehearsal: Examples | None,
    **numbers: float,
) -> None:
    if not len(models) == len(sets) == len(seeds):
        raise ValueError(f"{len(models)} networks, {len(sets)} sets, {len(seeds)} seeds: expected one of each for each")
    if len({id(each) for each in models}) < len(models):
        raise ValueError(f"a network stands twice among {len(models)}: expected each once; copy.deepcopy makes another")
    check_seeds(seeds)
    for name, value in numbers.items():
        whole = name in ("steps", "batch_size", "every")
        if not 0 < value < math.inf or (whole and (isinstance(value, bool) or not isinstance(value, int))):
            raise ValueError(f"{name}={value!r}: expected a {'whole ' if whole else ''}number above 0")
    if numbers["layer_decay"] > 1:
        raise ValueError(
            f"layer_decay={numbers['decay']}: expected from above 0 to 1 (the same learning rate everywhere)"
        )
    if rehearsal is not None and numbers["batch_size"] < 2:
        raise ValueError(
            f"batch_size={numbers['batch']} with rehearsal: expected 2 or more, half of it for the rehearsal"
        )
    for examples in [*sets, *([rehearsal] if rehearsal is not None else [])]:
        _check_fits(models[0], examples)


def _check_fits(model: VisionTransformer, examples: Examples) -> None:
    """Refuse examples that a network cannot learn from."""
    num_classes = getattr(model.head, "out_features", None)
    if num_classes is None:
        raise ValueError("the networks have no head: expected VisionTransformer(..., num_classes=...)")
    check_examples(examples, num_classes)
    own = model.patch_embed.weight.dtype
    if examples[0].dtype.is_floating_point and examples[0].dtype != own:
        raise ValueError(f"images are {examples[0].dtype}, the network {own}: expected the same; images.to({own})")
    model.embed(examples[0][:1])  # refuses images of another size, and bytes
