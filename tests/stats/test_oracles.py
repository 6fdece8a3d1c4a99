"""Agreement with statsmodels and autorank where they compute the same thing. Slow to load: one module has them all."""

import warnings

import numpy as np
import pytest

from actbench.stats import benjamini_hochberg, contrasts, holm, tost


def test_holm_and_benjamini_hochberg_are_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    rng = np.random.default_rng(0)
    for size in (1, 2, 3, 9, 40):
        for ties in (False, True):
            ps = rng.uniform(0, 0.2, size) ** 2
            if ties:
                ps = np.round(ps, 2)
            for ours, name in ((holm, "holm"), (benjamini_hochberg, "fdr_bh")):
                expected = multipletests(ps, method=name)[1]
                assert ours(ps.tolist()) == pytest.approx(expected.tolist(), abs=1e-14)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_equivalence_of_pairs_is_statsmodels(n: int) -> None:
    from statsmodels.stats.weightstats import ttost_paired

    rng = np.random.default_rng(n)
    for _ in range(5):
        a, b = rng.normal(0.7, 0.003, (2, n))
        (found,) = contrasts(
            {"a": dict(enumerate(a)), "b": dict(enumerate(b))}, [("a", "b")], method="paired"
        )
        assert found is not None
        assert tost(found, 0.004) == pytest.approx(ttost_paired(a, b, -0.004, 0.004)[0], rel=1e-10)


@pytest.mark.parametrize(("arms", "n"), [(3, 3), (5, 5), (6, 4)])
def test_block_contrasts_are_those_of_least_squares(arms: int, n: int) -> None:
    import pandas as pd
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import AnovaRM

    rng = np.random.default_rng(arms)
    values = rng.normal(0.7, 0.003, (arms, n)) + rng.normal(0, 0.003, n)
    samples = {f"arm{i}": {s: float(values[i, s]) for s in range(n)} for i in range(arms)}
    frame = pd.DataFrame(
        [(arm, s, v) for arm, of in samples.items() for s, v in of.items()], columns=["arm", "seed", "y"]
    )
    fitted = ols("y ~ C(arm) + C(seed)", frame).fit()
    pairs = [(f"arm{i}", "arm0") for i in range(1, arms)]
    for (first, _), found in zip(pairs, contrasts(samples, pairs, method="block"), strict=True):
        assert found is not None
        name = f"C(arm)[T.{first}]"
        assert found.p == pytest.approx(fitted.pvalues[name], rel=1e-10)
        assert found.estimate.interval == pytest.approx(tuple(fitted.conf_int().loc[name]), rel=1e-9)
        assert found.test.degrees_of_freedom == fitted.df_resid
        # the same error stands under the F of repeated measures
        assert found.standard_error is not None
        error = found.standard_error**2 * n / 2
        between = n * float(np.var(values.mean(1), ddof=1))
        expected = AnovaRM(frame, "y", "seed", within=["arm"]).fit().anova_table["F Value"].iloc[0]
        assert between / error == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n", [5, 10])
def test_two_arms_are_autoranks(n: int) -> None:
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from autorank import autorank

    rng = np.random.default_rng(n)
    a, b = rng.normal(0.71, 0.003, n), rng.normal(0.70, 0.003, n)
    (found,) = contrasts({"a": dict(enumerate(a)), "b": dict(enumerate(b))}, [("a", "b")], method="paired")
    assert found is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tells of every choice that it makes
        # "descending" takes the lower mean for the better one: here accuracies, of which more is better
        told = autorank(
            pd.DataFrame({"a": a, "b": b}), order="ascending", force_mode="parametric", verbose=False
        )
    assert told.pvalue == pytest.approx(found.p, rel=1e-10)
    assert found.effect_size is not None
    from math import gamma

    correction = gamma(n - 1) / gamma(n - 1.5) / (n - 1) ** 0.5
    assert abs(found.effect_size) == pytest.approx(
        correction * max(abs(told.rankdf["effect_size"])), rel=1e-10
    )


@pytest.mark.parametrize("n", [2, 4, 7, 12])
def test_sign_flips_are_scipys_permutations(n: int) -> None:
    from scipy import stats as oracle

    from actbench.stats import sign_flip

    differences = np.random.default_rng(n).normal(0.5, 1, n)
    expected = oracle.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    found = sign_flip(differences.tolist())
    assert found is not None
    assert found.p == pytest.approx(expected.pvalue, abs=1e-14)
