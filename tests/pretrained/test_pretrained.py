"""Pretrained weights load, score what their cards say, and are written whole or not at all."""

import itertools
import json
import platform
import shutil
import signal
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from lecturelib.language import next_token_loss
from lecturelib.pretrained import resume
from lecturelib.pretrained.load import FOLDER, card, load
from lecturelib.transformer import LanguageModel
from lecturelib.workshop.train import train as training
from lecturelib.workshop.train.recipes import RECIPES, Recipe, add_dropout
from lecturelib.workshop.train.train import train

NAMES = sorted(RECIPES)
FIELDS = {"name", "about", "settings", "seed", "cpu_seconds", "seconds", "hardware", "versions", "parameters", "scores"}
SMALL = {"steps": 2, "batch_size": 2}


@pytest.mark.parametrize("name", NAMES)
def test_a_model_scores_what_its_card_says(name):
    made, model = card(name), load(name)
    # The text and the dates come with Python and Babel, and other versions hold a little more or less of them.
    same = platform.python_version_tuple()[:2] == tuple(made["versions"]["python"].split(".")[:2])
    state = torch.get_rng_state()
    measured = RECIPES[name].scores(model)
    assert torch.equal(torch.get_rng_state(), state)  # of several processes, only one measures
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
    with pytest.raises(ValueError, match=r"make it with `python -m lecturelib train language_model`"):
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


@pytest.mark.parametrize("steps", [1, 2, 8, 9, 10])
def test_a_trial_may_be_short(tmp_path, small, steps):
    assert train("small", folder=tmp_path, steps=steps)["settings"]["steps"] == steps


@pytest.mark.parametrize("key", ["steps", "batch_size"])
def test_a_trial_of_no_step_or_no_row_is_refused(tmp_path, key):
    with pytest.raises(ValueError, match=f"{key}=0: expected at least 1"):
        train("language_model", folder=tmp_path, **{key: 0})


def test_dropout_acts_in_training_only_and_can_be_undone():
    torch.manual_seed(0)
    model = LanguageModel(5, d_model=8, num_heads=2, num_layers=1, max_len=4)
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


# ---- a training that was stopped goes on ----

STEPS = 7


class Halt(Exception):
    """Somebody pulled the plug."""


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
    scores = {"a number": 0.5}
    build = lambda: LanguageModel(5, d_model=8, num_heads=2, num_layers=1, max_len=4)  # noqa: E731
    made = Recipe("a small model", build, batches, next_token_loss, lambda model: scores, settings)
    monkeypatch.setitem(RECIPES, "small", made)
    made.settings["drawn"] = 0  # a setting that does nothing
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
    signal.raise_signal(signal.SIGINT)  # to this thread: of two that another one takes, one may be lost


def stop_at(monkeypatch, folder, step, **changes):
    """Interrupt a training in the middle of a step, and say after which it stopped."""
    with monkeypatch.context() as patch:
        halt_at(patch, step, interrupt)
        with pytest.raises(KeyboardInterrupt, match=f"stopped after step {step} of"):
            train("small", folder=folder, **changes)


def weights(folder):
    return load_file(folder / "small.safetensors")


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("step", [1, 3, STEPS])
def test_an_interrupted_training_ends_as_if_it_had_never_stopped(tmp_path, monkeypatch, capsys, small, step):
    whole = train("small", seed=2, folder=tmp_path / "whole")
    small.clear()
    stop_at(monkeypatch, tmp_path / "parts", step, seed=2)
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["small.resume.safetensors"]
    torch.manual_seed(99)
    torch.rand(7)
    capsys.readouterr()
    made = train("small", seed=2, folder=tmp_path / "parts")
    assert f"going on after step {step} of {STEPS}" in capsys.readouterr().out
    assert equal(weights(tmp_path / "parts"), weights(tmp_path / "whole"))
    assert {key: made[key] for key in whole if "seconds" not in key} == {
        key: whole[key] for key in whole if "seconds" not in key
    }
    assert len(small) <= step + STEPS  # what came after is not drawn twice
    assert sorted(path.name for path in (tmp_path / "parts").iterdir()) == ["small.json", "small.safetensors"]


def test_a_training_may_stop_more_than_once(tmp_path, monkeypatch, small):
    train("small", folder=tmp_path / "whole")
    stop_at(monkeypatch, tmp_path / "parts", 2)
    with monkeypatch.context() as patch:
        halt_at(patch, 3, interrupt)
        with pytest.raises(KeyboardInterrupt, match="stopped after step 5 of 7"):
            train("small", folder=tmp_path / "parts")
    train("small", folder=tmp_path / "parts")
    assert equal(weights(tmp_path / "parts"), weights(tmp_path / "whole"))


