"""How many seeds a wanted difference needs, by the spread that the stored runs of a comparison show so far.

Numbers only. Imports no torch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

from actbench.comparison import LEVEL, ArmRow, Gap, Group
from actbench.stats.contrasts import Contrast, Method
from actbench.stats.intervals import Estimate
from actbench.stats.power import Spread, seeds_needed

SPREAD_CONFIDENCE = 0.8
"""Of the range given for a spread: two in ten spreads lie outside, half of them above."""


class Wanted(NamedTuple):
    difference: float
    """In the metric's unit."""
    power: float


class Seeds(NamedTuple):
    """Numbers of seeds for each of two arms; None stands for more than MOST_SEEDS."""

    expected: int | None
    """If the spread is as seen."""
    low: int | None
    """If it is as small as the values still allow."""
    high: int | None
    """If it is as large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairNeed:
    arm: str
    baseline: str
    n: int
    """Seeds that there are, of the side that has fewer."""
    spread: float | None
    """Standard deviation of one seed's difference as the method sees it; None where the values show none."""
    alone: Seeds | None
    """For this test as the only one."""
    in_table: Seeds | None
    """At the level of Holm's first step, which suffices whatever the table's other tests find."""


def pairs_of(group: Group) -> Iterator[tuple[ArmRow, Gap]]:
    """Every test of the group once: each arm against each baseline, of two baselines the later against the earlier."""
    for row in group.rows:
        for place, gap in enumerate(row.gaps):
            if row.name not in group.baselines[: place + 1]:
                yield row, gap


def needs_of(group: Group, wanted: Wanted) -> list[PairNeed]:
    """What each test of the table needs; the family counts all of them, tested so far or not."""
    pairs = list(pairs_of(group))
    rows = {row.name: row for row in group.rows}
    arms = sum(row.completed > 1 for row in group.rows)
    return [_need(row, rows[gap.baseline], gap.contrast, wanted, arms, len(pairs)) for row, gap in pairs]


def most(seeds: Sequence[Seeds]) -> Seeds:
    """What is enough for all of them; at least one is needed."""

    def largest(numbers: list[int | None]) -> int | None:
        known = [number for number in numbers if number is not None]
        return max(known) if len(known) == len(numbers) else None

    return Seeds(
        largest([s.expected for s in seeds]),
        largest([s.low for s in seeds]),
        largest([s.high for s in seeds]),
    )


def _need(
    row: ArmRow, baseline: ArmRow, contrast: Contrast | None, wanted: Wanted, arms: int, family: int
) -> PairNeed:
    n = min(row.completed, baseline.completed)
    spread = spread_of(contrast, row.value, baseline.value)
    if contrast is None or spread is None:
        return PairNeed(arm=row.name, baseline=baseline.name, n=n, spread=None, alone=None, in_table=None)
    freedom = contrast.test.degrees_of_freedom
    assert freedom is not None  # where there is a spread
    method = contrast.method
    alone, in_table = (
        Seeds(*(_seeds(spread, factor, wanted, method, alpha, arms) for factor in (1.0, *_range(freedom))))
        for alpha in (LEVEL, LEVEL / family)
    )
    return PairNeed(
        arm=row.name,
        baseline=baseline.name,
        n=n,
        spread=sqrt(spread.difference_variance),
        alone=alone,
        in_table=in_table,
    )


def spread_of(contrast: Contrast | None, first: Estimate | None, second: Estimate | None) -> Spread | None:
    """What the two arms' values show; None with a single seed on either side, or without any spread."""
    if contrast is None or first is None or second is None or not contrast.standard_error:
        return None
    if not contrast.test.is_paired and first.sd is not None and second.sd is not None:
        both = first.sd**2 + second.sd**2
        shared = both - contrast.standard_error**2 * contrast.test.n
        balanced = first.n == second.n and first.sd and second.sd
        return Spread(
            sd_first=first.sd,
            sd_second=second.sd,
            correlation=max(0.0, shared / (2 * first.sd * second.sd)) if balanced else 0.0,
        )
    # Methods over pairs know the difference's variance alone; its halves stand for the two arms.
    half = contrast.standard_error * sqrt(contrast.test.n / 2)
    return Spread(sd_first=half, sd_second=half)


def _range(degrees_of_freedom: float) -> tuple[float, float]:
    """Factors on a standard deviation estimated with these degrees of freedom: the true one may lie between."""
    from scipy.special import chdtri  # upper quantiles of chi-square; what needs them is not hurried

    tail = (1 - SPREAD_CONFIDENCE) / 2
    low, high = (sqrt(degrees_of_freedom / chdtri(degrees_of_freedom, p)) for p in (tail, 1 - tail))
    return low, high


def _seeds(
    spread: Spread, factor: float, wanted: Wanted, method: Method, alpha: float, arms: int
) -> int | None:
    scaled = Spread(
        sd_first=spread.sd_first * factor,
        sd_second=spread.sd_second * factor,
        correlation=spread.correlation,
    )
    return seeds_needed(wanted.difference, scaled, method=method, power=wanted.power, alpha=alpha, arms=arms)
