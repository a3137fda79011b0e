"""What a network costs, by formula, and the same three numbers counted by torch.

    Cost                     operations, bytes kept for the backward pass, steps that wait for one another
    lstm_cost                an LSTM, as written out in `recurrent`
    attention_cost           multi-head self-attention, explicit or fused
    block_cost               attention, feed-forward, norms
    language_model_cost      a whole network, without its loss
    counted                  what torch counts while a function runs
    PowerLaw                 a line through losses on logarithmic axes, and how sure it is

All costs are of one forward pass. A backward pass takes twice the operations: for each product one for the gradient of
either factor; only the gradient by the input itself is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.stats import linregress, t
from torch import nn
from torch.autograd.graph import Node, saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from lecturelib.attention import LONG

FLOAT = 4  # bytes of a number in float32
PRODUCTS = ("Mm", "Bmm", "Addmm", "ScaledDotProduct")  # how the names of products begin in torch's graph


class Cost(NamedTuple):
    """What a forward pass costs; `then` adds the cost of what comes after it.

    `flops` counts the multiplications and additions of all matrix products (2 T D M for (T, D) times (D, M)), as
    torch's counter does, and nothing else. `bytes` is what is kept for the backward pass, without weights: the memory
    that grows with batch and length. `steps` is the longest row of matrix products in which each waits for the one
    before: no number of processors makes it shorter.

    >>> Cost(10, 4, 1).then(Cost(1, 4, 1), times=2)
    Cost(flops=12, bytes=12, steps=3)
    """

    flops: int
    bytes: int
    steps: int

    def then(self, other: Cost, times: int = 1) -> Cost:
        """Return the cost of this and then, `times` times, the other."""
        return Cost(*(mine + times * theirs for mine, theirs in zip(self, other, strict=True)))


def lstm_cost(batch_size: int, length: int, input_size: int, hidden_size: int) -> Cost:
    """Return the cost of reading with an LSTM: `recurrent.run_lstm`.

    Equation: B T steps of 8 H (D + H) operations, one after the other; kept are the inputs, the hidden states, the
        gates, the candidate, the cell and its tanh.
    Taught: notebook 08, section 1.
    """
    kept = batch_size * (length * (input_size + 7 * hidden_size) - hidden_size)  # the last cell is not read again
    return Cost(8 * batch_size * length * hidden_size * (input_size + hidden_size), FLOAT * kept, length)


def attention_cost(
    batch_size: int, length: int, d_model: int, num_heads: int, *, causal: bool = False, fused: bool | None = None
) -> Cost:
    """Return the cost of multi-head self-attention, `MultiHeadAttention`.

    Equation: 8 B T D^2 operations for queries, keys, values and output, 4 B T^2 D for scores and mix. Explicit
        attention keeps the weights, B H T^2 numbers, and under `is_causal` the mask; the fused kernel keeps one number
        for each query of each head. Hidden products count as others do, as in torch's counter.
    Shapes: tokens (B, T, D); the lecture writes n for T. `fused` is what the layer chooses, unless told.
    """
    fused = (causal or length >= LONG) if fused is None else fused
    tokens = batch_size * length * d_model
    rows = batch_size * num_heads * length
    kept = 5 * tokens + (rows if fused else rows * length)  # x, q, k, v, the mix; each row's sum, or its weights
    mask = length * length if causal and not fused else 0
    return Cost(8 * tokens * d_model + 4 * tokens * length, FLOAT * kept + mask, 3 if fused else 4)


def block_cost(
    batch_size: int, length: int, d_model: int, num_heads: int, *, causal: bool = False, fused: bool | None = None
) -> Cost:
    """Return the cost of a `Block`: attention, the feed-forward network (4 D wide inside), two norms.

    Equation: 24 B T D^2 + 4 B T^2 D operations, of which 16 B T D^2 belong to the feed-forward network.
    Arguments as in `attention_cost`.
    Taught: notebook 08, section 1.
    """
    attention = attention_cost(batch_size, length, d_model, num_heads, causal=causal, fused=fused)
    tokens = batch_size * length * d_model
    norms = 2 * _norm_bytes(batch_size, length, d_model)
    feed_forward = Cost(16 * tokens * d_model, FLOAT * 9 * tokens + norms, 2)  # its input, and twice 4 D inside
    return attention.then(feed_forward)


def language_model_cost(
    batch_size: int,
    length: int,
    vocab_size: int,
    d_model: int,
    num_heads: int,
    num_layers: int,
    *,
    fused: bool | None = None,
) -> Cost:
    """Return the cost of a `LanguageModel`, from tokens to logits.

    Arguments as in `attention_cost`.
    Taught: notebook 08, section 1.
    """
    block = block_cost(batch_size, length, d_model, num_heads, causal=True, fused=fused)
    tokens = batch_size * length
    looked_up = Cost(0, 8 * tokens, 0)  # the tokens themselves: whole numbers of 8 bytes
    norm = _norm_bytes(batch_size, length, d_model)
    head = Cost(2 * tokens * d_model * vocab_size, norm + FLOAT * tokens * d_model, 1)
    return looked_up.then(block, num_layers).then(head)


def counted(function: Callable[[], torch.Tensor]) -> Cost:
    """Run a forward pass, and return what torch counts: the same three numbers as the formulas give.

    Operations come from `torch.utils.flop_counter`, to which the fused kernel of the CPU is made known (torch 2.13
    leaves it out); bytes from the tensors that autograd keeps, without parameters; steps from its graph. Inside
    `nn.LSTM` and its like torch counts no operation: count `run_lstm` instead.
    Raises: ValueError for a function whose result has no graph, such as one under `torch.no_grad`.

    >>> layer = nn.Linear(4, 3)
    >>> counted(lambda: layer(torch.ones(2, 4)))
    Cost(flops=48, bytes=32, steps=1)
    """
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if not isinstance(tensor if tensor._base is None else tensor._base, nn.Parameter):  # also a frozen one
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    known = {fused: lambda q, k, v, *_, **__: sdpa_flop_count(q, k, v)}
    with FlopCounterMode(display=False, custom_mapping=known) as counter, saved_tensors_hooks(keep, lambda t: t):
        result = function()
    if not isinstance(result, torch.Tensor) or result.grad_fn is None:
        raise ValueError(
            f"the function returned a {type(result).__name__} without a graph: expected a tensor that depends on "
            "parameters, computed outside torch.no_grad()"
        )
    total = sum(each.untyped_storage().nbytes() for each in kept.values())
    return Cost(counter.get_total_flops(), total, _steps(result.grad_fn))


class PowerLaw:
    """A power law L = a C^-b, fitted to losses by least squares on logarithmic axes.

    `exponent` is b, `interval` its 95 % interval, if the logarithms scatter around a line like normal numbers.
    Shapes: operations (n,), losses (n, seeds).
    Raises: ValueError for fewer than 2 budgets or 3 losses, and numbers that are not above 0.
    Taught: notebook 08, section 7.

    >>> law = PowerLaw([1, 10, 100], [[4.0, 4.0], [2.0, 2.0], [1.0, 1.0]])
    >>> round(law.exponent, 3), round(law.predict(1000)[0], 3)
    (0.301, 0.5)
    """

    def __init__(self, operations: Sequence[float], losses: ArrayLike) -> None:
        self.operations, self.losses = np.asarray(operations, float), np.asarray(losses, float)
        fits = self.losses.ndim == 2 and len(self.losses) == len(set(operations)) > 1 and self.losses.size > 2
        if not (fits and (self.operations > 0).all() and (self.losses > 0).all()):
            raise ValueError(
                f"{len(self.operations)} budgets and losses of shape {self.losses.shape}: expected (n, seeds), n of 2 "
                "or more different budgets, at least 3 losses, all above 0"
            )
        self._x = np.log(self.operations).repeat(self.losses.shape[1])
        y = np.log(self.losses).ravel()
        self._line = linregress(self._x, y)
        self._free = len(y) - 2
        self._scatter = math.sqrt(((y - self._line.intercept - self._line.slope * self._x) ** 2).sum() / self._free)
        self.exponent = -float(self._line.slope)
        half = float(t.ppf(0.975, self._free) * self._line.stderr)
        self.interval = self.exponent - half, self.exponent + half

    def predict(self, operations: float) -> tuple[float, float, float]:
        """Return the loss that the law gives, and between which two a new run should lie (95 %)."""
        away = self._x - self._x.mean()
        far = (math.log(operations) - self._x.mean()) ** 2 / (away**2).sum()
        half = t.ppf(0.975, self._free) * self._scatter * math.sqrt(1 + 1 / len(self._x) + far)
        middle = self._line.intercept + self._line.slope * math.log(operations)
        return math.exp(middle), math.exp(middle - half), math.exp(middle + half)


def _steps(end: Node) -> int:
    """Return the longest row of products that leads to this node."""
    depth: dict[Node, int] = {}
    waiting: list[tuple[Node, bool]] = [(end, False)]
    while waiting:  # not by recursion: the graph of a long sequence is deeper than Python's stack
        node, ready = waiting.pop()
        if node in depth:
            continue
        before = [each for each, _ in node.next_functions if each is not None]
        if not ready:
            waiting += [(node, True), *((each, False) for each in before)]
            continue
        depth[node] = max((depth[each] for each in before), default=0) + node.name().startswith(PRODUCTS)
    return depth[end]


def _norm_bytes(batch_size: int, length: int, d_model: int) -> int:
    """Return what a layer norm keeps: its input, and a mean and a standard deviation for each token."""
    return FLOAT * batch_size * length * (d_model + 2)
