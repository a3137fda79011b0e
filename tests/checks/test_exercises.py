"""The checks of the exercises: right answers in several forms, and wrong ones that are told what they did."""

import math
from collections.abc import Callable
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch

from lecturelib.broken import BUGS, blind_patient, break_it
from lecturelib.checks import attention, mae, scaling, transfer, transformer
from lecturelib.checks.exercise import Exercise, Sized, _same, normal, untouched
from lecturelib.workshop.classroom.course import exercise_of, exercises
from tests.checks.answers import RIGHT, WRONG

Tensor = torch.Tensor
EXERCISES = {exercise_of(check).name: exercise_of(check) for check in exercises()}
REFUSED = {"not solved yet", "no function", "nothing returned", "more than one result", "error", "other"}

each_exercise = pytest.mark.parametrize("name", EXERCISES)

# ---- what holds for every exercise ----


def single(result: Any) -> Any:
    """A result in single precision."""
    if isinstance(result, dict):
        return {name: single(each) for name, each in result.items()}
    if isinstance(result, tuple | list):
        return type(result)(map(single, result))
    return result.float() if isinstance(result, Tensor) and result.is_floating_point() else result


@each_exercise
def test_right_answers_are_accepted(name: str) -> None:
    exercise = EXERCISES[name]
    sized = isinstance(exercise.probes, Sized)
    answers = [*RIGHT[name], exercise.solution or exercise.reference] if sized else RIGHT[name]
    assert len(answers) >= 2
    answers = answers + [lambda *given, answer=answer: single(answer(*given)) for answer in answers if sized]
    for answer in answers:
        verdict = exercise.verdict(answer)
        assert verdict.name == "right" and verdict.says.startswith(f"{name}: right. "), verdict.says


@each_exercise
def test_every_mistake_is_told_its_name(name: str) -> None:
    exercise = EXERCISES[name]
    assert len(exercise.mistakes) >= 4 and not exercise.mistakes.keys() & REFUSED
    assert exercise.imitations.keys() <= exercise.mistakes.keys()
    for mistake, says in exercise.mistakes.items():
        answers = exercise.wrong_answers(mistake) + WRONG[name].get(mistake, [])
        assert answers
        for answer in answers:
            verdict = exercise.verdict(answer)
            assert verdict == (mistake, f"{name}: not yet. {says}"), verdict.says


@each_exercise
def test_what_is_no_known_mistake_is_answered_in_words(name: str) -> None:
    kinds = WRONG[name].keys() - EXERCISES[name].mistakes.keys()
    assert kinds <= REFUSED
    for kind in kinds:
        for answer in WRONG[name][kind]:
            verdict = EXERCISES[name].verdict(answer)
            assert verdict.name == kind and verdict.says.startswith(name), verdict
            assert ("expected: " in verdict.says) == (kind == "other" and bool(EXERCISES[name]._arguments))


@each_exercise
def test_no_two_mistakes_behave_the_same(name: str) -> None:
    exercise = EXERCISES[name]
    for (a, of_a), (b, of_b) in combinations([*exercise._imitated, ("right", exercise._wanted)], 2):
        assert a == b or not all(map(_same, of_a, of_b)), f"{a!r} cannot be told from {b!r}"
        assert not all(isinstance(each, Exception) for each in of_a), f"{a!r} only raises"


@each_exercise
def test_answers_that_are_none_are_told_apart(name: str) -> None:
    def stops(*args: object) -> None:
        raise KeyError("the twelfth thing")

    exercise = EXERCISES[name]
    assert exercise.verdict(...).says == f"{name}: not solved yet. Replace the ... and run the cell again."
    if exercise.read:
        return
    answers = {
        "not solved yet": lambda *args: ...,
        "nothing returned": lambda *args: None,
        "error": stops,
        "no function": 7,
        "other": lambda *args: 0.123,
    }
    says = {kind: exercise.verdict(answer) for kind, answer in answers.items()}
    assert [verdict.name for verdict in says.values()] == list(answers)
    assert "return" in says["nothing returned"].says and "given 7" in says["no function"].says
    assert "stopped with KeyError: 'the twelfth thing', in the line `raise KeyError(" in says["error"].says
    # an unknown mistake is shown a small input in full
    assert "a tensor of shape" not in says["other"].says and len(says["other"].says) < 600


# ---- the machinery on its own ----

TEXTS = {"right": "Good.", "hint 1": "a < b", "hint 2": "<script>"}


def small(reference: Callable[..., Any], probes: Any, mistakes: dict[str, str] | None = None, **more: Any) -> Exercise:
    return Exercise("small", reference, probes, says=(mistakes or {}) | TEXTS, **more)


ROOT = small(lambda x: x.sqrt(), Sized(lambda n, seed: (normal(seed, (n,))[0].abs(),), [(7, 1), (5, 2)]))


