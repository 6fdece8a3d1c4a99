"""Shown to be near: a difference is small only where the seeds rule out a large one."""

from actbench.stats.contrasts import DEFAULT_METHOD, Contrast, Method, Samples, Tests
from actbench.stats.intervals import mean


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
) -> frozenset[str] | None:
    """The arms shown to lie within `margin` of the best arm; None where an arm has too few seeds to be judged.

    An arm is shown near when every other arm is shown, one-sided, to be less than the margin better. All others
    must be, so nothing is adjusted for their number. Over the arms, p-values are adjusted by Holm's steps; as the
    best arm is never named in error, no more than all but one can be.
    """
    arms = sorted(arm for arm, values in samples.items() if values)
    if not margin > 0:
        raise ValueError(f"margin must be above 0: {margin}")
    if len(arms) < 2 or any(len(samples[arm]) < 2 for arm in arms):
        return None
    sign = 1 if higher_is_better else -1
    height = {arm: sign * mean(list(samples[arm].values())) for arm in arms}
    ranked = sorted(arms, key=lambda arm: (-height[arm], arm))
    tests = Tests(samples, method=method)
    ps = {arm: p for arm in ranked if (p := _p_far(tests, arm, ranked, margin, sign, alpha)) is not None}
    shown: set[str] = set()
    for arm, p in sorted(ps.items(), key=lambda item: (item[1], item[0])):
        if p > alpha / min(len(arms) - 1, len(arms) - len(shown)):
            break
        shown.add(arm)
    return frozenset(shown)


def _p_far(tests: Tests, arm: str, others: list[str], margin: float, sign: int, alpha: float) -> float | None:
    """p of the hypothesis that some other arm is better by the margin; None as soon as it is above alpha."""
    largest = 0.0
    for other in others:
        if other == arm:
            continue
        test = tests.of(arm, other)
        p = test.p_above(-margin) if sign == 1 else test.p_below(margin)
        if p is None or p > alpha:
            return None
        largest = max(largest, p)
    return largest
