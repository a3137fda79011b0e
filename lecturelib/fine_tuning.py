"""Fine-tuning: train networks on from the weights that they have, several at once.

fine_tune     whole networks or the last layers; with rehearsal of an earlier task
Classifiers   vision transformers of one build as one, and how often each is right
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from lecturelib import stacks
from lecturelib.edges import check_whole
from lecturelib.training import check_finite, flushed_denormals
from lecturelib.transfer import Examples, check_examples
from lecturelib.vision import VisionTransformer, check_shape


class Classifiers(stacks.Stack):
    """Vision transformers of one build as one: their weights lie side by side, each operation runs once for all.

    Raises: ValueError for no networks, and networks of different builds.

    >>> build = dict(patch_size=2, d_model=8, num_heads=2, num_layers=1, num_classes=3)
    >>> Classifiers([VisionTransformer((1, 4, 4), **build) for _ in range(2)])(torch.zeros(5, 1, 4, 4)).shape
    torch.Size([2, 5, 3])
    """

    def __init__(self, models: Sequence[VisionTransformer]) -> None:
        super().__init__(models)
        self.first = models[0]

    @torch.no_grad()
    def accuracy(self, examples: Examples) -> torch.Tensor:
        """Return the share of the examples that each network names rightly: (S,)."""
        _check_fits(self.first, examples)
        parts = zip(examples[0].split(250), examples[1].split(250), strict=True)
        right = [self(images).argmax(dim=-1) == labels for images, labels in parts]  # (S, 250) each
        return torch.cat(right, dim=1).float().mean(dim=1)


Watch = Callable[[int, Classifiers], Any]


def fine_tune(
    models: Sequence[VisionTransformer],
    sets: Sequence[Examples],
    *,
    steps: int = 400,
    batch_size: int = 20,
    lr: float = 3e-3,
    seeds: Sequence[int] | None = None,
    last: int | None = None,
    rehearsal: Examples | None = None,
    watch: Watch | None = None,
    every: int = 10,
) -> None:
    """Train networks on, each on its own set, all in one stack.

    Each step draws `batch_size` examples of each network's set, with replacement, by the network's own seed, and
    follows the gradient with Adam; gradients longer than 1 are cut to length 1. The learning rate falls from `lr` to 0
    in a line. `last` trains only that many last blocks, with the final norm and the head (0: those two alone).
    `rehearsal` are examples of an earlier task: half of each batch is drawn there. `watch(step, stack)` is called
    before the first step, every `every` steps, and at the end. An interruption leaves the networks as they were.

    Raises: ValueError for numbers out of range, a set that does not fit its network, unequal counts of networks, sets
        and seeds, networks with nothing to train, and a loss that is not finite.
    """
    check_whole(steps=steps, batch_size=batch_size, every=every)
    if not 0 < lr < math.inf:
        raise ValueError(f"lr={lr}: expected a finite number above 0")
    seeds = range(len(models)) if seeds is None else seeds
    if not len(set(models)) == len(models) == len(sets) == len(seeds):
        raise ValueError(
            f"{len(models)} networks, {len(sets)} sets, {len(seeds)} seeds: expected one of each for each, and no "
            "network twice; copy.deepcopy makes another"
        )
    for examples in [*sets, *([rehearsal] if rehearsal else [])]:
        _check_fits(models[0], examples)
    stack = Classifiers(models)
    trained = _trained(stack, last)
    optimizer = torch.optim.Adam(trained, lr, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds]
    if watch:
        watch(0, stack)
    with flushed_denormals():
        for step in range(1, steps + 1):
            drawn = [_draw(each, own, batch_size, rehearsal) for each, own in zip(sets, generators, strict=True)]
            images, labels = (torch.stack(each) for each in zip(*drawn, strict=True))  # (S, B, ...), (S, B)
            losses = stack.ask(lambda model, rows: F.cross_entropy(model(rows[0]), rows[1]), (images, labels), own=True)
            check_finite("loss", losses.tolist(), step, lr)
            optimizer.zero_grad()
            losses.sum().backward()  # the gradients of two networks do not meet
            stacks.cut_each(trained)
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


def _trained(stack: Classifiers, last: int | None) -> list[torch.Tensor]:
    """Return the weights to train; the others are frozen."""
    layers = len(stack.first.blocks)
    if last is not None and last not in range(layers + 1):
        raise ValueError(f"last={last}: expected 0 to {layers}, the number of blocks; None trains everything")
    for name, weight in stack.weights.items():
        part, _, rest = name.partition(".")
        below = layers - int(rest.split(".")[0]) if part == "blocks" else 0 if part in ("head", "norm") else layers + 1
        weight.requires_grad_(weight.requires_grad and (last is None or below <= last))
    trained = [weight for weight in stack.weights.values() if weight.requires_grad]
    if not trained:
        raise ValueError("every weight is frozen: expected some to train; model.requires_grad_(True) frees them")
    return trained


def _check_fits(model: VisionTransformer, examples: Examples) -> None:
    """Refuse examples that a network cannot learn from."""
    if not isinstance(model.head, nn.Linear):
        raise ValueError("the networks have no head: expected VisionTransformer(..., num_classes=...)")
    check_examples(examples, model.head.out_features)
    check_shape(examples[0], model.image_size)
