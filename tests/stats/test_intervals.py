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


def test_one_value_has_no_interval() -> None:
    assert stats.mean_estimate([0.5]) == stats.Estimate(0.5, None, None, 1, None)
    assert stats.sd([0.5]) is None


def test_zero_variance_has_an_interval_of_width_zero() -> None:
    assert stats.mean_estimate([0.5] * 3).interval == (0.5, 0.5)
    assert stats.mean_estimate([0.5] * 3).is_level
    assert not stats.mean_estimate([0.5, 0.6]).is_level
    assert not stats.mean_estimate([0.5]).is_level


@given(values, st.floats(-50, 50))
@settings(max_examples=30, deadline=None)
def test_shifting_the_values_shifts_the_interval(sample: list[float], shift: float) -> None:
    plain, moved = stats.mean_estimate(sample), stats.mean_estimate([v + shift for v in sample])
    assert plain.interval is not None
    assert moved.interval is not None
    assert moved.interval.low == pytest.approx(plain.interval.low + shift, abs=1e-7)
    assert stats.mean_estimate(list(reversed(sample))) == plain
