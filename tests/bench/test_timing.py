"""Rounds, orders, medians and ratios of the bench, by clocks that can be foretold."""

import gc
import mmap
import time
from collections.abc import Iterator
from functools import partial

import pytest
import torch

from actbench.bench.timing import (
    PROCESS_CPU,
    THREAD_CPU,
    WALL,
    Case,
    Clock,
    Spread,
    Times,
    clock_for,
    page_faults,
    ratios,
    spread,
    time_cases,
)


class _Told:
    """A clock that says what it is told, and who was at work when."""

    def __init__(self, seconds: Iterator[float]) -> None:
        self.calls: list[str] = []
        self.clock = Clock("told", self._seconds)
        self._told = seconds

    def _seconds(self, call: object) -> float:
        assert callable(call)
        call()
        return next(self._told)


def _cases(told: _Told, *names: str) -> list[Case]:
    note = told.calls.append
    return [Case(name, partial(note, name), partial(note, f"before {name}")) for name in names]


def test_every_round_has_every_case_once_and_each_is_prepared_just_before() -> None:
    told = _Told(iter(map(float, range(1000))))
    times = time_cases(_cases(told, "a", "b", "c"), clock=told.clock, rounds=20, warmup=3)
    assert {name: len(found) for name, found in times.seconds.items()} == {"a": 20, "b": 20, "c": 20}
    assert all(
        before == f"before {name}" for before, name in zip(told.calls[::2], told.calls[1::2], strict=True)
    )
    worked = told.calls[1::2]
    rounds = [tuple(worked[start : start + 3]) for start in range(0, len(worked), 3)]
    assert len(rounds) >= 23
    assert {tuple(sorted(order)) for order in rounds} == {("a", "b", "c")}
    assert len(set(rounds)) > 1  # nobody always stands behind the same neighbour


def fresh(size: int) -> mmap.mmap:
    """Touched memory straight from the system: an allocator may have kept some of what other tests have freed."""
    memory = mmap.mmap(-1, size)
    memory[::4096] = b"x" * (size // 4096)
    return memory


def test_warm_up_rounds_do_not_count_and_end_once_no_memory_is_taken() -> None:
    told = _Told(iter(map(float, range(1000))))
    times = time_cases(_cases(told, "a"), clock=told.clock, rounds=2, warmup=5)
    assert times.seconds["a"] == [5.0, 6.0]
    assert times.page_faults < 256

    hoard: list[mmap.mmap] = []
    told = _Told(iter(map(float, range(1000))))
    greedy = [Case("greedy", lambda: hoard.append(fresh(4 * 2**20)))]
    times = time_cases(greedy, clock=told.clock, rounds=2, warmup=1)
    assert len(hoard) == 14  # twelve rounds of warm-up in vain
    assert times.page_faults >= 2 * 2**20 * 4 // 4096

    hoard.clear()
    calls = iter(range(20))
    lucky = [Case("lucky", lambda: hoard.append(fresh(4 * 2**20)) if next(calls) in (0, 2, 3) else None)]
    times = time_cases(lucky, clock=told.clock, rounds=2, warmup=1)
    assert (len(hoard), next(calls)) == (
        3,
        8,
    )  # one quiet round among others is no end: six, and the two that count
    assert times.page_faults < 256


def test_ratios_are_taken_within_rounds() -> None:
    times = Times(seconds={"a": [2.0, 40.0, 6.0], "relu": [1.0, 10.0, 2.0]}, page_faults=0)
    assert ratios(times.seconds["a"], times.seconds["relu"]) == [2.0, 4.0, 3.0]
    assert times.ratio("a", "relu") == Spread(3.0, 2.5, 3.5)  # not 6 / 2
    assert times.ratio("relu", "relu") == Spread(1.0, 1.0, 1.0)
    assert times.spread("a") == Spread(6.0, 4.0, 23.0)


def test_a_spread_is_median_and_quartiles() -> None:
    assert spread([4.0, 1.0, 3.0, 2.0, 5.0]) == Spread(3.0, 2.0, 4.0)
    assert spread([7.0]) == Spread(7.0, 7.0, 7.0)
    assert str(Spread(1.234, 1.0, 2.0)) == "1.23 [1.00 to 2.00]"
    with pytest.raises(ValueError, match="no value"):
        spread([])


def test_garbage_is_not_collected_while_the_clock_runs() -> None:
    seen: list[bool] = []
    told = _Told(iter(map(float, range(100))))
    time_cases([Case("a", lambda: seen.append(gc.isenabled()))], clock=told.clock, rounds=3, warmup=1)
    assert seen[-3:] == [False] * 3
    assert gc.isenabled()


def test_clocks_measure_work_and_not_sleep() -> None:
    def work() -> None:
        sum(range(300_000))

    for clock in (THREAD_CPU, PROCESS_CPU, WALL):
        assert 1e-4 < clock.seconds(work) < 10
    for clock in (THREAD_CPU, PROCESS_CPU):
        assert clock.seconds(lambda: time.sleep(0.05)) < 0.04
    assert WALL.seconds(lambda: time.sleep(0.05)) >= 0.05


def test_the_clock_follows_device_and_threads() -> None:
    cpu = torch.device("cpu")
    assert clock_for(cpu, threads=1) is THREAD_CPU
    assert clock_for(cpu, threads=2) is WALL
    assert "GPU" in clock_for(torch.device("cuda"), threads=1).words


def test_page_faults_count_fresh_memory() -> None:
    before = page_faults()
    memory = fresh(16 * 2**20)
    assert page_faults() - before > len(memory) // 4096 // 2
