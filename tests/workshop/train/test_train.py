"""A recipe is carried out, whole or not at all, and a training that was stopped goes on as if it had not been."""

import itertools
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from lecturelib import __main__ as command
from lecturelib.language import next_token_loss
from lecturelib.pretrained.load import load
from lecturelib.pretrained.models import MODELS
from lecturelib.transformer import LanguageModel
from lecturelib.workshop.train import resume
from lecturelib.workshop.train import train as training
from lecturelib.workshop.train.recipes import RECIPES, Recipe, add_dropout
from lecturelib.workshop.train.train import train

STEPS = 7


def tiny(d_model=8):
    return LanguageModel(5, d_model=d_model, num_heads=2, num_layers=1, max_len=4)


@pytest.fixture
def small(monkeypatch):
    """A recipe that takes a moment and needs all that is kept: dropout, two optimizers, batches of their own."""
    drawn = []

    def batches(seed, size):
        generator = torch.Generator().manual_seed(seed)
        while True:
            drawn.append(1)
            yield (torch.randint(5, (size, 4), generator=generator),)

    settings = {"steps": STEPS, "batch_size": 3, "lr": 1e-2, "weight_decay": 0.1, "dropout": 0.4}
    settings |= {"muon": 1e-2} if hasattr(torch.optim, "Muon") else {}
    made = Recipe("a small model", batches, next_token_loss, lambda model: {"a number": 0.5}, settings)
    monkeypatch.setitem(RECIPES, "small", made)
    monkeypatch.setitem(MODELS, "small", tiny)
    return drawn


def stop_at(monkeypatch, folder, step, **changes):
    """Interrupt a training in the middle of a step, of which it keeps each."""
    count = itertools.count(1)

    def loss(model, batch):
        if next(count) == step:
            raise KeyboardInterrupt
        return next_token_loss(model, batch)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setitem(RECIPES, "small", RECIPES["small"]._replace(loss=loss))
        train("small", folder=folder, keep_every=0, **changes)


def weights(folder):
    return load_file(folder / "small.safetensors")


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# ---- a whole training ----


def test_training_writes_weights_that_load_and_a_card_that_holds(tmp_path):
    name = "print_digits"
    made = train(name, folder=tmp_path, steps=2, batch_size=2)
    assert sorted(contents(tmp_path)) == [f"{name}.json", f"{name}.safetensors"]
    assert made == json.loads((tmp_path / f"{name}.json").read_bytes()) and made["settings"]["steps"] == 2
    assert RECIPES[name].scores(load(name, tmp_path)) == pytest.approx(made["scores"], abs=1e-4)


