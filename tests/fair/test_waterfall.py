"""The gap waterfall's numbers: which arms each rung compares, by which differences, and what they come to."""

from pathlib import Path

import pytest
from scipy import stats

from actbench.fair.runs import arms_of, runs_of_part
from actbench.fair.waterfall import Rung, RungKey, Waterfall, waterfall
from actbench.metrics import metric_of
from actbench.recipe.hashing import footing_hash
from actbench.recipe.schema import Recipe
from actbench.sides import Reading, side_of
from actbench.store import Store
from tests.fair.falls import FAIR, PLAIN, MakeRecipe, MakeRun, fair_arms, store_falls

THREE = [{"name": name, "activation": name} for name in ("relu", "swish", "lslu")]


def _fall(folder: Path, recipe: Recipe) -> Waterfall:
    store = Store(folder)
    footing = footing_hash(recipe, "fingerprint")
    plain, _ = store.scan(recipe.name, recipe.profile)
    fair = runs_of_part(store, recipe, "fair", footing=footing)
    reading = Reading(metric_of(recipe), "last", "raw")
    sides = {
        name: side_of(runs[0].record.arm, runs, reading)
        for name, runs in arms_of([*plain, *fair.stored]).items()
    }
    return waterfall(
        recipe,
        "lslu",
        ["relu", "swish"],
        sides,
        metric=reading.metric,
        data=plain[0].record.data,
        footing=footing,
        fair=fair.plan,
    )


@pytest.fixture
def recipe(make_recipe: MakeRecipe) -> Recipe:
    return make_recipe(arms=THREE, analysis={"method": "paired"})


def _rung(fall: Waterfall, baseline: str, key: RungKey) -> Rung:
    rung = fall.rung(baseline, key)
    assert rung is not None
    return rung


def test_each_rung_compares_the_arms_that_it_names(tmp_path: Path, recipe: Recipe, make_run: MakeRun) -> None:
    store_falls(tmp_path, recipe, make_run)
    fall = _fall(tmp_path, recipe)
    pairs = {
        (baseline, rung.key): (rung.candidate, rung.baseline)
        for baseline, rungs in fall.rungs.items()
        for rung in rungs
    }
    assert pairs == {
        ("relu", "same"): ("lslu", "relu"),
        ("relu", "tuned"): ("lslu.tuned", "relu.tuned"),
        ("relu", "params"): ("lslu.tuned", "relu.params.lslu"),
        ("relu", "time"): ("lslu.tuned", "relu.time.lslu"),
        ("swish", "same"): ("lslu", "swish"),
        ("swish", "tuned"): ("lslu.tuned", "swish.tuned"),
        ("swish", "params"): ("lslu.tuned", "swish.tuned"),  # no control of its own: it is equal as it is
        ("swish", "time"): ("lslu.tuned", "swish.time.lslu"),
    }
    assert not fall.is_interim


def test_gaps_are_paired_by_seed_and_the_words_follow_from_them(
    tmp_path: Path, recipe: Recipe, make_run: MakeRun
) -> None:
    store_falls(tmp_path, recipe, make_run)
    fall = _fall(tmp_path, recipe)
    sides: dict[RungKey, tuple[tuple[int, ...], tuple[int, ...]]] = {
        "same": (PLAIN["lslu"], PLAIN["relu"]),
        "time": (FAIR["lslu.tuned"], FAIR["relu.time.lslu"]),
    }
    for key, (first, second) in sides.items():
        gap = _rung(fall, "relu", key).gap
        differences = [(a - b) / 10_000 for a, b in zip(first, second, strict=True)]
        low, high = stats.t.interval(0.95, 2, sum(differences) / 3, stats.sem(differences))
        assert gap is not None
        assert gap.interval is not None
        assert gap.interval == pytest.approx((low, high), abs=1e-12)
    assert _rung(fall, "relu", "same").word == "better"
    # (-5, 10, -15) of 10,000: at 90 % within half a point of nothing
    assert _rung(fall, "relu", "time").word == "as good"
    assert _rung(fall, "swish", "time").word == "undecided"
    # (50, 30, 55): its own interval excludes 0, and it reaches beyond half a point
    assert _rung(fall, "relu", "params").word == "better alone"
    assert _rung(fall, "relu", "same").time.ratio == pytest.approx(2.0)


def test_missing_runs_make_it_interim(tmp_path: Path, recipe: Recipe, make_run: MakeRun) -> None:
    first = {name: values[:1] for name, values in FAIR.items() if name != "relu.time.lslu"}
    store_falls(tmp_path, recipe, make_run, fair=first)
    fall = _fall(tmp_path, recipe)
    assert fall.is_interim
    assert _rung(fall, "relu", "tuned").word == "no test"
    assert _rung(fall, "relu", "tuned").missing == (
        "lslu.tuned seed 1",
        "lslu.tuned seed 2",
        "relu.tuned seed 1",
        "relu.tuned seed 2",
    )
    assert _rung(fall, "relu", "time").word == "not run"


def test_without_fair_runs_there_is_one_rung(tmp_path: Path, recipe: Recipe, make_run: MakeRun) -> None:
    store_falls(tmp_path, recipe, make_run, fair={})
    assert [rung.key for rung in _fall(tmp_path, recipe).rungs["relu"]] == ["same"]


def test_runs_of_an_arm_that_was_tuned_anew_are_left_out(
    tmp_path: Path, recipe: Recipe, make_run: MakeRun
) -> None:
    store_falls(tmp_path, recipe, make_run)
    changed = [
        arm.model_copy(update={"train": arm.train.model_copy(update={"lr": 0.4})})
        if arm.name == "relu.tuned"
        else arm
        for arm in fair_arms()
    ]
    named = {"name": f"{recipe.name}.fair", "part": "fair", "controls": ("params", "time")}
    derived = recipe.model_copy(update={**named, "arms": tuple(changed)})
    run = make_run(derived, "relu.tuned", 0, 5250, started="2025-02-01T00:00:00+00:00")
    Store(tmp_path).write(tmp_path / derived.name / derived.profile / "relu.tuned-seed0-new.json", run)
    fair = runs_of_part(Store(tmp_path), recipe, "fair", footing=run.footing)
    kept = {(r.record.arm.name, r.record.seed, r.record.arm.train.lr) for r in fair.stored}
    assert {entry for entry in kept if entry[0] == "relu.tuned"} == {("relu.tuned", 0, 0.4)}
    assert ("lslu.tuned", 2, 0.05) in kept
