"""Networks of one shape side by side: their weights in one stack, each operation once for all of them.

    Stack        networks as one: ask all of them, give them their weights back
    fit_many     `fit` for several models, each by its own seed: as one where that is faster
    cut_each     gradients longer than 1 are cut, network by network

For small networks most of the time goes into starting operations, so S networks in a stack cost less than in a row.
Each comes out as it would alone, to rounding.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from lecturelib.training import Batch, History, Loss, Stock, check_fit, check_loss, fit, flushed_denormals


class Stack:
    """Networks of one shape as one (`torch.func.vmap`).

    Raises: ValueError for no networks, and networks that differ in their layers, weights, what is frozen, or mode.
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        models = list(models)
        shapes = [_shape_of(each) for each in models]
        if not models or any(each != shapes[0] for each in shapes):
            raise ValueError(
                f"{len(models)} networks {sorted({type(each).__name__ for each in models})}: expected one or more of "
                "one shape, with the same frozen parameters, all in training mode or all in eval mode"
            )
        self.weights, self.buffers = stack_module_state(models)  # (S, ...) each
        self._held = [dict(each.named_parameters()) | dict(each.named_buffers()) for each in models]
        self._base = copy.deepcopy(models[0])
        for layer in self._base.modules():
            if _simple(layer):
                layer.__class__ = _WrittenOut  # with the same parameters, by the same names

    def __call__(self, x: torch.Tensor, own: bool = False) -> torch.Tensor:
        """Ask all networks the same, x (B, ...), or each its own, x (S, B, ...): to (S, B, ...)."""
        return self.ask(lambda model, rows: model(rows[0]), (x,), own)

    def ask(self, question: Loss, rows: Batch, own: bool = False) -> torch.Tensor:
        """Return question(model, rows) of each network, (S, ...); with `own`, each has its own rows, (S, B, ...)."""
        asked = _Asked(self._base, question)

        def one(weights: Any, buffers: Any, rows: Batch) -> torch.Tensor:
            answer: torch.Tensor = functional_call(asked, (weights, buffers), (rows,))
            return answer

        weights, buffers = (
            {f"model.{name}": each for name, each in held.items()} for held in (self.weights, self.buffers)
        )
        return vmap(one, in_dims=(0, 0, 0 if own else None))(weights, buffers, rows)

    @torch.no_grad()
    def write_back(self) -> None:
        """Give the networks the weights that they have in the stack."""
        for s, held in enumerate(self._held):
            for name, each in (self.weights | self.buffers).items():
                held[name].copy_(each[s])


class _Asked(nn.Module):
    """A question to a network, as a network: so that `functional_call` exchanges the weights for it."""

    def __init__(self, model: nn.Module, question: Loss) -> None:
        super().__init__()
        self.model, self.question = model, question

    def forward(self, rows: Batch) -> torch.Tensor:
        return self.question(self.model, rows)


class _Loop(torch.autograd.Function):
    """The loop of a tanh RNN, h_t = tanh(x_t + W h_{t-1}), as `vmap` is to run it: once for the whole stack."""

    @staticmethod
    def forward(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError("only a stack comes here")

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None: ...

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int, int], x: torch.Tensor, w: torch.Tensor) -> tuple[torch.Tensor, int]:
        x, w = x.movedim(in_dims[0], 0), w.movedim(in_dims[1], 0)  # (S, B, T, H), (S, H, H)
        h, back = torch.zeros_like(x[:, :, 0]), w.mT
        states = []
        for step in x.unbind(dim=2):
            h = torch.tanh(torch.baddbmm(step, h, back))  # (S, B, H)
            states.append(h)
        return torch.stack(states, dim=2), 0


