"""Equal tuning: what is tried, how the search goes on, and what is chosen, by validation of finished trials alone."""

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actbench.fair.tuning import Choice, choices, trials, tuning_recipe
from actbench.recipe.hashing import footing_hash
from actbench.recipe.schema import Arm, Recipe
from actbench.store import Store, StoredRun
from tests.fair.trials import MakeRun, trial_run, tuned

MakeRecipe = Callable[..., Recipe]
LR = [0.03, 0.1, 0.3]
ARMS = [
    {"name": "relu", "activation": "relu"},
    {"name": "swish", "activation": "swish"},
    {"name": "pwlu", "activation": "pwlu"},
]


@pytest.fixture
def recipe_of(make_recipe: MakeRecipe) -> Callable[..., Recipe]:
    def make(**tune: Any) -> Recipe:
        return make_recipe(arms=ARMS, controls=["time"], tune={"space": {"train.lr": LR}, **tune})

    return make


def _peak(arm: Arm, rates: dict[str, float]) -> float:
    """Accuracy that falls with the distance from the arm's best rate: 0.8 at it, 0.1 less a factor of 10 away."""
    assert arm.train.lr is not None
    best = next(rate for name, rate in rates.items() if arm.name.startswith(f"{name}."))
    return 0.8 - 0.1 * abs(math.log10(arm.train.lr / best))


def test_without_the_block_nothing_is_tried(make_recipe: MakeRecipe) -> None:
    assert tuning_recipe(make_recipe(), []) is None
    assert not choices(make_recipe(), [])
    assert not trials(make_recipe(), [])


def test_trials_are_shorter_runs_on_other_seeds_with_the_test_set_shut(recipe_of: MakeRecipe) -> None:
    recipe = recipe_of(epochs=0.2, seeds=[7, 8])
    wanted = tuning_recipe(recipe, [])
    assert wanted is not None
    assert (wanted.name, wanted.seeds, wanted.tune) == ("lslu_c100.tune", (7, 8), None)
    assert wanted.evaluation.protocol == "validation"
    assert (wanted.train.epochs, wanted.model.model_dump()["decay_epochs"]) == (6, 2)
    assert [arm.name for arm in wanted.arms[:4]] == [
        "relu.lr0.03",
        "swish.lr0.03",
        "pwlu.lr0.03",
        "relu.lr0.1",
    ]
    assert Recipe.model_validate(wanted.model_dump()) == wanted, "records of it can be read again"
    # PWLU's first phase takes 5 of 30 epochs, and so 1 of 6.
    phases = {arm.options.model_dump()["phase_epochs"] for arm in wanted.arms if arm.activation == "pwlu"}
    assert phases == {1}
    assert {arm.train.epochs for arm in wanted.arms} == {None}


def test_what_is_chosen_has_the_recipes_own_length_and_footing(
    recipe_of: MakeRecipe, make_run: MakeRun
) -> None:
    recipe = recipe_of(epochs=0.2)
    found = choices(
        recipe,
        tuned(recipe, lambda arm, _: _peak(arm, dict.fromkeys(("relu", "swish", "pwlu"), 0.1)), make_run),
    )
    assert {name: choice.settings for name, choice in found.items()} == {
        name: {"train.lr": 0.1} for name in ("relu", "swish", "pwlu")
    }
    arm = found["pwlu"].arm
    assert (arm.name, arm.train.lr, arm.options.model_dump()["phase_epochs"]) == ("pwlu.tuned", 0.1, 5)
    fair = recipe.model_copy(update={"arms": (arm,)})
    assert footing_hash(fair, "data") == footing_hash(recipe, "data")


