"""Claims, predictions and the report on the machine: what each says, and what each refuses."""

import re

import numpy as np
import pytest
import torch
from nbval.plugin import get_sanitize_patterns

from lecturelib.checks.claims import ClaimFailed, claim
from lecturelib.checks.machine import inspect_machine
from lecturelib.checks.predictions import predict, predict_number
from tests.benchmarks.notebooks import LARGER
from tests.environment import SANITIZE
from tests.tools import refuses


@pytest.fixture(autouse=True)
def lenient(monkeypatch):
    monkeypatch.delenv("LECTURELIB_STRICT", raising=False)


# ---- claims ----


@pytest.mark.parametrize("truth", [bool, np.bool_, np.array, torch.tensor], ids=lambda truth: truth.__name__)
def test_an_exact_claim_holds_or_asks_why(truth, monkeypatch, capsys) -> None:
    claim("two is odd", truth(False))
    out = capsys.readouterr().out
    assert out.startswith("Claim does not hold in this run: two is odd.") and out.endswith("?\n")
    for strict in ("1", "chance"):
        monkeypatch.setenv("LECTURELIB_STRICT", strict)
        with pytest.raises(ClaimFailed, match="does not hold in this run: two is odd"):
            claim("two is odd", truth(False))
        claim("two is even", truth(True))
        assert capsys.readouterr().out == "Claim holds: two is even.\n"


@pytest.mark.parametrize(
    ("value", "bound", "holds", "says"),
    [
        (0.97, {"above": 0.9}, True, "0.97 > 0.9"),
        (torch.tensor(0.25, requires_grad=True), {"below": 1}, True, "0.25 < 1"),
        (np.float32(0.5), {"between": (0.25, 0.75)}, True, "0.25 < 0.5 < 0.75"),
        (0.90004, {"above": 0.9}, True, "0.90004 > 0.9"),  # so that what is printed is true
        (0.89996, {"above": 0.9}, False, "0.9 is not above 0.9"),
        (0.1, {"below": 0.1}, False, "0.1 is not below 0.1"),
        (2.0, {"between": (0, 1)}, False, "2 is not between 0 and 1"),
        (float("nan"), {"above": 0}, False, "nan is not above 0"),
    ],
    ids=str,
)
def test_a_measured_claim_says_its_value_and_its_bound(value, bound, holds, says, capsys) -> None:
    claim("it is so", value, **bound)
    begins, out = "Claim holds" if holds else "Claim does not hold in this run", capsys.readouterr().out
    assert out.startswith(f"{begins}: it is so ({says}).")
    assert compared(out) == "Claim holds: it is so.\n" or not np.isfinite(float(value))


def compared(said: str) -> str:
    """Return what nbval compares of an output."""
    for pattern, replacement in get_sanitize_patterns(SANITIZE.read_text()):
        said = re.sub(pattern, replacement, said)
    return said


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("Claim holds: so (n < 3) (1e-05 < 0.1; in 9 of 10 runs with other seeds).", "Claim holds: so (n < 3).", True),
        ("Claim holds: so (n > 3).", "Claim holds: so (n > 4).", False),
        ("No prediction was made. Measured: 2 of 3.", "No prediction was made. Measured: [1, 2] of 3, 5e-06.", True),
        ("Measured: 1. Right was: 0.5.", "Measured: 1. Right was: 0.4.", False),
        ("MAE 0.058, -1.2e-05; 3 of 5", "MAE 0.061, 0.4; 3 of 5", True),
        ("MAE 0.058; 3 of 5", "MAE 0.058; 2 of 5", False),
        ("134,515,008 parameters", "134,515,009 parameters", False),
    ],
)  # fmt: skip
def test_nbval_compares_words_and_whole_numbers_and_not_what_was_measured(one, other, equal) -> None:
    assert (compared(one) == compared(other)) is equal


# ---- predictions ----


def test_a_prediction_is_shown_beside_the_outcome_and_kept() -> None:
    asked = predict("Heads or tails?", ["heads", "tails"])
    asked.answer.value = "tails"
    outcome = asked.outcome("<b>heads</b>", right="heads")
    assert outcome.sentence() == "You predicted: tails. Measured: <b>heads</b>. Right was: heads."
    assert "&lt;b&gt;heads" in outcome.value and "<b>" not in outcome.value
    assert outcome._repr_mimebundle_()["text/plain"] == outcome.sentence()
    assert asked.answer.disabled
    number = predict_number("How many?", 0, 9)
    number.answer.value = "0"  # is an answer, too
    assert number.outcome(3, right=3).sentence() == "You predicted: 0. Measured: 3. Right was: 3."


