"""Shown to be near: a difference is small only where the seeds rule out a large one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf, log, sqrt

from actbench.stats import student
from actbench.stats.contrasts import Contrast
from actbench.stats.intervals import mean
from actbench.stats.methods import DEFAULT_METHOD, Method
from actbench.stats.standard_errors import Samples, StandardErrors

WHOLE: tuple[Method, ...] = ("moderated", "welch")
"""Methods that tell a difference from all values of both arms."""
_MORE_THAN_ROUNDING = 1e-6


def tost(contrast: Contrast, margin: float) -> float | None:
    """p of the hypothesis that the true difference is as large as the margin, by two one-sided tests.

    None with one seed, or where the differences show no spread.
    """
    if not margin > 0:
        raise ValueError(f"margin must be above 0: {margin}")
    below, above = contrast.test.p_above(-margin), contrast.test.p_below(margin)
    return None if below is None or above is None else max(below, above)


def inside(contrast: Contrast, low: float, high: float, confidence: float = 0.90) -> bool | None:
    """Whether the interval of the difference lies inside; None where there is no interval, or one of no width."""
    interval = contrast.interval_at(confidence)
    if interval is None or not contrast.standard_error:
        return None
    return low <= interval.low and interval.high <= high


def shown_near_best(
    samples: Samples,
    margin: float,
    *,
    method: Method = DEFAULT_METHOD,
    alpha: float = 0.05,
    higher_is_better: bool = True,
    errors: StandardErrors | None = None,
) -> frozenset[str] | None:
    """The arms shown to lie within `margin` of the best arm; None where an arm has too few seeds to be judged.

    An arm is shown near when every other arm is shown, one-sided, to be less than the margin better. All others
    must be, so nothing is adjusted for their number. Over the arms, p-values are adjusted by Holm's steps; as the
    best arm is never named in error, no more than all but one can be. `errors`, if they are at hand, are the samples'.
    """
    arms = sorted(arm for arm, values in samples.items() if values)
    if not margin > 0:
        raise ValueError(f"margin must be above 0: {margin}")
    if len(arms) < 2 or any(len(samples[arm]) < 2 for arm in arms):
        return None
    sign = 1 if higher_is_better else -1
    height = {arm: sign * mean(list(samples[arm].values())) for arm in arms}
    ranked = sorted(arms, key=lambda arm: (-height[arm], arm))
    far = _Far(
        errors=errors or StandardErrors(samples),
        method=method,
        margin=margin,
        sign=sign,
        ranked=ranked,
        heights=height,
        fewest=min(len(samples[arm]) for arm in arms) - 1 if method in WHOLE else 1,
    )
    ps = {arm: p for arm in ranked if (p := far.p(arm, alpha)) is not None}
    shown: set[str] = set()
    for arm, p in sorted(ps.items(), key=lambda item: (item[1], item[0])):
        if p > alpha / min(len(arms) - 1, len(arms) - len(shown)):
            break
        shown.add(arm)
    return frozenset(shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Far:
    """Tests of the hypothesis that some other arm is better by the margin."""

    errors: StandardErrors
    method: Method
    margin: float
    sign: int
    ranked: list[str]
    """The best arm first."""
    heights: Mapping[str, float]
    """Means, the better the higher."""
    fewest: float
    """A number of degrees of freedom that no test falls below."""

    def p(self, arm: str, alpha: float) -> float | None:
        """None as soon as it is above alpha. The best of the others comes first: most often its p is the largest."""
        largest, safe = 0.0, -inf
        reach = self._reach(arm)
        for other in self._others(arm):
            # The test's t is this over a standard error: below zero it does not exceed what the widest one makes of it.
            if reach and self._above(arm, other) / reach <= safe:
                break  # nor can any that is lower still
            error = self.errors.alone(self.method, arm, other) or self.errors.without_pairs(arm, other)
            if not error or not error.variance or error.degrees_of_freedom is None:
                return None
            t = (-self.margin - self.sign * error.difference) / sqrt(error.variance)
            p = student.cdf(t, error.degrees_of_freedom)
            if p > alpha:
                return None
            if p > largest:
                largest, safe = p, self._safe(t, p, error.degrees_of_freedom, safe)
        return largest

    def _others(self, arm: str) -> Iterator[str]:
        """The best first; for methods of pairs then only those whose t, but for rounding, is the largest.

        There all have as many degrees of freedom, so that no other's p is larger.
        """
        others = [other for other in self.ranked if other != arm]
        yield others[0]
        abouts = [self._t_about(arm, other) for other in others]
        largest = max((t for t in abouts if t < inf), default=0.0)
        enough = largest - _MORE_THAN_ROUNDING * abs(largest)
        yield from (other for other, t in zip(others[1:], abouts[1:], strict=True) if t >= enough)

    def _t_about(self, arm: str, other: str) -> float:
        """Infinite where it is not known."""
        variance = self.errors.paired_about(arm, other) if self.method in ("moderated", "paired") else 0.0
        return self._above(arm, other) / sqrt(variance) if variance else inf

    def _above(self, arm: str, other: str) -> float:
        """By how much the other's lead exceeds the margin."""
        return -self.margin - (self.heights[arm] - self.heights[other])

    def _reach(self, arm: str) -> float:
        """The standard error with the widest of the arms if it were opposite to this one; 0 if nothing is known."""
        own = self.errors.error_of_mean(arm)
        if not own or self.method not in WHOLE:  # of two arms without any spread nothing is known
            return 0.0
        return own + self.errors.widest_error_of_mean

    def _safe(self, t: float, p: float, degrees_of_freedom: float, before: float) -> float:
        """Up to this t no p is larger, since tails get lighter with the degrees of freedom."""
        if degrees_of_freedom == self.fewest:
            return t
        if -log(p) < 100 * self.fewest:  # else there is no such t among numbers
            return student.quantile(p, self.fewest)
        return before
