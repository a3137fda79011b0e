"""Timing that stays honest on a machine where other work goes on.

    timed           run functions in turn, round after round; the seconds of each
    product_seconds how long matrix products take
    peak_bytes      the most memory that tensors held while a function ran

A single run says little: another program may have had the core. Two functions that are run close together share the
weather, so their ratio is steadier than either number.
"""

import gc
import os
import time
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch.profiler import ProfilerActivity, profile

from lecturelib.edges import check_whole

FINE = time.get_clock_info("process_time").resolution < 1e-4  # on Windows it ticks 64 times a second: too coarse
CLOCK = time.process_time if FINE else time.perf_counter


def timed(functions: Mapping[str, Callable[[], object]], *, rounds: int = 7, warmup: int = 1) -> dict[str, list[float]]:
    """Run each function once in every round, and return the seconds it took, round by round.

    Every other round runs them in the opposite order, so that none always comes first. The `warmup` rounds before are
    not counted: the first call of a kernel also fetches memory. A GPU's work is not waited for.
    Units: processor seconds of this process, all its threads; where a system counts them too coarsely, as Windows does,
        those of the clock on the wall.
    Raises: ValueError for fewer than 1 round.
    """
    check_whole(rounds=rounds)
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(-warmup, rounds):
        for name in list(functions)[:: 1 if turn % 2 == 0 else -1]:
            began = CLOCK()
            functions[name]()
            if turn >= 0:
                seconds[name].append(CLOCK() - began)
    return seconds


def product_seconds(shapes: Mapping[str, tuple[int, int, int]], rounds: int = 5) -> dict[str, float]:
    """Return the processor seconds of a product (rows, inner) by (inner, columns) for each shape: the fastest round.

    Short products are repeated until a round is long enough for the clock.
    """
    runs, repeats = {}, {}
    for name, (rows, inner, columns) in shapes.items():
        left, right = torch.ones(rows, inner), torch.ones(inner, columns)
        repeats[name] = 1 + 10**8 // (rows * inner * columns)
        runs[name] = partial(_repeat, left, right, repeats[name])
    return {name: min(each) / repeats[name] for name, each in timed(runs, rounds=rounds).items()}


def _repeat(left: torch.Tensor, right: torch.Tensor, times: int) -> None:
    for _ in range(times):
        left @ right


def peak_bytes(function: Callable[[], object]) -> int:
    """Return the most memory that tensors made by a function held at one time, on the CPU.

    Every request for memory by torch is added up as it comes and goes; what stood before the call does not count.
    Where the function frees such memory, torch says on stderr that it does not know it: the sum is right all the same.
    Units: bytes.

    >>> peak_bytes(lambda: torch.zeros(1000) + torch.ones(1000)) >= 8000
    True
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # or the profiler writes two lines into the notebook, each time
    gc.collect()  # what is to go should go now, not while the function runs
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as watched:
        result = function()
    del result
    held = peak = 0
    assert watched.profiler is not None and watched.profiler.kineto_results is not None
    for event in watched.profiler.kineto_results.events():  # in the order of time
        if event.name() == "[memory]" and event.device_type() == torch.autograd.DeviceType.CPU:
            held += event.nbytes()
            peak = max(peak, held)
    return peak
