"""The patch playground: see where a vision transformer looks, or hide patches and watch them being painted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import anywidget
import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure

from lecturelib.figures.patch_playground import looked_at, painted
from lecturelib.mae import KINDS, MaskedAutoencoder, random_mask
from lecturelib.vision import VisionTransformer
from lecturelib.widgets.kit import LIMIT, coded, script, style, text_of
from lecturelib.widgets.patch_answers import Looked, Painted, Painter, checked, look, repaint
from lecturelib.widgets.picture import StaticPicture
from lecturelib.widgets.settings import Setting, SettingError, choice, number, whole

SHOWN = 3  # images in the picture
HEADS = 8  # that stand side by side in the picture; of more, their mean
CHOICES: dict[str, tuple[Any, ...]] = {
    "view": ("head", "mean of heads", "rollout", "occlusion"),
    "scale": ("query", "image"),
    "own": (False, True),
    "whole": (False, True),
}
SETTINGS = {
    "attention": ("image", "own", "drawing", "view", "layer", "head", "selected", "scale"),
    "masking": ("image", "own", "drawing", "mask", "ratio", "kind", "seed", "painter", "whole"),
}
ASKED = ("asked", "image", "own", "drawing", "mask", "ratio", "kind", "seed", "painter")  # the kernel answers these


class PatchPlayground(StaticPicture, anywidget.AnyWidget):
    """Play with the patches of images; `PatchPlayground.attention(...)` and `PatchPlayground.masking(...)` make one.

    A view is set by attributes, before and after it is shown; the page sets them too. In both modes:
    `image`, the number of the image, from 0; `own`, whether the digit that was drawn stands in its place (images of
    one channel only); `drawing` (height, width), from 0 to 1.
    Attention: `view`, "head", "mean of heads" (of the layer), "rollout" or "occlusion"; `layer` and `head` from 0;
    `selected`, the patch that is held, "class" for the token of a class, or None; `scale`, whether the colors end at
    the largest weight of the "query" that is shown or of the whole "image" (all its layers, heads and queries).
    Masking: `mask`, N booleans, True = hidden; `ratio`, `kind` and `seed` draw them anew with `random_mask`;
    `painter`, the name of the model; `whole`, whether its visible patches are shown as it would paint them, too.

    `answer` is what the kernel last answered; its `number` is that of the question, counted in `asked`.
    Raises: ValueError for settings that do not exist.
    """

    _esm = script("patch_playground")
    _css = style("patch_playground")

    data = traitlets.Dict(read_only=True).tag(sync=True)
    answer = traitlets.Dict(read_only=True).tag(sync=True)
    asked = Setting(0)
    image = Setting(0)
    own = Setting(False)
    drawing = Setting(None, allow_none=True).tag(echo_update=False)
    view = Setting("head")
    layer = Setting(0)
    head = Setting(0)
    selected = Setting(None, allow_none=True)
    scale = Setting("query")
    mask = Setting(None).tag(echo_update=False)
    ratio = Setting(0.75)
    kind = Setting("random")
    seed = Setting(0)
    painter = Setting(None)
    whole = Setting(False)

    @classmethod
    def attention(cls, model: VisionTransformer, images: Any, labels: Sequence[int] | None = None) -> PatchPlayground:
        """Look into a vision transformer: point at a patch to see where it looks, by layer and head.

        Shapes: images (n, C, height, width), floats from 0 to 1; `labels`, n numbers of the true classes.
        Raises: ValueError for a model without classes, images of another shape, type or range, labels of another
            number, and more data than a page should load.
        """
        if not isinstance(model, VisionTransformer):
            raise ValueError(f"model is a {type(model).__name__}: expected a lecturelib.vision.VisionTransformer")
        if isinstance(model.head, torch.nn.Identity):
            raise ValueError(
                "model has no classes: expected a network that names one, such as VisionTransformer(…, num_classes=10)"
            )
        given = checked(images, model.image_size)
        num_classes = model.head.out_features
        labels = None if labels is None else list(labels)
        if labels is not None and len(labels) != len(given):
            raise ValueError(f"{len(labels)} labels for {len(given)} images: expected one for each, or None")
        first = look(model, given[0])
        data = {
            "classes": [str(number) for number in range(num_classes)],
            "labels": None if labels is None else [whole(label, num_classes, "a label") for label in labels],
            "cls_token": model.cls_token is not None,
            "num_layers": first.maps.shape[0],
            "num_heads": first.maps.shape[1],
            "bits": _bits(first),
        }
        says = f"where a vision transformer looks in {_count(given)}, patch by patch"
        return cls("attention", given, model, {"model": model}, data, says)

    @classmethod
    def masking(cls, models: MaskedAutoencoder | Mapping[str, Painter], images: Any) -> PatchPlayground:
        """Hide patches and show them again, and see how they are painted at once.

        `models` is a masked autoencoder, or names and painters to choose from: each an autoencoder or a function
        `paint(images, mask)` of (1, C, height, width) and (1, N), True = hidden, that returns images; one at least
        is an autoencoder, which says how an image is cut into patches.
        Shapes: images (n, C, height, width), floats from 0 to 1.
        Raises: ValueError for other models, models of normalized patches, models that cut images differently, images
            of another shape, type or range, more data than a page should load, and what the first painter cannot paint.
        """
        painters = dict(models) if isinstance(models, Mapping) else {"the model": models}
        encoder = _same_encoder(painters)
        given = checked(images, encoder.image_size)
        data = {"painters": list(painters), "kinds": list(KINDS)}
        says = f"patches of {_count(given)} to hide and show, and how they are painted"
        return cls("masking", given, encoder, painters, data, says)

    def __init__(
        self,
        mode: str,
        images: np.ndarray,
        cut: VisionTransformer,
        models: Mapping[str, Any],
        data: dict[str, Any],
        says: str,
    ) -> None:
        self._mode, self._images, self._models, self.says = mode, images, models, says
        self._rows, self._columns, self._patch_size = cut.rows, cut.columns, cut.patch_size
        packed = text_of(coded(images, 8))
        if len(packed) > LIMIT:
            fit = LIMIT * 3 // 4 // images[0].size
            raise ValueError(
                f"images {images.shape} make {len(packed):,} bytes for the page: at most {LIMIT:,}; pass {fit} at most"
            )
        cuts = {"mode": mode, "shape": list(images.shape), "rows": cut.rows, "columns": cut.columns}
        self.set_trait("data", {**cuts, "images": packed, **data})
        self._answering = True  # to all settings together, below
        if mode == "masking":
            self.painter = next(iter(models))
        self._answer(strict=True)
        super().__init__()  # last: it sends everything to the page, once

    # ---- what is computed, without a view

    def current(self) -> np.ndarray:
        """Return the image that is shown, (C, height, width): one of those given, or the one that was drawn."""
        if not self.own:
            return self._images[self.image]
        drawn = np.zeros(self._images.shape[2:]) if self.drawing is None else np.array(self.drawing)
        return drawn.astype(np.float32)[None]

    def look(self) -> Looked:
        """Return what the network makes of the image that is shown (attention mode)."""
        self._only("attention", "look()")
        return look(self._models["model"], self.current())

    def paint(self) -> Painted:
        """Return the image that is shown with its hidden patches painted, and the errors on them (masking mode).

        Raises: ValueError where nothing is hidden or nothing is visible.
        """
        self._only("masking", "paint()")
        return repaint(self._models[self.painter], self.current(), np.array(self.mask), self._patch_size, self.painter)

    def picture(self) -> Figure:
        """The image that is shown and the next two, as the playground would show them."""
        return self._looking() if self._mode == "attention" else self._painting()

    def _shown(self) -> tuple[list[np.ndarray], list[int | None]]:
        """The images of the picture, and their numbers; a drawn one has none."""
        numbers: list[int | None] = [None] if self.own else []
        after = [(self.image + k) % len(self._images) for k in range(min(SHOWN - len(numbers), len(self._images)))]
        return [self.current() if n is None else self._images[n] for n in numbers + after], numbers + after

    def _looking(self) -> Figure:
        images, numbers = self._shown()
        seen = [look(self._models["model"], image) for image in images]
        classes, labels = self.data["classes"], self.data["labels"]
        titles = [f"says {classes[int(found.probabilities.argmax())]}" for found in seen]
        if labels is not None:
            truth = ["" if n is None else f"\nis {classes[labels[n]]}" for n in numbers]
            titles = [title + more for title, more in zip(titles, truth, strict=True)]
        heads = np.stack([self._row(found.maps[self.layer]) for found in seen], axis=1)  # (H, images, N)
        maps = {f"head {h + 1}": each for h, each in enumerate(heads)}
        if len(maps) > HEADS:
            maps = {"mean of heads": heads.mean(0)}
        maps["rollout"] = np.stack([self._row(found.rollout) for found in seen])
        maps["occlusion"] = np.stack([found.occlusion for found in seen])
        shaped = {name: each.reshape(-1, self._rows, self._columns) for name, each in maps.items()}
        return looked_at(np.stack(images), shaped, titles, ["occlusion"], f"heads of layer {self.layer + 1}")

    def _row(self, weights: np.ndarray) -> np.ndarray:
        """Of maps (..., T, T), return where the query looks that is held, or else what names the class: (..., N)."""
        first = int(self.data["cls_token"])
        patches = weights[..., first:]
        if self.selected is None and not first:
            return patches.mean(-2)
        return patches[..., 0 if self.selected in (None, "class") else self.selected + first, :]

    def _painting(self) -> Figure:
        images, _ = self._shown()
        mask = np.array(self.mask)
        if mask.all() or not mask.any():  # nothing to paint: as the settings would draw it
            mask = self._drawn()
        made = [repaint(self._models[self.painter], image, mask, self._patch_size, self.painter) for image in images]
        errors = [(each.error, each.mean_error) for each in made]
        pixels = np.stack([each.pixels for each in made])
        return painted(np.stack(images), np.stack([mask] * len(images)), pixels, self._patch_size, errors, self.painter)

    # ---- the settings, and what changes with them

    def _only(self, mode: str, what: str) -> None:
        if self._mode != mode:
            raise SettingError(
                f"{what} is of PatchPlayground.{mode}(...): this playground was made by .{self._mode}(...), and has "
                f"{', '.join(SETTINGS[self._mode])}"
            )

    def _drawn(self) -> np.ndarray:
        return _mask(self._rows, self._columns, self.ratio, self.kind, self.seed)

    @traitlets.observe(*ASKED)
    def _changed(self, _: Any) -> None:
        if not self._answering:
            self._answer()

    _answering = False
    _by: Any = None  # the ratio, kind and seed by which the mask was last drawn
    _answered: Any = None  # what was last answered to

    def _answer(self, strict: bool = False) -> None:
        """Draw a mask where its ratio, kind or seed is new; answer, once, to all that has changed together."""
        self._answering = True
        try:
            with self.hold_sync():
                by = (self.ratio, self.kind, self.seed)
                if self._mode == "masking" and by != self._by:
                    self.mask, self._by = self._drawn(), by
                question = (self.asked, self.image, self.own, self.drawing, self.painter, self.mask)
                if question != self._answered:
                    self._answered = question
                    content = self._looked() if self._mode == "attention" else self._painted(strict)
                    self.set_trait("answer", {"number": self.asked, "image": self.image, "own": self.own, **content})
        finally:
            self._answering = False

    def _looked(self) -> dict[str, Any]:
        found, bits = self.look(), self.data["bits"]
        return {
            "probabilities": found.probabilities.round(5).tolist(),
            "maps": text_of(coded(found.maps, bits)),
            "rollout": text_of(coded(found.rollout, bits)),
            "occlusion": found.occlusion.round(5).tolist(),
        }

    def _painted(self, strict: bool) -> dict[str, Any]:
        empty = {"mask": self.mask, "pixels": None, "error": None, "mean_error": None, "message": ""}
        try:
            made = self.paint()
        except Exception as error:  # a painter may fail in any way: its words stand where its picture would
            if strict:
                raise
            failed = "" if isinstance(error, ValueError) else f"{self.painter} failed with {type(error).__name__}: "
            return {**empty, "message": f"{failed}{error}"[:400]}
        pixels = text_of(coded(made.pixels, 8))
        return {**empty, "pixels": pixels, "error": made.error, "mean_error": made.mean_error}

    @traitlets.validate("asked", *dict.fromkeys((*SETTINGS["attention"], *SETTINGS["masking"])))
    def _checked(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        if name != "asked" and name not in SETTINGS[self._mode]:
            self._only("masking" if name in SETTINGS["masking"] else "attention", name)
        n, channels, *shape = self._images.shape
        patches = self._rows * self._columns
        ends = {"asked": 2**53, "seed": 2**53, "image": n}
        ends |= {"layer": self.data.get("num_layers", 0), "head": self.data.get("num_heads", 0)}
        if name in ends:
            return whole(value, ends[name], name)
        if name in CHOICES or name == "painter":
            value = choice(value, CHOICES.get(name, tuple(self._models)), name)
        if channels > 1 and ((name == "own" and value) or (name == "drawing" and value is not None)):
            raise SettingError(
                f"{name} needs images of one channel, to draw on: these have {channels}; leave it as it is"
            )
        if name == "selected" and value is not None and not (value == "class" and self.data["cls_token"]):
            return whole(value, patches, name, "None or " + "'class' or " * self.data["cls_token"])
        if name == "drawing" and value is not None:
            return _pixels(value, (shape[0], shape[1]))
        if name == "mask":
            return _booleans(value, patches)
        if name in ("ratio", "kind"):
            asked = {"ratio": self.ratio, "kind": self.kind, name: value}
            _mask(self._rows, self._columns, asked["ratio"], asked["kind"], 0)
        return float(value) if name == "ratio" else value


def _mask(rows: int, columns: int, ratio: Any, kind: Any, seed: int) -> np.ndarray:
    ratio = number(ratio, "ratio", "a number between 0 and 1, such as 0.75")
    generator = torch.Generator().manual_seed(seed)
    try:
        return random_mask(1, rows, columns, ratio, kind, generator=generator)[0].numpy()
    except ValueError as error:
        raise SettingError(str(error)) from None


def _same_encoder(painters: Mapping[str, Any]) -> VisionTransformer:
    """Return the encoder that says how images are cut; refuse painters that do not fit together."""
    known = "a lecturelib.mae.MaskedAutoencoder or a function paint(images, mask)"
    for name, painter in painters.items():
        if isinstance(painter, VisionTransformer) or not callable(painter):
            raise ValueError(f"{name} is a {type(painter).__name__}: expected {known}")
        if isinstance(painter, MaskedAutoencoder) and painter.norm_pix_loss:
            raise ValueError(
                f"{name} paints normalized patches, whose pixels are unknown: expected a MaskedAutoencoder with "
                "norm_pix_loss=False"
            )
    encoders = {name: each.encoder for name, each in painters.items() if isinstance(each, MaskedAutoencoder)}
    if not encoders:
        raise ValueError(
            f"models are {list(painters)}, no MaskedAutoencoder: expected one at least, which says how an image is cut"
        )
    cuts = {name: (tuple(each.image_size), each.patch_size) for name, each in encoders.items()}
    if len(set(cuts.values())) > 1:
        raise ValueError(
            f"models cut images differently, image_size and patch_size are {cuts}: expected the same; make two "
            "playgrounds"
        )
    return next(iter(encoders.values()))


def _bits(looked: Looked) -> int:
    """Return in how many bits a weight is sent."""
    numbers = looked.maps.size + looked.rollout.size
    for bits in (16, 8):
        if numbers * bits // 6 <= LIMIT:  # four letters for three bytes
            return bits
    L, H, T, _ = looked.maps.shape
    raise ValueError(
        f"the maps of {L} layers, {H} heads and {T} tokens make {numbers * 8 // 6:,} bytes for the page: at most "
        f"{LIMIT:,}; take larger patches or a smaller network"
    )


def _count(images: np.ndarray) -> str:
    return f"{len(images)} image{'s' * (len(images) > 1)}"


def _pixels(value: Any, shape: tuple[int, int]) -> list[list[float]]:
    try:
        found = np.array(value, dtype=float)
    except (TypeError, ValueError):
        found = np.zeros(0)
    if found.shape != shape or not ((found >= 0) & (found <= 1)).all():
        raise SettingError(f"drawing has the shape {found.shape}: expected {shape}, numbers from 0 to 1, or None")
    return found.round(3).tolist()


def _booleans(value: Any, patches: int) -> list[bool]:
    found = np.asarray(value)
    if found.dtype != bool or found.shape != (patches,):
        raise SettingError(
            f"mask has the shape {found.shape} and type {found.dtype}: expected ({patches},) of bool, True = hidden"
        )
    return found.tolist()
