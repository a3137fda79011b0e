"""Read pretrained weights."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from lecturelib.pretrained.models import MODELS
from lecturelib.vision import VisionTransformer

Weights = dict[str, torch.Tensor]
FOLDER = Path(__file__).parent
SOURCES = {  # of notebook 07: what a network of one build learned from, and the name of its weights
    "print": "print_digits",
    "letters": "print_letters",
    "handwriting, masked": "handwriting_masked",
    "photos, masked": "photos_masked",
    "ink": "print_ink",
    "random labels": "print_random",
}


def load(name: str, folder: Path = FOLDER) -> nn.Module:
    """Return a pretrained model, ready to be asked (in evaluation mode, on the CPU).

    Raises: ValueError for an unknown name, weights that are not there, and a file that is damaged or belongs
        to another model.
    """
    model = builder_of(name)()
    path = folder / f"{name}.safetensors"
    try:
        weights = load_file(path)
        model.load_state_dict(weights)
    except FileNotFoundError:
        raise ValueError(f"{path.name} is not there: make it with `lecture train {name}`") from None
    except (SafetensorError, RuntimeError) as problem:
        raise ValueError(
            f"{path.name} does not hold the weights of {name} ({str(problem).splitlines()[0]}): expected the file "
            f"that came with this version; make it again with `lecture train {name}`"
        ) from None
    return model.eval()


def source(name: str) -> VisionTransformer:
    """Return the network that learned from a source of notebook 07; of a masked autoencoder, its encoder.

    Raises: ValueError for an unknown source.
    """
    if name not in SOURCES:
        raise ValueError(f"source {name!r} is unknown: expected one of {', '.join(SOURCES)}")
    loaded = load(SOURCES[name])
    found = getattr(loaded, "encoder", loaded)
    assert isinstance(found, VisionTransformer)
    return found


def builder_of(name: str) -> Callable[[], nn.Module]:
    """Return what builds a model of this name. Raises: ValueError for an unknown name."""
    if name not in MODELS:
        raise ValueError(f"no pretrained model is called {name!r}: expected one of {', '.join(sorted(MODELS))}")
    return MODELS[name]


def renamed(weights: Weights, names: Mapping[str, str]) -> Weights:
    """Return weights and biases under our names, from a table of theirs."""
    kinds = ("weight", "bias")
    return {f"{ours}.{kind}": weights[f"{theirs}.{kind}"] for theirs, ours in names.items() for kind in kinds}
