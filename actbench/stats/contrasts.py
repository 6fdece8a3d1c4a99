"""The difference of two arms' means, with its standard error by each of several methods.

Every method gives a difference, a standard error and degrees of freedom, and is a Student-t test from there on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, gamma, sqrt
from sys import float_info
from typing import Literal, NamedTuple

from actbench.stats import student
from actbench.stats.intervals import Estimate, Interval, mean, sd
from actbench.stats.sign_flip import SignFlip, sign_flip

Method = Literal["paired", "welch", "block", "moderated"]
METHODS: tuple[Method, ...] = ("paired", "welch", "block", "moderated")
DEFAULT_METHOD: Method = "welch"
METHOD_NAMES: dict[Method, str] = {
    "paired": "paired t",
    "welch": "Welch's t",
    "block": "block contrasts with pooled error",
    "moderated": "block contrasts with moderated error",
}
OWN_SHARE = 0.5
"""How much of the moderated variance is the pair's own; the rest is that of the other arms."""

Samples = Mapping[str, Mapping[int, float]]


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

    @property
    def interval(self) -> Interval | None:
        return self.interval_at(self.confidence)

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
    alternatives: dict[Method, Test]
    """By every method that can be had, the one used among them."""
    differences: tuple[float, ...]
    """Over the seeds that both have, in their order."""
    effect_size: float | None
    """Hedges' g: the difference in units of the two arms' pooled standard deviation, corrected for few values."""
    alpha: float
    power: float

    @property
    def test(self) -> Test:
        return self.alternatives[self.method]

    @property
    def estimate(self) -> Estimate:
        test = self.test
        return Estimate(
            test.difference,
            sd(self.differences) if test.is_paired else None,
            test.interval,
            test.n,
            test.degrees_of_freedom,
            paired=test.is_paired,
        )

    @property
    def standard_error(self) -> float | None:
        return self.test.standard_error

    @property
    def p(self) -> float | None:
        """Two-sided and unadjusted; None with one seed, or where there is no spread at all."""
        return self.test.p

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
) -> list[Contrast | None]:
    """For every pair of arms the contrast of their means; None where either has no value.

    `samples` holds arm -> seed -> value, of all arms: block methods take their error from arms beside the two.
    Neither the order of arms nor that of seeds matters.
    """
    group = _Group(samples)
    found: list[Contrast | None] = []
    for first, second in pairs:
        if not samples.get(first) or not samples.get(second) or first == second:
            found.append(None)
            continue
        tests = {name: _as_test(error, confidence) for name, error in group.errors(first, second)}
        found.append(
            Contrast(
                first=first,
                second=second,
                method=method if method in tests else "welch",
                alternatives=tests,
                differences=group.differences(first, second),
                effect_size=_hedges_g(samples[first], samples[second]),
                alpha=alpha,
                power=power,
            )
        )
    return found


class Error(NamedTuple):
    """A difference of two arms and how far it may be off."""

    difference: float
    variance: float | None
    """Of the difference."""
    degrees_of_freedom: float | None
    n: int
    is_paired: bool


def _as_test(error: Error, confidence: float) -> Test:
    return Test(
        difference=error.difference,
        standard_error=None if error.variance is None else sqrt(error.variance),
        degrees_of_freedom=error.degrees_of_freedom,
        n=error.n,
        is_paired=error.is_paired,
        confidence=confidence,
    )


class Errors:
    """The differences of many pairs of one table by one method, each made when it is asked for."""

    def __init__(self, samples: Samples, *, method: Method = DEFAULT_METHOD) -> None:
        self._group, self._method = _Group(samples), method
        fewest = min(len(values) for values in samples.values() if values)
        self.fewest_degrees_of_freedom = max(1, fewest - 1) if method == "welch" else 1
        """No pair that has an error has fewer; how many seeds two arms share is not looked up."""

    def of(self, first: str, second: str) -> Error:
        """Of two arms that have values; Welch's where the method needs seeds that they do not share."""
        welch: Error | None = None
        for name, error in self._group.errors(
            first, second
        ):  # Welch's comes first, and no other is made for it
            welch = welch or error
            if name == self._method:
                return error
        assert welch is not None
        return welch


class _Moments(NamedTuple):
    n: int
    mean: float
    variance: float


class _Residual(NamedTuple):
    arms: int
    square_sum: float
    """Of what arm and seed leave of the values, over the arms that have all of the seeds."""


