"""Contrasts: against scipy, at their edges, and whatever the order."""

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actbench.stats import METHODS, Contrast, Method, Samples, adjusted, contrasts
from actbench.stats.standard_errors import StandardErrors


def table(seed: int, arms: int = 5, n: int = 5, **deviations: float) -> dict[str, dict[int, float]]:
    """Arms a, b, c, ... over seeds 0, 1, ..., with something in common per seed."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, 0.003, n)
    return {
        name: {s: 0.7 + shared[s] + rng.normal(0, deviations.get(name, 0.003)) for s in range(n)}
        for name in "abcdefghij"[:arms]
    }


def contrast(samples: Samples, first: str = "a", second: str = "b", method: Method = "moderated") -> Contrast:
    (found,) = contrasts(samples, [(first, second)], method=method)
    assert found is not None
    return found


def lists(samples: Samples, *arms: str) -> list[list[float]]:
    return [list(samples[arm].values()) for arm in arms]


@pytest.mark.parametrize("n", [2, 3, 5, 10])
@pytest.mark.parametrize("seed", range(5))
def test_paired_and_welch_are_scipys(n: int, seed: int) -> None:
    from scipy import stats as oracle

    samples = table(seed, n=n, a=0.01)
    a, b = lists(samples, "a", "b")
    for method, result in (
        ("paired", oracle.ttest_rel(a, b)),
        ("welch", oracle.ttest_ind(a, b, equal_var=False)),
    ):
        test = contrast(samples).alternatives[method]  # type: ignore[index]
        assert test.p == pytest.approx(result.pvalue, rel=1e-10)
        assert test.interval == pytest.approx(tuple(result.confidence_interval(0.95)), rel=1e-10)
        assert test.interval_at(0.9) == pytest.approx(tuple(result.confidence_interval(0.9)), rel=1e-10)
        assert test.degrees_of_freedom == pytest.approx(result.df, rel=1e-10)


@pytest.mark.parametrize(("n", "m"), [(2, 5), (5, 3), (10, 9)])
def test_unequal_numbers_have_scipys_welch_test(n: int, m: int) -> None:
    from scipy import stats as oracle

    samples = table(n, n=10, b=0.02)
    samples = {arm: {s: v for s, v in samples[arm].items() if s < size} for arm, size in (("a", n), ("b", m))}
    result = oracle.ttest_ind(*lists(samples, "a", "b"), equal_var=False)
    test = contrast(samples, method="welch").test
    assert test.interval == pytest.approx(tuple(result.confidence_interval(0.95)), rel=1e-10)
    assert test.degrees_of_freedom == pytest.approx(result.df, rel=1e-10)
    assert (test.n, test.is_paired) == (min(n, m), False)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_one_sided_values_are_scipys(n: int) -> None:
    from scipy import stats as oracle

    samples = table(3, n=n)
    a, b = lists(samples, "a", "b")
    test = contrast(samples, method="paired").test
    shifted = [value - 0.002 for value in a]
    assert test.p_above(0.002) == pytest.approx(
        oracle.ttest_rel(shifted, b, alternative="greater").pvalue, rel=1e-9
    )
    assert test.p_below(0.002) == pytest.approx(
        oracle.ttest_rel(shifted, b, alternative="less").pvalue, rel=1e-9
    )
    assert test.p_against(0.002) == pytest.approx(oracle.ttest_rel(shifted, b).pvalue, rel=1e-9)


def test_hedges_g_by_hand() -> None:
    # Means 2 and 5, variances 1 and 4: pooled 2.5. Four degrees of freedom: gamma(2) / gamma(1.5) / sqrt(2).
    samples = {"a": {0: 1.0, 1: 2.0, 2: 3.0}, "b": {0: 3.0, 1: 5.0, 2: 7.0}}
    assert contrast(samples).effect_size == pytest.approx(-3 / 2.5**0.5 * 0.7978845608028654, rel=1e-12)


def test_hedges_g_keeps_its_digits_where_gamma_ends() -> None:
    few, many = (contrast(table(1, arms=2, n=n)).effect_size for n in (170, 171))
    assert few is not None
    assert many is not None


def expected_moderated(samples: Samples, first: str, second: str) -> tuple[float, float, float, float]:
    """Variances and degrees of freedom alone and in the family, written out with numpy for arms of equal seeds."""
    names = sorted(samples)
    values = np.array([list(samples[name].values()) for name in names])
    k, n = values.shape
    i, j = names.index(first), names.index(second)
    r = np.corrcoef(values)
    upper = [r[p, q] for p in range(k) for q in range(p) if {p, q} != {i, j}]
    shared = min(max(min(r[i, j], np.mean(upper)), 0), 1)
    own = values.var(axis=1, ddof=1)
    usual = np.median(own) / (1 - 2 / (9 * (n - 1))) ** 3
    lent = min(0.4, (k - 3) / k)
    v, w = (((n - 1) * own[arm] + lent * usual) / (n - 1 + lent) for arm in (i, j))
    freedom = (n - 1 + lent) * (v + w) ** 2 / (v**2 + w**2) / (1 + shared**2)
    alone = (values[i] - values[j]).var(ddof=1) / n
    return alone, n - 1, (v + w - 2 * shared * np.sqrt(v * w)) / n, freedom


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("arms", "n"), [(3, 4), (4, 3), (5, 5), (9, 10)])
def test_the_default_by_its_formula(seed: int, arms: int, n: int) -> None:
    samples = table(seed, arms=arms, n=n, b=0.008)
    test = contrast(samples).test
    variance, freedom, family_variance, family_freedom = expected_moderated(samples, "a", "b")
    assert test.standard_error == pytest.approx(variance**0.5, rel=1e-9)
    assert test.degrees_of_freedom == pytest.approx(freedom, rel=1e-9)
    assert test.family_standard_error == pytest.approx(family_variance**0.5, rel=1e-9)
    assert test.family_degrees_of_freedom == pytest.approx(family_freedom, rel=1e-9)


def test_two_arms_alone_have_the_paired_test_and_in_a_family_welchs() -> None:
    found = contrast(table(0, arms=2))
    assert found.p == found.alternatives["paired"].p
    assert found.family_p == pytest.approx(found.alternatives["welch"].p, rel=1e-12)


def test_without_the_same_seeds_the_default_is_welchs_with_the_smaller_arms_freedom() -> None:
    samples = table(0, n=6)
    few = {"a": {seed: samples["a"][seed] for seed in (0, 3)}, "b": samples["b"]}
    found = contrast(few)
    assert (found.method, found.test.is_paired, found.test.degrees_of_freedom) == ("welch", False, 1)
    assert found.standard_error == found.alternatives["welch"].standard_error
    apart = contrast({"a": samples["a"], "b": {seed + 6: value for seed, value in samples["b"].items()}})
    assert apart.method == "welch"
    assert apart.test == apart.alternatives["welch"]


def test_correlated_seeds_narrow_the_default_interval_as_they_do_that_of_pairs() -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 0.02, 8)
    samples = {arm: {s: 0.7 + shared[s] + rng.normal(0, 0.002) for s in range(8)} for arm in "abcdef"}
    found = contrast(samples)
    widths = {name: test.interval.half_width for name, test in found.alternatives.items() if test.interval}
    assert widths["moderated"] < 0.3 * widths["welch"]
    assert widths["moderated"] == widths["paired"]
    assert found.test.family_standard_error is not None
    assert found.standard_error is not None
    assert found.test.family_standard_error < 2 * found.standard_error


def test_an_arm_that_goes_astray_leaves_the_others_findings() -> None:
    samples = table(2, arms=6, n=5)
    samples["a"] = {seed: value + 0.02 for seed, value in samples["a"].items()}
    calm = contrast(samples).family_p
    samples["f"][3] = 0.1
    assert contrast(samples).family_p == pytest.approx(calm, rel=0.5)


def mixed() -> dict[str, dict[int, float]]:
    """Arms of all and of few seeds, one level, one with a single run, one without."""
    samples = table(7, arms=8, n=6)
    del samples["c"][2], samples["d"][0], samples["d"][5]
    samples["e"] = dict.fromkeys(range(6), 0.7)
    samples["f"] = {0: 0.71}
    samples["g"] = {}
    samples["h"] = {seed + 10: value for seed, value in samples["h"].items()}
    return samples


@given(st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None)
def test_neither_the_order_of_arms_nor_of_seeds_changes_a_bit(order: random.Random) -> None:
    samples = mixed()
    pairs = [(first, second) for first in samples for second in samples if first != second]
    shuffled = {
        arm: dict(order.sample(list(samples[arm].items()), len(samples[arm])))
        for arm in order.sample(list(samples), len(samples))
    }
    assert told(contrasts(shuffled, pairs)) == told(contrasts(samples, pairs))


def told(found: Sequence[Contrast | None]) -> list[object]:
    return [c and (c, c.alternatives, c.p, c.family_p, c.estimate, c.differences, c.sign_flip) for c in found]


@pytest.mark.parametrize("method", METHODS)
def test_turning_a_pair_turns_its_sign(method: Method) -> None:
    samples = mixed()
    for first, second in (("a", "b"), ("a", "c"), ("c", "d"), ("a", "h"), ("e", "a")):
        forth, back = contrast(samples, first, second, method), contrast(samples, second, first, method)
        assert forth.estimate.value == -back.estimate.value
        assert (forth.p, forth.family_p, forth.method) == (back.p, back.family_p, back.method)


@pytest.mark.parametrize("method", METHODS)
@given(st.floats(-5, 5), st.floats(0.01, 100))
@settings(max_examples=10, deadline=None)
def test_units_and_origin_change_no_p(method: Method, shift: float, unit: float) -> None:
    samples = table(4, arms=4, n=4)
    moved = {arm: {s: unit * (v + shift) for s, v in values.items()} for arm, values in samples.items()}
    before, after = contrast(samples, method=method), contrast(moved, method=method)
    assert after.p == pytest.approx(before.p, rel=1e-6)
    assert after.family_p == pytest.approx(before.family_p, rel=1e-6)
    assert after.estimate.value == pytest.approx(unit * before.estimate.value, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_one_seed_has_a_difference_and_no_test(method: Method) -> None:
    for first, second in (("a", "f"), ("f", "a")):
        found = contrast(mixed(), first, second, method)
        assert found.estimate.value == pytest.approx(found.test.difference)
        assert found.estimate.interval is None
        assert (found.p, found.family_p, found.detectable, found.standard_error) == (None,) * 4
        assert (found.effect_size, found.sign_flip, found.interval_at(0.9)) == (None,) * 3


def test_an_arm_without_runs_has_no_contrast_and_neither_has_an_arm_with_itself() -> None:
    samples = mixed()
    assert contrasts(samples, [("a", "g"), ("g", "a"), ("a", "a"), ("a", "unheard")]) == [None] * 4


@pytest.mark.parametrize("method", METHODS)
def test_arms_without_a_common_seed_have_welchs_test(method: Method) -> None:
    found = contrast(mixed(), "a", "h", method)
    assert found.method == "welch"
    assert list(found.alternatives) == ["welch"]
    assert found.sign_flip is None


def test_unequal_seeds_pair_those_that_both_have() -> None:
    from scipy import stats as oracle

    samples = mixed()
    shared = sorted(samples["a"].keys() & samples["d"].keys())
    assert shared == [1, 2, 3, 4]
    expected = oracle.ttest_rel([samples["a"][s] for s in shared], [samples["d"][s] for s in shared])
    found = contrast(samples, "a", "d")
    assert found.alternatives["paired"].p == pytest.approx(expected.pvalue, rel=1e-10)
    assert found.alternatives["paired"].n == 4
    means = [np.mean(values) for values in lists(samples, "a", "d")]
    assert found.estimate.value == pytest.approx(means[0] - means[1], abs=1e-15)
    assert found.p is not None


def test_values_without_any_spread_are_level_and_have_no_p() -> None:
    samples = {"a": dict.fromkeys(range(3), 0.5), "b": dict.fromkeys(range(3), 0.25)}
    for method in METHODS:
        found = contrast(samples, method=method)
        assert found.estimate.is_level
        assert found.estimate.value == 0.25
        assert (found.p, found.detectable, found.effect_size) == (None, None, None)
    assert adjusted([contrast(samples)]) == [None]


def test_differences_equal_but_for_rounding_are_level() -> None:
    samples = {"a": {0: 0.51, 1: 0.52, 2: 0.05}, "b": {0: 0.5, 1: 0.51, 2: 0.04}}
    assert contrast(samples, method="paired").estimate.is_level
    assert contrast(samples, method="block").estimate.is_level
    samples["c"] = {seed: value + 0.3 for seed, value in samples["a"].items()}
    samples["d"] = {seed: value + 0.2 for seed, value in samples["a"].items()}
    assert contrast(samples, method="moderated").estimate.is_level
    assert not contrast(samples, method="welch").estimate.is_level


def test_an_arm_without_spread_leaves_the_others() -> None:
    found = contrast(mixed(), "e", "a")
    assert found.p is not None
    assert found.standard_error == pytest.approx(np.std(lists(mixed(), "a")[0], ddof=1) / 6**0.5)
    assert found.test.degrees_of_freedom == pytest.approx(5)
    assert found.test.family_degrees_of_freedom is not None


def test_ties_are_values_as_others_are() -> None:
    samples = {"a": {0: 0.5, 1: 0.5, 2: 0.75}, "b": {0: 0.5, 1: 0.25, 2: 0.25}}
    assert contrast(samples).p is not None
    assert contrast(samples).sign_flip == (0.5, 0.25)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        contrasts({"a": {0: 0.5, 1: value}, "b": {0: 0.5, 1: 0.6}}, [("a", "b")])


def test_errors_one_by_one_are_those_of_the_contrasts() -> None:
    samples = mixed()
    errors = StandardErrors(samples)
    for method in METHODS:
        for second in "bcdefh":
            error = errors.of(method, "a", second) or errors.of("welch", "a", second)
            test = contrast(samples, "a", second, method).test
            assert error is not None
            assert (error.difference, error.n, error.is_paired) == (test.difference, test.n, test.is_paired)
            assert error.variance == pytest.approx(test.standard_error and test.standard_error**2)


def test_the_detectable_difference_is_found_with_the_power() -> None:
    from actbench.stats import student

    (found,) = contrasts(table(0), [("a", "b")], alpha=0.01, power=0.9)
    assert found is not None
    assert found.detectable is not None
    assert found.standard_error
    freedom = found.test.degrees_of_freedom
    assert freedom is not None
    assert student.power(found.detectable / found.standard_error, freedom, 0.01) == pytest.approx(
        0.9, abs=1e-10
    )


def test_the_estimate_says_what_it_rests_on() -> None:
    samples = table(0, n=4)
    paired, welch = contrast(samples, method="paired").estimate, contrast(samples, method="welch").estimate
    assert (paired.n, paired.paired, paired.degrees_of_freedom) == (4, True, 3)
    assert paired.sd == pytest.approx(
        np.std([a - b for a, b in zip(*lists(samples, "a", "b"), strict=True)], ddof=1)
    )
    assert (welch.n, welch.paired, welch.sd) == (4, False, None)


def test_block_error_is_that_of_the_arms_with_the_pairs_seeds() -> None:
    samples = table(0, arms=5, n=5)
    del samples["e"][4]
    four = {arm: samples[arm] for arm in "abcd"}
    assert contrast(samples, method="block").p == contrast(four, method="block").p
    errors = StandardErrors(samples)
    with_e = errors.of("block", "a", "e")
    assert with_e is not None
    assert with_e.degrees_of_freedom == 3 * 4
