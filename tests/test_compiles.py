"""What torch can do to a model that never looks at the values of a tensor: compile, export, vmap, autocast.

A `Translator` is only among those for autocast: `vmap` has no rule for torch's recurrent cells.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from lecturelib.attention import Attention, MultiHeadAttention, padding_mask
from lecturelib.baselines import ConvolutionalNetwork
from lecturelib.foundation import BertModel, LlamaModel
from lecturelib.mae import MaskedAutoencoder, random_mask
from lecturelib.recurrent import Reader
from lecturelib.transformer import Block, Encoder, EncoderDecoder, LanguageModel
from lecturelib.translation import Pointer, Translator
from lecturelib.vision import VisionTransformer

Case = tuple[Callable[[], nn.Module], tuple[Any, ...]]
X, LENGTHS = torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(1)), torch.tensor([5, 3])
TOKENS = torch.randint(7, (2, 5), generator=torch.Generator().manual_seed(1))
IMAGES = torch.rand(3, 2, 4, 6, generator=torch.Generator().manual_seed(0))
HIDDEN = random_mask(3, 2, 3, 0.7, generator=torch.Generator().manual_seed(0))  # 4 of 6 are hidden


def vit(pool: str, positions: str = "learned", num_classes: int | None = None) -> VisionTransformer:
    return VisionTransformer((2, 4, 6), 2, 8, 2, 2, num_classes, pool, positions)


# name -> how to make a model, and what to ask it
MODELS: dict[str, Case] = {
    "a head": (lambda: Attention(6, 2, 3), (X,)),
    "pointer": (lambda: Pointer(Attention(6, 2, 3), 7, 5), (TOKENS, TOKENS)),
    "heads at others": (lambda: MultiHeadAttention(6, 2), (X, X.flip(0), padding_mask(LENGTHS, 5))),
    "heads, long": (lambda: MultiHeadAttention(6, 2), (X.repeat(1, 20, 1),)),
    "block": (lambda: Block(6, 2, cross=True), (X, None, X, padding_mask(LENGTHS, 5), True)),
    "encoder": (lambda: Encoder(7, 6, 2, 1, 9), (TOKENS, LENGTHS)),
    "language model": (lambda: LanguageModel(7, 6, 2, 1, 9), (TOKENS,)),
    "encoder and decoder": (lambda: EncoderDecoder(7, 7, 6, 2, 1, 9), (TOKENS, TOKENS, LENGTHS)),
    "Llama": (lambda: LlamaModel(7, 8, 4, 2, 1, 11, 9), (TOKENS,)),
    "BERT": (lambda: BertModel(7, 6, 2, 1, 11, 9), (TOKENS, LENGTHS)),
    "vit, mean": (lambda: vit("mean", num_classes=5), (IMAGES,)),
    "vit, class token": (lambda: vit("class", "sinusoidal", 5), (IMAGES,)),
    "mae, mean": (lambda: MaskedAutoencoder(vit("mean"), 8, 2, 1), (IMAGES, HIDDEN, 2)),
    "mae, class token": (lambda: MaskedAutoencoder(vit("class", "none"), 8, 2, 1), (IMAGES, HIDDEN, 2)),
    "convolutions": (lambda: ConvolutionalNetwork((2, 4, 6), 4, 5), (IMAGES,)),
}
READERS: dict[str, Case] = {kind: (partial(Reader, kind, 7, 8, 3), (TOKENS,)) for kind in ("rnn", "lstm", "gru")}
TRANSLATORS: dict[str, Case] = {
    "attention": (lambda: Translator(7, 7, 6), (TOKENS, TOKENS, LENGTHS)),
    "one vector": (lambda: Translator(7, 7, 6, attention=False), (TOKENS, TOKENS, LENGTHS)),
}
ALL = MODELS | READERS | TRANSLATORS


@pytest.fixture(autouse=True)
def nothing_compiled_before() -> Iterator[None]:
    torch.manual_seed(0)
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("name", MODELS | READERS)
def test_a_model_compiles_as_one_graph_forward_and_backward(name: str) -> None:
    build, given = ALL[name]
    model, backend = build().eval(), "eager" if name in READERS else "aot_eager"  # which cannot do torch's own cells
    with torch._dynamo.config.patch(allow_rnn=True):  # they wait for this switch
        expected, found = model(*given), torch.compile(model, fullgraph=True, backend=backend)(*given)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    gradients = [torch.autograd.grad(each.square().sum(), list(model.parameters())) for each in (expected, found)]
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("build", [lambda: LanguageModel(7, 6, 2, 1, 99), lambda: LlamaModel(7, 8, 4, 2, 1, 11, 99)])
def test_a_compiled_model_takes_other_lengths(build: Callable[[], nn.Module]) -> None:
    model = build()
    compiled = torch.compile(model, fullgraph=True, backend="eager", dynamic=True)
    for length in (5, 7, 70):
        tokens = TOKENS.repeat(1, 14)[:, :length]
        torch.testing.assert_close(compiled(tokens), model(tokens), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", MODELS | READERS)
@pytest.mark.filterwarnings("ignore")
def test_a_model_exports_for_batches_of_any_size(name: str) -> None:
    build, given = ALL[name]
    model = build().eval()
    any_batch = tuple({0: torch.export.Dim.DYNAMIC} if isinstance(each, torch.Tensor) else None for each in given)
    exported = torch.export.export(model, given, dynamic_shapes=any_batch).module()
    torch.testing.assert_close(exported(*given), model(*given))
    more = tuple(torch.cat([each, each.flip(0)]) if isinstance(each, torch.Tensor) else each for each in given)
    torch.testing.assert_close(exported(*more), model(*more))


@pytest.mark.parametrize("name", MODELS)
def test_a_stack_of_models_is_run_as_one(name: str) -> None:
    build, given = ALL[name]
    models = [build() for _ in range(3)]
    weights, buffers = torch.func.stack_module_state(models)  # type: ignore[arg-type]

    def one(weights: dict[str, torch.Tensor], buffers: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.func.functional_call(models[0], (weights, buffers), given)

    with sdpa_kernel(SDPBackend.MATH):  # vmap has no rule for the fused kernel of the CPU: it would go one by one
        found = torch.func.vmap(one)(weights, buffers)
    torch.testing.assert_close(found, torch.stack([model(*given) for model in models]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in ALL if name != "lstm"])  # torch's own is not on each processor
def test_a_model_runs_under_autocast(name: str) -> None:
    build, given = ALL[name]
    model = build()
    with torch.autocast("cpu", torch.bfloat16):
        found = model(*given)
    expected = model(*given)
    assert (found - expected).abs().max() < 0.03 * expected.abs().max()
    assert not torch.equal(found, expected)  # it was rounded on the way
    found.sum().backward()
    assert all(each.grad is None or each.grad.isfinite().all() for each in model.parameters())
