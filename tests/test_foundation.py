"""Llama and BERT against Hugging Face's, their parts against torch's, and what a cache promises."""

from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lecturelib import foundation
from lecturelib.attention import record_attention
from lecturelib.language import generate
from lecturelib.pretrained import minilm
from tests.mutants import Mutant, planted
from tests.strategies import seeds, tokens_of
from tests.tools import refuses
from tests.twins import bert_of_hugging_face, llama_twin, parameters_that_rest, random_weights

VOCAB_SIZE, MAX_LEN = 11, 29
few = settings(max_examples=8)  # where a case builds whole models


def llama(seed: int = 1, num_heads: int = 6, num_kv_heads: int = 2, **changes: Any) -> foundation.LlamaModel:
    how: dict[str, Any] = {"num_layers": 3, "d_ff": 13, "max_len": MAX_LEN, "base": 100.0} | changes
    model = foundation.LlamaModel(VOCAB_SIZE, 4 * num_heads, num_heads, num_kv_heads, **how)
    return random_weights(model, seed)


def bert(seed: int = 1) -> foundation.BertModel:
    return random_weights(foundation.BertModel(VOCAB_SIZE, 12, 3, num_layers=2, d_ff=17, max_len=MAX_LEN), seed)


@pytest.mark.parametrize("num_kv_heads", [1, 2, 3, 6])
def test_llama_is_hugging_faces(num_kv_heads: int) -> None:
    model, tokens = llama(num_kv_heads=num_kv_heads), tokens_of(2, MAX_LEN, 1)
    expected = llama_twin(model)(tokens).logits
    assert expected.std() > 0.3
    torch.testing.assert_close(model(tokens), expected, rtol=0, atol=1e-5)


def test_bert_is_hugging_faces() -> None:
    theirs = bert_of_hugging_face(vocab_size=VOCAB_SIZE, hidden_size=12, num_attention_heads=3, num_hidden_layers=2,
                                  intermediate_size=17, max_position_embeddings=MAX_LEN)  # fmt: skip
    weights = minilm.bert_of(random_weights(theirs, 1).state_dict(), num_heads=3).state_dict()
    model, tokens, lengths = bert(), tokens_of(3, 7, 1), torch.tensor([7, 1, 4])
    model.load_state_dict(weights)
    real = torch.arange(7) < lengths[:, None]
    expected = theirs(tokens, attention_mask=real.long()).last_hidden_state
    torch.testing.assert_close(model(tokens, lengths)[real], expected[real], rtol=0, atol=1e-5)
    torch.testing.assert_close(model(tokens), theirs(tokens).last_hidden_state, rtol=0, atol=1e-5)


@few
@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), seeds, st.booleans())
@example([3, 1, 4], 1, False)
@example([3, 1, 4], 1, True)
def test_reading_on_is_reading_all_at_once(parts: list[int], seed: int, watched: bool) -> None:
    model, tokens = llama(seed), tokens_of(2, sum(parts), seed)
    cache: foundation.Cache = {}
    expected, found = model(tokens), []
    for part in tokens.split(parts, dim=1):
        if watched:
            with record_attention(model) as maps:
                found.append(model(part, cache))
            assert maps["blocks.2.attention"].weights.shape == (2, 6, part.shape[1], foundation.tokens_read(cache))
        else:
            found.append(model(part, cache))
    torch.testing.assert_close(torch.cat(found, 1), expected)
    torch.testing.assert_close(model(tokens, logits_to_keep=parts[-1]), expected[:, -parts[-1] :])
    assert foundation.tokens_read(cache) == sum(parts) and len(cache) == 3
    assert {each.shape for pair in cache.values() for each in pair} == {(2, 2, sum(parts), 4)}  # G, not H


def test_a_cache_can_be_shared_by_texts_that_begin_alike() -> None:
    model, prefix, ends = llama(), tokens_of(1, 5, 1), tokens_of(3, 4, 2)
    cache: foundation.Cache = {}
    model(prefix, cache)
    shared = {layer: (k.expand(3, -1, -1, -1), v.expand(3, -1, -1, -1)) for layer, (k, v) in cache.items()}
    expected = model(torch.cat([prefix.expand(3, -1), ends], 1))[:, 5:]
    torch.testing.assert_close(model(ends, dict(shared)), expected)
    torch.testing.assert_close(model(ends, dict(shared)), expected)  # the first left nothing behind
    assert foundation.tokens_read(cache) == 5


@pytest.mark.parametrize("how", [{"temperature": 0}, {"temperature": 0.8, "top_k": 4, "seed": 3}])
def test_writing_with_a_cache_writes_the_same_and_reads_each_token_once(how: dict[str, Any]) -> None:
    model, prompt = llama(), tokens_of(2, 5, 1)
    read: list[int] = []
    handle = model.register_forward_pre_hook(lambda _, given: read.append(given[0].shape[1]))
    written = list(foundation.write_with_cache(model, prompt, MAX_LEN - 4, **how))  # as many as there are positions
    handle.remove()
    assert read == [5] + [1] * (MAX_LEN - 5)
    assert torch.equal(torch.cat([prompt, torch.stack(written, 1)], 1), generate(model, prompt, MAX_LEN - 4, **how))


