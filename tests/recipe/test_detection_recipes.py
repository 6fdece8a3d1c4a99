"""What may not stand together under task detect, told with its line; and that older recipes keep their hashes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from actbench.errors import RecipeError
from actbench.recipe.hashing import footing_settings
from actbench.recipe.load import load_recipe

RECIPE = """\
name: demo
task: detect
data: {name: coco}
input:
  size: 320
  normalize: imagenet
  interpolation: bilinear
model: {name: retinanet, depth: 18}
arms:
- {name: relu, activation: relu}
train:
  epochs: 4
  lr: 1e-2
evaluation: {batch_size: 8}
profiles: {paper: {}, lite: {}, smoke: {data: {name: synthetic_shapes}}}
"""

CASES = {
    "task": (
        "task: detect",
        "task: classify",
        "'coco' is for task detect, and the task here is classify",
        "data:",
    ),
    "data": (
        "{name: coco}",
        "{name: digits}",
        "'digits' is for task classify, and the task here is detect",
        "data:",
    ),
    "model": (
        "{name: retinanet, depth: 18}",
        "{name: resnet}",
        "'resnet' is for task classify, and the task here is detect",
        "model:",
    ),
    "crop": (
        "  size: 320",
        "  size: 320\n  crop: pad",
        "not for task detect, which takes whole pictures",
        "crop",
    ),
    "mixup": (
        "  size: 320",
        "  size: 320\n  mixup: 0.2",
        "not for task detect, which takes whole pictures",
        "mixup",
    ),
    "filter": ("bilinear", "bicubic", "must be bilinear for task detect", "interpolation"),
    "measured": ("imagenet", "dataset", "must be imagenet or half for task detect", "normalize"),
    "sides": ("  size: 320", "  size: 320\n  max_size: 300", "below the shorter side, 320", "max_size"),
    "smoothing": (
        "  lr: 1e-2",
        "  lr: 1e-2\n  label_smoothing: 0.1",
        "a detector brings its own losses",
        "train:",
    ),
    "bf16": ("  lr: 1e-2", "  lr: 1e-2\n  amp: bf16", "must be none for task detect: bf16 rounds", "amp"),
    "stopping": (
        "  lr: 1e-2",
        "  lr: 1e-2\n  early_stopping: {}",
        "follows the validation loss",
        "early_stopping",
    ),
    "batch": (
        "{batch_size: 8}",
        "{batch_size: 500}",
        "500 whole pictures at once are too many",
        "evaluation",
    ),
    "option": ("depth: 18", "depht: 18", "unknown key 'depht'", "model:"),
}


def test_the_sound_recipe_is_sound(write: Callable[..., Path]) -> None:
    (recipe,) = load_recipe(write(RECIPE), profile="lite").recipes
    assert (recipe.task, recipe.is_synthetic) == ("detect", False)
    assert load_recipe(write(RECIPE), profile="smoke").recipes[0].is_synthetic


@pytest.mark.parametrize("what", CASES)
def test_what_does_not_go_together_is_told_with_its_line(what: str, write: Callable[..., Path]) -> None:
    old, new, message, line_with = CASES[what]
    assert RECIPE.count(old) >= 1
    text = RECIPE.replace(old, new, 1)
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(text))
    problem = caught.value.problems[0]
    assert message in problem.message
    lines = [number for number, line in enumerate(text.splitlines(), start=1) if line_with in line]
    assert problem.where is not None
    assert int(problem.where.rpartition(":")[2]) in lines


def test_a_classifiers_footing_knows_nothing_of_detection() -> None:
    (recipe,) = load_recipe("lslu_vanillanet_c100", profile="lite").recipes
    settings = footing_settings(recipe)
    assert "task" not in settings
    assert "max_size" not in settings["input"]
