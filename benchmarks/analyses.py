"""Which analysis of a table errs how often and finds how much: the simulation behind the default method.

    python benchmarks/analyses.py [--tables 10000]

Prints the tables of docs/statistics.md. Every table simulated has one or two baselines and one to five other arms;
every arm is tested against every baseline, and of two baselines one against the other. The methods are those of
`actbench.stats`, over many tables at once; a test holds them equal to it.
"""

import argparse
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr, stdtrit

from actbench.stats.methods import moderation
from actbench.stats.multiplicity import fewest_moderated

Numbers = NDArray[np.float64]
Truths = NDArray[np.bool_]

LEVEL = 0.05
RATIO = 3.0
SEEDS = (3, 4, 5, 7, 10)
CORRELATIONS = (0.0, 0.5, 0.9)
FAMILIES = ((2, 1), (2, 3), (2, 5), (1, 4))
"""Baselines, other arms."""
NAMES = ("paired", "welch", "block", "moderated")


_FREEDOMS = np.geomspace(0.5, 100, 1000)


@cache
def _criticals(level: float) -> Numbers:
    found: Numbers = -stdtrit(_FREEDOMS, level / 2)
    return found


class Student(NamedTuple):
    """One pair's test in every table."""

    t: Numbers
    freedom: Numbers | float

    def p(self) -> Numbers:
        p: Numbers = 2 * stdtr(self.freedom, -self.t)
        return p

    def is_below(self, level: float) -> Truths:
        """Whether p is; ten times as fast as p."""
        found: Truths = self.t > np.interp(self.freedom, _FREEDOMS, _criticals(level))
        return found


class Test(NamedTuple):
    alone: Student
    in_family: Student


def draw(
    rng: np.random.Generator,
    tables: int,
    n: int,
    deviations: Sequence[float],
    correlation: float,
    scaled: bool,
) -> Numbers:
    """Values (tables, seeds, arms) without any true difference.

    What a seed does to all arms is scaled by each arm's deviation, so that every two arms have the correlation; or
    added as it is, so that the smallest deviation's arms have it and an arm that deviates more has more of its own.
    """
    sd = np.array(deviations, dtype=float)
    shared, own = rng.standard_normal((tables, n, 1)), rng.standard_normal((tables, n, len(sd)))
    loading = np.sqrt(correlation) * (sd if scaled else np.full_like(sd, sd.min()))
    values: Numbers = loading * shared + np.sqrt(sd**2 - loading**2) * own
    return values


def pairs_of(baselines: int, others: int) -> list[tuple[int, int]]:
    arms = range(baselines + others)
    return [(arm, base) for base in range(baselines) for arm in arms if arm > base]


def deviations_of(baselines: int, others: int) -> Iterator[tuple[str, list[float]]]:
    """Equal deviations, and who has three times the others'."""
    k = baselines + others
    choices = {
        "none": set[int](),
        "one arm": {baselines},
        "one baseline": {0},
        "baselines": set(range(baselines)),
        "half": set(range(0, k, 2)),
        "all but one arm": set(range(k)) - {baselines},
        "all but one baseline": set(range(1, k)),
    }
    for name, wide in choices.items():
        yield name, [RATIO if arm in wide else 1.0 for arm in range(k)]


class Tables:
    """What the methods need of many tables."""

    def __init__(self, values: Numbers) -> None:
        self.n, self.arms = values.shape[1:]
        centred = values - values.mean(1, keepdims=True)
        self.means = values.mean(1)
        self.covariance = np.einsum("rik,ril->rkl", centred, centred) / (self.n - 1)
        self.variances = np.einsum("rkk->rk", self.covariance)
        sd = np.sqrt(self.variances)
        self.correlations = self.covariance / sd[:, :, None] / sd[:, None, :]
        self.together = (self.correlations.sum((1, 2)) - self.arms) / 2
        freedom = self.n - 1
        self.usual = np.median(self.variances, 1) / (1 - 2 / (9 * freedom)) ** 3

    def test(self, name: str, first: int, second: int) -> Test:
        alone = "paired" if name == "moderated" else name
        distance = np.abs(self.means[:, first] - self.means[:, second])
        found = {}
        for form in {alone, name}:
            variance, freedom = self._error(form, first, second)
            found[form] = Student(distance / np.sqrt(variance / self.n), freedom)
        return Test(found[alone], found[name])

    def _error(self, name: str, first: int, second: int) -> tuple[Numbers, Numbers | float]:
        """Variance of one seed's difference, and degrees of freedom."""
        ours, theirs = self.variances[:, first], self.variances[:, second]
        freedom = self.n - 1
        if name == "paired":
            return ours + theirs - 2 * self.covariance[:, first, second], freedom
        if name == "welch":
            return ours + theirs, freedom * (ours + theirs) ** 2 / (ours**2 + theirs**2)
        if name == "block":
            rest = self.variances.sum(1) - self.covariance.sum((1, 2)) / self.arms
            return 2 * rest / (self.arms - 1), freedom * (self.arms - 1)
        return self._moderated(first, second)

    def _moderated(self, first: int, second: int) -> tuple[Numbers, Numbers]:
        pairs = self.arms * (self.arms - 1) // 2
        own = self.correlations[:, first, second]
        r = np.zeros_like(own)
        if self.n > 2 and pairs > 1:
            r = np.clip(np.minimum(own, (self.together - own) / (pairs - 1)), 0, 1)
        lent = moderation(self.arms)
        freedom = self.n - 1 + lent
        ours, theirs = (
            ((self.n - 1) * self.variances[:, arm] + lent * self.usual) / freedom for arm in (first, second)
        )
        variance = ours + theirs - 2 * r * np.sqrt(ours * theirs)
        return variance, freedom * (ours + theirs) ** 2 / (ours**2 + theirs**2) / (1 + r * r)

    def interval_holds(self, name: str, first: int, second: int) -> float:
        """How often the 95 % interval holds the true difference, which is 0."""
        return float((~self.test(name, first, second).alone.is_below(LEVEL)).mean())


