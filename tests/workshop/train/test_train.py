"""A recipe is carried out, whole or not at all, and a training that was stopped goes on as if it had not been."""

import itertools
import json
import platform
import shutil
import signal

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
from lecturelib.workshop.train.recipe import Recipe
from lecturelib.workshop.train.recipes import RECIPES, add_dropout
from lecturelib.workshop.train.train import train

STEPS = 7
MUON = hasattr(torch.optim, "Muon")


class Halt(Exception):
    """Somebody pulled the plug."""


def tiny(d_model=8):
    return LanguageModel(5, d_model=d_model, num_heads=2, num_layers=1, max_len=4)


@pytest.fixture
def small(monkeypatch):
    """A recipe that takes a moment and needs all that is kept: dropout, weight decay, batches of their own."""
    drawn = []

    def batches(seed, size):
        generator = torch.Generator().manual_seed(seed)
        while True:
            drawn.append(1)
            yield (torch.randint(5, (size, 4), generator=generator),)

    settings = {"steps": STEPS, "batch_size": 3, "lr": 1e-2, "weight_decay": 0.1, "dropout": 0.4}
    made = Recipe("a small model", batches, next_token_loss, lambda model: {"a number": 0.5}, settings)
    monkeypatch.setitem(RECIPES, "small", made)
    monkeypatch.setitem(MODELS, "small", tiny)
    return drawn


def halt_at(monkeypatch, step, how):
    """Let something happen while the loss of a step is computed."""
    count = itertools.count(1)

    def loss(model, batch):
        if next(count) == step:
            how()
        return next_token_loss(model, batch)

    monkeypatch.setitem(RECIPES, "small", RECIPES["small"]._replace(loss=loss))


def pull_the_plug():
    raise Halt


def interrupt():
    # what the system does with a signal, but at once: of two signals in a row one may be lost
    signal.getsignal(signal.SIGINT)(signal.SIGINT, None)


def stop_at(monkeypatch, folder, step, after=None, **changes):
    """Interrupt a training in the middle of its step, and say after which of all it stopped."""
    with monkeypatch.context() as patch:
        halt_at(patch, step, interrupt)
        with pytest.raises(KeyboardInterrupt, match=f"stopped after step {after or step} of"):
            train("small", folder=folder, **changes)


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


def test_dropout_acts_in_training_only_and_can_be_undone():
    torch.manual_seed(0)
    model, tokens = tiny(), torch.tensor([[1, 2, 3]])
    plain = model(tokens)
    undo = add_dropout(model, 0.5)
    assert not torch.equal(model.train()(tokens), model(tokens))
    torch.testing.assert_close(model.eval()(tokens), plain)
    undo()
    torch.testing.assert_close(model.train()(tokens), plain)


BAD = {
    "a name": ({"name": "gpt"}, "no pretrained model is called 'gpt': expected one of "),
    "a setting": ({"epochs": 3}, r"no settings \['epochs'\]: expected some of \['batch_size', 'dropout', 'lr'"),
    "no step": ({"steps": 0}, "steps=0: expected at least 1"),
    "no row": ({"batch_size": 0}, "batch_size=0: expected at least 1"),
    "a device": ({"device": "gpu"}, "device 'gpu' is not there: expected one of cpu"),
    "no GPU": ({"device": "cuda"}, "device 'cuda' is not there: expected one of cpu"),
    "a time": ({"keep_every": -1.0}, "keep_every=-1.0: expected 0 or more seconds"),
    "no time": ({"keep_every": float("nan")}, "keep_every=nan: expected 0 or more seconds"),
}


