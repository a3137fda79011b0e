"""Bad input of every figure: what was given, and words of the message, which names the value and what was expected."""

from typing import Any

import numpy as np
import pytest
import torch

from lecturelib.vision import VisionTransformer
from lecturelib.widgets.cost_explorer import CostExplorer
from lecturelib.widgets.patch_answers import repaint
from lecturelib.widgets.stepper import AutomatonStepper
from lecturelib.widgets.transfer_runs import KEEP, NONE
from tests.strategies import counter
from tests.widgets import test_transfer_lab as labs
from tests.widgets.test_attention_explorer import BLIND, WORDS, causal, explorer, scores
from tests.widgets.test_film import GROUPS, STATES, film
from tests.widgets.test_patch_playground import COLOR, SHAPE, hiding, images, looking, mae, vit, white
from tests.widgets.test_stepper import EXAMPLES, network
from tests.widgets.test_transfer_lab import POOL, TEST, lab, labelled

NAN, INF = float("nan"), float("inf")

# ---- what a figure is made of

MADE: list[tuple[Any, dict[str, Any], str]] = [
    (explorer, {"scores": scores(7)}, r"have the shape \(7,\): expected \(T, S\), \(H, T, S\) or \(L, H, T, S\)"),
    (explorer, {"scores": scores(0, 7, 7)}, "not empty"),
    (explorer, {"scores": np.where(causal(7), 0.0, -np.inf)}, "hold -inf: expected them as they are before the mask"),
    (explorer, {"scores": np.full((7, 7), np.nan)}, "scores hold nan"),
    (explorer, {"queries": WORDS[1:]}, r"6 queries, but scores \(2, 3, 7, 7\): expected 7"),
    (explorer, {"scores": scores(7, 6), "mask": None}, r"7 keys \(by default the queries\), .*: expected 6"),
    (explorer, {"mask": causal(7).astype(int)}, "dtype int64: expected bool, True = may look, such as mask == 1"),
    (explorer, {"mask": causal(6)}, r"mask has the shape \(6, 6\): expected \(7, 7\)"),
    (explorer, {"mask": BLIND}, r"queries \[2\] may look nowhere"),
    (explorer, {"layers": ["one"]}, r"1 layers, but scores \(2, 3, 7, 7\): expected 2"),
    (explorer, {"scores": scores(8, 200, 200), "queries": WORDS * 28 + WORDS[:4], "mask": None},
     r"scores \(8, 200, 200\) make [\d,]+ bytes.*at most 300,000; pass fewer"),
    (looking, {"model": vit(num_classes=None)}, "model is a VisionTransformer: expected one that names a class"),
    (looking, {"labels": [1, 2]}, "2 labels for 5 images: expected one for each"),
    (looking, {"images": np.repeat(images(), 1000, axis=0), "labels": None}, r"make .*at most 300,000; pass fewer"),
    (looking, {"model": VisionTransformer((1, 28, 28), 2, 12, 3, 2, 5), "images": images(5, (1, 28, 28))},
     r"attention maps .* bytes for the page.*larger patches"),
    (hiding, {"models": mae(norm_pix_loss=True)}, "paints normalized patches, .*expected .*norm_pix_loss=False"),
    (hiding, {"models": {"white": white}}, r"models are \['white'\], no MaskedAutoencoder: expected one at least"),
    *((make, {"images": given}, says) for make in (looking, hiding) for given, says in [
        (images(5, COLOR), r"shape \(5, 3, 6, 8\) and .*: expected floats from 0 to 1, \(B, 1, 6, 8\); x\[None\]"),
        ((255 * images()).astype(np.uint8), "type torch.uint8: expected floats from 0 to 1"),
        (torch.full((5, *SHAPE), torch.nan), "hold NaN or infinity"),
        (3 * images(), "hold numbers from .*expected 0 to 1"),
    ]),
    (lab, {"sources": {}}, "expected one or more"),
    (lab, {"sources": {NONE: labs.vit()}}, "'none .from scratch.' is always offered"),
    (lab, {"sources": {"print": torch.nn.Linear(2, 2)}}, "'print' is a Linear: expected a VisionTransformer or an MAE"),
    (lab, {"sources": {"a": labs.vit(), "b": labs.vit(d_model=12)}}, "source 'b' is built otherwise than the first"),
    (lab, {"pool": POOL[0]}, "a set of examples is a Tensor: expected a pair"),
    (lab, {"pool": labelled(labels=POOL[1][:-1])}, r"30 images, labels are torch.int64 \(29,\): expected \(30,\)"),
    (lab, {"test": (TEST[0], TEST[1] + 3)}, "labels are 3 to 5: expected 0 or more, below 3"),
    (lab, {"test": (torch.cat([TEST[0], POOL[0][:2]]), torch.cat([TEST[1], POOL[1][:2]]))}, "2 test images are in the"),
    (lab, {"labels": (2, 11)}, "each=11, but there are fewer examples"),
    (lab, {"labels": ()}, r"labels=\(\).*: expected one number or more"),
    (lab, {"seeds": (1,)}, r"seeds=\(1,\): expected .* two seeds or more"),
    (lab, {"steps": 0}, "steps=0: expected a whole number"),
    (film, {"states": STATES[0]}, r"states \(30, 5\).*expected \(frames, points, H\)"),
    (film, {"states": STATES[:0], "accuracy": [], "steps": []}, "0 accuracies.*expected .*at least one frame"),
    (film, {"groups": GROUPS[1:]}, "29 groups"),
    (film, {"states": np.where(STATES > 2, np.nan, STATES)}, "NaN or infinity.*diverge"),
    *((CostExplorer, {name: value}, f"{name}={value!r}: expected .*, a finite number above 0")
      for name in ("rate", "memory") for value in (0, NAN, INF)),
]  # fmt: skip


