"""The checks of the exercises: right answers in several forms, and wrong ones that are told what they did.

The answers here are written apart from the catalogues: in loops where those use masks, with torch's own modules
where those use formulas. A catalogue that recognises only its own code does not pass.
"""

import math
import statistics
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import t as student
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from lecturelib.checks.attention import check_attend, check_decoder_mask, check_masked_attend
from lecturelib.checks.exercise import Exercise, Mistake, _outcome, _same, expanded, in_float64
from lecturelib.checks.lstm import check_bias_for, check_gru_step, check_half_life
from lecturelib.checks.mae import check_fill, check_masked_loss, check_random_mask, check_visible
from lecturelib.checks.recurrent_networks import check_divisible, check_mean_over_real_steps, check_reverse
from lecturelib.checks.scaling import check_attention_flops, check_data_parallel, check_merge, check_read_one
from lecturelib.checks.start import check_baseline
from lecturelib.checks.transfer import check_draw, check_harm, check_mixed_loss, check_start
from lecturelib.checks.transformer import check_add_positions, check_multi_head, check_sees_the_future
from lecturelib.checks.vision import check_patchify, check_rollout, check_tokens
from tests.checks import (
    attention_answers,
    mae_answers,
    scaling_answers,
    transfer_answers,
    transformer_answers,
    vision_answers,
)

Answers = dict[str, list[Any]]
CHECKS = [
    check_baseline,
    check_divisible,
    check_reverse,
    check_mean_over_real_steps,
    check_half_life,
    check_bias_for,
    check_gru_step,
    check_attend,
    check_masked_attend,
    check_decoder_mask,
    check_add_positions,
    check_multi_head,
    check_sees_the_future,
    check_patchify,
    check_tokens,
    check_rollout,
    check_random_mask,
    check_visible,
    check_fill,
    check_masked_loss,
    check_draw,
    check_start,
    check_harm,
    check_mixed_loss,
    check_attention_flops,
    check_read_one,
    check_merge,
    check_data_parallel,
]
RIGHT: dict[str, list[Any]] = {}
WRONG: dict[str, Answers] = {}

# ---- notebook 00 ----


def count_by_hand(labels: list[int]) -> float:
    best = 0
    for label in labels:
        same = 0
        for other in labels:
            if other == label:
                same += 1
        best = max(best, same)
    return best / len(labels)


def guess_and_score(labels: list[int]) -> float:
    guess = statistics.mode(labels)
    return float(np.mean([label == guess for label in labels]))


RIGHT["baseline"] = [
    count_by_hand,
    guess_and_score,
    lambda labels: np.bincount(labels).max() / len(labels),
    lambda labels: torch.tensor(labels).bincount().max() / len(labels),
    lambda labels: Fraction(Counter(labels).most_common()[0][1], len(labels)).__float__(),
]
WRONG["baseline"] = {
    "counts, no share": [
        lambda labels: np.bincount(labels).max(),
        lambda labels: sum(label == statistics.mode(labels) for label in labels),
    ],
    "one over the number of classes": [lambda labels: 1 / (np.bincount(labels) > 0).sum()],
    "the rarest label": [lambda labels: min(labels.count(k) for k in labels) / len(labels)],
    "the label, not its share": [statistics.mode, lambda labels: int(np.bincount(labels).argmax())],
    "the share of ones": [lambda labels: np.mean(np.array(labels) == 1)],
    "the largest label": [lambda labels: sorted(labels).count(sorted(labels)[-1]) / len(labels)],
}

# ---- notebook 01 ----

RIGHT["divisible by three"] = [
    [[(2 * r + b) % 3 for b in range(2)] for r in range(3)],
    [[0, 2], [2, 1], [1, 0]],  # the two other states exchanged
    np.array([[0, 1], [2, 0], [1, 2]]),
    torch.tensor([[0, 1], [2, 0], [1, 2], [0, 0]]),  # a state that nothing leads to
    [[0, 1], [2, 0], [3, 2], [2, 0], [4, 4]],  # remainder one in two states, and one that is unreachable
]
WRONG["divisible by three"] = {
    "counts the ones": [[[0, 2], [1, 0], [2, 1]], [[s, (s + 1) % 3] for s in range(3)]],
    "the bit is not added": [[[2 * r % 3] * 2 for r in range(3)], [[0, 0]]],
    "divisible by two": [[[0, 1], [0, 1]], [[0, 1], [0, 2], [0, 1]]],
    "columns exchanged": [[[(2 * r + b) % 3 for b in (1, 0)] for r in range(3)]],
    "adds one too many": [[[(2 * r + b + 1) % 3 for b in (0, 1)] for r in range(3)]],
}