def test_a_killed_training_goes_on_from_its_last_copy(tmp_path, monkeypatch, capsys, small):
    train("small", folder=tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(training, "KEEP_EVERY", 0.0)
        halt_at(patch, 5, pull_the_plug)
        with pytest.raises(Halt):
            train("small", folder=tmp_path / "parts")
    train("small", folder=tmp_path / "parts")
    assert "going on after step 4 of 7" in capsys.readouterr().out
    assert equal(weights(tmp_path / "parts"), weights(tmp_path / "whole"))


def test_nothing_is_kept_before_the_time_has_come(tmp_path, monkeypatch, small):
    halt_at(monkeypatch, 5, pull_the_plug)
    with pytest.raises(Halt):
        train("small", folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_each_thing_that_is_kept_is_needed(tmp_path, monkeypatch, small):
    train("small", folder=tmp_path / "whole")
    stop_at(monkeypatch, tmp_path, 3)
    kept = (tmp_path / "small.resume.safetensors").read_bytes()
    keys = load_file(tmp_path / "small.resume.safetensors").keys()
    assert {key.partition(".")[0] for key in keys} - {"random on the GPU"} == {"model", "optimizer", "random"}
    real = resume._fill
    others = {
        "model": lambda key, value: torch.zeros_like(value),
        "optimizer": lambda key, value: value if key.endswith("step") else value + 1e-3,
        "random": lambda key, value: torch.Generator().manual_seed(5).get_state(),
    }
    for kind, change in others.items():

        def fill(model, optimizer, tensors, groups, kind=kind, change=change):
            tensors = {k: change(k, v) if k.partition(".")[0] == kind else v for k, v in tensors.items()}
            real(model, optimizer, tensors, groups)

        (tmp_path / "small.resume.safetensors").write_bytes(kept)
        with monkeypatch.context() as patch:
            patch.setattr(resume, "_fill", fill)
            train("small", folder=tmp_path)
        assert not equal(weights(tmp_path), weights(tmp_path / "whole")), kind


def test_the_seconds_and_the_hardware_of_all_parts_are_on_the_card(tmp_path, monkeypatch, small):
    clock = itertools.count(0, 10)
    monkeypatch.setattr(training.time, "process_time", lambda: float(next(clock)))
    whole = train("small", folder=tmp_path)
    assert whole["cpu_seconds"] == 10
    stop_at(monkeypatch, tmp_path, 3)
    with monkeypatch.context() as patch:
        patch.setattr(training, "_hardware", lambda *_: "a faster one")
        made = train("small", folder=tmp_path)
    assert made["cpu_seconds"] == 20
    assert made["hardware"] == whole["hardware"] + "; then a faster one"
    assert whole["hardware"] == f"{platform.machine()}, CPU, {torch.get_num_threads()} thread(s)"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 1}, ["seed 0, not 1"]),
        ({"steps": 9}, ["settings", "'steps': 7", "'steps': 9"]),
        ({"seed": 1, "lr": 0.5}, ["seed 0, not 1", "'lr': 0.5"]),
    ],
)
def test_another_training_does_not_go_on_from_there(tmp_path, monkeypatch, small, changes, words):
    stop_at(monkeypatch, tmp_path, 3)
    kept = (tmp_path / "small.resume.safetensors").read_bytes()
    with pytest.raises(ValueError, match=r"small.resume.safetensors is an unfinished training with") as refusal:
        train("small", folder=tmp_path, **changes)
    assert not [word for word in [*words, "--fresh"] if word not in str(refusal.value)], refusal.value
    assert (tmp_path / "small.resume.safetensors").read_bytes() == kept
    anew = train("small", folder=tmp_path, fresh=True, **changes)
    assert anew["seed"] == changes.get("seed", 0)
    train("small", folder=tmp_path / "whole", **changes)
    assert equal(weights(tmp_path), weights(tmp_path / "whole"))


