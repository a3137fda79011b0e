"""The attention explorer: point at a token and see where each head of each layer looks."""

import json
import math
import unicodedata
from collections.abc import Sequence
from typing import Any

import anywidget
import numpy as np
import traitlets
from matplotlib import colormaps
from matplotlib.figure import Figure

from lecturelib.figures.attention_explorer import every_head
from lecturelib.widgets.kit import LIMIT, as_array, coded, script, style, text_of
from lecturelib.widgets.picture import StaticPicture
from lecturelib.widgets.settings import Setting, SettingError, choice, number, whole

CLIP = 40.0  # scores further than this below the largest of their row are drawn as if they were this far
CHOICES: dict[str, tuple[Any, ...]] = {"scale": (False, True), "mask_on": (False, True), "show": ("weights", "scores")}
SETTINGS = ("layer", "head", "selected", "temperature", *CHOICES)


class AttentionExplorer(StaticPicture, anywidget.AnyWidget):
    """Look into the attention of a model: hover a token to see where it looks, click to hold it.

    Shapes: scores (T, S), (H, T, S) or (L, H, T, S): q @ k^T / sqrt(d_k), before mask and softmax. `queries` are T
        tokens; `keys` S tokens, by default the queries. `mask` (T, S), boolean, True = may look. `layers`: L names.
        `first_head`: the number that the first head is called by.
    `d_k` is the width of a query; with it the page has a switch that leaves the division by sqrt(d_k) out.

    A view is set by attributes, before and after it is shown; the page sets them too:
    `layer`, `head` from 0, as in the array; `selected`, the number of the query that is held, or None; `temperature`
    from 0.25 to 4; `scale`, whether the scores are divided by sqrt(d_k); `mask_on`; `show`, "weights" or "scores".

    The page gets each score in 16 bits, finer near the largest of its row; scores more than 40 below that count as 40
    below it. All of that has to fit into 300 kB: some 110,000 scores.

    Raises: ValueError for shapes and numbers of tokens that do not fit, NaN or infinite scores, a mask that is not
        boolean or forbids a query everything, settings that do not exist, and more data than a page should load.

    >>> explorer = AttentionExplorer([[0.0, 0.0], [0.0, 2.0]], ["a", "b"])
    >>> explorer.temperature = 0.5
    >>> explorer.weights().round(2).tolist()
    [[0.5, 0.5], [0.02, 0.98]]
    """

    _esm = script("attention_explorer")
    _css = style("attention_explorer")

    data = traitlets.Dict(read_only=True).tag(sync=True)
    layer = Setting(0)
    head = Setting(0)
    selected = Setting(None, allow_none=True)
    temperature = Setting(1.0)
    scale = Setting(True)
    mask_on = Setting(True)
    show = Setting("weights")

    def __init__(
        self,
        scores: Any,
        queries: Sequence[str],
        keys: Sequence[str] | None = None,
        *,
        mask: Any = None,
        d_k: float | None = None,
        layers: Sequence[str] | None = None,
        first_head: int = 1,
        selected: int | None = None,
    ) -> None:
        given = _finite(scores)
        T, S = given.shape[-2:]
        self._given_shape = given.shape
        self._scores = given.reshape((1,) * (4 - given.ndim) + given.shape)
        self._mask = None if mask is None else _allowed(mask, (T, S))
        L, H = self._scores.shape[:2]
        names = [f"layer {n + 1}" for n in range(L)] if layers is None else list(layers)
        named = [(queries, "queries", T), (keys or queries, "keys (by default the queries)", S), (names, "layers", L)]
        for tokens, what, expected in named:
            if len(tokens) != expected:
                raise ValueError(f"{len(tokens)} {what}, but scores {given.shape}: expected {expected} names of them")
        data = {
            "shape": list(self._scores.shape),
            "queries": [visible(token) for token in queries],
            "keys": None if keys is None else [visible(token) for token in keys],
            "layers": names,
            "first_head": first_head,
            "d_k": d_k,
            "mask": None if self._mask is None else text_of(self._mask),
            "clip": CLIP,
            "colors": text_of(np.rint(255 * colormaps["viridis"](range(256))[:, :3]).astype("u1")),
            **encode(self._scores),
        }
        size = len(json.dumps(data))
        if size > LIMIT:
            raise ValueError(
                f"scores {given.shape} make {size:,} bytes for the page: at most {LIMIT:,}; pass fewer heads, layers "
                "or tokens, such as scores[:, :4]"
            )
        self.says = (
            f"attention of {T} queries to {S} keys in {L} x {H} layers x heads, where each token looks, token by token"
        )
        self.set_trait("data", data)
        self.selected = selected
        super().__init__()  # last: it sends everything to the page, once

    def weights(self) -> np.ndarray:
        """Return the attention weights under the present settings, in the shape of the scores; masked: 0."""
        factor = 1 if self.scale else math.sqrt(self.data["d_k"])
        logits = self._scores * (factor / self.temperature)
        if self._mask is not None and self.mask_on:
            logits = np.where(self._mask, logits, -np.inf)
        shares = np.exp(logits - logits.max(-1, keepdims=True))
        return (shares / shares.sum(-1, keepdims=True)).reshape(self._given_shape)

    def picture(self) -> Figure:
        """All heads of all layers under the present settings."""
        weights = self.weights().reshape(self._scores.shape)
        queries, keys = self.data["queries"], self.data["keys"] or self.data["queries"]
        mask = self._mask if self.mask_on else None
        return every_head(weights, queries, keys, mask, self.data["layers"], self.data["first_head"])

    @traitlets.validate(*SETTINGS)
    def _checked(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        L, H, T, _ = self._scores.shape
        if name in ("layer", "head"):
            return whole(value, L if name == "layer" else H, name)
        if name == "selected":
            return value if value is None else whole(value, T, name, "None or ")
        if name == "temperature":
            return number(value, name, "a number from 0.25 to 4", 0.25, 4)
        if name == "scale" and not value and self.data["d_k"] is None:
            raise SettingError("scale is False, but d_k is not known: pass d_k=, the width of a query, to the explorer")
        return choice(value, CHOICES[name], name)


def encode(scores: np.ndarray) -> dict[str, str]:
    """Return scores (..., S) as the page reads them: of each row its largest score, and codes of 16 bits.

    A code is the square root of the distance to the largest score, as a share of the farthest that is told apart: the
    scores that get the weight are the finest.
    """
    tops = scores.max(-1, keepdims=True)
    shares = ((tops - scores) / CLIP).clip(0, 1)
    return {"tops": text_of(tops.astype("<f4")), "codes": text_of(coded(np.sqrt(shares), 16))}


def visible(token: str) -> str:
    r"""Return a token as it can be seen: a sign for each space, end of line, and letter that has no shape.

    >>> [visible(token) for token in (" March", "\n", "a\tb", "\xa0", "\u200f", "")]
    ['␣March', '⏎', 'a⇥b', '⍽', '‹200F›', '∅']
    """
    seen = "".join(_SIGNS.get(letter) or _sign(letter) for letter in token)
    return ("◌" + seen if unicodedata.category(seen[0]).startswith("M") else seen) if seen else "∅"


_SIGNS = {" ": "␣", "\n": "⏎", "\t": "⇥", "\xa0": "⍽", "\u202f": "⍽"}  # the last two are spaces that do not break


def _sign(letter: str) -> str:
    hidden = unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zs", "Zl", "Zp")
    return f"‹{ord(letter):04X}›" if hidden else letter


def _finite(scores: Any) -> np.ndarray:
    array = as_array(scores).astype(float)
    if array.ndim not in (2, 3, 4) or not array.size:
        raise ValueError(f"scores have the shape {array.shape}: expected (T, S), (H, T, S) or (L, H, T, S), not empty")
    if not np.isfinite(array).all():
        worst = array[~np.isfinite(array)][0]
        raise ValueError(f"scores hold {worst:g}: expected them as they are before the mask, and the mask as mask=")
    return array


def _allowed(mask: Any, shape: tuple[int, int]) -> np.ndarray:
    allowed = as_array(mask)
    if allowed.dtype != bool:
        raise ValueError(f"mask has the dtype {allowed.dtype}: expected bool, True = may look, such as mask == 1")
    if allowed.shape != shape:
        raise ValueError(f"mask has the shape {allowed.shape}: expected {shape}, queries by keys, one for all heads")
    if not allowed.any(-1).all():
        blind = np.flatnonzero(~allowed.any(-1)).tolist()
        raise ValueError(f"queries {blind[:5]} may look nowhere: let each look at one key at least (True = may look)")
    return allowed
