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
from collections.abc import Callable, Mapping, Sequence
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

PEERS = ("torch", "vit-pytorch", "x-transformers", "x-tr., flash")
BAR = 1.0  # ours over the best peer
ROUNDS, FEWER = 31, 11  # FEWER where a step is long
TURN = 0.03  # seconds that each function runs before the next has its turn: short steps are repeated
SIZE = 1024  # of the matrices whose product gives the machine's peak
VOCAB_SIZE = 96  # of the language models here

Step = Callable[[], None]


class Shape(NamedTuple):
    """Batch B, tokens T, width D, heads H, layers L, and whether nobody may look ahead."""

    batch_size: int
    tokens: int
    d_model: int
    num_heads: int
    num_layers: int
    causal: bool = False

    def __str__(self) -> str:
        return f"{self.batch_size}x{self.tokens}x{self.d_model}, {self.num_heads} heads, {self.num_layers} layers"


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


class Arms(NamedTuple):
    """One row: whose shape, the operations of our step, for each library its parameters and its step, our model."""

    name: str
    flops: int
    steps: dict[str, tuple[int, Step]]
    ours: tuple[nn.Module, Callable[[nn.Module], torch.Tensor]]


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


class TorchLanguageModel(nn.Module):
    """Embeddings and logits around `nn.TransformerEncoder`: torch has no language model of its own."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(VOCAB_SIZE, shape.d_model), nn.Embedding(shape.tokens, shape.d_model)
        self.stack, self.head = TorchStack(shape), nn.Linear(shape.d_model, VOCAB_SIZE)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.stack(self.tokens(tokens) + self.places.weight[: tokens.shape[1]]))


def installed() -> None:
    """Leave with a sentence where a peer is missing."""
    missing = [name for name in ("vit_pytorch", "x_transformers") if find_spec(name) is None]
    if missing:
        sys.exit(f'{", ".join(missing)} not installed: pip install -e ".[benchmarks]"')


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


def x_layers(shape: Shape, flash: bool) -> Any:
    """Return the stack of x-transformers: feed-forward 4 D wide with gelu, norms first, one at the end."""
    x_transformers = importlib.import_module("x_transformers")
    kind = x_transformers.Decoder if shape.causal else x_transformers.Encoder
    return kind(
        dim=shape.d_model,
        depth=shape.num_layers,
        heads=shape.num_heads,
        attn_dim_head=shape.d_model // shape.num_heads,
        attn_flash=flash,
    )


def step(model: nn.Module, loss: Callable[[nn.Module], torch.Tensor]) -> tuple[int, Step]:
    """Return the number of parameters, and a training step of a model."""
    optimizer = torch.optim.Adam(model.parameters(), 1e-4, fused=True)
    model.train()

    def one() -> None:
        optimizer.zero_grad()
        loss(model).backward()
        optimizer.step()

    return sum(each.numel() for each in model.parameters()), one


def arms(name: str, models: dict[str, nn.Module], loss: Callable[[nn.Module], torch.Tensor]) -> Arms:
    """Return a row: a training step of each model, all with one loss."""
    steps = {key: step(model, loss) for key, model in models.items()}
    return Arms(name, 3 * counted(lambda: loss(models["ours"])).flops, steps, (models["ours"], loss))


def stacks(name: str, shape: Shape) -> Arms:
    """Return the row of a stack of blocks."""
    x = torch.randn(shape.batch_size, shape.tokens, shape.d_model)
    models: dict[str, nn.Module] = {
        "ours": Stack(shape),
        "torch": TorchStack(shape),
        "x-transformers": x_layers(shape, flash=False),
        "x-tr., flash": x_layers(shape, flash=True),
    }
    if not shape.causal:  # vit-pytorch's blocks know no mask
        wide = shape.d_model // shape.num_heads, 4 * shape.d_model
        models["vit-pytorch"] = vit_pytorch("vit").Transformer(shape.d_model, shape.num_layers, shape.num_heads, *wide)
    return arms(f"stack {name}", models, lambda m: (m(x) - 1).square().mean())


def vision(shape: Shape) -> Arms:
    """Return the row of the vision transformer of notebook 05."""
    batch_size, _, d_model, num_heads, num_layers, _ = shape
    images, labels = torch.rand(batch_size, 1, 8, 8), torch.arange(batch_size) % 10
    theirs = {"image_size": 8, "patch_size": 2, "channels": 1, "num_classes": 10}
    inside = {"depth": num_layers, "heads": num_heads, "dim_head": d_model // num_heads, "mlp_dim": 4 * d_model}
    wrapper = importlib.import_module("x_transformers").ViTransformerWrapper
    models = {
        "ours": VisionTransformer((1, 8, 8), 2, d_model, num_heads, num_layers, num_classes=10),
        "vit-pytorch": vit_pytorch("vit").ViT(**theirs, **inside, dim=d_model, pool="mean"),
        "x-transformers": wrapper(**theirs, attn_layers=x_layers(shape, flash=False)),
        "x-tr., flash": wrapper(**theirs, attn_layers=x_layers(shape, flash=True)),
    }
    return arms(f"ViT, batch {batch_size}", models, lambda m: F.cross_entropy(m(images), labels))


def autoencoder(
    name: str, batch_size: int, image: tuple[int, int, int], patch_size: int, encoder: Shape, decoder: Shape
) -> Arms:
    """Return the row of a masked autoencoder, with the drawing of its masks: vit-pytorch draws them itself."""
    images, rows = torch.rand(batch_size, *image), image[1] // patch_size
    generator = torch.Generator().manual_seed(0)
    ours = MaskedAutoencoder(VisionTransformer(image, patch_size, *encoder[2:5]), *decoder[2:5])
    inside = {"depth": encoder.num_layers, "heads": encoder.num_heads, "dim_head": encoder.d_model // encoder.num_heads}
    theirs = vit_pytorch("vit").ViT(
        image_size=image[1], patch_size=patch_size, channels=image[0], num_classes=0, pool="mean", dim=encoder.d_model,
        mlp_dim=4 * encoder.d_model, **inside,
    )  # fmt: skip
    theirs = vit_pytorch("mae").MAE(
        encoder=theirs, decoder_dim=decoder.d_model, decoder_depth=decoder.num_layers, decoder_heads=decoder.num_heads,
        decoder_dim_head=decoder.d_model // decoder.num_heads,
    )  # fmt: skip

    def our_loss(model: Any) -> torch.Tensor:
        mask = random_mask(batch_size, rows, rows, 0.75, generator=generator)
        return reconstruction_loss(model(images, mask), model.target(images), mask)

    flops = counted(lambda: our_loss(ours)).flops
    steps = {"ours": step(ours, our_loss), "vit-pytorch": step(theirs, lambda m: m(images))}
    return Arms(f"MAE, {name}", 3 * flops, steps, (ours, our_loss))


def language(shape: Shape) -> Arms:
    """Return the row of a language model."""
    batch_size, tokens, d_model, num_heads, num_layers, _ = shape
    text = torch.randint(VOCAB_SIZE, (batch_size, tokens + 1))
    wrapper = importlib.import_module("x_transformers").TransformerWrapper
    models = {
        "ours": LanguageModel(VOCAB_SIZE, d_model, num_heads, num_layers, max_len=tokens),
        "torch": TorchLanguageModel(shape),
        "x-transformers": wrapper(num_tokens=VOCAB_SIZE, max_seq_len=tokens, attn_layers=x_layers(shape, flash=False)),
        "x-tr., flash": wrapper(num_tokens=VOCAB_SIZE, max_seq_len=tokens, attn_layers=x_layers(shape, flash=True)),
    }
    return arms(f"LM, {batch_size}x{tokens}x{d_model}", models, lambda m: next_token_loss(m, (text,)))


ROWS: list[Callable[[], Arms]] = [
    *(partial(stacks, name, shape) for name, shape in STACKS.items()),
    partial(vision, STACKS["05"]),
    partial(vision, STACKS["05, larger batch"]),
    partial(autoencoder, "digits", 80, (1, 8, 8), 2, STACKS["06, encoder"], STACKS["06, decoder"]),
    partial(autoencoder, "photos", 64, (3, 32, 32), 4, STACKS["photos, encoder"], STACKS["photos, decoder"]),
    *(partial(language, shape) for shape in STACKS.values() if shape.causal),
]


def peak() -> float:
    """Return the operations per second of a product of two matrices, the best of several."""
    a, b = torch.randn(2, SIZE, SIZE)
    return 2 * SIZE**3 / min(timed({"it": lambda: a @ b}, rounds=9, warmup=2)["it"])


def measure(arms: Arms) -> tuple[dict[str, list[float]], float]:
    """Return the seconds of each arm, round by round, and those of our step."""
    ours = arms.steps["ours"][1]
    once = statistics.median(timed({"it": ours}, rounds=3, warmup=2)["it"])
    repeats = max(1, round(TURN / once))

    def turn(one: Step) -> None:
        for _ in range(repeats):
            one()

    functions = {key: partial(turn, one) for key, (_, one) in arms.steps.items()}
    seconds = timed(functions, rounds=ROUNDS if once < 4 * TURN else FEWER, warmup=1)
    return seconds, statistics.median(seconds["ours"]) / repeats


class Ratio(NamedTuple):
    """How many times as long one takes as another, round by round: the median, and the middle half of the rounds."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def paired_ratio(seconds: Mapping[str, Sequence[float]], over: str, under: str) -> Ratio:
    """Return how many times as long `over` took as `under`: two that run close together share the weather."""
    ratios = [a / b for a, b in zip(seconds[over], seconds[under], strict=True)]
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Ratio(median, low, high)