def test_calling_prints_the_verdict_and_hints_are_folded(capsys: pytest.CaptureFixture[str]) -> None:
    ROOT(torch.sqrt)
    assert capsys.readouterr() == ("small: right. Good.\n", "")
    page = ROOT.hints()._repr_html_()
    assert page.count("<details>") == page.count("</details>") == 2 and " open" not in page
    assert "Hint 1" in page and "a &lt; b" in page and "<script>" not in page
    assert repr(ROOT.hints()) == "2 hints, folded"


@pytest.mark.parametrize("kind", [bool, np.bool_, torch.tensor, np.array], ids=lambda kind: kind.__name__)
def test_a_truth_value_may_come_in_any_form(kind: Any) -> None:
    exercise = small(lambda x: x > 1, [(1,), (2,)])
    assert exercise.verdict(lambda x: kind(x > 1)).name == "right"
    for answer in (lambda x: kind(x < 1), lambda x: int(x > 1), lambda x: [x > 1]):
        assert exercise.verdict(answer).name == "other"


@pytest.mark.parametrize(
    ("form", "name"),
    [
        (lambda y: y.float().requires_grad_(), "right"),
        (lambda y: y.numpy().astype(np.float32), "right"),
        (lambda y: y.tolist(), "right"),
        (lambda y: [np.float64(each) for each in y], "right"),
        (lambda y: y.long(), "other"),
        (lambda y: (y, y), "more than one result"),
        (lambda y: y.to("meta"), "other"),  # as on a GPU
        (lambda y: [{}, {}], "other"),
        (lambda y: 2**70, "other"),
        (lambda y: y + math.nan, "other"),
        (lambda y: object(), "other"),
        (lambda y: (y > 1).softmax(0), "error"),  # a NotImplementedError of torch's own
        (lambda y: exit(), "error"),
    ],
)
def test_a_result_in_another_form_is_accepted_or_answered_in_words(form: Callable[[Tensor], Any], name: str) -> None:
    verdict = ROOT.verdict(lambda x: form(x.sqrt()))
    assert verdict.name == name and verdict.says.startswith("small: "), verdict


def test_what_a_notebook_has_set_changes_no_verdict() -> None:
    exercise = small(lambda x: x @ x.T, Sized(lambda n, m, seed: normal(seed, (n, m)), [(5, 3, 1)]))
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16), torch.device("meta"):
        assert exercise.verdict(lambda x: (x @ torch.eye(x.shape[1])) @ x.T).name == "right"
        assert attention.check_attend.verdict(WRONG["attend"]["no scale"][0]).name == "no scale"
        assert transfer.check_start.verdict(RIGHT["start from a part"][0]).name == "right"
    before = torch.get_rng_state()
    noisy = [ROOT.verdict(lambda x: x.sqrt() + torch.rand(1)).says for _ in range(2)]
    assert noisy[0] == noisy[1]
    assert torch.equal(torch.get_rng_state(), before) and torch.get_default_dtype() == torch.float32


def test_the_input_shown_is_the_smallest_of_those_that_can_be_made() -> None:
    verdict = ROOT.verdict(lambda x: x.sqrt() if len(x) < 3 else -x.sqrt())
    assert verdict.says.count(", ") == 6  # three lists of three numbers
    assert ROOT.verdict(lambda x: x.sqrt() if len(x) < 6 else x).says.count(", ") == 18  # one of those asked
    large = small(lambda x: x, [(torch.arange(100.0),)]).verdict(lambda x: x.clone().index_fill(0, torch.tensor(7), 9))
    assert "x = a tensor of shape (100,)" in large.says and "At (7,) stands 9, expected 7." in large.says
    odd = ROOT.verdict(lambda x: x.sqrt()[:-1] if len(x) > 1 else x[0].sqrt())
    assert "The shape of the result is (), expected (1,)" in odd.says


def test_an_answer_that_stops_somewhere_is_shown_a_wrong_result_first() -> None:
    assert ROOT.verdict(lambda x: -x if len(x) == 7 else x[9]).name == "other"
    verdict = ROOT.verdict(lambda x: x[9])
    assert verdict.name == "error" and "IndexError" in verdict.says and "`verdict = ROOT.verdict(" in verdict.says
    assert "takes (a, b): expected (x)" in ROOT.verdict(lambda a, b: a).says


def test_of_several_results_the_wrong_one_is_named() -> None:
    pair = small(lambda x: (x + 1, x[0] > 0), [(torch.tensor([[1.0, -2.0], [4.0, 5.0]]),)])
    named = small(lambda x: {"a": x, "b": 2 * x}, [(1.5,)])
    assert pair.verdict(lambda x: [(x + 1).numpy(), (x[0] > 0).tolist()]).name == "right"
    assert pair.verdict(lambda x: (x + 1, ...)).name == "not solved yet"
    for answer, words in (
        (lambda x: (x, x[0] > 0), "It is element 1 of the result"),
        (lambda x: (x + 1, x > 0), "The shape of element 2 of the result is (2, 2), expected (2,)"),
        (lambda x: (x + 1, (x[0] > 0).int()), "Your code returns numbers as element 2 of the result, expected True"),
        (lambda x: x + 1, "your result: [[2, -1], [5, 6]]\nexpected: ([[2, -1], [5, 6]], [True, False])"),
    ):
        assert words in pair.verdict(answer).says, pair.verdict(answer).says
    assert named.verdict(lambda x: {"b": torch.tensor(3.0), "a": 1.5}).name == "right"
    assert "the entry 'b' that differs" in named.verdict(lambda x: {"a": x, "b": x}).says


