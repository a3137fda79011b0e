"""The checks of the exercises: right answers in several forms, and wrong ones that are told what they did.

The imitation of a mistake is itself the wrong answer that must be told its name. The `*_answers` files hold what is
written apart from the catalogues: right answers in loops where those use masks, wrong ones that differ in kind.
"""

import math
import random
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch

from lecturelib.broken import BUGS, blind_patient, break_it
from lecturelib.checks import (
    attention,
    foundation,
    lstm,
    mae,
    recurrent_networks,
    scaling,
    start,
    transfer,
    transformer,
    vision,
)
from lecturelib.checks.exercise import Exercise, Sized, _same, normal, spoiling, untouched
from tests.checks import (
    attention_answers,
    foundation_answers,
    mae_answers,
    recurrent_answers,
    scaling_answers,
    transfer_answers,
    transformer_answers,
    vision_answers,
)

Tensor = torch.Tensor
MODULES = [start, recurrent_networks, lstm, attention, transformer, vision, mae, transfer, scaling, foundation]
EXERCISES = {check.name: check for module in MODULES for check in vars(module).values() if isinstance(check, Exercise)}
FILES = [recurrent_answers, attention_answers, transformer_answers, vision_answers, mae_answers, transfer_answers]
FILES += [scaling_answers, foundation_answers]
RIGHT = {name: answers for file in FILES for name, answers in file.RIGHT.items()}
WRONG = {name: answers for file in FILES for name, answers in file.WRONG.items()}
SOLUTIONS = {name: pieces for file in FILES for name, pieces in file.SOLUTIONS.items()}
REFUSED = (
    "not solved yet",
    "no function",
    "nothing returned",
    "more than one result",
    "too coarse",
    "error",
    "other",
)  # no mistakes

each_exercise = pytest.mark.parametrize("name", EXERCISES)

# ---- what holds for every exercise ----


@each_exercise
def test_right_answers_are_accepted(name: str) -> None:
    assert len(RIGHT[name]) >= 2
    for answer in RIGHT[name]:
        verdict = EXERCISES[name].verdict(answer)
        assert verdict.name == "right" and verdict.says.startswith(f"{name}: right. "), verdict.says


@each_exercise
def test_every_mistake_is_told_its_name(name: str) -> None:
    exercise = EXERCISES[name]
    says = {mistake.name: mistake.says for mistake in exercise.mistakes}
    assert len(says) >= 4 and not set(says) & set(REFUSED)
    for mistake, answers in exercise.imitations.items():
        written_apart = WRONG[name].get(mistake, [])
        for answer in [*(answers if isinstance(answers, tuple) else [answers]), *written_apart]:
            verdict = exercise.verdict(answer)
            assert verdict == (mistake, f"{name}: not yet. {says[mistake]}"), verdict.says


@each_exercise
def test_what_is_no_known_mistake_is_answered_in_words(name: str) -> None:
    assert set(WRONG[name]) <= {*EXERCISES[name].imitations, *REFUSED}
    for kind in REFUSED:
        for answer in WRONG[name].get(kind, []):
            verdict = EXERCISES[name].verdict(answer)
            assert verdict.name == kind and verdict.says.startswith(name), verdict
            assert ("expected: " in verdict.says) == (kind == "other")


@each_exercise
def test_no_two_mistakes_behave_the_same(name: str) -> None:
    exercise = EXERCISES[name]
    behaviors = [(mistake.name, outcomes) for mistake, outcomes in exercise._imitated]
    assert len(behaviors) == sum(len(mistake.imitations) for mistake in exercise.mistakes), "one only raises"
    for (a, of_a), (b, of_b) in combinations([*behaviors, ("right", exercise._wanted)], 2):
        assert a == b or not all(map(_same, of_a, of_b)), f"{a!r} cannot be told from {b!r}"