class _WrittenOut(nn.RNN):
    """`nn.RNN` of one layer with its loop in Python: `vmap` cannot go into torch's own."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # type: ignore[override]
        w_x, w_h, b_x, b_h = self.all_weights[0]
        states = _Loop.apply(F.linear(x, w_x, b_x + b_h), w_h)  # (B, T, H); what the input adds, all steps at once
        return states, states[None, :, -1]


def _simple(layer: nn.Module) -> bool:
    """Whether `_WrittenOut` can stand for a layer."""
    asked = {"num_layers": 1, "bidirectional": False, "batch_first": True, "nonlinearity": "tanh", "bias": True}
    return isinstance(layer, nn.RNN) and all(getattr(layer, name) == value for name, value in asked.items())


def _shape_of(model: nn.Module) -> tuple[object, object]:
    """Return what networks of one stack must share: layers and their numbers, weights, what is frozen, the mode."""
    layers = [
        (type(layer), {name: value for name, value in vars(layer).items() if isinstance(value, int | float | str)})
        for layer in model.modules()
    ]
    return layers, [(each.shape, each.dtype, each.requires_grad) for each in (*model.parameters(), *model.buffers())]


def fit_many(
    models: Sequence[nn.Module],
    loss: Loss,
    train: Batch | list[Batch],
    *,
    steps: int = 500,
    batch_size: int = 32,
    lr: float = 1e-2,
    label: str | None = None,
) -> list[History]:
    """Train several models of one shape as `fit` would train one after the other, with seeds 0, 1, 2, ...

    `train` is the same for all models, or a list with data of each model's own, maybe not equally many.
    They train as one stack, except where that is slower: the fused `nn.LSTM` and `nn.GRU`, and convolutions. Histories
    and weights are the same, to rounding; `torch.func.vmap` must be able to compute `loss` (no `if` on values).
    Returns: a `History` for each model; after an interruption only of those that were begun.
    Raises: ValueError as `fit` and `Stack`, for unequal numbers of models and data, and a model given twice.

    >>> models = [nn.Linear(1, 1) for _ in range(3)]
    >>> x = torch.linspace(-1, 1, 64)[:, None]
    >>> histories = fit_many(models, lambda m, b: (m(b[0]) - b[1]).square().mean(), (x, 3 * x), steps=200, lr=0.1)
    >>> [round(each.weight.item(), 1) for each in models]
    [3.0, 3.0, 3.0]
    """
    models = list(models)
    sets = train if isinstance(train, list) else [train] * len(models)
    if not models or len(models) != len(sets) or len({id(each) for each in models}) < len(models):
        raise ValueError(
            f"{len(models)} models, {len(sets)} sets of data: expected at least one model, each model once "
            "(copy.deepcopy makes another), and a set for each"
        )
    how: dict[str, Any] = {"steps": steps, "batch_size": batch_size, "lr": lr}
    for own in sets:
        check_fit(models, own, None, range(len(models)), **how)
    slow = (nn.RNNBase, nn.modules.conv._ConvNd)
    if len(models) > 1 and not any(isinstance(each, slow) and not _simple(each) for each in models[0].modules()):
        return _fit_as_one(models, loss, sets, label=label, **how)
    histories: list[History] = []
    for seed, (model, own) in enumerate(zip(models, sets, strict=True)):
        named = f"{label}, seed {seed}" if label else None
        histories.append(fit(model, loss, own, seed=seed, label=named, **how))
        if histories[-1].stopped:
            break
    return histories


def _fit_as_one(
    models: list[nn.Module],
    loss: Loss,
    sets: list[Batch],
    *,
    steps: int,
    batch_size: int,
    lr: float,
    label: str | None,
) -> list[History]:
    """The loop of `fit`, for all models in one stack."""
    stack = Stack([each.train() for each in models])
    generators = [torch.Generator().manual_seed(seed) for seed in range(len(models))]
    optimizer = torch.optim.Adam(stack.weights.values(), lr, foreach=True)
    with Stock(models, lambda: [], steps, lr, label, stack.write_back) as stock, flushed_denormals():
        for step in range(1, steps + 1):
            rows = []
            for own, generator in zip(sets, generators, strict=True):
                pick = torch.randint(len(own[0]), (batch_size,), generator=generator)
                rows.append([each[pick] for each in own])
            values = stack.ask(loss, tuple(map(torch.stack, zip(*rows, strict=True))), own=True)  # (S,)
            check_loss(values[0])
            optimizer.zero_grad()
            values.sum().backward()  # the gradients of two networks do not meet
            lengths = cut_each(stack.weights.values())
            stock.refuse_infinite(step, values.tolist(), lengths.tolist())
            optimizer.step()
            stock.take(step, values.tolist())
    return stock.histories


@torch.no_grad()
def cut_each(weights: Any) -> torch.Tensor:
    """Cut the gradient of each network in the stack to length 1, if it is longer; return the lengths before: (S,)."""
    gradients = [each.grad for each in weights if each.grad is not None]
    lengths = torch.stack([each.reshape(len(each), -1).square().sum(dim=1) for each in gradients]).sum(dim=0).sqrt()
    factor = (1 / (lengths + 1e-6)).clamp(max=1)
    for each in gradients:
        each.mul_(factor.view(-1, *[1] * (each.ndim - 1)))
    return lengths