def test_each_parameter_learns_and_the_table_is_also_the_head() -> None:
    model = llama()
    assert len(list(model.parameters())) == 2 + 3 * 9
    model(tokens_of(2, VOCAB_SIZE, 1)).square().sum().backward()
    assert parameters_that_rest(model) == []
    model.zero_grad()
    model(torch.zeros(1, 2, dtype=torch.long)).sum().backward()
    gradient = model.embedding.weight.grad
    assert gradient is not None and gradient.any(1).all()  # also of the tokens that do not stand in the text


MODEL, PROMPT = llama(), tokens_of(2, 3, 1)


def read_twice(tokens: torch.Tensor) -> None:
    cache: foundation.Cache = {}
    MODEL(tokens, cache)
    MODEL(tokens, cache)


test_bad_input_is_refused_in_words = refuses(
    (lambda: foundation.GroupedQueryAttention(12, 4, 2), ["even width"]),
    (lambda: foundation.GroupedQueryAttention(12, 3, 2), ["num_kv_heads=2", "as many of them for each pair"]),
    (lambda: MODEL(PROMPT.repeat(1, 10)), ["30 are to come", f"at most {MAX_LEN}"]),
    (lambda: read_twice(PROMPT.repeat(1, 5)), ["15 tokens were read and 15 are to come", f"at most {MAX_LEN}"]),
    (lambda: foundation.write_with_cache(MODEL, PROMPT, MAX_LEN - 1), ["3 tokens and 28 steps", "at most 30"]),
)


LLAMA = test_llama_is_hugging_faces
READ_ON = test_reading_on_is_reading_all_at_once

test_mutants = planted(
    foundation,
    [
        Mutant("x * torch.rsqrt(x.square().mean", "(x - x.mean(-1, keepdim=True)) * torch.rsqrt(x.square().mean",
               LLAMA),
        Mutant("rsqrt(x.square().mean(dim=-1, keepdim=True) + self.eps)",
               "rsqrt(x.square().mean(dim=-1, keepdim=True)) + self.eps", LLAMA),
        Mutant("F.silu(self.gate(x)) * self.up(x)", "self.gate(x) * F.silu(self.up(x))", LLAMA),
        Mutant("F.silu(self.gate(x)) *", "F.gelu(self.gate(x)) *", LLAMA),
        Mutant("q, k = apply_rotary(q, positions, self.base), apply_rotary(k, positions, self.base)",
               "q, v = apply_rotary(q, positions, self.base), apply_rotary(v, positions, self.base)", LLAMA),
        Mutant("        q, k = apply_rotary(q, positions, self.base)", "        q, k = apply_rotary(q, positions)",
               LLAMA),
        Mutant("k, v = k.repeat_interleave(heads_each, dim=1), v.repeat_interleave(heads_each, dim=1)",
               "k, v = k.repeat(1, heads_each, 1, 1), v.repeat(1, heads_each, 1, 1)", LLAMA),
        Mutant("mix = attend_fused(q, k, v, mask)", "mix = attend_fused(q, k, v)", LLAMA),
        Mutant("mix.transpose(1, 2).flatten(2)", "mix.reshape(x.shape)", LLAMA),
        Mutant("start, start + x.shape[1]", "0, x.shape[1]", READ_ON),
        Mutant("causal_mask(k.shape[2], x.device)[start:]", "causal_mask(k.shape[2], x.device)[: x.shape[1]]", READ_ON),
        Mutant("torch.cat([before[0], k], dim=2)", "torch.cat([k, before[0]], dim=2)", READ_ON),
        Mutant("            cache[self] = k, v\n", "            cache.setdefault(self, (k, v))\n", READ_ON),
        Mutant("x = x + self.attention(self.norm_attention(x), cache)",
               "x = self.norm_attention(x + self.attention(x, cache))", LLAMA),
        Mutant("F.linear(self.norm(x[:, -logits_to_keep:]), self", "F.linear(x[:, -logits_to_keep:], self", LLAMA),
        Mutant("x[:, -logits_to_keep:]", "x[:, logits_to_keep:]", READ_ON),
        Mutant("self.norm_attention(x + self.attention(x, mask=mask))",
               "x + self.attention(self.norm_attention(x), mask=mask)", test_bert_is_hugging_faces),
        Mutant("self.norm(self.embedding(tokens)), key_mask", "self.embedding(tokens), key_mask",
               test_bert_is_hugging_faces),
        Mutant("            x = block(x, mask)\n", "            x = block(x)\n",
               test_bert_is_hugging_faces),
        Mutant("model(text[:, tokens_read(cache) :], cache, logits_to_keep=1)", "model(text, {}, logits_to_keep=1)",
               test_writing_with_a_cache_writes_the_same_and_reads_each_token_once),
        Mutant("F.linear(self.norm(x[:, -logits_to_keep:]), self.embedding.weight)",
               "F.linear(self.norm(x[:, -logits_to_keep:]), self.embedding.weight.detach())",
               test_each_parameter_learns_and_the_table_is_also_the_head),
    ],
)  # fmt: skip
