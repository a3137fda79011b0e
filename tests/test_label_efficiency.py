"""Label efficiency: every arm sees the same draws and nothing else, and does what its name says."""

import copy
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from lecturelib import label_efficiency
from lecturelib.fine_tuning import fine_tune
from lecturelib.transfer import Examples, LinearProbe, copy_encoder, draw_labelled, probe_head
from lecturelib.vision import VisionTransformer
from tests.mutants import Mutant, planted
from tests.strategies import normal
from tests.tools import global_generators_left_alone, refuses
from tests.twins import random_weights, state, unchanged

STEPS = {"steps": 2, "batch_size": 3, "lr": 0.01}


def build(seed: int) -> VisionTransformer:
    return random_weights(VisionTransformer((1, 4, 4), 2, 8, 2, 1, num_classes=3), 100 * seed)


def examples(n: int, seed: int) -> Examples:
    """Return images, and labels in a mixed order, some of each class."""
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    return normal(n, 1, 4, 4, seed=seed), (torch.arange(n) % 3)[order]


POOL, TEST = examples(30, 0), examples(14, 1000)


class Recorder:
    """An arm that learns nothing, keeps a copy of what it is given, and tells the sets apart by its answers."""

    def accuracies(self, sets: Sequence[Examples], test: Examples, seeds: Sequence[int]) -> list[float]:
        self.sets, self.test, self.seeds = copy.deepcopy(sets), copy.deepcopy(test), seeds
        return [seed + len(y) / 1000 for (_, y), seed in zip(sets, seeds, strict=True)]


def measure(arms: Any, pool: Examples = POOL, test: Examples = TEST, **how: Any) -> dict[str, torch.Tensor]:
    return label_efficiency.label_efficiency(arms, pool, test, **({"labels": (1, 2), "seeds": (0, 1)} | how))


@settings(max_examples=20)
@given(
    st.lists(st.integers(1, 8), min_size=1, max_size=3, unique=True),
    st.lists(st.integers(0, 1000), min_size=1, max_size=3, unique=True),
)
def test_every_arm_sees_the_same_draws_and_no_more(labels: list[int], own: list[int]) -> None:
    arms = {"a": Recorder(), "b": Recorder()}
    with global_generators_left_alone():
        found = measure(arms, labels=labels, seeds=own)
    assert list(found) == ["a", "b"]
    for arm in arms.values():
        assert arm.seeds == [seed for seed in own for _ in labels]
        torch.testing.assert_close(arm.test, TEST, rtol=0, atol=0)
        for (seed, count), drawn in zip(itertools.product(own, labels), arm.sets, strict=True):
            rows = draw_labelled(POOL[1], count, seed=seed)
            torch.testing.assert_close(drawn, (POOL[0][rows], POOL[1][rows]), rtol=0, atol=0)
    for accuracy in found.values():
        torch.testing.assert_close(accuracy, torch.tensor([[s + 3 * count / 1000 for count in labels] for s in own]))


def share(named: Any, labels: torch.Tensor) -> float:
    return float(np.mean([a == b for a, b in zip(list(named), labels.tolist(), strict=True)]))


SETS = [(POOL[0][:12], POOL[1][:12]), (POOL[0][5:9], POOL[1][5:9]), (POOL[0][12:], POOL[1][12:])]


