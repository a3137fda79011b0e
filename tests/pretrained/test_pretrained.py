"""Pretrained weights load, and score what their cards say."""

import json
import platform

import pytest
import torch

from lecturelib.pretrained.load import FOLDER, SOURCES, load, source
from lecturelib.pretrained.models import MODELS, network
from lecturelib.transfer import copy_encoder
from lecturelib.workshop.train.recipes import RECIPES
from tests.tools import global_generators_left_alone

NAMES = sorted(MODELS)
FIELDS = {"name", "about", "settings", "seed", "cpu_seconds", "seconds", "hardware", "versions", "parameters", "scores"}


def card(name):
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_ready_to_be_asked_and_scores_what_its_card_says(name):
    made, model = card(name), load(name)
    assert not model.training
    # The text comes with Python, and other versions hold a little more or less of it.
    same = platform.python_version_tuple()[:2] == tuple(made["versions"]["python"].split(".")[:2])
    state = torch.get_rng_state()
    measured = RECIPES[name].scores(model)
    assert torch.equal(torch.get_rng_state(), state)  # of several processes, only one measures
    assert measured.keys() == made["scores"].keys()
    for key, value in measured.items():
        assert value == pytest.approx(made["scores"][key], abs=0.005 if same else 0.1), key


@pytest.mark.parametrize("name", NAMES)
def test_a_card_is_complete_and_belongs_to_its_recipe_and_its_weights_are_small(name):
    made = card(name)
    assert set(made) == FIELDS
    assert (made["name"], made["about"], made["settings"]) == (name, RECIPES[name].about, RECIPES[name].settings)
    assert made["parameters"] == sum(p.numel() for p in load(name).parameters())
    assert (FOLDER / f"{name}.safetensors").stat().st_size <= 5_000_000


def test_the_folder_holds_nothing_that_could_run_when_it_is_read():
    assert {path.suffix for path in FOLDER.iterdir() if path.is_file()} <= {".py", ".json", ".safetensors"}
    assert sorted(RECIPES) == NAMES


def test_what_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no pretrained model is called 'gpt': expected one of digits_mae"):
        load("gpt")
    with pytest.raises(ValueError, match="source 'prints' is unknown: expected one of print, letters"):
        source("prints")
    with pytest.raises(ValueError, match="make it with `lecture train language_model`"):
        load("language_model", tmp_path)
    path = tmp_path / "language_model.safetensors"
    for damaged in ((FOLDER / path.name).read_bytes()[:1_000], (FOLDER / "digits_mae.safetensors").read_bytes()):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="does not hold the weights of language_model"):
            load("language_model", tmp_path)


def test_networks_are_seeded_leave_the_global_generator_alone_and_have_the_build_of_the_sources():
    with global_generators_left_alone():
        one, same, other = (network(seed).patch_embed.weight for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)
    for name in SOURCES:
        copy_encoder(source(name), network(0))