def main(argv: list[str] | None = None) -> None:
    """Measure the rows whose name holds one of the given words, or all, and print one line for each."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.steps", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="rows whose name holds one; without, all")
    parser.add_argument("--compiled", action="store_true", help="our models under torch.compile as well")
    given = parser.parse_args(argv)
    words, with_compiled = given.words, given.compiled
    installed()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    best = peak()
    print(f"a training step: ours over theirs, median of paired ratios (middle half); bar: {BAR} against the best peer")
    print(f"one thread, product of two {SIZE} x {SIZE} matrices: {best / 1e9:.0f} GFLOP/s")
    head = f"{'what':<23}{'ours ms':>9}{'of peak':>9}"
    print(head + "".join(f"{peer:>21}" for peer in PEERS) + f"{'best':>7}" + with_compiled * f"{'compiled':>21}")
    parameters = []
    for row in ROWS:
        arms = row()
        if words and not any(word in arms.name for word in words):
            continue
        if with_compiled:
            model, loss = arms.ours
            arms.steps["compiled"] = step(torch.compile(copy.deepcopy(model)), loss)
        seconds, ours = measure(arms)
        ratios = {peer: paired_ratio(seconds, "ours", peer) for peer in PEERS if peer in seconds}
        line = f"{arms.name:<23}{ours * 1e3:>9.2f}{arms.flops / ours / best:>9.0%}"
        line += "".join(f"{ratios.get(peer, '-')!s:>21}" for peer in PEERS) + f"{max(ratios.values()).median:>7.2f}"
        if with_compiled:
            line += f"{paired_ratio(seconds, 'compiled', 'ours')!s:>21}"
        print(line, flush=True)
        counts = {key: count for key, (count, _) in arms.steps.items()}
        parameters.append((arms.name, [counts.get(key) for key in ("ours", *PEERS)]))
    print(f"\n{'parameters':<32}" + "".join(f"{key:>21}" for key in ("ours", *PEERS)))
    for name, found in parameters:
        print(f"{name:<32}" + "".join(f"{'-' if each is None else f'{each:,}':>21}" for each in found))


if __name__ == "__main__":
    main()
