"""The networks that read images and symbols under torch's own tools: compile, export, vmap, autocast, the meta device.

A `forward` that looked at values would fail in each of them.
"""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from lecturelib.baselines import ConvolutionalNetwork
from lecturelib.mae import MaskedAutoencoder, random_mask
from lecturelib.recurrent import Reader
from lecturelib.vision import VisionTransformer

X = torch.rand(3, 2, 4, 6, generator=torch.Generator().manual_seed(0))
MASK = random_mask(3, 2, 3, 0.7, generator=torch.Generator().manual_seed(0))  # 4 of 6 are hidden
TOKENS = torch.randint(5, (3, 7), generator=torch.Generator().manual_seed(0))


def vit(pool: str, positions: str = "learned", num_classes: int | None = None) -> VisionTransformer:
    return VisionTransformer((2, 4, 6), 2, 8, 2, 2, num_classes, pool, positions)


# name -> how to make a network, and what to ask it
MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[torch.Tensor, ...], dict[str, Any]]] = {
    "vit, mean": (lambda: vit("mean", num_classes=5), (X,), {}),
    "vit, class token": (lambda: vit("class", "sinusoidal", 5), (X,), {}),
    "mae, mean": (lambda: MaskedAutoencoder(vit("mean"), 8, 2, 1), (X, MASK), {"visible": 2}),
    "mae, class token": (lambda: MaskedAutoencoder(vit("class", "none"), 8, 2, 1), (X, MASK), {"visible": 2}),
    "convolutions": (lambda: ConvolutionalNetwork((2, 4, 6), 4, 5), (X,), {}),
    "rnn": (lambda: Reader("rnn", 5, 8, 3), (TOKENS,), {}),
    "lstm": (lambda: Reader("lstm", 5, 8, 3), (TOKENS,), {}),
    "gru": (lambda: Reader("gru", 5, 8, 3), (TOKENS,), {}),
}
every_model = pytest.mark.parametrize("name", MODELS)


@every_model
def test_compiles_in_one_graph(name: str) -> None:
    make, given, how = MODELS[name]
    model = make().eval()
    torch._dynamo.reset()
    with torch._dynamo.config.patch(allow_rnn=True):  # torch's own cells wait for this switch
        torch.testing.assert_close(torch.compile(model, fullgraph=True, backend="eager")(*given, **how), model(*given))


@every_model
@pytest.mark.filterwarnings("ignore")
def test_exports_for_batches_of_any_size(name: str) -> None:
    make, given, how = MODELS[name]
    model = make().eval()
    any_batch = (*({0: torch.export.Dim.DYNAMIC} for _ in given), *(None for _ in how))
    exported = torch.export.export(model, given, how, dynamic_shapes=any_batch).module()
    torch.testing.assert_close(exported(*given, **how), model(*given))
    more = tuple(torch.cat([each, each.flip(0)]) for each in given)
    torch.testing.assert_close(exported(*more, **how), model(*more))


@pytest.mark.parametrize("name", [name for name in MODELS if name not in Reader.CELLS])  # torch's cells cannot do it
def test_several_are_asked_at_once_by_vmap(name: str) -> None:
    make, given, how = MODELS[name]
    models = [make().eval() for _ in range(3)]
    base = copy.deepcopy(models[0]).to("meta")
    found = vmap(lambda *state: functional_call(base, state, given, how))(*stack_module_state(models))
    torch.testing.assert_close(found, torch.stack([model(*given) for model in models]))


@every_model
def test_autocast_changes_the_result_by_rounding_only(name: str) -> None:
    make, given, _ = MODELS[name]
    model = make().eval()
    with torch.autocast("cpu", torch.bfloat16):
        if name == "lstm":  # without AVX-512 torch's own nn.LSTM has none
            try:
                nn.LSTM(2, 2)(torch.zeros(1, 1, 2))
            except RuntimeError as problem:
                pytest.skip(f"nn.LSTM in bfloat16 on this processor: {problem!s:.50}")
        found = model(*given)
        found.float().square().mean().backward()
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), model(*given), atol=0.05, rtol=0.05)


@every_model
def test_shapes_are_found_on_the_meta_device(name: str) -> None:
    make, given, how = MODELS[name]
    found = make().to("meta")(*(each.to("meta") for each in given), **how)
    assert found.is_meta and found.shape == make()(*given).shape


def test_the_number_of_visible_patches_says_what_counting_would() -> None:
    make, given, how = MODELS["mae, class token"]
    model = make()
    assert torch.equal(model(*given, **how), model(*given))