def loop_over_strings(tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    result = tokens.clone()
    for b, n in enumerate(lengths.tolist()):
        for t in range(n):
            result[b, t] = tokens[b, n - 1 - t]
    return result


def gather_places(tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    t = torch.arange(tokens.shape[1]).expand_as(tokens)
    return tokens.gather(1, torch.where(t < lengths.unsqueeze(1), lengths.unsqueeze(1) - 1 - t, t))


def sort_by_place(tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    t = torch.arange(tokens.shape[1]).expand_as(tokens)
    order = torch.where(t < lengths[:, None], -t, t).argsort(1)
    return torch.take_along_dim(tokens, order, 1)


def as_lists(tokens: torch.Tensor, lengths: torch.Tensor) -> list[list[int]]:
    return [row[:n][::-1] + row[n:] for row, n in zip(tokens.tolist(), lengths.tolist(), strict=True)]


def with_rest(rest: Callable[[list[int], int], list[int]]) -> Callable[..., list[list[int]]]:
    """Return an answer that reverses each string rightly and puts `rest(row, n)` behind it."""
    return lambda tokens, lengths: [
        row[:n][::-1] + rest(row, n) for row, n in zip(tokens.tolist(), lengths.tolist(), strict=True)
    ]


RIGHT["reverse each string"] = [loop_over_strings, gather_places, sort_by_place, as_lists]
WRONG["reverse each string"] = {
    "padding comes first": [
        lambda tokens, lengths: torch.fliplr(tokens),
        lambda tokens, lengths: [row[::-1] for row in tokens.tolist()],
    ],
    "the batch reversed": [lambda tokens, lengths: tokens.tolist()[::-1]],
    "one step too late": [
        lambda tokens, lengths: [
            [row[min(n - t, len(row) - 1)] if t < n else row[t] for t in range(len(row))]
            for row, n in zip(tokens.tolist(), lengths.tolist(), strict=True)
        ]
    ],
    "padding overwritten": [with_rest(lambda row, n: [row[0]] * (len(row) - n))],
    "padding from the other end": [with_rest(lambda row, n: row[n:][::-1])],
    "padding set to zero": [with_rest(lambda row, n: [0] * (len(row) - n))],
    "nothing reversed": [lambda tokens, lengths: tokens.tolist()],
}


def total_over_count(values: torch.Tensor, lengths: torch.Tensor) -> float:
    total, count = 0.0, 0
    for row, n in zip(values.tolist(), lengths.tolist(), strict=True):
        for t in range(n):
            total += row[t]
            count += 1
    return total / count


def mean_of_packed(values: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    return pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=False).data.mean()


def masked_fill(values: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    padding = torch.arange(values.shape[1]).expand_as(values) >= lengths.unsqueeze(1)
    return values.masked_fill(padding, 0).sum() / (~padding).sum()


def kept(values: torch.Tensor, lengths: torch.Tensor, extra: int = 0) -> list[float]:
    """Return the real values of the batch in one list, or more of each sequence than are real."""
    rows = zip(values.tolist(), lengths.tolist(), strict=True)
    return [value for row, n in rows for value in row[: n + extra]]


RIGHT["mean over real steps"] = [total_over_count, mean_of_packed, masked_fill]
WRONG["mean over real steps"] = {
    "padding counted": [lambda values, lengths: values.sum() / values.shape[0] / values.shape[1]],
    "divided by all steps": [lambda values, lengths: sum(kept(values, lengths)) / values.numel()],
    "a sum": [lambda values, lengths: sum(kept(values, lengths))],
    "a mean of means": [
        lambda values, lengths: np.mean([row[:n].mean().item() for row, n in zip(values, lengths, strict=True)])
    ],
    "the mask inverted": [
        lambda values, lengths: statistics.fmean(
            value for row, n in zip(values.tolist(), lengths.tolist(), strict=True) for value in row[n:]
        )
    ],
    "one step too many": [lambda values, lengths: statistics.fmean(kept(values, lengths, extra=1))],
    "divided by the batch": [lambda values, lengths: sum(kept(values, lengths)) / values.shape[0]],
}

# ---- notebook 02 ----


def gate(bias: float) -> float:
    return torch.sigmoid(torch.tensor(bias, dtype=torch.float64)).item()


def half_life_by_interpolation(bias: float) -> float:
    f, t = gate(bias), 0
    while f ** (t + 1) > 0.5:
        t += 1
    return t + (math.log2(f**t) + 1) / -math.log2(f)


RIGHT["half-life"] = [
    lambda bias: math.log(2) / math.log1p(math.exp(-bias)),
    lambda bias: -1 / math.log2(gate(bias)),
    lambda bias: math.log(0.5, gate(bias)),
    lambda bias: math.log(0.5) / nn.functional.logsigmoid(torch.tensor(bias)),  # in float32
    half_life_by_interpolation,
]
WRONG["half-life"] = {
    "the gate, not the time": [gate, lambda bias: 0.5 * (1 + math.tanh(bias / 2))],
    "a time constant": [lambda bias: 1 + math.exp(bias)],
    "1/e instead of one half": [lambda bias: 1 / math.log1p(math.exp(-bias))],
    "negative": [lambda bias: math.log2(gate(bias)) ** -1],
    "the quotient upside down": [lambda bias: -math.log2(gate(bias))],
    "the share after that many steps": [lambda bias: gate(bias) / 2],
}

RIGHT["bias for a delay"] = [
    lambda delay, keep: torch.logit(torch.tensor(keep, dtype=torch.float64) ** (1 / delay)),
    lambda delay, keep: -math.log(keep ** (-1 / delay) - 1),
    lambda delay, keep: -math.log(math.expm1(-math.log(keep) / delay)),
    lambda delay, keep: 2 * math.atanh(2 * math.exp(math.log(keep) / delay) - 1),
]
WRONG["bias for a delay"] = {
    "the gate, not its bias": [lambda delay, keep: math.exp(math.log(keep) / delay)],
    "one step only": [lambda delay, keep: torch.logit(torch.tensor(keep, dtype=torch.float64)).item()],
    "divided instead of a root": [lambda delay, keep: -math.log(delay / keep - 1)],
    "the logarithm of the gate": [lambda delay, keep: np.log(keep ** (1 / delay))],
    "the sign": [lambda delay, keep: math.log(keep ** (-1 / delay) - 1)],
    "a power instead of a root": [lambda delay, keep: -math.log(keep**-delay - 1)],
}

Tensors = tuple[torch.Tensor, ...]
Squash = Callable[[torch.Tensor], torch.Tensor]


def gru_module(x: torch.Tensor, h: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
    gru = nn.GRU(x.shape[1], h.shape[1], dtype=torch.float64)
    for name, weight in zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"), weights, strict=True):
        getattr(gru, name).data = weight
    return gru(x[None], h[None])[1][0]


def gru(
    *,
    rows: str = "rzn",
    candidate: Callable[[Tensors, torch.Tensor, torch.Tensor], Squash] | None = None,
    mix: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor] = lambda z, n, h: n + z * (h - n),
) -> Callable[..., torch.Tensor]:
    """Write a GRU unit by unit, the order of the gates and the two places that go wrong left open."""

    def step(
        x: torch.Tensor,
        h: torch.Tensor,
        w_x: torch.Tensor,
        w_h: torch.Tensor,
        b_x: torch.Tensor,
        b_h: torch.Tensor,
    ) -> torch.Tensor:
        k = h.shape[1]
        part = {name: slice(rows.index(name) * k, (rows.index(name) + 1) * k) for name in "rzn"}

        def sums(v: torch.Tensor, w: torch.Tensor, b: torch.Tensor, name: str) -> torch.Tensor:
            return torch.einsum("bd,hd->bh", v, w[part[name]]) + b[part[name]]

        r, z = (1 / (1 + torch.exp(-sums(x, w_x, b_x, g) - sums(h, w_h, b_h, g))) for g in "rz")
        from_x = sums(x, w_x, b_x, "n")
        last = (w_h[part["n"]], b_h[part["n"]])
        n = candidate(last, r, h)(from_x) if candidate else torch.tanh(from_x + r * sums(h, w_h, b_h, "n"))
        return mix(z, n, h)

    return step


def tanh_of(inner: torch.Tensor) -> Squash:
    return lambda from_x: torch.tanh(from_x + inner)


RIGHT["GRU step"] = [gru_module, gru(), gru(mix=lambda z, n, h: torch.lerp(n, h, z))]
WRONG["GRU step"] = {
    "update turned around": [
        gru(mix=lambda z, n, h: z * n + (1 - z) * h),
        gru(mix=lambda z, n, h: torch.lerp(h, n, z)),
    ],
    "reset before the product": [gru(candidate=lambda w, r, h: tanh_of(nn.functional.linear(r * h, *w)))],
    "reset forgotten": [gru(candidate=lambda w, r, h: tanh_of(nn.functional.linear(h, *w)))],
    "gates exchanged": [gru(rows="zrn")],
    "sigmoid for the candidate": [
        gru(candidate=lambda w, r, h: lambda from_x: torch.sigmoid(from_x + r * nn.functional.linear(h, *w)))
    ],
    "bias outside the reset": [gru(candidate=lambda w, r, h: tanh_of(r * nn.functional.linear(h, w[0]) + w[1]))],
    "old state lost": [gru(mix=lambda z, n, h: n - z * n)],
    "old state added": [gru(mix=lambda z, n, h: torch.addcmul(n, z, h))],
}

# ---- notebooks 03 to 08 have files of their own ----

for answers in (
    attention_answers,
    transformer_answers,
    vision_answers,
    mae_answers,
    transfer_answers,
    scaling_answers,
):
    RIGHT |= answers.RIGHT
    WRONG |= answers.WRONG

# ---- what holds for every exercise ----

ids = [check.name for check in CHECKS]


@pytest.mark.parametrize("check", CHECKS, ids=ids)
def test_right_answers_are_accepted(check: Exercise) -> None:
    assert len(RIGHT[check.name]) >= 2
    for answer in RIGHT[check.name]:
        verdict = check.verdict(answer)
        assert verdict.name == "right", verdict.says
        assert verdict.says == f"{check.name}: right. {check.right}"


@pytest.mark.parametrize("check", CHECKS, ids=ids)
def test_every_mistake_of_the_catalogue_is_recognised_in_other_code(check: Exercise) -> None:
    says = {mistake.name: mistake.says for mistake in check.mistakes}
    assert len(says) == len(check.mistakes) >= 4
    assert list(WRONG[check.name]) == list(says)
    for name, answers in WRONG[check.name].items():
        for answer in answers:
            verdict = check.verdict(answer)
            assert verdict.name == name, verdict.says
            assert verdict.says == f"{check.name}: not yet. {says[name]}"


@pytest.mark.parametrize("check", CHECKS, ids=ids)
def test_no_two_mistakes_behave_the_same(check: Exercise) -> None:
    behaviours = {m.name: [_outcome(m.imitate, probe) for probe in check.probes] for m in check.mistakes}
    behaviours["right"] = [_outcome(check.reference, probe) for probe in check.probes]
    for a, b in combinations(behaviours, 2):
        same = [_same(x, y) for x, y in zip(behaviours[a], behaviours[b], strict=True)]
        assert not all(same), f"{a!r} cannot be told from {b!r}"
    for name, outcomes in behaviours.items():
        assert not all(isinstance(outcome, Exception) for outcome in outcomes), f"{name!r} only raises"


@pytest.mark.parametrize("check", CHECKS, ids=ids)
def test_unsolved_answers_are_not_called_wrong(check: Exercise) -> None:
    def raises(*args: object) -> None:
        raise NotImplementedError

    for answer in (
        None,
        ...,
        *([] if check is check_divisible else [lambda *args: None, lambda *args: ..., raises]),
    ):
        verdict = check.verdict(answer)
        assert verdict.name == "not solved yet" and "not solved yet" in verdict.says and "..." in verdict.says


@pytest.mark.parametrize(
    "check", [check for check in CHECKS if check is not check_divisible], ids=lambda check: check.name
)
@pytest.mark.parametrize("error", [IndexError, ValueError, KeyError, RuntimeError])
def test_an_answer_that_stops_is_told_where(check: Exercise, error: type[Exception]) -> None:
    def answer(*args: object) -> None:
        raise error("the twelfth thing")

    verdict = check.verdict(answer)
    assert verdict.name == "error"
    assert f"stopped with {error.__name__}" in verdict.says and "the twelfth thing" in verdict.says


@pytest.mark.parametrize("check", CHECKS, ids=ids)
def test_an_answer_that_takes_no_argument_or_is_none_is_an_error_in_words(check: Exercise) -> None:
    answer: Any = 7 if check is check_divisible else lambda: 0.5
    verdict = check.verdict(answer)
    assert verdict.name == "error" and check.name in verdict.says


@pytest.mark.parametrize("check", CHECKS, ids=ids)
def test_another_wrong_answer_is_shown_beside_the_right_one(check: Exercise) -> None:
    answer: Any = [[0, 1], [1, 0]] if check is check_divisible else lambda *args: 0.123
    verdict = check.verdict(answer)
    assert verdict.name == "other" and "expected" in verdict.says and "hints" in verdict.says


@pytest.mark.parametrize("check", CHECKS, ids=ids)
def test_calling_prints_the_verdict_and_returns_nothing(check: Exercise, capsys: pytest.CaptureFixture[str]) -> None:
    for answer in (..., RIGHT[check.name][0], next(iter(WRONG[check.name].values()))[0]):
        assert check(answer) is None  # type: ignore[func-returns-value]
        assert capsys.readouterr() == (check.verdict(answer).says + "\n", "")


@pytest.mark.parametrize("check", CHECKS, ids=ids)
def test_hints_are_two_and_folded(check: Exercise) -> None:
    page = check.hints()._repr_html_()
    assert page.count("<details>") == page.count("</details>") == page.count("<summary>") == 2
    assert " open" not in page and "Hint 1" in page and "Hint 2" in page
    assert not any(hint[:20] in repr(check.hints()) for hint in check.hint_texts)


# What a student would have to write, in pieces; no verdict may hold one of them. (The second hint may.)
SOLUTIONS = {
    "baseline": ["Counter(", ".count(", "/ len", "bincount"],
    "divisible by three": ["[[0, 1]", "[2, 0]", "2 * r", "2r + b", "% 3"],
    "reverse each string": ["torch.where(", "gather(", ".flip("],
    "mean over real steps": ["arange", "values[", "mask]", "< lengths", ".sum() /"],
    "half-life": ["math.", "log(0.5)", "log(1/2)", "/ log", "log 2"],
    "bias for a delay": ["1 / delay", "1/delay", "logit", "math."],
    "GRU step": ["tanh(", "sigmoid(", "(1 - z) *", "chunk", "z * h"],
    **attention_answers.SOLUTIONS,
    **transformer_answers.SOLUTIONS,
    **vision_answers.SOLUTIONS,
    **mae_answers.SOLUTIONS,
    **transfer_answers.SOLUTIONS,
    **scaling_answers.SOLUTIONS,
}


@pytest.mark.parametrize("check", CHECKS, ids=ids)
def test_no_verdict_holds_the_solution(check: Exercise) -> None:
    answers = [answer for wrong in WRONG[check.name].values() for answer in wrong]
    others: list[Any] = [[[0, 1], [1, 0]]] if check is check_divisible else [lambda *args: 0.123, lambda: 0]
    for answer in [..., *RIGHT[check.name], *answers, *others]:
        says = check.verdict(answer).says
        assert not [piece for piece in SOLUTIONS[check.name] if piece in says], says
        assert not [hint for hint in check.hint_texts if hint in says]


# ---- an answer that writes into what it is given ----


def test_arguments_written_into_do_not_spoil_the_next_run() -> None:
    def sorts(labels: list[int]) -> float:
        labels.sort()
        best = max(labels.count(k) for k in labels)
        share = best / len(labels)
        labels.clear()
        return share

    def overwrites(tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        result = loop_over_strings(tokens, lengths)
        tokens.zero_()
        lengths.fill_(1)
        return result

    for check, answer in ((check_baseline, sorts), (check_reverse, overwrites)):
        for _ in range(2):
            assert check.verdict(answer).name == "right"
        assert check.verdict(RIGHT[check.name][0]).name == "right"
        # an answer that writes and is wrong is still recognised
    assert check_baseline.verdict(lambda labels: [labels.pop() for _ in labels] and 0.123).name == "other"
    assert check_baseline.verdict(count_by_hand).name == "right"


# ---- the table of notebook 01 ----


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (7, ["7", "list of rows"]),
        ([[0, 1], [2, None], [1, 2]], ["list of rows"]),
        ([[0, 1, 2], [2, 0, 1]], ["row 0", "3 entries", "expected 2"]),
        ([[0, 1], [2, 0], [1, 3]], ["row 2", "[1, 3]", "0 to 2"]),
        ([[0, 1], [2, 0], [1, -1]], ["row 2", "[1, -1]", "0 to 2"]),
        ([], ["no rows", "one row per state"]),
        (lambda string: True, ["list of rows"]),
    ],
)
def test_a_table_that_is_none_is_an_error_in_words(table: Any, words: list[str]) -> None:
    verdict = check_divisible.verdict(table)
    assert verdict.name == "error"
    assert not [word for word in words if word not in verdict.says], verdict.says


@pytest.mark.parametrize(
    "table",
    [
        [
            [0, 1],
            [2, 3],
            [4, 5],
            [0, 1],
            [2, 3],
            [4, 5],
        ],  # remainders of six: accepts only half of what it should
        [[3, 1], [2, 0], [1, 2], [3, 1]],  # a second state for remainder zero, which does not accept
    ],
)
def test_a_table_that_would_need_a_second_accepting_state_is_shown_where(table: list[list[int]]) -> None:
    verdict = check_divisible.verdict(table)
    assert verdict.name == "other" and "expected True" in verdict.says


# ---- the machinery on its own ----


def test_shapes_are_named_where_they_differ() -> None:
    says = check_reverse.verdict(lambda tokens, lengths: tokens[0]).says
    assert "(7,)" in says and "(5, 7)" in says


def test_a_mistake_that_only_raises_does_not_claim_every_error() -> None:
    def divides(x: float) -> float:
        return x / 0

    mistake = Mistake("divides by zero", "You divide by zero.", divides)
    exercise = Exercise("one", lambda x: x, [(1.0,), (2.0,)], [mistake], ["a", "b"], "Good.")
    assert exercise.verdict(lambda x: 1 / (x - x)).name == "error"
    assert exercise.verdict(lambda x: x).name == "right"


def test_a_wrong_answer_within_one_percent_is_still_wrong() -> None:
    exercise = Exercise("one", lambda x: x, [(1.0,), (2.0,)], [], ["a", "b"], "Good.")
    assert exercise.verdict(lambda x: 1.01 * x).name == "other"
    assert exercise.verdict(lambda x: x + math.nan).name == "other"
    assert exercise.verdict(lambda x: torch.tensor(x)).name == "right"


def test_a_difference_within_a_tensor_is_shown_where_it_is() -> None:
    exercise = Exercise("one", lambda x: x, [(torch.tensor([1.0, 2.0, 3.0]),)], [], ["a", "b"], "Good.")
    says = exercise.verdict(lambda x: torch.tensor([1.0, 2.0, 4.5])).says
    assert "at (2,) is 4.5, expected 3" in says and "a tensor of shape (3,)" in says
    assert exercise.verdict(lambda x: x + torch.tensor([0, math.nan, 0])).name == "other"


def test_an_answer_that_stops_is_told_with_which_input() -> None:
    verdict = check_attend.verdict(lambda q, k, v: q @ k)
    assert verdict.name == "error" and "RuntimeError" in verdict.says
    assert "(2, 3, 7)" in verdict.says and "(2, 5, 7)" in verdict.says and "(2, 5, 11)" in verdict.says


def two_results(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return x + 1, x[0] > 0


PAIR = Exercise("two", two_results, [(torch.tensor([[1.0, -2.0, 3.0], [4.0, 5.0, 6.0]]),)], [], ["a", "b"], "Good.")


@pytest.mark.parametrize(
    "answer",
    [
        two_results,
        lambda x: list(two_results(x)),
        lambda x: ((x + 1).numpy(), (x[0] > 0).tolist()),
        lambda x: ((x + 1).float().requires_grad_(), (x[0] > 0).numpy()),
    ],
)
def test_several_results_are_compared_one_by_one(answer: Any) -> None:
    assert PAIR.verdict(answer).name == "right"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: (x, x[0] > 0), ["element 1", "at (0, 0) is 1", "expected 2"]),
        (lambda x: (x[0], x[0] > 0), ["element 1", "shape (3,)", "expected (2, 3)"]),
        (lambda x: (x + 1, x > 0), ["element 2", "shape (2, 3)", "expected (3,)"]),
        (lambda x: (x + 1, x[0] < 0), ["element 2", "at (0,) is False", "expected True"]),
        (lambda x: (x + 1, (x[0] > 0).int()), ["element 2", "holds numbers", "expected True and False"]),
        (lambda x: (x + 1, 0.5), ["element 2", "0.5", "expected a tensor of shape (3,)"]),
        (lambda x: x + 1, ["a tensor of shape (2, 3)", "expected a tuple of 2 tensors"]),
        (lambda x: (x + 1,), ["a tuple of 1 tensor", "expected a tuple of 2 tensors"]),
        (lambda x: (*two_results(x), x), ["a tuple of 3 tensors", "expected a tuple of 2 tensors"]),
    ],
)
def test_of_several_results_the_wrong_one_is_named(answer: Any, words: list[str]) -> None:
    verdict = PAIR.verdict(answer)
    assert verdict.name == "other"
    assert not [word for word in words if word not in verdict.says], verdict.says


@pytest.mark.parametrize("answer", [lambda x: (..., ...), lambda x: (x + 1, ...), lambda x: [None, x[0] > 0]])
def test_several_results_of_which_one_is_open_are_not_called_wrong(answer: Any) -> None:
    assert PAIR.verdict(answer).name == "not solved yet"


@pytest.mark.parametrize("kind", [bool, np.bool_, torch.tensor, np.array], ids=lambda kind: kind.__name__)
def test_a_truth_value_may_come_in_any_form(kind: Any) -> None:
    exercise = Exercise("one", lambda x: x > 1, [(1,), (2,)], [], ["a", "b"], "Good.")
    assert exercise.verdict(lambda x: kind(x > 1)).name == "right"
    assert exercise.verdict(lambda x: kind(x < 1)).name == "other"
    assert exercise.verdict(lambda x: int(x > 1)).name == "other"
    assert exercise.verdict(lambda x: torch.tensor([x > 1])).name == "other"


def test_expanded_leaves_what_does_not_fit() -> None:
    stretched = expanded(lambda x: x, lambda x: (2, 3))
    assert stretched(torch.ones(3)).shape == stretched(torch.ones(2, 1)).shape == (2, 3)
    assert stretched(torch.ones(4)).shape == (4,) and stretched(torch.ones(1, 2, 3)).shape == (1, 2, 3)
    assert stretched(None) is None and stretched(True) is True


# ---- notebooks 03 and 04 ----


def test_a_masked_value_of_a_million_does_not_leak() -> None:
    # a fill that is low, but not low enough
    def nearly(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return (q @ k.mT / q.shape[2] ** 0.5).masked_fill(~mask, -20).softmax(-1) @ v

    for check_probe in check_masked_attend.probes[:2]:
        torch.testing.assert_close(
            nearly(*check_probe), check_masked_attend.reference(*check_probe), rtol=1e-4, atol=1e-6
        )
    assert check_masked_attend.verdict(nearly).name == "other"


def test_a_wrong_dimension_of_the_maps_is_named() -> None:
    def heads_first(*given: Any) -> Any:
        output, maps = transformer_answers.heads_by_view(*given)
        return output, maps.transpose(0, 1)

    says = check_multi_head.verdict(heads_first).says
    assert "element 2" in says and "(3, 2, 7, 7)" in says and "(2, 3, 7, 7)" in says


def test_a_model_is_named_where_an_answer_errs() -> None:
    says = check_sees_the_future.verdict(lambda model, tokens: "third" in repr(model)).says
    assert "a model with attention without a mask" in says and "it gives False, expected True" in says
    says = check_sees_the_future.verdict(lambda model, tokens: model(tokens + 1).sum() > 0).says
    assert "stopped with ValueError" in says and "the token 11: expected 0 to 10" in says


# ---- notebooks 05 and 06 ----


@pytest.mark.parametrize("shift", range(12))
def test_a_right_mask_is_right_whatever_was_drawn_before(shift: int) -> None:
    def later(n: int, patches: int, hidden: int, generator: torch.Generator) -> torch.Tensor:
        torch.rand(1000 * shift + 1, generator=generator)
        return mae_answers.mask_by_argsort(n, patches, hidden, generator)

    assert check_random_mask.verdict(later).name == "right"


def test_an_answer_that_ignores_the_generator_leaves_the_global_one_as_it_was() -> None:
    before = torch.get_rng_state()
    assert check_random_mask.verdict(mae_answers.seed_inside).name == "seed set inside"
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *given: mae_answers.mask_by_argsort(*given).T, ["a tensor of shape (11, 701)", "mask (701, 11)"]),
        (lambda n, patches, hidden, generator: torch.rand(n, patches, generator=generator), ["gives 'numbers'"]),
        (lambda n, patches, hidden, generator: ["hidden"] * n, ["no tensor, but a list"]),
        (lambda *given: True, ["a single truth value"]),
        (lambda n, patches, hidden, g: mae_answers.mask_by_argsort(n, patches, hidden - 1, g), ["4 hidden in each"]),
        (
            lambda n, *rest: mae_answers.mask_by_argsort(n, *rest) | (torch.arange(n) == 0)[:, None],
            ["more hidden in some rows"],
        ),
        (mae_answers.rolled_pattern, ["some patches hidden more often"]),
    ],
)
def test_a_mask_that_no_mistake_explains_is_described(answer: Any, words: list[str]) -> None:
    verdict = check_random_mask.verdict(answer)
    assert verdict.name == "other" and "hidden in each row'" in verdict.says
    assert not [word for word in words if word not in verdict.says], verdict.says