def test_each_arm_gets_its_own_best_and_as_many_trials(recipe_of: MakeRecipe, make_run: MakeRun) -> None:
    recipe = recipe_of(
        space={
            "train.lr": LR,
            "arms.pwlu.train.lr_factor": [0.5, 1, 2],
            "train.weight_decay": [0, 1e-3, 1e-2],
        }
    )
    best = {"relu": 0.1, "swish": 0.055, "pwlu": 0.1}

    def accuracy(arm: Arm, _: int) -> float:
        off = abs(arm.train.lr_factor - 1) + 100 * abs((arm.train.weight_decay or 0) - 1e-3)
        return _peak(arm, best) - 0.01 * off

    found = choices(recipe, tuned(recipe, accuracy, make_run))
    assert {choice.trials for choice in found.values()} == {27}
    assert all(choice.complete and not choice.at_edge for choice in found.values())
    assert found["relu"].settings == {"train.lr": 0.1, "train.weight_decay": 1e-3}
    assert found["pwlu"].settings == {
        "train.lr": 0.1,
        "arms.pwlu.train.lr_factor": 1.0,
        "train.weight_decay": 1e-3,
    }
    assert math.isclose(found["swish"].settings["train.lr"], 0.055, rel_tol=0.1), "of the finer grid"
    assert math.isclose(found["relu"].hours, 27 * 2 * 60 / 3600)


def test_a_best_value_at_the_edge_extends_the_grid_for_all_arms(
    recipe_of: MakeRecipe, make_run: MakeRun
) -> None:
    recipe = recipe_of()
    best = {"relu": 0.1, "swish": 1.0, "pwlu": 0.01}
    stored = tuned(recipe, lambda arm, _: _peak(arm, best), make_run)
    rates = {
        name: sorted(trial.settings["train.lr"] for trial in own)
        for name, own in trials(recipe, stored).items()
    }
    assert rates["relu"] == rates["swish"] == rates["pwlu"]
    assert rates["relu"] == [0.0027, 0.009, 0.03, 0.1, 0.3, 0.9, 2.7]
    found = choices(recipe, stored)
    assert {name: choice.settings["train.lr"] for name, choice in found.items()} == {
        "relu": 0.1,
        "swish": 0.9,
        "pwlu": 0.009,
    }
    assert not any(choice.at_edge for choice in found.values())
    assert {choice.trials for choice in found.values()} == {7}


def test_a_search_that_stays_at_the_edge_ends_and_says_so(recipe_of: MakeRecipe, make_run: MakeRun) -> None:
    best = {"relu": 0.1, "swish": 1000.0, "pwlu": 0.1}
    for edge, number in (("extend", 6), ("flag", 3)):
        recipe = recipe_of(edge=edge)
        found = choices(recipe, tuned(recipe, lambda arm, _: _peak(arm, best), make_run))
        assert {name: choice.at_edge for name, choice in found.items()} == {
            "relu": (),
            "swish": ("train.lr",),
            "pwlu": (),
        }
        assert {choice.trials for choice in found.values()} == {number}
        assert all(choice.complete for choice in found.values())


def test_a_trial_that_diverges_got_nothing_right(recipe_of: MakeRecipe, make_run: MakeRun) -> None:
    recipe = recipe_of(seeds=[7, 8])

    def accuracy(arm: Arm, seed: int) -> float:
        assert arm.train.lr is not None
        return math.nan if arm.train.lr > 0.2 and seed == 7 else 0.2 + arm.train.lr

    stored = tuned(recipe, accuracy, make_run)
    by_rate = {trial.settings["train.lr"]: trial for trial in trials(recipe, stored)["relu"]}
    assert by_rate[0.3].accuracies == (0.0, 0.5)
    assert choices(recipe, stored)["relu"].settings == {"train.lr": 0.1}


def test_an_arm_that_diverges_everywhere_is_tried_lower(recipe_of: MakeRecipe, make_run: MakeRun) -> None:
    recipe = recipe_of()

    def accuracy(arm: Arm, _: int) -> float:
        assert arm.train.lr is not None
        return (
            math.nan if arm.activation == "swish" and arm.train.lr > 0.005 else 0.5 - abs(arm.train.lr - 0.1)
        )

    found = choices(recipe, tuned(recipe, accuracy, make_run))
    assert found["swish"].settings["train.lr"] < 0.005
    assert not found["relu"].at_edge


