"""Every word, every boundary between two, and what may not change any of them."""

import random
from typing import Any

import pytest

from actbench import stats
from actbench.papers.reported import Claim
from actbench.place import Place
from actbench.stats import Contrast, contrasts, student
from actbench.stats.standard_errors import StandardErrors
from actbench.verdict import Verdict, judge

FREEDOM = 4.0
NARROWER = student.critical(0.10, FREEDOM) / student.critical(0.05, FREEDOM)
"""The 90 % interval's width over the 95 % one's."""
DETECTABLE = student.detectable(FREEDOM, 0.8, 0.05) / student.critical(0.05, FREEDOM)
"""The smallest detectable difference over the half-width of the 95 % interval."""


def claim(difference: float | None = 4.0, **fields: Any) -> Claim:
    base = {
        "id": "a-claim",
        "arms": ("new",),
        "baseline": "relu",
        "model": "ResNet-20",
        "data": "CIFAR-100",
        "metric": "top1_accuracy",
        "difference": difference,
        "source": "arXiv:2401.00001",
    }
    return Claim.model_validate({**base, **fields})


def seen(low: float, high: float, unit: float = 100.0) -> Contrast:
    """A difference with that 95 % interval, given in points."""
    reach = (high - low) / 2 / unit
    test = stats.Test(
        difference=(low + high) / 2 / unit,
        standard_error=reach / student.critical(0.05, FREEDOM),
        degrees_of_freedom=FREEDOM,
        n=5,
        is_paired=False,
        confidence=0.95,
    )
    return contrast_of(test)


def contrast_of(test: stats.Test) -> Contrast:
    return Contrast(
        first="new",
        second="relu",
        method="welch",
        test=test,
        estimate=test.estimate,
        effect_size=None,
        alpha=0.05,
        power=0.8,
        errors=StandardErrors({}),
    )


def verdict(about: Claim, low: float, high: float, **more: Any) -> tuple[str, str | None]:
    found = judge(about, seen(low, high), completed=5, **more)
    return found.word, found.size


@pytest.mark.parametrize(
    ("low", "high", "word", "size"),
    [
        (3.0, 5.0, "reproduced", None),
        (2.2, 2.8, "reproduced", None),  # inside 4 +- 2, though it excludes 4
        (0.5, 2.5, "better", "less than claimed"),
        (5.5, 9.5, "better", "more than claimed"),
        (0.5, 7.0, "better", None),  # within the margin, and too uncertain to say that it is the same
        (-3.0, -1.0, "worse", "less than claimed"),
        (-4.0, 6.0, "under-powered", None),
        (-1.0, 1.5, "not shown", None),
        (-0.1, 0.1, "not shown", None),
    ],
)
def test_words(low: float, high: float, word: str, size: str | None) -> None:
    assert verdict(claim(), low, high) == (word, size)


def test_the_90_percent_interval_may_touch_the_margin_and_not_cross_it() -> None:
    centre, reach = 4.5, 1.5 / NARROWER  # its 90 % interval ends at 6 = 4 + 2
    assert verdict(claim(), centre - reach, centre + reach * 0.999) == ("reproduced", None)
    assert verdict(claim(), centre - reach, centre + reach * 1.001) == ("better", None)
    centre = 3.5
    assert verdict(claim(), centre - reach * 0.999, centre + reach) == ("reproduced", None)
    assert verdict(claim(), centre - reach * 1.001, centre + reach) == ("better", None)


def test_an_interval_that_touches_0_does_not_exclude_it() -> None:
    about = claim(1.0, margin=5.0)
    assert verdict(about, 1e-9, 2.0) == ("reproduced", None)
    assert verdict(about, -1e-9, 2.0)[0] == "under-powered"
    assert verdict(about, -2.0, -1e-9) == ("reproduced", None)  # so wide a margin holds a loss too


def test_under_powered_is_what_could_not_have_shown_the_claimed_difference() -> None:
    reach = 4.0 / DETECTABLE
    assert verdict(claim(), 0.5 - reach * 1.001, 0.5 + reach * 1.001) == ("under-powered", None)
    assert verdict(claim(), 0.5 - reach * 0.999, 0.5 + reach * 0.999) == ("not shown", None)


def test_a_size_is_told_only_outside_the_margin() -> None:
    assert verdict(claim(), 0.1, 3.89) == ("better", "less than claimed")  # its middle is just below 4 - 2
    assert verdict(claim(), 0.1, 3.91) == ("better", None)
    assert verdict(claim(), 4.1, 7.89) == ("better", None)
    assert verdict(claim(), 4.1, 7.91) == ("better", "more than claimed")


def test_a_margin_of_the_claim_replaces_half_of_the_difference() -> None:
    assert verdict(claim(margin=0.5), 3.0, 5.0) == ("better", None)
    assert verdict(claim(margin=0.5), 2.2, 2.8) == ("better", "less than claimed")
    assert verdict(claim(margin=3.5), 0.6, 7.4) == ("reproduced", None)


