"""Equivalence: in closed form, at its edges, and how often it errs."""

import random

import numpy as np
import pytest

from actbench.stats import METHODS, Contrast, Method, Samples, contrasts, inside, shown_near_best, tost

TIGHT = {"a": [0.7000, 0.7002, 0.6998], "b": [0.7001, 0.6999, 0.7003], "c": [0.6500, 0.6498, 0.6503]}


def samples_of(values: dict[str, list[float]]) -> Samples:
    return {arm: dict(enumerate(found)) for arm, found in values.items()}


def contrast(first: list[float], second: list[float], method: Method = "paired") -> Contrast:
    (found,) = contrasts(samples_of({"a": first, "b": second}), [("a", "b")], method=method)
    assert found is not None
    return found


def test_inside_and_tost_are_the_two_sides_of_one_test() -> None:
    found = contrast([0.70, 0.71, 0.72], [0.70, 0.70, 0.73])
    interval = found.interval_at(0.9)
    assert interval is not None
    margin = max(-interval.low, interval.high)
    assert tost(found, margin) == pytest.approx(0.05, rel=1e-9)
    assert inside(found, -margin * 1.0001, margin * 1.0001)
    assert not inside(found, -margin * 0.9999, margin * 0.9999)
    assert inside(found, interval.low, interval.high)
    assert not inside(found, interval.low * 0.9, interval.high * 0.9)
    assert inside(found, interval.low * 0.9, interval.high * 0.9, confidence=0.8)


def test_one_seed_and_no_spread_show_nothing_near() -> None:
    for found in (contrast([0.7], [0.7]), contrast([0.7] * 3, [0.7] * 3)):
        assert tost(found, 0.01) is None
        assert inside(found, -0.01, 0.01) is None


@pytest.mark.parametrize("margin", [0.0, -1.0, float("nan")])
def test_a_margin_is_above_0(margin: float) -> None:
    with pytest.raises(ValueError, match="margin must be above 0"):
        tost(contrast([0.7, 0.71], [0.7, 0.72]), margin)
    with pytest.raises(ValueError, match="margin must be above 0"):
        shown_near_best(samples_of(TIGHT), margin)


def test_arms_near_the_best_are_shown_and_far_ones_are_not() -> None:
    assert shown_near_best(samples_of(TIGHT), 0.005) == frozenset({"a", "b"})
    assert shown_near_best(samples_of(TIGHT), 0.1) == frozenset({"a", "b", "c"})
    assert shown_near_best(samples_of(TIGHT), 0.00001) == frozenset()
    assert shown_near_best(samples_of(TIGHT), 0.005, higher_is_better=False) == frozenset({"c"})


def test_nothing_can_be_shown_of_one_arm_or_against_an_arm_with_one_seed() -> None:
    assert shown_near_best(samples_of({"a": [0.7, 0.71]}), 0.01) is None
    assert shown_near_best({}, 0.01) is None
    assert shown_near_best(samples_of({**TIGHT, "d": [0.7]}), 0.01) is None
    assert shown_near_best(samples_of({**TIGHT, "d": []}), 0.005) == frozenset({"a", "b"})


def test_arms_without_spread_are_not_shown_near_one_another() -> None:
    level = samples_of({"a": [0.7] * 3, "b": [0.7] * 3})
    assert shown_near_best(level, 0.01) == frozenset()


def test_the_order_of_arms_and_seeds_changes_nothing() -> None:
    turned = {
        arm: dict(reversed(list(values.items()))) for arm, values in reversed(list(samples_of(TIGHT).items()))
    }
    assert shown_near_best(turned, 0.0006) == shown_near_best(samples_of(TIGHT), 0.0006)


def error_rates(method: Method, n: int, correlation: float, tables: int) -> tuple[float, float]:
    """How often a true difference of the margin is called inside, and how often any arm at the margin below the best
    is called near it: everything as far away as can be without being near."""
    rng = np.random.default_rng(n)
    wrong_pair = wrong_arm = 0
    for _ in range(tables):
        shared = rng.normal(0, 0.3, n)
        values = {
            arm: correlation**0.5 * shared + (1 - correlation) ** 0.5 * rng.normal(0, 0.3, n) + shift
            for arm, shift in (("best", 0.5), ("x", 0.0), ("y", 0.0), ("z", 0.0))
        }
        samples: Samples = {arm: dict(enumerate(found.tolist())) for arm, found in values.items()}
        (pair,) = contrasts(samples, [("best", "x")], method=method)
        assert pair is not None
        p = tost(pair, 0.5)
        assert p is not None
        wrong_pair += p <= 0.05
        assert (p <= 0.05) == inside(pair, -0.5, 0.5)
        shown = shown_near_best(samples, 0.5, method=method)
        assert shown is not None
        wrong_arm += bool(shown - {"best"})
    return wrong_pair / tables, wrong_arm / tables


@pytest.mark.parametrize(("n", "correlation"), [(3, 0.0), (5, 0.5), (10, 0.0)])
def test_equivalence_errs_at_most_at_its_level(n: int, correlation: float) -> None:
    tables = 600
    limit = 0.05 + 3 * (0.05 * 0.95 / tables) ** 0.5
    assert max(error_rates("moderated", n, correlation, tables)) <= limit


@pytest.mark.slow
@pytest.mark.parametrize("method", ["moderated", "paired", "welch"])
@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_equivalence_errs_at_most_at_its_level_by_every_method(
    method: Method, n: int, correlation: float
) -> None:
    tables = 1500
    limit = 0.05 + 3 * (0.05 * 0.95 / tables) ** 0.5
    assert max(error_rates(method, n, correlation, tables)) <= limit


def test_equivalence_is_found_where_there_is_none_apart() -> None:
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(300):
        samples: Samples = {arm: dict(enumerate(rng.normal(0, 0.3, 10).tolist())) for arm in "abc"}
        found += shown_near_best(samples, 0.6) == frozenset({"a", "b", "c"})
    assert found > 200


def test_passing_arms_over_changes_nothing() -> None:
    """Every pair tested, against the tests that stop where no later arm can bind."""
    draw = random.Random(7)
    shown = 0
    for case in range(60):
        shared = draw.randint(2, 6) if case % 2 else None
        spread = draw.choice([1e-6, 0.1, 0.5])
        effects = [draw.gauss(0, draw.choice([0, 0.5])) for _ in range(6)]
        samples = {
            f"arm{arm}": {
                seed: draw.choice([50.0, 50.2]) + (effects[seed] + draw.gauss(0, spread)) * (arm != case % 9)
                for seed in range(shared or draw.randint(2, 6))
            }
            for arm in range(draw.randint(2, 8))
        }
        for method in METHODS:
            found = shown_near_best(samples, 1.0, method=method)
            assert found == _by_every_pair(samples, 1.0, method)
            shown += bool(found)
    assert shown > 45


def _by_every_pair(samples: Samples, margin: float, method: Method, alpha: float = 0.05) -> frozenset[str]:
    ps = {}
    for arm in samples:
        pairs = [(arm, other) for other in samples if other != arm]
        found = [c.test.p_above(-margin) if c else None for c in contrasts(samples, pairs, method=method)]
        known = [p for p in found if p is not None]
        if len(known) == len(found) and max(known) <= alpha:
            ps[arm] = max(known)
    shown: set[str] = set()
    for arm, p in sorted(ps.items(), key=lambda item: (item[1], item[0])):
        if p > alpha / min(len(samples) - 1, len(samples) - len(shown)):
            break
        shown.add(arm)
    return frozenset(shown)
