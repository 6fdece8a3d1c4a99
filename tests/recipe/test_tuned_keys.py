"""The block `tune` of a recipe's file: every mistake at its line, and settings of the command line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from actbench.errors import RecipeError
from actbench.recipe.load import load_recipe
from actbench.recipe.tune_settings import TuneSettings

Write = Callable[..., Path]
TUNE = """\
tune:
  space:
    train.lr: [1e-4, 1e-3, 1e-2]
    train.weight_decay: [0, 1e-2]
    arms.lslu.train.lr_factor: [0.1, 1]
    arms.lslu.options.n: [3, 5]
  epochs: 0.5
  seeds: 7..8
"""
LINE = 38
"""Of `tune:` in the file."""


def test_a_sound_block_is_read_whole(recipe_text: str, write: Write) -> None:
    (recipe,) = load_recipe(write(recipe_text + TUNE)).recipes
    assert recipe.tune == TuneSettings(
        space={
            "train.lr": (1e-4, 1e-3, 1e-2),
            "train.weight_decay": (0, 1e-2),
            "arms.lslu.train.lr_factor": (0.1, 1),
            "arms.lslu.options.n": (3, 5),
        },
        epochs=0.5,
        seeds=(7, 8),
    )
    assert load_recipe(write(recipe_text)).recipes[0].tune is None


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("train.lr:", "train.rl:", 2, "'train.rl' cannot be tuned (tune.space.train.rl)\n  known: train.lr,"),
        ("train.lr:", "train.rl:", 1, "train.lr is not in the space"),
        ("arms.lslu.options.n:", "arms.lslu.options.m:", 5, "did you mean 'arms.lslu.options.n'?"),
        ("arms.lslu.options.n:", "arms.lsl.options.n:", 5, "'arms.lsl.options.n' cannot be tuned"),
        ("[3, 5]", "[3, 5, 3]", 5, "3 stands here more than once"),
        ("[3, 5]", "[3, 4.5]", 5, "must be an integer, got 4.5"),
        ("[3, 5]", "[3, 16]", 5, "must be at most 15, got 16"),
        ("[0, 1e-2]", "[0, -1e-2]", 3, "must be at least 0, got -1e-2"),
        ("[0, 1e-2]", "[0, five]", 3, "expected a number, got five"),
        ("[0, 1e-2]", "0.1", 3, "expected a list, got 0.1"),
        ("[0, 1e-2]", "[0.1]", 3, "needs at least 2 values"),
        ("[1e-4, 1e-3, 1e-2]", "[0, 1e-3]", 2, "must be above 0, got 0"),
        ("  epochs: 0.5", "  epochs: 2", 6, "must be at most 1"),
        (
            "  epochs: 0.5",
            "  trials: 20",
            6,
            "trials 20 are fewer than the 24 points of the grid of arm lslu",
        ),
        ("  epochs: 0.5", "  edge: grow", 6, "known: extend, flag"),
        ("  epochs: 0.5", "  edges: flag", 6, "did you mean 'edge'?"),
        ("seeds: 7..8", "seeds: 2..8", 7, "2 is a seed of the recipe too"),
        ("seeds: 7..8", "seeds: [7, 7]", 7, "a seed stands here more than once"),
    ],
)
def test_every_mistake_is_told_at_its_line(
    old: str, new: str, line: int, told: str, recipe_text: str, write: Write
) -> None:
    broken = TUNE.replace(old, new, 1)
    assert broken != TUNE
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(recipe_text + broken))
    found = [problem for problem in caught.value.problems if told in str(problem)]
    assert [problem.where for problem in found] == [f"demo.yaml:{LINE + line}"], str(caught.value)


def test_the_command_line_sets_a_key_of_the_space_by_its_whole_name(recipe_text: str, write: Write) -> None:
    path = write(recipe_text + TUNE)
    overrides = ["tune.space.train.lr=[0.1, 0.2]", "tune.trials=18"]
    loaded = load_recipe(path, overrides=overrides)
    (recipe,) = loaded.recipes
    assert recipe.tune is not None
    assert recipe.tune.space["train.lr"] == (0.1, 0.2)
    assert recipe.tune.space["train.weight_decay"] == (0, 0.01)
    (origins,) = loaded.origins
    assert origins["tune.space.train.lr"] == "command line"
    assert origins["tune.space.train.weight_decay"] == f"demo.yaml:{LINE + 3}"
    with pytest.raises(RecipeError, match=r"command line: 0 is a seed of the recipe too; .*\(tune.seeds\)"):
        load_recipe(path, overrides=["tune.seeds=0"])
    with pytest.raises(RecipeError, match="7 is a seed of the recipe too"):
        load_recipe(path, seeds="5..9")


def test_a_profile_can_turn_it_off(recipe_text: str, write: Write) -> None:
    text = recipe_text.replace("  paper: {}", "  paper: {tune: null}") + TUNE
    assert load_recipe(write(text), profile="paper").recipes[0].tune is None
    assert load_recipe(write(text), profile="lite").recipes[0].tune is not None
