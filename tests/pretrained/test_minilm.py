"""MiniLM from its files, against Hugging Face's BertModel: small random weights, and the real ones where they are."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save

from lecturelib.pretrained import minilm
from lecturelib.pretrained.fetch import path_of, ready
from tests.mutants import Mutant, planted
from tests.tools import require
from tests.twins import bert_of_hugging_face, random_weights

HOW = "run `lecture fetch minilm`: it brings the model that this test opens"
TEXTS = ["A man is eating food.", "The girl is carrying a baby: 'Änne'!", "no", "42 is " + "very " * 40 + "long"]


def small() -> Any:
    theirs = bert_of_hugging_face(vocab_size=11, hidden_size=12, num_hidden_layers=2, num_attention_heads=3,
                                  intermediate_size=20, max_position_embeddings=9)  # fmt: skip
    return random_weights(theirs, 1).float()


def test_weights_of_hugging_face_find_their_places() -> None:
    theirs, tokens = small(), torch.arange(9)[None]
    ours = minilm.bert_of(theirs.state_dict(), num_heads=3)
    assert not ours.training and not any(each.requires_grad for each in ours.parameters())
    with torch.no_grad():
        torch.testing.assert_close(ours(tokens), theirs(tokens).last_hidden_state, rtol=0, atol=1e-5)


class Words:
    """A tokenizer of letters."""

    def encode(self, text: str) -> Any:
        return SimpleNamespace(ids=[0, *("abcdefg".index(letter) + 1 for letter in text)])


def test_a_text_has_the_same_vector_in_any_company() -> None:
    model = minilm.bert_of(small().state_dict(), num_heads=3)
    texts = ["abc", "g", "abcdefg", "cab"] * 20 + ["", "fe"]
    together = minilm.embed(texts, model, Words())
    torch.testing.assert_close(together, torch.cat([minilm.embed([text], model, Words()) for text in texts]))
    torch.testing.assert_close(together.norm(dim=1), torch.ones(len(texts)))
    tokens = torch.tensor([Words().encode("abc").ids])
    torch.testing.assert_close(together[0], F.normalize(model(tokens)[0].mean(0), dim=0))
    with pytest.raises(ValueError, match="10 tokens, the model 9 positions"):
        minilm.embed(["abcdefgab"], model, Words())
    with pytest.raises(ValueError, match="at least one text"):
        minilm.embed([], model, Words())


@pytest.mark.parametrize("how", ["cut", "another model", "no tokenizer", "nothing"])
def test_what_cannot_be_read_is_refused_in_words(tmp_path: Path, how: str, monkeypatch) -> None:
    monkeypatch.setenv("LECTURELIB_CACHE", str(tmp_path))
    folder = tmp_path / "minilm-0.1.0"
    if how != "nothing":
        folder.mkdir()
        weights = {"embeddings.word_embeddings.weight": torch.zeros(3, 4)} if how == "another model" else None
        whole = save(weights or small().state_dict())
        (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2] if how == "cut" else whole)
        (folder / "tokenizer.json").write_text("{" if how == "no tokenizer" else "{}")
    says = "is not in .*: fetch it with" if how == "nothing" else r"is damaged, or holds another model \(.+\):"
    with pytest.raises(ValueError, match=rf"{says} `lecture fetch minilm`"):
        minilm.load_minilm()


def test_the_real_model_is_hugging_faces() -> None:
    require(ready("minilm"), HOW)
    model, tokenizer = minilm.load_minilm()
    assert sum(each.numel() for each in model.parameters()) == 22_564_608
    theirs = bert_of_hugging_face(vocab_size=30_522, hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
                                  intermediate_size=1536)  # fmt: skip
    theirs.load_state_dict(load_file(path_of("minilm", "model.safetensors")), strict=False)
    found = minilm.embed(TEXTS, model, tokenizer)
    for text, vector in zip(TEXTS, found, strict=True):
        tokens = torch.tensor([tokenizer.encode(text).ids])
        with torch.no_grad():
            mean = theirs(tokens).last_hidden_state[0].mean(0)
        assert (vector - F.normalize(mean, dim=0)).abs().max() < 1e-5
    vectors = minilm.embed([TEXTS[0], "A man is eating a piece of bread.", TEXTS[1]], model, tokenizer)
    assert vectors[0] @ vectors[1] > 0.6 > 0.2 > vectors[0] @ vectors[2]


PLACES, COMPANY = test_weights_of_hugging_face_find_their_places, test_a_text_has_the_same_vector_in_any_company

test_mutants = planted(
    minilm,
    [
        Mutant("places + weights[", "weights[", PLACES),
        Mutant('"attention.self.query": "attention.q_proj", "attention.self.key": "attention.k_proj"',
               '"attention.self.query": "attention.k_proj", "attention.self.key": "attention.q_proj"', PLACES),
        Mutant("model(tokens, lengths)", "model(tokens)", COMPANY),
        Mutant("(model(tokens, lengths) * real).sum(1) / real.sum(1)", "model(tokens, lengths).mean(1)", COMPANY),
        Mutant("F.normalize(mean, dim=-1)", "mean", COMPANY),
        Mutant("[vectors[n] for n in range(len(encoded))]", "list(vectors.values())", COMPANY),
    ],
)  # fmt: skip
