"""GPT-2 and a masked autoencoder in the layout of their files: random weights, made and judged by Hugging Face."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from lecturelib.mae import random_mask
from lecturelib.pretrained import hub
from lecturelib.vision import patchify
from tests.mutants import Mutant, planted
from tests.twins import random_weights  # before transformers

GPT2 = {"vocab_size": 13, "n_positions": 9, "n_embd": 12, "n_layer": 2, "n_head": 3, "bos_token_id": 0,
        "eos_token_id": 0}  # fmt: skip
MAE = {"image_size": 12, "patch_size": 4, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3,
       "intermediate_size": 48, "decoder_hidden_size": 8, "decoder_num_hidden_layers": 1,
       "decoder_num_attention_heads": 2, "decoder_intermediate_size": 32, "num_channels": 3,
       "layer_norm_eps": 1e-12}  # fmt: skip


def gpt2() -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    return random_weights(GPT2LMHeadModel(GPT2Config(**GPT2)), 1).float().eval()


def vit_mae(**changes: Any) -> Any:
    from transformers import ViTMAEConfig, ViTMAEForPreTraining

    model = random_weights(ViTMAEForPreTraining(ViTMAEConfig(**MAE, **changes)), 1).float().eval()
    model.decoder.decoder_pos_embed.data[:, 0] = 0  # that of the class token, as in the file
    return model


def saved(model: Any, folder: Path) -> hub.Weights:
    """Return the weights as they lie in the file on the hub, which is older than the names of today."""
    model.save_pretrained(folder)
    weights = load_file(folder / "model.safetensors")
    return {name.replace("decoder_encoder.layer", "decoder_layers"): each for name, each in weights.items()}


def test_gpt2_is_hugging_faces() -> None:
    theirs, tokens = gpt2(), torch.arange(9)[None]
    mask_of_old_files = {"transformer.h.0.attn.bias": torch.ones(1, 1, 9, 9)}
    ours = hub.gpt2_of(theirs.state_dict() | mask_of_old_files, num_heads=3)
    assert not ours.training and not any(each.requires_grad for each in ours.parameters())
    torch.testing.assert_close(ours(tokens), theirs(tokens).logits.detach(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("norm_pix_loss", [False, True])
def test_the_masked_autoencoder_is_hugging_faces(norm_pix_loss: bool) -> None:
    theirs = vit_mae(norm_pix_loss=norm_pix_loss)
    folder = Path(tempfile.mkdtemp())
    ours = hub.vit_mae_of(saved(theirs, folder), json.loads((folder / "config.json").read_text()))
    generator = torch.Generator().manual_seed(2)
    images, mask = torch.rand(2, 3, 12, 12, generator=generator), random_mask(2, 3, 3, 0.75, generator=generator)
    mean, deviation = (torch.tensor(each)[:, None, None] for each in (hub.MEAN, hub.DEVIATION))
    with torch.no_grad():
        noise = mask.float() + torch.linspace(0, 0.5, 9)  # it keeps the smallest, in their order
        found = theirs((images - mean) / deviation, noise=noise)
    assert torch.equal(found.mask.bool(), mask)
    expected = theirs.unpatchify(found.logits.detach())
    if not norm_pix_loss:
        expected = expected * deviation + mean
    torch.testing.assert_close(ours(images, mask), patchify(expected, 4), rtol=0, atol=1e-4)


def test_from_the_hub_come_settings_and_safetensors_or_a_line_that_says_why_not(monkeypatch, tmp_path: Path) -> None:
    there = {"config.json", "model.safetensors"}

    def download(repository: str, name: str) -> str:
        there.remove(name)  # and nothing else, nor twice
        return str(tmp_path / name)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    save_file(saved(vit_mae(), tmp_path), tmp_path / "model.safetensors")
    assert hub.load_vit_mae().encoder.image_size == (3, 12, 12)
    with pytest.raises(OSError, match=r"config\.json of openai-community/gpt2 could not be had .*: is there a network"):
        hub.load_gpt2()
    there.add("config.json")
    with pytest.raises(ValueError, match="holds a model of the form 'vit_mae': expected 'gpt2'"):
        hub.load_gpt2()


LIKE_GPT2, LIKE_MAE = test_gpt2_is_hugging_faces, test_the_masked_autoencoder_is_hugging_faces

test_mutants = planted(
    hub,
    [
        Mutant('nn.GELU(approximate="tanh")', "nn.ReLU()", LIKE_GPT2),
        Mutant("each.T if each.ndim == 2 else each", "each", LIKE_GPT2),
        Mutant('zip("qkv"', 'zip("kqv"', LIKE_GPT2),
        Mutant("flatten(1) / deviation", "flatten(1)", LIKE_MAE),
        Mutant("each.unflatten(0, (-1, channels)).transpose(0, 1).flatten(0, 1)", "each", LIKE_MAE),
        Mutant("bias * deviation + mean", "bias * deviation", LIKE_MAE),
        Mutant('module.eps = settings["layer_norm_eps"]', "module.eps = 0.1", LIKE_MAE),
        Mutant('cls_token"] + places[0]', 'cls_token"]', LIKE_MAE),
    ],
)  # fmt: skip
