"""Intervals for a handful of seeds.

Intervals are Student-t throughout: at three to ten values a bootstrap interval of a mean covers far less than
it claims, and no rank test can reach the 5 % level with five pairs. With one value there is a mean and no
interval.
"""

from collections.abc import Sequence
from math import fsum, sqrt
from statistics import fmean
from typing import NamedTuple

from actbench.stats import student


class Interval(NamedTuple):
    low: float
    high: float

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


class Estimate(NamedTuple):
    """A mean or a difference of means; `sd` and `interval` are None where too few values stand behind it."""

    value: float
    sd: float | None
    """Standard deviation of the values, or of the pairs' differences; None for unpaired differences."""
    interval: Interval | None
    n: int
    """Number of values, of pairs, or of the smaller side of unpaired values."""
    degrees_of_freedom: float | None
    paired: bool | None = None
    """For a difference: whether seeds were paired."""

    @property
    def is_level(self) -> bool:
        """Whether several values were equal: an interval of no width, which says nothing of further values."""
        return self.interval is not None and self.interval.low == self.interval.high


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean, rounded once. At least one value is needed."""
    return fmean(values)


def sd(values: Sequence[float]) -> float | None:
    """The standard deviation with n - 1 in the denominator; None for a single value."""
    if len(values) < 2:
        return None
    if min(values) == max(values):
        return 0.0
    centre = mean(
        values
    )  # its own rounding enters the squares squared; `statistics.stdev` takes fifty times as long
    return sqrt(fsum((value - centre) ** 2 for value in values) / (len(values) - 1))


def mean_estimate(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """The mean of the values with its Student-t interval."""
    centre, spread, n = mean(values), sd(values), len(values)
    if spread is None:
        return Estimate(centre, None, None, n, None)
    reach = student.critical(1 - confidence, n - 1) * spread / sqrt(n)
    return Estimate(centre, spread, Interval(centre - reach, centre + reach), n, n - 1)
