"""The standard error of a difference of means, by each method, from all that a table's arms tell."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from math import fsum, sqrt
from operator import mul, sub
from statistics import median
from sys import float_info
from typing import NamedTuple

from actbench.stats.intervals import mean
from actbench.stats.methods import Method, moderation

Samples = Mapping[str, Mapping[int, float]]
"""Arm -> seed -> value."""

ROUNDING = 4 * float_info.epsilon
"""Share of the largest value within which two differences are the same."""
FEWEST_TO_CORRELATE = 3
"""Shared seeds from which a correlation can be had: two always lie on a line."""
NO_SPREAD = 1e-9
"""Share of two arms' variances below which that of their difference is rounding."""


class Error(NamedTuple):
    """What a method makes of two arms."""

    difference: float
    variance: float | None
    """Of the difference; None with too few values, 0 where they show no spread."""
    degrees_of_freedom: float | None
    n: int
    """Number of pairs, or of the smaller side of unpaired values."""
    is_paired: bool = False
    in_family: tuple[float, float] | None = None
    """Variance and degrees of freedom of the test as one of many, where that is another."""


class _Moments(NamedTuple):
    n: int
    mean: float
    variance: float


class _Together(NamedTuple):
    """Sum over pairs of arms, of their shared seeds' products in units of the arms' deviations and of what it would
    be at a correlation of 1."""

    products: float
    at_one: float