@each_exercise
def test_answers_that_are_none_are_told_apart(name: str) -> None:
    def later(*args: object) -> None:
        raise NotImplementedError("write me")

    def stops(*args: object) -> None:
        raise KeyError("the twelfth thing")

    exercise = EXERCISES[name]
    assert exercise.verdict(...).says == f"{name}: not solved yet. Replace the ... and run the cell again."
    if exercise.accept:
        return
    found = [exercise.verdict(answer) for answer in (lambda *args: ..., later, lambda *args: None, stops, 7, None)]
    assert [verdict.name for verdict in found] == ["not solved yet"] * 2 + ["nothing returned", "error"] + [
        "no function"
    ] * 2
    assert "return" in found[2].says and "given 7" in found[4].says and "without brackets" in found[5].says
    assert "stopped with KeyError: 'the twelfth thing', in the line `raise KeyError(" in found[3].says


@each_exercise
def test_an_unknown_mistake_is_shown_a_small_input_in_full(name: str) -> None:
    verdict = EXERCISES[name].verdict([[0, 1], [1, 0]] if EXERCISES[name].accept else lambda *args: 0.123)
    assert verdict.name == "other" and "expected: " in verdict.says and "hints" in verdict.says
    assert "a tensor of shape" not in verdict.says and len(verdict.says) < 600


@each_exercise
def test_calling_prints_the_verdict_and_hints_are_two_and_folded(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    exercise = EXERCISES[name]
    for answer in (..., RIGHT[name][0]):
        assert exercise(answer) is None  # type: ignore[func-returns-value]
        assert capsys.readouterr() == (exercise.verdict(answer).says + "\n", "")
    page = exercise.hints()._repr_html_()
    assert page.count("<details>") == page.count("</details>") == page.count("<summary>") == 2
    assert " open" not in page and "Hint 1" in page and "Hint 2" in page and repr(exercise.hints()) == "2 hints, folded"


@each_exercise
def test_no_verdict_holds_the_solution(name: str) -> None:
    exercise = EXERCISES[name]
    says = [mistake.says for mistake in exercise.mistakes] + [exercise.verdict(RIGHT[name][0]).says]
    assert not [(piece, text) for piece in SOLUTIONS[name] for text in says if piece in text]


# ---- the machinery on its own ----

TEXTS = "right: Good.\nhint 1: a < b\nhint 2: <script>"


def small(reference: Callable[..., Any], probes: Any, **more: Any) -> Exercise:
    """An exercise without known mistakes."""
    return Exercise("small", reference, probes, imitations={}, says=TEXTS, **more)


ROOT = small(lambda x: x.sqrt(), Sized(lambda n, seed: (normal(seed, (n,))[0].abs(),), [(7, 1), (5, 2)]))


@pytest.mark.parametrize("kind", [bool, np.bool_, torch.tensor, np.array], ids=lambda kind: kind.__name__)
def test_a_truth_value_may_come_in_any_form(kind: Any) -> None:
    exercise = small(lambda x: x > 1, [(1,), (2,)])
    assert exercise.verdict(lambda x: kind(x > 1)).name == "right"
    assert exercise.verdict(lambda x: kind(x < 1)).name == "other"
    assert exercise.verdict(lambda x: int(x > 1)).name == exercise.verdict(lambda x: [x > 1]).name == "other"


@pytest.mark.parametrize(
    ("form", "name"),
    [
        (lambda y: y.float().requires_grad_(), "right"),
        (lambda y: y.to_sparse(), "right"),
        (lambda y: y.numpy().astype(np.float32), "right"),
        (lambda y: y.tolist(), "right"),
        (lambda y: tuple(y), "right"),
        (lambda y: [np.float64(each) for each in y], "right"),
        (lambda y: y.half(), "too coarse"),
        (lambda y: y.bfloat16(), "too coarse"),
        (lambda y: y.numpy().astype(np.float16), "too coarse"),
        (lambda y: y.long(), "other"),
        (lambda y: y + 0j, "other"),
        (lambda y: (y, y), "more than one result"),
        (lambda y: (y + 1, y), "other"),
        (lambda y: y.to("meta"), "other"),
        (lambda y: [*y, "and more"], "other"),
        (lambda y: [{}, {}], "other"),
        (lambda y: 2**70, "other"),
        (lambda y: 1.01 * y, "other"),
        (lambda y: y + math.nan, "other"),
        (lambda y: y.half() * 1.1, "other"),
        (lambda y: object(), "other"),
        (lambda y: torch.empty(3, device="meta") + y, "error"),
        (lambda y: torch.nn.Module()(y), "error"),
        (lambda y: (y > 1).softmax(0), "error"),
        (lambda y: exit(), "error"),
    ],
)
def test_a_result_in_another_form_is_accepted_or_answered_in_words(form: Callable[[Tensor], Any], name: str) -> None:
    verdict = ROOT.verdict(lambda x: form(x.sqrt()))
    assert verdict.name == name and verdict.says.startswith("small: "), verdict


def test_what_a_notebook_has_set_changes_no_verdict() -> None:
    exercise = small(lambda x: x @ x.T, Sized(lambda n, m, seed: normal(seed, (n, m)), [(5, 3, 1)]))
    wrong = EXERCISES["attend"].imitations["no scale"]
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16), torch.device("meta"):
        assert exercise.verdict(lambda x: (x @ torch.eye(x.shape[1])) @ x.T).name == "right"
        assert attention.check_attend.verdict(wrong).name == "no scale"
        assert transfer.check_start.verdict(RIGHT["start from a part"][0]).name == "right"
    before = torch.get_rng_state()
    assert (
        mae.check_painter.verdict(mae.check_painter.imitations["drawn anew each time"]).name == "drawn anew each time"
    )
    assert torch.equal(torch.get_rng_state(), before) and torch.get_default_dtype() == torch.float32


