"""torch's own attention and transformer layers with the weights of ours, and random masks to compare them under."""

from typing import TypeVar

import torch
from torch import nn

from lecturelib.attention import MultiHeadAttention
from lecturelib.transformer import Block
from tests.strategies import normal

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


def attention_twin(ours: MultiHeadAttention) -> nn.MultiheadAttention:
    d_model, d_context = ours.q_proj.in_features, ours.k_proj.in_features
    how = {"kdim": d_context, "vdim": d_context, "batch_first": True, "dtype": torch.float64}
    twin = nn.MultiheadAttention(d_model, ours.num_heads, **how)
    copy_attention(ours, twin)
    return twin


def copy_attention(ours: MultiHeadAttention, twin: nn.MultiheadAttention) -> None:
    three = (ours.q_proj, ours.k_proj, ours.v_proj)
    with torch.no_grad():
        if twin.in_proj_weight is not None:
            twin.in_proj_weight.copy_(torch.cat([each.weight for each in three]))
        else:
            for matrix, each in zip((twin.q_proj_weight, twin.k_proj_weight, twin.v_proj_weight), three, strict=True):
                matrix.copy_(each.weight)
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