def adds_one_and_returns_nothing(x: Tensor) -> None:
    x.add_(1)


def test_a_right_answer_that_writes_into_its_arguments_is_told_so() -> None:
    view = partial(untouched, reference=lambda x: x + 1, written="written")
    keeps = small(lambda x: x + 1, [(torch.zeros(3),)], {"written": "W."}, view=view)
    assert keeps.verdict(lambda x: x + 1).name == "right"
    for answer in (lambda x: x.add_(1), adds_one_and_returns_nothing):
        assert keeps.verdict(answer).says == "small: not yet. W."
    assert "your result: [2, 2, 2]" in keeps.verdict(lambda x: x.add_(2)).says
    view = partial(untouched, reference=lambda x: x, written="", shared="shared")
    same = small(lambda x: x, [(torch.zeros(3),)], {"shared": "S."}, view=view)
    assert same.verdict(lambda x: x.view(3)).says == "small: not yet. S."


# ---- single exercises ----


def test_probes_are_such_that_no_wrong_answer_is_right_by_chance() -> None:
    *_, (q, k, v, mask), _ = attention.check_attend._asked  # hidden keys and values are huge, real scores low
    scores, hidden = q @ k.mT / q.shape[-1] ** 0.5, ~mask.any(1)
    assert scores[mask].max() < -1e4 and scores[..., -1].min() > 1e6
    assert (k[hidden] == 1e6).all() and (v[hidden] == 1e6).all() and hidden.any(1).all() and mask.any(-1).all()
    for _, order, visible, *_ in mae.check_forward._asked:  # each image has an order of its own, and none undoes itself
        assert len(order.unique(dim=0)) == len(order) and 0 < visible < order.shape[1]
        assert not torch.equal(order.argsort(dim=1), order)
    *ordinary, large = scaling.check_merge._asked
    assert all(m_1[0] == m_2[0] and torch.maximum(m_1, m_2).max() < 100 for m_1, _, _, m_2, _, _ in ordinary)
    assert torch.maximum(large[0], large[3]).exp().isinf().all()
    assert (large[0] - large[3]).abs().exp().isinf().sum() == 2


def test_the_map_that_is_read_says_what_the_check_expects() -> None:
    shown = attention.PERCENT * torch.tensor([letter != "N" for letter in attention.READ])
    for weights, name in ((attention.PERCENT, "written"), (shown, "N hidden")):
        assert "".join(attention.READ[k] for k in weights.argmax(1)) == RIGHT["read a map"][0][name]


def test_merged_pieces_are_the_softmax_of_the_whole() -> None:
    scores, values = normal(2, (7, 9), (9, 3))
    pieces = []
    for s, v in zip(scores.split([2, 7], 1), values.split([2, 7]), strict=True):
        m = s.amax(1, keepdim=True)
        pieces += [m, (s - m).exp().sum(1, keepdim=True), (s - m).exp() @ v]
    largest, total, mix = scaling.check_merge.reference(*pieces)
    torch.testing.assert_close(mix / total, scores.softmax(1) @ values)
    assert torch.equal(largest, scores.amax(1, keepdim=True))


def test_the_block_is_that_of_torch() -> None:
    x, context, *_ = transformer.check_decoder_block.probes.build(2, 5, 3, 4, 1)  # type: ignore[union-attr]
    torchs = torch.nn.TransformerDecoderLayer(4, 1, 6, 0.0, norm_first=True, batch_first=True, dtype=torch.float64)
    blind = torch.ones(5, 5, dtype=torch.bool).triu(1)  # torch: True = may not look
    ours = transformer.check_decoder_block.reference(
        x, context, [torchs.norm1, torchs.norm2, torchs.norm3],
        lambda h, mask: torchs.self_attn(h, h, h, attn_mask=~mask)[0],
        lambda h, c: torchs.multihead_attn(h, c, c)[0],
        lambda h: torchs.linear2(torchs.linear1(h).relu()),
    )  # fmt: skip
    torch.testing.assert_close(ours, torchs(x, context, tgt_mask=blind))


def test_the_patient_of_a_name_has_the_bug_that_the_check_expects_and_every_bug_has_patients() -> None:
    assert list(transformer.FAILS) == list(BUGS)
    assert transformer.case_number(" ada  LOVELACE") == transformer.case_number("Ada Lovelace")
    for n in range(24):
        number = transformer.case_number(f"student {n}")
        patient, bug = blind_patient(number, 11), list(BUGS)[number % 6]
        expected = break_it(blind_patient(number - number % 6, 11), "none")  # any model of this kind
        assert repr(patient) == repr(expected)
        assert transformer.check_patient.verdict([f"student {n}", bug]).name == "right"
