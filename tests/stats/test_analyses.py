"""How often the analyses err, cover and find: simulated with fixed seeds."""

import numpy as np
import pytest

from actbench.stats import METHODS, adjusted, contrasts
from benchmarks.analyses import (
    FAMILIES,
    NAMES,
    SEEDS,
    Tables,
    chance,
    coverage,
    draw,
    error_rates,
    finds,
    pairs_of,
    partial_error_rates,
    power,
)


@pytest.mark.parametrize("n", [2, 3, 6])
@pytest.mark.parametrize(("baselines", "others"), FAMILIES)
def test_the_simulated_methods_are_those_of_the_program(n: int, baselines: int, others: int) -> None:
    k = baselines + others
    values = draw(np.random.default_rng(n), 20, n, [3.0] + [1.0] * (k - 1), 0.6, False)
    values[:, :, 1] += 2.0
    made, pairs = Tables(values), pairs_of(baselines, others)
    for method in METHODS:
        tests = [made.test(method, *pair) for pair in pairs]
        found = finds(tests)
        for place, table in enumerate(values):
            samples = {str(arm): dict(enumerate(table[:, arm].tolist())) for arm in range(k)}
            ours = contrasts(samples, [(str(first), str(second)) for first, second in pairs], method=method)
            for test, contrast in zip(tests, ours, strict=True):
                assert contrast is not None
                assert contrast.p == pytest.approx(test.alone.p()[place], rel=1e-8)
                assert contrast.family_p == pytest.approx(test.in_family.p()[place], rel=1e-8)
            told = [p is not None and p <= 0.05 for p in adjusted(ours)]
            assert told == found[:, place].tolist()


def test_the_default_holds_its_family_wise_error() -> None:
    tables = 300
    rates = error_rates(np.random.default_rng(1), tables, ["moderated"], (3, 10))
    for found in rates.values():
        assert len(found) == 140
        assert max(found).rate <= chance(0.05, tables, len(found)) + 0.015
        assert 0.005 < sum(rate.rate for rate in found) / len(found) <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("n", range(3, 11))
def test_the_default_holds_its_family_wise_error_at_every_number_of_seeds(n: int) -> None:
    tables = 10_000
    found = error_rates(np.random.default_rng(n), tables, ["moderated"], (n,))["moderated", n]
    # the worst of them by chance, and as much again
    slack = 2 * (chance(0.05, tables, len(found)) - 0.05)
    assert max(found).rate <= 0.05 + slack, max(found).where


@pytest.mark.slow
def test_among_equals_in_a_table_of_different_arms_the_default_holds_its_error() -> None:
    tables = 10_000
    rates = partial_error_rates(np.random.default_rng(2), tables, ["moderated"], (3, 4, 5, 7, 10))
    for n in (3, 4, 5, 7, 10):
        found = rates["moderated", n]
        slack = 2 * (chance(0.05, tables, len(found)) - 0.05)
        assert max(found).rate <= 0.05 + slack, max(found).where


def test_pooled_error_does_not_hold_where_one_arm_deviates_more() -> None:
    rates = error_rates(np.random.default_rng(3), 200, ["block"], (3,))["block", 3]
    assert max(rates).rate > 0.12


@pytest.mark.parametrize(("n", "correlation"), [(3, 0.0), (5, 0.5), (10, 0.9)])
def test_the_default_finds_at_least_what_paired_and_welch_find(n: int, correlation: float) -> None:
    found = power(np.random.default_rng(4), 3000, n, correlation)
    assert set(found) == set(NAMES)
    assert found["moderated"] >= max(found["paired"], found["welch"]) - 0.02
    if n == 3:
        assert found["moderated"] > 1.4 * found["welch"]


def test_intervals_of_means_cover() -> None:
    from actbench.stats import student

    rng = np.random.default_rng(5)
    for n in (3, 5, 10):
        values = rng.normal(0, 1, (20_000, n))
        reach = student.critical(0.05, n - 1) * values.std(axis=1, ddof=1) / n**0.5
        assert 0.93 <= float((abs(values.mean(1)) <= reach).mean()) <= 0.97


def test_intervals_of_differences_cover() -> None:
    tables = 1500
    found = coverage(np.random.default_rng(6), tables, (3, 5, 10))
    slack = chance(0.05, tables, 98) - 0.05
    for (name, n, is_equal, correlation), rates in found.items():
        if name == "paired":  # the default's
            assert min(rates) >= 0.93 - slack, (n, is_equal, correlation)
            assert max(rates) <= 0.97 + slack, (n, is_equal, correlation)


def test_every_number_of_seeds_printed_is_simulated() -> None:
    assert set(SEEDS) >= {3, 5, 10}