@pytest.mark.parametrize("check", [check_visible, check_fill], ids=lambda check: check.name)
def test_each_image_of_a_probe_has_a_mask_of_its_own(check: Exercise) -> None:
    for probe in check.probes:
        mask = probe[1]
        assert len(mask.unique(dim=0)) == len(mask) and len(mask.sum(1).unique()) == 1


def test_images_of_a_probe_of_the_loss_have_unequal_numbers_of_hidden_patches() -> None:
    for _, _, mask in check_masked_loss.probes:
        assert len(mask.sum(1).unique()) > 1 and bool(mask.any(1).all()) and not mask.all(1).any()


def test_tokens_out_of_order_in_one_probe_only_are_said_to_be() -> None:
    def visible(tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        right = mae_answers.visible_one_by_one(tokens, mask)
        return right.flip(1) if len(tokens) == 3 else right

    verdict = check_visible.verdict(visible)
    assert verdict.name == "other" and "the visible tokens in another order" in verdict.says


def test_the_default_type_is_put_back_also_after_an_error() -> None:
    assert in_float64(lambda: torch.eye(2))().dtype == torch.float64
    assert check_rollout.verdict(lambda maps: maps["first"]).name == "error"
    assert torch.get_default_dtype() == torch.float32


def test_a_list_of_tensors_is_shown_by_its_length() -> None:
    assert "for the input a list of 3 tensors" in check_rollout.verdict(lambda maps: maps[3]).says


# ---- notebook 07 ----


@pytest.mark.parametrize("shift", range(12))
def test_rows_drawn_rightly_are_right_whatever_was_drawn_before(shift: int) -> None:
    def later(labels: torch.Tensor, each: int, generator: torch.Generator) -> torch.Tensor:
        torch.rand(100 * shift + 1, generator=generator)
        return transfer_answers.draw_by_class(labels, each, generator)

    assert check_draw.verdict(later).name == "right"


@pytest.mark.parametrize("shift", range(12))
def test_a_mistake_made_at_random_has_one_name_whatever_was_drawn_before(shift: int) -> None:
    for name in ("not balanced", "the same row twice", "places within the class", "labels instead of rows"):
        answer = WRONG[check_draw.name][name][0]

        def later(labels: torch.Tensor, each: int, generator: torch.Generator, answer: Any = answer) -> Any:
            torch.rand(100 * shift + 1, generator=generator)
            return answer(labels, each, generator)

        assert check_draw.verdict(later).name == name


def test_the_first_labels_of_a_probe_are_not_balanced_nor_the_last() -> None:
    for labels, each in check_draw.probes:
        count = each * len(labels.unique())
        for some in (labels[:count], labels[-count:]):
            assert (some.bincount() != each).any()
        assert labels.bincount().min() > each and len(labels.bincount().unique()) == len(labels.unique())


def test_rows_drawn_from_the_global_generator_leave_it_as_it_was() -> None:
    before = torch.get_rng_state()
    for answer in WRONG[check_draw.name]["generator ignored"]:
        assert check_draw.verdict(answer).name == "generator ignored"
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda labels, each, generator: ["rows"] * 6, ["no tensor, but a list"]),
        (lambda labels, each, generator: torch.eye(3), ["a tensor of shape (3, 3)"]),
        (lambda *given: transfer_answers.draw_by_class(*given).double(), ["numbers of the type float64"]),
        (lambda *given: 1000 + transfer_answers.draw_by_class(*given), ["rows that are not there"]),
        (lambda *given: transfer_answers.draw_by_class(*given) * -1, ["rows that are not there"]),
        (lambda labels, each, g: transfer_answers.draw_by_class(labels, each - 1, g), ["1 rows of each class"]),
        (lambda *given: torch.arange(1), ["another number of rows, not as many of each class"]),
    ],
)
def test_rows_that_no_mistake_explains_are_described(answer: Any, words: list[str]) -> None:
    verdict = check_draw.verdict(answer)
    assert verdict.name == "other" and "expected '2 rows of each of 3 classes, at random'" in verdict.says
    assert not [word for word in words if word not in verdict.says], verdict.says


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda new: {k: v + (k == "norm.weight") for k, v in new.items()}, ["partly of neither (norm.weight)"]),
        (lambda new: new | {"mask_token": torch.zeros(1)}, ["keys that the target lacks: mask_token"]),
        (lambda new: list(new.items()), ["no dictionary of tensors, but a list"]),
        (lambda new: new | {"norm.weight": 1.0}, ["no dictionary of tensors"]),
    ],
)
def test_a_state_dict_that_no_mistake_explains_is_described(change: Any, words: list[str]) -> None:
    verdict = check_start.verdict(lambda source, target: change(transfer_answers.start_from_target(source, target)))
    assert verdict.name == "other" and "the state dict of the source" in verdict.says
    assert not [word for word in words if word not in verdict.says], verdict.says