@pytest.mark.parametrize(("make", "given", "says"), MADE)
def test_what_does_not_fit_is_refused(make, given, says):
    with pytest.raises(ValueError, match=says):
        make(**given)


# ---- settings, from Python or the page

SETTINGS: list[tuple[Any, str, Any, str]] = [
    (explorer, "layer", 2, "layer is 2: expected a whole number from 0 to 1"),
    (explorer, "selected", 7, "selected is 7: expected None or .*from 0 to 6"),
    (explorer, "temperature", 0, "temperature is 0: expected a number from 0.25 to 4"),
    (explorer, "scale", 0, r"scale is 0: expected one of \[False, True\]"),
    (explorer, "show", "Weights", "show is 'Weights': expected one of ..weights., .scores.."),
    (lambda: explorer(d_k=None), "scale", False, r"scale is False.*pass d_k="),
    (looking, "image", 5, "image is 5: expected a whole number from 0 to 4"),
    (looking, "view", "heads", r"view is 'heads': expected one of \['head', 'rollout', 'occlusion'\]"),
    (hiding, "kind", "stripes", r"kind is 'stripes': expected one of \['random', 'block', 'grid'\]"),
    (hiding, "painter", "knn", r"painter is 'knn': expected one of \['network', 'white'\]"),
    (lab, "source", "photos", "source is 'photos': expected one of"),
    (lab, "arm", KEEP, "arm is 'fine-tune, head kept': expected one of"),
    (lab, "each", 4, r"each is 4: expected one of \[2, 3\]"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "name", "value", "says"), SETTINGS)
def test_a_setting_that_does_not_exist_is_refused_and_changes_nothing(make, name, value, says):
    widget = make()
    before = widget.get_state()
    with pytest.raises(ValueError, match=says):
        setattr(widget, name, value)
    with pytest.raises(ValueError, match=says), widget.hold_trait_notifications():  # as when the page sends it
        setattr(widget, name, value)
    assert widget.get_state() == before


# ---- other calls

MASK = np.arange(12) < 5
CALLS: list[tuple[Any, str]] = [
    (lambda: AutomatonStepper(counter(3), network, EXAMPLES, "12"), r"unknown symbols \['2'\].*reads \['0', '1'\]"),
    (lambda: AutomatonStepper(counter(3), network, EXAMPLES, "1" * 30), "30 symbols .* at most 24"),
    (lambda: AutomatonStepper(counter(3), network, [], "1"), "examples is empty: expected strings"),
    (lambda: AutomatonStepper(counter(3), network, [""], "1"), "0 groups: expected 3 or more"),
    (lambda: repaint(mae(), images(1)[0], np.zeros(12, bool), 2), "Nothing is hidden.*hide a patch"),
    (lambda: repaint(lambda x, m: x[..., :1], images(1)[0], MASK, 2, "knn"),
     r"knn painted the shape \(1, 1, 6, 1\): expected .*\(1, 1, 6, 8\)"),
    (lambda: repaint(lambda x, m: x * np.nan, images(1)[0], MASK, 2, "knn"), "knn painted .*no NaN"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "says"), CALLS)
def test_a_call_that_cannot_be_answered_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