def finds(tests: Sequence[Test]) -> Truths:
    """What the steps of `multiplicity.adjusted` find, (tests, tables)."""
    p = np.array([test.in_family.p() for test in tests])
    alone = np.array([np.broadcast_to(test.alone.p(), p.shape[1:]) for test in tests])
    order = np.argsort(p, axis=0)
    left = (len(p) - np.arange(len(p)))[:, None]
    steps = np.take_along_axis(p, order, 0)
    own = np.take_along_axis(alone, order, 0)
    steps = np.where(left > fewest_moderated(len(p)), steps, np.maximum(steps, own))
    passed = np.logical_and.accumulate(steps * left <= LEVEL, axis=0)
    found = np.zeros_like(passed)
    np.put_along_axis(found, order, passed, 0)
    result: Truths = found & (alone < LEVEL)
    return result


def errs(tests: Sequence[Test], family: int) -> float:
    """How often any of the tests, all of no difference, is found, as long as all others of the family have been."""
    level = LEVEL / len(tests)
    own = level if len(tests) <= fewest_moderated(family) else LEVEL
    hit = [test.in_family.is_below(level) & test.alone.is_below(own) for test in tests]
    return float(np.any(hit, axis=0).mean())


class Rate(NamedTuple):
    rate: float
    where: str


def settings(seeds: Sequence[int]) -> Iterator[tuple[int, float, bool]]:
    for n in seeds:
        for correlation in CORRELATIONS:
            for scaled in (True, False) if correlation else (True,):
                yield n, correlation, scaled


def error_rates(
    rng: np.random.Generator, tables: int, names: Sequence[str] = NAMES, seeds: Sequence[int] = SEEDS
) -> dict[tuple[str, int], list[Rate]]:
    """The family-wise error of tables without any difference, (method, seeds) -> all settings."""
    found: dict[tuple[str, int], list[Rate]] = {}
    for n, correlation, scaled in settings(seeds):
        for baselines, others in FAMILIES:
            for wide, deviations in deviations_of(baselines, others):
                made = Tables(draw(rng, tables, n, deviations, correlation, scaled))
                where = f"{baselines}+{others} arms, wide: {wide}, correlation {correlation:g}"
                for name in names:
                    tests = [made.test(name, *pair) for pair in pairs_of(baselines, others)]
                    rate = errs(tests, len(tests))
                    found.setdefault((name, n), []).append(Rate(rate, where))
    return found


def partial_error_rates(
    rng: np.random.Generator, tables: int, names: Sequence[str] = NAMES, seeds: Sequence[int] = SEEDS
) -> dict[tuple[str, int], list[Rate]]:
    """The same where arms differ so much that every test between unequal ones is found, and only those remain that
    are among equals: the worst choice of equals, in tables of two baselines and three arms."""
    found: dict[tuple[str, int], list[Rate]] = {}
    pairs = pairs_of(2, 3)
    chosen = [set(equals) for size in (2, 3, 4) for equals in combinations(range(5), size)]
    for n, correlation, scaled in settings(seeds):
        for wide, deviations in deviations_of(2, 3):
            made = Tables(draw(rng, tables, n, deviations, correlation, scaled))
            for name in names:
                tests = {pair: made.test(name, *pair) for pair in pairs}
                for equals in chosen:
                    among = [test for pair, test in tests.items() if equals.issuperset(pair)]
                    if among:
                        where = f"equal: {sorted(equals)}, wide: {wide}, correlation {correlation:g}"
                        found.setdefault((name, n), []).append(Rate(errs(among, len(pairs)), where))
    return found


