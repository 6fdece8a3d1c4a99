"""Student's t distribution, central and noncentral, in plain Python.

`scipy.special` has the same three functions, but loading it costs 0.4 s of CPU and numpy another 0.2 s, more than
the whole of a comparison over thousands of records; these need `math` alone. The tests hold them to scipy.special.
"""

from collections.abc import Iterator
from functools import lru_cache
from math import erfc, exp, inf, isnan, lgamma, log, log1p, nan, pi, sqrt
from statistics import NormalDist

_EPSILON = 2.0**-53
_TINY = 1e-300
_BELOW_ONE = 1 - _EPSILON
_CACHED = 4096
"""Distinct levels and degrees of freedom kept; those of Welch's test differ from pair to pair."""


def cdf(t: float, degrees_of_freedom: float) -> float:
    """The probability of a value up to `t`; accurate relatively in the lower tail too."""
    tail = two_sided_p(t, degrees_of_freedom) / 2
    return tail if t < 0 else 1 - tail


@lru_cache(_CACHED)
def two_sided_p(t: float, degrees_of_freedom: float) -> float:
    """The probability of a value at least as far from zero as `t`."""
    if isnan(t) or isnan(degrees_of_freedom) or degrees_of_freedom <= 0:
        return nan
    square = t * t
    if square == inf:
        return 0.0
    if square == 0:
        return 1.0
    total = degrees_of_freedom + square
    return _incomplete_beta(degrees_of_freedom / total, square / total, degrees_of_freedom / 2, 0.5)


def quantile(probability: float, degrees_of_freedom: float) -> float:
    """The value that a t variable stays below with this probability."""
    if probability == 0.5:
        return 0.0
    if probability < 0.5:
        return -critical(2 * probability, degrees_of_freedom)
    return critical(2 * (1 - probability), degrees_of_freedom)


@lru_cache(_CACHED)
def critical(alpha: float, degrees_of_freedom: float) -> float:
    """The value that a t variable exceeds in absolute value with probability `alpha`."""
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1: {alpha}")
    t = _rough_critical(alpha, degrees_of_freedom)
    # Newton's method on the logarithm of the tail, which is concave in log t: from any side it closes in, and
    # doubles its digits with every step.
    for _ in range(60):
        p = two_sided_p(t, degrees_of_freedom)
        slope = 2 * t * _density(t, degrees_of_freedom) / p
        step = log(p / alpha) / slope
        t *= exp(max(-2.0, min(2.0, step)))
        if abs(step) < 1e-9:  # the next would be its square
            return t
    return t


def _rough_critical(alpha: float, degrees_of_freedom: float) -> float:
    z = max(1e-8, -NormalDist().inv_cdf(alpha / 2))
    if degrees_of_freedom < 3:
        return max(z, exp(-log(alpha / 2) / degrees_of_freedom) / 2)
    cube, v = z**3, degrees_of_freedom
    return (
        z
        + (cube + z) / (4 * v)
        + (5 * z**5 + 16 * cube + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * cube - 15 * z) / (384 * v**3)
    )


def _density(t: float, degrees_of_freedom: float) -> float:
    v = degrees_of_freedom
    return exp(-_log_beta_half(v / 2) - log(v) / 2 - (v + 1) / 2 * log1p(t * t / v))


@lru_cache(_CACHED)
def _log_beta_half(a: float) -> float:
    """log B(a, 1/2)."""
    if a < 20:
        return lgamma(a) - lgamma(a + 0.5) + log(pi) / 2
    # Two large logarithms would cancel; their difference has a series in 1/a (Tricomi and Erdelyi).
    u = 1 / (a * a)
    series = 1 / 8 - u * (1 / 192 - u * (1 / 640 - u * (17 / 14336 - u * (31 / 18432 - u * 691 / 180224))))
    return log(pi / a) / 2 + series / a


