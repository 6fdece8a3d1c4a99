"""Intervals over seeds and test examples, both of them samples: would other seeds and other examples agree?

Every run is one integer whose bit i says whether example i was right. Seeds and examples are crossed, every seed
having met every example. How many runs had example i right is kept in binary over all examples at once, a digit an
integer; sums of products of such numbers follow from counts of common bits, so that no bit is ever taken out of its
integer, and the work grows with the number of runs and not with its square.
"""

from collections.abc import Collection, Mapping, Sequence
from math import sqrt
from typing import NamedTuple

from actbench.stats import student
from actbench.stats.contrasts import Contrast
from actbench.stats.intervals import Interval


class _Part(NamedTuple):
    variance: float
    degrees_of_freedom: float


def crossed_mean(bits: Collection[int], total: int, confidence: float = 0.95) -> Interval | None:
    """The interval of the mean accuracy over all runs; None for one run."""
    n = len(bits)
    if n < 2 or total < 2:
        return None
    runs = _added(bits)
    count = sum(runs.counts)
    seeds = _Part(_spread(sorted(runs.counts)) / total**2 / n, n - 1)
    return _interval(
        count / (n * total), seeds, _examples(runs.squares, count, total, n), _noise(runs, total), confidence
    )


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
    ours, theirs = _added(first.values()), _added(second.values())
    n, m, products = len(ours.counts), len(theirs.counts), _products(ours.digits, theirs.digits)
    square_sum = ours.squares / n**2 - 2 * products / (n * m) + theirs.squares / m**2
    shift = sum(ours.counts) / n - sum(theirs.counts) / m
    between = max(0.0, square_sum - shift**2 / total) / (total - 1) / total
    if contrast.test.is_paired:
        unequal = sum((a ^ b).bit_count() for a, b in zip(first.values(), second.values(), strict=True))
        noise = _paired_noise(ours, theirs, products, unequal, total)
    else:
        noise = _noise(ours, total) + _noise(theirs, total)
    return _interval(
        contrast.test.difference, _Part(error**2, freedom), _Part(between, total - 1), noise, confidence
    )


class _Added(NamedTuple):
    """Several runs together."""

    runs: tuple[int, ...]
    """Kept, so that while this is known no other number gets the identity of one of them."""
    counts: tuple[int, ...]
    """Of each run how many examples it had right."""
    digits: tuple[int, ...]
    """Of the number of runs that had an example right, lowest first."""
    squares: int
    """Sum over the examples of that number's square."""


_known: dict[tuple[int, ...], _Added] = {}
_MOST_KNOWN = 1024
"""Sets of runs: an arm stands against several others, a baseline against all."""


def _added(bits: Collection[int]) -> _Added:
    # By identity, since to hash numbers of thousands of digits takes longer than the work that is saved.
    key = tuple(map(id, bits))
    if key not in _known:
        if len(_known) == _MOST_KNOWN:
            _known.clear()
        digits: list[int] = []
        for carried in bits:
            for place, digit in enumerate(digits):
                digits[place], carried = digit ^ carried, digit & carried
            if carried:
                digits.append(carried)
        runs = tuple(bits)
        counts = tuple(run.bit_count() for run in runs)
        _known[key] = _Added(runs, counts, tuple(digits), _products(digits, digits))
    return _known[key]


def _products(first: Sequence[int], second: Sequence[int]) -> int:
    """Sum over the examples of the product of two numbers given by their digits."""
    if first is second:
        n = len(first)
        upper = sum((first[i] & first[j]).bit_count() << i + j for i in range(n) for j in range(i + 1, n))
        return 2 * upper + sum(digit.bit_count() << 2 * i for i, digit in enumerate(first))
    return sum((a & b).bit_count() << i + j for i, a in enumerate(first) for j, b in enumerate(second))


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


def _examples(ones: int, count: int, total: int, n: int) -> _Part:
    """The variance that the choice of examples gives to the mean over n runs."""
    return _Part((ones - count**2 / total) / n**2 / (total - 1) / total, total - 1)


def _spread(counts: Sequence[int]) -> float:
    """The counts' variance, exact until the division."""
    n = len(counts)
    return (n * sum(count * count for count in counts) - sum(counts) ** 2) / (n * (n - 1))


def _noise(runs: _Added, total: int) -> float:
    """What neither seed nor example explains, as a share in the variance of the mean."""
    n, grand = len(runs.counts), sum(runs.counts)
    rest = grand - sum(c * c for c in runs.counts) / total - runs.squares / n + grand**2 / (n * total)
    return max(0.0, rest) / ((n - 1) * (total - 1)) / (n * total)


def _paired_noise(first: _Added, second: _Added, products: int, unequal: int, total: int) -> float:
    n = len(first.counts)
    shifts = [a - b for a, b in zip(first.counts, second.counts, strict=True)]
    common = first.squares - 2 * products + second.squares
    rest = unequal - sum(s * s for s in shifts) / total - common / n + sum(shifts) ** 2 / (n * total)
    return max(0.0, rest) / ((n - 1) * (total - 1)) / (n * total)
