"""Fine-tuning: to train networks in a stack is the loop written out for each of them."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from lecturelib import fine_tuning
from lecturelib.transfer import Examples, add_lora
from lecturelib.vision import VisionTransformer
from tests.mutants import Mutant, planted
from tests.strategies import seeds
from tests.test_transfer import images as images_of
from tests.test_transfer import network as plain
from tests.tools import global_generators_left_alone, refuses
from tests.twins import random_weights, state, unchanged

# what a network may be built like, beside the usual
BUILDS: list[dict[str, Any]] = [{}, {"pool": "class"}, {"positions": "sinusoidal", "rank": 2}]


def network(seed: int, rank: int | None = None, loud: float = 1.0, **build: Any) -> VisionTransformer:
    """Return a network with random weights in float64; `loud` makes its logits, and so its gradients, larger."""
    model = plain(seed, **build)
    if rank is not None:
        model = random_weights(add_lora(model, rank), seed)
    with torch.no_grad():
        model.head.get_parameter("weight").mul_(loud)
    return model


def examples(n: int, seed: int) -> Examples:
    return images_of(n, seed), torch.randint(3, (n,), generator=torch.Generator().manual_seed(seed))


def test_accuracy_is_the_share_named_rightly_of_as_many_as_there_are() -> None:
    models = [network(seed) for seed in (1, 20, 300)]
    for n in (1, 250, 613):
        images, labels = examples(n, 5)
        found = fine_tuning.Classifiers(models).accuracy((images, labels))
        assert found.shape == (3,) and not found.requires_grad
        right = [int((model(images).argmax(dim=1) == labels).sum()) for model in models]
        assert found.tolist() == pytest.approx([each / n for each in right], abs=1e-6)


def depth_of(name: str, layers: int) -> int:
    """Return how many parts of the network lie between a weight and the logits: 0 for the head and its norm."""
    part, _, rest = name.partition(".")
    return {"head": 0, "norm": 0}.get(part, layers - int(rest.partition(".")[0]) if part == "blocks" else layers + 1)


def tuned_alone(model: VisionTransformer, own: Examples, seed: int, how: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Return the weights of one network after plain training."""
    steps, batch_size, last, rehearsal = (how[name] for name in ("steps", "batch_size", "last", "rehearsal"))
    model, generator = copy.deepcopy(model), torch.Generator().manual_seed(seed)
    trained = [
        parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and (last is None or depth_of(name, len(model.blocks)) <= last)
    ]
    optimizer = torch.optim.Adam(trained)
    for step in range(steps):
        old = 0 if rehearsal is None else batch_size // 2
        rows = torch.randint(len(own[1]), (batch_size - old,), generator=generator)
        images, labels = own[0][rows], own[1][rows]
        if rehearsal is not None:
            rows = torch.randint(len(rehearsal[1]), (old,), generator=generator)
            images, labels = torch.cat([images, rehearsal[0][rows]]), torch.cat([labels, rehearsal[1][rows]])
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.param_groups[0]["lr"] = how["lr"] * (steps - step) / steps
        optimizer.step()
    return state(model)


@settings(max_examples=8)
@given(st.sampled_from(BUILDS), st.sampled_from([None, 0, 1]), st.booleans(), st.sampled_from([2, 3, 5]), seeds)
@example({"pool": "class"}, 2, True, 5, 0)
@example({"rank": 2}, None, False, 3, 1)
def test_it_is_the_loop_written_out_for_each_network(
    build: dict[str, Any], last: int | None, rehearses: bool, batch_size: int, seed: int
) -> None:
    models = [network(seed + 100 * s, loud=loud, **build) for s, loud in enumerate((0.1, 1.0, 12.0))]
    sets = [examples(n, seed + n) for n in (3, 7, 4)]
    own = [seed % 1000, seed % 1000 + 1, 5]
    how: dict[str, Any] = {"steps": 3, "batch_size": batch_size, "lr": 0.02, "last": last}
    how["rehearsal"] = examples(5, seed + 9) if rehearses else None
    expected = [tuned_alone(*each, how) for each in zip(models, sets, own, strict=True)]
    fine_tuning.fine_tune(models, sets, seeds=own, **how)
    for model, weights in zip(models, expected, strict=True):
        torch.testing.assert_close(state(model), weights, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("steps", "every", "looks"), [(10, 4, [0, 4, 8, 10]), (3, 10, [0, 3])])