def test_the_generators_of_numpy_and_python_stay_the_notebooks_own_too() -> None:
    drawn = []
    for ask in (False, True):
        np.random.seed(3)
        random.seed(3)
        if ask:
            assert ROOT.verdict(lambda x: (np.random.seed(0), random.seed(0), x.sqrt())[2]).name == "right"
        drawn.append((np.random.rand(), random.random()))
    assert drawn[0] == drawn[1]
    noisy = [ROOT.verdict(lambda x: x.sqrt() + np.random.rand() * random.random()).says for _ in range(2)]
    assert noisy[0] == noisy[1]


def test_the_input_shown_is_the_smallest_of_those_that_can_be_made() -> None:
    def right_up_to_two(x: Tensor) -> Tensor:
        return x.sqrt() if len(x) < 3 else -x.sqrt()

    verdict = ROOT.verdict(right_up_to_two)
    assert verdict.says.count(", ") == 6  # three lists of three numbers
    assert ROOT.verdict(lambda x: x.sqrt() if len(x) < 6 else x).says.count(", ") == 18  # one of those asked
    large = small(lambda x: x, [(torch.arange(100.0),)]).verdict(lambda x: x.clone().index_fill(0, torch.tensor(7), 9))
    assert "x = a tensor of shape (100,)" in large.says and "At (7,) stands 9, expected 7." in large.says
    odd = ROOT.verdict(lambda x: x.sqrt()[:-1] if len(x) > 1 else x[0].sqrt())
    assert "The shape of the result is (), expected (1,)" in odd.says


def test_an_answer_that_stops_somewhere_is_shown_a_wrong_result_first() -> None:
    def wrong_or_stops(x: Tensor) -> Tensor:
        return -x if len(x) == 7 else x[9]

    assert ROOT.verdict(wrong_or_stops).name == "other"
    verdict = ROOT.verdict(lambda x: x[9])
    assert verdict.name == "error" and "IndexError" in verdict.says and "`verdict = ROOT.verdict(" in verdict.says
    assert "expected (x)" in ROOT.verdict(lambda: 1).says and "takes (a, b)" in ROOT.verdict(lambda a, b: a).says


