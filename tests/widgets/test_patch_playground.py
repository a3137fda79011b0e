"""The patch playground without a front end: what is computed, drawn and answered."""

import base64
import json
from typing import Any

import numpy as np
import pytest
import torch

from lecturelib.attention import record_attention
from lecturelib.explanations import attention_rollout, occlusion
from lecturelib.figures.style import png
from lecturelib.mae import KINDS, MaskedAutoencoder, random_mask, reconstruction_loss
from lecturelib.vision import VisionTransformer, patchify, unpatchify
from lecturelib.widgets.patch_answers import look, repaint
from lecturelib.widgets.patch_playground import PatchPlayground
from tests.widgets.test_picture import check_bundle

SHAPE = (1, 6, 8)  # 3 x 4 patches of side 2
COLOR = (3, 6, 8)


def images(n: int = 5, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(0).random((n, *shape), dtype=np.float32)


def vit(shape: tuple[int, int, int] = SHAPE, **changes: Any) -> VisionTransformer:
    torch.manual_seed(0)
    model = VisionTransformer(shape, 2, 12, 3, 2, **{"num_classes": 5} | changes)
    with torch.no_grad():  # not as even as at the start
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return model


def mae(shape: tuple[int, int, int] = SHAPE, **changes: Any) -> MaskedAutoencoder:
    torch.manual_seed(1)
    return MaskedAutoencoder(VisionTransformer(shape, 2, 12, 3, 2), 8, 2, 1, **changes)


def white(images: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(images)


def looking(**changes: Any) -> PatchPlayground:
    given = {"model": vit(), "images": images(), "labels": [4, 3, 2, 1, 0]}
    return PatchPlayground.attention(**given | changes)


def hiding(**changes: Any) -> PatchPlayground:
    given = {"models": {"network": mae(), "white": white}, "images": images()}
    return PatchPlayground.masking(**given | changes)


def unpacked(text: str, dtype: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype)


# ---- what is computed


@pytest.mark.parametrize("pool", ["mean", "class"])
@pytest.mark.parametrize("shape", [SHAPE, COLOR])
def test_look_says_what_the_library_says(pool, shape):
    model, image = vit(shape, pool=pool), images(1, shape)[0]
    found, batch = look(model, image), torch.as_tensor(image[None])
    with torch.no_grad(), record_attention(model) as maps:
        torch.testing.assert_close(torch.as_tensor(found.probabilities).float(), model(batch).softmax(-1)[0])
    weights = [each.weights for each in maps.values()]
    for ours, theirs in ((found.maps, torch.cat(weights)), (found.rollout, attention_rollout(weights)[0])):
        first = int(pool == "class")
        np.testing.assert_allclose(ours[..., 1:, :], theirs[..., first:, first:], atol=1e-6)
        reads = theirs[..., 0, 1:] if first else theirs.mean(-2)  # what the class is read from
        np.testing.assert_allclose(ours[..., 0, :], reads, atol=1e-6)
    np.testing.assert_allclose(found.occlusion, occlusion(model.eval(), batch, 2)[0], atol=1e-6)


@pytest.mark.parametrize("shape", [SHAPE, COLOR])
def test_repaint_paints_and_judges_the_hidden_patches_alone(shape):
    model, image = mae(shape), images(1, shape)[0]
    batch = torch.as_tensor(image[None])
    mask = random_mask(1, 3, 4, 0.5, generator=torch.Generator().manual_seed(3))
    found = repaint(model, image, mask[0].numpy(), 2)
    with torch.no_grad():
        all_patches = model(batch, mask)
        painted = model.paint(batch, mask)
    np.testing.assert_allclose(found.pixels, unpatchify(all_patches.clamp(0, 1), 2, 6, 8)[0], atol=1e-6)
    target = patchify(batch, 2)
    assert found.error == pytest.approx(reconstruction_loss(patchify(painted, 2), target, mask).item())
    visible = unpatchify((~mask)[..., None].expand(-1, -1, 4).float(), 2, 6, 8)[0, 0].bool().numpy()
    mean = image[:, visible].mean(axis=1)[:, None]
    assert found.mean_error == pytest.approx(((image[:, ~visible] - mean) ** 2).mean(), rel=1e-5)
    other = image.copy()
    other[:, ~visible] = 1 - other[:, ~visible]  # what is hidden changes nothing that is painted
    np.testing.assert_array_equal(repaint(model, other, mask[0].numpy(), 2).pixels, found.pixels)


def test_models_are_judged_as_in_use_and_left_as_they_were():
    model, painter, seen = vit(), mae(), []
    model.norm.eval()
    for each in (model, painter):
        each.register_forward_pre_hook(lambda me, _: seen.append(me.training))
    look(model, images()[0])
    repaint(painter, images()[0], np.arange(12) < 5, 2)
    assert len(seen) > 2 and not any(seen)
    assert model.training and painter.training and not model.norm.training


# ---- what the page gets


def test_the_page_gets_the_images_and_the_maps_of_the_first():
    widget, found = looking(), look(vit(), images()[0])
    json.dumps(widget.get_state())
    assert widget.data["shape"] == [5, 1, 6, 8] and (widget.data["rows"], widget.data["columns"]) == (3, 4)
    assert (widget.data["num_layers"], widget.data["num_heads"]) == (2, 3)
    np.testing.assert_array_equal(unpacked(widget.data["images"], "u1"), np.rint(255 * images()).ravel())
    maps = (unpacked(widget.answer["maps"], "<u2") / 65535).reshape(9, 13, 12)  # heads and mean, twice; rollout
    np.testing.assert_allclose(maps[[0, 1, 2, 4, 5, 6]], found.maps.reshape(6, 13, 12), atol=1e-5)
    np.testing.assert_allclose(maps[[3, 7]], found.maps.mean(1), atol=1e-5)
    np.testing.assert_allclose(maps[8], found.rollout, atol=1e-5)
    for name in ("occlusion", "probabilities"):
        np.testing.assert_allclose(widget.answer[name], getattr(found, name), atol=1e-5)
    assert widget.answer["number"] == 0 and widget.data["classes"] == list("01234")
    assert widget.data["labels"] == [4, 3, 2, 1, 0] and looking(labels=None).data["labels"] is None


def test_the_page_gets_one_painted_image_and_its_errors():
    widget = hiding()
    json.dumps(widget.get_state())
    found = widget.paint()
    np.testing.assert_array_equal(unpacked(widget.answer["pixels"], "u1"), np.rint(255 * found.pixels).ravel())
    assert (widget.answer["error"], widget.answer["mean_error"]) == (found.error, found.mean_error)
    assert PatchPlayground.masking(mae(), images()).data["painters"] == ["the model"]


# ---- settings, questions, answers


def test_an_answer_has_the_number_of_its_question_and_there_is_one_for_each():
    widget, answers = looking(), []
    widget.observe(lambda change: answers.append(change["new"]), "answer")
    widget.set_state({"image": 2, "asked": 7})
    assert len(answers) == 1 and (answers[0]["number"], answers[0]["image"]) == (7, 2)
    np.testing.assert_allclose(answers[0]["probabilities"], look(vit(), images()[2]).probabilities, atol=1e-5)
    widget.layer, widget.head, widget.view = 1, 2, "rollout"
    assert len(answers) == 1  # the page has all maps
    widget.image = 1
    assert len(answers) == 2 and answers[1]["number"] == 7


def test_a_mask_is_drawn_anew_where_its_ratio_kind_or_seed_is_new():
    widget, answers = hiding(), []
    widget.observe(lambda change: answers.append(change["new"]), "answer")

    def drawn(ratio: float, kind: str, seed: int) -> list[bool]:
        return random_mask(1, 3, 4, ratio, kind, generator=torch.Generator().manual_seed(seed))[0].tolist()

    assert widget.mask == drawn(0.75, "random", 0)
    for number, kind in enumerate(KINDS, 1):
        widget.set_state({"kind": kind, "seed": number, "asked": number})
        assert widget.mask == widget.answer["mask"] == drawn(0.75, kind, number)
        assert len(answers) == number == widget.answer["number"]  # one answer, not one for each setting
    own = [n == 4 for n in range(12)]
    widget.set_state({"mask": own, "asked": 9})
    assert widget.mask == own == widget.answer["mask"] and len(answers) == 4
    widget.image = 3
    assert widget.mask == own  # another image, the same mask
    widget.ratio = 0.25
    few = widget.mask
    assert few == drawn(0.25, "grid", 3)
    widget.ratio = 0.75
    assert np.array(widget.mask)[few].all()  # a mask that grows keeps what was hidden
    with pytest.raises(ValueError, match=r"ratio=0.99 hides 12 of 12 patches"):
        widget.ratio = 0.99


def test_nothing_to_paint_is_said_and_the_next_mask_is_painted_again():
    widget = hiding()
    for mask, says in ((np.ones(12, bool), "Nothing is visible"), (np.zeros(12, bool), "Nothing is hidden")):
        widget.mask = mask
        assert widget.answer["message"].startswith(says) and widget.answer["pixels"] is None
        assert png(widget.picture())  # as the settings would draw the mask
    widget.seed = 4
    assert widget.answer["message"] == "" and widget.answer["pixels"]


def test_another_painter_paints_and_one_that_fails_is_quoted():
    def picky(images: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        if mask.sum() == 9:  # as at first
            raise KeyError("nine")
        return images

    widget = hiding(models={"network": mae(), "picky": picky, "white": white})
    widget.painter = "picky"
    assert widget.answer["message"] == "picky failed with KeyError: 'nine'"
    widget.ratio = 0.5
    assert widget.answer["message"] == "" and widget.answer["error"] == 0
    widget.painter = "white"
    assert set(unpacked(widget.answer["pixels"], "u1")) == {255}


def test_a_function_that_paints_cannot_change_the_image():
    def spoils(images: torch.Tensor, mask: torch.Tensor) -> np.ndarray:
        images.fill_(7)
        mask.fill_(True)
        return np.full(images.shape, 2.0)

    image, mask = images(1)[0], np.arange(12) < 5
    found = repaint(spoils, image, mask, 2)
    np.testing.assert_array_equal(image, images(1)[0])
    assert mask.sum() == 5 and (found.pixels == 1).all()  # cut to 0 to 1


@pytest.mark.parametrize("make", [looking, hiding])
def test_a_drawing_stands_in_the_place_of_an_image(make):
    widget = make()
    widget.own = True
    assert (widget.current() == 0).all() and widget.answer["own"] is True
    drawn = images()[4, 0]
    widget.drawing = drawn
    np.testing.assert_allclose(widget.current()[0], drawn, atol=1e-3)
    json.dumps(widget.get_state())
    if make is looking:
        expected = look(vit(), widget.current()).probabilities
        np.testing.assert_allclose(widget.answer["probabilities"], expected, atol=1e-5)
    else:
        assert widget.answer["error"] == repaint(mae(), widget.current(), np.array(widget.mask), 2).error
    assert png(widget.picture())
    widget.own = False
    np.testing.assert_array_equal(widget.current(), images()[0])


# ---- the picture


@pytest.mark.parametrize("pool", ["mean", "class"])
def test_the_picture_of_looking_shows_heads_rollout_and_occlusion(pool):
    widget = looking(model=vit(pool=pool))
    check_bundle(widget, "where a vision transformer looks in 5 images, patch by patch")
    titles = [ax.get_title(loc="center") for ax in widget.picture().axes]
    assert titles[1:6] == ["head 1", "head 2", "head 3", "rollout", "occlusion"] and len(titles) == 18
    said = [int(look(vit(pool=pool), image).probabilities.argmax()) for image in images()[:3]]
    assert titles[::6] == [f"says {n}\nis {4 - k}" for k, n in enumerate(said)]


def test_the_picture_of_hiding_shows_four_panels_for_each_image():
    widget = hiding()
    check_bundle(widget, "patches of 5 images to hide and show, and how they are painted")
    axes, mask = widget.picture().axes, np.array(widget.mask)
    assert len(axes) == 12
    hidden = mask.reshape(3, 4).repeat(2, 0).repeat(2, 1)
    for k, image in enumerate(images()[:3]):
        original, _, all_painted, put_back = (ax.images[0].get_array() for ax in axes[4 * k : 4 * k + 4])
        made = repaint(mae(), image, mask, 2).pixels
        np.testing.assert_allclose(original, 1 - image[0], atol=1e-6)  # ink on white
        np.testing.assert_allclose(all_painted, 1 - made[0], atol=1e-6)
        np.testing.assert_allclose(put_back, 1 - np.where(hidden, made[0], image[0]), atol=1e-6)
    assert len(PatchPlayground.masking(mae(COLOR), images(1, COLOR)).picture().axes) == 4
