"""The interactive figures that live on a page: those that need no kernel, made from shipped weights and scores."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from lecturelib.attention import causal_mask, record_attention
from lecturelib.data.text import VOCABULARY
from lecturelib.pretrained.load import load
from lecturelib.widgets.attention_explorer import SETTINGS, AttentionExplorer


class Exhibit(NamedTuple):
    """An interactive figure for the page of a notebook, where it stands around its stored picture.

    `text` is what a reader should know of it there; `shows` is what the picture in the notebook says.
    """

    name: str
    notebook: str
    text: str
    widget: AttentionExplorer
    shows: str

    def script(self) -> str:
        """Return the script that a page loads to show it: one call of `exhibit`, which `exhibits.js` defines."""
        state = {name: getattr(self.widget, name) for name in ("data", *SETTINGS)}
        content = {"code": str(self.widget._esm), "style": str(self.widget._css), "state": state}
        return f"exhibit({json.dumps(self.name)}, {json.dumps(content, ensure_ascii=False)});\n"


def exhibits() -> list[Exhibit]:
    """Make all of them: a few seconds."""
    return [characters(), circuit()]


SENTENCE = "An object is an instance of a class. A class is an object"  # that of notebook 04


def characters() -> Exhibit:
    """Where the characters of a sentence look, as in notebook 04."""
    model = load("language_model")
    with record_attention(model) as seen, torch.no_grad():
        model(torch.from_numpy(VOCABULARY.encode(SENTENCE))[None])
    scores = torch.stack([each.scores[0] for each in seen.values()])  # (4 layers, 4 heads, T, T)
    widget = AttentionExplorer(scores, list(SENTENCE), mask=causal_mask(len(SENTENCE)), d_k=32)
    text = (
        "A language model of 4 layers with 4 heads reads a sentence, character by character. Point at a character to "
        "see where it looks; choose a layer and a head among the small maps."
    )
    return Exhibit("characters", "04_transformers", text, widget, widget.says)


# Scores (layers, H, T, T) of SmolLM2 in 16 bits, and the T tokens of the repeated name of notebook 09:
# tests/workshop/site/test_pages.py measures them again.
MAPS = Path(__file__).with_name("smollm2_maps.npz")
LAYERS = (16, 17, 18)


def circuit() -> Exhibit:
    """Where three layers of SmolLM2 look in a sentence, as in notebook 09, from stored scores."""
    with np.load(MAPS) as stored:
        scores, tokens = stored["scores"].astype(float), stored["tokens"].tolist()
    past = causal_mask(len(tokens)).numpy()
    mask = past.copy()
    mask[1:, 0] = False  # the sink
    layers = [f"layer {layer}" for layer in LAYERS]
    widget = AttentionExplorer(np.where(past, scores, -1e4), tokens, mask=mask, layers=layers, first_head=0)
    widget.layer, widget.head, widget.selected = 2, 6, len(tokens) - 2
    text = (
        "SmolLM2, a language model of 135 million parameters, reads a made-up name a second time. Head 6 of layer 18 "
        "looks at what followed the name the first time; head 0 of layer 16 looks one token back. Switch the mask off, "
        "and most heads look at the first token. These are 3 of its 30 layers; the notebook has all."
    )
    return Exhibit("circuit", "09_foundation_models", text, widget, widget.says.replace(f"{len(LAYERS)} x", "30 x"))
