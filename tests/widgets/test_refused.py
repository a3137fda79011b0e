"""Bad input of every figure: what was given, and words of the message, which names the value and what was expected."""

from typing import Any

import numpy as np
import pytest
import torch

from lecturelib.widgets import cost_explorer
from lecturelib.widgets.cost_explorer import CostExplorer
from lecturelib.widgets.patch_answers import repaint
from lecturelib.widgets.patch_playground import PatchPlayground
from lecturelib.widgets.stepper import AutomatonStepper
from lecturelib.widgets.transfer_runs import KEEP, NONE
from tests.strategies import counter
from tests.widgets import test_transfer_lab as labs
from tests.widgets.test_attention_explorer import BLIND, WORDS, causal, explorer, scores
from tests.widgets.test_film import ACCURACY, GROUPS, STATES, STEPS, film
from tests.widgets.test_patch_playground import COLOR, SHAPE, hiding, images, looking, mae, vit, white
from tests.widgets.test_stepper import EXAMPLES, network
from tests.widgets.test_transfer_lab import POOL, TEST, lab, labelled

NAN, INF = float("nan"), float("inf")

# ---- what a figure is made of

MADE: list[tuple[Any, dict[str, Any], str]] = [
    (explorer, {"scores": scores(7)}, r"have the shape \(7,\): expected \(T, S\), \(H, T, S\) or \(L, H, T, S\)"),
    (explorer, {"scores": scores(1, 1, 1, 7, 7)}, r"shape \(1, 1, 1, 7, 7\)"),
    (explorer, {"scores": scores(0, 7, 7)}, "not empty"),
    (explorer, {"scores": np.where(causal(7), 0.0, -np.inf)}, "hold -inf: expected them as they are before the mask"),
    (explorer, {"scores": np.full((7, 7), np.nan)}, "scores hold nan"),
    (explorer, {"queries": WORDS[1:]}, r"6 queries, but scores \(2, 3, 7, 7\): expected 7"),
    (explorer, {"keys": WORDS[1:]}, "6 keys .*expected 7"),
    (explorer, {"scores": scores(7, 6), "mask": None}, r"7 keys \(by default the queries\), .*: expected 6"),
    (explorer, {"mask": causal(7).astype(int)}, "dtype int64: expected bool, True = may look, such as mask == 1"),
    (explorer, {"mask": causal(6)}, r"mask has the shape \(6, 6\): expected \(7, 7\)"),
    (explorer, {"mask": BLIND}, r"queries \[2\] may look nowhere"),
    (explorer, {"layers": ["one"]}, r"1 layers, but scores \(2, 3, 7, 7\): expected 2"),
    (explorer, {"selected": 7}, "selected is 7: expected None or a whole number from 0 to 6"),
    (explorer, {"scores": scores(8, 200, 200), "queries": WORDS * 28 + WORDS[:4], "mask": None},
     r"scores \(8, 200, 200\) make [\d,]+ bytes.*at most 300,000; pass fewer"),
    (looking, {"model": mae()}, "model is a MaskedAutoencoder: expected a lecturelib.vision.VisionTransformer"),
    (looking, {"model": vit(num_classes=None)}, "model has no classes: expected a network that names one"),
    (looking, {"labels": [1, 2]}, "2 labels for 5 images: expected one for each"),
    (looking, {"labels": [0, 1, 2, 3, 5]}, "a label is 5: expected a whole number from 0 to 4"),
    (looking, {"images": np.repeat(images(), 1000, axis=0), "labels": None}, r"make .*at most 300,000; pass 4687"),
    (hiding, {"models": vit()}, "the model is a VisionTransformer: expected a lecturelib.mae.MaskedAutoencoder"),
    (hiding, {"models": {"network": mae(), "five": 5}}, "five is a int: expected .*or a function paint"),
    (hiding, {"models": mae(norm_pix_loss=True)}, "paints normalized patches, .*expected .*norm_pix_loss=False"),
    (hiding, {"models": {"white": white}}, r"models are \['white'\], no MaskedAutoencoder: expected one at least"),
    (hiding, {"models": {}}, "no MaskedAutoencoder"),
    (hiding, {"models": {"a": mae(), "b": mae((1, 6, 8), 1)}}, "models cut images differently"),
    (hiding, {"models": {"flat": lambda x, m: x.flatten(1), "network": mae()}}, "flat painted the shape"),
    *((make, {"images": given}, says) for make in (looking, hiding) for given, says in [
        (images()[0], r"shape \(1, 6, 8\): expected \(n, 1, 6, 8\).*x\[None\]"),
        (images(2, COLOR), r"shape \(2, 3, 6, 8\): expected \(n, 1, 6, 8\)"),
        (images(0), "hold no image: expected at least one"),
        ((255 * images()).astype(np.uint8), "type uint8: expected floats from 0 to 1, as by images / 255"),
        (torch.full((2, *SHAPE), torch.nan), "hold NaN or infinity"),
        (3 * images(), "hold numbers from .*expected 0 to 1"),
        ([[1.0], [1.0, 2.0]], "no array: expected numbers"),
    ]),
    (lab, {"sources": {}}, "expected one or more"),
    (lab, {"sources": {NONE: labs.vit()}}, "'none .from scratch.' is always offered"),
    (lab, {"sources": {"print": torch.nn.Linear(2, 2)}}, "'print' is a Linear: expected a VisionTransformer or an MAE"),
    (lab, {"sources": {"a": labs.vit(), "b": labs.vit(d_model=12)}}, "'b' is built otherwise.*d_model 12.*d_model 8"),
    (lab, {"pool": POOL[0]}, "a set of examples is a Tensor: expected a pair"),
    (lab, {"pool": labelled(labels=POOL[1][:-1])}, "30 images, 29 labels"),
    (lab, {"pool": labelled(images=torch.rand(30, 1, 6, 6))}, r"6, 6"),
    (lab, {"pool": labelled(images=POOL[0] * torch.nan)}, "NaN"),
    (lab, {"test": (TEST[0], TEST[1] + 3)}, "a label is 5: expected 0 to 2"),
    (lab, {"test": (torch.cat([TEST[0], POOL[0][:2]]), torch.cat([TEST[1], POOL[1][:2]]))}, "2 test images are in the"),
    (lab, {"labels": (2, 11)}, "each=11, but there are fewer examples"),
    (lab, {"labels": ()}, r"labels=\(\).*: expected one number or more"),
    (lab, {"labels": (0, 2)}, "each=0: expected a whole number of 1 or more"),
    (lab, {"seeds": (1,)}, r"seeds=\(1,\): expected .* two seeds or more"),
    (lab, {"seeds": (1, 1, 2)}, "two seeds or more"),
    (lab, {"seeds": (-1, 0)}, "seed=-1: expected .* of 0 or more"),
    (lab, {"steps": 0}, "steps=0: expected a whole number"),
    (lab, {"batch_size": 0}, "batch_size=0"),
    (film, {"states": STATES[0]}, r"states \(30, 5\).*expected \(frames, points, H\)"),
    (film, {"states": STATES[:0], "accuracy": [], "steps": []}, "0 accuracies.*expected .*at least one frame"),
    (film, {"accuracy": ACCURACY[1:]}, "3 accuracies, 4 steps"),
    (film, {"steps": [*STEPS, 80]}, "4 accuracies, 5 steps"),
    (film, {"groups": GROUPS[1:]}, "29 groups"),
    (film, {"states": STATES * np.inf}, "NaN or infinity: expected finite hidden states"),
    (film, {"states": np.where(STATES > 2, np.nan, STATES)}, "NaN or infinity.*diverge"),
    (film, {"accuracy": [0.5, NAN, 0.8, 0.9]}, "accuracy .*nan.*expected .*0 to 1"),
    (film, {"states": STATES[..., :1]}, r"expected at least 2 points with 2 coordinates"),
    *((CostExplorer, {name: value}, f"{name}={value!r}: expected .*, a finite number above 0")
      for name in ("rate", "memory") for value in (0, -1.0, NAN, INF, "many", None, True)),
]  # fmt: skip


