"""The values of runs epoch by epoch, arm by arm, as training curves need them. Draws nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from actbench.metrics import Metric
from actbench.record import FINISHED, EpochRecord, RunRecord, Weights

Quantity = Literal["loss", "val", "test"]
QUANTITIES: tuple[Quantity, ...] = ("loss", "val", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCurve:
    """One run: a value per epoch, None where the epoch did not measure it."""

    seed: int
    diverged: bool
    values: tuple[float | None, ...]

    def points(self) -> list[tuple[int, float]]:
        """(epoch from 1, value) of what was measured."""
        return [(epoch, value) for epoch, value in enumerate(self.values, 1) if value is not None]


class Band(NamedTuple):
    """Over the runs of an arm that completed, at the epochs that all of them measured."""

    epochs: list[int]
    mean: list[float]
    low: list[float]
    high: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCurves:
    """One arm's runs, in order of seed."""

    arm: str
    runs: tuple[RunCurve, ...]

    @property
    def completed(self) -> list[RunCurve]:
        return [run for run in self.runs if not run.diverged]

    @property
    def diverged(self) -> list[RunCurve]:
        return [run for run in self.runs if run.diverged]

    @property
    def label(self) -> str:
        """The arm, with how many of its runs diverged."""
        lost = len(self.diverged)
        return f"{self.arm} ({lost}/{len(self.runs)} diverged)" if lost else self.arm

    def band(self) -> Band | None:
        """Mean, lowest and highest of the completed runs; None where none was measured.

        Where runs stopped early the band ends with the first of them: later, it would be of other runs.
        """
        curves = [dict(run.points()) for run in self.completed]
        if not curves:
            return None
        shared = sorted(set.intersection(*(set(curve) for curve in curves)))
        columns = [sorted(curve[epoch] for curve in curves) for epoch in shared]
        if not shared:
            return None
        means = [sum(column) / len(column) for column in columns]
        return Band(shared, means, [column[0] for column in columns], [column[-1] for column in columns])


def arm_curves(
    runs: Iterable[RunRecord],
    quantity: Quantity,
    metric: Metric,
    *,
    weights: Weights = "raw",
    arms: Sequence[str],
) -> list[ArmCurves]:
    """Of each arm in that order; runs that neither completed nor diverged are left out."""
    found: Mapping[str, list[RunCurve]] = {arm: [] for arm in arms}
    for run in sorted(runs, key=lambda run: run.seed):
        if run.status in FINISHED and run.arm.name in found:
            values = tuple(_value(epoch, quantity, metric, weights) for epoch in run.history)
            found[run.arm.name].append(
                RunCurve(seed=run.seed, diverged=run.status == "diverged", values=values)
            )
    return [ArmCurves(arm=arm, runs=tuple(curves)) for arm, curves in found.items() if curves]


def _value(epoch: EpochRecord, quantity: Quantity, metric: Metric, weights: Weights) -> float | None:
    """Losses as they are, metrics in percent."""
    if quantity == "loss":
        return epoch.train_loss
    raw, ema = (epoch.val, epoch.val_ema) if quantity == "val" else (epoch.test, epoch.test_ema)
    tally = raw if weights == "raw" else ema
    value = metric.read(tally) if tally and metric.attack is None else None
    return None if value is None else 100 * value
