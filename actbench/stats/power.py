"""How many seeds a wanted difference needs."""

from dataclasses import dataclass
from math import sqrt

from actbench.stats import student
from actbench.stats.methods import DEFAULT_METHOD, Method

MOST_SEEDS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What is known of two arms' values over seeds."""

    sd_first: float
    sd_second: float
    correlation: float = 0.0
    """Of the two arms' values over seeds."""

    @property
    def difference_variance(self) -> float:
        """Of a pair's difference."""
        both = self.sd_first * self.sd_second
        return self.sd_first**2 + self.sd_second**2 - 2 * self.correlation * both


def power_of(
    difference: float,
    n: int,
    spread: Spread,
    *,
    method: Method = DEFAULT_METHOD,
    alpha: float = 0.05,
    arms: int = 2,
) -> float | None:
    """The chance that n seeds of both arms show a true difference at two-sided level alpha.

    `arms` counts all arms of the table, from which block methods take their error. None for fewer than two
    seeds and without any spread.
    """
    error = _error(n, spread, method, arms)
    if error is None:
        return None
    standard_error, freedom = error
    return student.power(abs(difference) / standard_error, freedom, alpha)


def seeds_needed(
    difference: float,
    spread: Spread,
    *,
    method: Method = DEFAULT_METHOD,
    power: float = 0.8,
    alpha: float = 0.05,
    arms: int = 2,
) -> int | None:
    """The least number of seeds with which a true difference is found with the wanted power.

    None where more than MOST_SEEDS would be needed, or without any spread.
    """
    if difference == 0 or not spread.difference_variance > 0:
        return None

    def is_enough(n: int) -> bool:
        found = power_of(difference, n, spread, method=method, alpha=alpha, arms=arms)
        return found is not None and found >= power

    if not is_enough(MOST_SEEDS):
        return None
    low, high = 1, MOST_SEEDS  # power grows with n
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


def detectable_difference(
    n: int,
    spread: Spread,
    *,
    method: Method = DEFAULT_METHOD,
    power: float = 0.8,
    alpha: float = 0.05,
    arms: int = 2,
) -> float | None:
    """The smallest true difference that n seeds find with the wanted power; None as for `power_of`."""
    error = _error(n, spread, method, arms)
    return None if error is None else error[0] * student.detectable(error[1], power, alpha)


def _error(n: int, spread: Spread, method: Method, arms: int) -> tuple[float, float] | None:
    """Standard error and degrees of freedom as they are expected."""
    if n < 2:
        return None
    own, both = spread.difference_variance, spread.sd_first**2 + spread.sd_second**2
    if method in ("paired", "moderated") or (method == "block" and arms < 3):
        return _ratio(own, n, n - 1)
    if method == "block":
        return _ratio(own, n, (n - 1) * (arms - 1))
    if not both:
        return None
    share = spread.sd_first**2 / both
    return _ratio(both, n, (n - 1) / (share**2 + (1 - share) ** 2))


def _ratio(variance: float, n: int, freedom: float) -> tuple[float, float] | None:
    return (sqrt(variance / n), freedom) if variance > 0 else None
