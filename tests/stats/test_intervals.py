import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actbench import stats

values = st.lists(st.floats(-100, 100), min_size=2, max_size=10).filter(lambda v: max(v) - min(v) > 1e-6)


def test_two_values_have_the_closed_form() -> None:
    # With one degree of freedom t is Cauchy: its 97.5 % quantile is tan(pi * 0.475); the standard error of 1,
    # 3 is 1.
    estimate = stats.mean_estimate([1.0, 3.0])
    assert estimate.value == 2.0
    assert estimate.sd == pytest.approx(math.sqrt(2), rel=1e-15)
    assert estimate.interval is not None
    assert estimate.interval.half_width == pytest.approx(math.tan(math.pi * 0.475), rel=1e-12)


def test_three_values_have_the_closed_form() -> None:
    # With two degrees of freedom the quantile at p is (2p - 1) / sqrt(2 p (1 - p)).
    p = 0.975
    quantile = (2 * p - 1) / math.sqrt(2 * p * (1 - p))
    estimate = stats.mean_estimate([1.0, 2.0, 3.0])
    assert estimate.interval is not None
    assert estimate.interval.high == pytest.approx(2 + quantile / math.sqrt(3), rel=1e-12)
    assert estimate.interval.low == pytest.approx(2 - quantile / math.sqrt(3), rel=1e-12)


@given(values)
@settings(max_examples=30, deadline=None)
def test_mean_interval_equals_scipy(sample: list[float]) -> None:
    from scipy import stats as oracle

    low, high = oracle.t.interval(0.95, len(sample) - 1, loc=oracle.tmean(sample), scale=oracle.sem(sample))
    ours = stats.mean_estimate(sample).interval
    assert ours is not None
    assert ours == pytest.approx((low, high), rel=1e-12, abs=1e-11)


@pytest.mark.parametrize("n", range(2, 11))
def test_paired_difference_equals_scipy(n: int) -> None:
    from scipy import stats as oracle

    first = [0.7 + 0.013 * math.sin(5 * i) for i in range(n)]
    second = [0.69 + 0.011 * math.cos(7 * i) for i in range(n)]
    low, high = oracle.ttest_rel(first, second).confidence_interval(0.95)
    ours = stats.paired_difference(first, second)
    assert ours.paired is True
    assert ours.interval is not None
    assert ours.interval == pytest.approx((low, high), abs=1e-12)
    assert ours.value == pytest.approx(sum(a - b for a, b in zip(first, second, strict=True)) / n, abs=1e-15)


@pytest.mark.parametrize(("n", "m"), [(2, 2), (2, 5), (5, 3), (10, 9)])
def test_welch_equals_scipy(n: int, m: int) -> None:
    from scipy import stats as oracle

    first = [0.7 + 0.013 * math.sin(5 * i) for i in range(n)]
    second = [0.69 + 0.031 * math.cos(7 * i) for i in range(m)]
    result = oracle.ttest_ind(first, second, equal_var=False)
    low, high = result.confidence_interval(0.95)
    ours = stats.welch_difference(first, second)
    assert ours.paired is False
    assert ours.interval is not None
    assert ours.interval == pytest.approx((low, high), abs=1e-12)
    assert ours.degrees_of_freedom == pytest.approx(result.df, rel=1e-12)


def test_one_value_has_no_interval() -> None:
    assert stats.mean_estimate([0.5]) == stats.Estimate(0.5, None, None, 1, None)
    assert stats.paired_difference([0.5], [0.25]) == stats.Estimate(0.25, None, None, 1, None, paired=True)
    assert stats.welch_difference([0.5], [0.25, 0.5]).interval is None
    assert stats.sd([0.5]) is None


def test_zero_variance_has_an_interval_of_width_zero() -> None:
    assert stats.mean_estimate([0.5] * 3).interval == (0.5, 0.5)
    assert stats.paired_difference([0.5, 0.75], [0.25, 0.5]).interval == (0.25, 0.25)
    assert stats.welch_difference([0.5] * 3, [0.25] * 4).interval == (0.25, 0.25)
    assert stats.mean_estimate([0.5] * 3).is_level
    assert not stats.mean_estimate([0.5, 0.6]).is_level
    assert not stats.mean_estimate([0.5]).is_level


def test_equal_differences_are_level_in_spite_of_rounding() -> None:
    first, second = [0.51, 0.52, 0.05], [0.5, 0.51, 0.04]
    assert len({a - b for a, b in zip(first, second, strict=True)}) > 1
    assert stats.paired_difference(first, second).is_level
    assert not stats.paired_difference([0.51, 0.5201, 0.05], second).is_level


def test_one_side_without_variance_leaves_the_other_sides_freedom() -> None:
    estimate = stats.welch_difference([0.5] * 3, [0.1, 0.2, 0.4, 0.7])
    assert estimate.degrees_of_freedom == pytest.approx(3, rel=1e-12)


@given(values, st.floats(-50, 50))
@settings(max_examples=30, deadline=None)
def test_shifting_the_values_shifts_the_interval_and_swapping_sides_mirrors_it(
    sample: list[float], shift: float
) -> None:
    plain, moved = stats.mean_estimate(sample), stats.mean_estimate([v + shift for v in sample])
    assert plain.interval is not None
    assert moved.interval is not None
    assert moved.interval.low == pytest.approx(plain.interval.low + shift, abs=1e-7)
    other = list(reversed(sample))
    forth, back = stats.welch_difference(sample, other), stats.welch_difference(other, sample)
    assert forth.interval is not None
    assert back.interval is not None
    assert forth.interval.low == pytest.approx(-back.interval.high, abs=1e-9)
