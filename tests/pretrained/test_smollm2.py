"""SmolLM2 from its file: a small one that is written here, and the real one where it was fetched."""

import tempfile
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch

from lecturelib.foundation import LlamaModel, RMSNorm, write_with_cache
from lecturelib.language import generate
from lecturelib.pretrained import smollm2
from lecturelib.pretrained.fetch import RELEASES, path_of, ready
from tests.mutants import Mutant, planted
from tests.tools import require
from tests.twins import random_weights

BYTES = ["a", "b", "c", "1", "2", "Ġ", "Ċ"]
TOKENS = ["<|end|>", *BYTES, "ab", "abc", "Ġab", "12"]
MERGES = ["a b", "ab c", "Ġ ab", "1 2"]
NAMES = {ours: theirs for theirs, ours in smollm2.PARTS.items()}
HOW = "run `lecture fetch smollm2`: it brings the model that this test opens"


def small() -> Any:
    return random_weights(LlamaModel(len(TOKENS), 64, 4, 2, num_layers=2, d_ff=96, max_len=50, base=77.0), 1).float()


def write(folder: Path, model: Any, form: str = "llama", kind: int = 8) -> Path:
    """Write a model into a cache as llama.cpp does, with 8 bits a weight in its matrices."""
    path = folder / "smollm2-0.1.2" / RELEASES["smollm2"].members[0].name
    path.parent.mkdir(exist_ok=True)
    writer = gguf.GGUFWriter(path, form)
    layer = model.blocks[0].attention
    writer.add_vocab_size(len(TOKENS))
    writer.add_embedding_length(64)
    writer.add_head_count(layer.num_heads)
    writer.add_head_count_kv(layer.num_kv_heads)
    writer.add_block_count(len(model.blocks))
    writer.add_feed_forward_length(96)
    writer.add_context_length(model.max_len)
    writer.add_rope_freq_base(layer.base)
    writer.add_layer_norm_rms_eps(1e-3)
    writer.add_token_list(TOKENS)
    writer.add_token_types([3] + [1] * (len(TOKENS) - 1))
    writer.add_token_merges(MERGES)
    for name, weight in model.state_dict().items():
        part = name.removesuffix(".weight")
        if part.startswith("blocks."):
            _, n, part = part.split(".", 2)
            theirs = f"blk.{n}.{NAMES[part]}.weight"
        else:
            theirs = f"{NAMES[part]}.weight"
        numbers, quantized = weight.numpy(), gguf.GGMLQuantizationType(kind)
        if numbers.ndim == 2:
            writer.add_tensor(theirs, gguf.quantize(numbers, quantized), raw_dtype=quantized)
        else:
            writer.add_tensor(theirs, numbers)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def read(*model: Any, **how: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as change:
        change.setenv("LECTURELIB_CACHE", folder)
        write(Path(folder), *model, **how)
        return smollm2.load_smollm2()


@pytest.mark.parametrize(("kind", "apart"), [(0, 0.0), (8, 0.02)])
def test_a_model_is_read_as_it_was_written(kind: int, apart: float) -> None:
    model, (found, _) = small(), read(small(), kind=kind)
    assert not found.training and not any(each.requires_grad for each in found.parameters())
    assert found.max_len == 50 and {each.dtype for each in found.parameters()} == {torch.float32}
    for name, weight in model.state_dict().items():
        assert (found.state_dict()[name] - weight).abs().max() <= apart, name
    for module in model.modules():
        if isinstance(module, RMSNorm):
            module.eps = 1e-3
    tokens = torch.arange(11)[None]
    torch.testing.assert_close(found(tokens), model(tokens), rtol=0, atol=max(1e-5, 5 * apart))


def test_text_becomes_tokens_and_text_again() -> None:
    _, tokenizer = read(small())
    for text, pieces in (
        ("abc ab", ["abc", "Ġab"]), ("12", ["1", "2"]), ("a\nb", ["a", "Ċ", "b"]), ("<|end|>ab", ["<|end|>", "ab"]),
        ("abab", ["ab", "ab"]),
    ):  # fmt: skip
        encoded = tokenizer.encode(text)
        assert encoded.tokens == pieces and encoded.ids == [TOKENS.index(each) for each in pieces]
        assert tokenizer.decode(encoded.ids, skip_special_tokens=False) == text


def test_a_file_that_cannot_be_read_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LECTURELIB_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match=r"Q4_1\.gguf is not in .*: fetch it with `lecture fetch smollm2`"):
        smollm2.load_smollm2()
    path = write(tmp_path, small(), form="gpt2")
    with pytest.raises(ValueError, match=r"a model of the form 'gpt2': expected 'llama'\): `lecture fetch smollm2`"):
        smollm2.load_smollm2()
    whole = write(tmp_path, small()).read_bytes()
    renamed = whole.replace(b"blk.1.attn_q.weight", b"blk.1.attn_x.weight")
    for damaged in (whole[:0], whole[: len(whole) // 100], whole[: len(whole) // 2], b"hello" * 1000, renamed):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"Q4_1\.gguf is damaged, or holds another model \(.+\): `lecture fetch"):
            smollm2.load_smollm2()


TEXT = 'The year 1969: "déjà vu",\n\tdef f(x): return x + 21  # naïve\n' * 2


def test_the_real_model_is_hugging_faces() -> None:
    """The same logits, the same tokens, the same greedy text, with a cache and without."""
    require(ready("smollm2"), HOW)
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    import tests.twins  # noqa: F401  (before transformers)

    path = path_of("smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")
    model, tokenizer = smollm2.load_smollm2()
    assert sum(each.numel() for each in model.parameters()) == 134_515_008
    their_tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    tokens = tokenizer.encode(TEXT).ids
    assert tokens == their_tokenizer(TEXT)["input_ids"] and tokenizer.decode(tokens) == TEXT
    config = load_gguf_checkpoint(path)["config"]
    config["rope_parameters"] = {"rope_type": "default", "rope_theta": config.pop("rope_theta")}
    twin = LlamaForCausalLM(LlamaConfig(**config)).eval()
    weights = load_gguf_checkpoint(path, return_tensors=True, model_to_load=twin)["tensors"]
    twin.load_state_dict(weights | {"lm_head.weight": weights["model.embed_tokens.weight"]}, assign=True)
    with torch.no_grad():
        found, expected = model(torch.tensor([tokens])), twin(torch.tensor([tokens])).logits
        assert (found - expected).abs().max() < 1e-3 * expected.std()
        prompt = torch.tensor([tokenizer.encode("The capital of France is").ids])
        theirs = twin.generate(prompt, max_new_tokens=50, do_sample=False, eos_token_id=None, pad_token_id=0)
    del twin
    written = [int(each) for each in write_with_cache(model, prompt, 50, temperature=0)]
    assert theirs[0].tolist() == prompt[0].tolist() + written
    assert generate(model, prompt, 50, temperature=0)[0].tolist() == prompt[0].tolist() + written
    assert tokenizer.decode(written[:2]) == " Paris."


READ, CUT = test_a_model_is_read_as_it_was_written, test_text_becomes_tokens_and_text_again

test_mutants = planted(
    smollm2,
    [
        Mutant('base=_value(reader, "llama.rope.freq_base"),', "", READ),
        Mutant('"ffn_gate": "feed_forward.gate", "ffn_up": "feed_forward.up"',
               '"ffn_gate": "feed_forward.up", "ffn_up": "feed_forward.gate"', READ),
        Mutant('module.eps = _value(reader, "llama.attention.layer_norm_rms_epsilon")', "pass", READ),
        Mutant("pre_tokenizers.Digits(individual_digits=True), bytes_of", "bytes_of", CUT),
        Mutant("tokenizer.decoder = decoders.ByteLevel()", "pass", CUT),
    ],
)  # fmt: skip