class StandardErrors:
    """Of any two arms of one table that have values."""

    def __init__(self, samples: Samples) -> None:
        if any(value - value != 0 for values in samples.values() for value in values.values()):
            raise ValueError("samples hold a value that is not finite")
        self._samples = {arm: dict(sorted(samples[arm].items())) for arm in sorted(samples) if samples[arm]}
        self._seeds = {arm: frozenset(values) for arm, values in self._samples.items()}
        self._largest = {arm: max(map(abs, values.values())) for arm, values in self._samples.items()}
        self._squares: dict[frozenset[int], tuple[float, int]] = {}
        self._about: dict[tuple[str, str], float] = {}

    def of(self, method: Method, first: str, second: str) -> Error | None:
        """None where a method lacks pairs: all but Welch's need a seed in common, the moderated the same seeds."""
        by: dict[Method, Callable[[str, str], Error | None]] = {
            "moderated": self._moderated,
            "welch": self._welch,
            "paired": self._paired,
            "block": self._block,
        }
        return by[method](first, second)

    def alone(self, method: Method, first: str, second: str) -> Error | None:
        """The same without what the test is as one of many."""
        if method == "moderated":
            return self._paired(first, second) if self._seeds[first] == self._seeds[second] else None
        return self.of(method, first, second)

    def differences(self, first: str, second: str) -> tuple[float, ...]:
        """Over the seeds that both have, in their order."""
        ours, theirs = self._samples[first], self._samples[second]
        if self._seeds[first] == self._seeds[second]:
            values = list(map(sub, ours.values(), theirs.values()))
        else:
            values = [value - theirs[seed] for seed, value in ours.items() if seed in theirs]
        if values and max(values) - min(values) <= self._rounding(first, second):
            return (mean(values),) * len(values)  # equal but for the last bits of 0.51 - 0.5
        return tuple(values)

    def _rounding(self, first: str, second: str) -> float:
        return ROUNDING * max(self._largest[first], self._largest[second])

    def error_of_mean(self, arm: str) -> float:
        """The standard error of the arm's mean."""
        return self._errors_of_means[arm]

    @cached_property
    def widest_error_of_mean(self) -> float:
        """The largest standard error of an arm's mean."""
        return max(self._errors_of_means.values())

    @cached_property
    def _errors_of_means(self) -> dict[str, float]:
        return {arm: sqrt(moments.variance / moments.n) for arm, moments in self._moments.items()}

    def paired_about(self, first: str, second: str) -> float:
        """The variance of the mean of the differences, but for rounding, in a fraction of the time; 0 if not known."""
        pair = (first, second) if first < second else (second, first)
        variance = self._about.get(pair)
        if variance is None:
            self._about[pair] = variance = self._variance_about(first, second)
        return variance

    def _variance_about(self, first: str, second: str) -> float:
        ours, theirs = self._centred.get(first), self._centred.get(second)
        if ours is None or theirs is None:
            return 0.0
        n, apart = len(ours), self._errors_of_means[first] ** 2 + self._errors_of_means[second] ** 2
        variance = apart - 2 * sum(map(mul, ours, theirs)) / (n - 1) / n
        return variance if variance > 1e-6 * apart else 0.0

    @cached_property
    def _centred(self) -> dict[str, list[float]]:
        """Distances from the arm's mean by seed; of no arm unless all have the same seeds, and more than one."""
        if len({*self._seeds.values()}) > 1 or any(moments.n < 2 for moments in self._moments.values()):
            return {}
        return {
            arm: [value - self._moments[arm].mean for value in values.values()]
            for arm, values in self._samples.items()
        }

    def pooled_variance(self, first: str, second: str) -> float | None:
        """Of single values, over both arms; None if either has one alone."""
        ours, theirs = self._moments[first], self._moments[second]
        if min(ours.n, theirs.n) < 2:
            return None
        total = (ours.n - 1) * ours.variance + (theirs.n - 1) * theirs.variance
        return total / (ours.n + theirs.n - 2)

    def without_pairs(self, first: str, second: str) -> Error:
        """Welch's test for arms that do not have the same seeds, with no more degrees of freedom than the smaller arm.

        Where sizes differ and the smaller arm deviates more, Satterthwaite's are too many: at two values against ten a
        test at 5 % errs in 11 %.
        """
        error = self._welch(first, second)
        if error.degrees_of_freedom is None or self._moments[first].n == self._moments[second].n:
            return error
        return error._replace(degrees_of_freedom=min(error.degrees_of_freedom, error.n - 1))

    def _welch(self, first: str, second: str) -> Error:
        ours, theirs = self._moments[first], self._moments[second]
        return _unpaired(ours, theirs, (ours.variance, theirs.variance), 0, 0)

    def _moderated(self, first: str, second: str) -> Error | None:
        """The paired test; in a family one with the arms' covariance, and variances nearer to the table's usual.

        There the correlation is the lesser of the two arms' own and of that between all other pairs: either alone
        would be taken for larger than it is, the own by chance and the others' where these two are unlike them.
        """
        if self._seeds[first] != self._seeds[second]:
            return None
        alone = self._paired(first, second)
        if alone is None or not alone.variance:
            return alone
        ours, theirs = self._moments[first], self._moments[second]
        lent, usual = self._lent
        near = [((m.n - 1) * m.variance + lent * usual) / (m.n - 1 + lent) for m in (ours, theirs)]
        among = _unpaired(ours, theirs, (near[0], near[1]), self._correlation(first, second) * ours.n, lent)
        if not among.variance or among.degrees_of_freedom is None:
            return alone
        return alone._replace(in_family=(among.variance, among.degrees_of_freedom))

    def _paired(self, first: str, second: str) -> Error | None:
        differences = self.differences(first, second)
        n = len(differences)
        if not n:
            return None
        centre = mean(differences)
        if n == 1:
            return Error(centre, None, None, 1, True)
        far = [value - centre for value in differences]
        variance = 0.0 if differences.count(centre) == n else fsum(map(mul, far, far)) / (n - 1)
        return Error(centre, variance / n, n - 1, n, True)

    def _block(self, first: str, second: str) -> Error | None:
        """Over the seeds that both share, with the error of all arms that have these seeds too."""
        paired = self._paired(first, second)
        if paired is None or paired.variance is None:
            return paired
        squares, arms = self._residual_squares(self._seeds[first] & self._seeds[second])
        freedom = (paired.n - 1) * (arms - 1)
        return paired._replace(variance=2 * squares / freedom / paired.n, degrees_of_freedom=freedom)

    @cached_property
    def _moments(self) -> dict[str, _Moments]:
        return {
            arm: _Moments(len(values), mean(list(values.values())), _variance(list(values.values())))
            for arm, values in self._samples.items()
        }

    @cached_property
    def _lent(self) -> tuple[float, float]:
        """The degrees of freedom that every arm is lent, and the variance they are worth: a median, so that one arm
        that goes astray costs the others nothing."""
        # A median of chi-squared over f degrees of freedom is f (1 - 2/9f)^3 (Wilson and Hilferty).
        typical = [m.variance / (1 - 2 / (9 * (m.n - 1))) ** 3 for m in self._moments.values() if m.variance]
        return moderation(len(typical)), median(typical) if typical else 0.0

    @cached_property
    def _scores(self) -> dict[str, dict[int, float]]:
        """Distances from the arm's mean in units of its deviation."""
        return {
            arm: {
                seed: (value - moments.mean) / sqrt(moments.variance)
                for seed, value in self._samples[arm].items()
            }
            for arm, moments in self._moments.items()
            if moments.variance
        }

    @cached_property
    def _all_together(self) -> _Together:
        """Over all pairs. Sums per set of seeds stand for the pairs, of which there are too many."""
        sets: dict[frozenset[int], list[dict[int, float]]] = {}
        for arm, scores in self._scores.items():
            sets.setdefault(self._seeds[arm], []).append(scores)
        products, at_one = [], 0
        sums = {seeds: {s: fsum(arm[s] for arm in arms) for s in seeds} for seeds, arms in sets.items()}
        order = list(sets)
        for place, ours in enumerate(order):
            for theirs in order[: place + 1]:
                shared = ours & theirs
                if len(shared) < FEWEST_TO_CORRELATE:
                    continue
                if ours == theirs:
                    count = len(sets[ours])
                    at_one += (len(shared) - 1) * count * (count - 1) // 2
                    products += [sums[ours][s] ** 2 / 2 for s in shared]
                    products += [-(arm[s] ** 2) / 2 for arm in sets[ours] for s in shared]
                else:
                    at_one += (len(shared) - 1) * len(sets[ours]) * len(sets[theirs])
                    products += [sums[ours][s] * sums[theirs][s] for s in shared]
        return _Together(fsum(products), at_one)

    def _correlation(self, first: str, second: str) -> float:
        shared = self._seeds[first] & self._seeds[second]
        ours, theirs = self._scores.get(first), self._scores.get(second)
        if len(shared) < FEWEST_TO_CORRELATE or ours is None or theirs is None:
            return 0.0
        if len(shared) == len(ours) == len(theirs):
            own = fsum(map(mul, ours.values(), theirs.values()))
        else:
            own = fsum(ours[seed] * theirs[seed] for seed in shared)
        freedom = len(shared) - 1
        others = self._all_together.at_one - freedom
        if not others:
            return 0.0
        return min(1.0, max(0.0, min(own / freedom, (self._all_together.products - own) / others)))

    def _residual_squares(self, seeds: frozenset[int]) -> tuple[float, int]:
        """Of what arm and seed leave of the values, over the arms that have all seeds, with these arms' number."""
        if seeds not in self._squares:
            arms = [arm for arm, had in self._seeds.items() if seeds <= had]
            rows = [[self._samples[arm][seed] for seed in sorted(seeds)] for arm in arms]
            rows = [[value - centre for value in row] for row, centre in ((row, mean(row)) for row in rows)]
            blocks = [mean(column) for column in zip(*rows, strict=True)]
            squares = fsum((v - block) ** 2 for row in rows for v, block in zip(row, blocks, strict=True))
            most = max(abs(value) for arm in arms for value in self._samples[arm].values())
            rounding = (ROUNDING * most) ** 2 * len(arms) * len(seeds)
            self._squares[seeds] = (squares if squares > rounding else 0.0, len(arms))
        return self._squares[seeds]


