"""torch's and Hugging Face's layers and models with the weights of ours, and random masks to compare them under."""

import sys
from typing import Any, TypeVar

import torch
from torch import nn

from lecturelib.attention import MultiHeadAttention
from lecturelib.transformer import Block
from tests.strategies import normal

# transformers would import it where it is installed, and a build that does not fit that of torch fails to be imported
sys.modules.setdefault("torchvision", None)  # type: ignore[arg-type]

Model = TypeVar("Model", bound=nn.Module)


def random_weights(model: Model, seed: int) -> Model:
    """Give every parameter random numbers in float64, also those that start at 0 or 1, so that each one counts."""
    model.double()
    with torch.no_grad():
        for k, parameter in enumerate(model.parameters()):
            scale = parameter.shape[-1] ** -0.5 if parameter.ndim > 1 else 0.5
            parameter.copy_(scale * normal(*parameter.shape, seed=seed + k))
    return model


def random_mask(*shape: int, seed: int) -> torch.Tensor:
    """Draw a mask in which every query may look somewhere."""
    somewhere = normal(*shape, seed=seed + 1).argmax(-1, keepdim=True)
    return (normal(*shape, seed=seed) > 0).scatter(-1, somewhere, True)


def parameters_that_rest(model: nn.Module) -> list[str]:
    """Return which parameters no gradient reached.

    The bias of the keys is left out: it moves all scores of a query alike, and the softmax undoes that.
    """
    return [
        name
        for name, each in model.named_parameters()
        if (each.grad is None or not each.grad.any()) and not name.endswith("k_proj.bias")
    ]


def state(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return a copy of the weights."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def unchanged(model: nn.Module, before: dict[str, torch.Tensor]) -> bool:
    """Say whether the weights are those of the copy, to the last bit."""
    return all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def attention_twin(ours: MultiHeadAttention) -> nn.MultiheadAttention:
    twin = nn.MultiheadAttention(ours.out_proj.in_features, ours.num_heads, batch_first=True, dtype=torch.float64)
    copy_attention(ours, twin)
    return twin


def copy_attention(ours: MultiHeadAttention, twin: nn.MultiheadAttention) -> None:
    three = (ours.q_proj, ours.k_proj, ours.v_proj)
    with torch.no_grad():
        twin.in_proj_weight.copy_(torch.cat([each.weight for each in three]))
        twin.in_proj_bias.copy_(torch.cat([each.bias for each in three]))
    twin.out_proj.load_state_dict(ours.out_proj.state_dict())


def block_twin(ours: Block) -> nn.TransformerEncoderLayer | nn.TransformerDecoderLayer:
    """Return torch's encoder layer, or its decoder layer for a block with cross-attention."""
    widen, _, narrow = ours.feed_forward
    kind = nn.TransformerDecoderLayer if hasattr(ours, "cross") else nn.TransformerEncoderLayer
    how = {"activation": "gelu", "batch_first": True, "norm_first": True, "dtype": torch.float64}
    twin = kind(narrow.out_features, ours.attention.num_heads, widen.out_features, dropout=0.0, **how)
    copy_attention(ours.attention, twin.self_attn)
    norms = [ours.norm_attention, ours.norm_feed_forward]
    if isinstance(twin, nn.TransformerDecoderLayer):
        copy_attention(ours.cross, twin.multihead_attn)
        norms.insert(1, ours.norm_cross)
    for n, norm in enumerate(norms, start=1):
        getattr(twin, f"norm{n}").load_state_dict(norm.state_dict())
    twin.linear1.load_state_dict(widen.state_dict())
    twin.linear2.load_state_dict(narrow.state_dict())
    return twin


def llama_twin(ours: Any) -> nn.Module:
    """Return Hugging Face's LlamaForCausalLM with the weights of ours.

    It turns the pairs (i, i + K / 2) of a head, where we turn (2i, 2i + 1): the rows of queries and keys change places.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    layer, block = ours.blocks[0].attention, ours.blocks[0]
    vocab_size, d_model = ours.embedding.weight.shape
    config = LlamaConfig(
        vocab_size=vocab_size, hidden_size=d_model, intermediate_size=block.feed_forward.up.out_features,
        num_hidden_layers=len(ours.blocks), num_attention_heads=layer.num_heads,
        num_key_value_heads=layer.num_kv_heads, max_position_embeddings=ours.max_len, rms_norm_eps=ours.norm.eps,
        rope_parameters={"rope_type": "default", "rope_theta": layer.base}, tie_word_embeddings=True,
    )  # fmt: skip
    twin = LlamaForCausalLM(config).double().eval()
    weights = {"model.embed_tokens.weight": ours.embedding.weight, "lm_head.weight": ours.embedding.weight}
    weights["model.norm.weight"] = ours.norm.weight
    for n, block in enumerate(ours.blocks):
        layer, ff = block.attention, block.feed_forward
        theirs = {
            "input_layernorm": block.norm_attention.weight, "post_attention_layernorm": block.norm_feed_forward.weight,
            "self_attn.q_proj": halves(layer.q_proj.weight, layer.num_heads),
            "self_attn.k_proj": halves(layer.k_proj.weight, layer.num_kv_heads),
            "self_attn.v_proj": layer.v_proj.weight, "self_attn.o_proj": layer.out_proj.weight,
            "mlp.gate_proj": ff.gate.weight, "mlp.up_proj": ff.up.weight, "mlp.down_proj": ff.down.weight,
        }  # fmt: skip
        weights |= {f"model.layers.{n}.{name}.weight": weight for name, weight in theirs.items()}
    twin.load_state_dict(weights)
    return twin


def halves(weight: torch.Tensor, num_heads: int) -> torch.Tensor:
    """Put the first rows of all pairs of a head before the second ones."""
    return weight.unflatten(0, (num_heads, -1, 2)).transpose(1, 2).flatten(0, 2)


def bert_of_hugging_face(**sizes: int) -> Any:
    """Return Hugging Face's BertModel of these sizes."""
    from transformers import BertConfig, BertModel

    return BertModel(BertConfig(**sizes, layer_norm_eps=1e-12), add_pooling_layer=False).eval()
