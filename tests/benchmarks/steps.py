"""Print what a training step costs beside those of other libraries: python -m tests.benchmarks.steps.

Stacks of blocks and whole models, at the shapes that the notebooks train, on one thread. All use the same optimizer in
its fused form, so that the model decides and not a loop over its tensors. The functions take turns, and a ratio is
taken in each round: ours over theirs, below 1 ours is the faster. The peers need `pip install -e ".[benchmarks]"`.
With --compiled there is one column more: our model under `torch.compile` over our model as it is. That needs a C++
compiler, and a minute for each row.
"""

import argparse
import copy
import importlib
import statistics
import sys
import types
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from lecturelib.language import next_token_loss
from lecturelib.mae import MaskedAutoencoder, random_mask, reconstruction_loss
from lecturelib.scaling import counted
from lecturelib.timing import timed
from lecturelib.transformer import Block, LanguageModel
from lecturelib.vision import VisionTransformer

PEERS = ("torch", "vit-pytorch", "x-transformers")
BAR = 1.0  # ours over the best peer
ROUNDS, FEWER = 31, 11  # FEWER where a step is long
TURN = 0.03  # seconds that each function runs before the next has its turn: short steps are repeated
SIZE = 1024  # of the matrices whose product gives the machine's peak
VOCAB_SIZE = 96  # of the language models here

Loss = Callable[[Any], torch.Tensor]
Row = dict[str, tuple[Any, Loss]]  # of ours and of each peer a model and its loss


class Shape(NamedTuple):
    """Batch B, tokens T, width D, heads H, layers L, and whether nobody may look ahead."""

    batch_size: int
    tokens: int
    d_model: int
    num_heads: int
    num_layers: int
    causal: bool = False


STACKS = {
    "07": Shape(20, 16, 32, 4, 2),
    "05": Shape(32, 16, 32, 4, 2),
    "05, larger batch": Shape(64, 16, 32, 4, 2),
    "06, encoder": Shape(80, 4, 48, 4, 2),
    "06, decoder": Shape(80, 16, 48, 4, 1),
    "04, causal": Shape(16, 32, 64, 4, 2, causal=True),
    "04, longer": Shape(16, 64, 64, 4, 2, causal=True),
    "photos, encoder": Shape(64, 16, 128, 4, 4),
    "photos, decoder": Shape(64, 64, 64, 4, 3),
    "language model": Shape(16, 256, 128, 4, 4, causal=True),
}


class Stack(nn.Module):
    """Our blocks and the norm behind them, as in all our models."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(shape.d_model, shape.num_heads) for _ in range(shape.num_layers))
        self.norm = nn.LayerNorm(shape.d_model)
        self.causal = shape.causal

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = block(x, is_causal=self.causal)
        return self.norm(x)


class TorchStack(nn.Module):
    """The same blocks by torch: `nn.TransformerEncoder`."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            shape.d_model, shape.num_heads, 4 * shape.d_model, 0.0, "gelu", batch_first=True, norm_first=True
        )
        norm = nn.LayerNorm(shape.d_model)
        self.layers = nn.TransformerEncoder(layer, shape.num_layers, norm, enable_nested_tensor=False)
        self.causal = shape.causal

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1]) if self.causal else None
        return self.layers(x, mask=mask, is_causal=self.causal)


def vit_pytorch(file: str) -> Any:
    """Return one file of vit-pytorch, such as "vit", without what its package imports at its head.

    That is some hundred models and torchvision, whose usual wheel does not load beside a CPU build of torch. The files
    used here need torch and einops only.
    """
    if "vit_pytorch" not in sys.modules:
        found = find_spec("vit_pytorch")
        assert found is not None and found.origin is not None
        package = types.ModuleType("vit_pytorch")
        package.__path__ = [str(Path(found.origin).parent)]
        sys.modules["vit_pytorch"] = package
    return importlib.import_module(f"vit_pytorch.{file}")


