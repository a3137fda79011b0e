"""What notebook 04 writes out under the library's names computes the same as the library, and as torch."""

import ast
from typing import Any

import nbformat
import pytest
import torch

from lecturelib import attention, transformer
from tests.notebooks.test_hygiene import ROOT, code_of
from tests.twins import attention_twin


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    """The imports and classes of notebook 04, without its experiments."""
    names: dict[str, Any] = {}
    for cell in nbformat.read(ROOT / "notebooks" / "04_transformers.ipynb", as_version=4).cells:
        if cell.cell_type == "code" and "%pip" not in cell.source:
            kept = [each for each in code_of(cell).body if isinstance(each, ast.ImportFrom | ast.Import | ast.ClassDef)]
            exec(compile(ast.Module(kept, []), "<notebook 04>", "exec"), names)
    return names


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
