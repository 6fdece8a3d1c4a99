"""What a calibration is made of, and what its stored runs show."""

import math
import random

import pytest
from scipy.stats import ttest_rel

from actbench.fair.calibration import (
    PLANTED_SLOPE,
    calibrated_baseline,
    calibration_arms,
    calibration_of,
    calibration_recipes,
    stored_calibration,
)
from actbench.fair.naming import part_name
from actbench.metrics import metric_of
from actbench.recipe.hashing import arm_settings, footing_hash
from actbench.recipe.schema import Arm, Recipe
from actbench.sides import Reading
from tests.fair.calibrations import COUNTS, MakeRecipe, MakeRun, as_stored, calibration_records


def _pairs(recipe: Recipe) -> dict[str, Arm]:
    return {arm.name: arm for arm in calibration_arms(recipe, calibrated_baseline(recipe))}


def test_the_arms_differ_from_the_baseline_in_what_is_planted_alone(make_recipe: MakeRecipe) -> None:
    arms = [{"name": "relu", "activation": "relu", "sites": "stem", "train": {"lr": 0.2}}]
    recipe = make_recipe(arms=arms)
    own = arm_settings(recipe.arms[0])
    made = _pairs(recipe)
    assert arm_settings(made["relu_again"]) == {**own, "salt": 1}
    assert arm_settings(made["relu_narrow"]) == {**own, "model": {"width": 0.1125}}
    planted = {"activation": "leaky_relu", "options": {"negative_slope": PLANTED_SLOPE}}
    assert arm_settings(made["leaky_0.8"]) == {**own, **planted}
    alone, derived = calibration_recipes(recipe)
    assert footing_hash(alone, "f") == footing_hash(derived, "f") == footing_hash(recipe, "f")
    assert [arm.name for arm in (*alone.arms, *derived.arms)] == list(COUNTS)
    assert Recipe.model_validate(derived.model_dump()) == derived
    assert part_name(derived, "calibrate") == derived.name == f"{recipe.name}.calibrate"


