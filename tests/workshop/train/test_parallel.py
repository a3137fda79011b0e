"""Several processes train what one trains: the same weights, also when one of them is killed."""

import contextlib
import io
import json
import os
import subprocess
import sys

import psutil
import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from safetensors.torch import load_file

from lecturelib.pretrained.models import MODELS
from lecturelib.transformer import LanguageModel
from lecturelib.workshop.train.parallel import ALONE, Processes
from lecturelib.workshop.train.recipes import RECIPES, add_dropout
from lecturelib.workshop.train.train import train

by_torchrun = pytest.mark.skipif(
    sys.platform == "win32" or not dist.is_available(), reason="torchrun with gloo is tried on Linux and macOS"
)
LIMIT = 300  # seconds: who waits longer than that waits for ever
STEPS = 7


def torchrun(*command):
    """Run two processes that train together; return exit code and what they wrote."""
    line = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    started = subprocess.Popen([*line, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, err = started.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        for each in psutil.Process(started.pid).children(recursive=True):
            each.kill()
        started.kill()
        pytest.fail("the processes hang")
    return started.returncode, out, err


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
    code, out, err = torchrun("-m", "lecturelib", "train", "digits_mae", "--steps", STEPS, "--folder", folder / "two")
    assert code == 0 and "Warning" not in err, err
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


# One process kills itself in the middle of step 5.
KILLED = """
import os, runpy, signal, sys
from lecturelib.workshop.train.recipes import RECIPES
whole = RECIPES["digits_mae"]

def batches(seed, size):
    for step, batch in enumerate(whole.batches(seed, size), start=1):
        if step == 5 and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        yield batch

RECIPES["digits_mae"] = whole._replace(batches=batches)
sys.argv.insert(1, "train")
runpy.run_module("lecturelib", run_name="__main__")
"""


# The second process does not see the files of the first.
APART = """
import os, runpy, sys
if os.environ["RANK"] == "1":
    sys.argv[sys.argv.index("--folder") + 1] += "_elsewhere"
sys.argv.insert(1, "train")
runpy.run_module("lecturelib", run_name="__main__")
"""


@pytest.mark.platform
@by_torchrun
def test_two_machines_go_on_from_the_last_copy_of_a_training_of_which_one_process_was_killed(whole, tmp_path):
    (tmp_path / "killed.py").write_text(KILLED)
    (tmp_path / "apart.py").write_text(APART)
    folder = tmp_path / "new"
    how = ["digits_mae", "--steps", STEPS, "--folder", folder, "--keep-every", 0]
    assert torchrun(tmp_path / "killed.py", *how)[0] != 0
    assert "digits_mae.resume.safetensors" in os.listdir(folder)
    code, out, err = torchrun(tmp_path / "apart.py", *how)
    assert code == 0 and out.count("going on after step") == 1, err
    keys, others = farthest(folder / "digits_mae.safetensors", whole[0] / "one/digits_mae.safetensors")
    assert others < 1e-5 and keys < KEY_BIAS
    assert sorted(os.listdir(folder)) == ["digits_mae.json", "digits_mae.safetensors"]


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


def test_what_cannot_be_shared_is_refused_with_what_would_fit(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match=r"a batch of 256 cannot be divided among 3 processes.*--batch-size 258"):
        Processes(0, 3).check(256, "cpu")
    Processes(0, 3).check(258, "cpu")
    with pytest.raises(ValueError, match=r"process 1 of a machine with 1 GPU\(s\).*at most 1 with --nproc-per-node"):
        Processes(1, 2, 1).check(4, "cuda")
    Processes(1, 2, 0).check(4, "cuda")  # each on a machine of its own


def test_the_shares_of_dropout_are_one_dropout():
    """Of a whole model: else each process would drop something else, and use up other random numbers."""

    def outputs(processes, rows):
        torch.manual_seed(3)
        model = LanguageModel(5, d_model=8, num_heads=2, num_layers=2, max_len=8).train()
        add_dropout(model, 0.3, processes.dropout)
        torch.manual_seed(3)
        return model(rows), torch.get_rng_state()

    tokens = torch.randint(5, (12, 6))
    whole, after = outputs(ALONE, tokens)
    parts = [outputs(each := Processes(rank, 3), *each.share((tokens,))) for rank in range(3)]
    torch.testing.assert_close(torch.cat([part for part, _ in parts]), whole)
    assert all(torch.equal(random, after) for _, random in parts)
    x = torch.randn(4, 5)
    torch.manual_seed(3)
    dropped = F.dropout(x, 0.3)
    torch.manual_seed(3)
    assert torch.equal(ALONE.dropout(x, 0.3), dropped)