def test_watch_looks_at_the_start_every_so_often_and_at_the_end(steps: int, every: int, looks: list[int]) -> None:
    models, alone = [network(1), network(20)], [network(1), network(20)]
    seen, weights = [], []

    def look(step: int, stack: fine_tuning.Classifiers) -> None:
        seen.append(step)
        weights.append(stack.weights["head.weight"].detach().clone())
        assert stack.accuracy(examples(5, 1)).shape == (2,)

    with global_generators_left_alone():
        fine_tuning.fine_tune(models, [examples(5, 1)] * 2, steps=steps, watch=look, every=every)
    assert seen == looks
    assert torch.equal(weights[0], torch.stack([state(network(s))["head.weight"] for s in (1, 20)]))
    assert all(torch.equal(weights[-1][s], model.head.weight) for s, model in enumerate(models))
    # to watch changes nothing, and unless told, the seeds are 0 and 1
    fine_tuning.fine_tune(alone, [examples(5, 1)] * 2, steps=steps, seeds=[0, 1])
    assert all(unchanged(model, state(other)) for model, other in zip(models, alone, strict=True))


@pytest.mark.parametrize("when", [0, 3, None])
def test_an_interruption_or_a_loss_that_is_not_finite_leaves_the_networks_as_they_were(when: int | None) -> None:
    models = [network(1).eval(), network(20).eval()]
    before = [state(each) for each in models]

    def stop(step: int, _: fine_tuning.Classifiers) -> None:
        if step == when:
            raise KeyboardInterrupt

    lr, said = (0.01, "^$") if when is not None else (1e300, r"step 2: expected a finite number; .* than lr=1e\+300")
    with pytest.raises((KeyboardInterrupt, ValueError), match=said):
        fine_tuning.fine_tune(models, [examples(5, 1)] * 2, steps=5, lr=lr, watch=stop, every=1, last=0)
    for model, old in zip(models, before, strict=True):
        assert unchanged(model, old) and not model.training
        assert all(each.requires_grad and each.grad is None for each in model.parameters())


OWN = examples(5, 1)


def tune(models: Any = None, sets: Any = None, **how: Any) -> None:
    models = [network(1)] if models is None else models
    fine_tuning.fine_tune(models, [OWN] * len(models) if sets is None else sets, **({"steps": 1} | how))


test_bad_input_is_refused_in_words = refuses(
    (lambda: fine_tuning.Classifiers([network(1), network(2, positions="none")]), ["2 networks", "one shape"]),
    (lambda: tune([network(1)] * 2), ["no network twice", "copy.deepcopy"]),
    (lambda: tune(sets=[OWN, OWN]), ["1 networks, 2 sets, 1 seeds", "one of each for each"]),
    (lambda: tune(lr=float("nan")), ["lr=nan", "above 0"]),
    (lambda: tune(last=3), ["last=3", "0 to 2", "None trains everything"]),
    (lambda: tune([network(1).requires_grad_(False)]), ["frozen", "requires_grad_(True)"]),
    (lambda: tune([plain(1, num_classes=None)]), ["no head", "num_classes=..."]),
    (lambda: tune(rehearsal=(OWN[0], OWN[1] + 2)), ["below 3"]),
    (lambda: fine_tuning.Classifiers([network(1)]).accuracy((OWN[0], OWN[1] + 3)), ["below 3"]),
)


DRAW = "_draw(each, own, batch_size, rehearsal) for each, own"
LOOP = test_it_is_the_loop_written_out_for_each_network

test_mutants = planted(
    fine_tuning,
    [
        Mutant(DRAW, DRAW.replace("each, own,", "sets[0], own,", 1), LOOP),
        Mutant("            stacks.cut_each(trained)\n", "", LOOP),
        Mutant("losses.sum().backward()", "losses.mean().backward()", LOOP),
        Mutant("else layers + 1\n", "else layers\n", LOOP),
        Mutant("weight.requires_grad and (last", "(last", LOOP),
        Mutant("            schedule.step()\n", "", LOOP),
        Mutant(
            "            optimizer.step()\n",
            "            optimizer.step()\n            stack.write_back()\n",
            test_an_interruption_or_a_loss_that_is_not_finite_leaves_the_networks_as_they_were,
        ),
    ],
)
