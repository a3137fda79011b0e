"""Print how the cost of a training step grows: python -m tests.benchmarks.growth.

With the number of tokens n, with the batch, and with the width: CPU seconds at five sizes each, and the exponent p of
size^p that fits them best, and the last two, beside the one that fits the operations by formula. Where they differ a
step costs what is no matrix product: the calls themselves, where it is short, and memory.
"""

import math
import statistics
from collections.abc import Callable, Sequence

import torch
from torch import nn

from lecturelib.attention import attend
from lecturelib.scaling import Cost, block_cost, lstm_cost
from lecturelib.timing import timed
from lecturelib.transformer import Block

BATCH, TOKENS, WIDTH, HEADS = 16, 64, 64, 4  # where they do not grow
ROUNDS = 7


class Explicit(Block):
    """A block whose attention writes its whole table, at every length."""

    def forward(self, x: torch.Tensor, *_: object) -> torch.Tensor:
        layer, normed = self.attention, self.norm_attention(x)
        q, k, v = (layer.split(each(normed)) for each in (layer.q_proj, layer.k_proj, layer.v_proj))
        x = x + layer.out_proj(layer.merge(attend(q, k, v)[0]))
        return x + self.feed_forward(self.norm_feed_forward(x))


class Recurrent(nn.Module):
    """torch's LSTM, its states only."""

    def __init__(self, d_model: int, num_heads: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(d_model, d_model, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lstm(x)[0]


Price = Callable[[int, int, int], Cost]
BLOCK: Price = lambda batch, tokens, width: block_cost(batch, tokens, width, HEADS)  # noqa: E731
LSTM: Price = lambda batch, tokens, width: lstm_cost(batch, tokens, width, width)  # noqa: E731

# What grows, its sizes, how a size becomes batch, tokens and width, the layer, and its formula.
ROWS: list[tuple[str, tuple[int, ...], Callable[[int], tuple[int, int, int]], type[nn.Module], Price]] = [
    ("tokens, block", (64, 128, 256, 512, 1024), lambda n: (1, n, WIDTH), Block, BLOCK),
    ("tokens, block, explicit", (64, 128, 256, 512, 1024), lambda n: (1, n, WIDTH), Explicit, BLOCK),
    ("tokens, LSTM", (64, 128, 256, 512, 1024), lambda n: (1, n, WIDTH), Recurrent, LSTM),
    ("batch, block", (1, 4, 16, 64, 256), lambda n: (n, TOKENS, WIDTH), Block, BLOCK),
    ("batch, LSTM", (1, 4, 16, 64, 256), lambda n: (n, TOKENS, WIDTH), Recurrent, LSTM),
    ("width, block", (16, 32, 64, 128, 256), lambda n: (BATCH, TOKENS, n), Block, BLOCK),
    ("width, LSTM", (16, 32, 64, 128, 256), lambda n: (BATCH, TOKENS, n), Recurrent, LSTM),
]


def measure(kind: type[nn.Module], batch: int, tokens: int, width: int) -> float:
    """Return the CPU seconds of a training step of one layer."""
    model, x = kind(width, HEADS), torch.randn(batch, tokens, width)
    optimizer = torch.optim.Adam(model.parameters(), 1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()

    return statistics.median(timed({"it": step}, rounds=ROUNDS, warmup=2)["it"])


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Return p of the power law c * size^p that fits the values best, on logarithmic axes by least squares."""
    return statistics.linear_regression(list(map(math.log, sizes)), list(map(math.log, values))).slope


def main(argv: list[str] | None = None) -> None:
    """Measure each row at its sizes, and print the seconds and both exponents."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"one thread; batch {BATCH}, {TOKENS} tokens, width {WIDTH} unless they grow; tokens grow at batch 1")
    print(f"{'what grows':<26}{'milliseconds at each size':<62}{'exponent':>9}{'last two':>12}{'formula':>9}")
    for name, sizes, shape, kind, price in ROWS:
        seconds = [measure(kind, *shape(size)) for size in sizes]
        operations = [price(*shape(size)).flops for size in sizes]
        cells = "".join(f"{f'{size}: {1e3 * each:.3g}':>12}" for size, each in zip(sizes, seconds, strict=True))
        fits = f"{exponent(sizes, seconds):>9.2f}{exponent(sizes[-2:], seconds[-2:]):>12.2f}"
        print(f"{name:<26}{cells:<62}{fits}{exponent(sizes, operations):>9.2f}", flush=True)


if __name__ == "__main__":
    main()