GAPS = {3: 1.0, 5: 0.7, 10: 0.45}
"""Seeds -> true gap, in points, at a deviation of 0.3 points."""


def power(rng: np.random.Generator, tables: int, n: int, correlation: float) -> dict[str, float]:
    """How often one arm's true gap to one of two baselines is found, beside three arms without any."""
    values = draw(rng, tables, n, [0.3] * 6, correlation, True)
    values[:, :, 2] += GAPS[n]
    made, pairs = Tables(values), pairs_of(2, 4)
    asked = pairs.index((2, 0))
    return {name: float(finds([made.test(name, *pair) for pair in pairs])[asked].mean()) for name in NAMES}


def coverage(
    rng: np.random.Generator, tables: int, seeds: Sequence[int]
) -> dict[tuple[str, int, bool, float], list[float]]:
    """How often 95 % intervals cover, (method, seeds, deviations equal, correlation) -> over settings and pairs."""
    found: dict[tuple[str, int, bool, float], list[float]] = {}
    for n, correlation, scaled in settings(seeds):
        for wide, deviations in deviations_of(2, 3):
            made = Tables(draw(rng, tables, n, deviations, correlation, scaled))
            for name in NAMES[:-1]:
                rates = [made.interval_holds(name, *pair) for pair in pairs_of(2, 3)]
                found.setdefault((name, n, wide == "none", correlation), []).extend(rates)
    return found


def chance(rate: float, tables: int, settings_seen: int) -> float:
    """What a true rate is seen above in one of so many settings, one time in two, by chance alone."""
    return float(rate + ndtri(0.5 ** (1 / settings_seen)) * (rate * (1 - rate) / tables) ** 0.5)


SAID = {
    "paired": "paired t",
    "welch": "Welch's t",
    "block": "block, pooled error",
    "moderated": "the default: paired, moderated in the family",
}


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print(f"\n{title}\n")
    print(f"| {' | '.join(head)} |\n| --- |{' ---: |' * (len(head) - 1)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def print_errors(title: str, rates: dict[tuple[str, int], list[Rate]], tables: int) -> None:
    rows = [[SAID[name], *(f"{max(rates[name, n]).rate:.3f}" for n in SEEDS)] for name in NAMES]
    print_table(title, ["worst rate", *(f"n = {n}" for n in SEEDS)], rows)
    count = len(rates[NAMES[0], SEEDS[0]])
    print(f"\nThe worst of {count} settings; a true .05 would be seen as {chance(LEVEL, tables, count):.3f}.")
    for name in NAMES:
        print(f"  {name}: {max(max(rates[name, n]) for n in SEEDS).where}")


def print_powers(tables: int) -> None:
    rng, rows = np.random.default_rng(3), []
    for n in GAPS:
        for correlation in CORRELATIONS:
            found = power(rng, tables, n, correlation)
            rows.append(
                [f"{n}", f"{GAPS[n]:g}", f"{correlation:g}", *(f"{found[name]:.2f}" for name in NAMES)]
            )
    print_table("Power", ["seeds", "gap", "correlation", *(SAID[name] for name in NAMES)], rows)


def print_coverage(tables: int) -> None:
    seeds = (3, 5, 10)
    held, rows = coverage(np.random.default_rng(4), tables, seeds), []
    for name in NAMES[:-1]:
        for correlation in CORRELATIONS:
            cells = (held[name, n, equal, correlation] for equal in (True, False) for n in seeds)
            rows.append(
                [SAID[name], f"{correlation:g}", *(f"{min(cell):.3f} to {max(cell):.3f}" for cell in cells)]
            )
    heads = [f"{what}, n = {n}" for what in ("equal", "ratio 3") for n in seeds]
    print_table("Coverage of a pair's 95 % interval", ["interval", "correlation", *heads], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="Error rates, power and coverage of the analyses.")
    parser.add_argument("--tables", type=int, default=10_000, help="simulated tables per setting")
    tables = parser.parse_args().tables
    rates = error_rates(np.random.default_rng(1), tables)
    print_errors("Family-wise error where no arm differs", rates, tables)
    rates = partial_error_rates(np.random.default_rng(2), tables)
    print_errors("Family-wise error among equals where other arms differ", rates, tables)
    print_powers(4 * tables)
    print_coverage(tables)


if __name__ == "__main__":
    main()
