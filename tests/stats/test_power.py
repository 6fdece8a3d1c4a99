"""Seeds needed and power, against simulation and the distribution."""

import numpy as np
import pytest

from actbench.stats import METHODS, Method, Spread, contrasts, detectable_difference, power_of, seeds_needed

EVEN = Spread(sd_first=0.3, sd_second=0.3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("arms", [2, 5])
def test_the_seeds_needed_are_the_fewest_with_the_power(method: Method, arms: int) -> None:
    for difference in (0.2, 0.5, 1.0, 3.0):
        n = seeds_needed(difference, EVEN, method=method, arms=arms)
        assert n is not None
        reached = power_of(difference, n, EVEN, method=method, arms=arms)
        assert reached is not None
        assert reached >= 0.8
        assert n == 2 or (power_of(difference, n - 1, EVEN, method=method, arms=arms) or 0) < 0.8


@pytest.mark.parametrize("method", METHODS)
def test_the_detectable_difference_has_the_power(method: Method) -> None:
    spread = Spread(sd_first=0.3, sd_second=0.5, correlation=0.4)
    for n in (2, 3, 10):
        least = detectable_difference(n, spread, method=method, arms=4, power=0.9)
        assert least is not None
        assert power_of(least, n, spread, method=method, arms=4) == pytest.approx(0.9, abs=1e-10)
        assert power_of(-least, n, spread, method=method, arms=4) == pytest.approx(0.9, abs=1e-10)


@pytest.mark.parametrize(("n", "expected"), [(3, 3.26), (5, 1.68), (10, 1.00)])
def test_pairs_need_large_differences(n: int, expected: float) -> None:
    one = Spread(sd_first=1.0, sd_second=0.0)
    assert detectable_difference(n, one, method="paired") == pytest.approx(expected, abs=0.005)


def test_what_cannot_be_answered_is_none() -> None:
    level = Spread(sd_first=0.0, sd_second=0.0)
    for method in METHODS:
        assert power_of(1.0, 5, level, method=method) is None
        assert seeds_needed(1.0, level, method=method) is None
        assert detectable_difference(5, level, method=method) is None
        assert power_of(1.0, 1, EVEN, method=method) is None
        assert seeds_needed(0.0, EVEN, method=method) is None
        assert seeds_needed(0.001, EVEN, method=method) is None  # far more than a thousand
    assert seeds_needed(0.001, Spread(sd_first=0.3, sd_second=0.3, correlation=1.0), method="paired") is None


def test_correlated_seeds_need_fewer() -> None:
    needed = [
        seeds_needed(0.3, Spread(sd_first=0.3, sd_second=0.3, correlation=r), arms=5) for r in (0.0, 0.5, 0.9)
    ]
    assert all(needed)
    assert needed == sorted(needed, key=lambda n: -(n or 0))
    assert needed[2] != needed[0]


@pytest.mark.parametrize(
    ("method", "correlation"), [("paired", 0.5), ("welch", 0.0), ("block", 0.5), ("moderated", 0.0)]
)
def test_power_is_what_simulated_runs_find(method: Method, correlation: float) -> None:
    rng, tables, n, gap = np.random.default_rng(1), 1500, 5, 0.6
    found = 0
    for _ in range(tables):
        shared = rng.normal(0, 0.3, n)
        samples = {
            arm: dict(
                enumerate(
                    (
                        correlation**0.5 * shared + (1 - correlation) ** 0.5 * rng.normal(0, 0.3, n) + up
                    ).tolist()
                )
            )
            for arm, up in (("a", gap), ("b", 0.0), ("c", 0.0), ("d", 0.0))
        }
        (contrast,) = contrasts(samples, [("a", "b")], method=method)
        assert contrast is not None
        assert contrast.p is not None
        found += contrast.p <= 0.05
    spread = Spread(sd_first=0.3, sd_second=0.3, correlation=correlation)
    # Welch's degrees of freedom are estimated too, which costs a little that the formula leaves out.
    assert power_of(gap, n, spread, method=method, arms=4) == pytest.approx(found / tables, abs=0.04)
