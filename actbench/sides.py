"""One arm's finished runs as numbers: what a comparison takes from records, whoever made them. Imports no torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from statistics import median
from typing import Literal, NamedTuple

from actbench.errors import ActbenchError
from actbench.metrics import Metric
from actbench.recipe.schema import Arm
from actbench.record import FINISHED, Cost, Machine, ResultFacts, RunFacts, Weights, Which
from actbench.store import RecordFiles, StoredRun

Clock = Literal["cpu", "wall"]
CLOCKS: tuple[Clock, ...] = ("cpu", "wall")


class ToldCost(NamedTuple):
    """What somebody says of the cost of an arm, of which there are no records."""

    parameters: int | None
    activation_parameters: int | None
    step_time_s: float | None
    """Median over the runs."""


@dataclass(frozen=True, kw_only=True)  # without slots: what every arm asks of a baseline is worked out once
class Side:
    """An arm with its runs that completed or diverged."""

    name: str
    arm: Arm | None
    """None for imported results, of which the name is all that is known."""
    values: Mapping[int, float]
    """Of the metric, by seed in order: of the runs that completed."""
    diverged: tuple[int, ...]
    """Seeds of the runs that diverged."""
    optimism: float | None = None
    """By how much the best test epoch exceeds the last, over the completed runs; None unless that epoch is compared."""
    runs: tuple[RunFacts, ...] = ()
    files: Sequence[Path] = ()
    """The records, in order of seed."""
    read_bits: Callable[[], Mapping[int, int]] = field(default=dict, repr=False, compare=False)
    """Reads `bits`."""
    examples: int = 0
    """How many bits each has."""
    fingerprint: str | None = None
    """Of the data whose examples these are."""
    told: ToldCost | None = None
    """Of imported results alone."""

    @cached_property
    def bits(self) -> Mapping[int, int]:
        """By seed: which test examples were right, a bit each; empty where records do not hold it for the metric."""
        return self.read_bits()

    @property
    def finished(self) -> set[int]:
        return {*self.values, *self.diverged}

    @property
    def cost(self) -> Cost | None:
        return next((run.cost for run in self.runs if run.cost is not None), None)

    @property
    def parameters(self) -> int | None:
        cost = self.told or self.cost
        return cost.parameters if cost else None

    @property
    def activation_parameters(self) -> int | None:
        cost = self.told or self.cost
        return cost.activation_parameters if cost else None

    def step_time_s(self, clock: Clock) -> float | None:
        """Median over the runs; None unless every run that has a cost measured it by this clock."""
        if self.told:
            return self.told.step_time_s if clock == "wall" else None
        return self._median_cpu_s if clock == "cpu" else self._median_wall_s

    @cached_property
    def _median_cpu_s(self) -> float | None:
        return _median([run.step_cpu_s for run in self.runs if run.has_cost])

    @cached_property
    def _median_wall_s(self) -> float | None:
        return _median([run.step_wall_s for run in self.runs if run.has_cost])

    @cached_property
    def hardware(self) -> set[Machine]:
        return {run.machine for run in self.runs}


def _median(times: Sequence[float | None]) -> float | None:
    known = [time for time in times if time is not None]
    return median(known) if known and len(known) == len(times) else None


class Reading(NamedTuple):
    """Which number of a run is compared."""

    metric: Metric
    which: Which
    weights: Weights

    def of(self, run: RunFacts) -> float:
        if self.metric.is_accuracy:
            accuracy = run.accuracy(self.which, self.weights)  # no object is made of the result
            if accuracy is not None:
                return accuracy
        value = self.metric.of(self.result(run))
        if value is None:
            other = "--at last: other weights were not attacked" if self.metric.attack else "--metric box_ap"
            raise ActbenchError(f"{_title(run)} has no {self.metric.noun}", hints=[f"another one: {other}"])
        return value

    def result(self, run: RunFacts) -> ResultFacts:
        result = run.result(self.which, self.weights)
        if result is None:
            held = ", ".join(f"{r.which.replace('_', '-')} ({r.weights})" for r in run.results) or "none"
            raise ActbenchError(
                f"{_title(run)} has no test result at {self.which.replace('_', '-')} ({self.weights})",
                hints=[f"it has: {held}"],
            )
        return result

    def optimism_of(self, run: RunFacts) -> float | None:
        last = run.result("last", self.weights)
        at_last = self.metric.of(last) if last else None
        return None if at_last is None else self.of(run) - at_last

    def bits_of(self, run: RunFacts) -> int | None:
        """Which test examples are right as one number, a bit each; None where the record does not hold them all."""
        return None if self.metric.attack else run.bits(self.which, self.weights)


def side_of(arm: Arm, stored: Sequence[StoredRun], reading: Reading) -> Side:
    """The arm with those of its runs that are finished."""
    finished = [run for run in stored if run.record.status in FINISHED]
    finished.sort(key=lambda run: run.record.seed)
    runs = tuple([run.record for run in finished])
    completed = [run for run in runs if run.status == "completed"]
    gains = [reading.optimism_of(run) for run in completed] if reading.which == "best_test" else []
    known = [gain for gain in gains if gain is not None]
    data = {data.fingerprint for data in {id(run.data): run.data for run in completed}.values()}
    return Side(
        name=arm.name,
        arm=arm,
        values={run.seed: reading.of(run) for run in completed},
        diverged=tuple([run.seed for run in runs if run.status == "diverged"]),
        optimism=sum(known) / len(known) if known else None,
        runs=runs,
        files=RecordFiles(finished),
        read_bits=partial(_bits, completed, reading) if len(data) == 1 else dict,
        examples=completed[0].data.test if completed else 0,
        fingerprint=next(iter(data)) if len(data) == 1 else None,
    )


def _bits(runs: Sequence[RunFacts], reading: Reading) -> dict[int, int]:
    bits = {run.seed: reading.bits_of(run) for run in runs}
    held = {seed: value for seed, value in bits.items() if value is not None}
    return held if len(held) == len(bits) else {}


class StepTime(NamedTuple):
    ratio: float | None
    clock: Clock | None


def step_time(side: Side, baseline: Side) -> StepTime:
    """Time of an update over the baseline's: on a CPU by CPU time, which other work on the machine disturbs least.

    Elsewhere by wall time; none where the hardware, or how many runs shared it, differs.
    """
    if len(hardware := side.hardware | baseline.hardware) > 1:
        return StepTime(None, None)
    on_cpu = all(machine.device == "cpu" for machine in hardware)
    for clock in CLOCKS if on_cpu else CLOCKS[1:]:
        ours, theirs = side.step_time_s(clock), baseline.step_time_s(clock)
        if ours is not None and theirs:
            return StepTime(ours / theirs, clock)
    return StepTime(None, None)


class Kept(NamedTuple):
    per_element: float | None
    beyond_output: float | None


def kept_bytes(side: Side) -> Kept:
    """Of the first run that counted it; the count is the same for every seed."""
    for cost in (run.cost for run in side.runs if run.cost):
        kept, output = cost.activation_kept_bytes, cost.activation_kept_output_bytes
        if kept is not None and output is not None and cost.activation_elements:
            return Kept(kept / cost.activation_elements, (kept - output) / cost.activation_elements)
    return Kept(None, None)


def _title(run: RunFacts) -> str:
    return f"{run.recipe.name} {run.arm.name} seed {run.seed}"