def test_an_arm_that_the_recipe_has_already_is_trained_once(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    leaky = {"name": "leaky", "activation": "leaky_relu", "options": {"negative_slope": PLANTED_SLOPE}}
    recipe = make_recipe(arms=[{"name": "relu", "activation": "relu"}, leaky])
    alone, derived = calibration_recipes(recipe)
    assert [arm.name for arm in alone.arms] == ["relu", "leaky"]
    assert [arm.name for arm in derived.arms] == ["relu_again", "relu_narrow"]
    counts = {"leaky" if name == "leaky_0.8" else name: values for name, values in COUNTS.items()}
    found = calibration_of(recipe, recipe.arms[0], as_stored(calibration_records(recipe, make_run, counts)))
    assert found
    assert found.smallest_found
    assert found.smallest_found.loss == pytest.approx(0.059)


def test_a_plain_relu_among_the_baselines_is_calibrated_else_the_first(make_recipe: MakeRecipe) -> None:
    arms = [{"name": name, "activation": name} for name in ("lslu", "gelu", "relu")]
    assert calibrated_baseline(make_recipe(arms=arms)).name == "relu"
    other = make_recipe(arms=arms[:2], baselines=["gelu"])
    assert calibrated_baseline(other).name == "gelu"
    assert list(_pairs(other)) == ["gelu_again", "gelu.leaky_0.8", "gelu_narrow"]
    assert calibrated_baseline(make_recipe(arms=arms[:1])).name == "lslu"


def test_gaps_are_those_of_the_tables_analysis(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe(analysis={"method": "paired"})
    records = as_stored(calibration_records(recipe, make_run))
    found = calibration_of(recipe, calibrated_baseline(recipe), records)
    assert found
    again = found.again.contrast
    assert again
    test = ttest_rel(COUNTS["relu_again"], COUNTS["relu"])
    low, high = (bound / 10_000 for bound in test.confidence_interval(0.95))
    assert again.estimate.value == pytest.approx(10 / 3 / 10_000)
    assert again.estimate.interval == pytest.approx((low, high))
    assert again.p == pytest.approx(test.pvalue)
    assert (found.is_silent, found.again.tests, found.missing) == (True, 3, ())
    smallest = found.smallest_found
    assert smallest
    assert smallest.arm.name == "leaky_0.8"
    assert smallest.loss == pytest.approx(0.059)
    worse, narrow = found.planted
    assert worse.p_holm == pytest.approx(3 * ttest_rel(COUNTS["leaky_0.8"], COUNTS["relu"]).pvalue)
    assert not narrow.is_found
    assert narrow.loss == pytest.approx(35 / 3 / 10_000)


def test_a_gap_without_a_cause_is_an_alarm_and_a_gain_is_no_loss_found(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    recipe = make_recipe(analysis={"method": "paired"})
    counts = {**COUNTS, "relu_again": (5300, 5341, 5259), "leaky_0.8": (5300, 5341, 5259)}
    found = calibration_of(
        recipe, calibrated_baseline(recipe), as_stored(calibration_records(recipe, make_run, counts))
    )
    assert found
    assert not found.is_silent
    assert found.smallest_found is None
    assert found.planted[0].is_significant


def test_what_was_not_run_is_missing_and_without_the_twin_there_is_no_calibration(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    recipe = make_recipe()
    baseline = calibrated_baseline(recipe)
    counts = {"relu": (5000, 5040, 4960), "relu_again": (5010, 5030)}
    found = calibration_of(recipe, baseline, as_stored(calibration_records(recipe, make_run, counts)))
    assert found
    assert found.missing[0] == "relu_again seed 2"
    assert len(found.missing) == 1 + 2 * 3
    assert [seen.contrast for seen in found.planted] == [None, None]
    assert (found.smallest_found, found.again.tests) == (None, 1)
    del counts["relu_again"]
    records = as_stored(calibration_records(recipe, make_run, counts))
    assert calibration_of(recipe, baseline, records) is None


def test_of_stored_runs_those_of_the_tables_footing_count(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe()
    other = make_recipe(train={"epochs": 31, "lr": 0.1})
    records = [*calibration_records(recipe, make_run), *calibration_records(other, make_run)]
    reading = Reading(metric_of(recipe), "last", "raw")
    # The table shows another arm alone.
    shown = recipe.model_copy(update={"arms": recipe.arms[3:]})
    for plan in (recipe, other):
        footing = footing_hash(plan, "fingerprint")
        found = stored_calibration(shown, as_stored(records), reading=reading, footing=footing)
        assert found
        assert found.baseline == recipe.arms[0]
        assert all(run.footing == footing for run in found.side.runs)
    assert stored_calibration(shown, as_stored(records), reading=reading, footing="none") is None


RUNS = 300


@pytest.mark.slow
def test_the_seeds_told_find_a_loss_of_that_size_nine_times_of_ten_and_twins_are_silent(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    """True values: a loss of 1.2 points, deviation 0.5 in every arm, seeds independent."""
    recipe = make_recipe(analysis={"method": "paired"})
    sd, loss = 50.0, 120.0
    pilot = {"relu": [5000 - sd, 5000, 5000 + sd]}
    # Values of a pilot that has just the true spread: differences of deviation sd * sqrt(2), of mean `loss`.
    step = sd * math.sqrt(2)
    pilot["leaky_0.8"] = [
        value - loss + shift for value, shift in zip(pilot["relu"], (-step, 0, step), strict=True)
    ]
    pilot["relu_again"] = pilot["relu"]
    pilot["relu_narrow"] = pilot["leaky_0.8"]
    exact = {arm: tuple(map(round, values)) for arm, values in pilot.items()}
    found = calibration_of(recipe, recipe.arms[0], as_stored(calibration_records(recipe, make_run, exact)))
    assert found
    seeds = found.planted[0].seeds
    assert seeds
    assert 5 <= seeds <= 9
    draw = random.Random(0)
    template = calibration_records(recipe, make_run, dict.fromkeys(COUNTS, (0,) * seeds))
    shifts = {"relu": 0.0, "relu_again": 0.0, "leaky_0.8": -loss, "relu_narrow": -loss}
    hits = alarms = 0
    for _ in range(RUNS):
        records = []
        for run in template:
            correct = round(draw.gauss(5000 + shifts[run.arm.name], sd))
            (result,) = run.results
            tally = result.tally.model_copy(update={"correct": correct})
            records.append(run.model_copy(update={"results": (result.model_copy(update={"tally": tally}),)}))
        seen = calibration_of(recipe, recipe.arms[0], as_stored(records))
        assert seen
        hits += seen.planted[0].is_found
        alarms += not seen.is_silent
    # Three standard errors of a share over RUNS: 0.9 - 0.052; at 5 % at most 0.05 + 0.038.
    assert hits / RUNS > 0.9 - 3 * math.sqrt(0.9 * 0.1 / RUNS)
    assert alarms / RUNS < 0.05 + 3 * math.sqrt(0.05 * 0.95 / RUNS)