def test_what_is_chosen_depends_on_no_order(recipe_of: MakeRecipe, make_run: MakeRun) -> None:
    recipe = recipe_of(seeds=[7, 8])
    stored = tuned(
        recipe,
        lambda arm, seed: _peak(arm, {"relu": 0.1, "swish": 1.0, "pwlu": 0.03}) + seed / 1000,
        make_run,
    )
    expected = choices(recipe, stored)
    for turn in range(5):
        shuffled = random.Random(turn).sample(stored, len(stored))
        assert choices(recipe, shuffled) == expected
        assert tuning_recipe(recipe, shuffled) is None


def test_stopped_at_any_run_the_search_says_what_is_missing(recipe_of: MakeRecipe, make_run: MakeRun) -> None:
    recipe = recipe_of()
    stored = tuned(recipe, lambda arm, _: _peak(arm, {"relu": 0.1, "swish": 1.0, "pwlu": 0.1}), make_run)
    seen: set[str] = set()
    for number in range(len(stored)):
        wanted = tuning_recipe(recipe, stored[:number])
        assert wanted is not None
        names = {arm.name for arm in wanted.arms}
        assert seen <= names, "what was wanted stays wanted"
        assert {run.record.arm.name for run in stored[: number + 1]} <= names
        assert not any(choice.complete for choice in choices(recipe, stored[:number]).values())
        seen = names
    assert tuning_recipe(recipe, stored) is None


@pytest.mark.parametrize("other", ["seed", "protocol", "epochs", "status", "fingerprint"])
def test_runs_that_are_no_finished_trials_count_for_nothing(
    recipe_of: MakeRecipe, make_run: MakeRun, other: str
) -> None:
    recipe = recipe_of(seeds=[7])
    wanted = tuning_recipe(recipe, [])
    assert wanted is not None
    held_out = wanted.evaluation.model_copy(update={"protocol": "held-out"})
    longer = wanted.train.model_copy(update={"epochs": 31})
    plan = {
        "protocol": wanted.model_copy(update={"evaluation": held_out}),
        "epochs": wanted.model_copy(update={"train": longer}),
    }.get(other, wanted)
    arm = wanted.arms[0]
    run = trial_run(make_run, plan, arm, 3 if other == "seed" else wanted.seeds[0], 0.5)
    if other == "status":
        run = StoredRun(run.path, run.record.model_copy(update={"status": "failed"}))  # type: ignore[union-attr]
    fingerprint = "other data" if other == "fingerprint" else "fingerprint"
    assert choices(recipe, [run], fingerprint=fingerprint) == {}
    fitting = trial_run(make_run, wanted, arm, wanted.seeds[0], 0.5)
    assert [*choices(recipe, [run, fitting], fingerprint="fingerprint")] == ["relu"]


def test_trials_read_back_from_files_are_those_that_were_written(
    recipe_of: MakeRecipe, make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From summaries, with an index and without one: 60 records are more than are read without it."""
    monkeypatch.setenv("ACTBENCH_CACHE_DIR", str(tmp_path / "cache"))
    recipe, store = recipe_of(trials=20), Store(tmp_path / "results")
    stored = tuned(recipe, lambda arm, _: _peak(arm, {"relu": 0.1, "swish": 0.2, "pwlu": 0.05}), make_run)
    for run in stored:
        record = run.record
        path = store.path(
            recipe=record.recipe.name, profile="lite", arm=record.arm.name, seed=record.seed, run=record.run
        )
        store.write(path, record)  # type: ignore[arg-type]
    import os

    for path in store.paths():
        os.utime(path, (1e9, 1e9))  # old enough for the index
    expected: dict[str, Choice] = choices(recipe, stored)
    for _ in range(2):
        found, problems = store.scan("lslu_c100.tune", "lite")
        assert not problems
        assert choices(recipe, found) == expected
    assert list((tmp_path / "cache").rglob("*.index"))
