"""The compared arms as figures need them: every run's value beside the arm's mean, interval and cost. Draws nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from actbench.comparison import ArmRow, Group
from actbench.stats import Interval

CostKind = Literal["time", "kept", "parameters"]
COSTS: tuple[CostKind, ...] = ("time", "kept", "parameters")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmPoints:
    """Values in percent."""

    arm: str
    values: Mapping[int, float]
    """Seed -> value of each completed run, in order of seed."""
    diverged: int
    mean: float | None
    interval: Interval | None
    """95 % Student-t of the mean; None for fewer than two runs."""
    costs: Mapping[CostKind, float]

    @property
    def label(self) -> str:
        """The arm, with how many of its runs diverged."""
        finished = len(self.values) + self.diverged
        return f"{self.arm} ({self.diverged}/{finished} diverged)" if self.diverged else self.arm


def arm_points(group: Group, values: Mapping[str, Mapping[int, float]] | None = None) -> list[ArmPoints]:
    """Of each arm with a finished run, in the group's order.

    The values of its seeds, in the metric's unit, are those of the group's runs, or given where it was imported.
    """
    return [
        _points(row, run_values(group, row) if values is None else values[row.name])
        for row in group.rows
        if row.completed or row.diverged
    ]


def run_values(group: Group, row: ArmRow) -> dict[int, float]:
    """Seed -> value of each completed run of the row."""
    found: dict[int, float] = {}
    for run in row.runs:
        result = run.result(group.which, group.weights) if run.status == "completed" else None
        value = None if result is None else group.metric.of(result)
        if value is not None:
            found[run.seed] = value
    return found


def value_limits(arms: Sequence[ArmPoints]) -> tuple[float, float]:
    """The ends of an axis around all values. An interval of two runs may be many times as wide, and is then cut."""
    values = [value for arm in arms for value in arm.values.values()]
    low, high = min(values), max(values)
    margin = (high - low) / 2 or 1.0
    ends = [end for arm in arms if arm.interval for end in arm.interval]
    low_end, high_end = max(low - margin, min([low, *ends])), min(high + margin, max([high, *ends]))
    room = 0.04 * (high_end - low_end) or 1.0
    return low_end - room, high_end + room


def _points(row: ArmRow, values: Mapping[int, float]) -> ArmPoints:
    interval = row.value.interval if row.value else None
    costs: dict[CostKind, float | None] = {
        "time": row.step_time_ratio,
        "kept": row.kept_per_element,
        "parameters": row.parameters,
    }
    return ArmPoints(
        arm=row.name,
        values={seed: 100 * value for seed, value in sorted(values.items())},
        diverged=row.diverged,
        mean=100 * row.value.value if row.value else None,
        interval=Interval(100 * interval.low, 100 * interval.high) if interval else None,
        costs={kind: cost for kind, cost in costs.items() if cost is not None},
    )


def axis_name(group: Group) -> str:
    """Of the values: the metric, and at which weights of a run."""
    at = {"last": "", "best_val": ", best validation epoch", "best_test": ", best test epoch"}[group.which]
    average = ", moving average of weights" if group.weights == "ema" else ""
    return f"test {group.metric.noun} (%){at}{average}"


def cost_name(group: Group, cost: CostKind) -> str:
    """Of the axis of costs."""
    if cost == "kept":
        return "bytes kept for backward per activation element"
    if cost == "parameters":
        return "parameters"
    clocks = {row.step_clock for row in group.rows if row.step_clock}
    clock = "CPU time" if clocks == {"cpu"} else "time"
    return f"{clock} of an update, over {group.baselines[0]}'s"
