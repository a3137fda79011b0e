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
from lecturelib.vision import VisionTransformer, check_images
from lecturelib.widgets.kit import LIMIT, as_array, coded, script, style, text_of
from lecturelib.widgets.patch_answers import Painted, Painter, look, repaint
from lecturelib.widgets.picture import StaticPicture
from lecturelib.widgets.settings import Setting, choice, whole

SHOWN = 3  # images in the picture
VIEWS = ("head", "rollout", "occlusion")
SETTINGS = {
    "attention": ("image", "own", "drawing", "view", "layer", "head", "selected"),
    "masking": ("image", "own", "drawing", "mask", "ratio", "kind", "seed", "painter"),
}
ASKED = ("asked", "image", "own", "drawing", "mask", "ratio", "kind", "seed", "painter")  # the kernel answers these


class PatchPlayground(StaticPicture, anywidget.AnyWidget):
    """Play with the patches of images; `PatchPlayground.attention(...)` and `PatchPlayground.masking(...)` make one.

    A view is set by attributes, before and after it is shown; the page sets them too. In both modes:
    `image`, the number of the image, from 0; `own`, whether the digit that was drawn stands in its place (images of
    one channel only); `drawing` (height, width), from 0 to 1.
    Attention: `view`, "head", "rollout" or "occlusion"; `layer` and `head` from 0, after the last head the mean of all;
    `selected`, the patch that is held, or None.
    Masking: `mask`, N booleans, True = hidden; `ratio`, `kind` and `seed` draw them anew with `random_mask`;
    `painter`, the name of the model.

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
    mask = Setting(None).tag(echo_update=False)
    ratio = Setting(0.75)
    kind = Setting("random")
    seed = Setting(0)
    painter = Setting(None)

    @classmethod
    def attention(cls, model: VisionTransformer, images: Any, labels: Sequence[int] | None = None) -> PatchPlayground:
        """Look into a vision transformer: point at a patch to see where it looks, by layer and head.

        Shapes: images (n, C, height, width), floats from 0 to 1; `labels`, n numbers of the true classes.
        Raises: ValueError for a model without classes, images of another shape, type or range, labels of another
            number, and more data than a page should load.
        """
        if not isinstance(model, VisionTransformer) or isinstance(model.head, torch.nn.Identity):
            raise ValueError(
                f"model is a {type(model).__name__}: expected one that names a class, such as "
                "VisionTransformer(…, num_classes=10)"
            )
        if labels is not None and len(labels) != len(images):
            raise ValueError(f"{len(labels)} labels for {len(images)} images: expected one for each, or None")
        data = {
            "classes": [str(number) for number in range(model.head.out_features)],
            "labels": None if labels is None else [int(label) for label in labels],
            "reads": "the mean of all patches" if model.cls_token is None else "the class token",
            "num_layers": len(model.blocks),
            "num_heads": model.blocks[0].get_submodule("attention").num_heads,
        }
        says = "where a vision transformer looks in {}, patch by patch"
        return cls("attention", images, model, {"model": model}, data, says)

    @classmethod
    def masking(cls, models: MaskedAutoencoder | Mapping[str, Painter], images: Any) -> PatchPlayground:
        """Hide patches and show them again, and see how they are painted at once.

        `models` is a masked autoencoder, or names and painters to choose from: each an autoencoder or a function
        `paint(images, mask)` of (1, C, height, width) and (1, N), True = hidden, that returns images; one at least
        is an autoencoder, which says how an image is cut into patches.
        Shapes: images (n, C, height, width), floats from 0 to 1.
        Raises: ValueError for other models, models of normalized patches, images of another shape, type or range, and
            more data than a page should load.
        """
        painters = dict(models) if isinstance(models, Mapping) else {"the model": models}
        networks = {name: each for name, each in painters.items() if isinstance(each, MaskedAutoencoder)}
        if not networks:
            raise ValueError(
                f"models are {list(painters)}, no MaskedAutoencoder: expected one at least, which says how an image is "
                "cut"
            )
        for name, network in networks.items():
            if network.norm_pix_loss:
                raise ValueError(
                    f"{name} paints normalized patches, whose pixels are unknown: expected a MaskedAutoencoder with "
                    "norm_pix_loss=False"
                )
        data = {"painters": list(painters), "kinds": list(KINDS)}
        says = "patches of {} to hide and show, and how they are painted"
        return cls("masking", images, next(iter(networks.values())).encoder, painters, data, says)

    def __init__(
        self, mode: str, images: Any, cut: VisionTransformer, models: Mapping[str, Any], data: dict[str, Any], says: str
    ) -> None:
        given = torch.from_numpy(np.array(as_array(images)))
        check_images(given, cut.image_size)
        if given.min() < 0 or given.max() > 1:
            raise ValueError(
                f"images hold numbers from {given.min():g} to {given.max():g}: expected 0 to 1; scale them"
            )
        self._mode, self._images, self._models = mode, given.float().numpy(), models
        self._rows, self._columns, self._patch_size = cut.rows, cut.columns, cut.patch_size
        self.says = says.format(f"{len(given)} image{'s' * (len(given) > 1)}")
        cuts = {"mode": mode, "shape": list(given.shape), "rows": cut.rows, "columns": cut.columns}
        self.set_trait("data", {**cuts, "images": _packed("images", self._images, 8, "pass fewer"), **data})
        self.painter = next(iter(models))  # which asks for the first answer
        super().__init__()  # last: it sends everything to the page, once

    # ---- what is computed, without a view

    def current(self) -> np.ndarray:
        """Return the image that is shown, (C, height, width): one of those given, or the one that was drawn."""
        if not self.own:
            return self._images[self.image]
        drawn = np.zeros(self._images.shape[2:]) if self.drawing is None else np.array(self.drawing)
        return drawn.astype(np.float32)[None]

    def paint(self, image: np.ndarray | None = None, mask: np.ndarray | None = None) -> Painted:
        """Return an image with its hidden patches painted, and the errors on them; by default what is shown.

        Raises: ValueError where nothing is hidden or nothing is visible.
        """
        image = self.current() if image is None else image
        mask = np.array(self.mask) if mask is None else mask
        return repaint(self._models[self.painter], image, mask, self._patch_size, self.painter)

    def picture(self) -> Figure:
        """The image that is shown and the next two, as the playground would show them."""
        numbers: list[int | None] = [None] if self.own else []  # a drawn image has none
        numbers += [(self.image + k) % len(self._images) for k in range(min(SHOWN - len(numbers), len(self._images)))]
        images = np.stack([self.current() if n is None else self._images[n] for n in numbers])
        return self._looking(images, numbers) if self._mode == "attention" else self._painting(images)

    def _looking(self, images: np.ndarray, numbers: Sequence[int | None]) -> Figure:
        seen = [look(self._models["model"], image) for image in images]
        classes, labels = self.data["classes"], self.data["labels"]
        titles = [f"says {classes[int(found.probabilities.argmax())]}" for found in seen]
        if labels is not None:
            truth = ["" if n is None else f"\nis {classes[labels[n]]}" for n in numbers]
            titles = [title + more for title, more in zip(titles, truth, strict=True)]
        row = 0 if self.selected is None else self.selected + 1
        heads = np.stack([found.maps[self.layer, :, row] for found in seen], axis=1)  # (H, images, N)
        maps = {f"head {h + 1}": each for h, each in enumerate(heads)}
        maps["rollout"] = np.stack([found.rollout[row] for found in seen])
        maps["occlusion"] = np.stack([found.occlusion for found in seen])
        shaped = {name: each.reshape(-1, self._rows, self._columns) for name, each in maps.items()}
        return looked_at(images, shaped, titles, ["occlusion"], f"heads of layer {self.layer + 1}")

    def _painting(self, images: np.ndarray) -> Figure:
        mask = np.array(self.mask)
        if mask.all() or not mask.any():  # nothing to paint: as the settings would draw it
            mask = self._drawn()
        made = [self.paint(image, mask) for image in images]
        errors = [(each.error, each.mean_error) for each in made]
        pixels = np.stack([each.pixels for each in made])
        return painted(images, np.stack([mask] * len(images)), pixels, self._patch_size, errors, self.painter)

    # ---- the settings, and what changes with them

    def _drawn(self) -> np.ndarray:
        generator = torch.Generator().manual_seed(self.seed)
        mask = random_mask(1, self._rows, self._columns, self.ratio, self.kind, generator=generator)
        return mask[0].numpy()

    _by: Any = None  # the ratio, kind and seed by which the mask was last drawn
    _answered: Any = None  # what was last answered to

    @traitlets.observe(*ASKED)
    def _answer(self, _: Any) -> None:
        """Draw a mask where its ratio, kind or seed is new; answer, once, to all that has changed together."""
        with self.hold_sync():
            by = (self.ratio, self.kind, self.seed)
            if self._mode == "masking" and by != self._by:
                mask = self._drawn()
                self._by, self.mask = by, mask
            question = (self.asked, self.image, self.own, self.drawing, self.painter, self.mask)
            if question != self._answered:
                self._answered = question
                content = self._looked() if self._mode == "attention" else self._painted()
                self.set_trait("answer", {"number": self.asked, "image": self.image, "own": self.own, **content})

    def _looked(self) -> dict[str, Any]:
        found = look(self._models["model"], self.current())
        heads = np.concatenate([found.maps, found.maps.mean(1, keepdims=True)], axis=1)  # (L, H + 1, 1 + N, N)
        maps = np.concatenate([heads.reshape(-1, *found.rollout.shape), found.rollout[None]])
        return {
            "probabilities": found.probabilities.round(5).tolist(),
            "maps": _packed("attention maps", maps, 16, "take larger patches or a smaller network"),
            "occlusion": found.occlusion.round(5).tolist(),
        }

    def _painted(self) -> dict[str, Any]:
        empty = {"mask": self.mask, "pixels": None, "error": None, "mean_error": None, "message": ""}
        try:
            made = self.paint()
        except Exception as error:  # a painter may fail in any way: its words stand where its picture would
            failed = "" if isinstance(error, ValueError) else f"{self.painter} failed with {type(error).__name__}: "
            return {**empty, "message": f"{failed}{error}"[:400]}
        pixels = text_of(coded(made.pixels, 8))
        return {**empty, "pixels": pixels, "error": made.error, "mean_error": made.mean_error}

    @traitlets.validate(*ASKED, *SETTINGS["attention"])
    def _checked(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        ends = {"asked": 2**53, "seed": 2**53, "image": len(self._images), "selected": self._rows * self._columns}
        ends |= {"layer": self.data.get("num_layers", 1), "head": self.data.get("num_heads", 0) + 1}
        choices = {"view": VIEWS, "own": (False, True), "kind": KINDS, "painter": tuple(self._models)}
        if name in ends:
            return value if name == "selected" and value is None else whole(value, ends[name], name)
        if name in choices:
            return choice(value, choices[name], name)
        if name == "mask":
            return np.asarray(value, dtype=bool).tolist()
        if name == "drawing" and value is not None:
            return np.clip(value, 0, 1).round(3).tolist()
        return value


def _packed(name: str, shares: np.ndarray, bits: int, remedy: str) -> str:
    """Return shares from 0 to 1 as text for the page, unless they are too many."""
    text = text_of(coded(shares, bits))
    if len(text) > LIMIT:
        raise ValueError(f"{name} {shares.shape} make {len(text):,} bytes for the page: at most {LIMIT:,}; {remedy}")
    return text