@pytest.mark.parametrize(("make", "given", "says"), MADE)
def test_what_does_not_fit_is_refused(make, given, says):
    with pytest.raises(ValueError, match=says):
        make(**given)


# ---- settings, from Python or the page

SETTINGS: list[tuple[Any, str, Any, str]] = [
    (explorer, "layer", 2, "layer is 2: expected a whole number from 0 to 1"),
    (explorer, "head", -1, "head is -1: .*from 0 to 2"),
    (explorer, "head", "1", "head is '1': expected a whole number"),
    (explorer, "head", True, "head is True: expected a whole number"),
    (explorer, "selected", 7, "selected is 7: expected None or .*from 0 to 6"),
    (explorer, "selected", 1.5, "selected is 1.5"),
    (explorer, "temperature", 0, "temperature is 0: expected a number from 0.25 to 4"),
    (explorer, "temperature", 4.01, "temperature is 4.01"),
    (explorer, "temperature", NAN, "temperature is nan"),
    (explorer, "temperature", "hot", "temperature is 'hot'"),
    (explorer, "scale", 0, r"scale is 0: expected one of \[False, True\]"),
    (explorer, "mask_on", None, "mask_on is None: expected one of"),
    (explorer, "show", "Weights", "show is 'Weights': expected one of ..weights., .scores.."),
    (lambda: explorer(d_k=None), "scale", False, r"scale is False.*pass d_k="),
    (looking, "image", 5, "image is 5: expected a whole number from 0 to 4"),
    (looking, "image", True, "image is True"),
    (looking, "layer", 2, "layer is 2: .*from 0 to 1"),
    (looking, "head", -1, "head is -1: .*from 0 to 2"),
    (looking, "selected", 12, "selected is 12: expected None or a whole number from 0 to 11"),
    (looking, "selected", "class", "selected is 'class': expected None or a whole"),
    (looking, "view", "heads", r"view is 'heads': expected one of \['head', 'mean of heads', 'rollout', 'occlusion'\]"),
    (looking, "scale", 1, r"scale is 1: expected one of \['query', 'image'\]"),
    (looking, "own", 1, r"own is 1: expected one of \[False, True\]"),
    (looking, "drawing", np.zeros((8, 6)), r"shape \(8, 6\): expected \(6, 8\), numbers from 0 to 1"),
    (looking, "drawing", np.full((6, 8), 2.0), "numbers from 0 to 1"),
    (looking, "drawing", np.full((6, 8), np.nan), "numbers from 0 to 1"),
    (looking, "mask", [True] * 12, r"mask is of PatchPlayground.masking\(...\): this .* was made by .attention"),
    (looking, "ratio", 0.5, "ratio is of PatchPlayground.masking"),
    (hiding, "ratio", 0, "ratio=0.0: expected a share between 0 and 1"),
    (hiding, "ratio", 0.99, "ratio=0.99 hides 12 of 12 patches"),
    (hiding, "ratio", NAN, "ratio is nan: expected a number between"),
    (hiding, "ratio", "half", "ratio is 'half': expected a number between 0 and 1"),
    (hiding, "kind", "stripes", r"kind 'stripes' is unknown: expected one of \['random', 'block', 'grid'\]"),
    (hiding, "seed", -1, "seed is -1"),
    (hiding, "painter", "knn", r"painter is 'knn': expected one of \['network', 'white'\]"),
    (hiding, "mask", [1] * 12, r"shape \(12,\) and type int64: expected \(12,\) of bool, True = hidden"),
    (hiding, "mask", [True] * 11, r"mask has the shape \(11,\)"),
    (hiding, "mask", None, "mask has the shape"),
    (hiding, "view", "rollout", "view is of PatchPlayground.attention"),
    *((make, name, value, f"{name} needs images of one channel.*these have 3")
      for make in (lambda: looking(model=vit(COLOR), images=images(5, COLOR)),
                   lambda: PatchPlayground.masking(mae(COLOR), images(2, COLOR)))
      for name, value in (("own", True), ("drawing", np.zeros((6, 8))))),
    (lab, "source", "photos", "source is 'photos': expected one of"),
    (lab, "arm", "guess", "arm is 'guess': expected one of"),
    (lab, "arm", KEEP, "arm is 'fine-tune, head kept': expected one of"),
    (lab, "each", 4, r"each is 4: expected one of \[2, 3\]"),
    (lab, "each", None, "each is None"),
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
    (lambda: cost_explorer.numbers(0, 32, 1, 1, 4), "length=0"),
    (lambda: cost_explorer.numbers(16, 33, 1, 1, 4), "num_heads=4"),
    (lambda: cost_explorer.numbers(16, 32, 0, 1, 4), "num_layers=0"),
    (lambda: cost_explorer.numbers(16, 32, 1, 1.5, 4), "batch_size=1.5"),
    (lambda: cost_explorer.numbers(16, True, 1, 1, 1), "d_model=True"),
    (lambda: AutomatonStepper(counter(3), network, EXAMPLES, "12"), r"unknown symbols \['2'\].*reads \['0', '1'\]"),
    (lambda: AutomatonStepper(counter(3), network, EXAMPLES, "1" * 30), "30 symbols .* at most 24"),
    (lambda: AutomatonStepper(counter(3), network, [], "1"), "examples is empty: expected strings"),
    (lambda: AutomatonStepper(counter(3), network, [""], "1"), "expected .*3 groups or more"),
    (lambda: repaint(mae(), images(1)[0], np.zeros(12, bool), 2), "Nothing is hidden.*hide a patch"),
    (lambda: repaint(mae(), images(1)[0], np.ones(12, bool), 2), "Nothing is visible"),
    (lambda: repaint(lambda x, m: x[..., :1], images(1)[0], MASK, 2, "knn"),
     r"knn painted the shape \(1, 1, 6, 1\): expected .*\(1, 1, 6, 8\)"),
    (lambda: repaint(lambda x, m: "picture", images(1)[0], MASK, 2, "knn"), "knn returned str: expected images"),
    (lambda: repaint(lambda x, m: x * np.nan, images(1)[0], MASK, 2, "knn"), "knn painted NaN"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "says"), CALLS)
def test_a_call_that_cannot_be_answered_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