def no_tensors(raw):
    size = int.from_bytes(raw[:8], "little")
    header = {"__metadata__": json.loads(raw[8 : 8 + size])["__metadata__"]}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[: len(raw) // 2],
        lambda raw: b"",
        lambda raw: raw.replace(b"exp_avg", b"exp_org"),
        lambda raw: raw.replace(b"groups", b"gruppe"),
        lambda raw: raw.replace(b"__metadata__", b"__metadaten_"),
        no_tensors,
    ],
)
def test_a_damaged_copy_is_refused(tmp_path, monkeypatch, small, damage):
    stop_at(monkeypatch, tmp_path, 3)
    path = tmp_path / "small.resume.safetensors"
    changed = damage(path.read_bytes())
    assert changed != path.read_bytes()
    path.write_bytes(changed)
    with pytest.raises(ValueError, match=r"small.resume.safetensors is damaged .* --fresh"):
        train("small", folder=tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["small.resume.safetensors"] and path.read_bytes() == changed


def test_a_copy_of_another_version_of_the_recipe_is_refused(tmp_path, monkeypatch, small):
    stop_at(monkeypatch, tmp_path, 3)
    wider = RECIPES["small"]._replace(build=lambda: LanguageModel(5, d_model=16, num_heads=2, num_layers=1, max_len=4))
    monkeypatch.setitem(RECIPES, "small", wider)
    with pytest.raises(ValueError, match="damaged or was made by another version of the recipe"):
        train("small", folder=tmp_path)


def test_a_copy_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch, small):
    stop_at(monkeypatch, tmp_path, 3)
    kept = (tmp_path / "small.resume.safetensors").read_bytes()

    def fails(_, path, about):
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(training, "KEEP_EVERY", 0.0)
    monkeypatch.setattr(resume, "save_file", fails)
    with pytest.raises(OSError, match="no space left"):
        train("small", folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["small.resume.safetensors"]
    assert (tmp_path / "small.resume.safetensors").read_bytes() == kept


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


def test_the_command_says_how_a_training_goes_on(tmp_path):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from lecturelib.workshop.train import train as training\n"
        "def train(name, **given):\n"
        "    print(name, given)\n"
        "    raise KeyboardInterrupt('stopped after step 3 of 9')\n"
        "training.train = train\n"
        "sys.argv[1:] = ['digits_mae', '--seed', '4', '--fresh', '--steps', '9']\n"
        "import lecturelib.pretrained.__main__\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 130, done.stderr
    assert "stopped after step 3 of 9; the same command goes on from there" in done.stderr
    name, given = done.stdout.split(maxsplit=1)
    assert name == "digits_mae"
    assert all(each in given for each in ("'seed': 4", "'device': 'cpu'", "'fresh': True", "'steps': 9"))
    assert "'keep_every': 120.0" in given and "pretrained" in given and "'batch'" not in given


@pytest.mark.parametrize("device", ["gpu", "cuda:7", "cuda"])
def test_a_device_that_is_not_there_is_refused(tmp_path, monkeypatch, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=f"device '{device}' is not there: expected one of cpu"):
        train("language_model", folder=tmp_path, device=device)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_trains_too(tmp_path, monkeypatch, small):
    stop_at(monkeypatch, tmp_path, 3, device="cuda")
    made = train("small", folder=tmp_path, device="cuda")
    assert torch.cuda.get_device_name() in made["hardware"]
    assert all(value.device.type == "cpu" for value in weights(tmp_path).values())


@pytest.fixture
def by_muon(monkeypatch, small):
    """The small model, whose blocks are trained by Muon."""
    if not hasattr(torch.optim, "Muon"):
        pytest.skip("this torch has no Muon")
    monkeypatch.setitem(
        RECIPES, "small", RECIPES["small"]._replace(settings={**RECIPES["small"].settings, "muon": 1e-2})
    )


def test_muon_trains_the_matrices_of_the_blocks_and_adam_the_rest(small):
    if not hasattr(torch.optim, "Muon"):
        pytest.skip("this torch has no Muon")
    model = RECIPES["small"].build()
    adam, muon = training._optimizers(model, {**RECIPES["small"].settings, "muon": 1e-2})
    names = {id(p): name for name, p in model.named_parameters()}
    one, other = ({names[id(p)] for p in each.param_groups[0]["params"]} for each in (adam, muon))
    assert one | other == set(names.values()) and not one & other
    assert other == {n for n, p in model.named_parameters() if "blocks" in n and p.ndim == 2} and len(other) == 6
    assert (adam.param_groups[0]["lr"], muon.param_groups[0]["lr"]) == (1e-2, 1e-2)


def test_a_training_by_muon_ends_as_if_it_had_never_stopped(tmp_path, monkeypatch, by_muon):
    train("small", folder=tmp_path / "whole")
    stop_at(monkeypatch, tmp_path / "parts", 3)
    train("small", folder=tmp_path / "parts")
    assert equal(weights(tmp_path / "parts"), weights(tmp_path / "whole"))
    monkeypatch.setitem(
        RECIPES, "small", RECIPES["small"]._replace(settings={**RECIPES["small"].settings, "muon": 2e-2})
    )
    train("small", folder=tmp_path / "faster")
    assert not equal(weights(tmp_path / "faster"), weights(tmp_path / "whole"))


def test_an_older_torch_is_told_that_it_has_no_muon(tmp_path, monkeypatch, by_muon):
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(ValueError, match=r"torch .* has no optimiser Muon: expected 2\.9 or later"):
        train("small", folder=tmp_path)
