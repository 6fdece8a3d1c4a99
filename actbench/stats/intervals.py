"""Intervals for a handful of seeds.

Intervals are Student-t throughout: at three to ten values a bootstrap interval of a mean covers far less than
it claims, and no rank test can reach the 5 % level with five pairs. With one value there is a mean and no
interval.
"""

from collections.abc import Sequence
from math import sqrt
from statistics import fmean, stdev
from sys import float_info
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
    return stdev(values) if len(values) > 1 else None


def mean_estimate(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """The mean of the values with its Student-t interval."""
    centre, spread, n = mean(values), sd(values), len(values)
    if spread is None:
        return Estimate(centre, None, None, n, None)
    return Estimate(centre, spread, _interval(centre, spread / sqrt(n), n - 1, confidence), n, n - 1)


def paired_difference(first: Sequence[float], second: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Mean of first - second over pairs of equal seeds, with the paired t interval."""
    differences = [a - b for a, b in zip(first, second, strict=True)]
    rounding = 4 * float_info.epsilon * max(map(abs, (*first, *second)))
    if max(differences) - min(differences) <= rounding:  # equal but for the last bits of 0.51 - 0.5
        differences = [mean(differences)] * len(differences)
    return mean_estimate(differences, confidence)._replace(paired=True)


def welch_difference(first: Sequence[float], second: Sequence[float], confidence: float = 0.95) -> Estimate:
    """mean(first) - mean(second) for values without pairs, variances not assumed equal."""
    difference, n = mean(first) - mean(second), min(len(first), len(second))
    sd_first, sd_second = sd(first), sd(second)
    if sd_first is None or sd_second is None:
        return Estimate(difference, None, None, n, None, paired=False)
    var_first, var_second = sd_first**2 / len(first), sd_second**2 / len(second)
    variance = var_first + var_second
    if variance == 0:
        return Estimate(difference, None, Interval(difference, difference), n, None, paired=False)
    # Welch and Satterthwaite's approximation, written with shares so that tiny variances do not underflow.
    share = var_first / variance
    freedom = 1 / (share**2 / (len(first) - 1) + (1 - share) ** 2 / (len(second) - 1))
    interval = _interval(difference, sqrt(variance), freedom, confidence)
    return Estimate(difference, None, interval, n, freedom, paired=False)


def _interval(centre: float, standard_error: float, degrees_of_freedom: float, confidence: float) -> Interval:
    reach = student.critical(1 - confidence, degrees_of_freedom) * standard_error
    return Interval(centre - reach, centre + reach)