def brighter(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return images + torch.rand(len(images), 1, 1, 1, generator=generator)


@pytest.mark.parametrize("copies", [0, 2])
def test_arms_on_pixels_learn_originals_and_moved_copies_of_each_set_by_its_seed(copies: int) -> None:
    learner = LogisticRegression(max_iter=2000)
    arm = label_efficiency.MovedCopies(brighter, learner, copies) if copies else label_efficiency.Pixels()
    for accuracy, (x, y), seed in zip(arm.accuracies(SETS, TEST, [4, 9, 4]), SETS, (4, 9, 4), strict=True):
        generator = torch.Generator().manual_seed(seed)
        all_x = torch.cat([x, *(brighter(x, generator) for _ in range(copies))]).reshape(-1, 16)
        named = learner.fit(all_x.numpy(), [*y.tolist()] * (1 + copies)).predict(TEST[0].reshape(14, 16).numpy())
        assert accuracy == pytest.approx(share(named, TEST[1]))


def test_a_probe_is_one_on_the_encoder_or_on_one_for_each_seed() -> None:
    own = label_efficiency.Probe(build).accuracies(SETS, TEST, [4, 9, 4])
    assert own == [LinearProbe(build(k), *each).accuracy(*TEST) for k, each in zip((4, 9, 4), SETS, strict=True)]
    found = label_efficiency.Probe(build(7)).accuracies(SETS, TEST, [4, 9, 4])
    assert found == [LinearProbe(build(7), *each).accuracy(*TEST) for each in SETS] != own


@pytest.mark.parametrize(("with_source", "keep_head"), [(False, False), (True, False), (True, True)])
def test_tune_starts_where_it_should_and_trains_each_network_on_its_set(with_source: bool, keep_head: bool) -> None:
    source = build(7)
    before = state(source)
    arm = label_efficiency.Tune(build, source if with_source else None, keep_head, how=STEPS)
    models = []
    for seed in (4, 9, 4):
        models.append(arm.start(seed))
        fresh = state(build(seed))
        for name, value in models[-1].state_dict().items():
            copied = with_source and (keep_head or not name.startswith("head."))
            assert torch.equal(value, (before if copied else fresh)[name]), name
    expected = []
    for seed, model, each in zip((4, 9, 4), models, SETS, strict=True):
        fine_tune([model], [each], seeds=[seed], **STEPS)
        expected.append(share(model(TEST[0]).argmax(dim=1).tolist(), TEST[1]))
    found = arm.accuracies(SETS, TEST, [4, 9, 4])
    assert found == pytest.approx(expected, abs=1e-6)
    assert unchanged(source, before)


def test_probe_first_begins_with_the_head_of_a_probe_on_each_set() -> None:
    heads: list[torch.Tensor] = []
    how: dict[str, Any] = STEPS | {"watch": lambda step, stack: heads.append(stack.weights["head.weight"].clone())}
    label_efficiency.Tune(build, build(7), probe_first=True, how=how).accuracies(SETS[::2], TEST, [4, 9])
    for head, seed, own in zip(heads[0], (4, 9), SETS[::2], strict=True):
        expected = probe_head(copy_encoder(build(7), build(seed)), *own).head.weight
        torch.testing.assert_close(head, expected)


ARM = {"pixels": label_efficiency.Pixels()}
BOTH = torch.cat([TEST[0], POOL[0][7:9]]), torch.cat([TEST[1], TEST[1][:2]])

test_bad_input_is_refused_in_words = refuses(
    (lambda: measure(ARM, test=BOTH), ["2 test images are in the pool", "expected none", "split the data"]),
)


COPIED = "copy_encoder(self.source, model, head=self.keep_head)"
STARTS = test_tune_starts_where_it_should_and_trains_each_network_on_its_set
SAME = test_every_arm_sees_the_same_draws_and_no_more

test_mutants = planted(
    label_efficiency,
    [
        Mutant("draw_labelled(pool[1], each", "draw_labelled(test[1], each", SAME),
        Mutant("each.view(len(seeds), len(labels))", "each.view(len(labels), len(seeds)).T", SAME),
        Mutant("self.encoder(seed)", "self.encoder(0)", test_a_probe_is_one_on_the_encoder_or_on_one_for_each_seed),
        Mutant(COPIED, "copy_encoder(self.source, model, head=True)", STARTS),
        Mutant("fine_tune(models, sets, seeds=seeds, **", "fine_tune(models, sets, **", STARTS),
    ],
)
