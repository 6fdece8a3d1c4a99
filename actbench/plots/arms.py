"""The compared arms as figures need them: every run's value beside the arm's mean, interval and cost. Draws nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from actbench.compare import ArmRow, Group
from actbench.record import RunRecord
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


def arm_points(group: Group, runs: Iterable[RunRecord]) -> list[ArmPoints]:
    """Of each arm with a finished run, in the recipe's order; `runs` are those that the group was made of."""
    values: dict[str, dict[int, float]] = {}
    for run in sorted(runs, key=lambda run: run.seed):
        result = run.result(group.which, group.weights)
        value = None if result is None or run.status != "completed" else group.metric.of(result)
        if value is not None:
            values.setdefault(run.arm.name, {})[run.seed] = 100 * value
    return [_points(row, values.get(row.arm.name, {})) for row in group.rows if row.completed or row.diverged]


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
        arm=row.arm.name,
        values=values,
        diverged=row.diverged,
        mean=100 * row.value.value if row.value else None,
        interval=Interval(100 * interval.low, 100 * interval.high) if interval else None,
        costs={kind: cost for kind, cost in costs.items() if cost is not None},
    )