def test_one_seed_gives_one_model(tmp_path, small):
    for run, seed in (("a", 3), ("b", 3), ("c", 4)):
        train("small", seed=seed, folder=tmp_path / run)
    assert equal(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not equal(weights(tmp_path / "a"), weights(tmp_path / "c"))


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    model, tokens = tiny(), torch.tensor([[1, 2, 3]])
    plain = model(tokens)
    add_dropout(model, 0.5)
    assert not torch.equal(model.train()(tokens), model(tokens))
    torch.testing.assert_close(model.eval()(tokens), plain)


BAD = {
    "a name": ({"name": "gpt"}, "no pretrained model is called 'gpt': expected one of "),
    "a setting": ({"epochs": 3}, r"no settings \['epochs'\]: expected some of \['batch_size', 'dropout', 'lr'"),
    "no step": ({"steps": 0}, "steps=0: expected a whole number of 1 or more"),
    "no row": ({"batch_size": 0}, "batch_size=0: expected a whole number of 1 or more"),
    "a device": ({"device": "gpu"}, "device 'gpu' is not there: expected one of cpu"),
}


@pytest.mark.parametrize(("given", "words"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_before_anything_is_written(tmp_path, monkeypatch, given, words):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=words):
        train(**{"name": "language_model", "folder": tmp_path / "new"} | given)
    assert not (tmp_path / "new").exists()


def test_a_disk_that_is_full_is_told_in_words_and_leaves_what_was_there(tmp_path, monkeypatch, small):
    train("small", folder=tmp_path)
    stop_at(monkeypatch, tmp_path, 3, seed=1)
    before = contents(tmp_path)

    def full(tensors, path):
        path.touch()
        raise OSError("no space left on device")

    monkeypatch.setattr(resume, "save_file", full)
    with pytest.raises(OSError, match=r"small.resume.safetensors could not be written .*no space left"):
        train("small", seed=1, folder=tmp_path, keep_every=0)
    assert contents(tmp_path) == before


# ---- a training that was stopped goes on ----


@pytest.mark.parametrize("steps", [(2,), (STEPS,), (3, 2)], ids=str)
def test_an_interrupted_training_ends_as_if_it_had_never_stopped(tmp_path, monkeypatch, capsys, small, steps):
    whole = train("small", seed=2, folder=tmp_path / "whole")
    parts, done = tmp_path / "parts", 0
    for step in steps:
        done += step - 1
        stop_at(monkeypatch, parts, step, seed=2)
        assert list(contents(parts)) == ["small.resume.safetensors"]
        torch.manual_seed(99)
    shutil.copy(__file__, parts / "small.resume.safetensors.part")  # as a killed run may leave it
    capsys.readouterr()
    small.clear()
    made = train("small", seed=2, folder=parts)
    assert f"going on after step {done} of {STEPS}" in capsys.readouterr().out
    assert equal(weights(parts), weights(tmp_path / "whole")) and len(small) <= STEPS
    assert made["settings"] == whole["settings"] and made["scores"] == whole["scores"]
    assert sorted(contents(parts)) == ["small.json", "small.safetensors"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": 9}, ["settings", "'steps': 7", "'steps': 9"]),
        ({"seed": 1, "lr": 0.5}, ["seed 0, not 1", "'lr': 0.5"]),
    ],
)
def test_another_training_does_not_go_on_from_there(tmp_path, monkeypatch, small, changes, words):
    stop_at(monkeypatch, tmp_path, 3)
    kept = contents(tmp_path)
    with pytest.raises(ValueError, match=r"small.resume.safetensors is an unfinished training with") as refusal:
        train("small", folder=tmp_path, **changes)
    assert not [word for word in [*words, "--fresh"] if word not in str(refusal.value)], refusal.value
    assert contents(tmp_path) == kept
    assert train("small", folder=tmp_path, fresh=True, **changes)["seed"] == changes.get("seed", 0)
    train("small", folder=tmp_path / "whole", **changes)
    assert equal(weights(tmp_path), weights(tmp_path / "whole"))


@pytest.mark.parametrize("how", ["half", "empty", "of another version"])
def test_a_damaged_copy_is_refused(tmp_path, monkeypatch, small, how):
    stop_at(monkeypatch, tmp_path, 3)
    if how == "of another version":
        monkeypatch.setitem(MODELS, "small", lambda: tiny(d_model=16))
    path = tmp_path / "small.resume.safetensors"
    raw = path.read_bytes()
    path.write_bytes({"half": raw[: len(raw) // 2], "empty": b""}.get(how, raw))
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=r"small.resume.safetensors is damaged or was made by another .* --fresh"):
        train("small", folder=tmp_path)
    assert contents(tmp_path) == before


def test_the_command_hands_on_what_it_is_given_and_says_how_a_training_goes_on(monkeypatch, capsys):
    heard = {}

    def stopped(name, **given):
        heard.update(given, name=name)
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "train", stopped)
    assert command.main(["train", "digits_mae", "--seed", "4", "--fresh", "--steps", "9"]) == 130
    assert "stopped; the same command goes on from the last copy" in capsys.readouterr().err
    expected = {"name": "digits_mae", "seed": 4, "device": "cpu", "fresh": True, "steps": 9, "keep_every": 120.0}
    assert expected.items() <= heard.items() and "batch_size" not in heard
    assert heard["folder"].name == "pretrained"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_trains_too(tmp_path, monkeypatch, small):
    stop_at(monkeypatch, tmp_path, 3, device="cuda")
    made = train("small", folder=tmp_path, device="cuda")
    assert torch.cuda.get_device_name() in made["hardware"]
    assert all(value.device.type == "cpu" for value in weights(tmp_path).values())


# ---- Muon ----


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon")
def test_muon_trains_the_matrices_of_the_blocks_and_adam_the_rest(small):
    model = tiny()
    adam, muon = training._optimizers(model, {**RECIPES["small"].settings, "muon": 1e-2})
    names = {id(p): name for name, p in model.named_parameters()}
    one, other = ({names[id(p)] for p in each.param_groups[0]["params"]} for each in (adam, muon))
    assert one | other == set(names.values()) and not one & other
    assert other == {n for n, p in model.named_parameters() if "blocks" in n and p.ndim == 2} and len(other) == 6
    assert (adam.param_groups[0]["lr"], muon.param_groups[0]["lr"]) == (1e-2, 1e-2)


def test_an_older_torch_is_told_that_it_has_no_muon(tmp_path, monkeypatch, small):
    settings = {**RECIPES["small"].settings, "muon": 1e-2}
    monkeypatch.setitem(RECIPES, "small", RECIPES["small"]._replace(settings=settings))
    monkeypatch.delattr(torch.optim, "Muon", raising=False)
    with pytest.raises(ValueError, match=r"torch .* has no optimizer Muon: expected 2\.9 or later"):
        train("small", folder=tmp_path)
