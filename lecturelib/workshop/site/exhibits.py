"""The interactive figures that live on a page without a kernel: what each shows, and all that it needs for that.

Each is the widget of a notebook, made from shipped weights. Its page gets the widget's own script and style, its
settings, and where a kernel would answer, a script of this folder that does: `answers.js` knows all answers from here,
`autoencoder.js` runs the network in the browser.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, NamedTuple

import anywidget
import numpy as np
import torch

from lecturelib.attention import causal_mask, record_attention
from lecturelib.data.digits import digits
from lecturelib.data.glyphs import glyphs
from lecturelib.data.photos import crops
from lecturelib.data.text import VOCABULARY
from lecturelib.mae import KINDS, MaskedAutoencoder, random_mask
from lecturelib.pretrained.load import load
from lecturelib.widgets import attention_explorer, patch_playground
from lecturelib.widgets.attention_explorer import AttentionExplorer
from lecturelib.widgets.patch_answers import repaint
from lecturelib.widgets.patch_playground import PatchPlayground

FOLDER = Path(__file__).parent
DRAWS = 8  # masks of each kind and number of hidden patches that a page can draw


class Exhibit(NamedTuple):
    """An interactive figure for a page.

    `notebook` is where its picture stands, or None; `text` what a reader should know of it there, in Markdown.
    `names` are the settings that the page shares; `kernel` is the script that answers, and `known` what it knows.
    `shows` is what the picture in the notebook says, where the exhibit is only a part of that figure.
    """

    name: str
    title: str
    text: str
    notebook: str | None
    widget: anywidget.AnyWidget
    names: tuple[str, ...]
    kernel: str | None = None
    known: dict[str, Any] | None = None
    shows: str = ""

    def script(self) -> str:
        """Return the script that a page loads to show it: one call of `exhibit`, which `exhibits.js` defines."""
        content = {
            "code": str(self.widget._esm),
            "style": str(self.widget._css),
            "state": {name: getattr(self.widget, name) for name in self.names},
            "kernel": None if self.kernel is None else (FOLDER / self.kernel).read_text(encoding="utf-8"),
            "known": self.known,
        }
        return f"exhibit({json.dumps(self.name)}, {json.dumps(content, ensure_ascii=False)});\n"


def exhibits() -> list[Exhibit]:
    """Make all of them: a few seconds."""
    return [characters(), circuit(), hidden_digits(), hidden_photos(), printed_digits()]


SENTENCE = "An object is an instance of a class. A class is an object"  # that of notebook 04


def characters(sentence: str = SENTENCE) -> Exhibit:
    """Where the characters of a sentence look, as in notebook 04."""
    model = load("language_model")
    with record_attention(model) as seen, torch.no_grad():
        model(torch.from_numpy(VOCABULARY.encode(sentence))[None])
    scores = torch.stack([each.scores[0] for each in seen.values()])  # (4 layers, 4 heads, T, T)
    widget = AttentionExplorer(scores, list(sentence), mask=causal_mask(len(sentence)), d_k=32)
    return Exhibit(
        "characters",
        "Where the characters of a sentence look",
        "A language model of 4 layers with 4 heads reads a sentence, character by character. Point at a character to "
        "see where it looks; choose a layer and a head among the small maps.",
        "04_transformers",
        widget,
        ("data", *attention_explorer.SETTINGS),
    )


MAPS = FOLDER / "smollm2_maps.npz"  # what `measured_maps` gave: scores and tokens
LAYERS = (16, 17, 18)
REPEATED = "Professor Zorvani gave the lecture. After the lecture, Professor Zorvani"  # that of notebook 09


def measured_maps() -> dict[str, np.ndarray]:
    """Run SmolLM2, which has to be fetched, on a sentence: scores (layers, H, T, T), float16, and the T tokens."""
    from lecturelib.pretrained.smollm2 import load_smollm2

    model, tokenizer = load_smollm2()
    read = tokenizer.encode(REPEATED).ids
    with record_attention(model) as seen:
        model(torch.tensor([read]))
    scores = torch.stack([seen[f"blocks.{layer}.attention"].scores[0] for layer in LAYERS])
    return {
        "scores": scores.numpy().astype(np.float16),
        "tokens": np.array([tokenizer.decode([each]) for each in read]),
    }


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
    return Exhibit(
        "circuit",
        "How a language model copies a name",
        "SmolLM2, a language model of 135 million parameters, reads a made-up name a second time. Head 6 of layer 18 "
        "looks at what followed the name the first time; head 0 of layer 16 looks one token back. Switch the mask off, "
        "and most heads look at the first token. These are 3 of its 30 layers; the notebook has all.",
        "09_foundation_models",
        widget,
        ("data", *attention_explorer.SETTINGS),
        shows=widget.says.replace(f"{len(LAYERS)} x", "30 x"),
    )


def hidden_digits() -> Exhibit:
    """Digits whose patches one can hide, as in notebook 06."""
    return _hidden(
        "hidden_digits",
        "Hide parts of a digit",
        "A masked autoencoder paints the patches that you hide. The network runs in this page: draw a digit of your "
        "own, too. The other painter of the notebook needs its kernel.",
        "06_masked_autoencoder",
        load("digits_mae"),
        digits(seed=0)[1].images[:8],
    )


def hidden_photos() -> Exhibit:
    """Squares of photographs whose patches one can hide, with the network of notebook 06."""
    squares = crops(150, size=32, held_out=True, seed=1, coarsest=2)
    ranked = torch.from_numpy(squares).flatten(1).std(dim=1).argsort()  # from the plainest to the richest
    return _hidden(
        "hidden_photos",
        "Hide parts of a photograph",
        "The same with squares of two photographs that the network never saw. It runs in this page.",
        None,
        load("photos_mae"),
        squares[ranked[[145, 130, 110, 75, 20]].numpy()],
    )


def printed_digits() -> Exhibit:
    """Where a vision transformer looks that has learned printed digits (a source of notebook 07)."""
    drawn = glyphs(200, seed=7)
    first = [int(np.flatnonzero(drawn.labels == digit)[0]) for digit in range(10)]
    model: Any = load("print_digits")
    widget = PatchPlayground.attention(model, drawn.images[first], drawn.labels[first].tolist())
    answers = []
    for number in range(len(first)):
        widget.image = number
        answers.append(dict(widget.answer))
    widget.image = 0
    return Exhibit(
        "printed_digits",
        "Where a vision transformer looks",
        "A vision transformer names printed digits. Point at a patch to see where it looks; compare the heads, the "
        "rollout, and what really happens to the answer without a patch (occlusion). In notebook 05 the figure shows "
        "the network that is trained there, and takes drawings.",
        None,
        widget,
        ("data", "answer", "asked", *patch_playground.SETTINGS["attention"]),
        "answers.js",
        {"answers": answers},
    )


def _hidden(name: str, title: str, text: str, notebook: str | None, model: Any, images: np.ndarray) -> Exhibit:
    widget = PatchPlayground.masking({"MAE": model}, images)
    names = ("data", "answer", "asked", *patch_playground.SETTINGS["masking"])
    return Exhibit(name, title, text, notebook, widget, names, "autoencoder.js", _network(model))


@torch.no_grad()
def _network(model: MaskedAutoencoder) -> dict[str, Any]:
    """Return a masked autoencoder as `autoencoder.js` reads it: weights, sizes, masks to draw, what it refuses."""
    encoder = model.encoder
    rows, columns = encoder.rows, encoder.columns
    fixed = {"encoder.pos_embed": encoder.pos_embed, "decoder_pos_embed": model.decoder_pos_embed}
    weights = {name: each.numpy().astype("<f2") for name, each in (model.state_dict() | fixed).items()}
    count = rows * columns
    masks = {
        kind: [
            [
                _base64(np.packbits(_mask(rows, columns, hidden / count, kind, seed), bitorder="little"))
                for seed in range(DRAWS)
            ]
            for hidden in range(1, count)
        ]
        for kind in KINDS
    }
    return {
        "weights": {name: [list(each.shape), _base64(each)] for name, each in weights.items()},
        "layers": [len(encoder.blocks), len(model.decoder_blocks)],
        "heads": [blocks[0].get_submodule("attention").num_heads for blocks in (encoder.blocks, model.decoder_blocks)],
        "patch_size": encoder.patch_size,
        "masks": masks,
        "refused": [_refusal(model, np.full(count, full)) for full in (False, True)],
    }


def _mask(rows: int, columns: int, ratio: float, kind: str, seed: int) -> np.ndarray:
    return random_mask(1, rows, columns, ratio, kind, generator=torch.Generator().manual_seed(seed))[0].numpy()


def _refusal(model: MaskedAutoencoder, mask: np.ndarray) -> str:
    """Return what a reader is told who hides nothing, or everything."""
    try:
        repaint(model, np.zeros(model.encoder.image_size, dtype=np.float32), mask, model.encoder.patch_size)
    except ValueError as refusal:
        return str(refusal)
    raise AssertionError("a mask that leaves nothing to do was not refused")


def _base64(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()
