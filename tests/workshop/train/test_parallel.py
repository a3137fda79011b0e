"""Several processes train what one trains: the same weights, also when one of them is killed or interrupted."""

import contextlib
import io
import json
import os
import platform
import runpy
import subprocess
import sys

import psutil
import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

from lecturelib.pretrained.models import MODELS
from lecturelib.workshop.train import parallel
from lecturelib.workshop.train.parallel import ALONE, Processes, joined
from lecturelib.workshop.train.recipes import RECIPES, add_dropout
from lecturelib.workshop.train.train import train

by_torchrun = pytest.mark.skipif(
    sys.platform == "win32" or not dist.is_available(), reason="torchrun with gloo is tried on Linux and macOS"
)
LIMIT = 300  # seconds: who waits longer than that waits for ever
STEPS = 7
STARTED = ["-m", "lecturelib", "train"]


def torchrun(*command, count=2):
    """Start processes that train together."""
    line = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    return subprocess.Popen(
        [*line, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def ended(started):
    """Wait for processes; return exit code and what they wrote."""
    try:
        out, err = started.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        for each in psutil.Process(started.pid).children(recursive=True):
            each.kill()
        started.kill()
        out, err = started.communicate()
        pytest.fail(f"the processes hang:\n{out}\n{err}")
    return started.returncode, out, err


def together(*command, count=2):
    """Train by several processes to the end; return what they printed."""
    code, out, err = ended(torchrun(*command, count=count))
    assert code == 0, err
    assert "Warning" not in err, err
    return out


def losses(out):
    return [line.partition("loss ")[2].partition(";")[0] for line in out.splitlines() if line.startswith("step ")]


def farthest(a, b):
    """Return the largest difference between two files of weights: of biases of keys, and of all others."""
    one, other = load_file(a), load_file(b)
    assert one.keys() == other.keys()
    far = {key: float((one[key] - other[key]).abs().max()) for key in one}
    keys = [value for key, value in far.items() if key.endswith("k_proj.bias")]
    return max(keys, default=0.0), max(value for key, value in far.items() if not key.endswith("k_proj.bias"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The weights of digits_mae by one process and by two, uninterrupted; the card of one, and what both printed."""
    folder = tmp_path_factory.mktemp("whole")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        made = train("digits_mae", folder=folder / "one", steps=STEPS)
    out = together(*STARTED, "digits_mae", "--steps", STEPS, "--folder", folder / "two")
    return folder, made, printed.getvalue(), out


# The bias of a key adds the same to all scores of a query, so its gradient is 0, and what is computed is rounding.
# Adam divides it by its own size, so it makes steps of nothing but rounding, which change no output.
KEY_BIAS = 1e-3


@by_torchrun
def test_two_processes_train_what_one_trains(whole):
    folder, made, printed, out = whole
    keys, others = farthest(folder / "one/digits_mae.safetensors", folder / "two/digits_mae.safetensors")
    assert others < 1e-5 and keys < KEY_BIAS
    assert losses(out) == losses(printed) and len(losses(out)) == STEPS
    card = json.loads((folder / "two/digits_mae.json").read_text())
    assert card["scores"] == pytest.approx(made["scores"], abs=2e-4)
    assert card["hardware"] == made["hardware"] + ", 2 processes"
    assert {key: card[key] for key in ("settings", "seed", "parameters")} == {
        key: made[key] for key in ("settings", "seed", "parameters")
    }
    assert out.count(f"step {STEPS} of {STEPS}") == 1 and out.count("name: digits_mae") == 1
    assert sorted(each.name for each in (folder / "two").iterdir()) == ["digits_mae.json", "digits_mae.safetensors"]


# Recipes as small as they come, in 64 bits: there even rounding that Adam enlarges stays far below what a mistake does.
SCRIPT = """
import sys
from pathlib import Path
import torch
from torch import nn
from lecturelib.language import next_token_loss
from lecturelib.pretrained.models import MODELS
from lecturelib.workshop.train.parallel import ALONE, joined
from lecturelib.workshop.train.recipe import Recipe
from lecturelib.workshop.train.recipes import RECIPES
from lecturelib.workshop.train.train import train
from lecturelib.transformer import LanguageModel

def batches(seed, size):
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield (torch.randint(5, (size, 6), generator=generator),)

class Dropping(LanguageModel):
    def __init__(self):
        super().__init__(5, d_model=8, num_heads=2, num_layers=2, max_len=8)
        self.drop = nn.Dropout(0.1)  # a dropout that the recipe's settings know nothing of
        self.double()
    def forward(self, tokens):
        return super().forward(tokens) + self.drop(torch.ones(len(tokens), 5, 5, dtype=torch.float64))

settings = {"steps": 12, "batch_size": 12, "lr": 1e-2, "weight_decay": 0.1, "dropout": 0.4}
MODELS["small"] = MODELS["muon"] = Dropping
RECIPES["small"] = Recipe("small", batches, next_token_loss, lambda model: {"a number": 0.5}, settings)
RECIPES["muon"] = RECIPES["small"]._replace(settings={**settings, "muon": 1e-2})

def run(folder, trials, processes=ALONE, **how):
    for name, changes in trials.items():
        train(name, folder=Path(folder), processes=processes, **how, **changes)

if __name__ == "__main__":
    torch.set_num_threads(1)
    with joined() as processes:
        run(sys.argv[1], eval(sys.argv[2]), processes, keep_every=float(sys.argv[3]))
"""


@pytest.fixture
def script(tmp_path, monkeypatch):
    """A file that trains, and its function `run`."""
    for name in ("small", "muon"):
        for table in (RECIPES, MODELS):
            monkeypatch.setitem(table, name, None)  # so that they are gone after the test
    place = tmp_path / "script.py"
    place.write_text(SCRIPT)
    return place, runpy.run_path(str(place))["run"]


@pytest.mark.platform
@by_torchrun
def test_dropout_and_muon_are_those_of_one_process(tmp_path, script, capsys):
    place, run = script
    trials = {"small": {}, "muon": {}} if hasattr(torch.optim, "Muon") else {"small": {}}
    run(tmp_path / "1", trials)
    alone = losses(capsys.readouterr().out)
    assert losses(together(place, tmp_path / "2", trials, 1e9)) == alone and len(alone) == 12 * len(trials)
    far = {name: farthest(*(tmp_path / each / f"{name}.safetensors" for each in "12")) for name in trials}
    assert max(far["small"]) < 1e-9, far
    assert max(far.get("muon", (0,))) < 1e-4, far  # Muon computes in 16 bits, which hold three digits


# One process sends itself a signal in the middle of step 5.
SIGNALLED = """
import os, runpy, signal, sys
from lecturelib.workshop.train.recipes import RECIPES
kind, whole = signal.Signals[sys.argv.pop(1)], RECIPES["digits_mae"]

def batches(seed, size):
    for step, batch in enumerate(whole.batches(seed, size), start=1):
        if step == 5 and os.environ["RANK"] == "1":
            os.kill(os.getpid(), kind)
        yield batch

RECIPES["digits_mae"] = whole._replace(batches=batches)
sys.argv.insert(1, "train")
runpy.run_module("lecturelib", run_name="__main__")
"""


@pytest.mark.platform
@by_torchrun
def test_a_killed_training_goes_on_from_its_last_copy(whole, tmp_path):
    (tmp_path / "signalled.py").write_text(SIGNALLED)
    folder = tmp_path / "new"
    command = ["digits_mae", "--steps", STEPS, "--folder", folder, "--keep-every", 0]
    code, _, err = ended(torchrun(tmp_path / "signalled.py", "SIGKILL", *command))
    assert code != 0 and "RuntimeError" not in err
    assert {"digits_mae.resume.safetensors"} <= set(os.listdir(folder)) <= {
        "digits_mae.resume.safetensors", "digits_mae.resume.safetensors.part",
    }  # fmt: skip
    assert f"going on after step 4 of {STEPS}" in together(*STARTED, *command)
    assert max(farthest(folder / "digits_mae.safetensors", whole[0] / "two/digits_mae.safetensors")) < 1e-6
    assert sorted(os.listdir(folder)) == ["digits_mae.json", "digits_mae.safetensors"]


@pytest.mark.platform
@by_torchrun
def test_an_interruption_of_one_stops_all_and_one_alone_goes_on(whole, tmp_path, capsys):
    (tmp_path / "signalled.py").write_text(SIGNALLED)
    folder = tmp_path / "new"
    code, _, err = ended(
        torchrun(tmp_path / "signalled.py", "SIGINT", "digits_mae", "--steps", STEPS, "--folder", folder)
    )
    said = (
        f"stopped after step 5 of {STEPS}; digits_mae.resume.safetensors holds it; the same command goes on from there"
    )
    assert code != 0 and err.count(said) == 1
    assert os.listdir(folder) == ["digits_mae.resume.safetensors"] and "RuntimeError" not in err
    made = train("digits_mae", folder=folder, steps=STEPS)
    assert f"going on after step 5 of {STEPS}" in capsys.readouterr().out
    kind = f"{platform.machine()}, CPU, 1 thread(s)"
    assert made["hardware"] == f"{kind}, 2 processes; then {kind}"
    keys, others = farthest(folder / "digits_mae.safetensors", whole[0] / "one/digits_mae.safetensors")
    assert others < 1e-5 and keys < KEY_BIAS


@pytest.mark.platform
@by_torchrun
def test_what_all_refuse_is_said_once(tmp_path):
    half = b"\x10\0\0\0\0\0\0\0half"
    (tmp_path / "digits_mae.resume.safetensors").write_bytes(half)
    code, out, err = ended(torchrun(*STARTED, "digits_mae", "--steps", STEPS, "--folder", tmp_path))
    assert code != 0 and not out
    assert err.count("digits_mae.resume.safetensors is damaged") == 1 and "ValueError" not in err
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("digits_mae.resume.safetensors", half)]


# ---- without other processes ----


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_each_recipe_can_be_shared(name):
    """Losses are plain means over rows, and each weight has a gradient: what the average over shares rests on."""
    recipe = RECIPES[name]
    torch.manual_seed(0)
    model, batch = MODELS[name]().eval(), next(recipe.batches(0, 6))
    parts = [recipe.loss(model, Processes(rank, 3).share(batch)) for rank in range(3)]
    whole = recipe.loss(model, batch)
    torch.testing.assert_close(sum(parts) / 3, whole, rtol=1e-4, atol=1e-6)
    whole.backward()
    assert not [key for key, value in model.named_parameters() if value.grad is None]


def test_shares_are_the_batch_in_order():
    batch = (torch.arange(12), torch.rand(12, 2))
    parts = [Processes(rank, 4).share(batch) for rank in range(4)]
    assert all(torch.equal(torch.cat(each), whole) for each, whole in zip(zip(*parts, strict=True), batch, strict=True))
    assert ALONE.share(batch) is batch


def test_the_refusal_names_what_would_fit():
    with pytest.raises(ValueError, match=r"a batch of 256 cannot be divided among 3 processes.*--batch-size 258"):
        Processes(0, 3).check(256, "cpu")
    Processes(0, 3).check(258, "cpu")


def test_each_process_needs_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match=r"2 processes on a machine with 1 GPU\(s\).*at most 1 with --nproc-per-node"):
        Processes(0, 2, 0, 2).check(4, "cuda")
    Processes(0, 2, 0, 1).check(4, "cuda")  # each on a machine of its own


@pytest.mark.parametrize("shape", [(12, 5, 8), (24, 7)])
def test_the_shares_of_dropout_are_one_dropout(shape):
    """Also where a batch of 12 was flattened to 24 rows."""
    x = torch.randn(shape)
    torch.manual_seed(3)
    expected = F.dropout(x, 0.3)
    after = torch.get_rng_state()
    size, parts = shape[0] // 3, []
    for rank in range(3):
        torch.manual_seed(3)
        with parallel._DropoutOfAll(Processes(rank, 3)):
            parts.append(F.dropout(x[rank * size :][:size], 0.3))
            assert torch.equal(F.dropout(x, 0.3, training=False), x)
        assert torch.equal(torch.get_rng_state(), after)
    assert torch.equal(torch.cat(parts), expected)
    torch.manual_seed(3)
    y = x[:size].clone()
    with parallel._DropoutOfAll(Processes(0, 3)):
        nn.Dropout(0.3, inplace=True)(y)
    assert torch.equal(y, parts[0])


@pytest.mark.parametrize("missing", ["RANK", "MASTER_ADDR"])
def test_half_a_torchrun_is_refused(monkeypatch, missing):
    for key in parallel.VARIABLES:
        monkeypatch.setenv(key, "2")
    monkeypatch.delenv(missing)
    with pytest.raises(ValueError, match=f"WORLD_SIZE=2, but {missing} not set.*torchrun --nproc-per-node 2"), joined():
        pass


def test_dropout_of_a_recipe_uses_the_function_that_is_shared():
    """If it called another one, each process would drop something else."""
    model = MODELS["language_model"]().train()
    undo = add_dropout(model, 0.5)
    seen = []

    class Watch(parallel.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            seen.append(function is F.dropout)
            return function(*args, **(kwargs or {}))

    with Watch():
        model(torch.zeros(1, 4, dtype=torch.long))
    undo()
    assert sum(seen) == 8  # two in each of four layers