def x_layers(shape: Shape) -> Any:
    """Return the stack of x-transformers: feed-forward 4 D wide with gelu, norms first, one at the end."""
    x_transformers = importlib.import_module("x_transformers")
    kind = x_transformers.Decoder if shape.causal else x_transformers.Encoder
    return kind(
        dim=shape.d_model,
        depth=shape.num_layers,
        heads=shape.num_heads,
        attn_dim_head=shape.d_model // shape.num_heads,
        attn_flash=True,
    )


def stack(shape: Shape) -> Row:
    """Return a stack of blocks."""
    x = torch.randn(shape.batch_size, shape.tokens, shape.d_model)
    models: dict[str, nn.Module] = {
        "ours": Stack(shape),
        "torch": TorchStack(shape),
        "x-transformers": x_layers(shape),
    }
    if not shape.causal:  # vit-pytorch's blocks know no mask
        wide = shape.d_model // shape.num_heads, 4 * shape.d_model
        models["vit-pytorch"] = vit_pytorch("vit").Transformer(shape.d_model, shape.num_layers, shape.num_heads, *wide)
    return {name: (model, lambda model: (model(x) - 1).square().mean()) for name, model in models.items()}


def inside(shape: Shape) -> dict[str, int]:
    """Return how vit-pytorch calls the sizes of a stack."""
    return {
        "dim": shape.d_model,
        "depth": shape.num_layers,
        "heads": shape.num_heads,
        "dim_head": shape.d_model // shape.num_heads,
        "mlp_dim": 4 * shape.d_model,
    }


def vision(shape: Shape) -> Row:
    """Return the vision transformer of notebook 05."""
    images, labels = torch.rand(shape.batch_size, 1, 8, 8), torch.arange(shape.batch_size) % 10
    theirs = {"image_size": 8, "patch_size": 2, "channels": 1, "num_classes": 10}
    wrapper = importlib.import_module("x_transformers").ViTransformerWrapper
    models = {
        "ours": VisionTransformer((1, 8, 8), 2, *shape[2:5], num_classes=10),
        "vit-pytorch": vit_pytorch("vit").ViT(**theirs, **inside(shape), pool="mean"),
        "x-transformers": wrapper(**theirs, attn_layers=x_layers(shape)),
    }
    return {name: (model, lambda model: F.cross_entropy(model(images), labels)) for name, model in models.items()}


def autoencoder(image: tuple[int, int, int], patch_size: int, encoder: Shape, decoder: Shape) -> Row:
    """Return a masked autoencoder, with the drawing of its masks: vit-pytorch draws them itself."""
    images, rows = torch.rand(encoder.batch_size, *image), image[1] // patch_size
    generator = torch.Generator().manual_seed(0)
    ours = MaskedAutoencoder(VisionTransformer(image, patch_size, *encoder[2:5]), *decoder[2:5])
    own = {"image_size": image[1], "patch_size": patch_size, "channels": image[0], "num_classes": 0, "pool": "mean"}
    below = {f"decoder_{name}": value for name, value in inside(decoder).items() if name != "mlp_dim"}
    theirs = vit_pytorch("mae").MAE(encoder=vit_pytorch("vit").ViT(**own, **inside(encoder)), **below)

    def our_loss(model: Any) -> torch.Tensor:
        mask = random_mask(len(images), rows, rows, 0.75, generator=generator)
        return reconstruction_loss(model(images, mask), model.target(images), mask)

    return {"ours": (ours, our_loss), "vit-pytorch": (theirs, lambda model: model(images))}


def language(shape: Shape) -> Row:
    """Return a language model."""
    text = torch.randint(VOCAB_SIZE, (shape.batch_size, shape.tokens + 1))
    wrapper = importlib.import_module("x_transformers").TransformerWrapper
    models = {
        "ours": LanguageModel(VOCAB_SIZE, *shape[2:5], max_len=shape.tokens),
        "x-transformers": wrapper(num_tokens=VOCAB_SIZE, max_seq_len=shape.tokens, attn_layers=x_layers(shape)),
    }
    return {name: (model, lambda model: next_token_loss(model, (text,))) for name, model in models.items()}


