"""Named cases timed in turn, in one process: each once in every round, so that what disturbs the machine disturbs all.

Single times on a shared machine mean little. What is told is the ratio of two cases of the same round: its median over
the rounds, with its quartiles.
"""

import gc
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

Call = Callable[[], object]

_MAX_WARMUP = 12
"""Rounds: what glibc splits off an aligned block goes into a list of seven first; while that has room the next block of
the size is taken anew."""
_QUIET = 2
"""Rounds on end without new memory: one alone may have found a place that the next does not."""
_FEW_FAULTS = 256
"""Page faults of a round, a MiB's worth, that show no memory being taken anew."""
_HEAD_START = 10_000_000
"""Cycles, some five milliseconds, that a GPU is kept busy while it is given the work that is timed: what an activation
makes of its parameters can be a hundred small kernels."""


@dataclass(frozen=True, slots=True)
class Clock:
    words: str
    """What its seconds are, as "CPU time of one thread"."""
    seconds: Callable[[Call], float]
    """Of one call."""


class Spread(NamedTuple):
    """Median and quartiles."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} [{self.low:.2f} to {self.high:.2f}]"


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    call: Call
    """What is timed."""
    prepare: Call | None = None
    """Called before it, untimed, such as to drop gradients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    seconds: Mapping[str, Sequence[float]]
    """Case -> its time in each round, in the rounds' order."""
    page_faults: int
    """Of all the rounds together, warm-up left out; thousands say that memory was taken anew while the clock ran."""

    def spread(self, name: str) -> Spread:
        return spread(self.seconds[name])

    def ratio(self, name: str, reference: str) -> Spread:
        """Of that case to the reference of the same round."""
        return spread(ratios(self.seconds[name], self.seconds[reference]))


def time_cases(cases: Sequence[Case], *, clock: Clock, rounds: int, warmup: int = 2) -> Times:
    """Times every case once per round, in an order drawn anew for each.

    At least `warmup` rounds go before and do not count, and more (to twelve) until two on end take no new memory.
    """
    order = random.Random(0)
    quiet = 0
    for number in range(max(warmup, _MAX_WARMUP)):
        faults = page_faults()
        _round(cases, clock, order)
        quiet = quiet + 1 if page_faults() - faults < _FEW_FAULTS else 0
        if number + 1 >= warmup and quiet >= _QUIET:
            break
    seconds: dict[str, list[float]] = {case.name: [] for case in cases}
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()  # one collection would be charged to whoever is at work
    try:
        faults = page_faults()
        for _ in range(rounds):
            for name, time_s in _round(cases, clock, order).items():
                seconds[name].append(time_s)
        faults = page_faults() - faults
    finally:
        if was_enabled:
            gc.enable()
    return Times(seconds=seconds, page_faults=faults)


def _round(cases: Sequence[Case], clock: Clock, order: random.Random) -> dict[str, float]:
    found = {}
    for case in order.sample(cases, len(cases)):
        if case.prepare is not None:
            case.prepare()
        found[case.name] = clock.seconds(case.call)
    return found


def spread(values: Sequence[float]) -> Spread:
    """Raises ValueError where there is no value; one value is its own quartiles."""
    if not values:
        raise ValueError("no value, no spread")
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(middle, low, high)


def ratios(times: Sequence[float], reference: Sequence[float]) -> list[float]:
    """Round by round."""
    return [mine / theirs for mine, theirs in zip(times, reference, strict=True)]


def page_faults() -> int:
    """Pages that the system gave to this process so far; 0 on a system that does not say."""
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def clock_for(device: torch.device, *, threads: int) -> Clock:
    """The clock that other programs disturb least.

    On a GPU its own events; on a CPU with one thread the CPU time of that thread, with several the wall time.
    """
    if device.type == "cuda":
        return Clock("GPU time between events", lambda call: _gpu_seconds(call, device))
    return THREAD_CPU if threads == 1 else WALL


def _between(read: Callable[[], float]) -> Callable[[Call], float]:
    def seconds(call: Call) -> float:
        begun = read()
        call()
        return read() - begun

    return seconds


THREAD_CPU = Clock("CPU time of one thread", _between(time.thread_time))
PROCESS_CPU = Clock("CPU time of the process", _between(time.process_time))
WALL = Clock("wall time", _between(time.perf_counter))


def _gpu_seconds(call: Call, device: torch.device) -> float:
    """Between two events on the device's stream.

    The device is let sleep first, so that the call's work waits for it in full: how long Python takes to hand it over
    does not count, as it does not in a training loop that runs ahead.
    """
    with torch.cuda.device(device):
        begun = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        ended = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        torch.cuda.synchronize(device)
        torch.cuda._sleep(_HEAD_START)  # type: ignore[no-untyped-call]
        begun.record()
        call()
        ended.record()
        torch.cuda.synchronize(device)
    return float(begun.elapsed_time(ended)) / 1e3