@pytest.mark.parametrize(("given", "words"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_before_anything_is_written(tmp_path, monkeypatch, given, words):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=words):
        train(**{"name": "language_model", "folder": tmp_path / "new"} | given)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("at", ["weights", "card", "copy"])
def test_a_disk_that_is_full_is_told_in_words_and_leaves_what_was_there(tmp_path, monkeypatch, small, at):
    train("small", folder=tmp_path)
    stop_at(monkeypatch, tmp_path, 3, seed=1)
    before = contents(tmp_path)

    def full(_, path, *__, **___):
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    name = {"weights": "small.safetensors", "card": "small.json", "copy": "small.resume.safetensors"}[at]
    if at == "card":
        monkeypatch.setattr(type(tmp_path), "write_text", lambda path, *_, **__: full(None, path))
    else:
        monkeypatch.setattr(training if at == "weights" else resume, "save_file", full)
    with pytest.raises(OSError, match=f"{name} could not be written .*no space left"):
        train("small", seed=1, folder=tmp_path, keep_every=0 if at == "copy" else 1e9)
    assert contents(tmp_path) == before


# ---- a training that was stopped goes on ----


@pytest.mark.parametrize("steps", [(1,), (STEPS,), (2, 3)], ids=str)
def test_an_interrupted_training_ends_as_if_it_had_never_stopped(tmp_path, monkeypatch, capsys, small, steps):
    whole = train("small", seed=2, folder=tmp_path / "whole")
    parts, done = tmp_path / "parts", 0
    for step in steps:
        done += step
        stop_at(monkeypatch, parts, step, done, seed=2)
        assert list(contents(parts)) == ["small.resume.safetensors"]
        torch.manual_seed(99)
    capsys.readouterr()
    small.clear()
    made = train("small", seed=2, folder=parts)
    assert f"going on after step {done} of {STEPS}" in capsys.readouterr().out
    assert equal(weights(parts), weights(tmp_path / "whole")) and len(small) <= STEPS
    assert {key: made[key] for key in made if "seconds" not in key} == {
        key: whole[key] for key in whole if "seconds" not in key
    }
    assert sorted(contents(parts)) == ["small.json", "small.safetensors"]


@pytest.mark.parametrize("every", [0.0, None])
def test_a_killed_training_goes_on_from_its_last_copy_if_the_time_for_one_had_come(
    tmp_path, monkeypatch, capsys, small, every
):
    train("small", folder=tmp_path / "whole")
    with monkeypatch.context() as patch:
        halt_at(patch, 5, pull_the_plug)
        with pytest.raises(Halt):
            train("small", folder=tmp_path / "parts", keep_every=every)
    assert list(contents(tmp_path / "parts")) == (["small.resume.safetensors"] if every == 0 else [])
    shutil.copy(__file__, tmp_path / "parts" / "small.resume.safetensors.part")  # as a killed run may leave it
    train("small", folder=tmp_path / "parts")
    assert ("going on after step 4 of 7" in capsys.readouterr().out) == (every == 0)
    assert equal(weights(tmp_path / "parts"), weights(tmp_path / "whole"))
    assert sorted(contents(tmp_path / "parts")) == ["small.json", "small.safetensors"]


def test_the_seconds_and_the_hardware_of_all_parts_are_on_the_card(tmp_path, monkeypatch, small):
    clock = itertools.count(0, 10)
    monkeypatch.setattr(training.time, "process_time", lambda: float(next(clock)))
    whole = train("small", folder=tmp_path)
    assert whole["cpu_seconds"] == 10
    stop_at(monkeypatch, tmp_path, 3)
    monkeypatch.setattr(training, "_hardware", lambda *_: "a faster one")
    made = train("small", folder=tmp_path)
    assert made["cpu_seconds"] == 20
    assert made["hardware"] == whole["hardware"] + "; then a faster one"
    assert whole["hardware"] == f"{platform.machine()}, CPU, {torch.get_num_threads()} thread(s)"


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


def no_tensors(raw):
    size = int.from_bytes(raw[:8], "little")
    text = json.dumps({"__metadata__": json.loads(raw[8 : 8 + size])["__metadata__"]}).encode()
    return len(text).to_bytes(8, "little") + text


DAMAGE = {
    "half": lambda raw: raw[: len(raw) // 2],
    "no groups": lambda raw: raw.replace(b"groups", b"gruppe"),
    "no tensors": no_tensors,
    "of another version": lambda raw: raw,
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_copy_is_refused(tmp_path, monkeypatch, small, how):
    stop_at(monkeypatch, tmp_path, 3)
    if how == "of another version":
        monkeypatch.setitem(MODELS, "small", lambda: tiny(d_model=16))
    path = tmp_path / "small.resume.safetensors"
    path.write_bytes(DAMAGE[how](path.read_bytes()))
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=r"small.resume.safetensors is damaged or was made by another .* --fresh"):
        train("small", folder=tmp_path)
    assert contents(tmp_path) == before


def test_interruptions_are_heard_as_before_when_training_is_over(tmp_path, monkeypatch, small):
    before = signal.getsignal(signal.SIGINT)
    train("small", folder=tmp_path)
    assert signal.getsignal(signal.SIGINT) is before
    stop_at(monkeypatch, tmp_path, 2)
    assert signal.getsignal(signal.SIGINT) is before
    halt_at(monkeypatch, 1, lambda: (interrupt(), interrupt()))  # who insists is heard at once
    with pytest.raises(KeyboardInterrupt) as stop:
        train("small", folder=tmp_path)
    assert "stopped after" not in str(stop.value)


def test_the_command_hands_on_what_it_is_given_and_says_how_a_training_goes_on(monkeypatch, capsys, tmp_path):
    heard = {}

    def stopped(name, **given):
        heard.update(given, name=name)
        raise KeyboardInterrupt("stopped after step 3 of 9")

    monkeypatch.setattr(training, "train", stopped)
    assert command.main(["train", "digits_mae", "--seed", "4", "--fresh", "--steps", "9"]) == 130
    assert "stopped after step 3 of 9; the same command goes on from there" in capsys.readouterr().err
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


@pytest.mark.skipif(not MUON, reason="this torch has no Muon")
def test_muon_trains_the_matrices_of_the_blocks_and_adam_the_rest(small):
    model = tiny()
    adam, muon = training._optimizers(model, {**RECIPES["small"].settings, "muon": 1e-2})
    names = {id(p): name for name, p in model.named_parameters()}
    one, other = ({names[id(p)] for p in each.param_groups[0]["params"]} for each in (adam, muon))
    assert one | other == set(names.values()) and not one & other
    assert other == {n for n, p in model.named_parameters() if "blocks" in n and p.ndim == 2} and len(other) == 6
    assert (adam.param_groups[0]["lr"], muon.param_groups[0]["lr"]) == (1e-2, 1e-2)


def by_muon(monkeypatch, lr):
    """Let the blocks of the small model be trained by Muon."""
    monkeypatch.setitem(
        RECIPES, "small", RECIPES["small"]._replace(settings={**RECIPES["small"].settings, "muon": lr})
    )  # fmt: skip


@pytest.mark.skipif(not MUON, reason="this torch has no Muon")
def test_a_training_by_muon_ends_as_if_it_had_never_stopped(tmp_path, monkeypatch, small):
    by_muon(monkeypatch, 1e-2)
    train("small", folder=tmp_path / "whole")
    stop_at(monkeypatch, tmp_path / "parts", 3)
    train("small", folder=tmp_path / "parts")
    assert equal(weights(tmp_path / "parts"), weights(tmp_path / "whole"))
    by_muon(monkeypatch, 2e-2)
    train("small", folder=tmp_path / "faster")
    assert not equal(weights(tmp_path / "faster"), weights(tmp_path / "whole"))


def test_an_older_torch_is_told_that_it_has_no_muon(tmp_path, monkeypatch, small):
    by_muon(monkeypatch, 1e-2)
    monkeypatch.delattr(torch.optim, "Muon", raising=False)
    with pytest.raises(ValueError, match=r"torch .* has no optimizer Muon: expected 2\.9 or later"):
        train("small", folder=tmp_path)
