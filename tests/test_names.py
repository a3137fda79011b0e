"""Names are the field's: none of those that the first edition made up has come back.

Whole words of prose are free; what is looked at are parameters, keywords, attributes, functions and classes.
"""

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = [*sorted((ROOT / "lecturelib").rglob("*.py")), *sorted((ROOT / "notebooks").glob("*.ipynb"))]

# what it was called, and what torch, timm, Hugging Face and nanoGPT call it
OLD = {
    "add_low_rank": "add_lora",
    "class_token": "cls_token",
    "colour": "color",
    "colours": "colors",
    "context_width": "d_context",
    "longest": "max_len",
    "low_rank": "lora",
    "LowRank": "LoRA",
    "masked": "mask",
    "minimise": "minimize",
    "normalise": "normalize",
    "normalised": "norm_pix_loss",
    "source_symbols": "source_vocab_size",
    "summarise": "pool_tokens",
    "symbols": "vocab_size, or alphabet",
    "target_symbols": "target_vocab_size",
}


def code_of(path: Path) -> str:
    """Return the Python of a file; of a notebook the cells' code, without its magics."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return text
    cells = [cell["source"] for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    return re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", "\n".join("".join(cell) for cell in cells))


def old_names(code: str) -> list[str]:
    """List the old names that the code gives to something, or asks something for, each with its line."""
    found = []
    for node in ast.walk(ast.parse(code)):
        name = (
            node.arg
            if isinstance(node, ast.arg | ast.keyword)
            else node.attr
            if isinstance(node, ast.Attribute)
            else node.name
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
            else None
        )
        if name in OLD:
            found.append(f"line {node.lineno}: {name} is called {OLD[name]} now")  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_old_name_has_come_back(path: Path) -> None:
    assert old_names(code_of(path)) == []


@pytest.mark.parametrize(
    "code", ["def f(longest): pass", "g(symbols=3)", "model.class_token", "class LowRank: pass", "def masked(): 0"]
)
def test_an_old_name_is_found(code: str) -> None:
    assert len(old_names(code)) == 1
