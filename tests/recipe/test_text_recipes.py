"""What may not stand together under task text, told with its line; and that older recipes keep their hashes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from actbench.errors import RecipeError
from actbench.recipe.hashing import footing_settings
from actbench.recipe.load import load_recipe

RECIPE = """\
name: demo
task: text
data: {name: sst2}
input:
  tokens: {max_length: 32}
model: {name: bert_small, max_length: 32}
arms:
- {name: relu, activation: relu}
train:
  epochs: 4
  lr: 1e-2
evaluation: {batch_size: 8}
profiles: {paper: {}, lite: {}, smoke: {data: {name: synthetic_text}}}
"""
SUM = "0" * 64

CASES = {
    "task": ("task: text", "task: classify", "'sst2' is for task text, and the task here is classify", "data:"),
    "data": ("{name: sst2}", "{name: digits}", "'digits' is for task classify", "data:"),
    "model": ("{name: bert_small, max_length: 32}", "{name: resnet}", "'resnet' is for task classify", "model:"),
    "crop": ("  tokens:", "  crop: pad\n  tokens:", "not for task text, which takes only input.tokens", "crop"),
    "size": ("  tokens:", "  size: 64\n  tokens:", "not for task text, which takes only input.tokens", "size"),
    "layout": ("  lr: 1e-2", "  lr: 1e-2\n  channels_last: true", "for pictures", "channels_last"),
    "attack": (
        "{batch_size: 8}",
        "{batch_size: 8, robustness: {attacks: [fgsm], eps: [4]}}",
        "for task classify alone",
        "evaluation",
    ),
    "places": ("bert_small, max_length: 32", "bert_small, max_length: 16", "16 places are too few", "model:"),
    "heads": ("bert_small, max_length: 32", "bert_small, heads: 3", "heads 3 does not divide width 128", "model:"),
    "weights": (
        "{name: bert_small, max_length: 32}",
        f"{{name: bert, weights: {{folder: w, sha256: '{SUM}'}}}}",
        "learnt on word pieces",
        "model:",
    ),
    "option": ("max_length: 32}\nmodel", "max_lenght: 32}\nmodel", "unknown key 'max_lenght'", "tokens:"),
    "glue": ("{name: sst2}", "{name: glue, task: cola}", "cola", "data:"),
}  # fmt: skip


def test_the_sound_recipe_is_sound(write: Callable[..., Path]) -> None:
    (recipe,) = load_recipe(write(RECIPE), profile="lite").recipes
    assert (recipe.task, recipe.is_synthetic) == ("text", False)
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


def test_stored_weights_count_by_their_sum_wherever_they_lie(write: Callable[..., Path]) -> None:
    def footing(folder: str, weights: str) -> dict[str, object]:
        model = f"{{name: bert, weights: {{folder: {folder}, sha256: '{weights}'}}}}"
        text = RECIPE.replace("{name: bert_small, max_length: 32}", model)
        text = text.replace("{max_length: 32}", "{max_length: 32, tokenizer: wordpiece}")
        return footing_settings(load_recipe(write(text), profile="paper").recipes[0])

    assert footing("here", SUM) == footing("there", SUM) != footing("here", "1" * 64)


def test_tokens_are_for_text_alone(write: Callable[..., Path], recipe_text: str) -> None:
    text = recipe_text.replace("  size: 32\n", "  size: 32\n  tokens: {max_length: 8}\n")
    with pytest.raises(RecipeError, match="for task text alone"):
        load_recipe(write(text))


def test_a_classifiers_footing_knows_nothing_of_text() -> None:
    (recipe,) = load_recipe("lslu_vanillanet_c100", profile="lite").recipes
    settings = footing_settings(recipe)
    assert "task" not in settings
    assert "tokens" not in settings["input"]