def test_a_prediction_made_late_still_appears() -> None:
    asked = predict("Heads or tails?", ["heads", "tails"])
    outcome = asked.outcome("heads")
    assert outcome.sentence() == outcome.value == "No prediction was made. Measured: heads."
    assert not asked.answer.disabled
    asked.answer.value = "heads"
    assert outcome.sentence() == outcome.value == "You predicted: heads. Measured: heads."


def test_the_saved_text_says_the_question_and_not_the_choice() -> None:
    asked = predict("Is 1 < 2?", ["yes", "no"])
    before = asked._repr_mimebundle_()
    assert before["text/plain"] == "Predict: Is 1 < 2? yes / no"
    assert before["text/html"] == "<b>Predict:</b> Is 1 &lt; 2?<br>yes / no"
    assert "application/vnd.jupyter.widget-view+json" in before
    asked.answer.value = "no"
    assert asked._repr_mimebundle_()["text/plain"] == before["text/plain"]
    number = predict_number("How many?", 1, 40)._repr_mimebundle_()
    assert number["text/plain"] == "Predict: How many? (a whole number from 1 to 40)"


# ---- bad input ----


test_bad_input_is_refused_in_words = refuses(
    *(
        (lambda holds=holds: claim("two is even", holds), ["two is even", repr(holds), "expected True", "all(...)"])
        for holds in (None, 1, [True], np.array([True, False]), torch.tensor(1))
    ),
    *(
        (lambda value=value: claim("it is so", value, above=0.5), ["it is so", repr(value), "one number"])
        for value in (None, True, "0.7", torch.tensor(True), [0.7], np.ones(1))
    ),
    *(
        (lambda bound=bound: claim("it is so", 0.7, **bound), ["it is so", *map(str, bound), "expected one bound"])
        for bound in ({"above": "much"}, {"between": 3}, {"between": (2, 1)}, {"above": 0, "below": 1})
    ),
    (lambda: predict("?", ["a", "b"]).outcome("c", right="c"), ["right='c'", "['a', 'b']"]),
    (lambda: predict("?", ["a"]), ["['a']", "at least two"]),
    (lambda: predict("?", "ab"), ["'ab'", "a list"]),
    (lambda: predict("?", ["a", "b", "a"]), ["['a', 'b', 'a']", "all different"]),
    (lambda: predict_number("?", 5, 5), ["low=5", "high=5", "low < high"]),
)


# ---- the machine ----

*_, SECOND, DEAREST = sorted(LARGER.values())  # MB of notebooks
MEMORY = ["Less than 1.6 GB", f"up to {DEAREST / 1000}, the others up to {SECOND / 1000}.", "Shut down the kernels"]
WIDGETS = ["older than version 8", "pictures"]
PYTHON = ["not one that the course is tested with"]
FINE = ["No problems found. (Notebook 09 also needs two models: it says how to get them.)"]


@pytest.mark.parametrize(
    ("free", "widgets", "python", "problems"),
    [
        (1.6, "8.1.5", (3, 13), [FINE]),
        (1.59, "8.1.5", (3, 12), [MEMORY]),
        (4.0, "7.7.1", (3, 11), [WIDGETS]),
        (0.4, "7.7.1", (3, 14), [PYTHON, MEMORY, WIDGETS]),
    ],
)
def test_each_problem_of_a_machine_is_named_with_what_it_means(free, widgets, python, problems, monkeypatch, capsys):
    monkeypatch.setattr("sys.version_info", (*python, 0, "final", 0))
    inspect_machine(free_gb=free, ipywidgets_version=widgets)
    first, _, memory, *said = capsys.readouterr().out.splitlines()
    assert torch.__version__ in first and widgets in first and memory == f"Free memory: {free:.1f} GB."
    for line, words in zip(said, problems, strict=True):
        assert not [word for word in words if word not in line], line
    inspect_machine()  # and of this one
    assert re.search(r"^Free memory: \d+\.\d GB\.$", capsys.readouterr().out, re.MULTILINE)