def test_a_layer_that_stayed_behind_is_named() -> None:
    def start(source: dict[str, torch.Tensor], target: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return transfer_answers.start_from_target(source, target) | {"positions": target["positions"].clone()}

    verdict = check_start.verdict(start)
    assert verdict.name == "other" and "the encoder partly the target's (positions)" in verdict.says


def test_the_quantiles_are_those_of_student_and_no_probe_of_harm_lies_on_the_edge() -> None:
    for transferred, scratch, t in check_harm.probes:
        n = len(scratch)
        assert t == pytest.approx(student.ppf(0.975, n - 1), rel=1e-8)
        assert all(0 < each < 1 for arm in (transferred, scratch) for each in arm.flatten().tolist())
        difference = (transferred - scratch).numpy()
        end = difference.mean(0) + t * difference.std(0, ddof=1) / n**0.5
        assert abs(end).min() > 5e-4  # so that float32 serves as well
        assert 0 < (end < 0).sum() < len(end)


def test_a_loss_with_a_wrong_gradient_that_no_mistake_explains_is_described() -> None:
    right = RIGHT[check_mixed_loss.name][0]

    def of_old(model: Any, new: Any, old: Any, share: float) -> torch.Tensor:
        parts = [transfer_answers.surprise(model, part) for part in (new, old)]
        return (1 - share) * parts[0].detach() + share * parts[1]

    def of_twice(model: Any, new: Any, old: Any, share: float) -> torch.Tensor:
        loss = right(model, new, old, share)
        return 2 * loss - loss.detach()

    assert "with the gradient of the old ones only" in check_mixed_loss.verdict(of_old).says
    assert "with another gradient" in check_mixed_loss.verdict(of_twice).says
    assert "a network" in check_mixed_loss.verdict(of_twice).says


def test_no_probe_of_the_mixed_loss_has_equal_parts() -> None:
    for model, new, old, share in check_mixed_loss.probes:
        assert len(new[1]) != len(old[1]) and share != 0.5
        parts = [transfer_answers.surprise(model, part).item() for part in (new, old)]
        assert abs(parts[0] - parts[1]) > 0.1


# ---- notebook 08 ----


def test_the_count_of_operations_is_the_formula_to_the_unit() -> None:
    for batch, length, width in check_attention_flops.probes:
        right = 8 * batch * length * width**2 + 4 * batch * length**2 * width
        assert check_attention_flops.reference(batch, length, width) == right
        assert length not in (width, 2 * width)
    assert check_attention_flops.verdict(lambda B, T, D: 8 * B * T * D**2 + 4 * B * T**2 * D + D).name == "other"


def test_a_step_with_a_cache_is_the_last_row_of_attention_to_the_whole_text() -> None:
    generator = torch.Generator().manual_seed(1)
    q, k, v = torch.randn(3, 2, 3, 5, 7, generator=generator, dtype=torch.float64)
    whole = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    for t in range(1, 5):
        new = (each[:, :, t : t + 1] for each in (q, k, v))
        mix, keys, values = check_read_one.reference(*new, k[:, :, :t], v[:, :, :t])
        torch.testing.assert_close(mix, whole[:, :, t : t + 1])
        assert torch.equal(keys, k[:, :, : t + 1]) and torch.equal(values, v[:, :, : t + 1])


def test_no_two_sizes_of_a_probe_of_the_cache_are_the_same() -> None:
    for q, _, _, keys, _ in check_read_one.probes:
        batch, heads, old, width = keys.shape
        assert q.shape == (batch, heads, 1, width) and len({batch, heads, old + 1, width}) >= 3
        assert len({old, old + 1, width}) == 3


def test_an_answer_that_is_wrong_and_writes_is_told_the_wrong() -> None:
    def read_one(q: torch.Tensor, *rest: torch.Tensor) -> Any:
        q *= q.shape[-1] ** 0.5
        return scaling_answers.read_by_kernel(q, *rest)

    def step(gradients: Any, sizes: list[int]) -> Any:
        for name in gradients[0]:
            for other in gradients[1:]:
                gradients[0][name] += other[name]
        return gradients[0]

    assert check_read_one.verdict(read_one).name == "not scaled"
    assert check_data_parallel.verdict(step).name == "sum"
    assert check_read_one.verdict(scaling_answers.read_by_kernel).name == "right"
    assert check_data_parallel.verdict(scaling_answers.gradient_in_a_loop).name == "right"


def test_merging_the_pieces_of_a_row_is_its_softmax() -> None:
    generator = torch.Generator().manual_seed(2)
    scores, values = (torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((7, 9), (9, 3)))
    scores[3:5] *= 1000
    found = None
    for s, v in zip(scores.split([2, 3, 4], 1), values.split([2, 3, 4]), strict=True):
        m = s.amax(1, keepdim=True)
        piece = (m, (s - m).exp().sum(1, keepdim=True), (s - m).exp() @ v)
        found = piece if found is None else check_merge.reference(*found, *piece)
    assert found is not None
    torch.testing.assert_close(found[2] / found[1], scores.softmax(1) @ values)
    assert torch.equal(found[0], scores.amax(1, keepdim=True))


def test_pieces_have_their_largest_score_first_second_and_tied() -> None:
    *small, large = check_merge.probes
    for m_1, _, _, m_2, _, _ in small:
        assert m_1[0] == m_2[0] and (m_1 > m_2).any() and (m_1 < m_2).any() and max(m_1.max(), m_2.max()) < 100
    assert torch.maximum(large[0], large[3]).exp().isinf().all()
    assert (large[0] - large[3]).abs().exp().isinf().sum() == 2


@pytest.mark.parametrize("name", ["smaller m kept", "first m kept", "exp of the scores"])
def test_a_merge_that_overflows_keeps_the_quotient_where_scores_are_small(name: str) -> None:
    mistake = next(mistake for mistake in check_merge.mistakes if mistake.name == name)
    for probe in check_merge.probes[:2]:
        (_, total, mix), (_, right, wanted) = mistake.imitate(*probe), check_merge.reference(*probe)
        torch.testing.assert_close(mix / total, wanted / right)
    assert not all(each.isfinite().all() for each in mistake.imitate(*check_merge.probes[2]))
    assert "overflows" in mistake.says


@pytest.mark.parametrize("sizes", [(4, 4), (2, 5, 3), (6, 1)])
def test_the_gradient_of_several_shares_is_that_of_all_rows(sizes: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(3)
    x, w = (torch.randn(*s, generator=generator, dtype=torch.float64) for s in ((sum(sizes), 3), (3, 2)))

    def gradient(rows: torch.Tensor) -> dict[str, torch.Tensor]:
        weight, bias = w.clone().requires_grad_(), torch.zeros(2, dtype=torch.float64, requires_grad=True)
        (rows @ weight + bias).tanh().square().sum(1).mean().backward()
        assert weight.grad is not None and bias.grad is not None
        return {"weight": weight.grad, "bias": bias.grad}

    found = check_data_parallel.reference([gradient(share) for share in x.split(sizes)], list(sizes))
    torch.testing.assert_close(found, tuple(gradient(x).values()))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda gradients, sizes: 1.0, ["no dictionary with the names", "but a float"]),
        (lambda gradients, sizes: [gradients[0]], ["but a list"]),
        (lambda gradients, sizes: {name.upper(): g for name, g in gradients[0].items()}, ["but a dict"]),
        (lambda gradients, sizes: {name: g[:2] for name, g in gradients[0].items()}, ["shape (2, 3), expected (5, 3)"]),
        (lambda gradients, sizes: {name: 2 * g for name, g in gradients[0].items()}, ["element 1", "[a gradient, a "]),
    ],
)
def test_a_gradient_that_no_mistake_explains_is_described(answer: Any, words: list[str]) -> None:
    verdict = check_data_parallel.verdict(answer)
    assert verdict.name == "other"
    assert not [word for word in words if word not in verdict.says], verdict.says


@pytest.mark.parametrize("open_", [..., None])
def test_a_gradient_of_which_a_part_is_open_is_not_called_wrong(open_: Any) -> None:
    verdict = check_data_parallel.verdict(lambda gradients, sizes: gradients[0] | {"in.bias": open_})
    assert verdict.name == "not solved yet"
    assert check_merge.verdict(lambda m_1, *rest: (m_1, open_, open_)).name == "not solved yet"


def test_hints_are_escaped() -> None:
    exercise = Exercise("one", lambda x: x, [(1.0,)], [], ["a < b", "<script>"], "Good.")
    assert "a &lt; b" in exercise.hints()._repr_html_() and "<script>" not in exercise.hints()._repr_html_()
