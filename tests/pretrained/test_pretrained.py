"""Pretrained weights load, score what their cards say, and are written whole or not at all."""

import json
import platform
import shutil

import pytest
import torch

from lecturelib.pretrained import train as training
from lecturelib.pretrained.load import FOLDER, card, load
from lecturelib.pretrained.recipes import RECIPES, add_dropout
from lecturelib.pretrained.train import train
from lecturelib.transformer import LanguageModel

NAMES = sorted(RECIPES)
FIELDS = {"name", "about", "settings", "seed", "cpu_seconds", "seconds", "hardware", "versions", "parameters", "scores"}
SMALL = {"steps": 2, "batch": 2}


@pytest.mark.parametrize("name", NAMES)
def test_a_model_scores_what_its_card_says(name):
    made, model = card(name), load(name)
    # The text and the dates come with Python and Babel, and other versions hold a little more or less of them.
    same = platform.python_version_tuple()[:2] == tuple(made["versions"]["python"].split(".")[:2])
    measured = RECIPES[name].scores(model)
    assert measured.keys() == made["scores"].keys()
    for key, value in measured.items():
        assert value == pytest.approx(made["scores"][key], abs=0.005 if same else 0.1), key


@pytest.mark.parametrize("name", NAMES)
def test_a_card_is_complete_and_belongs_to_its_recipe(name):
    made = card(name)
    assert set(made) == FIELDS
    assert (made["name"], made["about"], made["settings"]) == (name, RECIPES[name].about, RECIPES[name].settings)
    assert made["parameters"] == sum(p.numel() for p in load(name).parameters())


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_small_and_safe(name):
    assert (FOLDER / f"{name}.safetensors").stat().st_size <= 5_000_000
    assert {path.suffix for path in FOLDER.iterdir() if path.is_file()} <= {".py", ".json", ".safetensors"}


@pytest.mark.parametrize("name", NAMES)
def test_a_loaded_model_is_ready_to_be_asked(name):
    assert not load(name).training


@pytest.mark.parametrize("ask", [load, card])
def test_an_unknown_name_is_refused(ask):
    with pytest.raises(
        ValueError, match=r"no pretrained model is called 'gpt': expected one of dates_without_attention"
    ):
        ask("gpt")


@pytest.mark.parametrize("ask", [load, card])
def test_weights_that_are_not_there_say_how_to_make_them(tmp_path, ask):
    with pytest.raises(ValueError, match=r"make it with `python -m lecturelib.pretrained language_model`"):
        ask("language_model", tmp_path)


def test_a_truncated_file_is_refused(tmp_path):
    whole = (FOLDER / "language_model.safetensors").read_bytes()
    (tmp_path / "language_model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="does not hold the weights of language_model"):
        load("language_model", tmp_path)


def test_another_models_weights_are_refused(tmp_path):
    shutil.copy(FOLDER / "dates_without_attention.safetensors", tmp_path / "language_model.safetensors")
    with pytest.raises(ValueError, match="does not hold the weights of language_model"):
        load("language_model", tmp_path)


def test_training_writes_weights_that_load_and_a_card_that_holds(tmp_path):
    made = train("dates_without_attention", folder=tmp_path, **SMALL)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "dates_without_attention.json", "dates_without_attention.safetensors",
    ]  # fmt: skip
    assert made == card("dates_without_attention", tmp_path)
    assert made["settings"]["steps"] == 2
    measured = RECIPES["dates_without_attention"].scores(load("dates_without_attention", tmp_path))
    assert measured == pytest.approx(made["scores"], abs=1e-4)


def test_one_seed_gives_one_model(tmp_path):
    weights = []
    for run, seed in (("a", 3), ("b", 3), ("c", 4)):
        train("dates_without_attention", seed=seed, folder=tmp_path / run, **SMALL)
        weights.append(load("dates_without_attention", tmp_path / run).state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert not all(torch.equal(weights[0][key], weights[2][key]) for key in weights[0])


def test_a_failed_write_leaves_the_old_files(tmp_path, monkeypatch):
    train("dates_without_attention", folder=tmp_path, **SMALL)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fails(_, path):
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(training, "save_file", fails)
    with pytest.raises(OSError, match="no space left"):
        train("dates_without_attention", seed=1, folder=tmp_path, **SMALL)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_unknown_setting_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no settings \['epochs'\]: expected some of \['batch', 'dropout', 'lr'"):
        train("language_model", folder=tmp_path, epochs=3)


def test_dropout_acts_in_training_only_and_can_be_undone():
    torch.manual_seed(0)
    model = LanguageModel(5, width=8, heads=2, layers=1, longest=4)
    tokens = torch.tensor([[1, 2, 3]])
    plain = model(tokens)
    undo = add_dropout(model, 0.5)
    assert not torch.equal(model.train()(tokens), model(tokens))
    torch.testing.assert_close(model.eval()(tokens), plain)
    undo()
    torch.testing.assert_close(model.train()(tokens), plain)


def test_cards_are_plain_json():
    for name in NAMES:
        text = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
        assert json.dumps(json.loads(text), indent=2) + "\n" == text
