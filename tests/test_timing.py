"""The clockwork, with clocks and sizes that are known. No test here depends on how fast anything is."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch

from lecturelib import timing
from tests.mutants import Mutant, planted
from tests.tools import refuses


class Clock:
    """A clock that goes on only when it is told to, and remembers when it was read."""

    def __init__(self, events: list[str]) -> None:
        self.now, self.events = 100.0, events

    def __call__(self) -> float:
        self.events.append("clock")
        return self.now

    def runs(self, name: str, *seconds: float) -> Callable[[], None]:
        left = iter(seconds)

        def function() -> None:
            self.events.append(name)
            self.now += next(left)

        return function


@pytest.mark.parametrize(("rounds", "warmup"), [(1, 0), (3, 1), (2, 3)])
def test_each_function_runs_once_a_round_and_every_other_round_backwards(rounds: int, warmup: int) -> None:
    calls: list[str] = []
    functions = {name: lambda name=name: calls.append(name) for name in "abc"}
    seconds = timing.timed(functions, rounds=rounds, warmup=warmup)
    turns = [calls[n : n + 3] for n in range(0, len(calls), 3)]
    assert len(turns) == rounds + warmup and all(sorted(turn) == ["a", "b", "c"] for turn in turns)
    assert turns[warmup] == ["a", "b", "c"]
    assert all(one == other[::-1] for one, other in pairwise(turns))
    assert list(seconds) == ["a", "b", "c"] and all(len(each) == rounds for each in seconds.values())


def test_seconds_are_those_of_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock([])
    monkeypatch.setattr(timing, "CLOCK", clock)
    functions = {"a": clock.runs("a", 50.0, 1.0, 2.0, 4.0), "b": clock.runs("b", 70.0, 8.0, 16.0, 32.0)}
    assert timing.timed(functions, rounds=3) == {"a": [1, 2, 4], "b": [8, 16, 32]}  # the warm-up not counted
    assert clock.events[:10] == ["clock", "b", "clock", "a", "clock", "a", "clock", "clock", "b", "clock"]


def test_the_clock_is_the_processors_and_seven_rounds_follow_one() -> None:
    assert (time.process_time if timing.FINE else time.perf_counter) == timing.CLOCK
    calls: list[int] = []
    assert len(timing.timed({"a": lambda: calls.append(1)})["a"]) == 7 and len(calls) == 8


def test_short_products_are_repeated_and_the_fastest_round_is_divided_by_how_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[tuple[torch.Size, int]] = []
    monkeypatch.setattr(timing, "_repeat", lambda left, right, times: done.append((left.shape + right.shape, times)))
    monkeypatch.setattr(timing, "timed", lambda runs, rounds: {k: [run() or 6.0, 2.0] for k, run in runs.items()})
    assert timing.product_seconds({"a": (100, 10, 10**3), "b": (1, 1, 1)}) == {"a": 2 / 101, "b": 2 / (10**8 + 1)}
    assert done == [((100, 10, 10, 1000), 101), ((1, 1, 1, 1), 10**8 + 1)]


def test_what_is_held_at_one_time_is_added_and_what_is_gone_is_not() -> None:
    def together() -> None:
        kept = torch.ones(1000)
        for count in (500, 2000, 300):
            other = torch.ones(count)
            del other
        del kept

    a, b = torch.ones(1000), torch.ones(1000)
    assert timing.peak_bytes(together) == 4000 + 8000
    assert timing.peak_bytes(lambda: [torch.empty(100, dtype=torch.float64) for _ in range(7)]) == 5600
    assert timing.peak_bytes(lambda: (a + b) * b) == 8000  # the sum is there while the product is made
    assert timing.peak_bytes(lambda: a.add_(b)) == 0


def test_earlier_tensors_do_not_count_also_where_they_go_and_errors_pass_through() -> None:
    box = [torch.ones(100_000)]

    def exchange() -> None:
        box.clear()
        box.append(torch.ones(500))

    assert timing.peak_bytes(exchange) == 2000
    with pytest.raises(KeyError, match="wrong"):
        timing.peak_bytes(lambda: {"right": torch.ones(1000)}["wrong"])
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


def never() -> None:
    pytest.fail("a refusal runs nothing")


test_bad_input_is_refused_in_words = refuses(
    *(
        (lambda functions=functions: timing.timed(functions), ["functions", "a dictionary of names and functions"])
        for functions in ({}, [print], {"a": never, "b": None})
    ),
    (lambda: timing.timed({"a": never}, rounds=0), ["rounds=0", "1 or more"]),
    (lambda: timing.timed({"a": never}, warmup=-1), ["warmup=-1", "0 or more"]),
    (lambda: timing.product_seconds({"a": (1, 0, 2)}), ["inner=0", "1 or more"]),
    (lambda: timing.peak_bytes(torch.ones(3)), ["Tensor", "a function without arguments"]),
)


test_mutants = planted(
    timing,
    [
        Mutant("peak = max(peak, held)", "peak = max(peak, event.nbytes())",
               test_what_is_held_at_one_time_is_added_and_what_is_gone_is_not),
    ],
)  # fmt: skip
