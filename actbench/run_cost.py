"""What further runs of an arm cost, by those that are stored. Imports no torch."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from actbench.record import RunFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCost:
    """Of runs that have yet to be made."""

    runs: int
    hours: float | None
    """None where no stored run tells how long one takes."""
    hardware: str | None
    """On which the stored runs took that long."""
    timed: int
    """How many runs tell it."""


def cost_of(missing: Mapping[str, int], stored: Iterable[RunFacts]) -> RunCost:
    """The cost of so many runs of each arm.

    By the wall times of completed runs on the hardware that most of them had; an arm without such a run takes the mean
    of the others.
    """
    completed = [run for run in stored if run.status == "completed" and run.provenance.wall_time_s > 0]
    count = sum(missing.values())
    usual = _usual_hardware(completed)
    if usual is None:
        return RunCost(runs=count, hours=None, hardware=None, timed=0)
    timed = [run for run in completed if _hardware(run) == usual]
    times: dict[str, list[float]] = {}
    for run in timed:
        times.setdefault(run.arm.name, []).append(run.provenance.wall_time_s)
    means = {arm: fmean(found) for arm, found in times.items()}
    others = fmean(means.values())
    seconds = sum(number * means.get(arm, others) for arm, number in missing.items())
    return RunCost(runs=count, hours=seconds / 3600, hardware=usual, timed=len(timed))


def _usual_hardware(runs: Collection[RunFacts]) -> str | None:
    counts = Counter(_hardware(run) for run in runs)
    return max(sorted(counts), key=counts.__getitem__) if counts else None


def _hardware(run: RunFacts) -> str:
    made = run.provenance
    if made.device != "cpu":
        return f"{made.hardware} ({made.device})"
    return f"{made.hardware}, {made.threads} thread{'s' if made.threads > 1 else ''}"
