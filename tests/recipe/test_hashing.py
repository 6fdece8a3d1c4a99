"""What changes a hash and what does not."""

from collections.abc import Callable
from typing import Any

import pytest

from actbench.recipe.hashing import arm_settings, flatten, footing_hash, footing_settings, run_hash
from actbench.recipe.schema import Arm, Recipe


def _changed(recipe: Recipe, **fields: Any) -> Recipe:
    return Recipe.model_validate({**recipe.model_dump(), **fields})


def test_a_field_at_its_default_leaves_no_trace(make_recipe: Callable[..., Recipe]) -> None:
    recipe = make_recipe()
    spelled_out = make_recipe(
        train={"epochs": 30, "lr": 0.1, "momentum": 0.9, "gamma": 0.1}, input={"size": 32}
    )
    assert footing_settings(recipe) == footing_settings(spelled_out)
    assert "momentum" not in footing_settings(recipe)["train"]
    assert "input" not in footing_settings(recipe)


def test_other_arms_and_seeds_and_words_change_nothing(make_recipe: Callable[..., Recipe]) -> None:
    recipe = make_recipe()
    other = _changed(recipe, arms=recipe.model_dump()["arms"][:1], seeds=[7], title="other", paper=None)
    assert footing_hash(recipe, "f") == footing_hash(other, "f")


@pytest.mark.parametrize(
    "fields",
    [
        {"train": {"epochs": 31, "lr": 0.1}},
        {"input": {"flip": 0.5}},
        {"limit": 100},
        {"evaluation": {"val_fraction": 0.2}},
        {"data": {"name": "cifar10"}},
        {"model": {"name": "resnet"}},
    ],
)
def test_whatever_arms_share_changes_the_footing(
    make_recipe: Callable[..., Recipe], fields: dict[str, Any]
) -> None:
    recipe = make_recipe()
    assert footing_hash(recipe, "f") != footing_hash(_changed(recipe, **fields), "f")


def test_data_arm_and_seed_count(make_recipe: Callable[..., Recipe]) -> None:
    recipe = make_recipe()
    footing = footing_hash(recipe, "f")
    assert footing != footing_hash(recipe, "g")
    arm = recipe.arm("lslu")
    other = Arm.model_validate({**arm.model_dump(), "options": {"n": 5}})
    hashes = {
        run_hash(footing, arm, 0),
        run_hash(footing, arm, 1),
        run_hash(footing, other, 0),
        run_hash("x", arm, 0),
    }
    assert len(hashes) == 4
    renamed = arm.model_copy(update={"name": "renamed"})
    assert run_hash(footing, arm, 0) == run_hash(footing, renamed, 0)
    assert arm_settings(arm) == {"activation": "lslu"}


@pytest.mark.parametrize(
    "block",
    [
        {"input": {"rand_augment": {"num_ops": 2, "magnitude": 7, "magnitude_std": 0.5}}},
        {"train": {"epochs": 30, "lr": 0.1, "early_stopping": {"patience": 10}}},
    ],
)
def test_an_optional_block_at_its_defaults_is_not_its_absence(
    make_recipe: Callable[..., Recipe], block: dict[str, Any]
) -> None:
    recipe = make_recipe()
    assert footing_hash(recipe, "f") != footing_hash(_changed(recipe, **block), "f")
    assert flatten(footing_settings(recipe)) != flatten(footing_settings(_changed(recipe, **block)))


def test_how_many_processes_read_images_changes_no_hash(make_recipe: Callable[..., Recipe]) -> None:
    plain, hurried = (
        make_recipe(data={"name": "imagenet", "workers": workers}, input={"crop": "random-resized"})
        for workers in (2, 8)
    )
    assert footing_hash(plain, "f") == footing_hash(hurried, "f")


def test_the_hash_of_a_known_recipe_stays(make_recipe: Callable[..., Recipe]) -> None:
    """A new version of this program must find the runs that an older one stored."""
    recipe = make_recipe()
    footing = footing_hash(recipe, "0" * 64)
    assert (footing[:16], run_hash(footing, recipe.arm("lslu"), 0)[:16]) == (
        "3239d3d6d56efd3d",
        "b94bf0fada8daa97",
    )


def test_flatten_dots_the_keys() -> None:
    assert flatten({"a": {"b": {"c": 1}, "d": [2]}, "e": None}) == {"a.b.c": 1, "a.d": [2], "e": None}
    assert flatten({"a": {"b": {}}}) == {"a.b": {}}
