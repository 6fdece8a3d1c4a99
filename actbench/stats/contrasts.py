"""The difference of two arms' means: its interval, its p, and what it could have shown, by each of several methods.

Every method gives a difference, a standard error and degrees of freedom, and is a Student-t test from there on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import gamma, sqrt

from actbench.stats import student
from actbench.stats.intervals import Estimate, Interval
from actbench.stats.methods import DEFAULT_METHOD, METHOD_NAMES, METHODS, Method
from actbench.stats.sign_flip import SignFlip, sign_flip
from actbench.stats.standard_errors import Error, Samples, StandardErrors

__all__ = [
    "DEFAULT_METHOD",
    "METHODS",
    "METHOD_NAMES",
    "Contrast",
    "Method",
    "Samples",
    "Test",
    "contrasts",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """A difference with what one method makes of it."""

    difference: float
    standard_error: float | None
    """None where too few values stand behind it; 0 where they show no spread at all."""
    degrees_of_freedom: float | None
    n: int
    """Number of pairs, or of the smaller side of unpaired values."""
    is_paired: bool
    confidence: float
    family_standard_error: float | None = None
    """As one test of many, where that is another; so are the degrees of freedom."""
    family_degrees_of_freedom: float | None = None

    @property
    def interval(self) -> Interval | None:
        return self.interval_at(self.confidence)

    @property
    def estimate(self) -> Estimate:
        spread = None
        if self.is_paired and self.standard_error is not None:
            spread = self.standard_error * sqrt(self.n)
        return Estimate(
            self.difference, spread, self.interval, self.n, self.degrees_of_freedom, paired=self.is_paired
        )

    def interval_at(self, confidence: float) -> Interval | None:
        if self.standard_error is None or self.degrees_of_freedom is None:
            return None
        reach = 0.0
        if self.standard_error:
            reach = student.critical(1 - confidence, self.degrees_of_freedom) * self.standard_error
        return Interval(self.difference - reach, self.difference + reach)

    @property
    def p(self) -> float | None:
        """Two-sided; None without a standard error, or with one of 0, which says nothing of further seeds."""
        return self.p_against(0.0)

    @property
    def family_p(self) -> float | None:
        """The p to be adjusted for the number of tests; by most methods `p` itself."""
        if not self.family_standard_error or self.family_degrees_of_freedom is None:
            return self.p
        t = abs(self.difference) / self.family_standard_error
        return student.two_sided_p(t, self.family_degrees_of_freedom)

    def p_against(self, difference: float) -> float | None:
        """Two-sided p of the hypothesis that the true difference is this one."""
        if not self.standard_error or self.degrees_of_freedom is None:
            return None
        return student.two_sided_p(
            abs(self.difference - difference) / self.standard_error, self.degrees_of_freedom
        )

    def p_above(self, difference: float) -> float | None:
        """One-sided p of the hypothesis that the true difference is at most this one."""
        if not self.standard_error or self.degrees_of_freedom is None:
            return None
        return student.cdf((difference - self.difference) / self.standard_error, self.degrees_of_freedom)

    def p_below(self, difference: float) -> float | None:
        """One-sided p of the hypothesis that the true difference is at least this one."""
        if not self.standard_error or self.degrees_of_freedom is None:
            return None
        return student.cdf((self.difference - difference) / self.standard_error, self.degrees_of_freedom)

    def detectable(self, power: float, alpha: float) -> float | None:
        if not self.standard_error or self.degrees_of_freedom is None:
            return None
        return self.standard_error * student.detectable(self.degrees_of_freedom, power, alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Mean of the first arm less mean of the second. What costs time is worked out when it is asked for."""

    first: str
    second: str
    method: Method
    """The one used: Welch's where the one asked for needs seeds that the two arms do not share."""
    test: Test
    """By that method; where it falls back on Welch's, with no more degrees of freedom than the smaller arm has."""
    estimate: Estimate
    """The test's, which is asked for again and again."""
    effect_size: float | None
    """Hedges' g: the difference in units of the two arms' pooled standard deviation, corrected for few values."""
    alpha: float
    power: float
    errors: StandardErrors = field(repr=False, compare=False)

    @property
    def alternatives(self) -> dict[Method, Test]:
        """By every method that can be had, the one used among them."""
        found = {name: self.errors.of(name, self.first, self.second) for name in METHODS}
        return {name: _as_test(error, self.test.confidence) for name, error in found.items() if error}

    @property
    def differences(self) -> tuple[float, ...]:
        """Over the seeds that both have, in their order."""
        return self.errors.differences(self.first, self.second)

    @property
    def standard_error(self) -> float | None:
        return self.test.standard_error

    @property
    def p(self) -> float | None:
        """Two-sided and unadjusted; None with one seed, or where there is no spread at all."""
        return self.test.p

    @property
    def family_p(self) -> float | None:
        """The p to be adjusted for the number of tests; see `multiplicity.adjusted`."""
        return self.test.family_p

    @property
    def detectable(self) -> float | None:
        """The smallest true difference found with the wanted power at level alpha, if the spread is as seen."""
        return self.test.detectable(self.power, self.alpha)

    @property
    def sign_flip(self) -> SignFlip | None:
        return sign_flip(self.differences)

    def interval_at(self, confidence: float) -> Interval | None:
        return self.test.interval_at(confidence)


def contrasts(
    samples: Samples,
    pairs: Sequence[tuple[str, str]],
    *,
    method: Method = DEFAULT_METHOD,
    confidence: float = 0.95,
    alpha: float = 0.05,
    power: float = 0.8,
    errors: StandardErrors | None = None,
) -> list[Contrast | None]:
    """For every pair of arms the contrast of their means; None where either has no value.

    `samples` holds arm -> seed -> value, of all arms: block methods take their error from arms beside the two.
    Neither the order of arms nor that of seeds matters. `errors`, if they are at hand, are the samples'.
    """
    errors = errors or StandardErrors(samples)
    found: list[Contrast | None] = []
    for first, second in pairs:
        if not samples.get(first) or not samples.get(second) or first == second:
            found.append(None)
            continue
        error, used = errors.of(method, first, second), method
        if error is None:
            error, used = errors.without_pairs(first, second), "welch"
        freedom = len(samples[first]) + len(samples[second]) - 2
        test = _as_test(error, confidence)
        found.append(
            Contrast(
                first=first,
                second=second,
                method=used,
                test=test,
                estimate=test.estimate,
                effect_size=_hedges_g(error.difference, errors.pooled_variance(first, second), freedom),
                alpha=alpha,
                power=power,
                errors=errors,
            )
        )
    return found


def _as_test(error: Error, confidence: float) -> Test:
    variance, freedom = error.in_family or (None, None)
    return Test(
        difference=error.difference,
        standard_error=None if error.variance is None else sqrt(error.variance),
        degrees_of_freedom=error.degrees_of_freedom,
        n=error.n,
        is_paired=error.is_paired,
        confidence=confidence,
        family_standard_error=None if variance is None else sqrt(variance),
        family_degrees_of_freedom=freedom,
    )


def _hedges_g(difference: float, variance: float | None, degrees_of_freedom: int) -> float | None:
    if not variance:
        return None
    half = degrees_of_freedom / 2
    # gamma() ends at 171; the approximation is then good to nine digits
    correction = gamma(half) / gamma(half - 0.5) / sqrt(half) if half < 170 else 1 - 3 / (8 * half - 1)
    return correction * difference / sqrt(variance)
