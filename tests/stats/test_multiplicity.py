import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actbench.stats import adjusted, benjamini_hochberg, contrasts, holm

ps = st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=8)


def test_holm_by_hand() -> None:
    # 4 x .01, 3 x .02, then never less than a step before: 2 x .02 is raised to .06, and .9 stays
    assert holm([0.02, 0.9, 0.01, 0.02]) == pytest.approx([0.06, 0.9, 0.04, 0.06])
    assert holm([0.4, 0.6]) == [0.8, 0.8]
    assert holm([0.7, 0.8]) == [1.0, 1.0]


def test_benjamini_hochberg_by_hand() -> None:
    # 4/1 x .01, 4/3 x .02 for both, 1 x .9
    assert benjamini_hochberg([0.02, 0.9, 0.01, 0.02]) == pytest.approx([0.08 / 3, 0.9, 0.08 / 3, 0.08 / 3])


def test_tests_not_made_do_not_count() -> None:
    for adjust in (holm, benjamini_hochberg):
        first, second = adjust([0.02, 0.03])
        assert adjust([None, 0.02, None, 0.03]) == [None, first, None, second]
        assert adjust([]) == []
        assert adjust([None]) == [None]


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="outside 0 to 1"):
        holm([0.5, wrong])


@given(ps, st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_order_changes_nothing_and_adjusting_never_lowers(family: list[float | None], order: object) -> None:
    import random

    assert isinstance(order, random.Random)
    places = order.sample(range(len(family)), len(family))
    for adjust in (holm, benjamini_hochberg):
        plain = adjust(family)
        assert adjust([family[place] for place in places]) == [plain[place] for place in places]
        for p, more in zip(family, plain, strict=True):
            assert (p is None) == (more is None)
            assert p is None or more is None or p <= more <= 1
    for some, more in zip(benjamini_hochberg(family), holm(family), strict=True):
        assert some is None or more is None or some <= more + 1e-15


def test_a_tables_p_is_holms_over_the_family_and_never_below_the_tests_own() -> None:
    samples = {
        "relu": {0: 0.700, 1: 0.703, 2: 0.698},
        "swish": {0: 0.702, 1: 0.699, 2: 0.701},
        "near": {0: 0.701, 1: 0.702, 2: 0.697},
        "far": {0: 0.751, 1: 0.752, 2: 0.749},
        "wide": {0: 0.72, 1: 0.69, 2: 0.74},
    }
    found = contrasts(samples, [(arm, base) for base in ("relu", "swish") for arm in ("near", "far", "wide")])
    steps = holm([contrast.family_p if contrast else None for contrast in found])
    for contrast, p, step in zip(found, adjusted(found), steps, strict=True):
        assert contrast is not None
        assert contrast.p is not None
        assert step is not None
        assert p == max(step, contrast.p)
    (alone,) = contrasts(samples, [("wide", "relu")])
    assert alone is not None
    assert alone.p is not None
    assert alone.family_p is not None
    assert alone.family_p < alone.p  # what the table lends makes the wide arm look narrower
    assert adjusted([alone]) == [alone.p]
    assert adjusted([None, alone]) == [None, alone.p]
