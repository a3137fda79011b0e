"""The attention explorer: point at a token and see where each head of each layer looks."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Sequence
from typing import Any

import anywidget
import numpy as np
import traitlets
from matplotlib.figure import Figure

from lecturelib.figures.attention_explorer import every_head
from lecturelib.widgets.kit import LIMIT, as_array, coded, script, style, text_of
from lecturelib.widgets.picture import StaticPicture
from lecturelib.widgets.settings import Setting, SettingError, choice, number, whole

CLIP = 40.0  # scores further than this below the largest of their row are drawn as if they were this far
HUGE = 1e30  # no score, and still a float32
COLDEST, HOTTEST = 0.25, 4.0
CHOICES: dict[str, tuple[Any, ...]] = {
    "direction": ("looks at", "looked at by"),
    "show": ("weights", "scores"),
    **dict.fromkeys(("scale", "mask_on", "stretch"), (False, True)),
}
SETTINGS = ("layer", "head", "selected", "temperature", *CHOICES)


class AttentionExplorer(StaticPicture, anywidget.AnyWidget):
    """Look into the attention of a model: hover a token to see where it looks, click to hold it.

    Shapes: scores (T, S), (H, T, S) or (L, H, T, S): q @ k^T / sqrt(d_k), before mask and softmax. `queries` are T
        tokens; `keys` S tokens, by default the queries. `mask` (T, S), boolean, True = may look. `layers`: L names.
        `first_head`: the number that the first head is called by.
    `d_k` is the width of a query; with it the page has a switch that leaves the division by sqrt(d_k) out.

    A view is set by attributes, before and after it is shown; the page sets them too:
    `layer`, `head` from 0, as in the array; `selected`, the number of the token that is held, or None; `direction`,
    "looks at" (a row) or "looked at by" (a column); `temperature` from 0.25 to 4; `scale`, whether the scores are
    divided by sqrt(d_k); `mask_on`; `show`, "weights" or "scores"; `stretch`, whether the colors end at the largest
    weight of each row and not at 1.

    The page gets each score in 16 bits where all of its data fits into 300 kB (80 tokens with 8 heads, or so), else
    in 8 bits (200 tokens with 4 heads), finer near the largest score of its row. That moves a weight by less than
    0.0001 with 16 bits and 0.01 with 8, while the scores of a row lie within 20 of each other and nothing is switched.
    Scores more than 40 below the largest of their row count as 40 below it. `weights()` has the same rounding.

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
    direction = Setting("looks at")
    temperature = Setting(1.0)
    scale = Setting(True)
    mask_on = Setting(True)
    show = Setting("weights")
    stretch = Setting(False)

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
        tokens = [_tokens(queries, T, "queries", given.shape, -2)]
        if keys is None and S != T:
            raise ValueError(f"scores {given.shape} have {S} keys and {T} queries: pass the {S} tokens of the keys too")
        tokens += [tokens[0] if keys is None else _tokens(keys, S, "keys", given.shape, -1)]
        allowed = None if mask is None else _allowed(mask, (T, S))
        if d_k is not None and not (isinstance(d_k, (int, float, np.number)) and 0 < d_k < math.inf):
            raise ValueError(f"d_k is {d_k!r}: expected the width of a query, a number above 0, or None")
        self._given_shape = given.shape
        scores4 = given.reshape((1,) * (4 - given.ndim) + given.shape)
        names = [f"layer {n + 1}" for n in range(len(scores4))] if layers is None else list(layers)
        if len(names) != len(scores4):
            raise ValueError(f"{len(names)} names of layers, but scores {given.shape}: expected {len(scores4)}")
        data = {
            "shape": list(scores4.shape),
            "queries": [visible(token) for token in tokens[0]],
            "keys": None if keys is None else [visible(token) for token in tokens[1]],
            "layers": [str(name) for name in names],
            "first_head": first_head,
            "d_k": None if d_k is None else float(d_k),
            "mask": None if allowed is None else text_of(np.packbits(allowed, bitorder="little")),
        }
        data, self._scores = self._fitting(scores4, data)
        self._mask = allowed
        self._cross = keys is not None
        self.says = (
            f"attention of {T} queries to {S} keys in {len(scores4)} x {scores4.shape[1]} layers x heads, where each "
            f"token looks, token by token"
        )
        self.set_trait("data", data)
        self.selected = selected
        super().__init__()  # last: it sends everything to the page, once

    def _fitting(self, scores: np.ndarray, data: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
        """Return the data with the scores in as many bits as fit, and the scores as the page will read them."""
        code = len((self._esm + self._css).encode())
        for bits in (16, 8):
            rows, codes = encode(scores, bits)
            both = data | {"bits": bits, "rows": text_of(rows), "codes": text_of(codes)}
            size = code + len(json.dumps(both, ensure_ascii=False).encode()) + 2000  # the settings, and room for them
            if size <= LIMIT:
                return both, decode(rows, codes, bits)
        raise ValueError(
            f"scores {self._given_shape} make {size:,} bytes for the page: at most {LIMIT:,}; pass fewer heads, "
            f"layers or tokens, such as scores[:, :4]"
        )

    def weights(self) -> np.ndarray:
        """Return the attention weights under the present settings, in the shape of the scores; masked: 0."""
        logits = self._logits()
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

    def _logits(self) -> np.ndarray:
        """What goes into the softmax, before the mask: (L, H, T, S)."""
        factor = 1 if self.scale else math.sqrt(self.data["d_k"])
        return self._scores * (factor / self.temperature)

    @traitlets.validate(*SETTINGS)
    def _checked(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        L, H, T, S = self._scores.shape
        if name in ("layer", "head"):
            return whole(value, L if name == "layer" else H, name)
        if name == "selected":
            end = S if self.direction == "looked at by" else T
            return value if value is None else whole(value, end, name, "None or ")
        if name == "temperature":
            return number(value, name, f"a number from {COLDEST} to {HOTTEST:g}", COLDEST, HOTTEST)
        value = choice(value, CHOICES[name], name)
        if name == "scale" and not value and self.data["d_k"] is None:
            raise SettingError("scale is False, but d_k is not known: pass d_k=, the width of a query, to the explorer")
        return value

    @traitlets.observe("direction")
    def _turned(self, _: Any) -> None:
        if self._cross:  # the number of a query means nothing among other keys
            self.selected = None


def encode(scores: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Round scores (..., S) to `bits` bits: return for each row its largest score and its span, and the codes.

    A code is the square root of the distance to the largest score, as a share of the span: the scores that get the
    weight are the finest.
    """
    top = scores.max(-1, keepdims=True)
    span = np.minimum(top - scores.min(-1, keepdims=True), CLIP)
    rows = np.concatenate([top, span], -1).astype("<f4")
    share = (top - scores) / np.where(span > 0, span, 1)
    return rows, coded(np.sqrt(share.clip(0, 1)), bits)


def decode(rows: np.ndarray, codes: np.ndarray, bits: int) -> np.ndarray:
    """Return the scores that `encode` rounded, in float64: the same numbers as in the page."""
    top, span = rows.astype(float)[..., :1], rows.astype(float)[..., 1:]
    share = codes / (2**bits - 1)
    return top - span * share * share


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
    try:
        array = as_array(scores).astype(float)
    except (TypeError, ValueError) as error:
        raise ValueError("scores are no array of numbers: expected (T, S), (H, T, S) or (L, H, T, S)") from error
    if array.ndim not in (2, 3, 4) or not array.size:
        raise ValueError(f"scores have the shape {array.shape}: expected (T, S), (H, T, S) or (L, H, T, S), not empty")
    if not (np.abs(array) < HUGE).all():  # NaN and infinity are not either
        worst = array[~(np.abs(array) < HUGE)][0]
        raise ValueError(f"scores hold {worst:g}: expected them as they are before the mask, and the mask as mask=")
    return array


def _tokens(tokens: Sequence[str], expected: int, name: str, shape: tuple[int, ...], axis: int) -> list[str]:
    found = list(tokens)
    wrong = [token for token in found if not isinstance(token, str)]
    if wrong:
        raise ValueError(f"{name} hold {wrong[0]!r}: expected strings, one for each token")
    if len(found) != expected:
        raise ValueError(f"{len(found)} {name}, but scores {shape}: expected {expected}, the size of axis {axis}")
    return found


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
