"""What notebooks 04, 05 and 06 write out under the library's names computes the same as the library, and as torch."""

import ast
from typing import Any

import nbformat
import pytest
import torch

from lecturelib import attention, mae, transformer
from lecturelib.vision import VisionTransformer
from tests.notebooks.test_hygiene import ROOT, code_of
from tests.twins import attention_twin


def classes_of(notebook: str) -> dict[str, Any]:
    """The imports and classes of a notebook, without its experiments; a class written out stays, if imported later."""
    names: dict[str, Any] = {}
    classes: dict[str, Any] = {}
    for cell in nbformat.read(ROOT / "notebooks" / f"{notebook}.ipynb", as_version=4).cells:
        if cell.cell_type == "code" and "%pip" not in cell.source:
            kept = [each for each in code_of(cell).body if isinstance(each, ast.ImportFrom | ast.Import | ast.ClassDef)]
            exec(compile(ast.Module(kept, []), f"<{notebook}>", "exec"), names)
            classes |= {each.name: names[each.name] for each in kept if isinstance(each, ast.ClassDef)}
    return names | classes


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    return classes_of("04_transformers")


def same_weights(ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    torch.manual_seed(1)
    for each in theirs.parameters():
        torch.nn.init.normal_(each, std=0.5)
    ours.load_state_dict(theirs.state_dict())


@pytest.mark.parametrize("masked", [False, True])
def test_attention_with_several_heads(written: dict[str, Any], masked: bool) -> None:
    ours, library = written["MultiHeadAttention"](12, 3).double(), attention.MultiHeadAttention(12, 3).double()
    same_weights(ours, library)
    x, mask = torch.randn(2, 5, 12, dtype=torch.float64), attention.causal_mask(5) if masked else None
    torch.testing.assert_close(ours(x, mask), library(x, mask=mask))
    hidden = None if mask is None else ~mask  # torch: True = may not look
    torch.testing.assert_close(ours(x, mask), attention_twin(library)(x, x, x, attn_mask=hidden)[0])


def test_block(written: dict[str, Any]) -> None:
    ours, library = written["Block"](12, 3).double(), transformer.Block(12, 3).double()
    same_weights(ours, library)
    x, mask = torch.randn(2, 5, 12, dtype=torch.float64), attention.causal_mask(5)
    torch.testing.assert_close(ours(x, mask), library(x, mask))


def test_masked_autoencoder() -> None:
    encoder = VisionTransformer((1, 8, 8), patch_size=2, d_model=12, num_heads=3, num_layers=2).double()
    library = mae.MaskedAutoencoder(encoder, 8, 2, 1).double()
    ours = classes_of("06_masked_autoencoder")["MaskedAutoencoder"](encoder, 8, 2, 1).double()
    ours.decoder_pos_embed = library.decoder_pos_embed
    same_weights(ours, library)
    images = torch.randn(5, 1, 8, 8, dtype=torch.float64)
    mask = mae.random_mask(5, 4, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours(images, mask), library(images, mask))


def test_vision_transformer() -> None:
    sizes = (3, 4, 6), 2, 12, 3, 2, 5
    ours = classes_of("05_vision_transformer")["VisionTransformer"](*sizes).double()
    library = VisionTransformer(*sizes).double()
    same_weights(ours, library)
    images = torch.rand(2, 3, 4, 6, dtype=torch.float64)
    torch.testing.assert_close(ours(images), library(images))