ROWS: dict[str, Callable[[], Row]] = {
    **{f"stack {name}": partial(stack, shape) for name, shape in STACKS.items()},
    **{f"ViT {name}": partial(vision, STACKS[name]) for name in ("05", "05, larger batch")},
    "MAE, digits": partial(autoencoder, (1, 8, 8), 2, STACKS["06, encoder"], STACKS["06, decoder"]),
    "MAE, photos": partial(autoencoder, (3, 32, 32), 4, STACKS["photos, encoder"], STACKS["photos, decoder"]),
    **{f"LM {name}": partial(language, shape) for name, shape in STACKS.items() if shape.causal},
}


def step(model: nn.Module, loss: Loss) -> Callable[[], None]:
    """Return a training step of a model."""
    optimizer = torch.optim.Adam(model.parameters(), 1e-4, fused=True)
    model.train()

    def one() -> None:
        optimizer.zero_grad()
        loss(model).backward()
        optimizer.step()

    return one


def peak() -> float:
    """Return the operations per second of a product of two matrices, the best of several."""
    a, b = torch.randn(2, SIZE, SIZE)
    return 2 * SIZE**3 / min(timed({"it": lambda: a @ b}, rounds=9, warmup=2)["it"])


def measure(row: Row) -> dict[str, list[float]]:
    """Return the seconds of a step of each model, round by round."""
    steps = {name: step(*arm) for name, arm in row.items()}
    once = statistics.median(timed({"it": steps["ours"]}, rounds=3, warmup=2)["it"])
    repeats = max(1, round(TURN / once))

    def turn(one: Callable[[], None]) -> None:
        for _ in range(repeats):
            one()

    turns = {name: partial(turn, one) for name, one in steps.items()}
    seconds = timed(turns, rounds=ROUNDS if once < 4 * TURN else FEWER, warmup=1)
    return {name: [each / repeats for each in found] for name, found in seconds.items()}


def ratio(over: list[float], under: list[float]) -> tuple[float, str]:
    """Return how many times as long one took as the other, round by round: two that run close share the weather."""
    ratios = [a / b for a, b in zip(over, under, strict=True)]
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return median, f"{median:.2f} ({low:.2f} to {high:.2f})"


def main(argv: list[str] | None = None) -> None:
    """Measure the rows whose name holds one of the given words, or all, and print one line for each."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.steps", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="rows whose name holds one; without, all")
    parser.add_argument("--compiled", action="store_true", help="our models under torch.compile as well")
    given = parser.parse_args(argv)
    if missing := [name for name in ("vit_pytorch", "x_transformers") if find_spec(name) is None]:
        sys.exit(f'{", ".join(missing)} not installed: pip install -e ".[benchmarks]"')
    torch.set_num_threads(1)
    torch.manual_seed(0)
    best = peak()
    print(f"a training step: ours over theirs, median of paired ratios (middle half); bar: {BAR} against the best peer")
    print(f"one thread, product of two {SIZE} x {SIZE} matrices: {best / 1e9:.0f} GFLOP/s")
    head = f"{'what':<23}{'ours ms':>9}{'of peak':>9}"
    print(head + "".join(f"{peer:>21}" for peer in PEERS) + f"{'best':>7}" + given.compiled * f"{'compiled':>21}")
    for name, build in ROWS.items():
        if given.words and not any(word in name for word in given.words):
            continue
        row = build()
        model, loss = row["ours"]
        flops = 3 * counted(partial(loss, model)).flops
        if given.compiled:
            row["compiled"] = torch.compile(copy.deepcopy(model)), loss
        seconds = measure(row)
        ours = seconds["ours"]
        ratios = {peer: ratio(ours, seconds[peer]) for peer in PEERS if peer in seconds}
        once = statistics.median(ours)
        line = f"{name:<23}{once * 1e3:>9.2f}{flops / once / best:>9.0%}"
        line += "".join(f"{ratios[peer][1] if peer in ratios else '-':>21}" for peer in PEERS)
        line += f"{max(median for median, _ in ratios.values()):>7.2f}"
        if given.compiled:
            line += f"{ratio(seconds['compiled'], ours)[1]:>21}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