def test_of_several_results_the_wrong_one_is_named() -> None:
    pair = small(lambda x: (x + 1, x[0] > 0), [(torch.tensor([[1.0, -2.0], [4.0, 5.0]]),)])
    named = small(lambda x: {"a": x, "b": 2 * x}, [(1.5,)])
    assert pair.verdict(lambda x: [(x + 1).numpy(), (x[0] > 0).tolist()]).name == "right"
    assert pair.verdict(lambda x: (x + 1, ...)).name == "not solved yet"
    for answer, words in (
        (lambda x: (x, x[0] > 0), "It is element 1 of the result"),
        (lambda x: (x + 1, x > 0), "The shape of element 2 of the result is (2, 2), expected (2,)"),
        (lambda x: (x + 1, (x[0] > 0).int()), "Your code returns numbers as element 2 of the result, expected True"),
        (lambda x: (x + 1, None), "([[2, -1], [5, 6]], None)"),
        (lambda x: x + 1, "your result: [[2, -1], [5, 6]]\nexpected: ([[2, -1], [5, 6]], [True, False])"),
    ):
        assert words in pair.verdict(answer).says, pair.verdict(answer).says
    assert named.verdict(lambda x: {"b": torch.tensor(3.0), "a": 1.5}).name == "right"
    assert "the entry 'b' that differs" in named.verdict(lambda x: {"a": x, "b": x}).says


def test_arguments_that_were_written_into() -> None:
    keeps = small(lambda x: x + 1, [(torch.zeros(3),)], view=untouched(lambda x: x + 1))
    assert keeps.verdict(lambda x: x + 1).name == "right"
    for answer in (lambda x: x.add_(1), lambda x: print(end=str(x.add_(1))[:0]), spoiling(lambda x: x + 1)):
        assert "arguments were changed" in keeps.verdict(answer).says
    assert "your result: [2, 2, 2]" in keeps.verdict(lambda x: x.add_(2)).says
    assert small(lambda x: x + 1, [(torch.zeros(3),)]).verdict(lambda x: x.add_(1)).name == "right"


def test_a_name_is_given_only_if_one_mistake_explains_the_answer() -> None:
    mistakes = {"a": lambda x: x / 0, "b": lambda x: x + 2e-5, "c": lambda x: x + 4e-5}
    texts = "a: A.\nb: B,\n    and more.\nc: C.\n" + TEXTS
    exercise = Exercise("small", lambda x: -x, [(torch.ones(2).double(),)], mistakes, texts)
    assert exercise.verdict(lambda x: x + 2e-5).says == "small: not yet. B, and more."
    assert exercise.verdict(lambda x: (x + 2e-5).float()).name == "other"  # b or c
    assert "a &lt; b" in (page := exercise.hints()._repr_html_()) and "<script>" not in page
    only_raises = Exercise("small", lambda x: x, [(1.0,)], {"a": lambda x: x / 0}, "a: A.\n" + TEXTS)
    assert only_raises.verdict(lambda x: 1 / (x - x)).name == "error"
    with pytest.raises(ValueError, match="texts for"):
        Exercise("small", lambda x: x, [(1.0,)], {"b": lambda x: 0}, "a: A.\n" + TEXTS)


# ---- single exercises ----


def test_hidden_keys_and_values_are_huge_and_real_scores_low() -> None:
    *_, (q, k, v, mask), _ = attention.check_attend._asked
    scores = q @ k.mT / q.shape[-1] ** 0.5
    hidden = ~mask.any(1)
    assert (
        scores[mask].max() < -1e4
        and scores[..., -1].min() > 1e6
        and (k[hidden] == 1e6).all()
        and (v[hidden] == 1e6).all()
    )
    assert mask.any(-1).all() and (hidden.sum(1) >= 1).all()


def test_probes_are_such_that_no_wrong_answer_is_right_by_chance() -> None:
    for _, order, visible, *_ in mae.check_forward._asked:  # each image has an order of its own, and none undoes itself
        assert len(order.unique(dim=0)) == len(order) and 0 < visible < order.shape[1]
        assert not torch.equal(order.argsort(dim=1), order)
    *ordinary, large = scaling.check_merge._asked
    assert all(m_1[0] == m_2[0] and torch.maximum(m_1, m_2).max() < 100 for m_1, _, _, m_2, _, _ in ordinary)
    assert torch.maximum(large[0], large[3]).exp().isinf().all()
    assert (large[0] - large[3]).abs().exp().isinf().sum() == 2


def test_references_are_what_they_should_be() -> None:
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