def _unpaired(
    first: _Moments, second: _Moments, variances: tuple[float, float], overlap: float, lent: float
) -> Error:
    """Welch's test; `overlap` is the correlation times the number of shared seeds, `lent` adds degrees of freedom."""
    difference, n = first.mean - second.mean, min(first.n, second.n)
    if n == 1:
        return Error(difference, None, None, n)
    ours, theirs = variances[0] / first.n, variances[1] / second.n
    both = ours + theirs
    shared = overlap / sqrt(first.n * second.n)
    variance = both - 2 * shared * sqrt(ours * theirs)
    if variance <= NO_SPREAD * both:
        return Error(difference, 0.0, n - 1, n)
    # Welch and Satterthwaite's approximation, written with shares so that tiny variances do not underflow; what the
    # arms have in common is known no better for having been seen in both.
    spread = (ours / both) ** 2 / (first.n - 1 + lent) + (theirs / both) ** 2 / (second.n - 1 + lent)
    return Error(difference, variance, 1 / spread / (1 + shared**2), n)


def _variance(values: Sequence[float]) -> float:
    """Of at least two values; 0 for one."""
    centre = mean(values)
    if max(values) - min(values) <= _rounding(values):
        return 0.0
    return fsum((value - centre) ** 2 for value in values) / (len(values) - 1)


def _rounding(values: Iterable[float]) -> float:
    return ROUNDING * max(map(abs, values))
