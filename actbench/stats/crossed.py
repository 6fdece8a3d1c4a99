"""Intervals over seeds and test examples, both of them samples: would other seeds and other examples agree?

Every run is one integer whose bit i says whether example i was right. Seeds and examples are crossed, every seed
having met every example. Sums of squares over examples follow from counts of common bits:
sum_i (sum_s b_si)^2 = sum_st |b_s & b_t|, so that no bit is ever taken out of its integer.
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import NamedTuple

from actbench.stats import student
from actbench.stats.contrasts import Contrast
from actbench.stats.intervals import Interval


class _Part(NamedTuple):
    variance: float
    degrees_of_freedom: float


def crossed_mean(bits: Sequence[int], total: int, confidence: float = 0.95) -> Interval | None:
    """The interval of the mean accuracy over all runs; None for one run."""
    n = len(bits)
    if n < 2 or total < 2:
        return None
    counts = sorted(run.bit_count() for run in bits)
    value = sum(counts) / (n * total)
    seeds = _Part(_spread(counts) / total**2 / n, n - 1)
    ones = _common(bits, bits)
    return _interval(value, seeds, _examples(ones, sum(counts), total, n), _noise([bits], total), confidence)


def crossed_difference(
    contrast: Contrast,
    first: Mapping[int, int],
    second: Mapping[int, int],
    total: int,
    confidence: float = 0.95,
) -> Interval | None:
    """The interval of a difference of accuracies, `contrast`'s widened by the choice of test examples.

    `first` and `second` hold seed -> bits of the runs that stand behind the contrast. None with one seed.
    """
    error, freedom = contrast.test.standard_error, contrast.test.degrees_of_freedom
    if error is None or freedom is None or total < 2:
        return None
    if contrast.test.is_paired:
        shared = sorted(first.keys() & second.keys())
        first, second = {s: first[s] for s in shared}, {s: second[s] for s in shared}
    ours, theirs = list(first.values()), list(second.values())
    n, m = len(ours), len(theirs)
    square_sum = (
        _common(ours, ours) / n**2 - 2 * _common(ours, theirs) / (n * m) + _common(theirs, theirs) / m**2
    )
    shift = sum(run.bit_count() for run in ours) / n - sum(run.bit_count() for run in theirs) / m
    between = max(0.0, square_sum - shift**2 / total) / (total - 1) / total
    noise = 0.0
    if contrast.test.is_paired:
        noise = _paired_noise(ours, theirs, total)
    else:
        noise = _noise([ours], total) + _noise([theirs], total)
    return _interval(
        contrast.test.difference, _Part(error**2, freedom), _Part(between, total - 1), noise, confidence
    )


def _interval(value: float, seeds: _Part, examples: _Part, noise: float, confidence: float) -> Interval:
    """Both parts hold the noise of single answers, which is to be counted once."""
    variance = max(seeds.variance + examples.variance - noise, seeds.variance, examples.variance)
    if variance == 0:
        return Interval(value, value)
    spread = seeds.variance**2 / seeds.degrees_of_freedom + examples.variance**2 / examples.degrees_of_freedom
    freedom = max(seeds.degrees_of_freedom, variance**2 / spread)
    reach = student.critical(1 - confidence, freedom) * sqrt(variance)
    if seeds.variance:  # a second kind of chance can only widen
        reach = max(reach, student.critical(1 - confidence, seeds.degrees_of_freedom) * sqrt(seeds.variance))
    return Interval(value - reach, value + reach)


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    if first is second:
        n = len(first)
        upper = sum((first[i] & first[j]).bit_count() for i in range(n) for j in range(i + 1, n))
        return 2 * upper + sum(run.bit_count() for run in first)
    return sum((ours & theirs).bit_count() for ours in first for theirs in second)


def _examples(ones: int, count: int, total: int, n: int) -> _Part:
    """The variance that the choice of examples gives to the mean over n runs."""
    return _Part((ones - count**2 / total) / n**2 / (total - 1) / total, total - 1)


def _spread(counts: Sequence[int]) -> float:
    """The counts' variance, exact until the division."""
    n = len(counts)
    return (n * sum(count * count for count in counts) - sum(counts) ** 2) / (n * (n - 1))


def _noise(groups: Sequence[Sequence[int]], total: int) -> float:
    """What neither seed nor example explains, as a share in the variance of the mean."""
    (bits,) = groups
    n = len(bits)
    counts = [run.bit_count() for run in bits]
    grand, common = sum(counts), _common(bits, bits)
    rest = grand - sum(c * c for c in counts) / total - common / n + grand**2 / (n * total)
    return max(0.0, rest) / ((n - 1) * (total - 1)) / (n * total)


def _paired_noise(first: Sequence[int], second: Sequence[int], total: int) -> float:
    n = len(first)
    shifts = [a.bit_count() - b.bit_count() for a, b in zip(first, second, strict=True)]
    unequal = sum((a ^ b).bit_count() for a, b in zip(first, second, strict=True))
    common = _common(first, first) - 2 * _common(first, second) + _common(second, second)
    rest = unequal - sum(s * s for s in shifts) / total - common / n + sum(shifts) ** 2 / (n * total)
    return max(0.0, rest) / ((n - 1) * (total - 1)) / (n * total)
