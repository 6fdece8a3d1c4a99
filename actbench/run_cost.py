"""What further runs of an arm cost, by those that were made. Imports no torch."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from actbench.record import Machine, RunFacts


class TimedRun(NamedTuple):
    """A run that completed."""

    arm: str
    seconds: float
    hardware: str | None
    """None where nobody said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCost:
    """Of runs that have yet to be made."""

    runs: int
    hours: float | None
    """None where no run tells how long one takes."""
    hardware: str | None
    """On which runs took that long."""
    timed: int
    """How many runs tell it."""

    @property
    def words(self) -> str:
        """How long they take."""
        if self.hours is None:
            return "for how long no run tells"
        length = f"{self.hours:.1f} h" if self.hours >= 0.1 else f"{60 * self.hours:.1f} min"
        runs = f"{self.timed} run{'s' if self.timed > 1 else ''}"
        where = f" on {self.hardware}" if self.hardware else ""
        return f"about {length} one after another, as {runs} took{where}"


def timed_runs(stored: Iterable[RunFacts]) -> list[TimedRun]:
    """What records tell; one that diverged ended early and tells nothing."""
    return [
        TimedRun(run.arm.name, run.wall_time_s, _hardware(run.machine))
        for run in stored
        if run.status == "completed" and run.wall_time_s > 0
    ]


def cost_of(missing: Mapping[str, int], made: Sequence[TimedRun]) -> RunCost:
    """The cost of so many runs of each arm.

    By the wall times on the hardware that most runs had; an arm that has none there takes the mean of the others.
    """
    count = sum(missing.values())
    if not made:
        return RunCost(runs=count, hours=None, hardware=None, timed=0)
    counts = Counter(run.hardware for run in made)
    usual = max(sorted(counts, key=str), key=counts.__getitem__)
    times: dict[str, list[float]] = {}
    for run in made:
        if run.hardware == usual:
            times.setdefault(run.arm, []).append(run.seconds)
    means = {arm: fmean(sorted(found)) for arm, found in times.items()}
    others = fmean(sorted(means.values()))
    seconds = sum(number * means.get(arm, others) for arm, number in missing.items())
    return RunCost(runs=count, hours=seconds / 3600, hardware=usual, timed=counts[usual])


def _hardware(machine: Machine) -> str:
    shared = f", shared by {machine.shared_by} runs" if machine.shared_by > 1 else ""
    if machine.device != "cpu":
        return f"{machine.hardware} ({machine.device}){shared}"
    return f"{machine.hardware}, {machine.threads} thread{'s' if machine.threads > 1 else ''}{shared}"