class _Group:
    """The samples of a table, and what the pairs of its arms have in common."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self._seeds = {arm: frozenset(values) for arm, values in samples.items()}
        self._residuals: dict[frozenset[int], _Residual] = {}
        self._moments_of: dict[str, _Moments] = {}
        if any(value - value != 0 for values in samples.values() for value in values.values()):
            raise ValueError("samples hold a value that is not finite")

    def differences(self, first: str, second: str) -> tuple[float, ...]:
        ours, theirs = self._samples[first], self._samples[second]
        values = [ours[seed] - theirs[seed] for seed in sorted(self._seeds[first] & self._seeds[second])]
        if values and max(values) - min(values) <= _rounding((*ours.values(), *theirs.values())):
            return (mean(values),) * len(values)  # equal but for the last bits of 0.51 - 0.5
        return tuple(values)

    def errors(self, first: str, second: str) -> Iterable[tuple[Method, Error]]:
        yield "welch", _welch(self._moments(first), self._moments(second))
        differences = self.differences(first, second)
        n = len(differences)
        if not n:
            return
        value = mean(differences)
        if n == 1:
            for method in METHODS:
                if method != "welch":
                    yield method, Error(value, None, None, 1, True)
            return
        own = _variance(differences)
        yield "paired", Error(value, own / n, n - 1, n, True)
        residual = self._residual(self._seeds[first] & self._seeds[second])
        rest_freedom = (n - 1) * (residual.arms - 2)
        if not rest_freedom:
            yield "block", Error(value, own / n, n - 1, n, True)
            yield "moderated", Error(value, own / n, n - 1, n, True)
            return
        pooled = 2 * residual.square_sum / (rest_freedom + n - 1)
        yield "block", Error(value, pooled / n, rest_freedom + n - 1, n, True)
        rest = max(0.0, 2 * residual.square_sum - (n - 1) * own) / rest_freedom
        mine, others = OWN_SHARE * own, (1 - OWN_SHARE) * rest
        if mine + others == 0:
            yield "moderated", Error(value, 0.0, n - 1, n, True)
            return
        share = mine / (mine + others)
        freedom = 1 / (share**2 / (n - 1) + (1 - share) ** 2 / rest_freedom)
        yield "moderated", Error(value, (mine + others) / n, freedom, n, True)

    def _moments(self, arm: str) -> _Moments:
        if arm not in self._moments_of:
            values = list(self._samples[arm].values())
            variance = _variance(values) if len(values) > 1 else 0.0
            self._moments_of[arm] = _Moments(len(values), mean(values), variance)
        return self._moments_of[arm]

    def _residual(self, seeds: frozenset[int]) -> _Residual:
        if seeds not in self._residuals:
            order = sorted(seeds)
            arms = [arm for arm, had in sorted(self._seeds.items()) if seeds <= had]
            rows = [[self._samples[arm][seed] for seed in order] for arm in arms]
            rows = [[value - centre for value in row] for row, centre in ((row, mean(row)) for row in rows)]
            blocks = [mean(column) for column in zip(*rows, strict=True)]
            squares = [(value - block) ** 2 for row in rows for value, block in zip(row, blocks, strict=True)]
            self._residuals[seeds] = _Residual(len(arms), fsum(squares))
        return self._residuals[seeds]


def _welch(first: _Moments, second: _Moments) -> Error:
    difference, n = first.mean - second.mean, min(first.n, second.n)
    if n == 1:
        return Error(difference, None, None, n, False)
    var_first, var_second = first.variance / first.n, second.variance / second.n
    variance = var_first + var_second
    if variance == 0:
        return Error(difference, 0.0, n - 1, n, False)
    # Welch and Satterthwaite's approximation, written with shares so that tiny variances do not underflow.
    share = var_first / variance
    freedom = 1 / (share**2 / (first.n - 1) + (1 - share) ** 2 / (second.n - 1))
    return Error(difference, variance, freedom, n, False)


def _hedges_g(first: Mapping[int, float], second: Mapping[int, float]) -> float | None:
    freedom = len(first) + len(second) - 2
    if min(len(first), len(second)) < 2:
        return None
    ours, theirs = list(first.values()), list(second.values())
    pooled = ((len(ours) - 1) * _variance(ours) + (len(theirs) - 1) * _variance(theirs)) / freedom
    if pooled == 0:
        return None
    if freedom < 300:
        correction = gamma(freedom / 2) / gamma((freedom - 1) / 2) / sqrt(freedom / 2)
    else:
        correction = 1 - 3 / (4 * freedom - 1)
    return correction * (mean(ours) - mean(theirs)) / sqrt(pooled)


def _variance(values: Sequence[float]) -> float:
    centre = mean(values)
    if max(values) - min(values) <= _rounding(values):
        return 0.0
    return fsum((value - centre) ** 2 for value in values) / (len(values) - 1)


def _rounding(values: Iterable[float]) -> float:
    return 4 * float_info.epsilon * max(map(abs, values))
