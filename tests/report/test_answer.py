"""What a report says first: the words of every case, and none that claims too much."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from actbench.comparison import Group
from actbench.footing import Mismatch
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord
from actbench.report.answer import answer
from tests.report.groups import Counts, group_of

MakeGroup = Callable[..., Group]

FAR = {"relu": (5000, 5020, 4990), "swish": (5010, 5000, 5030), "lslu": (5600, 5590, 5610)}
NEAR = {"relu": (5000, 5100, 5050), "swish": (5010, 5120, 4990), "lslu": (5060, 5030, 5110)}


@pytest.fixture
def group(make_recipe: Callable[..., Recipe], make_run: Callable[..., RunRecord]) -> MakeGroup:
    """The comparison of `counts`, whose arms are the recipe's; keywords replace the recipe's fields."""

    def make(counts: Counts, options: dict[str, Any] | None = None, **fields: Any) -> Group:
        arms = fields.pop("arms", None) or [{"name": name, "activation": name} for name in counts]
        analysis = {"method": "welch"}  # whose numbers are easily worked out
        recipe = make_recipe(**{"arms": arms, "analysis": analysis, **fields})
        return group_of(recipe, counts, make_run, **(options or {}))

    return make


def test_the_question_names_arms_baselines_data_and_network(group: MakeGroup) -> None:
    asked = "How does lslu do against ReLU and Swish on CIFAR-100 with VanillaNet-5 x0.125?"
    assert answer(group(FAR)).question == asked
    several = {**FAR, "gelu": (5000, 5010, 5020)}
    assert answer(group(several)).question.startswith("How do lslu and gelu do against ReLU and Swish on")
    many = {**FAR, **dict.fromkeys(("gelu", "mish", "elu", "prelu"), (5000, 5010, 5020))}
    assert answer(group(many)).question.startswith("How do 5 activations do against ReLU and Swish on")
    alone = {name: FAR[name] for name in ("relu", "swish")}
    assert answer(group(alone)).question.startswith("How do ReLU and Swish do on CIFAR-100")


def test_the_question_is_about_the_arms_of_the_claim(group: MakeGroup) -> None:
    counts = {**FAR, "series": (5500, 5490, 5510)}
    told = answer(group(counts, paper="lslu", claim="lslu-cifar100-gain"))
    assert told.question.startswith("How does lslu do against ReLU and Swish on")


def test_a_significant_difference_has_its_size_interval_p_and_family(group: MakeGroup) -> None:
    first, cost = answer(group(FAR)).sentences
    assert first.startswith("lslu reaches 56.00 % accuracy (95 % interval 55.75 to 56.25) over 3 seeds: ")
    assert "significantly higher than ReLU (+5.97 points, +5.65 to +6.28, p < 0.001)" in first
    assert "and than Swish (+5.87 points, " in first
    assert first.endswith(", by Welch's t with Holm's correction over 3 tests.")
    assert cost == "An update with lslu takes 2.40 times as long as with ReLU (wall time)."


def test_the_method_is_the_one_that_was_used(group: MakeGroup) -> None:
    shared = group(FAR, analysis={"method": "paired"})
    assert ", by paired t with Holm's correction over 3 tests" in answer(shared).sentences[0]
    uneven = group({**FAR, "lslu": (5600, 5590)}, analysis={"method": "paired"})
    assert ", by paired t and Welch's t with" not in answer(uneven).sentences[0]


def test_a_significant_loss_is_lower(group: MakeGroup) -> None:
    first, _ = answer(group({**FAR, "lslu": (4600, 4590, 4610)})).sentences
    assert "significantly lower than ReLU (-4.03 points, " in first
    assert "higher" not in first


def test_what_is_not_shown_comes_with_what_would_have_been_found(group: MakeGroup) -> None:
    compared = group(NEAR)
    first, _ = answer(compared).sentences
    detectable = compared.rows[2].gaps[0].detectable
    assert detectable is not None
    assert "not shown to differ from ReLU (+0.17 points, " in first
    assert f", 80 % power from {100 * detectable:.2f} points on) or from Swish (" in first
    assert first.endswith(" (power: of a single test).")
    assert "significant" not in first
    assert "equal" not in first


def test_two_kinds_of_relation_stand_side_by_side(group: MakeGroup) -> None:
    first, _ = answer(group({**FAR, "swish": (5580, 5610, 5590)})).sentences
    assert "significantly higher than ReLU (" in first
    assert "; not shown to differ from Swish (" in first


def test_one_seed_is_told_without_a_test(group: MakeGroup) -> None:
    first, _ = answer(group({"relu": (5000,), "swish": (5100,), "lslu": (5050,)}, seeds=[0])).sentences
    assert first == (
        "lslu reaches 50.50 % accuracy in one seed: 0.50 points above ReLU and 0.50 points below Swish, which one seed "
        "cannot tell from chance."
    )


def test_no_spread_is_no_proof(group: MakeGroup) -> None:
    level = {"relu": (5000,) * 3, "swish": (5050,) * 3, "lslu": (5050,) * 3}
    first, _ = answer(group(level)).sentences
    assert "0.50 points above ReLU and level with Swish, in every seed alike, so untested" in first
    assert "interval" not in first


def test_an_arm_of_which_every_run_diverged_has_no_value(group: MakeGroup) -> None:
    said = answer(group({**FAR, "lslu": (None, None, None)})).sentences
    assert said[0] == "lslu has no completed run: 3 of 3 diverged."


def test_a_baseline_without_a_completed_run(group: MakeGroup) -> None:
    first = answer(group({**FAR, "swish": (None, None, None)})).sentences[0]
    assert "; not held against Swish, without a completed run" in first


def test_nothing_completed_is_no_answer(group: MakeGroup) -> None:
    said = answer(group(dict.fromkeys(FAR, (None,)))).sentences
    assert said == ("No run of this comparison is completed, so there is no answer yet.",)


def test_no_baseline(group: MakeGroup) -> None:
    told = answer(group({"gelu": (5000, 5100, 5050)}))
    assert told.question == "How does gelu do on CIFAR-100 with VanillaNet-5 x0.125?"
    assert told.sentences[0].endswith("; there is no baseline to hold it against.")


def test_many_arms_are_counted_and_the_largest_named(group: MakeGroup) -> None:
    counts = {
        **FAR,
        "gelu": (5300, 5310, 5290),
        "mish": (4700, 4690, 4710),
        "elu": (5010, 5000, 4980),
        "prelu": (None, None, None),
    }
    compared = group(counts)
    relu, swish, cost = answer(compared).sentences
    assert relu.startswith(
        "Against ReLU 2 of 4 arms are significantly higher (lslu +5.97, gelu +2.97), one is significantly lower "
        "(mish -3.03) and one is not shown to differ (80 % power from "
    )
    assert f"Holm's correction over {compared.family} tests" in relu
    assert swish.startswith("Against Swish 2 of 4 arms are significantly higher (")
    assert "Holm" not in swish
    assert cost == "An update takes 2.40 (lslu) to 3.00 times (prelu) as long as with ReLU (wall time)."


def test_none_of_many(group: MakeGroup) -> None:
    counts = {**NEAR, "gelu": (5020, 5110, 5000), "mish": (5030, 5020, 5090)}
    relu, swish, _ = answer(group(counts)).sentences
    assert relu.startswith(
        "Against ReLU none of 3 arms is significantly higher and 3 are not shown to differ ("
    )
    assert swish.startswith(
        "Against Swish none of 3 arms is significantly higher and 3 are not shown to differ ("
    )


def test_many_arms_of_one_seed_are_not_ranked_as_if_tested(group: MakeGroup) -> None:
    counts = {"relu": (5000,), "swish": (5100,), "lslu": (5050,), "gelu": (5200,), "mish": (4900,)}
    relu, _, _ = answer(group(counts, seeds=[0])).sentences
    assert relu == (
        "Against ReLU nothing is tested, with one seed or no spread: differences run from -1.00 (mish) to +2.00 points "
        "(gelu)."
    )


def test_synthetic_data_is_said_before_anything_else(group: MakeGroup) -> None:
    said = answer(group(FAR, profile="smoke", data={"name": "synthetic"})).sentences
    assert said[0].startswith(
        "These data are synthetic: the numbers show that the tool works, and nothing of any"
    )


def test_unequal_footing_is_said_before_any_difference(group: MakeGroup) -> None:
    mismatch = Mismatch(seeds={"lslu": (0,)}, difference="train.lr 0.1 / 0.2")
    said = answer(replace(group(FAR), mismatches=(mismatch,))).sentences
    assert (
        said[0] == "Not all these runs stand on one footing, so a difference may come of what else differs."
    )


def test_a_cost_that_was_not_measured_is_not_made_up(group: MakeGroup) -> None:
    compared = group(FAR)
    rows = tuple(replace(row, step_time_ratio=None, step_clock=None) for row in compared.rows)
    said = answer(replace(compared, rows=rows)).sentences
    assert said[-1] == "What an update costs beside ReLU was not measured on one machine."
