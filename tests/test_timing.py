"""The clockwork, with clocks and sizes that are known. No test here depends on how fast anything is."""

import time

import pytest
import torch

from lecturelib import timing
from tests.mutants import Mutant, planted


def test_each_function_runs_once_a_round_and_every_other_round_backwards(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (time.process_time if timing.FINE else time.perf_counter) == timing.CLOCK
    calls: list[str] = []
    functions = {name: lambda name=name: calls.append(name) for name in "ab"}
    monkeypatch.setattr(timing, "CLOCK", lambda: 2.0 ** len(calls))  # so that a later call lasts longer
    assert timing.timed(functions, rounds=3) == {"a": [4.0, 32.0, 64.0], "b": [8.0, 16.0, 128.0]}
    assert calls == ["b", "a", "a", "b", "b", "a", "a", "b"]  # the first round warms up


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

    box = [torch.ones(100_000)]

    def exchange() -> None:  # an earlier tensor does not count, also where it goes
        box.clear()
        box.append(torch.ones(500))

    assert timing.peak_bytes(exchange) == 2000
    a, b = torch.ones(1000), torch.ones(1000)
    assert timing.peak_bytes(together) == 4000 + 8000
    assert timing.peak_bytes(lambda: [torch.empty(100, dtype=torch.float64) for _ in range(7)]) == 5600
    assert timing.peak_bytes(lambda: (a + b) * b) == 8000  # the sum is there while the product is made
    assert timing.peak_bytes(lambda: a.add_(b)) == 0


test_mutants = planted(
    timing,
    [
        Mutant("peak = max(peak, held)", "peak = max(peak, event.nbytes())",
               test_what_is_held_at_one_time_is_added_and_what_is_gone_is_not),
    ],
)  # fmt: skip