def test_up_to_a_difference_is_no_claim_that_it_is_never_less() -> None:
    upper = claim(is_upper_end=True)
    assert verdict(upper, 3.0, 5.0) == ("reproduced", None)
    assert verdict(upper, 0.5, 1.5) == ("better", None)
    assert verdict(upper, 5.5, 9.5) == ("better", "more than claimed")
    assert verdict(upper, -3.0, -1.0) == ("worse", "less than claimed")
    assert verdict(upper, -1.0, 1.5) == ("not shown", None)


def test_without_a_difference_the_direction_alone_is_told() -> None:
    def text(about: Claim, low: float, high: float) -> str:
        return judge(about, seen(low, high), completed=5).text

    unknown = claim(None)
    assert text(unknown, 1.0, 3.0) == "no testable claim, direction as claimed"
    assert text(unknown, -3.0, -1.0) == "no testable claim, direction opposite"
    assert text(unknown, -1.0, 1.0) == "no testable claim, direction not shown"
    # What an arm is said to reach is no gain over its baseline.
    assert text(claim(None, value=90.0), 1.0, 3.0) == "no testable claim"


def test_not_run_comes_first() -> None:
    for about in (claim(), claim(None), claim(None, value=90.0)):
        assert judge(about, None, completed=0) == Verdict(word="not run")
    # An arm with runs whose baseline has none gives no contrast.
    assert judge(claim(), None, completed=3).word == "not run"


def test_one_seed_is_no_test() -> None:
    (contrast,) = contrasts({"new": {0: 0.9}, "relu": {0: 0.5}}, [("new", "relu")])
    assert judge(claim(), contrast, completed=1).text == "under-powered (one seed, no test)"
    assert judge(claim(None), contrast, completed=1).text == "no testable claim"


def test_equal_values_are_no_test() -> None:
    level = {"new": {0: 0.54, 1: 0.54, 2: 0.54}, "relu": {0: 0.5, 1: 0.5, 2: 0.5}}
    (contrast,) = contrasts(level, [("new", "relu")])
    assert judge(claim(), contrast, completed=3).text == "not shown (no spread over seeds, no test)"


def test_what_diverged_was_run() -> None:
    assert judge(claim(), None, completed=0, diverged=5).text == "not shown (every run diverged)"


def test_adjusted_for_all_claims_an_effect_needs_a_small_q() -> None:
    assert verdict(claim(), 3.0, 5.0, q=0.04) == ("reproduced", None)
    assert verdict(claim(), 3.0, 5.0, q=0.06) == ("not shown", None)
    assert verdict(claim(), 0.5, 2.5, q=0.06) == ("not shown", None)  # it excludes 0: not under-powered
    found = judge(claim(None), seen(1.0, 3.0), completed=5, q=0.06)
    assert found.direction == "not shown"


def random_cases(count: int = 400) -> list[tuple[float, float, float]]:
    rng = random.Random(5)
    cases = []
    for _ in range(count):
        claimed, centre, reach = rng.uniform(0.1, 6), rng.uniform(-8, 8), rng.uniform(0.01, 8)
        cases.append((claimed, centre - reach, centre + reach))
    return cases


def test_a_metric_of_which_less_is_better_gets_the_same_words() -> None:
    met = set()
    for claimed, low, high in random_cases():
        for upper in (False, True):
            gain = judge(claim(claimed, is_upper_end=upper), seen(low, high), completed=5)
            loss = judge(
                claim(-claimed, metric="perplexity", is_upper_end=upper), seen(-high, -low, 1.0), completed=5
            )
            assert gain == loss
            met.add((gain.word, gain.size))
    assert len(met) == 7, met


def test_the_words_do_not_depend_on_which_side_is_called_the_arm() -> None:
    other = {"better": "worse", "worse": "better"}
    for claimed, low, high in random_cases():
        here, there = verdict(claim(claimed), low, high), verdict(claim(-claimed), -high, -low)
        assert there == (other.get(here[0], here[0]), here[1])


def test_a_claim_twice_as_large_of_a_difference_twice_as_large_is_the_same_claim() -> None:
    for claimed, low, high in random_cases(200):
        assert verdict(claim(claimed), low, high) == verdict(claim(2 * claimed), 2 * low, 2 * high)


@pytest.mark.parametrize(
    ("place", "cell"),
    [
        (Place(), "better, less than claimed"),
        (
            Place(stand_in="VanillaNet-5 on CIFAR-100"),
            "on stand-in (VanillaNet-5 on CIFAR-100): better, less than claimed",
        ),
        (Place(reduced=True), "direction at reduced budget: better, less than claimed"),
        (
            Place(stand_in="a small CNN on MNIST", reduced=True),
            "on stand-in (a small CNN on MNIST), direction at reduced budget: better, less than claimed",
        ),
        (Place(synthetic=True, reduced=True), "synthetic data: no verdict"),
    ],
)
def test_only_runs_of_the_claims_own_setting_get_a_bare_verdict(place: Place, cell: str) -> None:
    assert judge(claim(), seen(0.5, 2.5), completed=5, place=place).cell == cell


def test_not_run_needs_no_place() -> None:
    assert judge(claim(), None, completed=0, place=Place(reduced=True)).cell == "not run"
