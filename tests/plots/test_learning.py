"""Training curves as numbers: bands worked out by hand, diverged and missing runs, weights and metrics."""

from collections.abc import Callable

import pytest

from actbench.metrics import METRICS
from actbench.plots.learning import ArmCurves, Band, RunCurve, arm_curves
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord

TOP1 = METRICS["top1_accuracy"]


def _run(seed: int, *values: float | None, diverged: bool = False) -> RunCurve:
    return RunCurve(seed=seed, diverged=diverged, values=values)


def test_the_band_is_mean_and_range_of_the_completed_runs() -> None:
    arm = ArmCurves(arm="a", runs=(_run(0, 1, 2), _run(1, 3, 7), _run(2, 99.0, diverged=True)))
    assert arm.band() == Band([1, 2], [2.0, 4.5], [1, 2], [3, 7])
    assert arm.label == "a (1/3 diverged)"


def test_a_band_ends_with_the_first_run_that_ends() -> None:
    arm = ArmCurves(arm="a", runs=(_run(0, 1, 2, 3), _run(1, 3, 4)))
    assert arm.band() == Band([1, 2], [2.0, 3.0], [1, 2], [3, 4])
    gap = ArmCurves(arm="a", runs=(_run(0, None, 2, 3), _run(1, 3, 4, None)))
    assert gap.band() == Band([2], [3.0], [2], [4])
    assert ArmCurves(arm="a", runs=(_run(0, 1, None), _run(1, None, 2))).band() is None
    assert ArmCurves(arm="a", runs=(_run(0, diverged=True),)).band() is None


def test_curves_are_read_from_records_in_the_order_asked_for(
    make_recipe: Callable[..., Recipe],
    make_run: Callable[..., RunRecord],
    with_history: Callable[..., RunRecord],
) -> None:
    recipe = make_recipe()
    runs = [
        with_history(make_run(recipe, "relu", 1), [2.0, 1.0], [30, 40]),
        with_history(make_run(recipe, "relu", 0), [2.5, 1.5], [31, 41]),
        with_history(make_run(recipe, "swish", 0, status="diverged"), [9.0], [1]),
        with_history(make_run(recipe, "lslu", 0, status="failed"), [9.0], [1]),
    ]
    swish, relu = arm_curves(runs, "val", TOP1, arms=["swish", "relu", "lslu"])
    assert (swish.arm, swish.runs) == ("swish", (_run(0, 1.0, diverged=True),))
    assert [run.seed for run in relu.runs] == [0, 1]
    assert [epoch for epoch, _ in relu.runs[0].points()] == [1, 2]
    assert [value for _, value in relu.runs[0].points()] == pytest.approx([31, 41])
    (_, losses) = arm_curves(runs, "loss", TOP1, arms=["swish", "relu"])
    assert losses.runs[1].values == (2.0, 1.0)
    (_, unmeasured) = arm_curves(runs, "test", TOP1, arms=["swish", "relu"])
    assert unmeasured.runs[1].points() == []
    (_, averaged) = arm_curves(runs, "val", TOP1, arms=["swish", "relu"], weights="ema")
    assert averaged.runs[1].points() == [], "these runs kept no moving average"
    (_, boxes) = arm_curves(runs, "val", METRICS["box_ap"], arms=["swish", "relu"])
    assert boxes.runs[1].points() == [], "a classification has no boxes"