def _incomplete_beta(x: float, y: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, 1/2) for b = 1/2; `y` is 1 - x, given to keep its digits."""
    front = exp(
        a * (log(x) if x < 0.5 else log1p(-y)) + b * (log(y) if y < 0.5 else log1p(-x)) - _log_beta_half(a)
    )
    if x < (a + 1) / (a + b + 2):
        return front * _continued_fraction(x, a, b) / a
    return 1 - front * _continued_fraction(y, b, a) / b


def _continued_fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of the incomplete beta function, by the modified Lentz method."""
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or _TINY)
    value = d
    for m in range(1, 10_000):
        twice = a + 2 * m
        even = m * (b - m) * x / ((twice - 1) * twice)
        d = 1 / (1 + even * d or _TINY)
        c = 1 + even / c or _TINY
        value *= c * d
        odd = -(a + m) * (a + b + m) * x / (twice * (twice + 1))
        d = 1 / (1 + odd * d or _TINY)
        c = 1 + odd / c or _TINY
        change = c * d
        value *= change
        if abs(change - 1) <= 2 * _EPSILON:
            break
    return value


@lru_cache(_CACHED)
def noncentral_cdf(t: float, degrees_of_freedom: float, noncentrality: float) -> float:
    """The probability that (Z + noncentrality) / S stays below `t`, S**2 a chi-squared over its degrees of freedom."""
    return sum(
        weight * erfc((noncentrality - t * s) / sqrt(2)) / 2
        for s, weight in _chi_weights(degrees_of_freedom, abs(noncentrality))
    )


def power(noncentrality: float, degrees_of_freedom: float, alpha: float) -> float:
    """The chance that a two-sided t-test at level `alpha` finds a difference, whichever sign it then shows."""
    reach = critical(alpha, degrees_of_freedom)
    return sum(
        weight
        * (erfc((reach * s - noncentrality) / sqrt(2)) + erfc((reach * s + noncentrality) / sqrt(2)))
        / 2
        for s, weight in _chi_weights(degrees_of_freedom, abs(noncentrality))
    )


def _chi_weights(degrees_of_freedom: float, noncentrality: float) -> Iterator[tuple[float, float]]:
    """Points s and weights that average a normal probability over S.

    In log S such an integrand is smooth and falls off on both sides, so that the trapezoid rule gains digits
    exponentially with its number of points. How close they must be follows from the steeper of the two factors.
    """
    v = degrees_of_freedom
    log_front = log(2) + v / 2 * log(v / 2) - lgamma(v / 2)
    step = 1 / (3 * max(2.5, sqrt(2 * v), noncentrality))
    for direction, k in ((1, 0), (-1, 1)):
        while True:
            u = direction * k * step
            log_weight = log_front + v * (u - exp(2 * u) / 2)
            if log_weight < -42:  # 1e-18
                break
            yield exp(u), exp(log_weight) * step
            k += 1


def _rough_detectable(degrees_of_freedom: float, normal_quantile: float, alpha: float) -> float:
    """By the normal approximation to the noncentral t (Abramowitz and Stegun, 26.7.10)."""
    reach = critical(alpha, degrees_of_freedom)
    centre = reach * (1 - 1 / (4 * degrees_of_freedom))
    return max(0.1, centre + normal_quantile * sqrt(1 + reach**2 / (2 * degrees_of_freedom)))


@lru_cache(_CACHED)
def detectable(degrees_of_freedom: float, power_wanted: float, alpha: float) -> float:
    """The smallest true difference, in standard errors, that a two-sided t-test finds with the wanted power."""
    if not alpha < power_wanted < 1:
        raise ValueError(f"power must lie between alpha and 1: {power_wanted}")
    wanted = NormalDist().inv_cdf(power_wanted)

    def miss(difference: float) -> float:
        # As a normal quantile power is all but linear in the difference: a secant needs few steps.
        return NormalDist().inv_cdf(min(power(difference, degrees_of_freedom, alpha), _BELOW_ONE)) - wanted

    now = _rough_detectable(degrees_of_freedom, wanted, alpha)
    last, missed, misses = 1.02 * now, miss(1.02 * now), miss(now)
    while (
        abs(now - last) > 1e-10 * now and misses != missed
    ):  # the step that is left would be far smaller still
        ahead = now - misses * (now - last) / (misses - missed)
        last, missed, now = now, misses, min(4 * now, max(now / 4, ahead))
        misses = miss(now)
    return now
