"""How many seeds a difference needs: against power found by drawing runs, and what is said where nothing is known."""

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from scipy.stats import chi2

from actbench.compare import Selection, compare
from actbench.comparison import Group
from actbench.footing import Origin
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord
from actbench.seed_planning import Seeds, Wanted, most, needs_of
from actbench.stats import Spread, contrasts, power_of, seeds_needed
from actbench.store import StoredRun
from actbench.summary import summary_of

MakeGroup = Callable[..., Group]
COUNTS = {"relu": (5000, 5040, 4960), "swish": (5100, 5160, 5040), "lslu": (5300, 5300, 5300)}
SPREADS = {"relu": 0.004, "swish": 0.006, "lslu": 0.0}


@pytest.fixture
def make_group(make_recipe: Callable[..., Recipe], make_run: Callable[..., RunRecord]) -> MakeGroup:
    """Compares runs of which so many of 10,000 test examples are right."""

    def make(counts: Mapping[str, Sequence[int]], method: str | None = None) -> Group:
        analysis = {"analysis": {"method": method}} if method else {}
        recipe = make_recipe(arms=[{"name": arm, "activation": arm} for arm in counts], **analysis)
        stored = tuple(
            StoredRun(Path(f"{arm}-{seed}.json"), summary_of(make_run(recipe, arm, seed, correct)))
            for arm, values in counts.items()
            for seed, correct in enumerate(values)
        )
        origin = Origin(reference="lslu_c100", profile="lite", current=recipe)
        return compare([Selection(plan=recipe, stored=stored, origin=origin)], papers={}).groups[0]

    return make


def test_each_test_of_the_table_once_with_the_spread_of_both_sides(make_group: MakeGroup) -> None:
    needs = needs_of(make_group(COUNTS, "welch"), Wanted(0.01, 0.8))
    assert [(need.arm, need.baseline, need.n) for need in needs] == [
        ("swish", "relu", 3),
        ("lslu", "relu", 3),
        ("lslu", "swish", 3),
    ]
    for need in needs:
        expected = SPREADS[need.arm] ** 2 + SPREADS[need.baseline] ** 2
        assert need.spread == pytest.approx(expected**0.5, rel=1e-12)
        spread = Spread(sd_first=SPREADS[need.arm], sd_second=SPREADS[need.baseline])
        assert need.alone is not None
        assert need.in_table is not None
        assert need.alone.expected == seeds_needed(0.01, spread, method="welch", arms=3)
        assert need.in_table.expected == seeds_needed(0.01, spread, method="welch", arms=3, alpha=0.05 / 3)


def test_the_range_is_that_of_the_chi_square_interval(make_group: MakeGroup) -> None:
    # Welch's degrees of freedom of lslu (no spread) against relu are relu's own two.
    need = needs_of(make_group(COUNTS, "welch"), Wanted(0.01, 0.8))[1]
    assert need.alone is not None
    for found, tail in ((need.alone.low, 0.9), (need.alone.high, 0.1)):
        sd = SPREADS["relu"] * (2 / chi2.ppf(tail, 2)) ** 0.5
        spread = Spread(sd_first=0.0, sd_second=sd)
        assert found == seeds_needed(0.01, spread, method="welch", arms=3)


def test_methods_over_pairs_take_the_spread_of_differences(make_group: MakeGroup) -> None:
    counts = {"relu": (5000, 5500, 4500), "swish": (5100, 5610, 4590)}
    (paired,) = needs_of(make_group(counts, "paired"), Wanted(0.01, 0.8))
    (welch,) = needs_of(make_group(counts, "welch"), Wanted(0.01, 0.8))
    assert paired.spread == pytest.approx(0.001, rel=1e-9)  # differences 100, 110, 90 of 10,000
    assert welch.spread == pytest.approx((0.05**2 + 0.051**2) ** 0.5, rel=1e-9)
    assert paired.alone is not None
    assert welch.alone is not None
    assert (paired.alone.expected, welch.alone.expected) == (3, 402)


@pytest.mark.parametrize("counts", [(5000,), (5000, 5000, 5000)])
def test_one_seed_or_equal_ones_show_no_spread(counts: tuple[int, ...], make_group: MakeGroup) -> None:
    (need,) = needs_of(make_group({"relu": counts, "swish": counts}), Wanted(0.01, 0.8))
    assert (need.spread, need.alone, need.in_table, need.n) == (None, None, None, len(counts))


def test_enough_for_all_is_the_largest_number() -> None:
    assert most([Seeds(5, 3, 9), Seeds(4, 4, 20)]) == Seeds(5, 4, 20)
    assert most([Seeds(5, 3, 9), Seeds(900, 800, None)]) == Seeds(900, 800, None)


def test_so_many_seeds_find_the_difference_as_often_as_wanted() -> None:
    """Runs are drawn from the very spread: as many as are needed find it, one fewer do not."""
    spread = Spread(sd_first=0.2, sd_second=0.3)
    n = seeds_needed(0.5, spread, method="welch")
    assert n == 6
    draw = random.Random(1)
    trials = 2000
    for seeds, is_enough in ((n, True), (n - 1, False)):
        found = 0
        for _ in range(trials):
            first = {seed: draw.gauss(0.5, 0.2) for seed in range(seeds)}
            second = {seed: draw.gauss(0.0, 0.3) for seed in range(seeds)}
            (contrast,) = contrasts({"a": first, "b": second}, [("a", "b")], method="welch")
            assert contrast is not None
            assert contrast.p is not None
            found += contrast.p < 0.05
        assert (found / trials >= 0.8) == is_enough  # .852 and .757: 4 standard errors from .8 and more
        expected = power_of(0.5, seeds, spread, method="welch")
        assert expected is not None
        # Welch's degrees of freedom are estimated anew in each trial, so the formula is near and not exact.
        assert found / trials == pytest.approx(expected, abs=0.03)
