"""The clockwork, with clocks and sizes that are known. No test here depends on how fast anything is."""

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lecturelib import timing
from tests.mutants import Mutant, planted
from tests.strategies import sizes


class Clock:
    """A clock that goes on only when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def runs(self, calls: list[str], name: str, seconds: Iterator[float]) -> Callable[[], None]:
        def function() -> None:
            calls.append(name)
            self.now += next(seconds)

        return function


def with_clock(monkeypatch: pytest.MonkeyPatch, name: str = "cpu") -> Clock:
    clock = Clock()
    monkeypatch.setitem(timing.CLOCKS, name, clock)
    return clock


# ---- timed ----


@pytest.mark.parametrize(("rounds", "warmup"), [(1, 0), (3, 0), (3, 1), (2, 3), (7, 1)])
def test_each_function_runs_once_a_round_and_every_other_round_backwards(rounds: int, warmup: int) -> None:
    calls: list[str] = []
    functions = {name: lambda name=name: calls.append(name) for name in "abc"}
    seconds = timing.timed(functions, rounds=rounds, warmup=warmup)
    turns = [calls[n : n + 3] for n in range(0, len(calls), 3)]
    assert len(turns) == rounds + warmup and all(sorted(turn) == ["a", "b", "c"] for turn in turns)
    assert turns[warmup] == ["a", "b", "c"]
    assert all(one == other[::-1] for one, other in pairwise(turns))
    assert list(seconds) == ["a", "b", "c"] and all(len(each) == rounds for each in seconds.values())


def test_seven_rounds_after_one_unless_told() -> None:
    calls: list[int] = []
    assert len(timing.timed({"a": lambda: calls.append(1)})["a"]) == 7 and len(calls) == 8


@pytest.mark.parametrize("name", ["cpu", "wall"])
def test_seconds_are_those_between_begin_and_end_of_each_call(name: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        calls: list[str] = []
        clock = with_clock(patch, name)
        functions = {
            "a": clock.runs(calls, "a", iter([50.0, 1.0, 2.0, 4.0])),  # the first is the warm-up
            "b": clock.runs(calls, "b", iter([70.0, 8.0, 16.0, 32.0])),
        }
        assert timing.timed(functions, rounds=3, clock=name) == {"a": [1, 2, 4], "b": [8, 16, 32]}
    assert calls == ["b", "a", "a", "b", "b", "a", "a", "b"]


def test_the_clocks_are_the_processors_seconds_and_the_walls() -> None:
    assert timing.CLOCKS["cpu"] is (time.process_time if timing.FINE else time.perf_counter)
    assert timing.CLOCKS["wall"] is time.perf_counter
    assert len(timing.CLOCKS) == 2
    slept = timing.timed({"sleep": lambda: time.sleep(0.05)}, rounds=1, warmup=0, clock="wall")["sleep"][0]
    assert slept >= 0.049  # a sleep is at least as long as was asked for


def test_processor_seconds_are_read_unless_told() -> None:
    with pytest.MonkeyPatch.context() as patch:
        clock = with_clock(patch)
        assert timing.timed({"a": clock.runs([], "a", iter([0.0, 5.0]))}, rounds=1) == {"a": [5.0]}


def test_the_gpu_is_waited_for_before_and_after_each_call() -> None:
    events: list[str] = []

    def clock() -> float:
        events.append("clock")
        return 0.0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "_wait", lambda: events.append("wait"))
        patch.setitem(timing.CLOCKS, "cpu", clock)
        timing.timed({"a": lambda: events.append("call")}, rounds=1, warmup=0)
    assert events == ["wait", "clock", "call", "wait", "clock"]


def test_waiting_is_for_a_gpu_that_was_used() -> None:
    waited: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "synchronize", lambda: waited.append(1))
        for there in (False, True):
            for used in (False, True):
                patch.setattr(torch.cuda, "is_available", lambda there=there: there)
                patch.setattr(torch.cuda, "is_initialized", lambda used=used: used)
                timing._wait()
                assert len(waited) == (there and used)


# ---- ratios ----


def test_the_ratio_is_the_median_of_each_rounds_ratio() -> None:
    # ratios 1, 3, 8; the medians' ratio would be 30 / 10
    seconds = {"a": [10.0, 30.0, 80.0], "b": [10.0, 10.0, 10.0], "c": [80.0, 10.0, 30.0]}
    assert timing.paired_ratio(seconds, "a", "b") == (3.0, 2.0, 5.5)
    assert timing.paired_ratio(seconds, "a", "c").median == 8 / 3  # of 1/8, 3, 8/3: of the same round
    uneven = {"a": [1.0, 6.0, 5.0], "b": [1.0, 2.0, 10.0]}  # ratios 1, 3, 1/2; medians 5 and 2
    assert timing.paired_ratio(uneven, "a", "b").median == 1.0
    assert timing.paired_ratio(uneven, "b", "a").median == 1.0


def test_low_and_high_are_the_quarters_of_the_rounds() -> None:
    seconds = {"a": [5.0, 1.0, 4.0, 2.0, 3.0], "b": [1.0] * 5}
    assert timing.paired_ratio(seconds, "a", "b") == timing.Ratio(median=3.0, low=2.0, high=4.0)
    assert timing.paired_ratio({"a": [3.0], "b": [2.0]}, "a", "b") == (1.5, 1.5, 1.5)


@given(st.lists(st.tuples(*[st.floats(0.01, 100)] * 2), min_size=1, max_size=8))
def test_a_ratio_turned_around_is_its_inverse(pairs: list[tuple[float, float]]) -> None:
    seconds = {"a": [a for a, _ in pairs], "b": [b for _, b in pairs]}
    there, back = timing.paired_ratio(seconds, "a", "b"), timing.paired_ratio(seconds, "b", "a")
    assert there.low <= there.median <= there.high
    if len(pairs) % 2:
        assert there.median * back.median == pytest.approx(1)
    ratios = sorted(a / b for a, b in pairs)
    middle = (ratios[(len(pairs) - 1) // 2] + ratios[len(pairs) // 2]) / 2
    assert there.median == pytest.approx(middle)


def test_a_ratio_is_written_with_its_middle_half() -> None:
    assert str(timing.Ratio(median=1.234, low=0.5, high=2.0)) == "1.23 (0.50 to 2.00)"


# ---- growth ----


@given(st.floats(-3, 3), st.floats(0.1, 1000), sizes(4))
def test_the_exponent_of_a_power_law_is_its_power(power: float, factor: float, lengths: list[int]) -> None:
    assert timing.exponent(lengths, [factor * n**power for n in lengths]) == pytest.approx(power, abs=1e-9)


def test_the_exponent_is_the_slope_by_least_squares_on_logarithmic_axes() -> None:
    # log2: (0, 0), (1, 3), (2, 3): mean 1 and 2; slope (1 * 2 + 0 + 1 * 1) / 2
    assert timing.exponent([1, 2, 4], [1, 8, 8]) == pytest.approx(1.5)
    assert timing.exponent([4, 1, 2], [8, 1, 8]) == pytest.approx(1.5)


def test_a_crossing_lies_where_the_lines_meet() -> None:
    sizes = [10, 100, 1000]
    linear, square = [10.0 * n for n in sizes], [0.1 * n**2 for n in sizes]
    assert timing.crossing(sizes, square, linear) == pytest.approx(100)
    # between two sizes: 0.05 n^2 = 10 n at 200
    assert timing.crossing(sizes, [0.05 * n**2 for n in sizes], linear) == pytest.approx(200)
    assert timing.crossing(sizes, linear, square) is None  # never smaller, then smaller to the end
    assert timing.crossing([1, 2], [1, 1], [2, 2]) is None
    assert timing.crossing([1, 2], [2, 2], [1, 1]) is None


def test_the_last_of_several_crossings_counts() -> None:
    sizes = [1, 10, 100, 1000]
    assert timing.crossing(sizes, [1, 4, 1, 4], [2, 2, 2, 2]) == pytest.approx(10**2.5)
    assert timing.crossing(sizes, [1, 4, 4, 1], [2, 2, 2, 2]) == pytest.approx(10**0.5)


# ---- memory ----


@pytest.mark.parametrize("count", [1, 1000, 12_345])
def test_one_tensor_takes_its_bytes(count: int) -> None:
    assert timing.peak_bytes(lambda: torch.ones(count)) == 4 * count
    assert timing.peak_bytes(lambda: torch.ones(count, dtype=torch.float64)) == 8 * count


def test_what_is_held_at_one_time_is_added_and_what_is_gone_is_not() -> None:
    def together() -> None:
        kept = torch.ones(1000)
        for count in (500, 2000, 300):
            other = torch.ones(count)
            del other
        del kept

    assert timing.peak_bytes(together) == 4000 + 8000

    def in_turn() -> None:
        for _ in range(5):
            each = torch.ones(1000)
            del each

    assert timing.peak_bytes(in_turn) == 4000
    assert timing.peak_bytes(lambda: [torch.empty(100, dtype=torch.uint8) for _ in range(7)]) == 700


def test_what_a_computation_needs_on_its_way_counts() -> None:
    a, b = torch.ones(1000), torch.ones(1000)
    assert timing.peak_bytes(lambda: a + b) == 4000
    assert timing.peak_bytes(lambda: (a + b) * b) == 8000  # the sum is there while the product is made
    assert timing.peak_bytes(lambda: a.add_(b)) == 0


def test_earlier_tensors_do_not_count_also_where_they_go() -> None:
    box = [torch.ones(100_000)]
    assert timing.peak_bytes(lambda: torch.ones(10)) == 40

    def exchange() -> None:
        box.clear()
        box.append(torch.ones(500))

    assert timing.peak_bytes(exchange) == 2000
    box.append(torch.ones(1000))
    assert timing.peak_bytes(lambda: None) == 0


def test_an_error_in_a_watched_function_passes_through_and_the_next_is_watched() -> None:
    def wrong() -> None:
        torch.ones(1000)
        raise KeyError("wrong")

    with pytest.raises(KeyError, match="wrong"):
        timing.peak_bytes(wrong)
    assert timing.peak_bytes(lambda: torch.ones(10)) == 40


def test_the_profiler_writes_nothing() -> None:
    """In a process of its own: what the profiler writes, it writes when it is first used."""
    words = (
        "import gc, torch; from lecturelib import timing; "
        "gc.disable(); old = [torch.ones(9)]; old.append(old); del old; "
        "print([timing.peak_bytes(lambda: [gc.collect(), torch.ones(5)]) for _ in 'ab'])"
    )
    bare = {name: value for name, value in os.environ.items() if name != "KINETO_LOG_LEVEL"}
    ran = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True, env=bare)
    assert (ran.stdout, ran.stderr) == ("[20, 20]\n", "")


# ---- bad input ----

SECONDS = {"a": [1.0, 2.0], "b": [3.0, 4.0], "short": [1.0], "none": [], "zero": [0.0, 1.0], "nan": [math.nan, 1.0]}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        *(
            (lambda functions=functions: timing.timed(functions), ["functions", "a dictionary of names and functions"])
            for functions in ({}, [print], {"a": print, "b": None})
        ),
        *(
            (lambda rounds=rounds: timing.timed({"a": int}, rounds=rounds), [f"rounds={rounds!r}", "1 or more"])
            for rounds in (0, 2.0)
        ),
        *(
            (lambda warmup=warmup: timing.timed({"a": int}, warmup=warmup), [f"warmup={warmup!r}", "0 or more"])
            for warmup in (-1, 1.0)
        ),
        (lambda: timing.timed({"a": int}, clock="sun"), ["clock='sun'", "['cpu', 'wall']"]),
        (lambda: timing.paired_ratio(SECONDS, "c", "a"), ["'c' was not timed", "'a', 'b'"]),
        (lambda: timing.paired_ratio(SECONDS, "a", "short"), ["'a' has 2 rounds and 'short' 1", "as many"]),
        (lambda: timing.paired_ratio(SECONDS, "none", "none"), ["'none' has 0 rounds", "at least 1"]),
        *(
            (lambda pair=pair: timing.paired_ratio(SECONDS, *pair), ["longer than 0 seconds", "repeat its work"])
            for pair in (("a", "zero"), ("nan", "a"))
        ),
        *(
            (lambda given=given: timing.exponent(*given), [f"{len(given[0])} sizes", f"{len(given[1])} values"])
            for given in (
                ([1], [1]),
                ([2, 2], [1, 3]),
                ([1, 2], [1]),
                ([1, 2], [1, 0]),
                ([0, 2], [1, 1]),
                ([1, 2], [1, math.nan]),
                ([1, math.inf], [1, 1]),
            )
        ),
        (lambda: timing.crossing([1, 2], [1], [1, 2]), ["2 sizes and 1 values", "as many"]),
        (lambda: timing.crossing([1, 2], [1, 2], [1, 0]), ["2 sizes and 2 values", "above 0"]),
        (lambda: timing.crossing([2, 1], [1, 2], [1, 2]), ["sizes=[2, 1]", "rising"]),
        (lambda: timing.crossing([1, 2, 2], [1, 2, 3], [1, 2, 3]), ["sizes=[1, 2, 2]", "none twice"]),
        (lambda: timing.peak_bytes(torch.ones(3)), ["Tensor", "a function without arguments"]),
    ],
)
def test_bad_input_is_refused_in_words(call, words: list[str]) -> None:
    with pytest.raises(ValueError) as refusal:
        call()
    assert not [word for word in words if word not in str(refusal.value)], refusal.value


def test_a_refusal_runs_nothing() -> None:
    calls: list[int] = []
    function: dict[str, Any] = {"a": lambda: calls.append(1)}
    for bad in ({"rounds": 0}, {"warmup": -1}, {"clock": "sun"}):
        with pytest.raises(ValueError):
            timing.timed(function, **bad)
    with pytest.raises(ValueError):
        timing.timed(function | {"b": 3})
    assert calls == []


# ---- mutants ----

IN_TURN = "for name in list(functions)[:: 1 if turn % 2 == 0 else -1]:"
RATIOS = "ratios = [a / b for a, b in pairs]"
SLOPE = "statistics.linear_regression(x, y).slope"

test_mutants = planted(
    timing,
    [
        Mutant(IN_TURN, "for name in functions:",
               test_each_function_runs_once_a_round_and_every_other_round_backwards),
        Mutant("            _wait()\n            began = read()\n", "            began = read()\n            _wait()\n",
               test_the_gpu_is_waited_for_before_and_after_each_call),
        Mutant(RATIOS, "ratios = [statistics.median(seconds[over]) / statistics.median(seconds[under])]",
               test_the_ratio_is_the_median_of_each_rounds_ratio),
        Mutant(SLOPE, "statistics.linear_regression(x, y, proportional=True).slope",
               test_the_exponent_is_the_slope_by_least_squares_on_logarithmic_axes),
        Mutant("if gap[i - 1] < 0 <= gap[i]:", "if gap[i] < 0 <= gap[i - 1]:",
               test_a_crossing_lies_where_the_lines_meet),
        Mutant("peak = max(peak, held)", "peak = max(peak, event.nbytes())",
               test_what_is_held_at_one_time_is_added_and_what_is_gone_is_not),
    ],
)  # fmt: skip
