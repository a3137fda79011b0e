"""GPT-2 and a large masked autoencoder from the Hugging Face hub, in the models of notebooks 04 and 06.

Both need a network once, and some 500 MB each. Only safetensors are read: numbers, never code.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from torch import nn

from lecturelib.mae import MaskedAutoencoder
from lecturelib.pretrained.load import Weights, renamed
from lecturelib.transformer import FeedForward, LanguageModel
from lecturelib.vision import VisionTransformer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of red, green, blue in ImageNet


def load_gpt2() -> tuple[LanguageModel, Tokenizer]:
    """Return GPT-2 and its tokenizer. Source: Radford and others 2019; MIT licence.

    Raises: OSError where the hub cannot be reached; ValueError for a model of another form.
    """
    from tokenizers import Tokenizer

    repository = "openai-community/gpt2"
    settings, weights = _read(repository, "gpt2")
    return gpt2_of(weights, settings["n_head"]), Tokenizer.from_file(str(_file(repository, "tokenizer.json")))


def load_vit_mae() -> MaskedAutoencoder:
    """Return the masked autoencoder that learned from ImageNet. Source: He and others 2022; Apache-2.0.

    It takes and paints images with numbers from 0 to 1, (3, 224, 224).
    Raises: OSError where the hub cannot be reached; ValueError for a model of another form.
    """
    settings, weights = _read("facebook/vit-mae-base", "vit_mae")
    return vit_mae_of(weights, settings)


def gpt2_of(weights: Weights, num_heads: int) -> LanguageModel:
    """Return our model with the weights of GPT-2.

    Two things differ from notebook 04: the gelu is computed by its older formula with a tanh, and the head is the table
    of the tokens, without a bias. Its matrices are stored the other way round, those of q, k and v as one.
    """
    weights = {name.removeprefix("transformer."): each for name, each in weights.items()}
    table, places = weights["wte.weight"], weights["wpe.weight"]
    num_layers = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("h."))
    with torch.device("meta"):
        model = LanguageModel(len(table), table.shape[1], num_heads, num_layers, len(places))
    for module in model.modules():
        if isinstance(module, FeedForward):
            module[1] = nn.GELU(approximate="tanh")
    ours = renamed(weights, {"ln_f": "norm"})
    ours |= {"embedding.tokens.weight": table, "embedding.table": places, "head.weight": table}
    ours["head.bias"] = table.new_zeros(len(table))
    for n in range(num_layers):
        here, there = f"h.{n}", f"blocks.{n}"
        layer = renamed(weights, {f"{here}.{part}": f"{there}.{GPT2_PARTS[part]}" for part in GPT2_PARTS})
        for kind in ("weight", "bias"):
            qkv = zip("qkv", weights[f"{here}.attn.c_attn.{kind}"].chunk(3, dim=-1), strict=True)
            layer |= {f"{there}.attention.{each}_proj.{kind}": part for each, part in qkv}
        ours |= {name: each.T if each.ndim == 2 else each for name, each in layer.items()}
    model.load_state_dict(ours, assign=True)
    return model.eval().requires_grad_(False)


def vit_mae_of(weights: Weights, settings: dict[str, Any]) -> MaskedAutoencoder:
    """Return our model with the weights of Hugging Face's ViTMAEForPreTraining.

    It was trained on images with ImageNet's mean and deviation taken off each color: the first and the last layer do
    that here. Its patches hold pixels color by color for each place, ours place by place for each color.
    """
    size, patch_size, channels = settings["image_size"], settings["patch_size"], settings["num_channels"]
    encoder = VisionTransformer(
        (channels, size, size), patch_size, settings["hidden_size"], settings["num_attention_heads"],
        settings["num_hidden_layers"], pool="class",
    )  # fmt: skip
    model = MaskedAutoencoder(
        encoder, settings["decoder_hidden_size"], settings["decoder_num_attention_heads"],
        settings["decoder_num_hidden_layers"], settings["norm_pix_loss"],
    ).to(weights["decoder.mask_token"].dtype)  # fmt: skip
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = settings["layer_norm_eps"]
    places = weights["vit.embeddings.position_embeddings"][0]
    mean, deviation = (torch.tensor(each).to(places).repeat_interleave(patch_size**2) for each in (MEAN, DEVIATION))
    first = weights["vit.embeddings.patch_embeddings.projection.weight"].flatten(1) / deviation  # (D, C P P)
    last, bias = (weights[f"decoder.decoder_pred.{each}"] for each in ("weight", "bias"))
    last, bias = (each.unflatten(0, (-1, channels)).transpose(0, 1).flatten(0, 1) for each in (last, bias))
    if not settings["norm_pix_loss"]:
        last, bias = last * deviation[:, None], bias * deviation + mean
    names = {"vit.layernorm": "encoder.norm", "decoder.decoder_norm": "decoder_norm",
             "decoder.decoder_embed": "decoder_embed"}  # fmt: skip
    for theirs, our_name, count in (
        ("vit.encoder.layer", "encoder.blocks", len(encoder.blocks)),
        ("decoder.decoder_layers", "decoder_blocks", len(model.decoder_blocks)),
    ):
        names |= {
            f"{theirs}.{n}.{part}": f"{our_name}.{n}.{VIT_PARTS[part]}" for n in range(count) for part in VIT_PARTS
        }
    model.load_state_dict({
        "encoder.patch_embed.weight": first,
        "encoder.patch_embed.bias": weights["vit.embeddings.patch_embeddings.projection.bias"] - first @ mean,
        "encoder.pos_embed": places[1:],
        "encoder.cls_token": weights["vit.embeddings.cls_token"] + places[0],
        "mask_token": weights["decoder.mask_token"].flatten(),
        "decoder_pred.weight": last,
        "decoder_pred.bias": bias,
        **renamed(weights, names),
    })  # fmt: skip
    model.decoder_pos_embed.copy_(weights["decoder.decoder_pos_embed"][0, 1:])  # that of the class token is 0
    return model.eval().requires_grad_(False)


# what Hugging Face calls a part of a layer, and what we call it
GPT2_PARTS = {
    "attn.c_proj": "attention.out_proj", "mlp.c_fc": "feed_forward.0", "mlp.c_proj": "feed_forward.2",
    "ln_1": "norm_attention", "ln_2": "norm_feed_forward",
}  # fmt: skip
VIT_PARTS = {
    "attention.attention.query": "attention.q_proj", "attention.attention.key": "attention.k_proj",
    "attention.attention.value": "attention.v_proj", "attention.output.dense": "attention.out_proj",
    "layernorm_before": "norm_attention", "layernorm_after": "norm_feed_forward",
    "intermediate.dense": "feed_forward.0", "output.dense": "feed_forward.2",
}  # fmt: skip


def _read(repository: str, form: str) -> tuple[dict[str, Any], Weights]:
    """Return the settings and the weights of a model on the hub."""
    settings = json.loads(_file(repository, "config.json").read_text(encoding="utf-8"))
    if settings.get("model_type") != form:
        raise ValueError(f"{repository} holds a model of the form {settings.get('model_type')!r}: expected {form!r}")
    return settings, load_file(_file(repository, "model.safetensors"))


def _file(repository: str, name: str) -> Path:
    """Return a file of the hub, which is downloaded once."""
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repository, name))
    except Exception as problem:  # of many kinds: no network, no such repository, a proxy that refuses
        raise OSError(
            f"{name} of {repository} could not be had from the Hugging Face hub ({type(problem).__name__}): is there a "
            "network, and may this machine reach huggingface.co? Nothing else in the course needs it"
        ) from None
