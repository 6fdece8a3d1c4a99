"""Student's t in plain Python, held to scipy.special."""

import math
import subprocess
import sys

import pytest
from scipy import special

from actbench.stats import student

FREEDOMS = [1, 1.3, 2, 2.5, 3, 4.7, 8, 19.9, 20.1, 40, 200.5, 5000]


@pytest.mark.parametrize("freedom", FREEDOMS)
@pytest.mark.parametrize("t", [0.01, 0.3, 1, 2, 4.3, 12.7, 40, 1000])
def test_the_tail_has_scipys_digits(t: float, freedom: float) -> None:
    # relative, however far out; at tails below 1e-20 scipy itself is good to 1e-11 or so
    tolerance = 2e-12 if special.stdtr(freedom, -t) > 1e-20 else 1e-9
    assert student.cdf(-t, freedom) == pytest.approx(special.stdtr(freedom, -t), rel=tolerance, abs=1e-300)
    assert student.cdf(t, freedom) == pytest.approx(special.stdtr(freedom, t), rel=1e-14)
    assert student.two_sided_p(-t, freedom) == student.two_sided_p(t, freedom)


def test_one_degree_of_freedom_is_cauchys_distribution() -> None:
    for t in (1e-9, 1e-3, 0.5, 2.0, 1e4, 1e12):
        assert student.two_sided_p(t, 1) == pytest.approx(2 / math.pi * math.atan(1 / t), rel=1e-13)


def test_ends_of_the_distribution() -> None:
    assert student.two_sided_p(0.0, 3) == 1.0
    assert student.two_sided_p(math.inf, 3) == 0.0
    assert student.two_sided_p(1e200, 3) == 0.0
    assert math.isnan(student.two_sided_p(math.nan, 3))
    assert math.isnan(student.two_sided_p(1.0, 0))
    assert student.quantile(0.5, 3) == 0.0


@pytest.mark.parametrize("freedom", FREEDOMS)
@pytest.mark.parametrize("alpha", [0.9, 0.5, 0.1, 0.05, 0.05 / 9, 1e-4, 1e-8])
def test_quantiles_have_scipys_digits_and_undo_the_tail(alpha: float, freedom: float) -> None:
    assert student.critical(alpha, freedom) == pytest.approx(-special.stdtrit(freedom, alpha / 2), rel=1e-12)
    assert student.two_sided_p(student.critical(alpha, freedom), freedom) == pytest.approx(alpha, rel=1e-12)
    assert student.quantile(alpha / 2, freedom) == -student.critical(alpha, freedom)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, math.nan])
def test_levels_outside_0_to_1_are_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha must lie between 0 and 1"):
        student.critical(alpha, 3)


@pytest.mark.parametrize("freedom", [1, 1.7, 2, 4, 9.3, 40, 300])
@pytest.mark.parametrize("alpha", [0.3, 0.05, 0.05 / 9])
@pytest.mark.parametrize("noncentrality", [0, 0.5, 1.5, 3, 8])
def test_the_noncentral_distribution_has_scipys_digits(
    freedom: float, alpha: float, noncentrality: float
) -> None:
    t = student.critical(alpha, freedom)
    expected = special.nctdtr(freedom, noncentrality, t)
    assert student.noncentral_cdf(t, freedom, noncentrality) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("freedom", [1, 2.4, 8, 60])
def test_power_is_the_level_without_a_difference_and_counts_both_signs(freedom: float) -> None:
    assert student.power(0.0, freedom, 0.05) == pytest.approx(0.05, rel=1e-11)
    reach = student.critical(0.05, freedom)
    beyond = 1 - student.noncentral_cdf(reach, freedom, 1.0) + student.noncentral_cdf(-reach, freedom, 1.0)
    assert student.power(1.0, freedom, 0.05) == pytest.approx(beyond, abs=1e-12)


@pytest.mark.parametrize("freedom", [1, 1.4, 3.3, 9, 200])
@pytest.mark.parametrize("power", [0.06, 0.5, 0.8, 0.999])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 9])
def test_the_detectable_difference_has_the_power(freedom: float, power: float, alpha: float) -> None:
    assert student.power(student.detectable(freedom, power, alpha), freedom, alpha) == pytest.approx(
        power, abs=1e-11
    )


@pytest.mark.parametrize(("n", "expected"), [(3, 3.26), (5, 1.68), (10, 1.00)])
def test_smallest_detectable_difference_of_few_pairs(n: int, expected: float) -> None:
    assert student.detectable(n - 1, 0.8, 0.05) / math.sqrt(n) == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize("power", [0.05, 0.01, 1.0])
def test_a_power_below_the_level_or_of_1_is_refused(power: float) -> None:
    with pytest.raises(ValueError, match="power must lie between alpha and 1"):
        student.detectable(4, power, 0.05)


def test_no_statistics_load_numpy_or_scipy() -> None:
    code = "import sys, actbench.stats\nprint([m for m in ('numpy', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
