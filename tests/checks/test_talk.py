"""Claims, predictions and the report on the machine: what each says, and what each refuses."""

import re

import numpy as np
import pytest
import torch
from nbval.plugin import get_sanitize_patterns

from lecturelib.checks.claims import ClaimFailed, claim
from lecturelib.checks.machine import inspect_machine, machine_report
from lecturelib.checks.predictions import predict, predict_number
from tests.benchmarks.notebooks import LARGER
from tests.environment import SANITIZE

# ---- claims ----

TRUE = [True, np.True_, np.array(True), torch.tensor(True), np.float64(2) > 1, torch.tensor(2.0) > 1]
FALSE = [False, np.False_, np.array(False), torch.tensor(False), np.float64(2) < 1]


@pytest.mark.parametrize("holds", TRUE, ids=lambda holds: type(holds).__name__)
@pytest.mark.parametrize("strict", ["0", "1"])
def test_a_claim_that_holds_says_so(
    holds: object, strict: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LECTURELIB_STRICT", strict)
    claim("two is even", holds)
    assert capsys.readouterr() == ("Claim holds: two is even.\n", "")


@pytest.mark.parametrize("holds", FALSE, ids=lambda holds: type(holds).__name__)
def test_a_claim_that_fails_asks_why(
    holds: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LECTURELIB_STRICT", raising=False)
    claim("two is odd", holds)
    out = capsys.readouterr().out
    assert out.startswith("Claim does not hold in this run: two is odd.") and out.endswith("?\n")
    assert "seed" in out and out.count("\n") == 1


@pytest.mark.parametrize("holds", FALSE, ids=lambda holds: type(holds).__name__)
@pytest.mark.parametrize("strict", ["1", "chance"])
def test_a_claim_that_fails_stops_a_strict_run(holds: object, strict: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LECTURELIB_STRICT", strict)
    with pytest.raises(ClaimFailed, match="does not hold in this run: two is odd"):
        claim("two is odd", holds)


# a measured claim says its value and its bound, so that what is printed is true
MEASURED = [
    (0.97, {"above": 0.9}, True, "0.97 > 0.9"),
    (torch.tensor(0.25), {"below": 1}, True, "0.25 < 1"),
    (np.float32(0.5), {"between": (0.25, 0.75)}, True, "0.25 < 0.5 < 0.75"),
    (3, {"above": torch.tensor(2.5)}, True, "3 > 2.5"),
    (0.90004, {"above": 0.9}, True, "0.90004 > 0.9"),
    (0.89996, {"above": 0.9}, False, "0.9 is not above 0.9"),
    (0.9, {"above": 0.9}, False, "0.9 is not above 0.9"),
    (0.1, {"below": 0.1}, False, "0.1 is not below 0.1"),
    (2.0, {"between": (0, 1)}, False, "2 is not between 0 and 1"),
    (float("nan"), {"above": 0}, False, "nan is not above 0"),
    (float("inf"), {"above": 0}, True, "inf > 0"),
]


@pytest.mark.parametrize(("value", "bound", "holds", "says"), MEASURED, ids=lambda part: str(part))
def test_a_measured_claim_says_its_value_and_its_bound(value, bound, holds, says, monkeypatch, capsys) -> None:
    monkeypatch.delenv("LECTURELIB_STRICT", raising=False)
    claim("it is so", value, **bound)
    begins = "Claim holds" if holds else "Claim does not hold in this run"
    assert capsys.readouterr().out.startswith(f"{begins}: it is so ({says}).")


def compared(said: str) -> str:
    """Return what nbval compares of an output."""
    for pattern, replacement in get_sanitize_patterns(SANITIZE.read_text()):
        said = re.sub(pattern, replacement, said)
    return said


def test_nbval_compares_the_words_of_a_claim_and_not_its_digits() -> None:
    for facts in ("0.97 > 0.9", "1e-05 < 0.1", "-0.25 < 0.5 < 1e+03", "0.9 > 0.8; in 10 of 10 runs with other seeds",
                  "in 9 of 10 runs with other seeds"):  # fmt: skip
        said = f"one\nClaim holds: it is so (for n < 3) ({facts}).\ntwo"
        assert compared(said) == "one\nClaim holds: it is so (for n < 3).\ntwo"
    for kept in ("Claim holds: so (3).", "Claim holds: so (n > 3)."):
        assert compared(kept) == kept


def test_nbval_leaves_the_verdict_to_the_claim(monkeypatch, capsys) -> None:
    monkeypatch.delenv("LECTURELIB_STRICT", raising=False)
    for value, bound in ((0.983, {"above": 0.985}), (0.3, {"below": 0.2}), (2, {"between": (0, 1)})):
        claim("it is so (n < 3)", value, **bound)
        assert compared(capsys.readouterr().out) == "Claim holds: it is so (n < 3).\n"


def test_nbval_compares_the_right_choice_of_an_outcome_and_not_what_was_measured() -> None:
    said = "No prediction was made. Measured: 0.81. Right was: 0.5 to 0.9."
    for measured in ("0.82, then 5e-06", "[6, 8, 7] groups", "heads not moved back, 1.45"):
        assert compared(said) == compared(said.replace("0.81", measured))
    assert compared("No prediction was made. Measured: 2 of 3.") == compared(
        "No prediction was made. Measured: 1 of 3."
    )
    assert compared(said) != compared(said.replace("0.5 to 0.9", "0.4 to 0.9"))


def test_nbval_compares_whole_numbers_and_words_and_not_measured_decimals() -> None:
    assert compared("MAE 0.058, -1.2e-05; 3 of 5") == compared("MAE 0.061, 0.4; 3 of 5")
    for kept in ("depth 3", "version 1.2.3", "19. Februar 1976", "[0, 1, 2, 2, 0]", "134,515,008 parameters"):
        assert compared(kept) == kept


# ---- bad input ----

NOT_A_TRUTH_VALUE = [None, 1, "yes", 0.7, [True], np.array([True, False]), torch.tensor([True]), torch.tensor(1)]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        *(
            (lambda holds=holds: claim("two is even", holds), ["two is even", repr(holds), "expected True", "all(...)"])
            for holds in NOT_A_TRUTH_VALUE
        ),
        *(
            (lambda value=value: claim("it is so", value, above=0.5), ["it is so", repr(value), "one number"])
            for value in (None, True, "0.7", np.True_, torch.tensor(True), torch.tensor([1.0]), [0.7], np.ones(1))
        ),
        *(
            (lambda bound=bound: claim("it is so", 0.7, **bound), ["it is so", *map(str, bound), "expected one bound"])
            for bound in (
                {"above": "much"},
                {"below": float("nan")},
                {"between": 3},
                {"between": (2, 1)},
                {"between": (1, 2, 3)},
                {"above": 0, "below": 1},
            )
        ),
        (lambda: predict("?", ["a", "b"]).outcome("c", right="c"), ["right='c'", "['a', 'b']"]),
        (lambda: predict("?", []), ["[]", "at least two"]),
        (lambda: predict("?", ["a"]), ["['a']", "at least two"]),
        (lambda: predict("?", "ab"), ["'ab'", "a list"]),
        (lambda: predict("?", [1, 2]), ["[1, 2]", "texts"]),
        (lambda: predict("?", ["a", "b", "a"]), ["['a', 'b', 'a']", "all different"]),
        (lambda: predict_number("?", 5, 5), ["low=5", "high=5", "low < high"]),
    ],
)
def test_bad_input_is_refused_in_words(call, words: list[str]) -> None:
    with pytest.raises(ValueError) as refusal:
        call()
    assert not [word for word in words if word not in str(refusal.value)], refusal.value


# ---- predictions ----


def test_a_prediction_is_shown_beside_the_outcome_and_kept() -> None:
    asked = predict("Heads or tails?", ["heads", "tails"])
    assert not asked.answer.disabled
    asked.answer.value = "tails"
    outcome = asked.outcome("heads")
    assert outcome.sentence() == "You predicted: tails. Measured: heads."
    assert outcome.value == outcome.sentence()
    assert asked.answer.disabled


def test_a_prediction_made_late_still_appears() -> None:
    asked = predict("Heads or tails?", ["heads", "tails"])
    outcome = asked.outcome("heads")
    assert outcome.sentence() == outcome.value == "No prediction was made. Measured: heads."
    assert not asked.answer.disabled
    asked.answer.value = "heads"
    assert outcome.sentence() == outcome.value == "You predicted: heads. Measured: heads."


def test_a_number_is_predicted_even_if_it_is_zero() -> None:
    asked = predict_number("How many?", 0, 9)
    assert asked.answer.options == tuple("0123456789")
    assert asked.outcome(3).sentence() == "No prediction was made. Measured: 3."
    asked.answer.value = "0"
    assert asked.outcome(3).sentence() == "You predicted: 0. Measured: 3."
    assert asked.answer.disabled


def test_the_right_choice_is_said_at_last() -> None:
    outcome = predict("Heads or tails?", ["heads", "tails"]).outcome("8 of 10", right="heads")
    assert outcome.sentence() == "No prediction was made. Measured: 8 of 10. Right was: heads."
    assert predict_number("How many?", 1, 9).outcome("3 of 5", right=3).right == 3


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


def test_the_outcome_is_text_that_is_escaped_on_the_page() -> None:
    outcome = predict("?", ["a", "b"]).outcome("<b>3</b>")
    assert outcome._repr_mimebundle_()["text/plain"] == "No prediction was made. Measured: <b>3</b>."
    assert "&lt;b&gt;3" in outcome.value and "<b>" not in outcome.value


# ---- the machine ----

FINE = "No problems found. (Notebook 09 also needs two models: it says how to get them.)"


*_, SECOND, DEAREST = sorted(LARGER.values())  # MB of notebooks
MEMORY = ["Less than 1.6 GB", f"up to {DEAREST / 1000}, the others up to {SECOND / 1000}.", "Shut down the kernels"]
WIDGETS = ["older than version 8", "pictures"]
PYTHON = ["not one that the course is tested with"]


@pytest.mark.parametrize(
    ("free", "widgets", "python", "problems"),
    [
        (4.0, "8.1.5", (3, 11), []),
        (1.6, "8.1.5", (3, 13), []),
        (1.59, "8.1.5", (3, 12), [MEMORY]),
        (4.0, "7.7.1", (3, 11), [WIDGETS]),
        (4.0, "7", (3, 11), [WIDGETS]),
        (4.0, "0", (3, 11), [WIDGETS]),
        (4.0, "8.1.5", (3, 10), [PYTHON]),
        (0.4, "7.7.1", (3, 14), [PYTHON, MEMORY, WIDGETS]),
    ],
)
def test_each_problem_of_a_machine_is_named_with_what_it_means(free, widgets, python, problems, monkeypatch) -> None:
    monkeypatch.setattr("sys.version_info", (*python, 0, "final", 0))
    first, _, memory, *said = machine_report(free_gb=free, ipywidgets_version=widgets)
    assert torch.__version__ in first and widgets in first and memory == f"Free memory: {free:.1f} GB."
    for line, words in zip(said, problems or [[FINE]], strict=True):
        assert not [word for word in words if word not in line], line


def test_the_report_is_printed_as_measured(capsys: pytest.CaptureFixture[str]) -> None:
    inspect_machine()
    out = capsys.readouterr().out
    assert re.search(r"^Python 3\.\d+\.\d+, torch \S+, ipywidgets \d+\.\S+\.$", out, re.MULTILINE)
    assert re.search(r"^Free memory: \d+\.\d GB\.$", out, re.MULTILINE)
