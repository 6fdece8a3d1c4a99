"""The plan is seed-major, knows what is stored, and names what is damaged."""

from collections.abc import Callable
from pathlib import Path

import pytest

from actbench.errors import ActbenchError
from actbench.recipe.plan import is_finished, make_plan
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord
from actbench.store import Store


def test_the_first_seed_of_every_arm_comes_first(make_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    plan = make_plan([make_recipe(seeds=[4, 2])], {0: "f"}, Store(tmp_path))
    assert [(run.seed, run.arm.name) for run in plan.runs] == [
        (seed, arm) for seed in (4, 2) for arm in ("relu", "swish", "series", "lslu")
    ]
    assert {run.state for run in plan.runs} == {"missing"}


def test_recipes_take_turns_and_arms_can_be_chosen(
    make_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipes = [make_recipe(name="a", seeds=[0, 1]), make_recipe(name="b", seeds=[0])]
    plan = make_plan(recipes, {0: "f", 1: "g"}, Store(tmp_path), arms=["lslu"])
    assert [(run.recipe.name, run.seed, run.arm.name) for run in plan.runs] == [
        ("a", 0, "lslu"),
        ("b", 0, "lslu"),
        ("a", 1, "lslu"),
    ]


def test_variants_of_the_same_settings_are_refused(
    make_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    twins = [make_recipe(variant=name) for name in ("one", "two")]
    with pytest.raises(ActbenchError, match=r"one/relu seed 0 and .*two/relu seed 0 have the same settings"):
        make_plan(twins, {0: "f", 1: "f"}, Store(tmp_path))


def test_a_record_of_a_newer_version_is_left_alone(
    make_recipe: Callable[..., Recipe], make_run: Callable[..., RunRecord], tmp_path: Path
) -> None:
    recipe, store = make_recipe(seeds=[0]), Store(tmp_path)
    (run, *_) = make_plan([recipe], {0: "f"}, store).runs
    store.write(run.path, make_run(recipe, "relu", 0))
    run.path.write_text(run.path.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    with pytest.raises(ActbenchError, match="newer than this program"):
        make_plan([recipe], {0: "f"}, store)


def test_done_resumable_missing_and_damaged(
    make_recipe: Callable[..., Recipe], make_run: Callable[..., RunRecord], tmp_path: Path
) -> None:
    recipe, store = make_recipe(seeds=[0]), Store(tmp_path)
    relu, swish, series, lslu = make_plan([recipe], {0: "f"}, store).runs
    store.write(relu.path, make_run(recipe, "relu", 0))
    store.write(swish.path, make_run(recipe, "swish", 0).model_copy(update={"status": "diverged"}))
    store.write(series.path, make_run(recipe, "series", 0).model_copy(update={"status": "interrupted"}))
    checkpoint = store.checkpoint_dir(series.path) / "last.pt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"weights")
    lslu.path.write_text("{")
    plan = make_plan([recipe], {0: "f"}, store)
    assert [run.state for run in plan.runs] == ["done", "done", "resumable", "missing"]
    assert [run.arm.name for run in plan.todo] == ["series", "lslu"]
    assert [problem.where for problem in plan.damaged] == [str(lslu.path)]
    assert is_finished(store, relu)
    assert not is_finished(store, series)
